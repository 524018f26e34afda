"""``diorama models``: what networks there are, fetching, checking, carrying and removing them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diorama.cli.options import command
from diorama.cli.talk import Talk
from diorama.errors import WeightsCorruptError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diorama.types import ModelInfo
    from diorama.weights import CachedWeights
    from diorama.weights.hub import Snapshot

app = typer.Typer(name="models", help="The networks: what there is, fetch, check, carry, remove.", no_args_is_help=True)

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Which; all of them where none is named.", show_default=False),
]


AcceptLicence = Annotated[
    bool,
    typer.Option(
        "--accept-licence", help="Accept licences that restrict the use of a hub model's weights.", show_default=False
    ),
]


@command(app, name="list")
def list_(talk: Talk) -> None:
    """List the depth models, inpainters and segmenters, best first, and the downloads."""
    from diorama import depth, inpaint, weights
    from diorama.segment import models as segmenters
    from diorama.weights import hub

    kinds: dict[str, Sequence[ModelInfo]] = {
        "models": depth.models(),
        "inpainters": inpaint.models(),
        "segmenters": segmenters.models(),
    }
    titles = {"models": "Depth models", "inpainters": "Inpainters", "segmenters": "Segmenters"}
    cached = weights.list_weights()
    fetched = hub.snapshots()
    used = weights.disk_bytes()
    for kind, infos in kinds.items():
        rows = [(m.name, _state(m), _megabytes(m.bytes), m.licence, m.note) for m in infos]
        talk.table(("name", "state", "size", "licence", "note"), rows, titles[kind])
    talk.result(
        {
            **{kind: [asdict(info) for info in infos] for kind, infos in kinds.items()},
            "weights": [_row(c) for c in cached],
            "hub": [{**asdict(s), "folder": str(s.folder), "bytes": s.bytes, "name": f"hub:{s.repo}"} for s in fetched],
            "cache": str(weights.cache_folder()),
            "disk_bytes": used,
        },
        [
            f"Downloads are kept in {weights.cache_folder()} and take {_megabytes(used) or 'no room'} there. "
            "`diorama models pull NAME` fetches one, `remove NAME` frees its room.",
            "The Hugging Face hub has more (`--depth hub:OWNER/NAME`): `diorama models licences` names some.",
        ],
    )


@command(app)
def pull(talk: Talk, names: Names = None, accept_licence: AcceptLicence = False) -> None:
    """Fetch weights into the cache, and check them; what is there already is not fetched again.

    Models of the Hugging Face hub are named as for --depth: hub:OWNER/NAME, or hub:OWNER/NAME@REVISION.
    """
    from diorama import weights
    from diorama.depth import hub as models_of_hub
    from diorama.weights import hub

    if accept_licence:
        hub.accept_licences()
    wanted = [name if _is_hub(name) else weights.find(name).name for name in names or weights.CATALOGUE]
    values = []
    with talk.progress() as progress:
        for name in wanted:
            if _is_hub(name):
                found = models_of_hub.fetch(name, progress)
                values.append({"name": name, "path": str(found.folder), "bytes": found.bytes, "commit": found.commit})
            else:
                path = weights.fetch(name, progress)
                values.append({"name": name, "path": str(path), "bytes": path.stat().st_size})
    talk.result(
        {"pulled": values},
        [f"{v['name']}: {v['path']}" + (f" (commit {v['commit']})" if "commit" in v else "") for v in values],
    )


@command(app)
def verify(talk: Talk, names: Names = None) -> None:
    """Read every byte of what the cache holds and compare it with the catalogue's sha256, or the hub's."""
    from diorama import weights
    from diorama.weights import hub

    own = [name for name in names or () if not _is_hub(name)]
    rows = [_row(cached) for cached in weights.verify(own)] if names else [_row(cached) for cached in weights.verify()]
    wanted = {hub.parse(name[len("hub:") :]).repo for name in names or () if _is_hub(name)}
    rows += [_verified(snapshot) for snapshot in hub.snapshots() if not names or snapshot.repo in wanted]
    said = {"ready": "intact", "missing": "not downloaded", "damaged": "damaged"}
    talk.table(("name", "state", "file"), [(row["name"], said[row["state"]], row["path"]) for row in rows])
    damaged = [row["name"] for row in rows if row["state"] == "damaged"]
    if damaged and not talk.json:
        raise WeightsCorruptError(
            f"These weights are damaged: {', '.join(damaged)}.",
            hint=f"Fetch them again: diorama models pull {' '.join(damaged)} (of the hub: remove them first).",
        )
    talk.result({"weights": rows})
    if damaged:
        raise typer.Exit(WeightsCorruptError.exit_code)


@command(app)
def licences(talk: Talk) -> None:
    """List the licence of every network, and where it comes from."""
    from diorama import depth, inpaint, weights
    from diorama.weights import hub

    rows = [{"name": e.name, "licence": e.licence, "source": e.url, "note": e.note} for e in weights.CATALOGUE.values()]
    rows += [
        {
            "name": f"hub:{k.repo}",
            "licence": k.licence + (" (to be accepted)" if hub.needs_consent(k.licence) else ""),
            "source": f"https://huggingface.co/{k.repo}",
            "note": k.note,
        }
        for k in hub.KNOWN.values()
    ]
    for kind, backends in (("depth", depth.models()), ("inpainting", inpaint.models())):
        own = next(backend for backend in backends if backend.name == "bundled")
        came = {"name": f"bundled ({kind})", "licence": own.licence, "source": "comes with Diorama", "note": own.note}
        rows.append(came)
    talk.table(("name", "licence", "from"), [(r["name"], r["licence"], r["source"]) for r in rows])
    talk.result({"licences": rows})


@command(app)
def remove(
    talk: Talk,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Which.", show_default=False)],
) -> None:
    """Delete weights from the cache, and what has arrived of a download that broke off."""
    from diorama import weights
    from diorama.weights import hub

    for name in names:  # all of them are known before the first goes
        _ = hub.parse(name[len("hub:") :]) if _is_hub(name) else weights.find(name)
    freed = {
        name: hub.remove(hub.parse(name[len("hub:") :])) if _is_hub(name) else weights.remove(name) for name in names
    }
    values = [{"name": name, "freed_bytes": count} for name, count in freed.items()]
    said = [f"{name}: {_megabytes(count)} freed" if count else f"{name}: was not here" for name, count in freed.items()]
    talk.result({"removed": values}, said)


@command(app)
def bundle(
    talk: Talk,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write.", show_default=False)],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Which, fetched first where they are missing; all that are here where none is named.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write weights into one file, which `diorama models install` reads on a machine without a network."""
    from diorama import weights
    from diorama.weights import bundles

    with talk.progress() as progress:
        for name in names or ():
            weights.fetch(name, progress)
        packed = bundles.write(output, names or None, progress)
    size = output.stat().st_size
    talk.result(
        {"path": str(output), "bytes": size, "names": [entry.name for entry in packed]},
        [f"{output}: {', '.join(entry.name for entry in packed)}, {_megabytes(size)}"],
    )


