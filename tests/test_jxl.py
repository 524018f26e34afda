"""JPEG XL, an extra: read like any photo where it is there, and named with its remedy where it isn't."""

from __future__ import annotations

import sys

import numpy as np
import pylibjxl
import pytest
from PIL import Image

import bad_inputs
from bad_inputs import encoded, picture
from diorama import decoding, photo
from diorama.errors import PhotoError, PhotoFormatError, PhotoTooLargeError

RGB = picture()
DATA = pylibjxl.encode(RGB, lossless=True)


def test_pixels_profile_and_camera() -> None:
    assert photo.read(DATA).rgb.tobytes() == RGB.tobytes()
    tags = Image.Exif()
    tags[0x0112] = 6  # a mere note in JPEG XL
    tags.get_ifd(0x8769)[0xA405] = 26
    result = photo.read(pylibjxl.encode(RGB, lossless=True, exif=tags.tobytes()))
    assert result.rgb.tobytes() == RGB.tobytes()
    assert result.camera.source == "exif"
    wide = photo.read(pylibjxl.encode(RGB, lossless=True, icc=bad_inputs.DISPLAY_P3))
    expected = photo.read(encoded(Image.fromarray(RGB), "PNG", icc_profile=bad_inputs.DISPLAY_P3))
    assert int(np.abs(wide.rgb.astype(int) - expected.rgb).max()) <= 1


def test_a_jpeg_that_was_packed_without_loss() -> None:
    jpeg = encoded(Image.fromarray(RGB), "JPEG", quality=95)
    result = photo.read(pylibjxl.jpeg_to_jxl(jpeg))
    assert int(np.abs(result.rgb.astype(int) - photo.read(jpeg).rgb).max()) <= 3


def test_alpha() -> None:
    alpha = np.full(RGB.shape[:2], 255, np.uint8)
    alpha[:, :9] = 0
    result = photo.read(pylibjxl.encode(np.dstack([RGB, alpha]), lossless=True))
    assert result.alpha is not None
    np.testing.assert_array_equal(result.alpha, alpha)


@pytest.mark.parametrize("length", [3, 20, 60, len(DATA) // 2])
def test_damage(length: int) -> None:
    with pytest.raises(PhotoError):
        photo.read(DATA[:length], name="cut.jxl")


def test_the_limit_holds_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 100)
    with pytest.raises(PhotoTooLargeError):
        photo.read(DATA)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylibjxl", None)
    with pytest.raises(PhotoFormatError, match="JPEG XL") as caught:
        photo.read(DATA)
    assert "pip install 'diorama-3d[jxl]'" in caught.value.hint
    assert "JPEG or PNG" in caught.value.hint


def test_heic_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(PhotoFormatError, match="pi-heif") as caught:
        photo.read(bad_inputs.LANDSCAPE)
    assert "pip install pi-heif" in caught.value.hint
