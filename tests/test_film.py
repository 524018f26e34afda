"""Films: where the camera goes, what it may see, what a lens does, and the files."""

from __future__ import annotations

import itertools
import json
import math
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from diorama import bundle, errors
from diorama.cli import app
from diorama.film import EASINGS, PATHS, Artist, Film, make_film, plan, poster
from diorama.film import ffmpeg as encoder
from diorama.film.easing import there_and_back
from diorama.film.focus import Lens, aperture_of, defocused, disc
from diorama.film.keyframes import parse, read
from diorama.film.poses import Framing, Pose, reach, subject_depth
from diorama.render import Renderer
from diorama.types import Camera, Scene
from films import boxes, enhanced_scene, read_film
from scenes import final_scene, layered_scene, tiny_scene

SMALL = (96, 64)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return enhanced_scene()


# ---- where the camera goes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("size", [SMALL, (64, 64), (48, 96)])
def test_within_the_travel_no_pixel_is_uncovered(scene: Scene, path: str, size: tuple[int, int]) -> None:
    film = Film(path=path, seconds=1, fps=8, size=size, amplitude=1.0)
    shots = plan(scene, film)
    assert shots.warnings == ()
    assert 0.5 < shots.used <= 1
    drawn = Renderer(scene, threads=1)
    for pose in shots.poses:
        view = drawn.view(shots.framing.lens(pose, shots.crop), shots.framing.place(pose), pose.rotation)
        assert (view.alpha == 255).all()


@given(x=st.floats(-1, 1), y=st.floats(-1, 1), z=st.floats(-0.5, 0.5), pivot=st.one_of(st.none(), st.floats(1, 9)))
def test_no_ray_of_an_allowed_pose_leaves_what_sideways_moves_show(
    x: float, y: float, z: float, pivot: float | None
) -> None:
    framing = Framing(Camera.from_fov(50, 90, 60, "user"), (-0.4663, 0.4663, -0.3109, 0.3109), 0.5)
    pose = Pose((x * 0.4, y * 0.4, z), pivot=pivot)
    crop = framing.crop_for([pose], 1.5)
    corners = framing.corners(pose, crop)
    place = np.array(pose.position)
    # Where the rays cross the photo camera's plane.
    crossing = place[:2] - corners * place[2]
    assert math.isclose(np.abs(crossing).max() / 0.5, framing.used([pose], crop), rel_tol=1e-9)
    if framing.outside([pose], crop) <= 0:
        assert (np.abs(corners) <= np.array([0.4663, 0.3109]) + 1e-4).all()


@pytest.mark.parametrize("path", PATHS)
def test_a_loop_goes_on_from_its_end(scene: Scene, path: str) -> None:
    shots = plan(scene, Film(path=path, seconds=2, fps=12, size=SMALL))
    places = np.array([pose.position for pose in shots.poses])
    steps = np.linalg.norm(np.diff(places, axis=0, append=places[:1]), axis=1)
    # From the last frame to the first is a step like those beside it.
    assert steps[-1] <= 1.2 * max(steps[0], steps[-2]) + 1e-9
    assert steps.max() < 3 * steps.mean() + 1e-9
    artist = Artist(scene, Film(size=SMALL), shots, 1)
    last, first, second = (artist.draw(shots.poses[k]).astype(float) for k in (-1, 0, 1))
    assert np.abs(last - first).mean() <= 1.5 * np.abs(second - first).mean() + 0.5


def test_what_is_gone_round_stays_in_place(scene: Scene) -> None:
    subject = subject_depth(scene)
    framing = Framing.of(scene, *SMALL)
    for position in ((0.05, 0.02, 0.0), (0, -0.04, 0.1), (-0.03, 0, -0.1)):
        pose = Pose(position, pivot=subject)
        lens = framing.lens(pose)
        x, y, z = position
        assert lens.cx + lens.fx * -x / (subject - z) == pytest.approx(framing.camera.cx)
        assert lens.cy + lens.fy * -y / (subject - z) == pytest.approx(framing.camera.cy)


