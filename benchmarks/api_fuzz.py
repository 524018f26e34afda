"""Requests made up from the API's own document: no answer over 500, none that the document doesn't name.

    python benchmarks/api_fuzz.py
    python benchmarks/api_fuzz.py --seconds 60 --seed 2

Starts a server with a worker, takes a photo to step "enhanced", and has schemathesis (of the extra `dev`) ask: first
with whatever addresses it makes up, then about the finished job, of which everything but its deletion is asked. Exits
with 1 where it finds something; what it says then has a `curl` command for each finding.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
JOBS = "/api/v1/jobs"

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,unsupported_method,allow_header_conformance"
)
"""What is left out: whether everything is taken that the document allows, for whether a job is there, or in which
state it is, is no matter of its document."""

SECONDS = 150
QUICK = '{"processing_size": 128, "triangles": 1000}'


def ask(address: str, folder: Path, seconds: float, *, seed: int = 1, job: str = "", phases: str = "") -> str:
    """Have schemathesis ask; what it said, empty where it found nothing."""
    words = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{address}/openapi.json",
        "--checks",
        CHECKS,
        "--no-color",
        "--warnings",
        "off",
    ]
    words += [
        "--no-color",
        "--warnings",
        "off",
        "--max-time",
        str(max(1, round(seconds))),
        "--seed",
        str(seed),
        "--generation-database",
        "none",
    ]
    if phases:
        words += ["--phases", phases]
    config = ""
    if job:
        config = f'[parameters]\n"path.job_id" = "{job}"\n'
    (folder / "schemathesis.toml").write_text(config, encoding="utf-8")
    if job:
        words += ["--exclude-operation-id", "delete_job"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=seconds + 120, check=False)
    return "" if done.returncode == 0 else f"{done.stdout}\n{done.stderr}"


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The address of a server with one worker."""
    words = [sys.executable, str(ROOT / "main.py"), "--port", "0", "--workers", "1", "--data", str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[3]
        finally:
            process.terminate()
            process.wait(60)


def finished_job(address: str) -> str:
    """The id of a job that has been taken to step "enhanced"."""
    from diorama import photo

    with httpx.Client(base_url=address, timeout=60) as client:
        sent = {"photo": ("coffee.png", photo.example("coffee").read_bytes())}
        job = client.post(JOBS, files=sent, data={"settings": QUICK}).raise_for_status().json()["id"]
        for step in ("original", "enhanced"):
            while (state := client.get(f"{JOBS}/{job}").json()["state"]) in ("queued", "running"):
                time.sleep(0.2)
            if state != "waiting":
                raise RuntimeError(f"the photo became no scene: {state}")
            if step == "original":
                client.post(f"{JOBS}/{job}/validate", json={"step": step}).raise_for_status()
    return str(job)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="that are asked for, in all")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with server(folder / "data") as address:
            job = finished_job(address)
            for title, about in (("made up", ""), ("about a finished job", job)):
                start = time.monotonic()
                said = ask(address, folder, given.seconds / 2, seed=given.seed, job=about)
                print(f"{title}: {'found something' if said else 'nothing found'}, {time.monotonic() - start:.0f} s")
                found.append(said)
            httpx.get(f"{address}/healthz").raise_for_status()
    print("\n".join(found).strip())
    sys.exit(1 if any(found) else 0)


if __name__ == "__main__":
    main()
