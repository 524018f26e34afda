"""Downloads into the cache, from a server in this process: whole and verified, or not there."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from diorama import download, weights
from diorama.errors import (
    DioramaError,
    DownloadError,
    StorageError,
    UnknownModelError,
    WeightsCorruptError,
)
from file_server import CONTENT, Handler, Server, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("DIORAMA_OFFLINE", raising=False)
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.01)
    with serving() as running:
        yield running


def catalogue(url: str, content: bytes = CONTENT) -> dict[str, weights.Weights]:
    digest = hashlib.sha256(content).hexdigest()
    return {"tiny": weights.Weights("tiny", "tiny.onnx", url, len(content), digest, "MIT", "For tests.")}


def kept() -> list[str]:
    """What a failed download may not leave in the cache: anything but the lock."""
    folder = weights.cache_folder() / "weights"
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock")) if folder.exists() else []


def test_fetch_downloads_verifies_and_tells_its_progress(server: Server) -> None:
    heard: list[tuple[str, float, str]] = []
    entries = catalogue(server.url)
    assert weights.path("tiny", entries) is None
    file = weights.fetch("tiny", lambda *said: heard.append(said), catalogue=entries)
    assert file.read_bytes() == CONTENT
    assert weights.path("tiny", entries) == file
    assert kept() == [".tiny.onnx.verified", "tiny.onnx"]
    shares = [share for _, share, _ in heard]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert heard[-1][2] == "Fetching tiny: 2.1 MB of 2.1 MB"
    weights.fetch("tiny", catalogue=entries)
    assert len(server.requests) == 1


def test_an_interrupted_download_goes_on_where_it_stopped(server: Server) -> None:
    server.break_after = [700_000, 300_000]
    file = weights.fetch("tiny", catalogue=catalogue(server.url))
    assert file.read_bytes() == CONTENT
    assert len(server.requests) == 3
    assert server.requests[0] is None
    starts = [int((r or "").removeprefix("bytes=").removesuffix("-")) for r in server.requests[1:]]
    assert 0 < starts[0] <= 700_000 < starts[1] <= 1_000_000


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server: Server) -> None:
    server.break_after = [300_000] * download.TRIES
    entries = catalogue(server.url)
    with pytest.raises(DownloadError, match=r"Fetching tiny from 127\.0\.0\.1 failed"):
        weights.fetch("tiny", catalogue=entries)
    assert len(server.requests) == download.TRIES
    assert weights.path("tiny", entries) is None
    (part,) = kept()
    assert part.endswith(".part")
    assert weights.fetch("tiny", catalogue=entries).read_bytes() == CONTENT
    assert server.requests[-1] is not None


@pytest.mark.parametrize("flaw", ["ranges", "wrong_range"])
def test_a_server_that_ignores_range_is_asked_for_all_of_it(server: Server, flaw: str) -> None:
    server.break_after = [700_000]
    setattr(server, flaw, flaw == "wrong_range")
    assert weights.fetch("tiny", catalogue=catalogue(server.url)).read_bytes() == CONTENT


def test_a_whole_part_needs_no_request(server: Server) -> None:
    entries = catalogue(server.url)
    folder = weights.cache_folder() / "weights"
    folder.mkdir(parents=True)
    (folder / f".tiny.onnx.{entries['tiny'].sha256[:8]}.part").write_bytes(CONTENT)
    assert weights.fetch("tiny", catalogue=entries).read_bytes() == CONTENT
    assert server.requests == []


def test_a_part_that_is_too_long_is_thrown_away(server: Server) -> None:
    entries = catalogue(server.url)
    folder = weights.cache_folder() / "weights"
    folder.mkdir(parents=True)
    (folder / f".tiny.onnx.{entries['tiny'].sha256[:8]}.part").write_bytes(CONTENT + b"x")
    assert weights.fetch("tiny", catalogue=entries).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"?", b"<html>Please log in", CONTENT + b"more"])
def test_the_wrong_bytes_are_an_error_and_nothing_is_kept(server: Server, content: bytes) -> None:
    server.content = content
    with pytest.raises(WeightsCorruptError, match=r"not the catalogue's file.*Nothing was kept"):
        weights.fetch("tiny", catalogue=catalogue(server.url))
    assert kept() == []


def test_a_busy_server_is_asked_again_and_a_refusal_is_not(server: Server) -> None:
    server.statuses = [503, 429]
    assert weights.fetch("tiny", catalogue=catalogue(server.url)).exists()
    assert len(server.requests) == 3
    server.statuses = [404]
    with pytest.raises(DownloadError, match="answered 404") as caught:
        weights.fetch("other", catalogue={"other": weights.Weights("other", "o", server.url, 9, "0" * 64, "MIT", "")})
    assert "DIORAMA_MIRROR" in caught.value.hint
    assert len(server.requests) == 4


def test_a_server_that_stays_busy_is_given_up_soon(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.statuses = [503] * 9
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.1)
    begin = time.monotonic()
    with pytest.raises(DownloadError, match="answered 503"):
        weights.fetch("tiny", connect_seconds=0.25, catalogue=catalogue(server.url))
    assert time.monotonic() - begin < 2
    assert len(server.requests) < download.TRIES


def test_a_range_beyond_the_end_starts_again(server: Server) -> None:
    server.break_after = [500_000]
    server.statuses = []
    entries = catalogue(server.url)
    original = Handler.do_GET

    def once(self: Handler) -> None:
        if self.headers.get("Range"):
            Handler.do_GET = original  # type: ignore[method-assign]
            server.requests.append(self.headers.get("Range"))
            self.send_error(416)
        else:
            original(self)

    Handler.do_GET = once  # type: ignore[method-assign]
    try:
        assert weights.fetch("tiny", catalogue=entries).read_bytes() == CONTENT
    finally:
        Handler.do_GET = original  # type: ignore[method-assign]
    assert server.requests[-1] is None


def test_redirects_are_followed_and_a_mirror_is_preferred(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    file = weights.fetch("tiny", catalogue=catalogue(server.url.replace("model.onnx", "moved")))
    file.unlink()
    monkeypatch.setenv("DIORAMA_MIRROR", server.url.removesuffix("model.onnx"))
    assert weights.fetch("tiny", catalogue=catalogue("http://host.invalid/x")).read_bytes() == CONTENT


def _fetch_in_process(cache: str, url: str, start: object, results: object) -> None:
    os.environ["DIORAMA_CACHE"] = cache
    os.environ.pop("DIORAMA_OFFLINE", None)
    start.wait()  # type: ignore[attr-defined]
    results.put(weights.fetch("tiny", catalogue=catalogue(url)).read_bytes() == CONTENT)  # type: ignore[attr-defined]


def test_two_processes_at_once_make_one_download_and_one_file(server: Server) -> None:
    server.delay = 0.3
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(2), context.Queue()
    arguments = (str(weights.cache_folder()), server.url, start, results)
    processes = [context.Process(target=_fetch_in_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    assert [results.get(timeout=30) for _ in processes] == [True, True]
    for process in processes:
        process.join(timeout=10)
        assert process.exitcode == 0
    assert len(server.requests) == 1
    assert kept() == [".tiny.onnx.verified", "tiny.onnx"]


def test_the_one_who_waits_for_another_process_says_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    folder = weights.cache_folder() / "weights"
    folder.mkdir(parents=True)
    monkeypatch.setattr(weights, "LOCK_SECONDS", 0.1)
    heard: list[str] = []
    with (
        filelock.FileLock(folder / ".tiny.onnx.lock"),
        pytest.raises(DownloadError, match="Another process has been fetching"),
    ):
        weights.fetch("tiny", lambda _stage, _share, text: heard.append(text), catalogue=catalogue(server.url))
    assert heard == ["Another process is fetching tiny: waiting for it"]


@pytest.mark.usefixtures("server")
def test_no_network_is_known_within_the_time_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_arguments: object, **_options: object) -> list[object]:
        time.sleep(2)
        raise OSError("no name server")

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/model.onnx"
        with pytest.raises(DownloadError, match="can't be reached"):
            weights.fetch("tiny", catalogue=catalogue(closed))
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begin = time.monotonic()
    with pytest.raises(DownloadError, match=r"can't be reached: no answer within 0\.2 s"):
        weights.fetch("tiny", connect_seconds=0.2, catalogue=catalogue("http://host.invalid/model.onnx"))
    assert time.monotonic() - begin < 1.5
    assert kept() == []


def test_an_answer_that_comes_too_late_is_closed() -> None:
    closed = threading.Event()

    def slow() -> str:
        time.sleep(0.2)
        return "late"

    with pytest.raises(TimeoutError):
        download._within(0.01, slow, lambda _late: closed.set())
    assert closed.wait(5)


def test_an_address_that_is_none_and_a_proxy_that_is_none(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DownloadError, match="no address to fetch from"):
        weights.fetch("tiny", catalogue=catalogue("gopher://host/model"))
    monkeypatch.setenv("ALL_PROXY", "gopher://proxy")
    with pytest.raises(DownloadError, match="proxy"):
        weights.fetch("tiny", catalogue=catalogue(server.url))


def test_offline_asks_nothing(server: Server) -> None:
    weights.set_offline()
    assert weights.is_offline()
    with pytest.raises(DownloadError, match="Diorama is offline"):
        weights.fetch("tiny", catalogue=catalogue(server.url))
    weights.set_offline(False)
    assert not weights.is_offline()
    assert server.requests == []


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("true", True), ("0", False), ("", False), ("no", False)])
def test_the_environments_offline_switch(monkeypatch: pytest.MonkeyPatch, value: str, offline: bool) -> None:
    monkeypatch.setenv("DIORAMA_OFFLINE", value)
    assert weights.is_offline() is offline


def test_verify_finds_what_the_stamp_hides(server: Server) -> None:
    entries = catalogue(server.url)
    file = weights.fetch("tiny", catalogue=entries)
    times = file.stat()
    file.write_bytes(CONTENT[:-1] + b"?")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert [row.state for row in weights.list_weights(entries)] == ["ready"]  # same size, same time: not hashed
    assert [row.state for row in weights.verify(catalogue=entries)] == ["damaged"]
    assert weights.fetch("tiny", catalogue=entries).read_bytes() == CONTENT  # replaced
    assert [row.state for row in weights.verify(["tiny"], entries)] == ["ready"]


def test_the_cache_tells_missing_damaged_and_ready_apart(server: Server) -> None:
    entries = catalogue(server.url)
    assert [row.state for row in weights.list_weights(entries)] == ["missing"]
    file = weights.cache_folder() / "weights" / "tiny.onnx"
    file.parent.mkdir(parents=True)
    for content in (b"short", CONTENT[:-1] + b"?"):
        file.write_bytes(content)
        assert [row.state for row in weights.list_weights(entries)] == ["damaged"]
        assert weights.path("tiny", entries) is None
    file.write_bytes(CONTENT)  # put there by hand
    assert weights.path("tiny", entries) == file
    assert ".tiny.onnx.verified" in kept()
    assert server.requests == []


def test_a_stamp_that_can_not_be_written_is_done_without(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> BinaryIO:
        raise StorageError("Read-only.", hint="None.")

    monkeypatch.setattr(weights, "writing", refuse)
    entries = catalogue(server.url)
    file = weights.fetch("tiny", catalogue=entries)
    assert weights.path("tiny", entries) == file
    assert kept() == ["tiny.onnx"]


def test_a_full_disk_is_said_before_and_during_the_download(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1000))
        with pytest.raises(StorageError, match="no room for tiny"):
            weights.fetch("tiny", catalogue=catalogue(server.url))
    assert server.requests == []

    def full(_self: download._Reporter, _arrived: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download._Reporter, "__call__", full)
    with pytest.raises(StorageError, match="full"):
        weights.fetch("tiny", catalogue=catalogue(server.url))
    assert kept() == []


def test_a_cache_folder_that_can_not_be_made(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("DIORAMA_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError):
        weights.fetch("tiny", catalogue=catalogue(server.url))


def test_a_disk_without_locks(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    def refuse(_self: object, **_options: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(StorageError, match="no file locks"):
        weights.fetch("tiny", catalogue=catalogue(server.url))


def test_unknown_names() -> None:
    for call in (weights.path, weights.fetch, weights.find, lambda name: weights.verify([name])):
        with pytest.raises(UnknownModelError, match="no weights named 'nope'"):
            call("nope")


def test_the_catalogue_is_complete() -> None:
    for name, entry in weights.CATALOGUE.items():
        assert entry.name == name
        assert entry.url.startswith("https://")
        assert len(entry.sha256) == 64
        assert entry.bytes > 0
        assert entry.licence
        assert Path(entry.file).name == entry.file
    assert len({entry.file for entry in weights.CATALOGUE.values()}) == len(weights.CATALOGUE)


def test_every_error_says_what_to_do() -> None:
    wanted = download.Wanted("x", "http://h/x", 1)
    for error in (download.corrupt(wanted, "other"), DownloadError("a", hint="b")):
        assert isinstance(error, DioramaError)
        assert error.hint


def test_the_platforms_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIORAMA_CACHE")
    assert "diorama" in str(weights.cache_folder())
