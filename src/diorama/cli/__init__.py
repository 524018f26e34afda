"""The command ``diorama``: make, batch, export, depth, view, video, stereo, share, models, doctor, serve.

Stages are imported inside the commands, so that ``diorama --help`` answers at once.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diorama import __version__
from diorama.cli import account, batch, doctor, export, film, share
from diorama.cli.cache import app as cache_app
from diorama.cli.group import EXIT_CODES, Group
from diorama.cli.models import AcceptLicence
from diorama.cli.models import app as models_app
from diorama.cli.options import LogForm, SceneArgument, UntilOption, command, step_named
from diorama.cli.talk import Talk
from diorama.errors import FormatError, SettingsError, WeightsMissingError
from diorama.products import FORMATS, PRODUCTS
from diorama.settings import STAGE_NAMES, Settings

if TYPE_CHECKING:
    from diorama.types import Correction

MAX_VIEW_PIXELS = 100_000_000

app = typer.Typer(
    name="diorama",
    cls=Group,
    help="One photo in, a layered, textured 3D scene out.",
    epilog="Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + ".",
    no_args_is_help=True,
    add_completion=False,
)
app.add_typer(models_app)
app.add_typer(cache_app)
batch.register(app)
doctor.register(app)
export.register(app)
film.register(app)
share.register(app)

PhotoArgument = Annotated[
    Path, typer.Argument(metavar="PHOTO", help="JPEG, PNG, HEIC, AVIF, WebP, BMP, TIFF or GIF.", show_default=False)
]

CorrectionsOption = Annotated[
    Path | None,
    typer.Option(
        "--corrections",
        metavar="FILE",
        show_default=False,
        help="Strokes that correct the depth: a corrections file (JSON), or a .diorama file whose ones are taken.",
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"diorama {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    # Nothing here is large enough for a second thread of linear algebra, and one that waits for work turns in circles:
    # it took a tenth of step 3's processor time. NumPy, which isn't loaded yet, and worker processes read it here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


# ---- make ------------------------------------------------------------------------------------------------------


@command(app, tunes=STAGE_NAMES, makes=PRODUCTS.values())
def make(
    photo: PhotoArgument,
    output: Annotated[
        list[Path],
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            show_default=False,
            help=(
                f"File to write; its ending says the format: {', '.join(FORMATS)}. "
                ".diorama is the whole scene, to go on with. May be given several times."
            ),
        ),
    ],
    talk: Talk,
    settings: Settings,
    options: dict[str, Any],
    until: UntilOption = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what ran, why, and how long it took.")] = False,
    corrections: CorrectionsOption = None,
    accept_licence: AcceptLicence = False,
) -> None:
    """Make a 3D scene from a photo."""
    from diorama import compiling, memory, pipeline, weights

    memory.share()
    _accept(accept_licence)
    strokes = _strokes(corrections)
    step = step_named(until)
    planned = export.plan(output, options)
    fetch = not weights.is_offline()
    export.check_step(planned, step or "final")
    if step != "original":
        _check_inpainter(settings.inpaint, fetch)
        account.announce_advisor(talk, settings)
    export.check_outputs(output, [photo, Path(settings.depth), *([corrections] if corrections else [])])
    start = time.perf_counter()
    later = compiling.LATER[step or "final"]
    with talk.progress() as bars, compiling.announced(bars, later, talk.note) as progress:
        scene = pipeline.make(photo, settings, until=step, fetch=fetch, progress=progress, corrections=strokes)
        files = export.write(scene, planned, progress)
    seconds = time.perf_counter() - start
    talk.warn(scene.warnings)
    if explain:
        account.explain(talk, scene)
    talk.result(
        account.scene_values(scene, files, seconds), [*export.sentences(files), account.summary(scene, seconds)]
    )


def _strokes(file: Path | None) -> tuple[Correction, ...]:
    """Of a corrections file, or of a scene that was corrected."""
    if file is None:
        return ()
    if file.suffix.lower() == ".diorama":
        from diorama import bundle

        return bundle.read(file).corrections
    from diorama.corrections import read

    return read(file)


def _accept(licence: bool) -> None:
    if licence:
        from diorama.weights import hub

        hub.accept_licences()


def _check_inpainter(name: str, fetch: bool) -> None:
    """Before minutes of work: could it run, once what it lacks was fetched?"""
    from diorama import inpaint

    try:
        inpaint.choose(name)
    except WeightsMissingError:
        if not fetch:
            raise


# ---- depth -----------------------------------------------------------------------------------------------------


@command(app, tunes=("photo", "depth"))
def depth(
    photo: PhotoArgument,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            show_default=False,
            help=("File to write: .npy or .npz (float32), .png (16 bits), .pfm or .exr."),
        ),
    ],
    talk: Talk,
    settings: Settings,
    corrections: CorrectionsOption = None,
    accept_licence: AcceptLicence = False,
) -> None:
    """Estimate inverse depth: as high and wide as the photo, larger is nearer, 0 is infinitely far."""
    from diorama import depth as backends
    from diorama import networks, weights
    from diorama import photo as photos
    from diorama.export.depthmap import DEPTH_FORMATS, write_depth

    _accept(accept_licence)
    strokes = _strokes(corrections)
    if output.suffix.lower() not in DEPTH_FORMATS:
        raise FormatError(f"Depth can't be written as '{output.name}'.", hint=f"Use {', '.join(DEPTH_FORMATS)}.")
    export.check_outputs([output], [photo, Path(settings.depth), *([corrections] if corrections else [])])
    start = time.perf_counter()
    with talk.progress() as progress:
        picture = photos.read(photo, settings)
        progress("depth", 0.0, "Estimating depth")
        with networks.observed() as seen:
            found, reason = backends.estimate(picture, settings, fetch=not weights.is_offline(), progress=progress)
        if strokes:
            from diorama.depth.correct import correct

            found = correct(found, picture.rgb, strokes)
        write_depth(found, (picture.width, picture.height), output)
        progress("depth", 1.0, "Estimating depth")
    warnings = (*picture.warnings, *found.warnings, *seen.warnings)
    talk.warn(warnings)
    values = {
        "file": {"path": str(output), "bytes": output.stat().st_size},
        "width": picture.width,
        "height": picture.height,
        "model": found.model,
        "provider": ", ".join(seen.providers),
        "reason": reason,
        "scale": found.scale,
        "corrections": [stroke.to_json() for stroke in strokes],
        "camera": account.camera_values(found.camera.resized(picture.width, picture.height)),
        "warnings": list(dict.fromkeys(warnings)),
        "seconds": round(time.perf_counter() - start, 3),
    }
    talk.result(
        values, [f"{output}: {found.scale} inverse depth, {picture.width} x {picture.height}, by {found.model}"]
    )


# ---- view ------------------------------------------------------------------------------------------------------


@command(app)
def view(
    scene: SceneArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PNG", help="Picture to write.", show_default=False)
    ],
    talk: Talk,
    translate: Annotated[
        tuple[float, float, float],
        typer.Option(metavar="X Y Z", help="Move right, down, forward, in scene units."),
    ] = (0.0, 0.0, 0.0),
    rotate: Annotated[
        tuple[float, float, float],
        typer.Option(metavar="RX RY RZ", help="Turn up, right, clockwise, in degrees."),
    ] = (0.0, 0.0, 0.0),
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="In pixels. (Default: the photo's.)", show_default=False)
    ] = None,
    fov: Annotated[
        float | None,
        typer.Option(metavar="DEG", help="Horizontal field of view. (Default: the photo's.)", show_default=False),
    ] = None,
) -> None:
    """Look at a scene from the photo's own camera, moved and turned."""
    from PIL import Image

    from diorama import atomic, bundle
    from diorama.render import render

    if output.suffix.lower() != ".png":
        raise FormatError(f"A view can't be written as '{output.name}'.", hint="Use the ending .png.")
    if fov is not None and not 1 <= fov <= 170:
        raise SettingsError(f"A view of {fov:g}° can't be drawn.", hint="Give --fov from 1 to 170 degrees.")
    wanted = None if size is None else _parse_size(size)
    export.check_outputs([output], [scene])
    with talk.progress() as progress:
        progress("view", 0.0, "Drawing the view")
        picture = render(bundle.read(scene), translate=translate, rotate=rotate, size=wanted, fov=fov)
        with atomic.writing(output) as file:
            Image.fromarray(picture.rgb).save(file, "PNG")
        progress("view", 1.0, "Drawing the view")
    height, width = picture.alpha.shape
    covered = float(picture.alpha.mean()) / 255
    values = {
        "file": {"path": str(output), "bytes": output.stat().st_size},
        "width": width,
        "height": height,
        "covered": round(covered, 6),
        "camera": account.camera_values(picture.camera),
        "translate": list(translate),
        "rotate": list(rotate),
    }
    talk.result(values, [f"{output}: {width} x {height}, {covered:.1%} of it covered by the scene"])


