"""The depth networks that come with Diorama: one of 2 million parameters, trained for it, and a second opinion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from diorama.depth import onnx
from diorama.types import Float32, UInt8

FILE = "diorama-depth-v0.onnx"

SIDES = (224, 320, 640)
"""Long sides that the picture is shown at. The smaller ones get the order of things right, the largest one the
outlines: on seven stereo pairs 18.3 % of pixel pairs are in the wrong order, with 320 px alone 20.7 %."""

DETAIL = 0.5
"""Share of the largest answer's own fine structure (below about `DETAIL_SIGMA`) that is added to the mean, which has
a third of it: more brings halos and warts."""

DETAIL_SIGMA = 0.025  # of the long side

_MULTIPLE = 32  # the network halves the picture five times


@dataclass(frozen=True)
class Networks:
    """ONNX files that share a contract: `image` (1, 3, H, W), 0..1, sides multiples of 32 -> `inverse_depth`."""

    own: Path


@cache
def shipped() -> Networks:
    """The files in the package."""
    return Networks(Path(str(resources.files("diorama.depth") / FILE)))


def path() -> Path:
    """The network's file in the package."""
    return shipped().own


def predict(rgb: UInt8, networks: Networks | None = None) -> Float32:
    """Relative inverse depth (h, w) of the whole picture (H, W, 3), larger is nearer; h x w is about 640 px long.

    Args:
        rgb: the picture.
        networks: other files than the package's, which training and benchmarks compare.

    Raises:
        ModelError: the network can't be loaded or fails.
    """
    import cv2

    used = networks or shipped()
    answers = [answer(rgb, side, used.own) for side in SIDES]
    finest = answers[-1]
    size = (finest.shape[1], finest.shape[0])
    mean = np.mean([cv2.resize(one, size, interpolation=cv2.INTER_CUBIC) for one in answers], axis=0)
    difference = finest - mean
    detail = difference - cv2.GaussianBlur(difference, (0, 0), DETAIL_SIGMA * max(size))
    return np.ascontiguousarray(mean + np.float32(DETAIL) * detail, np.float32)


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
    found = onnx.run(network, {"image": onnx.tensor(rgb, width, height)}, "inverse_depth")
    return onnx.flat(found, network)
