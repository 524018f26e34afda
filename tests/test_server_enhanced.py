"""Step 3 over HTTP: making it, its files, going back, and changing the segments."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import waiting
from diorama.jobs.store import Store
from diorama.server import create_app
from workplace import QUICK, quick_photo

JOBS = "/api/v1/jobs"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    app = create_app(tmp_path_factory.mktemp("data"), slots=1, fetch=False)
    with TestClient(app, base_url="http://127.0.0.1:5000", raise_server_exceptions=False) as client:
        yield client


def finished(client: TestClient, job_id: str, seconds: float = waiting.PATIENCE) -> dict[str, Any]:
    return waiting.finished(client, f"{JOBS}/{job_id}", seconds)


def original(client: TestClient) -> dict[str, Any]:
    """A job that waits at step "original"."""
    query = {"name": "cup.png", "settings": json.dumps(QUICK)}
    answer = client.post(JOBS, params=query, content=quick_photo(), headers={"Content-Type": "image/png"})
    return finished(client, answer.json()["id"])


def enhanced(client: TestClient) -> dict[str, Any]:
    """A job that waits at step "enhanced"."""
    job = original(client)
    client.post(f"{JOBS}/{job['id']}/validate", json={"step": "original"})
    return finished(client, job["id"])


@pytest.fixture(scope="module")
def made(client: TestClient) -> dict[str, Any]:
    """A job that waits at step "enhanced"; tests leave it so."""
    return enhanced(client)


def segments(client: TestClient, job: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.get(f"{JOBS}/{job['id']}/segments")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["segments"])


def refused(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert answer.json()["hint"].endswith(".")


def picture(client: TestClient, job: dict[str, Any], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    data = client.get(f"{JOBS}/{job['id']}/files/enhanced/{name}").content
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float)


def node_names(client: TestClient, job: dict[str, Any]) -> set[str]:
    data = client.get(f"{JOBS}/{job['id']}/files/enhanced/scene.glb").content
    document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    return {node.get("name", "") for node in document["nodes"]}


# ---- the step --------------------------------------------------------------------------------------------------


def test_step_3_follows_when_step_2_is_validated(made: dict[str, Any]) -> None:
    assert (made["state"], made["step"], made["validated"]) == ("waiting", "enhanced", ["original"])
    states = {step["name"]: step["state"] for step in made["steps"]}
    assert states == {"upload": "done", "original": "done", "enhanced": "waiting", "final": "pending"}
    assert [stage["name"] for stage in made["stages"]] == ["segments", "advice", "layers", "files"]
    assert all(stage["state"] == "done" for stage in made["stages"])
    assert made["fraction"] == 1
    assert list(made["results"]) == ["original", "enhanced"]
    before, after = made["results"].values()
    assert before["current"]
    assert after["current"]
    assert [report["stage"] for report in before["report"]] == ["photo", "depth", "points", "mesh"]
    assert [report["stage"] for report in after["report"]][4:] == ["segments", "advice", "layers"]
    assert (before["meshes"], before["segments"], before["imagined"]) == (1, None, None)
    assert after["meshes"] > 1
    assert after["segments"] > 1
    assert after["imagined"] > 0
    assert after["triangles"] > before["triangles"]
    assert after["settings"] == made["settings"]
    # The flat fields tell of the step shown.
    assert made["files"] == after["files"]
    assert made["triangles"] == after["triangles"]


def test_files_of_both_steps_can_be_had(client: TestClient, made: dict[str, Any]) -> None:
    after = {file["name"]: file for file in made["results"]["enhanced"]["files"]}
    downloads = {"scene.glb", "mesh.ply", "scene.diorama", "segments.json", "annotated.jpg"}
    shown = {"before.jpg", "after.jpg", "imagined.jpg", "outlines.json", "thumbnail.jpg", "low.glb"}
    assert {name for name, file in after.items() if file["download"]} == {f"enhanced/{name}" for name in downloads}
    assert set(after) == {f"enhanced/{name}" for name in downloads | shown}
    for result in made["results"].values():
        for file in result["files"]:
            answer = client.get(file["url"])
            assert answer.status_code == 200
            assert len(answer.content) == file["bytes"] > 0
            assert answer.headers["content-type"] == file["media_type"]


def test_the_pictures_compare_the_same_view(client: TestClient, made: dict[str, Any]) -> None:
    before, after, imagined = (picture(client, made, f"{name}.jpg") for name in ("before", "after", "imagined"))
    assert before.shape == after.shape == imagined.shape == (64, 96, 3)
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.5
    # What is highlighted is a part of the picture, and the rest is the same.
    changed = np.abs(imagined - after).max(axis=-1) > 60
    assert 0.005 < changed.mean() < 0.6
    same = np.abs(imagined - after).max(axis=-1) < 25
    assert same.mean() > 0.3


def test_segments_as_coco_and_as_outlines(client: TestClient, made: dict[str, Any]) -> None:
    coco = client.get(f"{JOBS}/{made['id']}/files/enhanced/segments.json").json()
    listed = segments(client, made)
    assert {a["id"]: a["name"] for a in coco["annotations"]} == {item["id"]: item["name"] for item in listed}
    assert len(listed) == made["results"]["enhanced"]["segments"]
    assert sum(item["area"] for item in listed) == pytest.approx(1, abs=1e-3)
    for item in listed:
        points = np.array([point for ring in item["polygons"] for point in ring])
        x0, y0, x1, y1 = item["box"]
        assert points.min() >= 0
        assert points.max() <= 1
        assert points.min(axis=0) == pytest.approx([x0, y0], abs=0.02)
        assert points.max(axis=0) == pytest.approx([x1, y1], abs=0.02)


def test_going_back_loses_nothing(client: TestClient) -> None:
    job = enhanced(client)
    address = f"{JOBS}/{job['id']}"
    settings = job["settings"]
    client.post(f"{address}/rerun", json={"step": "original", "settings": {"depth_range": 7}})
    back = finished(client, job["id"])
    assert (back["state"], back["step"], back["validated"]) == ("waiting", "original", [])
    assert back["files"] == back["results"]["original"]["files"]
    assert not back["results"]["enhanced"]["current"]
    assert all(client.get(file["url"]).status_code == 200 for file in back["results"]["enhanced"]["files"])
    refused(client.post(f"{address}/rerun", json={"step": "enhanced"}), 409, "job")
    refused(client.patch(f"{address}/segments/1", json={"name": "Cup"}), 409, "job")
    # With the settings of before it is what it was, without making anything.
    client.post(f"{address}/rerun", json={"step": "original", "settings": {"depth_range": settings["depth_range"]}})
    assert finished(client, job["id"])["results"]["enhanced"]["current"]
    client.post(f"{address}/validate", json={"step": "original"})
    again = finished(client, job["id"])
    assert again["step"] == "enhanced"
    assert all(stage["reused"] for stage in again["stages"])
    assert again["results"]["enhanced"]["files"] == job["results"]["enhanced"]["files"]
    client.post(f"{address}/validate", json={"step": "enhanced"})
    final = finished(client, job["id"])
    assert (final["state"], final["step"], final["validated"]) == ("waiting", "final", ["original", "enhanced"])
    assert list(final["results"]) == ["original", "enhanced", "final"]
    assert all(client.get(file["url"]).status_code == 200 for file in final["results"]["final"]["files"])
    assert final["results"]["final"]["adviser"] == "local"
    done = client.post(f"{address}/validate", json={"step": "final"}).json()
    assert (done["state"], done["step"], done["validated"]) == ("done", "final", ["original", "enhanced", "final"])


def test_run_again_with_the_settings_of_the_step(client: TestClient, made: dict[str, Any]) -> None:
    address = f"{JOBS}/{made['id']}/rerun"
    refused(client.post(address, json={"step": "enhanced", "settings": {"depth_range": 7}}), 422, "settings")
    refused(client.post(address, json={"step": "enhanced", "settings": {"inpaint": "magic"}}), 422, "settings")
    body = {"step": "enhanced", "settings": {**made["settings"], "camera_travel": 4}}
    assert client.post(address, json=body).json()["validated"] == ["original"]
    again = finished(client, made["id"])
    assert {stage["name"]: stage["reused"] for stage in again["stages"]} == {
        "segments": True,
        "advice": True,
        "layers": False,
        "files": False,
    }
    assert again["results"]["enhanced"]["imagined"] < made["results"]["enhanced"]["imagined"]
    client.post(address, json={"step": "enhanced", "settings": {"camera_travel": made["settings"]["camera_travel"]}})
    assert finished(client, made["id"])["results"]["enhanced"]["files"] == made["results"]["enhanced"]["files"]


# ---- segments --------------------------------------------------------------------------------------------------


def test_rename_merge_split_and_take_back(client: TestClient) -> None:
    job = enhanced(client)
    address = f"{JOBS}/{job['id']}/segments"
    found = segments(client, job)
    first = found[0]
    answer = client.patch(f"{address}/{first['id']}", json={"name": "  Tasse à café ☕ "})
    assert (answer.json()["state"], answer.json()["step"]) == ("queued", "enhanced")
    refused(client.patch(f"{address}/{first['id']}", json={"name": "Two"}), 409, "job")
    renamed = finished(client, job["id"])
    assert {stage["name"]: stage["reused"] for stage in renamed["stages"]}["segments"]
    assert segments(client, job)[0] == {**first, "name": "Tasse à café ☕"}
    assert "Tasse à café ☕" in node_names(client, job)
    coco = client.get(f"{JOBS}/{job['id']}/files/enhanced/segments.json").json()
    assert coco["annotations"][0]["name"] == "Tasse à café ☕"

    other = first["neighbours"][0]
    client.post(f"{address}/merge", json={"ids": [first["id"], other]})
    finished(client, job["id"])
    merged = segments(client, job)
    assert [item["id"] for item in merged] == [item["id"] for item in found if item["id"] != other]
    assert merged[0]["name"] == "Tasse à café ☕"
    assert client.get(address).json()["edits"] == 2

    client.post(f"{address}/undo")
    finished(client, job["id"])
    assert len(segments(client, job)) == len(found)
    x0, y0, x1, y1 = first["box"]
    outcomes = set()
    for x, y in ((0.5, 0.5), (0.5, 0.2), (0.3, 0.5), (0.5, 0.8)):
        body = {"id": first["id"], "x": x0 + x * (x1 - x0), "y": y0 + y * (y1 - y0)}
        answer = client.post(f"{address}/split", json=body)
        outcomes.add(answer.status_code)
        if answer.status_code == 200:
            finished(client, job["id"])
            assert len(segments(client, job)) == len(found) + 1
            break
        refused(answer, 422, "input")
    assert 200 in outcomes
    # The same edits, the same result, after other settings of a later stage.
    client.post(f"{JOBS}/{job['id']}/rerun", json={"step": "enhanced", "settings": {"border": 0.5}})
    assert finished(client, job["id"])["error"] is None
    assert len(segments(client, job)) == len(found) + 1
    # Another segmentation has no edits; the first one's come back with it.
    for depth_range, names in ((7, False), (4, True)):
        client.post(f"{JOBS}/{job['id']}/rerun", json={"step": "original", "settings": {"depth_range": depth_range}})
        finished(client, job["id"])
        client.post(f"{JOBS}/{job['id']}/validate", json={"step": "original"})
        finished(client, job["id"])
        assert ("Tasse à café ☕" in {item["name"] for item in segments(client, job)}) == names


def test_edits_that_can_not_be_made(client: TestClient, made: dict[str, Any]) -> None:
    address = f"{JOBS}/{made['id']}/segments"
    first = segments(client, made)[0]
    for name in ("", "x" * 61, None, 7):
        refused(client.patch(f"{address}/{first['id']}", json={"name": name}), 422, "request")
    for name in ("a\nb", "\x00", "a\u202eb", "   ", "\ud800"):
        body = json.dumps({"name": name})
        answer = client.patch(f"{address}/{first['id']}", content=body, headers={"Content-Type": "application/json"})
        refused(answer, 422, answer.json()["code"])
    refused(client.patch(f"{address}/999", json={"name": "Cup"}), 404, "job-not-found")
    refused(client.patch(f"{address}/cup", json={"name": "Cup"}), 404, "not-found")  # no number, no segment
    refused(client.post(f"{address}/merge", json={"ids": [first["id"]]}), 422, "request")
    refused(client.post(f"{address}/merge", json={"ids": [first["id"], first["id"]]}), 422, "input")
    refused(client.post(f"{address}/merge", json={"ids": [first["id"], 999]}), 422, "input")
    refused(client.post(f"{address}/split", json={"id": first["id"], "x": 1.5, "y": 0}), 422, "request")
    refused(client.post(f"{address}/split", json={"id": 999, "x": 0.5, "y": 0.5}), 422, "input")
    refused(client.post(f"{address}/undo"), 409, "job")
    assert client.get(f"{JOBS}/{made['id']}").json()["state"] == "waiting"


def test_a_job_without_segments(client: TestClient) -> None:
    job = original(client)
    address = f"{JOBS}/{job['id']}/segments"
    refused(client.get(address), 404, "job-not-found")
    refused(client.patch(f"{address}/1", json={"name": "Cup"}), 409, "job")
    refused(client.post(f"{address}/undo"), 409, "job")
    refused(client.get(f"{JOBS}/{'a' * 22}/segments"), 404, "job-not-found")


def test_what_was_removed_from_the_disk(client: TestClient) -> None:
    import shutil

    job = enhanced(client)
    folder = client.app.state.context.data.job(job["id"])  # type: ignore[attr-defined]
    next(folder.outputs.rglob("outlines.json")).unlink()
    refused(client.get(f"{JOBS}/{job['id']}/segments"), 404, "job-not-found")
    for stage in folder.stages.glob("segments-*"):
        shutil.rmtree(stage)
    for stage in folder.stages.glob("mesh-*"):
        shutil.rmtree(stage)
    refused(client.patch(f"{JOBS}/{job['id']}/segments/1", json={"name": "Cup"}), 409, "job")
    client.post(f"{JOBS}/{job['id']}/rerun", json={"step": "enhanced"})
    again = finished(client, job["id"])
    # A stage of the step before that had to be made again shows, too.
    assert [stage["name"] for stage in again["stages"]] == ["mesh", "segments", "advice", "layers", "files"]
    assert segments(client, job)


def test_edits_of_two_windows_do_not_overwrite_each_other(
    client: TestClient, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    get = Store.get

    def outdated(self: Store, job_id: str) -> Any:
        job = get(self, job_id)
        job.revision -= 1
        return job

    monkeypatch.setattr(Store, "get", outdated)
    answer = client.patch(f"{JOBS}/{made['id']}/segments/1", json={"name": "Cup"})
    refused(answer, 409, "job")
    assert "meantime" in answer.json()["detail"]


def test_inpainters_and_segmenters_are_listed(client: TestClient) -> None:
    listed = client.get("/api/v1/models").json()
    assert {row["name"]: row["state"] for row in listed["segmenters"]} == {
        "mobile-sam": "missing",
        "regions": "available",
    }
    rows = {row["name"]: row for row in listed["inpainters"]}
    assert {"bundled", "migan", "lama", "openai"} <= set(rows)
    assert rows["bundled"]["state"] == "available"
    assert rows["migan"]["state"] == "missing"


# ---- what GPT-4 would cost -------------------------------------------------------------------------------------


def test_the_advisor_s_price_is_told_beforehand(
    client: TestClient, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{JOBS}/{made['id']}/advice/estimate"
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    told = client.get(address).json()
    assert (told["available"], told["server"]) == (False, "api.openai.com")
    assert told["reason"]
    assert told["tokens"] > 1000
    assert 0.001 < told["usd"] < 0.5
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("DIORAMA_ADVISOR_MODEL", "llava")
    told = client.get(address).json()
    assert (told["available"], told["reason"], told["model"], told["usd"]) == (True, "", "llava", None)
    monkeypatch.setenv("OPENAI_BASE_URL", "nowhere")
    refused(client.get(address), 503, "model")
    refused(client.get(f"{JOBS}/{'a' * 22}/advice/estimate"), 404, "job-not-found")
