"""Renaming, merging, splitting: whatever is done, the record stays whole."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.errors import InputError
from diorama.segment import edit
from diorama.segment.describe import LONGEST_NAME, describe
from diorama.types import Camera, PointCloud, SegmentKind, Segments
from segment_scenes import BALL, FLOOR, POST, SKY, View, overlap

KINDS: tuple[SegmentKind, ...] = ("subject", "object", "ground", "wall", "sky", "background")


def _points(z: np.ndarray, rgb: np.ndarray | None = None) -> PointCloud:
    height, width = z.shape
    rgb = np.full((height, width, 3), 128, np.uint8) if rgb is None else rgb
    return PointCloud(z.astype(np.float32), rgb, np.ones(z.shape, bool), Camera.assumed(width, height))


@st.composite
def records(draw: st.DrawFn) -> tuple[Segments, PointCloud]:
    """Any labels, with holes and pieces, at any depths."""
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, draw(st.integers(2, 7)), (height, width)).astype(np.int32)
    labels[0, 0] = 1
    points = _points(rng.uniform(0.5, 8, labels.shape), rng.integers(0, 256, (height, width, 3), np.uint8))
    kinds = {id: KINDS[int(rng.integers(len(KINDS)))] for id in range(1, 8)}
    return describe(labels, kinds, points), points


def truth() -> tuple[Segments, View]:
    view = View(post=True)
    kinds: dict[int, SegmentKind] = {SKY: "sky", FLOOR: "ground", BALL: "subject", POST: "object"}
    return describe(view.truth.astype(np.int32), kinds, view.points), view


@given(records(), st.data())
@settings(max_examples=150, deadline=None)
def test_merging_any_two_keeps_the_record_whole(record: tuple[Segments, PointCloud], data: st.DataObject) -> None:
    segments, points = record
    ids = [item.id for item in segments.items]
    if len(ids) < 2:
        return
    chosen = data.draw(st.lists(st.sampled_from(ids), min_size=2, max_size=len(ids), unique=True))
    merged = edit.merge(segments, chosen)  # its own checks run when it is made
    first = merged[chosen[0]]
    assert (first.name, first.kind) == (segments[chosen[0]].name, segments[chosen[0]].kind)
    assert np.array_equal(merged.labels == first.id, np.isin(segments.labels, chosen))
    again = describe(merged.labels, {i.id: i.kind for i in merged.items}, points, {i.id: i.name for i in merged.items})
    for item in merged.items:
        assert (item.box, item.area, item.neighbours) == (
            again[item.id].box,
            again[item.id].area,
            again[item.id].neighbours,
        )
    assert len(merged.items) == len(ids) - len(chosen) + 1


@given(records(), st.data())
@settings(max_examples=150, deadline=None)
def test_splitting_anywhere_parts_one_segment_in_two(record: tuple[Segments, PointCloud], data: st.DataObject) -> None:
    segments, points = record
    height, width = segments.labels.shape
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    id = int(segments.labels[y, x])
    if id == 0:
        return
    try:
        parted = edit.split(segments, id, (x + 0.5, y + 0.5), points)
    except InputError:
        return  # nothing there to part
    new = max(item.id for item in parted.items)
    assert parted.labels[y, x] == new
    assert np.array_equal(parted.labels != segments.labels, parted.labels == new)
    assert set(np.unique(segments.labels[parted.labels == new])) == {id}
    assert parted[id].area + parted[new].area == segments[id].area


@given(st.text(max_size=200))
def test_names_are_cleaned(text: str) -> None:
    segments, _ = truth()
    if not any(unicodedata.category(c)[0] in "LMNPS" for c in text):
        with pytest.raises(InputError, match="visible"):
            edit.rename(segments, BALL, text)
        return
    name = edit.rename(segments, BALL, text)[BALL].name
    assert 1 <= len(name) <= LONGEST_NAME
    assert name == name.strip()
    assert not any(unicodedata.category(c)[0] == "C" for c in name)


def test_renaming_changes_a_name_and_nothing_else() -> None:
    segments, _ = truth()
    renamed = edit.rename(segments, BALL, "  Red\tball\n\u202e ")
    assert renamed[BALL].name == "Red ball"
    assert segments[BALL].name == "Subject"
    assert [i for i in renamed.items if i.id != BALL] == [i for i in segments.items if i.id != BALL]


def test_a_merged_segment_stands_where_its_parts_stood() -> None:
    segments, _ = truth()
    assert segments[BALL].in_front_of == (SKY, FLOOR)
    merged = edit.merge(segments, [BALL, POST])
    assert merged[BALL].in_front_of == (SKY, FLOOR)
    assert merged[BALL].near == min(segments[BALL].near, segments[POST].near)
    back = edit.merge(segments, [FLOOR, SKY, FLOOR])
    assert [item.id for item in back.items] == [FLOOR, BALL, POST]
    assert back[BALL].in_front_of == back[POST].in_front_of == (FLOOR,)
    assert back[FLOOR].in_front_of == ()


def test_a_click_parts_the_ball_from_the_floor() -> None:
    segments, view = truth()
    together = edit.merge(segments, [FLOOR, BALL])
    for part, name in (((108, 88), None), ((120, 80), "The ball")):
        parted = edit.split(together, FLOOR, part, view.points, name=name)
        new = parted.items[-1]
        assert overlap(parted.labels == new.id, view.truth == BALL) > 0.9
        assert new.name == (name or f"{segments[FLOOR].name} part 1")
        assert SKY in new.in_front_of
    again = edit.split(edit.merge(parted, [FLOOR, new.id]), FLOOR, (108, 88), view.points)
    assert again.items[-1].name == "Ground part 1"


def test_part_of_the_subject_is_an_object() -> None:
    segments, view = truth()
    together = edit.merge(segments, [BALL, POST])
    parted = edit.split(together, BALL, (192, 60), view.points)
    assert [item.kind for item in parted.items].count("subject") == 1
    assert overlap(parted.labels == parted.items[-1].id, view.truth == POST) > 0.8
    assert parted.items[-1].kind == "object"
    twice = edit.rename(parted, parted.items[-1].id, "Subject part 1")
    assert edit._part_name(twice[BALL], (item.name for item in twice.items)) == "Subject part 2"


def test_what_cannot_be_done_is_said() -> None:
    segments, view = truth()
    with pytest.raises(InputError, match="no segment 9"):
        edit.rename(segments, 9, "x")
    with pytest.raises(InputError, match="two segments"):
        edit.merge(segments, [BALL, BALL])
    with pytest.raises(InputError, match="no segment 0"):
        edit.merge(segments, [BALL, 0])
    for outside in ((1.0, 1.0), (-5.0, 3.0), (3.0, 1000.0)):
        with pytest.raises(InputError, match="not in the segment"):
            edit.split(segments, BALL, outside, view.points)
    plain = _points(np.full((40, 40), 2.0))
    with pytest.raises(InputError, match="nothing to part"):
        edit.split(describe(np.ones((40, 40), np.int32), {1: "object"}, plain), 1, (20, 20), plain)
