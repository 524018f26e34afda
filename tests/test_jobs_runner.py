"""Runner and workers: real processes that are killed, cancelled and started again, and jobs that survive it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from diorama.errors import StorageError
from diorama.jobs import runner as runner_module
from diorama.jobs.owners import Owner
from diorama.jobs.processes import Worker
from diorama.jobs.runner import Runner, Slot
from diorama.jobs.store import Claim, Store, claim_of
from waiting import waited
from workplace import QUICK, SLOW, Workplace, at_stage, slow_photo

SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    place = Workplace(tmp_path / "data")
    yield place
    place.store.close()


@contextmanager
def running(place: Workplace, slots: int = 1) -> Iterator[Runner]:
    runner = Runner(place.store, place.data, slots=slots)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


Busy = tuple[Workplace, Runner]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    """A workplace with one slot at work, for all tests that leave it so."""
    place = Workplace(tmp_path_factory.mktemp("busy"))
    with running(place) as runner:
        yield place, runner
    place.store.close()


def dead(pid: int, seconds: float = 5) -> bool:
    """Whether the process ends in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except OSError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.slow
def test_a_job_is_made_and_made_again_with_what_was_kept(busy: Busy) -> None:
    place, runner = busy
    job_id = place.add()
    runner.wake()
    job = place.finished(job_id)
    assert job.error is None
    assert job.state == "waiting"
    assert job.result is not None
    assert [stage["state"] for stage in job.progress["stages"]] == ["done"] * 5
    assert not any(stage["reused"] for stage in job.progress["stages"])
    assert job.progress["fraction"] == 1
    files = place.data.job(job_id).outputs / job.result["folder"]
    assert {file["name"] for file in job.result["files"]} == {f"original/{path.name}" for path in files.iterdir()}
    assert all((files / file["name"].split("/")[1]).stat().st_size == file["bytes"] for file in job.result["files"])

    def again(**settings: Any) -> dict[str, bool]:
        values = {**job.settings, **settings}
        place.store.rerun(job_id, "original", values, validated=[], limit=9)
        runner.wake()
        return {stage["name"]: stage["reused"] for stage in place.finished(job_id).progress["stages"]}

    before = place.stage_files(job_id)
    changed = again(depth_range=8.0)
    assert changed == {"photo": True, "depth": True, "points": False, "mesh": False, "files": False}
    assert before.items() <= place.stage_files(job_id).items()
    new = place.store.get(job_id).result
    assert new is not None
    assert new["folder"] != job.result["folder"]
    # Back to the settings of before: nothing at all is made.
    after = place.stage_files(job_id)
    assert set(again(depth_range=job.settings["depth_range"]).values()) == {True}
    assert place.stage_files(job_id) == after
    back = place.store.get(job_id).result
    assert back is not None
    same = {"stages": [], "bytes": 0}  # the job has grown
    assert back | same == job.result | same


@pytest.mark.slow
def test_a_killed_worker_costs_one_try_and_no_finished_stage(busy: Busy) -> None:
    place, runner = busy
    job_id = place.add(slow_photo(), **SLOW)
    runner.wake()
    place.wait(job_id, at_stage("mesh"))
    stages = place.data.job(job_id).stages
    place.wait(job_id, lambda _job: any(stages.glob("points-*")))  # it is saved while the mesh is made
    before = place.stage_files(job_id)
    (pid,) = runner.worker_pids()
    os.kill(pid, SIGKILL)
    place.wait(job_id, lambda job: job.deaths == 1)
    again = place.wait(job_id, at_stage("mesh"))
    reused = {stage["name"] for stage in again.progress["stages"] if stage["reused"]}
    assert reused == {"photo", "depth", "points"}
    assert place.stage_files(job_id) == before
    # Once more, and it is the photo's fault.
    os.kill(runner.worker_pids()[0], SIGKILL)
    failed = place.wait(job_id, lambda job: job.state == "failed")
    assert failed.error is not None
    assert failed.error["code"] == "worker-died"
    # The slot lives on.
    quick = place.add()
    runner.wake()
    assert place.finished(quick).state == "waiting"


@pytest.mark.slow
def test_a_deleted_job_stops_at_once_and_leaves_nothing(busy: Busy) -> None:
    place, runner = busy
    doomed, following = place.add(slow_photo(), **SLOW), place.add()
    runner.wake()
    place.wait(doomed, at_stage("mesh"))
    (pid,) = runner.worker_pids()
    start = time.monotonic()
    place.store.delete(doomed)
    runner.cancel(doomed)
    place.data.remove(doomed)
    assert time.monotonic() - start < 4
    assert dead(pid)
    assert place.finished(following).state == "waiting"
    assert following in {path.name for path in (place.data.root / "jobs").iterdir()}
    assert not place.data.job(doomed).path.exists()


@pytest.mark.slow
def test_a_job_deleted_by_another_server_stops_too(busy: Busy) -> None:
    place, runner = busy
    job_id = place.add(slow_photo(), **SLOW)
    runner.wake()
    place.wait(job_id, at_stage("mesh"))
    (pid,) = runner.worker_pids()
    place.store.delete(job_id)
    runner.beat()
    assert dead(pid)
    waited(lambda: not place.data.job(job_id).path.exists(), seconds=5)


