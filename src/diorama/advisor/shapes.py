"""Shapes of segments and how they are fused, from fits of planes, bulges and ridges to their depth."""

from __future__ import annotations

from collections.abc import Iterator

from diorama.advice import Advised, FusionAction, FusionAdvice, Shape
from diorama.advisor.surfaces import STEP, Surfaces
from diorama.segments import flat_kinds
from diorama.types import Segment

FLAT = 0.008
"""Robust standard deviation from a plane, as a share of the near inverse depth: under a pixel of parallax on a phone
at the default travel."""

STANDS_OUT = 0.012
"""How far a bulge or an edge must stand out to be told from the noise of depth, in the same unit."""

ROUND, BOXY = 0.45, 0.75
"""Share of a plane's squared error that a bulge, or two planes, must explain. A fold bends any bent surface a little
straighter, so a box's must explain nearly all."""

SMALL = 0.004
"""Share of the photo: estimated depth shows nothing of the shape of smaller things."""

FREE = 0.5
"""Share of its outline at which a thing must stand in front to be free."""

CUT_OFF = 0.2
"""Share of the outline on the photo's frame from which a thing is not seen whole."""

PLANAR = 0.06
"""Standard deviation from a plane at which the ground is no plane any more."""

SMOOTH_STEP = 0.006
"""Median step across an outline up to which two surfaces go on into each other."""

SAME_COLOUR = 12.0
"""CIELAB difference across it up to which they may be one: twice what two patches of a textured wall differ."""

BACKS: dict[Shape, float] = {"round": 0.5, "boxy": 0.45, "relief": 0.3}
"""Depth of the back as a share of the thing's width: a ball's is half of it, a figure is flatter than it is wide."""


def shape(item: Segment, surfaces: Surfaces) -> Advised[Shape] | None:
    """What a thing's depth looks like; None where it can't tell: small things, and scenery, which has no back."""
    fit = surfaces.fits.get(item.id)
    if fit is None or item.kind not in ("subject", "object") or item.area < SMALL * surfaces.segments.labels.size:
        return None
    off = f"{fit.residual:.1%} of the near inverse depth"
    words = "The middle stands out by {:.1%} of the near inverse depth, and {} explains {:.0%} of what a plane leaves."
    if fit.ridge_gain >= BOXY and fit.ridge >= STANDS_OUT and fit.ridge_gain > fit.bulge_gain:
        reason = words.format(fit.ridge, "an edge between two planes", fit.ridge_gain)
        return _shape("boxy", fit.ridge_gain, reason)
    if fit.bulge_gain >= ROUND and fit.bulge >= STANDS_OUT:
        return _shape("round", fit.bulge_gain, words.format(fit.bulge, "a bulge", fit.bulge_gain))
    if fit.residual <= FLAT:
        return _shape("flat", 1 - fit.residual / FLAT * 0.5, f"Its depth is a plane's to {off}.")
    return _shape("relief", 0.5, f"Its depth leaves a plane by {off}, as neither a bulge nor an edge would.")


def fusion(surfaces: Surfaces, shapes: dict[int, Shape], *, measured: bool = False) -> tuple[FusionAdvice, ...]:
    """The plan: planes, backdrops, backs to close, and what goes on into what.

    Args:
        measured: depth was measured: nothing is said that would move what is seen but for the sky.
    """
    items = surfaces.segments.items
    return (
        *(found for item in items for found in _own(item, surfaces, shapes.get(item.id), flat_kinds(measured))),
        *(() if measured else _joins(surfaces)),
    )


def _own(item: Segment, surfaces: Surfaces, shape: Shape | None, flat: tuple[str, ...]) -> Iterator[FusionAdvice]:
    fit = surfaces.fits.get(item.id)
    if item.kind == "sky":
        share = item.area / surfaces.segments.labels.size
        yield _fusion("backdrop", (item.id,), 1.0, f"The sky, {share:.0%} of the photo, lies behind everything.")
    if fit is None:
        return
    if item.kind in flat:
        amount = 1 - fit.residual / PLANAR
        if amount > 0.05:
            yield _fusion(
                "plane",
                (item.id,),
                amount,
                f"Half of its points lie within {fit.residual * 0.6745:.1%} of the near inverse depth of one plane.",
            )
    if item.kind in ("subject", "object"):
        yield from _back(item, surfaces, shape)


def _back(item: Segment, surfaces: Surfaces, shape: Shape | None) -> Iterator[FusionAdvice]:
    front, cut_off = surfaces.outline(item.id)
    back = BACKS.get(shape or "flat", 0.0)
    if front < FREE or cut_off > CUT_OFF or not back:
        return
    yield _fusion(
        "close-back",
        (item.id,),
        back,
        f"It stands in front along {front:.0%} of its outline and the frame cuts off {cut_off:.0%}; its depth is "
        f"{shape}, so its back is taken as {back:.0%} of its width deep.",
        confidence=min(1.0, front * (1 - cut_off)),
    )


def _joins(surfaces: Surfaces) -> Iterator[FusionAdvice]:
    kinds = {item.id: item.kind for item in surfaces.segments.items}
    things, scenery = {"subject", "object"}, {"ground", "wall", "background"}
    for meeting in surfaces.meetings:
        pair = {kinds[meeting.a], kinds[meeting.b]}
        if not (pair <= things or pair <= scenery) or meeting.length < 8:
            continue
        if meeting.step <= SMOOTH_STEP and meeting.apart <= 0.15 and meeting.colour <= SAME_COLOUR:
            yield _fusion(
                "join",
                (meeting.a, meeting.b),
                1.0,
                f"Across their outline depth steps by {meeting.step:.1%} of the near inverse depth (over {STEP:.0%} on "
                f"{meeting.apart:.0%} of it) and colour by {meeting.colour:.0f} CIELAB units: they are one surface.",
                confidence=1 - meeting.step / SMOOTH_STEP / 2,
            )


def _shape(name: Shape, confidence: float, reason: str) -> Advised[Shape]:
    return Advised[Shape](value=name, reason=reason, source="local", confidence=round(confidence, 3))


def _fusion(
    action: FusionAction, ids: tuple[int, ...], amount: float, reason: str, confidence: float = 1.0
) -> FusionAdvice:
    return FusionAdvice(
        action=action,
        segments=ids,
        amount=round(amount, 3),
        reason=reason,
        source="local",
        confidence=round(confidence, 3),
    )
