"""On and by the water: boats under sail and others, calm lakes and seas with what stands before and behind them."""

from __future__ import annotations

import math

import numpy as np

from training.scenes import figures, lighting, plants
from training.scenes.parts import Part, grid
from training.scenes.rooms import Scene
from training.scenes.stage import Place, Stage
from training.scenes.view import View


def water(s: Stage, *, calm: float) -> None:
    """To the horizon, at a height of 0; `calm` 0..1."""
    deep = s.log(0.3, 1.5)
    colour = (0.03 * deep, s.u(0.05, 0.08) * deep, s.u(0.06, 0.1) * deep)
    m = s.paint("plain", "fabric", "ground", colour=colour, mix=s.u(0.6, 0.95), mirror=0.2 + 0.75 * calm, spec=0.3,
                gloss=60, rough=0.5 * (1 - calm))  # fmt: skip
    s.add("box", Place().at(0, -0.05, 0).scaled(9000, 0.1, 9000), m, s.log(0.1, 0.6), s.log(0.1, 0.6))


def coast(s: Stage, view: View, away: float) -> None:
    """Low land or hills far behind the water, at times with trees."""
    ridge = plants.hills(s.r, away * s.log(0.01, 0.12), away * s.log(0.2, 1), sharp=s.u(0, 0.8))
    aside, long = view.yaw + s.r.gauss(0, 0.4), s.log(0.3, 3)

    def raised(x, z):  # type: ignore[no-untyped-def]
        off = np.arctan2(x, z) - aside
        rise = np.clip((np.hypot(x, z) - away) / (away * 0.3), 0, 1) * np.clip(2 - np.abs(off) / long * 2, 0, 1)
        return (0.004 * away + np.abs(ridge(x, z))) * rise - 6 * (1 - rise)

    m = s.paint("grass", "ground", "stone", colour=s.r.choice((*plants.GREENS, (0.3, 0.24, 0.15))), mix=s.u(0.2, 0.8))
    plants.land(s, view.eye, view.yaw, raised, m, near=away * 0.8, far=away * 2.5, tex=6 / away)
    leaf, bark = plants.leaves(s), s.paint("bark")
    for _ in range(s.r.choice((0, 0, 8, 25))):
        side = aside + s.u(-0.7, 0.7) * min(long, 0.8)
        x, z = view.eye[0] + math.sin(side) * away * 1.3, view.eye[2] + math.cos(side) * away * 1.3
        plants.tree(s, Place().at(x, float(raised(x, z)), z), away * s.u(0.02, 0.05), leaf, bark, far=True)


def sail(s: Stage, foot: Place, high: float, wide: float, m: int, *, head: float = 0.03) -> None:
    """A bellied sail: its luff runs up from the place's origin, its foot along x, or along -x where wide < 0."""
    t, u = np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 7), indexing="ij")
    chord = wide * ((1 - t) ** s.u(0.8, 1.1) * (1 - head) + head)
    belly = abs(wide) * s.u(0.02, 0.14) * s.r.choice((-1, 1)) * 4 * u * (1 - u) * (1 - t) ** 0.5
    points = np.stack([chord * u, high * t, belly], -1)
    part = grid(points.astype(np.float32), np.stack([u * s.u(0.5, 2), 1 - t], -1).astype(np.float32))
    frame = np.array(foot.m).reshape(3, 4)
    moved = Part(part.positions, part.normals, part.uv, part.tint, part.faces, part.cut)
    s.meshes.append((moved.moved(frame[:, :3], frame[:, 3]), m))


