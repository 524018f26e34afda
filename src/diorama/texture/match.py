"""What is imagined brought to what is seen around it: light, sharpness and grain.

Inpainting copies or dreams up colours that fit on the whole; up close they give themselves away by a step of light at
the seam, by edges too soft or too hard, and by too little grain. Each is measured on both sides of the seam, segment by
segment, and the difference made up for. Grain is drawn from a generator with a fixed seed, so results repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from diorama import measures
from diorama.texture.denoise import denoise
from diorama.texture.panels import filled
from diorama.texture.sharpen import sharpen
from diorama.types import Bool, Float32, Int32, UInt8

NEAR = 40
"""Texels around what is imagined in which what is seen is looked at."""

FEW = 800
"""Texels: fewer say nothing of grain and edges."""

SEAM, WIDE, REACH = 4.0, 14.0, 24.0
"""Texels: how far from a seam its step of light is measured, nearby and farther, and over how many making up fades."""

COARSE = 4
"""Light changes slowly: it is looked at in a picture this many times smaller."""

SAMPLE = 320
"""Side in texels of the window in which grain and edges are measured."""

MAX_STEP = 12.0
"""8-bit steps: a larger one is an edge of the scene rather than a flaw."""

ROWS = 256
"""Worked on at a time."""

LEAST_GRAIN, LEAST_BLUR = 0.5, 0.25
"""8-bit steps and pixels: smaller differences are errors of measurement."""


@dataclass(frozen=True)
class Difference:
    """How far the imagined is from the seen: means over what was compared, weighted by area."""

    grain: float  # 8-bit steps of standard deviation
    blur: float  # pixels
    step: float  # 8-bit steps at seams

    def __str__(self) -> str:
        return (
            f"off by {self.grain:.1f} of 255 in grain, {self.blur:.1f} px in sharpness, {self.step:.1f} of 255 in light"
        )


def match(
    panel: UInt8, imagined: Int32, seen_rgb: UInt8, seen: Int32, amount: float
) -> tuple[UInt8, list[tuple[int, Difference, Difference]]]:
    """Bring a panel's imagined parts to what is seen around them.

    Args:
        panel: (H, W, 3).
        imagined: (H, W), segment of what is imagined there; -1 elsewhere.
        seen_rgb: (H, W, 3), the photo at this panel's size; may be `panel` itself.
        seen: (H, W), segment of what `seen_rgb` shows; -1 where it shows nothing or imagines it.
        amount: 0 nothing, 1 all of the difference.

    Returns:
        The panel, bit for bit as it was where nothing is imagined, and for each segment that could be compared its
        texels, the difference before and after.
    """
    out = panel.copy()
    compared = []
    for segment in np.unique(imagined[imagined >= 0]):
        chart = imagined == segment
        window = _around(chart)
        inner = chart[window]
        around = _near(inner, seen[window] == segment)
        if np.count_nonzero(inner) < FEW or np.count_nonzero(around) < FEW:
            continue
        part = _telling(inner, around)
        mine, beside = _Side(out[window].copy(), inner, part), _Side(seen_rgb[window], around, part)
        before = _Both.of(mine, beside)
        made = _matched(mine, beside, before, amount, int(segment))
        after = _Both.of(_Side(made, inner, part), beside)
        out[window][inner] = made[inner]
        compared.append((int(np.count_nonzero(inner)), before.difference, after.difference))
    return out, compared


def mean(found: list[tuple[int, Difference, Difference]], which: int) -> Difference:
    """The mean of the differences before (`which` 1) or after (2), by area."""
    total = sum(item[0] for item in found)
    values = np.array([[getattr(item[which], name) for name in ("grain", "blur", "step")] for item in found])
    weights = np.array([item[0] for item in found], np.float64) / max(total, 1)
    grain, blur, step = (float(value) for value in weights @ values)
    return Difference(grain, blur, step)


class _Side:
    """What lies on one side of a seam; each thing is measured once, grain and blur in the window `part`."""

    def __init__(self, rgb: UInt8, there: Bool, part: tuple[slice, slice]) -> None:
        self.rgb = rgb
        self.there = there
        self.part = part
        self._measured: dict[str, Any] = {}

    @property
    def grain(self) -> float:
        return float(self._once("grain", lambda: measures.noise(self.rgb[self.part], self.there[self.part])))

    @property
    def blur(self) -> float | None:
        measure, part = measures.edge_blur, self.part
        found: float | None = self._once("blur", lambda: measure(self.rgb[part], self.there[part], self.grain))
        return found

    def spread(self, sigma: float) -> tuple[Float32, Float32]:
        """See `_spread`."""
        total, weight = self._once("shrunk", lambda: _shrunk(self.rgb, self.there))
        found: tuple[Float32, Float32] = self._once(f"spread {sigma}", lambda: _spread(total, weight, sigma))
        return found

    def _once(self, name: str, measure: Callable[[], Any]) -> Any:
        if name not in self._measured:
            self._measured[name] = measure()
        return self._measured[name]


@dataclass(frozen=True)
class _Both:
    """Measures of both sides of a seam; None where there are no edges to measure."""

    grain: tuple[float, float]  # of the imagined, of the seen
    blur: tuple[float, float] | None
    step: float
    light: Float32  # coarse, see `_light`

    @classmethod
    def of(cls, mine: _Side, theirs: _Side) -> _Both:
        light, step = _light(mine, theirs)
        blurs = mine.blur, theirs.blur
        return cls(
            (mine.grain, theirs.grain),
            None if blurs[0] is None or blurs[1] is None else (blurs[0], blurs[1]),
            step,
            light,
        )

    @property
    def difference(self) -> Difference:
        blur = 0.0 if self.blur is None else abs(self.blur[0] - self.blur[1])
        return Difference(abs(self.grain[0] - self.grain[1]), blur, self.step)


def _matched(mine: _Side, theirs: _Side, both: _Both, amount: float, segment: int) -> UInt8:
    import cv2

    made, inner = mine.rgb, mine.there
    grain = both.grain
    if both.blur is not None and abs(both.blur[0] - both.blur[1]) > LEAST_BLUR:
        # Only texels of the chart count: what lies beyond it may be anything.
        whole = filled(made, inner)
        wide = amount * float(np.sqrt(abs(both.blur[0] ** 2 - both.blur[1] ** 2)))
        if both.blur[0] > both.blur[1]:
            made = sharpen(whole, min(wide, measures.BLUR_FULL), both.grain[0])
        else:
            made = np.asarray(cv2.GaussianBlur(whole, (0, 0), max(wide, 0.2)), np.uint8)
        grain = _Side(made, inner, mine.part).grain, both.grain[1]
    missing = amount * float(np.sqrt(abs(grain[0] ** 2 - grain[1] ** 2)))
    if grain[0] > grain[1] + LEAST_GRAIN:
        made = denoise(filled(made, inner), missing, inner)
    light = both.light if made is mine.rgb else _light(_Side(made, inner, mine.part), theirs)[0]
    values = np.asarray(cv2.resize(light, inner.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    values *= np.float32(amount)
    mix = _grain(theirs) if grain[0] < grain[1] - LEAST_GRAIN else None
    random = np.random.default_rng(segment)
    result = np.empty_like(made)
    for top in range(0, len(made), ROWS):  # a large picture's floats take room
        rows = slice(top, top + ROWS)
        some = values[rows] + made[rows]
        if mix is not None:
            some += np.float32(missing) * (random.standard_normal(some.shape, np.float32) @ mix.T)
        result[rows] = np.clip(np.rint(some, out=some), 0, 255, out=some)
    return result


def _grain(theirs: _Side) -> Float32:
    """(3, 3), what makes of three even noises grain of standard deviation 1 whose channels go together as those of what
    is seen do.

    A sensor's noise is another in each channel; the grain of a meadow or of film is mostly one of brightness.
    """
    import cv2

    fine = theirs.rgb - np.asarray(cv2.GaussianBlur(theirs.rgb.astype(np.float32), (0, 0), 1.0), np.float32)
    spread = np.cov(fine[theirs.there].T.astype(np.float64))
    spread = spread / max(float(np.trace(spread)) / 3, 1e-6) + 1e-3 * np.eye(3)
    return np.asarray(np.linalg.cholesky(spread), np.float32)


def _light(mine: _Side, theirs: _Side) -> tuple[Float32, float]:
    """What to add so that no step of light is left at the seam, at 1 / `COARSE` of the size, and how large steps are on
    average.

    What is a step is one near the seam and farther away alike: a dark line along it is none, nor a gradient across it.
    """
    steps = []
    for sigma in (WIDE, SEAM):
        (one, share), (other, beside) = mine.spread(sigma), theirs.spread(sigma)
        weight = share * beside
        steps.append(np.where(weight[..., None] > 1e-4, other - one, np.float32(0)).astype(np.float32))
    far, near = steps
    step = np.where(np.abs(far) < np.abs(near), far, near) * (far * near > 0)
    step[np.abs(step).max(axis=2) > MAX_STEP] = 0
    smooth, spread = _spread(step * weight[..., None], weight, REACH)
    # Fades out with the distance from the seam, where weight is 1/4.
    fade = np.clip(spread * np.float32(REACH / SEAM / 0.25), 0, 1)
    size = float((np.abs(step).mean(axis=2) * weight).sum() / max(float(weight.sum()), 1e-6))
    return np.asarray(smooth * fade[..., None], np.float32), size


def _shrunk(picture: UInt8, there: Bool) -> tuple[Float32, Float32]:
    """What is there of a picture at 1 / `COARSE` of its size: sums of colours, and of weights."""
    import cv2

    size = -(-picture.shape[1] // COARSE), -(-picture.shape[0] // COARSE)
    weight = there.astype(np.float32)
    total = np.empty((*size[::-1], 3), np.float32)
    for channel in range(3):
        total[..., channel] = cv2.resize(picture[..., channel] * weight, size, interpolation=cv2.INTER_AREA)
    return total, np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_AREA), np.float32)


def _spread(total: Float32, weight: Float32, sigma: float) -> tuple[Float32, Float32]:
    """Weighted means about each pixel, and the weights' own; `sigma` in texels of the panel."""
    import cv2

    sums = np.asarray(cv2.GaussianBlur(total, (0, 0), sigma / COARSE), np.float32)
    spread = np.asarray(cv2.GaussianBlur(weight, (0, 0), sigma / COARSE), np.float32)
    return np.asarray(sums / np.maximum(spread, np.float32(1e-6))[..., None], np.float32), spread