def test_a_dolly_zoom_keeps_the_subjects_size_and_not_that_of_others(scene: Scene) -> None:
    subject = subject_depth(scene)
    shots = plan(scene, Film(path="dolly-zoom", seconds=1, fps=6, size=SMALL, amplitude=1))
    sizes = [shots.framing.lens(pose).fx / (subject - pose.position[2]) for pose in shots.poses]
    assert np.allclose(sizes, sizes[0])
    others = [shots.framing.lens(pose).fx / (3 * subject - pose.position[2]) for pose in shots.poses]
    assert max(others) > 1.05 * min(others)


def test_the_subject_is_the_thing_and_else_the_middle(scene: Scene) -> None:
    assert subject_depth(scene) < 2
    assert subject_depth(replace(scene, segments=None)) > 0


def test_the_tuned_travel_counts() -> None:
    made = final_scene(24, 16)
    assert made.tuning is not None
    half = replace(made, tuning=made.tuning.model_copy(update={"camera_travel": made.tuning.camera_travel / 2}))
    assert reach(half) == pytest.approx(reach(made) / 2)


def test_what_may_show_gaps_is_said(scene: Scene) -> None:
    far = plan(scene, Film(path="circle", amplitude=2, size=SMALL, seconds=1, fps=4))
    assert "200% of the allowed travel" in far.warnings[0].replace(" %", "%")
    assert "no hidden parts" in plan(tiny_scene(), Film(size=SMALL, seconds=1, fps=4)).warnings[0]
    turned = parse({"keyframes": [{"time": 0}, {"time": 1, "rotation": [0, 20, 0]}]})
    said = plan(scene, Film(keys=turned, size=SMALL, fps=4)).warnings
    assert any("beyond the photo's frame" in sentence for sentence in said)


@pytest.mark.parametrize("name", EASINGS)
def test_easings_go_from_0_to_1_without_turning_back(name: str) -> None:
    values = [EASINGS[name](k / 50) for k in range(51)]
    assert values[0] == 0
    assert values[-1] == pytest.approx(1)
    assert all(b >= a for a, b in itertools.pairwise(values))
    assert (there_and_back(0), there_and_back(0.5), there_and_back(1)) == (0, 1, 0)


# ---- keyframes -----------------------------------------------------------------------------------------------------


def test_keyframes_are_met_and_what_is_left_out_stays() -> None:
    path = parse(
        {
            "keyframes": [
                {"time": 0, "position": [0, 0, 0], "fov": 40, "focus": 1},
                {"time": 1, "position": [0.2, 0, 0], "easing": "linear"},
                {"time": 3, "rotation": [0, 10, 0], "fov": 60, "focus": 2},
            ]
        }
    )
    assert path.seconds == 3
    poses = path.poses([0, 0.5, 1, 2, 3, 4], 1.0, None)
    assert [pose.position[0] for pose in poses] == pytest.approx([0, 0.1, 0.2, 0.2, 0.2, 0.2])
    assert [pose.rotation[1] for pose in poses] == pytest.approx([0, 0, 0, 5, 10, 10])
    assert [pose.fov for pose in poses] == pytest.approx([40, 40, 40, 50, 60, 60])
    assert poses[3].focus == pytest.approx(1 / 0.75), "half way in dioptres"
    scaled = parse({"keyframes": [{"time": 0, "position": [1, 0, 0]}], "unit": "travel"}).poses([0], 0.25, None)
    assert scaled[0].position == (0.25, 0, 0)


@pytest.mark.parametrize(
    "values",
    [
        [],
        {"keyframes": []},
        {"keyframes": [{"time": 1}, {"time": 1}]},
        {"keyframes": [{"time": 0, "position": [0, 0]}]},
        {"keyframes": [{"time": 0, "fov": 0}]},
        {"keyframes": [{"time": 0, "speed": 3}]},
        {"keyframes": [{"time": 0, "easing": "bouncy"}]},
        {"keyframes": [{"time": -1}]},
        {"keyframes": [{"time": 0, "focus": float("nan")}]},
    ],
)
def test_wrong_keyframes_are_refused(values: object) -> None:
    with pytest.raises(errors.SettingsError):
        parse(values)


