"""Packed GLB, .gltf, STL, USDZ and splats, read again by other programs than wrote them."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import DracoPy
import numpy as np
import OpenEXR
import plyfile
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pxr import Usd, UsdGeom, UsdShade, UsdValidation

import tools
from diorama.errors import FormatError, InputError
from diorama.export import packing, splats
from diorama.export.clusters import border_places, clustered
from diorama.export.reduce import Detail, reduced
from diorama.products import PRODUCTS
from diorama.types import Scene
from gltf import Glb, assert_valid, validate
from scenes import final_scene, layered_scene, tiny_scene

FLIP = np.float32([1, -1, -1])
FINAL = final_scene(48, 32, texture=4)


@pytest.fixture(scope="module")
def splatter() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "splatter.py"
    spec = importlib.util.spec_from_file_location("benchmark_splatter", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def corners(scene: Scene) -> np.ndarray:
    """Every triangle's corners in glTF's axes, sorted, so that the order in a file doesn't matter."""
    found = np.concatenate([mesh.vertices[mesh.faces] * FLIP for mesh in scene.meshes]).reshape(-1, 9)
    return found[np.lexsort(found.round(4).T)]


# ---- glTF ------------------------------------------------------------------------------------------------------------


def test_quantised_positions_are_where_they_were(tmp_path: Path) -> None:
    path = tmp_path / "x.glb"
    (said,) = FINAL.save(path, quantize=True, normals=True)
    assert "pixels of the photo" in said
    assert_valid(path)
    loaded = trimesh.load(path, process=False)
    size = np.ptp(np.concatenate([mesh.vertices for mesh in FINAL.meshes]), axis=0).max()
    found = np.concatenate([one.triangles for one in loaded.dump()]).reshape(-1, 9)
    assert len(found) == len(corners(FINAL))
    low, high = found.reshape(-1, 3).min(axis=0), found.reshape(-1, 3).max(axis=0)
    wanted = corners(FINAL).reshape(-1, 3)
    np.testing.assert_allclose([low, high], [wanted.min(axis=0), wanted.max(axis=0)], atol=size / 65535)
    assert path.stat().st_size < _plain(tmp_path, normals=True)


def _plain(folder: Path, **options: bool) -> int:
    FINAL.save(folder / "plain.glb", **options)
    return (folder / "plain.glb").stat().st_size


def test_quantised_normals_come_out_right(tmp_path: Path) -> None:
    """A node's uneven scale turns normals by its inverse transpose."""
    scene = tiny_scene()
    slanted = np.array([0.6, 0, -0.8], np.float32)
    meshes = tuple(replace(mesh, normals=np.tile(slanted, (len(mesh.normals), 1))) for mesh in scene.meshes)
    replace(scene, meshes=meshes).save(tmp_path / "x.glb", quantize=True, normals=True)
    found = Glb(tmp_path / "x.glb")
    for node in found.json["nodes"]:
        if "mesh" in node:
            turned = found.attribute(node["mesh"], "NORMAL") / np.asarray(node["scale"], np.float64)
            turned /= np.linalg.norm(turned, axis=1, keepdims=True)
            assert np.abs(turned - slanted * FLIP).max() < 0.1


def test_reprojection_error_is_the_one_that_is_seen() -> None:
    rng = np.random.default_rng(0)
    points = (rng.uniform(-1, 1, (500, 3)) * [2, 1, 3] - [0, 0, 4]).astype(np.float32)
    made = packing.quantisation(points)
    steps = np.rint((points - made.translation) / made.scale)
    back = steps * made.scale + made.translation
    seen = np.hypot(*(700 * (points[:, :2] / points[:, 2:] - back[:, :2] / back[:, 2:])).T)
    bound = packing.reprojection_error(points, 700, made)
    assert seen.max() <= bound * 1.01
    assert bound < 5 * seen.max()


