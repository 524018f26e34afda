"""What is nearly flat and fills the picture: walls, doors and fronts seen straight on, surfaces, a table from above.

Their inverse depth hardly changes: what there is to see of it are frames, steps, knobs, joints and a slight turn, not
the rise from near to far that a picture of ground has.
"""

from __future__ import annotations

import math

from training.scenes import figures, lighting, plants, streets, things
from training.scenes.halls import stairs
from training.scenes.rooms import Scene, pipes
from training.scenes.stage import Place, Stage
from training.scenes.view import Light, View

TURN = 0.12
"""Radians: standard deviation of how far a camera is turned from straight on; people mean it to be straight."""


def _facing(s: Stage, away: float, fov: float) -> tuple[View, float]:
    """A camera at the origin that looks along z, more or less; and metres from the middle of what is `away` to the
    farthest corner of a square picture."""
    straight = s.chance(0.35)
    view = View(eye=(0, 0, 0), fov=fov)
    if not straight:
        view.yaw, view.pitch = (max(-0.26, min(0.26, s.r.gauss(0, TURN))) for _ in range(2))
    view.roll = s.r.gauss(0, 0.01 if straight else 0.025)
    return view, 1.5 * away * math.tan(math.radians(fov) / 2 + 0.26 * (not straight))


def _light(s: Stage, away: float, wide: float) -> tuple[Light, float]:
    if s.chance(0.6):
        light, dim = lighting.outdoors(s, 0.0, reach=max(1.0, wide * 1.5), middle=(0, 0, away))
        if light.sun[2] > 0:  # the sun is at the camera's side of a wall
            light.sun = (light.sun[0], light.sun[1], -light.sun[2])
    else:
        light, dim = lighting.indoors(s, Place().at(0, -1.2, 0), 2 * wide, 2 * away, 2.6)
        light.reach, light.middle = wide * 1.5, (0, 0, away)
    light.hollow = s.log(0.02, 0.2) * away / 2
    return light, dim


def surface(s: Stage) -> Scene:
    """Nothing but a surface: bricks, planks, plaster, tiles, cloth, metal; at times with something glued on it."""
    away, fov = s.log(0.3, 6), min(max(s.r.gauss(52, 13), 28), 85)
    view, wide = _facing(s, away, fov)
    m = s.paint("stone", "stone", "wood", "wood", "plain", "metal", "fabric", "bark", "facade", mix=s.u(0, 0.3))
    tex = s.log(0.35, 3) / wide
    p = Place().at(0, 0, away).roll(s.r.choice((0, 0, math.pi / 2)) + s.r.gauss(0, 0.01))
    s.add("box", p.at(0, 0, 0.05).scaled(4 * wide, 4 * wide, 0.1), m, tex, tex)
    kind = s.r.random()
    if kind < 0.35:
        planks(s, p, wide, s.log(0.002, 0.02) * away)
    elif kind < 0.5:
        for _ in range(s.r.randint(1, 5)):
            k = s.log(0.1, 0.8) * wide
            q = p.at(s.u(-0.7, 0.7) * wide, s.u(-0.7, 0.7) * wide, -0.003 * away).roll(s.r.gauss(0, 0.1))
            s.picture(q, k, k * s.log(0.5, 1.6), s.paint("writing", "print", "plain", "fabric", mix=s.u(0, 0.4)))
    light, dim = _light(s, away, wide)
    return view, light, dim


def planks(s: Stage, p: Place, wide: float, rise: float) -> None:
    """Boards or slabs side by side up the wall's whole height, each a little proud of it."""
    several = [s.paint("wood", "wood", "stone", "plain", "metal", mix=s.u(0, 0.5))] * s.r.randint(1, 3)
    several = [*several, s.paint("wood", "plain")] if s.chance(0.3) else several
    count, gap = s.r.randint(3, 16), s.log(0.002, 0.03)
    across = s.r.choice((0.0, math.pi / 2))
    step = 2.4 * wide / count
    for i in range(count):
        q = p.roll(across).at((i + 0.5) * step - 1.2 * wide, 0, -rise * s.u(0.2, 1))
        tex = s.log(0.3, 2) / wide
        s.add("box", q.scaled(step * (1 - gap), 3 * wide, 2 * rise), s.r.choice(several), tex, tex)


