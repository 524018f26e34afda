"""The open country: hills, mountains, water, woods; vegetation close by."""

from __future__ import annotations

import math

import numpy as np

from training.scenes import figures, lighting, plants, streets
from training.scenes.rooms import Scene
from training.scenes.stage import Place, Stage
from training.scenes.view import Light, View


def landscape(s: Stage) -> Scene:
    """Terrain with trees and stones, ridges in the haze, at times a lake, a road, a house."""
    r = s.r
    view = View(eye=(0, s.log(0.6, 6), 0), yaw=s.u(-3, 3), fov=min(max(r.gauss(60, 16), 25), 100))
    view.pitch, view.roll = r.gauss(-0.02, 0.08), r.gauss(0, 0.015)
    ground = s.paint(
        "grass",
        "ground",
        "grass",
        "stone",
        mix=s.u(0, 0.4),
        colour=r.choice((*plants.GREENS, (0.3, 0.24, 0.15))),
        rough=0.3,
    )
    wide = s.log(15, 150)
    height = plants.hills(r, s.log(0.05, 0.12) * wide * 0.5, wide, flat=s.log(4, 40), sharp=s.u(0, 0.5))
    plants.land(s, view.eye, view.yaw, height, ground, near=0.3, far=s.log(150, 900), tex=s.log(0.15, 0.7))
    lift = float(height(0.0, 0.0))
    view.eye = (0, view.eye[1] + lift, 0)
    back = s.paint("ground", "stone", "grass", colour=(0.12, 0.16, 0.14), mix=s.u(0.3, 0.9))
    for _ in range(r.choice((0, 1, 1, 2, 3))):
        away = s.log(400, 4000)
        ridge = plants.hills(r, away * s.log(0.02, 0.2), away * 0.9, sharp=s.u(0, 0.9))
        base = s.u(-0.02, 0.05) * away

        def raised(x, z, ridge=ridge, away=away, base=base):  # type: ignore[no-untyped-def]
            rise = np.clip((np.hypot(x, z) - away * 0.7) / (away * 0.5), 0, 1)
            return (base + np.abs(ridge(x, z))) * rise - 8 * (1 - rise)

        plants.land(s, view.eye, view.yaw, raised, back, near=away * 0.7, far=away * 2, tex=0.02)
    water = s.chance(0.22)
    if water:
        level = s.u(-2.5, -0.2)
        m = s.paint("plain", colour=(0.03, 0.07, 0.08), mix=0.9, mirror=s.u(0.4, 0.95), spec=0.3, gloss=60)
        s.add("box", Place().at(0, level - 0.05, 0).scaled(6000, 0.1, 6000), m, 0.1, 0.1)
    plant(s, view, height, s.r.randint(0, 45))
    if s.chance(0.3):
        fence_line(s, view, height)
    for _ in range(r.choice((0, 0, 1, 3))):
        z, side = s.log(20, 150), s.u(-0.5, 0.5)
        p = spot(view, height, z, side)
        streets.facade(s, p.yaw(view.yaw + s.u(-0.8, 0.8)), s.u(6, 14), s.u(3, 7), 8, detail=0.8 if z < 50 else 0.0)
    if s.chance(0.3):
        subject(s, view, height)
    light, dim = lighting.outdoors(s, view.yaw, reach=s.log(12, 60), middle=view_point(view, 20))
    light.ripple = s.log(0.005, 0.1) if water else 0.0
    if light.haze[0] == 0 and s.chance(0.6):
        colour = light.sky[:3]
        light.haze = (1 / s.log(700, 8000), float(colour[0]), float(colour[1]), float(colour[2]))
    return view, light, dim


def view_point(view: View, away: float) -> tuple[float, float, float]:
    return view.eye[0] + math.sin(view.yaw) * away, 0.0, view.eye[2] + math.cos(view.yaw) * away


def spot(view: View, height: plants.Height, away: float, side: float) -> Place:
    """A place on the ground `away` metres off, at `side` times that to the right."""
    x = view.eye[0] + math.sin(view.yaw + side) * away
    z = view.eye[2] + math.cos(view.yaw + side) * away
    return Place().at(x, float(height(x, z)), z)


def plant(s: Stage, view: View, height: plants.Height, trees: int) -> None:
    """Trees from near to far, bushes, tufts and stones; at times in a wood, at times on one side."""
    leaf, other, bark = plants.leaves(s), plants.leaves(s), s.paint("bark", colour=(0.1, 0.08, 0.06))
    nearest, middle, spread = s.log(4, 40), s.r.gauss(0, 0.2), s.u(0.2, 0.8)
    size = s.log(3, 16)
    for _ in range(trees):
        away = nearest * s.log(1, 12)
        p = spot(view, height, away, middle + s.r.gauss(0, spread))
        look = s.r.choice((leaf, leaf, other))
        plants.tree(s, p.at(0, -0.1, 0), size * s.u(0.6, 1.3), look, bark, far=away > 4 * size)
    for _ in range(s.r.choice((0, 3, 10))):
        plants.bush(s, spot(view, height, s.log(2.5, 40), s.u(-0.7, 0.7)), s.log(0.4, 2), s.r.choice((leaf, other)))
    rock = s.paint("stone", "ground", "bark", rough=0.3)
    for _ in range(s.r.choice((0, 3, 14))):
        plants.stone(s, spot(view, height, s.log(1.5, 30), s.u(-0.7, 0.7)), s.log(0.1, 1.8), rock)
    if s.chance(0.6):
        spots = [spot(view, height, s.log(1.0, 14), s.u(-0.8, 0.8)).origin for _ in range(70)]
        plants.grass(s, spots, s.log(0.1, 0.5), leaf)


