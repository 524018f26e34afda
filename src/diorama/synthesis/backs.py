"""Closed, rounded backs for objects that stand free.

The back is the front once more, seen from behind: each vertex moves away along its ray, by next to nothing on the
silhouette and by the object's thickness in its middle, along a quarter of a circle in between; a narrow wall joins both
along the edge. Texture coordinates stay, so the back shows the front's picture.

A back is for views from the side, beyond the travel: within it nothing of a back is seen beside its front, so that
what was imagined behind the thing is seen whole.
"""

from __future__ import annotations

import numpy as np

from diorama.advice import FusionAdvice, Outcome, fusion_key
from diorama.mesh import vertex_normals
from diorama.synthesis.pieces import Float64, Int64, Pieces, sample
from diorama.types import Bool, Cuts, Float32, Mesh, PointCloud, Segments

FRAME = 1.0
"""Pixels from the picture's border within which an edge is the frame's, not the object's."""

EDGE = 0.02
"""Thickness on the silhouette as a share of the middle's: where it was nothing, triangles of front and back that have
all corners there would be one and the same."""

TUCKED = 0.1
"""Pixels by which the back's edge stands inside of the front's, which is soft, as the back's isn't ..."""

SHOWN = 0.05
"""... and by which it may lag behind that at the full travel."""

HELD = 0.8
"""Share of the way to the silhouette by which it may lag behind there."""

NEAREST = 8
"""Places of the silhouette that are looked at for each vertex."""

ROOM = 0.9
"""Share of the room before what stands behind the object that its back may take."""

MOST_ROUND = 0.98
"""Percentile of the distance to the silhouette that counts as the object's middle."""


def close_back(item: FusionAdvice, pieces: Pieces, segments: Segments, points: PointCloud, cuts: Cuts) -> Outcome:
    """Close an object; the outcome says how thick it got, or why it didn't."""
    key = fusion_key(item)
    segment = item.segments[0]
    name = segments[segment].name
    spans = [s for s in pieces.spans if s.mesh.segment == segment and not s.mesh.imagined and s.mesh.alpha is None]
    faces = [span.mesh.faces.astype(np.int64) + span.start for span in spans if len(span.mesh.faces)]
    if not faces:
        return Outcome(key=key, applied=False, sentence=f"{name}: nothing of it is seen.")
    front = np.concatenate(faces)
    used, local = np.unique(front, return_inverse=True)
    group = np.unique(pieces.group[used], return_inverse=True)[1]
    welded = group[local.reshape(-1, 3)]
    edges = _boundary(welded)
    pixel, disparity = pieces.pixel[used], pieces.disparity[used]
    depth, middle = _profile(segments, segment, cuts, pixel)
    if middle < 2:
        return Outcome(key=key, applied=False, sentence=f"{name}: too thin for a back.")
    z = pieces.reach / disparity
    width = 2 * middle / pieces.camera.fx * float(np.median(z))
    on_rim = np.zeros(int(group.max()) + 1, bool)
    on_rim[edges.ravel()] = True
    framed = _at_frame(pixel, points)
    thickness = item.amount * width * depth
    rim = on_rim[group] & ~framed
    thickness = np.where(rim, 0.0, thickness)
    unseen = _unseen(pieces, pixel, disparity, rim)
    thickness = np.minimum(thickness, np.minimum(ROOM * _room(pieces, segment, pixel, z), unseen))
    # Vertices at one place have one back: the least of theirs.
    least = np.full(int(group.max()) + 1, np.inf)
    np.minimum.at(least, group, thickness)
    thickness = least[group]
    thickest = float(thickness.max())
    if thickest <= 1e-3 * width:
        return Outcome(key=key, applied=False, sentence=f"{name}: what stands behind it leaves no room for a back.")
    thickness = np.maximum(thickness, np.minimum(EDGE * thickest, unseen))
    shell = used, local.reshape(-1, 3), group, edges
    tucked = pixel + TUCKED * rim[:, None] * _inward(pixel, local.reshape(-1, 3), group)
    pieces.backs += _meshes(pieces, *shell, pieces.placed(tucked, z + thickness), f"{name}, back", segment)
    return Outcome(
        key=key,
        applied=True,
        sentence=f"{name}: closed with a rounded back, so that it holds up from the side.",
        before="open behind",
        after=f"{thickest:.2f} units thick, {width:.2f} wide",
    )