def panel(s: Stage) -> Scene:
    """A door, a gate, a shuttered window or a piece of wall, close by, with what is fixed to it."""
    away, fov = s.log(0.5, 5), min(max(s.r.gauss(52, 13), 28), 85)
    view, wide = _facing(s, away, fov)
    p = Place().at(0, 0, away)
    m = s.paint("stone", "wood", "wood", "plain", "plain", "metal", colour=s.colour(), mix=s.u(0, 0.8), rough=0.1)
    tex = s.log(0.3, 2) / wide
    s.add("box", p.at(0, 0, 0.05).scaled(5 * wide, 5 * wide, 0.1), m, tex, tex)
    if s.chance(0.5):
        planks(s, p, wide, s.log(0.003, 0.015) * away)
    beam = s.paint("wood", "plain", "metal", colour=s.colour()) if s.chance(0.5) else m
    for _ in range(s.r.choice((0, 1, 2, 3))):  # battens, also aslant
        turn = s.r.choice((0.0, math.pi / 2, s.u(-1.2, 1.2)))
        q = p.at(s.u(-0.7, 0.7) * wide, s.u(-0.7, 0.7) * wide, 0).roll(turn)
        thick = s.log(0.008, 0.04) * away
        s.add("box", q.at(0, 0, -thick / 2).scaled(4 * wide, s.log(0.08, 0.35) * wide, thick), beam, tex, tex)
    for _ in range(s.r.choice((0, 1, 1, 2, 3))):
        q = p.at(s.u(-0.7, 0.7) * wide, s.u(-0.7, 0.7) * wide, 0)
        s.r.choice((window, fitting, fitting, fitting, plate, box_of_flowers, niche))(s, q, wide * s.log(0.12, 0.5))
    if s.chance(0.25):
        pipes(s, p.at(0, -wide, 0), 2 * wide, 2 * wide, s.r.randint(1, 3))
    light, dim = _light(s, away, wide)
    return view, light, dim


def window(s: Stage, p: Place, size: float) -> None:
    """A pane between frames, a sill, at times shutters at its sides."""
    w, h, t = size, size * s.u(0.8, 1.8), size * s.u(0.03, 0.12)
    frame = s.paint("plain", "wood", colour=s.wall_colour())
    glass = s.paint("plain", "fabric", colour=(0.03, 0.035, 0.04), mix=0.9, mirror=s.u(0, 0.8), spec=0.2)
    s.add("sheet", p.at(0, 0, -0.1 * t).scaled(w, h, 1), glass, 1, 1)
    for x in (-w / 2, w / 2, *([0.0] if s.chance(0.6) else [])):
        s.add("box", p.at(x, 0, -t / 2).scaled(0.09 * w, h + 0.09 * w, t), frame)
    bars = s.r.randint(0, 3)
    for k in range(bars + 2):
        s.add("box", p.at(0, (k / (bars + 1) - 0.5) * h, -t / 2).scaled(w, 0.06 * w, 0.8 * t), frame)
    if s.chance(0.6):
        s.add("box", p.at(0, -h / 2 - 0.06 * w, -t).scaled(1.25 * w, 0.09 * w, 2 * t), frame)
    if s.chance(0.5):
        m = s.paint("wood", "plain", colour=s.colour())
        for side in (-1, 1):
            s.add("box", p.at(side * w * 0.79, 0, -t / 2).scaled(w * 0.5, h * 1.05, t), m, 2 / w, 2 / w)
            for k in range(s.r.choice((0, 0, 9))):
                slat = p.at(side * w * 0.79, (k / 9 - 0.44) * h, -t).scaled(w * 0.42, h * 0.05, 0.3 * t)
                s.add("box", slat, m)


