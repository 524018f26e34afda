"""The page in a real Chromium, against the real app: what a person does, and that nothing leaves this machine."""

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
import bad_inputs
import browsing
import phone_files
from browsing import (
    READY_MS,
    canvas,
    colours,
    difference,
    psnr,
    scrolls_sideways,
    show,
    upload,
    wait_for_scene,
    watched,
)
from conftest import PhotoPath
from diorama import compiling

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.needs("chromium")]

STAGES = ["photo", "depth", "points", "mesh", "files"]

LOG_STAGES = """
const seen = JSON.parse(sessionStorage.getItem("seen") ?? "[]");
new MutationObserver(() => {
  const making = document.querySelector(".making");
  if (!making) return;
  const bar = Number(making.querySelector("[role=progressbar]").getAttribute("aria-valuenow"));
  const running = making.querySelector('.stages li[data-state="running"] .stage-label')?.textContent ?? "";
  const last = seen.at(-1);
  if (last && last[0] === making.dataset.stage && last[1] === bar) return;
  seen.push([making.dataset.stage, bar, running]);
  sessionStorage.setItem("seen", JSON.stringify(seen));
}).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
"""

NO_WEBGL = """
const real = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith("webgl") ? null : real.call(this, kind, ...rest);
};
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with browsing.serving(tmp_path_factory.mktemp("app")) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def coffee(photo_path: PhotoPath) -> Path:
    return photo_path("coffee")


@pytest.fixture(scope="module")
def scene(address: str, browser: Browser, coffee: Path) -> str:
    """The path of a finished job, for tests that don't make one."""
    with watched(browser, address) as (page, _):
        upload(page, coffee)
        wait_for_scene(page)
        return page.url.removeprefix(address)


def job_of(page: Page) -> dict[str, Any]:
    match = re.search(r"/jobs/([^/?]+)", page.url)
    assert match
    job: dict[str, Any] = page.request.get(f"/api/v1/jobs/{match.group(1)}").json()
    return job


def wait_for_enhanced(page: Page) -> None:
    """The scene of step 3 and its segments are shown."""
    page.locator(f".enhanced {browsing.READY}").wait_for(timeout=READY_MS)
    page.locator('.segments[data-state="ready"][aria-busy="false"]').wait_for(timeout=READY_MS)


def wait_for_edit(page: Page, count: int) -> None:
    """The scene has followed a change of the segments, of which there are `count` now."""
    page.locator(f'.segments[data-count="{count}"][aria-busy="false"]').wait_for(timeout=READY_MS)
    wait_for_enhanced(page)


def nodes(page: Page) -> dict[str, Any]:
    """The nodes of the enhanced GLB by name, as it can be downloaded."""
    url = page.locator('.downloads a[data-file="scene.glb"]').get_attribute("href")
    assert url
    assert "/enhanced/" in url
    data = page.request.get(url).body()
    (size,) = struct.unpack_from("<I", data, 12)  # of the chunk that holds the JSON
    return {node["name"]: node for node in json.loads(data[20 : 20 + size])["nodes"]}


def current_step(page: Page) -> str:
    step = page.locator('[aria-current="step"]')
    return step.get_attribute("data-step") or ""


def test_a_photo_becomes_3d_and_is_validated(address: str, browser: Browser, coffee: Path) -> None:
    with watched(browser, address) as (page, _):
        page.goto("/")
        assert current_step(page) == "upload"
        assert page.get_by_role("button", name="Upload and Process").is_disabled()
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose File").click()
        chooser.value.set_files(coffee)
        page.get_by_text("coffee.png · 600 × 400 px · 467 kB").wait_for()
        page.get_by_role("button", name="Upload and Process").click()

        wait_for_scene(page)
        assert re.fullmatch(r".*/jobs/[\w-]{16,}", page.url)
        assert current_step(page) == "original"
        assert page.title().startswith("coffee.png · Original 3D")
        mesh = canvas(page)
        assert colours(mesh) > 2000
        assert psnr(mesh, coffee) > 24
        views = {"mesh": mesh, **{mode: show(page, mode.capitalize()) for mode in ("points", "wireframe", "depth")}}
        for first in views:
            for second in views:
                assert first == second or difference(views[first], views[second]) > 3, f"{first} looks like {second}"
        assert difference(show(page, "Mesh"), mesh) < 1

        depth = page.locator(".compare-right")
        depth.scroll_into_view_if_needed()
        assert depth.evaluate("image => image.complete && image.naturalWidth") == 600
        assert colours(browsing.picture(page.locator(".compare"))) > 2000

        page.get_by_role("button", name="Validate and Proceed").click()
        # So small a photo may be done before the heading of the wait was ever seen.
        either = re.compile("Imagining what the photo hides|AI-enhanced 3D")
        page.get_by_role("heading", level=1, name=either).wait_for()
        assert current_step(page) == "enhanced"
        assert page.evaluate("document.activeElement.tagName") == "H1"
        assert job_of(page)["validated"] == ["original"]
        wait_for_enhanced(page)
        page.go_back()
        wait_for_scene(page)  # what was validated can still be seen
        assert current_step(page) == "original"
        page.reload()
        wait_for_scene(page)
        assert page.get_by_role("heading", name="Original 3D is validated.").is_visible()
        page.get_by_role("link", name="Open AI-enhanced 3D").click()
        wait_for_enhanced(page)


