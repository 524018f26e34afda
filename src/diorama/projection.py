"""Photos that no pinhole camera took: panoramas and fisheyes, recognised by what their files say.

Depth is placed along straight rays through a pinhole; a panorama's or a fisheye's rays are others, and a scene made
from one would be bent. What the file says for certain is refused; what only looks like it is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from diorama.errors import PhotoError
from diorama.types import UInt8
from diorama.xmp import Xmp

GPANO = "http://ns.google.com/photos/1.0/panorama/"

WIDE_ASPECT = 2.9
"""Long side : short side from which a photo is probably a panorama; film and screens end at 2.4."""

MIN_SIDE = 128
"""Pixels of the short side below which it is rather a strip that was cut out."""

_LENS_MODEL, _CUSTOM_RENDERED = 0xA434, 0xA401
_PANORAMA = 6
"""Apple's value of `CustomRendered`."""

_FISHEYE = re.compile(r"fish\W?eye", re.I)


def check(exif: Mapping[int, Any], notes: Xmp, label: str, *, fov_given: bool) -> None:
    """Refuse what the file says is a panorama or a fisheye's picture.

    Args:
        exif: the tags of the Exif IFD by number.
        notes: the picture's XMP.
        label: the photo's name.
        fov_given: the user has given the view of a pinhole camera: a fisheye's picture was straightened then.

    Raises:
        PhotoError: it is one.
    """
    kind = (notes.value(GPANO, "ProjectionType") or "").lower()
    if kind and kind != "rectilinear":
        raise _panorama(label, "a 360° panorama" if kind == "equirectangular" else f"a panorama ({kind[:40]})")
    if exif.get(_CUSTOM_RENDERED) == _PANORAMA:
        raise _panorama(label, "a panorama")
    lens = str(exif.get(_LENS_MODEL, ""))
    if _FISHEYE.search(lens) and not fov_given:
        raise PhotoError(
            f"{label} was taken with a fisheye lens ({lens.strip()[:60]}), which bends straight lines.",
            hint="Straighten it in a photo editor first, and give the field of view that it then has (--fov).",
        )


def suspicions(rgb: UInt8) -> list[str]:
    """Warnings for what looks like a panorama or a fisheye's picture, though the file doesn't say so."""
    height, width = rgb.shape[:2]
    long, short = max(width, height), min(width, height)
    if short >= MIN_SIDE and long >= WIDE_ASPECT * short:
        return [
            f"The photo is {long / short:.1f} times as long as it is wide: if it is a panorama, the scene is bent. "
            "A part of it, cut out, works better."
        ]
    if short >= MIN_SIDE and _is_disc(rgb):
        return [
            "The photo is a bright disc in a black frame: if a fisheye lens took it, the scene is bent. "
            "Straighten it in a photo editor first."
        ]
    return []


def _panorama(label: str, kind: str) -> PhotoError:
    return PhotoError(
        f"{label} is {kind}: its straight lines are bent, and a scene needs a picture as one look sees it.",
        hint="Take a single photo, or cut a part of at most 90° out in an editor that straightens it.",
    )


def _is_disc(rgb: UInt8) -> bool:
    """Black outside the largest circle of the frame, and not black just inside it, all around."""
    height, width = rgb.shape[:2]
    step = max(1, min(height, width) // 256)
    grey = rgb[::step, ::step].max(axis=2)
    rows, columns = (np.arange(n, dtype=np.float32) + 0.5 - n / 2 for n in grey.shape)
    radius = min(grey.shape) / 2
    share = np.hypot(rows[:, None], columns[None, :]) / np.float32(radius)
    outside, ring = grey[share > 1.03], (share > 0.85) & (share < 0.95)
    if outside.size < 0.05 * grey.size or float(np.quantile(outside, 0.98)) > 24:
        return False
    angle = np.arctan2(rows[:, None], columns[None, :])[ring]
    sector = ((angle + np.pi) / (2 * np.pi) * 16).astype(int).clip(0, 15)
    lit = [float(np.mean(grey[ring][sector == number] > 40)) for number in range(16)]
    return min(lit) > 0.5
