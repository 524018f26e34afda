"""The smooth part of the bundled fill: colour flows into each hole from known pixels of the same surface, along edges.

Solves an anisotropic Laplace equation whose edge weights fall with the jump in disparity, so colour flows along the
background's surface and not across the silhouette of what hides it (a depth-guided form of the conductance of Perona
and Malik, IEEE TPAMI 12(7), 1990). Inside a surface it flows along the edges that run into the hole: their direction is
the structure tensor's (Weickert, "Coherence-enhancing diffusion filtering", IJCV 31, 1999), which is itself continued
from the known pixels first. Coarse to fine: each level starts from the coarser one and only smooths, and long edges
show at coarse levels, short ones at fine ones.
"""

from __future__ import annotations

import cv2
import numba
import numpy as np

from diorama.inpaint.pyramid import SAME_SURFACE, Float, Level

SWEEPS = 20
"""Gauss-Seidel sweeps a level: with over-relaxation and a start from the coarser level, more change nothing visible."""

TENSOR_SWEEPS = 10
"""The same for the structure tensor."""

OVER_RELAXATION = 1.3
"""Between 1 (none) and 2 (unstable)."""

DISPARITY_SCALE = 1.5
"""Pixels of parallax over which the membrane lets go: steps inside one surface are smaller, silhouettes larger."""

SIDEWAYS = 8.0
"""How much better colour flows along rows than along columns where no edge says better: viewers move sideways, so what
a hole shows continues from its left or right. Flat between 4 and 16 on Middlebury pairs; 1 loses 0.2 dB."""

ALONG = 100.0
"""How much better colour flows along an edge than a plain surface lets it flow up and down; on held-out photos flat
between 50 and 200."""

NOISE = 4000.0
"""Squared grey levels a pixel, summed over the channels: only much stronger gradients have a direction. Silhouettes
pasted over other photos ask for 10, where every edge beside a hole goes on in it; beside true ones many don't."""

INTEGRATION = 2.5
"""Pixels, sigma of the structure tensor's neighbourhood; on held-out photos flat between 1.5 and 3.5."""

MIXED = 2
"""Pixels at the edge of what is known that may hold colours of what hides the hole: their gradients don't count."""

RADIUS = 5
"""Pixels around a known one at a hole's edge whose gradients count."""


_FLOW = (
    np.float32(DISPARITY_SCALE),
    np.float32(SIDEWAYS),
    np.float32(ALONG),
    np.float32(NOISE),
    np.float32(OVER_RELAXATION),
)


