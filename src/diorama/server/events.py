"""A job's changes as server-sent events.

The store is asked, not the runner: the job may be worked on by another server process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from diorama.errors import JobNotFoundError
from diorama.jobs.store import Store
from diorama.server.schemas import JobOut, is_final

POLL_SECONDS = 0.2
QUEUE_SECONDS = 1.0
"""A waiting job moves up without changing itself: its place is looked up this often."""

COMMENT_SECONDS = 15.0
RETRY_MS = 2000


async def changes(
    store: Store, job_id: str, view: Callable[[], JobOut], closing: Callable[[], bool]
) -> AsyncIterator[str]:
    """The stream's text: an event `job` at once and at every change, until nothing more will happen by itself.

    Ends with an event `deleted` when the job is, and without a word when the server closes: the browser asks again.
    """
    loop = asyncio.get_running_loop()
    sent: tuple[int | None, int | None] | None = None  # revision and place in the queue
    queued, looked, spoken = False, 0.0, loop.time()
    yield f"retry: {RETRY_MS}\n\n"
    while not closing():
        revision = await asyncio.to_thread(store.revision, job_id)
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
