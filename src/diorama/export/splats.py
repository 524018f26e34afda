"""3D Gaussian splats (Kerbl et al. 2023): a Gaussian for every pixel of every surface, the hidden ones too.

Each lies on its surface like a small disc that its camera sees as a round spot: its covariance is that of a pixel's
footprint on the surface's tangent plane, so discs on slanted surfaces are longer, and neighbours close the surface. The
file is a PLY in the layout of the authors' code, as standard viewers read it: logarithms of the scales, logits of the
opacities, quaternions w x y z, colours as the constant term of spherical harmonics (there is no further term: the
photo shows each point from one side). Its frame is the camera's (x right, y down, z forward), as there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from diorama import __version__, atomic
from diorama.errors import InputError
from diorama.products import ProductProgress
from diorama.types import Bool, Camera, Float32, Mesh, Scene, UInt8

if TYPE_CHECKING:
    from diorama.products.pictures import SplatOptions

PROPERTIES = (
    "x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity",
    "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3",
)  # fmt: skip
"""In the order of the authors' code; each a float32."""

SH_CONSTANT = 0.28209479177387814
"""Of spherical harmonics of degree 0."""

SIGMA_PX = 0.3
"""Standard deviation in pixels. Viewers widen every spot by 0.55 px for antialiasing: with that, wider ones blur the
picture, and narrower ones leave gaps as soon as the camera comes nearer."""

THICKNESS = 0.1
"""Of a disc, as a share of its smaller radius."""

LONGEST = 6.0
"""Discs are at most so many times as long as they are wide: needles at grazing angles stick out of their surface."""

HIDDEN_STEP = 2
"""Pixels a Gaussian of an imagined surface, each way: there is no finer detail in them."""

OPACITIES = (0.02, 0.995)
"""Less is left out, more is none: the logit has no end."""


@dataclass(frozen=True)
class Gaussians:
    """Splats in the camera frame, as numbers that mean something."""

    means: Float32  # (N, 3), scene units
    normals: Float32  # (N, 3), unit, towards the camera
    colours: Float32  # (N, 3), 0..1, sRGB
    opacities: Float32  # (N,), 0..1
    scales: Float32  # (N, 3), standard deviations, scene units
    rotations: Float32  # (N, 4), quaternions w x y z: from the disc's own axes to the frame


def write(scene: Scene, path: Path, options: SplatOptions, progress: ProductProgress) -> tuple[str, ...]:
    """Write the scene as a PLY of Gaussians.

    Raises:
        InputError: the scene has no surface (the photo is transparent everywhere).
        StorageError: the disk is full or refuses.
    """
    parts = list(_parts(scene, options.detail, progress))
    count = sum(len(part.means) for part in parts)
    if not count:
        raise InputError(
            "The scene has no surface that could be written.", hint="Choose a photo that isn't transparent everywhere."
        )
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment Diorama {__version__}, units: {scene.units}",
        f"element vertex {count}",
        *(f"property float {name}" for name in PROPERTIES),
        "end_header",
        "",
    ]
    with atomic.writing(path) as file:
        file.write("\n".join(header).encode("ascii"))
        for part in parts:
            file.write(_rows(part).tobytes())
    return (f"{count:,} Gaussians.",)


