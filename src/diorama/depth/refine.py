"""From a network's small, soft answer to crisp inverse depth at the processing size.

Three steps (and `nearer`, for what is flat), each of which leaves smooth surfaces as they are:

1. `normalise`: robust scaling to 0..1.
2. `upsample`: bicubic, to the photo's size.
3. `sharpen`: what lies between foreground and background at a blurred edge belongs to neither. The blurred bands are
   found by how the range of values grows with the window, so that slopes, however steep, are no edges; each band is
   filled from both of its sides along the photo's own edges (an edge-aware least-squares smoother, Min et al., "Fast
   global image smoothing based on weighted least squares", 2014, with next to no confidence in the band); what is left
   of the ramp is snapped to the nearer of its ends (the toggle mapping of Kramer and Bruckner, 1975); the values on
   either side are continued from outside the band, so that no rim of extremes is left; and in the band each pixel
   takes the median of what is around it and has its colour (Ma et al., "Constant time weighted median filtering for
   stereo matching and beyond", 2013): steps that are left move to where the photo has its edge.

Measured on a true disparity map blurred as the networks blur (Motorcycle, 741 px): of the pixels near its edges 40 %
are wrong by more than 2 % of the range before and 22 % after, and what is farther from edges hardly changes. The
toggle alone gets 21 % too, but moves everything else by four times the blur's own error, and puts edges where the
network's blur has its middle instead of where the photo has its edge.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numba
import numpy as np

from diorama import networks
from diorama.types import Bool, Float32, UInt8

BAND_RADIUS = 0.011
"""Half width of a blurred edge as a share of the long side: what the networks' answers have (7 px of 640)."""

_EDGE_RANGE = (0.025, 0.06)
"""A range of values within the radius below the first is no edge, above the second one for certain."""

_EDGE_SATURATION = (0.62, 0.73)
"""Range within the radius over that within twice the radius: 0.5 on a slope, 1 across a step."""

_SURE = (0.5, 1.0)
"""From which certainty on a core has feet."""

_FOOT_SLOPE = (0.05, 0.12)
"""Of a step's height, within a quarter of the radius: less is the flat land beside the step."""

_PHOTO_SIGMA = 2.0  # of 255: small, so that of several photo edges in a band the strongest takes the whole step
_SIDE_SIGMA = 1.0  # of 255, in the snapped map: its steps are walls


MEDIAN_RADIUS = 0.009
"""Half width of the window of the weighted median, as a share of the long side."""

_MEDIAN_SIGMA = 25.5  # of 255: colours that differ by more are of another surface
_MEDIAN_SAMPLES = 4  # from the window's middle to its side; every other one is taken, as a chessboard's black fields
_MEDIAN_LEAST = 0.1  # of the band: below, the median would hardly show
_MEDIAN_BINS = 32  # of a window's own range of depths
_MEDIAN_GRAIN = 16  # of squared differences of colour, in the table of weights


def normalise(values: Float32) -> Float32:
    """Scale a network's answer (h, w) to 0..1 between its 0.5th and 99.5th percentile; constant ones become 0.5.

    Values that aren't finite count as the median; where none is finite all are 0.5.
    """
    return _float32(np.clip(scaled(values, *span(values)), 0.0, 1.0))


def span(values: Float32) -> tuple[float, float]:
    """The 0.5th and the 99.5th percentile of the finite values; (0, 0) where there are none."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return 0.0, 0.0
    low, high = np.percentile(finite, (0.5, 99.5))
    return float(low), float(high)


def scaled(values: Float32, low: float, high: float) -> Float32:
    """`low` becomes 0 and `high` 1; what isn't finite becomes the median, and all 0.5 where the two hardly differ."""
    finite = np.isfinite(values)
    if not finite.any() or high - low <= 1e-6 * max(abs(low), abs(high)) or high - low < 1e-12:
        return np.full(values.shape, 0.5, np.float32)
    clean = values.astype(np.float64)
    clean[~finite] = np.median(clean[finite])
    return _float32((clean - low) / (high - low))


def upsample(values: Float32, width: int, height: int) -> Float32:
    """Bicubic to `width` x `height`, area-averaged where that is smaller; within the range of the values."""
    smaller = width < values.shape[1] and height < values.shape[0]
    mode = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return _float32(np.clip(cv2.resize(values, (width, height), interpolation=mode), values.min(), values.max()))


def sharpen(depth: Float32, rgb: UInt8, amount: float, sky: Bool | None = None) -> Float32:
    """Snap blurred edges to their two sides, along the photo's edges; put the sky at 0.

    Args:
        depth: (H, W), 0..1.
        rgb: (H, W, 3), the photo at the same size.
        amount: 0 leaves the edges as they are, 1 snaps them wholly.
        sky: (H, W); what stands before it is sharpened as if the sky weren't there.
    """
    radius = max(1, round(BAND_RADIUS * max(depth.shape)))
    if amount > 0 and min(depth.shape) > 2 and float(np.ptp(depth)) > 0:
        whole = depth if sky is None else _without_sky(depth, rgb, sky, radius)
        depth = _blend(depth, _snap(whole, rgb, radius), np.float32(amount))
    return depth if sky is None else np.where(sky, np.float32(0), depth)


