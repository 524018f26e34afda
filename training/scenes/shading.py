"""Colours of what the samples see, in linear light: textures, sun with shadows, lamps, sky, haze and reflections."""

from __future__ import annotations

import math

import numba
import numpy as np

SIDE = 256
"""Pixels a side of every texture."""

LEVELS = 7
"""Levels of a texture's pyramid: 256 to 4 pixels."""

MATERIAL = {
    **{"texture": 0, "gain": 1, "base": 4, "mix": 7, "spec": 8, "gloss": 9, "glow": 10, "mirror": 11},
    **{"through": 12, "rough": 13},
}
"""Where a material's numbers stand in its row; gain and base are three each."""


@numba.njit(cache=True, nogil=True, fastmath=True)
def _fetch(texels, linear, texture, u, v, lod):  # type: ignore[no-untyped-def]
    """The texture's linear colour at (u, v), mirrored beyond 0..1, linear within the nearest level."""
    level = min(max(int(lod + 0.5), 0), LEVELS - 1)
    offset, side = 0, SIDE
    for _ in range(level):
        offset += side * side
        side >>= 1
    x, y = u * side - 0.5, v * side - 0.5
    fx, fy = math.floor(x), math.floor(y)
    ix, iy = int(fx), int(fy)
    wx, wy = x - fx, y - fy
    wrap = 2 * side - 1
    x0, x1, y0, y1 = ix & wrap, (ix + 1) & wrap, iy & wrap, (iy + 1) & wrap
    x0, x1 = (wrap - x0 if x0 >= side else x0), (wrap - x1 if x1 >= side else x1)
    y0, y1 = (wrap - y0 if y0 >= side else y0), (wrap - y1 if y1 >= side else y1)
    a, b, c, d = offset + y0 * side + x0, offset + y0 * side + x1, offset + y1 * side + x0, offset + y1 * side + x1
    wa, wb, wc, wd = (1 - wx) * (1 - wy), wx * (1 - wy), (1 - wx) * wy, wx * wy
    # Mixed as stored and then made linear: for the eye no different, and a quarter of the look-ups.
    red = (
        texels[texture, a, 0] * wa
        + texels[texture, b, 0] * wb
        + texels[texture, c, 0] * wc
        + texels[texture, d, 0] * wd
    )
    green = (
        texels[texture, a, 1] * wa
        + texels[texture, b, 1] * wb
        + texels[texture, c, 1] * wc
        + texels[texture, d, 1] * wd
    )
    blue = (
        texels[texture, a, 2] * wa
        + texels[texture, b, 2] * wb
        + texels[texture, c, 2] * wc
        + texels[texture, d, 2] * wd
    )
    return linear[int(red + 0.5)], linear[int(green + 0.5)], linear[int(blue + 0.5)]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _sky(texels, linear, sky, x, y, z):  # type: ignore[no-untyped-def]
    """The sky's colour in the world direction (x, y up, z), normalised.

    `sky`: 0-2 horizon, 3-5 zenith, 6-8 below, 9-11 cloud colour, 12 cloud texture, 13 cover, 14 scale, 15-16 offset,
    17-19 sun direction, 20-22 glow, 23 how fast the horizon's colour fades.
    """
    up = max(y, 0.0)
    t = 1.0 - math.exp(-sky[23] * up)
    red, green, blue = sky[0] + (sky[3] - sky[0]) * t, sky[1] + (sky[4] - sky[1]) * t, sky[2] + (sky[5] - sky[2]) * t
    if sky[13] > 0.0 and y > 0.0:
        reach = sky[14] / (y + 0.12)
        cover, _, _ = _fetch(texels, linear, int(sky[12]), x * reach + sky[15], z * reach + sky[16], 1.0)
        cover = min(max((cover - 0.5 + 0.5 * sky[13]) * 2.5, 0.0), 1.0) * min(1.0, y * 8.0) * min(1.0, 0.35 + sky[13])
        bright = 0.75 + 0.35 * cover
        red += (sky[9] * bright - red) * cover
        green += (sky[10] * bright - green) * cover
        blue += (sky[11] * bright - blue) * cover
    if y < 0.0:
        t = min(1.0, -y * 6.0)
        red, green, blue = red + (sky[6] - red) * t, green + (sky[7] - green) * t, blue + (sky[8] - blue) * t
    near = max(x * sky[17] + y * sky[18] + z * sky[19], 0.0)
    glow = near**8 * 0.15 + near**64 * 0.5 + (20.0 if near > 0.9995 else 0.0)
    return red + sky[20] * glow, green + sky[21] * glow, blue + sky[22] * glow


