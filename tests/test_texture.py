"""The texture stage: what each method may and may not do to a picture, and what becomes of each suggestion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import PhotoPath
from diorama import measures
from diorama.advice import Adviser, ReconstructionAdvice, TextureAction, TextureAdvice
from diorama.errors import ModelError
from diorama.texture import ORDER, balance, denoise, enlarge, generate, improve, learned, match, panels, sharpen, tone
from diorama.types import Bool, Layered, Rebuilt, Scene, Textured, UInt8
from scenes import layered_scene

FILTERS = {
    "denoise": lambda rgb, amount: denoise.denoise(rgb, 20 * amount),
    "sharpen": lambda rgb, amount: sharpen.sharpen(rgb, 2 * amount),
    "tone": lambda rgb, amount: tone.adjust(rgb, -amount),
    "white-balance": lambda rgb, amount: balance.balance(rgb, (1.2, 1.0, 0.8), amount),
}


@pytest.fixture(scope="module")
def photo(photo_path: PhotoPath) -> UInt8:
    with Image.open(photo_path("astronaut")) as opened:
        return np.asarray(opened.convert("RGB").crop((90, 0, 346, 256)))


def noisy(rgb: UInt8, sigma: float, seed: int = 0) -> UInt8:
    grain = np.random.default_rng(seed).normal(0, sigma, rgb.shape)
    return np.clip(np.rint(rgb + grain), 0, 255).astype(np.uint8)


def psnr(one: UInt8, other: UInt8) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((one.astype(float) - other) ** 2), 1e-9)))


def distance(one: UInt8, other: UInt8) -> float:
    return float(np.sqrt(np.mean((one.astype(float) - other) ** 2)))


# ---- the methods ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILTERS)
def test_nothing_is_nothing_and_more_is_more(name: str, photo: UInt8) -> None:
    make, rgb = FILTERS[name], noisy(photo, 6)
    assert np.array_equal(make(rgb, 0), rgb)
    moved = [distance(make(rgb, amount), rgb) for amount in (0.25, 0.5, 1)]
    assert 0 < moved[0] < moved[1] < moved[2]
    assert np.array_equal(make(rgb, 0.5), make(rgb, 0.5))


@settings(max_examples=10)
@given(st.tuples(*[st.integers(0, 255)] * 3), st.integers(8, 40), st.integers(8, 40))
def test_an_even_picture_stays_even(colour: tuple[int, int, int], height: int, width: int) -> None:
    rgb = np.full((height, width, 3), colour, np.uint8)
    assert np.array_equal(denoise.denoise(rgb, 10), rgb)
    assert np.array_equal(sharpen.sharpen(rgb, 1.5), rgb)
    assert np.ptp(tone.adjust(rgb, -0.5), axis=(0, 1)).max() == 0
    larger = enlarge.enlarge(rgb, (2 * width, 2 * height), (2, 2), (0, 0))
    assert np.abs(larger.astype(int) - np.array(colour)).max() <= 3  # what YCbCr in 8 bits costs


@pytest.mark.parametrize(("sigma", "gain"), [(5, 3), (12, 5), (25, 7)])
def test_denoising_brings_a_picture_nearer_to_the_clean_one(photo: UInt8, sigma: float, gain: float) -> None:
    grainy = noisy(photo, sigma)
    assert psnr(denoise.denoise(grainy, sigma), photo) > psnr(grainy, photo) + gain


def test_denoising_in_a_part_is_denoising_of_that_part(photo: UInt8) -> None:
    grainy = noisy(photo, 10)
    part = np.zeros(photo.shape[:2], bool)
    part[40:90, 100:160] = True
    some = denoise.denoise(grainy, 10, part)
    assert psnr(some[44:86, 104:156], photo[44:86, 104:156]) > psnr(grainy[44:86, 104:156], photo[44:86, 104:156]) + 4
    assert np.array_equal(some[:20], grainy[:20])


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_deconvolution_sharpens_without_noise_and_halos(photo: UInt8, sigma: float) -> None:
    soft = cv2.GaussianBlur(photo, (0, 0), sigma)
    sharp = sharpen.sharpen(soft, sigma)
    assert psnr(sharp, photo) > psnr(soft, photo) + 0.4
    assert measures.blur(sharp) < measures.blur(soft)
    step = np.full((40, 60, 3), 60, np.uint8)
    step[:, 30:] = 180
    edge = sharpen.sharpen(cv2.GaussianBlur(step, (0, 0), sigma), sigma)
    assert edge.min() >= 60 - sharpen.OVERSHOOT * 120 - 1
    assert edge.max() <= 180 + sharpen.OVERSHOOT * 120 + 1
    flat = noisy(np.full((64, 64, 3), 120, np.uint8), 4)
    assert sharpen.sharpen(flat, sigma, 4).std() < 1.3 * flat.std()


@pytest.mark.parametrize("gamma", [0.6, 1.6])
def test_the_curve_is_undone(photo: UInt8, gamma: float) -> None:
    curved = np.rint(255 * (photo / 255) ** gamma).astype(np.uint8)
    assert psnr(tone.adjust(curved, -np.log2(gamma)), photo) > psnr(curved, photo) + 10


def test_light_is_divided_out_and_clipped_white_stays(photo: UInt8) -> None:
    light = (1.2, 1.0, 0.8)
    tinted = np.rint(255 * measures.to_srgb(np.clip(measures.to_linear(photo) * light, 0, 1))).astype(np.uint8)
    assert psnr(balance.balance(tinted, light, 1), photo) > psnr(tinted, photo) + 8
    white = np.full((4, 4, 3), 255, np.uint8)
    assert np.array_equal(balance.balance(white, light, 1), white)


@pytest.mark.parametrize("scale", [2.0, 1.5])
def test_enlarging_is_nearer_to_the_truth_than_interpolation(photo: UInt8, scale: float) -> None:
    truth = photo[:252, :252]
    side = round(252 / scale)
    small = cv2.resize(truth, (side, side), interpolation=cv2.INTER_AREA)
    larger = enlarge.enlarge(small, (252, 252), (scale, scale), (0, 0))
    assert psnr(larger, truth) > psnr(cv2.resize(small, (252, 252), interpolation=cv2.INTER_CUBIC), truth)


# ---- imagined parts ------------------------------------------------------------------------------------------------


def seam(seen: UInt8, imagined: UInt8) -> tuple[UInt8, Bool]:
    """Left what is seen, right what is imagined, and where that is."""
    right = np.zeros(seen.shape[:2], bool)
    right[:, seen.shape[1] // 2 :] = True
    return np.where(right[..., None], imagined, seen).astype(np.uint8), right


def matched(picture: UInt8, right: Bool, amount: float = 1.0) -> UInt8:
    made, _ = match.match(
        picture, np.where(right, 1, -1).astype(np.int32), picture, np.where(right, -1, 1).astype(np.int32), amount
    )
    assert np.array_equal(made[~right], picture[~right]), "what is seen stays"
    return made


def test_imagined_parts_get_the_grain_around_them() -> None:
    plain = np.full((120, 160, 3), 120, np.uint8)
    picture, right = seam(noisy(plain, 9), plain)
    made = matched(picture, right)
    assert measures.noise(made, right) == pytest.approx(9, rel=0.15)
    assert np.array_equal(made, matched(picture, right)), "the same each time"
    back, left = seam(plain, noisy(plain, 9))
    assert measures.noise(matched(back, left), left) < 3


def test_imagined_parts_get_the_light_around_them() -> None:
    plain = np.full((120, 160, 3), 120, np.uint8)
    picture, right = seam(plain, plain + np.uint8(7))
    made = matched(picture, right).astype(int)
    step = np.abs(made[:, 80] - made[:, 79]).mean()
    assert step < 2
    assert np.abs(made[:, 159] - 127).max() <= 1, "far from the seam it stays"
    edge, other = seam(plain, plain + np.uint8(60))
    assert np.array_equal(matched(edge, other), edge), "an edge of the scene is none of its flaws"


def test_imagined_parts_get_the_sharpness_around_them(photo: UInt8) -> None:
    soft = cv2.GaussianBlur(photo, (0, 0), 1.8)
    picture, right = seam(photo, soft[:, ::-1])
    assert measures.blur(matched(picture, right), right) < measures.blur(picture, right) - 0.3
    assert np.array_equal(matched(picture, right, 0), picture)


# ---- panels --------------------------------------------------------------------------------------------------------


def rebuilt(scene: Scene) -> Rebuilt:
    assert scene.atlas is not None
    return Rebuilt(scene.points, scene.cuts, Layered(scene.atlas, scene.meshes, scene.imagined))


SCENE = layered_scene(48, 32, texture=4)


def plan(
    *actions: TextureAction, amount: float = 1.0, segment: int | None = None, source: Adviser = "openai"
) -> ReconstructionAdvice:
    return ReconstructionAdvice(
        texture=tuple(
            TextureAdvice(action=a, amount=amount, segment=segment, reason="because", source=source) for a in actions
        )
    )


def improved(
    scene: Scene, advice: ReconstructionAdvice, paint: generate.Paint = lambda: None
) -> tuple[Textured, str, str, tuple[str, ...]]:
    return improve(rebuilt(scene), scene, advice, paint=paint, progress=lambda _stage, _share, _said: None)


def test_panels_are_found_from_the_meshes() -> None:
    found = panels.find(rebuilt(SCENE).layered, SCENE.points.camera)
    assert [panel.box for panel in found[:2]] == [(0, 0, 192, 128), (192, 0, 384, 128)]
    visible, hidden = found[:2]
    assert visible.seen.all()
    assert not hidden.seen.any()
    assert 0.1 < hidden.imagined.mean() < 0.4


def test_beyond_the_frame_everything_is_imagined() -> None:
    def shrunk(uv: np.ndarray) -> np.ndarray:  # a margin of 6 pixels of the grid about the photo
        return ((uv * (96, 32) + 6) / (108, 44)).astype(np.float32)

    wall, box = SCENE.meshes[:2]
    beyond = replace(wall, vertices=wall.vertices * np.array([1.25, 1.25, 1], np.float32))
    meshes = tuple(replace(mesh, uv=shrunk(mesh.uv)) for mesh in (wall, box))
    wide = replace(beyond, uv=((beyond.uv - (0.25, 0.5)) * 1.25 + (0.25, 0.5)).astype(np.float32))
    meshes += (replace(wide, uv=shrunk(wide.uv)),)
    layered = Layered(np.zeros((44 * 4, 108 * 4, 3), np.uint8), meshes, 0.0)
    visible = panels.find(layered, SCENE.points.camera)[0]
    frame = np.zeros_like(visible.seen)
    frame[24:-24, 24:-24] = True
    assert (visible.charts[~frame] > 0).mean() > 0.5
    assert not visible.seen[~frame].any()
    assert visible.seen[frame].all()


def test_where_a_panel_lies_survives_enlarging() -> None:
    found = panels.find(rebuilt(SCENE).layered, SCENE.points.camera)
    size = 611, 203
    larger = [panels.enlarged(panel, size[0] / 384, size[1] / 128) for panel in found[:2]]
    assert larger[0].box[2] == larger[1].box[0]
    assert larger[1].box[2:] == size


@settings(max_examples=5)
@given(st.floats(1.1, 3.0))
def test_enlarging_moves_nothing(scale: float) -> None:
    """A ramp is the same ramp over 0..1, and no panel's colours reach the other."""
    found = panels.find(rebuilt(SCENE).layered, SCENE.points.camera)[:2]
    atlas = np.zeros((128, 384, 3), np.uint8)
    atlas[:, :192] = np.linspace(10, 100, 192)[None, :, None]
    atlas[:, 192:] = 200
    size = round(384 * scale), round(128 * scale)
    larger = [panels.enlarged(panel, size[0] / 384, size[1] / 128) for panel in found]
    out = enlarge.atlas(atlas, size, found, larger, None)
    middles = (np.arange(size[0]) + 0.5) * 384 / size[0]
    inner = (middles > 4) & (middles < 188)
    wanted = np.interp(middles - 0.5, np.arange(192), np.linspace(10, 100, 192))
    assert np.abs(out[5, inner, 0] - wanted[inner]).max() <= 1.5
    edge = larger[1].box[0]
    assert (out[:, edge:] == 200).all()
    assert out[:, :edge].max() <= 104


