"""The advisor that needs no network: everything it says is measured in the picture and the depth.

What can't be measured so (a name, a material, what is behind a thing) it leaves open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from diorama.advice import Advised, ReconstructionAdvice, SceneAdvice, SegmentAdvice
from diorama.advisor import parameters, picture, shapes
from diorama.advisor.questions import ReconstructionQuestion, SceneQuestion
from diorama.advisor.surfaces import Surfaces
from diorama.types import Photo

if TYPE_CHECKING:
    from diorama.advisor.vanishing import Vanishing

SURE_FOV, SURE_ROLL = 0.3, 0.6
"""Confidence from which vanishing points say something: at these nine of ten are right (benchmarks/advice.py)."""

LEVEL = 0.5
"""Degrees of roll that nobody sees."""

MOST_ROLL = 45.0
"""Degrees: beyond, the photo would stand on its side."""

METRES = (0.05, 2000.0)
"""Distances that a subject can have."""


def scene(question: SceneQuestion) -> SceneAdvice:
    """Answer the scene question: field of view, roll, distance and shapes, as far as they show."""
    surfaces = Surfaces(question.points, question.segments)
    segments = []
    for item in question.segments.items:
        found = shapes.shape(item, surfaces)
        if found is not None:
            segments.append(SegmentAdvice(id=item.id, shape=found))
    fov, roll = from_edges(question.photo)
    return SceneAdvice(
        adviser="local", fov=fov, roll=roll, subject_distance=_distance(question), segments=tuple(segments)
    )


def reconstruction(question: ReconstructionQuestion) -> ReconstructionAdvice:
    """Answer the reconstruction question."""
    scene = question.scene
    assert scene.segments is not None
    surfaces = Surfaces(scene.points, scene.segments)
    known = {item.id: item.shape.value for item in question.advice.segments if item.shape}
    return ReconstructionAdvice(
        adviser="local",
        depth_range=parameters.depth_range(scene, surfaces),
        cut_threshold=parameters.cut_threshold(scene),
        smoothing=parameters.smoothing(scene),
        camera_travel=parameters.camera_travel(scene),
        second_look=parameters.second_look(scene),
        texture=picture.texture(scene.photo, scene.imagined, scene.settings.texture_size),
        fusion=shapes.fusion(surfaces, known, measured=scene.depth.measured),
    )


def from_edges(photo: Photo) -> tuple[Advised[float] | None, Advised[float] | None]:
    """Field of view and roll from straight edges, each where it shows; the field of view only where it isn't known."""
    found = _found(photo)
    fov = roll = None
    edges = f"{sum(found.support)} straight edges in {len(found.support)} directions"
    if found.fov is not None and found.fov_confidence >= SURE_FOV and photo.camera.source == "assumed":
        fov = Advised[float](
            value=parameters.within("fov", round(found.fov, 2)),
            reason=f"{edges} meet at right angles under a field of view of {found.fov:.0f}°.",
            source="local",
            confidence=round(found.fov_confidence, 3),
        )
    if found.roll is not None and found.roll_confidence >= SURE_ROLL and LEVEL <= abs(found.roll) <= MOST_ROLL:
        turned = "clockwise" if found.roll > 0 else "anticlockwise"
        roll = Advised[float](
            value=round(found.roll, 2),
            reason=f"{edges} are upright or level if the camera was turned {abs(found.roll):.1f}° {turned}.",
            source="local",
            confidence=round(found.roll_confidence, 3),
        )
    return fov, roll


def is_level(photo: Photo) -> bool:
    """Whether straight edges show that the camera was held level."""
    found = _found(photo)
    return found.roll is not None and found.roll_confidence >= SURE_ROLL and abs(found.roll) < LEVEL


def _found(photo: Photo) -> Vanishing:
    from diorama.advisor import vanishing

    return vanishing.find(photo.rgb, photo.camera)


def _distance(question: SceneQuestion) -> Advised[float] | None:
    """Metres to the subject, where depth is metric: then it is a measurement."""
    import numpy as np

    if question.depth.scale != "metric":
        return None
    subjects = [item for item in question.segments.items if item.kind == "subject"] or list(question.segments.items)
    if not subjects:
        return None
    item = max(subjects, key=lambda s: s.area)
    metres = float(np.median(question.points.z[question.segments.labels == item.id]))
    if not METRES[0] <= metres <= METRES[1]:
        return None
    reason = f"The depth is metric, and the median of segment {item.id} is {metres:.2f} away."
    return Advised[float](value=round(metres, 3), reason=reason, source="local", confidence=0.9)
