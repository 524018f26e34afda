"""The store: one row a job. Every change of state is one UPDATE that names the state it starts from.

Several server processes may share a store. Whoever works on a job holds a `Claim` (owner and run number); a write
under a claim that is no longer the row's changes nothing and says so, so that a worker that was given up for dead, or
whose job was deleted, can't spoil what has happened since.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, URL, Index, String, create_engine, delete, event, func, select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.elements import ColumnElement

from diorama.errors import DioramaError, JobError, JobNotFoundError, QueueFullError, WorkerDiedError
from diorama.jobs.database import BUSY_SECONDS, bring_up_to_date, prepare_sqlite, translated

FINISHED = ("waiting", "done", "failed")
"""States in which nothing is being made."""

DEATHS_ALLOWED = 1
"""A worker may die once on a job (the machine may have been short of memory); the second time it is the photo."""


class Base(DeclarativeBase):
    """Declarative base of the store's tables."""


class Job(Base):
    """One photo on its way through the steps."""

    __tablename__ = "jobs"
    __table_args__ = (Index("jobs_by_state", "state", "queued_at"), Index("jobs_by_age", "created"))

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    name: Mapped[str]  # the photo's, as the user knows it
    upload: Mapped[str]  # the file's name in the job's folder
    user: Mapped[str] = mapped_column(default="", server_default="")  # whose it is; empty: a server without users
    created: Mapped[float]  # seconds since 1970, UTC, like all times here
    updated: Mapped[float]
    revision: Mapped[int] = mapped_column(default=0)  # counts changes, for those who watch
    state: Mapped[str] = mapped_column(default="queued")  # queued, running, waiting, done, failed
    step: Mapped[str] = mapped_column(default="original")  # being made, or made last
    validated: Mapped[list[str]] = mapped_column(JSON, default=list)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    queued_at: Mapped[float]
    owner: Mapped[str | None] = mapped_column(default=None)  # the server process that works on it
    heartbeat: Mapped[float | None] = mapped_column(default=None)
    run: Mapped[int] = mapped_column(default=0)  # counts claims
    deaths: Mapped[int] = mapped_column(default=0)  # workers that died on it since it was asked for
    progress: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # `reporting.Reporter` writes it
    results: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)  # by step: the last
    edits: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)  # by segmentation's key
    corrections: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True), default=None)  # strokes, as JSON
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)  # `error_record`

    @property
    def result(self) -> dict[str, Any] | None:
        """What was made in the job's step; while that is made for the first time, in the one before it."""
        results = self.results or {}
        return results.get(self.step) or next(reversed(results.values()), None)


_QUEUED = select(func.count()).where(Job.state == "queued")


@dataclass(frozen=True)
class Claim:
    """The right to work on a job, or on one of its products."""

    job_id: str
    owner: str
    run: int
    product: str = ""  # its id; empty: the job itself


def error_record(error: DioramaError) -> dict[str, Any]:
    """What the store keeps of an error."""
    return {"code": error.code, "status": error.http_status, "detail": error.message, "hint": error.hint}