@numba.njit(cache=True, nogil=True, fastmath=True)
def _lit(shadow, frame, bias, softness, x, y, z):  # type: ignore[no-untyped-def]
    """Share of the sun that reaches the camera-space point: four looks into the shadow map."""
    u = frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z + frame[0, 3]
    v = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z + frame[1, 3]
    w = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z + frame[2, 3] + bias
    side = shadow.shape[0]
    if u < softness + 1 or v < softness + 1 or u > side - softness - 2 or v > side - softness - 2:
        return 1.0
    lit = 0.0
    for k in range(4):
        i = int(v + softness * (-0.9 if k < 2 else 0.9) + 0.5)
        j = int(u + softness * (-0.9 if k % 2 else 0.9) + 0.5)
        lit += 0.25 if shadow[i, j] <= w else 0.0
    return lit


_SPIN = np.arange(16)[:, None] * 0.3927 + np.arange(5) * 2.51327
WAYS = np.stack([np.cos(_SPIN), np.sin(_SPIN)], -1)
"""Directions in which `occlusion` looks: five for each of sixteen turns."""


@numba.njit(cache=True, nogil=True, fastmath=True)
def occlusion(inverse, focal, radius, strength, ways, out):  # type: ignore[no-untyped-def]
    """Ambient light that reaches each fourth sample (2x2 pixels), from the depth around it."""
    height, width = out.shape
    rows, columns = inverse.shape
    for i in range(height):
        for j in range(width):
            y, x = min(i * 4 + 1, rows - 1), min(j * 4 + 1, columns - 1)
            here = inverse[y, x]
            if here <= 0.0:
                out[i, j] = 1.0
                continue
            z = 1.0 / here
            turn = (i * 7 + j * 13) & 15
            blocked = 0.0
            for k in range(5):
                reach = radius * (0.25 + 0.19 * k) * focal * here
                reach = min(max(reach, 2.0), rows * 0.25)
                dx, dy = int(reach * ways[turn, k, 0]), int(reach * ways[turn, k, 1])
                # Opposite pairs: a flat surface's slope cancels, only hollows darken.
                total = 0.0
                for s in range(2):
                    py, px = (y + dy, x + dx) if s == 0 else (y - dy, x - dx)
                    if py < 0 or px < 0 or py >= rows or px >= columns:
                        continue
                    other = inverse[py, px]
                    if other <= 0.0:
                        continue
                    rise = (other - here) * focal / (reach * here)
                    if z - 1.0 / other < 3.0 * radius:
                        total += min(max(rise, -1.2), 1.2)
                blocked += max(total, 0.0)
            out[i, j] = 1.0 - strength * min(blocked * 0.16, 1.0)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _surface(  # type: ignore[no-untyped-def]
    f, sx, sy, step, rows, normal, uv, tint, faces, material, table, texels, linear, lens, turn, sun, ambient, lamps,
    shadow, frame, haze, sky, ambience, ray
):  # fmt: skip
    """Linear colour of triangle `f` at the sample position (sx, sy), and how much of it a floor would mirror."""
    la, lb, lc = (
        rows[f, 0] * sx + rows[f, 1] * sy + rows[f, 2],
        rows[f, 3] * sx + rows[f, 4] * sy + rows[f, 5],
        rows[f, 6] * sx + rows[f, 7] * sy + rows[f, 8],
    )
    inverse = la + lb + lc
    if inverse < 1e-9:
        inverse = 1e-9
    z = 1.0 / inverse
    la, lb, lc = max(la * z, 0.0), max(lb * z, 0.0), max(lc * z, 0.0)
    total = 1.0 / (la + lb + lc + 1e-12)
    la, lb, lc = la * total, lb * total, lc * total
    ia, ib, ic = faces[f, 0], faces[f, 1], faces[f, 2]
    ua, ub, uc, va, vb, vc = uv[ia, 0], uv[ib, 0], uv[ic, 0], uv[ia, 1], uv[ib, 1], uv[ic, 1]
    u, v = la * ua + lb * ub + lc * uc, la * va + lb * vb + lc * vc
    wx, wy = rows[f, 0] + rows[f, 3] + rows[f, 6], rows[f, 1] + rows[f, 4] + rows[f, 7]
    ux, uy = (
        (rows[f, 0] * ua + rows[f, 3] * ub + rows[f, 6] * uc - u * wx) * z,
        (rows[f, 1] * ua + rows[f, 4] * ub + rows[f, 7] * uc - u * wy) * z,
    )
    vx, vy = (
        (rows[f, 0] * va + rows[f, 3] * vb + rows[f, 6] * vc - v * wx) * z,
        (rows[f, 1] * va + rows[f, 4] * vb + rows[f, 7] * vc - v * wy) * z,
    )
    across, down = ux * ux + vx * vx, uy * uy + vy * vy
    size = max(math.sqrt(across * down), max(across, down) * 0.2)
    lod = 0.5 * math.log2(size * (SIDE * SIDE) * step * step + 1e-12)
    paint = material[f]
    red, green, blue = _fetch(texels, linear, int(table[paint, 0]), u, v, lod - 0.2)
    shade = la * tint[ia] + lb * tint[ib] + lc * tint[ic]
    keep = (1.0 - table[paint, 7]) * shade
    red = red * table[paint, 1] * keep + table[paint, 4] * table[paint, 7] * shade
    green = green * table[paint, 2] * keep + table[paint, 5] * table[paint, 7] * shade
    blue = blue * table[paint, 3] * keep + table[paint, 6] * table[paint, 7] * shade
    nx = la * normal[ia, 0] + lb * normal[ib, 0] + lc * normal[ic, 0]
    ny = la * normal[ia, 1] + lb * normal[ib, 1] + lc * normal[ic, 1]
    nz = la * normal[ia, 2] + lb * normal[ib, 2] + lc * normal[ic, 2]
    x, y = (sx - lens[2]) / lens[0] * z, (sy - lens[3]) / lens[1] * z
    far = math.sqrt(x * x + y * y + z * z)
    dx, dy, dz = x / far, y / far, z / far
    if table[paint, 13] > 0.0:
        # Fine roughness: the normal leans with the texture's own light and dark.
        lean = (red - green * 0.5 - blue * 0.5 + (green - 0.25)) * table[paint, 13]
        nx, ny = nx + lean, ny - lean * 0.7
    facing = nx * dx + ny * dy + nz * dz
    length = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
    if facing > 0.0:
        length = -length
    nx, ny, nz, facing = nx * length, ny * length, nz * length, -abs(facing * length)
    high = 0.5 + 0.5 * (nx * turn[1, 0] + ny * turn[1, 1] + nz * turn[1, 2])
    lr = (ambient[3] + (ambient[0] - ambient[3]) * high) * ambience
    lg = (ambient[4] + (ambient[1] - ambient[4]) * high) * ambience
    lb_ = (ambient[5] + (ambient[2] - ambient[5]) * high) * ambience
    glint = 0.0
    toward = nx * sun[0] + ny * sun[1] + nz * sun[2]
    if sun[3] + sun[4] + sun[5] > 0.0:
        amount = max(toward, 0.0)
        if table[paint, 12] > 0.0:
            amount = max(amount, table[paint, 12] * abs(toward))
        if amount > 0.0:
            amount *= _lit(shadow, frame, sun[6] * (1.5 - min(abs(toward), 1.0)), sun[7], x, y, z)
            lr, lg, lb_ = lr + sun[3] * amount, lg + sun[4] * amount, lb_ + sun[5] * amount
            if table[paint, 8] > 0.0 and amount > 0.0:
                hx, hy, hz = sun[0] - dx, sun[1] - dy, sun[2] - dz
                half = max((nx * hx + ny * hy + nz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz + 1e-9), 0.0)
                glint = table[paint, 8] * half ** table[paint, 9] * amount * sun[4]
    for k in range(lamps.shape[0]):
        px, py, pz = lamps[k, 0] - x, lamps[k, 1] - y, lamps[k, 2] - z
        squared = px * px + py * py + pz * pz
        away = 1.0 / math.sqrt(squared + 1e-9)
        amount = (nx * px + ny * py + nz * pz) * away
        # Wrapped, as from a large lamp, and bounced once: ambience stands in for its shadows.
        amount = max(0.25 + 0.75 * amount, 0.0) * ambience / (lamps[k, 6] + squared)
        lr, lg, lb_ = lr + lamps[k, 3] * amount, lg + lamps[k, 4] * amount, lb_ + lamps[k, 5] * amount
        if table[paint, 8] > 0.0 and amount > 0.0:
            hx, hy, hz = px * away - dx, py * away - dy, pz * away - dz
            half = max((nx * hx + ny * hy + nz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz + 1e-9), 0.0)
            glint += table[paint, 8] * half ** table[paint, 9] * amount * lamps[k, 4]
    red, green, blue = (
        red * (lr + table[paint, 10]) + glint,
        green * (lg + table[paint, 10]) + glint,
        blue * (lb_ + table[paint, 10]) + glint,
    )
    mirror = 0.0
    if table[paint, 11] > 0.0:
        mirror = table[paint, 11] * (0.25 + 0.75 * (1.0 + facing) ** 3)
        rx, ry, rz = dx - 2 * facing * nx, dy - 2 * facing * ny, dz - 2 * facing * nz
        wx = turn[0, 0] * rx + turn[0, 1] * ry + turn[0, 2] * rz
        wy = turn[1, 0] * rx + turn[1, 1] * ry + turn[1, 2] * rz
        wz = turn[2, 0] * rx + turn[2, 1] * ry + turn[2, 2] * rz
        if sky[24] >= 0.0:
            er, eg, eb = _fetch(texels, linear, int(sky[24]), math.atan2(wx, wz) * 0.6, 0.5 - 0.5 * wy, 1.5)
            er, eg, eb = er * sky[25], eg * sky[25], eb * sky[25]
        else:
            er, eg, eb = _sky(texels, linear, sky, wx, wy, wz)
        red, green, blue = red + (er - red) * mirror, green + (eg - green) * mirror, blue + (eb - blue) * mirror
        if high < 0.95:
            mirror = 0.0
    if haze[0] > 0.0:
        keep = math.exp(-haze[0] * far)
        red, green, blue = (
            haze[1] + (red - haze[1]) * keep,
            haze[2] + (green - haze[2]) * keep,
            haze[3] + (blue - haze[3]) * keep,
        )
    ray[0], ray[1], ray[2] = red, green, blue
    return mirror


