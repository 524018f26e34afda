"""How fast are views and films drawn?

    python benchmarks/render.py            a scene of scikit-image's "coffee" with 200,000 triangles
    python benchmarks/render.py SCENE      a .diorama file's

Views: frames a second at 960x540 and 1920x1080 from cameras on an orbit, the median of a run, and processor time a
frame. Film: 5 s at 1080p30 as MP4, drawn and encoded, and whether every pixel of every view is covered. Seconds are of
the machine at hand; with other work on it, processor time says more.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from diorama.film import Film, make_film, plan
from diorama.pipeline import make
from diorama.render import Renderer
from diorama.settings import Settings
from diorama.types import Scene
from reproduction import skimage_photos

FRAMES = 30
TRIANGLES = 200_000


def views(scene: Scene, size: tuple[int, int], threads: int) -> tuple[float, float, int]:
    """Frames a second, milliseconds of processor time a frame, and how many pixels were not covered."""
    shots = plan(scene, Film(size=size, seconds=FRAMES / 30, amplitude=1.0))
    renderer = Renderer(scene, threads=threads)
    seconds, uncovered, start = [], 0, 0.0
    for number, pose in enumerate((shots.poses[0], *shots.poses)):
        if number == 1:  # the first one compiles
            start = time.process_time()
        begin = time.perf_counter()
        view = renderer.view(shots.framing.lens(pose, shots.crop), shots.framing.place(pose), pose.rotation)
        seconds.append(time.perf_counter() - begin)
        uncovered += int(np.count_nonzero(view.alpha < 255))
    busy = 1000 * (time.process_time() - start) / len(shots.poses)
    return 1 / float(np.median(seconds[1:])), busy, uncovered


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Speed of views and films.")
    parser.add_argument("scene", nargs="?", type=Path, help="a .diorama file (default: scikit-image's coffee)")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--no-film", action="store_true", help="views alone")
    options = parser.parse_args()
    if options.scene is not None:
        scene = Scene.load(options.scene)
    else:
        photo = next((path for path in skimage_photos() if path.stem == "coffee"), None)
        if photo is None:
            sys.exit("scikit-image's photos are not here.")
        scene = make(photo, Settings(triangles=TRIANGLES), fetch=False)
    triangles = sum(len(mesh.faces) for mesh in scene.meshes)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {options.threads} used; ", end="")
    print(f"{triangles:,} triangles, texture {scene.texture.shape[1]} x {scene.texture.shape[0]}\n")
    print("| view | frames/s | processor ms a frame | uncovered px |\n|---|---:|---:|---:|")
    for size in ((960, 540), (1920, 1080)):
        rate, busy, uncovered = views(scene, size, options.threads)
        print(f"| {size[0]} x {size[1]} | {rate:.1f} | {busy:.0f} | {uncovered} |", flush=True)
    if options.no_film:
        return
    with tempfile.TemporaryDirectory() as folder:
        path, start = Path(folder) / "film.mp4", time.perf_counter()
        made = make_film(scene, path, Film(size=(1920, 1080)), threads=options.threads)
        seconds = time.perf_counter() - start
        print(f"\nFilm: {made.frames} frames of 1920 x 1080 in {seconds:.1f} s, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
