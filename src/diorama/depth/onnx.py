"""Depth networks as ONNX files: pictures in, inverse depth out; and MiDaS v2.1 small's conventions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diorama import networks
from diorama.errors import ModelError
from diorama.types import Float32, UInt8

MIDAS_SIDE = 256

FAILED = "Try the bundled network: --depth bundled; or fetch the weights again with 'diorama models pull'."


def run(path: Path, inputs: dict[str, Float32], output: str) -> Float32:
    """One answer of the network, float32.

    Raises:
        ModelError: the network can't be loaded, fails, or has other inputs and outputs than these.
    """
    return np.asarray(networks.run(path, inputs, output, hint=FAILED)[0], np.float32)


def midas_small(path: Path, rgb: UInt8) -> Float32:
    """MiDaS v2.1 small (Ranftl et al. 2020): relative inverse depth (256, 256) of the whole picture, larger is nearer.

    The graph takes RGB 0..1 and normalises inside: subtracting the mean once more is a common mistake.

    Args:
        path: ``model-small.onnx``.
        rgb: (H, W, 3).
    """
    answer = run(path, {"0": tensor(rgb, MIDAS_SIDE, MIDAS_SIDE)}, "797")
    return squeezed(answer, path, (MIDAS_SIDE, MIDAS_SIDE))


def tensor(rgb: UInt8, width: int, height: int) -> Float32:
    """(H, W, 3) -> (1, 3, height, width), 0..1, the whole picture."""
    import cv2

    smaller = width <= rgb.shape[1] and height <= rgb.shape[0]
    resized = np.asarray(
        cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    )
    return np.ascontiguousarray(resized.transpose(2, 0, 1)[None], np.float32) / np.float32(255)


def squeezed(answer: Float32, path: Path, shape: tuple[int, int]) -> Float32:
    """(1, h, w) -> (h, w).

    Raises:
        ModelError: the shape is another one.
    """
    if answer.shape not in ((1, *shape), (1, 1, *shape)):
        raise ModelError(
            f"The network {path.name} answered with the shape {answer.shape} instead of {(1, *shape)}.",
            hint="It isn't the model that its name says; fetch it again with 'diorama models pull'.",
        )
    return answer.reshape(shape)
