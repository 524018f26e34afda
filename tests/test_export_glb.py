"""GLB: valid by the Khronos validator, and what independent readers find in it is what the scene holds."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from scenes import final_scene, layered_scene, tiny_scene


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
LAYERED = layered_scene(texture=2)
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
    "layered": LAYERED,
    "final": final_scene(),
    "final, lit": final_scene(lit=True),
    "layered, nothing of the box visible": replace(LAYERED, meshes=(LAYERED.meshes[0], *LAYERED.meshes[2:])),
    "layered, without segments": replace(LAYERED, segments=None),
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
    scene.save(tmp_path / "x.glb", normals=True)
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
    SCENES["plain"].save(tmp_path / "x.glb", normals=True)
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


# ---- final scenes ----------------------------------------------------------------------------------------------


def test_a_final_scene_s_segments_are_grouped_by_kind(tmp_path: Path) -> None:
    final_scene().save(tmp_path / "x.glb")
    nodes = Glb(tmp_path / "x.glb").json["nodes"]
    by_name = {node["name"]: node for node in nodes}
    assert len(by_name) == len(nodes)
    children = {name: [nodes[i]["name"] for i in node.get("children", [])] for name, node in by_name.items()}
    assert children["diorama"] == ["Objects", "Walls", "Backdrop", "photo camera"]
    assert children["Objects"] == ["Box"]
    assert children["Walls"] == ["Wall"]
    assert children["Box"] == ["Box, rim", "Box, back"]
    assert by_name["Box, back"]["extras"] == {"part": "back", "segment": 2}
    assert by_name["Objects"]["extras"] == {"group": "object"}


def test_lit_materials_have_the_advised_factors(tmp_path: Path) -> None:
    final_scene(lit=True).save(tmp_path / "x.glb")
    found = Glb(tmp_path / "x.glb").json
    assert "extensionsUsed" not in found
    used = {}
    for node in found["nodes"]:
        if "mesh" in node:
            material = found["materials"][found["meshes"][node["mesh"]]["primitives"][0]["material"]]
            factors = material["pbrMetallicRoughness"]
            used[node["name"]] = (material["name"], factors["roughnessFactor"], factors["metallicFactor"])
            assert "extensions" not in material
    assert used["Box"] == used["Box, back"] == ("brass", 0.25, 1)
    assert used["Box, rim"] == ("brass, soft rims", 0.25, 1)
    assert used["Wall"] == ("photo", 0.9, 0)


def test_declined_materials_are_not_used(tmp_path: Path) -> None:
    scene = final_scene(lit=True)
    declined = "segments.2.metallic, segments.2.material"
    replace(scene, settings=scene.settings.changed(declined=declined)).save(tmp_path / "x.glb")
    assert {m["name"] for m in Glb(tmp_path / "x.glb").json["materials"]} == {"photo", "photo, soft rims"}


def test_extras_hold_advice_and_outcomes(tmp_path: Path) -> None:
    scene = final_scene()
    scene.save(tmp_path / "x.glb")
    extras = Glb(tmp_path / "x.glb").json["scenes"][0]["extras"]
    assert extras["step"] == "final"
    assert extras["advice"]["caption"]["value"] == "A box"
    assert extras["plan"]["texture"][0]["action"] == "denoise"
    assert extras["tuning"]["fov"] == 50
    assert extras["outcomes"] == [outcome.model_dump() for outcome in scene.outcomes]


# ---- enhanced scenes -------------------------------------------------------------------------------------------


def _nodes(path: Path) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in Glb(path).json["nodes"]}


def test_a_segment_s_parts_hang_on_its_node(tmp_path: Path) -> None:
    LAYERED.save(tmp_path / "x.glb")
    found = Glb(tmp_path / "x.glb").json
    nodes = found["nodes"]

    def names(of: dict[str, Any]) -> list[str]:
        return [nodes[child]["name"] for child in of.get("children", [])]

    by_name = {node["name"]: node for node in nodes}
    assert len(by_name) == len(nodes)  # else Blender numbers them
    assert names(by_name["diorama"]) == ["Wall", "Box", "Backdrop", "photo camera"]
    assert names(by_name["Wall"]) == ["Wall, imagined"]
    assert names(by_name["Box"]) == ["Box, rim"]
    extras = {name: node["extras"] for name, node in by_name.items() if "extras" in node}
    assert extras == {
        "Wall": {"part": "visible", "segment": 1},
        "Wall, imagined": {"part": "imagined", "segment": 1},
        "Box": {"part": "visible", "segment": 2},
        "Box, rim": {"part": "rim", "segment": 2},
        "Backdrop": {"part": "imagined"},
    }


def test_a_segment_of_which_nothing_is_visible_has_a_node(tmp_path: Path) -> None:
    SCENES["layered, nothing of the box visible"].save(tmp_path / "x.glb")
    nodes = _nodes(tmp_path / "x.glb")
    assert "mesh" not in nodes["Box"]
    assert len(nodes["Box"]["children"]) == 1


def test_meshes_of_one_part_are_joined(tmp_path: Path) -> None:
    LAYERED.save(tmp_path / "x.glb")
    found = Glb(tmp_path / "x.glb")
    number = _nodes(tmp_path / "x.glb")["Wall, imagined"]["mesh"]
    one, other = (mesh for mesh in LAYERED.meshes if mesh.name == "Wall, imagined")
    positions = found.attribute(number, "POSITION") * np.float32([1, -1, -1])
    corners = [mesh.vertices[mesh.faces] for mesh in (one, other)]
    assert np.array_equal(positions[found.faces(number)], np.concatenate(corners))
    uv = found.attribute(number, "TEXCOORD_0")[found.faces(number)]
    assert np.array_equal(uv, np.concatenate([mesh.uv[mesh.faces] for mesh in (one, other)]))


def test_soft_rims_blend_over_the_atlas(tmp_path: Path) -> None:
    LAYERED.save(tmp_path / "x.glb")
    found = Glb(tmp_path / "x.glb")
    picture = np.asarray(Image.open(io.BytesIO(found.texture())))
    assert picture.shape == LAYERED.atlas.shape
    assert picture[:, 50:, 2].min() > 240  # what is imagined is blue
    assert len(found.json["images"]) == 1
    modes = {}
    for node in found.json["nodes"]:
        if "mesh" in node:
            primitive = found.json["meshes"][node["mesh"]]["primitives"][0]
            material = found.json["materials"][primitive["material"]]
            assert material["extensions"] == {"KHR_materials_unlit": {}}
            modes[node["name"]] = material.get("alphaMode"), "COLOR_0" in primitive["attributes"]
    soft = {name for name, found in modes.items() if found == ("BLEND", True)}
    assert soft == {"Box, rim"}
    assert all(found == (None, False) for name, found in modes.items() if name not in soft)


def test_joined_rims_keep_their_opacity(tmp_path: Path) -> None:
    rim = LAYERED.meshes[4]
    other = replace(rim, alpha=np.ascontiguousarray(rim.alpha[::-1]), imagined=True)
    replace(LAYERED, meshes=(*LAYERED.meshes, other)).save(tmp_path / "x.glb")
    alpha = Glb(tmp_path / "x.glb").attribute(_nodes(tmp_path / "x.glb")["Box, rim"]["mesh"], "COLOR_0")[:, 3]
    assert np.abs(alpha / 255 - np.concatenate([rim.alpha, other.alpha])).max() <= 0.5 / 255 + 1e-6


def test_extras_name_the_segments_and_what_was_imagined(tmp_path: Path) -> None:
    LAYERED.save(tmp_path / "x.glb")
    extras = Glb(tmp_path / "x.glb").json["scenes"][0]["extras"]
    assert extras["step"] == "enhanced"
    assert extras["imagined_area"] == pytest.approx(LAYERED.imagined, abs=1e-6)
    assert [part["stage"] for part in extras["report"]][-2:] == ["segments", "layers"]
    wall, box = extras["segments"]
    assert (wall["name"], wall["kind"], wall["in_front_of"]) == ("Wall", "wall", [])
    # In pixels of the photo, which is twice as large as the labels.
    x0, y0, x1, y1 = LAYERED.segments[2].box
    assert box == {
        "id": 2, "name": "Box", "kind": "object", "box": [2 * x0, 2 * y0, 2 * x1, 2 * y1], "near": 0.5, "far": 2.0,
        "in_front_of": [1],
    }  # fmt: skip
    PLAIN.save(tmp_path / "y.glb")
    assert not {"segments", "imagined_area"} & set(Glb(tmp_path / "y.glb").json["scenes"][0]["extras"])


def test_trimesh_reads_an_enhanced_scene(tmp_path: Path) -> None:
    LAYERED.save(tmp_path / "x.glb")
    loaded = trimesh.load(tmp_path / "x.glb", process=False)
    assert {"Wall", "Wall, imagined", "Box", "Box, rim", "Backdrop"} <= set(loaded.graph.nodes)
    assert loaded.graph.transforms.parents["Box, rim"] == "Box"
    assert sum(len(mesh.faces) for mesh in loaded.geometry.values()) == sum(len(m.faces) for m in LAYERED.meshes)
    low, high = np.split(loaded.bounds.reshape(-1), 2)
    whole = np.concatenate([mesh.vertices for mesh in LAYERED.meshes]) * [1, -1, -1]
    assert np.allclose([low, high], [whole.min(axis=0), whole.max(axis=0)])


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
