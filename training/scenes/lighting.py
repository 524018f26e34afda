"""Daylight of every weather, lamps of every room, night."""

from __future__ import annotations

import math

import numpy as np

from training.scenes.stage import Place, Stage, Vector
from training.scenes.view import Light


def _scaled(colour: Vector, k: float) -> Vector:
    return colour[0] * k, colour[1] * k, colour[2] * k


def sky(s: Stage, light: Light, brightness: float = 1.0, *, clear: float | None = None) -> None:
    """A sky of some weather into `light`; its brightness at the zenith is about `brightness`."""
    blue = s.u(0, 1) if clear is None else clear
    zenith = (
        brightness * (0.75 - 0.6 * blue) * s.u(0.9, 1.1),
        brightness * (0.78 - 0.42 * blue),
        brightness * (0.82 + 0.05 * blue),
    )
    if s.chance(0.12):
        horizon = (brightness * 1.1, brightness * s.u(0.5, 0.8), brightness * s.u(0.25, 0.5))
    else:
        white = s.u(0.75, 1.2)
        horizon = (brightness * white * 0.92, brightness * white * 0.97, brightness * white * s.u(0.95, 1.05))
    below = _scaled(horizon, 0.5)
    cover = s.u(0, 1) if s.chance(0.65) else 0.0
    cloud = _scaled((1.0, 1.0, 1.02), brightness * s.log(0.5, 1.3))
    around = s.textures.kinds["photo"] + s.textures.kinds["plain"]
    clouds = s.r.choice(s.textures.kinds["cloud"])
    light.sky = np.array(
        [
            *(*horizon, *zenith, *below, *cloud, clouds, cover, s.log(0.08, 0.6), s.u(0, 4), s.u(0, 4)),
            *(*light.sun, *_scaled(light.sun_colour, 0.25), s.log(1.5, 6)),
            *(s.r.choice(around) if s.chance(0.3) else -1, brightness),
        ]
    )


def outdoors(s: Stage, heading: float, *, reach: float, middle: Vector) -> tuple[Light, float]:
    """Daylight, rarely night; and how dark the picture is to be left (1 = as a meter would)."""
    light = Light(reach=reach, middle=middle, hollow=s.log(0.3, 1.2), hollow_strength=s.u(0.4, 0.9))
    kind = s.r.random()
    high, around = math.radians(s.log(6, 75)), s.u(-math.pi, math.pi)
    if s.chance(0.15):
        around = heading + s.r.gauss(0, 0.4)  # against the light
    light.sun = (math.sin(around) * math.cos(high), math.sin(high), math.cos(around) * math.cos(high))
    low = 1 - min(1.0, math.degrees(high) / 30)
    light.softness = s.log(0.6, 3)
    dim = 1.0
    if kind < 0.55:
        strength = s.u(1.2, 3.5)
        light.sun_colour = (strength, strength * (0.92 - 0.25 * low), strength * (0.82 - 0.5 * low))
        sky(s, light, s.u(0.6, 1.2), clear=s.u(0.3, 1))
        light.ambient_above = (s.u(0.25, 0.5), s.u(0.35, 0.55), s.u(0.45, 0.7))
    elif kind < 0.93:
        strength = s.u(0.0, 0.5)
        light.sun_colour = _scaled((1.0, 0.97, 0.92), strength)
        light.softness = 4.0
        sky(s, light, s.u(1.0, 1.8), clear=s.u(0, 0.35))
        light.ambient_above = _scaled((0.95, 1.0, 1.05), s.u(0.8, 1.1))
    else:
        dim = s.u(0.25, 0.8)
        sky(s, light, s.u(0.01, 0.12), clear=1.0)
        light.ambient_above = _scaled((0.7, 0.85, 1.2), s.u(0.02, 0.12))
        for _ in range(s.r.randint(1, 4)):
            where = (middle[0] + s.u(-1, 1) * reach * 0.5, s.u(2.5, 6), middle[2] + s.u(-0.5, 0.7) * reach)
            light.lamps.append((where, _scaled((1.0, s.u(0.6, 0.95), s.u(0.3, 0.9)), s.u(3, 15)), 0.5))
    k = s.u(0.3, 0.6)
    above = light.ambient_above
    bounce = 0.12 * sum(light.sun_colour) / 3
    light.ambient_below = (above[0] * k + bounce, above[1] * k + bounce, above[2] * k * 0.85 + bounce)
    if s.chance(0.55):
        colour = light.sky[:3]
        far = s.log(60, 4000) if s.chance(0.8) else s.log(12, 60)
        light.haze = (1 / far, float(colour[0]), float(colour[1]), float(colour[2]))
    return light, dim


def indoors(s: Stage, room: Place, width: float, depth: float, height: float) -> tuple[Light, float]:
    """Lamps under the ceiling, light from windows, seldom the sun through them. The room is about its place."""
    middle = room.point(0, height * 0.3, 0)
    light = Light(reach=0.75 * max(width, depth), middle=middle, hollow=s.log(0.12, 0.6), hollow_strength=s.u(0.6, 1.0))
    tone = (1.0, s.u(0.75, 1.0), s.u(0.5, 1.05))
    base = s.u(0.1, 0.5)
    light.ambient_above = _scaled(tone, base * s.u(0.5, 1.0))
    light.ambient_below = _scaled(tone, base * s.u(0.4, 0.9))
    size = width * depth
    for _ in range(s.r.randint(1, 3)):
        where = room.point(s.u(-0.4, 0.4) * width, height * s.u(0.75, 0.97), s.u(-0.4, 0.45) * depth)
        light.lamps.append((where, _scaled(tone, s.u(0.3, 1.0) * math.sqrt(size)), s.u(0.1, 1.0)))
    if s.chance(0.5):  # a window's light from a side
        side = s.r.choice((-1, 1))
        where = room.point(side * width * 0.48, height * 0.55, s.u(-0.3, 0.4) * depth)
        light.lamps.append((where, _scaled((0.9, 1.0, 1.15), s.u(0.5, 1.6) * math.sqrt(size)), 1.5))
    # One lamp (or the sun) throws shadows, as from far away.
    x, z = s.r.gauss(0, 0.5), s.r.gauss(0, 0.5)
    light.sun = (x, 1.0 if s.chance(0.8) else 0.45, z)
    light.sun_colour = _scaled(tone, s.u(0.1, 0.6) if s.chance(0.75) else s.u(1.0, 3.0))
    light.softness = s.log(1, 6)
    sky(s, light, s.u(0.8, 3.0))
    dim = 1.0
    if s.chance(0.08):
        dim = s.u(0.3, 0.8)
    if s.chance(0.7):
        light.sky[24], light.sky[25] = s.r.choice(s.textures.kinds["photo"] or [0]), s.u(0.3, 0.9)
    return light, dim
