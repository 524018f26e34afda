"""``diorama batch``: many photos, made alike."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diorama.cli import account
from diorama.cli.options import UntilOption, command, step_named
from diorama.cli.talk import Talk
from diorama.errors import BatchError, StorageError
from diorama.products import PRODUCTS
from diorama.settings import STAGE_NAMES, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diorama.batch import Batch, Progress, Report, Status


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, tunes=STAGE_NAMES, makes=PRODUCTS.values())(batch)


def batch(
    photos: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTOS...",
            help="Folders, patterns ('trip/**/*.jpg'), lists (a .txt file, a path a line) or photos.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the files go.", show_default=False)
    ],
    talk: Talk,
    settings: Settings,
    options: dict[str, Any],
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="FORMAT,...",
            show_default=False,
            help=f"What to make of each photo: {', '.join(PRODUCTS)}. (Default: glb.)",
        ),
    ] = None,
    until: UntilOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            metavar="N",
            min=1,
            max=64,
            show_default=False,
            help="Photos worked on at once; each takes 1 to 3 GB. (Default: half the cores, or the cluster's workers.)",
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            "--dask",
            metavar="ADDRESS",
            show_default=False,
            help="Have the photos made by the workers of a Dask scheduler, such as tcp://host:8786; 'off': by this "
            "machine. (Default: DIORAMA_DASK.)",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a batch that was stopped: what is finished is not made again.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", show_default=False, help="Write what became of each: .html or .csv."),
    ] = None,
) -> None:
    """Make 3D scenes of many photos. A photo that can't be made doesn't stop the others."""
    from diorama import weights
    from diorama.batch import Batch

    step = step_named(until)
    _check_report(report, output)
    if step != "original":
        account.announce_advisor(talk, settings)
    made = Batch(
        photos,
        output,
        settings=settings,
        to=_formats(to or ["glb"]),
        options=options,
        until=step,
        jobs=jobs,
        dask=dask,
        resume=resume,
        fetch=not weights.is_offline(),
        pictures=report is not None and report.suffix.lower() == ".html",
    )
    try:
        with _progress(talk) as progress:
            found = made.run(progress)
    except KeyboardInterrupt:
        _write(report, made)
        talk.note(_stopped(made.report()))
        raise typer.Exit(130) from None
    except BaseException:
        _write(report, made)
        raise
    _write(report, made)
    _account(talk, found, report)
    if found.failed and talk.json:  # one object on stdout, and every error is in it
        raise typer.Exit(BatchError.exit_code)
    found.check()


def _formats(to: list[str]) -> list[str]:
    return [name.strip() for names in to for name in names.split(",") if name.strip()]


def _check_report(path: Path | None, out: Path) -> None:
    """Before hours of work: could it be written? The batch makes its own folder, if nobody has yet."""
    if path is None:
        return
    from diorama.batch import report

    report.check_name(path)
    folder = path.absolute().parent
    if not folder.is_dir() and folder != out.absolute():
        raise StorageError(f"There is no folder {path.parent}.", hint="Make it first, or choose another folder.")


def _write(path: Path | None, made: Batch) -> None:
    if path is not None:
        made.report().write(path, made.out)


def _stopped(report: Report) -> str:
    words = [word for word in sys.argv[1:] if word != "--resume"]
    return (
        f"Stopped: {len(report.done)} of {len(report.rows)} photos are made. Go on with:\n"
        f"  {shlex.join(['diorama', *words, '--resume'])}"
    )


def _account(talk: Talk, found: Report, report: Path | None) -> None:
    """What came of it all."""
    for row in found.failed:
        assert row.error is not None
        talk.note(f"{row.photo}: {row.error.message} {row.error.hint}")
    size = sum(file.bytes for row in found.done for file in row.files)
    sentence = f"{len(found.done)} of {len(found.rows)} photos made, {account.size(size)}"
    sentences = [f"{sentence}.", *([f"Report: {report}"] if report else [])]
    talk.result(found.values() | {"report": str(report) if report else None}, sentences)


# ---- progress --------------------------------------------------------------------------------------------------


@contextmanager
def _progress(talk: Talk) -> Iterator[Progress]:
    """A bar where that is a terminal, else a line a photo; on stderr."""
    console = talk.terminal()
    if console is None:
        yield lambda status: talk.note(_line(status)) if status.last else None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    left = TextColumn("{task.fields[left]}")
    names = TextColumn("{task.fields[names]}", markup=False, style="dim")
    bars = Progress(TextColumn("Photos"), BarColumn(32), MofNCompleteColumn(), left, names, console=console)
    task = bars.add_task("", total=None, left="", names="")

    def show(status: Status) -> None:
        if status.last is not None and status.last.error is not None:
            talk.note(_line(status))
        shown = ", ".join(Path(name).name for name in status.running)
        bars.update(
            task,
            total=status.total,
            completed=status.done + status.failed,
            left=_left(status.seconds_left),
            names=shown if len(shown) <= 60 else f"{shown[:59]}…",
        )

    with bars:
        yield show


def _line(status: Status) -> str:
    row = status.last
    assert row is not None
    said = row.error.message if row.error else row.kept or f"{row.seconds:.1f} s"
    left = _left(status.seconds_left)
    finished = status.done + status.failed
    return f"[{finished}/{status.total}] {row.photo}: {row.state}, {said}{' ' if left else ''}{left}"


def _left(seconds: float | None) -> str:
    """``(about 3 min left)``"""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"(about {max(1, round(seconds))} s left)"
    if seconds < 5400:
        return f"(about {round(seconds / 60)} min left)"
    return f"(about {seconds / 3600:.1f} h left)"
