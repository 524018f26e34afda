"""What can find segments, for a person who chooses."""

from __future__ import annotations

from diorama import weights
from diorama.types import ModelInfo


def models() -> list[ModelInfo]:
    """Every segmenter that has a name, best first."""
    from diorama.segment.mobile_sam import DECODER, ENCODER

    halves = [weights.find(ENCODER), weights.find(DECODER)]
    here = all(weights.path(half.name) is not None for half in halves)
    size = sum(half.bytes for half in halves)
    return [
        ModelInfo("mobile-sam", here, halves[0].licence, size, "MobileSAM: a person's idea of a thing."),
        ModelInfo("regions", True, "MIT", 0, "Comes with Diorama; regions from colour and depth."),
    ]
