"""SECURITY.md's table: its tests exist, and its defences are those that `benchmarks/defences.py` takes out."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

pytest.importorskip("resource")  # of Unix

from benchmarks import defences
from benchmarks.defences import Line

ROOT = Path(__file__).parents[1]
LINES = defences.lines()


def test_the_table_is_whole() -> None:
    assert len(LINES) >= 30
    assert [line.defence for line in LINES] == list(defences.REMOVALS)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.defence)
def test_a_defence_has_a_test_and_can_be_taken_out(line: Line, tmp_path: Path) -> None:
    file, _, name = line.test.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    source = ROOT / "src" / "diorama" / line.file
    copy = tmp_path / line.file
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, copy)
    defences.without(line, tmp_path)
    assert copy.read_text(encoding="utf-8") != source.read_text(encoding="utf-8")
    ast.parse(copy.read_text(encoding="utf-8"))
