"""Depth that a photo's file carries: how it is found, what its numbers mean, which way up it is, what damage does."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner, Result

import phone_files as phones
from bad_inputs import encoded, picture, png_bomb
from diorama import depth, photo, pipeline, records, stage_files
from diorama.cli import app
from diorama.depth import embedded
from diorama.errors import DepthFileError, PhotoError
from diorama.settings import Settings
from diorama.types import EmbeddedDepth, Photo

W, H = 256, 192
RGB = picture(W, H)
JPEG = encoded(Image.fromarray(RGB), "JPEG", quality=95)

RAMP = np.tile(np.linspace(0, 255, 128).astype(np.uint8), (96, 1))
"""Darker on the left; its upper rows are black."""
RAMP[:10] = 0

NOTES = phones.apple_notes(0.5, 2.5, matrix=[200, 0, 0, 0, 200, 0, 128, 96, 1], size=(W, H))

SMALL = Settings(processing_size=128, triangles=1000)


def unit_png(values: np.ndarray) -> bytes:
    return encoded(Image.fromarray(values), "PNG")


# ---- iPhone ----------------------------------------------------------------------------------------------------------


@pytest.mark.needs("heif-enc")
def test_iphone_disparity_and_its_camera() -> None:
    result = photo.read(phones.portrait(RGB, RAMP, NOTES))
    assert not result.warnings
    assert result.embedded is not None
    assert result.embedded.scale == "metric"
    assert result.embedded.origin == "iPhone (disparity)"
    np.testing.assert_allclose(result.embedded.inverse_depth, 0.5 + RAMP / 255 * 2, atol=1e-6)
    assert result.camera.source == "calibration"
    assert result.camera.fx == pytest.approx(200)


@pytest.mark.needs("heif-enc")
@pytest.mark.parametrize("turns", [[], [phones.rotated(3)]], ids=["upright", "turned"])
def test_iphones_keep_their_pictures_in_tiles(turns: list[bytes]) -> None:
    whole = photo.read(phones.portrait(RGB, RAMP, NOTES, turns=turns))
    tiled = photo.read(phones.portrait(RGB, RAMP, NOTES, turns=turns, tiled=True))
    assert not tiled.warnings
    assert tiled.rgb.shape == whole.rgb.shape
    assert float(np.abs(tiled.rgb.astype(int) - whole.rgb).mean()) < 2
    assert tiled.embedded is not None
    assert whole.embedded is not None
    np.testing.assert_array_equal(tiled.embedded.inverse_depth, whole.embedded.inverse_depth)


GREY = encoded(Image.fromarray(RAMP), "JPEG", quality=100, subsampling=0)


@pytest.mark.parametrize("orientation", [1, 6])
def test_an_iphones_jpeg_has_its_depth_behind_it(orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    jpeg = encoded(Image.fromarray(RGB), "JPEG", quality=95, exif=tags)
    result = photo.read(phones.iphone_jpeg(jpeg, GREY, NOTES))
    assert not result.warnings
    assert result.embedded is not None
    assert result.embedded.origin == "iPhone (disparity)"
    expected = 0.5 + RAMP / 255 * 2
    turned = np.rot90(expected, -1) if orientation == 6 else expected
    np.testing.assert_allclose(result.embedded.inverse_depth, turned, atol=0.03)
    assert result.camera.fx == pytest.approx(200)


def test_what_is_wrong_behind_an_iphones_jpeg() -> None:
    whole = phones.iphone_jpeg(JPEG, GREY, NOTES)
    assert photo.read(whole[: -len(GREY) - 100]).embedded is None
    cut = photo.read(whole[:-300])
    assert cut.embedded is None
    assert "damaged" in cut.warnings[0]
    at = whole.index(b"MPF\0MM") + 14
    table = photo.read(whole[:at] + b"\xff" * 36 + whole[at + 36 :])
    assert table.embedded is None
    other = photo.read(phones.iphone_jpeg(JPEG, GREY, phones.apple_notes(0, 1, "hdrgainmap")))
    assert (other.embedded, other.warnings) == (None, ())


@pytest.mark.needs("heif-enc")
def test_iphone_distances() -> None:
    result = photo.read(phones.portrait(RGB, RAMP, phones.apple_notes(0.0, 5.1, "depth")))
    assert result.embedded is not None
    metres = RAMP / 255 * 5.1
    assert result.embedded.valid is not None
    np.testing.assert_array_equal(result.embedded.valid, metres > 0)
    expected = np.divide(1, metres, out=np.zeros_like(metres), where=metres > 0)
    np.testing.assert_allclose(result.embedded.inverse_depth, expected, rtol=1e-5)


@pytest.mark.needs("heif-enc")
@pytest.mark.parametrize("kind", ["disparity", "depth"])
def test_iphone_without_a_range_is_relative(kind: str) -> None:
    result = photo.read(phones.portrait(RGB, RAMP, phones.apple_notes(None, None, kind)))
    assert result.embedded is not None
    assert result.embedded.scale == "relative"
    nearer = RAMP / 255 if kind == "disparity" else 1 - RAMP / 255
    np.testing.assert_allclose(result.embedded.inverse_depth, nearer, atol=1e-6)


TURNS = {
    "anticlockwise": [phones.rotated(1)],
    "upside down": [phones.rotated(2)],
    "clockwise": [phones.rotated(3)],
    "top to bottom": [phones.mirrored(0)],
    "left to right": [phones.mirrored(1)],
    "anticlockwise and mirrored": [phones.rotated(1), phones.mirrored(0)],
}


@pytest.mark.needs("heif-enc")
@pytest.mark.parametrize("own", [True, False], ids=["depth has its own turns", "depth has none"])
@pytest.mark.parametrize("turns", TURNS.values(), ids=TURNS)
def test_depth_is_turned_once_and_as_the_picture_is(turns: list[bytes], own: bool) -> None:
    # The picture's red channel at half its size, so that the two must agree in every direction.
    red = np.asarray(Image.fromarray(RGB[..., 0]).resize((W // 2, H // 2), Image.Resampling.BOX))
    data = phones.portrait(RGB, red, phones.apple_notes(0, 1), turns=turns, depth_turns=None if own else ())
    result = photo.read(data)
    assert result.embedded is not None
    seen = Image.fromarray(result.rgb[..., 0]).resize(result.embedded.inverse_depth.shape[::-1], Image.Resampling.BOX)
    difference = np.abs(np.asarray(seen) / 255 - result.embedded.inverse_depth)
    assert float(np.quantile(difference, 0.95)) < 0.05
    upright = photo.read(phones.portrait(RGB, red, phones.apple_notes(0, 1)))
    assert not np.array_equal(result.rgb, upright.rgb)


@pytest.mark.needs("heif-enc", "exiftool")
def test_exif_orientation_of_a_heic_is_a_mere_note(tmp_path: Path) -> None:
    path = tmp_path / "phone.heic"
    path.write_bytes(phones.heic(RGB, "-q", "95"))
    phones.exiftool(path, "-n", "-Orientation=6", "-FocalLengthIn35mmFormat=26", "-ExifImageWidth=256")
    result = photo.read(path)
    assert (result.width, result.height) == (W, H)
    assert result.camera.source == "exif"
    assert result.camera.fx == pytest.approx(26 / math.hypot(36, 24) * math.hypot(W, H))


@pytest.mark.needs("heif-enc", "exiftool")
def test_rotation_depth_and_focal_length_together(tmp_path: Path) -> None:
    path = tmp_path / "portrait.heic"
    path.write_bytes(phones.portrait(RGB, RAMP, phones.apple_notes(0.5, 2.5), turns=[phones.rotated(3)]))
    phones.exiftool(path, "-n", "-Orientation=6", "-FocalLengthIn35mmFormat=50")
    result = photo.read(path)
    assert not result.warnings
    assert (result.width, result.height) == (H, W)
    assert result.camera.source == "exif"
    assert result.camera.fx == pytest.approx(50 / math.hypot(36, 24) * math.hypot(W, H))
    assert result.embedded is not None
    np.testing.assert_allclose(result.embedded.inverse_depth, np.rot90(0.5 + RAMP / 255 * 2, 3), atol=1e-6)


@pytest.mark.needs("exiftool")
def test_gdepth_and_focal_length_together(tmp_path: Path) -> None:
    path = tmp_path / "portrait.jpg"
    path.write_bytes(phones.gdepth_jpeg(JPEG, unit_png(RAMP), 0.8, 6.5, extended=False))
    phones.exiftool(path, "-n", "-Orientation=8", "-FocalLengthIn35mmFormat=50")
    result = photo.read(path)
    assert (result.width, result.height) == (H, W)
    assert result.camera.fx == pytest.approx(50 / math.hypot(36, 24) * math.hypot(W, H))
    assert result.embedded is not None
    expected = np.rot90(expected_inverse(RAMP / 255, 0.8, 6.5, "RangeInverse"))
    np.testing.assert_allclose(result.embedded.inverse_depth, expected, rtol=1e-5)


@pytest.mark.needs("heif-enc", "exiftool")
def test_heic_focal_length_and_sensor_size(tmp_path: Path) -> None:
    path = tmp_path / "camera.heic"
    path.write_bytes(phones.heic(RGB, "-q", "95"))
    # 256 px on 25.6 mm: ten pixels a millimetre
    phones.exiftool(path, "-n", "-FocalLength=30", "-FocalPlaneXResolution=100", "-FocalPlaneResolutionUnit=3")
    assert photo.read(path).camera.fx == pytest.approx(300)


@pytest.mark.needs("heif-enc")
def test_calibration_of_another_size_and_of_a_cropped_picture() -> None:
    def camera(size: tuple[int, int]) -> Photo:
        notes = phones.apple_notes(0.5, 2.5, matrix=[2000, 0, 0, 0, 2000, 0, 0, 0, 1], size=size)
        return photo.read(phones.portrait(RGB, RAMP, notes))

    assert camera((2560, 1920)).camera.fx == pytest.approx(200)
    assert camera((1920, 2560)).camera.fx == pytest.approx(200)  # it lay on its side
    cropped = camera((2560, 1280))
    assert cropped.camera.source == "assumed"
    assert "another picture" in cropped.warnings[0]
    assert "can't be right" in camera((2, 1.5)).warnings[0]  # type: ignore[arg-type]


@pytest.mark.needs("heif-enc")
@pytest.mark.skipif(sys.platform == "win32", reason="the system's module for this is not there")
def test_twelve_megapixels_take_less_than_two_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "large.heic"
    large = np.asarray(Image.fromarray(picture(126, 96)).resize((4032, 3024)))
    path.write_bytes(phones.heic(large, "-q", "40", "-p", "preset=ultrafast"))
    ask = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'diorama', *sys.argv[1:]], check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    words = ["make", str(path), "--until", "original", "--quiet", "-o", str(tmp_path / "out.glb")]
    words += [
        "--processing-size",
        "768",
        "--triangles",
        "10000",
        "--flip-average",
        "off",
    ]  # time, no memory
    answer = subprocess.run([sys.executable, "-c", ask, *words], capture_output=True, text=True, check=True)
    peak = int(answer.stdout.split()[-1]) * (1 if sys.platform == "darwin" else 1024)
    assert peak < 2_000_000_000


# ---- Android ---------------------------------------------------------------------------------------------------------


def expected_inverse(unit: np.ndarray, near: float, far: float, form: str) -> np.ndarray:
    """Google's formulas, solved for the distance."""
    if form == "RangeLinear":
        return 1 / (near + unit * (far - near))
    return (far - unit * (far - near)) / (far * near)


