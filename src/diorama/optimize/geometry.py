"""Field of view and depth strength: what planes and edges at right angles say of them.

Inverse depth from one photo is known up to a scale and a shift, and the field of view is often assumed. Both wrongs are
projective maps of space: straight stays straight and flat stays flat, so only angles tell. The objective is the
negative logarithm of a probability (a difference of 2 is clear, one of 5 is certain), the sum of

    edges     bounded misses of the photo's straight edges from three directions at right angles (`advisor.vanishing`)
    planes    bounded misses of the scene's planes from being square to one of these directions
    held      how far the camera would be rolled and pitched, in the standard deviations of how people hold cameras
    shapes    misses of things said to be as deep as they are wide
    prior     misses of field of view and depth strength from what camera, network and advisor say

over the field of view, the depth strength (far over near distance, a shift of inverse depth) and the three directions.
For a plane d = theta . (x, y, 1) to be square to a direction R, theta must be s (R_x / F, R_y / F, R_z) - (0, 0, t) for
some s; its miss is the distance from that line in the standard errors of theta (so that a far wall, whose normal is
hardly known, hardly counts).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from diorama.advisor import vanishing
from diorama.advisor.roll import LEVEL_ROLL
from diorama.advisor.vanishing import BOUND, EVIDENCE, FOVS, LEVEL_PITCH, Edges
from diorama.optimize.planes import Plane

Float64 = npt.NDArray[np.float64]

RANGES = (1.12, 100.0)
"""Far over near distance: what a search may end at."""

RANGE_GRID = np.geomspace(1.2, 80, 15)

EDGE_NOISE = 0.06
"""Mean loss of the edges at which their evidence counts half: among many that fit nothing some fit anything."""

PLANE_AREA = 0.06
"""Share of the picture at which a plane that is square to nothing costs as much as an edge; where it is four times as
large it costs four times as much, and no more: the ground and a facade are no accidents."""

START = 10
"""Hypotheses that are improved."""

EVALUATIONS = 40
"""Of the residuals' Jacobian in each improvement, at most."""

TERMS = ("edges", "planes", "held", "shapes", "prior")


@dataclass(frozen=True)
class Prior:
    """A value and the standard deviation of its logarithm (roll: degrees, and of itself)."""

    value: float
    deviation: float


@dataclass(frozen=True)
class Thing:
    """What is said to be about as deep as it is wide."""

    width: float  # in the coordinates of `vanishing`
    near: float  # inverse depth of its near and far end, of the near inverse depth
    far: float
    deviation: float  # of the logarithm of depth over width


@dataclass(frozen=True)
class Evidence:
    """All that the objective looks at."""

    edges: Edges
    planes: tuple[Plane, ...]
    allowed: npt.NDArray[np.bool_]  # (P, 2): each plane as a level one, as an upright one
    far: float  # inverse depth of the far end, of the near one: 0..1
    focal: tuple[Prior, ...]
    reach: tuple[Prior, ...]  # far over near distance
    roll: Prior | None = None
    things: tuple[Thing, ...] = ()
    edge_weight: float = EVIDENCE

    @cached_property
    def thetas(self) -> Float64:
        """(P, 3): the planes'."""
        return np.array([plane.theta for plane in self.planes], np.float64).reshape(-1, 3)

    @cached_property
    def whitens(self) -> Float64:
        """(P, 3, 3): the planes'."""
        return np.array([plane.whiten for plane in self.planes], np.float64).reshape(-1, 3, 3)

    @cached_property
    def bounds(self) -> Float64:
        """(P,): the squares at which the planes' losses have reached half of what they can."""
        return BOUND**2 * np.array([float(np.clip(plane.area / PLANE_AREA, 0.4, 4)) for plane in self.planes])

    def shift(self, reach: Float64) -> Float64:
        """t for the far end to stand `reach` times as far as the near one."""
        return np.asarray((1 / reach - self.far) / (1 - 1 / reach), np.float64)


