"""Small things and furniture. Each takes the stage and a place: its foot, its front toward -z."""

from __future__ import annotations

import math
from collections.abc import Callable

from training.scenes.stage import Place, Stage


def small(s: Stage, p: Place, size: float) -> None:
    """Something of about `size` metres that stands on a table, a shelf or a floor."""
    r = s.r
    kind = r.random()
    m = s.thing()
    if kind < 0.16:
        s.box(p, (size * s.u(0.4, 1.2), size * s.u(0.3, 1.3), size * s.u(0.2, 1)), m, s.log(1, 4) / size)
    elif kind < 0.4:
        variant = r.randrange(len(s.shapes.families["turned"]))
        wide = size * s.u(0.7, 1.1) * (0.55 if variant in (0, 4) else 0.8)
        tall = size * s.u(0.8, 1.3) * (1.2 if variant in (0, 1, 4) else 0.6)
        s.turned(variant, p.scaled(wide, tall, wide), m, s.u(1, 3), s.u(0.5, 2))
    elif kind < 0.52:
        books(s, p, size)
    elif kind < 0.6:
        s.drum(p, size * s.u(0.15, 0.45), size * s.u(0.2, 1.2), m, s.log(1, 3) / size)
    elif kind < 0.68:
        k = size * s.u(0.2, 0.45)
        s.add("ball", p.at(0, k, 0).scaled(k, k, k), m, s.u(1, 3), s.u(0.5, 2))
    elif kind < 0.76:
        toy(s, p, size)
    elif kind < 0.82:
        k = size * s.u(0.25, 0.45)
        s.add("stone", p.at(0, k * 0.6, 0).scaled(k * s.u(0.8, 1.3), k * 0.8, k), m, 2, 2)
    elif kind < 0.88:
        picture_frame(s, p, size * s.u(0.7, 1.2))
    elif kind < 0.94:
        for _ in range(r.randint(3, 7)):
            k = size * s.u(0.12, 0.22)
            q = p.at(s.u(-0.4, 0.4) * size, 0, s.u(-0.4, 0.4) * size)
            s.turned(8, q.scaled(k * 2, k * 1.8, k * 2), m)
    else:
        potted(s, p, size * 1.3)


def books(s: Stage, p: Place, size: float) -> None:
    """A pile, or a row that stands."""
    r = s.r
    if s.chance(0.5):
        y = 0.0
        for _ in range(r.randint(1, 5)):
            h = size * s.u(0.08, 0.25)
            q = p.at(s.u(-0.05, 0.05) * size, y, s.u(-0.05, 0.05) * size).yaw(r.gauss(0, 0.25))
            s.box(q, (size * s.u(0.7, 1.1), h, size * s.u(0.5, 0.8)), s.thing(), s.log(1, 3) / size)
            y += h
    else:
        book_row(s, p, size * s.u(0.5, 1.5), size * s.u(0.7, 1.1), size * 0.5)


def book_row(s: Stage, p: Place, width: float, height: float, depth: float) -> None:
    x = -width / 2
    paints = [s.thing() for _ in range(4)]
    while x < width / 2:
        w = height * s.log(0.08, 0.25)
        q = p.at(x + w / 2, 0, s.u(-0.1, 0.1) * depth).roll(s.r.gauss(0, 0.02))
        s.box(q, (w * 0.96, height * s.u(0.7, 1), depth * s.u(0.7, 1)), s.r.choice(paints), 2 / height)
        x += w if s.chance(0.93) else w * 3


def toy(s: Stage, p: Place, size: float) -> None:
    """A soft animal or a doll, sitting."""
    m, k = s.paint("fabric", "plain", "grass", colour=s.colour(), rough=0.3), size * 0.5
    s.add("lump", p.at(0, k * 0.7, 0).scaled(k * 0.6, k * 0.7, k * 0.55), m, 3, 3)
    s.add("ball", p.at(0, k * 1.7, -k * 0.1).scaled(k * 0.45, k * 0.42, k * 0.42), m, 2, 2)
    for side in (-1, 1):
        s.add("bead", p.at(side * k * 0.33, k * 2.05, 0).scaled(k * 0.16, k * 0.2, k * 0.1), m)
        s.rod(
            p.point(side * k * 0.45, k, -k * 0.1), p.point(side * k * 0.9, k * 0.7, -k * 0.5), k * 0.2, m, shape="limb"
        )
        s.rod(
            p.point(side * k * 0.3, k * 0.2, -k * 0.2), p.point(side * k * 0.6, k * 0.15, -k), k * 0.24, m, shape="limb"
        )


