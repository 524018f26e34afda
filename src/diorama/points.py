"""Depth map to point cloud."""

from __future__ import annotations

import numba
import numpy as np

from diorama.settings import Settings
from diorama.types import Bool, DepthMap, Float32, Photo, PointCloud

SKY_BEHIND = 1.02
"""The sky stands at this many times the largest finite depth: behind everything, and still on the picture's scale
(HunyuanWorld 1.0, Tencent 2025, uses the same factor)."""

FARTHEST_METRIC = 100.0
"""Metric depths are clamped to this many times the nearest (2nd percentile): far hills at 10 km would leave float32
and every viewer's depth buffer no precision for the subject, and have no visible parallax."""

OPAQUE = 128
"""Alpha from which a pixel counts as there."""


def unproject(depth: DepthMap, photo: Photo, settings: Settings) -> PointCloud:
    """Place every pixel of `depth` in space.

    Relative inverse depth d in 0..1 becomes z = 1 / (1/r + d (1 - 1/r)) with r = `settings.depth_range`: the nearest
    point at 1, the farthest at r. Metric inverse depth becomes z = 1/d in its own unit. The sky goes behind both.

    Args:
        depth: inverse depth (H, W).
        photo: the same picture at any size; gives the colours and, by its alpha, what is not there.

    Returns:
        (H, W) points; `mask` leaves out strays, pixels without a measurement and transparent ones.
    """
    z = _distance(depth, settings)
    small = _at_size(photo, depth)
    mask = ~_strays(z, settings.outlier_sigma)
    if depth.valid is not None:
        mask &= depth.valid
    opaque = None if small.alpha is None else small.alpha >= OPAQUE
    if opaque is not None:
        mask &= opaque
    return PointCloud(z, small.rgb, mask, depth.camera, opaque)


def _distance(depth: DepthMap, settings: Settings) -> Float32:
    inverse = depth.inverse_depth
    if depth.scale == "relative":
        far = np.float32(1 / settings.depth_range)
        z = 1 / (far + inverse * (1 - far))
        beyond = np.zeros(z.shape, bool) if depth.sky is None else depth.sky
    else:
        beyond = inverse <= 0
        if depth.sky is not None:
            beyond = beyond | depth.sky
        z = np.where(beyond, np.float32(1), 1 / np.maximum(inverse, np.float32(1e-12)))
        seen = z[~beyond]
        if seen.size:
            z = np.minimum(z, np.float32(np.percentile(seen, 2) * FARTHEST_METRIC))
    seen = z[~beyond]
    if seen.size:
        z = np.where(beyond, seen.max() * np.float32(SKY_BEHIND), z)
    return np.ascontiguousarray(z, np.float32)


def _at_size(photo: Photo, depth: DepthMap) -> Photo:
    height, width = depth.shape
    if (photo.height, photo.width) == (height, width):
        return photo
    import cv2

    shrink = photo.width >= width and photo.height >= height
    how = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    rgb = np.ascontiguousarray(cv2.resize(photo.rgb, (width, height), interpolation=how), np.uint8)
    alpha = photo.alpha
    if alpha is not None:
        alpha = np.ascontiguousarray(cv2.resize(alpha, (width, height), interpolation=how), np.uint8)
    return Photo(rgb, depth.camera, alpha, photo.name, photo.sha256)


def _strays(z: Float32, sigma: float) -> Bool:
    """Statistical outlier removal (Rusu 2008, PCL's StatisticalOutlierRemoval) on the pixel grid.

    The grid already gives each point its neighbours, so no search tree is needed: a point is a stray when its mean
    relative distance along the ray to the 8 neighbours is more than `sigma` deviations above the mean of all, and it
    stands apart from every side (a point on a depth edge still has neighbours of its own surface).
    """
    height, width = z.shape
    if height < 3 or width < 3:
        return np.zeros(z.shape, bool)
    log = np.pad(np.log(z), 1, mode="reflect")
    mean = _mean_gap(log)
    limit = np.float32(mean.mean() + sigma * mean.std())
    strays: Bool = np.zeros(z.shape, bool)
    _alone(log, mean, limit, strays)
    return strays


@numba.njit(cache=True, nogil=True)
def _mean_gap(log):  # type: ignore[no-untyped-def]
    """(H, W) of (H + 2, W + 2): the mean difference to the 8 neighbours."""
    height, width = log.shape[0] - 2, log.shape[1] - 2
    mean = np.empty((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            total = np.float32(0)
            for dy in range(3):
                for dx in range(3):
                    if dy != 1 or dx != 1:
                        total += abs(log[y + dy, x + dx] - log[y + 1, x + 1])
            mean[y, x] = total / np.float32(8)
    return mean


@numba.njit(cache=True, nogil=True)
def _alone(log, mean, limit, strays):  # type: ignore[no-untyped-def]
    """Mark those far from their neighbours that have fewer than two near ones."""
    for y in range(mean.shape[0]):
        for x in range(mean.shape[1]):
            if mean[y, x] <= limit:
                continue
            near = 0
            for dy in range(3):
                for dx in range(3):
                    if (dy != 1 or dx != 1) and abs(log[y + dy, x + dx] - log[y + 1, x + 1]) <= limit:
                        near += 1
            strays[y, x] = near < 2
