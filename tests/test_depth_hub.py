"""Models of the hub: tiny ones with random weights, saved by transformers itself, and a hub that serves them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from diorama import depth, networks, weights
from diorama.depth import hub as backends
from diorama.errors import (
    DepthFileError,
    DownloadError,
    LicenceError,
    ModelError,
    UnknownModelError,
    WeightsCorruptError,
    WeightsMissingError,
)
from diorama.settings import Settings
from diorama.types import Camera, Photo, UInt8
from diorama.weights import hub
from test_cli import diorama

PLAIN: dict[str, Any] = {"edge_sharpness": 0.0, "find_sky": False, "flip_average": False}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FOV = 60.0


def picture(width: int = 90, height: int = 70) -> UInt8:
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 120 * np.sin(x / 17 + k) * np.cos(y / 13 - k) for k in range(3)]
    return np.ascontiguousarray(np.dstack(planes), np.uint8)


def photo_of(rgb: UInt8, camera: Camera | None = None) -> Photo:
    return Photo(rgb, camera or Camera.assumed(rgb.shape[1], rgb.shape[0]))


def _configs() -> dict[str, tuple[Any, dict[str, Any]]]:
    """A tiny configuration of each kind, and its ``preprocessor_config.json`` in the form that published ones have."""
    import transformers as t

    small = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
    neck = {"neck_hidden_sizes": [8, 8, 16, 16], "fusion_hidden_size": 8}
    stages = {"out_features": ["stage1", "stage2", "stage3", "stage4"], "reshape_hidden_states": False}
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    imagenet = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    dpt = t.DPTConfig(
        **small, **neck, intermediate_size=64, image_size=64, patch_size=16, backbone_out_indices=[0, 1, 2, 3],
        backbone_config=None,
    )  # fmt: skip
    dino = t.Dinov2Config(**small, **stages, mlp_ratio=2, image_size=56, patch_size=14)
    anything = {"backbone_config": dino, "reassemble_hidden_size": 32, "patch_size": 14, "head_hidden_size": 8}
    beit = t.BeitConfig(
        **small, **stages, intermediate_size=64, image_size=64, patch_size=16, use_relative_position_bias=True
    )
    zoe = t.ZoeDepthConfig(
        backbone_config=beit, **neck, bottleneck_features=8, num_relative_features=8, bin_embedding_dim=8,
        num_patch_transformer_layers=1, patch_transformer_hidden_size=8, patch_transformer_intermediate_size=16,
        patch_transformer_num_attention_heads=2, num_attractors=[4, 2, 2, 1],
        bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0, "name": "nyu"}],
    )  # fmt: skip
    vit = {**small, "num_hidden_layers": 2, "model_type": "dinov2", "patch_size": 4, "image_size": 16, "mlp_ratio": 2}
    pro = t.DepthProConfig(
        patch_size=16, fusion_hidden_size=16, intermediate_hook_ids=[1, 0], intermediate_feature_dims=[10, 8],
        scaled_images_ratios=[0.5, 1.0], scaled_images_overlap_ratios=[0.0, 0.25], scaled_images_feature_dims=[12, 12],
        use_fov_model=True, image_model_config=vit, patch_model_config=vit, fov_model_config=vit,
    )  # fmt: skip
    shape = {"keep_aspect_ratio": True, "ensure_multiple_of": 14, "size": {"height": 56, "width": 56}, **imagenet}
    return {
        "dpt": (dpt, {"size": {"height": 64, "width": 64}, "keep_aspect_ratio": False, "resample": 2, **half}),
        "depth_anything": (t.DepthAnythingConfig(**anything, **neck), {"resample": 3, **shape}),
        "depth_anything_metric": (
            t.DepthAnythingConfig(**anything, **neck, depth_estimation_type="metric", max_depth=20),
            {"resample": 3, **shape},
        ),
        "zoedepth": (
            zoe,
            {
                "size": {"height": 64, "width": 96}, "keep_aspect_ratio": True, "ensure_multiple_of": 32,
                "do_pad": True, "resample": 2, **half,
            },
        ),
        "depth_pro": (pro, {"size": {"height": 64, "width": 64}, "resample": 2, **half}),
    }  # fmt: skip


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each kind, as `save_pretrained` writes it."""
    import tools

    tools.need("transformers")
    import torch
    from transformers import AutoModelForDepthEstimation
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    home = tmp_path_factory.mktemp("checkpoints")
    for name, (config, processor) in _configs().items():
        model = AutoModelForDepthEstimation.from_config(config).eval()
        if name == "depth_pro":  # random weights see no angle
            with torch.no_grad():
                last = [m for m in model.fov_model.head.layers.modules() if isinstance(m, torch.nn.Conv2d)][-1]
                last.weight.zero_()
                last.bias.fill_(FOV)
        model.save_pretrained(home / name)
        (home / name / "preprocessor_config.json").write_text(json.dumps(processor))
    return home


