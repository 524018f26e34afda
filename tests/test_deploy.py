"""What `deploy/` and `docs/deploy.md` name is what there is: variables, options, files."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from diorama.cli import app

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
TEXTS = [*sorted(path for path in DEPLOY.iterdir() if path.name != ".env"), ROOT / "docs" / "deploy.md"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


def serve_options() -> set[str]:
    command = get_command(app).get_command(None, "serve")  # type: ignore[attr-defined]
    return {name for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_variable_that_is_named_is_read(path: Path) -> None:
    named = set(re.findall(r"\bDIORAMA_[A-Z_]+", path.read_text(encoding="utf-8")))
    code = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py"))
    assert named <= set(re.findall(r"\bDIORAMA_[A-Z_]+", code))


def test_the_unit_starts_a_server_that_is_let_write_where_it_writes() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "diorama.service")
    program, command, *words = unit["Service"]["ExecStart"].split()
    assert program.endswith("/bin/diorama")
    assert command == "serve"
    assert {word for word in words if word.startswith("--")} <= serve_options()
    assert unit["Service"]["StateDirectory"] == "diorama"
    assert "DIORAMA_DATA=/var/lib/diorama" in (DEPLOY / "diorama.service").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX: systemd")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    unit = tmp_path / "diorama.service"
    text = (DEPLOY / "diorama.service").read_text()
    unit.write_text(text.replace("/opt/diorama/bin/diorama", sys.executable))  # a program that is there
    if verify is None:  # a bare machine: then at least every line is an assignment, a comment or a section's name
        assert all(re.fullmatch(r"(#.*|\[\w+\]|\w+=.*)?", line) for line in text.splitlines())
        return
    said = subprocess.run([verify, "verify", str(unit)], capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")


def test_the_compose_file_hangs_together(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"web", "scheduler", "worker", "database", "store", "bucket"}
    secrets = {line.partition("=")[0] for line in (DEPLOY / "example.env").read_text().splitlines() if line[:1] != "#"}
    assert set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text())) == secrets
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ()) if not volume.startswith("/")}
        assert volumes <= set(compose["volumes"])
    assert {word for word in services["web"]["command"] if word.startswith("--")} <= serve_options()
    environment = services["web"]["environment"]
    for host in ("@database/", "//store:", "//scheduler:"):
        assert any(host in value for value in environment.values())
    assert environment["DIORAMA_STORE"].partition("//")[2].startswith("diorama/")
    assert "'diorama'" in services["bucket"]["entrypoint"][-1]
    assert all("latest" not in service["image"] for service in services.values())


def test_the_image_has_what_the_services_run() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert "[cluster,video]" in text
    assert re.search(r"^USER diorama$", text, re.MULTILINE)
    assert 'ENTRYPOINT ["diorama"]' in text
    serve = re.search(r"^CMD \[(.*)\]$", text, re.MULTILINE)
    assert serve is not None
    assert {word for word in re.findall(r'"([^"]+)"', serve[1]) if word.startswith("--")} <= serve_options()
