"""The arithmetic and the refusals of several server processes; `test_server_process.py` runs them."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from diorama.errors import ServerError, StorageError
from diorama.jobs.processes import default_slots
from diorama.server import several
from diorama.server.users import Users
from diorama.server.web import Site


@pytest.mark.parametrize("slots", [None, 0, 1, 2, 7])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_all_together_work_on_as_many_jobs_as_they_are_told(slots: int | None, count: int) -> None:
    shares = [share for share in several.shares(slots, count) if share is not None]
    assert len(shares) == count
    assert sum(shares) == (default_slots() if slots is None else slots)
    assert max(shares) - min(shares) <= 1


def test_one_process_hands_over_a_clusters_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIORAMA_DASK", "tcp://there:8786")
    assert several.shares(None, 3) == [None, 0, 0]
    assert several.shares(2, 2) == [1, 1]


def test_what_keeps_the_first_process_from_beginning_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(StorageError):
        several.run(Site(tmp_path / "file", [], 1, False, None, Users()), 2, listener, lambda: None)


def test_a_process_that_ends_without_a_word_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    member = several._Member(None, None)  # type: ignore[arg-type]
    heard, tells = several.multiprocessing.Pipe(duplex=False)
    monkeypatch.setattr(member, "_heard", heard)
    tells.close()
    with pytest.raises(ServerError, match="before it began"):
        member.begins(threading.Event())
