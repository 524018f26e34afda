"""The HTTP API: every route, its answers and its errors."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect

from diorama import pipeline
from diorama.errors import DioramaError, JobError, JobNotFoundError, SettingsError
from diorama.jobs.store import FINISHED, Job
from diorama.server import events, examples, header, limits, problems
from diorama.server.context import PREFIX, Context, context_of, web_settings
from diorama.server.limits import Received
from diorama.server.schemas import (
    JobOut,
    JobsOut,
    ModelOut,
    ModelsOut,
    ModelState,
    RerunIn,
    ValidateIn,
)
from diorama.server.security import user_of
from diorama.settings import STEP_STAGES, Settings

if TYPE_CHECKING:
    from diorama.server.fetching import Download
    from diorama.types import ModelInfo

api = APIRouter(prefix=PREFIX)

Shared = Annotated[Context, Depends(context_of)]

RUN_BY_BROWSERS = frozenset({"text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml"})
"""Never shown in place: what was made of somebody's file must not act as this server's page."""

_PHOTO_BODY = {
    "requestBody": {
        "description": "The photo, alone or as a form's field. Not needed with `example`.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "photo": {"type": "string", "format": "binary"},
                        "settings": {
                            "type": "string",
                            "description": "JSON object",
                            "examples": ['{"triangles": 50000}'],
                        },
                    },
                    "required": ["photo"],
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


# ---- jobs ------------------------------------------------------------------------------------------------------


@api.post(
    "/jobs",
    status_code=201,
    response_model=JobOut,
    responses=problems.documented(400, 403, 404, 413, 415, 422, 429, 507),
    openapi_extra=_PHOTO_BODY,
    tags=["jobs"],
    summary="Upload a photo",
)
async def create_job(
    request: Request,
    response: Response,
    context: Shared,
    example: Annotated[str | None, Query(description="Name of an example photo, instead of a body.")] = None,
    name: Annotated[str | None, Query(description="The photo's name, instead of the one in the body.")] = None,
    settings: Annotated[str | None, Query(description="JSON object of settings.")] = None,
) -> Any:
    """Take a photo and queue it for step 2, "original".

    The photo is the body itself (`Content-Type: image/*`; its name in `?name=` or `X-Filename`, settings in
    `?settings=`) or the field `photo` of a form, with `settings` as another field. What can't become a scene is
    refused at once where the first bytes tell; a file that turns out to be damaged when it is decoded makes the job
    `failed`.
    """
    try:
        await asyncio.to_thread(context.refuse, user_of(request), limits.declared_bytes(request))
        changes = limits.parse_settings(settings)
        path = context.data.incoming()
        if example is not None:
            received = await asyncio.to_thread(examples.copy, example, path)
        else:
            from diorama import photo

            received = await limits.receive(request, path, photo.MAX_BYTES)
    except DioramaError:
        await limits.drain(request)
        raise
    except ClientDisconnect:
        return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody is there to read it
    received = replace(received, name=name or received.name, settings=changes | received.settings)
    job = await asyncio.to_thread(_admit, context, received, user_of(request))
    response.headers["Location"] = f"{PREFIX}/jobs/{job.id}"
    return await asyncio.to_thread(context.view, job)


def _admit(context: Context, received: Received, user: str) -> Job:
    from diorama import photo

    name = photo.clean_name(received.name)
    try:
        header.check(received.path, name)
    except BaseException:
        received.path.unlink(missing_ok=True)
        raise
    return context.add(received, name, user)


@api.get("/jobs", response_model=JobsOut, responses=problems.documented(422), tags=["jobs"], summary="Earlier jobs")
def list_jobs(
    request: Request,
    context: Shared,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 50,
) -> Any:
    """One's own jobs, newest first."""
    return JobsOut(jobs=context.jobs_of(user_of(request), limit))


@api.get(
    "/jobs/{job_id}", response_model=JobOut, responses=problems.documented(404, 422), tags=["jobs"], summary="One job"
)
def get_job(job_id: str, context: Shared) -> Any:
    """A job as it is now."""
    return context.view(context.store.get(job_id))


@api.delete(
    "/jobs/{job_id}",
    status_code=204,
    responses=problems.documented(403, 404, 422),
    tags=["jobs"],
    summary="Delete a job",
)
def delete_job(job_id: str, context: Shared) -> None:
    """Stop a job if it is being worked on, and remove everything that was kept of it."""
    context.delete(job_id)


@api.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"description": "Events `job`, each with the job as data.", "content": {"text/event-stream": {}}},
        204: {"description": "Nothing has changed since `Last-Event-ID` and nothing will: don't ask again."},
        **problems.documented(404, 422),
    },
    tags=["jobs"],
    summary="Follow a job",
)
async def follow_job(job_id: str, request: Request, context: Shared) -> Response:
    """Server-sent events: the job at once and at every change, until it is `waiting`, `done` or `failed`."""
    job = await asyncio.to_thread(context.store.get, job_id)
    if job.state in FINISHED and request.headers.get("last-event-id") == str(job.revision):
        return Response(status_code=HTTPStatus.NO_CONTENT)
    stream = events.changes(
        context.revisions, job_id, lambda: context.view(context.store.get(job_id)), lambda: context.closing
    )
    return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@api.post(
    "/jobs/{job_id}/validate",
    response_model=JobOut,
    responses=problems.documented(403, 404, 409, 422),
    tags=["jobs"],
    summary="Validate and proceed",
)
def validate_step(job_id: str, body: ValidateIn, context: Shared) -> Any:
    """Accept a finished step. The next one starts, or the job is done where there is none in this version."""
    steps = pipeline.STEPS
    following = steps[steps.index(body.step) + 1 :][:1] if body.step in steps else ()
    job = context.store.validate(job_id, body.step, following[0] if following else None)
    context.runner.wake()
    return context.view(job)


