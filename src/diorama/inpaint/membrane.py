"""The smooth part of the bundled fill: a membrane over each hole, held by known pixels of the same surface.

Solves Laplace's equation with edge weights that fall with the jump in disparity, so colour flows along the
background's surface and not across the silhouette of what hides it (a depth-guided form of the conductance of Perona
and Malik, IEEE TPAMI 12(7), 1990). Coarse to fine: each level starts from the coarser one and only smooths.
"""

from __future__ import annotations

import numba
import numpy as np

from diorama.inpaint.pyramid import SAME_SURFACE, Float, Level

SWEEPS = 20
"""Gauss-Seidel sweeps a level: with over-relaxation and a start from the coarser level, more change nothing visible."""

OVER_RELAXATION = 1.5
"""Between 1 (none) and 2 (unstable)."""

DISPARITY_SCALE = 1.5
"""Pixels of parallax over which the membrane lets go: steps inside one surface are smaller, silhouettes larger."""

SIDEWAYS = 8.0
"""How much better colour flows along rows than along columns: viewers move sideways, so what a hole shows continues
from its left or right. Flat between 4 and 16 on Middlebury pairs; 1 loses 0.2 dB."""


def solve(levels: list[Level]) -> list[Float]:
    """Fill the holes of every level smoothly -> (H, W, 3) float32 each, meaningful in the level's holes only."""
    finest = levels[0]
    mean = _mean(finest.colour, finest.known)
    solutions: list[Float] = []
    for level in reversed(levels):
        h, w = level.hole.shape
        if solutions:
            filled = _doubled(solutions[-1], h, w)
        else:
            filled = np.broadcast_to(mean.astype(np.float32), level.colour.shape).copy()
        ys, xs = np.divmod(np.flatnonzero(level.hole), w)
        _relax(filled, ys, xs, *level, level is not finest, DISPARITY_SCALE, SIDEWAYS, OVER_RELAXATION, SWEEPS)
        solutions.append(filled)
    return solutions[::-1]


@numba.njit(cache=True, nogil=True)
def _mean(colour, known):  # type: ignore[no-untyped-def]
    """(3,) float64: the mean of what is known."""
    total = np.zeros(3)
    count = 0
    for y in range(known.shape[0]):
        for x in range(known.shape[1]):
            if known[y, x]:
                count += 1
                for c in range(3):
                    total[c] += colour[y, x, c]
    return total / max(count, 1)


@numba.njit(cache=True, nogil=True)
def _doubled(coarse, height, width):  # type: ignore[no-untyped-def]
    """Each pixel twice in both directions."""
    fine = np.empty((height, width, 3), np.float32)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                fine[y, x, c] = coarse[y // 2, x // 2, c]
    return fine


@numba.njit(cache=True, nogil=True)
def _relax(filled, ys, xs, colour, known, visible, hole, behind, itself, scale, sideways, omega, sweeps):  # type: ignore[no-untyped-def]
    """Successive over-relaxation of the hole's pixels (ys, xs) in place, forwards and backwards in turn.

    `itself`: a coarse pixel may be partly a hole and partly its own background, which then holds it.
    """
    height, width = hole.shape
    leak = np.float32(1e-5)  # keeps pixels that no weight reaches tied to their neighbours
    weight = np.zeros((len(ys), 4), np.float32)
    total = np.zeros(len(ys), np.float32)
    held = np.zeros((len(ys), 3), np.float32)
    for i in range(len(ys)):
        y, x = ys[i], xs[i]
        for k in range(5):
            v, u = y + (k == 1) - (k == 0), x + (k == 3) - (k == 2)
            if v < 0 or u < 0 or v >= height or u >= width or (k == 4 and not itself):
                continue
            ease = np.float32(sideways if k >= 2 else 1.0)
            if hole[v, u] and k < 4:
                weight[i, k] = ease * (np.exp(-abs(behind[v, u] - behind[y, x]) / scale) + leak)
                total[i] += weight[i, k]
            gap = abs(visible[v, u] - behind[y, x])
            if known[v, u] and (not hole[v, u] or gap <= SAME_SURFACE):
                link = ease * (np.exp(-gap / scale) + leak)
                total[i] += link
                for c in range(3):
                    held[i, c] += link * colour[v, u, c]
    for sweep in range(sweeps):
        for j in range(len(ys)):
            i = j if sweep % 2 == 0 else len(ys) - 1 - j
            y, x = ys[i], xs[i]
            if total[i] <= 0:
                continue
            for c in range(3):
                value = held[i, c]
                if weight[i, 0] > 0:
                    value += weight[i, 0] * filled[y - 1, x, c]
                if weight[i, 1] > 0:
                    value += weight[i, 1] * filled[y + 1, x, c]
                if weight[i, 2] > 0:
                    value += weight[i, 2] * filled[y, x - 1, c]
                if weight[i, 3] > 0:
                    value += weight[i, 3] * filled[y, x + 1, c]
                filled[y, x, c] += omega * (value / total[i] - filled[y, x, c])
