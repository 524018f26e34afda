"""GLB: valid by the Khronos validator, and what independent readers find in it is what the scene holds."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

import diorama
from conftest import PhotoPath
from diorama.errors import InputError, StorageError
from diorama.export import glb
from diorama.types import Camera, Mesh, Photo, Scene
from gltf import Glb, assert_valid
from scenes import tiny_scene


def _grid(width: int, height: int) -> Mesh:
    """A flat mesh with (width + 1) x (height + 1) corners."""
    x, y = np.meshgrid(np.linspace(-1, 1, width + 1), np.linspace(-1, 1, height + 1))
    vertices = np.stack([x, y, np.full_like(x, 2)], axis=-1).reshape(-1, 3).astype(np.float32)
    number = np.arange(vertices.shape[0]).reshape(height + 1, width + 1)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    faces = np.stack([a, d, b, b, d, c], axis=-1).reshape(-1, 3).astype(np.int32)
    normals = np.tile(np.array([0, 0, -1], np.float32), (len(vertices), 1))
    return Mesh(vertices, faces, (vertices[:, :2] + 1) / 2, normals, "grid")


def _off_centre(scene: Scene) -> Scene:
    camera = scene.camera
    shifted = Camera(camera.fx, camera.fy * 1.5, camera.cx + 3, camera.cy - 2, camera.width, camera.height, "user")
    return replace(scene, photo=replace(scene.photo, camera=shifted))


PLAIN = tiny_scene(texture=2)
SCENES = {
    "plain": PLAIN,
    "soft rims": tiny_scene(soft=True, alpha=True, metric=True),
    "1x1": tiny_scene(1, 1),
    "1x500": tiny_scene(1, 500),
    "500x1": tiny_scene(500, 1),
    "off centre": _off_centre(PLAIN),
    "no normals": replace(PLAIN, meshes=tuple(replace(m, normals=m.normals * 0) for m in PLAIN.meshes)),
    "rounded normals": replace(PLAIN, meshes=tuple(replace(m, normals=m.normals * 1.003) for m in PLAIN.meshes)),
    "an empty mesh": replace(PLAIN, meshes=(*PLAIN.meshes, replace(PLAIN.meshes[0], faces=np.zeros((0, 3), np.int32)))),
    "65535 corners": replace(PLAIN, meshes=(_grid(256, 254),)),
    "65536 corners": replace(PLAIN, meshes=(_grid(255, 255),)),
    "odd words": replace(
        PLAIN,
        photo=replace(PLAIN.photo, name='caf\udce9 "日本" \0\n'),
        meshes=tuple(replace(mesh, name="日本 \udce9") for mesh in PLAIN.meshes),
        report=(replace(PLAIN.report[0], settings={"a": math.inf, "b": np.float32(0.5), "c": Path("d"), "e": (1,)}),),
    ),
}


def test_every_scene_is_valid(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.glb" for name in SCENES]
    for scene, path in zip(SCENES.values(), paths, strict=True):
        scene.save(path)
    assert_valid(*paths)


@pytest.mark.parametrize("name", ["plain", "soft rims", "1x1", "off centre", "65535 corners", "65536 corners"])
def test_meshes_come_back_in_gltf_s_axes(name: str, tmp_path: Path) -> None:
    scene = SCENES[name]
    scene.save(tmp_path / "x.glb")
    found = Glb(tmp_path / "x.glb")
    assert len(found.json["meshes"]) == len([mesh for mesh in scene.meshes if len(mesh.faces)])
    for i, mesh in enumerate(mesh for mesh in scene.meshes if len(mesh.faces)):
        positions = found.attribute(i, "POSITION")
        assert np.array_equal(positions * np.float32([1, -1, -1]), mesh.vertices)
        assert np.array_equal(found.attribute(i, "NORMAL") * np.float32([1, -1, -1]), mesh.normals)
        assert np.array_equal(found.attribute(i, "TEXCOORD_0"), mesh.uv)
        assert np.array_equal(found.faces(i), mesh.faces)
        accessor = found.json["accessors"][found.json["meshes"][i]["primitives"][0]["attributes"]["POSITION"]]
        assert accessor["min"] == positions.min(axis=0).tolist()
        assert accessor["max"] == positions.max(axis=0).tolist()
        if mesh.alpha is not None:
            colour = found.attribute(i, "COLOR_0")
            assert (colour[:, :3] == 255).all()
            assert np.abs(colour[:, 3] / 255 - mesh.alpha).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("name", ["plain", "soft rims", "1x1", "1x500"])
def test_the_camera_sees_each_vertex_where_its_texture_is(name: str, tmp_path: Path) -> None:
    """By glTF's own projection, from the file alone: what the photo's camera sees is the photo."""
    SCENES[name].save(tmp_path / "x.glb")
    found = Glb(tmp_path / "x.glb")
    lens = found.json["cameras"][0]["perspective"]
    assert "zfar" not in lens
    scale = 1 / math.tan(lens["yfov"] / 2)
    for i in range(len(found.json["meshes"])):
        x, y, z = found.attribute(i, "POSITION").T.astype(float)
        assert (-z > lens["znear"]).all()
        u = (scale / lens["aspectRatio"] * x / -z + 1) / 2
        v = (1 - scale * y / -z) / 2
        assert np.abs(np.stack([u, v], axis=-1) - found.attribute(i, "TEXCOORD_0")).max() < 1e-6


def test_triangles_face_the_camera(tmp_path: Path) -> None:
    SCENES["plain"].save(tmp_path / "x.glb")
    found = Glb(tmp_path / "x.glb")
    for i in range(2):
        corners = found.attribute(i, "POSITION")[found.faces(i)]
        front = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        # Counter-clockwise as the camera at the origin sees them, and the normals agree.
        assert ((front * corners.mean(axis=1)).sum(axis=1) < 0).all()
        assert ((front * found.attribute(i, "NORMAL")[found.faces(i)[:, 0]]).sum(axis=1) > 0).all()


def test_nodes_materials_and_sampler(tmp_path: Path) -> None:
    tiny_scene(soft=True).save(tmp_path / "x.glb")
    found = Glb(tmp_path / "x.glb").json
    root = found["nodes"][found["scenes"][found["scene"]]["nodes"][0]]
    assert [found["nodes"][i]["name"] for i in root["children"]] == ["wall", "box", "photo camera"]
    camera = found["nodes"][root["children"][-1]]
    assert camera == {"name": "photo camera", "camera": 0}  # at the origin, looking along -z
    wall, box = (found["materials"][mesh["primitives"][0]["material"]] for mesh in found["meshes"])
    assert "alphaMode" not in wall
    assert box["alphaMode"] == "BLEND"
    for material in (wall, box):
        assert material["extensions"] == {"KHR_materials_unlit": {}}
        assert material["doubleSided"]
    assert found["samplers"] == [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}]
    assert found["asset"]["generator"] == f"Diorama {diorama.__version__}"


def test_extras_say_what_gltf_can_t(tmp_path: Path) -> None:
    scene = SCENES["off centre"]
    scene.save(tmp_path / "x.glb")
    found = Glb(tmp_path / "x.glb").json
    extras = found["scenes"][0]["extras"]
    camera = scene.camera
    assert {name: extras[name] for name in ("fx", "fy", "cx", "cy", "width", "height")} == {
        name: getattr(camera, name) for name in ("fx", "fy", "cx", "cy", "width", "height")
    }
    assert extras["focal_source"] == "user"
    assert extras["units"] == "relative"
    assert extras["settings"] == scene.settings.model_dump()
    assert [part["stage"] for part in extras["report"]] == ["photo", "depth", "points", "mesh"]
    assert extras["report"][1]["warnings"] == ["made by hand"]
    # As wide and as high as the photo, though glTF's camera can't be off centre.
    lens = found["cameras"][0]["perspective"]
    assert math.isclose(2 * camera.fy * math.tan(lens["yfov"] / 2), camera.height)
    assert math.isclose(2 * camera.fx * math.tan(lens["yfov"] / 2) * lens["aspectRatio"], camera.width)


@pytest.mark.parametrize("path", ["/media/ann/secret/z.npy", "C:\\Users\\ann\\secret\\z.npy"])
def test_a_depth_file_s_folders_are_not_told(path: str, tmp_path: Path) -> None:
    report = replace(PLAIN.report[1], settings={"depth": path}, reason=f"'{path}' was given.", warnings=(path,))
    replace(PLAIN, settings=PLAIN.settings.changed(depth=path), report=(report,)).save(tmp_path / "x.glb")
    assert b"secret" not in (tmp_path / "x.glb").read_bytes()
    extras = Glb(tmp_path / "x.glb").json["scenes"][0]["extras"]
    assert extras["settings"]["depth"] == "z.npy"
    assert extras["report"][0]["reason"] == "'z.npy' was given."


def test_odd_words_become_text(tmp_path: Path) -> None:
    SCENES["odd words"].save(tmp_path / "x.glb")
    found = Glb(tmp_path / "x.glb").json
    assert found["scenes"][0]["name"] == 'caf? "日本" \0\n'
    assert found["scenes"][0]["extras"]["report"][0]["settings"] == {"a": "inf", "b": 0.5, "c": "d", "e": [1]}


def test_trimesh_reads_the_same(tmp_path: Path) -> None:
    """An independent reader: geometry, texture coordinates (it turns v up), picture and the nodes' places."""
    scene = SCENES["plain"]
    scene.save(tmp_path / "x.glb")
    loaded = trimesh.load(tmp_path / "x.glb", process=False)
    for mesh in scene.meshes:
        matrix, name = loaded.graph[mesh.name]
        assert np.array_equal(matrix, np.eye(4))
        found = loaded.geometry[name]
        assert np.array_equal(found.vertices.astype(np.float32), mesh.vertices * np.float32([1, -1, -1]))
        assert np.array_equal(found.faces, mesh.faces)
        assert np.allclose(found.visual.uv, mesh.uv * [1, -1] + [0, 1])
        texture = np.asarray(found.visual.material.baseColorTexture.convert("RGB"))
        assert texture.shape == scene.photo.rgb.shape
        assert np.abs(texture.astype(int) - scene.photo.rgb).mean() < 3


