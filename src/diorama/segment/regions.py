"""Segments without weights: from colour, depth, depth cuts and planes.

Superpixels are merged into a tree; its nodes that look like things (closed outline, in front of their surroundings)
become subject and objects; what is left is the ground's plane, upright planes, and the background.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from diorama.segment import merging, objects, outlines, planes, superpixels, surfaces
from diorama.segment.describe import describe, find_nearness, name_segments, there
from diorama.segment.objects import Candidate
from diorama.segment.superpixels import Graph, Work
from diorama.segment.surfaces import Surfaces
from diorama.types import Bool, Cuts, DepthMap, Int32, Photo, PointCloud, SegmentKind, Segments

SMALLEST = 0.004
"""Share of the picture under which a region is no segment of its own, at detail 1."""

MOST_OBJECTS = 8

SMALLEST_SURFACE = 0.05
"""Share of the picture from which ground or a wall is worth a segment."""

FRONT_THRESHOLD = 0.75
"""Score from which a piece of the foreground is a thing: its depth has spoken for it already."""

LARGE = 0.3
"""Share of the picture from which a piece of the foreground may hold things of its own."""

NESTED = 0.05
"""Share of the picture from which a thing within such a piece is one: an eye is not."""

BACKGROUND, GROUND, FIRST_WALL, FIRST_OBJECT = 1, 2, 3, 10


@dataclass(frozen=True)
class View:
    """What every backend starts from, at working size (h, w)."""

    work: Work
    labels: Int32  # (h, w), superpixels; -1 where sky or nothing is
    graph: Graph
    surfaces: Surfaces


def look(points: PointCloud, cuts: Cuts, photo: Photo, depth: DepthMap) -> View | None:
    """Superpixels, what lies between them, and the surfaces that they make up; None where all is sky or nothing."""
    work = superpixels.prepare(points, cuts, photo, depth)
    labels = superpixels.superpixels(work)
    if labels.max() < 0:
        return None
    graph = superpixels.graph(work, labels)
    return View(work, labels, graph, surfaces.find_surfaces(graph, SMALLEST_SURFACE))


def find_regions(points: PointCloud, cuts: Cuts, photo: Photo, depth: DepthMap, detail: float) -> Segments:
    """Segment the photo.

    Args:
        detail: 0.5 (few, large segments) .. 2 (many, small ones).
    """
    view = look(points, cuts, photo, depth)
    if view is None:
        return finish(np.zeros((1, 1), np.int32), {}, points, cuts, depth)
    owner, kinds = assign(view, _things(view.graph, view.surfaces, detail), SMALLEST / detail)
    return finish(painted(view, owner), kinds, points, cuts, depth)


def painted(view: View, owner: Int32) -> Int32:
    """(h, w) labels from each superpixel's; 0 where sky or nothing is."""
    return np.where(view.labels >= 0, owner[view.labels], 0).astype(np.int32)


def finish(small: Int32, kinds: dict[int, SegmentKind], points: PointCloud, cuts: Cuts, depth: DepthMap) -> Segments:
    """The record at full size from labels at working size, with the sky as it is in the depth map."""
    opaque = there(points)
    fixed = np.where(opaque, 0, -1).astype(np.int32)
    kinds = dict(kinds)
    if depth.sky is not None and (depth.sky & opaque).any():
        sky = max(kinds, default=0) + 1
        fixed[depth.sky & opaque] = sky
        kinds[sky] = "sky"
    if not small.any():
        # All sky but for single pixels: those make up the background.
        small, kinds[BACKGROUND + 1000] = np.full_like(small, BACKGROUND + 1000), "background"
    return ordered(outlines.redraw(small, points, cuts, fixed), kinds, points)


def ordered(labels: Int32, kinds: dict[int, SegmentKind], points: PointCloud) -> Segments:
    """Ids from 1 in the order that people read: subject, objects from near to far, ground, walls, background, sky."""
    rank: tuple[SegmentKind, ...] = ("subject", "object", "ground", "wall", "background", "sky")
    nearness = find_nearness(labels, points)
    order = sorted(nearness, key=lambda id: (rank.index(kinds[id]), -nearness[id], id))
    table = np.zeros(max(nearness, default=0) + 1, np.int32)
    table[order] = np.arange(1, len(order) + 1)
    kinds = {number: kinds[id] for number, id in enumerate(order, 1)}
    names = name_segments(kinds, {number: nearness[id] for number, id in enumerate(order, 1)})
    return describe(table[labels], kinds, points, names)


