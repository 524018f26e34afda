"""Segments with MobileSAM (Zhang et al. 2023), when its weights are there: a person's idea of a thing, from points.

The encoder sees the photo once; the decoder answers a point with the mask of what is there. Masks from a grid of points
are filtered and thinned as in Segment Anything's automatic mode (Kirillov et al. 2023); depth then says what is in
front, what is a thing and what a surface. Files and conventions: huggingface.co/Acly/MobileSAM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diorama import networks
from diorama.errors import ModelError
from diorama.segment import objects, regions
from diorama.segment.regions import View
from diorama.types import Bool, Cuts, DepthMap, Float32, Photo, PointCloud, Progress, Segments

ENCODER, DECODER = "mobile-sam-encoder", "mobile-sam-decoder"
"""Their names in the catalogue of weights."""

INPUT_SIZE = 1024
"""Long side of what the encoder takes; it normalises and pads (right, bottom) by itself."""

POINTS_PER_SIDE = 8
"""Points along the long side, at detail 1. SAM's 32 would take minutes here; things worth a segment are larger."""

LEAST_IOU = 0.75
"""The network's own estimate of its mask's quality under which the mask isn't used."""

LEAST_STABILITY = 0.88
"""Least overlap of the masks at logits over +1 and over -1: a mask that shrinks much more has no clear outline."""

SAME = 0.7
"""Overlap (IoU) from which two masks are the same thing: the better one stays."""

LARGEST = 0.7
"""Share of the picture over which a mask is no thing but what surrounds things."""


@dataclass(frozen=True)
class Mask:
    """An answer of the decoder at working size."""

    inside: Bool  # (h, w)
    quality: float  # estimated IoU times stability


def find_regions(
    points: PointCloud, cuts: Cuts, photo: Photo, depth: DepthMap, detail: float, files: tuple[Path, Path],
    progress: Progress | None = None,
) -> Segments:  # fmt: skip
    """Segment the photo.

    Args:
        detail: 0.5 (few, large segments) .. 2 (many, small ones).
        files: the encoder's and the decoder's.
        progress: called with ``"segments"``.

    Raises:
        ModelError: the networks can't be loaded, or are not what their names say.
    """
    view = regions.look(points, cuts, photo, depth)
    if view is None:
        return regions.finish(np.zeros((1, 1), np.int32), {}, points, cuts, depth)
    smallest = regions.SMALLEST / detail
    masks = [
        m for m in automatic_masks(photo, view.labels >= 0, files, detail, progress) if m.inside.mean() >= smallest
    ]
    things = _things(view, thinned(masks), round(regions.MOST_OBJECTS * detail))
    members = [_superpixels(view, thing) for thing in things]
    owner, kinds = regions.assign(view, members, 0.0)
    small = regions.painted(view, np.where(owner < regions.FIRST_OBJECT, owner, regions.BACKGROUND).astype(np.int32))
    for id, thing in enumerate(things, regions.FIRST_OBJECT):
        small[thing & (view.labels >= 0)] = id
    return regions.finish(small, kinds, points, cuts, depth)


def automatic_masks(
    photo: Photo, where: Bool, files: tuple[Path, Path], detail: float = 1.0, progress: Progress | None = None
) -> list[Mask]:
    """Masks (h, w) from a grid of points over `where` (h, w); a point inside a good mask is not asked again."""
    height, width = where.shape
    embedding = encode(photo, files[0])
    step = max(height, width) / max(2.0, POINTS_PER_SIDE * detail)
    grid = [
        (x, y)
        for y in np.arange(step / 2, height, step).tolist()
        for x in np.arange(step / 2, width, step).tolist()
        if where[int(y), int(x)]
    ]
    covered = np.zeros(where.shape, bool)
    masks: list[Mask] = []
    for number, (x, y) in enumerate(grid):
        if progress:
            progress("segments", number / len(grid), f"Asking MobileSAM about point {number + 1} of {len(grid)}")
        if covered[int(y), int(x)]:
            continue
        mask = decode(embedding, (x, y), (width, height), files[1])
        if mask is not None:
            masks.append(mask)
            covered |= mask.inside if mask.inside.mean() < 0.2 else False
    return masks


def encode(photo: Photo, file: Path) -> Float32:
    """The photo's embedding (1, 256, 64, 64): input RGB 0..255 as (h, w, 3), long side 1024, no batch axis."""
    import cv2

    scale = INPUT_SIZE / max(photo.width, photo.height)
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = np.ascontiguousarray(cv2.resize(photo.rgb, size, interpolation=how), np.float32)
    embedding = _run(file, {"input_image": resized}, "image_embeddings")["image_embeddings"]
    if embedding.shape != (1, 256, 64, 64):
        raise _mistaken(file, embedding)
    return embedding