class Store:
    """Jobs in a database: the file of an SQLite one, which is made where it isn't there, or an SQLAlchemy URL.

    Every method raises StorageError when the database refuses (a full disk, a file that may not be written).
    """

    def __init__(self, place: Path | URL) -> None:
        self.url = place if isinstance(place, URL) else URL.create("sqlite", database=str(place))
        sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = create_engine(self.url, connect_args={"timeout": BUSY_SECONDS} if sqlite else {})
        if sqlite:
            event.listen(self._engine, "connect", prepare_sqlite)

    def create_tables(self) -> None:
        """Make the tables where they aren't there, and the columns that an older version's lack; two processes may do
        so at once."""
        table = Job.metadata.tables[Job.__tablename__]
        with self._write() as connection:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))
        with translated(self._engine):
            bring_up_to_date(self._engine)

    @property
    def engine(self) -> Engine:
        """For tables beside the jobs'."""
        return self._engine

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    # ---- what a user does ------------------------------------------------------------------------------------

    def add(self, job_id: str, name: str, upload: str, settings: dict[str, Any], *, limit: int, user: str = "") -> Job:
        """Queue a new job of `user`.

        Raises:
            QueueFullError: `limit` jobs wait already.
        """
        now = time.time()
        times = {"created": now, "updated": now, "queued_at": now}
        job = Job(id=job_id, name=name, upload=upload, user=user, settings=settings, **times)
        with self._session() as session:
            session.add(job)
            session.flush()  # takes the write lock, so that the count below is the truth
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
        """The number of changes so far; None where there is no such job. Cheap, for those who watch."""
        with self._session() as session:
            return session.scalar(select(Job.revision).where(Job.id == job_id))

    def queue_position(self, job: Job) -> int:
        """How many jobs will be claimed before this one."""
        before = select(func.count()).where(Job.state == "queued", Job.queued_at < job.queued_at)
        with self._session() as session:
            return session.scalar(before) or 0

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
            changed = session.execute(update(Job).where(rests).values(_stamped(values))).rowcount  # type: ignore[attr-defined]
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

    # ---- what a runner does ----------------------------------------------------------------------------------

    def claim(self, owner: str) -> Job | None:
        """Take the job that has waited longest, if any does; its `Claim` is `claim_of(job)`."""
        first = select(Job.id).where(Job.state == "queued").order_by(Job.queued_at).limit(1).scalar_subquery()
        values = {"state": "running", "owner": owner, "heartbeat": time.time(), "run": Job.run + 1, "progress": {}}
        take = (
            update(Job)
            .where(Job.id == first, Job.state == "queued")
            .values(_stamped(values))
            .returning(Job)
            .execution_options(synchronize_session=False)
        )
        with self._session() as session:
            job = session.scalars(take).one_or_none()
            session.commit()
            return job

    def heartbeat(self, owner: str) -> set[Claim]:
        """Say that `owner` lives; its claims, so that it learns which it has lost."""
        mine = (Job.owner == owner) & (Job.state == "running")
        with self._session() as session:
            session.execute(update(Job).where(mine).values(heartbeat=time.time()))
            held = session.execute(select(Job.id, Job.run).where(mine)).all()
            session.commit()
        return {Claim(row.id, owner, row.run) for row in held}

    def report(self, claim: Claim, progress: dict[str, Any]) -> bool:
        """Write how far a job is; False: the claim is gone, stop working."""
        return self._change(_held(claim), progress=progress)

    def finish(self, claim: Claim, result: dict[str, Any]) -> bool:
        """The step that `result` names is made and waits for the user."""
        # Whoever holds the claim is the only one to write results, so nothing is lost between reading and writing.
        with self._session() as session:
            results = session.scalar(select(Job.results).where(_held(claim))) or {}
        others = {name: made for name, made in results.items() if name != result["step"]}
        results = {**others, result["step"]: result}  # the newest last
        return self._change(_held(claim), state="waiting", results=results, owner=None, deaths=0)

    def fail(self, claim: Claim, error: dict[str, Any]) -> bool:
        """The step can't be made."""
        return self._change(_held(claim), state="failed", error=error, owner=None)

    def give_back(self, claim: Claim) -> bool:
        """Put a job back to where it was in the queue: the server stops."""
        return self._change(_held(claim), state="queued", owner=None)

    def worker_died(self, claim: Claim) -> bool:
        """A worker died on the job: once more, or no more."""
        died = WorkerDiedError(
            "The worker stopped twice while it worked on this photo, most likely for lack of memory.",
            hint="Run it again with a smaller geometry detail and texture size, or choose another photo.",
        )
        with_chance = _held(claim) & (Job.deaths < DEATHS_ALLOWED)
        return self._change(with_chance, state="queued", owner=None, deaths=Job.deaths + 1) or self.fail(
            claim, error_record(died)
        )

    def take_back(self, me: str, stale_seconds: float, lives: Callable[[str], bool]) -> int:
        """Queue the running jobs whose owner is dead, or was silent for `stale_seconds`; how many there were."""
        others = select(Job.id, Job.owner, Job.run, Job.heartbeat).where(Job.state == "running", Job.owner != me)
        with self._session() as session:
            running = session.execute(others).all()
        silent_since = time.time() - stale_seconds
        lost = [row for row in running if (row.heartbeat or 0) < silent_since or not lives(row.owner)]
        return sum(self.give_back(Claim(row.id, row.owner, row.run)) for row in lost)

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

    # ---- the database ----------------------------------------------------------------------------------------

    def _change(self, condition: ColumnElement[bool], **values: Any) -> bool:
        with self._write() as connection:
            return connection.execute(update(Job).where(condition).values(_stamped(values))).rowcount > 0

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with translated(self._engine), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with translated(self._engine), Session(self._engine, expire_on_commit=False) as session:
            yield session


def _not_found() -> JobNotFoundError:
    return JobNotFoundError("There is no job of that address.", hint="It may have been deleted: upload again.")


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


def _held(claim: Claim) -> ColumnElement[bool]:
    return (Job.id == claim.job_id) & (Job.owner == claim.owner) & (Job.run == claim.run) & (Job.state == "running")


def _requeued(step: str) -> dict[str, Any]:
    return {"state": "queued", "step": step, "queued_at": time.time(), "owner": None, "deaths": 0}


def _stamped(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "updated": time.time(), "revision": Job.revision + 1}
