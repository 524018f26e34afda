"""Stereo pictures and films of a scene: two views side by side, over each other, in two colours, on half a sphere, or
in turn.

    from diorama.stereo import Stereo, make_stereo

    make_stereo(scene, "photo.jpg", Stereo(layout="anaglyph"))

Both eyes look straight ahead and shift their lenses, so that what lies at the screen is at the same place for both;
eyes that turn inwards would see the picture's sides at different heights. They stay within the scene's travel, so no
pixel of either is uncovered.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from diorama.errors import FormatError, SettingsError
from diorama.film import FILMS, LONG_SIDES, Artist, Film, Made, Shots, film_ending, shoot
from diorama.film.ffmpeg import Mark
from diorama.film.planning import LONG_SIDE, default_size
from diorama.film.planning import plan as plan_film
from diorama.film.poses import Framing, Pose, depths, subject_depth
from diorama.film.stills import write_picture
from diorama.render import Renderer
from diorama.stereo import boxes
from diorama.stereo.anaglyph import Anaglyph, anaglyph
from diorama.stereo.vr180 import Sphere
from diorama.types import Progress, Scene, UInt8

__all__ = ["LAYOUTS", "PICTURES", "Eyes", "Stereo", "make_stereo", "place_eyes"]

LAYOUTS = {
    "sbs": "Side by side",
    "sbs-half": "Side by side, each half as wide",
    "cross": "Side by side, for crossed eyes",
    "over-under": "Left over right",
    "over-under-half": "Left over right, each half as high",
    "anaglyph": "Red and cyan (Dubois)",
    "anaglyph-half": "Red and cyan, half colour",
    "anaglyph-grey": "Red and cyan, grey",
    "vr180": "VR180",
    "wiggle": "In turn (wiggle)",
}

_ANAGLYPHS: dict[str, Anaglyph] = {"anaglyph": "dubois", "anaglyph-half": "half-colour", "anaglyph-grey": "grey"}

PICTURES = (".jpg", ".jpeg", ".png")

MOST_BEHIND = 2.0
"""% of the width that the eyes' views of what is farthest lie apart. On a screen 3.2 m wide this is the distance of a
person's eyes (65 mm): beyond that they would have to turn outwards, which they can't."""

MOST_BEFORE = 3.0
"""% of the width that the views of what is nearest lie apart the other way: eyes that cross farther tire (about 1/30 of
the width is the rule of stereo photography)."""

EYES_METRES = 0.063
"""Distance of a person's eyes: that of VR180's views, in scenes in metres."""

WIGGLE = (-1.0, -0.5, 0.0, 0.5, 1.0, 0.5, 0.0, -0.5)
"""Places of the eye in turn, as shares of half their distance."""

WIGGLE_FPS = 12.0

VR180_SIDE = 1920
"""Default pixels of a VR180 view: two of them are as wide as 4K."""


@dataclass(frozen=True)
class Stereo:
    """How a scene is shown to two eyes.

    Raises:
        SettingsError: a value is unknown or outside its range.
    """

    layout: str = "sbs"  # of LAYOUTS
    divergence: float = 2.0  # % of the width by which nearest and farthest lie apart more in one view than in the other
    convergence: float | str = "subject"  # what lies at the screen: z in scene units, "subject", "near" or "far"

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise SettingsError(
                f"There is no stereo layout '{self.layout}'.", hint=f"The layouts are: {', '.join(LAYOUTS)}."
            )
        if not 0 <= self.divergence <= 10:
            raise SettingsError(f"A divergence of {self.divergence:g} % can't be made.", hint="Give 0 to 10 per cent.")
        place = self.convergence
        wrong = place not in ("subject", "near", "far") if isinstance(place, str) else not place > 0
        if wrong:
            raise SettingsError(
                f"The screen can't be at '{place}'.", hint="Give a distance in scene units, or subject, near or far."
            )


@dataclass(frozen=True)
class Eyes:
    """Where the eyes are."""

    apart: float  # scene units
    screen: float | None  # z of what both see at the same place; None: infinitely far
    warnings: tuple[str, ...] = ()

    def pair(self, pose: Pose) -> tuple[Pose, Pose]:
        """The left and the right one's poses."""
        return self.at(pose, -1.0), self.at(pose, 1.0)

    def at(self, pose: Pose, share: float) -> Pose:
        """A pose between the left eye (-1) and the right one (1)."""
        seen = replace(pose, sideways=share * self.apart / 2, screen=self.screen)
        # Half a sphere has no lens to be shifted or zoomed: all of the photo's frame is seen.
        return seen if self.screen is not None else replace(seen, pivot=None, held=None, fov=None)


