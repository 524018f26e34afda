"""Networks that fill holes see the picture through windows at its own resolution: what they may see, and the seams."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from diorama.inpaint import bundled
from diorama.types import Bool, Float32, UInt8

SIDE = 512
"""Side of a window in pixels: what MI-GAN and LaMa were trained for."""

STRIDE = 384
"""Pixels from one window to the next: a quarter overlaps, so that answers are faded into one another."""

IN_FRONT = 2.0
"""Pixels of parallax: a known surface nearer than the hole's by more stands in front of it."""

REACH = 96
"""Pixels around a hole within which surfaces in front of it are hidden from the network, lest it continue them."""

Answer = Callable[[UInt8, Bool], UInt8]
"""(h, w, 3) picture and (h, w) mask, True = fill, sides of at most `SIDE` -> (h, w, 3)."""


def fill(rgb: UInt8, hole: Bool, known: Bool, behind: Float32, visible: Float32, answer: Answer) -> UInt8:
    """Fill `hole` window by window; see `diorama.inpaint.fill` for the contract (arguments are checked there).

    Where a window shows nothing that the network may look at, the bundled fill is taken.
    """
    mask = hidden(hole, known, behind, visible)
    picture = np.where(mask[..., None], 0, rgb).astype(np.uint8)
    total = np.zeros(rgb.shape, np.float32)
    weight = np.zeros(hole.shape, np.float32)
    for rows, columns in _windows(hole):
        if mask[rows, columns].all():
            continue
        answered = answer(picture[rows, columns], mask[rows, columns])
        share = _fade(*hole[rows, columns].shape)
        total[rows, columns] += answered * share[..., None]
        weight[rows, columns] += share
    out = rgb.copy()
    reached = hole & (weight > 0)
    out[reached] = np.clip(np.rint(total[reached] / weight[reached, None]), 0, 255).astype(np.uint8)
    blind = hole & ~reached
    if blind.any():
        out[blind] = bundled.fill(rgb, hole, known, behind, visible)[blind]
    return out


def hidden(hole: Bool, known: Bool, behind: Float32, visible: Float32) -> Bool:
    """(H, W): what a network must not see: holes, what isn't known, and near a hole what stands in front of it."""
    mask = hole | ~known
    distance, labels = cv2.distanceTransformWithLabels(
        (~hole).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of_hole = np.zeros(int(labels.max()) + 1, np.float32)
    of_hole[labels[hole]] = behind[hole]
    seen = np.where(known, visible, 0)
    front: Bool = (np.asarray(distance) <= REACH) & (seen > of_hole[labels] + IN_FRONT)
    return mask | front


def _windows(hole: Bool) -> Iterator[tuple[slice, slice]]:
    """Windows that cover every hole pixel: a grid, without the cells that no hole needs."""
    height, width = hole.shape
    for top in _starts(height):
        for left in _starts(width):
            rows, columns = slice(top, min(top + SIDE, height)), slice(left, min(left + SIDE, width))
            if hole[rows, columns].any():
                yield rows, columns


def _starts(length: int) -> list[int]:
    last = max(length - SIDE, 0)
    return sorted({*range(0, last, STRIDE), last})


def _fade(height: int, width: int) -> Float32:
    """(height, width) weights: 1 in the middle, towards the window's sides down to nearly 0."""
    ramp = float(SIDE - STRIDE)
    down, across = (np.minimum(np.arange(n) + 1, np.arange(n)[::-1] + 1) / ramp for n in (height, width))
    weights: Float32 = np.minimum(np.minimum(down[:, None], across[None]), 1).astype(np.float32)
    return weights