@command(app)
def install(
    talk: Talk,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `diorama models bundle` wrote.", show_default=False)
    ],
) -> None:
    """Put the weights of a bundle into the cache, once every byte of them has been checked."""
    from diorama import weights
    from diorama.weights import bundles

    with talk.progress() as progress:
        installed = bundles.install(file, progress)
    values = [{"name": entry.name, "path": str(weights.path(entry.name))} for entry in installed]
    talk.result({"installed": values}, [f"{v['name']}: {v['path']}" for v in values])


def _verified(snapshot: Snapshot) -> dict[str, Any]:
    """A row like `_row`'s, of a model of the hub, once its files have been read."""
    state = "ready" if snapshot.is_intact() else "damaged"
    return {
        "name": f"hub:{snapshot.repo}", "state": state, "path": str(snapshot.folder), "bytes": snapshot.bytes,
        "disk_bytes": snapshot.bytes, "commit": snapshot.commit, "licence": snapshot.licence,
    }  # fmt: skip


def _is_hub(name: str) -> bool:
    from diorama.depth.backends import is_hub

    return is_hub(name)


def _row(cached: CachedWeights) -> dict[str, Any]:
    entry = cached.weights
    return {
        "name": entry.name, "state": cached.state, "path": str(cached.path), "bytes": entry.bytes,
        "disk_bytes": cached.disk_bytes, "sha256": entry.sha256, "licence": entry.licence, "url": entry.url,
    }  # fmt: skip


def _state(info: ModelInfo) -> str:
    if info.available:
        return "here"
    return "no key" if info.licence == "service" else "not here"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count else ""
