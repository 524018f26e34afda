"""The dominant planes of a scene, found in its inverse depth.

A plane n . X = 1 is linear in the picture in inverse depth: d = a x + b y + c with x, y in the coordinates of
`advisor.vanishing` (pixels from the principal point over half the width), d in units of the near inverse depth. Under
a focal length F and a shift t of inverse depth its normal is (a F, b F, c + t): so a plane is found once, whatever the
parameters, and its normal follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diorama.cuts import near_inverse_depth
from diorama.types import Bool, Scene

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

PREVIEW = 176
"""Long side in pixels of the grid on which planes are found and parameters judged."""

TOLERANCE = 0.012
"""Of the near inverse depth: nearer to a plane than this is on it. Networks' waves are about as large."""

MOST = 8
LEAST_AREA = 0.018
"""Of the picture; a smaller plane's normal is known to no better than some 10 degrees."""

TRIALS = 360
SCORED = 2200
"""Points on which hypotheses are compared; the refined plane has all of them."""

LEAST_ERROR = 0.004
"""Standard error of inverse depth, of the near, however smooth it is: a network's waves fit planes as well."""

CORRELATION = 0.12
"""Reach of such waves, of the picture's width: errors farther apart are independent."""


@dataclass(frozen=True)
class Preview:
    """The scene's inverse depth, small: cells (h, w)."""

    inverse: Float64  # (h, w), of the near inverse depth
    x: Float64  # (h, w)
    y: Float64
    usable: Bool  # (h, w), no sky, no stray, no depth edge inside
    labels: Int64  # (h, w), segments; 0: none
    near: float  # the near inverse depth, 1 / scene units


@dataclass(frozen=True)
class Plane:
    """d = theta . (x, y, 1), and how well that is known."""

    theta: Float64  # (3,)
    whiten: Float64  # (3, 3): whiten @ (theta - truth) has unit variance
    area: float  # share of the picture
    cells: Bool  # (h, w)


def preview(scene: Scene) -> Preview:
    """The scene at preview size."""
    import cv2

    points, cuts = scene.points, scene.cuts
    height, width = points.z.shape
    scale = min(1.0, PREVIEW / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    near = near_inverse_depth(points)
    usable = points.mask.copy()
    if scene.depth.sky is not None:
        usable &= ~scene.depth.sky
    if points.opaque is not None:
        usable &= points.opaque
    usable[:, 1:] &= ~cuts.right
    usable[:, :-1] &= ~cuts.right
    usable[1:] &= ~cuts.down
    usable[:-1] &= ~cuts.down
    whole = cv2.resize(usable.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    inverse = cv2.resize(points.inverse_depth / np.float32(near), size, interpolation=cv2.INTER_AREA)
    labels = np.zeros((size[1], size[0]), np.int64)
    if scene.segments is not None:
        picked = cv2.resize(scene.segments.labels.astype(np.float32), size, interpolation=cv2.INTER_NEAREST_EXACT)
        labels = picked.astype(np.int64)
    camera = points.camera.resized(*size)
    y, x = np.mgrid[: size[1], : size[0]] + 0.5
    half = camera.width / 2
    return Preview(
        inverse.astype(np.float64), (x - camera.cx) / half, (y - camera.cy) / half, whole > 0.99, labels, near
    )


def find_planes(small: Preview) -> tuple[Plane, ...]:
    """The largest planes, one after the other (sequential RANSAC, Fischler and Bolles 1981, with MSAC's score),
    each from neighbours only and from one connected piece."""
    import cv2

    random = np.random.default_rng(0)
    free = small.usable.copy()
    rows = np.stack([small.x, small.y, np.ones_like(small.x), small.inverse], axis=-1)
    found: list[Plane] = []
    for _ in range(2 * MOST):
        if len(found) == MOST or np.count_nonzero(free) < max(LEAST_AREA * free.size, 30):
            break
        theta = _best(rows, free, random)
        if theta is None:
            break
        theta = _refined(rows[free], theta)
        on = free & (np.abs(rows[..., :3] @ theta - small.inverse) < TOLERANCE)
        opened = cv2.morphologyEx(on.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        count, pieces, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
        if count < 2:
            break
        largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        cells = np.asarray(pieces == largest, np.bool_)
        # What lies along it is not tried again, be it a plane or not.
        free &= cv2.dilate(cells.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
        if cells.mean() >= LEAST_AREA:
            found.append(_measured(rows, cells))
    return tuple(sorted(found, key=lambda plane: -plane.area))


def _best(rows: Float64, free: Bool, random: np.random.Generator) -> Float64 | None:
    """The plane through three neighbouring points that most of the free ones lie on."""
    height, width = free.shape
    places = np.argwhere(free)
    anchors = places[random.integers(len(places), size=TRIALS)]
    reach = np.repeat(np.array([0.05, 0.1, 0.2]) * max(height, width), -(-TRIALS // 3))[:TRIALS, None, None]
    others = anchors[:, None] + np.rint(random.uniform(-1, 1, (TRIALS, 2, 2)) * reach).astype(np.int64)
    others[..., 0], others[..., 1] = others[..., 0].clip(0, height - 1), others[..., 1].clip(0, width - 1)
    triples = np.concatenate([anchors[:, None], others], axis=1)
    inside = free[triples[..., 0], triples[..., 1]].all(axis=1)
    corners = rows[triples[inside, :, 0], triples[inside, :, 1]]
    good = np.abs(np.linalg.det(corners[..., :3])) > 1e-4
    if not good.any():
        return None
    thetas = np.linalg.solve(corners[good, :, :3], corners[good, :, 3:])[..., 0]
    scored = rows[free]
    scored = scored[:: max(1, len(scored) // SCORED)]
    miss = (scored[:, :3] @ thetas.T - scored[:, 3:]) / TOLERANCE
    votes = np.maximum(0, 1 - miss**2).sum(axis=0)
    return np.asarray(thetas[int(votes.argmax())], np.float64)


def _refined(points: Float64, theta: Float64) -> Float64:
    """Least squares reweighted by Tukey's biweight."""
    for _ in range(4):
        miss = (points[:, :3] @ theta - points[:, 3]) / (1.5 * TOLERANCE)
        weight = np.maximum(0, 1 - miss**2) ** 2
        held = weight > 0
        if np.count_nonzero(held) < 3:
            break
        root = np.sqrt(weight[held])[:, None]
        theta, *_ = np.linalg.lstsq(points[held, :3] * root, points[held, 3] * root[:, 0], rcond=None)
    return theta


def _measured(rows: Float64, cells: Bool) -> Plane:
    """The least-squares plane of its cells, with the covariance that correlated errors leave it."""
    points = rows[cells]
    theta, *_ = np.linalg.lstsq(points[:, :3], points[:, 3], rcond=None)
    spread = float(np.std(points[:, :3] @ theta - points[:, 3]))
    error = max(spread, LEAST_ERROR)
    blots = max(1.0, len(points) / (CORRELATION * cells.shape[1]) ** 2)
    normal = points[:, :3].T @ points[:, :3] / len(points) * blots / error**2
    # L with L'L the inverse covariance; the small diagonal keeps a sliver's from being singular.
    whiten = np.linalg.cholesky(normal + 1e-6 * np.eye(3)).T
    return Plane(np.asarray(theta, np.float64), whiten, float(cells.mean()), cells)