@pytest.mark.parametrize("form", ["RangeInverse", "RangeLinear"])
@pytest.mark.parametrize("extended", [True, False])
def test_gdepth(form: str, extended: bool) -> None:
    result = photo.read(phones.gdepth_jpeg(JPEG, unit_png(RAMP), 0.8, 6.5, form, extended=extended))
    assert not result.warnings
    assert result.embedded is not None
    assert (result.embedded.origin, result.embedded.scale) == ("Android (GDepth)", "metric")
    np.testing.assert_allclose(result.embedded.inverse_depth, expected_inverse(RAMP / 255, 0.8, 6.5, form), rtol=1e-5)


@pytest.mark.parametrize("form", ["RangeInverse", "RangeLinear"])
@pytest.mark.parametrize("model", [True, False])
def test_dynamic_depth(form: str, model: bool) -> None:
    said = 'ImagingModel:FocalLengthX="2500" ImagingModel:ImageWidth="2560" ImagingModel:ImageHeight="1920"'
    data = phones.dynamic_depth_jpeg(JPEG, unit_png(RAMP), 0.4, 9, form, model=said if model else "")
    result = photo.read(data)
    assert not result.warnings
    assert result.embedded is not None
    assert result.embedded.origin == "Android (Dynamic Depth)"
    np.testing.assert_allclose(result.embedded.inverse_depth, expected_inverse(RAMP / 255, 0.4, 9, form), rtol=1e-5)
    assert result.camera.source == ("calibration" if model else "assumed")
    assert not model or result.camera.fx == pytest.approx(250)


