"""OBJ, OpenEXR and normal maps, read again by other programs than wrote them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
import trimesh
from PIL import Image

from diorama import export
from diorama.depth import formats
from diorama.errors import DepthFileError, InputError
from diorama.export import normals
from diorama.types import Camera, DepthMap, Mesh, PointCloud, Scene
from scenes import layered_scene, tiny_scene

FLIP = np.float32([1, -1, -1])


# ---- OBJ -------------------------------------------------------------------------------------------------------------


def unpacked(scene: Scene, folder: Path, name: str = "my photo.obj.zip") -> Path:
    scene.save(folder / name)
    with zipfile.ZipFile(folder / name) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
        found = sorted(archive.namelist())
    stem = found[0].partition(".")[0]
    assert found == [f"{stem}.jpg", f"{stem}.mtl", f"{stem}.obj"]
    return folder / f"{stem}.obj"


def test_obj_has_the_scenes_surface_and_its_texture(tmp_path: Path) -> None:
    scene = tiny_scene()
    path = unpacked(scene, tmp_path)
    assert path.name == "my_photo.obj"
    mesh = trimesh.load(path, process=False, maintain_order=True)
    assert isinstance(mesh, trimesh.Trimesh)
    corners = np.concatenate([(own.vertices * FLIP)[own.faces] for own in scene.meshes])
    np.testing.assert_allclose(mesh.vertices[mesh.faces], corners, rtol=1e-6, atol=1e-7)
    uv = np.concatenate([(own.uv * np.float32([1, -1]) + np.float32([0, 1]))[own.faces] for own in scene.meshes])
    np.testing.assert_allclose(mesh.visual.uv[mesh.faces], uv, atol=1e-6)
    texture = np.asarray(mesh.visual.material.image.convert("RGB"), int)
    assert texture.shape == scene.texture.shape
    assert np.abs(texture - scene.texture).mean() < 3


def test_obj_has_an_object_for_every_part(tmp_path: Path) -> None:
    scene = layered_scene()
    text = unpacked(scene, tmp_path).read_text()
    names = [line[2:] for line in text.splitlines() if line.startswith("o ")]
    assert len(names) > 2
    assert not any(" " in name for name in names)
    faces = [line for line in text.splitlines() if line.startswith("f ")]
    assert len(faces) == sum(len(mesh.faces) for mesh in scene.meshes)
    highest = max(int(corner.split("/")[0]) for line in faces for corner in line.split()[1:])
    assert highest == sum(line.startswith("v ") for line in text.splitlines())


def test_a_name_can_not_break_out_of_its_line(tmp_path: Path) -> None:
    scene = tiny_scene()
    evil = tuple(replace(mesh, name="a\nmtllib /etc/passwd \ud800") for mesh in scene.meshes)
    text = unpacked(replace(scene, meshes=evil), tmp_path, "..obj.zip").read_text()
    assert [line for line in text.splitlines() if line.startswith("mtllib")] == ["mtllib scene.mtl"]


def test_obj_is_the_same_twice_and_needs_a_surface(tmp_path: Path) -> None:
    scene = tiny_scene()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        scene.save(tmp_path / name / "scene.obj.zip")
    assert (tmp_path / "a/scene.obj.zip").read_bytes() == (tmp_path / "b/scene.obj.zip").read_bytes()
    nothing = np.zeros((0, 3), np.float32)
    empty = Mesh(nothing, np.zeros((0, 3), np.int32), np.zeros((0, 2), np.float32), nothing)
    with pytest.raises(InputError, match="no surface"):
        replace(scene, meshes=(empty,)).save(tmp_path / "c.obj.zip")


# ---- OpenEXR ---------------------------------------------------------------------------------------------------------


def depth_map(scale: str = "metric") -> DepthMap:
    inverse = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
    return DepthMap(inverse, scale, Camera.assumed(6, 4), "test")  # type: ignore[arg-type]


def channels(path: Path) -> dict[str, Any]:
    return {
        name: channel.pixels for name, channel in OpenEXR.File(str(path), separate_channels=True).channels().items()
    }


def test_exr_of_metric_depth_has_distances(tmp_path: Path) -> None:
    export.write_depth(depth_map(), (6, 4), tmp_path / "d.exr")
    found = channels(tmp_path / "d.exr")
    inverse = depth_map().inverse_depth
    np.testing.assert_array_equal(found["Y"], inverse)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(found["Z"], 1 / inverse)
    header = OpenEXR.File(str(tmp_path / "d.exr")).header()
    assert (header["scale"], header["model"]) == ("metric", "test")
    assert header["fx"] == pytest.approx(depth_map().camera.fx)


def test_exr_of_relative_depth_has_none_until_the_scene_places_it(tmp_path: Path) -> None:
    export.write_depth(depth_map("relative"), (6, 4), tmp_path / "d.exr")
    assert set(channels(tmp_path / "d.exr")) == {"Y"}
    scene = tiny_scene()
    scene.save(tmp_path / "s.exr")
    found = channels(tmp_path / "s.exr")
    assert found["Z"].shape == (scene.photo.height, scene.photo.width)
    sky = scene.depth.sky
    if (scene.photo.height, scene.photo.width) == scene.depth.shape:
        near = np.ones(scene.depth.shape, bool) if sky is None else ~sky
        np.testing.assert_allclose(found["Z"][near], scene.points.z[near], rtol=1e-5)


def test_exr_is_read_by_opencv(tmp_path: Path) -> None:
    export.write_depth(depth_map("relative"), (6, 4), tmp_path / "d.exr")
    ask = "import cv2, sys; print(cv2.imread(sys.argv[1], cv2.IMREAD_UNCHANGED).ravel().tolist())"
    answer = subprocess.run(
        [sys.executable, "-c", ask, tmp_path / "d.exr"],
        env={**os.environ, "OPENCV_IO_ENABLE_OPENEXR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    np.testing.assert_allclose(json.loads(answer.stdout), depth_map().inverse_depth.ravel())


def write_exr(path: Path, **pixels: np.ndarray) -> Path:
    OpenEXR.File({}, {name.replace("__", "."): array for name, array in pixels.items()}).write(str(path))
    return path


PLANE = np.arange(1, 25, dtype=np.float32).reshape(4, 6)


@pytest.mark.parametrize("name", ["Z", "Y", "R", "ViewLayer__Depth__Z", "depth", "Z16"])
def test_exr_depth_files(name: str, tmp_path: Path) -> None:
    pixels = PLANE.astype(np.float16) if name == "Z16" else PLANE
    path = write_exr(tmp_path / "d.exr", **{name.removesuffix("16"): pixels})
    np.testing.assert_array_equal(formats.load(path, "metric"), PLANE)
    if name.endswith("Z") or name == "Z16":
        with pytest.raises(DepthFileError, match="holds distances") as caught:
            formats.load(path, "inverse")
        assert "--depth-kind metric" in caught.value.hint
    else:
        np.testing.assert_array_equal(formats.load(path, "inverse"), PLANE)


def test_exr_depth_that_was_written_is_read_either_way(tmp_path: Path) -> None:
    export.write_depth(depth_map(), (6, 4), tmp_path / "d.exr")
    np.testing.assert_array_equal(formats.load(tmp_path / "d.exr", "inverse"), depth_map().inverse_depth)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(formats.load(tmp_path / "d.exr", "metric"), 1 / depth_map().inverse_depth)


def test_exr_files_that_hold_no_depth(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DepthFileError, match="colours say nothing"):
        formats.load(write_exr(tmp_path / "rgb.exr", R=PLANE, G=PLANE * 2, B=PLANE))
    np.testing.assert_array_equal(formats.load(write_exr(tmp_path / "grey.exr", R=PLANE, G=PLANE, B=PLANE)), PLANE)
    with pytest.raises(DepthFileError, match="its channels are"):
        formats.load(write_exr(tmp_path / "two.exr", foo=PLANE, bar=PLANE))
    whole = write_exr(tmp_path / "whole.exr", Y=np.random.default_rng(0).random((60, 80), np.float32)).read_bytes()
    for length in (0, 6, 200, len(whole) - 30):
        (tmp_path / "cut.exr").write_bytes(whole[:length])
        with pytest.raises(DepthFileError):
            formats.load(tmp_path / "cut.exr")
    at = whole.index(b"dataWindow") + len(b"dataWindow\0box2i\0") + 4
    huge = whole[:at] + np.array([0, 0, 99_999, 99_999], "<i4").tobytes() + whole[at + 16 :]
    (tmp_path / "huge.exr").write_bytes(huge)
    with pytest.raises(DepthFileError, match="megapixels"):
        formats.load(tmp_path / "huge.exr")
    assert capfd.readouterr().out == ""  # results go there, not a library's troubles


# ---- normal maps -----------------------------------------------------------------------------------------------------


def plane_points(normal: np.ndarray, width: int = 40, height: int = 30) -> PointCloud:
    """A plane through (0, 0, 4)."""
    camera = Camera.from_fov(60, width, height, "user")
    x = (np.arange(width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(height) + 0.5 - camera.cy) / camera.fy
    rays = np.stack(np.broadcast_arrays(x, y[:, None], 1.0), axis=-1)
    z = (normal[2] * 4 / (rays @ normal)).astype(np.float32)
    return PointCloud(z, np.zeros((height, width, 3), np.uint8), np.ones((height, width), bool), camera)


@pytest.mark.parametrize("normal", [(0, 0, -1), (0.3, 0, -1), (-0.3, 0.2, -1), (0, -0.5, -1)])
def test_normals_of_a_plane(normal: tuple[float, float, float]) -> None:
    unit = np.array(normal) / np.linalg.norm(normal)
    points = plane_points(unit)
    np.testing.assert_allclose(normals.normals(points), np.broadcast_to(unit, (30, 40, 3)), atol=2e-3)
    pixels = normals.picture(points)
    right, up, towards = unit * (1, -1, -1)
    expected = np.rint((np.array([right, up, towards]) + 1) * 127.5)
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_no_normal_looks_across_a_depth_edge() -> None:
    near, far = plane_points(np.array([0, 0, -1.0])), plane_points(np.array([0, 0, -1.0]))
    z = far.z * 3
    z[8:20, 10:25] = near.z[8:20, 10:25]
    found = normals.normals(replace(far, z=z))
    assert float(found[..., 2].max()) < -0.999


def test_the_map_is_written_and_the_sky_looks_at_the_camera(tmp_path: Path) -> None:
    scene = tiny_scene()
    scene.save(tmp_path / "a.normals.png")
    picture = np.asarray(Image.open(io.BytesIO((tmp_path / "a.normals.png").read_bytes())))
    assert picture.shape == (*scene.points.z.shape, 3)
    length = np.linalg.norm(picture / 127.5 - 1, axis=-1)
    np.testing.assert_allclose(length, 1, atol=0.02)
    sky = np.zeros(scene.points.z.shape, bool)
    sky[:3] = True
    assert (normals.picture(scene.points, sky)[:3] == (128, 128, 255)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_slivers_have_normals(shape: tuple[int, int]) -> None:
    camera = Camera.assumed(shape[1], shape[0])
    points = PointCloud(np.ones(shape, np.float32), np.zeros((*shape, 3), np.uint8), np.ones(shape, bool), camera)
    np.testing.assert_allclose(np.linalg.norm(normals.normals(points), axis=-1), 1, atol=1e-5)
