"""Choose the reconstruction's parameters: the advice is a start, the scene's planes and edges decide.

`geometry` searches field of view and depth strength (a shift of inverse depth), `surface` cuts and smoothing; what the
user, the photo's EXIF data or a metric depth file fixed is left alone. Nothing random: the same scene and advice give
the same parameters, and the objective never ends above where it began.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from diorama.advice import PARAMETERS, TITLES, ReconstructionAdvice, SceneAdvice, Tuning
from diorama.optimize.moving import moved_mesh as moved_mesh
from diorama.optimize.moving import moved_points as moved_points
from diorama.optimize.outcomes import no_second_look
from diorama.optimize.outcomes import outcomes as outcomes
from diorama.settings import Settings
from diorama.types import Scene

if TYPE_CHECKING:
    from diorama.optimize.geometry import Evidence, Prior, State, Thing
    from diorama.optimize.planes import Preview

METHOD = "angles"

CLEAR = 1.5
"""By how much the objective must fall: the other parameters are e^1.5 = 4.5 times as probable."""

DETERMINED = (0.28, 0.6)
"""Standard deviations of log focal length and log reach above which each stays as it was."""

LENS_DEVIATION = 0.4
"""Of the logarithm of an assumed focal length: fields of view from 38 to 76 degrees, mostly, about one of 55."""

REACH_DEVIATION = 0.9
"""Of the logarithm of far over near distance: a network's relative depth says next to nothing of it."""

UNEXPLAINED = 0.4
"""Share of what the planes' misses can cost at most, over which they are none of a world of right angles: a bent depth
map's, a hill's or a face's. Then they say nothing."""

FLAT = 0.03
"""Share of the near inverse depth over which a scene's depth must vary for its angles to say anything."""

SMALLEST = 320
"""Pixels of the photo's long side below which its edges are too few and too short to tell a lens by."""

EYE_HEIGHT = 1.6
"""Metres over the ground at which people hold cameras."""

_FIXED_BY = {
    "user": "you gave it",
    "exif": "the photo's EXIF data give it",
    "calibration": "the phone's calibration gives it",
    "model": "the depth model gives it",
}


def unchanged(scene: Scene, reason: str = "") -> Tuning:
    """The scene's own parameters."""
    settings = scene.settings
    return Tuning(
        fov=scene.points.camera.fov_x,
        cut_threshold=settings.cut_threshold,
        smoothing=settings.smoothing,
        camera_travel=settings.camera_travel,
        second_look=0.0 if no_second_look(scene) else settings.second_look,
        locked=tuple(f"{name}: {why}" for name, why in locks(scene).items()),
        reason=reason,
    )


def locks(scene: Scene) -> dict[str, str]:
    """The parameters that the user or a file fixed, and by what."""
    fixed = {}
    source = scene.points.camera.source
    if source in _FIXED_BY:
        fixed["fov"] = _FIXED_BY[source]
    if scene.depth.scale == "metric":
        fixed["depth_range"] = "the depth is metric"
    if scene.depth.measured:
        fixed["cut_threshold"] = "the depth was measured, and jumps where it does"
        fixed["smoothing"] = "the depth was measured, and is as even as it is"
    for name in PARAMETERS:
        if name not in fixed and getattr(scene.settings, name) != Settings.model_fields[name].default:
            fixed[name] = "you set it"
    return fixed


def optimize(
    scene: Scene, advice: SceneAdvice, plan: ReconstructionAdvice, progress: Callable[[float], None]
) -> tuple[Tuning, tuple[str, ...]]:
    """Search for the parameters.

    Args:
        scene: of step "enhanced".
        advice, plan: less what was declined.
        progress: called with the share that is done.

    Returns:
        The parameters with the objective before and after, term by term, and warnings.
    """
    from diorama.optimize import surface

    fixed = locks(scene)
    tuning, said = _angles(scene, advice, plan, fixed, lambda share: progress(0.7 * share))
    tuning, more = surface.chosen(scene, plan, tuning, fixed)
    if plan.second_look is not None and "second_look" not in fixed and not no_second_look(scene):
        tuning = tuning.model_copy(update={"second_look": plan.second_look.value})
    sentences = [sentence for sentence in (said, more) if sentence]
    progress(1.0)
    return tuning.model_copy(update={"reason": " ".join(sentences)}), ()