def nearer(depth: Float32, reach: float, sky: Bool | None = None) -> Float32:
    """The depth (H, W), 0..1, in the nearest `reach` of that range: what is flat is near everywhere. The sky stays."""
    if reach >= 1:
        return depth
    near = _float32(1 - np.float32(reach) * (1 - depth))
    return near if sky is None else np.where(sky, depth, near)


def _snap(depth: Float32, rgb: UInt8, radius: int) -> Float32:
    band = edge_band(depth, radius)
    located = _blend(depth, _fill(depth, 1 - band, rgb, 0.5 * radius, _PHOTO_SIGMA), band)
    step = max(1, round(radius * 2 / 3))
    band = np.maximum(band, edge_band(located, step))
    snapped = _blend(located, toggle(toggle(located, step), step), band)
    band = _float32(cv2.dilate(band, _window(1)))
    sides = np.clip(snapped * 255, 0, 255).astype(np.uint8)
    continued = _fill(depth, (1 - band) ** 2, sides, 0.45 * radius, _SIDE_SIGMA, floor=1e-9)
    snapped = np.clip(_blend(depth, continued, band), np.float32(0), np.float32(1))
    return _blend(snapped, median(snapped, rgb, band > _MEDIAN_LEAST), band)


def median(depth: Float32, rgb: UInt8, where: Bool) -> Float32:
    """Where `where` says so, the median of `depth` (H, W) in a window of `MEDIAN_RADIUS`, in which what has the pixel's
    colour counts; elsewhere the same depth."""
    radius = min(max(1, round(MEDIAN_RADIUS * max(depth.shape))), min(depth.shape) - 1)
    places = np.unique(np.rint(np.linspace(-radius, radius, 2 * _MEDIAN_SAMPLES + 1)).astype(np.int64))
    down, across = np.indices((len(places), len(places)))
    chosen = (down + across) % 2 == 0
    offsets = places[down[chosen]] * (depth.shape[1] + 2 * radius) + places[across[chosen]]
    colours = np.exp(-np.arange(0, 3 * 256**2 + 1, _MEDIAN_GRAIN) / (2 * _MEDIAN_SIGMA**2)).astype(np.float32)
    wide, coloured = (cv2.copyMakeBorder(a, *4 * (radius,), cv2.BORDER_REFLECT_101) for a in (depth, rgb))
    found = depth.copy()
    # More bands than threads: some have more to do than others.
    ends = np.linspace(0, len(depth), 2 * networks.threads() + 1).astype(int).tolist()
    with ThreadPoolExecutor(networks.threads()) as pool:
        bands = [
            pool.submit(_medians, wide, coloured, where, found, first, last, offsets, colours)
            for first, last in itertools.pairwise(ends)
        ]
        for band in bands:
            band.result()
    return found


def _without_sky(depth: Float32, rgb: UInt8, sky: Bool, radius: int) -> Float32:
    """The depth of what stands before the sky, continued into it; ramps down to the sky are filled from the front."""
    ground = _float32(~sky)
    band = edge_band(depth * ground, radius) * _float32(cv2.dilate(1 - ground, _window(radius)))
    confidence = np.maximum(1 - band, np.float32(1e-2)) * ground
    front = _fill(depth, confidence, rgb, radius, _PHOTO_SIGMA, floor=1e-6)
    return np.where(sky, front, _blend(depth, front, band))


def edge_band(depth: Float32, radius: int) -> Float32:
    """(H, W), 0..1: how surely a pixel lies on a blurred step between two surfaces, up to `radius` px from it."""
    reach = 2 * radius
    # Slopes go on beyond the border; cut off there, they would look like steps.
    pads = [(min(reach, side - 1), min(reach, side - 1)) for side in depth.shape]
    smooth = _float32(np.pad(cv2.GaussianBlur(depth, (0, 0), 1.0), pads, mode="reflect", reflect_type="odd"))
    quarter = max(1, radius // 4)
    with ThreadPoolExecutor(1) as pool:  # half of this is erosions, which may as well run beside the dilations
        lows = pool.submit(_grown, cv2.erode, smooth, quarter, radius)
        highs = _grown(cv2.dilate, smooth, quarter, radius)
        (low, least, lowest), (high, most, highest) = lows.result(), highs
    height, core, inside = (np.empty_like(smooth) for _ in range(3))
    # The core is where the step is steepest; its feet are what isn't flat beside it.
    _core(*(one.ravel() for one in (least, most, lowest, highest, height, core, inside)))
    window = _window(radius)
    with ThreadPoolExecutor(1) as pool:
        near = pool.submit(cv2.dilate, inside, window)
        tall = cv2.dilate(height, window)
        _with_feet(*(one.ravel() for one in (low, high, tall, near.result(), core)))
    inner = tuple(slice(before, before + side) for (before, _), side in zip(pads, depth.shape, strict=True))
    return _float32(core[inner])


def _grown(grow: Callable[..., Any], values: Float32, quarter: int, radius: int) -> tuple[Float32, ...]:
    """Eroded or dilated by a quarter of the radius, by the radius, and by twice of it: the same once more."""
    once = _float32(grow(values, _window(radius)))
    return _float32(grow(values, _window(quarter))), once, _float32(grow(once, _window(radius)))


def toggle(depth: Float32, radius: int) -> Float32:
    """Each pixel becomes the least or the greatest value within `radius`, whichever is nearer to its own."""
    low, high = cv2.erode(depth, _window(radius)), cv2.dilate(depth, _window(radius))
    return _float32(np.where(depth - low < high - depth, low, high))


def _fill(
    depth: Float32, confidence: Float32, guide: UInt8, radius: float, sigma: float, floor: float = 1e-2
) -> Float32:
    """Averages of the confident values, which spread some `radius` px and stop at the guide's edges."""
    weight = np.maximum(confidence, np.float32(floor))
    smoother = cv2.ximgproc.createFastGlobalSmootherFilter(guide, max(1.0, radius) ** 2, sigma)
    total = smoother.filter(weight)
    return _float32(smoother.filter(weight * depth) / np.maximum(total, np.float32(1e-12)))


def _window(radius: int) -> UInt8:
    """A square: OpenCV's erosion by it takes the same time at any radius, by a disc up to thirty times that."""
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)