def _profile(segments: Segments, segment: int, cuts: Cuts, pixel: Float64) -> tuple[Float64, float]:
    """Thickness of each vertex as a share of the middle's, and the middle's distance to the silhouette in pixels.

    Cuts inside the object, where one part of it hides another, are silhouettes too.
    """
    import cv2

    mask = (segments.labels == segment).astype(np.uint8)
    mask[:, :-1][cuts.right] = 0
    mask[:-1][cuts.down] = 0
    mask = np.pad(mask, 1, mode="edge")
    distance = np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 5), np.float64)[1:-1, 1:-1]
    inside = distance[segments.labels == segment]
    middle = float(np.quantile(inside, MOST_ROUND))
    near = 1 - np.clip(sample(distance, pixel).astype(np.float64) / max(middle, 1e-6), 0, 1)
    return np.sqrt(1 - near**2), middle


def _unseen(pieces: Pieces, pixel: Float64, disparity: Float64, rim: Bool) -> Float64:
    """How thick the object may be at each vertex of the front, in scene units.

    At the full travel the back's vertex lags behind the silhouette by the difference of their disparities: where that
    is more than the way to there, it would come out.
    """
    from scipy.spatial import cKDTree

    least = disparity - SHOWN
    if rim.any():
        way, nearest = cKDTree(pixel[rim]).query(pixel, k=min(NEAREST, int(rim.sum())))
        lag = disparity[rim][nearest.reshape(len(pixel), -1)] - HELD * way.reshape(len(pixel), -1)
        least = np.minimum(least, lag.max(axis=1))
    return np.where(least > 0, pieces.reach / np.maximum(least, 1e-12) - pieces.reach / disparity, np.inf)


def _inward(pixel: Float64, faces: Int64, group: Int64) -> Float64:
    """(N, 2) unit vectors, in the picture, from each vertex to the middle of the faces at its place; 0 where there are
    none to one side."""
    middle = pixel[faces].mean(axis=1)
    total = np.zeros((int(group.max()) + 1, 2))
    for corner in faces.T:
        for axis in (0, 1):
            total[:, axis] += np.bincount(group[corner], (middle - pixel[corner])[:, axis], len(total))
    size = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray((total / np.maximum(size, 1e-9))[group], np.float64)


def _at_frame(pixel: Float64, points: PointCloud) -> Bool:
    camera = points.camera
    size = np.array([camera.width, camera.height])
    return np.asarray(((pixel < FRAME) | (pixel > size - FRAME)).any(axis=1), np.bool_)


def _room(pieces: Pieces, segment: int, pixel: Float64, z: Float64) -> Float64:
    """Distance from each vertex of the front to what was imagined behind it; where nothing was, that of the nearest
    place where something was."""
    from scipy.spatial import cKDTree

    behind = np.flatnonzero(pieces.imagined & (pieces.segment != segment) & (pieces.segment > 0))
    if not len(behind):
        return np.full(len(z), np.inf)
    _, nearest = cKDTree(pieces.pixel[behind]).query(pixel, k=1)
    far = pieces.reach / pieces.disparity[behind][nearest]
    return np.asarray(np.maximum(far - z, 0.0), np.float64)


def _boundary(faces: Int64) -> Int64:
    """(E, 2) directed edges that only one face has, as that face runs along them."""
    edges = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    count = int(faces.max()) + 1
    keys, index, uses = np.unique(np.sort(edges, axis=1) @ np.array([count, 1]), return_index=True, return_counts=True)
    return edges[index[uses == 1]] if len(keys) else edges[:0]


def _meshes(
    pieces: Pieces,
    used: Int64,
    faces: Int64,
    group: Int64,
    edges: Int64,
    behind: Float32,
    name: str,
    segment: int,
) -> list[Mesh]:
    """The front's faces turned round at the back's depth, and the wall between the edges of both."""
    first = np.full(int(group.max()) + 1, -1, np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]
    a, b = first[edges[:, 0]], first[edges[:, 1]]
    turned = np.ascontiguousarray(faces[:, ::-1], np.int32)
    n = np.arange(len(a))
    one, two, three, four = n, n + len(a), n + 2 * len(a), n + 3 * len(a)
    wall = np.concatenate([np.stack([two, one, four], 1), np.stack([two, four, three], 1)]).astype(np.int32)
    rim = pieces.vertices()[used]
    uv = np.concatenate([span.mesh.uv for span in pieces.spans])[used]
    corners = np.concatenate([rim[a], rim[b], behind[b], behind[a]])
    along = uv[np.concatenate([a, b, b, a])]
    return [
        Mesh(behind, turned, uv, vertex_normals(behind, turned), name, None, True, segment),
        Mesh(corners, wall, along, vertex_normals(corners, wall), name, None, True, segment),
    ]
