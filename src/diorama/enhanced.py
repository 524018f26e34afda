"""The stages of step 3, "enhanced": what is in the photo, and what it hides.

First the edges of estimated depth are put where the photo has them: all that follows is of these points.

segments  Segments      the things in the photo
advice    SceneAdvice   what the advisor says of them and of the scene
layers    Layered       visible and imagined surfaces
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from diorama.advice import SceneAdvice
from diorama.errors import ModelError
from diorama.settings import Settings, StageName
from diorama.types import (
    Bool,
    Cuts,
    DepthMap,
    Float32,
    Layered,
    Photo,
    PointCloud,
    Progress,
    SegmentEdit,
    Segments,
    UInt8,
)

if TYPE_CHECKING:
    from diorama.layered import Imagined


def silhouettes(points: PointCloud, cuts: Cuts, depth: DepthMap, settings: Settings) -> tuple[PointCloud, Cuts]:
    """Points and cuts with the edges of estimated depth where the photo has them; `edge_sharpness` 0 leaves them."""
    if not depth.estimated or settings.edge_sharpness == 0:
        return points, cuts
    from diorama.cuts import by_hand, find_cuts
    from diorama.silhouettes import align, attach, unframed

    given = points
    points = unframed(points)
    if depth.sky is not None:
        points = attach(points, depth.sky)
    if points is not given or depth.cut is not None or depth.joined is not None:  # else the cuts are theirs
        cuts = find_cuts(points, settings)
    points = align(points, cuts, settings)
    return points, by_hand(find_cuts(points, settings), depth)


def segments(
    points: PointCloud, cuts: Cuts, photo: Photo, depth: DepthMap, settings: Settings, fetch: bool, progress: Progress
) -> tuple[Segments, str, str, tuple[str, ...]]:
    from diorama.segment import segment

    segments, backend, reason = segment(points, cuts, photo, depth, settings, fetch=fetch, progress=progress)
    return segments, backend, reason, ()


@dataclass(frozen=True)
class Hidden:
    """What the photo hides, imagined: the layers before they are split into segments."""

    imagined: Imagined
    backend: str
    reason: str
    warnings: tuple[str, ...]

    def layers(self, segments: Segments, said: tuple[str, ...]) -> tuple[Layered, str, str, tuple[str, ...]]:
        return self.imagined.split(segments), self.backend, self.reason, said + self.warnings


def hidden(
    points: PointCloud,
    cuts: Cuts,
    photo: Photo,
    depth: DepthMap,
    settings: Settings,
    fetch: bool,
    progress: Progress,
    stage: StageName = "layers",
    behind: str = "",
) -> Hidden:
    """The longest part of the stage `layers`; all but inpainters that take words (`behind`) need no segments for it."""
    from diorama import inpaint
    from diorama.layered import imagine
    from diorama.rims import ESTIMATED, GIVEN

    def of_download(_stage: str, share: float, sentence: str) -> None:
        progress(stage, 0.1 * share, sentence)

    name, reason = inpaint.choose(settings.inpaint, fetch=fetch, progress=of_download)
    left, lock = 0.8, Lock()  # fills may run side by side
    said: tuple[str, ...] = ()

    def fill(rgb: UInt8, hole: Bool, known: Bool, disparity: Float32, visible: Float32) -> UInt8:
        nonlocal left, name, said
        with lock:
            tried = name
            progress(stage, 1 - left, f"Imagining what is hidden with {name}")
            left *= 0.8  # how many layers there are shows when they are found
        prompt = "" if disparity is visible else behind  # beyond the frame, where what is seen goes on, both are one
        paint = partial(inpaint.fill, rgb, hole, known, disparity=disparity, visible=visible, prompt=prompt)
        try:
            return paint(model=tried)
        except ModelError as error:
            if settings.inpaint != "auto" or tried == "bundled":
                raise
            with lock:
                said += (f"{error.message} The bundled inpainter was used instead.",) if name == tried else ()
                name = "bundled"
            return paint(model="bundled")

    imagined = imagine(points, cuts, photo, settings, fill, ESTIMATED if depth.estimated else GIVEN)
    return Hidden(imagined, name, reason, said + imagined.warnings)


def takes_words(settings: Settings) -> bool:
    """Whether the inpainter has to know what is hidden before it begins."""
    from diorama import inpaint

    return settings.inpaint != "auto" and inpaint.takes_words(settings.inpaint)


def advice(
    photo: Photo, depth: DepthMap, points: PointCloud, segments: Segments, settings: Settings
) -> tuple[SceneAdvice, str, str, tuple[str, ...]]:
    from diorama import advisor

    found = advisor.advise(advisor.SceneQuestion(photo, depth, points, segments), settings.advisor)
    return found.advice, found.advice.adviser, found.reason, found.warnings


def advised(segments: Segments, advice: SceneAdvice, points: PointCloud) -> tuple[Segments, tuple[str, ...]]:
    """The segments with the names, kinds and merges that are advised."""
    from diorama.segment.advised import follow

    return follow(segments, advice, points)


def edited(segments: Segments, edits: tuple[SegmentEdit, ...], points: PointCloud) -> tuple[Segments, tuple[str, ...]]:
    if not edits:
        return segments, ()
    from diorama.segment.edit import apply_all

    return apply_all(segments, edits, points)


def advisor_identity(settings: Settings) -> str:
    """Which advisor this is, where its name alone doesn't say: the model and the server."""
    from diorama import advisor

    return advisor.identity(settings.advisor)


def layers_identity(edits: tuple[SegmentEdit, ...], said: tuple[str, ...], settings: Settings) -> str:
    """Which layers these are, where the settings alone don't say: a person's edits, and what `auto` takes today.

    Names change no layer and are put on afterwards. Where an edit was left out, the stage's report says so (`said`):
    then all edits count.
    """
    from diorama import inpaint

    inpainter = inpaint.choose("auto")[0] if settings.inpaint == "auto" else ""
    return json.dumps([inpainter, *(asdict(edit) for edit in edits if said or edit.kind != "rename")])
