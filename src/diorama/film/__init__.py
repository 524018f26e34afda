"""Films of a scene: a camera path, drawn frame by frame and encoded.

from diorama.film import Film, make_film

make_film(scene, "film.mp4", Film(path="orbit", seconds=5, size=(1920, 1080)))
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from diorama.errors import FormatError
from diorama.film import animations, ffmpeg, focus
from diorama.film.easing import EASINGS
from diorama.film.paths import PATHS
from diorama.film.planning import ANIMATION_SIDE, LONG_SIDE, Shots, plan
from diorama.film.poses import Pose
from diorama.film.record import Film
from diorama.render import Renderer
from diorama.types import Progress, Scene, UInt8

__all__ = ["EASINGS", "FILMS", "PATHS", "Film", "Made", "Shots", "make_film", "plan", "poster"]

FILMS = {".mp4": "MP4 (H.264)", ".webm": "WebM (VP9)", ".webp": "animated WebP", ".gif": "animated GIF"}
"""What a film can be written as, by ending."""

LONG_SIDES = {".mp4": LONG_SIDE, ".webm": LONG_SIDE, ".webp": ANIMATION_SIDE, ".gif": ANIMATION_SIDE}
"""Of a film that says no size, by ending."""


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
    ending = film_ending(path)
    shots = plan(scene, film, long_side=LONG_SIDES[ending])
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
    threads: int | None = None, mark: ffmpeg.Mark | None = None,
) -> Made:  # fmt: skip
    """Draw the poses with `draw`, whose pictures may have any even size, and write them as a film.

    Args:
        mark: what tells players of stereo.
    """
    count = len(shots.poses)
    first = draw(shots.poses[0])
    height, width = first.shape[:2]
    with _sink(path, film, (width, height), threads or os.cpu_count() or 1, mark) as add:
        for k, pose in enumerate(shots.poses):
            if progress is not None:
                progress("film", k / count, "Drawing the film")
            add(k, draw(pose) if k else first)
    if progress is not None:
        progress("film", 1.0, "Drawing the film")
    return Made(width, height, count, film.fps, shots.used, shots.crop, shots.warnings)


@contextmanager
def _sink(
    path: Path, film: Film, size: tuple[int, int], threads: int, mark: ffmpeg.Mark | None
) -> Iterator[Callable[[int, UInt8], None]]:
    """Takes frames by number."""
    ending = path.suffix.lower()
    if ending in (".mp4", ".webm"):
        with ffmpeg.writing(path, size, film.fps, film.quality, threads, mark) as pipe:
            yield lambda _number, rgb: pipe.add(rgb)
        return
    unit = 10 if ending == ".gif" else 1  # milliseconds that times are counted in

    def due(number: int) -> int:
        return round(number * 1000 / film.fps / unit) * unit

    with animations.writing(path, size, film.quality, film.loop) as made:
        yield lambda number, rgb: made.add(rgb, due(number + 1) - due(number))
