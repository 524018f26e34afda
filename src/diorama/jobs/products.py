"""Files that are made of a finished step when somebody asks for them: a table of their own beside the jobs'.

A product's id is a hash of all that it is made from (the step's result, the format, its options), so whoever asks for
the same again gets what is there. It is worked on under a `Claim` like a step: rows of a dead server are queued again,
and a worker whose row is gone stops.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import JSON, Index, String, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.elements import ColumnElement

from diorama.errors import JobNotFoundError, QueueFullError, WorkerDiedError
from diorama.jobs.database import translated
from diorama.jobs.store import DEATHS_ALLOWED, Base, Claim, Job, Store, error_record

KEPT_PRODUCTS = 24
KEPT_BYTES = 2 << 30
"""What a job keeps: beyond them the ones asked for longest ago are removed."""


class Row(Base):
    """One product of one job."""

    __tablename__ = "products"
    __table_args__ = (Index("products_by_state", "state", "queued_at"),)

    job_id: Mapped[str] = mapped_column(String(22), primary_key=True)
    id: Mapped[str] = mapped_column(String(22), primary_key=True)  # `key_of`
    product: Mapped[str]
    step: Mapped[str]
    folder: Mapped[str]  # of the result that it is made from
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    state: Mapped[str] = mapped_column(default="queued")  # queued, running, done, failed
    asked: Mapped[float]  # last
    queued_at: Mapped[float]
    owner: Mapped[str | None] = mapped_column(default=None)
    heartbeat: Mapped[float | None] = mapped_column(default=None)
    run: Mapped[int] = mapped_column(default=0)
    deaths: Mapped[int] = mapped_column(default=0)
    fraction: Mapped[float] = mapped_column(default=0.0)
    message: Mapped[str] = mapped_column(default="")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)  # file, bytes, notes
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)


def key_of(folder: str, product: str, version: int, options: dict[str, Any]) -> str:
    """The id of a product: of the result's folder, the format and every option's value."""
    parts = [folder, product, version, options]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:22]


class Products:
    """The products of a store's jobs.

    Every method raises StorageError when the database refuses.
    """

    def __init__(self, store: Store) -> None:
        self._engine = store.engine

    def create_table(self) -> None:
        """Make the table where it isn't there; two processes may do so at once."""
        table = Row.metadata.tables[Row.__tablename__]
        with translated(self._engine), self._engine.begin() as connection:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))

    # ---- what a user does ------------------------------------------------------------------------------------

    def ask(self, wanted: Row, *, limit: int) -> Row:
        """Queue a product; one that is there already, or is being made, stays, and one that failed is tried again.

        Raises:
            QueueFullError: `limit` products wait already.
        """
        with self._session() as session:
            kept = session.get(Row, (wanted.job_id, wanted.id))
            if kept is not None and kept.state != "failed":
                kept.asked = time.time()
                session.commit()
                return kept
            if kept is not None:
                session.delete(kept)
                session.flush()
            session.add(wanted)
            try:
                session.flush()  # takes the write lock, so that the count below is the truth
            except IntegrityError:  # somebody has asked for the same at the same moment
                session.rollback()
                return self.get(wanted.job_id, wanted.id)
            waiting = session.scalar(select(func.count()).where(Row.state == "queued")) or 0
            if waiting > limit:
                session.rollback()
                raise QueueFullError(
                    f"{waiting - 1} files wait to be made already.", hint="Try again in a minute, or cancel some."
                )
            session.commit()
        return self.get(wanted.job_id, wanted.id)

    def get(self, job_id: str, product_id: str) -> Row:
        """A product as it is now.

        Raises:
            JobNotFoundError: the job has none of that id.
        """
        with self._session() as session:
            row = session.get(Row, (job_id, product_id))
        if row is None:
            raise JobNotFoundError("This job has no such product.", hint="Ask for it: it is made then.")
        return row

    def of_job(self, job_id: str) -> Sequence[Row]:
        """All of a job, the one asked for last first."""
        with self._session() as session:
            return session.scalars(select(Row).where(Row.job_id == job_id).order_by(Row.asked.desc())).all()

    def surplus(self, job_id: str) -> list[str]:
        """The ids of what is beyond `KEPT_PRODUCTS` and `KEPT_BYTES`, which are forgotten; their files are the
        caller's to remove."""
        beyond, count, size = [], 0, 0
        for row in self.of_job(job_id):
            count, size = count + 1, size + int((row.result or {}).get("bytes", 0))
            if row.state in ("done", "failed") and count > 1 and (count > KEPT_PRODUCTS or size > KEPT_BYTES):
                beyond.append(row.id)
        return [product_id for product_id in beyond if self._forget(_is(job_id, product_id))]

    def delete(self, job_id: str, product_id: str) -> None:
        """Forget a product. Whoever works on it finds its claim gone.

        Raises:
            JobNotFoundError: the job has none of that id.
        """
        self.get(job_id, product_id)
        self._forget(_is(job_id, product_id))

    def forget(self, job_id: str) -> None:
        """Forget all products of a job."""
        self._forget(Row.job_id == job_id)

    # ---- what a runner does: as `Store` has it for jobs --------------------------------------------------------

    def claim(self, owner: str) -> Row | None:
        """Take the product that has waited longest, unless a job has waited longer."""
        job_waits = select(Job.id).where(Job.state == "queued", Job.queued_at < Row.queued_at).exists()
        first = select(Row.job_id, Row.id).where(Row.state == "queued", ~job_waits).order_by(Row.queued_at).limit(1)
        with self._session() as session:
            found = session.execute(first).one_or_none()
            if found is None:
                return None
            values = {"state": "running", "owner": owner, "heartbeat": time.time(), "run": Row.run + 1, "fraction": 0.0}
            take = (
                update(Row)
                .where(_is(found.job_id, found.id), Row.state == "queued")
                .values(values)
                .returning(Row)
                .execution_options(synchronize_session=False)
            )
            row = session.scalars(take).one_or_none()
            session.commit()
            return row

    def heartbeat(self, owner: str) -> set[Claim]:
        """Say that `owner` lives; its claims."""
        mine = (Row.owner == owner) & (Row.state == "running")
        with self._session() as session:
            held = session.execute(select(Row.job_id, Row.run, Row.id).where(mine)).all()
            if held:
                session.execute(update(Row).where(mine).values(heartbeat=time.time()))
                session.commit()
        return {Claim(row.job_id, owner, row.run, row.id) for row in held}

    def report(self, claim: Claim, fraction: float, message: str) -> bool:
        """Write how far it is; False: the claim is gone, stop working."""
        return self._change(_held(claim), fraction=fraction, message=message)

    def finish(self, claim: Claim, result: dict[str, Any]) -> bool:
        """It is made: `file`, `bytes` and `notes`."""
        return self._change(_held(claim), state="done", result=result, owner=None, fraction=1.0)

    def fail(self, claim: Claim, error: dict[str, Any]) -> bool:
        """It can't be made."""
        return self._change(_held(claim), state="failed", error=error, owner=None)

    def give_back(self, claim: Claim) -> bool:
        """Put it back to where it was in the queue: the server stops."""
        return self._change(_held(claim), state="queued", owner=None)

    def worker_died(self, claim: Claim) -> bool:
        """A worker died on it: once more, or no more."""
        died = WorkerDiedError(
            "The worker stopped twice while it made this file, most likely for lack of memory.",
            hint="Choose smaller options, or run the step again with less detail.",
        )
        with_chance = _held(claim) & (Row.deaths < DEATHS_ALLOWED)
        return self._change(with_chance, state="queued", owner=None, deaths=Row.deaths + 1) or self.fail(
            claim, error_record(died)
        )

    def take_back(self, me: str, stale_seconds: float, lives: Callable[[str], bool]) -> int:
        """Queue what is worked on by an owner that is dead, or was silent for `stale_seconds`; how many there were."""
        others = select(Row.job_id, Row.id, Row.owner, Row.run, Row.heartbeat).where(
            Row.state == "running", Row.owner != me
        )
        with self._session() as session:
            running = session.execute(others).all()
        silent_since = time.time() - stale_seconds
        lost = [row for row in running if (row.heartbeat or 0) < silent_since or not lives(row.owner)]
        return sum(self.give_back(Claim(row.job_id, row.owner, row.run, row.id)) for row in lost)

    # ---- the database ----------------------------------------------------------------------------------------

    def _change(self, condition: ColumnElement[bool], **values: Any) -> bool:
        with translated(self._engine), self._engine.begin() as connection:
            return connection.execute(update(Row).where(condition).values(values)).rowcount > 0

    def _forget(self, condition: ColumnElement[bool]) -> bool:
        with translated(self._engine), self._engine.begin() as connection:
            return connection.execute(delete(Row).where(condition)).rowcount > 0

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with translated(self._engine), Session(self._engine, expire_on_commit=False) as session:
            yield session


def claim_of(row: Row) -> Claim:
    """The claim under which a product just taken is worked on."""
    assert row.owner is not None
    return Claim(row.job_id, row.owner, row.run, row.id)


def _is(job_id: str, product_id: str) -> ColumnElement[bool]:
    return (Row.job_id == job_id) & (Row.id == product_id)


def _held(claim: Claim) -> ColumnElement[bool]:
    mine = _is(claim.job_id, claim.product)
    return mine & (Row.owner == claim.owner) & (Row.run == claim.run) & (Row.state == "running")
