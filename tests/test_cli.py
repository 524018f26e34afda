"""The command: what each one writes and says, its JSON, its exit codes; and the bad inputs through it."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import bad_inputs
from bad_inputs import BadInput
from diorama import __version__, bundle, cli, errors, export, weights
from diorama.cli import app
from diorama.cli.group import EXIT_CODES
from diorama.cli.talk import Talk
from diorama.settings import Settings
from gltf import Glb

Photo = Callable[[str], Path]

SMALL = ["--processing-size", "192", "--texture-size", "256", "--triangles", "4000", "--flip-average", "off"]
"""Settings under which a scene takes a fraction of a second."""

ORIGINAL = [*SMALL, "--until", "original"]

STAGES = ["photo", "depth", "points", "mesh", "segments", "advice", "layers"]


@dataclasses.dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        loaded = json.loads(self.out)
        assert isinstance(loaded, dict)
        return loaded


def diorama(*words: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="diorama")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Result(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def coffee(photo_path: Photo) -> Path:
    return photo_path("coffee")


@pytest.fixture(scope="module")
def scene(coffee: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small scene of the coffee cup, as the command writes it, without the enhanced step."""
    path = tmp_path_factory.mktemp("scene") / "coffee.diorama"
    assert diorama("make", coffee, "-o", path, *ORIGINAL).code == 0
    return path


