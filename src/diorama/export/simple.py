"""Products that need no options: each names the function that writes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diorama import bundle
from diorama.export import normals, obj, ply
from diorama.export.depthmap import write_depth
from diorama.export.segments import write_annotated, write_coco
from diorama.products import Options, ProductProgress
from diorama.types import Scene

Make = Callable[[Scene, Path, Options, ProductProgress], tuple[str, ...]]


def _plain(write: Callable[[Scene, Path], None]) -> Make:
    def make(scene: Scene, path: Path, _options: Options, _progress: ProductProgress) -> tuple[str, ...]:
        write(scene, path)
        return ()

    return make


def _points(scene: Scene, path: Path) -> None:
    ply.write_points(scene.points, path, units=scene.units)


def _exr(scene: Scene, path: Path) -> None:
    write_depth(scene.depth, (scene.photo.width, scene.photo.height), path, z=scene.points.z)


def _depth(scene: Scene, path: Path) -> None:
    write_depth(scene.depth, (scene.photo.width, scene.photo.height), path)


def obj_folder(scene: Scene, path: Path, _options: Options, _progress: ProductProgress) -> tuple[str, ...]:
    """The product `.obj`, three files."""
    return obj.write_folder(scene, path)


obj_zip, mesh_ply, points_ply = _plain(obj.write), _plain(ply.write_mesh), _plain(_points)
depth, depth_exr, normals_png = _plain(_depth), _plain(_exr), _plain(normals.write)
coco_json, annotated_png, bundle_zip = _plain(write_coco), _plain(write_annotated), _plain(bundle.write)
