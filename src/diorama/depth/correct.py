"""Carry out what a person painted over a depth map.

Every stroke means a part of the picture (`strokes.influence`, a sparse solve on a reduced grid) and moves its inverse
depth d by an affine change, d -> d + s (gain d + offset), s being the influence. So all strokes together are one affine
change with coefficients that vary over the grid; these alone are brought up to the picture's size, along the edges of
photo and depth (joint bilateral upsampling, Kopf et al. 2007), and the model's own relief stays as fine as it was.
Strokes act in their order, each on what those before it have left, but for `cut` and `join`, which say where surfaces
end: they hold for all strokes, and shape the edges last (`seams`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from diorama.depth import seams
from diorama.depth.strokes import DEPTH, Grid, influence, to_lab, trace
from diorama.types import Bool, Correction, DepthMap, Float32, UInt8

BAND = 256
"""Rows that are brought up at a time: it bounds the memory."""

_SPREAD = 0.8
"""Standard deviation, in cells, of the weights by place where the grid is brought up."""

_ALIKE = 8.0
"""The same of the weights by colour, in CIELAB; those by depth have `strokes.DEPTH`."""

_ROBUST_ROUNDS = 5


@dataclass
class _Change:
    """d -> d + gain d + offset, and the same for the sky, on the grid."""

    gain: Float32
    offset: Float32
    sky_gain: Float32
    sky_offset: Float32

    @classmethod
    def none(cls, shape: tuple[int, int]) -> _Change:
        return cls(*(np.zeros(shape, np.float32) for _ in range(4)))

    def of(self, depth: Float32) -> Float32:
        return depth + self.gain * depth + self.offset

    def shift(self, share: Float32, by: float) -> None:
        """Then d -> d + share by."""
        self.offset = self.offset + share * np.float32(by)

    def towards(self, share: Float32, goal: Float32 | float) -> None:
        """Then d -> d + share (goal - d)."""
        self.gain = self.gain - share * (1 + self.gain)
        self.offset = self.offset + share * (np.float32(goal) - self.offset)

    def sky(self, share: Float32, goal: float) -> None:
        self.sky_gain = self.sky_gain - share * (1 + self.sky_gain)
        self.sky_offset = self.sky_offset + share * (np.float32(goal) - self.sky_offset)


Memory = dict[tuple[tuple[Correction, ...], tuple[Correction, ...]], tuple["_Change", Grid]]
"""What strokes came to on the grid: by the cuts and joins, and by the strokes so far."""


def correct(depth: DepthMap, rgb: UInt8, strokes: Sequence[Correction], memory: Memory | None = None) -> DepthMap:
    """Correct a depth map.

    Args:
        depth: (H, W) inverse depth; strengths are shares of its range, from the 2nd to the 98th percentile.
        rgb: (h, w, 3), the photo at any size.
        strokes: in the order in which they were painted.
        memory: of this depth map and photo alone: kept between calls, only strokes that are new are solved for.

    Returns:
        Inverse depth, finite and not negative; the very same record where there are no strokes. Relative depth may
        pass 1. The sky is where it was, less what was given a depth, and what was painted as sky. `cut` and `joined`
        are the links by hand.
    """
    if not strokes:
        return depth
    if rgb.shape[:2] != depth.shape:
        shrinks = rgb.shape[0] >= depth.shape[0]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        rgb = np.asarray(cv2.resize(rgb, depth.shape[::-1], interpolation=how), np.uint8)
    span, floor = _range(depth)
    inverse = depth.inverse_depth / span
    edges = [(stroke, seams.find(stroke, rgb, inverse)) for stroke in strokes if stroke.kind in ("cut", "join")]
    cut, joined = seams.links(depth.shape, [seam for _, seam in edges])
    grid = Grid.of(rgb, inverse)
    grid = replace(grid, cut=seams.reduced(cut, grid.shape), joined=seams.reduced(joined, grid.shape))
    change = _on_grid(grid, depth.sky, strokes, {} if memory is None else memory)
    result, sky = _brought_up(change, grid, rgb, inverse, depth.sky)
    for _, seam in edges:
        seam.shape(result)
    result = np.maximum(result, floor / span)
    if sky is not None:
        result = np.where(sky, np.float32(0), result)
    return replace(
        depth,
        inverse_depth=np.ascontiguousarray(result * span, np.float32),
        sky=sky,
        cut=cut if cut.right.any() or cut.down.any() else None,
        joined=joined if joined.right.any() or joined.down.any() else None,
        normals=None,  # they are of the surfaces as they were
    )


def _range(depth: DepthMap) -> tuple[np.float32, np.float32]:
    """The span of inverse depth that counts as the whole, and what nothing but the sky goes below."""
    inverse = depth.inverse_depth
    seen = inverse if depth.sky is None or depth.sky.all() else inverse[~depth.sky]
    low, high = np.percentile(seen, (2, 98))
    span = float(high - low) if high - low > 1e-6 * max(float(high), 1e-12) else float(high) or 1.0
    floor = 0.0
    if depth.scale == "metric" and (seen > 0).any():
        floor = float(seen[seen > 0].min())  # 0 would be infinitely far
    return np.float32(span), np.float32(floor)


def _on_grid(grid: Grid, sky: Bool | None, strokes: Sequence[Correction], memory: Memory) -> _Change:
    """All strokes' change, one after the other."""
    height, width = grid.shape
    edges = tuple(stroke for stroke in strokes if stroke.kind in ("cut", "join"))
    moves = tuple(stroke for stroke in strokes if stroke.kind not in ("cut", "join"))
    own_sky = np.zeros(grid.shape, np.float32)
    if sky is not None:
        own_sky = np.asarray(
            cv2.resize(sky.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA), np.float32
        )
    known = next((count for count in range(len(moves), 0, -1) if (edges, moves[:count]) in memory), 0)
    change, now = memory[edges, moves[:known]] if known else (_Change.none(grid.shape), grid)
    change = replace(change)
    for count, stroke in enumerate(moves[known:], known + 1):
        share = influence(stroke, now)
        is_sky = own_sky + change.sky_gain * own_sky + change.sky_offset > 0.5
        _move(stroke, share, now, change, to_sky=stroke.here is not None and bool(is_sky[_cell(stroke.here, grid)]))
        now = now.after(stroke, change.of(grid.depth))
        memory[edges, moves[:count]] = replace(change), now
    return change


