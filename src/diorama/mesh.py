"""Point grid to mesh: an adaptive grid of pixels, open at depth cuts, reduced to a budget of triangles.

Vertices sit on the *corners* of pixels, so the mesh covers the picture to its very border and to both sides of every
cut. Where the four pixels around a corner belong to different surfaces the corner is split: each surface has its own
vertex there, and no triangle joins two surfaces. Even areas are covered by larger squares of a quadtree; each square
is a fan around its centre over all vertices on its rim, so that squares of different sizes meet without cracks.
"""

from __future__ import annotations

import itertools
import math

import numba
import numpy as np
import numpy.typing as npt

from diorama.corners import BOTTOM_LEFT, BOTTOM_RIGHT, TOP_LEFT, TOP_RIGHT, Grid, corner_grid, square_error
from diorama.cuts import near_inverse_depth
from diorama.errors import PhotoError
from diorama.types import Bool, Cuts, Float32, Int32, Mesh, PointCloud

Int64 = npt.NDArray[np.int64]

TRAVEL = 0.08
"""Camera move, as a share of the picture's diagonal at the nearest depth, at which errors are measured."""

LEVELS = 5
"""The largest square has 2^LEVELS = 32 pixels a side."""

TOLERANCES_PX = (0.1, 0.15, 0.25, 0.4, 0.6, 1.0, 1.5, 2.5)
"""Errors tried in turn, in pixels of parallax at the allowed camera travel: a tenth of a pixel can't be seen."""

SURPLUS = 2.0
"""The quadtree has up to so many times the budget; edge collapses bring it down with less error than larger squares. At
1.5 views of six stereo pairs lose 0.0026 of SSIM and triangulating takes 0.84 of the time, at 3 they gain nothing more
and it takes 1.14 times as long."""

HASTE = 8
"""How fast the error that edge collapses may bring grows from pass to pass. At 5 the reduction takes 1.6 times as long,
and the surface ends up farther from the one before it (0.0155 instead of 0.0130 px of parallax); at 12 as well."""

MAX_SLIDE_PX = 0.5
"""How far the texture may slide inside a triangle that is seen at a slant, in pixels of the grid."""

SPLIT_RESERVE = 0.99
"""Share of the triangle budget for shape; keeping textures in place takes some 0.2 to 0.5 per cent."""

MAX_HALVINGS = 8
"""Each halving quarters the slide, so eight are enough for any edge that fits into a picture."""


def triangulate(points: PointCloud, cuts: Cuts, budget: int, kept: float = 0.0) -> tuple[Mesh, tuple[str, ...]]:
    """Build the mesh of a point grid.

    Args:
        points: the grid (H, W); pixels that are not `opaque` get no mesh.
        cuts: links that no triangle may cross.
        budget: triangles.
        kept: share of the quadtree's triangles that stay even so. Of a ragged surface half are its border's, and the
            last that go cost most.

    Returns:
        The mesh, at most `budget` triangles unless its silhouettes alone need more, and warnings.

    Raises:
        PhotoError: every pixel is transparent.
    """
    if points.opaque is not None and not points.opaque.any():
        raise PhotoError("The photo is transparent everywhere.", hint="Choose a photo in which something can be seen.")
    camera = points.camera
    # Pixels of parallax at the allowed travel: the unit in which errors can be seen.
    scale = np.float32(TRAVEL * camera.diagonal / near_inverse_depth(points))
    grid = corner_grid(scale / points.z, cuts, points.opaque)
    leaves = _quadtree(grid, budget)
    flat, faces = _fans(grid, leaves)
    flat, faces = _to_budget(flat, faces, max(budget, int(kept * len(faces))))
    warnings: tuple[str, ...] = ()
    if len(faces) > budget:
        warnings = (
            f"The silhouettes alone need {len(faces):,} triangles, more than the budget of {budget:,}: "
            "they are kept. Raise the cut threshold or lower the geometry detail for fewer.",
        )
    return _lift(flat, faces, points, scale), warnings


