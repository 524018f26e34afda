"""Camera paths: each from a share of its time, 0 to 1, to a pose, for a travel of 1 scene unit.

All look the way that the photo's camera did and hold what they go round in place by shifting the lens, as a view camera
does: upright lines stay upright.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from diorama.film.poses import Pose

ELLIPSE = 0.4
"""Height of the orbit as a share of its width: eyes are used to moving sideways."""

Move = Callable[[float, float, float], Pose]
"""(share of the way, travel in scene units, z of the subject) -> pose."""


@dataclass(frozen=True)
class Path:
    """A way that the camera takes."""

    label: str  # for a person
    move: Move
    closed: bool  # it ends where it began by itself; else a loop goes there and back


def _orbit(way: float, travel: float, subject: float) -> Pose:
    angle = 2 * math.pi * way
    return Pose((travel * math.sin(angle), -ELLIPSE * travel * math.cos(angle), 0.0), pivot=subject)


def _swing(way: float, travel: float, subject: float) -> Pose:
    return Pose((travel * (2 * way - 1), 0.0, 0.0), pivot=subject)


def _circle(way: float, travel: float, _subject: float) -> Pose:
    angle = 2 * math.pi * way
    return Pose((travel * math.sin(angle), -travel * math.cos(angle), 0.0), pivot=None)


def _push_in(way: float, travel: float, _subject: float) -> Pose:
    return Pose((0.0, 0.0, travel * way))


def _dolly_zoom(way: float, travel: float, subject: float) -> Pose:
    return Pose((0.0, 0.0, travel * (1 - 2 * way)), held=subject)


PATHS: dict[str, Path] = {
    "orbit": Path("Round the subject, on a flat ellipse", _orbit, closed=True),
    "swing": Path("From side to side, the subject in the middle", _swing, closed=False),
    "circle": Path("On a circle, looking straight ahead", _circle, closed=True),
    "push-in": Path("Towards the scene", _push_in, closed=False),
    "dolly-zoom": Path("Backwards while the lens zooms in: the subject keeps its size", _dolly_zoom, closed=False),
}
