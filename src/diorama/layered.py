"""The AI-enhanced scene: visible and imagined surfaces as named meshes over one texture atlas.

The atlas has a panel for each surface, a picture of the widened grid: first what is visible, continued beyond the
frame, then the hidden ones. What a panel doesn't show is filled with what it does, so that compression and filtering
find nothing else at a chart's edge.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from diorama import memory
from diorama.atlas import Atlas
from diorama.cuts import near_inverse_depth
from diorama.frame_lines import find_frame_lines
from diorama.layers import LayeredDepth, Surface, bridged, find_layers, jumps
from diorama.mesh import triangulate
from diorama.rims import GIVEN, Doubt, ribbon, unmix, without_unseen
from diorama.settings import Settings
from diorama.types import Bool, Cuts, Float32, Layered, Mesh, Photo, PointCloud, Segments, UInt8

Fill = Callable[[UInt8, Bool, Bool, Float32, Float32], UInt8]
"""(rgb, hole, known, disparity of what is imagined, disparity of what is seen) -> rgb; see `inpaint.fill`."""

OVERLAP = 2
"""Pixels by which an imagined surface goes on under the visible one that it continues: no crack opens at the seam."""

BEHIND = 0.97
"""Share of the disparity there, so that the visible surface wins; reduced meshes are a per cent or so off."""

FARTHEST = 0.85
"""Share of the smallest disparity at which the backdrop stands."""

MIN_TRIANGLES = 1000
RAGGED = 0.6
"""Share of a hidden surface's triangles that stay whatever the budget: it is narrow, so nearly all are at its border.
With 0.4, all that can go, meshing takes twice as long and views of Motorcycle lose 0.05 dB in the holes."""

UNLIMITED = 10_000_000

BACKDROP = "Backdrop"


def build(
    points: PointCloud,
    cuts: Cuts,
    photo: Photo,
    segments: Segments,
    settings: Settings,
    fill: Fill,
    doubt: Doubt = GIVEN,
) -> tuple[Layered, tuple[str, ...]]:
    """`imagine` and `Imagined.split` in one: the layered scene and warnings."""
    imagined = imagine(points, cuts, photo, settings, fill, doubt)
    return imagined.split(segments), imagined.warnings


def imagine(
    points: PointCloud, cuts: Cuts, photo: Photo, settings: Settings, fill: Fill, doubt: Doubt = GIVEN
) -> Imagined:
    """Imagine what the allowed travel can show, and build everything as meshes.

    Args:
        points, cuts: at processing size.
        photo: at texture size.
        fill: the inpainter.
        doubt: how far depth edges may be off the photo's.
    """
    cuts = without_unseen(cuts, points.rgb, points.inverse_depth, near_inverse_depth(points), points.opaque)
    with ThreadPoolExecutor(1) as other:
        unmixed = other.submit(unmix, points.rgb, points.inverse_depth, cuts, settings.rim_width, doubt)
        scale, depth = _layers(points, cuts, settings, 1 + doubt.wider)
        clean_rgb = unmixed.result()
    margin = depth.margin
    grid_rgb = _wide(clean_rgb, margin)
    depth = bridged(depth, grid_rgb, doubt.steepest)
    visible = depth.surfaces[0]
    beyond = depth.needed & ~depth.inside
    # The foreground's rims may still hold colours of the background.
    seen = depth.needed & ~depth.unsure

    def panel(surface: Surface) -> UInt8:
        guide = np.where(surface.there, surface.disparity, visible.disparity)
        return fill(first, surface.there, seen, guide, visible.disparity)

    with ThreadPoolExecutor(1) as other:
        # Shapes and colours don't need each other, and both leave Python to others most of the time.
        shapes = other.submit(_shapes, depth, scale, settings, doubt)
        memory.ease()
        first = _continued(grid_rgb, points.opaque, depth, fill)
        memory.ease()
        # One after the other: a second one beside it would come sooner by a little, and take 190 MiB more at the peak.
        panels = [first, *map(panel, depth.surfaces[1:])]
        meshes, rim, warnings = shapes.result()
    repainted = np.pad(_differ(clean_rgb, points.rgb), margin) | depth.inside & _differ(first, grid_rgb)
    memory.ease()
    atlas = Atlas(depth, photo, panels, repainted, settings.texture_size)
    backdrop = _backdrop(depth, scale, atlas) if points.opaque is None else None
    area = sum(int(np.count_nonzero(s.there)) for s in depth.surfaces[1:]) + int(np.count_nonzero(beyond))
    return Imagined(depth, atlas, meshes, rim, backdrop, area / points.z.size, warnings)


@dataclass(frozen=True)
class Imagined:
    """The layered scene while nobody knows yet what is in the photo."""

    depth: LayeredDepth
    atlas: Atlas
    meshes: list[Mesh]  # of each surface
    rim: _Rim | None
    backdrop: Mesh | None
    area: float  # that was imagined, as a share of the photo's
    warnings: tuple[str, ...]

    def split(self, segments: Segments) -> Layered:
        """The scene, its meshes split into the segments (at processing size)."""
        names = _Names(segments, self.depth)
        pieces: list[Mesh] = []
        for number, (surface, mesh) in enumerate(zip(self.depth.surfaces, self.meshes, strict=True)):
            pieces += names.split(mesh, surface, self.atlas.place(mesh.uv, number), hidden=number > 0)
        if self.rim is not None:
            uv = self.atlas.place(self.rim.uv, 0)
            pieces += names.split(self.rim.mesh, self.rim.surface, uv, hidden=True, ribbon=True)
        if self.backdrop is not None:
            pieces.append(self.backdrop)
        return Layered(self.atlas.rgb, tuple(pieces), self.area)


def _shapes(
    depth: LayeredDepth, scale: np.float32, settings: Settings, doubt: Doubt
) -> tuple[list[Mesh], _Rim | None, tuple[str, ...]]:
    """The surfaces' meshes, the foreground's soft edges, and warnings."""
    budget = _budgets(depth, settings.triangles)
    meshes = []
    warnings: tuple[str, ...] = ()
    for number, surface in enumerate(depth.surfaces):
        shown = surface if number == 0 else _overlapping(surface, depth)
        mesh, said = _triangulated(shown, scale, depth, budget[number], RAGGED if number else 0.0)
        meshes.append(mesh)
        warnings += said if number == 0 else ()
    return meshes, _rim(depth, scale, settings, doubt), warnings


def _layers(points: PointCloud, cuts: Cuts, settings: Settings, strip: int) -> tuple[np.float32, LayeredDepth]:
    # Pixels of parallax at the allowed travel, the unit of everything here.
    reach = settings.camera_travel / 100 * points.camera.diagonal
    scale = np.float32(reach / near_inverse_depth(points))
    threshold = settings.cut_threshold / 100 * reach
    disparity = np.asarray(scale * points.inverse_depth, np.float32)
    return scale, find_layers(disparity, cuts, points.camera, threshold, points.opaque, settings.border, strip)


def _continued(grid_rgb: UInt8, opaque: Bool | None, depth: LayeredDepth, fill: Fill) -> UInt8:
    """The picture of the visible surface, continued beyond the photo's frame, and its lines without content repainted.

    They can't stay: as soon as the camera moves, they lie as a wire across the picture.
    """
    disparity = depth.surfaces[0].disparity
    if opaque is not None:
        return fill(grid_rgb, depth.needed & ~depth.inside, _wide_mask(opaque, depth), disparity, disparity)
    margin = depth.margin
    photo = grid_rgb[margin:-margin, margin:-margin]
    content = np.pad(find_frame_lines(photo).inside(*photo.shape[:2]), margin)
    return fill(grid_rgb, depth.needed & ~content, content, disparity, disparity)


def _differ(one: UInt8, other: UInt8) -> Bool:
    """(H, W), where two pictures do. (`any` over three channels takes ten times as long.)"""
    unequal = one != other
    return np.asarray(unequal[..., 0] | unequal[..., 1] | unequal[..., 2])


def _wide(picture: UInt8, margin: int) -> UInt8:
    return np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="edge")


def _wide_mask(opaque: Bool | None, depth: LayeredDepth) -> Bool:
    return depth.inside if opaque is None else np.pad(opaque, depth.margin)


def _budgets(depth: LayeredDepth, triangles: int) -> list[int]:
    """Triangles for each surface, by its area; the visible one counts twice."""
    area = [np.count_nonzero(surface.there) * (2 if k == 0 else 1) for k, surface in enumerate(depth.surfaces)]
    return [max(MIN_TRIANGLES, int(triangles * a / sum(area))) for a in area]


def _overlapping(surface: Surface, depth: LayeredDepth) -> Surface:
    """The surface, going on a little under those that it continues."""
    import cv2

    visible = depth.surfaces[0]
    grown = cv2.dilate(surface.there.astype(np.uint8), np.ones((2 * OVERLAP + 1,) * 2, np.uint8)) > 0
    grown &= visible.there & ~depth.near_side | surface.there
    added = grown & ~surface.there
    disparity = surface.disparity.copy()
    disparity[added] *= np.float32(BEHIND)
    inner = surface.there[:, 1:] & surface.there[:, :-1], surface.there[1:] & surface.there[:-1]
    torn = jumps(disparity, grown, surface.jump)
    right, down = np.where(inner[0], surface.cuts.right, torn.right), np.where(inner[1], surface.cuts.down, torn.down)
    return replace(surface, disparity=disparity, there=grown, cuts=Cuts(right, down))


def _triangulated(
    surface: Surface, scale: np.float32, depth: LayeredDepth, budget: int, kept: float = 0.0
) -> tuple[Mesh, tuple[str, ...]]:
    """The surface's mesh; its texture coordinates are over the widened grid."""
    rows, columns = (np.flatnonzero(surface.there.any(axis=axis)) for axis in (1, 0))
    top, end, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    window = np.s_[top:end, left:right]
    there = np.ascontiguousarray(surface.there[window])
    z = np.ascontiguousarray(scale / np.maximum(surface.disparity[window], np.float32(1e-3)), np.float32)
    whole, height, width = depth.camera, int(end - top), int(right - left)
    camera = replace(whole, cx=whole.cx - float(left), cy=whole.cy - float(top), width=width, height=height)
    cuts = Cuts(surface.cuts.right[top:end, left : right - 1], surface.cuts.down[top : end - 1, left:right])
    blank = np.broadcast_to(np.uint8(0), (*z.shape, 3))
    mesh, warnings = triangulate(PointCloud(z, blank, there, camera, there), cuts, budget, kept)
    grid = np.array([whole.width, whole.height], np.float32)
    uv = (_inset(mesh, scale, there, z, surface.jump) + np.array([left, top], np.float32)) / grid
    return replace(mesh, uv=uv.astype(np.float32)), warnings


