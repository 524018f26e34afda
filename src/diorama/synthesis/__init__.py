"""Fuse layers, segments and advice into the final scene.

    planes   ground and walls become flat where they nearly are, seen and imagined parts alike
    joins    segments that go on in each other are welded along their common border
    backs    objects that stand free get closed, rounded backs, so that they hold up from the side
    normals  evened out across the borders of pieces that touch
    solid    instead of all that, one watertight body for printing

Every vertex moves along its own ray through the photo's camera, so the photo's own view stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from diorama.advice import (
    FusionAdvice,
    Outcome,
    ReconstructionAdvice,
    SceneAdvice,
    Suggestion,
    fusion_key,
    keys_of,
    suggestions,
)
from diorama.cuts import near_inverse_depth
from diorama.segments import flat_kinds
from diorama.settings import Settings
from diorama.synthesis.backs import close_back
from diorama.synthesis.pieces import Pieces
from diorama.synthesis.planes import flatten
from diorama.synthesis.solid import solid
from diorama.types import Final, Layered, PointCloud, Rebuilt, Scene, Segments

LEAST_MOVE = 0.005
"""Pixels of parallax by which a plane must bring surfaces nearer to itself to be worth a word."""


def fuse(
    rebuilt: Rebuilt,
    scene: Scene,
    advice: SceneAdvice,
    plan: ReconstructionAdvice,
    outcomes: tuple[Outcome, ...],
) -> tuple[Final, tuple[str, ...]]:
    """Make the final scene.

    Args:
        rebuilt: points, cuts and layers at the tuned parameters, with the final texture.
        scene: of the step "enhanced": its segments and settings.
        advice, plan: what is followed: less what was declined.
        outcomes: of the stages before.

    Returns:
        The scene's layers and an outcome for every suggestion that is this stage's business; warnings.
    """
    assert scene.segments is not None
    settings, segments, points = scene.settings, scene.segments, rebuilt.points
    said = [*outcomes, *_followed_names(advice, segments)]
    if settings.solid:
        mesh, warnings = solid(rebuilt.layered, points, settings.triangles, scene.depth.sky)
        said += [_not(item, "A solid has no separate layers to fuse.") for item in plan.fusion]
        return Final(Layered(rebuilt.layered.atlas, (mesh,), rebuilt.layered.imagined), tuple(said)), warnings
    # Pixels of parallax at the allowed travel, the unit of everything here.
    travel = settings.camera_travel / 100 * points.camera.diagonal
    jump = settings.cut_threshold / 100 * travel
    pieces = Pieces(rebuilt.layered.meshes, points.camera, travel / near_inverse_depth(points), jump)
    planes = [item for item in plan.fusion if item.action == "plane"]
    flat = {segment: item for item in planes for segment in item.segments}
    measured = scene.depth.measured
    for segment in _flat_by_kind(segments, settings, flat_kinds(measured), flat.keys()):
        flatten(pieces, points, segments, segment, 1.0, seen=not measured)
    doing: dict[str, Callable[[FusionAdvice], Outcome]] = {
        # The local advisor knows nothing of what is seen that depth in metres doesn't know better.
        "plane": lambda item: _plane(item, pieces, points, segments, seen=not measured or item.source != "local"),
        "join": lambda item: _join(item, pieces, segments),
        "close-back": lambda item: close_back(item, pieces, segments, points, rebuilt.cuts),
        "backdrop": lambda item: _backdrop(item, pieces, segments),
    }
    # Backs come last: they are made of surfaces that have found their place.
    for action in ("backdrop", "plane", "join", "close-back"):
        for item in plan.fusion:
            if item.action == action:
                fits = all(any(found.id == s for found in segments.items) for s in item.segments)
                said.append(doing[action](item) if fits else _not(item, "There is no such segment any more."))
    return Final(replace(rebuilt.layered, meshes=pieces.finished()), tuple(said)), ()


def _flat_by_kind(segments: Segments, settings: Settings, kinds: tuple[str, ...], advised: Any) -> list[int]:
    """Segments that are flattened because of what they are, and that nobody advised on or declined."""
    declined = keys_of(settings.declined_plan)
    return [
        item.id
        for item in segments.items
        if item.kind in kinds and item.id not in advised and f"fusion.plane.{item.id}" not in declined
    ]


def _plane(item: FusionAdvice, pieces: Pieces, points: PointCloud, segments: Segments, *, seen: bool) -> Outcome:
    results = [flatten(pieces, points, segments, segment, item.amount, seen=seen) for segment in item.segments]
    best = max(results, key=lambda result: result.share)
    if not any(result.flattened for result in results):
        return _not(item, f"It is not flat: {best.share:.0%} of it lies on a plane.")
    if not seen and best.before - best.after < LEAST_MOVE:
        return _not(item, "Its depth was measured in metres, and what is hidden of it lies on its plane already.")
    moved = "moved onto a plane where it nearly was one" if seen else "where it is hidden it goes on as a plane"
    stays = "" if seen else "; what is seen stays as it was measured"
    return Outcome(
        key=fusion_key(item),
        applied=True,
        sentence=f"{_names(item, segments)}: {moved} ({best.share:.0%} of it{' lies on it' if stays else ''}){stays}.",
        before=f"{best.before:.2f} px off",
        after=f"{best.after:.2f} px off",
    )


def _join(item: FusionAdvice, pieces: Pieces, segments: Segments) -> Outcome:
    welded, gap = pieces.weld(item.segments)
    if not welded:
        return _not(item, "They touch nowhere at a similar depth.")
    return Outcome(
        key=fusion_key(item),
        applied=True,
        sentence=f"{_names(item, segments)}: welded along their common border, {welded} vertices.",
        before=f"{gap:.1f} px apart",
        after="0 px apart",
    )


def _backdrop(item: FusionAdvice, pieces: Pieces, segments: Segments) -> Outcome:
    moved, farthest = pieces.push_back(item.segments)
    if not moved:
        return _not(item, "Nothing of it is seen.")
    return Outcome(
        key=fusion_key(item),
        applied=True,
        sentence=f"{_names(item, segments)}: one even backdrop behind everything else.",
        after=f"{farthest:.2f} units away",
    )


def _followed_names(advice: SceneAdvice, segments: Segments) -> list[Outcome]:
    """What became of the advice on segments, which step 3 has followed already."""
    there = {item.id: item for item in segments.items}
    outcomes = []
    for line in suggestions(advice):
        if line.topic == "segments":
            outcomes.append(_segment_outcome(line, there))
        elif line.what == "caption":
            outcomes.append(Outcome(key=line.key, applied=True, sentence="Kept as the scene's description."))
    return outcomes


def _segment_outcome(line: Suggestion, there: dict[int, Any]) -> Outcome:
    found = there.get(line.segments[0])
    if line.what == "merge":
        gone = not set(line.segments[1:]) & there.keys()
        sentence = "They are one segment now." if gone else "They are no longer both there, or were split again."
        return Outcome(key=line.key, applied=gone, sentence=sentence)
    if found is None:
        return Outcome(key=line.key, applied=False, sentence="The segment was merged into another one.")
    if line.what in ("name", "kind"):
        now = getattr(found, line.what)
        same = now == line.value
        sentence = f"It is called {now}." if line.what == "name" else f"It counts as {now}."
        return Outcome(key=line.key, applied=same, sentence=sentence, after=str(now))
    sentence = {
        "shape": "Taken into account where its back is closed.",
        "material": "Named in the file.",
        "roughness": "Used where materials are lit.",
        "metallic": "Used where materials are lit.",
        "behind": "Given to inpainters that take a prompt.",
    }[line.what]
    return Outcome(key=line.key, applied=True, sentence=sentence, after=str(line.value))


def _names(item: FusionAdvice, segments: Segments) -> str:
    return " and ".join(segments[segment].name for segment in item.segments)


def _not(item: FusionAdvice, why: str) -> Outcome:
    return Outcome(key=fusion_key(item), applied=False, sentence=why)