def test_draco_keeps_every_vertex_in_its_pixel(tmp_path: Path) -> None:
    path = tmp_path / "x.glb"
    FINAL.save(path, draco=True, normals=True)
    assert validate(path)[0]["issues"]["numErrors"] == 0  # it doesn't look into what Draco packed
    found = Glb(path)
    assert found.json["extensionsRequired"] == ["KHR_draco_mesh_compression"]
    wanted = np.concatenate([mesh.vertices * FLIP for mesh in FINAL.meshes])
    seen = []
    for mesh in found.json["meshes"]:
        (primitive,) = mesh["primitives"]
        extension = primitive["extensions"]["KHR_draco_mesh_compression"]
        decoded = DracoPy.decode(found.view(extension["bufferView"]))
        accessors = {name: found.json["accessors"][i] for name, i in primitive["attributes"].items()}
        assert accessors["POSITION"]["count"] == len(decoded.points)
        assert found.json["accessors"][primitive["indices"]]["count"] == 3 * len(decoded.faces)
        kinds = {attribute["unique_id"]: attribute["attribute_type"] for attribute in decoded.attributes}
        names = {0: "POSITION", 1: "NORMAL", 2: "COLOR_0", 3: "TEXCOORD_0"}
        assert {name: names[kinds[i]] for name, i in extension["attributes"].items()} == {n: n for n in accessors}
        seen.append(np.asarray(decoded.points))
    from scipy.spatial import cKDTree

    points = np.concatenate(seen)
    near = wanted[cKDTree(wanted).query(points)[1]]
    focal = FINAL.camera.fx
    moved = focal * np.hypot(*(points[:, :2] / points[:, 2:] - near[:, :2] / near[:, 2:]).T)
    assert moved.max() <= packing.DRACO_PX


@pytest.mark.parametrize(("extra", "module"), [("draco", "DracoPy"), ("meshopt", "meshopt")])
def test_packing_without_its_package_names_the_command(
    extra: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else real(name))
    with pytest.raises(FormatError) as caught:
        FINAL.save(tmp_path / "x.glb", **{extra: True})
    assert f"pip install 'diorama-3d[{extra}]'" in caught.value.hint


def test_meshopt_keeps_what_quantising_keeps(tmp_path: Path) -> None:
    """Unpacked by meshoptimizer's own JavaScript, every triangle is where the quantised file has it."""
    tools.need("meshoptimizer")
    path = tmp_path / "x.glb"
    (said,) = FINAL.save(path, meshopt=True, normals=True)
    assert "pixels of the photo" in said
    report = validate(path)[0]["issues"]
    assert report["numErrors"] == report["numWarnings"] == 0
    found = Glb(path)
    assert found.json["extensionsRequired"] == ["KHR_mesh_quantization", "EXT_meshopt_compression"]
    command = [str(tools.need("node")), str(tools.NODE_FOLDER / "unpack.mjs"), str(path)]
    unpacked = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout)

    def values(index: int, kind: str) -> np.ndarray:
        accessor = found.json["accessors"][index]
        stored = np.frombuffer(base64.b64decode(unpacked[accessor["bufferView"]]), kind)
        return stored.reshape(accessor["count"], -1)

    triangles, directions, atlas = [], [], []
    for node in found.json["nodes"]:
        if "mesh" not in node:
            continue
        (primitive,) = found.json["meshes"][node["mesh"]]["primitives"]
        places = values(primitive["attributes"]["POSITION"], "<u2")[:, :3] * node["scale"] + node["translation"]
        wide = found.json["accessors"][primitive["indices"]]["componentType"] == 5125
        faces = values(primitive["indices"], "<u4" if wide else "<u2").reshape(-1, 3)
        assert faces.max() == len(places) - 1
        normals = values(primitive["attributes"]["NORMAL"], "i1")[:, :3] / np.asarray(node["scale"])
        directions.append((normals / np.linalg.norm(normals, axis=1, keepdims=True))[faces].reshape(-1, 9))
        atlas.append((values(primitive["attributes"]["TEXCOORD_0"], "<u2") / 65535)[faces].reshape(-1, 6))
        triangles.append(places[faces].reshape(-1, 9))
    # Each corner's place, texture coordinates and normal together are those of a corner of the scene.
    from scipy.spatial import cKDTree

    scene = [(mesh.vertices * FLIP, mesh.uv, mesh.normals * FLIP) for mesh in FINAL.meshes if len(mesh.faces)]
    known = np.concatenate([np.concatenate([place, uv * 10], axis=1) for place, uv, _ in scene])
    facing = np.concatenate([normal for _, _, normal in scene])
    seen = np.concatenate([np.concatenate(triangles).reshape(-1, 3), np.concatenate(atlas).reshape(-1, 2) * 10], axis=1)
    distance, at = cKDTree(known).query(seen)
    size = np.ptp(known[:, :3], axis=0).max()
    assert distance.max() < 3 * size / 65535
    cosines = np.sum(facing[at] * np.concatenate(directions).reshape(-1, 3), axis=1)
    assert np.quantile(cosines, 0.05) > 0.98  # vertices that lie on each other may face different ways
    assert sum(map(len, triangles)) == len(corners(FINAL))
    FINAL.save(tmp_path / "quantised.glb", quantize=True, normals=True)
    assert path.stat().st_size < (tmp_path / "quantised.glb").stat().st_size


