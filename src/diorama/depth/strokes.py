"""Which part of a picture a brush stroke means: a path on a grid of pixels, and the surface that it lies on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from diorama.types import Bool, Correction, Cuts, Float32, UInt8

GRID = 192
"""Long side in cells of the grid that is solved on: a cell is as fine as a finger on a phone can point, and a stroke's
solve takes a tenth of a second. Outlines are drawn at the picture's own size."""

REACH = 7.0
"""How far a stroke acts on an even surface, in radii of its brush."""

COLOUR = 10.0
"""Difference of neighbouring cells in CIELAB that halves their link; twice of it leaves a seventeenth. Texture differs
by less from cell to cell, outlines by more."""

DEPTH = 0.025
"""The same in depth, as a share of the range: a little less than what the mesh is cut at."""

LEAK = 1e-4
"""The least link, so that the system stays well conditioned; half a per cent of a stroke passes it."""

HELD = 10.0
"""Weight of the stroke itself, against at most 1 for each of a cell's links."""

CHOSEN = (0.08, 0.45)
"""Below the first influence nothing changes at all, above the second a place follows the stroke wholly: so an object
moves as one piece, and what leaks past its outline is cut off."""

KEPT = 0.3
"""Weight with which what an earlier stroke was painted on keeps its place: as much as one strong link. Else two strokes
on neighbouring things would pull each other back and forth."""

_OWN = 0.2
"""Share of the path that has to lie on a surface: less was a slip across an edge."""


@dataclass(frozen=True)
class Grid:
    """The picture on the grid: CIELAB, and depth as a share of its range. Barriers and bridges are links by hand."""

    lab: Float32  # (h, w, 3)
    depth: Float32  # (h, w)
    cut: Cuts  # links that a person cut
    joined: Cuts  # and joined
    painted: Float32  # (h, w), 1 where an earlier stroke lies

    @classmethod
    def of(cls, rgb: UInt8, depth: Float32) -> Grid:
        """From (H, W, 3) sRGB and (H, W) depth as a share of its range, at the picture's size."""
        height, width = depth.shape
        scale = min(1.0, GRID / max(height, width))
        size = max(2, round(width * scale)), max(2, round(height * scale))
        small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
        cells = np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_AREA), np.float32)
        none = no_links(size[1], size[0])
        return cls(to_lab(small.astype(np.uint8)), cells, none, none, np.zeros_like(cells))

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w)"""
        return self.depth.shape[0], self.depth.shape[1]

    def after(self, stroke: Correction, depth: Float32) -> Grid:
        """The picture when a stroke has made this of its depth."""
        traced = trace(stroke, *self.shape)
        painted = self.painted.copy()
        painted[traced.window][traced.inside] = 1
        return replace(self, depth=depth, painted=painted)


def no_links(height: int, width: int) -> Cuts:
    """No link of a grid."""
    return Cuts(np.zeros((height, width - 1), bool), np.zeros((height - 1, width), bool))


def to_lab(rgb: UInt8) -> Float32:
    """(h, w, 3) sRGB to CIELAB, L 0..100."""
    return np.asarray(cv2.cvtColor(np.asarray(rgb, np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)


@dataclass(frozen=True)
class Trace:
    """A stroke on a grid, in a window of it; pixels are the unit."""

    window: tuple[slice, slice]
    distance: Float32  # (h, w): from the path
    side: Float32  # (h, w): the same with a sign, negative left of the path; 0 beyond the path's ends
    radius: float

    @property
    def inside(self) -> Bool:
        """(h, w): under the brush; of a thin brush at least the path's own pixels."""
        under: Bool = self.distance <= max(self.radius, 0.71)
        return under


def trace(stroke: Correction, height: int, width: int, *, margin: float = 1.0, least: float = 0.0) -> Trace:
    """Measure a grid of `height` x `width` against the path.

    Args:
        margin: radii of the brush around the path that the window holds.
        least: radius in pixels that the brush has at least.
    """
    radius = max(stroke.radius * max(height, width), least)
    path = np.array(stroke.points, np.float64) * (width, height)
    low = np.floor(path.min(axis=0) - margin * radius - 1).astype(int)
    high = np.ceil(path.max(axis=0) + margin * radius + 1).astype(int)
    x0, y0 = (int(v) for v in np.clip(low, 0, (width - 1, height - 1)))
    x1, y1 = (int(v) for v in np.clip(high, (x0 + 1, y0 + 1), (width, height)))
    x = np.arange(x0, x1) + 0.5
    y = (np.arange(y0, y1) + 0.5)[:, None]
    distance = np.full((y1 - y0, x1 - x0), np.inf)
    side = np.zeros_like(distance)
    last = max(1, len(path) - 1)
    for number in range(last):
        (ax, ay), (bx, by) = path[number], path[min(number + 1, len(path) - 1)]
        dx, dy = bx - ax, by - ay
        length = max(float(np.hypot(dx, dy)), 1e-9)
        along = ((x - ax) * dx + (y - ay) * dy) / length**2
        inner = np.clip(along, 0, 1)
        here = np.hypot(x - ax - inner * dx, y - ay - inner * dy)
        across = ((y - ay) * dx - (x - ax) * dy) / length
        # At a bend two segments are equally near: the one that is passed more squarely knows the side.
        nearer = (here < distance - 1e-9) | ((here < distance + 1e-9) & (np.abs(across) > np.abs(side)))
        beyond = ((along < 0) & (number == 0)) | ((along > 1) & (number == last - 1))
        side = np.where(nearer, np.where(beyond, 0, across), side)
        distance = np.minimum(distance, here)
    return Trace((slice(y0, y1), slice(x0, x1)), distance.astype(np.float32), side.astype(np.float32), radius)