@dataclass(frozen=True)
class State:
    """Where the search stands."""

    focal: float
    reach: float
    frame: Float64  # (3, 3), directions in rows

    @property
    def numbers(self) -> Float64:
        """(5,): what least squares changes: logarithms, and a turn of the frame."""
        return np.array([math.log(self.focal), math.log(self.reach), 0, 0, 0])

    def moved(self, numbers: Float64) -> State:
        turned = self.frame @ vanishing.rotation(numbers[2:]).T
        return State(math.exp(numbers[0]), math.exp(numbers[1]), turned)


def weighed(evidence: Evidence, lowest: float) -> Evidence:
    """The evidence with its edges weighed by how well the best directions explain them at all."""
    count = min(EVIDENCE, float(len(evidence.edges)))
    return replace(evidence, edge_weight=count / (1 + (lowest / EDGE_NOISE) ** 2))


def residuals(evidence: Evidence, state: State) -> dict[str, Float64]:
    """Each term's residuals: half the sum of their squares is its part of the objective."""
    frame = state.frame
    focal = np.array([state.focal])
    terms = {}
    edges = evidence.edges
    if len(edges):
        sine, _, _ = vanishing.misses(edges, frame[None], focal)
        miss = sine[0] / edges.error
        miss = miss[np.abs(miss).argmin(axis=0), np.arange(len(edges))]
        root = np.sqrt(evidence.edge_weight * edges.weight / edges.weight.sum())
        terms["edges"] = root * miss / np.sqrt(1 + (miss / BOUND) ** 2)
    if evidence.planes:
        shift = evidence.shift(np.array([state.reach]))
        parts, square = _plane_misses(evidence, frame[None], focal, shift)
        best = square[0].argmin(axis=1)
        row = np.arange(len(best))
        factor = np.sqrt(1 / (1 + square[0, row, best] / evidence.bounds))
        terms["planes"] = (factor[:, None] * parts[0, row, best]).ravel()
    terms["held"] = _held(frame, evidence.roll)
    terms["shapes"] = _shape_misses(evidence, state)
    terms["prior"] = np.array(
        [math.log(state.focal / prior.value) / prior.deviation for prior in evidence.focal]
        + [math.log(state.reach / prior.value) / prior.deviation for prior in evidence.reach]
    )
    return terms


def objective(evidence: Evidence, state: State) -> dict[str, float]:
    """The terms' values."""
    found = residuals(evidence, state)
    return {name: float(found[name] @ found[name]) / 2 if name in found else 0.0 for name in TERMS}


def total(terms: dict[str, float]) -> float:
    """The objective."""
    return sum(terms.values())


def unexplained(evidence: Evidence, state: State) -> float:
    """What the planes' misses cost as a share of what they can; 0: there are no planes."""
    if not evidence.planes:
        return 0.0
    return objective(evidence, state)["planes"] / float(evidence.bounds.sum() / 2)


def off_square(evidence: Evidence, state: State) -> float | None:
    """Degrees by which the planes that are nearly square to a direction miss it, weighted by area; None: no planes."""
    if not evidence.planes:
        return None
    shift = float(evidence.shift(np.array([state.reach]))[0])
    normals = evidence.thetas + np.array([0, 0, shift])
    normals = normals * [state.focal, state.focal, 1]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    cosine = np.abs(normals @ state.frame.T).max(axis=1)
    angle = np.degrees(np.arccos(np.clip(cosine, 0, 1)))
    return float(np.average(angle, weights=[plane.area for plane in evidence.planes]))


def _plane_misses(evidence: Evidence, frames: Float64, focals: Float64, shifts: Float64) -> tuple[Float64, Float64]:
    """(H, P, 3, 3) whitened misses of each plane from each direction of each frame, and (H, P, 3) their squares."""
    theta, whiten = evidence.thetas, evidence.whitens
    moved = theta + np.array([0, 0, 1.0]) * shifts[:, None, None]  # (H, P, 3)
    own = np.einsum("pij,hpj->hpi", whiten, moved)
    line = frames / np.stack([focals, focals, np.ones_like(focals)], axis=-1)[:, None]  # (H, 3, 3)
    along = np.einsum("pij,hkj->hpki", whiten, line)
    along /= np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-12)
    parts = own[:, :, None] - np.einsum("hpki,hpi->hpk", along, own)[..., None] * along
    square = (parts**2).sum(axis=-1)
    down = np.arange(3) == np.abs(frames[:, :, 1]).argmax(axis=1)[:, None]  # (H, 3)
    wrong = np.where(down[:, None], ~evidence.allowed[:, 0][:, None], ~evidence.allowed[:, 1][:, None])
    return parts, np.where(wrong, np.maximum(square, 1e4), square)


