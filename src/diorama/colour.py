"""Every kind of pixel to 8-bit sRGB."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from diorama.errors import PhotoError
from diorama.types import UInt8

_WHITE_PERCENTILE = 99.5
"""Of floating point pictures that go beyond 1: this much of the picture stays unclipped."""

_STRIP = 64
"""Rows that are copied from Pillow at a time: stays in the cache, three times as fast as the whole picture at once."""

_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
_BAD_PROFILE = "The photo's colour profile can't be used: its colours are taken as sRGB."


def eight_bits(array: npt.NDArray[Any], warnings: list[str]) -> UInt8:
    """Any numbers, full scale to 0..255, rounded to the nearest.

    bool, unsigned integers: full scale of their type. Floating point: 0..1; where more than a few pixels lie above 1
    the bright end is scaled to white.

    Raises:
        PhotoError: the numbers are of another type.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        table = np.round(np.arange(65536) / 257).astype(np.uint8)
        return np.asarray(table[array], np.uint8)
    if array.dtype == np.uint32:
        return np.round(array / (2**32 - 1) * 255).astype(np.uint8)
    if not np.issubdtype(array.dtype, np.floating):
        raise PhotoError(
            f"Pixels of type {array.dtype} have no known brightest value.",
            hint="Convert them to uint8, uint16 or floating point from 0 to 1.",
        )
    values = array.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        warnings.append("Pixels that are no numbers (NaN or infinite) were made black.")
        values[~finite] = 0
    white = float(np.percentile(values, _WHITE_PERCENTILE)) if values.max() > 1 else 1.0
    if white > 1:
        warnings.append(f"The picture's values go up to {values.max():.3g} instead of 1: {white:.3g} was made white.")
        values /= np.float32(white)
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)


def separate_alpha(image: Image.Image, warnings: list[str]) -> tuple[Image.Image, UInt8 | None]:
    """A picture of mode L, RGB, RGBA (whose alpha is done with), CMYK or LAB, and its alpha (H, W) where it has one."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _deep(image, warnings)
    if image.has_transparency_data:
        # A conversion to its own mode would copy it: 400 MB for the largest photo.
        if image.mode not in ("LA", "RGBA"):
            image = image.convert("LA" if image.mode == "La" else "RGBA")
        alpha = np.asarray(image.getchannel("A"))
        return image.convert("L") if image.mode == "LA" else image, alpha
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _deep(image: Image.Image, warnings: list[str]) -> tuple[Image.Image, UInt8 | None]:
    """Pillow's one-channel modes of more than 8 bits: its own conversion cuts values off instead of scaling them."""
    values = np.asarray(image)
    if image.mode == "I":  # 32-bit integers; by Pillow's long habit a 16-bit picture
        values = np.clip(values, 0, 65535).astype(np.uint16)
    elif image.mode != "F":
        values = values.astype(np.uint16)
    clear = image.info.get("transparency")
    alpha = np.where(values == clear, 0, 255).astype(np.uint8) if isinstance(clear, int) else None
    return Image.fromarray(eight_bits(values, warnings)), alpha


def to_srgb(image: Image.Image, profile: bytes | None, warnings: list[str]) -> UInt8:
    """(H, W, 3) of a picture from `separate_alpha`, through its ICC profile where it has one."""
    converted = _through_profile(image, profile, warnings) if profile else None
    if converted is None:
        if image.mode == "LAB":
            converted = ImageCms.applyTransform(image, _transform(ImageCms.createProfile("LAB"), "LAB"))
        converted = converted or image
    return _pixels(converted if converted.mode in ("RGB", "RGBA") else converted.convert("RGB"))


def _through_profile(image: Image.Image, profile: bytes, warnings: list[str]) -> Image.Image | None:
    """The picture in sRGB; None (and a warning) where the profile is broken or of another kind of picture."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _PROFILE_MODES.get(source.profile.xcolor_space.strip())
        if mode == "RGB" and image.mode in ("L", "RGBA"):
            image = image.convert("RGB")
        if mode != image.mode:
            warnings.append(_BAD_PROFILE)
            return None
        transform = _transform(source, mode)
        if mode == "RGB" and _does_nothing(transform):
            return image
        return ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        warnings.append(_BAD_PROFILE)
        return None


def _transform(source: Any, mode: str) -> ImageCms.ImageCmsTransform:
    # Relative with black point compensation: what browsers and photo editors show.
    return ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _does_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether the profile is sRGB under whatever name: tried on a lattice of colours, cheaper than on the photo."""
    levels = np.linspace(0, 255, 18).astype(np.uint8)
    lattice = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(18, -1, 3)
    shown = np.asarray(ImageCms.applyTransform(Image.fromarray(lattice), transform))
    return int(np.abs(shown.astype(int) - lattice).max()) <= 1


def _pixels(image: Image.Image) -> UInt8:
    """(H, W, 3) of an RGB or RGBA picture, copied in strips."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP):
        bottom = min(top + _STRIP, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))[..., :3]
    return pixels
