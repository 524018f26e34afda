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
    levelled: float  # pixels (sigma) over which the interior's colours are evened out before they are continued
    worn: bool  # whether pixels in front are repainted at a cut whatever their colour, and beside it in the other's
    opacity: float  # of the ribbon where it begins: an edge in focus is half covered at its middle
    steepest: float  # ratio of disparities over which a hidden surface may be stretched (`layers.bridged`)


GIVEN = Doubt(0, 0.35, 0.25, 0, worn=False, opacity=0.6, steepest=0.35)
"""Of depth that was given. Views of pairs with stereo disparity lose 0.3 dB without the limit on what changes elsewhere
and 0.1 dB more at 0.5; views by true disparity don't mind."""

ESTIMATED = Doubt(2, 0.9, 0.5, 2, worn=True, opacity=1.0, steepest=0.5)
"""Of a network's depth, on the photo's silhouettes (`silhouettes.align`) but for a pixel or two."""


def unmix(rgb: UInt8, inverse_depth: Float32, cuts: Cuts, width: float, doubt: Doubt = GIVEN) -> UInt8:
    """Give mixed pixels within `width` pixels of a cut, or as many more as in doubt, their own side's interior colour.

    A pixel is mixed when its colour lies between those of both sides (Hasinoff et al. 2006 solve for the same mix), and
    the colours change there and not beyond: depth is not exact, and where a cut misses the silhouette, or runs through
    texture, a colour between two others is no mix. What stands out from both sides, such as a highlight on a rim,
    stays.
    A depth edge often runs a pixel outside of the colour's, so pixels behind that are wholly of the foreground's colour
    are repainted too; those in front that are wholly of the background's only where depth is estimated: where it was
    given, they are more often a part of the foreground. By estimated depth the outermost pixel in front always is.
    """
    reach = math.ceil(width) + (doubt.wider if width > 0 else 0)
    if reach == 0 or not (cuts.right.any() or cuts.down.any()):
        return rgb
    rims = [touching(cuts)]
    for _ in range(reach):
        rims.append(_spread_mask(rims[-1], cuts))
    rim, deeper_rim = rims[reach - 1 :]
    own, other, found, known = _sides(_levelled(rgb, rim, doubt.levelled), rim, cuts, reach)
    deeper, beyond, _, known_deeper = _sides(_levelled(rgb, deeper_rim, doubt.levelled), deeper_rim, cuts, reach + 1)
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
    if doubt.worn:
        outermost = rims[0] & ~_behind(inverse_depth, cuts, 1)
        _continue_thin(own, found, rgb, outermost, rims[: reach - 1], cuts)
        painted = outermost & found
        result[painted] = own[painted].round().astype(np.uint8)
    return result


def _continue_thin(own: Float32, found: Bool, rgb: UInt8, wanted: Bool, rims: list[Bool], cuts: Cuts) -> None:
    """Where a surface is too narrow to have an interior (poles, wires), take what is innermost for it; in place.

    Args:
        own, found: (H, W, 3) and (H, W) the interior's colours, and where they are known.
        wanted: (H, W) where they are looked for.
        rims: (H, W) each: the pixels at most 1, 2, ... from a cut.
    """
    for steps, rim in zip(range(len(rims), 0, -1), reversed(rims), strict=True):
        left = wanted & ~found
        if not left.any():
            return
        colours, known = rgb.astype(np.float32), ~rim
        _continue(colours, known, cuts.right, cuts.down, np.flatnonzero(rim), steps + 1)
        left &= known
        own[left] = colours[left]
        found |= left


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

    step, mean = np.array([-1, -1, -1, 1, 1, 1], np.float32), np.full(5, 1 / 15, np.float32)
    kernels = (step, mean) if axis else (mean, step)
    change = cv2.sepFilter2D(rgb, cv2.CV_32F, kernels[0], kernels[1], anchor=(2, 2), borderType=cv2.BORDER_REPLICATE)
    size = np.sqrt(cv2.transform(change * change, np.ones((1, 3), np.float32)))
    return np.asarray(size[:, :-1] if axis else size[:-1])


def _sides(rgb: Float32, rim: Bool, cuts: Cuts, reach: int) -> tuple[Float32, Float32, Bool, Bool]:
    """At each pixel of a rim `reach` pixels wide: the colours of its own surface beside the rim, (H, W, 3), and of the
    one across the cut, and where the first and where both are known. `rgb` is changed."""
    own, found, places = rgb, ~rim, np.flatnonzero(rim)
    _continue(own, found, cuts.right, cuts.down, places, reach + 1)
    other, seen = np.zeros_like(own), np.zeros(rim.shape, bool)
    _look_across(own, found, cuts.right, cuts.down, np.flatnonzero(touching(cuts)), other, seen)
    _continue(other, seen, cuts.right, cuts.down, places, reach - 1)
    return own, other, found, found & seen