def _telling(inner: Bool, around: Bool) -> tuple[slice, slice]:
    """The window of at most `SAMPLE` texels a side that has most of both sides of the seam."""
    import cv2

    height, width = inner.shape
    side = SAMPLE // COARSE
    size = -(-width // COARSE), -(-height // COARSE)
    if size[0] <= side and size[1] <= side:
        return slice(0, height), slice(0, width)
    sums = [
        cv2.blur(
            cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA),
            (side, side), borderType=cv2.BORDER_CONSTANT,
        )
        for mask in (inner, around)
    ]  # fmt: skip
    row, column = np.unravel_index(np.argmax(np.minimum(*sums)), sums[0].shape)
    top, left = max(0, int(row) * COARSE - SAMPLE // 2), max(0, int(column) * COARSE - SAMPLE // 2)
    return slice(top, top + SAMPLE), slice(left, left + SAMPLE)


def _around(chart: Bool) -> tuple[slice, slice]:
    """Rows and columns about a chart, as far as is looked."""
    spans = []
    for axis in (1, 0):
        there = np.flatnonzero(chart.any(axis=axis))
        spans.append(slice(max(0, int(there[0]) - NEAR), int(there[-1]) + 1 + NEAR))
    return spans[0], spans[1]


def _near(chart: Bool, seen: Bool) -> Bool:
    import cv2

    side = 2 * NEAR + 1
    grown = cv2.dilate(chart.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_RECT, (side, side))) > 0
    near: Bool = grown & seen & ~chart
    return near
