"""From linear light to the file that a camera writes: blur by depth, distortion, exposure, noise, JPEG."""

from __future__ import annotations

import math
from random import Random

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from training.scenes.view import Drawn, View

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

_LINEAR = np.linspace(0, 1, 2049) ** 2
CURVE = (255 * np.where(_LINEAR <= 0.0031308, _LINEAR * 12.92, 1.055 * _LINEAR ** (1 / 2.4) - 0.055)).astype(np.float32)
"""sRGB 0..255 of the square of i / 2048: a square root spreads the table over the dark."""

TAPS = 28
_TURN = np.arange(TAPS) * 2.399963
_REACH = np.sqrt((np.arange(TAPS) + 0.5) / TAPS)
DISC = np.stack([np.cos(_TURN) * _REACH, np.sin(_TURN) * _REACH, _REACH], 1).astype(np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _defocus(colour, inverse, blur, wide, disc, out):  # type: ignore[no-untyped-def]
    """Gather what scatters: a sample in front, or as blurred as this pixel, reaches it if its own disc does."""
    height, width = inverse.shape
    for i in range(height):
        for j in range(width):
            reach = wide[i, j]
            if reach < 0.6:
                out[i, j] = colour[i, j]
                continue
            own, here = blur[i, j], inverse[i, j]
            red, green, blue, total = colour[i, j, 0] * 0.02, colour[i, j, 1] * 0.02, colour[i, j, 2] * 0.02, 0.02
            for k in range(disc.shape[0]):
                y = min(max(int(i + disc[k, 1] * reach + 0.5), 0), height - 1)
                x = min(max(int(j + disc[k, 0] * reach + 0.5), 0), width - 1)
                size = blur[y, x] if inverse[y, x] >= here * 0.98 else min(blur[y, x], own)
                if size < disc[k, 2] * reach - 0.5:
                    continue
                weight = 1.0 / max(size * size, 0.5)
                red += colour[y, x, 0] * weight
                green += colour[y, x, 1] * weight
                blue += colour[y, x, 2] * weight
                total += weight
            out[i, j, 0], out[i, j, 1], out[i, j, 2] = red / total, green / total, blue / total


@numba.njit(cache=True, nogil=True, fastmath=True)
def _develop(colour, gains, shot, read, dark, grain, gy, gx, mono, contrast, saturation, corner, curve, out):  # type: ignore[no-untyped-def]
    """Exposure, vignetting, sensor noise, saturation, contrast and the sRGB curve."""
    height, width = colour.shape[:2]
    side = grain.shape[0]
    value = np.empty(3)
    for i in range(height):
        for j in range(width):
            y, x = (i + 0.5) / height * 2 - 1, (j + 0.5) / width * 2 - 1
            fall = 1.0 - corner * (x * x + y * y)
            luma = 0.0
            for c in range(3):
                v = colour[i, j, c] * gains[c] * fall
                noise = grain[(i + gy + c * 171 * (1 - mono)) % side, (j + gx + c * 89 * (1 - mono)) % side]
                v = v + noise * math.sqrt(read * read + shot * max(v, 0.0)) + dark
                value[c] = v
                luma += v * (0.2126 if c == 0 else (0.7152 if c == 1 else 0.0722))
            for c in range(3):
                v = luma + (value[c] - luma) * saturation
                v = min(max(v, 0.0), 1.0)
                s = curve[int(math.sqrt(v) * 2048)] / 255.0
                s = s + contrast * (s - 0.5) * (1 - abs(2 * s - 1))
                out[i, j, c] = np.uint8(min(max(s * 255.0 + 0.5, 0.0), 255.0))


def expose(r: Random, drawn: Drawn, view: View, grain: F32, dim: float) -> tuple[U8, F32]:
    """The photograph and its inverse depth. `dim` < 1 leaves the picture darker than a meter would (night)."""
    colour, inverse = drawn.colour, drawn.inverse
    height, width = inverse.shape
    if view.aperture > 0:
        colour = _blurred(drawn, view)
    if r.random() < 0.25:
        colour, inverse = _distorted(colour, inverse, r.gauss(0, 0.06))
    if r.random() < 0.5:
        colour = np.asarray(cv2.GaussianBlur(colour, (0, 0), r.uniform(0.3, 0.85)), np.float32)
    # Metered as cameras do, most of all what is in the middle and below it, and no lamp counts fully.
    bright = colour[::4, ::4].mean(2)
    y, x = np.mgrid[0 : bright.shape[0], 0 : bright.shape[1]]
    weight = np.exp(-3 * (x / bright.shape[1] - 0.5) ** 2 - 4 * (y / bright.shape[0] - 0.62) ** 2)
    bright = np.minimum(bright, 5 * float(np.median(bright)) + 1e-3)
    meter = float((bright * weight).sum() / weight.sum()) + 1e-4
    gain = dim * 0.21 * math.exp(r.gauss(0, 0.35)) / meter
    warm, tint = math.exp(r.gauss(0, 0.09)), math.exp(r.gauss(0, 0.03))
    gains = np.array([gain * warm, gain * tint, gain / warm])
    noisy = 10 ** r.uniform(-5, -2.7) if r.random() < 0.75 else 0.0
    haze = r.uniform(0.0, 0.05) if r.random() < 0.2 else 0.0
    grey = r.random() < 0.25
    saturation = 0.0 if grey else max(0.15, r.gauss(0.85, 0.25))
    rgb = np.empty((height, width, 3), np.uint8)
    _develop(
        colour, gains, noisy, noisy * r.uniform(0.5, 3), haze, grain, r.randrange(512), r.randrange(512),
        int(r.random() < 0.4), r.gauss(0.1, 0.3), saturation, abs(r.gauss(0, 0.1)), CURVE, rgb
    )  # fmt: skip
    if r.random() < 0.15:
        soft = np.asarray(cv2.GaussianBlur(rgb, (0, 0), 1.0), np.uint8)
        rgb = np.asarray(cv2.addWeighted(rgb, 1.6, soft, -0.6, 0), np.uint8)
    if r.random() < 0.5:
        coded = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, r.randint(35, 95)])[1]
        rgb = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    if r.random() < 0.5:
        rgb, inverse = rgb[:, ::-1], inverse[:, ::-1]
    return np.ascontiguousarray(rgb), np.ascontiguousarray(inverse)