def _move(stroke: Correction, share: Float32, now: Grid, change: _Change, *, to_sky: bool) -> None:
    """Add one stroke's change."""
    amount = stroke.amount
    if stroke.kind == "sky" or to_sky:
        change.sky(share, 1.0)
        return
    if stroke.kind in ("nearer", "farther"):
        change.shift(share, amount if stroke.kind == "nearer" else -amount)
    elif stroke.kind == "flat":
        change.towards(share * np.float32(amount), _plane(now.depth, share))
    elif stroke.here is not None:
        change.shift(share, amount * (_level_at(stroke.here, now.depth) - _level_under(stroke, share, now)))
    change.sky(share, 0.0)


def _cell(point: tuple[float, float], grid: Grid) -> tuple[int, int]:
    height, width = grid.shape
    return min(int(point[1] * height), height - 1), min(int(point[0] * width), width - 1)


def _level_at(point: tuple[float, float], depth: Float32) -> float:
    """The depth of a place: the median of the cells around it, so that an edge near by doesn't matter."""
    height, width = depth.shape
    y, x = min(int(point[1] * height), height - 1), min(int(point[0] * width), width - 1)
    return float(np.median(depth[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]))


def _level_under(stroke: Correction, share: Float32, grid: Grid) -> float:
    """The depth of what a stroke lies on."""
    traced = trace(stroke, *grid.shape)
    under = traced.inside & (share[traced.window] > 0.5)
    values = grid.depth[traced.window]
    return float(np.median(values[under if under.any() else traced.inside]))


