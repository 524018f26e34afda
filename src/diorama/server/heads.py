"""HEAD wherever there is GET: what monitors, link checkers and download managers ask first (RFC 9110, 9.3.2)."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CANCELS = "2.3"
"""The last version of ASGI's HTTP specification for which Starlette ends a stream as soon as the client is gone."""


class Heads:
    """Answers HEAD as GET, without the body. A stream of events ends with its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        asked, answered = False, asyncio.Event()

        async def receive_once() -> Message:
            nonlocal asked
            if not asked:
                asked = True
                return await receive()
            await answered.wait()
            return {"type": "http.disconnect"}

        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                answered.set()

        specification = scope.get("asgi", {})
        # In the same scope, not a copy: what was found out about the request on the way is read outside.
        scope.update(method="GET", asgi={**specification, "spec_version": _CANCELS})
        try:
            await self.app(scope, receive_once, send_headers)
        finally:
            scope.update(method="HEAD", asgi=specification)
