"""One texture for a layered scene: the panels in one picture, and where each is.

The visible panel has the photo's own resolution as far as the atlas may be large. The first hidden surface has the
grid's, deeper ones, which are seen through narrow gaps, half and a quarter of it, the backdrop an eighth.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from diorama.layers import LayeredDepth
from diorama.types import Bool, Float32, Photo, UInt8

SCALES = (1.0, 0.5, 0.25, 0.25)
"""Of the hidden surfaces' panels, first the nearest."""

BACKDROP_SCALE = 0.125

BLOCKS = {
    "tall": ((1.0, 1.5), ((0, 0), (0, 1), (0.5, 1), (0.75, 1)), (0.5, 1.25)),
    "wide": ((1.5, 1.0), ((0, 0), (1, 0), (1, 0.5), (1.25, 0.5)), (1, 0.75)),
}
"""How the hidden panels are laid out beside or below the visible one, in widths and heights of the grid: the block's
size, the panels' corners (x, y), the backdrop's corner."""


class Atlas:
    """The atlas of a layered depth image.

    Attributes:
        rgb: (H, W, 3), at most `limit` pixels a side.
    """

    def __init__(self, depth: LayeredDepth, photo: Photo, panels: list[UInt8], repainted: Bool, limit: int) -> None:
        """Lay the panels out.

        Args:
            panels: (h, w, 3) each, on the widened grid: of the visible surface and of each hidden one.
            repainted: (h, w), where the first panel isn't the photo.
            limit: longest side in pixels.
        """
        height, width = depth.inside.shape
        wanted = photo.width / (width - 2 * depth.margin)
        visible, hidden, (block, below) = _scales(width, height, wanted, limit, len(panels) > 1)
        (_, _), corners, last = BLOCKS[block]
        size = max(1, round(width * visible)), max(1, round(height * visible))
        left, top = (0, size[1]) if below else (size[0], 0)
        with ThreadPoolExecutor(1) as other:  # OpenCV leaves Python to others
            backdrop = other.submit(lambda: _resized(_backdrop_panel(panels[0], depth), hidden))
            shown = other.submit(_visible_panel, panels[0], repainted, photo, depth, size)
            behind = zip(depth.surfaces[1:], panels[1:], SCALES, strict=False)
            pictures = [_resized(_padded_out(panel, one.there), scale * hidden) for one, panel, scale in behind]
            pictures = [shown.result(), *pictures, backdrop.result()]
        origins = [(0, 0)]
        for _, (x, y) in zip(panels[1:], corners, strict=False):
            origins.append((left + round(x * width * hidden), top + round(y * height * hidden)))
        origins.append(
            (left, top)
            if len(panels) == 1
            else (left + round(last[0] * width * hidden), top + round(last[1] * height * hidden))
        )
        self._sizes = [(picture.shape[1], picture.shape[0]) for picture in pictures]
        self._origins = origins
        total = np.max(np.array(origins) + np.array(self._sizes), axis=0)
        self.rgb: UInt8 = np.full((int(total[1]), int(total[0]), 3), 128, np.uint8)
        for (x, y), picture in zip(origins, pictures, strict=True):
            self.rgb[y : y + picture.shape[0], x : x + picture.shape[1]] = picture

    def place(self, uv: Float32, panel: int) -> Float32:
        """Texture coordinates over the atlas, from those over the widened grid; `panel` -1 is the backdrop's."""
        width, height = self._sizes[panel]
        left, top = self._origins[panel]
        # Half a pixel inside, so that filtering stays in the panel.
        x = np.clip(uv[:, 0] * width, 0.5, width - 0.5) + left
        y = np.clip(uv[:, 1] * height, 0.5, height - 0.5) + top
        return np.stack([x / self.rgb.shape[1], y / self.rgb.shape[0]], axis=1).astype(np.float32)


