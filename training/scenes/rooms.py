"""Interiors: furnished rooms, halls with machines, corridors and stairs."""

from __future__ import annotations

import math

from training.scenes import figures, lighting, things
from training.scenes.stage import Place, Stage, Vector
from training.scenes.view import Light, View

Scene = tuple[View, Light, float]


def wall(
    s: Stage, p: Place, width: float, height: float, m: int, *, hole: tuple[float, float, float, float] | None
) -> None:
    """A wall whose inner side faces -z, its foot's middle at `p`; hole: x, y of its lower left, width, height."""
    if hole is None:
        s.add("box", p.at(0, height / 2, 0.05).scaled(width, height, 0.1), m, 0.6, 0.6)
        return
    x, y, w, h = hole
    left, right = x + width / 2, width / 2 - x - w
    for cx, cy, a, b in (
        (-width / 2 + left / 2, height / 2, left, height),
        (width / 2 - right / 2, height / 2, right, height),
        (x + w / 2, y / 2, w, y),
        (x + w / 2, (y + h + height) / 2, w, height - y - h),
    ):
        if a > 0.01 and b > 0.01:
            s.add("box", p.at(cx, cy, 0.08).scaled(a, b, 0.16), m, 0.6, 0.6)
    frame = s.paint("plain", "wood", colour=(0.7, 0.7, 0.68))
    bars = s.r.randint(0, 2)
    q = p.at(x + w / 2, y, 0.05)
    for k in range(bars + 2):
        s.box(q.at((k / (bars + 1) - 0.5) * w, 0, 0), (0.05, h, 0.05), frame)
    for k in (0, s.u(0.4, 0.7), 1):
        s.box(q.at(0, k * h - 0.03, 0), (w, 0.05, 0.05), frame)
    if s.chance(0.4):
        s.box(q.at(0, -0.04, -0.1), (w + 0.1, 0.04, 0.25), frame)
        if s.chance(0.6):
            things.clutter(s, q.at(0, 0, -0.1), w, 0.15, s.r.randint(1, 4), 0.2)
    outside(s, q.at(0, h / 2, 0))


def outside(s: Stage, p: Place) -> None:
    """What is seen through a window: a bright backdrop far behind, or just the sky."""
    if s.chance(0.75):
        far = s.log(3, 40)
        m = s.paint(
            "photo", "grass", "plain", mix=s.u(0, 0.5), colour=(0.8, 0.85, 0.9), glow=s.log(0.8, 5), shadow=False
        )
        s.add("sheet", p.at(0, s.u(-0.3, 0.1) * far, far).scaled(far * 3, far * s.u(0.6, 1.5), 1), m, 1, 1)


def on_wall(s: Stage, p: Place, width: float, height: float) -> None:
    """Pictures, doors, curtains, a radiator, switches, pipes: `p` is the wall's foot, facing -z."""
    r = s.r
    for _ in range(r.choice((0, 1, 1, 2, 3, 5))):
        w, h = s.log(0.15, 1.2), s.log(0.15, 0.9)
        x, y = s.u(-0.45, 0.45) * width, min(s.u(0.9, 1.9), height - h)
        q = p.at(x, y, -0.03)
        if s.chance(0.6):
            s.box(q.at(0, -0.02, 0.012), (w + 0.06, h + 0.06, 0.03), s.thing())
        kinds = ("photo", "photo", "photo", "print", "writing")
        s.picture(q.at(0, 0, -0.006), w, h, s.paint(*kinds, mix=0.0, mirror=0.1 if s.chance(0.2) else 0.0))
    x = s.u(-0.4, 0.4) * width
    kind = r.random()
    if kind < 0.3:
        m = s.paint("wood", "plain", colour=(0.5, 0.5, 0.48))
        s.box(p.at(x, 0, -0.02), (0.95, 2.1, 0.06), m, 0.5)
        s.box(p.at(x, 0, -0.04), (0.8, 2.0, 0.05), m, 0.8)
        s.rod(p.point(x + 0.3, 1, -0.12), p.point(x + 0.38, 1, -0.12), 0.012, s.paint("metal", spec=0.5))
    elif kind < 0.5:
        m = s.paint("fabric", "plain", "print", colour=s.colour(), through=0.3)
        for side in (-1, 1):
            w = s.u(0.4, 1.2)
            s.add("cloth", p.at(x + side * s.u(0.5, 1.0), 0.05, -0.15).scaled(w, height * 0.9, 0.2), m, w * 1.5, 2)
    elif kind < 0.65:
        m = s.paint("metal", colour=(0.7, 0.7, 0.7))
        for i in range(14):
            s.soft(p.at(x + i * 0.06, 0.12, -0.08), (0.045, 0.6, 0.1), m)
    elif kind < 0.8:
        pipes(s, p, width, height, r.randint(1, 4))


