"""What can be seen of the server from outside: a request's id, a line in the log for each, figures for Prometheus."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diorama import __version__
from diorama.errors import StorageError
from diorama.logs import request_id

if TYPE_CHECKING:
    from diorama.server.context import Context

log = logging.getLogger(__name__)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second line for each count, which says when it began

SHARED = "PROMETHEUS_MULTIPROC_DIR"
ID_HEADER = "X-Request-ID"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
"""An id that a proxy gave is kept, if it can stand in a log and a header."""

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ELSEWHERE = "elsewhere"
"""The route of what is no route: addresses that somebody made up must not become names of figures."""


class Figures:
    """Counts of one app's requests. Several processes add up where `PROMETHEUS_MULTIPROC_DIR` names a folder."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        shared = SHARED in os.environ
        kept = CollectorRegistry() if shared else self._registry  # else what is in memory would be told twice
        self.requests = Counter(
            "diorama_requests", "Requests that were answered.", ["method", "route", "status"], registry=kept
        )
        self.seconds = Histogram(
            "diorama_request_seconds", "Until the whole answer was sent.", ["route"], buckets=_BUCKETS, registry=kept
        )
        self.running = Gauge(
            "diorama_requests_in_progress",
            "Requests that are being answered.",
            registry=kept,
            multiprocess_mode="livesum",
        )
        if shared:
            multiprocess.MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]
        ProcessCollector(registry=self._registry)

    def text(self, context: Context) -> bytes:
        """All figures in Prometheus' text form.

        Raises:
            StorageError: the store can't be asked.
        """
        now = CollectorRegistry()
        now.register(_Now(context))
        return generate_latest(self._registry) + generate_latest(now)


@contextmanager
def figures_of_several() -> Iterator[None]:
    """Where processes that are started meanwhile put their counts, so that each can tell those of all."""
    if SHARED in os.environ:  # somebody has chosen a folder
        yield
        return
    with tempfile.TemporaryDirectory(prefix="diorama-figures-", ignore_cleanup_errors=True) as folder:
        os.environ[SHARED] = folder
        try:
            yield
        finally:
            del os.environ[SHARED]


def forget_process(pid: int) -> None:
    """A process that shared its counts has died: what it had begun is not going on any more."""
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


class _Now(Collector):
    """What the store and the disk say at this moment."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def describe(self) -> Iterable[Any]:
        return ()  # registering asks nobody

    def collect(self) -> Iterator[GaugeMetricFamily]:
        context = self._context
        jobs = GaugeMetricFamily("diorama_jobs", "Jobs in the store.", labels=["state"])
        for state, count in context.store.states().items():
            jobs.add_metric([state], count)
        yield jobs
        yield GaugeMetricFamily("diorama_slots", "Jobs that this server works on at once.", context.runner.slots)
        yield GaugeMetricFamily("diorama_queue_limit", "Jobs that may wait.", context.max_queued)
        yield GaugeMetricFamily(
            "diorama_disk_free_bytes", "Free on the disk of the data folder.", shutil.disk_usage(context.data.root).free
        )
        version = GaugeMetricFamily("diorama_version", "Always 1.", labels=["version"])
        version.add_metric([__version__], 1)
        yield version


class Observed:
    """ASGI middleware, the outermost: gives every request an id, counts it, and says in the log how it ended."""

    def __init__(self, app: ASGIApp, figures: Figures) -> None:
        self.app = app
        self.figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(ID_HEADER, "")
        own = given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
        # Not taken back: Starlette's handler of unforeseen errors stands outside, and tells it to the user, too.
        request_id.set(own)
        started, status = time.perf_counter(), 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[ID_HEADER] = own
            await send(message)

        self.figures.running.inc()
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            self.figures.running.dec()
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = getattr(scope.get("route"), "path", _ELSEWHERE)
        self.figures.requests.labels(method, route, str(status)).inc()
        self.figures.seconds.labels(route).observe(seconds)
        if log.isEnabledFor(logging.INFO):
            log.info(
                "answered",
                # Never the query, in which a token may stand.
                extra={
                    "method": method,
                    "path": scope["path"][:200],
                    "status": status,
                    "milliseconds": round(1000 * seconds, 1),
                    "user": scope.get("state", {}).get("user", ""),
                },
            )


def unready(context: Context) -> str:
    """Why the server should be sent no requests now; empty where it is ready."""
    if context.closing:
        return "It is being stopped."
    if not context.runner.lives:
        return "No jobs are worked on: its log says why."
    try:
        context.store.queue_length()
    except StorageError as error:
        return error.message
    return ""