def answer(folder: Path, pixels: np.ndarray) -> Any:
    """What transformers' own model says."""
    import torch
    from transformers import AutoModelForDepthEstimation

    model = AutoModelForDepthEstimation.from_pretrained(folder).eval()
    with torch.inference_mode():
        return model(pixel_values=torch.from_numpy(np.asarray(pixels, np.float32)))


def pixels_of(folder: Path, rgb: UInt8) -> np.ndarray:
    """What transformers' own image processor makes of a picture."""
    from transformers import AutoImageProcessor

    return np.asarray(AutoImageProcessor.from_pretrained(folder)(images=rgb, return_tensors="np")["pixel_values"])


def scaled(values: np.ndarray) -> np.ndarray:
    low, high = np.percentile(values, (0.5, 99.5))
    return np.clip((values - low) / (high - low), 0, 1)


def resized(values: np.ndarray, width: int, height: int) -> np.ndarray:
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC)


# ---- what they are shown and what they say -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dpt", "depth_anything"])
def test_relative_models(name: str, checkpoints: Path) -> None:
    folder, rgb = checkpoints / name, picture()
    said = answer(folder, pixels_of(folder, rgb)).predicted_depth[0].numpy().astype(np.float64)
    result, reason = depth.estimate(photo_of(rgb), Settings(depth=f"hub:{folder}", **PLAIN))
    assert (result.model, result.scale, result.camera.source) == (f"hub:{name}", "relative", "assumed")
    np.testing.assert_allclose(result.inverse_depth, np.clip(resized(scaled(said), 90, 70), 0, 1), atol=0.01)
    assert str(folder) in reason


def test_metric_depth_anything(checkpoints: Path) -> None:
    folder, rgb = checkpoints / "depth_anything_metric", picture()
    said = answer(folder, pixels_of(folder, rgb)).predicted_depth[0].numpy().astype(np.float64)
    result, _ = depth.estimate(photo_of(rgb), Settings(depth=f"hub:{folder}", **PLAIN))
    assert result.scale == "metric"
    np.testing.assert_allclose(1 / result.inverse_depth, resized(said, 90, 70), rtol=0.01)


def test_zoedepth_is_padded_and_gives_metres(checkpoints: Path) -> None:
    import torch

    folder, rgb = checkpoints / "zoedepth", picture()
    said = answer(folder, pixels_of(folder, rgb)).predicted_depth
    rows, columns = int(math.sqrt(70 / 2) * 3), int(math.sqrt(90 / 2) * 3)
    whole = torch.nn.functional.interpolate(said[None], (70 + 2 * rows, 90 + 2 * columns), mode="bicubic")[0, 0]
    expected = whole[rows:-rows, columns:-columns].numpy()
    result, _ = depth.estimate(photo_of(rgb), Settings(depth=f"hub:{folder}", **PLAIN))
    assert result.scale == "metric"
    np.testing.assert_allclose(1 / result.inverse_depth, expected, rtol=0.01)