@api.post(
    "/jobs/{job_id}/rerun",
    response_model=JobOut,
    responses=problems.documented(403, 404, 409, 422, 429),
    tags=["jobs"],
    summary="Run a step again with other settings",
)
def rerun_step(job_id: str, body: RerunIn, context: Shared) -> Any:
    """Make a step again. Only what the changed settings concern is made anew; going back to earlier ones is instant."""
    if body.step not in pipeline.STEPS:
        raise JobError(
            f"Step '{body.step}' can't be made by this version.", hint=f"Run again: {', '.join(pipeline.STEPS)}."
        )
    job = context.store.get(job_id)
    before = Settings.parse(job.settings)
    settings = web_settings(before, body.settings)
    earlier = pipeline.STEPS[: pipeline.STEPS.index(body.step)]
    for step in earlier:
        if step not in job.validated:
            raise JobError(
                f"Step '{body.step}' can't be made: step '{step}' is not validated.", hint=f"Validate '{step}' first."
            )
        changed = [n for s in STEP_STAGES[step] for n, v in settings.of_stage(s).items() if getattr(before, n) != v]
        if changed:
            raise SettingsError(
                f"Setting '{changed[0]}' belongs to step '{step}'.", hint=f"Run step '{step}' again with it."
            )
    validated = [step for step in earlier if step in job.validated]
    job = context.store.rerun(
        job_id, body.step, settings.model_dump(mode="json"), validated=[*validated], limit=context.max_queued
    )
    context.runner.wake()
    return context.view(job)


@api.head("/jobs/{job_id}/files/{name:path}", include_in_schema=False)
@api.get(
    "/jobs/{job_id}/files/{name:path}",
    response_class=FileResponse,
    responses={
        200: {"description": "The file.", "content": {"*/*": {}}},
        304: {"description": "Unchanged."},
        **problems.documented(404, 422),
    },
    tags=["jobs"],
    summary="A file of a finished step",
)
def get_file(
    job_id: str,
    name: str,
    request: Request,
    context: Shared,
    download: Annotated[bool, Query(description="As an attachment, under the photo's name.")] = False,
) -> Response:
    """A file by its name in the job's `files`, with `ETag`, `Content-Length` and ranges."""
    job = context.store.get(job_id)
    result = (job.results or {}).get(name.partition("/")[0], {})
    entry = next((file for file in result.get("files", []) if file["name"] == name), None)
    if entry is None:
        raise JobNotFoundError(f"This job has no file '{name[:80]}'.", hint="The job's `files` lists what there is.")
    folder = context.data.job(job_id)
    path = folder.pulled(folder.outputs / result["folder"] / name.rpartition("/")[2])
    try:
        status = path.stat()
    except OSError:
        raise JobNotFoundError(f"The file '{name}' is gone.", hint="Run the step again: it is made anew.") from None
    # The folder's name is a hash of everything the file was made from.
    headers = {"ETag": f'"{result["folder"]}-{status.st_size}"', "Cache-Control": "private, no-cache"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    saved_as = f"{Path(job.name).stem}-{path.name}"
    return FileResponse(
        path,
        media_type=entry["media_type"],
        headers=headers,
        stat_result=status,
        filename=saved_as,
        content_disposition_type="attachment" if download or entry["media_type"] in RUN_BY_BROWSERS else "inline",
    )


# ---- settings, models ------------------------------------------------------------------------------------------


@api.get(
    "/settings",
    responses={200: {"description": "JSON schema of the settings, with the list `groups`."}},
    tags=["settings"],
    summary="What can be tuned",
)
def get_settings() -> dict[str, Any]:
    """The JSON schema of the settings. Each has `label`, `unit`, `step` (of its slider), `slider` and `stage`;
    `groups` lists the stages in order, each with its step and the names of its settings."""
    groups = [
        {
            "stage": stage,
            "step": step,
            "label": pipeline.STAGE_MESSAGES[stage],
            "settings": list(Settings().of_stage(stage)),
        }
        for step, stages in STEP_STAGES.items()
        for stage in stages
    ]
    return {**Settings.model_json_schema(), "groups": groups}


@api.get("/models", response_model=ModelsOut, tags=["settings"], summary="Models")
def list_models(context: Shared) -> Any:
    """The depth models, inpainters and segmenters, best first, and how the download of better ones goes."""
    from diorama import depth, inpaint, weights
    from diorama.segment import models as segmenters

    download = context.fetcher.download
    return ModelsOut(
        models=[_model(model, download(model.name)) for model in depth.models()],
        inpainters=[_model(model, download(model.name)) for model in inpaint.models()],
        segmenters=[_model(model, download(model.name)) for model in segmenters.models()],
        offline=not context.fetcher.enabled,
        disk_bytes=weights.disk_bytes(),
    )


def _model(model: ModelInfo, download: Download | None) -> ModelOut:
    state: ModelState = "missing"
    if model.available:
        state, download = "available", None
    elif download is not None:
        state = "downloading" if download.running else "failed"
    error = download.error if download else None
    return ModelOut(
        name=model.name,
        available=model.available,
        licence=model.licence,
        bytes=model.bytes,
        note=model.note,
        state=state,
        fraction=download.fraction if download and download.running else None,
        message=(error.message if error else download.message) if download else None,
        error=problems.of_error(error) if error else None,
    )