@pytest.fixture(scope="module")
def enhanced(address: str, browser: Browser, coffee: Path) -> str:
    """The path of a job whose step 3 waits to be validated."""
    with watched(browser, address) as (page, _):
        upload(page, coffee)
        wait_for_scene(page)
        page.get_by_role("button", name="Validate and Proceed").click()
        # Its progress, by stage; each of them may be over before it was seen as the running one.
        page.locator(".making .stage-label", has_text="Imagining what is hidden").wait_for(timeout=READY_MS)
        assert page.locator(".making .stage-label").all_inner_texts()[-1] == "Writing the files"
        wait_for_enhanced(page)
        return page.url.removeprefix(address)


def test_what_was_imagined_is_shown_and_compared(address: str, browser: Browser, enhanced: str) -> None:
    with watched(browser, address) as (page, _):
        page.goto(enhanced)
        wait_for_enhanced(page)
        surface = page.locator(".viewer-surface")
        for _ in range(20):  # to the end of the allowed travel
            surface.press("ArrowRight")
        filled = canvas(page)
        page.get_by_role("button", name="Original", exact=True).click()
        page.locator(f'{browsing.READY}[data-scene="original"]').wait_for()
        torn = canvas(page)
        assert difference(filled, torn) > 2, "the same camera shows holes where nothing was imagined"
        page.get_by_role("button", name="Enhanced", exact=True).click()
        page.locator(f'{browsing.READY}[data-scene="enhanced"]').wait_for()
        assert difference(canvas(page), filled) < 1
        surface.press("i")
        page.locator('.viewer[data-imagined="true"]').wait_for()
        page.wait_for_timeout(200)
        tinted = canvas(page)
        assert difference(tinted, filled) > 2
        views = [tinted, show(page, "Wireframe"), show(page, "Depth")]
        assert all(difference(one, other) > 3 for one in views for other in views if one is not other)

        slider = page.get_by_role("slider", name="Divider between Original 3D and AI-enhanced 3D")
        slider.press("End")
        assert slider.get_attribute("aria-valuetext") == "0 % AI-enhanced 3D, 100 % Original 3D"
        before = browsing.picture(page.locator(".compare"))
        slider.press("Home")
        after = browsing.picture(page.locator(".compare"))
        assert difference(before, after) > 2
        page.get_by_role("switch", name="Show what was imagined").check()
        page.locator(".compare-right").evaluate("image => image.decode()")
        assert difference(browsing.picture(page.locator(".compare")), after) > 2


def test_an_enhanced_scene_is_seen_through_the_photos_frame(
    address: str, browser: Browser, enhanced: str, tmp_path: Path
) -> None:
    ratio = 3 / 2  # of the photo
    with watched(browser, address, viewport={"width": 1280, "height": 600}) as (page, _):
        page.goto(enhanced)
        wait_for_enhanced(page)
        stage = page.locator(".viewer-canvas")
        box = stage.bounding_box()
        assert box
        assert box["width"] / box["height"] > 1.2 * ratio, "a laptop's stage is wider than the photo"
        clip = stage.evaluate("canvas => getComputedStyle(canvas).clipPath")
        across = float(re.fullmatch(r"inset\(0% ([\d.]+)%\)", clip)[1]) / 100  # type: ignore[index]
        seen = box["width"] * (1 - 2 * across)
        assert abs(seen / box["height"] - ratio) < 0.01
        with page.expect_download() as saved:
            page.locator(".viewer-surface").press("s")
        saved.value.save_as(tmp_path / "view.png")
        with Image.open(tmp_path / "view.png") as view:
            assert abs(view.width / view.height - ratio) < 0.01
        page.get_by_role("button", name="More ways to look").click()
        page.get_by_label("Take apart").fill("0.5")
        assert stage.evaluate("canvas => getComputedStyle(canvas).clipPath") == "none"


