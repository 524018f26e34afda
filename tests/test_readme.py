"""The README can't drift: its commands, labels, links, figures and tables are those of the code."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from diorama import errors
from diorama.settings import Settings
from diorama.types import ASSUMED_FOV_DEGREES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
    "docs/conventions.md",
    "docs/models.md",
]

SECTIONS = [
    "Dependencies",
    "Project Setup and Execution",
    "Web Interface Usage",
    "Step 1: Upload",
    "Step 2: Original 3D",
    "Step 3: AI-enhanced 3D",
    "Step 4: Final 3D",
    "Example Results",
    "Technical Details",
    "Depth estimation",
    "Depth to point cloud",
    "Point cloud to mesh",
    "AI-based enhancements",
]


def _blocks(language: str) -> list[str]:
    return [match[1] for match in re.finditer(rf"```{language}\n(.*?)```", README, re.DOTALL)]


def _section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


ONE_LINERS = [line for block in _blocks("sh") for line in block.splitlines() if line.startswith("python3 -m venv")]
RUN, TEST = ONE_LINERS[:2]


def test_the_sections_stand_in_their_order() -> None:
    headings = re.findall(r"^##+ (.*)$", README, re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == SECTIONS


def test_the_two_commands_stand_on_the_first_screen() -> None:
    first = README.split("\n## ")[0]
    assert RUN in first
    assert TEST in first
    assert "python3-venv" in first
    assert len(first.splitlines()) <= 45
    assert RUN.endswith("pip install -r requirements.txt && .venv/bin/python main.py")
    assert TEST.endswith("pip install -r requirements-dev.txt && .venv/bin/python -m pytest")


@pytest.mark.parametrize("line", [RUN, TEST])
def test_the_commands_are_sound(line: str) -> None:
    if bash := shutil.which("bash"):
        subprocess.run([bash, "-n", "-c", line], check=True)
    for word in shlex.split(line):
        if re.fullmatch(r"[\w-]+\.(txt|py)", word):
            assert (ROOT / word).is_file(), word


def test_windows_has_the_same_two_commands() -> None:
    for line in (RUN, TEST):
        there = line.replace("python3 -m", "py -m").replace(".venv/bin/", ".venv\\Scripts\\")
        assert there in README


def test_ci_runs_the_command_that_the_readme_gives() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -m 1 '(.*)' README.md", script)
    assert pattern
    assert re.search(pattern[1], README, re.MULTILINE)
    assert next(line for line in README.splitlines() if re.match(pattern[1], line)) == TEST


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text)
    for link in links:
        assert "://" in link or ((ROOT / name).parent / link).exists(), link
    anchors = {
        re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


@pytest.mark.parametrize("number", range(1, 5))
def test_example_pictures_are_small_pngs_or_said_to_be_missing(number: int) -> None:
    path = ROOT / "static" / "img" / f"etape_{number}.png"
    if path.exists():
        assert f"({path.relative_to(ROOT).as_posix()})" in _section("Example Results")
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size <= 600_000
    else:
        assert f"`{path.name}`" in _section("Example Results")


def test_labels_are_the_pages_own() -> None:
    scripts = (ROOT / "src/diorama/server/static/js").glob("strings*.js")
    strings = "".join(path.read_text(encoding="utf-8") for path in scripts)
    # `display "…"` would be prose; every straight-quoted phrase in this section is something to press.
    labels = re.findall(r'"([^"]+)"', _section("Web Interface Usage").replace("\n", " "))
    assert {"Choose File", "Upload and Process", "Validate and Proceed"} <= set(labels)
    for label in labels:
        assert f'"{label}"' in strings, label


def test_the_library_example_compiles() -> None:
    for block in _blocks("python"):
        compile(block, "README.md", "exec")


def test_the_commands_options_exist() -> None:
    import typer

    from diorama.cli import app

    command = typer.main.get_command(app)
    lines = [line for block in _blocks("sh") for line in block.splitlines() if line.startswith("diorama ")]
    assert len(lines) > 5
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        chosen = command
        while words and hasattr(chosen, "commands"):
            chosen = chosen.commands[words.pop(0)]
        known = {name for parameter in chosen.params for name in parameter.opts}
        given = {word for word in words if re.match(r"--?[a-z]", word)}
        assert given <= known, line


def test_the_table_of_outputs_is_what_can_be_written() -> None:
    from diorama.export import FORMATS

    rows = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `.")]
    assert set(re.findall(r"`(\.[a-z0-9.]+)`", " ".join(rows))) == set(FORMATS)


def test_the_exit_codes_are_the_commands() -> None:
    from diorama.cli.group import EXIT_CODES

    table = re.search(r"\| exit code \|.*?\n\n", README, re.DOTALL)
    assert table
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table[0], re.MULTILINE)] == list(EXIT_CODES)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DioramaError)]
    assert {kind.exit_code for kind in kinds} <= set(EXIT_CODES)


def test_main_takes_the_options_of_serve() -> None:
    answer = subprocess.run([sys.executable, "main.py", "--port", "a"], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 2
    assert "--port" in answer.stderr


def test_the_requests_are_those_of_the_server(tmp_path: Path) -> None:
    from diorama.server import create_app

    paths = create_app(tmp_path).openapi()["paths"]
    known = {
        (method.upper(), re.sub(r"{\w+(:path)?}", "{}", path)) for path, methods in paths.items() for method in methods
    }
    requests = re.findall(r"`(GET|POST|DELETE) (/[^`]*)`", _section("The HTTP API"))
    assert len(requests) > 7
    assert {(method, re.sub(r"{\w+}", "{}", path)) for method, path in requests} <= known


def test_figures_are_the_codes_own() -> None:
    from diorama import photo, weights

    settings = Settings()
    text = " ".join(README.split())
    assert f"{settings.processing_size} px on the long side" in text
    assert f"up to {settings.texture_size} px" in text
    assert f"({settings.triangles:,} unless set otherwise)" in text
    assert f"{ASSUMED_FOV_DEGREES:g} degrees over the long side" in text
    assert settings.depth_range == 4  # "four times as far away"
    assert f"up to {photo.MAX_BYTES >> 20} MB and {photo.MAX_PIXELS / 1e6:g} megapixels" in text
    assert f"({weights.CATALOGUE['midas-v21-small'].bytes / 1e6:.0f} MB)" in text
    bundled = sum(path.stat().st_size for path in (ROOT / "src/diorama/weights").glob("*.onnx"))
    assert f"({bundled / 1e6:.1f} MB)" in text


def test_the_changelog_knows_this_version() -> None:
    from diorama import __version__

    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[(Unreleased|{re.escape(__version__)})\]", changelog, re.MULTILINE)
