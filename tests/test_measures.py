"""What is measured of a picture's flaws: known ones are read back, and clean pictures have none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import PhotoPath
from diorama import measures
from diorama.types import UInt8


@pytest.fixture(scope="module")
def photo(photo_path: PhotoPath) -> UInt8:
    return _photo(photo_path, "coffee")


@pytest.fixture(scope="module")
def neutral(photo_path: PhotoPath) -> UInt8:
    """A photo with grey things in it."""
    return _photo(photo_path, "astronaut")


def _photo(photo_path: PhotoPath, name: str) -> UInt8:
    with Image.open(photo_path(name)) as opened:
        return np.asarray(opened.convert("RGB").resize((450, 300), Image.Resampling.LANCZOS))


def noisy(rgb: UInt8, sigma: float, seed: int = 0) -> UInt8:
    grain = np.random.default_rng(seed).normal(0, sigma, rgb.shape)
    return np.clip(np.rint(rgb + grain), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sigma", [4, 10, 20])
def test_noise_is_read_back(photo: UInt8, sigma: float) -> None:
    assert measures.noise(photo) < 2
    assert measures.noise(noisy(photo, sigma)) == pytest.approx(sigma, rel=0.15)


@settings(max_examples=8)
@given(st.floats(2, 25), st.integers(0, 99))
def test_noise_on_a_plain_picture(sigma: float, seed: int) -> None:
    plain = np.full((96, 96, 3), 128, np.uint8)
    assert measures.noise(plain) == 0
    assert measures.noise(noisy(plain, sigma, seed)) == pytest.approx(np.hypot(sigma, 0.29), rel=0.12)


def test_only_what_counts_is_measured(photo: UInt8) -> None:
    half = np.zeros(photo.shape[:2], bool)
    half[:, : photo.shape[1] // 2] = True
    mixed = np.where(half[..., None], photo, noisy(photo, 15))
    assert measures.noise(mixed, half) < 2
    assert measures.noise(mixed, ~half) > 12
    nothing = np.zeros_like(half)
    assert measures.noise(photo, nothing) == 0
    assert measures.blur(photo, nothing) == 0
    assert measures.cast(photo, nothing) == pytest.approx((0, 0), abs=0.1)
    assert measures.tone(photo, nothing).exponent == 0


def test_blur_grows_with_the_blur(photo: UInt8) -> None:
    found = [measures.blur(photo)] + [measures.blur(cv2.GaussianBlur(photo, (0, 0), s)) for s in (1, 1.5, 2, 3)]
    assert found == sorted(found)
    assert found[-1] == pytest.approx(3, abs=0.6)
    assert measures.blur(np.full((40, 40, 3), 90, np.uint8)) == 0


@pytest.mark.parametrize("sigma", [0.8, 1.5, 2.5])
def test_blur_of_a_step(sigma: float) -> None:
    step = np.full((80, 80, 3), 60, np.uint8)
    step[:, 40:] = 190
    blurred = cv2.GaussianBlur(step, (0, 0), sigma)
    assert measures.blur(blurred) == pytest.approx(np.hypot(sigma, 0.4), abs=0.25)


@pytest.mark.parametrize("light", [(1.25, 1, 0.8), (0.8, 1, 1.2), (1, 1.15, 1), (1, 0.85, 1)])
def test_a_tint_moves_the_cast_its_own_way(neutral: UInt8, light: tuple[float, float, float]) -> None:
    linear = np.clip(measures.to_linear(neutral) * light, 0, 1)
    tinted = np.rint(measures.to_srgb(linear) * 255).astype(np.uint8)
    moved = np.subtract(measures.cast(tinted), measures.cast(neutral))
    wanted = np.array(measures.cast_of(light))
    # Estimates on both sides of white say nothing, so a part of a small tint goes unseen.
    assert moved @ wanted > 0.6 * wanted @ wanted


def test_grey_has_no_cast() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(20, axis=0)
    assert measures.cast(ramp) == pytest.approx((0, 0), abs=0.1)
    assert measures.cast_of((1, 1, 1)) == pytest.approx((0, 0), abs=0.1)


def test_srgb_and_back() -> None:
    values = np.arange(256)
    assert np.rint(measures.to_srgb(measures.to_linear(values)) * 255).tolist() == values.tolist()


@pytest.mark.parametrize("gamma", [0.6, 1.6])
def test_a_curve_moves_the_tone_by_its_exponent(photo: UInt8, gamma: float) -> None:
    curved = np.rint(255 * (photo / 255) ** gamma).astype(np.uint8)
    assert measures.tone(curved).exponent - measures.tone(photo).exponent == pytest.approx(-np.log2(gamma), abs=0.2)
