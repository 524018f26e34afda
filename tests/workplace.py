"""Jobs for tests: a store and a folder, photos that are quick or slow to make, and waiting for what happens."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import bad_inputs
from diorama.jobs.files import DataFolder, new_id
from diorama.jobs.store import Job, Store
from diorama.settings import Settings
from waiting import SHORT_PAUSE, waited

QUICK: dict[str, Any] = {"processing_size": 128, "triangles": 1000}
SLOW: dict[str, Any] = {"processing_size": 1536, "triangles": 2_000_000}
"""With `slow_photo`, a mesh stage of seconds: time enough to be killed in."""

RESULT: dict[str, Any] = {
    "step": "original",
    "report": [],
    "warnings": [],
    "camera": {"fx": 9, "fy": 9, "cx": 4, "cy": 4, "width": 8, "height": 8, "fov_x": 48, "source": "assumed"},
    "units": "relative",
    "triangles": 2,
    "points": 64,
    "folder": "original-0",
    "files": [],
}
"""What a worker makes of a step, at its least: what older versions kept."""


@functools.cache
def quick_photo() -> bytes:
    """A PNG of 96 x 64 pixels."""
    return bad_inputs.encoded(Image.fromarray(bad_inputs.picture()), "PNG")


@functools.cache
def slow_photo() -> bytes:
    """A JPEG of 1536 x 1152 pixels, rough enough that its mesh can't be simple."""
    rough = np.random.default_rng(0).normal(0, 40, (1152, 1536, 1))
    picture = np.clip(bad_inputs.picture(1536, 1152) + rough, 0, 255).astype(np.uint8)
    return bad_inputs.encoded(Image.fromarray(picture), "JPEG", quality=80)


class Workplace:
    """What a server process keeps its jobs in."""

    def __init__(self, root: Path) -> None:
        self.data = DataFolder(root)
        self.data.create()
        self.store = Store(self.data.database)
        self.store.create_tables()

    def add(self, photo: bytes | None = None, **settings: Any) -> str:
        """Queue a job and return its id."""
        job_id, upload = new_id(), self.data.incoming()
        upload.write_bytes(quick_photo() if photo is None else photo)
        self.data.adopt(job_id, upload, "photo.png")
        values = Settings.parse({**QUICK, **settings}).model_dump(mode="json")
        return self.store.add(job_id, "photo.png", "photo.png", values, limit=64).id

    def wait(self, job_id: str, until: Callable[[Job], bool], seconds: float = 90) -> Job:
        """The job, once `until` is true of it."""
        return waited(lambda: self.store.get(job_id), until, seconds, longest=SHORT_PAUSE)

    def finished(self, job_id: str) -> Job:
        """The job, once its step is made or has failed."""
        return self.wait(job_id, lambda job: job.state in ("waiting", "failed"))

    def stage_files(self, job_id: str) -> dict[str, int]:
        """The inode of every file of the finished stages: the same number means that it wasn't written again."""
        root = self.data.job(job_id).stages
        files = (path for path in root.rglob("*") if path.is_file() and not path.parent.name.startswith("."))
        return {path.relative_to(root).as_posix(): path.stat().st_ino for path in files}


def at_stage(name: str) -> Callable[[Job], bool]:
    """Whether a job is in the middle of that stage, for `Workplace.wait`."""
    return lambda job: job.state == "running" and job.progress.get("stage") == name
