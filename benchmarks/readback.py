"""Each format read by a program that didn't write it, and compared with the scene.

`read(scene, name, options, path)` says who read the file and how far its geometry is from the scene's, as a share of
the scene's size; what is not as it should be raises AssertionError.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image
from scipy.spatial import cKDTree

from diorama.export.depthmap import resized
from diorama.export.reduce import without_detail_behind
from diorama.types import Scene

FLIP = np.array([1, -1, -1])
FLOAT = 2e-6
"""Of the scene's size: what text and 32 bit floats keep."""

SPLAT = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2",
         "rot_0", "rot_1", "rot_2", "rot_3"]  # fmt: skip
"""Kerbl et al.'s properties, in their order."""


@dataclass(frozen=True)
class Seen:
    """What a reader found."""

    reader: str
    error: float | None = None  # a share of the scene's size


Options = Mapping[str, Any]


def read(scene: Scene, name: str, options: Options, path: Path) -> Seen:
    """Read a file and compare it with its scene.

    Raises:
        AssertionError: something is not as it should be.
    """
    return READERS[name](scene, options, path)


def _vertices(scene: Scene) -> np.ndarray:
    """(N, 3) in glTF's axes, of all triangles' corners."""
    return np.concatenate([mesh.vertices[np.unique(mesh.faces)] for mesh in scene.meshes if len(mesh.faces)]) * FLIP


def _compared(scene: Scene, found: np.ndarray, within: float, *, whole: bool = True) -> float:
    """The largest distance of a vertex from the nearest one that it should be, both ways where the file is `whole`."""
    known = _vertices(scene)
    size = float(np.ptp(known, axis=0).max())
    error = float(cKDTree(known).query(found)[0].max()) / size
    if whole:
        error = max(error, float(cKDTree(found).query(known)[0].max()) / size)
    assert error <= within, f"vertices are {error:.1e} of the scene's size away"
    return error


def _corners(path: Path) -> tuple[np.ndarray, int]:
    """By trimesh: vertices in the scene's frame, and the number of triangles."""
    loaded = trimesh.load(path, process=False)
    parts = loaded.dump() if isinstance(loaded, trimesh.Scene) else [loaded]
    return np.concatenate([one.vertices[np.unique(one.faces)] for one in parts]), sum(len(one.faces) for one in parts)


def _glb(scene: Scene, options: Options, path: Path) -> Seen:
    if "max_mb" in options:
        assert path.stat().st_size <= options["max_mb"] * 1e6
    if options.get("draco"):
        return _draco(scene, options, path)
    if options.get("meshopt"):
        return _meshopt(scene, options, path)
    if "max_mb" in options:
        return Seen("trimesh", None if _corners(path)[1] else np.inf)
    smaller = without_detail_behind(scene)
    points, triangles = _corners(path)
    assert triangles == sum(len(mesh.faces) for mesh in smaller.meshes)
    return Seen("trimesh", _compared(smaller, points, 2e-5 if options.get("quantize") else FLOAT))


