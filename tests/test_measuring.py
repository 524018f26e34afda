"""What the tests run through is measured as coverage.py's tracer measures it, and nothing is lost with a process."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import coverage
import pytest

import measuring

ROOT = Path(__file__).parents[1]

SAMPLE = '''"""What it is."""
from __future__ import annotations

import contextlib
import dataclasses


@dataclasses.dataclass(
    frozen=True
)
class Record:
    """A record."""

    number: int = 0

    @property
    def twice(self) -> int:
        """Two of them."""
        return 2 * self.number

    def never(self) -> None:
        print("never")


def odd(number):
    if number % 2:
        return True


def choose(number):
    if (
        number > 2
        and number < 9
    ):
        found = "some"
    elif number > 9:
        found = "many"
    else:
        found = "few"
    if number == 4:
        found += "!"
    return found


def loops(numbers):
    total = 0
    for number in numbers:
        if number == 3:
            continue
        total += number
        if total > 100:
            break
    else:
        total += 1
    for number in numbers:
        total += number
    while total > 5:
        total -= 5
    while True:
        total -= 1
        if total < 0:
            break
    return [number for number in numbers if number]


def tried(number):
    try:
        found = 1 / number
    except ZeroDivisionError:
        found = 0
    except ValueError:
        found = -1
    else:
        found += 1
    finally:
        number = 0
    with contextlib.suppress(KeyError):
        found = {}[found]
        found = 3
    return found


def matched(word):
    match word:
        case "one":
            return 1
        case "two" | "three":
            return 2
        case str() if len(word) > 5:
            return 6
    return 0


def all_matched(word):
    match word:
        case "one":
            found = 1
        case _:
            found = 0
    return found


async def waited(numbers):
    global SEEN
    SEEN = 1
    if numbers:
        return 1
    raise ValueError(
        "none"
    )


def generated(numbers):
    for number in numbers:
        yield number


if __name__ == "__main__":
    print("a program")
print(odd(1), choose(4), choose(12), loops([1, 2, 3, 4]), tried(0), tried(1), matched("two"), all_matched("one"))
print(Record(2).twice, list(generated([1, 2])), next(generated([1])))
'''


def measured(path: Path, data: Path) -> dict[str, Any]:
    """Coverage.py's sums, lines and branches of one file."""
    told = coverage.Coverage(data_file=str(data), config_file=False, branch=True)
    told.load()
    told.json_report([str(path)], outfile=str(data.with_suffix(".json")))
    (file,) = json.loads(data.with_suffix(".json").read_text())["files"].values()
    return {name: file[name] for name in ("executed_lines", "missing_lines", "executed_branches", "missing_branches")}


def test_it_is_what_a_tracer_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text(SAMPLE)
    runner = "import runpy, sys; runpy.run_path(sys.argv[1])"
    where = ["--rcfile=", f"--data-file={tmp_path / 'traced'}", f"--include={sample}"]
    words = ["-m", "coverage", "run", "--branch", *where]
    (tmp_path / "runner.py").write_text(runner)
    environment = {name: value for name, value in os.environ.items() if name != measuring.VARIABLE}
    traced = subprocess.run(
        [sys.executable, *words, tmp_path / "runner.py", sample], capture_output=True, text=True, env=environment
    )
    assert traced.returncode == 0, traced.stderr

    tree, facts = measuring.marked(SAMPLE.encode())
    marks = bytearray(len(facts))
    module = types.ModuleType("sample")
    monkeypatch.setitem(sys.modules, "sample", module)
    setattr(module, measuring.MARKS, marks)
    exec(compile(tree, str(sample), "exec", dont_inherit=True), module.__dict__)
    said = {fact for one, mark in zip(facts, marks, strict=True) if mark for fact in one}
    data = coverage.CoverageData(str(tmp_path / "marked"))
    data.add_arcs({str(sample): measuring.arcs(said, SAMPLE.encode())})
    data.write()

    ours, theirs = measured(sample, tmp_path / "marked"), measured(sample, tmp_path / "traced")
    assert len(theirs["executed_branches"]) > 20
    assert len(theirs["missing_branches"]) > 5
    assert ours == theirs


def test_marks_change_nothing_else() -> None:
    source = SAMPLE + "\n\n@numba.njit(cache=True)\ndef compiled(a):\n    if a:\n        return 1\n    return 2\n"
    tree, _ = measuring.marked(source.encode())
    assert ast.get_docstring(tree) == "What it is."
    record = next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert ast.get_docstring(record) == "A record."
    compiled = next(node for node in ast.walk(tree) if getattr(node, "name", "") == "compiled")
    assert measuring.MARKS not in ast.unparse(compiled), "Numba compiles what was written"
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            assert node.lineno <= source.count("\n")


def test_a_process_that_is_killed_was_measured(tmp_path: Path) -> None:
    kill = "import os, signal, diorama.errors; os.kill(os.getpid(), signal.SIGKILL)"
    begin = f"import pathlib, subprocess, sys, measuring; measuring.start(pathlib.Path({str(tmp_path)!r}))\n"
    begin += f"subprocess.run([sys.executable, '-c', {kill!r}])"
    environment = {**os.environ, measuring.VARIABLE: str(tmp_path), "PYTHONPATH": str(ROOT / "tests")}
    subprocess.run([sys.executable, "-c", begin], env=environment, check=True)
    marks = (tmp_path / "marks" / "diorama.errors").read_bytes()
    assert 0 < sum(marks) < len(marks)


def test_too_little_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "src" / measuring.PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("a = 1\nb = 2\n")
    monkeypatch.setattr(measuring, "SOURCE", tmp_path / "src")
    (tmp_path / "marks").mkdir()
    assert measuring.report(tmp_path) == 1
    assert "0.00 % of the package: less than 90 %" in capsys.readouterr().out
    (tmp_path / "marks" / measuring.PACKAGE).write_bytes(b"\1\1")
    assert measuring.report(tmp_path) == 0


def test_ci_measures() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert f"{measuring.VARIABLE}=" in script
    assert "tests/measuring.py" in script
