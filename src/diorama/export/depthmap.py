"""Depth maps as files: inverse depth, larger is nearer, 0 = infinitely far.

.npy   float32, H x W
.npz   `inverse_depth` as in .npy, `valid` and `sky` (bool) where known, `scale` (relative or metric), `model`,
       and the camera `fx`, `fy`, `cx`, `cy` in pixels of this map
.png   16 bits, grey: inverse depth = value x scale, with the scale as the PNG text `inverse-depth-scale`; 0 stays 0
.pfm   float32, grey, rows from the bottom as the format wants
.exr   OpenEXR, float32: `Y` is inverse depth; `Z`, where distances are known, the distance along the optical axis in
       scene units as compositing programs expect it (infinite: inf); attributes `scale`, `model` and the focal lengths
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from diorama import atomic, png
from diorama.errors import FormatError
from diorama.types import DepthMap, Float32

EDGE = 0.01
"""Share of the largest inverse depth: neighbours that differ by more are two surfaces when the map is resampled. Half
of what the mesh cuts at by default; a steep surface taken for an edge only loses its smoothness between two pixels."""


def write_depth(depth: DepthMap, size: tuple[int, int], path: Path, *, z: Float32 | None = None) -> None:
    """Write inverse depth at the size of a picture; the path's ending says the format.

    Args:
        depth: (H, W) inverse depth.
        size: (width, height) of the picture. The map's own size writes it unchanged.
        path: ends in .npy, .npz, .png, .pfm or .exr.
        z: (H, W) distances in scene units for .exr, where the scene has placed relative depth.

    Raises:
        FormatError: another ending.
        StorageError: the disk is full or refuses.
    """
    encode = DEPTH_FORMATS.get(path.suffix.lower())
    if encode is None:
        raise FormatError(
            f"Depth can't be written as '{path.name}'.", hint=f"Use one of the endings {', '.join(DEPTH_FORMATS)}."
        )
    data: bytes | memoryview
    if encode is _exr:
        data = _exr(resized(depth, size), None if z is None else _resized_distances(depth, z, size))
    else:
        data = encode(resized(depth, size))
    with atomic.writing(path) as file:
        file.write(data)


def resized(depth: DepthMap, size: tuple[int, int]) -> DepthMap:
    """The map for a picture of (width, height): linear on each surface, never a mix of two.

    At every pixel the four samples around it are weighted as in linear interpolation, but only those that belong to
    the nearest one's surface (within `EDGE` of it, and both or neither infinitely far). Masks take the nearest sample.
    """
    width, height = size
    if (height, width) == depth.shape:
        return depth
    rows, columns = _Samples.along(depth.shape[0], height), _Samples.along(depth.shape[1], width)
    nearest = np.ix_(rows.nearest, columns.nearest)
    valid, sky = (None if mask is None else np.ascontiguousarray(mask[nearest]) for mask in (depth.valid, depth.sky))
    normals = None if depth.normals is None else np.ascontiguousarray(depth.normals[nearest])
    inverse = _edge_aware(depth.inverse_depth, rows, columns)
    camera = depth.camera.resized(width, height)
    return replace(depth, inverse_depth=inverse, camera=camera, valid=valid, sky=sky, normals=normals)


class _Samples(NamedTuple):
    """For each new position along one axis: the samples before and after it, the latter's weight, the nearest."""

    before: npt.NDArray[np.intp]
    after: npt.NDArray[np.intp]
    weight: Float32
    nearest: npt.NDArray[np.intp]

    @classmethod
    def along(cls, old: int, new: int) -> _Samples:
        number = np.arange(new, dtype=np.intp)
        at = (number + 0.5) * (old / new)  # in old pixels, whose centres are at 0.5
        before = np.floor(at - 0.5).astype(np.intp)
        weight = (at - 0.5 - before).astype(np.float32)
        nearest = (2 * number + 1) * old // (2 * new)
        return cls(np.maximum(before, 0), np.minimum(before + 1, old - 1), weight, nearest)


def _edge_aware(inverse: Float32, rows: _Samples, columns: _Samples) -> Float32:
    """Linear interpolation everywhere, then again, on one side only, where the four samples differ."""
    import cv2

    size = len(columns.nearest), len(rows.nearest)
    result = np.asarray(cv2.resize(inverse, size, interpolation=cv2.INTER_LINEAR), np.float32).reshape(size[::-1])
    _separate(inverse, np.float32(EDGE * float(inverse.max())), *rows, *columns, result)
    return result


