"""Make the pictures of the documentation's gallery, `docs/img/gallery_*.webp`.

    python benchmarks/gallery.py [--folder FOLDER] [PHOTO ...]

For each photo a sheet (photo, depth map, final scene from the left and from the right end of the allowed travel) and a
film of the camera swinging between the two. The photos are scikit-image's that are under CC0, unless others are named.
Nothing is downloaded: the depth is that of the best model whose weights are on the machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from diorama.cuts import near_inverse_depth
from diorama.export.preview import colour_depth
from diorama.pipeline import make
from diorama.render import render
from diorama.types import Scene, UInt8

ROOT = Path(__file__).parents[1]
PHOTOS = ("coffee.png", "chelsea.png", "rocket.jpg")

MAX_BYTES = 300_000
"""Of one picture: a page of them should load at once."""

PANEL = 640
FILM_WIDTH = 480
FRAMES = 24
FRAME_MS = 80
REACH = 0.6  # of the travel


def view(scene: Scene, right: float, down: float, width: int) -> UInt8:
    """The scene from a place within the travel (-1..1), `width` pixels wide."""
    camera = scene.points.camera
    reach = scene.settings.camera_travel / 100 * camera.diagonal / camera.fx / near_inverse_depth(scene.points)
    size = width, max(1, round(width * scene.photo.height / scene.photo.width))
    return render(scene, translate=(right * reach, down * reach, 0.0), size=size).rgb


def sheet(scene: Scene) -> Image.Image:
    """Photo and depth above, the scene from the left and from the right below."""
    left, right = (view(scene, side * REACH, -0.2 * side, PANEL) for side in (-1.0, 1.0))
    size = left.shape[1], left.shape[0]
    upper = [np.asarray(Image.fromarray(p).resize(size)) for p in (scene.photo.rgb, colour_depth(scene.depth))]
    return Image.fromarray(np.vstack([np.hstack(upper), np.hstack([left, right])]))


def film(scene: Scene) -> list[Image.Image]:
    """The frames of one swing: the camera on an ellipse, so that the last frame leads to the first."""
    angles = [2 * math.pi * number / FRAMES for number in range(FRAMES)]
    return [
        Image.fromarray(view(scene, REACH * math.sin(angle), 0.25 * math.cos(angle), FILM_WIDTH)) for angle in angles
    ]


def save(frames: list[Image.Image], target: Path) -> None:
    """Write a WebP of at most `MAX_BYTES`, at the best quality that fits."""
    for quality in (85, 75, 65, 50, 35, 25, 15):
        encoded = io.BytesIO()
        rest = {"append_images": frames[1:], "save_all": True, "duration": FRAME_MS, "loop": 0} if frames[1:] else {}
        frames[0].save(encoded, "WEBP", quality=quality, method=6, **rest)
        if encoded.tell() <= MAX_BYTES:
            break
    else:
        sys.exit(f"{target.name} does not fit into {MAX_BYTES} bytes.")
    target.write_bytes(encoded.getvalue())
    print(
        f"{target}: {frames[0].width}x{frames[0].height}, quality {quality}, {encoded.tell() / 1000:.0f} kB", flush=True
    )


def _photos() -> list[Path]:
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        sys.exit("scikit-image is not installed: name photos.")
    return [Path(spec.origin).parent / "data" / name for name in PHOTOS]


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description="Make the pictures of the documentation's gallery.")
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "img")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for path in chosen.photos or _photos():
        scene = make(path, fetch=False)
        save([sheet(scene)], chosen.folder / f"gallery_{path.stem}.webp")
        save(film(scene), chosen.folder / f"gallery_{path.stem}_swing.webp")


if __name__ == "__main__":
    main()
