"""Things close by on tables and floors, and living subjects before any of the other scenes."""

from __future__ import annotations

import math
from collections.abc import Callable

from training.scenes import figures, halls, lands, lighting, rooms, streets, things
from training.scenes.rooms import Scene, pipes, wall
from training.scenes.stage import Place, Stage
from training.scenes.view import View

Thing = Callable[[Stage, Place], object]


def tabletop(s: Stage) -> Scene:
    """A table, looked at from its edge: plates, cups, tools, toys, papers; the room behind."""
    r = s.r
    w, d, h = s.u(2.5, 6), s.u(3, 7), 2.6
    room = Place().at(0, 0, d * 0.3).yaw(r.gauss(0, 0.4))
    walls = [s.paint("plain", "stone", colour=s.wall_colour(), shadow=False)]
    rooms.shell(
        s, room, w, d, h, floor=s.paint("wood", "plain", "fabric"), walls=walls, ceiling=s.paint("plain", shadow=False)
    )
    high, a, b = s.u(0.7, 0.9), s.u(0.7, 1.6), s.u(0.55, 1.0)
    top = s.paint(
        "wood",
        "wood",
        "plain",
        "fabric",
        "stone",
        mix=s.u(0, 0.6),
        mirror=s.u(0.05, 0.4) if s.chance(0.3) else 0,
        rough=0.1,
    )
    table = Place().yaw(r.gauss(0, 0.2))
    s.box(table.at(0, high - 0.04, 0), (a, 0.04, b), top, s.log(0.6, 3))
    for x in (-1, 1):
        for z in (-1, 1):
            s.box(table.at(x * (a / 2 - 0.05), 0, z * (b / 2 - 0.05)), (0.06, high - 0.04, 0.06), top)
    scale = s.log(0.6, 1.5)
    for _ in range(r.choice((4, 8, 12, 18, 28))):
        x, z = (s.u(-0.45, 0.45), s.u(-0.4, 0.45)) if s.chance(0.4) else (r.gauss(0, 0.16), r.gauss(0.02, 0.16))
        p = table.at(x * a, high, z * b).yaw(s.u(-1, 1))
        if s.chance(0.15):
            k = s.u(0.06, 0.14)
            s.turned(3, p.scaled(k * 2, k * 0.35, k * 2), s.thing())
        elif s.chance(0.15):
            s.box(p, (0.21, 0.002, 0.3), s.paint("writing", "photo", "print", mix=0), 3.4)
        elif s.chance(0.1):
            s.rod(p.point(0, 0.01, 0), p.point(s.u(-0.2, 0.2), 0.01, s.u(-0.2, 0.2)), 0.005, s.thing())
        else:
            things.small(s, p, s.log(0.06, 0.3) * scale)
    for _ in range(r.randint(0, 5)):
        p = room.at(s.u(-0.45, 0.45) * w, 0, s.u(0.05, 0.45) * d).yaw(s.u(-3, 3))
        if math.hypot(p.origin[0], p.origin[2]) > 1.1:
            r.choice(things.FURNITURE)(s, p)
    if s.chance(0.3):
        figures.person(s, table.at(s.u(-0.3, 0.3), 0, b / 2 + 0.3).yaw(r.gauss(0, 0.3)), sitting=s.chance(0.7))
    view = View(fov=min(max(r.gauss(52, 12), 26), 85))
    up = s.u(0.12, 0.75)
    view.eye = (r.gauss(0, 0.15), high + up, -b / 2 - s.u(-0.15, 0.45))
    view.look_at((r.gauss(0, 0.1), high + s.u(-0.02, 0.12), s.u(-0.15, 0.3) * b))
    view.roll, view.focus = r.gauss(0, 0.03), (0, high, 0)
    view.aperture = s.log(0.5, 6) if s.chance(0.35) else 0.0
    light, dim = lighting.indoors(s, room, w, d, h)
    light.reach, light.middle, light.hollow = 1.8, (0, high, 0), s.log(0.03, 0.15)
    return view, light, dim


