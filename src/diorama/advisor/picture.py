"""Advice on the texture, measured in the photo's pixels: amounts are shares of `diorama.measures`' full strengths."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from diorama import measures
from diorama.advice import TextureAction, TextureAdvice
from diorama.types import Bool, Photo, UInt8

MEASURED_PIXELS = 2_000_000
"""More are not looked at: flaws of a whole photo show in its middle rows as well."""

WEAK = 0.05
"""Amount at the end of what is usual in a clean photo; from there it grows in proportion. Noise and blur, of which
every photo has some, grow with the square up to there, so that a clean photo stays nearly as it is; darkness and colour
go either way from nothing and grow evenly, lest a photo that is turned from one side to the other be passed over."""

WEAKEST = 0.01
"""Amounts below are not suggested."""

NOISE_USUAL, BLUR_USUAL, CAST_USUAL, TONE_USUAL = 4.0, 0.9, 10.0, 0.8
"""What nine of ten clean photos stay below, in `diorama.measures`' units: 8-bit steps, pixels, CIELAB, doublings."""

TONE_MOST = 1.6
"""Doublings from which all of the strength is advised."""

SMALL_TEXTURE = 1400
"""Pixels of the long side from which a texture fills a screen."""


def texture(photo: Photo, imagined: float, most: int = SMALL_TEXTURE) -> tuple[TextureAdvice, ...]:
    """What to do to the texture, in proportion to what is measured; nothing for a clean photo.

    Args:
        imagined: area that was imagined, as a share of the photo's.
        most: pixels of the long side that the texture may have.
    """
    rgb, where = _middle(photo)
    found = (*(measure(rgb, where) for measure in MEASURED.values()), *_made(photo, imagined, most))
    return tuple(item for item in found if item.amount >= WEAKEST)


def _middle(photo: Photo) -> tuple[UInt8, Bool | None]:
    """The photo at its own size, or as much of its middle as is looked at; and where it is opaque."""
    rows = photo.height
    if photo.width * photo.height > MEASURED_PIXELS:
        rows = max(64, MEASURED_PIXELS // photo.width)
    top = max(0, (photo.height - rows) // 2)
    rgb = np.ascontiguousarray(photo.rgb[top : top + rows])
    where = None if photo.alpha is None else np.ascontiguousarray(photo.alpha[top : top + rows] >= 128)
    return rgb, where


def _denoise(rgb: UInt8, where: Bool | None) -> TextureAdvice:
    noise = measures.noise(rgb, where)
    return _advice(
        "denoise",
        proportion(noise, NOISE_USUAL, measures.NOISE_FULL),
        f"Noise of {noise:.1f} of 255 steps (standard deviation); up to {NOISE_USUAL:g} is usual.",
    )


def _sharpen(rgb: UInt8, where: Bool | None) -> TextureAdvice:
    blur = measures.blur(rgb, where)
    return _advice(
        "sharpen",
        proportion(blur, BLUR_USUAL, measures.BLUR_FULL),
        f"The sharper edges are blurred by {blur:.1f} px (standard deviation); up to {BLUR_USUAL:g} px is usual.",
    )


def _tone(rgb: UInt8, where: Bool | None) -> TextureAdvice:
    tone = measures.tone(rgb, where)
    dark = "dark" if tone.exponent < 0 else "bright"
    return _advice(
        "tone",
        proportion(abs(tone.exponent), TONE_USUAL, TONE_MOST, power=1),
        f"It is {dark}: a tone curve with an exponent of {2**tone.exponent:.2f} would bring it to the middle; its "
        f"values span {tone.low:.0%} to {tone.high:.0%}.",
    )


def _white_balance(rgb: UInt8, where: Bool | None) -> TextureAdvice:
    a, b = measures.cast(rgb, where)
    size = math.hypot(a, b)
    return _advice(
        "white-balance",
        proportion(size, CAST_USUAL, measures.CAST_FULL, power=1),
        f"The light is {_tint(a, b)} by {size:.0f} CIELAB units, five estimates agree; up to {CAST_USUAL:g} is usual.",
    )


MEASURED: dict[TextureAction, Callable[[UInt8, Bool | None], TextureAdvice]] = {
    "denoise": _denoise,
    "sharpen": _sharpen,
    "tone": _tone,
    "white-balance": _white_balance,
}
"""Advice on each flaw of (rgb, where it counts), of whatever amount."""


def proportion(value: float, usual: float, full: float, power: int = 2) -> float:
    """0..1: `WEAK` at the end of what is usual, 1 at `full`; it grows with this power of the value up to `WEAK`."""
    if value <= usual:
        return WEAK * (value / usual) ** power
    return min(1.0, WEAK + (1 - WEAK) * (value - usual) / (full - usual))


def _made(photo: Photo, imagined: float, most: int) -> Iterator[TextureAdvice]:
    yield _advice(
        "match-imagined",
        1.0 if imagined > 0.005 else 0.0,
        f"{imagined:.0%} of the photo's area was imagined: its light, grain and sharpness should be its surroundings'.",
    )
    longest = max(photo.width, photo.height)
    yield _advice(
        "super-resolution",
        1 - longest / SMALL_TEXTURE if longest < most else 0.0,
        f"The photo is {longest} px long; {SMALL_TEXTURE} fill a screen.",
    )


def _tint(a: float, b: float) -> str:
    """The name of the nearest of eight hues."""
    hues = ("magenta", "orange", "yellow", "lime", "green", "teal", "blue", "violet")
    return hues[round(np.degrees(np.arctan2(b, a)) / 45) % 8]


def _advice(action: TextureAction, amount: float, reason: str) -> TextureAdvice:
    return TextureAdvice(action=action, amount=round(min(1.0, max(0.0, amount)), 3), reason=reason, source="local")
