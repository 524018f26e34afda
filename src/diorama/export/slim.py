"""A GLB made smaller for pages: nothing that is seen changes, what a page has no use for is left out.

Positions keep 15 bits of their mantissas: they move by less than a 60,000th of their distance, which the photo's camera
sees as a few hundredths of a pixel. The bits after these are zero, so that gzip takes them away. Texture coordinates
become 16 bits (core glTF), normals go where nothing is lit, the texture is written anew with stronger JPEG, and of the
`extras` only what the viewer reads is kept: no report, no settings.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diorama.types import UInt8

MANTISSA_BITS = 15
JPEG_QUALITY = 84
LOW_QUALITY = 72
LOW_TRIANGLES = 9000
LOW_TEXTURE = 768
"""Of the file that is seen first: pixels on the long side."""

CELLS = 72
"""Along the texture, to begin with, where vertices are put together."""

FINER = 4
"""Times as many where the surface ends before another."""

CELL_DEPTH = 0.2
"""Step of the distance's logarithm from which a vertex behind another is one of its own."""

KEPT = ("diorama", "step", "units", "width", "height", "fx", "fy", "cx", "cy")
SETTINGS_KEPT = ("camera_travel",)

_JSON, _BINARY = b"JSON", b"BIN\0"
_COMPONENTS: dict[int, np.dtype[Any]] = {
    number: np.dtype(kind) for number, kind in ((5121, "u1"), (5123, "<u2"), (5125, "<u4"), (5126, "<f4"))
}
_NUMBERS = {dtype: number for number, dtype in _COMPONENTS.items()}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_KINDS = {width: kind for kind, width in _WIDTHS.items()}
_ONE = np.array([[0, 1, 2]])
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class _Surface:
    """One primitive: attributes by name, (N, width) each, and (M, 3) indices."""

    attributes: dict[str, Array]
    faces: Array


def slim(glb: bytes, texture: UInt8) -> bytes:
    """The GLB of `glb.encode`, smaller.

    Args:
        texture: (H, W, 3) sRGB, what the file's own JPEG was made of.
    """
    return _rewritten(glb, texture, JPEG_QUALITY, reduce=False)


def low(glb: bytes, texture: UInt8) -> bytes:
    """The GLB with about `LOW_TRIANGLES` and a small texture: what is shown until the whole file has come."""
    return _rewritten(glb, fitted(texture, LOW_TEXTURE), LOW_QUALITY, reduce=True)


def _rewritten(glb: bytes, texture: UInt8, quality: int, *, reduce: bool) -> bytes:
    gltf, binary = _parts(glb)
    surfaces = [_surface(gltf, binary, mesh["primitives"][0]) for mesh in gltf["meshes"]]
    if reduce:
        surfaces = _clustered(surfaces, LOW_TRIANGLES)
    unlit = ["KHR_materials_unlit" in material.get("extensions", {}) for material in gltf["materials"]]
    writer = _Writer()
    for mesh, surface in zip(gltf["meshes"], surfaces, strict=True):
        primitive = mesh["primitives"][0]
        mesh["primitives"] = [{**primitive, **writer.primitive(surface, lit=not unlit[primitive["material"]])}]
    gltf["images"][0]["bufferView"] = writer.view(_jpeg(texture, quality))
    gltf["scenes"][0]["extras"] = _extras(gltf["scenes"][0].get("extras", {}))
    gltf |= {"accessors": writer.accessors, "bufferViews": writer.views, "buffers": [{"byteLength": len(writer.data)}]}
    return _container(gltf, bytes(writer.data))


def _extras(extras: dict[str, Any]) -> dict[str, Any]:
    settings = extras.get("settings", {})
    kept: dict[str, Any] = {name: extras[name] for name in KEPT if name in extras}
    kept["settings"] = {name: settings[name] for name in SETTINGS_KEPT if name in settings}
    if "segments" in extras:
        kept["segments"] = [{"id": one["id"], "name": one["name"]} for one in extras["segments"]]
    return kept