def hull(s: Stage, p: Place, long: float, wide: float, high: float, m: int) -> None:
    """Along x, its bow at +x, floating at the place's height."""
    t, u = np.meshgrid(np.linspace(0, 1, 17), np.linspace(-1, 1, 9), indexing="ij")
    beam = wide / 2 * np.sin(np.pi * np.clip(0.18 + 0.82 * t, 0, 1)) ** s.u(0.5, 0.9)
    rise = 1 + s.u(0, 0.5) * (2 * t - 0.9) ** 2
    angle = np.abs(u) ** 0.7
    points = np.stack([(t - 0.5) * long, high * rise * (angle * 1.3 - 0.3), np.sign(u) * beam * angle**0.5], -1)
    part = grid(points.astype(np.float32), np.stack([t * 2, np.abs(u)], -1).astype(np.float32), flip=True)
    frame = np.array(p.m).reshape(3, 4)
    s.meshes.append((part.moved(frame[:, :3], frame[:, 3]), m))
    deck = s.paint("wood", "plain", colour=s.wall_colour())
    for k in range(8):
        x = (k / 7 - 0.5) * 0.86
        b = wide * 0.9 * math.sin(math.pi * min(1.0, 0.18 + 0.82 * (x + 0.5))) ** 0.7
        s.add("box", p.at(x * long, high * 0.93, 0).scaled(0.13 * long, 0.06 * high, b), deck, 1, 1)


def boat(s: Stage, p: Place, long: float, *, sails: bool) -> None:
    """Under sail, with a crew; or a rowing or motor boat. Its bow is at +x of the place."""
    m = s.paint("plain", "plain", "wood", "print", colour=s.colour(), mix=s.u(0.5, 1), spec=0.3)
    high = long * s.u(0.08, 0.16)
    heel = p.pitch(s.r.gauss(0, 0.12) if sails else s.r.gauss(0, 0.03))
    hull(s, heel, long, long * s.u(0.2, 0.36), high, m)
    if s.chance(0.6):
        cabin = (long * s.u(0.15, 0.4), high * s.u(0.4, 1.6), long * 0.16)
        s.soft(heel.at(s.u(-0.15, 0.1) * long, high * 0.9, 0), cabin, s.thing())
    for _ in range(s.r.choice((0, 1, 2, 4))):
        q = heel.at(s.u(-0.42, 0.1) * long, high * 0.75, s.u(-0.05, 0.05) * long).yaw(s.u(-3, 3))
        figures.person(s, q, sitting=s.chance(0.8), seat=0.2, height=min(1.8, long * 0.35))
    if not sails:
        return
    tall, mast = long * s.u(1.1, 1.7), s.paint("metal", "plain", "wood")
    x = s.u(0.0, 0.15) * long
    s.rod(heel.point(x, 0, 0), heel.point(x, tall, 0), long * 0.009, mast)
    cloth = ("plain", "plain", "fabric", "print", "writing")
    white = s.paint(*cloth, colour=s.wall_colour(), mix=s.u(0.6, 1), through=s.u(0.2, 0.7))
    out = s.r.gauss(0, 0.5)
    boom = heel.at(x, high * s.u(1.6, 2.4), 0).yaw(out)
    main = long * s.u(0.35, 0.52)
    s.rod(boom.origin, boom.point(-main, 0, 0), long * 0.007, mast)
    sail(s, boom, tall * s.u(0.75, 0.88), -main, white, head=s.u(0.02, 0.3))
    if s.chance(0.85):
        other = white if s.chance(0.6) else s.paint(*cloth, colour=s.colour(), through=0.4)
        top, bow = (x, tall * s.u(0.65, 0.97)), (0.48 * long, high * 1.1)
        lean = math.atan2(bow[0] - top[0], top[1] - bow[1])
        stay = heel.at(bow[0], bow[1], 0).roll(lean).yaw(s.r.gauss(0, 0.25))
        sail(s, stay, math.hypot(top[0] - bow[0], top[1] - bow[1]), -long * s.u(0.35, 0.6), other)
        s.rod(heel.point(*bow, 0), heel.point(*top, 0), long * 0.002, mast)


