"""Look at the scenes: `python -m training.scenes SHEET.png [--photos FOLDER] [--kind KIND] [--seed N]`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from training import scenes


def main() -> None:
    """Write 24 samples with their inverse depth (blue-green: sky) and print each one's time on its core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sheet", type=Path, help="the picture that is written")
    parser.add_argument("--photos", type=Path, help="a folder of licence-clean photographs for textures")
    parser.add_argument("--kind", choices=list(scenes.KINDS), help="only scenes of this kind")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    textures = scenes.Textures.make(given.photos)
    tiles = []
    for index in range(24):
        start = time.process_time()
        one = scenes.sample(np.random.default_rng([given.seed, index]), 192, 256, textures, kind=given.kind)
        print(f"{one.kind:10} {1000 * (time.process_time() - start):5.0f} ms, {one.fov_degrees:.0f} degrees")
        near = float(np.percentile(one.inverse_depth, 99)) or 1.0
        shade = (255 * np.clip(one.inverse_depth / near, 0, 1) ** 0.6).astype(np.uint8)
        depth = np.asarray(cv2.applyColorMap(shade, cv2.COLORMAP_INFERNO))
        depth[one.sky] = (60, 60, 0)
        tiles.append(np.vstack([one.rgb[..., ::-1], depth]))
    cv2.imwrite(str(given.sheet), np.vstack([np.hstack(tiles[row : row + 6]) for row in range(0, 24, 6)]))


if __name__ == "__main__":
    main()
