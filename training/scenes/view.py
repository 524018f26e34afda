"""Camera and light of a scene, and the drawing of it into linear colours and inverse depth."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.scenes import raster, shading
from training.scenes.stage import Stage, Vector

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

NEAR = 0.03
SHADOW_SIDE = 320


@dataclass
class View:
    """Where the camera stands and looks. Angles in radians; `fov` degrees across the picture's longer side."""

    eye: Vector = (0.0, 1.6, 0.0)
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    fov: float = 60.0
    focus: Vector | None = None  # what the lens is focused on
    aperture: float = 0.0  # pixels of blur at a picture of 256 for a change of inverse depth as great as the focus's

    def look_at(self, target: Vector) -> None:
        x, y, z = (t - e for t, e in zip(target, self.eye, strict=True))
        self.yaw, self.pitch = math.atan2(x, z), math.atan2(y, math.hypot(x, z))

    def turn(self) -> F64:
        """Camera to world: columns are the camera's x (right), y (down) and z (forward)."""
        cy, sy, cp, sp = math.cos(self.yaw), math.sin(self.yaw), math.cos(self.pitch), math.sin(self.pitch)
        forward, right = np.array([sy * cp, sp, cy * cp]), np.array([cy, 0.0, -sy])
        up = np.array([-sy * sp, cp, -cy * sp])
        c, s = math.cos(self.roll), math.sin(self.roll)
        return np.stack([c * right + s * up, -(c * up - s * right), forward], 1)

    def horizontal_fov(self, height: int, width: int) -> float:
        """Degrees across the picture's width."""
        reach = math.tan(math.radians(self.fov) / 2) * width / max(height, width)
        return math.degrees(2 * math.atan(reach))


@dataclass
class Light:
    """Sun, sky, lamps and air; colours in linear light."""

    sun: Vector = (0.3, 0.8, -0.4)  # toward it
    sun_colour: Vector = (0.0, 0.0, 0.0)
    softness: float = 1.5  # texels of the shadow map
    ambient_above: Vector = (0.4, 0.4, 0.4)
    ambient_below: Vector = (0.2, 0.2, 0.2)
    lamps: list[tuple[Vector, Vector, float]] = field(default_factory=list)  # where, colour, size squared
    haze: tuple[float, float, float, float] = (0.0, 0.7, 0.7, 0.7)  # 1/m, colour
    sky: F64 = field(default_factory=lambda: np.zeros(26))
    reach: float = 15.0  # metres around the middle that cast shadows
    middle: Vector = (0.0, 0.0, 6.0)
    hollow: float = 0.5  # metres over which hollows darken
    hollow_strength: float = 0.7
    ripple: float = 0.0


@dataclass(frozen=True)
class Drawn:
    colour: F32  # (H, W, 3) linear
    inverse: F32  # (H, W) 1/m, 0 = sky
    focal: float  # pixels


