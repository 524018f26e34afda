"""How good a network is: on real stereo pairs that no training saw, and on scenes that training would never draw again.

Scored are the network's plain answer at one size, both ways round, and what the package makes of it (several sizes,
sharpened, with a sky): see `benchmarks/depth.py` for what the scores mean.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from diorama.depth import bundled, refine, sky
from training.batches import Float32, Picture

Pair = tuple[Picture, Float32]  # and disparity (H, W) or inverse depth, NaN unknown

PLAIN_SIDE = 384

HELD_OUT_SEED = 2**32 - 1
"""No run's: those are small numbers."""


def grey(pair: Pair) -> Pair:
    """A harder picture of the same: its middle, grey, at half the size, of little contrast."""
    rgb, truth = pair
    height, width = truth.shape
    inner = slice(height // 10, height - height // 7), slice(width // 7, width - width // 10)
    small = cv2.resize(rgb[inner], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    flat = np.repeat(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    flat = np.rint(128 + 0.7 * (flat.astype(np.float32) - flat.mean())).clip(0, 255).astype(np.uint8)
    return flat, np.ascontiguousarray(truth[inner])


def plain(rgb: Picture, networks: bundled.Networks) -> Float32:
    """The network's answer at one size, the mean of both ways round, at the picture's size."""
    answers = [bundled.answer(picture, PLAIN_SIDE, networks.own) for picture in (rgb, rgb[:, ::-1])]
    return refine.upsample((answers[0] + answers[1][:, ::-1]) / 2, rgb.shape[1], rgb.shape[0])


def refined(rgb: Picture, networks: bundled.Networks) -> Float32:
    """What `diorama depth` makes of the networks."""
    inverse = bundled.predict(rgb, networks)
    whole, reach = refine.upsample(refine.normalise(inverse), rgb.shape[1], rgb.shape[0]), bundled.reach(inverse)
    far = sky.find(rgb, whole, reach)
    return refine.nearer(refine.sharpen(whole, rgb, 1.0, far), reach, far)


def scores(pairs: Iterable[Pair], networks: bundled.Networks) -> dict[str, float]:
    """Means over the pairs: `plain_wrong`, `plain_pearson`, `refined_wrong`, `refined_pearson`, and the same of grey
    pictures."""
    from benchmarks import depth as benchmark

    rows: list[dict[str, float]] = []
    for pair in pairs:
        row: dict[str, float] = {}
        for prefix, (rgb, truth) in (("", pair), ("grey_", grey(pair))):
            for name, how in (("plain", plain), ("refined", refined)):
                estimate = how(rgb, networks)
                if estimate.shape != truth.shape:
                    estimate = np.asarray(cv2.resize(estimate, truth.shape[::-1], interpolation=cv2.INTER_LINEAR))
                found = benchmark.score(estimate, truth)
                row |= {f"{prefix}{name}_wrong": found[0], f"{prefix}{name}_pearson": found[1]}
        rows.append(row)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def held_out(count: int, height: int = 240, width: int = 320) -> list[Pair]:
    """Scenes of seeds that training doesn't use."""
    from training import scenes

    drawn = [scenes.sample(np.random.default_rng((HELD_OUT_SEED, index)), height, width) for index in range(count)]
    return [(one.rgb, one.inverse_depth) for one in drawn]


def curve(checkpoints: list[Path], pairs: list[Pair], rendered: list[Pair], out: Path) -> list[dict[str, Any]]:
    """Score the averaged weights of every checkpoint; also writes a table (CSV) of score against images seen."""
    from training import export, train

    rows: list[dict[str, Any]] = []
    for path in checkpoints:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{path.stem}.onnx"
            export.write(train.averaged(path), file)
            rows.append({"images": int(path.stem), **row(bundled.Networks(file), pairs, rendered)})
        print("  ".join(f"{name} {value:.4g}" for name, value in rows[-1].items()), flush=True)
        with out.open("w", newline="", encoding="utf-8") as table:
            writer = csv.DictWriter(table, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return rows


def row(networks: bundled.Networks, pairs: list[Pair], rendered: list[Pair]) -> dict[str, float]:
    """All scores of a network, those of rendered scenes as `scenes_...`."""
    found = scores(pairs, networks)
    if rendered:
        found |= {f"scenes_{name}": value for name, value in scores(rendered, networks).items() if "plain" in name}
    return found


def sheet(photos: list[Path], networks: list[bundled.Networks], out: Path, side: int = 320) -> None:
    """A picture with a row for two photos: each beside its depth as every one of the networks sees it."""
    from training import labels

    cells = []
    for path in photos:
        rgb = labels.read(path, 2 * side)
        tiles: list[npt.NDArray[np.uint8]] = [rgb]
        for one in networks:
            shades = np.rint(255 * refined(rgb, one)).astype(np.uint8)
            tiles.append(np.ascontiguousarray(cv2.applyColorMap(shades, cv2.COLORMAP_INFERNO)[..., ::-1]))
        cells.append(np.hstack([_fitted(tile, side) for tile in tiles]))
    if len(cells) % 2:
        cells.append(np.zeros_like(cells[0]))
    rows = [np.hstack(cells[index : index + 2]) for index in range(0, len(cells), 2)]
    cv2.imwrite(str(out), np.vstack(rows)[..., ::-1])


def _fitted(picture: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    scale = side / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    tile = np.zeros((side, side, 3), np.uint8)
    y, x = (side - size[1]) // 2, (side - size[0]) // 2
    tile[y : y + size[1], x : x + size[0]] = small
    return tile
