"""What the page on Blender says is what Blender's importer (io_scene_gltf2) finds in a GLB.

Blender itself is under the GPL and large, so the file is looked at as its importer reads it: nodes become objects,
named after their node and parented as in the file, `extras` of numbers and words become custom properties, a camera
gets its vertical angle from `yfov` with the sensor fitted vertically, and an extension that it doesn't know stops the
import where it is required.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from docs_blocks import ROOT
from gltf import Glb
from scenes import final_scene

BLENDER_KNOWS = {
    "KHR_materials_pbrSpecularGlossiness", "KHR_lights_punctual", "KHR_materials_unlit", "KHR_texture_transform",
    "KHR_materials_clearcoat", "KHR_mesh_quantization", "EXT_mesh_gpu_instancing", "KHR_draco_mesh_compression",
    "KHR_materials_variants", "KHR_materials_emissive_strength", "KHR_materials_transmission", "KHR_materials_specular",
    "KHR_materials_sheen", "KHR_materials_ior", "KHR_animation_pointer", "KHR_materials_volume", "EXT_texture_webp",
    "KHR_materials_anisotropy",
}  # fmt: skip
"""`extensions_managed` of the importer (gltf2_io_gltf.py)."""

PAGE = (ROOT / "docs/how-to/blender.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def gltf(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path: Path = tmp_path_factory.mktemp("blender") / "photo.glb"
    final_scene(30, 20, texture=4).save(path)
    return Glb(path).json


def test_no_extension_is_needed_and_those_used_are_known_to_blender(gltf: dict[str, Any]) -> None:
    assert "extensionsRequired" not in gltf
    assert set(gltf.get("extensionsUsed", [])) <= BLENDER_KNOWS


def test_the_camera_is_the_photos(gltf: dict[str, Any]) -> None:
    node = next(node for node in gltf["nodes"] if "camera" in node)
    assert node["name"] == "photo camera"
    assert f'"{node["name"]}"' in PAGE
    assert not {"matrix", "translation", "rotation", "scale"} & set(node), "it stands at the origin, as the page says"
    lens, extras = gltf["cameras"][node["camera"]]["perspective"], gltf["scenes"][0]["extras"]
    assert lens["yfov"] == pytest.approx(2 * math.atan(extras["height"] / 2 / extras["fy"]))
    assert lens["aspectRatio"] == pytest.approx(extras["width"] / extras["height"])
    assert lens["znear"] > 0


def test_things_are_named_once_and_carry_what_was_imagined_of_them(gltf: dict[str, Any]) -> None:
    nodes = gltf["nodes"]
    names = [node["name"] for node in nodes]
    assert len(set(names)) == len(names), "Blender would call the second one `.001`"
    parents = {child: node for node in nodes for child in node.get("children", [])}
    assert len(parents) == sum(len(node.get("children", [])) for node in nodes), "one parent each"
    for number, node in enumerate(nodes):
        part = node.get("extras", {}).get("part")
        if part in ("imagined", "rim", "back") and "segment" in node["extras"]:
            assert node["name"] == f"{parents[number]['name']}, {part}"
            assert parents[number]["extras"]["segment"] == node["extras"]["segment"]
    groups = [node for node in nodes if "group" in node.get("extras", {})]
    assert groups
    assert all("mesh" not in group and group["children"] for group in groups)


def test_custom_properties_are_numbers_and_words(gltf: dict[str, Any]) -> None:
    for node in gltf["nodes"]:
        for name, value in node.get("extras", {}).items():
            assert isinstance(value, (int, float, str)), name
    for name in ("segment", "part", "group"):
        assert name in PAGE
    assert {"width", "height"} <= set(gltf["scenes"][0]["extras"])


def test_lengths_stay(gltf: dict[str, Any]) -> None:
    assert all("scale" not in node and "matrix" not in node for node in gltf["nodes"])
    assert gltf["scenes"][0]["extras"]["units"] in ("relative", "metric")
