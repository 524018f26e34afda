"""``diorama share``: a page that shows a scene anywhere, or the pieces to embed it in a page of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from diorama.cli import account
from diorama.cli.export import check_outputs
from diorama.cli.options import command
from diorama.cli.talk import Talk
from diorama.errors import FormatError, InputError

SCENE_ENDING = ".diorama"
PAGE_ENDINGS = (".html", ".htm")


def register(app: typer.Typer) -> None:
    """Add the command to the top one."""
    command(app)(share)


def share(
    scene: Annotated[
        Path,
        typer.Argument(
            metavar="SCENE",
            help="A .diorama file, or a photo: a scene is made of it then, with the default settings.",
            show_default=False,
        ),
    ],
    talk: Talk,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="HTML", help="Page to write, one file.", show_default=False),
    ] = None,
    embed: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            show_default=False,
            help="Folder for what a page of your own needs: viewer, scene, poster and an example page.",
        ),
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="The page's title. (Default: the photo's name.)", show_default=False)
    ] = None,
    alt: Annotated[
        str | None,
        typer.Option(
            help="What is seen, for those who don't see it. (Default: the advisor's caption.)", show_default=False
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            show_default=False,
            help="Address at which the page will be found: other sites show its picture then, a JPEG beside it.",
        ),
    ] = None,
) -> None:
    """Write a page that shows the scene in any browser, with no network and no Diorama."""
    from diorama import bundle, pipeline
    from diorama.export import share as pages

    if output is None and embed is None:
        raise InputError("Nothing is to be written.", hint="Give a page with -o page.html, or a folder with --embed.")
    if output is not None:
        _check(output, scene)
    with talk.progress() as progress:
        progress("share", 0.0, "Reading the scene")
        is_scene = scene.suffix.lower() == SCENE_ENDING
        found = bundle.read(scene) if is_scene else pipeline.make(scene, progress=progress)
        progress("share", 0.3, "Writing the page")
        notes = () if is_scene else found.warnings
        if output is not None:
            notes += pages.share(found, output, title=title, alt=alt, url=url)
        written = [] if output is None else [output]
        if embed is not None:
            written += pages.embed(found, embed, title=title, alt=alt)
        progress("share", 1.0, "Writing the page")
    files: list[dict[str, Any]] = [{"path": str(path), "bytes": path.stat().st_size} for path in written]
    sentences = [f"{file['path']}: {account.size(file['bytes'])}" for file in files]
    talk.result({"files": files, "notes": list(notes)}, [*sentences, *notes])


def _check(output: Path, scene: Path) -> None:
    """Before the scene is read: can the page be written there?"""
    if output.suffix.lower() not in PAGE_ENDINGS:
        raise FormatError(f"A page can't be written as '{output.name}'.", hint="Use the ending .html.")
    check_outputs([output], [scene])
