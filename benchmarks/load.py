"""A server under load: mixed requests from 50 clients, while it makes scenes of what they upload.

    python benchmarks/load.py
    python benchmarks/load.py --seconds 20 --clients 25

Clients of four sorts, each on one connection, with pauses as a page makes them: 3 of 5 ask for a job's state twice a
second (a fifth of those follow its events as well), 1 of 5 download files, 1 of 10 upload photos (and delete what is
finished), 1 of 10 send nonsense. Prints calls, answers and milliseconds of each sort, jobs that were finished, the
server's memory and what its processor took. Exits with 1 where any answer is over 499, the 99th percentile of the
state's calls is over 250 ms, or the server grows by over 200 MB.

Where Linux shares the processor evenly among sessions whatever they do, `echo -19 > /proc/self/autogroup` before it
keeps other sessions' work out of the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
JOBS = "/api/v1/jobs"
QUICK = json.dumps({"processing_size": 192, "triangles": 5000})

P99_SECONDS = 0.25
GROWTH_BYTES = 200 << 20


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One HTTP/1.1 connection: as little as will do, for what measures must not take the processor."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Ask, on a new connection where the old one was closed."""
        for attempt in (1, 2):
            if self._streams is None:
                self._streams = await asyncio.open_connection(self.host, self.port)
            try:
                return await self._ask(method, path, body, headers)
            except (OSError, asyncio.IncompleteReadError, IndexError):
                self.close()
                if attempt == 2:
                    raise
        raise AssertionError

    async def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> asyncio.StreamReader:
        assert self._streams is not None
        reader, writer = self._streams
        lines = {"Host": f"{self.host}:{self.port}", "Content-Length": str(len(body))}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await writer.drain()
        return reader

    async def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        reader = await self.send(method, path, body, headers)
        status, found = await head(reader)
        content = b""
        if "content-length" in found and method != "HEAD":
            content = await reader.readexactly(int(found["content-length"]))
        if found.get("connection") == "close":
            self.close()
        return Answer(status, found, content)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


async def head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


@dataclass
class Load:
    """What the clients share, and what they have seen."""

    host: str
    port: int
    until: float
    ready: str  # a finished job
    files: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    finished: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    events: int = 0

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.until

    async def timed(self, sort: str, call: Coroutine[Any, Any, Answer]) -> Answer:
        start = time.perf_counter()
        answer = await call
        self.seconds[sort].append(time.perf_counter() - start)
        self.answers[sort][answer.status] += 1
        return answer

    @property
    def broken(self) -> int:
        """Answers over 499."""
        return sum(count for found in self.answers.values() for status, count in found.items() if status >= 500)

    def p99(self, sort: str) -> float:
        found = sorted(self.seconds[sort])
        return found[min(len(found) - 1, int(0.99 * len(found)))] if found else 0.0


async def poll(load: Load, number: int) -> None:
    """Ask for a job's state, as the page does and programs do."""
    connection, follower = Connection(load.host, load.port), None
    while load.goes_on:
        job = random.choice([load.ready, *load.jobs[-8:]])
        answer = await load.timed("state", connection.ask("GET", f"{JOBS}/{job}"))
        if answer.status == 200:
            state = json.loads(answer.body)["state"]
            if state == "waiting":
                load.finished.add(job)
            elif state == "failed":
                load.failed.add(job)
        if number % 5 == 0 and (follower is None or follower.done()):
            follower = asyncio.create_task(follow(load, job))
        await asyncio.sleep(random.uniform(0.3, 0.7))
    if follower is not None:
        follower.cancel()
    connection.close()


async def follow(load: Load, job: str) -> None:
    """Listen to a job's events until they end."""
    connection = Connection(load.host, load.port)
    connection._streams = await asyncio.open_connection(load.host, load.port)
    try:
        reader = await connection.send("GET", f"{JOBS}/{job}/events", b"", {})
        status, _ = await head(reader)
        load.answers["events"][status] += 1
        while load.goes_on and (line := await reader.readline()):
            load.events += line.startswith(b"event:")
    finally:
        connection.close()


async def download(load: Load, _number: int) -> None:
    """Take files of a finished job."""
    connection = Connection(load.host, load.port)
    while load.goes_on:
        url = random.choice(load.files)
        wanted = random.choice([{}, {}, {"Range": "bytes=0-1000"}])
        await load.timed("file", connection.ask("GET", url, **wanted))
        await asyncio.sleep(random.uniform(0.3, 0.9))
    connection.close()


async def upload(load: Load, _number: int) -> None:
    """Send photos, and remove the older ones."""
    connection = Connection(load.host, load.port)
    while load.goes_on:
        photo = picture(random.randrange(1000))
        path = f"{JOBS}?settings={QUICK.replace(' ', '').replace(chr(34), '%22')}"
        answer = await load.timed("upload", connection.ask("POST", path, photo, Content_Type="image/jpeg"))
        if answer.status == 201:
            load.jobs.append(json.loads(answer.body)["id"])
        elif answer.status == 429 and "retry-after" not in answer.headers:
            raise AssertionError("429 without Retry-After")
        if len(load.jobs) > 12:
            await load.timed("delete", connection.ask("DELETE", f"{JOBS}/{load.jobs.pop(0)}"))
        await load.timed("list", connection.ask("GET", f"{JOBS}?limit=10"))
        await asyncio.sleep(random.uniform(1, 3))
    connection.close()