def picture_frame(s: Stage, p: Place, size: float) -> None:
    w, h = size * s.u(0.6, 1), size * s.u(0.6, 1)
    q = p.pitch(s.u(0.1, 0.3))
    s.box(q.at(0, 0, 0.012), (w, h, 0.02), s.thing(), 2)
    s.picture(q.at(0, h * 0.06, -0.001), w * 0.86, h * 0.88, s.paint("photo", "photo", "print", mix=0.0))


def potted(s: Stage, p: Place, size: float) -> None:
    """A plant in a pot."""
    k = size * 0.3
    s.turned(6, p.scaled(k * 1.6, k * 1.2, k * 1.6), s.paint("plain", "stone", colour=s.colour()))
    leaf = s.paint("grass", "grass", "plain", colour=(0.05, 0.12, 0.03), mix=0.5, through=0.4)
    top = p.at(0, k * 1.1, 0)
    if s.chance(0.5):
        s.add("bush", top.at(0, k * 1.3, 0).yaw(s.u(0, 6)).scaled(k * 1.5, k * 1.5, k * 1.5), leaf)
        s.rod(p.point(0, k, 0), p.point(0, k * 2.4, 0), k * 0.1, s.paint("bark"))
    else:
        s.add("tuft", top.yaw(s.u(0, 6)).scaled(k * 2.2, k * s.u(2, 3.5), k * 2.2), leaf)


def clutter(s: Stage, p: Place, width: float, depth: float, count: int, size: float = 0.2) -> None:
    """Many small things on a level rectangle about the place."""
    for _ in range(count):
        q = p.at(s.u(-0.46, 0.46) * width, 0, s.u(-0.44, 0.44) * depth).yaw(s.r.gauss(0, 0.6))
        small(s, q, size * s.log(0.4, 1.6))


def table(s: Stage, p: Place, *, full: float = 0.8, width: float | None = None) -> float:
    """A table with things on it; its height."""
    w, d, h = width or s.u(0.7, 1.9), s.u(0.55, 1.0), s.u(0.4, 0.8) if s.chance(0.3) else s.u(0.7, 0.78)
    m = s.paint("wood", "wood", "plain", "metal", mix=s.u(0, 0.6), mirror=s.u(0, 0.25) if s.chance(0.3) else 0.0)
    if s.chance(0.12):
        s.add("drum", p.at(0, h - 0.03, 0).scaled(w * 0.8, 0.03, w * 0.8), m, 2, 2)
        s.rod(p.point(0, 0, 0), p.point(0, h, 0), 0.04, m)
        s.drum(p, w * 0.22, 0.03, m)
        w = d = w * 0.55
    else:
        t = s.u(0.02, 0.05)
        s.box(p.at(0, h - t, 0), (w, t, d), m, s.log(0.5, 2))
        k, round_legs = s.u(0.015, 0.035), s.chance(0.4)
        for x in (-1, 1):
            for z in (-1, 1):
                q = p.at(x * (w / 2 - k * 1.5), 0, z * (d / 2 - k * 1.5))
                if round_legs:
                    s.rod(q.point(0, 0, 0), q.point(0, h - t, 0), k, m)
                else:
                    s.box(q, (k * 2, h - t, k * 2), m)
        if s.chance(0.5):
            s.box(p.at(0, h - t - 0.09, 0), (w * 0.9, 0.09, d * 0.88), m, 1)
        if s.chance(0.2):
            s.box(p.at(s.u(-0.2, 0.2) * w, 0.02, 0), (w * 0.35, h - t - 0.02, d * 0.85), m, 1)
    if s.chance(full):
        clutter(s, p.at(0, h, 0), w, d, s.r.randint(2, 9))
    return h


