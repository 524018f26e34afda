"""HEIC files that lie about their coding or are damaged: found out before a decoder makes room by the lie."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phone_files as phones
from bad_inputs import LANDSCAPE, picture
from diorama import boxes, hevc, photo
from diorama.errors import PhotoError

DATA = LANDSCAPE.read_bytes()
RGB = picture(256, 192)
RAMP = np.tile(np.linspace(0, 255, 128).astype(np.uint8), (96, 1))
NOTES = phones.apple_notes(0.5, 2.5)


def test_the_parameters_of_a_real_stream() -> None:
    contents = boxes.parse(DATA)
    item = contents.items[contents.primary]
    configuration = dict(item.properties)["hvcC"]
    hevc.check(configuration, contents.payload(contents.primary))
    (unit,) = (unit for unit in hevc._configured(configuration) if hevc._is_sps(unit))
    assert hevc.parameters(unit) == hevc.Format(1, 8, 8)
    assert item.size == (96, 64)


@pytest.mark.needs("heif-enc")
@pytest.mark.parametrize(("options", "chroma", "bits"), [(("-p", "chroma=444"), 3, 8), (("-b", "10"), 1, 10)])
def test_the_parameters_of_other_kinds(options: tuple[str, ...], chroma: int, bits: int) -> None:
    pixels = RGB.astype(np.uint16) * 257 if bits > 8 else RGB
    data = phones.heic(pixels, "-q", "95", *options)
    configuration = phones.find_box(data, b"hvcC")[8:]
    said = [hevc.parameters(unit) for unit in hevc._configured(configuration) if hevc._is_sps(unit)]
    assert said == [hevc.Format(chroma, bits, bits)]
    result = photo.read(data)
    assert float(np.abs(result.rgb.astype(int) - RGB).mean()) < 3


def lying(data: bytes, which: int, offset: int, value: int) -> bytes:
    """Another byte in the `which`-th configuration of a file."""
    at = -1
    for _ in range(which + 1):
        at = data.index(b"hvcC", at + 1)
    at += 4 + offset
    return data[:at] + bytes([value]) + data[at + 1 :]


@pytest.mark.parametrize(("offset", "value"), [(16, 0xFC), (16, 0xFF), (17, 0xFF), (18, 0xFA)])
def test_a_picture_that_is_coded_otherwise_than_said(offset: int, value: int) -> None:
    with pytest.raises(PhotoError, match="isn't what the file says"):
        photo.read(lying(DATA, 0, offset, value))


@pytest.mark.needs("heif-enc")
@pytest.mark.parametrize(("offset", "value"), [(16, 0xFD), (17, 0xFF)])
def test_depth_that_is_coded_otherwise_than_said_is_a_warning(offset: int, value: int) -> None:
    result = photo.read(lying(phones.portrait(RGB, RAMP, NOTES), 1, offset, value))
    assert result.embedded is None
    assert "isn't what the file says" in result.warnings[0]


@pytest.mark.needs("heif-enc")
def test_a_tile_that_is_coded_otherwise_than_said() -> None:
    with pytest.raises(PhotoError, match="isn't what the file says"):
        photo.read(lying(phones.portrait(RGB, RAMP, NOTES, tiled=True), 2, 17, 0xFF))


def test_other_codings_are_not_decoded() -> None:
    with pytest.raises(PhotoError, match="coded in a way that is not read"):
        photo.read(DATA.replace(b"hvc1", b"unci"))


@settings(max_examples=200)
@given(
    changes=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.one_of(st.just(0), st.integers(0, len(DATA))),
)
def test_any_damage_gives_a_photo_or_a_photo_error(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(DATA)
    for at, value in changes:
        data[at % len(data)] = value
    with contextlib.suppress(PhotoError):
        photo.read(bytes(data[: len(data) - cut]))


@given(st.binary(max_size=300))
def test_any_parameters_are_read_or_refused(unit: bytes) -> None:
    with contextlib.suppress(ValueError):
        hevc.parameters(unit)


@given(st.binary(max_size=400), st.sampled_from([b"", b"\0\0\0\x18ftypheic" + bytes(12)]))
def test_any_table_of_contents_is_read_or_refused(data: bytes, head: bytes) -> None:
    with contextlib.suppress(ValueError):
        boxes.parse(head + phones.box(b"meta", bytes(4), data))