def test_segments_are_renamed_split_and_merged_and_the_files_follow(
    address: str, browser: Browser, enhanced: str
) -> None:
    with watched(browser, address) as (page, _):
        page.goto(enhanced)
        wait_for_enhanced(page)
        count = len(job_segments(page))
        assert count >= 2
        assert f"{count} things" in page.locator(".enhanced-summary").inner_text()
        page.get_by_role("button", name="Rename Subject").click()
        page.get_by_role("textbox", name="New name for Subject").fill("Grandma's cup")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Rename Grandma's cup").wait_for()  # at once
        page.locator('.segments[aria-busy="true"]').wait_for()
        wait_for_edit(page, count)
        assert "Grandma's cup" in nodes(page)
        assert "Subject" not in nodes(page)

        page.get_by_role("button", name="Split", exact=True).click()
        stage = page.locator(".segments-stage")
        for key in ("ArrowUp", "ArrowUp", "Enter"):
            stage.press(key)
        wait_for_edit(page, count + 1)
        page.get_by_role("button", name="Take the last change back").click()
        wait_for_edit(page, count)

        for choice in page.locator(".segment-check").all()[:2]:
            choice.check()
        kept = page.locator(".segment-name").first.inner_text()
        page.get_by_role("button", name="Merge 2").click()
        wait_for_edit(page, count - 1)
        assert kept in nodes(page)
        assert len(job_segments(page)) == count - 1
        page.reload()
        wait_for_enhanced(page)
        assert page.locator(".segment").count() == count - 1

        with page.expect_request("**/rerun") as sent:
            travel = page.get_by_label("Camera travel", exact=True)
            travel.press("ArrowLeft")
            page.get_by_role("button", name="Run again").click()
        assert sent.value.post_data_json == {"step": "enhanced", "settings": {"camera_travel": 7.5}}
        page.locator('.settings[data-changes="0"]').wait_for(timeout=READY_MS)
        wait_for_enhanced(page)
        assert page.locator(".segment").count() == count - 1  # what a person did to the segments stays
        accessibility.check(page, "step 3")

        page.get_by_role("button", name="Validate and Proceed").click()
        page.get_by_role("heading", name="Final 3D").wait_for()
        assert current_step(page) == "final"
        page.go_back()
        page.get_by_role("heading", name="AI-enhanced 3D is validated.").wait_for()
        assert job_of(page)["validated"] == ["original", "enhanced"]


def job_segments(page: Page) -> list[dict[str, Any]]:
    segments: list[dict[str, Any]] = page.request.get(f"/api/v1/jobs/{job_of(page)['id']}/segments").json()["segments"]
    return segments