def fitting(s: Stage, p: Place, size: float) -> None:
    """A knob, a handle, a hinge, a bolt, a lamp."""
    m = s.paint("metal", "plain", colour=s.colour(), spec=s.u(0.1, 0.6), gloss=s.log(15, 90))
    k, kind = size * s.u(0.08, 0.25), s.r.random()
    if kind < 0.35:
        s.add("ball", p.at(0, 0, -k * 1.2).scaled(k, k, k), m)
        s.rod(p.origin, p.point(0, 0, -k), k * 0.5, m)
        if s.chance(0.5):
            s.add("box", p.scaled(k * 3, k * s.u(3, 8), k * 0.3), m)
    elif kind < 0.7:
        q = p.roll(s.r.choice((0, math.pi / 2)) + s.r.gauss(0, 0.03))
        s.rod(q.point(-size, 0, -k), q.point(size, 0, -k), k * s.u(0.3, 0.7), m)
        for x in (-0.8, s.u(-0.5, 0.5), 0.8):
            s.add("box", q.at(x * size, 0, -k * 0.6).scaled(k * 2, k * 2.2, k * 1.4), m)
    elif kind < 0.85:
        s.add("bend", p.at(0, 0, -k * 0.4).scaled(k * 2, k * 2, k * 2), m)
    else:
        s.rod(p.origin, p.point(0, k, -k * 3), k * 0.2, m)
        s.add("ball", p.at(0, 0.6 * k, -k * 3).scaled(k, k * 1.3, k), s.paint("plain", glow=s.u(0, 1.5)))


def plate(s: Stage, p: Place, size: float) -> None:
    """A sign, a poster, a letter-box."""
    thick = size * s.log(0.01, 0.12)
    q = p.at(0, 0, -thick)
    w, h = size * s.u(0.5, 1.2), size * s.u(0.4, 1.2)
    s.add("box", p.at(0, 0, -thick / 2).scaled(w, h, thick), s.thing(), 1 / w, 1 / w)
    kinds = ("writing", "print", "plain")
    s.picture(q.at(0, -h * 0.45, -0.004 * size), w * 0.92, h * 0.9, s.paint(*kinds, mix=s.u(0, 0.3)))


def box_of_flowers(s: Stage, p: Place, size: float) -> None:
    m, leaf = s.thing(), plants.leaves(s)
    s.box(p.at(0, -0.1 * size, -0.15 * size), (size * 1.6, 0.25 * size, 0.25 * size), m)
    for _ in range(s.r.randint(3, 8)):
        k = size * s.u(0.1, 0.25)
        s.add("bush", p.at(s.u(-0.7, 0.7) * size, 0.2 * size, -0.15 * size).yaw(s.u(0, 6)).scaled(k, k, k), leaf)


def niche(s: Stage, p: Place, size: float) -> None:
    """A frame that stands out, so that what is in it lies deeper."""
    w, h, t = size, size * s.u(0.7, 2), size * s.u(0.05, 0.3)
    m = s.paint("stone", "wood", "plain", colour=s.wall_colour())
    for side in (-1, 1):
        s.add("box", p.at(side * w / 2, 0, -t / 2).scaled(0.2 * w, h, t), m, 1 / w, 1 / w)
        s.add("box", p.at(0, side * h / 2, -t / 2).scaled(1.2 * w, 0.2 * w, t), m, 1 / w, 1 / w)
    if s.chance(0.5):
        s.add("sheet", p.at(0, 0, -0.02 * t).scaled(w, h, 1), s.thing(), 1, 1)