def _parse_size(text: str) -> tuple[int, int]:
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 2 or not all(part.isdecimal() and part.isascii() for part in parts):
        raise SettingsError(f"'{text}' is no size.", hint="Give width and height in pixels, such as --size 1280x720.")
    width, height = int(parts[0][:9]), int(parts[1][:9])
    if width < 1 or height < 1 or width * height > MAX_VIEW_PIXELS:
        raise SettingsError(f"A view of {text} pixels can't be drawn.", hint="Give 1x1 to 100 megapixels.")
    return width, height


# ---- serve -----------------------------------------------------------------------------------------------------


@command(app)
def serve(
    talk: Talk,
    host: Annotated[str, typer.Option(help="Address to listen at; this machine's own.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 5000,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            show_default=False,
            help="Folder of the jobs. (Default: DIORAMA_DATA, or the system's place.)",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="Processes that answer requests.")] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=64,
            show_default=False,
            help="Jobs worked on at once; 0: other servers of the same jobs work. (Default: half the cores, or "
            "as many as the Dask cluster that DIORAMA_DASK names has workers.)",
        ),
    ] = None,
    lan: Annotated[
        bool,
        typer.Option(
            "--lan", help="For phones in this network: HTTPS, a link with a token, a QR code. Needs the extra 'lan'."
        ),
    ] = False,
    log: Annotated[
        LogForm | None,
        typer.Option(
            show_default=False,
            help="What goes to stderr: warnings alone (quiet), or every request, as text or JSON. "
            "(Default: DIORAMA_LOG, or quiet.)",
        ),
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve the web app until Ctrl-C."""
    from diorama import server, weights

    def say(sentence: str) -> None:
        talk.result({"message": sentence}, [sentence])

    server.serve(
        host,
        port,
        data,
        workers=workers,
        slots=jobs,
        fetch=not weights.is_offline(),
        open_browser=open_browser,
        lan=lan,
        log=log.value if log else None,
        say=say,
    )