def _plane(depth: Float32, share: Float32) -> Float32:
    """(h, w): the plane through the part of the picture that `share` chooses.

    A plane in space has an inverse depth that is linear in the picture. Cells far off it count little (weights
    1 / distance: the least sum of distances).
    """
    y, x = np.nonzero(share > 0.05)
    values, weight = depth[y, x].astype(np.float64), share[y, x].astype(np.float64)
    height, width = depth.shape
    centre = np.average(y, weights=weight), np.average(x, weights=weight)
    scale = max(height, width)
    design = np.stack([np.ones(len(y)), (y - centre[0]) / scale, (x - centre[1]) / scale], axis=1)
    ridge = np.diag([0.0, 1.0, 1.0]) * 1e-6 * weight.sum()  # a line of cells has no slope across
    found = np.zeros(3)
    robust = weight
    for _ in range(_ROBUST_ROUNDS):
        weighted = design * robust[:, None]
        found = np.linalg.solve(design.T @ weighted + ridge, weighted.T @ values)
        robust = weight / np.maximum(np.abs(values - design @ found), 0.005)
    rows = (np.arange(height)[:, None] - centre[0]) / scale
    columns = (np.arange(width) - centre[1]) / scale
    plane = found[0] + found[1] * rows + found[2] * columns
    return np.asarray(np.clip(plane, values.min(), values.max()), np.float32)


def _brought_up(
    change: _Change, grid: Grid, rgb: UInt8, inverse: Float32, sky: Bool | None
) -> tuple[Float32, Bool | None]:
    """The change at the picture's size, carried out."""
    result = inverse.copy()
    with_sky = sky is not None or bool(change.sky_offset.any())
    new_sky = (np.zeros(inverse.shape, bool) if sky is None else sky.copy()) if with_sky else None
    fields = [change.gain, change.offset, *((change.sky_gain, change.sky_offset) if with_sky else ())]
    values = np.stack(fields, axis=-1)
    touched = np.asarray(cv2.dilate(np.any(values != 0, axis=-1).astype(np.uint8), np.ones((5, 5), np.uint8)))
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    if not len(rows):
        return result, new_sky
    height, width = inverse.shape
    top, bottom = (int(cell * height / grid.shape[0]) for cell in (rows[0], rows[-1] + 1))
    left, right = (int(cell * width / grid.shape[1]) for cell in (columns[0], columns[-1] + 1))
    for start in range(top, bottom, BAND):
        window = slice(start, min(start + BAND, bottom)), slice(left, right)
        up = _upsampled(values, grid, rgb, inverse, window)
        result[window] += up[..., 0] * inverse[window] + up[..., 1]
        if new_sky is not None:
            old = new_sky[window].astype(np.float32)
            new_sky[window] = old + up[..., 2] * old + up[..., 3] > 0.5
    return result, new_sky


def _upsampled(values: Float32, grid: Grid, rgb: UInt8, inverse: Float32, window: tuple[slice, slice]) -> Float32:
    """(h, w, k) of the window: averages of the 3 x 3 cells around a pixel, by place and by likeness to the pixel."""
    shape = inverse.shape
    lab, depth = to_lab(rgb[window]), inverse[window]
    total = np.zeros((*depth.shape, values.shape[-1]), np.float32)
    weights = np.full(depth.shape, np.float32(1e-12))
    places = [(np.arange(w.start, w.stop) + 0.5) * (g / s) for w, s, g in zip(window, shape, grid.shape, strict=True)]
    cells = [np.floor(place).astype(int) for place in places]
    for dy in (-1, 0, 1):
        row = np.clip(cells[0] + dy, 0, grid.shape[0] - 1)
        off_y = (cells[0] + dy + 0.5 - places[0])[:, None]
        for dx in (-1, 0, 1):
            column = np.clip(cells[1] + dx, 0, grid.shape[1] - 1)
            off_x = cells[1] + dx + 0.5 - places[1]
            at = np.ix_(row, column)
            unlike = ((lab - grid.lab[at]) ** 2).sum(axis=-1) / np.float32(2 * _ALIKE**2)
            unlike += (depth - grid.depth[at]) ** 2 / np.float32(2 * DEPTH**2)
            unlike += ((off_y**2 + off_x**2) / (2 * _SPREAD**2)).astype(np.float32)
            weight = np.exp(-np.minimum(unlike, np.float32(20)))
            total += weight[..., None] * values[at]
            weights += weight
    return np.asarray(total / weights[..., None], np.float32)
