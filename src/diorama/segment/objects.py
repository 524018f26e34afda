"""Which nodes of the merge tree are things: closed outlines, in front of what surrounds them, of a sensible size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diorama.segment.merging import Tree
from diorama.segment.superpixels import Float64, Graph

THRESHOLD = 1.1
"""Score from which a node is a thing."""

RELIEF = 0.08
"""Mean depth step around a region, as a share of the near inverse depth, that counts as standing well in front."""


@dataclass(frozen=True)
class Candidate:
    """A node of the tree, judged."""

    node: int
    members: int  # superpixels as bits
    area: float  # share of the picture
    score: float  # how much it looks like a thing
    relief: float  # -1..1, in front of what surrounds it
    closure: float  # 0..1, share of its outline with an edge
    frame: float  # share of its outline that is the picture's border


def judge(graph: Graph, tree: Tree, height: Float64) -> list[Candidate]:
    """Every node, with its score.

    Args:
        height: (n,) of each superpixel above the ground's plane, as depth; 0 on it.
    """
    size = len(tree)
    area, outline, edge, step, frame, high = (np.zeros(size) for _ in range(6))
    n = tree.leaves
    area[:n], frame[:n], high[:n] = graph.area, graph.frame, height * graph.area
    a, b = graph.pairs.T
    strength = np.maximum(graph.edge, graph.cut)
    for into, value, sign in (
        (outline, graph.length, 1),
        (edge, strength * graph.length, 1),
        (step, np.clip(graph.step, -0.2, 0.2) * graph.length, -1),
    ):
        into[:n] = np.bincount(a, value, n) + sign * np.bincount(b, value, n)
    outline[:n] += graph.outer
    edge[:n] += graph.outer
    step[:n] += graph.outer * RELIEF
    touching = {
        (int(p), int(q)): (float(le), float(s * le))
        for (p, q), le, s in zip(graph.pairs, graph.length, strength, strict=True)
    }
    links: list[dict[int, tuple[float, float]]] = [{} for _ in range(n)]
    for (p, q), value in touching.items():
        links[p][q] = links[q][p] = value
    members = [1 << i for i in range(n)]
    parent_cost = np.full(size, np.inf)
    for k, (p, q) in enumerate(tree.children.tolist()):
        node = n + k
        for sums in (area, outline, edge, step, frame, high):
            sums[node] = sums[p] + sums[q]
        around = dict(links[p])
        shared = around.pop(q)
        outline[node] -= 2 * shared[0]
        edge[node] -= 2 * shared[1]
        for other, value in links[q].items():
            if other != p:
                old = around.get(other, (0.0, 0.0))
                around[other] = (old[0] + value[0], old[1] + value[1])
        for other, value in around.items():
            links[other].pop(p, None)
            links[other].pop(q, None)
            links[other][node] = value
        links.append(around)
        members.append(members[p] | members[q])
        parent_cost[p] = parent_cost[q] = tree.cost[k]
    own_cost = np.concatenate([np.full(n, 1.0), tree.cost])
    return _scored(graph, area, outline, edge, step, frame, high, parent_cost / np.maximum(own_cost, 1), members)


def _scored(
    graph: Graph, area: Float64, outline: Float64, edge: Float64, step: Float64, frame: Float64, high: Float64,
    lasting: Float64, members: list[int],
) -> list[Candidate]:  # fmt: skip
    whole = float(graph.area.sum() + 1e-9)
    picture = float(graph.labels.size)
    outline = np.maximum(outline, 1.0)
    closure = edge / outline
    relief = np.clip(step / outline / RELIEF, -1, 1)
    rim = frame / (frame + outline)
    compact = np.clip(4 * np.pi * area / (0.62 * (outline + frame) ** 2), 0, 1)
    above = np.clip(high / np.maximum(area, 1) / 0.15, -0.5, 1)
    stable = np.clip(np.log(np.minimum(lasting, 1e6)) / 2, 0, 1)
    score = 0.9 * closure + 0.7 * relief + 0.35 * above + 0.25 * compact + 0.2 * stable - 1.1 * rim
    score[area > 0.6 * whole] -= 1
    return [
        Candidate(
            i, members[i], float(area[i] / picture), float(score[i]), float(relief[i]), float(closure[i]), float(rim[i])
        )
        for i in range(len(area))
    ]


def choose(candidates: list[Candidate], *, smallest: float, limit: int, threshold: float) -> list[Candidate]:
    """The best that don't overlap: a larger one before a smaller one of much the same score."""
    good = [c for c in candidates if c.score > threshold and c.area >= smallest]
    good.sort(key=lambda c: -(c.score - threshold) * c.area**0.35)
    chosen: list[Candidate] = []
    for candidate in good:
        if len(chosen) == limit:
            break
        if not any(candidate.members & other.members for other in chosen):
            chosen.append(candidate)
    return chosen