def _document(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    (size,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def _draco(scene: Scene, options: Options, path: Path) -> Seen:
    import DracoPy

    gltf, binary = _document(path)
    found = []
    for mesh in gltf["meshes"]:
        number = mesh["primitives"][0]["extensions"]["KHR_draco_mesh_compression"]["bufferView"]
        view = gltf["bufferViews"][number]
        found.append(DracoPy.decode(binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]).points)
    if "max_mb" in options:
        return Seen("DracoPy")
    return Seen("DracoPy", _compared(without_detail_behind(scene), np.concatenate(found), 2**-10))


def _meshopt(scene: Scene, options: Options, path: Path) -> Seen:
    import meshopt

    gltf, binary = _document(path)
    found = []
    for node in gltf["nodes"]:
        if "mesh" not in node:
            continue
        accessor = gltf["accessors"][gltf["meshes"][node["mesh"]]["primitives"][0]["attributes"]["POSITION"]]
        view = gltf["bufferViews"][accessor["bufferView"]]["extensions"]["EXT_meshopt_compression"]
        packed = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        rows = meshopt.decode_gltf_buffer(packed, view["count"], view["byteStride"], view["mode"])
        found.append(rows.view(np.uint16)[:, :3] * node["scale"] + node["translation"])
    if "max_mb" in options:
        return Seen("meshopt")
    return Seen("meshopt", _compared(without_detail_behind(scene), np.concatenate(found), 2e-5))


def _folder(scene: Scene, _options: Options, path: Path) -> Seen:
    smaller = scene if path.suffix == ".obj" else without_detail_behind(scene)
    points, triangles = _corners(path)
    assert triangles == sum(len(mesh.faces) for mesh in smaller.meshes)
    return Seen("trimesh", _compared(smaller, points, FLOAT))


def _zip(scene: Scene, options: Options, path: Path) -> Seen:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(path.parent / f"{path.name} unpacked")
        (main,) = [one for one in archive.namelist() if one.endswith((".gltf", ".obj"))]
    return _folder(scene, options, path.parent / f"{path.name} unpacked" / main)


def _ply(scene: Scene, _options: Options, path: Path) -> Seen:
    import plyfile

    found = plyfile.PlyData.read(path)
    points = np.stack([found["vertex"][axis] for axis in "xyz"], axis=1)
    assert len(found["face"]) == sum(len(mesh.faces) for mesh in scene.meshes)
    return Seen("plyfile", _compared(scene, points, FLOAT))


def _points_ply(scene: Scene, _options: Options, path: Path) -> Seen:
    import plyfile

    found = plyfile.PlyData.read(path)["vertex"]
    points = np.stack([found[axis] for axis in "xyz"], axis=1)
    known = scene.points.positions[scene.points.mask] * FLIP
    assert len(points) == len(known)
    size = float(np.ptp(known, axis=0).max())
    error = float(np.abs(points - known).max()) / size
    assert error <= FLOAT
    return Seen("plyfile", error)


def _splats(_scene: Scene, _options: Options, path: Path) -> Seen:
    import plyfile

    found = plyfile.PlyData.read(path)["vertex"]
    assert [one.name for one in found.properties] == SPLAT
    assert np.isfinite(np.stack([found[name] for name in SPLAT])).all()
    return Seen("plyfile")


def _print(_scene: Scene, _options: Options, path: Path) -> Seen:
    mesh = trimesh.load(path)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0
    assert abs(mesh.extents[:2].max() - 120) < 60, "millimetres"
    assert abs(mesh.extents[0] - 120) < 0.01
    assert abs(mesh.bounds[0]).max() < 1e-3
    return Seen("trimesh")


def _usdz(scene: Scene, _options: Options, path: Path) -> Seen:
    from pxr import Usd, UsdGeom, UsdValidation

    stage = Usd.Stage.Open(str(path))
    registry = UsdValidation.ValidationRegistry()
    complaints = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators()).Validate(stage)
    assert not complaints, [one.GetMessage() for one in complaints[:3]]
    meshes = [UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)]
    points = np.concatenate([np.asarray(mesh.GetPointsAttr().Get()) for mesh in meshes])
    return Seen("usd-core", _compared(scene, points, FLOAT, whole=False))


def _depth(values: Callable[[Path], tuple[np.ndarray, float]], reader: str) -> Callable[[Scene, Options, Path], Seen]:
    def check(scene: Scene, _options: Options, path: Path) -> Seen:
        wanted = resized(scene.depth, (scene.photo.width, scene.photo.height)).inverse_depth
        found, step = values(path)
        assert found.shape == wanted.shape
        error = float(np.abs(found - wanted).max())
        assert error <= max(step, 1e-7 * float(wanted.max()))
        return Seen(reader, error / float(wanted.max()))

    return check


def _png_depth(path: Path) -> tuple[np.ndarray, float]:
    with Image.open(path) as image:
        scale = float(image.text["inverse-depth-scale"])
        return np.asarray(image).astype(np.float64) * scale, scale


def _pfm(path: Path) -> tuple[np.ndarray, float]:
    import cv2

    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED), 0.0


def _exr(path: Path) -> dict[str, np.ndarray]:
    import OpenEXR

    found = OpenEXR.File(str(path), separate_channels=True).channels()
    return {name: channel.pixels for name, channel in found.items()}


def _normals_exr(scene: Scene, _options: Options, path: Path) -> Seen:
    found = np.stack([_exr(path)[f"N.{axis}"] for axis in "XYZ"], axis=-1)
    assert np.abs(np.linalg.norm(found, axis=-1) - 1).max() < 1e-3
    assert found.shape[:2] in (scene.points.z.shape, scene.photo.rgb.shape[:2])
    return Seen("OpenEXR")


