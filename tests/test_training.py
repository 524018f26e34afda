"""How the depth network is made: losses, labels, batches, the exported file, and all of it once, small."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.depth import bundled

pytestmark = pytest.mark.needs("transformers")  # PyTorch is what is meant; it comes with the same extra


def smooth(seed: int, height: int = 64, width: int = 96) -> np.ndarray:
    """(H, W), 0..1, with a step."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    values = sum(rng.normal() * np.sin(6 * (x * rng.normal() + y * rng.normal()) + rng.normal()) for _ in range(4))
    values = values + (x > rng.uniform(0.2, 0.6))
    return ((values - values.min()) / np.ptp(values)).astype(np.float32)


def told(values: np.ndarray, truth: np.ndarray) -> float:
    """The loss of an answer."""
    import torch

    from training import losses

    torch.manual_seed(0)  # of the pairs
    answer, target = (torch.from_numpy(one[None].astype(np.float32)) for one in (values, truth))
    return float(losses.loss(losses.UNIT * answer, target, torch.ones(1)))


@given(seed=st.integers(0, 100), shift=st.floats(-5, 5))
@settings(max_examples=15, deadline=None)
def test_the_loss_is_blind_to_shift_and_least_at_the_truth(seed: int, shift: float) -> None:
    truth = smooth(seed)
    other = 0.7 * smooth(seed) + 0.3 * smooth(seed + 1)
    assert told(other + np.float32(shift), truth) == pytest.approx(told(other, truth), rel=2e-3)
    assert told(truth, truth) < told(other, truth) < told(1 - truth, truth)


def test_the_loss_of_a_scale_is_that_of_the_spread_alone() -> None:
    truth, other = smooth(1), 0.7 * smooth(1) + 0.3 * smooth(2)
    said = [told(scale * other, truth) for scale in (2, 4, 8)]
    assert said[1] - said[0] > 0.05
    assert said[1] - said[0] == pytest.approx(said[2] - said[1], rel=0.1)


