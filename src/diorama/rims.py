"""Silhouettes: pixels in which a lens has mixed foreground and background belong to neither.

Each side gets the colour of its own interior back, and the foreground a ribbon beyond its edge that fades out, so that
the mix is made anew wherever the camera stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np

from diorama.types import Bool, Cuts, Float32, Int32, UInt8

OPACITY = 0.6
"""Of the ribbon where it begins: an edge in focus is half covered at its middle."""

SEPARABLE = 24.0
"""Colour difference, in 8-bit steps, from which a mix of two sides can be told from either."""

SMALL = 0.15
"""Jumps of less, as a share of the near inverse depth, may be bridged where both sides look alike. On Middlebury pairs
0.15 gains 0.17 dB in the holes, with stereo and with true disparity no view loses."""


@dataclass(frozen=True)
class Doubt:
    """How far depth edges may be off the photo's, and so how readily a pixel beside one counts as mixed."""

    wider: int  # pixels that are looked at beyond the width that a lens mixes
    residual: float  # a mixed pixel lies so near to the line between both sides' colours, as a share of its length
    elsewhere: float  # share of that length by which the colours may change in the next pixel of either side
    levelled: int  # sweeps that even out the colours of the interior before they are continued
    worn: bool  # whether pixels in front that are wholly of the background's colour are repainted too


GIVEN = Doubt(0, 0.35, 0.25, 0, worn=False)
"""Of depth that was given. Views of pairs with stereo disparity lose 0.3 dB without the limit on what changes elsewhere
and 0.1 dB more at 0.5; views by true disparity don't mind."""

ESTIMATED = Doubt(2, 0.9, 0.5, 12, worn=True)
"""Of a network's depth, on the photo's silhouettes (`silhouettes.align`) but for a pixel or two. On six Kodak photos
pixels at cuts are then 0.52 times as far from their interiors' colours as in the original 3D, 0.56 with 0.6, 4 sweeps
and nothing that is worn; the interiors' own pixels 0.41 times."""


def unmix(rgb: UInt8, inverse_depth: Float32, cuts: Cuts, width: float, doubt: Doubt = GIVEN) -> UInt8:
    """Give mixed pixels within `width` pixels of a cut, or as many more as in doubt, their own side's interior colour.

    A pixel is mixed when its colour lies between those of both sides (Hasinoff et al. 2006 solve for the same mix), and
    the colours change there and not beyond: depth is not exact, and where a cut misses the silhouette, or runs through
    texture, a colour between two others is no mix. What stands out from both sides, such as a highlight on a rim,
    stays.
    A depth edge often runs a pixel outside of the colour's, so pixels behind that are wholly of the foreground's colour
    are repainted too; those in front that are wholly of the background's only where depth is estimated: where it was
    given, they are more often a part of the foreground.
    """
    reach = math.ceil(width) + (doubt.wider if width > 0 else 0)
    if reach == 0 or not (cuts.right.any() or cuts.down.any()):
        return rgb
    rim = touching(cuts)
    for _ in range(reach - 1):
        rim = _spread_mask(rim, cuts)
    deeper_rim = _spread_mask(rim, cuts)
    own, other, known = _sides(_levelled(rgb, rim, cuts, doubt.levelled), rim, cuts, reach)
    deeper, beyond, known_deeper = _sides(_levelled(rgb, deeper_rim, cuts, doubt.levelled), deeper_rim, cuts, reach + 1)
    chosen = rim & known & known_deeper
    colour, mine, theirs = rgb[chosen].astype(np.float32), own[chosen], other[chosen]
    line = theirs - mine
    length = np.linalg.norm(line, axis=1)
    share = ((colour - mine) * line).sum(axis=1) / np.maximum(length, 1e-6) ** 2
    rest = np.linalg.norm(colour - mine - np.clip(share, 0, 1)[:, None] * line, axis=1)
    mixed = (length > SEPARABLE) & (share > 0.1) & (rest < doubt.residual * length)
    mixed &= np.linalg.norm(deeper[chosen] - mine, axis=1) < doubt.elsewhere * length
    mixed &= np.linalg.norm(beyond[chosen] - theirs, axis=1) < doubt.elsewhere * length
    if not doubt.worn:
        mixed &= (share < 0.9) | _behind(inverse_depth, cuts, reach)[chosen]
    result = rgb.copy()
    result[chosen] = np.where(mixed[:, None], mine, colour).round().astype(np.uint8)
    return result


