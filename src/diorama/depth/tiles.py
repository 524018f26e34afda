"""Fine structure from tiles: the whole picture says how far things are, its parts say where their outlines run.

A network sees a picture at a few hundred pixels. Shown a part of it, it sees more there, but knows less of where the
part stands in the scene. So each tile's answer is fitted to the whole's (scale and shift, least squares), and only what
is finer than `SIGMA` is taken from it, faded out towards the tile's rim (after Miangoleh et al., "Boosting Monocular
Depth Estimation Models to High-Resolution via Content-Adaptive Multi-Resolution Merging", CVPR 2021, who train a
network for the merging).

Measured with the bundled network and 3 tiles a side (`benchmarks/depth.py --tiles 3`): of the pixel pairs across true
edges 20.9 % instead of 11.5 % are shown as edges (Motorcycle; six other stereo pairs 18.3 % instead of 16.6 %), and as
many pixel pairs as before are in the wrong order (12.0 % instead of 12.3 %; 19.2 % both), for four times the time.
Coarser detail costs order: with 0.05 and 0.1 of the long side 0.3 and 0.9 % more of the pairs are wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np

from diorama.depth.backends import Backend
from diorama.depth.prediction import Prediction
from diorama.types import Bool, Float32, UInt8

OVERLAP = 0.25
"""Of a tile's side."""

SIGMA = 0.015
"""Of the picture's long side: what is finer is detail."""

MIN_SIDE = 32
"""Pixels of a tile: less is no picture."""

Tile = tuple[slice, slice]


def detailed(
    backend: Backend, rgb: UInt8, whole: Prediction, count: int, say: Callable[[float], None] | None = None
) -> Prediction:
    """`whole` at the picture's size, with what `count` tiles on the long side show beyond it.

    Args:
        backend: the network, asked once for each tile.
        rgb: (H, W, 3).
        whole: what it says of the whole picture.
        say: called with the share of tiles that is done.
    """
    height, width = rgb.shape[:2]
    base = _resized(_filled(whole.inverse), width, height)
    known = np.ones(base.shape, bool) if whole.far is None else _resized(_float(~whole.far), width, height) > 0.5
    places = list(tiles(width, height, count))
    total, weights = np.zeros_like(base), np.full_like(base, 1e-6)
    for done, place in enumerate(places):
        part = backend.predict(np.ascontiguousarray(rgb[place]), None)
        window = _window(*base[place].shape)
        total[place] += window * _detail(part, base[place], known[place], SIGMA * max(width, height))
        weights[place] += window
        if say:
            say((done + 1) / len(places))
    far = None if whole.far is None else np.ascontiguousarray(~known)
    inverse = base + total / weights
    lowest = base.min() if whole.scale == "metric" else -np.inf  # detail brings nothing behind what is farthest
    return replace(whole, inverse=np.maximum(inverse, np.float32(lowest)), far=far)


def tiles(width: int, height: int, count: int) -> Iterator[Tile]:
    """Rows and columns of overlapping tiles that cover the picture: `count` on the long side, about square."""
    long = max(width, height)
    across, down = (max(1, min(round(count * side / long), side // MIN_SIDE)) for side in (width, height))
    for y in _spans(height, down):
        for x in _spans(width, across):
            yield y, x


def _spans(side: int, count: int) -> list[slice]:
    length = side / (count - (count - 1) * OVERLAP)
    starts = [index * length * (1 - OVERLAP) for index in range(count)]
    return [slice(round(start), min(side, round(start + length))) for start in starts]


def _detail(part: Prediction, base: Float32, known: Bool, sigma: float) -> Float32:
    """What the tile shows beyond the whole, in the whole's units; 0 where either sees nothing."""
    height, width = base.shape
    values = _resized(_filled(part.inverse), width, height)
    if part.far is not None:
        known = known & (_resized(_float(~part.far), width, height) > 0.5)
    if np.count_nonzero(known) < 16 or float(np.ptp(values[known])) == 0:
        return np.zeros_like(base)
    x, y = values[known].astype(np.float64), base[known].astype(np.float64)
    variance = float(np.var(x))
    slope = max(float(np.mean((x - x.mean()) * (y - y.mean()))) / variance, 0.0) if variance > 0 else 0.0
    fine = np.float32(slope) * _fine(values, sigma) - _fine(base, sigma)
    # Where the rim of what is seen lies within the blur, the two don't blur the same.
    reach = 2 * int(np.ceil(2 * sigma)) + 1
    inside = cv2.erode(known.view(np.uint8), np.ones((reach, reach), np.uint8), borderValue=1) > 0
    return np.where(inside, fine, np.float32(0)).astype(np.float32)


def _fine(values: Float32, sigma: float) -> Float32:
    return values - np.asarray(cv2.GaussianBlur(values, (0, 0), max(sigma, 0.3)), np.float32)


def _window(height: int, width: int) -> Float32:
    """1 in the middle, 0 at the rim."""
    y, x = (np.sin(np.pi * (np.arange(side) + 0.5) / side) for side in (height, width))
    return np.asarray(y[:, None] * x, np.float32)


def _filled(values: Float32) -> Float32:
    """What isn't finite becomes the median."""
    finite = np.isfinite(values)
    if finite.all():
        return values
    return np.where(finite, values, np.median(values[finite]) if finite.any() else np.float32(0)).astype(np.float32)


def _resized(values: Float32, width: int, height: int) -> Float32:
    smaller = width < values.shape[1] and height < values.shape[0]
    mode = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(values, (width, height), interpolation=mode), np.float32).reshape(height, width)


def _float(mask: Bool) -> Float32:
    return mask.astype(np.float32)