@numba.njit(cache=True, nogil=True)
def _core(least, most, lowest, highest, height, core, inside):  # type: ignore[no-untyped-def]
    """From the least and greatest values within the radius, and within twice of it: the range within it, how surely a
    pixel is in a step's core, and what of that is beyond doubt."""
    for i in range(len(least)):
        height[i] = most[i] - least[i]
        saturation = height[i] / max(highest[i] - lowest[i], np.float32(1e-6))
        core[i] = _smoothstep(height[i], _EDGE_RANGE) * _smoothstep(saturation, _EDGE_SATURATION)
        inside[i] = _smoothstep(core[i], _SURE)


@numba.njit(cache=True, nogil=True)
def _with_feet(low, high, tall, near, core):  # type: ignore[no-untyped-def]
    """Add what is near a core and not flat, beside the tallest step there."""
    for i in range(len(core)):
        slope = (high[i] - low[i]) / max(tall[i], np.float32(1e-6))
        core[i] = max(core[i], near[i] * _smoothstep(slope, _FOOT_SLOPE))


@numba.njit(cache=True, nogil=True)
def _smoothstep(x, ends):  # type: ignore[no-untyped-def]
    t = min(max((x - np.float32(ends[0])) / np.float32(ends[1] - ends[0]), np.float32(0)), np.float32(1))
    return t * t * (np.float32(3) - np.float32(2) * t)


@numba.njit(cache=True, nogil=True)
def _medians(depth, rgb, where, found, first, last, offsets, weights):  # type: ignore[no-untyped-def]
    """Fill in the rows from `first` to `last`; `depth` and `rgb` go on around the picture as far as the offsets do."""
    depth_of, colour_of = depth.ravel(), rgb.reshape(-1, 3)
    border = (depth.shape[1] - where.shape[1]) // 2
    counts = np.empty(_MEDIAN_BINS, np.float32)
    sums = np.empty(_MEDIAN_BINS, np.float32)
    depths = np.empty(len(offsets), np.float32)
    shares = np.empty(len(offsets), np.float32)
    for y in range(first, last):
        for x in range(where.shape[1]):
            if not where[y, x]:
                continue
            middle = (y + border) * depth.shape[1] + x + border
            red, green, blue = colour_of[middle].astype(np.int32)
            low, high, total = depth_of[middle], depth_of[middle], np.float32(0)
            for i in range(len(offsets)):
                at = np.uint64(middle + offsets[i])  # unsigned: no index from the end to be looked for
                apart = (np.int32(colour_of[at, 0]) - red) ** 2
                apart += (np.int32(colour_of[at, 1]) - green) ** 2
                apart += (np.int32(colour_of[at, 2]) - blue) ** 2
                depths[i], shares[i] = depth_of[at], weights[np.uint64(apart) // np.uint64(_MEDIAN_GRAIN)]
                low, high = min(low, depths[i]), max(high, depths[i])
                total += shares[i]
            if high - low < np.float32(1e-6):
                continue
            counts[:] = 0
            sums[:] = 0
            scale = np.float32(_MEDIAN_BINS - 1) / (high - low)
            for i in range(len(offsets)):
                level = np.uint64((depths[i] - low) * scale)
                counts[level] += shares[i]
                sums[level] += shares[i] * depths[i]
            passed = np.float32(0)
            for step in range(_MEDIAN_BINS):
                passed += counts[step]
                if passed * 2 >= total and counts[step] > 0:
                    found[y, x] = sums[step] / counts[step]
                    break


def _blend(a: Float32, b: Float32, share: Float32 | np.float32) -> Float32:
    return _float32(a + (b - a) * share)


def _float32(values: object) -> Float32:
    return np.ascontiguousarray(values, np.float32)
