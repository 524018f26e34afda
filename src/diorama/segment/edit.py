"""What a person changes about segments: names, merging, splitting. Each function returns a new record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from diorama.cuts import near_inverse_depth
from diorama.errors import InputError
from diorama.segment.describe import boxes, clean_name, describe
from diorama.types import Bool, Float32, Int32, PointCloud, Segment, SegmentEdit, Segments

SPLIT_SIZE = 384
"""Long side at which a split is searched; its outline is then drawn at full size."""

LEAST_PIXELS = 16
"""A smaller part is a slip of the hand, not a segment."""


def apply(segments: Segments, edit: SegmentEdit, points: PointCloud) -> Segments:
    """Carry out one edit.

    Args:
        points: of the same size; a split looks at their colours and depth.

    Raises:
        InputError: as `rename`, `merge` and `split`.
    """
    if edit.kind == "rename":
        return rename(segments, edit.ids[0], edit.name)
    if edit.kind == "merge":
        return merge(segments, edit.ids)
    height, width = segments.labels.shape
    at = min(edit.at[0] * width, width - 1), min(edit.at[1] * height, height - 1)
    return split(segments, edit.ids[0], at, points)


def apply_all(segments: Segments, edits: Iterable[SegmentEdit], points: PointCloud) -> tuple[Segments, tuple[str, ...]]:
    """Carry out edits in order; those that don't fit these segments are left out, each with a warning."""
    warnings = []
    for edit in edits:
        try:
            segments = apply(segments, edit, points)
        except InputError as error:
            warnings.append(f"A change of the segments ({edit.kind}) was left out: {error.message}")
    return segments, tuple(warnings)


def rename(segments: Segments, id: int, name: str) -> Segments:
    """Give a segment another name, cleaned by `clean_name`.

    Raises:
        InputError: there is no such segment, or the name has no visible characters.
    """
    _find(segments, id)
    name = clean_name(name)
    return replace(segments, items=tuple(replace(i, name=name) if i.id == id else i for i in segments.items))


def merge(segments: Segments, ids: Iterable[int]) -> Segments:
    """Make one segment of several: it keeps the first one's id, name and kind.

    It is in front of a neighbour when one of its parts is and none is behind.

    Raises:
        InputError: fewer than two different ids, or one that there is not.
    """
    parts = [_find(segments, id) for id in dict.fromkeys(ids)]
    if len(parts) < 2:
        raise InputError("Merging takes two segments or more.", hint="Choose another segment to merge this one with.")
    first, gone = parts[0], {part.id for part in parts[1:]}
    labels = np.where(np.isin(segments.labels, list(gone)), first.id, segments.labels).astype(np.int32)
    joined = {part.id for part in parts}
    over = {other for part in parts for other in part.in_front_of} - joined
    under = {i.id for i in segments.items if i.id not in joined and joined & set(i.in_front_of)}
    merged = replace(
        first,
        box=boxes(labels)[first.id],
        area=sum(part.area for part in parts),
        near=min(part.near for part in parts),
        far=max(part.far for part in parts),
        neighbours=tuple(sorted({other for part in parts for other in part.neighbours} - joined)),
        in_front_of=tuple(sorted(over - under)),
    )
    items = [
        merged if i.id == first.id else _repointed(i, joined, first.id, hides=i.id in under - over)
        for i in segments.items
        if i.id not in gone
    ]
    return Segments(labels, tuple(items))


def split(
    segments: Segments, id: int, at: tuple[float, float], points: PointCloud, *, name: str | None = None
) -> Segments:
    """Part what a click points at from the rest of its segment.

    The part is what can be reached from the click over smaller steps of colour and depth than from the rest: two seeds,
    the click's surroundings and what in the segment is least like them, flood the segment (watershed).

    Args:
        at: (x, y) in pixels of the processing size.
        points: of the same size; colours and depth.
        name: the part's; the segment's own name and "part" where None.

    Raises:
        InputError: there is no such segment, the click is outside it, or there is nothing to part.
    """
    segment = _find(segments, id)
    column, row = int(np.floor(at[0])), int(np.floor(at[1]))
    height, width = segments.labels.shape
    if not (0 <= row < height and 0 <= column < width) or segments.labels[row, column] != id:
        raise InputError(
            f"The point {column}, {row} is not in the segment '{segment.name}'.", hint="Click inside the segment."
        )
    x0, y0, x1, y1 = segment.box
    window = slice(y0, y1), slice(x0, x1)
    mask = segments.labels[window] == id
    part = _part(
        mask, points.rgb[window], points.inverse_depth[window] / near_inverse_depth(points), (column - x0, row - y0)
    )
    if part is None or min(int(part.sum()), segment.area - int(part.sum())) < LEAST_PIXELS:
        raise InputError(
            f"'{segment.name}' looks the same everywhere around that point: there is nothing to part.",
            hint="Click on a part that differs from the rest in colour or depth.",
        )
    new = max(item.id for item in segments.items) + 1
    labels = segments.labels.copy()
    labels[window][part] = new
    kind = "object" if segment.kind == "subject" else segment.kind
    kinds = {item.id: item.kind for item in segments.items} | {new: kind}
    names = {item.id: item.name for item in segments.items}
    names[new] = clean_name(name) if name is not None else _part_name(segment, names.values())
    return describe(labels, kinds, points, names)