def test_keyframe_files(tmp_path: Path) -> None:
    good, bad = tmp_path / "path.json", tmp_path / "bad.json"
    good.write_text('{"keyframes": [{"time": 0}, {"time": 2}]}')
    bad.write_text("[" * 100_000)
    assert read(good).seconds == 2
    for file in (bad, tmp_path / "none.json"):
        with pytest.raises(errors.SettingsError):
            read(file)


# ---- depth of field ------------------------------------------------------------------------------------------------


@given(aperture=st.floats(0.001, 0.1), focus=st.floats(0.5, 5), z=st.floats(0.5, 50), focal=st.floats(0.01, 0.1))
def test_the_circle_of_confusion_is_the_thin_lenss(aperture: float, focus: float, z: float, focal: float) -> None:
    # A sensor v behind the lens, with 1/f = 1/focus + 1/v; rays through the rim meet at 1/f = 1/z + 1/w.
    v, w = 1 / (1 / focal - 1 / focus), 1 / (1 / focal - 1 / z)
    on_sensor = aperture * abs(v - w) / w
    pixels = 1000 / v  # so that the focal length in pixels is 1000
    camera = Camera.from_focal(1000, 640, 480, "user")
    radius = float(Lens(aperture, focus).radius(np.array([[z]], np.float32), camera)[0, 0])
    assert abs(radius) == pytest.approx(on_sensor * pixels / 2, rel=1e-3, abs=1e-3)
    assert (radius > 0) == (z < focus) or abs(radius) < 1e-3


def test_the_default_blur_is_a_share_of_the_width() -> None:
    camera = Camera.from_focal(800, 1000, 500, "user")
    lens = Lens(aperture_of(2, 1.5, camera), 1.5)
    assert float(lens.radius(np.array([[1e9]], np.float32), camera)[0, 0]) == pytest.approx(-10, rel=1e-4)


def test_what_is_in_focus_stays_as_it_is_and_even_colour_too() -> None:
    rng = np.random.default_rng(2)
    rgb = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert np.array_equal(defocused(rgb, np.zeros((40, 50), np.float32)), rgb)
    even = np.full((60, 80, 3), (200, 30, 90), np.uint8)
    radius = rng.uniform(-12, 12, (60, 80)).astype(np.float32)
    assert np.abs(defocused(even, radius).astype(int) - even).max() <= 1
    half = np.zeros((40, 50), np.float32)
    half[:, 25:] = -8  # behind
    assert np.array_equal(defocused(rgb, half)[:, :25], rgb[:, :25]), "what is behind doesn't bleed over it"


@pytest.mark.parametrize("radius", [0.7, 2.0, 3.4, 10.0, 17.0])
def test_a_point_of_light_becomes_a_disc_of_the_same_energy(radius: float) -> None:
    from diorama.film.focus import LINEAR

    rgb = np.zeros((97, 97, 3), np.uint8)
    rgb[44:52, 44:52] = 255
    blurred = defocused(rgb, np.full((97, 97), -radius, np.float32))
    light, before = (LINEAR[picture].sum() for picture in (blurred, rgb))
    assert light == pytest.approx(before, rel=0.02)
    rows = np.flatnonzero(blurred[..., 0].any(axis=1))
    assert 8 + 2 * radius - 2 <= len(rows) <= 8 + 2 * radius + 3 + 0.7 * radius


@given(st.floats(0.5, 9))
@settings(max_examples=20)
def test_discs_sum_to_1(radius: float) -> None:
    assert disc(radius).sum() == pytest.approx(1, abs=1e-5)