def _levelled(rgb: UInt8, rim: Bool, sigma: float) -> Float32:
    """The colours, evened out over `sigma` pixels outside of the rim: less of what is continued is chance.

    A rim is wide enough for next to nothing of the other side to come in.
    """
    import cv2

    colours = rgb.astype(np.float32)
    if not sigma:
        return colours
    interior = (~rim).astype(np.float32)
    total = cv2.GaussianBlur(colours * interior[..., None], (0, 0), sigma)
    return np.asarray(total / np.maximum(cv2.GaussianBlur(interior, (0, 0), sigma), np.float32(1e-6))[..., None])


@numba.njit(cache=True, nogil=True)
def _add_neighbours(values, known, right, down, cut, y, x, total):  # type: ignore[no-untyped-def]
    """Add up in `total` the known neighbours that a cut parts from a pixel (`cut`) or none does; how many they are."""
    height, width = known.shape
    count = 0
    if x + 1 < width and known[y, x + 1] and right[y, x] == cut:
        count += 1
        for c in range(3):
            total[c] += values[y, x + 1, c]
    if x > 0 and known[y, x - 1] and right[y, x - 1] == cut:
        count += 1
        for c in range(3):
            total[c] += values[y, x - 1, c]
    if y + 1 < height and known[y + 1, x] and down[y, x] == cut:
        count += 1
        for c in range(3):
            total[c] += values[y + 1, x, c]
    if y > 0 and known[y - 1, x] and down[y - 1, x] == cut:
        count += 1
        for c in range(3):
            total[c] += values[y - 1, x, c]
    return count


@numba.njit(cache=True, nogil=True)
def _continue(values, known, right, down, places, steps):  # type: ignore[no-untyped-def]
    """In place at the flat indices `places`: what isn't known becomes the mean of its known neighbours on the same
    surface; so many times."""
    width = known.shape[1]
    mean = np.zeros((len(places), 3), np.float32)
    new = np.empty(len(places), np.int64)
    for _ in range(steps):
        found = 0
        for place in places:
            y, x = place // width, place % width
            if known[y, x]:
                continue
            for c in range(3):
                mean[found, c] = 0
            count = _add_neighbours(values, known, right, down, False, y, x, mean[found])
            if count:
                for c in range(3):
                    mean[found, c] /= np.float32(count)
                new[found] = place
                found += 1
        for k in range(found):
            y, x = new[k] // width, new[k] % width
            for c in range(3):
                values[y, x, c] = mean[k, c]
            known[y, x] = True


@numba.njit(cache=True, nogil=True)
def _look_across(values, known, right, down, places, mean, seen):  # type: ignore[no-untyped-def]
    """At the flat indices `places`: the mean of what is known beyond the cuts beside them."""
    width = known.shape[1]
    for place in places:
        y, x = place // width, place % width
        count = _add_neighbours(values, known, right, down, True, y, x, mean[y, x])
        if count:
            seen[y, x] = True
            for c in range(3):
                mean[y, x, c] /= np.float32(count)


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


def ribbon(near_side: Bool, allowed: Bool, width: float, opacity: float) -> tuple[Bool, Int32, Float32]:
    """The pixels just beyond the foreground's edges.

    Args:
        near_side: (H, W) pixels in front at a cut.
        allowed: (H, W) where a ribbon may lie.
        width: pixels.
        opacity: where it begins.

    Returns:
        The ribbon (H, W), the flat index of the foreground pixel that each of its pixels continues, and its opacity;
        0 elsewhere.
    """
    import cv2

    there = np.zeros(near_side.shape, bool)
    source, faded = np.zeros(near_side.shape, np.int32), np.zeros(near_side.shape, np.float32)
    reach = math.ceil(width) if width > 0 else 0
    around = cv2.dilate(near_side.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
    left = np.flatnonzero(around & allowed & ~near_side)
    row, column = np.divmod(left, near_side.shape[1])
    steps = [(dx, dy) for dx in range(-reach, reach + 1) for dy in range(-reach, reach + 1)]
    # So near, trying the places around in the order of their distance is quicker than an exact distance transform.
    for distance, dx, dy in sorted((math.hypot(*step), *step) for step in steps):
        if 0 < distance < width + 1 and len(left):
            y, x = row + dy, column + dx
            inside = (y >= 0) & (x >= 0) & (y < near_side.shape[0]) & (x < near_side.shape[1])
            found = inside & near_side[np.where(inside, y, 0), np.where(inside, x, 0)]
            there.flat[left[found]] = True
            source.flat[left[found]] = y[found] * near_side.shape[1] + x[found]
            faded.flat[left[found]] = opacity * min(max(1 - (distance - 0.5) / (width + 0.5), 0), 1)
            left, row, column = left[~found], row[~found], column[~found]
    return there, source, faded


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
