"""What the bundled networks make of pictures that are no photos, and of photos' borders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from diorama import depth, photo
from diorama.depth import bundled
from diorama.settings import Settings
from diorama.types import Camera, Photo

BUNDLED = Settings(depth="bundled", processing_size=320)


def inverse(rgb: np.ndarray) -> np.ndarray:
    return depth.estimate(Photo(rgb, Camera.assumed(rgb.shape[1], rgb.shape[0])), BUNDLED)[0].inverse_depth


def test_the_files_stay_small() -> None:
    files = bundled.shipped().files()
    assert len(files) == 2
    assert sum(path.stat().st_size for path in files) <= 12e6


@pytest.mark.parametrize("kind", ["constant", "noise", "64 px", "12 megapixels"])
def test_any_picture_has_finite_smooth_depth(kind: str) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:3000, 0:4000].astype(np.float32)
    pictures = {
        "constant": np.full((240, 320, 3), 130, np.uint8),
        "noise": rng.integers(0, 256, (240, 320, 3), np.uint8),
        "64 px": rng.integers(0, 256, (64, 64, 3), np.uint8) // 4 + 90,
        "12 megapixels": np.repeat(np.rint(60 + 0.03 * y + 0.01 * x).astype(np.uint8)[..., None], 3, axis=2),
    }
    found = inverse(pictures[kind])
    assert np.isfinite(found).all()
    steps = np.concatenate([np.abs(np.diff(found, axis=axis)).ravel() for axis in (0, 1)])
    assert steps.mean() < 0.02
    assert np.quantile(steps, 0.99) < 0.1


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_a_border_has_no_rim(name: str, photo_path: Callable[[str], Path]) -> None:
    found = depth.estimate(photo.read(photo_path(name)), BUNDLED)[0].inverse_depth
    for turned in (found, found[::-1], found.T, found.T[::-1]):
        # What goes on as it goes inside has no second difference.
        bend = turned[0] - 2 * turned[5] + turned[10]
        assert abs(float(np.median(bend))) < 0.02
        assert float(np.abs(bend).mean()) < 0.06


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_a_mirrored_photo_has_the_mirrored_map(name: str, photo_path: Callable[[str], Path]) -> None:
    rgb = photo.read(photo_path(name)).rgb
    mirrored = inverse(np.ascontiguousarray(rgb[:, ::-1]))
    assert float(np.abs(inverse(rgb) - mirrored[:, ::-1]).mean()) < 0.02


def test_a_wall_is_flat_and_a_table_is_not(photo_path: Callable[[str], Path]) -> None:
    def span(rgb: np.ndarray) -> float:
        return float(np.ptp(np.percentile(inverse(rgb), (1, 99))))

    wall = skimage.data.brick()
    assert span(np.dstack([wall] * 3)) < 0.5
    assert span(photo.read(photo_path("coffee")).rgb) > 0.8


def test_reach_is_the_span_up_to_all_of_it() -> None:
    ramp = np.linspace(0, 1, 1000, dtype=np.float32)[None]
    assert bundled.reach(0.1 * ramp) == pytest.approx(0.1 / bundled.FULL_REACH, rel=0.02)
    assert bundled.reach(3 + ramp) == 1.0
    assert bundled.reach(0 * ramp) == 0.0


def test_the_second_network_is_a_second_opinion() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    both = bundled.predict(rgb)
    alone = bundled.predict(rgb, bundled.Networks(bundled.shipped().own))
    assert both.shape == alone.shape
    assert 0.3 < np.corrcoef(both.ravel(), alone.ravel())[0, 1] < 0.9999
