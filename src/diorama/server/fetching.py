"""Better weights, fetched in the background from the server's start: no job waits for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from diorama import weights
from diorama.errors import DioramaError

log = logging.getLogger(__name__)

CONNECT_SECONDS = 3.0
"""Without a network the bundled network serves, and whoever waits for an answer should not wait long."""

WANTED = ("midas-v21-small", "migan")
"""The depth model first: every photo waits for depth, and sees the inpainter only in step 3."""


@dataclass(frozen=True)
class Download:
    """How the download of one file goes."""

    fraction: float = 0.0
    message: str = ""
    error: DioramaError | None = None
    running: bool = False


class Fetcher:
    """Fetches the weights that "auto" prefers, one after the other, in one thread."""

    def __init__(
        self,
        *,
        enabled: bool = True,
        wanted: tuple[str, ...] = WANTED,
        fetch: Callable[..., Path] = weights.fetch,
    ) -> None:
        self.enabled = enabled and not weights.is_offline()
        self._wanted = wanted
        self._fetch = fetch
        self._downloads: dict[str, Download] = {}

    def start(self) -> None:
        """Begin, where fetching is allowed. The thread ends with the process; a part is gone on with next time."""
        if self.enabled:
            threading.Thread(target=self._run, name="weights", daemon=True).start()

    def download(self, name: str) -> Download | None:
        """How it goes with `name`; None where it was never begun."""
        return self._downloads.get(name)

    def _run(self) -> None:
        for name in self._wanted:
            if weights.path(name) is not None:
                continue
            self._downloads[name] = Download(running=True)

            def progress(_stage: str, share: float, message: str, name: str = name) -> None:
                self._downloads[name] = Download(share, message, running=True)

            try:
                self._fetch(name, progress, connect_seconds=CONNECT_SECONDS)
                self._downloads[name] = Download(1.0)
            except DioramaError as error:
                log.info("%s could not be fetched: %s", name, error)
                self._downloads[name] = replace(self._downloads[name], running=False, error=error)
