"""What can be measured of a picture's own flaws: noise, blur, a colour cast, exposure. Pure functions of pixels.

The advisor measures to suggest, the texture stage to apply and to tell before from after: both mean the same numbers.
An amount of `TextureAdvice` counts in these units: ``amount * NOISE_FULL`` is the noise that is to be taken away, and
likewise for the others; nothing takes away more than is measured.

Every function takes rgb, (H, W, 3) uint8 sRGB, and `where`, (H, W) bool: the pixels that count (None: all).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from diorama.arrays import Bool, Float32, UInt8

Float64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

NOISE_FULL = 25.0
"""Standard deviation in 8-bit steps: a photo at night by a small sensor."""

BLUR_FULL = 3.0
"""Pixels: standard deviation of the blur that deconvolution can still undo in part."""

CAST_FULL = 30.0
"""CIELAB units of a and b: candle light left as it is."""

TONE_FULL = 1.0
"""Doublings of the tone curve's exponent: from 1 to 2 or to 0.5."""

_PATCH = 7
_PATCHES = 16_000
_FEW = 200
_WEAK = 0.2
_LOW = 2
_CLIPPED = 3
"""8-bit steps from either end within which noise is cut off, so that it reads too low."""

_FINE, _COARSE = 1.0, 2.0
"""Pixels: scales of the two gradients that are compared for blur."""

_GREY = 0.6
"""Differences of linear colour, as logarithms, by which a grey thing may differ from the light."""

_NEUTRAL = 0.1
"""Share of the pixels that a white light counts for: the fewer grey things there are, the less is concluded."""

_MIDDLE = 0.46
"""Mean sRGB luma, as a share, of a photo that is neither dark nor bright."""


@dataclass(frozen=True)
class Tone:
    """How bright a picture is, and how far its values reach."""

    exponent: float  # log2 of the exponent that brings the mean to the middle: < 0 the picture is too dark
    low: float  # 1st percentile of luma, 0..1
    high: float  # 99th
    contrast: float  # standard deviation of luma, 0..1


def luma(rgb: UInt8) -> Float32:
    """(H, W), 0..255: Rec. 601 weights on sRGB values."""
    import cv2

    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32), np.float32)


def noise(rgb: UInt8, where: Bool | None = None) -> float:
    """Standard deviation of white noise in 8-bit steps, over the three channels.

    In patches without noise most directions are empty, so that there only noise varies: the smaller eigenvalues of the
    patches' covariance, as many of them as look alike, are its variance (Chen, Zhu & Heng, ICCV 2015). Patches with
    little at low frequencies decide, for they have little texture; what is looked at is the rest of their spectrum,
    which that choice leaves as it is. Clipped pixels count only where there are no others; they read too low.
    """
    height, width = rgb.shape[:2]
    if min(height, width) < 2 * _PATCH:
        return 0.0
    allowed = np.ones((height, width), bool) if where is None else where
    unclipped = allowed & (rgb.min(axis=2) >= _CLIPPED) & (rgb.max(axis=2) <= 255 - _CLIPPED)
    rows, columns = _whole_patches(unclipped)
    if len(rows) < _FEW:
        rows, columns = _whole_patches(allowed)
    if len(rows) < _FEW:
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(rgb, (_PATCH, _PATCH), axis=(0, 1))
    patches = windows[rows, columns].reshape(len(rows), 3, -1).astype(np.float64)
    return math.sqrt(float(np.mean([_white_variance(patches[:, channel]) for channel in range(3)])))


