"""What the photo hides, as a layered depth image: how far behind each depth edge, and at what depth.

How much must be imagined follows from the geometry alone: a background of disparity b behind an edge of disparity e is
uncovered for e - b pixels when the viewer moves to the end of the allowed travel, and a surface at the picture's border
for its own disparity. Disparities here are in those units: pixels of the grid at the allowed travel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numba
import numpy as np
import numpy.typing as npt

from diorama.types import Bool, Camera, Cuts, Float32, Int32, UInt8

Int64 = npt.NDArray[np.int64]

DIAGONAL = 1.2
"""The viewer may move along both axes at once: reach a little farther than along one."""

SLACK = 3
"""Pixels imagined beyond what geometry asks for: depth is not exact."""

DEPTH = 3
"""Hidden surfaces a pixel: a narrow middle surface needs one behind it that goes on behind its neighbour too."""

UPRIGHT = 4
"""Cost of a step up or down to one sideways, where backgrounds compete for the same place."""

SMOOTHINGS = 3
"""Passes of a 5 x 5 median over the hidden surfaces (three are about a 9 x 9 one): depth along an edge is ragged."""

RELAXATIONS = 60
"""Sweeps that spread depth evenly between the edges of a hidden surface; bands are tens of pixels wide."""

ALIKE = 48.0
"""Colour difference, in 8-bit steps, over which a hidden surface may be stretched. 24 gains 0.03 dB less."""


@dataclass(frozen=True)
class Surface:
    """One layer of the layered depth image, on the widened grid."""

    disparity: Float32  # (H, W) pixels at the allowed travel; of the surface in front where `there` is False
    there: Bool  # (H, W)
    cuts: Cuts
    seed: Int32  # (H, W) flat index of the visible pixel that is continued here; -1 elsewhere, or where it is visible
    jump: float  # difference from which two disparities are different surfaces


@dataclass(frozen=True)
class LayeredDepth:
    """The visible surface, continued beyond the frame, and the hidden ones behind it, nearest first."""

    margin: int  # the grid is wider by so many pixels on all sides
    camera: Camera  # of the widened grid
    inside: Bool  # (H, W) the photo's frame
    needed: Bool  # (H, W) what of the picture can come into view: the frame, and what the travel adds to it
    near_side: Bool  # (H, W) visible pixels in front at a cut
    far_side: Bool  # (H, W) visible pixels behind at a cut
    unsure: Bool  # (H, W) visible pixels whose colour may be another surface's
    surfaces: tuple[Surface, ...]  # the visible one first

    def far_side_within(self, width: float) -> Bool:
        """(H, W) visible pixels behind at a cut and their neighbours up to `width` pixels from it."""
        import cv2

        side = 2 * math.ceil(width) + 1
        return cv2.dilate(self.far_side.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def find_layers(
    disparity: Float32,
    cuts: Cuts,
    camera: Camera,
    threshold: float,
    opaque: Bool | None = None,
    border: float = 1.0,
    strip: int = 1,
) -> LayeredDepth:
    """Find every surface that the allowed travel can show.

    Args:
        disparity: (H, W) of the visible surface, in pixels at the allowed travel.
        cuts: links that no surface crosses.
        camera: of the grid.
        threshold: smallest jump, in the same pixels, between a surface and one behind it.
        opaque: (H, W), where there is a surface at all; None: everywhere.
        border: share of what the travel shows beyond the frame that is wanted.
        strip: pixels of the visible background beside a cut that are imagined anew. With more than one neither they nor
            the foreground's are trusted as examples.
    """
    margin = math.ceil(float(disparity.max()) * DIAGONAL) + SLACK
    visible = np.pad(disparity, margin, mode="edge")
    wide_cuts = _continue_cuts(cuts, margin)
    needed, inside = _frame(visible, margin, border)
    if opaque is not None:
        # A cut-out has nothing behind it and nothing around it.
        needed = np.pad(opaque, margin)
        wide_cuts = Cuts(
            wide_cuts.right & (needed[:, 1:] == needed[:, :-1]), wide_cuts.down & (needed[1:] == needed[:-1])
        )
    near, far = _edges(visible, wide_cuts)
    near_side, far_side = np.zeros(visible.shape, bool), np.zeros(visible.shape, bool)
    near_side.flat[near], far_side.flat[far] = True, True

    surfaces = [Surface(visible, needed, wide_cuts, np.broadcast_to(np.int32(-1), visible.shape), threshold)]
    sources = _sources(visible, near, far, wide_cuts, threshold)
    front = visible
    for layer in range(DEPTH if len(sources[0]) else 0):
        cost, way, owner, reach = _spread(front, needed, visible.ravel(), *sources, np.float32(threshold), layer == 0)
        hidden = owner >= 0
        if not hidden.any():
            break
        pixels = np.flatnonzero(hidden).astype(np.int32)
        behind = front.copy()
        behind.flat[pixels] = visible.ravel()[owner.ravel()[pixels]]
        even = _even(behind, visible, pixels, threshold)
        behind.flat[pixels] = np.minimum(even, front.ravel()[pixels] - np.float32(threshold / 2))
        surfaces.append(Surface(behind, hidden, jumps(behind, hidden, threshold), owner, threshold))
        sources = pixels, *(of_each.ravel()[pixels] for of_each in (cost, way, owner, reach))
        front = behind
    outermost = _grown(far_side, wide_cuts, strip - 1) & ~near_side
    unsure = near_side if strip == 1 else outermost | _grown(near_side, wide_cuts, strip - 1)
    widened = _rims_behind(surfaces, outermost)
    return LayeredDepth(margin, widen(camera, margin), inside, needed, near_side, far_side, unsure, widened)


def bridged(depth: LayeredDepth, rgb: UInt8, steepest: float) -> LayeredDepth:
    """The same, with hidden surfaces stretched over jumps between pixels that continue alike colours.

    What is imagined ends nowhere in particular: a tear in it only shows what was imagined behind it, in another colour.
    On Middlebury pairs this gains 0.1 dB in the holes, by stereo's disparity as by the true one, and 0.14 on grey ones.

    Args:
        rgb: (H, W, 3) of the widened grid.
        steepest: smallest ratio of the two disparities. Over larger jumps, such as to the sky, the stretch is a ray.
    """
    import cv2

    mean = cv2.blur(rgb, (3, 3)).reshape(-1, 3)
    width = depth.inside.shape[1]
    visible = depth.surfaces[0].disparity
    stretched = [depth.surfaces[0]]
    for surface in depth.surfaces[1:]:
        seed = surface.seed.ravel()
        kept = []
        for axis, cut in ((1, surface.cuts.right), (0, surface.cuts.down)):
            places = np.flatnonzero(cut & _both(surface.there, axis) & _between_whole(~cut, axis))
            before = _first_pixels(places, axis, width)
            ends = np.stack([before, before + (1 if axis else width)])
            disparity = surface.disparity.ravel()[ends]
            # Not where the stretched part would come out in front of what hides it.
            torn = disparity.max(axis=0) < visible.ravel()[ends].min(axis=0)
            torn &= disparity.min(axis=0) > np.float32(steepest) * disparity.max(axis=0)
            colour = mean[np.where(seed[ends] >= 0, seed[ends], ends)].astype(np.float32)
            torn &= np.linalg.norm(colour[1] - colour[0], axis=1) < ALIKE
            cut = cut.copy()
            cut.flat[places[torn]] = False
            kept.append(cut)
        stretched.append(replace(surface, cuts=Cuts(kept[0], kept[1])))
    return replace(depth, surfaces=tuple(stretched))


def _between_whole(whole: Bool, axis: int) -> Bool:
    """Links whose neighbours in line are both whole: else the stretch would slant on beyond the surface's end."""
    both = np.zeros(whole.shape, bool)
    line = np.moveaxis(whole, axis, 0)
    np.moveaxis(both, axis, 0)[1:-1] = line[:-2] & line[2:]
    return both


