"""MoGe-2 (Wang et al., "MoGe-2: Accurate Monocular Geometry with Metric Scale and Sharp Details", 2025) as ONNX.

The network answers with a point for each pixel, in a camera's frame (x right, y down, z forward) that is moved along
its axis by an unknown shift and scaled: an affine point map. The camera's focal length and the shift are those that put
the points where their pixels are (`solve`); the network's metric scale then makes metres of them.

Published units: u and v run from the picture's centre and are divided by half of its diagonal; so is the focal length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diorama import networks
from diorama.depth.onnx import FAILED, tensor
from diorama.depth.prediction import Prediction, unit
from diorama.errors import ModelError
from diorama.types import Bool, Float32, UInt8

Float64 = npt.NDArray[np.float64]

TOKENS = 2500
"""The most that the network was trained with (1200 to 2500), which its authors take unless told otherwise."""

MAX_SIDE = 1024
"""Of the picture that it is given: 2500 tokens are about 700 px of detail."""

GRID = 64
"""Points on a side that `solve` looks at, as published."""

FEWEST = 8
"""Points without which there is no shape to be solved: a picture of nothing but sky."""

SCAN = 96
"""Shifts that are tried before the best one is refined."""


@dataclass(frozen=True)
class Solution:
    """What `solve` found."""

    focal: float  # over half of the picture's diagonal
    shift: float  # to be added to z, in the point map's units


def predict(path: Path, rgb: UInt8, known_focal: float | None = None) -> Prediction:
    """Metric inverse depth, what is infinitely far, the focal length and the normals.

    Args:
        path: ``moge-2-vits-normal.onnx``: `image` (1, 3, h, w) 0..1, normalised inside, and `num_tokens`, to `points`
            and `normal` (1, h, w, 3), `mask` (1, h, w) 0..1 and `metric_scale` or `scale` (1,).
        rgb: (H, W, 3).
        known_focal: focal length over the picture's width, where it is known: then the shift alone is solved.

    Raises:
        ModelError: the network can't be loaded, fails, or is another one.
    """
    height, width = _size(rgb)
    points, normals, mask, scale = _ask(path, tensor(rgb, width, height))
    if not points.shape == normals.shape == (height, width, 3) or mask.shape != (height, width):
        raise ModelError(
            f"The network {path.name} answered with points {points.shape} and a mask {mask.shape} instead of "
            f"{(height, width, 3)} and {(height, width)}.",
            hint="It isn't MoGe-2; fetch it again with 'diorama models pull moge-2-small'.",
        )
    seen = (mask > 0.5) & np.isfinite(points).all(axis=2)
    if np.count_nonzero(seen) < FEWEST or not (math.isfinite(scale) and scale > 0):
        return Prediction(np.full(mask.shape, np.nan, np.float32), "metric", np.ones(mask.shape, bool))
    half = math.hypot(width, height) / 2
    found = solve(points, seen, None if known_focal is None else known_focal * width / half)
    z = (points[..., 2] + np.float32(found.shift)) * np.float32(scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.ascontiguousarray(np.where(z > 0, 1 / z, np.nan), np.float32)
    far = ~(seen & (z > 0))
    normals = _facing(np.where(far[..., None], np.float32(0), normals), found.focal * half)
    return Prediction(inverse, "metric", far, found.focal * half / width, normals=normals)


def solve(points: Float32, seen: Bool, focal: float | None = None) -> Solution:
    """The focal length and the shift of an affine point map (MoGe, Wang et al. 2025, section 3).

    They minimise the sum of squares of f (x, y) / (z + shift) - (u, v). For a given shift the best focal length is that
    of a linear fit, so only the shift is searched: over all that leave every point before the camera, by a scan of
    distances on a logarithmic scale and Brent's method around the best. (The published code goes downhill from shift 0,
    which ends in the same place where it ends well.)

    Args:
        points: (h, w, 3); what stands where `seen` is False doesn't matter.
        seen: (h, w), somewhere True.
        focal: over half of the picture's diagonal, where it is known.
    """
    from scipy.optimize import minimize_scalar

    uv, xyz = _sampled(points, seen)
    xy, z = xyz[:, :2], xyz[:, 2]
    # Single stray points in front of all others shall not bound the shift.
    nearest, spread = float(np.percentile(z, 0.5)), float(np.percentile(np.abs(z - np.median(z)), 90))
    spread = max(spread, 1e-3 * float(np.abs(xy).max()), 1e-9)
    kept = z >= nearest
    uv, xy, z = uv[kept], xy[kept], z[kept] - nearest

    def fit(log_distance: float) -> tuple[float, float]:
        """Focal length and mean square error where the nearest point is exp(`log_distance`) before the camera."""
        seen_at = xy / (z + math.exp(log_distance))[:, None]
        best = focal if focal is not None else _best_focal(seen_at, uv)
        return best, float(np.mean(np.sum(np.square(best * seen_at - uv), axis=1)))

    tries = np.log(spread) + np.linspace(math.log(1e-4), math.log(1e4), SCAN)
    errors = np.array([fit(float(one))[1] for one in tries])
    equal = np.flatnonzero(errors <= errors.min() * (1 + 1e-6) + 1e-12)  # many before a wall seen head on
    at = int(equal[np.argmin(np.abs(np.exp(tries[equal]) - nearest))])  # then the network's own shift is as good
    bounds = (float(tries[max(at - 1, 0)]), float(tries[min(at + 1, SCAN - 1)]))
    log_distance = float(minimize_scalar(lambda t: fit(float(t))[1], bounds=bounds, method="bounded").x)
    return Solution(fit(log_distance)[0], math.exp(log_distance) - nearest)


def _best_focal(seen_at: Float64, uv: Float64) -> float:
    square = float(np.sum(np.square(seen_at)))
    return max(float(np.sum(seen_at * uv)) / square, 1e-6) if square > 0 else 1.0


def _sampled(points: Float32, seen: Bool) -> tuple[Float64, Float64]:
    """(u, v) and (x, y, z) of the pixels in the middles of a `GRID` x `GRID` raster, those that are seen."""
    height, width = seen.shape
    rows = ((np.arange(GRID) + 0.5) * height / GRID).astype(int)
    columns = ((np.arange(GRID) + 0.5) * width / GRID).astype(int)
    y, x = (index.ravel() for index in np.meshgrid(np.unique(rows), np.unique(columns), indexing="ij"))
    here = seen[y, x]
    if np.count_nonzero(here) < FEWEST:  # little is seen: all of it counts
        y, x = np.nonzero(seen)
        here = np.ones(len(y), bool)
    y, x = y[here], x[here]
    half = math.hypot(width, height) / 2
    uv = np.column_stack([x + 0.5 - width / 2, y + 0.5 - height / 2]) / half
    return uv, points[y, x].astype(np.float64)


def _facing(normals: Float32, focal_px: float) -> Float32:
    """Unit normals (h, w, 3), each on the side of its surface that the camera sees."""
    height, width = normals.shape[:2]
    x = (np.arange(width, dtype=np.float32) + np.float32(0.5 - width / 2)) / np.float32(focal_px)
    y = (np.arange(height, dtype=np.float32) + np.float32(0.5 - height / 2)) / np.float32(focal_px)
    away = normals[..., 0] * x + normals[..., 1] * y[:, None] + normals[..., 2] > 0
    return unit(np.where(away[..., None], -normals, normals))


def _ask(path: Path, picture: Float32) -> tuple[Float32, Float32, Float32, float]:
    inputs: dict[str, npt.NDArray[Any]] = {"image": picture, "num_tokens": np.array(TOKENS, np.int64)}
    names = {node.name for node in networks.session(path).get_outputs()}
    scale = "metric_scale" if "metric_scale" in names else "scale"  # exports differ
    *maps, factor = networks.run(path, inputs, "points", "normal", "mask", scale, hint=FAILED)
    points, normals, mask = (np.asarray(values, np.float32) for values in maps)
    points, normals = points.reshape(points.shape[-3:]), normals.reshape(normals.shape[-3:])
    return points, normals, mask.reshape(mask.shape[-2:]), float(np.ravel(factor)[0])


def _size(rgb: UInt8) -> tuple[int, int]:
    height, width = rgb.shape[:2]
    scale = min(1.0, MAX_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