def _held(frame: Float64, advised: Prior | None) -> Float64:
    down = frame[int(np.abs(frame[:, 1]).argmax())]
    down = down if down[1] > 0 else -down
    roll = math.degrees(math.atan2(down[0], down[1]))
    pitch = math.degrees(math.asin(min(1.0, max(-1.0, float(down[2])))))
    advised = advised or Prior(0.0, LEVEL_ROLL)
    return np.array([(roll - advised.value) / advised.deviation, pitch / LEVEL_PITCH])


def _shape_misses(evidence: Evidence, state: State) -> Float64:
    """Of the logarithm of each thing's depth over its width, from that of what is seen of something round: a half."""
    shift = float(evidence.shift(np.array([state.reach]))[0])
    result = []
    for thing in evidence.things:
        near, far = max(thing.near + shift, 1e-4), max(thing.far + shift, 1e-4)
        deep = max(1 / far - 1 / near, 1e-4)
        wide = thing.width / state.focal * 2 / (near + far)
        result.append(math.log(2 * deep / max(wide, 1e-6)) / thing.deviation)
    return np.array(result)


def _screened(evidence: Evidence, frames: Float64, focals: Float64, reaches: Float64) -> Float64:
    """(H,): the objective of many hypotheses at once."""
    cost = np.zeros(len(frames))
    if len(evidence.edges):
        cost += evidence.edge_weight * BOUND**2 / 2 * vanishing.losses_of(evidence.edges, frames, focals)
    if evidence.planes:
        _, square = _plane_misses(evidence, frames, focals, evidence.shift(reaches))
        nearest = square.min(axis=2)
        cost += (nearest / (1 + nearest / evidence.bounds) / 2).sum(axis=1)
    cost += vanishing.unlikely(frames) * EVIDENCE * BOUND**2 / 2
    for priors, values in ((evidence.focal, focals), (evidence.reach, reaches)):
        for prior in priors:
            cost += (np.log(values / prior.value) / prior.deviation) ** 2 / 2
    return cost


def search(
    evidence: Evidence, focal: float, reach: float, free: tuple[bool, bool], progress: Callable[[float], None]
) -> tuple[Evidence, State, State, Float64]:
    """Find the best state.

    Args:
        focal, reach: those that the scene has.
        free: whether each may change.

    Returns:
        The evidence, weighed; the best state at the scene's own parameters and the best of all; and the standard
        deviations of log focal and log reach there (infinite: locked).
    """
    focals = np.array([focal])
    if free[0]:
        others = vanishing.focal_of(FOVS[1:-1])
        focals = np.concatenate([focals, others[np.abs(np.log(others / focal)) > 0.02]])
    reaches = np.array([reach])
    if free[1]:
        more = [prior.value for prior in evidence.reach]
        reaches = np.unique(np.concatenate([reaches, np.clip(more, *RANGES), RANGE_GRID]))
    if len(evidence.edges) >= 4:
        frames, losses = vanishing.best_frames(evidence.edges, focals)
        evidence = weighed(evidence, float(losses.min()))
    else:
        frames = np.tile(np.eye(3), (len(focals), 1, 1, 1))
    progress(0.4)
    f, r, turned, cost = _candidates(evidence, frames, focals, reaches)
    starts = [State(float(f[k]), float(r[k]), turned[k]) for k in _different(f, r, cost)]
    own = np.flatnonzero((f == focal) & (r == reach))
    mine = [State(focal, reach, turned[k]) for k in own[np.argsort(cost[own], kind="stable")[:3]]]
    before = _least([_improved(evidence, start, (False, False))[0] for start in mine], evidence)
    progress(0.6)
    fits = [_improved(evidence, start, free) for start in [before, *starts]]
    after = _least([before, *(fit[0] for fit in fits)], evidence)
    deviation = next((fit[1] for fit in fits if fit[0] is after), np.full(2, math.inf))
    progress(0.9)
    return evidence, before, after, deviation