def straight(s: Stage) -> Scene:
    """A house's front or a long wall that fills the picture but for a strip of pavement, seen straight on."""
    r = s.r
    away, fov = s.log(3, 25), min(max(r.gauss(48, 12), 26), 75)
    view, wide = _facing(s, away, fov)
    view.pitch *= 0.3
    strip = s.chance(0.6)
    up = wide * (s.u(0.25, 0.55) if strip else s.u(0.9, 1.5))
    view.eye = (r.gauss(0, 0.3), up, 0)
    streets.floor(s, 4 * away + 60, "ground", "stone", "grass", "plain")
    p = Place().at(0, 0, away)
    if s.chance(0.8):
        streets.facade(s, p, 5 * wide, max(3.0, up + 2.2 * wide), 6, detail=s.u(0.3, 1) if s.chance(0.85) else 0.1)
    else:
        m = s.paint("stone", "stone", "wood", "plain", "metal", mix=s.u(0, 0.4))
        tex = s.log(0.4, 3) / wide
        s.add("box", p.at(0, 2 * wide, 0.2).scaled(6 * wide, 6 * wide, 0.4), m, tex, tex)
        for _ in range(r.randint(0, 5)):
            q = p.at(s.u(-0.8, 0.8) * wide, up + s.u(-0.7, 0.7) * wide, 0)
            r.choice((window, window, plate, niche, fitting))(s, q, wide * s.log(0.1, 0.4))
    if strip:
        for _ in range(r.choice((0, 0, 1, 2, 3))):
            q = p.at(s.u(-0.8, 0.8) * wide, 0, -s.u(0.4, max(0.5, min(2.0, 0.2 * away))))
            kind = r.random()
            if kind < 0.3:
                plants.bush(s, q, s.u(0.3, 1.2), plants.leaves(s))
            elif kind < 0.45:
                stairs(s, q, r.randint(2, 4), s.u(0.8, 2), s.paint("stone"))
            elif kind < 0.55:
                figures.person(s, q.yaw(s.u(-3, 3)))
            else:
                r.choice((things.bin_, things.bicycle, things.boxes, streets.bench, streets.sign))(s, q)
    light, dim = lighting.outdoors(s, 0.0, reach=max(6.0, wide), middle=(0, up, away))
    if light.sun[2] > 0:
        light.sun = (light.sun[0], light.sun[1], -light.sun[2])
    light.hollow = s.log(0.06, 0.4)
    return view, light, dim


def above(s: Stage) -> Scene:
    """Things on a table or on the ground, looked at from above."""
    r = s.r
    away, fov = s.log(0.4, 3), min(max(r.gauss(52, 12), 28), 80)
    wide = 1.5 * away * math.tan(math.radians(fov) / 2)
    kinds = ("wood", "wood", "plain", "fabric", "stone", "ground", "grass")
    m = s.paint(*kinds, mix=s.u(0, 0.5), mirror=s.u(0, 0.15) if s.chance(0.2) else 0)
    tex = s.log(0.4, 3) / wide
    s.add("box", Place().at(0, -0.05, 0).scaled(8 * wide, 0.1, 8 * wide), m, tex, tex)
    for _ in range(r.choice((0, 1, 3, 8, 15, 25))):
        p = Place().at(s.u(-0.8, 0.8) * wide, 0, s.u(-0.8, 0.8) * wide).yaw(s.u(-3.1, 3.1))
        kind, k = r.random(), away * s.log(0.04, 0.25)
        if kind < 0.2:
            s.box(p, (k * s.u(1, 2), 0.004 * away, k * s.u(1, 2)), s.paint("writing", "print", mix=0.1), 1 / k)
        elif kind < 0.3:
            s.turned(3, p.scaled(k * 2, k * 0.35, k * 2), s.thing())
        elif kind < 0.38:
            s.rod(p.point(-k, 0.01, 0), p.point(k, 0.01, 0), k * s.log(0.03, 0.1), s.thing())
        else:
            things.small(s, p, k)
    view = View(fov=fov, roll=s.u(-0.1, 0.1))
    tilt, turn = abs(r.gauss(0, 0.16)), s.u(-3, 3)
    view.eye = (away * math.sin(tilt) * math.sin(turn), away * math.cos(tilt), away * math.sin(tilt) * math.cos(turn))
    view.yaw, view.pitch = turn + math.pi, -math.pi / 2 + tilt
    light, dim = lighting.indoors(s, Place(), 4 * wide, 4 * wide, away + 1.5)
    light.reach, light.middle, light.hollow = wide * 1.5, (0, 0, 0), s.log(0.02, 0.15) * away
    return view, light, dim