def test_a_mesh_is_packed_once(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="by Draco or by meshoptimizer"):
        FINAL.save(tmp_path / "x.glb", draco=True, meshopt=True)


def test_gltf_with_its_files_and_zipped(tmp_path: Path) -> None:
    FINAL.save(tmp_path / "my scene.gltf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my scene.gltf", "my_scene.bin", "my_scene.jpg"]
    FINAL.save(tmp_path / "x.gltf.zip", quantize=True)
    with zipfile.ZipFile(tmp_path / "x.gltf.zip") as archive:
        archive.extractall(tmp_path / "out")
    for path in (tmp_path / "my scene.gltf", tmp_path / "out" / "x.gltf"):
        loaded = trimesh.load(path, process=False)
        assert sum(len(one.faces) for one in loaded.dump()) == len(corners(FINAL))


def test_a_budget_is_met_and_what_was_done_is_said(tmp_path: Path) -> None:
    scene = layered_scene(96, 64, texture=4)
    scene.save(tmp_path / "all.glb")
    whole = (tmp_path / "all.glb").stat().st_size
    assert whole > 200_000
    (said,) = scene.save(tmp_path / "same.glb", max_mb=whole / 1e6 + 0.1)
    assert "as it is" in said
    (said,) = scene.save(tmp_path / "small.glb", max_mb=0.1)
    assert (tmp_path / "small.glb").stat().st_size <= 100_000
    assert float(said.partition("; ")[2].partition(" dB from the photo's camera")[0]) > 20
    assert "JPEG quality" in said
    assert_valid(tmp_path / "small.glb")
    with pytest.raises(InputError, match=r"as small as 0\.05 MB"):
        replace(scene, report=scene.report * 500).save(tmp_path / "never.glb", max_mb=0.05)


def test_reducing_keeps_texture_and_depth_where_they_were() -> None:
    scene = tiny_scene(96, 64)
    # One surface: neighbouring pixels share their corners.
    small = reduced(scene, Detail(0, 0.3), Detail(0, 0.3))
    for before, after in zip(scene.meshes, small.meshes, strict=True):
        assert len(after.faces) <= len(before.faces)
        camera = scene.camera
        x, y, z = after.vertices.T
        uv = np.stack([(camera.fx * x / z + camera.cx) / camera.width, (camera.fy * y / z + camera.cy) / camera.height])
        assert np.abs(uv.T - after.uv).max() < 0.002
        assert before.vertices[:, 2].min() - 1e-3 <= z.min() <= z.max() <= before.vertices[:, 2].max() + 1e-3


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.7, 2.0, 3.3, 5.0]))
def test_clustered_surfaces_leave_no_gap_between_them(seed: int, size: float) -> None:
    """A grid of 16 x 16 pixels, any of which belong to one of two surfaces at different depths."""
    rng = np.random.default_rng(seed)
    side = 16
    number = np.arange((side + 1) ** 2).reshape(side + 1, side + 1)
    first = rng.random((side, side)) < 0.5
    surfaces = []
    for depth, own in ((1.0, first), (9.0, ~first)):
        a, b, c, d = (corner[own] for corner in (number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]))
        faces = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
        kept, inverse = np.unique(faces, return_inverse=True)
        places = np.stack([kept % (side + 1), kept // (side + 1), np.full(len(kept), depth)], axis=1)
        surfaces.append((places.astype(np.float32), inverse.reshape(-1, 3).astype(np.int32)))
    borders = border_places(surfaces, size)
    corners = []
    for vertices, faces in surfaces:
        found, kept = clustered(vertices, faces, size, borders)
        assert len(found) < len(vertices) or not len(vertices)
        corners.append(found[kept][..., :2].astype(float))
    triangles = np.concatenate(corners)
    points = rng.uniform(size, side - size, (200, 2))  # the frame itself becomes coarser
    edge = np.roll(triangles, -1, axis=1) - triangles
    away = points[:, None, None] - triangles
    sides = edge[..., 0] * away[..., 1] - edge[..., 1] * away[..., 0]
    covered = ((sides >= -1e-4).all(axis=-1) | (sides <= 1e-4).all(axis=-1)).any(axis=-1)
    assert covered.all()


# ---- STL -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("stl", {"width": 90}, (90, None, None)),
        ("relief.stl", {}, (120, 8 + 112 * 32 / 48, 10)),
        ("relief.stl", {"frame": 0, "width": 60, "base": 1, "relief": 3, "grain": 1}, (60, 40, 4)),
    ],
)
@pytest.mark.parametrize("alpha", [False, True])
def test_prints_are_watertight_and_as_large_as_they_should(
    name: str, options: dict[str, float], size: tuple[float | None, ...], alpha: bool, tmp_path: Path
) -> None:
    scene = tiny_scene(48, 32, alpha=alpha)
    path = tmp_path / f"x.{name}"
    (said,) = scene.save(path, **options)
    assert "mm" in said
    mesh = trimesh.load(path)
    assert isinstance(mesh, trimesh.Trimesh)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0, "normals look outwards"
    np.testing.assert_allclose(mesh.bounds[0], 0, atol=1e-4)
    for extent, wanted in zip(mesh.extents, size, strict=True):
        assert wanted is None or extent == pytest.approx(wanted, abs=1e-3)


