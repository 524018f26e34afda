"""A Dask cluster on this machine: batches and a server's jobs on its workers, which are killed."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import batches
from batches import SIGKILL
from diorama import batch
from diorama.batch import pools
from diorama.errors import ClusterError, InstallationError
from diorama.jobs import cluster
from diorama.jobs.cluster import Cluster
from diorama.jobs.files import DataFolder
from diorama.jobs.runner import Runner, Slot
from workplace import Workplace


class DaskCluster:
    """A Dask scheduler on loopback, and two workers that are started again when they have died.

    Not by Dask's nannies: they start none anew that dies before they have seen it run.
    """

    def __init__(self, scheduler: Any, address: str) -> None:
        self.scheduler = scheduler
        self.scheduler_address = address
        self._names = (f"worker-{number}" for number in itertools.count())
        self._workers = [self._start(), self._start()]

    def found(self, number: int) -> tuple[int, Any]:
        """A worker's process id, and what the scheduler knows of it; waits until it is there (again)."""
        deadline = time.monotonic() + 60
        while True:
            if self._workers[number][0].poll() is not None:
                self._workers[number] = self._start()
            process, name = self._workers[number]
            for known in [*self.scheduler.workers.values()]:
                if known.name == name:
                    return process.pid, known
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def busy(self, number: int = 0) -> list[int]:
        """The process of a worker, if it has a photo."""
        pid, known = self.found(number)
        return [pid] if known.processing else []

    def close(self) -> None:
        for process, _ in self._workers:
            process.kill()
            process.wait()

    def _start(self) -> tuple[subprocess.Popen[bytes], str]:
        name = next(self._names)
        words = [self.scheduler_address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name]
        command = [sys.executable, "-m", "distributed.cli.dask_worker", "--host", "127.0.0.1", *words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), name


@pytest.fixture(scope="module")
def started() -> Iterator[DaskCluster]:
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None, silence_logs=50) as scheduler:
        cluster = DaskCluster(scheduler.scheduler, scheduler.scheduler_address)
        yield cluster
        cluster.close()


@pytest.fixture
def dask_cluster(started: DaskCluster) -> DaskCluster:
    """Both workers are there, whatever the tests before have killed."""
    for number in range(2):
        started.found(number)
    return started