def _find(segments: Segments, id: int) -> Segment:
    try:
        return segments[id]
    except KeyError:
        known = ", ".join(f"{item.id} ({item.name})" for item in segments.items)
        raise InputError(f"There is no segment {id}.", hint=f"The segments are: {known}.") from None


def _repointed(item: Segment, joined: set[int], first: int, *, hides: bool) -> Segment:
    """`item` with the first one's id in place of all of `joined`."""
    touches = bool(joined & set(item.neighbours))
    neighbours = set(item.neighbours) - joined | ({first} if touches else set())
    hidden = set(item.in_front_of) - joined | ({first} if hides else set())
    return replace(item, neighbours=tuple(sorted(neighbours)), in_front_of=tuple(sorted(hidden)))


def _part_name(segment: Segment, taken: Iterable[str]) -> str:
    used = set(taken)
    number = 1
    while (name := clean_name(f"{segment.name[:48]} part {number}")) in used:
        number += 1
    return name


def _part(mask: Bool, rgb: np.ndarray, depth: Float32, at: tuple[int, int]) -> Bool | None:
    """The part of `mask` (h, w) around `at` (x, y); None where nothing differs from it."""
    import cv2

    height, width = mask.shape
    scale = min(1.0, SPLIT_SIZE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    lab = cv2.cvtColor(np.asarray(rgb, np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    features = np.concatenate([lab, depth[..., None] * np.float32(100)], axis=-1)
    small = cv2.resize(features, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], 4)
    small = np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), np.float32).reshape(size[1], size[0], 4)
    inside = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    x, y = min(size[0] - 1, int(at[0] * scale)), min(size[1] - 1, int(at[1] * scale))
    inside[y, x] = True
    seeds = _seeds(small, inside, x, y)
    if seeds is None:
        return None
    flooded = cv2.watershed(_steps(small), seeds)
    near = cv2.resize(np.where(flooded == 1, 1, 0).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    part: Bool = (near > 0) & mask
    part[at[1], at[0]] = True
    _, pieces = cv2.connectedComponents(part.astype(np.uint8), connectivity=4)
    connected: Bool = pieces == pieces[at[1], at[0]]
    return connected


def _seeds(features: Float32, inside: Bool, x: int, y: int) -> Int32 | None:
    """Markers (h, w) int32: 1 the click's surroundings, 2 the least alike in the segment, 3 outside it."""
    height, width = inside.shape
    around = slice(max(0, y - 2), y + 3), slice(max(0, x - 2), x + 3)
    own = np.median(features[around][inside[around]], axis=0)
    unlike = np.linalg.norm(features - own, axis=-1)
    noise = max(4.0, 2.0 * float(np.median(np.abs(features[around][inside[around]] - own))))
    limit = max(float(np.quantile(unlike[inside], 0.7)), 3 * noise)
    other = inside & (unlike >= limit)
    if not other.any():
        return None
    markers = np.zeros((height, width), np.int32)
    markers[~inside] = 3
    markers[other] = 2
    alike = inside & (unlike < noise)
    disc = (np.arange(height)[:, None] - y) ** 2 + (np.arange(width) - x) ** 2 <= 4
    markers[alike & disc] = 1
    markers[y, x] = 1
    return markers


def _steps(features: Float32) -> np.ndarray:
    """(h, w, 3) uint8 for the watershed: lightness, colour and depth."""
    light, chroma = features[..., 0] * 2.5, 128 + features[..., 1] * 1.2 + features[..., 2] * 0.8
    return np.ascontiguousarray(
        np.clip(np.stack([light, chroma, features[..., 3] * 2], axis=-1), 0, 255).astype(np.uint8)
    )
