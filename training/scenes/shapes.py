"""The shapes that scenes are built from: unit meshes, made once, copied by `raster.expand`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from training.scenes.parts import F32, Part, grid, joined, revolved


@dataclass(frozen=True)
class Library:
    """All parts in flat arrays; `index[name]` is a part's number, `families[name]` the numbers of its variants."""

    starts: NDArray[np.int64]  # (parts + 1, 2) first vertex and face
    positions: F32
    normals: F32
    uvs: F32
    tints: F32
    faces: NDArray[np.int32]
    cuts: NDArray[np.int8]
    boxed: NDArray[np.bool_]
    masks: NDArray[np.bool_]  # (masks, 64, 64)
    index: dict[str, int]
    families: dict[str, list[int]]


def _ball(rows: int, sides: int) -> Part:
    t = np.linspace(-math.pi / 2, math.pi / 2, rows)
    part = revolved(list(np.cos(t)), list(np.sin(t)), sides)
    return Part(part.positions, part.positions.copy(), part.uv, part.tint, part.faces, part.cut)


def _cube(*, flat: bool = False) -> Part:
    positions, normals, faces = [], [], []
    for axis in range(3):
        for side in (-1, 1):
            if flat and (axis != 2 or side != -1):
                continue
            p, q = (axis + 1) % 3, (axis + 2) % 3
            start = len(positions)
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                point, normal = [0.0] * 3, [0.0] * 3
                point[axis], point[p], point[q], normal[axis] = 0.5 * side, 0.5 * a, 0.5 * b, float(side)
                positions.append(point)
                normals.append(normal)
            faces += [[start, start + 1, start + 2], [start, start + 2, start + 3]]
    array = np.array(positions, np.float32)
    uv = np.stack([array[:, 0] + 0.5, 0.5 - array[:, 1]], 1)
    if flat:
        array[:, 2] = 0
    return Part(
        array, np.array(normals, np.float32), uv, np.ones(len(array), np.float32), np.array(faces, np.int32),
        np.full(len(faces), -1, np.int8), boxed=not flat
    )  # fmt: skip


def _rounded(power: float, rows: int = 9, sides: int = 16) -> Part:
    """A box with round edges (a superellipsoid) within -0.5..0.5: cushions, shoes, car bodies."""
    part = _ball(rows, sides)
    p = part.positions.astype(np.float64)
    scale = (np.abs(p) ** power).sum(1) ** (-1 / power)
    p *= scale[:, None]
    normals = np.sign(p) * np.abs(p) ** (power - 1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Part((p * 0.5).astype(np.float32), normals.astype(np.float32), part.uv, part.tint, part.faces, part.cut)


def _torus(tube: float, sides: int, around: int) -> Part:
    a = np.linspace(0, 2 * math.pi, around + 1)[:, None]
    b = np.linspace(0, 2 * math.pi, sides + 1)[None]
    normals = np.stack([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b) + 0 * a], -1)
    points = tube * normals + (1 - tube) * np.stack([np.cos(a), np.sin(a), 0 * a], -1)
    uv = np.stack([a / 2 + 0 * b, b / 6 + 0 * a], -1)
    part = grid(points.astype(np.float32), uv.astype(np.float32))
    return Part(part.positions, normals.reshape(-1, 3).astype(np.float32), part.uv, part.tint, part.faces, part.cut)


def _lumpy(rng: np.random.Generator, amount: float, rows: int = 10, sides: int = 14) -> Part:
    """A ball with bumps: stones, soft toys, shrubs from afar."""
    part = _ball(rows, sides)
    p = part.positions.astype(np.float64)
    radius = np.ones(len(p))
    for _ in range(14):
        way = rng.normal(size=3)
        radius += amount * rng.uniform(0.3, 1) * np.sin(p @ way * rng.uniform(1, 3.5) + rng.uniform(0, 6))
    p *= np.maximum(radius, 0.3)[:, None]
    part = grid(p.reshape(rows, sides + 1, 3).astype(np.float32), part.uv.reshape(rows, sides + 1, 2))
    outward = np.sign((part.normals * part.positions).sum(1, keepdims=True) + 1e-9)
    return Part(part.positions, part.normals * outward, part.uv, part.tint, part.faces, part.cut)