def _inset(mesh: Mesh, scale: np.float32, there: Bool, z: Float32, jump: float) -> Float32:
    """(N, 2) texture coordinates in pixels, at an edge of the surface half a pixel inside it: filtering takes in no
    pixel of what lies across the edge."""
    height, width = there.shape
    place = mesh.uv * np.array([width, height], np.float32)
    corner = place.round().astype(int)
    total, count = np.zeros_like(place), np.zeros(len(place), np.float32)
    for dy, dx in ((-1, -1), (-1, 0), (0, -1), (0, 0)):
        x, y = np.clip(corner[:, 0] + dx, 0, width - 1), np.clip(corner[:, 1] + dy, 0, height - 1)
        own = there[y, x] & (np.abs(scale / z[y, x] - scale / mesh.vertices[:, 2]) < jump / 2)
        total += np.where(own[:, None], np.stack([x, y], axis=1) + np.float32(0.5), 0)
        count += own
    edge = (count > 0) & (count < 4)
    return np.where(edge[:, None], total / np.maximum(count, 1)[:, None], place)


class _Names:
    """Splits a mesh into the segments that its triangles belong to."""

    def __init__(self, segments: Segments, depth: LayeredDepth) -> None:
        self.items = {item.id: item.name for item in segments.items}
        self.labels = np.pad(segments.labels, depth.margin, mode="edge")
        self.inside = depth.inside

    def split(self, mesh: Mesh, surface: Surface, uv: Float32, *, hidden: bool, ribbon: bool = False) -> list[Mesh]:
        """A mesh a segment, what is seen in the photo apart from what is imagined."""
        height, width = self.labels.shape
        a, b, c = mesh.faces.T
        middle = (mesh.uv[a] + mesh.uv[b] + mesh.uv[c]) / 3
        column = np.clip((middle[:, 0] * width).astype(np.int64), 0, width - 1)
        row = np.clip((middle[:, 1] * height).astype(np.int64), 0, height - 1)
        seed = surface.seed[row, column]
        label = np.where(seed >= 0, self.labels.ravel()[np.maximum(seed, 0)], self.labels[row, column])
        imagined = ~self.inside[row, column] | (hidden and not ribbon)
        parts = []
        for name_id in np.unique(label):
            for unseen in (False, True):
                chosen = (label == name_id) & (imagined == unseen)
                if chosen.any():
                    part = _part(mesh, uv, chosen, unseen, int(name_id))
                    name = part.piece_name(self.items.get(int(name_id), BACKDROP))
                    parts.append(replace(part, name=name))
        return parts


