"""Original and AI-enhanced 3D side by side at the ends of the allowed travel, to look at.

    python benchmarks/contact_sheet.py SHEET.jpg             scikit-image's photos
    python benchmarks/contact_sheet.py SHEET.jpg PHOTO ...   these
    python benchmarks/contact_sheet.py SHEET.jpg --corners FOLDER PHOTO ...

A row a photo: the photo, the original 3D and the enhanced 3D from the right and above, the enhanced one from the left
and below. With `--corners` also a PNG a photo at full size, the enhanced 3D from the four outermost corners: stairs on
silhouettes and seams at the frame can't be judged on the sheet. Magenta: nothing there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from diorama.cuts import near_inverse_depth
from diorama.pipeline import make
from diorama.render import render
from diorama.settings import Settings
from diorama.types import Scene, UInt8
from reproduction import skimage_photos

WIDTH = 480
NOTHING = (255, 0, 255)
CORNERS = ((0.8, -0.4), (-0.8, 0.4))  # of the travel, right and down


OUTERMOST = ((1.0, -1.0), (-1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))


def view(scene: Scene, corner: tuple[float, float], width: int = WIDTH) -> UInt8:
    """The scene from a place within the travel, `width` pixels wide."""
    camera = scene.points.camera
    reach = scene.settings.camera_travel / 100 * camera.diagonal / camera.fx / near_inverse_depth(scene.points)
    size = width, max(1, round(width * scene.photo.height / scene.photo.width))
    return render(scene, translate=(corner[0] * reach, corner[1] * reach, 0.0), size=size, background=NOTHING).rgb


def main() -> None:
    """Make the sheet."""
    parser = argparse.ArgumentParser(description="Original and enhanced 3D at moved cameras.")
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--corners", type=Path, metavar="FOLDER", help="put a full-size PNG a photo there")
    parser.add_argument("photos", nargs="*", type=Path)
    chosen = parser.parse_args()
    rows = []
    for path in chosen.photos or skimage_photos():
        original, enhanced = (make(path, Settings(), until=step, fetch=False) for step in ("original", "enhanced"))
        views = [view(original, CORNERS[0]), *(view(enhanced, corner) for corner in CORNERS)]
        photo = cv2.resize(original.photo.rgb, (WIDTH, views[0].shape[0]), interpolation=cv2.INTER_AREA)
        rows.append(np.hstack([photo, *views]))
        if chosen.corners:
            chosen.corners.mkdir(parents=True, exist_ok=True)
            far = [view(enhanced, corner, enhanced.points.camera.width) for corner in OUTERMOST]
            whole = np.vstack([np.hstack(far[:2]), np.hstack(far[2:])])
            cv2.imwrite(str(chosen.corners / f"{path.stem}.png"), whole[..., ::-1])
        print(path.name, flush=True)
    cv2.imwrite(str(chosen.sheet), np.vstack(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
