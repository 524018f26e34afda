"""Find the sky: smooth, of a sky's colour, at the top of the picture, and far away as far as the depth map knows.

There is no way to be sure. What decides in doubt is the cost: a sky that isn't found stands a little in front of
infinity, a wall that is taken for one is torn from its room. So the colour has to be blue, or brighter than all else
and not warmer than white, which walls in lamplight are.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from diorama.arrays import largest, smallest
from diorama.types import Bool, Float32, UInt8

SEARCH_SIZE = 384
"""Long side in pixels at which the region is searched; its outline is drawn at the photo's size."""

_FRAME = 0.02
"""Share of the height at the top that a scan's frame may take."""

_BLACK = 0.03
"""Mean brightness (0..1) below which a region is black."""

_LEAST = 0.02
"""Share of the picture that a sky has at least."""

_FAR = 0.3
"""Mean relative inverse depth of a region above which it is no sky. Of 20 photos' skies none is above 0.28 with the
bundled networks, and most are below 0.1; bluish walls begin at 0.34."""

_DEPTH_WEIGHT = np.float32(1.5)
"""Of depth beside red, green and blue, all 0..1, where the outline is drawn."""

_BORDER = 0.012
"""Share of the long side around the region's outline where the photo's colours decide."""


@dataclass(frozen=True)
class _Picture:
    """The photo at search size: what each pixel looks like."""

    rgb: Float32  # (h, w, 3), 0..1
    light: Float32  # (h, w), 0..1
    texture: Float32  # (h, w), mean gradient
    candidate: Bool  # of a sky's colour, smooth and not near
    possible: Bool  # the same, with less asked: clouds, haze
    blue: Bool
    black: Bool
    depth: Float32


def find(rgb: UInt8, depth: Float32, reach: float = 1.0) -> Bool | None:
    """Find the sky in a photo.

    Args:
        rgb: (H, W, 3).
        depth: (H, W), 0..1, relative inverse depth as a network sees it.
        reach: share of the whole depth that it spans (`refine.nearer`): what is flat has a sky only where it is black.

    Returns:
        (H, W), True in the sky; None where there is none.
    """
    height, width = depth.shape
    scale = min(1.0, SEARCH_SIZE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if min(size) < 8:
        return None
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)
    picture = _look(small, np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_AREA), np.float32))
    region = _far_parts(picture, _from_top(picture.candidate), reach)
    if not _is_sky(picture, region, reach):
        return None
    sky = _outline(rgb, depth, picture, _grow(picture, region))
    return sky if 0 < np.count_nonzero(sky) < 0.98 * sky.size else None


def _look(rgb: Float32, depth: Float32) -> _Picture:
    red, green, blue = (rgb[..., channel] for channel in range(3))
    light = np.float32(0.3) * red + np.float32(0.59) * green + np.float32(0.11) * blue
    most, least = largest(rgb), smallest(rgb)
    saturation = (most - least) / np.maximum(most, np.float32(0.02))
    soft = cv2.GaussianBlur(rgb, (0, 0), 0.8)
    across = largest(np.abs(cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=0.125)))
    down = largest(np.abs(cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=0.125)))
    texture = cv2.blur(np.hypot(across, down), (5, 5))
    is_blue = (blue >= green - 0.01) & (green >= red - 0.06) & (blue - red > 0.03)
    is_white = (saturation < 0.22) & (light > 0.45) & (blue >= red - 0.04)
    is_grey = (saturation < 0.3) & (light > 0.25) & (blue >= red + 0.01)
    is_black = (light < 0.09) & (texture < 0.006)
    is_pale = (saturation < 0.45) & (light > 0.4) & (blue >= red - 0.2)
    return _Picture(
        rgb=rgb,
        light=light,
        texture=texture,
        candidate=(((is_blue | is_white | is_grey) & (texture < 0.025)) | is_black) & (depth < 0.6),
        possible=((is_blue | is_pale) & (texture < 0.08)) | (texture < 0.015),
        blue=is_blue,
        black=is_black,
        depth=depth,
    )


def _from_top(mask: Bool) -> Bool:
    """The parts of the mask that reach the top of the picture (but for a frame)."""
    _, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)
    top = labels[: max(2, round(_FRAME * mask.shape[0]))]
    return np.isin(labels, np.setdiff1d(top, [0]))


def _far_parts(picture: _Picture, region: Bool, reach: float) -> Bool:
    """The region without those of its parts that are as large as a sky and too near for one: a sail beside it, a white
    wall. What is black stays."""
    count, labels = cv2.connectedComponents(region.view(np.uint8), connectivity=4)
    size = np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
    depth, light = (np.bincount(labels.ravel(), one.ravel(), count) / size for one in (picture.depth, picture.light))
    near = (size >= _LEAST * labels.size) & (1 - reach * (1 - depth) > _FAR) & (light >= _BLACK)
    near[0] = False  # what is no part of it
    return np.asarray(region & ~near[labels])


