"""The documentation can't drift: every code block runs, every page is built, every error and setting is in it."""

from __future__ import annotations

import contextlib
import functools
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import accessibility
import browsing
import openai_server
import tools
from diorama import errors
from diorama.cli import app
from docs_blocks import LANGUAGES, ROOT, Block, Reader, blocks_of, kept_stages, pages

SIZE = (96, 64)
"""Of the photo that readers have here: a scene of it takes no time worth saving."""

NOT_RUN = 30
"""How many blocks may say that they can't run: what installs, downloads, or needs another program."""

PAGES = [page for page in pages() if any(block.language not in ("text",) for block in blocks_of(page))]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, photo_path: Callable[[str], Path]) -> Iterator[Path]:
    """A folder with what pages take for given: a photo, depth files, a scene."""
    import diorama

    folder = tmp_path_factory.mktemp("library")
    with Image.open(photo_path("coffee")) as photo:
        photo.convert("RGB").resize(SIZE).save(folder / "photo.jpg", quality=92)
    distance = np.linspace(5, 2, SIZE[1], dtype=np.float32)[:, None] * np.ones((1, SIZE[0]), np.float32)
    np.save(folder / "depth.npy", distance)
    Image.fromarray(np.uint16(20_000 / distance)).save(folder / "disparity.png")
    (folder / "notes.txt").write_text("no photo", encoding="utf-8")
    stroke = {"kind": "nearer", "points": [[0.4, 0.5], [0.5, 0.5]], "strength": 0.15}
    (folder / "strokes.json").write_text(json.dumps([stroke]), encoding="utf-8")
    with kept_stages(tmp_path_factory.mktemp("stages")):
        diorama.pipeline.make(folder / "photo.jpg").save(folder / "photo.diorama")
        yield folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with browsing.serving(tmp_path_factory.mktemp("data")) as address:
        yield address


@pytest.fixture(scope="module")
def openai() -> Iterator[str]:
    with openai_server.serving("good") as found:
        yield found.url


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_reader_can_do_what_the_page_says(
    page: Path, library: Path, server: str, openai: str, tmp_path: Path
) -> None:
    folder = tmp_path / "reader"
    shutil.copytree(library, folder)
    reader = Reader(folder, server, openai)
    for block in blocks_of(page):
        reader.follow(block)


def all_blocks() -> list[Block]:
    return [block for page in pages() for block in blocks_of(page)]


def test_every_block_says_its_language() -> None:
    for block in all_blocks():
        assert block.language in LANGUAGES, block.place


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    blocks = all_blocks()
    skipped = [block for block in blocks if "not run" in block.marks]
    assert all(len(block.marks["not run"].split()) > 1 for block in skipped)
    assert len(skipped) <= NOT_RUN, [block.place for block in skipped]
    runnable = [block for block in blocks if block.language in ("sh", "python", "js")]
    assert len(skipped) < len(runnable) / 2


