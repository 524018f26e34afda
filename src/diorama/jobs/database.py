"""How the store's database is opened, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from diorama.errors import StorageError

BUSY_SECONDS = 15
"""How long a write waits for another process's write."""


def prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    # Readers and a writer don't block each other; a commit survives a killed process (not a power cut, which may
    # lose the last moments, never the file).
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    cursor.close()


_ADDED = {"results": "JSON", "edits": "JSON", "corrections": "JSON", '"user"': "VARCHAR DEFAULT '' NOT NULL"}
"""Columns of the table `jobs` that older versions lack."""


def bring_up_to_date(engine: Engine) -> None:
    """Add the columns that an older version's table lacks; it had one result a job, of step "original"."""
    for column, kind in _ADDED.items():
        name, columns = column.strip('"'), _columns(engine)
        if name in columns:
            continue
        try:
            with engine.begin() as connection:
                connection.execute(text(f"ALTER TABLE jobs ADD COLUMN {column} {kind}"))
                if name == "results" and "result" in columns:
                    connection.execute(
                        text("UPDATE jobs SET results = json_object('original', json(result)) WHERE result NOT NULL")
                    )
        except SQLAlchemyError:
            if name not in _columns(engine):  # else another process was faster
                raise


def _columns(engine: Engine) -> set[str]:
    return {column["name"] for column in inspect(engine).get_columns("jobs")}


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise StorageError(
            f"The job store {engine.url.database} can't be used: {reason}.",
            hint="Free some space, check that the folder may be written, or set DIORAMA_DATA to another one.",
        ) from error
