"""``diorama video`` and ``diorama stereo``: films and stereo pictures of a scene."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diorama.cli.export import check_outputs
from diorama.cli.options import SceneArgument, command
from diorama.cli.talk import Talk
from diorama.errors import FormatError, SettingsError
from diorama.products import PRODUCTS
from diorama.products.films import SIZES

if TYPE_CHECKING:
    from diorama.film import Made

_FILMS = [PRODUCTS[name] for name in ("mp4", "webm", "webp", "gif")]
_STEREO = [PRODUCTS[name] for name in ("stereo.mp4", "stereo.jpg")]

Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="SIZE",
        show_default=False,
        help=f"{', '.join(SIZES)}, or WxH, both even, up to 3840x2160; of a stereo picture that of one view. What the "
        "photo's shape has no place in is cut off. (Default: the photo's shape, up to 1920 px; WebP and GIF 640 px.)",
    ),
]
Keys = Annotated[
    Path | None,
    typer.Option(
        "--keyframes", metavar="FILE", show_default=False, help="A camera path of your own (JSON), instead of --path."
    ),
]
FNumber = Annotated[
    float | None,
    typer.Option("--f-number", show_default=False, help="Instead of --blur, for scenes in metres: the lens's opening."),
]
FocalLength = Annotated[
    float | None,
    typer.Option("--focal-length", metavar="MM", show_default=False, help="With --f-number. (Default: the photo's.)"),
]
Poster = Annotated[
    Path | None,
    typer.Option(metavar="FILE", show_default=False, help="Write the first frame as well (.jpg or .png)."),
]
FilmFile = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="FILM",
        show_default=False,
        help="Film to write: .mp4 or .webm (by ffmpeg), .webp or .gif.",
    ),
]
StereoFile = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        show_default=False,
        help="Picture (.jpg, .png) or film (.mp4, .webm, .webp, .gif) to write.",
    ),
]
Wiggle = Annotated[bool, typer.Option("--wiggle", help="Show the views in turn, instead of a layout; films only.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the top one."""
    command(app, makes=_FILMS)(video)
    command(app, makes=_STEREO)(stereo)


def video(
    scene: SceneArgument,
    output: FilmFile,
    talk: Talk,
    options: dict[str, Any],
    size: Size = None,
    keyframes: Keys = None,
    f_number: FNumber = None,
    focal_length: FocalLength = None,
    poster: Poster = None,
) -> None:
    """Make a film of a scene: the camera moves within what the scene allows, so that no gap opens."""
    from diorama import bundle, film
    from diorama.film import keyframes as paths
    from diorama.film.products import wanted
    from diorama.film.stills import write_picture

    if poster is not None and poster.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise FormatError(f"A poster can't be written as '{poster.name}'.", hint="Use .jpg or .png.")
    check_outputs([output, *([poster] if poster else [])], [scene, *([keyframes] if keyframes else [])])
    ending = film.film_ending(output)
    chosen = PRODUCTS[ending[1:]].parse(options)
    keys = paths.read(keyframes) if keyframes is not None else None
    start = time.perf_counter()
    loaded = bundle.read(scene)
    made_of = replace(
        wanted(loaded, chosen),  # type: ignore[arg-type]
        size=parse_size(size, loaded.camera.width < loaded.camera.height),
        keys=keys,
        f_number=f_number,
        focal_mm=focal_length,
    )
    with talk.progress() as progress:
        made = film.make_film(loaded, output, made_of, progress=progress)
        if poster is not None:
            write_picture(film.poster(loaded, replace(made_of, size=(made.width, made.height))), poster)
    report(talk, output, made, time.perf_counter() - start)


def stereo(
    scene: SceneArgument,
    output: StereoFile,
    talk: Talk,
    options: dict[str, Any],
    size: Size = None,
    wiggle: Wiggle = False,
) -> None:
    """Show a scene to two eyes: side by side, in red and cyan, for VR glasses, or in turn."""
    from diorama import bundle
    from diorama.film.products import place_of
    from diorama.film.record import Film
    from diorama.stereo import PICTURES, Stereo, make_stereo

    check_outputs([output], [scene])
    still = output.suffix.lower() in PICTURES
    chosen: Any = PRODUCTS["stereo.mp4"].parse(options)
    start = time.perf_counter()
    loaded = bundle.read(scene)
    film = Film(size=parse_size(size, loaded.camera.width < loaded.camera.height))
    if not still:
        film = replace(
            film,
            path=chosen.path,
            seconds=chosen.seconds,
            fps=chosen.fps,
            amplitude=chosen.amplitude,
            quality=chosen.quality,
        )
    layout = "wiggle" if wiggle else chosen.layout
    how = Stereo(layout, chosen.divergence, place_of(chosen.convergence) or "subject")
    with talk.progress() as progress:
        made = make_stereo(loaded, output, how, film, progress=progress)
    report(talk, output, made, time.perf_counter() - start)


def report(talk: Talk, output: Path, made: Made, seconds: float) -> None:
    """Say what was made."""
    from diorama.cli import account

    talk.warn(made.warnings)
    length = output.stat().st_size
    values: dict[str, Any] = {
        "file": {"path": str(output), "bytes": length},
        "width": made.width,
        "height": made.height,
        "frames": made.frames,
        "fps": made.fps,
        "travel_used": round(made.used, 4),
        "enlarged": round(made.crop, 4),
        "warnings": list(made.warnings),
        "seconds": round(seconds, 3),
    }
    long = f", {made.frames} frames, {made.frames / made.fps:g} s" if made.fps else ""
    sentence = f"{output}: {made.width} x {made.height}{long}, {account.size(length)}; made in {seconds:.1f} s"
    talk.result(values, [sentence])


def parse_size(text: str | None, upright: bool) -> tuple[int, int] | None:
    """The size that a name or WxH stands for.

    Raises:
        SettingsError: it is none.
    """
    name = (text or "photo").lower().replace("×", "x")
    if name == "photo":
        return None
    if name in SIZES:
        long, short = SIZES[name]
        return (short, long) if upright else (long, short)
    parts = name.split("x")
    if len(parts) != 2 or not all(part.isdecimal() and part.isascii() and len(part) < 6 for part in parts):
        raise SettingsError(
            f"'{text}' is no size.", hint=f"Give {', '.join(SIZES)}, or width and height such as 1280x720."
        )
    return int(parts[0]), int(parts[1])
