"""What every superpixel is part of: foreground, ground, a wall or the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diorama.segment import planes
from diorama.segment.planes import Plane
from diorama.segment.superpixels import Float64, Graph
from diorama.types import Bool, Int32

COLOUR_REACH = 14.0
"""CIELAB distance between neighbours over which they hardly persuade each other."""

STIFFNESS = 1.0
"""How much the neighbours' opinion weighs against the own one."""

LEAST_RELIEF = 0.1
"""Share of the near inverse depth by which the foreground must rise over what lies behind it."""


@dataclass(frozen=True)
class Surfaces:
    """Membership of each superpixel (n,); exactly one is true."""

    front: Bool
    ground: Bool
    walls: tuple[Bool, ...]
    back: Bool
    rise: Float64  # (n,), over the ground or the far end, as a share of the near inverse depth


def find_surfaces(graph: Graph, smallest_surface: float) -> Surfaces:
    """Ask each superpixel what its depth says, then let alike neighbours persuade each other.

    The opinions are spread by the graph Laplacian (the mean-field of a random walk that stops at edges: Grady 2006),
    which carries soft depth to the colour edges around a thing.
    """
    area = graph.area
    means = planes.means(graph)
    depth = means[:, 3]
    ground = planes.find_ground(graph)
    far = _far_end(graph, depth)
    base = np.full(len(depth), far) if ground is None else np.maximum(means[:, :3] @ ground.normal, far)
    facade = _facade(graph, means, depth > base + 0.06 if ground is not None else depth > far + 0.06)
    if facade is not None:
        base = np.maximum(base, means[:, :3] @ facade.normal)
    rise = depth - base
    middle, sharp = _otsu(rise, area)
    middle = max(middle, LEAST_RELIEF)
    front = 1 / (1 + np.exp(-(rise - middle) / 0.04)) * (0.6 + 0.4 * sharp)
    floor = np.zeros(len(depth))
    if ground is not None:
        # Above its horizon a plane says nothing.
        floor = _near(ground, means) * (means[:, :3] @ ground.normal > far - 0.02)
    back = np.full(len(depth), 0.3) + 0.5 * (depth < far + 0.08) * (1 - floor)
    opinions = np.stack([front, 0.9 * floor * (1 - front), back], axis=1)
    settled = spread(graph, opinions / opinions.sum(axis=1, keepdims=True)).argmax(axis=1)
    is_front = settled == 0
    is_ground = largest_piece(graph, settled == 1)
    if area[is_ground].sum() < smallest_surface * graph.labels.size or not _lies_below(graph, is_ground, is_front):
        is_ground[:] = False
    is_back = ~is_front & ~is_ground
    walls = _walls(graph, is_back & (depth > far + 0.06), smallest_surface)
    for wall in walls:
        is_back &= ~wall
    return Surfaces(is_front, is_ground, walls, is_back, rise)


def _lies_below(graph: Graph, ground: Bool, front: Bool) -> bool:
    """Whether the ground is about half of what is seen between the things in the picture's lowest fifth, or more."""
    y = planes.means(graph)[:, 1]
    low = (y > _quantile(y, graph.area, 0.8)) & ~front
    return float(graph.area[ground & low].sum()) > 0.43 * float(graph.area[low].sum())


def _far_end(graph: Graph, depth: Float64) -> float:
    """The depth behind which nothing stands: where there is a sky little of the rest is far, else about a tenth."""
    sky = float((graph.labels < 0).mean())
    return _quantile(depth, graph.area, float(np.clip(0.1 - 0.2 * sky, 0.02, 0.1)))


def _facade(graph: Graph, means: Float64, among: Bool) -> Plane | None:
    """A wall that runs away from the viewer and holds most of what is not ground: its near end is no foreground."""
    plane = planes.find_wall(graph, among)
    if plane is None:
        return None
    held = plane.inliers & among
    if graph.area[held].sum() < 0.6 * graph.area[among].sum():
        return None
    x = means[held, 0]
    return plane if abs(plane.normal[0]) * float(x.max() - x.min()) > 0.2 else None


def _walls(graph: Graph, among: Bool, smallest: float) -> tuple[Bool, ...]:
    """Up to two upright planes that hold most of what is neither in front nor ground nor far."""
    walls: list[Bool] = []
    among = among.copy()
    whole = float(graph.area[among].sum())
    means = planes.means(graph)
    while len(walls) < 2:
        plane = planes.find_wall(graph, among)
        if plane is None:
            break
        fit = _near(plane, means) * among
        face = largest_piece(graph, (spread(graph, np.stack([fit, 1 - fit], axis=1)).argmax(axis=1) == 0) & among)
        covered = float(graph.area[face].sum())
        if covered < 2.5 * smallest * graph.labels.size or covered < 0.6 * whole:
            break
        walls.append(face)
        among &= ~face
    return tuple(walls)


def pieces(graph: Graph, joined: Bool) -> Int32:
    """(n,) number of the piece that each superpixel is part of, where the pairs `joined` (m,) hold together."""
    parent = list(range(len(graph.area)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in graph.pairs[joined].tolist():
        parent[root(a)] = root(b)
    return np.array([root(node) for node in range(len(parent))], np.int32)


def largest_piece(graph: Graph, among: Bool) -> Bool:
    """The largest connected piece of the superpixels `among`."""
    a, b = graph.pairs.T
    piece = pieces(graph, among[a] & among[b])
    size = np.bincount(piece, graph.area * among, len(among))
    largest: Bool = among & (piece == int(size.argmax()))
    return largest


def spread(graph: Graph, opinions: Float64) -> Float64:
    """(n, k) opinions, smoothed between superpixels that no edge divides."""
    n = len(graph.area)
    a, b = graph.pairs.T
    colour = np.linalg.norm(graph.lab[a] - graph.lab[b], axis=1)
    weight = graph.length * np.exp(-((colour / COLOUR_REACH) ** 2) - 2 * graph.edge - 4 * graph.cut)
    laplacian = np.zeros((n, n))
    laplacian[a, b] = laplacian[b, a] = -weight * STIFFNESS * 12
    own = graph.area
    np.fill_diagonal(laplacian, own - laplacian.sum(axis=1))
    return np.asarray(np.linalg.solve(laplacian, own[:, None] * opinions), np.float64)


def _near(plane: Plane, means: Float64) -> Float64:
    miss = (means[:, :3] @ plane.normal - means[:, 3]) / planes.TOLERANCE
    return np.asarray(np.exp(-(miss**2) / 2), np.float64)


def _quantile(values: Float64, weights: Float64, share: float) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, share * total[-1])])


def _otsu(values: Float64, weights: Float64) -> tuple[float, float]:
    """The threshold that best parts two classes (Otsu 1979), and how well it does: 0..1 of the variance."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-6:
        return high, 0.0
    edges = np.linspace(low, high, 65)
    count, _ = np.histogram(values, edges, weights=weights)
    centre = (edges[1:] + edges[:-1]) / 2
    left, total = np.cumsum(count)[:-1], float(count.sum())
    sums = np.cumsum(count * centre)
    right = total - left
    between = (
        left * right * (sums[:-1] / np.maximum(left, 1e-9) - (sums[-1] - sums[:-1]) / np.maximum(right, 1e-9)) ** 2
    )
    best = int(between.argmax())
    variance = float((count * (centre - sums[-1] / total) ** 2).sum()) * total
    return float(edges[best + 1]), float(between[best] / max(variance, 1e-12))
