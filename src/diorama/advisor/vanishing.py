"""Vanishing points: field of view and roll from a photo's straight edges.

Edges of buildings and rooms run in three directions at right angles (the Manhattan world of Coughlan and Yuille 1999).
For each field of view the frame of three such directions is searched that explains the most edge length: hypotheses
from three edges each (as Wildenauer and Hanbury 2012 do with four, the field of view being tried here), the best ones
improved by Gauss-Newton with Geman and McClure's bounded loss. How fast the loss grows away from its best field of view
says how well that is determined: a photo straight at a wall says nothing of it.

Coordinates: pixels from the principal point as a share of half the picture's width, x right, y down, so that a ray is
(x, y, F) with F = 1 / tan(fov / 2), and F alone holds the field of view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diorama.advisor.roll import LEVEL_ROLL, MOST_ROLL, find_roll
from diorama.types import Bool, Camera, UInt8

Float64 = npt.NDArray[np.float64]

LONG_SIDE = 800
"""Pixels at which edges are looked for: more finds no more of those that count, and costs time."""

SHORTEST = 0.03
"""Of the picture's diagonal; shorter edges are texture."""

MOST = 240
"""Edges, longest first."""

ERROR_PX = 1.0
"""Standard error of an edge's end, across it, in pixels at `LONG_SIDE`: with this a 50 px edge is good to 2 degrees."""

ERROR_DEGREES = 0.4
"""Standard error of an edge's direction however long it is: lenses bend straight lines a little."""

BOUND = 3.0
"""Standard errors at which Geman and McClure's loss has reached half of what it can."""

FOVS = np.geomspace(15, 125, 23)
"""Degrees, horizontal, that are tried."""

TRIALS = 220
"""Hypotheses for each field of view."""

BEST = 4
"""Hypotheses for each field of view that are improved."""

STEPS = 6

LEVEL_PITCH, MOST_PITCH = 25.0, 65.0
"""The same as `LEVEL_ROLL` and `MOST_ROLL`: one of the three directions is nearer to the vertical."""

EVIDENCE = 25.0
"""Edges whose errors are independent, at most: the mortar of a wall's bricks is one edge found a hundred times. Of few,
every second: a thing has two sides."""

FOV_PRIOR = 0.5
"""Standard deviation of log F before anything is seen: fields of view from 35 to 80 degrees, mostly."""

VAGUE = 0.3
"""Standard deviation of log F from which a field of view counts as not determined."""

LEAST_SUPPORT = 0.25
"""Share of the edges' length that two directions must explain; by chance it is about a tenth."""

CHANCE, CERTAIN = 6.0, 9.0
"""Standard deviations above what random directions would explain of the edges' length: what the best of all frames
finds in a face (on photos with a known focal length answers below were wrong by a factor of 2.5 and more), and from
where on its field of view is as sure as its loss says."""


@dataclass(frozen=True)
class Edges:
    """Straight edges of a photo, in the coordinates above."""

    middle: Float64  # (N, 2)
    along: Float64  # (N, 2), unit
    error: Float64  # (N,), radians, standard error of the direction
    weight: Float64  # (N,), the length as a share of the mean length: their sum is N

    def __len__(self) -> int:
        return len(self.error)


@dataclass(frozen=True)
class Vanishing:
    """Directions of straight edges in a photo."""

    fov: float | None  # degrees, horizontal; None: not determined
    fov_confidence: float  # 0..1
    roll: float | None  # degrees by which the camera was turned clockwise
    roll_confidence: float
    directions: Float64  # (K, 3), unit vectors in the camera frame of the dominant vanishing directions at that fov
    support: tuple[int, ...]  # edges (length-weighted count) of each


NOTHING = Vanishing(None, 0.0, None, 0.0, np.zeros((0, 3)), ())


def find(rgb: UInt8, camera: Camera) -> Vanishing:
    """Field of view and roll from a photo's straight edges.

    Args:
        rgb: (H, W, 3).
        camera: of that size or another; only its principal point counts, and its field of view where the edges leave
            that open.

    Returns:
        What the edges say. `directions` are those of a level camera's vertical first.
    """
    edges = find_edges(rgb, camera)
    if len(edges) < 4:
        return NOTHING
    focals = focal_of(FOVS)
    frames, losses = best_frames(edges, focals)
    focal, spread = _posterior(*_finer(edges, frames, losses, focals), independent(edges))
    determined = spread < VAGUE
    if not determined:
        focal = float(focal_of(np.array([camera.fov_x]))[0])
    nearest = int(np.abs(np.log(focals / focal)).argmin())
    frame, _ = improve(edges, frames[nearest], np.full(len(frames[nearest]), focal))
    loss = losses_of(edges, frame, np.full(len(frame), focal)) + unlikely(frame)
    directions = upright(frame[int(loss.argmin())])
    share = _shares(edges, directions, focal)
    held = np.sort(share)[::-1]
    # Two directions fix the field of view; the third follows from them.
    known = determined and held[0] + held[1] > LEAST_SUPPORT and held[1] > 0.06
    beyond = (surprise(edges, float(held.sum())) - CHANCE) / (CERTAIN - CHANCE)
    clear = np.clip([1 - spread / VAGUE, (held[0] + held[1]) / 0.6, beyond], 0, 1)
    confidence = float(clear.prod()) if known else 0.0
    roll, sure = find_roll(edges, directions, share)
    kept = [k for k in range(3) if share[k] > 0.03]
    return Vanishing(
        float(fov_of(focal)) if known else None,
        round(confidence, 3),
        roll,
        round(sure, 3),
        directions[kept],
        tuple(round(float(share[k]) * len(edges)) for k in kept),
    )


