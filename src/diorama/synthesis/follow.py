"""Surfaces that have their layers already follow a second look at the depth; cuts and edges stay where they are.

The second look is soft: it knows how far things are, not where they end. So it is not the new depth but says how the
old one has to change, and that as a map of inverse depth in each place (u becomes u + a u + b, a guided filter's local
line: He, Sun and Tang, "Guided image filtering", IEEE TPAMI 35(6), 2013, with the old depth as the guide): what lies
in front and what lies behind move each by its own amount, edges stay edges, and what is imagined behind a thing moves
with the surface that it continues, since it has that one's depth. Lines are fitted in windows of several sizes; of
those that hold such depths at all, the smaller count more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from diorama.cuts import near_inverse_depth
from diorama.synthesis.pieces import Float64, Pieces, sample
from diorama.types import Bool, Cuts, Float32, Layered, PointCloud

GRID = 320
"""Long side in cells of the grid that lines are fitted on: the second look knows no more."""

WINDOWS = (0.02, 0.05, 0.12, 0.3)
"""Half widths of the windows as shares of the long side."""

SMALLER = 8.0
"""How many times as much a window counts as the next larger one, where both hold such depths."""

SPREAD = 0.1
"""Of the spread of all depths: within so much of a window's depths its line is taken for known."""

STEEPEST = 0.6
"""Change of a line's slope at most: the order of depths stays."""

BAND = 0.011
"""Of the long side, from a cut: there a soft answer is neither side's."""

BEHIND = 0.97
"""An imagined surface stays this share of the inverse depth of what hides it, if it was."""


@dataclass(frozen=True)
class _Window:
    """Maps over the grid: the middle and the spread of the window's depths, and the line of their change."""

    middle: Float32
    spread: Float32
    slope: Float32
    offset: Float32


class Change:
    """How inverse depth has to change to follow a second look."""

    def __init__(self, points: PointCloud, cuts: Cuts, answer: Float32, sky: Bool | None = None) -> None:
        """Fit the lines.

        Args:
            points, cuts: at processing size.
            answer: (h, w) inverse depth as the second look sees it, at any size, scale and shift.
            sky: (H, W): says nothing, and stays.
        """
        height, width = points.z.shape
        scale = min(1.0, GRID / max(height, width))
        self.shape = height, width
        size = max(2, round(width * scale)), max(2, round(height * scale))
        inverse = points.inverse_depth
        free = points.mask if sky is None else points.mask & ~sky
        whole = _away(cuts) > BAND * max(height, width)
        known = _shrunk((free & whole).astype(np.float32), size) > 0.5
        if np.count_nonzero(known) < 0.05 * known.size:
            known = _shrunk(free.astype(np.float32), size) > 0.5
        seen = inverse[free]
        self.limits = (float(seen.min()), float(seen.max())) if seen.size else (0.0, np.inf)
        old, new = _shrunk(inverse, size), _shrunk(answer, size)
        self.windows: list[_Window] = []
        spread = _spread(old, known)
        if not known.any() or spread <= 0 or _spread(new, known) <= 0:
            return
        new = (new - np.median(new[known])) * (spread / _spread(new, known)) + np.median(old[known])
        weight = np.where(known, np.float32(1), np.float32(1e-4))
        room = np.float32((SPREAD * spread) ** 2)
        for share in WINDOWS:
            self.windows.append(_fitted(old, (new - old).astype(np.float32), weight, room, share))

    def at(self, inverse: Float64, pixel: Float64 | None = None) -> Float64:
        """What inverse depths become that follow wholly.

        Args:
            inverse: (H, W) those of every pixel; or (N,) of places.
            pixel: (N, 2) the places, (column, row) of pixels' corners.
        """
        if not self.windows:
            return inverse
        total, weights = np.zeros(inverse.shape, np.float32), np.full(inverse.shape, 1e-12, np.float32)
        count = np.float32(1)
        value = inverse.astype(np.float32)
        for window in self.windows:
            middle, spread, slope, offset = (
                self._sampled(part, pixel) for part in (window.middle, window.spread, window.slope, window.offset)
            )
            weight = count * np.exp(-np.minimum((value - middle) ** 2 / (2 * spread), 60))
            total += weight * (slope * value + offset)
            weights += weight
            count = np.float32(count / SMALLER)
        return np.asarray(np.clip(inverse + total / weights, *self.limits), np.float64)

    def _sampled(self, part: Float32, pixel: Float64 | None) -> Float32:
        height, width = self.shape
        if pixel is None:
            return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        scale = np.array([part.shape[1] / width, part.shape[0] / height])
        place = (pixel * scale - 0.5).astype(np.float32)
        column = np.clip(place[:, 0], 0, part.shape[1] - 1)
        row = np.clip(place[:, 1], 0, part.shape[0] - 1)
        return _between(part, column, row)


