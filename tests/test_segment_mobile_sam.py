"""MobileSAM end to end, on small graphs with the real ones' names, shapes and conventions."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from diorama import networks, weights
from diorama.errors import DownloadError, ModelError, WeightsMissingError
from diorama.segment import mobile_sam, segment
from diorama.settings import Settings
from diorama.types import Camera, Photo
from diorama.weights import Weights
from segment_scenes import BALL, POST, View, overlap, tiny_sam


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return tiny_sam(tmp_path_factory.mktemp("sam"))


@pytest.fixture
def cached(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The small graphs as if they were the catalogue's, in the cache."""
    entries = {}
    for name, file in zip((mobile_sam.ENCODER, mobile_sam.DECODER), files, strict=True):
        sha256 = weights._sha256(file)
        entries[name] = Weights(name, file.name, "https://example.invalid/x", file.stat().st_size, sha256, "MIT", "x")
        home = weights.cache_folder() / "weights" / file.name
        home.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, home)
    monkeypatch.setattr(weights, "CATALOGUE", entries)


def test_a_point_on_the_ball_gives_the_ball(files: tuple[Path, Path]) -> None:
    for size in ((240, 160), (90, 150)):
        view = View(*size)
        embedding = mobile_sam.encode(view.photo, files[0])
        assert embedding.shape == (1, 256, 64, 64)
        mask = mobile_sam.decode(embedding, (size[0] * 0.45, size[1] * 0.55), size, files[1])
        assert mask is not None
        assert overlap(mask.inside, view.truth == BALL) > 0.85


