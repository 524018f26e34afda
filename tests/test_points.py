"""Depth map to point cloud."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diorama.points import FARTHEST_METRIC, SKY_BEHIND, unproject
from diorama.settings import Settings
from diorama.types import Camera, DepthMap, Photo


def depth_map(inverse: np.ndarray, scale: str = "relative", **more: object) -> DepthMap:
    height, width = inverse.shape
    return DepthMap(inverse.astype(np.float32), scale, Camera.from_fov(60, width, height, "user"), "test", **more)


def photo(height: int, width: int, alpha: np.ndarray | None = None) -> Photo:
    rgb = np.full((height, width, 3), 90, np.uint8)
    return Photo(rgb, Camera.from_fov(60, width, height, "user"), alpha)


@given(st.floats(1.25, 20))
def test_relative_depth_runs_from_one_to_the_depth_range(depth_range: float) -> None:
    inverse = np.linspace(0, 1, 12).reshape(3, 4)
    points = unproject(depth_map(inverse), photo(3, 4), Settings(depth_range=depth_range))
    assert points.z.min() == pytest.approx(1, rel=1e-5)
    assert points.z.max() == pytest.approx(depth_range, rel=1e-5)
    # Affine in inverse depth, so planes stay planes.
    assert np.allclose(np.diff(1 / points.z.ravel()), np.diff(1 / points.z.ravel())[0], rtol=1e-3)


def test_metric_depth_is_kept_as_it_is() -> None:
    z = np.array([[1.0, 2.0], [4.0, 50.0]], np.float32)
    points = unproject(depth_map(1 / z, "metric"), photo(2, 2), Settings())
    assert points.z == pytest.approx(z, rel=1e-6)


def test_points_project_back_to_their_pixels() -> None:
    points = unproject(depth_map(np.random.default_rng(0).random((6, 9))), photo(6, 9), Settings())
    camera = points.camera
    u = camera.fx * points.positions[..., 0] / points.positions[..., 2] + camera.cx
    v = camera.fy * points.positions[..., 1] / points.positions[..., 2] + camera.cy
    rows, columns = np.mgrid[:6, :9]
    assert np.abs(u - columns - 0.5).max() < 1e-4
    assert np.abs(v - rows - 0.5).max() < 1e-4


@pytest.mark.parametrize("scale", ["relative", "metric"])
def test_the_sky_stands_behind_everything(scale: str) -> None:
    inverse = np.full((4, 4), 0.5)
    inverse[3] = 0.2
    inverse[0] = 0
    sky = inverse == 0
    points = unproject(depth_map(inverse, scale, sky=sky), photo(4, 4), Settings())
    assert np.allclose(points.z[0], points.z[1:].max() * SKY_BEHIND)


def test_nothing_but_sky_still_has_a_place() -> None:
    points = unproject(depth_map(np.zeros((4, 4)), "metric"), photo(4, 4), Settings())
    assert np.isfinite(points.z).all()


def test_far_metric_depth_is_clamped() -> None:
    z = np.full((10, 10), 2.0)
    z[0, 0] = 1e6
    points = unproject(depth_map(1 / z, "metric"), photo(10, 10), Settings())
    assert points.z.max() == pytest.approx(2 * FARTHEST_METRIC)


def test_unmeasured_transparent_and_stray_points_are_masked() -> None:
    inverse = np.full((20, 20), 0.5)
    inverse[10, 10] = 1
    valid = np.ones((20, 20), bool)
    valid[0, 0] = False
    alpha = np.full((20, 20), 255, np.uint8)
    alpha[:, 19] = 0
    points = unproject(depth_map(inverse, valid=valid), photo(20, 20, alpha), Settings())
    assert not points.mask[10, 10]
    assert not points.mask[0, 0]
    assert not points.mask[:, 19].any()
    assert points.opaque is not None
    assert not points.opaque[:, 19].any()
    assert points.opaque[10, 10]
    assert len(points) == 400 - 1 - 1 - 20


def test_a_depth_edge_is_no_stray() -> None:
    inverse = np.full((20, 20), 0.1)
    inverse[:, 10:] = 0.9
    assert unproject(depth_map(inverse), photo(20, 20), Settings()).mask.all()


def test_colours_come_from_a_photo_of_any_size() -> None:
    points = unproject(depth_map(np.full((5, 5), 0.5)), photo(50, 50, np.full((50, 50), 200, np.uint8)), Settings())
    assert (points.rgb == 90).all()
    larger = unproject(depth_map(np.full((50, 50), 0.5)), photo(5, 5, np.full((5, 5), 200, np.uint8)), Settings())
    assert (larger.rgb == 90).all()
    assert larger.mask.all()
