"""Depth networks as ONNX files: a picture and a contract in, inverse depth out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diorama import networks
from diorama.depth.contract import Contract, understood
from diorama.depth.prediction import Prediction
from diorama.errors import ModelError
from diorama.types import Float32, UInt8

FAILED = "Try the bundled network: --depth bundled; or fetch the weights again with 'diorama models pull'."


def predict(path: Path, contract: Contract, rgb: UInt8) -> Prediction:
    """Ask a network about the whole picture (H, W, 3).

    Raises:
        ModelError: the network can't be loaded, fails, or isn't the contract's.
    """
    width, height = contract.input_size(rgb.shape[1], rgb.shape[0])
    picture = tensor(rgb, width, height) * np.float32(contract.peak)
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (contract.mean, contract.std))
    picture = (picture - mean) / std
    if contract.colour == "bgr":
        picture = picture[:, ::-1]
    if contract.layout == "nhwc":
        picture = picture.transpose(0, 2, 3, 1)
    answer = run(path, {contract.input: np.ascontiguousarray(picture)}, contract.output)
    return understood(flat(answer, path), contract.meaning)


def run(path: Path, inputs: dict[str, Float32], output: str, at_once: int = 1) -> Float32:
    """One answer of the network, float32. Inputs are cast to float16 where the network's are.

    Args:
        at_once: how many networks the caller runs at the same time.

    Raises:
        ModelError: the network can't be loaded, fails, or has other inputs and outputs than these.
    """
    halves = {node.name for node in networks.session(path, at_once).get_inputs() if node.type == "tensor(float16)"}
    cast = {name: value.astype(np.float16) if name in halves else value for name, value in inputs.items()}
    return np.asarray(networks.run(path, cast, output, hint=FAILED, at_once=at_once)[0], np.float32)


def tensor(rgb: UInt8, width: int, height: int) -> Float32:
    """(H, W, 3) -> (1, 3, height, width), 0..1, the whole picture."""
    import cv2

    smaller = width <= rgb.shape[1] and height <= rgb.shape[0]
    resized = np.asarray(
        cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    )
    return np.ascontiguousarray(resized.transpose(2, 0, 1)[None], np.float32) / np.float32(255)


def flat(answer: Float32, path: Path) -> Float32:
    """The one map (h, w) of an answer: axes of length 1 go.

    Raises:
        ModelError: it holds none, or several.
    """
    shape = answer.shape
    leading = len(shape) in (3, 4) and shape[0] == 1
    if leading and len(shape) == 4 and 1 in (shape[1], shape[3]):
        return answer.reshape(shape[2:] if shape[1] == 1 else shape[1:3])
    if leading and len(shape) == 3:
        return answer.reshape(shape[1:])
    if len(shape) == 2 and min(shape) > 0:
        return answer
    raise ModelError(
        f"The network {path.name} answered with the shape {shape}, which is no depth map.",
        hint="It isn't the model that its name says; fetch it again with 'diorama models pull'.",
    )
