"""``diorama models``: what networks there are, fetching them and checking them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from diorama.cli.options import command
from diorama.cli.talk import Talk
from diorama.errors import WeightsCorruptError

if TYPE_CHECKING:
    from diorama.weights import CachedWeights

app = typer.Typer(name="models", help="The networks: what there is, fetch, check.", no_args_is_help=True)

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Which; all of them where none is named.", show_default=False),
]


@command(app, name="list")
def list_(talk: Talk) -> None:
    """List the depth models, best first, and the downloads."""
    from diorama import depth, weights

    models = depth.models()
    cached = weights.list_weights()
    rows = [(m.name, "here" if m.available else "not here", _megabytes(m.bytes), m.licence, m.note) for m in models]
    talk.table(("name", "state", "size", "licence", "note"), rows, "Depth models")
    talk.result(
        {
            "models": [
                {"name": m.name, "available": m.available, "licence": m.licence, "bytes": m.bytes, "note": m.note}
                for m in models
            ],
            "weights": [_row(c) for c in cached],
            "cache": str(weights.cache_folder()),
        },
        [f"Downloads are kept in {weights.cache_folder()}. `diorama models pull NAME` fetches one."],
    )


@command(app)
def pull(talk: Talk, names: Names = None) -> None:
    """Fetch weights into the cache, and check them; what is there already is not fetched again."""
    from diorama import weights

    wanted = [weights.find(name).name for name in names or weights.CATALOGUE]
    with talk.progress() as progress:
        paths = {name: weights.fetch(name, progress) for name in wanted}
    values = [{"name": name, "path": str(path), "bytes": path.stat().st_size} for name, path in paths.items()]
    talk.result({"pulled": values}, [f"{v['name']}: {v['path']}" for v in values])


@command(app)
def verify(talk: Talk, names: Names = None) -> None:
    """Read every byte of what the cache holds and compare it with the catalogue's sha256."""
    from diorama import weights

    checked = weights.verify(names or None)
    said = {"ready": "intact", "missing": "not downloaded", "damaged": "damaged"}
    talk.table(("name", "state", "file"), [(c.weights.name, said[c.state], str(c.path)) for c in checked])
    damaged = [c.weights.name for c in checked if c.state == "damaged"]
    if damaged and not talk.json:
        raise WeightsCorruptError(
            f"These weights are damaged: {', '.join(damaged)}.",
            hint=f"Fetch them again: diorama models pull {' '.join(damaged)}.",
        )
    talk.result({"weights": [_row(c) for c in checked]})
    if damaged:
        raise typer.Exit(WeightsCorruptError.exit_code)


def _row(cached: CachedWeights) -> dict[str, Any]:
    entry = cached.weights
    return {
        "name": entry.name, "state": cached.state, "path": str(cached.path), "bytes": entry.bytes,
        "sha256": entry.sha256, "licence": entry.licence, "url": entry.url,
    }  # fmt: skip


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count else ""
