"""What a network says of a photo, as DepthMap: refined, with the sky at infinity and a camera."""

from __future__ import annotations

import math

import cv2
import numpy as np

from diorama.depth import refine, sky, tiles
from diorama.depth.backends import Backend
from diorama.depth.prediction import Prediction, averaged, unit
from diorama.errors import ModelError
from diorama.settings import Settings
from diorama.types import Bool, Camera, DepthMap, Float32, Photo, Progress, UInt8

FOV_LIMITS = (5.0, 150.0)
"""Degrees over the long side. What a network says beyond them is no camera."""


def depth_map(backend: Backend, guide: Photo, settings: Settings, progress: Progress | None) -> DepthMap:
    """The depth map of a photo at processing size.

    Raises:
        ModelError: the network can't be loaded, fails, or sees nothing.
    """
    say = progress or (lambda _stage, _share, _text: None)
    mirrored = backend.mirrored if settings.flip_average == "auto" else settings.flip_average == "on"
    found = _ask(backend, guide, mirrored, say)
    if settings.depth_tiles > 1:
        sentence = f"Estimating depth of {settings.depth_tiles} tiles a side"
        found = tiles.detailed(
            backend, guide.rgb, found, settings.depth_tiles, lambda share: say("depth", 0.5 + 0.2 * share, sentence)
        )
    say("depth", 0.7, "Refining edges")
    camera, said = _camera(guide.camera, found.focal)
    unseen = np.zeros(found.inverse.shape, bool) if found.far is None else found.far
    low, high = refine.span(np.where(unseen, np.float32(np.nan), found.inverse))
    unit = np.where(unseen, np.float32(0), refine.scaled(found.inverse, low, high))
    if found.scale == "relative":
        unit = np.clip(unit, np.float32(0), np.float32(1))
    whole = refine.upsample(unit, guide.width, guide.height)
    inner = np.clip(whole, np.float32(0), np.float32(1))
    far = None
    if settings.find_sky:
        width, height = guide.width, guide.height
        far = sky.find(guide.rgb, inner, found.reach) if found.far is None else _resized(found.far, width, height)
    crisp = refine.sharpen(inner, guide.rgb, settings.edge_sharpness, far)
    crisp = refine.nearer(crisp, found.reach, far)
    if found.scale == "metric":  # beyond the robust range there is no edge to be sharpened, but metres are metres
        crisp = _metric(crisp + (whole - inner), low, high, far)
    normals = None if found.normals is None else _normal_map(found.normals, guide.width, guide.height)
    said = found.warnings + said
    return DepthMap(crisp, found.scale, camera, backend.name, sky=far, warnings=said, normals=normals)


def _ask(backend: Backend, guide: Photo, flip: bool, say: Progress) -> Prediction:
    known = guide.camera.fx / guide.width if guide.camera.source in ("exif", "user") else None
    say("depth", 0.1, f"Estimating depth with {backend.name}")
    found = backend.predict(guide.rgb, known)
    if flip:
        say("depth", 0.4, "Estimating depth of the mirrored photo")
        found = averaged(found, backend.predict(np.ascontiguousarray(guide.rgb[:, ::-1]), known).mirrored())
    seen = np.isfinite(found.inverse)
    if found.far is not None:
        seen &= ~found.far
    if not seen.any():
        raise ModelError(
            f"The network {backend.name} found no depth in this photo.", hint="Try another depth model or a depth file."
        )
    return found


def _camera(camera: Camera, focal: float | None) -> tuple[Camera, tuple[str, ...]]:
    """The photo's own camera, else the network's, where that can be one."""
    if focal is None or camera.source != "assumed":
        return camera, ()
    pixels = focal * camera.width
    fov = 2 * math.degrees(math.atan(max(camera.width, camera.height) / 2 / pixels)) if pixels > 0 else 180.0
    if not FOV_LIMITS[0] <= fov <= FOV_LIMITS[1]:
        return camera, (f"The network's field of view of {fov:.0f}° can't be right: it is ignored.",)
    return Camera.from_focal(pixels, camera.width, camera.height, "model"), ()


def _metric(scaled: Float32, low: float, high: float, far: Bool | None) -> Float32:
    """Back from the robust range to 1 / metres; never at or behind the camera's infinity but in the sky."""
    inverse = scaled.astype(np.float64) * (high - low) + low
    inverse = np.maximum(inverse, 1e-3 * max(low, 1e-6))
    return np.ascontiguousarray(inverse if far is None else np.where(far, 0.0, inverse), np.float32)


def _normal_map(normals: Float32, width: int, height: int) -> UInt8:
    """Unit normals at the photo's size, -1..1 as 0..255."""
    smaller = width < normals.shape[1] and height < normals.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    turned = unit(np.asarray(cv2.resize(normals, (width, height), interpolation=how), np.float32))
    return np.asarray(np.rint((turned + 1) * np.float32(127.5)), np.uint8)


def _resized(mask: Bool, width: int, height: int) -> Bool | None:
    """The mask at the photo's size, its outline smooth; None where nothing is in it."""
    share = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    far = np.ascontiguousarray(share > 0.5)
    return far if far.any() else None
