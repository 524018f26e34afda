"""Blur undone by deconvolution, as far as noise allows and without halos.

Richardson-Lucy iterations for a Gaussian of the blur's width, on luma alone (Richardson 1972, Lucy 1974), damped where
what is left to explain is no larger than the noise (White 1994), so that grain is not taken for detail. Ringing is cut
off: no pixel leaves the range of its neighbourhood by more than a small share of it.
"""

from __future__ import annotations

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
    sharp = np.clip(sharp, low - room, high + room)
    return np.asarray(np.clip(np.rint(rgb + (sharp - seen)[..., None]), 0, 255), np.uint8)


def _deconvolved(seen: Float32, sigma: float, noise: float) -> Float32:
    import cv2

    def blurred(picture: Float32) -> Float32:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)

    estimate = seen
    for _ in range(ITERATIONS):
        again = blurred(estimate)
        rest = (seen - again) / np.float32(noise)
        # Within the noise nothing is left to explain.
        trust = rest * rest / (rest * rest + np.float32(1))
        ratio = 1 + trust * (seen / np.maximum(again, np.float32(1e-3)) - 1)
        estimate = np.asarray(estimate * blurred(ratio.astype(np.float32)), np.float32)
    return estimate
