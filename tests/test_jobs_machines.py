"""Two machines, one PostgreSQL, one S3 store: a photo's whole way, sent to one machine and worked on by the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trimesh
from fastapi.testclient import TestClient

import waiting
from diorama import Scene
from diorama.server import create_app
from diorama.server.context import Context
from workplace import QUICK, quick_photo

pytestmark = pytest.mark.slow

ADDRESS = "http://127.0.0.1:5000"
JOBS = "/api/v1/jobs"


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """An S3 server on the loopback, with an empty bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        bucket = boto3.resource("s3").Bucket("diorama")
        bucket.create()
        yield bucket
    server.stop()


@pytest.fixture(scope="module")
def machines(
    bucket: Any, migrated: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TestClient, TestClient]]:
    """One that answers and one that works."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIORAMA_DATABASE", migrated())
        patch.setenv("DIORAMA_STORE", f"s3://{bucket.name}/some/where")
        apps = [create_app(tmp_path_factory.mktemp(name), slots=1, fetch=False) for name in ("web", "works")]
        # Whose life doesn't begin has no workers.
        web = TestClient(apps[0], base_url=ADDRESS, raise_server_exceptions=False)
        with TestClient(apps[1], base_url=ADDRESS, raise_server_exceptions=False) as works:
            yield web, works
        web.close()


def root(client: TestClient) -> Path:
    context: Context = client.app.state.context  # type: ignore[attr-defined]
    return context.data.root


def finished(client: TestClient, address: str, seconds: float = 120) -> dict[str, Any]:
    found = waiting.finished(client, address, seconds)
    assert found["error"] is None, found["error"]
    return found


def fetched(client: TestClient, address: str, path: Path) -> httpx.Response:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == int(answer.headers["content-length"])
    path.write_bytes(answer.content)
    return answer


def test_a_photos_whole_way_over_two_machines(
    machines: tuple[TestClient, TestClient], bucket: Any, tmp_path: Path
) -> None:
    web, works = machines
    query = {"name": "cat.png", "settings": json.dumps(QUICK)}
    sent = web.post(JOBS, params=query, content=quick_photo(), headers={"Content-Type": "image/png"})
    assert sent.status_code == 201, sent.text
    address = f"{JOBS}/{sent.json()['id']}"

    for step in ("original", "enhanced", "final"):
        job = finished(web, address)
        assert job["step"] == step
        for file in job["files"]:
            answer = fetched(web, file["url"], tmp_path / "file")
            assert len(answer.content) == file["bytes"], file
        if step == "original":
            stroke = {"kind": "nearer", "points": [[0.3, 0.3], [0.5, 0.5]], "radius": 0.05}
            assert web.post(f"{address}/corrections", json=stroke).status_code == 200
            assert web.get(f"{address}/corrections/preview.jpg").content[:2] == b"\xff\xd8"
        if step == "enhanced":
            segments = web.get(f"{address}/segments").json()
            assert segments["segments"]
            first = segments["segments"][0]["id"]
            named = web.patch(f"{address}/segments/{first}", json={"name": "Tom"})
            assert named.status_code == 200, named.text
            assert finished(web, address)["step"] == "enhanced"
            assert "Tom" in [one["name"] for one in web.get(f"{address}/segments").json()["segments"]]
        assert web.post(f"{address}/validate", json={"step": step}).status_code == 200

    assert web.get(address).json()["state"] == "done"
    scene = next(file for file in job["files"] if file["name"] == "final/scene.diorama")
    fetched(web, scene["url"], tmp_path / "scene.diorama")
    assert Scene.load(tmp_path / "scene.diorama").step == "final"

    asked = web.post(f"{address}/products", json={"step": "final", "product": "glb", "options": {}})
    assert asked.status_code == 202, asked.text
    made = finished(web, f"{address}/products/{asked.json()['id']}")
    fetched(web, made["url"], tmp_path / "cat.glb")
    assert len(trimesh.load(tmp_path / "cat.glb").geometry) > 0

    # What is on the machines is a copy: without it the same is answered, and a step made again starts from the store.
    job_id = sent.json()["id"]
    for machine in machines:
        for path in (root(machine) / "jobs").iterdir():
            path.rename(tmp_path / f"{machine.app.state.context.runner.owner.name}-{path.name}")  # type: ignore[attr-defined]
    assert works.get(scene["url"]).content == (tmp_path / "scene.diorama").read_bytes()
    assert works.get(made["url"]).status_code == 200
    again = web.post(f"{address}/rerun", json={"step": "final", "settings": {}})
    assert again.status_code == 200, again.text
    assert all(stage["reused"] for stage in finished(web, address)["stages"])

    assert [item.key for item in bucket.objects.all()]
    assert all(item.key.startswith(f"some/where/jobs/{job_id}/") for item in bucket.objects.all())
    assert web.delete(address).status_code == 204
    assert works.get(address).status_code == 404
    assert [item.key for item in bucket.objects.all()] == []


def test_without_the_store_an_upload_is_refused_and_nothing_stays(
    machines: tuple[TestClient, TestClient], bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diorama.jobs.remote import open_remote

    web, _ = machines
    before = web.get(JOBS).json()
    remote = open_remote(f"s3://{bucket.name}/some/where")
    monkeypatch.setattr(remote, "_prefix", "no-such-bucket/some/where")
    sent = web.post(JOBS, content=quick_photo(), headers={"Content-Type": "image/png"})
    assert sent.status_code == 507, sent.text
    assert sent.json()["code"] == "storage"
    assert "DIORAMA_STORE" in sent.json()["hint"]
    assert web.get(JOBS).json() == before
    assert list((root(web) / "incoming").iterdir()) == []