def decode(embedding: Float32, point: tuple[float, float], size: tuple[int, int], file: Path) -> Mask | None:
    """What is at a point (x, y) of the picture of `size` (width, height); None where the network is unsure.

    The point is given in the encoder's pixels and followed by a padding point (label -1), as the network was trained.
    """
    width, height = size
    scale = INPUT_SIZE / max(width, height)
    answers = _run(
        file,
        {
            "image_embeddings": embedding,
            "point_coords": np.array([[[point[0] * scale, point[1] * scale], [0, 0]]], np.float32),
            "point_labels": np.array([[1, -1]], np.float32),
            "mask_input": np.zeros((1, 1, 256, 256), np.float32),
            "has_mask_input": np.zeros(1, np.float32),
            "orig_im_size": np.array([height, width], np.float32),
        },
        "masks",
        "iou_predictions",
    )
    logits, iou = answers["masks"], answers["iou_predictions"]
    if logits.shape != (1, 1, height, width) or iou.shape != (1, 1):
        raise _mistaken(file, logits)
    sure, likely = int((logits > 1).sum()), int((logits > -1).sum())
    stability = sure / max(likely, 1)
    if sure == 0 or float(iou[0, 0]) < LEAST_IOU or stability < LEAST_STABILITY:
        return None
    return Mask(logits[0, 0] > 0, float(iou[0, 0]) * stability)


def thinned(masks: list[Mask]) -> list[Mask]:
    """Non-maximum suppression: of masks that are nearly the same the best one."""
    kept: list[Mask] = []
    for mask in sorted(masks, key=lambda mask: -mask.quality):
        if all(_iou(mask.inside, other.inside) < SAME for other in kept):
            kept.append(mask)
    return kept


def _iou(one: Bool, other: Bool) -> float:
    union = int(np.count_nonzero(one | other))
    return int(np.count_nonzero(one & other)) / max(union, 1)


def _things(view: View, masks: list[Mask], limit: int) -> list[Bool]:
    """Subject and objects among the masks, largest first: those that are no surface and no part of another thing."""
    found = view.surfaces
    surface = found.ground.copy()
    for wall in found.walls:
        surface |= wall
    ranked: list[tuple[float, Bool]] = []
    for mask in masks:
        members = _superpixels(view, mask.inside)
        if not members.any() or mask.inside.mean() > LARGEST:
            continue
        judged = objects.judge(view.graph, members[None], found.rise)[0]
        area = view.graph.area[members]
        flat = float(area[surface[members]].sum() / area.sum())
        far = judged.frame > 0.3 and judged.relief < 0
        if far or (flat > 0.7 and judged.relief < 0.15):
            continue
        ranked.append((judged.score * mask.quality * float(mask.inside.mean()) ** 0.35, mask.inside))
    ranked.sort(key=lambda entry: -entry[0])
    chosen: list[Bool] = []
    for _, inside in ranked:
        if len(chosen) == limit:
            break
        if not any(_is_part(inside, other) for other in chosen):
            chosen.append(inside)
    return sorted(chosen, key=lambda inside: -int(inside.sum()))


def _is_part(one: Bool, other: Bool) -> bool:
    """Whether the smaller of two masks lies mostly in the larger one."""
    common = int(np.count_nonzero(one & other))
    return common > 0.8 * min(int(one.sum()), int(other.sum()))


def _superpixels(view: View, inside: Bool) -> Bool:
    """(n,): those of which most is inside a mask (h, w)."""
    solid = view.labels >= 0
    share = np.bincount(view.labels[solid], inside[solid], len(view.graph.area))
    members: Bool = share > 0.5 * view.graph.area
    return members


# ---- the networks ----------------------------------------------------------------------------------------------


def _run(file: Path, inputs: Mapping[str, Float32], *outputs: str) -> dict[str, Float32]:
    hint = "Fetch it again with 'diorama models pull', or choose the segments without it: segmenter regions."
    answers = networks.run(file, inputs, *outputs, hint=hint)
    return {name: np.asarray(answer, np.float32) for name, answer in zip(outputs, answers, strict=True)}


def _mistaken(file: Path, answer: Float32) -> ModelError:
    return ModelError(
        f"The network {file.name} answered with the shape {answer.shape}.",
        hint="It isn't the model that its name says; fetch it again with 'diorama models pull'.",
    )
