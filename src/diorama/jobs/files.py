"""The folder of jobs: one folder a job with its upload, its finished stages and the files of its steps.

<data>/jobs.db                     the store
<data>/incoming/<token>            uploads while they come in
<data>/owners/<owner>.lock         held by a server process as long as it lives
<data>/jobs/<id>/upload/<name>     the photo as it was sent
<data>/jobs/<id>/stages/           `checkpoints.Checkpoints`
<data>/jobs/<id>/files/<step>-<key>/   what the page shows and the user downloads
<data>/jobs/<id>/products/<key>/   a file that was asked for (`jobs.products`)
<data>/jobs/<id>/pulled/...        single files of folders that are in the store and not here

Where several machines work on the same jobs (`DIORAMA_STORE`), what is finished is pushed to a store that they share,
before the database's row names it, and pulled from there where it is missing: the folder is a cache then.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from diorama import atomic
from diorama.errors import JobNotFoundError
from diorama.jobs.remote import RemoteFiles, open_remote

JOB_ID = re.compile(r"[A-Za-z0-9_-]{22}")

KEPT_RESULTS = 6
"""Results of a stage or step that a job keeps, so that going back to earlier settings costs nothing. At the default
settings one full set is about 100 MB."""

COPIED = ".in-store"
"""Marks the folder of a job whose files are in the store: here are copies."""

INCOMING_SECONDS = 24 * 3600
"""An upload that is older and still not part of a job was cut off by a killed server."""


def data_folder() -> Path:
    """Where jobs live: `DIORAMA_DATA`, else the platform's folder for the user's data."""
    return Path(os.environ.get("DIORAMA_DATA") or platformdirs.user_data_dir("diorama", appauthor=False))


def shared_store() -> str:
    """Where several machines share the jobs' files: `DIORAMA_STORE`, an fsspec address; empty: nowhere."""
    address = os.environ.get("DIORAMA_STORE", "")
    return str(Path(address).expanduser().absolute()) if address and "://" not in address else address


def new_id() -> str:
    """128 random bits: whoever wasn't told a job's address can't guess it."""
    return secrets.token_urlsafe(16)


def safe_name(name: str) -> str:
    """A file name made of `name` that no file system and no header stumbles over.

    Letters (of any script), digits and ``-_.`` stay; folders and leading dots go.
    """
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    name = re.sub(r"[^\w.-]+", "_", name).strip("._")
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem, ending = name, ""
    # With an ending 59 characters: at most 236 bytes of UTF-8, of the 255 that a name may have.
    stem = stem[:50] or "photo"
    # On Windows these mean devices.
    if re.fullmatch(r"(?i)con|prn|aux|nul|(com|lpt)\d", stem):
        stem = f"_{stem}"
    return f"{stem}.{ending[:8]}" if ending else stem


@dataclass(frozen=True)
class JobFolder:
    """Paths of one job, and what of it is in the store that machines share."""

    path: Path
    store: str = ""  # an fsspec address; empty: all is in this folder

    @property
    def stages(self) -> Path:
        """Root of the finished stages."""
        return self.path / "stages"

    @property
    def outputs(self) -> Path:
        """Parent of the folders of finished steps."""
        return self.path / "files"

    def upload(self, name: str) -> Path:
        """The photo as it was sent."""
        return self.path / "upload" / name

    def product(self, product_id: str) -> Path:
        """The folder of a product's file."""
        return self.path / "products" / product_id

    def remove_product(self, product_id: str) -> None:
        """Remove a product's file."""
        self.remove(self.product(product_id))

    # ---- the store that machines share: without one these do nothing ---------------------------------------------

    def push(self, path: Path) -> None:
        """Put a finished file or folder of the job where every machine finds it; whoever looks sees it whole or not
        at all.

        Raises:
            StorageError: the store refuses or can't be reached.
        """
        if remote := self._remote:
            self._mark()
            send = remote.put_folder if path.is_dir() else remote.put
            send(path, self._key(path))

    def pull(self, folder: Path) -> bool:
        """Fetch a finished folder of the job that isn't here; whether it is here now.

        Raises:
            StorageError: the store refuses or can't be reached, or the disk is full.
        """
        if folder.exists() or (remote := self._remote) is None:
            return folder.exists()
        self._mark()
        return remote.get_folder(self._key(folder), folder)

    def pull_upload(self, name: str) -> Path:
        """The photo as it was sent, fetched where it isn't here.

        Raises:
            StorageError: as `pull`.
        """
        path = self.upload(name)
        if not path.exists() and (remote := self._remote):
            self._mark()
            remote.get(self._key(path), path)
        return path

    def pulled(self, path: Path) -> Path:
        """Where a single file of a finished folder can be read: at `path`, or in a copy where the folder isn't here.

        Raises:
            StorageError: as `pull`.
        """
        remote = self._remote
        copy = self.path / "pulled" / path.relative_to(self.path)
        if remote is None or path.exists() or copy.exists():
            if remote is not None:
                self._mark()
            return copy if remote is not None and not path.exists() else path
        # An unfinished folder's files are nobody's business.
        if path.name in (remote.listing(self._key(path.parent)) or {}):
            remote.get(self._key(path), copy)
        return copy

    def use(self, path: Path) -> None:
        """Say that a folder is used now: pruning takes others first."""
        if path.exists():
            os.utime(path)
        if remote := self._remote:
            remote.used(self._key(path))

    def remove(self, path: Path) -> None:
        """Remove a folder of the job, here and in the store."""
        shutil.rmtree(path, ignore_errors=True)
        if remote := self._remote:
            shutil.rmtree(self.path / "pulled" / path.relative_to(self.path), ignore_errors=True)
            remote.remove(self._key(path))

    def size(self) -> int:
        """Bytes of the job's files without its products: in the store where there is one, else here."""
        if remote := self._remote:
            key = f"jobs/{self.path.name}"
            return sum(remote.size(f"{key}/{name}") for name in ("upload", "stages", "files"))
        roots = (self.path / "upload", self.stages, self.outputs)
        return sum(path.stat().st_size for root in roots for path in root.rglob("*") if path.is_file())

    def _mark(self) -> None:
        """Say that what is here is in the store as well, and that it is used now."""
        with atomic.refusals(self.path):
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.path / COPIED).touch()

    @property
    def _remote(self) -> RemoteFiles | None:
        return open_remote(self.store) if self.store else None

    def _key(self, path: Path) -> str:
        return f"jobs/{self.path.name}/{path.relative_to(self.path).as_posix()}"

    # ---- old results -------------------------------------------------------------------------------------------

    def prune(self, used: set[Path]) -> None:
        """Remove the results used longest ago beyond `KEPT_RESULTS` of each stage and step, never those in `used`."""
        groups: dict[str, dict[Path, float]] = {}
        for root in (self.stages, self.outputs):
            here = {folder: _used_at(folder) for folder in (root.iterdir() if root.is_dir() else ())}
            if remote := self._remote:
                here |= {root / name: moment for name, moment in remote.folders(self._key(root)).items()}
            for folder, moment in here.items():
                if not folder.name.startswith("."):
                    groups.setdefault(folder.name.partition("-")[0], {})[folder] = moment
        for moments in groups.values():
            for folder in sorted(moments, key=moments.__getitem__, reverse=True)[KEPT_RESULTS:]:
                if folder not in used:
                    self.remove(folder)


