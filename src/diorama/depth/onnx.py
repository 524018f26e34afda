"""Networks as ONNX files: one session each per process, errors as sentences; and MiDaS v2.1 small's conventions."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diorama.errors import ModelError
from diorama.types import Float32, UInt8

if TYPE_CHECKING:
    import onnxruntime

MAX_THREADS = 4
"""More make these small networks no faster, and several jobs share a machine."""

MIDAS_SIDE = 256


@cache
def session(path: Path) -> onnxruntime.InferenceSession:
    """The model's session; loaded once in a process.

    Raises:
        ModelError: the file is damaged or needs a newer onnxruntime.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, min(MAX_THREADS, _cores()))
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # plans are kept for each input size: 270 MB more after six sizes, no faster
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores to others
    options.log_severity_level = 4  # what goes wrong is raised, and said once
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base but this
        raise ModelError(
            f"The network {path.name} can't be loaded: {_first_line(error)}.",
            hint=f"Check the file with 'diorama models verify', or reinstall Diorama if it came with it: {path}.",
        ) from error


def run(path: Path, inputs: dict[str, Float32], output: str) -> Float32:
    """One answer of the network, float32.

    Raises:
        ModelError: the network can't be loaded, fails, or has other inputs and outputs than these.
    """
    loaded = session(path)
    try:
        answer = loaded.run([output], dict(inputs))[0]
    except Exception as error:  # as above
        raise ModelError(
            f"The network {path.name} failed: {_first_line(error)}.",
            hint="Try the bundled network: --depth bundled; or fetch the weights again with 'diorama models pull'.",
        ) from error
    return np.asarray(answer, np.float32)


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


def _cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine's."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")[:200]