def chair(s: Stage, p: Place) -> None:
    w, h, back = s.u(0.38, 0.5), s.u(0.42, 0.48), s.u(0.35, 0.6)
    m = s.paint("wood", "metal", "plain", mix=s.u(0, 0.8))
    seat = s.paint("fabric", "plain", "wood", colour=s.colour()) if s.chance(0.5) else m
    k = s.u(0.01, 0.022)
    for x in (-1, 1):
        for z in (-1, 1):
            foot = p.point(x * w * 0.5, 0, z * w * 0.5)
            s.rod(foot, p.point(x * w * 0.44, h, z * w * 0.44), k, m)
        s.rod(p.point(x * w * 0.44, h, w * 0.44), p.point(x * w * 0.44, h + back, w * 0.55), k, m)
        if s.chance(0.4):
            s.rod(p.point(x * w * 0.48, h * 0.4, -w * 0.48), p.point(x * w * 0.48, h * 0.4, w * 0.48), k * 0.8, m)
    s.soft(p.at(0, h - 0.01, 0), (w, s.u(0.03, 0.08), w), seat)
    q = p.at(0, h, w * 0.47).pitch(-0.18)
    style = s.r.random()
    if style < 0.4:
        s.soft(q.at(0, back * 0.45, 0), (w * 0.95, back * 0.55, 0.05), seat)
    elif style < 0.7:
        for i in range(s.r.randint(2, 4)):
            s.box(q.at(0, back * (0.35 + 0.2 * i), 0), (w * 0.9, 0.05, 0.02), m)
    else:
        s.box(q.at(0, back * 0.92, 0), (w, 0.05, 0.025), m)
        for i in range(6):
            x = (i / 5 - 0.5) * w * 0.8
            s.rod(q.point(x, 0, 0), q.point(x, back * 0.93, 0), k * 0.6, m)


def armchair(s: Stage, p: Place, width: float = 0.0) -> None:
    """An armchair, or a sofa where it is wide."""
    w, d, h = width or s.u(0.7, 1.0), s.u(0.7, 0.95), s.u(0.38, 0.45)
    m = s.paint("fabric", "plain", "plain", colour=s.colour(), rough=0.15)
    t, back = s.u(0.1, 0.22), s.u(0.35, 0.6)
    s.soft(p.at(0, 0.05, 0), (w, h - 0.1, d), m)
    seats = max(1, round((w - 2 * t) / 0.65))
    each = (w - 2 * t) / seats
    for i in range(seats):
        x = -w / 2 + t + each * (i + 0.5)
        s.soft(p.at(x, h - 0.1, -0.05), (each * 0.99, 0.18, d * 0.85), m)
        s.soft(p.at(x, h, d * 0.3).pitch(-0.15), (each * 0.97, back, 0.2), m)
        if s.chance(0.4):
            s.soft(p.at(x, h + 0.06, d * 0.05).pitch(-0.4).roll(s.r.gauss(0, 0.2)), (0.4, 0.38, 0.14), s.thing())
    for side in (-1, 1):
        s.soft(p.at(side * (w - t) / 2, 0.05, 0), (t, h + s.u(0.08, 0.2), d), m)
    s.soft(p.at(0, 0.1, d / 2 - 0.08), (w, h + back * 0.6, 0.16), m)


def sofa(s: Stage, p: Place) -> None:
    armchair(s, p, s.u(1.5, 2.4))


def bed(s: Stage, p: Place) -> None:
    w, d, h = s.u(0.9, 1.8), 2.0, s.u(0.25, 0.5)
    frame, cover = s.paint("wood", "fabric"), s.paint("fabric", "plain", "print", colour=s.colour(), rough=0.2)
    s.box(p.at(0, 0.08, 0), (w, h - 0.1, d), frame)
    s.soft(p.at(0, h - 0.1, 0), (w * 0.99, 0.28, d), s.paint("plain", colour=(0.7, 0.7, 0.7)))
    s.soft(p.at(0, h - 0.06, -0.25), (w * 1.06, 0.3, d * 0.75), cover)
    for x in (0,) if w < 1.3 else (-0.25, 0.25):
        s.soft(p.at(x * w, h + 0.12, d * 0.38).pitch(-0.3), (0.65, 0.16, 0.4), s.paint("fabric", "plain"))
    s.box(p.at(0, 0, d / 2), (w, s.u(0.6, 1.2), 0.06), frame)


