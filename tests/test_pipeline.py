"""From a photo to a scene, with checkpoints."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import diorama
import openai_server
from conftest import PhotoPath
from diorama.checkpoints import Checkpoints
from diorama.errors import PhotoError, SettingsError
from diorama.pipeline import STEPS
from diorama.render import render
from diorama.settings import STAGE_NAMES, STEP_STAGES, Settings
from diorama.types import Scene, Step
from scenes import same

SMALL = Settings(processing_size=192, texture_size=256)


class Memory:
    """Checkpoints in a dict, counting what is saved."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Any] = {}
        self.saved: list[str] = []

    def load(self, stage: str, key: str) -> Any:
        return self.kept.get((stage, key))

    def save(self, stage: str, key: str, record: object, report: object) -> None:
        self.kept[stage, key] = (record, report)
        self.saved.append(stage)

    def forget(self, stage: str, key: str) -> None:
        del self.kept[stage, key]


def test_a_photo_becomes_a_scene_that_repeats_it(photo_path: PhotoPath) -> None:
    scene = diorama.make(photo_path("coffee"), until="original", fetch=False)
    assert scene.step == "original"
    assert [stage.stage for stage in scene.report] == list(STEP_STAGES["original"])
    assert (scene.segments, scene.atlas, scene.imagined) == (None, None, 0)
    assert scene.depth.model == "bundled"
    assert len(scene.meshes[0].faces) <= scene.settings.triangles
    view = render(scene)
    error = np.mean((view.rgb.astype(float) - scene.photo.rgb) ** 2)
    assert 10 * np.log10(255**2 / error) > 32
    assert (view.alpha == 255).mean() > 0.995
    assert any("focal length" in warning for warning in scene.warnings)


def test_the_last_step_is_the_default(photo_path: PhotoPath) -> None:
    scene = diorama.make(photo_path("coffee"), SMALL, fetch=False)
    assert scene.step == STEPS[-1] == "final"
    assert [stage.stage for stage in scene.report] == list(STAGE_NAMES)
    assert scene.segments is not None
    assert scene.atlas is scene.texture
    assert 0 < scene.imagined < 1
    assert any(mesh.imagined for mesh in scene.meshes)
    assert any(mesh.alpha is not None for mesh in scene.meshes)


def test_an_enhanced_scene_survives_the_disk(photo_path: PhotoPath, tmp_path: Path) -> None:
    kept = {"until": "enhanced", "fetch": False, "checkpoints": Checkpoints(tmp_path / "stages")}
    scene = diorama.make(photo_path("coffee"), SMALL, **kept)
    scene.save(tmp_path / "x.diorama")
    loaded = Scene.load(tmp_path / "x.diorama")
    again = diorama.make(photo_path("coffee"), SMALL, **kept)
    for other in (loaded, again):
        assert same(other.segments, scene.segments)
        assert same(other.meshes, scene.meshes)
        assert same(other.atlas, scene.atlas)
        assert (other.step, other.imagined) == ("enhanced", scene.imagined)


def test_every_kind_of_source_gives_the_same_scene(photo_path: PhotoPath) -> None:
    path = photo_path("chelsea")
    scenes = [
        diorama.make(source, SMALL, until="original", fetch=False)
        for source in (path, str(path), path.read_bytes(), Image.open(path), np.asarray(Image.open(path)))
    ]
    for scene in scenes[1:]:
        assert np.array_equal(scene.meshes[0].vertices, scenes[0].meshes[0].vertices)


def test_progress_names_every_stage_in_order(photo_path: PhotoPath) -> None:
    seen: list[tuple[str, float]] = []
    diorama.make(photo_path("coffee"), SMALL, fetch=False, progress=lambda stage, share, _: seen.append((stage, share)))
    assert list(dict.fromkeys(stage for stage, _ in seen)) == list(STAGE_NAMES)
    assert all(0 <= share <= 1 for _, share in seen)


def test_finished_stages_are_not_made_again(photo_path: PhotoPath) -> None:
    memory, path = Memory(), photo_path("coffee")
    first = diorama.make(path, SMALL, fetch=False, checkpoints=memory)
    assert memory.saved == list(STAGE_NAMES)
    again = diorama.make(path, SMALL, fetch=False, checkpoints=memory)
    assert memory.saved == list(STAGE_NAMES)
    assert again.report == first.report
    # A changed setting makes its own stage and those after it, and the old results stay.
    for change in ({"triangles": 5000}, {"depth_range": 6}, {"border": 0.5}, {"lit": True}, {"declined": "fov"}):
        before = len(memory.saved)
        changed = SMALL.changed(**change)
        diorama.make(path, changed, fetch=False, checkpoints=memory)
        (stage,) = [name for name in STAGE_NAMES if changed.of_stage(name) != SMALL.of_stage(name)]
        assert memory.saved[before:] == list(STAGE_NAMES[STAGE_NAMES.index(stage) :])


def test_a_run_goes_on_from_the_folder_of_one_that_was_cut_off(photo_path: PhotoPath, tmp_path: Path) -> None:
    def stop_at_points(stage: str, _share: float, _message: str) -> None:
        if stage == "points":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diorama.make(
            photo_path("coffee"), SMALL, fetch=False, progress=stop_at_points, checkpoints=Checkpoints(tmp_path)
        )
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 2
    times = [folder.stat().st_mtime_ns for folder in kept]
    make = partial(diorama.make, photo_path("coffee"), SMALL, until="original", fetch=False)
    scene = make(checkpoints=Checkpoints(tmp_path))
    assert [folder.stat().st_mtime_ns for folder in kept] == times
    plain = make()
    assert np.array_equal(scene.meshes[0].vertices, plain.meshes[0].vertices)


