"""The depth network that comes with Diorama."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from diorama.types import Float32, UInt8


@cache
def _session() -> Any:
    import onnxruntime

    data = (resources.files("diorama.depth") / "diorama-depth-v0.onnx").read_bytes()
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def predict(rgb: UInt8) -> Float32:
    """Relative inverse depth (h, w) of the whole picture, larger is nearer."""
    import cv2

    height, width = rgb.shape[:2]
    scale = 288 / max(height, width)
    size = max(32, round(width * scale / 32) * 32), max(32, round(height * scale / 32) * 32)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    result: Float32 = _session().run(None, {"image": small.transpose(2, 0, 1)[None]})[0][0]
    return result