def place_eyes(scene: Scene, stereo: Stereo, framing: Framing) -> Eyes:
    """As far apart as wanted, less where that would strain eyes or leave the scene's travel; then it is said."""
    near, far = depths(scene)
    subject = subject_depth(scene)
    named = {"subject": subject, "near": near, "far": far}
    screen = named[stereo.convergence] if isinstance(stereo.convergence, str) else stereo.convergence
    # Per cent of the width that a point at z shifts by, for eyes one scene unit apart.
    unit = 100 * framing.camera.fx / framing.camera.width
    apart = stereo.divergence / unit / max(1 / near - 1 / far, 1e-6)
    warnings: list[str] = []
    if stereo.layout == "vr180":
        if scene.units == "metric":
            apart = EYES_METRES
        return _within(Eyes(apart, None), framing, warnings)
    behind, before = unit * apart * (1 / screen - 1 / far), unit * apart * (1 / near - 1 / screen)
    too_much = max(behind / MOST_BEHIND, before / MOST_BEFORE)
    if too_much > 1 + 1e-6:
        apart /= too_much
        limit = (
            f"{MOST_BEHIND:g} % behind the screen: beyond that, eyes would have to turn outwards"
            if behind / MOST_BEHIND > before / MOST_BEFORE
            else f"{MOST_BEFORE:g} % before the screen: beyond that, eyes tire"
        )
        warnings.append(f"The divergence is {stereo.divergence / too_much:.2g} %, less than asked for: {limit}.")
    return _within(Eyes(apart, screen), framing, warnings)


def _within(eyes: Eyes, framing: Framing, warnings: list[str]) -> Eyes:
    if eyes.apart / 2 > framing.reach:
        share = 2 * framing.reach / eyes.apart
        warnings.append(f"The eyes are {share:.0%} as far apart as asked for: the scene's camera travel ends there.")
        eyes = replace(eyes, apart=2 * framing.reach)
    return replace(eyes, warnings=tuple(warnings))


def make_stereo(
    scene: Scene, path: str | Path, stereo: Stereo | None = None, film: Film | None = None, *,
    progress: Progress | None = None, threads: int | None = None,
) -> Made:  # fmt: skip
    """Make a stereo picture (JPEG or PNG) or film (MP4, WebM, animated WebP or GIF), as the ending says.

    Args:
        film: the film's path, length and size, the latter of one eye's view; of a picture size and focus count.

    Raises:
        FormatError: the ending names neither, or the layout can't be that.
        SettingsError: the film can't be made of this scene.
        EncoderError: ffmpeg, which MP4 and WebM need, is missing or failed.
        StorageError: the disk is full or refuses.
    """
    path, stereo, film = Path(path), stereo or Stereo(), film or Film()
    ending = path.suffix.lower()
    still = ending in PICTURES
    if not still and ending not in FILMS:
        raise FormatError(
            f"A stereo picture can't be written as '{path.name}'.",
            hint=f"Use one of the endings {', '.join((*PICTURES, *FILMS))}.",
        )
    if stereo.layout == "wiggle":
        return _wiggle(scene, path, stereo, film, progress, threads)
    side = film.size[1] if film.size is not None else VR180_SIDE
    if still:
        film = replace(film, path="circle", amplitude=0.0, seconds=0.1, keys=None)
    else:
        film_ending(path)
    if stereo.layout == "vr180" or film.size is None:
        film = replace(film, size=default_size(scene, LONG_SIDE if still else LONG_SIDES[ending]))
    eyes = place_eyes(scene, stereo, Framing.of(scene, *(film.size or (2, 2))))
    shots = plan_film(scene, film, eyes=eyes.pair)
    shots = replace(shots, warnings=(*eyes.warnings, *shots.warnings))
    draw = _drawing(scene, stereo, film, shots, eyes, side, threads)
    if still:
        picture = draw(shots.poses[0])
        write_picture(picture, path)
        return Made(picture.shape[1], picture.shape[0], 1, 0.0, shots.used, shots.crop, shots.warnings)
    return shoot(path, film, shots, draw, progress, threads, mark=_mark(stereo.layout))


