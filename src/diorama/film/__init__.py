"""Films of a scene: a camera path, drawn frame by frame and encoded.

from diorama.film import Film, make_film

make_film(scene, "film.mp4", Film(path="orbit", seconds=5, size=(1920, 1080)))
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from diorama.errors import FormatError, SettingsError
from diorama.film import animations, ffmpeg, focus
from diorama.film.easing import EASINGS, there_and_back
from diorama.film.keyframes import Keyframes
from diorama.film.paths import PATHS
from diorama.film.poses import Framing, Pose, depths, subject_depth
from diorama.render import Renderer
from diorama.types import Progress, Scene, UInt8

__all__ = ["EASINGS", "FILMS", "PATHS", "Film", "Made", "Shots", "make_film", "plan", "poster"]

FILMS = {".mp4": "MP4 (H.264)", ".webm": "WebM (VP9)", ".webp": "animated WebP", ".gif": "animated GIF"}
"""What a film can be written as, by ending."""

MOST_CROP = 1.3
"""How far a picture is enlarged so that a path sees nothing beyond the photo's frame; then the path is shortened."""

MOST_PIXELS = 3840 * 2160
MOST_FRAMES = 3600

LONG_SIDE = 1920
ANIMATION_SIDE = 640
"""Default long sides of films and of GIF and WebP, which are large and slow."""

ENLARGED = 2.0
"""A film is by default at most so many times as large as the photo."""

Vectors = tuple[float, float, float]
NUMBERS = {
    "seconds": (0.1, 120.0),
    "fps": (1.0, 120.0),
    "amplitude": (0.0, 5.0),
    "blur": (0.0, 10.0),
    "f_number": (0.5, 64.0),
    "quality": (1, 100),
}
"""The range of each number of a film."""


@dataclass(frozen=True)
class Film:
    """What a film is to be. Numbers are checked when it is made.

    Raises:
        SettingsError: a value is unknown or outside its range.
    """

    path: str = "orbit"  # of PATHS
    seconds: float = 5.0
    fps: float = 30.0
    size: tuple[int, int] | None = None  # (width, height), even; None: the photo's shape, 1920 px on its long side
    amplitude: float = 0.7  # share of the allowed travel; more than 1 may show what nobody imagined
    easing: str | None = None  # of EASINGS; None: even on closed paths, else a pendulum's
    loop: bool = True  # the last frame goes over into the first
    keys: Keyframes | None = None  # a path of one's own; `path`, `amplitude` and `loop` say nothing then
    focus: float | str | None = None  # z in scene units, "subject", "near" or "far"; None: everything is sharp
    focus_end: float | str | None = None  # the focus is pulled to there
    blur: float = 1.5  # % of the picture's width: the disc of a point infinitely far while the subject is in focus
    f_number: float | None = None  # instead of `blur`, for scenes in metres
    focal_mm: float | None = None  # with it; None: that of a 36 mm wide sensor with the photo's field of view
    quality: int = 75  # 1 to 100
    background: tuple[int, int, int] = (0, 0, 0)  # sRGB, where there is nothing

    def __post_init__(self) -> None:
        if self.path not in PATHS:
            raise SettingsError(f"There is no camera path '{self.path}'.", hint=f"The paths are: {', '.join(PATHS)}.")
        if self.easing is not None and self.easing not in EASINGS:
            raise SettingsError(f"There is no easing '{self.easing}'.", hint=f"Give one of: {', '.join(EASINGS)}.")
        for name, (low, high) in NUMBERS.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise SettingsError(
                    f"A film's {name.replace('_', '-')} can't be {value:g}.", hint=f"Give {low:g} to {high:g}."
                )
        if self.focal_mm is not None and not 1 <= self.focal_mm <= 2000:
            raise SettingsError(f"A lens of {self.focal_mm:g} mm can't be used.", hint="Give 1 to 2000 mm.")
        for place in (self.focus, self.focus_end):
            wrong = place not in _PLACES if isinstance(place, str) else place is not None and not place > 0
            if wrong:
                raise SettingsError(
                    f"Nothing can be in focus at '{place}'.",
                    hint=f"Give a distance in scene units, or one of: {', '.join(_PLACES)}.",
                )
        if self.size is not None:
            check_size(*self.size)
        if self.frames > MOST_FRAMES:
            raise SettingsError(
                f"A film of {self.frames} frames is too long.", hint=f"Make it at most {MOST_FRAMES} frames."
            )

    @property
    def duration(self) -> float:
        """Seconds: of the keyframes, where there are some."""
        return self.keys.seconds if self.keys is not None and self.keys.seconds > 0 else self.seconds

    @property
    def frames(self) -> int:
        return max(1, round(self.duration * self.fps))


