"""The detailed part of the bundled fill: patches of the same surface, found and put together coarse to fine.

PatchMatch (Barnes et al., ACM TOG 28(3), 2009) finds for each patch in a hole a similar known one by trying its
neighbours' shifts and random ones around the best so far; the patches then vote for each pixel (Wexler, Shechtman and
Irani, IEEE TPAMI 29(3), 2007). Depth decides what may be compared and copied: a patch holds only pixels of its own
surface, and comes from a surface that is about as far away or farther, never from what hides it.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from diorama.inpaint.pyramid import SAME_SURFACE, Float, Level, Mask, nearest

Ints = NDArray[np.int32]


class Pass(NamedTuple):
    """How one level is worked on."""

    rounds: int  # of search and vote
    sweeps: int  # of search a round
    reach: int  # px, first random search radius; halved until it is 0
    stride: int  # px between the patches that are searched


class Costs(NamedTuple):
    """What makes a source patch a bad one, in squared grey levels (sum over the colour channels)."""

    radius: int = 3  # px; patches are (2 radius + 1) squared
    tolerance: float = 2.0  # px of parallax: pixels nearer or farther than this belong to another surface
    unknown: float = 1000.0  # for a pixel that the source doesn't know
    farther: float = 20000.0  # for a patch of a farther surface: only where the hole's own one shows nothing alike
    row: float = 3.0  # for each row between patch and source: what a sideways move uncovers continues sideways
    colour: float = 0.3  # x squared distance between the membrane here and the mean around the source
    guess: float = 0.3  # weight of a pixel that is itself imagined, against 1 for a known one
    softness: float = 200.0  # a patch's vote falls with exp(-cost / softness)


COSTS = Costs()

UNKNOWN = np.float32(1e30)
"""Disparity of what isn't known: in front of any surface, so that nothing compares or copies it."""

PASSES = (Pass(1, 1, 8, 2), Pass(2, 2, 16, 2), Pass(2, 3, 32, 1))
"""Finest level first. More rounds bring nothing: the membrane is a good start."""


def refine(levels: list[Level], smooth: list[Float], passes: tuple[Pass, ...] = PASSES, costs: Costs = COSTS) -> Float:
    """Fill the finest level's holes with voted patches, starting from the membrane -> (H, W, 3) float32.

    The lists are used up: a level is large, and let go as soon as it has been worked on.
    """
    count = min(len(passes), len(levels))
    del levels[count:], smooth[count:]
    filled = smooth[-1].copy()
    shifts = _nearest(levels[-1], costs.tolerance)
    for index in range(count - 1, -1, -1):
        level, start, plan = levels.pop(), smooth.pop(), passes[index]
        known, hole, behind = level.known, level.hole, level.behind
        picture = _packed(level.colour, known, level.visible)
        del level
        h, w = hole.shape
        if index < count - 1:
            filled = np.asarray(cv2.resize(filled, (w, h), interpolation=cv2.INTER_LINEAR), np.float32)
            shifts = _doubled(shifts, hole)
        ys, xs = _centres(hole, plan.stride)
        trust = _trust(known, hole, costs.guess)
        around = np.full((h, w, 3), -1, np.float32)
        for turn in range(plan.rounds):
            cost = np.zeros(len(ys), np.float32)
            _search(
                filled, trust, picture, hole, behind, start, around, ys, xs, shifts, cost,
                plan.sweeps, plan.reach, plan.stride, 97 * index + turn, *costs[:6],
            )  # fmt: skip
            votes = _vote(picture, hole, behind, ys, xs, shifts, cost, costs.radius, costs.tolerance, costs.softness)
            _settle(filled, hole, votes, start)
    return filled


def _centres(hole: Mask, stride: int) -> tuple[Ints, Ints]:
    """The rows and columns of the patches to search: a grid, so that their votes reach every pixel of the hole."""
    coarse = hole[::stride, ::stride]
    ys, xs = np.divmod(np.flatnonzero(coarse), coarse.shape[1])
    return (ys * stride).astype(np.int32), (xs * stride).astype(np.int32)


