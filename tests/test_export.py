"""PLY, depth and preview files, and the table of formats; read by other libraries than wrote them."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import plyfile
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diorama import export, photo
from diorama.errors import FormatError, InputError
from diorama.export import depthmap, ply, preview
from diorama.settings import Settings
from diorama.types import Camera, DepthMap, PointCloud
from scenes import layered_scene, same, tiny_photo, tiny_scene

FLIP = np.float32([1, -1, -1])

# ---- the table -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("short_films")
@pytest.mark.parametrize("ending", export.FORMATS)
def test_every_format_is_written(ending: str, tmp_path: Path) -> None:
    for name in (f"photo of a cat{ending}", f"X{ending.upper()}"):
        layered_scene().save(str(tmp_path / name))
        assert (tmp_path / name).stat().st_size > 60
    made = export.FORMATS[ending]
    assert made.several or len(list(tmp_path.iterdir())) == 2
    assert made.label
    assert re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", made.media_type)


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("points.ply", ".points.ply"),
        ("a.points.ply", ".points.ply"),
        ("mesh.ply", ".ply"),
        ("mypoints.ply", ".ply"),
        ("depth.png", ".depth.png"),
        ("cat.coco.json", ".coco.json"),
        ("annotated.png", ".annotated.png"),
        ("A.GLB", ".glb"),
    ],
)
def test_the_longest_ending_wins(name: str, ending: str) -> None:
    assert export.format_of(name) is export.FORMATS[ending]


@pytest.mark.parametrize("name", ["scene", "glb", "scene.objx", "scene.png", "scene.glb.zip", ".glbx"])
def test_an_unknown_ending_lists_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError) as caught:
        tiny_scene().save(tmp_path / name)
    assert name in caught.value.message
    assert all(ending in caught.value.hint for ending in export.FORMATS)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("short_films")
@pytest.mark.parametrize("ending", export.FORMATS)
def test_a_photo_s_private_data_go_no_further(ending: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRETMAKER"
    exif.get_ifd(0x8825)[29] = "SECRETDATE"  # GPS
    file = io.BytesIO()
    Image.fromarray(tiny_photo(24, 16).rgb).save(file, "JPEG", exif=exif, comment="SECRETCOMMENT")
    assert file.getvalue().count(b"SECRET") == 3
    scene = replace(layered_scene(), photo=photo.read(file.getvalue()))
    scene.save(tmp_path / f"x{ending}")
    preview.write_photo_view(scene.photo, tmp_path / "photo.jpg")
    assert not any(b"SECRET" in path.read_bytes() for path in tmp_path.iterdir())


# ---- segments --------------------------------------------------------------------------------------------------


def test_coco_has_each_segment_at_the_photo_s_size(tmp_path: Path) -> None:
    scene = layered_scene(texture=3)
    scene = replace(scene, photo=replace(scene.photo, name="caf\udce9.jpg"))
    scene.save(tmp_path / "x.coco.json")
    found = json.loads((tmp_path / "x.coco.json").read_text(encoding="utf-8"))
    assert found["images"] == [{"id": 1, "file_name": "caf?.jpg", "width": 72, "height": 48}]
    assert [(a["id"], a["name"]) for a in found["annotations"]] == [(1, "Wall"), (2, "Box")]
    x0, y0, x1, y1 = (3 * edge for edge in scene.segments[2].box)
    assert np.abs(np.array(found["annotations"][1]["bbox"]) - (x0, y0, x1 - x0, y1 - y0)).max() <= 2


def test_the_annotated_picture_shows_the_photo(tmp_path: Path) -> None:
    scene = layered_scene(120, 80, texture=2)
    scene.save(tmp_path / "x.annotated.png")
    picture = Image.open(tmp_path / "x.annotated.png")
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (240, 160))
    assert np.abs(np.asarray(picture).astype(int) - scene.photo.rgb).mean() > 5


@pytest.mark.parametrize("ending", [".coco.json", ".annotated.png"])
def test_a_scene_without_segments_has_no_such_file(ending: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no segments") as caught:
        tiny_scene().save(tmp_path / f"x{ending}")
    assert "enhanced" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_segments_tell_which_formats_need_them() -> None:
    assert {ending for ending, made in export.FORMATS.items() if made.needs_segments and made.group != "film"} == {
        ".coco.json",
        ".annotated.png",
        ".quilt.png",
    }
    assert not {name for made in export.PRODUCTS.values() for name in made.options.model_fields} & set(
        Settings.model_fields
    ), "the command has one option of a name"


# ---- PLY -------------------------------------------------------------------------------------------------------


def _columns(vertices: plyfile.PlyElement, *names: str) -> np.ndarray:
    return np.stack([vertices[name] for name in names], axis=-1)


@pytest.mark.parametrize("soft", [False, True])
def test_plyfile_reads_the_mesh(soft: bool, tmp_path: Path) -> None:
    scene = tiny_scene(texture=2, soft=soft, metric=True)
    scene.save(tmp_path / "x.ply")
    found = plyfile.PlyData.read(str(tmp_path / "x.ply"))
    vertices = found["vertex"]
    wall, box = scene.meshes
    assert np.array_equal(_columns(vertices, "x", "y", "z"), np.concatenate([wall.vertices, box.vertices]) * FLIP)
    assert np.array_equal(_columns(vertices, "nx", "ny", "nz"), np.concatenate([wall.normals, box.normals]) * FLIP)
    uv = np.concatenate([wall.uv, box.uv])
    assert np.allclose(_columns(vertices, "s", "t"), uv * [1, -1] + [0, 1])
    faces = np.stack(found["face"]["vertex_indices"])
    assert np.array_equal(faces, np.concatenate([wall.faces, box.faces + len(wall.vertices)]))
    assert "x right, y up, z backward; units: metric" in found.comments
    if soft:
        expected = np.concatenate([np.ones(len(wall.vertices)), box.alpha])
        assert np.abs(vertices["alpha"] / 255 - expected).max() <= 0.5 / 255 + 1e-6
    else:
        assert "alpha" not in vertices.data.dtype.names


def test_a_vertex_has_its_own_side_s_colour(tmp_path: Path) -> None:
    """On a cut between two plain areas no vertex takes the other's colour."""
    scene = tiny_scene(texture=1)
    inside = np.zeros(scene.points.mask.shape, bool)
    rows, columns = np.nonzero(scene.cuts.right)
    inside[rows.min() : rows.max() + 1, columns.min() + 1 : columns.max() + 1] = True
    rgb = np.where(inside[..., None], np.uint8([255, 0, 0]), np.uint8([0, 0, 255]))
    scene = replace(scene, points=replace(scene.points, rgb=rgb))
    scene.save(tmp_path / "x.ply")
    colours = _columns(plyfile.PlyData.read(str(tmp_path / "x.ply"))["vertex"], "red", "green", "blue")
    count = len(scene.meshes[0].vertices)
    assert (colours[:count] == [0, 0, 255]).all()
    assert (colours[count:] == [255, 0, 0]).all()


