"""A tree of regions: superpixels merged two by two, the most alike and least divided first."""

from __future__ import annotations

from dataclasses import dataclass

import numba
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
    weights = graph.length * np.exp(-2.0 * graph.edge - 3.0 * graph.cut)
    children, costs = _merged(
        graph.area.copy(), np.array(graph.lab, np.float64), graph.moments.copy(), graph.pairs.astype(np.int64), weights
    )
    return Tree(len(graph.area), children, costs)


@numba.njit(cache=True, nogil=True)
def _merged(area, lab, moments, pairs, weights):  # type: ignore[no-untyped-def]
    """(k, 2) nodes that merge, and (k,) costs. A merged pair goes on in the place of its first one; area (n,), lab
    (n, 3) and moments (n, 10), of what is in each place, are used up."""
    count = len(area)
    weight = np.zeros((count, count))  # of the outline between two places; 0 where they don't touch
    price = np.empty((count, count))
    error = np.empty(count)
    node = np.arange(count)  # what is in each place; -1 where nothing is any more
    partner = np.full(count, -1)  # of the places that each one touches the cheapest
    for place in range(count):
        error[place] = _plane_error(moments, place, place)
    for pair in range(len(pairs)):
        a, b = pairs[pair]
        weight[a, b] = weight[b, a] = weights[pair]
        price[a, b] = price[b, a] = _price(area, lab, moments, error, a, b, weights[pair])
    for place in range(count):
        partner[place] = _cheapest(weight, price, node, place)
    children = np.empty((max(count - 1, 0), 2), np.int64)
    costs = np.empty(max(count - 1, 0))
    for number in range(count - 1):
        a = -1
        for place in range(count):
            if node[place] < 0 or partner[place] < 0:
                continue
            if a < 0 or _is_before(price, node, place, partner[place], a, partner[a]):
                a = place
        if a < 0:
            return children[:number], costs[:number]
        b = partner[a]
        if node[b] < node[a]:
            a, b = b, a
        children[number, 0], children[number, 1], costs[number] = node[a], node[b], price[a, b]
        total = area[a] + area[b]
        for k in range(3):
            lab[a, k] = (area[a] * lab[a, k] + area[b] * lab[b, k]) / total
        for k in range(10):
            moments[a, k] += moments[b, k]
        area[a], error[a] = total, _plane_error(moments, a, a)
        node[a], node[b] = count + number, -1
        weight[a, b] = weight[b, a] = 0
        for other in range(count):
            if weight[a, other] + weight[b, other] == 0:
                continue
            weight[a, other] = weight[other, a] = weight[a, other] + weight[b, other]
            weight[b, other] = weight[other, b] = 0
            price[a, other] = price[other, a] = _price(area, lab, moments, error, other, a, weight[a, other])
        partner[a] = _cheapest(weight, price, node, a)
        for other in range(count):
            if weight[a, other] > 0:
                if partner[other] == a or partner[other] == b:
                    partner[other] = _cheapest(weight, price, node, other)
                elif _is_before(price, node, other, a, other, partner[other]):
                    partner[other] = a
    return children, costs


@numba.njit(nogil=True)
def _price(area, lab, moments, error, a, b, weight):  # type: ignore[no-untyped-def]
    """What it costs to merge what is in the places a and b, of which a has the smaller number."""
    joined = _plane_error(moments, a, b)
    mixing = area[a] * area[b] / (area[a] + area[b])
    colour = 0.0
    for k in range(3):
        colour += (lab[a, k] - lab[b, k]) * (lab[a, k] - lab[b, k])
    colour /= COLOUR_SIGMA**2
    depth = (joined - error[a] - error[b]) / DEPTH_SIGMA**2
    rise = mixing * min(colour, COLOUR_CAP**2) + min(max(depth, 0.0), mixing * DEPTH_CAP**2)
    return rise / max(weight, 1e-3)


@numba.njit(nogil=True)
def _cheapest(weight, price, node, place):  # type: ignore[no-untyped-def]
    """The place that costs least to merge with this one; -1 where it touches none."""
    best = -1
    for other in range(len(node)):
        if weight[place, other] > 0 and (best < 0 or _is_before(price, node, place, other, place, best)):
            best = other
    return best


@numba.njit(nogil=True)
def _is_before(price, node, a, b, c, d):  # type: ignore[no-untyped-def]
    """Whether a and b merge before c and d: the cheaper pair, of equals the one of the smaller numbers."""
    if price[a, b] != price[c, d]:
        return price[a, b] < price[c, d]
    one, other = min(node[a], node[b]), min(node[c], node[d])
    return one < other or (one == other and max(node[a], node[b]) < max(node[c], node[d]))


@numba.njit(nogil=True)
def _plane_error(moments, a, b):  # type: ignore[no-untyped-def]
    """Sum of squared distances of d from its least-squares plane over x, y, from the moments of the places a and b, or
    of one alone."""
    m = moments[a] + moments[b] if a != b else moments[a]
    n, sx, sy, sd, sxx, sxy, syy, sxd, syd, sdd = m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8], m[9]
    cxx, cxy, cyy = sxx - sx * sx / n, sxy - sx * sy / n, syy - sy * sy / n
    cxd, cyd, cdd = sxd - sx * sd / n, syd - sy * sd / n, sdd - sd * sd / n
    # A little ridge: tiny regions have no slope of their own.
    cxx, cyy = cxx + 2e-3 * n * 0.05, cyy + 2e-3 * n * 0.05
    det = cxx * cyy - cxy * cxy
    if det <= 1e-18:
        return max(cdd, 0.0)
    p, q = (cxd * cyy - cyd * cxy) / det, (cyd * cxx - cxd * cxy) / det
    return max(cdd - p * cxd - q * cyd, 0.0)