def _mask_exr(_scene: Scene, _options: Options, path: Path) -> Seen:
    assert set(np.unique(_exr(path)["A"])) <= {0.0, 1.0}
    return Seen("OpenEXR")


def _picture(scene: Scene, options: Options, path: Path) -> Seen:
    with Image.open(path) as image:
        image.load()
        found = np.asarray(image)
    width, height = scene.photo.width, scene.photo.height
    name = path.name
    if name.endswith("rgbd.png"):
        assert found.shape == (height, 2 * width, 3)
        assert np.abs(found[:, :width].astype(int) - scene.photo.rgb).max() == 0
    elif name.endswith("quilt.png"):
        assert found.shape[1] == options.get("columns", 8) * options.get("tile_width", 420)
    elif name.endswith("normals.png"):
        assert np.abs(np.linalg.norm(found / 127.5 - 1, axis=-1) - 1).max() < 0.02
    elif name.endswith("mask.png"):
        assert set(np.unique(found)) <= {0, 255}
    elif name.endswith("stereo.jpg"):
        assert found.shape[1] > found.shape[0]
    return Seen("Pillow")


def _coco(scene: Scene, _options: Options, path: Path) -> Seen:
    from contextlib import redirect_stdout
    from io import StringIO

    from pycocotools.coco import COCO

    with redirect_stdout(StringIO()):
        found = COCO(str(path))
    assert scene.segments is not None
    assert len(found.anns) == len(scene.segments.items)
    for annotation in found.anns.values():
        mask = found.annToMask(annotation)
        assert mask.shape == (scene.photo.height, scene.photo.width)
        assert mask.sum() == annotation["area"]
    return Seen("pycocotools")


def _film(_scene: Scene, options: Options, path: Path) -> Seen:
    from diorama.film.ffmpeg import needed

    command = [needed(path.name), "-hide_banner", "-i", str(path), "-map", "0:v", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stderr
    frames = int(re.findall(r"frame=\s*(\d+)", said)[-1])
    assert frames == round(options["seconds"] * options["fps"])
    assert ("Video: h264" if path.name.endswith("mp4") else "Video: vp9") in said
    return Seen("ffmpeg")


def _animation(_scene: Scene, options: Options, path: Path) -> Seen:
    with Image.open(path) as image:
        frames = getattr(image, "n_frames", 1)
        assert frames > 1
        if "fps" in options:
            assert frames == round(options["seconds"] * options["fps"])
    return Seen("Pillow")


def _page(_scene: Scene, _options: Options, path: Path) -> Seen:
    from html.parser import HTMLParser

    tags: list[str] = []

    class Words(HTMLParser):
        def handle_starttag(self, tag: str, _attributes: object) -> None:
            tags.append(tag)

    text = path.read_text(encoding="utf-8")
    Words().feed(text)
    assert "diorama-view" in tags
    assert not re.search(r"""(?:src|href)=["']https?:""", text)
    return Seen("html.parser")


def _bundle(scene: Scene, _options: Options, path: Path) -> Seen:
    again = Scene.load(path)
    return Seen("Diorama", _compared(again, _vertices(scene), 0))


READERS: dict[str, Callable[[Scene, Options, Path], Seen]] = {
    "glb": _glb,
    "gltf": _folder,
    "gltf.zip": _zip,
    "obj": _folder,
    "obj.zip": _zip,
    "ply": _ply,
    "points.ply": _points_ply,
    "usdz": _usdz,
    "splat.ply": _splats,
    "stl": _print,
    "relief.stl": _print,
    "depth.png": _depth(_png_depth, "Pillow"),
    "npy": _depth(lambda path: (np.load(path), 0.0), "NumPy"),
    "npz": _depth(lambda path: (np.load(path)["inverse_depth"], 0.0), "NumPy"),
    "pfm": _depth(_pfm, "OpenCV"),
    "exr": _depth(lambda path: (_exr(path)["Y"], 0.0), "OpenEXR"),
    "normals.png": _picture,
    "normals.exr": _normals_exr,
    "mask.png": _picture,
    "mask.exr": _mask_exr,
    "rgbd.png": _picture,
    "quilt.png": _picture,
    "coco.json": _coco,
    "annotated.png": _picture,
    "html": _page,
    "diorama": _bundle,
    "mp4": _film,
    "webm": _film,
    "webp": _animation,
    "gif": _animation,
    "stereo.jpg": _picture,
    "stereo.mp4": _film,
    "wiggle.gif": _animation,
}
"""By the product's name."""
