"""How long does a user of the page wait for each step? Seconds of a warm server, step by step, through its API.

    python benchmarks/waits.py                       photos of 1 and 12 megapixels
    python benchmarks/waits.py --megapixels 1 12 48

A server is started as `python main.py` starts it; a first, small photo goes through all steps, so that
the server is warm. Then each photo is uploaded and each step validated as soon as it is there; seconds from the upload,
or the validation, until the job's events, to which the page listens as well, say that the step with all its files is
there; of several runs the best (the page on performance: of three at 1 megapixel, else one). Memory: the highest of
the worker process, a fresh server for each size.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from stages import coffee, resampled

ROOT = Path(__file__).parents[1]
STEPS = ("original", "enhanced", "final")


class Server:
    """A running server, on a free port and in a folder of its own."""

    def __init__(self, data: str) -> None:
        words = [sys.executable, str(ROOT / "main.py"), "--port", "0", "--data", data, "--offline"]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._address = self._process.stdout.readline().split()[3].rstrip("/")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)

    def ask(self, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
        """What the API answers."""
        request = urllib.request.Request(self._address + path, data=body, headers={"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)

    def steps(self, photo: Path) -> list[float]:
        """Seconds for each step of a photo."""
        took = []
        start = time.perf_counter()
        job = self.ask("/api/v1/jobs?name=photo.jpg", photo.read_bytes(), "image/jpeg")["id"]
        for number, step in enumerate(STEPS):
            if number:
                start = time.perf_counter()
                self.ask(f"/api/v1/jobs/{job}/validate", json.dumps({"step": STEPS[number - 1]}).encode())
            self._until_made(job, step)
            took.append(time.perf_counter() - start)
        return took

    def _until_made(self, job: str, step: str) -> None:
        with urllib.request.urlopen(f"{self._address}/api/v1/jobs/{job}/events", timeout=600) as events:
            for line in events:
                found = json.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: ") else {}
                if found.get("error"):
                    sys.exit(f"{step} failed: {found['error']}")
                if any(one["name"] == step and one["state"] in ("waiting", "done") for one in found.get("steps", ())):
                    return
        sys.exit(f"{step}: the events have ended before it was there.")

    def worker_mib(self) -> float:
        """The highest memory of the worker; nan where the system doesn't tell."""
        found = [_status(path) for path in Path("/proc").glob("[0-9]*/status")]
        peaks = [one["VmHWM"] / 1024 for one in found if one.get("PPid") == self._process.pid and "VmHWM" in one]
        return max(peaks, default=float("nan"))


def _status(path: Path) -> dict[str, int]:
    """The numbers of a process's status file; none where it has just ended."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name: int(value.split()[0]) for name, value in pairs if value.split() and value.split()[0].isdigit()}


def measure(megapixels: float, folder: Path, runs: int = 1) -> tuple[list[float], float]:
    """Seconds of each step (the best of the runs) and the worker's highest MiB, for a photo of this size."""
    photo = resampled(coffee(), megapixels, folder, False)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data, Server(data) as server:
        server.steps(resampled(coffee(), 0.05, folder, False))
        found = [server.steps(photo) for _ in range(runs)]
        return [min(one) for one in zip(*found, strict=True)], server.worker_mib()


def table(rows: dict[float, tuple[list[float], float]]) -> str:
    """Markdown."""
    head = "| photo | original 3D | enhanced, from there | final, from there | worker's peak |"
    lines = [head, "|---|" + "---:|" * 4]
    for megapixels, (took, mib) in rows.items():
        cells = " | ".join(f"{seconds:.1f} s" for seconds in took)
        lines.append(f"| {megapixels:g} Mpx | {cells} | {mib:,.0f} MiB |")
    return "\n".join(lines)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Seconds that a user waits for each step.")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1.0, 12.0])
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(table({size: measure(size, Path(folder), options.runs) for size in options.megapixels}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
