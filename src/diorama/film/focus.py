"""Depth of field: what a thin lens of a given opening makes of a view.

A point at z, seen through a lens of diameter A that is focused on z_f, is spread over a disc. The lens equation
1/f = 1/z_f + 1/v, with v the distance of the picture behind the lens, makes its diameter A v |1/z - 1/z_f|; v in pixels
is the camera's focal length, so it comes out in pixels.

Pixels are sorted into levels by the radius of their discs; each level is blurred with its coverage and laid over those
behind it (layered depth of field, Kraus & Strengert 2007), in linear light. What a blurred thing in front uncovers is
not guessed: the scene is seen once more without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from diorama.render import Renderer, Rendering
from diorama.types import Bool, Camera, Float32, UInt8

LEVELS = (0.0, 0.7, 1.2, 2.0, 3.4, 5.8, 10.0, 17.0, 29.0, 50.0, 85.0, 145.0)
"""Radii in pixels, each about 1.7 times the one before; a pixel between two of them belongs to both in part."""

SHARP = 1.0
"""Radius in pixels up to which what is in front counts as sharp: nothing is seen behind its edge."""

SMALL = 3.5
"""Radius in pixels from which a level is blurred at half the size, from twice of it at a quarter, and so on."""

SAME = 1.005
"""Ratio of two distances from which they are two surfaces."""

_STEPS = np.linspace(0, 1, 1 << 16)
LINEAR = np.where(
    np.arange(256) <= 10, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float32)
_SRGB = np.rint(
    255 * np.where(_STEPS <= 0.0031308, 12.92 * _STEPS, 1.055 * np.maximum(_STEPS, 1e-9) ** (1 / 2.4) - 0.055)
).astype(np.uint8)


@dataclass(frozen=True)
class Lens:
    """An opening and what it is focused on, in scene units."""

    aperture: float  # diameter
    focus: float  # z of what is sharp

    def radius(self, z: Float32, camera: Camera) -> Float32:
        """(H, W) pixels: radius of the disc that a point at `z` is spread over; negative behind what is sharp."""
        scale = np.float32(self.aperture * camera.fx / 2)
        return np.asarray(scale * (1 / np.maximum(z, np.float32(1e-6)) - np.float32(1 / self.focus)), np.float32)

    def edge(self, camera: Camera) -> float:
        """z in front of the focus where the radius is `SHARP`."""
        return 1 / (1 / self.focus + 2 * SHARP / (self.aperture * camera.fx))


def aperture_of(blur: float, focus: float, camera: Camera) -> float:
    """The diameter at which what is infinitely far is spread over a disc of `blur` per cent of the picture's width."""
    return blur / 100 * camera.width * focus / camera.fx


def view(renderer: Renderer, picture: Rendering, lens: Lens, translate: tuple[float, float, float],
         rotate: tuple[float, float, float]) -> UInt8:  # fmt: skip
    """(H, W, 3): the picture, taken at this place, as the lens would have taken it."""
    camera = picture.camera
    radius = lens.radius(picture.z, camera)
    if float(radius.max()) <= SHARP:
        return defocused(picture.rgb, radius)
    behind = renderer.view(camera, translate, rotate, nearest=lens.edge(camera))
    front = behind.z > SAME * picture.z
    return defocused(picture.rgb, radius, front, behind.rgb, lens.radius(behind.z, camera))


def defocused(
    rgb: UInt8, radius: Float32, front: Bool | None = None, behind: UInt8 | None = None, far: Float32 | None = None
) -> UInt8:
    """Spread every pixel over its disc, those in front over those behind.

    Args:
        rgb, radius: (H, W, 3) and (H, W), the picture and its discs' radii in pixels; negative behind the focus.
        front: (H, W) what stands before `behind`; None: nothing.
        behind, far: the picture and its radii without that.
    """
    picture, _ = _layered(rgb if behind is None else behind, radius if far is None else far, None)
    if front is not None and behind is not None:
        before, coverage = _layered(rgb, radius, front)
        picture += (before - picture) * coverage[..., None]
    return to_srgb(picture)