def _quadtree(grid: Grid, budget: int) -> list[Int64]:
    """Choose squares: `leaves[k]` holds (n, 2) top left pixels (y, x) of the squares of 2^k pixels a side."""
    errors = [square_error(grid, level, TOLERANCES_PX[-1]) for level in range(1, LEVELS + 1)]
    chosen: list[Bool] = []
    for tolerance in TOLERANCES_PX:
        chosen = _leaves(grid, errors, tolerance)
        squares = [int(np.count_nonzero(mask)) for mask in chosen]
        # A pixel makes two triangles, a larger square four and one for each further vertex on its rim (about two).
        if 2 * squares[0] + 6 * sum(squares[1:]) <= SURPLUS * budget:
            break
    return [_places(mask) << level for level, mask in enumerate(chosen)]


def _leaves(grid: Grid, errors: list[Float32], tolerance: float) -> list[Bool]:
    """Which squares of 2^k pixels a side are taken, for each k: the largest that fit, and pixels in between."""
    taken = np.zeros((0, 0), bool)
    leaves: list[Bool] = []
    for error in reversed(errors):
        fits = error <= tolerance
        above = _doubled(taken, error.shape)
        leaves.append(fits & ~above)
        taken = fits | above
    leaves.append(grid.present & ~_doubled(taken, grid.present.shape))
    return leaves[::-1]


def _doubled(mask: Bool, shape: tuple[int, ...]) -> Bool:
    """Each square's four halves of the side; on a grid of this shape, which may have a row and a column more."""
    halves = np.zeros(shape, bool)
    height, width = 2 * mask.shape[0], 2 * mask.shape[1]
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        halves[row:height:2, column:width:2] = mask
    return halves


def _places(mask: Bool) -> Int64:
    """(n, 2) rows and columns (`np.argwhere` takes ten times as long)."""
    return np.stack(np.divmod(np.flatnonzero(mask), max(1, mask.shape[1])), axis=1)


def _fans(grid: Grid, leaves: list[Int64]) -> tuple[Float32, Int32]:
    """Triangulate the squares -> vertices (N, 3) as (x px, y px, disparity px) and faces (M, 3)."""
    height, width = grid.value.shape
    used = np.zeros(4 * (height + 1) * (width + 1), bool)
    corners = [_square_corners(grid, leaf, 1 << level) for level, leaf in enumerate(leaves)]
    for ids in itertools.chain(*corners):
        used[ids] = True
    a, b, c, d = corners[0]
    # The flatter of the two diagonals keeps ridges where they are.
    value = grid.mean
    across = (np.abs(value[a] - value[d]) <= np.abs(value[b] - value[c]))[:, None]
    first = np.where(across, np.stack([a, c, d], 1), np.stack([a, c, b], 1))
    second = np.where(across, np.stack([a, d, b], 1), np.stack([b, c, d], 1))
    faces = [first, second]
    for level, leaf in enumerate(leaves[1:], start=1):
        if len(leaf):
            faces.append(_fan(grid, leaf, 1 << level, used))
    triangles = np.concatenate(faces)
    taken = np.zeros(len(used), bool)
    taken[triangles] = True
    ids = np.flatnonzero(taken).astype(np.int32)
    compact = np.zeros(len(used), np.int32)
    compact[ids] = np.arange(len(ids), dtype=np.int32)
    place = ids >> 2
    flat = np.empty((len(ids), 3), np.float32)
    flat[:, 0] = place % (width + 1)
    flat[:, 1] = place // (width + 1)
    flat[:, 2] = value[ids]
    return flat, compact[triangles]


def _square_corners(grid: Grid, leaf: Int64, side: int) -> list[Int32]:
    y, x = leaf.T
    last = side - 1
    return [
        grid.vertex(TOP_LEFT, y, x),
        grid.vertex(TOP_RIGHT, y, x + last),
        grid.vertex(BOTTOM_LEFT, y + last, x),
        grid.vertex(BOTTOM_RIGHT, y + last, x + last),
    ]


