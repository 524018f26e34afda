"""Imagined parts of one segment painted anew: by words, where the service takes words, else by a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diorama.advice import Outcome, TextureAdvice, texture_key
from diorama.errors import DioramaError
from diorama.texture.panels import padded_out
from diorama.types import Bool, UInt8

if TYPE_CHECKING:
    from diorama.texture import Work
    from diorama.texture.panels import Panel


@dataclass(frozen=True)
class Painter:
    """What paints: its name, a sentence why it is this one, and whether it takes words."""

    name: str
    reason: str
    words: bool
    fill: Callable[[UInt8, Bool, Bool, str], UInt8]  # (rgb, hole, known, prompt) -> rgb


Paint = Callable[[], Painter | None]
"""Chooses the painter; None where there is none that paints better than what has been painted already.

Raises:
    DioramaError: the one that was asked for can't be had.
"""

FEW = 64
"""Texels: less is not worth a request."""


def generate(item: TextureAdvice, work: Work, paint: Paint, warnings: list[str]) -> Outcome:
    """Paint what was imagined of the item's segment, or of all where it names none."""
    try:
        painter = paint()
        if painter is None:
            return _not(item, "no network that paints has its weights here; 'diorama models pull migan' fetches one")
        texels = sum(_painted(item, work, panel, painter) for panel in work.panels)
    except DioramaError as error:
        warnings.append(f"Nothing was painted anew: {error.message}")
        return _not(item, f"{error.message} {error.hint}".strip().rstrip("."))
    if texels == 0:
        return _not(item, "nothing of it is imagined")
    words = f': "{item.prompt}"' if painter.words and item.prompt else ""
    sentence = f"{texels:,} imagined texels were painted anew by {painter.name}{words}."
    return Outcome(key=texture_key(item), applied=True, sentence=sentence, before="", after=f"{texels:,} texels")


def _painted(item: TextureAdvice, work: Work, panel: Panel, painter: Painter) -> int:
    """Paint in one panel -> how many texels."""
    import cv2

    hole = panel.imagined if item.segment is None else panel.imagined & (panel.segments == item.segment)
    count = int(np.count_nonzero(hole))
    if count < FEW or min(hole.shape) < 8:
        return 0
    visible = work.panels[0]
    part = panel.of(work.atlas)
    size = part.shape[1], part.shape[0]
    if panel is visible:
        picture, known = part.copy(), visible.seen
    else:
        picture = np.asarray(cv2.resize(visible.of(work.atlas), size, interpolation=cv2.INTER_AREA), np.uint8)
        shown = np.where(visible.seen & ~_in_front(item, work, visible), 255, 0).astype(np.uint8)
        known = np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_AREA)) == 255
        picture[hole] = part[hole]
    made = painter.fill(picture, hole, known & ~hole, item.prompt)
    mixed = part[hole] + item.amount * (made[hole].astype(np.float32) - part[hole])
    part[hole] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    if panel is not visible:
        part[...] = padded_out(part, panel.charts > 0)
    return count


def _in_front(item: TextureAdvice, work: Work, visible: Panel) -> Bool:
    """What stands in front of the item's segment: nothing of it goes on behind itself."""
    segments = work.scene.segments
    if item.segment is None or segments is None:
        return np.zeros(visible.charts.shape, bool)
    ids = [s.id for s in segments.items if item.segment in s.in_front_of]
    return np.isin(visible.segments, ids)


def _not(item: TextureAdvice, why: str) -> Outcome:
    return Outcome(key=texture_key(item), applied=False, sentence=f"{why[:1].upper()}{why[1:]}.")
