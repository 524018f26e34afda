"""The server's smaller parts: picture headers, the background download, settings of the web, the socket."""

from __future__ import annotations

import io
import queue
import re
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import bad_inputs
from diorama import depth, weights
from diorama.errors import DownloadError, PhotoError, PhotoTooLargeError, ServerError, SettingsError, StorageError
from diorama.server import create_app, fetching, header, serving, web
from diorama.server.context import web_settings
from diorama.server.fetching import Fetcher
from diorama.server.routes import list_models
from diorama.settings import Settings
from waiting import waited

# ---- headers ---------------------------------------------------------------------------------------------------

SIZE = (37, 21)


def encoded(file_format: str, **options: Any) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    return bad_inputs.encoded(Image.fromarray(noise), file_format, **options)


@pytest.mark.parametrize(
    "data",
    [
        encoded("PNG"),
        encoded("GIF"),
        encoded("BMP"),
        encoded("JPEG"),
        encoded("JPEG", progressive=True),
        encoded("JPEG", exif=b"Exif\0\0" + bytes(60_000), icc_profile=bytes(200_000), comment=b"x" * 60_000),
        encoded("WEBP"),
        encoded("WEBP", lossless=True),
        encoded("WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
        encoded("AVIF"),
        bad_inputs.heic_of_size(*SIZE),
    ],
    ids=[
        *("png", "gif", "bmp", "jpeg", "progressive", "long header", "webp", "webp lossless", "webp extended"),
        *("avif", "heic"),
    ],
)
def test_the_size_is_the_headers(data: bytes) -> None:
    assert header.pixel_size(io.BytesIO(data)) == SIZE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a\1",
        b"BM",
        b"RIFF\0\0\0\0WEBPVP8X",
        b"RIFF\0\0\0\0WEBPNEW " + bytes(30),
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xda\0\4",
        b"\xff\xd8\xff\xc0\0",
        b"\xff\xd8" + b"\xff\xe0\0\2" * 2000,
        encoded("TIFF"),
    ],
    ids=[
        *("empty", "png", "gif", "bmp", "webp", "unknown webp", "jpeg begins", "jpeg ends", "jpeg scan", "jpeg frame"),
        *("jpeg segments", "tiff"),
    ],
)
def test_no_size_is_no_error(data: bytes) -> None:
    assert header.pixel_size(io.BytesIO(data)) is None


@given(
    st.sampled_from([b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"\xff\xd8", b"\0\0\0\x18ftypheic", b""]),
    st.binary(max_size=400),
)
def test_any_bytes_have_a_size_or_none(magic: bytes, data: bytes) -> None:
    size = header.pixel_size(io.BytesIO(magic + data))
    assert size is None or all(side >= 0 for side in size)


def test_upside_down_bitmaps_have_a_size() -> None:
    flipped = bytearray(encoded("BMP"))
    flipped[22:26] = struct.pack("<i", -SIZE[1])
    assert header.pixel_size(io.BytesIO(bytes(flipped))) == SIZE


def test_uploads_are_judged_by_their_header(tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(bad_inputs.png_bomb())
    start = time.perf_counter()
    with pytest.raises(PhotoTooLargeError, match="30000 x 30000"):
        header.check(upload, "bomb.png")
    assert time.perf_counter() - start < 0.5
    upload.write_bytes(b"")
    with pytest.raises(PhotoError, match="empty"):
        header.check(upload, "nothing.png")
    upload.write_bytes(encoded("TIFF"))
    header.check(upload, "fine.tif")


# ---- better weights in the background --------------------------------------------------------------------------


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIORAMA_OFFLINE", "0")


def _app_models(tmp_path: Path, fetcher: Fetcher) -> dict[str, Any]:
    context = create_app(tmp_path / "data").state.context
    context.fetcher = fetcher
    return {model.name: model for model in list_models(context).models}


def _until_done(fetcher: Fetcher, name: str) -> fetching.Download:
    found = waited(lambda: fetcher.download(name), lambda seen: seen is not None and not seen.running, seconds=10)
    assert found is not None
    return found


@pytest.mark.usefixtures("online")
def test_a_download_is_told_while_it_runs(tmp_path: Path) -> None:
    half, go_on = threading.Event(), threading.Event()

    def fetch(name: str, progress: Any, *, connect_seconds: float) -> Path:
        assert connect_seconds == 3
        progress("weights", 0.5, f"Fetching {name}")
        half.set()
        assert go_on.wait(10)
        return Path()

    fetcher = Fetcher(fetch=fetch)
    fetcher.start()
    assert half.wait(10)
    model = _app_models(tmp_path, fetcher)["midas-v21-small"]
    assert (model.state, model.fraction, model.message) == ("downloading", 0.5, "Fetching midas-v21-small")
    go_on.set()
    assert _until_done(fetcher, "midas-v21-small").error is None


@pytest.mark.usefixtures("online")
def test_a_download_that_fails_is_told_with_a_sentence(tmp_path: Path) -> None:
    def fetch(*_args: object, **_options: object) -> Path:
        raise DownloadError("The server can't be reached.", hint="Check the network.")

    fetcher = Fetcher(fetch=fetch)
    fetcher.start()
    _until_done(fetcher, "midas-v21-small")
    model = _app_models(tmp_path, fetcher)["midas-v21-small"]
    assert (model.state, model.available, model.fraction) == ("failed", False, None)
    assert model.message == "The server can't be reached."
    assert model.error is not None
    assert model.error.hint == "Check the network."


@pytest.mark.usefixtures("online")
def test_what_is_there_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "path", lambda _name: Path("there"))
    fetcher = Fetcher(fetch=lambda *_args, **_options: pytest.fail("fetched"))
    fetcher._run()
    assert fetcher.download("midas-v21-small") is None


