"""A GLB that fits into so many megabytes: which reduction of mesh and texture keeps most of the photo's own view.

Several levels of mesh reduction are tried. Each leaves so much room for the texture, which gets the size and JPEG
quality that are nearest to the full one; and what fits is drawn from the photo's own camera, where the best is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from diorama.errors import InputError
from diorama.export import glb
from diorama.export.packing import Packing
from diorama.export.reduce import reduced
from diorama.products import ProductProgress

if TYPE_CHECKING:
    from diorama.types import Scene, UInt8

MEGABYTE = 1_000_000

LEVELS = (
    (1.0, 1.0, True, True), (0.7, 0.4, True, True), (0.45, 0.2, True, True), (0.3, 0.12, False, True),
    (0.2, 0.08, False, True), (0.14, 0.06, False, False), (0.09, 0.04, False, False), (0.05, 0.03, False, False),
    (0.02, 0.02, False, False),
)  # fmt: skip
"""Shares of the visible and the imagined triangles, soft rims, closed backs."""

TEXTURE_SHARE = 0.2
"""Of the budget that the texture must have at least."""

MOST_DRAWN = 4
"""Candidates that are drawn; more cost time and are seldom better."""

SCALES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.17, 0.12)
QUALITIES = (20, 92)

SAFETY = 512
"""Bytes: for the digits of lengths and offsets that a few bytes more or less change."""

COMPARED_PIXELS = 1024
"""Long side of the view in which candidates are compared."""


@dataclass(frozen=True)
class Fitted:
    """What was chosen."""

    data: bytes
    said: str


@dataclass(frozen=True)
class _Candidate:
    scene: Scene  # with the mesh as it was reduced
    layout: glb.Layout
    texture: UInt8  # as it comes out of its JPEG
    said: str


def fit(scene: Scene, layout: glb.Layout, max_bytes: int, progress: ProductProgress) -> Fitted:
    """The GLB of at most `max_bytes` that looks most like the whole scene from the photo's camera.

    Raises:
        InputError: nothing that is still a scene fits.
    """
    plain = glb.encode(scene, layout)
    if len(plain) <= max_bytes:
        return Fitted(plain, f"It fits into {max_bytes / MEGABYTE:g} MB as it is.")
    packing: Packing = "quantized" if layout.packing == "plain" else layout.packing
    layout = replace(layout, packing=packing)
    candidates = []
    for number, level in enumerate(LEVELS):
        progress(0.7 * number / len(LEVELS), "Reducing mesh and texture")
        candidate = _at_level(scene, layout, level, max_bytes)
        candidates += [candidate] if candidate else []
        if len(candidates) == MOST_DRAWN:
            break
    if not candidates:
        raise InputError(
            f"The scene can't be made as small as {max_bytes / MEGABYTE:g} MB.",
            hint="Allow more megabytes, or add --draco, which packs meshes best."
            if packing != "draco"
            else "Allow more megabytes, or make the scene with fewer triangles.",
        )
    best, found = candidates[0], 0.0
    whole = _view(scene)
    for number, candidate in enumerate(candidates):
        progress(0.7 + 0.3 * number / len(candidates), "Comparing with the whole scene")
        seen = _likeness(whole, _view(replace(candidate.scene, atlas=candidate.texture)))
        if seen > found:
            best, found = candidate, seen
    data = glb.encode(best.scene, best.layout)
    return Fitted(data, f"{best.said}; {found:.1f} dB from the photo's camera, to the whole scene.")


def _at_level(
    scene: Scene, layout: glb.Layout, level: tuple[float, float, bool, bool], max_bytes: int
) -> _Candidate | None:
    visible, imagined, rims, backs = level
    small = reduced(scene, visible, imagined, rims=rims, backs=backs)
    encoded = glb.document(small, replace(layout, texture=b"-"))
    room = max_bytes - len(glb.container(encoded)) - SAFETY
    if room < TEXTURE_SHARE * max_bytes and visible > LEVELS[-1][0]:
        return None
    made = _texture(scene.texture, room)
    if made is None:
        return None
    data, texture, quality = made
    triangles = [sum(len(mesh.faces) for mesh in one.meshes) for one in (scene, small)]
    left_out = [name for name, kept in (("soft rims", rims), ("closed backs", backs)) if not kept]
    said = [
        f"{triangles[1]:,} of {triangles[0]:,} triangles",
        {"quantized": "quantised", "draco": "packed by Draco", "meshopt": "packed by meshoptimizer", "plain": ""}[layout.packing],
        f"texture {texture.shape[1]} x {texture.shape[0]} at JPEG quality {quality}",
        f"without {' and '.join(left_out)}" if left_out else "",
    ]
    return _Candidate(small, replace(layout, texture=data), texture, ", ".join(part for part in said if part))


def _texture(full: UInt8, room: int) -> tuple[bytes, UInt8, int] | None:
    """The JPEG of at most `room` bytes that is nearest to `full`; None where there is none."""
    import cv2

    best: tuple[float, bytes, UInt8, int] | None = None
    height, width = full.shape[:2]
    for scale in SCALES:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = np.asarray(cv2.resize(full, size, interpolation=cv2.INTER_AREA), np.uint8) if scale < 1 else full
        made = _quality(small, room)
        if made is None:
            continue
        data, quality = made
        decoded = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        back = np.ascontiguousarray(decoded[..., ::-1])
        shown = cv2.resize(back, (width, height), interpolation=cv2.INTER_LINEAR)
        error = float(np.mean(np.square(cv2.absdiff(np.ascontiguousarray(shown), full), dtype=np.float32)))
        if best is not None and error > best[0]:
            break  # smaller ones only get worse
        best = error, data, back, quality
    return None if best is None else best[1:]


def _quality(rgb: UInt8, room: int) -> tuple[bytes, int] | None:
    """The best quality that fits, by bisection."""
    low, high = QUALITIES
    best: tuple[bytes, int] | None = None
    while low <= high:
        middle = (low + high) // 2
        data = glb.jpeg(rgb, middle, full_colour=False)
        if len(data) <= room:
            best, low = (data, middle), middle + 1
        else:
            high = middle - 1
    return best


def _view(scene: Scene) -> UInt8:
    """What the photo's camera sees. Not the photo: white balance and tone may have been changed on purpose."""
    from diorama.render import render

    camera = scene.camera
    share = min(1.0, COMPARED_PIXELS / max(camera.width, camera.height))
    return render(scene, size=(max(1, round(camera.width * share)), max(1, round(camera.height * share)))).rgb


def _likeness(one: UInt8, other: UInt8) -> float:
    """dB between two pictures."""
    error = np.square(one.astype(np.float32) - other).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-6)))