def _whole_patches(usable: Bool) -> tuple[Index, Index]:
    """Corners of a regular sample of the patches in which every pixel is usable."""
    import cv2

    height, width = usable.shape
    whole = cv2.erode(usable.astype(np.uint8), np.ones((_PATCH, _PATCH), np.uint8), anchor=(0, 0), borderValue=0)
    rows, columns = np.nonzero(whole[: height - _PATCH + 1, : width - _PATCH + 1])
    step = max(1, len(rows) // _PATCHES)
    step += step % 2 == 0  # not in step with the rows
    return rows[::step], columns[::step]


def _white_variance(patches: Float64) -> float:
    """Variance of the noise in (N, P) patches."""
    low, high = _bases()
    energy = np.square(patches @ low).sum(axis=1)
    count = max(_FEW, int(_WEAK * len(patches)))
    weak = patches[np.argpartition(energy, count - 1)[:count]] if count < len(patches) else patches
    values = np.maximum(np.linalg.eigvalsh(np.cov(weak @ high, rowvar=False)), 0)
    for count in range(len(values), 0, -1):
        mean = values[:count].mean()
        if np.count_nonzero(values[:count] > mean) >= np.count_nonzero(values[:count] < mean):
            return float(mean)
    return float(values[0])


@cache
def _bases() -> tuple[Float64, Float64]:
    """The patches' cosine transform: (P, K) low frequencies without the mean, (P, P - K - 1) the others."""
    k, x = np.mgrid[:_PATCH, :_PATCH]
    rows = np.cos(np.pi * k * (x + 0.5) / _PATCH) * np.sqrt(np.where(k == 0, 1, 2) / _PATCH)
    whole = np.kron(rows, rows)
    order = (k[:, :1] + k[:, :1].T).ravel()
    return whole[(order > 0) & (order <= _LOW)].T, whole[order > _LOW].T


def blur(rgb: UInt8, where: Bool | None = None) -> float:
    """Blur of the sharper edges: the standard deviation in pixels of the Gaussian that a sharp step would need.

    At a step the gradient falls with more blur, the less the more there is already: the ratio of gradients at two
    scales tells it (Zhuo & Sim 2011). Photos have things in and out of focus, so the median of the stronger edges is
    taken. A picture without edges has 0.
    """
    import cv2

    grey = luma(rgb)
    fine, coarse = (_gradient(grey, scale) for scale in (_FINE, _COARSE))
    crest = fine >= cv2.dilate(fine, np.ones((3, 3), np.uint8)) * 0.98
    inner = np.zeros_like(crest)
    inner[4:-4, 4:-4] = True
    if where is not None:
        inner &= cv2.erode(where.astype(np.uint8), np.ones((9, 9), np.uint8), borderValue=0) > 0
    floor = max(4.0, 1.5 * noise(rgb, where))
    edges = crest & inner & (fine > floor)
    if np.count_nonzero(edges) < 32:
        return 0.0
    strong = edges & (fine >= np.percentile(fine[edges], 60))
    ratio = np.clip((fine[strong] / np.maximum(coarse[strong], 1e-3)) ** 2, 1 + 1e-3, None)
    variance = (_COARSE**2 - ratio * _FINE**2) / (ratio - 1)
    return math.sqrt(max(0.0, float(np.percentile(variance, 50))))


def _gradient(grey: Float32, scale: float) -> Float32:
    import cv2

    grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), scale), np.float32)
    x = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=1)
    y = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=1)
    return np.asarray(cv2.magnitude(x, y), np.float32)


def illuminant(rgb: UInt8, where: Bool | None = None) -> tuple[float, float, float]:
    """Colour of the light in linear RGB, of luminance 1: (1, 1, 1) where it is white.

    What is nearly grey shows it; which pixels those are changes with the light, so both are found in turns (Huo et al.
    2006), from white on. Clipped and dark pixels don't count.
    """
    pixels = _sample(rgb, where)
    pixels = pixels[(pixels.max(axis=1) <= 250) & (pixels.min(axis=1) >= 8)]
    if len(pixels) < 64:
        return 1.0, 1.0, 1.0
    linear = to_linear(pixels)
    chroma = np.log(linear / (linear @ _LUMINANCE)[:, None])
    light = np.zeros(3)
    for _ in range(30):
        near = np.exp(-np.square((chroma - light) / _GREY).sum(axis=1))
        moved = near @ chroma / (near.sum() + _NEUTRAL * len(near))
        if np.abs(moved - light).max() < 1e-4:
            break
        light = moved
    colour = np.exp(light)
    colour /= colour @ _LUMINANCE
    return float(colour[0]), float(colour[1]), float(colour[2])


_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def cast(rgb: UInt8, where: Bool | None = None) -> tuple[float, float]:
    """CIELAB a and b of a middle grey in this picture's light: green to magenta, blue to yellow; (0, 0) is neutral."""
    return cast_of(illuminant(rgb, where))


def cast_of(light: tuple[float, float, float]) -> tuple[float, float]:
    """The same of a light's colour in linear RGB."""
    import cv2

    grey = 0.18 * np.array(light, np.float32) / float(np.array(light) @ _LUMINANCE)
    lab = cv2.cvtColor(to_srgb(grey)[None, None].astype(np.float32), cv2.COLOR_RGB2LAB)[0, 0]
    return float(lab[1]), float(lab[2])


def tone(rgb: UInt8, where: Bool | None = None) -> Tone:
    """How bright the picture is; of one that shows nothing at all: the middle."""
    pixels = _sample(rgb, where)
    if not len(pixels):
        return Tone(0.0, 0.0, 1.0, 0.0)
    y = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    # The curve y^g brings the geometric mean m to the middle where g = log(middle) / log(m).
    mean = float(np.exp(np.log(np.clip(y, 0.02, 0.98)).mean()))
    exponent = math.log2(math.log(_MIDDLE) / math.log(mean))
    low, high = np.percentile(y, [1, 99])
    return Tone(exponent, float(low), float(high), float(y.std()))


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB 0..255 -> linear 0..1."""
    share = np.asarray(srgb, np.float64) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear 0..1 -> sRGB 0..1."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def _sample(rgb: UInt8, where: Bool | None) -> UInt8:
    """(N, 3): at most about 100,000 pixels, from all over."""
    chosen = rgb.reshape(-1, 3) if where is None else rgb[where]
    return chosen[:: max(1, len(chosen) // 100_000)]
