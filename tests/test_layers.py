"""The house rules that no linter knows: imports go one direction, light stays light, files stay short.

Every import of `diorama` inside the package counts, those inside functions too.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "diorama"

FOUNDATION = [
    "errors",
    "logs",
    "atomic",
    "settings",
    "arrays",
    "png",
    "measures",
    "camera",
    "segments",
    "corrections",
    "advice",
    "types",
    "identity",
    "products",
    "download",
    "weights",
    "memory",
    "networks",
    "smoothing",
    "cuts",
]
"""What every stage may import; each may import those before it. Depth cuts are shared by mesh, segments and layers."""

STAGES = 1
ABOVE = {
    **{"optimize": 2, "original": 3, "enhanced": 3, "final": 3, "export": 3, "pipeline": 4},
    **{"jobs": 5, "server": 6, "doctor": 6, "batch": 6, "cli": 7, "__main__": 8, "__init__": 8},
}
"""What may import everything of a lower number. What is named nowhere is a stage: it imports the foundation alone."""

FAMILIES = {
    **dict.fromkeys(
        [
            "boxes",
            "colour",
            "decoder",
            "decoding",
            "embedded",
            "exif",
            "heif",
            "hevc",
            "jxl",
            "lens",
            "photo",
            "projection",
            "xmp",
        ],
        "photo",
    ),
    **dict.fromkeys(
        ["atlas", "corners", "frame_lines", "layered", "layers", "mesh", "rims", "silhouettes", "synthesis"], "mesh"
    ),
    **dict.fromkeys(["render", "raster", "film", "stereo"], "view"),
    **dict.fromkeys(["records", "stage_files", "bundle", "checkpoints"], "files"),
}
"""Modules that make up one stage between them, too long for one file."""

FRONT_DOOR = {("types", "export"), ("types", "bundle")}
"""`Scene.save` and `Scene.load`, which import inside the method: a scene that can't be saved is no use."""

HEAVY = {
    *("cv2", "onnxruntime", "numba", "skimage", "scipy", "PIL", "tifffile", "fast_simplification"),
    *("fastapi", "uvicorn", "sqlalchemy", "httpx", "openai", "typer", "rich"),
}

MAX_LINES = 400

FILES = sorted(PACKAGE.rglob("*.py"))


def _unit(path: Path) -> str:
    """The module or package directly under `diorama` that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


UNITS = {_unit(path) for path in FILES}


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    """The module that a ``from`` names, with the leading dots worked out."""
    if not node.level:
        return node.module or ""
    package = ("diorama", *path.relative_to(PACKAGE).parent.parts)
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and unit of each import of the package; ``__init__`` for a name of the package itself."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, path)
            names = [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"import_module", "find_spec"}:
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        for name in names:
            parts = name.split(".")
            if parts[0] == "diorama" and parts[1:] != ["__version__"]:
                yield node.lineno, parts[1] if len(parts) > 1 and parts[1] in UNITS else "__init__"


def _may_import(unit: str, other: str) -> bool:
    if FAMILIES.get(unit, unit) == FAMILIES.get(other, other) or (unit, other) in FRONT_DOOR:
        return True
    if unit in FOUNDATION:
        return other in FOUNDATION[: FOUNDATION.index(unit)]
    return _rank(other) < _rank(unit)


def _rank(unit: str) -> int:
    return 0 if unit in FOUNDATION else ABOVE.get(unit, STAGES)


def test_imports_go_one_direction() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {_unit(path)} imports {other}"
        for path in FILES
        for line, other in _imported(path)
        if not _may_import(_unit(path), other)
    ]
    assert not wrong, "\n".join(
        [*wrong, "What two stages need belongs into the foundation: a record, or a property of one."]
    )


@pytest.mark.parametrize(
    ("unit", "other", "allowed"),
    [
        ("points", "types", True),
        ("points", "depth", False),
        ("depth", "weights", True),
        ("errors", "settings", False),
        ("pipeline", "depth", True),
        ("pipeline", "jobs", False),
        ("server", "jobs", True),
        ("server", "cli", False),
        ("export", "bundle", True),
        ("export", "render", True),
        ("optimize", "export", False),
        ("types", "mesh", False),
        ("render", "__init__", False),
    ],
)
def test_the_rule_itself(unit: str, other: str, allowed: bool) -> None:
    assert _may_import(unit, other) is allowed


def test_the_front_door_opens_late() -> None:
    tree = ast.parse((PACKAGE / "types.py").read_text(encoding="utf-8"))
    early = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not early & {other for _, other in FRONT_DOOR}


@pytest.mark.parametrize(
    "module", ["diorama", "diorama.types", "diorama.errors", "diorama.products", "diorama.pipeline"]
)
def test_nothing_heavy_is_imported_early(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_the_command_imports_stages_only_when_they_run() -> None:
    code = "import sys, diorama.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not (HEAVY - {"typer", "rich"}) & set(loaded)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_files_stay_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{lines} lines: split the file by what it does"


def _texts() -> list[Path]:
    """Everything that a clone holds and a person wrote."""
    git = shutil.which("git")
    listing = [str(git), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True) if git else None
    if listed and listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:  # a source archive
        folders = ["src", "tests", "benchmarks", "docs"]
        paths = [*ROOT.glob("*.*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    endings = {"", ".py", ".md", ".toml", ".txt", ".js", ".mjs", ".css", ".html", ".json", ".yml", ".svg"}
    return [path for path in paths if path.is_file() and path.suffix in endings]


def test_nothing_names_the_machine_it_was_written_on() -> None:
    places = re.compile(r"(?<![\w.)}\-])/(?:work|root|home/\w+)/|\.\./" + "shared")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in _texts()
        for match in places.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found
