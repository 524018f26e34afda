"""Waiting for what happens in other threads and processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

FIRST_PAUSE = 0.005
SLOWER = 1.3
LONGEST_PAUSE = 0.2
"""Seconds. Looking costs processor time that what is waited for could use: a call through the whole app some 8 ms."""

PATIENCE = 180
"""Seconds for a job: its worker may have to compile every loop first, behind all that the other tests do."""

SHORT_PAUSE = 0.02
"""For what doesn't last, such as a stage that a worker is in."""


def waited(
    look: Callable[[], T],
    until: Callable[[T], object] = bool,
    seconds: float = 60,
    longest: float = LONGEST_PAUSE,
) -> T:
    """What `look` sees, once `until` is true of it.

    Args:
        look: called again and again, ever more seldom.
        until: by default whether there is anything.
        seconds: after which the test fails.
        longest: seconds between two looks at most.
    """
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
    while not until(seen := look()):
        assert time.monotonic() < deadline, f"after {seconds} s: {seen}"
        time.sleep(pause)
        pause = min(SLOWER * pause, longest)
    return seen


class _Client(Protocol):
    """`httpx.Client` or FastAPI's `TestClient`."""

    def get(self, url: str, /) -> Any: ...


def finished(client: _Client, address: str, seconds: float = PATIENCE) -> dict[str, Any]:
    """The job, or the product, at that address of the API, once nobody works on it any more."""
    return dict(
        waited(lambda: client.get(address).json(), lambda seen: seen["state"] not in ("queued", "running"), seconds)
    )
