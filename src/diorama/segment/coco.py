"""Segments for other programs and for the eye: COCO JSON, and the photo with its segments drawn on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from diorama.types import Bool, Photo, Segment, SegmentKind, Segments, UInt8

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

KINDS: tuple[SegmentKind, ...] = get_args(SegmentKind)

THINGS = ("subject", "object")
"""COCO's word for what can be counted; the rest is "stuff"."""

OKABE_ITO = ((213, 94, 0), (0, 114, 178), (240, 228, 66), (0, 158, 115), (204, 121, 167), (86, 180, 233), (230, 159, 0))
"""Colours that every kind of colour vision tells apart (Okabe and Ito 2008), the strongest first."""

SURFACES: dict[SegmentKind, tuple[int, int, int]] = {
    "ground": (126, 112, 82),
    "wall": (150, 125, 150),
    "sky": (140, 175, 205),
    "background": (120, 124, 130),
}


def coco(segments: Segments, photo: Photo, size: tuple[int, int] | None = None) -> dict[str, Any]:
    """The segments as a COCO data set of one image (Lin et al. 2014), ready for `json.dump`.

    Masks are compressed run lengths, as pycocotools reads and writes them; each kind is a category. Beside COCO's own
    fields every annotation has the segment's `name`, its `depth` (near, far, scene units) and, by annotation ids, its
    `neighbours` and what it is `in_front_of`.

    Args:
        size: (width, height) of the image that the masks are for; the photo's where None.
    """
    width, height = size or (photo.width, photo.height)
    annotations = []
    for item in segments.items:
        mask = segments.mask(item.id, (width, height))
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):  # too small for that size
            continue
        x, y = int(columns[0]), int(rows[0])
        annotations.append(
            {
                "id": item.id,
                "image_id": 1,
                "category_id": KINDS.index(item.kind) + 1,
                "segmentation": {"size": [height, width], "counts": run_lengths(mask)},
                "area": int(mask.sum()),
                "bbox": [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y],
                "iscrowd": 0,
                "name": item.name,
                "depth": {"near": item.near, "far": item.far},
                "neighbours": list(item.neighbours),
                "in_front_of": list(item.in_front_of),
            }
        )
    return {
        "info": {"description": "Segments found by Diorama", "version": "1.0"},
        "licenses": [],
        "images": [{"id": 1, "file_name": photo.name, "width": width, "height": height}],
        "categories": [
            {"id": number, "name": kind, "supercategory": "thing" if kind in THINGS else "stuff"}
            for number, kind in enumerate(KINDS, 1)
        ],
        "annotations": annotations,
    }


def run_lengths(mask: Bool) -> str:
    """COCO's compressed run-length encoding of a mask (H, W).

    Lengths of runs down the columns, beginning with zeros; from the fourth on each less the one two before it; in
    groups of five bits, lowest first, a sixth for "more follows", plus 48 to make it text.
    """
    import cv2

    down = cv2.transpose(np.ascontiguousarray(mask).view(np.uint8)).view(np.bool_)  # many times as fast as numpy's
    flat = np.concatenate([[False], down.ravel()])
    ends = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]), [mask.size]])
    lengths = np.diff(ends).tolist()
    text = []
    for place, length in enumerate(lengths):
        value = length - (lengths[place - 2] if place > 2 else 0)
        more = True
        while more:
            group = value & 31
            value >>= 5
            more = value != (-1 if group & 16 else 0)
            text.append(chr(group + (32 if more else 0) + 48))
    return "".join(text)


def colours(segments: Segments) -> dict[int, tuple[int, int, int]]:
    """A colour for each segment: strong ones in turn for things, each surface its muted own."""
    things = [item.id for item in segments.items if item.kind in THINGS]
    return {
        item.id: OKABE_ITO[things.index(item.id) % len(OKABE_ITO)] if item.kind in THINGS else SURFACES[item.kind]
        for item in segments.items
    }


def annotated_picture(photo: Photo, segments: Segments, long_side: int = 1600) -> UInt8:
    """The photo (h, w, 3) with every segment tinted, outlined and named; its long side is `long_side` at most."""
    import cv2
    from PIL import Image, ImageDraw

    small = photo.fitted(long_side)
    size = small.width, small.height
    line = max(1, round(max(size) / 600))
    masks = {item.id: segments.mask(item.id, size) for item in segments.items}
    palette = colours(segments)
    drawn = small.rgb.copy()
    for item in segments.items:
        share = 0.38 if item.kind in THINGS else 0.18
        shades = np.arange(256)[:, None] * (1 - share) + share * np.array(palette[item.id])
        tinted = cv2.LUT(small.rgb, np.round(shades).astype(np.uint8)[None])
        cv2.copyTo(tinted, masks[item.id].view(np.uint8), drawn)
    # Surfaces first: where two meet, the thing's outline is the one that is seen.
    for item in sorted(segments.items, key=lambda item: item.kind in THINGS):
        outline, _ = cv2.findContours(masks[item.id].astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        if item.kind in THINGS:
            cv2.drawContours(drawn, outline, -1, (255, 255, 255), 3 * line, cv2.LINE_AA)
        cv2.drawContours(drawn, outline, -1, palette[item.id], line, cv2.LINE_AA)
    image = Image.fromarray(drawn)
    _write_names(ImageDraw.Draw(image), segments, masks, palette, size)
    return np.ascontiguousarray(np.asarray(image), np.uint8)


def _write_names(
    draw: ImageDraw.ImageDraw,
    segments: Segments,
    masks: dict[int, Bool],
    palette: dict[int, tuple[int, int, int]],
    size: tuple[int, int],
) -> None:
    from PIL import ImageFont

    height = max(9, round(max(size) / 55))
    font = ImageFont.load_default(height)
    taken: list[tuple[float, float, float, float]] = []
    for item in sorted(segments.items, key=lambda item: (item.kind not in THINGS, -item.area)):
        if not masks[item.id].any():
            continue
        name, (wide, high) = _label(draw, item, font, size[0])
        x, y = _middle(masks[item.id])
        box = _free(x - wide / 2, y - high / 2, wide, high, taken, size)
        taken.append(box)
        draw.rounded_rectangle(box, radius=high / 3, fill=palette[item.id])
        light = np.dot(palette[item.id], (0.299, 0.587, 0.114)) > 140
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        draw.text(middle, name, fill=(0, 0, 0) if light else (255, 255, 255), font=font, anchor="mm")


def _label(
    draw: ImageDraw.ImageDraw, item: Segment, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, widest: int
) -> tuple[str, tuple[float, float]]:
    """The name, shortened to fit the picture, and its plate's size."""
    name = item.name
    while True:
        x0, y0, x1, y1 = draw.textbbox((0, 0), name, font=font)
        pad = 0.35 * (y1 - y0) + 3
        if x1 - x0 + 2 * pad <= widest or len(name) < 3:
            return name, (x1 - x0 + 2 * pad, y1 - y0 + 2 * pad)
        name = name[:-2] + "…"


def _middle(mask: Bool) -> tuple[int, int]:
    """(x, y) of the pixel that is deepest inside."""
    import cv2

    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(x), int(y)


def _free(
    x: float, y: float, wide: float, high: float, taken: list[tuple[float, float, float, float]], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """A place for a plate in the picture, moved down or up past those that are there already."""
    x = min(max(0.0, x), max(0.0, size[0] - wide - 1))
    for step in (0, 1, -1, 2, -2, 3, -3):
        top = min(max(0.0, y + step * 1.1 * high), max(0.0, size[1] - high - 1))
        box = (x, top, x + wide, top + high)
        if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
            break
    return box
