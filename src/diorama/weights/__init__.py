"""Weights of networks that don't come with Diorama: the cache and the download (the files are in `catalogue`).

A cached file is only ever a whole, verified one: bytes arrive in a hidden ``.part`` beside it, which a later download
goes on with, and take the file's name once their sha256 is the catalogue's. A stamp (size, time of last change) beside
the file spares hashing it at each use; `fetch` and `verify` hash it always.

Environment: ``DIORAMA_CACHE`` (the cache folder), ``DIORAMA_OFFLINE=1`` (never download) and ``DIORAMA_MIRROR`` (the
address of a folder with the catalogue's files by their names, asked instead of the publishers).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from diorama import download
from diorama.atomic import refusals, writing
from diorama.errors import DioramaError, DownloadError, StorageError, UnknownModelError
from diorama.types import Progress
from diorama.weights.catalogue import CATALOGUE as CATALOGUE
from diorama.weights.catalogue import Catalogue as Catalogue
from diorama.weights.catalogue import Weights as Weights

if TYPE_CHECKING:
    from filelock import BaseFileLock

CONNECT_SECONDS = 15.0
"""How long a server may take to begin its answer, name resolution and redirects included."""

REACH_SECONDS = 3.0
"""How long a stage waits for the server of better weights before it takes what is here."""

RETRY_SECONDS = 600.0
"""How long it is remembered that they can't be fetched, so that a batch doesn't wait at every photo."""

LOCK_SECONDS = 3600.0
"""How long to wait for another process that downloads the same file: an hour is 20 kB/s for the largest one."""

State = Literal["ready", "missing", "damaged"]


@dataclass(frozen=True)
class CachedWeights:
    """A row of `list_weights` and `verify`."""

    weights: Weights
    state: State
    path: Path  # where the file is, or would be

    @property
    def disk_bytes(self) -> int:
        """What the cache spends on it: the file, and the part of a download that broke off."""
        return sum(_length(file) for file in (self.path, _part(self.weights, self.path)))


def cache_folder() -> Path:
    """``DIORAMA_CACHE``, or the platform's folder for what can be had again."""
    import platformdirs

    given = os.environ.get("DIORAMA_CACHE")
    return Path(given).expanduser() if given else Path(platformdirs.user_cache_path("diorama", appauthor=False))


def is_offline() -> bool:
    """Whether nothing may be downloaded: ``DIORAMA_OFFLINE`` is set, and not to 0, no or false."""
    return os.environ.get("DIORAMA_OFFLINE", "").strip().lower() not in ("", "0", "no", "false")


def set_offline(offline: bool = True) -> None:
    """Allow or forbid downloads for this process and for those that it starts."""
    if offline:
        os.environ["DIORAMA_OFFLINE"] = "1"
    else:
        os.environ.pop("DIORAMA_OFFLINE", None)


def find(name: str, catalogue: Catalogue | None = None) -> Weights:
    """The catalogue's entry.

    Raises:
        UnknownModelError: there is none of that name.
    """
    catalogue = CATALOGUE if catalogue is None else catalogue
    if name not in catalogue:
        raise UnknownModelError(
            f"The catalogue has no weights named '{name}'.", hint=f"It has: {', '.join(sorted(catalogue))}."
        )
    return catalogue[name]


def path(name: str, catalogue: Catalogue | None = None) -> Path | None:
    """Where the verified file is in the cache; None when it is missing or damaged.

    Raises:
        UnknownModelError: the catalogue has no such weights.
    """
    entry = find(name, catalogue)
    file = _file(entry)
    return file if _state(entry, file, thorough=False) == "ready" else None


def list_weights(catalogue: Catalogue | None = None) -> list[CachedWeights]:
    """Every entry of the catalogue and whether the cache has it."""
    catalogue = CATALOGUE if catalogue is None else catalogue
    return [CachedWeights(e, _state(e, _file(e), thorough=False), _file(e)) for e in catalogue.values()]


