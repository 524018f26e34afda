"""The meshes while they are fused: all their vertices as pixels and disparity, and which of them are one point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from diorama.types import Camera, Float32, Mesh

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

WELD = 1.5
"""Times the least jump of a cut: a border's sides that are no farther apart can be welded."""

SKY = 1.02
"""A backdrop stands this much farther than everything else."""

TUKEY = 1.5
"""Interquartile ranges beyond the quartiles at which Tukey's fence stands (Exploratory Data Analysis, 1977)."""


@dataclass(frozen=True)
class Span:
    """A mesh's share of the joint arrays."""

    mesh: Mesh
    start: int
    end: int


class Pieces:
    """The scene's meshes, with joint arrays over all their vertices.

    Attributes:
        pixel: (N, 2) where each vertex is seen, in pixels of the grid.
        disparity: (N,) pixels of parallax at the allowed travel.
        segment: (N,) the segment of each vertex's mesh.
        imagined: (N,) whether its mesh was imagined.
        group: (N,) the same number for vertices at one place: they move together.
    """

    def __init__(self, meshes: Sequence[Mesh], camera: Camera, reach: float, jump: float) -> None:
        """Take the meshes apart.

        Args:
            reach: pixels of parallax at the allowed travel of a point at distance 1.
            jump: least difference of disparities that is a cut, in the same pixels.
        """
        self.camera = camera
        self.reach = reach
        self.jump = jump
        self.meshes = list(meshes)
        sizes = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
        self.spans = [Span(mesh, int(a), int(b)) for mesh, a, b in zip(meshes, sizes[:-1], sizes[1:], strict=True)]
        vertices = np.concatenate([mesh.vertices for mesh in meshes]).astype(np.float64)
        self.disparity: Float64 = reach / vertices[:, 2]
        self.pixel: Float64 = np.stack(
            [
                camera.fx * vertices[:, 0] / vertices[:, 2] + camera.cx,
                camera.fy * vertices[:, 1] / vertices[:, 2] + camera.cy,
            ],
            axis=1,
        )
        self.segment = np.concatenate([np.full(len(m.vertices), m.segment, np.int64) for m in meshes])
        self.imagined = np.concatenate([np.full(len(m.vertices), m.imagined) for m in meshes])
        self.soft = np.concatenate([np.full(len(m.vertices), m.alpha is not None) for m in meshes])
        self.group = _same_place(np.column_stack([self.pixel * 64, self.disparity * 64]))
        self.backs: list[Mesh] = []
        self.moved = np.zeros(len(vertices), bool)

    def move(self, chosen: Int64, disparity: Float64) -> None:
        """Give vertices another disparity; those at the same place follow."""
        if not len(chosen):
            return
        count = int(self.group.max()) + 1
        total = np.bincount(self.group[chosen], disparity, count)
        votes = np.bincount(self.group[chosen], minlength=count)
        target = (total / np.maximum(votes, 1))[self.group]
        changed = (votes[self.group] > 0) & (target != self.disparity)
        self.disparity[changed] = target[changed]
        self.moved |= changed

    def weld(self, segments: Sequence[int]) -> tuple[int, float]:
        """Close the gaps along the borders that these segments' visible surfaces share.

        Returns:
            How many vertices were moved, and the mean gap in pixels of parallax before.
        """
        chosen = np.flatnonzero(np.isin(self.segment, list(segments)) & ~self.imagined & ~self.soft)
        if not len(chosen):
            return 0, 0.0
        place = _same_place(self.pixel[chosen] * 8)
        count = int(place.max()) + 1
        low, high = np.full(count, np.inf), np.zeros(count)
        first, last = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
        np.minimum.at(low, place, self.disparity[chosen])
        np.maximum.at(high, place, self.disparity[chosen])
        np.minimum.at(first, place, self.segment[chosen])
        np.maximum.at(last, place, self.segment[chosen])
        gap = high - low
        close = (first != last) & (gap > 1e-6) & (gap < WELD * self.jump)
        members = close[place]
        if not members.any():
            return 0, 0.0
        middle = ((low + high) / 2)[place]
        self.move(chosen[members], middle[members])
        return int(members.sum()), float(gap[close].mean())

    def push_back(self, segments: Sequence[int]) -> tuple[int, float]:
        """Put these segments on one plane behind everything else -> vertices moved, its distance in scene units.

        What stands out in front of the rest stays: a mast's bars that were counted as sky would be torn from it.
        """
        mine = np.isin(self.segment, list(segments)) & ~self.soft
        if mine.any():
            # By area, since a mesh is finest where things stand out.
            order = np.argsort(self.disparity[mine])
            share = np.cumsum(self._areas()[mine][order])
            lower, middle = self.disparity[mine][order[np.searchsorted(share, share[-1] * np.array([0.25, 0.5]))]]
            # The farther half tells how it is spread, as if the nearer were the same: what stands out is in that one,
            # and where it is much, as gaps between leaves that have the tree's depth, the upper quartile is its own.
            mine &= self.disparity <= middle + (1 + 2 * TUKEY) * (middle - lower) + self.jump
        others = self.disparity[~mine & (self.segment > 0)]
        far = min(self.disparity[mine].min(initial=np.inf), others.min(initial=np.inf) / SKY)
        chosen = np.flatnonzero(mine)
        if len(chosen):
            self.move(chosen, np.full(len(chosen), far))
        return len(chosen), float(self.reach / far) if np.isfinite(far) else 0.0

    def _faces(self) -> Int64:
        """(F, 3) all meshes' faces, by the joint arrays' vertices."""
        return np.concatenate([span.mesh.faces.astype(np.int64) + span.start for span in self.spans])

    def _areas(self) -> Float64:
        """(N,) square pixels of the faces around each vertex, and a little, so that no sum of them is nothing."""
        faces = self._faces()
        one, two = (self.pixel[faces[:, k]] - self.pixel[faces[:, 0]] for k in (1, 2))
        area = np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
        return (1e-9 + np.bincount(faces.ravel(), np.repeat(area, 3), len(self.pixel))).astype(np.float64)

    def vertices(self) -> Float32:
        """(N, 3) in space, as they are now: bit for bit the same where nothing moved them."""
        old = np.concatenate([span.mesh.vertices for span in self.spans])
        return np.where(self.moved[:, None], self.lifted(np.arange(len(old)), self.reach / self.disparity), old)

    def lifted(self, index: Int64, z: Float64) -> Float32:
        """(M, 3) vertices moved along their rays to the distances `z`."""
        return self.placed(self.pixel[index], z)

    def placed(self, pixel: Float64, z: Float64) -> Float32:
        """(M, 3) in space: places (M, 2) in the picture at the distances `z`."""
        x = (pixel[:, 0] - self.camera.cx) / self.camera.fx * z
        y = (pixel[:, 1] - self.camera.cy) / self.camera.fy * z
        return np.ascontiguousarray(np.stack([x, y, z], axis=1), np.float32)

    def finished(self) -> tuple[Mesh, ...]:
        """The meshes at their new places, with normals that agree where pieces touch, and the backs."""
        places = self.vertices()
        normals = self._normals(places.astype(np.float64))
        made = []
        for span in self.spans:
            window = slice(span.start, span.end)
            made.append(replace(span.mesh, vertices=places[window].copy(), normals=normals[window].copy()))
        return (*made, *self.backs)

    def _normals(self, places: Float64) -> Float32:
        """Area-weighted means of the faces around each place, whichever mesh they are in."""
        faces = self._faces()
        corners = places[faces]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        group = _same_place(np.column_stack([self.pixel * 64, self.disparity * 64]))
        count = int(group.max()) + 1 if len(group) else 0
        total = np.zeros((count, 3))
        for axis in range(3):
            for corner in range(3):
                total[:, axis] += np.bincount(group[faces[:, corner]], normal[:, axis], minlength=count)
        length = np.linalg.norm(total, axis=1, keepdims=True)
        unit = np.where(length > 0, total / np.maximum(length, 1e-30), np.array([0.0, 0.0, -1.0]))
        return np.ascontiguousarray(unit[group], np.float32)


def _same_place(places: Float64) -> Int64:
    """The same number for rows that are equal once rounded, in the order of the rows."""
    rounded = np.rint(places).astype(np.int64).reshape(len(places), -1)
    if not len(rounded):
        return np.zeros(0, np.int64)
    rounded -= rounded.min(axis=0)
    keys = rounded[:, 0]
    for column in rounded.T[1:]:
        # One number for each row is sorted much faster than rows are; numbered anew, it always has room for one more.
        keys = np.unique(keys, return_inverse=True)[1] * (int(column.max()) + 1) + column
    return np.asarray(np.unique(keys, return_inverse=True)[1], np.int64)


def sample(grid: npt.NDArray[np.generic], pixel: Float64) -> npt.NDArray[np.generic]:
    """The grid's values at pixel coordinates; at the border's where they lie outside."""
    height, width = grid.shape
    column = np.clip(pixel[:, 0].astype(np.int64), 0, width - 1)
    row = np.clip(pixel[:, 1].astype(np.int64), 0, height - 1)
    return grid[row, column]
