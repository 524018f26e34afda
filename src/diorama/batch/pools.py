"""Where the photos of a batch are worked on: processes of this machine, or a cluster's."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from diorama.batch import work
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
