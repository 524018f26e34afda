"""Fewer triangles: edges collapse in order of the quadric error that this brings (Garland and Heckbert 1997).

The edges aren't sorted: in each pass every edge below a threshold collapses, and the threshold grows from pass to pass,
as in Sven Forstmann's Fast-Quadric-Mesh-Simplification (MIT, see NOTICE), of which this is a rendering: the same to the
bit as the package fast-simplification, that library's binding. That one lets no other thread run Python meanwhile, a
fifth of a second for a photo's meshes, takes a third longer, and never gives back its tables of some 60 MB.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from diorama.arrays import Int32

Float64 = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32] | Float64

PASSES = 100

RENEWED = 5
"""Passes from one clearing away of what has gone to the next."""

STRAIGHT = 0.999
"""Cosine between two edges from which a triangle is a needle."""

TURNED = 0.2
"""Cosine between its old and its new normal below which a triangle has turned over."""

_QUADRIC, _BORDER = 3, 13
"""Columns of a vertex's row: x, y, z; then the sum of its triangles' quadrics, squares and products of their planes'
coefficients a, b, c, d in the order aa ab ac ad bb bc bd cc cd dd; then 1 where it lies at a border.

Few arrays, each with much in a row, because each that a compiled function is given is counted up and down."""

_ERROR, _LEAST = 3, 6
"""Columns of a triangle's row: its normal; then the errors of its edges ab, bc, ca; then the least of them."""


def collapsed(vertices: Floats, faces: Int32, target: int, haste: float) -> tuple[Float64, Int32]:
    """Collapse edges until no more than `target` triangles are left, or none can go; borders stay as they are.

    Args:
        vertices: (N, 3).
        faces: (M, 3).
        haste: how fast the error that a collapse may bring grows from pass to pass: an exponent, about 5 to 12.

    Returns:
        vertices (n, 3), float64, and faces (m, 3).
    """
    thresholds = np.array([1e-9 * math.pow(number + 3, haste) for number in range(PASSES)])
    point = np.zeros((len(vertices), 14))
    point[:, :3] = vertices
    return _collapse(point, np.array(faces, np.int32, order="C"), target, thresholds)  # type: ignore[no-any-return]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _collapse(point, corner, target, thresholds):  # type: ignore[no-untyped-def]
    """`point` (N, 14) and `corner` (M, 3) int32, which are used up -> vertices (n, 3) and faces (m, 3)."""
    count, alive = len(corner), len(corner)
    face = _planes(point, corner)
    first, many, around = _uses(len(point), corner, count)
    _mark_borders(point, corner, first, many, around)
    for t in range(count):
        _rate(point, corner, face, t)
    changed = np.zeros(count, np.int8)  # 1: in this pass, 2: it has gone
    used = len(around)
    for turn in range(len(thresholds)):
        if alive <= target:
            break
        if turn and turn % RENEWED == 0:
            count = _packed(corner, face, changed, count)
            first, many, around = _uses(len(point), corner, count)
            used = len(around)
        for t in range(count):
            changed[t] &= 2
        threshold = thresholds[turn]
        for t in range(count):
            if face[t, _LEAST] > threshold or changed[t]:
                continue
            for k in range(3):
                here, there = np.uint32(corner[t, k]), np.uint32(corner[t, k + 1 if k < 2 else 0])
                if not face[t, _ERROR + k] < threshold or point[here, _BORDER] or point[there, _BORDER]:
                    continue
                _, x, y, z = _cost(point, here, there)
                if _turns(point, corner, face, changed, around, first[here], many[here], there, x, y, z):
                    continue
                if _turns(point, corner, face, changed, around, first[there], many[there], here, x, y, z):
                    continue
                if used + many[here] + many[there] > len(around):
                    around = _longer(around, used, many[here] + many[there])
                point[here, 0], point[here, 1], point[here, 2] = x, y, z
                for term in range(_QUADRIC, _BORDER):
                    point[here, term] = point[there, term] + point[here, term]
                end, went = _move(point, corner, face, changed, around, first[here], many[here], there, here, used)
                end, more = _move(point, corner, face, changed, around, first[there], many[there], there, here, end)
                alive -= went + more
                if end - used <= many[here]:
                    for j in range(end - used):
                        around[first[here] + j] = around[used + j]
                    many[here] = end - used
                else:
                    first[here], many[here] = used, end - used
                    used = end
                break
            if alive <= target:
                break
    count = _packed(corner, face, changed, count)
    return _without_unused(point, corner, count)


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _turns(point, corner, face, changed, around, start, many, other, x, y, z):  # type: ignore[no-untyped-def]
    """Whether a triangle around a vertex, but those that hold the vertex `other` as well and so vanish, would turn
    over, or become a needle, if the vertex went to (x, y, z)."""
    for j in range(many):
        use = around[np.uint32(start + j)]
        t, k = np.uint32(use >> 2), use & 3
        if changed[t] == 2:
            continue
        one, two = np.uint32(corner[t, k + 1 if k < 2 else 0]), np.uint32(corner[t, k - 1 if k else 2])
        if one == other or two == other:
            continue
        ux, uy, uz = _unit(point[one, 0] - x, point[one, 1] - y, point[one, 2] - z)
        vx, vy, vz = _unit(point[two, 0] - x, point[two, 1] - y, point[two, 2] - z)
        if abs(vx * ux + vy * uy + vz * uz) > STRAIGHT:
            return True
        a, b, c = _unit(uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)
        if face[t, 0] * a + face[t, 1] * b + face[t, 2] * c < TURNED:
            return True
    return False


