"""Random scenes for training the depth network: photographs that never were, with their exact inverse depth.

`sample` builds a scene of solid shapes (of what kinds, say `rooms`, `halls`, `streets`, `sites`, `lands`, `still`,
`flats`, `waters`, `skyline`), lights it (`lighting`), draws it at two by two samples a pixel (`view`, `raster`,
`shading`) and takes its photograph (`lens`).
All randomness comes from the generator that the caller gives, so a sample is a function of it and the textures.

Inverse depth is in 1/m along the optical axis, 0 in the sky. At the edge of a thing a pixel's colour is mixed of what
it sees, its depth is that of the nearest surface that fills half of it. Glass, mirrors and screens have the depth of
their surface. Blur by the lens moves colours, not depths. Over many samples the picture's sides are as far as its
middle, so that nothing is learnt from where the border is.

A sample of 192 by 256 takes 20 to 35 ms of one core, half of it shading. What is not there yet: bounced light (lamps
reach round corners, dimmed by the occlusion of near things), glass that is seen through, water with waves, cloth that
follows a body. `python -m training.scenes SHEET.png` shows some.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from training.scenes import flats, halls, lands, lens, rooms, sites, skyline, still, streets, waters
from training.scenes.rooms import Scene
from training.scenes.stage import Stage
from training.scenes.textures import Textures, default
from training.scenes.view import draw

__all__ = ["KINDS", "Sample", "Textures", "sample", "stream"]

KINDS: dict[str, tuple[float, Callable[[Stage], Scene]]] = {
    "room": (0.13, rooms.room),
    "still": (0.16, still.still),
    "tabletop": (0.08, still.tabletop),
    "desks": (0.06, sites.desks),
    "hall": (0.1, halls.hall),
    "corridor": (0.04, halls.corridor),
    "stairwell": (0.03, halls.stairwell),
    "street": (0.07, streets.street),
    "front": (0.06, streets.front),
    "relief": (0.05, sites.relief),
    "court": (0.06, streets.court),
    "boulders": (0.04, sites.boulders),
    "landscape": (0.05, lands.landscape),
    "vegetation": (0.04, lands.vegetation),
    "portrait": (0.04, still.portrait),
    "people": (0.03, still.people),
    "animal": (0.02, still.animal),
    "surface": (0.06, flats.surface),
    "panel": (0.08, flats.panel),
    "straight": (0.07, flats.straight),
    "above": (0.05, flats.above),
    "down": (0.03, skyline.down),
    "boats": (0.05, waters.boats),
    "shore": (0.04, waters.shore),
    "tower": (0.03, skyline.tower),
    "frames": (0.03, skyline.frames),
    "wires": (0.02, skyline.wires),
}
"""Each kind of scene: its share of the samples (of their sum), and its maker."""

FLAT = ("surface", "panel", "straight", "above", "down")
"""Kinds whose depth may hardly change."""

TRIES = 3
"""Scenes that are built for a sample before one is taken that shows little (something before the lens, a bare wall)."""

NICE = 5
"""By how much the workers of `stream` step back for the training."""


@dataclass(frozen=True)
class Sample:
    """A photograph with its truth."""

    rgb: NDArray[np.uint8]  # (H, W, 3) sRGB
    inverse_depth: NDArray[np.float32]  # (H, W) 1/m, 0 = sky
    sky: NDArray[np.bool_]  # (H, W)
    fov_degrees: float  # across the width
    kind: str


def sample(
    rng: np.random.Generator, height: int, width: int, textures: Textures | None = None, *, kind: str | None = None
) -> Sample:
    """A random scene's photograph of `height` by `width` pixels, of the `kind` if one is named.

    `textures`: None takes a small set that needs no folder of photographs.
    """
    textures = textures or default()
    r = Random(int(rng.integers(2**62)))
    kind = kind or r.choices(list(KINDS), [share for share, _ in KINDS.values()])[0]
    for _ in range(TRIES):
        stage = Stage(r, textures)
        view, light, dim = KINDS[kind][1](stage)
        drawn = draw(stage, view, light, height, width)
        if kind in FLAT or _shows_something(drawn.inverse):
            break
    rgb, inverse = lens.expose(r, drawn, view, textures.grain, dim)
    return Sample(rgb, inverse, inverse == 0, view.horizontal_fov(height, width), kind)


def _shows_something(inverse: NDArray[np.float32]) -> bool:
    """Whether the depth spans a factor of 1.3, and what is nearest leaves a fifth of the picture to the rest."""
    seen = inverse[::4, ::4]
    seen = np.sort(seen[seen > 0])
    if len(seen) < 0.2 * inverse.size / 16:
        return False
    low, middle, high = (float(seen[int(share * (len(seen) - 1))]) for share in (0.05, 0.25, 0.95))
    return high > 1.3 * low and high > 1.08 * middle and high < 12


def stream(
    seed: int,
    sizes: Sequence[tuple[int, int]],
    processes: int,
    photos: Path | None = None,
    *,
    start: int = 0,
    ahead: int = 48,
) -> Iterator[Sample]:
    """Samples for ever, the i-th a function of (seed, i) and of the photographs alone, in order.

    Args:
        sizes: (height, width) of the samples; the i-th has the size i modulo their number.
        processes: workers, each a process with a single thread.
        photos: folder of licence-clean photographs for textures; a small set of textures without.
        start: number of the first sample, to go on where a run ended.
        ahead: samples a worker may be ahead of the reader.
    """
    context = multiprocessing.get_context("spawn")
    queues = [context.Queue(ahead) for _ in range(processes)]
    workers = [
        context.Process(target=_work, args=(queue, seed, list(sizes), start + number, processes, photos), daemon=True)
        for number, queue in enumerate(queues)
    ]
    for worker in workers:
        worker.start()
    try:
        while True:
            for queue, worker in zip(queues, workers, strict=True):
                yield _next(queue, worker)
    finally:
        for worker in workers:
            worker.terminate()


def _next(queue, worker) -> Sample:  # type: ignore[no-untyped-def]
    """The worker's next sample; an error where it died."""
    import queue as queues

    while True:
        try:
            answer: Sample = queue.get(timeout=5)
            return answer
        except queues.Empty:
            if not worker.is_alive():
                raise RuntimeError(f"A worker that makes scenes ended with code {worker.exitcode}.") from None


def _work(queue, seed: int, sizes: list[tuple[int, int]], first: int, step: int, photos: Path | None) -> None:  # type: ignore[no-untyped-def]
    import cv2

    os.nice(NICE)
    cv2.setNumThreads(1)
    textures = default() if photos is None else Textures.make(photos)
    index = first
    while True:
        height, width = sizes[index % len(sizes)]
        queue.put(sample(np.random.default_rng([seed, index]), height, width, textures))
        index += step
