"""The HTTP API, in this process with real workers: a photo's way through it, and every way to be refused."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from PIL import Image

import bad_inputs
import waiting
from bad_inputs import BadInput
from diorama import photo
from diorama.server import create_app, heads
from diorama.server.context import Context
from workplace import QUICK, quick_photo

ADDRESS = "http://127.0.0.1:5000"
JOBS = "/api/v1/jobs"
SETTINGS = json.dumps(QUICK)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    app = create_app(tmp_path_factory.mktemp("data"), slots=1, fetch=False)
    with TestClient(app, base_url=ADDRESS, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def made(client: TestClient) -> dict[str, Any]:
    """A job that waits to be validated; tests leave it so."""
    answer = upload(client, name="café cup.png")
    assert answer.status_code == 201
    return finished(client, answer.json()["id"])


def context(client: TestClient) -> Context:
    found: Context = client.app.state.context  # type: ignore[attr-defined]
    return found


def upload(client: TestClient, data: bytes | None = None, name: str = "photo.png", **headers: str) -> httpx.Response:
    content = quick_photo() if data is None else data
    query = {"name": name, "settings": SETTINGS}
    return client.post(JOBS, params=query, content=content, headers={"Content-Type": "image/png", **headers})


def finished(client: TestClient, job_id: str, seconds: float = waiting.PATIENCE) -> dict[str, Any]:
    return waiting.finished(client, f"{JOBS}/{job_id}", seconds)


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that the answer is a problem document for a person and a program."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "code", "detail", "hint", "request_id"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["detail"].endswith((".", "?"))
    assert body["hint"].endswith(".")
    assert "Traceback" not in answer.text
    return dict(body)


# ---- a photo's way ---------------------------------------------------------------------------------------------


def test_a_new_job_waits_for_its_turn(client: TestClient) -> None:
    answer = upload(client)
    job = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{JOBS}/{job['id']}"
    assert len(job["id"]) == 22
    assert [step["name"] for step in job["steps"]] == ["upload", "original", "enhanced", "final"]
    assert job["steps"][0]["state"] == "done"
    assert [stage["name"] for stage in job["stages"]] == ["photo", "depth", "points", "mesh", "files"]
    assert job["settings"]["processing_size"] == 128
    assert finished(client, job["id"])["state"] == "waiting"


def test_a_finished_step_tells_all_about_its_scene(made: dict[str, Any]) -> None:
    assert made["state"] == "waiting"
    assert made["name"] == "café cup.png"
    assert (made["step"], made["validated"], made["error"]) == ("original", [], None)
    assert (made["fraction"], made["stage"], made["message"], made["seconds_left"]) == (1.0, None, None, None)
    states = {step["name"]: step["state"] for step in made["steps"]}
    assert states == {"upload": "done", "original": "waiting", "enhanced": "pending", "final": "pending"}
    assert all(stage["state"] == "done" and stage["seconds"] >= 0 for stage in made["stages"])
    assert [report["stage"] for report in made["report"]] == ["photo", "depth", "points", "mesh"]
    assert all(report["backend"] and report["reason"] for report in made["report"])
    assert [report["provider"] for report in made["report"]] == ["", "CPU", "", ""]
    assert (made["camera"]["width"], made["camera"]["height"]) == (96, 64)
    assert made["camera"]["source"] == "assumed"
    assert made["units"] == "relative"
    assert made["triangles"] > 0
    assert made["points"] > 0
    assert made["warnings"]


def test_every_file_is_there_and_is_what_it_says(client: TestClient, made: dict[str, Any]) -> None:
    names = {file["name"].split("/")[1]: file for file in made["files"]}
    shown = {"photo.jpg", "depth.jpg", "thumbnail.jpg", "points_preview.ply", "low.glb"}
    downloads = {"scene.glb", "points.ply", "mesh.ply", "depth.png", "depth.npy", "scene.diorama"}
    assert {name for name, file in names.items() if not file["download"]} == shown
    assert {name for name, file in names.items() if file["download"]} == downloads
    beginnings = {"jpg": b"\xff\xd8", "ply": b"ply\n", "glb": b"glTF", "png": b"\x89PNG", "npy": b"\x93NUMPY"}
    for name, file in names.items():
        answer = client.get(file["url"])
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == len(answer.content) == file["bytes"]
        assert answer.headers["content-type"] == file["media_type"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.content.startswith(beginnings.get(name.rpartition(".")[2], b""))
        assert file["label"]


def test_pictures_show_the_photo(client: TestClient, made: dict[str, Any]) -> None:
    original, thumbnail = (
        Image.open(io.BytesIO(client.get(f"{JOBS}/{made['id']}/files/original/{name}.jpg").content)).convert("RGB")
        for name in ("photo", "thumbnail")
    )
    assert original.size == (96, 64)
    assert thumbnail.size == (96, 64)
    assert len(thumbnail.getcolors(1 << 16)) > 100
    assert original.tobytes() != thumbnail.tobytes()


def test_a_file_is_sent_once(client: TestClient, made: dict[str, Any]) -> None:
    url = f"{JOBS}/{made['id']}/files/original/scene.glb"
    first = client.get(url)
    tag = first.headers["etag"]
    again = client.get(url, headers={"If-None-Match": f'W/"other", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
    head = client.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == first.headers["content-length"]
    part = client.get(url, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"glTF")


def test_a_download_has_the_photos_name(client: TestClient, made: dict[str, Any]) -> None:
    url = f"{JOBS}/{made['id']}/files/original/scene.glb"
    assert client.get(url).headers["content-disposition"].startswith("inline")
    attached = client.get(url, params={"download": 1}).headers["content-disposition"]
    assert attached == "attachment; filename*=utf-8''caf%C3%A9%20cup-scene.glb"


@pytest.mark.parametrize(
    "name",
    [
        "../upload/photo.png",
        "original/../../upload/photo.png",
        "..%2Fupload%2Fphoto.png",
        "%2e%2e/%2e%2e/jobs.db",
        "original/..%2f..%2f..%2fjobs.db",
        "original/scene.glb/",
        "original//scene.glb",
        "/etc/passwd",
        "original/scene.glb%00",
        "scene.glb",
        "enhanced/scene.glb",
    ],
)
def test_only_the_jobs_own_files_can_be_had(client: TestClient, made: dict[str, Any], name: str) -> None:
    answer = client.get(f"{JOBS}/{made['id']}/files/{name}")
    assert answer.status_code == 404
    refused(answer, 404, answer.json()["code"])


def test_a_file_that_was_removed_from_the_disk(client: TestClient) -> None:
    job = finished(client, upload(client).json()["id"])
    folder = context(client).data.job(job["id"]).outputs
    next(folder.rglob("mesh.ply")).unlink()
    gone = client.get(f"{JOBS}/{job['id']}/files/original/mesh.ply")
    assert "again" in refused(gone, 404, "job-not-found")["hint"]
    # Made anew with everything else reused.
    client.post(f"{JOBS}/{job['id']}/rerun", json={"step": "original", "settings": {}})
    finished(client, job["id"])
    assert client.get(f"{JOBS}/{job['id']}/files/original/mesh.ply").status_code == 200


def test_a_form_is_as_good_as_a_raw_body(client: TestClient) -> None:
    answer = client.post(
        JOBS,
        files={"photo": ("Ærø.png", quick_photo(), "image/png")},
        data={"settings": json.dumps({**QUICK, "depth_range": 7}), "other": "ignored"},
    )
    job = answer.json()
    assert answer.status_code == 201, answer.text
    assert job["name"] == "Ærø.png"
    assert job["settings"]["depth_range"] == 7
    assert finished(client, job["id"])["state"] == "waiting"


def test_a_name_in_a_header(client: TestClient) -> None:
    headers = {"Content-Type": "application/octet-stream", "X-Filename": "%C3%86r%C3%B8.png"}
    job = client.post(JOBS, params={"settings": SETTINGS}, content=quick_photo(), headers=headers).json()
    assert job["name"] == "Ærø.png"
    client.delete(f"{JOBS}/{job['id']}")


def test_jobs_are_listed_newest_first_and_deleted(client: TestClient) -> None:
    first, second = upload(client, name="1.png").json(), upload(client, name="2.png").json()
    listed = [job["id"] for job in client.get(JOBS).json()["jobs"]]
    assert listed[:2] == [second["id"], first["id"]]
    assert len(client.get(JOBS, params={"limit": 1}).json()["jobs"]) == 1
    refused(client.get(JOBS, params={"limit": 0}), 422, "request")
    for job in (first, second):
        folder = context(client).data.job(job["id"]).path
        assert folder.exists()
        assert client.delete(f"{JOBS}/{job['id']}").status_code == 204
        assert not folder.exists()
        refused(client.get(f"{JOBS}/{job['id']}"), 404, "job-not-found")
        refused(client.delete(f"{JOBS}/{job['id']}"), 404, "job-not-found")


def test_validate_run_again_and_the_conflicts(client: TestClient) -> None:
    job_id = upload(client).json()["id"]
    finished(client, job_id)
    validate, rerun = f"{JOBS}/{job_id}/validate", f"{JOBS}/{job_id}/rerun"
    refused(client.post(validate, json={"step": "enhanced"}), 409, "job")
    refused(client.post(validate, json={"step": "nonsense"}), 422, "request")
    refused(client.post(validate, content=b"{", headers={"Content-Type": "application/json"}), 422, "request")
    done = client.post(validate, json={"step": "original"}).json()
    assert (done["state"], done["step"], done["validated"]) == ("queued", "enhanced", ["original"])
    assert done["steps"][1]["state"] == "done"
    refused(client.post(validate, json={"step": "original"}), 409, "job")
    refused(client.post(rerun, json={"step": "original"}), 409, "job")  # while it is made
    assert finished(client, job_id)["step"] == "enhanced"
    # What is validated can be made again, and waits to be validated again.
    answer = client.post(rerun, json={"step": "original", "settings": {"triangles": 2000}})
    assert answer.status_code == 200
    assert answer.json()["state"] == "queued"
    assert answer.json()["files"]  # the old ones, until the new are there
    again = finished(client, job_id)
    assert (again["state"], again["validated"], again["settings"]["triangles"]) == ("waiting", [], 2000)
    reused = {stage["name"]: stage["reused"] for stage in again["stages"]}
    assert reused == {"photo": True, "depth": True, "points": True, "mesh": False, "files": False}
    refused(client.post(rerun, json={"step": "final"}), 409, "job")
    refused(client.post(rerun, json={"step": "original", "settings": {"triangles": 1}}), 422, "settings")
    refused(client.post(rerun, json={"step": "original", "settings": {"colour": 1}}), 422, "settings")
    assert client.get(f"{JOBS}/{job_id}").json()["state"] == "waiting"


def test_depth_is_a_models_name_and_never_a_path(client: TestClient, made: dict[str, Any]) -> None:
    for path in ("/etc/passwd", "depth.npy", "../depth.png", "no-such-model"):
        body = {"step": "original", "settings": {"depth": path}}
        problem = refused(client.post(f"{JOBS}/{made['id']}/rerun", json=body), 422, "settings")
        assert "bundled" in problem["hint"]
        refused(
            client.post(JOBS, params={"settings": json.dumps({"depth": path})}, content=quick_photo()), 422, "settings"
        )


# ---- what is refused -------------------------------------------------------------------------------------------


AT_ONCE = {
    *("png-bomb", "jpeg-flood", "text-as-jpg", "html-as-png", "zip-bomb", "svg", "postscript", "empty", "one-byte"),
    *("heic-absurd-size", "heic-no-size", "avif-absurd-size", "film"),
}
"""What the first bytes give away; the rest is found by the worker that decodes it."""


@pytest.mark.parametrize("bad", bad_inputs.refused(), ids=str)
def test_bad_inputs_are_refused_with_a_sentence(client: TestClient, bad: BadInput) -> None:
    assert bad.error is not None
    status, code = bad.error.http_status, bad.error("", hint="").code
    answer = upload(client, bad.data, bad.filename)
    if bad.name in AT_ONCE:
        refused(answer, status, code)
    else:
        assert answer.status_code == 201
        job = finished(client, answer.json()["id"])
        assert job["state"] == "failed"
        assert (job["error"]["status"], job["error"]["code"]) == (status, code)
        assert job["error"]["detail"].endswith(".")
        assert job["error"]["hint"].endswith(".")
        assert job["steps"][1]["note"] == job["error"]["detail"]
    assert list((context(client).data.root / "incoming").iterdir()) == []


@pytest.mark.parametrize("bad", bad_inputs.photos(), ids=str)
def test_awkward_photos_become_scenes(client: TestClient, bad: BadInput) -> None:
    answer = upload(client, bad.data, bad.filename)
    assert answer.status_code == 201, answer.text
    job = finished(client, answer.json()["id"])
    assert job["error"] is None
    assert job["state"] == "waiting"
    assert bad.warning in " ".join(job["warnings"])
    client.delete(f"{JOBS}/{job['id']}")


def test_a_body_that_says_it_is_no_picture(client: TestClient) -> None:
    refused(client.post(JOBS, content=b"{}", headers={"Content-Type": "application/json"}), 415, "photo-format")
    refused(client.post(JOBS), 422, "photo")


@pytest.mark.parametrize("settings", ["[1]", "{", "7", '{"triangles": 1}', '{"colour": 2}', "[" * 5000])
def test_settings_that_can_not_be_used(client: TestClient, settings: str) -> None:
    refused(client.post(JOBS, params={"settings": settings}, content=quick_photo()), 422, "settings")
    refused(client.post(JOBS, files={"photo": ("a.png", quick_photo())}, data={"settings": settings}), 422, "settings")
    assert list((context(client).data.root / "incoming").iterdir()) == []


def _form(body: bytes, boundary: str = "edge") -> dict[str, Any]:
    return {"content": body, "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "input"),
        (b"no form at all", "input"),
        (b"--edge\r\nContent-Disposition: form-data; name=photo\r\n\r\nbroken off", "input"),
        (b'--edge\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--edge--\r\n', "photo"),
        (b"--edge--\r\n", "photo"),
        (b"--edge\r\nNo-Disposition: x\r\n\r\n1\r\n--edge--\r\n", "photo"),
        (2 * b'--edge\r\nContent-Disposition: form-data; name="photo"\r\n\r\n1\r\n' + b"--edge--\r\n", "input"),
        (b'--edge\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + bytes(2 << 20) + b"\r\n--edge--", "input"),
    ],
    ids=["empty", "no form", "broken off", "no photo", "no parts", "nameless", "two photos", "large field"],
)
def test_damaged_forms(client: TestClient, body: bytes, code: str) -> None:
    refused(client.post(JOBS, **_form(body)), 422, code)
    assert list((context(client).data.root / "incoming").iterdir()) == []


def test_forms_without_a_usable_boundary(client: TestClient) -> None:
    for boundary in ("", "x" * 5000):
        refused(client.post(JOBS, **_form(b"--\r\n\r\n", boundary)), 422, "input")


def _endless(sent: list[int]) -> Iterator[bytes]:
    yield quick_photo()
    while True:
        sent.append(1 << 20)
        yield bytes(1 << 20)


def test_head_is_get_without_the_body(client: TestClient, made: dict[str, Any]) -> None:
    file = next(file for file in made["files"] if file["name"] == "original/scene.glb")
    for address in ("/", "/docs", "/healthz", "/favicon.ico", JOBS, f"{JOBS}/{made['id']}", file["url"]):
        whole, head = client.get(address), client.head(address)
        assert head.status_code == 200, address
        assert head.content == b""
        for name in ("content-type", "etag", "accept-ranges", "content-disposition"):
            assert head.headers.get(name) == whole.headers.get(name), f"{name} of {address}"
    assert int(client.head(file["url"]).headers["content-length"]) == file["bytes"]
    assert client.head("/nonsense").status_code == 404
    assert client.head(f"{JOBS}/{made['id']}/validate").status_code == 405


def test_head_of_a_stream_that_never_ends_ends() -> None:
    async def endless() -> AsyncIterator[str]:
        while True:
            yield "data: again\n\n"
            await asyncio.sleep(0.01)

    app = FastAPI()
    app.add_middleware(heads.Heads)
    app.add_api_route("/events", lambda: StreamingResponse(endless(), media_type="text/event-stream"))
    with TestClient(app) as client:
        answer = client.head("/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_person_at_a_wrong_address_gets_the_page_and_a_program_the_problem(client: TestClient) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    shown = client.get("/nonsense", headers=browser)
    assert shown.status_code == 404
    assert shown.headers["content-type"].startswith("text/html")
    assert shown.text == client.get("/").text
    refused(client.get("/nonsense"), 404, "not-found")
    refused(client.get("/api/v1/nonsense", headers=browser), 404, "not-found")
    refused(client.get("/static/nonsense.js", headers=browser), 404, "not-found")
    refused(client.post("/nonsense", headers=browser), 404, "not-found")


def test_an_upload_is_cut_off_at_the_limit(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo, "MAX_BYTES", 3 << 20)
    monkeypatch.setattr("diorama.server.limits.DRAIN_BYTES", 1 << 20)
    length = {"Content-Type": "image/png", "Content-Length": str(10 << 20)}
    refused(client.post(JOBS, content=bytes(10 << 20), headers=length), 413, "photo-too-large")
    files = {"photo": ("large.png", bytes(4 << 20))}
    refused(client.post(JOBS, files=files), 413, "photo-too-large")
    assert list((context(client).data.root / "incoming").iterdir()) == []


def test_an_upload_may_be_as_large_as_the_limit(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    data = quick_photo() + bytes(100)
    monkeypatch.setattr(photo, "MAX_BYTES", len(data))
    job = upload(client, data).json()
    assert finished(client, job["id"])["state"] == "waiting"
    refused(upload(client, data + b"1"), 413, "photo-too-large")
    form = client.post(JOBS, files={"photo": ("a.png", data + b"1")}, data={"settings": SETTINGS})
    refused(form, 413, "photo-too-large")


def test_a_full_queue_says_when_to_come_again(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context(client), "max_queued", 0)
    answer = upload(client)
    refused(answer, 429, "queue-full")
    assert int(answer.headers["retry-after"]) > 0


def test_a_full_disk_is_said_and_nothing_is_kept(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context(client).data, "root", context(client).data.root / "no such folder")
    refused(upload(client), 507, "storage")
    refused(client.post(JOBS, params={"example": "coffee"}), 507, "storage")


def test_a_job_that_can_not_be_kept_leaves_no_folder(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from diorama.errors import StorageError
    from diorama.jobs.store import Store

    def refuse(*_args: object, **_options: object) -> None:
        raise StorageError("The disk is full.", hint="Free some space.")

    before = sorted((context(client).data.root / "jobs").iterdir())
    monkeypatch.setattr(Store, "add", refuse)
    refused(upload(client), 507, "storage")
    assert sorted((context(client).data.root / "jobs").iterdir()) == before


@pytest.mark.parametrize("job_id", ["x", "a" * 22, "..", "%2e%2e", "' OR 1=1 --"])
def test_a_job_that_is_not_there(client: TestClient, job_id: str) -> None:
    for answer in (
        client.get(f"{JOBS}/{job_id}"),
        client.get(f"{JOBS}/{job_id}/events"),
        client.delete(f"{JOBS}/{job_id}"),
        client.get(f"{JOBS}/{job_id}/files/original/scene.glb"),
        client.post(f"{JOBS}/{job_id}/validate", json={"step": "original"}),
        client.post(f"{JOBS}/{job_id}/rerun", json={"step": "original"}),
    ):
        assert answer.status_code in (404, 405)
        refused(answer, answer.status_code, answer.json()["code"])


# ---- examples, settings, models --------------------------------------------------------------------------------


def test_the_examples_can_be_seen_and_tried(client: TestClient) -> None:
    examples = client.get("/api/v1/examples").json()
    assert [example["name"] for example in examples] == list(photo.EXAMPLES)
    for example in examples:
        small = Image.open(io.BytesIO(client.get(example["thumbnail"]).content))
        assert small.format == "JPEG"
        assert 320 < max(small.size) <= 640
    whole = client.get("/api/v1/examples/coffee")
    assert whole.headers["content-type"] == "image/png"
    assert whole.content == photo.example("coffee").read_bytes()
    answer = client.post(JOBS, params={"example": "coffee", "settings": SETTINGS})
    assert answer.status_code == 201
    assert finished(client, answer.json()["id"])["state"] == "waiting"
    for missing in ("nothing", "..%2fcoffee.png"):
        refused(
            client.get(f"/api/v1/examples/{missing}"), 404, client.get(f"/api/v1/examples/{missing}").json()["code"]
        )
    refused(client.get("/api/v1/examples/nothing/thumbnail"), 404, "job-not-found")
    refused(client.post(JOBS, params={"example": "nothing"}), 404, "job-not-found")


def test_settings_come_with_what_a_slider_needs(client: TestClient) -> None:
    schema = client.get("/api/v1/settings").json()
    assert list(schema["properties"]) == [name for group in schema["groups"] for name in group["settings"]]
    stages = {
        "original": ["photo", "depth", "points", "mesh"],
        "enhanced": ["segments", "advice", "layers"],
        "final": ["plan", "tune", "rebuild", "texture", "synthesis"],
    }
    assert [group["stage"] for group in schema["groups"]] == [stage for group in stages.values() for stage in group]
    for group in schema["groups"]:
        assert group["label"]
        assert group["stage"] in stages[group["step"]]
        for name in group["settings"]:
            assert schema["properties"][name]["stage"] == group["stage"]
            assert {"label", "unit", "step", "slider", "description"} <= set(schema["properties"][name])


def test_models_say_whether_they_can_run(client: TestClient) -> None:
    answer = client.get("/api/v1/models").json()
    assert answer["offline"] is True
    models = {model["name"]: model for model in answer["models"]}
    assert (models["bundled"]["available"], models["bundled"]["state"]) == (True, "available")
    assert all(model["licence"] and model["bytes"] for model in models.values())
    assert all(model["state"] == "missing" for model in models.values() if not model["available"])


def test_health(client: TestClient) -> None:
    health = client.get("/healthz").json()
    assert health["status"] == "ok"
    assert health["workers"] == 1
    assert health["queued"] >= 0