def _wiggle(
    scene: Scene, path: Path, stereo: Stereo, film: Film, progress: Progress | None, threads: int | None
) -> Made:
    """The views between the eyes in turn; animations repeat by themselves, films do it for their length."""
    if path.suffix.lower() in PICTURES:
        raise FormatError(f"A wiggle picture can't be written as '{path.name}'.", hint=f"Use {', '.join(FILMS)}.")
    ending = film_ending(path)
    rounds = 1 if ending in (".gif", ".webp") else max(1, round(film.seconds * WIGGLE_FPS / len(WIGGLE)))
    base = replace(film, path="circle", amplitude=0.0, seconds=0.1, fps=WIGGLE_FPS, loop=True, keys=None)
    size = base.size or default_size(scene, LONG_SIDES[ending])
    eyes = place_eyes(scene, stereo, Framing.of(scene, *size))
    shots = plan_film(scene, replace(base, size=size), eyes=eyes.pair)
    poses = [eyes.at(shots.poses[0], share) for share in WIGGLE]
    artist = Artist(scene, base, shots, threads)
    views = {pose.sideways: artist.draw(pose) for pose in poses}
    shots = replace(shots, poses=tuple(poses) * rounds, warnings=(*eyes.warnings, *shots.warnings))
    return shoot(path, base, shots, lambda pose: views[pose.sideways], progress, threads)


def _drawing(
    scene: Scene, stereo: Stereo, film: Film, shots: Shots, eyes: Eyes, side: int, threads: int | None
) -> Callable[[Pose], UInt8]:
    """From a pose between the eyes to the picture of both."""
    if stereo.layout == "vr180":
        sphere = Sphere(shots.framing, side)
        renderer = Renderer(scene, background=film.background, threads=threads)

        def around(pose: Pose) -> UInt8:
            views = [renderer.view(sphere.camera, shots.framing.place(eye), pose.rotation) for eye in eyes.pair(pose)]
            return np.concatenate([sphere.wrap(view.rgb) for view in views], axis=1)

        return around
    artist = Artist(scene, film, shots, threads)

    def both(pose: Pose) -> UInt8:
        left, right = eyes.pair(pose)
        return arranged(artist.draw(left), artist.draw(right), stereo.layout)

    return both


def arranged(left: UInt8, right: UInt8, layout: str) -> UInt8:
    """Two views, (H, W, 3) each, in one picture, its sides even."""
    import cv2

    height, width = left.shape[:2]
    if layout in _ANAGLYPHS:
        return anaglyph(left, right, _ANAGLYPHS[layout])
    if layout.endswith("-half"):
        size = (_even(width / 2), height) if layout == "sbs-half" else (width, _even(height / 2))
        left, right = (np.asarray(cv2.resize(v, size, interpolation=cv2.INTER_AREA), np.uint8) for v in (left, right))
    if layout.startswith("over-under"):
        return np.concatenate([left, right], axis=0)
    return np.concatenate([right, left] if layout == "cross" else [left, right], axis=1)


def _even(side: float) -> int:
    return max(2, 2 * math.floor(side / 2))


def _mark(layout: str) -> Mark:
    """What tells players of the layout: boxes for MP4, which has none for crossed eyes and anaglyphs, and Matroska's
    name of it for WebM."""
    if layout in _ANAGLYPHS or layout == "cross":
        return None, "right_left" if layout == "cross" else "anaglyph_cyan_red"
    upright = layout.startswith("over-under")
    added = boxes.stereo(over_under=upright) + (boxes.half_sphere() if layout == "vr180" else b"")
    return functools.partial(boxes.mark, added=added), "top_bottom" if upright else "left_right"
