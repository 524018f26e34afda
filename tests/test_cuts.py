"""Depth cuts, mixed pixels and islands."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.cuts import MIN_LENGTH, _long_enough, clean, find_cuts, label_surfaces
from diorama.settings import Settings
from grids import cloud, plane, seeds, sizes, steps

SETTINGS = Settings(cut_threshold=5)


def test_a_step_is_cut_along_its_whole_length() -> None:
    inverse = np.full((12, 16), 0.3, np.float32)
    inverse[:, 7:] = 0.9
    cuts = find_cuts(cloud(inverse), SETTINGS)
    assert cuts.right[:, 6].all()
    assert cuts.right.sum() == 12
    assert not cuts.down.any()


@given(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4), sizes, sizes)
def test_a_plane_is_never_cut(slope_x: float, slope_y: float, height: int, width: int) -> None:
    # Over the whole picture, so that on a small one every link is steeper than the threshold.
    cuts = find_cuts(cloud(plane(height, width, slope_x, slope_y)), Settings(cut_threshold=5, camera_travel=25))
    if min(height, width) >= 16:
        assert not cuts.right.any()
        assert not cuts.down.any()


def test_a_steep_even_slope_is_no_edge() -> None:
    inverse = np.tile(np.linspace(0.1, 1, 12, dtype=np.float32), (8, 1))  # 8 % a pixel
    wide = np.pad(inverse, ((0, 0), (20, 20)), mode="edge")
    assert not find_cuts(cloud(wide), SETTINGS).right[:, 24:28].any()


def test_a_blurred_edge_is_cut_once() -> None:
    row = np.concatenate([np.full(8, 0.2), [0.35, 0.55, 0.75], np.full(8, 0.9)])
    cuts = find_cuts(cloud(np.tile(row, (MIN_LENGTH, 1)).astype(np.float32)), SETTINGS)
    assert (cuts.right.sum(axis=1) == 1).all()


def test_a_chain_that_is_too_short_is_noise() -> None:
    inverse = np.full((3 * MIN_LENGTH, 20), 0.2, np.float32)
    inverse[: MIN_LENGTH - 1, 10:] = 0.9
    assert not find_cuts(cloud(inverse[: MIN_LENGTH - 1]), SETTINGS).right.any()
    longer = find_cuts(cloud(inverse), SETTINGS)  # here the chain goes on along the step's lower side
    assert longer.right[: MIN_LENGTH - 1, 9].all()
    assert longer.down[MIN_LENGTH - 2, 10:].all()


def test_transparent_pixels_are_cut_off() -> None:
    opaque = np.ones((6, 6), bool)
    opaque[2:4, 2:4] = False
    cuts = find_cuts(cloud(np.full((6, 6), 0.5, np.float32), opaque), SETTINGS)
    assert cuts.right.sum() == 4
    assert cuts.down.sum() == 4


def test_a_mixed_pixel_goes_to_the_nearer_side() -> None:
    row = np.concatenate([np.full(8, 0.2), [0.4], np.full(8, 0.9)])
    cleaned = clean(cloud(np.tile(row, (6, 1)).astype(np.float32)), SETTINGS)
    assert np.allclose(cleaned.inverse_depth[:, 8], 0.2)


def test_a_thin_pole_stays() -> None:
    inverse = np.full((40, 40), 0.2, np.float32)
    inverse[:, 20] = 0.9
    assert np.allclose(clean(cloud(inverse), SETTINGS).inverse_depth, inverse)


def test_a_small_island_joins_the_surface_it_resembles() -> None:
    inverse = np.full((30, 30), 0.2, np.float32)
    inverse[:, 15:] = 0.9
    inverse[10:12, 13:15] = 0.6  # touches both
    cleaned = clean(cloud(inverse), SETTINGS)
    assert np.allclose(cleaned.inverse_depth[10:12, 13:15], 0.9)
    assert np.allclose(clean(cloud(inverse), SETTINGS.changed(min_island=0)).inverse_depth[10:12, 13:15], 0.6)


def test_labels_are_the_surfaces() -> None:
    inverse = np.full((20, 20), 0.2, np.float32)
    inverse[5:10, 5:10] = 0.9
    count, labels = label_surfaces(find_cuts(cloud(inverse), SETTINGS))
    assert count == 2
    assert np.array_equal(labels == labels[7, 7], inverse > 0.5)
    opaque = np.ones((20, 20), bool)
    opaque[:, 12] = False
    count, labels = label_surfaces(find_cuts(cloud(inverse, opaque), SETTINGS), opaque)
    assert count == 3
    assert (labels[:, 12] == 0).all()


@settings(deadline=None, max_examples=50)
@given(sizes, sizes, seeds)
def test_cleaning_stays_within_the_range_and_ends(height: int, width: int, seed: int) -> None:
    points = cloud(steps(height, width, seed))
    cleaned = clean(points, SETTINGS)
    assert cleaned.z.min() > 0
    assert np.isfinite(cleaned.z).all()
    assert cleaned.z.max() <= points.z.max() * 1.0001
    assert np.array_equal(cleaned.mask, points.mask)


@given(st.integers(1, 30), st.integers(1, 30), st.floats(0, 0.3), st.integers(1, 12), seeds)
@settings(deadline=None)
def test_chains_are_links_whose_ends_touch(height: int, width: int, share: float, length: int, seed: int) -> None:
    """On a grid of half pixels: what is joined when every link's middle is widened to 3 x 3."""
    rng = np.random.default_rng(seed)
    right, down = rng.random((height, width - 1)) < share, rng.random((height - 1, width)) < share
    grid = np.zeros((2 * height + 1, 2 * width + 1), np.uint8)
    grid[1::2, 2:-1:2], grid[2:-1:2, 1::2] = right, down
    _, labels = cv2.connectedComponents(cv2.dilate(grid, np.ones((3, 3), np.uint8)), connectivity=8)
    sizes_of = np.bincount(labels[grid > 0], minlength=labels.max() + 1)
    long = (sizes_of >= length)[labels] & (grid > 0)
    kept_right, kept_down = _long_enough(right, down, length)
    assert np.array_equal(kept_right, long[1::2, 2:-1:2])
    assert np.array_equal(kept_down, long[2:-1:2, 1::2])
