"""Views of a scene on the CPU: no display, no graphics driver, no system package.

A z-buffer of triangle numbers is filled at `SAMPLES` x `SAMPLES` samples a pixel; then a pixel is shaded once, at its
centre, where all its samples see one surface, and sample by sample on silhouettes. So edges are antialiased while the
texture stays as sharp as the photo: seen from the photo's own camera at its own size, every pixel is the photo's.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from diorama import raster
from diorama.types import Camera, Float32, Int32, Mesh, Scene, UInt8

NEAR_SHARE = 1e-3
"""Triangles with a corner nearer than this share of the scene's nearest point are not drawn."""

BAND = 16
"""Pixel rows drawn at a time: the samples of a full-HD row of them fit into a core's second cache."""

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Rendering:
    """A view of a scene."""

    rgb: UInt8  # (H, W, 3), the background where nothing is seen
    alpha: UInt8  # (H, W), 255 = the scene covers the whole pixel
    z: Float32  # (H, W), distance along the optical axis in scene units; infinite where nothing is seen
    camera: Camera


class Renderer:
    """Draws views of one scene; what does not change between them is made once.

    Not to be used from several threads at once: it uses the cores itself.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        background: tuple[int, int, int] = (0, 0, 0),
        threads: int | None = None,
        texels: int | None = None,
    ):
        """
        Args:
            background: sRGB where nothing is seen.
            threads: how many bands are drawn at once; as many as there are cores where None.
            texels: along the texture's long side, more of which no view will show; all where None.
        """
        self.scene = scene
        self.threads = threads or os.cpu_count() or 1
        self._background = np.asarray(background, np.float64)
        self._near = NEAR_SHARE * float(scene.points.z.min())
        self._texels, self._levels = _mip_pyramid(scene.texture, texels)
        meshes = scene.meshes
        starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])[:-1]
        self._vertices = np.concatenate([mesh.vertices for mesh in meshes])
        self._uv = np.concatenate([mesh.uv for mesh in meshes])
        self._opacity = np.concatenate(
            [np.ones(len(mesh.vertices), np.float32) if mesh.alpha is None else mesh.alpha for mesh in meshes]
        )
        self._faces = _joined([(m, s) for m, s in zip(meshes, starts, strict=True) if m.alpha is None])
        self._soft_faces = _joined([(m, s) for m, s in zip(meshes, starts, strict=True) if m.alpha is not None])
        self._screen = np.empty((len(self._vertices), 3), np.float64)
        self._looks = np.empty((len(self._faces), raster.LOOK), np.float32)
        self._rooms: dict[int, tuple[Float32, Int32]] = {}
        self._soft_looks = np.empty((len(self._soft_faces), raster.LOOK), np.float32)

    def view(
        self,
        camera: Camera,
        translate: Vector = (0.0, 0.0, 0.0),
        rotate: Vector = (0.0, 0.0, 0.0),
        *,
        nearest: float = 0.0,
    ) -> Rendering:
        """See the scene through `camera`, whose principal point may lie anywhere, moved and turned as in `render`.

        Args:
            nearest: triangles with a corner nearer to the camera than this are left out, scene units.
        """
        width, height = camera.width, camera.height
        rgb = np.empty((height, width, 3), np.uint8)
        alpha = np.empty((height, width), np.uint8)
        z = np.empty((height, width), np.float32)
        with ThreadPoolExecutor(self.threads) as pool:
            run = pool.map if self.threads > 1 else map
            self._project(camera, translate, rotate, max(nearest, self._near), run)
            screen = self._screen

            def sort(faces: Int32, first: int, end: int) -> tuple[NDArray[np.int64], Int32]:
                found: tuple[NDArray[np.int64], Int32] = raster.sort_into_bands(
                    screen, faces, first, end, width, height, BAND
                )
                return found

            parts = self._parts(len(self._faces))
            sorted_parts = list(run(partial(sort, self._faces), parts[:-1], parts[1:]))
            soft_starts, soft_listed = sort(self._soft_faces, 0, len(self._soft_faces))
            seen, soft_seen = np.zeros(len(self._faces), np.bool_), np.zeros(len(self._soft_faces), np.bool_)

            waiting = iter(range(-(-height // BAND)))

            def draw(worker: int) -> None:
                room = self._room(worker, width)
                for band in waiting:
                    mine = np.concatenate([listed[starts[band] : starts[band + 1]] for starts, listed in sorted_parts])
                    mine_soft = soft_listed[soft_starts[band] : soft_starts[band + 1]]
                    solid = self._faces, mine, self._looks, seen
                    over = self._soft_faces, mine_soft, self._soft_looks, soft_seen
                    what = screen, self._uv, self._opacity, self._texels, self._levels
                    rows = band * BAND, min((band + 1) * BAND, height)
                    raster.draw_band(*what, *solid, *over, *room, self._background, *rows, rgb, alpha, z)

            list(run(draw, range(self.threads)))
        return Rendering(rgb, alpha, z, camera)

    def _room(self, worker: int, width: int) -> tuple[Float32, Int32]:
        """For a band's samples, twice: solid and seen through."""
        shape = 2, BAND * raster.SAMPLES, width * raster.SAMPLES
        if worker not in self._rooms or self._rooms[worker][0].shape != shape:
            self._rooms[worker] = np.empty(shape, np.float32), np.empty(shape, np.int32)
        return self._rooms[worker]

    def _parts(self, count: int) -> list[int]:
        """Where each thread's share of so many things begins, and the end."""
        return [count * part // self.threads for part in range(self.threads + 1)]

    def _project(
        self, camera: Camera, translate: Vector, rotate: Vector, near: float, run: Callable[..., object]
    ) -> None:
        move = np.asarray(translate, np.float64)
        lens = np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float64)
        parts = self._parts(len(self._vertices))
        how = move, rotation(rotate), lens, near

        def project(first: int, last: int) -> None:
            raster.project(self._vertices, *how, first, last, self._screen)

        list(run(project, parts[:-1], parts[1:]))  # type: ignore[call-overload]