def _fan(grid: Grid, leaf: Int64, side: int, used: Bool) -> Int32:
    """Triangles from each square's centre to the used vertices along its rim, counter-clockwise."""
    y, x = leaf[:, 0, None], leaf[:, 1, None]
    step = np.arange(side)
    last = side - 1
    # Counter-clockwise as the viewer sees it: down the left side, right along the bottom, up, and back left.
    rim = np.concatenate(
        [
            grid.vertex(TOP_LEFT, y + step, x),
            grid.vertex(BOTTOM_LEFT, y + last, x + step),
            grid.vertex(BOTTOM_RIGHT, y + last - step, x + last),
            grid.vertex(TOP_RIGHT, y, x + last - step),
            grid.vertex(TOP_LEFT, y, x),
        ],
        axis=1,
    )
    square, place = np.nonzero(used[rim])
    vertex = rim[square, place]
    same = square[1:] == square[:-1]
    centre = grid.vertex(TOP_LEFT, leaf[:, 0] + side // 2, leaf[:, 1] + side // 2)
    fan: Int32 = np.stack([centre[square[1:]], vertex[:-1], vertex[1:]], axis=1)[same]
    return fan


def _to_budget(flat: Float32, faces: Int32, budget: int) -> tuple[Float32, Int32]:
    """Reduce to the budget, less what the splitting adds again; a very small budget lets the texture slide more."""
    target = int(SPLIT_RESERVE * budget)
    if len(faces) > target:
        flat, faces = _simplify(flat, faces, target)
    if len(faces) > budget:  # silhouettes and borders alone are more
        return flat, faces
    for slide in (MAX_SLIDE_PX, 4 * MAX_SLIDE_PX, math.inf):
        split = _split_foreshortened(flat, faces, slide)
        if len(split[1]) <= budget:
            return split
    return flat, faces


def _simplify(flat: Float32, faces: Int32, budget: int) -> tuple[Float32, Int32]:
    """Collapse edges by quadric error (Garland and Heckbert 1997) in picture space, where an error is what is seen;
    the borders, which are the picture's frame and the silhouettes, stay."""
    import fast_simplification

    vertices, triangles = fast_simplification.simplify(
        flat, faces, target_count=budget, agg=HASTE, preserve_border=True
    )
    return np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(triangles, np.int32)


def _split_foreshortened(flat: Float32, faces: Int32, allowed: float) -> tuple[Float32, Int32]:
    """Halve edges until the texture slides no more than `allowed` pixels along them.

    Viewers interpolate texture coordinates linearly in space, the photo's are projective: along an edge of L pixels
    between inverse depths p and q the texture slides by up to L |ln(p / q)| / 8 pixels. A flat floor may be two
    triangles by its shape and still need more for its texture.
    """
    for _ in range(MAX_HALVINGS):
        long = np.flatnonzero(_slides(flat, faces, np.float32(allowed)))
        if not len(long):
            break
        face, corner = np.divmod(long, 3)
        pairs = np.stack([faces[face, corner], faces[face, (corner + 1) % 3]], axis=1).astype(np.int64)
        pairs.sort(axis=1)
        edges, edge_of = np.unique(pairs[:, 0] * len(flat) + pairs[:, 1], return_inverse=True)
        middles = np.full(faces.size, -1, np.int32)
        middles[long] = len(flat) + edge_of.ravel()
        flat = np.concatenate([flat, (flat[edges // len(flat)] + flat[edges % len(flat)]) / 2])
        faces = _subdivide(faces, middles.reshape(-1, 3))
    return flat, faces


@numba.njit(cache=True, nogil=True)
def _slides(flat, faces, allowed):  # type: ignore[no-untyped-def]
    """(M, 3): whether the texture slides by more than `allowed` pixels along the edges ab, bc, ca between vertices
    (x px, y px, disparity px)."""
    least, eighth = np.float32(1e-9), np.float32(0.125)
    slides = np.empty(faces.shape, np.bool_)
    for face in range(len(faces)):
        for corner in range(3):
            one, other = flat[faces[face, corner]], flat[faces[face, (corner + 1) % 3]]
            length = np.sqrt((one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2)
            ratio = np.log(max(one[2], least) / max(other[2], least))
            slides[face, corner] = length * abs(ratio) * eighth > allowed
    return slides


def _subdivide(faces: Int32, middles: Int32) -> Int32:
    """Split triangles at the midpoints of their edges (ab, bc, ca), -1 where an edge stays whole."""
    count = (middles >= 0).sum(axis=1)
    parts = [faces[count == 0]]
    for k in range(3):  # one edge: turn the triangle so that it is its first
        chosen = (count == 1) & (middles[:, k] >= 0)
        a, b, c = np.roll(faces[chosen], -k, axis=1).T
        m = middles[chosen, k]
        parts += [np.stack([a, m, c], 1), np.stack([m, b, c], 1)]
        chosen = (count == 2) & (middles[:, k] < 0)  # two edges: the whole one first
        a, b, c = np.roll(faces[chosen], -k, axis=1).T
        m, n = middles[chosen, (k + 1) % 3], middles[chosen, (k + 2) % 3]
        parts += [np.stack([n, m, c], 1), np.stack([a, b, m], 1), np.stack([a, m, n], 1)]
    a, b, c = faces[count == 3].T
    m, n, o = middles[count == 3].T
    parts += [np.stack(corner, 1) for corner in ((a, m, o), (m, b, n), (o, n, c), (m, n, o))]
    return np.ascontiguousarray(np.concatenate(parts), np.int32)


def _lift(flat: Float32, faces: Int32, points: PointCloud, scale: np.float32) -> Mesh:
    """From (x px, y px, disparity px) to space, with texture coordinates and normals."""
    camera = points.camera
    x, y, disparity = flat.T
    nearest, farthest = scale / points.z.min(), scale / points.z.max()
    z = scale / np.clip(disparity, farthest, nearest)
    vertices = np.stack([(x - camera.cx) / camera.fx * z, (y - camera.cy) / camera.fy * z, z], axis=1)
    uv = np.stack([x / camera.width, y / camera.height], axis=1)
    vertices = np.ascontiguousarray(vertices, np.float32)
    uv = np.ascontiguousarray(np.clip(uv, 0, 1), np.float32)
    return Mesh(vertices, faces, uv, vertex_normals(vertices, faces))


def vertex_normals(vertices: Float32, faces: Int32) -> Float32:
    """Area-weighted means of the faces' normals, (N, 3), unit length; towards the viewer where there is no face."""
    total = np.zeros((len(vertices), 3))
    _add_normals(vertices, faces, total)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    unit = np.where(length > 0, total / np.maximum(length, 1e-30), np.array([0.0, 0.0, -1.0]))
    return np.ascontiguousarray(unit, np.float32)


@numba.njit(cache=True, nogil=True)
def _add_normals(vertices, faces, total):  # type: ignore[no-untyped-def]
    """To each vertex of each face the face's normal, as long as twice its area."""
    for face in range(len(faces)):
        i, j, k = faces[face]
        one, other = np.empty(3), np.empty(3)
        for axis in range(3):
            one[axis] = np.float64(vertices[j, axis]) - np.float64(vertices[i, axis])
            other[axis] = np.float64(vertices[k, axis]) - np.float64(vertices[i, axis])
        for axis in range(3):
            then, last = (axis + 1) % 3, (axis + 2) % 3
            normal = one[then] * other[last] - one[last] * other[then]
            total[i, axis] += normal
            total[j, axis] += normal
            total[k, axis] += normal
