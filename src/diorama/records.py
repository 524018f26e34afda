"""Each stage's record as files: numbers as JSON, arrays as .npy, pictures as .png. Lossless, readable by anything.

    photo    rgb.png [alpha.png]
             [embedded.npy [embedded_valid.npy]]  the depth that the file carried
    depth    inverse_depth.npy [valid.npy] [sky.npy]
             [cut_right.npy cut_down.npy joined_right.npy joined_down.npy]  links by hand
    corrections                                                   as depth: the corrected one
    points   z.npy rgb.png mask.npy [opaque.npy]
    mesh     right.npy down.npy (the cuts), and of each mesh, from 0:
             0.vertices.npy 0.faces.npy 0.uv.npy 0.normals.npy [0.alpha.npy]
    segments labels.npy
    layers   atlas.png, and of each mesh the same files as of `mesh`

Masks are packed to bits along each row (``numpy.unpackbits(mask, axis=1, count=width)``). Photos are kept as pixels,
never as the bytes that were read: those may hold the place and the owner.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from diorama.types import (
    Bool,
    Camera,
    Cuts,
    DepthMap,
    DepthScale,
    EmbeddedDepth,
    Layered,
    Mesh,
    Photo,
    PointCloud,
    Segment,
    Segments,
)

Array: TypeAlias = npt.NDArray[Any]
MeshRecord: TypeAlias = tuple[Cuts, tuple[Mesh, ...]]

MAX_PIXELS = 100_000_000
"""As many as a photo may have: a picture in a damaged or hostile file is not decoded beyond it."""

MAX_SEGMENTS = 4096
"""And no id beyond `MAX_SEGMENT_ID`: checking takes memory by the largest one. A photo has a few dozen of them."""

MAX_SEGMENT_ID = 1 << 20

_NPY = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([^']+)', 'fortran_order': False, 'shape': \(([0-9, ]+)\), \} *\n", re.S
)


class DamagedError(ValueError):
    """The files are not what `pack` makes. For `bundle`, which says whose they are."""


@dataclass(frozen=True)
class Packed:
    """A record as `values` for JSON and `arrays` by file name."""

    values: dict[str, Any]
    arrays: dict[str, Array]


def pack(stage: str, record: object) -> Packed:
    """Take `stage`'s record apart.

    Raises:
        TypeError: there is no such stage, or its record is another one.
    """
    if stage not in _STAGES:
        raise TypeError(f"there is no stage {stage}")
    return _STAGES[stage][0](record)


def unpack(stage: str, values: Mapping[str, Any], names: set[str], read: Callable[[str], bytes]) -> Any:
    """Put `stage`'s record together; the inverse of `pack` and `encode`.

    Args:
        stage: the stage's name.
        values: as `pack` gave them.
        names: the files that there are.
        read: gives a file's bytes.

    Raises:
        ValueError, TypeError: a value, shape or file is not what `pack` makes.
    """
    if stage not in _STAGES:
        raise DamagedError(f"there is no stage {stage}")
    return _STAGES[stage][1](values, _Files(names, read))


def encode(name: str, array: Array) -> bytes:
    """A file's bytes, by its ending."""
    if name.endswith(".png"):
        return _png(array)
    file = io.BytesIO()
    np.save(file, array.astype(array.dtype.newbyteorder("<"), copy=False), allow_pickle=False)
    return file.getvalue()


def _png(picture: Array) -> bytes:
    """(H, W) or (H, W, 3) uint8, compressed as fast as can be: run lengths alone halve a photo in 45 ns a pixel."""
    import cv2

    pixels = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    how = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    return cv2.imencode(".png", pixels, how)[1].tobytes()


