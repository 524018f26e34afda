"""Where the camera stands for each frame of a film."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from diorama.errors import SettingsError
from diorama.film import focus
from diorama.film.easing import EASINGS, there_and_back
from diorama.film.paths import PATHS
from diorama.film.poses import Framing, Pose, depths, subject_depth
from diorama.film.record import Film
from diorama.types import Scene

MOST_CROP = 1.3
"""How far a picture is enlarged so that a path sees nothing beyond the photo's frame; then the path is shortened."""

LONG_SIDE = 1920
ANIMATION_SIDE = 640
"""Default long sides of films and of GIF and WebP, which are large and slow."""

ENLARGED = 2.0
"""A film is by default at most so many times as large as the photo."""


@dataclass(frozen=True)
class Shots:
    """What a film of a scene will be, before it is drawn."""

    framing: Framing
    poses: tuple[Pose, ...]
    crop: float  # how far the picture is enlarged
    used: float  # the largest share of the allowed travel that is taken up
    aperture: float  # diameter in scene units; 0: everything is sharp
    warnings: tuple[str, ...]


Spread = Callable[[Pose], Sequence[Pose]]
"""From a pose to those of the eyes beside it."""


def plan(scene: Scene, film: Film, *, long_side: int = LONG_SIDE, eyes: Spread = lambda pose: (pose,)) -> Shots:
    """Place the camera for every frame.

    Args:
        long_side: pixels at most, where the film says no size.
        eyes: whatever sees each frame has to stay within what the scene allows.

    Paths are made as wide as `amplitude` says, and the picture is enlarged until none of them sees beyond the photo's
    frame: within the allowed travel no pixel is uncovered.
    """
    framing = Framing.of(scene, *(film.size or default_size(scene, long_side)))
    subject = subject_depth(scene)
    warnings: list[str] = []
    if film.keys is not None:
        times = [k / film.fps for k in range(film.frames)]
        start = _place(film.focus, scene, subject) if film.focus is not None else None
        poses, crop = film.keys.poses(times, framing.reach, start), 1.0
    else:
        poses, crop = _built_in(framing, film, subject, eyes)
    if film.focus_end is not None or (film.focus is not None and film.keys is None):
        poses = _focused(poses, film, scene, subject)
    seen = [eye for pose in poses for eye in eyes(pose)]
    used = framing.used(seen, crop)
    warnings += _unseen(scene, framing, seen, crop, used)
    aperture = _aperture(scene, film, framing, subject) if any(pose.focus is not None for pose in poses) else 0.0
    return Shots(framing, tuple(poses), crop, used, aperture, tuple(warnings))


def _ways(film: Film) -> list[float]:
    """Each frame's share of the path."""
    path, count = PATHS[film.path], film.frames
    ease = EASINGS[film.easing or ("linear" if path.closed else "sine")]
    if not film.loop:
        return [ease(k / max(count - 1, 1)) for k in range(count)]
    turns = (k / count for k in range(count))
    return [ease(turn if path.closed else there_and_back(turn)) for turn in turns]


def _built_in(framing: Framing, film: Film, subject: float, eyes: Spread) -> tuple[list[Pose], float]:
    """The path's poses, as wide as wanted, and the enlargement that they need."""
    ways, move = _ways(film), PATHS[film.path].move

    def at(travel: float) -> tuple[list[Pose], list[Pose], float]:
        poses = [move(way, travel, subject) for way in ways]
        seen = [eye for pose in poses for eye in eyes(pose)]
        return poses, seen, framing.crop_for(seen, MOST_CROP)

    def fits(travel: float) -> bool:
        _, seen, crop = at(travel)
        return framing.used(seen, crop) <= film.amplitude and framing.outside(seen, crop) <= 0

    # The camera never comes nearer to the subject than half way.
    low, high = 0.0, min(4 * max(film.amplitude, 1e-3) * framing.reach, subject / 2)
    if not fits(high):
        for _ in range(14):
            middle = (low + high) / 2
            low, high = (middle, high) if fits(middle) else (low, middle)
    else:
        low = high
    poses, _, crop = at(low)
    return poses, crop


def _focused(poses: list[Pose], film: Film, scene: Scene, subject: float) -> list[Pose]:
    """The poses with the focus pulled as wanted, evenly in dioptres."""
    start = 1 / _place(film.focus or "subject", scene, subject)
    end = start if film.focus_end is None else 1 / _place(film.focus_end, scene, subject)
    ease = EASINGS[film.easing or "sine"]
    count = len(poses)
    shares = [
        ease(there_and_back(k / count)) if film.loop and film.keys is None else ease(k / max(count - 1, 1))
        for k in range(count)
    ]
    # Depths are those seen from the photo's camera; one that has come nearer focuses nearer.
    return [
        replace(pose, focus=max(1 / (start + (end - start) * share) - pose.position[2], 1e-3))
        for pose, share in zip(poses, shares, strict=True)
    ]


def _place(place: float | str, scene: Scene, subject: float) -> float:
    if isinstance(place, str):
        near, far = depths(scene)
        return {"subject": subject, "near": near, "far": far}[place]
    return place


def _aperture(scene: Scene, film: Film, framing: Framing, subject: float) -> float:
    if film.f_number is None:
        return focus.aperture_of(film.blur, subject, framing.camera)
    if scene.units != "metric":
        raise SettingsError(
            "This scene has no unit, so an f-number has no meaning in it.",
            hint="Use --blur, or a depth model or file in metres.",
        )
    focal = film.focal_mm or 36 * scene.camera.fx / scene.camera.width
    return focal / 1000 / film.f_number


def _unseen(scene: Scene, framing: Framing, poses: list[Pose], crop: float, used: float) -> Iterator[str]:
    """Why something may be uncovered."""
    if scene.step == "original":
        yield "The original scene has no hidden parts: gaps open where the camera moves. The enhanced one has them."
        return
    if used > 1 + 1e-6:
        yield (
            f"The camera goes to {used:.0%} of the allowed travel: beyond 100 % gaps may open. "
            "Make the scene with a larger camera travel, or the path shorter."
        )
    outside = framing.outside(poses, crop)
    if outside > 0:
        yield f"The camera looks beyond the photo's frame, by up to {outside:.0%} of its width: gaps may show there."


def default_size(scene: Scene, long_side: int) -> tuple[int, int]:
    """The photo's shape, even, and not much larger than the photo."""
    photo = scene.camera
    longest = max(photo.width, photo.height)
    scale = min(long_side / longest, ENLARGED)
    width, height = (max(16, 2 * round(side * scale / 2)) for side in (photo.width, photo.height))
    return width, height
