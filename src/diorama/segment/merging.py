"""A tree of regions: superpixels merged two by two, the most alike and least divided first."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diorama.segment.superpixels import Float64, Graph

COLOUR_SIGMA = 9.0
"""CIELAB distance by which parts of one thing differ."""

COLOUR_CAP = 4.0
"""Colours more than this many sigmas apart are just different: a shutter is no stranger to its wall than a door."""

DEPTH_SIGMA = 0.05
"""Share of the near inverse depth by which an estimate strays from a thing's plane."""

DEPTH_CAP = 4.0


@dataclass(frozen=True)
class Tree:
    """Nodes 0..n-1 are the superpixels; node n + k joins `children[k]`."""

    leaves: int
    children: npt.NDArray[np.int64]  # (k, 2)
    cost: Float64  # (k,), of each merge

    def __len__(self) -> int:
        return self.leaves + len(self.children)


def build(graph: Graph) -> Tree:
    """Merge along the outlines, cheapest first, till nothing touches.

    A merge costs the rise of the squared error of "one colour, one plane" (Mumford and Shah's functional in Koepfler,
    Lopez and Morel 1994, with a plane in inverse depth, which is a plane in space) per length of the outline that it
    takes away; stretches of the outline that are colour edges or depth cuts count less. Differences are capped.
    """
    count = len(graph.area)
    area, lab, moments = list(graph.area), [tuple(c) for c in graph.lab], [tuple(m) for m in graph.moments]
    error = [_plane_error(m) for m in moments]
    links: list[dict[int, float]] = [{} for _ in range(count)]
    weights = graph.length * np.exp(-2.0 * graph.edge - 3.0 * graph.cut)
    for (a, b), weight in zip(graph.pairs.tolist(), weights.tolist(), strict=True):
        links[a][b] = links[b][a] = weight

    def cost(a: int, b: int, weight: float) -> tuple[float, float]:
        joined = _plane_error(tuple(p + q for p, q in zip(moments[a], moments[b], strict=True)))
        mixing = area[a] * area[b] / (area[a] + area[b])
        colour = sum((p - q) ** 2 for p, q in zip(lab[a], lab[b], strict=True)) / COLOUR_SIGMA**2
        depth = (joined - error[a] - error[b]) / DEPTH_SIGMA**2
        rise = mixing * min(colour, COLOUR_CAP**2) + min(max(depth, 0.0), mixing * DEPTH_CAP**2)
        return rise / max(weight, 1e-3), joined

    heap = [(cost(a, b, links[a][b])[0], a, b) for a, b in graph.pairs.tolist()]
    heapq.heapify(heap)
    children: list[tuple[int, int]] = []
    costs: list[float] = []
    gone = [False] * (2 * count)
    while heap:
        paid, a, b = heapq.heappop(heap)
        if gone[a] or gone[b]:
            continue
        node = len(area)
        gone[a] = gone[b] = True
        total = area[a] + area[b]
        lab.append(tuple((area[a] * p + area[b] * q) / total for p, q in zip(lab[a], lab[b], strict=True)))
        moments.append(tuple(p + q for p, q in zip(moments[a], moments[b], strict=True)))
        area.append(total)
        error.append(_plane_error(moments[node]))
        around = links[a]
        around.pop(b, None)
        for other, weight in links[b].items():
            if other != a:
                around[other] = around.get(other, 0.0) + weight
        links.append(around)
        for other, weight in around.items():
            links[other].pop(a, None)
            links[other].pop(b, None)
            links[other][node] = weight
            heapq.heappush(heap, (cost(other, node, weight)[0], other, node))
        children.append((a, b))
        costs.append(paid)
    return Tree(count, np.array(children, np.int64).reshape(-1, 2), np.array(costs))


def _plane_error(m: tuple[float, ...]) -> float:
    """Sum of squared distances of d from its least-squares plane over x, y, from the moments."""
    n, sx, sy, sd, sxx, sxy, syy, sxd, syd, sdd = m
    cxx, cxy, cyy = sxx - sx * sx / n, sxy - sx * sy / n, syy - sy * sy / n
    cxd, cyd, cdd = sxd - sx * sd / n, syd - sy * sd / n, sdd - sd * sd / n
    # A little ridge: tiny regions have no slope of their own.
    cxx, cyy = cxx + 2e-3 * n * 0.05, cyy + 2e-3 * n * 0.05
    det = cxx * cyy - cxy * cxy
    if det <= 1e-18:
        return max(cdd, 0.0)
    p, q = (cxd * cyy - cyd * cxy) / det, (cyd * cxx - cxd * cxy) / det
    return max(cdd - p * cxd - q * cyd, 0.0)
