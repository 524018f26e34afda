"""The atlas's panels as pictures of their own, so that no filter reaches from one into another.

Every panel is an even picture of the same widened grid, at a size of its own; where it lies follows from the meshes:
seen from the photo's camera a vertex's place in the picture and its texture coordinates differ by scale and shift.
What a panel doesn't show is padded with what it does, so filters may run over a chart's edge, and the padding with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numba
import numpy as np
import numpy.typing as npt

from diorama.types import Bool, Camera, Float32, Int32, Layered, Mesh, UInt8

Float64 = npt.NDArray[np.float64]

FITS = 1.0
"""Texels by which a mesh's coordinates may differ from a panel's scale and shift to be a part of it: place by half a
texel within the panel, and what rounding does."""

PADDING = 16
"""Texels around a chart that are filtered with it: bilinear filtering and the first mipmaps read them."""


@dataclass(frozen=True)
class Panel:
    """One panel, and what of it is in use."""

    box: tuple[int, int, int, int]  # left, top, right, bottom in texels of the atlas, the latter two past the end
    scale: float  # texels a pixel of the grid
    charts: Int32  # (H, W): 0 nothing; else 2 (1 + segment) + (1 where it is imagined)
    window: tuple[slice, slice]  # rows and columns, within the panel, that hold every chart and its padding

    @property
    def seen(self) -> Bool:
        """(H, W), what the photo shows"""
        seen: Bool = (self.charts > 0) & (self.charts % 2 == 0)
        return seen

    @property
    def imagined(self) -> Bool:
        """(H, W)"""
        imagined: Bool = self.charts % 2 == 1
        return imagined

    @property
    def segments(self) -> Int32:
        """(H, W), ids; -1 where no chart is"""
        return np.asarray(self.charts // 2 - 1, np.int32)

    def of(self, atlas: UInt8) -> UInt8:
        """The panel's part of an atlas: a view."""
        left, top, right, bottom = self.box
        return atlas[top:bottom, left:right]


def find(layered: Layered, camera: Camera) -> tuple[Panel, ...]:
    """The panels of a scene, the visible one first; none where nothing of the photo is in the scene.

    Args:
        layered: the scene.
        camera: of the point grid from which it was built.
    """
    height, width = layered.atlas.shape[:2]
    surfaces = [mesh for mesh in layered.meshes if mesh.alpha is None and len(mesh.faces)]
    visible = [mesh for mesh in surfaces if not mesh.imagined]
    if not visible:
        return ()
    across, down = _fitted(*_places(visible, camera, width, height))
    margin = np.rint(np.array([across[1] / across[0], down[1] / down[0]]))
    maps = [(across, down)]
    members: list[list[Mesh]] = [visible]
    for mesh in sorted((m for m in surfaces if m.imagined), key=lambda m: -len(m.vertices)):
        places = _places([mesh], camera, width, height)
        home = next((k for k, known in enumerate(maps) if _fits(known, *places)), None)
        if home is None:
            maps.append(_corners(*places) if len(mesh.vertices) == 4 else _fitted(*places))
            members.append([])
            home = len(maps) - 1
        members[home].append(mesh)
    found = []
    for (x, y), meshes in zip(maps, members, strict=True):
        left, top = max(0, round(x[1] - margin[0] * x[0])), max(0, round(y[1] - margin[1] * y[0]))
        right = min(width, left + max(1, round(x[0] * (camera.width + 2 * margin[0]))))
        bottom = min(height, top + max(1, round(y[0] * (camera.height + 2 * margin[1]))))
        box = (left, top, right, bottom)
        if left < right and top < bottom:
            found.append(_panel(box, float(x[0]), meshes, width, height))
    found[0] = _framed(found[0], margin)
    return tuple(found)


def _framed(visible: Panel, margin: Float64) -> Panel:
    """The visible panel, with what its meshes go on beyond the photo's frame counted as imagined, as it is."""
    height, width = visible.charts.shape
    x, y = (round(float(m) * visible.scale) for m in margin)
    beyond = np.ones((height, width), bool)
    beyond[y : height - y, x : width - x] = False
    charts = np.where(beyond & (visible.charts > 0), visible.charts | 1, visible.charts).astype(np.int32)
    return replace(visible, charts=charts)


def enlarged(panel: Panel, across: float, down: float) -> Panel:
    """The panel in an atlas that is larger by these factors: every texel whose middle lies in it."""
    import cv2

    left, right = (int(np.ceil(panel.box[k] * across - 0.5)) for k in (0, 2))
    top, bottom = (int(np.ceil(panel.box[k] * down - 0.5)) for k in (1, 3))
    size = right - left, bottom - top
    charts = np.asarray(cv2.resize(panel.charts, size, interpolation=cv2.INTER_NEAREST_EXACT), np.int32)
    return replace(
        panel, box=(left, top, right, bottom), scale=panel.scale * across, charts=charts, window=_window(charts)
    )


def filled(picture: UInt8, there: Bool) -> UInt8:
    """Elsewhere the colour of the nearest pixel that is there."""
    import cv2

    if there.all() or not there.any():
        return picture
    _, labels = cv2.distanceTransformWithLabels(
        (~there).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(labels.max()) + 1, picture.shape[2]), np.uint8)
    colours[labels[there]] = picture[there]
    return np.where(there[..., None], picture, colours[labels])


