"""VR180: what each eye sees of half the sphere, in equirectangular projection.

A photo covers a part of it; the rest is black, with a soft edge.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from diorama.film.poses import Framing
from diorama.types import Camera, Float32, UInt8

SOFT = 0.05
"""Share of the photo's width and height over which its edge fades into black."""

DETAIL = 1.2
"""Pixels of the flat view per pixel of the sphere, at its middle."""


class Sphere:
    """From flat views of the photo's frame to half a sphere of `side` x `side` pixels."""

    def __init__(self, framing: Framing, side: int) -> None:
        left, right, top, bottom = framing.frame
        focal = DETAIL * side / math.pi
        width, height = max(2, math.ceil((right - left) * focal)), max(2, math.ceil((bottom - top) * focal))
        self.camera = Camera(focal, focal, -left * focal, -top * focal, width, height, "user")
        angle = ((np.arange(side) + 0.5) / side - 0.5) * math.pi
        across, down = np.tan(angle)[None, :], np.tan(angle)[:, None] / np.cos(angle)[None, :]
        x = np.broadcast_to(across * focal + self.camera.cx, (side, side))
        y = down * focal + self.camera.cy
        self._x, self._y = (np.clip(v - 0.5, -9e3, 9e5).astype(np.float32) for v in (x, y))
        edge = np.minimum.reduce([x / width, 1 - x / width, y / height, 1 - y / height])
        share = np.clip(edge / SOFT, 0, 1)
        self._share: Float32 = (share * share * (3 - 2 * share)).astype(np.float32)[..., None]

    def wrap(self, rgb: UInt8) -> UInt8:
        """(side, side, 3) of a view by `camera`."""
        seen = cv2.remap(rgb, self._x, self._y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(seen * self._share + np.float32(0.5), np.float32).astype(np.uint8)
