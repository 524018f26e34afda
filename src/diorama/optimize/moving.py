"""Points and meshes under another field of view and another scale and shift of inverse depth.

Each stays on its own ray through the photo's camera, so the photo's own view is what it was, whatever the parameters.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from diorama.advice import Tuning
from diorama.types import Camera, Float32, Mesh, PointCloud

Float64 = npt.NDArray[np.float64]

FARTHEST = 150.0
"""Times the distance of what is near: beyond it the map bends, so that nothing is twice as far. What is seen is kept
within `geometry.RANGES` of the near; only the sky, the backdrop and what is imagined of them can be farther."""


def moved_points(points: PointCloud, tuning: Tuning) -> PointCloud:
    """The points under the tuned camera and inverse depth; itself, where nothing changes.

    Seen from the photo's camera each point stays at its pixel; the order of depths stays, and all are positive.
    """
    if is_identity(points.camera, tuning):
        return points
    z = 1 / moved_inverse(1 / points.z.astype(np.float64), tuning)
    return replace(points, z=np.ascontiguousarray(z, np.float32), camera=points.camera.with_fov(tuning.fov))


def moved_mesh(mesh: Mesh, camera: Camera, tuning: Tuning) -> Mesh:
    """A mesh under the same map of space as `moved_points`; itself, where nothing changes.

    Args:
        camera: the one under which the mesh was made.
    """
    if is_identity(camera, tuning):
        return mesh
    x, y, z = mesh.vertices.astype(np.float64).T
    new_z = 1 / moved_inverse(1 / z, tuning)
    # Both focal lengths change by the same factor.
    zoom = camera.with_fov(tuning.fov).fx / camera.fx
    vertices = np.stack([x / z * new_z / zoom, y / z * new_z / zoom, new_z], axis=1)
    return replace(mesh, vertices=np.ascontiguousarray(vertices, np.float32), normals=_normals(vertices, mesh))


def moved_inverse(inverse: Float64, tuning: Tuning) -> Float64:
    """``gain d + offset``; below the least there may be, a hyperbola with the same slope that falls by half of it."""
    moved = tuning.gain * inverse + tuning.offset
    if tuning.offset >= 0:
        return moved
    # `optimize` keeps what is near where it is: the map's fixed point. Of other maps a near of 1 is supposed.
    near = tuning.offset / (1 - tuning.gain) if tuning.gain > 1 else tuning.gain
    least = near / FARTHEST
    floor = least / 2
    bent = floor + floor**2 / np.maximum(floor + least - moved, floor)
    return np.asarray(np.where(moved >= least, moved, bent), np.float64)


def is_identity(camera: Camera, tuning: Tuning) -> bool:
    """Whether the tuning leaves every point of a scene with this camera where it is."""
    return tuning.gain == 1 and tuning.offset == 0 and abs(tuning.fov - camera.fov_x) < 1e-9


def _normals(vertices: Float64, mesh: Mesh) -> Float32:
    """Area-weighted vertex normals; the old one where there is no face."""
    corners = vertices[mesh.faces]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros(vertices.shape, np.float64)
    for axis in range(3):
        for corner in range(3):
            total[:, axis] += np.bincount(mesh.faces[:, corner], face[:, axis], minlength=len(vertices))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.ascontiguousarray(np.where(length > 0, total / np.maximum(length, 1e-300), mesh.normals), np.float32)
