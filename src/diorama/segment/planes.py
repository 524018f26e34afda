"""Ground and walls: planes among the superpixels.

A plane n . X = 1 in the camera frame is 1/z = n_x x/z + n_y y/z + n_z: linear in the picture in inverse depth, so it is
found with linear algebra and no unprojected points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diorama.segment.superpixels import Float64, Graph
from diorama.types import Bool

TOLERANCE = 0.035
"""Distance from a plane, as a share of the near inverse depth, within which a superpixel belongs to it."""

TRIALS = 300
"""Random triples: enough to meet an all-inlier one (99 %) when a quarter of the picture is the plane."""


@dataclass(frozen=True)
class Plane:
    normal: Float64  # (3,): 1/z = normal . (x/z, y/z, 1), in units of the near inverse depth
    inliers: Bool  # (n,), superpixels


def means(graph: Graph) -> Float64:
    """(n, 4): mean ray x, ray y, 1 and depth of each superpixel."""
    m = graph.moments[:, [1, 2, 0, 3]] / np.maximum(graph.moments[:, :1], 1)
    return np.asarray(m, np.float64)


def find_ground(graph: Graph) -> Plane | None:
    """The floor: a level plane below the camera that reaches the picture's lower part."""
    points = means(graph)
    low = points[:, 1] > np.quantile(points[:, 1], 0.4)
    plane = _ransac(points, graph.area, low, _is_level)
    if plane is None or graph.area[plane.inliers & low].sum() < 0.3 * graph.area[low].sum() * 0.5:
        return None
    return plane


def find_wall(graph: Graph, among: Bool) -> Plane | None:
    """The upright plane that holds most of the superpixels `among`, if any does."""
    if graph.area[among].sum() < 1:
        return None
    return _ransac(means(graph), graph.area, among, _is_upright)


def _is_level(normals: Float64) -> Bool:
    level: Bool = (normals[:, 1] > 0.5 * np.linalg.norm(normals, axis=1)) & (
        np.abs(normals[:, 0]) < 0.5 * normals[:, 1]
    )
    return level


def _is_upright(normals: Float64) -> Bool:
    upright: Bool = np.abs(normals[:, 1]) < 0.5 * np.linalg.norm(normals, axis=1)
    return upright


def _ransac(points: Float64, area: Float64, among: Bool, allowed: object) -> Plane | None:
    """RANSAC (Fischler and Bolles 1981) over triples, then least squares reweighted by Tukey's biweight."""
    assert callable(allowed)
    candidates = np.flatnonzero(among)
    if len(candidates) < 3:
        return None
    random = np.random.default_rng(0)
    share = area[candidates] / area[candidates].sum()
    triples = random.choice(candidates, (TRIALS, 3), p=share)
    a, b = points[triples][..., :3], points[triples][..., 3]
    good = np.abs(np.linalg.det(a)) > 1e-4
    if not good.any():
        return None
    normals = np.linalg.solve(a[good], b[good][..., None])[..., 0]
    normals = normals[allowed(normals)]
    if not len(normals):
        return None
    miss = np.abs(points[candidates][:, :3] @ normals.T - points[candidates][:, 3:])
    votes = (np.maximum(0, 1 - (miss / TOLERANCE) ** 2) * area[candidates, None]).sum(axis=0)
    normal = normals[int(votes.argmax())]
    for _ in range(5):
        miss = points[candidates][:, :3] @ normal - points[candidates][:, 3]
        weight = np.maximum(0, 1 - (miss / (2 * TOLERANCE)) ** 2) ** 2 * area[candidates]
        if np.count_nonzero(weight) < 3:
            return None
        root = np.sqrt(weight)[:, None]
        solved, *_ = np.linalg.lstsq(
            points[candidates][:, :3] * root, points[candidates][:, 3] * root[:, 0], rcond=None
        )
        normal = solved
    if not allowed(normal[None])[0]:
        return None
    inliers = np.abs(points[:, :3] @ normal - points[:, 3]) < TOLERANCE
    return Plane(normal, inliers)