class _Files:
    """A stage's files, checked against what they have to be before anything is allocated for them."""

    def __init__(self, names: set[str], read: Callable[[str], bytes]) -> None:
        self.names = names
        self.read = read

    def array(self, name: str, dtype: str, *shape: int | None) -> Array:
        """A .npy file of this type and shape (None: any length); floats must be finite.

        `numpy.load` evaluates the header and allocates whatever it asks for. Here it is matched, and has to agree with
        the file's length.
        """
        data = self._bytes(name)
        header = _NPY.match(data)
        if header is None or header[1] != dtype.encode():
            raise DamagedError(f"{name} is no .npy file of the type {dtype}")
        found = tuple(int(length) for length in header[2].split(b",") if length.strip())
        if len(found) != len(shape) or any(
            want is not None and want != have for want, have in zip(shape, found, strict=True)
        ):
            raise DamagedError(f"{name} has the shape {found}, not {shape}")
        kind = np.dtype(dtype)
        if math.prod(found) * kind.itemsize != len(data) - header.end():
            raise DamagedError(f"{name} has the wrong length")
        array = np.frombuffer(data, kind, offset=header.end()).reshape(found).copy()
        if kind.kind == "f" and not np.isfinite(array).all():
            raise DamagedError(f"{name} holds numbers that are not finite")
        return array

    def bits(self, name: str, height: int, width: int) -> Bool:
        """(height, width) bool."""
        packed = self.array(name, "|u1", height, -(-width // 8))
        return np.unpackbits(packed, axis=1, count=width).view(np.bool_)

    def picture(self, name: str, height: int, width: int, *channels: int) -> Array:
        """(height, width, *channels) uint8."""
        import cv2

        data = self._bytes(name)
        if len(data) < 24 or data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
            raise DamagedError(f"{name} is no PNG file")
        size = struct.unpack(">II", data[16:24])
        if size != (width, height) or width * height > MAX_PIXELS:
            raise DamagedError(f"{name} has {size[0]} x {size[1]} pixels")
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            raise DamagedError(f"{name} is damaged") from error
        if pixels is None or pixels.dtype != np.uint8 or pixels.shape != (height, width, *channels):
            raise DamagedError(f"{name} is damaged")
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if channels else pixels

    def _bytes(self, name: str) -> bytes:
        if name not in self.names:
            raise DamagedError(f"{name} is missing")
        return self.read(name)


def _camera(camera: Camera) -> dict[str, Any]:
    return {"camera": asdict(camera)}


class _Values(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class _EmbeddedValues(_Values):
    height: int = Field(ge=1, le=MAX_PIXELS)
    width: int = Field(ge=1, le=MAX_PIXELS)
    scale: DepthScale
    origin: str
    along_rays: bool


class _PhotoValues(_Values):
    camera: Camera
    name: str
    sha256: str
    warnings: tuple[str, ...]
    embedded: _EmbeddedValues | None = None


def _pack_photo(photo: Photo) -> Packed:
    values = {**_camera(photo.camera), "name": photo.name, "sha256": photo.sha256, "warnings": photo.warnings}
    arrays: dict[str, Array] = {"rgb.png": photo.rgb}
    if (carried := photo.embedded) is not None:
        height, width = carried.inverse_depth.shape
        facts = {"scale": carried.scale, "origin": carried.origin, "along_rays": carried.along_rays}
        values["embedded"] = {"height": height, "width": width, **facts}
        arrays["embedded.npy"] = carried.inverse_depth
        if carried.valid is not None:
            arrays["embedded_valid.npy"] = np.packbits(carried.valid, axis=1)
    if photo.alpha is not None:
        arrays["alpha.png"] = photo.alpha
    return Packed(values, arrays)


def _unpack_photo(values: Mapping[str, Any], files: _Files) -> Photo:
    found = _PhotoValues.model_validate(values)
    shape = found.camera.height, found.camera.width
    rgb = files.picture("rgb.png", *shape, 3)
    alpha = files.picture("alpha.png", *shape) if "alpha.png" in files.names else None
    carried = None if found.embedded is None else _unpack_embedded(found.embedded, files)
    return Photo(rgb, found.camera, alpha, found.name, found.sha256, found.warnings, carried)


def _unpack_embedded(found: _EmbeddedValues, files: _Files) -> EmbeddedDepth:
    shape = found.height, found.width
    inverse = files.array("embedded.npy", "<f4", *shape)
    valid = files.bits("embedded_valid.npy", *shape) if "embedded_valid.npy" in files.names else None
    return EmbeddedDepth(inverse, found.scale, found.origin, valid, found.along_rays)


class _DepthValues(_Values):
    scale: DepthScale
    camera: Camera
    model: str
    warnings: tuple[str, ...]


def _pack_depth(depth: DepthMap) -> Packed:
    values = {**_camera(depth.camera), "scale": depth.scale, "model": depth.model, "warnings": depth.warnings}
    arrays: dict[str, Array] = {"inverse_depth.npy": depth.inverse_depth}
    for name, mask in (("valid.npy", depth.valid), ("sky.npy", depth.sky)):
        if mask is not None:
            arrays[name] = np.packbits(mask, axis=1)
    for name, links in (("cut", depth.cut), ("joined", depth.joined)):
        if links is not None:
            arrays[f"{name}_right.npy"] = np.packbits(links.right, axis=1)
            arrays[f"{name}_down.npy"] = np.packbits(links.down, axis=1)
    if depth.normals is not None:
        arrays["normals.png"] = depth.normals
    return Packed(values, arrays)


def _unpack_depth(values: Mapping[str, Any], files: _Files) -> DepthMap:
    found = _DepthValues.model_validate(values)
    shape = found.camera.height, found.camera.width
    inverse = files.array("inverse_depth.npy", "<f4", *shape)
    valid = files.bits("valid.npy", *shape) if "valid.npy" in files.names else None
    sky = files.bits("sky.npy", *shape) if "sky.npy" in files.names else None
    cut, joined = (_links(name, *shape, files) for name in ("cut", "joined"))
    normals = files.picture("normals.png", *shape, 3) if "normals.png" in files.names else None
    return DepthMap(inverse, found.scale, found.camera, found.model, valid, sky, found.warnings, cut, joined, normals)


def _links(name: str, height: int, width: int, files: _Files) -> Cuts | None:
    if f"{name}_right.npy" not in files.names:
        return None
    right = files.bits(f"{name}_right.npy", height, width - 1)
    return Cuts(right, files.bits(f"{name}_down.npy", height - 1, width))


class _PointValues(_Values):
    camera: Camera


def _pack_points(points: PointCloud) -> Packed:
    arrays: dict[str, Array] = {"z.npy": points.z, "rgb.png": points.rgb, "mask.npy": np.packbits(points.mask, axis=1)}
    if points.opaque is not None:
        arrays["opaque.npy"] = np.packbits(points.opaque, axis=1)
    return Packed(_camera(points.camera), arrays)


def _unpack_points(values: Mapping[str, Any], files: _Files) -> PointCloud:
    camera = _PointValues.model_validate(values).camera
    shape = camera.height, camera.width
    z = files.array("z.npy", "<f4", *shape)
    opaque = files.bits("opaque.npy", *shape) if "opaque.npy" in files.names else None
    return PointCloud(z, files.picture("rgb.png", *shape, 3), files.bits("mask.npy", *shape), camera, opaque)


class _MeshValues(_Values):
    height: int = Field(ge=1)  # of the grid that the cuts are found on
    width: int = Field(ge=1)
    names: tuple[str, ...]
    imagined: tuple[int, ...] = ()  # which of the meshes, from 0
    segments: tuple[int, ...] = ()  # each mesh's; none: of no segment


def _pack_mesh(record: MeshRecord) -> Packed:
    cuts, meshes = record
    height, width = cuts.right.shape[0], cuts.down.shape[1]
    values = {"height": height, "width": width, **_mesh_values(meshes)}
    arrays: dict[str, Array] = {
        "right.npy": np.packbits(cuts.right, axis=1),
        "down.npy": np.packbits(cuts.down, axis=1),
    }
    return Packed(values, {**arrays, **_mesh_arrays(meshes)})


def _unpack_mesh(values: Mapping[str, Any], files: _Files) -> MeshRecord:
    found = _MeshValues.model_validate(values)
    right = files.bits("right.npy", found.height, found.width - 1)
    down = files.bits("down.npy", found.height - 1, found.width)
    return Cuts(right, down), _meshes(found, files)


def _mesh_values(meshes: tuple[Mesh, ...]) -> dict[str, Any]:
    return {
        "names": [mesh.name for mesh in meshes],
        "imagined": [number for number, mesh in enumerate(meshes) if mesh.imagined],
        "segments": [mesh.segment for mesh in meshes],
    }


def _mesh_arrays(meshes: tuple[Mesh, ...]) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for i, mesh in enumerate(meshes):
        arrays[f"{i}.vertices.npy"] = mesh.vertices
        arrays[f"{i}.faces.npy"] = mesh.faces
        arrays[f"{i}.uv.npy"] = mesh.uv
        arrays[f"{i}.normals.npy"] = mesh.normals
        if mesh.alpha is not None:
            arrays[f"{i}.alpha.npy"] = mesh.alpha
    return arrays


def _meshes(found: _MeshValues | _LayerValues, files: _Files) -> tuple[Mesh, ...]:
    meshes = []
    unseen = set(found.imagined)
    segments = found.segments or (0,) * len(found.names)
    if len(segments) != len(found.names):
        raise DamagedError("the segment of a mesh is missing")
    for i, (name, segment) in enumerate(zip(found.names, segments, strict=True)):
        vertices = files.array(f"{i}.vertices.npy", "<f4", None, 3)
        faces = files.array(f"{i}.faces.npy", "<i4", None, 3)
        uv = files.array(f"{i}.uv.npy", "<f4", len(vertices), 2)
        normals = files.array(f"{i}.normals.npy", "<f4", len(vertices), 3)
        has_alpha = f"{i}.alpha.npy" in files.names
        alpha = files.array(f"{i}.alpha.npy", "<f4", len(vertices)) if has_alpha else None
        meshes.append(Mesh(vertices, faces, uv, normals, name, alpha, i in unseen, segment))
    return tuple(meshes)


class _SegmentValues(_Values):
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    items: tuple[Segment, ...] = Field(max_length=MAX_SEGMENTS)


def _pack_segments(segments: Segments) -> Packed:
    height, width = segments.labels.shape
    items = [asdict(item) for item in segments.items]
    return Packed({"height": height, "width": width, "items": items}, {"labels.npy": segments.labels})


def _unpack_segments(values: Mapping[str, Any], files: _Files) -> Segments:
    found = _SegmentValues.model_validate(values)
    labels = files.array("labels.npy", "<i4", found.height, found.width)
    if max(int(labels.max()), *(item.id for item in found.items), 0) > MAX_SEGMENT_ID:
        raise DamagedError("a segment's id is too large")
    return Segments(labels, found.items)


class _LayerValues(_Values):
    height: int = Field(ge=1)  # of the atlas
    width: int = Field(ge=1)
    imagined_area: float = Field(ge=0)
    names: tuple[str, ...]
    imagined: tuple[int, ...]
    segments: tuple[int, ...] = ()


def _pack_layers(layered: Layered) -> Packed:
    height, width = layered.atlas.shape[:2]
    values = {"height": height, "width": width, "imagined_area": layered.imagined, **_mesh_values(layered.meshes)}
    return Packed(values, {"atlas.png": layered.atlas, **_mesh_arrays(layered.meshes)})


def _unpack_layers(values: Mapping[str, Any], files: _Files) -> Layered:
    found = _LayerValues.model_validate(values)
    atlas = files.picture("atlas.png", found.height, found.width, 3)
    return Layered(atlas, _meshes(found, files), found.imagined_area)


_STAGES: dict[str, tuple[Callable[[Any], Packed], Callable[[Mapping[str, Any], _Files], Any]]] = {
    "photo": (_pack_photo, _unpack_photo),
    "depth": (_pack_depth, _unpack_depth),
    "corrections": (_pack_depth, _unpack_depth),
    "points": (_pack_points, _unpack_points),
    "mesh": (_pack_mesh, _unpack_mesh),
    "segments": (_pack_segments, _unpack_segments),
    "layers": (_pack_layers, _unpack_layers),
}
