"""Triangles into a buffer of samples: homogeneous rasterisation (Olano and Greer, 1997), which needs no clipping.

With a triangle's corners as (x w, y w, w) on the screen, the rows of the inverse of their matrix are three linear
functions of (x, y) that are positive inside, whose sum is 1/w, and whose shares of that sum are the perspective-correct
barycentric coordinates. Both the picture (w = z) and the shadow map (w = 1, nearness to the light kept) use it.
"""

from __future__ import annotations

import math

import numba
import numpy as np

SLACK = 1e-6
"""Samples by which a span is widened, so that rounding leaves no gap between neighbours."""


@numba.njit(cache=True, nogil=True, fastmath=True)
def expand(  # type: ignore[no-untyped-def]
    starts, positions, normals, uvs, tints, faces, cuts, boxed, which, frames, materials, mapping, view,
    out_xyz, out_normal, out_uv, out_tint, out_faces, out_material, out_cut, v, f
):  # fmt: skip
    """Copy the shapes `which` through their `frames` (3x4, to the world) and `view` (3x4, to the camera)."""
    m = np.empty((3, 4))
    for i in range(which.shape[0]):
        shape = which[i]
        frame = frames[i]
        for r in range(3):
            for c in range(4):
                total = view[r, 3] if c == 3 else 0.0
                for k in range(3):
                    total += view[r, k] * frame[k * 4 + c]
                m[r, c] = total
        a, b, c_, d, e, g, h, p, q = m[0, 0], m[0, 1], m[0, 2], m[1, 0], m[1, 1], m[1, 2], m[2, 0], m[2, 1], m[2, 2]
        # Normals go through the cofactors, which is the inverse transpose but for scale.
        n00, n01, n02 = e * q - g * p, g * h - d * q, d * p - e * h
        n10, n11, n12 = c_ * p - b * q, a * q - c_ * h, b * h - a * p
        n20, n21, n22 = b * g - c_ * e, c_ * d - a * g, a * e - b * d
        sign = 1.0 if a * n00 + b * n01 + c_ * n02 > 0 else -1.0
        sx, sy, sz = (
            math.sqrt(a * a + d * d + h * h),
            math.sqrt(b * b + e * e + p * p),
            math.sqrt(c_ * c_ + g * g + q * q),
        )
        su, sv, ou, ov = mapping[i, 0], mapping[i, 1], mapping[i, 2], mapping[i, 3]
        start = v
        for j in range(starts[shape, 0], starts[shape + 1, 0]):
            x, y, z = positions[j, 0], positions[j, 1], positions[j, 2]
            out_xyz[v, 0] = a * x + b * y + c_ * z + m[0, 3]
            out_xyz[v, 1] = d * x + e * y + g * z + m[1, 3]
            out_xyz[v, 2] = h * x + p * y + q * z + m[2, 3]
            nx, ny, nz = normals[j, 0], normals[j, 1], normals[j, 2]
            tx, ty, tz = n00 * nx + n01 * ny + n02 * nz, n10 * nx + n11 * ny + n12 * nz, n20 * nx + n21 * ny + n22 * nz
            length = sign / math.sqrt(tx * tx + ty * ty + tz * tz + 1e-30)
            out_normal[v, 0], out_normal[v, 1], out_normal[v, 2] = tx * length, ty * length, tz * length
            if boxed[shape]:
                ax, ay, az = abs(nx), abs(ny), abs(nz)
                if ay >= ax and ay >= az:
                    out_uv[v, 0], out_uv[v, 1] = x * sx * su + ou, z * sz * sv + ov
                elif ax >= az:
                    out_uv[v, 0], out_uv[v, 1] = z * sz * su + ou, -y * sy * sv + ov
                else:
                    out_uv[v, 0], out_uv[v, 1] = x * sx * su + ou, -y * sy * sv + ov
            else:
                out_uv[v, 0], out_uv[v, 1] = uvs[j, 0] * su + ou, uvs[j, 1] * sv + ov
            out_tint[v] = tints[j]
            v += 1
        shift = start - starts[shape, 0]
        for j in range(starts[shape, 1], starts[shape + 1, 1]):
            for k in range(3):
                out_faces[f, k] = faces[j, k] + shift
            out_material[f] = materials[i]
            out_cut[f] = cuts[j]
            f += 1
    return v, f