def shelf(s: Stage, p: Place) -> None:
    """Open shelves with books and things."""
    w, h, d, t = s.u(0.5, 1.6), s.u(0.8, 2.2), s.u(0.22, 0.4), 0.02
    m = s.paint("wood", "plain", "metal", mix=s.u(0, 0.7))
    for x in (-1, 1):
        s.box(p.at(x * (w - t) / 2, 0, 0), (t, h, d), m)
    if s.chance(0.7):
        s.box(p.at(0, 0, d / 2), (w, h, 0.01), m)
    rows = max(2, round(h / s.u(0.26, 0.45)))
    for i in range(rows + 1):
        y = (h - t) * i / rows
        s.box(p.at(0, y, 0), (w, t, d), m)
        if i == rows and s.chance(0.5):
            continue
        gap, kind = h / rows - t, s.r.random()
        if kind < 0.45:
            book_row(s, p.at(0, y + t, 0), w * s.u(0.4, 0.9), gap * 0.85, d * 0.7)
        elif kind < 0.9:
            clutter(s, p.at(0, y + t, -0.02), w, d * 0.7, s.r.randint(1, 4), gap * 0.6)


def cupboard(s: Stage, p: Place) -> None:
    """Doors or drawers, with grooves and handles."""
    w, h, d = s.u(0.5, 1.8), s.u(0.6, 2.2), s.u(0.35, 0.6)
    m, handle = s.paint("wood", "plain", "wood", mix=s.u(0, 0.8)), s.paint("metal", spec=0.5)
    s.box(p.at(0, 0, 0.01), (w, h, d), m, 1)
    columns, rows = s.r.randint(1, 3), s.r.randint(1, 4)
    a, b = w / columns, (h - 0.1) / rows
    for i in range(columns):
        for j in range(rows):
            q = p.at((i + 0.5) * a - w / 2, 0.08 + j * b, -d / 2)
            s.box(q.at(0, 0.01, 0), (a - 0.015, b - 0.015, 0.03), m, 1)
            x = 0.0 if rows > 1 else a * 0.38 * (1 if i % 2 == 0 else -1)
            s.rod(q.point(x - 0.04, b / 2, -0.04), q.point(x + 0.04, b / 2, -0.04), 0.008, handle)
    if s.chance(0.7):
        clutter(s, p.at(0, h, 0), w, d, s.r.randint(1, 5), 0.25)


def lamp(s: Stage, p: Place, height: float = 0.0) -> None:
    """A lamp with a shade: on the floor, or on a table where it is low."""
    h = height or s.u(1.3, 1.8)
    m = s.paint("metal", "wood")
    k = h * s.u(0.1, 0.16) if h > 1 else h * 0.3
    s.turned(7, p.scaled(k * 1.4, h * 0.92, k * 1.4), m)
    glow = s.u(1, 5) if s.chance(0.4) else 0.0
    shade = s.paint("plain", "fabric", colour=(0.8, 0.7, 0.5), glow=glow, through=0.6)
    s.turned(5, p.at(0, h * 0.82, 0).scaled(k * 2, h * 0.22, k * 2), shade)


def boxes(s: Stage, p: Place) -> None:
    """Cartons or crates in a heap."""
    m = s.paint("plain", "wood", "print", colour=(0.35, 0.24, 0.14))
    y, w = 0.0, s.u(0.3, 0.7)
    for _ in range(s.r.randint(1, 4)):
        h = w * s.u(0.4, 0.9)
        s.box(p.at(0, y, 0).yaw(s.r.gauss(0, 0.3)), (w, h, w * s.u(0.6, 1)), m, 1 / w)
        y, w = y + h, w * s.u(0.7, 1)
        m = s.thing() if s.chance(0.4) else m


