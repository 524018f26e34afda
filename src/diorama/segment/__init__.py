"""What is in the photo: subject, objects, ground, walls, sky and background, each with its place and depth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diorama import weights
from diorama.errors import ModelError, WeightsMissingError
from diorama.segment.describe import describe
from diorama.settings import Settings
from diorama.types import Cuts, DepthMap, Photo, PointCloud, Progress, Segments

__all__ = ["segment"]


def segment(
    points: PointCloud, cuts: Cuts, photo: Photo, depth: DepthMap, settings: Settings, *,
    fetch: bool = False, progress: Progress | None = None,
) -> tuple[Segments, str, str]:  # fmt: skip
    """Divide the photo into things.

    Args:
        points, cuts, depth: at processing size.
        photo: the same picture at any size.
        settings: `segmenter`, the backend (`auto` takes MobileSAM where its weights are in the cache), and
            `segment_detail`.
        fetch: whether MobileSAM's weights may be downloaded when it is asked for by name.
        progress: called with ``"segments"``.

    Returns:
        The segments at processing size, the backend's name, and a sentence that says why it ran.

    Raises:
        WeightsMissingError: MobileSAM was asked for and its weights are not in the cache.
        DownloadError, WeightsCorruptError: they could not be fetched.
        ModelError: MobileSAM was asked for and can't run.
    """
    from diorama.segment import mobile_sam, regions

    segmenter, detail = settings.segmenter, settings.segment_detail
    if points.opaque is not None and points.opaque.any() and not points.opaque.all():
        labels = points.opaque.astype(np.int32)
        return describe(labels, {1: "subject"}, points), "alpha", "The photo's own transparency cuts the subject out."
    reason = "Regions from colour and depth, as asked for."
    if segmenter != "regions":
        files = _mobile_sam_files(asked=segmenter == "mobile-sam", fetch=fetch, progress=progress)
        reason = "MobileSAM's weights are not in the cache: regions from colour and depth need none."
        if files is not None:
            try:
                found = mobile_sam.find_regions(points, cuts, photo, depth, detail, files, progress)
            except ModelError as error:
                if segmenter == "mobile-sam":
                    raise
                reason = f"Regions from colour and depth, because MobileSAM can't run: {error.message}"
            else:
                return found, "mobile-sam", "MobileSAM's weights are in the cache."
    return regions.find_regions(points, cuts, photo, depth, detail), "regions", reason


def _mobile_sam_files(*, asked: bool, fetch: bool, progress: Progress | None) -> tuple[Path, Path] | None:
    """The encoder's and the decoder's file; None where one is missing and MobileSAM was not asked for by name."""
    from diorama.segment.mobile_sam import DECODER, ENCODER

    encoder, decoder = weights.path(ENCODER), weights.path(DECODER)
    if encoder is not None and decoder is not None:
        return encoder, decoder
    if not asked:
        return None
    if fetch and not weights.is_offline():
        return weights.fetch(ENCODER, progress), weights.fetch(DECODER, progress)
    raise WeightsMissingError(
        "MobileSAM's weights are not in the cache.",
        hint=f"Fetch them with 'diorama models pull {ENCODER} {DECODER}', or use the segmenter 'regions'.",
    )