def without_unseen(cuts: Cuts, rgb: UInt8, inverse_depth: Float32, near: float, opaque: Bool | None) -> Cuts:
    """The cuts without those over small jumps that no colours tell apart: stretched, they can't be seen.

    Args:
        rgb, inverse_depth, opaque: (H, W) of the grid; cuts to what is transparent all stay.
        near: the inverse depth that counts as near.
    """
    kept = []
    for axis, cut in ((1, cuts.right), (0, cuts.down)):
        unseen = (np.abs(np.diff(inverse_depth, axis=axis)) < SMALL * near) & (_contrast(rgb, axis) < SEPARABLE)
        if opaque is not None:
            unseen &= ~np.diff(opaque, axis=axis)
        kept.append(np.ascontiguousarray(cut & ~unseen))
    return Cuts(kept[0], kept[1])


def _contrast(rgb: UInt8, axis: int) -> Float32:
    """Difference in colour between 3 x 5 pixels on either side of each link along `axis`."""
    import cv2

    kernel = np.repeat(np.array([[-1, -1, -1, 1, 1, 1]], np.float32), 5, axis=0) / 15
    kernel = np.ascontiguousarray(kernel if axis else kernel.T)
    change = cv2.filter2D(rgb, cv2.CV_32F, kernel, anchor=(2, 2), borderType=cv2.BORDER_REPLICATE)
    size = np.linalg.norm(change, axis=2).astype(np.float32)
    return np.asarray(size[:, :-1] if axis else size[:-1])


def _sides(rgb: Float32, rim: Bool, cuts: Cuts, reach: int) -> tuple[Float32, Float32, Bool]:
    """At each pixel of a rim `reach` pixels wide: the colours of its own surface beside the rim, (H, W, 3), and of the
    one across the cut, and where both are known."""
    own, found = _from_interior(rgb, ~rim, cuts, reach + 1)
    other, seen = _across(own, found, cuts)
    for _ in range(reach - 1):
        other, seen = _grow(other, seen, cuts)
    return own, other, found & seen


def _levelled(rgb: UInt8, rim: Bool, cuts: Cuts, sweeps: int) -> Float32:
    """The colours, those beside the rim evened out along their own surface: less of what is continued is chance."""
    colours = rgb.astype(np.float32)
    if sweeps:
        interior, beside = ~rim, rim
        for _ in range(sweeps + 1):
            beside = _spread_mask(beside, cuts)
        places = np.flatnonzero(beside & interior)
        for _ in range(sweeps):
            colours = _averaged(colours, interior, cuts.right, cuts.down, places)
    return colours


@numba.njit(cache=True, nogil=True)
def _averaged(values, known, right, down, places):  # type: ignore[no-untyped-def]
    """At the flat indices `places`: the mean with the known neighbours on the same surface, the pixel itself twice."""
    height, width = known.shape
    result = values.copy()
    for place in places:
        y, x = place // width, place % width
        for c in range(3):
            total, count = 2 * values[y, x, c], 2
            if x + 1 < width and known[y, x + 1] and not right[y, x]:
                total += values[y, x + 1, c]
                count += 1
            if x > 0 and known[y, x - 1] and not right[y, x - 1]:
                total += values[y, x - 1, c]
                count += 1
            if y + 1 < height and known[y + 1, x] and not down[y, x]:
                total += values[y + 1, x, c]
                count += 1
            if y > 0 and known[y - 1, x] and not down[y - 1, x]:
                total += values[y - 1, x, c]
                count += 1
            result[y, x, c] = total / np.float32(count)
    return result


def _behind(inverse_depth: Float32, cuts: Cuts, reach: int) -> Bool:
    """Pixels of the farther surface within `reach` pixels of a cut."""
    behind = np.zeros(inverse_depth.shape, bool)
    for whole, to, source in _links(cuts):
        behind[to] |= ~whole & (inverse_depth[source] > inverse_depth[to])
    for _ in range(reach - 1):
        behind = _spread_mask(behind, cuts)
    return behind