_PLACES = ("subject", "near", "far")


def check_size(width: int, height: int) -> None:
    """
    Raises:
        SettingsError: it is no size of a film.
    """
    if width % 2 or height % 2 or min(width, height) < 16 or width * height > MOST_PIXELS:
        raise SettingsError(
            f"A film can't be {width}x{height}.", hint="Give even numbers, from 16 up to 3840x2160 pixels in all."
        )


@dataclass(frozen=True)
class Shots:
    """What a film of a scene will be, before it is drawn."""

    framing: Framing
    poses: tuple[Pose, ...]
    crop: float  # how far the picture is enlarged
    used: float  # the largest share of the allowed travel that is taken up
    aperture: float  # diameter in scene units; 0: everything is sharp
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Made:
    """What came of it."""

    width: int
    height: int
    frames: int
    fps: float
    used: float  # the largest share of the allowed travel that was taken up
    crop: float
    warnings: tuple[str, ...]


def plan(scene: Scene, film: Film, *, ending: str = ".mp4") -> Shots:
    """Place the camera for every frame.

    Paths are made as wide as `amplitude` says, and the picture is enlarged until none of them sees beyond the photo's
    frame: within the allowed travel no pixel is uncovered.
    """
    framing = Framing.of(scene, *(film.size or default_size(scene, ending)))
    subject = subject_depth(scene)
    warnings: list[str] = []
    if film.keys is not None:
        times = [k / film.fps for k in range(film.frames)]
        start = _place(film.focus, scene, subject) if film.focus is not None else None
        poses, crop = film.keys.poses(times, framing.reach, start), 1.0
    else:
        poses, crop = _built_in(framing, film, subject)
    if film.focus_end is not None or (film.focus is not None and film.keys is None):
        poses = _focused(poses, film, scene, subject)
    used = framing.used(poses, crop)
    warnings += _unseen(scene, framing, poses, crop, used)
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


def _built_in(framing: Framing, film: Film, subject: float) -> tuple[list[Pose], float]:
    """The path's poses, as wide as wanted, and the enlargement that they need."""
    ways, move = _ways(film), PATHS[film.path].move

    def at(travel: float) -> tuple[list[Pose], float]:
        poses = [move(way, travel, subject) for way in ways]
        return poses, framing.crop_for(poses, MOST_CROP)

    def fits(travel: float) -> bool:
        poses, crop = at(travel)
        return framing.used(poses, crop) <= film.amplitude and framing.outside(poses, crop) <= 0

    # The camera never comes nearer to the subject than half way.
    low, high = 0.0, min(4 * max(film.amplitude, 1e-3) * framing.reach, subject / 2)
    if not fits(high):
        for _ in range(14):
            middle = (low + high) / 2
            low, high = (middle, high) if fits(middle) else (low, middle)
    else:
        low = high
    return at(low)


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


def default_size(scene: Scene, ending: str) -> tuple[int, int]:
    """The photo's shape, even, and not much larger than the photo."""
    photo = scene.camera
    long_side = max(photo.width, photo.height)
    most = LONG_SIDE if ending in (".mp4", ".webm") else ANIMATION_SIDE
    scale = min(most / long_side, ENLARGED)
    width, height = (max(16, 2 * round(side * scale / 2)) for side in (photo.width, photo.height))
    return width, height