def disk_bytes(catalogue: Catalogue | None = None) -> int:
    """What everything that was downloaded takes on the disk, models of the hub included."""
    from diorama.weights import hub

    fetched = sum(snapshot.bytes for snapshot in hub.snapshots())
    return fetched + sum(cached.disk_bytes for cached in list_weights(catalogue))


def verify(names: Iterable[str] | None = None, catalogue: Catalogue | None = None) -> list[CachedWeights]:
    """Hash every byte of the cached files (of all of them where `names` is None). Changes no file.

    Raises:
        UnknownModelError: the catalogue has no weights of a given name.
    """
    catalogue = CATALOGUE if catalogue is None else catalogue
    entries = [find(name, catalogue) for name in (catalogue if names is None else names)]
    return [CachedWeights(e, _state(e, _file(e), thorough=True), _file(e)) for e in entries]


def fetch(
    name: str,
    progress: Progress | None = None,
    *,
    connect_seconds: float = CONNECT_SECONDS,
    catalogue: Catalogue | None = None,
) -> Path:
    """Download into the cache what is missing or damaged there, and return the verified file's path.

    An interrupted download goes on where it stopped, at once or at a later call. While another process downloads the
    same file this one waits for it, so that there is one download and one file.

    Args:
        progress: called with ``"weights"``, the share that has arrived and a sentence.
        connect_seconds: how long a server may take to begin its answer.

    Raises:
        UnknownModelError: the catalogue has no such weights.
        DownloadError: Diorama is offline, or the server can't be reached or won't give the file.
        WeightsCorruptError: what arrived isn't what the catalogue names; nothing was kept.
        StorageError: the cache folder can't be written or the disk is full.
    """
    entry = find(name, catalogue)
    file = _file(entry)
    if _state(entry, file, thorough=True) == "ready":
        return file
    if is_offline():
        raise DownloadError(
            f"The weights of {name} are not in the cache and Diorama is offline.",
            hint=f"Leave out --offline and unset DIORAMA_OFFLINE, or {download.WITHOUT}.",
        )
    with locked(file, progress):
        if _state(entry, file, thorough=True) != "ready":  # nobody was faster
            _download(entry, file, progress, connect_seconds)
    return file


def adopt(entry: Weights, verified: Path) -> Path:
    """Give a file of the cache folder, whose sha256 is the entry's, its name there.

    Raises:
        StorageError: the cache folder refuses.
    """
    file = _file(entry)
    with locked(file, None), refusals(file):
        verified.replace(file)
        _part(entry, file).unlink(missing_ok=True)
    _stamp(entry, file)
    return file


def remove(name: str, catalogue: Catalogue | None = None) -> int:
    """Delete the file and what has arrived of it from the cache; how many bytes that frees.

    Raises:
        UnknownModelError: the catalogue has no such weights.
        StorageError: the cache folder refuses.
    """
    entry = find(name, catalogue)
    file = _file(entry)
    if not file.parent.is_dir():
        return 0
    with locked(file, None), refusals(file):
        freed = CachedWeights(entry, "missing", file).disk_bytes
        for gone in (file, _part(entry, file), _stamp_path(file)):
            gone.unlink(missing_ok=True)
    return freed


_unreachable: dict[str, tuple[float, str]] = {}  # when fetching failed last (monotonic), and the sentence


def fetch_if_reachable(name: str, progress: Progress | None = None) -> str:
    """Fetch weights that a stage can do without; what went wrong as the end of a sentence, or nothing.

    A failure is remembered for `RETRY_SECONDS`.
    """
    when, sentence = _unreachable.get(name, (-RETRY_SECONDS, ""))
    if time.monotonic() - when < RETRY_SECONDS:
        return sentence
    try:
        fetch(name, progress, connect_seconds=REACH_SECONDS)
    except DioramaError as error:
        sentence = f"the weights of {name} could not be fetched. {error.message}"
        _unreachable[name] = (time.monotonic(), sentence)
        return sentence
    return ""


