"""Segments as polygons, for pages that draw them over the photo."""

from __future__ import annotations

from typing import Any

import numpy as np

from diorama.types import Bool, Segments

TOLERANCE = 0.75
"""Pixels by which a polygon may leave the outline: less than can be seen, for a tenth of the corners."""

LONG_SIDE = 2048
"""Small masks are enlarged to about this first, so that their polygons follow the pixels' edges."""

LARGEST_ZOOM = 4


def outlines(segments: Segments) -> dict[str, Any]:
    """The segments and their outlines, ready for `json.dump`.

    ``polygons`` are rings of points (x, y), 0..1 from the photo's top left corner; a hole is a ring, too (fill by the
    even-odd rule). ``area`` is a share of the photo, ``box`` is x0, y0, x1, y1 in 0..1, ``near`` and ``far`` are
    distances in scene units.
    """
    height, width = segments.labels.shape
    items = []
    for item in segments.items:
        x0, y0, x1, y1 = item.box
        items.append(
            {
                "id": item.id,
                "name": item.name,
                "kind": item.kind,
                "area": round(item.area / segments.labels.size, 6),
                "box": [round(x0 / width, 5), round(y0 / height, 5), round(x1 / width, 5), round(y1 / height, 5)],
                "near": round(item.near, 4),
                "far": round(item.far, 4),
                "neighbours": list(item.neighbours),
                "in_front_of": list(item.in_front_of),
                "polygons": _rings(segments.labels[y0:y1, x0:x1] == item.id, (x0, y0), (width, height)),
            }
        )
    return {"width": width, "height": height, "segments": items}


def _rings(mask: Bool, corner: tuple[int, int], size: tuple[int, int]) -> list[list[list[float]]]:
    """Rings around a mask (h, w) whose top left pixel is `corner` (x, y) of a picture of `size` (width, height)."""
    import cv2

    zoom = int(np.clip(LONG_SIDE // max(size), 2, LARGEST_ZOOM))
    enlarged = np.repeat(np.repeat(mask, zoom, axis=0), zoom, axis=1).astype(np.uint8)
    found, _ = cv2.findContours(enlarged, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = []
    for contour in found:
        corners = cv2.approxPolyDP(contour, TOLERANCE * zoom, True).reshape(-1, 2)
        if len(corners) < 3:  # thinner than the tolerance: as it is
            corners = contour.reshape(-1, 2)
        if len(corners) < 3:
            continue
        points = ((corners + 0.5) / zoom + corner) / size
        rings.append([[round(float(x), 5), round(float(y), 5)] for x, y in points])
    return rings
