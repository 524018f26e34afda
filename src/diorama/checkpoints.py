"""Finished stages kept in a folder, so that a run that was cut off goes on after the last one."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from diorama import atomic, bundle, records
from diorama.errors import SceneFileError
from diorama.stage_files import Pictures
from diorama.types import StageReport

ATTEMPTS = 5
"""At giving a checkpoint its name, while other processes do the same."""

ABANDONED_SECONDS = 3600
"""No save takes as long."""


class Checkpoints:
    """Finished stages under `root`, each as the folder `<stage>-<key>`.

    Several processes may share a root: a folder appears whole, and whoever saves the same key second changes nothing.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.pictures = Pictures()

    def load(self, stage: str, key: str) -> tuple[Any, StageReport] | None:
        """The stage's record and report; None where there is none or it is damaged: then it is made anew."""
        folder = self._folder(stage, key)
        with suppress(SceneFileError):
            found = bundle.load_stage(folder, stage)
            self.pictures.note(folder, records.pack(stage, found[0]).arrays)
            return found
        return None

    def save(self, stage: str, key: str, record: object, report: StageReport) -> None:
        """Keep a finished stage.

        Raises:
            StorageError: the disk is full or refuses.
        """
        folder = self._folder(stage, key)
        temporary = atomic.sibling(folder)
        with atomic.refusals(folder):
            self.root.mkdir(parents=True, exist_ok=True)
            self._sweep()
            try:
                bundle.save_stage(temporary, stage, record, report)
                self._put(temporary, stage, key)
                self.pictures.note(folder, records.pack(stage, record).arrays)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def forget(self, stage: str, key: str) -> None:
        """Remove a stage's checkpoint, so that it is made again."""
        shutil.rmtree(self._folder(stage, key), ignore_errors=True)

    def _put(self, temporary: Path, stage: str, key: str) -> None:
        """Give the folder its name, unless another process has been first; a damaged one makes way."""
        folder = self._folder(stage, key)
        for attempt in range(ATTEMPTS):
            try:
                temporary.rename(folder)
                return
            except OSError:
                if self.load(stage, key) is not None:
                    return
                if attempt == ATTEMPTS - 1:
                    raise
            damaged = atomic.sibling(folder)
            with suppress(OSError):  # another process has removed it in between
                folder.rename(damaged)
            shutil.rmtree(damaged, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what processes that were killed in the middle of `save` have left."""
        for left in self.root.glob(atomic.SIBLINGS):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)

    def _folder(self, stage: str, key: str) -> Path:
        return self.root / f"{stage}-{key}"
