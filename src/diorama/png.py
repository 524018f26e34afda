"""PNG files, packed in a quarter to a third of the time that zlib takes: by ISA-L, in no more bytes.

A photo of 12 megapixels takes 0.08 to 0.10 processor seconds instead of 0.3, and its 16-bit depth map 0.06 instead of
0.2. Where ISA-L isn't installed (it has no wheels for some systems) zlib does it, as fast as it can.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_BAND = 1 << 20
"""Bytes that are filtered at a time: they stay in the processor's cache."""

_UP = 2  # the filter: differences to the row above

_GREY, _RGB = 0, 2


class _Packer(Protocol):
    def compress(self, data: Any, /) -> bytes: ...

    def flush(self) -> bytes: ...


def encode(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], texts: Mapping[str, str] | None = None) -> bytes:
    """The file's bytes.

    Args:
        pixels: (H, W) grey or (H, W, 3) RGB, 8 or 16 bits.
        texts: kept in the file by their keywords, in Latin-1.
    """
    height, width = pixels.shape[:2]
    colour = _GREY if pixels.ndim == 2 else _RGB
    head = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour, 0, 0, 0)
    said = [_chunk(b"tEXt", f"{key}\0{text}".encode("latin-1")) for key, text in (texts or {}).items()]
    packer = _packer()
    packed = [packer.compress(band) for band in _filtered(pixels)]
    data = b"".join([*packed, packer.flush()])
    return b"".join([SIGNATURE, _chunk(b"IHDR", head), *said, _chunk(b"IDAT", data), _chunk(b"IEND", b"")])


def _filtered(pixels: npt.NDArray[Any]) -> Iterable[npt.NDArray[np.uint8]]:
    """Bands of rows, each row behind its filter's number and less the row above."""
    height = len(pixels)
    length = pixels.itemsize * pixels[:1].size
    rows = max(1, _BAND // max(1, length))
    above = np.zeros(length, np.uint8)
    for start in range(0, height, rows):
        band = np.ascontiguousarray(pixels[start : start + rows], pixels.dtype.newbyteorder(">"))
        plain = band.view(np.uint8).reshape(len(band), length)
        filtered = np.empty((len(band), 1 + length), np.uint8)
        filtered[:, 0] = _UP
        np.subtract(plain[0], above, out=filtered[0, 1:])
        np.subtract(plain[1:], plain[:-1], out=filtered[1:, 1:])
        above = plain[-1]
        yield filtered


def _packer() -> _Packer:
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    return isal_zlib.compressobj(1)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))])
