"""The pinhole camera. Part of `types`, which has all the records."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

FocalSource = Literal["calibration", "exif", "model", "user", "assumed", "optimized"]

ASSUMED_FOV_DEGREES = 55.0
"""Diagonal-independent guess for the long side: a phone's main camera (26 mm equivalent) sees 69 degrees, a 35 mm
lens 54, a 50 mm lens 40; 55 over the long side is wrong by less than a third for most of them."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera: focal lengths and principal point in pixels of a picture of `width` x `height`."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    source: FocalSource = "assumed"

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy)
        if not all(math.isfinite(n) for n in numbers) or min(self.fx, self.fy) <= 0 or min(self.width, self.height) < 1:
            raise ValueError(f"a camera needs finite numbers, positive focal lengths and a size, not {self}")

    @classmethod
    def from_focal(cls, focal_px: float, width: int, height: int, source: FocalSource) -> Camera:
        """Square pixels and a central principal point."""
        return cls(focal_px, focal_px, width / 2, height / 2, width, height, source)

    @classmethod
    def from_fov(cls, degrees: float, width: int, height: int, source: FocalSource) -> Camera:
        """From the horizontal field of view."""
        return cls.from_focal(width / 2 / math.tan(math.radians(degrees) / 2), width, height, source)

    @classmethod
    def assumed(cls, width: int, height: int) -> Camera:
        """`ASSUMED_FOV_DEGREES` over the long side."""
        focal = max(width, height) / 2 / math.tan(math.radians(ASSUMED_FOV_DEGREES) / 2)
        return cls.from_focal(focal, width, height, "assumed")

    def resized(self, width: int, height: int) -> Camera:
        """The same camera for the picture scaled to `width` x `height`."""
        sx, sy = width / self.width, height / self.height
        return Camera(self.fx * sx, self.fy * sy, self.cx * sx, self.cy * sy, width, height, self.source)

    def with_fov(self, degrees: float) -> Camera:
        """The same picture under a horizontal field of view that optimising found; itself, where it has that one."""
        if abs(degrees - self.fov_x) < 1e-9:
            return self
        left, right = self.cx, self.width - self.cx
        # tan(a + b) = (l + r) f / (f² - l r) of the two half angles, solved for f.
        tangent = math.tan(math.radians(degrees))
        root = math.sqrt((left + right) ** 2 + 4 * tangent**2 * left * right)
        focal = (left + right + math.copysign(root, tangent)) / (2 * tangent)
        return replace(self, fx=focal, fy=focal * self.fy / self.fx, source="optimized")

    @property
    def fov_x(self) -> float:
        """Horizontal field of view in degrees."""
        return math.degrees(math.atan(self.cx / self.fx) + math.atan((self.width - self.cx) / self.fx))

    @property
    def diagonal(self) -> float:
        """The picture's diagonal in pixels."""
        return math.hypot(self.width, self.height)
