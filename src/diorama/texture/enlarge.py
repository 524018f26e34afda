"""Super-resolution: a larger picture that, made small again, is the picture it came from.

Lanczos interpolation, then iterative back-projection (Irani & Peleg 1991): the enlarged picture is made small again,
and what is missing there is added. No pixel leaves the range of its neighbourhood by more than a small share, so that
edges get steep without ringing. Or a network does it: any ONNX file that keeps to the contract of `learned`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diorama.texture.learned import Network
from diorama.texture.panels import Panel
from diorama.types import Float32, UInt8

MOST = 4.0
"""Largest factor: beyond it there is nothing left to show."""

LEAST = 1.1
"""Smaller factors cost time and memory, and show nothing."""

ITERATIONS = 2

OVERSHOOT = 0.1
"""As in `sharpen`."""

SENSOR = 0.2
"""Blur of the small picture's pixels, in those pixels: with the linear sampling about the mean over a square."""


def enlarge(rgb: UInt8, size: tuple[int, int], scale: tuple[float, float], offset: tuple[float, float]) -> UInt8:
    """The picture at `scale`.

    Args:
        rgb: (H, W, 3).
        size: (width, height) of the result.
        scale: across and down, >= 1; pixel x of the result has its middle at ``(x + 0.5 + offset) / scale`` of the
            picture.
        offset: across and down, in pixels of the result: where the picture doesn't begin on a whole one.

    Returns:
        (height, width, 3)
    """
    import cv2

    colours = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb), np.uint8)
    seen = colours[..., 0].astype(np.float32)
    light = _up(seen, size, scale, offset, cv2.INTER_LANCZOS4)
    near = np.ones((3, 3), np.uint8)
    low = _up(np.asarray(cv2.erode(seen, near), np.float32), size, scale, offset, cv2.INTER_LINEAR)
    high = _up(np.asarray(cv2.dilate(seen, near), np.float32), size, scale, offset, cv2.INTER_LINEAR)
    room = np.float32(OVERSHOOT) * (high - low)
    low -= room
    high += room
    for _ in range(ITERATIONS):
        missing = seen - _down(light, (rgb.shape[1], rgb.shape[0]), scale, offset)
        light = np.clip(light + _up(missing, size, scale, offset, cv2.INTER_CUBIC), low, high)
    large = np.stack(
        [light, *(_up(colours[..., c].astype(np.float32), size, scale, offset, cv2.INTER_CUBIC) for c in (1, 2))],
        axis=-1,
    )
    return np.asarray(cv2.cvtColor(np.clip(np.rint(large), 0, 255).astype(np.uint8), cv2.COLOR_YCrCb2RGB), np.uint8)


def atlas(
    rgb: UInt8, size: tuple[int, int], panels: Sequence[Panel], larger: Sequence[Panel], network: Network | None
) -> UInt8:
    """The atlas at `size` (width, height), each panel by itself: texture coordinates over the whole stay what they are.

    Args:
        panels, larger: where each panel is now and will be.

    Raises:
        ModelError: the network fails.
    """
    import cv2

    out = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    across, down = size[0] / rgb.shape[1], size[1] / rgb.shape[0]
    for old, new in zip(panels, larger, strict=True):
        part, place = np.ascontiguousarray(old.of(rgb)), new.of(out)
        extent = place.shape[1], place.shape[0]
        scale = across, down
        offset = new.box[0] - old.box[0] * across, new.box[1] - old.box[1] * down
        if network is not None:
            part = network.enlarge(part)
            scale = across / network.scale, down / network.scale
        if min(scale) >= 1:
            place[...] = enlarge(part, extent, scale, offset)
        else:
            soft = cv2.GaussianBlur(part, (0, 0), 0.4 / scale[0], sigmaY=0.4 / scale[1])
            sampled = [_up(soft[..., c].astype(np.float32), extent, scale, offset, cv2.INTER_LINEAR) for c in range(3)]
            place[...] = np.clip(np.rint(np.stack(sampled, axis=-1)), 0, 255)
    return out


def _up(
    picture: Float32, size: tuple[int, int], scale: tuple[float, float], offset: tuple[float, float], how: int
) -> Float32:
    import cv2

    (sx, sy), (ox, oy) = scale, offset
    matrix = np.array([[1 / sx, 0, (0.5 + ox) / sx - 0.5], [0, 1 / sy, (0.5 + oy) / sy - 0.5]])
    flags = how | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _down(picture: Float32, size: tuple[int, int], scale: tuple[float, float], offset: tuple[float, float]) -> Float32:
    """The enlarged picture as the sensor of the small one would see it."""
    import cv2

    (sx, sy), (ox, oy) = scale, offset
    matrix = np.array([[sx, 0, 0.5 * sx - 0.5 - ox], [0, sy, 0.5 * sy - 0.5 - oy]])
    blurred = cv2.GaussianBlur(picture, (0, 0), SENSOR * sx, sigmaY=SENSOR * sy, borderType=cv2.BORDER_REPLICATE)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(blurred, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)
