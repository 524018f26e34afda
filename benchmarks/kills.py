"""Kills the server (-9) at random moments while photos go through all steps: is a job lost, is half a file served?

    python benchmarks/kills.py                                       # 30 kills, SQLite
    python benchmarks/kills.py --database postgresql                 # the same, on a PostgreSQL of its own (Debian's)
    python benchmarks/kills.py --database postgresql://user@host/db  # on yours, which must be empty

Photos are uploaded and validated step by step, and a GLB is asked for at the end, as the page does it; the kill comes
whatever is going on, in the middle of a request as well. Then the server starts again on the same data: every job of
which a client was told must be there, every file that is listed must come with all its bytes and be whole in itself. At
the end every job must be finished. Exits with 1 where one isn't.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
JOBS = "/api/v1/jobs"
SETTINGS = {"processing_size": 128, "triangles": 1000}
STEPS = ("original", "enhanced", "final")
AT_ONCE = 3
"""Unfinished jobs: one is worked on, others wait."""

LATEST = 8.0
"""Seconds between the server's first answer and its end, at most: about as long as a worker takes to start and to make
two steps on a machine that does nothing else. On a slower one nothing is finished before the end comes: `--latest`."""

PATIENCE = 600.0


@dataclass
class Record:
    """What a client was told: acknowledged jobs, and how far they came."""

    jobs: dict[str, str] = field(default_factory=dict)  # id -> "new", "asked" (for a GLB) or "finished"
    products: dict[str, str] = field(default_factory=dict)
    working: bool = False  # as seen last
    kills: int = 0
    while_working: int = 0
    files: int = 0
    wrong: list[str] = field(default_factory=list)


class Server:
    """One life of a server."""

    def __init__(self, data: Path, environment: dict[str, str], log: Path, *options: str) -> None:
        command = [sys.executable, str(ROOT / "main.py"), "--port", "0", "--jobs", "1", "--data", str(data), *options]
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **environment}
            )
        assert self.process.stdout is not None
        said = self.process.stdout.readline().split()
        if len(said) < 4:
            raise SystemExit(f"The server did not start:\n{log.read_text()}")
        self.http = httpx.Client(base_url=said[3], timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.http.close()


def photo(number: int) -> bytes:
    """A PNG of 96 x 64 pixels, another for each number."""
    y, x = np.mgrid[:64, :96]
    picture = np.stack([x * 2, y * 3, (x + y + 9 * number) % 256], axis=-1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def upload(server: Server, record: Record) -> None:
    query = {"name": f"photo-{len(record.jobs)}.png", "settings": json.dumps(SETTINGS)}
    sent = server.http.post(JOBS, params=query, content=photo(len(record.jobs)), headers={"Content-Type": "image/png"})
    sent.raise_for_status()
    record.jobs[sent.json()["id"]] = "new"


def attend(server: Server, record: Record) -> None:
    """Do for every job what its user would do now."""
    states = set()
    for job_id, known in list(record.jobs.items()):
        if known == "finished":
            continue
        address = f"{JOBS}/{job_id}"
        job = answer(server.http.get(address))
        states.add(job["state"])
        if job["state"] == "failed":
            record.wrong.append(f"job {job_id} failed: {job['error']['detail']}")
            record.jobs[job_id] = "finished"
        elif job["state"] == "waiting":
            answer(server.http.post(f"{address}/validate", json={"step": job["step"]}))
        elif job["state"] == "done" and known == "new":
            made = answer(server.http.post(f"{address}/products", json={"step": "final", "product": "glb"}))
            record.products[job_id] = made["id"]
            record.jobs[job_id] = "asked"
        elif job["state"] == "done":
            made = answer(server.http.get(f"{address}/products/{record.products[job_id]}"))
            if made["state"] == "done":
                record.jobs[job_id] = "finished"
            elif made["state"] == "failed":
                record.wrong.append(f"product of {job_id} failed: {made['error']['detail']}")
                record.jobs[job_id] = "finished"
            states.add(made["state"])
    record.working = "running" in states


def answer(response: httpx.Response) -> dict[str, Any]:
    response.raise_for_status()
    return dict(response.json())


def check(server: Server, record: Record) -> None:
    """Every job is there, and every file that is listed is whole."""
    for job_id in record.jobs:
        found = server.http.get(f"{JOBS}/{job_id}")
        if found.status_code != 200:
            record.wrong.append(f"job {job_id} is lost: {found.status_code}")
            continue
        listed = [(file["url"], file["bytes"]) for one in found.json()["results"].values() for file in one["files"]]
        if job_id in record.products:
            made = server.http.get(f"{JOBS}/{job_id}/products/{record.products[job_id]}")
            if made.status_code != 200:
                record.wrong.append(f"a product of job {job_id} is lost: {made.status_code}")
            elif made.json()["state"] == "done":
                listed.append((made.json()["url"], made.json()["bytes"]))
        for url, size in listed:
            record.files += 1
            if problem := damage(server.http.get(url), url, size):
                record.wrong.append(f"{url}: {problem}")


def damage(response: httpx.Response, url: str, size: int) -> str:
    """What is wrong with a file; empty: nothing."""
    data = response.content
    if response.status_code != 200:
        return f"status {response.status_code}"
    if len(data) != size:
        return f"{len(data)} bytes of {size}"
    try:
        if data[:4] == b"glTF" and int.from_bytes(data[8:12], "little") != len(data):
            return "its header names another length"
        if data[:4] == b"PK\x03\x04" and zipfile.ZipFile(io.BytesIO(data)).testzip():
            return "damaged in the archive"
        if url.endswith((".jpg", ".png")):
            Image.open(io.BytesIO(data)).load()
        if url.endswith(".json"):
            json.loads(data)
    except Exception as error:
        return f"damaged: {error}"
    return ""


def run(
    data: Path,
    kills: int,
    seed: int,
    environment: dict[str, str],
    *options: str,
    at_once: int = AT_ONCE,
    latest: float = LATEST,
) -> Record:
    """Kill and start again; `Record.wrong` says what went wrong."""
    record, chance = Record(), random.Random(seed)
    log = data.with_name(f"{data.name}.log")
    while record.kills < kills:
        server = Server(data, environment, log, *options)
        check(server, record)
        killer = threading.Timer(chance.uniform(0, latest), server.process.kill)
        killer.start()
        with suppress(httpx.TransportError):  # it was killed before it could answer
            while True:
                if sum(known != "finished" for known in record.jobs.values()) < at_once:
                    upload(server, record)
                attend(server, record)
        killer.join()
        server.kill()
        record.kills += 1
        record.while_working += record.working
    server = Server(data, environment, log, *options)
    try:
        check(server, record)
        ends = time.monotonic() + PATIENCE
        while any(known != "finished" for known in record.jobs.values()) and time.monotonic() < ends:
            attend(server, record)
            time.sleep(0.05)
        record.wrong += [f"job {job} is {known}" for job, known in record.jobs.items() if known != "finished"]
        check(server, record)
    finally:
        server.kill()
    return record


@contextmanager
def database(asked: str) -> Iterator[dict[str, str]]:
    """The environment that names the database."""
    if asked != "postgresql":
        yield {} if asked == "sqlite" else {"DIORAMA_DATABASE": asked}
        return
    sys.path.insert(0, str(ROOT / "tests"))
    import postgres

    programs = postgres.find()
    if programs is None:
        raise SystemExit("PostgreSQL is not on this machine: sudo apt-get install -y postgresql")
    with postgres.running(programs) as server:
        yield {"DIORAMA_DATABASE": server.database()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--database", default="sqlite", help="sqlite, postgresql (one of its own), or an address")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latest", type=float, default=LATEST, help="seconds of a server's life, at most")
    parser.add_argument("--workers", type=int, default=1, help="web processes of the server")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing that was started stays behind
    start = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, database(asked.database) as chosen:
        environment = {"DIORAMA_OFFLINE": "1", **chosen}
        workers = "--workers", str(asked.workers)
        record = run(Path(folder) / "data", asked.kills, asked.seed, environment, *workers, latest=asked.latest)
    print("| database | kills | of these while a job ran | jobs | finished | files fetched | wrong | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    name = asked.database.partition(":")[0]
    finished = sum(known == "finished" for known in record.jobs.values())
    counts = record.kills, record.while_working, len(record.jobs), finished, record.files, len(record.wrong)
    print(f"| {name} |", " | ".join(map(str, counts)), f"| {time.monotonic() - start:.0f} |")
    for problem in record.wrong:
        print(f"* {problem}")
    sys.exit(bool(record.wrong))


if __name__ == "__main__":
    main()
