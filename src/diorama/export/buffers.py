"""glTF's binary chunk while it grows, with its views and accessors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963

COMPONENT = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
"""glTF's numbers of types, by numpy's."""


class Buffer:
    """The bytes, their views and accessors, in the order in which they were added."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, data: bytes, target: int | None = None, stride: int | None = None) -> int:
        """Add bytes, aligned to four -> the view's number."""
        self.data.extend(bytes(-len(self.data) % 4))
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        if stride is not None:
            view["byteStride"] = stride
        self.views.append(view if target is None else {**view, "target": target})
        self.data.extend(data)
        return len(self.views) - 1

    def accessor(self, array: npt.NDArray[Any], kind: str, target: int = ARRAY_BUFFER, **more: Any) -> int:
        """Add an array, (N,) or (N, width) -> the accessor's number. Rows of vertex data are aligned to four bytes."""
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        name = little.dtype.str[1:]
        stride = None
        row = little.itemsize * (1 if little.ndim == 1 else little.shape[1])
        if target == ARRAY_BUFFER and row % 4:
            stride = row + -row % 4
            padded = np.zeros((len(little), stride // little.itemsize), little.dtype)
            padded[:, : little.shape[1]] = little
            little = padded
        accessor = {
            "bufferView": self.view(little.tobytes(), target, stride),
            "componentType": COMPONENT[name],
            "count": len(array),
            "type": kind,
        }
        self.accessors.append({**accessor, **more})
        return len(self.accessors) - 1
