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
