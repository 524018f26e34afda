"""The renderer's compiled kernels: bands of rows, so that what a band needs stays in a core's cache. Part of `render`.

`screen` is (N, 3) float64: x and y in pixels, 1/z; 0 for a vertex too near to be drawn. Sample (i, j) of a picture
stands at ((j + 0.5) / SAMPLES, (i + 0.5) / SAMPLES) pixels. All kernels release the interpreter's lock.
"""

from __future__ import annotations

import math

import numba
import numpy as np

SAMPLES = 2
"""Samples a pixel in each direction. Two are visibly smooth in motion; three cost twice as much for little."""

SAME_SURFACE = 0.02
"""Samples whose inverse depths differ by less than this share see one surface, so its texture is looked up once."""

SHARPER = 0.25
"""Levels of the texture pyramid by which to err on the sharp side; more shimmers when the camera moves."""

EDGE = 1e-9
"""Barycentric slack: a sample on an edge belongs to both triangles, and the depth test decides."""

ROUNDING = 1 + 1e-6
"""What 1/z within a triangle may be off by in float32."""

LOOK = 16
"""Numbers a triangle for its texture: where its first corner stands (2), 1/z, u/z, v/z and opacity/z there with their
slopes along x and y (12), the level of the pyramid, and one to fill a cache line."""

LANE = 21
"""Bits a channel while weighted texels are summed in one word; weights have `WEIGHT` of them."""

WEIGHT = 13


@numba.njit(cache=True, nogil=True)
def project(vertices, move, turn, lens, near, first, last, screen):  # type: ignore[no-untyped-def]
    """See the vertices `first` to `last` from a camera at `move`, turned by `turn` (camera to scene), with the `lens`
    (fx, fy, cx, cy)."""
    for k in range(first, last):
        x, y, z = vertices[k, 0] - move[0], vertices[k, 1] - move[1], vertices[k, 2] - move[2]
        depth = x * turn[0, 2] + y * turn[1, 2] + z * turn[2, 2]
        if depth > near:
            inverse = 1.0 / depth
            screen[k, 0] = lens[0] * (x * turn[0, 0] + y * turn[1, 0] + z * turn[2, 0]) * inverse + lens[2]
            screen[k, 1] = lens[1] * (x * turn[0, 1] + y * turn[1, 1] + z * turn[2, 1]) * inverse + lens[3]
            screen[k, 2] = inverse
        else:
            screen[k, 2] = 0.0


@numba.njit(cache=True, nogil=True)
def sort_into_bands(screen, faces, first, end, width, height, band):  # type: ignore[no-untyped-def]
    """Which of the triangles `first` to `end` may be seen in which band of `band` pixel rows.

    Returns:
        starts: (bands + 1,) and the triangles' numbers: those of band b are listed[starts[b] : starts[b + 1]],
        ascending.
    """
    bands = (height + band - 1) // band
    starts = np.zeros(bands + 1, np.int64)
    spans = np.empty((end - first, 2), np.int32)
    for face in range(first, end):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        spans[face - first, 0], spans[face - first, 1] = 1, 0
        if min(screen[a, 2], screen[b, 2], screen[c, 2]) <= 0.0:
            continue
        if (
            max(screen[a, 0], screen[b, 0], screen[c, 0]) <= 0.0
            or min(screen[a, 0], screen[b, 0], screen[c, 0]) >= width
        ):
            continue
        low, high = min(screen[a, 1], screen[b, 1], screen[c, 1]), max(screen[a, 1], screen[b, 1], screen[c, 1])
        if high <= 0.0 or low >= height:
            continue
        one, last = int(max(low, 0.0)) // band, int(min(high, height - 1.0)) // band
        spans[face - first, 0], spans[face - first, 1] = one, last
        for k in range(one, last + 1):
            starts[k + 1] += 1
    for k in range(bands):
        starts[k + 1] += starts[k]
    at = starts[:-1].copy()
    listed = np.empty(starts[bands], np.int32)
    for face in range(first, end):
        for k in range(spans[face - first, 0], spans[face - first, 1] + 1):
            listed[at[k]] = face
            at[k] += 1
    return starts, listed


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _crossing(share, step, down):  # type: ignore[no-untyped-def]
    """Between which samples of a row a share is not negative: the first and how it moves from row to row, the last and
    how it moves."""
    if step == 0.0:  # along the row: the rows of the triangle's box are the right ones
        return -np.inf, 0.0, np.inf, 0.0
    inverse = 1.0 / step
    at, moves = (-EDGE - share) * inverse, -down * inverse
    if step > 0.0:
        return at, moves, np.inf, 0.0
    return -np.inf, 0.0, at, moves


