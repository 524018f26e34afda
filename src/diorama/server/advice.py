"""The part of the API that says, before anything is sent, what asking GPT-4 would send and cost."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from diorama.server import problems
from diorama.server.context import PREFIX, Context, context_of

api = APIRouter(prefix=PREFIX)

Shared = Annotated[Context, Depends(context_of)]

TYPICAL_SIZE = (1536, 1024)
"""Of a photo of which nothing is known yet; what is sent is made small anyway."""


class EstimateOut(BaseModel):
    """What both questions to the advisor `openai` send and cost, about."""

    available: bool = Field(description="It can be asked: there is a key, the package, and a way to the server.")
    reason: str = Field(description="Why it can't be asked, and what to do; empty where it can.")
    model: str = Field(description="What would be asked.", examples=["gpt-4.1"])
    server: str = Field(description="Where the picture goes.", examples=["api.openai.com"])
    tokens: int = Field(description="Of both questions and their answers, about.")
    usd: float | None = Field(description="Null: nobody published a price.")


@api.get(
    "/jobs/{job_id}/advice/estimate",
    response_model=EstimateOut,
    responses=problems.documented(404, 422, 503),
    tags=["settings"],
    summary="What asking GPT-4 costs",
)
def estimate_advice(job_id: str, context: Shared) -> Any:
    """Nothing is sent for this."""
    from diorama import advisor

    camera = (context.store.get(job_id).result or {}).get("camera")
    size = (camera["width"], camera["height"]) if camera else TYPICAL_SIZE
    cost = advisor.expected(*size)
    reason = advisor.problem()
    return EstimateOut(
        available=not reason,
        reason=reason,
        model=cost.model,
        server=cost.host,
        tokens=cost.tokens_in + cost.tokens_out,
        usd=None if cost.usd is None else round(cost.usd, 4),
    )
