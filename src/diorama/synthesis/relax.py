"""Smoothing of surfaces that have their layers already: their vertices move along their rays, cuts stay where they are.

Layers made anew from smoothed depth have other cuts, and so other holes to imagine: against the true pictures of stereo
pairs that costs more in the holes than smoothing gains on what is seen.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diorama.cuts import near_inverse_depth
from diorama.smoothing import smooth
from diorama.synthesis.pieces import Float64, Pieces
from diorama.types import Cuts, Layered, PointCloud

REACH = 100.0
"""Pixels of parallax of what is near, the unit in which `Pieces` tells places apart."""


def relaxed(points: PointCloud, cuts: Cuts, layered: Layered, amount: float) -> tuple[PointCloud, Layered]:
    """Smooth the points and what is seen of the layers by the same amount, within the surfaces.

    Args:
        points, cuts: at processing size.
        layered: the layers of these points; what is imagined follows where it touches what is seen.
        amount: as of `smoothing.smooth`.

    Returns:
        Points and layers; seen from the photo's camera nothing moves.
    """
    inverse = points.inverse_depth
    smoothed = smooth(inverse, points.rgb, cuts.right, cuts.down, amount)
    if smoothed is inverse:
        return points, layered
    z = np.where(smoothed == inverse, points.z, 1 / smoothed).astype(np.float32)
    pieces = Pieces(layered.meshes, points.camera, REACH / near_inverse_depth(points), 0.0)
    seen = np.flatnonzero(~pieces.imagined & ~pieces.soft)
    ratio = _between((smoothed / inverse).astype(np.float64), pieces.pixel[seen] - 0.5)
    pieces.move(seen, pieces.disparity[seen] * ratio)
    return replace(points, z=z), replace(layered, meshes=pieces.finished())


def _between(grid: Float64, place: Float64) -> Float64:
    """The grid's values at (column, row), linear in between; at the border's where they lie outside."""
    height, width = grid.shape
    column, row = np.clip(place[:, 0], 0, width - 1), np.clip(place[:, 1], 0, height - 1)
    i = np.clip(column.astype(np.int64), 0, max(width - 2, 0))
    j = np.clip(row.astype(np.int64), 0, max(height - 2, 0))
    right, below = np.minimum(i + 1, width - 1), np.minimum(j + 1, height - 1)
    a, b = column - i, row - j
    upper = grid[j, i] * (1 - a) + grid[j, right] * a
    lower = grid[below, i] * (1 - a) + grid[below, right] * a
    return np.asarray(upper * (1 - b) + lower * b, np.float64)
