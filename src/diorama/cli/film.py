"""``diorama video``: films of a scene."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diorama.cli.export import check_outputs
from diorama.cli.options import command
from diorama.cli.talk import Talk
from diorama.errors import FormatError, SettingsError

if TYPE_CHECKING:
    from diorama.film import Made

SceneArgument = Annotated[Path, typer.Argument(metavar="SCENE", help="A .diorama file.", show_default=False)]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        show_default=False,
        help="720p, 1080p, 1440p, 4k (as wide or as tall as the photo), square, or WxH. What the shape of the photo "
        "doesn't fill is cut off. (Default: the photo's shape, up to 1920 px; 640 px for GIF and WebP.)",
    ),
]
Seconds = Annotated[float, typer.Option(help="Length.")]
Rate = Annotated[float, typer.Option("--fps", help="Frames a second.")]
PathName = Annotated[
    str,
    typer.Option(
        "--path",
        metavar="NAME",
        help="orbit (round the subject), swing (from side to side), circle (looking straight ahead), push-in, or "
        "dolly-zoom (backwards while the lens zooms in).",
    ),
]
Amplitude = Annotated[
    float, typer.Option(help="How far the camera goes, as a share of what the scene allows; above 1 gaps may open.")
]
Easing = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default=False,
        help="linear, sine, smooth, smoother, ease-in or ease-out. (Default: as suits the path.)",
    ),
]
Once = Annotated[bool, typer.Option("--once", help="Go one way and stop, instead of a film that repeats seamlessly.")]
Keys = Annotated[
    Path | None,
    typer.Option(
        "--keyframes", metavar="FILE", show_default=False, help="A camera path of your own (JSON), instead of --path."
    ),
]
Focus = Annotated[
    str | None,
    typer.Option(
        metavar="WHERE",
        show_default=False,
        help="What is sharp: subject, near, far, or a distance in scene units. (Default: everything is.)",
    ),
]
FocusEnd = Annotated[str | None, typer.Option(metavar="WHERE", show_default=False, help="Pull the focus to there.")]
Blur = Annotated[
    float, typer.Option(metavar="PERCENT", help="Blur of what is far behind the subject, in % of the picture's width.")
]
FNumber = Annotated[
    float | None,
    typer.Option("--f-number", show_default=False, help="Instead of --blur, for scenes in metres: the lens's opening."),
]
FocalLength = Annotated[
    float | None,
    typer.Option("--focal-length", metavar="MM", show_default=False, help="With --f-number. (Default: the photo's.)"),
]
Quality = Annotated[int, typer.Option(help="1 to 100.")]
Poster = Annotated[
    Path | None,
    typer.Option(metavar="FILE", show_default=False, help="Write the first frame as well (.jpg or .png)."),
]

_HEIGHTS = {
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "1440p": (2560, 1440),
    "4k": (3840, 2160),
    "2160p": (3840, 2160),
}


def register(app: typer.Typer) -> None:
    """Add the command to the top one."""
    command(app)(video)


def video(
    scene: SceneArgument,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILM", show_default=False,
            help="Film to write: .mp4 or .webm (by ffmpeg), .webp or .gif.",
        ),
    ],
    talk: Talk,
    path: PathName = "orbit",
    seconds: Seconds = 5.0,
    fps: Rate = 30.0,
    size: Size = None,
    amplitude: Amplitude = 0.7,
    easing: Easing = None,
    once: Once = False,
    keyframes: Keys = None,
    focus: Focus = None,
    focus_end: FocusEnd = None,
    blur: Blur = 1.5,
    f_number: FNumber = None,
    focal_length: FocalLength = None,
    quality: Quality = 75,
    poster: Poster = None,
) -> None:  # fmt: skip
    """Make a film of a scene: the camera moves within what the scene allows, so that no gap opens."""
    from diorama import bundle, film
    from diorama.film import keyframes as paths

    if poster is not None and poster.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise FormatError(f"A poster can't be written as '{poster.name}'.", hint="Use .jpg or .png.")
    check_outputs([output, *([poster] if poster else [])], [scene, *([keyframes] if keyframes else [])])
    film.film_ending(output)
    keys = paths.read(keyframes) if keyframes is not None else None
    start = time.perf_counter()
    loaded = bundle.read(scene)
    wanted = film.Film(
        path=path, seconds=seconds, fps=fps, size=parse_size(size, loaded.camera.width < loaded.camera.height),
        amplitude=amplitude, easing=easing, loop=not once, keys=keys, focus=parse_focus(focus),
        focus_end=parse_focus(focus_end), blur=blur, f_number=f_number, focal_mm=focal_length, quality=quality,
    )  # fmt: skip
    with talk.progress() as progress:
        made = film.make_film(loaded, output, wanted, progress=progress)
        if poster is not None:
            write_picture(film.poster(loaded, wanted), poster)
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
    talk.result(
        values,
        [
            f"{output}: {made.width} x {made.height}, {made.frames} frames, {made.frames / made.fps:g} s, "
            f"{account.size(length)}; made in {seconds:.1f} s"
        ],
    )


def parse_size(text: str | None, upright: bool) -> tuple[int, int] | None:
    """The size that a name or WxH stands for.

    Raises:
        SettingsError: it is none.
    """
    if text is None:
        return None
    name = text.lower().replace("×", "x")
    if name in _HEIGHTS:
        long, short = _HEIGHTS[name]
        return (short, long) if upright else (long, short)
    if name == "square":
        return 1080, 1080
    parts = name.split("x")
    if len(parts) != 2 or not all(part.isdecimal() and part.isascii() and len(part) < 6 for part in parts):
        raise SettingsError(
            f"'{text}' is no size.", hint=f"Give {', '.join(_HEIGHTS)}, square, or width and height such as 1280x720."
        )
    return int(parts[0]), int(parts[1])


def parse_focus(text: str | None) -> float | str | None:
    """A distance, or the name of a place."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def write_picture(rgb: Any, path: Path) -> None:
    """Write (H, W, 3) sRGB as JPEG or PNG, as the ending says.

    Raises:
        StorageError: the disk is full or refuses.
    """
    from PIL import Image

    from diorama import atomic

    how = {"format": "PNG"} if path.suffix.lower() == ".png" else {"format": "JPEG", "quality": 92, "subsampling": 0}
    with atomic.writing(path) as file:
        Image.fromarray(rgb).save(file, **how)
