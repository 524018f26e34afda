"""The server as its own process: killed, started again, flooded, interrupted."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import bad_inputs
from diorama.errors import ServerError
from waiting import SHORT_PAUSE, finished, waited
from workplace import QUICK, SLOW, Workplace, quick_photo, slow_photo

pytestmark = pytest.mark.slow

JOBS = "/api/v1/jobs"
PROC = Path("/proc")
SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)
MAIN = Path(__file__).parents[1] / "main.py"


class Server:
    """A server in a process of its own."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.started = time.monotonic()
        self.log = data.with_name(f"{data.name}-{time.monotonic_ns()}.log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(MAIN), "--port", "0", "--jobs", "1", *options, "--data", str(data)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said.startswith("Diorama is at http://127.0.0.1:"), self.log.read_text()
        self.http = httpx.Client(base_url=said.split()[3], timeout=60)

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.http.get(f"{JOBS}/{job_id}").json())

    def wait(self, job_id: str, *, stage: str | None = None, seconds: float = 120) -> dict[str, Any]:
        """The job in the middle of `stage`, or finished."""
        if stage is None:
            return finished(self.http, f"{JOBS}/{job_id}", seconds)
        there = lambda job: job["stage"] == stage or job["state"] not in ("queued", "running")  # noqa: E731
        return waited(lambda: self.job(job_id), there, seconds, longest=SHORT_PAUSE)

    def upload(self, data: bytes, settings: dict[str, Any], name: str = "photo.jpg") -> httpx.Response:
        query = {"name": name, "settings": json.dumps(settings)}
        return self.http.post(JOBS, params=query, content=data, headers={"Content-Type": "image/jpeg"})

    def workers(self) -> list[int]:
        """Process ids of the server's children, where the system tells."""
        children = PROC / str(self.process.pid) / "task" / str(self.process.pid) / "children"
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    def peak_memory(self) -> int:
        """Bytes that the server process had at most, where the system tells."""
        status = PROC / str(self.process.pid) / "status"
        lines = status.read_text().splitlines() if status.exists() else []
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)

    def end(self, number: int = signal.SIGTERM) -> float:
        """Send a signal; seconds until the process had ended."""
        self.http.close()
        start = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - start


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    server = Server(data)
    yield server
    if server.process.poll() is None:
        server.end(SIGKILL)


def _alive(pid: int) -> bool:
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_server_killed_in_the_middle_of_a_stage_goes_on_after_it(server: Server, data: Path) -> None:
    job_id = server.upload(slow_photo(), SLOW).json()["id"]
    waiting_id = server.upload(quick_photo(), QUICK).json()["id"]
    job = server.wait(job_id, stage="mesh")
    done = [stage["name"] for stage in job["stages"] if stage["state"] == "done"]
    assert done == ["photo", "depth", "points"]
    place = Workplace(data)
    # A stage is saved while the next one is made: one that is killed before has to be made again.
    waited(
        lambda: any(name.startswith("points-") for name in place.stage_files(job_id)), seconds=5, longest=SHORT_PAUSE
    )
    before = place.stage_files(job_id)
    workers = server.workers()
    server.end(SIGKILL)
    waited(lambda: not any(_alive(pid) for pid in workers), seconds=5)  # a killed server leaves no workers behind
    assert place.store.get(job_id).state == "running"

    again = Server(data)
    try:
        finished = again.wait(job_id)
        assert (finished["state"], finished["error"]) == ("waiting", None)
        assert [stage["name"] for stage in finished["stages"] if stage["reused"]] == done
        after = place.stage_files(job_id)
        assert {name: after[name] for name in before} == before
        assert again.wait(waiting_id)["state"] == "waiting"
        listed = [earlier["id"] for earlier in again.http.get(JOBS).json()["jobs"]]
        assert listed == [waiting_id, job_id]
    finally:
        again.end()
        place.store.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_a_signal_ends_it_within_seconds_and_loses_nothing(server: Server, data: Path, number: int) -> None:
    job_id = server.upload(slow_photo(), SLOW).json()["id"]
    server.wait(job_id, stage="mesh")
    with httpx.stream("GET", f"{server.http.base_url}{JOBS}/{job_id}/events", timeout=60) as stream:
        events = stream.iter_lines()
        assert next(events).startswith("retry")
        workers = server.workers()
        assert server.end(number) < 5
    assert server.process.returncode == 0
    assert not any(_alive(pid) for pid in workers)
    assert server.log.read_text() == ""
    place = Workplace(data)
    assert place.store.get(job_id).state == "queued"
    place.store.close()