def test_focus_is_seen(scene: Scene) -> None:
    sharp = poster(scene, Film(size=SMALL, path="circle", amplitude=0))
    on_box = poster(scene, Film(size=SMALL, path="circle", amplitude=0, focus="near", blur=4))
    on_wall = poster(scene, Film(size=SMALL, path="circle", amplitude=0, focus="far", blur=4))
    box = np.s_[28:40, 40:56]
    wall = np.s_[-4:]

    def grain(picture: np.ndarray, where: object) -> float:
        blue = picture[where][..., 2].astype(float)  # type: ignore[index]
        return float(np.abs(np.diff(blue, axis=1)).mean())

    assert grain(on_box, box) > 0.9 * grain(sharp, box)
    assert grain(on_box, wall) < 0.6 * grain(sharp, wall)
    assert grain(on_wall, box) < 0.6 * grain(sharp, box)
    assert grain(on_wall, wall) > 0.9 * grain(sharp, wall)


def test_an_f_number_needs_metres(scene: Scene) -> None:
    with pytest.raises(errors.SettingsError, match="unit"):
        plan(scene, Film(size=SMALL, focus="subject", f_number=2, seconds=1))
    metric = replace(scene, depth=replace(scene.depth, scale="metric"))
    shots = plan(metric, Film(size=SMALL, focus="subject", f_number=2, focal_mm=50, seconds=1))
    assert shots.aperture == pytest.approx(0.025)


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ending", "codec"), [(".mp4", "h264"), (".webm", "vp9")])
def test_films_are_read_again(scene: Scene, tmp_path: Path, ending: str, codec: str) -> None:
    film = Film(seconds=0.5, fps=12, size=SMALL, quality=95)
    told: list[float] = []
    made = make_film(
        scene, tmp_path / f"film{ending}", film, progress=lambda _s, share, _t: told.append(share), threads=1
    )
    track = read_film(tmp_path / f"film{ending}")
    assert (track.codec, track.size, track.fps, len(track.frames)) == (codec, SMALL, 12, 6)
    assert (made.width, made.height, made.frames) == (*SMALL, 6)
    assert track.tags.startswith("yuv420p(tv, bt709")
    assert told == sorted(told)
    assert told[-1] == 1
    shots = plan(scene, film)
    wanted = Artist(scene, film, shots, 1).draw(shots.poses[3])
    assert np.abs(track.frames[3].astype(int) - wanted).mean() < 6
    assert [path.name for path in tmp_path.iterdir()] == [f"film{ending}"]


def test_mp4_plays_while_it_loads(scene: Scene, tmp_path: Path) -> None:
    make_film(scene, tmp_path / "a.mp4", Film(seconds=0.2, fps=10, size=SMALL), threads=1)
    names = [name for name, _ in boxes((tmp_path / "a.mp4").read_bytes())]
    assert names.index(b"moov") < names.index(b"mdat")


@pytest.mark.parametrize("ending", [".gif", ".webp"])
@pytest.mark.parametrize("loop", [True, False])
def test_animations_need_no_ffmpeg(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, loop: bool
) -> None:
    monkeypatch.setattr(encoder, "find", lambda: None)
    path = tmp_path / f"a{ending}"
    film = Film(seconds=0.5, fps=12, size=SMALL, quality=90, loop=loop)
    make_film(scene, path, film, threads=1)
    with Image.open(path) as picture:
        assert (picture.size, picture.n_frames) == (SMALL, 6)
        total = 0
        for k in range(6):
            picture.seek(k)
            picture.load()
            total += picture.info["duration"]
            if k == 4:
                shown = np.asarray(picture.convert("RGB"))
        assert abs(total - 500) <= 10
        assert ("loop" in picture.info and picture.info["loop"] == 0) == loop or ending == ".webp"
    shots = plan(scene, film)
    assert np.abs(shown.astype(int) - Artist(scene, film, shots, 1).draw(shots.poses[4])).mean() < 9


