"""Weights in one file, for a machine without a network: written from one cache, installed into another.

A bundle is a zip of unpacked members: ``manifest.json`` and ``weights/FILE`` for each file. What is read may be damaged
or made to harm, and the reader's own catalogue decides: a member has to be one of its files, by name, size and sha256,
so that a bundle can bring nothing that a download couldn't. Every byte is checked before the first file takes its
name; after any error the cache is as it was.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from diorama import __version__, atomic, download, weights
from diorama.errors import InputError, StorageError, WeightsCorruptError, WeightsMissingError
from diorama.types import Progress
from diorama.weights.catalogue import Catalogue, Weights

FORMAT = 1
"""Raised when a reader of the present version could no longer read what is written."""

MANIFEST = "manifest.json"

MAX_MANIFEST = 1 << 20  # bytes; a catalogue of 1000 files has 0.4 MB

ABANDONED_SECONDS = 3600
"""After which an unfinished file of an installation that was killed is removed."""

_CHUNK = 1 << 20


def write(
    path: Path, names: Iterable[str] | None = None, progress: Progress | None = None, catalogue: Catalogue | None = None
) -> list[Weights]:
    """Put weights of the cache (all that are there where `names` is None) into one file; which those were.

    Every byte is hashed on its way.

    Raises:
        UnknownModelError: the catalogue has no weights of a given name.
        WeightsMissingError: weights that were named aren't in the cache, or none are.
        WeightsCorruptError: a file of the cache is damaged; no bundle is left.
        StorageError: the bundle can't be written.
    """
    rows = weights.list_weights(catalogue)
    wanted = [weights.find(name, catalogue).name for name in names] if names is not None else None
    rows = [row for row in rows if (row.state == "ready" if wanted is None else row.weights.name in wanted)]
    missing = [row.weights.name for row in rows if row.state != "ready"]
    if missing or not rows:
        what = f"The weights of {', '.join(missing)} are" if missing else "No weights are"
        raise WeightsMissingError(
            f"{what} not in the cache.", hint=f"Fetch them first: diorama models pull {' '.join(missing) or 'NAME'}."
        )
    try:
        with atomic.writing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            _pack(archive, rows, progress)
    except _DamagedError as error:
        raise WeightsCorruptError(
            f"The cache is damaged: {error}.", hint="'diorama models verify' finds what is, 'models pull' fetches it."
        ) from error
    return [row.weights for row in rows]


def _pack(archive: zipfile.ZipFile, rows: list[weights.CachedWeights], progress: Progress | None) -> None:
    archive.writestr(_dated(MANIFEST), _manifest([row.weights for row in rows]))
    total, done = sum(row.weights.bytes for row in rows), 0
    for row in rows:
        with row.path.open("rb") as source, archive.open(_dated(_member(row.weights)), "w", force_zip64=True) as to:
            for chunk in _checked(row.weights, _chunks(source)):
                to.write(chunk)
                done += len(chunk)
                _say(progress, done, total, f"Packing {row.weights.name}")


def install(path: Path, progress: Progress | None = None, catalogue: Catalogue | None = None) -> list[Weights]:
    """Put a bundle's weights into the cache; which those were. Asks no network.

    Raises:
        InputError: there is no such file.
        WeightsCorruptError: it is damaged, hostile, or holds what the catalogue doesn't; nothing was kept.
        StorageError: the cache folder can't be written or the disk is full.
    """
    catalogue = weights.CATALOGUE if catalogue is None else catalogue
    folder = weights.cache_folder() / "weights"
    with _damage(path), zipfile.ZipFile(path) as archive:
        members = _members(archive, catalogue)
        with atomic.refusals(folder / MANIFEST):
            folder.mkdir(parents=True, exist_ok=True)
            _sweep(folder)
            _check_room(folder, sum(entry.bytes for entry, _ in members))
        staged: list[tuple[Weights, Path]] = []
        try:
            _stage(archive, members, folder, staged, progress)
            for entry, temporary in staged:
                weights.adopt(entry, temporary)
        finally:
            for _, temporary in staged:
                temporary.unlink(missing_ok=True)
    return [entry for entry, _ in members]


def _stage(
    archive: zipfile.ZipFile,
    members: list[tuple[Weights, zipfile.ZipInfo]],
    folder: Path,
    staged: list[tuple[Weights, Path]],
    progress: Progress | None,
) -> None:
    """Unpack and hash every member into a hidden file of the cache; each is noted in `staged` before its first byte."""
    total, done = sum(entry.bytes for entry, _ in members), 0
    for entry, info in members:
        temporary = atomic.sibling(folder / entry.file)
        staged.append((entry, temporary))
        with archive.open(info) as source:
            chunks = _checked(entry, _chunks(source))
            with atomic.refusals(folder / entry.file):
                file = temporary.open("xb")
            with file:
                for chunk in chunks:
                    with atomic.refusals(folder / entry.file):
                        file.write(chunk)
                    done += len(chunk)
                    _say(progress, done, total, f"Checking {entry.name}")


def _members(archive: zipfile.ZipFile, catalogue: Catalogue) -> list[tuple[Weights, zipfile.ZipInfo]]:
    """The archive's weights, once nothing about any member is suspicious."""
    known = {_member(entry): entry for entry in catalogue.values()}
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if len(set(names)) != len(names):
        raise _DamagedError("it holds a name twice")
    if MANIFEST not in names:
        raise _DamagedError(f"it holds no {MANIFEST}")
    found = []
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 0x1 or info.compress_size != info.file_size:
            raise _DamagedError(f"{_shown(info.filename)} is packed or encrypted")
        if info.filename == MANIFEST:
            _check_manifest(archive, info)
        elif info.filename not in known:
            raise _DamagedError(f"it holds {_shown(info.filename)}, which is no file of the catalogue")
        elif info.file_size != known[info.filename].bytes:
            raise _DamagedError(f"{known[info.filename].name} has {info.file_size} bytes")
        else:
            found.append((known[info.filename], info))
    if not found:
        raise _DamagedError("it holds no weights")
    return found