@pytest.mark.parametrize("known", [False, True])
def test_depth_pro_gives_metres_and_the_field_of_view(known: bool, checkpoints: Path) -> None:
    import torch

    from diorama.depth import transformer

    folder, rgb = checkpoints / "depth_pro", picture()
    tensor = torch.from_numpy((rgb / 255.0 - 0.5) / 0.5).permute(2, 0, 1)[None].float()
    said = answer(folder, torch.nn.functional.interpolate(tensor, (64, 64), mode="bilinear").numpy())
    assert float(said.field_of_view[0]) == pytest.approx(FOV, abs=0.01)
    camera = Camera.from_fov(40, 90, 70, "exif") if known else None
    focal = 45 / math.tan(math.radians(40 if known else FOV) / 2)
    inverse = np.clip(said.predicted_depth[0].numpy() * 90 / focal, 1e-4, 1e4)
    found = transformer.predict(folder, rgb, focal / 90 if known else None, "pro")
    np.testing.assert_allclose(found.inverse, inverse, rtol=1e-3, atol=1e-4)
    result, _ = depth.estimate(photo_of(rgb, camera), Settings(depth=f"hub:{folder}", **PLAIN))
    assert (result.scale, result.camera.source) == ("metric", "exif" if known else "model")
    assert result.camera.fx == pytest.approx(focal, rel=1e-3)


@pytest.mark.parametrize(("width", "height"), [(90, 70), (70, 90), (64, 64), (33, 47), (120, 50)])
@pytest.mark.parametrize("name", ["dpt", "depth_anything", "zoedepth"])
def test_pictures_are_prepared_as_transformers_does_it(name: str, width: int, height: int, checkpoints: Path) -> None:
    from diorama.depth import transformer

    folder, rgb = checkpoints / name, picture(width, height)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    ours = transformer.prepared(name, settings, rgb).pixels
    theirs = pixels_of(folder, rgb)[0]
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=0.02)


def test_glpn_is_shown_multiples_of_32() -> None:
    from diorama.depth import transformer

    assert transformer.prepared("glpn", {}, picture(100, 70)).pixels.shape == (3, 64, 96)
    assert transformer.prepared("glpn", {}, picture(1000, 700)).pixels.shape == (3, 448, 640)
    assert transformer.prepared("glpn", {}, picture(20, 20)).pixels.max() <= 1


def test_a_dpt_that_was_trained_for_metres() -> None:
    from diorama.depth import transformer

    assert transformer._meaning("dpt", {}, "facebook/dpt-dinov2-small-nyu") == "metric"
    assert transformer._meaning("dpt", {}, "Intel/dpt-large") == "inverse"


# ---- what can't run ----------------------------------------------------------------------------------------------


def test_without_the_extra_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "torch" else find(name, *a))
    for name in ("hub:Intel/dpt-large", f"hub:{tmp_path}"):
        with pytest.raises(ModelError) as caught:
            depth.estimate(photo_of(picture()), Settings(depth=name), fetch=True)
        assert 'pip install "diorama-3d[hub]"' in caught.value.hint
    cv2.imwrite(str(tmp_path / "photo.png"), picture())
    said = diorama("depth", tmp_path / "photo.png", "-o", tmp_path / "d.npy", "--depth", "hub:Intel/dpt-large")
    assert said.code == 3
    assert 'pip install "diorama-3d[hub]"' in said.err


def test_folders_that_are_no_model(checkpoints: Path, tmp_path: Path) -> None:
    def refused(said: str) -> None:
        with pytest.raises((DepthFileError, ModelError), match=said) as caught:
            depth.estimate(photo_of(picture()), Settings(depth=f"hub:{tmp_path}", **PLAIN))
        assert caught.value.hint

    refused("no config.json")
    (tmp_path / "config.json").write_text("{")
    refused("can't be read")
    (tmp_path / "config.json").write_text("[]")
    refused("no JSON object")
    (tmp_path / "config.json").write_text('{"model_type": "bert", "auto_map": {"AutoModel": "evil.Model"}}')
    refused("'bert', which is no depth model")
    dpt = checkpoints / "dpt"
    (tmp_path / "config.json").write_text((dpt / "config.json").read_text())
    refused("no safetensors")
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    refused("no safetensors")
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    refused("can't be loaded")
    for size in ('{"depth": 3}', "1000000", "0", '"large"'):
        (tmp_path / "preprocessor_config.json").write_text(f'{{"size": {size}}}')
        refused("preprocessor_config.json of .* can't be used")