def followed(
    points: PointCloud, cuts: Cuts, layered: Layered, answer: Float32, share: float, sky: Bool | None = None
) -> tuple[PointCloud, Layered]:
    """Points and layers, moved along their rays.

    Args:
        points, cuts: at processing size.
        layered: the layers of these points.
        answer: as of `Change`.
        share: of the way, 0..1.
        sky: as of `Change`.

    Returns:
        Points and layers; seen from the photo's camera nothing moves.
    """
    change = Change(points, cuts, answer, sky)
    if not change.windows or share <= 0:
        return points, layered
    moved = _moved(points, change, share, sky)
    reach = 100.0 / near_inverse_depth(points)  # the unit in which `Pieces` tells places apart
    pieces = Pieces(layered.meshes, points.camera, reach, 0.0)
    inverse = pieces.disparity / reach
    farthest = change.limits[0] * (1 - 1e-4)
    chosen = np.flatnonzero(inverse >= farthest)  # not the sky, nor what stands behind all
    old, pixel = inverse[chosen], pieces.pixel[chosen]
    new = old + share * (change.at(old, pixel) - old)
    unseen = pieces.imagined[chosen]
    before, after = (1 / sample(one.z, pixel[unseen]).astype(np.float64) for one in (points, moved))
    new[unseen] = np.minimum(new[unseen], after * np.maximum(BEHIND, old[unseen] / before))
    pieces.move(chosen, new * reach)
    return moved, replace(layered, meshes=pieces.finished())


def followed_points(points: PointCloud, cuts: Cuts, answer: Float32, share: float, sky: Bool | None) -> PointCloud:
    """The same of the points alone, whose layers are still to be made."""
    return _moved(points, Change(points, cuts, answer, sky), share, sky)


def _moved(points: PointCloud, change: Change, share: float, sky: Bool | None) -> PointCloud:
    """The points, so far of the way; the sky stays."""
    inverse = points.inverse_depth.astype(np.float64)
    z = 1 / (inverse + share * (change.at(inverse) - inverse))
    if sky is not None:
        z = np.where(sky, points.z, z)
    return replace(points, z=np.ascontiguousarray(z, np.float32))


def _fitted(old: Float32, change: Float32, weight: Float32, room: np.float32, share: float) -> _Window:
    radius = max(1, round(share * max(old.shape)))
    side = (2 * radius + 1,) * 2

    def blur(values: Float32) -> Float32:
        return np.asarray(cv2.blur(values, side, borderType=cv2.BORDER_REFLECT), np.float32)

    total = blur(weight)

    def mean(values: Float32) -> Float32:
        return blur(weight * values) / total

    middle, wanted = mean(old), mean(change)
    # The depths are shifted for the squares: float32 has few digits for the difference of two large ones.
    base = old - np.float32(old.mean())
    variance = np.maximum(mean(base * base) - mean(base) ** 2, 0)
    slope = (mean(base * change) - mean(base) * wanted) / (variance + room * np.float32(0.25))
    slope = np.clip(slope, -STEEPEST, STEEPEST)
    offset = wanted - slope * middle
    return _Window(middle, variance + room, mean(slope), mean(offset))


def _away(cuts: Cuts) -> Float32:
    """(H, W) pixels to the nearest cut."""
    height, width = cuts.right.shape[0], cuts.down.shape[1]
    clear = np.ones((height, width), np.uint8)
    clear[:, 1:][cuts.right] = 0
    clear[:, :-1][cuts.right] = 0
    clear[1:][cuts.down] = 0
    clear[:-1][cuts.down] = 0
    if clear.all():
        return np.full((height, width), np.inf, np.float32)
    return np.asarray(cv2.distanceTransform(clear, cv2.DIST_L2, 3), np.float32)


def _shrunk(values: npt.NDArray[np.float32], size: tuple[int, int]) -> Float32:
    smaller = size[0] <= values.shape[1] and size[1] <= values.shape[0]
    return np.asarray(
        cv2.resize(values, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC), np.float32
    )


def _spread(values: Float32, known: Bool) -> np.float32:
    """Mean distance from the median."""
    chosen = values[known]
    return np.float32(np.abs(chosen - np.median(chosen)).mean()) if chosen.size else np.float32(0)


def _between(part: Float32, column: Float32, row: Float32) -> Float32:
    """The map's values at (column, row), linear in between."""
    height, width = part.shape
    i, j = np.minimum(column.astype(np.int64), max(width - 2, 0)), np.minimum(row.astype(np.int64), max(height - 2, 0))
    a, b = column - i, row - j
    upper = part[j, i] * (1 - a) + part[j, i + 1] * a
    lower = part[j + 1, i] * (1 - a) + part[j + 1, i + 1] * a
    return np.asarray(upper * (1 - b) + lower * b, np.float32)