def _scales(width: int, height: int, wanted: float, limit: int, hidden: bool) -> tuple[float, float, tuple[str, bool]]:
    """Scales of the visible panel and of the hidden ones, and their layout: the one that keeps most of the photo."""
    options = []
    for block, (size, _, _) in BLOCKS.items():
        wide, tall = (
            (size[0] * width, size[1] * height) if hidden else (BACKDROP_SCALE * width, BACKDROP_SCALE * height)
        )
        # Where even one to one doesn't fit, everything shrinks alike.
        shrink = min(1.0, limit / (height + tall), limit / max(width, wide))
        room = min(limit / width, (limit - shrink * tall) / height)
        options.append((min(wanted, room), shrink, (block, True)))
        shrink = min(1.0, limit / (width + wide), limit / max(height, tall))
        room = min(limit / height, (limit - shrink * wide) / width)
        options.append((min(wanted, room), shrink, (block, False)))
    return max(options, key=lambda option: (option[0], option[1]))


def _resized(picture: UInt8, scale: float) -> UInt8:
    import cv2

    size = max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale))
    if size == (picture.shape[1], picture.shape[0]):
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _visible_panel(grid: UInt8, repainted: Bool, photo: Photo, depth: LayeredDepth, size: tuple[int, int]) -> UInt8:
    """The widened grid's picture at `size`, with the photo's own pixels inside the frame unless they were repainted."""
    import cv2

    height, width = depth.inside.shape
    margin = depth.margin
    if size == (width, height) and photo.width == width - 2 * margin:
        return grid
    panel = np.asarray(cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    sharp = panel.copy()
    # The frame needn't begin on a pixel of the panel, so the photo is warped into it rather than pasted.
    sx, sy = size[0] / width, size[1] / height
    fx, fy = (width - 2 * margin) * sx / photo.width, (height - 2 * margin) * sy / photo.height
    matrix = np.array([[fx, 0, margin * sx + 0.5 * fx - 0.5], [0, fy, margin * sy + 0.5 * fy - 0.5]])
    source = photo.rgb if fx > 0.99 else cv2.GaussianBlur(photo.rgb, (0, 0), 0.35 / fx)
    cv2.warpAffine(source, matrix, size, dst=sharp, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT)
    soft = np.asarray(cv2.resize(repainted.astype(np.float32), size, interpolation=cv2.INTER_LINEAR))
    where = np.flatnonzero(soft)
    share = soft.ravel()[where][:, None]
    shown, repaint = sharp.reshape(-1, 3), np.take(panel.reshape(-1, 3), where, axis=0)
    shown[where] = np.round(share * repaint + (1 - share) * np.take(shown, where, axis=0)).astype(np.uint8)
    return sharp


def _padded_out(panel: UInt8, there: Bool) -> UInt8:
    """What the panel doesn't show takes the colour of the nearest part that it does."""
    import cv2

    _, labels = cv2.distanceTransformWithLabels(
        (~there).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # A pixel's colours as one number: a table of rows is looked up many times as slowly.
    pixels = cv2.cvtColor(panel, cv2.COLOR_RGB2RGBA).view(np.uint32)[..., 0]
    colours = np.zeros(int(labels.max()) + 1, np.uint32)
    colours[labels[there]] = pixels[there]
    padded = np.take(colours, np.asarray(labels, np.int32)).view(np.uint8).reshape(*labels.shape, 4)
    return np.asarray(cv2.cvtColor(padded, cv2.COLOR_RGBA2RGB), np.uint8)


def _backdrop_panel(panel: UInt8, depth: LayeredDepth) -> UInt8:
    """The farther half of what is visible, blurred over the rest."""
    import cv2

    visible = depth.surfaces[0]
    far = visible.there & (visible.disparity <= np.median(visible.disparity[visible.there]))
    height, width = far.shape
    size = max(1, int(width * BACKDROP_SCALE)), max(1, int(height * BACKDROP_SCALE))
    weight = cv2.resize(far.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    masked = cv2.bitwise_and(panel, panel, mask=far.view(np.uint8)).astype(np.float32)
    colour = cv2.resize(masked, size, interpolation=cv2.INTER_AREA)
    total, share = np.zeros_like(colour), np.zeros_like(weight)
    for sigma in (1, 2, 4, 8, 16, 32, 64):
        left = np.where(share > 0.02, np.float32(1e-3), np.float32(1))
        total = total + np.asarray(cv2.GaussianBlur(colour, (0, 0), sigma)) * left[..., None]
        share = share + np.asarray(cv2.GaussianBlur(weight, (0, 0), sigma)) * left
    return np.clip(total / np.maximum(share, 1e-6)[..., None] + 0.5, 0, 255).astype(np.uint8)
