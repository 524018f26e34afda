"""Large and bare interiors: halls, machine rooms, corridors, stairwells."""

from __future__ import annotations

import math

from training.scenes import figures, lighting, things
from training.scenes.rooms import Scene, clear, on_wall, pipes, shell, stand, wall
from training.scenes.stage import Place, Stage
from training.scenes.view import View


def machine(s: Stage, p: Place, size: float) -> None:
    """A machine of about `size` metres: housings, vessels, motors, pipes, panels, handwheels."""
    r = s.r
    m, other = (
        s.paint("plain", "metal", colour=s.colour(), spec=0.2),
        s.paint("metal", "plain", colour=s.colour(), spec=0.4),
    )
    s.box(p, (size * s.u(0.8, 1.4), size * s.u(0.08, 0.25), size * s.u(0.6, 1)), s.paint("stone", "metal"), 1)
    for _ in range(r.randint(2, 7)):
        q = p.at(s.u(-0.5, 0.5) * size, s.u(0, 0.3) * size, s.u(-0.35, 0.35) * size)
        kind, a = r.random(), s.log(0.15, 0.6) * size
        paint = r.choice((m, m, other))
        if kind < 0.35:
            s.box(q, (a * s.u(0.5, 1.5), a * s.u(0.5, 2), a * s.u(0.5, 1.2)), paint, 1 / a)
        elif kind < 0.5:
            s.soft(q, (a * s.u(0.6, 1.4), a * s.u(0.6, 1.4), a), paint)
        elif kind < 0.7:
            s.drum(q, a * s.u(0.25, 0.5), a * s.u(0.6, 2), paint, 1)
        else:  # a motor or a vessel that lies
            k, y = a * s.u(0.25, 0.5), a * s.u(0.4, 0.9)
            b, c = q.point(-a * 0.8, y, 0), q.point(a * 0.8, y, 0)
            s.rod(b, c, k, paint)
            for end in (b, c):
                s.add("ball", Place().at(*end).scaled(k, k, k), paint)
            for x in (-0.5, 0.1, 0.5):
                s.rod(q.point(x * a, y, 0), q.point(x * a + 0.05 * a, y, 0), k * 1.1, other)
            s.box(q, (a * 0.3, y, k), other)
    for _ in range(r.randint(1, 7)):
        k = size * s.log(0.01, 0.06)
        x, z, y = s.u(-0.7, 0.7) * size, s.u(-0.6, 0.6) * size, s.u(0.2, 1.6) * size
        a = p.point(x, 0, z)
        b = p.point(x, y, z)
        c = (
            p.point(x + r.choice((-1, 1)) * s.u(0.2, 1) * size, y, z)
            if s.chance(0.5)
            else p.point(x, y, z + s.u(0.2, 1) * size)
        )
        paint = other if s.chance(0.6) else s.paint("metal", colour=s.colour(), spec=0.4)
        s.rod(a, b, k, paint)
        s.rod(b, c, k, paint)
        s.add("bead", Place().at(*b).scaled(k * 1.2, k * 1.2, k * 1.2), paint)
        if s.chance(0.4):
            q = Place().at(*b).yaw(s.u(0, 6))
            s.add("ring", q.scaled(k * 4, k * 4, k * 4), s.paint("plain", colour=(0.4, 0.03, 0.02)))
    if s.chance(0.6):
        a = size * s.u(0.3, 0.6)
        q = p.at(s.u(-0.4, 0.4) * size, size * 0.4, -size * 0.45)
        s.box(q.at(0, 0, 0.06), (a, a * s.u(0.6, 1.5), 0.1), other)
        s.picture(q.at(0, 0.02, 0), a * 0.9, a * 0.5, s.paint("writing"))


def railing(s: Stage, p: Place, length: float, m: int, height: float = 1.0, rise: float = 0.0) -> None:
    """Posts and bars along x from the place; `rise` lifts it by so much a metre."""
    bars = s.r.randint(1, 4)
    end = length * rise
    k = s.u(0.012, 0.03)
    for i in range(bars + 1):
        y = height * (1 - i / (bars + 1))
        s.rod(p.point(0, y, 0), p.point(length, y + end, 0), k if i == 0 else k * 0.7, m)
    gap = s.u(0.12, 0.2) if s.chance(0.3) else s.u(0.9, 2)
    for i in range(min(40, int(length / gap)) + 1):
        x = min(i * gap, length)
        s.rod(p.point(x, x * rise, 0), p.point(x, x * rise + height, 0), k * 0.8, m)


