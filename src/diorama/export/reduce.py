"""Fewer triangles in a finished scene, for files that have to be small.

Edges collapse by quadric error (Garland and Heckbert 1997) in picture space (x px, y px, inverse depth), where an error
is what is seen. A mesh's texture coordinates are an even map of picture space, so they are known wherever a vertex
goes; where they are not (soft rims), the nearest vertex's are taken.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diorama.mesh import vertex_normals
from diorama.types import Camera, Float32, Mesh, Scene

EVEN_TEXELS = 0.1
"""Texture coordinates that are this near to an even map of the picture are one."""

FEWEST = 8
"""Triangles below which nothing is gained."""

FINE = 4000
"""Triangles from which on a back is worth the trouble."""

BACK_SHARE = 0.1

DEPTH_PX = 120.0
"""Pixels of parallax that stand for the nearest point's inverse depth: those of the default travel on 1536 px."""

HASTE = 8
"""fast-simplification's aggressiveness; lower ones stop long before the target on meshes of many small pieces."""


def reduced(scene: Scene, visible: float, imagined: float, *, rims: bool = True, backs: bool = True) -> Scene:
    """The scene with about these shares of its triangles.

    Args:
        visible, imagined: shares of what the photo shows and of what was imagined; 1 leaves them as they are.
        rims: whether soft rims stay; they are as they were.
        backs: whether the closed backs of things that stand free stay.
    """
    meshes = []
    for mesh in scene.meshes:
        if mesh.alpha is not None:
            if rims:
                meshes.append(mesh)
            continue
        if mesh.imagined and mesh.name.endswith(", back") and not backs:
            continue
        meshes.append(_reduced(mesh, imagined if mesh.imagined else visible, scene))
    return replace(scene, meshes=tuple(meshes))


def without_detail_behind(scene: Scene) -> Scene:
    """The scene with coarse backs: nobody sees them within the travel that is allowed. Their borders, where they meet
    the front, stay."""
    meshes = (
        _reduced(mesh, BACK_SHARE, scene, border=True)
        if mesh.imagined and mesh.name.endswith(", back") and len(mesh.faces) > FINE
        else mesh
        for mesh in scene.meshes
    )
    return replace(scene, meshes=tuple(meshes))


def _reduced(mesh: Mesh, share: float, scene: Scene, *, border: bool = False) -> Mesh:
    target = int(len(mesh.faces) * share)
    if share >= 1 or target < FEWEST:
        return mesh
    import fast_simplification

    camera = scene.camera
    nearest = float(scene.points.z.min())
    scale = DEPTH_PX * camera.diagonal / np.hypot(1536, 1024) * nearest
    flat = _flattened(mesh.vertices, camera, scale)
    found, faces = fast_simplification.simplify(
        flat, mesh.faces, target_count=target, agg=HASTE, preserve_border=border
    )
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

    even = np.linalg.lstsq(with_one(flat), uv.astype(float), rcond=None)[0]
    off = np.abs(with_one(flat) @ even - uv) * (texture[1], texture[0])
    if float(off.max()) <= EVEN_TEXELS:
        looked = with_one(found) @ even
    else:
        from scipy.spatial import cKDTree

        looked = uv[cKDTree(flat).query(found)[1]]
    return np.ascontiguousarray(np.clip(looked, 0, 1), np.float32)
