"""Files on demand in the page: a format is chosen, made, downloaded, there again after a reload, and removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import accessibility
import browsing
from browsing import watched
from workplace import QUICK, quick_photo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

pytestmark = [pytest.mark.browser, pytest.mark.needs("chromium")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as browser:
        yield browser


def test_a_format_is_chosen_made_downloaded_and_removed(browser: Browser, tmp_path: Path) -> None:
    with browsing.serving(tmp_path) as address, watched(browser, address) as (page, watch):
        query = f"/api/v1/jobs?name=cup.png&settings={json.dumps(QUICK)}"
        job = page.request.post(query, data=quick_photo(), headers={"Content-Type": "image/png"}).json()["id"]
        page.goto(f"/jobs/{job}")
        panel = page.get_by_role("form", name="Export")
        panel.locator("select").first.wait_for(timeout=browsing.READY_MS)
        formats = panel.get_by_label("Format")
        formats.select_option("coco.json")
        assert "needs what AI-enhanced 3D makes" in panel.inner_text()
        make = panel.get_by_role("button", name="Make")
        assert make.is_disabled()
        formats.select_option("pfm")
        formats.select_option("glb")  # a number without a slider, empty by itself
        at_most = panel.get_by_role("spinbutton", name="At most")
        assert at_most.input_value() == ""
        assert panel.get_by_role("slider", name="At most").count() == 0
        formats.select_option("pfm")
        make.click()
        made = panel.locator('li[data-product="pfm"][data-state="done"]')
        made.wait_for(timeout=browsing.READY_MS)
        with page.expect_download() as download:
            made.get_by_role("link").click()
        assert download.value.suggested_filename == "cup.pfm"
        assert Path(download.value.path()).read_bytes().startswith(b"Pf")

        panel.get_by_role("button", name="Share as one page").click()
        shared = panel.locator('li[data-product="html"][data-state="done"]')
        shared.wait_for(timeout=browsing.READY_MS)
        assert shared.get_by_role("link").get_attribute("download") == "cup.html"

        page.reload()
        made.wait_for(timeout=browsing.READY_MS)
        shared.get_by_role("button", name="Remove").click()
        made.get_by_role("button", name="Remove").click()
        made.wait_for(state="detached")
        assert page.request.get(f"/api/v1/jobs/{job}/products").json()["made"] == []
        assert not browsing.scrolls_sideways(page)
        watch.check()


def test_a_film_is_made_and_plays_in_its_place(browser: Browser, tmp_path: Path) -> None:
    with browsing.serving(tmp_path) as address, watched(browser, address) as (page, watch):
        settings = json.dumps({**QUICK, "inpaint": "bundled", "advisor": "off"})
        query = f"/api/v1/jobs?name=cup.png&settings={settings}"
        job = page.request.post(query, data=quick_photo(), headers={"Content-Type": "image/png"}).json()["id"]

        def results() -> dict[str, object]:
            for _ in range(600):
                found = page.request.get(f"/api/v1/jobs/{job}").json()
                if found["state"] == "waiting":
                    return dict(found)
                page.wait_for_timeout(100)
            raise AssertionError(found)

        results()
        assert page.request.post(f"/api/v1/jobs/{job}/validate", data={"step": "original"}).ok
        results()
        page.goto(f"/jobs/{job}")
        panel = page.get_by_role("form", name="Export")
        panel.locator("select").first.wait_for(timeout=browsing.READY_MS)
        panel.get_by_label("Format").select_option("webm")
        panel.get_by_role("spinbutton", name="Length").fill("0.5")
        panel.get_by_role("spinbutton", name="Frames a second").fill("8")
        panel.get_by_role("button", name="Make").click()
        film = panel.locator('li[data-product="webm"][data-state="done"] video')
        film.wait_for(timeout=browsing.READY_MS)
        page.wait_for_function("() => document.querySelector('.export video').readyState >= 2")
        accessibility.check(page, "a film that was made")
        assert film.evaluate("film => [film.duration, film.videoWidth > 0, film.error]") == [0.5, True, None]
        watch.check()


def test_without_ffmpeg_films_say_so_before_anybody_waits(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIORAMA_FFMPEG", "no such program")
    with browsing.serving(tmp_path) as address, watched(browser, address) as (page, _):
        query = f"/api/v1/jobs?name=cup.png&settings={json.dumps(QUICK)}"
        job = page.request.post(query, data=quick_photo(), headers={"Content-Type": "image/png"}).json()["id"]
        while page.request.get(f"/api/v1/jobs/{job}").json()["state"] != "waiting":
            page.wait_for_timeout(100)
        seen: list[str] = []
        page.on("request", lambda request: seen.append(request.url))

        def large(route: Route) -> None:
            """The scene is as large as those that are sent in two stages."""
            found = route.fetch()
            told = found.json()
            for file in told.get("results", {}).get("original", {}).get("files", []):
                if file["name"] == "original/scene.glb":
                    file["bytes"] = 5_000_000
            route.fulfill(response=found, json=told)

        page.route(f"**/api/v1/jobs/{job}", large)
        page.goto(f"/jobs/{job}")
        panel = page.get_by_role("form", name="Export")
        panel.locator("select").first.wait_for(timeout=browsing.READY_MS)
        listed = page.request.get(f"/api/v1/jobs/{job}/products").json()["available"]
        assert {one["name"] for one in listed if not one["installed"]} == {"mp4", "webm", "stereo.mp4"}
        assert "needs a package" in panel.locator('option[value="mp4"]').inner_text()
        page.locator('.viewer[data-ready="true"][data-quality="full"]').wait_for(timeout=browsing.READY_MS)
        fetched = [url.partition("?")[0].rpartition("/")[2] for url in seen if ".glb" in url]
        assert fetched[:2] == ["low.glb", "scene.glb"]