def render(
    scene: Scene,
    *,
    translate: Vector = (0.0, 0.0, 0.0),
    rotate: Vector = (0.0, 0.0, 0.0),
    size: tuple[int, int] | None = None,
    fov: float | None = None,
    background: tuple[int, int, int] = (0, 0, 0),
) -> Rendering:
    """See the scene from the photo's own camera, moved and turned.

    Args:
        translate: move (x right, y down, z forward), scene units, in the photo camera's frame.
        rotate: turns in degrees about the camera's own x (looks up), y (looks right) and z (rolls clockwise), in
            the order z, x, y.
        size: (width, height) in pixels; the photo's at texture size where None. Another aspect shows the whole photo
            with something around it.
        fov: horizontal field of view in degrees; the photo's lens where None.
        background: sRGB where nothing is seen.
    """
    camera = view_camera(scene.camera, size, fov)
    # Twice as many as the view has pixels: it is read with less than one level of the pyramid to the sharp side.
    texels = None if fov else 2 * max(camera.width, camera.height)
    return Renderer(scene, background=background, texels=texels).view(camera, translate, rotate)


def view_camera(photo: Camera, size: tuple[int, int] | None, fov: float | None) -> Camera:
    """The photo's camera for a picture of `size`, or one with this horizontal field of view in degrees."""
    width, height = size or (photo.width, photo.height)
    if fov is not None:
        return Camera.from_fov(fov, width, height, "user")
    scale = min(width / photo.width, height / photo.height)
    left, top = (width - photo.width * scale) / 2, (height - photo.height * scale) / 2
    return Camera(
        photo.fx * scale, photo.fy * scale, photo.cx * scale + left, photo.cy * scale + top, width, height, photo.source
    )


def rotation(degrees: Vector) -> NDArray[np.float64]:
    """(3, 3), camera to scene, of turns as in `render`; points are turned the other way by p @ R."""
    # Signs such that positive turns look up, look right and roll clockwise (y points down).
    x, y, z = (math.radians(angle) for angle in degrees)
    rx = np.array([[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]])
    ry = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    rz = np.array([[math.cos(z), -math.sin(z), 0], [math.sin(z), math.cos(z), 0], [0, 0, 1]])
    turn: NDArray[np.float64] = ry @ rx @ rz
    return turn


def _joined(meshes: list[tuple[Mesh, int]]) -> Int32:
    """(M, 3): the triangles of all meshes, whose vertices begin at the given numbers."""
    faces = [mesh.faces + np.int32(start) for mesh, start in meshes]
    return np.concatenate([np.empty((0, 3), np.int32), *faces])


def _mip_pyramid(rgb: UInt8, texels: int | None) -> tuple[NDArray[np.uint32], Int32]:
    """Every level halved by area, one after the other in one flat array of pixels (red in the lowest byte), with
    (offset, height, width) of each. The first has at least `texels` along its long side, if there are as many."""
    import cv2

    def halved(level: UInt8) -> UInt8:
        height, width = (max(1, side // 2) for side in level.shape[:2])
        half = cv2.resize(level, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(half, np.uint8).reshape(height, width, 3)

    levels = [np.ascontiguousarray(rgb)]
    while texels is not None and max(levels[0].shape[:2]) // 2 >= texels:
        levels = [halved(levels[0])]
    while max(levels[-1].shape[:2]) > 1:
        levels.append(halved(levels[-1]))
    sizes = [level.shape[0] * level.shape[1] for level in levels]
    offsets = np.cumsum([0, *sizes[:-1]])
    table = np.array([(o, *level.shape[:2]) for o, level in zip(offsets, levels, strict=True)], np.int32)
    packed = [cv2.cvtColor(level, cv2.COLOR_RGB2RGBA).reshape(-1, 4) for level in levels]
    return np.concatenate(packed).view("<u4").ravel(), table
