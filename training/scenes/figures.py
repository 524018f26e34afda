"""People and animals: bodies of tapering limbs on joints, faces, hair and clothes."""

from __future__ import annotations

import math

from training.scenes.stage import Place, Stage, Vector

SKINS = ((0.55, 0.36, 0.26), (0.45, 0.27, 0.18), (0.3, 0.17, 0.1), (0.14, 0.07, 0.045), (0.62, 0.43, 0.33))
FURS = (
    (0.02, 0.018, 0.016),
    (0.09, 0.05, 0.025),
    (0.2, 0.12, 0.06),
    (0.4, 0.3, 0.18),
    (0.6, 0.57, 0.52),
    (0.25, 0.24, 0.23),
)
HAIRS = ((0.02, 0.015, 0.012), (0.07, 0.04, 0.02), (0.16, 0.09, 0.04), (0.35, 0.25, 0.12), (0.3, 0.29, 0.28))


def head(s: Stage, p: Place, height: float, skin: int) -> None:
    """A head on its chin at `p`, the face toward -z; with eyes, mouth, hair, at times a hat or glasses."""
    k = height
    q = p.at(0, k * 0.5, 0)
    s.add("head", q.scaled(k * 1.05, k, k), skin, 1, 1)
    dark, white = (
        s.paint("plain", colour=(0.03, 0.025, 0.02), mix=1.0, spec=0.4),
        s.paint("plain", colour=(0.6, 0.58, 0.55), mix=1),
    )
    lips = s.paint("plain", colour=(0.35, 0.12, 0.1), mix=0.9)
    hair = s.paint("bark", "fabric", colour=s.r.choice(HAIRS), mix=0.7, spec=s.u(0, 0.3), gloss=12)
    for side in (-1, 1):
        e = q.at(side * k * 0.145, k * 0.05, -k * 0.405)
        s.add("bead", e.scaled(k * 0.065, k * 0.035, k * 0.03), white)
        s.add("bead", e.at(0, 0, -k * 0.022).scaled(k * 0.03, k * 0.032, k * 0.015), dark)
        s.add("bead", q.at(side * k * 0.15, k * 0.135, -k * 0.415).scaled(k * 0.09, k * 0.014, k * 0.03), hair)
        s.add("bead", q.at(side * k * 0.42, 0, 0).scaled(k * 0.04, k * 0.1, k * 0.06), skin)
    s.add("bead", q.at(0, -k * 0.27, -k * 0.43).scaled(k * 0.1, k * 0.03, k * 0.035), lips)
    style = s.r.random()
    if style < 0.85:
        s.add("ball", q.at(0, k * 0.13, k * 0.075).pitch(-0.35).scaled(k * 0.46, k * 0.44, k * 0.48), hair, 2, 4)
    if 0.35 < style < 0.6:  # long
        s.add("lump", q.at(0, -k * 0.2, k * 0.22).scaled(k * 0.45, k * 0.65, k * 0.28), hair, 1, 3)
    elif style > 0.85:
        m = s.thing()
        s.add("ball", q.at(0, k * 0.22, 0).scaled(k * 0.46, k * 0.36, k * 0.5), m, 2, 2)
        if s.chance(0.7):
            wide = s.u(0.5, 0.9)
            s.add("drum", q.at(0, k * 0.22, -k * 0.1).scaled(k * 2 * wide, k * 0.04, k * 2 * wide), m)
    if s.chance(0.15):
        for side in (-1, 1):
            s.add("ring", q.at(side * k * 0.15, k * 0.05, -k * 0.47).scaled(k * 0.1, k * 0.09, k * 0.1), dark)


def _chain(s: Stage, start: Vector, joints: list[tuple[Vector, float, int]]) -> Vector:
    """Limbs from joint to joint with a ball on each; (end, radius at the start, material)."""
    for end, radius, m in joints:
        s.rod(start, end, radius, m, shape="limb")
        s.add("bead", Place().at(*start).scaled(radius * 0.92, radius * 0.92, radius * 0.92), m)
        start = end
    return start


