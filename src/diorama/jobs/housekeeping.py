"""What is cleared away while the server runs: jobs that are too old, and copies of files that are in the store.

Nothing goes that is being looked at, is being made, or has something made of it. Several servers may tidy the same
jobs: whoever removes the row removes the files.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from pathlib import Path

from diorama.errors import JobNotFoundError, StorageError
from diorama.jobs import space
from diorama.jobs.files import DataFolder
from diorama.jobs.products import Products
from diorama.jobs.quotas import Quotas
from diorama.jobs.store import Store

log = logging.getLogger(__name__)

TIDY_SECONDS = 300.0

LOOKED_AT_SECONDS = 3600.0
"""A job that somebody asked about within this time is being looked at: a page that is open asks from time to time."""

COPIED_SECONDS = 900.0
"""A copy that was used within this time stays, however full the disk is: it may be being sent."""

CACHE_BYTES = 20 * 10**9
"""What copies of files of the store may take (`DIORAMA_STORE_CACHE`)."""


def cache_bytes() -> int:
    """What copies may take.

    Raises:
        SettingsError: `DIORAMA_STORE_CACHE` is no number of bytes.
    """
    text = os.environ.get("DIORAMA_STORE_CACHE", "")
    return space.bytes_of(text, "DIORAMA_STORE_CACHE") if text else CACHE_BYTES


class Housekeeper:
    """Tidies now and then, in a thread of its own."""

    def __init__(self, store: Store, products: Products, data: DataFolder, quotas: Quotas) -> None:
        self._store = store
        self._products = products
        self._data = data
        self._quotas = quotas
        self._cache_bytes = cache_bytes()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="housekeeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after what is being removed just now."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(1)

    def _loop(self) -> None:
        while not self._ended.wait(TIDY_SECONDS):
            self.tidy()

    def tidy(self) -> None:
        """Clear away what may go; what can't be done now is tried again."""
        for task in (self.remove_old, self.remove_copies):
            try:
                task()
            except StorageError:
                log.exception("not everything could be cleared away")

    def remove_old(self) -> list[str]:
        """Remove the jobs that nobody has looked at for `Quotas.days`; their ids."""
        if not self._quotas.days:
            return []
        before = time.time() - max(self._quotas.days * 86400, LOOKED_AT_SECONDS)
        removed = []
        for job_id in self._store.unseen_since(before):
            if self._store.remove_unseen(job_id, before):
                self._products.forget(job_id)
                self._data.remove(job_id)
                removed.append(job_id)
                log.info("job %s removed: nobody has looked at it since long", job_id, extra={"job": job_id})
        return removed

    def remove_copies(self) -> list[str]:
        """Where files are in a store: remove copies used longest ago, as many as are too much; the jobs' ids."""
        if not self._data.store:
            return []
        copies = {path: (used, _size(path)) for path, used in self._data.copies().items()}
        total = sum(size for _, size in copies.values())
        wanted = space.margin() * 2 - space.free(self._data.root)
        removed = []
        for path, (used, size) in sorted(copies.items(), key=lambda item: item[1][0]):
            if time.time() - used < COPIED_SECONDS:
                break
            if (total > self._cache_bytes or wanted > 0 or not self._exists(path.name)) and not self._made(path.name):
                shutil.rmtree(path, ignore_errors=True)
                total, wanted = total - size, wanted - size
                removed.append(path.name)
        return removed

    def _exists(self, job_id: str) -> bool:
        try:
            self._store.get(job_id)
        except JobNotFoundError:
            return False
        return True

    def _made(self, job_id: str) -> bool:
        """Whether something of the job is being made, here or elsewhere."""
        return self._store.is_running(job_id)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # removed this moment
            continue
    return total
