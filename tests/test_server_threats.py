"""What an upload, its name and its settings could do: be run as a page, have addresses fetched, leave its folder."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import bad_inputs
import workplace
from diorama import xmp
from diorama.decoder import Decoder
from diorama.errors import QueueFullError
from diorama.jobs.store import claim_of
from diorama.server import create_app, security
from diorama.server.context import MOST_PREVIEWS, PREFIX, Context
from diorama.settings import Settings

JOBS = "/api/v1/jobs"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(tmp_path / "data", fetch=False)
    yield TestClient(app, base_url="http://127.0.0.1:5000")
    app.state.context.store.close()


@pytest.fixture
def somebody() -> Iterator[tuple[str, list[str]]]:
    """The address of an HTTP server, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        do_HEAD = do_POST = do_GET  # noqa: N815

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def finished(client: TestClient, files: dict[str, tuple[str, bytes]]) -> str:
    """A job whose step "original" has such files: media type and content by name."""
    context: Context = client.app.state.context  # type: ignore[attr-defined]
    sent = client.post(JOBS, content=workplace.quick_photo(), headers={"Content-Type": "image/png"})
    job = context.store.claim("test")
    assert job is not None
    assert job.id == sent.json()["id"]
    folder = context.data.job(job.id).outputs / workplace.RESULT["folder"]
    folder.mkdir(parents=True)
    listed = []
    for name, (media_type, content) in files.items():
        (folder / name).write_bytes(content)
        entry = {"name": f"original/{name}", "label": name, "bytes": len(content), "media_type": media_type}
        listed.append(entry | {"download": True})
    context.store.finish(claim_of(job), workplace.RESULT | {"files": listed})
    return job.id


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "application/xml"])
def test_no_file_of_a_job_is_run_as_a_page(client: TestClient, media_type: str) -> None:
    job = finished(
        client, {"page.bin": (media_type, b"<script>alert(1)</script>"), "x.jpg": ("image/jpeg", b"\xff\xd8")}
    )
    page = client.get(f"{JOBS}/{job}/files/original/page.bin")
    assert page.status_code == 200
    assert page.headers["content-disposition"].startswith("attachment")
    assert client.get(f"{JOBS}/{job}/files/original/x.jpg").headers["content-disposition"].startswith("inline")


def test_every_file_comes_in_a_sandbox_and_is_what_it_says(client: TestClient) -> None:
    job = finished(client, {"x.jpg": ("image/jpeg", b"<script>alert(1)</script>")})
    answer = client.get(f"{JOBS}/{job}/files/original/x.jpg")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = [part.strip() for part in answer.headers["content-security-policy"].split(";")]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy


def test_an_upload_is_not_sent_back(client: TestClient) -> None:
    photo = workplace.quick_photo() + b"<html><script>alert(1)</script>"
    for name in ("page.html", "../../page.html", "page.svg"):
        job = client.post(JOBS, params={"name": name}, content=photo, headers={"Content-Type": "image/png"}).json()
        context: Context = client.app.state.context  # type: ignore[attr-defined]
        stored = context.store.get(job["id"]).upload
        for path in (stored, f"upload/{stored}", f"../upload/{stored}", "..%2fupload%2f" + stored):
            answer = client.get(f"{JOBS}/{job['id']}/files/{path}")
            assert answer.status_code == 404
            assert b"script" not in answer.content


