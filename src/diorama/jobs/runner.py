"""The slots of one server process: each claims a job, hands it to its own worker process, keeps what came of it.

One executor a slot, each with one spawned worker: `concurrent.futures` gives up a whole pool when one worker is
killed, so a bad photo costs its own slot a moment and the others nothing.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import secrets
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from diorama.errors import DioramaError, JobNotFoundError, StorageError
from diorama.jobs import work
from diorama.jobs.files import DataFolder
from diorama.jobs.store import Claim, Job, Store, claim_of, error_record

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""How often an idle slot looks for jobs that another server process has queued; its own wake it."""

HEARTBEAT_SECONDS = 2.0
TAKE_BACK_SECONDS = 10.0

STALE_SECONDS = 60.0
"""An owner that was silent this long is taken for dead, even where its lock can't be asked (another machine)."""

STOP_SECONDS = 2.0

_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def default_slots() -> int:
    """Two cores a job: the network and the mesher use more than one."""
    return max(1, (os.cpu_count() or 1) // 2)


class Owner:
    """A server process's name in the store, and a lock file that the system frees when the process ends, however."""

    def __init__(self, folder: Path) -> None:
        self.name = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._folder = folder
        self._lock = FileLock(self._path(self.name))

    def appear(self) -> None:
        """Take the lock."""
        self._lock.acquire(timeout=5)

    def leave(self) -> None:
        """Free the lock."""
        self._lock.release()
        self._path(self.name).unlink(missing_ok=True)

    def lives(self, name: str) -> bool:
        """Whether the owner of that name is a living process."""
        path = self._path(name)
        if not path.exists():
            return False
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        path.unlink(missing_ok=True)
        return False

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"


class Worker:
    """One spawned worker process."""

    def __init__(self) -> None:
        self._executor = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=work.start)
        self.pid: int | None = None
        self._executor.submit(work.process_id).add_done_callback(self._met)
        self._warm: Future[None] = self._executor.submit(work.warm_up)

    def _met(self, future: Future[int]) -> None:
        if not future.cancelled() and future.exception() is None:
            self.pid = future.result()

    def submit(self, task: work.Task) -> Future[work.Outcome]:
        """Start a task.

        Raises:
            BrokenProcessPool: the process has died.
        """
        return self._executor.submit(work.run, task)

    def kill(self) -> None:
        """End the process at once."""
        if self.pid is not None:
            with suppress(OSError):
                os.kill(self.pid, _KILL)
        self._executor.shutdown(wait=False, cancel_futures=True)


class Slot:
    """One thread that feeds one worker."""

    def __init__(self, runner: Runner, number: int) -> None:
        self._runner = runner
        self._worker: Worker | None = None
        self.claim: Claim | None = None
        self._cancelled = threading.Event()
        self._idle = threading.Event()
        self.thread = threading.Thread(target=self._loop, name=f"slot-{number}", daemon=True)

    @property
    def pid(self) -> int | None:
        """The worker's process id, once it runs."""
        return self._worker.pid if self._worker else None

    def warm(self) -> Worker:
        """The worker, started where there is none."""
        if self._worker is None:
            self._worker = Worker()
        return self._worker

    def cancel(self, claim: Claim) -> None:
        """Kill the worker if it still works on that claim, and wait until the slot has let go of it."""
        if self.claim == claim:
            self._cancelled.set()
            self._idle.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End the worker."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()

    def _loop(self) -> None:
        runner = self._runner
        if runner.keep_warm(self):
            self.warm()
        while not runner.stopping.is_set():
            try:
                job = runner.store.claim(runner.owner.name)
            except StorageError:
                log.exception("the job store can't be read")
                job = None
            if job is None:
                runner.work_to_do.acquire(timeout=POLL_SECONDS)
                continue
            self._cancelled.clear()
            self._idle.clear()
            self.claim = claim_of(job)
            try:
                self._attend(job, self.claim)
            except StorageError:
                # The result stays in the job's folder; the claim goes stale and the job is taken up again.
                log.exception("the outcome of job %s could not be written", job.id)
            finally:
                self.claim = None
                self._idle.set()
        self.kill()

    def _attend(self, job: Job, claim: Claim) -> None:
        """Work on a job until it is made, has failed, was taken away or the server stops."""
        runner = self._runner
        try:
            future = self.warm().submit(runner.task(job, claim))
        except BrokenProcessPool:  # died while it was idle: not this job's doing
            self.kill()
            runner.store.give_back(claim)
            return
        while not wait([future], timeout=0.1).done:
            if self._cancelled.is_set() or runner.stopping.is_set():
                self.kill()
                break
        if runner.stopping.is_set():
            runner.store.give_back(claim)
        elif self._cancelled.is_set():
            with suppress(JobNotFoundError):
                runner.store.get(job.id)
                return
            runner.data.remove(job.id)
        else:
            self._keep(claim, future)

    def _keep(self, claim: Claim, future: Future[work.Outcome]) -> None:
        store = self._runner.store
        try:
            outcome = future.result()
        except BrokenProcessPool:
            log.warning("the worker died on job %s", claim.job_id)
            self.kill()
            store.worker_died(claim)
            self._runner.wake()
            return
        except Exception as error:  # what the worker sent could not be sent
            log.exception("job %s", claim.job_id)
            failure = DioramaError(
                f"The worker's answer was lost ({type(error).__name__}).", hint="Run the step once more."
            )
            store.fail(claim, error_record(failure))
            return
        if outcome.result is not None:
            store.finish(claim, outcome.result)
        elif outcome.error is not None:
            store.fail(claim, outcome.error)


