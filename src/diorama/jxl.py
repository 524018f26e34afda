"""JPEG XL through libjxl (pylibjxl), which comes with the extra ``diorama-3d[jxl]``.

libjxl turns pictures upright by their own header; EXIF's orientation is a mere note then and is never applied.
"""

from __future__ import annotations

from types import ModuleType

from diorama.errors import PhotoFormatError
from diorama.types import UInt8

STARTS = (b"\x00\x00\x00\x0cJXL \r\n\x87\n", b"\xff\x0a")


def size(data: bytes, label: str) -> tuple[int, int]:
    """(width, height) from the header.

    Raises:
        PhotoFormatError: the extra isn't installed.
        RuntimeError: the header is damaged.
    """
    found = _library(label).probe(data)
    return int(found["width"]), int(found["height"])


def read(data: bytes, label: str) -> tuple[UInt8, dict[str, bytes]]:
    """Pixels (H, W[, 1 to 4]), upright, and what comes with them: ``exif``, ``xmp``, ``icc``. Check the size first.

    Raises:
        PhotoFormatError: the extra isn't installed.
        RuntimeError: the file is damaged.
    """
    pixels, notes = _library(label).decode(data, metadata=True)
    return pixels, notes


def _library(label: str) -> ModuleType:
    try:
        import pylibjxl
    except ImportError as error:
        raise PhotoFormatError(
            f"{label} is a JPEG XL picture, which needs an extra package.",
            hint="Install it: pip install 'diorama-3d[jxl]'. Or convert the photo to JPEG or PNG.",
        ) from error
    library: ModuleType = pylibjxl
    return library