def test_progress_moves_through_named_stages_and_outlives_a_reload(
    address: str, browser: Browser, coffee: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large coffee.jpg"  # slow enough to watch
    with Image.open(coffee) as image:
        image.convert("RGB").resize((2400, 1600)).save(large, quality=85)
    streams: list[str] = []
    with watched(browser, address) as (page, _):
        page.add_init_script(LOG_STAGES)
        page.on("request", lambda request: streams.append(request.url) if request.url.endswith("/events") else None)
        upload(page, large)
        page.locator(".making").wait_for()
        page.reload()
        wait_for_scene(page)
        seen: list[tuple[str, int, str]] = page.evaluate("JSON.parse(sessionStorage.getItem('seen'))")
    stages = list(dict.fromkeys(stage for stage, _, _ in seen if stage))
    assert len(stages) >= 3, seen
    assert stages == [stage for stage in STAGES if stage in stages], seen
    bars = [bar for _, bar, _ in seen]
    assert bars == sorted(bars), seen
    assert 1 <= len(streams) <= 3, "one before the reload, one after it; one more where a stream is cut off"
    assert {"Estimating depth", "Building the mesh"} & {label for _, _, label in seen}, seen


def test_without_events_the_page_asks(address: str, browser: Browser, coffee: Path, tmp_path: Path) -> None:
    dark = tmp_path / "dark coffee.jpg"  # no other test's photo, whose stages would be kept
    with Image.open(coffee) as image:
        image.convert("RGB").resize((2400, 1600)).point(lambda value: value // 2).save(dark, quality=85)
    with watched(browser, address) as (page, watch):
        watch.allowed.append("ERR_FAILED")
        page.route("**/events", lambda route: route.abort())
        upload(page, dark)
        page.locator(".making").wait_for()
        accessibility.check(page, "a photo that is worked on")
        wait_for_scene(page)


def test_the_page_says_why_the_first_time_takes_longer(address: str, browser: Browser, coffee: Path) -> None:
    with watched(browser, address) as (page, watch):
        watch.allowed.append("ERR_FAILED")
        sent = page.request.post(
            "/api/v1/jobs?name=first.png", data=coffee.read_bytes(), headers={"Content-Type": "image/png"}
        )
        job = sent.json() | {"state": "running", "stage": "mesh", "message": f"Building the mesh. {compiling.NOTICE}"}
        page.route("**/events", lambda route: route.abort())
        page.route(f"**/api/v1/jobs/{job['id']}", lambda route: route.fulfill(json=job))
        page.goto(f"/jobs/{job['id']}")
        page.locator(".making-message", has_text=compiling.NOTICE).wait_for()
        accessibility.check(page, "a photo that is worked on for the first time on this machine")
        page.goto("about:blank")
        assert page.request.delete(f"/api/v1/jobs/{job['id']}").ok


def test_a_text_file_named_jpg_shows_the_sentence(address: str, browser: Browser, tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("This is no picture.")
    with watched(browser, address) as (page, watch):
        watch.allowed.append("415 (Unsupported Media Type)")
        upload(page, text)
        alert = page.get_by_role("alert")
        alert.wait_for()
        assert "text.jpg" in alert.inner_text()
        accessibility.check(page, "a file that was refused")
        assert "JPEG" in alert.inner_text()  # what to do instead
        assert page.url == f"{address}/"
        assert page.get_by_role("button", name="Choose File").is_enabled()


def test_a_damaged_photo_fails_with_a_sentence_and_a_way_on(
    address: str, browser: Browser, coffee: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(coffee.read_bytes()[:200_000])
    with watched(browser, address) as (page, _):
        upload(page, damaged)
        page.get_by_role("heading", name="That did not work").wait_for(timeout=READY_MS)
        accessibility.check(page, "a photo that failed")
        assert "damaged.png" in page.get_by_role("alert").inner_text()
        page.reload()
        page.get_by_role("link", name="Choose another photo").click()
        assert page.get_by_role("button", name="Choose File").is_enabled()
        page.locator(".history-item", has_text="damaged.png").get_by_text("Failed").wait_for()


def test_run_again_sends_only_what_was_changed(address: str, browser: Browser, scene: str) -> None:
    with watched(browser, address) as (page, _):
        page.goto(scene)
        wait_for_scene(page)
        before = job_of(page)
        strength = page.get_by_label("Depth strength", exact=True)
        strength.focus()
        for _ in range(4):
            strength.press("ArrowRight")
        page.get_by_text("1 change", exact=True).wait_for()
        with page.expect_request("**/rerun") as sent:
            page.get_by_role("button", name="Run again").click()
        assert sent.value.post_data_json == {"step": "original", "settings": {"depth_range": 5}}
        page.locator('.settings[data-changes="0"]').wait_for(timeout=READY_MS)
        wait_for_scene(page)
        after = job_of(page)
        assert after["settings"] == {**before["settings"], "depth_range": 5}
        assert page.get_by_label("Depth strength, exact value").input_value() == "5"
        assert [stage["reused"] for stage in after["stages"]][:3] == [True, True, False]
        page.get_by_role("button", name="Reset to defaults").click()
        assert page.get_by_label("Depth strength, exact value").input_value() == "4"


def test_the_depth_is_painted_undone_and_kept(address: str, browser: Browser, coffee: Path) -> None:
    with watched(browser, address) as (page, _):
        upload(page, coffee)
        wait_for_scene(page)
        page.locator(".brush > summary").click()
        page.locator('.brush[data-state="ready"]').wait_for()
        before = show(page, "Depth")
        stage = page.locator(".brush-stage")
        stage.scroll_into_view_if_needed()
        page.locator(".brush-stage.painting").wait_for()
        box = stage.bounding_box()
        assert box

        def paint(x: float, y: float) -> None:
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            page.mouse.down()
            page.mouse.move(box["x"] + (x + 0.1) * box["width"], box["y"] + y * box["height"], steps=4)
            page.mouse.up()

        page.get_by_role("slider", name="Strength", exact=True).fill("60")
        paint(0.45, 0.5)
        page.locator('.brush[data-count="1"][data-pending="true"]').wait_for()
        page.get_by_role("button", name="Farther", exact=True).click()
        paint(0.1, 0.2)
        page.locator('.brush[data-count="2"]').wait_for()
        accessibility.check(page, "strokes on the depth map")
        page.get_by_role("button", name="Undo", exact=True).click()
        page.locator('.brush[data-count="1"]').wait_for()
        wait_for_scene(page)
        assert difference(canvas(page), before) > 2  # the preview
        kept = page.request.get(f"/api/v1/jobs/{job_of(page)['id']}/corrections").json()["corrections"]
        assert (kept[0]["kind"], kept[0]["strength"]) == ("nearer", 0.6)
        page.reload()
        page.locator('.brush[data-count="1"][data-pending="true"]').wait_for()  # open, with its stroke

        page.get_by_role("button", name="Run again with these strokes").click()
        page.locator('.brush[data-count="1"][data-pending="false"]').wait_for(timeout=READY_MS)
        wait_for_scene(page)
        job = job_of(page)
        assert job["results"]["original"]["corrections"] == 1
        assert {stage["name"]: stage["reused"] for stage in job["stages"]}["depth"]
        assert page.locator(".brush-stroke.nearer").count() == 1


def test_the_field_of_view_can_be_corrected(address: str, browser: Browser, scene: str) -> None:
    with watched(browser, address) as (page, _):
        page.goto(scene)
        wait_for_scene(page)
        page.get_by_role("button", name="Correct the field of view").click()
        assert page.evaluate("document.activeElement.id") == "setting-fov"
        exact = page.get_by_label("Field of view, exact value")
        assert exact.input_value() == "55"
        exact.fill("70")
        page.get_by_role("button", name="Run again").click()
        page.get_by_text("70° wide, set by you").wait_for(timeout=READY_MS)
        wait_for_scene(page)
        assert page.get_by_role("button", name="Correct the field of view").count() == 0
        page.get_by_role("button", name="Set Field of view back to Automatic").click()
        page.get_by_role("button", name="Run again").click()
        page.get_by_text("55° wide, assumed").wait_for(timeout=READY_MS)


def test_the_photos_own_depth_is_a_choice(address: str, browser: Browser, tmp_path: Path) -> None:
    rgb = bad_inputs.picture(480, 360)
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 384).astype(np.uint8), (288, 1)))
    jpeg = bad_inputs.encoded(Image.fromarray(rgb), "JPEG", quality=92)
    path = tmp_path / "portrait.jpg"
    path.write_bytes(phone_files.gdepth_jpeg(jpeg, bad_inputs.encoded(ramp, "PNG"), 0.5, 4))
    with watched(browser, address) as (page, _):
        upload(page, path)
        wait_for_scene(page)
        assert job_of(page)["carried"] == "Android (GDepth), 384 x 288"
        choice = page.get_by_label("Depth model")
        assert choice.input_value() == "auto"
        assert page.get_by_text("The photo carries depth in metres").first.is_visible()
        choice.select_option(label="The photo's own: Android (GDepth), 384 x 288")
        with page.expect_request("**/rerun") as sent:
            page.get_by_role("button", name="Run again").click()
        assert sent.value.post_data_json == {"step": "original", "settings": {"depth": "embedded"}}
        wait_for_scene(page)
        assert page.get_by_label("Depth model").input_value() == "embedded"


def test_weights_that_came_later_are_offered(address: str, browser: Browser, scene: str) -> None:
    with watched(browser, address) as (page, _):
        models = page.request.get(f"{address}/api/v1/models").json()
        arrived = {**models["models"][-1], "name": "midas-v21-small", "available": True, "state": "available"}
        page.route("**/api/v1/models", lambda route: route.fulfill(json={**models, "models": [arrived]}))
        page.goto(scene)
        page.get_by_role("button", name="Run again with midas-v21-small").wait_for()
        job = job_of(page)
        page.route("**/rerun", lambda route: route.fulfill(json=job))  # these weights are not really here
        with page.expect_request("**/rerun") as sent:
            page.get_by_role("button", name="Run again with midas-v21-small").click()
        assert sent.value.post_data_json == {"step": "original", "settings": {"depth": "midas-v21-small"}}


def test_the_viewer_by_keys_and_its_start(address: str, browser: Browser, scene: str) -> None:
    with watched(browser, address) as (page, _):
        page.goto(scene)
        wait_for_scene(page)
        start = canvas(page)
        surface = page.locator(".viewer-surface")
        surface.focus()
        for _ in range(6):
            surface.press("ArrowRight")
        page.locator('.viewer[data-moved="true"]').wait_for()
        turned = canvas(page)
        assert difference(turned, start) > 3
        for _ in range(30):  # never behind the scene
            surface.press("ArrowRight")
        assert colours(canvas(page)) > 2000
        surface.press("r")
        assert difference(canvas(page), start) < 1
        surface.press("+")
        assert difference(canvas(page), start) > 1
        surface.press("3")
        page.locator('.viewer[data-mode="wireframe"][data-ready="true"]').wait_for()
        surface.press("f")
        page.locator('.viewer[data-full="true"]').wait_for()
        surface.press("f")
        page.locator('.viewer[data-full="false"]').wait_for()


def test_idle_motion_stops_when_touched_and_when_unwanted(address: str, browser: Browser, scene: str) -> None:
    with watched(browser, address) as (page, _):
        page.goto(scene)
        page.locator('.viewer[data-ready="true"][data-motion="off"]').wait_for(timeout=READY_MS)
    with watched(browser, address, reduced_motion="no-preference") as (page, _):
        page.goto(scene)
        page.locator('.viewer[data-ready="true"][data-motion="on"]').wait_for(timeout=READY_MS)
        page.locator(".viewer-surface").click()
        page.locator('.viewer[data-motion="off"]').wait_for()


def test_photo_and_depth_are_compared_by_keys(address: str, browser: Browser, scene: str) -> None:
    with watched(browser, address) as (page, _):
        page.goto(scene)
        slider = page.get_by_role("slider", name="Divider between the photo and the depth map")
        slider.focus()
        half = browsing.picture(page.locator(".compare"))
        slider.press("End")
        photo = browsing.picture(page.locator(".compare"))
        slider.press("Home")
        depth = browsing.picture(page.locator(".compare"))
        assert slider.get_attribute("aria-valuetext") == "100 % depth map, 0 % photo"
        assert difference(photo, depth) > difference(half, depth) > 5


def test_without_webgl_a_picture_and_a_sentence(address: str, browser: Browser, scene: str) -> None:
    with watched(browser, address) as (page, _):
        page.add_init_script(NO_WEBGL)
        page.goto(scene)
        page.locator('.viewer[data-state="no-webgl"]').wait_for()
        assert "WebGL" in page.locator(".viewer-message").inner_text()
        accessibility.check(page, "step 2 without WebGL")
        assert (
            page.locator(".viewer-thumbnail").evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
        )
        assert page.get_by_role("button", name="Validate and Proceed").or_(page.locator(".word")).first.is_visible()


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_no_view_scrolls_sideways(address: str, browser: Browser, scene: str, width: int) -> None:
    phone = {"has_touch": True, "is_mobile": True} if width < 500 else {}
    with watched(browser, address, viewport={"width": width, "height": 844}, **phone) as (page, _):
        page.goto("/")
        page.locator(".history-item").first.wait_for()
        assert not scrolls_sideways(page)
        assert page.get_by_role("button", name="Take a Photo").count() == (1 if width < 500 else 0)
        page.goto(scene)
        wait_for_scene(page)
        page.locator(".report summary").click()
        page.locator(".advanced summary").click()
        assert not scrolls_sideways(page)
        if width != 820:  # once a layout
            page.get_by_role("button", name="More ways to look").click()
            accessibility.check(page, f"step 2, {width} px wide")
        for step in ("upload", "enhanced", "final"):
            page.goto(f"{scene}?step={step}")
            page.locator("h1").wait_for()
            assert current_step(page) == step
            assert not scrolls_sideways(page)


def test_text_may_be_twice_as_large(address: str, browser: Browser, scene: str) -> None:
    with watched(browser, address, viewport={"width": 1280, "height": 800}) as (page, _):
        page.goto(scene)
        wait_for_scene(page)
        places = (".job-name", ".settings label", ".button", ".mode", ".downloads a", ".step-label")
        size = "element => parseFloat(getComputedStyle(element).fontSize)"
        before = [page.locator(place).first.evaluate(size) for place in places]
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        after = [page.locator(place).first.evaluate(size) for place in places]
        assert after == pytest.approx([2 * one for one in before])
        assert not scrolls_sideways(page)


def test_a_tab_follows_what_another_one_did(address: str, browser: Browser, coffee: Path) -> None:
    further = re.compile("Imagining what the photo hides|AI-enhanced 3D")
    with watched(browser, address) as (page, watch):
        watch.allowed = ["409", "404"]
        upload(page, coffee)
        wait_for_scene(page)
        button = page.get_by_role("button", name="Validate and Proceed")
        for back_in_the_tab in (True, False):
            job = job_of(page)["id"]
            page.request.post(f"/api/v1/jobs/{job}/validate", data={"step": "original"})
            assert button.is_visible()
            if back_in_the_tab:
                page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            else:
                button.click()
            page.get_by_role("heading", level=1, name=further).wait_for()
            if back_in_the_tab:
                upload(page, coffee)
                wait_for_scene(page)
        page.locator('[data-panel="enhanced"]').wait_for(timeout=READY_MS)
        page.request.delete(f"/api/v1/jobs/{job}")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.get_by_role("heading", level=1, name="Nothing here").wait_for()


def test_a_panorama_stays_in_its_column(address: str, browser: Browser, photo_path: PhotoPath, tmp_path: Path) -> None:
    wide = tmp_path / "panorama.jpg"
    with Image.open(photo_path("coffee")) as image:
        image.convert("RGB").crop((0, 160, 600, 220)).save(wide)
    with watched(browser, address) as (page, _):
        upload(page, wide)
        wait_for_scene(page)
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 760})
            assert not scrolls_sideways(page)
            stage, column = page.locator(".viewer-stage").bounding_box(), page.locator(".original-main").bounding_box()
            assert stage
            assert column
            assert stage["width"] <= column["width"] + 16, "on phones it reaches over both sides a little"