def still(s: Stage) -> Scene:
    """A crowded still life: all sorts of things heaped up before a wall, boards or a cloth, one to three metres off."""
    r = s.r
    away, h, w = s.log(1.6, 4.5), s.u(2.3, 3.2), s.log(3, 8)
    place = Place().yaw(r.gauss(0, 0.15))
    back = place.at(0, 0, away).yaw(r.gauss(0, 0.3) if s.chance(0.7) else r.choice((-0.7, 0.7)))
    m = s.paint("plain", "stone", "print", "wood", "fabric", colour=s.wall_colour())
    wall(s, back, w * 1.6, h, m, hole=(s.u(-1, 0.2), 0.9, s.u(0.6, 1.2), 1.1) if s.chance(0.12) else None)
    s.add(
        "box",
        Place().at(0, -0.05, away / 2).scaled(w * 4, 0.1, 12),
        s.paint("wood", "fabric", "stone", "plain"),
        0.7,
        0.7,
    )
    if s.chance(0.5):
        side = r.choice((-1, 1))
        wall(s, back.at(side * s.u(0.25, 0.5) * w, 0, 0).yaw(side * math.pi / 2), w * 1.4, h, m, hole=None)
    rooms.on_wall(s, back, w * 0.8, h)
    if s.chance(0.35):
        wide = s.u(0.6, 2.5)
        s.add(
            "cloth",
            back.at(s.u(-0.8, 0.8), 0.02, -0.2).scaled(wide, s.u(1.2, 2.4), 0.3),
            s.paint("fabric", "print", "plain"),
            wide,
            2,
        )
    if s.chance(0.35):
        pipes(s, back, w * 0.8, h, r.randint(2, 7))
    view = View(eye=(r.gauss(0, 0.2), s.u(0.7, 1.6), 0.0), fov=min(max(r.gauss(56, 11), 30), 85))
    target = (r.gauss(0, 0.15), s.u(0.35, 1.0), away * s.u(0.6, 0.95))
    view.look_at(target)
    view.roll, view.focus = r.gauss(0, 0.02), target
    big: list[Thing] = [
        *things.FURNITURE,
        things.shelf,
        things.table,
        things.chair,
        things.screen,
        potted,
        lean,
        lean,
        barrel,
        heap,
    ]
    wide = min(w * 0.4, away * 0.75)
    for _ in range(r.randint(3, 9)):
        p = back.at(s.u(-1, 1) * wide, 0, -s.u(0.2, max(0.3, away * 0.55))).yaw(r.gauss(0, 0.6))
        if rooms.clear(view, p, 1.5):
            r.choice(big)(s, p)
    for _ in range(r.choice((3, 8, 16, 30))):
        p = back.at(s.u(-1, 1) * wide, 0, -s.u(0.1, away * 0.65)).yaw(s.u(-3, 3))
        if rooms.clear(view, p, 0.9):
            things.small(s, p, s.log(0.1, 0.5))
    if s.chance(0.5):  # a board or a low table before it all, with things on it
        p = back.at(s.u(-0.4, 0.4) * wide, 0, -away * s.u(0.3, 0.6)).yaw(r.gauss(0, 0.3))
        if rooms.clear(view, p, 1.1):
            high, a, b = s.u(0.15, 0.7), s.u(0.5, 1.4), s.u(0.3, 0.7)
            s.box(p, (a, high, b), s.thing(), 1)
            things.clutter(s, p.at(0, high, 0), a, b, r.randint(2, 10), 0.25)
    if s.chance(0.08):
        view.aperture = s.log(0.5, 3)
    light, dim = lighting.indoors(s, place.at(0, 0, away * 0.4), w, away * 1.3, h)
    light.reach = 3.0
    return view, light, dim


def potted(s: Stage, p: Place) -> None:
    things.potted(s, p, s.u(0.5, 1.3))


def barrel(s: Stage, p: Place) -> None:
    k = s.u(0.3, 0.9)
    s.turned(s.r.choice((9, 6, 1)), p.scaled(k * 0.7, k, k * 0.7), s.thing(), 2, 1)
    if s.chance(0.5):
        things.small(s, p.at(0, k, 0), k * 0.4)


def lean(s: Stage, p: Place) -> None:
    """Boards, sticks and frames that lean on what is behind."""
    q = p.pitch(s.u(0.1, 0.35))
    for _ in range(s.r.randint(1, 4)):
        m, x = s.thing(), s.u(-0.4, 0.4)
        if s.chance(0.5):
            s.box(q.at(x, 0, 0).roll(s.r.gauss(0, 0.1)), (s.log(0.05, 0.9), s.u(0.5, 1.9), 0.02), m, 0.8)
        else:
            s.rod(q.point(x, 0, 0), q.point(x + s.r.gauss(0, 0.2), s.u(0.7, 2), 0), s.log(0.008, 0.04), m)


def heap(s: Stage, p: Place) -> None:
    y = 0.0
    for _ in range(s.r.randint(2, 6)):
        k = s.u(0.15, 0.45)
        s.box(
            p.at(s.r.gauss(0, 0.04), y, s.r.gauss(0, 0.04)).yaw(s.r.gauss(0, 0.4)),
            (k * 1.5, k * 0.5, k),
            s.thing(),
            1 / k,
        )
        y += k * 0.5
    things.small(s, p.at(0, y, 0), s.u(0.1, 0.35))


