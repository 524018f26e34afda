"""How much does a person with the brush mend? Scripted strokes, taken from the true depth of stereo pairs.

    python benchmarks/brush.py                      scikit-image's Motorcycle, the bundled network's depth
    python benchmarks/brush.py STEREO               NAME/left.png and NAME/disparity.png (16 bits, x 256, 0 = unknown)
    python benchmarks/brush.py --strokes 6          fewer strokes (12 otherwise)

Each stroke is one that somebody who knows the scene would paint: where the depth is most wrong a short straight stroke
on the thing that is wrong, "nearer" or "farther", by as much as it is wrong there, rounded to 5 % of the range. The
true disparity is used for nothing else. Wrong order, Pearson and nrmse are those of `depth.py`; ms is what
all strokes together take, at the photo's size. Exits with 1 where the wrong order falls by less than a
quarter over all pairs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from depth import motorcycle, score, stereo_pairs
from diorama import depth
from diorama.depth.correct import correct
from diorama.settings import Settings
from diorama.types import Camera, Correction, DepthMap, Photo

Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

RADIUS = 0.015
LONGEST = 0.12
"""Of a stroke, as a share of the long side."""

VISIBLE = 0.07
"""Errors below this share of the range are not seen by a person."""

LARGEST_PAIR = 800
"""Long side in pixels to which pairs are reduced."""


def strokes_of(photo: Photo, model: DepthMap, disparity: Float32, count: int) -> list[Correction]:
    """`count` strokes, each where the depth is most wrong after those before it."""
    known = np.isfinite(disparity)
    span = float(np.subtract(*np.percentile(model.inverse_depth, (98, 2))))
    truth = _aligned(disparity, model.inverse_depth, known)
    strokes: list[Correction] = []
    now = model
    for _ in range(count):
        error = np.where(known, (truth - now.inverse_depth) / span, 0).astype(np.float32)
        stroke = _worst(error, known)
        if stroke is None:
            break
        strokes.append(stroke)
        now = correct(model, photo.rgb, strokes)
    return strokes


def _aligned(disparity: Float32, inverse: Float32, known: Bool) -> Float32:
    """The true disparity in the model's units: least absolute deviations, so that what is wrong doesn't decide."""
    d, p = disparity[known].astype(np.float64), inverse[known].astype(np.float64)
    design = np.stack([d, np.ones_like(d)], axis=1)
    weight = np.ones(len(d))
    fit = np.zeros(2)
    for _ in range(20):
        fit = np.linalg.lstsq(design * weight[:, None] ** 0.5, p * weight**0.5, rcond=None)[0]
        weight = 1 / np.maximum(np.abs(p - design @ fit), 0.01)
    return (fit[0] * np.nan_to_num(disparity) + fit[1]).astype(np.float32)


def _worst(error: Float32, known: Bool) -> Correction | None:
    """A stroke in the middle of the region with the largest error in sum."""
    height, width = error.shape
    longest = max(height, width)
    smooth = cv2.GaussianBlur(error, (0, 0), 0.004 * longest)
    best: tuple[float, Bool, int] | None = None
    for sign in (1, -1):
        wrong = ((sign * smooth > VISIBLE) & known).astype(np.uint8)
        wrong = cv2.erode(wrong, np.ones((3, 3), np.uint8))
        parts, labels = cv2.connectedComponents(wrong, connectivity=4)
        if parts < 2:
            continue
        sums = np.bincount(labels.ravel(), (sign * smooth).ravel(), parts)
        sums[0] = 0
        worst = int(sums.argmax())
        if best is None or sums[worst] > best[0]:
            best = float(sums[worst]), labels == worst, sign
    if best is None:
        return None
    _, region, sign = best
    room = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    room = np.minimum(room, 2 * RADIUS * longest)  # wide enough is wide enough: then where it is most wrong
    y, x = np.unravel_index(int((room * np.abs(smooth)).argmax()), room.shape)
    start, end = _straight(region, int(x), int(y), LONGEST / 2 * longest)
    line = np.zeros(error.shape, np.uint8)
    cv2.line(line, start, end, 1, max(1, round(RADIUS * longest)))
    amount = float(np.median(np.abs(error[(line > 0) & region])))
    strength = min(max(round(amount * 20) / 20, 0.05), 1.0)
    points = tuple(((px + 0.5) / width, (py + 0.5) / height) for px, py in (start, end))
    return Correction("nearer" if sign > 0 else "farther", points, RADIUS, strength)


def _straight(region: Bool, x: int, y: int, half: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """The longest of eight straight strokes through (x, y) that stay in the region."""
    height, width = region.shape
    best = ((x, y), (x, y))
    longest = -1.0
    for angle in np.arange(8) * np.pi / 8:
        ends = []
        for sign in (1, -1):
            step, at = 0.0, (x, y)
            while step < half:
                step += 1
                px, py = round(x + sign * step * np.cos(angle)), round(y + sign * step * np.sin(angle))
                if not (0 <= px < width and 0 <= py < height and region[py, px]):
                    break
                at = (px, py)
            ends.append(at)
        length = float(np.hypot(ends[0][0] - ends[1][0], ends[0][1] - ends[1][1]))
        if length > longest:
            longest, best = length, (ends[0], ends[1])
    return best


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", help="stereo pairs: NAME/left.png and NAME/disparity.png")
    parser.add_argument("--strokes", type=int, default=12, help="how many strokes are painted")
    parser.add_argument("--backend", default="bundled", help="the depth model that is corrected")
    parser.add_argument("--write", type=Path, metavar="DIR", help="also write the strokes as corrections files")
    arguments = parser.parse_args()
    pairs = motorcycle() if arguments.folder is None else stereo_pairs(arguments.folder)
    names = (
        ["Motorcycle"]
        if arguments.folder is None
        else sorted(p.parent.name for p in arguments.folder.glob("*/left.png"))
    )
    print(
        "| pair | strokes | wrong order | after | less by | Pearson | after | nrmse | after | ms |\n|---|" + "---:|" * 9
    )
    wrong_before, wrong_after = [], []
    for name, (rgb, disparity) in zip(names, pairs, strict=True):
        photo = Photo(rgb, Camera.assumed(rgb.shape[1], rgb.shape[0])).fitted(LARGEST_PAIR)
        if photo.rgb.shape != rgb.shape:
            disparity = cv2.resize(disparity, (photo.width, photo.height), interpolation=cv2.INTER_NEAREST)
        model, _ = depth.estimate(photo, Settings(depth=arguments.backend))
        strokes = strokes_of(photo, model, disparity, arguments.strokes)
        begin = time.perf_counter()
        corrected = correct(model, photo.rgb, strokes)
        milliseconds = 1000 * (time.perf_counter() - begin)
        before, after = (score(d.inverse_depth, disparity) for d in (model, corrected))
        wrong_before.append(before[0])
        wrong_after.append(after[0])
        cells = [name, str(len(strokes)), f"{before[0]:.1%}", f"{after[0]:.1%}", f"{1 - after[0] / before[0]:.0%}"]
        cells += [f"{before[1]:.3f}", f"{after[1]:.3f}", f"{before[2]:.3f}", f"{after[2]:.3f}", f"{milliseconds:.0f}"]
        print(f"| {' | '.join(cells)} |", flush=True)
        if arguments.write:
            arguments.write.mkdir(parents=True, exist_ok=True)
            document = {"corrections": [stroke.to_json() for stroke in strokes]}
            (arguments.write / f"{name}.json").write_text(json.dumps(document, indent=1))
    less = 1 - sum(wrong_after) / sum(wrong_before)
    print(f"\nWrong order less by {less:.0%}.")
    return 0 if less >= 0.25 else 1


if __name__ == "__main__":
    sys.exit(main())
