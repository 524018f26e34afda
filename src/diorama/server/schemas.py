"""The API's answers, and how a job of the store becomes one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Literal, cast

from pydantic import BaseModel, Field

from diorama.jobs import reporting
from diorama.jobs.store import FINISHED, Job, Store
from diorama.pipeline import STEPS
from diorama.segment.describe import LONGEST_NAME
from diorama.server import problems
from diorama.server.problems import Problem
from diorama.types import SegmentKind, Step

JobState = Literal["queued", "running", "waiting", "done", "failed"]
StepName = Literal["upload", "original", "enhanced", "final"]
ModelState = Literal["available", "downloading", "missing", "failed"]
StepState = Literal["done", "running", "waiting", "pending"]

ALL_STEPS: dict[Step, str] = {"original": "Original 3D", "enhanced": "AI-enhanced 3D", "final": "Final 3D"}
"""The steps that are made, with their labels."""


class StepOut(BaseModel):
    """One of the four steps of a job."""

    name: StepName = Field(description="The step.")
    label: str = Field(description="Its name for a person.")
    state: StepState = Field(description="How far it is.")
    note: str = Field(description="What the state means here; may be empty.")


class StageOut(BaseModel):
    """A stage of the step that is being made, or was made last."""

    name: str = Field(description="The stage.", examples=["depth"])
    label: str = Field(description="Its name for a person.", examples=["Estimating depth"])
    state: Literal["pending", "running", "done"] = Field(description="How far it is.")
    seconds: float | None = Field(description="What making it took; for a reused result, what it took back then.")
    reused: bool = Field(description="The result was there already, from an earlier run.")


class ReportOut(BaseModel):
    """What one stage did."""

    stage: str = Field(description="The stage.")
    backend: str = Field(description="What ran.")
    reason: str = Field(description="Why this backend ran.")
    seconds: float = Field(description="What it took.")
    settings: dict[str, Any] = Field(description="The settings that it read.")
    warnings: list[str] = Field(description="What a person should know of the result.")
    provider: str = Field("", description="What its networks ran on, such as CPU or CUDA; empty: no network ran.")


class CameraOut(BaseModel):
    """The photo's pinhole camera, in pixels of the texture."""

    fx: float = Field(description="Focal length across.")
    fy: float = Field(description="Focal length down.")
    cx: float = Field(description="Principal point, from the left edge.")
    cy: float = Field(description="Principal point, from the top edge.")
    width: int = Field(description="The picture's width.")
    height: int = Field(description="The picture's height.")
    fov_x: float = Field(description="Horizontal field of view in degrees.")
    source: Literal["calibration", "exif", "model", "user", "assumed", "optimized"] = Field(
        description="Where the focal length came from."
    )


class FileOut(BaseModel):
    """A file of a finished step."""

    name: str = Field(description="Its name, with the step.", examples=["original/scene.glb"])
    label: str = Field(description="Its name for a person.", examples=["3D scene (GLB)"])
    bytes: int = Field(description="Its size.")
    media_type: str = Field(description="What it is.", examples=["model/gltf-binary"])
    url: str = Field(description="Where it is.", examples=["/api/v1/jobs/Xk3…/files/original/scene.glb"])
    download: bool = Field(description="Offered for download, not only shown in the page.")


class SuggestionOut(BaseModel):
    """One line of an advisor's advice, and what became of it."""

    key: str = Field(description="Put into the setting `declined` or `declined_plan`, it is not followed.")
    topic: Literal["scene", "segments", "parameters", "texture", "fusion"] = Field(description="What it is about.")
    what: str = Field(description="The field that is advised.", examples=["denoise"])
    segments: list[int] = Field(description="Ids of the segments that it is about.")
    about: list[str] = Field(description="Their names, of those that there still are.")
    value: Any = Field(description="What is advised: an amount from 0 to 1, a number in the setting's unit, a name.")
    reason: str = Field(description="Why, in a sentence.")
    source: Literal["local", "openai"] = Field(description="Who advised it.")
    confidence: float = Field(description="How sure the advisor is.", ge=0, le=1)
    declined: bool = Field(description="A person has switched it off.")
    applied: bool | None = Field(description="Null: that shows at a later step.")
    outcome: str = Field(description="What was done, or why it was not.")
    before: str = Field(description="A measured value, for a person; may be empty.")
    after: str = Field(description="The same value afterwards.")


