"""Advice on the reconstruction's parameters, from how depth is spread, how it steps and how it trembles."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from diorama.advice import Advised
from diorama.advisor.surfaces import Surfaces
from diorama.arrays import largest, smallest
from diorama.cuts import near_inverse_depth
from diorama.settings import Settings
from diorama.types import Scene

OPEN_AIR = 6.0
"""Depth strength under an open sky, where no horizon says it: the far end of what is seen is farther than a room's."""

FEW_SKY = 0.03
"""Share of the photo from which a sky is one."""

BANDS = 24
"""Thresholds that are tried, evenly on a logarithmic scale."""

WIDTH = 1.3
"""A band reaches from a threshold divided by this to the threshold times this."""

CLEARER = 0.6
"""Share of the jumps near the present threshold that a better one may have near itself."""

MOST_AT_RISK = 0.01
"""Share of the large jumps that may lie near the present threshold without anybody caring where exactly it is."""

RIPPLE_SEEN = 0.3
"""Pixels of parallax at the full travel that a surface may tremble by."""

RIPPLE_FULL = 2.0

FOLLOWED = 0.4
"""Share of the way to the second look's depth: .3 to .7 of it gain much the same in the views of six stereo pairs and
Motorcycle (.1 to .14 dB with version 1 of the network; with version 2 .4 gains .1), and less does less harm where it
errs."""

COLOURED = 16
"""Difference of a pixel's channels, of 255, that a tenth of a photo in colour has: of a grey one the second look sees
little that the first has not seen, and it costs correlation there."""

MOST_HIDDEN = 0.08
"""Area that a sideways move may lay bare, as a share of the photo's: so much can be imagined well."""


def depth_range(scene: Scene, surfaces: Surfaces) -> Advised[float] | None:
    """How many times as far the farthest point stands; only of relative depth."""
    if scene.units != "relative" or scene.depth.sky is None:
        return None
    share = float(scene.depth.sky.mean())
    current = scene.settings.depth_range
    if share < FEW_SKY or current >= OPEN_AIR:
        return None
    seen = surfaces.depth[surfaces.labels > 0]
    far = float((seen < 1.5 * seen.min()).mean()) if seen.size else 0.0
    return _advised(
        "depth_range",
        OPEN_AIR,
        f"{share:.0%} of the photo is sky and {far:.0%} lies at the far end of the depths: in the open the far end is "
        f"farther than {current:g} times the nearest.",
        0.3,
    )


def cut_threshold(scene: Scene) -> Advised[float] | None:
    """The threshold with the fewest jumps near it: there, what is cut depends on it least. Not of measured depth."""
    if scene.depth.measured:
        return None
    jumps = _jumps(scene)
    current = scene.settings.cut_threshold
    if len(jumps) < 100:
        return None
    tried = np.geomspace(1.0, 8.0, BANDS)
    near = np.array([_near(jumps, t) for t in tried])
    here = _near(jumps, current)
    best = int(near.argmin())
    large = int(np.count_nonzero(jumps > 1.0))
    if here < max(50, MOST_AT_RISK * large) or near[best] > CLEARER * here or abs(np.log(tried[best] / current)) < 0.2:
        return None
    return _advised(
        "cut_threshold",
        float(tried[best]),
        f"{here:,} jumps of depth lie near the threshold of {current:g} %, {int(near[best]):,} near {tried[best]:.1f} "
        "%: there surfaces and silhouettes are told apart more clearly.",
        0.4,
    )


def smoothing(scene: Scene) -> Advised[float] | None:
    """As much as surfaces tremble, where that is seen at the full travel; not of measured depth."""
    if scene.depth.measured:
        return None
    reach = scene.settings.camera_travel / 100 * scene.points.camera.diagonal
    ripple = _ripple(scene) * reach
    amount = (ripple - RIPPLE_SEEN) / (RIPPLE_FULL - RIPPLE_SEEN)
    if amount < 0.05:
        return None
    return _advised(
        "smoothing",
        min(1.0, amount),
        f"Within surfaces depth trembles by {ripple:.1f} px of parallax at the full travel; up to {RIPPLE_SEEN:g} px "
        "nobody sees.",
        0.7,
    )