def test_an_upload_stays_in_its_folder_whatever_it_is_called(client: TestClient, tmp_path: Path) -> None:
    for name in ("../../../escaped.png", "..\\..\\escaped.png", "/etc/escaped.png", "C:\\escaped.png", ".", "..", "\0"):
        sent = {"photo": (name, workplace.quick_photo(), "image/png")}
        assert client.post(JOBS, files=sent).status_code == 201, name
    uploads = [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x89PNG"]
    assert len(uploads) == 7
    assert all(path.relative_to(tmp_path).parts[:2] == ("data", "jobs") for path in uploads)
    assert all(path.parent.name == "upload" for path in uploads)


def test_no_address_is_fetched_for_anybody(client: TestClient, somebody: tuple[str, list[str]], tmp_path: Path) -> None:
    """Not from settings, names, queries, bodies, nor from what a picture's notes refer to."""
    address, asked = somebody
    url = f"{address}/photo.jpg"
    kind = {"Content-Type": "image/png"}
    for name, field in Settings.model_fields.items():
        if "str" in str(field.annotation):
            settings = f'{{"{name}": "{url}"}}'
            answer = client.post(JOBS, params={"settings": settings}, content=workplace.quick_photo(), headers=kind)
            assert answer.status_code == 422 or name.startswith("declined"), name
    assert client.post(JOBS, params={"example": url}).status_code == 404
    assert client.post(JOBS, content=url.encode(), headers=kind).status_code == 415
    assert client.post(JOBS, data={"photo": url}).status_code == 415
    client.post(JOBS, params={"name": url}, content=workplace.quick_photo(), headers=kind)

    jpeg = bad_inputs.encoded(bad_inputs.Image.fromarray(bad_inputs.picture()), "JPEG")
    notes = (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "{url}"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>&e;&f;</a></x:xmpmeta>'
    )
    photo = tmp_path / "notes.jpg"
    photo.write_bytes(bad_inputs.xmp_jpeg(jpeg, notes.encode()))
    decoder = Decoder()
    read = decoder.read(photo, Settings())
    decoder.close()
    assert any("XMP" in warning for warning in read.warnings)
    assert asked == []


def test_a_body_that_is_no_photo_is_not_kept_in_memory_without_end(client: TestClient) -> None:
    where, kind = f"{JOBS}/{'a' * 22}/validate", {"Content-Type": "application/json"}
    size = security.BODY_BYTES
    for headers in (kind, kind | {"Transfer-Encoding": "chunked"}):  # declared, and found out
        pieces = iter([b" " * (size // 2)] * 3) if len(headers) > 1 else b" " * (size + 1)
        answer = client.post(where, content=pieces, headers=headers)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.post(where, content=b"9" * 30, headers=kind | {"Content-Length": "9" * 30}).status_code == 413
    assert (f"{PREFIX}/jobs") == security.UPLOAD[1]


@pytest.mark.parametrize("path", [JOBS, f"{JOBS}/{'a' * 22}/validate"])
def test_who_sends_nothing_more_is_not_waited_for(
    client: TestClient, path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(security, "STALL_SECONDS", 0.05)
    sent: list[Any] = []
    given = [{"type": "http.request", "body": b"x", "more_body": True}]

    async def receive() -> Any:
        return given.pop() if given else await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    names = {"host": "127.0.0.1", "content-type": "application/json", "content-length": "100"}
    if path == JOBS:
        names["content-type"] = "image/png"
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": [(name.encode(), value.encode()) for name, value in names.items()], "scheme": "http"}
    asyncio.run(client.app({**scope, "http_version": "1.1", "client": None, "server": None}, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 408
    assert list((tmp_path / "data" / "incoming").iterdir()) == []


def test_previews_that_wait_hold_no_thread_and_are_bounded(tmp_path: Path) -> None:
    app = create_app(tmp_path, fetch=False)
    context: Context = app.state.context

    async def twice() -> list[list[Any]]:
        return [await many(), await many()]

    async def many() -> list[Any]:
        async def one() -> str:
            async with context.turn_for_preview():
                await asyncio.sleep(0.02)
            return "made"

        return await asyncio.gather(*(one() for _ in range(MOST_PREVIEWS + 3)), return_exceptions=True)

    for came in asyncio.run(twice()):
        assert came.count("made") == MOST_PREVIEWS
        assert [type(each) for each in came if each != "made"] == [QueueFullError] * 3
    context.store.close()


def test_notes_that_declare_entities_are_refused() -> None:
    for entity in ('a "harmless"', 'a SYSTEM "file:///etc/passwd"'):
        packet = f'<!DOCTYPE x [<!ENTITY {entity}>]><x:xmpmeta xmlns:x="adobe:ns:meta/"><a/></x:xmpmeta>'
        with pytest.raises(ValueError, match="entities"):
            xmp.parse([packet.encode()])


@pytest.mark.skipif(sys.platform == "win32", reason="has rights of another kind")
def test_the_data_are_for_their_owner_alone(client: TestClient, tmp_path: Path) -> None:
    assert client.get("/healthz").status_code == 200
    for path in (tmp_path / "data", *(tmp_path / "data").iterdir()):
        if path.is_dir():
            assert path.stat().st_mode & 0o077 == 0, path