@pytest.mark.parametrize("size", [(1024, 640), (512, 1024)])
def test_the_encoder_is_given_what_was_published(files: tuple[Path, Path], size: tuple[int, int]) -> None:
    """Against float64: RGB 0..255, long side 1024; normalised, then padded with zeros, in the graph. Then the decoder's
    convention: the point in the encoder's pixels, the mask at the picture's size."""
    width, height = size
    rgb = np.repeat(np.repeat(np.random.default_rng(1).integers(0, 256, (16, 16, 3)), 64, 0), 64, 1).astype(np.uint8)
    rgb = np.ascontiguousarray(rgb[:height, :width])
    normal = (rgb.astype(np.float64) - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]
    square = np.zeros((1024, 1024, 3))
    square[:height, :width] = normal
    cells = square.reshape(64, 16, 64, 16, 3).mean(axis=(1, 3))
    embedding = mobile_sam.encode(Photo(rgb, Camera.assumed(width, height)), files[0])
    np.testing.assert_allclose(embedding[0, :3].transpose(1, 2, 0), cells, atol=1e-4)
    halves = np.where(np.arange(width)[:, None] < width // 2, (200, 30, 40), (20, 90, 220)).astype(np.uint8)
    photo = Photo(np.ascontiguousarray(np.repeat(halves[None], height, 0)), Camera.assumed(width, height))
    mask = mobile_sam.decode(mobile_sam.encode(photo, files[0]), (0.9 * width, 0.3 * height), size, files[1])
    assert mask is not None
    right = (np.arange(width) >= width // 2)[None].repeat(height - 32, 0)  # the graph blurs across its padding
    np.testing.assert_array_equal(mask.inside[:-32, 8::16], right[:, 8::16])


@pytest.mark.usefixtures("cached")
def test_segments_from_masks() -> None:
    view = View(post=True)
    calls: list[float] = []
    found, backend, reason = segment(*view.parts, progress=lambda _stage, share, _message: calls.append(share))
    assert backend == "mobile-sam"
    assert reason.endswith(".")
    assert calls == sorted(calls)
    kinds = {item.kind for item in found.items}
    assert {"subject", "sky"} <= kinds
    subject = next(item for item in found.items if item.kind == "subject")
    assert overlap(found.labels == subject.id, view.truth == BALL) > 0.85
    assert (
        max(overlap(found.labels == item.id, view.truth == POST) for item in found.items if item.kind == "object") > 0.6
    )
    sky = next(item for item in found.items if item.kind == "sky")
    assert sky.id in subject.in_front_of


def test_nothing_but_sky_needs_no_network(tmp_path: Path) -> None:
    view = View()
    empty = view.depth.__class__(
        np.zeros_like(view.depth.inverse_depth),
        "relative",
        view.photo.camera,
        "made",
        None,
        np.ones_like(view.points.mask),
    )
    missing = tmp_path / "none.onnx"
    found = mobile_sam.find_regions(view.points, view.cuts, view.photo, empty, 1.0, (missing, missing))
    assert [item.kind for item in found.items] == ["sky"]


def test_unsure_answers_are_left_out(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    view = View()
    embedding = mobile_sam.encode(view.photo, files[0])
    monkeypatch.setattr(mobile_sam, "LEAST_IOU", 0.99)
    assert mobile_sam.decode(embedding, (100, 80), (240, 160), files[1]) is None
    found = mobile_sam.find_regions(view.points, view.cuts, view.photo, view.depth, 1.0, files)
    assert not any(item.kind == "subject" for item in found.items)


def test_of_masks_that_are_nearly_the_same_the_best_stays() -> None:
    one, other = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    one[2:10, 2:10] = other[2:10, 2:11] = True
    apart = np.roll(one, 10, axis=1)
    masks = [mobile_sam.Mask(one, 0.8), mobile_sam.Mask(other, 0.9), mobile_sam.Mask(apart, 0.7)]
    assert [mask.quality for mask in mobile_sam.thinned(masks)] == [0.9, 0.7]


def test_without_weights_auto_takes_regions_and_says_so() -> None:
    _, backend, reason = segment(*View().parts)
    assert backend == "regions"
    assert "not in the cache" in reason


def test_asked_for_by_name_without_weights() -> None:
    with pytest.raises(WeightsMissingError, match="not in the cache") as caught:
        segment(*View().parts[:-1], Settings(segmenter="mobile-sam"), fetch=True)  # offline
    assert mobile_sam.ENCODER in caught.value.hint


def test_fetched_where_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, _progress: object = None) -> Path:
        raise DownloadError(f"{name} can't be had.", hint="Try again.")

    monkeypatch.setattr(weights, "is_offline", lambda: False)
    monkeypatch.setattr(weights, "fetch", refuse)
    with pytest.raises(DownloadError):
        segment(*View().parts[:-1], Settings(segmenter="mobile-sam"), fetch=True)


@pytest.mark.usefixtures("cached")
def test_a_file_that_is_no_network() -> None:
    networks._open.cache_clear()
    broken = weights.cache_folder() / "weights" / "mobile_sam_image_encoder.onnx"
    content = bytearray(broken.read_bytes())
    content[:64] = bytes(64)
    broken.write_bytes(content)
    entry = weights.CATALOGUE[mobile_sam.ENCODER]
    changed = Weights(entry.name, entry.file, entry.url, entry.bytes, weights._sha256(broken), "MIT", "x")
    weights.CATALOGUE[mobile_sam.ENCODER] = changed  # type: ignore[index]
    with pytest.raises(ModelError, match="failed"):
        segment(*View().parts[:-1], Settings(segmenter="mobile-sam"))
    _, backend, reason = segment(*View().parts)
    assert backend == "regions"
    assert "can't run" in reason


def test_another_model_under_that_name(files: tuple[Path, Path], tmp_path: Path) -> None:
    import onnx

    model = onnx.load(str(files[0]))
    for initializer in model.graph.initializer:
        if initializer.name == "channels":
            initializer.CopyFrom(onnx.numpy_helper.from_array(np.array([0, 0, 0, 0, 0, 9, 0, 0], np.int64), "channels"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 12
    wrong = tmp_path / "wrong.onnx"
    onnx.save(model, str(wrong))
    with pytest.raises(ModelError, match="shape"):
        mobile_sam.encode(View().photo, wrong)
    with pytest.raises(ModelError):
        mobile_sam.decode(np.zeros((1, 256, 64, 64), np.float32), (1, 1), (8, 8), wrong)
