"""The store of jobs: what a user does with them, and what a runner does. One row a job."""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import URL, delete, func, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from diorama.errors import JobError, JobNotFoundError, QueueFullError, WorkerDiedError
from diorama.jobs import turns
from diorama.jobs.claims import Book, Claim, error_record
from diorama.jobs.database import address, bring_up_to_date, one_at_a_time, open_engine
from diorama.jobs.tables import Job, Product

__all__ = ["FINISHED", "Claim", "Job", "Store", "claim_of", "error_record"]

FINISHED = ("waiting", "done", "failed")
"""States in which nothing is being made."""

_QUEUED = select(func.count()).where(Job.state == "queued")


class Store(Book[Job]):
    """Jobs in a database: the file of an SQLite one, which is made where it isn't there, or an SQLAlchemy address.

    Every method raises StorageError when the database refuses (a full disk, a file that may not be written).

    Raises:
        InstallationError: the database's driver isn't installed.
        SettingsError: the address is none.
    """

    kind = Job
    died = WorkerDiedError(
        "The worker stopped twice while it worked on this photo, most likely for lack of memory.",
        hint="Run it again with a smaller geometry detail and texture size, or choose another photo.",
    )

    def __init__(self, place: Path | URL | str) -> None:
        self.url = address(place)
        super().__init__(open_engine(self.url))

    def create_tables(self) -> None:
        """Make the tables where they aren't there, and bring an older version's up to date; several processes may do
        so at once."""
        bring_up_to_date(self._engine)

    @property
    def engine(self) -> Engine:
        """For tables beside the jobs'."""
        return self._engine

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    # ---- what a user does ------------------------------------------------------------------------------------

    def add(
        self,
        job_id: str,
        name: str,
        upload: str,
        settings: dict[str, Any],
        *,
        limit: int,
        user: str = "",
        size: int = 0,
    ) -> Job:
        """Queue a new job of `user`, whose upload takes `size` bytes.

        Raises:
            QueueFullError: `limit` jobs wait already.
        """
        now = time.time()
        times = {"created": now, "updated": now, "queued_at": now, "seen": now}
        job = Job(id=job_id, name=name, upload=upload, user=user, bytes=size, settings=settings, **times)
        with self._session() as session:
            one_at_a_time(session)
            session.add(job)
            session.flush()  # takes SQLite's write lock, so that the count below is the truth
            _refuse_overflow(session, limit)
            session.commit()
        return job

    def refuse_overflow(self, limit: int) -> None:
        """Raise QueueFullError when `limit` jobs wait already."""
        with self._session() as session:
            _refuse_overflow(session, limit - 1)

    def get(self, job_id: str) -> Job:
        """A job as it is now.

        Raises:
            JobNotFoundError: there is none of that id.
        """
        with self._session() as session:
            job = session.get(Job, job_id)
        if job is None:
            raise _not_found()
        return job

    def check_user(self, job_id: str, user: str) -> None:
        """Raise JobNotFoundError where there is no such job or it is another user's: who asks can't tell which."""
        with self._session() as session:
            if session.scalar(select(Job.user).where(Job.id == job_id)) != user:
                raise _not_found()

    def newest(self, limit: int, user: str | None = None) -> Sequence[Job]:
        """The newest jobs first: a user's, or everybody's where that is None."""
        asked = select(Job) if user is None else select(Job).where(Job.user == user)
        with self._session() as session:
            return session.scalars(asked.order_by(Job.created.desc()).limit(limit)).all()

    def revision(self, job_id: str) -> int | None:
        """The number of changes so far; None where there is no such job."""
        return self.revisions([job_id]).get(job_id)

    def revisions(self, job_ids: Collection[str]) -> dict[str, int]:
        """The same of several jobs, of those that there are. Cheap, for those who watch."""
        with self._session() as session:
            rows = session.execute(select(Job.id, Job.revision).where(Job.id.in_(job_ids))).all()
        return {row[0]: row[1] for row in rows}

    def queue_position(self, job: Job) -> int:
        """How many jobs will be claimed before this one."""
        with self._session() as session:
            return turns.place(session, job)

    def states(self) -> dict[str, int]:
        """How many jobs are in which state, of those in which there are any."""
        with self._session() as session:
            rows = session.execute(select(Job.state, func.count()).group_by(Job.state)).all()
        return {row[0]: row[1] for row in rows}

    def queue_length(self) -> int:
        """How many jobs wait for a worker."""
        with self._session() as session:
            return session.scalar(_QUEUED) or 0

    def validate(self, job_id: str, step: str, following: str | None) -> Job:
        """The user accepts a finished step: the job goes on with the `following` one or, without one, is done.

        Raises:
            JobNotFoundError: there is no such job.
            JobError: the job doesn't wait at that step.
        """
        job = self.get(job_id)
        values: dict[str, Any] = {"state": "done"} if following is None else _requeued(following)
        values["validated"] = [*(name for name in job.validated if name != step), step]
        waits = (Job.id == job_id) & (Job.state == "waiting") & (Job.step == step) & (Job.run == job.run)
        if not self._change(waits, **values):
            job = self.get(job_id)
            raise JobError(
                f"Step '{step}' can't be validated: the job is {job.state} at step '{job.step}'.",
                hint="Wait until the step is finished, then validate it once.",
            )
        return self.get(job_id)

    def rerun(
        self,
        job_id: str,
        step: str,
        settings: dict[str, Any],
        *,
        validated: list[str],
        limit: int,
        edits: dict[str, Any] | None = None,
        seen: int | None = None,
    ) -> Job:
        """Make a step again with other settings or edits; what was made stays until the new result is there.

        Args:
            edits: the job's edits from now on; as they are where None.
            seen: the revision of the job to which the request refers; any where None.

        Raises:
            JobNotFoundError: there is no such job.
            JobError: the job is queued or running, or has changed since `seen`.
            QueueFullError: `limit` jobs wait already.
        """
        rests = (Job.id == job_id) & Job.state.in_(FINISHED)
        if seen is not None:
            rests &= Job.revision == seen
        values = _requeued(step) | {"settings": settings, "validated": validated, "error": None}
        if edits is not None:
            values["edits"] = edits
        with self._session() as session:
            one_at_a_time(session)
            changed = session.execute(update(Job).where(rests).values(self._stamped(values))).rowcount  # type: ignore[attr-defined]
            if changed:
                _refuse_overflow(session, limit)
                session.commit()
        job = self.get(job_id)
        if not changed and job.state in FINISHED:
            raise JobError("The job has changed in the meantime.", hint="Look at it again, then try again.")
        if not changed:
            raise JobError(
                f"The job is {job.state}: it can't be run again yet.", hint="Wait until it is finished, or delete it."
            )
        return job

    def correct(self, job_id: str, corrections: list[Any], *, seen: int) -> Job:
        """Keep strokes of the correction brush for the next run of step "original".

        Args:
            seen: the revision of the job to which the request refers.

        Raises:
            JobNotFoundError: there is no such job.
            JobError: the job is queued or running, or has changed since `seen`.
        """
        rests = (Job.id == job_id) & Job.state.in_(FINISHED) & (Job.revision == seen)
        if self._change(rests, corrections=corrections):
            return self.get(job_id)
        if self.get(job_id).state in FINISHED:
            raise JobError("The job has changed in the meantime.", hint="Look at it again, then try again.")
        raise JobError("The job is being worked on.", hint="Wait until it is finished, then correct its depth.")

    def delete(self, job_id: str) -> None:
        """Forget a job. Whoever works on it finds its claim gone.

        Raises:
            JobNotFoundError: there is no such job.
        """
        self.get(job_id)
        with self._write() as connection:
            connection.execute(delete(Job).where(Job.id == job_id))

    # ---- what is kept, and for how long ----------------------------------------------------------------------

    def usage(self, user: str) -> tuple[int, int]:
        """How many jobs are kept for a user, and their bytes without products."""
        asked = select(func.count(), func.coalesce(func.sum(Job.bytes), 0)).where(Job.user == user)
        with self._session() as session:
            count, size = session.execute(asked).one()
        return int(count), int(size)

    def looked_at(self, job_id: str) -> None:
        """Somebody looks at the job: it isn't old. No change that watchers hear of."""
        with self._write() as connection:
            connection.execute(update(Job).where(Job.id == job_id).values(seen=time.time()))

    def unseen_since(self, before: float) -> Sequence[str]:
        """The ids of jobs that nobody has looked at, and nothing was made of, since then."""
        with self._session() as session:
            return session.scalars(select(Job.id).where(_unseen(before))).all()

    def remove_unseen(self, job_id: str, before: float) -> bool:
        """Forget such a job; False: somebody looks at it now, or another server was faster."""
        with self._write() as connection:
            return connection.execute(delete(Job).where(Job.id == job_id, _unseen(before))).rowcount > 0

    def is_running(self, job_id: str) -> bool:
        """Whether the job or something of it is being made."""
        job = select(Job.id).where(Job.id == job_id, Job.state == "running")
        product = select(Product.id).where(Product.job_id == job_id, Product.state == "running")
        with self._session() as session:
            return bool(session.scalar(select(job.exists() | product.exists())))

    # ---- what a runner does ----------------------------------------------------------------------------------

    def claim(self, owner: str) -> Job | None:
        """Take the job whose turn it is (`jobs.turns`), if it is one's; its `Claim` is `claim_of(job)`."""
        while True:
            with self._session() as session:
                following = turns.next_waiting(session)
                if following is None or following.product:
                    return None
                job = self._take(session, Job.id == following.job_id, owner)
                if job is not None:
                    turns.taken(session, following.user)
                session.commit()
            if job is not None:
                return job

    def report(self, claim: Claim, progress: dict[str, Any]) -> bool:
        """Write how far a job is; False: the claim is gone, stop working."""
        return self._change(self._held(claim), progress=progress)

    def say(self, claim: Claim, message: str) -> None:
        """Why nothing of a job that was taken has begun yet."""
        self.report(claim, {"message": message})

    def finish(self, claim: Claim, result: dict[str, Any]) -> bool:
        """The step that `result` names is made and waits for the user."""
        # Whoever holds the claim is the only one to write results, so nothing is lost between reading and writing.
        with self._session() as session:
            results = session.scalar(select(Job.results).where(self._held(claim))) or {}
        others = {name: made for name, made in results.items() if name != result["step"]}
        results = {**others, result["step"]: result}  # the newest last
        size = {"bytes": result["bytes"]} if "bytes" in result else {}
        return self._change(self._held(claim), state="waiting", results=results, owner=None, deaths=0, **size)

    def typical_seconds(self, step: str, processing_size: int, sample: int = 8) -> dict[str, float]:
        """Median seconds by stage of the last jobs' results of `step` at this processing size, of stages that were
        really made."""
        recent = select(Job.results).where(Job.results.is_not(None)).order_by(Job.updated.desc())
        with self._session() as session:
            rows = session.scalars(recent.limit(sample)).all()
        seconds: dict[str, list[float]] = {}
        for results in rows:
            result = (results or {}).get(step, {})
            if result.get("settings", {}).get("processing_size") != processing_size:
                continue
            for stage in result.get("stages", []):
                if stage["state"] == "done" and not stage["reused"] and stage["seconds"] is not None:
                    seconds.setdefault(stage["name"], []).append(stage["seconds"])
        return {name: statistics.median(values) for name, values in seconds.items()}

    # ---- what a claim is to jobs -----------------------------------------------------------------------------

    fresh: ClassVar[dict[str, Any]] = {"progress": {}}

    def _named(self, claim: Claim) -> ColumnElement[bool]:
        return Job.id == claim.job_id

    def _claim(self, row: Any) -> Claim:
        return Claim(row.id, row.owner, row.run)

    def _stamped(self, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "updated": time.time(), "revision": Job.revision + 1}


def claim_of(job: Job) -> Claim:
    """The claim under which a job just taken is worked on."""
    assert job.owner is not None
    return Claim(job.id, job.owner, job.run)


def _refuse_overflow(session: Session, limit: int) -> None:
    waiting = session.scalar(_QUEUED) or 0
    if waiting > limit:
        session.rollback()
        raise QueueFullError(
            f"{waiting} photos are waiting already.", hint="Try again in a minute, or delete jobs that are waiting."
        )


def _unseen(before: float) -> ColumnElement[bool]:
    being_made = select(Product.id).where(Product.job_id == Job.id, Product.state.in_(("queued", "running")))
    rests = Job.state.in_(FINISHED) & ~being_made.exists()
    return rests & (Job.seen < before) & (Job.updated < before)


def _requeued(step: str) -> dict[str, Any]:
    return {"state": "queued", "step": step, "queued_at": time.time(), "owner": None, "deaths": 0}


def _not_found() -> JobNotFoundError:
    return JobNotFoundError("There is no job of that address.", hint="It may have been deleted: upload again.")
