"""The picture that a model sees: a small copy of the photo with its segments numbered on it.

Numbers on the picture let a language model speak of parts of it (set-of-mark prompting, Yang et al. 2023). The copy is
new pixels alone: no EXIF data, no place, no name, and nothing of what is transparent in the photo.
"""

from __future__ import annotations

import io

import numpy as np

from diorama.types import Photo, Segments, UInt8

LONG_SIDE = 1024
"""Pixels: enough to know a material by, and four of OpenAI's 512 px tiles for most photos."""

QUALITY = 85


def size(photo: Photo) -> tuple[int, int]:
    """Width and height of the picture that is sent."""
    scale = min(1.0, LONG_SIDE / max(photo.width, photo.height))
    return max(1, round(photo.width * scale)), max(1, round(photo.height * scale))


def jpeg(photo: Photo, segments: Segments) -> bytes:
    """The picture as a JPEG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(marked(photo, segments)).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def marked(photo: Photo, segments: Segments) -> UInt8:
    """(H, W, 3): the small copy with outlines and numbers."""
    import cv2

    width, height = size(photo)
    rgb = photo.rgb
    if photo.alpha is not None:
        opacity = photo.alpha[..., None].astype(np.float32) / 255
        rgb = np.round(rgb * opacity + 255 * (1 - opacity)).astype(np.uint8)
    small = np.ascontiguousarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    labels = cv2.resize(segments.labels, (width, height), interpolation=cv2.INTER_NEAREST)
    edge = np.zeros(labels.shape, bool)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    small[edge] = (255, 255, 255)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, max(0.4, max(width, height) / 1400)
    for item in segments.items:
        mask = np.pad((labels == item.id).astype(np.uint8), 1)
        if not mask.any():
            continue
        # The middle of the largest circle inside.
        inside = cv2.distanceTransform(mask, cv2.DIST_L2, 3)[1:-1, 1:-1]
        y, x = (int(value) for value in np.unravel_index(int(inside.argmax()), inside.shape))
        text = str(item.id)
        (wide, high), _ = cv2.getTextSize(text, font, scale, 1)
        left = min(max(0, x - wide // 2), max(0, width - wide - 1))
        low = min(max(high, y + high // 2), height - 1)
        cv2.rectangle(small, (left - 3, low - high - 3), (left + wide + 3, low + 4), (0, 0, 0), -1)
        cv2.putText(small, text, (left, low), font, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return small
