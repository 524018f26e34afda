"""`cut` and `join`: where a person says that surfaces end, or go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from diorama.depth.strokes import Trace, no_links, to_lab, trace
from diorama.types import Bool, Correction, Cuts, Float32, UInt8

_LEAST = 3.0
"""Pixels of the brush's radius at least: an edge has to have two sides in it."""

_MIDDLE = 0.7
"""Share of the radius in which the edge is looked for; what is farther out is for certain on its side."""

_OUTER = 1.3
"""Share of the radius up to which a side is looked at, to be continued to the edge."""

_DEPTH_IN_LAB = 100.0
"""The whole range of depth counts as much as from black to white where an edge is looked for."""


@dataclass(frozen=True)
class Seam:
    """A stroke of kind `cut` or `join` at the picture's size."""

    kind: str
    amount: float
    traced: Trace
    left: Bool  # (h, w) of the window; cut: the pixels on the one side of the edge
    right: Bool  # and on the other

    def shape(self, depth: Float32) -> None:
        """Change (H, W) depth in place: a step at a cut, an even slope at a join."""
        window = self.traced.window
        if self.kind == "cut":
            depth[window] = self._stepped(depth[window])
        else:
            depth[window] = self._levelled(depth[window])

    def _stepped(self, depth: Float32) -> Float32:
        """Each side continued to the edge from what of it lies outside the ramp."""
        traced = self.traced
        result = depth.copy()
        middle = traced.distance < _MIDDLE * traced.radius
        sigma = 0.5 * traced.radius
        for side in (self.left, self.right):
            sure = (side & ~middle).astype(np.float32)
            weight = np.asarray(cv2.GaussianBlur(sure, (0, 0), sigma))
            mean = np.asarray(cv2.GaussianBlur(sure * depth, (0, 0), sigma)) / np.maximum(weight, np.float32(1e-12))
            known = side & middle & (weight > 1e-4)
            result[known] = mean[known]
        return result

    def _levelled(self, depth: Float32) -> Float32:
        """The step spread over the brush's width."""
        traced = self.traced
        share = np.clip((traced.radius - traced.distance) / np.float32(0.5 * traced.radius), 0, 1)
        share = share * share * (3 - 2 * share) * np.float32(self.amount)
        smooth = np.asarray(cv2.GaussianBlur(depth, (0, 0), 0.6 * traced.radius))
        return np.asarray(depth + share * (smooth - depth), np.float32)


def find(stroke: Correction, rgb: UInt8, depth: Float32) -> Seam:
    """Where the edge runs that a stroke of kind `cut` follows: from the stroke's two rims a flood rises over the steps
    of colour and depth (watershed), and the edge is where the two meet.

    Args:
        rgb: (H, W, 3).
        depth: (H, W), as a share of its range.
    """
    height, width = depth.shape
    if stroke.kind == "join":
        # Blurring takes its surroundings into account.
        traced = trace(stroke, height, width, margin=3, least=_LEAST)
        none = np.zeros(traced.distance.shape, bool)
        return Seam(stroke.kind, stroke.amount, traced, none, none)
    from skimage.segmentation import watershed

    traced = trace(stroke, height, width, margin=_OUTER, least=_LEAST)
    near = (traced.distance <= _OUTER * traced.radius) & (traced.side != 0)
    sure = near & (traced.distance >= _MIDDLE * traced.radius)
    markers = np.where(sure, np.where(traced.side < 0, 1, 2), 0)
    labels = watershed(  # type: ignore[no-untyped-call]
        _steps(rgb[traced.window], depth[traced.window]), markers, mask=near
    )
    return Seam(stroke.kind, 1.0, traced, labels == 1, labels == 2)


def _steps(rgb: UInt8, depth: Float32) -> Float32:
    """(h, w): how much colour and depth change at a pixel."""
    lab = cv2.GaussianBlur(to_lab(rgb), (0, 0), 0.8)
    features = np.concatenate([lab, depth[..., None] * np.float32(_DEPTH_IN_LAB)], axis=-1)
    across = np.zeros(features.shape, np.float32)
    along = np.zeros(features.shape, np.float32)
    across[:, 1:-1] = features[:, 2:] - features[:, :-2]
    along[1:-1] = features[2:] - features[:-2]
    return np.asarray(np.sqrt((across**2).sum(axis=-1) + (along**2).sum(axis=-1)), np.float32)


def links(shape: tuple[int, int], seams: Iterable[Seam]) -> tuple[Cuts, Cuts]:
    """The links of the picture that are cut, and those that are joined, by hand; a later stroke has the last word."""
    cut, joined = no_links(*shape), no_links(*shape)
    for seam in seams:
        rows, columns = seam.traced.window
        inside = seam.traced.inside
        for axis, name in ((1, "right"), (0, "down")):
            one, other = (_part(side, axis) for side in (seam.left, seam.right))
            if seam.kind == "cut":
                found = (one[0] & other[1]) | (other[0] & one[1])
            else:
                found = np.logical_and(*_part(inside, axis))
            where = (rows, slice(columns.start, columns.start + found.shape[1])) if axis else (
                slice(rows.start, rows.start + found.shape[0]),
                columns,
            )  # fmt: skip
            mine, others = (cut, joined) if seam.kind == "cut" else (joined, cut)
            getattr(mine, name)[where] |= found
            getattr(others, name)[where] &= ~found
    return cut, joined


def _part(mask: Bool, axis: int) -> tuple[Bool, Bool]:
    """Each pixel, and its neighbour to the right (axis 1) or below (axis 0)."""
    return (mask[:, :-1], mask[:, 1:]) if axis else (mask[:-1], mask[1:])


def reduced(found: Cuts, shape: tuple[int, int]) -> Cuts:
    """Links of a reduced grid that pass over one of `found`: most of the way between two cells is barred by it."""
    height, width = shape
    return Cuts(_reduced(found.right, height, width), _reduced(found.down.T, width, height).T.copy())


def _reduced(right: Bool, height: int, width: int) -> Bool:
    rows, columns = right.shape
    if not right.any():
        return np.zeros((height, width - 1), bool)
    passed = np.zeros((rows, columns + 1), np.float32)
    np.cumsum(right, axis=1, out=passed[:, 1:])
    centres = ((np.arange(width) + 0.5) * ((columns + 1) / width)).astype(int)
    between = (np.diff(passed[:, centres], axis=1) > 0).astype(np.float32)
    share = np.asarray(cv2.resize(between, (width - 1, height), interpolation=cv2.INTER_AREA)).reshape(height, -1)
    return np.ascontiguousarray(share > 0.3)
