"""Rooms, streets and house corners by ray casting: pictures whose every distance and direction is known.

A world is a handful of axis-parallel boxes, seen from inside (a room) or outside (furniture, houses), y up. Textures
are drawn on the faces: tiles, boards, bricks, windows, blots without a straight line, or next to nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Kind = Literal["room", "street", "corner"]
Texture = Literal["lines", "blots", "plain"]

FAR = 400.0


@dataclass(frozen=True)
class View:
    """A picture and the truth of it."""

    name: str
    rgb: npt.NDArray[np.uint8]  # (H, W, 3)
    z: Float64  # (H, W), metres along the optical axis; FAR: sky
    face: npt.NDArray[np.int64]  # (H, W), the face that is seen, -1 sky
    normals: dict[int, Float64]  # of each face, unit, camera frame (x right, y down, z forward), towards the camera
    fov: float  # degrees, horizontal
    roll: float  # degrees by which the camera was turned clockwise
    pitch: float  # degrees by which it looks down


@dataclass(frozen=True)
class Box:
    low: Float64
    high: Float64
    inside: bool = False  # seen from inside


def view(kind: Kind, texture: Texture, seed: int, width: int = 640, height: int = 448) -> View:
    """A world of this kind, and a camera held as people hold them."""
    random = np.random.default_rng(seed)
    boxes = {"room": _room, "street": _street, "corner": _corner}[kind](random)
    fov = float(random.uniform(30, 90))
    pitch = float(np.clip(random.normal(6, 7), -12, 25))
    roll = float(np.clip(random.normal(0, 2.5), -8, 8))
    yaw = {
        "room": random.choice([-1, 1]) * random.uniform(8, 45),
        "street": random.uniform(-18, 18),
        "corner": random.uniform(25, 65),
    }[kind]
    eye = _eye(kind, random, math.radians(yaw), boxes)
    turn = _turned(math.radians(yaw), math.radians(pitch), math.radians(roll))
    z, face, normal, rgb = _cast(boxes, eye, turn, fov, width, height, texture, random)
    normals = {number: turn @ vector for number, vector in normal.items()}
    return View(f"{kind} {texture} {seed}", rgb, z, face, normals, fov, roll, pitch)


def _turned(yaw: float, pitch: float, roll: float) -> Float64:
    """World (x right, y up, z forward at yaw 0) to camera (x right, y down, z forward)."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    down = np.diag([1.0, -1.0, 1.0])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ down @ about_y


def _eye(kind: Kind, random: np.random.Generator, yaw: float, boxes: list[Box]) -> Float64:
    if kind == "room":  # in the back, so that much of it is seen
        room = boxes[0]
        size = room.high - room.low
        behind = np.array([-math.sin(yaw), 0, -math.cos(yaw)])
        place = room.low + size / 2 + behind * size * random.uniform(0.25, 0.42)
        place[1] = random.uniform(1.2, 1.8)
        return np.asarray(place)
    if kind == "street":
        return np.array([random.uniform(-1.5, 1.5), random.uniform(1.5, 1.9), 0.0])
    distance = random.uniform(9, 16)
    return np.array([-distance * math.sin(yaw), random.uniform(1.4, 2.5), -distance * math.cos(yaw)])


def _room(random: np.random.Generator) -> list[Box]:
    width, depth, height = random.uniform(3.5, 6), random.uniform(4, 7), random.uniform(2.4, 3)
    boxes = [Box(np.array([-width / 2, 0, 0]), np.array([width / 2, height, depth]), inside=True)]
    for _ in range(random.integers(1, 5)):  # furniture along the far walls
        size = random.uniform([0.4, 0.4, 0.4], [1.6, 1.4, 0.9])
        x = random.choice([-width / 2, width / 2 - size[0], random.uniform(-width / 2, width / 2 - size[0])])
        z = depth - size[2] - random.choice([0, random.uniform(0, depth * 0.4)])
        low = np.array([x, 0, z])
        boxes.append(Box(low, low + size))
    return boxes


def _street(random: np.random.Generator) -> list[Box]:
    half = random.uniform(4, 8)
    boxes = [Box(np.array([-FAR, -1, -FAR]), np.array([FAR, 0, FAR]))]
    for side in (-1, 1):
        z = -5.0
        while z < 70:  # houses, nearly in line
            long, tall = random.uniform(7, 16), random.uniform(6, 14)
            inner = half + random.choice([0, 0, random.uniform(0, 0.6)])
            x0, x1 = (inner, inner + 10) if side > 0 else (-inner - 10, -inner)
            boxes.append(Box(np.array([x0, 0, z]), np.array([x1, tall, z + long])))
            z += long + random.choice([0, 0, 2.0])
    for _ in range(random.integers(0, 4)):  # cars
        low = np.array([random.choice([-1, 1]) * (half - 2.2) - 0.9, 0, random.uniform(8, 35)])
        boxes.append(Box(low, low + np.array([1.8, 1.4, 4.2])))
    return boxes


def _corner(random: np.random.Generator) -> list[Box]:
    size = random.uniform([6, 4, 6], [12, 9, 12])
    boxes = [Box(np.array([-FAR, -1, -FAR]), np.array([FAR, 0, FAR]))]
    boxes.append(Box(np.array([0, 0, 0]), size))
    for _ in range(random.integers(0, 3)):
        low = np.array([random.uniform(-5, 3), 0, random.uniform(-5, -2)])
        boxes.append(Box(low, low + random.uniform([0.5, 0.5, 0.5], [1.5, 1.5, 1.5])))
    return boxes