def stairs(s: Stage, p: Place, steps: int, width: float, m: int) -> None:
    """A flight up along +z."""
    rise, tread = s.u(0.15, 0.19), s.u(0.25, 0.32)
    solid = s.chance(0.6)
    for i in range(steps):
        tall = rise * (i + 1) if solid else 0.06
        s.box(p.at(0, rise * (i + 1) - tall, tread * (i + 0.5)), (width, tall, tread + 0.02), m, 1)
    rail = s.paint("metal", "wood", spec=0.3)
    length = steps * tread
    for side in (-1, 1):
        if s.chance(0.75):
            railing(s, p.at(side * width / 2, rise, 0).yaw(-math.pi / 2), length, rail, 0.95, rise / tread)


def beams(s: Stage, room: Place, w: float, d: float, h: float) -> None:
    """What carries and serves a hall's roof: girders or trusses, rows of lamps, ducts, columns."""
    r = s.r
    m = s.paint("metal", "stone", "plain", "wood", colour=s.wall_colour())
    count = r.randint(2, 7)
    truss = s.chance(0.4)
    for i in range(count):
        z = (i + 0.5) / count * d - d / 2
        if truss:
            low = h - s.u(0.6, 1.0)
            s.rod(room.point(-w / 2, low, z), room.point(w / 2, low, z), 0.06, m)
            for k in range(10):
                a, b = (k / 10 - 0.5) * w, ((k + 1) / 10 - 0.5) * w
                s.rod(room.point(a, low if k % 2 else h, z), room.point(b, h if k % 2 else low, z), 0.04, m)
        else:
            t = s.u(0.2, 0.6)
            s.box(room.at(0, h - t, z), (w, t, s.u(0.15, 0.4)), m)
    if s.chance(0.6):
        column = s.paint("stone", "plain", "metal", colour=s.wall_colour())
        x = s.u(0.2, 0.4) * w
        k, round_ = s.u(0.1, 0.35), s.chance(0.5)
        for i in range(count):
            for side in (-1, 1):
                q = room.at(side * x, 0, (i + 0.5) / count * d - d / 2)
                if round_:
                    s.drum(q, k, h, column, 0.7)
                else:
                    s.box(q, (2 * k, h, 2 * k), column)
    glow = s.paint("plain", colour=(1, 1, 0.95), mix=1.0, glow=s.u(2, 8), shadow=False)
    rows, bright = r.randint(1, 3), s.chance(0.75)
    for i in range(rows):
        for k in range(r.randint(2, 6)):
            q = room.at(((i + 0.5) / rows - 0.5) * w * 0.8, h - s.u(0.1, 0.8), (k / 5 - 0.4) * d)
            s.box(q, (0.25, 0.06, 1.3), glow if bright else m)
    for _ in range(r.randint(0, 3)):
        x, k = s.u(-0.45, 0.45) * w, s.log(0.05, 0.4)
        s.rod(room.point(x, h - k - 0.2, -d / 2), room.point(x, h - k - 0.2, d / 2), k, s.paint("metal", spec=0.3))