def grown(there: Bool) -> Bool:
    """The charts with as much padding as is ever read."""
    import cv2

    kernel = np.ones((2 * PADDING + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(there.astype(np.uint8), kernel), np.bool_)


def padded_out(part: UInt8, there: Bool) -> UInt8:
    """Padding takes the colour of the chart's nearest texel anew."""
    ring = grown(there) & ~there
    return np.where(ring[..., None], filled(part, there), part)


Line = tuple[float, float]
"""Texels a pixel of the picture, and where its edge is."""


def _places(meshes: list[Mesh], camera: Camera, width: int, height: int) -> tuple[Float64, Float64]:
    """(N, 2) each: where the vertices are in the photo, in pixels, and in the atlas, in texels."""
    vertices = np.concatenate([mesh.vertices for mesh in meshes]).astype(np.float64)
    uv = np.concatenate([mesh.uv for mesh in meshes]).astype(np.float64)
    rays = vertices[:, :2] / vertices[:, 2:]
    return rays * (camera.fx, camera.fy) + (camera.cx, camera.cy), uv * (width, height)


def _fitted(pixels: Float64, texels: Float64) -> tuple[Line, Line]:
    lines = []
    for axis in (0, 1):
        x, y = pixels[:, axis], texels[:, axis]
        keep = np.ones(len(x), bool)
        slope, offset = 1.0, 0.0
        for _ in range(2):  # the second time without those that were moved into the panel
            slope, offset = np.linalg.lstsq(np.stack([x[keep], np.ones(keep.sum())], 1), y[keep], rcond=None)[0]
            close = np.abs(slope * x + offset - y) < 0.1
            keep = close if np.count_nonzero(close) > len(x) // 2 else keep
        lines.append((max(float(slope), 1e-6), float(offset)))
    return lines[0], lines[1]


def _corners(pixels: Float64, texels: Float64) -> tuple[Line, Line]:
    """Of a panel whose mesh is its four corners, each half a texel inside."""
    low, high = texels.min(axis=0) - 0.5, texels.max(axis=0) + 0.5
    start, end = pixels.min(axis=0), pixels.max(axis=0)
    slope = np.maximum((high - low) / np.maximum(end - start, 1e-6), 1e-6)
    offset = low - slope * start
    return (float(slope[0]), float(offset[0])), (float(slope[1]), float(offset[1]))


def _fits(lines: tuple[Line, Line], pixels: Float64, texels: Float64) -> bool:
    predicted = pixels * (lines[0][0], lines[1][0]) + (lines[0][1], lines[1][1])
    return bool(np.percentile(np.abs(predicted - texels), 95) < FITS)


def _panel(box: tuple[int, int, int, int], scale: float, meshes: Iterable[Mesh], width: int, height: int) -> Panel:
    left, top, right, bottom = box
    charts = np.zeros((bottom - top, right - left), np.int32)
    # What is seen last: it wins where an imagined surface goes on under it.
    for mesh in sorted(meshes, key=lambda m: not m.imagined):
        corners = mesh.uv[mesh.faces] * np.array([width, height], np.float32) - np.array([left, top], np.float32)
        _rasterise(corners.astype(np.float32), 2 * (1 + mesh.segment) + int(mesh.imagined), charts)
    return Panel(box, scale, charts, _window(charts))


def _window(charts: Int32) -> tuple[slice, slice]:
    used = charts > 0
    spans = []
    for axis in (1, 0):
        there = np.flatnonzero(used.any(axis=axis))
        spans.append(
            slice(max(0, int(there[0]) - PADDING), int(there[-1]) + 1 + PADDING) if len(there) else slice(0, 0)
        )
    return spans[0], spans[1]


@numba.njit(cache=True, nogil=True)
def _rasterise(corners: Float32, value: int, charts: Int32) -> None:
    """Set `value` at every texel whose middle is in one of the (N, 3, 2) triangles, or within half a texel of it."""
    height, width = charts.shape
    for n in range(len(corners)):
        ax, ay = corners[n, 0, 0], corners[n, 0, 1]
        bx, by = corners[n, 1, 0], corners[n, 1, 1]
        cx, cy = corners[n, 2, 0], corners[n, 2, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area < 0:
            bx, by, cx, cy = cx, cy, bx, by
        x0, x1 = max(0, int(np.floor(min(ax, bx, cx) - 0.5))), min(width, int(np.ceil(max(ax, bx, cx) + 0.5)))
        y0, y1 = max(0, int(np.floor(min(ay, by, cy) - 0.5))), min(height, int(np.ceil(max(ay, by, cy) + 0.5)))
        reach_ab = 0.5 * np.hypot(bx - ax, by - ay)
        reach_bc = 0.5 * np.hypot(cx - bx, cy - by)
        reach_ca = 0.5 * np.hypot(ax - cx, ay - cy)
        for y in range(y0, y1):
            py = y + 0.5
            for x in range(x0, x1):
                px = x + 0.5
                if (
                    (bx - ax) * (py - ay) - (by - ay) * (px - ax) >= -reach_ab
                    and (cx - bx) * (py - by) - (cy - by) * (px - bx) >= -reach_bc
                    and (ax - cx) * (py - cy) - (ay - cy) * (px - cx) >= -reach_ca
                ):
                    charts[y, x] = value