def _used_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


class DataFolder:
    """The data directory of a server.

    Args:
        store: the address of the store that machines share (`shared_store`); empty: there is none.
    """

    def __init__(self, root: Path, store: str = "") -> None:
        self.root = root
        self.store = store

    @property
    def database(self) -> Path:
        return self.root / "jobs.db"

    @property
    def owners(self) -> Path:
        return self.root / "owners"

    def create(self) -> None:
        """Make the folders and clear what a killed server left half done.

        Raises:
            StorageError: the folder can't be made or written.
            InstallationError: the package that the store needs isn't installed.
            SettingsError: the store's address is none.
        """
        if self.store:
            open_remote(self.store)
        with atomic.refusals(self.root / "jobs"):
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)  # the store's file lies in it
            for name in ("incoming", "jobs", "owners"):
                (self.root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            limit = time.time() - INCOMING_SECONDS
            for path in (self.root / "incoming").iterdir():
                if path.stat().st_mtime < limit:
                    path.unlink(missing_ok=True)
            for path in (self.root / "jobs").glob(".removed-*"):
                shutil.rmtree(path, ignore_errors=True)

    def copies(self) -> dict[Path, float]:
        """The folders of jobs whose files are in the store as well, and when each was used last."""
        marks = (self.root / "jobs").glob(f"*/{COPIED}")
        return {mark.parent: _used_at(mark) for mark in marks}

    def incoming(self) -> Path:
        """A new path for an upload that comes in."""
        return self.root / "incoming" / secrets.token_hex(16)

    def job(self, job_id: str) -> JobFolder:
        """The folder of a job, whether it exists or not.

        Raises:
            JobNotFoundError: `job_id` can't be an id.
        """
        if not JOB_ID.fullmatch(job_id):
            raise JobNotFoundError("There is no job of that address.", hint="Upload the photo again.")
        return JobFolder(self.root / "jobs" / job_id, self.store)

    def adopt(self, job_id: str, upload: Path, name: str) -> None:
        """Make a job's folder around its upload, which is moved into it.

        Raises:
            StorageError: the disk is full or refuses, or the store does.
        """
        folder = self.job(job_id)
        target = folder.upload(name)
        with atomic.refusals(target):
            target.parent.mkdir(parents=True, mode=0o700)
            upload.replace(target)
        folder.push(target)

    def remove(self, job_id: str) -> None:
        """Remove a job's folder; gone at once under its name, even where removing it all takes a while."""
        folder = self.job(job_id).path
        grave = folder.with_name(f".removed-{secrets.token_hex(8)}")
        try:
            folder.rename(grave)
        except OSError:
            grave = folder  # Windows keeps a folder whose files are open: remove what can be removed
        shutil.rmtree(grave, ignore_errors=True)
        if self.store:
            open_remote(self.store).remove(f"jobs/{job_id}")
