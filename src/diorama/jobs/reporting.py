"""How far a worker is: stages, their usual times, and the sentence for the person who waits, written to the store."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from diorama.errors import StorageError
from diorama.jobs.store import Claim, Store
from diorama.settings import STEP_STAGES, Settings

if TYPE_CHECKING:
    from diorama.types import Step

log = logging.getLogger(__name__)

TYPICAL_SECONDS = {
    "photo": 0.5, "depth": 2.5, "corrections": 1.0, "points": 0.8, "mesh": 2.0, "segments": 2.0, "advice": 0.5,
    "layers": 6.0,
    "plan": 0.5, "tune": 3.0, "rebuild": 0.5, "texture": 3.0, "synthesis": 1.0, "files": 3.0,
}  # fmt: skip
"""Shares of a step until the store knows better: a 12 megapixel photo at the default settings on 2 cores."""

REPORT_SECONDS = 0.2
"""Progress within a stage is written no more often than this."""

FILES = "files"
"""The stage after the pipeline's own: what the page shows and the user downloads."""

FILES_MESSAGE = "Writing the files"


class ClaimLostError(Exception):
    """The job was deleted, or given to another worker: stop."""


def stage_labels(step: Step, *, corrected: bool = False) -> dict[str, str]:
    """Every stage of a step in order, with a sentence for the person who waits.

    Args:
        corrected: there are strokes of the correction brush.
    """
    return {**_labels(step, corrected), FILES: FILES_MESSAGE}


def earlier_stages(step: Step, *, corrected: bool = False) -> dict[str, str]:
    """The stages of the steps before `step`, in order, with their sentences."""
    from diorama.pipeline import STEPS

    before: dict[str, str] = {}
    for name in STEPS[: STEPS.index(step)]:
        before |= _labels(name, corrected)
    return before


def _labels(step: Step, corrected: bool) -> dict[str, str]:
    from diorama.pipeline import STAGE_MESSAGES

    names = list(STEP_STAGES[step])
    if corrected and "depth" in names:
        names.insert(names.index("depth") + 1, "corrections")
    return {str(name): STAGE_MESSAGES[name] for name in names}


class Reporter:
    """Progress of one run, written to the store: stages, the share of the step that is done, when it should end."""

    def __init__(self, store: Store, claim: Claim, settings: Settings, step: Step, *, corrected: bool = False) -> None:
        self._store = store
        self._claim = claim
        self._started = time.time()
        self._stage_started = self._started
        self._written = 0.0
        self._typical = TYPICAL_SECONDS | store.typical_seconds(step, settings.processing_size)
        # What earlier steps have made is there, as a rule: their stages only show when one has to be made again.
        self._earlier = earlier_stages(step, corrected=corrected)
        self._stages: dict[str, dict[str, Any]] = {
            name: {"name": name, "label": label, "state": "pending", "seconds": None, "reused": name in self._earlier}
            for name, label in (self._earlier | stage_labels(step, corrected=corrected)).items()
        }

    def __call__(self, stage: str, share: float, message: str) -> None:
        """As `diorama.types.Progress`.

        Raises:
            ClaimLostError: the job was deleted or is another worker's now.
        """
        entry = self._stages[stage]
        changed = False
        if entry["state"] == "pending":
            entry["state"], changed = "running", True
            self._stage_started = time.time()
        if share >= 1 and entry["state"] == "running":
            entry["state"], changed = "done", True
            if not entry["reused"]:
                entry["seconds"] = round(time.time() - self._stage_started, 3)
        if stage in self._earlier and entry["reused"]:
            return
        if changed or time.time() - self._written >= REPORT_SECONDS:
            self._write(stage, min(max(share, 0.0), 1.0), message)

    def begin(self, stage: str) -> None:
        """The stage's result is not there: it is made now."""
        if self._stages[stage]["reused"]:
            self._stages[stage]["reused"] = False
            self._write(stage, 0.0, self._stages[stage]["label"])

    def stages(self) -> list[dict[str, Any]]:
        """The stages of the step, and those of earlier ones that had to be made again."""
        return [entry for name, entry in self._stages.items() if name not in self._earlier or not entry["reused"]]

    def reuse(self, stage: str, seconds: float) -> None:
        """The stage's result is there already; making it took `seconds`."""
        self._stages[stage].update(reused=True, seconds=seconds)

    def _write(self, stage: str, share: float, message: str) -> None:
        self._written = time.time()
        fresh = {name: self._typical[name] for name, entry in self._stages.items() if not entry["reused"]}
        done = sum(seconds for name, seconds in fresh.items() if self._stages[name]["state"] == "done")
        if self._stages[stage]["state"] == "running":
            done += share * fresh.get(stage, 0.0)
        total = sum(fresh.values())
        # Trust what is usual at first, and this run's own pace the more of it is seen.
        seen = done / total if total else 1.0
        pace = (self._written - self._started) / done if done > 0 else 1.0
        pace = (1 - seen) + seen * min(max(pace, 0.2), 5.0)
        progress = {
            "stage": stage,
            "message": message,
            "fraction": round(seen, 4),
            "ends": self._written + (total - done) * pace,
            "stages": self.stages(),
        }
        try:
            held = self._store.report(self._claim, progress)
        except StorageError:
            log.warning("progress of job %s could not be written", self._claim.job_id, exc_info=True)
            return
        if not held:
            raise ClaimLostError