def solve(levels: list[Level]) -> list[Float]:
    """Fill the holes of every level smoothly -> (H, W, 3) float32 each, meaningful in the level's holes only."""
    finest = levels[0]
    mean = _mean(finest.colour, finest.known)
    solutions: list[Float] = []
    coarser = np.zeros_like(levels[-1].colour)  # structure tensor of the level before
    for level in reversed(levels):
        h, w = level.hole.shape
        places = np.flatnonzero(level.hole)
        ys, xs = np.divmod(places, w)
        none = np.zeros((len(ys), 3), np.float32)
        tensor = coarser.reshape(-1, 3)[ys // 2 * coarser.shape[1] + xs // 2]
        itself = level is not finest
        known = level._replace(colour=_tensor(level))
        tensor = _relax(tensor, none, ys, xs, *known, itself, *_FLOW, TENSOR_SWEEPS)
        del known, none  # as large as the picture, as is what is filled
        if solutions:
            filled = _doubled(solutions[-1], h, w)
        else:
            filled = np.broadcast_to(mean.astype(np.float32), level.colour.shape).copy()
        pixels = filled.reshape(-1, 3)
        pixels[places] = _relax(pixels[places], tensor, ys, xs, *level, itself, *_FLOW, SWEEPS)
        solutions.append(filled)
        if level is not finest:
            coarser = np.zeros_like(filled)
            coarser.reshape(-1, 3)[places] = tensor
    return solutions[::-1]


def _tensor(level: Level) -> Float:
    """(H, W, 3): xx, xy and yy of the structure tensor of what is known at the holes' edges; elsewhere anything."""
    ring = np.ones((3, 3), np.uint8)
    edge = level.known & (cv2.dilate(level.hole.view(np.uint8), ring) > 0)
    ys, xs = np.divmod(np.flatnonzero(edge), edge.shape[1])
    near = cv2.dilate(edge.view(np.uint8), np.ones((2 * RADIUS + 1,) * 2, np.uint8)) > 0
    sure = cv2.erode(level.known.view(np.uint8), np.ones((2 * MIXED + 1,) * 2, np.uint8), borderValue=1) > 0
    rows, columns = np.divmod(np.flatnonzero(near & sure), edge.shape[1])
    products = _products(level.colour, level.known, level.visible, rows, columns)
    of_surfaces = level.visible, level.hole, level.behind
    tensor: Float = _integrated(products, sure, *of_surfaces, ys, xs, RADIUS, np.float32(INTEGRATION))
    return tensor


@numba.njit(cache=True, nogil=True)
def _products(colour, known, visible, ys, xs):  # type: ignore[no-untyped-def]
    """(H, W, 3): squares and product of the gradient at the pixels (ys, xs), within one surface; summed over the
    colour channels; -1 where a neighbour is missing."""
    height, width = known.shape
    products = np.empty((height, width, 3), np.float32)  # nobody looks elsewhere
    for i in range(len(ys)):
        y, x = ys[i], xs[i]
        left, right, top, bottom = x, x, y, y
        if x > 0 and known[y, x - 1] and abs(visible[y, x - 1] - visible[y, x]) <= SAME_SURFACE:
            left -= 1
        if x + 1 < width and known[y, x + 1] and abs(visible[y, x + 1] - visible[y, x]) <= SAME_SURFACE:
            right += 1
        if y > 0 and known[y - 1, x] and abs(visible[y - 1, x] - visible[y, x]) <= SAME_SURFACE:
            top -= 1
        if y + 1 < height and known[y + 1, x] and abs(visible[y + 1, x] - visible[y, x]) <= SAME_SURFACE:
            bottom += 1
        if left == right or top == bottom:
            products[y, x, 0] = -1
            continue
        products[y, x, 0], products[y, x, 1], products[y, x, 2] = 0, 0, 0
        for c in range(3):
            across = (colour[y, right, c] - colour[y, left, c]) / np.float32(right - left)
            down = (colour[bottom, x, c] - colour[top, x, c]) / np.float32(bottom - top)
            products[y, x, 0] += across * across
            products[y, x, 1] += across * down
            products[y, x, 2] += down * down
    return products


@numba.njit(cache=True, nogil=True)
def _integrated(products, known, visible, hole, behind, ys, xs, radius, sigma):  # type: ignore[no-untyped-def]
    """(H, W, 3): at the pixels (ys, xs) the products' Gaussian mean over their own surface within `radius`."""
    height, width = known.shape
    tensor = np.empty((height, width, 3), np.float32)  # nobody looks elsewhere
    bell = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2)).astype(np.float32)
    for i in range(len(ys)):
        y, x = ys[i], xs[i]
        tensor[y, x, 0], tensor[y, x, 1], tensor[y, x, 2] = 0, 0, 0
        if hole[y, x] and abs(visible[y, x] - behind[y, x]) > SAME_SURFACE:
            continue
        total, a, b, c = np.float32(1e-6), np.float32(0), np.float32(0), np.float32(0)
        inwards_x, inwards_y = np.float32(0), np.float32(0)
        for v in range(max(y - radius, 0), min(y + radius + 1, height)):
            for u in range(max(x - radius, 0), min(x + radius + 1, width)):
                if hole[v, u]:
                    inwards_x += u - x
                    inwards_y += v - y
                if not known[v, u] or products[v, u, 0] < 0 or abs(visible[v, u] - visible[y, x]) > SAME_SURFACE:
                    continue
                share = bell[v - y + radius] * bell[u - x + radius]
                total += share
                a += share * products[v, u, 0]
                b += share * products[v, u, 1]
                c += share * products[v, u, 2]
        # Of the edges that run past the hole none goes on in it: their share has no direction.
        enters = np.float32(0)
        length = (inwards_x * inwards_x + inwards_y * inwards_y) * np.sqrt((a - c) * (a - c) + 4 * b * b)
        if length > 0:
            tilt = (c - a) * (inwards_x * inwards_x - inwards_y * inwards_y) - 4 * b * inwards_x * inwards_y
            enters = np.float32(0.5) + np.float32(0.5) * tilt / length  # squared cosine between edge and way in
        even = (1 - enters) * (a + c) / 2
        tensor[y, x, 0] = (enters * a + even) / total
        tensor[y, x, 1] = enters * b / total
        tensor[y, x, 2] = (enters * c + even) / total
    return tensor


@numba.njit(cache=True, nogil=True)
def _mean(colour, known):  # type: ignore[no-untyped-def]
    """(3,) float64: the mean of what is known."""
    total = np.zeros(3)
    count = 0
    for y in range(known.shape[0]):
        for x in range(known.shape[1]):
            if known[y, x]:
                count += 1
                for c in range(3):
                    total[c] += colour[y, x, c]
    return total / max(count, 1)


