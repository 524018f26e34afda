"""Does a scene still look like its photo from the photo's own camera?

    python benchmarks/reproduction.py              scikit-image's photos
    python benchmarks/reproduction.py FOLDER       the pictures in a folder

Coverage: the share of the picture that the scene covers, antialiased edges counted by their share. PSNR: of the whole
rendered picture against the photo at texture size, what is not covered counted as black. Exits with 1 unless every
photo reaches both limits. Nothing is downloaded: the best model whose weights are in the cache is used.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path

import numpy as np

import diorama
from diorama.pipeline import make
from diorama.render import render
from diorama.settings import Settings
from diorama.types import Scene

MIN_COVERAGE = 99.5
"""Per cent of the picture."""

MIN_PSNR = 32.0
"""dB: below it softness can be seen at a glance beside the photo."""

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}

SKIMAGE_PHOTOS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left", "hubble_deep_field", "retina")


def skimage_photos() -> list[Path]:
    """scikit-image's colour photos that come in its wheel."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        sys.exit("scikit-image is not installed: give a folder of pictures.")
    data = Path(spec.origin).parent / "data"
    return [path for name in SKIMAGE_PHOTOS for path in sorted(data.glob(f"{name}.*")) if path.suffix in PICTURES]


def measure(scene: Scene) -> tuple[float, float]:
    """Coverage in per cent and PSNR in dB from the photo's own camera."""
    view = render(scene)
    coverage = 100 * float(view.alpha.mean()) / 255
    difference = view.rgb.astype(np.float32) - scene.photo.rgb
    error = float(np.mean(difference * difference))
    return coverage, float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def main() -> int:
    """Print the table; 0 when every photo passes, else 1."""
    parser = argparse.ArgumentParser(description="Coverage and PSNR from the photo's own camera.")
    parser.add_argument("folder", nargs="?", type=Path, help="a folder of pictures (default: scikit-image's)")
    parser.add_argument("--limit", type=int, help="the first so many pictures only")
    options = parser.parse_args()
    found = skimage_photos() if options.folder is None else sorted(options.folder.iterdir())
    photos = [path for path in found if path.suffix.lower() in PICTURES][: options.limit]
    if not photos:
        print("There are no pictures here.", file=sys.stderr)
        return 1
    print(f"Diorama {diorama.__version__}, settings as they come\n")
    print("| photo | size | depth by | triangles | seconds | coverage % | PSNR dB | |")
    print("|---|---|---|---:|---:|---:|---:|---|")
    results = []
    for path in photos:
        start = time.perf_counter()
        scene = make(path, Settings(), until="original", fetch=False)
        seconds = time.perf_counter() - start
        coverage, psnr = measure(scene)
        passed = coverage >= MIN_COVERAGE and psnr >= MIN_PSNR
        results.append((coverage, psnr, passed))
        size = f"{scene.photo.width}x{scene.photo.height}"
        triangles = sum(len(mesh.faces) for mesh in scene.meshes)
        verdict = "pass" if passed else "FAIL"
        row = f"{size} | {scene.depth.model} | {triangles:,} | {seconds:.1f} | {coverage:.3f} | {psnr:.2f} | {verdict}"
        print(f"| {path.stem} | {row} |", flush=True)
    worst = min(coverage for coverage, _, _ in results), min(psnr for _, psnr, _ in results)
    good = sum(passed for *_, passed in results)
    print(f"\nworst: coverage {worst[0]:.3f} % (limit {MIN_COVERAGE} %), PSNR {worst[1]:.2f} dB (limit {MIN_PSNR} dB)")
    print(f"{'PASS' if good == len(results) else 'FAIL'}: {good} of {len(results)} photos")
    return 0 if good == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
