"""How a surface's numbers are stored in glTF: as they are, quantised (KHR_mesh_quantization), or packed.

Quantised: positions in 16 bits over the surface's own box, put back by a transform of its node; texture coordinates in
16 bits, normals in 8. Draco (KHR_draco_mesh_compression, through the package DracoPy) predicts and entropy-codes them
and may reorder vertices; it gets as many bits for positions as keep every one within `DRACO_PX` of where it is seen.
meshoptimizer (EXT_meshopt_compression, through the package meshopt) packs the quantised numbers and loses nothing more:
files are larger than Draco's and unpacked at gigabytes a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from diorama.export.buffers import COMPONENT, ELEMENT_ARRAY_BUFFER, MESHOPT, Buffer, aligned
from diorama.types import Float32, Int32, UInt8

Packing = Literal["plain", "quantized", "draco", "meshopt"]

EXTENSIONS: dict[Packing, tuple[str, ...]] = {
    "plain": (),
    "quantized": ("KHR_mesh_quantization",),
    "draco": ("KHR_draco_mesh_compression",),
    "meshopt": ("KHR_mesh_quantization", MESHOPT),
}
"""What a reader has to know."""

STEPS = 65535

DRACO_PX = 0.1
"""Pixels of the texture by which Draco may move a vertex as the photo's camera sees it: a tenth can't be seen."""

DRACO_BITS = (11, 24)
"""For positions: fewer are no smaller, more are finer than the floats that they stand for."""

DRACO_UV_BITS, DRACO_NORMAL_BITS = 15, 10
"""An eighth of a texel of the largest texture; a fifth of a degree."""

DRACO_LEVEL = 7
"""Of 0..10: beyond it files hardly get smaller."""


@dataclass(frozen=True)
class Surface:
    """One mesh in glTF's axes."""

    positions: Float32  # (N, 3)
    faces: Int32  # (M, 3)
    uv: Float32  # (N, 2)
    normals: Float32 | None  # (N, 3)
    colours: UInt8 | None  # (N, 4)


@dataclass(frozen=True)
class Transform:
    """How a node puts quantised positions back: p = scale * q + translation."""

    scale: tuple[float, float, float]
    translation: tuple[float, float, float]


def primitive(
    surface: Surface, packing: Packing, buffer: Buffer, focal: float
) -> tuple[dict[str, Any], Transform | None]:
    """Put a surface into the buffer.

    Args:
        focal: of the photo's camera, in pixels: it says what is seen of an error.

    Returns:
        The glTF primitive without its material, and how its node has to place it.
    """
    if packing == "draco":
        return _draco(surface, buffer, focal), None
    if packing == "meshopt":
        return _meshopt(surface, buffer)
    transform = None
    attributes: dict[str, int] = {}
    positions, normals = surface.positions, surface.normals
    if packing == "quantized":
        transform = quantisation(positions)
        steps = _steps(positions, transform)
        attributes["POSITION"] = buffer.accessor(steps, "VEC3", min=_list(steps.min(0)), max=_list(steps.max(0)))
        if normals is not None:
            turned = np.rint(_turned(normals, transform) * 127).astype(np.int8)
            attributes["NORMAL"] = buffer.accessor(turned, "VEC3", normalized=True)
    else:
        low, high = positions.min(axis=0), positions.max(axis=0)
        attributes["POSITION"] = buffer.accessor(positions, "VEC3", min=_list(low), max=_list(high))
        if normals is not None:
            attributes["NORMAL"] = buffer.accessor(normals, "VEC3")
    if packing == "quantized":
        attributes["TEXCOORD_0"] = buffer.accessor(_uv_steps(surface.uv), "VEC2", normalized=True)
    else:
        attributes["TEXCOORD_0"] = buffer.accessor(surface.uv, "VEC2")
    if surface.colours is not None:
        attributes["COLOR_0"] = buffer.accessor(surface.colours, "VEC4", normalized=True)
    indices = buffer.accessor(_indices(surface.faces, len(positions)), "SCALAR", ELEMENT_ARRAY_BUFFER)
    return {"attributes": attributes, "indices": indices}, transform


def _indices(faces: Int32, vertices: int) -> npt.NDArray[Any]:
    # 65535 is no index: in 16 bits it would restart the primitive.
    return faces.astype(np.uint16 if vertices <= STEPS else np.uint32).ravel()


def _steps(positions: Float32, transform: Transform) -> npt.NDArray[np.uint16]:
    made: npt.NDArray[np.uint16] = (
        np.rint((positions - transform.translation) / transform.scale).clip(0, STEPS).astype(np.uint16)
    )
    return made


def _uv_steps(uv: Float32) -> npt.NDArray[np.uint16]:
    """16 bits over 0..1 are a sixteenth of a texel of a texture of 4096 pixels."""
    return np.rint(np.clip(uv, 0, 1) * STEPS).astype(np.uint16)


def _turned(normals: Float32, transform: Transform) -> npt.NDArray[np.float64]:
    """A node's uneven scale turns normals by its inverse: they are written so that they come out right."""
    scaled = normals * np.asarray(transform.scale)
    made: npt.NDArray[np.float64] = scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-30)
    return made


def quantisation(positions: Float32) -> Transform:
    """Of a surface's own box."""
    low, high = positions.min(axis=0).astype(float), positions.max(axis=0).astype(float)
    scale = np.maximum((high - low) / STEPS, 1e-12)
    return Transform(tuple(scale.tolist()), tuple(low.tolist()))


