"""What `diorama doctor` finds: a sound installation, and each thing that can be broken or missing."""

from __future__ import annotations

import http.server
import json
import socket
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from diorama import doctor, machine, networks, weights
from diorama.cli import app
from diorama.doctor import Finding
from diorama.errors import ModelError

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def found(port: int | None = None) -> dict[str, Finding]:
    return {one.name: one for one in doctor.examine(port or free_port()).findings}


def test_a_sound_installation_has_nothing_broken() -> None:
    report = doctor.examine(free_port())
    assert report.broken == ()
    names = [one.name for one in report.findings]
    assert len(names) == len(set(names))
    wanted = {"python", "packages", "networks", "bundled network", "depth models", "cache", "data", "memory", "cores"}
    assert wanted | {"page", "browser", "port", "photo formats", "extra jxl", "extra hub"} <= set(names)
    for one in report.findings:
        assert one.detail
        assert (one.state == "ok") or one.hint, one
    json.dumps([one.values for one in report.findings], allow_nan=False)


def test_every_dependency_and_extra_is_looked_at() -> None:
    def bare(requirement: str) -> str:
        return requirement.split(";")[0].split(">")[0].split("[")[0].strip()

    assert {bare(one) for one in PROJECT["dependencies"]} == set(doctor.MODULES)
    extras = {name for name in PROJECT["optional-dependencies"] if not name.startswith("dev")}
    assert extras == set(doctor.EXTRAS)
    assert PROJECT["name"] == doctor.DISTRIBUTION


def test_a_package_that_can_not_be_imported_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fast_simplification", None)
    one = found()["fast-simplification"]
    assert one.state == "broken"
    assert "pip install" in one.hint
    assert "packages" not in found()


def test_a_missing_extra_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.EXTRAS, "jxl", ("no_such_module_here", "photos as JPEG XL"))
    one = found()["extra jxl"]
    assert (one.state, one.hint) == ("hint", "For photos as JPEG XL: pip install 'diorama-3d[jxl]'.")


def test_a_provider_that_is_not_there_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIORAMA_PROVIDER", "abacus")
    one = found()["networks"]
    assert one.state == "broken"
    assert "abacus" in one.detail


def test_a_bundled_network_that_fails_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ModelError("The network fell over.", hint="Reinstall Diorama.")

    monkeypatch.setattr(networks, "run", fail)
    assert found()["bundled network"] == Finding(
        "bundled network", "broken", "The network fell over.", "Reinstall Diorama."
    )


def test_weights_that_are_damaged_are_broken() -> None:
    name = next(iter(weights.CATALOGUE))
    file = weights.cache_folder() / "weights" / weights.CATALOGUE[name].file
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no weights")
    one = found()[f"weights {name}"]
    assert one.state == "broken"
    assert one.hint == f"diorama models pull {name}"
    assert found()["cache"].values["bytes"] == len(b"no weights")


def test_a_folder_that_can_not_be_written_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("DIORAMA_DATA", str(tmp_path / "file" / "data"))
    one = found()["data"]
    assert one.state == "broken"
    assert "DIORAMA_DATA" in one.hint
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_little_memory_room_and_cores_are_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory", lambda: (2 << 30, 1 << 30))
    monkeypatch.setattr(machine, "free_space", lambda _folder: 1 << 20)
    monkeypatch.setattr(machine, "cores", lambda: 1)
    all_found = found()
    for name in ("memory", "cache", "data", "cores"):
        assert all_found[name].state == "hint"
        assert all_found[name].hint


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        one = found(port)["port"]
    assert (one.state, one.values["free"], one.values["diorama"]) == ("hint", False, False)
    assert f"--port {port + 1}" in one.hint


@pytest.fixture
def running() -> Iterator[int]:
    class Healthy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"status": "ok", "version": "1", "workers": 1, "queued": 0}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_a_server_of_our_own_is_known(running: int) -> None:
    one = found(running)["port"]
    assert one.detail == f"Diorama is running at port {running}."
    assert one.values["diorama"]


def test_a_key_is_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    report = doctor.examine(free_port())
    assert "sk-secret" not in repr(report)
    assert {one.name: one for one in report.findings}["OpenAI"].values == {"key": True}


def test_without_a_key_all_that_wants_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    hint = found()["OpenAI"].hint
    assert "--advisor openai" in hint
    assert "--inpaint openai" in hint


def test_a_look_that_fails_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> object:
        raise RuntimeError("no idea")

    monkeypatch.setattr(machine, "memory", fail)
    all_found = found()
    assert all_found["machine"].state == "broken"
    assert "no idea" in all_found["machine"].detail
    assert "port" in all_found


def command(*options: str) -> Result:
    return CliRunner().invoke(app, ["doctor", "--port", str(free_port()), *options])


def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = command("--json")
    assert sound.exit_code == 0, sound.stderr
    assert json.loads(sound.stdout)["broken"] == []
    monkeypatch.setenv("DIORAMA_PROVIDER", "abacus")
    broken = command("--json")
    assert broken.exit_code == 7
    assert json.loads(broken.stdout)["broken"] == ["networks"]
    said = command()
    assert said.exit_code == 7
    assert "This is broken: networks." in said.stderr
    assert "abacus" in said.stdout


# ---- the machine's numbers -------------------------------------------------------------------------------------------


def test_memory_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  16000000 kB\nMemFree: 1 kB\nMemAvailable:  9000000 kB\nHugePages_Total: 0\n")
    monkeypatch.setattr(machine, "MEMINFO", meminfo)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    assert machine.memory() == (16_000_000 * 1024, 9_000_000 * 1024)
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.memory() == (16_000_000 * 1024, 9_000_000 * 1024)
    (tmp_path / "memory.max").write_text("2000000000\n")
    (tmp_path / "memory.current").write_text("500000000\n")
    assert machine.memory() == (2_000_000_000, 1_500_000_000)


def test_cores_of_a_container_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    everything = machine.cores()
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.cores() == everything
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert machine.cores() == 1


def test_room_is_known_for_folders_that_are_not_there_yet(tmp_path: Path) -> None:
    assert machine.free_space(tmp_path / "a" / "b") == pytest.approx(machine.free_space(tmp_path), rel=0.2)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "y").write_bytes(bytes(123))
    assert machine.folder_size(tmp_path) == 123
    assert machine.folder_size(tmp_path / "none") == 0
