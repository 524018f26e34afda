"""How a motion starts and ends: from 0 to 1 over a share of time from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Callable

EASINGS: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "sine": lambda t: (1 - math.cos(math.pi * t)) / 2,
    "smooth": lambda t: t * t * (3 - 2 * t),
    "smoother": lambda t: t**3 * (10 - 15 * t + 6 * t * t),
    "ease-in": lambda t: t * t,
    "ease-out": lambda t: t * (2 - t),
}
"""sine: a pendulum's; smooth: rests at both ends; smoother: acceleration too; ease-in: starts slowly."""


def there_and_back(t: float) -> float:
    """0 at both ends, 1 in the middle."""
    return 1 - abs(2 * t - 1)