def test_near_parts_of_a_relief_stand_out(tmp_path: Path) -> None:
    scene = tiny_scene(48, 32)
    scene.save(tmp_path / "x.relief.stl", frame=0, width=48, grain=1, base=2, relief=5)
    mesh = trimesh.load(tmp_path / "x.relief.stl")
    assert isinstance(mesh, trimesh.Trimesh)
    top = mesh.vertices[mesh.vertices[:, 2] > 0]
    box = top[(np.abs(top[:, 0] - 24) < 4) & (np.abs(top[:, 1] - 14.7) < 4)]
    sky = top[top[:, 1] > 28]
    assert box[:, 2].min() > 6
    assert sky[:, 2].max() < 3
    with pytest.raises(InputError, match="no room"):
        scene.save(tmp_path / "x.relief.stl", frame=60)
    with pytest.raises(InputError, match="too fine"):
        scene.save(tmp_path / "x.relief.stl", width=1000, grain=0.05)


# ---- USDZ ------------------------------------------------------------------------------------------------------------


def test_usdz_is_what_quick_look_wants(tmp_path: Path) -> None:
    path = tmp_path / "x.usdz"
    said = FINAL.save(path, metres=0.5)
    assert said[0] == "0.5 m wide."
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        assert [info.filename.rpartition(".")[2] for info in infos] == ["usdc", "jpg"]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in infos)
    stage = Usd.Stage.Open(str(path))
    context = UsdValidation.ValidationContext(UsdValidation.ValidationRegistry().GetOrLoadAllValidators())
    assert not [error.GetMessage() for error in context.Validate(stage)]
    assert UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.y
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    cache = UsdGeom.BBoxCache(Usd.TimeCode.Default(), [UsdGeom.Tokens.default_])
    box = cache.ComputeWorldBound(stage.GetDefaultPrim()).ComputeAlignedRange()
    assert box.GetSize()[0] == pytest.approx(0.5, rel=1e-5)
    assert box.GetMin()[1] == pytest.approx(0, abs=1e-6)
    meshes = [UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)]
    hard = replace(FINAL, meshes=tuple(mesh for mesh in FINAL.meshes if mesh.alpha is None))
    found = np.concatenate(
        [
            np.asarray(mesh.GetPointsAttr().Get())[np.asarray(mesh.GetFaceVertexIndicesAttr().Get())].reshape(-1, 9)
            for mesh in meshes
        ]
    )
    assert np.array_equal(found[np.lexsort(found.round(4).T)], corners(hard))
    for mesh in meshes:
        material, _ = UsdShade.MaterialBindingAPI(mesh.GetPrim()).ComputeBoundMaterial()
        assert material.ComputeSurfaceSource()[0].GetIdAttr().Get() == "UsdPreviewSurface"
    metric = tiny_scene(metric=True)
    (wide,) = metric.save(tmp_path / "m.usdz")
    vertices = np.concatenate([mesh.vertices for mesh in metric.meshes])
    assert wide == f"{np.ptp(vertices[:, 0]):.2g} m wide."


# ---- splats ----------------------------------------------------------------------------------------------------------