@numba.njit(cache=True, nogil=True)
def _hides(inverse, nearest, left, right, top, bottom):  # type: ignore[no-untyped-def]
    """Whether all that is drawn in a box stands in front of what is no nearer than this.

    Where it doesn't, that shows at the first samples; of a scene in layers half the triangles are hidden, and spared
    all the rest.
    """
    for row in range(top, bottom):
        for column in range(left, right):
            if inverse[row, column] < nearest:
                return False
    return True


@numba.njit(cache=True, nogil=True, error_model="numpy")
def rasterise(screen, faces, listed, top, inverse, number, seen):  # type: ignore[no-untyped-def]
    """Fill `inverse` (1/z) and `number` (triangle) with what is nearest, from the sample row `top` on.

    1/z is linear on the screen. `seen` is set for triangles that won a sample; a nearer one may have taken it since.
    """
    rows, columns = inverse.shape
    for which in range(listed.shape[0]):
        face = np.uint64(listed[which])
        a, b, c = np.uint64(faces[face, 0]), np.uint64(faces[face, 1]), np.uint64(faces[face, 2])
        ax, ay = screen[a, 0] * SAMPLES - 0.5, screen[a, 1] * SAMPLES - 0.5 - top
        bx, by = screen[b, 0] * SAMPLES - 0.5 - ax, screen[b, 1] * SAMPLES - 0.5 - top - ay
        cx, cy = screen[c, 0] * SAMPLES - 0.5 - ax, screen[c, 1] * SAMPLES - 0.5 - top - ay
        area = bx * cy - by * cx
        if area == 0.0:
            continue
        scale = 1.0 / area
        x0, x1 = max(0, math.ceil(min(0.0, bx, cx) + ax)), min(columns - 1, math.floor(max(0.0, bx, cx) + ax))
        y0, y1 = max(0, math.ceil(min(0.0, by, cy) + ay)), min(rows - 1, math.floor(max(0.0, by, cy) + ay))
        if x0 > x1 or y0 > y1:
            continue
        za = screen[a, 2]
        zb, zc = screen[b, 2] - za, screen[c, 2] - za
        most_near = np.float32((za + max(0.0, zb, zc)) * ROUNDING)
        if _hides(inverse, most_near, np.uint64(x0), np.uint64(x1 + 1), np.uint64(y0), np.uint64(y1 + 1)):
            continue
        # The shares of b and c along a row and down a column; that of a is what they leave. Where one of them passes 0
        # along a row is linear in the row.
        b_step, c_step = cy * scale, -by * scale
        b_down, c_down = -cx * scale, bx * scale
        right, down = x0 - ax, y0 - ay
        wb, wc = right * b_step + down * b_down, right * c_step + down * c_down
        b_low, b_low_down, b_high, b_high_down = _crossing(wb, b_step, b_down)
        c_low, c_low_down, c_high, c_high_down = _crossing(wc, c_step, c_down)
        a_low, a_low_down, a_high, a_high_down = _crossing(1.0 - wb - wc, -b_step - c_step, -b_down - c_down)
        z = za + wb * zb + wc * zc
        z_step, z_down = b_step * zb + c_step * zc, b_down * zb + c_down * zc
        won, most = False, float(x1 - x0)
        for k in range(y1 - y0 + 1):
            low = max(a_low + k * a_low_down, b_low + k * b_low_down, c_low + k * c_low_down, 0.0)
            high = min(a_high + k * a_high_down, b_high + k * b_high_down, c_high + k * c_high_down, most)
            if high < low:
                continue
            first, last = math.ceil(low), math.floor(high)
            there = np.float64(z + k * z_down)
            row, column = np.uint64(y0 + k), np.uint64(x0)
            for j in range(np.uint64(first), np.uint64(last + 1)):
                here = np.float32(there + j * z_step)
                if here > inverse[row, column + j]:
                    inverse[row, column + j] = here
                    number[row, column + j] = face
                    won = True
        if won:
            seen[face] = True


