"""Step 4 in a real Chromium: from the upload to the final download, and a suggestion that is switched off."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import accessibility
import browsing
import openai_server
from browsing import READY_MS, canvas, colours, difference, upload, wait_for_scene, watched
from conftest import PhotoPath

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.needs("chromium")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def grainy(photo_path: PhotoPath, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo that wants something done to it: noise, as at night."""
    with Image.open(photo_path("coffee")) as image:
        small = np.asarray(image.convert("RGB").resize((480, 320)), np.float32)
    noise = np.random.default_rng(0).normal(0, 16, small.shape)
    path = tmp_path_factory.mktemp("photos") / "night.png"
    Image.fromarray(np.clip(small + noise, 0, 255).astype(np.uint8)).save(path)
    return path


def through(page: Page, photo: Path) -> None:
    """Upload, validate step 2, validate step 3, wait for step 4."""
    upload(page, photo)
    wait_for_scene(page)
    page.get_by_role("button", name="Validate and Proceed").click()
    page.locator(f".enhanced {browsing.READY}").wait_for(timeout=READY_MS)
    page.locator("#validate:not([disabled])").wait_for(timeout=READY_MS)
    page.get_by_role("button", name="Validate and Proceed").click()
    page.get_by_role("heading", name="Making the final 3D").wait_for()
    wait_for_final(page)


def wait_for_final(page: Page) -> None:
    page.locator(f".final {browsing.READY}").wait_for(timeout=READY_MS)


def job_of(page: Page) -> dict[str, Any]:
    match = re.search(r"/jobs/([^/?]+)", page.url)
    assert match
    job: dict[str, Any] = page.request.get(f"/api/v1/jobs/{match.group(1)}").json()
    return job


def final_glb(page: Page) -> dict[str, Any]:
    """The JSON of the final GLB, as it is downloaded."""
    url = page.locator('.downloads a[data-file="scene.glb"]').get_attribute("href")
    assert url
    assert "/final/" in url
    data = page.request.get(url).body()
    (size,) = struct.unpack_from("<I", data, 12)
    found: dict[str, Any] = json.loads(data[20 : 20 + size])
    return found


def test_from_the_upload_to_the_final_download(browser: Browser, grainy: Path, tmp_path: Path) -> None:
    with browsing.serving(tmp_path) as address, watched(browser, address) as (page, _):
        through(page, grainy)
        assert page.locator('[aria-current="step"]').get_attribute("data-step") == "final"
        final = canvas(page)
        assert colours(final) > 2000
        page.get_by_role("button", name="Enhanced", exact=True).click()
        page.locator(f'{browsing.READY}[data-scene="enhanced"]').wait_for()
        assert difference(canvas(page), final) > 0.5, "the noise has been taken out of the final texture"
        page.get_by_role("button", name="Final", exact=True).click()

        denoise = page.locator('.suggestion[data-key="texture.denoise"]')
        assert denoise.get_attribute("data-state") == "applied"
        assert "→" in denoise.locator(".suggestion-change").inner_text()
        for change in page.locator(".suggestion-change").all_inner_texts():
            before, _, after = change.partition(" → ")
            assert before != after, "what stays as it is isn't shown as a change"
        assert page.locator(".texture-section").count() == 1
        pictures = page.locator(".four-steps img")
        assert pictures.count() == 4
        for picture in pictures.all():
            picture.scroll_into_view_if_needed()
            assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
        glb = final_glb(page)
        assert glb["scenes"][0]["extras"]["step"] == "final"
        assert any(one["key"] == "texture.denoise" for one in glb["scenes"][0]["extras"]["outcomes"])

        page.get_by_role("switch", name="Follow: Denoise").uncheck()
        with page.expect_request("**/rerun") as sent:
            page.get_by_role("button", name="Apply this choice").click()
        assert sent.value.post_data_json == {"step": "final", "settings": {"declined_plan": "texture.denoise"}}
        page.locator('.suggestion[data-key="texture.denoise"][data-state="declined"]').wait_for(timeout=READY_MS)
        wait_for_final(page)
        page.reload()
        wait_for_final(page)
        assert not page.get_by_role("switch", name="Follow: Denoise").is_checked()

        accessibility.check(page, "step 4")
        page.get_by_role("button", name="Validate and Finish").click()
        page.get_by_role("heading", name="Your scene is finished.").wait_for()
        assert job_of(page)["state"] == "done"
        assert job_of(page)["validated"] == ["original", "enhanced", "final"]


def test_gpt_4_as_the_advisor(browser: Browser, grainy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test server plays GPT-4, and gives a segment a name that must be shown as text."""
    with openai_server.serving("injection") as gpt:
        monkeypatch.setenv("OPENAI_BASE_URL", gpt.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-not-to-be-seen")
        with browsing.serving(tmp_path) as address, watched(browser, address) as (page, _):
            upload(page, grainy)
            wait_for_scene(page)
            page.get_by_role("button", name="Validate and Proceed").click()
            page.locator(f".enhanced {browsing.READY}").wait_for(timeout=READY_MS)
            assert gpt.requests == 0, "nothing is sent before somebody has chosen it"
            page.get_by_label("Advisor", exact=True).select_option("openai")
            estimate = page.locator("[data-estimate]")
            estimate.get_by_text(re.compile(r"About [\d,]+ tokens")).wait_for()
            assert "127.0.0.1" in estimate.inner_text()
            assert gpt.requests == 0
            page.get_by_role("button", name="Run again").click()
            page.locator('.suggestions[data-adviser="openai"]').wait_for(timeout=READY_MS)
            page.locator(f".enhanced {browsing.READY}").wait_for(timeout=READY_MS)
            page.locator("#validate:not([disabled])").wait_for(timeout=READY_MS)
            assert page.locator(".segment-name", has_text="<script>").count() >= 1
            page.get_by_role("button", name="Validate and Proceed").click()
            wait_for_final(page)
            assert page.title() != "injected"
            assert page.locator(".suggestions img, .suggestions script, .segments script").count() == 0
            assert any("<script>" in node.get("name", "") for node in final_glb(page)["nodes"])
            assert page.locator('.suggestion .chip:has-text("GPT-4")').count() >= 1
            assert not gpt.problems
        for path in tmp_path.rglob("*"):
            assert not path.is_file() or b"sk-not-to-be-seen" not in path.read_bytes(), path