def to_srgb(light: Float32) -> UInt8:
    """8-bit sRGB of linear light, 0 to 1; `LINEAR` is the other way."""
    steps = np.clip(light * 65535 + 0.5, 0, 65535).astype(np.uint16)
    return np.asarray(_SRGB[steps], np.uint8)


def _layered(rgb: UInt8, radius: Float32, chosen: Bool | None) -> tuple[Float32, Float32]:
    """(H, W, 3) light, and (H, W) how much of it covers what is behind: the chosen pixels' levels laid over each other
    from back to front."""
    light = np.asarray(cv2.LUT(rgb, LINEAR), np.float32)
    levels = np.array([*(-level for level in LEVELS[:0:-1]), *LEVELS], np.float32)
    place = np.interp(radius, levels, np.arange(len(levels))).astype(np.float32)
    if chosen is not None:
        place = np.where(chosen, place, np.float32(-9))
    present = np.unique(np.floor(place[place >= 0]).astype(np.int32))
    numbers = sorted({int(n) for n in present} | {min(int(n) + 1, len(levels) - 1) for n in present})
    total = np.zeros((*radius.shape, 4), np.float32)  # light times coverage, coverage
    coverage = np.zeros(radius.shape, np.float32)
    for number in numbers:
        share = np.maximum(1 - np.abs(place - np.float32(number)), 0)
        window = _around(share, int(abs(levels[number])) + 10)
        if window is None:
            continue
        own = share[window]
        layer = _spread(np.dstack([light[window] * own[..., None], own]), float(abs(levels[number])))
        # A surface that lies between two levels is in both: what one leaves open is the other's, not what is behind.
        coverage[window] += layer[..., 3]
        below = total[window]
        below *= 1 - layer[..., 3:]
        below += layer
    total[..., :3] /= np.maximum(total[..., 3:], np.float32(1e-6))
    return total[..., :3], np.minimum(coverage, 1).astype(np.float32)


def _around(share: Float32, margin: int) -> tuple[slice, slice] | None:
    """The part of the picture that holds all of it, wider by a margin; None: there is nothing."""
    rows, columns = np.flatnonzero(share.any(axis=1)), np.flatnonzero(share.any(axis=0))
    if not len(rows):
        return None
    top, left = max(int(rows[0]) - margin, 0), max(int(columns[0]) - margin, 0)
    return slice(top, int(rows[-1]) + 1 + margin), slice(left, int(columns[-1]) + 1 + margin)


def _spread(layer: Float32, radius: float) -> Float32:
    """Convolve with a disc; large ones on a smaller picture."""
    if radius < 0.5:
        return layer
    smaller = 1
    while radius / smaller > SMALL:
        smaller *= 2
    height, width = layer.shape[:2]
    if smaller > 1:
        pad = (-height) % smaller, (-width) % smaller
        wide = cv2.copyMakeBorder(layer, 0, pad[0], 0, pad[1], cv2.BORDER_REPLICATE)
        size = wide.shape[1] // smaller, wide.shape[0] // smaller
        layer = np.asarray(cv2.resize(wide, size, interpolation=cv2.INTER_AREA), np.float32)
    spread = cv2.filter2D(layer, -1, disc(radius / smaller), borderType=cv2.BORDER_REFLECT)
    if smaller > 1:
        whole = spread.shape[1] * smaller, spread.shape[0] * smaller
        spread = cv2.resize(spread, whole, interpolation=cv2.INTER_LINEAR)[:height, :width]
    return np.asarray(spread, np.float32)


def disc(radius: float) -> Float32:
    """A disc's share of each pixel, its sum 1."""
    reach = int(np.ceil(radius + 0.5))
    away = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    kernel = np.clip(radius + 0.5 - away, 0, 1)
    return np.asarray(kernel / kernel.sum(), np.float32)
