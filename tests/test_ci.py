"""What `.ci/run` says of pip-audit: never a pass that was none."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

import conftest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def audit() -> Any:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def package(name: str, *holes: str, skipped: bool = False) -> dict[str, Any]:
    if skipped:
        return {"name": name, "skip_reason": "Dependency not found on PyPI and could not be audited"}
    return {"name": name, "version": "1", "vulns": [{"id": hole, "fix_versions": ["2"]} for hole in holes]}


def test_what_could_not_be_looked_up_is_no_pass(audit: Any) -> None:
    for packages in ([], [package("a", skipped=True)], [package("a"), *[package("b", skipped=True)] * 3]):
        assert "NOT RUN" in audit.verdict({"dependencies": packages})


def test_holes_are_listed(audit: Any) -> None:
    said = audit.verdict({"dependencies": [package("a", "CVE-1"), package("b"), package("c", skipped=True)]})
    assert "KNOWN HOLES in 2 packages (1 more" in said
    assert "a 1: CVE-1, mended in 2" in said
    assert "no known hole in 1 packages" in audit.verdict({"dependencies": [package("a")]})


def test_ci_asks(audit: Any) -> None:
    assert audit.SECONDS < 600
    assert ".venv/bin/python .ci/audit.py" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_house_rules_are_tried_first() -> None:
    """What was forgotten is said within the first minutes, and once more by the whole suite, before anything long."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    steps = re.findall(r'^step "([^"]+)"', script, re.MULTILINE)
    assert steps.index("House rules") < steps.index("Types, and training once and small")
    for name in conftest.HOUSE_RULES:
        assert f"tests/test_{name}.py" in script
    for name in [*conftest.HOUSE_RULES, *conftest.LONG]:
        assert (ROOT / "tests" / f"test_{name}.py").is_file(), name
