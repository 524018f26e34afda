"""The part of the API that tells the page how a phone reaches it, where the server is open to its network."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from diorama.errors import JobNotFoundError
from diorama.server import lan, problems
from diorama.server.context import PREFIX, Context, context_of
from diorama.server.security import user_of
from diorama.server.users import SOLE

api = APIRouter(prefix=PREFIX)

Shared = Annotated[Context, Depends(context_of)]


class LanOut(BaseModel):
    """How others in the network reach the server."""

    address: str | None = Field(
        description="None where the server is this machine's alone.", examples=["https://192.168.1.5:5000"]
    )


@api.get(
    "/lan",
    response_model=LanOut,
    responses={200: {"description": "The address."}},
    tags=["server"],
    summary="Whether phones in the network reach the server",
)
def get_lan(context: Shared) -> LanOut:
    """The address in the network, without the token that it takes."""
    return LanOut(address=context.lan.address if context.lan else None)


@api.get(
    "/lan/qr.svg",
    response_class=Response,
    responses={
        200: {"description": "The picture.", "content": {"image/svg+xml": {}}},
        **problems.documented(404, 422),
    },
    tags=["server"],
    summary="A QR code that opens a page on a phone",
)
def get_qr(
    request: Request,
    context: Shared,
    path: Annotated[
        str, Query(description="Of the page.", examples=["/jobs/mB9cX0hUqk2fJwzS1r7d3g"], max_length=200, pattern="^/")
    ] = "/",
) -> Response:
    """The page's address with the token in it: whoever sees the picture may use the server."""
    if context.lan is None or user_of(request) != SOLE:  # the token in it is that user's
        raise JobNotFoundError("This server is open to its own machine alone.", hint="Start it with --lan.")
    return Response(lan.qr_svg(context.lan.link(path)), media_type="image/svg+xml")
