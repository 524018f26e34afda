"""One watertight body for printing: the visible surface in front, a flat back behind it, walls around it.

Depth cuts become steep steps, since paper-thin surfaces can't be printed. Every edge has exactly two triangles and
every triangle looks outwards.
"""

from __future__ import annotations

import numpy as np

from diorama.errors import InputError
from diorama.mesh import vertex_normals
from diorama.synthesis.pieces import Float64, Int64
from diorama.types import Bool, Float32, Int32, Layered, Mesh, PointCloud

BACK = 1.02
"""The back stands this much farther than the farthest point of the front."""

NAME = "Solid"

BACKDROP = 0.98
"""Quantile of the depth of what isn't sky, beyond which the front is level: the sky would make the body many times
deeper than it is wide."""


def solid(
    layered: Layered, points: PointCloud, triangles: int, sky: Bool | None = None
) -> tuple[Mesh, tuple[str, ...]]:
    """Make the body.

    Args:
        layered: its atlas is the texture; visible meshes say where in it each pixel of the grid is.
        points: the grid.
        triangles: at most so many.
        sky: (H, W) of the grid.

    Returns:
        A watertight mesh, textured with the atlas, and warnings.

    Raises:
        InputError: nothing in the photo is opaque.
    """
    vertices, faces, corner = body(points, triangles, sky)
    uv = _uv(layered, points, corner)
    mesh = Mesh(vertices, faces, uv, vertex_normals(vertices, faces), NAME, None, False, 0)
    return mesh, ("Surfaces that hide each other are joined by steep steps: a solid has no separate layers.",)


def body(points: PointCloud, triangles: int, sky: Bool | None = None) -> tuple[Float32, Int32, Float64]:
    """The watertight body alone.

    Args:
        points: the grid.
        triangles: at most so many.
        sky: (H, W) of the grid.

    Returns:
        Vertices (N, 3) in the camera frame, faces (M, 3) that look outwards, and each vertex's place in the picture
        (N, 2), in pixels of the grid.

    Raises:
        InputError: nothing in the photo is opaque.
    """
    present = np.ones(points.z.shape, bool) if points.opaque is None else points.opaque
    near = present if sky is None or not (present & ~sky).any() else present & ~sky
    level = np.minimum(points.z, np.quantile(points.z[near], BACKDROP)) if near.any() else points.z
    step = 1
    while True:
        z, there = _reduced(level, present, step)
        if 4 * np.count_nonzero(there) + 4 * sum(there.shape) <= triangles or min(there.shape) <= 2:
            break
        step += 1
    there = _manifold(there)
    if not there.any():
        raise InputError("The photo is transparent everywhere.", hint="A solid needs something to be made of.")
    return _body(z, there, points, step)