def _faceted(rng: np.random.Generator, planes: int, rows: int = 13, sides: int = 18) -> Part:
    """A boulder: what is left between random planes, a little uneven."""
    part = _ball(rows, sides)
    p = part.positions.astype(np.float64)
    ways = rng.normal(size=(planes, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    reach = rng.uniform(0.6, 1, planes) / np.maximum(p @ ways.T, 1e-3)
    radius = np.minimum(reach.min(1), 1.15)
    for _ in range(8):
        radius += 0.015 * np.sin(p @ rng.normal(size=3) * rng.uniform(3, 8) + rng.uniform(0, 6))
    p *= radius[:, None]
    part = grid(p.reshape(rows, sides + 1, 3).astype(np.float32), part.uv.reshape(rows, sides + 1, 2))
    outward = np.sign((part.normals * part.positions).sum(1, keepdims=True) + 1e-9)
    return Part(part.positions, part.normals * outward, part.uv, part.tint, part.faces, part.cut)


def _cards(centres: F32, size: F32, outward: F32, rng: np.random.Generator, masks: list[int], shade: F32) -> Part:
    """Squares with a leafy mask at `centres`, facing anywhere, lit as if they faced `outward`."""
    n = len(centres)
    u = rng.normal(size=(n, 3))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(u, rng.normal(size=(n, 3)))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    half = size[:, None, None] * 0.5
    points = centres[:, None] + half * (u[:, None] * corners[None, :, :1] + v[:, None] * corners[None, :, 1:])
    uv = np.tile((corners * 0.495 + 0.5)[None], (n, 1, 1))
    normals = outward + rng.normal(0, 0.35, (n, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    start = np.arange(n)[:, None] * 4
    faces = np.concatenate([start + np.array(corner) for corner in ([0, 1, 2], [0, 2, 3])]).astype(np.int32)
    cut = np.tile(rng.choice(masks, n).astype(np.int8), 2)
    return Part(
        points.reshape(-1, 3).astype(np.float32), np.repeat(normals, 4, 0).astype(np.float32),
        uv.reshape(-1, 2).astype(np.float32), np.repeat(shade, 4).astype(np.float32), faces, cut
    )  # fmt: skip


def _crown(rng: np.random.Generator, count: int, size: float, kind: str) -> Part:
    """Foliage within a unit ball (or a cone over the origin): clumps of leafy cards."""
    if kind == "fir":
        y = rng.uniform(0, 1, count) ** 1.3
        angle, r = rng.uniform(0, 6.283, count), (1 - y) * rng.uniform(0.2, 1, count) * (0.75 + 0.25 * np.sin(y * 40))
        centres = np.stack([r * np.cos(angle) * 0.5, y * 2 - 1, r * np.sin(angle) * 0.5], 1)
        outward = centres * [2, 0, 2] + [0, 0.5, 0]
        sizes = size * (0.5 + 0.8 * (1 - y))
    else:
        clumps = rng.normal(size=(rng.integers(5, 12), 3))
        clumps *= (rng.uniform(0.35, 0.75, len(clumps)) / np.linalg.norm(clumps, axis=1))[:, None]
        own = rng.integers(0, len(clumps), count)
        spread = rng.normal(size=(count, 3))
        spread *= (rng.uniform(0.3, 1, count) ** 0.5 / np.linalg.norm(spread, axis=1))[:, None]
        centres = clumps[own] + spread * rng.uniform(0.28, 0.5, len(clumps))[own][:, None]
        outward = spread + centres * 0.6 + [0, 0.3, 0]
        sizes = size * rng.uniform(0.6, 1.3, count)
    outward = outward / (np.linalg.norm(outward, axis=1, keepdims=True) + 1e-9)
    inside = np.linalg.norm(centres, axis=1)
    shade = np.clip(0.35 + 0.6 * inside + 0.15 * outward[:, 1], 0.25, 1.1) * rng.uniform(0.75, 1.2, count)
    masks = [3] if kind == "fir" else [0, 1, 2]
    return _cards(centres, sizes, outward, rng, masks, shade)


def _blades(rng: np.random.Generator, count: int, wide: float) -> Part:
    """A tuft of grass or long leaves rising from the origin to about 1."""
    parts = []
    for _ in range(count):
        angle, lean, tall = rng.uniform(0, 6.283), rng.uniform(0.1, 0.7), rng.uniform(0.5, 1)
        t = np.linspace(0, 1, 4)
        root = rng.normal(0, 0.12, 2)
        x = root[0] + np.cos(angle) * lean * t**2 * tall
        z = root[1] + np.sin(angle) * lean * t**2 * tall
        y = tall * (t - 0.3 * lean * t**2)
        w = wide * (1 - t) ** 0.7 * np.array([0.7, 1, 1, 1])
        side = np.array([-np.sin(angle), 0, np.cos(angle)])
        middle = np.stack([x, y, z], 1)
        points = np.stack([middle - side * w[:, None], middle + side * w[:, None]], 1)
        u = np.stack([np.stack([0 * t, 1 - t], 1), np.stack([0 * t + 0.1, 1 - t], 1)], 1)
        shade = np.stack([0.45 + 0.55 * t] * 2, 1) * rng.uniform(0.7, 1.2)
        parts.append(grid(points.astype(np.float32), u.astype(np.float32), tint=shade.astype(np.float32)))
    part = joined(parts)
    lift = part.normals * np.sign(part.normals[:, 1:2] + 1e-6) + np.array([0, 0.8, 0], np.float32)
    lift /= np.linalg.norm(lift, axis=1, keepdims=True)
    return Part(part.positions, lift.astype(np.float32), part.uv, part.tint, part.faces, part.cut)


def _stick(start: NDArray[np.float64], end: NDArray[np.float64], first: float, last: float, sides: int = 5) -> Part:
    """A tapering branch."""
    along = end - start
    length = float(np.linalg.norm(along)) + 1e-9
    axis = along / length
    side = np.cross(axis, [0.3, 0.1, 1.0])
    side /= np.linalg.norm(side)
    other = np.cross(side, axis)
    part = revolved([first, last], [0.0, length], sides)
    return part.moved(np.stack([side, axis, other], 1), start)


def _skeleton(rng: np.random.Generator, levels: int) -> Part:
    """A tree's trunk and branches from the origin to a height of about 1."""
    parts: list[Part] = []

    def grow(start: NDArray[np.float64], way: NDArray[np.float64], length: float, thick: float, level: int) -> None:
        bend = way + rng.normal(0, 0.12, 3)
        end = start + bend / np.linalg.norm(bend) * length
        parts.append(_stick(start, end, thick, thick * 0.7, 7 if level == 0 else 4))
        if level == levels:
            return
        for _ in range(rng.integers(2, 4) if level else rng.integers(3, 5)):
            spread = rng.normal(0, 0.6, 3)
            fork = way + spread + [0, 0.15, 0]
            at = start + (end - start) * (rng.uniform(0.55, 1) if level else rng.uniform(0.75, 1))
            grow(at, fork / np.linalg.norm(fork), length * rng.uniform(0.55, 0.8), thick * 0.55, level + 1)

    grow(np.zeros(3), np.array([rng.normal(0, 0.05), 1.0, rng.normal(0, 0.05)]), 0.38, 0.035, 0)
    return joined(parts)


def _head() -> Part:
    """A head one unit high about the origin, its face toward -z: jaw, nose, eye sockets, ears left to the hair."""
    rows, sides = 26, 32
    part = _ball(rows, sides)
    p = part.positions.astype(np.float64)
    x, y, z = p[:, 0].copy(), p[:, 1].copy(), p[:, 2].copy()
    narrow = np.where(y < 0, 1 - 0.32 * np.maximum(-y, 0) ** 1.6, 1.0)
    p[:, 0] = x * 0.39 * narrow
    p[:, 1] = y * 0.5
    p[:, 2] = z * 0.47 * np.where(z < 0, np.where(y < 0, 1 - 0.1 * y * y, 1.0), 1.0)
    front = z < 0

    def bump(cx: float, cy: float, sx: float, sy: float) -> NDArray[np.float64]:
        return np.where(front, np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2), 0.0)

    p[:, 2] -= 0.13 * bump(0, -0.12, 0.11, 0.16) + 0.05 * bump(0, 0.08, 0.1, 0.18)
    p[:, 2] += 0.06 * (bump(0.36, 0.1, 0.18, 0.12) + bump(-0.36, 0.1, 0.18, 0.12))
    p[:, 2] -= 0.03 * bump(0, -0.5, 0.25, 0.1) + 0.045 * bump(0, -0.82, 0.3, 0.15)
    part = grid(p.reshape(rows, sides + 1, 3).astype(np.float32), part.uv.reshape(rows, sides + 1, 2))
    outward = np.sign((part.normals * part.positions).sum(1, keepdims=True) + 1e-9)
    return Part(part.positions, part.normals * outward, part.uv, part.tint, part.faces, part.cut)


def _cloth(rng: np.random.Generator, folds: int) -> Part:
    """A hanging cloth, 1 wide from y = 0 to 1, in folds."""
    x = np.linspace(-0.5, 0.5, 61)
    y = np.linspace(0, 1, 5)
    phase = rng.uniform(0, 6.28, 3)
    z = 0.35 * np.sin(x * folds * 6.28 + phase[0]) + 0.2 * np.sin(x * folds * 11.9 + phase[1])
    depth = np.stack([z * (1.15 - 0.3 * t) + 0.15 * np.sin(x * 9 + t * 2 + phase[2]) * (1 - t) for t in y])
    points = np.stack([np.tile(x, (5, 1)), np.repeat(y[:, None], 61, 1), depth * 0.5], -1)
    uv = np.stack([np.tile(x * 1.4, (5, 1)), np.repeat(1 - y[:, None], 61, 1)], -1)
    return grid(points.astype(np.float32), uv.astype(np.float32))


PROFILES = [
    ([0, 0.32, 0.34, 0.36, 0.36, 0.12, 0.11, 0.13, 0.1], [0, 0, 0.04, 0.3, 0.62, 0.8, 0.95, 1, 1]),  # bottle
    ([0, 0.3, 0.42, 0.5, 0.44, 0.22, 0.2, 0.3, 0.27, 0.2], [0, 0, 0.12, 0.36, 0.62, 0.85, 0.93, 1, 0.97, 0.9]),  # vase
    ([0, 0.32, 0.36, 0.4, 0.44, 0.45, 0.41, 0.38, 0.34, 0], [0, 0, 0.05, 0.5, 0.97, 1, 0.98, 0.5, 0.1, 0.08]),  # cup
    ([0, 0.2, 0.22, 0.4, 0.5, 0.51, 0.46, 0.35, 0], [0, 0, 0.1, 0.4, 0.95, 1, 0.95, 0.45, 0.2]),  # bowl
    ([0, 0.18, 0.2, 0.03, 0.03, 0.2, 0.34, 0.36, 0.3], [0, 0, 0.03, 0.08, 0.45, 0.55, 0.75, 0.9, 1]),  # glass
    ([0.5, 0.49, 0.3, 0.28], [0, 0.02, 0.97, 1.0]),  # shade of a lamp
    ([0, 0.3, 0.33, 0.35, 0.41, 0.44, 0.44, 0.38, 0.36, 0], [0, 0, 0.1, 0.5, 0.9, 0.9, 1, 1, 0.9, 0.88]),  # pot
    ([0, 0.5, 0.5, 0.47, 0.12, 0.05, 0.05, 0], [0, 0, 0.06, 0.1, 0.14, 0.3, 1, 1]),  # stand
    ([0, 0.35, 0.45, 0.5, 0.47, 0.3, 0.08, 0], [0, 0.03, 0.2, 0.5, 0.75, 0.95, 1.0, 0.97]),  # apple, onion
    ([0, 0.42, 0.45, 0.45, 0.42, 0.42, 0.45, 0.45, 0.42, 0], [0, 0, 0.03, 0.3, 0.33, 0.66, 0.7, 0.97, 1, 1]),  # barrel
]
"""Radii and heights of turned things."""


def _masks(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Holes for cards: three of broad leaves, one of needles, a fence of wire, a grating, a lattice."""
    side = 64
    y, x = np.mgrid[0:side, 0:side] / side
    masks = []
    for count, size in ((10, 0.15), (18, 0.11), (30, 0.08)):
        mask = np.zeros((side, side), bool)
        for _ in range(count):
            cx, cy, turn = rng.uniform(0.15, 0.85), rng.uniform(0.15, 0.85), rng.uniform(0, 3.14)
            a = (x - cx) * math.cos(turn) + (y - cy) * math.sin(turn)
            b = -(x - cx) * math.sin(turn) + (y - cy) * math.cos(turn)
            mask |= (a / size) ** 2 + (b / (size * 0.45)) ** 2 < 1
        masks.append(mask)
    needles = np.zeros((side, side), bool)
    for _ in range(26):
        turn, cx, cy = rng.uniform(-0.5, 0.5), rng.uniform(0.1, 0.9), rng.uniform(0.2, 0.8)
        a = (x - cx) * math.cos(turn) + (y - cy) * math.sin(turn)
        b = -(x - cx) * math.sin(turn) + (y - cy) * math.cos(turn)
        needles |= (np.abs(a) < 0.3 - np.abs(b) * 3) & (np.abs(b) < 0.05)
    masks.append(needles)
    masks.append(((x + y) * 4 % 1 < 0.14) | ((x - y) * 4 % 1 < 0.14))
    masks.append((x * 8 % 1 < 0.22) | (y < 0.04) | (y > 0.96))
    masks.append((x * 2 % 1 < 0.1) | (y * 2 % 1 < 0.1))
    return np.stack(masks)


def _sheet(mask: int) -> Part:
    """A square of wire or bars; its texture coordinates, and with them the holes, repeat."""
    part = _cube(flat=True)
    return Part(part.positions, part.normals, part.uv, part.tint, part.faces, np.full(2, mask, np.int8))


@lru_cache(maxsize=1)
def library() -> Library:
    """Every shape; the same on every machine (its own seed)."""
    rng = np.random.default_rng(20260)
    named: list[tuple[str, Part]] = [("box", _cube()), ("sheet", _cube(flat=True))]
    named += [("wire", _sheet(4)), ("bars", _sheet(5)), ("lattice", _sheet(6))]
    named += [("ball", _ball(11, 16)), ("bead", _ball(6, 8)), ("soft", _rounded(4.0)), ("pebble", _rounded(2.6))]
    named += [("drum", revolved([0, 0.5, 0.5, 0.5, 0.5, 0], [0, 0, 1e-3, 0.999, 1, 1], 18))]
    named += [("rod", revolved([1, 1], [0, 1], 7)), ("limb", revolved([0.9, 1, 0.72], [0, 0.3, 1], 9))]
    named += [("cone", revolved([0.5, 0.02], [0, 1], 14)), ("bend", _torus(0.2, 8, 20))]
    named += [("ring", _torus(0.04, 6, 28)), ("tyre", _torus(0.24, 8, 24)), ("head", _head())]
    named += [("turned", revolved(radii, heights, 18)) for radii, heights in PROFILES]
    named += [
        (
            "torso",
            revolved(
                [0, 0.42, 0.46, 0.41, 0.5, 0.5, 0.3, 0.14], [0, 0, 0.15, 0.45, 0.75, 0.88, 0.96, 1], 16, depth=0.62
            ),
        )
    ]
    named += [("gown", revolved([0, 0.6, 0.5, 0.36, 0.3, 0], [0, 0, 0.3, 0.8, 1, 1], 16, depth=0.8))]
    named += [("stone", _lumpy(rng, 0.07)) for _ in range(2)]
    named += [("stone", _faceted(rng, n)) for n in (9, 13, 18, 26)]
    named += [("lump", _lumpy(rng, 0.12)) for _ in range(3)]
    named += [("cloth", _cloth(rng, n)) for n in (2, 4, 6)]
    named += [("crown", _crown(rng, n, 0.42, "tree")) for n in (110, 160, 220)]
    named += [("bush", _crown(rng, n, 0.3, "bush")) for n in (160, 240)]
    named += [("fir", _crown(rng, n, 0.2, "fir")) for n in (300, 420)]
    named += [("tuft", _blades(rng, n, w)) for n, w in ((14, 0.02), (20, 0.015), (8, 0.06))]
    named += [("bare", _skeleton(rng, n)) for n in (2, 3, 3)]
    parts = [part for _, part in named]
    index: dict[str, int] = {}
    families: dict[str, list[int]] = {}
    for number, (name, _) in enumerate(named):
        index.setdefault(name, number)
        families.setdefault(name, []).append(number)
    whole = joined(parts)
    starts = np.cumsum([(0, 0), *((len(part.positions), len(part.faces)) for part in parts)], axis=0)
    return Library(
        starts.astype(np.int64), whole.positions, whole.normals, whole.uv, whole.tint, whole.faces,
        whole.cut, np.array([part.boxed for part in parts]), _masks(rng), index, families
    )  # fmt: skip
