"""A job's changes as server-sent events.

The store is asked, not the runner: the job may be worked on by another server process.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from diorama.errors import JobNotFoundError
from diorama.jobs.store import Store
from diorama.server.schemas import JobOut, is_final

POLL_SECONDS = 0.03
"""How often the store is asked while anybody follows a job: half of it is added to every wait, and it takes 1 % of a
core, whoever many follow."""

QUEUE_SECONDS = 1.0
"""A waiting job moves up without changing itself: its place is looked up this often."""

COMMENT_SECONDS = 15.0
RETRY_MS = 2000


class Revisions:
    """The revisions of all jobs that are followed, asked for together: many who follow cost little more than one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._followed: Counter[str] = Counter()
        self._known: dict[str, int | None] = {}
        self._asked = float("-inf")

    @contextmanager
    def following(self, job_id: str) -> Iterator[None]:
        """While somebody follows a job, it is among those that are asked for."""
        self._followed[job_id] += 1
        try:
            yield
        finally:
            self._followed[job_id] -= 1
            if not self._followed[job_id]:
                del self._followed[job_id]
                self._known.pop(job_id, None)

    async def of(self, job_id: str) -> int | None:
        """The revision of a job that is followed, not older than `POLL_SECONDS`; None where there is no such job."""
        now = asyncio.get_running_loop().time()
        if job_id in self._known and now - self._asked < POLL_SECONDS:
            return self._known[job_id]
        self._asked, asked = now, list(self._followed)
        found = await asyncio.to_thread(self._store.revisions, asked)
        self._known = {name: found.get(name) for name in asked if name in self._followed}
        return found.get(job_id)


async def changes(
    revisions: Revisions, job_id: str, view: Callable[[], JobOut], closing: Callable[[], bool]
) -> AsyncIterator[str]:
    """The stream's text: an event `job` at once and at every change, until nothing more will happen by itself.

    Ends with an event `deleted` when the job is, and without a word when the server closes: the browser asks again.
    """
    with revisions.following(job_id):
        async for text in _changes(revisions, job_id, view, closing):
            yield text


async def _changes(
    revisions: Revisions, job_id: str, view: Callable[[], JobOut], closing: Callable[[], bool]
) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    sent: tuple[int | None, int | None] | None = None  # revision and place in the queue
    queued, looked, spoken = False, 0.0, loop.time()
    yield f"retry: {RETRY_MS}\n\n"
    while not closing():
        revision = await revisions.of(job_id)
        if sent is None or revision != sent[0] or (queued and loop.time() - looked >= QUEUE_SECONDS):
            looked = loop.time()
            try:
                job = await asyncio.to_thread(view)
            except JobNotFoundError:
                yield "event: deleted\ndata: {}\n\n"
                return
            if sent != (revision, job.queue_position):
                yield f"id: {revision}\nevent: job\ndata: {job.model_dump_json()}\n\n"
                sent, spoken = (revision, job.queue_position), loop.time()
            if is_final(job):
                return
            queued = job.state == "queued"
        if loop.time() - spoken >= COMMENT_SECONDS:
            spoken = loop.time()
            yield ": still here\n\n"
        await asyncio.sleep(POLL_SECONDS)