def focal_of(fov: Float64) -> Float64:
    """F of fields of view in degrees."""
    return np.asarray(1 / np.tan(np.radians(fov) / 2), np.float64)


def fov_of(focal: float) -> float:
    """The field of view in degrees of F."""
    return 2 * math.degrees(math.atan(1 / focal))


def find_edges(rgb: UInt8, camera: Camera) -> Edges:
    """Straight edges (LSD, von Gioi et al. 2010), longest first."""
    import cv2

    height, width = rgb.shape[:2]
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD).detect(grey)[0] if min(size) > 16 else None
    ends = np.zeros((0, 4)) if found is None else np.asarray(found, np.float64).reshape(-1, 4)
    ends = ends[_inside(ends, size)]
    length = np.hypot(ends[:, 2] - ends[:, 0], ends[:, 3] - ends[:, 1])
    order = np.argsort(-length, kind="stable")[:MOST]
    order = order[length[order] > max(SHORTEST * math.hypot(*size), 8)]
    ends, length = ends[order], length[order]
    # LSD's pixel centres are at whole numbers.
    own = camera.resized(*size)
    half = own.width / 2
    one = (ends[:, :2] + 0.5 - (own.cx, own.cy)) / half
    other = (ends[:, 2:] + 0.5 - (own.cx, own.cy)) / half
    along = (other - one) / np.maximum(np.linalg.norm(other - one, axis=1, keepdims=True), 1e-12)
    error = np.hypot(np.radians(ERROR_DEGREES), 2 * ERROR_PX / np.maximum(length, 1))
    return Edges((one + other) / 2, along, error, length / length.mean() if len(length) else length)


def _inside(ends: Float64, size: tuple[int, int]) -> Bool:
    """Not along the frame: a photo's white border is no edge in space."""
    x, y = ends[:, ::2], ends[:, 1::2]
    margin = 0.012 * max(size)
    outer: Bool = np.zeros(len(ends), bool)
    for values, extent in ((x, size[0]), (y, size[1])):
        outer |= (values < margin).all(axis=1) | (values > extent - margin).all(axis=1)
    return ~outer


def best_frames(edges: Edges, focals: Float64) -> tuple[Float64, Float64]:
    """The best frames for each of the focal lengths (M,): rotations (M, B, 3, 3), directions in rows, and losses."""
    samples = _samples(edges)
    chosen = np.arange(min(len(edges), 120))
    fewer = Edges(edges.middle[chosen], edges.along[chosen], edges.error[chosen], edges.weight[chosen])
    starts = []
    for focal in focals:
        frames = _hypotheses(edges, samples, float(focal))
        losses = losses_of(fewer, frames, np.full(len(frames), focal)) + unlikely(frames)
        starts.append(frames[np.argsort(losses, kind="stable")[:BEST]])
    each = min(len(start) for start in starts)
    flat = np.concatenate([start[:each] for start in starts])
    repeated = np.repeat(focals, each)
    flat, losses = improve(edges, flat, repeated)
    losses = losses + unlikely(flat)
    return flat.reshape(len(focals), each, 3, 3), losses.reshape(len(focals), each)


