"""Files that are made of a finished step when somebody asks for them: a table of their own beside the jobs'.

A product's id is a hash of all that it is made from (the step's result, the format, its options), so whoever asks for
the same again gets what is there. It is worked on under a `Claim` like a step: rows of a dead server are queued again,
and a worker whose row is gone stops.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from diorama.errors import JobNotFoundError, QueueFullError, WorkerDiedError
from diorama.jobs import turns
from diorama.jobs.claims import Book, Claim
from diorama.jobs.database import one_at_a_time
from diorama.jobs.store import Store
from diorama.jobs.tables import Job
from diorama.jobs.tables import Product as Row

__all__ = ["Products", "Row", "claim_of", "key_of"]

KEPT_PRODUCTS = 24
KEPT_BYTES = 2 << 30
"""What a job keeps: beyond them the ones asked for longest ago are removed."""


def key_of(folder: str, product: str, version: int, options: dict[str, Any]) -> str:
    """The id of a product: of the result's folder, the format and every option's value."""
    parts = [folder, product, version, options]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:22]


class Products(Book[Row]):
    """The products of a store's jobs.

    Every method raises StorageError when the database refuses.
    """

    kind = Row
    died = WorkerDiedError(
        "The worker stopped twice while it made this file, most likely for lack of memory.",
        hint="Choose smaller options, or run the step again with less detail.",
    )
    fresh: ClassVar[dict[str, Any]] = {"fraction": 0.0}

    def __init__(self, store: Store) -> None:
        super().__init__(store.engine)

    # ---- what a user does ------------------------------------------------------------------------------------

    def ask(self, wanted: Row, *, limit: int) -> Row:
        """Queue a product; one that is there already, or is being made, stays, and one that failed is tried again.

        Raises:
            QueueFullError: `limit` products wait already.
        """
        with self._session() as session:
            one_at_a_time(session)
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
                session.flush()  # takes SQLite's write lock, so that the count below is the truth
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

    def bytes_of(self, user: str) -> int:
        """What the products of a user's jobs take."""
        made = select(Row.result).join(Job, Job.id == Row.job_id).where(Job.user == user, Row.state == "done")
        with self._session() as session:
            return sum(int((result or {}).get("bytes", 0)) for result in session.scalars(made))

    def forget(self, job_id: str) -> None:
        """Forget all products of a job."""
        self._forget(Row.job_id == job_id)

    # ---- what a runner does: as `Store` has it for jobs --------------------------------------------------------

    def claim(self, owner: str) -> Row | None:
        """Take the product whose turn it is (`jobs.turns`), if it is one's."""
        while True:
            with self._session() as session:
                following = turns.next_waiting(session)
                if following is None or not following.product:
                    return None
                row = self._take(session, _is(following.job_id, following.product), owner)
                if row is not None:
                    turns.taken(session, following.user)
                session.commit()
            if row is not None:
                return row

    def report(self, claim: Claim, fraction: float, message: str) -> bool:
        """Write how far it is; False: the claim is gone, stop working."""
        return self._change(self._held(claim), fraction=fraction, message=message)

    def say(self, claim: Claim, message: str) -> None:
        """Why nothing of a product that was taken has begun yet."""
        self.report(claim, 0.0, message)

    def finish(self, claim: Claim, result: dict[str, Any]) -> bool:
        """It is made: `file`, `bytes` and `notes`."""
        return self._change(self._held(claim), state="done", result=result, owner=None, fraction=1.0)

    # ---- what a claim is to products -------------------------------------------------------------------------

    def _named(self, claim: Claim) -> ColumnElement[bool]:
        return _is(claim.job_id, claim.product)

    def _claim(self, row: Any) -> Claim:
        return Claim(row.job_id, row.owner, row.run, row.id)

    def _forget(self, condition: ColumnElement[bool]) -> bool:
        with self._write() as connection:
            return connection.execute(delete(Row).where(condition)).rowcount > 0


def claim_of(row: Row) -> Claim:
    """The claim under which a product just taken is worked on."""
    assert row.owner is not None
    return Claim(row.job_id, row.owner, row.run, row.id)


def _is(job_id: str, product_id: str) -> ColumnElement[bool]:
    return (Row.job_id == job_id) & (Row.id == product_id)
