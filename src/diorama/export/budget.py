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
from diorama.export.reduce import WHOLE, Detail, reduced
from diorama.products import ProductProgress

if TYPE_CHECKING:
    from diorama.types import Scene, UInt8

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Level:
    """A reduction of the mesh."""

    visible: Detail
    imagined: Detail
    rims: bool = True  # soft ones
    backs: bool = True  # of things that stand free


LEVELS = (
    Level(WHOLE, WHOLE),
    Level(Detail(2, 0.7), Detail(4, 0.5)),
    Level(Detail(3, 0.5), Detail(6, 0.5)),
    Level(Detail(3, 0.3), Detail(6, 0.4), rims=False),
    Level(Detail(5, 0.5), Detail(10, 0.3), rims=False),
    Level(Detail(8, 0.5), Detail(16, 0.3), rims=False),
    Level(Detail(12, 0.5), Detail(24, 0.3), rims=False, backs=False),
    Level(Detail(16, 0.5), Detail(32, 0.3), rims=False, backs=False),
    Level(Detail(32, 0.5), Detail(48, 0.3), rims=False, backs=False),
)
"""From the whole mesh downwards."""

TEXTURE_SHARE = 0.2
"""Of the budget that the texture must have at least."""

MOST_DRAWN = 4
"""Candidates that are drawn; more cost time and are seldom better."""

SOFTNESS = (1, 4)
"""How much coarser than the photo imagined parts of the texture may be."""

UNSEEN = 0.1
"""What an error counts that the photo's camera hardly sees, for one that it does."""

GOOD = 12.0
"""Mean squared error (37 dB) from which on nothing has to be given up."""

SCALES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.17, 0.12)
QUALITIES = (20, 92)

SAFETY = 512
"""Bytes: for the digits of lengths and offsets that a few bytes more or less change."""

COMPARED_PIXELS = 1024
"""Long side of the view in which candidates are compared."""


@dataclass(frozen=True)
class _Texture:
    """A JPEG that fits."""

    data: bytes
    rgb: UInt8  # as it comes out again
    said: str


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


def _at_level(scene: Scene, layout: glb.Layout, level: Level, max_bytes: int) -> _Candidate | None:
    small = reduced(scene, level.visible, level.imagined, rims=level.rims, backs=level.backs)
    encoded = glb.document(small, replace(layout, texture=b"-"))
    room = max_bytes - len(glb.container(encoded)) - SAFETY
    if room < TEXTURE_SHARE * max_bytes and level != LEVELS[-1]:
        return None
    made = _texture(scene.texture, _seen(scene), room)
    if made is None:
        return None
    triangles = [sum(len(mesh.faces) for mesh in one.meshes) for one in (scene, small)]
    left_out = [name for name, kept in (("soft rims", level.rims), ("closed backs", level.backs)) if not kept]
    said = [
        f"{triangles[1]:,} of {triangles[0]:,} triangles",
        {"quantized": "quantised", "draco": "packed by Draco", "meshopt": "packed by meshoptimizer", "plain": ""}[
            layout.packing
        ],
        made.said,
        f"without {' and '.join(left_out)}" if left_out else "",
    ]
    return _Candidate(small, replace(layout, texture=made.data), made.rgb, ", ".join(part for part in said if part))


def _texture(full: UInt8, seen: tuple[slice, slice], room: int) -> _Texture | None:
    """The JPEG of at most `room` bytes that is nearest to `full` where the photo is; None where there is none."""
    import cv2

    best: tuple[float, _Texture] | None = None
    height, width = full.shape[:2]
    for softness in SOFTNESS:
        soft = _softened(full, seen, softness)
        least = np.inf
        for scale in SCALES:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = np.asarray(cv2.resize(soft, size, interpolation=cv2.INTER_AREA), np.uint8) if scale < 1 else soft
            made = _quality(small, room)
            if made is None:
                continue
            data, quality = made
            decoded = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)
            back = np.ascontiguousarray(decoded[..., ::-1])
            shown = np.asarray(cv2.resize(back, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
            error = _error(shown[seen], full[seen]) + UNSEEN * _error(shown, full)
            if error > least:
                break  # smaller ones only get worse
            least = error
            if best is None or error < best[0]:
                said = f"texture {back.shape[1]} x {back.shape[0]} at JPEG quality {quality}"
                best = error, _Texture(data, back, said + (", imagined parts softened" if softness > 1 else ""))
        if best is not None and best[0] < GOOD:
            break
    return None if best is None else best[1]


def _seen(scene: Scene) -> tuple[slice, slice]:
    """Rows and columns of the texture that visible surfaces are drawn from."""
    height, width = scene.texture.shape[:2]
    uv = [mesh.uv for mesh in scene.meshes if not mesh.imagined and len(mesh.uv)]
    if not uv:
        return slice(0, height), slice(0, width)
    low, high = np.concatenate(uv).min(axis=0), np.concatenate(uv).max(axis=0)
    (x0, y0), (x1, y1) = (low * (width, height)).astype(int), np.ceil(high * (width, height)).astype(int)
    return slice(int(y0), max(int(y1), int(y0) + 1)), slice(int(x0), max(int(x1), int(x0) + 1))


def _softened(full: UInt8, seen: tuple[slice, slice], softness: int) -> UInt8:
    """The texture with less detail outside of what is seen: it costs less there."""
    import cv2

    height, width = full.shape[:2]
    if softness == 1:
        return full
    size = max(1, width // softness), max(1, height // softness)
    small = cv2.resize(full, size, interpolation=cv2.INTER_AREA)
    soft = np.array(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    soft[seen] = full[seen]
    return soft


def _error(one: UInt8, other: UInt8) -> float:
    import cv2

    difference = cv2.absdiff(np.ascontiguousarray(one), np.ascontiguousarray(other))
    return float(np.mean(np.square(difference, dtype=np.float32)))


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
