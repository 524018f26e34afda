"""Every depth network of the catalogue, end to end, against float64 references of its published pre- and
post-processing; networks with a contract; MoGe's camera; what runs them."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from onnx import TensorProto
from scipy.optimize import least_squares

import networks
from diorama import depth, pipeline, weights
from diorama import networks as sessions
from diorama.depth import contract, moge, onnx, tiles
from diorama.depth.prediction import Prediction
from diorama.errors import DepthFileError, ModelError, SettingsError, UnknownModelError
from diorama.settings import Settings
from diorama.types import Camera, Photo, UInt8
from test_cli import diorama

PLAIN: dict[str, Any] = {"edge_sharpness": 0.0, "find_sky": False}
"""Settings that leave the network's answer as it is, but for its scale."""


def photo_of(rgb: UInt8, camera: Camera | None = None) -> Photo:
    return Photo(np.ascontiguousarray(rgb), camera or Camera.assumed(rgb.shape[1], rgb.shape[0]))


def noise(width: int, height: int, seed: int = 0) -> UInt8:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def relative(answer: np.ndarray) -> np.ndarray:
    """0..1 between the 0.5th and the 99.5th percentile."""
    low, high = np.percentile(answer, (0.5, 99.5))
    return np.clip((answer - low) / (high - low), 0, 1)


# ---- relative networks -------------------------------------------------------------------------------------------

