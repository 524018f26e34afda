"""What surveyors photograph: reliefs, arcades, statues, boulders and heaps, desks in rows."""

from __future__ import annotations

import math

import numpy as np

from training.scenes import figures, halls, lighting, plants, rooms, streets, things
from training.scenes.parts import Part, grid
from training.scenes.rooms import Scene, clear
from training.scenes.stage import Place, Stage
from training.scenes.view import View


def carved(s: Stage, p: Place, width: float, height: float, depth: float, m: int) -> None:
    """A wall of figures in relief, facing -z."""
    rows, columns = 64, 84
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, columns), np.linspace(0, 1, rows))
    rise = np.zeros_like(x)
    aspect = width / height
    for _ in range(s.r.randint(6, 40)):
        cx, cy, turn = s.u(-0.5, 0.5), s.u(0, 1), s.u(0, 3.14)
        a, b = s.log(0.02, 0.25), s.log(0.02, 0.12)
        dx, dy = (x - cx) * aspect, y - cy
        u, v = (dx * math.cos(turn) + dy * math.sin(turn)) / a, (dy * math.cos(turn) - dx * math.sin(turn)) / b
        k = s.r.choice((2, 2, 2, 6))
        inside = 1 - np.abs(u) ** k - np.abs(v) ** k
        tall = s.u(0.3, 1)
        shape = np.sqrt(np.maximum(inside, 0)) if k == 2 else (inside > 0) * 1.0
        rise = np.maximum(rise, shape * tall)
    ripple = plants.hills(s.r, 1.0, 0.5)(x * aspect, y)
    edge = np.minimum(np.minimum(x + 0.5, 0.5 - x) * aspect, np.minimum(y, 1 - y))
    if s.chance(0.6):
        rise = np.where(edge < 0.05, 1.0, rise)
    z = -depth * (rise + 0.03 * ripple)
    points = np.stack([x * width, y * height, z], -1)
    uv = np.stack([x * width, -y * height], -1) * s.log(0.3, 1)
    part = grid(points.astype(np.float32), uv.astype(np.float32), flip=True)
    # Hollows are dirty.
    tint = (0.72 + 0.28 * rise).ravel()
    frame = np.array(p.m).reshape(3, 4)
    moved = Part(part.positions, part.normals, part.uv, tint.astype(np.float32), part.faces, part.cut)
    s.meshes.append((moved.moved(frame[:, :3], frame[:, 3]), m))


def arch(s: Stage, p: Place, width: float, height: float, depth: float, m: int, rim: int) -> None:
    """A wall's bay with a round opening through it, facing -z; `width` from pier to pier."""
    hole = width * s.u(0.6, 0.8)
    spring = max(0.5, height * s.u(0.45, 0.7) - hole / 4)
    pier = (width - hole) / 2
    for side in (-1, 1):
        s.box(p.at(side * (hole + pier) / 2, 0, 0), (pier, height, depth), m, 0.5)
        s.box(p.at(side * (hole + pier) / 2, spring - 0.12, 0), (pier + 0.1, 0.12, depth + 0.12), rim)
    top = min(spring + hole / 2, height - 0.2)
    for i in range(16):
        x = (i + 0.5) / 16 - 0.5
        y = spring + (top - spring) * math.sqrt(1 - 4 * x * x)
        s.add("box", p.at(x * hole, (y + height) / 2, 0).scaled(hole / 16 + 0.004, height - y, depth), m, 0.5, 0.5)
        a, b = -math.cos(math.pi * i / 16), -math.cos(math.pi * (i + 1) / 16)
        ends = [p.at(t * hole / 2, spring + (top - spring) * math.sqrt(max(0, 1 - t * t)), 0) for t in (a, b)]
        s.rod(ends[0].point(0, 0, -depth / 2), ends[1].point(0, 0, -depth / 2), 0.08, rim)


def arcade(s: Stage, p: Place, bays: int, m: int) -> None:
    """Bays side by side along x, with what they carry."""
    width, height, depth = s.u(2, 5), s.u(3, 7), s.u(0.3, 1.2)
    rim = m if s.chance(0.4) else s.paint("stone", "plain", colour=s.wall_colour())
    shift, state = s.u(-0.5, 0.5), s.r.getstate()
    for i in range(bays):
        s.r.setstate(state)  # every bay is like the first
        arch(s, p.at((i - bays / 2 + shift) * width, 0, 0), width, height, depth, m, rim)
    if s.chance(0.5):
        halls.railing(s, p.at(-bays / 2 * width, height, 0), bays * width, rim)


def statue(s: Stage, p: Place) -> None:
    """Somebody of stone or bronze on a plinth."""
    m = s.paint("stone", "plain", "metal", mix=s.u(0, 0.6), colour=s.wall_colour(), spec=0.1, rough=0.3)
    k = s.u(0.5, 1.6)
    s.box(p, (k * 1.2, 0.15, k * 1.2), m)
    s.box(p.at(0, 0.15, 0), (k, k, k), m)
    first = len(s.painted)
    figures.person(s, p.at(0, 0.15 + k, 0), height=s.u(0.9, 2.4))
    s.painted[first:] = [m] * (len(s.painted) - first)


