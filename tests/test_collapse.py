"""Edges that collapse: fewer triangles, the same surface, and borders as they were."""

from __future__ import annotations

import numpy as np
import pytest

from diorama import collapse
from diorama.types import Float32, Int32

HASTE = 8


def grid(rows: int, columns: int, height: float = 0.0) -> tuple[Float32, Int32]:
    """A rectangle of squares of two triangles each, in waves of that height."""
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    z = height * np.sin(x / 5) * np.cos(y / 7)
    a = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    faces = np.concatenate([np.stack([a, a + 1, a + columns], 1), np.stack([a + 1, a + columns + 1, a + columns], 1)])
    return np.stack([x, y, z], axis=2).reshape(-1, 3).astype(np.float32), faces.astype(np.int32)


def doubled_areas(vertices: np.ndarray, faces: Int32) -> np.ndarray:
    """Twice the area of each triangle in the picture, signed."""
    a, b, c = (vertices[corner, :2].astype(float) for corner in faces.T)
    one, other = b - a, c - a
    return np.asarray(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])


def edge_of(vertices: np.ndarray, rows: int, columns: int) -> set[tuple[float, float]]:
    x, y = vertices[:, 0], vertices[:, 1]
    on = (x == 0) | (y == 0) | (x == columns - 1) | (y == rows - 1)
    return {(float(u), float(v)) for u, v in vertices[on, :2]}


def test_a_flat_piece_needs_little_but_its_border() -> None:
    vertices, faces = grid(20, 30)
    places, left = collapse.collapsed(vertices, faces, 1, HASTE)
    assert len(left) < 0.2 * len(faces)
    assert edge_of(places, 20, 30) == edge_of(vertices, 20, 30)
    areas = doubled_areas(places, left)
    assert (areas > 0).all()  # none has turned over
    assert areas.sum() == pytest.approx(2 * 19 * 29)
    assert sorted(set(left.ravel().tolist())) == list(range(len(places)))  # no vertex without a triangle


def test_waves_stay_where_they_are() -> None:
    vertices, faces = grid(60, 80, height=3)
    places, left = collapse.collapsed(vertices, faces, len(faces) // 3, HASTE)
    assert 0.3 * len(faces) < len(left) <= len(faces) // 3
    assert edge_of(places, 60, 80) == edge_of(vertices, 60, 80)
    x, y, z = places.T
    assert np.abs(z - 3 * np.sin(x / 5) * np.cos(y / 7)).max() < 0.1
    assert doubled_areas(places, left).sum() == pytest.approx(2 * 59 * 79)


def test_the_border_of_a_hole_stays() -> None:
    vertices, faces = grid(21, 21)
    middle = vertices[faces].mean(axis=1)[:, :2]
    faces = faces[(np.abs(middle - 10) > 3).any(axis=1)]
    places, left = collapse.collapsed(vertices, faces, 1, HASTE)
    around = {(float(x), float(y)) for x in range(7, 14) for y in range(7, 14) if max(abs(x - 10), abs(y - 10)) == 3}
    assert around <= {(float(x), float(y)) for x, y in places[:, :2]}
    assert doubled_areas(places, left).sum() == pytest.approx(2 * (20 * 20 - 6 * 6))


def test_what_is_few_enough_stays_as_it_is() -> None:
    vertices, faces = grid(5, 5, height=1)
    places, left = collapse.collapsed(vertices, faces, len(faces), HASTE)
    np.testing.assert_array_equal(places, vertices)
    np.testing.assert_array_equal(left, faces)


def test_nothing_given_is_changed() -> None:
    vertices, faces = grid(12, 12, height=1)
    before = vertices.copy(), faces.copy()
    collapse.collapsed(vertices, faces, 40, HASTE)
    np.testing.assert_array_equal(vertices, before[0])
    np.testing.assert_array_equal(faces, before[1])


def test_flat_triangles_without_area_do_no_harm() -> None:
    vertices, faces = grid(8, 8)
    with_needles = np.concatenate([faces, [[0, 0, 1], [9, 9, 9]]]).astype(np.int32)
    places, left = collapse.collapsed(vertices, with_needles, 30, HASTE)
    assert np.isfinite(places).all()
    assert len(left) <= len(with_needles)


def test_other_threads_run_meanwhile() -> None:
    """Steps are made by several threads: one that kept the others from running would cost a fifth of a second."""
    assert collapse._collapse.targetoptions["nogil"]