def test_splats_draw_the_photo(splatter: ModuleType, tmp_path: Path) -> None:
    scene = layered_scene(96, 64)
    path = tmp_path / "x.splat.ply"
    scene.save(path, detail=96)
    properties = plyfile.PlyData.read(str(path))["vertex"].properties
    names = "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
    assert [one.name for one in properties] == names.split()
    assert {one.val_dtype for one in properties} == {"f4"}
    seen = splatter.draw(splatter.read(path), scene.camera).astype(float)
    inner = np.s_[2:-2, 2:-2]  # beyond the frame there is nothing to blend with
    error = np.mean((seen[inner] - scene.photo.rgb[inner]) ** 2)
    assert 10 * np.log10(255**2 / error) > 28


def test_discs_lie_on_their_surface() -> None:
    """A slanted plane: every disc's thin axis is the plane's normal, and its footprint a pixel."""
    from diorama.types import Camera

    camera = Camera(100, 100, 32, 32, 64, 64, "user")
    column = (np.arange(64) + 0.5 - 32) / 100
    z = np.broadcast_to(1 / (0.5 + 0.3 * column), (64, 64)).astype(np.float32)
    colours = np.zeros((64, 64, 3), np.float32)
    there = np.ones((64, 64), bool)
    made = splats._discs(z, colours, np.ones((64, 64), np.float32), there, camera)
    normal = np.array([-0.3, 0, -0.5]) / np.hypot(0.3, 0.5)
    w, x, y, v = made.rotations.T.astype(float)
    thin = np.stack([2 * (x * v + w * y), 2 * (y * v - w * x), 1 - 2 * (x * x + y * y)], axis=1)
    assert np.abs(np.abs(thin @ normal) - 1).max() < 1e-3
    assert np.abs(made.normals @ normal - 1).max() < 1e-3
    # Across the slant the footprint is a pixel wide at its distance.
    across = made.means[:, 2] / 100 * splats.SIGMA_PX
    np.testing.assert_allclose(made.scales[:, 1], across, rtol=0.1)
    assert (made.scales[:, 0] > made.scales[:, 1]).all()
    np.testing.assert_allclose(np.linalg.norm(made.rotations, axis=1), 1, atol=1e-5)


# ---- maps and pictures -----------------------------------------------------------------------------------------------


def test_maps_as_exr_and_png_say_the_same(tmp_path: Path) -> None:
    scene = tiny_scene(alpha=True)
    for name in ("normals.exr", "normals.png", "mask.exr", "mask.png"):
        scene.save(tmp_path / name)

    def channels(name: str) -> dict[str, np.ndarray]:
        found = OpenEXR.File(str(tmp_path / name), separate_channels=True).channels()
        return {channel: values.pixels for channel, values in found.items()}

    found = channels("normals.exr")
    normals = np.stack([found[f"N.{name}"] for name in "XYZ"], axis=2)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=2), 1, atol=1e-5)
    picture = np.asarray(Image.open(tmp_path / "normals.png"), float) / 127.5 - 1
    assert np.abs(picture - normals).max() < 0.01
    surface = scene.points.mask & ~scene.depth.sky
    assert np.array_equal(channels("mask.exr")["A"] == 1, surface)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "mask.png")) == 255, surface)


def test_the_photo_stands_beside_its_depth(tmp_path: Path) -> None:
    scene = tiny_scene(texture=2)
    scene.save(tmp_path / "x.rgbd.png")
    both = np.asarray(Image.open(tmp_path / "x.rgbd.png"))
    height, width = scene.photo.rgb.shape[:2]
    assert both.shape == (height, 2 * width, 3)
    assert np.array_equal(both[:, :width], scene.photo.rgb)
    depth = both[:, width:, 0]
    assert depth[height // 2, width // 2] > 2 * depth[height // 2, 2] > 0
    assert depth[0, 0] == 0


def test_a_quilt_goes_from_left_to_right(tmp_path: Path) -> None:
    scene = layered_scene(96, 64)
    said = scene.save(tmp_path / "x.quilt.png", columns=3, rows=2, tile_width=36)
    assert "_qs3x2a0.75.png" in said[1]
    assert len(said) == 2 or "shows nothing" in said[2]  # the little scene has gaps of its own
    quilt = np.asarray(Image.open(tmp_path / "x.quilt.png"))
    assert quilt.shape == (2 * 48, 3 * 36, 3)
    views = [quilt[48 * (1 - n // 3) : 48 * (2 - n // 3), 36 * (n % 3) : 36 * (n % 3 + 1)] for n in range(6)]
    assert not np.array_equal(views[0], views[-1])
    near = PRODUCTS["quilt.png"]
    assert near.named("cup", near.parse({})) == "cup_qs8x6a0.75.png"
