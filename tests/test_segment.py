"""Segments from colour and depth: what is found in pictures whose segments are known, and laws for all others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import PhotoPath
from diorama.pipeline import make
from diorama.segment import segment
from diorama.segment.describe import clean_name, describe
from diorama.settings import Settings
from diorama.types import Camera, Cuts, DepthMap, Photo, PointCloud, Segment, Segments
from segment_scenes import BALL, FLOOR, POST, SKY, View, overlap


def _found(view: View, detail: float = 1.0) -> Segments:
    segments, backend, reason = segment(*view.parts[:-1], Settings(segmenter="regions", segment_detail=detail))
    assert backend == "regions"
    assert reason.endswith(".")
    return segments


@pytest.mark.parametrize("size", [(240, 160), (700, 500), (150, 260)])
def test_a_ball_on_the_ground_under_the_sky(size: tuple[int, int]) -> None:
    view = View(*size)
    segments = _found(view)
    kinds = {item.kind: item for item in segments.items}
    assert np.array_equal(segments.labels == kinds["sky"].id, view.truth == SKY)
    assert overlap(segments.labels == kinds["subject"].id, view.truth == BALL) > 0.95
    assert overlap(segments.labels == kinds["ground"].id, view.truth == FLOOR) > 0.9
    subject = kinds["subject"]
    assert subject.name == "Subject"
    assert subject.in_front_of == subject.neighbours
    assert {kinds["sky"].id, kinds["ground"].id} <= set(subject.in_front_of)
    assert subject.near == pytest.approx(1 / (0.25 + 0.75 * 0.75), rel=0.02)
    assert kinds["ground"].far > subject.far


def test_things_apart_are_different_objects() -> None:
    view = View(480, 320, post=True)
    segments = _found(view)
    by_kind = {item.kind: item for item in segments.items}
    assert overlap(segments.labels == by_kind["object"].id, view.truth == POST) > 0.85
    assert by_kind["object"].name == "Object 1"


def test_indoors_there_is_no_sky_and_what_stands_behind_is_wall_or_background() -> None:
    segments = _found(View(sky=False))
    assert not any(item.kind == "sky" for item in segments.items)
    assert any(item.kind in ("wall", "background") for item in segments.items)


def test_a_facade_seen_at_a_slant_is_a_wall() -> None:
    height, width = 200, 300
    camera = Camera.from_fov(60, width, height, "user")
    x = (np.arange(width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(height) + 0.5 - camera.cy) / camera.fy
    inverse = np.maximum(np.broadcast_to(0.45 - 0.4 * x, (height, width)), (0.05 + 1.2 * y)[:, None]).astype(np.float32)
    rgb = np.where(inverse[..., None] > (0.45 - 0.4 * x)[None, :, None] + 1e-6, 90, 170).repeat(3, axis=-1)
    rgb = np.clip(rgb + np.random.default_rng(0).normal(0, 3, rgb.shape), 0, 255).astype(np.uint8)
    points = PointCloud(np.reciprocal(inverse), rgb, np.ones(inverse.shape, bool), camera)
    depth = DepthMap(inverse, "metric", camera, "made")
    none = Cuts(np.zeros((height, width - 1), bool), np.zeros((height - 1, width), bool))
    segments, _, _ = segment(points, none, Photo(rgb, camera), depth, Settings())
    largest = max((item for item in segments.items if item.kind == "wall"), key=lambda item: item.area)
    assert largest.area > 0.4 * height * width


def test_the_photos_own_alpha_is_the_subject() -> None:
    view = View()
    opaque = view.truth == BALL
    points = replace(view.points, opaque=opaque)
    segments, backend, _ = segment(points, view.cuts, view.photo, view.depth, view.settings)
    assert backend == "alpha"
    assert [item.kind for item in segments.items] == ["subject"]
    assert np.array_equal(segments.labels > 0, opaque)


def test_alpha_that_hides_nothing_or_all_is_no_cutout() -> None:
    view = View()
    for opaque in (np.ones_like(view.points.mask), np.zeros_like(view.points.mask)):
        points = replace(view.points, opaque=opaque)
        segments, backend, _ = segment(points, view.cuts, view.photo, view.depth, view.settings)
        assert backend == "regions"
        assert (segments.labels > 0).all() == opaque.all()
        assert bool(segments.items) == bool(opaque.any())


def test_more_detail_finds_no_fewer_segments() -> None:
    view = View(480, 320, post=True)
    assert len(_found(view, 0.5).items) <= len(_found(view, 2.0).items)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 1.0]))
@settings(max_examples=40, deadline=None)
def test_any_picture_is_divided_without_remainder(width: int, height: int, seed: int, sky_share: float) -> None:
    rng = np.random.default_rng(seed)
    camera = Camera.assumed(width, height)
    rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
    sky = rng.random((height, width)) < sky_share
    inverse = np.where(sky, 0, rng.random((height, width))).astype(np.float32)
    opaque = rng.random((height, width)) < 0.9 if seed % 3 == 0 else None
    points = PointCloud((1 / (0.25 + inverse)).astype(np.float32), rgb, np.ones(sky.shape, bool), camera, opaque)
    cuts = Cuts(rng.random((height, width - 1)) < 0.2, rng.random((height - 1, width)) < 0.2)
    depth = DepthMap(inverse, "relative", camera, "noise", None, sky)
    segments, backend, _ = segment(points, cuts, Photo(rgb, camera), depth, Settings())
    there = np.ones_like(sky) if opaque is None else opaque
    assert np.array_equal(segments.labels > 0, there)
    if backend == "regions":
        skies = [item.id for item in segments.items if item.kind == "sky"]
        assert np.array_equal(np.isin(segments.labels, skies), sky & there)


def test_real_photos_have_a_handful_of_segments(photo_path: PhotoPath) -> None:
    for name in ("coffee", "astronaut"):
        scene = make(photo_path(name), Settings(processing_size=512, triangles=1000), until="original", fetch=False)
        segments, _, _ = segment(scene.points, scene.cuts, scene.photo, scene.depth, scene.settings)
        assert 2 <= len(segments.items) <= 15
        assert sum(item.kind == "subject" for item in segments.items) == 1
        again, _, _ = segment(scene.points, scene.cuts, scene.photo, scene.depth, scene.settings)
        assert np.array_equal(segments.labels, again.labels)


# ---- the record ------------------------------------------------------------------------------------------------


def _item(**changes: object) -> Segment:
    values = {"id": 1, "name": "A", "kind": "object", "box": (0, 0, 2, 1), "area": 2, "near": 1.0, "far": 2.0}
    return Segment(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"id": 0}, {"name": " "}, {"kind": "dog"}, {"box": (2, 0, 2, 1)}, {"area": 3}, {"area": 0}, {"near": 3.0},
        {"near": 0.0}, {"far": float("inf")}, {"neighbours": (1,)}, {"neighbours": (3, 2)}, {"in_front_of": (2,)},
    ],
)  # fmt: skip
def test_a_segment_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="segment"):
        _item(**changes)


def test_segments_must_fit_their_labels() -> None:
    labels = np.array([[1, 1, 2]], np.int32)
    one, two = _item(neighbours=(2,)), _item(id=2, box=(2, 0, 3, 1), area=1, neighbours=(1,))
    whole = Segments(labels, (one, two))
    assert whole[2].box == (2, 0, 3, 1)
    assert whole.mask(2).tolist() == [[False, False, True]]
    with pytest.raises(KeyError):
        whole.mask(3)
    for items in ((one,), (two, one), (one, one, two), (one, replace(two, neighbours=())), (replace(one, area=1), two)):
        with pytest.raises(ValueError, match=r"segment|labels"):
            Segments(labels, items)
    both = replace(one, in_front_of=(2,)), replace(two, in_front_of=(1,))
    with pytest.raises(ValueError, match="each be in front"):
        Segments(labels, both)
    with pytest.raises(ValueError, match="negative"):
        Segments(-labels, ())
    with pytest.raises(TypeError):
        Segments(labels.astype(np.int64), (one, two))  # type: ignore[arg-type]


def test_masks_at_other_sizes_have_clean_edges() -> None:
    view = View()
    segments = describe(view.truth.astype(np.int32), {SKY: "sky", FLOOR: "ground", BALL: "subject"}, view.points)
    large = View(960, 640).truth
    for id in (SKY, FLOOR, BALL):
        assert overlap(segments.mask(id, (960, 640)), large == id) > 0.97
    small = segments.mask(BALL, (60, 40))
    assert small.shape == (40, 60)
    assert small.sum() * 16 == pytest.approx((view.truth == BALL).sum(), rel=0.05)
    covered = sum(segments.mask(id, (960, 640)).astype(int) for id in (SKY, FLOOR, BALL))
    assert (covered != 1).mean() < 0.005


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_who_is_in_front_is_the_nearer_side_of_the_outline(seed: int) -> None:
    rng = np.random.default_rng(seed)
    near, far = sorted(rng.uniform(1, 4, 2))
    labels = np.repeat([[1] * 6 + [2] * 6], 8, axis=0).astype(np.int32)
    z = np.where(labels == 1, near, far).astype(np.float32)
    points = PointCloud(z, np.zeros((8, 12, 3), np.uint8), np.ones(z.shape, bool), Camera.assumed(12, 8))
    segments = describe(labels, {1: "object", 2: "object"}, points)
    apart = 1 - near / far > 0.02
    assert segments[1].in_front_of == ((2,) if apart else ())
    assert segments[2].in_front_of == ()
    assert [item.name for item in segments.items] == ["Object 1", "Object 2"]


def test_names_count_from_the_nearest() -> None:
    assert clean_name("a\x00b  c") == "a b c"
    labels = np.array([[1, 2, 3, 4]], np.int32)
    points = PointCloud(
        np.array([[4, 1, 2, 3]], np.float32), np.zeros((1, 4, 3), np.uint8), labels > 0, Camera.assumed(4, 1)
    )
    found = describe(labels, {1: "object", 2: "object", 3: "ground", 4: "wall"}, points)
    assert [item.name for item in found.items] == ["Object 2", "Object 1", "Ground", "Wall 1"]
