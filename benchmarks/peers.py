"""Diorama beside what users would take instead: the same photo, the same depth map.

    python benchmarks/peers.py                       scikit-image's Motorcycle, with its true disparity
    python benchmarks/peers.py STEREO                NAME/left.png, right.png, disparity.png (16 bits, x 256, 0 unknown)
    python benchmarks/peers.py --python PYTHON       an environment's Python that has the peers: pip install open3d
                                                     pyvista trimesh pillow. Those that are missing are left out.

**Meshes**: a photo and a file of true distances become a mesh in a file, by `peer_methods.py`. Grids of trimesh and
PyVista do the work of "Diorama, not reduced", less the cuts at depth edges; "Diorama" is the default, which reduces
that mesh to a budget of triangles, a step that no peer takes. Each method runs in a process of its own: seconds (and
processor seconds) of the faster of two warm runs, the highest memory of the process.
Geometric error: each mesh is drawn from the photo's own camera and from four moved by half a baseline to a whole one,
and every pixel's surface point is taken back to the photo's camera and compared with the true disparity there, the
nearest of the 3 x 3 pixels around it; what lies behind all of them is hidden from the photo, so nobody knows. Root mean
square in pixels of disparity, and the share of points that are off by more than one. Coverage: pixels that show any
surface, from the photo's camera, and from the moved ones of those that the true surface covers there.

**Views**: the photo's view from a baseline beside it, from the same two files: milliseconds a view, PSNR against the
other picture of the pair, coverage. The peer cuts the picture into layers by disparity, moves each with OpenCV's
`warpAffine`, from the back to the front, and fills what is left by `cv2.inpaint`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from diorama import raster
from diorama.pipeline import make
from diorama.render import Renderer
from diorama.settings import Settings
from diorama.types import Camera
from novel_view import BORDER, dense, motorcycle, stereo_pairs
from peer_methods import METHODS, focal

Float32 = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]

CAMERAS = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (-0.5, -0.5, 0.0))
"""In baselines: x right, y down, z forward. The first is the photo's."""

WARP_LAYERS = 24
REPEATS = 12

MESH_HEAD = ["photo", "method", "seconds", "MiB", "triangles", "error px", "off by > 1 px", "covered", "covered, moved"]
VIEW_HEAD = ["photo", "method", "ms a view", "PSNR", "covered"]

HERE = Path(__file__).resolve().parent


def drawn(vertices: Float32, faces: Any, camera: Camera, move: tuple[float, float, float]) -> Float32:
    """Distances (H, W) of a mesh's nearest surface at the middles of pixels; infinite where there is none."""
    lens = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    screen = np.empty((len(vertices), 3))
    raster.project(vertices, np.asarray(move, float), np.eye(3), lens, 1e-6, 0, len(vertices), screen)
    screen[:, :2] /= raster.SAMPLES  # so that the rasteriser's samples are the middles of pixels
    height, width = camera.height, camera.width
    before = np.flatnonzero((screen[faces, 2] > 0).all(axis=1)).astype(np.int32)
    inverse = np.zeros((height, width), np.float32)
    number = np.full((height, width), -1, np.int32)
    raster.rasterise(screen, faces, before, 0, inverse, number, np.zeros(len(faces), bool))
    with np.errstate(divide="ignore"):
        return np.asarray(1 / inverse, np.float32)


def compared(z: Float32, move: tuple[float, float, float], camera: Camera, truth: Float32, known: Bool) -> Float32:
    """Errors in pixels of disparity of a view's surface points, where the truth is known and they are not hidden."""
    rows, columns = np.nonzero(np.isfinite(z))
    distance = z[rows, columns].astype(np.float64)
    x = (columns + 0.5 - camera.cx) / camera.fx * distance + move[0]
    y = (rows + 0.5 - camera.cy) / camera.fy * distance + move[1]
    distance = distance + move[2]
    u = np.floor(x / distance * camera.fx + camera.cx).astype(int)
    v = np.floor(y / distance * camera.fy + camera.cy).astype(int)
    inside = (u >= 0) & (v >= 0) & (u < camera.width) & (v < camera.height)
    u, v, found = u[inside], v[inside], (camera.fx / distance[inside]).astype(np.float32)
    window = np.ones((3, 3), np.uint8)
    farthest = cv2.erode(truth, window)[v, u]
    all_known = cv2.erode(known.astype(np.uint8), window)[v, u] > 0
    judged = all_known & ((found >= farthest - 1) | (np.hypot(*move[:2]) == 0))
    u, v, found = u[judged], v[judged], found[judged]
    padded = np.pad(truth, 1, mode="edge")
    error = np.full(len(found), np.inf, np.float32)
    for dy in range(3):
        for dx in range(3):
            error = np.minimum(error, np.abs(padded[v + dy, u + dx] - found))
    return error


def judged(vertices: Float32, faces: Any, camera: Camera, truth: Float32, known: Bool) -> dict[str, float]:
    """Geometric error and coverage of a mesh."""
    errors: list[Float32] = []
    covered = []
    for move in CAMERAS:
        z = drawn(vertices, faces, camera, move)
        errors.append(compared(z, move, camera, truth, known))
        expected = _reached(truth, camera, move)
        covered.append(float(np.isfinite(z)[expected].mean()))
    error = np.concatenate(errors)
    return {
        "rms": float(np.sqrt(np.mean(error**2))),
        "off": float(np.mean(error > 1)),
        "covered": covered[0],
        "moved": float(np.mean(covered[1:])),
    }


