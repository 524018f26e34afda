"""Exposure: a curve for the light of each place, under which the detail there keeps its contrast.

The picture's brightness is parted into a base, which follows edges and leaves out detail (guided filter, He et al.
2013), and the rest. The curve is applied to the base alone; detail is scaled by the curve's own slope, but not
flattened where the curve is (as in Durand & Dorsey 2002), nor lifted out of all bounds in the shadows, where noise is.
"""

from __future__ import annotations

import numpy as np

from diorama import measures
from diorama.types import Float32, UInt8

RADIUS = 0.02
"""Of the guided filter, as a share of the long side."""

EDGE = 0.04
"""Changes of brightness larger than this share of its range are edges."""

DETAIL = (0.8, 2.0)
"""Least and largest factor of the detail's contrast."""

COLOUR = 0.8
"""How far colours follow the curve channel by channel, which also strengthens them, rather than by brightness alone."""


def adjust(rgb: UInt8, exponent: float) -> UInt8:
    """Raise brightness (0..1) to the power ``2 ** exponent``: < 0 brightens; with 0 the picture is what it was."""
    if exponent == 0:
        return rgb
    power = np.float32(2.0**exponent)
    light = measures.luma(rgb) / np.float32(255)
    base = np.clip(_base(light), 1 / 255, 1).astype(np.float32)
    slope = np.clip(power * base ** (power - 1), *DETAIL)
    wanted = np.clip(base**power + slope * (light - base), 0, 1)
    by_light = rgb * (wanted / np.maximum(light, np.float32(1 / 255)))[..., None]
    curve = (255 * (np.arange(256) / 255) ** float(power)).astype(np.float32)
    by_channel = curve[rgb]
    by_channel *= (wanted / np.maximum(light**power, np.float32(1 / 255)))[..., None]
    mixed = np.float32(COLOUR) * by_channel + np.float32(1 - COLOUR) * by_light
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


def _base(light: Float32) -> Float32:
    """The guided filter of a picture by itself, at a quarter of its size (He & Sun 2015)."""
    import cv2

    height, width = light.shape
    small = max(1, height // 4), max(1, width // 4)
    shrunk = np.asarray(cv2.resize(light, small[::-1], interpolation=cv2.INTER_AREA), np.float32)
    side = 2 * max(1, round(RADIUS * max(small))) + 1

    def mean(picture: Float32) -> Float32:
        return np.asarray(cv2.blur(picture, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)

    middle = mean(shrunk)
    variance = mean(shrunk * shrunk) - middle * middle
    share = np.asarray(variance / (variance + np.float32(EDGE * EDGE)), np.float32)
    slope, offset = (
        cv2.resize(mean(part), (width, height), interpolation=cv2.INTER_LINEAR)
        for part in (share, middle - share * middle)
    )
    return np.asarray(slope * light + offset, np.float32)
