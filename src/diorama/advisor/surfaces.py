"""What depth says of the segments: planes, bulges, ridges, and how two of them meet.

Everything is measured on the grid thinned to `LONG_SIDE`, in inverse depth as a share of the near inverse depth: there
a plane in space is linear in the picture, and a step is a parallax on the screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from diorama.cuts import near_inverse_depth
from diorama.types import Bool, Camera, Float32, Int32, PointCloud, Segments

Float64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

LONG_SIDE = 512
"""Pixels: fits over thousands of pixels need no more."""

MOST_PIXELS = 2500
"""Of a segment, for one fit."""

STEP = 0.02
"""A step in inverse depth, as a share of the near inverse depth, from which one side counts as in front."""

REACH = 2
"""Pixels on either side of an outline between which depths are compared: right at it they are mixed."""

RIDGES = 8
"""Directions in which the edge of a box is looked for, over half a turn."""

OFFSETS = (-0.35, 0.0, 0.35)
"""Where that edge may lie, as a share of half the segment's size."""


@dataclass(frozen=True)
class Fit:
    """How well surfaces of several kinds explain a segment's depth."""

    pixels: int
    plane: Float64  # (3,): inverse depth = plane . (u, v, 1), pixels of the thinned grid
    residual: float  # robust standard deviation from it
    bulge: float  # how far the middle stands out, against the outline; < 0: hollow
    bulge_gain: float  # share of the plane's squared error that a bulge explains
    ridge: float  # how far an edge of two planes stands out
    ridge_gain: float  # share that two planes explain


@dataclass(frozen=True)
class Meeting:
    """The common outline of segments a < b."""

    a: int
    b: int
    length: int  # pixel pairs
    front: float  # share of it where a is in front
    behind: float  # share where b is
    step: float  # median size of the step between the two surfaces, each carried on to the outline
    apart: float  # share of it where that is over `STEP`
    colour: float  # median CIELAB difference across it


