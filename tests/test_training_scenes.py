"""The scenes that the depth network learns from: what holds for each of them, and for many."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from training import scenes
from training.scenes.shapes import library
from training.scenes.stage import Place, Stage
from training.scenes.textures import KINDS, default
from training.scenes.view import Light, View, draw

SMALL = (48, 64)

FRONTS = ("surface", "panel", "straight", "above")


def drawn(count: int) -> list[scenes.Sample]:
    return [scenes.sample(np.random.default_rng([11, index]), *SMALL) for index in range(count)]


@pytest.fixture(scope="module")
def many() -> list[scenes.Sample]:
    return drawn(180)


def test_a_sample_is_a_function_of_its_generator() -> None:
    first, again = (scenes.sample(np.random.default_rng(5), *SMALL) for _ in range(2))
    np.testing.assert_array_equal(first.rgb, again.rgb)
    np.testing.assert_array_equal(first.inverse_depth, again.inverse_depth)
    assert (first.kind, first.fov_degrees) == (again.kind, again.fov_degrees)
    assert not np.array_equal(first.rgb, scenes.sample(np.random.default_rng(6), *SMALL).rgb)


@pytest.mark.parametrize("kind", scenes.KINDS)
@pytest.mark.parametrize("size", [(64, 40), (40, 72)])
def test_every_kind_at_every_shape(kind: str, size: tuple[int, int]) -> None:
    one = scenes.sample(np.random.default_rng(3), *size, kind=kind)
    assert one.rgb.shape == (*size, 3)
    assert one.rgb.dtype == np.uint8
    assert one.inverse_depth.shape == one.sky.shape == size
    assert one.inverse_depth.dtype == np.float32
    assert one.kind == kind


def test_depths_are_finite_and_the_sky_alone_is_infinitely_far(many: list[scenes.Sample]) -> None:
    for one in many:
        assert np.isfinite(one.inverse_depth).all()
        assert (one.inverse_depth >= 0).all()
        np.testing.assert_array_equal(one.sky, one.inverse_depth == 0)
        assert 12 < one.fov_degrees <= 101


def test_pictures_are_exposed_and_scenes_are_deep(many: list[scenes.Sample]) -> None:
    light = np.array([one.rgb.mean() for one in many])
    assert 60 < light.mean() < 160
    assert (light < 12).mean() < 0.05
    depth = [np.ptp(np.log(one.inverse_depth[~one.sky])) for one in many if not one.sky.all()]
    assert np.median(depth) > math.log(2.5)


def test_every_kind_is_drawn_and_grey_pictures_are(many: list[scenes.Sample]) -> None:
    assert {one.kind for one in many} == set(scenes.KINDS)
    grey = np.mean([np.ptp(one.rgb.astype(int), axis=2).max() <= 12 for one in many])
    assert 0.1 < grey < 0.5


def test_the_sides_of_the_picture_are_no_nearer_than_its_middle(many: list[scenes.Sample]) -> None:
    mean = np.zeros(SMALL)
    for one in many:
        mean += np.clip(one.inverse_depth / np.percentile(one.inverse_depth, 98), 0, 1.5)
    columns = mean.mean(0)
    middle = columns[16:48].mean()
    assert columns[:4].mean() < 1.18 * middle
    assert columns[-4:].mean() < 1.18 * middle


def test_a_wall_has_the_depth_that_it_stands_at() -> None:
    import random

    stage = Stage(random.Random(1), default())
    stage.add("box", Place().at(0, 0, 3).scaled(20, 20, 2), stage.paint("plain"))
    stage.box(Place().at(0, -10, 1.5), (0.5, 20, 0.2), stage.paint("plain"))
    inverse = draw(stage, View(eye=(0, 0, 0), fov=60), Light(), 48, 64).inverse
    np.testing.assert_allclose(inverse[:, :8], 1 / 2, rtol=1e-5)
    np.testing.assert_allclose(inverse[20:28, 30:34], 1 / 1.4, rtol=1e-5)


def test_what_is_flat_hardly_changes_in_depth(many: list[scenes.Sample]) -> None:
    def relief(one: scenes.Sample) -> float:
        inverse = one.inverse_depth / np.percentile(one.inverse_depth, 98)
        return float(np.abs(inverse - np.median(inverse)).mean())

    walls = [
        scenes.sample(np.random.default_rng([7, index]), *SMALL, kind=kind) for kind in FRONTS for index in range(6)
    ]
    others = [one for one in many if one.kind not in scenes.FLAT]
    assert np.median([relief(one) for one in walls]) < 0.06
    assert np.median([relief(one) for one in others]) > 0.1


def test_a_sail_is_as_far_as_its_hull() -> None:
    import random

    from training.scenes import waters

    stage = Stage(random.Random(2), default())
    waters.boat(stage, Place().at(0, 0, 30), 8, sails=True)
    inverse = draw(stage, View(eye=(0, 4, 0), fov=40), Light(), 96, 96).inverse
    rows = np.array([np.median(row[row > 0]) for row in inverse if (row > 0).any()])
    assert len(rows) > 30
    np.testing.assert_allclose(rows, 1 / 30, rtol=0.15)


def test_what_reaches_behind_the_camera_is_drawn_whole() -> None:
    import random

    stage = Stage(random.Random(1), default())
    stage.add("box", Place().at(0, -1.05, 0).scaled(5000, 0.1, 5000), stage.paint("plain"))
    one = draw(stage, View(eye=(0, 0, 0), fov=90), Light(), 64, 64)
    rows = np.arange(64) + 0.5 - 32
    # A ray through row r meets the ground, a metre below, where z = f / r.
    expected = np.maximum(rows, 0)[:, None] / one.focal
    np.testing.assert_allclose(one.inverse[36:], np.broadcast_to(expected[36:], (28, 64)), rtol=1e-4)
    assert (one.inverse[:31] == 0).all()


def test_the_stream_gives_the_samples_of_its_seed_in_order() -> None:
    sizes = [(32, 48), (48, 32)]
    stream = scenes.stream(9, sizes, 1)
    try:
        got = list(itertools.islice(stream, 2))
    finally:
        stream.close()
    assert [one.rgb.shape[:2] for one in got] == sizes


def test_shapes_and_textures_are_whole() -> None:
    shapes = library()
    assert shapes.faces.max() < len(shapes.positions)
    lengths = np.linalg.norm(shapes.normals, axis=1)
    assert np.isfinite(shapes.positions).all()
    assert (np.abs(lengths - 1) < 0.01).mean() > 0.97
    textures = default()
    assert all(textures.kinds[kind] for kind in KINDS)