def person(s: Stage, p: Place, *, sitting: bool = False, seat: float = 0.45, height: float = 0.0) -> Vector:
    """A person at `p` who faces -z; where the head is."""
    r = s.r
    k = (height or min(max(r.gauss(1.7, 0.12), 1.0), 1.95)) / 1.75
    skin = s.paint("plain", colour=r.choice(SKINS), mix=0.85, spec=0.06, gloss=10)
    top, legs = (
        s.paint("fabric", "plain", "print", colour=s.colour(), rough=0.25),
        s.paint("fabric", "plain", colour=s.colour(), rough=0.2),
    )
    shoe, sleeve = s.paint("plain", colour=(0.04, 0.035, 0.03)), top if s.chance(0.7) else skin
    wide = s.u(0.9, 1.2) * k
    hip = (seat if sitting else 0.9 * k) + (0.08 if sitting else 0.0)
    lean = r.gauss(0.02, 0.06) + (0.1 if sitting else 0)
    body = p.at(0, hip, 0).roll(r.gauss(0, 0.04)).pitch(-lean)
    s.add("torso", body.at(0, -0.08 * k, 0).scaled(0.4 * wide, 0.66 * k, 0.4 * wide), top, 2, 2)
    if not sitting and s.chance(0.2):
        s.add("gown", p.at(0, hip - 0.6 * k, 0).scaled(0.55 * k, 0.75 * k, 0.5 * k), legs, 3, 2)
    neck = body.at(0, 0.55 * k, 0)
    s.rod(neck.origin, neck.point(0, 0.14 * k, 0), 0.06 * k, skin)
    top_of_neck = neck.at(0, 0.07 * k, -0.01).yaw(r.gauss(0, 0.4)).pitch(r.gauss(0, 0.15))
    head(s, top_of_neck, 0.245 * k, skin)
    stride = r.gauss(0, 0.16)
    for side in (-1, 1):
        a = (p.at(0, hip, 0)).point(side * 0.1 * k, 0, 0)
        if sitting:
            spread = s.u(0.05, 0.2)
            knee = p.point(side * (0.1 * k + spread), hip - 0.03, -0.43 * k)
            foot = p.point(side * (0.1 * k + spread), max(0.06, hip - 0.5 * k), -0.43 * k + s.u(-0.2, 0.25))
        else:
            knee = p.point(side * 0.11 * k, 0.48 * k, -side * stride * 0.6 - abs(stride) * 0.2)
            foot = p.point(side * 0.12 * k, 0.07 * k, -side * stride)
        _chain(s, a, [(knee, 0.088 * wide, legs), (foot, 0.06 * k, legs)])
        s.soft(
            Place((*p.m[:3], foot[0], *p.m[4:7], foot[1] - 0.06 * k, *p.m[8:11], foot[2])).at(0, 0, -0.07 * k),
            (0.1 * k, 0.1 * k, 0.27 * k),
            shoe,
        )
        shoulder = body.at(side * 0.2 * wide, 0.47 * k, 0)
        raise_ = s.u(-0.3, 0.6) if s.chance(0.75) else s.u(0.6, 2.6)
        out = s.u(0.08, 0.45)
        elbow = shoulder.at(
            side * 0.28 * k * math.sin(out), -0.28 * k * math.cos(raise_) * math.cos(out), -0.28 * k * math.sin(raise_)
        )
        bend = raise_ + s.u(0.1, 1.6)
        hand = elbow.at(-side * s.u(-0.05, 0.15), -0.25 * k * math.cos(bend), -0.25 * k * math.sin(bend))
        _chain(s, shoulder.origin, [(elbow.origin, 0.056 * wide, top), (hand.origin, 0.042 * k, sleeve)])
        s.add("bead", hand.scaled(0.04 * k, 0.05 * k, 0.035 * k), skin)
    if s.chance(0.2):
        s.soft(body.at(0, 0.05 * k, 0.2 * k), (0.32 * k, 0.45 * k, 0.2 * k), s.thing())
    return top_of_neck.point(0, 0.12 * k, -0.1)