def _surface(gltf: dict[str, Any], binary: bytes, primitive: dict[str, Any]) -> _Surface:
    read = {name: _array(gltf, binary, number) for name, number in primitive["attributes"].items()}
    return _Surface(read, _array(gltf, binary, primitive["indices"]).reshape(-1, 3))


def _array(gltf: dict[str, Any], binary: bytes, number: int) -> Array:
    accessor = gltf["accessors"][number]
    view = gltf["bufferViews"][accessor["bufferView"]]
    dtype, width = _COMPONENTS[accessor["componentType"]], _WIDTHS[accessor["type"]]
    found: Array = np.frombuffer(binary, dtype, accessor["count"] * width, int(view["byteOffset"]))
    return np.reshape(found, (accessor["count"], width))


def rounded(values: Array, bits: int = MANTISSA_BITS) -> Array:
    """float32 values to the nearest of those that have only `bits` bits after the point of their mantissa."""
    drop = 23 - bits
    whole = np.ascontiguousarray(values, "<f4").view(np.uint32)
    return ((whole + np.uint32(1 << (drop - 1))) & np.uint32(0xFFFFFFFF << drop & 0xFFFFFFFF)).view("<f4")


def _clustered(surfaces: list[_Surface], triangles: int) -> list[_Surface]:
    """The surfaces with about so many triangles: of the vertices in each cell of a grid one is left (Rossignac and
    Borrel 1993), the same for all surfaces, so that no crack opens where two meet.

    Cells are squares of the texture, which shows the photo as its camera saw it, and steps of the distance; along
    silhouettes they are smaller. Edge collapses take ten times as long and open cracks between segments.
    """
    kinds = "POSITION", "TEXCOORD_0"
    position, uv = (np.concatenate([surface.attributes[kind] for surface in surfaces]) for kind in kinds)
    starts = np.cumsum([0, *(len(surface.attributes["POSITION"]) for surface in surfaces)])
    faces = np.concatenate([surface.faces + start for surface, start in zip(surfaces, starts, strict=False)])
    distance = np.log(np.maximum(np.linalg.norm(position, axis=1), 1e-30))
    cells: int = CELLS
    while True:
        left = _left(uv, distance, cells)
        share = triangles / max(1, int(np.count_nonzero(_whole(left[faces]))))
        if share >= 1 or cells == 1:
            break
        cells = max(1, int(cells * min(0.9, share**0.5)))
    moved = position[left], uv[left]
    return [
        _joined(one, left[start:end], {kind: values[start:end] for kind, values in zip(kinds, moved, strict=True)})
        for one, start, end in zip(surfaces, starts, starts[1:], strict=False)
    ]


def _left(uv: Array, distance: Array, cells: int) -> Array:
    """(N,), for each vertex the one that is left of its cell: the first.

    Args:
        distance: logarithms.
        cells: along the texture; `FINER` times as many where a cell has several distances.
    """
    step = np.floor(distance / CELL_DEPTH).astype(np.int64)
    place = _cell(uv, cells)
    order = np.argsort(place, kind="stable")
    begins = np.flatnonzero(np.diff(place[order], prepend=-1))
    sorted_distance = distance[order]
    spread = np.maximum.reduceat(sorted_distance, begins) - np.minimum.reduceat(sorted_distance, begins)
    at_edge = np.empty(len(place), bool)
    at_edge[order] = np.repeat(spread > CELL_DEPTH, np.diff([*begins, len(order)]))
    fine = np.where(at_edge, (cells + 1) ** 2 + _cell(uv, FINER * cells), place)
    _, first, cell = np.unique(fine * (step.max() - step.min() + 1) + step - step.min(), True, True)
    return np.asarray(first[cell])


def _cell(uv: Array, cells: int) -> Array:
    column, row = np.floor(np.clip(uv, 0, 1) * cells).astype(np.int64).T
    return np.asarray(row * (cells + 1) + column)


