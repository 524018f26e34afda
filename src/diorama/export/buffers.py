"""glTF's binary chunk while it grows, with its views and accessors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963

MESHOPT = "EXT_meshopt_compression"

COMPONENT = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
"""glTF's numbers of types, by numpy's."""


class Buffer:
    """The bytes, their views and accessors, in the order in which they were added."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self.unpacked = 0  # bytes that packed views have once they are unpacked

    def buffers(self, uri: str = "") -> list[dict[str, Any]]:
        """glTF's list of buffers: the bytes, and where packed views are unpacked to, which no file holds."""
        made: list[dict[str, Any]] = [{"byteLength": len(self.data), **({"uri": uri} if uri else {})}]
        if self.unpacked:
            made.append({"byteLength": self.unpacked, "extensions": {MESHOPT: {"fallback": True}}})
        return made

    def view(self, data: bytes, target: int | None = None, stride: int | None = None) -> int:
        """Add bytes, aligned to four -> the view's number."""
        self.data.extend(bytes(-len(self.data) % 4))
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        if stride is not None:
            view["byteStride"] = stride
        self.views.append(view if target is None else {**view, "target": target})
        self.data.extend(data)
        return len(self.views) - 1

    def accessor(self, array: npt.NDArray[Any], kind: str, target: int = ARRAY_BUFFER, **more: Any) -> int:
        """Add an array, (N,) or (N, width) -> the accessor's number. Rows of vertex data are aligned to four bytes."""
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        little, stride = _aligned(little) if target == ARRAY_BUFFER else (little, None)
        return self._accessor(self.view(little.tobytes(), target, stride), array, kind, more)

    def packed(
        self, array: npt.NDArray[Any], kind: str, mode: str, *, data: bytes, stride: int, filter_: str = "", **more: Any
    ) -> int:
        """Add an array that meshoptimizer packed -> the accessor's number.

        Args:
            mode: ``ATTRIBUTES`` or ``TRIANGLES``.
            data: the packed bytes.
            stride: of a row, once unpacked.
            filter_: what has to be undone after unpacking.
        """
        self.data.extend(bytes(-len(self.data) % 4))
        self.unpacked += -self.unpacked % 4
        length = stride * len(array)
        where = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data), "byteStride": stride}
        extension = {**where, "mode": mode, "count": len(array), **({"filter": filter_} if filter_ else {})}
        view: dict[str, Any] = {"buffer": 1, "byteOffset": self.unpacked, "byteLength": length}
        if mode == "ATTRIBUTES":
            view |= {"byteStride": stride, "target": ARRAY_BUFFER}
        else:
            view |= {"target": ELEMENT_ARRAY_BUFFER}
        self.views.append({**view, "extensions": {MESHOPT: extension}})
        self.data.extend(data)
        self.unpacked += length
        return self._accessor(len(self.views) - 1, array, kind, more)

    def _accessor(self, view: int, array: npt.NDArray[Any], kind: str, more: dict[str, Any]) -> int:
        name = array.dtype.newbyteorder("<").str[1:]
        accessor = {"bufferView": view, "componentType": COMPONENT[name], "count": len(array), "type": kind}
        self.accessors.append({**accessor, **more})
        return len(self.accessors) - 1


def _aligned(rows: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], int | None]:
    """Rows of whole four bytes, and their length where it had to be changed."""
    row = rows.itemsize * (1 if rows.ndim == 1 else rows.shape[1])
    if row % 4 == 0:
        return rows, None
    stride = row + -row % 4
    padded = np.zeros((len(rows), stride // rows.itemsize), rows.dtype)
    padded[:, : rows.shape[1]] = rows
    return padded, stride


def aligned(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows (N, width) filled up to whole four bytes."""
    return _aligned(rows)[0]
