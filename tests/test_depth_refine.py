"""Refinement: finite and in range whatever comes, crisp at edges, and nothing at all on smooth surfaces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from diorama.depth import refine, sky
from diorama.types import Float32, UInt8

PhotoPath = Callable[[str], Path]

SIDES = st.integers(1, 40)


@st.composite
def maps(draw: st.DrawFn) -> Float32:
    shape = draw(SIDES), draw(SIDES)
    kind = draw(st.sampled_from(["noise", "steps", "constant", "ramp"]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if kind == "noise":
        return rng.random(shape, np.float32)
    if kind == "steps":
        return np.ascontiguousarray((rng.random(shape) > 0.5) * rng.random(), np.float32)
    if kind == "constant":
        return np.full(shape, rng.random(), np.float32)
    return np.ascontiguousarray(np.linspace(0, 1, shape[0])[:, None] + np.zeros(shape), np.float32)


def photo_for(shape: tuple[int, int], seed: int = 0) -> UInt8:
    noise = np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.uint8)
    return np.ascontiguousarray(cv2.blur(noise, (3, 3)), np.uint8).reshape(*shape, 3)


def textured(photo_path: PhotoPath, width: int, height: int) -> UInt8:
    picture = cv2.imread(str(photo_path("coffee")))
    assert picture is not None
    return np.ascontiguousarray(cv2.resize(picture, (width, height)), np.uint8)


# ---- normalise ---------------------------------------------------------------------------------------------------


@given(npst.arrays(np.float32, npst.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.floats(width=32)))
def test_normalise_is_finite_and_in_range(values: Float32) -> None:
    result = refine.normalise(values)
    assert result.shape == values.shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


@given(
    st.floats(allow_nan=False, allow_infinity=False, width=32), npst.array_shapes(min_dims=2, max_dims=2, max_side=20)
)
def test_normalise_makes_constants_constant(value: float, shape: tuple[int, int]) -> None:
    assert (refine.normalise(np.full(shape, value, np.float32)) == 0.5).all()


@given(st.integers(0, 99), st.floats(0.1, 100), st.floats(-50, 50))
def test_normalise_is_blind_to_scale_and_shift(seed: int, scale: float, shift: float) -> None:
    values = np.random.default_rng(seed).random((20, 30), np.float32)
    changed = (values * np.float32(scale) + np.float32(shift)).astype(np.float32)
    np.testing.assert_allclose(refine.normalise(changed), refine.normalise(values), atol=2e-3)


def test_normalise_withstands_outliers() -> None:
    values = np.random.default_rng(0).random((100, 100), np.float32)
    values[3, 3], values[50, 50], values[7, 9] = 1e6, -1e6, np.nan
    assert 0.2 < float(np.median(refine.normalise(values))) < 0.8


# ---- upsample ----------------------------------------------------------------------------------------------------


@given(maps(), SIDES, SIDES)
def test_upsample_keeps_the_range_and_constants(depth: Float32, width: int, height: int) -> None:
    result = refine.upsample(depth, width, height)
    assert result.shape == (height, width)
    assert 0 <= result.min() <= result.max() <= 1
    if np.ptp(depth) == 0:
        np.testing.assert_allclose(result, depth[0, 0], atol=1e-6)


# ---- sharpen -----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(maps(), st.floats(0, 1), st.integers(0, 9), st.booleans())
def test_sharpen_is_finite_and_in_range(depth: Float32, amount: float, seed: int, with_sky: bool) -> None:
    mask = np.random.default_rng(seed).random(depth.shape) > 0.7 if with_sky else None
    result = refine.sharpen(depth, photo_for(depth.shape, seed), amount, mask)
    assert result.shape == depth.shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert 0 <= result.min() <= result.max() <= 1
    if mask is not None:
        assert (result[mask] == 0).all()
    elif np.ptp(depth) == 0 or amount == 0:
        np.testing.assert_array_equal(result, depth)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99), st.sampled_from([0, 1]))
def test_sharpen_commutes_with_flips(seed: int, axis: int) -> None:
    rng = np.random.default_rng(seed)
    depth = cv2.GaussianBlur(rng.random((60, 80)).astype(np.float32), (0, 0), 6)
    depth = refine.normalise(np.asarray(depth, np.float32))
    rgb = photo_for(depth.shape, seed)
    flipped = refine.sharpen(np.ascontiguousarray(np.flip(depth, axis)), np.ascontiguousarray(np.flip(rgb, axis)), 1.0)
    difference = np.abs(np.flip(flipped, axis) - refine.sharpen(depth, rgb, 1.0))
    # A pixel exactly between two sides may fall to either.
    assert np.quantile(difference, 0.99) < 0.01


@pytest.mark.parametrize("surface", ["ground", "far ground", "diagonal", "waves", "bowl"])
def test_smooth_surfaces_stay_as_they_are(photo_path: PhotoPath, surface: str) -> None:
    y, x = np.mgrid[0:240, 0:360].astype(np.float32)
    depth = {
        "ground": np.clip((y - 90) / 150, 0, 1),
        "far ground": 1 / (1 + (240 - y) / 20),
        "diagonal": (x / 360 + y / 240) / 2,
        "waves": 0.5 + 0.05 * np.sin(x / 10),
        "bowl": ((x - 180) / 180) ** 2 * 0.5 + ((y - 120) / 120) ** 2 * 0.5,
    }[surface].astype(np.float32)
    result = refine.sharpen(depth, textured(photo_path, 360, 240), 1.0)
    assert np.abs(result - depth).max() < 0.02
    assert np.quantile(np.abs(result - depth), 0.97) < 1e-4


def blurred_step(width: int = 360, height: int = 240, at: float = 180, sigma: float = 3.0) -> Float32:
    step = np.where(np.arange(width) + 0.5 < at, 0.7, 0.2).astype(np.float32)[None].repeat(height, axis=0)
    return np.asarray(cv2.GaussianBlur(step, (0, 0), sigma), np.float32)


def edge_photo(at: int, width: int = 360, height: int = 240) -> UInt8:
    rgb = np.full((height, width, 3), 60, np.uint8)
    rgb[:, at:] = (200, 190, 180)
    return rgb


@pytest.mark.parametrize("at", [177, 180, 183])
def test_a_blurred_step_becomes_crisp_where_the_photos_edge_is(at: int) -> None:
    result = refine.sharpen(blurred_step(), edge_photo(at), 1.0)
    np.testing.assert_allclose(result[:, : at - 1], 0.7, atol=0.02)
    np.testing.assert_allclose(result[:, at + 1 :], 0.2, atol=0.02)


def test_a_blurred_step_without_a_photo_edge_becomes_crisp_in_its_middle() -> None:
    result = refine.sharpen(blurred_step(), np.full((240, 360, 3), 90, np.uint8), 1.0)
    mixed = ((result > 0.25) & (result < 0.65)).sum(axis=1)
    before = blurred_step()
    assert mixed.max() <= 2
    assert ((before > 0.25) & (before < 0.65)).sum(axis=1).min() > 5
    assert abs(int((result[120] > 0.45).sum()) - 180) <= 1


def test_the_amount_goes_from_nothing_to_all() -> None:
    soft, rgb = blurred_step(), edge_photo(180)
    steps = [float(np.abs(refine.sharpen(soft, rgb, amount) - soft).sum()) for amount in (0, 0.25, 0.5, 0.75, 1)]
    assert steps[0] == 0
    assert steps == sorted(steps)
    assert steps[2] == pytest.approx(steps[4] / 2, rel=0.05)


def test_no_rim_is_left_beside_an_edge() -> None:
    """A slanted front must go on to its edge, not end in a strip of its largest value."""
    front = np.linspace(0.4, 0.8, 180, dtype=np.float32)
    row = np.concatenate([front, np.full(180, 0.1, np.float32)])
    soft = np.asarray(cv2.GaussianBlur(row[None].repeat(240, axis=0), (0, 0), 3.0), np.float32)
    result = refine.sharpen(soft, edge_photo(180), 1.0)
    assert np.abs(result[120, :178] - front[:178]).max() < 0.05
    assert np.abs(result[120, 182:] - 0.1).max() < 0.02


def test_what_stands_before_the_sky_ends_crisply() -> None:
    mask = np.zeros((240, 360), bool)
    mask[:, 180:] = True
    result = refine.sharpen(blurred_step(), edge_photo(180), 1.0, mask)
    assert (result[:, 180:] == 0).all()
    np.testing.assert_allclose(result[:, :180], 0.7, atol=0.05)


# ---- the sky -----------------------------------------------------------------------------------------------------


def outdoors(horizon: int = 100, width: int = 240, height: int = 200) -> tuple[UInt8, Float32, np.ndarray]:
    """A blue gradient over brown noise, with a pole; the depth is soft, the sky not quite far."""
    rng = np.random.default_rng(0)
    rgb = np.empty((height, width, 3), np.uint8)
    share = np.linspace(0, 1, horizon)[:, None, None]
    rgb[:horizon] = (np.array([60, 110, 200]) * (1 - share) + np.array([170, 200, 235]) * share).astype(np.uint8)
    rgb[horizon:] = rng.integers(60, 120, (height - horizon, width, 1)) * np.array([1.0, 0.8, 0.6])
    truth = np.zeros((height, width), bool)
    truth[:horizon] = True
    pole = slice(150, 162)
    rgb[30:, pole] = (90, 60, 50)
    truth[30:, pole] = False
    depth = np.where(truth, 0.15, 0.3)
    depth[horizon:] = np.linspace(0.3, 1, height - horizon)[:, None]
    depth[30:, pole] = 0.7
    return rgb, np.asarray(cv2.GaussianBlur(depth.astype(np.float32), (0, 0), 3), np.float32), truth


def test_the_sky_is_found_with_a_crisp_outline() -> None:
    rgb, depth, truth = outdoors()
    found = sky.find(rgb, depth)
    assert found is not None
    assert (found != truth).mean() < 0.004


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_the_sky_is_found_at_any_size(scale: float) -> None:
    rgb, depth, truth = outdoors()
    size = round(240 * scale), round(200 * scale)
    rgb, depth = cv2.resize(rgb, size), cv2.resize(depth, size)
    truth = cv2.resize(truth.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    found = sky.find(np.asarray(rgb, np.uint8), np.asarray(depth, np.float32))
    assert found is not None
    assert (found != truth).mean() < 0.02


def test_clouds_belong_to_the_sky() -> None:
    rgb, depth, _ = outdoors()
    cv2.ellipse(rgb, (60, 40), (30, 12), 0, 0, 360, (240, 240, 238), -1)
    rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), 1.5), np.uint8)
    found = sky.find(rgb, depth)
    assert found is not None
    assert found[28:53, 30:91].mean() > 0.98


def test_what_is_blue_but_near_or_below_is_no_sky() -> None:
    rgb, depth, _ = outdoors()
    assert sky.find(rgb, np.full_like(depth, 0.5)) is None  # a blue wall, as near as all else
    assert sky.find(np.ascontiguousarray(rgb[::-1]), np.ascontiguousarray(depth[::-1])) is None


def test_a_white_sail_beside_the_sky_is_not_cut_out_with_it() -> None:
    """It reaches the top, and together with the sky it is far enough for one."""
    rgb, depth, _ = outdoors()
    edge, sail = np.s_[:90, 172:175], np.s_[:90, 175:]
    rgb[edge], rgb[sail] = (60, 50, 45), (232, 234, 238)
    depth[edge], depth[sail] = 0.45, 0.45
    found = sky.find(rgb, depth)
    assert found is not None
    assert not found[sail].any()
    assert found[:60, :140].mean() > 0.98


def test_a_blue_wall_behind_a_table_is_no_sky() -> None:
    """It is farther than all else, but not by as much as a sky is."""
    rgb, depth, truth = outdoors()
    assert sky.find(rgb, np.where(truth, np.float32(0.35), np.float32(0.6) + np.float32(0.4) * depth)) is None


@pytest.mark.parametrize("colour", [(225, 215, 190), (200, 200, 200), (120, 90, 60)])
def test_a_wall_is_no_sky(colour: tuple[int, int, int]) -> None:
    """In lamplight; grey and no brighter than what stands before it; brown."""
    rgb, depth, truth = outdoors()
    rgb[truth] = colour
    rgb[~truth] = np.where(rgb[~truth] > 70, 230, 190)
    assert sky.find(rgb, depth) is None


def test_black_space_is_sky_wherever_the_network_puts_it() -> None:
    rgb, depth, truth = outdoors()
    rgb[truth] = 2
    found = sky.find(rgb, np.full_like(depth, 0.5))
    assert found is not None
    assert (found != truth).mean() < 0.01


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "motorcycle_left"])
def test_photos_without_sky(photo_path: PhotoPath, name: str) -> None:
    picture = cv2.imread(str(photo_path(name)))
    assert picture is not None
    rgb = np.ascontiguousarray(picture[..., ::-1], np.uint8)
    ramp = np.linspace(0, 1, rgb.shape[0], dtype=np.float32)[:, None].repeat(rgb.shape[1], axis=1)
    assert sky.find(rgb, ramp) is None


@settings(deadline=None)
@given(maps(), st.integers(0, 9))
def test_sky_is_a_mask_or_none(depth: Float32, seed: int) -> None:
    found = sky.find(photo_for(depth.shape, seed), depth)
    assert found is None or (found.shape == depth.shape and found.dtype == np.bool_)


def test_a_picture_that_is_all_sky_is_left_alone() -> None:
    rgb = np.full((100, 150, 3), (90, 140, 220), np.uint8)
    depth = np.linspace(0, 1, 100, dtype=np.float32)[:, None].repeat(150, axis=1)
    found = sky.find(rgb, depth)
    assert found is None or found.mean() < 0.98


@given(reach=st.floats(0, 1), seed=st.integers(0, 99))
def test_what_is_flat_is_near_and_keeps_its_order(reach: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    depth = rng.random((6, 9)).astype(np.float32)
    sky = rng.random((6, 9)) < 0.2
    found = refine.nearer(np.where(sky, np.float32(0), depth), reach, sky)
    assert found.dtype == np.float32
    assert (found[sky] == 0).all()
    np.testing.assert_allclose(found[~sky], 1 - reach * (1 - depth[~sky]), atol=1e-6)
    assert refine.nearer(depth, 1.0) is depth
