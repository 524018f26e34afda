"""Several processes of the server on one socket: started, replaced when they die, ended together.

They share nothing but the database, the files and the socket, as servers on several machines do.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType

from diorama import logs
from diorama.errors import DioramaError, ServerError
from diorama.jobs import cluster
from diorama.jobs.processes import default_slots
from diorama.server import observing, web
from diorama.server.users import from_environment
from diorama.server.web import Site

log = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0
"""Before a process that has died is replaced: one that dies at once shall not keep the machine busy."""

STOP_SECONDS = 10.0
"""A process that hasn't ended this long after it was asked to is killed."""


def run(site: Site, count: int, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve with `count` processes until Ctrl-C or SIGTERM.

    Raises:
        DioramaError: the first process could not begin.
    """
    with observing.figures_of_several():
        _run(site, count, listener, ready)


def _run(site: Site, count: int, listener: socket.socket, ready: Callable[[], None]) -> None:
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    members = [
        _Member(replace(site, slots=slots, fetch=site.fetch and not number), listener)
        for number, slots in enumerate(shares(site.slots, count))
    ]
    try:
        members[0].start()
        if not members[0].begins(ended):
            return
        for member in members[1:]:
            member.start()
        ready()
        while not ended.wait(0.2):
            for member in members:
                member.replace_dead()
    finally:
        for member in members:
            member.ask_to_end()
        for member in members:
            member.end()
        for number, handler in before.items():
            signal.signal(number, handler)


def shares(slots: int | None, count: int) -> list[int | None]:
    """How many jobs each process works on at once: as many as all do together, spread evenly.

    None, with a Dask cluster: as many as that has workers. One process hands over all of these.
    """
    if slots is None and cluster.address():
        return [None, *[0] * (count - 1)]
    total = default_slots() if slots is None else slots
    return [total // count + (number < total % count) for number in range(count)]


class _Member:
    """One process, and the one that takes its place."""

    def __init__(self, site: Site, listener: socket.socket) -> None:
        self._site = site
        self._listener = listener
        self._process: BaseProcess | None = None
        self._heard: Connection | None = None
        self._due = 0.0

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._heard, tells = context.Pipe(duplex=False)
        process = context.Process(target=_serve, args=(self._site, self._listener, tells))
        process.start()
        self._process = process
        tells.close()

    def begins(self, ended: threading.Event) -> bool:
        """Wait until it listens; False: it was told to end before.

        Raises:
            DioramaError: it can't.
        """
        assert self._heard is not None
        while not ended.is_set():
            if not self._heard.poll(0.1):
                continue
            try:
                said = self._heard.recv()
            except EOFError:
                raise ServerError(
                    "A process of the server has ended before it began.",
                    hint="Start it with one process: what it says then tells why.",
                ) from None
            if isinstance(said, DioramaError):
                raise said
            return True
        return False

    def replace_dead(self) -> None:
        assert self._process is not None
        if self._process.is_alive():
            return
        if not self._due:
            log.warning("a process of the server has died (%s); another takes its place", self._process.exitcode)
            self._due = time.monotonic() + AGAIN_SECONDS
            if self._process.pid is not None:
                observing.forget_process(self._process.pid)
        elif time.monotonic() >= self._due:
            self._due = 0.0
            self.start()

    def ask_to_end(self) -> None:
        if self._process is not None and self._process.is_alive():
            self._process.terminate()

    def end(self) -> None:
        if self._process is None:
            return
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(site: Site, listener: socket.socket, tells: Connection) -> None:
    """What one process does."""
    logs.configure()
    from_environment()  # what is to be hidden in this process's log, too
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    try:
        web.run(site, listener, lambda: tells.send(True))
    except DioramaError as error:
        tells.send(error)
    except OSError:  # whoever listened has gone
        log.exception("a process of the server ends")


def _end_with(sentinel: int) -> None:
    """Nobody could end the processes of a killed server."""
    connection.wait([sentinel])
    os._exit(1)