def touching(cuts: Cuts) -> Bool:
    """Pixels with a cut at one of their sides."""
    mask = np.zeros((cuts.right.shape[0], cuts.down.shape[1]), bool)
    mask[:, :-1] |= cuts.right
    mask[:, 1:] |= cuts.right
    mask[:-1] |= cuts.down
    mask[1:] |= cuts.down
    return mask


def ribbon(near_side: Bool, allowed: Bool, width: float) -> tuple[Bool, Int32, Float32]:
    """The pixels just beyond the foreground's edges.

    Args:
        near_side: (H, W) pixels in front at a cut.
        allowed: (H, W) where a ribbon may lie.
        width: pixels.

    Returns:
        The ribbon (H, W), the flat index of the foreground pixel that each pixel continues, and its opacity.
    """
    from scipy import ndimage

    if not near_side.any() or width <= 0:
        empty = np.zeros(near_side.shape, bool)
        return empty, np.zeros(near_side.shape, np.int32), np.zeros(near_side.shape, np.float32)
    distance, nearest = ndimage.distance_transform_edt(~near_side, return_indices=True)
    there = allowed & (distance > 0) & (distance < width + 1)
    source = np.ravel_multi_index(tuple(nearest), near_side.shape).astype(np.int32)
    opacity = OPACITY * np.clip(1 - (distance - 0.5) / (width + 0.5), 0, 1)
    return there, source, np.where(there, opacity, 0).astype(np.float32)


def _links(cuts: Cuts) -> tuple[tuple[Bool, tuple[slice, slice], tuple[slice, slice]], ...]:
    """For each of the four directions: where the link is whole, and the windows of the pixels it leads to and from."""
    rows, columns = slice(None), slice(None)
    left, right = (rows, slice(None, -1)), (rows, slice(1, None))
    top, bottom = (slice(None, -1), columns), (slice(1, None), columns)
    across, along = ~cuts.right, ~cuts.down
    return (across, left, right), (across, right, left), (along, top, bottom), (along, bottom, top)


def _spread_mask(mask: Bool, cuts: Cuts) -> Bool:
    grown = mask.copy()
    for whole, to, source in _links(cuts):
        grown[to] |= mask[source] & whole
    return grown


def _grow(values: Float32, known: Bool, cuts: Cuts) -> tuple[Float32, Bool]:
    """Unknown pixels become the mean of their known neighbours on the same surface."""
    values, grown = values.copy(), known.copy()
    _mean_of_neighbours(values, known, cuts.right, cuts.down, False, np.flatnonzero(~known), values, grown)
    return values, grown


@numba.njit(cache=True, nogil=True)
def _mean_of_neighbours(values, known, right, down, cut, places, mean, seen):  # type: ignore[no-untyped-def]
    """At the flat indices `places`: the mean of the known neighbours that a cut parts from them (`cut`) or none does.

    `mean` may be `values` where none of the places is known.
    """
    height, width = known.shape
    total = np.zeros(3, np.float32)
    for place in places:
        y, x = place // width, place % width
        count = 0
        total[:] = 0
        if x + 1 < width and known[y, x + 1] and right[y, x] == cut:
            count += 1
            total += values[y, x + 1]
        if x > 0 and known[y, x - 1] and right[y, x - 1] == cut:
            count += 1
            total += values[y, x - 1]
        if y + 1 < height and known[y + 1, x] and down[y, x] == cut:
            count += 1
            total += values[y + 1, x]
        if y > 0 and known[y - 1, x] and down[y - 1, x] == cut:
            count += 1
            total += values[y - 1, x]
        if count:
            seen[y, x] = True
            for c in range(3):
                mean[y, x, c] = total[c] / np.float32(count)


def _from_interior(values: Float32, interior: Bool, cuts: Cuts, steps: int) -> tuple[Float32, Bool]:
    known = interior
    for _ in range(steps):
        values, known = _grow(values, known, cuts)
    return values, known


def _across(values: Float32, known: Bool, cuts: Cuts) -> tuple[Float32, Bool]:
    """At each pixel with a cut, the mean of what stands on the other sides."""
    mean = np.zeros_like(values)
    seen = np.zeros(known.shape, bool)
    _mean_of_neighbours(values, known, cuts.right, cuts.down, True, np.flatnonzero(touching(cuts)), mean, seen)
    return mean, seen