def boats(s: Stage) -> Scene:
    """Boats on the water, the nearest often filling the picture."""
    r = s.r
    view = View(eye=(0, s.log(0.7, 5), 0), fov=min(max(r.gauss(45, 13), 22), 80))
    view.roll = r.gauss(0, 0.03)
    calm = s.u(0, 1) ** 2
    water(s, calm=calm)
    if s.chance(0.5):
        coast(s, view, s.log(150, 3000))
    sails = s.chance(0.75)
    long = s.log(3, 14)
    away = long * s.log(0.9, 4)
    tall = long * (1.3 if sails else 0.3)
    p = Place().at(r.gauss(0, 0.12) * away, 0, max(away, 0.7 * long + 2)).yaw(r.choice((0, math.pi)) + r.gauss(0, 0.7))
    boat(s, p, long, sails=sails)
    for _ in range(r.choice((0, 1, 2, 4, 7))):
        z = away * s.log(1.4, 12) + long
        q = Place().at(s.u(-0.5, 0.5) * z, 0, z).yaw(s.u(-3, 3))
        boat(s, q, long * s.log(0.7, 1.3), sails=sails or s.chance(0.3))
    view.look_at((p.origin[0] + r.gauss(0, 0.1) * long, s.u(0.1, 0.6) * tall, p.origin[2]))
    light, dim = lighting.outdoors(s, view.yaw, reach=max(8.0, long * 1.5), middle=(p.origin[0], tall / 3, p.origin[2]))
    light.ripple = s.log(0.004, 0.15)
    return view, light, dim


def shore(s: Stage) -> Scene:
    """A lake or the sea to the horizon or to the land behind it; stones, reeds, a jetty, posts, birds in it."""
    r = s.r
    view = View(eye=(0, s.log(0.5, 6), 0), yaw=s.u(-3, 3), fov=min(max(r.gauss(58, 15), 26), 95))
    view.pitch, view.roll = r.gauss(-0.05, 0.08), r.gauss(0, 0.012)
    water(s, calm=s.u(0, 1) ** 0.5)
    for _ in range(r.choice((0, 1, 1, 2, 3))):
        coast(s, view, s.log(60, 3000))
    rock, leaf = s.paint("stone", "ground", rough=0.3), plants.leaves(s)

    def ahead(away: float, side: float) -> Place:
        angle = view.yaw + side
        return Place().at(math.sin(angle) * away, 0, math.cos(angle) * away).yaw(angle)

    reach = view.eye[1] * 2
    for _ in range(r.choice((0, 0, 3, 8, 20))):
        plants.stone(s, ahead(reach * s.log(1, 8), r.gauss(0, 0.35)).at(0, -0.1, 0), s.log(0.1, 1.2), rock)
    if s.chance(0.2):
        spots = [ahead(reach * s.log(0.8, 5), r.gauss(0, 0.4)).origin for _ in range(60)]
        plants.grass(s, spots, s.log(0.3, 1.2), leaf)
    if s.chance(0.2):  # a jetty into the water
        m, wide = s.paint("wood", "wood", "stone"), s.u(1, 2.5)
        q = ahead(0.3, r.gauss(0, 0.3)).at(0, -max(0.1, view.eye[1] - 1.6), 0)
        deck = max(0.3, view.eye[1] - s.u(1.2, 1.7))
        long = s.log(5, 30)
        s.box(Place().at(q.origin[0], deck - 0.1, q.origin[2]).yaw(view.yaw).at(0, 0, long / 2), (wide, 0.1, long), m)
        for k in range(int(long / 2.5)):
            for side in (-1, 1):
                post = Place().at(q.origin[0], 0, q.origin[2]).yaw(view.yaw).at(side * wide / 2, 0, 2.5 * k + 1)
                s.rod(post.point(0, -1, 0), post.point(0, deck + s.u(0, 0.5), 0), 0.09, m)
    for _ in range(r.choice((0, 0, 1, 3))):
        q = ahead(reach * s.log(2, 20), r.gauss(0, 0.3))
        boat(s, q.yaw(s.u(-3, 3)), s.log(2.5, 9), sails=s.chance(0.4))
    light, dim = lighting.outdoors(s, view.yaw, reach=s.log(10, 40), middle=ahead(15, 0).origin)
    light.ripple = s.log(0.002, 0.1)
    return view, light, dim
