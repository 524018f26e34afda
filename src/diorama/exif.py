"""A photo's EXIF tags, and turning pixels upright by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

T = TypeVar("T", np.uint8, np.float32)

DAMAGED = "The photo's EXIF data are damaged and were ignored."


def of_image(image: Image.Image, warnings: list[str]) -> tuple[int, Mapping[int, Any]]:
    """Orientation (1..8) and the Exif IFD. After `load`, which turns TIFFs upright and takes the tag away."""
    try:
        return _read(image.getexif())
    except Exception:  # a parser of what anyone may have written; a photo is still a photo without its notes
        warnings.append(DAMAGED)
        return 1, {}


def of_bytes(data: bytes, warnings: list[str]) -> tuple[int, Mapping[int, Any]]:
    """The same of an EXIF block, as HEIF and JPEG XL files keep it."""
    try:
        tags = Image.Exif()
        tags.load(data)
        return _read(tags)
    except Exception:  # see of_image
        warnings.append(DAMAGED)
        return 1, {}


def _read(tags: Image.Exif) -> tuple[int, Mapping[int, Any]]:
    return orientation(tags.get(ExifTags.Base.Orientation)), dict(tags.get_ifd(ExifTags.IFD.Exif))


def orientation(value: object) -> int:
    """EXIF's 1..8; 1 for anything else."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(pixels: npt.NDArray[T], turn: int) -> npt.NDArray[T]:
    """(H, W[, 3]) turned as EXIF's orientation says."""
    if turn == 1:
        return pixels
    import cv2

    if turn in (3, 6, 8):
        code = {3: cv2.ROTATE_180, 6: cv2.ROTATE_90_CLOCKWISE, 8: cv2.ROTATE_90_COUNTERCLOCKWISE}[turn]
        turned = cv2.rotate(pixels, code)
    elif turn in (2, 4):
        turned = cv2.flip(pixels, 1 if turn == 2 else 0)
    else:
        turned = cv2.transpose(pixels if turn == 5 else cv2.rotate(pixels, cv2.ROTATE_180))
    return np.ascontiguousarray(turned, pixels.dtype)
