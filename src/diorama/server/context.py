"""What the routes of one app share."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from diorama.errors import SettingsError
from diorama.jobs.files import DataFolder, new_id, safe_name
from diorama.jobs.products import Products
from diorama.jobs.runner import Runner
from diorama.jobs.store import Job, Store
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
    previews: Previews = field(default_factory=Previews)
    figures: Figures = field(default_factory=Figures)

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

    def refuse_overflow(self) -> None:
        """Say so before a photo is sent that would be refused.

        Raises:
            QueueFullError: too many jobs wait.
        """
        self.store.refuse_overflow(self.max_queued)

    def add(self, received: Received, name: str, user: str) -> Job:
        """Make a job of an upload, for a user.

        Raises:
            SettingsError: its settings can't be used.
            QueueFullError: too many jobs wait.
            StorageError: the disk is full or refuses.
        """
        job_id, file, size = new_id(), safe_name(name), received.path.stat().st_size
        try:
            settings = web_settings(Settings(), received.settings)
            self.data.adopt(job_id, received.path, file)
            job = self.store.add(job_id, name, file, settings.model_dump(mode="json"), limit=self.max_queued, user=user)
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


def context_of(request: Request) -> Context:
    """The app's context, for `fastapi.Depends`."""
    context: Context = request.app.state.context
    return context


def own_job(request: Request) -> None:
    """Refuse what is asked of another user's job, in the words in which a job that isn't there is refused.

    Raises:
        JobNotFoundError: the address names a job which is not the user's.
    """
    context, job_id = context_of(request), request.path_params.get("job_id")
    if context.users and job_id is not None:
        context.store.check_user(job_id, user_of(request))


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