def hall(s: Stage) -> Scene:
    """A hall, a workshop, a machine room, a cellar."""
    w, d, h = s.log(5, 26), s.log(8, 40), s.log(2.6, 10)
    room = Place().yaw(s.u(-0.8, 0.8))
    tile = ("stone", "plain", "plain", "metal")
    walls = [s.paint(*tile, colour=s.wall_colour(), shadow=False) for _ in range(2)]
    floor = s.paint("stone", "plain", "ground", "wood", mirror=s.u(0.1, 0.5) if s.chance(0.4) else 0, mix=s.u(0, 0.5))
    ceiling = s.paint("plain", "metal", "wood", "stone", colour=s.wall_colour(), shadow=False)
    shell(s, room, w, d, h, floor=floor, walls=walls, ceiling=ceiling)
    beams(s, room, w, d, h)
    view, target = stand(s, room, w, d, low=1.2, high=1.9)
    if s.chance(0.15):
        view.eye = (view.eye[0], s.u(2, max(2.1, h * 0.7)), view.eye[2])
        view.pitch -= s.u(0.1, 0.4)
    for i in range(3):
        p = room.at(*((0, 0, d / 2), (w / 2, 0, 0), (-w / 2, 0, 0))[i]).yaw((0, math.pi / 2, -math.pi / 2)[i])
        if s.chance(0.6):
            pipes(s, p, (w, d, d)[i], h, s.r.randint(1, 7))
    busy = s.r.random()
    x, z = target[0] - room.origin[0], target[2] - room.origin[2]
    for _ in range(s.r.randint(2, 9)):
        p = room.at(s.u(-0.45, 0.45) * w, 0, s.u(-0.3, 0.48) * d).yaw(
            s.r.choice((0, 1.571, 3.1416)) + s.r.gauss(0, 0.1)
        )
        size = s.log(0.6, 3.0)
        if not clear(view, p, size + 1.0):
            continue
        if busy < 0.55:
            machine(s, p, size)
        elif busy < 0.8:
            s.r.choice((things.boxes, things.shelf, things.table, things.cupboard, things.ladder, things.bin_))(s, p)
        else:
            things.chair(s, p)
    if s.chance(0.6):
        p = Place().at(x * 0.7, 0, z * 0.7)
        if clear(view, p, 3):
            machine(s, p.yaw(s.u(-1, 1)), s.log(0.8, 2.5))
    m = s.paint("metal", "plain", colour=s.colour())
    if s.chance(0.4):
        railing(s, room.at(-w * 0.5, 0, s.u(-0.1, 0.4) * d), w * s.u(0.3, 1), m)
    if s.chance(0.3):
        y, z = s.u(2.3, max(2.4, h * 0.7)), s.u(0.1, 0.45) * d
        s.box(room.at(0, y, z), (w, 0.12, s.u(0.8, 2)), s.paint("metal", "stone"))
        railing(s, room.at(-w / 2, y + 0.1, z - 0.5), w, m)
    if s.chance(0.25):
        stairs(
            s,
            room.at(s.u(-0.4, 0.4) * w, 0, s.u(0, 0.3) * d),
            s.r.randint(5, 16),
            s.u(0.9, 2.5),
            s.paint("stone", "metal"),
        )
    for _ in range(s.r.choice((0, 0, 0, 1, 2))):
        p = room.at(s.u(-0.3, 0.3) * w, 0, s.u(-0.2, 0.4) * d).yaw(s.u(-3, 3))
        if clear(view, p, 1.5):
            figures.person(s, p)
    things.clutter(s, room.at(0, 0, 0.1 * d), w * 0.9, d * 0.7, s.r.choice((0, 3, 8)), 0.4)
    light, dim = lighting.indoors(s, room, w, d, h)
    return view, light, dim


