"""The part of the API that makes files of a finished step on demand: formats with options, films, pages to share."""

from __future__ import annotations

import time
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field

from diorama import export
from diorama.errors import FormatError, JobError, JobNotFoundError
from diorama.jobs import products
from diorama.jobs.store import Job
from diorama.pipeline import STEPS
from diorama.products import Group
from diorama.server import problems
from diorama.server.context import PREFIX, Context, context_of
from diorama.server.problems import Problem
from diorama.types import Step

api = APIRouter(prefix=PREFIX)

Shared = Annotated[Context, Depends(context_of)]


class ProductOut(BaseModel):
    """A kind of file that a finished step can be made into."""

    name: str = Field(description="Asked for by this name.", examples=["glb"])
    label: str = Field(description="Its name for a person.", examples=["3D scene (GLB)"])
    about: str = Field(description="What it is good for.")
    group: Group = Field(description="Where it is listed.")
    media_type: str = Field(description="What the file is.", examples=["model/gltf-binary"])
    options: dict[str, Any] = Field(
        description="JSON schema of the options; each has `label`, `unit`, `step` (of its slider) and `slider`."
    )
    needs: Step = Field(description="The first step whose scene will do.")
    ready: bool = Field(description="The step that was asked about will do.")
    installed: bool = Field(description="The packages that it needs are there.")
    install: str = Field(description="The command that installs them; empty where there is nothing to install.")


class MadeOut(BaseModel):
    """A file that was asked for."""

    id: str = Field(description="Of the step's result, the format and all options: the same again has the same id.")
    product: str = Field(description="The format's name.", examples=["glb"])
    label: str = Field(description="Its name for a person.", examples=["3D scene (GLB)"])
    step: Step = Field(description="The step that it was made of.")
    options: dict[str, Any] = Field(description="All options, with their values.")
    state: Literal["queued", "running", "done", "failed"] = Field(description="How far it is.")
    fraction: float = Field(description="How much of it is done.", ge=0, le=1)
    message: str = Field(description="A sentence for the person who waits.")
    error: Problem | None = Field(description="Why it failed.")
    name: str | None = Field(description="The file's name, once it is made.", examples=["coffee.glb"])
    bytes: int | None = Field(description="Its size, once it is made.")
    media_type: str = Field(description="What the file is.")
    notes: list[str] = Field(description="What a person should know of the file.")
    url: str | None = Field(description="Where the file is, once it is made.")


class ProductsOut(BaseModel):
    """What a step can be made into, and what was made of it."""

    step: Step = Field(description="The step that was asked about.")
    available: list[ProductOut] = Field(description="Every format.")
    made: list[MadeOut] = Field(description="Of the step's present result, the one asked for last first.")


class ProductIn(BaseModel):
    """A file to be made."""

    step: Step = Field(description="A finished step.", examples=["final"])
    product: str = Field(description="The format's name.", max_length=40, examples=["glb"])
    options: dict[str, Any] = Field(
        default_factory=dict, description="Those that differ from their defaults.", examples=[{}]
    )


@api.get(
    "/jobs/{job_id}/products",
    response_model=ProductsOut,
    responses=problems.documented(404, 409, 422),
    tags=["products"],
    summary="What a step can be made into",
)
def list_products(
    job_id: str,
    context: Shared,
    step: Annotated[Step | None, Query(description="A finished step; the last one where it isn't given.")] = None,
) -> Any:
    """Every format with its options, and the files that were made of the step's present result."""
    job = context.store.get(job_id)
    if step is None:
        step = next(reversed([name for name in STEPS if name in (job.results or {})]), None)
    result = _result(job, step)
    rows = [row for row in context.products.of_job(job_id) if row.folder == result["folder"]]
    return ProductsOut(
        step=result["step"],
        available=[_product(made, result["step"]) for made in export.PRODUCTS.values() if not made.several],
        made=[_made(row) for row in rows if row.product in export.PRODUCTS],
    )


