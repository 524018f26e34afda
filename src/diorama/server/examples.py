"""Photos to try: those that come with Diorama."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from diorama.errors import JobNotFoundError
from diorama.server import problems
from diorama.server.context import PREFIX
from diorama.server.limits import Received
from diorama.server.schemas import ExampleOut

api = APIRouter(prefix=PREFIX)

EXAMPLE_PIXELS = 640


@api.get("/examples", response_model=list[ExampleOut], tags=["examples"], summary="Photos to try")
def list_examples() -> Any:
    """Photos that come with Diorama."""
    from diorama import photo

    return [
        ExampleOut(name=name, label=name.capitalize(), thumbnail=f"{PREFIX}/examples/{name}/thumbnail")
        for name in photo.EXAMPLES
    ]


@api.get(
    "/examples/{name}",
    response_class=FileResponse,
    responses={200: {"content": {"image/*": {}}}, **problems.documented(404, 422)},
    tags=["examples"],
    summary="An example photo",
)
def get_example(name: str) -> FileResponse:
    """The picture itself."""
    return FileResponse(_example(name), headers={"Cache-Control": "no-cache"})


@api.get(
    "/examples/{name}/thumbnail",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **problems.documented(404, 422)},
    tags=["examples"],
    summary="An example photo, small",
)
def get_example_thumbnail(name: str) -> Response:
    """A JPEG of at most 640 pixels a side."""
    return Response(_thumbnail(_example(name)), media_type="image/jpeg", headers={"Cache-Control": "no-cache"})


def _example(name: str) -> Path:
    from diorama import photo

    if name not in photo.EXAMPLES:
        raise JobNotFoundError(
            f"There is no example named '{name[:60]}'.", hint=f"The examples are: {', '.join(photo.EXAMPLES)}."
        )
    return photo.example(name)


@functools.cache
def _thumbnail(path: Path) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(path) as image:  # one of our own examples: safe to decode here
        small = image.convert("RGB")
    small.thumbnail((EXAMPLE_PIXELS, EXAMPLE_PIXELS))
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def copy(name: str, path: Path) -> Received:
    """Put an example where uploads are put, as if somebody had sent it.

    Raises:
        JobNotFoundError: there is none of that name.
    """
    from diorama import atomic

    source = _example(name)
    with atomic.writing(path) as file:
        file.write(source.read_bytes())
    return Received(path, source.name, {})