def _file(entry: Weights) -> Path:
    return cache_folder() / "weights" / entry.file


def _part(entry: Weights, file: Path) -> Path:
    # Named by hash: a part of another version of the file is never gone on with.
    return file.with_name(f".{file.name}.{entry.sha256[:8]}.part")


def _length(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _download(entry: Weights, file: Path, progress: Progress | None, connect_seconds: float) -> None:
    part = _part(entry, file)
    with refusals(part):
        have = part.stat().st_size if part.exists() else 0
        if have > entry.bytes:
            part.unlink()
            have = 0
        if shutil.disk_usage(file.parent).free < entry.bytes - have:
            raise StorageError(
                f"The disk that holds {file.parent} has no room for {entry.name} ({download.megabytes(entry.bytes)}).",
                hint="Free some space, or set DIORAMA_CACHE to a folder on another disk.",
            )
    mirror = os.environ.get("DIORAMA_MIRROR")
    url = f"{mirror.rstrip('/')}/{entry.file}" if mirror else entry.url
    wanted = download.Wanted(entry.name, url, entry.bytes)
    download.to_part(wanted, part, progress, connect_seconds)
    with refusals(part):
        if _sha256(part) != entry.sha256:
            part.unlink()
            raise download.corrupt(wanted, "its sha256 is another one")
        part.replace(file)
    _stamp(entry, file)


@contextmanager
def locked(file: Path, progress: Progress | None) -> Iterator[None]:
    """Hold the file's lock between processes; it is the system's own, so it ends with a killed process."""
    import filelock

    with refusals(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(file.with_name(f".{file.name}.lock"))
    with refusals(file):
        try:
            held = _acquire(lock, file.stem, progress)
        except NotImplementedError as error:
            raise StorageError(
                f"The disk that holds {file.parent} knows no file locks.", hint="Set DIORAMA_CACHE to a local folder."
            ) from error
    if not held:
        raise DownloadError(
            f"Another process has been fetching {file.stem} for an hour.", hint="Stop that process and try again."
        )
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, name: str, progress: Progress | None) -> bool:
    """False when the lock is still held after `LOCK_SECONDS`."""
    from filelock import Timeout

    try:
        lock.acquire(blocking=False)
    except Timeout:
        if progress:
            progress("weights", 0.0, f"Another process is fetching {name}: waiting for it")
        try:
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            return False
    return True


# ---- what is in the cache --------------------------------------------------------------------------------------


def _state(entry: Weights, file: Path, *, thorough: bool) -> State:
    try:
        status = file.stat()
    except OSError:
        return "missing"
    if status.st_size != entry.bytes:
        return "damaged"
    if not thorough and _read_stamp(file) == _stamp_of(entry, status):
        return "ready"
    try:
        intact = _sha256(file) == entry.sha256
    except OSError:
        return "damaged"
    if intact:
        _stamp(entry, file)
        return "ready"
    return "damaged"


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _stamp_of(entry: Weights, status: os.stat_result) -> dict[str, object]:
    return {"sha256": entry.sha256, "bytes": status.st_size, "changed_ns": status.st_mtime_ns}


def _stamp_path(file: Path) -> Path:
    return file.with_name(f".{file.name}.verified")


def _read_stamp(file: Path) -> object:
    try:
        return json.loads(_stamp_path(file).read_bytes())
    except (OSError, ValueError):
        return None


def _stamp(entry: Weights, file: Path) -> None:
    """Note that the file was verified. A cache that may not be written goes without: each use hashes the file."""
    stamp = _stamp_of(entry, file.stat())
    if _read_stamp(file) == stamp:
        return
    try:
        with writing(_stamp_path(file)) as opened:
            opened.write(json.dumps(stamp).encode())
    except StorageError:
        pass
