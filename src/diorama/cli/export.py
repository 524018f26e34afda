"""``diorama export``: a kept scene in another format; and writing files for the other commands."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diorama.cli import account
from diorama.cli.options import SceneArgument, command
from diorama.cli.talk import Talk
from diorama.errors import FormatError, InputError, SettingsError, StorageError
from diorama.products import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from diorama.products import Options, Product
    from diorama.types import Progress, Scene

Planned = list[tuple[Path, "Product", "Options"]]
"""Files to be written, their formats and these formats' options."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, makes=PRODUCTS.values())(export)


def export(
    scene: SceneArgument,
    talk: Talk,
    options: dict[str, Any],
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="FORMAT", show_default=False, help=f"The format: {', '.join(PRODUCTS)}. Or say it by -o."
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            show_default=False,
            help="File to write. (Default: the scene's name with the format's ending, in this folder.)",
        ),
    ] = None,
) -> None:
    """Write a scene in another format. Both options may be given several times."""
    from diorama import bundle

    planned = _planned(scene, to or [], output or [], options)
    check_outputs([path for path, *_ in planned], [scene])
    start = time.perf_counter()
    with talk.progress() as progress:
        progress("scene", 0.0, f"Reading {scene.name}")
        found = bundle.read(scene)
        progress("scene", 1.0, f"Reading {scene.name}")
        files = write(found, planned, progress)
    seconds = round(time.perf_counter() - start, 3)
    talk.result({"scene": str(scene), "step": found.step, "files": files, "seconds": seconds}, sentences(files))


def _planned(scene: Path, to: Sequence[str], outputs: Sequence[Path], options: dict[str, Any]) -> Planned:
    from diorama import export

    if len(to) == len(outputs) == 1:
        products = [export.product(to[0])]
        return list(zip(outputs, products, _options(products, options), strict=True))
    if to and outputs:
        raise InputError(
            "Several formats and names don't say which belongs to which.", hint="Give -o alone: the ending says it."
        )
    if not to and not outputs:
        raise InputError("It isn't said what to make.", hint="Name a format with --to, or a file with -o.")
    products = [export.product(name) for name in to] or [export.format_of(path) for path in outputs]
    chosen = _options(products, options)
    paths = list(outputs) or [Path(made.named(scene.stem, own)) for made, own in zip(products, chosen, strict=True)]
    return list(zip(paths, products, chosen, strict=True))


def plan(outputs: Sequence[Path], options: dict[str, Any]) -> Planned:
    """What the files' endings ask for, with the options that belong to each.

    Raises:
        FormatError: an ending names no format, or an extra that isn't installed.
        SettingsError: a value is out of its range, or an option belongs to none of the files.
    """
    from diorama import export

    products = [export.format_of(path) for path in outputs]
    return list(zip(outputs, products, _options(products, options), strict=True))


def _options(products: Sequence[Product], given: dict[str, Any]) -> list[Options]:
    """Of each product, from those that were given: each takes the ones that it knows."""
    for name in given:
        if not any(name in made.options.model_fields for made in products):
            takers = [made.ending for made in PRODUCTS.values() if name in made.options.model_fields]
            raise SettingsError(
                f"--{name.replace('_', '-')} changes nothing in {', '.join(made.ending for made in products)}.",
                hint=f"It is an option of {', '.join(takers)}.",
            )
    for made in products:
        if not made.installed:
            made.check("final")
    return [made.parse({n: v for n, v in given.items() if n in made.options.model_fields}) for made in products]


def check_step(planned: Planned, step: str) -> None:
    """Before minutes of work: could the files be made of a scene that ends with this step?

    Raises:
        FormatError: one of them needs a later step.
    """
    for path, made, _ in planned:
        if step == "original" and made.needs_segments:
            raise FormatError(
                f"{path.name} needs segments, and the step 'original' has none.", hint="Leave --until original out."
            )
        if step == "enhanced" and made.needs == "final":
            raise FormatError(
                f"{path.name} needs the final scene, and the step 'enhanced' isn't it.",
                hint="Leave --until enhanced out.",
            )


def check_outputs(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Before minutes of work: can each file be written, and would it take the place of what is read?"""
    read = {path.resolve() for path in inputs}
    for path in outputs:
        if not path.parent.is_dir():
            raise StorageError(f"There is no folder {path.parent}.", hint="Make it first, or choose another folder.")
        if path.is_dir():
            raise StorageError(f"{path} is a folder.", hint="Give the name of a file in it.")
        if path.resolve() in read:
            raise InputError(f"{path} is what is being read.", hint="Choose another name for the output.")
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise InputError("The same output file is named twice.", hint="Name each file once.")


def write(scene: Scene, planned: Planned, progress: Progress) -> list[dict[str, Any]]:
    """Write the files -> path, label, bytes and notes of each."""
    files: list[dict[str, Any]] = []
    for number, (path, made, options) in enumerate(planned):
        title = f"Writing {path.name}"
        stage = f"files-{number}"

        def say(share: float, _message: str, stage: str = stage, title: str = title) -> None:
            progress(stage, share, title)

        say(0.0, "")
        notes = made.write(scene, path, options, say)
        say(1.0, "")
        files.append({"path": str(path), "label": made.label, "bytes": path.stat().st_size, "notes": list(notes)})
    return files


def sentences(files: Iterable[dict[str, Any]]) -> list[str]:
    """A line a file, with what is to be known of it."""
    said = []
    for file in files:
        said.append(f"{file['path']}: {file['label']}, {account.size(file['bytes'])}")
        said += [f"  {note}" for note in file["notes"]]
    return said