@numba.njit(cache=True, nogil=True, fastmath=True)
def _inverse_rows(ax, ay, aw, bx, by, bw, cx, cy, cw, row):  # type: ignore[no-untyped-def]
    """The three edge functions of a triangle into `row` (9 numbers); False where it is seen edge-on."""
    row[0], row[1], row[2] = by * cw - bw * cy, bw * cx - bx * cw, bx * cy - by * cx
    det = ax * row[0] + ay * row[1] + aw * row[2]
    if abs(det) < 1e-14:
        return False
    row[3], row[4], row[5] = cy * aw - cw * ay, cw * ax - cx * aw, cx * ay - cy * ax
    row[6], row[7], row[8] = ay * bw - aw * by, aw * bx - ax * bw, ax * by - ay * bx
    for i in range(9):
        row[i] /= det
    return True


@numba.njit(cache=True, nogil=True, fastmath=True)
def rasterise(points, extra, uv, faces, cut, masks, skip, material, near, value, number, rows):  # type: ignore[no-untyped-def]
    """Fill `value` with the greatest of the triangles' values at each sample and `number` with its triangle.

    Args:
        points: (N, 3) homogeneous screen coordinates (x w, y w, w) in samples.
        extra: (N,) the quantity kept at the corners, times w: 1 for the picture (giving 1/z), nearness for shadows.
        skip: (materials,) materials that are left out.
        cut: (F,) the mask that punches holes into a triangle, or -1.
        rows: (F, 9) the edge functions, written for triangles that are seen.
    """
    height, width = value.shape
    side = masks.shape[1]
    row = np.empty(9)
    for f in range(faces.shape[0]):
        if skip[material[f]]:
            continue
        ia, ib, ic = faces[f, 0], faces[f, 1], faces[f, 2]
        aw, bw, cw = points[ia, 2], points[ib, 2], points[ic, 2]
        if aw < near and bw < near and cw < near:
            continue
        ax, ay, bx, by, cx, cy = (
            points[ia, 0],
            points[ia, 1],
            points[ib, 0],
            points[ib, 1],
            points[ic, 0],
            points[ic, 1],
        )
        if aw >= near and bw >= near and cw >= near:
            pa, pb, pc = ax / aw, bx / bw, cx / cw
            left, right = min(pa, pb, pc), max(pa, pb, pc)
            if right < 0.0 or left > width - 1:
                continue
            pa, pb, pc = ay / aw, by / bw, cy / cw
            top, bottom = min(pa, pb, pc), max(pa, pb, pc)
            if bottom < 0.0 or top > height - 1:
                continue
        else:
            left, right, top, bottom = 0.0, width - 1.0, 0.0, height - 1.0
        x0, x1 = max(0, math.ceil(left - SLACK)), min(width - 1, math.floor(right + SLACK))
        y0, y1 = max(0, math.ceil(top - SLACK)), min(height - 1, math.floor(bottom + SLACK))
        if x0 > x1 or y0 > y1 or not _inverse_rows(ax, ay, aw, bx, by, bw, cx, cy, cw, row):
            continue
        ea, eb, ec = extra[ia], extra[ib], extra[ic]
        qx, qy = row[0] * ea + row[3] * eb + row[6] * ec, row[1] * ea + row[4] * eb + row[7] * ec
        q1 = row[2] * ea + row[5] * eb + row[8] * ec
        limit = 1.0 / near
        for y in range(y0, y1 + 1):
            lo, hi = float(x0), float(x1)
            empty = False
            for k in range(3):
                slope, rest = row[3 * k], row[3 * k + 1] * y + row[3 * k + 2]
                if slope > 0.0:
                    lo = max(lo, -rest / slope - SLACK)
                elif slope < 0.0:
                    hi = min(hi, -rest / slope + SLACK)
                elif rest < 0.0:
                    empty = True
            if empty or lo > hi:
                continue
            base = qy * y + q1
            if cut[f] < 0:
                for x in range(math.ceil(lo), math.floor(hi) + 1):
                    here = np.float32(qx * x + base)
                    if here > value[y, x] and here < limit:
                        value[y, x] = here
                        number[y, x] = f
            else:
                for x in range(math.ceil(lo), math.floor(hi) + 1):
                    here = np.float32(qx * x + base)
                    if here > value[y, x] and here < limit:
                        la, lb, lc = (
                            row[0] * x + row[1] * y + row[2],
                            row[3] * x + row[4] * y + row[5],
                            row[6] * x + row[7] * y + row[8],
                        )
                        total = la + lb + lc
                        u = (la * uv[ia, 0] + lb * uv[ib, 0] + lc * uv[ic, 0]) / total
                        v = (la * uv[ia, 1] + lb * uv[ib, 1] + lc * uv[ic, 1]) / total
                        if masks[cut[f], int(v * side) & (side - 1), int(u * side) & (side - 1)]:
                            value[y, x] = here
                            number[y, x] = f
        for k in range(9):
            rows[f, k] = row[k]
