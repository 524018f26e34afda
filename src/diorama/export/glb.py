"""Binary glTF 2.0 (.glb): what every viewer shows. The photo unlit on its meshes, and the photo's own camera.

A final scene's segments are grouped by their kind, and its materials may be lit (`Settings.lit`).
An enhanced scene has a node a segment, named after it, with what was imagined of it and its soft rim as children; one
texture (the atlas) for all of them; opaque meshes share a material and soft rims, whose opacity is COLOR_0's alpha,
another. Each node's `extras` say which segment and which part (`visible`, `imagined`, `rim`) it is.

glTF's axes are x right, y up, z backward: Diorama's y and z are negated here. That is a rotation by 180 degrees about
x, so triangles keep the order of their corners. Lengths stay in scene units (metres where the depth was metric).
"""

from __future__ import annotations

import json
import math
import re
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diorama import __version__, atomic
from diorama.errors import InputError
from diorama.export.materials import assign
from diorama.export.parts import pieces, tree
from diorama.types import Float32, Mesh, Scene, Segments, UInt8

JPEG_QUALITY = 92
"""With full colour resolution: 38 to 41 dB on scikit-image's photos, 2 to 4 bits a pixel. Half resolution (4:2:0)
saves a fifth of the bytes and costs up to 4.6 dB (rocket: 34.3), all of it at coloured edges."""

_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_UNSIGNED_BYTE, _UNSIGNED_SHORT, _UNSIGNED_INT, _FLOAT = 5121, 5123, 5125, 5126
_COMPONENT = {"u1": _UNSIGNED_BYTE, "u2": _UNSIGNED_SHORT, "u4": _UNSIGNED_INT, "f4": _FLOAT}
_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP_TO_EDGE = 9729, 9987, 33071
_TO_GLTF = np.array([1, -1, -1], np.float32)


def write(scene: Scene, path: Path) -> None:
    """Write the scene's meshes as a GLB file.

    Raises:
        InputError: the scene has no surface (the photo is transparent everywhere).
        StorageError: the disk is full or refuses.
    """
    data = encode(scene)
    with atomic.writing(path) as file:
        file.write(data)


