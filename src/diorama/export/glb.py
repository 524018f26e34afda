"""Binary glTF 2.0 (.glb): what every viewer shows. The photo unlit on its meshes, and the photo's own camera.

A final scene's segments are grouped by their kind, and its materials may be lit (`Settings.lit`).
An enhanced scene has a node a segment, named after it, with what was imagined of it and its soft rim as children; one
texture (the atlas) for all of them; opaque meshes share a material and soft rims, whose opacity is COLOR_0's alpha,
another. Each node's `extras` say which segment and which part (`visible`, `imagined`, `rim`) it is.

Normals are written where materials are lit, and otherwise on request: an unlit surface has no use for them, and they
are a third of a file's geometry. Geometry may be packed (see `packing`).

glTF's axes are x right, y up, z backward: Diorama's y and z are negated here. That is a rotation by 180 degrees about
x, so triangles keep the order of their corners. Lengths stay in scene units (metres where the depth was metric).
"""

from __future__ import annotations

import json
import math
import re
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diorama import __version__, atomic
from diorama.errors import InputError
from diorama.export import packing
from diorama.export.buffers import Buffer
from diorama.export.materials import assign
from diorama.export.parts import Piece, pieces, tree
from diorama.types import Float32, Scene, Segments, UInt8

JPEG_QUALITY = 92
"""With full colour resolution: 38 to 41 dB on scikit-image's photos, 2 to 4 bits a pixel. Half resolution (4:2:0)
saves a fifth of the bytes and costs up to 4.6 dB (rocket: 34.3), all of it at coloured edges."""

_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP_TO_EDGE = 9729, 9987, 33071
_TO_GLTF = np.array([1, -1, -1], np.float32)


@dataclass(frozen=True)
class Layout:
    """How a scene is put into glTF."""

    normals: bool = False  # written though no material is lit
    packing: packing.Packing = "plain"
    texture: bytes | None = None  # a JPEG file in the place of the one that `jpeg` makes
    files: str = ""  # the name that .bin and .jpg have beside a .gltf file; empty: all is in one file


@dataclass(frozen=True)
class Encoded:
    """A glTF document and what it refers to."""

    gltf: dict[str, Any]
    binary: bytes
    texture: bytes  # the JPEG file; part of `binary` where all is in one file
    geometry: int  # bytes of `binary` that are geometry


def write(scene: Scene, path: Path) -> None:
    """Write the scene's meshes as a GLB file.

    Raises:
        InputError: the scene has no surface (the photo is transparent everywhere).
        StorageError: the disk is full or refuses.
    """
    data = encode(scene)
    with atomic.writing(path) as file:
        file.write(data)


def encode(scene: Scene, layout: Layout | None = None) -> bytes:
    """The bytes of the GLB file.

    Raises:
        InputError: the scene has no surface (the photo is transparent everywhere).
    """
    return container(document(scene, layout or Layout()))


def document(scene: Scene, layout: Layout) -> Encoded:
    """The scene as glTF.

    Raises:
        InputError: the scene has no surface (the photo is transparent everywhere).
    """
    parts = pieces(scene)
    if not parts:
        raise InputError(
            "The scene has no surface that could be written.", hint="Choose a photo that isn't transparent everywhere."
        )
    buffer = Buffer()
    materials, numbers = assign(scene, parts)
    lit = not all("extensions" in made for made in materials)
    gltf_meshes, transforms = _meshes(scene, parts, numbers, layout, layout.normals or lit, buffer)
    geometry = len(buffer.data)
    texture = layout.texture or jpeg(scene.texture)
    image: dict[str, Any] = {"name": "photo" if scene.atlas is None else "atlas"}
    if layout.files:
        image |= {"uri": f"{layout.files}.jpg"}
    else:
        image |= {"bufferView": buffer.view(texture), "mimeType": "image/jpeg"}
    nodes = tree(parts, scene.segments, grouped=scene.step == "final")
    root = len(nodes) - 1
    packing.place(nodes, transforms)
    nodes[root]["children"].append(len(nodes))
    nodes.append({"name": "photo camera", "camera": 0})
    used = [*([] if lit else ["KHR_materials_unlit"]), *packing.EXTENSIONS[layout.packing]]
    wrap = {"magFilter": _LINEAR, "minFilter": _LINEAR_MIPMAP_LINEAR, "wrapS": _CLAMP_TO_EDGE, "wrapT": _CLAMP_TO_EDGE}
    gltf = {
        "asset": {"version": "2.0", "generator": f"Diorama {__version__}"},
        **({"extensionsUsed": used} if used else {}),
        **({"extensionsRequired": list(found)} if (found := packing.EXTENSIONS[layout.packing]) else {}),
        "scene": 0,
        "scenes": [{"name": scene.photo.name, "nodes": [root], "extras": extras(scene)}],
        "nodes": nodes,
        "cameras": [_camera(scene)],
        "meshes": gltf_meshes,
        "materials": materials,
        "textures": [{"source": 0, "sampler": 0}],
        "images": [image],
        "samplers": [wrap],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": buffer.buffers(f"{layout.files}.bin" if layout.files else ""),
    }
    return Encoded(gltf, bytes(buffer.data), texture, geometry)


def _meshes(
    scene: Scene, parts: list[Piece], materials: list[int], layout: Layout, normals: bool, buffer: Buffer
) -> tuple[list[dict[str, Any]], list[packing.Transform | None]]:
    """glTF meshes, and how each node has to place what was quantised."""
    made: list[dict[str, Any]] = []
    transforms: list[packing.Transform | None] = []
    focal = scene.camera.fx
    for part, material in zip(parts, materials, strict=True):
        mesh = part.mesh
        surface = packing.Surface(
            to_gltf(mesh.vertices),
            mesh.faces,
            mesh.uv,
            unit(to_gltf(mesh.normals)) if normals else None,
            None if mesh.alpha is None else _opacity(mesh.alpha),
        )
        primitive, transform = packing.primitive(surface, layout.packing, buffer, focal)
        made.append({"name": mesh.name, "primitives": [{**primitive, "material": material}]})
        transforms.append(transform)
    return made, transforms


def _opacity(alpha: Float32) -> UInt8:
    """(N, 4) for COLOR_0."""
    rgba = np.full((len(alpha), 4), 255, np.uint8)
    rgba[:, 3] = np.rint(np.clip(alpha, 0, 1) * 255)
    return rgba


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


def jpeg(rgb: UInt8, quality: int = JPEG_QUALITY, *, full_colour: bool = True) -> bytes:
    """A texture as JPEG; without `full_colour` colour has half the resolution (4:2:0)."""
    import cv2

    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if full_colour else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    how = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
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


def text_of(gltf: dict[str, Any]) -> bytes:
    """The document's JSON."""
    # "replace": half a surrogate pair, which Python's names of files can hold and JSON's readers refuse.
    return json.dumps(gltf, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def container(encoded: Encoded) -> bytes:
    """The GLB file of a document in one file."""
    text, binary = text_of(encoded.gltf), encoded.binary
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
