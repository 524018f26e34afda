"""What a scene is put together with: places, materials and copies of shapes, in plain numbers until they are drawn.

The world is in metres: x right, y up, z forward at a heading of zero, the ground mostly at y = 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from training.scenes.parts import Part
from training.scenes.shapes import Library, library
from training.scenes.textures import KINDS, Textures

Vector = tuple[float, float, float]
Row = tuple[float, float, float, float, float, float, float, float, float, float, float, float]

BOTH = (0.3, 1.0)


@dataclass(frozen=True)
class Place:
    """A frame in the world: the rows of a 3x4 matrix."""

    m: Row = (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)

    def at(self, x: float, y: float = 0.0, z: float = 0.0) -> Place:
        a, b, c, t, d, e, f, u, g, h, i, v = self.m
        return Place(
            (a, b, c, a * x + b * y + c * z + t, d, e, f, d * x + e * y + f * z + u, g, h, i, g * x + h * y + i * z + v)
        )

    def by(self, n: Sequence[float]) -> Place:
        """Turned by the 3x3 matrix `n` in this frame."""
        a, b, c, t, d, e, f, u, g, h, i, v = self.m
        j, k, l, o, p, q, r, s, w = n  # noqa: E741
        return Place(
            (
                *(a * j + b * o + c * r, a * k + b * p + c * s, a * l + b * q + c * w, t),
                *(d * j + e * o + f * r, d * k + e * p + f * s, d * l + e * q + f * w, u),
                *(g * j + h * o + i * r, g * k + h * p + i * s, g * l + h * q + i * w, v),
            )
        )

    def yaw(self, angle: float) -> Place:
        """Turned about the vertical, z toward x."""
        c, s = math.cos(angle), math.sin(angle)
        return self.by((c, 0, s, 0, 1, 0, -s, 0, c))

    def pitch(self, angle: float) -> Place:
        """Turned about x, z toward y."""
        c, s = math.cos(angle), math.sin(angle)
        return self.by((1, 0, 0, 0, c, s, 0, -s, c))

    def roll(self, angle: float) -> Place:
        """Turned about z, x toward y."""
        c, s = math.cos(angle), math.sin(angle)
        return self.by((c, -s, 0, s, c, 0, 0, 0, 1))

    def scaled(self, x: float, y: float, z: float) -> Row:
        a, b, c, t, d, e, f, u, g, h, i, v = self.m
        return (a * x, b * y, c * z, t, d * x, e * y, f * z, u, g * x, h * y, i * z, v)

    @property
    def origin(self) -> Vector:
        return self.m[3], self.m[7], self.m[11]

    def point(self, x: float, y: float, z: float) -> Vector:
        return self.at(x, y, z).origin


@dataclass
class Stage:
    """Copies of shapes with materials; `r` draws everything random."""

    r: Random
    textures: Textures
    shapes: Library = field(default_factory=library)
    materials: list[list[float]] = field(default_factory=list)
    no_shadow: list[bool] = field(default_factory=list)
    which: list[int] = field(default_factory=list)
    frames: list[Row] = field(default_factory=list)
    painted: list[int] = field(default_factory=list)
    mapping: list[tuple[float, float, float, float]] = field(default_factory=list)
    meshes: list[tuple[Part, int]] = field(default_factory=list)

    # Drawing numbers

    def u(self, low: float, high: float) -> float:
        return low + (high - low) * self.r.random()

    def log(self, low: float, high: float) -> float:
        return low * (high / low) ** self.r.random()

    def chance(self, share: float) -> bool:
        return self.r.random() < share

    # Materials

    def colour(self) -> Vector:
        """A surface's colour in linear light, as things are painted: many greys and browns, few bright ones."""
        kind = self.r.random()
        if kind < 0.45:
            v = self.log(0.03, 0.85)
            return v * self.u(0.9, 1.1), v, v * self.u(0.85, 1.1)
        if kind < 0.7:
            v = self.log(0.05, 0.5)
            return v * 1.25, v, v * self.u(0.4, 0.8)
        v = [self.log(0.02, 0.7) for _ in range(3)]
        grey = self.u(0, 0.8) * sum(v) / 3
        k = 1 - grey / (sum(v) / 3)
        return v[0] * k + grey, v[1] * k + grey, v[2] * k + grey

    def wall_colour(self) -> Vector:
        """White and cream mostly."""
        if self.chance(0.25):
            return self.colour()
        v = self.u(0.35, 0.85)
        return v, v * self.u(0.9, 1.0), v * self.u(0.7, 1.02)

    def texture(self, kinds: Sequence[str]) -> int:
        """One of these kinds, mostly; now and then anything, so that no look stands for a shape."""
        for _ in range(4):
            kind = self.r.choice(KINDS) if self.chance(0.06) else self.r.choice(kinds)
            numbers = self.textures.kinds[kind]
            if numbers and kind != "cloud":
                return self.r.choice(numbers)
        return self.textures.kinds["plain"][0]

    def paint(
        self,
        *kinds: str,
        colour: Vector | None = None,
        mix: float | None = None,
        spec: float | None = None,
        gloss: float | None = None,
        glow: float = 0.0,
        mirror: float = 0.0,
        through: float = 0.0,
        rough: float = 0.0,
        gain: float = 1.0,
        shadow: bool = True,
    ) -> int:
        """A material: a texture of one of the kinds, mixed with a flat colour; its number."""
        r = self.r
        if mix is None:
            mix = min(max(r.gauss(0.45, 0.35), 0.0), 1.0) if colour is not None or not kinds else self.u(0, 0.25)
        if colour is None:
            colour = self.colour()
        g = gain * math.exp(r.gauss(0, 0.18))
        if spec is None:
            spec = self.log(0.03, 0.6) if self.chance(0.4) else 0.0
        self.materials.append(
            [
                *(self.texture(kinds or ("plain", "fabric", "print")),),
                *(g * math.exp(r.gauss(0, 0.06)) for _ in range(3)),
                *(*colour, mix, spec, gloss or self.log(6, 120), glow, mirror, through, rough),
            ]
        )
        self.no_shadow.append(not shadow)
        return len(self.materials) - 1

    def thing(self) -> int:
        """The material of some manufactured thing."""
        return self.paint(
            "plain", "plain", "fabric", "print", "writing", "photo", "metal", "wood", colour=self.colour()
        )

    # Shapes

    def add(
        self, name: str, frame: Row, material: int, su: float = 1.0, sv: float = 1.0, *, fixed: bool = False
    ) -> None:
        """A copy of a shape (one of its variants); su, sv: textures a metre for boxes, a turn for what is round."""
        family = self.shapes.families[name]
        self.which.append(family[0] if len(family) == 1 else self.r.choice(family))
        self.frames.append(frame)
        self.painted.append(material)
        self.mapping.append((su, sv, 0.0, 0.0) if fixed else (su, sv, self.r.random(), self.r.random()))

    def turned(self, variant: int, frame: Row, material: int, su: float = 1.0, sv: float = 1.0) -> None:
        self.which.append(self.shapes.families["turned"][variant])
        self.frames.append(frame)
        self.painted.append(material)
        self.mapping.append((su, sv, self.r.random(), 0.0))

    def box(self, place: Place, size: Vector, material: int, tex: float = 1.0) -> None:
        """A box standing on the place's origin; `tex` textures a metre."""
        self.add("box", place.at(0, size[1] / 2, 0).scaled(*size), material, tex, tex)

    def soft(self, place: Place, size: Vector, material: int, tex: float = 2.0) -> None:
        self.add("soft", place.at(0, size[1] / 2, 0).scaled(*size), material, tex, tex)

    def drum(self, place: Place, radius: float, height: float, material: int, tex: float = 1.0) -> None:
        self.add("drum", place.scaled(2 * radius, height, 2 * radius), material, 6.3 * radius * tex, height * tex)

    def rod(self, a: Vector, b: Vector, radius: float, material: int, *, shape: str = "rod", end: float = 1.0) -> None:
        """A round bar from one point of the world to another (a `limb` tapers)."""
        x, y, z = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        length = math.sqrt(x * x + y * y + z * z) + 1e-9
        x, y, z = x / length, y / length, z / length
        # Any two directions across.
        p, q, s = (0.0, z, -y) if abs(x) < 0.9 else (-z, 0.0, x)
        k = 1 / (math.sqrt(p * p + q * q + s * s) + 1e-9)
        p, q, s = p * k, q * k, s * k
        e, f, g = y * s - z * q, z * p - x * s, x * q - y * p
        w = radius * end
        frame = (
            *(p * radius, x * length, e * w, a[0]),
            *(q * radius, y * length, f * w, a[1]),
            *(s * radius, z * length, g * w, a[2]),
        )
        self.add(shape, frame, material, 1.0, max(1.0, length * 2))

    def picture(self, place: Place, width: float, height: float, material: int) -> None:
        """A whole texture on a sheet that faces -z, its foot at the place's origin."""
        self.add("sheet", place.at(0, height / 2, 0).scaled(width, height, 1), material, 1, 1, fixed=True)