def _both(mask: Bool, axis: int) -> Bool:
    """For each link between neighbours along an axis: whether the mask holds both."""
    return mask[:, :-1] & mask[:, 1:] if axis else mask[:-1] & mask[1:]


def _sources(
    visible: Float32, near: Int32, far: Int32, cuts: Cuts, threshold: float
) -> tuple[Int32, Int32, Int32, Int32, Float32]:
    """Where backgrounds begin: pixels, costs, ways, owners and reaches for `_spread`, one each near pixel."""
    gap = visible.flat[near] - visible.flat[far]
    sideways = np.arange(len(near)) < np.count_nonzero(cuts.right)
    kept = gap > threshold
    near, far, gap, sideways = near[kept], far[kept], gap[kept], sideways[kept]
    order = np.lexsort((-gap, ~sideways))
    near, far, gap, sideways = near[order], far[order], gap[order], sideways[order]
    first = np.unique(near, return_index=True)[1]
    cost = np.where(sideways[first], 5, 5 * UPRIGHT).astype(np.int32)
    reach = ((gap[first] * DIAGONAL + SLACK) * 5).astype(np.float32)
    return near[first], cost, np.full(len(first), 5, np.int32), far[first], reach


def _even(behind: Float32, visible: Float32, pixels: Int32, threshold: float) -> Float32:
    """(N,) hidden disparity, at the flat indices `pixels`, without the raggedness of the edge that it was continued
    from."""
    import cv2

    smooth = behind.copy()
    for _ in range(SMOOTHINGS):
        smooth.flat[pixels] = cv2.medianBlur(smooth, 5).ravel()[pixels]
    # What is seen and what is hidden in one picture; beyond its border nothing is alike.
    field = np.pad(visible, 1, constant_values=np.nan)
    row, column = np.divmod(pixels, visible.shape[1])
    places = ((row + 1) * field.shape[1] + column + 1).astype(np.uint32)
    field.ravel()[places] = smooth.ravel()[pixels]
    _relax(field.ravel(), field.shape[1], places, np.float32(threshold), RELAXATIONS)
    even: Float32 = field.ravel()[places]
    return even


