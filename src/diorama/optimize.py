"""Choose the reconstruction's parameters by rebuilding and judging."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from diorama.advice import Outcome, ReconstructionAdvice, SceneAdvice, Tuning
from diorama.types import Camera, Float32, Mesh, PointCloud, Scene

METHOD = "none"


def unchanged(scene: Scene) -> Tuning:
    """The scene's own parameters."""
    settings = scene.settings
    return Tuning(
        fov=scene.points.camera.fov_x,
        cut_threshold=settings.cut_threshold,
        smoothing=settings.smoothing,
        camera_travel=settings.camera_travel,
    )


def optimize(
    scene: Scene, advice: SceneAdvice, plan: ReconstructionAdvice, progress: Callable[[float], None]
) -> tuple[Tuning, tuple[str, ...]]:
    """Search."""
    del advice, plan, progress
    return unchanged(scene), ()


def outcomes(scene: Scene, advice: SceneAdvice, plan: ReconstructionAdvice, tuning: Tuning) -> tuple[Outcome, ...]:
    """What became of the advice on parameters."""
    del scene, advice, plan, tuning
    return ()


def moved_points(points: PointCloud, tuning: Tuning) -> PointCloud:
    """The points under the tuned camera and inverse depth; itself, where nothing changes."""
    if _is_identity(points.camera, tuning):
        return points
    z = np.reciprocal(np.float32(tuning.gain) * points.inverse_depth + np.float32(tuning.offset))
    return replace(points, z=np.ascontiguousarray(z, np.float32), camera=points.camera.with_fov(tuning.fov))


def moved_mesh(mesh: Mesh, camera: Camera, tuning: Tuning) -> Mesh:
    """A mesh under the same map of space; itself, where nothing changes."""
    if _is_identity(camera, tuning):
        return mesh
    x, y, z = mesh.vertices.astype(np.float64).T
    new_z = 1 / (tuning.gain / z + tuning.offset)
    zoom = camera.with_fov(tuning.fov).fx / camera.fx
    vertices = np.stack([x / z * new_z / zoom, y / z * new_z / zoom, new_z], axis=1).astype(np.float32)
    return replace(mesh, vertices=vertices, normals=_normals(vertices, mesh))


def _normals(vertices: Float32, mesh: Mesh) -> Float32:
    """Area-weighted vertex normals."""
    corners = vertices[mesh.faces]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros(vertices.shape, np.float64)
    for k in range(3):
        np.add.at(total, mesh.faces[:, k], face)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0, total / np.maximum(length, 1e-30), mesh.normals).astype(np.float32)


def _is_identity(camera: Camera, tuning: Tuning) -> bool:
    return tuning.gain == 1 and tuning.offset == 0 and abs(tuning.fov - camera.fov_x) < 1e-9