def test_a_vertex_of_no_face_has_a_colour_too(tmp_path: Path) -> None:
    scene = tiny_scene()
    mesh = replace(scene.meshes[0], faces=scene.meshes[0].faces[:1])
    replace(scene, meshes=(mesh,)).save(tmp_path / "x.ply")
    found = plyfile.PlyData.read(str(tmp_path / "x.ply"))
    assert len(found["vertex"]) == len(mesh.vertices)
    assert found["vertex"]["blue"].min() >= 90


def test_an_enhanced_mesh_has_the_atlas_s_colours(tmp_path: Path) -> None:
    scene = layered_scene(texture=2)
    scene.save(tmp_path / "x.ply")
    found = plyfile.PlyData.read(str(tmp_path / "x.ply"))
    vertices = found["vertex"]
    colours, at = _columns(vertices, "red", "green", "blue"), 0
    for mesh in scene.meshes:
        own = colours[at : at + len(mesh.vertices)]
        assert (own == (0, 0, 250)).all() == mesh.imagined
        opacity = vertices["alpha"][at : at + len(mesh.vertices)]
        expected = 255 if mesh.alpha is None else mesh.alpha * 255
        assert np.abs(opacity - expected).max() <= 0.501
        at += len(mesh.vertices)
    assert at == len(vertices)
    assert len(found["face"]) == sum(len(mesh.faces) for mesh in scene.meshes)


