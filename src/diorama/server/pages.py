"""The web page: one HTML shell for every address that a person sees, its static files, and the API's own documentation.

The shell is the same for `/` and `/jobs/{id}`: its modules read the address and ask the public HTTP API for the rest,
so that reload, back and forward keep the place. Nothing here knows about jobs.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self'",
        # GLTFLoader fetches a GLB's texture from a blob address.
        "connect-src 'self' blob:",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""No inline script or style, nothing from another host."""

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Ask each time whether a file has changed: an updated server must not meet modules of an older one.
    "Cache-Control": "no-cache",
}

# Windows takes types from its registry, where .js is often text/plain: browsers then refuse the modules.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")

router = APIRouter(include_in_schema=False)


class PageFiles(StaticFiles):
    """Static files with the page's headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def install(app: FastAPI) -> None:
    """Add the page, `/docs` and `/static` to `app`, which should be made with ``docs_url=None, redoc_url=None``."""
    app.include_router(router)
    # Unpacked, three.js is 2 MB: a phone in the same network notices.
    app.mount("/static", GZipMiddleware(PageFiles(directory=STATIC), minimum_size=1024, compresslevel=5), name="static")


@router.get("/")
@router.get("/jobs/{job_id}")
def page(job_id: str | None = None) -> FileResponse:  # noqa: ARG001
    """The shell; its modules find out whether the job exists."""
    return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8", headers=HEADERS)


def missing(request: Request) -> FileResponse | None:
    """The shell for a person at an address that isn't there; None for programs, and below `/api` and `/static`."""
    if request.method not in ("GET", "HEAD") or "text/html" not in request.headers.get("accept", ""):
        return None
    if request.url.path.startswith(("/api/", "/static/")):
        return None
    return FileResponse(STATIC / "index.html", 404, media_type="text/html; charset=utf-8", headers=HEADERS)


@router.get("/docs")
def docs() -> FileResponse:
    """The API's documentation, from the package's own files."""
    return FileResponse(STATIC / "docs.html", media_type="text/html; charset=utf-8", headers=HEADERS)


@router.get("/favicon.ico")
def favicon() -> FileResponse:
    """For those who ask without reading the page."""
    return FileResponse(STATIC / "favicon.svg", media_type="image/svg+xml", headers=HEADERS)
