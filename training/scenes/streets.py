"""Out of doors among houses: streets, facades, courtyards, playgrounds."""

from __future__ import annotations

import math

import numpy as np

from training.scenes import figures, lighting, plants, things
from training.scenes.halls import railing, stairs
from training.scenes.rooms import Scene, clear
from training.scenes.stage import Place, Stage
from training.scenes.view import View


def facade(s: Stage, p: Place, width: float, height: float, depth: float, *, detail: float) -> None:
    """A house whose front faces -z. `detail` 0..1: with windows in relief, sills, doors, balconies; or as a texture."""
    r = s.r
    if detail < 0.25:
        m = s.paint("facade", "facade", "stone", "plain", mix=s.u(0, 0.3), colour=s.wall_colour())
        s.add("box", p.at(0, height / 2, depth / 2).scaled(width, height, depth), m, 0.12, 0.12)
        roof(s, p, width, height, depth)
        return
    m = s.paint("stone", "plain", "plain", "wood", mix=s.u(0, 0.8), colour=s.wall_colour())
    frame = s.paint("plain", "stone", "wood", colour=s.wall_colour())
    glass = s.paint("plain", colour=(0.03, 0.035, 0.04), mix=0.9, mirror=s.u(0.1, 0.9), spec=0.2)
    lit = s.paint("plain", "photo", colour=(0.9, 0.7, 0.4), glow=s.u(0.3, 2)) if s.chance(0.2) else glass
    s.add("box", p.at(0, height / 2, depth / 2).scaled(width, height, depth), m, 0.4, 0.4)
    floors = max(1, round(height / s.u(2.8, 3.6)))
    columns = max(1, round(width / s.u(1.8, 3.5)))
    a, b = width / columns, height / floors
    w, h = a * s.u(0.35, 0.6), b * s.u(0.4, 0.65)
    proud = s.u(0.03, 0.15)
    shutters = s.paint("wood", "plain", colour=s.colour()) if s.chance(0.25) else None
    balconies, bars = s.chance(0.2), s.r.randint(0, 2)
    for i in range(columns):
        for j in range(floors):
            q = p.at((i + 0.5) * a - width / 2, j * b + (b - h) * 0.5, 0)
            if j == 0 and s.chance(0.3):
                s.box(q.at(0, -(b - h) * 0.5, -0.03), (min(1.3, w * 1.2), min(2.2, b * 0.8), 0.1), shutters or frame)
                continue
            # Frames stand out from the wall, so that the pane lies deeper than what is around it.
            s.box(q.at(-w / 2, 0, -proud / 2), (0.12, h, proud + 0.02), frame)
            s.box(q.at(w / 2, 0, -proud / 2), (0.12, h, proud + 0.02), frame)
            s.box(q.at(0, h - 0.06, -proud / 2), (w + 0.12, 0.14, proud + 0.02), frame)
            s.box(q.at(0, -0.08, -proud), (w + 0.25, 0.1, proud * 2), frame)
            s.add("sheet", q.at(0, h / 2, -0.012).scaled(w, h, 1), lit if s.chance(0.3) else glass, 1, 1)
            for k in range(bars):
                s.box(q.at(((k + 1) / (bars + 1) - 0.5) * w, 0, -0.02), (0.06, h, 0.04), frame)
            if shutters is not None:
                for side in (-1, 1):
                    s.box(q.at(side * (w * 0.75 + 0.05), 0, -0.03), (w * 0.48, h, 0.05), shutters)
            if balconies and j > 0:
                s.box(q.at(0, -0.35, -0.5), (a * 0.8, 0.12, 1.0), m)
                railing(s, q.at(-a * 0.4, -0.25, -0.98), a * 0.8, frame, 0.9)
    for j in range(floors + 1):
        if s.chance(0.4) or j == floors:
            s.box(p.at(0, j * b - 0.12, -0.1), (width + 0.1, s.u(0.1, 0.3), 0.3), frame)
    if s.chance(0.4):
        x = r.choice((-1, 1)) * width * 0.48
        s.rod(p.point(x, 0, -0.1), p.point(x, height, -0.1), 0.05, s.paint("metal"))
    if s.chance(0.3):
        s.box(p.at(0, 2.7, -0.1), (width * s.u(0.3, 0.9), 0.6, 0.15), s.paint("writing", "print", mix=0.1), 0.7)
    if s.chance(0.2):
        q = p.at(0, 2.6, -0.05).pitch(0.5)
        s.box(q.at(0, 0, -0.7), (width * s.u(0.3, 0.9), 0.05, 1.4), s.paint("fabric"))
    roof(s, p, width, height, depth)


