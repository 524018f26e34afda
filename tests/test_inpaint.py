"""The inpainter's contract, as laws over random pictures, holes and depths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from diorama import inpaint
from diorama.inpaint import membrane, pyramid

Scene = tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float32]]


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """A noisy picture, a hole of a few rectangles (border and full rows included), unknown pixels, a stepped depth."""
    height, width = draw(st.integers(8, 40)), draw(st.integers(8, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rgb = rng.integers(0, 200, (height, width, 3), dtype=np.uint8)
    masks = []
    for _ in range(2):
        mask = np.zeros((height, width), bool)
        for _ in range(draw(st.integers(0, 3))):
            top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
            tall, wide = draw(st.integers(1, height)), draw(st.integers(1, width))
            mask[top : top + tall, left : left + wide] = True
        masks.append(mask)
    disparity = np.where(np.arange(width) < draw(st.integers(0, width)), draw(st.floats(0, 60)), 3.0)
    return rgb, masks[0], ~masks[1], np.broadcast_to(disparity, (height, width)).astype(np.float32).copy()


@settings(max_examples=60, deadline=None)
@given(scenes())
def test_pixels_outside_the_hole_are_bit_identical_and_the_input_is_untouched(scene: Scene) -> None:
    rgb, hole, known, disparity = scene
    before = [array.copy() for array in scene]
    out = inpaint.fill(rgb, hole, known, disparity=disparity)
    assert out.dtype == np.uint8
    assert out.shape == rgb.shape
    assert np.array_equal(out[~hole], rgb[~hole])
    assert all(np.array_equal(a, b) for a, b in zip(scene, before, strict=True))


@settings(max_examples=60, deadline=None)
@given(scenes(), st.integers(0, 2**32 - 1))
def test_unknown_pixels_have_no_influence(scene: Scene, seed: int) -> None:
    rgb, hole, known, disparity = scene
    out = inpaint.fill(rgb, hole, known, disparity=disparity)
    rng = np.random.default_rng(seed)
    hidden = hole | ~known
    other, depth = rgb.copy(), disparity.copy()
    other[hidden] = rng.integers(0, 256, (int(hidden.sum()), 3), dtype=np.uint8)
    depth[~known & ~hole] = rng.uniform(-100, 100, int((~known & ~hole).sum()))
    again = inpaint.fill(other, hole, known, disparity=depth)
    assert np.array_equal(out[hole], again[hole])


@settings(max_examples=40, deadline=None)
@given(scenes())
def test_a_colour_of_unknown_pixels_never_appears(scene: Scene) -> None:
    rgb, hole, known, disparity = scene
    rgb[~known | hole] = (255, 0, 255)  # known pixels stay below 200
    usable = known & ~hole
    out = inpaint.fill(rgb, hole, known, disparity=disparity)
    if usable.any() and hole.any():
        assert out[hole].max() <= rgb[usable].max()
        assert out[hole].min() >= rgb[usable].min()


@settings(max_examples=15, deadline=None)
@given(scenes())
def test_the_same_input_gives_the_same_output(scene: Scene) -> None:
    rgb, hole, known, disparity = scene
    first = inpaint.fill(rgb, hole, known, disparity=disparity)
    assert np.array_equal(first, inpaint.fill(rgb, hole, known, disparity=disparity))


@settings(max_examples=20, deadline=None)
@given(scenes(), st.tuples(*[st.integers(0, 255)] * 3))
def test_one_known_colour_fills_the_hole_with_itself(scene: Scene, colour: tuple[int, int, int]) -> None:
    rgb, hole, known, disparity = scene
    usable = known & ~hole
    rgb[usable] = colour
    out = inpaint.fill(rgb, hole, known, disparity=disparity)
    if usable.any():
        assert np.abs(out[hole].astype(int) - colour).max(initial=0) <= 1


@pytest.mark.parametrize("size", [(8, 8), (8, 31), (31, 8), (40, 23)])
@pytest.mark.parametrize("place", ["rows", "columns", "top", "bottom", "left", "right", "ring", "all but one"])
def test_holes_over_whole_rows_and_at_each_side(size: tuple[int, int], place: str) -> None:
    """Known pixels are 60 to 140, what may not be looked at 255: the hole holds nothing but the former's range."""
    holes = {
        "rows": np.s_[3:6], "columns": np.s_[:, 3:6], "top": np.s_[:2], "bottom": np.s_[-2:],
        "left": np.s_[:, :2], "right": np.s_[:, -2:],
    }  # fmt: skip
    hole = np.zeros(size, bool)
    if place in holes:
        hole[holes[place]] = True
    else:
        hole[:] = True
        hole[np.s_[2:-2, 2:-2] if place == "ring" else np.s_[4, 4]] = False
    rgb = np.random.default_rng(size[0]).integers(60, 141, (*size, 3), dtype=np.uint8)
    known = ~hole
    if place != "all but one":
        known[2, 2:5] = False
    rgb[~known] = 255
    out = inpaint.fill(rgb, hole, known, model="bundled")
    assert np.array_equal(out[~hole], rgb[~hole])
    assert out[hole].min() >= 60
    assert out[hole].max() <= 140


def test_with_nothing_known_the_hole_is_mid_grey() -> None:
    rgb = np.full((9, 8, 3), 7, np.uint8)
    hole = np.ones((9, 8), bool)
    assert (inpaint.fill(rgb, hole, np.ones_like(hole)) == 128).all()
    hole[4:] = False
    out = inpaint.fill(rgb, hole, np.zeros_like(hole))
    assert (out[:4] == 128).all()
    assert (out[4:] == 7).all()