def assign(view: View, things: list[Bool], smallest: float) -> tuple[Int32, dict[int, SegmentKind]]:
    """Each superpixel's segment id and each id's kind.

    Args:
        things: sets of superpixels (n,) that are subject and objects, from `FIRST_OBJECT`; later ones lie on top.
        smallest: share of the picture under which a piece goes to its neighbour.
    """
    graph, found = view.graph, view.surfaces
    owner = np.full(len(graph.area), BACKGROUND, np.int32)
    kinds: dict[int, SegmentKind] = {BACKGROUND: "background", GROUND: "ground"}
    owner[found.ground] = GROUND
    for id, wall in enumerate(found.walls, FIRST_WALL):
        owner[wall] = id
        kinds[id] = "wall"
    for id, thing in enumerate(things, FIRST_OBJECT):
        owner[thing] = id
        kinds[id] = "object"
    _tidy(graph, owner, smallest * graph.labels.size)
    subject = _subject(graph, owner, kinds)
    if subject is not None:
        kinds[subject] = "subject"
    return owner, kinds


def _things(graph: Graph, found: Surfaces, detail: float) -> list[Bool]:
    """Subject and objects: pieces of the foreground, then nodes of the merge tree; later ones lie over earlier ones."""
    smallest = SMALLEST / detail
    a, b = graph.pairs.T
    piece = surfaces.pieces(graph, found.front[a] & found.front[b] & (graph.cut < 0.6))
    masks = np.array([found.front & (piece == number) for number in np.unique(piece[found.front])], bool)
    judged = objects.judge(graph, masks.reshape(-1, len(graph.area)))
    fronts = [c for c in judged if c.area >= smallest and c.clear > FRONT_THRESHOLD and c.relief > 0.15]
    things = [replace(c, members=_with_feet(graph, found, c.members)) for c in fronts]
    nodes = objects.judge_nodes(graph, merging.build(graph), found.rise)
    threshold = objects.THRESHOLD - 0.3 * float(np.log2(detail))
    for node in objects.choose(nodes, smallest=smallest, limit=2 * MOST_OBJECTS, threshold=threshold):
        if all(_may_lie_over(graph, node, thing) for thing in things):
            things.append(node)
    best = sorted(things, key=lambda thing: -thing.score * thing.area**0.35)[: round(MOST_OBJECTS * detail)]
    return [thing.members for thing in sorted(best, key=lambda thing: -thing.area)]


def _with_feet(graph: Graph, found: Surfaces, thing: Bool) -> Bool:
    """The thing and what goes on in its colour where it stands on the ground, at the ground's depth."""
    floor = found.ground & ~thing
    if not floor.any():
        return thing
    mean = np.average(graph.lab[floor], axis=0, weights=graph.area[floor])
    spread = np.sqrt(np.average((graph.lab[floor] - mean) ** 2, axis=0, weights=graph.area[floor]))
    unlike = np.linalg.norm((graph.lab - mean) / np.maximum(spread, 4.0), axis=1) > 4
    a, b = graph.pairs.T
    alike = np.linalg.norm(graph.lab[a] - graph.lab[b], axis=1) < 10
    joined = alike & (graph.edge < 0.3) & (graph.cut < 0.3)
    grown = thing.copy()
    while True:
        reach = np.zeros_like(grown)
        reach[b[joined & grown[a]]] = reach[a[joined & grown[b]]] = True
        reach &= unlike & ~grown & ~found.front
        if not reach.any():
            return grown
        grown |= reach


def _may_lie_over(graph: Graph, node: Candidate, thing: Candidate) -> bool:
    """Whether a node is beside a thing that was found before, or stands out on a large one (a cap on a house)."""
    overlap = float(graph.area[node.members & thing.members].sum()) / graph.labels.size
    if overlap <= 0.15 * node.area:
        return True
    return thing.area > LARGE and NESTED < node.area < 0.6 * thing.area and node.relief > 0.25


def _tidy(graph: Graph, owner: Int32, smallest: float) -> None:
    """Give small pieces to the neighbour with the longest, faintest common outline, in place."""
    a, b = graph.pairs.T
    weight = graph.length * (1.2 - np.maximum(graph.edge, graph.cut))
    for _ in range(20):
        piece = surfaces.pieces(graph, owner[a] == owner[b])
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
    """The most salient object: near, central, large, with a clear outline that the picture's border doesn't cut."""
    best, best_score = None, 0.0
    means = planes.means(graph)
    low, high = means[:, :2].min(axis=0), means[:, :2].max(axis=0)
    where = (means[:, :2] - low) / np.maximum(high - low, 1e-6) - 0.5
    for id in [id for id, kind in kinds.items() if kind == "object"]:
        mine = owner == id
        area = graph.area[mine]
        if not area.sum():
            continue
        judged = objects.judge(graph, mine[None])[0]
        middle = np.average(where[mine], axis=0, weights=area)
        central = float(np.exp(-3 * (middle**2).sum()))
        near = float(np.average(means[mine, 3], weights=area))
        clear = max(0.1, judged.clear) * (1 - 0.5 * judged.frame)
        score = central * (0.3 + near) * clear * min(judged.area, 0.4) ** 0.4
        if score > best_score:
            best, best_score = id, score
    return best