def _psnr(one: np.ndarray, other: np.ndarray) -> float:
    return 10 * math.log10(255**2 / np.mean((one.astype(float) - other) ** 2))


@pytest.mark.parametrize("name", ["coffee", "astronaut", "chelsea", "rocket", "motorcycle_left"])
def test_the_texture_is_the_photo(name: str, photo_path: PhotoPath, tmp_path: Path) -> None:
    rgb = np.asarray(Image.open(photo_path(name)).convert("RGB"))
    photo = Photo(np.ascontiguousarray(rgb), Camera.assumed(rgb.shape[1], rgb.shape[0]))
    replace(PLAIN, photo=photo).save(tmp_path / "x.glb")
    texture = Image.open(io.BytesIO(Glb(tmp_path / "x.glb").texture()))
    assert texture.format == "JPEG"
    assert not texture.getexif()
    assert _psnr(np.asarray(texture), rgb) >= 38


def test_a_scene_without_a_surface_is_an_error(tmp_path: Path) -> None:
    empty = replace(PLAIN, meshes=(replace(PLAIN.meshes[0], faces=np.zeros((0, 3), np.int32)),))
    for scene in (empty, replace(PLAIN, meshes=())):
        with pytest.raises(InputError, match="no surface"):
            glb.write(scene, tmp_path / "x.glb")
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="There is no folder"):
        PLAIN.save(tmp_path / "new" / "x.glb")
