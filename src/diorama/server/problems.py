"""Errors as RFC 9457 problem documents: what is wrong, and what to do next, alike for the page and for programs."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from diorama.errors import DioramaError
from diorama.logs import request_id
from diorama.server import pages

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

RETRY_SECONDS = 30
"""When to ask again after 429: about the time that a photo takes."""


class Problem(BaseModel):
    """An error, after RFC 9457."""

    type: str = Field("about:blank", description="Always `about:blank`: `code` tells errors apart.")
    title: str = Field(description="The HTTP status in words.", examples=["Content Too Large"])
    status: int = Field(description="The HTTP status.", examples=[413])
    code: str = Field(description="A stable name for programs.", examples=["photo-too-large"])
    detail: str = Field(description="What is wrong: a sentence for a person.", examples=["The photo is over 64 MB."])
    hint: str = Field(description="What to do next: a sentence for a person.", examples=["Send a smaller one."])
    request_id: str | None = Field(
        default=None,
        description="Of the request, as in the header `X-Request-ID` and the server's log.",
        examples=["5b1f6c0d92ae4473"],
    )


def problem(status: int, code: str, detail: str, hint: str) -> Problem:
    """A problem with the title of its status."""
    return Problem(
        type="about:blank", title=HTTPStatus(status).phrase, status=status, code=code, detail=detail, hint=hint
    )


def of_error(error: DioramaError) -> Problem:
    """The problem that tells of an error."""
    return problem(error.http_status, error.code, error.message, error.hint)


def of_record(record: dict[str, Any]) -> Problem:
    """The problem of an error that the store has kept (`jobs.store.error_record`)."""
    return problem(**record)


def response(found: Problem) -> JSONResponse:
    """The answer that carries a problem."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if request_id.get():
        found = found.model_copy(update={"request_id": request_id.get()})
        headers["X-Request-ID"] = request_id.get()
    if found.status == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = str(RETRY_SECONDS)
    return JSONResponse(found.model_dump(), found.status, headers, MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for OpenAPI."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def _methods(app: FastAPI, scope: Scope) -> list[str]:
    """What may be asked of a path: Starlette names the methods of its first route alone. HEAD comes with GET."""
    return [
        method
        for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
        if any(
            route.matches({**scope, "method": method.replace("HEAD", "GET")})[0] == Match.FULL for route in app.routes
        )
    ]


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""

    @app.exception_handler(DioramaError)
    async def known(_request: Request, error: DioramaError) -> JSONResponse:
        return response(of_error(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return response(
            problem(422, "request", f"The request is not as it should be: {where}: {first['msg']}.", "See /docs.")
        )

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        if status == HTTPStatus.NOT_FOUND and (page := pages.missing(request)):
            return page
        if status == HTTPStatus.BAD_REQUEST:  # FastAPI's, of a body whose bytes are no text
            return response(problem(422, "request", "The request's body is no JSON in UTF-8.", "See /docs."))
        answer = response(
            problem(
                status, status.name.lower().replace("_", "-"), f"{status.description or status.phrase}.", "See /docs."
            )
        )
        answer.headers.update(error.headers or {})
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = ", ".join(_methods(app, request.scope))
        return answer

    @app.exception_handler(Exception)
    async def unforeseen(_request: Request, error: Exception) -> JSONResponse:
        return response(
            problem(
                500,
                "diorama",
                f"Something went wrong inside the server ({type(error).__name__}).",
                "Try again; the server's log says where it happened, which helps in a bug report.",
            )
        )