def _blurred(drawn: Drawn, view: View) -> F32:
    """Blurred as by a lens focused on `view.focus`: the circle grows with the difference of inverse depths."""
    height, width = drawn.inverse.shape
    if view.focus is None:
        focus = float(drawn.inverse[height // 2, width // 2])
    else:
        away = (np.array(view.focus) - np.array(view.eye)) @ view.turn()[:, 2]
        focus = 1 / max(float(away), 0.05)
    size = view.aperture * max(height, width) / 256
    blur = np.minimum(size * np.abs(drawn.inverse - focus) / max(focus, 0.02), 0.045 * max(height, width))
    blur = blur.astype(np.float32)
    front = np.where(drawn.inverse > focus, blur, 0)
    reach = int(max(1, min(float(front.max()), 12)))
    near = np.asarray(cv2.dilate(front, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)), np.float32)
    wide = np.maximum(blur, near).reshape(blur.shape)
    out = np.empty_like(drawn.colour)
    _defocus(drawn.colour, drawn.inverse, blur, wide, DISC, out)
    return out


def _distorted(colour: F32, inverse: F32, amount: float) -> tuple[F32, F32]:
    """Barrel or pincushion of one coefficient, scaled so that nothing outside is needed."""
    height, width = inverse.shape
    amount = min(max(amount, -0.12), 0.12)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    half = math.hypot(height, width) / 2
    x, y = (x - width / 2 + 0.5) / half, (y - height / 2 + 0.5) / half
    scale = (1 + amount * (x * x + y * y)) / (1 + max(amount, 0.0))
    column = (x * scale * half + width / 2 - 0.5).astype(np.float32)
    row = (y * scale * half + height / 2 - 0.5).astype(np.float32)
    bent = cv2.remap(colour, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    deep = cv2.remap(inverse, column, row, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(bent, np.float32), np.asarray(deep, np.float32)