@numba.njit(nogil=True, error_model="numpy")
def _move(point, corner, face, changed, around, start, many, there, here, end):  # type: ignore[no-untyped-def]
    """Of a vertex's triangles let those between `here` and `there` go, and give the others to `here`: their entries
    come to `end` and after it. Returns where they end, and how many triangles have gone."""
    went = 0
    for j in range(many):
        use = around[np.uint32(start + j)]
        t, k = np.uint32(use >> 2), use & 3
        if changed[t] == 2:
            continue
        one, two = corner[t, k + 1 if k < 2 else 0], corner[t, k - 1 if k else 2]
        if corner[t, k] == here and (one == there or two == there):
            changed[t] = 2
            went += 1
            continue
        corner[t, k] = here
        changed[t] = 1
        _rate(point, corner, face, t)
        around[end] = use
        end += 1
    return end, went


@numba.njit(nogil=True, error_model="numpy")
def _rate(point, corner, face, t):  # type: ignore[no-untyped-def]
    """The errors of a triangle's edges, and the least of them."""
    a, b, c = np.uint32(corner[t, 0]), np.uint32(corner[t, 1]), np.uint32(corner[t, 2])
    one, two, three = _cost(point, a, b)[0], _cost(point, b, c)[0], _cost(point, c, a)[0]
    face[t, _ERROR], face[t, _ERROR + 1], face[t, _ERROR + 2] = one, two, three
    face[t, _LEAST] = _least(one, _least(two, three))


@numba.njit(nogil=True, error_model="numpy")
def _cost(point, here, there):  # type: ignore[no-untyped-def]
    """The error of collapsing an edge, and the point x, y, z at which it is least."""
    aa, ab = point[here, 3] + point[there, 3], point[here, 4] + point[there, 4]
    ac, ad = point[here, 5] + point[there, 5], point[here, 6] + point[there, 6]
    bb, bc = point[here, 7] + point[there, 7], point[here, 8] + point[there, 8]
    bd, cc = point[here, 9] + point[there, 9], point[here, 10] + point[there, 10]
    cd, dd = point[here, 11] + point[there, 11], point[here, 12] + point[there, 12]
    whole = _determinant(aa, ab, ac, ab, bb, bc, ac, bc, cc)
    if whole != 0 and not (point[here, _BORDER] and point[there, _BORDER]):
        x = -1 / whole * _determinant(ab, ac, ad, bb, bc, bd, bc, cc, cd)
        y = 1 / whole * _determinant(aa, ac, ad, ab, bc, bd, ac, cc, cd)
        z = -1 / whole * _determinant(aa, ab, ad, ab, bb, bd, ac, bc, cd)
        return _error(aa, ab, ac, ad, bb, bc, bd, cc, cd, dd, x, y, z), x, y, z
    p, q, r = point[here, 0], point[here, 1], point[here, 2]
    s, t, u = point[there, 0], point[there, 1], point[there, 2]
    x, y, z = (p + s) / 2, (q + t) / 2, (r + u) / 2
    one = _error(aa, ab, ac, ad, bb, bc, bd, cc, cd, dd, p, q, r)
    other = _error(aa, ab, ac, ad, bb, bc, bd, cc, cd, dd, s, t, u)
    middle = _error(aa, ab, ac, ad, bb, bc, bd, cc, cd, dd, x, y, z)
    least = _least(one, _least(other, middle))
    if middle == least:
        return least, x, y, z
    return (least, s, t, u) if other == least else (least, p, q, r)


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _determinant(a, b, c, d, e, f, g, h, i):  # type: ignore[no-untyped-def]
    return a * e * i + c * d * h + b * f * g - c * e * g - a * f * h - b * d * i


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _error(aa, ab, ac, ad, bb, bc, bd, cc, cd, dd, x, y, z):  # type: ignore[no-untyped-def]
    """Sum of the squared distances of a point from the planes of a quadric."""
    squares = aa * x * x + 2 * ab * x * y + 2 * ac * x * z + 2 * ad * x + bb * y * y
    return squares + 2 * bc * y * z + 2 * bd * y + cc * z * z + 2 * cd * z + dd


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _least(one, other):  # type: ignore[no-untyped-def]
    """The smaller one; a number rather than none."""
    return one if one < other or other != other else other


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _unit(x, y, z):  # type: ignore[no-untyped-def]
    length = np.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


