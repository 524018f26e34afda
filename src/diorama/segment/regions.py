"""Segments without weights: from colour, depth, depth cuts and planes.

Superpixels are merged into a tree; its nodes that look like things (closed outline, in front of their surroundings)
become subject and objects; what is left is the ground's plane, upright planes, and the background.
"""

from __future__ import annotations

import numpy as np

from diorama.segment import merging, objects, outlines, planes, superpixels
from diorama.segment.describe import describe, there
from diorama.segment.superpixels import Float64, Graph
from diorama.types import Bool, Cuts, DepthMap, Int32, Photo, PointCloud, SegmentKind, Segments

SMALLEST = 0.004
"""Share of the picture under which a region is no segment of its own, at detail 1."""

MOST_OBJECTS = 8

SMALLEST_SURFACE = 0.05
"""Share of the picture from which ground or a wall is worth a segment."""

BACKGROUND, GROUND, FIRST_WALL = 1, 2, 3


def find_regions(points: PointCloud, cuts: Cuts, photo: Photo, depth: DepthMap, detail: float) -> Segments:
    """Segment the photo.

    Args:
        detail: 0.5 (few, large segments) .. 2 (many, small ones).
    """
    work = superpixels.prepare(points, cuts, photo, depth)
    labels = superpixels.superpixels(work)
    kinds: dict[int, SegmentKind] = {}
    small = np.zeros(labels.shape, np.int32)
    if labels.max() >= 0:
        owner, kinds = _assign(superpixels.graph(work, labels), detail)
        small[labels >= 0] = owner[labels[labels >= 0]]
    opaque = there(points)
    fixed = np.where(opaque, 0, -1).astype(np.int32)
    if depth.sky is not None and (depth.sky & opaque).any():
        sky = max(kinds, default=0) + 1
        fixed[depth.sky & opaque] = sky
        kinds[sky] = "sky"
    if not kinds:
        kinds, small = {1: "background"}, np.ones_like(small)
    return ordered(outlines.redraw(small, points, cuts, fixed), kinds, points)


def ordered(labels: Int32, kinds: dict[int, SegmentKind], points: PointCloud) -> Segments:
    """Ids from 1 in the order that people read: subject, objects from near to far, ground, walls, background, sky."""
    rank: tuple[SegmentKind, ...] = ("subject", "object", "ground", "wall", "background", "sky")
    present = [int(id) for id in np.unique(labels) if id > 0]
    nearness = {id: float(np.median(points.inverse_depth[labels == id])) for id in present}
    order = sorted(present, key=lambda id: (rank.index(kinds[id]), -nearness[id], id))
    table = np.zeros(max(present, default=0) + 1, np.int32)
    table[order] = np.arange(1, len(order) + 1)
    return describe(table[labels], {int(table[id]): kinds[id] for id in present}, points)


def _assign(graph: Graph, detail: float) -> tuple[Int32, dict[int, SegmentKind]]:
    """Each superpixel's segment id and each id's kind."""
    tree = merging.build(graph)
    ground = planes.find_ground(graph)
    means = planes.means(graph)
    height = np.zeros(len(graph.area)) if ground is None else means[:, 3] - means[:, :3] @ ground.normal
    found = objects.choose(
        objects.judge(graph, tree, height), smallest=SMALLEST / detail, limit=round(MOST_OBJECTS * detail),
        threshold=objects.THRESHOLD - 0.3 * np.log2(detail),
    )  # fmt: skip
    owner = np.full(len(graph.area), BACKGROUND, np.int32)
    kinds: dict[int, SegmentKind] = {BACKGROUND: "background"}
    picture = float(graph.labels.size)
    first = 100
    for number, candidate in enumerate(found):
        owner[tree.members(candidate.node)] = first + number
        kinds[first + number] = "object"
    if ground is not None:
        floor = _largest_piece(graph, ground.inliers & (owner == BACKGROUND))
        if graph.area[floor].sum() > SMALLEST_SURFACE * picture:
            owner[floor] = GROUND
            kinds[GROUND] = "ground"
    for wall in range(FIRST_WALL, FIRST_WALL + 2):
        plane = planes.find_wall(graph, owner == BACKGROUND)
        if plane is None:
            break
        face = _largest_piece(graph, plane.inliers & (owner == BACKGROUND))
        if graph.area[face].sum() <= 2 * SMALLEST_SURFACE * picture:
            break
        owner[face] = wall
        kinds[wall] = "wall"
    _tidy(graph, owner, SMALLEST / detail * picture)
    subject = _subject(graph, owner, kinds)
    if subject is not None:
        kinds[subject] = "subject"
    return owner, {id: kind for id, kind in kinds.items() if (owner == id).any()}


def _pieces(graph: Graph, same: Bool) -> Int32:
    """Number the connected pieces of the superpixel graph, joined over `same` pairs."""
    parent = list(range(len(graph.area)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in graph.pairs[same].tolist():
        parent[root(a)] = root(b)
    return np.array([root(node) for node in range(len(parent))], np.int32)


def _largest_piece(graph: Graph, among: Bool) -> Bool:
    a, b = graph.pairs.T
    piece = _pieces(graph, among[a] & among[b])
    size = np.bincount(piece[among], graph.area[among], len(among)) if among.any() else np.zeros(len(among))
    largest: Bool = among & (piece == int(size.argmax()))
    return largest


def _tidy(graph: Graph, owner: Int32, smallest: float) -> None:
    """Give small pieces to the neighbour with the longest, faintest common outline, in place."""
    a, b = graph.pairs.T
    weight = graph.length * (1.2 - np.maximum(graph.edge, graph.cut))
    for _ in range(20):
        piece = _pieces(graph, owner[a] == owner[b])
        size = np.bincount(piece, graph.area, len(owner))
        small = np.flatnonzero((size > 0) & (size < smallest))
        if not len(small):
            return
        least = int(small[size[small].argmin()])
        inside = piece == least
        border = inside[a] != inside[b]
        if not border.any():
            size[least] = np.inf
            return
        other = np.where(inside[a], owner[b], owner[a])[border]
        votes = np.bincount(other, weight[border])
        owner[inside] = int(votes.argmax())


def _subject(graph: Graph, owner: Int32, kinds: dict[int, SegmentKind]) -> int | None:
    """The most salient object: near, central, large and in one piece."""
    best, best_score = None, 0.0
    means = planes.means(graph)
    low, high = means[:, :2].min(axis=0), means[:, :2].max(axis=0)
    where = (means[:, :2] - low) / np.maximum(high - low, 1e-6) - 0.5
    for id in [id for id, kind in kinds.items() if kind == "object"]:
        mine = owner == id
        area = graph.area[mine]
        if not area.sum():
            continue
        at = np.average(where[mine], axis=0, weights=area)
        central = float(np.exp(-4 * (at**2).sum()))
        near = float(np.average(means[mine, 3], weights=area))
        score = central * (0.3 + near) * float(area.sum() / graph.labels.size) ** 0.5
        if score > best_score:
            best, best_score = id, score
    return best


def mean_depth(graph: Graph) -> Float64:
    """(n,) mean depth of each superpixel."""
    return np.asarray(planes.means(graph)[:, 3], np.float64)