def pipes(s: Stage, p: Place, width: float, height: float, count: int) -> None:
    """Pipes along a wall, with bends, flanges and a drop here and there."""
    for _ in range(count):
        m = s.paint("metal", "plain", colour=s.colour(), spec=s.u(0, 0.6), gloss=s.log(10, 80))
        k = s.log(0.012, 0.12)
        y, out = s.u(0.15, 0.98) * height, -k - s.u(0.02, 0.25)
        a, b = s.u(-0.5, 0.1) * width, s.u(0.1, 0.5) * width
        s.rod(p.point(a, y, out), p.point(b, y, out), k, m)
        for _ in range(s.r.randint(0, 3)):
            x = s.u(a, b)
            s.rod(p.point(x, y, out), p.point(x + k, y, out), k * 1.4, m)
        if s.chance(0.6):
            x = s.r.choice((a, b))
            s.rod(p.point(x, y, out), p.point(x, s.r.choice((0.0, height)), out), k, m)
            s.add("ball", p.at(x, y, out).scaled(k * 1.15, k * 1.15, k * 1.15), m)


def shell(s: Stage, room: Place, w: float, d: float, h: float, *, floor: int, walls: list[int], ceiling: int) -> None:
    """Floor, walls and ceiling about the room's place."""
    s.add("box", room.at(0, -0.05, 0).scaled(w + 0.4, 0.1, d + 0.4), floor, 0.7, 0.7)
    s.add("box", room.at(0, h + 0.05, 0).scaled(w + 0.4, 0.1, d + 0.4), ceiling, 0.5, 0.5)
    skirt = s.paint("plain", "wood", colour=(0.6, 0.6, 0.58)) if s.chance(0.5) else None
    for i, (x, z, long) in enumerate(((0, d / 2, w), (w / 2, 0, d), (-w / 2, 0, d), (0, -d / 2, w))):
        p = room.at(x, 0, z).yaw((0, math.pi / 2, -math.pi / 2, math.pi)[i])
        hole = None
        if i < 3 and s.chance(0.35) and long > 1.6:
            a, b = s.u(0.7, min(2.6, long * 0.7)), min(s.u(0.9, 1.7), h - 1.1)
            hole = (s.u(-long / 2 + 0.2, long / 2 - 0.2 - a), s.u(0.75, 1.0), a, b)
            if s.chance(0.15):  # an open door
                hole = (hole[0], 0.0, min(a, 1.0), 2.05)
        wall(s, p, long + 0.3, h, walls[i % len(walls)], hole=hole)
        if skirt is not None:
            s.box(p.at(0, 0, -0.01), (long, 0.1, 0.03), skirt)
        if hole is None or s.chance(0.3):
            on_wall(s, p, long, h)


def room(s: Stage) -> Scene:
    """A furnished room, seen from a corner or a wall."""
    w, d, h = s.log(2.6, 8), s.log(3, 10), s.u(2.3, 3.4)
    place = Place().yaw(s.u(-0.9, 0.9))
    plaster = [
        s.paint("plain", "plain", "plain", "stone", "print", colour=s.wall_colour())
        for _ in range(1 + s.r.randint(0, 1))
    ]
    for m in plaster:
        s.no_shadow[m] = True
    floor = s.paint(
        "wood", "wood", "plain", "stone", "fabric", mix=s.u(0, 0.4), mirror=s.u(0.05, 0.4) if s.chance(0.35) else 0
    )
    ceiling = s.paint("plain", colour=(0.75, 0.75, 0.73), mix=s.u(0.5, 1), shadow=False)
    shell(s, place, w, d, h, floor=floor, walls=plaster, ceiling=ceiling)
    view, target = stand(s, place, w, d, low=0.7, high=1.75)
    if s.chance(0.4):
        a, b = s.u(0.3, 0.7) * w, s.u(0.3, 0.6) * d
        s.add(
            "box",
            place.at(s.u(-0.2, 0.2) * w, 0.006, s.u(-0.2, 0.3) * d).scaled(a, 0.012, b),
            s.paint("fabric", "print"),
        )
    furnish(s, place, view, target, w, d)
    if s.chance(0.2):
        figures.person(s, place.at(*_local(s, place, target)).yaw(s.u(-2, 2)), sitting=s.chance(0.4))
    light, dim = lighting.indoors(s, place, w, d, h)
    for x, _, _ in light.lamps[:2]:
        if s.chance(0.4):
            glow = s.paint("plain", colour=(1, 0.95, 0.85), mix=1.0, glow=s.u(2, 8), shadow=False)
            s.add("ball", Place().at(*x).scaled(0.14, 0.12, 0.14), glow)
    return view, light, dim