class ResultOut(BaseModel):
    """What a finished step has made."""

    current: bool = Field(
        description="It was made from the present result of the step before. If not, it is made again when that one "
        "is validated; its files stay until then."
    )
    files: list[FileOut] = Field(description="All files of the step.")
    report: list[ReportOut] = Field(description="What each stage did, from the photo on.")
    warnings: list[str] = Field(description="What a person should know of the result.")
    settings: dict[str, Any] = Field(description="All settings with which it was made.")
    camera: CameraOut = Field(description="The photo's camera.")
    carried: str | None = Field(description="Depth that the photo's file carries (the setting `depth`: `embedded`).")
    units: Literal["relative", "metric"] = Field(description="What lengths are in.")
    triangles: int = Field(description="Of the scene's meshes.")
    points: int = Field(description="Of the point cloud.")
    meshes: int | None = Field(description="How many named meshes the scene has.")
    segments: int | None = Field(description="How many segments were found; from step `enhanced` on.")
    imagined: float | None = Field(description="Area that was imagined, as a share of the photo's.")
    adviser: str | None = Field(None, description="The advisor that was asked; from step `enhanced` on.")
    suggestions: list[SuggestionOut] = Field([], description="What was advised so far; from step `enhanced` on.")
    dropped: list[str] = Field([], description="What an advisor said and nobody could use, in words.")
    corrections: int = Field(0, description="How many strokes of the correction brush it was made with.")


class JobOut(BaseModel):
    """A photo on its way through the steps."""

    id: str = Field(description="Names the job in addresses.", examples=["mB9cX0hUqk2fJwzS1r7d3g"])
    name: str = Field(description="The photo's name.", examples=["coffee.png"])
    created: datetime = Field(description="When the photo came in.")
    updated: datetime = Field(description="When something last changed.")
    state: JobState = Field(description="`waiting`: the step is finished and waits to be validated.")
    step: Step = Field(description="The step that is being made or shown.")
    steps: list[StepOut] = Field(description="The four steps, in order.")
    validated: list[Step] = Field(description="The steps that were accepted.")
    stage: str | None = Field(description="The stage that is being made.")
    message: str | None = Field(description="A sentence for the person who waits.", examples=["Estimating depth"])
    fraction: float = Field(ge=0, le=1, description="How much of the whole step is done.")
    seconds_left: float | None = Field(description="Estimated from earlier jobs and this one's pace.")
    queue_position: int | None = Field(description="How many jobs are before this one.")
    stages: list[StageOut] = Field(description="The stages of the step, in order.")
    settings: dict[str, Any] = Field(description="All settings, with which the step is or was made.")
    warnings: list[str] = Field(description="What a person should know of the result.")
    error: Problem | None = Field(description="Why the step failed.")
    report: list[ReportOut] = Field(description="What each stage of the result did.")
    camera: CameraOut | None = Field(description="The photo's camera; null until it is known.")
    carried: str | None = Field(description="Depth that the photo's file carries (the setting `depth`: `embedded`).")
    units: Literal["relative", "metric"] | None = Field(
        description="What lengths are in: metres (or the depth file's unit), or the nearest point at about 1."
    )
    triangles: int | None = Field(description="Of the scene's meshes.")
    points: int | None = Field(description="Of the point cloud.")
    files: list[FileOut] = Field(description="Of the step shown; `results` has those of every finished step.")
    results: dict[Step, ResultOut] = Field(description="Every finished step's result, in the steps' order.")


class JobsOut(BaseModel):
    """Earlier jobs."""

    jobs: list[JobOut] = Field(description="Newest first.")


class ValidateIn(BaseModel):
    """Which finished step is accepted."""

    step: Step = Field(description="The finished step.", examples=["original"])