def _samples(edges: Edges) -> npt.NDArray[np.int64]:
    """Triples of edges: the first two meet in one vanishing point, the third runs in another direction."""
    random = np.random.default_rng(0)
    share = edges.weight / edges.weight.sum()
    triples = random.choice(len(edges), (6 * TRIALS, 3), p=share)
    one, other = edges.along[triples[:, 0]], edges.along[triples[:, 1]]
    turn = np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])
    # Edges to one vanishing point that is not between them are no more than some 40 degrees apart.
    likely = (turn < 0.65) & (triples[:, 0] != triples[:, 1])
    steep = np.abs(edges.along[triples[:, :2], 1]).min(axis=1) > 0.8
    upright = np.flatnonzero(likely & steep)[: TRIALS // 2]
    others = np.flatnonzero(likely & ~steep)[: TRIALS - len(upright)]
    return np.asarray(triples[np.concatenate([upright, others])], np.int64)


def _hypotheses(edges: Edges, samples: npt.NDArray[np.int64], focal: float) -> Float64:
    """Frames (n, 3, 3) of the samples, and the frame of a level camera that looks straight at a wall."""
    normal = _normals(edges, focal)
    a, b, c = normal[samples.T]
    first = np.cross(a, b)
    second = np.cross(first, c)
    good = (np.linalg.norm(first, axis=1) > 1e-6) & (np.linalg.norm(second, axis=1) > 1e-8)
    first, second = _unit(first[good]), _unit(second[good])
    frames = np.stack([first, second, np.cross(first, second)], axis=1)
    return np.concatenate([np.eye(3)[None], frames])


def _normals(edges: Edges, focal: float) -> Float64:
    """(N, 3): the planes through the eye that hold the edges."""
    one = np.column_stack([edges.middle, np.full(len(edges), focal)])
    other = np.column_stack([edges.along, np.zeros(len(edges))])
    return _unit(np.cross(one, other))


def _unit(vectors: Float64) -> Float64:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12), np.float64)


def misses(edges: Edges, frames: Float64, focals: Float64) -> tuple[Float64, Float64, Float64]:
    """How far each edge is from each direction of each frame.

    Args:
        frames: (H, 3, 3), directions in rows.
        focals: (H,)

    Returns:
        (H, 3, N) sine of the angle between the edge and the line from its middle to the vanishing point; q (H, N, 3)
        and length (H, 3, N) with sine = direction . q / length.
    """
    sx, sy = edges.along.T
    x, y = edges.middle.T
    count = len(focals)
    q = np.empty((count, len(edges), 3))
    q[..., 0] = focals[:, None] * sy
    q[..., 1] = -focals[:, None] * sx
    q[..., 2] = -(x * sy - y * sx)
    d = frames[..., None]  # (H, 3, 3, 1)
    f = focals[:, None, None]
    across, down = f * d[:, :, 0] - d[:, :, 2] * x, f * d[:, :, 1] - d[:, :, 2] * y
    length = np.maximum(np.sqrt(across * across + down * down), 1e-3)
    return frames @ np.swapaxes(q, 1, 2) / length, q, length


def losses_of(edges: Edges, frames: Float64, focals: Float64) -> Float64:
    """(H,): mean loss of the edges, weighted by their lengths; 0 all explained, 1 none."""
    sine, _, _ = misses(edges, frames, focals)
    nearest = np.abs(sine).min(axis=1) / edges.error
    return np.asarray((bounded(nearest) * edges.weight).sum(axis=1) / edges.weight.sum(), np.float64)


def bounded(miss: Float64) -> Float64:
    """Geman and McClure's loss of misses in standard errors: 0..1."""
    square = (miss / BOUND) ** 2
    return np.asarray(square / (1 + square), np.float64)


def improve(edges: Edges, frames: Float64, focals: Float64) -> tuple[Float64, Float64]:
    """Frames (H, 3, 3) turned to the nearest best one for their focal lengths (H,), and their losses (H,)."""
    best, lowest = frames.copy(), losses_of(edges, frames, focals)
    frames = frames.copy()
    for _ in range(STEPS):
        sine, q, length = misses(edges, frames, focals)
        miss = sine / edges.error
        own = np.abs(miss).argmin(axis=1)  # (H, N)
        row = np.arange(len(frames))[:, None]
        column = np.arange(len(edges))
        mine = miss[row, own, column]
        weight = edges.weight / (1 + (mine / BOUND) ** 2) ** 2
        # d' = d + w x d, so the miss changes by w . (d x q) / length / error.
        slope = np.cross(frames[row, own], q) / (length[row, own, column] * edges.error)[..., None]
        normal = np.einsum("hn,hni,hnj->hij", weight, slope, slope) + 1e-6 * np.eye(3)
        gradient = np.einsum("hn,hni,hn->hi", weight, slope, mine)
        turn = -np.linalg.solve(normal, gradient[..., None])[..., 0]
        angle = np.linalg.norm(turn, axis=1, keepdims=True)
        frames = frames @ np.swapaxes(rotation(turn * np.minimum(1, 0.2 / np.maximum(angle, 1e-12))), 1, 2)
        loss = losses_of(edges, frames, focals)
        better = loss < lowest
        best[better], lowest[better] = frames[better], loss[better]
    return best, lowest


