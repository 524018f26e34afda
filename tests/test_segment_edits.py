"""Edits as records, and outlines for the page."""

from __future__ import annotations

import numpy as np
import pytest

from diorama.errors import InputError
from diorama.segment.describe import describe
from diorama.segment.edit import apply, apply_all
from diorama.segment.polygons import outlines
from diorama.types import Camera, PointCloud, SegmentEdit, Segments

WIDTH, HEIGHT = 80, 60


def scene() -> tuple[Segments, PointCloud]:
    """A near square with a hole, whose right half is green, before a far wall."""
    labels = np.full((HEIGHT, WIDTH), 1, np.int32)
    labels[10:50, 20:60] = 2
    labels[25:35, 35:45] = 1
    z = np.where(labels == 2, 1, 4).astype(np.float32)
    rgb = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    rgb[labels == 2] = (200, 30, 30)
    rgb[:, 46:][labels[:, 46:] == 2] = (30, 200, 30)
    whole = np.ones((HEIGHT, WIDTH), bool)
    points = PointCloud(z, rgb, whole, Camera.assumed(WIDTH, HEIGHT))
    return describe(labels, {1: "wall", 2: "subject"}, points), points


def test_edits_are_carried_out_in_order() -> None:
    segments, points = scene()
    edits = [
        SegmentEdit("rename", (2,), name="Cup"),
        SegmentEdit("split", (2,), at=(55 / WIDTH, 0.5)),
        SegmentEdit("rename", (3,), name="Handle"),
    ]
    edited, warnings = apply_all(segments, edits, points)
    assert warnings == ()
    assert [item.name for item in edited.items] == ["Wall 1", "Cup", "Handle"]
    assert edited.labels[30, 55] == 3
    together = apply(edited, SegmentEdit("merge", (2, 3)), points)
    assert np.array_equal(together.labels, segments.labels)
    assert together[2].name == "Cup"


def test_edits_that_no_longer_fit_are_left_out_and_said() -> None:
    segments, points = scene()
    edits = [SegmentEdit("rename", (9,), name="Cup"), SegmentEdit("rename", (1,), name="Wall")]
    edited, warnings = apply_all(segments, edits, points)
    assert edited[1].name == "Wall"
    assert len(warnings) == 1
    assert "rename" in warnings[0]
    with pytest.raises(InputError):
        apply(segments, edits[0], points)


def test_an_edit_at_the_last_corner_is_in_the_photo() -> None:
    segments, points = scene()
    with pytest.raises(InputError, match="nothing to part"):
        apply(segments, SegmentEdit("split", (1,), at=(1.0, 1.0)), points)


def test_an_edit_names_a_segment_and_a_point_of_the_photo() -> None:
    with pytest.raises(ValueError, match="needs"):
        SegmentEdit("merge", ())
    with pytest.raises(ValueError, match="needs"):
        SegmentEdit("split", (1,), at=(1.1, 0.0))


def test_outlines_cover_what_the_segments_cover() -> None:
    import cv2

    segments, _ = scene()
    found = outlines(segments)
    assert (found["width"], found["height"]) == (WIDTH, HEIGHT)
    for item in found["segments"]:
        drawn = np.zeros((HEIGHT * 8, WIDTH * 8), np.uint8)
        rings = [np.round(np.array(ring) * (WIDTH * 8, HEIGHT * 8) - 0.5).astype(np.int32) for ring in item["polygons"]]
        assert len(rings) == {1: 3, 2: 2}[item["id"]]
        cv2.fillPoly(drawn, rings, 1)
        wanted = np.kron(segments.labels == item["id"], np.ones((8, 8), np.uint8))
        assert np.mean(drawn != wanted) < 0.02
        assert item["area"] == pytest.approx(wanted.mean(), abs=1e-4)
        assert item["kind"] == segments[item["id"]].kind


def test_a_pole_one_pixel_wide_has_an_outline() -> None:
    labels = np.full((HEIGHT, WIDTH), 1, np.int32)
    labels[5:50, 30] = 2
    labels[55, 70] = 3
    _, points = scene()
    kinds = {1: "wall", 2: "object", 3: "object"}
    found = outlines(describe(labels, kinds, points))  # type: ignore[arg-type]
    for item in found["segments"]:
        assert item["polygons"]
        assert all(len(ring) >= 3 for ring in item["polygons"])
