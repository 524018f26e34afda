"""Does the local advice follow the picture? Photos are distorted in known ways at growing strengths.

    python benchmarks/advice.py                     scikit-image's photos
    python benchmarks/advice.py FOLDER              those of a folder
    python benchmarks/advice.py FOLDER --only blur,tint

A case is one photo, one distortion and one strength. It counts as right when the advice is stronger than at the
strength before (at the first: than on the photo as it is) by at least `LEAST`, or has reached the end of its range. For
rotation the advised roll must change by the angle, to a third of it; for crops the advised field of view must shrink by
what was cut away, to a third. Where the photo as it is shows no roll or field of view (no straight edges) these two are
left out and counted as left open. The last table says what is suggested for the photos as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from diorama.advisor import picture
from diorama.photo import read
from diorama.settings import Settings
from diorama.types import Camera, Photo

UInt8 = npt.NDArray[np.uint8]

LONG_SIDE = 1224
"""Pixels: a megapixel."""

LEAST = 0.02
"""Of full strength, by which advice must grow to count as having moved."""

SKIMAGE = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left")


def blurred(rgb: UInt8, sigma: float) -> UInt8:
    """A lens out of focus, as a Gaussian of `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.uint8)


def noisy(rgb: UInt8, sigma: float) -> UInt8:
    """White noise of `sigma` 8-bit steps."""
    noise = np.random.default_rng(0).normal(0, sigma, rgb.shape)
    return np.clip(np.round(rgb + noise), 0, 255).astype(np.uint8)


def gamma(rgb: UInt8, exponent: float) -> UInt8:
    """A tone curve: darker over 1, brighter under it."""
    table = np.round(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    return np.asarray(table[rgb], np.uint8)


def tinted(rgb: UInt8, stops: float) -> UInt8:
    """Light of another colour temperature: linear red and blue go `stops` doublings apart (> 0: warmer)."""
    linear = np.where(rgb <= 10.31, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear * 2.0 ** np.array([stops / 2, 0, -stops / 2]), 0, 1)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(srgb * 255).astype(np.uint8)


def turned(rgb: UInt8, degrees: float) -> UInt8:
    """As a camera sees it that was turned clockwise, cut to what has no corner missing."""
    height, width = rgb.shape[:2]
    # The picture turns the other way.
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), degrees, 1)
    whole = cv2.warpAffine(rgb, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    angle = math.radians(abs(degrees))
    ratio = max(width, height) / min(width, height)
    share = 1 / (math.cos(angle) + ratio * math.sin(angle))
    return cropped(np.asarray(whole, np.uint8), share)


def cropped(rgb: UInt8, share: float) -> UInt8:
    """The middle, `share` of width and height."""
    height, width = rgb.shape[:2]
    h, w = round(height * share), round(width * share)
    top, left = (height - h) // 2, (width - w) // 2
    return np.ascontiguousarray(rgb[top : top + h, left : left + w])


@dataclass(frozen=True)
class Distortion:
    """One way to spoil a photo, its strengths in order, and the advice that should follow."""

    name: str
    apply: Callable[[UInt8, float], UInt8]
    strengths: tuple[float, ...]
    action: str


DISTORTIONS = (
    Distortion("blur", blurred, (1.0, 2.0, 3.0), "sharpen"),
    Distortion("noise", noisy, (6.0, 12.0, 24.0), "denoise"),
    Distortion("darker", gamma, (1.6, 2.2, 3.0), "tone"),
    Distortion("brighter", gamma, (0.6, 0.45, 0.3), "tone"),
    Distortion("warmer", tinted, (0.7, 1.4, 2.1), "white-balance"),
    Distortion("cooler", tinted, (-0.7, -1.4, -2.1), "white-balance"),
)

TURNS = (-8.0, -4.0, 4.0, 8.0)
CROPS = (0.8, 0.65, 0.5)


def photos(folder: Path | None) -> Iterator[Photo]:
    """Every photo, a megapixel at most."""
    if folder is None:
        import skimage

        paths = [next(Path(skimage.__file__).parent.glob(f"data/{name}.*")) for name in SKIMAGE]
    else:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})
    for path in paths:
        yield replace(read(path, Settings()).fitted(LONG_SIDE), name=path.stem)


def amounts(rgb: UInt8) -> dict[str, float]:
    """What is suggested for the texture: action -> amount."""
    photo = Photo(rgb, Camera.assumed(rgb.shape[1], rgb.shape[0]))
    return {str(item.action): item.amount for item in picture.texture(photo, 0.0)}


def follows(photo: Photo, distortion: Distortion) -> list[tuple[float, float, bool]]:
    """(strength, advised amount, right) at every strength."""
    before = amounts(photo.rgb).get(distortion.action, 0.0)
    rows = []
    for strength in distortion.strengths:
        amount = amounts(distortion.apply(photo.rgb, strength)).get(distortion.action, 0.0)
        rows.append((strength, amount, amount >= min(1.0, before + LEAST)))
        before = amount
    return rows
