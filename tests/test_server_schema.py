"""Requests made up from the API's document (the short form of `benchmarks/api_fuzz.py`), and what such have found."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient

from benchmarks import api_fuzz
from diorama.server import create_app

ADDRESS = "http://127.0.0.1:5000"
SECONDS = 6


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(tmp_path, fetch=False)
    yield TestClient(app, base_url=ADDRESS)
    app.state.context.store.close()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of a server which works on nothing."""
    app = create_app(tmp_path / "data", fetch=False)
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
    app.state.context.store.close()


@pytest.mark.slow
def test_every_answer_is_one_that_the_document_names(address: str, tmp_path: Path) -> None:
    assert api_fuzz.ask(address, tmp_path, SECONDS, phases="examples,fuzzing") == ""


def test_a_body_that_is_no_text_is_refused_like_one_that_is_no_json(client: TestClient) -> None:
    where = f"/api/v1/jobs/{'a' * 22}/corrections"
    for body in (b"S\xff\xfe", b"{"):
        answer = client.post(where, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (422, "request")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("OPTIONS", "/api/v1/jobs", "GET, HEAD, POST"),
        ("PATCH", "/api/v1/jobs/x", "DELETE, GET, HEAD"),
        ("PATCH", "/api/v1/jobs/x/segments/merge", "POST"),
        ("GET", "/api/v1/jobs/x/segments/1", "PATCH"),
        ("POST", "/healthz", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_there_is_told_which_are(client: TestClient, method: str, path: str, allowed: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed


def test_an_example_that_is_not_there_is_in_the_document(client: TestClient) -> None:
    assert client.post("/api/v1/jobs?example=Z").status_code == 404
    assert "404" in client.get("/openapi.json").json()["paths"]["/api/v1/jobs"]["post"]["responses"]