def _grown(mask: Bool, cuts: Cuts, steps: int) -> Bool:
    """The mask and what is up to `steps` pixels away on the same surface."""
    for _ in range(steps):
        wider = mask.copy()
        wider[:, 1:] |= mask[:, :-1] & ~cuts.right
        wider[:, :-1] |= mask[:, 1:] & ~cuts.right
        wider[1:] |= mask[:-1] & ~cuts.down
        wider[:-1] |= mask[1:] & ~cuts.down
        mask = wider
    return mask


def _rims_behind(surfaces: list[Surface], outermost: Bool) -> tuple[Surface, ...]:
    """Give the visible background's outermost pixels to the surface that continues it.

    A texture is filtered over the pixel's edge: in the visible panel the foreground's colour lies beyond it and would
    come out as a thin line along every old silhouette, in the hidden panel the background goes on.
    """
    if len(surfaces) < 2:
        return tuple(surfaces)
    visible, hidden = surfaces[:2]
    strip = outermost & visible.there & ~hidden.there
    there = hidden.there | strip
    wider = replace(hidden, there=there, cuts=jumps(hidden.disparity, there, hidden.jump))
    return replace(visible, there=visible.there & ~strip), wider, *surfaces[2:]


def widen(camera: Camera, margin: int) -> Camera:
    """The same camera with `margin` more pixels on all sides."""
    width, height = camera.width + 2 * margin, camera.height + 2 * margin
    return Camera(camera.fx, camera.fy, camera.cx + margin, camera.cy + margin, width, height, camera.source)


def _continue_cuts(cuts: Cuts, margin: int) -> Cuts:
    """Beyond each side of the frame the cuts along that side go straight on."""
    # A photo of a single row or column has no edge to go on with.
    right = np.pad(cuts.right, margin, mode="edge" if cuts.right.size else "constant")
    down = np.pad(cuts.down, margin, mode="edge" if cuts.down.size else "constant")
    right[:, :margin] = right[:, -margin:] = False
    down[:margin] = down[-margin:] = False
    return Cuts(right, down)


def _frame(visible: Float32, margin: int, border: float) -> tuple[Bool, Bool]:
    """Which pixels of the widened grid the travel can bring into view, and which are the photo's."""
    height, width = visible.shape
    beyond_x = np.abs(np.arange(width) - (width - 1) / 2) - ((width - 1) / 2 - margin)
    beyond_y = np.abs(np.arange(height) - (height - 1) / 2) - ((height - 1) / 2 - margin)
    beyond = np.maximum(beyond_x, beyond_y[:, None])
    return beyond <= border * (visible * DIAGONAL + SLACK), beyond <= 0


def _edges(visible: Float32, cuts: Cuts) -> tuple[Int32, Int32]:
    """Flat indices of the near and the far pixel of every cut link."""
    index = np.arange(visible.size, dtype=np.int32).reshape(visible.shape)
    one = np.concatenate([index[:, :-1][cuts.right], index[:-1][cuts.down]])
    other = np.concatenate([index[:, 1:][cuts.right], index[1:][cuts.down]])
    swap = visible.ravel()[one] < visible.ravel()[other]
    return np.where(swap, other, one), np.where(swap, one, other)


def jumps(disparity: Float32, there: Bool, threshold: float) -> Cuts:
    """Links between pixels that are `there` over jumps of more than the threshold, and all to those that aren't."""
    torn = []
    for axis in (1, 0):
        links = there[:, 1:] != there[:, :-1] if axis else there[1:] != there[:-1]
        places = np.flatnonzero(_both(there, axis))
        before = _first_pixels(places, axis, there.shape[1])
        after = before + (1 if axis else there.shape[1])
        links.flat[places] = np.abs(disparity.ravel()[after] - disparity.ravel()[before]) > threshold
        torn.append(links)
    return Cuts(torn[0], torn[1])


