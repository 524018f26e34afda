"""What is in the photo: subject, objects, ground, walls, sky and background, each with its place and depth."""

from __future__ import annotations

import numpy as np

from diorama.segment.describe import describe
from diorama.settings import Settings
from diorama.types import Cuts, DepthMap, Photo, PointCloud, Segments

__all__ = ["segment"]


def segment(
    points: PointCloud, cuts: Cuts, photo: Photo, depth: DepthMap, settings: Settings, *, detail: float = 1.0
) -> tuple[Segments, str, str]:
    """Divide the photo into things.

    Args:
        points, cuts, depth: at processing size.
        photo: the same picture at any size.
        detail: 0.5 (few, large segments) .. 2 (many, small ones).

    Returns:
        The segments, the backend's name, and a sentence that says why it ran.
    """
    if points.opaque is not None and not points.opaque.all() and points.opaque.any():
        labels = points.opaque.astype(np.int32)
        return describe(labels, {1: "subject"}, points), "alpha", "The photo's own transparency cuts the subject out."
    from diorama.segment.regions import find_regions

    return find_regions(points, cuts, photo, depth, detail), "regions", "Regions from colour and depth need no weights."