def test_addresses_that_are_not_there_show_a_way_back(address: str, browser: Browser) -> None:
    with watched(browser, address) as (page, watch):
        watch.allowed = ["404"]
        for wrong in ("/nonsense", "/jobs/%", "/jobs/a/b"):
            page.goto(wrong)
            page.get_by_role("heading", level=1, name="Nothing here").wait_for()
        page.get_by_role("link", name="To the start page").click()
        page.get_by_role("button", name="Choose File").wait_for()


def test_an_example_is_tried_deleted_and_brought_back(address: str, browser: Browser) -> None:
    with watched(browser, address) as (page, _):
        page.goto("/")
        page.get_by_role("button", name=re.compile("example")).first.click()
        wait_for_scene(page)
        path = page.url.removeprefix(address)
        job = path.removeprefix("/jobs/")
        page.get_by_role("link", name="Diorama: start page").click()
        card = page.locator(f'[data-job="{job}"]')
        card.hover()
        card.get_by_role("button", name=re.compile("Delete")).click()
        card.wait_for(state="detached")
        page.get_by_role("button", name="Undo").click()
        card.wait_for()
        assert page.request.get(f"/api/v1{path}").ok
        card.hover()
        card.get_by_role("button", name=re.compile("Delete")).click()
        with page.expect_response(lambda answer: answer.request.method == "DELETE") as answer:
            page.locator("#toasts").get_by_role("button", name="Close").click()
        assert answer.value.status == 204
    with watched(browser, address) as (page, watch):
        watch.allowed.append("404 (Not Found)")
        page.goto(path)
        page.get_by_role("heading", name="Nothing here").wait_for()
        accessibility.check(page, "a job that isn't there")
        page.get_by_role("link", name="To the start page").click()
        page.get_by_role("heading", level=1).wait_for()
        assert current_step(page) == "upload"


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photo_may_be_dropped_or_pasted(address: str, browser: Browser, way: str) -> None:
    give = """async way => {
      const canvas = new OffscreenCanvas(30, 20);
      canvas.getContext("2d").fillRect(0, 0, 9, 9);
      const data = new DataTransfer();
      data.items.add(new File([await canvas.convertToBlob()], "image.png", { type: "image/png" }));
      const options = { bubbles: true, cancelable: true };
      document.body.dispatchEvent(way === "drop" ? new DragEvent("drop", { ...options, dataTransfer: data })
        : new ClipboardEvent("paste", { ...options, clipboardData: data }));
    }"""
    with watched(browser, address) as (page, _):
        page.goto("/")
        page.locator(".uploader").wait_for()
        page.evaluate(give, way)
        page.get_by_text(re.compile("30 × 20 px")).wait_for()
        assert page.get_by_role("button", name="Upload and Process").is_enabled()
        page.get_by_role("button", name="Remove this photo").click()
        assert page.get_by_role("button", name="Upload and Process").is_disabled()


