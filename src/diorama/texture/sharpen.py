"""Blur undone by deconvolution, as far as noise allows and without halos.

Richardson-Lucy iterations for a Gaussian of the blur's width, on luma alone (Richardson 1972, Lucy 1974), damped where
what is left to explain is no larger than the noise (White 1994), so that grain is not taken for detail. Ringing is cut
off: no pixel leaves the range of its neighbourhood by more than a small share of it.
"""

from __future__ import annotations

import numba
import numpy as np

from diorama import measures
from diorama.types import Float32, UInt8

ITERATIONS = 12

OVERSHOOT = 0.15
"""Share of the neighbourhood's range by which a pixel may leave it: thin lines get contrast back without halos."""

MIN_NOISE = 0.6
"""8-bit steps: rounding's own noise and a little more."""


def sharpen(rgb: UInt8, sigma: float, noise: float = 0.0) -> UInt8:
    """Take out the blur of a Gaussian of `sigma` pixels; with 0 the picture is what it was.

    Args:
        rgb: (H, W, 3).
        noise: standard deviation in 8-bit steps of the noise that is in it.
    """
    import cv2

    if sigma <= 0:
        return rgb
    seen = measures.luma(rgb)
    sharp = _deconvolved(seen + 1, sigma, max(noise, MIN_NOISE)) - 1
    reach = 2 * int(np.ceil(sigma)) + 1
    kernel = np.ones((reach, reach), np.uint8)
    low, high = cv2.erode(seen, kernel), cv2.dilate(seen, kernel)
    room = np.float32(OVERSHOOT) * (high - low)
    added = np.clip(sharp, low - room, high + room) - seen
    result = np.empty_like(rgb)
    for channel in range(3):  # one at a time: a large picture's floats take room
        result[..., channel] = np.clip(np.rint(rgb[..., channel] + added), 0, 255)
    return result


def _deconvolved(seen: Float32, sigma: float, noise: float) -> Float32:
    import cv2

    def blurred(picture: Float32) -> Float32:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)

    estimate = seen.copy()
    ratio = np.empty_like(seen)
    for _ in range(ITERATIONS):
        _explained(seen, blurred(estimate), np.float32(noise), ratio)
        estimate *= blurred(ratio)
    return estimate


@numba.njit(cache=True, nogil=True)
def _explained(seen, again, noise, ratio):  # type: ignore[no-untyped-def]
    """By how much the estimate's blur falls short of what is seen, where that is more than noise."""
    one, least = np.float32(1), np.float32(1e-3)
    for y in range(seen.shape[0]):
        for x in range(seen.shape[1]):
            rest = (seen[y, x] - again[y, x]) / noise
            # Within the noise nothing is left to explain.
            trust = rest * rest / (rest * rest + one)
            ratio[y, x] = one + trust * (seen[y, x] / max(again[y, x], least) - one)
