"""The records of what is in a photo: segments, and a person's changes to them. Part of `types`, which has them all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from diorama.arrays import Bool, Int32, check

SegmentKind = Literal["subject", "object", "ground", "wall", "sky", "background"]


def flat_kinds(measured: bool) -> tuple[SegmentKind, ...]:
    """Kinds of segments that plane fits found, and that are made flat.

    What measured depth shows, the user's file's or the phone's, is as flat as it was measured: of it only ground that
    is hidden is made flat, which goes on under what stands on it.
    """
    return ("ground",) if measured else ("ground", "wall")


@dataclass(frozen=True)
class Segment:
    """One thing in the photo: what it is called, where it is seen and how it stands to its neighbours."""

    id: int  # >= 1: its value in `Segments.labels`
    name: str
    kind: SegmentKind
    box: tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels of the processing size, x1 and y1 past the end
    area: int  # pixels of the processing size
    near: float  # z of its nearest point, scene units (2nd percentile: no stray point decides)
    far: float  # z of its farthest point (98th percentile)
    neighbours: tuple[int, ...] = ()  # ids of the segments that touch it, ascending
    in_front_of: tuple[int, ...] = ()  # those of its neighbours that it hides a part of, ascending

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.box
        if self.id < 1 or not self.name.strip() or self.kind not in get_args(SegmentKind):
            raise ValueError(
                f"a segment needs an id from 1, a name and a kind, not {self.id}, {self.name!r}, {self.kind}"
            )
        if not (0 <= x0 < x1 and 0 <= y0 < y1 and 1 <= self.area <= (x1 - x0) * (y1 - y0)):
            raise ValueError(f"segment {self.id} has no pixels or more than its box holds: {self.box}, {self.area}")
        if not 0 < self.near <= self.far < math.inf:
            raise ValueError(f"segment {self.id} must stand in front of the camera, not at {self.near} to {self.far}")
        for ids in (self.neighbours, self.in_front_of):
            if self.id in ids or list(ids) != sorted(set(ids)):
                raise ValueError(f"segment {self.id} must list its neighbours once each, ascending, without itself")
        if not set(self.in_front_of) <= set(self.neighbours):
            raise ValueError(f"segment {self.id} can only hide segments that touch it")


@dataclass(frozen=True)
class Segments:
    """The photo divided into things: every pixel that is there belongs to exactly one segment."""

    labels: Int32  # (H, W) at processing size: a segment's id; 0 = nothing there (transparent in the photo)
    items: tuple[Segment, ...]  # ids ascending

    def __post_init__(self) -> None:
        check(self.labels, "labels", np.int32, None, None)
        ids = [item.id for item in self.items]
        if ids != sorted(set(ids)):
            raise ValueError(f"segments must have different ids, ascending, not {ids}")
        if self.labels.size and int(self.labels.min()) < 0:
            raise ValueError("labels must not be negative")
        count = np.bincount(self.labels.ravel(), minlength=1)
        if [int(label) for label in np.flatnonzero(count[1:]) + 1] != ids:
            raise ValueError("the labels must hold every segment's id and no other")
        height, width = self.labels.shape
        for item in self.items:
            if item.area != count[item.id] or item.box[2] > width or item.box[3] > height:
                raise ValueError(f"segment {item.id} doesn't fit the labels")
            for other in item.neighbours:
                if other not in self._by_id or item.id not in self[other].neighbours:
                    raise ValueError(f"segment {item.id} and {other} must be each other's neighbours")
                if other in item.in_front_of and item.id in self[other].in_front_of:
                    raise ValueError(f"segments {item.id} and {other} can't each be in front of the other")

    def __getitem__(self, id: int) -> Segment:
        """The segment with this id.

        Raises:
            KeyError: there is none.
        """
        return self._by_id[id]

    @cached_property
    def _by_id(self) -> dict[int, Segment]:
        return {item.id: item for item in self.items}

    def mask(self, id: int, size: tuple[int, int] | None = None) -> Bool:
        """Where the segment is, (H, W), at `size` (width, height) or at processing size.

        Enlarged masks get smooth outlines: the labels' staircase is blurred by half a pixel before it is cut at one
        half, so neighbours' masks never overlap by more than that rim's rounding.

        Raises:
            KeyError: there is no such segment.
        """
        self[id]
        mask: Bool = self.labels == id
        height, width = mask.shape
        if size is None or size == (width, height):
            return mask
        import cv2

        share = mask.astype(np.float32)
        if size[0] * size[1] < width * height:
            shrunk = cv2.resize(share, size, interpolation=cv2.INTER_AREA)
            return np.ascontiguousarray(shrunk >= 0.5)
        soft = cv2.GaussianBlur(share, (0, 0), 0.7, borderType=cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR) >= 0.5)


@dataclass(frozen=True)
class SegmentEdit:
    """One change that a person made to the segments; `segment.edit.apply` carries it out."""

    kind: Literal["rename", "merge", "split"]
    ids: tuple[int, ...]  # one segment, or those to merge
    name: str = ""  # rename: the new name
    at: tuple[float, float] = (0.0, 0.0)  # split: (x, y) of the click, 0..1 over the photo

    def __post_init__(self) -> None:
        if not self.ids or not all(0 <= share <= 1 for share in self.at):
            raise ValueError(f"an edit needs a segment and a point of the photo, not {self}")
