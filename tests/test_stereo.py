"""Stereo: where the eyes are, what strains them, how the views lie, and what tells players."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from diorama import bundle, errors, export
from diorama.cli import app
from diorama.film import Film
from diorama.film.planning import plan
from diorama.film.poses import Framing, Pose, depths, subject_depth
from diorama.products import PRODUCTS
from diorama.render import Renderer
from diorama.stereo import LAYOUTS, MOST_BEFORE, MOST_BEHIND, Stereo, arranged, make_stereo, place_eyes
from diorama.stereo.anaglyph import anaglyph
from diorama.stereo.vr180 import Sphere
from diorama.types import Camera, Scene
from films import box, enhanced_scene, read_film
from scenes import layered_scene

SIZE = (96, 64)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return enhanced_scene()


def parallax(framing: Framing, stereo: Stereo, scene: Scene, z: float) -> float:
    """% of the width by which the right eye sees a point at z farther right than the left one does."""
    left, right = place_eyes(scene, stereo, framing).pair(Pose())
    places = []
    for eye in (left, right):
        lens = framing.lens(eye)
        places.append(lens.cx - lens.fx * framing.place(eye)[0] / z)
    return 100 * (places[1] - places[0]) / framing.camera.width


@given(
    divergence=st.floats(0.1, 10),
    convergence=st.one_of(st.sampled_from(["subject", "near", "far"]), st.floats(0.3, 30)),
)
def test_eyes_never_turn_outwards_nor_cross_too_far(divergence: float, convergence: float | str) -> None:
    scene = layered_scene(48, 32)
    framing = Framing.of(scene, *SIZE)
    stereo = Stereo("sbs", divergence, convergence)
    near, far = depths(scene)
    eyes = place_eyes(scene, stereo, framing)
    assert parallax(framing, stereo, scene, far) <= MOST_BEHIND + 1e-6
    assert parallax(framing, stereo, scene, near) >= -MOST_BEFORE - 1e-6
    assert eyes.apart / 2 <= framing.reach + 1e-9
    wanted = parallax(framing, stereo, scene, far) - parallax(framing, stereo, scene, near)
    assert wanted == pytest.approx(divergence) or eyes.warnings
    assert wanted <= divergence + 1e-6


def test_what_lies_at_the_screen_is_where_it_is_for_both(scene: Scene) -> None:
    framing = Framing.of(scene, *SIZE)
    subject = subject_depth(scene)
    assert parallax(framing, Stereo(), scene, subject) == pytest.approx(0, abs=1e-9)
    assert parallax(framing, Stereo(), scene, subject * 2) > 0
    assert parallax(framing, Stereo(convergence=2.5), scene, 2.5) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("convergence", ["near", "far"])
def test_no_pixel_of_either_view_is_uncovered(scene: Scene, convergence: str) -> None:
    framing = Framing.of(scene, *SIZE)
    eyes = place_eyes(scene, Stereo("sbs", 3.0, convergence), framing)
    shots = plan(scene, Film(size=SIZE, path="swing", seconds=0.5, fps=8), eyes=eyes.pair)
    drawn = Renderer(scene, threads=1)
    assert shots.used <= 0.7 + 1e-6
    for pose in shots.poses:
        for eye in eyes.pair(pose):
            view = drawn.view(framing.lens(eye, shots.crop), framing.place(eye))
            assert (view.alpha == 255).all()


# ---- layouts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        ("sbs", (64, 192)), ("cross", (64, 192)), ("sbs-half", (64, 96)), ("over-under", (128, 96)),
        ("over-under-half", (64, 96)), ("anaglyph", (64, 96)), ("anaglyph-half", (64, 96)), ("anaglyph-grey", (64, 96)),
    ],
)  # fmt: skip
def test_how_views_lie(layout: str, shape: tuple[int, int]) -> None:
    left, right = np.full((64, 96, 3), 40, np.uint8), np.full((64, 96, 3), 200, np.uint8)
    made = arranged(left, right, layout)
    assert made.shape == (*shape, 3)
    if layout.startswith("sbs"):
        assert (made[0, 0, 0], made[0, -1, 0]) == (40, 200)
    if layout == "cross":
        assert (made[0, 0, 0], made[0, -1, 0]) == (200, 40)
    if layout.startswith("over"):
        assert (made[0, 0, 0], made[-1, 0, 0]) == (40, 200)


@pytest.mark.parametrize("kind", ["dubois", "half-colour", "grey"])
def test_anaglyphs_keep_greys_and_give_each_eye_its_own(kind: str) -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    same = anaglyph(grey, grey, kind)  # type: ignore[arg-type]
    assert np.abs(same.astype(int) - grey).max() <= (6 if kind == "dubois" else 1)
    black = np.zeros_like(grey)
    left, right = anaglyph(grey, black, kind), anaglyph(black, grey, kind)  # type: ignore[arg-type]
    assert left[0, 255, 0] > 240 > 40 > left[0, 255, 1]
    assert right[0, 255, 0] < 40 < 240 < right[0, 255, 1]


def test_dubois_is_as_published() -> None:
    # Of red on the left alone: the first column of the left matrix, in linear light.
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 0] = 255
    mixed = anaglyph(red, np.zeros_like(red), "dubois")[0, 0]
    assert ((mixed[0] / 255 + 0.055) / 1.055) ** 2.4 == pytest.approx(0.4561, abs=0.005)
    assert mixed[1] == mixed[2] == 0


def test_a_sphere_shows_each_direction_where_it_is() -> None:
    framing = Framing(Camera.from_fov(60, 90, 60, "user"), (-0.6, 0.6, -0.4, 0.4), 1)
    sphere = Sphere(framing, 360)  # 2 pixels a degree
    flat = np.full((sphere.camera.height, sphere.camera.width, 3), 60, np.uint8)
    for slope in (0.0, 0.3, -0.45):
        column = round(sphere.camera.cx + slope * sphere.camera.fx)
        flat[:, column - 1 : column + 1] = 250
    row = sphere.wrap(flat)[180, :, 0].astype(float)
    assert (row[:90] == 0).all()
    for slope in (0.0, 0.3, -0.45):
        expected = 180 + 2 * np.degrees(np.arctan(slope))
        spot = np.arange(int(expected) - 4, int(expected) + 5)
        weight = np.maximum(row[spot] - 62, 0)
        assert np.average(spot + 0.5, weights=weight) == pytest.approx(expected, abs=0.8)


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "wiggle"])
def test_pictures(scene: Scene, tmp_path: Path, layout: str) -> None:
    made = make_stereo(scene, tmp_path / "a.png", Stereo(layout), Film(size=SIZE), threads=1)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (made.width, made.height)
        seen = np.asarray(picture)
    if layout == "sbs":
        left, right = seen[:, :96].astype(float), seen[:, 96:].astype(float)
        assert np.abs(left - right).mean() > 0.3
    if layout == "vr180":
        assert seen.shape == (64, 128, 3)
        assert (seen[0] == 0).all()
        assert seen[32, 32].any()
        assert seen[32, 96].any()


@pytest.mark.parametrize(("layout", "mode"), [("sbs", 2), ("over-under", 1), ("vr180", 2), ("anaglyph", None)])
def test_films_tell_players_how_the_views_lie(scene: Scene, tmp_path: Path, layout: str, mode: int | None) -> None:
    path = tmp_path / "a.mp4"
    film = Film(size=SIZE, seconds=0.3, fps=10)
    made = make_stereo(scene, path, Stereo(layout), film, threads=1)
    track = read_film(path)
    assert (track.size, len(track.frames)) == ((made.width, made.height), 3)
    assert track.frames.std() > 5, "the index still points at the pictures"
    entry = box(path.read_bytes(), b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")[8:]
    length = struct.unpack(">I", entry[:4])[0]
    assert length == len(entry)
    inner = entry[8 + 78 :]
    if mode is None:
        assert b"st3d" not in inner
    else:
        assert box(inner, b"st3d") == bytes([0, 0, 0, 0, mode])
    if layout == "vr180":
        bounds = box(inner, b"sv3d", b"proj", b"equi")
        assert struct.unpack(">IIIII", bounds) == (0, 0, 0, 1 << 30, 1 << 30)
    assert [one.name for one in tmp_path.iterdir()] == ["a.mp4"]


def test_webm_tells_too(scene: Scene, tmp_path: Path) -> None:
    make_stereo(scene, tmp_path / "a.webm", Stereo("sbs"), Film(size=SIZE, seconds=0.2, fps=10), threads=1)
    # StereoMode (0x53B8), one byte: 1 is side by side, left first.
    assert b"\x53\xb8\x81\x01" in (tmp_path / "a.webm").read_bytes()


def test_a_wiggle_goes_there_and_back(scene: Scene, tmp_path: Path) -> None:
    made = make_stereo(scene, tmp_path / "a.webp", Stereo("wiggle"), Film(size=SIZE), threads=1)
    assert made.frames == 8
    with Image.open(tmp_path / "a.webp") as picture:
        frames = []
        for k in range(8):
            picture.seek(k)
            frames.append(np.asarray(picture.convert("RGB")).astype(int))
    assert np.abs(frames[1] - frames[7]).mean() < 1
    assert np.abs(frames[0] - frames[4]).mean() > 0.3
    with pytest.raises(errors.FormatError):
        make_stereo(scene, tmp_path / "a.jpg", Stereo("wiggle"))


@pytest.mark.parametrize(
    "wrong", [{"layout": "holo"}, {"divergence": 11}, {"convergence": "there"}, {"convergence": -1.0}]
)
def test_what_can_not_be_is_refused(wrong: dict[str, object], scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(errors.SettingsError):
        Stereo(**wrong)  # type: ignore[arg-type]
    with pytest.raises(errors.FormatError):
        make_stereo(scene, tmp_path / "a.bmp")


def test_the_command(tmp_path: Path) -> None:
    bundle.write(layered_scene(48, 32), tmp_path / "s.diorama")
    out = tmp_path / "a.jpg"
    line = ["stereo", str(tmp_path / "s.diorama"), "-o", str(out), "--size", "64x48", "--json"]
    done = CliRunner().invoke(app, [*line, "--layout", "cross", "--divergence", "1.5"])
    assert done.exit_code == 0, done.output
    assert (json.loads(done.stdout)["width"], json.loads(done.stdout)["height"]) == (128, 48)
    assert Image.open(out).size == (128, 48)
    assert CliRunner().invoke(app, [*line, "--divergence", "50"]).exit_code == 2
    assert CliRunner().invoke(app, [*line, "--wiggle"]).exit_code == 2


# ---- among the products ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["webp", "gif", "stereo.jpg", "stereo.mp4", "wiggle.gif", "mp4"])
def test_films_and_stereo_are_products(tmp_path: Path, name: str) -> None:
    scene = layered_scene(48, 32)
    product = PRODUCTS[name]
    quick = {"seconds": 0.2, "fps": 10} if "seconds" in product.options.model_fields else {}
    told: list[float] = []
    path = tmp_path / product.named("cup", product.parse(quick))
    export.save(scene, path, progress=lambda share, _said: told.append(share), **quick)
    assert path.stat().st_size > 100
    assert told == sorted(told)
    assert "enhanced" in product.needs
