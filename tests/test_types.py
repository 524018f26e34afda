"""The records: wrong shapes and dtypes are refused when a record is made; cameras and grids obey their laws."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diorama.settings import Settings
from diorama.types import Camera, Cuts, DepthMap, Mesh, Photo, PointCloud, Scene, StageReport

SIDES = st.integers(1, 5000)
FOCALS = st.floats(10, 20_000)


@st.composite
def cameras(draw: st.DrawFn, sides: st.SearchStrategy[int] = SIDES) -> Camera:
    width, height = draw(sides), draw(sides)
    return Camera(
        draw(FOCALS), draw(FOCALS), draw(st.floats(0, width)), draw(st.floats(0, height)), width, height, "user"
    )


def _camera(width: int = 4, height: int = 3) -> Camera:
    return Camera.from_focal(5.0, width, height, "user")


def _triangle(**changes: Any) -> Mesh:
    fields: dict[str, Any] = {
        "vertices": np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1]], np.float32),
        "faces": np.array([[0, 1, 2]], np.int32),
        "uv": np.zeros((3, 2), np.float32),
        "normals": np.tile(np.array([0, 0, -1], np.float32), (3, 1)),
    }
    return Mesh(**{**fields, **changes})


# ---- cameras -----------------------------------------------------------------------------------------------------


@given(cameras(), SIDES, SIDES)
def test_resizing_keeps_what_the_camera_sees(camera: Camera, width: int, height: int) -> None:
    resized = camera.resized(width, height)
    assert (resized.width, resized.height, resized.source) == (width, height, camera.source)
    assert resized.fov_x == pytest.approx(camera.fov_x, abs=1e-6)
    # The ray through the picture's corner and the one through any share of the picture stay the same.
    for share in (0.0, 0.3, 1.0):
        before = (share * camera.height - camera.cy) / camera.fy
        assert (share * height - resized.cy) / resized.fy == pytest.approx(before, abs=1e-9, rel=1e-9)


@given(cameras(), SIDES, SIDES)
def test_resizing_there_and_back_is_the_identity(camera: Camera, width: int, height: int) -> None:
    again = camera.resized(width, height).resized(camera.width, camera.height)
    assert dataclasses.astuple(again)[:4] == pytest.approx(dataclasses.astuple(camera)[:4], rel=1e-9, abs=1e-9)


@given(st.floats(1, 170), SIDES, SIDES)
def test_a_field_of_view_comes_back(degrees: float, width: int, height: int) -> None:
    camera = Camera.from_fov(degrees, width, height, "user")
    assert camera.fov_x == pytest.approx(degrees, rel=1e-9)
    assert camera.diagonal == pytest.approx(math.hypot(width, height))


@given(SIDES, SIDES)
def test_turning_a_photo_keeps_its_assumed_focal_length(width: int, height: int) -> None:
    assert Camera.assumed(width, height).fx == Camera.assumed(height, width).fx
    assert Camera.assumed(width, height).source == "assumed"


@pytest.mark.parametrize("change", [{"fx": 0.0}, {"fy": -1.0}, {"cx": math.nan}, {"fx": math.inf}, {"width": 0}])
def test_impossible_cameras_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="camera"):
        dataclasses.replace(_camera(), **change)


# ---- photos ------------------------------------------------------------------------------------------------------


def _photo(width: int, height: int, *, alpha: bool = False, seed: int = 0) -> Photo:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    opacity = np.ascontiguousarray(noise[..., 3]) if alpha else None
    return Photo(np.ascontiguousarray(noise[..., :3]), Camera.assumed(width, height), opacity)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 100), st.booleans())
def test_fitting_bounds_the_long_side_and_keeps_the_camera(width: int, height: int, side: int, alpha: bool) -> None:
    photo = _photo(width, height, alpha=alpha)
    fitted = photo.fitted(side)
    if max(width, height) <= side:
        assert fitted is photo
        return
    assert max(fitted.width, fitted.height) == side
    assert abs(fitted.width * height - fitted.height * width) <= max(width, height)  # the shape, to a pixel
    assert fitted.camera == photo.camera.resized(fitted.width, fitted.height)
    assert (fitted.alpha is not None) == alpha
    assert fitted.fitted(side) is fitted


def test_fitting_averages_areas() -> None:
    photo = _photo(64, 48)
    blocks = photo.rgb.reshape(24, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(photo.fitted(32).rgb - blocks).max() <= 0.51


@pytest.mark.parametrize(
    "change",
    [
        {"rgb": np.zeros((3, 4, 3), np.float32)},
        {"rgb": np.zeros((3, 4), np.uint8)},
        {"rgb": np.zeros((3, 4, 4), np.uint8)},
        {"rgb": [[0, 0, 0]]},
        {"alpha": np.zeros((3, 5), np.uint8)},
        {"alpha": np.zeros((3, 4), np.bool_)},
    ],
)
def test_wrong_pictures_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(change))):
        Photo(**{"rgb": np.zeros((3, 4, 3), np.uint8), "camera": _camera(), **change})


def test_a_photo_needs_a_camera_of_its_size() -> None:
    with pytest.raises(ValueError, match="5x3"):
        Photo(np.zeros((3, 4, 3), np.uint8), _camera(5, 3))


# ---- depth, points, cuts, meshes ---------------------------------------------------------------------------------


def _depth(**changes: Any) -> DepthMap:
    fields = {"inverse_depth": np.ones((3, 4), np.float32), "scale": "relative", "camera": _camera(), "model": "test"}
    return DepthMap(**{**fields, **changes})


def test_a_depth_map_knows_its_shape() -> None:
    assert _depth(sky=np.zeros((3, 4), np.bool_), valid=np.ones((3, 4), np.bool_)).shape == (3, 4)


@pytest.mark.parametrize(
    "change",
    [
        {"inverse_depth": np.ones((4, 3), np.float32)},
        {"inverse_depth": np.ones((3, 4), np.float64)},
        {"valid": np.ones((3, 4), np.uint8)},
        {"sky": np.ones((4, 4), np.bool_)},
    ],
)
def test_wrong_depth_maps_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(change))):
        _depth(**change)


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_inverse_depth_is_finite_and_not_negative(value: float) -> None:
    with pytest.raises(ValueError, match="inverse depth"):
        _depth(inverse_depth=np.full((3, 4), value, np.float32))


@given(cameras(st.integers(1, 40)), st.integers(0, 2**32 - 1), st.floats(0.01, 1000))
def test_points_project_back_to_the_centres_of_their_pixels(camera: Camera, seed: int, far: float) -> None:
    shape = camera.height, camera.width
    z = np.random.default_rng(seed).uniform(0.01, 0.01 + far, shape).astype(np.float32)
    points = PointCloud(z, np.zeros((*shape, 3), np.uint8), np.ones(shape, np.bool_), camera)
    x, y, depth = np.moveaxis(points.positions.astype(np.float64), -1, 0)
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    assert points.positions.dtype == np.float32
    np.testing.assert_array_equal(depth, z)
    np.testing.assert_allclose(camera.fx * x / depth + camera.cx, columns, atol=1e-4)
    np.testing.assert_allclose(camera.fy * y / depth + camera.cy, rows, atol=1e-4)
    assert len(points) == camera.width * camera.height


def test_only_kept_points_count() -> None:
    mask = np.array([[True, False], [False, False]])
    points = PointCloud(np.ones((2, 2), np.float32), np.zeros((2, 2, 3), np.uint8), mask, _camera(2, 2))
    assert len(points) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"z": np.ones((3, 4), np.float64)},
        {"rgb": np.zeros((3, 4), np.uint8)},
        {"mask": np.ones((3, 4), np.uint8)},
        {"opaque": np.ones((4, 3), np.bool_)},
    ],
)
def test_wrong_points_are_refused(change: dict[str, Any]) -> None:
    fields = {"z": np.ones((3, 4), np.float32), "rgb": np.zeros((3, 4, 3), np.uint8), "mask": np.ones((3, 4), np.bool_)}
    PointCloud(**fields, camera=_camera(), opaque=np.ones((3, 4), np.bool_))
    with pytest.raises(TypeError, match=next(iter(change))):
        PointCloud(**{**fields, **change}, camera=_camera())


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_points_lie_in_front_of_the_camera(value: float) -> None:
    z = np.full((3, 4), value, np.float32)
    with pytest.raises(ValueError, match="positive"):
        PointCloud(z, np.zeros((3, 4, 3), np.uint8), np.ones((3, 4), np.bool_), _camera())


def test_cuts_of_different_pictures_are_refused() -> None:
    Cuts(np.zeros((3, 3), np.bool_), np.zeros((2, 4), np.bool_))
    with pytest.raises(TypeError, match="down"):
        Cuts(np.zeros((3, 3), np.bool_), np.zeros((2, 5), np.bool_))


@pytest.mark.parametrize(
    "change",
    [
        {"vertices": np.zeros((3, 2), np.float32)},
        {"faces": np.zeros((1, 3), np.int64)},
        {"uv": np.zeros((2, 2), np.float32)},
        {"normals": np.zeros((3, 3), np.float64)},
        {"alpha": np.zeros(2, np.float32)},
    ],
)
def test_wrong_meshes_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(change))):
        _triangle(**change)


@pytest.mark.parametrize("corner", [-1, 3])
def test_faces_name_vertices_that_are_there(corner: int) -> None:
    with pytest.raises(ValueError, match="faces"):
        _triangle(faces=np.array([[0, 1, corner]], np.int32))


def test_a_mesh_may_be_empty() -> None:
    nothing = np.zeros((0, 3), np.float32)
    mesh = Mesh(nothing, np.zeros((0, 3), np.int32), np.zeros((0, 2), np.float32), nothing)
    assert len(mesh.faces) == 0


def test_a_scene_collects_its_stages_words() -> None:
    photo = Photo(np.zeros((3, 4, 3), np.uint8), _camera())
    points = PointCloud(np.ones((3, 4), np.float32), photo.rgb, np.ones((3, 4), np.bool_), _camera())
    cuts = Cuts(np.zeros((3, 3), np.bool_), np.zeros((2, 4), np.bool_))
    report = (
        StageReport("photo", "pillow", "the only one", 0.1, warnings=("Focal length assumed.",)),
        StageReport("depth", "bundled", "nothing else is here", 0.2, warnings=("Soft edges.",)),
    )
    scene = Scene("original", photo, _depth(), points, cuts, (_triangle(),), Settings(), report)
    assert scene.warnings == ("Focal length assumed.", "Soft edges.")
    assert scene.units == "relative"
    assert scene.camera is photo.camera
