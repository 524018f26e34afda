"""The tables: jobs, the products made of them, and whose turn it is.

`jobs/migrations` brings a database to what stands here; `tests/test_jobs_database.py` compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Declarative base of the tables."""


class Claimable:
    """Columns of what workers take from a queue: `claims.Book` knows no others."""

    state: Mapped[str] = mapped_column(default="queued")  # queued, running, ..., done, failed
    queued_at: Mapped[float]
    owner: Mapped[str | None] = mapped_column(default=None)  # the server process that works on it
    heartbeat: Mapped[float | None] = mapped_column(default=None)
    run: Mapped[int] = mapped_column(default=0)  # counts claims
    deaths: Mapped[int] = mapped_column(default=0)  # workers that died on it since it was asked for
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)  # `error_record`


class Job(Claimable, Base):
    """One photo on its way through the steps."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("jobs_by_state", "state", "queued_at"),
        Index("jobs_by_age", "created"),
        Index("jobs_by_user", "user", "created"),
    )

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    name: Mapped[str]  # the photo's, as the user knows it
    upload: Mapped[str]  # the file's name in the job's folder
    user: Mapped[str] = mapped_column(default="", server_default="")  # whose it is; empty: a server without users
    created: Mapped[float]  # seconds since 1970, UTC, like all times here
    updated: Mapped[float]
    seen: Mapped[float] = mapped_column(default=0.0, server_default="0")  # when somebody looked at it last
    bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")  # its files, without products
    revision: Mapped[int] = mapped_column(default=0)  # counts changes, for those who watch
    step: Mapped[str] = mapped_column(default="original")  # being made, or made last
    validated: Mapped[list[str]] = mapped_column(JSON, default=list)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    progress: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # `reporting.Reporter` writes it
    results: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)  # by step: the last
    edits: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)  # by segmentation's key
    corrections: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True), default=None)  # strokes, as JSON

    @property
    def result(self) -> dict[str, Any] | None:
        """What was made in the job's step; while that is made for the first time, in the one before it."""
        results = self.results or {}
        return results.get(self.step) or next(reversed(results.values()), None)


class Product(Claimable, Base):
    """One product of one job."""

    __tablename__ = "products"
    __table_args__ = (Index("products_by_state", "state", "queued_at"),)

    job_id: Mapped[str] = mapped_column(String(22), primary_key=True)
    id: Mapped[str] = mapped_column(String(22), primary_key=True)  # `products.key_of`
    product: Mapped[str]
    step: Mapped[str]
    folder: Mapped[str]  # of the result that it is made from
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    asked: Mapped[float]  # last
    fraction: Mapped[float] = mapped_column(default=0.0)
    message: Mapped[str] = mapped_column(default="")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)  # file, bytes, notes


class Turn(Base):
    """When something of a user was taken last: whoever has waited longest is next."""

    __tablename__ = "turns"

    user: Mapped[str] = mapped_column(primary_key=True)
    taken: Mapped[float]
