"""What the bundled inpainter works on: the surface that the picture shows, the one behind it, and coarser copies."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]

SAME_SURFACE = 1.0
"""Pixels of parallax within which two pixels count as one surface."""


class Level(NamedTuple):
    """One level. A pixel may be known and a hole at once: it shows one surface and hides another."""

    colour: Float  # (H, W, 3) 0..255, of the visible surface; 0 where it isn't known
    known: Mask  # (H, W)
    visible: Float  # (H, W) disparity of the visible surface, pixels of the finest level
    hole: Mask  # (H, W)
    behind: Float  # (H, W) disparity of the surface in the hole


def finest(rgb: NDArray[np.uint8], hole: Mask, known: Mask, behind: Float, visible: Float) -> Level:
    """The finest level; what isn't known, and what is no hole, becomes 0."""
    colour = np.empty(rgb.shape, np.float32)
    seen, hidden = np.empty(hole.shape, np.float32), np.empty(hole.shape, np.float32)
    _only(rgb, known, hole, behind, visible, colour, seen, hidden)
    return Level(colour, known, seen, hole, hidden)


@numba.njit(cache=True, nogil=True)
def _only(rgb, known, hole, behind, visible, colour, seen, hidden):  # type: ignore[no-untyped-def]
    height, width = known.shape
    for y in range(height):
        for x in range(width):
            there = known[y, x]
            for c in range(3):
                colour[y, x, c] = rgb[y, x, c] if there else 0
            seen[y, x] = visible[y, x] if there else np.float32(0)
            hidden[y, x] = behind[y, x] if hole[y, x] else np.float32(0)


def build(finest: Level) -> list[Level]:
    """Halve until 4 pixels are left on the shorter side -> levels, finest first."""
    levels = [finest]
    while min(levels[-1].hole.shape) > 4:
        last = levels[-1]
        visible = _halve_visible(last.colour, last.known, last.visible, SAME_SURFACE)
        levels.append(Level(*visible, *_halve_hole(last.hole, last.behind)))
    return levels


@numba.njit(cache=True, nogil=True)
def _halve_visible(colour, known, disparity, same):  # type: ignore[no-untyped-def]
    """Mean of each four pixels' farthest surface: a mix of two surfaces would be a colour of neither."""
    height, width, channels = colour.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    mean = np.zeros((rows, columns, channels), np.float32)
    has = np.zeros((rows, columns), np.bool_)
    depth = np.zeros((rows, columns), np.float32)
    for y in range(rows):
        for x in range(columns):
            farthest = np.float32(np.inf)
            for v in range(2 * y, min(2 * y + 2, height)):
                for u in range(2 * x, min(2 * x + 2, width)):
                    if known[v, u]:
                        farthest = min(farthest, disparity[v, u])
            count = 0
            for v in range(2 * y, min(2 * y + 2, height)):
                for u in range(2 * x, min(2 * x + 2, width)):
                    if known[v, u] and disparity[v, u] <= farthest + same:
                        count += 1
                        depth[y, x] += disparity[v, u]
                        for c in range(channels):
                            mean[y, x, c] += colour[v, u, c]
            if count:
                has[y, x] = True
                depth[y, x] /= count
                for c in range(channels):
                    mean[y, x, c] /= count
    return mean, has, depth


@numba.njit(cache=True, nogil=True)
def _halve_hole(hole, disparity):  # type: ignore[no-untyped-def]
    """A coarse pixel is a hole where any of its four is, as far away as the farthest of them."""
    height, width = hole.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    has = np.zeros((rows, columns), np.bool_)
    depth = np.zeros((rows, columns), np.float32)
    for y in range(height):
        for x in range(width):
            if hole[y, x] and (not has[y // 2, x // 2] or disparity[y, x] < depth[y // 2, x // 2]):
                has[y // 2, x // 2] = True
                depth[y // 2, x // 2] = disparity[y, x]
    return has, depth


def nearest(known: Mask, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N, 2): row and column of the known pixel that is nearest to each of the `places`, flat indices."""
    _, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    at = np.flatnonzero(known)
    table = np.zeros(int(labels.max()) + 1, np.int64)
    table[labels.ravel()[at]] = at
    return np.stack(np.divmod(table[labels.ravel()[places]], known.shape[1]), 1)