def _part(mesh: Mesh, uv: Float32, chosen: Bool, imagined: bool, segment: int) -> Mesh:
    faces = mesh.faces[chosen]
    used = np.zeros(len(mesh.vertices), bool)
    used[faces.ravel()] = True
    number = np.cumsum(used, dtype=np.int32) - np.int32(1)
    alpha = None if mesh.alpha is None else mesh.alpha[used]
    return Mesh(
        mesh.vertices[used],
        number[faces].astype(np.int32),
        uv[used],
        mesh.normals[used],
        alpha=alpha,
        imagined=imagined,
        segment=segment,
    )


@dataclass(frozen=True)
class _Rim:
    """The foreground's soft edges: its own depth and colour, fading out over the background."""

    surface: Surface
    mesh: Mesh
    uv: Float32  # (N, 2) over the widened grid: where the foreground's colours are


def _rim(depth: LayeredDepth, scale: np.float32, settings: Settings, doubt: Doubt) -> _Rim | None:
    visible = depth.surfaces[0]
    allowed = depth.needed & depth.far_side_within(settings.rim_width)
    there, source, opacity = ribbon(depth.near_side & visible.there, allowed, settings.rim_width, doubt.opacity)
    if not there.any():
        return None
    disparity = visible.disparity.copy()
    disparity[there] = visible.disparity.flat[source[there]]
    # Only where the foreground really stands in front.
    there &= disparity > visible.disparity + visible.jump / 2
    if not there.any():
        return None
    seed = np.where(there, source, np.int32(-1))
    surface = Surface(disparity, there, jumps(disparity, there, visible.jump), seed, visible.jump)
    mesh, _ = _triangulated(surface, scale, depth, UNLIMITED)
    height, width = there.shape
    # A corner takes what the ribbon's pixels around it have.
    column, row = (mesh.uv[:, 0] * width).round().astype(int), (mesh.uv[:, 1] * height).round().astype(int)
    weight = np.zeros((height + 1, width + 1), np.float32)
    faded = np.zeros_like(weight)
    along = np.zeros((2, *weight.shape), np.float32)
    ys, xs = np.divmod(np.flatnonzero(there), width)
    position = np.unravel_index(source[ys, xs], source.shape)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        corner = ys + dy, xs + dx
        weight[corner] += 1
        faded[corner] += opacity[ys, xs]
        for axis in (0, 1):
            along[axis][corner] += position[axis] + 0.5
    some = np.maximum(weight[row, column], 1)
    alpha = np.clip(faded[row, column] / some, 0, 1).astype(np.float32)
    uv = np.stack([along[1][row, column] / some / width, along[0][row, column] / some / height], axis=1)
    return _Rim(surface, replace(mesh, alpha=alpha), uv.astype(np.float32))


def _backdrop(depth: LayeredDepth, scale: np.float32, atlas: Atlas) -> Mesh:
    """A plane behind everything, over the whole widened frame: where two edges meet a pinhole may open."""
    visible = depth.surfaces[0].disparity
    camera = depth.camera
    z = scale / (np.float32(FARTHEST) * visible.min())
    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0)], np.float32)
    x = (corners[:, 0] * camera.width - camera.cx) / camera.fx * z
    y = (corners[:, 1] * camera.height - camera.cy) / camera.fy * z
    vertices = np.stack([x, y, np.full(4, z)], axis=1).astype(np.float32)
    faces = np.array([(0, 1, 2), (0, 2, 3)], np.int32)
    normals = np.tile(np.array([0, 0, -1], np.float32), (4, 1))
    return Mesh(vertices, faces, atlas.place(corners, -1), normals, BACKDROP, None, True)
