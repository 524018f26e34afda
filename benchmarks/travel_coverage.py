"""Is the enhanced scene whole wherever the viewer may stand?

    python benchmarks/travel_coverage.py              scikit-image's photos
    python benchmarks/travel_coverage.py FOLDER       the pictures in a folder

A row a photo, from 5 x 5 cameras over the whole allowed travel, all looking the same way:

* uncovered: pixels of the frame in any of the views that no surface covers wholly;
* backdrop: largest share of a view in which nothing but the plane behind everything is left;
* in front: share of the imagined pixels seen from any of the cameras, the photo's own among them, that lie nearer to
  the photo's camera than the surface that hides them there, by more than half a pixel of parallax;
* rims: mean colour distance (8-bit RGB) between pixels at a depth cut, as they look from the four corners of the
  travel, and the interior of their own surface: of the original 3D (one layer), of the enhanced one, each at its own
  cuts, and their ratio;
* texture: the same distance of the interior's own pixels. It is no fault of a rim and counts in both scenes, so a rim
  as good as its interior would have this distance, not 0; the excess ratio is the ratio with it taken off both.

Exits with 1 unless nothing is uncovered, at most 0.1 % in front, and the rims' distances together are at most half.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diorama.cuts import near_inverse_depth
from diorama.layered import BACKDROP
from diorama.pipeline import make
from diorama.render import Rendering, render
from diorama.settings import Settings
from diorama.types import Bool, Float32, Scene
from reproduction import PICTURES, skimage_photos

STATIONS = (-1.0, -0.5, 0.0, 0.5, 1.0)
CORNERS = tuple((x, y) for x in (-1.0, 1.0) for y in (-1.0, 1.0))

IN_FRONT = 0.5
"""Pixels of parallax at the allowed travel by which a reduced mesh may be off."""

MOST_IN_FRONT = 0.1
"""Per cent."""

INTERIOR = 3
"""Pixels from a cut at which a surface's own colour begins: lenses and resampling mix two or so."""

WINDOW = 5
"""Pixels within which a rim's interior is looked for."""

BEST_RATIO = 0.5


@dataclass(frozen=True)
class Row:
    """What was measured on one photo."""

    uncovered: int
    backdrop: float  # per cent
    in_front: float  # per cent
    rims: tuple[float, float, float] | None  # original, enhanced, texture; None: no cuts
    pixels: int  # of rims


@dataclass(frozen=True)
class Travel:
    """Moves within what is allowed."""

    reach: float  # scene units
    size: tuple[int, int]

    def view(self, scene: Scene, place: tuple[float, float]) -> Rendering:
        return render(scene, translate=(place[0] * self.reach, place[1] * self.reach, 0.0), size=self.size)


def measure(path: Path) -> Row:
    """Make the photo's scenes and look at them."""
    original, enhanced = (make(path, Settings(), until=step, fetch=False) for step in ("original", "enhanced"))
    points = enhanced.points
    camera = points.camera
    parallax = enhanced.settings.camera_travel / 100 * camera.diagonal / near_inverse_depth(points)
    travel = Travel(parallax / camera.fx, (camera.width, camera.height))
    behind = [float(mesh.vertices[:, 2].min()) for mesh in enhanced.meshes if mesh.name == BACKDROP]
    uncovered, backdrop = 0, 0.0
    for x in STATIONS:
        for y in STATIONS:
            view = travel.view(enhanced, (x, y))
            uncovered += int(np.count_nonzero(view.alpha < 255))
            if behind:
                backdrop = max(backdrop, 100 * float(np.mean(view.z > 0.999 * behind[0])))
    in_front = _in_front(enhanced, travel, parallax)
    rims, pixels = _rims(original, enhanced, travel)
    return Row(uncovered, backdrop, in_front, rims, pixels)


def _in_front(scene: Scene, travel: Travel, parallax: float) -> float:
    """Per cent of the imagined pixels seen that lie before what hides them from the photo's camera."""
    camera = scene.points.camera
    imagined = replace(scene, meshes=tuple(m for m in scene.meshes if m.imagined and m.alpha is None))
    rest = replace(scene, meshes=tuple(m for m in scene.meshes if not m.imagined and m.alpha is None))
    nearest = _largest_around(scene.points.inverse_depth)
    wrong = seen = 0
    for place in ((0.0, 0.0), *CORNERS):
        mine = travel.view(imagined, place).z
        row, column = np.nonzero(np.isfinite(mine) & (mine <= travel.view(rest, place).z))
        z = mine[row, column].astype(np.float64)
        # Back to where the photo's camera would see it.
        x = column + 0.5 + place[0] * travel.reach * camera.fx / z
        y = row + 0.5 + place[1] * travel.reach * camera.fy / z
        framed = (x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height)
        hiding = nearest[y[framed].astype(int), x[framed].astype(int)]
        wrong += int(np.count_nonzero(parallax * (1 / z[framed] - hiding) > IN_FRONT))
        seen += int(np.count_nonzero(framed))
    return 100 * wrong / max(seen, 1)


def _largest_around(inverse: Float32) -> Float32:
    import cv2

    return np.asarray(cv2.dilate(inverse, np.ones((3, 3), np.uint8)), np.float32)


def _rims(original: Scene, enhanced: Scene, travel: Travel) -> tuple[tuple[float, float, float] | None, int]:
    """Mean colour distances to their interiors of each scene's own rims, and of the enhanced interiors' own pixels; and
    how many rims of the enhanced scene they are."""
    before, _, some = _rims_of(original, travel)
    after, usual, count = _rims_of(enhanced, travel)
    return (None, 0) if not (some and count) else ((before / some, after / count, usual / count), count)


