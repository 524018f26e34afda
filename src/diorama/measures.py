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
from typing import Any

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
_PATCHES = 10_000
_FEW = 200
_WEAK = 0.2
_LOW = 2
_CLIPPED = 3
"""8-bit steps from either end within which noise is cut off, so that it reads too low."""

_FINE, _COARSE = 1.0, 2.0
"""Pixels: scales of the two gradients that are compared for blur."""

_LIGHT_SIDE = 384
"""Pixels of the long side at which the light is looked for."""

_TRUST = 0.4
"""How much of the median counts beyond what all agree on."""

_WARM = np.array([0.25, 0.05])
"""log(R / B) and log(G / sqrt(R B)): skin, wood and earth are warmer than the light that they are seen in. Medians of
42 photos with proper white balance; less in pictures of few colours."""

_COLOURFUL = 0.3
"""Spread of log(R / B) over the pixels of a picture of many colours."""

_FARTHEST = 2.0
"""Largest log(R / B) of a light: a candle's is 1.9 from daylight's."""

_MARKED = 0.1
"""Gradient of log(-log y) per pixel from which an edge counts in full."""

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


def darkest(rgb: UInt8) -> UInt8:
    """(H, W), each pixel's least channel. (`min` over an axis of three takes ten times as long.)"""
    return np.asarray(np.minimum(np.minimum(rgb[..., 0], rgb[..., 1]), rgb[..., 2]))


def brightest(rgb: UInt8) -> UInt8:
    """(H, W), each pixel's largest channel."""
    return np.asarray(np.maximum(np.maximum(rgb[..., 0], rgb[..., 1]), rgb[..., 2]))


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
    unclipped = allowed & (darkest(rgb) >= _CLIPPED) & (brightest(rgb) <= 255 - _CLIPPED)
    rows, columns = _whole_patches(unclipped)
    if len(rows) < _FEW:
        rows, columns = _whole_patches(allowed)
    if len(rows) < _FEW:
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(rgb, (_PATCH, _PATCH), axis=(0, 1))
    patches = windows[rows, columns].reshape(len(rows), 3, -1).astype(np.float64)
    return math.sqrt(
        float(np.mean([_white_variance(np.ascontiguousarray(patches[:, channel])) for channel in range(3)]))
    )


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
    import cv2

    low, high = _bases()
    energy = np.square(_product(patches, low)).sum(axis=1)
    count = max(_FEW, int(_WEAK * len(patches)))
    weak = patches[np.argpartition(energy, count - 1)[:count]] if count < len(patches) else patches
    rest = _product(np.ascontiguousarray(weak), high)
    spread = np.asarray(cv2.mulTransposed(rest - rest.mean(axis=0), True)) / (len(rest) - 1)
    values = np.maximum(np.linalg.eigvalsh(spread), 0)
    for count in range(len(values), 0, -1):
        mean = values[:count].mean()
        if np.count_nonzero(values[:count] > mean) >= np.count_nonzero(values[:count] < mean):
            return float(mean)
    return float(values[0])


def _product(one: Float64, other: Float64) -> Float64:
    """By OpenCV: for matrices this small the threads of NumPy's BLAS cost more than they save."""
    import cv2

    nothing: Any = None
    return np.asarray(cv2.gemm(one, other, 1.0, nothing, 0.0))


@cache
def _bases() -> tuple[Float64, Float64]:
    """The patches' cosine transform: (P, K) low frequencies without the mean, (P, P - K - 1) the others."""
    k, x = np.mgrid[:_PATCH, :_PATCH]
    rows = np.cos(np.pi * k * (x + 0.5) / _PATCH) * np.sqrt(np.where(k == 0, 1, 2) / _PATCH)
    whole = np.kron(rows, rows)
    order = (k[:, :1] + k[:, :1].T).ravel()
    low = whole[(order > 0) & (order <= _LOW)]
    return np.ascontiguousarray(low.T), np.ascontiguousarray(whole[order > _LOW].T)


def blur(rgb: UInt8, where: Bool | None = None, grain: float | None = None) -> float:
    """Blur of the sharper edges: the standard deviation in pixels of the Gaussian that a sharp step would need.

    At a step the gradient falls with more blur, the less the more there is already: the ratio of gradients at two
    scales tells it (Zhuo & Sim 2011). Photos have things in and out of focus, so the median of the stronger edges is
    taken. A picture without edges has 0. `grain` is the noise, where it was measured before.
    """
    found = edge_blur(rgb, where, grain)
    return 0.0 if found is None else found


