"""Stereo pictures and films as products: `diorama.products` has their options."""

from __future__ import annotations

from pathlib import Path

from diorama.film.products import place_of, size_of
from diorama.film.record import Film
from diorama.products.films import StereoFilmOptions, StereoOptions, WiggleOptions
from diorama.products.product import ProductProgress
from diorama.stereo import Stereo, make_stereo
from diorama.types import Scene


def stereo(scene: Scene, path: Path, options: StereoOptions, _progress: ProductProgress) -> tuple[str, ...]:
    """Write the picture."""
    film = Film(size=size_of(scene, options.size))
    return make_stereo(scene, path, _how(options.layout, options), film).warnings


def stereo_film(scene: Scene, path: Path, options: StereoFilmOptions, progress: ProductProgress) -> tuple[str, ...]:
    """Write the film."""
    film = Film(
        path=options.path,
        seconds=options.seconds,
        fps=options.fps,
        size=size_of(scene, options.size),
        amplitude=options.amplitude,
        quality=options.quality,
    )
    how = _how(options.layout, options)
    return make_stereo(scene, path, how, film, progress=lambda _stage, share, said: progress(share, said)).warnings


def wiggle(scene: Scene, path: Path, options: WiggleOptions, progress: ProductProgress) -> tuple[str, ...]:
    """Write the animation."""
    film = Film(size=size_of(scene, options.size))
    how = _how("wiggle", options)
    return make_stereo(scene, path, how, film, progress=lambda _stage, share, said: progress(share, said)).warnings


def _how(layout: str, options: StereoOptions | WiggleOptions) -> Stereo:
    return Stereo(layout, options.divergence, place_of(options.convergence) or "subject")
