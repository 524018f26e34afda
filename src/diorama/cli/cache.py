"""``diorama cache``: what batches keep of finished scenes, so that nothing is made twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from diorama.cli import account
from diorama.cli.options import command
from diorama.cli.talk import Talk

if TYPE_CHECKING:
    from diorama.cache import Used

app = typer.Typer(
    name="cache", help="Finished scenes that batches keep: show, clear, limit their room.", no_args_is_help=True
)


@command(app)
def show(talk: Talk) -> None:
    """Say what is kept, where, and how much may be."""
    from diorama.cache import Cache

    used = Cache().used()
    talk.result(
        _values(used),
        [
            f"{used.entries} results of batches, {account.size(used.bytes)} of at most {account.size(used.limit)}, "
            f"in {used.folder}."
        ],
    )


@command(app)
def clear(talk: Talk) -> None:
    """Remove all that is kept. Nothing is lost but the time to make it again."""
    from diorama.cache import Cache

    before = Cache().clear()
    talk.result(
        {"removed": before.entries, "bytes": before.bytes},
        [f"{before.entries} results removed, {account.size(before.bytes)}."],
    )


@command(app)
def limit(
    talk: Talk,
    size: Annotated[
        str, typer.Argument(metavar="SIZE", help="Such as 20GB or 500MB; 0 keeps nothing.", show_default=False)
    ],
) -> None:
    """Say how much may be kept; what was used longest ago goes first."""
    from diorama.cache import Cache, parse_size

    cache = Cache()
    cache.set_limit(parse_size(size))
    used = cache.used()
    talk.result(_values(used), [f"At most {account.size(used.limit)} are kept; {account.size(used.bytes)} are now."])


def _values(used: Used) -> dict[str, Any]:
    return {"folder": str(used.folder), "entries": used.entries, "bytes": used.bytes, "limit": used.limit}