def screen(s: Stage, p: Place) -> None:
    """A television or a monitor on its foot."""
    w = s.u(0.45, 1.3)
    h = w * 0.58
    m = s.paint("plain", colour=(0.02, 0.02, 0.02), mix=0.9, mirror=0.08)
    s.box(p.at(0, 0.08, 0.03), (w, h, 0.05), m)
    face = m if s.chance(0.5) else s.paint("photo", "writing", mix=0.1, glow=s.u(0.2, 0.8))
    s.picture(p.at(0, 0.1, 0), w * 0.95, h * 0.9, face)
    s.box(p, (w * 0.4, 0.02, 0.2), m)
    s.box(p.at(0, 0, 0.03), (0.05, 0.12, 0.03), m)


def bicycle(s: Stage, p: Place) -> None:
    """Two wheels and a frame, along x."""
    tyre, m = (
        s.paint("plain", colour=(0.02, 0.02, 0.02), mix=0.9),
        s.paint("plain", colour=s.colour(), mix=0.9, spec=0.4),
    )
    k, gap = 0.34, 1.02
    for x in (-gap / 2, gap / 2):
        q = p.at(x, k, 0)
        s.add("ring", q.scaled(k, k, k * 0.9), tyre, 4, 1)
        for i in range(9):
            a = i * math.pi / 9
            c, v = k * 0.96 * math.cos(a), k * 0.96 * math.sin(a)
            s.rod(q.point(-c, -v, 0), q.point(c, v, 0), 0.0022, tyre)
    hub, crank, seat, head = (-gap / 2, k, 0), (-0.1, 0.3, 0), (-0.28, 0.82, 0), (0.33, 0.8, 0)
    front = (gap / 2, k, 0)
    for a, b in ((hub, crank), (hub, seat), (crank, seat), (crank, head), (seat, head), (head, front)):
        s.rod(p.point(*a), p.point(*b), 0.016, m)
    s.rod(p.point(*seat), p.point(-0.31, 0.95, 0), 0.014, tyre)
    s.soft(p.at(-0.3, 0.93, 0), (0.27, 0.06, 0.14), tyre)
    s.rod(p.point(*head), p.point(0.3, 1.0, 0), 0.014, tyre)
    s.rod(p.point(0.32, 1.0, -0.28), p.point(0.32, 1.0, 0.28), 0.013, tyre)


def ladder(s: Stage, p: Place) -> None:
    h, w = s.u(1.5, 3), s.u(0.35, 0.45)
    q, m = p.pitch(s.u(0.1, 0.35)), s.paint("metal", "wood")
    for x in (-w / 2, w / 2):
        s.rod(q.point(x, 0, 0), q.point(x, h, 0), 0.025, m)
    for i in range(1, int(h / 0.28)):
        s.rod(q.point(-w / 2, i * 0.28, 0), q.point(w / 2, i * 0.28, 0), 0.015, m)


def bin_(s: Stage, p: Place) -> None:
    h = s.u(0.3, 1.1)
    m = s.thing()
    if s.chance(0.5):
        s.turned(9, p.scaled(h * 0.75, h, h * 0.75), m)
    else:
        s.soft(p, (h * 0.6, h, h * 0.7), m)
        s.box(p.at(0, h * 0.92, 0), (h * 0.66, h * 0.07, h * 0.76), m)


def basket(s: Stage, p: Place) -> None:
    k = s.u(0.25, 0.5)
    s.turned(2, p.scaled(k, k * 0.8, k), s.paint("fabric", "wood"), 3, 2)
    for _ in range(s.r.randint(0, 4)):
        small(s, p.at(s.u(-0.2, 0.2) * k, k * 0.6, s.u(-0.2, 0.2) * k), k * 0.5)


def cloth_heap(s: Stage, p: Place) -> None:
    k = s.u(0.15, 0.4)
    s.add("lump", p.at(0, k * 0.3, 0).yaw(s.u(0, 6)).scaled(k * 1.4, k * 0.5, k), s.paint("fabric", "print"), 2, 2)


FURNITURE: list[Callable[[Stage, Place], object]] = [
    *(table, table, chair, chair, chair, armchair, sofa, bed, shelf, shelf, cupboard, cupboard),
    *(lamp, boxes, bicycle, ladder, bin_, basket, cloth_heap),
]
