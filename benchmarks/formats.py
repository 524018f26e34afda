"""Every format of some photos: bytes, seconds, who reads it, geometric error, PSNR from the photo's camera.

    python benchmarks/formats.py PHOTO_OR_SCENE...

A `.diorama` file is taken as it is, a photo is made into a scene first (with the default settings). Geometry is read
back by trimesh, DracoPy, plyfile or usd-core, and compared with the scene: the largest distance of a vertex from where
it was, as a share of the scene's size (a GLB's is that of its coarse backs, which nobody sees). Splats are drawn by
`splatter`, GLBs by their own report.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial import cKDTree

import diorama
import splatter
from diorama.types import Scene

FLIP = np.array([1, -1, -1])

CASES: tuple[tuple[str, dict[str, object]], ...] = (
    ("glb", {}), ("glb", {"quantize": True}), ("glb", {"draco": True}), ("glb", {"max_mb": 0.5}),
    ("glb", {"max_mb": 0.5, "draco": True}), ("gltf.zip", {}), ("obj.zip", {}), ("ply", {}), ("points.ply", {}),
    ("stl", {}), ("relief.stl", {}), ("usdz", {}), ("splat.ply", {}), ("depth.png", {}), ("exr", {}),
    ("normals.exr", {}), ("mask.exr", {}), ("rgbd.png", {}), ("quilt.png", {}), ("coco.json", {}), ("diorama", {}),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", type=Path)
    for source in parser.parse_args().sources:
        scene = Scene.load(source) if source.suffix == ".diorama" else diorama.make(source)
        print(f"\n{source.stem}: {scene.photo.width} x {scene.photo.height}")
        print(f"{'format':34} {'bytes':>12} {'s':>6}  {'reader':9} {'error':>8}  dB and notes")
        with tempfile.TemporaryDirectory() as folder:
            for name, options in CASES:
                _measure(scene, name, options, Path(folder) / f"x.{name}")


def _measure(scene: Scene, name: str, options: dict[str, object], path: Path) -> None:
    start = time.perf_counter()
    notes = scene.save(path, **options)
    seconds = time.perf_counter() - start
    reader, points = _points(name, options, path)
    error = "" if points is None else f"{_error(scene, points):.1e}"
    shown = " ".join(notes)
    if name == "splat.ply":
        seen = splatter.draw(splatter.read(path), scene.camera).astype(float)
        shown = f"{10 * np.log10(255**2 / np.mean((seen - scene.photo.rgb) ** 2)):.1f} dB. {shown}"
    said = " ".join(f"{key}={value}" for key, value in options.items())
    print(
        f"{name + ' ' + said:34} {path.stat().st_size:12,} {seconds:6.1f}  {reader:9} {error:>8}  {shown}", flush=True
    )


def _points(name: str, options: dict[str, object], path: Path) -> tuple[str, np.ndarray | None]:
    if name == "glb" and "draco" in options:
        return "DracoPy", None  # the tests decode it
    if name == "glb" and "max_mb" not in options:
        return "trimesh", np.concatenate([one.vertices for one in trimesh.load(path, process=False).dump()])
    if name in ("ply", "points.ply"):
        return "trimesh", np.asarray(trimesh.load(path, process=False).vertices)
    if name.endswith("stl"):
        mesh = trimesh.load(path)
        return "trimesh" if mesh.is_watertight and mesh.volume > 0 else "LEAKS", None
    if name == "usdz":
        from pxr import Usd, UsdGeom, UsdValidation

        stage = Usd.Stage.Open(str(path))
        registry = UsdValidation.ValidationRegistry()
        found = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators()).Validate(stage)
        meshes = [UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)]
        points = np.concatenate([np.asarray(mesh.GetPointsAttr().Get()) for mesh in meshes])
        return "usd-core" if not found else "INVALID", points
    return "", None


def _error(scene: Scene, points: np.ndarray) -> float:
    """The farthest that a read point is from the nearest one that the scene has, as a share of the scene's size."""
    known = np.concatenate([*(mesh.vertices for mesh in scene.meshes), scene.points.positions.reshape(-1, 3)]) * FLIP
    size = np.ptp(known, axis=0).max()
    return float(cKDTree(known).query(points[:: max(1, len(points) // 50_000)])[0].max() / size)


if __name__ == "__main__":
    main()