def _reduced(z: Float32, there: Bool, step: int) -> tuple[Float64, Bool]:
    """Means of blocks of inverse depth, and which blocks are mostly there."""
    height, width = max(z.shape[0] // step, 1), max(z.shape[1] // step, 1)
    inner = np.s_[: height * step, : width * step]
    shape = (height, step, width, step)
    weight = there[inner].astype(np.float64).reshape(shape)
    inverse = (1 / z[inner].astype(np.float64)).reshape(shape)
    share = weight.mean(axis=(1, 3))
    mean = (inverse * weight).sum(axis=(1, 3)) / np.maximum(weight.sum(axis=(1, 3)), 1e-9)
    return 1 / np.where(share > 0, np.maximum(mean, 1e-9), 1.0), share >= 0.5


def _manifold(there: Bool) -> Bool:
    """Without cells that touch only at a corner: the edge there would have four triangles."""
    there = there.copy()
    while True:
        a, b, c, d = there[:-1, :-1], there[:-1, 1:], there[1:, :-1], there[1:, 1:]
        falling, rising = a & d & ~b & ~c, b & c & ~a & ~d
        if not (falling.any() or rising.any()):
            return there
        there[:-1, 1:] |= falling
        there[:-1, :-1] |= rising


def _body(z: Float64, there: Bool, points: PointCloud, step: int) -> tuple[Float32, Int32, Float64]:
    """Vertices, faces and each vertex's place in the picture (pixels of the grid)."""
    height, width = there.shape
    camera = points.camera
    padded = np.pad(np.where(there, z, 0.0), 1)
    count = np.pad(there.astype(np.float64), 1)
    around = ((0, 0), (0, 1), (1, 0), (1, 1))
    window = [np.s_[dy : dy + height + 1, dx : dx + width + 1] for dy, dx in around]
    total = np.maximum(sum(count[w] for w in window), 1)
    front = sum(padded[w] for w in window) / total
    back = float(BACK * z[there].max())
    row, column = np.mgrid[: height + 1, : width + 1]
    corner = np.stack([np.minimum(column * step, camera.width), np.minimum(row * step, camera.height)], axis=-1)
    corner = corner.reshape(-1, 2).astype(np.float64)
    size = len(corner)
    depth = np.concatenate([front.ravel(), np.full(size, back)])
    pixel = np.concatenate([corner, corner])
    x = (pixel[:, 0] - camera.cx) / camera.fx * depth
    y = (pixel[:, 1] - camera.cy) / camera.fy * depth
    faces = _shell(there, size)
    used, local = np.unique(faces, return_inverse=True)
    vertices = np.stack([x, y, depth], axis=1)[used]
    return np.ascontiguousarray(vertices, np.float32), local.reshape(-1, 3).astype(np.int32), pixel[used]


def _shell(there: Bool, size: int) -> Int64:
    """Front, back and walls over the cells that are there; corners (y, x) are numbered along the rows, the back's
    `size` further on. Seen from outside every triangle runs counter-clockwise."""
    width = there.shape[1] + 1
    rows, columns = np.nonzero(there)
    a = rows * width + columns
    b, c, d = a + 1, a + width, a + width + 1
    front = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    parts = [front, front[:, ::-1] + size]
    grid = np.pad(there, 1)
    inside = grid[1:-1, 1:-1]
    sides = (
        (inside & ~grid[:-2, 1:-1], 0, 1),  # above: from a to b
        (inside & ~grid[2:, 1:-1], width + 1, width),  # below: from d to c
        (inside & ~grid[1:-1, :-2], width, 0),  # left: from c to a
        (inside & ~grid[1:-1, 2:], 1, width + 1),  # right: from b to d
    )
    for wall, start, end in sides:
        rows, columns = np.nonzero(wall)
        base = rows * width + columns
        p, q = base + start, base + end
        parts += [np.stack([p, q, q + size], 1), np.stack([p, q + size, p + size], 1)]
    return np.concatenate(parts)


def _uv(layered: Layered, points: PointCloud, pixel: Float64) -> Float32:
    """Texture coordinates of places in the picture: the visible panel is an even picture of the grid, so the visible
    meshes' own coordinates give its map."""
    camera = points.camera
    known = [mesh for mesh in layered.meshes if not mesh.imagined and mesh.alpha is None]
    vertices = np.concatenate([mesh.vertices for mesh in known]).astype(np.float64)
    uv = np.concatenate([mesh.uv for mesh in known]).astype(np.float64)
    u = camera.fx * vertices[:, 0] / vertices[:, 2] + camera.cx
    v = camera.fy * vertices[:, 1] / vertices[:, 2] + camera.cy
    ones = np.ones_like(u)
    across = np.linalg.lstsq(np.stack([u, ones], 1), uv[:, 0], rcond=None)[0]
    down = np.linalg.lstsq(np.stack([v, ones], 1), uv[:, 1], rcond=None)[0]
    mapped = np.stack([pixel[:, 0] * across[0] + across[1], pixel[:, 1] * down[0] + down[1]], axis=1)
    return np.ascontiguousarray(np.clip(mapped, 0, 1), np.float32)
