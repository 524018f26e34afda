"""Which sets of superpixels are things: closed outlines, in front of what surrounds them, of a sensible size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diorama.segment.merging import Tree
from diorama.segment.superpixels import Float64, Graph
from diorama.types import Bool

THRESHOLD = 1.35
"""Score from which a node of the merge tree is a thing."""

RELIEF = 0.08
"""Mean depth step around a region, as a share of the near inverse depth, that counts as standing well in front."""

LARGEST_STEP = 0.2
"""Depth steps count up to this, so that one stretch of sky behind a region doesn't outweigh the rest."""


@dataclass(frozen=True)
class Candidate:
    """A set of superpixels, judged."""

    members: Bool  # (n,)
    area: float  # share of the picture
    closure: float  # 0..1, share of its outline that is an edge
    relief: float  # -1..1, how far in front of what surrounds it
    frame: float  # 0..1, share of its outline that is the picture's border
    clear: float  # closure and relief in one number, 0..1.6
    score: float  # how much it looks like a thing


def judge(graph: Graph, members: Bool, rise: Float64 | None = None, lasting: Float64 | None = None) -> list[Candidate]:
    """Judge sets of superpixels, one a row.

    Args:
        members: (k, n).
        rise: (n,) of each superpixel over the ground or the far end, as a share of the near inverse depth.
        lasting: (k,), by which factor the merge that swallowed the set was dearer than the one that made it.
    """
    a, b = graph.pairs.T
    inside = members.astype(np.float64)
    crossing = members[:, a] != members[:, b]
    outer, frame, area = (inside @ value for value in (graph.outer, graph.frame, graph.area))
    outline = np.maximum(crossing @ graph.length + outer, 1.0)
    closure = (crossing @ (np.maximum(graph.edge, graph.cut) * graph.length) + outer) / outline
    outward = np.clip(graph.step, -LARGEST_STEP, LARGEST_STEP) * graph.length
    step = (inside[:, a] - inside[:, b]) @ outward + outer * RELIEF
    relief = np.clip(step / outline / RELIEF, -1, 1)
    rim = frame / (frame + outline)
    # 0.62: a digital circle's outline, counted in pixel sides, is 4/pi of the true one.
    compact = np.clip(4 * np.pi * area / (0.62 * (outline + frame) ** 2), 0, 1)
    clear = 0.9 * closure + 0.7 * relief
    score = clear + 0.25 * compact - 1.1 * rim - (area > 0.6 * graph.area.sum())
    if rise is not None:
        score += 0.35 * np.clip(inside @ (rise * graph.area) / np.maximum(area, 1) / 0.15, -0.5, 1)
    if lasting is not None:
        score += 0.2 * np.clip(np.log(np.clip(lasting, 1, 1e6)) / 2, 0, 1)
    numbers = np.stack([area / graph.labels.size, closure, relief, rim, clear, score], axis=1)
    return [Candidate(row, *values) for row, values in zip(members, numbers.tolist(), strict=True)]


def judge_nodes(graph: Graph, tree: Tree, rise: Float64) -> list[Candidate]:
    """Every node of the merge tree, judged."""
    leaves = tree.leaves
    members = np.zeros((len(tree), leaves), bool)
    members[:leaves] = np.eye(leaves, dtype=bool)
    swallowed = np.full(len(tree), np.inf)
    for node, (one, other) in enumerate(tree.children.tolist(), leaves):
        members[node] = members[one] | members[other]
        swallowed[[one, other]] = tree.cost[node - leaves]
    made = np.maximum(np.concatenate([np.ones(leaves), tree.cost]), 1.0)
    return judge(graph, members, rise, swallowed / made)


def choose(candidates: list[Candidate], *, smallest: float, limit: int, threshold: float) -> list[Candidate]:
    """The best that don't overlap: a larger one before a smaller one of much the same score."""
    good = [c for c in candidates if c.score > threshold and c.area >= smallest]
    good.sort(key=lambda c: -(c.score - threshold) * c.area**0.35)
    chosen: list[Candidate] = []
    for candidate in good:
        if len(chosen) == limit:
            break
        if not any((candidate.members & other.members).any() for other in chosen):
            chosen.append(candidate)
    return chosen
