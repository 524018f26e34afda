"""Improve the texture as far as advised: the photo's own flaws, the imagined parts, and the atlas's size.

    denoise, sharpen        on every panel by what is measured of it (`denoise`, `sharpen`)
    generate                imagined parts painted anew in words (`generate`)
    match-imagined          imagined parts brought to what is seen around them (`match`)
    tone, white-balance     one curve and one light for all (`tone`, `balance`)
    super-resolution        the whole atlas larger; texture coordinates stay (`enlarge`, `learned`)

Amounts count in the full scales of `measures`. Nothing takes away more than is measured, so that advice can't do harm
to a picture without the flaw. The photo stays in the scene as it was; this makes another atlas.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, get_args

from diorama import memory
from diorama.advice import Outcome, ReconstructionAdvice, TextureAction, TextureAdvice, texture_key
from diorama.types import Progress, Rebuilt, Scene, Textured

if TYPE_CHECKING:
    from diorama.texture.generate import Paint
    from diorama.texture.panels import Panel
    from diorama.types import Bool, UInt8

Filter: TypeAlias = "Callable[[UInt8, Bool, Panel], UInt8]"
"""(a panel's window, where it has charts, the panel) -> the window"""

ORDER: tuple[TextureAction, ...] = (
    "denoise",
    "sharpen",
    "generate",
    "match-imagined",
    "tone",
    "white-balance",
    "super-resolution",
)
"""Noise first, lest it be sharpened; what is imagined once the photo is as it will be; the size last, for it costs."""

assert set(ORDER) == set(get_args(TextureAction))

LEAST_NOISE = 1.0
"""8-bit steps; less is no more than rounding and fine texture."""

SHARP = 0.5
"""Pixels of blur that the edges of a sharp photo have: those of a lens and of pixels with an extent."""

LEAST_BLUR = 0.3
LEAST_CAST = 1.0
LEAST_TONE = 0.03

TRIED = 320
"""Long side in pixels at which it is tried how much a change changes."""

DOUBT_TONE, DOUBT_CAST = 0.9, 9.0
"""Darkness and colour that a clean photo of a night or a wooden room measures as well: what is advised from measures
alone takes away no more than what is beyond; who has looked at the picture is trusted with all of it."""

MOST_TONE, MOST_CAST = 0.6, 12.0
"""The most that is taken away on their word: night and sunset are meant to be dark and red."""

MOST_CHANGE = 3.4
"""Root mean square, in 8-bit steps, that tone and white balance each may change on the word of measures alone, where
nothing but the middle says that the light is wrong: no measure tells a low-key picture, a sunset or a wooden board from
a spoilt photo. 37.5 dB; both together stay above 34."""

WORSE = 0.03
"""Share by which a flaw may measure larger after it was mended on the word of that measure, for none of them is finer.
By more than that it has misjudged the photo."""

HIGHLIGHTS, SHADOWS = 0.75, 0.15
"""Brightness of the brightest and the darkest per cent. A dark photo that has highlights, or a bright one that has
shadows, keeps its whole range as a wrong curve does: there tone may change more. Low-key and high-key pictures lack
them."""


@dataclass
class Work:
    """The atlas as it is being improved."""

    atlas: UInt8
    panels: tuple[Panel, ...]
    scene: Scene

    @property
    def photo(self) -> tuple[UInt8, Bool]:
        """The visible panel, and what of it the photo shows."""
        rows, columns = self.panels[0].window
        seen = self.panels[0].seen[rows, columns]
        return self.panels[0].of(self.atlas)[rows, columns], seen

    def kept(self, item: TextureAdvice) -> UInt8 | None:
        """The atlas as it is, where a measure alone says that something should be done to all of it."""
        return self.atlas.copy() if item.source == "local" and item.segment is None else None

    def each(self, make: Filter, segment: int | None = None) -> None:
        """Replace every panel's window by what `make` makes of it; of one segment's charts alone, where it is given."""
        import numpy as np

        for panel in self.panels:
            part = panel.of(self.atlas)[panel.window]
            if not part.size:
                continue
            memory.ease()
            charts = panel.charts[panel.window]
            chosen = charts > 0 if segment is None else charts // 2 - 1 == segment
            if not chosen.any():
                continue
            made = make(np.ascontiguousarray(part), chosen, panel)
            part[...] = made if segment is None else np.where(chosen[..., None], made, part)


def improve(
    rebuilt: Rebuilt,
    scene: Scene,
    plan: ReconstructionAdvice,
    *,
    paint: Paint,
    progress: Progress,
) -> tuple[Textured, str, str, tuple[str, ...]]:
    """Do what `plan.texture` says to the atlas.

    Args:
        rebuilt: the scene's surfaces and their atlas.
        scene: the enhanced scene: its settings and segments.
        plan: the advice, less what was declined.
        paint: paints holes by words (`inpaint`).

    Returns:
        The record with an outcome for every suggestion, the backend, the reason, warnings.
    """
    from diorama.texture import panels

    if not plan.texture:
        return Textured(rebuilt.layered.atlas), "none", "Nothing was advised.", ()
    found = panels.find(rebuilt.layered, rebuilt.points.camera)
    if not found:
        said = tuple(_not(item, "nothing of the photo is in this scene") for item in plan.texture)
        return Textured(rebuilt.layered.atlas, said), "none", "Nothing of the photo is in this scene.", ()
    work = Work(rebuilt.layered.atlas.copy(), found, scene)
    todo = sorted(plan.texture, key=lambda item: ORDER.index(item.action))
    outcomes: dict[int, Outcome] = {}
    warnings: list[str] = []
    for done, item in enumerate(todo):
        progress("texture", done / len(todo), f"Improving the texture: {item.action.replace('-', ' ')}")
        memory.ease()
        outcomes[id(item)] = _carried_out(item, work, paint, warnings)
    ordered = tuple(outcomes[id(item)] for item in plan.texture)
    applied = [item.action for item in todo if outcomes[id(item)].applied]
    reason = f"{len(applied)} of {len(todo)} suggestions applied"
    return Textured(work.atlas, ordered), ", ".join(dict.fromkeys(applied)) or "none", reason, tuple(warnings)


def _carried_out(item: TextureAdvice, work: Work, paint: Paint, warnings: list[str]) -> Outcome:
    if item.amount == 0:
        return _not(item, "its amount is 0")
    if item.segment is not None and not any((panel.segments == item.segment).any() for panel in work.panels):
        return _not(item, f"there is no segment {item.segment}")
    if item.action == "denoise":
        return _denoise(item, work)
    if item.action == "sharpen":
        return _sharpen(item, work)
    if item.action == "generate":
        from diorama.texture import generate

        return generate.generate(item, work, paint, warnings)
    if item.action == "match-imagined":
        return _match(item, work)
    if item.action == "tone":
        return _tone(item, work)
    if item.action == "white-balance":
        return _balance(item, work)
    return _enlarge(item, work, warnings)


def _denoise(item: TextureAdvice, work: Work) -> Outcome:
    from diorama import measures
    from diorama.texture import panels
    from diorama.texture.denoise import denoise

    before = measures.noise(*work.photo)
    if before < LEAST_NOISE:
        return _not(item, "the photo has next to no noise", f"noise {before:.1f} of 255")
    limit = item.amount * measures.NOISE_FULL
    kept = work.kept(item)
    work.each(
        lambda rgb, there, _: denoise(rgb, min(limit, measures.noise(rgb, there)), panels.grown(there)), item.segment
    )
    after = measures.noise(*work.photo)
    texts = f"noise {before:.1f} of 255", f"{after:.1f} of 255"
    return _judged(item, work, kept, "Noise was taken out", (before, after), texts)


def _sharpen(item: TextureAdvice, work: Work) -> Outcome:
    from diorama import measures
    from diorama.texture.sharpen import sharpen

    photo, seen = work.photo
    noise = measures.noise(photo, seen)
    before = measures.blur(photo, seen, noise)
    sigma = min(math.sqrt(max(0.0, before**2 - SHARP**2)), item.amount * measures.BLUR_FULL)
    if sigma < LEAST_BLUR:
        return _not(item, "the photo's edges are sharp", f"edges {before:.1f} px wide")
    finest = work.panels[0].scale

    def sharper(rgb: UInt8, _there: Bool, panel: Panel) -> UInt8:
        wide = sigma * panel.scale / finest
        return sharpen(rgb, wide, noise) if wide >= LEAST_BLUR else rgb

    kept = work.kept(item)
    work.each(sharper, item.segment)
    after = measures.blur(*work.photo)
    texts = f"edges {before:.1f} px wide", f"{after:.1f} px"
    return _judged(item, work, kept, "Blur was taken out by deconvolution", (before, after), texts)


def _tone(item: TextureAdvice, work: Work) -> Outcome:
    from diorama import measures
    from diorama.texture.tone import adjust

    found = measures.tone(*work.photo)
    before = found.exponent
    size = abs(before) if item.source != "local" else min(max(0.0, abs(before) - DOUBT_TONE), MOST_TONE)
    size = min(size, item.amount * measures.TONE_FULL)
    evident = found.high > HIGHLIGHTS if before < 0 else found.low < SHADOWS
    if item.source == "local" and not evident:
        size = _restrained(work, lambda rgb, much: adjust(rgb, math.copysign(much, before)), size)
    exponent = math.copysign(size, before)
    if abs(exponent) < LEAST_TONE:
        return _not(item, "the photo is as dark or bright as photos may be", _middle(before))
    kept = work.kept(item)
    work.each(lambda rgb, _there, _panel: adjust(rgb, exponent), item.segment)
    after = measures.tone(*work.photo).exponent
    sentence = f"The photo was {'brightened' if exponent < 0 else 'darkened'}"
    return _judged(item, work, kept, sentence, (abs(before), abs(after)), (_middle(before), _middle(after)))


def _balance(item: TextureAdvice, work: Work) -> Outcome:
    from diorama import measures
    from diorama.texture.balance import balance, strength

    light = measures.illuminant(*work.photo)
    before = strength(measures.cast_of(light))
    size = before if item.source != "local" else min(before - DOUBT_CAST, MOST_CAST)
    size = min(size, item.amount * measures.CAST_FULL)
    if item.source == "local" and size >= LEAST_CAST:
        size = _restrained(work, lambda rgb, much: balance(rgb, light, much / before), size)
    if size < LEAST_CAST:
        return _not(item, "the light is as white as can be told", f"cast {before:.1f} CIELAB units")
    share = size / before
    kept = work.kept(item)
    work.each(lambda rgb, _there, _panel: balance(rgb, light, share), item.segment)
    after = strength(measures.cast(*work.photo))
    texts = f"cast {before:.1f} CIELAB units", f"{after:.1f}"
    return _judged(item, work, kept, "The light's colour was made up for", (before, after), texts)


def _restrained(work: Work, change: Callable[[UInt8, float], UInt8], size: float) -> float:
    """As much of `size` as changes what the photo shows by `MOST_CHANGE` at most; `change` grows with it."""
    import cv2
    import numpy as np

    photo, seen = work.photo
    scale = min(1.0, TRIED / max(seen.shape))
    small = max(1, round(seen.shape[1] * scale)), max(1, round(seen.shape[0] * scale))
    rgb = np.asarray(cv2.resize(photo, small, interpolation=cv2.INTER_AREA), np.uint8)
    there = cv2.resize(seen.astype(np.uint8), small, interpolation=cv2.INTER_NEAREST_EXACT) > 0
    low, high = 0.0, size
    for attempt in range(8):
        middle = high if attempt == 0 else (low + high) / 2
        difference = change(rgb, middle)[there].astype(np.float32) - rgb[there]
        fits = not difference.size or float(np.sqrt(np.mean(np.square(difference)))) <= MOST_CHANGE
        low, high = (middle, high) if fits else (low, middle)
        if low == high:
            break
    return low


def _match(item: TextureAdvice, work: Work) -> Outcome:
    import cv2
    import numpy as np

    from diorama.texture import match, panels

    visible = work.panels[0]
    seen = np.where(visible.seen, visible.segments, -1).astype(np.int32)
    compared = []
    for panel in work.panels:
        part = panel.of(work.atlas)
        imagined = np.where(panel.imagined, panel.segments, -1).astype(np.int32)
        if item.segment is not None:
            imagined[imagined != item.segment] = -1
        photo, labels = part, seen
        if panel is not visible:
            size = part.shape[1], part.shape[0]
            photo = np.asarray(cv2.resize(visible.of(work.atlas), size, interpolation=cv2.INTER_AREA), np.uint8)
            labels = np.asarray(cv2.resize(seen, size, interpolation=cv2.INTER_NEAREST_EXACT), np.int32)
        made, found = match.match(part, imagined, photo, labels, item.amount)
        if found:
            part[...] = made if panel is visible else panels.padded_out(made, panel.charts > 0)
        compared += found
    if not compared:
        return _not(item, "no imagined part is large enough, or none has its own thing in sight beside it")
    before, after = (match.mean(compared, which) for which in (1, 2))
    return _done(item, "The imagined parts were brought to what is around them", str(before), str(after))


def _enlarge(item: TextureAdvice, work: Work, warnings: list[str]) -> Outcome:
    from diorama.texture import enlarge, learned
    from diorama.texture.panels import enlarged

    height, width = work.atlas.shape[:2]
    if item.segment is not None:
        return _not(item, "one segment alone can't be made larger: all share a picture")
    scale = min(enlarge.MOST**item.amount, work.scene.settings.texture_size / max(width, height))
    if scale < enlarge.LEAST:
        return _not(item, "the texture is as large as it may be", f"{width} x {height} px")
    network, trouble = learned.network()
    warnings += [trouble] if trouble else []
    size = round(width * scale), round(height * scale)
    across, down = size[0] / width, size[1] / height
    larger = tuple(enlarged(panel, across, down) for panel in work.panels)
    work.atlas = enlarge.atlas(work.atlas, size, work.panels, larger, network)
    work.panels = larger
    how = f"by {network.path.name}" if network else "by interpolation and back-projection"
    return _done(item, f"The texture was made larger {how}", f"{width} x {height} px", f"{size[0]} x {size[1]} px")


def _middle(exponent: float) -> str:
    side = "dark" if exponent < 0 else "bright"
    return f"{abs(exponent):.2f} doublings of gamma too {side}"


def _judged(
    item: TextureAdvice,
    work: Work,
    kept: UInt8 | None,
    sentence: str,
    flaw: tuple[float, float],
    texts: tuple[str, str],
) -> Outcome:
    """What was done on the word of a measure alone is taken back where that measures more of the flaw than before."""
    if kept is not None and flaw[1] > (1 + WORSE) * flaw[0]:
        work.atlas = kept
        return _not(item, "it was tried, and measured worse than before, so it was left out", texts[0])
    return _done(item, sentence, *texts)


def _done(item: TextureAdvice, sentence: str, before: str, after: str) -> Outcome:
    return Outcome(key=texture_key(item), applied=True, sentence=f"{sentence}.", before=before, after=after)


def _not(item: TextureAdvice, why: str, before: str = "") -> Outcome:
    return Outcome(key=texture_key(item), applied=False, sentence=f"{why[:1].upper()}{why[1:]}.", before=before)


__all__ = ["improve"]
