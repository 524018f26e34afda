"""The part of the API that shows and changes the segments of step 3."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends

from diorama.errors import InputError, JobError, JobNotFoundError
from diorama.jobs import work
from diorama.jobs.store import FINISHED, Job
from diorama.server import problems
from diorama.server.context import PREFIX, Context, context_of
from diorama.server.schemas import JobOut, MergeIn, RenameIn, SegmentsOut, SplitIn, is_current
from diorama.types import SegmentEdit

if TYPE_CHECKING:
    from diorama.types import PointCloud, Segments

api = APIRouter(prefix=PREFIX)

Shared = Annotated[Context, Depends(context_of)]

MOST_EDITS = 500
"""Far more than a person makes; each costs a moment whenever the step is made."""

EDITED = "advice"
"""The stage whose result edits belong to: they follow on what the advisor says of the segments."""

_AGAIN = "Run step 'enhanced' again first."
_ERRORS = problems.documented(403, 404, 409, 422, 429)


@api.get(
    "/jobs/{job_id}/segments",
    response_model=SegmentsOut,
    responses=problems.documented(404, 422),
    tags=["segments"],
    summary="The things in the photo",
)
def list_segments(job_id: str, context: Shared) -> Any:
    """The segments of the last result of step `enhanced`, with outlines."""
    job = context.store.get(job_id)
    result = (job.results or {}).get("enhanced")
    if result is None:
        raise JobNotFoundError("This job has no segments yet.", hint="They are found in step 'enhanced'.")
    folder = context.data.job(job_id)
    try:
        found = json.loads(folder.pulled(folder.outputs / result["folder"] / "outlines.json").read_bytes())
    except OSError:
        raise JobNotFoundError("The segments' outlines are gone.", hint=_AGAIN) from None
    return found | {"edits": len(_edits(job, result))}


@api.patch(
    "/jobs/{job_id}/segments/{segment_id:int}",
    response_model=JobOut,
    responses=_ERRORS,
    tags=["segments"],
    summary="Rename a segment",
)
def rename_segment(job_id: str, segment_id: int, body: RenameIn, context: Shared) -> Any:
    """Give a segment a name. Like every change it is kept with the job, and step `enhanced` is made again from its
    layers on, so that the name is in the files."""
    if any(unicodedata.category(character)[0] == "C" for character in body.name):
        raise InputError("The name holds control characters.", hint="Use letters, digits, signs and spaces.")
    return _edit(context, job_id, SegmentEdit("rename", (segment_id,), name=body.name))


@api.post(
    "/jobs/{job_id}/segments/merge",
    response_model=JobOut,
    responses=_ERRORS,
    tags=["segments"],
    summary="Merge segments",
)
def merge_segments(job_id: str, body: MergeIn, context: Shared) -> Any:
    """Make one segment of several."""
    return _edit(context, job_id, SegmentEdit("merge", tuple(body.ids)))


@api.post(
    "/jobs/{job_id}/segments/split",
    response_model=JobOut,
    responses=_ERRORS,
    tags=["segments"],
    summary="Split a segment",
)
def split_segment(job_id: str, body: SplitIn, context: Shared) -> Any:
    """Part what a click points at from the rest of its segment."""
    return _edit(context, job_id, SegmentEdit("split", (body.id,), at=(body.x, body.y)))


@api.post(
    "/jobs/{job_id}/segments/undo",
    response_model=JobOut,
    responses=_ERRORS,
    tags=["segments"],
    summary="Take the last change back",
)
def undo_segment_edit(job_id: str, context: Shared) -> Any:
    """Make the segments what they were before the last change."""
    job = context.store.get(job_id)
    result = _editable(job)
    edits = _edits(job, result)
    if not edits:
        raise JobError("The segments were not changed.", hint="There is nothing to take back.")
    return _make_again(context, job, result, edits[:-1])


def _edit(context: Context, job_id: str, edit: SegmentEdit) -> JobOut:
    """Try the edit, keep it, and queue the step."""
    job = context.store.get(job_id)
    result = _editable(job)
    edits = _edits(job, result)
    if len(edits) >= MOST_EDITS:
        raise JobError(f"The segments were changed {MOST_EDITS} times.", hint="Take some changes back.")
    from diorama.segment.edit import apply, apply_all

    segments, points = _found(context, job, result)
    # An edit that can't be carried out is refused here, not found out by a worker later.
    segments, _ = apply_all(segments, work.edits_of({"": edits})[""], points)
    if edit.kind == "rename" and all(item.id != edit.ids[0] for item in segments.items):
        raise JobNotFoundError(f"There is no segment {edit.ids[0]}.", hint="The job's segments list what there is.")
    apply(segments, edit, points)
    return _make_again(context, job, result, [*edits, asdict(edit)])


def _editable(job: Job) -> dict[str, Any]:
    """The result of step "enhanced", if its segments may be changed now."""
    results = job.results or {}
    if job.state not in FINISHED:
        raise JobError(f"The job is {job.state}: its segments can't be changed yet.", hint="Wait until it is finished.")
    if "enhanced" not in results or "original" not in job.validated:
        raise JobError("There are no segments to be changed.", hint="Validate step 'original': they are found then.")
    if not is_current(results, "enhanced"):
        raise JobError("The segments are those of an earlier step 'original'.", hint=_AGAIN)
    result: dict[str, Any] = results["enhanced"]
    return result


def _edits(job: Job, result: dict[str, Any]) -> list[dict[str, Any]]:
    edits: list[dict[str, Any]] = (job.edits or {}).get(result["keys"][EDITED], [])
    return edits


def _found(context: Context, job: Job, result: dict[str, Any]) -> tuple[Segments, PointCloud]:
    """The segments as they were found and advised on, and the points, as the worker left them."""
    from diorama.advice import keys_of, without
    from diorama.checkpoints import Checkpoints
    from diorama.segment.advised import follow

    folder = context.data.job(job.id)
    checkpoints = Checkpoints(folder.stages)
    for stage in ("segments", "points", "advice"):
        folder.pull(folder.stages / f"{stage}-{result['keys'][stage]}")
    segments, points, advice = (
        checkpoints.load(stage, result["keys"][stage]) for stage in ("segments", "points", "advice")
    )
    if segments is None or points is None or advice is None:
        raise JobError("The segments are not kept any more.", hint=_AGAIN)
    followed = without(advice[0], keys_of(result["settings"]["declined"]))
    return follow(segments[0], followed, points[0])[0], points[0]


def _make_again(context: Context, job: Job, result: dict[str, Any], edits: list[dict[str, Any]]) -> JobOut:
    key = result["keys"][EDITED]
    changed = context.store.rerun(
        job.id,
        "enhanced",
        job.settings,
        validated=[step for step in job.validated if step == "original"],
        limit=context.max_queued,
        edits={**(job.edits or {}), key: edits},
        seen=job.revision,
    )
    context.runner.wake()
    return context.view(changed)