def test_the_background_is_continued_and_not_the_nearer_foreground() -> None:
    """Foreground left and known, hole in the middle, background right: by disparity the hole belongs to the right."""
    rgb = np.zeros((32, 48, 3), np.uint8)
    rgb[:, :16] = (220, 20, 20)
    rgb[:, 30:] = (20, 60, 200)
    hole = np.zeros((32, 48), bool)
    hole[:, 16:30] = True
    disparity = np.full((32, 48), 5, np.float32)
    disparity[:, :16] = 40
    out = inpaint.fill(rgb, hole, np.ones_like(hole), disparity=disparity).astype(int)
    assert np.abs(out[hole] - (20, 60, 200)).max() <= 4


@pytest.mark.parametrize(("slope", "left"), [(0.0, True), (0.5, True), (1.0, True), (0.7, False)])
def test_an_edge_that_enters_a_hole_goes_on_in_it(slope: float, left: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearer to the truth by a tenth at least than where colour knows rows and columns alone. A line beside the hole
    that runs along it is none of its business and costs no more than a tenth."""
    y, x = np.mgrid[:96, :96]
    rgb = np.where((y - 48 > slope * (x - 48))[..., None], 200, 60).astype(np.uint8).repeat(3, axis=2)
    hole = np.zeros((96, 96), bool)
    hole[:, 38:58] = True
    known = ~hole & (left | (x > 38))
    flat = np.zeros((96, 96), np.float32)
    lined = rgb.copy()
    lined[:, 64:67] = 255

    def error(picture: NDArray[np.uint8]) -> float:
        levels = pyramid.build(pyramid.finest(picture, hole, known, flat, flat))
        return float(np.abs(membrane.solve(levels)[0] - rgb)[hole].mean())

    found = error(rgb), error(lined)
    monkeypatch.setattr(membrane, "_FLOW", (*membrane._FLOW[:3], np.float32(1e9), membrane._FLOW[4]))
    plain = error(rgb)
    assert found[0] < 0.9 * plain
    assert found[1] < 1.1 * plain


def test_texture_goes_on_beyond_the_frame_but_not_that_of_what_stands_in_front() -> None:
    rng = np.random.default_rng(0)
    rgb = np.full((80, 120, 3), 120, np.uint8)
    rgb[:, :80] = rng.integers(60, 180, (80, 80, 1))
    rgb[30:, 60:80] = rng.choice([0, 255], (50, 20, 1))  # a spotted thing before the wall, a little off the frame
    disparity = np.full((80, 120), 20, np.float32)
    disparity[30:, 60:80] = 40
    known = np.zeros((80, 120), bool)
    known[:, :84] = True
    rgb[:, 80:84] = rng.integers(60, 180, (80, 4, 1))
    out = inpaint.fill(rgb, ~known, known, disparity=disparity).astype(float)
    wall = out[:25, 84:104]  # mirrored: the wall
    assert wall.std() > 0.8 * rgb[:25, :60].std()
    assert out[40:, 90:104].std() < 0.6 * rgb[:, :60].std()  # mirrored it would be the spotted thing


def test_a_visible_surface_serves_the_hole_behind_another_even_where_it_hides_one_itself() -> None:
    """Red in front of green in front of blue; green is narrow and a hole all over, for it hides the blue."""
    rgb = np.zeros((32, 48, 3), np.uint8)
    visible = np.full((32, 48), 2, np.float32)
    rgb[:], rgb[:, :28], rgb[:, :20] = (20, 60, 200), (20, 200, 60), (220, 20, 20)
    visible[:, :28], visible[:, :20] = 20, 60
    hole = np.zeros((32, 48), bool)
    hole[:, 8:28] = True
    behind = np.full((32, 48), 2, np.float32)
    behind[:, 8:20] = 20
    out = inpaint.fill(rgb, hole, np.ones_like(hole), disparity=behind, visible=visible).astype(int)
    assert np.abs(out[:, 8:20] - (20, 200, 60)).max() <= 6
    assert np.abs(out[:, 20:28] - (20, 60, 200)).max() <= 6
    without = inpaint.fill(rgb, hole, np.ones_like(hole), disparity=behind).astype(int)
    assert np.abs(without[:, 8:20] - (20, 200, 60)).min(axis=(0, 1)).max() > 50


@settings(max_examples=40, deadline=None)
@given(scenes(), st.integers(0, 2**32 - 1))
def test_unknown_pixels_have_no_influence_on_two_surfaces(scene: Scene, seed: int) -> None:
    rgb, hole, known, visible = scene
    behind = visible / 2
    out = inpaint.fill(rgb, hole, known, disparity=behind, visible=visible)
    rng = np.random.default_rng(seed)
    rgb[~known] = rng.integers(0, 256, (int((~known).sum()), 3), dtype=np.uint8)
    visible[~known] = np.nan
    behind[~known & ~hole] = np.nan
    again = inpaint.fill(rgb, hole, known, disparity=behind, visible=visible)
    assert np.array_equal(out[hole], again[hole])


@pytest.mark.parametrize(
    ("rgb", "hole", "known", "disparity"),
    [
        (np.zeros((7, 9, 3), np.uint8), np.zeros((7, 9), bool), np.zeros((7, 9), bool), None),
        (np.zeros((9, 9, 3), np.float32), np.zeros((9, 9), bool), np.zeros((9, 9), bool), None),
        (np.zeros((9, 9, 3), np.uint8), np.zeros((9, 8), bool), np.zeros((9, 9), bool), None),
        (np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool), np.zeros((9, 9), np.uint8), None),
        (np.zeros((9, 9, 3), np.uint8), np.ones((9, 9), bool), np.ones((9, 9), bool), np.full((9, 9), np.nan)),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_refused(rgb, hole, known, disparity) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="must be"):
        inpaint.fill(rgb, hole, known, disparity=disparity)