def camera_travel(scene: Scene) -> Advised[float] | None:
    """Less, where a move would lay bare more than can be imagined well."""
    points, cuts = scene.points, scene.cuts
    inverse = points.inverse_depth / np.float32(near_inverse_depth(points))
    current = scene.settings.camera_travel
    reach = current / 100 * points.camera.diagonal
    total = float(np.abs(np.diff(inverse, axis=1))[cuts.right].sum())
    hidden = total * reach / inverse.size
    if hidden <= MOST_HIDDEN:
        return None
    return _advised(
        "camera_travel",
        max(3.0, current * MOST_HIDDEN / hidden),
        f"A sideways move over the full travel lays bare {hidden:.0%} of the photo's area; up to {MOST_HIDDEN:.0%} is "
        "imagined well.",
        0.5,
    )


def second_look(scene: Scene) -> Advised[float] | None:
    """So far as it helps, where the bundled network made the depth and nobody has corrected it, of photos in colour."""
    colour = largest(scene.points.rgb) - smallest(scene.points.rgb)
    if scene.depth.model != "bundled" or scene.corrections or np.percentile(colour, 90) < COLOURED:
        return None
    return _advised(
        "second_look",
        FOLLOWED,
        "The depth is the small bundled network's: shown the photo again, tilted and without its colours, it errs "
        "elsewhere, and the mean of both errs less.",
        0.6,
    )


def _jumps(scene: Scene) -> npt.NDArray[np.float32]:
    """Steps of inverse depth between neighbours that are larger than those beside them, in % of the near one."""
    inverse = scene.points.inverse_depth * np.float32(100 / near_inverse_depth(scene.points))
    found = []
    for values in (inverse, inverse.T):
        jump = np.abs(np.diff(values, axis=1))
        peak = jump[:, 1:-1] > 0.5
        peak &= (jump[:, 1:-1] >= jump[:, :-2]) & (jump[:, 1:-1] > jump[:, 2:])
        found.append(jump[:, 1:-1][peak])
    return np.concatenate(found)


def _near(jumps: npt.NDArray[np.float32], threshold: float) -> int:
    return int(np.count_nonzero((jumps > threshold / WIDTH) & (jumps < threshold * WIDTH)))


def _ripple(scene: Scene) -> float:
    """Robust standard deviation of what depth has finer than some pixels, as a share of the near inverse depth."""
    import cv2

    depth = scene.points.inverse_depth / np.float32(near_inverse_depth(scene.points))
    rest = depth - cv2.GaussianBlur(depth, (0, 0), 2.5)
    whole = np.ones(depth.shape, np.uint8)
    whole[:, 1:][scene.cuts.right] = 0
    whole[1:][scene.cuts.down] = 0
    if scene.points.opaque is not None:
        whole[~scene.points.opaque] = 0
    if scene.depth.sky is not None:
        whole[scene.depth.sky] = 0
    inner = cv2.erode(whole, np.ones((9, 9), np.uint8), borderValue=1) > 0
    if np.count_nonzero(inner) < 100:
        return 0.0
    return float(1.4826 * np.median(np.abs(rest[inner])))


def _advised(name: str, value: float, reason: str, confidence: float) -> Advised[float]:
    return Advised[float](
        value=within(name, round(value, 3)), reason=reason, source="local", confidence=round(confidence, 3)
    )


@cache
def limits(name: str) -> tuple[float, float]:
    """The range of a setting that has one."""
    schema: dict[str, Any] = Settings.model_json_schema()["properties"][name]
    parts = {part: value for option in [schema, *schema.get("anyOf", [])] for part, value in option.items()}
    return float(parts["minimum"]), float(parts["maximum"])


def within(name: str, value: float) -> float:
    """The value, clamped to the range of the setting `name`."""
    low, high = limits(name)
    return min(high, max(low, value))
