"""The surface's normals as a picture at the geometry's size.

Red is right, green is up, blue is towards the viewer (OpenGL's convention); 0..255 is -1..1, so that (128, 128, 255)
looks straight at the camera. So do the sky and what was not measured. Where the depth network saw normals (MoGe-2) they
are taken, else they are those of the points.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diorama import atomic
from diorama.types import Bool, Float32, PointCloud, Scene, UInt8


def write(scene: Scene, path: Path) -> None:
    """Write the normal map as PNG, a pixel a point.

    Raises:
        StorageError: the disk is full or refuses.
    """
    from PIL import Image

    pixels = picture(scene.points, scene.depth.sky, scene.depth.normals)
    with atomic.writing(path) as file:
        Image.fromarray(pixels).save(file, "PNG", compress_level=1)


def picture(points: PointCloud, sky: Bool | None = None, seen: UInt8 | None = None) -> UInt8:
    """(H, W, 3) of the points' grid; `sky` and `seen`, normals that a network saw, as in the depth map."""
    found = normals(points) if seen is None else seen.astype(np.float32) / np.float32(127.5) - np.float32(1)
    found[~points.mask if sky is None else ~points.mask | sky] = (0, 0, -1)
    return np.asarray(np.rint((found * np.array([1, -1, -1], np.float32) + 1) * 127.5), np.uint8)


def normals(points: PointCloud) -> Float32:
    """(H, W, 3) unit normals in the camera frame, towards the viewer.

    The cross product of the differences to the neighbours; of the two on each axis the one whose inverse depth differs
    less is taken, so that no normal looks across a depth edge.
    """
    positions = points.positions
    across, down = _difference(positions, points.inverse_depth, 1), _difference(positions, points.inverse_depth, 0)
    found = np.cross(down, across)
    length = np.linalg.norm(found, axis=-1, keepdims=True)
    facing = np.array([0, 0, -1], np.float32)
    unit = np.where(length > 0, found / np.maximum(length, np.finfo(np.float32).tiny), facing)
    return np.ascontiguousarray(unit, np.float32)


def _difference(positions: Float32, inverse: Float32, axis: int) -> Float32:
    """To the next or from the previous neighbour along an axis, whichever is the more alike."""
    if positions.shape[axis] < 2:
        step = np.zeros_like(positions)
        step[..., 1 - axis] = 1e-3
        return step
    steps = np.diff(positions, axis=axis)
    jumps = np.abs(np.diff(inverse, axis=axis))
    ends = [(0, 0)] * 2
    ends[axis] = (0, 1)
    ahead = np.pad(jumps, ends, constant_values=np.inf)
    ends[axis] = (1, 0)
    behind = np.pad(jumps, ends, constant_values=np.inf)
    next_step = np.concatenate([steps, np.take(steps, [-1], axis=axis)], axis=axis)
    last_step = np.concatenate([np.take(steps, [0], axis=axis), steps], axis=axis)
    # Where both sides are alike their mean is the central difference.
    alike = np.abs(ahead - behind) <= 0.5 * np.minimum(ahead, behind) + np.float32(1e-9)
    nearer = np.where((ahead < behind)[..., None], next_step, last_step)
    return np.where(alike[..., None], (next_step + last_step) / 2, nearer).astype(np.float32)