def test_gdepth_in_other_units_and_16_bits() -> None:
    deep = (RAMP.astype(np.uint16) * 257)[::2, 1::2]
    more = 'GDepth:Units="mm"'
    result = photo.read(phones.gdepth_jpeg(JPEG, unit_png(deep), 500, 5000, more=more))
    assert result.embedded is not None
    np.testing.assert_allclose(result.embedded.inverse_depth[0, 0], 2.0, rtol=1e-6)
    np.testing.assert_allclose(result.embedded.inverse_depth.min(), 0.2, rtol=1e-3)
    unknown = photo.read(phones.gdepth_jpeg(JPEG, unit_png(deep), 500, 5000, more='GDepth:Units="elbows"'))
    assert unknown.embedded is not None
    assert unknown.embedded.scale == "relative"
    assert unknown.embedded.inverse_depth[0, 0] == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_gdepth_is_turned_as_the_jpeg(orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    red = RGB[..., 0]
    jpeg = encoded(Image.fromarray(RGB), "JPEG", quality=95, exif=tags)
    result = photo.read(phones.gdepth_jpeg(jpeg, unit_png(255 - red), 1, 1e6))  # 1 / d = red, all but
    assert result.embedded is not None
    difference = np.abs(result.embedded.inverse_depth - result.rgb[..., 0] / 255)
    assert float(np.quantile(difference, 0.95)) < 0.05


def test_distance_along_the_ray_becomes_distance_along_the_axis() -> None:
    """A wall straight ahead is farther along its corners' rays; along the axis it is as far everywhere."""
    f = 200.0
    x, y = (np.arange(n) + 0.5 - n / 2 for n in (W, H))
    along = 2 * np.sqrt(1 + (x / f) ** 2 + (y[:, None] / f) ** 2)
    near, far = 1.9, 3.0
    deep = np.round((along - near) / (far - near) * 65535).astype(np.uint16)
    data = phones.gdepth_jpeg(JPEG, unit_png(deep), near, far, "RangeLinear", more='GDepth:MeasureType="OpticRay"')
    wanted = Settings(focal_px=f, depth="embedded", find_sky=False, edge_sharpness=0)
    found, _ = depth.estimate(photo.read(data, wanted), wanted)
    np.testing.assert_allclose(found.inverse_depth, 0.5, rtol=1e-3)


# ---- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.needs("heif-enc")
@pytest.mark.parametrize("count", [1, 4, 400])
def test_a_damaged_auxiliary_picture_is_a_warning(count: int) -> None:
    result = photo.read(phones.portrait(RGB, RAMP, NOTES, damage=count))
    assert result.embedded is None
    assert "depth that the photo carries is damaged" in result.warnings[0]
    assert result.camera.source == "calibration"
    assert (result.width, result.height) == (W, H)


@pytest.mark.needs("heif-enc")
def test_damaged_notes_on_the_depth_are_a_warning() -> None:
    result = photo.read(phones.portrait(RGB, RAMP, NOTES[:-80]))
    assert result.embedded is not None
    assert result.embedded.scale == "relative"
    assert "distances are not known" in result.warnings[0]


DAMAGED = {
    "no picture": (phones.gdepth_jpeg(JPEG, b"", 1, 5, extended=False), "missing"),
    "no base64": (
        phones.gdepth_jpeg(JPEG, b"x", 1, 5, extended=False).replace(b'Data="eA==', b'Data="e~!!'),
        "damaged",
    ),
    "no image": (phones.gdepth_jpeg(JPEG, b"plain text", 1, 5), "neither JPEG nor PNG"),
    "cut": (phones.gdepth_jpeg(JPEG, unit_png(RAMP)[:90], 1, 5), "damaged"),
    "extension damaged": (
        phones.gdepth_jpeg(JPEG, unit_png(RAMP), 1, 5).replace(b"iVBOR", b"iVBOr"),
        "missing or damaged",
    ),
    "no XML": (phones.with_segments(JPEG, phones.XMP_HEAD + b"<x:xmpmeta"), "XMP data are damaged"),
    "entities": (
        phones.with_segments(
            JPEG, phones.XMP_HEAD + b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><a>&c;</a>'
        ),
        "XMP data are damaged",
    ),
    "another shape": (phones.gdepth_jpeg(JPEG, unit_png(RAMP[:, :60]), 1, 5), "isn't the photo's shape"),
    "container cut": (phones.dynamic_depth_jpeg(JPEG, unit_png(RAMP), 1, 5)[:-200], "isn't where the file says"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "said"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_android_depth_is_a_warning(data: bytes, said: str) -> None:
    result = photo.read(data)
    assert said in " ".join(result.warnings)
    assert result.embedded is None
    assert (result.width, result.height) == (W, H)


@pytest.mark.parametrize(("near", "far"), [("1e-45", "5"), ("5", "1"), ("0", "5"), ("here", "there"), ("nan", "inf")])
def test_impossible_distances_leave_relative_depth(near: str, far: str) -> None:
    result = photo.read(phones.gdepth_jpeg(JPEG, unit_png(RAMP), near, far))
    assert result.embedded is not None
    assert result.embedded.scale == "relative"
    np.testing.assert_allclose(result.embedded.inverse_depth, 1 - RAMP / 255, atol=1e-6)


def test_a_depth_picture_of_absurd_size_is_not_decoded() -> None:
    result = photo.read(phones.gdepth_jpeg(JPEG, png_bomb(12_000), 1, 5))
    assert result.embedded is None
    assert "too large" in result.warnings[0]


@settings(max_examples=60)
@given(at=st.integers(0, 5000), value=st.integers(0, 255), cut=st.integers(0, 400))
def test_any_damage_gives_a_photo_or_a_photo_error(at: int, value: int, cut: int) -> None:
    data = bytearray(phones.gdepth_jpeg(JPEG, unit_png(RAMP), 1, 5))
    data[at % len(data)] = value
    with contextlib.suppress(PhotoError):
        photo.read(bytes(data[: len(data) - cut]))


# ---- what is made of it ----------------------------------------------------------------------------------------------


def fake(inverse: np.ndarray, scale: str = "metric", valid: np.ndarray | None = None) -> Photo:
    plain = photo.read(RGB)
    carried = EmbeddedDepth(np.ascontiguousarray(inverse, np.float32), scale, "Test", valid)  # type: ignore[arg-type]
    return Photo(plain.rgb, plain.camera, embedded=carried)


SLOPE = np.tile(np.linspace(0.2, 1.5, 384, dtype=np.float32), (288, 1))


def test_asked_for_it_is_taken() -> None:
    found, reason = depth.estimate(fake(SLOPE[::4, ::4], "relative"), Settings(depth="embedded", find_sky=False))
    assert (found.model, found.scale) == ("embedded", "relative")
    assert reason == "The depth that the photo carries was asked for: Test, 96 x 72."
    assert found.shape == (H, W)


def test_metric_distances_survive() -> None:
    wanted = Settings(depth="embedded", find_sky=False)
    found, _ = depth.estimate(fake(SLOPE), wanted)
    expected = np.asarray(Image.fromarray(SLOPE).resize((W, H), Image.Resampling.BOX))
    np.testing.assert_allclose(found.inverse_depth, expected, rtol=0.02)
    assert found.scale == "metric"


def test_what_was_not_measured_is_filled_from_behind() -> None:
    valid = np.ones(SLOPE.shape, bool)
    valid[100:140, 200:230] = False
    found, _ = depth.estimate(fake(SLOPE, valid=valid), Settings(depth="embedded", find_sky=False, edge_sharpness=0))
    assert found.valid is not None
    assert 0.97 < found.valid.mean() < 0.995
    assert found.inverse_depth[80, 140] == pytest.approx(float(SLOPE[0, 199]), rel=0.02)
    assert "filled from behind" in found.warnings[0]


@pytest.mark.parametrize(
    ("carried", "taken"),
    [
        (fake(SLOPE), True),
        (fake(SLOPE[::2, ::2]), False),  # coarser than the networks
        (fake(SLOPE, "relative"), False),
        (fake(np.full_like(SLOPE, 0.7)), False),
        (fake(SLOPE, valid=SLOPE > 0.6), False),
        (photo.read(RGB), False),
    ],
    ids=["good", "coarse", "relative", "flat", "holes", "none"],
)
def test_auto_takes_it_where_it_is_clearly_better(carried: Photo, taken: bool) -> None:
    assert embedded.is_better(carried) == taken


@pytest.mark.parametrize("taken", [True, False])
def test_the_report_says_which_it_was(taken: bool) -> None:
    found, reason = depth.estimate(fake(SLOPE, "metric" if taken else "relative"), Settings(flip_average=False))
    assert found.model == ("embedded" if taken else "bundled")
    assert ("The photo carries depth in metres" in reason) == taken


def test_a_photo_without_any() -> None:
    with pytest.raises(DepthFileError, match="carries no depth"):
        depth.estimate(photo.read(RGB), Settings(depth="embedded"))
    with pytest.raises(DepthFileError, match="says nothing"):
        depth.estimate(fake(SLOPE * 0), Settings(depth="embedded"))


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "plain.jpg").write_bytes(JPEG)
    (tmp_path / "phone.jpg").write_bytes(phones.gdepth_jpeg(JPEG, unit_png(RAMP), 1, 5))

    def asked(name: str) -> Result:
        words = ["depth", str(tmp_path / name), "-o", str(tmp_path / "d.npy"), "--depth", "embedded", "--json"]
        return CliRunner().invoke(app, words)

    refused = asked("plain.jpg")
    assert refused.exit_code == 2
    assert "carries no depth" in json.loads(refused.stdout)["error"]["message"]
    made = json.loads(asked("phone.jpg").stdout)
    assert (made["model"], made["scale"]) == ("embedded", "metric")
    assert np.load(tmp_path / "d.npy").shape == (H, W)


def test_the_scene_is_in_metres_and_its_record_survives() -> None:
    data = phones.gdepth_jpeg(JPEG, unit_png(255 - RAMP), 0.8, 6.5)
    scene = pipeline.make(data, SMALL.changed(depth="embedded"), until="original")
    assert scene.units == "metric"
    assert float(np.quantile(scene.points.z, 0.01)) == pytest.approx(0.8, rel=0.1)
    packed = records.pack("photo", scene.photo)
    files = {name: stage_files.encode(name, array) for name, array in packed.arrays.items()}
    again = records.unpack("photo", packed.values, set(files), files.__getitem__)
    assert again.embedded.origin == "Android (GDepth)"
    np.testing.assert_array_equal(again.embedded.inverse_depth, scene.photo.embedded.inverse_depth)  # type: ignore[union-attr]
