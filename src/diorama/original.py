"""The stages of step 2, "original": what the photo alone gives.

photo        Photo           at texture size
depth        DepthMap        at processing size
corrections  DepthMap        as a person has corrected it
points       PointCloud      each pixel in space
mesh         Cuts, Mesh      joined into surfaces
"""

from __future__ import annotations

import numpy as np

from diorama.settings import Settings
from diorama.types import Correction, Cuts, DepthMap, Mesh, Photo, PointCloud, Progress


def photo(full: Photo, settings: Settings) -> tuple[Photo, str, str, tuple[str, ...]]:
    camera = full.camera
    reason = {
        "calibration": "focal length as the phone calibrated it, from the photo's file",
        "exif": "focal length from the photo's EXIF data",
        "user": "focal length as given",
        "model": "focal length from the depth model",
        "optimized": "focal length as an earlier scene's optimisation found it",
        "assumed": "no focal length in the photo: the depth model gives one, or one is assumed",
    }[camera.source]
    return full.fitted(settings.texture_size), "pillow", reason, full.warnings


def depth(
    full: Photo, settings: Settings, fetch: bool, progress: Progress
) -> tuple[DepthMap, str, str, tuple[str, ...]]:
    from diorama import depth as backends

    result, reason = backends.estimate(full, settings, fetch=fetch, progress=progress)
    warnings = result.warnings
    if result.camera.source == "assumed":
        warnings += (
            f"The photo names no focal length; a field of view of {result.camera.fov_x:.0f}° is assumed. "
            "Set the field of view if you know it.",
        )
    elif full.camera.source == "assumed":
        reason += f" It sees a field of view of {result.camera.fov_x:.0f}°; the photo names none."
    return result, result.model, reason, warnings


def corrected(
    depth: DepthMap, photo: Photo, strokes: tuple[Correction, ...]
) -> tuple[DepthMap, str, str, tuple[str, ...]]:
    from diorama.depth.correct import correct

    kinds = [stroke.kind for stroke in strokes]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    return correct(depth, photo.rgb, strokes), "brush", f"Corrected by hand: {counts}.", ()


def points(depth: DepthMap, photo: Photo, settings: Settings) -> tuple[PointCloud, str, str, tuple[str, ...]]:
    from diorama.cuts import clean
    from diorama.points import unproject

    points = clean(unproject(depth, photo, settings), settings)
    return points, "pinhole", "unprojected through the photo's camera", ()


def uncut(points: PointCloud) -> Cuts:
    """No cuts, before there are any."""
    height, width = points.z.shape
    return Cuts(np.zeros((height, max(0, width - 1)), bool), np.zeros((max(0, height - 1), width), bool))


def mesh(
    points: PointCloud, depth: DepthMap, settings: Settings
) -> tuple[tuple[Cuts, tuple[Mesh, ...]], str, str, tuple[str, ...]]:
    from diorama.cuts import by_hand, find_cuts
    from diorama.mesh import triangulate

    cuts = by_hand(find_cuts(points, settings), depth)
    mesh, warnings = triangulate(points, cuts, settings.triangles)
    return (cuts, (mesh,)), "quadtree", "adaptive grid with cuts at depth edges", warnings
