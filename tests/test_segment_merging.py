"""The merge tree: what touches merges, the most alike first."""

from __future__ import annotations

import numpy as np

from diorama.segment import merging
from diorama.segment.superpixels import Graph

# (x, y, d) of four points on a unit square: enough to fix a plane.
SQUARE = ((0, 0), (0, 1), (1, 0), (1, 1))


def moments(left: float, depth: float) -> list[float]:
    """Of four points at this depth, on a square that begins at `left`."""
    sums = np.zeros(10)
    for x, y in SQUARE:
        x += left
        sums += (1, x, y, depth, x * x, x * y, y * y, x * depth, y * depth, depth * depth)
    return [float(one) for one in sums]


def graph(colours: list[float], depths: list[float], pairs: list[tuple[int, int]]) -> Graph:
    """Superpixels side by side, of these lightnesses and depths."""
    n, m = len(colours), len(pairs)
    none = np.zeros(m)
    return Graph(
        np.zeros((1, n), np.int32),
        np.full(n, 4.0),
        np.array([[colour, 0.0, 0.0] for colour in colours]),
        np.array([moments(number, depth) for number, depth in enumerate(depths)]),
        np.array(pairs, np.int64).reshape(-1, 2),
        np.ones(m),
        none,
        none,
        none,
        np.zeros(n),
        np.zeros(n),
    )


def test_the_most_alike_merge_first() -> None:
    tree = merging.build(graph([0, 30, 31, 90], [0.5] * 4, [(0, 1), (1, 2), (2, 3)]))
    assert tree.children.tolist() == [[1, 2], [0, 4], [3, 5]]
    assert (np.diff(tree.cost) > 0).all()
    assert len(tree) == 7


def test_a_step_in_depth_divides_what_has_one_colour() -> None:
    tree = merging.build(graph([50] * 4, [0.2, 0.2, 0.8, 0.8], [(0, 1), (1, 2), (2, 3)]))
    assert sorted(tree.children[:2].tolist()) == [[0, 1], [2, 3]]
    assert tree.children[2].tolist() == [4, 5]


def test_of_equal_pairs_that_of_the_smaller_numbers_merges_first() -> None:
    tree = merging.build(graph([50] * 3, [0.5] * 3, [(0, 1), (0, 2), (1, 2)]))
    assert tree.children.tolist() == [[0, 1], [2, 3]]


def test_what_touches_nothing_stays_alone() -> None:
    tree = merging.build(graph([0, 10, 50], [0.5] * 3, [(0, 1)]))
    assert tree.children.tolist() == [[0, 1]]
    assert merging.build(graph([0], [0.5], [])).children.shape == (0, 2)


def test_outlines_of_what_has_merged_add_up() -> None:
    """0 and 1 merge first; the longer common outline with 2 makes that cheaper than 3, which is as much alike."""
    one = merging.build(graph([50, 50, 56, 56], [0.5] * 4, [(0, 1), (0, 3), (0, 2), (1, 2)]))
    assert one.children.tolist()[:2] == [[0, 1], [2, 4]]
