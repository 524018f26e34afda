"""Shared pages and the embedded element in a real Chromium: from the disk, with the network off."""

from __future__ import annotations

import functools
import html
import http.server
import io
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import accessibility
import browsing
from diorama.export import share
from diorama.types import Scene
from scenes import final_scene

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.needs("chromium")]

SHOWN = '.viewer[data-ready="true"][data-quality="full"]'
HIDE = """() => {
  const root = document.querySelector("diorama-view").shadowRoot;
  for (const part of root.querySelectorAll(
    ".viewer-hint, .viewer-said, .viewer-tools, .viewer-menu, .viewer-poster, .viewer-backdrop")) part.remove();
  document.querySelector("h1")?.remove();
}"""
WIDTH, HEIGHT = 480, 320


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def scene() -> Scene:
    return final_scene(48, 32, texture=10)


@pytest.fixture(scope="module")
def folder(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page in it is sent in two stages."""
    folder = tmp_path_factory.mktemp("shared")
    before, share.LOW_FROM = share.LOW_FROM, 0
    scene.save(folder / "page.html")
    share.LOW_FROM = before
    share.embed(scene, folder / "embed")
    return folder


def seen(page: Page) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(page.screenshot())) as image:
        return np.asarray(image.convert("RGB"))


def psnr(picture: np.ndarray[Any, Any], scene: Scene) -> float:
    error = picture[:HEIGHT].astype(float) - scene.photo.rgb
    return float(10 * math.log10(255**2 / np.mean(error**2)))


def open_page(browser: Browser, address: str, **options: Any) -> tuple[Page, browsing.Watch]:
    watch = browsing.Watch()
    options = {"viewport": {"width": WIDTH, "height": HEIGHT}, "reduced_motion": "reduce", **options}
    context = browser.new_context(**options)
    page = context.new_page()
    page.on("console", lambda message: watch.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: watch.complaints.append(str(error)))
    page.on("request", lambda request: browsing._host(request.url, watch))
    page.goto(address)
    return page, watch


def test_the_page_opens_from_the_disk_and_shows_the_scene(browser: Browser, folder: Path, scene: Scene) -> None:
    page, watch = open_page(browser, (folder / "page.html").as_uri(), offline=True)
    page.locator(SHOWN).wait_for(timeout=browsing.READY_MS)
    assert page.get_by_role("application", name="A box").count() == 1
    assert page.get_by_role("heading", level=1).inner_text() == "tiny"
    page.get_by_role("button", name="More ways to look").press("Enter")
    page.get_by_role("button", name="Keys", exact=True).press("Enter")
    assert page.get_by_role("dialog", name="Keys in the 3D view").get_by_text("look around").is_visible()
    accessibility.check(page, "a shared page's keys")
    page.keyboard.press("Escape")
    page.evaluate(HIDE)
    home = seen(page)
    assert psnr(home, scene) > 30
    surface = page.locator(".viewer-surface")
    for _ in range(8):
        surface.press("ArrowRight")
    page.wait_for_timeout(300)
    turned = seen(page)
    assert browsing.difference(turned[8:-8, 8:-8], home[8:-8, 8:-8]) > 1
    page.mouse.move(240, 160)
    page.mouse.down()
    page.mouse.move(400, 160, steps=3)
    page.mouse.up()
    page.wait_for_timeout(300)
    assert browsing.difference(seen(page), turned) > 1
    assert watch.hosts <= {""}
    assert not watch.complaints
    page.context.close()


HEADSET = """
Object.defineProperty(navigator, "xr", { value: {
  isSessionSupported: async (mode) => mode === "immersive-vr",
  requestSession: async () => { throw new DOMException("no headset", "NotFoundError"); },
} });
"""


def shaken(page: Page, beta: float, gamma: float) -> None:
    """The phone is held like that for a moment."""
    for _ in range(40):
        page.evaluate(
            "([beta, gamma]) => dispatchEvent(new DeviceOrientationEvent('deviceorientation', { beta, gamma }))",
            [beta, gamma],
        )
        page.wait_for_timeout(16)
    page.wait_for_timeout(200)


def most_changed(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> int:
    """The largest difference, 0..255: blur changes few pixels of a scene this plain."""
    return int(np.abs(first.astype(np.int16) - second).max())


def test_every_way_to_look(browser: Browser, folder: Path, scene: Scene) -> None:
    """Each tool of the menu changes the picture as it should, and "Reset" takes all of it back."""
    context = browser.new_context(
        viewport={"width": 640, "height": 520},
        reduced_motion="reduce",
        offline=True,
        has_touch=True,
        accept_downloads=True,
    )
    context.add_init_script(HEADSET)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((folder / "page.html").as_uri())
    page.locator(SHOWN).wait_for(timeout=browsing.READY_MS)
    canvas = page.locator(".viewer-canvas")

    def picture() -> np.ndarray[Any, Any]:
        page.wait_for_timeout(400)
        with page.expect_download() as saved:
            surface.press("s")
        assert saved.value.suggested_filename == "tiny-view.png"
        with Image.open(saved.value.path()) as image:
            return np.asarray(image.convert("RGB"))

    surface = page.locator(".viewer-surface")
    surface.focus()
    home = picture()
    camera = scene.camera
    height = home.shape[0]
    assert home.shape[1] == 640
    assert abs(height - 640 * camera.height / camera.width) <= 2, "a final scene is seen through the photo's frame"
    page.get_by_role("button", name="More ways to look").click()
    accessibility.check(page, "the shared page with its menu open")

    blur = page.get_by_role("slider", name="Depth of field")
    blur.fill("100")
    page.get_by_text("Click a place to focus on it").wait_for()
    page.wait_for_timeout(1500)
    blurred = picture()
    assert most_changed(blurred, home) > 20, "edges far from what is in focus are soft"
    blur.fill("0")
    assert most_changed(picture(), home) < 4

    page.get_by_role("slider", name="Take apart").fill("60")
    apart = picture()
    assert apart.shape[:2] == (520, 640), "what is taken apart may leave the frame"
    assert browsing.difference(apart[(520 - height) // 2 :][:height], home) > 5
    surface.press("r")
    assert browsing.difference(picture(), home) < 0.2
    assert page.get_by_role("slider", name="Take apart").input_value() == "0"

    tilt = page.get_by_role("button", name="Tilt the phone")
    tilt.click()
    assert tilt.get_attribute("aria-pressed") == "true"
    shaken(page, 40, 0)
    shaken(page, 40, 15)
    assert browsing.difference(picture(), home) > 0.5
    tilt.click()
    page.wait_for_timeout(1200)
    assert browsing.difference(picture(), home) < 0.5

    page.get_by_role("button", name="Look in VR").click()
    page.locator(".viewer-said", has_text="headset could not be started").wait_for()
    assert page.get_by_role("button", name="(AR)").count() == 0

    page.get_by_role("button", name="Names of the things").click()
    surface.press("Escape")
    box = canvas.bounding_box()
    assert box
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.move(middle[0] + 2, middle[1])
    page.locator(".viewer-name", has_text="Box").wait_for()

    surface.press("m")
    page.locator(".viewer-said", has_text="Click the first place").wait_for()
    page.mouse.click(*middle)
    page.locator(".viewer-said", has_text="Click the second place").wait_for()
    page.mouse.click(middle[0] + 30, middle[1])
    label = page.locator(".viewer-distance")
    label.wait_for()
    assert "relative" in label.inner_text()
    # The box stands at 1 / 0.9: so many pixels of a fitted photo are so many units there.
    scale = max(camera.width / 640, camera.height / 520)
    assert float(label.get_attribute("data-length") or 0) == pytest.approx(30 * scale / camera.fx / 0.9, rel=0.1)
    assert not complaints
    context.close()


@pytest.fixture
def site(folder: Path) -> Iterator[str]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(folder / "embed"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("served", [True, False])
def test_the_element_shows_the_scene_in_a_bare_page(
    browser: Browser, folder: Path, scene: Scene, site: str, served: bool
) -> None:
    address = site if served else (folder / "embed" / "index.html").as_uri()
    page, watch = open_page(browser, address, offline=not served, viewport={"width": WIDTH + 16, "height": HEIGHT + 16})
    page.locator(SHOWN).wait_for(timeout=browsing.READY_MS)
    page.evaluate(HIDE)
    assert psnr(seen(page)[8:-8, 8:-8], scene) > 28
    assert watch.hosts <= {"127.0.0.1", ""}
    bad = [text for text in watch.complaints if "404" not in text]  # the site's icon
    assert not bad
    page.context.close()


def test_without_webgl_or_script_there_is_the_picture(browser: Browser, folder: Path) -> None:
    page, _ = open_page(browser, (folder / "page.html").as_uri(), java_script_enabled=False)
    assert page.get_by_role("img", name="A box").is_visible()
    page.context.close()
    context = browser.new_context()
    context.add_init_script(
        "HTMLCanvasElement.prototype.getContext = () => null;"  # as where it is switched off
    )
    page = context.new_page()
    page.goto((folder / "page.html").as_uri())
    page.get_by_text("can't show 3D").wait_for()
    accessibility.check(page, "a shared page without WebGL")
    assert (
        page.get_by_role("img", name="A box").evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    )
    context.close()


def test_a_notebook_s_frame_shows_the_scene(browser: Browser, scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><body style='margin:0'>{scene._repr_html_()}", encoding="utf-8")
    page, watch = open_page(browser, path.as_uri(), offline=True)
    page.frame_locator("iframe").locator(SHOWN).wait_for(timeout=browsing.READY_MS)
    assert page.locator("iframe").get_attribute("title") == html.unescape("tiny")
    assert not watch.complaints
    page.context.close()
