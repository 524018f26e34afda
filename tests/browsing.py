"""What the browser tests share: the app as a process of its own, a Chromium, and a page that is watched."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

import tools

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

START_SECONDS = 60
READY = '.viewer[data-ready="true"]'
READY_MS = 180_000
MARGIN = 6

_SERVE = "import sys; from pathlib import Path; from diorama.server import serve; serve(port=0, data=Path(sys.argv[1]))"


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """The address of the real app, run as a process of its own on a free port."""
    environment = {**os.environ, "DIORAMA_OFFLINE": "1", "DIORAMA_CACHE": str(data / "cache"), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(data)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    known = threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:  # to its end: a full pipe would stop the server
            said.append(line)
            if "http://" in line:
                known.set()
        known.set()

    threading.Thread(target=listen, daemon=True).start()
    try:
        known.wait(START_SECONDS)
        address = re.search(r"http://127\.0\.0\.1:\d+", "".join(said))
        assert address, f"the app did not start: {''.join(said)}"
        yield address.group()
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium with software WebGL that can look up no other address than this machine's."""
    path = tools.need("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=tools.CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Watch:
    """What a page asked for and complained about."""

    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)  # parts of console errors that the test provokes

    def check(self) -> None:
        """Nothing left this machine, and nothing went wrong: violations of the policy are console errors, too."""
        assert self.hosts <= {"127.0.0.1"}, f"asked other hosts: {self.hosts}"
        bad = [text for text in self.complaints if not any(part in text for part in self.allowed)]
        assert not bad, "\n".join(bad)


@contextmanager
def watched(browser: Browser, address: str, **options: Any) -> Iterator[tuple[Page, Watch]]:
    """A page in a context of its own; leaving the block checks what it asked for and complained about."""
    watch = Watch()
    options = {"viewport": {"width": 1100, "height": 760}, "reduced_motion": "reduce", **options}
    context = browser.new_context(base_url=address, **options)
    context.on("request", lambda request: _host(request.url, watch))
    page = context.new_page()
    page.on("filechooser", lambda _: None)  # from the start: a key is faster than the browser's being told
    page.on("console", lambda message: watch.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: watch.complaints.append(str(error)))
    try:
        yield page, watch
        watch.check()
    finally:
        context.close()


def _host(url: str, watch: Watch) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("blob", "data"):
        watch.hosts.add(parts.hostname or "")


def upload(page: Page, path: Path) -> None:
    """The way of a person: Choose File, Upload and Process."""
    page.goto("/")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose File").click()
    chooser.value.set_files(path)
    page.get_by_role("button", name="Upload and Process").click()


def wait_for_scene(page: Page) -> None:
    page.locator(READY).wait_for(timeout=READY_MS)


def show(page: Page, mode: str) -> np.ndarray[Any, Any]:
    """Press the mode's button; the canvas once it shows it."""
    page.get_by_role("button", name=mode, exact=True).click()
    page.locator(f'{READY}[data-mode="{mode.lower()}"]').wait_for(timeout=READY_MS)
    return canvas(page)


def canvas(page: Page) -> np.ndarray[Any, Any]:
    """(H, W, 3) uint8: what the canvas alone shows, without its outermost pixels, where a ring shows the focus."""
    page.evaluate(
        "for (const part of document.querySelectorAll("
        "'.viewer-hint, .viewer-tools, .viewer-modes, .viewer-backdrop, .viewer-poster, .viewer-status'))"
        " part.style.visibility = 'hidden'"
    )
    seen = picture(page.locator(".viewer-canvas"))
    page.evaluate("for (const part of document.querySelectorAll('.viewer-modes')) part.style.visibility = 'visible'")
    return seen[MARGIN:-MARGIN, MARGIN:-MARGIN]


def picture(locator: Locator) -> np.ndarray[Any, Any]:
    """(H, W, 3) uint8: a screenshot."""
    with Image.open(io.BytesIO(locator.screenshot())) as image:
        return np.asarray(image.convert("RGB"))


def difference(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float:
    """Mean absolute difference, 0..255."""
    return float(np.abs(first.astype(np.float32) - second).mean())


def psnr(seen: np.ndarray[Any, Any], photo: Path) -> float:
    """Decibels, between what the canvas shows and the photo."""
    height, width = seen.shape[0] + 2 * MARGIN, seen.shape[1] + 2 * MARGIN
    with Image.open(photo) as image:
        wanted = np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
    error = seen.astype(np.float32) - wanted[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def colours(seen: np.ndarray[Any, Any]) -> int:
    """How many different ones."""
    return len(np.unique(seen.reshape(-1, 3), axis=0))


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