class Runner:
    """All slots of this process, its heartbeat, and the search for jobs whose owner has died."""

    def __init__(self, store: Store, data: DataFolder, *, slots: int | None = None) -> None:
        self.store = store
        self.data = data
        self.owner = Owner(data.owners)
        self.stopping = threading.Event()
        self.work_to_do = threading.Semaphore(0)
        self._slots = [Slot(self, number) for number in range(slots or default_slots())]
        self._keeper = threading.Thread(target=self._keep_alive, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Take up what a killed server left, then whatever comes."""
        self.owner.appear()
        self._take_back()
        self._keeper.start()
        for slot in self._slots:
            slot.thread.start()

    def stop(self) -> None:
        """Put running jobs back into the queue and end the workers, within about `STOP_SECONDS`."""
        self.stopping.set()
        for _ in self._slots:
            self.work_to_do.release()
        deadline = time.monotonic() + STOP_SECONDS
        for slot in self._slots:
            slot.thread.join(max(0.0, deadline - time.monotonic()))
        self._keeper.join(max(0.1, deadline - time.monotonic()))
        self.owner.leave()

    def wake(self) -> None:
        """A job was queued."""
        self.work_to_do.release()

    def cancel(self, job_id: str) -> None:
        """Kill the worker of a job that was deleted; a new one takes its place."""
        for slot in self._slots:
            claim = slot.claim
            if claim is not None and claim.job_id == job_id:
                slot.cancel(claim)

    def keep_warm(self, slot: Slot) -> bool:
        """Whether this slot's worker is started before there is a job: one is enough for the first photo."""
        return slot is self._slots[0]

    def task(self, job: Job, claim: Claim) -> work.Task:
        """What the worker has to know."""
        folder = self.data.job(job.id)
        return work.Task(claim, self.store.url, folder.path, folder.upload(job.upload), job.settings, "original")

    def worker_pids(self) -> list[int]:
        """Process ids of the workers that run."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    @property
    def slots(self) -> int:
        """How many jobs are worked on at once."""
        return len(self._slots)

    def _keep_alive(self) -> None:
        next_search = time.monotonic() + TAKE_BACK_SECONDS
        while not self.stopping.wait(HEARTBEAT_SECONDS):
            try:
                claims = [(slot, slot.claim) for slot in self._slots]
                held = self.store.heartbeat(self.owner.name)
                for slot, claim in claims:
                    if claim is not None and (claim.job_id, claim.run) not in held:
                        slot.cancel(claim)
                if time.monotonic() >= next_search:
                    self._take_back()
                    next_search = time.monotonic() + TAKE_BACK_SECONDS
            except StorageError:
                log.exception("the heartbeat could not be written")

    def _take_back(self) -> None:
        for _ in range(self.store.take_back(self.owner.name, STALE_SECONDS, self.owner.lives)):
            self.wake()
