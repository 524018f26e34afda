"""Batches: real workers that are killed, runs that are killed and gone on with, photos that can't be made."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import batches
from diorama import batch, pipeline
from diorama.batch import pools, work
from diorama.batch.journal import FOLDER, Journal
from diorama.batch.photos import find
from diorama.batch.records import File, Problem, Row, Wanted
from diorama.batch.report import COLUMNS, Report
from diorama.batch.run import DEATHS_ALLOWED, wanted
from diorama.cache import Cache
from diorama.errors import BatchError, FormatError, InputError, PhotoError, SettingsError, StorageError
from diorama.settings import Settings
from gltf import Glb

SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)

WANTED = wanted(Settings(), "original", ["glb"], {})


@pytest.mark.slow
def test_24_photos_on_two_workers_of_which_one_is_killed_three_times(tmp_path: Path) -> None:
    folder, out = batches.photos(tmp_path / "photos", 24), tmp_path / "out"
    settings = batches.settings(tmp_path)
    made = batch.Batch([folder], out, settings=settings, to=["glb", "diorama"], until="original", jobs=2, fetch=False)
    killer = batches.Killer(made.worker_pids)
    report = made.run(killer)
    assert len(killer.killed) == 3
    assert [row.photo for row in report.rows] == [str(photo) for photo in sorted(folder.iterdir())]  # none twice
    assert [row.state for row in report.rows] == ["done"] * 24, report.failed
    assert sum(row.deaths for row in report.rows) == 3
    assert {path.name for path in out.iterdir()} == {
        FOLDER,
        *(f"{photo.stem}.{name}" for photo in folder.iterdir() for name in ("glb", "diorama")),
    }
    batches.expect_equal_geometry(folder, out, settings)


def command(*words: object, **how: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "diorama", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **how,
    )


def options(folder: Path) -> list[str]:
    file = folder / "settings.json"
    file.write_text(batches.settings(folder).model_dump_json())
    return ["--settings", str(file), "--until", "original", "--offline", "--jobs", "1"]


@pytest.mark.slow
@pytest.mark.parametrize("stop", [SIGKILL, signal.SIGINT], ids=["killed", "ctrl-c"])
def test_a_stopped_run_goes_on_where_it_was(stop: signal.Signals, tmp_path: Path) -> None:
    folder, out = batches.photos(tmp_path / "photos", 12), tmp_path / "out"
    (folder / "broken.jpg").write_text("no photo")
    words = ["batch", folder, "-o", out, *options(tmp_path)]
    first = command(*words)
    deadline = time.monotonic() + 60
    while len(list(out.glob("*.glb"))) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    first.send_signal(stop)
    _, said = first.communicate(timeout=30)
    journal = [json.loads(line)["row"] for line in (out / FOLDER / "journal.jsonl").read_text().splitlines()[1:]]
    finished = {row["place"] for row in journal if row["state"] == "done"}
    assert 2 <= len(finished) < 12
    if stop == signal.SIGINT:
        assert first.returncode == 130
        assert f"Stopped: {len(finished)} of 13 photos are made." in said
        assert "--resume" in said
    before = {place: (out / f"{place}.glb").stat().st_mtime_ns for place in finished}
    again = command(*words, "--resume", "--json", "--report", tmp_path / "report.csv")
    values = json.loads(again.communicate(timeout=60)[0])
    assert again.returncode == 8  # the broken one
    assert (values["photos"], values["done"], values["failed"]) == (13, 12, 1)
    assert {row["place"] for row in values["rows"] if row["kept"] == "resumed"} == finished
    assert {place: (out / f"{place}.glb").stat().st_mtime_ns for place in finished} == before
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["failed"] + ["done"] * 12
    assert rows[0]["error"] == "photo-format"


def test_the_same_photo_under_two_names_is_made_once(tmp_path: Path) -> None:
    folder, out = batches.photos(tmp_path / "photos", 1), tmp_path / "out"
    (folder / "trip").mkdir()
    shutil.copy(folder / "photo-00.png", folder / "trip" / "copy.png")
    tasks: list[work.Task] = []
    made = batch.Batch([folder], out, settings=batches.settings(tmp_path), until="original", fetch=False)
    pool = InProcess(tasks)
    report = run_on(pool, made)
    assert len(tasks) == 1
    assert [(row.place, row.kept) for row in report.rows] == [("photo-00", ""), ("trip/copy", "same photo")]
    names = [Glb(out / file.path).json["scenes"][0]["name"] for row in report.rows for file in row.files]
    assert names == ["photo-00.png", "copy.png"]


# ---- without processes -----------------------------------------------------------------------------------------


class InProcess:
    """A pool that works in this process, at once."""

    def __init__(self, tasks: list[work.Task], deadly: str = "") -> None:
        self.tasks = tasks
        self.deadly = deadly
        self.pending = 0

    def free(self) -> int:
        return 1 - self.pending

    def submit(self, task: work.Task) -> Future[work.Outcome]:
        self.tasks.append(task)
        self.pending += 1
        future: Future[work.Outcome] = Future()
        if task.targets[0].name == self.deadly:
            future.set_exception(BrokenProcessPool("died"))
        else:
            future.set_result(work.make(task))
        return future

    def died(self, future: Future[work.Outcome]) -> int:
        self.pending -= 1
        return int(isinstance(future.exception(), BrokenProcessPool))

    def pids(self) -> list[int]:
        return []

    def close(self) -> None: ...


def run_on(pool: pools.Pool, made: batch.Batch, progress: batch.Progress | None = None) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pools, "LocalPool", lambda _jobs: pool)
        return made.run(progress)


def test_a_photo_that_kills_workers_is_quarantined(tmp_path: Path) -> None:
    folder, out = batches.photos(tmp_path / "photos", 3), tmp_path / "out"
    tasks: list[work.Task] = []

    def run(resume: bool) -> Report:
        made = batch.Batch(
            [folder], out, settings=batches.settings(tmp_path), until="original", resume=resume, fetch=False
        )
        return run_on(InProcess(tasks, deadly="photo-00.png"), made)

    report = run(resume=False)
    assert [row.state for row in report.rows] == ["quarantined", "done", "done"]
    with pytest.raises(BatchError) as caught:
        report.check()
    assert "but for the quarantined ones" in caught.value.hint
    names = [task.targets[0].name for task in tasks]
    assert names[:3] == ["photo-00.png", "photo-01.png", "photo-02.png"]  # the others don't wait for its next try
    assert names.count("photo-00.png") == report.rows[0].deaths == DEATHS_ALLOWED + 1
    assert report.rows[0].error is not None
    assert report.rows[0].error.code == "worker-died"
    assert "4 worker processes died" in report.rows[0].error.message
    tasks.clear()
    assert [row.state for row in run(resume=True).rows] == ["quarantined", "done", "done"]
    assert not tasks
    assert run(resume=False).rows[0].state == "quarantined"
    assert len(tasks) == 2 + DEATHS_ALLOWED + 1


def test_a_run_that_goes_on_counts_deaths_on(tmp_path: Path) -> None:
    folder, out = batches.photos(tmp_path / "photos", 1), tmp_path / "out"
    tasks: list[work.Task] = []

    def stop(_status: batch.Status) -> None:
        if len(tasks) == DEATHS_ALLOWED:
            raise KeyboardInterrupt

    def run(resume: bool, progress: batch.Progress | None = None) -> Report:
        made = batch.Batch(
            [folder], out, settings=batches.settings(tmp_path), until="original", resume=resume, fetch=False
        )
        return run_on(InProcess(tasks, deadly="photo-00.png"), made, progress)

    with pytest.raises(KeyboardInterrupt):
        run(resume=False, progress=stop)
    (row,) = run(resume=True).rows
    assert (row.state, row.deaths) == ("quarantined", DEATHS_ALLOWED + 1)
    assert DEATHS_ALLOWED < len(tasks) <= DEATHS_ALLOWED + 2


def test_other_settings_and_formats_are_made_anew_and_missing_files_again(tmp_path: Path) -> None:
    folder, out = batches.photos(tmp_path / "photos", 2), tmp_path / "out"
    settings = batches.settings(tmp_path)

    def run(**how: Any) -> list[str]:
        made = batch.Batch([folder], out, until="original", resume=True, fetch=False, **{"settings": settings, **how})
        return [row.kept for row in run_on(InProcess([]), made).rows]

    assert run() == ["", ""]
    assert run() == ["resumed", "resumed"]
    assert run(settings=settings.changed(advisor="off")) == ["resumed", "resumed"]  # this step doesn't read it
    assert run(settings=settings.changed(triangles=2000)) == ["", ""]
    assert run(to=["ply"]) == ["cache", "cache"]  # of the scenes that were kept
    (out / "photo-01.ply").unlink()
    assert run(to=["ply"]) == ["resumed", "cache"]
    assert run(to=["ply"]) == ["resumed", "resumed"]


def test_nothing_is_computed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, settings = batches.photos(tmp_path / "photos", 2), batches.settings(tmp_path)

    def run(out: str, **how: Any) -> Report:
        made = batch.Batch([folder], tmp_path / out, until="original", fetch=False, **{"settings": settings, **how})
        return run_on(InProcess([]), made)

    def kept(report: Report) -> list[str]:
        return [row.kept for row in report.rows]

    first = run("first", to=["glb", "gltf"])
    assert kept(first) == ["", ""]
    make = pipeline.make
    monkeypatch.setattr(pipeline, "make", _refuse)
    again = run("again", to=["glb", "gltf"])
    assert kept(again) == ["cache", "cache"]
    for row, before in zip(again.rows, first.rows, strict=True):
        assert (row.warnings, row.triangles, row.files) == (before.warnings, before.triangles, before.files)
    for path in (tmp_path / "first").glob("photo*"):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
    assert kept(run("other", to=["diorama"], pictures=True)) == ["cache", "cache"]  # of the scene that was kept
    (folder / "photo-00.png").rename(folder / "new.png")
    renamed = run("renamed")
    assert kept(renamed) == ["cache", "cache"]
    assert Glb(tmp_path / "renamed" / "new.glb").json["scenes"][0]["name"] == "new.png"
    assert [row.state for row in run("changed", settings=settings.changed(triangles=2000)).failed] == ["failed"] * 2
    monkeypatch.setattr(pipeline, "make", make)
    Cache().set_limit(0)
    assert kept(run("unlimited")) == ["", ""]
    assert Cache().used().entries == 0


def _refuse(*_given: object, **_how: object) -> Any:
    raise PhotoError("Not again.", hint="It was made.")


def test_a_cache_that_refuses_costs_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = batches.photos(tmp_path / "photos", 1)

    def refuse(*_given: object) -> None:
        raise StorageError("The disk is full.", hint="Free some.")

    monkeypatch.setattr(Cache, "put", refuse)
    made = batch.Batch([folder], tmp_path / "out", settings=batches.settings(tmp_path), until="original", fetch=False)
    row = run_on(InProcess([]), made).rows[0]
    assert (row.state, row.warnings[-1]) == ("done", "It was not kept in the cache: The disk is full.")


def test_a_full_disk_ends_the_batch_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = batches.photos(tmp_path / "photos", 3), tmp_path / "out"
    full = StorageError("The disk is full.", hint="Free some space.")
    settings = batches.settings(tmp_path)
    made = batch.Batch([folder], out, settings=settings, until="original", fetch=False)
    write = work._file

    def refuse(task: work.Task, target: work.Target, *given: Any) -> Any:
        if target.name == "photo-01.png":
            raise full
        return write(task, target, *given)

    monkeypatch.setattr(work, "_file", refuse)
    # The disk takes other files: it was this photo's own misfortune.
    assert [row.state for row in run_on(InProcess([]), made).rows] == ["done", "failed", "done"]

    def no_space(*_given: object) -> Any:
        raise full

    monkeypatch.setattr("diorama.atomic.writing", no_space)
    monkeypatch.setattr(Journal, "_begin", lambda _self: None)
    with pytest.raises(StorageError, match="--resume"):
        run_on(InProcess([]), batch.Batch([folder], out, settings=settings, until="original", fetch=False, resume=True))
    monkeypatch.undo()
    again = batch.Batch([folder], out, settings=settings, until="original", fetch=False, resume=True)
    assert [row.state for row in run_on(InProcess([]), again).rows] == ["done"] * 3


def test_a_photo_that_changes_while_the_batch_runs(tmp_path: Path) -> None:
    folder = batches.photos(tmp_path / "photos", 2)

    def change(_status: batch.Status) -> None:
        (folder / "photo-01.png").write_bytes((folder / "photo-00.png").read_bytes())

    made = batch.Batch([folder], tmp_path / "out", settings=batches.settings(tmp_path), until="original", fetch=False)
    row = run_on(InProcess([]), made, change).rows[1]
    assert row.error is not None
    assert "changed" in row.error.message


def test_time_left_is_told_once_something_is_known(tmp_path: Path) -> None:
    folder = batches.photos(tmp_path / "photos", 3)
    seen: list[batch.Status] = []
    made = batch.Batch([folder], tmp_path / "out", settings=batches.settings(tmp_path), until="original", fetch=False)
    run_on(InProcess([]), made, seen.append)
    assert seen[0].seconds_left is None
    assert seen[-1].seconds_left == 0
    assert [status.last.place for status in seen if status.last] == ["photo-00", "photo-01", "photo-02"]
    assert all(status.total == 3 for status in seen)


# ---- what is asked for -----------------------------------------------------------------------------------------


def places(*sources: str | Path, out: Path = Path("out")) -> list[str]:
    return [found.place for found in find(sources, out)]


def test_photos_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.JPG", "a.png", "notes.md", "sub/c.heic", ".thumbs/d.jpg", "out/a.png", "sub/.e.jpg"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    assert places(".") == ["a-JPG", "a-png", "b", "sub/c"]
    assert places("sub") == ["c"]
    assert places("*.jpg", "*.png") == ["b", "a"]
    assert places("**/*.*") == ["a-JPG", "a-png", "b", "notes", "sub/c"]
    assert places("b.jpg", tmp_path / "b.jpg", "./sub/../b.jpg") == ["b"]
    Path("list.txt").write_text("# a list\n\nsub\nb.jpg\n")
    assert places("list.txt") == ["c", "b"]
    assert places("out", out=Path("out")) == ["a"]  # asked for by name
    for source in ("nowhere", "*.tif"):
        with pytest.raises(InputError):
            find([source], Path("out"))
    Path("list.txt").write_text("b.jpg\nz.jpg\n")
    with pytest.raises(InputError, match=r"Line 2 of list\.txt names z\.jpg"):
        find(["list.txt"], Path("out"))
    Path("list.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="can't be read"):
        find(["list.txt"], Path("out"))


NAMES = st.lists(
    st.sampled_from(["a.jpg", "A.jpg", "a.png", "a-png.jpg", "a-jpg.jpg", "b/a.jpg", "a-2.png"]), min_size=1
)


@given(NAMES)
def test_no_two_photos_share_a_place(names: list[str]) -> None:
    from diorama.batch.photos import _placed

    found = list(_placed((Path(str(number), name), Path(name)) for number, name in enumerate(names)))
    assert len({one.place.casefold() for one in found}) == len(names)


def test_what_can_not_be_asked_for() -> None:
    with pytest.raises(FormatError):
        wanted(Settings(), "final", ["doc"], {})
    with pytest.raises(FormatError, match="segments"):
        wanted(Settings(), "original", ["coco.json"], {})
    with pytest.raises(InputError, match="twice"):
        wanted(Settings(), "final", ["glb", ".GLB"], {})
    with pytest.raises(SettingsError, match="fps"):
        wanted(Settings(), "final", ["glb"], {"fps": 24})


# ---- journal and report ----------------------------------------------------------------------------------------

ROW = Row(photo="trip/été.jpg", place="été", state="done", sha256="0" * 64, seconds=1.5)


def test_a_stop_while_the_journal_is_written_counts_what_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Journal.write

    def interrupted(journal: Journal, key: str, row: Row) -> None:
        write(journal, key, row)
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "write", interrupted)
    folder = batches.photos(tmp_path / "photos", 1)
    made = batch.Batch([folder], tmp_path / "out", settings=batches.settings(tmp_path), until="original", fetch=False)
    with pytest.raises(KeyboardInterrupt):
        made.run()
    assert len(made.report().done) == 1


def test_a_torn_line_of_the_journal_costs_one_photo(tmp_path: Path) -> None:
    journal = Journal(tmp_path, resume=False)
    rows = [ROW.model_copy(update={"place": str(number)}) for number in range(3)]
    for row in rows:
        journal.write("key", row)
    journal.close()
    whole = journal.path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    for cut in range(len(whole) - last, len(whole)):
        journal.path.write_bytes(whole[:cut])
        again = Journal(tmp_path, resume=True)
        assert [again.finished("key", row.place) is not None for row in rows] == [True, True, cut == len(whole) - 1]
        assert again.finished("other", "0") is None
        again.write("key", rows[2])
        again.close()
        assert journal.path.read_bytes() == (whole if cut < len(whole) - 1 else whole + whole[-last:])
    journal.path.write_text("{}\n")
    again = Journal(tmp_path, resume=True)
    assert again.finished("key", "0") is None
    again.close()


def test_two_batches_do_not_share_a_folder(tmp_path: Path) -> None:
    first = Journal(tmp_path, resume=False)
    with pytest.raises(InputError, match="Another batch"):
        Journal(tmp_path, resume=True)
    first.close()
    Journal(tmp_path, resume=True).close()


def test_the_report_may_lie_in_the_folder_that_the_batch_makes(tmp_path: Path) -> None:
    from diorama.cli.batch import _check_report

    _check_report(tmp_path / "out" / "report.html", tmp_path / "out")
    with pytest.raises(StorageError, match="no folder"):
        _check_report(tmp_path / "other" / "report.html", tmp_path / "out")


def test_a_report_is_safe_to_open(tmp_path: Path) -> None:
    evil = '=cmd|"<script>alert(1)</script>'
    rows = (
        ROW.model_copy(update={"files": (File(path="trip/a b#.glb", label="GLB", bytes=10),), "warnings": (evil,)}),
        Row(photo=evil, place="x", state="failed", error=Problem(code="photo", message=evil, hint="No.")),
        Row(photo="late.jpg", place="late"),
    )
    report = Report(rows, WANTED)
    report.write(tmp_path / "r.csv", tmp_path / "out")
    with (tmp_path / "r.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.reader(file))
    assert tuple(read[0]) == COLUMNS
    assert len(read) == 4
    assert all(not cell.startswith("=") for line in read for cell in line)
    report.write(tmp_path / "r.html", tmp_path / "out")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert 'href="out/trip/a%20b%23.glb"' in page
    assert "1 of 3 photos made, 1 failed, 1 not begun" in page
    with pytest.raises(FormatError):
        report.write(tmp_path / "r.pdf", tmp_path)
    assert (len(report.done), len(report.failed), len(report.waiting)) == (1, 1, 1)


def test_what_is_said_of_most_photos_is_said_once(tmp_path: Path) -> None:
    rows = tuple(ROW.model_copy(update={"place": str(n), "warnings": ("Of all.", f"Of {n}.")}) for n in range(3))
    Report(rows, WANTED).write(tmp_path / "r.html", tmp_path)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert [page.count(said) for said in ("Of all.", "Of 0.", "Of 2.")] == [1, 1, 1]


def test_the_key_knows_everything_that_decides() -> None:
    base = Wanted(settings={"a": 1}, step="original", products=(("glb", {}),))
    changes: list[dict[str, Any]] = [{"settings": {"a": 2}}, {"step": "final"}, {"products": (("ply", {}),)}]
    keys = {base.key("0"), base.key("1"), *(base.model_copy(update=change).key("0") for change in changes)}
    assert len(keys) == 5
