"""White balance: the light's colour divided out of linear RGB (von Kries), brightness kept."""

from __future__ import annotations

import math

import numpy as np

from diorama import measures
from diorama.types import UInt8

WHITE = (236, 254)
"""Of a pixel's darkest channel: from here on it is clipped white, which shows nothing of the light and stays white."""


def balance(rgb: UInt8, light: tuple[float, float, float], amount: float) -> UInt8:
    """Make up for light of this colour (linear RGB); with 0 or white light the picture is what it was.

    Args:
        rgb: (H, W, 3).
        amount: share of the cast to take away, 0..1.
    """
    gains = np.array(light, np.float64) ** -amount
    if np.abs(gains - 1).max() < 1e-4:
        return rgb
    linear = measures.to_linear(np.arange(256))
    curves = measures.to_srgb(np.minimum(linear[:, None] * gains, 1)) * 255
    turned = np.stack([curves[:, c].astype(np.float32)[rgb[..., c]] for c in range(3)], axis=-1)
    white = np.clip((measures.darkest(rgb).astype(np.float32) - WHITE[0]) / (WHITE[1] - WHITE[0]), 0, 1)[..., None]
    return np.asarray(np.clip(np.rint(turned + white * (rgb - turned)), 0, 255), np.uint8)


def strength(cast: tuple[float, float]) -> float:
    """A cast's length in CIELAB units."""
    return math.hypot(*cast)
