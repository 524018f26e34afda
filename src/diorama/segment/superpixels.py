"""The photo at working size: features of every pixel, superpixels, and what lies between touching ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diorama.cuts import near_inverse_depth
from diorama.types import Bool, Cuts, DepthMap, Float32, Int32, Photo, PointCloud

Float64 = npt.NDArray[np.float64]

WORK_SIZE = 512
"""Long side at which regions are found: their outlines are drawn anew at full size afterwards."""

SUPERPIXELS = 650
"""In a picture: small enough for a head in a street, few enough to be quick."""

LEAST_AREA = 16
"""Pixels of a superpixel in a tiny picture."""

COMPACTNESS = 0.08
"""SLIC's weight of position against the features, whose whole range scikit-image brings to 0..1."""

DEPTH_WEIGHT = 60.0
"""CIELAB units that the whole range of depth is worth."""

EDGE_COLOUR = 9.0
"""CIELAB distance across an outline that counts as a clear edge."""


@dataclass(frozen=True)
class Work:
    """Features at working size (h, w)."""

    lab: Float32  # (h, w, 3), CIELAB
    depth: Float32  # (h, w), inverse depth over the near inverse depth: about 0..1
    ray: Float32  # (h, w, 2), x / z and y / z
    solid: Bool  # (h, w), opaque and not sky
    cut: Bool  # (h, w), a depth cut passes through this pixel


@dataclass(frozen=True)
class Graph:
    """Superpixels and the pairs of them that touch."""

    labels: Int32  # (h, w), from 0; -1 where not solid
    area: Float64  # (n,)
    lab: Float64  # (n, 3), mean
    moments: Float64  # (n, 10): sums of 1, x, y, d, xx, xy, yy, xd, yd, dd (x, y rays, d depth)
    pairs: npt.NDArray[np.int64]  # (m, 2), a < b
    length: Float64  # (m,), of the common outline in pixels
    edge: Float64  # (m,), mean strength of the colour edge along it, 0..1
    cut: Float64  # (m,), share of it that is a depth cut
    step: Float64  # (m,), mean depth of a just inside the outline less b's
    frame: Float64  # (n,), pixels on the picture's border
    outer: Float64  # (n,), of the outline towards sky or nothing, in pixels


