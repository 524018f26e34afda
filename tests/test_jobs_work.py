"""What a worker does with one job, here in the tests' own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bad_inputs
from diorama import Scene, decoder, pipeline
from diorama.errors import PhotoError, StorageError
from diorama.jobs import outputs, processes, reporting, work
from diorama.jobs.reporting import Reporter
from diorama.jobs.store import Store, claim_of
from diorama.jobs.work import Outcome, Task
from diorama.settings import Settings
from diorama.types import Step
from workplace import QUICK, Workplace

ORIGINAL = outputs.OUTPUTS["original"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    place = Workplace(tmp_path / "data")
    yield place
    place.store.close()


def task(place: Workplace, photo: bytes | None = None, step: Step = "original", **settings: Any) -> Task:
    """A job that was just claimed."""
    job_id = place.add(photo, **settings)
    job = place.store.claim("test")
    assert job is not None
    folder = place.data.job(job_id)
    return Task(claim_of(job), place.store.url, folder.path, folder.upload(job.upload), job.settings, step)


def test_a_task_becomes_files_and_numbers(place: Workplace) -> None:
    outcome = work.run(task(place))
    assert outcome.error is None
    assert outcome.result is not None
    assert outcome.result["step"] == "original"
    assert [report["stage"] for report in outcome.result["report"]] == ["photo", "depth", "points", "mesh"]
    assert {file["name"] for file in outcome.result["files"]} == {f"original/{o.name}" for o in ORIGINAL}


def test_the_same_again_is_only_read(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    first = task(place)
    before = work.run(first)
    monkeypatch.setattr(outputs, "make", lambda *_args: pytest.fail("the files were made again"))
    again = work.run(first)
    assert again.error is None
    assert again.result is not None
    assert before.result is not None
    assert again.result | {"stages": []} == before.result | {"stages": []}
    stages = place.store.get(first.claim.job_id).progress["stages"]
    assert all(stage["reused"] and stage["state"] == "done" for stage in stages)


def test_step_3_takes_up_step_2_and_the_edits(place: Workplace) -> None:
    first = task(place)
    made = work.run(first).result
    assert made is not None
    second = replace(first, step="enhanced")
    result = work.run(second).result
    assert result is not None
    assert (result["step"], result["keys"]["mesh"]) == ("enhanced", made["keys"]["mesh"])
    assert [stage["name"] for stage in result["stages"]] == ["segments", "advice", "layers", "files"]
    assert {file["name"] for file in result["files"]} == {f"enhanced/{o.name}" for o in outputs.OUTPUTS["enhanced"]}
    folder = first.folder / "files" / result["folder"]
    name = json.loads((folder / "outlines.json").read_bytes())["segments"][0]["name"]
    edit = {"kind": "rename", "ids": [1], "name": "Cup", "at": [0, 0]}
    edited = work.run(replace(second, edits={result["keys"]["advice"]: [edit], "another": [edit, edit]})).result
    assert edited is not None
    assert edited["folder"] != result["folder"]
    assert [stage["reused"] for stage in edited["stages"]] == [True, True, True, False], "a name changes no layer"
    found = json.loads((first.folder / "files" / edited["folder"] / "outlines.json").read_bytes())["segments"]
    assert (name, found[0]["name"]) == ("Subject", "Cup")
    scene = Scene.load(first.folder / "files" / edited["folder"] / "scene.diorama")
    assert any(mesh.name.startswith("Cup") for mesh in scene.meshes)
    taken_back = work.run(second).result
    assert taken_back is not None
    assert taken_back["folder"] == result["folder"]


def test_step_4_takes_up_step_3(place: Workplace) -> None:
    first = task(place)
    work.run(first)
    enhanced = work.run(replace(first, step="enhanced")).result
    assert enhanced is not None
    result = work.run(replace(first, step="final")).result
    assert result is not None
    assert (result["step"], result["keys"]["layers"]) == ("final", enhanced["keys"]["layers"])
    names = ["plan", "tune", "rebuild", "texture", "synthesis", "files"]
    assert [stage["name"] for stage in result["stages"]] == names
    assert {file["name"] for file in result["files"]} == {f"final/{o.name}" for o in outputs.OUTPUTS["final"]}
    folder = first.folder / "files" / result["folder"]
    scene = Scene.load(folder / "scene.diorama")
    assert (scene.step, result["adviser"]) == ("final", "local")
    told = {line["key"]: line for line in result["suggestions"]}
    assert all(told[outcome.key]["applied"] == outcome.applied for outcome in scene.outcomes)
    # Every line that was advised has its outcome in the end.
    assert all(line["applied"] is not None or line["declined"] for line in result["suggestions"])
    advice = json.loads((folder / "advice.json").read_bytes())
    assert advice["tuning"]["fov"] == scene.tuning.fov
    # What a person declines is listed, and not followed.
    if told:
        key = next(iter(told))
        declining = first.settings | {"declined": key, "declined_plan": key}
        again = work.run(replace(first, step="final", settings=declining)).result
        assert again is not None
        line = next(line for line in again["suggestions"] if line["key"] == key)
        assert (line["declined"], line["applied"]) == (True, None)


def test_the_place_where_the_texture_changed_most() -> None:
    before = np.full((600, 900, 3), 90, np.uint8)
    after = before.copy()
    after[400:420, 700:720] += 50
    one, other = outputs.texture_crops(before, after)
    assert one.shape == other.shape == (384, 384, 3)
    assert (other - one).sum() == (after - before).sum()
    one, other = outputs.texture_crops(before[:100, :90], after[::2, ::2])  # a texture that was enlarged
    assert one.shape == other.shape == (300, 300, 3)
    one, other = outputs.texture_crops(before, after, (0, 0, 0.5, 1))  # what changed is not the photo
    assert np.array_equal(one, other)


def test_results_that_the_job_lists_are_never_pruned(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diorama.jobs.files.KEPT_RESULTS", 1)
    first = task(place)
    listed = work.run(first).result
    assert listed is not None
    other = Settings.parse({**first.settings, "triangles": 2000}).model_dump(mode="json")
    for kept, there in ((frozenset({listed["folder"]}), True), (frozenset[str](), False)):
        work.run(replace(first, settings=other, kept=kept))
        assert (first.folder / "files" / listed["folder"]).exists() == there


def test_the_bundle_is_the_whole_scene(place: Workplace) -> None:
    job = task(place)
    result = work.run(job).result
    assert result is not None
    scene = Scene.load(job.folder / "files" / result["folder"] / "scene.diorama")
    assert (scene.photo.width, scene.photo.height) == (bad_inputs.WIDTH, bad_inputs.HEIGHT)
    assert sum(len(mesh.faces) for mesh in scene.meshes) == result["triangles"]
    assert [report.stage for report in scene.report] == [report["stage"] for report in result["report"]]


def test_errors_become_records(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = work.run(task(place, b"no picture")).error
    assert photo is not None
    assert (photo["code"], photo["status"]) == ("photo-format", 415)
    clear = Image.new("RGBA", (9, 9), (1, 2, 3, 0))
    assert work.run(task(place, bad_inputs.encoded(clear, "PNG"))).error is not None
    for error, word in ((MemoryError(), "memory"), (ZeroDivisionError("secret"), "ZeroDivisionError")):

        def fail(*_args: object, error: Exception = error, **_options: object) -> None:
            raise error

        monkeypatch.setattr(pipeline, "make", fail)
        record = work.run(task(place)).error
        assert record is not None
        assert (record["code"], record["status"]) == ("diorama", 500)
        assert word in record["detail"]
        assert "secret" not in record["detail"]
        assert record["hint"].endswith(".")


@pytest.mark.skipif(not decoder.POSSIBLE, reason="processes can't be forked here")
def test_a_crash_in_a_codec_is_one_failed_job(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    crashing = decoder.Decoder(reader="odd_readers:crash")
    monkeypatch.setattr(processes, "_decoder", lambda: crashing)
    outcome = work.run(task(place))
    crashing.close()
    assert outcome.error is not None
    assert (outcome.error["code"], outcome.error["status"]) == ("photo", 422)
    assert "SIGSEGV" in outcome.error["detail"]


def test_a_lost_claim_ends_the_work_without_a_word(place: Workplace) -> None:
    job = task(place)
    place.store.delete(job.claim.job_id)
    assert work.run(job) == Outcome()
    assert not job.folder.joinpath("files").exists()


def test_progress_only_grows_and_names_every_stage(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[dict[str, Any]] = []
    report = Store.report

    def spy(self: Store, claim: Any, progress: dict[str, Any]) -> bool:
        written.append({**progress, "stages": [dict(stage) for stage in progress["stages"]]})
        return report(self, claim, progress)

    monkeypatch.setattr(Store, "report", spy)
    work.run(task(place))
    fractions = [progress["fraction"] for progress in written]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert list(dict.fromkeys(progress["stage"] for progress in written)) == list(reporting.stage_labels("original"))
    for progress in written:
        states = [stage["state"] for stage in progress["stages"]]
        assert states == sorted(states, key=["done", "running", "pending"].index)
        assert states.count("running") <= 1


def reporter(place: Workplace) -> tuple[Reporter, str]:
    job = task(place)
    return Reporter(place.store, job.claim, Settings.parse(job.settings), "original"), job.claim.job_id


def test_the_time_left_follows_what_is_usual_then_what_is_seen(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    tell, job_id = reporter(place)

    def left() -> float:
        return float(place.store.get(job_id).progress["ends"]) - now[0]

    usual = sum(reporting.TYPICAL_SECONDS[name] for name in reporting.stage_labels("original"))
    tell("photo", 0.0, "Reading the photo")
    assert left() == pytest.approx(usual)
    # Everything takes twice as long as usual: the more of it is seen, the more that is believed.
    for stage in ("photo", "depth", "points"):
        tell(stage, 0.0, "")
        now[0] += 2 * reporting.TYPICAL_SECONDS[stage]
        tell(stage, 1.0, "")
    rest = reporting.TYPICAL_SECONDS["mesh"] + reporting.TYPICAL_SECONDS["files"]
    assert rest < left() < 2 * rest


def test_progress_within_a_stage_is_written_now_and_then(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    tell, job_id = reporter(place)
    tell("photo", 0.0, "Reading the photo")
    before = place.store.revision(job_id)
    for step in range(100):
        now[0] += 0.01
        tell("photo", step / 200, "Reading the photo")
    after = place.store.revision(job_id)
    assert before is not None
    assert after is not None
    assert 3 <= after - before <= 6


def test_reused_stages_cost_nothing_of_the_time_left(place: Workplace) -> None:
    tell, job_id = reporter(place)
    for stage in ("photo", "depth", "points", "mesh"):
        tell(stage, 0.0, "")
        tell.reuse(stage, 12.0)
        tell(stage, 1.0, "")
    tell("files", 0.0, "")
    progress = place.store.get(job_id).progress
    assert progress["fraction"] == 0
    assert progress["stages"][1] == {
        "name": "depth",
        "label": "Estimating depth",
        "state": "done",
        "seconds": 12.0,
        "reused": True,
    }
    tell.reuse("files", 0.0)
    tell("files", 1.0, "")
    assert place.store.get(job_id).progress["fraction"] == 1


def test_progress_that_can_not_be_written_is_no_reason_to_stop(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell, _ = reporter(place)

    def refuse(*_args: object) -> None:
        raise StorageError("Busy.", hint="Wait.")

    monkeypatch.setattr(Store, "report", refuse)
    tell("photo", 0.0, "Reading the photo")


# ---- files -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scene() -> Scene:
    return pipeline.make(bad_inputs.picture(300, 200), Settings.parse(QUICK), until="original", fetch=False)


def test_files_appear_whole_or_not_at_all(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "files" / "original-1"

    def refuse(*_args: object, **_options: object) -> None:
        raise PhotoError("No.", hint="Yes.")

    monkeypatch.setattr("diorama.bundle.write", refuse)
    failing = (*ORIGINAL[:2], outputs.Output("x", "x", "x", True, refuse))
    with monkeypatch.context() as patch:
        patch.setitem(outputs.OUTPUTS, "original", failing)
        with pytest.raises(PhotoError):
            outputs.make(scene, folder, lambda _share: None)
    assert list(folder.parent.iterdir()) == []
    shares: list[float] = []
    monkeypatch.setitem(outputs.OUTPUTS, "original", ORIGINAL[:2])
    outputs.make(scene, folder, shares.append)
    assert outputs.is_made(folder, "original")
    assert shares == [0, 0.5]
    outputs.make(scene, folder, shares.append)  # another worker was faster
    (folder / "depth.jpg").unlink()
    assert not outputs.is_made(folder, "original")
    outputs.make(scene, folder, shares.append)
    assert outputs.is_made(folder, "original")
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_that_can_not_be_put_is_an_error(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StorageError):
        outputs.make(scene, tmp_path / "files", lambda _share: None)
    assert list(tmp_path.iterdir()) == []


def _pixels(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(Image.open(path).convert("RGB"), float)


def test_the_thumbnail_is_the_photo_seen_from_a_little_aside(scene: Scene, tmp_path: Path) -> None:
    by_name = {output.name: output for output in ORIGINAL}
    by_name["thumbnail.jpg"].write(scene, tmp_path / "thumbnail.jpg")
    by_name["photo.jpg"].write(scene, tmp_path / "photo.jpg")
    photo, thumbnail = _pixels(tmp_path / "photo.jpg"), _pixels(tmp_path / "thumbnail.jpg")
    assert thumbnail.shape == photo.shape == (200, 300, 3)
    assert 3 < np.abs(photo - thumbnail).mean() < 60
    assert np.corrcoef(photo.ravel(), thumbnail.ravel())[0, 1] > 0.5


def test_page_pictures_are_no_larger_than_the_page(tmp_path: Path) -> None:
    settings = Settings.parse({"processing_size": 2500, "triangles": 1000, "flip_average": False})
    large = pipeline.make(bad_inputs.picture(2500, 40), settings, until="original", fetch=False)
    for name in ("photo.jpg", "depth.jpg"):
        output = next(output for output in ORIGINAL if output.name == name)
        output.write(large, tmp_path / name)
        assert Image.open(tmp_path / name).size == (2048, 33)


# ---- the process -----------------------------------------------------------------------------------------------


def test_a_warm_worker_has_everything_loaded() -> None:
    processes.warm_up("final")
    assert {"onnxruntime", "cv2", "numba"} <= set(sys.modules)


def test_a_worker_ends_with_its_server() -> None:
    reading, writing = os.pipe()
    code = "import sys; from diorama.jobs import processes; processes._end_with(int(sys.argv[1]))"
    child = subprocess.Popen([sys.executable, "-c", code, str(reading)], pass_fds=[reading])
    os.close(reading)
    time.sleep(0.1)
    assert child.poll() is None
    os.close(writing)
    assert child.wait(20) == 1


def test_only_a_spawned_worker_watches_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    ignored: list[object] = []
    monkeypatch.setattr("signal.signal", lambda *given: ignored.append(given))
    processes.start()
    assert len(ignored) == 1
