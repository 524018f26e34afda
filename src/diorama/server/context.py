"""What the routes of one app share."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from diorama.errors import QueueFullError, SettingsError, StorageError
from diorama.jobs import space
from diorama.jobs.files import DataFolder, new_id, safe_name
from diorama.jobs.products import Products
from diorama.jobs.quotas import Quotas
from diorama.jobs.runner import Runner
from diorama.jobs.store import Job, Store
from diorama.server.events import Revisions
from diorama.server.fetching import Fetcher
from diorama.server.lan import Lan
from diorama.server.limits import Received
from diorama.server.observing import Figures
from diorama.server.previews import Previews
from diorama.server.schemas import JobOut, job_out
from diorama.server.security import user_of
from diorama.server.users import Users
from diorama.settings import Settings

log = logging.getLogger(__name__)

PREFIX = "/api/v1"

MAX_QUEUED = 64

MOST_PREVIEWS = 8
"""That are made or waited for at once: a second's wait for the last, as a rule."""

LOOK_SECONDS = 60.0
MOST_LOOKS = 10_000


@dataclass
class Context:
    """The store, the folder, the workers; `closing` is set when the server goes down."""

    store: Store
    data: DataFolder
    runner: Runner
    fetcher: Fetcher
    max_queued: int = MAX_QUEUED
    lan: Lan | None = None
    users: Users = field(default_factory=Users)
    closing: bool = field(default=False)
    quotas: Quotas = field(default_factory=Quotas)
    previews: Previews = field(default_factory=Previews)
    _previewing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0
    figures: Figures = field(default_factory=Figures)
    revisions: Revisions = field(init=False)
    _looks: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.revisions = Revisions(self.store)

    @property
    def products(self) -> Products:
        """What was made on demand."""
        return self.runner.products

    def view(self, job: Job) -> JobOut:
        """The job as the API shows it."""
        return job_out(self.store, job, f"{PREFIX}/jobs")

    def jobs_of(self, user: str, limit: int) -> list[JobOut]:
        """A user's newest jobs; where nobody needs a token, all there are."""
        return [self.view(job) for job in self.store.newest(limit, user if self.users else None)]

    def refuse(self, user: str, size: int) -> None:
        """Say so before a photo of `size` bytes is sent that would be refused.

        Raises:
            QueueFullError: too many jobs wait.
            QuotaError: the user keeps too much already.
            StorageError: there is too little room on the disk.
        """
        self.store.refuse_overflow(self.max_queued)
        self.quotas.check(self.store, self.products, user, jobs=1, size=size)
        space.require(self.data.root, size)

    @asynccontextmanager
    async def turn_for_preview(self) -> AsyncIterator[None]:
        """One preview is made at a time, for each uses all that a core has; who waits for a turn holds no thread.

        Raises:
            QueueFullError: too many wait for one.
        """
        if self._waiting >= MOST_PREVIEWS:
            raise QueueFullError("Too many previews are being made.", hint="Try again in a moment.")
        self._waiting += 1
        try:
            async with self._previewing:
                yield
        finally:
            self._waiting -= 1

    def look_is_due(self, job_id: str) -> bool:
        """Whether it is to be written that somebody asks about the job: not more often than every `LOOK_SECONDS`."""
        return time.monotonic() - self._looks.get(job_id, -LOOK_SECONDS) >= LOOK_SECONDS

    def looked_at(self, job_id: str) -> None:
        """Somebody asks about the job: it is kept."""
        if len(self._looks) > MOST_LOOKS:
            self._looks.clear()
        self._looks[job_id] = time.monotonic()
        try:
            self.store.looked_at(job_id)
        except StorageError:  # who looks needs no room on the disk
            log.warning("it could not be written that job %s was looked at", job_id, exc_info=True)

    def add(self, received: Received, name: str, user: str) -> Job:
        """Make a job of an upload, for a user.

        Raises:
            SettingsError: its settings can't be used.
            QueueFullError: too many jobs wait.
            QuotaError: the user keeps too much already.
            StorageError: the disk is full or refuses.
        """
        job_id, file, size = new_id(), safe_name(name), received.path.stat().st_size
        try:
            settings = web_settings(Settings(), received.settings)
            self.quotas.check(self.store, self.products, user, jobs=1, size=size)
            self.data.adopt(job_id, received.path, file)
            values = settings.model_dump(mode="json")
            job = self.store.add(job_id, name, file, values, limit=self.max_queued, user=user, size=size)
        except BaseException:
            received.path.unlink(missing_ok=True)
            self.data.remove(job_id)
            raise
        self.runner.wake()
        log.info("job %s queued", job_id, extra={"job": job_id, "user": user, "bytes": size})
        return job

    def delete(self, job_id: str) -> None:
        """Forget a job, stop its worker and remove its files.

        Raises:
            JobNotFoundError: there is no such job.
        """
        self.store.delete(job_id)
        self.products.forget(job_id)
        self.runner.cancel(job_id)
        self.data.remove(job_id)
        log.info("job %s deleted", job_id, extra={"job": job_id})


async def context_of(request: Request) -> Context:
    """The app's context, for `fastapi.Depends`; asynchronous, or each request would go to a thread and back for it."""
    context: Context = request.app.state.context
    return context


async def own_job(request: Request) -> None:
    """Note that somebody looks at the job. Refuse what is asked of another user's, in the words in which a job that
    isn't there is refused.

    Raises:
        JobNotFoundError: the address names a job which is not the user's.
    """
    context, job_id = await context_of(request), request.path_params.get("job_id")
    if job_id is None:
        return
    if context.users:
        await asyncio.to_thread(context.store.check_user, job_id, user_of(request))
    if context.look_is_due(job_id):
        await asyncio.to_thread(context.looked_at, job_id)


def web_settings(base: Settings, changes: dict[str, Any]) -> Settings:
    """Settings from a request. Depth is a model's name here: a path would be one on the server.

    Raises:
        SettingsError: a name or value is wrong, or the depth model or inpainter unknown.
    """
    from diorama import depth, inpaint

    settings = base.changed(**changes)
    names = ["auto", depth.EMBEDDED, *(model.name for model in depth.models())]
    if settings.depth not in names:
        raise SettingsError(
            f"There is no depth model named '{settings.depth[:60]}'.", hint=f"Use one of: {', '.join(names)}."
        )
    names = ["auto", *(model.name for model in inpaint.models())]
    if settings.inpaint not in names:
        raise SettingsError(
            f"There is no inpainter named '{settings.inpaint}'.", hint=f"Use one of: {', '.join(names)}."
        )
    return settings