@pytest.mark.slow
def test_a_server_that_stops_hands_its_job_back(place: Workplace) -> None:
    with running(place) as runner:
        job_id = place.add(slow_photo(), **SLOW)
        runner.wake()
        place.wait(job_id, at_stage("mesh"))
        (pid,) = runner.worker_pids()
        start = time.monotonic()
    assert time.monotonic() - start < 5
    assert dead(pid)
    job = place.store.get(job_id)
    assert (job.state, job.owner, job.deaths) == ("queued", None, 0)
    assert list(place.data.owners.glob("*.lock")) == []


@pytest.mark.slow
def test_a_bad_photo_fails_with_a_sentence_and_the_next_job_goes_on(busy: Busy) -> None:
    place, runner = busy
    bad, good = place.add(b"\xff\xd8\xff\xe0 no picture"), place.add()
    runner.wake()
    runner.wake()
    failed = place.finished(bad)
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error["code"] == "photo"
    assert failed.error["detail"].endswith(".")
    assert place.finished(good).state == "waiting"


@pytest.mark.slow
def test_jobs_of_a_dead_server_are_taken_up(place: Workplace) -> None:
    job_id = place.add()
    assert place.store.claim("a-server-that-was-killed") is not None
    with running(place):
        job = place.finished(job_id)
    assert job.state == "waiting"
    assert job.run == 2


def test_an_owner_lives_as_long_as_its_lock(tmp_path: Path) -> None:
    me, other = Owner(tmp_path), Owner(tmp_path)
    other.appear()
    assert me.lives(other.name)
    other.leave()
    assert not me.lives(other.name)
    (tmp_path / "killed.lock").touch()  # the file stays, the system has freed the lock
    assert not me.lives("killed")
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_of_owners_on_other_machines_only_the_heartbeat_tells(tmp_path: Path) -> None:
    me, far = Owner(tmp_path / "mine"), Owner(tmp_path / "theirs")
    assert me.name.rpartition("@")[2] != far.name.rpartition("@")[2]
    assert me.lives(far.name)
    assert Owner(tmp_path / "mine").name.rpartition("@")[2] == me.name.rpartition("@")[2]


class FakeWorker:
    """Stands in for a worker process where only the slot is tested."""

    def __init__(self, problem: Exception) -> None:
        self.problem = problem
        self.pid, self.compiles = None, False
        self.killed = False

    def submit(self, *_given: object) -> None:
        raise self.problem

    def kill(self) -> None:
        self.killed = True


def test_a_slot_survives_a_system_that_spawns_no_more(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "Worker", lambda **_how: FakeWorker(OSError("no more processes")))
    with running(place) as runner:
        job_id = place.add()
        runner.wake()
        failed = place.finished(job_id)
        assert failed.error is not None
        assert "OSError" in failed.error["detail"]
        assert failed.error["hint"]


def test_a_forsaken_claim_is_found_by_the_heartbeat(place: Workplace) -> None:
    runner = Runner(place.store, place.data, slots=1)
    job_id = place.add()
    assert place.store.claim(runner.owner.name) is not None  # as if the outcome could not be written
    runner.beat()
    assert place.store.get(job_id).state == "queued"


def test_an_outcome_that_can_not_be_written_leaves_the_claim(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner(place.store, place.data, slots=1)
    slot = Slot(runner, 0)
    job_id = place.add()
    job = place.store.claim(runner.owner.name)
    assert job is not None
    monkeypatch.setattr(slot, "_attend", _refuse)
    slot._work(runner.task(job, claim_of(job)))
    assert slot.claim is None
    assert place.store.get(job_id).state == "running"
    runner.beat()
    assert place.store.get(job_id).state == "queued"


def _refuse(*_args: object) -> None:
    raise StorageError("The disk is full.", hint="Free some space.")


def test_a_store_that_refuses_does_not_end_the_slots(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner(place.store, place.data, slots=1)
    monkeypatch.setattr(Store, "claim", _refuse)
    assert Slot(runner, 0)._take() is None


def test_cancelling_what_is_not_worked_on_does_nothing(place: Workplace) -> None:
    runner = Runner(place.store, place.data, slots=1)
    runner.cancel("nothing")
    slot = Slot(runner, 0)
    slot.claim = Claim("one", "me", 2)
    slot.cancel(Claim("one", "me", 1))
    assert slot._cancelled is None


@pytest.mark.slow
def test_a_worker_that_died_idle_is_replaced(busy: Busy) -> None:
    place, runner = busy
    pids = waited(runner.worker_pids, seconds=30)
    os.kill(pids[0], SIGKILL)
    assert dead(pids[0])
    time.sleep(0.2)  # until the executor has noticed
    job_id = place.add()
    runner.wake()
    job = place.finished(job_id)
    assert (job.state, job.deaths) == ("waiting", 0)


def test_a_worker_that_was_never_started_can_be_killed() -> None:
    worker = Worker()
    worker.kill()
    assert worker.pid is not None
    assert dead(worker.pid)


def test_half_the_cores_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert runner_module.default_slots() == 4
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert runner_module.default_slots() == 1


@pytest.mark.slow
def test_a_full_disk_fails_the_job_and_spoils_nothing(busy: Busy) -> None:
    place, runner = busy
    job_id = place.add()
    stages = place.data.job(job_id).stages
    stages.write_text("a file where the folder should be")
    runner.wake()
    failed = place.finished(job_id)
    assert failed.error is not None
    assert (failed.error["code"], failed.error["status"]) == ("storage", 507)
    stages.unlink()
    place.store.rerun(job_id, "original", {**failed.settings, **QUICK}, validated=[], limit=9)
    runner.wake()
    assert place.finished(job_id).state == "waiting"