async def annoy(load: Load, number: int) -> None:
    """Send what must be refused."""
    connection = Connection(load.host, load.port)
    what: list[Callable[[], Coroutine[Any, Any, Answer]]] = [
        lambda: connection.ask("POST", JOBS, b"no picture", Content_Type="image/png"),
        lambda: connection.ask("POST", JOBS, b"--x\r\nbroken", Content_Type="multipart/form-data; boundary=x"),
        lambda: connection.ask("POST", f"{JOBS}?settings=[", b"x", Content_Type="image/png"),
        lambda: connection.ask("POST", f"{JOBS}/{load.ready}/validate", b"{", Content_Type="application/json"),
        lambda: connection.ask("POST", f"{JOBS}/{load.ready}/rerun", b'{"step": "x"}', Content_Type="application/json"),
        lambda: connection.ask("GET", f"{JOBS}/{'x' * 22}"),
        lambda: connection.ask("GET", f"{JOBS}/../../etc/passwd"),
        lambda: connection.ask("GET", f"{JOBS}/{load.ready}/files/..%2f..%2fjobs.db"),
        lambda: connection.ask("GET", "/", Host="evil.example"),
        lambda: connection.ask("DELETE", f"{JOBS}/{load.ready}", Origin="https://evil.example"),
        lambda: connection.ask("PATCH", "/healthz"),
        lambda: connection.ask("GET", f"/{'a' * 3000}"),
    ]
    while load.goes_on:
        number += 1
        answer = await load.timed("nonsense", what[number % len(what)]())
        if answer.status < 400:
            raise AssertionError(f"nonsense {number % len(what)} was answered with {answer.status}")
        await asyncio.sleep(random.uniform(0.2, 0.6))
    connection.close()


def picture(number: int) -> bytes:
    """A JPEG of 320 x 240 pixels."""
    y, x = np.mgrid[:240, :320]
    pixels = np.stack([x * 0.8, y + number % 50, (x + y + number) % 255], axis=-1).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


async def run(host: str, port: int, seconds: float, clients: int) -> Load:
    """The load, against a server that has nothing to do yet."""
    load = Load(host, port, 0, "")
    connection = Connection(host, port)
    settings = QUICK.replace(" ", "").replace('"', "%22")
    sent = await connection.ask("POST", f"{JOBS}?settings={settings}", picture(0), Content_Type="image/jpeg")
    load.ready = json.loads(sent.body)["id"]
    while True:
        job = json.loads((await connection.ask("GET", f"{JOBS}/{load.ready}")).body)
        if job["state"] not in ("queued", "running"):
            break
        await asyncio.sleep(0.2)
    load.files = [file["url"] for file in job["files"]]
    load.until = time.monotonic() + seconds
    sorts = [poll, poll, poll, download, upload, poll, poll, poll, download, annoy]

    async def client(number: int) -> None:
        await asyncio.sleep(random.uniform(0, 1))  # people don't all come at the same moment
        await sorts[number % len(sorts)](load, number)

    await asyncio.gather(*(client(number) for number in range(clients)))
    connection.close()
    return load


def used(pid: int) -> tuple[int, float]:
    """Resident bytes and processor seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE"), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def against_own_server(seconds: float, clients: int) -> tuple[Load, tuple[int, float], tuple[int, float]]:
    """The load against a server with one worker, which ends with it; what that used before and after."""
    random.seed(1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data:
        words = [sys.executable, str(ROOT / "main.py"), "--port", "0", "--workers", "1", "--data", data]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                port = int(server.stdout.readline().split()[3].rpartition(":")[2])
                before = used(server.pid)
                load = asyncio.run(run("127.0.0.1", port, seconds, clients))
                return load, before, used(server.pid)
            finally:
                server.terminate()
                server.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=50)
    given = parser.parse_args()
    load, before, after = against_own_server(given.seconds, given.clients)
    print(f"{given.clients} clients, {given.seconds:.0f} s, machine's load {os.getloadavg()[0]:.1f}\n")
    print("| calls | number | median ms | 99 % ms | slowest ms | answers |\n|---|---|---|---|---|---|")
    for sort, found in load.seconds.items():
        milliseconds = [1000 * value for value in (statistics.median(found), load.p99(sort), max(found))]
        answers = ", ".join(f"{count} x {status}" for status, count in sorted(load.answers[sort].items()))
        print(f"| {sort} | {len(found)} | {' | '.join(f'{value:.0f}' for value in milliseconds)} | {answers} |")
    calls = sum(len(found) for found in load.seconds.values())
    print(f"\n{len(load.finished)} jobs finished, {len(load.failed)} failed, {load.events} events were followed.")
    grown, seconds = after[0] - before[0], after[1] - before[1]
    print(f"The server has {after[0] >> 20} MB, {grown >> 20} more than at its start.")
    print(f"It took {seconds:.1f} s of a processor: {1000 * seconds / calls:.1f} ms a call.")
    wrong = [f"{load.broken} answers over 499"] if load.broken else []
    if load.p99("state") > P99_SECONDS:
        wrong.append(f"99 % of the state's calls took up to {1000 * load.p99('state'):.0f} ms")
    if grown > GROWTH_BYTES:
        wrong.append("the server grew")
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