def test_bombs_and_bad_files_cost_no_memory_and_others_go_on(server: Server) -> None:
    good = [server.upload(quick_photo(), QUICK).json()["id"]]
    for bad in bad_inputs.refused():
        assert bad.error is not None
        answer = server.upload(bad.data, QUICK, "bad.jpg")
        if answer.status_code == 201:
            job = server.wait(answer.json()["id"])
            assert (job["state"], job["error"]["status"]) == ("failed", bad.error.http_status)
        else:
            assert answer.status_code == bad.error.http_status
    good.append(server.upload(quick_photo(), QUICK).json()["id"])
    assert [server.wait(job_id)["state"] for job_id in good] == ["waiting", "waiting"]
    assert server.peak_memory() < 1 << 30


def _stream(total: int) -> Iterator[bytes]:
    yield quick_photo()
    for _ in range(total >> 20):
        yield bytes(1 << 20)


def test_uploads_without_a_length_are_counted(server: Server, data: Path) -> None:
    # A little too large: the sender hears why.
    answer = server.http.post(JOBS, content=_stream(70 << 20), headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (413, "photo-too-large")
    # Without end: cut off.
    address = server.http.base_url
    sent = 0
    with socket.create_connection((address.host, address.port or 80), timeout=30) as raw:
        head = (
            f"POST {JOBS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        raw.sendall(head.encode())
        block = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        try:
            while sent < 400 << 20:
                raw.sendall(block)
                sent += 1 << 20
        except OSError:
            pass
    assert sent < 200 << 20
    assert list((data / "incoming").iterdir()) == []
    # Gone in the middle: nothing stays.
    with socket.create_connection((address.host, address.port or 80), timeout=30) as raw:
        raw.sendall(head.encode() + block)
    waited(lambda: not list((data / "incoming").iterdir()), seconds=10)
    assert server.http.get(JOBS).json() == {"jobs": []}
    assert server.peak_memory() < 500 << 20


def test_the_page_comes_while_the_workers_start(server: Server) -> None:
    assert server.http.get("/").status_code == 200
    assert time.monotonic() - server.started < 10  # 1 s and a half on a machine that does nothing else


def test_two_servers_share_the_jobs(server: Server, data: Path) -> None:
    other = Server(data)
    try:
        jobs = [server.upload(quick_photo(), QUICK).json()["id"] for _ in range(2)]
        jobs += [other.upload(quick_photo(), QUICK).json()["id"] for _ in range(2)]
        assert [server.wait(job_id)["state"] for job_id in jobs] == ["waiting"] * 4
        assert other.http.get(JOBS).json() == server.http.get(JOBS).json()
        assert other.http.delete(f"{JOBS}/{jobs[0]}").status_code == 204
        assert server.http.get(f"{JOBS}/{jobs[0]}").status_code == 404
    finally:
        other.end()


@pytest.mark.skipif(not PROC.exists(), reason="POSIX: children are found in /proc")
def test_several_processes_serve_one_address_and_are_replaced_when_they_die(data: Path) -> None:
    server = Server(data, "--workers", "2")
    try:
        pids = _serving(server)
        assert len(pids) == 2
        job_id = server.upload(quick_photo(), QUICK).json()["id"]
        os.kill(int(next((data / "owners").glob("*.lock")).name.partition("-")[0]), SIGKILL)
        server.http.close()  # a connection to it would be none now
        server.http = httpx.Client(base_url=server.http.base_url, timeout=60)
        assert server.wait(job_id)["state"] == "waiting"
        waited(lambda: _serving(server), lambda now: len(now) >= 2 and set(now) != set(pids), seconds=30)
        assert server.http.get("/healthz").status_code == 200
        left = _serving(server)
        assert server.end() < 8
        assert server.process.returncode == 0
        assert not any(_alive(pid) for pid in left)
    finally:
        if server.process.poll() is None:
            server.end(SIGKILL)


def _serving(server: Server) -> list[int]:
    """Process ids of a server's own processes: those that `multiprocessing` has spawned."""
    return [pid for pid in server.workers() if b"spawn_main" in (PROC / str(pid) / "cmdline").read_bytes()]


# ---- main.py ---------------------------------------------------------------------------------------------------


def test_a_taken_port_is_an_exit_code_and_a_sentence(server: Server) -> None:
    port = str(server.http.base_url.port)
    ended = subprocess.run([sys.executable, str(MAIN), "--port", port], capture_output=True, text=True)
    assert ended.returncode == ServerError.exit_code
    assert f"Port {port} is taken" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_main_without_an_installation_says_how_to_install(tmp_path: Path) -> None:
    (tmp_path / "diorama.py").write_text("raise ImportError('No module named fastapi')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run([sys.executable, str(MAIN)], env=environment, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "pip install -r requirements.txt" in ended.stderr
    assert "Traceback" not in ended.stderr