@pytest.mark.parametrize("action", ["denoise", "sharpen", "tone"])
def test_no_panel_reaches_into_another(action: TextureAction) -> None:
    assert SCENE.atlas is not None
    scene = replace(SCENE, atlas=noisy(cv2.GaussianBlur(SCENE.atlas // 2, (0, 0), 1.5), 8))
    other = scene.atlas.copy()
    other[:, 192:] = 255 - other[:, 192:]
    one, two = (improved(replace(scene, atlas=a), plan(action))[0].atlas for a in (scene.atlas, other))
    assert np.array_equal(one[:, :192], two[:, :192])


# ---- the stage -----------------------------------------------------------------------------------------------------


def test_nothing_advised_is_nothing_done() -> None:
    made, backend, _, warnings = improved(SCENE, plan())
    assert made.atlas is SCENE.atlas
    assert (made.outcomes, backend, warnings) == ((), "none", ())


def test_amount_zero_changes_no_bit() -> None:
    made, *_ = improved(SCENE, plan(*ORDER, amount=0))
    assert np.array_equal(made.atlas, SCENE.atlas)
    assert [o.applied for o in made.outcomes] == [False] * len(ORDER)


def test_every_suggestion_has_an_outcome_and_measures() -> None:
    assert SCENE.atlas is not None
    scene = replace(SCENE, atlas=noisy(SCENE.atlas, 12))
    advice = plan("super-resolution", "denoise", "generate", "white-balance")
    made, backend, reason, _ = improved(scene, advice)
    assert [o.key for o in made.outcomes] == [f"texture.{item.action}" for item in advice.texture]
    by_key = {o.key: o for o in made.outcomes}
    assert by_key["texture.denoise"].applied
    assert "of 255" in by_key["texture.denoise"].before
    assert not by_key["texture.generate"].applied
    assert "diorama models pull" in by_key["texture.generate"].sentence
    assert by_key["texture.super-resolution"].after.endswith("px")
    assert max(made.atlas.shape) > max(scene.atlas.shape)
    assert "denoise" in backend
    assert reason.endswith("of 4 suggestions applied")


def test_advice_against_flaws_that_are_not_there_does_nothing(photo: UInt8) -> None:
    clean = cv2.resize(photo, (192, 128), interpolation=cv2.INTER_AREA)
    scene = replace(SCENE, atlas=np.concatenate([clean, clean], axis=1))
    made, *_ = improved(scene, plan("denoise", "sharpen"))
    assert psnr(made.atlas, scene.atlas) > 34
    # More than there is can't be asked for: the noise that is taken out is the noise that is there.
    grainy = replace(scene, atlas=noisy(scene.atlas, 8))
    assert psnr(improved(grainy, plan("denoise"))[0].atlas[:, :192], clean) > psnr(grainy.atlas[:, :192], clean) + 2


@pytest.mark.parametrize("action", ["tone", "white-balance"])
def test_advice_from_measures_alone_leaves_what_may_be_meant(action: TextureAction, photo: UInt8) -> None:
    warm = balance.balance(photo, (0.97, 1.0, 1.03), 1)  # a little warmer and darker: an evening
    dark = cv2.resize(tone.adjust(warm, 0.2), (192, 128), interpolation=cv2.INTER_AREA)
    scene = replace(SCENE, atlas=np.concatenate([dark, dark], axis=1))
    told = improved(scene, plan(action))[0]
    measured = improved(scene, plan(action, source="local"))[0]
    assert distance(measured.atlas, scene.atlas) <= distance(told.atlas, scene.atlas)
    assert psnr(measured.atlas, scene.atlas) > 30


@pytest.mark.parametrize("action", ["denoise", "sharpen", "tone", "white-balance"])
def test_what_measures_worse_than_before_is_taken_back(
    action: TextureAction, photo: UInt8, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measure that misjudges a photo says so itself; somebody who has looked at the photo is believed."""
    noisy = photo.astype(np.float64) * [1, 0.8, 0.5] * 0.6 + np.random.default_rng(0).normal(0, 9, photo.shape)
    rgb = cv2.GaussianBlur(np.clip(noisy, 0, 255).round().astype(np.uint8), (0, 0), 1.5)
    scene = replace(SCENE, atlas=cv2.resize(rgb, (384, 128)))
    asked: list[float] = []

    def worse(*_: object) -> float:
        asked.append(10.0 + len(asked))
        return asked[-1]

    monkeypatch.setattr(measures, "noise", worse if action == "denoise" else lambda *_: 1.0)
    monkeypatch.setattr(measures, "blur", lambda *_: worse() / 5)
    monkeypatch.setattr(measures, "tone", lambda *_: measures.Tone(-worse() / 10, 0.0, 1.0, 0.2))
    monkeypatch.setattr(measures, "cast", lambda *_: (0.0, 100 * worse()))
    for source in ("local", "openai"):
        asked.clear()
        advice = TextureAdvice(action=action, amount=1, reason="", source=source)
        made = improved(scene, ReconstructionAdvice(texture=(advice,)))[0]
        (outcome,) = made.outcomes
        assert outcome.applied == (source == "openai")
        assert np.array_equal(made.atlas, scene.atlas) == (source == "local")
        assert ("measured worse" in outcome.sentence) == (source == "local")


def test_one_segment_alone() -> None:
    assert SCENE.atlas is not None
    scene = replace(
        SCENE,
        atlas=noisy(SCENE.atlas, 12),
        meshes=tuple(replace(m, segment=2 if m.name == "Box" else 1) for m in SCENE.meshes),
    )
    made, *_ = improved(scene, plan("denoise", segment=2))
    changed = (made.atlas != scene.atlas).any(axis=2)
    box = panels.find(rebuilt(scene).layered, scene.points.camera)[0].segments == 2
    assert changed[:, :192][box].mean() > 0.9
    assert not changed[:, :192][~box].any()
    assert not improved(scene, plan("denoise", segment=9))[0].outcomes[0].applied


def test_painting_anew_keeps_to_what_was_imagined() -> None:
    asked: list[str] = []

    def fill(rgb: UInt8, hole: Bool, known: Bool, prompt: str) -> UInt8:
        assert not (hole & known).any()
        asked.append(prompt)
        return np.where(hole[..., None], 77, rgb).astype(np.uint8)

    painter = generate.Painter("words", "for the test", True, fill)
    item = TextureAdvice(action="generate", amount=1, prompt="a brick wall", reason="flat", source="openai")
    made, *_ = improved(SCENE, ReconstructionAdvice(texture=(item,)), lambda: painter)
    hidden = panels.find(rebuilt(SCENE).layered, SCENE.points.camera)[1]
    assert asked
    assert set(asked) == {"a brick wall"}
    assert np.array_equal(made.atlas[:, :192], SCENE.atlas[:, :192])
    assert (hidden.of(made.atlas)[hidden.imagined] == 77).all()
    assert '"a brick wall"' in made.outcomes[0].sentence


def test_a_painter_that_fails_is_said() -> None:
    def refused() -> generate.Painter:
        raise ModelError("The service refused.", hint="Pay.")

    made, _, _, warnings = improved(SCENE, plan("generate"), refused)
    assert np.array_equal(made.atlas, SCENE.atlas)
    assert (made.outcomes[0].applied, made.outcomes[0].sentence) == (False, "The service refused. Pay.")
    assert warnings == ("Nothing was painted anew: The service refused.",)


# ---- a network that enlarges ---------------------------------------------------------------------------------------


def upscaler(path: Path, scale: int, side: int | str = "side") -> Path:
    """A graph that repeats every pixel `scale` times each way."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    factors = numpy_helper.from_array(np.array([1, 1, scale, scale], np.float32), "factors")
    node = helper.make_node("Resize", ["in", "", "factors"], ["out"], mode="nearest", nearest_mode="floor",
                            coordinate_transformation_mode="asymmetric")  # fmt: skip
    shapes = [[1, 3, side, side], [1, 3, "h", "w"]]
    given, answer = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in zip(("in", "out"), shapes, strict=True)
    )
    graph = helper.make_graph([node], "up", [given], [answer], [factors])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("side", ["side", 64])
def test_a_network_enlarges_tile_by_tile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: UInt8, side: int | str
) -> None:
    monkeypatch.setenv(learned.VARIABLE, str(upscaler(tmp_path / f"up-{side}.onnx", 2, side)))
    network, trouble = learned.network()
    assert trouble == ""
    assert network is not None
    assert network.scale == 2
    assert np.array_equal(network.enlarge(photo[:75, :130]), photo[:75, :130].repeat(2, 0).repeat(2, 1))
    made, *_ = improved(SCENE, plan("super-resolution"))
    assert f"up-{side}.onnx" in made.outcomes[0].sentence


def test_a_network_that_is_none_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "missing.onnx", upscaler(tmp_path / "same.onnx", 1)):
        monkeypatch.setenv(learned.VARIABLE, str(path))
        made, _, _, warnings = improved(SCENE, plan("super-resolution"))
        assert "back-projection" in made.outcomes[0].sentence
        assert len(warnings) == 1
        assert learned.VARIABLE in warnings[0]


@pytest.mark.parametrize("look", ["low-key", "high-key", "amber"])
def test_what_nobody_has_looked_at_stays_nearly_as_it_was(photo: UInt8, look: str) -> None:
    clean = cv2.resize(photo, (192, 128), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    pictures = {
        "low-key": 110 * clean**3,
        "high-key": 150 + 100 * clean**0.5,
        "amber": 255 * clean * np.array([1, 0.7, 0.35], np.float32),
    }
    rgb = np.rint(pictures[look]).astype(np.uint8)
    scene = replace(SCENE, atlas=np.concatenate([rgb, rgb], axis=1))
    action: TextureAction = "white-balance" if look == "amber" else "tone"
    advice = {
        source: ReconstructionAdvice(texture=(TextureAdvice(action=action, amount=1, reason="", source=source),))
        for source in ("local", "openai")
    }
    by_measures, by_sight = (improved(scene, advice[source])[0].atlas for source in ("local", "openai"))
    assert scene.atlas is not None
    assert 37 < psnr(by_measures, scene.atlas) < 45
    assert psnr(by_sight, scene.atlas) < 30