def _cast(
    boxes: list[Box],
    eye: Float64,
    turn: Float64,
    fov: float,
    width: int,
    height: int,
    texture: Texture,
    random: np.random.Generator,
) -> tuple[Float64, npt.NDArray[np.int64], dict[int, Float64], npt.NDArray[np.uint8]]:
    """Depth, faces, their normals in the world and the picture; twice as fine, then averaged."""
    fine = 2
    focal = fine * width / 2 / math.tan(math.radians(fov) / 2)
    y, x = np.mgrid[: fine * height, : fine * width] + 0.5
    ray = np.stack([(x - fine * width / 2) / focal, (y - fine * height / 2) / focal, np.ones_like(x)], -1) @ turn
    ray = np.where(np.abs(ray) < 1e-9, 1e-9, ray)
    best = np.full(x.shape, FAR)
    face = np.full(x.shape, -1, np.int64)
    for number, box in enumerate(boxes):
        t = np.stack([(box.low - eye) / ray, (box.high - eye) / ray])
        near, far = t.min(axis=0), t.max(axis=0)
        axis = far.argmin(axis=-1) if box.inside else near.argmax(axis=-1)
        hit = far.min(axis=-1) if box.inside else near.max(axis=-1)
        there = (hit > 0.05) & (hit < best) & ((far.min(axis=-1) > near.max(axis=-1)) | box.inside)
        towards = np.take_along_axis(ray, axis[..., None], -1)[..., 0] > 0
        best = np.where(there, hit, best)
        face = np.where(there, number * 6 + axis * 2 + towards, face)
    point = eye + ray * best[..., None]
    colour = np.empty((*x.shape, 3))
    normals: dict[int, Float64] = {}
    # Light falls from above, from one side.
    light = np.array([0.5, 0.9, -0.3]) / np.linalg.norm([0.5, 0.9, -0.3])
    for number in np.unique(face):
        where = face == number
        if number < 0:
            colour[where] = (165, 195, 230)
            continue
        axis, towards = int(number % 6 // 2), int(number % 2)
        normal = np.zeros(3)
        normal[axis] = -1 if towards else 1
        normals[int(number)] = normal
        own = np.random.default_rng(int(random.integers(1 << 30)))
        across = [k for k in range(3) if k != axis]
        shade = 0.62 + 0.38 * abs(float(normal @ light))
        colour[where] = shade * _texture(point[where][:, across], axis == 1, texture, own)
    rgb = cv2.resize(colour, (width, height), interpolation=cv2.INTER_AREA)
    rgb = np.clip(rgb + random.normal(0, 2.5, rgb.shape), 0, 255).astype(np.uint8)
    pick = np.s_[1::fine, 1::fine]
    return best[pick], face[pick], normals, rgb


def _texture(uv: Float64, level: bool, texture: Texture, random: np.random.Generator) -> Float64:
    """(N, 3) colours of places (N, 2) in metres on a face."""
    base = random.uniform(90, 210, 3)
    result = np.broadcast_to(base, (len(uv), 3)).copy()
    if texture == "plain":
        return result
    if texture == "blots":
        phase = random.uniform(0, 7, (6, 3))
        wave = random.normal(0, 2.2, (6, 2))
        blots = sum(np.sin(uv @ wave[k] + phase[k, 0] + 2 * np.sin(uv @ wave[k - 1])) for k in range(6))
        return np.asarray(result + 11 * np.asarray(blots)[:, None])
    a, b = uv.T
    if level:  # tiles
        step = random.uniform(0.4, 1.2)
        grout = (np.mod(a, step) < 0.03 * step) | (np.mod(b, step) < 0.03 * step)
        return np.where(grout[:, None], result * 0.6, result)
    wide, tall = random.uniform(1.2, 2.5), random.uniform(1.4, 3)
    u, v = np.mod(a, wide) / wide, np.mod(b, tall) / tall
    # One coordinate of an upright face is the height: windows or cupboards, whichever way round they are.
    window = (u > 0.25) & (u < 0.7) & (v > 0.3) & (v < 0.8)
    frame = window & ((u < 0.28) | (u > 0.67) | (v < 0.33) | (v > 0.77))
    result[window] = random.uniform(30, 90, 3)
    result[frame] = 225
    return result


@dataclass(frozen=True)
class Degraded:
    """What a network would say of a view: relative inverse depth (H, W)."""

    inverse: npt.NDArray[np.float32]  # 0..1
    sky: npt.NDArray[np.bool_] | None  # None: there is none
    clean: Float64  # the same scale and shift without errors and limits


def degraded(true: View, seed: int, *, noise: float = 0.01) -> Degraded:
    """Inverse depth at 0..1 by an unknown scale and shift, with soft edges and waves of error.

    Args:
        noise: standard deviation of the error, as a share of the range, in waves from 2 to 20 % of the picture's width.
    """
    random = np.random.default_rng(seed)
    sky = true.face < 0
    low, high = np.percentile((1 / true.z)[~sky], (0.5, 99.5))
    # The network's scale and shift are its own: the farthest need not be at 0 nor the nearest at 1.
    start, end = random.uniform(0, 0.12), random.uniform(0.85, 1)
    clean = start + (1 / true.z - low) / (high - low) * (end - start)
    width = clean.shape[1]
    inverse = cv2.GaussianBlur(np.clip(clean, 0, 1).astype(np.float32), (0, 0), 0.003 * width)
    for reach in (0.02, 0.07, 0.2):
        wave = cv2.GaussianBlur(random.normal(0, 1, inverse.shape).astype(np.float32), (0, 0), reach * width / 2)
        inverse += np.float32(noise * (end - start) / math.sqrt(3)) * wave / wave.std()
    inverse = np.ascontiguousarray(np.clip(inverse, 0, 1), np.float32)
    inverse[sky] = 0
    return Degraded(inverse, np.ascontiguousarray(sky) if sky.any() else None, clean)