@api.post(
    "/jobs/{job_id}/products",
    status_code=202,
    response_model=MadeOut,
    responses=problems.documented(403, 404, 409, 422, 429, 507),
    tags=["products"],
    summary="Make a file of a step",
)
def make_product(job_id: str, body: ProductIn, context: Shared) -> Any:
    """Ask for a file. It is made by a worker; look at it again until its `state` is `done` or `failed`. What is there
    already is not made twice."""
    job = context.store.get(job_id)
    result = _result(job, body.step)
    made = export.product(body.product)
    if made.several:
        raise FormatError(
            f"{made.label} is several files, and one is downloaded.", hint=f"Ask for '{made.name}.zip' in its place."
        )
    made.check(body.step)
    options = made.parse(body.options).model_dump(mode="json")
    now = time.time()
    wanted = products.Row(
        job_id=job_id,
        id=products.key_of(result["folder"], made.name, made.version, options),
        product=made.name,
        step=body.step,
        folder=result["folder"],
        options=options,
        asked=now,
        queued_at=now,
    )
    context.quotas.check(context.store, context.products, job.user)
    row = context.products.ask(wanted, limit=context.max_queued)
    if row.state == "done" and not _file(context, row).is_file():  # somebody tidied up by hand
        context.products.delete(job_id, row.id)
        row = context.products.ask(products.Row(**_values(row, now)), limit=context.max_queued)
    for surplus in context.products.surplus(job_id):
        context.data.job(job_id).remove_product(surplus)
    context.runner.wake()
    return _made(row)


@api.get(
    "/jobs/{job_id}/products/{product_id}",
    response_model=MadeOut,
    responses=problems.documented(404, 422),
    tags=["products"],
    summary="How far a file is",
)
def get_product(job_id: str, product_id: str, context: Shared) -> Any:
    """A file that was asked for, as it is now."""
    return _made(context.products.get(job_id, product_id))


@api.delete(
    "/jobs/{job_id}/products/{product_id}",
    status_code=204,
    responses=problems.documented(403, 404, 422),
    tags=["products"],
    summary="Cancel or delete a file",
)
def delete_product(job_id: str, product_id: str, context: Shared) -> None:
    """Stop making a file, or remove it."""
    context.products.delete(job_id, product_id)
    context.runner.cancel(job_id, product_id)
    context.data.job(job_id).remove_product(product_id)


@api.head("/jobs/{job_id}/products/{product_id}/file", include_in_schema=False)
@api.get(
    "/jobs/{job_id}/products/{product_id}/file",
    response_class=FileResponse,
    responses={
        200: {"description": "The file.", "content": {"*/*": {}}},
        304: {"description": "Unchanged."},
        **problems.documented(404, 409, 422),
    },
    tags=["products"],
    summary="A file that was asked for",
)
def get_product_file(job_id: str, product_id: str, request: Request, context: Shared) -> Response:
    """The file as an attachment, with `ETag`, `Content-Length` and ranges."""
    row = context.products.get(job_id, product_id)
    if row.state != "done":
        raise JobError("The file is not made yet.", hint="Look at the product until its state is 'done'.")
    headers = {"ETag": f'"{row.id}"', "Cache-Control": "private, no-cache"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    path = _file(context, row)
    try:
        status = path.stat()
    except OSError:
        raise JobNotFoundError("The file is gone.", hint="Ask for it again: it is made anew.") from None
    media_type = export.PRODUCTS[row.product].media_type if row.product in export.PRODUCTS else None
    # Always an attachment: a page made to be given away must not run as one of this server's.
    return FileResponse(path, media_type=media_type, headers=headers, stat_result=status, filename=path.name)


def _result(job: Job, step: Step | None) -> dict[str, Any]:
    result: dict[str, Any] | None = (job.results or {}).get(step or "")
    if result is None:
        raise JobError(
            f"Step '{step}' is not made yet." if step else "No step is made yet.", hint="Wait until it is finished."
        )
    return result


def _file(context: Context, row: products.Row) -> Path:
    folder = context.data.job(row.job_id)
    return folder.pulled(folder.product(row.id) / str((row.result or {}).get("file", "")))


def _values(row: products.Row, now: float) -> dict[str, Any]:
    kept = ("job_id", "id", "product", "step", "folder", "options")
    return {name: getattr(row, name) for name in kept} | {"asked": now, "queued_at": now}


def _product(made: export.Product, step: Step) -> ProductOut:
    return ProductOut(
        name=made.name,
        label=made.label,
        about=made.about,
        group=made.group,
        media_type=made.media_type,
        options=made.schema,
        needs=made.needs,
        ready=STEPS.index(step) >= STEPS.index(made.needs),
        installed=made.installed,
        install=made.install,
    )


def _made(row: products.Row) -> MadeOut:
    made = export.PRODUCTS[row.product]
    result = row.result or {}
    url = f"{PREFIX}/jobs/{row.job_id}/products/{quote(row.id)}/file"
    return MadeOut.model_validate(
        {
            "id": row.id,
            "product": row.product,
            "label": made.label,
            "step": row.step,
            "options": row.options,
            "state": row.state,
            "fraction": row.fraction,
            "message": row.message,
            "error": problems.of_record(row.error) if row.error else None,
            "name": result.get("file"),
            "bytes": result.get("bytes"),
            "media_type": made.media_type,
            "notes": result.get("notes", []),
            "url": url if row.state == "done" else None,
        }
    )
