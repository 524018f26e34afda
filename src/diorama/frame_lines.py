"""Lines along a photo's frame that are no part of the picture: edges of scans, crops of the camera, resampled rims.

Continued beyond the frame they would become stripes, so whatever is imagined leaves them out as a source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diorama.types import Bool, Float32, UInt8

MOST = 6
"""Lines a side at most: four of a scan's edge and the two that a lens or a filter has mixed with it."""

INNER = 8
"""Lines further in that tell how much neighbouring lines differ in this picture."""

LEAST = 6.0
"""Smallest step between two lines, in 8-bit steps, that counts."""

TIMES = 2.0
"""How much larger than further in a step has to be."""

FLAT = 0.3
"""A line that varies less than this share of what those further in do has no content."""


@dataclass(frozen=True)
class FrameLines:
    """How many lines to leave out at each side; 0 where the picture reaches its frame."""

    top: int
    bottom: int
    left: int
    right: int

    def inside(self, height: int, width: int) -> Bool:
        """(H, W): the picture without them."""
        mask = np.zeros((height, width), bool)
        mask[self.top : height - self.bottom, self.left : width - self.right] = True
        return mask


def find_frame_lines(rgb: UInt8) -> FrameLines:
    """Find the lines along each side of a photo (H, W, 3) that differ abruptly, all along, from what is inside.

    Sides with fewer than 4 (MOST + INNER) lines across have none.
    """
    columns = rgb.transpose(1, 0, 2)
    return FrameLines(_count(rgb), _count(rgb[::-1]), _count(columns), _count(columns[::-1]))


def _count(lines: UInt8) -> int:
    """Lines to leave out from the first on."""
    if len(lines) < 4 * (MOST + INNER):
        return 0
    outer: Float32 = lines[: MOST + INNER + 1].astype(np.float32)
    # The median: a step counts when at least half of the line takes it.
    step = np.median(np.abs(np.diff(outer, axis=0)).mean(axis=2), axis=1)
    usual = float(np.median(step[MOST:]))
    varied = np.std(outer, axis=1).mean(axis=1)
    abrupt = step[:MOST] > max(TIMES * usual, LEAST)
    flat = varied[:MOST] < FLAT * float(np.median(varied[MOST:]))
    # Flat lines count from the frame on only: a step may lie behind lines that look like any other.
    blank = int(np.argmin(np.append(flat, False)))
    return max(int(np.flatnonzero(abrupt)[-1]) + 1 if abrupt.any() else 0, blank)
