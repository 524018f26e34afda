"""MI-GAN and LaMa end to end, on small graphs that have the real ones' names, types, shapes and conventions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from diorama import inpaint, networks, weights
from diorama.errors import DownloadError, ModelError, UnknownModelError, WeightsMissingError
from diorama.inpaint import lama, migan, windows

GREEN = (40, 200, 60)


def _constant(name: str, array: NDArray[np.generic]) -> onnx.TensorProto:
    return numpy_helper.from_array(array, name)


def _save(
    nodes: list[onnx.NodeProto],
    kind: int,
    sides: list[object],
    extra: list[onnx.TensorProto],
    answer: tuple[object, ...] = (),
) -> bytes:
    shape = answer or (sides[0], 3, *sides[1:])
    image = helper.make_tensor_value_info("image", kind, [sides[0], 3, *sides[1:]])
    mask = helper.make_tensor_value_info("mask", kind, [sides[0], 1, *sides[1:]])
    output = helper.make_tensor_value_info("result" if kind == TensorProto.UINT8 else "output", kind, shape)
    graph = helper.make_graph(nodes, "inpaint", [image, mask], [output], extra)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def migan_graph() -> bytes:
    """Bytes in and out, mask 255 = known; holes become the known pixels' largest value by channel."""
    nodes = [
        helper.make_node("Cast", ["image"], ["imagef"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["mask"], ["maskf"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["maskf", "full"], ["keep"]),
        helper.make_node("Mul", ["imagef", "keep"], ["kept"]),
        helper.make_node("ReduceMax", ["kept"], ["largest"], axes=[2, 3]),
        helper.make_node("Sub", ["one", "keep"], ["fill"]),
        helper.make_node("Mul", ["largest", "fill"], ["filled"]),
        helper.make_node("Add", ["kept", "filled"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["result"], to=TensorProto.UINT8),
    ]
    extra = [_constant("full", np.float32(255)), _constant("one", np.float32(1))]
    return _save(nodes, TensorProto.UINT8, ["batch", "height", "width"], extra)


def lama_graph() -> bytes:
    """Floats of 512x512, image 0..1, mask 1 = fill, answer 0..255; holes likewise."""
    nodes = [
        helper.make_node("Sub", ["one", "mask"], ["keep"]),
        helper.make_node("Mul", ["image", "keep"], ["kept"]),
        helper.make_node("ReduceMax", ["kept"], ["largest"], axes=[2, 3]),
        helper.make_node("Mul", ["largest", "mask"], ["filled"]),
        helper.make_node("Add", ["kept", "filled"], ["sum"]),
        helper.make_node("Mul", ["sum", "full"], ["output"]),
    ]
    extra = [_constant("full", np.float32(255)), _constant("one", np.float32(1))]
    return _save(nodes, TensorProto.FLOAT, ["batch", 512, 512], extra)


Install = Callable[[str, bytes], Path]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Install:
    """Put a graph into the cache as if it were the catalogue's."""
    monkeypatch.setenv("DIORAMA_CACHE", str(tmp_path / "cache"))

    def put(name: str, graph: bytes) -> Path:
        entry = replace(weights.CATALOGUE[name], bytes=len(graph), sha256=hashlib.sha256(graph).hexdigest())
        monkeypatch.setattr(weights, "CATALOGUE", {**weights.CATALOGUE, name: entry})
        path = tmp_path / "cache" / "weights" / entry.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(graph)
        networks._open.cache_clear()
        return path

    return put


def picture(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    """Green, with a magenta part that is not known and a hole between the two."""
    rgb = np.full((height, width, 3), GREEN, np.uint8)
    rgb[:, : width // 3] = (255, 0, 255)
    known = np.ones((height, width), bool)
    known[:, : width // 3] = False
    hole = np.zeros_like(known)
    hole[:, width // 3 : width // 2] = True
    rgb[hole] = (255, 255, 255)
    return rgb, hole, known


GRAPHS = {"migan": migan_graph, "lama": lama_graph}
SIZES = [(8, 8), (100, 61), (512, 512), (513, 700), (1200, 530)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_only_the_hole_is_filled_and_only_from_what_is_known(
    name: str, size: tuple[int, int], install: Install
) -> None:
    install(name, GRAPHS[name]())
    rgb, hole, known = picture(*size)
    out = inpaint.fill(rgb, hole, known, model=name)
    assert np.array_equal(out[~hole], rgb[~hole])
    assert np.abs(out[hole].astype(int) - GREEN).max() <= 1


@pytest.mark.parametrize("size", [(512, 512), (300, 411), (64, 64)])
@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_a_window_is_prepared_and_read_as_published(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    """Against float64: MI-GAN takes bytes and a mask of what is known, LaMa 0..1 in a square and a mask of holes."""
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(GRAPHS[name]())
    random = np.random.default_rng(sum(size))
    rgb = random.integers(0, 200, (*size, 3), np.uint8)
    hole = random.random(size) < 0.3
    picture, holes = rgb.astype(np.float64), hole.astype(np.float64)[..., None]
    if name == "lama":
        beyond = [(0, 512 - side) for side in size]
        picture = np.pad(picture / 255, [*beyond, (0, 0)], mode="symmetric")
        holes = np.pad(holes, [*beyond, (0, 0)], mode="symmetric")
    largest = (picture * (1 - holes)).max(axis=(0, 1))
    expected = picture * (1 - holes) + largest * holes
    if name == "lama":
        expected = np.rint(expected * 255)[: size[0], : size[1]]
    answer = (migan if name == "migan" else lama)._answer(path, rgb, hole)
    np.testing.assert_array_equal(answer, expected)


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_what_stands_in_front_of_the_hole_is_not_shown_to_the_network(name: str, install: Install) -> None:
    install(name, GRAPHS[name]())
    rgb, hole, _ = picture(64, 90)
    disparity = np.where(np.arange(90) < 30, 40, 5) * np.ones((64, 1))
    out = inpaint.fill(rgb, hole, np.ones_like(hole), disparity=disparity.astype(np.float32), model=name)
    assert np.abs(out[hole].astype(int) - GREEN).max() <= 1


def test_a_window_that_shows_nothing_takes_the_bundled_fill(install: Install) -> None:
    install("migan", migan_graph())
    rgb = np.full((520, 1400, 3), GREEN, np.uint8)
    hole = np.zeros(rgb.shape[:2], bool)
    hole[:, :1300] = True
    out = inpaint.fill(rgb, hole, ~hole, model="migan")
    assert np.abs(out[hole].astype(int) - GREEN).max() <= 1


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 1300), st.integers(8, 1300), st.integers(0, 2**32 - 1))
def test_windows_cover_every_hole_and_fit_the_picture(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hole = np.zeros((height, width), bool)
    for _ in range(3):
        hole[rng.integers(height), rng.integers(width)] = True
    reached = np.zeros_like(hole)
    for rows, columns in windows._windows(hole):
        assert 0 <= rows.start < rows.stop <= height
        assert 0 <= columns.start < columns.stop <= width
        assert rows.stop - rows.start == min(height, windows.SIDE)
        assert columns.stop - columns.start == min(width, windows.SIDE)
        reached[rows, columns] = True
    assert reached[hole].all()


def test_windows_fade_into_one_another() -> None:
    """Two windows that answer differently meet without a seam."""
    rgb = np.zeros((64, 896, 3), np.uint8)
    hole = np.zeros((64, 896), bool)
    hole[20:40] = True
    shade = iter((100, 140))
    flat = np.zeros(hole.shape, np.float32)
    out = windows.fill(rgb, hole, ~hole, flat, flat, lambda seen, _: np.full(seen.shape, next(shade), np.uint8))
    row = out[30, :, 0].astype(int)
    assert (row[0], row[-1]) == (100, 140)
    assert np.abs(np.diff(row)).max() <= 2


def test_auto_takes_the_best_whose_weights_are_here(install: Install) -> None:
    assert inpaint.choose()[0] == "bundled"
    assert "models pull migan" in inpaint.choose()[1]
    install("lama", lama_graph())
    assert inpaint.choose() == ("lama", "lama is the best inpainter whose weights are here.")
    install("migan", migan_graph())
    assert inpaint.choose()[0] == "migan"
    assert inpaint.choose("bundled") == ("bundled", "bundled was asked for.")
    rows = {info.name: info for info in inpaint.models()}
    assert list(rows) == ["migan", "lama", "bundled", "openai"]
    assert rows["migan"].available
    assert rows["migan"].bytes > 0
    assert not rows["openai"].available


def test_weights_are_fetched_where_that_is_allowed(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetch(name: str, *_: object, **__: object) -> Path:
        asked.append(name)
        return install(name, GRAPHS[name]())

    monkeypatch.setattr(weights, "fetch", fetch)
    monkeypatch.setattr(weights, "is_offline", lambda: False)
    assert inpaint.choose("lama", fetch=True)[0] == "lama"
    assert inpaint.choose(fetch=True) == ("migan", "migan is the best inpainter whose weights are here.")
    assert inpaint.choose(fetch=True)[0] == "migan"
    assert asked == ["lama", "migan"]


def test_a_network_that_fails_once_is_not_waited_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetch(name: str, *_: object, **__: object) -> Path:
        asked.append(name)
        raise DownloadError("Nobody answers.", hint="Wait.")

    monkeypatch.setattr(weights, "_unreachable", {})
    monkeypatch.setattr(weights, "fetch", fetch)
    inpaint.choose(fetch=True)
    assert asked == []  # offline
    monkeypatch.setattr(weights, "is_offline", lambda: False)
    for _ in range(2):
        name, reason = inpaint.choose(fetch=True)
        assert name == "bundled"
        assert "Nobody answers." in reason
    assert asked == ["migan"]
    with pytest.raises(DownloadError):
        inpaint.choose("migan", fetch=True)


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_missing_weights_name_the_command_that_fetches_them(name: str) -> None:
    rgb, hole, known = picture(16, 16)
    with pytest.raises(WeightsMissingError, match=f"diorama models pull {name}"):
        inpaint.fill(rgb, hole, known, model=name)


def test_a_damaged_file_counts_as_missing(install: Install) -> None:
    path = install("migan", migan_graph())
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(WeightsMissingError):
        inpaint.choose("migan")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownModelError, match="auto, migan, lama, bundled, openai"):
        inpaint.choose("photoshop")


def test_a_graph_that_is_another_one_is_an_error_with_a_remedy(install: Install) -> None:
    rgb, hole, known = picture(16, 16)
    install("migan", b"not a graph")
    with pytest.raises(ModelError, match="can't be loaded"):
        inpaint.fill(rgb, hole, known, model="migan")
    install("migan", lama_graph())
    with pytest.raises(ModelError, match="models pull migan"):
        inpaint.fill(rgb, hole, known, model="migan")
    shrink = [helper.make_node("ReduceMax", ["image"], ["output"], axes=[2, 3])]
    install("lama", _save(shrink, TensorProto.FLOAT, ["batch", 512, 512], [], ("batch", 3, 1, 1)))
    with pytest.raises(ModelError, match="not with a picture"):
        inpaint.fill(rgb, hole, known, model="lama")
