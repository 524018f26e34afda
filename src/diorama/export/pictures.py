"""Normals and mask as OpenEXR and PNG, the photo beside its depth, and quilts for Looking Glass displays."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from diorama import atomic
from diorama.errors import InputError
from diorama.export.depthmap import resized
from diorama.export.normals import normals
from diorama.products import Options, ProductProgress
from diorama.products.pictures import QuiltOptions, quilt_name
from diorama.types import Bool, DepthMap, Scene, UInt8

TRAVEL_SHARE = 0.95
"""Of the allowed travel, for a quilt's outermost views."""

MOST_CROP = 1.6
"""By which a quilt's picture may be enlarged, so that no view looks beyond the photo's frame."""

MOST_PIXELS = 8192
"""Of a quilt's side: what graphics chips take."""


def write_normals_exr(scene: Scene, path: Path, _options: Options, _progress: ProductProgress) -> tuple[str, ...]:
    """Write unit normals as the channels N.X (right), N.Y (up), N.Z (towards the viewer), float32, a pixel a point."""
    depth = scene.depth
    if depth.normals is None:
        found = normals(scene.points)
    else:
        found = depth.normals.astype(np.float32) / np.float32(127.5) - np.float32(1)
        found /= np.maximum(np.linalg.norm(found, axis=2, keepdims=True), np.float32(1e-6))
    found[~_surface(scene)] = (0, 0, -1)
    turned = found * np.array([1, -1, -1], np.float32)
    _exr(path, {f"N.{name}": turned[..., i] for i, name in enumerate("XYZ")}, "Normals: right, up, to the viewer.")
    return ()


def write_mask_png(scene: Scene, path: Path, _options: Options, _progress: ProductProgress) -> tuple[str, ...]:
    """Write where there is a surface of known distance (255), and sky, transparency or nothing measured (0)."""
    _png(path, np.where(_surface(scene), 255, 0).astype(np.uint8))
    return ()


def write_mask_exr(scene: Scene, path: Path, _options: Options, _progress: ProductProgress) -> tuple[str, ...]:
    """Write the same as the channel A, 1 and 0."""
    _exr(path, {"A": _surface(scene).astype(np.float32)}, "A: 1 where there is a surface of known distance.")
    return ()


def write_rgbd(scene: Scene, path: Path, _options: Options, _progress: ProductProgress) -> tuple[str, ...]:
    """Write the photo and, to its right, its inverse depth in grey, near white, at the photo's size."""
    photo = scene.photo
    depth = resized(scene.depth, (photo.width, photo.height))
    _png(path, np.concatenate([photo.rgb, np.repeat(_grey(depth)[..., None], 3, axis=2)], axis=1))
    return ()


def write_quilt(scene: Scene, path: Path, options: QuiltOptions, progress: ProductProgress) -> tuple[str, ...]:
    """Write a quilt: columns x rows views from left to right, the first one at the lower left.

    The camera moves sideways and its lens is shifted, so that what stands at the subject's distance stays in place.

    Raises:
        InputError: the quilt would be too large.
        StorageError: the disk is full or refuses.
    """
    from diorama.film.poses import Framing, Pose, depths, subject_depth
    from diorama.render import Renderer

    size = tile(options)
    wide, tall = size[0] * options.columns, size[1] * options.rows
    if max(wide, tall) > MOST_PIXELS:
        raise InputError(
            f"A quilt of {wide} x {tall} pixels is too large.",
            hint=f"Give smaller tiles: at most {MOST_PIXELS} a side.",
        )
    framing = Framing.of(scene, *size)
    near, far = depths(scene)
    pivot = min(max(subject_depth(scene), near), far)
    count = options.columns * options.rows
    travel = framing.reach * TRAVEL_SHARE * options.spread
    while True:
        poses = [Pose((float(x), 0.0, 0.0), pivot=pivot) for x in np.linspace(-travel, travel, count)]
        ends = [poses[0], poses[-1]]
        crop = framing.crop_for(ends, MOST_CROP)
        if (framing.outside(ends, crop) <= 0 and framing.used(ends, crop) <= 1) or travel < 1e-3 * framing.reach:
            break
        travel *= 0.9
    renderer = Renderer(scene)
    quilt = np.zeros((tall, wide, 3), np.uint8)
    covered = 1.0
    for number, pose in enumerate(poses):
        progress(number / count, "Drawing the views")
        seen = renderer.view(framing.lens(pose, crop), framing.place(pose))
        covered = min(covered, float((seen.alpha == 255).mean()))
        row, column = options.rows - 1 - number // options.columns, number % options.columns
        quilt[row * size[1] : (row + 1) * size[1], column * size[0] : (column + 1) * size[0]] = seen.rgb
    _png(path, quilt)
    notes = [f"{count} views of {size[0]} x {size[1]} pixels."]
    wanted = quilt_name("", options)
    if not path.name.endswith(wanted):
        notes.append(f"Looking Glass's programs read the layout from a name that ends with {wanted}.")
    if covered < 1:
        notes.append(f"Up to {1 - covered:.2%} of a view shows nothing: the scene has no surface there.")
    return tuple(notes)


def tile(options: QuiltOptions) -> tuple[int, int]:
    """(width, height) of a view."""
    return options.tile_width, max(1, round(options.tile_width / options.aspect))


def _surface(scene: Scene) -> Bool:
    there = scene.points.mask.copy()
    if scene.depth.sky is not None:
        there &= ~scene.depth.sky
    return there


def _grey(depth: DepthMap) -> UInt8:
    inverse = depth.inverse_depth
    high = float(inverse.max())
    return np.asarray(np.rint(inverse / max(high, 1e-9) * 255), np.uint8)


def _png(path: Path, pixels: UInt8) -> None:
    from PIL import Image

    with atomic.writing(path) as file:
        Image.fromarray(pixels).save(file, "PNG", compress_level=4)


def _exr(path: Path, channels: dict[str, Any], about: str) -> None:
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, "comments": about}
    buffer = io.BytesIO()
    OpenEXR.File(header, {name: np.ascontiguousarray(values) for name, values in channels.items()}).write(buffer)
    with atomic.writing(path) as file:
        file.write(buffer.getvalue())
