"""Panoramas and fisheyes: refused where the file says so, a warning where they only look like it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import phone_files as phones
from bad_inputs import encoded, picture, xmp_jpeg
from diorama import photo, projection
from diorama.errors import PhotoError
from diorama.settings import Settings

LENS_MODEL, CUSTOM_RENDERED = 0xA434, 0xA401


def jpeg(tags: dict[int, object] | None = None, pixels: np.ndarray | None = None) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(tags or {})
    return encoded(Image.fromarray(picture() if pixels is None else pixels), "JPEG", quality=95, exif=exif)


@pytest.mark.parametrize(
    ("kind", "said"), [("equirectangular", "360°"), ("cylindrical", "cylindrical"), ("Fisheye", "fisheye")]
)
@pytest.mark.parametrize("attribute", [True, False])
def test_gpano(kind: str, said: str, attribute: bool) -> None:
    name = 'xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"'
    description = (
        f'<rdf:Description {name} GPano:ProjectionType="{kind}"/>'
        if attribute
        else f"<rdf:Description {name}><GPano:ProjectionType>{kind}</GPano:ProjectionType></rdf:Description>"
    )
    with pytest.raises(PhotoError, match=said) as caught:
        photo.read(xmp_jpeg(jpeg(), phones.packet(description)))
    assert "cut a part" in caught.value.hint


def test_an_ordinary_projection_is_none_to_refuse() -> None:
    name = 'xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"'
    said = phones.packet(f'<rdf:Description {name} GPano:ProjectionType="rectilinear"/>')
    assert not photo.read(xmp_jpeg(jpeg(), said)).warnings


def test_an_iphones_panorama() -> None:
    with pytest.raises(PhotoError, match="is a panorama"):
        photo.read(jpeg({CUSTOM_RENDERED: 6}))
    photo.read(jpeg({CUSTOM_RENDERED: 8}))  # portrait


@pytest.mark.parametrize("lens", ["EF8-15mm f/4L FISHEYE USM", "AF DX Fisheye-Nikkor 10.5mm", "8mm Fish-Eye"])
def test_a_fisheye_lens(lens: str) -> None:
    with pytest.raises(PhotoError, match="bends straight lines") as caught:
        photo.read(jpeg({LENS_MODEL: lens}))
    assert "--fov" in caught.value.hint
    assert photo.read(jpeg({LENS_MODEL: lens}), Settings(fov=90)).camera.source == "user"


def test_other_lenses_pass() -> None:
    photo.read(jpeg({LENS_MODEL: "iPhone 15 Pro back triple camera 6.765mm f/1.78"}))


@pytest.mark.needs("heif-enc", "exiftool")
def test_a_heic_panorama(tmp_path: Path) -> None:
    path = tmp_path / "pano.heic"
    path.write_bytes(phones.heic(picture(256, 192), "-q", "90"))
    phones.exiftool(path, "-XMP-GPano:ProjectionType=equirectangular")
    with pytest.raises(PhotoError, match="360°"):
        photo.read(path)


def test_what_looks_like_a_panorama_is_a_warning() -> None:
    assert "panorama" in photo.read(picture(1000, 200)).warnings[0]
    assert "panorama" in photo.read(picture(200, 1000)).warnings[0]
    assert not photo.read(picture(480, 200)).warnings  # a film's frame
    assert not photo.read(picture(1000, 100)).warnings  # a strip


def disc(width: int, height: int, radius: float, inside: int = 150) -> np.ndarray:
    x, y = np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2
    shape = np.hypot(x, y[:, None]) < radius
    noise = np.random.default_rng(0).integers(0, 10, (height, width, 3))
    return np.where(shape[..., None], inside - 10 * noise // 2, noise).astype(np.uint8)


def test_what_looks_like_a_fisheyes_picture_is_a_warning() -> None:
    assert projection.suspicions(disc(400, 400, 200))
    assert projection.suspicions(disc(600, 400, 200))
    assert not projection.suspicions(disc(400, 400, 120))  # a ball in the dark
    assert not projection.suspicions(disc(400, 400, 200, inside=60) // 2)
    assert not projection.suspicions(picture(400, 400))
    assert not projection.suspicions(np.zeros((400, 400, 3), np.uint8))
