"""Lines along the frame that are no part of the picture."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.frame_lines import MOST, find_frame_lines
from diorama.types import UInt8


def photo(seed: int, height: int = 90, width: int = 120) -> UInt8:
    """A smooth picture with some noise."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0.02, 0.1, 2)
    grey = 130 + 50 * np.sin(a * x + b * y) + rng.normal(0, 4, (height, width))
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(0, MOST), min_size=4, max_size=4), st.sampled_from([0, 20, 255]))
def test_lines_of_another_colour_are_counted_side_by_side(seed: int, sides: list[int], grey: int) -> None:
    rgb = photo(seed)
    top, bottom, left, right = sides
    content = np.zeros(rgb.shape[:2], bool)
    content[top : 90 - bottom, left : 120 - right] = True
    rgb[~content] = grey
    found = find_frame_lines(rgb)
    assert (found.top, found.bottom, found.left, found.right) == tuple(sides)
    assert np.array_equal(found.inside(90, 120), content)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_a_picture_that_reaches_its_frame_keeps_every_line(seed: int) -> None:
    assert find_frame_lines(photo(seed)).inside(90, 120).all()
    assert find_frame_lines(np.full((90, 120, 3), 77, np.uint8)).inside(90, 120).all()


def test_a_thing_that_touches_the_frame_is_no_line() -> None:
    rgb = photo(3)
    rgb[:3, 20:70] = 0
    assert find_frame_lines(rgb).top == 0


def test_pictures_too_small_to_tell_have_none() -> None:
    rgb = photo(1, 8, 8)
    rgb[0] = 0
    assert find_frame_lines(rgb).inside(8, 8).all()
