"""The table of depth backends, the choice among them, and what `estimate` promises."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import networks
from diorama import depth, download, weights
from diorama import networks as sessions
from diorama.depth import bundled, contract, onnx
from diorama.errors import DownloadError, ModelError, UnknownModelError, WeightsMissingError
from diorama.settings import Settings
from diorama.types import Camera, Photo, UInt8
from file_server import serving

PhotoPath = Callable[[str], Path]


def photo_of(rgb: UInt8) -> Photo:
    return Photo(np.ascontiguousarray(rgb), Camera.assumed(rgb.shape[1], rgb.shape[0]))


@pytest.fixture(scope="module")
def coffee() -> Photo:
    from conftest import find_photo

    picture = cv2.imread(str(find_photo("coffee")))
    assert picture is not None
    return photo_of(cv2.resize(picture[..., ::-1], (300, 200), interpolation=cv2.INTER_AREA))


@pytest.fixture(autouse=True)
def _forget_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_unreachable", {})
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.01)


@pytest.fixture
def tiny_midas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return networks.install(monkeypatch, networks.midas(tmp_path / "midas.onnx").read_bytes())


# ---- the choice --------------------------------------------------------------------------------------------------


def test_auto_takes_the_bundled_network_and_says_why(coffee: Photo) -> None:
    result, reason = depth.estimate(coffee, Settings(), fetch=True)  # the tests' environment is offline
    assert result.model == "bundled"
    assert "midas-v21-small are not in the cache (Diorama is offline)" in reason
    assert result.warnings == (reason,)
    _, reason = depth.estimate(coffee, Settings(), fetch=False)
    assert reason.endswith(".")


def test_auto_takes_the_best_that_is_here(tiny_midas: Path, coffee: Photo) -> None:
    assert tiny_midas.exists()
    assert depth.choice(Settings()) == "midas-v21-small"
    result, reason = depth.estimate(coffee, Settings())
    assert result.model == "midas-v21-small"
    assert "best" in reason
    assert result.warnings == ()


def test_auto_fetches_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, coffee: Photo) -> None:
    content = networks.midas(tmp_path / "midas.onnx").read_bytes()
    monkeypatch.delenv("DIORAMA_OFFLINE")
    heard: list[tuple[str, float, str]] = []
    with serving(content) as server:
        networks.catalogue_with(monkeypatch, content, server.url)
        result, _ = depth.estimate(coffee, Settings(), fetch=False)
        assert result.model == "bundled"
        assert server.requests == []
        result, _ = depth.estimate(coffee, Settings(), fetch=True, progress=lambda *said: heard.append(said))
    assert result.model == "midas-v21-small"
    assert {stage for stage, _, _ in heard} == {"depth"}
    shares = [share for _, share, _ in heard]
    assert shares == sorted(shares)
    assert any("Fetching" in text for _, _, text in heard)


def test_without_a_network_the_bundled_one_runs_soon_and_once(monkeypatch: pytest.MonkeyPatch, coffee: Photo) -> None:
    tries: list[float] = []

    def hang(*_arguments: object, **_options: object) -> list[object]:
        tries.append(time.monotonic())
        time.sleep(4)
        raise OSError("no name server")

    monkeypatch.delenv("DIORAMA_OFFLINE")
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    assert weights.REACH_SECONDS <= 3
    monkeypatch.setattr(weights, "REACH_SECONDS", 0.3)
    networks.catalogue_with(monkeypatch, b"whatever")
    begin = time.monotonic()
    depth._choose("auto", True, None)
    assert time.monotonic() - begin < 2
    result, reason = depth.estimate(coffee, Settings(), fetch=True)  # a batch doesn't wait at every photo
    assert len(tries) == 1
    assert result.model == "bundled"
    assert "could not be fetched. host.invalid can't be reached: no answer within 0.3 s" in reason
    assert result.warnings == (reason,)


def test_auto_survives_bytes_that_are_not_the_catalogues(monkeypatch: pytest.MonkeyPatch, coffee: Photo) -> None:
    monkeypatch.delenv("DIORAMA_OFFLINE")
    with serving(b"<html>") as server:
        networks.catalogue_with(monkeypatch, b"x" * 1000, server.url)
        result, reason = depth.estimate(coffee, Settings(), fetch=True)
    assert result.model == "bundled"
    assert "Nothing was kept" in reason


def test_a_broken_network_is_an_error_when_asked_for_and_a_warning_in_auto(
    monkeypatch: pytest.MonkeyPatch, coffee: Photo
) -> None:
    networks.install(monkeypatch, b"no graph at all")
    with pytest.raises(ModelError, match="can't be loaded") as caught:
        depth.estimate(coffee, Settings(depth="midas-v21-small"))
    assert "diorama models verify" in caught.value.hint
    result, reason = depth.estimate(coffee, Settings())
    assert result.model == "bundled"
    assert "can't be loaded" in reason
    assert result.warnings == (reason,)


def test_weights_that_were_asked_for_and_are_missing(monkeypatch: pytest.MonkeyPatch, coffee: Photo) -> None:
    settings = Settings(depth="midas-v21-small")
    for fetch in (False, True):  # offline
        with pytest.raises(WeightsMissingError) as caught:
            depth.estimate(coffee, settings, fetch=fetch)
        assert "diorama models pull midas-v21-small" in caught.value.hint
    with pytest.raises(WeightsMissingError):
        depth.choice(settings)
    monkeypatch.delenv("DIORAMA_OFFLINE")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        networks.catalogue_with(monkeypatch, b"x", f"http://127.0.0.1:{closed.getsockname()[1]}/m.onnx")
        with pytest.raises(DownloadError):
            depth.estimate(coffee, settings, fetch=True)


def test_weights_that_were_asked_for_are_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, coffee: Photo
) -> None:
    content = networks.midas(tmp_path / "midas.onnx").read_bytes()
    monkeypatch.delenv("DIORAMA_OFFLINE")
    with serving(content) as server:
        networks.catalogue_with(monkeypatch, content, server.url)
        result, reason = depth.estimate(coffee, Settings(depth="midas-v21-small"), fetch=True)
    assert result.model == "midas-v21-small"
    assert reason == "midas-v21-small was asked for."


def test_names_that_are_no_backend(coffee: Photo) -> None:
    with pytest.raises(UnknownModelError, match="no depth backend named 'midas'") as caught:
        depth.estimate(coffee, Settings(depth="midas"))
    assert "bundled" in caught.value.hint
    with pytest.raises(UnknownModelError):
        depth.choice(Settings(depth="midas"))


def test_choice_names_what_would_run(tmp_path: Path) -> None:
    assert depth.choice(Settings()) == "bundled"
    assert depth.choice(Settings(depth="bundled")) == "bundled"
    path = str(tmp_path / "z.npy")
    assert depth.choice(Settings(depth=path)) == path


def test_models_are_listed_best_first(tiny_midas: Path) -> None:
    *others, midas, own = depth.models()
    assert (midas.name, midas.available, midas.bytes) == ("midas-v21-small", True, tiny_midas.stat().st_size)
    assert (own.name, own.available) == ("bundled", True)
    assert own.bytes == sum(path.stat().st_size for path in bundled.shipped().files())
    assert midas.licence == own.licence == "MIT"
    assert [model.name for model in others] == ["moge-2-small", "depth-anything-v2-small", "midas-dpt-hybrid"]
    assert not any(model.available for model in others)
    tiny_midas.unlink()
    assert not depth.models()[3].available


def test_the_catalogue_and_the_table_agree() -> None:
    for backend in depth.BACKENDS:
        if backend.files is None:
            assert weights.find(backend.name).licence == backend.licence


# ---- the result --------------------------------------------------------------------------------------------------


def test_the_map_has_the_processing_size_and_its_camera(coffee: Photo) -> None:
    result, _ = depth.estimate(coffee, Settings(processing_size=128))
    assert result.shape == (85, 128)
    assert result.camera == coffee.fitted(128).camera
    assert result.scale == "relative"
    assert result.valid is None
    assert 0 <= result.inverse_depth.min() < 0.05
    assert 0.95 < result.inverse_depth.max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3), (5000, 1), (33, 31)])
def test_any_shape_has_a_depth(shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    result, _ = depth.estimate(photo_of(rgb), Settings(depth="bundled", processing_size=256))
    assert np.isfinite(result.inverse_depth).all()


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(3, 2, (320, 224)), (2, 3, (224, 320)), (1, 5000, (32, 320)), (5000, 1, (320, 32)), (1, 1, (320, 320))],
)
def test_the_networks_input_size(width: int, height: int, expected: tuple[int, int]) -> None:
    assert bundled.input_size(width, height, 320) == expected


def test_flip_average_makes_mirrored_photos_mirrored_maps(coffee: Photo) -> None:
    settings = Settings(depth="bundled", edge_sharpness=0, find_sky=False, flip_average="on")
    ahead, _ = depth.estimate(coffee, settings)
    back, _ = depth.estimate(photo_of(coffee.rgb[:, ::-1]), settings)
    np.testing.assert_allclose(back.inverse_depth[:, ::-1], ahead.inverse_depth, atol=2e-3)
    once, _ = depth.estimate(coffee, settings.changed(flip_average="off"))
    assert np.abs(once.inverse_depth - ahead.inverse_depth).max() > 0.01
    alone, _ = depth.estimate(coffee, settings.changed(flip_average="auto"))
    np.testing.assert_array_equal(alone.inverse_depth, once.inverse_depth)  # the bundled network hardly gains by it


def test_older_settings_say_true_or_false_for_the_mirrored_photo() -> None:
    assert [Settings.parse({"flip_average": given}).flip_average for given in (True, False)] == ["auto", "off"]


def test_the_bundled_network_sees_the_cup_before_the_table(coffee: Photo) -> None:
    inverse = depth.estimate(coffee, Settings(depth="bundled"))[0].inverse_depth
    cup, corner = inverse[60:120, 120:180].mean(), inverse[:20, 250:].mean()
    assert cup > corner + 0.4


def test_progress_says_what_happens(coffee: Photo) -> None:
    heard: list[tuple[str, float, str]] = []
    depth.estimate(coffee, Settings(depth="bundled", flip_average="on"), progress=lambda *said: heard.append(said))
    assert [text for _, _, text in heard] == [
        "Estimating depth with bundled",
        "Estimating depth of the mirrored photo",
        "Refining edges",
    ]
    assert [share for _, share, _ in heard] == sorted(share for _, share, _ in heard)


def test_a_network_that_answers_no_number(monkeypatch: pytest.MonkeyPatch, coffee: Photo) -> None:
    monkeypatch.setattr(bundled, "predict", lambda _rgb: np.full((32, 32), np.nan, np.float32))
    with pytest.raises(ModelError, match="found no depth"):
        depth.estimate(coffee, Settings(depth="bundled"))


def test_a_network_that_answers_some_numbers(monkeypatch: pytest.MonkeyPatch, coffee: Photo) -> None:
    answer = np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32)
    answer[5, 5] = np.inf
    monkeypatch.setattr(bundled, "predict", lambda _rgb: answer)
    result, _ = depth.estimate(coffee, Settings(depth="bundled"))
    assert np.isfinite(result.inverse_depth).all()


def test_sky_is_at_infinity(photo_path: PhotoPath) -> None:
    picture = cv2.imread(str(photo_path("rocket")))
    assert picture is not None
    photo = photo_of(picture[..., ::-1])
    result, _ = depth.estimate(photo, Settings(depth="bundled"))
    assert result.sky is not None
    assert result.sky[: photo.height // 4].mean() > 0.8
    assert (result.inverse_depth[result.sky] == 0).all()
    result, _ = depth.estimate(photo, Settings(depth="bundled", find_sky=False))
    assert result.sky is None


# ---- MiDaS v2.1 small's conventions ------------------------------------------------------------------------------


def midas_small(path: Path, rgb: UInt8) -> np.ndarray:
    return onnx.predict(path, contract.MIDAS_SMALL, rgb).inverse


def expected_midas(rgb: UInt8) -> np.ndarray:
    normal = (rgb.astype(np.float64) / 255 - networks.MEAN) / networks.STD
    return normal @ networks.MIX


def test_midas_is_given_rgb_from_0_to_1_and_normalises_once(tmp_path: Path) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
    answer = midas_small(networks.midas(tmp_path / "m.onnx"), rgb)
    np.testing.assert_allclose(answer, expected_midas(rgb), atol=1e-3)


@pytest.mark.parametrize("size", [(640, 480), (100, 80), (256, 90)])
def test_midas_sees_the_whole_picture_whatever_its_size(tmp_path: Path, size: tuple[int, int]) -> None:
    ramp = np.repeat(np.linspace(0, 255, size[0]).astype(np.uint8)[None], size[1], axis=0)
    answer = midas_small(networks.midas(tmp_path / "m.onnx"), np.dstack([ramp] * 3))
    assert answer.shape == (256, 256)
    low, high = (float(expected_midas(np.full(3, value, np.uint8))) for value in (0, 255))
    assert answer[128, 0] == pytest.approx(low, abs=0.02 * (high - low))
    assert answer[128, -1] == pytest.approx(high, abs=0.02 * (high - low))


def test_the_mirrored_photo_cancels_midass_shift(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    networks.install(monkeypatch, networks.midas(tmp_path / "m.onnx", shift=6).read_bytes())
    x = np.abs(np.arange(256) - 127.5)
    bump = np.repeat(np.clip(255 - 3 * x, 0, 255).astype(np.uint8)[None], 256, axis=0)
    photo = photo_of(np.dstack([bump] * 3))
    plain = Settings(depth="midas-v21-small", edge_sharpness=0, find_sky=False)
    result, _ = depth.estimate(photo, plain)
    np.testing.assert_allclose(result.inverse_depth, result.inverse_depth[:, ::-1], atol=1e-5)
    shifted, _ = depth.estimate(photo, plain.changed(flip_average=False))
    assert np.abs(shifted.inverse_depth - shifted.inverse_depth[:, ::-1]).max() > 0.1


def test_a_graph_that_is_not_the_one_its_name_says(tmp_path: Path) -> None:
    rgb = np.zeros((10, 10, 3), np.uint8)
    with pytest.raises(ModelError, match="failed"):
        midas_small(networks.midas(tmp_path / "small.onnx", side=64), rgb)
    nodes = [networks.helper.make_node("Identity", ["0"], ["797"])]
    wrong = networks.write(tmp_path / "shape.onnx", nodes, {}, [1, 3, 256, 256], [1, 3, 256, 256])
    with pytest.raises(ModelError, match="shape"):
        midas_small(wrong, rgb)
    with pytest.raises(ModelError, match="failed"):
        onnx.run(wrong, {"image": np.zeros((1, 3, 256, 256), np.float32)}, "797")


def test_sessions_are_kept_and_use_few_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = networks.midas(tmp_path / "m.onnx")
    session = sessions.session(path)
    assert sessions.session(path) is session
    assert 1 <= session.get_session_options().intra_op_num_threads <= sessions.MAX_THREADS
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    assert sessions._cores() >= 1
