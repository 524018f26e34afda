"""Pages to share: one file, a strict policy, escaped words, small, and nothing that was not to be given away."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import html
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

import diorama
from conftest import PhotoPath
from diorama.cli import app
from diorama.errors import FormatError, InputError, InstallationError, StorageError
from diorama.export import glb, share
from diorama.export.slim import low, rounded, slim
from diorama.types import Scene
from gltf import assert_valid
from scenes import final_scene, tiny_scene

HOSTILE = '"><script>alert(1)</script>&amp;\N{LATIN SMALL LETTER U WITH DIAERESIS}'
MB = 1_000_000


@pytest.fixture(scope="module")
def scene() -> Scene:
    return final_scene(48, 32, texture=8)


def parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def attribute(data: bytes, mesh: int, name: str) -> np.ndarray[Any, Any]:
    gltf, binary = parts(data)
    accessor = gltf["accessors"][gltf["meshes"][mesh]["primitives"][0]["attributes"][name]]
    dtype = {5123: "<u2", 5126: "<f4", 5121: "u1"}[accessor["componentType"]]
    width = int(accessor["type"][-1])
    offset = gltf["bufferViews"][accessor["bufferView"]]["byteOffset"]
    return np.frombuffer(binary, dtype, accessor["count"] * width, offset).reshape(-1, width)


def embedded(text: str, name: str = "scene") -> bytes:
    match = re.search(rf'<script type="application/octet-stream" id="{name}">([^<]+)</script>', text)
    assert match
    return gzip.decompress(base64.b64decode(match.group(1)))


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30))
def test_rounded_positions_stay_where_the_camera_sees_them(values: list[float]) -> None:
    given = np.array(values, np.float32)
    made = rounded(given)
    assert (np.abs(made - given) <= np.abs(given) * 2**-16 + 1e-38).all()
    assert not (made.view(np.uint32) & 0xFF).any()


def test_a_slim_file_shows_the_same(scene: Scene) -> None:
    whole = glb.encode(scene)
    made = slim(whole, scene.texture)
    assert len(gzip.compress(made)) * 4 / 3 < len(whole)
    gltf, before = parts(made)[0], parts(whole)[0]
    assert [mesh["name"] for mesh in gltf["meshes"]] == [mesh["name"] for mesh in before["meshes"]]
    for mesh in range(len(gltf["meshes"])):
        old, new = (attribute(data, mesh, "POSITION") for data in (whole, made))
        seen = [scene.camera.fx * points[:, :2] / points[:, 2:] for points in (old, new)]
        assert np.abs(seen[0] - seen[1]).max() < 0.05, "pixels"
        uv = attribute(made, mesh, "TEXCOORD_0") / 65535
        assert np.abs(uv - attribute(whole, mesh, "TEXCOORD_0")).max() < 1 / 65535
    assert "NORMAL" not in json.dumps(gltf)


def test_lit_materials_keep_their_normals() -> None:
    scene = final_scene(lit=True)
    assert attribute(slim(glb.encode(scene), scene.texture), 0, "NORMAL").shape[1] == 3


def test_what_is_seen_first_is_small() -> None:
    scene = tiny_scene(200, 140, texture=4)
    whole = glb.encode(scene)
    small = low(whole, scene.texture)
    gltf = parts(small)[0]
    faces = sum(gltf["accessors"][mesh["primitives"][0]["indices"]]["count"] // 3 for mesh in gltf["meshes"])
    assert 0 < faces < 12_000
    assert len(small) < len(whole) / 3
    corners = {tuple(point) for mesh in (0, 1) for point in rounded(attribute(whole, mesh, "POSITION"))}
    assert {tuple(point) for mesh in (0, 1) for point in attribute(small, mesh, "POSITION")} <= corners


@pytest.mark.needs("gltf-validator")
def test_files_are_valid_gltf(scene: Scene, tmp_path: Path) -> None:
    for name, made in (("slim", slim), ("low", low)):
        (tmp_path / f"{name}.glb").write_bytes(made(glb.encode(scene), scene.texture))
    assert_valid(*tmp_path.iterdir())


def test_the_page_lets_only_its_own_script_run(scene: Scene) -> None:
    text = share.page(scene)
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]+)"', text)[0])
    assert "unsafe" not in policy
    assert "http" not in policy
    assert policy.startswith("default-src 'none'")
    for tag in ("script", "style"):
        for body in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy
    assert len(re.findall(r"<script>", text)) == 1
    assert not re.search(r"\sstyle=|\son\w+=|<link|<iframe", text.replace(share._viewer(), ""))


def test_words_are_escaped_and_nothing_else_is_told(scene: Scene) -> None:
    named = dataclasses.replace(scene, photo=dataclasses.replace(scene.photo, name=f"{HOSTILE}.jpg"))
    text = share.page(named, alt=HOSTILE)
    own = text.replace(share._viewer(), "")
    assert HOSTILE not in own
    assert html.escape(HOSTILE) in own
    assert "alert(1)</script>" not in own
    extras = parts(embedded(text))[0]["scenes"][0]["extras"]
    assert {"fx", "units", "step"} <= set(extras)
    assert not {"report", "advice", "outcomes", "plan"} & set(extras)
    assert extras["settings"] == {"camera_travel": scene.settings.camera_travel}


def test_braces_in_words_are_words(scene: Scene) -> None:
    assert "<title>{{scene}}</title>" in share.page(scene, title="{{scene}}")


def test_title_and_description_come_from_the_scene(scene: Scene) -> None:
    words = share.words_of(scene, None, None)
    assert words.title == Path(scene.photo.name).stem
    assert words.alt == "A box"
    assert "3D scene made from" in share.words_of(tiny_scene(), None, None).alt


def test_other_sites_get_a_picture_where_the_address_is_known(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "a b.html"
    notes = diorama.share(scene, path, url="https://example.org/scenes/")
    assert "a b.jpg" in notes[0]
    assert (tmp_path / "a b.jpg").read_bytes().startswith(b"\xff\xd8")
    text = path.read_text(encoding="utf-8")
    assert '<meta property="og:image" content="https://example.org/scenes/a%20b.jpg">' in text
    assert '<meta property="og:url" content="https://example.org/scenes/a%20b.html">' in text
    with pytest.raises(StorageError, match="there already"):
        diorama.share(scene, path, url="https://example.org/scenes/")
    diorama.share(scene, path)
    assert "og:image" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("url", ["example.org", "javascript:alert(1)", "https://", "https://a b/"])
def test_what_is_no_address_is_refused(scene: Scene, tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="no address"):
        diorama.share(scene, tmp_path / "x.html", url=url)


def test_a_scene_is_saved_as_a_page(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "x.html"
    scene.save(path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert path.stat().st_size < len(glb.encode(scene)) + MB


def test_without_the_viewer_it_says_what_to_do(scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(share, "VIEWER", tmp_path / "none.js")
    with pytest.raises(InstallationError, match="pip install"):
        share.page(scene)


def test_notebooks_get_a_closed_frame_or_a_picture(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    text = scene._repr_html_()
    assert 'sandbox="allow-scripts allow-downloads"' in text
    assert "allow-same-origin" not in text
    assert html.unescape(re.findall(r'srcdoc="([^"]*)"', text)[0]) == share.page(scene)
    monkeypatch.setattr(share, "NOTEBOOK_BYTES", 1000)
    small = scene._repr_html_()
    assert "<iframe" not in small
    assert 'alt="A box"' in small


def test_the_command_writes_page_and_pieces(scene: Scene, photo_path: PhotoPath, tmp_path: Path) -> None:
    bundle = tmp_path / "x.diorama"
    scene.save(bundle)
    run = CliRunner().invoke
    done = run(
        app, ["share", str(bundle), "-o", str(tmp_path / "p.html"), "--title", "T", "--embed", str(tmp_path / "e")]
    )
    assert done.exit_code == 0, done.output
    assert "<title>T</title>" in (tmp_path / "p.html").read_text(encoding="utf-8")
    names = sorted(path.name for path in (tmp_path / "e").iterdir())
    assert names == ["diorama-view.js", "index.html", "poster.jpg", "scene.glb", "scene.glb.js"]
    with Image.open(photo_path("coffee")) as photo:
        photo.convert("RGB").resize((48, 32)).save(tmp_path / "cup.png")
    done = run(
        app, ["share", str(tmp_path / "cup.png"), "-o", str(tmp_path / "cup.html")], env={"DIORAMA_OFFLINE": "1"}
    )
    assert done.exit_code == 0, done.output
    assert "<title>cup</title>" in (tmp_path / "cup.html").read_text(encoding="utf-8")
    for wrong, error in ((["-o", str(tmp_path / "p.txt")], FormatError), ([], InputError)):
        assert run(app, ["share", str(bundle), *wrong]).exit_code == error.exit_code
    assert run(app, ["share", str(bundle), "-o", str(tmp_path / "no" / "p.html")]).exit_code == StorageError.exit_code
