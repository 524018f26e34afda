"""Vertex clustering (Rossignac and Borrel 1993) in the picture: fewer vertices, and no gap for the photo's camera.

The picture is divided into square cells; what lies in one and hangs together becomes one vertex. All surfaces share
the cells and the places of the vertices on borders, so both sides of a border go to the same places: seen from the
photo's camera the surfaces cover what they covered. Edge collapses alone would pull the two sides apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diorama.types import Float32, Int32

Int64 = npt.NDArray[np.int64]

SAME_PX = 0.01
"""Places that are no farther apart are one, however many surfaces have a vertex there."""


@dataclass(frozen=True)
class Places:
    """Where the vertices of cells with a border go."""

    cells: Int64  # (N,) ascending
    positions: npt.NDArray[np.float64]  # (N, 2) px


def border_places(surfaces: list[tuple[Float32, Int32]], size: float) -> Places:
    """The mean of the border vertices of all surfaces, cell by cell.

    Args:
        surfaces: vertices (N, 3), x and y in pixels, and faces.
        size: of a cell, in pixels.
    """
    found = [vertices[_border(faces), :2] for vertices, faces in surfaces if len(faces)]
    places = np.concatenate([np.zeros((0, 2), np.float32), *found]).astype(np.float64)
    # Each place once: where two surfaces meet it is no more worth than elsewhere.
    places = np.unique(np.rint(places / SAME_PX), axis=0) * SAME_PX
    cells, inverse, count = np.unique(_cells(places, size), return_inverse=True, return_counts=True)
    sums = [np.bincount(inverse, places[:, axis], minlength=len(cells)) for axis in (0, 1)]
    return Places(cells, np.stack(sums, axis=1) / np.maximum(count, 1)[:, None])


def welded(vertices: Float32, faces: Int32) -> tuple[Float32, Int32]:
    """Vertices (N, 3) at one place as one, and the faces that are left."""
    _, first, inverse = np.unique(np.rint(vertices / SAME_PX), axis=0, return_index=True, return_inverse=True)
    corners = inverse.ravel()[faces]
    corners = corners[(corners != np.roll(corners, 1, axis=1)).all(axis=1)]
    return vertices[first], corners.astype(np.int32)


def clustered(vertices: Float32, faces: Int32, size: float, borders: Places) -> tuple[Float32, Int32]:
    """One vertex a cell and connected piece.

    Args:
        vertices: (N, 3); x and y in pixels.
        size: of a cell, in pixels.
        borders: of cells of the same size.

    Returns:
        Vertices (M, 3) and faces; triangles that became lines are gone.
    """
    cells = _cells(vertices, size)
    label = _pieces(cells, faces)
    count = int(label.max()) + 1
    weight = np.bincount(label, minlength=count)
    sums = [np.bincount(label, vertices[:, axis], minlength=count) for axis in range(3)]
    places = np.stack(sums, axis=1) / weight[:, None]
    of_cell = np.zeros(count, np.int64)
    of_cell[label] = cells
    on_border = np.zeros(count, bool)
    on_border[label[_border(faces)]] = True
    at = np.searchsorted(borders.cells, of_cell).clip(0, max(len(borders.cells) - 1, 0))
    moved = on_border & (borders.cells[at] == of_cell) if len(borders.cells) else np.zeros(count, bool)
    places[moved, :2] = borders.positions[at[moved]]
    corners = label[faces]
    corners = corners[(corners != np.roll(corners, 1, axis=1)).all(axis=1)]
    _, first = np.unique(np.sort(corners, axis=1), axis=0, return_index=True)
    kept, inverse = np.unique(corners[np.sort(first)], return_inverse=True)
    return places[kept].astype(np.float32), inverse.reshape(-1, 3).astype(np.int32)


def _cells(vertices: npt.NDArray[np.floating], size: float) -> Int64:
    """A number for each vertex's cell; pictures are less than a million cells wide."""
    x, y = np.floor(vertices[:, :2].astype(np.float64) / size).astype(np.int64).T
    number: Int64 = (y + (1 << 20)) * (1 << 22) + x + (1 << 20)
    return number


def _pieces(cells: Int64, faces: Int32) -> npt.NDArray[np.int64]:
    """(N,) vertices of one cell that edges within it join have one number."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    inside = edges[cells[edges[:, 0]] == cells[edges[:, 1]]]
    shape = (len(cells), len(cells))
    graph = coo_matrix((np.ones(len(inside), np.int8), (inside[:, 0], inside[:, 1])), shape=shape)
    label: npt.NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return label


def _border(faces: Int32) -> Int64:
    """The vertices of edges that have one triangle alone."""
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    low, high = np.sort(edges, axis=1).T
    _, first, count = np.unique(low * (int(faces.max()) + 1) + high, return_index=True, return_counts=True)
    return np.unique(edges[first[count == 1]])