def _angles(
    scene: Scene,
    advice: SceneAdvice,
    plan: ReconstructionAdvice,
    fixed: dict[str, str],
    progress: Callable[[float], None],
) -> tuple[Tuning, str]:
    """Field of view and depth strength, and a sentence."""
    from diorama.optimize import geometry, planes

    start = unchanged(scene)
    free = ("fov" not in fixed, "depth_range" not in fixed)
    if not any(free):
        return start, "Field of view and depth strength are fixed: " + _listed(fixed, ("fov", "depth_range")) + "."
    small = planes.preview(scene)
    seen = small.inverse[small.usable]
    if seen.size < 100 or 1 - float(np.percentile(seen, 1)) < FLAT:
        return start, "The depth is nearly the same everywhere: there is nothing to choose parameters by."
    if max(scene.photo.width, scene.photo.height) < SMALLEST:
        return start, "The picture is too small to tell its field of view, so the parameters stay as they were."
    evidence = _evidence(scene, small, advice, plan, free)
    progress(0.3)
    if len(evidence.planes) + (len(evidence.edges) >= 4) == 0 and len(evidence.focal) + len(evidence.reach) < 3:
        return start, "No planes and no straight edges were found, so the parameters stay as they were."
    focal, reach = evidence.focal[0].value, evidence.reach[0].value
    evidence, before, after, deviation = geometry.search(evidence, focal, reach, free, progress)
    if geometry.unexplained(evidence, after) > UNEXPLAINED:
        evidence = replace(evidence, planes=(), allowed=evidence.allowed[:0])
        free = (free[0], free[1] and len(evidence.reach) > 1)
        evidence, before, after, deviation = geometry.search(evidence, focal, reach, free, progress)
    narrower = (free[0] and deviation[0] < DETERMINED[0], free[1] and deviation[1] < DETERMINED[1])
    if any(narrower) and narrower != free and after is not before:
        evidence, before, after, _ = geometry.search(evidence, focal, reach, narrower, progress)
    elif not any(narrower):
        after = before
    terms = geometry.objective(evidence, before), geometry.objective(evidence, after)
    return _decided(scene, small, advice, evidence, (before, after), terms)


def _decided(
    scene: Scene,
    small: Preview,
    advice: SceneAdvice,
    evidence: Evidence,
    states: tuple[State, State],
    terms: tuple[dict[str, float], dict[str, float]],
) -> tuple[Tuning, str]:
    """Take the better state, where it is clearly better."""
    from diorama.advisor.vanishing import fov_of
    from diorama.optimize import geometry

    before, after = states
    start = unchanged(scene)
    values = geometry.total(terms[0]), geometry.total(terms[1])
    moved = values[0] - values[1] >= CLEAR
    if not moved:
        after, terms, values = before, (terms[0], terms[0]), (values[0], values[0])
    shift = float(evidence.shift(np.array([after.reach]))[0]) if after.reach != before.reach else 0.0
    tuning = start.model_copy(
        update={
            "fov": float(np.clip(fov_of(after.focal), 5, 150)) if after.focal != before.focal else start.fov,
            "gain": 1 / (1 + shift),
            "offset": small.near * shift / (1 + shift),
            "objective_before": values[0],
            "objective_after": values[1],
            "terms": {name: (terms[0][name], terms[1][name]) for name in geometry.TERMS},
        }
    )
    tuning = tuning.model_copy(update={"metres_per_unit": _metres(scene, small, advice, evidence, after)})
    if not moved:
        return tuning, "Planes and edges fit no other field of view or depth strength clearly better."
    changes = []
    if after.focal != before.focal:
        changes.append(f"field of view {start.fov:.0f}° → {tuning.fov:.0f}°")
    if after.reach != before.reach:
        changes.append(f"far end {before.reach:.1f} → {after.reach:.1f} × as far as the near one")
    angles = geometry.off_square(evidence, before), geometry.off_square(evidence, after)
    why = "so that planes and edges meet at right angles"
    if angles[0] is not None and angles[1] is not None and angles[1] < angles[0]:
        why += f" (planes were {angles[0]:.0f}° off and are {angles[1]:.0f}°)"
    sentence = f"{', '.join(changes)}, {why}."
    return tuning, sentence[0].upper() + sentence[1:]


