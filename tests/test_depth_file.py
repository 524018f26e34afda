"""Depth files are taken at their word, whatever their size, gaps and format; hostile ones are refused."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from diorama import depth
from diorama.depth import file, formats
from diorama.errors import DepthFileError
from diorama.settings import DepthKind, Settings
from diorama.types import Camera, DepthMap, Photo


def photo_of(width: int, height: int) -> Photo:
    return Photo(np.zeros((height, width, 3), np.uint8), Camera.assumed(width, height))


def read(path: Path, kind: DepthKind, width: int, height: int, processing_size: int = 1536) -> DepthMap:
    wanted = Settings(depth=str(path), depth_kind=kind, processing_size=processing_size)
    return depth.estimate(photo_of(width, height), wanted)[0]


def scene(width: int = 48, height: int = 32) -> np.ndarray:
    """Distances: a slanted floor and a box before it."""
    z = np.linspace(9, 3, height, dtype=np.float32)[:, None] + np.zeros((1, width), np.float32)
    z[8:24, 16:32] = 2
    return z


# ---- values ------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    z=npst.arrays(
        np.float32, (5, 8), elements=st.floats(np.float32(0.01), np.float32(1e6), width=32, allow_subnormal=False)
    )
)
def test_metric_values_survive_exactly(z: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", z)
    result = read(tmp_path / "z.npy", "metric", 80, 50, processing_size=64)
    # Processing makes 80 x 50 to 64 x 40: resized from 8 x 5, so look at the same size as well.
    assert result.shape == (40, 64)
    result = read(tmp_path / "z.npy", "metric", 8, 5)
    np.testing.assert_array_equal(result.inverse_depth, np.float32(1) / z)
    assert result.scale == "metric"
    assert result.valid is None
    assert result.sky is not None
    assert not result.sky.any()
    assert result.model == "file"


def test_inverse_values_keep_their_zero_and_their_ratios(tmp_path: Path) -> None:
    values = np.array([[0, 1, 2], [4, 8, 16]], np.float32)
    np.save(tmp_path / "d.npy", values)
    result = read(tmp_path / "d.npy", "inverse", 3, 2)
    np.testing.assert_array_equal(result.inverse_depth, values / 16)
    assert result.scale == "relative"
    np.testing.assert_array_equal(result.sky, values == 0)


def test_a_file_is_not_refined(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(0.2, 1, (40, 60)).astype(np.float32)
    noise[0, 0] = 1
    np.save(tmp_path / "d.npy", noise)
    np.testing.assert_array_equal(read(tmp_path / "d.npy", "inverse", 60, 40).inverse_depth, noise)


def test_the_reason_says_what_the_file_holds(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", scene())
    wanted = Settings(depth=str(tmp_path / "z.npy"), depth_kind="metric")
    _, reason = depth.estimate(photo_of(48, 32), wanted)
    assert reason == "The depth file z.npy was given; it holds distances."


def test_metric_gaps_are_filled_from_behind(tmp_path: Path) -> None:
    z = scene()
    z[10:20, 12:16] = np.nan  # beside the box: the floor behind goes on
    z[12:14, 30:34] = 0
    z[14, 20] = -1
    z[0, :] = np.nan  # a whole row: from the next one
    z[31, 5] = np.inf
    np.save(tmp_path / "z.npy", z)
    result = read(tmp_path / "z.npy", "metric", 48, 32)
    assert result.valid is not None
    expected_valid = (z > 0) & ~np.isnan(z)
    np.testing.assert_array_equal(result.valid, expected_valid)
    inverse = result.inverse_depth
    np.testing.assert_array_equal(inverse[10:20, 12:16], inverse[10:20, 11:12].repeat(4, axis=1))
    np.testing.assert_array_equal(inverse[12:14, 30:34], inverse[12:14, 34:35].repeat(4, axis=1))
    assert inverse[14, 20] == 0.5  # in the middle of the box there is nothing farther
    np.testing.assert_array_equal(inverse[0], inverse[1])
    assert inverse[31, 5] == 0
    assert result.sky is not None
    assert result.sky[31, 5]
    assert result.sky.sum() == 1
    assert result.warnings[0].endswith("% of the depth file was not measured; it was filled from behind.")


def test_inverse_gaps(tmp_path: Path) -> None:
    d = np.array([[4, np.nan, 2, 1], [-1, 4, np.inf, 0]], np.float32)
    np.save(tmp_path / "d.npy", d)
    result = read(tmp_path / "d.npy", "inverse", 4, 2)
    np.testing.assert_array_equal(result.inverse_depth, np.array([[1, 0.5, 0.5, 0.25], [1, 1, 0, 0]], np.float32))
    np.testing.assert_array_equal(result.valid, np.array([[1, 0, 1, 1], [0, 1, 0, 1]], bool))


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        (np.full((4, 6), np.nan), "metric", "no measured value"),
        (np.zeros((4, 6)), "metric", "no measured value"),
        (np.full((4, 6), -1.0), "inverse", "no measured value"),
        (np.zeros((4, 6)), "inverse", "infinitely far"),
        (np.full((4, 6), np.inf), "metric", "infinitely far"),
        (np.full((4, 6), 1e-45, np.float32), "metric", "no measured value"),
    ],
)
def test_files_without_any_depth(values: np.ndarray, kind: DepthKind, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", values)
    with pytest.raises(DepthFileError, match=said) as caught:
        read(tmp_path / "z.npy", kind, 6, 4)
    assert "--depth-kind" in caught.value.hint


# ---- sizes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.25, 0.5, 1.7, 3.0])
def test_resizing_never_mixes_foreground_and_background(tmp_path: Path, factor: float) -> None:
    z = np.full((48, 64), 8, np.float32)
    z[12:36, 20:44] = 2
    z[5:9, 50:60] = np.nan
    np.save(tmp_path / "z.npy", z)
    width, height = round(64 * factor), round(48 * factor)
    result = read(tmp_path / "z.npy", "metric", width, height)
    assert set(np.unique(result.inverse_depth)) == {np.float32(1 / 8), np.float32(1 / 2)}
    assert result.valid is not None
    assert 0.005 < 1 - result.valid.mean() < 0.03
    assert (result.inverse_depth == 0.5).mean() == pytest.approx(24 * 24 / (64 * 48), abs=0.02)


@pytest.mark.parametrize("factor", [0.5, 2.5])
def test_resizing_keeps_slopes_smooth(tmp_path: Path, factor: float) -> None:
    inverse = (0.5 + np.linspace(0, 0.5, 64, dtype=np.float32))[:, None] + np.zeros((1, 80), np.float32)
    np.save(tmp_path / "d.npy", inverse)
    width, height = round(80 * factor), round(64 * factor)
    result = read(tmp_path / "d.npy", "inverse", width, height).inverse_depth
    expected = 0.5 + 0.5 * ((np.arange(height) + 0.5) / factor - 0.5) / 63
    inner = slice(2, -2)
    np.testing.assert_allclose(result[inner, 3], expected[inner], atol=1e-3)


def test_the_shape_must_be_the_photos(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", scene(48, 32))
    for width, height in ((48, 32), (3000, 2000), (3000, 2030), (480, 318)):
        read(tmp_path / "z.npy", "metric", width, height, processing_size=64)
    with pytest.raises(DepthFileError, match=r"48x32, which isn't the shape of the photo's 400x300"):
        read(tmp_path / "z.npy", "metric", 400, 300)
    with pytest.raises(DepthFileError) as caught:
        read(tmp_path / "z.npy", "metric", 320, 480)
    assert "on its side" in caught.value.hint


def test_a_file_for_a_sliver(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.ones((1536, 1), np.float32))
    assert read(tmp_path / "z.npy", "metric", 1, 5000).shape == (1536, 1)


# ---- formats -----------------------------------------------------------------------------------------------------


def save_npz(path: Path, z: np.ndarray) -> None:
    np.savez(path, z)


def save_pfm(path: Path, z: np.ndarray, order: str = "<") -> None:
    scale = -1.0 if order == "<" else 1.0
    header = f"Pf\n{z.shape[1]} {z.shape[0]}\n{scale}\n".encode()
    path.write_bytes(header + z[::-1].astype(f"{order}f4").tobytes())


WRITERS: dict[str, Callable[[Path, np.ndarray], object]] = {
    "z.npy": np.save,
    "z.npz": save_npz,
    "z.pfm": save_pfm,
    "z.tif": lambda path, z: tifffile.imwrite(path, z),
    "z.TIFF": lambda path, z: tifffile.imwrite(path, z, compression="zlib"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_float_format_is_exact(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name, scene())
    np.testing.assert_array_equal(read(tmp_path / name, "metric", 48, 32).inverse_depth, np.float32(1) / scene())


def test_big_endian_and_colour_pfm(tmp_path: Path) -> None:
    save_pfm(tmp_path / "z.pfm", scene(), ">")
    np.testing.assert_array_equal(formats.load(tmp_path / "z.pfm"), scene())
    pixels = np.dstack([scene()] * 3)[::-1].astype("<f4")
    (tmp_path / "c.pfm").write_bytes(b"PF\n48 32\n-1.0\n" + pixels.tobytes())
    np.testing.assert_array_equal(formats.load(tmp_path / "c.pfm"), scene())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_of_8_and_16_bits(tmp_path: Path, dtype: type[np.unsignedinteger]) -> None:
    top = np.iinfo(dtype).max
    values = np.linspace(0, top, 48 * 32).round().astype(dtype).reshape(32, 48)
    cv2.imwrite(str(tmp_path / "d.png"), values)
    tifffile.imwrite(tmp_path / "d.tif", values)
    for name in ("d.png", "d.tif"):
        result = read(tmp_path / name, "inverse", 48, 32).inverse_depth
        np.testing.assert_allclose(result, values / top, atol=1e-7)
    millimetres = read(tmp_path / "d.png", "metric", 48, 32)
    assert millimetres.inverse_depth[31, 47] == np.float32(1) / np.float32(top)
    assert millimetres.valid is not None
    assert not millimetres.valid[0, 0]


def test_a_grey_picture_saved_as_colour_is_taken_and_a_coloured_one_is_not(tmp_path: Path) -> None:
    grey = np.linspace(0, 255, 48 * 32).astype(np.uint8).reshape(32, 48)
    cv2.imwrite(str(tmp_path / "grey.png"), np.dstack([grey] * 3))
    np.testing.assert_array_equal(formats.load(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "colour.png"), cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO))
    with pytest.raises(DepthFileError, match="colours say nothing"):
        formats.load(tmp_path / "colour.png")


@pytest.mark.parametrize("shape", [(1, 32, 48), (32, 48, 1)])
def test_an_axis_of_length_one_is_left_out(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "z.npy", scene().reshape(shape))
    np.testing.assert_array_equal(formats.load(tmp_path / "z.npy"), scene())


@pytest.mark.parametrize("name", ["inverse_depth", "depth", "disparity", "arr_0", "anything"])
def test_npz_arrays_are_found_by_name(tmp_path: Path, name: str) -> None:
    extra = {} if name == "anything" else {"other": np.zeros(3)}
    np.savez_compressed(tmp_path / "z.npz", **{name: scene()}, **extra)
    np.testing.assert_array_equal(formats.load(tmp_path / "z.npz"), scene())


def test_npz_with_unknown_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "z.npz", a=scene(), b=scene())
    with pytest.raises(DepthFileError, match="2 arrays: a, b") as caught:
        formats.load(tmp_path / "z.npz")
    assert "inverse_depth" in caught.value.hint


# ---- hostile and damaged files -----------------------------------------------------------------------------------


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("unpickled",))


def npy_header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def npz_of(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("depth.npy", content)
    return buffer.getvalue()


def object_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([[Bomb()]], dtype=object), allow_pickle=True)
    return buffer.getvalue()


HOSTILE = {
    "empty.npy": b"",
    "text.npy": b"this is no array",
    "pickle.npy": pickle.dumps(Bomb()),
    "objects.npy": object_array(),
    "huge.npy": npy_header((2**40, 2**20)),
    "large.npy": npy_header((9_000, 9_000)),  # within the limit, but the file ends after the header
    "many.npy": npy_header((200_000, 200_000)),
    "broken.npy": npy_header((4, 6))[:40],
    "header.npy": b"\x93NUMPY\x01\x00" + struct.pack("<H", 60) + b"__import__('os').system('false')".ljust(59) + b"\n",
    "text.npz": b"PK\x03\x04 no zip",
    "objects.npz": npz_of(object_array()),
    "huge.npz": npz_of(npy_header((2**40, 2**20))),
    "short.npz": npz_of(npy_header((4000, 6000))),
    "empty.npz": npz_of(b""),
    "text.png": b"\x89PNG\r\n\x1a\n and no more",
    "text.pfm": b"P6\n1 1\n255\n123",
    "short.pfm": b"Pf\n1000 1000\n-1.0\n1234",
    "huge.pfm": b"Pf\n99999999 99999999\n-1.0\n",
    "negative.pfm": b"Pf\n-4 -6\n-1.0\n" + bytes(96),
    "letters.pfm": b"Pf\na b\n-1.0\n",
    "text.tif": b"II*\x00 nothing here",
    "strings.npy": npy_header((2, 3), "<U4") + bytes(96),
    "complex.npy": npy_header((2, 3), "<c8") + bytes(48),
    "line.npy": npy_header((6,)) + bytes(24),
    "cube.npy": npy_header((2, 3, 7)) + bytes(168),
    "nothing.npy": npy_header((0, 4)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_and_damaged_files_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(HOSTILE[name])
    with pytest.raises(DepthFileError) as caught:
        read(tmp_path / name, "metric", 6, 4)
    assert caught.value.hint.endswith(".")


def test_a_png_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    content = bytearray(cv2.imencode(".png", np.zeros((4, 6), np.uint8))[1].tobytes())
    content[16:24] = struct.pack(">II", 30_000, 30_000)
    (tmp_path / "bomb.png").write_bytes(bytes(content))
    with pytest.raises(DepthFileError):
        read(tmp_path / "bomb.png", "inverse", 6, 4)


def test_a_png_of_damaged_rows(tmp_path: Path) -> None:
    content = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))[1].tobytes()
    (tmp_path / "d.png").write_bytes(content[:40])
    with pytest.raises(DepthFileError):
        formats.load(tmp_path / "d.png")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), ending=st.sampled_from(sorted(formats.READERS)), magic=st.booleans())
def test_any_bytes_are_read_or_refused(content: bytes, ending: str, magic: bool, tmp_path: Path) -> None:
    start = {".npy": b"\x93NUMPY\x01\x00", ".png": b"\x89PNG\r\n\x1a\n", ".pfm": b"Pf\n", ".tif": b"II*\x00"}
    (tmp_path / f"z{ending}").write_bytes((start.get(ending, b"PK") if magic else b"") + content)
    with contextlib.suppress(DepthFileError):
        formats.load(tmp_path / f"z{ending}")


def test_memory_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(_path: Path) -> np.ndarray:
        raise MemoryError

    monkeypatch.setitem(formats.READERS, ".npy", out_of_memory)
    (tmp_path / "z.npy").write_bytes(b"x")
    with pytest.raises(DepthFileError, match="memory"):
        formats.load(tmp_path / "z.npy")


@pytest.mark.parametrize("name", ["z.hdr", "folder/z", "z.jpg"])
def test_endings_that_are_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DepthFileError, match="can't be") as caught:
        read(tmp_path / name, "inverse", 6, 4)
    assert ".npy" in caught.value.hint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DepthFileError, match="There is no depth file"):
        read(tmp_path / "z.npy", "inverse", 6, 4)


def test_fill_takes_the_farther_side() -> None:
    inverse = np.array([[0.9, 0, 0, 0.2], [0, 0, 0, 0], [0.5, 0, 0, 0]], np.float32)
    measured = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]], bool)
    np.testing.assert_array_equal(
        file.fill(inverse, measured),
        np.array([[0.9, 0.2, 0.2, 0.2], [0.5, 0.2, 0.2, 0.2], [0.5] * 4], np.float32),
    )
