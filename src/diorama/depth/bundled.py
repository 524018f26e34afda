"""The depth networks that come with Diorama: one of 2 million parameters, trained for it, and a second opinion.

The first is ours (docs/models/depth-v2.md); the second is Tiefenrausch, the network of One Shot 3D Photography (Kopf et
al. 2020), whose weights are under MIT, in whole-number arithmetic (training/quantise.py), with an answer at an eighth
of the picture's size (training/coarse.py): it has its say in the order of things, not in outlines. Ours knows rooms,
people and things in front of a background, the other skies, streets and what is far; each errs in its own way, so that
their mean errs less than either.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from diorama.depth import onnx
from diorama.types import Float32, UInt8

SIDES = (224, 320, 832)
"""Long sides that our network is shown the picture at. The smaller ones get the order of things right, the largest one
the outlines. On six stereo pairs 960 says no more than 832, in four thirds of the time."""

SECOND_SIDE = 640
"""The long side for the second network: it is best at this one."""

MOST_ENLARGED = 3
"""Times that a small picture is enlarged at most, but to the smallest of `SIDES`: there is nothing between its pixels.
Those of 320 px and more are seen at all sizes."""

BOTH_WAYS_SIDE = 320
"""Up to this long side, and by the second network, the mirrored picture is looked at as well: a mirrored photo's map is
the mirrored map to 1.5 % of the range then, without to 4.5 %. The largest size is for outlines and costs as much."""

SECOND_SHARE = 0.15
"""Of the second network in the mean."""

DETAIL = 0.7
"""Share of the largest answer's own fine structure (below about `DETAIL_SIGMA`) that is added to the mean, which has
a fifth of it: more brings halos and warts."""

DETAIL_SIGMA = 0.012  # of the long side

FINEST_SHARE = 0.5
"""Weight of the largest answer in the mean, of the others 1: it alone is not mirrored, and the order of things is worse
in it."""

NEAR = 100.0
"""What our network calls the near end's inverse depth, but for a shift (training/losses.py)."""

FULL_REACH = 0.25
"""Of the near end's inverse depth: from which span on a picture has all of its depth. Below, as of a wall seen straight
on, there is less: its grain isn't stretched to a landscape's relief."""

TOGETHER = 2

_MULTIPLE = 32  # the networks halve the picture five times


@dataclass(frozen=True)
class Networks:
    """ONNX files that share a contract: `image` (1, 3, H, W), 0..1, sides multiples of 32 -> `inverse_depth`."""

    own: Path
    second: Path | None = None

    def files(self) -> tuple[Path, ...]:
        """Both, or one."""
        return (self.own,) if self.second is None else (self.own, self.second)


@cache
def shipped() -> Networks:
    """The files in the package."""
    folder = Path(str(resources.files("diorama.weights")))
    return Networks(folder / "depth.onnx", folder / "depth-second.onnx")


def predict(rgb: UInt8, networks: Networks | None = None) -> Float32:
    """Relative inverse depth (h, w) of the whole picture (H, W, 3), larger is nearer; about 832 px long, or less.

    In units of the near end's, as far as our network can tell them: see `reach`.

    Args:
        rgb: the picture.
        networks: other files than the package's, which training and benchmarks compare.

    Raises:
        ModelError: a network can't be loaded or fails.
    """
    import cv2

    used = networks or shipped()
    most = max(SIDES[0], MOST_ENLARGED * max(rgb.shape[:2]))
    own = [(used.own, side) for side in sorted({min(side, most) for side in SIDES})]
    second = None if used.second is None else (used.second, min(SECOND_SIDE, most))
    asked = sorted(own if second is None else [*own, second], key=lambda one: one[1], reverse=True)  # the longest first
    twice = {second, *(one for one in own if one[1] <= BOTH_WAYS_SIDE)}
    # Two at a time, each on half of the cores: their small layers don't keep two busy. Each in a copy of the context,
    # which knows who wants to hear what runs networks.
    with ThreadPoolExecutor(TOGETHER) as pool:
        begun = {one: pool.submit(copy_context().run, _seen, rgb, one[1], one[0], one in twice) for one in asked}
        found = {one: running.result() for one, running in begun.items()}
    seen = {one: standardised(values) for one, values in found.items()}
    finest = seen[own[-1]]
    size = (finest.shape[1], finest.shape[0])
    shares = [FINEST_SHARE if one == own[-1] else 1.0 for one in own]
    mean = np.zeros_like(finest)
    for one, share in zip(own, shares, strict=True):
        mean += np.float32(share / sum(shares)) * cv2.resize(seen[one], size, interpolation=cv2.INTER_CUBIC)
    if second is not None:
        other = cv2.resize(seen[second], size, interpolation=cv2.INTER_CUBIC)
        mean = np.float32(1 - SECOND_SHARE) * standardised(mean) + np.float32(SECOND_SHARE) * other
    difference = finest - mean
    detail = difference - cv2.GaussianBlur(difference, (0, 0), DETAIL_SIGMA * max(size))
    unit = np.mean([spread(found[one]) for one in own if one in twice]) / NEAR
    return np.ascontiguousarray((mean + np.float32(DETAIL) * detail) * np.float32(unit), np.float32)


def reach(inverse: Float32) -> float:
    """How much of the whole depth there is in what `predict` said, 0..1: little where the picture shows something flat,
    1 from `FULL_REACH` on."""
    low, high = np.percentile(inverse, (0.5, 99.5))
    return float(min(1.0, (high - low) / FULL_REACH))


def _seen(rgb: UInt8, long_side: int, network: Path, both_ways: bool) -> Float32:
    """One network's answer; the mean with its answer to the mirrored picture where `both_ways`."""
    found = answer(rgb, long_side, network)
    if not both_ways:
        return found
    mirrored = answer(np.ascontiguousarray(rgb[:, ::-1]), long_side, network)[:, ::-1]
    unit = np.float32((spread(found) + spread(mirrored)) / 2)
    return standardised(standardised(found) + standardised(mirrored)) * unit


def spread(values: Float32) -> float:
    """Mean distance from the median."""
    return float(np.abs(values - np.median(values)).mean())


def standardised(values: Float32) -> Float32:
    """Shifted by the median and scaled by the mean distance from it: answers become comparable."""
    centred = values - np.median(values)
    return np.asarray(centred / (np.abs(centred).mean() + np.float32(1e-6)), np.float32)


def input_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Width and height for the network: multiples of 32 with about the picture's aspect, never below 32."""
    scale = long_side / max(width, height)
    across, down = (max(1, round(side * scale / _MULTIPLE)) * _MULTIPLE for side in (width, height))
    return across, down


def answer(rgb: UInt8, long_side: int, network: Path) -> Float32:
    """One network's answer (h, w) to the picture at one size.

    Raises:
        ModelError: the network can't be loaded or fails.
    """
    width, height = input_size(rgb.shape[1], rgb.shape[0], long_side)
    found = onnx.run(network, {"image": onnx.tensor(rgb, width, height)}, "inverse_depth", TOGETHER)
    return onnx.flat(found, network)
