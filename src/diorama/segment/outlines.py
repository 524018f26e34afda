"""Outlines at full size: regions found small are drawn anew along the photo's edges and the depth cuts."""

from __future__ import annotations

import numpy as np

from diorama.cuts import near_inverse_depth
from diorama.segment.describe import ids
from diorama.types import Bool, Cuts, Int32, PointCloud

BAND = 5
"""Working pixels on either side of a region's outline in which the true edge is looked for."""

DEPTH_LEVELS = 160.0
"""Grey levels that the whole range of depth is worth against those of lightness and colour."""

SMOOTHING = 1.6
"""Pixels (sigma) over which outlines are smoothed."""

CUT_WALL = 90.0
"""Grey levels of the wall that a depth cut puts up."""


def redraw(small: Int32, points: PointCloud, cuts: Cuts, fixed: Int32) -> Int32:
    """Enlarge labels to the points' size with their outlines on edges.

    A marker-based watershed (Meyer 1991) between the regions' insides decides every pixel of the band around their
    outlines, on lightness, colour and depth.

    Args:
        small: labels (h, w) from 1; 0 where no region is.
        fixed: labels (H, W) that stay as they are (sky); 0 where to be decided, -1 where nothing is.

    Returns:
        (H, W) labels; 0 where nothing is. Pixels to be decided get one of `small`'s labels, if it has any.
    """
    import cv2

    height, width = fixed.shape
    undecided = fixed == 0
    near = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST).astype(np.int32)
    near[~undecided] = 0
    if not near.any():
        return np.maximum(fixed, 0)
    near = fill_nearest(near, undecided)
    radius = max(1, round(BAND * max(height, width) / max(small.shape)))
    inside = _inside(near, undecided, radius)
    markers = np.where(inside, near, 0).astype(np.int32)
    keep_all(markers, near)
    markers[~undecided] = int(near.max()) + 1
    flooded = cv2.watershed(_relief(points, cuts), markers.copy())
    grown = np.where((flooded > 0) & undecided & (flooded <= near.max()), flooded, 0).astype(np.int32)
    if not grown.any():  # the watershed draws its lines through every pixel of a tiny picture
        grown = near
    result = smooth(fill_nearest(grown, undecided), undecided, cuts)
    result = drop_specks(result, undecided, radius)
    return np.where(undecided, result, np.maximum(fixed, 0)).astype(np.int32)


def _inside(labels: Int32, undecided: Bool, radius: int) -> Bool:
    """Pixels farther than `radius` from every other region (the sky's edge is exact, so it makes no band)."""
    import cv2

    edge = np.ones(labels.shape, np.uint8)
    across = (labels[:, 1:] != labels[:, :-1]) & undecided[:, 1:] & undecided[:, :-1]
    along = (labels[1:] != labels[:-1]) & undecided[1:] & undecided[:-1]
    edge[:, 1:][across] = 0
    edge[1:][along] = 0
    far: Bool = cv2.distanceTransform(edge, cv2.DIST_L2, 3) > radius
    return far & undecided


def keep_all(markers: Int32, labels: Int32) -> None:
    """Give regions thinner than the band their innermost pixels as markers, in place."""
    import cv2

    for id in set(ids(labels)) - set(ids(markers)):
        mask = labels == id
        depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
        markers[mask & (depth >= 0.6 * depth.max())] = id


def _relief(points: PointCloud, cuts: Cuts) -> np.ndarray:
    """(H, W, 3) uint8: lightness, chroma and depth, over whose steps the watershed climbs."""
    import cv2

    lab = cv2.cvtColor(cv2.bilateralFilter(points.rgb, 5, 25, 3), cv2.COLOR_RGB2LAB).astype(np.float32)
    chroma = np.clip(128 + (lab[..., 1] - 128) * 1.3 + (lab[..., 2] - 128) * 0.9, 0, 255)
    depth = np.clip(points.inverse_depth / near_inverse_depth(points), 0, 1.2) * DEPTH_LEVELS
    wall = np.zeros(depth.shape, np.float32)
    wall[:, 1:] += cuts.right
    wall[1:] += cuts.down
    depth = np.clip(depth + np.minimum(wall, 1) * CUT_WALL * 0.5, 0, 255)
    return np.ascontiguousarray(np.stack([lab[..., 0], chroma, depth], axis=-1).astype(np.uint8))


def fill_nearest(labels: Int32, where: Bool) -> Int32:
    """Every pixel of `where` that has no label gets the nearest one's."""
    import cv2

    empty = (labels == 0) & where
    if not empty.any() or not labels.any():
        return labels
    source = np.where(labels > 0, 0, 1).astype(np.uint8)
    _, owner = cv2.distanceTransformWithLabels(source, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros(int(owner.max()) + 1, np.int32)
    seeds = source == 0
    table[owner[seeds]] = labels[seeds]
    result = labels.copy()
    result[empty] = table[owner[empty]]
    return result


def smooth(labels: Int32, where: Bool, cuts: Cuts) -> Int32:
    """Take the fringes off outlines: each pixel goes to the label that most of its neighbourhood has.

    Beside a depth cut nothing moves: there the outline is known, and poles may be thin.
    """
    import cv2

    best = np.zeros(labels.shape, np.float32)
    winner = labels.copy()
    for id in ids(labels):
        share = cv2.GaussianBlur((labels == id).astype(np.float32), (0, 0), SMOOTHING)
        ahead = share > best
        winner[ahead], best[ahead] = id, share[ahead]
    kept = np.zeros(labels.shape, np.uint8)
    kept[:, 1:] |= cuts.right
    kept[:, :-1] |= cuts.right
    kept[1:] |= cuts.down
    kept[:-1] |= cuts.down
    fixed = (cv2.dilate(kept, np.ones((3, 3), np.uint8)) > 0) | ~where
    return np.where(fixed, labels, winner).astype(np.int32)


def drop_specks(labels: Int32, where: Bool, radius: int) -> Int32:
    """Give pieces much smaller than the band to what is around them; each region keeps its largest piece."""
    import cv2

    smallest = max(4, 3 * radius * radius)
    keep = np.zeros(labels.shape, bool)
    for id in ids(labels):
        mask = (labels == id).astype(np.uint8)
        _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_32S)
        area = stats[:, cv2.CC_STAT_AREA]
        area[0] = 0
        good = area >= min(smallest, area.max())
        keep |= good[pieces]
    return fill_nearest(np.where(keep, labels, 0).astype(np.int32), where)
