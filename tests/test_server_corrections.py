"""The correction brush over HTTP: strokes that are kept, undone, previewed and made."""

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
from diorama.server import create_app
from workplace import QUICK, quick_photo

JOBS = "/api/v1/jobs"
NEARER = {"kind": "nearer", "points": [[0.4, 0.5], [0.6, 0.5]], "radius": 0.03, "strength": 0.4}
CUT = {"kind": "cut", "points": [[0.2, 0.2], [0.2, 0.8]]}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    app = create_app(tmp_path_factory.mktemp("data"), slots=1, fetch=False)
    with TestClient(app, base_url="http://127.0.0.1:5000", raise_server_exceptions=False) as client:
        yield client


def finished(client: TestClient, job_id: str) -> dict[str, Any]:
    return waiting.finished(client, f"{JOBS}/{job_id}")


@pytest.fixture
def job(client: TestClient) -> str:
    """The id of a job that waits at step "original"."""
    query = {"name": "cup.png", "settings": json.dumps(QUICK)}
    answer = client.post(JOBS, params=query, content=quick_photo(), headers={"Content-Type": "image/png"})
    return str(finished(client, answer.json()["id"])["id"])


def depth_of(client: TestClient, job: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.asarray(np.load(io.BytesIO(client.get(f"{JOBS}/{job}/files/original/depth.npy").content)))


def rerun(client: TestClient, job: str) -> dict[str, Any]:
    assert client.post(f"{JOBS}/{job}/rerun", json={"step": "original"}).status_code == 200
    return finished(client, job)


def refused(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == code
    assert answer.json()["hint"].endswith(".")


def test_strokes_are_kept_made_and_undone(client: TestClient, job: str) -> None:
    at = f"{JOBS}/{job}/corrections"
    assert client.get(at).json() == {"corrections": [], "made": 0, "pending": False}
    plain = depth_of(client, job)
    kept = client.post(at, json=NEARER).json()
    assert kept == {"corrections": [NEARER], "made": 0, "pending": True}
    assert np.array_equal(depth_of(client, job), plain)  # nothing is made yet
    both = client.post(at, json=CUT).json()["corrections"]
    assert both == [NEARER, CUT | {"radius": 0.02}]

    made = rerun(client, job)
    assert client.get(at).json() == {"corrections": both, "made": 2, "pending": False}
    stages = {stage["name"]: stage["reused"] for stage in made["stages"]}
    assert list(stages) == ["photo", "depth", "corrections", "points", "mesh", "files"]
    assert stages["depth"]
    assert not stages["corrections"]
    assert made["results"]["original"]["corrections"] == 2
    report = next(report for report in made["report"] if report["stage"] == "corrections")
    assert report["settings"]["corrections"] == both
    corrected = depth_of(client, job)
    assert (corrected - plain)[32, 48] > 0.1

    # They belong to the step: another setting runs it with them.
    client.post(f"{JOBS}/{job}/rerun", json={"step": "original", "settings": {"depth_range": 6}})
    assert [r["stage"] for r in finished(client, job)["report"]][2] == "corrections"

    assert client.post(f"{at}/undo").json()["corrections"] == [NEARER]
    assert client.delete(at).json() == {"corrections": [], "made": 2, "pending": True}
    refused(client.post(f"{at}/undo"), 409, "job")
    rerun(client, job)
    assert np.array_equal(depth_of(client, job), plain)
    assert client.put(at, json={"corrections": both}).json()["corrections"] == both


def test_a_later_step_builds_on_what_was_made(client: TestClient, job: str) -> None:
    at = f"{JOBS}/{job}/corrections"
    client.post(at, json=NEARER)
    rerun(client, job)
    client.post(at, json=CUT)  # painted, but not made
    client.post(f"{JOBS}/{job}/validate", json={"step": "original"})
    enhanced = finished(client, job)
    assert (enhanced["step"], enhanced["state"]) == ("enhanced", "waiting")
    assert enhanced["results"]["enhanced"]["current"]
    assert enhanced["results"]["enhanced"]["corrections"] == 1
    assert client.get(at).json()["pending"]


def test_the_preview_follows_every_stroke(client: TestClient, job: str) -> None:
    at = f"{JOBS}/{job}/corrections"

    def shown() -> tuple[bytes, np.ndarray[Any, Any]]:
        scene, depth = client.get(f"{at}/preview.glb"), client.get(f"{at}/preview.jpg")
        assert scene.status_code == depth.status_code == 200
        assert scene.headers["content-type"] == "model/gltf-binary"
        assert depth.headers["cache-control"] == "no-store"
        return scene.content, np.asarray(Image.open(io.BytesIO(depth.content)), float)

    scene, depth = shown()
    assert scene[:4] == b"glTF"
    assert depth.shape == (64, 96, 3)
    client.post(at, json=NEARER)
    moved, other = shown()
    assert moved != scene
    assert np.abs(other - depth)[28:36, 40:56].mean() > 3
    client.post(f"{at}/undo")
    assert shown()[0] == scene


def test_what_can_not_be_painted_is_refused(client: TestClient, job: str) -> None:
    at = f"{JOBS}/{job}/corrections"
    for body in (
        {"kind": "up", "points": [[0, 0]]},
        {"kind": "nearer", "points": [[0, 2]]},
        {"kind": "same", "points": [[0, 0]]},
        {"kind": "nearer", "points": [[0, 0]], "strength": 9},
        {"kind": "nearer", "points": [[0, 0]], "path": "/etc/passwd"},
    ):
        answer = client.post(at, json=body)
        assert answer.status_code == 422, body
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get(at).json()["corrections"] == []
    full = {"corrections": [{"kind": "nearer", "points": [[0.5, 0.5]]}] * 200}
    assert client.put(at, json=full).status_code == 200
    refused(client.post(at, json=NEARER), 409, "job")
    refused(client.get(f"{JOBS}/{'x' * 22}/corrections"), 404, "job-not-found")
    refused(client.get(f"{JOBS}/{'x' * 22}/corrections/preview.glb"), 404, "job-not-found")
