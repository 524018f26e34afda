"""Waves and grain of the depth within a surface, smoothed away; surfaces' edges and slopes stay.

The inverse depth u nearest to the given d that bends least, sum (u - d)^2 + lambda sum w (second differences of u)^2,
along the rows and the columns in turn (as the fast weighted least squares of Min et al. 2014 alternate, with their
first differences replaced: a plane has no second differences, so a slope stays one up to the very edge). No difference
reaches across a cut, and w falls where the photo has an edge: a crease that the photo shows may bend.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from diorama.arrays import Bool, Float32, UInt8, largest

Float64 = npt.NDArray[np.float64]

REACH = 0.06
"""Wavelength, as a share of the long side, of which half is left at the full amount."""

PHOTO_EDGE = 10.0
"""Difference of neighbouring pixels, of 255, at which the depth may bend e times as easily."""

ROUNDS = 2


def smooth(inverse: Float32, rgb: UInt8, right: Bool, down: Bool, amount: float) -> Float32:
    """Smooth inverse depth within its surfaces.

    Args:
        inverse: (H, W), positive.
        rgb: (H, W, 3), the photo.
        right, down: (H, W - 1), (H - 1, W), the cuts.
        amount: 0 leaves it to the bit, 1 takes away waves up to `REACH` of the long side.

    Returns:
        (H, W), within the range of the values given.
    """
    if amount <= 0:
        return inverse
    length = max(3.0, amount * REACH * max(inverse.shape))
    strength = (length / (2 * math.pi)) ** 4
    colour = rgb.astype(np.float64)
    along_x = strength * _weights(largest(np.abs(np.diff(colour, axis=1))), right)
    along_y = strength * _weights(largest(np.abs(np.diff(colour, axis=0))).T, down.T)
    result = inverse.astype(np.float64)
    for _ in range(ROUNDS):
        # Each direction takes its share, so that all rounds together come to the strength.
        result = _bend_least(result, along_x / ROUNDS)
        result = _bend_least(np.ascontiguousarray(result.T), along_y / ROUNDS).T
    limited: Float32 = np.ascontiguousarray(np.clip(result, inverse.min(), inverse.max()), np.float32)
    return limited


def _weights(step: Float64, cut: Bool) -> Float64:
    """(H, W - 2) weights of the second differences along the rows."""
    link = np.where(cut, 0.0, np.exp(-step / PHOTO_EDGE))
    return np.asarray(np.minimum(link[:, 1:], link[:, :-1]), np.float64)


def _bend_least(values: Float64, weights: Float64) -> Float64:
    """Solve (1 + D' w D) u = d for every row at once, D second differences: a pentadiagonal LDL'."""
    height, width = values.shape
    if width < 3:
        return values
    w = np.zeros((width + 2, height))  # w[i + 1]: of the difference centred at i
    w[2:width] = weights.T
    diagonal = 1 + w[:-2] + 4 * w[1:-1] + w[2:]
    first = -2 * (w[1:-1] + w[2:])  # between i and i + 1
    second = w[2:]  # between i and i + 2
    pivot, near, far = np.empty((width, height)), np.zeros((width, height)), np.zeros((width, height))
    u = np.ascontiguousarray(values.T)
    for i in range(width):
        pivot[i] = diagonal[i]
        near[i] = first[i]
        if i > 0:
            pivot[i] -= near[i - 1] ** 2 * pivot[i - 1]
            near[i] -= near[i - 1] * far[i - 1] * pivot[i - 1]
            u[i] -= near[i - 1] * u[i - 1]
        if i > 1:
            pivot[i] -= far[i - 2] ** 2 * pivot[i - 2]
            u[i] -= far[i - 2] * u[i - 2]
        near[i] /= pivot[i]
        far[i] = second[i] / pivot[i]
    u /= pivot
    for i in range(width - 2, -1, -1):
        u[i] -= near[i] * u[i + 1]
        if i < width - 2:
            u[i] -= far[i] * u[i + 2]
    return np.ascontiguousarray(u.T)
