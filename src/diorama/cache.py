"""Finished files by what they were made from: what was made once is not made again.

An entry is a folder of files and `entry.json`, under a key that its maker has hashed from all that decides. It appears
whole, is checked against its hashes when it is taken, and goes when the limit is passed and others were used since.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from diorama import atomic
from diorama.errors import SettingsError
from diorama.weights import cache_folder

DEFAULT_LIMIT = 10 << 30
"""Bytes: the scenes of a few hundred photos at the default settings, with a GLB each."""

ROOM = 0.9
"""Share of the limit down to which is made room, so that not every new entry has to look at all others."""

RECORD = "entry.json"

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Used:
    """What the cache holds."""

    folder: Path
    entries: int
    bytes: int
    limit: int  # bytes


class Cache:
    """The results under a folder; several processes may use it at once.

    Args:
        root: ``results`` in the cache's folder (``DIORAMA_CACHE``) where None.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = cache_folder() / "results" if root is None else root

    @property
    def limit(self) -> int:
        """The most bytes; 0: nothing is kept."""
        try:
            found = json.loads((self.root / "limit.json").read_bytes())["bytes"]
        except (OSError, ValueError, KeyError, TypeError):
            return DEFAULT_LIMIT
        return found if isinstance(found, int) and found >= 0 else DEFAULT_LIMIT

    def get(self, key: str, folder: Path) -> dict[str, Any] | None:
        """Copy an entry's files into a folder, and say what was noted with them; None: it isn't there, or damaged.

        Raises:
            StorageError: the folder can't be written.
        """
        entry = self._entry(key)
        try:
            kept = json.loads((entry / RECORD).read_bytes())
            files, note = dict(kept["files"]), dict(kept["note"])
            with suppress(OSError):  # it may be somebody else's
                os.utime(entry / RECORD)
            sources = {name: (entry / name).open("rb") for name in files}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        whole = True
        with atomic.refusals(folder / RECORD):
            for name, source in sources.items():
                with source, (folder / name).open("wb") as target:
                    whole &= _copied(source, target) == files[name]
        if not whole:
            for name in files:
                (folder / name).unlink(missing_ok=True)
            self._remove(entry)
            return None
        return note

    def put(self, key: str, files: Mapping[str, Path], note: Mapping[str, Any]) -> None:
        """Keep files under a key, by name, with what is to be known of them; one that is there already stays.

        Raises:
            StorageError: the disk is full or refuses.
        """
        entry, limit = self._entry(key), self.limit
        size = sum(path.stat().st_size for path in files.values())
        if size > limit or entry.exists():
            return
        beside = atomic.sibling(entry)
        with atomic.refusals(entry):
            try:
                beside.mkdir(parents=True, mode=0o700)
                digests = {}
                for name, path in files.items():
                    with path.open("rb") as source, (beside / name).open("wb") as target:
                        digests[name] = _copied(source, target)
                (beside / RECORD).write_text(json.dumps({"files": digests, "note": dict(note)}), encoding="utf-8")
                with suppress(OSError):  # another process was faster
                    beside.rename(entry)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
        self._make_room(limit)

    def used(self) -> Used:
        """What is there."""
        found = list(self._entries())
        return Used(self.root, len(found), sum(size for _, size, _ in found), self.limit)

    def clear(self) -> Used:
        """Remove everything; what it was."""
        before = self.used()
        for entry, _, _ in list(self._entries()):
            self._remove(entry)
        return before

    def set_limit(self, limit: int) -> None:
        """How many bytes may be kept, from now on; what is beyond them goes.

        Raises:
            StorageError: it can't be written down.
        """
        with atomic.refusals(self.root):
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic.writing(self.root / "limit.json") as file:
            file.write(json.dumps({"bytes": limit}).encode())
        self._make_room(limit)

    def _entry(self, key: str) -> Path:
        return self.root / key[:2] / key

    def _entries(self) -> Iterator[tuple[Path, int, float]]:
        """Each entry, its bytes and when it was used last."""
        for entry in self.root.glob("??/[!.]*"):
            try:
                sizes = [one.stat().st_size for one in os.scandir(entry)]
                yield entry, sum(sizes), (entry / RECORD).stat().st_mtime
            except OSError:  # it went away meanwhile
                continue

    def _make_room(self, limit: int) -> None:
        """Remove what was used longest ago."""
        if sum(size for _, size, _ in self._entries()) <= limit:
            return
        # Two at once would remove twice as much.
        with atomic.refusals(self.root / "lock"), FileLock(self.root / "lock"):
            found = sorted(self._entries(), key=lambda one: one[2])
            total = sum(size for _, size, _ in found)
            for entry, size, _ in found:
                if total <= limit * ROOM:
                    return
                self._remove(entry)
                total -= size

    def _remove(self, entry: Path) -> None:
        grave = atomic.sibling(entry)
        with suppress(OSError):
            entry.rename(grave)  # nobody shall find half of it
        shutil.rmtree(grave, ignore_errors=True)


def parse_size(text: str) -> int:
    """Bytes of ``20 GB``, ``500MB`` or ``0``.

    Raises:
        SettingsError: it says no size.
    """
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,3})?)\s*([kmgt]?b?)\s*", text, re.IGNORECASE)
    unit = match[2].upper() if match else ""
    if match is None or unit not in _UNITS:
        raise SettingsError(f"'{text[:40]}' is no size.", hint="Give a number and a unit, such as 20GB or 500MB; or 0.")
    return int(float(match[1]) * _UNITS[unit])


def _copied(source: Any, target: Any) -> str:
    """Copy, and the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest()
