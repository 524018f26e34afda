"""The depth that a photo's file carries (`Photo.embedded`) as DepthMap.

Phones store it a fifth as large as the photo and smoothed, so it is treated as a network's answer is: scaled up,
snapped to the photo's edges, the sky put at infinity. Its distances stay: `metric` ones in metres.
"""

from __future__ import annotations

import numpy as np

from diorama.depth import file, refine, sky
from diorama.errors import DepthFileError
from diorama.settings import Settings
from diorama.types import Bool, DepthMap, EmbeddedDepth, Float32, Photo

MIN_SIDE = 320
"""Pixels of its long side from which `auto` prefers it: MiDaS small sees 384, the bundled network 256."""

MIN_MEASURED = 0.9
"""Share of its pixels that were measured, the same."""

MIN_SPREAD = 0.05
"""How much nearer its near parts (95th percentile) are than its far ones (5th), relative to them, the same."""


def is_better(photo: Photo) -> bool:
    """Whether the photo carries depth that is clearly better than a network's guess.

    That is: its distances are known in metres, it is no coarser than what the networks see, nearly all of it was
    measured, and it isn't flat.
    """
    carried = photo.embedded
    if carried is None or carried.scale != "metric" or max(carried.inverse_depth.shape) < MIN_SIDE:
        return False
    if carried.valid is not None and float(carried.valid.mean()) < MIN_MEASURED:
        return False
    far, near = np.quantile(carried.inverse_depth, (0.05, 0.95))
    return bool(near - far > MIN_SPREAD * near)


def read(photo: Photo, guide: Photo, settings: Settings) -> tuple[DepthMap, str]:
    """The photo's own depth at the size of `guide`, the photo at processing size, and what it is.

    Raises:
        DepthFileError: the photo carries none.
    """
    carried = photo.embedded
    if carried is None:
        raise DepthFileError(
            f"{photo.name} carries no depth of its own.",
            hint="Choose a depth model; portrait photos of phones carry depth, unless an app has taken it away.",
        )
    inverse, measured = _inverse(carried)
    peak = float(inverse.max())
    if not measured.any() or peak <= 0:
        raise DepthFileError(
            f"The depth that {photo.name} carries says nothing: no pixel was measured.", hint="Choose a depth model."
        )
    filled = inverse if measured.all() else file.fill(inverse, measured)
    unit, measured = _at_size(filled / np.float32(peak), measured, guide)
    if carried.along_rays:
        unit = unit * _stretch(guide)
        peak, unit = peak * float(unit.max()), unit / unit.max()
    found = sky.find(guide.rgb, refine.normalise(unit)) if settings.find_sky else None
    unit = refine.sharpen(unit, guide.rgb, settings.edge_sharpness, found)
    far = unit == 0
    missing = 1 - float(measured.mean())
    depth = DepthMap(
        np.ascontiguousarray(unit * np.float32(peak) if carried.scale == "metric" else unit, np.float32),
        carried.scale,
        guide.camera,
        "embedded",
        valid=None if measured.all() else measured,
        sky=far if found is None else found | far,
        warnings=(f"{missing:.1%} of the photo's depth was not measured; it was filled from behind.",)
        if missing
        else (),
    )
    return depth, f"{carried.origin}, {carried.size[0]} x {carried.size[1]}"


def _inverse(carried: EmbeddedDepth) -> tuple[Float32, Bool]:
    measured = np.ones(carried.inverse_depth.shape, bool) if carried.valid is None else carried.valid
    return np.where(measured, carried.inverse_depth, np.float32(0)), measured


def _at_size(unit: Float32, measured: Bool, guide: Photo) -> tuple[Float32, Bool]:
    """Smooth where all was measured; where not, holes and their rims are kept apart."""
    if measured.all():
        return refine.upsample(unit, guide.width, guide.height), np.ones((guide.height, guide.width), bool)
    return file.resized(unit, measured, guide.width, guide.height)


def _stretch(guide: Photo) -> Float32:
    """(H, W): from 1 / distance along each pixel's ray to 1 / z, since z = distance x cosine."""
    camera = guide.camera
    x = (np.arange(guide.width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(guide.height) + 0.5 - camera.cy) / camera.fy
    return np.sqrt(1 + x**2 + y[:, None] ** 2).astype(np.float32)