def roof(s: Stage, p: Place, width: float, height: float, depth: float) -> None:
    if s.chance(0.5):
        m, slope = s.paint("stone", "plain", "wood", colour=(0.2, 0.09, 0.06)), s.u(0.4, 0.9)
        long = depth / 2 / math.cos(slope) + 0.4
        for side in (-1, 1):
            q = p.at(0, height + math.sin(slope) * long / 2 - 0.3, depth / 2 + side * depth / 4).pitch(-side * slope)
            s.add("box", q.scaled(width + 0.5, 0.15, long), m, 0.6, 0.6)
        if s.chance(0.5):
            s.box(p.at(s.u(-0.3, 0.3) * width, height, depth * 0.5), (0.6, depth * 0.5, 0.6), s.paint("stone"))


def car(s: Stage, p: Place) -> None:
    """A car along z, its front toward -z."""
    paint = s.paint("plain", colour=s.colour(), mix=0.95, spec=0.6, gloss=40, mirror=s.u(0.05, 0.35))
    glass = s.paint("plain", colour=(0.02, 0.02, 0.025), mix=1, mirror=0.5)
    rubber = s.paint("plain", colour=(0.015, 0.015, 0.015), mix=0.9)
    long, wide, tall = s.u(3.6, 5.0), s.u(1.65, 1.9), s.u(1.35, 1.9)
    s.soft(p.at(0, 0.25, 0), (wide, tall * 0.5, long), paint)
    cabin = long * s.u(0.5, 0.75)
    s.soft(p.at(0, tall * 0.42, long * 0.05), (wide * 0.86, tall * 0.58, cabin), glass)
    s.soft(p.at(0, tall * 0.93, long * 0.05), (wide * 0.74, tall * 0.07, cabin * 0.66), paint)
    for side in (-1, 1):
        for z in (-0.18, 0.1, 0.3):
            x = side * wide * 0.4
            s.rod(p.point(x, tall * 0.6, z * long), p.point(x * 0.85, tall * 0.97, z * long * 0.9), 0.035, paint)
        for z in (-0.32, 0.32):
            q = p.at(side * wide * 0.45, 0.32, z * long).yaw(math.pi / 2)
            s.add("tyre", q.scaled(0.32, 0.32, 0.4), rubber)
            s.add("drum", q.pitch(math.pi / 2).scaled(0.42, 0.1, 0.42), s.paint("metal", spec=0.4))
        light = s.paint("plain", colour=(0.8, 0.8, 0.75), spec=0.5)
        s.add("bead", p.at(side * wide * 0.36, 0.62, -long * 0.475).scaled(0.16, 0.09, 0.08), light)
        s.add(
            "bead",
            p.at(side * wide * 0.37, 0.68, long * 0.475).scaled(0.14, 0.1, 0.06),
            s.paint("plain", colour=(0.4, 0.01, 0.01)),
        )
    s.picture(p.at(0, 0.42, -long * 0.51), 0.5, 0.12, s.paint("writing", mix=0))


def lamp_post(s: Stage, p: Place) -> None:
    h, m = s.u(3, 8), s.paint("metal", "plain", colour=s.colour())
    k = s.u(0.04, 0.09)
    s.rod(p.origin, p.point(0, h, 0), k, m)
    s.rod(p.point(0, h, 0), p.point(s.u(-1.2, 1.2), h + 0.1, 0), k * 0.6, m)
    s.soft(p.at(0, h, 0), (0.5, 0.2, 0.3), m)


def sign(s: Stage, p: Place) -> None:
    h, m = s.u(1.8, 3), s.paint("metal")
    s.rod(p.origin, p.point(0, h, 0), 0.03, m)
    k = s.u(0.25, 0.5)
    s.add(
        "box", p.at(0, h, -0.04).scaled(k, k * s.u(0.8, 1.5), 0.02), s.paint("writing", "print", "plain"), 1 / k, 1 / k
    )


def wires(s: Stage, a: Place, b: Place, height: float) -> None:
    m = s.paint("plain", colour=(0.02, 0.02, 0.02), mix=1)
    for k in range(s.r.randint(1, 4)):
        y, off, sag = height - 0.3 * k, s.u(-0.5, 0.5), s.u(0.1, 0.6)
        last = a.point(off, y, 0)
        for i in range(1, 7):
            t = i / 6
            here = tuple(u + (v - u) * t for u, v in zip(a.point(off, y, 0), b.point(off, y, 0), strict=True))
            here = (here[0], here[1] - sag * 4 * t * (1 - t), here[2])
            s.rod(last, here, 0.012, m)
            last = here


