"""Before the sky, and far below: towers and rockets, frames in a row, bodies of wire, land seen from a height."""

from __future__ import annotations

import itertools
import math

import numpy as np

from training.scenes import figures, lighting, plants, sites, streets
from training.scenes.halls import railing
from training.scenes.parts import grid
from training.scenes.rooms import Scene
from training.scenes.stage import Place, Stage, Vector
from training.scenes.view import View


def lattice(s: Stage, p: Place, high: float, wide: float, m: int) -> None:
    """A tower of bars: a mast, a gantry, a crane's trunk."""
    steps, k = s.r.randint(5, 12), wide * s.u(0.02, 0.05)
    taper = s.u(0.2, 1)

    def corner(level: int, side: int) -> Vector:
        w = wide / 2 * (1 + (taper - 1) * level / steps)
        x, z = ((-w, -w), (w, -w), (w, w), (-w, w))[side % 4]
        return p.point(x, high * level / steps, z)

    for level in range(steps):
        for side in range(4):
            s.rod(corner(level, side), corner(level + 1, side), k, m)
            s.rod(corner(level, side), corner(level + 1, side + 1), k * 0.6, m)
            s.rod(corner(level, side), corner(level, side + 1), k * 0.6, m)


def rocket(s: Stage, p: Place, high: float) -> None:
    m = s.paint("plain", "plain", "metal", colour=s.wall_colour(), mix=0.8, spec=0.3)
    w = high * s.u(0.04, 0.1)
    body = high * s.u(0.7, 0.85)
    s.drum(p, w, body, m, 0.2)
    s.add("cone", p.at(0, body, 0).scaled(2 * w, high - body, 2 * w), s.thing())
    for k in range(s.r.randint(1, 4)):
        s.drum(p.at(0, body * (0.2 + 0.22 * k), 0), w * 1.03, body * s.u(0.02, 0.1), s.thing())
    if s.chance(0.6):
        for side in (-1, 1):
            s.drum(p.at(side * w * 1.7, 0, 0), w * s.u(0.4, 0.7), body * s.u(0.5, 0.8), m, 0.2)


def column(s: Stage, p: Place, high: float) -> None:
    """A lighthouse, a chimney, a minaret, a monument's shaft."""
    m = s.paint("stone", "plain", "print", colour=s.wall_colour(), mix=s.u(0.2, 0.8))
    foot, top, parts = high * s.u(0.05, 0.13), s.u(0.4, 1), s.r.randint(2, 6)
    for k in range(parts):
        w = foot * (1 + (top - 1) * k / parts)
        s.drum(p.at(0, high * 0.88 * k / parts, 0), w, high * 0.88 / parts, m, 0.3)
        if s.chance(0.4):
            s.drum(p.at(0, high * 0.88 * k / parts, 0), w * 1.12, high * 0.02, s.paint("stone", "plain"))
    if s.chance(0.6):
        s.drum(p.at(0, high * 0.88, 0), foot * top * 1.3, high * 0.015, m)
        s.drum(p.at(0, high * 0.88, 0), foot * top * 0.6, high * 0.07, s.thing())
        s.add("cone", p.at(0, high * 0.95, 0).scaled(foot * top * 2, high * 0.06, foot * top * 2), s.thing())
    elif s.chance(0.5):
        sites.statue(s, p.at(0, high * 0.88, 0))