def test_keys_alone_choose_a_photo(address: str, browser: Browser, coffee: Path) -> None:
    with watched(browser, address) as (page, _):
        page.goto("/")
        page.get_by_role("heading", level=1).wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Choose File"
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files(coffee)
        page.get_by_text("600 × 400 px").wait_for()
        assert page.evaluate("document.activeElement.textContent") == "Upload and Process"


def test_the_chosen_theme_stays(address: str, browser: Browser) -> None:
    with watched(browser, address, color_scheme="light") as (page, _):
        page.goto("/")
        background = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(background)
        accessibility.check(page, "the light start page")
        page.get_by_role("button", name="Use the dark theme").click()
        dark = page.evaluate(background)
        accessibility.check(page, "the dark start page")
        assert dark != light
        page.reload()
        page.get_by_role("button", name="Use the light theme").click()
        assert page.evaluate(background) == light


LAN = {"address": "https://192.168.1.5:5000"}
CODE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9H0z"/></svg>'


def test_the_qr_code_is_shown_where_phones_reach_the_server(address: str, browser: Browser) -> None:
    with watched(browser, address) as (page, _):
        page.route("**/api/v1/lan", lambda route: route.fulfill(json=LAN))
        page.route("**/api/v1/lan/qr.svg**", lambda route: route.fulfill(body=CODE, content_type="image/svg+xml"))
        page.goto("/")
        page.get_by_role("button", name="On a phone").click()
        dialog = page.get_by_role("dialog", name="Open this page on a phone")
        dialog.get_by_alt_text("QR code of this page's address").wait_for()
        accessibility.check(page, "the QR code")
        dialog.get_by_role("button", name="Close").click()
        assert not dialog.is_visible()


