"""Wavefront OBJ with its material and texture: three files that belong together, zipped or not, for any 3D program.

`NAME.obj` names `NAME.mtl`, which names `NAME.jpg`; unpacked into one folder they find each other. Each segment and
part is an object. The axes are the GLB's (x right, y up, z backward), texture coordinates go up. OBJ knows no opacity
of a vertex: soft rims are opaque.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diorama import __version__, atomic
from diorama.errors import InputError
from diorama.export.archive import member
from diorama.export.glb import jpeg, to_gltf, unit
from diorama.export.parts import pieces
from diorama.types import Mesh, Scene

MATERIAL = "photo"

LEVEL = 1
"""Of the compression: the default level takes four times as long for a fifth less."""

_ROWS = 20_000
"""Written at a time: Python's numbers take ten times the room of the array's."""


def write(scene: Scene, path: Path) -> None:
    """Write the scene's meshes as a zip of OBJ, MTL and JPEG.

    Raises:
        InputError: the scene has no surface (the photo is transparent everywhere).
        StorageError: the disk is full or refuses.
    """
    stem = _stem(path)
    text = _text(scene, stem)
    with atomic.writing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        with archive.open(f"{stem}.obj", "w", force_zip64=True) as out:
            for lines in text:
                out.write(lines)
        archive.getinfo(f"{stem}.obj").external_attr = member("").external_attr
        archive.writestr(member(f"{stem}.mtl"), _material(f"{stem}.jpg"))
        archive.writestr(member(f"{stem}.jpg", zipfile.ZIP_STORED), jpeg(scene.texture))


def write_folder(scene: Scene, path: Path) -> tuple[str, ...]:
    """Write NAME.obj with NAME.mtl and NAME.jpg beside it; those with spaces and signs in their names get others.

    Raises:
        InputError: the scene has no surface (the photo is transparent everywhere).
        StorageError: the disk is full or refuses.
    """
    stem = _stem(path)
    text = _text(scene, stem)
    for ending, data in (("mtl", _material(f"{stem}.jpg")), ("jpg", jpeg(scene.texture))):
        with atomic.writing(path.with_name(f"{stem}.{ending}")) as file:
            file.write(data)
    with atomic.writing(path) as file:
        for lines in text:
            file.write(lines)
    return (f"{stem}.mtl and {stem}.jpg belong to it.",)


def _text(scene: Scene, stem: str) -> Iterator[bytes]:
    """The OBJ file, piece by piece.

    Raises:
        InputError: the scene has no surface; at once, not when the first piece is taken.
    """
    parts = pieces(scene)
    if not parts:
        raise InputError(
            "The scene has no surface that could be written.", hint="Choose a photo that isn't transparent everywhere."
        )

    def lines() -> Iterator[bytes]:
        yield f"# Diorama {__version__}, units: {scene.units}\nmtllib {stem}.mtl\n".encode()
        first = 1  # OBJ counts from 1, through all groups
        for part in parts:
            for text in _group(part.mesh, first):
                yield text.encode("utf-8", "replace")
            first += len(part.mesh.vertices)

    return lines()


def _group(mesh: Mesh, first: int) -> Iterator[str]:
    name = re.sub(r"[\s\x00-\x1f\x7f]+", "_", mesh.name).strip("_") or "mesh"
    yield f"o {name}\n"
    yield from _lines("v %.8g %.8g %.8g\n", to_gltf(mesh.vertices))
    yield from _lines("vt %.7g %.7g\n", np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], axis=1))
    yield from _lines("vn %.5g %.5g %.5g\n", unit(to_gltf(mesh.normals)))
    yield f"usemtl {MATERIAL}\n"
    # A corner's vertex, texture coordinate and normal have the same number.
    yield from _lines("f %d/%d/%d %d/%d/%d %d/%d/%d\n", np.repeat(mesh.faces + first, 3, axis=1))


def _lines(row: str, values: npt.NDArray[Any]) -> Iterator[str]:
    for start in range(0, len(values), _ROWS):
        part = values[start : start + _ROWS]
        yield (row * len(part)) % tuple(part.ravel().tolist())


def _material(texture: str) -> bytes:
    """The photo as it is: no light of the program's own where it heeds `illum 0`."""
    return f"newmtl {MATERIAL}\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nd 1\nillum 0\nmap_Kd {texture}\n".encode()


def _stem(path: Path) -> str:
    """The name without its endings, as every program can read it inside a file."""
    bare = re.sub(r"(\.obj)?(\.zip)?$", "", path.name, flags=re.I)
    return re.sub(r"[^A-Za-z0-9_-]+", "_", bare).strip("_")[:80] or "scene"