def _rims_of(scene: Scene, travel: Travel) -> tuple[float, float, int]:
    """Distances of a scene's rims as they look from the corners, wherever nothing hides them, and of the interiors' own
    pixels; both are sums. And the number of rims."""
    row, column, own, texture = _interiors(scene)
    camera, z = scene.points.camera, scene.points.z
    total, usual, count = 0.0, 0.0, 0
    for place in CORNERS:
        distance = z[row, column]
        x = np.floor(column + 0.5 - place[0] * travel.reach * camera.fx / distance).astype(int)
        y = np.floor(row + 0.5 - place[1] * travel.reach * camera.fy / distance).astype(int)
        framed = np.flatnonzero((x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height))
        view = travel.view(scene, place)
        x, y = x[framed], y[framed]
        seen = (np.abs(view.z[y, x] / distance[framed] - 1) < 0.02) & (view.alpha[y, x] == 255)
        total += float(np.linalg.norm(view.rgb[y, x] - own[framed], axis=1)[seen].sum())
        usual += float(texture[framed][seen].sum())
        count += int(np.count_nonzero(seen))
    return total, usual, count


def _interiors(scene: Scene) -> tuple[NDArray[np.int64], NDArray[np.int64], Float32, Float32]:
    """Rows and columns of the pixels at cuts, the mean colours of their own surfaces' interiors nearby, and the mean
    distances of these interiors' pixels to them."""
    import cv2

    points, cuts = scene.points, scene.cuts
    at_cut = np.zeros(points.z.shape, bool)
    at_cut[:, :-1] |= cuts.right
    at_cut[:, 1:] |= cuts.right
    at_cut[:-1] |= cuts.down
    at_cut[1:] |= cuts.down
    away = np.asarray(cv2.distanceTransform((~at_cut).astype(np.uint8), cv2.DIST_L2, 5)) >= INTERIOR
    jump = scene.settings.cut_threshold / 100 * near_inverse_depth(points)
    height, width = points.camera.height, points.camera.width
    row, column = np.argwhere(at_cut).T
    total, count = np.zeros((len(row), 3), np.float32), np.zeros(len(row), np.float32)

    def around() -> Iterator[tuple[Bool, Float32]]:
        for dy in range(-WINDOW, WINDOW + 1):
            for dx in range(-WINDOW, WINDOW + 1):
                v, u = np.clip(row + dy, 0, height - 1), np.clip(column + dx, 0, width - 1)
                near = points.inverse_depth[v, u] - points.inverse_depth[row, column]
                yield away[v, u] & (np.abs(near) <= jump / 2), points.rgb[v, u].astype(np.float32)

    for same, colour in around():
        total += np.where(same[:, None], colour, 0)
        count += same
    some = np.maximum(count, 1)
    own, texture = total / some[:, None], np.zeros(len(row), np.float32)
    for same, colour in around():
        texture += np.where(same, np.linalg.norm(colour - own, axis=1), 0)
    found = count >= WINDOW
    return row[found], column[found], own[found], (texture / some)[found]


def main() -> int:
    """Print the table; 0 when all limits are kept, else 1."""
    parser = argparse.ArgumentParser(description="Coverage, order and rims of enhanced scenes at moved cameras.")
    parser.add_argument("folder", nargs="?", type=Path, help="a folder of pictures (default: scikit-image's)")
    parser.add_argument("--limit", type=int, help="the first so many pictures only")
    parser.add_argument("--skip", type=int, default=0, help="leave the first so many out")
    options = parser.parse_args()
    found = skimage_photos() if options.folder is None else sorted(options.folder.iterdir())
    photos = [path for path in found if path.suffix.lower() in PICTURES][options.skip :][: options.limit]
    if not photos:
        print("There are no pictures here.", file=sys.stderr)
        return 1
    print(
        "| photo | uncovered px | backdrop % | in front % | rim pixels "
        "| rims, original | enhanced | texture | ratio | excess |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    rows = []
    for path in photos:
        row = measure(path)
        rows.append(row)
        rims = "none | | | | |" if row.rims is None else _distances(row.rims)
        print(
            f"| {path.stem} | {row.uncovered} | {row.backdrop:.3f} | {row.in_front:.3f} | {row.pixels} | {rims}",
            flush=True,
        )
    uncovered, in_front, ratio = sum(r.uncovered for r in rows), max(r.in_front for r in rows), _ratio(rows)
    passed = uncovered == 0 and in_front <= MOST_IN_FRONT and ratio <= BEST_RATIO
    print(
        f"\nuncovered {uncovered} px, in front at most {in_front:.3f} %, rims' ratio {ratio:.2f} over all photos",
        end="",
    )
    print(f", {_ratio(rows, excess=True):.2f} without texture")
    print("PASS" if passed else "FAIL")
    return 0 if passed else 1


def _distances(rims: tuple[float, float, float]) -> str:
    row = Row(0, 0, 0, rims, 0)
    return " | ".join(
        [*(f"{value:.1f}" for value in rims), f"{_ratio([row]):.2f}", f"{_ratio([row], excess=True):.2f} |"]
    )


def _ratio(rows: list[Row], *, excess: bool = False) -> float:
    """Distance of the enhanced rims to that of the original ones, each photo weighing alike; or that of the excesses
    over the texture's."""
    with_rims = [row.rims for row in rows if row.rims is not None]
    before, after, texture = (float(np.sum([rims[k] for rims in with_rims])) for k in range(3))
    off = texture if excess else 0.0
    return (after - off) / (before - off) if before > off else 0.0


if __name__ == "__main__":
    sys.exit(main())