def reprojection_error(positions: Float32, focal: float, transform: Transform) -> float:
    """The most pixels by which half a step moves a point of the surface as the photo's camera sees it.

    Args:
        positions: (N, 3) in glTF's axes.
    """
    z = np.maximum(np.abs(positions[:, 2]).astype(float), 1e-9)
    half = np.asarray(transform.scale) / 2
    across = [half[i] + np.abs(positions[:, i]) / z * half[2] for i in (0, 1)]
    return float((np.hypot(*across) / z).max() * focal)


def place(nodes: list[dict[str, Any]], transforms: list[Transform | None]) -> None:
    """Put the transforms on the nodes; where a node has children, which must not move, on a node of the mesh's own."""
    for number, transform in enumerate(transforms):
        if transform is None:
            continue
        node = nodes[number]
        where = {"translation": list(transform.translation), "scale": list(transform.scale)}
        if "children" not in node:
            node |= where
            continue
        own = {"name": node["name"], "mesh": node.pop("mesh"), **where}
        node["children"].append(len(nodes))
        nodes.append(own)


def _meshopt(surface: Surface, buffer: Buffer) -> tuple[dict[str, Any], Transform]:
    import meshopt

    # Triangles in the order that packs best, vertices in that of their first use.
    faces, new_places, used = meshopt.reorder_mesh(
        surface.faces.astype(np.uint32).ravel(), triangles=True, optsize=True
    )
    order = np.zeros(used, np.int64)
    reached = new_places < used  # vertices of no triangle have no place
    order[new_places[reached]] = np.flatnonzero(reached)
    positions = surface.positions[order]
    transform = quantisation(positions)
    attributes: dict[str, int] = {}

    def add(name: str, values: npt.NDArray[Any], kind: str, filter_: str = "", **more: Any) -> None:
        rows = aligned(values)
        data = meshopt.encode_gltf_buffer(rows, "ATTRIBUTES")
        stride = rows.itemsize * rows.shape[1]
        attributes[name] = buffer.packed(values, kind, "ATTRIBUTES", data=data, stride=stride, filter_=filter_, **more)

    steps = _steps(positions, transform)
    add("POSITION", steps, "VEC3", min=_list(steps.min(0)), max=_list(steps.max(0)))
    if surface.normals is not None:
        normals = np.ones((used, 4), np.float32)
        normals[:, :3] = _turned(surface.normals[order], transform)
        octahedral = meshopt.encode_filter_oct(normals, 4, 8).reshape(-1, 4).view(np.int8)
        add("NORMAL", octahedral, "VEC3", "OCTAHEDRAL", normalized=True)
    add("TEXCOORD_0", _uv_steps(surface.uv[order]), "VEC2", normalized=True)
    if surface.colours is not None:
        add("COLOR_0", surface.colours[order], "VEC4", normalized=True)
    indices = _indices(faces.astype(np.int32), used)
    data = meshopt.encode_gltf_buffer(indices, "TRIANGLES")
    number = buffer.packed(indices, "SCALAR", "TRIANGLES", data=data, stride=indices.itemsize)
    return {"attributes": attributes, "indices": number}, transform


def _draco(surface: Surface, buffer: Buffer, focal: float) -> dict[str, Any]:
    import DracoPy

    data = DracoPy.encode(
        surface.positions,
        surface.faces.astype(np.uint32),
        quantization_bits=draco_bits(surface.positions, focal),
        compression_level=DRACO_LEVEL,
        colors=surface.colours,
        tex_coord=surface.uv.astype(np.float64),  # nothing else is taken
        normals=None if surface.normals is None else surface.normals.astype(np.float64),
        tex_coord_quantization_bits=DRACO_UV_BITS,
        normal_quantization_bits=None if surface.normals is None else DRACO_NORMAL_BITS,
    )
    # Equal vertices are one now, and in an order of Draco's: the accessors tell of what comes out again.
    found = DracoPy.decode(data)
    points = np.asarray(found.points, np.float32)
    kinds = {0: ("POSITION", "VEC3", "f4"), 1: ("NORMAL", "VEC3", "f4"), 2: ("COLOR_0", "VEC4", "u1"),
             3: ("TEXCOORD_0", "VEC2", "f4")}  # fmt: skip
    ids: dict[str, int] = {}
    attributes: dict[str, int] = {}
    for attribute in found.attributes:
        name, kind, component = kinds[int(attribute["attribute_type"])]
        ids[name] = int(attribute["unique_id"])
        accessor: dict[str, Any] = {"componentType": COMPONENT[component], "count": len(points), "type": kind}
        if name == "POSITION":
            accessor |= {"min": _list(points.min(0)), "max": _list(points.max(0))}
        if name == "COLOR_0":
            accessor["normalized"] = True
        buffer.accessors.append(accessor)
        attributes[name] = len(buffer.accessors) - 1
    count = 3 * len(found.faces)
    index = COMPONENT["u2" if len(points) <= STEPS else "u4"]
    buffer.accessors.append({"componentType": index, "count": count, "type": "SCALAR"})
    extension = {"bufferView": buffer.view(data), "attributes": ids}
    return {
        "attributes": attributes,
        "indices": len(buffer.accessors) - 1,
        "extensions": {"KHR_draco_mesh_compression": extension},
    }


def draco_bits(positions: Float32, focal: float) -> int:
    """Bits of a position's coordinates that keep it within `DRACO_PX`; Draco's steps are the same on every axis."""
    size = float((positions.max(axis=0) - positions.min(axis=0)).max())
    step = size / (2 ** DRACO_BITS[0] - 1)
    error = reprojection_error(positions, focal, Transform((step,) * 3, (0.0,) * 3))
    more = math.ceil(math.log2(error / DRACO_PX)) if error > DRACO_PX else 0
    return min(DRACO_BITS[0] + more, DRACO_BITS[1])


def _list(values: Any) -> list[Any]:
    found: list[Any] = values.tolist()
    return found