@given(rise=st.floats(0.01, 2), grain=st.floats(0, 0.003), seed=st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_on_a_wall_the_loss_punishes_a_rise_the_more_the_steeper_it_is(rise: float, grain: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=(64, 96))
    wall = 1 + np.float32(grain) * noise
    ramp = np.linspace(0, 1, 64)[:, None] + 0 * wall
    flat, slight, steep = (told(wall + k * ramp, wall) for k in (0, rise, 1.5 * rise))
    assert np.isfinite([flat, slight, steep]).all()
    assert flat < slight < steep < 40


@given(step=st.floats(1e-4, 10), zero=st.integers(0, 255), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_weights_of_256_levels_are_found_out_and_come_back_exactly(step: float, zero: int, seed: int) -> None:
    from training import export

    numbers = np.random.default_rng(seed).integers(0, 256, 900)
    values = ((numbers - zero) * np.float64(step)).astype(np.float32)
    found = export.exact_steps(values)
    assert found is not None
    back = (found[0].astype(np.float32) - found[2]) * found[1]
    assert np.abs(back - values).max() < 1e-5 * np.abs(values).max()
    assert export.exact_steps(np.random.default_rng(seed).normal(size=900).astype(np.float32)) is None


def test_an_exported_network_says_what_it_said_at_any_size(tmp_path: Path) -> None:
    import torch

    from training import export
    from training.network import DepthNet

    torch.manual_seed(0)
    net = DepthNet().eval()
    size = export.write(net, tmp_path / "a.onnx")
    assert size == (tmp_path / "a.onnx").stat().st_size < 4.6e6
    rng = np.random.default_rng(0)
    for height, width in ((64, 96), (96, 32)):
        rgb = rng.integers(0, 255, (height, width, 3), np.uint8)
        with torch.no_grad():
            own = net(torch.from_numpy(rgb.transpose(2, 0, 1)[None].copy()).float() / 255)[0].numpy()
        answer = bundled.answer(rgb, max(height, width), tmp_path / "a.onnx")
        assert answer.shape == own.shape
        assert np.abs(answer - own).max() < 0.02 * own.std() + 1e-3


def test_a_network_in_whole_numbers_says_nearly_the_same(tmp_path: Path) -> None:
    from training import quantise

    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "notes.txt").write_text("no picture")
    rgb = np.asarray(smooth(3) * 255, np.uint8)
    for number, shade in enumerate((rgb, 255 - rgb)):
        cv2.imwrite(str(photos / f"{number}.png"), np.dstack([shade] * 3))
    source, path = bundled.shipped().own, tmp_path / "whole.onnx"
    assert quantise.write(source, path, photos, 96) == path.stat().st_size < source.stat().st_size
    picture = np.dstack([rgb] * 3)
    one, other = (bundled.standardised(bundled.answer(picture, 96, file)) for file in (source, path))
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97


def _layered_network(path: Path, seed: int = 0) -> None:
    """Of two levels and named as Tiefenrausch, with random weights; its coarser skip adds what it was given."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)
    nodes, constants = [], [numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice")]

    def convolution(of: str, name: str, size: tuple[int, ...], **given: int) -> str:
        weight, bias = f"w_1_{name}_conv_weight", f"w_1_{name}_conv_bias"
        kernel = np.abs(rng.normal(size=size)) + 0.1
        kernel /= kernel.sum(axis=(1, 2, 3), keepdims=True)
        constants.append(numpy_helper.from_array(kernel.astype(np.float32), weight))
        constants.append(numpy_helper.from_array(rng.normal(0, 0.1, size[0]).astype(np.float32), bias))
        pads, stride = [size[2] // 2] * 4, given.pop("stride", 1)
        nodes.append(helper.make_node("Conv", [of, weight, bias], [name], pads=pads, strides=[stride] * 2, **given))
        return name

    def block(of: str, name: str, enlarged: bool = False) -> str:
        wide = convolution(of, f"{name}_0_pw", (6, 4, 1, 1))
        if enlarged:
            how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            nodes.append(helper.make_node("Resize", [wide, "", "twice"], [f"{name}_large"], **how))
            wide = f"{name}_large"
        return convolution(convolution(wide, f"{name}_0_dw", (6, 1, 3, 3), group=6), f"{name}_0_pwl", (4, 6, 1, 1))

    def added(*of: str) -> str:
        nodes.append(helper.make_node("Add", of, ["+".join(of)]))
        return "+".join(of)

    whole = convolution("image", "first", (4, 3, 3, 3))
    half = convolution(whole, "stages_0_1_xif3_0_dw", (4, 1, 3, 3), group=4, stride=2)
    quarter = convolution(half, "stages_0_2_xif6_0_dw", (4, 1, 3, 3), group=4, stride=2)
    skip = added(half, block(half, "stages_1_1_xif4"))
    half = added(skip, block(quarter, "stages_2_2_xif8", enlarged=True))
    whole = added(block(whole, "stages_1_0_xif1"), block(half, "stages_2_1_xif5", enlarged=True))
    last = convolution(whole, "last", (1, 4, 3, 3))
    nodes.append(helper.make_node("ReduceMean", [last], ["inverse_depth"], axes=[1], keepdims=0))
    picture = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"])
    answer = helper.make_tensor_value_info("inverse_depth", TensorProto.FLOAT, [1, "H", "W"])
    graph = helper.make_graph(nodes, "layered", [picture], [answer], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def test_finest_levels_at_fewer_pixels_say_the_same_coarser(tmp_path: Path) -> None:
    from training import coarse, quantise

    photos = tmp_path / "photos"
    photos.mkdir()
    rgb = np.dstack([np.asarray(smooth(seed) * 255, np.uint8) for seed in (3, 4, 5)])
    cv2.imwrite(str(photos / "a.png"), rgb)
    _layered_network(tmp_path / "float.onnx")
    quantise.write(tmp_path / "float.onnx", tmp_path / "whole.onnx", photos, 128)
    large = bundled.answer(rgb, 128, tmp_path / "whole.onnx")
    for levels, size in ((1, 2), (2, 4)):
        path = tmp_path / f"{levels}.onnx"
        assert coarse.write(tmp_path / "whole.onnx", path, levels) == path.stat().st_size
        small = bundled.answer(rgb, 128, path)
        assert small.shape == (large.shape[0] // size, large.shape[1] // size)
        same = cv2.resize(large, small.shape[::-1], interpolation=cv2.INTER_AREA)
        inner = np.s_[2:-2, 2:-2]  # at the border there are zeros beside the picture, nearer or farther
        assert np.abs(small - same)[inner].max() < 0.15 * np.ptp(same)
        assert np.corrcoef(small[inner].ravel(), same[inner].ravel())[0, 1] > 0.99


def test_kernels_for_neighbours_farther_away_keep_sums_and_slopes() -> None:
    from training import coarse

    kernels = np.random.default_rng(0).normal(size=(5, 1, 3, 3))
    steps = np.arange(-1, 2)
    for apart in (1, 2, 8):
        wide = coarse.spread(kernels, apart)
        assert np.allclose(wide.sum(axis=(2, 3)), kernels.sum(axis=(2, 3)))
        for axis in ("i,ncij->nc", "j,ncij->nc"):
            assert np.allclose(apart * np.einsum(axis, steps, wide), np.einsum(axis, steps, kernels))


def test_a_published_file_is_what_training_starts_from(tmp_path: Path) -> None:
    import onnx
    import torch

    from training import export
    from training.network import DepthNet, load

    torch.manual_seed(0)
    net = DepthNet().eval()
    for module in net.modules():  # as it never is when trained: the exporter leaves out norms that do nothing
        if isinstance(module, torch.nn.GroupNorm):
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias)
    torch.nn.init.normal_(net.fine.out.weight)
    export.write(net, tmp_path / "a.onnx")
    started = DepthNet().eval()
    load(started, tmp_path / "a.onnx")
    with torch.no_grad():
        picture = torch.rand(1, 3, 64, 96)
        assert torch.allclose(started(picture), net(picture), atol=0.02 * float(net(picture).std()))
    load(started, bundled.shipped().own)
    other = onnx.load(str(bundled.shipped().own))
    del other.graph.initializer[2]
    onnx.save(other, str(tmp_path / "other.onnx"))
    with pytest.raises(ValueError, match="isn't a version of the depth network"):
        load(DepthNet(), tmp_path / "other.onnx")


def test_regions_are_painted_over_each_other() -> None:
    from training import marked

    drawn = [
        {"at": [0.2, 0.2]},
        {"at": [0.0, 1.0], "within": [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]},
        {"at": [0.7, 0.7], "within": [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]]},
    ]
    found = marked.painted(np.full((101, 151), 9, np.float32), drawn)
    assert (found[:40] == np.float32(0.2)).all()
    np.testing.assert_allclose(found[50:, 10], np.linspace(0, 1, 51), atol=1e-6)
    assert found[50, 75] == np.float32(0.7)
    assert marked.regions("no such photo") == []


def test_what_is_marked_lies_in_the_photo_and_in_range() -> None:
    import tomllib

    from training import marked

    with marked.TABLE.open("rb") as file:
        table = tomllib.load(file)
    for drawn in table.values():
        for one in drawn:
            assert set(one) <= {"at", "within"}
            assert all(0 <= value <= 1 for value in one["at"])
            assert all(0 <= value <= 1 for corner in one.get("within", []) for value in corner)
            assert "within" not in one or len(one["within"]) > 2
        assert "within" not in drawn[0]


def test_a_label_is_what_teachers_agree_on() -> None:
    from training import labels

    truth = smooth(3, 96, 128)

    class Moody:
        """Right, but in another scale and shift at each view, and noisy."""

        def __init__(self, seed: int):
            self.rng = np.random.default_rng(seed)

        def __call__(self, rgb: np.ndarray, _long_side: int) -> np.ndarray:
            seen = rgb[..., 0].astype(np.float32) / 255
            noisy = seen + self.rng.normal(0, 0.1, seen.shape)
            return (self.rng.uniform(0.5, 2) * noisy + self.rng.normal()).astype(np.float32)

    rgb = np.repeat(np.rint(255 * truth)[..., None], 3, axis=2).astype(np.uint8)
    found = labels.label(rgb, [Moody(0), Moody(1)], 12, np.random.default_rng(0))  # type: ignore[list-item]
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.99


def test_batches_hold_the_asked_share_of_photos_and_cuts_keep_picture_and_depth_together() -> None:
    from training import batches

    scenes = batches.Scenes(4)
    rgb = np.repeat(np.rint(255 * smooth(0))[..., None], 3, axis=2).astype(np.uint8)
    scenes.examples = [batches.example(rgb, smooth(0))]
    stream = batches.batches(scenes, [batches.example(rgb, smooth(0))], [(64, 96), (96, 64)], 8 * 64 * 96, 0.5, 0)
    for _ in range(4):
        pictures, inverse, exact = next(stream)
        assert pictures.shape == (8, 3, *inverse.shape[1:])
        assert inverse.shape[1:] in {(64, 96), (96, 64)}
        assert exact.sum() in {4, 5, 3}
        assert 0 <= pictures.min() <= pictures.max() <= 1
    rng = np.random.default_rng(0)
    for _ in range(10):
        cut = batches.crop(scenes.examples[0], 64, 96, rng, 0.5)
        assert np.abs(cut.rgb[..., 0] / 255 - cut.inverse * np.float32(np.percentile(smooth(0), 98))).mean() < 0.03


def test_everything_once_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from training import depth

    assert depth.smoke(tmp_path, 16, steps=24) == 0
    assert "->" in capsys.readouterr().out
    kept = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert kept[-1] == "last.pt"
    assert len(kept) == 2


def test_a_run_goes_on_where_it_ended(tmp_path: Path) -> None:
    from training import train

    rgb = np.repeat(np.rint(255 * smooth(0))[..., None], 3, axis=2).astype(np.uint8)
    plan = train.Plan(minutes=1, steps=2, pixels=2 * 64 * 96, sizes=((64, 96),), least=2)
    train.run(tmp_path, plan, None, [(rgb, smooth(0))] * 2, None)
    train.run(tmp_path, plan, tmp_path / "last.pt", [(rgb, smooth(0))] * 2, None)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["00000004.pt", "00000008.pt", "last.pt"]
