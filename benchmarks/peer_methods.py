"""What users would take instead of Diorama: from a photo and a depth map to a textured or coloured mesh in a file.

One function a method, each `(photo, depth, folder) -> (vertices (N, 3), faces (M, 3))`: it reads both files, makes the
mesh in the camera's frame (x right, y down, z forward, in units of the depth file) and writes it as a file. Run by
`peers.py` in a process of its own for each method, possibly by another Python, so nothing but NumPy is imported here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Mesh = tuple[Any, Any]

RUNS = 3
"""The first one imports, compiles and fills caches; the fastest of the others counts."""


def focal(width: int) -> float:
    """Pixels: of the camera that all methods are given."""
    return 1.2 * width


def diorama(photo: Path, depth: Path, folder: Path) -> Mesh:
    """The original scene: cut at depth edges, reduced to the default budget of triangles, as GLB."""
    return _diorama(photo, depth, folder, triangles=None)


def diorama_whole(photo: Path, depth: Path, folder: Path) -> Mesh:
    """The same without a budget that would reduce it."""
    return _diorama(photo, depth, folder, triangles=1_000_000)


def _diorama(photo: Path, depth: Path, folder: Path, triangles: int | None) -> Mesh:
    from PIL import Image

    from diorama.pipeline import make
    from diorama.settings import Settings

    with Image.open(photo) as opened:
        long_side = max(opened.size)
        focal_px = focal(opened.width)
    given: dict[str, Any] = {"depth": str(depth), "depth_kind": "metric", "focal_px": focal_px}
    if triangles is not None:
        given["triangles"] = triangles
    scene = make(photo, Settings(processing_size=long_side, **given), until="original", fetch=False)
    scene.save(folder / "scene.glb")
    mesh = scene.meshes[0]
    return mesh.vertices, mesh.faces


def trimesh_grid(photo: Path, depth: Path, folder: Path) -> Mesh:
    """A vertex a pixel and two triangles between any four of them, as GLB with the photo as its texture."""
    import trimesh
    from PIL import Image

    picture = Image.open(photo)
    vertices, faces, uv = _grid(np.load(depth))
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=picture, metallicFactor=0, roughnessFactor=1)
    visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    mesh = trimesh.Trimesh(vertices, faces, visual=visual, process=False)
    mesh.export(folder / "scene.glb")
    return vertices, faces


def pyvista_grid(photo: Path, depth: Path, folder: Path) -> Mesh:
    """PyVista's structured grid, triangulated, as PLY with the photo's colours."""
    import pyvista
    from PIL import Image

    picture = np.asarray(Image.open(photo))
    z = np.load(depth)
    points, _, _ = _grid(z)
    x, y, z = (values.reshape(z.shape) for values in points.T)
    surface = pyvista.StructuredGrid(x, y, z).extract_surface(algorithm="dataset_surface").triangulate()
    order = np.asarray(surface["vtkOriginalPointIds"]) if "vtkOriginalPointIds" in surface.point_data else None
    # Structured grids number their points column by column.
    colours = np.ascontiguousarray(picture.transpose(1, 0, 2).reshape(-1, 3))
    surface["rgb"] = colours if order is None else colours[order]
    surface.save(folder / "scene.ply", texture="rgb")
    return np.asarray(surface.points), np.asarray(surface.faces).reshape(-1, 4)[:, 1:]


def _grid(z: Any) -> tuple[Any, Any, Any]:
    """Points of all pixels, two triangles between each four, texture coordinates from below."""
    height, width = z.shape
    f = focal(width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = x + np.float32(0.5), y + np.float32(0.5)
    points = np.stack([(across - width / 2) / f * z, (down - height / 2) / f * z, z], axis=-1).reshape(-1, 3)
    number = np.arange(height * width, dtype=np.int32).reshape(height, width)
    a, b, c, d = number[:-1, :-1].ravel(), number[:-1, 1:].ravel(), number[1:, :-1].ravel(), number[1:, 1:].ravel()
    faces = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    uv = np.stack([across / width, 1 - down / height], axis=-1).reshape(-1, 2)
    return points.astype(np.float32), faces, uv.astype(np.float32)


def open3d_poisson(photo: Path, depth: Path, folder: Path) -> Mesh:
    """Point cloud, normals, Poisson at depth 9, the thinnest hundredth dropped: what most tutorials and apps do."""
    o3d, cloud = _cloud(photo, depth)
    mesh, densities = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(cloud, depth=9, n_threads=2)
    thin = np.asarray(densities)
    mesh.remove_vertices_by_mask(thin < np.quantile(thin, 0.01))
    o3d.io.write_triangle_mesh(str(folder / "scene.ply"), mesh)
    return np.asarray(mesh.vertices), np.asarray(mesh.triangles)


def open3d_ball_pivoting(photo: Path, depth: Path, folder: Path) -> Mesh:
    """Point cloud, normals, ball pivoting with radii from the mean distance of neighbours."""
    o3d, cloud = _cloud(photo, depth)
    near = float(np.mean(cloud.compute_nearest_neighbor_distance()))
    radii = o3d.utility.DoubleVector([near, 2 * near, 4 * near])
    mesh = o3d.geometry.TriangleMesh.create_from_point_cloud_ball_pivoting(cloud, radii)
    o3d.io.write_triangle_mesh(str(folder / "scene.ply"), mesh)
    return np.asarray(mesh.vertices), np.asarray(mesh.triangles)


def _cloud(photo: Path, depth: Path) -> tuple[Any, Any]:
    import open3d as o3d

    colour = o3d.io.read_image(str(photo))
    z = np.load(depth).astype(np.float32)
    height, width = z.shape
    rgbd = o3d.geometry.RGBDImage.create_from_color_and_depth(
        colour, o3d.geometry.Image(z), depth_scale=1.0, depth_trunc=float(z.max()) * 2, convert_rgb_to_intensity=False
    )
    f = focal(width)
    lens = o3d.camera.PinholeCameraIntrinsic(width, height, f, f, width / 2 - 0.5, height / 2 - 0.5)
    cloud = o3d.geometry.PointCloud.create_from_rgbd_image(rgbd, lens)
    cloud.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(30))
    cloud.orient_normals_towards_camera_location(np.zeros(3))
    return o3d, cloud


METHODS: dict[str, tuple[Callable[[Path, Path, Path], Mesh], str]] = {
    "Diorama": (diorama, ""),
    "Diorama, not reduced": (diorama_whole, ""),
    "trimesh, grid": (trimesh_grid, "trimesh"),
    "PyVista, grid": (pyvista_grid, "pyvista"),
    "Open3D, Poisson": (open3d_poisson, "open3d"),
    "Open3D, ball pivoting": (open3d_ball_pivoting, "open3d"),
}
"""By their names in the table: the function, and the package that it needs beside NumPy and Pillow."""


def _peak_mib() -> float:
    """The process's highest memory; where the system tells it otherwise than Linux does, its parent's may count."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1024)


def main(name: str, photo: Path, depth: Path, folder: Path) -> None:
    """Run one method; print its measures as JSON, keep its mesh in `folder`."""
    method = METHODS[name][0]
    seconds, used = [], []
    mesh: Mesh = (np.zeros((0, 3)), np.zeros((0, 3)))
    begun = time.perf_counter()
    for _ in range(RUNS):
        start, before = time.perf_counter(), time.process_time()
        mesh = method(photo, depth, folder)
        seconds.append(time.perf_counter() - start)
        used.append(time.process_time() - before)
        if time.perf_counter() - begun > 40:  # long enough to be sure of the order
            break
    np.savez(folder / "mesh.npz", vertices=np.asarray(mesh[0], np.float32), faces=np.asarray(mesh[1], np.int32))
    warm = slice(1, None) if len(seconds) > 1 else slice(None)
    print(json.dumps({"seconds": min(seconds[warm]), "used": min(used[warm]), "mib": _peak_mib()}), flush=True)
    os._exit(0)  # VTK and Open3D tear down slowly


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:5]))