@numba.njit(nogil=True, error_model="numpy")
def _planes(point, corner):  # type: ignore[no-untyped-def]
    """The triangles' rows, (M, 7), with their normals, whose quadrics are added up in the vertices' rows."""
    face = np.empty((len(corner), 7))
    for t in range(len(corner)):
        p, q, r = point[corner[t, 0]], point[corner[t, 1]], point[corner[t, 2]]
        ux, uy, uz = q[0] - p[0], q[1] - p[1], q[2] - p[2]
        vx, vy, vz = r[0] - p[0], r[1] - p[1], r[2] - p[2]
        a, b, c = _unit(uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)
        face[t, 0], face[t, 1], face[t, 2] = a, b, c
        d = -(p[0] * a + p[1] * b + p[2] * c)
        terms = (a * a, a * b, a * c, a * d, b * b, b * c, b * d, c * c, c * d, d * d)
        for k in range(3):
            for term in range(10):
                point[corner[t, k], _QUADRIC + term] += terms[term]
    return face


@numba.njit(nogil=True, error_model="numpy")
def _uses(size, corner, count):  # type: ignore[no-untyped-def]
    """Which triangles use each vertex: where its entries begin, how many they are, and the entries, four times the
    triangle plus the corner."""
    first, many = np.zeros(size, np.int32), np.zeros(size, np.int32)
    around = np.empty(3 * count, np.int32)
    for t in range(count):
        for k in range(3):
            many[corner[t, k]] += 1
    start = 0
    for vertex in range(size):
        first[vertex] = start
        start += many[vertex]
        many[vertex] = 0
    for t in range(count):
        for k in range(3):
            vertex = corner[t, k]
            around[first[vertex] + many[vertex]] = 4 * t + k
            many[vertex] += 1
    return first, many, around


@numba.njit(nogil=True, error_model="numpy")
def _longer(around, used, more):  # type: ignore[no-untyped-def]
    longer = np.empty(2 * (used + more), np.int32)
    longer[:used] = around[:used]
    return longer


@numba.njit(nogil=True, error_model="numpy")
def _mark_borders(point, corner, first, many, around):  # type: ignore[no-untyped-def]
    """Vertices at an edge with a triangle on one side only: with one of their neighbours they share just one."""
    shared = np.zeros(len(first), np.int32)
    for vertex in range(len(first)):
        for step in range(3):
            for j in range(many[vertex]):
                t = around[first[vertex] + j] >> 2
                for k in range(3):
                    other = corner[t, k]
                    if step == 0:
                        shared[other] += 1
                    elif step == 2:
                        shared[other] = 0
                    elif shared[other] == 1:
                        point[other, _BORDER] = 1


@numba.njit(nogil=True, error_model="numpy")
def _packed(corner, face, changed, count):  # type: ignore[no-untyped-def]
    """Move the triangles that are left to the front, and say how many they are."""
    kept = 0
    for t in range(count):
        if changed[t] == 2:
            continue
        for k in range(3):
            corner[kept, k] = corner[t, k]
        for k in range(7):
            face[kept, k] = face[t, k]
        kept += 1
    changed[:kept] = 0
    return kept


@numba.njit(nogil=True, error_model="numpy")
def _without_unused(point, corner, count):  # type: ignore[no-untyped-def]
    """The vertices that triangles use, and the triangles of them."""
    number = np.full(len(point), -1, np.int32)
    for t in range(count):
        for k in range(3):
            number[corner[t, k]] = 0
    kept = 0
    for vertex in range(len(point)):
        if number[vertex] == 0:
            number[vertex] = kept
            kept += 1
    left = np.empty((kept, 3))
    for vertex in range(len(point)):
        if number[vertex] >= 0:
            for axis in range(3):
                left[number[vertex], axis] = point[vertex, axis]
    faces = np.empty((count, 3), np.int32)
    for t in range(count):
        for k in range(3):
            faces[t, k] = number[corner[t, k]]
    return left, faces
