"""One process of the server: the app, on a socket that is there already, until it is told to end."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from diorama.server.app import create_app
from diorama.server.lan import Lan
from diorama.server.users import Users

GOODBYE_SECONDS = 1
"""How long answers that are being sent may still take when the server ends."""


@dataclass(frozen=True)
class Site:
    """What a process has to know."""

    folder: Path  # of the jobs
    hosts: list[str]  # names that it answers to
    slots: int | None  # how many jobs it works on at once
    fetch: bool  # whether it fetches better weights
    lan: Lan | None
    users: Users
    how: dict[str, Any] = field(default_factory=dict)  # more of uvicorn's settings


class Server(uvicorn.Server):
    """Tells the event streams to end, which would otherwise be waited for, and says when it listens."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.context.closing = True
        await super().shutdown(sockets)


def run(site: Site, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        DioramaError: the app can't be made: the data folder, the database or the store can't be used.
    """
    app = create_app(site.folder, hosts=site.hosts, slots=site.slots, fetch=site.fetch, lan=site.lan, users=site.users)
    config = uvicorn.Config(
        app,
        log_config=None,  # its lines go where ours go, and are as free of secrets
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        timeout_graceful_shutdown=GOODBYE_SECONDS,
        **site.how,
    )
    with _ended_by_signals():
        Server(config, app, ready).run(sockets=[listener])


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more, after everything has ended in order: that is no error."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