def _evidence(
    scene: Scene, small: Preview, advice: SceneAdvice, plan: ReconstructionAdvice, free: tuple[bool, bool]
) -> Evidence:
    from diorama.advisor import vanishing
    from diorama.optimize import geometry, planes

    found = planes.find_planes(small)
    edges = vanishing.find_edges(scene.photo.rgb, scene.photo.camera)
    far = float(np.clip(np.percentile(small.inverse[small.usable], 1), 1e-3, 0.995))
    own = float(vanishing.focal_of(np.array([scene.points.camera.fov_x]))[0])
    focal, reach = [geometry.Prior(own, LENS_DEVIATION)], [geometry.Prior(1 / far, REACH_DEVIATION)]
    # What the local advisor says of the lens it has from the same edges.
    if free[0] and advice.fov is not None and advice.fov.source != "local":
        advised = float(vanishing.focal_of(np.array([advice.fov.value]))[0])
        focal.append(geometry.Prior(advised, 0.1 + 0.4 * (1 - advice.fov.confidence)))
    if free[1] and plan.depth_range is not None:
        advised = reach_of(plan.depth_range.value, scene.settings.depth_range, far * small.near, small.near)
        deviation = 0.3 + 0.7 * (1 - plan.depth_range.confidence)
        reach.append(geometry.Prior(float(np.clip(advised, *geometry.RANGES)), deviation))
    roll: Prior | None = None
    if advice.roll is not None and advice.roll.source != "local":
        roll = geometry.Prior(advice.roll.value, 1.5 + 7 * (1 - advice.roll.confidence))
    kinds = {item.id: item.kind for item in scene.segments.items} if scene.segments else {}
    ground = np.isin(small.labels, [id for id, kind in kinds.items() if kind == "ground"])
    level = np.array([float(ground[plane.cells].mean()) > 0.6 for plane in found], bool)
    allowed = np.stack([np.ones(len(found), bool), ~level], axis=1)
    things = _things(advice, small)
    return geometry.Evidence(edges, found, allowed, far, tuple(focal), tuple(reach), roll, things)


def reach_of(depth_range: float, own: float, far: float, near: float) -> float:
    """Far over near distance that another depth strength would give, of inverse depths under the strength `own`."""
    relative = (np.array([near, far]) - 1 / own) / (1 - 1 / own)
    new = 1 / depth_range + np.maximum(relative, 0) * (1 - 1 / depth_range)
    return float(new[0] / new[1])


def _things(advice: SceneAdvice, small: Preview) -> tuple[Thing, ...]:
    """Segments that are said to be round or boxy."""
    from diorama.optimize import geometry

    found = []
    for item in advice.segments:
        if item.shape is None or item.shape.value not in ("round", "boxy"):
            continue
        cells = (small.labels == item.id) & small.usable
        if cells.mean() < 0.005:
            continue
        left, right = np.percentile(small.x[cells], (3, 97))
        far, near = np.percentile(small.inverse[cells], (5, 95))
        deviation = 0.5 + 0.7 * (1 - item.shape.confidence)
        found.append(geometry.Thing(float(right - left), float(near), float(far), deviation))
    return tuple(found[:6])


def _metres(scene: Scene, small: Preview, advice: SceneAdvice, evidence: Evidence, state: State) -> float | None:
    """Metres in a scene unit, where the subject's distance is advised or the camera's height over a ground is known."""
    if scene.depth.scale == "metric":
        return None
    shift = float(evidence.shift(np.array([state.reach]))[0])
    inverse = small.near * (small.inverse + shift) / (1 + shift)
    kinds = {item.id: item.kind for item in scene.segments.items} if scene.segments else {}
    distance = advice.subject_distance
    if distance is not None and distance.confidence >= 0.4:
        subject = small.usable & np.isin(small.labels, [id for id, kind in kinds.items() if kind == "subject"])
        subject = subject if subject.any() else small.usable & (small.inverse > 0.7)
        if subject.any():
            return float(distance.value * np.median(inverse[subject]))
    for plane, allowed in zip(evidence.planes, evidence.allowed, strict=True):
        if allowed[1] or plane.area < 0.08:
            continue
        # The segments say ground: the camera is 1 / |n| above it.
        normal = plane.theta + np.array([0, 0, shift])
        normal = normal * [state.focal, state.focal, 1] * small.near / (1 + shift)
        length = float(np.linalg.norm(normal))
        if normal[1] > 0.5 * length and math.isfinite(length):
            return EYE_HEIGHT * length
    return None


def _listed(fixed: dict[str, str], names: tuple[str, ...]) -> str:
    return ", ".join(f"{TITLES[name]} ({fixed[name]})" for name in names if name in fixed)
