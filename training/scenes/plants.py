"""Trees, bushes, grass, stones, and the ground that they stand on."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.scenes.parts import grid
from training.scenes.stage import Place, Stage, Vector

F64 = NDArray[np.float64]
Height = Callable[[Any, Any], Any]
"""Heights of the ground at x and z, arrays or numbers."""

GREENS = (
    (0.06, 0.11, 0.025),
    (0.1, 0.14, 0.03),
    (0.03, 0.07, 0.03),
    (0.16, 0.15, 0.04),
    (0.25, 0.11, 0.02),
    (0.05, 0.09, 0.05),
)


def leaves(s: Stage) -> int:
    return s.paint(
        "grass", "grass", "plain", colour=s.r.choice(GREENS), mix=s.u(0.3, 0.8), through=s.u(0.3, 0.7), spec=0.03
    )


def tree(s: Stage, p: Place, height: float, leaf: int, bark: int, *, far: bool = False) -> None:
    """A broad tree, a conifer, or a bare one; fewer leaves where it is `far`."""
    q = p.yaw(s.u(0, 6.28)).roll(s.r.gauss(0, 0.03))
    kind = s.r.random()
    if kind < 0.22:
        k = height * s.u(0.3, 0.55)
        s.rod(q.origin, q.point(0, height * 0.9, 0), height * 0.018, bark)
        s.add("fir", q.at(0, height * 0.56, 0).scaled(k, height * 0.47, k), leaf)
        return
    if far:
        s.rod(q.origin, q.point(0, height * 0.7, 0), height * 0.025, bark)
        k = height * s.u(0.3, 0.42)
        s.add("crown", q.at(0, height * 0.65, 0).scaled(k, k, k), leaf)
        return
    spread = height * s.u(0.8, 1.3)
    s.add("bare", q.scaled(spread, height, spread), bark, 2, 3)
    if kind < 0.85:
        for _ in range(s.r.randint(1, 4)):
            k = height * s.u(0.2, 0.36)
            c = q.at(s.r.gauss(0, 0.14) * height, height * s.u(0.55, 0.85), s.r.gauss(0, 0.14) * height)
            s.add("crown", c.yaw(s.u(0, 6.28)).scaled(k, k * s.u(0.7, 1), k), leaf)


def bush(s: Stage, p: Place, size: float, leaf: int) -> None:
    q = p.at(0, size * 0.4, 0).yaw(s.u(0, 6.28))
    s.add(s.r.choice(("bush", "crown")), q.scaled(size * s.u(0.5, 0.9), size * 0.5, size * s.u(0.5, 0.9)), leaf)


def hedge(s: Stage, p: Place, length: float, height: float, leaf: int) -> None:
    """Along x."""
    inner = s.paint("grass", colour=(0.02, 0.03, 0.01), mix=0.8)
    s.soft(p, (length, height * 0.9, height * 0.5), inner)
    for i in range(max(1, int(length / height * 1.4))):
        q = p.at(-length / 2 + (i + 0.5) * height / 1.4, height * 0.5, 0)
        s.add("bush", q.yaw(s.u(0, 6)).scaled(height * 0.6, height * 0.55, height * 0.4), leaf)


def grass(s: Stage, spots: list[Vector], size: float, leaf: int) -> None:
    for x, y, z in spots:
        k = size * s.log(0.6, 1.6)
        s.add("tuft", Place().at(x, y, z).yaw(s.u(0, 6.28)).scaled(k, k, k), leaf)


def stone(s: Stage, p: Place, size: float, m: int) -> None:
    q = p.at(0, size * 0.2, 0).yaw(s.u(0, 6.28)).pitch(s.u(-0.3, 0.3))
    s.add("stone", q.scaled(size * s.u(0.4, 0.8), size * s.u(0.3, 0.5), size * s.u(0.4, 0.7)), m, 2, 2)


def hills(r: Random, tall: float, wide: float, *, flat: float = 0.0, sharp: float = 0.0) -> Height:
    """Heights over the plane: waves of many sizes about `wide` metres and up; no more than `flat` metres from the
    origin they vanish. `sharp` folds them into ridges."""
    waves = []
    for octave in range(7):
        k = 2 * math.pi / (wide * 0.5**octave * r.uniform(0.7, 1.4))
        for _ in range(2):
            turn = r.uniform(0, 6.28)
            waves.append((k * math.cos(turn), k * math.sin(turn), r.uniform(0, 6.28), 0.5**octave * r.uniform(0.5, 1)))

    def height(x: Any, z: Any) -> Any:
        if np.ndim(x) == 0:
            return alone(float(x), float(z))
        total = np.zeros_like(x)
        for kx, kz, phase, amplitude in waves:
            wave = np.sin(kx * x + kz * z + phase + 0.6 * np.sin(kz * x * 0.7 - kx * z * 0.7))
            total += amplitude * ((1 - sharp) * wave + sharp * (1 - 2 * np.abs(wave)))
        near = 1.0 if flat <= 0 else 1 - np.exp(-((np.hypot(x, z) / flat) ** 2))
        return np.asarray(total * tall * 0.4 * near)

    def alone(x: float, z: float) -> float:
        total = 0.0
        for kx, kz, phase, amplitude in waves:
            wave = math.sin(kx * x + kz * z + phase + 0.6 * math.sin(kz * x * 0.7 - kx * z * 0.7))
            total += amplitude * ((1 - sharp) * wave + sharp * (1 - 2 * abs(wave)))
        near = 1.0 if flat <= 0 else 1 - math.exp(-((math.hypot(x, z) / flat) ** 2))
        return total * tall * 0.4 * near

    return height


def land(s: Stage, eye: Vector, heading: float, height: Height, m: int, *, near: float, far: float, tex: float) -> None:
    """Ground seen from `eye`: a fan of rings, finer the nearer; `tex` textures a metre."""
    rings, rays = 56, 44
    distance = near * (far / near) ** np.linspace(0, 1, rings)
    angle = heading + np.linspace(-1.25, 1.25, rays)
    x = eye[0] + distance[:, None] * np.sin(angle)
    z = eye[2] + distance[:, None] * np.cos(angle)
    y = height(x, z)
    points = np.stack([x, y, z], -1)
    part = grid(points.astype(np.float32), (np.stack([x, z], -1) * tex).astype(np.float32))
    up = np.sign(part.normals[:, 1:2] + 1e-9)
    s.meshes.append((type(part)(part.positions, part.normals * up, part.uv, part.tint, part.faces, part.cut), m))