def corridor(s: Stage) -> Scene:
    """A corridor or an arcade that leads away, doors and columns at its sides."""
    w, d, h = s.log(1.5, 5), s.log(8, 40), s.u(2.3, 4.5)
    room = Place().yaw(s.r.gauss(0, 0.18))
    walls = [s.paint("plain", "plain", "stone", colour=s.wall_colour(), shadow=False)]
    floor = s.paint("stone", "plain", "wood", mirror=s.u(0.1, 0.6) if s.chance(0.5) else 0, mix=s.u(0, 0.5))
    shell(s, room, w, d, h, floor=floor, walls=walls, ceiling=s.paint("plain", colour=(0.7, 0.7, 0.7), shadow=False))
    door = s.paint("wood", "plain", "metal", colour=s.colour())
    frame = s.paint("plain", "wood", colour=s.wall_colour())
    gap, columns = s.u(1.5, 4), s.chance(0.35)
    for i in range(int(d / gap)):
        z = i * gap - d / 2 + gap / 2
        for side in (-1, 1):
            p = room.at(side * w / 2, 0, z).yaw(side * math.pi / 2)
            if columns:
                s.box(p.at(0, 0, -0.15), (0.4, h, 0.4), frame)
            elif s.chance(0.7):
                s.box(p.at(0, 0, 0.0), (1.05, 2.15, 0.1), frame)
                s.box(p.at(0, 0, -0.03), (0.88, 2.05, 0.06), door)
        if s.chance(0.7):
            glow = s.paint("plain", colour=(1, 1, 1), mix=1.0, glow=s.u(1, 6), shadow=False)
            s.box(room.at(0, h - 0.05, z), (0.5, 0.06, 1.0 if s.chance(0.5) else 0.5), glow)
    view, _ = stand(s, room, w * 0.8, d, low=1.2, high=1.8)
    view.eye = room.point(s.u(-0.3, 0.3) * w, s.u(1.1, 1.8), -d / 2 + s.u(0.4, 0.25 * d))
    view.look_at(room.point(s.r.gauss(0, 0.2) * w, s.u(0.9, 1.8), d * s.u(0.2, 0.5)))
    view.yaw += s.r.gauss(0, 0.08)
    view.focus, view.aperture = None, 0.0
    if s.chance(0.4):
        stairs(s, room.at(0, 0, s.u(0.0, 0.3) * d), s.r.randint(6, 18), w, s.paint("stone", "wood"))
    for _ in range(s.r.randint(0, 6)):
        p = room.at(s.r.choice((-1, 1)) * w * 0.38, 0, s.u(-0.3, 0.48) * d).yaw(s.u(0, 6.3))
        if clear(view, p, 1.2):
            s.r.choice((things.chair, things.bin_, things.boxes, things.cupboard, things.bicycle, things.basket))(s, p)
    if s.chance(0.35):
        figures.person(s, room.at(s.u(-0.25, 0.25) * w, 0, s.u(-0.1, 0.4) * d).yaw(s.u(-3, 3)))
    light, dim = lighting.indoors(s, room, w, d, h)
    return view, light, dim


def stairwell(s: Stage) -> Scene:
    """Flights, landings and railings between walls, seen from below or from above."""
    w, h = s.u(2.5, 6), s.u(5, 12)
    d = s.u(5, 11)
    room = Place().yaw(s.r.gauss(0, 0.4))
    walls = [s.paint("plain", "stone", colour=s.wall_colour(), shadow=False) for _ in range(2)]
    step = s.paint("stone", "wood", "plain", mirror=s.u(0, 0.2))
    shell(s, room, w, d, h, floor=s.paint("stone", "plain", mirror=s.u(0, 0.3)), walls=walls, ceiling=walls[0])
    y = 0.0
    for i in range(3):
        back = i % 2
        p = room.at((0.24 if back else -0.24) * w, y, 0.3 * d if back else -0.2 * d)
        stairs(s, p.yaw(math.pi if back else 0.0), 10, w * 0.46, step)
        y += 1.7
        s.box(room.at(0, y - 0.15, -0.38 * d if back else 0.4 * d), (w, 0.15, 0.22 * d), step)
    view: View = View(fov=s.u(50, 95))
    if s.chance(0.65):
        view.eye = room.point(s.u(-0.3, 0.3) * w, s.u(1.3, 1.8), -d * s.u(0.3, 0.45))
        view.look_at(room.point(s.r.gauss(0, 0.15) * w, s.u(1, 4), d * 0.4))
    else:
        view.eye = room.point(s.u(-0.3, 0.3) * w, s.u(3, min(5, h - 0.5)), -d * s.u(0.3, 0.45))
        view.look_at(room.point(s.r.gauss(0, 0.15) * w, s.u(0, 2.5), d * 0.35))
    view.roll = s.r.gauss(0, 0.02)
    on_wall(s, room.at(0, 0, d / 2), w, h)
    if s.chance(0.4):
        wall(s, room.at(0, 0, d * 0.49), w, h, walls[0], hole=(-0.6, s.u(1, 3), 1.2, 1.4))
    light, dim = lighting.indoors(s, room, w, d, h)
    return view, light, dim
