"""Depth edges put where the photo has them: what an estimator drew a few pixels beside a silhouette is moved onto it.

Near a depth edge the pixels around each pixel vote on which side it is of, those weighing most whose colour is like its
own (the weights of Ma et al., "Constant time weighted median filtering", ICCV 2013; with two sides a median is a vote).
One that is outvoted takes the mean depth of those that outvoted it, all others stay as they are. Since pixels right at
the old edge hardly count, it is the colours farther inside on either side that decide. Before that, what was taken for
the sky and looks unlike it comes back to what it stands on.

On five Kodak photos with the bundled network's depth the pixels at cuts are 42 grey levels from the colours inside
their surface, 52 without this.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numba
import numpy as np

from diorama.cuts import MIN_LENGTH, find_cuts, near_inverse_depth
from diorama.frame_lines import find_frame_lines
from diorama.rims import touching
from diorama.settings import Settings
from diorama.types import Bool, Cuts, Float32, PointCloud, UInt8

REACH = 0.008
"""Half the window's side as a share of the long side: networks at some 640 px miss edges by a few of their pixels."""

SAMPLES = 6
"""Pixels of the window on each side of its middle that are looked at, however large it is."""

LIKENESS = 20.0
"""Colour difference, in 8-bit steps, at which a pixel's weight is down to exp(-1/2)."""

UNSURE = 2
"""Pixels from the old edge within which a pixel's vote counts `DOUBT` of what it counts elsewhere."""

DOUBT = 0.1

ROUNDS = 2

STRAIGHTENINGS = 2
"""Passes of a 3 x 3 median over the pixels at edges."""

AROUND = 0.015
"""Of the long side: how far around a pixel the sky is looked at."""

UNLIKE = 45.0
"""Colour difference, in 8-bit steps, from which a pixel can't be the sky that is around it."""

VARIED, LEAST = 7.0, 20.0
"""So many times the median of the sky's differences, or so many steps, whatever is more: beside what is `UNLIKE` it."""

SURE = 0.1
"""Share of such a thing that has to be `UNLIKE` the sky."""

LOOKED_AT = 768
"""Long side in pixels at which this is done."""

GAP = 4
"""Pixels that may be between such a thing and what it stands on: where it is thinnest it is hardly seen."""

FRAME = 0.01
"""Of the long side: scans have lines along their edges that are unlike any sky."""

LARGEST, SMALLEST = 0.1, 6
"""Share of the picture and pixels that a thing may have."""


def align(points: PointCloud, cuts: Cuts, settings: Settings) -> PointCloud:
    """Move the depth edges of estimated depth onto the photo's silhouettes.

    Args:
        points, cuts: as found; where nothing is cut, nothing changes.

    Returns:
        The points, changed within `REACH` of the cuts alone, each to a depth between those around it. What is
        transparent stays.
    """
    import cv2

    reach = max(SAMPLES, round(REACH * max(points.z.shape)))
    step = reach // SAMPLES
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    jump = np.float32(settings.cut_threshold / 100 * near_inverse_depth(points))
    rgb = np.ascontiguousarray(points.rgb)
    solid = np.ones(points.z.shape, bool) if points.opaque is None else points.opaque
    inverse = points.inverse_depth
    for _ in range(ROUNDS):
        at_edge = touching(cuts)
        if not at_edge.any():
            break
        away = np.asarray(cv2.distanceTransform((~at_edge).astype(np.uint8), cv2.DIST_L2, 5))
        trust = np.where(away < UNSURE, np.float32(DOUBT), np.float32(1)) * solid
        low = np.asarray(cv2.erode(np.where(solid, inverse, inverse.max()), window))
        high = np.asarray(cv2.dilate(np.where(solid, inverse, inverse.min()), window))
        near = np.flatnonzero((away < reach - 1) & solid & (high - low > jump))
        moved = inverse.copy()
        middle, cores = (low + high) / 2, os.cpu_count() or 1
        vote = partial(_vote, inverse, rgb, trust, middle, step * SAMPLES, step, *_weights(reach), moved)
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(vote, np.array_split(near, cores)))
        inverse = moved
        points = replace(points, z=np.reciprocal(inverse))
        cuts = find_cuts(points, settings)
    return _straightened(points, cuts, jump)


