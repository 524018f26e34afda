"""Make the README's example pictures, `static/img/etape_1.png` and on, from the running page.

    python benchmarks/examples.py [--photo PHOTO] [--folder FOLDER]

Starts the web app with an empty data folder, drives it with Chromium as a person would, and takes a screenshot of each
step. The photo is scikit-image's "coffee" (CC0) unless another one is named. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

ROOT = Path(__file__).parents[1]

SIZE = {"width": 1440, "height": 900}

MAX_BYTES = 600_000
"""Of one picture: a README should load at once."""

CHROMIUM = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]


@contextmanager
def running_app(data: Path) -> Iterator[str]:
    """The address of the web app on a free port."""
    environment = {**os.environ, "DIORAMA_DATA": str(data), "DIORAMA_OFFLINE": "1"}
    command = [sys.executable, "-u", str(ROOT / "main.py"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout is not None
            for line in server.stdout:
                if found := re.search(r"http://[\w.:]+", line):
                    yield found[0]
                    return
            sys.exit("The web app did not start.")
        finally:
            server.terminate()


def upload(page: Page, address: str, photo: Path, target: Path) -> None:
    """Step 1: the photo is chosen."""
    page.goto(address)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose File").click()
    chooser.value.set_files(photo)
    page.locator(".uploader[data-state=chosen]").wait_for()
    page.wait_for_load_state("networkidle")
    save(page.screenshot(), target)


def original(page: Page, target: Path) -> None:
    """Step 2: the scene, seen a little from the side."""
    page.get_by_role("button", name="Upload and Process").click()
    page.locator("[data-panel=original]").wait_for(timeout=120_000)
    viewer = page.locator(".viewer[data-ready=true]")
    viewer.wait_for(timeout=60_000)
    surface = viewer.locator(".viewer-surface")
    surface.press("ArrowUp")
    for _ in range(3):
        surface.press("ArrowRight")
    surface.blur()
    page.wait_for_timeout(1500)  # the view glides to a stop
    compare = page.locator(".compare-section")
    compare.scroll_into_view_if_needed()  # its pictures may be waiting to be seen
    save_down_to(page, compare, target)


def enhanced(page: Page, target: Path) -> None:
    """Step 3: the enhanced scene, seen from the end of the allowed travel, and the things in the photo."""
    page.get_by_role("button", name="Validate and Proceed").click()
    viewer = page.locator(".enhanced .viewer[data-ready=true]")
    viewer.wait_for(timeout=180_000)
    segments = page.locator(".segments[data-state=ready]")
    segments.wait_for()
    surface = viewer.locator(".viewer-surface")
    for _ in range(2):
        surface.press("ArrowRight")
    surface.blur()
    segments.locator(".segment").last.hover()
    page.wait_for_timeout(1500)  # the view glides to a stop
    compare = page.locator(".compare-section")
    compare.scroll_into_view_if_needed()
    save_down_to(page, compare, target)


def final(page: Page, target: Path) -> None:
    """Step 4: the final scene, and what was suggested and applied."""
    page.get_by_role("button", name="Validate and Proceed").click()
    viewer = page.locator(".final .viewer[data-ready=true]")
    viewer.wait_for(timeout=180_000)
    surface = viewer.locator(".viewer-surface")
    for _ in range(2):
        surface.press("ArrowLeft")
    surface.blur()
    page.wait_for_timeout(1500)  # the view glides to a stop
    for picture in page.locator(".four-steps img").all():
        picture.scroll_into_view_if_needed()
    save_down_to(page, page.locator(".compare-section", has=page.locator(".four-steps")), target)


def save_down_to(page: Page, last: Locator, target: Path) -> None:
    """Write the page from its top to the end of `last`."""
    page.wait_for_load_state("networkidle")
    page.evaluate("scrollTo(0, 0)")
    box = last.bounding_box()
    assert box is not None
    end = box["y"] + box["height"] + 24
    save(page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": SIZE["width"], "height": end}), target)


def save(screenshot: bytes, target: Path) -> None:
    """Write a palette PNG of at most `MAX_BYTES`, with as many colours as fit, and smaller where no number does."""
    with Image.open(io.BytesIO(screenshot)) as opened:
        whole = opened.convert("RGB")
    for colours, share in ((256, 1.0), (160, 1.0), (96, 1.0), (64, 1.0), (160, 0.8), (96, 0.8), (64, 0.8)):
        size = round(whole.width * share), round(whole.height * share)
        picture = whole if share == 1 else whole.resize(size, Image.Resampling.LANCZOS)
        encoded = io.BytesIO()
        # Dithering needs a palette that is known beforehand.
        palette = picture.quantize(colours, Image.Quantize.MEDIANCUT, kmeans=2)
        dithered = picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        dithered.save(encoded, "PNG", optimize=True)
        if encoded.tell() <= MAX_BYTES:
            break
    target.write_bytes(encoded.getvalue())
    print(f"{target}: {picture.width}x{picture.height}, {colours} colours, {encoded.tell() / 1000:.0f} kB")


def _coffee() -> Path:
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        sys.exit("scikit-image is not installed: name a photo with --photo.")
    return Path(spec.origin).parent / "data" / "coffee.png"


def main() -> int:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description="Make the README's example pictures.")
    parser.add_argument("--photo", type=Path, default=None)
    parser.add_argument("--folder", type=Path, default=ROOT / "static" / "img")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("DIORAMA_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as data, running_app(Path(data)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        page = browser.new_page(viewport=SIZE, reduced_motion="reduce", color_scheme="light")  # type: ignore[arg-type]
        upload(page, address, options.photo or _coffee(), options.folder / "etape_1.png")
        original(page, options.folder / "etape_2.png")
        enhanced(page, options.folder / "etape_3.png")
        final(page, options.folder / "etape_4.png")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
