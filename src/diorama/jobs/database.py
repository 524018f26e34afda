"""How the store's database is opened and brought up to date, and what its refusals mean.

An SQLite file in the data folder, or another database by its SQLAlchemy address (`DIORAMA_DATABASE`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock
from sqlalchemy import URL, create_engine, event, inspect, make_url, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from diorama import atomic
from diorama.errors import InstallationError, SettingsError, StorageError

BUSY_SECONDS = 15
"""How long a write waits for another process's write."""

HEAD = "0002"
"""The newest migration: a database that is there already needs none."""

INSTALL = "pip install 'diorama-3d[cluster]'"

_LOCK = 0x44494F52
"""The key of PostgreSQL's advisory locks that are Diorama's."""


def chosen_database() -> str:
    """`DIORAMA_DATABASE`: an SQLAlchemy address; empty: the file in the data folder."""
    return os.environ.get("DIORAMA_DATABASE", "")


def address(place: Path | URL | str) -> URL:
    """The SQLAlchemy address of a file or of a database.

    Raises:
        SettingsError: it is none.
    """
    if isinstance(place, URL):
        return place
    if isinstance(place, Path):
        return URL.create("sqlite", database=str(place))
    try:
        url = make_url(place)
    except ArgumentError:
        raise SettingsError(
            "DIORAMA_DATABASE is no address of a database.",
            hint="Use something like postgresql://user:password@host/diorama.",
        ) from None
    # SQLAlchemy's own choice is psycopg2, which isn't what the extra installs.
    return url.set(drivername="postgresql+pg8000") if url.drivername in ("postgresql", "postgres") else url


def open_engine(url: URL) -> Engine:
    """Connections to a database, none of which is made yet.

    Raises:
        InstallationError: its driver isn't installed.
        SettingsError: there is no such kind of database.
    """
    sqlite = url.get_backend_name() == "sqlite"
    try:
        engine = create_engine(
            url, pool_pre_ping=not sqlite, connect_args={"timeout": BUSY_SECONDS} if sqlite else _limits(url)
        )
    except ImportError as error:
        raise InstallationError(
            f"The database {_shown(url)} needs a package that isn't installed: {error.name or url.get_driver_name()}.",
            hint=f"Install it: {INSTALL}.",
        ) from None
    except NoSuchModuleError:
        raise SettingsError(
            f"There is no kind of database named '{url.drivername}'.",
            hint="Use postgresql://user:password@host/diorama, or leave DIORAMA_DATABASE empty.",
        ) from None
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _limits(url: URL) -> dict[str, Any]:
    """A database that doesn't answer is a refusal, not a server that hangs."""
    return {"timeout": BUSY_SECONDS} if url.get_driver_name() == "pg8000" else {}


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    # Readers and a writer don't block each other; a commit survives a killed process (not a power cut, which may
    # lose the last moments, never the file).
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    cursor.close()


def one_at_a_time(session: Session) -> None:
    """From here to the transaction's end no other process counts what waits: two can't both take the last place.

    SQLite lets one write at a time by itself.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def bring_up_to_date(engine: Engine) -> None:
    """Run the migrations that the database lacks; several processes may do so at once.

    Raises:
        StorageError: the database refuses, or is a newer Diorama's.
    """
    with translated(engine):
        if _revision(engine) == HEAD:
            return
        with _alone(engine), engine.connect() as connection:
            _migrate(connection)


def _revision(engine: Engine) -> str | None:
    if not inspect(engine).has_table("alembic_version"):
        return None
    with engine.connect() as connection:
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """No other process migrates meanwhile."""
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            connection.execute(text(f"SELECT pg_advisory_lock({_LOCK + 1})"))
            try:
                yield
            finally:
                connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK + 1})"))
        return
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    lock = Path(f"{file}.lock") if file and file != ":memory:" else None
    with atomic.refusals(lock) if lock else nullcontext(), FileLock(lock) if lock else nullcontext():
        yield


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(
            f"The job store {_shown(connection.engine.url)} was made by a newer Diorama ({error}).",
            hint="Install the newer version, or use another DIORAMA_DATA or DIORAMA_DATABASE.",
        ) from error


def _shown(url: URL) -> str:
    """A database's name without its password."""
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn what the database raises into StorageError."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        if engine.dialect.name == "sqlite":
            hint = "Free some space, check that the folder may be written, or set DIORAMA_DATA to another one."
        else:
            hint = "Check that it runs and can be reached, and its name and password in DIORAMA_DATABASE."
        raise StorageError(f"The job store {_shown(engine.url)} can't be used: {reason}.", hint=hint) from error