def _straightened(points: PointCloud, cuts: Cuts, jump: np.float32) -> PointCloud:
    """Without the teeth that votes leave along an edge: there each pixel takes the median depth of 3 x 3, but for those
    that make a line."""
    import cv2

    inverse = points.inverse_depth
    edge = cv2.dilate(touching(cuts).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if points.opaque is not None:
        edge &= cv2.erode(points.opaque.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    for _ in range(STRAIGHTENINGS):
        median = cv2.medianBlur(inverse, 3)
        crossing = edge & (np.abs(median - inverse) > jump)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(crossing.astype(np.uint8), connectivity=4)
        line = stats[:, cv2.CC_STAT_AREA] >= MIN_LENGTH
        line[0] = False
        inverse = np.where(edge & ~line[labels], median, inverse)
    return replace(points, z=np.reciprocal(inverse))


def unframed(points: PointCloud) -> PointCloud:
    """Lines along the frame that are no part of the picture get the depth of what is beside them.

    A network takes the edge of a scan for a thing in front.
    """
    lines = find_frame_lines(points.rgb)
    if not (lines.top or lines.bottom or lines.left or lines.right):
        return points
    height, width = points.z.shape
    inner = points.z[lines.top : height - lines.bottom, lines.left : width - lines.right]
    return replace(points, z=np.pad(inner, ((lines.top, lines.bottom), (lines.left, lines.right)), mode="edge"))


def attach(points: PointCloud, sky: Bool) -> PointCloud:
    """Bring back what was taken for sky and is none: masts, wires, vanes, as far away as what they stand on.

    What differs from the sky around it by `UNLIKE` somewhere and by more than the sky itself varies everywhere, and
    reaches, without a gap, what is in front of the sky, takes the depth of the nearest pixel where it does. Clouds
    differ by less from one place to the next, birds reach nothing.

    Args:
        points: one a pixel.
        sky: (H, W), where the depth map has put the sky.
    """
    import cv2

    front = ~sky if points.opaque is None else ~sky & points.opaque
    difference = np.linalg.norm(points.rgb - _sky_around(points.rgb, sky).astype(np.float32), axis=2)
    edge = max(2, round(FRAME * max(sky.shape)))
    framed = np.zeros(sky.shape, bool)
    framed[edge:-edge, edge:-edge] = True
    plain = float(np.clip(VARIED * np.median(difference[sky]), LEAST, UNLIKE)) if sky.any() else UNLIKE
    unlike = sky & framed & (difference > plain)
    if not (unlike & (difference > UNLIKE)).any() or not front.any():
        return points
    _, labels, stats, _ = cv2.connectedComponentsWithStats(unlike.astype(np.uint8), connectivity=8)
    beside = cv2.dilate(front.astype(np.uint8), np.ones((2 * GAP + 1,) * 2, np.uint8)) > 0
    area = stats[:, cv2.CC_STAT_AREA]
    sure = np.bincount(labels[unlike & (difference > UNLIKE)], minlength=len(stats))
    whole = np.zeros(len(stats), bool)
    whole[labels[beside & unlike]] = True
    whole &= (area < LARGEST * sky.size) & (area >= SMALLEST) & (sure >= SURE * area)
    whole[0] = False
    z, room = points.z.copy(), 2 * GAP + 1
    for number in np.flatnonzero(whole):
        left, top, width, height = stats[number, :4]
        window = np.s_[max(0, top - room) : top + height + room, max(0, left - room) : left + width + room]
        thing = (labels[window] == number).astype(np.uint8)
        touched = front[window] & (cv2.dilate(thing, np.ones((room, room), np.uint8)) > 0)
        _, nearest = cv2.distanceTransformWithLabels(
            (~touched).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        depths = np.zeros(int(nearest.max()) + 1, np.float32)
        depths[nearest[touched]] = points.z[window][touched]
        # Between the bars of a lattice the sky may come along: torn there, it would come apart.
        solid = cv2.morphologyEx(thing, cv2.MORPH_CLOSE, np.ones((room, room), np.uint8))
        found = (cv2.dilate(solid, np.ones((3, 3), np.uint8)) > 0) & sky[window]
        z[window] = np.where(found, np.minimum(z[window], depths[nearest]), z[window])
    return replace(points, z=z)


def _sky_around(rgb: UInt8, sky: Bool) -> UInt8:
    """(H, W, 3): the median of the sky around each pixel, which a thin thing before it doesn't sway."""
    import cv2

    scale = min(1.0, LOOKED_AT / max(sky.shape))
    size = max(1, round(sky.shape[1] * scale)), max(1, round(sky.shape[0] * scale))
    share = cv2.resize(sky.astype(np.float32), size, interpolation=cv2.INTER_AREA)[..., None]
    seen = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    side = 2 * max(4, round(AROUND * max(size))) + 1
    wide = (4 * side + 1,) * 2
    weight = share
    for _ in range(2):  # the second time without what stands out of the first mean
        mean = cv2.blur(seen * weight, wide) / np.maximum(cv2.blur(weight, wide), np.float32(1e-6))[..., None]
        weight = share * (np.linalg.norm(seen - mean, axis=2) < UNLIKE).astype(np.float32)[..., None]
    median = cv2.medianBlur(np.where(share > 0.99, seen, np.clip(mean, 0, 255)).astype(np.uint8), side)
    return np.asarray(cv2.resize(median, sky.shape[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def _weights(reach: int) -> tuple[Float32, Float32]:
    """Weights by squared colour difference / 64, and by distance along one axis."""
    difference = 64 * np.arange(3 * 255**2 // 64 + 1, dtype=np.float32)
    along = 2 / reach * np.arange(reach + 1, dtype=np.float32)
    return np.exp(-difference / (2 * LIKENESS**2)).astype(np.float32), np.exp(-(along**2) / 2).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _vote(inverse, rgb, trust, middle, reach, step, by_colour, by_distance, moved, pixels):  # type: ignore[no-untyped-def]
    """Pixels whose likes lie on the other side of `middle` take their mean there, in place."""
    height, width = inverse.shape
    depth, colour, worth = inverse.ravel(), rgb.reshape(-1, 3), trust.ravel()
    for number in range(len(pixels)):
        y, x = pixels[number] // width, pixels[number] % width
        red, green, blue = np.int32(rgb[y, x, 0]), np.int32(rgb[y, x, 1]), np.int32(rgb[y, x, 2])
        between = middle[y, x]
        near, far, total_near, total_far = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for v in range(max(y % step, y - reach), min(height, y + reach + 1), step):
            along = by_distance[abs(v - y)]
            for u in range(max(x % step, x - reach), min(width, x + reach + 1), step):
                at = np.uint32(v * width + u)  # unsigned: no index is taken from the end
                r, g, b = colour[at, 0] - red, colour[at, 1] - green, colour[at, 2] - blue
                weight = by_colour[np.uint32((r * r + g * g + b * b) >> 6)] * worth[at]
                weight *= along * by_distance[np.uint32(abs(u - x))]
                if depth[at] > between:
                    near += weight
                    total_near += weight * depth[at]
                else:
                    far += weight
                    total_far += weight * depth[at]
        if inverse[y, x] > between:
            if far > near:
                moved[y, x] = total_far / far
        elif near > far:
            moved[y, x] = total_near / near
