"""Where the photos of a batch are worked on: processes of this machine, or a cluster's."""

from __future__ import annotations

import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Protocol

from diorama.batch import work
from diorama.errors import ClusterError
from diorama.jobs.cluster import Cluster
from diorama.jobs.processes import Worker


class Pool(Protocol):
    """Workers that make photos, one at a time each."""

    def free(self) -> int:
        """How many photos could be begun right now."""

    def submit(self, task: work.Task) -> Future[work.Outcome]:
        """Begin a photo on a free worker."""

    def died(self, future: Future[work.Outcome]) -> int:
        """How many workers a finished future's photo has cost; 0: none, it has its outcome or an error of its own."""

    def pids(self) -> list[int]:
        """The workers' process ids on this machine."""

    def close(self) -> None:
        """End everything at once."""


class LocalPool:
    """Spawned processes of this machine, each with its own networks; one that dies is replaced."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._idle: list[Worker] = []
        self._busy: dict[Future[work.Outcome], Worker] = {}

    def free(self) -> int:
        return self._jobs - len(self._busy)

    def submit(self, task: work.Task) -> Future[work.Outcome]:
        worker = self._idle.pop() if self._idle else Worker(warm=False)
        try:
            future = worker.submit(work.make, task)
        except BrokenProcessPool:  # died while it was idle: not this photo's doing
            worker.kill()
            worker = Worker(warm=False)
            future = worker.submit(work.make, task)
        self._busy[future] = worker
        return future

    def died(self, future: Future[work.Outcome]) -> int:
        worker = self._busy.pop(future)
        if isinstance(future.exception(), BrokenProcessPool):
            worker.kill()
            return 1
        self._idle.append(worker)
        return 0

    def pids(self) -> list[int]:
        return [worker.pid for worker in (*self._busy.values(), *self._idle) if worker.pid is not None]

    def close(self) -> None:
        for worker in (*self._busy.values(), *self._idle):
            worker.kill()
        self._busy.clear()
        self._idle.clear()


NOBODY_SECONDS = 120.0
"""How long a cluster may be without a worker: nannies take seconds to start one anew, job queues a little longer."""


FIRST_SECONDS = 20.0
"""How long a batch waits for the first worker."""


class ClusterPool:
    """The workers of a Dask cluster. They have to see the photos and the batch's folder under the same names.

    Args:
        shared: a folder that all of them have to see.
        jobs: the most photos at once; as many as there are workers where None.

    Raises:
        InstallationError: Dask isn't installed.
        ClusterError: the scheduler doesn't answer, or a worker can't do the work.
    """

    def __init__(self, address: str, shared: Path, jobs: int | None) -> None:
        self._cluster = Cluster(address)
        self._jobs = jobs
        self._busy: set[Future[work.Outcome]] = set()
        self._seen = time.monotonic()
        try:
            self._check(shared)
        except BaseException:
            self._cluster.close()
            raise

    def free(self) -> int:
        workers = self._cluster.workers()
        if workers:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > NOBODY_SECONDS:
            raise self._nobody()
        most = workers if self._jobs is None else min(workers, self._jobs)
        return max(0, most - len(self._busy))

    def submit(self, task: work.Task) -> Future[work.Outcome]:
        future = self._cluster.submit(work.make, task)
        self._busy.add(future)
        return future

    def died(self, future: Future[work.Outcome]) -> int:
        self._busy.discard(future)
        if not future.cancelled() and future.exception() is None:
            return 0
        return self._cluster.blame(future)[0]

    def pids(self) -> list[int]:
        return []

    def close(self) -> None:
        for future in self._busy:
            future.cancel()
        self._cluster.close()

    def _check(self, shared: Path) -> None:
        """Before hours of work: is anybody there, and can they do it?"""
        begun = time.monotonic()
        while not (answers := self._cluster.ask(work.sees, shared)):  # they may have been started this moment
            if time.monotonic() - begun > FIRST_SECONDS:
                raise self._nobody()
            time.sleep(0.2)
        for worker, (machine, seen) in answers.items():
            if not seen:
                raise ClusterError(
                    f"The worker {worker} on {machine} doesn't see {shared}.",
                    hint="Photos and results have to be in folders that all machines have under the same name.",
                )

    def _nobody(self) -> ClusterError:
        address = self._cluster.address
        return ClusterError(
            f"The Dask scheduler at {address} has no workers.",
            hint=f"Start some: dask worker {address} --nthreads 1. Then go on with --resume.",
        )