@numba.njit(cache=True, nogil=True)
def _separate(  # type: ignore[no-untyped-def]
    inverse, limit, above, below, down, nearest_row, left, right, across, nearest_column, result
):
    """Where the four samples are of several surfaces: the mean of those that are of the nearest one's."""
    one = np.float32(1)
    mixed = np.zeros(inverse.shape[1], np.bool_)
    for y in range(result.shape[0]):
        upper, lower, own = inverse[above[y]], inverse[below[y]], inverse[nearest_row[y]]
        if y == 0 or above[y] != above[y - 1] or below[y] != below[y - 1]:
            for x in range(len(mixed)):
                after = min(x + 1, len(mixed) - 1)
                low = min(min(upper[x], upper[after]), min(lower[x], lower[after]))
                high = max(max(upper[x], upper[after]), max(lower[x], lower[after]))
                mixed[x] = high - low > limit or (low == 0 and high > 0)
        for x in range(result.shape[1]):
            if not mixed[left[x]]:
                continue
            nearest = own[nearest_column[x]]
            total, weights = np.float32(0), np.float32(0)
            for row, row_weight in ((upper, one - down[y]), (lower, down[y])):
                for column, column_weight in ((left[x], one - across[x]), (right[x], across[x])):
                    if abs(row[column] - nearest) <= limit and (row[column] == 0) == (nearest == 0):
                        total += row_weight * column_weight * row[column]
                        weights += row_weight * column_weight
            # The nearest sample is of its own surface and weighs at least a quarter.
            result[y, x] = total / weights


@numba.njit(cache=True, nogil=True)
def _levels(inverse, scale, result):  # type: ignore[no-untyped-def]
    """16 bits; only what is infinitely far is 0."""
    for y in range(result.shape[0]):
        for x in range(result.shape[1]):
            level = np.rint(inverse[y, x] / scale)
            least = np.float32(1) if inverse[y, x] > 0 else np.float32(0)
            result[y, x] = np.uint16(min(max(level, least), np.float32(65535)))


def _npy(depth: DepthMap) -> memoryview:
    file = io.BytesIO()
    np.save(file, depth.inverse_depth, allow_pickle=False)
    return file.getbuffer()


def _npz(depth: DepthMap) -> bytes:
    camera = depth.camera
    arrays = {"inverse_depth": depth.inverse_depth, "valid": depth.valid, "sky": depth.sky}
    words = {"scale": np.array(depth.scale), "model": np.array(depth.model)}
    numbers = {name: np.array(getattr(camera, name)) for name in ("fx", "fy", "cx", "cy")}
    file = io.BytesIO()
    known: dict[str, npt.NDArray[Any]] = {name: array for name, array in arrays.items() if array is not None}
    np.savez(file, allow_pickle=False, **known, **words, **numbers)
    return file.getvalue()


def _png(depth: DepthMap) -> bytes:
    scale = float(depth.inverse_depth.max()) / 65535 or 1.0
    values = np.empty(depth.shape, np.uint16)
    _levels(depth.inverse_depth, np.float32(scale), values)
    unit = "1 / depth in its own unit" if depth.scale == "metric" else "relative"
    texts = {
        "inverse-depth-scale": repr(scale),
        "Description": f"inverse depth = value x inverse-depth-scale ({unit}); larger is nearer, 0 infinite",
    }
    return png.encode(values, texts)


def _pfm(depth: DepthMap) -> bytes:
    height, width = depth.shape
    header = f"Pf\n{width} {height}\n-1.0\n".encode()  # negative: little-endian
    return header + depth.inverse_depth[::-1].astype("<f4").tobytes()


def _exr(depth: DepthMap, z: Float32 | None = None) -> bytes:
    import OpenEXR

    camera = depth.camera
    if z is None and depth.scale == "metric":
        z = np.full(depth.shape, np.inf, np.float32)
        np.divide(np.float32(1), depth.inverse_depth, out=z, where=depth.inverse_depth > 0)
    elif z is not None and depth.sky is not None:
        z = np.where(depth.sky, np.float32(np.inf), z)
    channels = {"Y": depth.inverse_depth, **({} if z is None else {"Z": z})}
    header = {
        "compression": OpenEXR.ZIP_COMPRESSION,
        "type": OpenEXR.scanlineimage,
        "comments": "Y: inverse depth, larger is nearer, 0 infinite. Z: distance along the optical axis.",
        "scale": depth.scale,
        "model": depth.model.encode("ascii", "replace").decode(),
        **{name: float(getattr(camera, name)) for name in ("fx", "fy", "cx", "cy")},
    }
    file = io.BytesIO()
    OpenEXR.File(header, channels).write(file)
    return file.getvalue()


def _resized_distances(depth: DepthMap, z: Float32, size: tuple[int, int]) -> Float32:
    """Like the inverse depth: no mix of two surfaces."""
    plain = DepthMap(np.reciprocal(z), depth.scale, depth.camera, depth.model)
    return np.reciprocal(resized(plain, size).inverse_depth)


DEPTH_FORMATS: dict[str, Callable[[DepthMap], bytes | memoryview]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".png": _png,
    ".pfm": _pfm,
    ".exr": _exr,
}
"""By ending: what makes the file's bytes."""
