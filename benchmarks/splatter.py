"""A reference for Gaussian splats: reads the PLY that viewers read and draws it as the authors' code does.

Only the file is looked at: its properties, and the conventions of Kerbl et al. 2023 (logarithms of scales, logits of
opacities, quaternions w x y z, spherical harmonics). The picture is made by the EWA approximation: each covariance is
projected by the Jacobian of the perspective map, widened by 0.3 square pixels, and blended front to back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba
import numpy as np
from plyfile import PlyData

WIDENED = 0.3
SH_CONSTANT = 0.28209479177387814


def read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Means, covariances, colours and opacities of a splat PLY."""
    vertex = PlyData.read(str(path))["vertex"]

    def columns(*names: str) -> np.ndarray[Any, Any]:
        return np.stack([np.asarray(vertex[name], np.float64) for name in names], axis=1)

    w, x, y, z = columns("rot_0", "rot_1", "rot_2", "rot_3").T
    length = np.sqrt(w * w + x * x + y * y + z * z)
    w, x, y, z = w / length, x / length, y / length, z / length
    rotation = np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=1),
        ],
        axis=1,
    )
    stretched = rotation * np.exp(columns("scale_0", "scale_1", "scale_2"))[:, None, :]
    return {
        "means": columns("x", "y", "z"),
        "covariances": stretched @ stretched.transpose(0, 2, 1),
        "colours": np.clip(0.5 + SH_CONSTANT * columns("f_dc_0", "f_dc_1", "f_dc_2"), 0, None),
        "opacities": 1 / (1 + np.exp(-np.asarray(vertex["opacity"], np.float64))),
    }


def draw(splats: dict[str, np.ndarray[Any, Any]], camera: Any) -> np.ndarray[Any, Any]:
    """(H, W, 3) uint8 as a camera with fx, fy, cx, cy, width, height at the origin sees it, on black."""
    means = splats["means"]
    seen = means[:, 2] > 1e-6
    order = np.flatnonzero(seen)[np.argsort(means[seen, 2], kind="stable")]
    x, y, z = means[order].T
    jacobian = np.zeros((len(order), 2, 3))
    jacobian[:, 0, 0], jacobian[:, 0, 2] = camera.fx / z, -camera.fx * x / z**2
    jacobian[:, 1, 1], jacobian[:, 1, 2] = camera.fy / z, -camera.fy * y / z**2
    flat = jacobian @ splats["covariances"][order] @ jacobian.transpose(0, 2, 1) + WIDENED * np.eye(2)
    # The centre of the top left pixel is (0.5, 0.5).
    place = np.stack([camera.fx * x / z + camera.cx - 0.5, camera.fy * y / z + camera.cy - 0.5], axis=1)
    picture = np.zeros((camera.height, camera.width, 3))
    left = np.ones((camera.height, camera.width))
    _blend(place, flat, splats["colours"][order], splats["opacities"][order], picture, left)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


@numba.njit
def _blend(place, covariance, colours, opacities, picture, left):  # type: ignore[no-untyped-def]
    height, width = left.shape
    for i in range(len(place)):
        a, b, c = covariance[i, 0, 0], covariance[i, 0, 1], covariance[i, 1, 1]
        determinant = a * c - b * b
        if determinant <= 0:
            continue
        u, v = place[i, 0], place[i, 1]
        reach_x, reach_y = 3 * np.sqrt(a), 3 * np.sqrt(c)
        for row in range(max(0, int(np.ceil(v - reach_y))), min(height - 1, int(np.floor(v + reach_y))) + 1):
            for column in range(max(0, int(np.ceil(u - reach_x))), min(width - 1, int(np.floor(u + reach_x))) + 1):
                if left[row, column] < 1e-4:
                    continue
                dx, dy = column - u, row - v
                power = -0.5 * (c * dx * dx - 2 * b * dx * dy + a * dy * dy) / determinant
                alpha = min(0.99, opacities[i] * np.exp(power))
                if alpha < 1 / 255:
                    continue
                for channel in range(3):
                    picture[row, column, channel] += left[row, column] * alpha * colours[i, channel]
                left[row, column] *= 1 - alpha