def _nearest(level: Level, tolerance: float) -> Ints:
    """(H, W, 2) int32: the shift from each hole pixel to the nearest known one; along rows and columns first, of the
    same surface, else (there is none) in any direction, of any."""
    free = level.known & ~level.hole
    if not free.any():
        free = level.known
    places = np.flatnonzero(level.hole)
    shifts = np.zeros((*level.hole.shape, 2), np.int32)
    shifts.reshape(-1, 2)[places] = nearest(free, places) - np.stack(np.divmod(places, free.shape[1]), 1)
    _look_along(level.known, level.visible, level.hole, level.behind, tolerance, shifts)
    return shifts


@numba.njit(cache=True, nogil=True)
def _look_along(known, visible, hole, behind, tolerance, shifts):  # type: ignore[no-untyped-def]
    """Put into `shifts` the nearest known pixel of the same surface along row and column, where there is one."""
    height, width = hole.shape
    for y in range(height):
        for x in range(width):
            if not hole[y, x]:
                continue
            for step in range(1, height + width):
                found = False
                for k in range(4):
                    dy, dx = ((0, step), (0, -step), (step, 0), (-step, 0))[k]
                    v, u = y + dy, x + dx
                    if v < 0 or u < 0 or v >= height or u >= width or not known[v, u]:
                        continue
                    if abs(visible[v, u] - behind[y, x]) <= tolerance:
                        shifts[y, x, 0], shifts[y, x, 1] = dy, dx
                        found = True
                        break
                if found:
                    break


def _trust(known: Mask, hole: Mask, guess: float) -> Float:
    """(H, W): weight of a hole's pixel in a comparison: the farther from anything known, the less it is worth."""
    free = known & ~hole
    distance = cv2.distanceTransform((~free).view(np.uint8), cv2.DIST_L2, 3)
    places = np.flatnonzero(hole)
    trust = np.zeros(free.shape, np.float32)
    trust.flat[places] = np.maximum(0.9 ** distance.ravel()[places], 0.05) * guess + 0.02
    return trust


