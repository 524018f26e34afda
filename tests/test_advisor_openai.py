"""GPT-4's path over real HTTP: whatever the server does, there is advice, a clear sentence, and no key anywhere."""

from __future__ import annotations

import base64
import dataclasses
import importlib.util
import io
import json
import logging
import re
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

import openai_server
from advice_scenes import THING, WALL, plan_question, scene_question, standing
from diorama import advisor, make
from diorama.advice import ReconstructionAdvice, SceneAdvice, suggestions
from diorama.advisor import asking, kept, local, marks, openai_chat, prices, reading, service
from diorama.cli import app
from diorama.errors import ModelError
from diorama.settings import Settings
from diorama.types import Photo, Segment, Segments
from openai_server import INJECTED, OpenAIServer, serving

KEY = "sk-proj-never-to-be-seen-0123456789"
ALONE = openai_chat.ALONE


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with serving() as running:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("DIORAMA_ADVISOR_SECONDS", "20")
        monkeypatch.setattr(service, "PAUSE_SECONDS", 0.05)
        for proxy in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(proxy, raising=False)
        yield running
        assert not running.problems
        assert set(running.keys) <= {KEY}


SCENE = standing("ball")


@cache
def measured() -> SceneAdvice:
    """The local advice on it."""
    return local.scene(scene_question(SCENE))


def ask_scene() -> advisor.Answer[SceneAdvice]:
    return advisor.advise(scene_question(SCENE), "openai")


def ask_plan() -> advisor.Answer[ReconstructionAdvice]:
    return advisor.advise(plan_question(SCENE), "openai")


# ---- good answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("play", ["good", "fenced", "no-schema"])
def test_a_good_answer_is_laid_over_the_local_advice(server: OpenAIServer, play: str) -> None:
    server.play = play
    found = ask_scene()
    advice = found.advice
    assert not found.warnings
    assert advice.adviser == "openai"
    assert "looked at the picture" in found.reason
    assert advice.caption is not None
    assert (advice.caption.value, advice.caption.source) == ("A thing in front of a wall", "openai")
    assert advice.fov is not None
    assert advice.fov.value == 62
    thing = advice.of(THING)
    assert thing.name is not None
    assert thing.name.value == f"Thing {THING}"
    assert thing.material is not None
    plan = ask_plan()
    assert not plan.warnings
    assert plan.advice.depth_range is not None
    assert plan.advice.depth_range.source == "openai"
    sources = {item.action: item.source for item in plan.advice.texture}
    assert sources["sharpen"] == "openai"
    assert sources["match-imagined"] == "local"
    assert [item.source for item in plan.advice.fusion if item.action == "backdrop"] == ["local"]


def test_the_answer_keeps_to_the_schema_that_was_asked_for(server: OpenAIServer) -> None:
    import jsonschema

    ask_scene()
    ask_plan()
    for body in server.bodies:
        schema = body["response_format"]["json_schema"]
        assert schema["strict"] is True
        jsonschema.validate(openai_server.good(body), schema["schema"])


def test_what_is_sent(server: OpenAIServer) -> None:
    ask_scene()
    (body,) = server.bodies
    text, picture = body["messages"][1]["content"]
    assert openai_server.segment_ids(body) == [item.id for item in SCENE.segments.items]  # type: ignore[union-attr]
    assert KEY not in json.dumps(body)
    assert SCENE.photo.name not in text["text"].split()
    with Image.open(io.BytesIO(_decoded(picture["image_url"]["url"]))) as opened:
        assert opened.format == "JPEG"
        assert opened.size == (SCENE.photo.width, SCENE.photo.height)
        assert not opened.getexif()