def _reached(truth: Float32, camera: Camera, move: tuple[float, float, float]) -> Bool:
    """Where the true surface, a disc a pixel, is seen from the moved camera."""
    rows, columns = np.indices(truth.shape)
    u = np.floor(columns + 0.5 - move[0] * truth).astype(int)
    v = np.floor(rows + 0.5 - move[1] * truth).astype(int)
    inside = (u >= 0) & (v >= 0) & (u < camera.width) & (v < camera.height)
    seen = np.zeros(truth.shape, bool)
    seen[v[inside], u[inside]] = True
    return seen


def meshes(name: str, left: Picture, disparity: Float32, known: Bool, python: str) -> list[list[str]]:
    """A row of the table for each method that is there."""
    height, width = disparity.shape
    f = focal(width)
    camera = Camera(f, f, width / 2, height / 2, width, height, "user")
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photo, depth = folder / "photo.png", folder / "depth.npy"
        cv2.imwrite(str(photo), left[..., ::-1])
        np.save(depth, (f / disparity).astype(np.float32))
        for method, (_, package) in METHODS.items():
            words = [python if package else sys.executable, str(HERE / "peer_methods.py"), method]
            done = subprocess.run([*words, str(photo), str(depth), str(folder)], capture_output=True, text=True)
            if done.returncode:
                why = done.stderr.strip().splitlines()[-1:] or ["failed"]
                print(f"{method} is left out: {why[0]}", file=sys.stderr)
                continue
            took = json.loads(done.stdout.splitlines()[-1])
            with np.load(folder / "mesh.npz") as kept:
                vertices, faces = kept["vertices"], kept["faces"]
            found = judged(vertices, faces, camera, disparity, known)
            rows.append(
                [
                    name,
                    method,
                    f"{took['seconds']:.2f} ({took['used']:.2f})",
                    f"{took['mib']:.0f}",
                    f"{len(faces):,}",
                    f"{found['rms']:.2f}",
                    f"{found['off']:.2%}",
                    f"{found['covered']:.1%}",
                    f"{found['moved']:.1%}",
                ]
            )
    return rows


def layered_warp(left: Picture, disparity: Float32, baseline: float) -> tuple[Picture, Bool]:
    """The view from `baseline` to the right: layers of disparity moved by OpenCV, holes inpainted."""
    height, width = disparity.shape
    edges = np.linspace(float(disparity.min()), float(disparity.max()) + 1e-3, WARP_LAYERS + 1)
    view, covered = np.zeros_like(left), np.zeros((height, width), bool)
    for low, high in pairwise(edges):
        mask = ((disparity >= low) & (disparity < high)).astype(np.uint8)
        move = np.array([[1, 0, -baseline * (low + high) / 2], [0, 1, 0]], np.float32)
        picture = cv2.warpAffine(left, move, (width, height), flags=cv2.INTER_LINEAR)
        there = cv2.warpAffine(mask, move, (width, height), flags=cv2.INTER_NEAREST) > 0
        view[there] = picture[there]
        covered |= there
    return np.asarray(cv2.inpaint(view, (~covered).astype(np.uint8), 3, cv2.INPAINT_TELEA), np.uint8), covered


def views(name: str, left: Picture, right: Picture, disparity: Float32) -> list[list[str]]:
    """Rows of the table of views."""
    height, width = disparity.shape
    f = focal(width)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "depth.npy"
        np.save(file, (f / disparity).astype(np.float32))
        settings = Settings(depth=str(file), depth_kind="metric", focal_px=f, processing_size=max(width, height))
        scene = make(left, settings, until="enhanced", fetch=False)
    renderer = Renderer(scene, threads=2)
    inner = np.s_[BORDER:-BORDER, BORDER : -int(disparity.max()) - BORDER]
    rows = []

    def ours() -> tuple[Picture, Bool]:
        view = renderer.view(scene.camera, (1.0, 0.0, 0.0))
        return view.rgb, view.alpha == 255

    for method, draw in (("Diorama", ours), ("OpenCV, layers", lambda: layered_warp(left, disparity, 1.0))):
        took, used = [], []
        for _ in range(REPEATS):
            start, before = time.perf_counter(), time.process_time()
            view, covered = draw()
            took.append(time.perf_counter() - start)
            used.append(time.process_time() - before)
        error = (view.astype(np.float32) - right.astype(np.float32))[inner] ** 2
        psnr = 10 * np.log10(255**2 / float(error.mean()))
        milliseconds = f"{1000 * float(np.median(took)):.0f} ({1000 * float(np.median(used)):.0f})"
        rows.append([name, method, milliseconds, f"{psnr:.2f}", f"{covered[inner].mean():.1%}"])
    return rows


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="Diorama beside what users would take instead.")
    parser.add_argument("folder", nargs="?", type=Path, help="stereo pairs (default: scikit-image's Motorcycle)")
    parser.add_argument("--python", default=sys.executable, help="the Python of an environment that has the peers")
    options = parser.parse_args()
    made: list[list[str]] = []
    seen: list[list[str]] = []
    for name, left, right, sparse in stereo_pairs(options.folder) if options.folder else motorcycle():
        disparity = dense(sparse)
        made += meshes(name, left, disparity, np.isfinite(sparse), options.python)
        seen += views(name, left, right, disparity)
    print(table(MESH_HEAD, made))
    print()
    print(table(VIEW_HEAD, seen))


if __name__ == "__main__":
    main()
