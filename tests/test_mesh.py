"""Point grid to mesh: the laws that hold for every grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.cuts import clean, find_cuts
from diorama.errors import PhotoError
from diorama.mesh import triangulate
from diorama.raster import SAMPLES, rasterise
from diorama.settings import Settings
from diorama.types import Bool, Mesh, PointCloud
from grids import cloud, plane, seeds, sizes, steps

SETTINGS = Settings(cut_threshold=5)


def numbers(mesh: Mesh, points: PointCloud) -> np.ndarray:
    """(H, W, SAMPLES ** 2): the triangle that each sample of each pixel sees from the photo's camera, -1 for none."""
    camera = points.camera
    x, y, z = mesh.vertices.astype(np.float64).T
    screen = np.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy, 1 / z], axis=1)
    shape = (camera.height * SAMPLES, camera.width * SAMPLES)
    inverse, number = np.zeros(shape, np.float32), np.full(shape, -1, np.int32)
    listed = np.arange(len(mesh.faces), dtype=np.int32)
    rasterise(screen, mesh.faces, listed, 0, inverse, number, np.zeros(len(listed), np.bool_))
    blocks = number.reshape(camera.height, SAMPLES, camera.width, SAMPLES).swapaxes(1, 2)
    return blocks.reshape(camera.height, camera.width, SAMPLES**2)


def shared(one: np.ndarray, other: np.ndarray) -> Bool:
    """Where two pixels see the same triangle."""
    return (one[..., :, None] == other[..., None, :]).any(axis=(-1, -2))


def build(inverse: np.ndarray, opaque: Bool | None = None, **changes: object) -> tuple[Mesh, PointCloud, Bool, Bool]:
    chosen = SETTINGS.changed(**changes)
    points = clean(cloud(inverse, opaque), chosen)
    cuts = find_cuts(points, chosen)
    mesh, _ = triangulate(points, cuts, chosen.triangles)
    return mesh, points, cuts.right, cuts.down


@settings(deadline=None, max_examples=60)
@given(sizes, sizes, seeds)
def test_covers_every_pixel_and_spans_no_cut(height: int, width: int, seed: int) -> None:
    mesh, points, right, down = build(steps(height, width, seed))
    seen = numbers(mesh, points)
    assert (seen >= 0).all()
    assert not shared(seen[:, 1:], seen[:, :-1])[right].any()
    assert not shared(seen[1:], seen[:-1])[down].any()


@settings(deadline=None, max_examples=25)
@given(st.integers(20, 64), st.integers(20, 64), seeds)
def test_the_same_after_reduction(height: int, width: int, seed: int) -> None:
    mesh, points, right, down = build(steps(height, width, seed), triangles=1000)
    seen = numbers(mesh, points)
    assert (seen >= 0).mean() >= 0.995
    assert not shared(seen[:, 1:], seen[:, :-1])[right].any()
    assert not shared(seen[1:], seen[:-1])[down].any()


@settings(deadline=None, max_examples=25)
@given(sizes, sizes, seeds)
def test_transparent_pixels_get_no_mesh(height: int, width: int, seed: int) -> None:
    opaque = np.random.default_rng(seed).random((height, width)) < 0.7
    opaque.flat[0] = True
    mesh, points, _, _ = build(steps(height, width, seed), opaque)
    seen = numbers(mesh, points)
    assert (seen[opaque] >= 0).all()
    assert (seen[~opaque] < 0).all()


@settings(deadline=None)
@given(st.integers(12, 70), st.integers(12, 70), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
def test_a_plane_comes_out_exact_and_cheap(height: int, width: int, slope_x: float, slope_y: float) -> None:
    inverse = plane(height, width, slope_x, slope_y)
    points = cloud(inverse)
    mesh, _ = triangulate(points, find_cuts(points, Settings(cut_threshold=20)), 100_000)
    expected = 0.5 + slope_x * (mesh.uv[:, 0] - 0.5) + slope_y * (mesh.uv[:, 1] - 0.5)
    low, high = inverse.min(), inverse.max()  # vertices don't leave the range of the points
    assert np.allclose(1 / mesh.vertices[:, 2], np.clip(expected, low, high), atol=2e-4)
    if min(height, width) >= 64:
        assert len(mesh.faces) < height * width / 4


@settings(deadline=None, max_examples=30)
@given(sizes, sizes, seeds)
def test_triangles_face_the_camera_and_normals_are_unit(height: int, width: int, seed: int) -> None:
    mesh, _, _, _ = build(steps(height, width, seed))
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    facing = (np.cross(b - a, c - a) * (a + b + c)).sum(axis=1)
    assert (facing < 1e-9).all()
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(sizes, sizes, seeds)
def test_texture_coordinates_are_where_the_camera_sees_the_vertex(height: int, width: int, seed: int) -> None:
    mesh, points, _, _ = build(steps(height, width, seed))
    camera = points.camera
    u = (camera.fx * mesh.vertices[:, 0] / mesh.vertices[:, 2] + camera.cx) / camera.width
    v = (camera.fy * mesh.vertices[:, 1] / mesh.vertices[:, 2] + camera.cy) / camera.height
    assert np.allclose(mesh.uv, np.stack([u, v], axis=1), atol=1e-4)


def test_the_budget_is_kept_and_the_border_too() -> None:
    y, x = np.mgrid[:200, :300]
    inverse = (0.5 + 0.2 * np.sin(x / 9) * np.cos(y / 7)).astype(np.float32)
    mesh, _, _, _ = build(inverse, triangles=4000)
    assert 1000 < len(mesh.faces) <= 4000
    assert mesh.uv.min(axis=0) == pytest.approx([0, 0])
    assert mesh.uv.max(axis=0) == pytest.approx([1, 1])
    larger, _, _, _ = build(inverse, triangles=40000)
    assert len(larger.faces) > 2 * len(mesh.faces)


def test_silhouettes_that_need_more_than_the_budget_are_said() -> None:
    random = np.random.default_rng(0)
    inverse = np.kron(random.random((40, 40)), np.ones((6, 6))).astype(np.float32) * 0.8 + 0.2
    points = cloud(inverse)
    mesh, warnings = triangulate(points, find_cuts(points, SETTINGS), 1000)
    assert len(mesh.faces) > 1000
    assert "silhouettes" in warnings[0]


def test_nothing_to_see_is_an_error() -> None:
    points = cloud(np.full((4, 4), 0.5, np.float32), np.zeros((4, 4), bool))
    with pytest.raises(PhotoError, match="transparent everywhere"):
        triangulate(points, find_cuts(points, SETTINGS), 1000)