def _local(s: Stage, place: Place, target: Vector) -> Vector:
    """A floor point of the room near the target, in the room's frame."""
    a, c = place.m[0], place.m[2]
    x, z = target[0] - place.m[3], target[2] - place.m[11]
    g, i = place.m[8], place.m[10]
    return a * x + g * z + s.r.gauss(0, 0.4), 0.0, c * x + i * z + s.r.gauss(0, 0.4)


def stand(s: Stage, place: Place, w: float, d: float, *, low: float, high: float) -> tuple[View, Vector]:
    """A camera by the room's near side, and what it looks at, about the middle of the room or beyond."""
    view = View(fov=min(max(s.r.gauss(68, 16), 30), 100))
    back = s.u(0.1, 0.35) * d if s.chance(0.7) else s.u(0.35, 0.6) * d
    view.eye = place.point(s.u(-0.36, 0.36) * w, s.u(low, high), -d / 2 + min(0.3 + back, d * 0.6))
    target = place.point(s.r.gauss(0, 0.16) * w, s.u(0.4, 1.3), s.u(0.05, 0.45) * d)
    view.look_at(target)
    view.pitch = view.pitch * s.u(0.2, 1.1) + s.r.gauss(-0.03, 0.06)
    view.yaw += s.r.gauss(0, 0.12)
    view.roll = s.r.gauss(0, 0.02)
    view.focus = target
    if s.chance(0.1):
        view.aperture = s.log(1, 6)
    return view, target


def clear(view: View, p: Place, margin: float) -> bool:
    """Whether the place keeps away from the camera."""
    x, _, z = p.origin
    return math.hypot(x - view.eye[0], z - view.eye[2]) > margin


def furnish(s: Stage, place: Place, view: View, target: Vector, w: float, d: float) -> None:
    """Furniture along the walls, and a group about the middle of what is seen."""
    r = s.r
    for side in (0, 0, 0, 1, 1, 2, 2):
        if s.chance(0.25):
            continue
        long, away = ((w, d), (d, w), (d, w))[side]
        x = s.u(-0.42, 0.42) * long
        spot = place.yaw((0, math.pi / 2, -math.pi / 2)[side]).at(x, 0, away / 2 - s.u(0.3, 0.5))
        if clear(view, spot, 1.3):
            maker = r.choice(
                (things.shelf, things.shelf, things.cupboard, things.sofa, things.table, things.chair, things.boxes)
            )
            maker(s, spot.yaw(r.gauss(0, 0.05)))
            if s.chance(0.3) and clear(view, spot.at(0.8, 0, 0), 1.2):
                r.choice((things.lamp, things.bin_, things.basket, potted_floor))(s, spot.at(0.9, 0, 0))
    middle = place.at(*_local(s, place, target))
    group = r.random()
    if group < 0.45 and clear(view, middle, 1.5):
        p = middle.yaw(s.u(-1, 1))
        width = s.u(0.8, 2)
        things.table(s, p, full=0.9, width=width)
        for _ in range(r.randint(1, 5)):
            a = r.choice((0, 1, 2, 3)) * math.pi / 2 + r.gauss(0, 0.15)
            q = p.at(math.sin(a) * width * 0.6, 0, math.cos(a) * 0.75).yaw(a)
            if clear(view, q, 0.9):
                things.chair(s, q)
    elif group < 0.75 and clear(view, middle, 1.6):
        r.choice((things.sofa, things.bed, things.armchair))(s, middle.yaw(s.u(-3, 3)))
    for _ in range(r.randint(1, 6)):
        q = place.at(s.u(-0.45, 0.45) * w, 0, s.u(-0.3, 0.47) * d).yaw(s.u(0, 6.28))
        if clear(view, q, 1.2):
            r.choice(things.FURNITURE)(s, q)
    for _ in range(r.choice((0, 2, 4, 10))):
        q = place.at(s.u(-0.45, 0.45) * w, 0, s.u(-0.3, 0.47) * d).yaw(s.u(0, 6.28))
        if clear(view, q, 0.7):
            things.small(s, q, s.log(0.08, 0.4))


def potted_floor(s: Stage, p: Place) -> None:
    things.potted(s, p, s.u(0.6, 1.5))
