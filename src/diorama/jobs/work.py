"""What a worker process does: make one step of one job, telling the store how far it is.

The process itself is `processes.Worker`.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL

from diorama import compiling, memory, records
from diorama.errors import DioramaError
from diorama.jobs import outputs, processes, space
from diorama.jobs.early_files import EarlyFiles
from diorama.jobs.files import JobFolder
from diorama.jobs.processes import unforeseen
from diorama.jobs.reporting import FILES, FILES_MESSAGE, ClaimLostError, Reporter
from diorama.jobs.store import Claim, Store, error_record
from diorama.settings import STEP_STAGES, Settings

if TYPE_CHECKING:
    from diorama.checkpoints import Checkpoints
    from diorama.types import Progress, Scene, SegmentEdit, StageReport, Step

log = logging.getLogger(__name__)

_recent: dict[Path, tuple[Any, Any]] = {}
"""The stages that this process has made or loaded last, by their folders: a job's next step, as a rule here as well,
need not read them again."""


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
        memory.release()


def edits_of(records: dict[str, Any]) -> dict[str, list[SegmentEdit]]:
    """The edits by the segmentation's key, from what the store keeps."""
    from diorama.types import SegmentEdit

    return {
        key: [SegmentEdit(e["kind"], tuple(e["ids"]), e["name"], (e["at"][0], e["at"][1])) for e in edits]
        for key, edits in records.items()
    }


def _make(task: Task, store: Store) -> dict[str, Any]:
    settings = Settings.parse(task.settings)
    reporter = Reporter(store, task.claim, settings, task.step, corrected=bool(task.corrections))
    with compiling.announced(reporter) as progress:
        return _made(task, settings, reporter, progress)


def _made(task: Task, settings: Settings, reporter: Reporter, progress: Progress) -> dict[str, Any]:
    from diorama import pipeline
    from diorama.checkpoints import Checkpoints

    folder = JobFolder(task.folder, task.files)
    space.require(task.folder)
    folder.pull_upload(task.upload.name)
    for other in [kept for kept in _recent if kept.parent != folder.stages]:
        del _recent[other]
    checkpoints = Watched(Checkpoints(folder.stages), reporter, folder)
    with EarlyFiles(folder.outputs) as ahead:
        scene = pipeline.make(
            task.upload,
            settings,
            until=task.step,
            fetch=False,
            progress=progress,
            checkpoints=checkpoints,
            edits=edits_of(task.edits),
            corrections=task.corrections,
            read=processes.read_apart,
            placed=lambda early: ahead.begin(early, checkpoints.before(early)),
            made=ahead.go_on,
        )
        target = folder.outputs / f"{task.step}-{_files_key(checkpoints.key, scene)}-{outputs.VERSION}"
        progress(FILES, 0.0, FILES_MESSAGE)
        memory.ease()
        folder.pull(target)
        if outputs.is_made(target, task.step):
            folder.use(target)
            reporter.reuse(FILES, 0.0)
        else:
            outputs.make(
                scene,
                target,
                lambda share: progress(FILES, share, FILES_MESSAGE),
                checkpoints.before(scene),
                checkpoints.pictures,
                ahead.take,
            )
            folder.push(target)
    progress(FILES, 1.0, FILES_MESSAGE)
    folder.prune(used={*checkpoints.used, target, *(folder.outputs / name for name in task.kept)})
    _recent.update(checkpoints.recent)
    made = _result(scene, target, task.step) | {"bytes": folder.size()}
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
        self.pictures = checkpoints.pictures
        self.used: set[Path] = set()
        self.recent: dict[Path, tuple[Any, StageReport]] = {}
        self.keys: dict[str, str] = {}  # by stage

    @property
    def key(self) -> str:
        """Of the last stage."""
        return next(reversed(self.keys.values()))

    def load(self, stage: str, key: str) -> tuple[Any, StageReport] | None:
        folder = self._use(stage, key)
        self._job.pull(folder)
        recent = _recent.pop(folder, None) if folder.is_dir() else None
        if recent is not None:
            self.pictures.note(folder, records.pack(stage, recent[0]).arrays)
        kept = recent or self._checkpoints.load(stage, key)
        if kept is None:
            self._reporter.begin(stage)
        else:
            self._reporter.reuse(stage, kept[1].seconds)
            self._keep(stage, folder, *kept)
            self._job.use(folder)
        return kept

    def save(self, stage: str, key: str, record: object, report: StageReport) -> None:
        folder = self._use(stage, key)
        self._keep(stage, folder, record, report)
        _recent.clear()  # what comes after this stage is made anew
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
        if "mesh" not in made:  # is still being saved
            return None
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

    def _keep(self, stage: str, folder: Path, record: object, report: StageReport) -> None:
        if stage in STEP_STAGES["original"] + STEP_STAGES["enhanced"] or stage == "corrections":
            self._records[stage] = record
            self.recent[folder] = record, report

    def _use(self, stage: str, key: str) -> Path:
        self.keys[stage] = key
        folder = self._checkpoints.root / f"{stage}-{key}"
        self.used.add(folder)
        return folder