def edge_blur(rgb: UInt8, where: Bool | None = None, grain: float | None = None) -> float | None:
    """The same; None where there are no edges. `grain`: the picture's noise, where it is known already."""
    import cv2

    grey = luma(rgb)
    fine, coarse = (_gradient(grey, scale) for scale in (_FINE, _COARSE))
    crest = fine >= cv2.dilate(fine, np.ones((3, 3), np.uint8)) * 0.98
    inner = np.zeros_like(crest)
    inner[4:-4, 4:-4] = True
    if where is not None:
        inner &= cv2.erode(where.astype(np.uint8), np.ones((9, 9), np.uint8), borderValue=0) > 0
    floor = max(4.0, 1.5 * (noise(rgb, where) if grain is None else grain))
    edges = crest & inner & (fine > floor)
    if np.count_nonzero(edges) < 32:
        return None
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

    Five estimates, each fooled by other things: the mean (Buchsbaum 1980), shades of grey (Finlayson & Trezzi 2004),
    grey edges of two orders (van de Weijer 2007), and the pixels whose channels change alike (Qian et al. 2019). A
    tinted light moves all of them by the same, the colours of things seldom do: what all but the outermost agree on is
    taken, with little of what only their median says. Clipped and dark pixels don't count.
    """
    found = _lights(*_light_pixels(rgb, where))
    if found is None:
        return 1.0, 1.0, 1.0
    estimates, spread = found
    ordered = np.sort(estimates - min(1.0, spread / _COLOURFUL) * _WARM, axis=0)
    low, middle, high = ordered[1:-1]
    agreed = np.where(low > 0, low, np.where(high < 0, high, 0))
    warm, green = np.clip(agreed + _TRUST * (middle - agreed), -_FARTHEST, _FARTHEST)
    colour = np.exp(np.array([warm / 2, green, -warm / 2]))
    colour /= colour @ _LUMINANCE
    return float(colour[0]), float(colour[1]), float(colour[2])


def _light_pixels(rgb: UInt8, where: Bool | None) -> tuple[UInt8, Bool]:
    """The picture at `_LIGHT_SIDE`, and where it is neither clipped nor dark, nor left out."""
    import cv2

    most = brightest(rgb)
    usable = (most <= 250) & (most >= 16)
    if where is not None:
        usable &= where
    scale = _LIGHT_SIDE / max(rgb.shape[:2])
    if scale >= 1:
        return rgb, usable
    size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small, cv2.resize(usable.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99


def _lights(rgb: UInt8, usable: Bool) -> tuple[Float64, float] | None:
    """(5, 2) estimates of log(R / B) and log(G / sqrt(R B)), and the spread of the former over the pixels."""
    import cv2

    inner = cv2.erode(usable.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=0) > 0
    if np.count_nonzero(usable) < 64 or np.count_nonzero(inner) < 16:
        return None
    linear = to_linear(rgb).astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(linear, (0, 0), 1.0), np.float32)
    edges = _all_gradients(soft)
    logs = _all_gradients(np.log(np.maximum(soft, 1e-3)))
    strength = logs.mean(axis=2)
    uneven = logs.std(axis=2) / np.maximum(strength, 1e-6)
    pixels, steps = linear[usable].astype(np.float64), edges[inner].astype(np.float64)
    changing = inner & (strength > 0.1)
    few = np.count_nonzero(changing) < 64
    alike = usable if few else changing & (uneven <= np.quantile(uneven[changing], 0.05))
    lights = [
        pixels.mean(axis=0),
        np.power(pixels, 6).mean(axis=0) ** (1 / 6),
        steps.mean(axis=0),
        np.power(steps, 6).mean(axis=0) ** (1 / 6),
        linear[alike].mean(axis=0),
    ]
    if min(float(light.min()) for light in lights[2:4]) < 1e-6:
        lights[2:4] = lights[:2]  # a picture without edges in some channel
    warmth = np.log((pixels[:, 0] + 1e-3) / (pixels[:, 2] + 1e-3))
    spread = 1.4826 * float(np.median(np.abs(warmth - np.median(warmth))))
    red, green, blue = np.maximum(np.array(lights), 1e-6).T
    return np.stack([np.log(red / blue), np.log(green / np.sqrt(red * blue))], axis=1), spread


def _all_gradients(picture: Float32) -> Float32:
    """(H, W, C) of (H, W, C)."""
    import cv2

    x, y = cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1)
    return np.asarray(np.sqrt(np.square(x) + np.square(y)), np.float32)


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
    """How bright the picture is; of one that shows nothing at all: the middle.

    A curve y^g takes log(-log y) up by log g everywhere. Where the picture is in it is asked three ways that count
    alike: its mean, and where its edges are, by their median and by their mean; skies and black space have none.
    """
    pixels = _sample(rgb, where)
    if not len(pixels):
        return Tone(0.0, 0.0, 1.0, 0.0)
    y = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    low, high = np.percentile(y, [1, 99])
    places = [math.log(-math.log(min(0.98, max(0.02, float(y.mean())))))]
    place = np.log(-np.log(np.clip(luma(rgb) / np.float32(255), 0.02, 0.98)))
    steps = np.minimum(_gradient(place, 1.0), np.float32(_MARKED))
    steps = steps if where is None else np.where(where, steps, 0)
    edges = steps > 0.3 * _MARKED
    if np.count_nonzero(edges) >= 64:
        places += [float(np.median(place[edges])), float(np.average(place, weights=steps))]
    exponent = (math.log(-math.log(_MIDDLE)) - float(np.mean(places))) / math.log(2)
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
