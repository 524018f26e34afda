"""Files that several machines share: an fsspec store such as ``s3://bucket/prefix``, beside each machine's own folder.

A folder is seen there whole or not at all: its files first, then the object `<folder>/.whole.json`, which lists them.
A file is one object, which stores replace at once; on a plain file system it is written beside and renamed.
"""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from diorama import atomic
from diorama.errors import InstallationError, SettingsError, StorageError

LISTING = ".whole.json"

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "az", "memory"})
"""Protocols under which a file appears whole by itself."""

ABSENT = (FileNotFoundError, NotADirectoryError)

INSTALL = "pip install 'diorama-3d[cluster]'"


@functools.cache
def open_remote(url: str) -> RemoteFiles:
    """The store at an address: one connection a process.

    Raises:
        InstallationError: fsspec, or the package for this kind of store, isn't installed.
        SettingsError: there is no such kind of store.
    """
    try:
        from fsspec.core import url_to_fs

        # Other machines write as well: no listing may be taken from memory.
        system, prefix = url_to_fs(url, **({} if url.startswith("memory:") else {"use_listings_cache": False}))
    except ImportError as error:
        raise InstallationError(
            f"Files in a store ({url}) need a package that isn't installed: {error.name or error}.",
            hint=f"Install it: {INSTALL}, or the package that fsspec names for this kind of store.",
        ) from error
    except ValueError as error:
        raise SettingsError(
            f"DIORAMA_STORE is no address of a store: {error}.",
            hint="Use s3://bucket/prefix, or a folder that all machines have.",
        ) from error
    return RemoteFiles(url, system, str(prefix).rstrip("/"))


class RemoteFiles:
    """An fsspec store. Keys are relative to its address, with ``/`` between their parts.

    Every method raises StorageError when the store refuses or can't be reached.
    """

    def __init__(self, url: str, system: Any, prefix: str) -> None:
        self.url = url
        self._fs = system
        self._prefix = prefix
        names = (system.protocol,) if isinstance(system.protocol, str) else system.protocol
        self._appears_whole = not OBJECT_STORES.isdisjoint(names)

    def put(self, local: Path, key: str) -> None:
        """Send a file."""
        target = self._at(key)
        with self._refusals(key):
            self._make_parent(target)
            if self._appears_whole:
                self._fs.put_file(str(local), target)
                return
            beside = atomic.sibling(Path(target)).as_posix()
            try:
                self._fs.put_file(str(local), beside)
                self._fs.mv(beside, target)
            except BaseException:
                with suppress(OSError):
                    self._fs.rm_file(beside)
                raise

    def put_folder(self, local: Path, key: str) -> None:
        """Send a folder of files; it is there for others once all of them are."""
        sizes = {path.name: path.stat().st_size for path in sorted(local.iterdir()) if path.is_file()}
        for name in sizes:
            self.put(local / name, f"{key}/{name}")
        with self._refusals(key):
            self._write(f"{key}/{LISTING}", json.dumps(sizes).encode())

    def get(self, key: str, local: Path) -> bool:
        """Fetch a file; False: there is none."""
        with self._refusals(key), atomic.refusals(local):
            local.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside = atomic.sibling(local)
            try:
                self._fs.get_file(self._at(key), str(beside))
                beside.replace(local)
            except ABSENT:
                return False
            finally:
                beside.unlink(missing_ok=True)
        return True

    def get_folder(self, key: str, local: Path) -> bool:
        """Fetch a folder, which appears here whole as well; False: there is none, or it isn't whole."""
        sizes = self.listing(key)
        if sizes is None:
            return False
        beside = atomic.sibling(local)
        try:
            for name, size in sizes.items():
                if not self.get(f"{key}/{name}", beside / name) or (beside / name).stat().st_size != size:
                    return False
            with suppress(OSError):  # somebody else was faster
                beside.rename(local)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return local.is_dir()

    def listing(self, key: str) -> dict[str, int] | None:
        """Bytes of each file of a folder that is whole; None where there is none."""
        with self._refusals(key):
            try:
                sizes: dict[str, int] = json.loads(self._fs.cat_file(self._at(f"{key}/{LISTING}")))
            except ABSENT:
                return None
        return sizes

    def folders(self, key: str) -> dict[str, float]:
        """The whole folders directly under `key`, and when each was used last (seconds since 1970)."""
        found: dict[str, float] = {}
        with self._refusals(key):
            try:
                entries = self._fs.ls(self._at(key), detail=False)
            except ABSENT:
                return {}
            for entry in entries:
                name = str(entry).rstrip("/").rpartition("/")[2]
                with suppress(*ABSENT):
                    modified: datetime = self._fs.modified(self._at(f"{key}/{name}/{LISTING}"))
                    found[name] = modified.timestamp()
        return found

    def size(self, key: str) -> int:
        """Bytes of all files under `key`."""
        with self._refusals(key):
            try:
                return int(self._fs.du(self._at(key)))
            except ABSENT:
                return 0

    def used(self, key: str) -> None:
        """Say that a folder was used now."""
        sizes = self.listing(key)
        if sizes is not None:
            with self._refusals(key):
                self._write(f"{key}/{LISTING}", json.dumps(sizes).encode())

    def remove(self, key: str) -> None:
        """Remove a file or a folder; one that isn't there is fine."""
        with self._refusals(key):
            for name in (f"{key}/{LISTING}", key):  # nobody shall take what is left of it for whole
                with suppress(*ABSENT):
                    self._fs.rm(self._at(name), recursive=True)

    def _at(self, key: str) -> str:
        return f"{self._prefix}/{key}"

    def _write(self, key: str, data: bytes) -> None:
        target = self._at(key)
        self._make_parent(target)
        if self._appears_whole:
            self._fs.pipe_file(target, data)
            return
        beside = atomic.sibling(Path(target)).as_posix()
        self._fs.pipe_file(beside, data)
        self._fs.mv(beside, target)

    def _make_parent(self, target: str) -> None:
        if not self._appears_whole:
            self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)

    @contextmanager
    def _refusals(self, key: str) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except Exception as error:  # each kind of store has errors of its own, and few are OSErrors
            raise StorageError(
                f"The store {self.url} can't be used ({key}): {_reason(error)}.",
                hint="Check that it can be reached, and DIORAMA_STORE and its credentials; then try again.",
            ) from error


def _reason(error: Exception) -> str:
    said = str(error).splitlines()
    return f"{type(error).__name__}: {said[0][:200]}" if said else type(error).__name__