def _least(states: list[State], evidence: Evidence) -> State:
    return min(states, key=lambda state: total(objective(evidence, state)))


def _candidates(
    evidence: Evidence, frames: Float64, focals: Float64, reaches: Float64
) -> tuple[Float64, Float64, Float64, Float64]:
    """Focal lengths, reaches, frames and objectives of hypotheses: the edges' frames, and those of two planes each."""
    shift = evidence.shift(reaches)
    by_focal, by_reach, every = [], [], []
    for focal, own in zip(focals, frames, strict=True):
        for reach, t in zip(reaches, shift, strict=True):
            made = np.concatenate([own, _plane_frames(evidence, float(focal), float(t))])
            every.append(made)
            by_focal.append(np.full(len(made), focal))
            by_reach.append(np.full(len(made), reach))
    all_frames, f, r = np.concatenate(every), np.concatenate(by_focal), np.concatenate(by_reach)
    return f, r, all_frames, _screened(evidence, all_frames, f, r)


def _plane_frames(evidence: Evidence, focal: float, shift: float) -> Float64:
    """Frames whose first two directions are the normals of two large planes, as far as these are at right angles; and
    those of one plane and the level."""
    normals = evidence.thetas[:4] + np.array([0, 0, shift])
    normals = normals * [focal, focal, 1]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    pairs = [(a, b) for k, a in enumerate(normals) for b in normals[k + 1 :] if abs(float(a @ b)) < 0.75]
    pairs += [(a, np.array([0, 1.0, 0])) for a in normals if abs(float(a[1])) < 0.75]
    pairs += [(a, np.array([1.0, 0, 0])) for a in normals if abs(float(a[1])) >= 0.75]
    result = []
    for a, b in pairs:
        second = b - float(a @ b) * a
        second /= np.linalg.norm(second)
        result.append([a, second, _cross(a, second)])
    return np.array(result).reshape(-1, 3, 3)


def _cross(a: Float64, b: Float64) -> list[float]:
    """Of two vectors: NumPy's takes twenty times as long for as few."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return [ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]


def _different(focals: Float64, reaches: Float64, cost: Float64) -> list[int]:
    """The best hypotheses, no two of the same focal length and reach."""
    chosen: list[int] = []
    for k in np.argsort(cost, kind="stable")[:2000]:
        if all(focals[k] != focals[j] or reaches[k] != reaches[j] for j in chosen):
            chosen.append(int(k))
        if len(chosen) == START:
            break
    return chosen


def _improved(evidence: Evidence, start: State, free: tuple[bool, bool]) -> tuple[State, Float64]:
    """The nearest least of the objective, by SciPy's trust-region least squares, and the deviations there."""
    from scipy.optimize import least_squares

    chosen = np.array([*free, True, True, True])
    base = start.numbers
    low = np.array([math.log(0.3), math.log(RANGES[0]), -0.5, -0.5, -0.5])
    high = np.array([math.log(12.0), math.log(RANGES[1]), 0.5, 0.5, 0.5])
    base[:2] = np.clip(base[:2], low[:2] + 1e-6, high[:2] - 1e-6) if any(free) else base[:2]

    def at(numbers: Float64) -> State:
        whole = base.copy()
        whole[chosen] = numbers
        moved = start.moved(whole)
        return State(moved.focal if free[0] else start.focal, moved.reach if free[1] else start.reach, moved.frame)

    def misses(numbers: Float64) -> Float64:
        return np.concatenate(list(residuals(evidence, at(numbers)).values()))

    fit = least_squares(
        misses, base[chosen], bounds=(low[chosen], high[chosen]), max_nfev=EVALUATIONS, xtol=1e-6, ftol=1e-7
    )
    deviation = np.full(2, math.inf)
    spread = np.sqrt(np.diag(np.linalg.pinv(fit.jac.T @ fit.jac)))
    deviation[np.array(free)] = spread[: sum(free)]
    return at(fit.x), deviation
