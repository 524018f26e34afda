"""What a picture's first bytes say, read with `struct` alone: no decoder runs in the server.

Good enough to refuse at once what can't become a scene; the worker, which decodes, has the last word.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_CONTENTS_BYTES = 1 << 20
"""Far more than a table of contents takes."""

_JPEG_ALONE = {0x01, *range(0xD0, 0xD9)}


def check(path: Path, name: str) -> None:
    """Refuse an upload that is no picture or has too many pixels.

    Raises:
        PhotoFormatError: the bytes are in no format that is read.
        PhotoTooLargeError: over the limit in pixels.
        PhotoError: it is empty.
    """
    from diorama import photo

    with path.open("rb") as file:
        photo.check_format(file.read(64), name)
        size = pixel_size(file)
    if size is not None:
        photo.check_size(*size, name)


def pixel_size(file: BinaryIO) -> tuple[int, int] | None:
    """(width, height) that the header claims; None where it isn't to be found (TIFF keeps it anywhere)."""
    try:
        file.seek(0)
        start = file.read(30)
        if start.startswith(b"\x89PNG"):
            return struct.unpack(">II", start[16:24])
        if start.startswith(b"GIF8"):
            return struct.unpack("<HH", start[6:10])
        if start.startswith(b"BM"):
            width, height = struct.unpack("<ii", start[18:26])
            return abs(width), abs(height)
        if start.startswith(b"RIFF"):
            return _webp_size(start)
        if start.startswith(b"\xff\xd8"):
            return _jpeg_size(file)
        if start[4:8] == b"ftyp":
            return _heif_size(file)
    except struct.error:
        pass  # cut off within the header: the worker's sentence says so
    return None


def _webp_size(start: bytes) -> tuple[int, int] | None:
    kind = start[12:16]
    if kind == b"VP8X":
        low = struct.unpack("<HBHB", start[24:30])
        return 1 + (low[0] | low[1] << 16), 1 + (low[2] | low[3] << 16)
    if kind == b"VP8L":
        (bits,) = struct.unpack("<I", start[21:25])
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", start[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _heif_size(file: BinaryIO) -> tuple[int, int] | None:
    """HEIC's and AVIF's table of contents stands at the start, as a rule."""
    from diorama import heif

    file.seek(0)
    try:
        return heif.size(file.read(_CONTENTS_BYTES))
    except ValueError:
        return None


def _jpeg_size(file: BinaryIO) -> tuple[int, int] | None:
    """Walk the segments to the first frame header; most photos have EXIF data, previews and profiles before it."""
    file.seek(2)
    for _ in range(1000):
        byte = file.read(1)
        while byte and byte != b"\xff":
            byte = file.read(1)
        while byte == b"\xff":
            byte = file.read(1)
        if not byte:
            return None
        marker = byte[0]
        if marker in _JPEG_ALONE:
            continue
        if marker in (0xD9, 0xDA):  # the end, or pixels without a frame
            return None
        (length,) = struct.unpack(">H", file.read(2))
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">xHH", file.read(5))
            return width, height
        file.seek(length - 2, 1)
    return None