def fence(s: Stage, p: Place, length: float) -> None:
    """Along x: wire, pickets, bars or planks."""
    h, m, kind = s.u(0.8, 2), s.paint("wood", "metal", "plain", colour=s.colour()), s.r.random()
    if kind < 0.35:
        for i in range(int(length / 2.5) + 1):
            s.rod(p.point(i * 2.5 - length / 2, 0, 0), p.point(i * 2.5 - length / 2, h, 0), 0.03, m)
        name = s.r.choice(("wire", "bars"))
        s.add(
            name, p.at(0, h / 2, 0).scaled(length, h, 1), m, length / h * s.r.choice((1, 2)), 1 if name == "bars" else 2
        )
    elif kind < 0.7:
        gap = s.u(0.1, 0.22)
        for i in range(min(90, int(length / gap))):
            s.box(p.at(i * gap - length / 2, 0.05, 0), (gap * s.u(0.45, 0.5), h, 0.025), m)
        for y in (0.25, 0.75):
            s.box(p.at(0, h * y, 0.03), (length, 0.07, 0.03), m)
    else:
        railing(s, p.at(-length / 2, 0, 0), length, m, h)


def floor(s: Stage, far: float, *kinds: str) -> int:
    m = s.paint(*kinds, mirror=s.u(0.05, 0.3) if s.chance(0.12) else 0.0, mix=s.u(0, 0.35), rough=0.1)
    s.add("box", Place().at(0, -0.05, far / 2 - 20).scaled(far * 2, 0.1, far), m, 0.5, 0.5)
    return m


def street(s: Stage) -> Scene:
    """Houses at both sides (or one), a roadway with kerbs, cars, lamps, trees, people."""
    r = s.r
    half = s.log(3.5, 12)
    turn = r.gauss(0, 0.22) if s.chance(0.75) else r.gauss(0, 0.8)
    road = Place().yaw(turn)
    floor(s, 400, "plain", "ground", "stone")
    walk, m = s.u(1.2, 3.5), s.paint("stone", "stone", "plain", mix=s.u(0, 0.4))
    for side in (-1, 1):
        s.box(road.at(side * (half - walk / 2), 0, 60), (walk, s.u(0.08, 0.15), 160), m, 0.5)
        if side > 0 and s.chance(0.15):
            continue
        z = s.u(-8, 2)
        while z < 110:
            w, h = s.log(6, 24), s.log(3.5, 20)
            gap = s.u(1, 8) if s.chance(0.2) else 0.0
            p = road.at(side * (half + s.u(0, 0.6)), 0, z + w / 2).yaw(side * math.pi / 2)
            facade(s, p, w, h, s.u(6, 12), detail=s.u(0.3, 1) if z < 30 else 0.0)
            z += w + gap
    end = s.u(60, 200)
    if s.chance(0.5):
        facade(s, road.at(s.u(-5, 5), 0, end), s.u(10, 40), s.u(6, 30), 10, detail=0)
    eye_x = r.gauss(0, 0.35) * (half - 0.8)
    view = View(
        eye=road.point(eye_x, s.u(1.3, 1.9) if s.chance(0.85) else s.u(2, 6), 0), fov=min(max(r.gauss(65, 15), 28), 100)
    )
    view.yaw = turn + r.gauss(0, 0.2)
    view.pitch, view.roll = r.gauss(0.02, 0.09), r.gauss(0, 0.018)
    if s.chance(0.12):
        view.pitch += s.u(0.15, 0.45)
    leaf, bark = plants.leaves(s), s.paint("bark")
    for _ in range(r.randint(0, 9)):
        side, z = r.choice((-1, 1)), s.log(4, 60)
        p = road.at(side * (half - walk - 1.0), 0, z)
        if clear(view, p, 3):
            car(s, p.yaw(math.pi if s.chance(0.5) else 0))
    trees = s.chance(0.4)
    for k in range(r.randint(2, 8)):
        side, z = r.choice((-1, 1)), 5.0 + 9 * k + s.u(-2, 2)
        p = road.at(side * (half - walk * 0.8), 0, z)
        if trees:
            plants.tree(s, p, s.u(4, 10), leaf, bark, far=z > 35)
        else:
            r.choice((lamp_post, sign, lamp_post, lambda s, p: things.bin_(s, p)))(s, p.yaw(s.u(-3, 3)))
    if s.chance(0.35):
        wires(s, road.at(-half, 0, s.u(4, 20)), road.at(half, 0, s.u(4, 20)), s.u(4, 7))
    for _ in range(r.choice((0, 1, 2, 4, 8))):
        p = road.at(s.u(-0.8, 0.8) * half, 0, s.log(2.5, 35)).yaw(s.u(-3.1, 3.1))
        if clear(view, p, 1.8):
            figures.person(s, p)
    if s.chance(0.2):
        q = road.at(s.u(-0.4, 0.4) * half, 0, s.u(3, 8)).yaw(s.u(-1, 1))
        things.bicycle(s, q)
    light, dim = lighting.outdoors(s, view.yaw, reach=22, middle=road.point(0, 0, 18))
    return view, light, dim