def relief(s: Stage) -> Scene:
    """A wall close by: a relief, a portal, arches, a gate; seen straight on or from the side."""
    r = s.r
    away, turn = s.log(1.5, 7), r.gauss(0, 0.35)
    m = s.paint("stone", "stone", "plain", "wood", "metal", colour=s.wall_colour(), mix=s.u(0, 0.6), rough=0.2)
    p = Place().at(r.gauss(0, 0.2), 0, away).yaw(turn)
    streets.floor(s, 200, "stone", "ground", "plain", "grass")
    kind = r.random()
    if kind < 0.55:
        w, h = s.log(1.2, 5), s.log(1, 3.5)
        base = s.u(0, 0.8)
        carved(s, p.at(0, base, -0.1), w, h, s.log(0.02, 0.35), m)
        s.add("box", p.at(0, 4, 0.45).scaled(24, 8, 1.0), m if s.chance(0.5) else s.paint("stone", "plain"), 0.5, 0.5)
        for side in (-1, 1):
            if s.chance(0.6):
                s.box(p.at(side * (w / 2 + 0.2), 0, -0.1), (0.35, base + h + 0.3, 0.4), s.paint("stone"))
        s.box(p.at(0, 0, -0.2), (w + 0.6, base, 0.5), m)
    elif kind < 0.8:
        arcade(s, p, r.randint(1, 6), m)
        back = s.log(1.5, 12)
        if s.chance(0.7):
            streets.facade(s, p.at(0, 0, back), 30, s.u(3, 9), 4, detail=s.u(0, 1))
    else:
        streets.facade(s, p, s.u(5, 14), s.u(3, 9), 6, detail=1)
        w = s.u(1.2, 3)
        halls.stairs(s, p.at(0, 0, -s.u(0.8, 1.6)), r.randint(2, 5), w, m)
        for side in (-1, 1):
            s.drum(p.at(side * w * 0.6, 0, -0.5), s.u(0.12, 0.3), s.u(2.2, 3.2), m)
        s.box(p.at(0, s.u(2.5, 3.2), -0.4), (w * 1.6, 0.3, 0.9), m)
    view = View(eye=(r.gauss(0, 0.4), s.u(1.2, 1.8), 0), fov=min(max(r.gauss(60, 14), 30), 95))
    view.look_at((p.origin[0] * 0.5 + r.gauss(0, 0.4), s.u(0.8, 2.2), away))
    view.yaw, view.roll = view.yaw + r.gauss(0, 0.12), r.gauss(0, 0.02)
    if s.chance(0.5):
        streets.before(s, view, away)
    light, dim = lighting.outdoors(s, view.yaw, reach=max(4.0, away), middle=(0, 1, away * 0.8))
    light.hollow = s.log(0.06, 0.4)
    return view, light, dim


def boulders(s: Stage) -> Scene:
    """Rocks, heaps of gravel and earth, rubble: bare uneven ground near by."""
    r = s.r
    view = View(eye=(0, s.log(0.8, 2.2), 0), fov=min(max(r.gauss(62, 13), 30), 95))
    wide = s.log(1.5, 9)
    height = plants.hills(r, wide * s.log(0.06, 0.3), wide, flat=2.0, sharp=s.u(0, 0.5))
    ground = s.paint("ground", "ground", "stone", "grass", rough=0.4)
    plants.land(s, view.eye, 0.0, height, ground, near=0.2, far=150, tex=s.log(0.3, 1.2))
    rock = [s.paint("stone", "ground", "plain", colour=(0.35, 0.33, 0.3), rough=0.4) for _ in range(2)] + [ground]
    big, many = s.log(0.2, 2.2), r.choice((15, 60, 160))
    for _ in range(many):
        z, side = s.log(1.0, 18), s.u(-0.75, 0.75)
        size = big * s.log(0.08, 1)
        x, z = math.sin(side) * z, math.cos(side) * z
        if math.hypot(x, z) > size * 0.8 + 0.8:
            y = float(height(x, z))
            plants.stone(s, Place().at(x, y, z), size, r.choice(rock))
    leaf, bark = plants.leaves(s), s.paint("bark")
    spots = []
    for _ in range(r.choice((0, 10, 50))):
        x, z = s.u(-3, 3), s.log(1, 9)
        spots.append((x, float(height(x, z)), z))
    plants.grass(s, spots, s.log(0.1, 0.4), leaf)
    for _ in range(r.choice((0, 3, 8))):
        z, side = s.log(6, 40), s.u(-0.7, 0.7)
        p = Place().at(math.sin(side) * z, float(height(math.sin(side) * z, z)) - 0.2, math.cos(side) * z)
        plants.tree(s, p, s.u(3, 10), leaf, bark)
    if s.chance(0.45):
        streets.facade(
            s, Place().at(r.gauss(0, 4), -0.5, s.u(8, 35)).yaw(r.gauss(0, 0.3)), s.u(10, 40), s.u(3, 12), 8, detail=0.6
        )
    if s.chance(0.3):
        streets.before(s, view, 8)
    view.look_at((r.gauss(0, 0.5), s.u(-0.2, 1.0), s.u(3, 7)))
    view.roll = r.gauss(0, 0.02)
    light, dim = lighting.outdoors(s, view.yaw, reach=s.log(5, 14), middle=(0, 0, 5))
    return view, light, dim