class RerunIn(BaseModel):
    """A step to be made again."""

    step: Step = Field("original", description="The step.", examples=["original"])
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="The values that change; the others stay as they are.",
        examples=[{"depth_range": 6, "triangles": 50000}],
    )


class ExampleOut(BaseModel):
    """A photo to try."""

    name: str = Field(description="For `?example=`.", examples=["coffee"])
    label: str = Field(description="Its name for a person.", examples=["Coffee"])
    thumbnail: str = Field(description="Address of a small JPEG.")


class ModelOut(BaseModel):
    """A depth model, an inpainter or a segmenter."""

    name: str = Field(description="The value of the setting `depth`, `inpaint` or `segmenter`.", examples=["bundled"])
    available: bool = Field(description="It can run now.")
    licence: str = Field(description="The weights' licence.")
    bytes: int = Field(description="Size of its weights.")
    note: str = Field(description="What it is good at.")
    state: ModelState = Field(description="Whether its weights are here.")
    fraction: float | None = Field(description="How much of the download has arrived.")
    message: str | None = Field(description="How the download goes, or why there is none.")
    error: Problem | None = Field(description="Why the download failed.")


class ModelsOut(BaseModel):
    """The depth models, inpainters and segmenters, best first."""

    models: list[ModelOut] = Field(description="Depth models.")
    inpainters: list[ModelOut] = Field(description="What imagines hidden parts.")
    segmenters: list[ModelOut] = Field(description="What finds things.")
    offline: bool = Field(description="Nothing is downloaded.")
    disk_bytes: int = Field(description="What all downloaded weights take on the server's disk.")


class SegmentOut(BaseModel):
    """One thing in the photo."""

    id: int = Field(description="Stays as long as the segment.")
    name: str = Field(description="Its name, for a person and in files.", examples=["Subject"])
    kind: SegmentKind = Field(description="What sort of thing it is.")
    area: float = Field(description="As a share of the photo's.")
    box: tuple[float, float, float, float] = Field(description="x0, y0, x1, y1, 0..1 over the photo.")
    near: float = Field(description="Distance of its nearest part, in scene units.")
    far: float = Field(description="Distance of its farthest part.")
    neighbours: list[int] = Field(description="Ids of the segments that touch it.")
    in_front_of: list[int] = Field(description="Those of its neighbours of which it hides a part.")
    polygons: list[list[tuple[float, float]]] = Field(
        description="Rings of points (x, y), 0..1 over the photo; holes are rings, too (even-odd rule)."
    )


class SegmentsOut(BaseModel):
    """The things in the photo, as the finished step `enhanced` shows them."""

    width: int = Field(description="Pixels at which the segments were found.")
    height: int = Field(description="The same, down.")
    segments: list[SegmentOut] = Field(description="One for each thing.")
    edits: int = Field(description="How many changes were asked for; the last one can be taken back.")


class RenameIn(BaseModel):
    """A segment's new name."""

    name: str = Field(description="The new name.", min_length=1, max_length=LONGEST_NAME, examples=["Coffee cup"])


class MergeIn(BaseModel):
    """Segments to be made one."""

    ids: list[int] = Field(min_length=2, max_length=1000, description="The first one's name and id are kept.")


class SplitIn(BaseModel):
    """A segment, and a click on the part that becomes one of its own."""

    id: int = Field(description="The segment's id.")
    x: float = Field(ge=0, le=1, description="From the photo's left edge to its right.")
    y: float = Field(ge=0, le=1, description="From the photo's top edge to its bottom.")


class HealthOut(BaseModel):
    """That the server answers, and what it does."""

    status: Literal["ok"] = Field(description="Always `ok`.")
    version: str = Field(description="Diorama's version.")
    workers: int = Field(description="Jobs that are worked on at once.")
    queued: int = Field(description="Jobs that wait for a worker.")