@numba.njit(cache=True, nogil=True)
def _doubled(coarse, height, width):  # type: ignore[no-untyped-def]
    """Each pixel twice in both directions."""
    fine = np.empty((height, width, 3), np.float32)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                fine[y, x, c] = coarse[y // 2, x // 2, c]
    return fine


@numba.njit(cache=True, nogil=True, inline="always")
def _diffusion(a, b, c, sideways, along, noise):  # type: ignore[no-untyped-def]
    """How well colour flows along rows, columns and both diagonals, for a structure tensor (xx, xy, yy).

    The diffusion tensor is split into these four directions so that no weight is negative (Weickert 1998, 3.4.2).
    """
    spread = np.sqrt((a - c) * (a - c) + 4 * b * b)
    share = 1 / (a + c + noise)
    clear = spread * share  # how clearly there is one direction, 0..1
    across = sideways * (1 - clear) + along * share * (spread - a + c) / 2 + np.float32(0.01)
    down = 1 - clear + along * share * (spread + a - c) / 2 + np.float32(0.01)
    most = np.float32(0.98) * min(across, down)
    mixed = min(max(-along * share * b, -most), most)
    return across - abs(mixed), down - abs(mixed), max(mixed, np.float32(0)), max(-mixed, np.float32(0))


@numba.njit(cache=True, nogil=True)
def _relax(  # type: ignore[no-untyped-def]
    start, tensor, ys, xs, colour, known, visible, hole, behind, itself, scale, sideways, along, noise, omega, sweeps
):
    """Successive over-relaxation of the hole's pixels (ys, xs) from `start`, (N, 3); forwards and backwards in turn.

    `tensor`: (N, 3), the structure tensor along whose edges colour flows.
    `itself`: a coarse pixel may be partly a hole and partly its own background, which then holds it.
    """
    height, width = hole.shape
    leak = np.float32(1e-5)  # keeps pixels that no weight reaches tied to their neighbours
    count = len(ys)
    number = np.empty((height, width), np.uint32)  # of the hole's pixels
    value = np.zeros((count + 1, 3), np.float32)  # the last stands for a neighbour that isn't there
    for i in range(count):
        number[ys[i], xs[i]] = i
        value[i, 0], value[i, 1], value[i, 2] = start[i, 0], start[i, 1], start[i, 2]
    # Neighbours above and below, on a diagonal (only one of both conducts), on either side, and the pixel itself. A sum
    # ends with the neighbour that has just changed, so that what comes before needn't wait for it.
    down = np.array([-1, 1, 0, 0, 0, 0, 0])
    across = np.array([0, 0, 0, 0, -1, 1, 0])
    ease = np.zeros(7, np.float32)
    link = np.full((count, 6), count, np.uint32)
    weight = np.zeros((count, 6), np.float32)
    held = np.zeros((count, 3), np.float32)
    kept = np.ones(count, np.float32)
    for i in range(count):
        y, x = ys[i], xs[i]
        beside, above, falling, rising = _diffusion(tensor[i, 0], tensor[i, 1], tensor[i, 2], sideways, along, noise)
        down[2], across[2], down[3], across[3] = (-1, -1, 1, 1) if falling > 0 else (-1, 1, 1, -1)
        ease[0], ease[1], ease[4], ease[5] = above, above, beside, beside
        ease[2] = ease[3] = max(falling, rising)
        ease[6] = (above + beside) / 2 if itself else 0
        total = np.float32(0)
        for k in range(7):
            v, u = y + down[k], x + across[k]
            if v < 0 or u < 0 or v >= height or u >= width or ease[k] <= 0:
                continue
            if hole[v, u] and k < 6:
                link[i, k] = number[v, u]
                weight[i, k] = ease[k] * (np.exp(-abs(behind[v, u] - behind[y, x]) / scale) + leak)
                total += weight[i, k]
            gap = abs(visible[v, u] - behind[y, x])
            if known[v, u] and (not hole[v, u] or gap <= SAME_SURFACE):
                share = ease[k] * (np.exp(-gap / scale) + leak)
                total += share
                for c in range(3):
                    held[i, c] += share * colour[v, u, c]
        if total > 0:
            kept[i] = 1 - omega
            for k in range(6):
                weight[i, k] *= omega / total
            for c in range(3):
                held[i, c] *= omega / total
    for sweep in range(sweeps):
        for j in range(count):
            at = np.uint32(j if sweep % 2 == 0 else count - 1 - j)  # unsigned: no index is taken from the end
            a = held[at, 0] + kept[at] * value[at, 0]
            b = held[at, 1] + kept[at] * value[at, 1]
            c = held[at, 2] + kept[at] * value[at, 2]
            for k in range(6):
                share, n = weight[at, k], link[at, k]
                a += share * value[n, 0]
                b += share * value[n, 1]
                c += share * value[n, 2]
            value[at, 0], value[at, 1], value[at, 2] = a, b, c
    return value[:count]
