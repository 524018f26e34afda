"""The part of the API for those who keep the server running: whether it answers, whether it is ready, its figures."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, Field

from diorama import __version__
from diorama.server import observing, problems
from diorama.server.context import Context, context_of
from diorama.server.schemas import HealthOut

router = APIRouter(tags=["server"])

Shared = Annotated[Context, Depends(context_of)]

_FIGURES = """# HELP diorama_jobs Jobs in the store.
# TYPE diorama_jobs gauge
diorama_jobs{state="queued"} 2.0
"""


class ReadyOut(BaseModel):
    """That the server takes requests and works on jobs."""

    ready: bool = Field(description="Always true: a server that isn't ready answers with an error.")


@router.get(
    "/healthz",
    response_model=HealthOut,
    responses=problems.documented(507),
    summary="Whether the server answers",
)
def healthz(context: Shared) -> Any:
    """Asks the store, so that a server without a working one isn't called well. Needs no token."""
    return HealthOut(
        status="ok", version=__version__, workers=context.runner.slots, queued=context.store.queue_length()
    )


@router.get("/readyz", response_model=ReadyOut, responses=problems.documented(503), summary="Whether it is ready")
def readyz(context: Shared) -> Any:
    """Whether to send it requests: not while it starts or stops, nor when its jobs or its store stand still. Needs no
    token."""
    reason = observing.unready(context)
    if reason:
        return problems.response(problems.problem(503, "not-ready", reason, "Ask again in a moment."))
    return ReadyOut(ready=True)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "The figures.", "content": {observing.METRICS_TYPE: {"example": _FIGURES}}},
        **problems.documented(507),
    },
    summary="Figures for Prometheus",
)
def metrics(context: Shared) -> Response:
    """Requests by route and status, their seconds, jobs by state, memory, free disk, in Prometheus' text form."""
    return Response(context.figures.text(context), media_type=observing.METRICS_TYPE)
