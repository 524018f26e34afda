"""What the bundled depth network makes of photos, to look at and in numbers that need no true depth.

    python benchmarks/depth_maps.py PHOTOS [SHEET.jpg]     each photo beside its depth map, larger is brighter

Depth maps are those of `diorama depth` with default settings: relative inverse depth, 0..1. Printed are

* rim: of a map's four borders the one that differs most from what is just inside it: the mean of the outer 2 % of the
  picture's long side less the mean of the next 2 %; `bend`: the same less what the slope of the two bands further
  inside explains, as on a ground that comes nearer. In the mean of all photos (last rows) a border that the network
  itself sees as near or far stays, and what the photos show there cancels out;
* flipped: mean difference between the map and that of the mirrored photo, mirrored back, as a share of the range.

A constant picture, noise, a picture of 64 px and one of 12 megapixels are looked at as well: finite, and how rough,
which is the mean difference between neighbours as a share of the range. Exits with 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from diorama import depth
from diorama import photo as photos
from diorama.settings import Settings
from diorama.types import Camera, Float32, Photo

BAND = 0.02
"""Of the long side."""

MOST_RIM = 0.02
"""Mean over all photos of a border's bend."""

MOST_FLIPPED = 0.02
MOST_ROUGH = 0.01

SIDES = ("left", "right", "top", "bottom")


def estimated(rgb: npt.NDArray[np.uint8]) -> Float32:
    """(H, W), 0..1."""
    photo = Photo(np.ascontiguousarray(rgb), Camera.assumed(rgb.shape[1], rgb.shape[0]))
    return depth.estimate(photo, Settings(depth="bundled"))[0].inverse_depth


def bands(values: Float32) -> npt.NDArray[np.float64]:
    """(4, 3): for left, right, top and bottom the means of the outermost band and of the two inside it."""
    width = max(1, round(BAND * max(values.shape)))
    turned = (values.T, values.T[::-1], values, values[::-1])
    return np.array([[side[k * width : (k + 1) * width].mean() for k in range(3)] for side in turned])


def rims(values: Float32) -> npt.NDArray[np.float64]:
    """(2, 4): step and bend of each border."""
    found = bands(values)
    step = found[:, 0] - found[:, 1]
    return np.stack([step, step - (found[:, 1] - found[:, 2])])


def flipped(rgb: npt.NDArray[np.uint8], values: Float32) -> float:
    """Mean difference to the mirrored photo's map, mirrored back."""
    return float(np.abs(estimated(rgb[:, ::-1])[:, ::-1] - values).mean())


def rough(values: Float32) -> float:
    """Mean difference between neighbours, infinite where a value isn't finite."""
    if not np.isfinite(values).all():
        return float("inf")
    return float(max(np.abs(np.diff(values, axis=axis)).mean() for axis in (0, 1)))


def odd_pictures(photo: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.uint8]]:
    """Pictures that no camera takes, and sizes that few have."""
    return {
        "constant": np.full((480, 640, 3), 128, np.uint8),
        "noise": np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8),
        "64 px": np.asarray(cv2.resize(photo, (64, 48), interpolation=cv2.INTER_AREA), np.uint8),
        "12 megapixels": np.asarray(cv2.resize(photo, (4000, 3000), interpolation=cv2.INTER_CUBIC), np.uint8),
    }


def tile(picture: npt.NDArray[np.uint8], name: str, side: int) -> npt.NDArray[np.uint8]:
    """(side, side, 3): the picture, fitted, and its name."""
    scale = side / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    framed = np.zeros((side, side, 3), np.uint8)
    framed[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    cv2.putText(framed, name, (4, side - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return framed


def coloured(values: Float32) -> npt.NDArray[np.uint8]:
    """(H, W, 3), RGB: yellow is near."""
    shades = np.rint(255 * values.clip(0, 1)).astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(shades, cv2.COLORMAP_INFERNO)[..., ::-1])


def main() -> int:
    """Print the table; write the sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("photos", type=Path, help="a folder")
    parser.add_argument("sheet", type=Path, nargs="?", help="a picture to be written")
    parser.add_argument("--side", type=int, default=320, metavar="PX", help="of the sheet's pictures")
    parser.add_argument("--columns", type=int, default=3, help="photos in a row of the sheet")
    given = parser.parse_args()
    paths = sorted(path for path in given.photos.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        sys.exit(f"{given.photos} holds no photos.")

    print("| photo | rim | side | bend | side | flipped |\n|---|---:|---|---:|---|---:|")
    found, differences, tiles = [], [], []
    for path in paths:
        rgb = photos.read(path).rgb
        values = estimated(rgb)
        found.append(rims(values))
        differences.append(flipped(rgb, values))
        cells = [path.stem]
        for row in found[-1]:
            worst = int(np.abs(row).argmax())
            cells += [f"{row[worst]:+.3f}", SIDES[worst]]
        print(f"| {' | '.join(cells)} | {differences[-1]:.1%} |", flush=True)
        tiles.append(np.hstack([tile(rgb, path.stem, given.side), tile(coloured(values), "", given.side)]))
    steps, bends = np.mean(found, axis=0)
    for side, step, bend in zip(SIDES, steps, bends, strict=True):
        print(f"| mean | {step:+.3f} | {side} | {bend:+.3f} | {side} | |")
    print(f"| mean | | | | | {np.mean(differences):.1%} |\n")

    print("| picture | roughness |\n|---|---:|")
    roughness = {name: rough(estimated(rgb)) for name, rgb in odd_pictures(photos.read(paths[0]).rgb).items()}
    for name, value in roughness.items():
        print(f"| {name} | {value:.4f} |")

    if given.sheet:
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % given.columns)
        rows = [np.hstack(tiles[first : first + given.columns]) for first in range(0, len(tiles), given.columns)]
        cv2.imwrite(str(given.sheet), np.vstack(rows)[..., ::-1])
    good = np.abs(bends).max() <= MOST_RIM and np.mean(differences) <= MOST_FLIPPED
    return 0 if good and max(roughness.values()) <= MOST_ROUGH else 1


if __name__ == "__main__":
    sys.exit(main())