def test_weights_that_are_not_all_there(checkpoints: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_text((checkpoints / "dpt" / name).read_text())
    tensors = load_file(checkpoints / "dpt" / "model.safetensors")
    tensors.pop(next(key for key in tensors if key.startswith("head.")))
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="weights lack 1"):
        depth.estimate(photo_of(picture()), Settings(depth=f"hub:{tmp_path}", **PLAIN))


def test_a_device_that_fails_is_left_for_the_cpu(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diorama.depth import transformer

    monkeypatch.setattr(transformer, "_device", lambda: "nonsense")
    with networks.observed() as seen:
        result, _ = depth.estimate(photo_of(picture()), Settings(depth=f"hub:{checkpoints / 'dpt'}", **PLAIN))
    assert seen.providers == ["CPU"]
    assert "ran on the CPU instead" in seen.warnings[0]
    assert np.ptp(result.inverse_depth) > 0.5
    monkeypatch.undo()
    monkeypatch.setenv("DIORAMA_PROVIDER", "cpu")
    assert transformer._device() == "cpu"


@pytest.mark.parametrize(
    "name", ["dpt-large", "a/b/c", "Intel/", "/", "Intel/dpt@", "../x/y", "In tel/dpt", "a/b@../c"]
)
def test_names_that_are_none_of_the_hubs(name: str) -> None:
    if name == "Intel/dpt@":
        assert hub.parse(name).revision is None
        return
    with pytest.raises((UnknownModelError, DepthFileError, ModelError)):
        depth.choice(Settings(depth=f"hub:{name}"))


# ---- the hub -----------------------------------------------------------------------------------------------------


class FakeHub(ThreadingHTTPServer):
    """Describes one model and serves its files, as huggingface.co does."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.licence: Any = "mit"
        self.commit = COMMIT
        self.requests: list[str] = []
        self.wrong: set[str] = set()  # files that arrive with another byte

    def describe(self) -> dict[str, Any]:
        siblings = []
        for name, data in self.files.items():
            sibling: dict[str, Any] = {"rfilename": name, "size": len(data)}
            sibling["blobId"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            if name.endswith(".safetensors"):
                sibling["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            siblings.append(sibling)
        card = {} if self.licence is None else {"license": self.licence}
        return {"sha": self.commit, "cardData": card, "siblings": siblings}


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/some/model/revision/"):
            body = json.dumps(self.server.describe()).encode()
        elif path.startswith(f"/some/model/resolve/{self.server.commit}/"):
            name = path.rpartition("/")[2]
            body = self.server.files[name]
            if name in self.server.wrong:
                body = bytes([body[0] ^ 1]) + body[1:]
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    files = {
        "config.json": b'{"model_type": "dpt"}',
        "preprocessor_config.json": b"{}",
        "model.safetensors": bytes(range(256)) * 20,
        "pytorch_model.bin": b"a pickle",
        "modeling_evil.py": b"import os",
    }
    with FakeHub(files) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{running.server_port}/")
        monkeypatch.delenv("DIORAMA_OFFLINE")
        monkeypatch.delenv("DIORAMA_ACCEPT_LICENCE", raising=False)
        yield running
        running.shutdown()


REFERENCE = hub.Reference("some/model")


def test_a_model_is_fetched_once_and_kept_by_its_commit(server: FakeHub) -> None:
    heard: list[str] = []
    found = hub.fetch(REFERENCE, lambda _stage, _share, text: heard.append(text))
    assert (found.commit, found.licence, found.folder.name) == (COMMIT, "mit", COMMIT)
    names = {path.name for path in found.folder.iterdir()}
    assert names == {"config.json", "preprocessor_config.json", "model.safetensors", "source.json"}
    assert any("some/model model.safetensors" in text for text in heard)
    asked = len(server.requests)
    weights.set_offline()
    assert hub.fetch(REFERENCE) == found
    assert hub.fetch(hub.Reference("some/model", COMMIT)) == found
    assert hub.local(hub.Reference("some/model", "other")) is None
    assert len(server.requests) == asked
    assert hub.snapshots() == [found]
    assert found.bytes > 5000
    assert diorama("models", "verify", "hub:some/model").code == 0
    (found.folder / "model.safetensors").write_bytes(b"other")
    assert "hub:some/model" in diorama("models", "verify").err
    assert diorama("models", "verify", "migan").code == 0
    assert hub.remove(REFERENCE) > 100
    assert hub.snapshots() == []
    assert hub.remove(REFERENCE) == 0


def test_offline_nothing_is_fetched(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "has_extra", lambda: True)
    weights.set_offline()
    with pytest.raises(DownloadError, match="offline"):
        hub.fetch(REFERENCE)
    with pytest.raises(WeightsMissingError) as caught:
        depth.estimate(photo_of(picture()), Settings(depth="hub:some/model"), fetch=True)
    assert "models pull hub:some/model" in caught.value.hint
    assert server.requests == []


def test_a_branch_is_asked_for_by_name(server: FakeHub) -> None:
    hub.fetch(hub.parse("some/model@refs/pr/3"))
    assert "/revision/refs%2Fpr%2F3?" in server.requests[0]
    assert hub.local(hub.parse("some/model@refs/pr/3")) is not None
    assert hub.local(REFERENCE) is None


@pytest.mark.parametrize("licence", ["cc-by-nc-4.0", "other", None, ["mit", "apple-amlr"]])
def test_a_licence_that_restricts_has_to_be_accepted(
    licence: Any, server: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.licence = licence
    with pytest.raises(LicenceError) as caught:
        hub.fetch(REFERENCE)
    assert str(licence[1] if isinstance(licence, list) else licence or "not stated") in caught.value.message
    assert "--accept-licence" in caught.value.hint
    assert len(server.requests) == 1  # nothing but the description
    refused = diorama("models", "pull", "hub:some/model", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (3, "licence")
    monkeypatch.setenv("DIORAMA_ACCEPT_LICENCE", "nobody/nothing")
    with pytest.raises(LicenceError):
        hub.fetch(REFERENCE)
    monkeypatch.setenv("DIORAMA_ACCEPT_LICENCE", "x, Some/Model")
    assert hub.fetch(REFERENCE).commit == COMMIT


def test_a_licence_can_be_accepted_by_its_name(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.licence = "cc-by-nc-4.0"
    monkeypatch.setenv("DIORAMA_ACCEPT_LICENCE", "cc-by-nc-4.0")
    assert hub.fetch(REFERENCE).licence == "cc-by-nc-4.0"


def test_a_card_can_not_take_back_what_is_known(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hub.KNOWN, "some/model", hub.Known("some/model", "cc-by-nc-4.0", "A test's."))
    with pytest.raises(LicenceError, match="cc-by-nc"):
        hub.fetch(REFERENCE)
    assert server.requests


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_bytes_of_another_hash_are_not_kept(name: str, server: FakeHub) -> None:
    server.wrong = {name}
    with pytest.raises(WeightsCorruptError, match="Nothing was kept"):
        hub.fetch(REFERENCE)
    assert hub.local(REFERENCE) is None
    assert not any(path.name == name for path in weights.cache_folder().rglob("*"))
    server.wrong = set()
    assert hub.fetch(REFERENCE).commit == COMMIT


def test_a_model_of_another_kind_is_refused_before_its_weights_come(server: FakeHub) -> None:
    server.files["config.json"] = b'{"model_type": "bert"}'
    refused = diorama("models", "pull", "hub:some/model")
    assert refused.code == 2
    assert "'bert', which is no depth model" in refused.err
    assert not any("safetensors" in path for path in server.requests)


def test_a_model_without_safetensors(server: FakeHub) -> None:
    del server.files["model.safetensors"]
    with pytest.raises(ModelError, match="no safetensors"):
        hub.fetch(REFERENCE)


def test_weights_in_parts(server: FakeHub) -> None:
    data = server.files.pop("model.safetensors")
    server.files |= {f"model-0000{i}-of-00002.safetensors": data for i in (1, 2)}
    with pytest.raises(DownloadError, match="can't be right"):
        hub.fetch(REFERENCE)
    server.files["model.safetensors.index.json"] = b"{}"
    assert len(list(hub.fetch(REFERENCE).folder.glob("*.safetensors"))) == 2


def test_answers_that_are_none(server: FakeHub) -> None:
    server.commit = "main"
    with pytest.raises(DownloadError, match="names no commit"):
        hub.fetch(REFERENCE)
    with pytest.raises(DownloadError, match="404"):
        hub.fetch(hub.Reference("other/model"))
    server.files["config.json"] = b" " * (hub.MAX_SMALL + 1)
    server.commit = COMMIT
    with pytest.raises(DownloadError, match="can't be right"):
        hub.fetch(REFERENCE)


def test_a_hub_that_is_not_there(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match="can't be reached"):
        hub.fetch(REFERENCE)
    assert server.requests == []


def test_a_model_of_the_hub_from_end_to_end(
    server: FakeHub, checkpoints: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = checkpoints / "dpt"
    server.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert depth.identity(Settings(depth="hub:some/model")) == ""
    cv2.imwrite(str(tmp_path / "photo.png"), picture()[..., ::-1])
    words = ["depth", tmp_path / "photo.png", "-o", tmp_path / "d.npy", "--depth", "hub:some/model", "--json"]
    made = diorama(*words).json
    assert made["model"] == "hub:some/model"
    assert f"--depth hub:some/model@{COMMIT} pins it" in made["reason"]
    assert depth.identity(Settings(depth="hub:some/model")) == COMMIT
    asked = len(server.requests)
    pinned = diorama(*words[:-2], f"hub:some/model@{COMMIT}", "--json", "--offline").json
    assert "pins" not in pinned["reason"]
    assert COMMIT in pinned["reason"]
    assert len(server.requests) == asked
    rows = {row.name: row for row in depth.models()}
    assert rows["hub:some/model"].available
    assert rows["hub:some/model"].licence == "mit"
    listed = diorama("models", "list", "--json").json
    assert listed["hub"][0]["commit"] == COMMIT
    assert listed["disk_bytes"] == listed["hub"][0]["bytes"] > 0
    from diorama.server.context import web_settings

    assert web_settings(Settings(), {"depth": "hub:some/model"}).depth == "hub:some/model"
    monkeypatch.setattr(backends, "has_extra", lambda: False)
    assert not {row.name: row for row in depth.models()}["hub:some/model"].available
    freed = diorama("models", "remove", "hub:some/model", "--json").json["removed"][0]["freed_bytes"]
    assert freed > 0
    assert diorama("models", "remove", "hub:nothing").code == 2


def test_only_what_several_sources_pin_is_pinned() -> None:
    for repo, known in hub.KNOWN.items():
        assert hub.parse(repo) == hub.Reference(known.repo)
        assert hub.Reference(repo).wanted == (known.commit or "main")
        assert known.commit is None or len(known.commit) == 40
    assert hub.needs_consent(hub.KNOWN["depth-anything/Depth-Anything-V2-Large-hf"].licence)
    assert not hub.needs_consent(hub.KNOWN["Intel/dpt-large"].licence)