class Artist:
    """Draws poses of one scene."""

    def __init__(self, scene: Scene, film: Film, shots: Shots, threads: int | None = None) -> None:
        self._renderer = Renderer(scene, background=film.background, threads=threads)
        self._shots = shots

    def draw(self, pose: Pose) -> UInt8:
        """(H, W, 3)"""
        framing = self._shots.framing
        place = framing.place(pose)
        picture = self._renderer.view(framing.lens(pose, self._shots.crop), place, pose.rotation)
        if pose.focus is None or not self._shots.aperture:
            return picture.rgb
        lens = focus.Lens(self._shots.aperture, pose.focus)
        return focus.view(self._renderer, picture, lens, place, pose.rotation)


def poster(scene: Scene, film: Film) -> UInt8:
    """(H, W, 3): the film's first frame."""
    shots = plan(scene, film)
    return Artist(scene, film, shots).draw(shots.poses[0])


def make_film(
    scene: Scene, path: str | Path, film: Film | None = None, *, progress: Progress | None = None,
    threads: int | None = None,
) -> Made:  # fmt: skip
    """Draw a film and write it: MP4, WebM, animated WebP or GIF, as the ending says.

    Args:
        progress: called after each frame; what it raises stops the film, and no file is left.
        threads: for drawing and for encoding; as many as there are cores where None.

    Raises:
        FormatError: the ending names no film.
        SettingsError: the film can't be made of this scene.
        EncoderError: ffmpeg, which MP4 and WebM need, is missing or failed.
        StorageError: the disk is full or refuses.
    """
    path, film = Path(path), film or Film()
    shots = plan(scene, film, ending=film_ending(path))
    artist = Artist(scene, film, shots, threads)
    return shoot(path, film, shots, artist.draw, progress, threads)


def film_ending(path: Path) -> str:
    """The film's format, as its ending.

    Raises:
        FormatError: the ending names no film.
        EncoderError: ffmpeg, which it needs, is missing.
    """
    ending = path.suffix.lower()
    if ending not in FILMS:
        raise FormatError(
            f"A film can't be written as '{path.name}'.", hint=f"Use one of the endings {', '.join(FILMS)}."
        )
    if ending in (".mp4", ".webm"):
        ffmpeg.needed(path.name)
    return ending


def shoot(
    path: Path, film: Film, shots: Shots, draw: Callable[[Pose], UInt8], progress: Progress | None = None,
    threads: int | None = None,
) -> Made:  # fmt: skip
    """Draw the poses with `draw`, whose pictures may have any even size, and write them as a film."""
    count = len(shots.poses)
    first = draw(shots.poses[0])
    height, width = first.shape[:2]
    with _sink(path, film, (width, height), threads or os.cpu_count() or 1) as add:
        for k, pose in enumerate(shots.poses):
            if progress is not None:
                progress("film", k / count, "Drawing the film")
            add(k, draw(pose) if k else first)
    if progress is not None:
        progress("film", 1.0, "Drawing the film")
    return Made(width, height, count, film.fps, shots.used, shots.crop, shots.warnings)


@contextmanager
def _sink(path: Path, film: Film, size: tuple[int, int], threads: int) -> Iterator[Callable[[int, UInt8], None]]:
    """Takes frames by number."""
    ending = path.suffix.lower()
    if ending in (".mp4", ".webm"):
        with ffmpeg.writing(path, size, film.fps, film.quality, threads) as pipe:
            yield lambda _number, rgb: pipe.add(rgb)
        return
    unit = 10 if ending == ".gif" else 1  # milliseconds that times are counted in

    def due(number: int) -> int:
        return round(number * 1000 / film.fps / unit) * unit

    with animations.writing(path, size, film.quality, film.loop) as made:
        yield lambda number, rgb: made.add(rgb, due(number + 1) - due(number))
