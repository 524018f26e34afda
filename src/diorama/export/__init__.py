"""Scenes to files: one module a format, chosen by the file's ending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diorama import bundle
from diorama.errors import FormatError
from diorama.export import glb, normals, obj, ply
from diorama.export.depthmap import write_depth
from diorama.export.segments import write_annotated, write_coco
from diorama.types import Scene

__all__ = ["FORMATS", "Format", "format_of", "save", "write_depth"]


@dataclass(frozen=True)
class Format:
    """A way to write a scene."""

    label: str  # for a person
    media_type: str
    write: Callable[[Scene, Path], None]
    needs_segments: bool = False  # there are some from the step "enhanced" on


def _write_points(scene: Scene, path: Path) -> None:
    ply.write_points(scene.points, path, units=scene.units)


def _write_exr(scene: Scene, path: Path) -> None:
    write_depth(scene.depth, (scene.photo.width, scene.photo.height), path, z=scene.points.z)


def _write_depth(scene: Scene, path: Path) -> None:
    write_depth(scene.depth, (scene.photo.width, scene.photo.height), path)


_BYTES = "application/octet-stream"

FORMATS: dict[str, Format] = {
    ".glb": Format("3D scene (GLB)", "model/gltf-binary", glb.write),
    ".obj.zip": Format("3D scene (OBJ, MTL and texture, zipped)", "application/zip", obj.write),
    ".ply": Format("Mesh (PLY)", _BYTES, ply.write_mesh),
    ".points.ply": Format("Point cloud (PLY)", _BYTES, _write_points),
    ".depth.png": Format("Depth map (PNG, 16 bits)", "image/png", _write_depth),
    ".npy": Format("Depth map (NumPy)", _BYTES, _write_depth),
    ".npz": Format("Depth map with its camera (NumPy)", _BYTES, _write_depth),
    ".pfm": Format("Depth map (PFM)", _BYTES, _write_depth),
    ".exr": Format("Depth map and distances (OpenEXR)", "image/x-exr", _write_exr),
    ".normals.png": Format("Normal map (PNG)", "image/png", normals.write),
    ".coco.json": Format("Segments (COCO JSON)", "application/json", write_coco, needs_segments=True),
    ".annotated.png": Format("Segments drawn on the photo (PNG)", "image/png", write_annotated, needs_segments=True),
    ".diorama": Format("Whole scene, to go on with", "application/vnd.diorama+zip", bundle.write),
}
"""By ending. The double ones may also be the whole name: `cat.points.ply` and `points.ply` are both points."""


def save(scene: Scene, path: str | Path) -> None:
    """Write the scene to a file whose ending says the format (`FORMATS`).

    Raises:
        FormatError: the ending names no format, or one of segments and the scene has none.
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
    endings = [ending for ending in FORMATS if name.endswith(ending) or (name == ending[1:] and "." in name)]
    if not endings:
        raise FormatError(
            f"A scene can't be written as '{Path(path).name}'.", hint=f"Use one of the endings {', '.join(FORMATS)}."
        )
    return FORMATS[max(endings, key=len)]
