"""The grid that a mesh is made from: the corners of pixels, split where surfaces end.

Where the four pixels around a corner belong to different surfaces, each surface has a vertex of its own there, so that
no triangle joins two of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from diorama.types import Bool, Cuts, Float32, Int32

UInt8 = npt.NDArray[np.uint8]

# Corners of a pixel, in reading order.
TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT = range(4)


@dataclass(frozen=True)
class Grid:
    """Pixels with the vertices at their corners. A vertex's id is 4 x corner + copy, corners counted row by row."""

    value: Float32  # (H, W): the pixels' disparity in px of parallax
    present: Bool  # (H, W)
    copy: UInt8  # (H, W, 4): which of a corner's vertices is the pixel's, for its four corners
    mean: Float32  # (4 (H + 1) (W + 1),): disparity of the surface at each vertex
    joined: tuple[Bool, Bool]  # (H, W-1), (H-1, W): both pixels are there and the link between them is not cut

    def vertex(self, place: int, row: npt.NDArray[np.int64], column: npt.NDArray[np.int64]) -> Int32:
        """Ids of the vertices at a corner of pixels."""
        corner = (row + (place >> 1)) * (self.value.shape[1] + 1) + column + (place & 1)
        return np.asarray(4 * corner + self.copy[row, column, place], np.int32)


def corner_grid(value: Float32, cuts: Cuts, opaque: Bool | None) -> Grid:
    """Split the corners and give each vertex its surface's disparity.

    Args:
        value: (H, W) disparity.
        cuts: links that no surface crosses.
        opaque: (H, W), pixels that there are; None: all.
    """
    present = np.ones(value.shape, bool) if opaque is None else np.ascontiguousarray(opaque)
    right = ~cuts.right & present[:, 1:] & present[:, :-1]
    down = ~cuts.down & present[1:] & present[:-1]
    value = np.ascontiguousarray(value, np.float32)
    copy, mean = _split(value, right, down, present)
    return Grid(value, present, copy, mean.ravel(), (right, down))


def square_error(grid: Grid, level: int, enough: float) -> Float32:
    """Largest distance, in px of parallax, of each square's pixels from the bilinear patch over its four corners.

    Args:
        level: squares have 2^level pixels a side; those that the grid's border cuts off are left out.
        enough: errors over this needn't be told from one another.

    Returns:
        (H / 2^level, W / 2^level); infinite where a cut or a missing pixel lies within the square.
    """
    right, down = grid.joined
    side = 1 << level
    height, width = grid.value.shape
    error = np.full((height // side, width // side), np.inf, np.float32)
    if error.size:
        # A patch's weights at the middles of pixels.
        t = ((np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side)).astype(np.float32)
        _errors(grid.value, grid.present, right, down, grid.copy, grid.mean, t, np.float32(enough), error)
    return error


@numba.njit(cache=True, nogil=True, inline="always")
def _smaller(before, has_before, after, has_after):  # type: ignore[no-untyped-def]
    """Change a pixel within the surface: the smaller of both sides' where they agree in sign (minmod), the one side's
    where the other is cut, 0 where both are."""
    if not has_before:
        before = after
    if not has_after:
        after = before
    if not (has_before or has_after) or before * after <= 0:
        return np.float32(0)
    return before if abs(before) < abs(after) else after


@numba.njit(cache=True, nogil=True)
def _split(value, right, down, present):  # type: ignore[no-untyped-def]
    """Which vertex of each of its corners a pixel has (H, W, 4), and the vertices' means (H + 1, W + 1, 4)."""
    height, width = value.shape
    copy = np.zeros((height, width, 4), np.uint8)
    mean = np.zeros((height + 1, width + 1, 4), np.float32)
    slope_x = np.zeros((height, width), np.float32)
    slope_y = np.zeros((height, width), np.float32)
    zero = np.float32(0)
    for y in range(height):
        for x in range(width):
            left, on = x > 0 and right[y, x - 1], x + 1 < width and right[y, x]
            before = value[y, x] - value[y, x - 1] if left else zero
            slope_x[y, x] = _smaller(before, left, value[y, x + 1] - value[y, x] if on else zero, on)
            up, under = y > 0 and down[y - 1, x], y + 1 < height and down[y, x]
            before = value[y, x] - value[y - 1, x] if up else zero
            slope_y[y, x] = _smaller(before, up, value[y + 1, x] - value[y, x] if under else zero, under)
    half = np.float32(0.5)
    names = np.zeros(4, np.uint8)
    count = np.zeros(4, np.float32)
    for y in range(height + 1):
        for x in range(width + 1):
            # The pixels around a corner are a b / c d; links to those outside are missing.
            above, below, before, after = y > 0, y < height, x > 0, x < width
            ab = above and before and after and right[y - 1, x - 1]
            cd = below and before and after and right[y, x - 1]
            ac = above and below and before and down[y - 1, x - 1]
            bd = above and below and after and down[y - 1, x]
            a_b, a_c, a_d = ab or (ac and cd and bd), ac or (ab and bd and cd), (ab and bd) or (ac and cd)
            b_c, b_d, c_d = (ab and ac) or (bd and cd), bd or (ab and ac and cd), cd or (ac and ab and bd)
            # Each pixel takes the name of the first pixel of its surface at this corner.
            names[0] = 0
            names[1] = 0 if a_b else 1
            names[2] = 0 if a_c else (1 if b_c else 2)
            names[3] = 0 if a_d else (1 if b_d else (2 if c_d else 3))
            count[:] = 0
            for slot in range(4):
                v, u = y - 1 + (slot >> 1), x - 1 + (slot & 1)
                if v < 0 or u < 0 or v >= height or u >= width:
                    continue
                copy[v, u, 3 - slot] = names[slot]
                if present[v, u]:
                    dx = half if slot & 1 == 0 else -half
                    dy = half if slot >> 1 == 0 else -half
                    mean[y, x, names[slot]] += value[v, u] + dx * slope_x[v, u] + dy * slope_y[v, u]
                    count[names[slot]] += 1
            for slot in range(4):
                if count[slot] > 1:
                    mean[y, x, slot] /= count[slot]
    return copy, mean


@numba.njit(cache=True, nogil=True)
def _errors(value, present, right, down, copy, mean, t, enough, error):  # type: ignore[no-untyped-def]
    side, last, width = len(t), len(t) - 1, value.shape[1]
    one = np.float32(1)
    for row in range(error.shape[0]):
        for column in range(error.shape[1]):
            top, left = row * side, column * side
            whole = True
            for y in range(top, top + side):
                for x in range(left, left + side):
                    if (
                        not present[y, x]
                        or (x < left + last and not right[y, x])
                        or (y < top + last and not down[y, x])
                    ):
                        whole = False
                        break
                if not whole:
                    break
            if not whole:
                continue
            at = top * (width + 1) + left
            a = mean[4 * at + copy[top, left, 0]]
            b = mean[4 * (at + side) + copy[top, left + last, 1]]
            at += side * (width + 1)
            c = mean[4 * at + copy[top + last, left, 2]]
            d = mean[4 * (at + side) + copy[top + last, left + last, 3]]
            worst = np.float32(0)
            for y in range(side):
                first = a * (one - t[y]) + c * t[y]
                step = b * (one - t[y]) + d * t[y] - first
                for x in range(side):
                    worst = max(worst, abs(value[top + y, left + x] - (first + step * t[x])))
                if worst > enough:
                    break
            error[row, column] = worst
