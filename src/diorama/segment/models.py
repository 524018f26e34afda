"""What can find segments, for a person who chooses."""

from __future__ import annotations

from dataclasses import dataclass

from diorama import weights


@dataclass(frozen=True)
class SegmenterInfo:
    """A row of `models()`: what a person needs to choose a segmenter."""

    name: str
    available: bool
    licence: str
    bytes: int
    note: str


def models() -> list[SegmenterInfo]:
    """Every segmenter that has a name, best first."""
    from diorama.segment.mobile_sam import DECODER, ENCODER

    halves = [weights.find(ENCODER), weights.find(DECODER)]
    here = all(weights.path(half.name) is not None for half in halves)
    size = sum(half.bytes for half in halves)
    return [
        SegmenterInfo("mobile-sam", here, halves[0].licence, size, "MobileSAM: a person's idea of a thing."),
        SegmenterInfo("regions", True, "MIT", 0, "Comes with Diorama; regions from colour and depth."),
    ]
