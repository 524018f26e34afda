"""PNG files are what others read them as."""

from __future__ import annotations

import sys
from io import BytesIO

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from diorama import png


def read(data: bytes) -> np.ndarray:
    """By OpenCV, as RGB."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found[..., ::-1] if found.ndim == 3 else found


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([(), (3,)]), st.sampled_from([np.uint8, np.uint16]))
def test_pixels_come_back(height: int, width: int, channels: tuple[int, ...], kind: type) -> None:
    rng = np.random.default_rng(height * 64 + width)
    pixels: np.ndarray = rng.integers(0, np.iinfo(kind).max + 1, (height, width, *channels)).astype(kind)
    found = read(png.encode(pixels))
    assert found.dtype == kind
    assert np.array_equal(found, pixels)


def test_pictures_larger_than_a_band_and_views_come_back() -> None:
    y, x = np.mgrid[0:900, 0:1300]
    wide = np.stack([y % 256, x % 256, (x * y // 97) % 256], axis=-1).astype(np.uint8)
    assert wide.nbytes > 2 * png._BAND
    assert np.array_equal(read(png.encode(wide)), wide)
    assert np.array_equal(read(png.encode(wide[::2, ::-1])), wide[::2, ::-1])
    assert len(png.encode(wide)) < 0.3 * wide.nbytes


def test_texts_are_kept() -> None:
    texts = {"scale": "0.25", "Author": "J\u00fcrg"}
    with Image.open(BytesIO(png.encode(np.zeros((2, 3), np.uint16), texts))) as opened:
        assert opened.text == texts  # type: ignore[attr-defined]


def test_without_isal_zlib_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (50, 60, 3), np.uint8)
    by_isal = png.encode(pixels)
    monkeypatch.setitem(sys.modules, "isal", None)
    by_zlib = png.encode(pixels)
    assert by_zlib != by_isal
    assert np.array_equal(read(by_zlib), pixels)
