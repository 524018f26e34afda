"""A stage's files: arrays as .npy, pictures as .png, masks as bits; checked before anything is allocated for them."""

from __future__ import annotations

import io
import math
import re
import struct
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from diorama import png
from diorama.arrays import Bool

Array: TypeAlias = npt.NDArray[Any]

MAX_PIXELS = 100_000_000
"""As many as a photo may have: a picture in a damaged or hostile file is not decoded beyond it."""

_NPY = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([^']+)', 'fortran_order': False, 'shape': \(([0-9, ]+)\), \} *\n", re.S
)


class DamagedError(ValueError):
    """The files are not what `pack` makes. For `bundle`, which says whose they are."""


def encode(name: str, array: Array) -> bytes:
    """A file's bytes, by its ending."""
    if name.endswith(".png"):
        return png.encode(array)
    file = io.BytesIO()
    np.save(file, array.astype(array.dtype.newbyteorder("<"), copy=False), allow_pickle=False)
    return file.getvalue()


class Pictures:
    """Where pictures are kept as files already, so that none is compressed twice. They are told by what they are, not
    by what they show, and forgotten with the last who uses them."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[weakref.ref[Array], Path]] = {}

    def note(self, folder: Path, arrays: Mapping[str, Array]) -> None:
        """Every picture of these arrays is in `folder`."""
        for name, array in arrays.items():
            if name.endswith(".png"):
                self._kept[id(array)] = weakref.ref(array), folder / name

    def encode(self, name: str, array: Array) -> bytes:
        """As `encode`; a picture that is kept is read."""
        noted = self._kept.get(id(array))
        if noted is not None and noted[0]() is array:
            with suppress(OSError):  # removed since
                return noted[1].read_bytes()
        return encode(name, array)


class Files:
    """A stage's files, checked against what they have to be before anything is allocated for them."""

    def __init__(self, names: set[str], read: Callable[[str], bytes]) -> None:
        self.names = names
        self.read = read

    def array(self, name: str, dtype: str, *shape: int | None) -> Array:
        """A .npy file of this type and shape (None: any length); floats must be finite.

        `numpy.load` evaluates the header and allocates whatever it asks for. Here it is matched, and has to agree with
        the file's length.
        """
        data = self._bytes(name)
        header = _NPY.match(data)
        if header is None or header[1] != dtype.encode():
            raise DamagedError(f"{name} is no .npy file of the type {dtype}")
        found = tuple(int(length) for length in header[2].split(b",") if length.strip())
        if len(found) != len(shape) or any(
            want is not None and want != have for want, have in zip(shape, found, strict=True)
        ):
            raise DamagedError(f"{name} has the shape {found}, not {shape}")
        kind = np.dtype(dtype)
        if math.prod(found) * kind.itemsize != len(data) - header.end():
            raise DamagedError(f"{name} has the wrong length")
        array = np.frombuffer(data, kind, offset=header.end()).reshape(found).copy()
        if kind.kind == "f" and not np.isfinite(array).all():
            raise DamagedError(f"{name} holds numbers that are not finite")
        return array

    def bits(self, name: str, height: int, width: int) -> Bool:
        """(height, width) bool."""
        packed = self.array(name, "|u1", height, -(-width // 8))
        return np.unpackbits(packed, axis=1, count=width).view(np.bool_)

    def picture(self, name: str, height: int, width: int, *channels: int) -> Array:
        """(height, width, *channels) uint8."""
        import cv2

        data = self._bytes(name)
        if len(data) < 24 or data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
            raise DamagedError(f"{name} is no PNG file")
        size = struct.unpack(">II", data[16:24])
        if size != (width, height) or width * height > MAX_PIXELS:
            raise DamagedError(f"{name} has {size[0]} x {size[1]} pixels")
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            raise DamagedError(f"{name} is damaged") from error
        if pixels is None or pixels.dtype != np.uint8 or pixels.shape != (height, width, *channels):
            raise DamagedError(f"{name} is damaged")
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if channels else pixels

    def _bytes(self, name: str) -> bytes:
        if name not in self.names:
            raise DamagedError(f"{name} is missing")
        return self.read(name)