def _whole(faces: Array) -> npt.NDArray[np.bool_]:
    """(M,), which triangles have three different corners."""
    a, b, c = faces.T
    return np.asarray((a != b) & (b != c) & (c != a))


def _joined(surface: _Surface, left: Array, moved: dict[str, Array]) -> _Surface:
    """The surface with one vertex for all that have the same one `left` (N,), at the place to which they `moved`."""
    attributes = {**surface.attributes, **moved}
    _, first, number = np.unique(left, True, True)
    faces = number[surface.faces]
    faces = faces[_whole(faces)]
    if not len(faces):  # smaller than a cell; glTF knows no mesh without a triangle
        return _Surface({name: values[surface.faces[0]] for name, values in surface.attributes.items()}, _ONE)
    used, faces = np.unique(faces, return_inverse=True)
    return _Surface({name: values[first[used]] for name, values in attributes.items()}, faces.reshape(-1, 3))


class _Writer:
    """The binary chunk while it grows."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, data: bytes, target: int | None = None) -> int:
        self.data.extend(bytes(-len(self.data) % 4))
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        self.views.append(view if target is None else {**view, "target": target})
        self.data.extend(data)
        return len(self.views) - 1

    def accessor(self, values: Array, target: int, **more: Any) -> int:
        accessor = {
            "bufferView": self.view(values.tobytes(), target),
            "componentType": _NUMBERS[values.dtype],
            "count": len(values),
            "type": _KINDS[values.shape[1]],
        }
        self.accessors.append({**accessor, **more})
        return len(self.accessors) - 1

    def primitive(self, surface: _Surface, *, lit: bool) -> dict[str, Any]:
        position = rounded(surface.attributes["POSITION"])
        bounds = {"min": position.min(axis=0).tolist(), "max": position.max(axis=0).tolist()}
        attributes = {"POSITION": self.accessor(position, _ARRAY_BUFFER, **bounds)}
        if lit and "NORMAL" in surface.attributes:
            attributes["NORMAL"] = self.accessor(surface.attributes["NORMAL"], _ARRAY_BUFFER)
        uv = np.rint(np.clip(surface.attributes["TEXCOORD_0"], 0, 1) * 65535).astype("<u2")
        attributes["TEXCOORD_0"] = self.accessor(uv, _ARRAY_BUFFER, normalized=True)
        if "COLOR_0" in surface.attributes:
            attributes["COLOR_0"] = self.accessor(surface.attributes["COLOR_0"], _ARRAY_BUFFER, normalized=True)
        small = np.dtype("<u2" if len(position) <= 0xFFFF else "<u4")
        faces = surface.faces.astype(small).reshape(-1, 1)
        return {"attributes": attributes, "indices": self.accessor(faces, _ELEMENT_ARRAY_BUFFER)}


def fitted(rgb: UInt8, long_side: int) -> UInt8:
    """The picture with a long side of at most that."""
    import cv2

    scale = long_side / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(rgb: UInt8, quality: int) -> bytes:
    """With full colour resolution: half of it shows at coloured edges."""
    import cv2

    how = [
        *(cv2.IMWRITE_JPEG_QUALITY, quality),
        *(cv2.IMWRITE_JPEG_OPTIMIZE, 1),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    ]
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), how)[1].tobytes()


def _parts(glb: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack_from("<I", glb, 12)
    start = 20 + length
    (size,) = struct.unpack_from("<I", glb, start)
    return json.loads(glb[20:start]), glb[start + 8 : start + 8 + size]


def _container(gltf: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(gltf, separators=(",", ":"), ensure_ascii=False).encode()
    chunks = ((_JSON, text + b" " * (-len(text) % 4)), (_BINARY, binary + bytes(-len(binary) % 4)))
    body = b"".join(struct.pack("<I4s", len(chunk), kind) + chunk for kind, chunk in chunks)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body
