"""What a worker process does with one photo of a batch: make the scene, write its files, say what came of it."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diorama import atomic
from diorama.batch.records import File, Problem, Wanted
from diorama.cache import Cache
from diorama.errors import DioramaError, PhotoError, SceneFileError, StorageError
from diorama.jobs.processes import unforeseen

if TYPE_CHECKING:
    from diorama.types import Scene

log = logging.getLogger(__name__)

SCENE = "scene.diorama"
"""The whole scene's name in its entry of the cache."""

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
    key: str = ""  # of the scene in the cache (`keys.scene_key`); empty: no cache is used


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
    kept: bool = False  # the scene or its files were in the cache
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
    _check(task)
    scenes = _Scenes(task)
    made = []
    for number, target in enumerate(task.targets):
        began = time.perf_counter() if number else start
        files = tuple(_file(task, target, product, scenes) for product in task.wanted.products)
        made.append(Made(files, round(time.perf_counter() - began, 3)))
    known = scenes.about(task.picture)
    return Outcome(
        made=tuple(made),
        warnings=(*known["warnings"], *scenes.said),
        triangles=known["triangles"],
        thumbnail=known["thumbnail"],
        kept=scenes.kept,
        seconds=round(time.perf_counter() - start, 3),
    )


class _Scenes:
    """The scene of a photo: made, or taken from the cache, when the first file asks for it."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._scene: Scene | None = None
        self.kept = True  # nothing had to be computed but files of a kept scene
        self.said: tuple[str, ...] = ()
        self.known: dict[str, Any] | None = None  # what a kept file's entry says of the scene

    def scene(self) -> Scene:
        if self._scene is None:
            self._scene = self._kept() or self._made()
        return self._scene

    def about(self, picture: bool) -> dict[str, Any]:
        """What is reported of the scene."""
        if self.known is None or (picture and not self.known["thumbnail"]):
            scene = self.scene()
            self.known = {
                "warnings": list(dict.fromkeys(scene.warnings)),
                "triangles": sum(len(mesh.faces) for mesh in scene.meshes),
                "thumbnail": _thumbnail(scene) if picture else "",
            }
        return self.known

    def keep(self, key: str, files: dict[str, Path], note: dict[str, Any]) -> None:
        """Put files into the cache; a cache that refuses costs nothing but a sentence."""
        scene = self._scene
        # An advisor that could not be asked this time is asked the next time.
        missed = scene is not None and any(
            advice is not None and advice.adviser != scene.settings.advisor for advice in (scene.advice, scene.plan)
        )
        if missed or not self._task.key:
            return
        try:
            Cache().put(key, files, note)
        except StorageError as error:
            self.said = (f"It was not kept in the cache: {error.message}",)

    def _kept(self) -> Scene | None:
        if not self._task.key:
            return None
        from diorama import bundle

        with _temporary(self._task) as folder:
            if Cache().get(self._task.key, folder) is None:
                return None
            try:
                return bundle.read(folder / SCENE)
            except SceneFileError:  # of a newer version
                return None

    def _made(self) -> Scene:
        global _asked_network
        from diorama import bundle, pipeline

        task = self._task
        self.kept = False
        fetch = task.fetch and not _asked_network
        scene = pipeline.make(task.photo, task.wanted.tuning(), until=task.wanted.step, fetch=fetch)
        _asked_network = True
        if task.key:
            self._scene = scene
            with _temporary(task) as folder:
                bundle.write(scene, folder / SCENE)
                self.keep(task.key, {SCENE: folder / SCENE}, {})
        return scene


def _check(task: Task) -> None:
    """The file is still the one that the coordinator has seen."""
    from diorama.batch.photos import digest

    if digest(task.photo) != task.sha256:
        raise PhotoError(f"{task.photo} has changed while the batch ran.", hint="Run the batch again with --resume.")


def _file(task: Task, target: Target, product: tuple[str, dict[str, Any]], scenes: _Scenes) -> File:
    """Make one file of a target, or take it from the cache; it appears whole."""
    from diorama.products import PRODUCTS

    name, given = product
    made = PRODUCTS[name]
    options = made.parse(given)
    folder, _, stem = target.place.rpartition("/")
    parts = [task.key, target.name, stem, name, made.version, given]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
    with _temporary(task) as temporary:
        path = temporary / made.named(stem, options)
        note = Cache().get(key, temporary) if task.key else None
        if note is not None and path.is_file():
            notes = tuple(note["notes"])
            scenes.known = scenes.known or note["scene"]
        else:
            from diorama.photo import clean_name

            scene = scenes.scene()
            scene = replace(scene, photo=replace(scene.photo, name=clean_name(target.name)))
            notes = made.write(scene, path, options)
            files = {one.name: one for one in temporary.iterdir() if one.is_file()}
            if all(one.is_file() for one in temporary.iterdir()):  # else it is a folder's worth, and made again
                scenes.keep(key, files, {"notes": list(notes), "scene": scenes.about(task.picture)})
        final = task.out.joinpath(*folder.split("/")) / path.name if folder else task.out / path.name
        _appear(path, final)
    shown = final.relative_to(task.out).as_posix()
    return File(path=shown, label=made.label, bytes=final.stat().st_size, notes=notes)


@contextmanager
def _temporary(task: Task) -> Iterator[Path]:
    """A folder for what is being written, on the disk of the batch's own."""
    temporary = task.unfinished / secrets.token_hex(8)
    with atomic.refusals(temporary):
        temporary.mkdir()  # its parent is gone where the batch has ended, and a cluster's worker goes on
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