def fence_line(s: Stage, view: View, height: plants.Height) -> None:
    """Posts and wires across the country."""
    m, near, turn = s.paint("wood", "metal"), s.log(3, 15), s.u(-0.6, 0.6)
    last = None
    for k in range(12):
        side = (k - 6) * 0.14
        p = spot(view, height, near / max(0.3, math.cos(side + turn)), side)
        s.rod(p.origin, p.point(0, 1.2, 0), 0.05, m)
        if last is not None:
            for y in (0.4, 0.8, 1.1):
                s.rod(last.point(0, y, 0), p.point(0, y, 0), 0.012, m)
        last = p


def subject(s: Stage, view: View, height: plants.Height) -> None:
    """Somebody, an animal or a thing a little way off, about the middle of the picture."""
    p = spot(view, height, s.log(2.2, 14), s.r.gauss(0, 0.12)).yaw(view.yaw + s.r.gauss(0, 1))
    kind = s.r.random()
    if kind < 0.35:
        figures.person(s, p)
    elif kind < 0.65:
        figures.animal(s, p)
    elif kind < 0.75:
        streets.car(s, p)
    else:
        s.r.choice((streets.sign, streets.bench, streets.lamp_post))(s, p)


def vegetation(s: Stage) -> Scene:
    """Plants within arm's reach: a bush, a flower bed, grass, branches before the sky, a forest floor."""
    r = s.r
    view = View(eye=(0, s.log(0.3, 1.7), 0), fov=min(max(r.gauss(55, 13), 25), 95))
    view.pitch, view.roll = r.gauss(-0.12, 0.16), r.gauss(0, 0.03)
    height = plants.hills(r, s.log(0.03, 0.25), s.log(1.5, 8), flat=0.8)
    ground = s.paint("ground", "grass", "ground", "stone", rough=0.4)
    plants.land(s, view.eye, 0.0, height, ground, near=0.15, far=120, tex=s.log(0.4, 1.5))
    leaf, other, bark = plants.leaves(s), plants.leaves(s), s.paint("bark", "bark", "wood", rough=0.5)
    for _ in range(r.randint(2, 12)):
        plants.bush(s, spot(view, height, s.log(0.9, 12), s.r.gauss(0, 0.4)), s.log(0.25, 1.6), r.choice((leaf, other)))
    near = [spot(view, height, s.log(0.5, 6), s.r.gauss(0, 0.4)).origin for _ in range(r.choice((15, 60, 140)))]
    plants.grass(s, near, s.log(0.08, 0.6), r.choice((leaf, other)))
    for _ in range(r.randint(0, 9)):
        p = spot(view, height, s.log(1.2, 20), s.r.gauss(0, 0.5))
        if s.chance(0.4):
            k = s.log(0.05, 0.4)
            s.rod(p.point(0, -0.1, 0), p.point(s.r.gauss(0, 0.5), 9, s.r.gauss(0, 0.5)), k, bark, end=0.8)
        else:
            plants.tree(s, p, s.u(2, 9), leaf, bark)
    petal = s.paint("plain", "fabric", colour=(s.u(0.2, 0.8), s.u(0.02, 0.6), s.u(0.02, 0.6)), through=0.4)
    for _ in range(r.choice((0, 0, 5, 25))):
        q = spot(view, height, s.log(0.6, 3), s.r.gauss(0, 0.3))
        tall, k = s.u(0.15, 0.7), s.u(0.015, 0.06)
        top = q.point(s.r.gauss(0, 0.05), tall, s.r.gauss(0, 0.05))
        s.rod(q.origin, top, 0.004, leaf)
        s.add("pebble", Place().at(*top).scaled(k * 2, k, k * 2), petal)
    rock = s.paint("stone", "ground", rough=0.3)
    for _ in range(r.choice((0, 4, 25))):
        plants.stone(s, spot(view, height, s.log(0.7, 6), s.u(-0.6, 0.6)), s.log(0.05, 0.5), rock)
    if s.chance(0.15):
        figures.animal(s, spot(view, height, s.u(1.2, 4), s.r.gauss(0, 0.12)).yaw(s.u(-1, 1)), s.u(0.2, 0.6))
    if s.chance(0.25):
        streets.facade(s, Place().at(0, 0, s.u(5, 25)), 30, s.u(3, 9), 8, detail=0.6)
    view.focus = view_point(view, s.log(0.8, 4))
    view.aperture = s.log(0.5, 8) if s.chance(0.4) else 0.0
    light: Light
    light, dim = lighting.outdoors(s, view.yaw, reach=s.log(3, 12), middle=(0, 0, 3))
    return view, light, dim