def encode(scene: Scene) -> bytes:
    """The bytes of the GLB file.

    Raises:
        InputError: the scene has no surface (the photo is transparent everywhere).
    """
    parts = pieces(scene)
    if not parts:
        raise InputError(
            "The scene has no surface that could be written.", hint="Choose a photo that isn't transparent everywhere."
        )
    buffer = _Buffer()
    gltf_meshes = [_mesh(part.mesh, buffer) for part in parts]
    image = buffer.view(jpeg(scene.texture))
    materials, numbers = assign(scene, parts)
    for gltf_mesh, number in zip(gltf_meshes, numbers, strict=True):
        gltf_mesh["primitives"][0]["material"] = number
    nodes = tree(parts, scene.segments, grouped=scene.step == "final")
    root = len(nodes) - 1
    nodes[root]["children"].append(len(nodes))
    nodes.append({"name": "photo camera", "camera": 0})
    gltf = {
        "asset": {"version": "2.0", "generator": f"Diorama {__version__}"},
        **({"extensionsUsed": ["KHR_materials_unlit"]} if any("extensions" in made for made in materials) else {}),
        "scene": 0,
        "scenes": [{"name": scene.photo.name, "nodes": [root], "extras": extras(scene)}],
        "nodes": nodes,
        "cameras": [_camera(scene)],
        "meshes": gltf_meshes,
        "materials": materials,
        "textures": [{"source": 0, "sampler": 0}],
        "images": [
            {"name": "photo" if scene.atlas is None else "atlas", "bufferView": image, "mimeType": "image/jpeg"}
        ],
        "samplers": [
            {
                "magFilter": _LINEAR,
                "minFilter": _LINEAR_MIPMAP_LINEAR,
                "wrapS": _CLAMP_TO_EDGE,
                "wrapT": _CLAMP_TO_EDGE,
            }
        ],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    return _container(gltf, bytes(buffer.data))


def extras(scene: Scene) -> dict[str, Any]:
    """What glTF has no field for: the exact camera (pixels of the photo), the unit, the segments (boxes x0, y0, x1, y1
    in the same pixels, depths in scene units), the imagined area as a share of the photo's, and how the scene was made.

    A GLB is made to be given away: of a depth file only the name is told, not the folders that it lay in.
    """
    camera = scene.camera
    file = scene.settings.depth
    shorten = {file: re.split(r"[/\\]", file)[-1]}
    found = {
        "diorama": __version__,
        "step": scene.step,
        "units": scene.units,
        "width": camera.width,
        "height": camera.height,
        "fx": camera.fx,
        "fy": camera.fy,
        "cx": camera.cx,
        "cy": camera.cy,
        "focal_source": camera.source,
        "settings": _plain(scene.settings.model_dump(mode="json"), shorten),
        "report": [_plain(asdict(report), shorten) for report in scene.report],
    }
    if scene.segments is not None:
        found["segments"] = _segments(scene.segments, camera.width, camera.height)
    if scene.atlas is not None:
        found["imagined_area"] = round(scene.imagined, 6)
    for name, record in (("advice", scene.advice), ("plan", scene.plan), ("tuning", scene.tuning)):
        if record is not None:
            found[name] = record.model_dump(mode="json", exclude_none=True)
    if scene.outcomes:
        found["outcomes"] = [outcome.model_dump(mode="json") for outcome in scene.outcomes]
    return found


def _segments(segments: Segments, width: int, height: int) -> list[dict[str, Any]]:
    x, y = width / segments.labels.shape[1], height / segments.labels.shape[0]
    return [
        {
            "id": item.id,
            "name": item.name,
            "kind": item.kind,
            "box": [round(edge * scale, 2) for edge, scale in zip(item.box, (x, y, x, y), strict=True)],
            "near": item.near,
            "far": item.far,
            "in_front_of": list(item.in_front_of),
        }
        for item in segments.items
    ]


def to_gltf(vectors: Float32) -> Float32:
    """Turn (N, 3) points or directions from the camera frame to glTF's axes."""
    return np.ascontiguousarray(vectors * _TO_GLTF)


class _Buffer:
    """The binary chunk while it grows, with its views and accessors."""

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

    def accessor(self, array: npt.NDArray[Any], kind: str, target: int = _ARRAY_BUFFER, **more: Any) -> int:
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        accessor = {
            "bufferView": self.view(little.tobytes(), target),
            "componentType": _COMPONENT[little.dtype.str[1:]],
            "count": len(array),
            "type": kind,
        }
        self.accessors.append({**accessor, **more})
        return len(self.accessors) - 1


def _mesh(mesh: Mesh, buffer: _Buffer) -> dict[str, Any]:
    positions = to_gltf(mesh.vertices)
    low, high = positions.min(axis=0), positions.max(axis=0)
    attributes = {
        "POSITION": buffer.accessor(positions, "VEC3", min=low.tolist(), max=high.tolist()),
        "NORMAL": buffer.accessor(unit(to_gltf(mesh.normals)), "VEC3"),
        "TEXCOORD_0": buffer.accessor(mesh.uv, "VEC2"),
    }
    if mesh.alpha is not None:
        rgba = np.full((len(mesh.alpha), 4), 255, np.uint8)
        rgba[:, 3] = np.rint(np.clip(mesh.alpha, 0, 1) * 255)
        attributes["COLOR_0"] = buffer.accessor(rgba, "VEC4", normalized=True)
    # 65535 is no index: in 16 bits it would restart the primitive.
    dtype = np.uint16 if len(mesh.vertices) <= 0xFFFF else np.uint32
    indices = buffer.accessor(mesh.faces.astype(dtype).ravel(), "SCALAR", _ELEMENT_ARRAY_BUFFER)
    return {"name": mesh.name, "primitives": [{"attributes": attributes, "indices": indices}]}


def unit(normals: Float32) -> Float32:
    """Rounded lengths made 1; where there is no normal, the one towards the photo's camera."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    made = np.where(length > 1e-6, normals / np.maximum(length, 1e-6), np.array([0, 0, 1], np.float32))
    return made.astype(np.float32)


def _camera(scene: Scene) -> dict[str, Any]:
    """glTF knows no principal point: with one off centre the view is as wide, and `extras` has the truth."""
    camera = scene.camera
    nearest = float(scene.points.z.min())
    perspective = {
        "yfov": 2 * math.atan(camera.height / 2 / camera.fy),
        "aspectRatio": camera.width / camera.fx * camera.fy / camera.height,
        "znear": nearest / 50,
    }
    return {"name": "photo camera", "type": "perspective", "perspective": perspective}


def jpeg(rgb: UInt8) -> bytes:
    """A texture as JPEG."""
    import cv2

    how = [
        cv2.IMWRITE_JPEG_QUALITY,
        JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), how)[1].tobytes()


def _plain(value: Any, replace: dict[str, str]) -> Any:
    """As JSON has it: numpy's numbers as Python's; as text what JSON has no type for, and what is not finite."""
    if isinstance(value, dict):
        return {str(key): _plain(part, replace) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part, replace) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = str(value)
    for old, new in replace.items():
        text = text.replace(old, new)
    return text


def _container(gltf: dict[str, Any], binary: bytes) -> bytes:
    # "replace": half a surrogate pair, which Python's names of files can hold and JSON's readers refuse.
    text = json.dumps(gltf, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    size = 12 + 8 + len(text) + 8 + len(binary)
    return b"".join(
        [
            struct.pack("<4sII", b"glTF", 2, size),
            struct.pack("<I4s", len(text), b"JSON"),
            text,
            struct.pack("<I4s", len(binary), b"BIN\0"),
            binary,
        ]
    )