IMAGENET = (networks.MEAN, networks.STD)
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("name", "size", "normalisation"),
    [
        # Sizes that the published preprocessing leaves as they are: nothing is resampled, so all must agree.
        ("midas-v21-small", (256, 256), IMAGENET),
        ("midas-dpt-hybrid", (384, 384), HALF),
        ("depth-anything-v2-small", (518, 518), IMAGENET),
        ("depth-anything-v2-small", (770, 518), IMAGENET),
        ("depth-anything-v2-small", (518, 672), IMAGENET),
    ],
)
def test_a_relative_network_end_to_end(
    name: str, size: tuple[int, int], normalisation: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    graph = (
        networks.midas(path) if name == "midas-v21-small" else networks.dense(path, "pixel_values", "predicted_depth")
    )
    networks.install(monkeypatch, graph.read_bytes(), name)
    rgb = noise(*size)
    mean, std = (np.array(values, np.float64) for values in normalisation)
    expected = relative(((rgb.astype(np.float64) / 255 - mean) / std) @ networks.MIX)
    result, reason = depth.estimate(photo_of(rgb), Settings(depth=name, flip_average=False, **PLAIN))
    np.testing.assert_allclose(result.inverse_depth, expected, atol=1e-4)
    assert (result.model, result.scale, result.camera.source) == (name, "relative", "assumed")
    assert reason == f"{name} was asked for."


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((518, 518), (518, 518)),
        ((1536, 1024), (784, 518)),  # 777 is 55.5 x 14: DPT's processor rounds halves to even
        ((1024, 1536), (518, 784)),
        ((640, 480), (686, 518)),  # 690.7
        ((4000, 400), (1554, 154)),  # longer than 3 : 1: the long side rules
        ((7, 7), (518, 518)),
    ],
)
def test_depth_anything_is_shown_multiples_of_14(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert contract.DEPTH_ANYTHING.input_size(*size) == expected


@pytest.mark.parametrize("name", ["midas-dpt-hybrid", "depth-anything-v2-small"])
def test_a_picture_of_any_size_is_seen_whole(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    graph = networks.dense(tmp_path / "m.onnx", "pixel_values", "predicted_depth")
    networks.install(monkeypatch, graph.read_bytes(), name)
    ramp = np.repeat(np.linspace(0, 255, 300).astype(np.uint8)[None], 170, axis=0)
    result, _ = depth.estimate(photo_of(np.dstack([ramp] * 3)), Settings(depth=name, **PLAIN))
    # Averaged with its mirror image the ramp is flat only if both are seen whole and turned back.
    once, _ = depth.estimate(photo_of(np.dstack([ramp] * 3)), Settings(depth=name, flip_average=False, **PLAIN))
    np.testing.assert_allclose(result.inverse_depth, once.inverse_depth, atol=0.02)
    np.testing.assert_allclose(once.inverse_depth[80], np.linspace(0, 1, 300), atol=0.02)


# ---- MoGe-2 ------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 96, 72
HALF_DIAGONAL = math.hypot(WIDTH, HEIGHT) / 2


def rays(focal_px: float, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(h, w, 3), z = 1: where a pinhole camera's pixels look."""
    x, y = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
    return np.dstack([x / focal_px, y / focal_px, np.ones_like(x)])


def smooth_scene() -> UInt8:
    """Red: distance; blue: below the middle row what is seen, above it the sky."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    red = 127 + 100 * np.sin(x / 15) * np.cos(y / 11)
    return np.dstack([red, np.full_like(red, 90), np.where(y < 20, 10, 240)]).astype(np.uint8)


def published(points: np.ndarray, mask: np.ndarray, scale: float, focal: float | None) -> tuple[np.ndarray, float]:
    """MoGe's own way from its raw outputs to depth in metres and the focal length over half the diagonal, in float64:
    Levenberg-Marquardt from shift 0 on the seen points; z + shift, scaled; infinite where nothing is seen."""
    height, width = mask.shape
    half = math.hypot(width, height) / 2
    uv = np.dstack(np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)) / half
    seen = mask > 0.5
    uv, xy, z = uv[seen], points[seen][:, :2], points[seen][:, 2]

    def best(shift: float) -> tuple[float, np.ndarray]:
        projected = xy / (z + shift)[:, None]
        f = focal if focal is not None else (projected * uv).sum() / np.square(projected).sum()
        return f, f * projected - uv

    shift = float(least_squares(lambda s: best(s[0])[1].ravel(), x0=[0.0], ftol=1e-12, method="lm").x[0])
    distance = (points[..., 2] + shift) * scale
    return np.where(seen & (distance > 0), distance, np.inf), best(shift)[0]


@pytest.mark.parametrize("scale_name", ["metric_scale", "scale"])
@pytest.mark.parametrize("known", [False, True])
def test_moge_end_to_end(scale_name: str, known: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    focal_px = 80.0
    graph = networks.moge(tmp_path / "m.onnx", rays(focal_px), scale_name)
    networks.install(monkeypatch, graph.read_bytes(), "moge-2-small")
    rgb = smooth_scene()
    raw = rays(focal_px) * (2 + rgb[..., :1] / 255.0 * 3) - [0, 0, networks.MOGE_SHIFT]
    distance, focal = published(raw, rgb[..., 2] / 255.0, 2.5, focal_px / HALF_DIAGONAL if known else None)
    camera = Camera.from_focal(focal_px, WIDTH, HEIGHT, "exif") if known else None
    settings = Settings(depth="moge-2-small", edge_sharpness=0, flip_average=False)
    result, _ = depth.estimate(photo_of(rgb, camera), settings)
    assert result.scale == "metric"
    assert result.sky is not None
    np.testing.assert_array_equal(result.sky, np.isinf(distance))
    # Where bicubic sampling of the same size is the identity, the only difference is the solver's.
    np.testing.assert_allclose(result.inverse_depth[~result.sky], 1 / distance[~result.sky], rtol=1e-3)
    assert (result.inverse_depth[result.sky] == 0).all()
    assert result.camera.source == ("exif" if known else "model")
    assert result.camera.fx == pytest.approx(focal * HALF_DIAGONAL, rel=1e-3)
    assert result.camera.fx == pytest.approx(focal_px, rel=0.01)
    true = (2 + rgb[..., 0] / 255.0 * 3) * 2.5
    np.testing.assert_allclose(1 / result.inverse_depth[~result.sky], true[~result.sky], rtol=0.01)
    assert result.normals is not None
    seen = result.normals[40, 48] / 127.5 - 1
    np.testing.assert_allclose(seen, [-0.6, 0, -0.8], atol=0.005)  # of length 1, and towards the viewer
    np.testing.assert_array_equal(result.normals[5, 48], [128, 128, 0])  # the sky


def test_moge_and_the_mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    networks.install(monkeypatch, networks.moge(tmp_path / "m.onnx", rays(80)).read_bytes(), "moge-2-small")
    photo = photo_of(smooth_scene())
    once, _ = depth.estimate(photo, Settings(depth="moge-2-small", edge_sharpness=0, flip_average=False))
    both, _ = depth.estimate(photo, Settings(depth="moge-2-small", edge_sharpness=0))
    np.testing.assert_allclose(both.inverse_depth, once.inverse_depth, rtol=2e-3)
    # The tiny network sees the mirrored photo's normals as the photo's own: their mean looks along the axis.
    np.testing.assert_array_equal(np.asarray(both.normals)[40, 48], [128, 128, 0])
    assert both.camera.fx == pytest.approx(once.camera.fx, rel=1e-3)


def test_a_scene_by_moge_has_its_camera_and_metres(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    networks.install(monkeypatch, networks.moge(tmp_path / "m.onnx", rays(80)).read_bytes(), "moge-2-small")
    scene = pipeline.make(smooth_scene(), Settings(depth="moge-2-small"), until="original")
    assert scene.units == "metric"
    assert scene.camera.source == scene.points.camera.source == "model"
    assert scene.camera.fx == pytest.approx(80, rel=0.02)
    stage = next(stage for stage in scene.report if stage.stage == "depth")
    assert (stage.backend, stage.provider) == ("moge-2-small", "CPU")
    assert "field of view of 62°" in stage.reason
    assert not any("assumed" in warning for warning in scene.warnings)
    seen = ~np.asarray(scene.depth.sky)
    assert 4 < float(scene.points.z[seen].min()) < float(scene.points.z[seen].max()) < 13.5
    scene.save(tmp_path / "scene.diorama")
    again = type(scene).load(tmp_path / "scene.diorama")
    assert again.camera == scene.camera
    np.testing.assert_array_equal(again.depth.normals, scene.depth.normals)
    scene.save(tmp_path / "scene.normals.png")
    written = cv2.imread(str(tmp_path / "scene.normals.png"))
    assert written is not None
    np.testing.assert_allclose(written[..., ::-1], np.full((HEIGHT, WIDTH, 3), (128, 128, 255)), atol=1)  # both ways
    plain = pipeline.make(smooth_scene(), Settings(depth="moge-2-small", flip_average=False), until="original")
    plain.save(tmp_path / "plain.normals.png")
    written = cv2.imread(str(tmp_path / "plain.normals.png"))
    assert written is not None
    np.testing.assert_allclose(written[60, 60, ::-1], [51, 128, 230], atol=1)  # left, level, towards the viewer


def test_the_users_camera_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    networks.install(monkeypatch, networks.moge(tmp_path / "m.onnx", rays(80)).read_bytes(), "moge-2-small")
    scene = pipeline.make(smooth_scene(), Settings(depth="moge-2-small", fov=62), until="original")
    assert scene.camera.source == "user"
    assert scene.camera.fov_x == pytest.approx(62)


@pytest.mark.parametrize("blue", [0, 255])
def test_moge_sees_nothing_or_everything(blue: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    networks.install(monkeypatch, networks.moge(tmp_path / "m.onnx", rays(80)).read_bytes(), "moge-2-small")
    rgb = smooth_scene()
    rgb[..., 2] = blue
    if blue:
        assert depth.estimate(photo_of(rgb), Settings(depth="moge-2-small"))[0].sky is None
        return
    with pytest.raises(ModelError, match="found no depth"):
        depth.estimate(photo_of(rgb), Settings(depth="moge-2-small"))
    result, reason = depth.estimate(photo_of(rgb), Settings())  # auto goes on with another one
    assert result.model == "bundled"
    assert "found no depth" in reason


def test_tiles_of_nothing_but_sky_bring_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    height, width = 40, 112  # whole and tiles have the same shape, as the tiny network wants it
    networks.install(
        monkeypatch, networks.moge(tmp_path / "m.onnx", rays(80, width, height)).read_bytes(), "moge-2-small"
    )
    backend = depth.backends.find("moge-2-small")
    rgb = np.repeat(np.repeat(smooth_scene()[:20, :56], 2, 0), 2, 1)
    rgb[..., 2] = 10
    whole = replace(backend.predict(rgb, None), inverse=np.full((height, width), 0.2, np.float32))
    monkeypatch.setattr(tiles, "tiles", lambda *_size: [(slice(0, height), slice(0, width))])
    found = tiles.detailed(backend, np.ascontiguousarray(rgb), whole, 2)
    np.testing.assert_allclose(found.inverse, 0.2, rtol=1e-5)


def test_a_camera_that_can_not_be_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    networks.install(monkeypatch, networks.moge(tmp_path / "m.onnx", rays(2000)).read_bytes(), "moge-2-small")
    result, _ = depth.estimate(photo_of(smooth_scene()), Settings(depth="moge-2-small"))
    assert result.camera.source == "assumed"
    assert "can't be right" in result.warnings[0]


def test_a_graph_that_is_not_moge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    networks.install(monkeypatch, networks.moge(tmp_path / "m.onnx", rays(80)).read_bytes(), "moge-2-small")
    with pytest.raises(ModelError, match="failed"):  # its sides are fixed
        depth.estimate(photo_of(noise(50, 40)), Settings(depth="moge-2-small"))


@hypothesis_settings(max_examples=40)
@given(
    focal=st.floats(0.35, 6),
    shift=st.floats(-1, 20),
    kind=st.integers(0, 3),
    width=st.integers(48, 200),
    height=st.integers(48, 200),
    seed=st.integers(0, 99),
)
def test_the_solver_recovers_known_cameras(
    focal: float, shift: float, kind: int, width: int, height: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    half = math.hypot(width, height) / 2
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    near = 1 + 3 * random.random()
    z = {
        0: near + 4 * x + 2 * y,  # a slanted plane
        1: near + 2 + np.sin(5 * x + seed) * np.cos(4 * y),
        2: np.where((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.08, near, near * 3),  # a disc before a wall
        3: near / (1.05 - y),  # the ground
    }[kind]
    points = rays(focal * half, width, height) * z[..., None] - [0, 0, shift]
    seen = random.random((height, width)) < 0.8
    points[~seen] = np.nan
    found = moge.solve(points.astype(np.float32), seen)
    assert found.focal == pytest.approx(focal, rel=0.01)
    assert found.shift == pytest.approx(shift, abs=0.01 * near)
    assert moge.solve(points.astype(np.float32), seen, focal).shift == pytest.approx(shift, abs=0.01 * near)


@pytest.mark.parametrize("focal", [0.5, 0.9, 2.0])
def test_the_solver_bears_noise_and_strays(focal: float) -> None:
    random = np.random.default_rng(1)
    y, x = np.mgrid[0:1:90j, 0:1:120j]
    z = 3 + 2 * np.sin(4 * x) * np.cos(3 * y) + 2 * y
    points = rays(focal * 75, 120, 90) * z[..., None] - [0, 0, 2]
    points += random.normal(0, 0.01, points.shape)
    points[random.random((90, 120)) < 0.003] = (0, 0, -50)
    found = moge.solve(points.astype(np.float32), np.ones((90, 120), bool))
    assert found.focal == pytest.approx(focal, rel=0.03)


def test_a_wall_seen_head_on_keeps_the_networks_own_shift() -> None:
    points = rays(70, 120, 90) * 3.0
    found = moge.solve(points.astype(np.float32), np.ones((90, 120), bool))
    assert abs(found.shift) < 1
    assert found.focal == pytest.approx(70 / 75, rel=0.3)


# ---- networks with a contract ------------------------------------------------------------------------------------

TERMS = {"input": "picture", "output": "answer", "size": [60, 40], "meaning": "inverse"}


def with_contract(folder: Path, name: str = "mine", *, graph: Path | None = None, **changes: Any) -> Path:
    path = graph or networks.dense(folder / f"{name}.onnx", "picture", "answer")
    path.with_suffix(".json").write_text(json.dumps({**TERMS, **changes}))
    return path


def test_a_network_with_a_contract(tmp_path: Path) -> None:
    path = with_contract(tmp_path, mean=[0.1, 0.2, 0.3], std=[0.5, 0.25, 0.2], licence="CC0-1.0", note="Mine.")
    rgb = noise(60, 40)
    expected = relative(((rgb / 255.0 - [0.1, 0.2, 0.3]) / [0.5, 0.25, 0.2]) @ networks.MIX)
    settings = Settings(depth=str(path), flip_average=False, **PLAIN)
    result, reason = depth.estimate(photo_of(rgb), settings)
    np.testing.assert_allclose(result.inverse_depth, expected, atol=1e-4)
    assert result.model == reason.split()[0] == "mine.onnx"
    assert depth.choice(settings) == path.name


def test_order_layout_type_and_range_of_the_input(tmp_path: Path) -> None:
    rgb = noise(60, 40)
    graph = networks.dense(
        tmp_path / "odd.onnx", "picture", "answer", shape=(1, 40, 60, 3), kind=TensorProto.FLOAT16, channels=3
    )
    path = with_contract(tmp_path, graph=graph, layout="nhwc", colour="bgr", peak=255.0)
    result = onnx.predict(path, contract.read(path), rgb)
    np.testing.assert_allclose(result.inverse, rgb[..., ::-1].astype(np.float64) @ networks.MIX, rtol=2e-3)


@pytest.mark.parametrize(
    ("meaning", "expected", "scale"),
    [
        ("inverse", [-1.0, 0.0, 0.5, 2.0], "relative"),
        ("inverse-metric", [math.nan, 0.0, 0.5, 2.0], "metric"),
        ("distance", [math.nan, math.nan, 2.0, 0.5], "relative"),
        ("metric", [math.nan, math.nan, 2.0, 0.5], "metric"),
        ("log-metric", [math.e, 1.0, math.exp(-0.5), math.exp(-2)], "metric"),
    ],
)
def test_what_an_answer_means(meaning: Any, expected: list[float], scale: str) -> None:
    found = contract.understood(np.array([[-1.0, 0.0, 0.5, 2.0]], np.float32), meaning)
    np.testing.assert_allclose(found.inverse, [expected], rtol=1e-6)
    assert found.scale == scale


def test_metres_stay_metres_through_the_refinement(tmp_path: Path) -> None:
    # Metres: 1 + 4 x the picture's brightness, 10 % of it nearer than all else.
    path = with_contract(tmp_path, meaning="metric", mean=[-0.25, -0.125, -0.0625], std=[1, 1, 1])
    shade = np.full((40, 60), 200, np.uint8)
    shade[15:25, 20:30] = 20
    photo = photo_of(np.dstack([shade] * 3))
    true = (shade / 255.0)[..., None] + [0.25, 0.125, 0.0625]
    result, _ = depth.estimate(photo, Settings(depth=str(path), find_sky=False))
    near, far = result.inverse_depth[20, 25], result.inverse_depth[5, 5]
    assert 1 / near == pytest.approx(float(true[20, 25] @ networks.MIX), rel=0.02)
    assert 1 / far == pytest.approx(float(true[5, 5] @ networks.MIX), rel=0.02)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": None}, "'size'"),
        ({"size": 0}, "'size'"),
        ({"size": 99999}, "'size'"),
        ({"meaning": "depth"}, "'meaning'"),
        ({"colour": "grey"}, "'colour'"),
        ({"mean": [0, 0]}, "'mean'"),
        ({"std": [1, 1, 0]}, "'std'"),
        ({"peak": -1}, "'peak'"),
        ({"colours": "rgb"}, "none of that name"),
        ({"input": 3}, "'input'"),
        ({"fit": "short"}, "it is one number"),
    ],
)
def test_contracts_that_can_not_be_used(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = with_contract(tmp_path, **change)
    with pytest.raises(DepthFileError, match="can't be used") as caught:
        depth.estimate(photo_of(noise(20, 20)), Settings(depth=str(path)))
    assert said in caught.value.message
    assert "docs/models.md" in caught.value.hint


def test_contracts_that_are_not_there_or_no_json(tmp_path: Path) -> None:
    path = with_contract(tmp_path)
    settings = Settings(depth=str(path))
    path.with_suffix(".json").write_text("{")
    with pytest.raises(DepthFileError, match="can't be read"):
        depth.estimate(photo_of(noise(20, 20)), settings)
    path.with_suffix(".json").write_text("[]")
    with pytest.raises(DepthFileError, match="can't be used"):
        depth.choice(settings)
    path.with_suffix(".json").write_text(" " * (contract.MAX_CONTRACT + 1))
    with pytest.raises(DepthFileError, match="too long"):
        depth.choice(settings)
    path.with_suffix(".json").unlink()
    with pytest.raises(DepthFileError, match="beside it"):
        depth.choice(settings)
    path.unlink()
    with pytest.raises(DepthFileError, match="no file"):
        depth.choice(settings)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(DepthFileError, match="'output': it is missing"):
        contract.parse({"input": "a", "size": 3, "meaning": "inverse"}, "x.json")


def test_the_documented_contract_is_one() -> None:
    text = (Path(__file__).parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
    example = text.split("```json\n")[1].split("```")[0]
    assert contract.parse(json.loads(example), "docs") == contract.DEPTH_ANYTHING.model_copy(
        update={"licence": "Apache-2.0", "note": "Depth Anything V2 small."}
    )
    for field in contract.Contract.model_fields:
        assert f"| `{field}` |" in text
    for meaning in ("inverse", "inverse-metric", "distance", "metric", "log-metric"):
        assert f"`{meaning}`" in text


def test_networks_of_the_models_folder_have_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIORAMA_MODELS", str(tmp_path))
    with_contract(tmp_path, "mine", licence="CC0-1.0", note="Sees my garden.")
    networks.dense(tmp_path / "half.onnx", "picture", "answer")  # without a contract
    networks.dense(tmp_path / "bundled.onnx", "picture", "answer")  # a name that is taken
    rows = {row.name: row for row in depth.models()}
    assert list(rows)[-2:] == ["half", "mine"]
    assert rows["mine"].available
    assert (rows["mine"].licence, rows["mine"].note) == ("CC0-1.0", "Sees my garden.")
    assert not rows["half"].available
    assert "no contract" in rows["half"].note
    result, _ = depth.estimate(photo_of(noise(60, 40)), Settings(depth="mine"))
    assert result.model == "mine"
    with pytest.raises(DepthFileError, match="no contract"):
        depth.estimate(photo_of(noise(60, 40)), Settings(depth="half"))
    assert depth.choice(Settings()) == "bundled"  # `auto` takes only what is known


def test_a_checkpoint_is_made_anew_when_the_network_changes(tmp_path: Path) -> None:
    path = with_contract(tmp_path)
    settings = Settings(depth=str(path))
    before = depth.identity(settings)
    assert depth.identity(settings) == before
    with_contract(tmp_path, meaning="distance")
    assert depth.identity(settings) != before
    path.write_bytes(path.read_bytes() + b"\0")
    assert len({before, depth.identity(settings)}) == 2


def test_the_command_takes_a_network_file(tmp_path: Path) -> None:
    path = with_contract(tmp_path)
    cv2.imwrite(str(tmp_path / "photo.png"), noise(60, 40))
    made = diorama("depth", tmp_path / "photo.png", "-o", tmp_path / "d.npy", "--depth", path, "--json")
    assert (made.json["model"], made.json["provider"]) == ("mine.onnx", "CPU")
    unknown = diorama("depth", tmp_path / "photo.png", "-o", tmp_path / "d.npy", "--depth", "nothing")
    assert unknown.code == UnknownModelError.exit_code
    assert "moge-2-small" in unknown.err


# ---- what runs them ----------------------------------------------------------------------------------------------


class Elsewhere(onnxruntime.InferenceSession):  # type: ignore[misc]
    """A session that claims to run on CUDA, and fails when it is told to."""

    starts = True
    runs = True

    def __init__(self, path: str, options: Any, providers: list[str]) -> None:
        self.claimed = providers[0]
        if self.claimed != "CPUExecutionProvider" and not self.starts:
            raise RuntimeError("no driver\nand more")
        super().__init__(path, options, providers=["CPUExecutionProvider"])

    def get_providers(self) -> list[str]:
        return [self.claimed, "CPUExecutionProvider"]

    def run(self, *arguments: Any) -> Any:
        if self.claimed != "CPUExecutionProvider" and not self.runs:
            raise RuntimeError("out of memory")
        return super().run(*arguments)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> type[Elsewhere]:
    """An onnxruntime with CUDA."""
    monkeypatch.delenv("DIORAMA_PROVIDER")
    have = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: have)
    monkeypatch.setattr(onnxruntime, "InferenceSession", type("Session", (Elsewhere,), {}))
    monkeypatch.setattr(sessions, "_on_cpu", {})
    sessions._open.cache_clear()
    yield onnxruntime.InferenceSession
    sessions._open.cache_clear()


@pytest.mark.usefixtures("cuda")
def test_the_best_provider_is_taken_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(depth=str(with_contract(tmp_path)))
    scene = pipeline.make(noise(64, 48), settings, until="original")
    stages = {stage.stage: stage for stage in scene.report}
    assert (stages["depth"].provider, stages["mesh"].provider) == ("CUDA", "")
    monkeypatch.setenv("DIORAMA_PROVIDER", "cpu")
    scene = pipeline.make(noise(64, 48), settings, until="original")
    assert scene.report[1].provider == "CPU"


def ran(path: Path) -> sessions.Observed:
    with sessions.observed() as seen:
        onnx.predict(path, contract.read(path), noise(60, 40))
    return seen


@pytest.mark.parametrize(("failure", "said"), [("starts", "no driver"), ("runs", "out of memory")])
def test_a_provider_that_fails_is_left_for_the_cpu(
    failure: str, said: str, cuda: type[Elsewhere], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda, failure, False)
    path = with_contract(tmp_path)
    for _ in range(2):  # and stays left
        assert ran(path) == sessions.Observed(
            ["CPU"], [f"The network mine.onnx failed on CUDA and ran on the CPU instead: {said}."]
        )
    scene = pipeline.make(noise(64, 48), Settings(depth=str(path)), until="original")
    assert sum(said in warning for warning in scene.report[1].warnings) == 1


def test_onnxruntime_that_leaves_a_provider_out_without_a_word(
    cuda: type[Elsewhere], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda, "get_providers", lambda _self: ["CPUExecutionProvider"])
    assert "could not start CUDA" in ran(with_contract(tmp_path)).warnings[0]


@pytest.mark.usefixtures("cuda")
def test_a_damaged_network_is_damaged_everywhere(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="can't be loaded"):
        sessions.session(tmp_path / "bad.onnx")


@pytest.mark.parametrize(("name", "said"), [("tpu", "names nothing"), ("openvino", "can't use it")])
def test_providers_that_can_not_be_forced(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIORAMA_PROVIDER", name)
    with pytest.raises(SettingsError, match=said) as caught:
        depth.estimate(photo_of(noise(32, 32)), Settings(depth="bundled"))
    assert "auto" in caught.value.hint


def test_a_file_that_changed_is_loaded_anew(tmp_path: Path) -> None:
    path = networks.midas(tmp_path / "m.onnx")
    first = sessions.session(path)
    networks.midas(path, shift=3)
    assert sessions.session(path) is not first


def test_the_catalogue_has_what_the_table_needs() -> None:
    needed = {backend.name for backend in depth.BACKENDS if backend.files is None}
    assert needed <= set(weights.CATALOGUE)
    assert replace(weights.CATALOGUE["moge-2-small"]).licence == "MIT"


# ---- fine structure from tiles -----------------------------------------------------------------------------------


@given(width=st.integers(1, 3000), height=st.integers(1, 3000), count=st.integers(1, 6))
def test_tiles_cover_the_picture(width: int, height: int, count: int) -> None:
    found = list(tiles.tiles(width, height, count))
    for side, places in ((height, [y for y, _ in found]), (width, [x for _, x in found])):
        spans = sorted({(place.start, place.stop) for place in places})
        assert spans[0][0] == 0
        assert spans[-1][1] == side
        assert all(a[1] > b[0] for a, b in itertools.pairwise(spans))
        assert all(stop - start >= min(side, tiles.MIN_SIDE) for start, stop in spans)
        assert len(spans) <= count


class Blurred:
    """A network that sees 48 px: the red channel, each answer at another scale and shift."""

    def __init__(self, scale: str = "relative") -> None:
        self.random = np.random.default_rng(0)
        self.scale: Any = scale
        self.calls = 0

    def __call__(self, rgb: UInt8, _focal: float | None) -> Prediction:
        self.calls += 1
        small = cv2.resize(rgb, (48, 48), interpolation=cv2.INTER_AREA).astype(np.float32)
        slope, shift = (1.0, 0.0) if self.calls == 1 else self.random.uniform(0.5, 2, 2)
        far = None if self.scale == "relative" else small[..., 2] > 200
        return Prediction(small[..., 0] / 100 * np.float32(slope) + np.float32(shift), self.scale, far)


def fine_scene() -> UInt8:
    """A ramp with bars of 6 px before it, and in blue a sky."""
    y, x = np.mgrid[0:240, 0:240]
    red = 40 + x / 3 + 90 * ((x // 6) % 4 == 0) * (y > 90)
    return np.ascontiguousarray(np.dstack([red, red, np.where(y < 40, 255, 0)]), np.uint8)


def test_tiles_show_what_the_whole_does_not() -> None:
    rgb = fine_scene()
    network = Blurred()
    backend = depth.Backend("blurred", network, "", "")
    heard: list[float] = []
    whole = network(rgb, None)
    found = tiles.detailed(backend, rgb, whole, 4, heard.append).inverse
    true = rgb[..., 0].astype(np.float64) / 100
    before = cv2.resize(whole.inverse, (240, 240), interpolation=cv2.INTER_CUBIC)
    assert network.calls == 17
    assert heard == pytest.approx(np.arange(1, 17) / 16)
    middle = np.s_[110:220, 20:220]
    assert np.abs(found - true)[middle].mean() < 0.7 * np.abs(before - true)[middle].mean()
    # What is coarse stays the whole's, whatever the tiles' own scales.
    coarse = [cv2.GaussianBlur(values, (0, 0), 20) for values in (found, before)]
    assert np.abs(coarse[0] - coarse[1]).max() < 0.05


def test_tiles_leave_the_sky_alone() -> None:
    rgb = fine_scene()
    network = Blurred("metric")
    whole = network(rgb, None)
    found = tiles.detailed(depth.Backend("blurred", network, "", ""), rgb, whole, 3)
    assert found.far is not None
    assert found.far[:35].all()
    assert not found.far[45:].any()
    assert found.scale == "metric"
    assert found.inverse.min() >= whole.inverse.min() - 0.3
    before = cv2.resize(whole.inverse, (240, 240), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(found.inverse[:20], np.maximum(before, before.min())[:20])


def test_fine_structure_is_a_setting(tmp_path: Path) -> None:
    path = with_contract(tmp_path)
    settings = Settings(depth=str(path), flip_average=False)
    heard: list[str] = []
    photo = photo_of(fine_scene())
    off, _ = depth.estimate(photo, settings)
    on, _ = depth.estimate(photo, settings.changed(depth_tiles=3), progress=lambda _s, _d, text: heard.append(text))
    assert heard.count("Estimating depth of 3 tiles a side") == 9
    assert np.abs(on.inverse_depth - off.inverse_depth).max() > 0.1
