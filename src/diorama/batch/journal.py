"""The journal of a batch: a line of JSON for each photo that is finished, and for each worker that died of one, so that
a run that was killed is gone on with.

A line is written in one piece and synced before the photo counts as finished. The last line of a machine that lost
its power may be torn: it is left out when the journal is read, and its photo is made again.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from diorama import atomic
from diorama.batch.records import Row
from diorama.errors import InputError

FOLDER = ".diorama-batch"
"""In the batch's folder: the journal, its lock, and what is being written."""

FORMAT = 1


class Journal:
    """The journal of the batch that writes into `out`; open while the batch runs.

    Raises:
        InputError: another batch writes into the same folder.
        StorageError: the folder can't be made or written.
    """

    def __init__(self, out: Path, *, resume: bool) -> None:
        self.out = out
        self.folder = out / FOLDER
        self.unfinished = self.folder / "unfinished"
        """For what workers write: a rename away from its place."""
        with atomic.refusals(self.unfinished):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.folder / "lock", thread_local=False)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise InputError(
                    f"Another batch writes into {out}.", hint="Wait until it has ended, or choose another folder."
                ) from None
            try:
                self._clear()
                self.unfinished.mkdir()
                self._kept = self._read() if resume else {}
                self._begin()
            except BaseException:
                self._lock.release()
                raise

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "journal.jsonl"

    def finished(self, key: str, place: str) -> Row | None:
        """What became of a photo earlier, if its files are as they were left."""
        row = self._kept.get((key, place))
        if row is None or row.state not in ("done", "quarantined"):
            return None
        there = all(_bytes(self.out / file.path) == file.bytes for file in row.files)
        return row if there else None

    def deaths(self, key: str, place: str) -> int:
        """How many workers had died of a photo when an earlier run ended before it was through with it."""
        row = self._kept.get((key, place))
        return row.deaths if row is not None and row.state == "waiting" else 0

    def write(self, key: str, row: Row) -> None:
        """Note what became of a photo, or that a worker has died of it and it waits again.

        Raises:
            StorageError: the disk is full or refuses.
        """
        self._append(_line(key, row))

    def close(self) -> None:
        """Let others write into the folder."""
        self._clear()
        self._lock.release()

    def _clear(self) -> None:
        shutil.rmtree(self.unfinished, ignore_errors=True)

    def _begin(self) -> None:
        """A journal of what is gone on with: read once, written anew, so that it grows with no run."""
        with atomic.writing(self.path) as file:
            file.write(json.dumps({"format": FORMAT}).encode() + b"\n")
            for (key, _), row in self._kept.items():
                file.write(_line(key, row))
            file.flush()
            os.fsync(file.fileno())

    def _read(self) -> dict[tuple[str, str], Row]:
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        rows: dict[tuple[str, str], Row] = {}
        for line in lines[1:] if lines and _loaded(lines[0]).get("format") == FORMAT else []:
            entry = _loaded(line)
            try:
                row = Row.model_validate(entry.get("row"))
            except ValidationError:
                continue
            rows[str(entry.get("key")), row.place] = row
        return rows

    def _append(self, line: bytes) -> None:
        with atomic.refusals(self.path), self.path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                written = file.write(line)
                if written != len(line):  # as a full disk does
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)  # half a line would spoil the next one
                raise


def _line(key: str, row: Row) -> bytes:
    entry = {"key": key, "row": row.model_dump(mode="json")}
    # "replace": half a surrogate pair, which names of files can hold.
    return json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _loaded(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _bytes(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