def desks(s: Stage) -> Scene:
    """An office, a class or lecture room, a laboratory, an exhibition: the same furniture over and over."""
    r = s.r
    w, d, h = s.log(4, 13), s.log(5, 16), s.u(2.5, 4)
    room = Place().yaw(s.u(-0.7, 0.7))
    walls = [s.paint("plain", "plain", "stone", colour=s.wall_colour(), shadow=False) for _ in range(2)]
    floor = s.paint("fabric", "plain", "wood", "stone", mix=s.u(0, 0.6), mirror=s.u(0.05, 0.3) if s.chance(0.3) else 0)
    rooms.shell(
        s, room, w, d, h, floor=floor, walls=walls, ceiling=s.paint("plain", colour=(0.7, 0.7, 0.7), shadow=False)
    )
    if s.chance(0.4):
        halls.beams(s, room, w, d, h)
    view, _ = rooms.stand(s, room, w, d, low=1.1, high=1.75)
    kind, across, along = r.random(), s.u(1.4, 2.6), s.u(1.1, 2.2)
    facing, alike = r.choice((0.0, math.pi, math.pi / 2)), r.random()
    for i in range(int(w * 0.9 / across)):
        for j in range(int(d * 0.8 / along)):
            p = room.at((i + 0.5) * across - w * 0.45, 0, (j + 0.5) * along - d * 0.4).yaw(facing + r.gauss(0, 0.04))
            if not clear(view, p, 1.25) or s.chance(0.1):
                continue
            # All alike, though what lies on them is drawn anew.
            kept = r.getstate()
            r.seed(alike)
            group(s, p, kind, across)
            r.setstate(kept)
            r.random()
            things.clutter(s, p.at(0, 0.76 if kind < 0.45 else 0, 0), 0.6, 0.3, r.randint(0, 2) if kind < 0.6 else 0)
    for _ in range(r.randint(1, 6)):
        side = r.choice((0, 1, 2))
        long, far = ((w, d), (d, w), (d, w))[side]
        p = room.yaw((0, math.pi / 2, -math.pi / 2)[side]).at(s.u(-0.45, 0.45) * long, 0, far / 2 - 0.35)
        if clear(view, p, 1.3):
            r.choice((things.shelf, things.cupboard, things.cupboard, things.boxes, things.bin_))(s, p)
    board = room.at(s.r.gauss(0, 0.1) * w, s.u(0.8, 1.1), d / 2 - 0.06)
    if s.chance(0.7):
        s.box(
            board, (s.u(1.5, 4), s.u(1, 1.6), 0.05), s.paint("plain", "writing", "photo", colour=s.wall_colour()), 0.4
        )
    if s.chance(0.3):
        q = room.at(s.u(-0.3, 0.3) * w, 0, s.u(0, 0.4) * d).yaw(s.u(-3, 3))
        if clear(view, q, 1.5):
            figures.person(s, q, sitting=s.chance(0.5))
    light, dim = lighting.indoors(s, room, w, d, h)
    return view, light, dim


def group(s: Stage, p: Place, kind: float, across: float) -> None:
    """A desk with its chair and screen; two chairs; a board on feet; a plinth with something on it."""
    if kind < 0.45:
        width = across * s.u(0.7, 0.95)
        high = things.table(s, p, full=0.6, width=width)
        things.chair(s, p.at(s.u(-0.2, 0.2), 0, -s.u(0.5, 0.8)).yaw(math.pi + s.r.gauss(0, 0.4)))
        if s.chance(0.7):
            things.screen(s, p.at(s.u(-0.2, 0.2) * width, high, 0.12))
    elif kind < 0.7:
        for x in (-0.28, 0.28):
            things.chair(s, p.at(x * across, 0, 0))
    elif kind < 0.85:
        k = s.u(0.6, 1.2)
        for x in (-0.5, 0.5):
            s.rod(p.point(x * k, 0, 0), p.point(x * k, 2, 0), 0.02, s.paint("metal"))
        s.box(p.at(0, 0.6, 0), (k, 1.4, 0.03), s.paint("writing", "photo", "print", mix=0.05), 0.9)
    else:
        k, high = s.u(0.3, 0.6), s.u(0.5, 1.2)
        s.box(p, (k, high, k), s.paint("plain", "stone", colour=s.wall_colour()))
        things.small(s, p.at(0, high, 0), k)
