"""The slots of one server process: each claims a job, hands it to its own worker process, keeps what came of it.

One executor a slot, each with one spawned worker: `concurrent.futures` gives up a whole pool when one worker is
killed, so a bad photo costs its own slot a moment and the others nothing. With a Dask cluster a slot has a place there
instead, and there are as many slots as the cluster has workers.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from diorama import compiling
from diorama.errors import ClusterError, JobNotFoundError, StorageError
from diorama.jobs import making, products, work
from diorama.jobs.cluster import Cluster, ClusterWorker
from diorama.jobs.files import DataFolder, safe_name
from diorama.jobs.owners import Owner
from diorama.jobs.processes import Worker, default_slots, unforeseen
from diorama.jobs.products import Products
from diorama.jobs.store import Claim, Job, Store, claim_of, error_record

if TYPE_CHECKING:
    from diorama.types import Step

log = logging.getLogger(__name__)

Task = work.Task | making.ProductTask

POLL_SECONDS = 1.0
"""How often an idle slot looks for jobs that another server process has queued; its own wake it."""

HEARTBEAT_SECONDS = 2.0
TAKE_BACK_SECONDS = 10.0

STALE_SECONDS = 60.0
"""An owner that was silent this long is taken for dead, even where its lock can't be asked (another machine)."""

STOP_SECONDS = 2.0


class Slot:
    """One thread that feeds one worker."""

    def __init__(self, runner: Runner, number: int) -> None:
        self._runner = runner
        self._number = number
        self._worker: Worker | ClusterWorker | None = None
        self.claim: Claim | None = None
        self._cancelled: Claim | None = None
        self._idle = threading.Event()
        self.thread = threading.Thread(target=self._loop, name=f"slot-{number}", daemon=True)

    @property
    def pid(self) -> int | None:
        """The worker's process id, while there is one."""
        worker = self._worker
        return worker.pid if worker else None

    def cancel(self, claim: Claim) -> None:
        """Kill the worker if it still works on that claim, and wait until the slot has let go of it."""
        if self.claim == claim:
            self._cancelled = claim
            self._idle.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End the worker; the next job starts another."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()

    def _loop(self) -> None:
        runner = self._runner
        try:
            if runner.keep_warm(self):
                self._warm()
            while not runner.stopping.is_set():
                task = self._take()
                if task is None:
                    runner.work_to_do.acquire(timeout=POLL_SECONDS)
                else:
                    self._work(task)
        finally:
            self.kill()

    def _warm(self) -> Worker | ClusterWorker:
        """The worker, started where there is none."""
        if self._worker is None:
            self._worker = self._runner.employ()
        return self._worker

    def _take(self) -> Task | None:
        """Take what has waited longest; under the lock, so that the heartbeat never sees a claim of which no slot
        knows."""
        if not self._runner.has_room(self._number):
            return None
        with self._runner.claiming:
            try:
                task = self._runner.take()
            except StorageError:
                log.exception("the job store can't be used")
                return None
            if task is not None:
                self._idle.clear()
                self.claim = task.claim
            return task

    def _work(self, task: Task) -> None:
        """Attend to a task, whatever happens: a slot never dies of one."""
        claim = task.claim
        try:
            self._attend(task)
        except StorageError:
            # What was made stays in the job's folder; the heartbeat finds the claim forsaken and queues the job again.
            log.exception("the outcome of job %s could not be written", claim.job_id)
        except ClusterError as error:  # its scheduler has gone: not this job's doing
            log.warning("job %s waits again: %s", claim.job_id, error)
            self.kill()
            with suppress(StorageError):
                self._runner.book(claim).give_back(claim)
        except Exception as error:  # such as a system that spawns no more processes
            log.exception("job %s", claim.job_id)
            self.kill()
            with suppress(StorageError):
                self._runner.book(claim).fail(claim, error_record(unforeseen(error)))
        finally:
            self.claim = None
            self._idle.set()

    def _attend(self, task: Task) -> None:
        """See a task through until it is made, has failed, was taken away or the server stops."""
        runner, claim = self._runner, task.claim
        future = self._submit(task)
        told = False
        while not wait([future], timeout=0.1).done:
            if self._cancelled == claim or runner.stopping.is_set():
                self.kill()
                break
            if not told and self._worker is not None and self._worker.compiles:
                told = True
                runner.book(claim).say(claim, compiling.NOTICE)
        if future.done() and not future.cancelled() and future.exception() is None:
            self._keep(claim, future.result())
        elif self._cancelled == claim or runner.stopping.is_set():
            runner.book(claim).give_back(claim)
        else:
            log.warning("the worker died on job %s", claim.job_id)
            self.kill()
            runner.blame(claim, future)
        runner.clear_away(claim)

    def _submit(self, task: Task) -> Future[work.Outcome]:
        run: Callable[..., work.Outcome] = making.run if isinstance(task, making.ProductTask) else work.run
        try:
            return self._warm().submit(run, task)
        except BrokenProcessPool:  # died while it was idle: not this job's doing
            self.kill()
            return self._warm().submit(run, task)

    def _keep(self, claim: Claim, outcome: work.Outcome) -> None:
        book = self._runner.book(claim)
        if outcome.result is not None:
            book.finish(claim, outcome.result)
        elif outcome.error is not None:
            book.fail(claim, outcome.error)


