"""Films as products: `diorama.products` has their options."""

from __future__ import annotations

from pathlib import Path

from diorama.film import make_film
from diorama.film.record import Film
from diorama.products.films import SIZES, FilmOptions
from diorama.products.product import ProductProgress
from diorama.types import Scene


def film(scene: Scene, path: Path, options: FilmOptions, progress: ProductProgress) -> tuple[str, ...]:
    """Write the film that the path's ending says."""
    made = make_film(scene, path, wanted(scene, options), progress=lambda _stage, share, said: progress(share, said))
    return made.warnings


def wanted(scene: Scene, options: FilmOptions) -> Film:
    """The film that the options describe.

    Raises:
        SettingsError: nothing can be in focus there.
    """
    return Film(
        path=options.path,
        seconds=options.seconds,
        fps=options.fps,
        size=size_of(scene, options.size),
        amplitude=options.amplitude,
        easing=None if options.easing == "auto" else options.easing,
        loop=options.loop,
        focus=place_of(options.focus),
        focus_end=place_of(options.focus_end),
        blur=options.blur,
        quality=options.quality,
    )


def size_of(scene: Scene, name: str) -> tuple[int, int] | None:
    """(width, height), upright for an upright photo; None: the photo's shape."""
    if name not in SIZES:
        return None
    long, short = SIZES[name]
    return (short, long) if scene.camera.height > scene.camera.width else (long, short)


def place_of(text: str | None) -> float | str | None:
    """A distance, or the name of a place."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text.strip().lower()