def _is_sky(picture: _Picture, region: Bool, reach: float) -> bool:
    """Whether the smooth region at the top is the sky, by its colour, its place and how far it seems."""
    area = float(region.mean())
    if area < _LEAST:
        return False
    rest = ~region
    light = float(picture.light[region].mean())
    if light < _BLACK:
        return area > 0.15  # black as space: whatever it is, nobody sees where it stands
    depth, depth_rest = float(picture.depth[region].mean()), float(picture.depth[rest].mean())
    if 1 - reach * (1 - depth) > _FAR or depth > depth_rest - 0.15:
        return False
    span = float(region[: max(2, round(2 * _FRAME * region.shape[0]))].any(axis=0).mean())
    if span < 0.15:
        return False
    if float(picture.blue[region].mean()) > 0.5:
        return True
    red, _, blue = picture.rgb[region].mean(axis=0)
    brighter = light > float(picture.light[rest].mean()) + 0.1
    return area > 0.04 and depth < 0.25 and brighter and (blue - red > -0.01 or light > 0.95)


def _grow(picture: _Picture, region: Bool) -> Bool:
    """Take in clouds, haze and holes: what touches the region and is as far as it."""
    if float(picture.light[region].mean()) < _BLACK:
        return _from_top(picture.black)
    limit = _local_mean(picture.depth[..., None], region, 20)[..., 0] + np.float32(0.08)
    like = picture.possible & (picture.depth < limit)
    like |= (picture.texture < 0.02) & (_row_difference(picture.rgb, region) < 0.06)
    like |= picture.blue & (picture.texture < 0.008) & (picture.depth < limit + 0.5)  # networks err in empty skies
    wider = _from_top(region | like)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~wider).view(np.uint8), connectivity=8)
    over = np.bincount(labels.ravel(), (picture.depth - limit).ravel(), count)  # how much nearer each hole seems
    height, width = wider.shape
    inside = (stats[:, 0] > 0) & (stats[:, 1] > 0) & (stats[:, 0] + stats[:, 2] < width)
    inside &= stats[:, 1] + stats[:, 3] < height
    hole = inside & ((over < 0) | (stats[:, cv2.CC_STAT_AREA] < 12))
    hole[0] = False  # the region itself
    return np.asarray(wider | hole[labels])


def _row_difference(rgb: Float32, region: Bool) -> Float32:
    """(h, w): how far a pixel's colour is from the region's on its row, which is what a clear sky's depends on."""
    count = region.sum(axis=1)[:, None]
    mean = np.where(region[..., None], rgb, np.float32(0)).sum(axis=1) / np.maximum(count, 1)
    difference = largest(np.abs(rgb - mean[:, None]))
    return np.where(count > 0.05 * region.shape[1], difference, np.float32(1)).astype(np.float32)


def _outline(rgb: UInt8, depth: Float32, picture: _Picture, region: Bool) -> Bool:
    """The region at the photo's size; near its border each pixel goes to the side that it resembles more."""
    height, width = depth.shape
    reach = max(1, round(_BORDER * max(region.shape)))
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    sure = cv2.erode(region.view(np.uint8), window) > 0
    never = cv2.dilate(region.view(np.uint8), window) == 0
    if not sure.any() or not never.any():
        sure, never = region, ~region
    looks = np.dstack([picture.rgb, _DEPTH_WEIGHT * picture.depth])
    inside, outside = _local_mean(looks, sure, 3 * reach), _local_mean(looks, never, 3 * reach)
    state = np.where(sure, 255, np.where(never, 0, 128)).astype(np.uint8)
    sky = np.asarray(cv2.resize(state, (width, height), interpolation=cv2.INTER_NEAREST_EXACT))
    y, x = np.nonzero(sky == 128)
    here = y * region.shape[0] // height, x * region.shape[1] // width
    axis = inside[here] - outside[here]
    own = np.column_stack([rgb[y, x].astype(np.float32) / np.float32(255), _DEPTH_WEIGHT * depth[y, x]])
    share = ((own - outside[here]) * axis).sum(axis=1) / np.maximum((axis * axis).sum(axis=1), np.float32(4e-4))
    sky[y, x] = np.where(share > 0.5, 255, 0)
    return np.asarray(cv2.medianBlur(sky, 3)) > 0


def _local_mean(values: Float32, mask: Bool, radius: int) -> Float32:
    """(h, w, c): the mean of the mask's pixels in reach, of all of them where none is."""
    size = (2 * radius + 1, 2 * radius + 1)
    weight = mask.astype(np.float32)[..., None]
    total = np.asarray(cv2.blur(values * weight, size)).reshape(values.shape)
    count = np.asarray(cv2.blur(weight, size)).reshape(weight.shape)
    return np.where(count > 1e-4, total / np.maximum(count, np.float32(1e-4)), values[mask].mean(axis=0)).astype(
        np.float32
    )
