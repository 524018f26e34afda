"""Pictures for looking at: the depth map in colours, the photo at a page's size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from diorama import atomic
from diorama.types import DepthMap, Photo, UInt8

LONG_SIDE = 2048
"""Pixels: sharp on a phone and on a laptop's full width."""

SKY = (86, 124, 168)
"""A dull blue, which the colour map (black, purple, orange, yellow) has nowhere."""

BACKGROUND = 255
"""Transparent parts are shown on white, as browsers do."""


def colour_depth(depth: DepthMap) -> UInt8:
    """(H, W, 3) sRGB: near is bright and warm, far dark and cold, the sky blue.

    The colours are Inferno's (van der Walt and Smith 2015): equal steps of inverse depth look equally large, also to
    the colour-blind and in print. They span the 1st to the 99.5th percentile, so that a few stray values don't flatten
    the rest.
    """
    import cv2

    inverse = depth.inverse_depth
    seen = inverse if depth.sky is None or depth.sky.all() else inverse[~depth.sky]
    seen = seen.ravel()
    low, high = (float(value) for value in np.percentile(seen[:: max(1, seen.size // 200_000)], (1, 99.5)))
    span = np.float32(255 / max(high - low, 1e-6))
    grey = np.clip((inverse - np.float32(low)) * span, 0, 255).astype(np.uint8)
    bgr = cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)
    rgb: UInt8 = np.ascontiguousarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
    if depth.sky is not None:
        rgb[depth.sky] = SKY
    return rgb


def write_depth_preview(depth: DepthMap, path: Path, long_side: int = LONG_SIDE) -> None:
    """Write the coloured depth map as JPEG.

    Raises:
        StorageError: the disk is full or refuses.
    """
    write_jpeg(Photo(colour_depth(depth), depth.camera).fitted(long_side).rgb, path)


def write_photo_view(photo: Photo, path: Path, long_side: int = LONG_SIDE) -> None:
    """Write the photo as JPEG, without any of its metadata; transparent parts on white.

    Raises:
        StorageError: the disk is full or refuses.
    """
    write_jpeg(on_white(photo.fitted(long_side)), path)


def on_white(photo: Photo) -> UInt8:
    """(H, W, 3) sRGB: the photo without transparent parts."""
    if photo.alpha is None:
        return photo.rgb
    share = photo.alpha[..., None].astype(np.float32) / 255
    return np.rint(photo.rgb * share + BACKGROUND * (1 - share)).astype(np.uint8)


def write_jpeg(rgb: UInt8, path: Path, quality: int = 90) -> None:
    """Write (H, W, 3) sRGB as JPEG.

    Raises:
        StorageError: the disk is full or refuses.
    """
    data = jpeg(rgb, quality)
    with atomic.writing(path) as file:
        file.write(data)


def jpeg(rgb: UInt8, quality: int = 90) -> bytes:
    """The JPEG file of (H, W, 3) sRGB."""
    import cv2

    how: list[Any] = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), how)[1].tobytes()