def job_out(store: Store, job: Job, prefix: str) -> JobOut:
    """The API's view of a job; `prefix` is the address of the job's API."""
    progress, result = job.progress or {}, job.result or {}
    running = job.state == "running"
    stages = progress.get("stages") if job.state != "queued" else None
    values = {
        "id": job.id,
        "name": job.name,
        "created": datetime.fromtimestamp(job.created, UTC),
        "updated": datetime.fromtimestamp(job.updated, UTC),
        "state": job.state,
        "step": job.step,
        "steps": _steps(job),
        "validated": job.validated,
        "stage": progress.get("stage") if running else None,
        "message": _message(job),
        "fraction": _fraction(job),
        "seconds_left": _seconds_left(progress) if running else None,
        "queue_position": store.queue_position(job) if job.state == "queued" else None,
        "stages": stages or _pending_stages(job),
        "settings": job.settings,
        "warnings": result.get("warnings", []),
        "error": problems.of_record(job.error) if job.error else None,
        "report": result.get("report", []),
        "camera": result.get("camera"),
        "carried": result.get("carried"),
        "units": result.get("units"),
        "triangles": result.get("triangles"),
        "points": result.get("points"),
        "files": _files(job, result, prefix),
        "results": _results(job, prefix),
    }
    return JobOut.model_validate(values)


def _files(job: Job, result: dict[str, Any], prefix: str) -> list[FileOut]:
    return [FileOut(url=f"{prefix}/{job.id}/files/{file['name']}", **file) for file in result.get("files", [])]


def _results(job: Job, prefix: str) -> dict[str, dict[str, Any]]:
    made = job.results or {}
    results: dict[str, dict[str, Any]] = {}
    for step in ALL_STEPS:
        if step in made:
            result = made[step]
            files = _files(job, result, prefix)
            absent = dict.fromkeys(("meshes", "segments", "imagined", "carried"))  # in results of older versions
            count = len(result.get("corrections", []))
            results[step] = absent | {"settings": {}} | result | {"files": files, "corrections": count}
            results[step]["current"] = is_current(made, step)
    return results


def is_current(results: dict[str, Any], step: Step) -> bool:
    """Whether a result was made from the present results of the steps before it."""
    keys = results[step].get("keys", {})
    earlier = STEPS[: STEPS.index(step)]
    return all(
        keys.get(stage) == key
        for name in earlier
        if name in results
        for stage, key in results[name].get("keys", {}).items()
    )


def _pending_stages(job: Job) -> list[StageOut]:
    return [
        StageOut(name=name, label=label, state="pending", seconds=None, reused=False)
        for name, label in reporting.stage_labels(cast("Step", job.step), corrected=bool(job.corrections)).items()
    ]


def _steps(job: Job) -> list[StepOut]:
    steps = [StepOut(name="upload", label="Upload", state="done", note="")]
    for name, label in ALL_STEPS.items():
        state: StepState = "pending"
        note = ""
        if name in job.validated:
            state, note = "done", "Validated."
        elif name == job.step and job.state == "running":
            state = "running"
        elif name == job.step and job.state == "waiting":
            state, note = "waiting", "Finished: look at it, then validate it or change settings."
        elif name != job.step and name in (job.results or {}):
            note = "Made before; it follows when the step before it is validated."
        elif name == job.step and job.state == "failed":
            note = job.error["detail"] if job.error else ""
        steps.append(StepOut(name=name, label=label, state=state, note=note))
    return steps


def _message(job: Job) -> str | None:
    if job.state == "queued":
        return "Waiting for its turn"
    if job.state == "running":
        return str(job.progress["message"]) if job.progress else "Starting"
    return None


def _fraction(job: Job) -> float:
    if job.state in ("waiting", "done"):
        return 1.0
    if job.state == "queued":
        return 0.0
    return float((job.progress or {}).get("fraction", 0.0))


def _seconds_left(progress: dict[str, Any]) -> float | None:
    left = progress.get("ends", 0.0) - time.time()
    return round(left, 1) if left > 0 else None  # the guess is over: say nothing rather than 0


def is_final(job: JobOut) -> bool:
    """Whether nothing more will happen by itself."""
    return job.state in FINISHED
