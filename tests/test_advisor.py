"""The local advisor: what it says is measured, in proportion, and nothing where nothing is to be said."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from advice_scenes import GROUND, SKY, THING, WALL, WIDTH, Form, plan_question, scene_question, standing
from conftest import PhotoPath
from diorama import advisor
from diorama.advice import PARAMETERS, ReconstructionAdvice, SceneAdvice, suggestions
from diorama.advisor import parameters, picture
from diorama.advisor.surfaces import Surfaces
from diorama.errors import UnknownModelError
from diorama.settings import Settings
from diorama.types import Camera, Cuts, DepthMap, Photo, PointCloud, Scene, Segment, Segments, UInt8


def ask(scene: Scene) -> tuple[SceneAdvice, ReconstructionAdvice]:
    """Both questions."""
    first = advisor.advise(scene_question(scene), "local")
    second = advisor.advise(plan_question(scene, first.advice), "local")
    assert not first.warnings + second.warnings
    return first.advice, second.advice


@pytest.fixture(scope="module")
def photo(photo_path: PhotoPath) -> UInt8:
    with Image.open(photo_path("coffee")) as opened:
        return np.asarray(opened.convert("RGB").reduce(2))


def amount(rgb: UInt8, action: str) -> float:
    """How much of this action is suggested for a photo."""
    found = picture.texture(Photo(rgb, Camera.assumed(rgb.shape[1], rgb.shape[0])), 0.0)
    return next((item.amount for item in found if item.action == action), 0.0)


def test_nobody_is_asked_when_it_is_off() -> None:
    scene = standing()
    first = advisor.advise(scene_question(scene), "off")
    second = advisor.advise(plan_question(scene), "off")
    assert (first.advice.adviser, second.advice.adviser) == ("off", "off")
    assert not suggestions(first.advice) + suggestions(second.advice)
    assert advisor.identity("off") == "off"


def test_an_unknown_advisor_is_named() -> None:
    with pytest.raises(UnknownModelError, match=r"no advisor named 'gpt'.*off, local"):
        advisor.advise(scene_question(standing()), "gpt")


def test_every_line_has_a_reason_with_a_number_and_nothing_is_guessed() -> None:
    scene, plan = ask(standing(tremble=0.004))
    lines = suggestions(scene) + suggestions(plan)
    assert lines
    for line in lines:
        assert line.source == "local"
        assert any(c.isdigit() for c in line.reason), line
        assert line.reason.endswith(".")
    assert scene.caption is None
    for item in scene.segments:
        assert (item.name, item.kind, item.material, item.roughness, item.metallic, item.behind) == (None,) * 6


def test_the_same_answer_every_time() -> None:
    assert ask(standing("rubble", tremble=0.01)) == ask(standing("rubble", tremble=0.01))


@pytest.mark.parametrize(
    ("form", "shape"), [("ball", "round"), ("box", "boxy"), ("card", "flat"), ("rubble", "relief")]
)
@pytest.mark.parametrize("tremble", [0.0, 0.004])
def test_shapes_are_told_from_depth(form: Form, shape: str, tremble: float) -> None:
    found = ask(standing(form, tremble=tremble))[0].of(THING).shape
    assert found is not None
    assert found.value == shape


def test_the_fusion_plan() -> None:
    plan = {(item.action, item.segments): item for item in ask(standing("ball"))[1].fusion}
    assert ("backdrop", (SKY,)) in plan
    assert plan["plane", (WALL,)].amount > 0.9
    assert plan["plane", (GROUND,)].amount > 0.9
    assert plan["close-back", (THING,)].amount == pytest.approx(0.5)
    # The wall goes on into the ground without a step, but in another colour.
    assert not [pair for action, pair in plan if action == "join"]


def test_what_goes_on_in_depth_and_colour_is_joined() -> None:
    scene = standing("card")
    assert scene.segments is not None
    rgb = scene.points.rgb.copy()
    rgb[scene.segments.labels == GROUND] = (150, 140, 130)
    scene = dataclasses.replace(scene, points=dataclasses.replace(scene.points, rgb=rgb))
    joined = [item.segments for item in ask(scene)[1].fusion if item.action == "join"]
    assert joined == [(WALL, GROUND)]


def test_a_flat_card_gets_no_back_and_a_thing_at_the_frame_neither() -> None:
    assert not [item for item in ask(standing("card"))[1].fusion if item.action == "close-back"]
    scene = standing("ball")
    crop = np.s_[:, 115:]
    assert scene.segments is not None
    camera = dataclasses.replace(scene.points.camera, cx=5.0, width=125)
    points = dataclasses.replace(
        scene.points,
        z=np.ascontiguousarray(scene.points.z[crop]),
        rgb=np.ascontiguousarray(scene.points.rgb[crop]),
        mask=np.ascontiguousarray(scene.points.mask[crop]),
        camera=camera,
    )
    labels = np.ascontiguousarray(scene.segments.labels[crop])
    items = tuple(
        dataclasses.replace(item, box=_box(labels, item.id), area=int((labels == item.id).sum()))
        for item in scene.segments.items
    )
    surfaces = Surfaces(points, Segments(labels, items))
    front, cut_off = surfaces.outline(THING)
    assert cut_off > 0.2
    assert front + cut_off <= 1


def _box(labels: np.ndarray, id: int) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(labels == id)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_trembling_depth_is_to_be_smoothed_in_proportion() -> None:
    found = []
    for tremble in (0.0, 0.022, 0.03):
        advice = ask(standing("card", tremble=tremble))[1].smoothing
        found.append(advice.value if advice else 0.0)
    assert found[0] == 0 < found[1] < found[2] <= 1


def test_of_measured_depth_nothing_is_said_that_would_move_what_is_seen() -> None:
    scene = standing("ball", tremble=0.02)
    measured = dataclasses.replace(scene, depth=dataclasses.replace(scene.depth, model="file", scale="metric"))
    free, kept = ask(scene)[1], ask(measured)[1]
    assert free.smoothing is not None
    assert (kept.smoothing, kept.cut_threshold) == (None, None)
    planes = [[item.segments for item in plan.fusion if item.action == "plane"] for plan in (free, kept)]
    assert planes == [[(WALL,), (GROUND,)], [(GROUND,)]]
    assert not [item for item in kept.fusion if item.action == "join"]
    assert [item for item in kept.fusion if item.action == "close-back"]


def test_metric_depth_tells_the_distance() -> None:
    found = ask(standing("card", metric=True))[0].subject_distance
    assert found is not None
    assert found.value == pytest.approx(1 / 0.85, rel=0.03)
    assert ask(standing("card"))[0].subject_distance is None
    assert ask(standing("card", metric=True))[1].depth_range is None


def test_a_clean_photo_is_left_nearly_alone(photo: UInt8) -> None:
    for action in ("denoise", "sharpen", "tone", "white-balance"):
        assert amount(photo, action) <= picture.WEAK + 0.01, action


@pytest.mark.parametrize(
    ("action", "spoil"),
    [
        ("sharpen", lambda rgb, k: cv2.GaussianBlur(rgb, (0, 0), (1.5, 2.2, 3)[k])),
        ("denoise", lambda rgb, k: noisy(rgb, (8, 15, 25)[k])),
        ("tone", lambda rgb, k: curved(rgb, (1.8, 2.4, 3.2)[k])),
        ("tone", lambda rgb, k: curved(rgb, (0.55, 0.42, 0.31)[k])),
        ("white-balance", lambda rgb, k: (rgb * ((1, 0.9, 0.7), (1, 0.85, 0.5), (1, 0.8, 0.35))[k]).astype(np.uint8)),
    ],
)
def test_advice_follows_the_flaw(photo: UInt8, action: str, spoil) -> None:  # type: ignore[no-untyped-def]
    found = [amount(photo, action)] + [amount(np.ascontiguousarray(spoil(photo, k)), action) for k in range(3)]
    assert found == sorted(found)
    assert found[-1] > 0.4


def noisy(rgb: UInt8, sigma: float) -> UInt8:
    return np.clip(rgb + np.random.default_rng(0).normal(0, sigma, rgb.shape), 0, 255).astype(np.uint8)


def curved(rgb: UInt8, gamma: float) -> UInt8:
    return np.rint(255 * (rgb / 255) ** gamma).astype(np.uint8)


def test_imagined_parts_are_matched_and_small_textures_enlarged() -> None:
    scene = standing()
    plan = {item.action: item.amount for item in ask(scene)[1].texture}
    assert plan["match-imagined"] == 1
    assert plan["super-resolution"] > 0.5
    small = dataclasses.replace(scene, settings=Settings(texture_size=WIDTH))
    assert "super-resolution" not in {item.action for item in ask(small)[1].texture}
    none = dataclasses.replace(scene, imagined=0.0)
    assert "match-imagined" not in {item.action for item in ask(none)[1].texture}


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.1, 10), st.floats(1, 50))
def test_amounts_are_in_proportion(one: float, other: float, usual: float, more: float) -> None:
    low, high = sorted((one, other))
    amounts = [picture.proportion(value, usual, usual + more) for value in (low, high)]
    assert 0 <= amounts[0] <= amounts[1] <= 1


@settings(max_examples=20)
@given(st.sampled_from(["fov", *PARAMETERS]), st.floats(-1e6, 1e6))
def test_numbers_stay_in_the_settings_ranges(name: str, value: float) -> None:
    Settings.parse({name: parameters.within(name, value)})


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (40, 40)])
def test_tiny_scenes_are_no_trouble(size: tuple[int, int]) -> None:
    height, width = size
    scene = standing("ball")
    assert scene.segments is not None
    window = np.s_[60 : 60 + height, 20 : 20 + width]
    camera = Camera.assumed(width, height)
    rgb = np.ascontiguousarray(scene.points.rgb[window])
    points = PointCloud(np.ascontiguousarray(scene.points.z[window]), rgb, np.ones((height, width), bool), camera)
    labels = np.ones((height, width), np.int32)
    segments = Segments(labels, (Segment(1, "All", "background", (0, 0, width, height), labels.size, 1.0, 4.0),))
    cuts = Cuts(np.zeros((height, width - 1), bool), np.zeros((height - 1, width), bool))
    depth = DepthMap(np.ascontiguousarray(scene.depth.inverse_depth[window]), "relative", camera, "made by hand")
    ask(Scene("enhanced", Photo(rgb, camera), depth, points, cuts, (), Settings(), (), segments, rgb, 0.0))