def influence(stroke: Correction, grid: Grid) -> Float32:
    """How far each cell follows a stroke: 1 on its surface, 0 on others.

    The influence s solves the linear system of least squares

        sum HELD (s_i - 1)^2 over the stroke  +  sum w_ij (s_i - s_j)^2 over all links  +  sum p_i s_i^2,

    in which the first term holds the stroke, the second lets its influence spread where neither the photo nor the depth
    has an edge, and the third keeps the depth where it is, lightly (1 / reach^2) where no stroke is near, and firmly
    (`KEPT`) where an earlier one was painted. This is the brush of Lischinski et al.,
    "Interactive local adjustment of tonal values" (SIGGRAPH 2006), after Levin et al., "Colorization using
    optimization" (2004), in inverse depth instead of light. It is solved directly (SuperLU, minimum degree order).

    Returns:
        (h, w), 0..1; exactly 0 where the stroke means nothing.
    """
    height, width = grid.shape
    right, down = _links(grid)
    held = np.zeros(grid.shape, np.float32)
    traced = trace(stroke, height, width)
    held[traced.window] = traced.inside
    held *= _own_surface(held > 0, _middle(stroke, height, width), grid)
    reach = max(2.0, REACH * stroke.radius * max(height, width))
    y, x = np.nonzero(held)
    spread = int(3 * reach)
    window = (
        slice(max(0, int(y.min()) - spread), int(y.max()) + spread + 1),
        slice(max(0, int(x.min()) - spread), int(x.max()) + spread + 1),
    )
    result = np.zeros(grid.shape, np.float32)
    across = right[window[0], window[1].start : window[1].stop - 1]
    along = down[window[0].start : window[0].stop - 1, window[1]]
    kept = np.where(held > 0, 0, grid.painted) * np.float32(KEPT) + np.float32(1 / reach**2)
    result[window] = _solve(held[window] * HELD, across, along, kept[window])
    low, high = CHOSEN
    share = np.clip((result - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def _solve(held: Float32, right: Float32, down: Float32, kept: Float32) -> Float32:
    """The system above on a grid of links: `right` (h, w - 1) and `down` (h - 1, w)."""
    from scipy import sparse
    from scipy.sparse.linalg import splu

    height, width = held.shape
    to_right, to_below = np.zeros((height, width)), np.zeros((height, width))
    to_right[:, : right.shape[1]] = right[:, : width - 1]
    to_below[: down.shape[0]] = down[: height - 1]
    to_right[:, -1] = 0
    to_below[-1] = 0
    total = held + kept + to_right + to_below
    total[:, 1:] += to_right[:, :-1]
    total[1:] += to_below[:-1]
    beside, below = -to_right.ravel()[:-1], -to_below.ravel()[:-width]
    diagonals = [total.ravel(), beside, beside, below, below]
    matrix = sparse.diags_array(diagonals, offsets=[0, 1, -1, width, -width], format="csc")
    solved = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(held.ravel().astype(float))
    return np.asarray(solved.reshape(height, width), np.float32)


def _links(grid: Grid) -> tuple[Float32, Float32]:
    """How strongly neighbouring cells hold together: to the right (h, w - 1) and below (h - 1, w), `LEAK` to 1."""
    weights = []
    for axis, cut, joined in ((1, grid.cut.right, grid.joined.right), (0, grid.cut.down, grid.joined.down)):
        colour = np.linalg.norm(np.diff(grid.lab, axis=axis), axis=-1) / COLOUR
        depth = np.diff(grid.depth, axis=axis) / DEPTH
        link = 1 / (1 + colour**4) * np.where(joined, 1, np.exp(-(depth**2)))
        weights.append(np.where(cut, LEAK, np.maximum(link, LEAK)).astype(np.float32))
    return weights[0], weights[1]


def _middle(stroke: Correction, height: int, width: int) -> Bool:
    """(h, w): the cells on the path itself."""
    result = np.zeros((height, width), bool)
    traced = trace(stroke, height, width)
    result[traced.window] = traced.distance <= max(0.71, float(traced.distance.min()))
    return result


def _own_surface(under: Bool, path: Bool, grid: Grid) -> Bool:
    """The part of what is under the brush that is one surface with the path: a broad brush on a thin thing touches
    what is behind it, too, and that isn't meant."""
    jump_right = (np.abs(np.diff(grid.depth, axis=1)) > DEPTH) & ~grid.joined.right | grid.cut.right
    jump_down = (np.abs(np.diff(grid.depth, axis=0)) > DEPTH) & ~grid.joined.down | grid.cut.down
    height, width = under.shape
    fine = np.zeros((2 * height - 1, 2 * width - 1), np.uint8)
    fine[::2, ::2] = under
    fine[::2, 1::2] = under[:, 1:] & under[:, :-1] & ~jump_right
    fine[1::2, ::2] = under[1:] & under[:-1] & ~jump_down
    _, labels = cv2.connectedComponents(fine, connectivity=4, ltype=cv2.CV_32S)
    labels = labels[::2, ::2]
    on_path = np.bincount(labels[path & under], minlength=int(labels.max()) + 1)
    meant = np.flatnonzero(on_path >= max(1.0, _OWN * on_path.sum()))
    own: Bool = np.isin(labels, meant[meant > 0])
    return own if own.any() else under