@pytest.mark.slow
def test_24_photos_on_a_cluster_of_which_a_worker_is_killed_three_times(
    dask_cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = batches.photos(tmp_path / "photos", 24), tmp_path / "out"
    settings = batches.settings(tmp_path)
    made = batch.Batch(
        [folder],
        out,
        settings=settings,
        to=["glb", "diorama"],
        until="original",
        dask=dask_cluster.scheduler_address,
        fetch=False,
    )

    monkeypatch.setattr(cluster, "LOOK_SECONDS", 0)
    killer = batches.Killer(dask_cluster.busy)
    report = made.run(killer)
    assert len(killer.killed) == 3
    assert [row.photo for row in report.rows] == [str(photo) for photo in sorted(folder.iterdir())]  # none twice
    assert [row.state for row in report.rows] == ["done"] * 24, report.failed
    batches.expect_equal_geometry(folder, out, settings)


def test_a_cluster_that_can_not_be_had(
    dask_cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = dask_cluster.scheduler_address
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.2)
    for wrong in ("tcp://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(ClusterError, match="No Dask scheduler answers"):
            cluster.Cluster(wrong)
    with pytest.raises(ClusterError, match="doesn't see"):
        pools.ClusterPool(address, tmp_path / "not there", None)
    monkeypatch.setattr(cluster.Cluster, "ask", lambda *_given: {})
    monkeypatch.setattr(pools, "FIRST_SECONDS", 0.3)
    with pytest.raises(ClusterError, match="no workers"):
        pools.ClusterPool(address, tmp_path, None)
    monkeypatch.undo()
    there = cluster.Cluster(address)
    with pytest.raises(ClusterError, match=r"can't run Diorama: .*No module named"):
        there.ask(_not_installed)
    monkeypatch.setattr(cluster, "__version__", "0.0.1")
    with pytest.raises(ClusterError, match=r"this is 0\.0\.1"):
        there.ask(os.getpid)
    there._fit, there._looked = {}, -60.0
    assert there.workers() == 0  # they are given no work
    there.close()
    with pytest.raises(ClusterError, match="has gone"):
        there.submit(os.getpid)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InstallationError, match="distributed") as caught:
        cluster.Cluster(address)
    assert "pip install 'diorama-3d[cluster]'" in caught.value.hint


def _not_installed() -> None:
    raise ModuleNotFoundError("No module named 'diorama'")


def test_a_photo_that_kills_a_clusters_workers(dask_cluster: DaskCluster, tmp_path: Path) -> None:
    pool = pools.ClusterPool(dask_cluster.scheduler_address, tmp_path, None)
    dask_cluster.scheduler.allowed_failures, allowed = 0, dask_cluster.scheduler.allowed_failures
    try:
        future: Any = pool._cluster.submit(os._exit, 1)
        future.exception(timeout=30)
        assert pool.died(future) == 1
    finally:
        dask_cluster.scheduler.allowed_failures = allowed
    future = Future()
    future.cancel()
    with pytest.raises(ClusterError, match="has gone"):  # as where the scheduler was stopped
        pool.died(future)
    pool.close()


def test_the_clusters_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cluster.address() is None
    monkeypatch.setenv("DIORAMA_DASK", " tcp://there:8786 ")
    assert cluster.address() == "tcp://there:8786"
    assert cluster.address("tcp://here:1") == "tcp://here:1"
    assert cluster.address("off") is None


# ---- a server's jobs -------------------------------------------------------------------------------------------


@contextmanager
def running(place: Workplace, dask_cluster: DaskCluster) -> Iterator[Runner]:
    runner = Runner(place.store, place.data, cluster=Cluster(dask_cluster.scheduler_address))
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()
        place.store.close()


@pytest.mark.slow
def test_a_servers_jobs_on_a_cluster(dask_cluster: DaskCluster, tmp_path: Path) -> None:
    place = Workplace(tmp_path / "data")
    with running(place, dask_cluster) as runner:
        assert (runner.slots, runner.worker_pids()) == (2, [])
        job_id = place.add()
        runner.wake()
        place.wait(job_id, lambda job: job.state == "running")
        while not (pids := dask_cluster.busy() + dask_cluster.busy(1)):
            assert place.store.get(job_id).state == "running"
        os.kill(pids[0], SIGKILL)
        job = place.finished(job_id)
        assert (job.state, job.deaths, job.error) == ("waiting", 0, None)
        assert job.result is not None
        folder = place.data.job(job_id).outputs / job.result["folder"]
        assert {file["name"].split("/")[1] for file in job.result["files"]} == {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_files_travel_through_a_store(dask_cluster: DaskCluster, tmp_path: Path) -> None:
    place = Workplace(tmp_path / "data")
    place.data = DataFolder(tmp_path / "data", (tmp_path / "store").as_uri())
    with running(place, dask_cluster) as runner:
        job_id = place.add()
        runner.wake()
        job = place.finished(job_id)
        assert (job.state, job.error) == ("waiting", None)
        assert job.result is not None
        folder = place.data.job(job_id)
        here = folder.outputs / job.result["folder"]
        assert not here.exists()  # nothing but what was sent through the store
        folder.pull(here)
        assert (here / "scene.glb").stat().st_size > 0


def test_a_worker_that_lacks_the_servers_folder_says_so(dask_cluster: DaskCluster, tmp_path: Path) -> None:
    place = Workplace(tmp_path / "data")
    runner = Runner(place.store, DataFolder(tmp_path / "data"), cluster=Cluster(dask_cluster.scheduler_address))
    job_id = place.add()
    runner.data = DataFolder(tmp_path / "elsewhere")
    slot = Slot(runner, 0)
    task = slot._take()
    assert task is not None
    slot._work(task)
    failed = place.store.get(job_id)
    assert failed.error is not None
    assert "doesn't see" in failed.error["detail"]
    runner.stop()
    place.store.close()


def test_a_scheduler_that_goes_loses_no_job(
    dask_cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Workplace(tmp_path / "data")
    there = Cluster(dask_cluster.scheduler_address)
    runner = Runner(place.store, place.data, cluster=there)
    job_id = place.add()
    slot = Slot(runner, 0)
    task = slot._take()
    assert task is not None
    there.close()
    slot._work(task)
    assert place.store.get(job_id).state == "queued"
    monkeypatch.setattr(cluster, "LOOK_SECONDS", 0)
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.2)
    there.address = "tcp://127.0.0.1:9"
    assert slot._take() is None  # nobody is there
    there.address = dask_cluster.scheduler_address
    assert slot._take() is not None  # it is back
    runner.stop()
    place.store.close()


def test_slots_come_with_workers(dask_cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Workplace(tmp_path / "data")
    with running(place, dask_cluster) as runner:
        assert runner.slots == 2
        monkeypatch.setattr(Cluster, "workers", lambda _self: 3)
        runner._grow()
        assert runner.slots == 3
        assert runner.lives
