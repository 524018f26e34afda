"""A GLB in another renderer: three.js, through the file's own camera, shows the photo."""

from __future__ import annotations

import http.server
import io
import json
import math
import threading
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tools
from scenes import tiny_scene

PAGE = """<!doctype html><html data-state="loading"><body style="margin:0;background:#000">
<script type="importmap">
{"imports": {"three": "/vendor/build/three.module.js", "three/addons/": "/vendor/examples/jsm/"}}
</script>
<script type="module">
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
try {
  const renderer = new THREE.WebGLRenderer({ antialias: true });
  renderer.setSize(WIDTH, HEIGHT);
  document.body.append(renderer.domElement);
  renderer.domElement.style.display = "block";
  const gltf = await new GLTFLoader().loadAsync("/x.glb");
  renderer.render(gltf.scene, gltf.cameras[0]);
  document.documentElement.dataset.state = "done";
} catch (error) {
  document.documentElement.dataset.state = String(error);
}
</script>"""


@pytest.fixture
def vendor() -> Path:
    """three.js as the package ships it."""
    folder = Path(str(resources.files("diorama"))) / "server" / "static" / "vendor" / "three"
    assert folder.is_dir(), "three.js is not there: the package's build fetches it from npm"
    return folder


@pytest.fixture
def site(tmp_path: Path, vendor: Path) -> Iterator[str]:
    """The address of a server for `tmp_path`, with three.js under ``/vendor``."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            inside = path.removeprefix("/vendor/")
            return str(vendor / inside if inside != path else tmp_path / path.lstrip("/"))

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.browser
def test_three_js_sees_the_photo(need: Callable[[str], Path], site: str, tmp_path: Path) -> None:
    """Axes, texture coordinates, winding, the camera's lens and the colour space at once: any of them wrong shows."""
    chromium = need("chromium")
    from playwright.sync_api import sync_playwright

    scene = tiny_scene(30, 20, texture=16)
    width, height = scene.photo.width, scene.photo.height
    scene.save(tmp_path / "x.glb")
    (tmp_path / "index.html").write_text(PAGE.replace("WIDTH", str(width)).replace("HEIGHT", str(height)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=tools.CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(f"{site}/index.html")
        page.locator("html:not([data-state=loading])").wait_for(timeout=60_000)
        state = page.evaluate("document.documentElement.dataset.state")
        assert state == "done", json.dumps(state)
        shot = page.screenshot()
        browser.close()
    seen = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(float)
    assert seen.shape == scene.photo.rgb.shape
    assert 10 * math.log10(255**2 / np.mean((seen - scene.photo.rgb) ** 2)) > 35
