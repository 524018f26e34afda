"""A mesh as scenes know it, and the two ways in which most are made: over a grid, and turned on a lathe."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """A mesh: positions and normals (N, 3), uv (N, 2), tint (N,) brightness, faces (M, 3), cut (M,) mask or -1."""

    positions: F32
    normals: F32
    uv: F32
    tint: F32
    faces: NDArray[np.int32]
    cut: NDArray[np.int8]
    boxed: bool = False  # texture laid on in metres from six sides

    def moved(self, matrix: NDArray[np.float64], offset: NDArray[np.float64]) -> Part:
        normals = self.normals @ np.linalg.inv(matrix)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
        positions = self.positions @ matrix.T + offset
        return Part(positions.astype(np.float32), normals.astype(np.float32), self.uv, self.tint, self.faces, self.cut)


def joined(parts: list[Part]) -> Part:
    shifts = np.cumsum([0, *(len(part.positions) for part in parts[:-1])])
    return Part(
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.uv for part in parts]),
        np.concatenate([part.tint for part in parts]),
        np.concatenate([part.faces + np.int32(shift) for part, shift in zip(parts, shifts, strict=True)]),
        np.concatenate([part.cut for part in parts]),
        parts[0].boxed,
    )


def grid(points: F32, uv: F32, *, flip: bool = False, tint: F32 | None = None) -> Part:
    """A mesh over a grid of points (rows, columns, 3), smooth normals from its differences."""
    rows, columns = points.shape[:2]
    across = np.gradient(points, axis=1)
    down = np.gradient(points, axis=0)
    normals = np.cross(across, down).reshape(-1, 3)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(length > 1e-12, normals / (length + 1e-12), [0.0, 1.0, 0.0]) * (-1 if flip else 1)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + columns], 1),
            np.stack([corner + 1, corner + columns + 1, corner + columns], 1),
        ]
    )
    shade = np.ones(rows * columns) if tint is None else tint.ravel()
    return Part(
        points.reshape(-1, 3).astype(np.float32), normals.astype(np.float32), uv.reshape(-1, 2).astype(np.float32),
        shade.astype(np.float32), faces.astype(np.int32), np.full(len(faces), -1, np.int8)
    )  # fmt: skip


def revolved(radii: list[float], heights: list[float], sides: int, *, depth: float = 1.0) -> Part:
    """A profile turned about the y axis; `depth` squeezes it along z."""
    angle = np.linspace(0, 2 * math.pi, sides + 1)
    r, y = np.array(radii)[:, None], np.array(heights)[:, None]
    points = np.stack([r * np.sin(angle), y + 0 * angle, r * np.cos(angle) * depth], -1)
    u, v = np.meshgrid(np.linspace(0, 1, sides + 1), np.linspace(1, 0, len(radii)))
    part = grid(points.astype(np.float32), np.stack([u, v], -1).astype(np.float32))
    # Differences along a closed profile are one-sided at the seam, which a slope of the profile mends.
    slope = np.gradient(np.array([radii, heights]), axis=1)
    outward = np.stack([slope[1], -slope[0]], 1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True) + 1e-9
    normals = np.stack(
        [
            outward[:, :1] * np.sin(angle),
            outward[:, 1:] + 0 * angle,
            outward[:, :1] * np.cos(angle) / depth,
        ],
        -1,
    ).reshape(-1, 3)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    return Part(part.positions, normals.astype(np.float32), part.uv, part.tint, part.faces, part.cut)