def _behind(s: Stage) -> Scene:
    """Some scene for people and animals to be in."""
    maker = s.r.choice(
        (
            rooms.room,
            rooms.room,
            streets.street,
            streets.front,
            streets.court,
            lands.landscape,
            halls.hall,
            lands.vegetation,
        )
    )
    view, light, dim = maker(s)
    if maker in (lands.landscape, lands.vegetation):
        view.eye = (view.eye[0], min(view.eye[1], 1.7), view.eye[2])
    view.pitch = s.r.gauss(0, 0.05)
    return view, light, dim


def _ahead(s: Stage, view: View, away: float, side: float) -> Place:
    """A place on level ground before the camera, facing it more or less."""
    angle = view.yaw + side
    x, z = view.eye[0] + math.sin(angle) * away, view.eye[2] + math.cos(angle) * away
    return Place().at(x, 0, z).yaw(angle + s.r.gauss(0, 0.5))


def portrait(s: Stage) -> Scene:
    """One or two people close by: a face, head and shoulders, a half figure; what is behind often blurred."""
    view, light, dim = _behind(s)
    away = s.log(0.45, 2.2)
    p = _ahead(s, view, away, s.r.gauss(0, 0.06))
    head = figures.person(s, p, sitting=s.chance(0.3))
    view.fov = min(max(s.r.gauss(46, 11), 25), 75)
    if s.chance(0.25):
        q = p.at(s.r.choice((-1, 1)) * s.u(0.45, 0.7), 0, s.u(-0.1, 0.4))
        figures.person(s, q)
    up = s.r.gauss(0, 0.12)
    view.eye = (view.eye[0], head[1] + up, view.eye[2])
    view.look_at((head[0], head[1] - s.u(0.0, 0.35) * away, head[2]))
    view.yaw += s.r.gauss(0, 0.06)
    view.focus = head
    view.aperture = s.log(0.5, 6) if s.chance(0.6) else 0.0
    light.middle, light.reach, light.hollow = head, s.u(1.5, 5), s.log(0.05, 0.3)
    return view, light, dim


def people(s: Stage) -> Scene:
    """Several people, whole or half, standing and sitting, some way off."""
    view, light, dim = _behind(s)
    away = s.log(1.6, 6)
    view.eye = (view.eye[0], s.u(1.0, 1.75), view.eye[2])
    for _ in range(s.r.randint(1, 6)):
        z = away * s.log(0.9, 2.2)
        p = _ahead(s, view, z, s.r.gauss(0, 0.25))
        if s.chance(0.25):
            s.box(p.at(0, 0, 0.1), (0.5, 0.45, 0.5), s.thing())
            figures.person(s, p, sitting=True)
        else:
            figures.person(s, p)
    if s.chance(0.3):
        r = _ahead(s, view, away * 0.9, s.r.gauss(0, 0.3))
        s.r.choice((things.table, things.chair, things.bicycle, streets.bench))(s, r)
    view.focus = _ahead(s, view, away, 0).origin
    view.aperture = s.log(0.5, 4) if s.chance(0.25) else 0.0
    light.middle, light.reach = _ahead(s, view, away, 0).origin, s.u(3, 9)
    return view, light, dim


def animal(s: Stage) -> Scene:
    """A cat, a dog, a horse or a bird, as near as people take them."""
    view, light, dim = _behind(s)
    size = s.log(0.2, 1.5)
    away = size * s.log(1.6, 5) + 0.2
    p = _ahead(s, view, away, s.r.gauss(0, 0.08)).yaw(s.u(-2.2, 2.2))
    if s.chance(0.25):
        size, high = s.log(0.12, 0.5), s.u(0.6, 1.5)
        away = size * s.log(2, 5) + 0.15
        p = _ahead(s, view, away, s.r.gauss(0, 0.08)).at(0, high, 0).yaw(s.u(-2, 2))
        m = s.paint("wood", "bark", "stone")
        s.rod(p.point(-0.6, -0.03, 0), p.point(0.7, -0.02, 0), 0.03, m)
        s.rod(p.point(0.1, -high, 0), p.point(0.1, -0.03, 0), 0.04, m)
        head = figures.bird(s, p, size)
    else:
        head = figures.animal(s, p, size)
    if s.chance(0.3):
        figures.animal(s, p.at(s.u(-2, 2) * size, 0, s.u(0.8, 2.5) * size).yaw(s.u(-1, 1)), size * s.u(0.6, 1.1))
    view.eye = (view.eye[0], max(0.2, head[1] + s.u(-0.1, 0.5) * away), view.eye[2])
    view.look_at(((head[0] + p.origin[0]) / 2, (head[1] + p.origin[1]) / 2, (head[2] + p.origin[2]) / 2))
    view.yaw += s.r.gauss(0, 0.06)
    view.fov, view.focus = min(max(s.r.gauss(46, 11), 25), 75), head
    view.aperture = s.log(0.5, 6) if s.chance(0.5) else 0.0
    light.middle, light.reach = head, max(1.5, 2.5 * size)
    return view, light, dim
