"""What a worker process does: make one step of one job, telling the store how far it is.

A worker is spawned (never forked), serves one slot and stays warm: imports and the depth model's session are kept from
job to job. Photos are decoded here and nowhere else, so that a file that kills its decoder kills only a worker.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import signal
import threading
import time
from dataclasses import dataclass, field, replace
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL

from diorama.errors import DioramaError, StorageError
from diorama.jobs import outputs
from diorama.jobs.files import JobFolder
from diorama.jobs.store import Claim, Store, error_record
from diorama.settings import STEP_STAGES, Settings

if TYPE_CHECKING:
    from diorama.bundle import Checkpoints
    from diorama.types import Scene, SegmentEdit, StageReport, Step

log = logging.getLogger(__name__)

TYPICAL_SECONDS = {
    "photo": 0.5, "depth": 2.5, "corrections": 1.0, "points": 0.8, "mesh": 2.0, "segments": 2.0, "advice": 0.5,
    "layers": 6.0,
    "plan": 0.5, "tune": 3.0, "rebuild": 0.5, "texture": 3.0, "synthesis": 1.0, "files": 3.0,
}  # fmt: skip
"""Shares of a step until the store knows better: a 12 megapixel photo at the default settings on 2 cores."""

REPORT_SECONDS = 0.2
"""Progress within a stage is written no more often than this."""

WARM_PIXELS = 64

FILES = "files"
"""The stage after the pipeline's own: what the page shows and the user downloads."""

FILES_MESSAGE = "Writing the files"


@dataclass(frozen=True)
class Task:
    """One step of one job, as it is sent to a worker."""

    claim: Claim
    store: URL
    folder: Path
    upload: Path
    settings: dict[str, Any]
    step: Step
    edits: dict[str, Any] = field(default_factory=dict)  # of segments, by the segmentation's key
    kept: frozenset[str] = frozenset()  # folders of the results that the job lists
    corrections: list[Any] = field(default_factory=list)  # strokes, as JSON
    files: str = ""  # the store that machines share, if there is one


@dataclass(frozen=True)
class Outcome:
    """What came of a task: a result, an error record, or neither when the claim was lost on the way."""

    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


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


def start() -> None:
    """Make this process a worker: it ends with its server, and Ctrl-C is the server's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A killed server can't stop its workers, and a worker waiting for work would wait for ever.
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def warm_up() -> None:
    """Make a scene of next to nothing: it loads the modules, the depth model and the compiled loops for the first job,
    which would wait for them otherwise."""
    import numpy as np

    from diorama import pipeline, render

    grey = np.full((WARM_PIXELS, WARM_PIXELS, 3), 128, np.uint8)
    scene = pipeline.make(grey, Settings(processing_size=WARM_PIXELS), fetch=False)
    render.render(scene)


def run(task: Task) -> Outcome:
    """Make the step; every error becomes a record with a sentence and a hint."""
    store = Store(task.store)
    try:
        return Outcome(result=_make(task, store))
    except ClaimLostError:
        return Outcome()
    except DioramaError as error:
        return Outcome(error=error_record(error))
    except Exception as error:
        log.exception("job %s", task.claim.job_id)
        return Outcome(error=error_record(unforeseen(error)))
    finally:
        store.close()


def unforeseen(error: Exception) -> DioramaError:
    """A sentence for an error that nobody has thought of."""
    if isinstance(error, MemoryError):
        return DioramaError(
            "There is not enough memory for this photo at these settings.",
            hint="Run it again with a smaller geometry detail and texture size.",
        )
    return DioramaError(
        f"Something went wrong inside Diorama ({type(error).__name__}).",
        hint="Run the step again; if it fails again, the server's log says where, which helps in a bug report.",
    )


def edits_of(records: dict[str, Any]) -> dict[str, list[SegmentEdit]]:
    """The edits by the segmentation's key, from what the store keeps."""
    from diorama.types import SegmentEdit

    return {
        key: [SegmentEdit(e["kind"], tuple(e["ids"]), e["name"], (e["at"][0], e["at"][1])) for e in edits]
        for key, edits in records.items()
    }


def _make(task: Task, store: Store) -> dict[str, Any]:
    from diorama import bundle, pipeline

    folder = JobFolder(task.folder, task.files)
    folder.pull_upload(task.upload.name)
    settings = Settings.parse(task.settings)
    reporter = Reporter(store, task.claim, settings, task.step, corrected=bool(task.corrections))
    checkpoints = Watched(bundle.Checkpoints(folder.stages), reporter, folder)
    scene = pipeline.make(
        task.upload,
        settings,
        until=task.step,
        fetch=False,
        progress=reporter,
        checkpoints=checkpoints,
        edits=edits_of(task.edits),
        corrections=task.corrections,
    )
    target = folder.outputs / f"{task.step}-{_files_key(checkpoints.key, scene)}-{outputs.VERSION}"
    reporter(FILES, 0.0, FILES_MESSAGE)
    folder.pull(target)
    if outputs.is_made(target, task.step):
        folder.use(target)
        reporter.reuse(FILES, 0.0)
    else:
        outputs.make(scene, target, lambda share: reporter(FILES, share, FILES_MESSAGE), checkpoints.before(scene))
        folder.push(target)
    reporter(FILES, 1.0, FILES_MESSAGE)
    folder.prune(used={*checkpoints.used, target, *(folder.outputs / name for name in task.kept)})
    made = _result(scene, target, task.step)
    return made | {"stages": reporter.stages(), "keys": checkpoints.keys, "settings": settings.model_dump(mode="json")}