def tower(s: Stage) -> Scene:
    """Something tall before the sky, from its foot or from afar, the ground low in the picture or not in it."""
    r = s.r
    high = s.log(4, 80)
    away = high * s.log(0.35, 3) + 2
    streets.floor(s, 6 * away + 400, "ground", "grass", "grass", "stone", "plain")
    p = Place().at(r.gauss(0, 0.12) * away, 0, away).yaw(s.u(-3, 3))
    m = s.paint("metal", "plain", colour=s.colour())
    kind = r.random()
    if kind < 0.25:
        rocket(s, p, high)
        if s.chance(0.6):
            q = p.at(high * s.u(0.12, 0.3), 0, 0)
            lattice(s, q, high * s.u(0.8, 1.2), high * 0.1, m)
            for k in range(r.randint(0, 3)):
                y = high * (0.3 + 0.2 * k)
                s.rod(q.point(0, y, 0), p.point(high * 0.06, y, 0), high * 0.008, m)
    elif kind < 0.45:
        lattice(s, p, high, high * s.u(0.05, 0.25), m)
        if s.chance(0.4):
            s.rod(p.point(-high * 0.2, high, 0), p.point(high * 0.6, high, 0), high * 0.01, m)
    elif kind < 0.75:
        column(s, p, high)
    elif kind < 0.85:
        for k in range(r.randint(1, 5)):
            q = p.at(k * high * 0.3, 0, k * high * s.u(0, 0.5))
            s.rod(q.origin, q.point(0, high, 0), high * s.log(0.004, 0.02), m)
            if s.chance(0.6):
                flag = s.paint("fabric", "print", "plain", colour=s.colour())
                s.add("cloth", q.at(high * 0.12, high * 0.82, 0).scaled(high * 0.24, high * 0.15, high * 0.03), flag)
    else:
        streets.facade(s, p, high * s.u(0.25, 0.6), high, high * 0.3, detail=s.u(0, 1))
        s.add("cone", p.at(0, high, high * 0.15).scaled(high * 0.3, high * s.u(0.2, 0.6), high * 0.3), s.thing())
    view = View(eye=(0, s.log(0.5, 3), 0), fov=min(max(r.gauss(50, 15), 22), 95), roll=r.gauss(0, 0.03))
    view.look_at((p.origin[0] * s.u(0.2, 1), high * s.u(0.25, 0.9), away))
    if s.chance(0.4):
        leaf, bark = plants.leaves(s), s.paint("bark")
        for _ in range(r.randint(1, 12)):
            z = away * s.log(0.6, 5)
            plants.tree(s, Place().at(s.u(-0.8, 0.8) * z, 0, z), s.u(3, 12), leaf, bark, far=z > 40)
    elif s.chance(0.4):
        streets.before(s, view, away)
    light, dim = lighting.outdoors(s, view.yaw, reach=max(8.0, high), middle=(p.origin[0], high / 2, away))
    return view, light, dim


def frames(s: Stage) -> Scene:
    """Frames one behind the other along a way: portals, a pergola, a footbridge's trusses, ribs of a hall."""
    r = s.r
    w, h, gap, count = s.u(1.8, 5), s.u(2.2, 4.5), s.log(0.8, 4), r.randint(5, 22)
    k, turn = s.log(0.04, 0.25), r.gauss(0, 0.06)
    way = Place().yaw(r.gauss(0, 0.1))
    if s.chance(0.5):
        streets.floor(s, 500, "ground", "grass", "stone")
    deck = s.paint("wood", "stone", "plain", "metal", mix=s.u(0, 0.5), mirror=s.u(0, 0.4) if s.chance(0.3) else 0)
    s.box(way.at(0, -0.09, gap * count / 2), (w * s.u(0.9, 1.1), 0.1, gap * (count + 3)), deck, s.log(0.3, 1.2))
    m = s.paint("metal", "plain", "wood", colour=s.colour(), mix=s.u(0.5, 1))
    lit = s.paint("plain", colour=(0.5, 0.8, 1.0), mix=1, glow=s.u(1, 5)) if s.chance(0.3) else None
    kind = r.random()
    for i in range(count):
        q = way.at(0, 0, 1.0 + gap * i).roll(turn * i if s.chance(0.5) else 0.0)
        if kind < 0.45:
            corners = [(-w / 2, 0.0), (-w / 2, h), (w / 2, h), (w / 2, 0.0)]
        elif kind < 0.7:  # on a corner
            corners = [(0.0, -0.1 * h), (-w * 0.6, h * 0.45), (0.0, h), (w * 0.6, h * 0.45), (0.0, -0.1 * h)]
        else:
            turns = [math.pi * t / 8 for t in range(9)]
            corners = [(-w / 2 * math.cos(t), h * math.sin(t) ** 0.7) for t in turns]
        for a, b in itertools.pairwise(corners):
            s.rod(q.point(*a, 0), q.point(*b, 0), k, m)
            if lit is not None:
                s.rod(q.point(a[0] * 0.95, a[1] * 0.97, -k), q.point(b[0] * 0.95, b[1] * 0.97, -k), k * 0.3, lit)
    if s.chance(0.5):
        for x in (-w / 2, w / 2):
            railing(s, way.at(x, 0, gap * count / 2).yaw(math.pi / 2).at(-gap * count / 2, 0, 0), gap * count, m)
    if s.chance(0.25):
        figures.person(s, way.at(r.gauss(0, 0.2) * w, 0, s.log(3, 15)).yaw(s.u(-3, 3)))
    view = View(eye=way.point(r.gauss(0, 0.12) * w, s.u(1.0, 1.8), s.u(-3, 0)), fov=min(max(r.gauss(62, 14), 32), 100))
    view.look_at(way.point(0, s.u(1.2, 2.2), gap * count))
    view.yaw, view.roll = view.yaw + r.gauss(0, 0.08), r.gauss(0, 0.03)
    light, dim = lighting.outdoors(s, view.yaw, reach=12, middle=way.point(0, 1, 8))
    return view, light, dim


