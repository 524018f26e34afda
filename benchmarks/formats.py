"""Every format of some photos: bytes, seconds, who reads it, geometric error, PSNR from the photo's camera.

    python benchmarks/formats.py PHOTO_OR_SCENE... [--only FORMAT...]

A `.diorama` file is taken as it is, a photo is made into a scene first (with the default settings). Each file is read
back by a program that didn't write it and compared with the scene (see `readback`); the command ends with 1 where one
isn't as it should be. The error is the largest distance of a vertex from where it should be, as a share of the scene's
size. Splats are drawn by `splatter`, GLBs that were made to fit by their own report.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import diorama
import readback
import splatter
from diorama.types import Scene

SHORT: dict[str, Any] = {"seconds": 0.5, "fps": 8}
"""Films are as they are; a few frames say whether they can be read."""

CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("glb", {}), ("glb", {"quantize": True}), ("glb", {"draco": True}), ("glb", {"meshopt": True}),
    ("glb", {"max_mb": 0.5}), ("glb", {"max_mb": 0.5, "draco": True}), ("glb", {"max_mb": 0.5, "meshopt": True}),
    ("gltf", {}), ("gltf.zip", {}), ("obj", {}), ("obj.zip", {}), ("ply", {}), ("points.ply", {}), ("usdz", {}),
    ("splat.ply", {}), ("stl", {}), ("relief.stl", {}), ("depth.png", {}), ("npy", {}), ("npz", {}), ("pfm", {}),
    ("exr", {}), ("normals.png", {}), ("normals.exr", {}), ("mask.png", {}), ("mask.exr", {}), ("rgbd.png", {}),
    ("quilt.png", {}), ("coco.json", {}), ("annotated.png", {}), ("html", {}), ("diorama", {}), ("mp4", SHORT),
    ("webm", SHORT), ("webp", SHORT), ("gif", SHORT), ("stereo.jpg", {}), ("stereo.mp4", SHORT), ("wiggle.gif", {}),
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--only", nargs="+", metavar="FORMAT", help="endings, such as glb and coco.json")
    given = parser.parse_args()
    wrong = 0
    for source in given.sources:
        scene = Scene.load(source) if source.suffix == ".diorama" else diorama.make(source)
        print(f"\n{source.stem}: {scene.photo.width} x {scene.photo.height}")
        print(f"{'format':34} {'bytes':>12} {'s':>6}  {'reader':11} {'error':>8}  dB and notes")
        with tempfile.TemporaryDirectory() as folder:
            for name, options in CASES:
                if not given.only or name in given.only:
                    wrong += not _measure(scene, name, options, Path(folder) / f"x.{name}")
    return 1 if wrong else 0


def _measure(scene: Scene, name: str, options: dict[str, Any], path: Path) -> bool:
    start = time.perf_counter()
    notes = scene.save(path, **options)
    seconds = time.perf_counter() - start
    shown = " ".join(notes)
    try:
        seen, fine = readback.read(scene, name, options, path), True
    except AssertionError as error:
        seen, fine = readback.Seen("WRONG"), False
        shown = f"{error} {shown}"
    if name == "splat.ply":
        drawn = splatter.draw(splatter.read(path), scene.camera).astype(float)
        shown = f"{10 * np.log10(255**2 / np.mean((drawn - scene.photo.rgb) ** 2)):.1f} dB. {shown}"
    size = path.stat().st_size
    if name in ("gltf", "obj"):
        size = sum(path.with_suffix(f".{ending}").stat().st_size for ending in (name, "bin", "mtl", "jpg")
                   if path.with_suffix(f".{ending}").exists())  # fmt: skip
    said = " ".join(f"{key}={value}" for key, value in options.items())
    error = "" if seen.error is None else f"{seen.error:.1e}"
    print(f"{name + ' ' + said:34} {size:12,} {seconds:6.1f}  {seen.reader:11} {error:>8}  {shown}", flush=True)
    return fine


if __name__ == "__main__":
    sys.exit(main())
