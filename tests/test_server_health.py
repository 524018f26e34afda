"""For those who keep the server running: ids of requests, logs, probes, figures; and that no secret gets into a log."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

import workplace
from diorama import logs
from diorama.server import create_app
from diorama.server.context import Context
from diorama.server.users import SOLE, Users

TOKEN = "a-token-that-nobody-may-see"
ADDRESS = "http://127.0.0.1:5000"
JOBS = "/api/v1/jobs"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(tmp_path, fetch=False, users=Users({SOLE: TOKEN}))

    @app.get("/broken", include_in_schema=False)
    def broken() -> None:
        raise RuntimeError("no way")

    yield TestClient(app, base_url=ADDRESS, raise_server_exceptions=False, headers=BEARER, follow_redirects=False)
    app.state.context.store.close()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What goes to the log as JSON, everything, libraries' lines too."""
    monkeypatch.setenv("DIORAMA_TOKEN", TOKEN)
    root, stream = logging.getLogger(), io.StringIO()
    before, level, handlers = root.level, logging.getLogger("diorama").level, list(root.handlers)
    logs.configure("json", stream)
    root.setLevel(logging.DEBUG)
    logging.getLogger("diorama").setLevel(logging.DEBUG)
    yield stream
    root.setLevel(before)
    logging.getLogger("diorama").setLevel(level)
    root.handlers[:] = handlers