def test_mesh_and_glb_lie_on_each_other(tmp_path: Path) -> None:
    scene = tiny_scene()
    scene.save(tmp_path / "x.ply")
    scene.save(tmp_path / "x.glb")
    one, other = (trimesh.load(tmp_path / f"x.{kind}", process=False) for kind in ("ply", "glb"))
    assert np.allclose(one.bounds, other.bounds)
    assert one.vertices[:, 2].max() < 0  # in front of the camera, which looks along -z


def test_plyfile_reads_the_points(tmp_path: Path) -> None:
    scene = tiny_scene(alpha=True)
    scene.save(tmp_path / "points.ply")
    found = plyfile.PlyData.read(str(tmp_path / "points.ply"))["vertex"]
    points = scene.points
    assert len(found) == len(points) < points.mask.size
    assert np.array_equal(_columns(found, "x", "y", "z"), points.positions[points.mask] * FLIP)
    assert np.array_equal(_columns(found, "red", "green", "blue"), points.rgb[points.mask])
    cloud = trimesh.load(tmp_path / "points.ply")
    assert np.allclose(cloud.vertices, points.positions[points.mask] * FLIP)


@pytest.mark.parametrize("ending", [".ply", ".points.ply"])
def test_nothing_to_write_is_an_error(ending: str, tmp_path: Path) -> None:
    scene = tiny_scene()
    points = replace(scene.points, mask=np.zeros_like(scene.points.mask))
    with pytest.raises(InputError, match="transparent everywhere") as caught:
        replace(scene, points=points, meshes=()).save(tmp_path / f"x{ending}")
    assert "no surface" in caught.value.message or "no points" in caught.value.message


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 4000), st.booleans())
def test_thinned_points_are_an_even_part(width: int, height: int, most: int, alpha: bool) -> None:
    points = tiny_scene(width, height, alpha=alpha).points
    thin = ply.thinned(points, most)
    assert len(thin) <= most
    assert set(thin.z.ravel()) <= set(points.z.ravel())
    # The same view: both pictures span the same rays.
    whole, part = points.camera, thin.camera
    assert np.isclose(whole.cx / whole.width, part.cx / part.width)
    assert np.isclose(whole.fx / whole.width, part.fx / part.width)
    if most >= len(points):
        assert same(thin, points)
    elif min(width, height) > 20 and most > 100:
        assert len(thin) > 0.8 * most


def test_thinned_points_keep_the_look() -> None:
    """Fine patterns become their mean inside a surface; a silhouette's colours stay apart."""
    size = 64
    camera = Camera.assumed(size, size)
    near = np.arange(size) >= size // 2
    z = np.tile(np.where(near, 1.0, 3.0).astype(np.float32), (size, 1))
    grey = np.where(np.indices((size, size)).sum(axis=0) % 2, 255, 0)
    rgb = np.where(near[None, :, None], np.uint8([200, 0, 0]), grey[..., None].astype(np.uint8))
    points = PointCloud(z, np.ascontiguousarray(rgb), np.ones((size, size), bool), camera)
    thin = ply.thinned(points, 32 * 32)
    assert thin.z.shape == (32, 32)
    assert (thin.rgb[:, 17:] == [200, 0, 0]).all()
    assert (np.abs(thin.rgb[:, :14].astype(int) - 127) <= 1).all()


