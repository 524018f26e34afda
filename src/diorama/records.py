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
    advice, plan, tune                      values alone
    rebuild  the files of `points`, those of the cuts, and those of `layers`
    texture  atlas.png
    synthesis the same files as of `layers`

Masks are packed to bits along each row (``numpy.unpackbits(mask, axis=1, count=width)``). Photos are kept as pixels,
never as the bytes that were read: those may hold the place and the owner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from diorama.advice import Outcome, ReconstructionAdvice, SceneAdvice, Tuning
from diorama.stage_files import MAX_PIXELS, Array, DamagedError, Files
from diorama.types import (
    Camera,
    Cuts,
    DepthMap,
    DepthScale,
    EmbeddedDepth,
    Final,
    Layered,
    Mesh,
    Photo,
    PointCloud,
    Rebuilt,
    Segment,
    Segments,
    Textured,
)

MeshRecord: TypeAlias = tuple[Cuts, tuple[Mesh, ...]]

MAX_SEGMENTS = 4096
"""And no id beyond `MAX_SEGMENT_ID`: checking takes memory by the largest one. A photo has a few dozen of them."""

MAX_SEGMENT_ID = 1 << 20


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
    return _STAGES[stage][1](values, Files(names, read))


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


def _unpack_photo(values: Mapping[str, Any], files: Files) -> Photo:
    found = _PhotoValues.model_validate(values)
    shape = found.camera.height, found.camera.width
    rgb = files.picture("rgb.png", *shape, 3)
    alpha = files.picture("alpha.png", *shape) if "alpha.png" in files.names else None
    carried = None if found.embedded is None else _unpack_embedded(found.embedded, files)
    return Photo(rgb, found.camera, alpha, found.name, found.sha256, found.warnings, carried)


def _unpack_embedded(found: _EmbeddedValues, files: Files) -> EmbeddedDepth:
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


def _unpack_depth(values: Mapping[str, Any], files: Files) -> DepthMap:
    found = _DepthValues.model_validate(values)
    shape = found.camera.height, found.camera.width
    inverse = files.array("inverse_depth.npy", "<f4", *shape)
    valid = files.bits("valid.npy", *shape) if "valid.npy" in files.names else None
    sky = files.bits("sky.npy", *shape) if "sky.npy" in files.names else None
    cut, joined = (_links(name, *shape, files) for name in ("cut", "joined"))
    normals = files.picture("normals.png", *shape, 3) if "normals.png" in files.names else None
    return DepthMap(inverse, found.scale, found.camera, found.model, valid, sky, found.warnings, cut, joined, normals)


def _links(name: str, height: int, width: int, files: Files) -> Cuts | None:
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


def _unpack_points(values: Mapping[str, Any], files: Files) -> PointCloud:
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


def _unpack_mesh(values: Mapping[str, Any], files: Files) -> MeshRecord:
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


def _meshes(found: _MeshValues | _LayerValues, files: Files) -> tuple[Mesh, ...]:
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


def _unpack_segments(values: Mapping[str, Any], files: Files) -> Segments:
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


def _unpack_layers(values: Mapping[str, Any], files: Files) -> Layered:
    found = _LayerValues.model_validate(values)
    atlas = files.picture("atlas.png", found.height, found.width, 3)
    return Layered(atlas, _meshes(found, files), found.imagined_area)


def _model(kind: type[BaseModel]) -> tuple[Callable[[Any], Packed], Callable[[Mapping[str, Any], Files], Any]]:
    """A record that is a model: values alone."""
    return (lambda record: Packed(record.model_dump(mode="json"), {})), lambda values, _: kind.model_validate(values)


def _pack_rebuilt(record: Rebuilt) -> Packed:
    parts = _pack_points(record.points), _pack_mesh((record.cuts, ())), _pack_layers(record.layered)
    arrays: dict[str, Array] = {name: array for part in parts for name, array in part.arrays.items()}
    return Packed({"points": parts[0].values, "cuts": parts[1].values, "layers": parts[2].values}, arrays)


def _unpack_rebuilt(values: Mapping[str, Any], files: Files) -> Rebuilt:
    points, cuts = _unpack_points(values["points"], files), _unpack_mesh(values["cuts"], files)[0]
    return Rebuilt(points, cuts, _unpack_layers(values["layers"], files))


class _TexturedValues(_Values):
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    outcomes: tuple[Outcome, ...]


def _pack_textured(record: Textured) -> Packed:
    height, width = record.atlas.shape[:2]
    values = {"height": height, "width": width, "outcomes": _outcomes(record.outcomes)}
    return Packed(values, {"atlas.png": record.atlas})


def _unpack_textured(values: Mapping[str, Any], files: Files) -> Textured:
    found = _TexturedValues.model_validate(values)
    return Textured(files.picture("atlas.png", found.height, found.width, 3), found.outcomes)


def _outcomes(outcomes: tuple[Outcome, ...]) -> list[dict[str, Any]]:
    return [outcome.model_dump(mode="json") for outcome in outcomes]


class _FinalValues(_Values):
    layers: dict[str, Any]
    outcomes: tuple[Outcome, ...]


def _pack_final(record: Final) -> Packed:
    packed = _pack_layers(record.layered)
    return Packed({"layers": packed.values, "outcomes": _outcomes(record.outcomes)}, packed.arrays)


def _unpack_final(values: Mapping[str, Any], files: Files) -> Final:
    found = _FinalValues.model_validate(values)
    return Final(_unpack_layers(found.layers, files), found.outcomes)


_STAGES: dict[str, tuple[Callable[[Any], Packed], Callable[[Mapping[str, Any], Files], Any]]] = {
    "photo": (_pack_photo, _unpack_photo),
    "depth": (_pack_depth, _unpack_depth),
    "corrections": (_pack_depth, _unpack_depth),
    "points": (_pack_points, _unpack_points),
    "mesh": (_pack_mesh, _unpack_mesh),
    "segments": (_pack_segments, _unpack_segments),
    "layers": (_pack_layers, _unpack_layers),
    "advice": _model(SceneAdvice),
    "plan": _model(ReconstructionAdvice),
    "tune": _model(Tuning),
    "rebuild": (_pack_rebuilt, _unpack_rebuilt),
    "texture": (_pack_textured, _unpack_textured),
    "synthesis": (_pack_final, _unpack_final),
}