def records(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_id_follows_a_request_into_header_error_and_log(client: TestClient, written: io.StringIO) -> None:
    answer = client.get(f"{JOBS}/{'a' * 22}?token=x")
    own = answer.headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{16}", own)
    assert answer.json()["request_id"] == own
    line = next(each for each in records(written) if each.get("status") == 404)
    assert line["request_id"] == own
    assert (line["method"], line["path"], line["level"]) == ("GET", f"{JOBS}/{'a' * 22}", "info")
    assert client.get("/healthz").headers["x-request-id"] != own


def test_an_id_from_a_proxy_is_kept_if_it_can_be(client: TestClient) -> None:
    for given, kept in (("proxy-1234.x", True), ("short", False), ("x" * 65, False), ('"}\t{"level', False)):
        answer = client.get("/healthz", headers={"X-Request-ID": given})
        assert (answer.headers["x-request-id"] == given) is kept


def test_unforeseen_errors_have_an_id_too(client: TestClient, written: io.StringIO) -> None:
    answer = client.get("/broken")
    assert answer.status_code == 500
    own = answer.json()["request_id"]
    assert answer.headers["x-request-id"] == own
    assert [each["status"] for each in records(written) if each.get("request_id") == own and "status" in each] == [500]
    assert 'route="/broken",status="500"' in client.get("/metrics").text


def test_no_secret_gets_into_a_log(client: TestClient, written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever way a token comes, whatever logs it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-an-openai-key")
    client.get(f"/?token={TOKEN}")
    client.get("/?token=wrong-guess")
    client.post("/login", data={"token": TOKEN})
    client.get("/", headers={"Cookie": f"diorama={TOKEN}", "Authorization": ""})
    client.get("/broken", headers={"X-Request-ID": TOKEN[:20]})
    log = logging.getLogger("some.package")
    log.info('"GET /jobs/x?a=b&token=another-token HTTP/1.1" 200')
    log.warning("Authorization: Bearer another-token, Cookie: diorama=another-token; x=y")
    log.error("postgresql+pg8000://diorama:another-token@db/diorama", extra={"key": "sk-an-openai-key"})
    try:
        raise RuntimeError(f"key sk-an-openai-key, token {TOKEN}")
    except RuntimeError:
        log.exception("it went wrong", extra={"values": {"key": "sk-an-openai-key"}})
    text = written.getvalue()
    assert "it went wrong" in text
    assert "Traceback" in text
    for secret in (TOKEN, "wrong-guess", "another-token", "sk-an-openai-key"):
        assert secret not in text.replace(TOKEN[:20] + '"', "")
    assert logs.HIDDEN in text


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_is_a_line_whatever_is_in_it(form: logs.Form) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs._Json() if form == "json" else logs._Text())
    record = logging.LogRecord("x", logging.INFO, "", 0, "photo %s", ("a\nERROR forged\x1b[2J\u2028b",), None)
    handler.emit(record)
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_every_line_of_a_server_is_json(tmp_path: Path) -> None:
    """Its own, and uvicorn's of what is no HTTP."""
    main = Path(__file__).parents[1] / "main.py"
    words = [sys.executable, str(main), "--port", "0", "--workers", "1", "--data", str(tmp_path), "--log", "json"]
    environment = os.environ | {"DIORAMA_TOKEN": TOKEN}
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env=environment) as server:
        timer = threading.Timer(60, server.kill)
        timer.start()
        assert server.stdout is not None
        assert server.stderr is not None
        port = int(server.stdout.readline().split()[3].rpartition(":")[2])
        for line in (b"no HTTP at all\r\n\r\n", f"GET /?token={TOKEN} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode()):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(line)
                assert connection.recv(100)
        server.terminate()
        lines = [json.loads(line) for line in server.stderr]
        timer.cancel()
    assert {"uvicorn.error", "diorama.server.observing"} <= {line["logger"] for line in lines}
    assert 303 in [line.get("status") for line in lines]
    assert TOKEN not in str(lines)


def test_quiet_means_warnings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIORAMA_LOG", raising=False)
    assert logs.form_from_environment() == "quiet"
    monkeypatch.setenv("DIORAMA_LOG", "nonsense")
    assert logs.form_from_environment() == "quiet"
    monkeypatch.setenv("DIORAMA_LOG", "json")
    assert logs.form_from_environment() == "json"


def test_it_is_ready_only_while_jobs_are_worked_on(client: TestClient) -> None:
    answer = client.get("/readyz", headers={"Authorization": ""})
    assert (answer.status_code, answer.json()["code"]) == (503, "not-ready")
    context: Context = client.app.state.context  # type: ignore[attr-defined]
    context.data.create()
    with client:
        for _ in range(200):
            if client.get("/readyz").status_code == 200:
                break
        assert client.get("/readyz").json() == {"ready": True}
        context.closing = True
        assert "stopped" in client.get("/readyz").json()["detail"]


def test_a_store_that_can_t_be_asked_is_not_well(client: TestClient) -> None:
    context: Context = client.app.state.context  # type: ignore[attr-defined]
    with context.store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE jobs")
    for path in ("/healthz", "/metrics"):
        assert client.get(path).status_code == 507


def test_several_processes_tell_the_figures_of_all(tmp_path: Path) -> None:
    code = (
        "from diorama.server.observing import Figures; import sys; from types import SimpleNamespace as N\n"
        "figures = Figures(); figures.requests.labels('GET', '/', '200').inc(); figures.running.inc()\n"
        "from prometheus_client import generate_latest; print(generate_latest(figures._registry).decode())"
    )
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for number in (1, 2):
        words = [sys.executable, "-c", code]
        said = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout
        assert f'diorama_requests_total{{method="GET",route="/",status="200"}} {number}.0' in said


def test_the_figures_are_prometheus(client: TestClient) -> None:
    client.post(JOBS, content=workplace.quick_photo(), headers={"Content-Type": "image/png"})
    client.get(f"{JOBS}/made-up-{'x' * 50}")
    client.get("/made/up")
    client.request("MADEUP", "/")
    client.get("/static/js/main.js")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {family.name: family for family in text_string_to_metric_families(answer.text)}
    jobs = {sample.labels["state"]: sample.value for sample in found["diorama_jobs"].samples}
    assert jobs == {"queued": 1}
    routes = {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"])
        for sample in found["diorama_requests"].samples
        if sample.name.endswith("_total")
    }
    assert ("POST", JOBS, "201") in routes
    assert ("GET", f"{JOBS}/{{job_id}}", "404") in routes
    assert "made" not in answer.text.lower()
    for name in ("diorama_request_seconds", "diorama_disk_free_bytes", "diorama_slots", "diorama_requests_in_progress"):
        assert found[name].samples
