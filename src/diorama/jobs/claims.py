"""What is worked on: taken from a queue by one worker, given back by it or taken back from a dead one, and ended.

Jobs and products are claimed alike. Whoever works on one holds a `Claim` (owner and run number); a write under a claim
that is no longer the row's changes nothing and says so, so that a worker that was given up for dead, or whose job was
deleted, can't spoil what has happened since. Every change of state is one UPDATE that names the state it starts from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from diorama.errors import DioramaError, WorkerDiedError
from diorama.jobs.database import translated
from diorama.jobs.tables import Job, Product

DEATHS_ALLOWED = 1
"""A worker may die once on a job (the machine may have been short of memory); the second time it is the photo."""

R = TypeVar("R", Job, Product)


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


class Book(Generic[R]):
    """One table of what can be claimed. Every method raises StorageError when the database refuses.

    A subclass says what its rows are, how one is found again, and what it changes besides.
    """

    kind: type[R]
    died: WorkerDiedError
    """What a row's error is when workers died on it too often."""
    fresh: ClassVar[dict[str, Any]]
    """Values of a row that was just taken."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _named(self, claim: Claim) -> ColumnElement[bool]:
        """The row of a claim, whoever works on it."""
        raise NotImplementedError

    def _claim(self, row: Any) -> Claim:
        """The claim under which a row is worked on; `row` has its key, owner and run."""
        raise NotImplementedError

    def _stamped(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values that a change writes."""
        return values

    # ---- the life of a claim -------------------------------------------------------------------------------------

    def _take(self, session: Session, which: ColumnElement[bool], owner: str) -> R | None:
        """Take a queued row; None: somebody else was faster."""
        kind = self.kind
        values = {"state": "running", "owner": owner, "heartbeat": time.time(), "run": kind.run + 1, **self.fresh}
        take = (
            update(kind)
            .where(which, kind.state == "queued")
            .values(self._stamped(values))
            .returning(kind)
            .execution_options(synchronize_session=False)
        )
        row: R | None = session.scalars(take).one_or_none()
        return row

    def heartbeat(self, owner: str) -> set[Claim]:
        """Say that `owner` lives; its claims, so that it learns which it has lost."""
        mine = (self.kind.owner == owner) & (self.kind.state == "running")
        with self._session() as session:
            if not session.scalar(select(select(self.kind.run).where(mine).exists())):
                return set()
            session.execute(update(self.kind).where(mine).values(heartbeat=time.time()))
            held = session.scalars(select(self.kind).where(mine)).all()
            session.commit()
        return {self._claim(row) for row in held}

    def fail(self, claim: Claim, error: dict[str, Any]) -> bool:
        """It can't be made."""
        return self._change(self._held(claim), state="failed", error=error, owner=None)

    def give_back(self, claim: Claim) -> bool:
        """Put it back to where it was in the queue: the server stops."""
        return self._change(self._held(claim), state="queued", owner=None)

    def worker_died(self, claim: Claim) -> bool:
        """A worker died on it: once more, or no more."""
        with_chance = self._held(claim) & (self.kind.deaths < DEATHS_ALLOWED)
        again = self._change(with_chance, state="queued", owner=None, deaths=self.kind.deaths + 1)
        return again or self.fail(claim, error_record(self.died))

    def take_back(self, me: str, stale_seconds: float, lives: Callable[[str], bool]) -> int:
        """Queue what is worked on by an owner that is dead, or was silent for `stale_seconds`; how many there were."""
        others = select(self.kind).where(self.kind.state == "running", self.kind.owner != me)
        with self._session() as session:
            running = session.scalars(others).all()
        silent_since = time.time() - stale_seconds
        lost = [row for row in running if (row.heartbeat or 0) < silent_since or not lives(row.owner or "")]
        return sum(self.give_back(self._claim(row)) for row in lost)

    # ---- the database --------------------------------------------------------------------------------------------

    def _held(self, claim: Claim) -> ColumnElement[bool]:
        kind = self.kind
        return self._named(claim) & (kind.owner == claim.owner) & (kind.run == claim.run) & (kind.state == "running")

    def _change(self, condition: ColumnElement[bool], **values: Any) -> bool:
        with self._write() as connection:
            return connection.execute(update(self.kind).where(condition).values(self._stamped(values))).rowcount > 0

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with translated(self._engine), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with translated(self._engine), Session(self._engine, expire_on_commit=False) as session:
            yield session