@numba.njit(cache=True, nogil=True, error_model="numpy")
def prepare(screen, uv, opacity, faces, face, width, height, looks):  # type: ignore[no-untyped-def]
    """Write `looks[face]`: u/z, v/z and opacity/z are linear on the screen, as 1/z is."""
    a, b, c = np.uint64(faces[face, 0]), np.uint64(faces[face, 1]), np.uint64(faces[face, 2])
    ax, ay = screen[a, 0], screen[a, 1]
    bx, by = screen[b, 0] - ax, screen[b, 1] - ay
    cx, cy = screen[c, 0] - ax, screen[c, 1] - ay
    area = bx * cy - by * cx
    scale = 1.0 / area
    za, zb, zc = screen[a, 2], screen[b, 2], screen[c, 2]
    look = looks[face]
    look[0], look[1] = ax, ay
    for k in range(4):
        if k == 0:
            one, two, three = za, zb, zc
        elif k == 3:
            one, two, three = opacity[a] * za, opacity[b] * zb, opacity[c] * zc
        else:
            one, two, three = uv[a, k - 1] * za, uv[b, k - 1] * zb, uv[c, k - 1] * zc
        two, three = (two - one) * scale, (three - one) * scale
        look[2 + 3 * k] = one
        look[3 + 3 * k] = two * cy - three * by
        look[4 + 3 * k] = three * bx - two * cx
    texel_area = (uv[b, 0] - uv[a, 0]) * (uv[c, 1] - uv[a, 1]) - (uv[b, 1] - uv[a, 1]) * (uv[c, 0] - uv[a, 0])
    ratio = abs(texel_area * width * height * scale)
    look[14] = max(0.5 * math.log2(max(ratio, 1.0)) - SHARPER, 0.0)


@numba.njit(cache=True, nogil=True)
def _spread(texel, weight):  # type: ignore[no-untyped-def]
    """The three channels in lanes of `LANE` bits, times the weight."""
    wide = np.uint64(texel)
    lanes = (
        (wide & np.uint64(0xFF))
        | ((wide & np.uint64(0xFF00)) << np.uint64(LANE - 8))
        | ((wide & np.uint64(0xFF0000)) << np.uint64(2 * LANE - 16))
    )
    return lanes * np.uint64(weight)


