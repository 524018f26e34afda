"""Loops that are compiled once on each machine: which, in which process, and what a person is told."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numba
import pytest

from diorama import compiling
from diorama.jobs import processes
from diorama.jobs.processes import Worker
from waiting import waited

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "loops.py"


def test_every_listed_loop_can_be_compiled_beforehand() -> None:
    listed = [loop for group in compiling.loops().values() for loop in group]
    assert len(listed) == len(set(listed)) > 30
    for loop in listed:
        compiling.ensure(*loop)


@pytest.mark.slow
def test_the_list_knows_what_a_scene_takes() -> None:
    ran = subprocess.run([sys.executable, str(BENCHMARK), "--check"], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}\nRun benchmarks/loops.py."


@pytest.fixture
def loop() -> Any:
    """A loop that nobody has compiled."""

    @numba.njit
    def doubled(x):  # type: ignore[no-untyped-def]
        return 2 * x

    return doubled


def test_whoever_waits_is_told_once_a_loop_is_compiled(loop: Any) -> None:
    told: list[tuple[str, float, str]] = []
    with compiling.announced(lambda *given: told.append(given)) as progress:
        progress("mesh", 0.0, "Building the mesh")
        loop(1)
        loop(1.0)
        progress("mesh", 1.0, "Building the mesh")
    notice = f"Building the mesh. {compiling.NOTICE}"
    assert told == [("mesh", 0.0, "Building the mesh"), ("mesh", 0.0, notice), ("mesh", 1.0, notice)]


def test_a_command_is_told_in_a_line_of_its_own(loop: Any) -> None:
    told: list[str] = []
    with compiling.announced(lambda _stage, _share, message: told.append(message), say=told.append) as progress:
        loop(1)
        progress("mesh", 1.0, "Building the mesh")
    assert told == [compiling.NOTICE, "Building the mesh"]


def test_nothing_is_said_where_all_is_compiled(loop: Any) -> None:
    loop(1)
    told: list[str] = []
    with compiling.announced(lambda _stage, _share, message: told.append(message)) as progress:
        loop(2)
        progress("mesh", 1.0, "Building the mesh")
    assert told == ["Building the mesh"]


def test_later_loops_are_compiled_beside_and_not_after_the_end(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Any] = []

    class Beside:
        def __init__(self, groups: Any) -> None:
            begun.append(groups)

        def end(self) -> None:
            begun.append("ended")

    monkeypatch.setattr(compiling, "Beside", Beside)
    with compiling.announced(lambda *_given: None, ("final", "enhanced")):
        assert begun == []
        loop(1)
        assert begun == [("final", "enhanced")]
    assert begun == [("final", "enhanced"), "ended"]


def test_the_process_beside_compiles_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    beside = compiling.Beside(("final",))
    assert waited(lambda: list(tmp_path.rglob("*.nbc")), seconds=60)
    beside.end()
    assert not beside.runs


def test_the_process_beside_ends_by_itself() -> None:
    command = [sys.executable, "-m", "diorama.compiling", "final"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.wait(120) == 0


def test_the_process_beside_ends_with_the_one_that_began_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    command = [sys.executable, "-m", "diorama.compiling", "enhanced"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0
    assert len(list(tmp_path.rglob("*.nbc"))) < len(compiling.loops()["enhanced"])


@pytest.mark.slow
def test_a_task_waits_for_no_more_than_one_bit_of_warming_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "warm_parts", lambda: [(time.sleep, 0.5)] * 20)
    worker = Worker()
    try:
        assert worker.submit(time.sleep, 0.0).result(60) is None
        assert len(worker._parts) >= 18
        waited(lambda: len(worker._parts) < 18, seconds=10)  # it goes on when there is nothing to do
    finally:
        worker.kill()


@pytest.mark.slow
def test_a_worker_says_that_it_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    worker = Worker()
    try:
        assert waited(lambda: worker.compiles, seconds=60)
    finally:
        worker.kill()