def animal(s: Stage, p: Place, size: float = 0.0) -> Vector:
    """A four-legged animal of shoulder height `size` that looks toward -x; where its head is."""
    r = s.r
    h = size or s.log(0.2, 1.5)
    fur = s.paint("ground", "bark", "bark", "stone", colour=r.choice(FURS), mix=s.u(0.5, 0.95), rough=0.4)
    other = fur if s.chance(0.6) else s.paint("plain", colour=r.choice(FURS), mix=0.8)
    long, fat = h * s.u(0.9, 1.4), h * s.u(0.17, 0.3)
    y = h * s.u(0.68, 0.8)
    s.add("pebble", p.at(0, y, 0).scaled(long * 1.05, fat * 2.1, fat * 1.8), fur, 2, 2)
    s.add("ball", p.at(-long * 0.34, y + fat * 0.2, 0).scaled(fat * 1.05, fat * 1.1, fat * 0.95), fur, 2, 2)
    for x in (-0.36, 0.4):
        for z in (-1, 1):
            a = p.point(x * long, y, z * fat * 0.55)
            swing = r.gauss(0, 0.06) * h
            knee = p.point(x * long + swing + 0.05 * h, y * 0.5, z * fat * 0.6)
            foot = p.point(x * long + swing * 1.5, 0.03 * h, z * fat * 0.6)
            _chain(s, a, [(knee, fat * 0.5, fur), (foot, fat * 0.28, other)])
            s.add("bead", Place().at(*foot).scaled(fat * 0.3, fat * 0.18, fat * 0.25), other)
    up = s.u(0.05, 0.55)
    neck = p.at(-long * (0.45 + 0.12 * (1 - up)), y + h * up, 0)
    s.rod(p.point(-long * 0.36, y + fat * 0.3, 0), neck.origin, fat * 0.75, fur, shape="limb")
    q = neck.yaw(r.gauss(0, 0.5))
    k = h * s.u(0.13, 0.22)
    s.add("ball", q.scaled(k, k * 0.9, k * 0.8), fur, 2, 2)
    s.rod(q.point(-k * 0.3, -k * 0.1, 0), q.point(-k * 1.5, -k * 0.5, 0), k * 0.55, other, shape="limb")
    dark = s.paint("plain", colour=(0.01, 0.01, 0.01), mix=1.0, spec=0.5)
    s.add("bead", q.at(-k * 1.55, -k * 0.42, 0).scaled(k * 0.2, k * 0.16, k * 0.2), dark)
    for z in (-1, 1):
        s.add("bead", q.at(-k * 0.7, k * 0.25, z * k * 0.45).scaled(k * 0.13, k * 0.13, k * 0.13), dark)
        s.add(
            "cone",
            q.at(k * 0.1, k * 0.55, z * k * 0.45).roll(s.u(-0.3, 0.5)).scaled(k * 0.6, k * s.u(0.6, 1.3), k * 0.3),
            other,
        )
    s.rod(
        p.point(long * 0.5, y + fat * 0.4, 0),
        p.point(long * s.u(0.6, 0.9), y + h * s.u(-0.4, 0.3), s.r.gauss(0, 0.1) * h),
        fat * 0.2,
        fur,
        shape="limb",
    )
    return q.origin


def bird(s: Stage, p: Place, size: float) -> Vector:
    """A bird that sits, its beak toward -x."""
    m, other = s.paint("plain", "fabric", colour=s.colour(), rough=0.3), s.paint("plain", "print", colour=s.colour())
    k = size
    q = p.at(0, k * 0.55, 0).roll(-0.5)
    s.add("pebble", q.scaled(k * 0.9, k * 0.5, k * 0.42), m)
    s.add("cone", q.at(k * 0.3, 0, 0).roll(-1.4).scaled(k * 0.3, k * s.u(0.5, 1.1), k * 0.12), other)
    for z in (-1, 1):
        s.add("bead", q.at(k * 0.08, 0, z * k * 0.2).scaled(k * 0.4, k * 0.2, k * 0.06), other)
        s.rod(p.point(-k * 0.05, 0, z * k * 0.08), p.point(0, k * 0.4, z * k * 0.08), k * 0.02, other)
    h = p.at(-k * 0.38, k * 0.95, 0)
    s.add("ball", h.scaled(k * 0.19, k * 0.18, k * 0.17), m)
    s.add(
        "cone",
        h.at(-k * 0.12, 0, 0).roll(1.7).scaled(k * 0.12, k * s.u(0.15, 0.4), k * 0.1),
        s.paint("plain", colour=(0.3, 0.2, 0.03)),
    )
    s.add(
        "bead",
        h.at(-k * 0.1, k * 0.05, -k * 0.13).scaled(k * 0.03, k * 0.03, k * 0.02),
        s.paint("plain", colour=(0.01, 0.01, 0.01), mix=1, spec=0.6),
    )
    return h.origin
