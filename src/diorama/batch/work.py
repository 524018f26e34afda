"""What a worker process does with one photo of a batch: make the scene, write its files, say what came of it."""

from __future__ import annotations

import logging
import secrets
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from diorama import atomic
from diorama.batch.records import File, Problem, Wanted
from diorama.errors import DioramaError, PhotoError, StorageError
from diorama.jobs.processes import unforeseen

if TYPE_CHECKING:
    from diorama.types import Scene

log = logging.getLogger(__name__)

_asked_network = False
"""Weights that could not be had for a process's first photo are not asked for again: every try costs seconds."""


@dataclass(frozen=True)
class Target:
    """One name of a photo: where its files go."""

    name: str  # the photo's, which stands in some of its files
    place: str  # as `records.Row.place`


@dataclass(frozen=True)
class Task:
    """A photo, as it is sent to a worker. Files of the same bytes are one task with several targets."""

    photo: Path
    sha256: str
    targets: tuple[Target, ...]
    out: Path  # the batch's folder
    unfinished: Path  # a folder in it, for what is being written
    wanted: Wanted
    fetch: bool  # whether missing weights may be downloaded
    picture: bool = False  # whether a thumbnail is wanted


@dataclass(frozen=True)
class Made:
    """What was made for one target."""

    files: tuple[File, ...]
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What came of a task: by target, or an error."""

    made: tuple[Made, ...] = ()
    warnings: tuple[str, ...] = ()
    triangles: int | None = None
    thumbnail: str = ""
    error: Problem | None = None
    storage: bool = False  # the error is the disk's
    seconds: float = 0.0


def problem(error: DioramaError) -> Problem:
    """An error as it is reported."""
    return Problem(code=error.code, message=error.message, hint=error.hint)


def make(task: Task) -> Outcome:
    """Make all files of a photo; every error becomes a record with a sentence and a hint."""
    start = time.perf_counter()
    try:
        return _make(task, start)
    except DioramaError as error:
        found = error
    except Exception as error:
        log.exception("photo %s", task.photo)
        found = unforeseen(error)
    seconds = round(time.perf_counter() - start, 3)
    return Outcome(error=problem(found), storage=isinstance(found, StorageError), seconds=seconds)


def _make(task: Task, start: float) -> Outcome:
    scene = _scene(task)
    made = []
    for number, target in enumerate(task.targets):
        began = time.perf_counter() if number else start
        files = _write(task, target, scene)
        made.append(Made(files, round(time.perf_counter() - began, 3)))
    return Outcome(
        made=tuple(made),
        warnings=tuple(dict.fromkeys(scene.warnings)),
        triangles=sum(len(mesh.faces) for mesh in scene.meshes),
        thumbnail=_thumbnail(scene) if task.picture else "",
        seconds=round(time.perf_counter() - start, 3),
    )


def _scene(task: Task) -> Scene:
    from diorama import pipeline

    global _asked_network
    _check(task)
    fetch = task.fetch and not _asked_network
    scene = pipeline.make(task.photo, task.wanted.tuning(), until=task.wanted.step, fetch=fetch)
    _asked_network = True
    return scene


def _check(task: Task) -> None:
    """The file is still the one that the coordinator has seen."""
    from diorama.batch.photos import digest

    if digest(task.photo) != task.sha256:
        raise PhotoError(f"{task.photo} has changed while the batch ran.", hint="Run the batch again with --resume.")


def _write(task: Task, target: Target, scene: Scene) -> tuple[File, ...]:
    """Write the target's files, each of which appears whole."""
    from diorama import export

    scene = replace(scene, photo=replace(scene.photo, name=target.name))
    folder, _, stem = target.place.rpartition("/")
    files = []
    for name, given in task.wanted.products:
        made = export.product(name)
        options = made.parse(given)
        temporary = task.unfinished / secrets.token_hex(8)
        with atomic.refusals(temporary):
            temporary.mkdir()  # its parent is gone where the batch has ended, and a cluster's worker goes on
        path = temporary / made.named(stem, options)
        try:
            notes = made.write(scene, path, options)
            final = task.out.joinpath(*folder.split("/")) / path.name if folder else task.out / path.name
            _appear(path, final)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        shown = final.relative_to(task.out).as_posix()
        files.append(File(path=shown, label=made.label, bytes=final.stat().st_size, notes=notes))
    return tuple(files)


def _appear(path: Path, final: Path) -> None:
    """Move a file to its place, and before it those that it refers to (a material, a texture)."""
    with atomic.refusals(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        beside = [file for file in sorted(path.parent.rglob("*")) if file.is_file() and file != path]
        for file in [*beside, path]:
            target = final.parent / file.relative_to(path.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)


def _thumbnail(scene: Scene) -> str:
    """The scene seen from a little aside, as a small JPEG in base64."""
    import base64

    from diorama.jobs.outputs import thumbnail

    return base64.b64encode(thumbnail(scene, 200)).decode()


def sees(folder: Path) -> tuple[str, bool]:
    """Asked of a cluster's worker: the machine's name, and whether it has this folder."""
    import socket

    return socket.gethostname(), folder.is_dir()