def front(s: Stage) -> Scene:
    """A single house near by, seen more or less straight on or along, with what stands before it."""
    r = s.r
    floor(s, 300, "ground", "stone", "grass", "plain")
    away, turn = s.log(2.5, 18), r.gauss(0, 0.45)
    width, height = s.u(8, 30), s.log(3, 16)
    p = Place().at(r.gauss(0, 0.15) * width, 0, away).yaw(turn)
    facade(s, p, width, height, 10, detail=1)
    if s.chance(0.4):
        other = p.at(r.choice((-1, 1)) * (width * 0.5 + s.u(0, 4)), 0, s.u(-4, 3)).yaw(r.choice((0, 1.4, -1.4)))
        facade(s, other.at(0, 0, 0.5), s.u(6, 14), s.log(3, 12), 8, detail=1)
    view = View(eye=(0, s.u(1.3, 1.9), 0), fov=min(max(r.gauss(62, 15), 28), 100))
    view.look_at((p.origin[0] * 0.4 + r.gauss(0, 0.8), min(height * 0.5, s.u(1, 5)), away))
    view.pitch, view.roll = view.pitch * s.u(0.2, 1), r.gauss(0, 0.018)
    before(s, view, away)
    light, dim = lighting.outdoors(s, view.yaw, reach=max(10.0, away), middle=(0, 0, away * 0.8))
    return view, light, dim


def before(s: Stage, view: View, away: float) -> None:
    """Things on the ground between the camera and what is `away` metres off."""
    r = s.r
    leaf, bark = plants.leaves(s), s.paint("bark")
    for _ in range(r.randint(1, 9)):
        z = s.log(1.8, max(2.2, away))
        p = Place().at(
            view.eye[0] + math.sin(view.yaw) * z + s.u(-0.7, 0.7) * z, 0, view.eye[2] + math.cos(view.yaw) * z
        )
        if not clear(view, p, 1.6):
            continue
        q, kind = p.yaw(s.u(-3.1, 3.1)), r.random()
        if kind < 0.2:
            plants.bush(s, q, s.u(0.4, 1.6), leaf)
        elif kind < 0.3 and z > 4:
            plants.tree(s, q, s.u(3, 8), leaf, bark)
        elif kind < 0.4 and z > 4:
            car(s, q)
        elif kind < 0.5:
            figures.person(s, q)
        elif kind < 0.6:
            fence(s, p.yaw(r.gauss(0, 0.3)), s.u(3, 12))
        elif kind < 0.66:
            stairs(s, p, r.randint(2, 6), s.u(1, 4), s.paint("stone"))
        elif kind < 0.75:
            plants.stone(s, q, s.log(0.2, 1), s.paint("stone", "ground"))
        else:
            r.choice((lamp_post, sign, bench, things.bin_, things.boxes, things.bicycle, things.chair, things.table))(
                s, q
            )


def bench(s: Stage, p: Place) -> None:
    m, legs = s.paint("wood", "stone", "metal"), s.paint("metal", "stone")
    w = s.u(1.2, 2)
    for i in range(4):
        s.box(p.at(0, 0.43, i * 0.11 - 0.16), (w, 0.04, 0.09), m)
        if i > 1:
            s.box(p.at(0, 0.3 + i * 0.17, 0.26), (w, 0.1, 0.03), m)
    for x in (-0.4, 0.4):
        s.box(p.at(x * w, 0, 0.02), (0.06, 0.43, 0.4), legs)
        s.box(p.at(x * w, 0.4, 0.28), (0.05, 0.5, 0.04), legs)