def prepare(points: PointCloud, cuts: Cuts, photo: Photo, depth: DepthMap) -> Work:
    """Everything at working size."""
    import cv2

    small = photo.fitted(WORK_SIZE)
    camera = points.camera
    scale = min(1.0, WORK_SIZE / max(camera.width, camera.height))
    w, h = max(1, round(camera.width * scale)), max(1, round(camera.height * scale))
    rgb = (
        small.rgb
        if (small.width, small.height) == (w, h)
        else cv2.resize(small.rgb, (w, h), interpolation=cv2.INTER_AREA)
    )
    lab = cv2.cvtColor(np.asarray(rgb, np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    inverse = cv2.resize(points.inverse_depth, (w, h), interpolation=cv2.INTER_AREA) / np.float32(
        near_inverse_depth(points)
    )
    sky = _share(depth.sky, w, h) if depth.sky is not None else np.zeros((h, w), bool)
    opaque = _share(points.opaque, w, h) if points.opaque is not None else np.ones((h, w), bool)
    edge = np.zeros(points.z.shape, bool)
    edge[:, 1:] |= cuts.right
    edge[1:] |= cuts.down
    cut = cv2.resize(edge.astype(np.float32), (w, h), interpolation=cv2.INTER_AREA) > 0
    at = camera.resized(w, h)
    x, y = np.meshgrid((np.arange(w) + 0.5 - at.cx) / at.fx, (np.arange(h) + 0.5 - at.cy) / at.fy)
    ray = np.stack([x, y], axis=-1).astype(np.float32)
    return Work(np.asarray(lab, np.float32), np.asarray(inverse, np.float32), ray, opaque & ~sky, cut)


def _share(mask: Bool, w: int, h: int) -> Bool:
    import cv2

    small: Bool = cv2.resize(mask.astype(np.float32), (w, h), interpolation=cv2.INTER_AREA) >= 0.5
    return small


def superpixels(work: Work) -> Int32:
    """SLIC (Achanta et al. 2012) on colour and depth; -1 where not solid."""
    from skimage.segmentation import slic

    h, w = work.solid.shape
    features = np.concatenate([work.lab, work.depth[..., None] * np.float32(DEPTH_WEIGHT)], axis=-1)
    count = max(1, min(SUPERPIXELS, h * w // LEAST_AREA))
    if not work.solid.any():
        return np.full((h, w), -1, np.int32)
    labels = slic(
        features, n_segments=count, compactness=COMPACTNESS, max_num_iter=5, channel_axis=-1, start_label=0,
        convert2lab=False, enforce_connectivity=True, sigma=0.6,
    )  # fmt: skip
    labels = np.asarray(labels, np.int32)
    labels[~work.solid] = -1
    used, packed = np.unique(labels, return_inverse=True)
    return np.asarray(packed.reshape(h, w) - (1 if used[0] < 0 else 0), np.int32)


def graph(work: Work, labels: Int32) -> Graph:
    """Sums over the superpixels and over the outlines between them."""
    import cv2

    count = int(labels.max()) + 1
    solid = labels >= 0
    at = labels[solid]
    d, (x, y) = work.depth[solid].astype(np.float64), work.ray[solid].astype(np.float64).T
    columns = (np.ones_like(d), x, y, d, x * x, x * y, y * y, x * d, y * d, d * d)
    moments = np.asarray(np.stack([np.bincount(at, column, count) for column in columns], axis=1), np.float64)
    area = np.maximum(moments[:, 0], 1.0)
    lab = np.stack([np.bincount(at, c, count) for c in work.lab[solid].T], axis=1) / area[:, None]
    frame = np.zeros(count, np.float64)
    outer = np.zeros(count, np.float64)
    for border in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        frame += np.bincount(border[border >= 0], minlength=count)
    smooth = np.asarray(cv2.GaussianBlur(work.lab, (0, 0), 1.0), np.float32)
    parts = [_links(labels, smooth, work.depth, work.cut, axis) for axis in (0, 1)]
    a, b, edge, cut, step = (np.concatenate(part) for part in zip(*parts, strict=True))
    swap = a > b
    a, b, step = np.where(swap, b, a), np.where(swap, a, b), np.where(swap, -step, step)
    keys, where = np.unique(a.astype(np.int64) * count + b, return_inverse=True)
    length = np.bincount(where, minlength=len(keys))
    means = [np.bincount(where, value, len(keys)) / np.maximum(length, 1) for value in (edge, cut, step)]
    pairs = np.stack([keys // count, keys % count], axis=1)
    for one, other in ((labels[:-1], labels[1:]), (labels[:, :-1], labels[:, 1:])):
        for inside, outside in ((one, other), (other, one)):
            outer += np.bincount(inside[(inside >= 0) & (outside < 0)], minlength=count)
    return Graph(
        labels,
        np.asarray(area, np.float64),
        lab,
        moments,
        pairs,
        np.asarray(length, np.float64),
        means[0],
        means[1],
        means[2],
        frame,
        np.asarray(outer, np.float64),
    )


def _links(labels: Int32, lab: Float32, depth: Float32, cut: Bool, axis: int) -> tuple[np.ndarray, ...]:
    """Both labels, colour edge, cut and depth step of every link between different superpixels along an axis."""
    labels, lab = np.moveaxis(labels, axis, 0), np.moveaxis(lab, axis, 0)
    depth, cut = np.moveaxis(depth, axis, 0), np.moveaxis(cut, axis, 0)
    rows, columns = np.nonzero((labels[:-1] != labels[1:]) & (labels[:-1] >= 0) & (labels[1:] >= 0))
    before, after = np.maximum(rows - 1, 0), np.minimum(rows + 2, len(labels) - 1)
    distance = np.linalg.norm(lab[before, columns] - lab[after, columns], axis=-1)
    edge = 1 - np.exp(-((distance / EDGE_COLOUR) ** 2))
    near, far = np.maximum(rows - 2, 0), np.minimum(rows + 3, len(labels) - 1)
    step = depth[near, columns] - depth[far, columns]
    cuts = cut[rows, columns] | cut[rows + 1, columns]
    return labels[rows, columns], labels[rows + 1, columns], edge, cuts.astype(np.float64), step