def _files_key(key: str, scene: Scene) -> str:
    """Of the files that a step is written to: `key` is the last stage's, which doesn't know the segments' names."""
    if scene.segments is None:
        return key
    names = [key, *(item.name for item in scene.segments.items)]
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]


def _result(scene: Scene, target: Path, step: Step) -> dict[str, Any]:
    camera, carried = scene.camera, scene.photo.embedded
    numbers = {name: getattr(camera, name) for name in ("fx", "fy", "cx", "cy", "width", "height", "fov_x", "source")}
    return {
        "step": step,
        "meshes": len(scene.meshes),
        "segments": None if scene.segments is None else len(scene.segments.items),
        "imagined": None if scene.atlas is None else scene.imagined,
        "suggestions": _suggestions(scene),
        "dropped": [text for advice in (scene.advice, scene.plan) if advice for text in advice.dropped],
        "adviser": scene.advice.adviser if scene.advice else None,
        "corrections": [stroke.to_json() for stroke in scene.corrections],
        "report": [
            {
                "stage": report.stage,
                "backend": report.backend,
                "reason": report.reason,
                "seconds": report.seconds,
                "settings": report.settings,
                "warnings": list(report.warnings),
                "provider": report.provider,
            }
            for report in scene.report
        ],
        "warnings": list(scene.warnings),
        "camera": numbers,
        "carried": None if carried is None else f"{carried.origin}, {carried.size[0]} x {carried.size[1]}",
        "units": scene.units,
        "triangles": sum(len(mesh.faces) for mesh in scene.meshes),
        "points": len(scene.points),
        "folder": target.name,
        "files": outputs.listing(target, step),
    }


def _suggestions(scene: Scene) -> list[dict[str, Any]]:
    """Every line of advice on the scene and what became of it; `applied` is None where that shows at a later step."""
    from diorama.advice import keys_of, suggestions

    outcomes = {outcome.key: outcome for outcome in scene.outcomes}
    declined = keys_of(scene.settings.declined)
    if scene.step == "final":
        declined |= keys_of(scene.settings.declined_plan)
    names = {item.id: item.name for item in scene.segments.items} if scene.segments else {}
    lines = []
    for advice in (scene.advice, scene.plan):
        for line in suggestions(advice) if advice else ():
            found = outcomes.get(line.key)
            lines.append(
                {
                    **line.model_dump(mode="json"),
                    "about": [names[segment] for segment in line.segments if segment in names],
                    "declined": line.key in declined,
                    "applied": found.applied if found else None,
                    "outcome": found.sentence if found else "",
                    "before": found.before if found else "",
                    "after": found.after if found else "",
                }
            )
    return lines


class Watched:
    """Checkpoints that tell the reporter which stages were there already, and keep those from being pruned; those of
    other machines are fetched, and new ones put where they find them."""

    def __init__(self, checkpoints: Checkpoints, reporter: Reporter, job: JobFolder) -> None:
        self._checkpoints = checkpoints
        self._reporter = reporter
        self._job = job
        self._records: dict[str, Any] = {}  # by stage
        self.used: set[Path] = set()
        self.keys: dict[str, str] = {}  # by stage

    @property
    def key(self) -> str:
        """Of the last stage."""
        return next(reversed(self.keys.values()))

    def load(self, stage: str, key: str) -> tuple[Any, StageReport] | None:
        folder = self._use(stage, key)
        self._job.pull(folder)
        kept = self._checkpoints.load(stage, key)
        if kept is None:
            self._reporter.begin(stage)
        else:
            self._reporter.reuse(stage, kept[1].seconds)
            self._keep(stage, kept[0])
            self._job.use(folder)
        return kept

    def save(self, stage: str, key: str, record: object, report: StageReport) -> None:
        folder = self._use(stage, key)
        self._keep(stage, record)
        self._checkpoints.save(stage, key, record, report)
        self._job.push(folder)

    def forget(self, stage: str, key: str) -> None:
        self._checkpoints.forget(stage, key)
        self._job.remove(self._use(stage, key))
        self._reporter.begin(stage)

    def before(self, scene: Scene) -> Scene | None:
        """The scene of the step before the one of `scene`, from which that was made."""
        if scene.step == "original":
            return None
        made = self._records
        (_, meshes), layered = made["mesh"], made.get("layers")
        if scene.step == "enhanced":
            return replace(scene, step="original", meshes=meshes, segments=None, atlas=None, imagined=0.0, advice=None)
        assert layered is not None
        depth = made.get("corrections", made["depth"])
        return replace(
            scene,
            step="enhanced",
            photo=replace(made["photo"], camera=depth.camera.resized(scene.photo.width, scene.photo.height)),
            depth=depth,
            points=made["points"],
            cuts=made["mesh"][0],
            meshes=layered.meshes,
            atlas=layered.atlas,
            imagined=layered.imagined,
            plan=None,
            tuning=None,
            outcomes=(),
        )

    def _keep(self, stage: str, record: object) -> None:
        if stage in ("photo", "depth", "corrections", "points", "mesh", "layers"):
            self._records[stage] = record

    def _use(self, stage: str, key: str) -> Path:
        self.keys[stage] = key
        folder = self._checkpoints.root / f"{stage}-{key}"
        self.used.add(folder)
        return folder


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