@numba.njit(cache=True, nogil=True)
def _doubled(shifts, hole):  # type: ignore[no-untyped-def]
    """The shifts of a finer level's hole, from those of the level that has half its pixels a side."""
    height, width = hole.shape
    finer = np.zeros((height, width, 2), np.int32)
    for y in range(height):
        for x in range(width):
            if hole[y, x]:
                finer[y, x, 0] = 2 * shifts[y // 2, x // 2, 0]
                finer[y, x, 1] = 2 * shifts[y // 2, x // 2, 1]
    return finer


@numba.njit(cache=True, nogil=True)
def _settle(filled, hole, votes, smooth):  # type: ignore[no-untyped-def]
    """Give the hole its colours, in place: what was voted for (see `_vote`), else the membrane's."""
    n = 0
    for y in range(hole.shape[0]):
        for x in range(hole.shape[1]):
            if hole[y, x]:
                for c in range(3):
                    filled[y, x, c] = votes[n, c] / votes[n, 3] if votes[n, 3] > 0 else smooth[y, x, c]
                n += 1


@numba.njit(cache=True, nogil=True)
def _packed(colour, known, visible):  # type: ignore[no-untyped-def]
    """(H, W, 4): what is known, its colour and its disparity side by side; what isn't is nearer than anything."""
    height, width = known.shape
    picture = np.empty((height, width, 4), np.float32)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                picture[y, x, c] = colour[y, x, c]
            picture[y, x, 3] = visible[y, x] if known[y, x] else UNKNOWN
    return picture


@numba.njit(cache=True, nogil=True, fastmath=True)
def _mean_around(picture, radius, tolerance, y, x, mean):  # type: ignore[no-untyped-def]
    """Put into `mean` (H, W, 3) the mean colour of a known pixel's own surface within `radius`, unless it is there.

    Few pixels are ever asked for: those near holes.
    """
    if mean[y, x, 0] >= 0:
        return
    height, width = picture.shape[:2]
    count = np.float32(0)
    a, b, c = np.float32(0), np.float32(0), np.float32(0)
    for v in range(max(y - radius, 0), min(y + radius + 1, height)):
        for u in range(max(x - radius, 0), min(x + radius + 1, width)):
            if abs(picture[v, u, 3] - picture[y, x, 3]) <= tolerance:
                count += 1
                a += picture[v, u, 0]
                b += picture[v, u, 1]
                c += picture[v, u, 2]
    mean[y, x, 0], mean[y, x, 1], mean[y, x, 2] = a / count, b / count, c / count


@numba.njit(cache=True, nogil=True, inline="always")
def _random(state):  # type: ignore[no-untyped-def]
    """Xorshift (Marsaglia 2003)."""
    state ^= state << np.uint32(13)
    state ^= state >> np.uint32(17)
    state ^= state << np.uint32(5)
    return state


@numba.njit(cache=True, nogil=True, fastmath=True)
def _target(filled, trust, picture, hole, behind, y, x, radius, tolerance, patch, share, offset):  # type: ignore[no-untyped-def]
    """Gather the patch around hole pixel (y, x): what is known of its surface, else what is imagined -> how many.

    Puts into `patch` (N, 3) the colours, into `share` (N) their weights, into `offset` (N, 2) where they stand.
    """
    height, width = hole.shape
    here = behind[y, x]
    n = 0
    for v in range(max(y - radius, 0), min(y + radius + 1, height)):
        for u in range(max(x - radius, 0), min(x + radius + 1, width)):
            slack = SAME_SURFACE if hole[v, u] else tolerance
            if abs(picture[v, u, 3] - here) <= slack and (v != y or u != x):
                share[n] = 1.0
                for c in range(3):
                    patch[n, c] = picture[v, u, c]
            elif hole[v, u] and abs(behind[v, u] - here) <= tolerance:
                share[n] = trust[v, u]
                for c in range(3):
                    patch[n, c] = filled[v, u, c]
            else:
                continue
            offset[n, 0], offset[n, 1] = v - y, u - x
            n += 1
    return n


@numba.njit(cache=True, nogil=True, fastmath=True)
def _cost(patch, share, offset, count, weight, picture, limit, best, penalty, y, x, radius, unknown):  # type: ignore[no-untyped-def]
    """Mean weighted distance between the gathered patch and the picture around (y, x); gives up beyond `best`."""
    if weight <= 0:
        return np.float32(1e12)
    height, width = picture.shape[:2]
    inside = radius <= y < height - radius and radius <= x < width - radius
    stop = (best - penalty) * weight
    total = 0.0
    for n in range(count):
        v, u = y + offset[n, 0], x + offset[n, 1]
        distance = np.float32(unknown)
        if (inside or (0 <= v < height and 0 <= u < width)) and picture[v, u, 3] <= limit:
            a = patch[n, 0] - picture[v, u, 0]
            b = patch[n, 1] - picture[v, u, 1]
            c = patch[n, 2] - picture[v, u, 2]
            distance = a * a + b * b + c * c
        total += share[n] * distance
        if n & 7 == 7 and total >= stop:
            return np.float32(1e12)
    if total >= stop:
        return np.float32(1e12)
    return np.float32(total / weight + penalty)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _search(  # type: ignore[no-untyped-def]
    filled,
    trust,
    picture,
    hole,
    behind,
    smooth,
    around,
    ys,
    xs,
    shifts,
    cost,
    sweeps,
    reach,
    stride,
    seed,
    radius,
    tolerance,
    unknown,
    farther,
    row,
    pull,
):
    """PatchMatch: improve `shifts` (H, W, 2) at the pixels (ys, xs) in place; `cost` gets what each one costs, and
    `around` (H, W, 3) the mean colours that were needed. `picture`: see `_packed`."""
    height, width = hole.shape
    side = 2 * radius + 1
    patch = np.zeros((side * side, 3), np.float32)
    share = np.zeros(side * side, np.float32)
    offset = np.zeros((side * side, 2), np.int64)
    tries = 3
    r = reach
    while r >= 1:
        tries += 1
        r //= 2
    for sweep in range(sweeps):
        step = -stride if sweep % 2 == 0 else stride
        for j in range(len(ys)):
            i = j if sweep % 2 == 0 else len(ys) - 1 - j
            y, x = ys[i], xs[i]
            limit = behind[y, x] + tolerance
            count = _target(filled, trust, picture, hole, behind, y, x, radius, tolerance, patch, share, offset)
            weight = np.float32(0)
            for k in range(count):
                weight += share[k]
            state = np.uint32(((y * width + x) * 2654435761 + (sweep + 1) * 40503 + seed * 9973) & 0xFFFFFFFF)
            state = _random(_random(state | np.uint32(1)))
            best, oy, ox = np.float32(1e12), shifts[y, x, 0], shifts[y, x, 1]
            by, bx = oy, ox
            r = reach
            for k in range(tries):
                if k == 0:
                    sy, sx = oy, ox
                elif k == 1:
                    if x + step < 0 or x + step >= width or not hole[y, x + step]:
                        continue
                    sy, sx = shifts[y, x + step, 0], shifts[y, x + step, 1]
                elif k == 2:
                    if y + step < 0 or y + step >= height or not hole[y + step, x]:
                        continue
                    sy, sx = shifts[y + step, x, 0], shifts[y + step, x, 1]
                else:
                    state = _random(state)
                    sy = by + np.int32(state % np.uint32(2 * r + 1)) - r
                    state = _random(state)
                    sx = bx + np.int32(state % np.uint32(2 * r + 1)) - r
                    r //= 2
                v, u = y + sy, x + sx
                if v < 0 or u < 0 or v >= height or u >= width or (k > 0 and sy == by and sx == bx):
                    continue
                if picture[v, u, 3] > limit:
                    continue
                _mean_around(picture, 2, tolerance, v, u, around)
                penalty = np.float32(row * abs(sy) + (farther if picture[v, u, 3] < limit - 3 * tolerance else 0.0))
                for c in range(3):
                    penalty += pull * (smooth[y, x, c] - around[v, u, c]) ** 2
                if penalty >= best:
                    continue
                paid = np.float32(penalty)
                found = _cost(
                    patch, share, offset, count, weight, picture, limit, best, paid, v, u, radius, unknown
                )  # fmt: skip
                if found < best:
                    best, by, bx = found, sy, sx
            shifts[y, x, 0], shifts[y, x, 1] = by, bx
            cost[i] = best


@numba.njit(cache=True, nogil=True, fastmath=True)
def _vote(picture, hole, behind, ys, xs, shifts, cost, radius, tolerance, softness):  # type: ignore[no-untyped-def]
    """(N, 4): sums of the overlapping patches' colours and of their weights at the hole's pixels, row by row.

    `picture`: see `_packed`.
    """
    height, width = hole.shape
    number = np.empty((height, width), np.int32)  # of the hole's pixels
    count = 0
    for y in range(height):
        for x in range(width):
            number[y, x] = count
            count += hole[y, x]
    votes = np.zeros((count, 4), np.float32)
    bell = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            bell[dy + radius, dx + radius] = np.exp(-(dy * dy + dx * dx) / (0.5 * radius * radius + 0.5))
    for i in range(len(ys)):
        if cost[i] > 1e11:
            continue
        y, x = ys[i], xs[i]
        sy, sx = shifts[y, x, 0], shifts[y, x, 1]
        here = behind[y, x]
        worth = np.exp(-cost[i] / softness) + 1e-4
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                v, u = y + dy, x + dx
                if v < 0 or u < 0 or v >= height or u >= width:
                    continue
                if not hole[v, u] or abs(behind[v, u] - here) > tolerance:
                    continue
                b, a = v + sy, u + sx
                if b < 0 or a < 0 or b >= height or a >= width:
                    continue
                if picture[b, a, 3] > here + tolerance:
                    continue
                share = worth * bell[dy + radius, dx + radius]
                n = number[v, u]
                votes[n, 3] += share
                for c in range(3):
                    votes[n, c] += share * picture[b, a, c]
    return votes