def _decoded(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


def test_large_photos_are_sent_small_and_hidden_pixels_not_at_all() -> None:
    rgb = np.full((1500, 3000, 3), (10, 200, 30), np.uint8)
    alpha = np.full((1500, 3000), 255, np.uint8)
    alpha[:, :1500] = 0
    rgb[:, :1500] = (250, 0, 250)  # a secret under the transparency
    photo = Photo(rgb, standing().photo.camera.resized(3000, 1500), alpha)
    labels = np.ones((150, 300), np.int32)
    segments = Segments(labels, (Segment(1, "All", "background", (0, 0, 300, 150), labels.size, 1.0, 2.0),))
    picture = marks.marked(photo, segments)
    assert picture.shape[:2] == (512, 1024) == marks.size(photo)[::-1]
    assert (picture[:100, :450] == 255).all()
    assert (picture[:100, 600:] == (10, 200, 30)).all()
    assert (picture == 255).any()


def test_an_answer_is_paid_for_once(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ask_scene()
    again = ask_scene()
    assert server.requests == 1
    assert again.advice == first.advice
    assert "before" in again.reason
    ask_plan()
    assert server.requests == 2
    monkeypatch.setenv("DIORAMA_ADVISOR_MODEL", "gpt-4o")
    ask_scene()
    assert server.requests == 3


def test_the_cache_is_bounded_and_survives_damage(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 3)
    for number in range(6):
        kept.save(f"{number}", "{}")
    folder = kept._folder()
    assert len(list(folder.iterdir())) == 3
    ask_scene()
    for path in folder.iterdir():
        path.write_bytes(b"\xff{broken")
    assert ask_scene().advice.adviser == "openai"
    assert server.requests == 2


def test_the_identity_names_model_and_server_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://user:secret@Example.org:8080/v1/?token=secret")
    monkeypatch.setenv("DIORAMA_ADVISOR_MODEL", "llava")
    found = advisor.identity("openai")
    assert found == "openai llava at http://example.org:8080/v1"
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("DIORAMA_ADVISOR_MODEL")
    assert advisor.identity("openai") == "openai gpt-4.1 at https://api.openai.com/v1"
    for wrong in ("ftp://example.org", "nonsense", "http://[broken"):
        monkeypatch.setenv("OPENAI_BASE_URL", wrong)
        assert advisor.identity("openai") == "openai no server"
        assert "no web address" in ask_scene().warnings[0]


# ---- answers with something wrong ------------------------------------------------------------------------------


def test_a_partial_answer_is_filled_up(server: OpenAIServer) -> None:
    server.play = "partial"
    advice = ask_scene().advice
    assert advice.caption is not None
    assert advice.caption.reason == reading.NO_REASON
    assert advice.of(WALL).name is not None
    assert advice.of(THING).shape == measured().of(THING).shape
    assert not advice.dropped
    plan = ask_plan().advice
    assert plan.depth_range is not None
    assert plan.depth_range.value == 6
    assert plan.texture == local.reconstruction(plan_question(SCENE)).texture


@pytest.mark.parametrize("play", ["out-of-range", "nan"])
def test_nonsense_is_dropped_and_named(server: OpenAIServer, play: str) -> None:
    server.play = play
    scene, plan = ask_scene().advice, ask_plan().advice
    assert (scene.adviser, plan.adviser) == ("openai", "openai")
    assert (scene.fov, scene.roll, scene.subject_distance) == (
        measured().fov,
        measured().roll,
        measured().subject_distance,
    )
    assert scene.merges == ()
    assert scene.caption is not None
    assert scene.caption.value == "Fine"
    said = " ".join(scene.dropped)
    assert "fov: " in said
    assert "roll: " in said
    assert "subject_distance: " in said
    for line in suggestions(scene) + suggestions(plan):
        assert 0 <= line.confidence <= 1
        if line.topic == "parameters" or (line.topic == "texture" and line.what == "denoise"):
            assert line.source == "local"
    assert plan.dropped
    if play == "out-of-range":
        assert "there is no segment 999999" in said
        assert "klein bottle" in said
        assert "explode" in " ".join(plan.dropped)
    else:
        assert scene.of(WALL).name is not None
        assert scene.of(WALL).roughness is None


def test_injected_text_stays_text(server: OpenAIServer) -> None:
    server.play = "injection"
    advice = ask_scene().advice
    name = advice.of(THING).name
    assert name is not None
    assert name.value == INJECTED[: reading.SHORT].strip()
    plan = ask_plan().advice
    for line in suggestions(advice) + suggestions(plan):
        for text in (str(line.value), line.reason):
            assert not re.search(r"[\x00-\x1f\x7f]", text)
            assert len(text) <= 400


# ---- no answer -------------------------------------------------------------------------------------------------

FAILURES = {
    "refusal": "refused to look at this photo",
    "prose": "answered in prose instead of JSON",
    "empty": "answered nothing",
    "no-completion": "is no chat completion",
    "huge": "is too large",
    "401": "refused the key (HTTP 401)",
    "429": "asks to wait 3600 s (HTTP 429)",
    "500": "has a problem of its own (HTTP 500)",
    "hang": "didn't answer within 1.5 s",
    "drip": "didn't answer within 1.5 s",
    "cut": "failed (RemoteProtocolError)",
    "redirect": "refused the question (HTTP 307)",
}


@pytest.mark.parametrize("play", FAILURES)
def test_whatever_goes_wrong_the_local_advice_stays(
    server: OpenAIServer,
    play: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    server.play = play
    if play in ("hang", "drip"):
        monkeypatch.setenv("DIORAMA_ADVISOR_SECONDS", "1.5")
    start = time.monotonic()
    found = ask_scene()
    assert time.monotonic() - start < 15
    assert found.advice == measured()
    (warning,) = found.warnings
    assert FAILURES[play] in warning
    assert warning.endswith(ALONE)
    assert ask_plan().advice.adviser == "local"
    shown = capfd.readouterr()
    assert KEY not in caplog.text + shown.out + shown.err + warning + found.reason + str(found)
    assert not kept._folder().exists()


def test_too_many_requests_are_waited_out(server: OpenAIServer) -> None:
    server.play = "429-once"
    start = time.monotonic()
    assert ask_scene().advice.adviser == "openai"
    assert time.monotonic() - start >= 1
    assert server.requests == 2


def test_tries_are_bounded(server: OpenAIServer) -> None:
    server.play = "500"
    ask_scene()
    assert server.requests == service.TRIES


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setattr(service, "PAUSE_SECONDS", 0.05)
    (warning,) = ask_scene().warnings
    assert "The connection to 127.0.0.1:9 failed (ConnectError)." in warning


def test_no_key_no_package_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (warning,) = ask_scene().warnings
    assert "Diorama is offline, so api.openai.com is not asked." in warning
    monkeypatch.setenv("DIORAMA_OFFLINE", "0")
    (warning,) = ask_scene().warnings
    assert "OpenAI needs a key. Set OPENAI_API_KEY" in warning
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openai" else found(name))
    (warning,) = ask_plan().warnings
    assert "pip install openai" in warning


def test_a_key_that_comes_back_is_struck_out(server: OpenAIServer) -> None:
    server.play = "echo-key"
    found = ask_scene()
    assert found.advice.caption is not None
    assert found.advice.caption.value == "Your key is (key)"
    assert KEY not in _written(kept._folder())


def _written(folder: Path) -> str:
    """Everything in the files of a folder."""
    return "".join(path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file())


# ---- through the pipeline --------------------------------------------------------------------------------------


@pytest.mark.parametrize("play", ["good", "partial", "injection", "out-of-range", "nan", *FAILURES])
def test_every_play_ends_in_a_scene(
    server: OpenAIServer, play: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.play = play
    if play in ("hang", "drip"):
        monkeypatch.setenv("DIORAMA_ADVISOR_SECONDS", "1.5")
    small = Settings(advisor="openai", processing_size=96, texture_size=96, triangles=1000, flip_average=False)
    scene = make(
        np.ascontiguousarray(SCENE.photo.rgb),
        small.changed(optimize="off", texture="off") if play in FAILURES else small,
        until="final",
        fetch=False,
    )
    assert scene.advice is not None
    assert scene.plan is not None
    asked = {item.stage: item.backend for item in scene.report if item.stage in ("advice", "plan")}
    if play in FAILURES:
        assert set(asked.values()) == {scene.advice.adviser} == {scene.plan.adviser} == {"local"}
        assert any(FAILURES[play] in warning and warning.endswith(ALONE) for warning in scene.warnings)
    else:
        assert asked == {"advice": "openai", "plan": "openai"}
    if play == "injection":
        assert scene.segments is not None
        assert {item.name for item in scene.segments.items} == {INJECTED[: reading.SHORT].strip()}
    for ending in ("glb", "diorama"):
        scene.save(tmp_path / f"scene.{ending}")
    if play == "injection":
        assert (
            b"<script>" in (tmp_path / "scene.glb").read_bytes() or b"<img src" in (tmp_path / "scene.glb").read_bytes()
        )
    assert KEY not in _written(tmp_path) + json.dumps([str(scene.report), list(scene.warnings)])


def test_the_command_says_what_is_sent_before_it_is(
    server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    photo = tmp_path / "secret-name.png"
    Image.fromarray(SCENE.photo.rgb).save(photo)
    words = ["make", photo, "-o", tmp_path / "out.glb", "--advisor", "openai", "--until", "enhanced", "--explain"]
    small = ["--processing-size", "96", "--texture-size", "96", "--triangles", "1000", "--flip-average", "off"]
    result = CliRunner().invoke(app, [str(word) for word in [*words, *small]])
    assert result.exit_code == 0, result.output
    host = server.url.removeprefix("http://").removesuffix("/v1")
    assert f"gpt-4.1 at {host} is asked twice" in result.stderr
    assert "tokens go out" in result.stderr
    assert "A thing in front of a wall" in result.stdout
    assert "segments.1.name" in result.stdout
    assert "secret-name" not in json.dumps(server.bodies)
    assert KEY not in result.output + _written(tmp_path) + _written(kept._folder())
    report = CliRunner().invoke(app, [str(w) for w in [*words[:-1], *small, "--json", "--declined", "segments.1.name"]])
    values = json.loads(report.stdout)
    assert values["adviser"] == "openai"
    lines = {line["key"]: line for line in values["advice"]}
    assert lines["segments.1.name"]["declined"]
    assert not lines["caption"]["declined"]
    assert lines["caption"]["applied"] is None


# ---- prices and reading ----------------------------------------------------------------------------------------


def test_the_estimate_is_known_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    for question in (scene_question(SCENE), plan_question(SCENE)):
        found = advisor.estimate(question)
        assert 1000 < found.tokens_in < 5000
        assert found.usd == pytest.approx((found.tokens_in * 2 + found.tokens_out * 8) / 1e6)
    both = advisor.expected(4000, 3000)
    assert both.usd is not None
    assert 0.005 < both.usd < 0.1
    monkeypatch.setenv("DIORAMA_OFFLINE", "0")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert advisor.notice(4000, 3000).startswith("OpenAI needs a key.")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert "$" in advisor.notice(4000, 3000)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1")
    monkeypatch.setenv("DIORAMA_ADVISOR_MODEL", "llava:13b")
    assert advisor.expected(4000, 3000).usd is None
    said = advisor.notice(4000, 3000)
    assert "llava:13b at 127.0.0.1:11434" in said
    assert "doesn't know" in said


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        ("gpt-4.1", (1024, 1024), 765),  # the examples of OpenAI's guide
        ("gpt-4o", (2048, 4096), 1105),
        ("gpt-4.1-mini", (1024, 1024), 1659),
    ],
)
def test_pictures_count_as_published(model: str, size: tuple[int, int], tokens: int) -> None:
    assert prices.picture_tokens(model, size) == tokens


def test_dated_models_cost_what_their_family_costs() -> None:
    dated = prices.estimate("gpt-4.1-mini-2025-04-14", "", True, 1000, (512, 512), 5)
    assert dated.usd == prices.estimate("gpt-4.1-mini", "", True, 1000, (512, 512), 5).usd
    assert prices.estimate("gpt-99", "", True, 1000, (512, 512), 5).usd is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        *("caption", "fov", "subject_distance", "roll", "segments", "merges", "depth_range", "cut_threshold"),
        *(
            "smoothing",
            "camera_travel",
            "second_look",
            "texture",
            "fusion",
            "id",
            "ids",
            "name",
            "kind",
            "shape",
            "material",
        ),
        *("roughness", "metallic", "behind", "value", "reason", "confidence", "action", "amount", "segment", "prompt"),
    ]
)
ANSWERS: Any = st.recursive(
    JSON | st.sampled_from(["denoise", "generate", "join", "plane", "flat", "sky", 1, 2, 0.5, [1, 2], [1, 1]]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=8),
    max_leaves=25,
)


@settings(max_examples=50)
@given(st.dictionaries(FIELDS, ANSWERS, max_size=8))
def test_no_answer_breaks_the_reader_or_comes_through_unchecked(data: dict[str, Any]) -> None:
    known = frozenset({1, 2, 3})
    for advice in (reading.scene(data, known), reading.reconstruction(data, known)):
        for line in suggestions(advice):
            assert set(line.segments) <= known
            assert line.source == "openai"
        json.dumps(advice.model_dump(), allow_nan=False)
        assert type(advice).model_validate(advice.model_dump()) == advice


@given(st.text(max_size=200))
def test_no_text_breaks_the_search_for_json(text: str) -> None:
    try:
        found: object = reading.extract(text)
    except ModelError:
        found = {}
    assert isinstance(found, dict)


def test_json_is_found_between_sentences() -> None:
    assert reading.extract('Here {it} is: ```{"a": 1}``` and {"b": 2}') == {"a": 1}
    with pytest.raises(ModelError):
        reading.extract("{" * 100_000)
    with pytest.raises(ModelError):
        reading.extract('{"a": ' * 3000)


@pytest.mark.usefixtures("server")
def test_a_known_focal_length_is_not_argued_with() -> None:
    camera = dataclasses.replace(SCENE.photo.camera, source="exif")
    scene = dataclasses.replace(SCENE, photo=dataclasses.replace(SCENE.photo, camera=camera))
    advice = advisor.advise(scene_question(scene), "openai").advice
    assert advice.fov is None
    assert "fov: the photo's focal length is known." in advice.dropped


def test_the_question_is_in_the_schema_too() -> None:
    for question in (scene_question(SCENE), plan_question(SCENE)):
        schema = asking.schema(question)["schema"]
        assert openai_server._objects(schema)
        for node in openai_server._objects(schema):
            assert openai_server._closed(node)
