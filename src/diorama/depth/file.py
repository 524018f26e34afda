"""A depth file as DepthMap: taken at its word.

No smoothing, no sharpening, no search for the sky. Where the file has the processing size its values survive exactly:
`metric` ones as 1 / z in the file's own unit, `inverse` ones divided by their maximum (so that 0 stays infinitely
far; the largest becomes 1, which is the nearest).

What a value means:

=============  ==============================  ==================================
               inverse                         metric
=============  ==============================  ==================================
NaN, negative  not measured                    not measured
0              infinitely far                  not measured (as depth cameras do)
inf            not measured                    infinitely far
=============  ==============================  ==================================

What wasn't measured is filled from the farther of its neighbours (holes of stereo and depth cameras lie beside the
foreground, on what it hides) and marked in `DepthMap.valid`.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from diorama.depth.formats import Numbers, load
from diorama.errors import DepthFileError
from diorama.settings import DepthKind
from diorama.types import Bool, DepthMap, Float32, Photo

ASPECT_TOLERANCE = 0.02
"""How far a file's width : height may differ from the photo's."""

_SMOOTH = 0.05
"""Neighbours whose inverse depths differ by less, relative to the nearer one, lie on one surface: only such are mixed
when a file is resized. Steeper slopes become steps as coarse as the file's own pixels, which is no worse than it is."""


def read(path: Path, kind: DepthKind, photo: Photo, guide: Photo) -> DepthMap:
    """Read a depth file for `photo`; the map has the size of `guide`, the photo at processing size.

    Raises:
        DepthFileError: it can't be read, doesn't have the photo's shape, or measured nothing.
    """
    values = load(path, kind)
    _check_aspect(path, values.shape, photo)
    inverse, measured = _inverse(values, kind)
    if not measured.any():
        raise DepthFileError(
            f"The depth file {path.name} holds no measured value.",
            hint=f"It was read as {kind} depth: check what it holds and say so with --depth-kind.",
        )
    if float(inverse[measured].max()) <= 0:
        raise DepthFileError(
            f"The depth file {path.name} says that everything is infinitely far.",
            hint="Inverse depth is larger where things are nearer; give distances with --depth-kind metric.",
        )
    if kind == "inverse":
        inverse = inverse / inverse[measured].max()
    filled = inverse if measured.all() else fill(inverse, measured)
    filled, measured = resized(filled, measured, guide.width, guide.height)
    missing = 1 - float(measured.mean())
    return DepthMap(
        filled,
        "metric" if kind == "metric" else "relative",
        guide.camera,
        "file",
        valid=None if measured.all() else measured,
        sky=filled == 0,
        warnings=(f"{missing:.1%} of the depth file was not measured; it was filled from behind.",) if missing else (),
    )


def fill(inverse: Float32, measured: Bool) -> Float32:
    """Give each pixel that wasn't measured the farther one of its nearest measured neighbours on its row.

    Rows without any take it from their column, once the others are filled.

    Args:
        inverse: (H, W); what stands where `measured` is False doesn't matter.
        measured: (H, W), somewhere True.
    """
    rows = _fill_rows(inverse, measured)
    known = np.repeat(np.any(measured, axis=1, keepdims=True), measured.shape[1], axis=1)
    return np.ascontiguousarray(_fill_rows(rows.T, known.T).T)


def _fill_rows(inverse: Float32, measured: Bool) -> Float32:
    width = inverse.shape[1]
    x = np.arange(width, dtype=np.int32)
    before = np.maximum.accumulate(np.where(measured, x, np.int32(-1)), axis=1)
    after = np.minimum.accumulate(np.where(measured, x, np.int32(width))[:, ::-1], axis=1)[:, ::-1]
    left = np.take_along_axis(inverse, np.maximum(before, 0), axis=1)
    right = np.take_along_axis(inverse, np.minimum(after, width - 1), axis=1)
    left = np.where(before >= 0, left, np.inf)
    right = np.where(after < width, right, np.inf)
    farther = np.minimum(left, right)
    return np.where(measured | ~np.isfinite(farther), inverse, farther).astype(np.float32)


def _inverse(values: Numbers, kind: DepthKind) -> tuple[Float32, Bool]:
    """Inverse depth, 0 where not measured, and where it was measured."""
    # float32 holds 16-bit integers exactly, and its division is the rounded exact one.
    exact = values if values.dtype in (np.float64, np.float32) else values.astype(np.float32)
    with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
        inverse = np.array(1 / exact if kind == "metric" else exact, np.float32)
        measured: Bool = (exact > 0 if kind == "metric" else exact >= 0) & np.isfinite(inverse)
    inverse[~measured] = 0
    return inverse, measured


def _check_aspect(path: Path, shape: tuple[int, ...], photo: Photo) -> None:
    height, width = shape
    expected = width * photo.height / photo.width
    # The file's width was rounded to a pixel, which is much where there are few.
    if abs(expected - height) <= max(ASPECT_TOLERANCE * height, 1.0, photo.height / photo.width):
        return
    hint = "Give the depth of this photo, uncropped."
    if abs(width * photo.width / photo.height - height) <= ASPECT_TOLERANCE * height:
        hint = "It seems to lie on its side: turn it upright as the photo is shown."
    raise DepthFileError(
        f"The depth file {path.name} is {width}x{height}, which isn't the shape of the photo's "
        f"{photo.width}x{photo.height}.",
        hint=hint,
    )


def resized(inverse: Float32, measured: Bool, width: int, height: int) -> tuple[Float32, Bool]:
    """Averaged or interpolated on surfaces, the nearest pixel at their edges and beside what wasn't measured."""
    if inverse.shape == (height, width):
        return inverse, measured
    size = (width, height)
    shrink = max(inverse.shape[0] / height, inverse.shape[1] / width)
    reach = 2 * math.ceil(max(shrink, 1.0) / 2) + 1
    window = np.ones((reach, reach), np.uint8)
    low, high = (np.asarray(change(inverse, window), np.float32) for change in (cv2.erode, cv2.dilate))
    whole = cv2.erode(measured.view(np.uint8), window) > 0
    surface = whole & (low > 0) & (high - low <= np.float32(_SMOOTH) * high)

    def pick(values: Numbers) -> Numbers:
        return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_NEAREST_EXACT))

    between = cv2.resize(inverse, size, interpolation=cv2.INTER_AREA if shrink > 1 else cv2.INTER_LINEAR)
    resized = np.where(pick(surface.view(np.uint8)) > 0, between, pick(inverse))
    return np.ascontiguousarray(resized, np.float32), pick(measured.view(np.uint8)) > 0
