"""Whose turn it is: users one after the other, and of each what has waited longest.

A user with a hundred photos and one with a single one are served alternately: next is the user of whom something was
taken longest ago. Jobs and products share a user's turn.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, literal, select, union_all, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from diorama.jobs.tables import Job, Product, Turn


@dataclass(frozen=True)
class Waiting:
    """What is to be taken next: a job, or (with an id) one of its products."""

    job_id: str
    product: str
    user: str


def next_waiting(session: Session) -> Waiting | None:
    """What is to be taken next, if anything waits."""
    jobs = select(Job.id.label("job_id"), literal("").label("product"), Job.user, Job.queued_at).where(
        Job.state == "queued"
    )
    products = (
        select(Product.job_id, Product.id, func.coalesce(Job.user, ""), Product.queued_at)
        .outerjoin(Job, Job.id == Product.job_id)
        .where(Product.state == "queued")
    )
    waiting = union_all(jobs, products).subquery()
    order = (func.coalesce(Turn.taken, 0.0), waiting.c.queued_at)
    first = select(waiting).outerjoin(Turn, Turn.user == waiting.c.user).order_by(*order).limit(1)
    row = session.execute(first).one_or_none()
    return None if row is None else Waiting(row.job_id, row.product, row.user)


def taken(session: Session, user: str) -> None:
    """Something of the user was taken now: others are next."""
    now = time.time()
    if session.execute(update(Turn).where(Turn.user == user).values(taken=now)).rowcount:  # type: ignore[attr-defined]
        return
    try:
        with session.begin_nested():
            session.add(Turn(user=user, taken=now))
            session.flush()
    except IntegrityError:  # another process was faster, this moment
        return


def place(session: Session, job: Job) -> int:
    """How many jobs will be taken before a queued one, as far as that is known now."""
    queued = select(Job.id, Job.user, Job.queued_at).where(Job.state == "queued").order_by(Job.queued_at)
    by_user: dict[str, list[str]] = {}
    oldest: dict[str, float] = {}
    for row in session.execute(queued):
        by_user.setdefault(row.user, []).append(row.id)
        oldest.setdefault(row.user, row.queued_at)
    if job.id not in by_user.get(job.user, ()):
        return 0
    turns = dict(_turns(session, by_user))
    rank = by_user[job.user].index(job.id)
    mine = turns.get(job.user, 0.0), oldest[job.user]
    before = rank
    for user, jobs in by_user.items():
        if user != job.user:
            sooner = (turns.get(user, 0.0), oldest[user]) < mine
            before += min(len(jobs), rank + 1 if sooner else rank)
    return before


def _turns(session: Session, users: Iterable[str]) -> Iterable[tuple[str, float]]:
    return [(row.user, row.taken) for row in session.scalars(select(Turn).where(Turn.user.in_(list(users))))]
