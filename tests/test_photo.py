"""Reading photos: colours, orientation, depth of colour, alpha, limits, the camera; and never another error."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import struct
import warnings as python_warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

import bad_inputs
import phone_files
from bad_inputs import BadInput, encoded, picture
from diorama import colour, decoding, photo
from diorama.errors import PhotoError, PhotoFormatError, PhotoTooLargeError
from diorama.settings import Settings
from diorama.types import ASSUMED_FOV_DEGREES, Photo

RGB = picture()
IMAGE = Image.fromarray(RGB)


def difference(result: Photo, expected: np.ndarray[Any, Any] = RGB) -> float:
    assert result.rgb.shape == expected.shape
    return float(np.abs(result.rgb.astype(int) - expected.astype(int)).max())


# ---- the corpus ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", bad_inputs.photos(), ids=str)
def test_photo_in_an_awkward_coat(bad: BadInput) -> None:
    result = photo.read(bad.data, name=bad.filename)
    assert (result.width, result.height) == bad.size
    assert (result.alpha is not None) == bad.alpha
    assert bool(result.warnings) == bool(bad.warning)
    assert bad.warning in " ".join(result.warnings)
    assert result.sha256 == hashlib.sha256(bad.data).hexdigest()
    assert result.name == bad.filename


@pytest.mark.parametrize("bad", bad_inputs.refused(), ids=str)
def test_refused(bad: BadInput) -> None:
    with pytest.raises(PhotoError) as caught:
        photo.read(bad.data, name=bad.filename)
    assert type(caught.value) is bad.error
    assert bad.filename in caught.value.message
    assert caught.value.hint.endswith(".")


def test_bombs_are_refused_before_they_are_decoded() -> None:
    import tracemalloc

    data = bad_inputs.named("png-bomb").data
    tracemalloc.start()
    with pytest.raises(PhotoTooLargeError, match="30000 x 30000"):
        photo.read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 << 20


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damage_gives_a_photo_or_a_photo_error(data: st.DataObject) -> None:
    small = [bad for bad in bad_inputs.corpus() if 2 < len(bad.data) < 50_000]
    content = bytearray(data.draw(st.sampled_from(small)).data)
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(3, len(content)))]
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")  # Pillow's about odd tags
        with contextlib.suppress(PhotoError):
            assert isinstance(photo.read(bytes(content)), Photo)


# ---- colours ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file_format", "options", "limit"),
    [("PNG", {}, 0), ("BMP", {}, 0), ("TIFF", {}, 0), ("TIFF", {"compression": "tiff_lzw"}, 0),
     ("WEBP", {"lossless": True}, 0), ("JPEG", {"quality": 98, "subsampling": 0}, 16), ("GIF", {}, 2)],
)  # fmt: skip
def test_formats(file_format: str, options: dict[str, Any], limit: float) -> None:
    result = photo.read(encoded(IMAGE, file_format, **options))
    assert difference(result) <= limit
    assert result.alpha is None
    assert result.rgb.flags.c_contiguous


@pytest.mark.parametrize("name", ["png-16-bit", "tiff-16-bit", "tiff-16-bit-deflate", "tiff-float", "wrong-ending"])
def test_deep_colours_keep_their_values(name: str) -> None:
    assert difference(photo.read(bad_inputs.named(name).data)) <= 1


@pytest.mark.parametrize("name", ["png-16-bit-grey", "grey-alpha"])
def test_grey_keeps_its_values(name: str) -> None:
    grey = np.asarray(IMAGE.convert("L"))[..., None]
    assert difference(photo.read(bad_inputs.named(name).data), np.repeat(grey, 3, axis=2)) == 0


def test_sixteen_bits_are_scaled_not_cut_off() -> None:
    ramp = np.linspace(0, 65535, 256 * 32).astype(np.uint16).reshape(32, 256)
    expected = np.round(ramp / 257)
    for data in (bad_inputs.png16(ramp), bad_inputs.tiff(ramp), bad_inputs.tiff(ramp, byteorder=">")):
        assert np.abs(photo.read(data).rgb[..., 1] - expected).max() == 0
    for data in (bad_inputs.png16(np.dstack([ramp] * 3)), bad_inputs.tiff(np.dstack([ramp] * 3), photometric="rgb")):
        assert np.abs(photo.read(data).rgb[..., 1] - expected).max() <= 1


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_is_inverted_only_where_the_file_says_so(adobe: bool) -> None:
    inks = IMAGE.convert("CMYK")
    data = encoded(inks, "JPEG", quality=98, subsampling=0)
    if not adobe:  # no mark and inks as they are: what programs other than Adobe's write
        inverted = Image.frombytes("CMYK", inks.size, bytes(255 - b for b in inks.tobytes()))
        data = encoded(inverted, "JPEG", quality=98, subsampling=0)
        start = data.index(b"\xff\xeeAdobe"[:2])
        data = data[:start] + data[start + 2 + struct.unpack(">H", data[start + 2 : start + 4])[0] :]
    assert difference(photo.read(data)) <= 12


def test_transparent_palette_and_colour_keys() -> None:
    keyed = encoded(IMAGE, "PNG", transparency=tuple(int(v) for v in RGB[0, 0]))
    for data in (bad_inputs.named("palette-transparent").data, keyed):
        result = photo.read(data)
        assert result.alpha is not None
        np.testing.assert_array_equal(result.alpha == 0, (RGB[0, 0] == RGB).all(axis=2))
    grey = (np.asarray(IMAGE.convert("L")).astype(np.uint16) * 257).byteswap()
    rows = np.concatenate([np.zeros((len(grey), 1), np.uint8), grey.view(np.uint8)], axis=1)
    key = bad_inputs.chunk(b"tRNS", grey[:1, 0].tobytes())
    deep = photo.read(bad_inputs.png(*IMAGE.size, 16, 0, zlib.compress(rows.tobytes()), key))
    assert deep.alpha is not None
    np.testing.assert_array_equal(deep.alpha == 0, grey == grey[0, 0])


def test_alpha_is_none_where_all_is_opaque() -> None:
    opaque = IMAGE.convert("RGBA")
    assert photo.read(encoded(opaque, "PNG")).alpha is None
    assert photo.read(opaque).alpha is None


def test_one_bit() -> None:
    values = set(np.unique(photo.read(bad_inputs.named("1-bit").data).rgb))
    assert values == {0, 255}


@pytest.mark.parametrize(("profile", "name"), [(bad_inputs.DISPLAY_P3, "P3"), (bad_inputs.WIDE_GAMUT, "wide")])
def test_profile_is_converted_to_srgb(profile: bytes, name: str) -> None:
    grey = np.full((8, 8, 3), 128, np.uint8)
    green = np.tile(np.array([100, 200, 100], np.uint8), (8, 8, 1))
    assert difference(photo.read(encoded(Image.fromarray(grey), "PNG", icc_profile=profile)), grey) <= 3, name
    shown = photo.read(encoded(Image.fromarray(green), "PNG", icc_profile=profile)).rgb[0, 0].astype(int)
    assert shown[0] < 85  # a wider green is a purer green in sRGB: less red
    assert shown[1] >= 199


def test_profile_with_alpha_and_grey_keeps_alpha() -> None:
    cut_out = Image.fromarray(np.dstack([RGB, np.full(RGB.shape[:2], 99, np.uint8)]))
    result = photo.read(encoded(cut_out, "PNG", icc_profile=bad_inputs.DISPLAY_P3))
    assert result.alpha is not None
    assert set(np.unique(result.alpha)) == {99}
    grey = photo.read(encoded(IMAGE.convert("L"), "JPEG", quality=98, icc_profile=bad_inputs.DISPLAY_P3))
    assert grey.warnings == ()
    assert int(np.ptp(grey.rgb.astype(int), axis=2).max()) <= 2


def test_grey_profile() -> None:
    grey = IMAGE.convert("L")
    linear = bad_inputs.grey_profile(1.0)
    light = np.asarray(grey)[..., None] / 255
    expected = np.repeat(
        np.where(light < 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255, 3, axis=2
    )
    for image in (grey, Image.merge("LA", (grey, grey))):
        result = photo.read(encoded(image, "PNG", icc_profile=linear))
        assert np.abs(result.rgb - expected).max() <= 2
        assert result.warnings == ()
    assert "profile" in photo.read(encoded(IMAGE, "PNG", icc_profile=linear)).warnings[0]


def test_srgb_profile_changes_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    result = photo.read(encoded(IMAGE, "PNG", icc_profile=srgb))
    assert difference(result) == 0
    assert result.warnings == ()


def test_profile_of_another_kind_of_picture_is_said_and_ignored() -> None:
    result = photo.read(encoded(IMAGE.convert("CMYK"), "TIFF", icc_profile=bad_inputs.DISPLAY_P3))
    assert "profile" in result.warnings[0]
    assert difference(result) <= 2


def test_lab_tiff() -> None:
    lab = ImageCms.profileToProfile(
        IMAGE, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    assert difference(photo.read(encoded(lab, "TIFF"))) <= 8


# ---- orientation -----------------------------------------------------------------------------------------------------


def corners(rgb: np.ndarray[Any, Any]) -> list[str]:
    """What stands in the four corners, clockwise from the top left."""
    names = []
    for y, x in ((3, 3), (3, -4), (-4, -4), (-4, 3)):
        near = {n: np.abs(rgb[y, x].astype(int) - c).max() for n, c in bad_inputs.CORNERS.items()}
        best = min(near, key=lambda n: near[n])
        names.append(best if near[best] < 30 else "none")
    return names


UPRIGHT = ["top left", "top right", "none", "bottom left"]


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation: int, file_format: str) -> None:
    # How the stored pixels must have been turned for the tag to turn them back.
    t = Image.Transpose
    stored = {1: None, 2: t.FLIP_LEFT_RIGHT, 3: t.ROTATE_180, 4: t.FLIP_TOP_BOTTOM, 5: t.TRANSPOSE, 6: t.ROTATE_90,
              7: t.TRANSVERSE, 8: t.ROTATE_270}[orientation]  # fmt: skip
    image = IMAGE if stored is None else IMAGE.transpose(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    result = photo.read(encoded(image, file_format, exif=exif))
    assert (result.width, result.height) == IMAGE.size
    assert corners(result.rgb) == UPRIGHT


def test_alpha_turns_with_the_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    alpha = np.zeros(RGB.shape[:2], np.uint8)
    alpha[0] = 255
    result = photo.read(encoded(Image.fromarray(np.dstack([RGB, alpha])), "PNG", exif=exif))
    assert result.alpha is not None
    assert result.alpha.shape == (bad_inputs.WIDTH, bad_inputs.HEIGHT)
    assert result.alpha[:, -1].all()
    assert not result.alpha[:, 0].any()


def test_float_tiff_is_turned_and_its_profile_used() -> None:
    tags = [(274, "H", 1, 6, True), (34675, "B", len(bad_inputs.DISPLAY_P3), bad_inputs.DISPLAY_P3, True)]
    data = bad_inputs.tiff((RGB / 255).astype(np.float32), photometric="rgb", extratags=tags)
    result = photo.read(data)
    assert (result.width, result.height) == (bad_inputs.HEIGHT, bad_inputs.WIDTH)
    assert difference(Photo(np.rot90(result.rgb).copy(), photo.read(IMAGE).camera)) > 3


@pytest.mark.parametrize("value", [0, 9, 700])
def test_nonsense_orientation_is_ignored(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert corners(photo.read(encoded(IMAGE, "PNG", exif=exif)).rgb) == UPRIGHT


def test_damaged_exif_is_said() -> None:
    result = photo.read(encoded(IMAGE, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"))
    assert result.camera.source == "assumed"
    broken = photo.read(encoded(IMAGE, "PNG", exif=b"Exif\0\0nonsense"))
    assert "EXIF" in broken.warnings[0]


# ---- TIFFs that Pillow does not read ---------------------------------------------------------------------------------


def test_tiff_kinds() -> None:
    plain = (RGB / 255).astype(np.float64)
    planar = bad_inputs.tiff(np.moveaxis(plain, 2, 0), photometric="rgb", planarconfig="separate")
    assert difference(photo.read(planar)) == 0
    grey = np.asarray(IMAGE.convert("L"))
    expected = np.dstack([grey] * 3)
    assert difference(photo.read(bad_inputs.tiff((grey / 255).astype(np.float32))), expected) == 0
    assert difference(photo.read(bad_inputs.tiff(grey.astype(np.uint32) * 0x01010101)), expected) == 0
    inverted = bad_inputs.tiff(((255 - grey) / 255).astype(np.float64), photometric="miniswhite")
    assert difference(photo.read(inverted), expected) <= 1
    with_alpha = np.dstack([plain, np.full(grey.shape, 0.5)])
    result = photo.read(bad_inputs.tiff(with_alpha, photometric="rgb", extrasamples=["unassalpha"]))
    assert difference(result) == 0
    assert result.alpha is not None
    pages = io.BytesIO()
    tifffile.imwrite(pages, np.stack([plain, plain]), photometric="rgb")
    assert "first" in photo.read(pages.getvalue()).warnings[0]


def test_tiff_of_signed_numbers_is_refused_with_the_reason() -> None:
    with pytest.raises(PhotoError, match="int16"):
        photo.read(bad_inputs.tiff(RGB[..., 0].astype(np.int16)))


def test_tiff_too_large_for_tifffile() -> None:
    data = bytearray(bad_inputs.tiff(np.zeros((64, 64, 3), np.float32), photometric="rgb"))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        for code in (256, 257):
            entry = file.pages.first.tags[code].offset
            data[entry + 2 : entry + 4] = struct.pack("<H", 4)
            data[entry + 8 : entry + 12] = struct.pack("<I", 30_000)
    with pytest.raises(PhotoTooLargeError):
        photo.read(bytes(data))


# ---- sources ---------------------------------------------------------------------------------------------------------


def test_sources_agree(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(encoded(IMAGE, "PNG"))
    sources: list[Any] = [
        path,
        str(path),
        path.read_bytes(),
        bytearray(path.read_bytes()),
        IMAGE,
        Image.open(path),
        RGB,
    ]
    for source in sources:
        result = photo.read(source)
        assert difference(result) == 0
        assert len(result.sha256) == 64
    assert photo.read(path).name == "one.png"
    assert photo.read(Image.open(path)).name == "one.png"
    assert photo.read(RGB).name == "photo"


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (RGB, RGB),
        (RGB.astype(np.uint16) * 257, RGB),
        (RGB / 255, RGB),
        ((RGB / 255).astype(np.float16), RGB),
        (RGB[..., 0], np.dstack([RGB[..., 0]] * 3)),
        (RGB[..., :1], np.dstack([RGB[..., 0]] * 3)),
        (RGB[..., 0] > 120, np.dstack([(RGB[..., 0] > 120) * 255] * 3)),
        (RGB[:, ::-1], RGB[:, ::-1]),
        (np.asfortranarray(RGB), RGB),
    ],
)
def test_arrays(array: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    result = photo.read(array)
    assert difference(result, expected) == 0
    assert result.warnings == ()
    assert not np.may_share_memory(result.rgb, array)


def test_array_with_alpha() -> None:
    alpha = np.arange(RGB[..., 0].size, dtype=np.uint8).reshape(RGB.shape[:2])
    for array in (np.dstack([RGB, alpha]), np.dstack([RGB[..., 0], alpha])):
        result = photo.read(array)
        assert result.alpha is not None
        np.testing.assert_array_equal(result.alpha, alpha)
        assert not np.may_share_memory(result.alpha, array)


def test_floats_beyond_one() -> None:
    bright = photo.read(RGB.astype(np.float32))  # 0..255, a common mistake
    assert "instead of 1" in bright.warnings[0]
    assert difference(bright) <= 70
    overshoot = RGB / 255
    overshoot[0, 0] = 1.02  # as resampling leaves it
    assert difference(photo.read(overshoot), np.where(overshoot > 1, 255, RGB)) == 0
    holes = RGB / 255
    holes[2, 2] = np.nan
    holes[2, 3] = np.inf
    result = photo.read(holes)
    assert "NaN" in result.warnings[0]
    assert not result.rgb[2, 2:4].any()


@pytest.mark.parametrize(
    "array",
    [np.zeros((0, 5, 3), np.uint8), np.zeros((4, 5, 5), np.uint8), np.zeros(9, np.uint8), np.zeros((4, 4), np.int64),
     np.zeros((4, 4), np.complex64), np.zeros((2, 4, 4, 3), np.uint8)],
)  # fmt: skip
def test_arrays_that_are_no_photo(array: np.ndarray[Any, Any]) -> None:
    with pytest.raises(PhotoError):
        photo.read(array)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F"]
)
def test_pil_modes(mode: str) -> None:
    source = IMAGE.convert("LA" if mode == "La" else "RGBA" if mode in ("RGBa", "PA") else "RGB").convert(
        "L" if mode in ("I", "F") else mode
    )
    if mode == "I":
        source = Image.fromarray(np.asarray(source).astype(np.int32) * 257)
    if mode == "F":
        source = Image.fromarray(np.asarray(source).astype(np.float32) / 255)
    result = photo.read(source)
    grey = mode in ("1", "L", "LA", "La", "I", "F")
    plain = source if mode in ("1", "P", "PA") else IMAGE.convert("L" if grey else "RGB")
    assert np.abs(result.rgb.astype(int) - np.asarray(plain.convert("RGB"))).mean() < 2


def test_damaged_pil_image_is_a_photo_error() -> None:
    lazy = Image.open(io.BytesIO(bad_inputs.named("jpeg-truncated").data))
    with pytest.raises(PhotoError, match="damaged: the file ends before the picture does"):
        photo.read(lazy)


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="no file"):
        photo.read(tmp_path / "gone.jpg")
    with pytest.raises(PhotoError, match="folder"):
        photo.read(tmp_path)
    with pytest.raises(PhotoError, match="can't be read"):
        photo.read("a\0b.jpg")
    with pytest.raises(PhotoError, match="can't be read"):
        photo.read(Path("x" * 5000))


def test_no_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(colour, "to_srgb", full)
    with pytest.raises(PhotoTooLargeError, match="memory"):
        photo.read(encoded(IMAGE, "PNG"))


# ---- limits ----------------------------------------------------------------------------------------------------------


def test_limits_on_bytes_and_pixels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = encoded(IMAGE, "PNG")
    path = tmp_path / "big.png"
    path.write_bytes(data)
    monkeypatch.setattr(decoding, "MAX_BYTES", len(data))
    assert photo.read(path).width == bad_inputs.WIDTH
    monkeypatch.setattr(decoding, "MAX_BYTES", len(data) - 1)
    for source in (path, data):
        with pytest.raises(PhotoTooLargeError, match="MB"):
            photo.read(source)
    monkeypatch.undo()
    monkeypatch.setattr(decoding, "MAX_PIXELS", IMAGE.width * IMAGE.height - 1)
    for source in (path, data, IMAGE, RGB):
        with pytest.raises(PhotoTooLargeError, match="megapixels"):
            photo.read(source)


def test_pillows_own_limit_neither_applies_nor_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    tall = Image.fromarray(picture(96, 640))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 96 * 64)
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("error")
        for file_format in ("PNG", "JPEG", "BMP"):  # 179 megapixels in one strip of a TIFF stay its own limit
            assert photo.read(encoded(tall, file_format)).height == 640
    assert Image.MAX_IMAGE_PIXELS == 96 * 64


def test_gif_frame_larger_than_its_screen() -> None:
    data = bytearray(encoded(IMAGE, "GIF"))
    frame = data.index(b"\x2c", 13 + 3 * 2 ** ((data[10] & 7) + 1))
    data[frame + 5 : frame + 9] = struct.pack("<HH", 65_535, 65_535)
    with pytest.raises(PhotoTooLargeError):
        photo.read(bytes(data))


@pytest.mark.parametrize(("start", "kind"), [
    (b"\0\0\0\x18ftypmp42", "film"), (b"\0\0\0\x18ftypcrx ", "camera"), (b"%PDF-1.7", "PDF"), (b"8BPS", "Photoshop"),
])  # fmt: skip
def test_other_formats_are_named(start: bytes, kind: str) -> None:
    with pytest.raises(PhotoFormatError, match=kind):
        photo.read(start + bytes(50))


# ---- names and examples ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [("a.jpg", "a.jpg"), ("../../etc/passwd", "passwd"), ("C:\\photos\\b.png", "b.png"), ("..", "photo"),
     ("/", "photo"), ("\x1b[31mred\x07.jpg", "[31mred.jpg"), ("evil\u202egpj.exe", "evilgpj.exe"), ("", "photo"),
     ("\n\t", "photo"), ("写真.jpg", "写真.jpg"), (".hidden.jpg", "hidden.jpg")],
)  # fmt: skip
def test_names(given_name: str, shown: str) -> None:
    assert photo.read(RGB, name=given_name).name == shown


def test_long_names_keep_their_ending() -> None:
    name = photo.clean_name("x" * 4000 + ".jpeg")
    assert len(name) == photo.MAX_NAME
    assert name.endswith(".jpeg")


@pytest.mark.parametrize("name", photo.EXAMPLES)
def test_examples(name: str) -> None:
    assert min(photo.read(photo.example(name)).rgb.shape[:2]) >= 300


def test_unknown_example(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PhotoError, match="nobody"):
        photo.example("nobody")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(PhotoError, match="not here"):
        photo.example("coffee")


# ---- the camera ------------------------------------------------------------------------------------------------------


def with_exif(width: int = 96, height: int = 64, /, *, orientation: int = 1, **tags: Any) -> bytes:
    numbers = {"film": 0xA405, "focal": 0x920A, "width": 0xA002, "height": 0xA003, "plane": 0xA20E, "unit": 0xA210}
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x8769] = {numbers[name]: value for name, value in tags.items()}
    return encoded(Image.fromarray(picture(width, height)), "JPEG", exif=exif)


def test_focal_length_on_film() -> None:
    camera = photo.read(with_exif(360, 240, film=50)).camera
    assert camera.source == "exif"
    assert camera.fx == camera.fy == pytest.approx(500, rel=1e-4)  # 36 mm are 360 px
    turned = photo.read(with_exif(360, 240, orientation=6, film=50)).camera
    assert (turned.width, turned.height) == (240, 360)
    assert turned.fx == pytest.approx(500, rel=1e-4)


def test_focal_length_and_sensor() -> None:
    # 8 mm lens, 100 px a mm: 800 px on the picture of 900 px as taken, a third of that here
    camera = photo.read(with_exif(300, 200, focal=8.0, plane=1000.0, unit=3, width=900, height=600)).camera
    assert camera.source == "exif"
    assert camera.fx == pytest.approx(800 / 3)
    inches = photo.read(with_exif(300, 200, focal=8.0, plane=2540.0)).camera
    assert inches.fx == pytest.approx(800)


@pytest.mark.parametrize(
    "tags",
    [{}, {"film": 0}, {"focal": 8.0}, {"focal": 0.0, "plane": 100.0}, {"focal": 8.0, "plane": 100.0, "unit": 99}],
)
def test_no_focal_length(tags: dict[str, Any]) -> None:
    result = photo.read(with_exif(**tags))
    assert result.camera.source == "assumed"
    assert result.warnings == ()
    assert result.camera.fov_x == pytest.approx(ASSUMED_FOV_DEGREES)


def test_focal_length_that_cannot_be() -> None:
    for tags in ({"film": 1}, {"film": 65_000}):
        result = photo.read(with_exif(**tags))
        assert result.camera.source == "assumed"
        assert "can't be right" in result.warnings[0]


def test_cropped_photo() -> None:
    whole = photo.read(with_exif(96, 64, film=28, width=96, height=64)).camera
    for width, height in ((64, 64), (48, 60), (90, 33)):
        part = photo.read(with_exif(width, height, film=28, width=96, height=64))
        assert part.camera.source == "exif"
        assert part.camera.fx == pytest.approx(whole.fx), "it sees less in proportion to what was cut away"
        assert "cropped" in part.warnings[0]
    result = photo.read(with_exif(96, 64, film=28, width=640, height=640))
    assert result.camera.source == "assumed"
    assert "cropped" in result.warnings[0]
    turned = photo.read(with_exif(96, 64, film=28, width=640, height=960))
    assert turned.camera.source == "exif"
    locked = photo.read(with_exif(96, 64, film=28, width=640, height=640), Settings(fov=60))
    assert locked.warnings == ()


def developed(width: int, height: int, corners: tuple[float, ...], applied: str = "True") -> bytes:
    """A JPEG as Lightroom exports it, 28 mm, cropped to `corners`: left, top, right and bottom as shares."""
    said = " ".join(
        f'crs:Crop{side}="{at}"' for side, at in zip(("Left", "Top", "Right", "Bottom"), corners, strict=True)
    )
    said += f' crs:HasCrop="True" crs:AlreadyApplied="{applied}"'
    packet = f'<rdf:Description rdf:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" {said}/>'
    plain = with_exif(width, height, film=28, width=width, height=height)
    return phone_files.with_segments(plain, phone_files.XMP_HEAD + phone_files.packet(packet))


@pytest.mark.parametrize(
    ("size", "corners", "share"),
    [
        ((96, 64), (0.25, 0.25, 0.75, 0.75), 0.5),
        ((64, 96), (0.2, 0.1, 0.8, 0.7), 0.6),  # upright: corners are as the sensor lay
        ((72, 96), (0.0, 0.0, 0.7, 0.7), 0.7),  # 4:3
        ((96, 32), (0.0, 0.25, 1.0, 0.75), math.hypot(96, 32) / math.hypot(96, 64)),
    ],
)
def test_cropped_when_it_was_developed(size: tuple[int, int], corners: tuple[float, ...], share: float) -> None:
    whole = math.hypot(*size) / share * 28 / math.hypot(36, 24)
    result = photo.read(developed(*size, corners))
    assert result.camera.source == "exif"
    assert result.camera.fx == pytest.approx(whole, rel=1e-3)
    assert "cropped" in result.warnings[0]
    later = photo.read(developed(*size, corners, applied="False"))
    assert later.camera.fx == pytest.approx(whole * share, rel=1e-3), "the pixels are all there still"
    assert later.warnings == ()


@pytest.mark.parametrize("corners", [(0.8, 0.2, 0.1, 0.9), (0, 0, "x", 1), ("nan", 0, 1, 1), (-1, 0, 1, 2)])
def test_a_crop_that_cannot_be_is_ignored(corners: tuple[Any, ...]) -> None:
    result = photo.read(developed(96, 64, corners))
    assert (result.camera.fx, result.warnings) == (photo.read(with_exif(96, 64, film=28)).camera.fx, ())


def test_the_users_camera_wins() -> None:
    data = with_exif(96, 64, film=28)
    by_fov = photo.read(data, Settings(fov=90)).camera
    assert by_fov.source == "user"
    assert by_fov.fx == pytest.approx(48)
    assert by_fov.fov_x == pytest.approx(90)
    by_focal = photo.read(data, Settings(fov=90, focal_px=120)).camera
    assert (by_focal.source, by_focal.fx) == ("user", 120)


@given(film=st.floats(5, 1500), width=st.integers(2, 400), height=st.integers(2, 400))
@settings(max_examples=30, deadline=None)
def test_diagonal_view_is_the_lens_own(film: float, width: int, height: int) -> None:
    from diorama.lens import FILM_DIAGONAL_MM, focal_from_exif

    focal, warning = focal_from_exif({0xA405: film}, width, height)
    assert (focal is None) == bool(warning)
    if focal is not None:
        across = 2 * math.atan(math.hypot(width, height) / 2 / focal)
        assert across == pytest.approx(2 * math.atan(FILM_DIAGONAL_MM / 2 / film))
