"""Noise taken out in the cosine transform of small overlapping blocks.

Yu & Sapiro, *DCT image denoising: a simple and effective image denoising algorithm* (IPOL 2011): colours turned so that
channels differ, blocks transformed, coefficients no larger than noise would make them set to zero, and all blocks that
cover a pixel averaged. Two things are added. Blocks with fewer coefficients left count more, since they hold less
noise; and a second pass takes the first one's spectrum to shrink each coefficient by its share of signal (Wiener, as in
BM3D's second step), which leaves weak texture that the first one lost.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numba
import numpy as np

from diorama.types import Bool, Float32, UInt8

SIDE = 8
STEP = 4
"""Pixels from one block to the next: every pixel is in about seven."""

BAND = 384
"""Rows that one thread works on at a time."""

MAX_THREADS = 4

HARD = 2.7
"""Noise of this many standard deviations is taken for signal; Yu & Sapiro have 3, which the second pass spares."""

_COLOURS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], np.float64)
_TURN = (_COLOURS / np.linalg.norm(_COLOURS, axis=1, keepdims=True)).astype(np.float32)
"""An orthonormal turn: noise stays what it is, and most of a picture is in the first channel."""

CHROMA = 1.4
"""Noise of colours is blotchier and better seen than that of brightness: it is taken to be this many times larger."""


def denoise(rgb: UInt8, sigma: float, where: Bool | None = None) -> UInt8:
    """Take out noise of this standard deviation in 8-bit steps; with 0 the picture is what it was.

    Args:
        rgb: (H, W, 3), 8 pixels or more a side.
        where: (H, W), pixels that count; others may stay as they are. None: all count.
    """
    if sigma <= 0 or min(rgb.shape[:2]) < SIDE:
        return rgb
    turned = rgb.astype(np.float32) @ _TURN.T
    height, width = rgb.shape[:2]
    clean = turned.copy()
    wanted = np.ones((height, width), bool) if where is None else where

    def work(job: tuple[int, int]) -> None:
        channel, top = job
        end = min(top + BAND, height)
        # Blocks reach over the band's ends, and the second pass looks at the first one's there.
        rows = slice(max(0, top - 2 * SIDE), min(height, end + 2 * SIDE))
        if not wanted[rows].any():
            return
        picture = np.pad(turned[rows, :, channel], SIDE, mode="symmetric")
        needed = np.pad(wanted[rows], SIDE, mode="symmetric")
        strength = np.float32(sigma * (1.0 if channel == 0 else CHROMA))
        first = _pass(picture, picture, needed, strength, *_basis(), False)
        second = _pass(picture, first, needed, strength, *_basis(), True)
        clean[top:end, :, channel] = second[SIDE + top - rows.start : SIDE + end - rows.start, SIDE : SIDE + width]

    jobs = [(channel, top) for top in range(0, height, BAND) for channel in range(3)]
    with ThreadPoolExecutor(MAX_THREADS) as pool:
        list(pool.map(work, jobs))
    return np.asarray(np.clip(np.rint(clean @ _TURN), 0, 255), np.uint8)


@cache
def _basis() -> tuple[Float32, Float32]:
    """(4, 4) each: the first halves of the even and of the odd cosines."""
    k, x = np.mgrid[:SIDE, : SIDE // 2]
    whole = np.cos(np.pi * k * (x + 0.5) / SIDE) * np.sqrt(np.where(k == 0, 1, 2) / SIDE)
    return np.ascontiguousarray(whole[::2], np.float32), np.ascontiguousarray(whole[1::2], np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _pass(
    picture: Float32, guide: Float32, needed: Bool, sigma: np.float32, even: Float32, odd: Float32, wiener: bool
) -> Float32:
    """One pass: hard thresholds, or shrinking by the guide's spectrum; blocks about what is not needed are left out."""
    height, width = picture.shape
    total = np.zeros((height, width), np.float32)
    weight = np.zeros((height, width), np.float32)
    block = np.empty((SIDE, SIDE), np.float32)
    other = np.empty((SIDE, SIDE), np.float32)
    limit = np.float32(HARD) * sigma
    variance = sigma * sigma
    one = np.float32(1)
    for y in range(0, height - SIDE + 1, STEP):
        for x in range(0, width - SIDE + 1, STEP):
            if not (
                needed[y, x] or needed[y, x + SIDE - 1] or needed[y + SIDE - 1, x] or needed[y + SIDE - 1, x + SIDE - 1]
            ):
                continue
            _load(picture, y, x, block)
            _forward(block, even, odd)
            mean = block[0, 0]
            kept = one
            if wiener:
                _load(guide, y, x, other)
                _forward(other, even, odd)
                for i in range(SIDE):
                    for j in range(SIDE):
                        power = other[i, j] * other[i, j]
                        share = power / (power + variance)
                        block[i, j] *= share
                        kept += share * share
            else:
                for i in range(SIDE):
                    for j in range(SIDE):
                        if abs(block[i, j]) < limit:
                            block[i, j] = 0
                        else:
                            kept += one
            block[0, 0] = mean
            _backward(block, even, odd)
            share = one / kept
            for i in range(SIDE):
                for j in range(SIDE):
                    total[y + i, x + j] += share * block[i, j]
                    weight[y + i, x + j] += share
    for y in range(height):
        for x in range(width):
            total[y, x] = total[y, x] / weight[y, x] if weight[y, x] > 0 else picture[y, x]
    return total


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _load(picture: Float32, y: int, x: int, block: Float32) -> None:
    for i in range(SIDE):
        for j in range(SIDE):
            block[i, j] = picture[y + i, x + j]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _forward(block: Float32, even: Float32, odd: Float32) -> None:
    """The block's transform, in place: even coefficients are those of sums about the middle, odd ones of differences.

    Columns are turned first, eight at a time, which the compiler makes vector instructions of; then rows.
    """
    out = np.empty((SIDE, SIDE), np.float32)
    for half in range(4):
        for j in range(SIDE):
            out[2 * half, j] = 0
            out[2 * half + 1, j] = 0
        for k in range(4):
            a, b = even[half, k], odd[half, k]
            for j in range(SIDE):
                out[2 * half, j] += a * (block[k, j] + block[7 - k, j])
                out[2 * half + 1, j] += b * (block[k, j] - block[7 - k, j])
    for half in range(4):
        for i in range(SIDE):
            block[i, 2 * half] = 0
            block[i, 2 * half + 1] = 0
        for k in range(4):
            a, b = even[half, k], odd[half, k]
            for i in range(SIDE):
                block[i, 2 * half] += a * (out[i, k] + out[i, 7 - k])
                block[i, 2 * half + 1] += b * (out[i, k] - out[i, 7 - k])


@numba.njit(cache=True, nogil=True, fastmath=True)
def _backward(block: Float32, even: Float32, odd: Float32) -> None:
    """The inverse, in place."""
    out = np.empty((SIDE, SIDE), np.float32)
    for k in range(4):
        for j in range(SIDE):
            out[k, j] = 0
            out[7 - k, j] = 0
        for half in range(4):
            a, b = even[half, k], odd[half, k]
            for j in range(SIDE):
                out[k, j] += a * block[2 * half, j] + b * block[2 * half + 1, j]
                out[7 - k, j] += a * block[2 * half, j] - b * block[2 * half + 1, j]
    for k in range(4):
        for i in range(SIDE):
            block[i, k] = 0
            block[i, 7 - k] = 0
        for half in range(4):
            a, b = even[half, k], odd[half, k]
            for i in range(SIDE):
                block[i, k] += a * out[i, 2 * half] + b * out[i, 2 * half + 1]
                block[i, 7 - k] += a * out[i, 2 * half] - b * out[i, 2 * half + 1]
