"""Ground and walls: flat where they nearly are.

A plane is linear in the picture in inverse depth (1/z = a u + b v + c), so it is fitted with linear algebra and a
vertex reaches it along its own ray.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diorama.synthesis.pieces import Float64, Int64, Pieces, sample
from diorama.types import PointCloud, Segments

TOLERANCE = 0.35
"""Share of a cut's least jump within which a surface counts as flat: 1.5 px of parallax at the default settings and
1536 px, about the noise of estimated depth."""

LEAST_SHARE = 0.5
"""Of a segment that has to lie that near the plane; else it is no plane, or more than one."""

SAMPLES = 4000
"""Points of a segment that the plane is fitted to."""

BEHIND = 0.97
"""An imagined plane stays this share of the disparity of what hides it."""


@dataclass(frozen=True)
class Flattened:
    """What `flatten` found: shares of the segment's pixels, distances in pixels of parallax (root mean square of what
    is within reach)."""

    flattened: bool
    share: float
    before: float
    after: float


def flatten(
    pieces: Pieces, points: PointCloud, segments: Segments, segment: int, amount: float, *, seen: bool = True
) -> Flattened:
    """Move a segment's vertices, seen and imagined, onto its plane, those that are nearly there already.

    Args:
        amount: share of the way, 0..1.
        seen: whether what is seen is moved as well; else what is imagined stays where it touches that.
    """
    tolerance = TOLERANCE * pieces.jump
    rows, columns = np.nonzero((segments.labels == segment) & points.mask)
    if len(rows) < 16:
        return Flattened(False, 0.0, 0.0, 0.0)
    step = max(1, len(rows) // SAMPLES)
    pixel = np.stack([columns[::step] + 0.5, rows[::step] + 0.5], axis=1)
    disparity = pieces.reach / points.z[rows[::step], columns[::step]].astype(np.float64)
    plane = fit(pixel, disparity, tolerance)
    if plane is None:
        return Flattened(False, 0.0, 0.0, 0.0)
    residual = np.abs(disparity - _at(plane, pixel))
    share = float(np.mean(residual < tolerance))
    near = residual[residual < tolerance]
    before = float(np.sqrt(np.mean(near**2))) if len(near) else 0.0
    if share < LEAST_SHARE:
        return Flattened(False, share, before, before)
    mine = pieces.segment == segment
    if not seen:
        mine &= ~np.isin(pieces.group, np.unique(pieces.group[~pieces.imagined]))
    chosen = np.flatnonzero(mine)
    target = _at(plane, pieces.pixel[chosen])
    old = pieces.disparity[chosen]
    weight = amount * _pull(np.abs(old - target) / tolerance)
    new = old + weight * (target - old)
    new = np.where(pieces.imagined[chosen], _kept_behind(new, old, pieces, points, chosen), new)
    fine = new > 0.05 * old  # a plane may run to infinity within the picture
    pieces.move(chosen[fine], new[fine])
    if not seen:
        reached = (np.abs(old - target) < 2 * tolerance) & fine
        misses = (np.abs(depth - target)[reached] for depth in (old, new))
        before, after = (float(np.sqrt(np.mean(miss**2))) if len(miss) else 0.0 for miss in misses)
        return Flattened(True, share, before, after)
    left = near * (1 - amount * _pull(near / tolerance))
    return Flattened(True, share, before, float(np.sqrt(np.mean(left**2))) if len(left) else 0.0)


def fit(pixel: Float64, disparity: Float64, tolerance: float) -> Float64 | None:
    """A plane by least squares reweighted with Tukey's biweight, from the best of some random triples.

    Args:
        tolerance: distance up to which a point belongs to the plane.

    Returns:
        (3,) coefficients of u, v and 1; None where the points lie on a line.
    """
    ones = np.column_stack([pixel, np.ones(len(pixel))])
    random = np.random.default_rng(0)
    triples = random.integers(0, len(pixel), (200, 3))
    matrices = ones[triples]
    good = np.abs(np.linalg.det(matrices)) > 1e-3 * np.prod(np.ptp(pixel, axis=0) + 1)
    if not good.any():
        return None
    planes = np.linalg.solve(matrices[good], disparity[triples[good]][..., None])[..., 0]
    judged = random.integers(0, len(pixel), min(len(pixel), 600))
    miss = np.abs(ones[judged] @ planes.T - disparity[judged, None])
    votes = np.maximum(0, 1 - (miss / (2 * tolerance)) ** 2).sum(axis=0)
    plane: Float64 = planes[int(votes.argmax())]
    for _ in range(6):
        weight = np.maximum(0, 1 - ((ones @ plane - disparity) / (2 * tolerance)) ** 2)  # its root
        if np.count_nonzero(weight) < 8:
            return None
        plane = np.linalg.lstsq(ones * weight[:, None], disparity * weight, rcond=None)[0]
    return plane


def _at(plane: Float64, pixel: Float64) -> Float64:
    return np.asarray(pixel @ plane[:2] + plane[2], np.float64)


def _pull(distance: Float64) -> Float64:
    """1 up to a distance of 1, falling smoothly to 0 at 2: what stands out of the plane is left alone."""
    t = np.clip(2 - distance, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float64)


def _kept_behind(new: Float64, old: Float64, pieces: Pieces, points: PointCloud, chosen: Int64) -> Float64:
    """Imagined parts never come in front of what hides them."""
    pixel = pieces.pixel[chosen]
    camera = points.camera
    inside = (pixel >= 0).all(axis=1) & (pixel < (camera.width, camera.height)).all(axis=1)
    hider = np.where(inside, pieces.reach / sample(points.z, pixel).astype(np.float64), np.inf)
    return np.minimum(new, np.maximum(old, BEHIND * hider))
