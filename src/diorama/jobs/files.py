"""The folder of jobs: one folder a job with its upload, its finished stages and the files of its steps.

<data>/jobs.db                     the store
<data>/incoming/<token>            uploads while they come in
<data>/owners/<owner>.lock         held by a server process as long as it lives
<data>/jobs/<id>/upload/<name>     the photo as it was sent
<data>/jobs/<id>/stages/           `bundle.Checkpoints`
<data>/jobs/<id>/files/<step>-<key>/   what the page shows and the user downloads
<data>/jobs/<id>/products/<key>/   a file that was asked for (`jobs.products`)
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

JOB_ID = re.compile(r"[A-Za-z0-9_-]{22}")

KEPT_RESULTS = 6
"""Results of a stage or step that a job keeps, so that going back to earlier settings costs nothing. At the default
settings one full set is about 100 MB."""

INCOMING_SECONDS = 24 * 3600
"""An upload that is older and still not part of a job was cut off by a killed server."""


def data_folder() -> Path:
    """Where jobs live: `DIORAMA_DATA`, else the platform's folder for the user's data."""
    return Path(os.environ.get("DIORAMA_DATA") or platformdirs.user_data_dir("diorama", appauthor=False))


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
    """Paths of one job."""

    path: Path

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
        shutil.rmtree(self.product(product_id), ignore_errors=True)

    def prune(self, used: set[Path]) -> None:
        """Remove the results used longest ago beyond `KEPT_RESULTS` of each stage and step, never those in `used`."""
        groups: dict[str, list[Path]] = {}
        for root in (self.stages, self.outputs):
            for folder in root.iterdir() if root.is_dir() else ():
                if not folder.name.startswith("."):
                    groups.setdefault(folder.name.partition("-")[0], []).append(folder)
        for folders in groups.values():
            for folder in sorted(folders, key=_used_at, reverse=True)[KEPT_RESULTS:]:
                if folder not in used:
                    shutil.rmtree(folder, ignore_errors=True)


def _used_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


class DataFolder:
    """The data directory of a server."""

    def __init__(self, root: Path) -> None:
        self.root = root

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
        """
        with atomic.refusals(self.root / "jobs"):
            for name in ("incoming", "jobs", "owners"):
                (self.root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            limit = time.time() - INCOMING_SECONDS
            for path in (self.root / "incoming").iterdir():
                if path.stat().st_mtime < limit:
                    path.unlink(missing_ok=True)
            for path in (self.root / "jobs").glob(".removed-*"):
                shutil.rmtree(path, ignore_errors=True)

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
        return JobFolder(self.root / "jobs" / job_id)

    def adopt(self, job_id: str, upload: Path, name: str) -> None:
        """Make a job's folder around its upload, which is moved into it.

        Raises:
            StorageError: the disk is full or refuses.
        """
        target = self.job(job_id).upload(name)
        with atomic.refusals(target):
            target.parent.mkdir(parents=True, mode=0o700)
            upload.replace(target)

    def remove(self, job_id: str) -> None:
        """Remove a job's folder; gone at once under its name, even where removing it all takes a while."""
        folder = self.job(job_id).path
        grave = folder.with_name(f".removed-{secrets.token_hex(8)}")
        try:
            folder.rename(grave)
        except OSError:
            grave = folder  # Windows keeps a folder whose files are open: remove what can be removed
        shutil.rmtree(grave, ignore_errors=True)
