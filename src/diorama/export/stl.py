"""STL for 3D printers, in millimetres: the scene as one solid, or as a relief on a framed plate.

Both lie on the print bed (z = 0): x right, y up the picture, z towards who looks at it. They are watertight (every edge
has two triangles) and every triangle looks outwards.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from diorama import __version__, atomic
from diorama.errors import InputError
from diorama.products import ProductProgress
from diorama.products.printing import ReliefOptions, SolidOptions
from diorama.types import Float32, Int32, PointCloud, Scene

Float64 = npt.NDArray[np.float64]

MOST_CELLS = 4_000_000
"""Of a relief: its file has 400 MB then."""

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("count", "<u2")])


def write_solid(scene: Scene, path: Path, options: SolidOptions, _progress: ProductProgress) -> tuple[str, ...]:
    """Write the scene as one body: what is seen in front, a flat back, walls around it.

    Raises:
        InputError: the photo is transparent everywhere.
        StorageError: the disk is full or refuses.
    """
    from diorama.export.glb import to_gltf
    from diorama.synthesis.solid import body

    vertices, faces, _ = body(scene.points, options.facets, scene.depth.sky)
    turned = to_gltf(vertices).astype(float)
    low, high = turned.min(axis=0), turned.max(axis=0)
    placed = (turned - low) * (options.width / (high[0] - low[0]))
    return _write(path, placed, faces)


def write_relief(scene: Scene, path: Path, options: ReliefOptions, _progress: ProductProgress) -> tuple[str, ...]:
    """Write the relief: height is inverse depth, so that near things stand out as much as they do to the eye.

    Raises:
        InputError: the photo is transparent everywhere, the frame leaves no room, or the grain is too fine.
        StorageError: the disk is full or refuses.
    """
    inner = options.width - 2 * options.frame
    camera = scene.points.camera
    if inner < 2 * options.grain:
        raise InputError("The frame leaves no room for a picture.", hint="Make it narrower, or the whole wider.")
    tall = inner * camera.height / camera.width
    columns, rows = max(2, round(inner / options.grain)), max(2, round(tall / options.grain))
    if columns * rows > MOST_CELLS:
        raise InputError(
            f"A relief of {columns} x {rows} points is too fine to be written.", hint="Give a coarser grain."
        )
    heights = options.base + options.relief * _heights(scene.points, columns, rows)
    x, y = np.linspace(0, inner, columns), np.linspace(tall, 0, rows)
    if options.frame > 0:
        # The frame's inner wall stands on a strip of its own, a hundredth of a grain wide: as good as upright.
        edge = options.grain / 100
        rim = options.base + options.relief
        heights = np.pad(heights, 2, constant_values=rim)
        x = np.concatenate([[-options.frame, -edge], x, [inner + edge, inner + options.frame]]) + options.frame
        y = np.concatenate([[tall + options.frame, tall + edge], y, [-edge, -options.frame]]) + options.frame
    return _write(path, *_plate(x, y, heights))


def _heights(points: PointCloud, columns: int, rows: int) -> Float64:
    """(rows, columns), 0 (farthest) to 1 (nearest)."""
    import cv2

    there = points.mask if points.opaque is None else points.mask & points.opaque
    if not there.any():
        raise InputError("The photo is transparent everywhere.", hint="A relief needs something to be made of.")
    inverse = points.inverse_depth
    low, high = float(inverse[there].min()), float(np.quantile(inverse[there], 0.999))
    if points.opaque is not None:
        inverse = np.where(points.opaque, inverse, np.float32(low))
    height = np.clip((inverse - low) / max(high - low, 1e-9), 0, 1).astype(np.float32)
    shrinks = columns < height.shape[1]
    sized = cv2.resize(height, (columns, rows), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    found = np.asarray(sized, np.float64)
    found -= found.min()
    return found / max(float(found.max()), 1e-9)


def _plate(x: Float64, y: Float64, heights: Float64) -> tuple[Float64, Int32]:
    """A body over the grid x (W), y (H, falling) with these heights (H, W), on z = 0."""
    rows, columns = heights.shape
    grid = np.stack([*np.broadcast_arrays(x[None], y[:, None]), heights], axis=2).reshape(-1, 3)
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1].ravel(), number[:-1, 1:].ravel(), number[1:, :-1].ravel(), number[1:, 1:].ravel()
    top = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    # Around the edge, counter-clockwise from above: down the left, along the bottom, up the right, back along the top.
    around = np.concatenate([number[:-1, 0], number[-1, :-1], number[:0:-1, -1], number[0, :0:-1]])
    below = rows * columns + np.arange(len(around))
    after, below_after = np.roll(around, -1), np.roll(below, -1)
    walls = np.concatenate([np.stack([around, below, after], 1), np.stack([after, below, below_after], 1)])
    centre = rows * columns + len(around)
    floor = np.stack([below_after, below, np.full(len(below), centre)], axis=1)
    edge = grid[around] * (1, 1, 0)
    middle = np.array([[(x[0] + x[-1]) / 2, (y[0] + y[-1]) / 2, 0.0]])
    faces = np.concatenate([top, walls, floor]).astype(np.int32)
    return np.concatenate([grid, edge, middle]), faces


def _write(path: Path, vertices: Float64, faces: Int32) -> tuple[str, ...]:
    """Binary STL."""
    corners: Float32 = vertices.astype(np.float32)[faces]
    triangles = np.zeros(len(faces), _TRIANGLE)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    triangles["normal"] = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    triangles["corners"] = corners
    with atomic.writing(path) as file:
        # Not "solid": readers would take it for text.
        file.write(f"Diorama {__version__}, millimetres".encode().ljust(80))
        file.write(np.uint32(len(faces)).astype("<u4").tobytes())
        file.write(triangles.tobytes())
    width, height, depth = vertices.max(axis=0) - vertices.min(axis=0)
    return (f"{width:.1f} x {height:.1f} x {depth:.1f} mm, {len(faces):,} triangles.",)