def test_a_server_that_went_away_is_said(address: str, browser: Browser, scene: str) -> None:
    with watched(browser, address) as (page, watch):
        watch.allowed.append("ERR_FAILED")
        page.route("**/api/v1/**", lambda route: route.abort())
        page.goto(scene)
        page.get_by_text("The server can't be reached.").first.wait_for()
        accessibility.check(page, "without the server")
        page.unroute("**/api/v1/**")
        wait_for_scene(page)  # by itself


def test_the_apis_reference_is_complete_and_each_request_can_be_tried(address: str, browser: Browser) -> None:
    with watched(browser, address, viewport={"width": 600, "height": 900}) as (page, watch):
        watch.allowed.append("404 (Not Found)")
        page.goto("/docs")
        page.locator("main[data-ready]").wait_for()
        described = page.request.get("/openapi.json").json()
        routes = [route for methods in described["paths"].values() for route in methods.values()]
        assert page.locator(".docs-request").count() == len(routes)
        assert page.locator(".docs-record").count() == len(described["components"]["schemas"])
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        page.locator("#get_job form").wait_for()
        assert page.locator(".docs-try form").count() == len(routes)
        assert not scrolls_sideways(page)
        accessibility.check(page, "the API's reference, all of it open")
        assert page.locator("#get_job .docs-answers", has_text="waiting").count(), "an example of the answer"

        one = page.locator("#get_job")
        one.get_by_label("job_id", exact=True).fill("mB9cX0hUqk2fJwzS1r7d3g")
        assert f"curl '{address}/api/v1/jobs/mB9cX0hUqk2fJwzS1r7d3g'" in one.locator(".docs-try pre").first.inner_text()
        one.get_by_role("button", name="Send").click()
        one.locator(".docs-status", has_text="404").wait_for()
        assert "hint" in one.locator(".docs-answer pre").inner_text()
        one.get_by_label("job_id", exact=True).fill("")
        one.get_by_role("button", name="Send").click()
        one.get_by_text("'job_id' is required.").wait_for()

        thumbnail = page.locator("#get_example_thumbnail")
        thumbnail.get_by_label("name", exact=True).fill("coffee")
        thumbnail.get_by_role("button", name="Send").click()
        thumbnail.get_by_alt_text("The picture that was answered").wait_for()
        link = thumbnail.locator('a[href^="blob:"]')
        assert link.get_attribute("download") == "thumbnail"

        page.goto("/docs#record-Problem")
        page.locator("#record-Problem[open]").wait_for()
