"""Advice on the texture, measured in the photo's pixels (`diorama.measures`), in that module's units of full strength."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from diorama import measures
from diorama.advice import TextureAction, TextureAdvice
from diorama.types import Photo, UInt8

MEASURED_PIXELS = 2_000_000
"""More are not looked at: flaws of a whole photo show in its middle rows as well."""

WEAKEST = 0.05
"""Share of full strength below which nothing is worth suggesting."""

NOISE_SEEN = 2.5
"""8-bit steps: below, noise is grain that nobody sees and JPEG's own."""

BLUR_SEEN = 1.1
"""Pixels: cameras and the scaling of pictures leave about this much; taking it away makes halos."""

CAST_SEEN = 6.0
"""CIELAB units: colours of a scene differ from grey by as much without a tinted light."""

TONE_SEEN = 0.45
"""Doublings of the exponent: photos are darker or brighter than the middle on purpose."""

SMALL_TEXTURE = 1400
"""Pixels of the long side from which a texture fills a screen."""


def texture(photo: Photo, imagined: float) -> tuple[TextureAdvice, ...]:
    """What to do to the texture, in proportion to what is measured; nothing for a clean photo.

    Args:
        imagined: area that was imagined, as a share of the photo's.
    """
    rgb, where = _middle(photo)
    return tuple(
        item for item in (*_measured(rgb, where), *_made(photo, imagined)) if item.amount >= WEAKEST
    )  # fmt: skip


def _middle(photo: Photo) -> tuple[UInt8, np.ndarray | None]:
    """The photo at its own size, or as much of its middle as is looked at; and where it is opaque."""
    rows = photo.height
    if photo.width * photo.height > MEASURED_PIXELS:
        rows = max(64, MEASURED_PIXELS // photo.width)
    top = max(0, (photo.height - rows) // 2)
    rgb = np.ascontiguousarray(photo.rgb[top : top + rows])
    where = None if photo.alpha is None else np.ascontiguousarray(photo.alpha[top : top + rows] >= 128)
    return rgb, where


def _measured(rgb: UInt8, where: np.ndarray | None) -> Iterator[TextureAdvice]:
    noise = measures.noise(rgb, where)
    yield _advice(
        "denoise",
        (noise - NOISE_SEEN) / (measures.NOISE_FULL - NOISE_SEEN),
        f"Flat parts vary by {noise:.1f} of 255 steps; up to {NOISE_SEEN:g} nobody sees.",
    )
    blur = measures.blur(rgb, where)
    yield _advice(
        "sharpen",
        (blur - BLUR_SEEN) / (measures.BLUR_FULL - BLUR_SEEN),
        f"The sharper edges are {blur:.1f} px wide (standard deviation); a sharp photo's are up to {BLUR_SEEN:g} px.",
    )
    tone = measures.tone(rgb, where)
    dark = "dark" if tone.exponent < 0 else "bright"
    yield _advice(
        "tone",
        (abs(tone.exponent) - TONE_SEEN) / (measures.TONE_FULL - TONE_SEEN),
        f"The photo is {dark}: an exponent of {2**tone.exponent:.2f} would bring its mean to the middle; its values "
        f"span {tone.low:.0%} to {tone.high:.0%}.",
    )
    a, b = measures.cast(rgb, where)
    size = float(np.hypot(a, b))
    yield _advice(
        "white-balance",
        (size - CAST_SEEN) / (measures.CAST_FULL - CAST_SEEN),
        f"What is nearly grey is tinted {_tint(a, b)} by {size:.0f} CIELAB units; up to {CAST_SEEN:g} is usual.",
    )


def _made(photo: Photo, imagined: float) -> Iterator[TextureAdvice]:
    yield _advice(
        "match-imagined",
        1.0 if imagined > 0.005 else 0.0,
        f"{imagined:.0%} of the photo's area was imagined: its light, grain and sharpness should be its surroundings'.",
    )
    longest = max(photo.width, photo.height)
    yield _advice(
        "super-resolution",
        1 - longest / SMALL_TEXTURE,
        f"The photo is {longest} px long; {SMALL_TEXTURE} fill a screen.",
    )


def _tint(a: float, b: float) -> str:
    """The name of the nearest of eight hues."""
    hues = ("magenta", "orange", "yellow", "lime", "green", "teal", "blue", "violet")
    return hues[round(np.degrees(np.arctan2(b, a)) / 45) % 8]


def _advice(action: TextureAction, amount: float, reason: str) -> TextureAdvice:
    return TextureAdvice(action=action, amount=round(min(1.0, max(0.0, amount)), 3), reason=reason, source="local")
