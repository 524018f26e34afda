"""How long a user waits before anything happens: seconds of the command's help and of the web app's first page.

    python benchmarks/startup.py
    python benchmarks/startup.py --runs 9

Each is a process of its own, with the bytecode of earlier runs: the import of the package, `diorama --help`,
`diorama --version`, and `python main.py` until the first page has come. The best of the runs is shown, for other
programs only ever add to it; in brackets processor seconds until then, of the process and those that it had waited for.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]

COMMANDS = {
    "import diorama": [sys.executable, "-c", "import diorama"],
    "diorama --version": [sys.executable, "-m", "diorama", "--version"],
    "diorama --help": [sys.executable, "-m", "diorama", "--help"],
}


def command(words: list[str]) -> tuple[float, float]:
    """Seconds and processor seconds of a command."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=_environment())
    seconds, after = time.perf_counter() - start, os.times()
    return seconds, _used(after) - _used(before)


def first_page() -> tuple[float, float]:
    """Seconds and processor seconds from `python main.py` to the first page."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data:
        words = [sys.executable, str(ROOT / "main.py"), "--port", "0", "--data", data]
        start = time.perf_counter()
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=_environment()) as server:
            assert server.stdout is not None
            try:
                address = server.stdout.readline().split()[3]
                with urllib.request.urlopen(address, timeout=60) as page:
                    page.read()
                seconds, used = time.perf_counter() - start, _of(server.pid)
            finally:
                server.terminate()
                server.wait(60)
    return seconds, used


def _environment() -> dict[str, str]:
    """This process's, with bytecode written: a machine that tests often forbids it, a user's never does."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _used(times: os.times_result) -> float:
    return times.children_user + times.children_system


def _of(process: int) -> float:
    """Processor seconds of a process that runs; nan where the system doesn't tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def measured(runs: int) -> dict[str, tuple[float, float]]:
    """Seconds and processor seconds of each, the best of the runs."""
    measures: dict[str, Callable[[], tuple[float, float]]] = {
        name: (lambda words=words: command(words)) for name, words in COMMANDS.items()
    }
    measures["first page of main.py"] = first_page
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in measures}
    for run in range(runs + 1):
        for name, measure in measures.items():
            took = measure()
            if run:  # the first one writes bytecode and fills the system's caches
                found[name].append(took)
    return {name: (min(one for one, _ in took), min(one for _, one in took)) for name, took in found.items()}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Seconds until the help, and until the first page.")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    found = measured(options.runs)
    print("| what | seconds (processor) |\n|---|---:|")
    for name, (seconds, used) in found.items():
        print(f"| {name} | {seconds:.2f} ({used:.2f}) |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