def test_the_page_s_points_are_limited(tmp_path: Path) -> None:
    scene = tiny_scene(60, 40)
    ply.write_points(scene.points, tmp_path / "x.ply", units="metric", max_points=500)
    found = plyfile.PlyData.read(str(tmp_path / "x.ply"))
    assert 400 < len(found["vertex"]) <= 500


# ---- depth -----------------------------------------------------------------------------------------------------


def _depth(inverse: np.ndarray, **more: object) -> DepthMap:
    height, width = inverse.shape
    return DepthMap(inverse.astype(np.float32), "relative", Camera.assumed(width, height), "test", **more)


def test_depth_of_the_photo_s_size_is_written_as_it_is(tmp_path: Path) -> None:
    depth = replace(tiny_scene().depth, valid=np.ones((16, 24), bool))
    for name in ("d.npy", "d.npz", "d.pfm", "d.png"):
        export.write_depth(depth, (24, 16), tmp_path / name)
    assert np.array_equal(np.load(tmp_path / "d.npy"), depth.inverse_depth)
    with np.load(tmp_path / "d.npz") as found:
        assert np.array_equal(found["inverse_depth"], depth.inverse_depth)
        assert np.array_equal(found["sky"], depth.sky)
        assert found["valid"].all()
        assert (found["fx"], found["cy"]) == (depth.camera.fx, depth.camera.cy)
        assert (str(found["scale"]), str(found["model"])) == ("relative", "tiny")
    assert np.array_equal(cv2.imread(str(tmp_path / "d.pfm"), cv2.IMREAD_UNCHANGED), depth.inverse_depth)
    values = cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED)
    assert values.dtype == np.uint16
    picture = Image.open(tmp_path / "d.png")
    assert np.array_equal(np.asarray(picture), values)
    scale = float(picture.text["inverse-depth-scale"])
    assert np.abs(values * scale - depth.inverse_depth).max() <= 0.51 * scale
    assert np.array_equal(values == 0, depth.inverse_depth == 0)
    assert "relative" in picture.text["Description"]


def test_a_png_keeps_the_hardly_visible_from_infinity(tmp_path: Path) -> None:
    depth = replace(_depth(np.array([[0, 1e-7, 50.0]])), scale="metric")
    export.write_depth(depth, (3, 1), tmp_path / "d.png")
    assert np.asarray(Image.open(tmp_path / "d.png")).tolist() == [[0, 1, 65535]]
    assert "its own unit" in Image.open(tmp_path / "d.png").text["Description"]


@pytest.mark.parametrize("ending", depthmap.DEPTH_FORMATS)
def test_a_scene_at_infinity_is_written(ending: str, tmp_path: Path) -> None:
    export.write_depth(_depth(np.zeros((3, 4))), (8, 6), tmp_path / f"d{ending}")
    if ending == ".png":
        assert not np.asarray(Image.open(tmp_path / "d.png")).any()


def test_an_unknown_depth_ending(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"d\.hdr") as caught:
        export.write_depth(tiny_scene().depth, (24, 16), tmp_path / "d.hdr")
    assert ".npz" in caught.value.hint


def test_a_scene_s_depth_has_the_photo_s_size(tmp_path: Path) -> None:
    scene = tiny_scene(texture=3)
    scene.save(tmp_path / "d.npy")
    scene.save(tmp_path / "d.npz")
    assert np.load(tmp_path / "d.npy").shape == (48, 72)
    with np.load(tmp_path / "d.npz") as found:
        assert found["sky"].shape == (48, 72)
        assert np.isclose(found["fx"], scene.photo.camera.fx)


sides = st.integers(1, 40)


