"""Fewer triangles in a finished scene, for files that have to be small.

All of it happens in picture space (x px, y px, inverse depth), where an error is what is seen. Vertices are clustered
(see `clusters`), which makes borders coarse and leaves no gap; then edges inside collapse by quadric error (Garland and
Heckbert 1997), and borders stay. A mesh's texture coordinates are an even map of picture space, so they are known
wherever a vertex goes, but for what the nearest vertex's differ by; where they follow no such map, the nearest vertex's
are taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from diorama.export.clusters import Places, border_places, clustered, welded
from diorama.mesh import vertex_normals
from diorama.types import Camera, Float32, Mesh, Scene

EVEN_TEXELS = 2.0
"""Texture coordinates that are this near to an even map of the picture follow it."""

FEWEST = 8
"""Triangles below which nothing is gained."""

FINE = 4000
"""Triangles from which on a back is worth the trouble."""

BACK_SHARE = 0.1

DEPTH_PX = 120.0
"""Pixels of parallax that stand for the nearest point's inverse depth: those of the default travel on 1536 px."""

HASTE = 8
"""fast-simplification's aggressiveness; lower ones stop long before the target on meshes of many small pieces."""


@dataclass(frozen=True)
class Detail:
    """How much of a surface is kept."""

    cell: float  # px of a photo of 1536 x 1024; 0: vertices are not clustered
    share: float  # of the triangles that are left then


WHOLE = Detail(0, 1)


def reduced(scene: Scene, visible: Detail, imagined: Detail, *, rims: bool = True, backs: bool = True) -> Scene:
    """The scene with fewer triangles.

    Args:
        visible, imagined: of what the photo shows, and of what was imagined.
        rims: whether soft rims stay; they are as they were.
        backs: whether the closed backs of things that stand free stay.
    """
    meshes = []
    seen = [mesh for mesh in scene.meshes if not mesh.imagined and mesh.alpha is None]
    borders = _borders(seen, scene, visible.cell) if visible.cell else None
    for mesh in scene.meshes:
        if mesh.alpha is not None:
            if rims:
                meshes.append(mesh)
            continue
        if mesh.imagined and mesh.name.endswith(", back") and not backs:
            continue
        if not mesh.imagined:
            meshes.append(_reduced(mesh, visible, scene, borders))
            continue
        own = _borders([mesh], scene, imagined.cell) if imagined.cell else None
        meshes.append(_reduced(mesh, imagined, scene, own))
    return replace(scene, meshes=tuple(meshes))


def without_detail_behind(scene: Scene) -> Scene:
    """The scene with coarse backs: nobody sees them within the travel that is allowed. Their borders, where they meet
    the front, stay."""
    meshes = (
        _reduced(mesh, Detail(0, BACK_SHARE), scene, None)
        if mesh.imagined and mesh.name.endswith(", back") and len(mesh.faces) > FINE
        else mesh
        for mesh in scene.meshes
    )
    return replace(scene, meshes=tuple(meshes))


def _unit(camera: Camera) -> float:
    """Pixels of the scene's photo for one of a photo of 1536 x 1024; at least a half, since grids are no finer."""
    return max(camera.diagonal / float(np.hypot(1536, 1024)), 0.5)


def _scale(scene: Scene) -> float:
    return DEPTH_PX * _unit(scene.camera) * float(scene.points.z.min())


def _borders(meshes: list[Mesh], scene: Scene, cell: float) -> Places:
    flat = [welded(_flattened(mesh.vertices, scene.camera, _scale(scene)), mesh.faces) for mesh in meshes]
    return border_places(flat, cell * _unit(scene.camera))


def _reduced(mesh: Mesh, detail: Detail, scene: Scene, borders: Places | None) -> Mesh:
    if len(mesh.faces) < 2 * FEWEST or detail == WHOLE:
        return mesh
    import fast_simplification

    camera, scale = scene.camera, _scale(scene)
    flat = _flattened(mesh.vertices, camera, scale)
    found, faces = welded(flat, mesh.faces)
    if borders is not None:
        found, faces = clustered(found, faces, detail.cell * _unit(camera), borders)
    target = int(len(faces) * detail.share)
    if FEWEST <= target < len(faces):
        found, faces = fast_simplification.simplify(found, faces, target_count=target, agg=HASTE, preserve_border=True)
    if not len(faces):
        return mesh
    uv = _looked_up(flat, mesh.uv, found, scene.texture.shape)
    z = scale / np.clip(found[:, 2], flat[:, 2].min(), flat[:, 2].max())
    place = [(found[:, 0] - camera.cx) / camera.fx * z, (found[:, 1] - camera.cy) / camera.fy * z, z]
    vertices = np.ascontiguousarray(np.stack(place, axis=1), np.float32)
    faces = np.ascontiguousarray(faces, np.int32)
    return replace(mesh, vertices=vertices, faces=faces, uv=uv, normals=vertex_normals(vertices, faces))


def _flattened(vertices: Float32, camera: Camera, scale: float) -> Float32:
    x, y, z = vertices.T
    flat = [camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy, scale / z]
    return np.ascontiguousarray(np.stack(flat, axis=1), np.float32)


def _looked_up(flat: Float32, uv: Float32, found: Float32, texture: tuple[int, ...]) -> Float32:
    """Texture coordinates (N, 2) at `found`, from those at `flat`."""

    def with_one(points: Float32) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return np.concatenate([points[:, :2], np.ones_like(points[:, :1])], axis=1).astype(float)

    from scipy.spatial import cKDTree

    even = np.linalg.lstsq(with_one(flat), uv.astype(float), rcond=None)[0]
    off = uv - with_one(flat) @ even
    nearest = cKDTree(flat).query(found)[1]
    smooth = float((np.abs(off) * (texture[1], texture[0])).max()) <= EVEN_TEXELS
    # Vertices beside a border are drawn to their own side by a part of a texel: so are the new ones.
    looked = with_one(found) @ even + off[nearest] if smooth else uv[nearest]
    return np.ascontiguousarray(np.clip(looked, 0, 1), np.float32)