@pytest.fixture(scope="module")
def enhanced(coffee: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with all steps."""
    path = tmp_path_factory.mktemp("enhanced") / "coffee.diorama"
    assert diorama("make", coffee, "-o", path, *SMALL).code == 0
    return path


# ---- make ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("short_films")
def test_make_writes_every_format(coffee: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / f"cup{ending}" for ending in export.FORMATS]
    result = diorama("make", coffee, *SMALL, *(word for path in outputs for word in ("-o", path)))
    assert result.code == 0, result.err
    for path in outputs:
        assert path.stat().st_size > 100
        assert f"{path}: {export.format_of(path).label}" in result.out
    assert "triangles, depth by bundled, field of view 55.0° (assumed), " in result.out
    assert re.search(r"\d+ segments, \d+% imagined, ", result.out)
    assert "Warning: The photo names no focal length" in result.err
    assert (tmp_path / "cup.glb").read_bytes()[:4] == b"glTF"


def test_make_reports_as_json(coffee: Path, tmp_path: Path) -> None:
    out = tmp_path / "cup.glb"
    report = diorama(
        "make", coffee, "-o", out, "--json", "--fov", 60, "--depth", "bundled", *SMALL, "--until", "original"
    ).json
    assert report["photo"]["name"] == "coffee.png"
    assert report["step"] == "original"
    made = {"path": str(out), "label": "3D scene (GLB)", "bytes": out.stat().st_size, "notes": []}
    assert report["files"] == [made]
    assert report["camera"]["source"] == "user"
    assert report["camera"]["fov_x"] == pytest.approx(60)
    assert report["units"] == "relative"
    assert 0 < report["triangles"] <= 4000
    assert report["points"] > 10_000
    assert report["warnings"] == []
    assert [stage["stage"] for stage in report["report"]] == ["photo", "depth", "points", "mesh"]
    assert all(stage["reason"] and stage["backend"] and stage["seconds"] >= 0 for stage in report["report"])
    small = {"processing_size": 192, "texture_size": 256, "triangles": 4000, "flip_average": "off"}
    assert report["settings"] == {**Settings().model_dump(), **small, "fov": 60, "depth": "bundled"}


def test_make_reports_the_enhanced_step_as_json(coffee: Path, tmp_path: Path) -> None:
    out = tmp_path / "cup.glb"
    tuned = [
        "--inpaint",
        "bundled",
        "--camera-travel",
        "5",
        "--border",
        "0.5",
        "--rim-width",
        "2",
        "--segmenter",
        "regions",
    ]
    report = diorama("make", coffee, "-o", out, "--json", "--until", "enhanced", *SMALL, *tuned).json
    assert report["step"] == "enhanced"
    assert [stage["stage"] for stage in report["report"]] == STAGES
    assert report["report"][-1]["backend"] == "bundled"
    assert report["settings"]["camera_travel"] == 5
    assert 0 < report["imagined"] < 1
    assert report["triangles"] > 0
    item = report["segments"][0]
    assert {"id", "name", "kind", "box", "area", "near", "far", "neighbours", "in_front_of"} == set(item)
    names = [node["name"] for node in Glb(out).json["nodes"]]
    assert {item["name"] for item in report["segments"]} <= set(names)


def test_explain_says_what_ran_and_why(coffee: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = diorama("make", coffee, "-o", tmp_path / "cup.glb", "--explain", *SMALL)
    for word in (*STAGES, "bundled", "seconds", "assumed", "focal length", "relative"):
        assert word in result.out
    for word in ("in front of", "of the photo", "what was imagined", "soft rims", "8 % of the view's diagonal"):
        assert word in result.out
    plain = diorama("make", coffee, "-o", tmp_path / "cup.glb", "--explain", *ORIGINAL).out
    assert "imagined" not in plain
    assert "in front of" not in plain


def test_quiet_says_nothing(coffee: Path, tmp_path: Path) -> None:
    result = diorama("make", coffee, "-o", tmp_path / "cup.glb", "--quiet", "--explain", *ORIGINAL)
    assert (result.code, result.out, result.err) == (0, "", "")
    failed = diorama("make", tmp_path / "gone.jpg", "-o", tmp_path / "x.glb", "--quiet")
    assert "no file" in failed.err


def test_depth_file_and_camera_are_used(coffee: Path, tmp_path: Path) -> None:
    distance = np.full((400, 600), 2.0, np.float32)
    distance[:, 300:] = 5.0
    np.save(tmp_path / "z.npy", distance)
    given = ["--depth", tmp_path / "z.npy", "--depth-kind", "metric", "--focal-px", "700"]
    off = ["--advisor", "off", "--texture", "off", "--until", "original"]
    report = diorama("make", coffee, "-o", tmp_path / "s.diorama", "--json", *given, *off).json
    assert report["units"] == "metric"
    assert (report["camera"]["fx"], report["camera"]["source"]) == (700, "user")


def test_settings_file_under_options(coffee: Path, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"triangles": 3000, "processing_size": 128, "find_sky": False}), encoding="utf-8")
    report = diorama(
        "make",
        coffee,
        "-o",
        tmp_path / "c.glb",
        "--json",
        "--settings",
        file,
        "--triangles",
        "2000",
        "--find-sky",
        "--until",
        "original",
    ).json
    assert report["settings"]["triangles"] == 2000
    assert report["settings"]["processing_size"] == 128
    assert report["settings"]["find_sky"] is True


def test_offline_asks_nothing(coffee: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diorama import pipeline

    asked: list[bool] = []
    real = pipeline.make

    def make(*args: Any, **options: Any) -> Any:
        asked.append(options["fetch"])
        return real(*args, **options)

    monkeypatch.setattr(pipeline, "make", make)
    monkeypatch.setattr(weights, "fetch", lambda *_a, **_k: pytest.fail("asked the network"))
    result = diorama("make", coffee, "-o", tmp_path / "c.glb", "--offline", *ORIGINAL)
    assert result.code == 0
    # The fallback is said without being asked for.
    assert any(line.startswith("Warning: ") and "midas-v21-small" in line for line in result.err.splitlines())
    assert asked == [False]
    assert weights.is_offline()


def test_the_scene_is_the_librarys(coffee: Path, scene: Path) -> None:
    from diorama import bundle, pipeline

    options = {"processing_size": 192, "texture_size": 256, "triangles": 4000, "flip_average": "off"}
    made, read = pipeline.make(coffee, Settings.parse(options), until="original"), bundle.read(scene)
    np.testing.assert_array_equal(made.meshes[0].vertices, read.meshes[0].vertices)
    np.testing.assert_array_equal(made.photo.rgb, read.photo.rgb)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--until", "soon"], 2, "original, enhanced, final"),
        (["--advisor", "oracle"], 2, "oracle"),
        (["--texture", "more"], 2, "more"),
        (["--inpaint", "nobody"], 2, "migan, lama, bundled, openai"),
        (["--inpaint", "lama"], 3, "models pull lama"),
        (["--inpaint", "openai"], 3, "OPENAI_API_KEY"),
        (["--segmenter", "mobile-sam"], 3, "models pull mobile-sam"),
        (["--border", "3"], 2, "0 to 1"),
        (["-o", "{tmp}/cup.coco.json", "--until", "original"], 2, "no"),
        (["--fov", "1000"], 2, "5 to 150"),
        (["--depth-range", "nan"], 2, "depth_range"),
        (["--depth", "no-such-model"], 2, "no-such-model"),
        (["--depth", "gone.npy"], 2, "gone.npy"),
        (["--settings", "gone.json"], 2, "gone.json"),
        (["-o", "{tmp}/cup.xyz"], 2, ".glb"),
        (["-o", "{tmp}/nowhere/cup.glb"], 4, "no folder"),
        (["-o", "{tmp}/cup.glb"], 2, "twice"),
        (["-o", "{tmp}/folder.glb"], 4, "is a folder"),
    ],
)
def test_make_refuses(words: list[str], code: int, said: str, coffee: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.glb").mkdir()
    words = [word.format(tmp=tmp_path) for word in words]
    result = diorama("make", coffee, "-o", tmp_path / "cup.glb", "--json", *words)
    assert result.code == code
    error = result.json["error"]
    assert set(error) == {"code", "message", "hint"}
    assert said in f"{error['message']} {error['hint']}"
    assert f"Error: {error['message']}" in result.err
    assert error["hint"] in result.err
    assert not (tmp_path / "cup.glb").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--triangles", "many"], "--triangles"), (["--bogus"], "--bogus"), (["--depth-kind", "odd"], "--depth-kind")],
)
def test_wrong_options_are_usage_errors(words: list[str], said: str, coffee: Path, tmp_path: Path) -> None:
    plain = diorama("make", coffee, "-o", tmp_path / "c.glb", *words)
    assert plain.code == 2
    assert said in plain.err
    asked = diorama("make", coffee, "-o", tmp_path / "c.glb", "--json", *words)
    assert asked.code == 2
    assert asked.json["error"]["code"] == "usage"
    assert said in asked.json["error"]["message"]


def test_the_photo_is_never_overwritten(coffee: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.depth.png"
    photo.write_bytes(coffee.read_bytes())
    for words in (["make", photo, "-o", photo], ["depth", photo, "-o", tmp_path / "." / "photo.depth.png"]):
        result = diorama(*words)
        assert result.code == 2
        assert "what is being read" in result.err
    assert photo.read_bytes() == coffee.read_bytes()


def test_weights_that_can_be_fetched_are_no_reason_to_refuse(
    coffee: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--inpaint lama` where there is a network: fetched when the step needs it, not refused before."""
    monkeypatch.delenv("DIORAMA_OFFLINE")
    monkeypatch.setattr(weights, "_offline", False, raising=False)
    fetched: list[str] = []

    def fetch(name: str, *_: object, **__: object) -> Path:
        fetched.append(name)
        raise errors.DownloadError("No network.", hint="Wait.")

    monkeypatch.setattr(weights, "fetch", fetch)
    result = diorama(
        "make", coffee, "-o", tmp_path / "c.glb", "--json", *SMALL, "--inpaint", "lama", "--depth", "bundled"
    )
    assert result.code == 3
    assert result.json["error"]["code"] == "download"
    assert fetched == ["lama"]


# ---- the bad inputs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", bad_inputs.photos(), ids=str)
def test_awkward_photos_become_scenes(bad: BadInput, tmp_path: Path) -> None:
    out = tmp_path / "out.glb"
    result = diorama("make", bad_inputs.write(bad, tmp_path), "-o", out, "--json", "--until", "original", *SMALL)
    assert result.code == 0, result.err
    report = result.json
    assert out.read_bytes()[:4] == b"glTF"
    width, height = report["photo"]["width"], report["photo"]["height"]
    assert (width > height, width < height) == (bad.size[0] > bad.size[1], bad.size[0] < bad.size[1])
    assert bad.warning in " ".join(report["warnings"])
    assert report["triangles"] > 0


@pytest.mark.parametrize("bad", bad_inputs.refused(), ids=str)
def test_bad_inputs_are_refused(bad: BadInput, tmp_path: Path) -> None:
    out = tmp_path / "out.glb"
    result = diorama("make", bad_inputs.write(bad, tmp_path), "-o", out, "--json")
    assert result.code == 2
    assert bad.error is not None
    assert result.json["error"]["code"] == bad.error("", hint="").code
    assert result.json["error"]["hint"]
    assert "Error: " in result.err
    assert "Traceback" not in result.err
    assert not out.exists()


# ---- depth -----------------------------------------------------------------------------------------------------


def test_corrections_are_carried_out_and_kept(coffee: Path, tmp_path: Path) -> None:
    strokes = tmp_path / "strokes.json"
    painted = {"kind": "nearer", "points": [[0.4, 0.5], [0.6, 0.5]], "strength": 0.3}
    strokes.write_text(json.dumps({"corrections": [painted]}))
    small = ("--processing-size", "150", "--texture-size", "150", "--until", "original", "--json")
    values = diorama("make", coffee, "-o", tmp_path / "a.diorama", "--corrections", strokes, *small).json
    assert values["report"][2]["settings"]["corrections"][0]["points"] == painted["points"]
    scene = tmp_path / "a.diorama"
    again = diorama("make", coffee, "-o", tmp_path / "b.npy", "--corrections", scene, *small).json
    assert again["report"][2] == values["report"][2] | {"seconds": again["report"][2]["seconds"]}
    assert np.array_equal(np.load(tmp_path / "b.npy"), bundle.read(scene).depth.inverse_depth)
    depths = [tmp_path / "plain.npy", tmp_path / "corrected.npy"]
    for path, more in zip(depths, ((), ("--corrections", strokes)), strict=True):
        assert diorama("depth", coffee, "-o", path, "--processing-size", "150", *more).code == 0
    plain, corrected = (np.load(path) for path in depths)
    assert (corrected - plain)[200, 300] > 0.1
    strokes.write_text('[{"kind": "nearer"}]')
    refused = diorama("make", coffee, "-o", tmp_path / "c.glb", "--corrections", strokes)
    assert refused.code == 2
    assert "Stroke 1 can't be used" in refused.err


def test_depth_has_the_photos_size(coffee: Path, tmp_path: Path) -> None:
    out = tmp_path / "d.npy"
    report = diorama("depth", coffee, "-o", out, "--json", "--processing-size", "256").json
    values = np.load(out)
    assert values.dtype == np.float32
    assert values.shape == (400, 600) == (report["height"], report["width"])
    assert np.isfinite(values).all()
    assert values.min() >= 0
    assert report["model"] == "bundled"
    assert report["scale"] == "relative"
    assert report["reason"]
    assert report["file"] == {"path": str(out), "bytes": out.stat().st_size}
    assert report["camera"]["width"] == 600


def test_depth_formats_hold_the_same(coffee: Path, tmp_path: Path) -> None:
    for ending in ("npy", "npz", "png", "pfm"):
        result = diorama(
            "depth", coffee, "-o", tmp_path / f"d.{ending}", "--processing-size", "256", "--depth", "bundled"
        )
        assert result.code == 0
        assert "relative inverse depth, 600 x 400, by bundled" in result.out
    values = np.load(tmp_path / "d.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "d.npz")["inverse_depth"], values)
    grey = np.asarray(Image.open(tmp_path / "d.png")).astype(float)
    assert np.abs(grey / grey.max() - values / values.max()).max() < 1e-4


def test_depth_turns_with_the_photo(tmp_path: Path) -> None:
    photo = bad_inputs.write(bad_inputs.named("exif-rotation-6"), tmp_path)
    assert diorama("depth", photo, "-o", tmp_path / "d.npy").code == 0
    assert np.load(tmp_path / "d.npy").shape == (bad_inputs.WIDTH, bad_inputs.HEIGHT)


@pytest.mark.parametrize(
    ("words", "code"), [(["-o", "d.jpg"], 2), (["-o", "nowhere/d.npy"], 4), (["-o", "d.npy", "--depth", "nobody"], 2)]
)
def test_depth_refuses(
    words: list[str], code: int, coffee: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert diorama("depth", coffee, *words).code == code
    assert not list(tmp_path.iterdir())


# ---- view ------------------------------------------------------------------------------------------------------


def test_view_from_the_photos_camera_is_the_photo(scene: Path, tmp_path: Path) -> None:
    from diorama import bundle

    report = diorama("view", scene, "-o", tmp_path / "v.png", "--json").json
    seen = np.asarray(Image.open(tmp_path / "v.png")).astype(float)
    photo = bundle.read(scene).photo.rgb
    assert seen.shape == photo.shape
    assert report["covered"] >= 0.995
    assert 10 * np.log10(255**2 / ((seen - photo) ** 2).mean()) > 32
    again = tmp_path / "again.png"
    assert diorama("view", scene, "-o", again).code == 0
    assert again.read_bytes() == (tmp_path / "v.png").read_bytes()


def test_view_moves_turns_and_sizes(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "v.png"
    plain = diorama("view", scene, "-o", out, "--size", "300x200")
    assert "300 x 200" in plain.out
    before = np.asarray(Image.open(out)).astype(int)
    for words in (["--translate", "0.2", "0", "-0.1"], ["--rotate", "0", "-8", "0"], ["--fov", "30"]):
        report = diorama("view", scene, "-o", out, "--size", "300x200", "--json", *words).json
        assert (report["width"], report["height"]) == (300, 200)
        after = np.asarray(Image.open(out)).astype(int)
        assert after.shape == (200, 300, 3)
        assert np.abs(after - before).mean() > 3
    assert report["camera"]["fov_x"] == pytest.approx(30)
    assert diorama("view", scene, "-o", out, "--translate", "1", "2", "-3", "--json").json["translate"] == [1, 2, -3]


def test_view_of_an_enhanced_scene_has_no_gaps(scene: Path, enhanced: Path, tmp_path: Path) -> None:
    def seen(of: Path, *words: str) -> tuple[float, np.ndarray]:
        report = diorama("view", of, "-o", tmp_path / "v.png", "--json", *words).json
        return report["covered"], np.asarray(Image.open(tmp_path / "v.png")).astype(float)

    moved = ["--translate", "0.05", "0.02", "0"]
    assert seen(scene, *moved)[0] < 0.99
    assert seen(enhanced, *moved)[0] > 0.9999
    (_, before), (covered, after) = seen(scene), seen(enhanced)
    assert covered > 0.9999
    assert 10 * np.log10(255**2 / ((after - before) ** 2).mean()) > 25


def test_view_says_what_a_bare_glb_lacks(coffee: Path, tmp_path: Path) -> None:
    assert diorama("make", coffee, "-o", tmp_path / "c.glb", *ORIGINAL).code == 0
    result = diorama("view", tmp_path / "c.glb", "-o", tmp_path / "v.png")
    assert result.code == 2
    assert "depth map" in result.err
    assert ".diorama" in result.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["gone.diorama", "-o", "v.png"], 2, "no scene"),
        (["{photo}", "-o", "v.png"], 2, "`diorama make PHOTO -o coffee.diorama` makes a scene of a photo"),
        (["{scene}", "-o", "v.bmp"], 2, ".png"),
        (["{scene}", "-o", "v.png", "--size", "big"], 2, "no size"),
        (["{scene}", "-o", "v.png", "--size", "0x5"], 2, "1x1"),
        (["{scene}", "-o", "v.png", "--size", "99999x99999"], 2, "100 megapixels"),
        (["{scene}", "-o", "v.png", "--fov", "180"], 2, "--fov"),
        (["{scene}", "-o", "{scene}"], 2, ".png"),
        (["{scene}", "-o", "no/v.png"], 4, "no folder"),
    ],
)  # fmt: skip
def test_view_refuses(
    words: list[str], code: int, said: str, scene: Path, coffee: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = diorama("view", *(word.format(scene=scene, photo=coffee) for word in words), "--json")
    assert result.code == code
    assert said in result.json["error"]["message"] + result.json["error"]["hint"]
    assert not list(tmp_path.iterdir())


# ---- models ----------------------------------------------------------------------------------------------------


def test_models_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    listed = diorama("models", "list", "--json").json
    assert {"bundled"} <= {model["name"] for model in listed["models"]}
    assert [model["name"] for model in listed["inpainters"]] == ["migan", "lama", "bundled", "openai"]
    assert [model["name"] for model in listed["segmenters"]] == ["mobile-sam", "regions"]
    for kind in ("models", "inpainters", "segmenters"):
        assert all(set(model) == {"name", "available", "licence", "bytes", "note"} for model in listed[kind])
        assert all(model["licence"] for model in listed[kind])
    assert {m["name"] for m in listed["inpainters"] + listed["segmenters"] if m["available"]} == {"bundled", "regions"}
    assert [entry["name"] for entry in listed["weights"]] == list(weights.CATALOGUE)
    assert {entry["state"] for entry in listed["weights"]} == {"missing"}
    assert listed["cache"] == os.environ["DIORAMA_CACHE"]
    text = diorama("models", "list").out
    for word in ("bundled", "Inpainters", "LaMa", "Apache-2.0", "no key", "Segmenters", "MobileSAM", "regions"):
        assert word in text
    assert "diorama models pull" in text


def test_models_pull_offline_and_unknown() -> None:
    offline = diorama("models", "pull", "--offline", "--json")
    assert offline.code == 3
    assert offline.json["error"]["code"] == "download"
    unknown = diorama("models", "pull", "nobody")
    assert unknown.code == 2
    assert "midas-v21-small" in unknown.err
    assert diorama("models", "verify", "nobody").code == 2


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of one small file, already in the cache."""
    import hashlib

    data = b"weights" * 100
    entry = weights.Weights("tiny", "tiny.onnx", "http://127.0.0.1:9/tiny.onnx", len(data),
                            hashlib.sha256(data).hexdigest(), "MIT", "A test's.")  # fmt: skip
    monkeypatch.setattr(weights, "CATALOGUE", {"tiny": entry})
    path = weights.cache_folder() / "weights" / "tiny.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


def test_models_pull_and_verify(catalogue: Path) -> None:
    pulled = diorama("models", "pull", "--json").json
    assert pulled == {"pulled": [{"name": "tiny", "path": str(catalogue), "bytes": 700}]}
    assert str(catalogue) in diorama("models", "pull", "tiny").out
    assert diorama("models", "verify", "--json").json["weights"][0]["state"] == "ready"
    assert "intact" in diorama("models", "verify", "tiny").out


def test_models_verify_finds_damage(catalogue: Path) -> None:
    catalogue.write_bytes(b"weighty" * 100)
    result = diorama("models", "verify")
    assert result.code == 3
    assert "diorama models pull tiny" in result.err
    asked = diorama("models", "verify", "--json")
    assert asked.code == 3
    assert asked.json["weights"][0]["state"] == "damaged"


# ---- serve -----------------------------------------------------------------------------------------------------


def test_serve_hands_on_what_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diorama import server

    calls: list[tuple[Any, ...]] = []

    def serve(host: str, port: int, data: Path | None, **more: Any) -> None:
        more.pop("say")(f"Diorama is at http://{host}:{port}.")
        calls.append((host, port, data, more))

    monkeypatch.setattr(server, "serve", serve)
    monkeypatch.delenv("DIORAMA_OFFLINE")
    assert "http://127.0.0.1:5000" in diorama("serve").out
    words = [
        "--host",
        "localhost",
        "--port",
        "7001",
        "--data",
        tmp_path,
        "--workers",
        "3",
        "--jobs",
        "2",
        "--offline",
        "--open",
        "--json",
    ]
    assert "7001" in diorama("serve", *words).json["message"]
    rest = {"lan": False, "log": None}
    assert calls == [
        ("127.0.0.1", 5000, None, {"workers": 1, "slots": None, "fetch": True, "open_browser": False, **rest}),
        ("localhost", 7001, tmp_path, {"workers": 3, "slots": 2, "fetch": False, "open_browser": True, **rest}),
    ]


def test_serve_refuses_the_open_network(tmp_path: Path) -> None:
    result = diorama("serve", "--host", "0.0.0.0", "--port", "0", "--data", tmp_path)
    assert result.code == 6
    assert diorama("serve", "--port", "99999").code == 2


# ---- export ----------------------------------------------------------------------------------------------------


def test_export_writes_a_kept_scene_in_other_formats(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = diorama("export", scene, "--to", "glb", "--to", "exr")
    assert result.code == 0, result.err
    assert (tmp_path / "coffee.glb").read_bytes()[:4] == b"glTF"
    assert (tmp_path / "coffee.exr").exists()
    report = diorama("export", scene, "-o", tmp_path / "mesh.ply", "--json").json
    assert [file["label"] for file in report["files"]] == ["Mesh (PLY)"]
    assert report["step"] == "original"
    assert diorama("export", scene, "--to", "ply", "-o", tmp_path / "mesh.data").code == 0
    assert (tmp_path / "mesh.data").read_bytes() == (tmp_path / "mesh.ply").read_bytes()


def test_export_says_what_it_lacks(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.glb"
    for words, said in (
        ([], "isn't said what to make"),
        (["--to", "dwg"], "no format named 'dwg'"),
        (["-o", "."], "can't be written as '.'"),
        (["--to", "glb", "--to", "ply", "-o", out], "which belongs to which"),
        (["-o", tmp_path / "a.coco.json"], "no segments"),
    ):
        result = diorama("export", scene, *words)
        assert result.code == 2
        assert said in " ".join(result.err.split())
    assert diorama("make", scene, "-o", tmp_path / "b.glb").code == 2
    assert diorama("export", scene, "-o", out).code == 0
    refused = diorama("export", out, "-o", tmp_path / "c.ply")
    assert (refused.code, "is a GLB" in refused.err) == (2, True)


# ---- errors, help, version -------------------------------------------------------------------------------------


def test_help_comes_without_the_parsers_that_it_never_uses() -> None:
    code = (
        "import sys\n"
        "from diorama.cli import help\n"
        "help.load()\n"
        "assert 'typer.rich_utils' in sys.modules and 'markdown_it' not in sys.modules\n"
        "assert 'rich.markdown' not in sys.modules and 'pygments' not in sys.modules\n"
        "import typer.rich_utils as shown\n"
        "print(shown.Markdown('*x*').hyperlinks)\n"
        "print(shown.Traceback.from_exception(ValueError, ValueError(1), None).trace.stacks[0].exc_type)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "ValueError"]  # asked for, they are there


def test_help_lists_every_command_and_what_most_come_for_first() -> None:
    from diorama.cli.group import ORDER

    shown = re.findall(r"^│ ([a-z]+) ", diorama("--help").out, re.MULTILINE)
    assert tuple(shown) == ORDER


@pytest.mark.parametrize("as_json", [True, False])
def test_a_full_disk_behind_stdout_is_no_mistake_of_diorama(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sys, "stdout", Full())
    talk = Talk(json=as_json)
    with pytest.raises(errors.StorageError, match="stdout") as caught:
        talk.result({}, ["done"])
    talk.error(caught.value)
    assert "can't be written" in capsys.readouterr().err


def test_exit_codes_are_the_errors_own_and_documented() -> None:
    def tree(kind: type[errors.DioramaError]) -> set[int]:
        return {kind.exit_code, *(code for child in kind.__subclasses__() for code in tree(child))}

    assert tree(errors.DioramaError) | {0, 130} == set(EXIT_CODES)
    shown = " ".join(diorama("--help").out.split())
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning.split()[0]}" in shown


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (ZeroDivisionError("float division"), 1, "Unexpected ZeroDivisionError"),
        (KeyboardInterrupt(), 130, "Stopped."),
        (errors.WeightsMissingError("Not there.", hint="Pull."), 3, "Pull."),
        (errors.DioramaError("a [bold]name[/bold]\x1b[2J", hint="Rename it."), 1, "a [bold]name[/bold]�[2J"),
    ],
)
def test_errors_end_as_sentences(
    raised: BaseException, code: int, said: str, coffee: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diorama import pipeline

    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(pipeline, "make", fail)
    result = diorama("make", coffee, "-o", tmp_path / "c.glb")
    assert result.code == code
    assert said in result.err
    assert "Traceback" not in result.err
    asked = diorama("make", coffee, "-o", tmp_path / "c.glb", "--json")
    assert asked.code == code
    if code == 1:
        assert asked.json["error"]["code"] in ("unexpected", "diorama")


def test_unexpected_errors_name_the_place_and_debugging_shows_all(
    coffee: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "step_named", lambda _until: 1 / 0)
    result = diorama("make", coffee, "-o", tmp_path / "c.glb")
    assert result.code == 1
    assert "__init__.py, line " in result.err
    assert "DIORAMA_DEBUG=1" in result.err
    monkeypatch.setenv("DIORAMA_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        diorama("make", coffee, "-o", tmp_path / "c.glb")


def test_version_and_bare_command() -> None:
    assert diorama("--version").out == f"diorama {__version__}\n"
    assert "make" in diorama().out + diorama().err


def test_every_setting_is_an_option_with_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    shown = " ".join(diorama("make", "--help").out.replace("│", " ").split())
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')} " in shown
        assert str(field.description) in shown
    assert "(64 to 4,096 px; default 1,536)" in shown
    assert "(5 to 150°; default none)" in shown
    assert "(above 0 px; default none)" in shown
    assert "(0 to 1; default 1)" in shown
    assert "--no-find-sky" in shown
    assert "inverse|metric" in shown
    for ending in export.FORMATS:
        assert ending in shown
    depth = diorama("depth", "--help").out
    assert "--find-sky" in depth
    assert "--triangles" not in depth


@pytest.mark.parametrize(
    "words", [["make"], ["depth"], ["view"], ["serve"], ["models", "list"], ["models", "pull"], ["models", "verify"]]
)
def test_every_command_has_the_common_options(words: list[str]) -> None:
    shown = diorama(*words, "--help").out
    for option in ("--json", "--quiet", "--settings", "--offline"):
        assert option in shown


def test_settings_file_is_checked_by_every_command(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text('{"triangels": 1}', encoding="utf-8")
    result = diorama("models", "list", "--settings", file, "--json")
    assert result.code == 2
    assert "triangels" in result.json["error"]["message"]


# ---- a real process --------------------------------------------------------------------------------------------


def test_as_a_program(tmp_path: Path, coffee: Path) -> None:
    command = [sys.executable, "-m", "diorama"]
    made = subprocess.run(
        [*command, "make", coffee, "-o", tmp_path / "c.glb", "--json", *ORIGINAL], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["step"] == "original"
    data = (tmp_path / "c.glb").read_bytes()
    assert struct.unpack("<I", data[8:12])[0] == len(data)
    letter = bad_inputs.write(bad_inputs.named("text-as-jpg"), tmp_path)
    refused = subprocess.run([*command, "make", letter, "-o", tmp_path / "x.glb"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.startswith("Error: ")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_progress_on_a_terminal(tmp_path: Path, coffee: Path) -> None:
    ours, theirs = os.openpty()
    words = ["make", str(coffee), "-o", str(tmp_path / "c.glb"), "--json", *SMALL]  # all steps
    with subprocess.Popen([sys.executable, "-m", "diorama", *words], stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                break
            if not part:
                break
            shown += part
        assert process.stdout is not None
        report = json.loads(process.stdout.read())
    os.close(ours)
    assert report["step"] == "final"
    sentences = (
        "Reading the photo",
        "Estimating depth",
        "Building the mesh",
        "Finding the things",
        "Imagining",
        "Improving the texture",
        "Fusing",
        "Writing",
    )
    for sentence in sentences:
        assert sentence.encode() in shown


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_exits_130(tmp_path: Path) -> None:
    pipe = tmp_path / "photo.jpg"
    os.mkfifo(pipe)  # reading it waits until somebody writes
    process = subprocess.Popen(
        [sys.executable, "-m", "diorama", "make", str(pipe), "-o", str(tmp_path / "c.glb")],
        stderr=subprocess.PIPE,
        text=True,
    )
    with pipe.open("wb"):  # returns once the command has opened it for reading
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert process.stderr is not None
    assert process.stderr.read() == "Stopped.\n"
    process.stderr.close()
