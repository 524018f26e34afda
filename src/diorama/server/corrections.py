"""The part of the API that corrects the depth of step 2 with a brush."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from diorama.corrections import MOST_CORRECTIONS, MOST_POINTS, RADIUS, RADIUS_RANGE, CorrectionKind, parse_all
from diorama.errors import JobError
from diorama.jobs.files import JobFolder
from diorama.jobs.store import FINISHED, Job
from diorama.server import problems
from diorama.server.context import PREFIX, Context, context_of

api = APIRouter(prefix=PREFIX)

Shared = Annotated[Context, Depends(context_of)]


class CorrectionIn(BaseModel):
    """A stroke of the correction brush."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    kind: CorrectionKind = Field(description="What the stroke does.", examples=["nearer"])
    points: list[tuple[float, float]] = Field(
        min_length=1,
        max_length=MOST_POINTS,
        description="The path of the brush's middle: x and y, 0..1 over the photo.",
        examples=[[(0.41, 0.52), (0.47, 0.55)]],
    )
    radius: float = Field(RADIUS, ge=RADIUS_RANGE[0], le=RADIUS_RANGE[1], description="Share of the photo's long side.")
    strength: float | None = Field(
        None,
        gt=0,
        le=1,
        description="`nearer`, `farther`: share of the depth's range to move by (usually 0.15); `flat`, `same`, "
        "`join`: share of the way to go (usually 1).",
    )
    here: tuple[float, float] | None = Field(None, description="`same`: the place whose depth is taken.")


class CorrectionsIn(BaseModel):
    """All strokes of the correction brush."""

    corrections: list[CorrectionIn] = Field(description="In their order.", max_length=MOST_CORRECTIONS)


class CorrectionsOut(BaseModel):
    """The strokes of the correction brush, in their order."""

    corrections: list[CorrectionIn] = Field(description="In their order.")
    made: int = Field(description="With how many strokes the result of step `original` was made.")
    pending: bool = Field(description="The result was made with others: run step `original` again.")


_ERRORS = problems.documented(403, 404, 409, 422)
_NO_STORE = {"Cache-Control": "no-store"}


@api.get(
    "/jobs/{job_id}/corrections",
    response_model=CorrectionsOut,
    response_model_exclude_none=True,
    responses=problems.documented(404, 422),
    tags=["corrections"],
    summary="The strokes that correct the depth",
)
def list_corrections(job_id: str, context: Shared) -> Any:
    """What was painted over the depth map, in order. Step `original` is made with it when it is run again."""
    return _out(context.store.get(job_id))


@api.post(
    "/jobs/{job_id}/corrections",
    response_model=CorrectionsOut,
    response_model_exclude_none=True,
    responses=_ERRORS,
    tags=["corrections"],
    summary="Paint a stroke",
)
def add_correction(job_id: str, body: CorrectionIn, context: Shared) -> Any:
    """Keep one more stroke. Nothing is made yet: the preview shows it, and running step `original` again makes it."""
    job = _editable(context, job_id)
    if len(job.corrections or []) >= MOST_CORRECTIONS:
        raise JobError(f"There are {MOST_CORRECTIONS} strokes already.", hint="Take some back, or use a larger brush.")
    return _keep(context, job, [*(job.corrections or []), _values(body)])


@api.put(
    "/jobs/{job_id}/corrections",
    response_model=CorrectionsOut,
    response_model_exclude_none=True,
    responses=_ERRORS,
    tags=["corrections"],
    summary="Replace all strokes",
)
def put_corrections(job_id: str, body: CorrectionsIn, context: Shared) -> Any:
    """Keep these strokes in the place of all that there were: the body is a corrections file."""
    return _keep(context, _editable(context, job_id), [_values(stroke) for stroke in body.corrections])


@api.post(
    "/jobs/{job_id}/corrections/undo",
    response_model=CorrectionsOut,
    response_model_exclude_none=True,
    responses=_ERRORS,
    tags=["corrections"],
    summary="Take the last stroke back",
)
def undo_correction(job_id: str, context: Shared) -> Any:
    """The strokes without the last one."""
    job = _editable(context, job_id)
    if not job.corrections:
        raise JobError("There is no stroke.", hint="There is nothing to take back.")
    return _keep(context, job, job.corrections[:-1])


@api.delete(
    "/jobs/{job_id}/corrections",
    response_model=CorrectionsOut,
    response_model_exclude_none=True,
    responses=_ERRORS,
    tags=["corrections"],
    summary="Take all strokes back",
)
def delete_corrections(job_id: str, context: Shared) -> Any:
    """The depth as the model gave it, once step `original` is run again."""
    return _keep(context, _editable(context, job_id), [])


@api.get(
    "/jobs/{job_id}/corrections/preview.glb",
    response_class=Response,
    responses={200: {"content": {"model/gltf-binary": {}}}, **problems.documented(404, 409, 422, 429)},
    tags=["corrections"],
    summary="The corrected scene, small",
)
async def preview_scene(
    job_id: str, context: Shared, _v: Annotated[str, Query(alias="v", description="Not used: keeps caches apart.")] = ""
) -> Response:
    """The scene with all strokes, coarse and at once."""
    data = await _preview(context, job_id, context.previews.scene)
    return Response(data, media_type="model/gltf-binary", headers=_NO_STORE)


@api.get(
    "/jobs/{job_id}/corrections/preview.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **problems.documented(404, 409, 422, 429)},
    tags=["corrections"],
    summary="The corrected depth map, small",
)
async def preview_depth(
    job_id: str, context: Shared, _v: Annotated[str, Query(alias="v", description="Not used: keeps caches apart.")] = ""
) -> Response:
    """The depth map with all strokes in colours, coarse and at once."""
    data = await _preview(context, job_id, context.previews.depth)
    return Response(data, media_type="image/jpeg", headers=_NO_STORE)


async def _preview(context: Context, job_id: str, make: Callable[[Job, JobFolder], bytes]) -> bytes:
    async with context.turn_for_preview():
        job = await asyncio.to_thread(context.store.get, job_id)
        return await asyncio.to_thread(make, job, context.data.job(job_id))


def _values(stroke: CorrectionIn) -> dict[str, Any]:
    return stroke.model_dump(mode="json", exclude_none=True)


def _editable(context: Context, job_id: str) -> Job:
    job = context.store.get(job_id)
    if job.state not in FINISHED:
        raise JobError(f"The job is {job.state}: its depth can't be corrected yet.", hint="Wait until it is finished.")
    if "original" not in (job.results or {}):
        raise JobError("There is no depth to be corrected.", hint="It is made in step 'original'.")
    return job


def _keep(context: Context, job: Job, corrections: list[dict[str, Any]]) -> CorrectionsOut:
    strokes = parse_all(corrections)
    return _out(context.store.correct(job.id, [stroke.to_json() for stroke in strokes], seen=job.revision))


def _out(job: Job) -> CorrectionsOut:
    made = (job.results or {}).get("original", {}).get("corrections", [])
    now = job.corrections or []
    return CorrectionsOut.model_validate({"corrections": now, "made": len(made), "pending": now != made})
