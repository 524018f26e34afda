"""The correction brush: strokes as records and files, and the laws that carrying them out obeys."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

import diorama
from diorama import corrections
from diorama.checkpoints import Checkpoints
from diorama.corrections import KINDS, parse, parse_all
from diorama.cuts import by_hand, find_cuts
from diorama.depth.correct import correct
from diorama.errors import CorrectionError
from diorama.points import unproject
from diorama.settings import Settings
from diorama.types import Bool, Camera, Correction, DepthMap, Photo, Scene, UInt8

WIDTH, HEIGHT = 120, 80
BOX = (slice(24, 60), slice(40, 84))
WALL, NEAR = 0.3, 0.7


def view(*, flat: bool = False, sky: bool = False, seed: int = 0) -> tuple[DepthMap, UInt8]:
    """A red box before a grey wall that recedes; `flat`: the model has missed the box. `sky`: above, at infinity."""
    rng = np.random.default_rng(seed)
    box = in_box()
    inverse = np.repeat(np.linspace(WALL, WALL + 0.2, HEIGHT)[:, None], WIDTH, axis=1)
    if not flat:
        inverse[box] = NEAR
    colour = np.where(box[..., None], (190, 40, 40), (120, 120, 125)).astype(float)
    above = np.zeros_like(box)
    if sky:
        above[:16] = True
        inverse[above], colour[above] = 0, (140, 180, 235)
    rgb = np.clip(colour + rng.normal(0, 3, colour.shape), 0, 255).astype(np.uint8)
    camera = Camera.assumed(WIDTH, HEIGHT)
    return DepthMap(inverse.astype(np.float32), "relative", camera, "made", None, above if sky else None), rgb


def in_box() -> Bool:
    box = np.zeros((HEIGHT, WIDTH), bool)
    box[BOX] = True
    return box


def stroke(kind: Any, *points: tuple[float, float], **more: Any) -> Correction:
    return Correction(kind, points, **more)


ON_BOX = ((0.42, 0.45), (0.55, 0.6))


@st.composite
def strokes(draw: DrawFn) -> Correction:
    share = st.floats(0, 1)
    kind = draw(st.sampled_from(KINDS))
    points = draw(st.lists(st.tuples(share, share), min_size=2, max_size=4, unique=True))
    here = draw(st.tuples(share, share)) if kind == "same" else None
    return Correction(kind, tuple(points), draw(st.floats(0.005, 0.1)), draw(st.none() | st.floats(0.01, 1)), here)


def some(most: int) -> SearchStrategy[list[Correction]]:
    return st.lists(strokes(), min_size=1, max_size=most)


# ---- laws ------------------------------------------------------------------------------------------------------


def test_no_strokes_change_nothing() -> None:
    depth, rgb = view()
    assert correct(depth, rgb, []) is depth


@given(some(4))
@settings(max_examples=12)
def test_depth_stays_depth_and_the_same_strokes_give_the_same(painted: list[Correction]) -> None:
    depth, rgb = view(sky=True)
    before = depth.inverse_depth.copy()
    result = correct(depth, rgb, painted)  # the record checks: finite, not negative
    assert np.array_equal(depth.inverse_depth, before)
    assert np.array_equal(correct(depth, rgb, painted).inverse_depth, result.inverse_depth)
    assert result.sky is not None
    assert not result.inverse_depth[result.sky].any()
    fewer = correct(depth, rgb, painted[:-1])
    assert np.array_equal(
        correct(depth, rgb, [*painted, painted[-1]][: len(painted) - 1]).inverse_depth, fewer.inverse_depth
    )


@given(some(3))
@settings(max_examples=12)
def test_the_mirrored_picture_with_mirrored_strokes_gives_the_mirrored_depth(painted: list[Correction]) -> None:
    depth, rgb = view()
    flipped = replace(depth, inverse_depth=np.ascontiguousarray(depth.inverse_depth[:, ::-1]))
    mirrored = [
        replace(
            one,
            points=tuple((1 - x, y) for x, y in one.points),
            here=None if one.here is None else (1 - one.here[0], one.here[1]),
        )
        for one in painted
    ]
    result = correct(depth, rgb, painted).inverse_depth
    other = correct(flipped, np.ascontiguousarray(rgb[:, ::-1]), mirrored).inverse_depth[:, ::-1]
    # A cell that lies as near to two surfaces may go to either.
    assert np.mean(np.abs(result - other) > 0.01) < 0.02


@given(st.sampled_from(["nearer", "farther"]), st.floats(0.05, 0.5), st.floats(0.03, 0.05), st.booleans())
@settings(max_examples=10)
def test_a_stroke_moves_the_object_and_not_what_is_behind_it(
    kind: Any, strength: float, radius: float, flat: bool
) -> None:
    depth, rgb = view(flat=flat)
    result = correct(depth, rgb, [stroke(kind, *ON_BOX, strength=strength, radius=radius)])
    sign = 1 if kind == "nearer" else -1
    low, high = np.percentile(depth.inverse_depth, (2, 98))
    moved = sign * (result.inverse_depth - depth.inverse_depth) / ((high - low) * strength)
    assert moved[BOX][3:-3, 3:-3].min() > 0.8 or kind == "farther"  # farther ends at infinity
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[22:62, 38:86] = False
    assert np.abs(moved[outside]).max() < 0.05


def test_strokes_that_follow_each_other_add_up_and_an_earlier_one_is_kept() -> None:
    depth, rgb = view()
    once = stroke("nearer", *ON_BOX, strength=0.2)
    middle = (HEIGHT // 2, WIDTH // 2)
    by_one, by_two = (correct(depth, rgb, [once] * count).inverse_depth[middle] for count in (1, 2))
    assert by_two - by_one == pytest.approx(by_one - depth.inverse_depth[middle], rel=0.05)
    wall = stroke("farther", (0.1, 0.2), (0.1, 0.6), strength=0.1)
    both = correct(depth, rgb, [wall, stroke("farther", (0.3, 0.9), (0.9, 0.9), strength=0.3)]).inverse_depth
    alone = correct(depth, rgb, [wall]).inverse_depth
    assert both[HEIGHT * 2 // 5, WIDTH // 10] == pytest.approx(alone[HEIGHT * 2 // 5, WIDTH // 10], abs=0.02)


# ---- what each kind does ---------------------------------------------------------------------------------------


def test_same_brings_a_thing_to_the_depth_of_another_place() -> None:
    depth, rgb = view()
    here = (0.1, 0.9)
    result = correct(depth, rgb, [stroke("same", *ON_BOX, here=here)]).inverse_depth
    goal = depth.inverse_depth[int(0.9 * HEIGHT), int(0.1 * WIDTH)]
    assert np.median(result[BOX]) == pytest.approx(goal, abs=0.02)
    half = correct(depth, rgb, [stroke("same", *ON_BOX, here=here, strength=0.5)]).inverse_depth
    assert np.median(half[BOX]) == pytest.approx((goal + NEAR) / 2, abs=0.02)


def test_flat_makes_a_plane_of_a_bumpy_wall() -> None:
    depth, rgb = view(flat=True)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    bump = 0.04 * np.exp(-((y - 40) ** 2 + (x - 20) ** 2) / 60).astype(np.float32)
    bumpy = replace(depth, inverse_depth=depth.inverse_depth + bump)
    path = ((0.05, 0.5), (0.3, 0.5))
    result = correct(bumpy, rgb, [stroke("flat", *path, radius=0.05)]).inverse_depth
    window = (slice(30, 50), slice(8, 34))
    left = np.abs(result - depth.inverse_depth)[window].mean()
    assert left < 0.3 * bump[window].mean()


def test_sky_is_painted_and_taken_back() -> None:
    depth, rgb = view(sky=True)
    assert depth.sky is not None
    missed = replace(depth, sky=None, inverse_depth=np.where(depth.sky, np.float32(0.5), depth.inverse_depth))
    painted = correct(missed, rgb, [stroke("sky", (0.1, 0.1), (0.9, 0.1), radius=0.04)])
    assert painted.sky is not None
    assert np.mean(painted.sky == depth.sky) > 0.98
    assert not painted.inverse_depth[painted.sky].any()
    there = correct(depth, rgb, [stroke("same", (0.1, 0.1), (0.9, 0.1), here=(0.1, 0.5), radius=0.04)])
    assert there.sky is not None
    assert there.sky.mean() < 0.1 * depth.sky.mean()
    again = correct(missed, rgb, [stroke("same", *ON_BOX, here=(0.5, 0.1))])
    assert again.sky is None
    away = correct(depth, rgb, [stroke("same", *ON_BOX, here=(0.5, 0.1))])
    assert away.sky is not None
    assert away.sky[BOX].mean() > 0.9


def cuts_of(depth: DepthMap, rgb: UInt8) -> diorama.Cuts:
    photo = Photo(rgb, depth.camera)
    return by_hand(find_cuts(unproject(depth, photo, Settings()), Settings()), depth)


def test_cut_ends_a_ramp_at_the_photos_edge() -> None:
    depth, rgb = view()
    ramp = np.where(in_box(), NEAR, depth.inverse_depth).astype(np.float32)
    for _ in range(60):  # the network's blur
        ramp = (np.roll(ramp, 1, axis=1) + 2 * ramp + np.roll(ramp, -1, axis=1)) / 4
    blurred = replace(depth, inverse_depth=ramp)
    edge = BOX[1].start
    sloppy = ((edge + 1.5) / WIDTH, 28 / HEIGHT), ((edge - 1.5) / WIDTH, 56 / HEIGHT)
    result = correct(blurred, rgb, [stroke("cut", *sloppy, radius=0.06)])
    rows = slice(32, 52)
    assert cuts_of(result, rgb).right[rows, edge - 1].all()
    assert not cuts_of(blurred, rgb).right[rows, edge - 1].any()
    step = result.inverse_depth[rows, edge] - result.inverse_depth[rows, edge - 1]
    assert step.min() > 0.5 * (NEAR - 0.4)


def test_join_closes_a_step() -> None:
    depth, rgb = view()
    edge = BOX[1].start
    path = ((edge / WIDTH, 30 / HEIGHT), (edge / WIDTH, 54 / HEIGHT))
    rows = slice(34, 50)
    assert cuts_of(depth, rgb).right[rows, edge - 1].all()
    result = correct(depth, rgb, [stroke("join", *path, radius=0.06)])
    assert not cuts_of(result, rgb).right[rows, edge - 6 : edge + 6].any()
    assert np.abs(np.diff(result.inverse_depth[rows, : edge + 20], axis=1)).max() < 0.1


def test_a_cut_stops_what_the_photo_does_not() -> None:
    depth, _ = view(flat=True)
    rgb = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    nearer = stroke("nearer", (0.3, 0.3), (0.3, 0.7), strength=0.3)
    cut = stroke("cut", (0.4, 0.0), (0.4, 1.0))
    change = [correct(depth, rgb, s).inverse_depth - depth.inverse_depth for s in ([nearer], [nearer, cut])]
    beyond = (slice(30, 50), slice(54, 60))
    assert change[0][beyond].mean() > 3 * abs(change[1][beyond].mean())


def test_metric_depth_keeps_its_unit_and_stays_finite() -> None:
    depth, rgb = view()
    metric = replace(depth, inverse_depth=depth.inverse_depth / 4, scale="metric")
    here = (0.1, 0.9)
    for painted in (stroke("nearer", *ON_BOX, strength=0.2), stroke("same", *ON_BOX, here=here)):
        one, other = (correct(d, rgb, [painted]).inverse_depth for d in (depth, metric))
        assert other * 4 == pytest.approx(one, abs=1e-4)
    far = correct(metric, rgb, [stroke("farther", *ON_BOX, strength=1.0)] * 3)
    assert far.inverse_depth.min() > 0


# ---- records and files -----------------------------------------------------------------------------------------


@given(some(3))
def test_a_file_gives_back_what_was_written(painted: list[Correction]) -> None:
    document = json.loads(json.dumps({"corrections": [one.to_json() for one in painted]}))
    assert parse_all(document["corrections"]) == tuple(painted)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "up", "points": [[0, 0]]}, "kind is one of nearer"),
        ({"kind": "nearer", "points": []}, "1 to 1000 points"),
        ({"kind": "nearer", "points": [[0, 1.5]]}, "each 0 to 1"),
        ({"kind": "nearer", "points": [[0, float("nan")]]}, "no number"),
        ({"kind": "nearer", "points": [[0, 0, 0]]}, r"a point is \[x, y\]"),
        ({"kind": "nearer", "points": [[0, True]]}, "no number"),
        ({"kind": "nearer", "points": [[0, 0]], "radius": 0.5}, "radius is"),
        ({"kind": "nearer", "points": [[0, 0]], "strength": 0}, "strength is"),
        ({"kind": "same", "points": [[0, 0]]}, "'here'"),
        ({"kind": "flat", "points": [[0, 0]], "here": [0, 0]}, "'here'"),
        ({"kind": "cut", "points": [[0, 0], [0, 0]]}, "two different points"),
        ({"kind": "cut", "points": "line"}, "list of"),
        ({"points": [[0, 0]]}, "'kind' is missing"),
        ({"kind": "nearer", "points": [[0, 0]], "colour": "red"}, "no field 'colour'"),
        ("nearer", "an object"),
    ],
)
def test_what_is_wrong_with_a_stroke_is_said(values: Any, says: str) -> None:
    with pytest.raises(CorrectionError, match=f"Stroke 3 can't be used: .*{says}") as raised:
        parse(values, number=3)
    assert raised.value.hint.endswith(".")


def test_a_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "strokes.json"
    with pytest.raises(CorrectionError, match="can't be read"):
        corrections.read(path)
    for text, says in (("{", "can't be read"), ("{}", "no list"), ("[3]", "Stroke 1")):
        path.write_text(text)
        with pytest.raises(CorrectionError, match=says):
            corrections.read(path)
    path.write_text(json.dumps([stroke("nearer", (0, 0)).to_json()] * (corrections.MOST_CORRECTIONS + 1)))
    with pytest.raises(CorrectionError, match="too many"):
        corrections.read(path)


# ---- in the pipeline -------------------------------------------------------------------------------------------


def test_the_pipeline_keeps_them_and_asks_no_network_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diorama import depth as backends
    from diorama import pipeline

    _, rgb = view()
    small = Settings(processing_size=120, texture_size=120, triangles=2000)
    checkpoints = Checkpoints(tmp_path / "stages")
    plain = pipeline.make(rgb, small, until="original", fetch=False, checkpoints=checkpoints)
    monkeypatch.setattr(backends, "estimate", None)  # whoever calls it fails
    painted = [stroke("nearer", *ON_BOX, strength=0.3), stroke("cut", (0.3, 0.3), (0.3, 0.7))]
    made = pipeline.make(
        rgb,
        small,
        until="original",
        fetch=False,
        checkpoints=checkpoints,
        corrections=[painted[0].to_json(), painted[1]],
    )
    assert [stage.stage for stage in made.report] == ["photo", "depth", "corrections", "points", "mesh"]
    report = made.report[2]
    assert report.settings == {"corrections": [one.to_json() for one in painted]}
    assert report.reason == "Corrected by hand: 1 nearer, 1 cut."
    assert made.corrections == tuple(painted)
    assert made.depth.cut is not None
    assert (made.cuts.right & made.depth.cut.right == made.depth.cut.right).all()
    assert np.median(made.depth.inverse_depth[BOX] - plain.depth.inverse_depth[BOX]) > 0.05

    again = pipeline.make(rgb, small, until="original", fetch=False, checkpoints=checkpoints, corrections=painted)
    assert np.array_equal(again.depth.inverse_depth, made.depth.inverse_depth)
    assert again.depth.cut is not None
    undone = pipeline.make(rgb, small, until="original", fetch=False, checkpoints=checkpoints)
    assert np.array_equal(undone.depth.inverse_depth, plain.depth.inverse_depth)
    assert np.array_equal(undone.meshes[0].vertices, plain.meshes[0].vertices)

    made.save(tmp_path / "scene.diorama")
    loaded = Scene.load(tmp_path / "scene.diorama")
    assert loaded.corrections == made.corrections
    assert loaded.depth.cut is not None
    assert np.array_equal(loaded.depth.cut.right, made.depth.cut.right)