def draw(stage: Stage, view: View, light: Light, height: int, width: int) -> Drawn:
    """Two by two samples a pixel."""
    turn = view.turn()
    eye = np.array(view.eye, np.float64)
    to_camera = np.concatenate([turn.T, -(turn.T @ eye)[:, None]], 1)
    xyz, normal, uv, tint, faces, material, cut = _expanded(stage, to_camera)
    focal = width / 2 / math.tan(math.radians(view.horizontal_fov(height, width)) / 2)
    lens = np.array([2 * focal, 2 * focal, width - 0.5, height - 0.5])
    screen = np.empty_like(xyz, np.float64)
    screen[:, 0] = lens[0] * xyz[:, 0] + lens[2] * xyz[:, 2]
    screen[:, 1] = lens[1] * xyz[:, 1] + lens[3] * xyz[:, 2]
    screen[:, 2] = xyz[:, 2]
    inverse = np.zeros((2 * height, 2 * width), np.float32)
    number = np.full((2 * height, 2 * width), -1, np.int32)
    rows = np.empty((len(faces), 9))
    masks = stage.shapes.masks
    shown = np.zeros(len(stage.materials), np.bool_)
    ones = np.ones(len(xyz))
    raster.rasterise(screen, ones, uv, faces, cut, masks, shown, material, NEAR, inverse, number, rows)
    sun = np.zeros(8)
    sun[:3] = turn.T @ np.array(light.sun)
    sun[:3] /= np.linalg.norm(sun[:3])
    sun[3:6] = light.sun_colour
    shadow, frame = np.zeros((4, 4), np.float32), np.zeros((3, 4))
    if sun[3:6].any():
        shadow, frame = _shadow(stage, light, to_camera, sun[:3], (xyz, uv, faces, cut, material))
        sun[6] = 2.5 * light.reach / SHADOW_SIDE
        sun[7] = light.softness
    dim = np.ones(((height + 1) // 2, (width + 1) // 2), np.float32)
    if light.hollow_strength > 0:
        shading.occlusion(inverse, lens[0], light.hollow, light.hollow_strength, shading.WAYS, dim)
        import cv2

        dim = np.asarray(cv2.blur(dim, (3, 3)), np.float32).reshape(dim.shape)
    lamps = np.zeros((len(light.lamps), 7))
    for i, (where, colour, size) in enumerate(light.lamps):
        lamps[i, :3] = turn.T @ (np.array(where) - eye)
        lamps[i, 3:6], lamps[i, 6] = colour, size
    sky = light.sky.copy()
    colours = np.empty((height, width, 3), np.float32)
    depth = np.empty((height, width), np.float32)
    mirrors = np.empty((height, width), np.float32)
    table = np.array(stage.materials)
    textures = stage.textures
    ambient = np.array([*light.ambient_above, *light.ambient_below])
    shading.shade(
        inverse, number, rows, normal, uv, tint, faces, material, table, textures.texels, textures.linear, lens, turn,
        sun, ambient, lamps, shadow, frame, np.array(light.haze), sky, dim, colours, depth, mirrors
    )  # fmt: skip
    if table[:, shading.MATERIAL["mirror"]].any() and float(mirrors.max()) > 0.02:
        mirrored = colours.copy()
        pixel = np.array([focal, focal, width / 2 - 0.5, height / 2 - 0.5])
        shading.reflect(depth, mirrors, pixel, turn, light.ripple, colours, mirrored)
        colours = mirrored
    return Drawn(colours, depth, focal)


def _expanded(stage: Stage, to_camera: F64):  # type: ignore[no-untyped-def]
    """All copies as one mesh in the camera's frame."""
    shapes = stage.shapes
    which = np.array(stage.which, np.int64)
    sizes = np.diff(shapes.starts, axis=0)[which].sum(0) if len(which) else np.zeros(2, np.int64)
    vertices = int(sizes[0]) + sum(len(part.positions) for part, _ in stage.meshes)
    triangles = int(sizes[1]) + sum(len(part.faces) for part, _ in stage.meshes)
    xyz, normal = np.empty((vertices, 3), np.float64), np.empty((vertices, 3), np.float32)
    uv, tint = np.empty((vertices, 2), np.float32), np.empty(vertices, np.float32)
    faces, material = np.empty((triangles, 3), np.int32), np.empty(triangles, np.int32)
    cut = np.empty(triangles, np.int8)
    v, f = raster.expand(
        shapes.starts, shapes.positions, shapes.normals, shapes.uvs, shapes.tints, shapes.faces, shapes.cuts,
        shapes.boxed, which, np.array(stage.frames, np.float64).reshape(-1, 12), np.array(stage.painted, np.int32),
        np.array(stage.mapping, np.float64).reshape(-1, 4), to_camera, xyz, normal, uv, tint, faces, material, cut, 0, 0
    )  # fmt: skip
    for part, paint in stage.meshes:
        n, m = len(part.positions), len(part.faces)
        xyz[v : v + n] = part.positions @ to_camera[:, :3].T + to_camera[:, 3]
        normal[v : v + n] = part.normals @ to_camera[:, :3].T
        uv[v : v + n], tint[v : v + n] = part.uv, part.tint
        faces[f : f + m], material[f : f + m], cut[f : f + m] = part.faces + v, paint, part.cut
        v, f = v + n, f + m
    return xyz, normal, uv, tint, faces, material, cut


def _shadow(stage: Stage, light: Light, to_camera: F64, sun: F64, mesh):  # type: ignore[no-untyped-def]
    """The nearness to the sun of what is nearest to it, and the matrix from the camera's frame into that map."""
    xyz, uv, faces, cut, material = mesh
    side = np.cross(sun, [0.31, 0.12, 0.94])
    side /= np.linalg.norm(side)
    axes = np.stack([side, np.cross(sun, side), sun])
    middle = to_camera[:, :3] @ np.array(light.middle) + to_camera[:, 3]
    scale = SHADOW_SIDE / (2 * light.reach)
    frame = np.concatenate([axes, -(axes @ middle)[:, None]], 1)
    frame[:2] *= scale
    frame[:2, 3] += SHADOW_SIDE / 2
    frame[2, 3] += 20 * light.reach
    across = xyz @ frame[:, :3].T + frame[:, 3]
    nearness = across[:, 2].copy()
    across[:, 2] = 1
    shadow = np.zeros((SHADOW_SIDE, SHADOW_SIDE), np.float32)
    number = np.empty((SHADOW_SIDE, SHADOW_SIDE), np.int32)
    rows = np.empty((len(faces), 9))
    skip = np.array(stage.no_shadow)
    masks = stage.shapes.masks
    raster.rasterise(across, nearness, uv, faces, cut, masks, skip, material, 1e-6, shadow, number, rows)
    return shadow, frame
