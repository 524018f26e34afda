"""What became of the advice on parameters: before, after and why."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from diorama.advice import TITLES, Advised, Outcome, ReconstructionAdvice, SceneAdvice, Tuning
from diorama.types import Scene

NEAR = 0.03
"""Relative difference up to which a value counts as the advised one."""

_UNITS = {"cut_threshold": " %", "smoothing": "", "camera_travel": " %"}
_WHY_NOT = {
    "cut_threshold": "At the advised threshold cuts would follow the photo's edges no better.",
    "smoothing": "The surfaces are smooth enough, or smoothing would cost them their shape.",
    "camera_travel": "It is so near the advised value that new layers would show no difference.",
}


def outcomes(scene: Scene, advice: SceneAdvice, plan: ReconstructionAdvice, tuning: Tuning) -> tuple[Outcome, ...]:
    """One for each suggestion on field of view, distance, roll and parameters, in the advice's order.

    Args:
        scene: of step "enhanced", before the tuning.
        advice, plan: less what was declined.
        tuning: what `optimize` chose.
    """
    return tuple(_all(scene, advice, plan, tuning))


def _all(scene: Scene, advice: SceneAdvice, plan: ReconstructionAdvice, tuning: Tuning) -> Iterator[Outcome]:
    fixed = dict(entry.split(": ", 1) for entry in tuning.locked if ": " in entry)
    off = scene.settings.optimize == "off"
    if advice.fov is not None:
        yield _lens(advice.fov, scene.points.camera.fov_x, tuning.fov, fixed.get("fov"), off)
    if advice.subject_distance is not None:
        yield _distance(advice.subject_distance, scene, tuning)
    if advice.roll is not None:
        yield _roll(advice.roll, off)
    if plan.depth_range is not None:
        yield _strength(plan.depth_range, scene, tuning, fixed.get("depth_range"), off)
    for name in ("cut_threshold", "smoothing", "camera_travel"):
        item: Advised[float] | None = getattr(plan, name)
        if item is not None:
            own, new = float(getattr(scene.settings, name)), float(getattr(tuning, name))
            yield _setting(name, item.value, own, new, fixed.get(name), off)
    if plan.second_look is not None:
        yield _looked(scene, tuning.second_look, fixed.get("second_look"), off)


def _lens(advised: Advised[float], own: float, new: float, fixed: str | None, off: bool) -> Outcome:
    before, after = f"{own:.1f}°", f"{new:.1f}°"
    applied = _moved_towards(own, new, advised.value)
    if fixed is not None:
        sentence = f"The field of view stays at {own:.0f}°: {fixed}."
    elif off:
        sentence = _OFF
    elif applied:
        sentence = f"The field of view went from {own:.0f}° to {new:.0f}°, where {advised.value:.0f}° were advised."
    elif abs(math.log(own / advised.value)) <= NEAR:
        sentence = f"The field of view was {own:.0f}° already."
    elif new != own:
        sentence = f"Planes and edges of the scene say {new:.0f}° rather than {advised.value:.0f}°."
    else:
        sentence = f"Nothing in the scene says that {advised.value:.0f}° fits it clearly better than {own:.0f}°."
    return Outcome(key="fov", applied=applied, sentence=sentence, before=before, after=after)


def _distance(advised: Advised[float], scene: Scene, tuning: Tuning) -> Outcome:
    key, value = "subject-distance", f"{advised.value:g} m"
    if scene.depth.scale == "metric":
        return Outcome(key=key, applied=False, sentence="The depth is metric, so distances are measured ones.")
    if tuning.metres_per_unit is None:
        return Outcome(key=key, applied=False, sentence=f"The scene keeps its own unit: {value} is too unsure.")
    metres = tuning.metres_per_unit
    sentence = f"The subject is taken to be {value} away: one unit of the scene is about {metres:.2g} m."
    return Outcome(key=key, applied=True, sentence=sentence, before="unknown", after=f"{metres:.2g} m a unit")


def _roll(advised: Advised[float], off: bool) -> Outcome:
    # The camera frame is the photo's: turning it would turn the photo. The search has it as a start for the vertical.
    if off:
        return Outcome(key="roll", applied=False, sentence=_OFF)
    way = "clockwise" if advised.value > 0 else "anticlockwise"
    sentence = f"The scene stays as the photo shows it; the camera was held {abs(advised.value):.1f}° {way}."
    return Outcome(key="roll", applied=False, sentence=sentence)


def _strength(advised: Advised[float], scene: Scene, tuning: Tuning, fixed: str | None, off: bool) -> Outcome:
    own, new = reaches(scene, tuning)
    before, after = (f"{value:.2g} × nearest" for value in (own, new))
    wanted = scene.settings.depth_range
    applied = new != own and (new > own) == (advised.value > wanted) and advised.value != wanted
    if fixed is not None:
        sentence = f"The depth strength stays: {fixed}."
    elif off:
        sentence = _OFF
    elif applied:
        sentence = f"What is far stands {new:.2g} times as far away as what is near; it was {own:.2g} times."
    elif new != own:
        sentence = f"Planes and edges of the scene say otherwise: far is {new:.2g} times as far as near."
    else:
        sentence = f"Nothing in the scene says that a depth strength of {advised.value:g} fits it clearly better."
    return Outcome(key="depth-range", applied=applied, sentence=sentence, before=before, after=after)


def reaches(scene: Scene, tuning: Tuning) -> tuple[float, float]:
    """How many times as far as what is near (98th percentile of inverse depth) what is far stands (1st percentile of
    all but the sky), before the tuning and after it."""
    inverse = scene.points.inverse_depth
    if scene.depth.sky is not None and not scene.depth.sky.all():
        inverse = inverse[~scene.depth.sky]
    far, near = (float(value) for value in np.percentile(inverse, (1, 98)))
    new_far, new_near = (max(tuning.gain * value + tuning.offset, 1e-9) for value in (far, near))
    return near / far, new_near / new_far


def _setting(name: str, advised: float, own: float, new: float, fixed: str | None, off: bool) -> Outcome:
    unit, title = _UNITS[name], TITLES[name]
    applied = new != own and _moved_towards(own + 1e-9, new + 1e-9, advised + 1e-9)
    if fixed is not None:
        sentence = f"The {title} stays at {own:g}{unit}: {fixed}."
    elif off:
        sentence = _OFF
    elif applied:
        sentence = f"The {title} went from {own:g}{unit} to {new:g}{unit}, where {advised:g}{unit} were advised."
    elif abs(advised - own) <= NEAR * max(abs(own), 1e-9):
        sentence = f"The {title} was {own:g}{unit} already."
    elif new != own:
        sentence = f"The photo's edges say {new:g}{unit} rather than {advised:g}{unit}."
    else:
        sentence = _WHY_NOT[name]
    return Outcome(
        key=name.replace("_", "-"), applied=applied, sentence=sentence, before=f"{own:g}{unit}", after=f"{new:g}{unit}"
    )


def no_second_look(scene: Scene) -> str:
    """Why a second look can't say more of the scene's depth; empty where it can."""
    if scene.depth.model != "bundled":
        return "only the bundled network takes one, and the depth isn't its own"
    return "you corrected the depth" if scene.corrections else ""


def _looked(scene: Scene, new: float, fixed: str | None, off: bool) -> Outcome:
    own, none = scene.settings.second_look, no_second_look(scene)
    if none:
        sentence = f"Surfaces stay as they are: {none}."
    elif fixed is not None:
        sentence = f"They follow it by {new:.0%}: {fixed}."
    elif off:
        sentence = _OFF
    else:
        sentence = (
            "The photo was looked at once more, tilted and in grey, and all surfaces moved towards what was seen."
        )
    applied = new != own and not none
    return Outcome(key="second-look", applied=applied, sentence=sentence, before=f"{own:.0%}", after=f"{new:.0%}")


def _moved_towards(own: float, new: float, advised: float) -> bool:
    """Whether the new value is clearly nearer to the advised one than the old."""
    if new == own:
        return False
    return abs(math.log(new / advised)) < max(0.7 * abs(math.log(own / advised)), NEAR)


_OFF = "The parameters stay as they were: the optimiser is switched off."