def rotation(turn: Float64) -> Float64:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3) (Rodrigues)."""
    angle = np.linalg.norm(turn, axis=-1)[..., None, None]
    x, y, z = turn[..., 0], turn[..., 1], turn[..., 2]
    zero = np.zeros_like(x)
    skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*turn.shape[:-1], 3, 3)
    small = np.maximum(angle, 1e-12)
    first = np.where(angle < 1e-6, 1.0, np.sin(small) / small)
    second = np.where(angle < 1e-6, 0.5, (1 - np.cos(small)) / small**2)
    return np.asarray(np.eye(3) + first * skew + second * skew @ skew, np.float64)


def upright(frame: Float64) -> Float64:
    """The frame's directions (3, 3): down, right, forward, as far as there are such."""
    down = int(np.abs(frame[:, 1]).argmax())
    rest = [k for k in range(3) if k != down]
    right = max(rest, key=lambda k: abs(float(frame[k, 0])))
    forward = next(k for k in rest if k != right)
    picked = frame[[down, right, forward]]
    signs = np.sign(picked[[0, 1, 2], [1, 0, 2]])
    return np.asarray(picked * np.where(signs == 0, 1, signs)[:, None], np.float64)


def unlikely(frames: Float64) -> Float64:
    """What the frames (H, 3, 3) cost, in units of `losses_of`, for how the camera must have been held."""
    index = np.abs(frames[:, :, 1]).argmax(axis=1)
    down = frames[np.arange(len(frames)), index]
    roll = np.degrees(np.arctan2(down[:, 0], down[:, 1] + 1e-12))
    roll = np.abs((roll + 90) % 180 - 90)
    pitch = np.degrees(np.arcsin(np.clip(np.abs(down[:, 2]), 0, 1)))
    cost = ((roll / LEVEL_ROLL) ** 2 + (pitch / LEVEL_PITCH) ** 2) / (EVIDENCE * BOUND**2)
    return np.asarray(np.where((roll > MOST_ROLL) | (pitch > MOST_PITCH), 1e6, cost), np.float64)


def _finer(edges: Edges, frames: Float64, losses: Float64, focals: Float64) -> tuple[Float64, Float64]:
    """The lowest loss for each focal length, with more of these around the best one."""
    profile = losses.min(axis=1)
    best = int(profile.argmin())
    ends = focals[max(0, best - 1)], focals[min(len(focals) - 1, best + 1)]
    more = np.geomspace(*ends, 11)[1:-1]
    start = frames[max(0, best - 1) : best + 2].reshape(-1, 3, 3)
    turned, found = improve(edges, np.tile(start, (len(more), 1, 1)), np.repeat(more, len(start)))
    found = found + unlikely(turned)
    every = np.concatenate([focals, more])
    order = np.argsort(-every)
    return np.concatenate([profile, found.reshape(len(more), -1).min(axis=1)])[order], every[order]


def independent(edges: Edges) -> float:
    """How many of the edges have errors of their own: `EVIDENCE` at most, half of what few come to by their lengths."""
    return min(EVIDENCE, float(edges.weight.sum() ** 2 / (edges.weight**2).sum()) / 2)


def _posterior(profile: Float64, focals: Float64, evidence: float) -> tuple[float, float]:
    """The most probable F, between the tried ones, and the standard deviation of its logarithm, where the losses in
    `profile` are worth `evidence` edges."""
    logs = np.log(focals)
    prior = ((logs - math.log(float(focal_of(np.array([55.0]))[0]))) / FOV_PRIOR) ** 2 / 2
    fine = np.linspace(logs.min(), logs.max(), 400)
    energy = evidence * BOUND**2 / 2 * np.interp(fine, logs[::-1], profile[::-1]) + np.interp(
        fine, logs[::-1], prior[::-1]
    )
    chance = np.exp(-(energy - energy.min()))
    chance /= chance.sum()
    best = int(energy.argmin())
    spread = math.sqrt(float((chance * (fine - fine[best]) ** 2).sum()))
    return math.exp(float(fine[best])), spread


def _shares(edges: Edges, directions: Float64, focal: float) -> Float64:
    """(3,): the edges' length that each direction explains, as a share of all."""
    sine, _, _ = misses(edges, directions[None], np.array([focal]))
    miss = np.abs(sine[0]) / edges.error
    held = miss.min(axis=0) < BOUND
    share = np.bincount(miss.argmin(axis=0), edges.weight * held, 3) / edges.weight.sum()
    return np.asarray(share, np.float64)


def surprise(edges: Edges, explained: float) -> float:
    """How far the share of the edges' length that is `explained` is above what three directions explain by chance, in
    standard deviations: an edge fits what is within `BOUND` of its errors to either side, out of half a turn."""
    hit = np.minimum(1.0, 3 * 2 * BOUND * edges.error / math.pi)
    share = edges.weight / edges.weight.sum()
    expected = float((share * hit).sum())
    deviation = math.sqrt(float((share**2 * hit * (1 - hit)).sum()))
    return (explained - expected) / max(deviation, 1e-9)