def play(s: Stage, p: Place) -> None:
    """Something to climb on, to swing or to slide."""
    m, other = s.paint("metal", "plain", "wood", colour=s.colour()), s.paint("plain", colour=s.colour())
    kind, k = s.r.random(), s.u(0.02, 0.06)
    if kind < 0.35:
        n, a = s.r.randint(2, 4), s.u(0.6, 0.9)
        for i in range(n + 1):
            for j in range(n + 1):
                s.rod(p.point(i * a, 0, j * a), p.point(i * a, n * a, j * a), k, m)
                s.rod(p.point(0, (i or 1) * a, j * a), p.point(n * a, (i or 1) * a, j * a), k, other)
                s.rod(p.point(j * a, (i or 1) * a, 0), p.point(j * a, (i or 1) * a, n * a), k, m)
    elif kind < 0.65:
        w, h = s.u(2, 4), s.u(2, 2.6)
        for x in (-w / 2, w / 2):
            for z in (-1, 1):
                s.rod(p.point(x, 0, z * 0.8), p.point(x, h, 0), k * 1.3, m)
        s.rod(p.point(-w / 2, h, 0), p.point(w / 2, h, 0), k * 1.3, m)
        for x in (-0.25, 0.25):
            for side in (-1, 1):
                s.rod(p.point(x * w + side * 0.2, h, 0), p.point(x * w + side * 0.2, 0.5, 0.2), 0.012, other)
            s.box(p.at(x * w, 0.47, 0.2), (0.45, 0.04, 0.18), other)
    else:
        h = s.u(1.2, 2.2)
        for x in (-0.4, 0.4):
            for z in (0, 0.8):
                s.rod(p.point(x, 0, z), p.point(x, h + 0.8, z), k, m)
        s.box(p.at(0, h, 0.4), (0.8, 0.06, 0.8), other)
        a = math.atan2(h, 2.2)
        q = p.at(0, h / 2 + 0.1, -1.1).pitch(a)
        s.add("box", q.scaled(0.6, 0.04, math.hypot(h, 2.2)), other)
        for x in (-0.3, 0.3):
            s.add("box", q.at(x, 0.08, 0).scaled(0.04, 0.18, math.hypot(h, 2.2)), m)
        stairs(s, p.at(0, 0, 2.2).yaw(math.pi), max(2, int(h / 0.22)), 0.7, other)


def court(s: Stage) -> Scene:
    """A courtyard, a playground, a yard: level ground of grass, gravel or slabs, walls or trees about it."""
    r = s.r
    kinds = r.choice((("ground", "ground", "stone"), ("grass", "grass", "ground"), ("stone", "plain")))
    m = floor(s, 300, *kinds)
    far = s.log(6, 35)
    view = View(eye=(0, s.u(1.2, 1.9), 0), fov=min(max(r.gauss(66, 15), 30), 100), yaw=r.gauss(0, 0.3))
    view.pitch, view.roll = r.gauss(-0.08, 0.1), r.gauss(0, 0.02)
    leaf, bark = plants.leaves(s), s.paint("bark")
    for side in (-1, 0, 1):
        p = (
            Place()
            .at(side * far * s.u(0.6, 1.2), 0, far * (1 if side == 0 else s.u(0.2, 0.6)))
            .yaw(side * math.pi / 2 + r.gauss(0, 0.15))
        )
        kind = r.random()
        if kind < 0.5:
            facade(s, p, far * 1.6, s.log(3, 12), 8, detail=s.u(0.3, 1) if far < 20 else 0.3)
        elif kind < 0.65:
            fence(s, p, far * 1.5)
        elif kind < 0.8:
            plants.hedge(s, p, far * 1.2, s.u(1, 2.5), leaf)
        else:
            for _ in range(5):
                plants.tree(s, p.at(s.u(-0.7, 0.7) * far, 0, s.u(0, 6)), s.u(4, 11), leaf, bark)
    if kinds[0] == "grass" or s.chance(0.3):
        z = np.exp(s.u(0.3, 0.6) + np.array([r.random() for _ in range(90)]) * 2.0)
        plants.grass(s, [(s.u(-0.8, 0.8) * float(k), 0.0, float(k)) for k in z], s.u(0.08, 0.3), leaf)
    elif kinds[0] == "ground":
        for _ in range(60):
            z = s.log(1.2, 9)
            plants.stone(s, Place().at(s.u(-0.8, 0.8) * z, -0.01, z), s.log(0.03, 0.2), m)
    for _ in range(r.randint(0, 3)):
        p = Place().at(s.u(-0.5, 0.5) * far, 0, s.u(0.25, 0.9) * far).yaw(s.u(-3, 3))
        if clear(view, p, 2.5):
            r.choice((play, play, bench, things.table))(s, p)
    before(s, view, far)
    light, dim = lighting.outdoors(s, view.yaw, reach=max(8.0, far), middle=(0, 0, far * 0.6))
    return view, light, dim