class Surfaces:
    """The segments of a scene, thinned."""

    def __init__(self, points: PointCloud, segments: Segments) -> None:
        height, width = points.z.shape
        self.thin = max(1, -(-max(height, width) // LONG_SIDE))
        first = self.thin // 2
        grid = np.s_[first :: self.thin, first :: self.thin]
        self.labels: Int32 = np.ascontiguousarray(segments.labels[grid])
        self.near = near_inverse_depth(points)
        self.depth: Float32 = np.ascontiguousarray(points.inverse_depth[grid] / np.float32(self.near))
        self.camera: Camera = points.camera
        self.segments = segments
        self._rgb = np.ascontiguousarray(points.rgb[grid])

    @cached_property
    def lab(self) -> Float32:
        """(H, W, 3) CIELAB, a little blurred: the colours of surfaces and not of grain."""
        import cv2

        soft = cv2.GaussianBlur(self._rgb, (0, 0), 1.5).astype(np.float32) / np.float32(255)
        return np.asarray(cv2.cvtColor(soft, cv2.COLOR_RGB2LAB), np.float32)

    @cached_property
    def fits(self) -> dict[int, Fit]:
        """Of every segment with enough pixels."""
        found = {}
        for item in self.segments.items:
            fit = self._fit(item.id)
            if fit is not None:
                found[item.id] = fit
        return found

    def _fit(self, id: int) -> Fit | None:
        import cv2

        x0, y0, x1, y1 = (value // self.thin for value in self.segments[id].box)
        window = np.s_[y0 : y1 + 1, x0 : x1 + 1]
        mask = (self.labels[window] == id).astype(np.uint8)
        inner = cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=1)
        rows, columns = np.nonzero(inner if np.count_nonzero(inner) >= 60 else mask)
        if len(rows) < 60:
            return None
        every = max(1, len(rows) // MOST_PIXELS)
        v, u = (rows[::every] + y0).astype(np.float64), (columns[::every] + x0).astype(np.float64)
        d = self.depth[rows[::every] + y0, columns[::every] + x0].astype(np.float64)
        flat = np.stack([u, v, np.ones_like(u)], axis=1)
        plane, kept = _robust_plane(flat, d)
        rest = d - flat @ plane
        residual = float(1.4826 * np.median(np.abs(rest - np.median(rest))))
        x, y, rho = _own_axes(u, v)
        base = np.stack([x, y, np.ones_like(x)], axis=1)[kept]
        error = max(float(np.square(rest[kept]).sum()), 1e-12)
        dome = np.sqrt(np.clip(1 - rho, 0, 1))[kept]
        bulge, bulge_gain = _added(base, dome, d[kept], error)
        ridge, ridge_gain = 0.0, 0.0
        for angle in np.arange(RIDGES) * np.pi / RIDGES:
            for offset in OFFSETS:
                fold = -np.abs(x * np.cos(angle) + y * np.sin(angle) - offset)[kept]
                height, gain = _added(base, fold, d[kept], error)
                if gain > ridge_gain:
                    ridge, ridge_gain = height, gain
        return Fit(len(rows), plane, residual, bulge, bulge_gain, ridge, ridge_gain)

    @cached_property
    def meetings(self) -> tuple[Meeting, ...]:
        """Every two segments that touch."""
        size = int(self.labels.max(initial=0)) + 1
        keys, steps, gaps, colours = [], [], [], []
        for axis in (0, 1):
            labels, depth = (self.labels, self.depth) if axis == 0 else (self.labels.T, self.depth.T)
            lab = self.lab if axis == 0 else self.lab.transpose(1, 0, 2)
            one, other = labels[:-1], labels[1:]
            rows, columns = np.nonzero((one != other) & (one > 0) & (other > 0))
            if not len(rows):
                continue
            a, b = one[rows, columns], other[rows, columns]
            here, there = _inwards(labels, rows, columns, -1, a), _inwards(labels, rows + 1, columns, 1, b)
            step = depth[here, columns].astype(np.float64) - depth[there, columns]
            gap = _carried(depth, labels, rows, here, columns) - _carried(depth, labels, rows + 1, there, columns)
            gaps.append(np.abs(gap))
            keys.append(np.minimum(a, b).astype(np.int64) * size + np.maximum(a, b))
            steps.append(np.where(a < b, step, -step))
            colours.append(np.linalg.norm(lab[here, columns] - lab[there, columns], axis=1))
        if not keys:
            return ()
        key, step, gap, colour = (np.concatenate(parts) for parts in (keys, steps, gaps, colours))
        found = []
        for pair in np.unique(key):
            own = key == pair
            found.append(
                Meeting(
                    int(pair // size),
                    int(pair % size),
                    int(own.sum()),
                    float((step[own] > STEP).mean()),
                    float((step[own] < -STEP).mean()),
                    float(np.median(gap[own])),
                    float((gap[own] > STEP).mean()),
                    float(np.median(colour[own])),
                )
            )
        return tuple(found)

    def outline(self, id: int) -> tuple[float, float]:
        """(share of its outline where it stands in front, share that the photo's frame cuts off)."""
        mask = self.labels == id
        frame = int(mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum())
        touching = [m for m in self.meetings if id in (m.a, m.b)]
        total = frame + sum(m.length for m in touching)
        front = sum(m.length * (m.front if m.a == id else m.behind) for m in touching)
        return front / max(total, 1), frame / max(total, 1)


def _inwards(labels: Int32, rows: Index, columns: Index, towards: int, own: Int32) -> Index:
    """Rows `REACH` pixels into the own side of an outline, or as far as the own segment goes."""
    best = rows
    inside: Bool = np.ones(len(rows), bool)
    for distance in range(1, REACH + 1):
        ahead = np.clip(rows + towards * distance, 0, len(labels) - 1)
        inside &= labels[ahead, columns] == own
        best = np.where(inside, ahead, best)
    return best


def _carried(depth: Float32, labels: Int32, rim: Index, inside: Index, columns: Index) -> Float64:
    """Depth at the outline as the surface behind it goes: a straight line through two pixels of its own."""
    beyond = np.clip(2 * inside - rim, 0, len(labels) - 1)
    own = labels[beyond, columns] == labels[inside, columns]
    value = depth[inside, columns].astype(np.float64)
    slope = np.where(own, value - depth[beyond, columns], 0)
    return np.asarray(value + slope * (np.abs(inside - rim) + 0.5) / np.maximum(np.abs(inside - rim), 1), np.float64)


def _robust_plane(flat: Float64, d: Float64) -> tuple[Float64, Bool]:
    """Least squares without the tenth that fits worst, three times over."""
    kept: Bool = np.ones(len(d), bool)
    plane: Float64 = np.zeros(3)
    for _ in range(3):
        plane = np.asarray(np.linalg.lstsq(flat[kept], d[kept], rcond=None)[0], np.float64)
        error = np.abs(d - flat @ plane)
        kept = error <= np.quantile(error, 0.9)
    return plane, kept


def _own_axes(u: Float64, v: Float64) -> tuple[Float64, Float64, Float64]:
    """Coordinates along a segment's own axes, about -1..1, and the squared distance in the ellipse of its moments."""
    centred = np.stack([u - u.mean(), v - v.mean()])
    values, vectors = np.linalg.eigh(np.cov(centred) + 1e-6 * np.eye(2))
    # A filled ellipse has a standard deviation of half its semi-axis.
    x, y = (vectors.T @ centred) / (2 * np.sqrt(values))[:, None]
    return x, y, x**2 + y**2


def _added(base: Float64, extra: Float64, d: Float64, error: float) -> tuple[float, float]:
    """Size of one more term in a least squares fit, and the share of the squared error that it takes away."""
    # Only what the base can't explain of the term counts: by Frisch and Waugh that is a fit of its own.
    q = np.linalg.qr(base)[0]
    term = extra - q @ (q.T @ extra)
    rest = d - q @ (q.T @ d)
    energy = float(term @ term)
    if energy < 1e-9:
        return 0.0, 0.0
    size = float(term @ rest) / energy
    return size, min(1.0, max(0.0, size**2 * energy / error))
