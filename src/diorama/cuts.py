"""Where one surface ends and another begins behind it: depth cuts, and the pixels that belong to neither side."""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np

from diorama.settings import Settings
from diorama.smoothing import smooth
from diorama.types import Bool, Cuts, DepthMap, Float32, Int32, PointCloud

MIN_LENGTH = 8
"""Shortest chain of cut links that is kept (3d-photo-inpainting, Shih et al. 2020, drops edges under 12 px)."""

RAMP = 9
"""Links in a row that are all too steep make a slanted surface rather than an edge that an estimator blurred."""


def near_inverse_depth(points: PointCloud) -> float:
    """The inverse depth that counts as near."""
    return points.near


def find_cuts(points: PointCloud, settings: Settings) -> Cuts:
    """Find the links between neighbouring pixels that no surface crosses.

    A link is cut where the inverse depth jumps by more than `settings.cut_threshold` per cent of the near inverse
    depth, which is a fixed parallax on the screen wherever it happens (a ratio of depths would shred the ground near
    the horizon, where inverse depth is still linear in the picture). Of neighbouring jumps in the same direction only
    the largest is cut, so that a blurred edge is cut once, and a long even slope (`RAMP`) is not cut at all. Links to
    transparent pixels are always cut.
    """
    inverse = points.inverse_depth
    threshold = np.float32(settings.cut_threshold / 100 * near_inverse_depth(points))
    right = _abrupt(inverse, threshold)
    down = _abrupt(inverse.T, threshold).T
    right, down = _long_enough(right, down, MIN_LENGTH)
    if points.opaque is not None:
        right |= points.opaque[:, 1:] != points.opaque[:, :-1]
        down |= points.opaque[1:] != points.opaque[:-1]
    return Cuts(np.ascontiguousarray(right), np.ascontiguousarray(down))


def by_hand(cuts: Cuts, depth: DepthMap) -> Cuts:
    """The cuts with what a person has cut and joined on the depth map, which wins."""
    right, down = cuts.right, cuts.down
    if depth.joined is not None:
        right, down = right & ~depth.joined.right, down & ~depth.joined.down
    if depth.cut is not None:
        right, down = right | depth.cut.right, down | depth.cut.down
    return cuts if right is cuts.right else Cuts(right, down)


def _long_enough(right: Bool, down: Bool, length: int) -> tuple[Bool, Bool]:
    """Drop chains of fewer cut links: a silhouette is long, noise on a slanted surface makes short tears."""
    right, down = np.ascontiguousarray(right), np.ascontiguousarray(down)
    kept_right, kept_down = np.zeros_like(right), np.zeros_like(down)
    _keep_long(right, down, length, kept_right, kept_down)
    return kept_right, kept_down


@numba.njit(cache=True, nogil=True)
def _keep_long(right, down, length, kept_right, kept_down):  # type: ignore[no-untyped-def]
    """Mark the links of chains of at least `length`. Links stand between pixels: on a grid of half pixels the ends of
    those that touch are at most 2 apart, so their middles are at most 3 apart along both axes."""
    across, along = np.zeros(right.shape, np.int32), np.zeros(down.shape, np.int32)  # numbers of links, from 1
    parents = np.arange(right.sum() + down.sum() + 1).astype(np.int32)
    count = 0
    for y in range(right.shape[0]):
        for x in range(right.shape[1]):
            if right[y, x]:
                count += 1
                across[y, x] = count
                _join_near(parents, count, across, y - 1, y, x - 1, x + 1)
    for y in range(down.shape[0]):
        for x in range(down.shape[1]):
            if down[y, x]:
                count += 1
                along[y, x] = count
                _join_near(parents, count, along, y - 1, y, x - 1, x + 1)
                _join_near(parents, count, across, y - 1, y + 2, x - 2, x + 1)
    sizes = np.zeros(len(parents), np.int32)
    for i in range(1, len(parents)):
        sizes[_root(parents, i)] += 1
    _mark_long(parents, sizes, length, across, kept_right)
    _mark_long(parents, sizes, length, along, kept_down)


@numba.njit(cache=True, nogil=True)
def _mark_long(parents, sizes, length, numbers, kept):  # type: ignore[no-untyped-def]
    for y in range(kept.shape[0]):
        for x in range(kept.shape[1]):
            if numbers[y, x]:
                kept[y, x] = sizes[_root(parents, numbers[y, x])] >= length


@numba.njit(cache=True, nogil=True)
def _join_near(parents, mine, numbers, top, bottom, left, last):  # type: ignore[no-untyped-def]
    """Put a link into the chain of all that have a number in this window."""
    for y in range(max(0, top), min(numbers.shape[0], bottom + 1)):
        for x in range(max(0, left), min(numbers.shape[1], last + 1)):
            if numbers[y, x]:
                one, other = _root(parents, numbers[y, x]), _root(parents, mine)
                parents[max(one, other)] = min(one, other)


@numba.njit(cache=True, nogil=True)
def _root(parents, number):  # type: ignore[no-untyped-def]
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number


