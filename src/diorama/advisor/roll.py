"""How far the camera was turned about its axis: by the slope of parallel edges, else by the frame of directions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from diorama.advisor.vanishing import Edges

Float64 = npt.NDArray[np.float64]

LEVEL_ROLL, MOST_ROLL = 8.0, 35.0
"""Degrees: the standard deviation of how people hold cameras, and how they don't."""

PARALLEL = 0.7
"""Standard deviation in degrees of the slopes of edges that count as parallel on the picture."""

BUNDLED = 0.4
"""Share of the edges' length that must be parallel or at right angles for their slope to say the roll."""


def find_roll(edges: Edges, directions: Float64, share: Float64) -> tuple[float | None, float]:
    """Degrees by which the camera was turned clockwise, and how sure that is.

    Args:
        directions: (3, 3), down, right and forward, as far as the edges show them.
        share: (3,), the edges' length that each explains, as a share of all.
    """
    down, right, _ = directions
    across = abs(float(right[2])) < 0.5
    slope, bundled = _bundle(edges)
    if bundled > BUNDLED:
        roll = slope
    elif across and share[0] + share[2] < 0.35 * share[1]:  # a horizon or a wall's courses, and nothing else
        roll = math.degrees(math.atan2(-right[1], right[0]))
    else:
        roll = math.degrees(math.atan2(down[0], down[1]))
    # What is upright, or level and across, says how the camera was turned; what runs away from it says nothing.
    held = max(bundled, float(share[0] + (share[1] if across else 0.5 * share[1])))
    likely = math.exp(-((roll / LEVEL_ROLL) ** 2) / 8)
    sure = float(np.clip((held - 0.12) / 0.5, 0, 1)) * min(1.0, len(edges) / 20) * likely
    return (roll, sure) if sure > 0 else (None, 0.0)


def _bundle(edges: Edges) -> tuple[float, float]:
    """The roll that the most edges have that are parallel or at right angles on the picture, in degrees, and the share
    of all edges' length that they are.

    A horizon, or a front with its windows, says how the camera was turned by its slope alone. Frames say less there: a
    single line passes through vanishing points anywhere on it, and one that makes the camera level is the likeliest.
    """
    slope = np.degrees(np.arctan2(-edges.along[:, 1], edges.along[:, 0]))
    turned = (slope + 45) % 90 - 45
    near = np.abs(turned) < MOST_ROLL
    width = np.hypot(PARALLEL, np.degrees(edges.error))

    def support(angle: Float64) -> Float64:
        miss = (angle[:, None] - turned) / width
        return np.asarray((np.maximum(0, 1 - miss**2 / 4) ** 2 * (edges.weight * near)).sum(axis=1), np.float64)

    tried = np.arange(-MOST_ROLL, MOST_ROLL + 0.05, 0.1)
    best = float(tried[int(support(tried).argmax())])
    miss = np.abs(turned - best) / width
    return best, float((edges.weight * (near & (miss < 2))).sum() / edges.weight.sum())
