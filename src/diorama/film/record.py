"""What a film is to be."""

from __future__ import annotations

from dataclasses import dataclass

from diorama.errors import SettingsError
from diorama.film.easing import EASINGS
from diorama.film.keyframes import Keyframes
from diorama.film.paths import PATHS
from diorama.products.films import FilmOptions
from diorama.settings import parsed

MOST_PIXELS = 3840 * 2160
MOST_FRAMES = 3600

_USUAL = FilmOptions()
"""Ranges and defaults stand there, for the command, the API and the page as well."""

_OPENINGS = (0.5, 64.0)
"""f-numbers of lenses that have been built."""


@dataclass(frozen=True)
class Film:
    """What a film is to be. Numbers are checked when it is made.

    Raises:
        SettingsError: a value is unknown or outside its range.
    """

    path: str = _USUAL.path  # of PATHS
    seconds: float = _USUAL.seconds
    fps: float = _USUAL.fps
    size: tuple[int, int] | None = None  # (width, height), even; None: the photo's shape, 1920 px on its long side
    amplitude: float = _USUAL.amplitude  # share of the allowed travel; more than 1 may show what nobody imagined
    easing: str | None = None  # of EASINGS; None: even on closed paths, else a pendulum's
    loop: bool = _USUAL.loop  # the last frame goes over into the first
    keys: Keyframes | None = None  # a path of one's own; `path`, `amplitude` and `loop` say nothing then
    focus: float | str | None = None  # z in scene units, "subject", "near" or "far"; None: everything is sharp
    focus_end: float | str | None = None  # the focus is pulled to there
    blur: float = (
        _USUAL.blur
    )  # % of the picture's width: the disc of a point infinitely far while the subject is in focus
    f_number: float | None = None  # instead of `blur`, for scenes in metres
    focal_mm: float | None = None  # with it; None: that of a 36 mm wide sensor with the photo's field of view
    quality: int = _USUAL.quality  # 1 to 100
    background: tuple[int, int, int] = (0, 0, 0)  # sRGB, where there is nothing

    def __post_init__(self) -> None:
        if self.path not in PATHS:
            raise SettingsError(f"There is no camera path '{self.path}'.", hint=f"The paths are: {', '.join(PATHS)}.")
        if self.easing is not None and self.easing not in EASINGS:
            raise SettingsError(f"There is no easing '{self.easing}'.", hint=f"Give one of: {', '.join(EASINGS)}.")
        numbers = ("seconds", "fps", "amplitude", "blur", "quality")
        parsed(FilmOptions, {name: getattr(self, name) for name in numbers}, "option")
        if self.f_number is not None and not _OPENINGS[0] <= self.f_number <= _OPENINGS[1]:
            raise SettingsError(
                f"A lens can't be opened to f/{self.f_number:g}.", hint="Give {:g} to {:g}.".format(*_OPENINGS)
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