@numba.njit(cache=True, nogil=True)
def _bilinear(texels, offset, height, width, u, v, total):  # type: ignore[no-untyped-def]
    """One level of the texture at (u, v); the four weights sum up to `total`."""
    x, y = u * np.float32(width) - np.float32(0.5), v * np.float32(height) - np.float32(0.5)
    low_x, low_y = np.floor(x), np.floor(y)
    share = np.float32(total)
    right, down = np.int32((x - low_x) * share + np.float32(0.5)), y - low_y
    below_right = np.int32(np.float32(right) * down + np.float32(0.5))
    below_left = np.int32(np.float32(total - right) * down + np.float32(0.5))
    ix, iy = np.int32(low_x), np.int32(low_y)
    # Unsigned: indices that can't be negative cost less.
    left, far = np.uint32(min(max(ix, 0), width - 1)), np.uint32(min(max(ix + 1, 0), width - 1))
    upper = np.uint32(offset + min(max(iy, 0), height - 1) * width)
    lower = np.uint32(offset + min(max(iy + 1, 0), height - 1) * width)
    return (
        _spread(texels[upper + left], total - right - below_left)
        + _spread(texels[upper + far], right - below_right)
        + _spread(texels[lower + left], below_left)
        + _spread(texels[lower + far], below_right)
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def look_up(texels, levels, look, x, y):  # type: ignore[no-untyped-def]
    """The texture of a triangle at the screen point (x, y), both float32; linear within and between two levels of the
    pyramid.

    (Sharper kernels, tried, make every small error of depth more visible: -0.05 dB against true right views.)

    Returns:
        The three channels in lanes, times 2 ** WEIGHT.
    """
    dx, dy = x - look[0], y - look[1]
    z = np.float32(1.0) / (look[2] + dx * look[3] + dy * look[4])
    u = (look[5] + dx * look[6] + dy * look[7]) * z
    v = (look[8] + dx * look[9] + dy * look[10]) * z
    whole = np.int32(1 << WEIGHT)
    coarse = min(look[14], np.float32(levels.shape[0] - 1))
    first = np.uint32(coarse)
    blend = np.int32((coarse - np.float32(first)) * np.float32(whole) + np.float32(0.5))
    colour = _bilinear(texels, levels[first, 0], levels[first, 1], levels[first, 2], u, v, whole - blend)
    if blend > 0:
        after = first + np.uint32(1)
        colour += _bilinear(texels, levels[after, 0], levels[after, 1], levels[after, 2], u, v, blend)
    return colour


@numba.njit(cache=True, nogil=True)
def _channel(colour, channel):  # type: ignore[no-untyped-def]
    lane = (colour >> np.uint64(channel * LANE)) & np.uint64((1 << LANE) - 1)
    return np.float64(lane) / (1 << WEIGHT)


@numba.njit(cache=True, nogil=True)
def _opacity(look, x, y):  # type: ignore[no-untyped-def]
    dx, dy = x - look[0], y - look[1]
    inverse = look[2] + dx * look[3] + dy * look[4]
    return min(max((look[11] + dx * look[12] + dy * look[13]) / inverse, 0.0), 1.0)


@numba.njit(cache=True, nogil=True)
def _mixed(texels, levels, looks, soft_looks, number, soft, some_soft, background, row, column, i0, mixed):  # type: ignore[no-untyped-def]
    """A pixel that sees several surfaces, sample by sample; what may be seen through is laid over what is solid, the
    nearest of it alone. Returns how many samples are covered."""
    mixed[:] = 0.0
    covered = 0.0
    for i in range(SAMPLES):
        for j in range(SAMPLES):
            y, x = np.float32(row + (i + 0.5) / SAMPLES), np.float32(column + (j + 0.5) / SAMPLES)
            si, sj = i0 + np.uint64(i), column * np.uint64(SAMPLES) + np.uint64(j)
            share = 0.0
            if some_soft and soft[si, sj] >= 0:
                look = soft_looks[soft[si, sj]]
                share = _opacity(look, x, y)
                colour = look_up(texels, levels, look, x, y)
                for channel in range(3):
                    mixed[channel] += share * _channel(colour, channel)
            if number[si, sj] >= 0:
                colour = look_up(texels, levels, looks[number[si, sj]], x, y)
                for channel in range(3):
                    mixed[channel] += (1.0 - share) * _channel(colour, channel)
                covered += 1.0 - share
            else:
                for channel in range(3):
                    mixed[channel] += (1.0 - share) * background[channel]
            covered += share
    return covered


@numba.njit(cache=True, nogil=True, error_model="numpy")
def shade(  # type: ignore[no-untyped-def]
    texels, levels, looks, soft_looks, inverse, number, soft, some_soft, background, top, end, rgb, alpha, z
):
    """Resolve the samples of the pixel rows `top` to `end` into colours, coverage and distance."""
    mixed = np.zeros(3, np.float64)
    count = SAMPLES * SAMPLES
    half = np.uint64(1 << (WEIGHT - 1))
    rounding = half | (half << np.uint64(LANE)) | (half << np.uint64(2 * LANE))
    for row in range(np.uint64(top), np.uint64(end)):
        i0 = np.uint64((row - np.uint64(top)) * np.uint64(SAMPLES))
        middle = np.float32(row) + np.float32(0.5)
        for column in range(np.uint64(rgb.shape[1])):
            j0 = column * np.uint64(SAMPLES)
            nearest, farthest = inverse[i0, j0], inverse[i0, j0]  # 0 where nothing is seen
            front, over = number[i0, j0], np.int32(-1)
            for i in range(SAMPLES):
                for j in range(SAMPLES):
                    si, sj = i0 + np.uint64(i), j0 + np.uint64(j)
                    here = inverse[si, sj]
                    front = number[si, sj] if here > nearest else front
                    nearest, farthest = max(nearest, here), min(farthest, here)
                    if some_soft:
                        over &= soft[si, sj]  # -1 where there is none
            if farthest > 0.0 and over == -1 and nearest - farthest <= np.float32(SAME_SURFACE) * nearest:
                colour = rounding + look_up(
                    texels, levels, looks[np.uint64(front)], np.float32(column) + np.float32(0.5), middle
                )
                for channel in range(3):
                    rgb[row, column, channel] = np.uint8(
                        (colour >> np.uint64(channel * LANE + WEIGHT)) & np.uint64(0xFF)
                    )
                alpha[row, column] = np.uint8(255)
                z[row, column] = np.float32(2.0) / (nearest + farthest)
                continue
            covered = _mixed(
                texels, levels, looks, soft_looks, number, soft, some_soft, background, row, column, i0, mixed
            )
            for channel in range(3):
                rgb[row, column, channel] = np.uint8(min(max(mixed[channel] / count + 0.5, 0.0), 255.0))
            alpha[row, column] = np.uint8(covered * 255.0 / count + 0.5)
            z[row, column] = 1.0 / nearest if nearest > 0.0 else np.inf


@numba.njit(cache=True, nogil=True)
def draw_band(  # type: ignore[no-untyped-def]
    screen, uv, opacity, texels, levels, faces, listed, looks, seen, soft_faces, soft_listed, soft_looks, soft_seen,
    depths, numbers, background, top, end, rgb, alpha, z
):  # fmt: skip
    """Draw the pixel rows `top` to `end`: the solid triangles `listed`, and `soft_listed` over them.

    `depths` (2, rows, columns) float32 and `numbers` (2, rows, columns) int32 are room for a band's samples.
    """
    rows = (end - top) * SAMPLES
    inverse, number, soft = depths[0, :rows], numbers[0, :rows], numbers[1, :rows]
    inverse[:] = 0.0
    number[:] = -1
    width, height = levels[0, 2], levels[0, 1]
    rasterise(screen, faces, listed, top * SAMPLES, inverse, number, seen)
    for face in listed:
        # Another band may write the same numbers at the same time.
        if seen[face]:
            prepare(screen, uv, opacity, faces, face, width, height, looks)
    if soft_listed.shape[0] > 0:
        nearest = depths[1, :rows]
        for row in range(rows):
            for column in range(nearest.shape[1]):
                nearest[row, column] = inverse[row, column]
        soft[:] = -1
        rasterise(screen, soft_faces, soft_listed, top * SAMPLES, nearest, soft, soft_seen)
        for face in soft_listed:
            if soft_seen[face]:
                prepare(screen, uv, opacity, soft_faces, face, width, height, soft_looks)
    some_soft = soft_listed.shape[0] > 0
    shade(texels, levels, looks, soft_looks, inverse, number, soft, some_soft, background, top, end, rgb, alpha, z)
