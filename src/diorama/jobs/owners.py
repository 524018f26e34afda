"""Which server process works on a job, and whether it still lives."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from diorama import atomic


def place_id(folder: Path) -> str:
    """What tells one data folder from another machine's: kept in it, made by the first process that asks.

    Raises:
        StorageError: the disk is full or refuses.
    """
    path = folder / "place"
    with atomic.refusals(path):
        folder.mkdir(parents=True, exist_ok=True)
        beside = atomic.sibling(path)
        if not path.exists():
            beside.write_text(secrets.token_hex(8))
            try:
                os.link(beside, path)
            except FileExistsError:  # another process was faster: its id is ours, too
                pass
            except OSError:  # a file system without links
                with suppress(FileExistsError):
                    beside.rename(path)
            beside.unlink(missing_ok=True)
        return path.read_text()


class Owner:
    """A server process's name in the store, and a lock file that the system frees when the process ends, however.

    The name ends with that of the data folder: of a process with another one, on another machine, only its heartbeat
    tells.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place = place_id(folder)
        self.name = f"{os.getpid()}-{secrets.token_hex(8)}@{self._place}"
        self._lock = FileLock(self._path(self.name), thread_local=False)  # taken and freed in different threads

    def appear(self) -> None:
        """Take the lock.

        Raises:
            StorageError: the disk is full or refuses.
        """
        with atomic.refusals(self._path(self.name)):
            self._lock.acquire()

    def leave(self) -> None:
        """Free the lock."""
        self._lock.release()
        self._path(self.name).unlink(missing_ok=True)

    def lives(self, name: str) -> bool:
        """Whether the owner of that name may be a living process."""
        if name.rpartition("@")[2] not in (self._place, name):
            return True
        path = self._path(name)
        if not path.exists():
            return False
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        path.unlink(missing_ok=True)
        return False

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"
