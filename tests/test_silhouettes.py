"""Estimated depth edges are moved onto the photo's silhouettes; given ones are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama import enhanced
from diorama.cuts import find_cuts
from diorama.settings import Settings
from diorama.silhouettes import align, attach, unframed
from diorama.types import DepthMap, PointCloud
from grids import cloud, seeds, steps

SETTINGS = Settings(cut_threshold=5)


def two_sides(edge: int, silhouette: int) -> PointCloud:
    """40 x 80: something near and red on the left of `edge`, by its depth, and of `silhouette`, by its colour."""
    inverse = np.full((40, 80), 0.2, np.float32)
    inverse[:, :edge] = 1
    rgb = np.full((40, 80, 3), 40, np.uint8)
    rgb[:, :silhouette] = (200, 30, 30)
    return replace(cloud(inverse), rgb=rgb)


@settings(max_examples=10)
@given(st.integers(-3, 3))
def test_an_edge_beside_the_silhouette_is_moved_onto_it(off: int) -> None:
    points = two_sides(40 + off, 40)
    right = find_cuts(align(points, find_cuts(points, SETTINGS), SETTINGS), SETTINGS).right
    assert right[:, 39].all()
    assert np.count_nonzero(right) == 40


def test_on_a_silhouette_or_where_the_colours_say_nothing_it_stays() -> None:
    for points in (two_sides(40, 40), two_sides(40, 0)):
        assert np.array_equal(align(points, find_cuts(points, SETTINGS), SETTINGS).z, points.z)


def test_an_edge_has_no_teeth_and_a_pole_stays() -> None:
    points = two_sides(40, 40)
    inverse = points.inverse_depth.copy()
    inverse[10::4, 40:42] = 1
    inverse[:, 60:63] = 1
    rgb = points.rgb.copy()
    rgb[10::4, 40:42] = rgb[:, 60:63] = (200, 30, 30)  # of fuzzy wool, say
    points = replace(points, z=np.reciprocal(inverse), rgb=rgb)
    near = align(points, find_cuts(points, SETTINGS), SETTINGS).inverse_depth > 0.6
    assert (near[10:] == near[10]).all()
    assert near[:, 60:63].all()


def test_lines_along_the_frame_are_as_far_away_as_what_is_beside_them() -> None:
    rng = np.random.default_rng(0)
    points = cloud(np.linspace(0.2, 0.5, 80, dtype=np.float32) * np.ones((80, 1), np.float32))
    rgb = rng.integers(150, 200, (80, 80, 3), dtype=np.uint8)
    assert np.array_equal(unframed(replace(points, rgb=rgb)).z, points.z)
    rgb[:, -3:] = 10
    z = points.z.copy()
    z[:, -3:] = 1
    mended = unframed(replace(points, rgb=rgb, z=z)).z
    assert (mended[:, -3:] == points.z[:, 76:77]).all()
    assert np.array_equal(mended[:, :-3], points.z[:, :-3])


@settings(max_examples=20)
@given(st.integers(8, 40), st.integers(8, 40), seeds)
def test_no_depth_is_made_up_and_what_is_transparent_stays(height: int, width: int, seed: int) -> None:
    inverse = steps(height, width, seed)
    opaque = np.random.default_rng(seed).random(inverse.shape) > 0.2
    points = cloud(inverse, opaque)
    moved = align(points, find_cuts(points, SETTINGS), SETTINGS)
    assert np.array_equal(moved.z[~opaque], points.z[~opaque])
    if opaque.any():
        assert moved.z[opaque].min() >= points.z[opaque].min() * 0.9999
        assert moved.z[opaque].max() <= points.z[opaque].max() * 1.0001
    assert np.array_equal(moved.rgb, points.rgb)


def test_a_depth_file_is_taken_at_its_word_and_so_is_an_edge_that_nobody_wants_sharpened() -> None:
    points = two_sides(42, 40)
    cuts = find_cuts(points, SETTINGS)

    def moved(model: str, sharpness: float) -> bool:
        depth = DepthMap(points.inverse_depth, "relative", points.camera, model)
        found, _ = enhanced.silhouettes(points, cuts, depth, SETTINGS.changed(edge_sharpness=sharpness))
        return not np.array_equal(found.z, points.z)

    assert moved("bundled", 1)
    assert not moved("file", 1)
    assert not moved("bundled", 0)


def test_a_mast_taken_for_sky_comes_back_to_what_it_stands_on_and_a_bird_does_not() -> None:
    inverse = np.full((80, 120), 0.1, np.float32)
    inverse[60:] = 1
    sky = inverse < 1
    rgb = np.full((80, 120, 3), (120, 150, 200), np.uint8)
    rgb[60:] = (60, 80, 40)
    rgb[36:60, 70:73] = 20  # the mast
    rgb[10:13, 30:34] = 20  # the bird
    rgb[:50, :20] += np.linspace(0, 50, 20).astype(np.uint8)[:, None]  # a cloud
    rgb[0] = 0  # a scan's line
    points = replace(cloud(inverse), rgb=rgb)
    z = attach(points, sky).z
    assert (z[36:60, 70:73] == 1).all()
    changed = z != points.z
    changed[35:61, 69:74] = False
    assert not changed.any()
    assert attach(points, np.zeros_like(sky)).z is points.z
    assert attach(points, np.ones_like(sky)).z is points.z


def test_a_lattice_that_the_dusk_hides_half_comes_back_as_one_thing() -> None:
    inverse = np.full((120, 160), 0.1, np.float32)
    inverse[100:] = 1
    inverse[40:, 60:66] = 0.5  # something nearer to its top than what it stands on
    sky = inverse < 0.5
    rgb = np.full((120, 160, 3), (30, 40, 70), np.uint8)
    rgb[100:], rgb[40:100, 60:66] = (60, 50, 40), 160
    lattice = np.zeros((120, 160), bool)
    lattice[20:100, 80:83] = lattice[20:100, 88:91] = lattice[20:100:5, 80:91] = True
    rgb[lattice] = (15, 15, 40)  # nearly the sky's
    rgb[60:100, 80:83] = (90, 80, 60)  # where a light is on it
    z = attach(replace(cloud(inverse), rgb=rgb), sky).z
    assert (z[22:100, 81:90] == 1).all()
    assert (z[:15] == 10).all()