def test_a_depth_file_that_changed_is_read_again(photo_path: PhotoPath, tmp_path: Path) -> None:
    memory, file = Memory(), tmp_path / "depth.npy"
    settings = SMALL.changed(depth=str(file), depth_kind="metric", focal_px=500)
    np.save(file, np.full((400, 600), 2, np.float32))
    make = partial(diorama.make, photo_path("coffee"), settings, until="original", checkpoints=memory)
    near = make()
    assert near.points.z == pytest.approx(2)
    assert near.units == "metric"
    np.save(file, np.full((400, 600), 3, np.float32))
    assert make().points.z == pytest.approx(3)


def test_a_given_focal_length_is_for_the_photo_at_its_full_size(photo_path: PhotoPath) -> None:
    scene = diorama.make(photo_path("coffee"), SMALL.changed(focal_px=600), until="original", fetch=False)
    assert scene.camera.source == "user"
    assert scene.camera.fx == pytest.approx(256)
    assert scene.points.camera.fx == pytest.approx(192)
    assert not any("focal length" in warning for warning in scene.warnings)


def test_transparent_parts_are_left_out(photo_path: PhotoPath) -> None:
    rgb = cv2.imread(str(photo_path("coffee")))[..., ::-1]
    alpha = np.zeros(rgb.shape[:2], np.uint8)
    alpha[100:300, 200:400] = 255
    scene = diorama.make(np.dstack([rgb, alpha]), SMALL, fetch=False)
    cover = (render(scene).alpha == 255).mean()
    assert cover == pytest.approx(200 * 200 / (400 * 600), rel=0.05)


def test_an_advisor_that_could_not_be_asked_is_asked_again(
    photo_path: PhotoPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, path = Memory(), photo_path("coffee")
    with openai_server.serving("good") as gpt:
        port = gpt.server_address[1]
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")  # nobody answers there any more
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def make(until: Step) -> Scene:
        settings = SMALL.changed(advisor="openai")
        return diorama.make(path, settings, until=until, fetch=False, checkpoints=memory)

    failed = make("enhanced")
    assert failed.advice.adviser == "local"
    assert any(f"127.0.0.1:{port}" in warning for warning in failed.warnings)
    made = len(memory.saved)
    make("original")
    assert len(memory.saved) == made
    with openai_server.serving("good", port) as gpt:
        asked = make("enhanced")
        assert asked.advice.adviser == "openai"
        assert gpt.requests == 1
        assert memory.saved[made:] == ["advice", "layers"]  # and what follows from it
        make("enhanced")
        assert gpt.requests == 1
        assert make("final").plan.adviser == "openai"
        assert gpt.requests == 2


def test_clear_errors(photo_path: PhotoPath) -> None:
    with pytest.raises(SettingsError, match="original, enhanced, final"):
        diorama.make(photo_path("coffee"), until="last")
    with pytest.raises(PhotoError):
        diorama.make(b"no picture at all")
    with pytest.raises(PhotoError, match="transparent"):
        diorama.make(np.zeros((40, 40, 4), np.uint8), SMALL, fetch=False)


def test_names_are_loaded_on_use() -> None:
    for name in diorama.__all__:
        assert getattr(diorama, name) is not None
    code = "import diorama, sys; print(set(diorama.__all__) <= set(dir(diorama)), 'diorama.types' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "False"], "the Tab key shows what is not loaded yet"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = diorama.nothing  # type: ignore[attr-defined]


def test_better_weights_make_another_depth(photo_path: PhotoPath, monkeypatch: pytest.MonkeyPatch) -> None:
    from diorama import depth

    memory = Memory()
    make = partial(diorama.make, photo_path("coffee"), SMALL, until="original", fetch=False, checkpoints=memory)
    make()
    stages = STEP_STAGES["original"]
    assert memory.saved == list(stages)
    monkeypatch.setattr(depth, "choice", lambda _settings: "midas-v21-small")
    make()
    assert memory.saved[len(stages) :] == list(stages[1:])


def test_an_inpainter_that_fails_is_replaced_and_it_is_said(
    photo_path: PhotoPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diorama import inpaint
    from diorama.errors import ModelError

    real = inpaint.fill

    def fill(*arguments: Any, model: str, **more: Any) -> Any:
        if model == "migan":
            raise ModelError("The network broke.", hint="Mend it.")
        return real(*arguments, model=model, **more)

    monkeypatch.setattr(inpaint, "fill", fill)
    monkeypatch.setattr(inpaint, "choose", lambda name="auto", **_: ("migan" if name == "auto" else name, ""))
    scene = diorama.make(photo_path("coffee"), SMALL, until="enhanced", fetch=False)
    assert scene.report[-1].backend == "bundled"
    assert any("The network broke. The bundled" in warning for warning in scene.warnings)
    with pytest.raises(ModelError):
        diorama.make(photo_path("coffee"), SMALL.changed(inpaint="migan"), fetch=False)
