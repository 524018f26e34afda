"""Networks kept as ONNX files: one session each per process, and errors as sentences."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from diorama.errors import ModelError

if TYPE_CHECKING:
    import onnxruntime

MAX_THREADS = 4
"""More make these small networks no faster, and several jobs share a machine."""


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


def run(path: Path, inputs: Mapping[str, npt.NDArray[Any]], *outputs: str, hint: str) -> list[npt.NDArray[Any]]:
    """The network's answers: the named outputs, or all where none is named.

    Args:
        hint: what the user can do when the network fails.

    Raises:
        ModelError: the network can't be loaded, fails, or has other inputs and outputs than these.
    """
    loaded = session(path)
    try:
        answers = loaded.run(list(outputs) or None, dict(inputs))
    except Exception as error:  # as above
        raise ModelError(f"The network {path.name} failed: {_first_line(error)}.", hint=hint) from error
    return [np.asarray(answer) for answer in answers]


def _cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine's."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")[:200]
