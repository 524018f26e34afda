"""Stanford PLY, binary little-endian: points and meshes with colours, for MeshLab, CloudCompare, Blender, Open3D.

The axes are the GLB's (x right, y up, z backward), so that both lie on each other and stand upright where up is y. A
mesh's texture coordinates are `s` (right) and `t` (up, as these programs have it); no texture file is named, since PLY
can't hold one: colours are the vertices' own, and GLB is the format with the photo's full detail.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diorama import __version__, atomic
from diorama.errors import InputError
from diorama.export.glb import to_gltf
from diorama.types import Float32, Mesh, PointCloud, Scene, UInt8

_PLY_TYPES = {"<f4": "float", "|u1": "uchar", "<i4": "int"}
_XYZ = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
_NORMAL = [("nx", "<f4"), ("ny", "<f4"), ("nz", "<f4")]
_RGB = [("red", "u1"), ("green", "u1"), ("blue", "u1")]

SURFACE = 0.05
"""Depths that differ by less than this share, within one cell, are one surface: their colours may be averaged."""


def write_mesh(scene: Scene, path: Path) -> None:
    """Write all meshes as one, with vertex colours; with opacity where a mesh has rim opacity.

    Raises:
        InputError: the scene has no surface (the photo is transparent everywhere).
        StorageError: the disk is full or refuses.
    """
    meshes = [mesh for mesh in scene.meshes if len(mesh.faces)]
    if not meshes:
        raise InputError(
            "The scene has no surface that could be written.", hint="Choose a photo that isn't transparent everywhere."
        )
    soft = any(mesh.alpha is not None for mesh in meshes)
    layout = [*_XYZ, *_NORMAL, ("s", "<f4"), ("t", "<f4"), *_RGB, *([("alpha", "u1")] if soft else [])]
    # A mesh of the photo has its vertices on the points' grid; one of the atlas on the atlas.
    rgb = scene.points.rgb if scene.atlas is None else scene.atlas
    vertices = np.concatenate([_vertices(mesh, rgb, layout) for mesh in meshes])
    first = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = np.empty(sum(len(mesh.faces) for mesh in meshes), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"] = 3
    faces["corners"] = np.concatenate([mesh.faces + start for mesh, start in zip(meshes, first, strict=False)])
    header = [
        *_header(scene.units),
        *_element("vertex", vertices),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
    ]
    _write(path, header, vertices, faces)


def write_points(points: PointCloud, path: Path, *, units: str = "relative", max_points: int | None = None) -> None:
    """Write the points that the mask keeps.

    Args:
        points: (H, W) points.
        path: the file.
        units: said in the header.
        max_points: when there are more, an even grid of at most as many in their place (see `thinned`).

    Raises:
        InputError: there are no points (the photo is transparent everywhere).
        StorageError: the disk is full or refuses.
    """
    if not len(points):
        raise InputError(
            "The scene has no points that could be written.", hint="Choose a photo that isn't transparent everywhere."
        )
    if max_points is not None and len(points) > max_points:
        points = thinned(points, max_points)
    vertices = np.empty(len(points), [*_XYZ, *_RGB])
    _fill(vertices, _XYZ, to_gltf(points.positions[points.mask]))
    _fill(vertices, _RGB, points.rgb[points.mask])
    _write(path, [*_header(units), *_element("vertex", vertices)], vertices)


def thinned(points: PointCloud, max_points: int) -> PointCloud:
    """The cloud on a coarser grid, at most `max_points` of them kept by the mask.

    Each cell of the coarse grid takes the depth of the pixel in its middle, on its own ray, so that the spacing is even
    at any ratio, and the mean colour of its pixels, so that fine patterns don't flicker; where the cell has several
    surfaces it takes the middle pixel's colour.
    """
    import cv2

    camera = points.camera
    share = min(1.0, (max_points / max(1, len(points))) ** 0.5)
    while True:
        width, height = max(1, int(camera.width * share)), max(1, int(camera.height * share))
        rows = _middles(height, camera.height)
        columns = _middles(width, camera.width)
        mask = points.mask[np.ix_(rows, columns)]
        if np.count_nonzero(mask) <= max_points or width == height == 1:
            break
        share *= 0.98
    reach = 2 * round(0.5 / share) + 1
    kernel = np.ones((reach, reach), np.uint8)
    one = cv2.erode(points.z, kernel) * (1 + SURFACE) > cv2.dilate(points.z, kernel)
    average = cv2.resize(points.rgb, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, 3)
    picked = np.ix_(rows, columns)
    rgb = np.where(one[picked][..., None], average, points.rgb[picked])
    return PointCloud(
        np.ascontiguousarray(points.z[picked]),
        np.ascontiguousarray(rgb, np.uint8),
        np.ascontiguousarray(mask),
        camera.resized(width, height),
        None if points.opaque is None else np.ascontiguousarray(points.opaque[picked]),
    )


def _middles(count: int, length: int) -> npt.NDArray[np.intp]:
    return ((np.arange(count) + 0.5) * length / count).astype(np.intp)


def _vertices(mesh: Mesh, rgb: UInt8, layout: list[tuple[str, str]]) -> npt.NDArray[Any]:
    vertices = np.empty(len(mesh.vertices), layout)
    _fill(vertices, _XYZ, to_gltf(mesh.vertices))
    _fill(vertices, _NORMAL, to_gltf(mesh.normals))
    vertices["s"] = mesh.uv[:, 0]
    vertices["t"] = 1 - mesh.uv[:, 1]
    _fill(vertices, _RGB, _colours(mesh, rgb))
    if ("alpha", "u1") in layout:
        vertices["alpha"] = 255 if mesh.alpha is None else np.rint(np.clip(mesh.alpha, 0, 1) * 255)
    return vertices


def _colours(mesh: Mesh, rgb: UInt8) -> UInt8:
    """(N, 3) the picture at each vertex, looked up at most one pixel inside the vertex's own triangles.

    A vertex on a cut lies on the silhouette itself, where the picture mixes both sides.
    """
    size = np.array([rgb.shape[1], rgb.shape[0]], np.float32)
    at = mesh.uv * size
    centres = at[mesh.faces].mean(axis=1)
    around = mesh.faces.ravel()
    uses = np.bincount(around, minlength=len(at))
    inside = (
        np.stack([np.bincount(around, np.repeat(centres[:, i], 3), minlength=len(at)) for i in (0, 1)], axis=-1)
        / np.maximum(uses, 1)[:, None]
    )
    step = np.where(uses[:, None] > 0, inside - at, 0)
    length = np.linalg.norm(step, axis=1, keepdims=True)
    at = at + step / np.maximum(length, 1)
    column, row = np.clip(at, 0, size - 1).astype(np.intp).T
    colours: UInt8 = rgb[row, column]
    return colours


def _fill(into: npt.NDArray[Any], fields: list[tuple[str, str]], columns: Float32 | UInt8) -> None:
    for i, (name, _) in enumerate(fields):
        into[name] = columns[:, i]


def _header(units: str) -> list[str]:
    return [
        "ply",
        "format binary_little_endian 1.0",
        f"comment Diorama {__version__}",
        f"comment x right, y up, z backward; units: {units}",
    ]


def _element(name: str, items: npt.NDArray[Any]) -> list[str]:
    fields = items.dtype.names or ()
    properties = [f"property {_PLY_TYPES[items.dtype[field].str]} {field}" for field in fields]
    return [f"element {name} {len(items)}", *properties]


def _write(path: Path, header: list[str], *elements: npt.NDArray[Any]) -> None:
    with atomic.writing(path) as file:
        file.write("\n".join([*header, "end_header", ""]).encode("ascii"))
        for items in elements:
            file.write(items.data)
