"""Views: the photo's own camera gives the photo, a moved one what geometry says."""

from __future__ import annotations

import numpy as np
import pytest

from diorama.cuts import clean, find_cuts
from diorama.mesh import triangulate
from diorama.render import render, view_camera
from diorama.settings import Settings
from diorama.types import Camera, DepthMap, Photo, Scene
from grids import cloud, plane, steps


def scene(inverse: np.ndarray, rgb: np.ndarray | None = None) -> Scene:
    settings = Settings(cut_threshold=5)
    points = clean(cloud(inverse), settings)
    cuts = find_cuts(points, settings)
    mesh, _ = triangulate(points, cuts, settings.triangles)
    picture = points.rgb if rgb is None else rgb
    height, width = picture.shape[:2]
    photo = Photo(picture, points.camera.resized(width, height))
    depth = DepthMap(points.inverse_depth, "metric", points.camera, "test")
    return Scene("original", photo, depth, points, cuts, (mesh,), settings, ())


def gentle(height: int, width: int) -> np.ndarray:
    """A picture without detail near the pixel's size."""
    y, x = np.mgrid[:height, :width]
    return (
        np.stack([128 + 100 * np.sin(x / 5), 128 + 100 * np.cos(y / 6), x + y], axis=-1).clip(0, 255).astype(np.uint8)
    )


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = np.mean((one.astype(float) - other) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(48, 64), (1, 1), (1, 50), (50, 1), (37, 91)])
def test_from_the_photos_camera_every_pixel_is_the_photos(size: tuple[int, int]) -> None:
    rgb = gentle(*size)
    view = render(scene(steps(*size, seed=3), rgb))
    assert (view.alpha == 255).all()
    assert psnr(view.rgb, rgb) > 45


def test_a_floor_far_away_into_the_picture_keeps_its_texture_in_place() -> None:
    rgb = gentle(256, 200)
    made = scene(plane(256, 200, 0, 0.98), rgb)  # 100 times nearer below than above
    assert psnr(render(made).rgb, rgb) > 38
    assert len(made.meshes[0].faces) < 8000


def test_depth_is_the_scenes() -> None:
    made = scene(plane(40, 60, 0.2, 0.1))
    view = render(made)
    assert np.allclose(view.z[2:-2, 2:-2], made.points.z[2:-2, 2:-2], rtol=0.01)


def test_a_move_shifts_a_front_parallel_plane_by_its_disparity() -> None:
    rgb = noise(40, 60)
    made = scene(np.full((40, 60), 0.5, np.float32), rgb)
    move = 6 / (made.camera.fx * 0.5)  # 6 px
    view = render(made, translate=(move, 0, 0), background=(1, 2, 3))
    assert np.abs(view.rgb[:, :-6].astype(int) - rgb[:, 6:]).max() <= 2
    assert (view.rgb[:, -5:] == (1, 2, 3)).all()
    assert (view.alpha[:, -5:] == 0).all()
    assert np.isinf(view.z[:, -5:]).all()
    down = render(made, translate=(0, 6 / (made.camera.fy * 0.5), 0))
    assert np.abs(down.rgb[:-6].astype(int) - rgb[6:]).max() <= 2


def test_moving_forward_magnifies() -> None:
    rgb = np.zeros((60, 60, 3), np.uint8)
    rgb[20:40, 20:40] = 255
    made = scene(np.full((60, 60), 0.5, np.float32), rgb)
    view = render(made, translate=(0, 0, 1))  # half way to the plane at 2
    assert (view.rgb[12:48, 12:48] == 255).all()


def test_turns_go_where_they_say() -> None:
    rgb = np.zeros((61, 61, 3), np.uint8)
    rgb[30, 30] = 255
    made = scene(np.full((61, 61), 0.5, np.float32), rgb)
    spot = lambda view: np.unravel_index(view.rgb.sum(axis=2).argmax(), (61, 61))  # noqa: E731
    assert spot(render(made)) == (30, 30)
    assert spot(render(made, rotate=(5, 0, 0)))[0] > 30, "looking up, things go down"
    assert spot(render(made, rotate=(0, 5, 0)))[1] < 30, "looking right, things go left"
    made.photo.rgb[30, 30], made.photo.rgb[30, 45] = 0, 255
    assert spot(render(made, rotate=(0, 0, 30)))[0] < 30, "rolling clockwise, things turn counter-clockwise"


def test_silhouettes_are_antialiased() -> None:
    inverse = np.full((40, 40), 0.2, np.float32)
    inverse[:, 20:] = 1
    rgb = np.zeros((40, 40, 3), np.uint8)
    rgb[:, 20:] = 255
    made = scene(inverse, rgb)
    view = render(made, translate=(0.5 / made.camera.fx, 0, 0))  # the front edge stands half way into a pixel
    edge = view.rgb[20, 17:23, 0]
    assert ((edge > 60) & (edge < 200)).sum() == 1


def test_a_smaller_view_averages_the_texture() -> None:
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[::2, ::2] = rgb[1::2, 1::2] = 255  # a checkerboard, grey from afar
    view = render(scene(np.full((64, 64), 0.5, np.float32), rgb), size=(16, 16))
    assert np.abs(view.rgb.astype(int) - 128).max() < 30


def test_the_view_is_the_same_each_time() -> None:
    made = scene(steps(50, 70, seed=5))
    one, two = (render(made, translate=(0.05, 0.02, 0.1), rotate=(1, 2, 3)) for _ in range(2))
    assert np.array_equal(one.rgb, two.rgb)


def test_several_meshes_are_one_scene() -> None:
    from dataclasses import replace

    made = scene(plane(20, 20, 0.1, 0.1), noise(20, 20))
    mesh = made.meshes[0]
    half = len(mesh.faces) // 2
    parts = (replace(mesh, faces=mesh.faces[:half].copy()), replace(mesh, faces=mesh.faces[half:].copy()))
    assert np.array_equal(render(replace(made, meshes=parts)).rgb, render(made).rgb)


def test_a_scene_wholly_behind_the_camera_is_empty() -> None:
    view = render(scene(plane(20, 20, 0, 0)), translate=(0, 0, 100))
    assert (view.alpha == 0).all()


def test_the_default_lens_shows_the_whole_photo_in_any_frame() -> None:
    photo = Camera.from_fov(60, 300, 200, "exif")
    assert view_camera(photo, None, None) == photo
    wide = view_camera(photo, (900, 200), None)
    assert (wide.fx, wide.cx, wide.cy) == (photo.fx, 450, 100)
    half = view_camera(photo, (150, 100), None)
    assert half.fx == pytest.approx(photo.fx / 2)
    assert view_camera(photo, (640, 480), 90).fx == pytest.approx(320)