def _solid(turns: Vector) -> list[tuple[Vector, Vector]]:
    """Edges of a dodecahedron within the unit ball, turned."""
    g = (1 + math.sqrt(5)) / 2
    points = [np.array(p, float) for p in np.ndindex(2, 2, 2)]
    points = [2 * p - 1 for p in points]
    for a in (-1, 1):
        for b in (-1, 1):
            points += [np.array(p) for p in ((0, a / g, b * g), (a / g, b * g, 0), (a * g, 0, b / g))]
    matrix = np.array(Place().yaw(turns[0]).pitch(turns[1]).roll(turns[2]).m).reshape(3, 4)[:, :3]
    corners = [matrix @ p / math.sqrt(3) for p in points]
    edge = 2 / g / math.sqrt(3) * 1.01
    pairs = [(a, b) for i, a in enumerate(corners) for b in corners[i + 1 :] if np.linalg.norm(a - b) < edge]
    return [((float(a[0]), float(a[1]), float(a[2])), (float(b[0]), float(b[1]), float(b[2]))) for a, b in pairs]


def wires(s: Stage) -> Scene:
    """Bodies of wire, rings and sticks that hang before a plain wall or an empty sky."""
    r = s.r
    away = s.log(0.8, 4)
    fov = min(max(r.gauss(48, 11), 28), 75)
    if s.chance(0.75):
        m = s.paint("plain", colour=s.wall_colour(), mix=s.u(0.7, 1), shadow=False)
        back = Place().at(0, 0, away * s.log(1.3, 4)).yaw(r.gauss(0, 0.15))
        s.add("box", back.at(0, 0, 0.1).scaled(30 * away, 30 * away, 0.2), m, 0.3, 0.3)
    for _ in range(r.randint(1, 4)):
        p = Place().at(s.u(-0.4, 0.4) * away, s.u(-0.3, 0.3) * away, away * s.u(0.8, 1.25))
        size, thick = away * s.log(0.12, 0.4), away * s.log(0.0015, 0.01)
        m = s.paint("metal", "plain", colour=s.colour(), mix=0.8)
        if s.chance(0.7):
            for a, b in _solid((s.u(-3, 3), s.u(-3, 3), s.u(-3, 3))):
                s.rod(p.point(*(size * v for v in a)), p.point(*(size * v for v in b)), thick, m)
        else:
            for _ in range(r.randint(1, 4)):
                s.add("ring", p.yaw(s.u(-3, 3)).pitch(s.u(-1, 1)).scaled(size, size, size), m)
        if s.chance(0.4):
            s.rod(p.point(0, size * 0.9, 0), p.point(0, 5 * away, 0), thick * 0.5, m)
    view = View(eye=(0, 0, 0), fov=fov, yaw=r.gauss(0, 0.06), pitch=r.gauss(0, 0.06), roll=r.gauss(0, 0.03))
    light, dim = lighting.indoors(s, Place().at(0, -1.3, 0), 4 * away, 4 * away, 3)
    return view, light, dim