class Runner:
    """All slots of this process, its heartbeat, and the search for jobs whose owner has died.

    Args:
        slots: how many; where None, one for every two cores, or as many as the cluster has workers, now and later.
        cluster: has the jobs made by its workers; by processes of this machine where None.
    """

    def __init__(
        self, store: Store, data: DataFolder, *, slots: int | None = None, cluster: Cluster | None = None
    ) -> None:
        self.store = store
        self.products = Products(store)
        self.data = data
        self.owner = Owner(data.owners)
        self.stopping = threading.Event()
        self.work_to_do = threading.Semaphore(0)
        self.claiming = threading.Lock()
        self._cluster = cluster
        self._grows = slots is None and cluster is not None
        if slots is None:
            slots = default_slots() if cluster is None else max(1, cluster.workers())
        self._slots = [Slot(self, number) for number in range(slots)]
        self._keeper = threading.Thread(target=self._keep_alive, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Take up what a killed server left, then whatever comes.

        Raises:
            StorageError: the data folder can't be written.
        """
        self.owner.appear()
        self._keeper.start()
        for slot in self._slots:
            slot.thread.start()

    def stop(self) -> None:
        """Put running jobs back into the queue and end the workers, within about `STOP_SECONDS`."""
        self.stopping.set()
        for _ in self._slots:
            self.work_to_do.release()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in (*(slot.thread for slot in self._slots), self._keeper):
            if thread.is_alive():
                thread.join(max(0.1, deadline - time.monotonic()))
        self.owner.leave()
        if self._cluster is not None:
            self._cluster.close()

    @property
    def lives(self) -> bool:
        """It was started, and its heartbeat and slots go on."""
        return self._keeper.is_alive() and all(slot.thread.is_alive() for slot in self._slots)

    def wake(self) -> None:
        """A job was queued."""
        self.work_to_do.release()

    def cancel(self, job_id: str, product: str | None = None) -> None:
        """Kill the workers of a job that was deleted, or of one of its products; new ones take their place."""
        for slot in self._slots:
            claim = slot.claim
            if claim is not None and claim.job_id == job_id and product in (None, claim.product):
                slot.cancel(claim)

    def book(self, claim: Claim) -> Store | Products:
        """Where what comes of a claim is written."""
        return self.products if claim.product else self.store

    def take(self) -> Task | None:
        """Claim what has waited longest, if anything does.

        Raises:
            StorageError: the store can't be used.
        """
        row = self.products.claim(self.owner.name)
        if row is not None:
            return self._product_task(row)
        job = self.store.claim(self.owner.name)
        return None if job is None else self.task(job, claim_of(job))

    def _product_task(self, row: products.Row) -> Task | None:
        claim = products.claim_of(row)
        try:
            job = self.store.get(row.job_id)
        except JobNotFoundError:  # deleted this moment
            self.products.forget(row.job_id)
            return None
        stem = Path(safe_name(job.name)).stem
        folder = self.data.job(row.job_id)
        return making.ProductTask(
            claim, self.store.url, folder.path, row.folder, stem, row.product, row.options, folder.store
        )

    def keep_warm(self, slot: Slot) -> bool:
        """Whether this slot's worker is started before there is a job: one is enough for the first photo."""
        return slot is self._slots[0] and self._cluster is None

    def employ(self) -> Worker | ClusterWorker:
        """Who works for a slot."""
        return Worker(behind=True) if self._cluster is None else ClusterWorker(self._cluster)

    def has_room(self, number: int) -> bool:
        """Whether there is a worker for the slot of that number: a cluster's come and go, and its scheduler may."""
        return self._cluster is None or number < self._cluster.workers()

    def blame(self, claim: Claim, future: Future[work.Outcome]) -> None:
        """A worker has died on a task: once more, or no more. A cluster has tried several already.

        Raises:
            ClusterError: it was the cluster that has gone.
        """
        if self._cluster is None:
            self.book(claim).worker_died(claim)
        else:
            _, error = self._cluster.blame(future)
            self.book(claim).fail(claim, error_record(error))
        self.wake()

    def _grow(self) -> None:
        """A slot for each worker that has come to the cluster."""
        if self._grows and self._cluster is not None:
            for number in range(len(self._slots), self._cluster.workers()):
                slot = Slot(self, number)
                self._slots = [*self._slots, slot]  # replaced, never changed: others may be looking at it
                slot.thread.start()

    def task(self, job: Job, claim: Claim) -> work.Task:
        """What the worker has to know."""
        folder = self.data.job(job.id)
        upload = folder.upload(job.upload)
        kept = frozenset(result["folder"] for result in (job.results or {}).values())
        step = cast("Step", job.step)
        # Later steps build on step "original" as it was made, not on strokes that it hasn't seen.
        made = (job.results or {}).get("original", {}).get("corrections", [])
        strokes = (job.corrections or []) if step == "original" else made
        return work.Task(
            claim,
            self.store.url,
            folder.path,
            upload,
            job.settings,
            step,
            job.edits or {},
            kept,
            strokes,
            folder.store,
        )

    def worker_pids(self) -> list[int]:
        """Process ids of the workers that run."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    @property
    def slots(self) -> int:
        """How many jobs are worked on at once."""
        return len(self._slots)

    def clear_away(self, claim: Claim) -> None:
        """Remove what a worker has still written after its job, or its product, was deleted."""
        try:
            self.store.get(claim.job_id)
        except JobNotFoundError:
            self.data.remove(claim.job_id)
            return
        if claim.product:
            try:
                self.products.get(claim.job_id, claim.product)
            except JobNotFoundError:
                self.data.job(claim.job_id).remove_product(claim.product)

    def _keep_alive(self) -> None:
        next_search = 0.0
        while not self.stopping.is_set():
            try:
                if time.monotonic() >= next_search:
                    self._take_back()
                    next_search = time.monotonic() + TAKE_BACK_SECONDS
                self.beat()
                self._grow()
            except StorageError:
                log.exception("the heartbeat could not be written")
            self.stopping.wait(HEARTBEAT_SECONDS)

    def beat(self) -> None:
        """One heartbeat: stop work whose job is gone, and queue again what no slot works on any more."""
        with self.claiming:
            claims = [(slot, slot.claim) for slot in self._slots]
            held = self.store.heartbeat(self.owner.name) | self.products.heartbeat(self.owner.name)
        for slot, claim in claims:
            if claim is not None and claim not in held:
                slot.cancel(claim)
        for claim in held - {claim for _, claim in claims}:
            self.book(claim).give_back(claim)
            self.wake()

    def _take_back(self) -> None:
        for book in (self.store, self.products):
            for _ in range(book.take_back(self.owner.name, STALE_SECONDS, self.owner.lives)):
                self.wake()