def _first_pixels(links: Int64, axis: int, width: int) -> Int64:
    """Flat indices of the first of the two pixels of links along an axis, from those of the links."""
    return links + links // max(1, width - 1) if axis else links


@numba.njit(cache=True, nogil=True)
def _spread(front, under, flat, pixels, costs, ways, owners, reaches, threshold, keep):  # type: ignore[no-untyped-def]
    """Continue each background from its edge under the surface in front of it.

    Dijkstra's algorithm with buckets. Each source is a pixel with what the way to it has cost its background already,
    how long it is, the visible pixel that is continued and how far that may go (chamfer distances, 5 a pixel and 7 a
    diagonal). A background goes on under pixels of `under` whose `front` is nearer by more than the threshold. Ways up
    and down cost `UPRIGHT` times as much as sideways: viewers, and eyes, move sideways, so what stands beside an edge
    is seen behind it more often than what stands above. With `keep` the sources are results themselves.

    Returns, each (H, W): cost, way, owner (-1: nothing came here) and reach.
    """
    height, width = front.shape
    size = height * width
    over, allowed = front.ravel(), under.ravel()
    cost = np.full(size, 2**30, np.int32)
    way = np.zeros(size, np.int32)
    owner = np.full(size, -1, np.int32)
    reach = np.zeros(size, np.float32)
    room = 4 * size + len(pixels) + 16
    item = np.empty(room, np.int32)
    item_way = np.empty(room, np.int32)
    item_owner = np.empty(room, np.int32)
    item_reach = np.empty(room, np.float32)
    following = np.empty(room, np.int32)
    deepest = 0
    for k in range(len(pixels)):
        deepest = max(deepest, costs[k], UPRIGHT * int(reaches[k]))
    heads = np.full(deepest + 10 * UPRIGHT, -1, np.int32)
    used = 0
    for k in range(len(pixels)):
        p = pixels[k]
        if keep:
            if not allowed[p]:
                continue
            cost[p], way[p], owner[p], reach[p] = costs[k], ways[k], owners[k], reaches[k]
        item[used], item_way[used], item_owner[used], item_reach[used] = p, ways[k], owners[k], reaches[k]
        following[used] = heads[costs[k]]
        heads[costs[k]] = used
        used += 1
    for bucket in range(len(heads)):
        while heads[bucket] >= 0:
            entry = heads[bucket]
            heads[bucket] = following[entry]
            p, gone, mine, limit = item[entry], item_way[entry], item_owner[entry], item_reach[entry]
            if owner[p] >= 0 and (cost[p] < bucket or owner[p] != mine):
                continue
            base = flat[mine]
            py, px = p // width, p % width
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    y, x = py + dy, px + dx
                    if (dy == 0 and dx == 0) or y < 0 or x < 0 or y >= height or x >= width:
                        continue
                    n = y * width + x
                    length = gone + (7 if dy != 0 and dx != 0 else 5)
                    price = bucket + (5 * UPRIGHT if dy != 0 else 5)
                    if price >= cost[n] or length > limit or price >= len(heads) or not allowed[n] or used >= room:
                        continue
                    if over[n] - base <= threshold:
                        continue
                    cost[n], way[n], owner[n], reach[n] = price, length, mine, limit
                    item[used], item_way[used], item_owner[used], item_reach[used] = n, length, mine, limit
                    following[used] = heads[price]
                    heads[price] = used
                    used += 1
    shape = (height, width)
    return cost.reshape(shape), way.reshape(shape), owner.reshape(shape), reach.reshape(shape)


@numba.njit(cache=True, nogil=True)
def _relax(field, width, places, threshold, sweeps):  # type: ignore[no-untyped-def]
    """Even out the hidden surfaces in place: each of the `places`, ascending flat indices, becomes the mean of its
    neighbours on the same surface (Gauss-Seidel on Laplace's equation, its edges held by the visible background).

    `field`: flat, what is hidden there and else visible; none of the places is at its border.
    """
    share = np.array([0.0, 1.0, 1 / 2, 1 / 3, 1 / 4])
    steps = np.array([-width, width, -1, 1])
    for sweep in range(sweeps):
        for j in range(len(places)):
            place = places[j if sweep % 2 == 0 else len(places) - 1 - j]
            here = field[place]
            total, count = 0.0, 0
            for k in range(4):
                there = field[np.uint32(place + steps[k])]
                if abs(there - here) <= threshold:
                    total += there
                    count += 1
            if count:
                field[place] = total * share[count]