@pytest.mark.parametrize(("offline", "enabled"), [("1", True), ("0", False)])
def test_nothing_is_fetched_where_it_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch, offline: str, enabled: bool
) -> None:
    monkeypatch.setenv("DIORAMA_OFFLINE", offline)
    fetcher = Fetcher(enabled=enabled, fetch=lambda *_args, **_options: pytest.fail("fetched"))
    fetcher.start()
    assert not fetcher.enabled


# ---- settings of the web ---------------------------------------------------------------------------------------


def test_web_settings_take_the_names_of_models() -> None:
    for name in ("auto", *(model.name for model in depth.models())):
        assert web_settings(Settings(), {"depth": name}).depth == name
    for path in ("/etc/passwd", "x.npy", "..", "bundled/"):
        with pytest.raises(SettingsError, match="no depth model"):
            web_settings(Settings(), {"depth": path})


# ---- the socket ------------------------------------------------------------------------------------------------


def test_a_taken_port_is_said_with_the_way_out() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServerError, match=f"Port {port} is taken") as caught:
            serving.serve(port=port)
    assert f"--port {port + 1}" in caught.value.hint


def test_port_5000_on_a_mac() -> None:
    import errno

    error = serving._not_bound("127.0.0.1", 5000, OSError(errno.EADDRINUSE, "in use"))
    assert "AirPlay" in error.message
    assert "--port 5001" in error.hint
    assert "--port 8000" in serving._not_bound("127.0.0.1", 65535, OSError(errno.EADDRINUSE, "in use")).hint
    assert "1023" in serving._not_bound("127.0.0.1", 80, OSError(errno.EACCES, "no")).hint
    assert "no such thing" in serving._not_bound("127.0.0.1", 80, OSError(errno.EADDRNOTAVAIL, "no such thing")).message


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_other_machines_are_not_let_in(host: str) -> None:
    with pytest.raises(ServerError, match="other machines") as caught:
        serving.serve(host, 0)
    assert "127.0.0.1" in caught.value.hint


def test_a_host_that_is_none() -> None:
    with pytest.raises(ServerError, match="no address"):
        serving.serve("no.such.host.invalid", 0)


def test_ipv6_addresses_are_bracketed() -> None:
    assert serving._bracketed("::1") == "[::1]"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert serving._address("127.0.0.1", listener) == f"http://127.0.0.1:{port}"


def test_serving_says_where_and_ends_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("diorama.jobs.runner.Runner.start", lambda _self: None)
    monkeypatch.setattr("diorama.jobs.runner.Runner.stop", lambda _self: None)
    servers: list[uvicorn.Server] = []
    original = web.Server.__init__

    def remember(self: uvicorn.Server, *given: Any) -> None:
        servers.append(self)
        original(self, *given)

    monkeypatch.setattr(web.Server, "__init__", remember)
    said: queue.Queue[str] = queue.Queue()
    thread = threading.Thread(
        target=lambda: serving.serve("localhost", 0, tmp_path / "data", fetch=False, open_browser=True, say=said.put)
    )
    thread.start()
    sentence = said.get(timeout=30)
    address = sentence.split()[3]
    assert re.fullmatch(r"Diorama is at http://localhost:\d+ \(Ctrl-C ends it\)\.", sentence)
    assert httpx.get(f"{address}/healthz").json()["status"] == "ok"
    assert opened == [address]
    servers[0].should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def test_a_server_whose_workers_can_not_start_still_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_self: object) -> None:
        raise StorageError("The disk is full.", hint="Free some space.")

    monkeypatch.setattr("diorama.jobs.runner.Owner.appear", refuse)
    with TestClient(create_app(tmp_path / "data", fetch=False), base_url="http://127.0.0.1") as client:
        assert client.get("/healthz").status_code == 200
    assert "no jobs are worked on" in caplog.text


def test_the_address_is_printed_where_nobody_asks(capsys: pytest.CaptureFixture[str]) -> None:
    serving._print("Diorama is at home.")
    assert capsys.readouterr().out == "Diorama is at home.\n"