@numba.njit(cache=True, nogil=True, fastmath=True)
def shade(  # type: ignore[no-untyped-def]
    inverse, number, rows, normal, uv, tint, faces, material, table, texels, linear, lens, turn, sun, ambient, lamps,
    shadow, frame, haze, sky, dim, colour, depth, mirrors
):  # fmt: skip
    """Resolve 2x2 samples a pixel: colours mixed, depth that of the nearest surface which fills half of the pixel."""
    height, width = depth.shape
    ray = np.zeros(3)
    seen = np.empty(4, np.int32)
    for i in range(height):
        for j in range(width):
            y, x = 2 * i, 2 * j
            a, b, c, d = inverse[y, x], inverse[y, x + 1], inverse[y + 1, x], inverse[y + 1, x + 1]
            # The second largest of four.
            ab, cd = max(a, b), max(c, d)
            second = max(min(ab, cd), min(a, b) if ab > cd else min(c, d))
            nearest = max(ab, cd)
            # Of a single surface, its mean; so that nothing is a quarter of a pixel nearer than it is.
            smooth = nearest - min(min(a, b), min(c, d)) < 0.15 * nearest
            depth[i, j] = 0.25 * (a + b + c + d) if smooth else second
            ambience = dim[i // 2, j // 2]
            seen[0], seen[1], seen[2], seen[3] = number[y, x], number[y, x + 1], number[y + 1, x], number[y + 1, x + 1]
            red, green, blue, mirror = 0.0, 0.0, 0.0, 0.0
            for k in range(4):
                f = seen[k]
                if f == -2:
                    continue
                count, px, py = 1, x + (k & 1) * 1.0, y + (k >> 1) * 1.0
                for other in range(k + 1, 4):
                    if seen[other] == f:
                        seen[other] = -2
                        count += 1
                        px, py = px + x + (other & 1), py + y + (other >> 1)
                px, py = px / count, py / count
                if f >= 0:
                    reflected = _surface(
                        f, px, py, 2.0, rows, normal, uv, tint, faces, material, table, texels, linear, lens, turn,
                        sun, ambient, lamps, shadow, frame, haze, sky, ambience, ray
                    )  # fmt: skip
                    mirror += reflected * count * 0.25
                else:
                    dx, dy = (px - lens[2]) / lens[0], (py - lens[3]) / lens[1]
                    far = 1.0 / math.sqrt(dx * dx + dy * dy + 1.0)
                    wx = (turn[0, 0] * dx + turn[0, 1] * dy + turn[0, 2]) * far
                    wy = (turn[1, 0] * dx + turn[1, 1] * dy + turn[1, 2]) * far
                    wz = (turn[2, 0] * dx + turn[2, 1] * dy + turn[2, 2]) * far
                    ray[0], ray[1], ray[2] = _sky(texels, linear, sky, wx, wy, wz)
                red, green, blue = red + ray[0] * count, green + ray[1] * count, blue + ray[2] * count
            colour[i, j, 0], colour[i, j, 1], colour[i, j, 2] = red * 0.25, green * 0.25, blue * 0.25
            mirrors[i, j] = mirror


@numba.njit(cache=True, nogil=True, fastmath=True)
def reflect(depth, mirrors, lens, turn, ripple, colour, out):  # type: ignore[no-untyped-def]
    """Level surfaces mirror what stands on them: a march through the depth buffer along the reflected ray.

    lens: focal lengths and centre in pixels here.
    """
    height, width = depth.shape
    ux, uy, uz = turn[1, 0], turn[1, 1], turn[1, 2]
    for i in range(height):
        for j in range(width):
            share = mirrors[i, j]
            if share <= 0.02 or depth[i, j] <= 0.0:
                continue
            z = 1.0 / depth[i, j]
            x, y = (j - lens[2]) / lens[0] * z, (i - lens[3]) / lens[1] * z
            along = 2.0 * (x * ux + y * uy + z * uz)
            rx, ry, rz = x - along * ux, y - along * uy, z - along * uz
            wave = ripple * math.sin(i * 1.7 + j * 0.31 + math.sin(j * 0.9 + i * 0.23) * 2.0)
            rx += wave * z
            t, past = 0.02, 0.0
            for _ in range(26):
                px, py, pz = x + rx * t, y + ry * t, z + rz * t
                if pz <= 0.01:
                    break
                c, r = int(px / pz * lens[0] + lens[2] + 0.5), int(py / pz * lens[1] + lens[3] + 0.5)
                if c < 0 or r < 0 or c >= width or r >= height:
                    break
                behind = pz * depth[r, c] - 1.0
                if behind > 0.01 and behind < 0.35 and past <= 0.01:
                    for k in range(3):
                        out[i, j, k] += (colour[r, c, k] - colour[i, j, k]) * share
                    break
                past = behind
                t *= 1.25
