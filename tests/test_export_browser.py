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
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tools
from diorama.types import Scene
from scenes import final_scene, tiny_scene

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
  const found = {};
  gltf.scene.traverse((node) => {
    const { material } = node;
    const name = node.userData.name ?? node.name;
    found[name] = material ? [material.type, material.name, material.roughness ?? null] : null;
  });
  document.documentElement.dataset.found = JSON.stringify(found);
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
    scene = tiny_scene(30, 20, texture=16)
    seen, _ = _in_three(need("chromium"), scene, site, tmp_path)
    assert seen.shape == scene.photo.rgb.shape
    assert 10 * math.log10(255**2 / np.mean((seen - scene.photo.rgb) ** 2)) > 35


@pytest.mark.browser
@pytest.mark.parametrize("lit", [False, True])
def test_three_js_finds_a_final_scene_s_names_and_materials(
    need: Callable[[str], Path], site: str, tmp_path: Path, lit: bool
) -> None:
    seen, found = _in_three(need("chromium"), final_scene(30, 20, texture=4, lit=lit), site, tmp_path)
    assert {"Objects", "Walls"} <= set(found)
    if lit:
        assert found["Box"] == found["Box, back"] == ["MeshStandardMaterial", "brass", 0.25]
        assert found["Wall"] == ["MeshStandardMaterial", "photo", 0.9]
    else:
        assert found["Box"][:2] == ["MeshBasicMaterial", "photo"]
        assert seen.std() > 10


def _in_three(chromium: Path, scene: Scene, site: str, folder: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """What three.js shows of the scene through the file's camera, and each node's material by the node's name."""
    from playwright.sync_api import sync_playwright

    width, height = scene.photo.width, scene.photo.height
    scene.save(folder / "x.glb")
    (folder / "index.html").write_text(PAGE.replace("WIDTH", str(width)).replace("HEIGHT", str(height)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=tools.CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(f"{site}/index.html")
        page.locator("html:not([data-state=loading])").wait_for(timeout=60_000)
        state, found = page.evaluate("[document.documentElement.dataset.state, document.documentElement.dataset.found]")
        assert state == "done", json.dumps(state)
        shot = page.screenshot()
        browser.close()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(float), json.loads(found)
