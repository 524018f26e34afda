"""How the store's database is opened, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
