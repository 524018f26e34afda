"""The store's database: opened by address, brought up to date whatever it was, by one process of several."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

import postgres
from diorama.errors import InstallationError, SettingsError, StorageError
from diorama.jobs import database
from diorama.jobs.products import Products
from diorama.jobs.store import Claim, Store, claim_of
from diorama.jobs.tables import Base

FIRST = """
CREATE TABLE jobs (id VARCHAR(22) NOT NULL, name VARCHAR NOT NULL, upload VARCHAR NOT NULL, created FLOAT NOT NULL,
    updated FLOAT NOT NULL, revision INTEGER NOT NULL, state VARCHAR NOT NULL, step VARCHAR NOT NULL,
    validated JSON NOT NULL, settings JSON NOT NULL, queued_at FLOAT NOT NULL, owner VARCHAR, heartbeat FLOAT,
    run INTEGER NOT NULL, deaths INTEGER NOT NULL, progress JSON NOT NULL, result JSON, error JSON, PRIMARY KEY (id));
CREATE INDEX jobs_by_state ON jobs (state, queued_at);
CREATE INDEX jobs_by_age ON jobs (created);
INSERT INTO jobs VALUES ('made', 'cat.png', 'cat.png', 1, 2, 7, 'waiting', 'original', '[]', '{"triangles": 9}', 1,
    NULL, NULL, 1, 0, '{}', '{"step": "original", "files": []}', NULL);
INSERT INTO jobs VALUES ('fresh', 'dog.png', 'dog.png', 2, 2, 0, 'queued', 'original', '[]', '{}', 2, NULL, NULL, 0, 0,
    '{}', NULL, NULL);
"""
"""The first version's table."""

LAST = (
    FIRST.replace("result JSON", "results JSON, edits JSON, corrections JSON")
    .replace(
        """'{"step": "original", "files": []}', NULL)""",
        """'{"original": {"step": "original", "files": []}}', NULL, '[]', NULL)""",
    )
    .replace("'{}', NULL, NULL);", "'{}', NULL, NULL, NULL, NULL);")
)
"""The one before there were migrations."""

PRODUCTS = """
CREATE TABLE products (job_id VARCHAR(22) NOT NULL, id VARCHAR(22) NOT NULL, product VARCHAR NOT NULL,
    step VARCHAR NOT NULL, folder VARCHAR NOT NULL, options JSON NOT NULL, state VARCHAR NOT NULL, asked FLOAT NOT NULL,
    queued_at FLOAT NOT NULL, owner VARCHAR, heartbeat FLOAT, run INTEGER NOT NULL, deaths INTEGER NOT NULL,
    fraction FLOAT NOT NULL, message VARCHAR NOT NULL, result JSON, error JSON, PRIMARY KEY (job_id, id));
CREATE INDEX products_by_state ON products (state, queued_at);
INSERT INTO products VALUES ('made', 'film', 'mp4', 'original', 'original-1', '{}', 'done', 1, 1, NULL, NULL, 1, 0, 1,
    '', '{"file": "cat.mp4", "bytes": 9}', NULL);
"""


def written(path: Path, script: str) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return path


def differences(store: Store) -> list[object]:
    with store.engine.connect() as connection:
        strict = {"compare_type": connection.dialect.name != "sqlite"}  # where FLOAT and DOUBLE are the same
        found = compare_metadata(MigrationContext.configure(connection, opts=strict), Base.metadata)
    return [change for change in found if "alembic_version" not in repr(change)]


@pytest.mark.parametrize("script", [FIRST, LAST, LAST + PRODUCTS], ids=["first", "without products", "last"])
def test_a_store_of_an_older_version_goes_on(tmp_path: Path, script: str) -> None:
    store = Store(written(tmp_path / "jobs.db", script))
    for _ in range(2):
        store.create_tables()
    assert differences(store) == [] or script is FIRST  # whose column `result` stays, unread
    made, fresh = store.get("made"), store.get("fresh")
    assert (made.result, made.settings, made.user) == ({"step": "original", "files": []}, {"triangles": 9}, "")
    assert (fresh.results, fresh.state) == (None, "queued")
    job = store.claim("me")
    assert job is not None
    assert job.id == "fresh"
    assert store.finish(claim_of(job), {"step": "original"})
    if PRODUCTS in script:
        assert Products(store).get("made", "film").result == {"file": "cat.mp4", "bytes": 9}
    store.close()


def test_a_migration_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    half = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);ALTER TABLE jobs ADD COLUMN results JSON;"
    store = Store(written(tmp_path / "jobs.db", FIRST + half))
    store.create_tables()
    assert store.get("made").result == {"step": "original", "files": []}
    store.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_migrations_make_what_the_tables_say(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place = tmp_path / "jobs.db" if kind == "sqlite" else request.getfixturevalue("postgresql").database()
    store = Store(place)
    store.create_tables()
    assert differences(store) == []
    with store.engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == database.HEAD
    store.close()
    folder = Path(database.__file__).with_name("migrations")
    assert ScriptDirectory(str(folder)).get_heads() == [database.HEAD]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_several_may_bring_it_up_to_date_at_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place = (
        written(tmp_path / "jobs.db", LAST) if kind == "sqlite" else request.getfixturevalue("postgresql").database()
    )
    failed: list[BaseException] = []

    def start() -> None:
        store = Store(place)
        try:
            store.create_tables()
            store.queue_length()
        except BaseException as error:
            failed.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_what_is_up_to_date_needs_no_alembic(tmp_path: Path) -> None:
    Store(tmp_path / "jobs.db").create_tables()
    code = (
        "import sys; from pathlib import Path; from diorama.jobs.store import Store;"
        "Store(Path(sys.argv[1])).create_tables(); print('alembic' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "jobs.db"], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "False"


def test_a_newer_versions_store_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "jobs.db")
    store.create_tables()
    written(tmp_path / "jobs.db", "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="newer Diorama"):
        store.create_tables()
    assert "jobs" in inspect(store.engine).get_table_names()
    store.close()


def test_a_server_that_is_gone_is_a_sentence_and_that_it_is_back_is_noticed(
    postgresql: postgres.Postgres, migrated: Callable[[], str]
) -> None:
    store = Store(migrated())
    job = store.add("a" * 22, "cat.png", "cat.png", {}, limit=9)
    postgresql.stop()
    with pytest.raises(StorageError, match="@127") as caught:
        store.get(job.id)
    assert "DIORAMA_DATABASE" in caught.value.hint
    postgresql.start()
    assert store.get(job.id).name == "cat.png"
    claimed = store.claim("me")
    assert claimed is not None
    assert store.heartbeat("me") == {Claim(job.id, "me", 1)}
    store.close()


def test_a_password_is_in_no_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store("postgresql://anna:secret@127.0.0.1:1/jobs")
    with pytest.raises(StorageError) as caught:
        store.create_tables()
    assert "secret" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "pg8000", None)
    with pytest.raises(InstallationError, match="pg8000") as missing:
        Store("postgres://anna:secret@127.0.0.1:1/jobs")
    assert "secret" not in str(missing.value)
    assert "diorama-3d[cluster]" in missing.value.hint


@pytest.mark.parametrize("wrong", ["no address", "nothing://there/jobs"])
def test_an_address_that_is_none_is_a_sentence(wrong: str) -> None:
    with pytest.raises(SettingsError):
        Store(wrong)


def test_the_address_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    assert database.chosen_database() == ""
    monkeypatch.setenv("DIORAMA_DATABASE", "postgresql://host/jobs")
    assert database.address(database.chosen_database()).drivername == "postgresql+pg8000"