# ---- the site --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site: any warning, such as a link that leads nowhere, fails."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(folder / "trees")]
    done = subprocess.run([*command, "docs", str(folder / "html")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


class _Parts(HTMLParser):
    """What a page loads, where it links to, and what can be linked to in it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given["id"]} if "id" in given else set()
        if tag == "a":
            self.links.append(given.get("href", ""))
        elif tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload"):
            self.loads.append(given.get("href", ""))
        else:
            self.loads += [given[name] for name in ("src", "data") if name in given]


@pytest.fixture(scope="module")
def built(site: Path) -> dict[Path, _Parts]:
    return {page: _Parts(page) for page in site.rglob("*.html")}


def test_the_site_asks_no_other_machine_for_anything(built: dict[Path, _Parts]) -> None:
    for page, parts in built.items():
        for address in parts.loads:
            assert not re.match(r"(https?:)?//", address), (page.name, address)
    styles = [path for page in list(built)[:1] for path in (page.parents[0] / "_static").rglob("*.css")]
    for style in styles:
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", style.read_text(encoding="utf-8")), style.name


def test_every_link_within_the_site_leads_somewhere(built: dict[Path, _Parts]) -> None:
    by_path = {os.path.normpath(page): parts for page, parts in built.items()}
    for page, parts in built.items():
        for link in set(parts.links):
            path, _, anchor = link.partition("#")
            if re.match(r"\w+:", path):
                continue
            target = os.path.normpath(page.parent / path if path else page)
            assert target in by_path or Path(target).exists(), (page.name, link)
            assert not anchor or target not in by_path or anchor in by_path[target].ids, (page.name, link)


EACH_KIND = (
    "index", "gallery", "films", "how-to/http-api", "reference/settings", "reference/errors", "models/depth-v2",
    "search",
)  # fmt: skip
"""Pages that have, together, every kind of thing that pages have."""


@pytest.mark.browser
@pytest.mark.needs("chromium")
def test_axe_finds_nothing_serious(site: Path) -> None:
    with browsing.chromium() as browser:
        for scheme, names in (("light", EACH_KIND), ("dark", EACH_KIND[2:4])):
            page = browser.new_page(color_scheme=scheme)
            for name in names:
                page.goto((site / f"{name}.html").as_uri())
                accessibility.check(page, f"{name}, {scheme}")


def test_code_scrolls_by_keys_and_pictures_have_words_on_every_page(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<pre>" not in text, page.name
        assert not [tag for tag in re.findall(r"<img[^>]*>", text) if "alt=" not in tag], page.name


def test_the_reference_is_whole(site: Path) -> None:
    from diorama import __all__ as public
    from diorama.settings import Settings

    def text(name: str) -> str:
        return (site / "reference" / f"{name}.html").read_text(encoding="utf-8")

    settings, python, http, command = text("settings"), text("python"), text("http"), text("command")
    for name in Settings.model_fields:
        assert f">{name}<" in settings, name
    for name in set(public) - {"__version__"}:
        assert f'id="diorama.{name}"' in python, name
    for path in ("/api/v1/jobs/{job_id}/segments/merge", "/healthz"):
        assert path in http
    for name in ("diorama make", "diorama models bundle", "diorama serve"):
        assert f">{name}<" in command, name
    for name in ("settings", "python", "http", "command", "errors", "file-formats"):
        assert "generated:" not in text(name), name


def test_troubleshooting_knows_every_error() -> None:
    page = (ROOT / "docs/how-to/troubleshooting.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^##+ (\w+)$", page, re.MULTILINE))
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DioramaError)]
    assert {kind.__name__ for kind in kinds} - {"DioramaError"} <= headings


def test_the_axes_of_other_programs_are_as_handed_as_the_page_says() -> None:
    page = (ROOT / "docs/conventions.md").read_text(encoding="utf-8").split("### In other programs")[1]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")][1:]
    named = dict(zip(("right", "down", "forward"), np.eye(3), strict=True))
    named |= {"up": -named["down"], "backward": -named["forward"]}
    assert {"OpenCV", "glTF", "Blender", "three.js", "Unity", "USD"} <= set(re.findall(r"[\w.]+", str(rows)))
    for program, *axes, hand, up, _looks, formula in rows:
        there = eval(formula, dict(zip("xyz", np.eye(3), strict=True)))
        matrix = np.array(there)
        assert np.array_equal(matrix, [named[axis] for axis in axes]), program
        assert {"right": 1, "left": -1}[hand] == round(np.linalg.det(matrix)), program
        sign, axis = up
        assert np.array_equal(there["xyz".index(axis)] * (1 if sign == "+" else -1), named["up"]), program


def test_the_gallerys_pictures_are_small_and_few() -> None:
    pictures = sorted((ROOT / "docs/img").iterdir())
    page = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    assert len(pictures) <= 12
    for path in pictures:
        assert path.suffix in (".webp", ".jpg"), path.name
        assert path.stat().st_size <= 300_000, path.name
        assert f"img/{path.name}" in page, path.name


# ---- the notebook, a web page ----------------------------------------------------------------------------------


def test_the_notebook_runs(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = json.loads((ROOT / "docs/notebooks/first_scene.ipynb").read_text(encoding="utf-8"))
    shutil.copy(library / "photo.jpg", tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 4
    for cell in cells:
        assert cell["outputs"] == [], "outputs are stripped"
        assert cell["execution_count"] is None
        exec(compile("".join(cell["source"]), str(cell["id"]), "exec"), names)
    assert (tmp_path / "photo.glb").is_file()
    assert (tmp_path / "photo.diorama").is_file()


LIKE_THE_PHOTO = 18
"""Decibels of a view from the photo's camera, with soft rims, resized, under a viewer's buttons."""

WITHOUT_BUTTONS = """() => {
  const { shadowRoot } = document.querySelector("diorama-view");
  for (const part of shadowRoot.querySelectorAll(".viewer-tools, .viewer-hint, .viewer-status")) part.remove();
}"""

HTML = [block for page in pages() for block in blocks_of(page) if block.language == "html"]


@pytest.mark.browser
@pytest.mark.parametrize("block", HTML, ids=lambda block: block.place)
def test_every_web_page_shows_the_scene(
    block: Block, library: Path, tmp_path: Path, need: Callable[[str], Path]
) -> None:
    """Pages as the documentation has them, beside what its commands write and the three.js that comes with Diorama."""
    from playwright.sync_api import sync_playwright

    with contextlib.chdir(library):
        done = CliRunner().invoke(app, ["share", "photo.diorama", "--embed", str(tmp_path)])
        assert done.exit_code == 0, done.output
        done = CliRunner().invoke(app, ["export", "photo.diorama", "-o", str(tmp_path / "photo.glb")])
        assert done.exit_code == 0, done.output
    shutil.copytree(ROOT / "src/diorama/server/static/vendor/three", tmp_path / "node_modules/three")
    start = "" if block.text.startswith("<!doctype") else "<!doctype html>"
    (tmp_path / "index.html").write_text(start + block.text, encoding="utf-8")
    with serving_folder(tmp_path) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=need("chromium"), args=tools.CHROMIUM_ARGUMENTS)
        tab = browser.new_page(viewport={"width": 480, "height": 320}, reduced_motion="reduce")
        faults: list[str] = []
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto(address, wait_until="networkidle")
        canvas = tab.locator("canvas").first
        canvas.wait_for(timeout=60_000)
        with Image.open(library / "photo.jpg") as opened:
            photo = opened.convert("RGB")
        deadline, decibels = time.monotonic() + 60, 0.0
        while decibels <= LIKE_THE_PHOTO and time.monotonic() < deadline:  # until the scene has come
            tab.wait_for_timeout(200)
            shot = Image.open(io.BytesIO(canvas.screenshot())).convert("RGB")
            wrong = np.asarray(shot).astype(float) - np.asarray(photo.resize(shot.size))
            decibels = float(10 * np.log10(255**2 / np.mean(wrong**2)))
        browser.close()
    assert not faults
    assert decibels > LIKE_THE_PHOTO


@contextmanager
def serving_folder(folder: Path) -> Iterator[str]:
    """The address of a static web server, as any web host is."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