def test_without_ffmpeg_the_error_says_what_to_install(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIORAMA_FFMPEG", "no-such-program-here")
    with pytest.raises(errors.EncoderError, match=r"diorama-3d\[video\]"):
        make_film(scene, tmp_path / "a.mp4", Film(seconds=0.5, size=SMALL))
    assert list(tmp_path.iterdir()) == []


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("does", "kind", "said"),
    [
        ("echo 'Unknown encoder libx264' >&2; exit 1", errors.EncoderError, "can't make"),
        ("head -c 20000 >/dev/null; echo 'odd things happened' >&2; exit 3", errors.EncoderError, "odd things"),
        ("head -c 20000 >/dev/null; echo 'write: No space left on device' >&2; exit 3", errors.StorageError, "full"),
        ("cat >/dev/null; exit 4", errors.EncoderError, "nothing"),
    ],
)
def test_what_ffmpeg_says_is_translated(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, kind: type[Exception], said: str
) -> None:
    monkeypatch.setenv("DIORAMA_FFMPEG", script(tmp_path / "ffmpeg", does))
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(kind, match=said):
        make_film(scene, folder / "a.mp4", Film(seconds=1, fps=20, size=SMALL), threads=1)
    assert list(folder.iterdir()) == []


def test_a_stopped_film_leaves_nothing_and_no_process(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = tmp_path / "pid"
    monkeypatch.setenv("DIORAMA_FFMPEG", script(tmp_path / "ffmpeg", f"echo $$ > {noted}; exec cat > /dev/null"))
    old = tmp_path / "a.mp4"
    old.write_bytes(b"the film before")

    def stop(_stage: str, share: float, _said: str) -> None:
        if share > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_film(scene, old, Film(seconds=1, fps=10, size=SMALL), progress=stop, threads=1)
    assert old.read_bytes() == b"the film before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "ffmpeg", "pid"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(noted.read_text()), 0)


def test_webp_is_a_sound_riff_file(scene: Scene, tmp_path: Path) -> None:
    make_film(scene, tmp_path / "a.webp", Film(seconds=0.3, fps=10, size=SMALL), threads=1)
    data = (tmp_path / "a.webp").read_bytes()
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "zigzag"}, {"easing": "bouncy"}, {"seconds": 0}, {"fps": 500}, {"amplitude": -1}, {"size": (101, 64)},
        {"size": (7680, 4320)}, {"focus": "middle"}, {"focus": -1.0}, {"quality": 0}, {"focal_mm": 0.1},
        {"seconds": 100, "fps": 100}, {"blur": float("nan")},
    ],
)  # fmt: skip
def test_films_that_can_not_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(errors.SettingsError):
        Film(**wrong)  # type: ignore[arg-type]


# ---- the command -----------------------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path) -> None:
    bundle.write(layered_scene(48, 32), tmp_path / "s.diorama")
    keys = tmp_path / "path.json"
    keys.write_text('{"keyframes": [{"time": 0}, {"time": 0.5, "position": [0.3, 0, 0]}], "unit": "travel"}')
    out, first = tmp_path / "a.webp", tmp_path / "first.jpg"
    line = ["video", str(tmp_path / "s.diorama"), "-o", str(out), "--fps", "8", "--size", "64x48", "--json"]
    done = CliRunner().invoke(app, [*line, "--keyframes", str(keys), "--poster", str(first), "--focus", "1.5"])
    assert done.exit_code == 0, done.output
    values = json.loads(done.stdout)
    assert (values["frames"], values["width"], values["height"]) == (4, 64, 48)
    assert values["travel_used"] == pytest.approx(0.3 * EASINGS["smooth"](0.75), abs=0.01)
    assert Image.open(first).size == (64, 48)
    for wrong, code in ((["--size", "big"], 2), (["--path", "zigzag"], 2), (["--focus", "there"], 2)):
        assert CliRunner().invoke(app, [*line, *wrong]).exit_code == code
    assert CliRunner().invoke(app, ["video", str(tmp_path / "s.diorama"), "-o", "a.avi"]).exit_code == 2
