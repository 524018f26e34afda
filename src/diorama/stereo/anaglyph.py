"""Two views in one picture, for glasses with a red and a cyan glass. All mixing is done in linear light."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from diorama.film.focus import LINEAR, to_srgb
from diorama.types import Float32, UInt8

Anaglyph = Literal["dubois", "half-colour", "grey"]

LUMA = (0.2126, 0.7152, 0.0722)
"""Of sRGB's primaries (BT.709)."""

DUBOIS_LEFT = (
    (0.4561, 0.500484, 0.176381),
    (-0.0400822, -0.0378246, -0.0157589),
    (-0.0152161, -0.0205971, -0.00546856),
)
DUBOIS_RIGHT = (
    (-0.0434706, -0.0879388, -0.00155529),
    (0.378476, 0.73364, -0.0184503),
    (-0.0721527, -0.112961, 1.2264),
)
"""Least squares for red and cyan glasses and an sRGB screen: Dubois, "A projection method to generate anaglyph stereo
images", ICASSP 2001, in the values that he published for red-cyan. They mix linear light."""

_MATRICES: dict[str, tuple[tuple[tuple[float, ...], ...], tuple[tuple[float, ...], ...]]] = {
    "dubois": (DUBOIS_LEFT, DUBOIS_RIGHT),
    "half-colour": ((LUMA, (0, 0, 0), (0, 0, 0)), ((0, 0, 0), (0, 1, 0), (0, 0, 1))),
    "grey": ((LUMA, (0, 0, 0), (0, 0, 0)), ((0, 0, 0), LUMA, LUMA)),
}


def anaglyph(left: UInt8, right: UInt8, kind: Anaglyph) -> UInt8:
    """(H, W, 3), the red glass before the left eye."""
    one, other = (np.asarray(matrix, np.float32) for matrix in _MATRICES[kind])
    mixed: Float32 = _light(left) @ one.T + _light(right) @ other.T
    return to_srgb(mixed)


def _light(rgb: UInt8) -> Float32:
    return np.asarray(cv2.LUT(rgb, LINEAR), np.float32)
