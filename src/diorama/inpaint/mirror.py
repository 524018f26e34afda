"""Detail beyond the picture: what the frame cuts off goes on as texture, not as a smear.

So far from everything known, patches have only the smooth fill to agree with, and their votes average to nothing. The
fine structure there is the picture's own instead, mirrored about the nearest known pixel: that of the same surface, and
without seams, for what is coarse stays the fill's.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from diorama.inpaint.pyramid import SAME_SURFACE, Float, Mask, nearest

SLOPE = 0.2
"""Share of its disparity by which a surface may differ from what is mirrored onto it: ground that runs towards the
viewer does, things that stand in front of their surroundings do by more."""

SIGMA = 12.0
"""Pixels: what is finer is mirrored. Coarser structure would show that it is a mirror's."""

REDUCED = 4
"""The smooth part is made at a quarter of the size: it has nothing finer, and takes a tenth of the time."""


def beyond(hole: Mask, known: Mask) -> Mask:
    """(H, W): the holes outside the rectangle that holds everything known."""
    rows, columns = (np.flatnonzero(known.any(axis=axis)) for axis in (1, 0))
    found = hole.copy()
    if rows.size:
        found[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = False
    return found


def add(filled: NDArray[np.uint8], hole: Mask, known: Mask, behind: Float, visible: Float) -> NDArray[np.uint8]:
    """The filled picture (H, W, 3), with mirrored detail in `hole`, pixels that are beyond the picture.

    Args:
        filled: without unknown pixels near the hole: all that isn't known is filled or taken for nothing.
        known: what may be mirrored.
        behind, visible: disparity (H, W) of the hole's surface and of what is seen.
    """
    height, width = hole.shape
    places = np.flatnonzero(hole)
    across = 2 * nearest(known, places) - np.stack(np.divmod(places, width), 1)
    there = np.clip(across[:, 0], 0, height - 1) * width + np.clip(across[:, 1], 0, width - 1)
    own_depth = behind.ravel()[places]
    apart = np.abs(visible.ravel()[there] - own_depth)
    same = known.ravel()[there] & (apart <= SAME_SURFACE + SLOPE * np.abs(own_depth))
    if not same.any():
        return filled
    mirrored = np.zeros(hole.shape, np.float32)
    mirrored.flat[places] = same
    share = np.asarray(cv2.blur(mirrored, (5, 5)), np.float32)  # no seam where the surface ends
    weight = share.ravel()[places] * same
    # What nothing is mirrored onto stays as it is.
    places, there, weight = places[same], there[same], weight[same, None]
    coarse, pixels = _smooth(filled, known | hole).reshape(-1, 3), filled.reshape(-1, 3)
    own = np.take(pixels, places, axis=0).astype(np.float32)
    detail = np.take(pixels, there, axis=0) - np.take(coarse, there, axis=0)
    new = own + weight * (np.take(coarse, places, axis=0) - own + detail)
    # What is coarse and what is fine may add up to more than there is.
    ranges = [cv2.minMaxLoc(channel, known.view(np.uint8))[:2] for channel in cv2.split(filled)]
    least, most = min(low for low, _ in ranges), max(high for _, high in ranges)
    out = filled.copy()
    out.reshape(-1, 3)[places] = np.clip(np.rint(new), least, most).astype(np.uint8)
    return out


def _smooth(picture: NDArray[np.uint8], valid: Mask) -> Float:
    """The picture without what is finer than `SIGMA`, from valid pixels only."""
    height, width = valid.shape
    size = max(1, width // REDUCED), max(1, height // REDUCED)
    weight = valid.astype(np.float32)
    weighted = picture * weight[..., None]
    small = [cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (weighted, weight)]
    colour, share = (cv2.GaussianBlur(part, (0, 0), SIGMA / REDUCED) for part in small)
    mean = colour / np.maximum(share, np.float32(1e-3))[..., None]
    return np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
