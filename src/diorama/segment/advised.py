"""The segments with what an advisor says of them: merges first, then names and kinds."""

from __future__ import annotations

from dataclasses import replace

from diorama.advice import SceneAdvice
from diorama.segment.edit import apply_all
from diorama.types import PointCloud, SegmentEdit, Segments


def follow(segments: Segments, advice: SceneAdvice, points: PointCloud) -> tuple[Segments, tuple[str, ...]]:
    """Carry out what is advised of the segments -> them, and warnings of what no longer fitted."""
    merges = [SegmentEdit("merge", merge.ids, merge.name) for merge in advice.merges]
    said: tuple[str, ...] = ()
    if merges:
        segments, said = apply_all(segments, merges, points)
    items = []
    for item in segments.items:
        found = advice.of(item.id)
        name = found.name.value.strip() if found.name else ""
        items.append(replace(item, name=name or item.name, kind=found.kind.value if found.kind else item.kind))
    return Segments(segments.labels, tuple(items)), said
