"""Point grids made by formula, for tests of the geometry."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from diorama.types import Bool, Camera, Float32, PointCloud


def cloud(inverse_depth: Float32, opaque: Bool | None = None) -> PointCloud:
    """A grid of points with this inverse depth (H, W), seen by a camera of 60 degrees, each pixel in its own colour."""
    height, width = inverse_depth.shape
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([(x * 7) % 256, (y * 11) % 256, (x * y) % 256], axis=-1).astype(np.uint8)
    mask = np.ones(inverse_depth.shape, bool) if opaque is None else opaque
    camera = Camera.from_fov(60, width, height, "user")
    return PointCloud(np.float32(1) / np.asarray(inverse_depth, np.float32), rgb, mask, camera, opaque)


def plane(height: int, width: int, slope_x: float, slope_y: float, middle: float = 0.5) -> Float32:
    """The inverse depth of a plane is linear in the picture; slopes are over the whole width and height."""
    y, x = np.mgrid[:height, :width]
    u, v = (x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5
    return np.asarray(middle + slope_x * u + slope_y * v, np.float32)


def steps(height: int, width: int, seed: int) -> Float32:
    """Rectangles at different depths in front of a slanted plane, some one pixel thin."""
    random = np.random.default_rng(seed)
    inverse = plane(height, width, 0.1, 0.1, 0.3)
    for _ in range(5):
        top, left = random.integers(0, height), random.integers(0, width)
        tall, wide = random.integers(1, max(2, height // 2 + 1)), random.integers(1, max(2, width // 2 + 1))
        inverse[top : top + tall, left : left + wide] = random.uniform(0.3, 1)
    return inverse


sizes = st.integers(1, 40)
seeds = st.integers(0, 2**32 - 1)
