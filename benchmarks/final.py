"""Is the final scene whole, and no worse than the enhanced one?

    python benchmarks/final.py FOLDER [--count 10]
    python benchmarks/final.py --stereo FOLDER

Photos: the final GLB as the Khronos validator sees it, and the same as a solid for printing as trimesh sees it. Stereo
pairs: views of the final scene against those of the enhanced one, by given depth and by the bundled network's. A scene
of estimated depth is brought to the true disparity by least squares before it is looked at: its inverse depth is
scaled and shifted, each of the two by its own best line, so that shape alone tells them apart. Exits with 1 at any
flaw, or where the mean PSNR is lower. The validator needs Node and npm's gltf-validator, as the tests do.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import trimesh

import novel_view
from diorama import optimize
from diorama.pipeline import STEPS, make
from diorama.render import render
from diorama.settings import Settings
from diorama.types import Scene, StageReport

ROOT = Path(__file__).parents[1]
ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}

SCORES = ("whole", "holes", "seen", "SSIM", "SSIM in holes")


class Kept:
    """Finished stages of one photo, in memory: the solid begins where the scene has gone before."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], tuple[Any, StageReport]] = {}

    def load(self, stage: str, key: str) -> tuple[Any, StageReport] | None:
        return self.records.get((stage, key))

    def save(self, stage: str, key: str, record: object, report: StageReport) -> None:
        self.records[stage, key] = record, report

    def forget(self, stage: str, key: str) -> None:
        self.records.pop((stage, key), None)


def whole(folder: Path, count: int) -> bool:
    """Print what is found of each photo -> whether all is well."""
    sys.path.insert(0, str(ROOT / "tests"))
    import gltf

    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    print("| photo | errors | warnings | meshes | solid | volume |\n|---|---|---|---|---|---|")
    well = True
    for path in paths[:: max(1, len(paths) // count)][:count]:
        with tempfile.TemporaryDirectory() as made:
            kept = Kept()
            scene, printed = Path(made) / "scene.glb", Path(made) / "solid.glb"
            make(path, Settings(), fetch=False, checkpoints=kept).save(scene)
            make(path, Settings(solid=True), fetch=False, checkpoints=kept).save(printed)
            issues = [report["issues"] for report in gltf.validate(scene, printed)]
            errors, warnings = (sum(issue[key] for issue in issues) for key in ("numErrors", "numWarnings"))
            meshes = len(trimesh.load(scene).geometry)
            body = trimesh.load(printed, force="mesh")
        closed = bool(body.is_watertight and body.is_winding_consistent and body.volume > 0)
        well &= closed and not errors and not warnings
        solid = "watertight" if closed else "OPEN"
        print(f"| {path.stem} | {errors} | {warnings} | {meshes} | {solid} | {body.volume:.3g} |", flush=True)
    return well


def aligned(scene: Scene, sparse: novel_view.Float32, focal: float) -> Scene:
    """The scene, its inverse depth scaled and shifted to the disparity where that is known; a baseline is one unit."""
    known = np.isfinite(sparse)
    inverse = scene.points.inverse_depth.astype(np.float64)
    gain, offset = np.polyfit(inverse[known], sparse[known] / focal, 1)
    own = optimize.unchanged(scene)
    moving = own.model_copy(update={"gain": float(gain), "offset": float(offset)})
    meshes = tuple(optimize.moved_mesh(mesh, scene.points.camera, moving) for mesh in scene.meshes)
    return replace(scene, points=optimize.moved_points(scene.points, moving), meshes=meshes)


def views(folder: Path, advisor: Literal["off", "local"]) -> bool:
    """Print how much better each pair's final views are -> whether none is worse in the mean."""
    print(f"| pair | depth | {' | '.join(SCORES)} |\n|{'---|' * (2 + len(SCORES))}")
    gains: dict[str, list[list[float]]] = {"given": [], "estimated": []}
    for name, left, right, sparse in novel_view.stereo_pairs(folder):
        given = novel_view.dense(sparse)
        for kind, rows in gains.items():
            focal = 1.2 * left.shape[1]
            with tempfile.TemporaryDirectory() as kept:
                file = Path(kept) / "depth.npy"
                np.save(file, (focal / given).astype(np.float32))
                source = str(file) if kind == "given" else "bundled"
                settings = Settings(depth=source, depth_kind="metric", focal_px=focal, texture="off", advisor=advisor)
                store = Kept()
                scenes = [make(left, settings, until=step, fetch=False, checkpoints=store) for step in STEPS[1:]]
            if kind == "estimated":
                scenes = [aligned(scene, sparse, focal) for scene in scenes]
            before, after = (_scores(scene, right, given) for scene in scenes)
            rows.append([b - a for a, b in zip(before, after, strict=True)])
            print(_row(name, kind, rows[-1]), flush=True)
    well = True
    for kind, rows in gains.items():
        mean = [float(value) for value in np.mean(rows, axis=0)]
        print(_row("**mean**", kind, mean))
        well &= mean[0] >= 0
    return well


def _scores(scene: Scene, right: novel_view.Picture, disparity: novel_view.Float32) -> list[float]:
    inner, holes, seen = novel_view.masks(scene.photo.rgb, disparity)
    return novel_view.scores(render(scene, translate=(1, 0, 0)).rgb, right, inner, holes, seen)[: len(SCORES)]


def _row(name: str, kind: str, gain: list[float]) -> str:
    return f"| {name} | {kind} | {' | '.join(f'{value:+.4f}' for value in gain)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--count", type=int, default=10, help="photos")
    parser.add_argument("--stereo", type=Path, help="a folder of NAME/left.png, right.png, disparity.png")
    parser.add_argument("--advisor", choices=("off", "local"), default="local")
    given = parser.parse_args()
    if given.folder is None and given.stereo is None:
        parser.error("give a folder of photos, or --stereo and a folder of pairs")
    well = given.folder is None or whole(given.folder, given.count)
    well &= given.stereo is None or views(given.stereo, given.advisor)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