def gaussians(scene: Scene, detail: int) -> Gaussians:
    """All Gaussians of the scene.

    Args:
        detail: pixels along the photo's long side, a Gaussian each.
    """
    parts = list(_parts(scene, detail, lambda _share, _message: None))
    names = ("means", "normals", "colours", "opacities", "scales", "rotations")
    return Gaussians(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _rows(part: Gaussians) -> Float32:
    low, high = OPACITIES
    opacity = np.clip(part.opacities, low, high)
    columns = [
        part.means,
        part.normals,
        (part.colours - 0.5) / SH_CONSTANT,
        np.log(opacity / (1 - opacity))[:, None],
        np.log(part.scales),
        part.rotations,
    ]
    return np.ascontiguousarray(np.concatenate(columns, axis=1), "<f4")


def _parts(scene: Scene, detail: int, progress: ProductProgress) -> Iterator[Gaussians]:
    """The Gaussians mesh by mesh."""
    meshes = [mesh for mesh in scene.meshes if len(mesh.faces)]
    share = min(1.0, detail / max(scene.camera.width, scene.camera.height))
    camera = scene.camera.resized(max(1, round(scene.camera.width * share)), max(1, round(scene.camera.height * share)))
    for number, mesh in enumerate(meshes):
        progress(number / len(meshes), "Placing Gaussians")
        step = HIDDEN_STEP if mesh.imagined else 1
        own = camera.resized(max(1, camera.width // step), max(1, camera.height // step))
        yield _of_mesh(scene, mesh, own)


def _of_mesh(scene: Scene, mesh: Mesh, camera: Camera) -> Gaussians:
    from diorama.render import Renderer

    window = _window(mesh, camera)
    solid = Renderer(replace(scene, meshes=(replace(mesh, alpha=None),))).view(window)
    covered: Float32 = solid.alpha.astype(np.float32) / np.float32(255)
    there = np.isfinite(solid.z) & (covered > 0)
    # Edges are antialiased against black: the colour is what it is without.
    colours = solid.rgb.astype(np.float32) / 255 / np.maximum(covered, 1e-3)[..., None]
    if mesh.alpha is not None:
        covered *= _opacity(scene, mesh, window)
    there &= covered >= OPACITIES[0]
    return _discs(solid.z, np.clip(colours, 0, 1).astype(np.float32), covered, there, window)


def _window(mesh: Mesh, camera: Camera) -> Camera:
    """The camera cut down, or widened, to the pixels in which the mesh is seen."""
    z = np.maximum(mesh.vertices[:, 2], 1e-6)
    x, y = camera.fx * mesh.vertices[:, 0] / z + camera.cx, camera.fy * mesh.vertices[:, 1] / z + camera.cy
    wide, tall = camera.width, camera.height  # what was imagined beyond the frame is never farther off than this
    left, right = (int(np.clip(edge, -wide, 2 * wide)) for edge in (np.floor(x.min()), np.ceil(x.max())))
    top, bottom = (int(np.clip(edge, -tall, 2 * tall)) for edge in (np.floor(y.min()), np.ceil(y.max())))
    width, height = max(1, right - left), max(1, bottom - top)
    return Camera(camera.fx, camera.fy, camera.cx - left, camera.cy - top, width, height, camera.source)


def _opacity(scene: Scene, mesh: Mesh, camera: Camera) -> Float32:
    """(H, W) of a soft rim: how much of white is seen before black."""
    from diorama.render import Renderer

    white: UInt8 = np.full((1, 1, 3), 255, np.uint8)
    seen = Renderer(replace(scene, meshes=(mesh,), atlas=white)).view(camera)
    shown: Float32 = seen.rgb[..., 0].astype(np.float32) / np.float32(255)
    return shown


def _discs(z: Float32, colours: Float32, opacity: Float32, there: Bool, camera: Camera) -> Gaussians:
    """A disc for every pixel that is there."""
    rows, columns = np.nonzero(there)
    ray_x = ((columns + 0.5 - camera.cx) / camera.fx).astype(np.float32)
    ray_y = ((rows + 0.5 - camera.cy) / camera.fy).astype(np.float32)
    distance = z[there]
    rays = np.stack([ray_x, ray_y, np.ones_like(ray_x)], axis=1)
    means = rays * distance[:, None]
    normals = _normals(z, there, camera)[there]
    # A step of a pixel on the tangent plane: along the picture's axis, then along the ray back to the plane.
    facing = np.minimum((normals * rays).sum(axis=1), -1e-3)
    steps = []
    for axis, focal in ((0, camera.fx), (1, camera.fy)):
        step = -rays * (normals[:, axis] / facing)[:, None]
        step[:, axis] += 1
        steps.append(step * (distance / np.float32(focal))[:, None])
    axes, lengths = _axes(*steps)
    scales = np.concatenate([lengths * SIGMA_PX, lengths[:, 1:] * (SIGMA_PX * THICKNESS)], axis=1)
    return Gaussians(means, normals, colours[there], opacity[there], scales.astype(np.float32), _quaternions(axes))


def _normals(z: Float32, there: Bool, camera: Camera) -> Float32:
    from diorama.export.normals import normals
    from diorama.types import PointCloud

    # Beyond the mesh's edge: so far that the neighbour on the other side is the more alike one.
    filled = np.where(there, z, np.float32(1e6)).astype(np.float32)
    black = np.zeros((*z.shape, 3), np.uint8)
    found = normals(PointCloud(filled, black, there, camera))
    found[~np.isfinite(found).all(axis=-1)] = (0, 0, -1)
    return found


def _axes(across: Float32, down: Float32) -> tuple[Float32, Float32]:
    """The ellipse of two steps (N, 3) -> its axes with the normal, (N, 3, 3) in columns, and half-lengths (N, 2), the
    longer one first; both limited to `LONGEST` times the shorter one."""
    a, b, c = (across * across).sum(1), (across * down).sum(1), (down * down).sum(1)
    middle, half = (a + c) / 2, np.hypot((a - c) / 2, b)
    long, short = np.sqrt(middle + half), np.sqrt(np.maximum(middle - half, 1e-20))
    angle = np.arctan2(2 * b, a - c) / 2
    first = across * np.cos(angle)[:, None] + down * np.sin(angle)[:, None]
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-20)
    normal = np.cross(across, down)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-20)
    second = np.cross(normal, first)
    lengths = np.stack([np.minimum(long, LONGEST * short), short], axis=1)
    return np.stack([first, second, normal], axis=2).astype(np.float32), lengths.astype(np.float32)


def _quaternions(matrices: Float32) -> Float32:
    """(N, 3, 3) rotations -> (N, 4) w x y z, by the largest of the four components (Shepperd 1978)."""
    m: npt.NDArray[np.float64] = matrices.astype(float)
    xx, yy, zz = m[:, 0, 0], m[:, 1, 1], m[:, 2, 2]
    squares = np.stack([1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz], axis=1)
    p, q, r = m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]
    u, v, w = m[:, 0, 1] + m[:, 1, 0], m[:, 0, 2] + m[:, 2, 0], m[:, 1, 2] + m[:, 2, 1]
    table: list[list[Any]] = [
        [squares[:, 0], p, q, r], [p, squares[:, 1], u, v], [q, u, squares[:, 2], w], [r, v, w, squares[:, 3]],
    ]  # fmt: skip
    rows = np.stack([np.stack(row, axis=1) for row in table], axis=1)
    found = rows[np.arange(len(m)), squares.argmax(axis=1)]
    return np.ascontiguousarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)
