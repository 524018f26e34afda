"""Scenes to files: one module a format, chosen by the file's ending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diorama import bundle
from diorama.errors import FormatError
from diorama.export import glb
from diorama.types import Scene


@dataclass(frozen=True)
class Format:
    """A way to write a scene."""

    label: str  # for a person
    media_type: str
    write: Callable[[Scene, Path], None]


FORMATS: dict[str, Format] = {
    ".glb": Format("3D scene (GLB)", "model/gltf-binary", glb.write),
    ".diorama": Format("Whole scene, to go on with (Diorama)", "application/vnd.diorama+zip", bundle.write),
}
"""By ending. A file's name ends with it or, without its first dot, is it: `x.points.ply` and `points.ply` are alike."""


def save(scene: Scene, path: str | Path) -> None:
    """Write the scene to a file whose ending says the format (`FORMATS`).

    Raises:
        FormatError: the ending names no format.
        InputError: the scene has no surface (the photo is transparent everywhere).
        StorageError: the disk is full or refuses.
    """
    path = Path(path)
    format_of(path).write(scene, path)


def format_of(path: str | Path) -> Format:
    """The format that a file's name asks for.

    Raises:
        FormatError: the ending names no format.
    """
    name = Path(path).name.lower()
    endings = [ending for ending in FORMATS if name.endswith(ending) or name == ending[1:]]
    if not endings:
        raise FormatError(
            f"A scene can't be written as '{Path(path).name}'.", hint=f"Use one of the endings {', '.join(FORMATS)}."
        )
    return FORMATS[max(endings, key=len)]