def _abrupt(inverse: Float32, threshold: np.float32) -> Bool:
    """Links along the rows whose jumps are over the threshold, largest of their neighbours, and no part of a long
    slope; (H, W - 1)."""
    cut = np.zeros((inverse.shape[0], max(0, inverse.shape[1] - 1)), bool)
    if cut.size:
        _find_abrupt(np.ascontiguousarray(inverse), threshold, threshold / np.float32(2), RAMP // 2, cut)
    return cut


@numba.njit(cache=True, nogil=True)
def _find_abrupt(inverse, threshold, gentle, reach, cut):  # type: ignore[no-untyped-def]
    height, width = cut.shape
    jump = np.empty(width, np.float32)
    for y in range(height):
        for x in range(width):
            jump[x] = inverse[y, x + 1] - inverse[y, x]
        for x in range(width):
            if abs(jump[x]) <= threshold:
                continue
            sign = np.float32(1) if jump[x] > 0 else np.float32(-1)
            size = sign * jump[x]
            # Ties are broken to the left: `>` there, `>=` to the right.
            if x > 0 and size <= sign * jump[x - 1]:
                continue
            if x + 1 < width and size < sign * jump[x + 1]:
                continue
            for k in range(x - reach, x + reach + 1):
                if k < 0 or k >= width or sign * jump[k] <= gentle:
                    cut[y, x] = True
                    break


def clean(points: PointCloud, settings: Settings) -> PointCloud:
    """Give every pixel to a surface: the grid that the mesh is built on.

    Single mixed pixels half way between foreground and background go to the nearer of the two; islands smaller than
    `settings.min_island` pixels are moved to the depth of the neighbouring surface that is nearest in depth; within
    the surfaces `settings.smoothing` takes waves away. `mask` stays as it is.
    """
    threshold = np.float32(settings.cut_threshold / 100 * near_inverse_depth(points))
    inverse = _snap_mixed(points.inverse_depth, threshold)
    cleaned = replace(points, z=np.reciprocal(inverse))
    if settings.min_island > 1:
        inverse = _join_islands(inverse, find_cuts(cleaned, settings), settings.min_island)
        cleaned = replace(points, z=np.reciprocal(inverse))
    if settings.smoothing > 0:
        cuts = find_cuts(cleaned, settings)
        inverse = smooth(inverse, points.rgb, cuts.right, cuts.down, settings.smoothing)
        cleaned = replace(points, z=np.reciprocal(inverse))
    return cleaned


def _snap_mixed(inverse: Float32, threshold: np.float32) -> Float32:
    """Move a pixel that lies between a nearer and a farther neighbour, apart from both, to the nearer in depth."""
    down = inverse.copy()
    _snap_rows(inverse.T, threshold, down.T)
    result = down.copy()
    _snap_rows(down, threshold, result)
    return result


@numba.njit(cache=True, nogil=True)
def _snap_rows(inverse, threshold, result):  # type: ignore[no-untyped-def]
    height, width = inverse.shape
    for y in range(height):
        for x in range(1, width - 1):
            before, after = inverse[y, x] - inverse[y, x - 1], inverse[y, x + 1] - inverse[y, x]
            if before * after > 0 and min(abs(before), abs(after)) > threshold:
                result[y, x] = inverse[y, x - 1] if abs(before) <= abs(after) else inverse[y, x + 1]


def label_surfaces(cuts: Cuts, opaque: Bool | None = None) -> tuple[int, Int32]:
    """Connected components of the pixels along the links that are not cut.

    Returns:
        The number of labels and the labels (H, W), from 1; 0 where not `opaque`.
    """
    import cv2

    height, width = cuts.right.shape[0], cuts.down.shape[1]
    # Pixels at even places, the links between them at odd ones: 4-connectivity there is connectivity by links.
    grid = np.zeros((2 * height - 1, 2 * width - 1), np.uint8)
    grid[::2, ::2] = 1 if opaque is None else opaque
    grid[::2, 1::2] = ~cuts.right
    grid[1::2, ::2] = ~cuts.down
    if opaque is not None:
        grid[::2, 1::2] &= opaque[:, 1:] & opaque[:, :-1]
        grid[1::2, ::2] &= opaque[1:] & opaque[:-1]
    count, labels = cv2.connectedComponents(grid, connectivity=4, ltype=cv2.CV_32S)
    return count - 1, np.ascontiguousarray(labels[::2, ::2], np.int32)


def _join_islands(inverse: Float32, cuts: Cuts, smallest: int) -> Float32:
    """Shift every island to the neighbouring large surface across the smallest of the jumps around it."""
    count, labels = label_surfaces(cuts)
    size = np.bincount(labels.ravel(), minlength=count + 1)
    small = size < smallest
    if not small[1:].any() or small[1:].all():
        return inverse
    owners, shifts = [], []
    for cut, (down, right) in ((cuts.right, (0, 1)), (cuts.down, (1, 0))):
        y, x = np.nonzero(cut)
        ends = (y, x), (y + down, x + right)
        for mine, theirs in (ends, ends[::-1]):
            edge = small[labels[mine]] & ~small[labels[theirs]]
            owners.append(labels[mine][edge])
            shifts.append((inverse[theirs] - inverse[mine])[edge])
    owner, shift = np.concatenate(owners), np.concatenate(shifts)
    order = np.lexsort((np.abs(shift), owner))
    owner, shift = owner[order], shift[order]
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    move = np.zeros(count + 1, np.float32)
    move[owner[first]] = shift[first]
    # A steep island's far end must not pass infinity.
    moved: Float32 = np.maximum(inverse + move[labels], inverse.min())
    return moved