def _check_manifest(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    if info.file_size > MAX_MANIFEST:
        raise _DamagedError(f"{MANIFEST} is too long")
    try:
        manifest = json.loads(archive.read(info))
    except ValueError as error:
        raise _DamagedError(f"{MANIFEST} is no JSON") from error
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if version != FORMAT:
        raise _DamagedError(f"its format is {str(version)[:20]}, and this version reads {FORMAT}")


def _manifest(entries: list[Weights]) -> str:
    files = [
        {
            "name": entry.name, "file": entry.file, "bytes": entry.bytes, "sha256": entry.sha256,
            "licence": entry.licence, "url": entry.url,
        }
        for entry in entries
    ]  # fmt: skip
    return json.dumps({"format": FORMAT, "diorama": __version__, "weights": files}, indent=2)


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK):
        yield chunk


def _checked(entry: Weights, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks; an error instead of the end when they aren't the entry's."""
    digest, count = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        count += len(chunk)
        if count > entry.bytes:
            break
        yield chunk
    if count != entry.bytes or digest.hexdigest() != entry.sha256:
        raise _DamagedError(f"{entry.name} isn't the catalogue's file")


def _check_room(folder: Path, count: int) -> None:
    if shutil.disk_usage(folder).free < count:
        raise StorageError(
            f"The disk that holds {folder} has no room for the bundle ({download.megabytes(count)}).",
            hint="Free some space, or set DIORAMA_CACHE to a folder on another disk.",
        )


def _sweep(folder: Path) -> None:
    for path in folder.glob(atomic.SIBLINGS):
        if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
            path.unlink(missing_ok=True)


def _member(entry: Weights) -> str:
    return f"weights/{entry.file}"


def _dated(name: str) -> zipfile.ZipInfo:
    """A member dated 1980, so that the same weights give the same bytes."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o644 << 16
    return info


def _say(progress: Progress | None, done: int, total: int, sentence: str) -> None:
    if progress:
        progress("weights", min(done / total, 1.0), sentence)


def _shown(name: str) -> str:
    return repr(name[:80])


class _DamagedError(Exception):
    """What is wrong, as the end of a sentence."""


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.", hint="Write one with 'diorama models bundle -o FILE'.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder.", hint="Give the file that 'diorama models bundle' wrote.") from error
    except (
        _DamagedError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OSError,
    ) as error:
        reason = str(error).strip().rstrip(".")
        reason = f"it can't be read ({reason})" if not isinstance(error, _DamagedError) else reason
        raise WeightsCorruptError(
            f"{path.name} can't be installed: {reason}. Nothing was kept.",
            hint="Copy the file once more, or write it again with 'diorama models bundle' of the same version.",
        ) from error
