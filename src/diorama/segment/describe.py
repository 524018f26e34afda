"""From a picture of labels to the record: boxes, depth ranges, neighbours, who is in front, kinds and names."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

import numpy as np

from diorama.errors import InputError
from diorama.types import Bool, Float32, Int32, PointCloud, Segment, SegmentKind, Segments

LONGEST_NAME = 60
"""Characters: longer ones fit neither the page's list nor a viewer's outline of the scene."""

REACH = 3
"""Pixels on either side of an outline between which depths are compared: right at it they are mixed."""

STEP = 0.02
"""A jump in inverse depth, as a share of the near inverse depth, from which one side counts as in front."""

_TITLES: dict[SegmentKind, str] = {
    "subject": "Subject",
    "object": "Object",
    "ground": "Ground",
    "wall": "Wall",
    "sky": "Sky",
    "background": "Background",
}


def clean_name(name: str) -> str:
    """A name that every file format and page can show: no control characters, single spaces, `LONGEST_NAME` at most.

    Raises:
        InputError: nothing is left of it.
    """
    spaced = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in unicodedata.normalize("NFC", name))
    cleaned = " ".join(spaced.split())[:LONGEST_NAME].strip()
    if not cleaned:
        raise InputError("The name has no visible characters.", hint="Give the segment a name with letters in it.")
    return cleaned


def find_nearness(labels: Int32, points: PointCloud) -> dict[int, float]:
    """The median inverse depth of each label over 0."""
    return {id: float(np.median(points.inverse_depth[labels == id])) for id in ids(labels)}


def name_segments(kinds: Mapping[int, SegmentKind], nearness: Mapping[int, float]) -> dict[int, str]:
    """ "Subject", "Object 1", "Object 2" (nearest first), "Wall 1", "Ground", "Sky", "Background"."""
    names = {}
    for kind, title in _TITLES.items():
        ids = sorted((id for id in kinds if kinds[id] == kind), key=lambda id: (-nearness[id], id))
        numbered = kind in ("object", "wall") or len(ids) > 1
        for number, id in enumerate(ids, 1):
            names[id] = f"{title} {number}" if numbered else title
    return names


def describe(
    labels: Int32, kinds: Mapping[int, SegmentKind], points: PointCloud, names: Mapping[int, str] | None = None
) -> Segments:
    """Make the record of labels (H, W) at the points' size; ids that have no pixel are left out.

    Args:
        kinds: each id's kind.
        names: each id's name; by kind and number where None.
    """
    present = {id: kinds[id] for id in ids(labels)}
    names = names if names is not None else name_segments(present, find_nearness(labels, points))
    steps = fronts(labels, points)
    items = []
    for id, box in boxes(labels).items():
        inside = labels[box[1] : box[3], box[0] : box[2]] == id
        z = points.z[box[1] : box[3], box[0] : box[2]][inside]
        near, far = np.percentile(z, (2, 98))
        neighbours = tuple(sorted({b if a == id else a for a, b in steps if id in (a, b)}))
        hidden = tuple(n for n in neighbours if _hides(id, n, steps, present))
        items.append(
            Segment(
                id,
                names[id],
                present[id],
                box,
                int(inside.sum()),
                float(near),
                float(max(near, far)),
                neighbours,
                hidden,
            )
        )
    return Segments(np.ascontiguousarray(labels, np.int32), tuple(items))


def ids(labels: Int32) -> list[int]:
    """The labels over 0 that occur, ascending (on a megapixel five times as fast as `np.unique`)."""
    return [id for id in np.flatnonzero(np.bincount(np.maximum(labels, 0).ravel())).tolist() if id]


def boxes(labels: Int32) -> dict[int, tuple[int, int, int, int]]:
    """(x0, y0, x1, y1) of every label over 0, ids ascending."""
    found = {}
    for id in ids(labels):
        mask = labels == id
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        found[id] = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return found


def fronts(labels: Int32, points: PointCloud) -> dict[tuple[int, int], float]:
    """For every two touching segments a < b: how clearly a is in front, -1..1.

    The share of their common outline where a is nearer by `STEP` of the near inverse depth, less the share where b is.
    """
    from diorama.cuts import near_inverse_depth

    inverse = points.inverse_depth / near_inverse_depth(points)
    size = int(labels.max(initial=0)) + 1
    keys, votes = [], []
    for axis in (0, 1):
        lab, inv = (labels, inverse) if axis == 0 else (labels.T, inverse.T)
        one, other = lab[:-1], lab[1:]
        rows, columns = np.nonzero((one != other) & (one > 0) & (other > 0))
        if not len(rows):
            continue
        a, b = one[rows, columns], other[rows, columns]
        step = _beyond(lab, inv, rows, columns, -1, a) - _beyond(lab, inv, rows + 1, columns, 1, b)
        step = np.where(a < b, step, -step)
        keys.append(np.minimum(a, b).astype(np.int64) * size + np.maximum(a, b))
        votes.append((step > STEP).astype(np.float64) - (step < -STEP))
    if not keys:
        return {}
    pairs, where = np.unique(np.concatenate(keys), return_inverse=True)
    mean = np.bincount(where, np.concatenate(votes)) / np.bincount(where)
    return {(int(pair // size), int(pair % size)): float(vote) for pair, vote in zip(pairs, mean, strict=True)}


def _beyond(
    labels: Int32, inverse: Float32, rows: np.ndarray, columns: np.ndarray, towards: int, own: Int32
) -> Float32:
    """Inverse depth `REACH` pixels into the own side of an outline, or as far as the own segment goes."""
    value: Float32 = inverse[rows, columns]
    inside = np.ones(len(rows), bool)
    for distance in range(1, REACH + 1):
        ahead = np.clip(rows + towards * distance, 0, len(labels) - 1)
        inside &= labels[ahead, columns] == own
        value = np.where(inside, inverse[ahead, columns], value)
    return value


def _hides(id: int, other: int, steps: Mapping[tuple[int, int], float], kinds: Mapping[int, SegmentKind]) -> bool:
    if (kinds[id] == "sky") != (kinds[other] == "sky"):
        return kinds[other] == "sky"
    return steps[id, other] > 0.1 if id < other else steps[other, id] < -0.1


def there(points: PointCloud) -> Bool:
    """(H, W): where the photo is opaque."""
    if points.opaque is not None:
        return points.opaque
    return np.ones(points.z.shape, np.bool_)