@settings(max_examples=150, deadline=None)
@given(sides, sides, sides, sides, st.integers(0, 2**32 - 1))
def test_resampling_invents_nothing_between_surfaces(w: int, h: int, width: int, height: int, seed: int) -> None:
    """Any steps, any sizes: each value is one of the map's own where surfaces meet, the nearest sample's surface."""
    levels = np.float32([0, 0.2, 0.5, 1])
    inverse = np.random.default_rng(seed).choice(levels, (h, w))
    found = depthmap.resized(_depth(inverse), (width, height))
    assert found.inverse_depth.shape == (height, width)
    rows = (2 * np.arange(height) + 1) * h // (2 * height)
    columns = (2 * np.arange(width) + 1) * w // (2 * width)
    assert np.allclose(found.inverse_depth, inverse[np.ix_(rows, columns)], atol=1e-6)
    assert np.array_equal(found.inverse_depth == 0, inverse[np.ix_(rows, columns)] == 0)


def test_resampling_is_linear_on_a_surface() -> None:
    """A slope comes back as the same slope, pixel centres in place, also along a depth edge."""
    y, x = np.mgrid[0:30, 0:40] + 0.5
    slope = 0.3 + x * 0.002 + y * 0.001
    inverse = np.where(x < 20, slope, slope + 0.5)
    found = depthmap.resized(_depth(inverse), (120, 90)).inverse_depth
    y, x = (np.mgrid[0:90, 0:120] + 0.5) / 3
    expected = 0.3 + x * 0.002 + y * 0.001 + np.where(x < 20, 0, 0.5)
    error = np.abs(found - expected)
    assert error[2:-2, 2:-2].max() < 0.002  # beside the edge the slope's last half pixel is level
    assert error[2:-2, 4:56].max() < 1e-6


def test_resampled_masks_and_camera() -> None:
    depth = tiny_scene().depth
    found = depthmap.resized(depth, (48, 32))
    assert np.array_equal(found.sky, depth.sky.repeat(2, axis=0).repeat(2, axis=1))
    assert found.camera == depth.camera.resized(48, 32)
    assert ((found.inverse_depth == 0) == found.sky).all()
    assert depthmap.resized(depth, (24, 16)) is depth


# ---- previews --------------------------------------------------------------------------------------------------


def test_depth_colours_are_bright_near_and_blue_in_the_sky() -> None:
    depth = tiny_scene(48, 32).depth
    rgb = preview.colour_depth(depth).astype(int)
    brightness = rgb.sum(axis=-1)
    box = depth.inverse_depth > 0.8
    wall = ~box & ~depth.sky
    assert brightness[box].min() > brightness[wall].max() + 100
    assert (rgb[depth.sky] == preview.SKY).all()


@pytest.mark.parametrize("depth", [_depth(np.zeros((4, 4))), _depth(np.zeros((1, 1)), sky=np.ones((1, 1), bool))])
def test_flat_depth_has_colours_too(depth: DepthMap) -> None:
    assert preview.colour_depth(depth).shape == (*depth.shape, 3)


def test_depth_preview(tmp_path: Path) -> None:
    preview.write_depth_preview(tiny_scene(300, 200).depth, tmp_path / "depth.jpg", long_side=120)
    picture = Image.open(tmp_path / "depth.jpg")
    assert (picture.format, picture.size) == ("JPEG", (120, 80))


def test_photo_view(tmp_path: Path) -> None:
    preview.write_photo_view(tiny_photo(2400, 120, alpha=True), tmp_path / "photo.jpg")
    picture = Image.open(tmp_path / "photo.jpg")
    assert (picture.format, picture.size) == ("JPEG", (2048, 102))
    pixels = np.asarray(picture).astype(int)
    assert pixels[:, :70].min() > 240  # transparent: white
    # Less metadata than opinion: nothing but the pixels.
    assert not picture.getexif()
    preview.write_photo_view(tiny_photo(60, 40), tmp_path / "small.jpg")
    assert Image.open(tmp_path / "small.jpg").size == (60, 40)