def down(s: Stage) -> Scene:
    """Land and sea from a height, straight down or aslant, at times with something that flies before them."""
    r = s.r
    up = s.log(30, 4000)
    wide = up * s.log(0.3, 3)
    height = plants.hills(r, up * s.log(0.005, 0.08), wide, sharp=s.u(0, 0.7))
    kinds = ("ground", "grass", "stone", "print", "plain")
    m = s.paint(*kinds, colour=r.choice((*plants.GREENS, (0.3, 0.22, 0.14), (0.2, 0.19, 0.17))), mix=s.u(0, 0.5))
    tilt = abs(r.gauss(0, 0.25)) if s.chance(0.7) else s.u(0.3, 1.0)
    side = np.linspace(-1, 1, 70) * up * 4
    x, z = np.meshgrid(side, side)
    points = np.stack([x, height(x, z), z], -1)
    tex = s.log(0.5, 6) / up
    s.meshes.append((grid(points.astype(np.float32), (points[..., [0, 2]] * tex).astype(np.float32), flip=True), m))
    if s.chance(0.4):
        sea = s.paint("plain", colour=(0.02, 0.06, 0.09), mix=0.9, mirror=s.u(0, 0.4), spec=0.3)
        s.add("box", Place().at(0, r.gauss(0, 0.01) * up, 0).scaled(40 * up, 0.1, 40 * up), sea, tex, tex)
    eye = Place().at(0, up, 0).yaw(s.u(-3, 3)).pitch(-math.pi / 2 + tilt)
    if s.chance(0.5):
        away = up * s.log(0.01, 0.12)
        p = eye.at(r.gauss(0, 0.15) * away, r.gauss(0, 0.12) * away, away)
        craft(s, p.yaw(s.u(-3, 3)).pitch(r.gauss(0, 0.6)).roll(s.u(-3, 3)), away * s.log(0.08, 0.4))
    forward = eye.point(0, 0, 1)
    view = View(eye=eye.origin, fov=min(max(r.gauss(52, 14), 25), 85))
    view.look_at(forward)
    view.roll = s.u(-0.3, 0.3)
    light, dim = lighting.outdoors(s, view.yaw, reach=up * 1.5, middle=(0, 0, 0))
    light.hollow_strength = 0.0
    if light.haze[0] > 0:
        light.haze = (s.u(0.05, 0.6) / up, *light.haze[1:])
    return view, light, dim


def craft(s: Stage, p: Place, size: float) -> None:
    """A plane, a satellite, a balloon."""
    m, kind = s.paint("plain", "metal", colour=s.wall_colour(), spec=0.3), s.r.random()
    if kind < 0.4:
        s.rod(p.point(0, 0, -size / 2), p.point(0, 0, size / 2), size * 0.07, m)
        s.add("ball", p.at(0, 0, size / 2).scaled(size * 0.07, size * 0.07, size * 0.12), m)
        s.add("box", p.at(0, 0, size * 0.05).scaled(size, size * 0.015, size * 0.16), m)
        s.add("box", p.at(0, 0.03 * size, -size * 0.45).scaled(size * 0.35, size * 0.012, size * 0.1), m)
        s.add("box", p.at(0, 0.09 * size, -size * 0.45).scaled(size * 0.012, size * 0.16, size * 0.1), m)
    elif kind < 0.75:
        s.drum(p.at(0, -size * 0.15, 0), size * 0.11, size * 0.3, m)
        s.add("cone", p.at(0, size * 0.15, 0).scaled(size * 0.22, size * 0.1, size * 0.22), m)
        wing = s.paint("plain", "facade", "fabric", colour=(0.02, 0.02, 0.06))
        for side in (-1, 1):
            s.add("box", p.at(side * size * 0.34, 0, 0).scaled(size * 0.42, size * 0.16, size * 0.01), wing, 2 / size)
    else:
        cloth = s.paint("print", "fabric", colour=s.colour())
        s.add("ball", p.scaled(size * 0.4, size * 0.45, size * 0.4), cloth, 2, 1)
        s.box(p.at(0, -size * 0.65, 0), (size * 0.1, size * 0.1, size * 0.1), s.paint("wood"))
