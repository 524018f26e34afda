"""The files of a finished step: what the page shows and what the user downloads."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diorama import atomic, export
from diorama.export import ply

if TYPE_CHECKING:
    from diorama.types import Scene, UInt8

VERSION = 1
"""Raised when the files change though the stages didn't, so that older ones are not taken for them."""

PAGE_PIXELS = 2048
"""Long side of the photo and the depth map in the page."""

THUMBNAIL_PIXELS = 480
THUMBNAIL_MOVE = 0.045
"""Sideways move of the thumbnail's camera, as a share of the distance to the middle of the scene: enough to see that
it is one, too little to see behind things."""

PREVIEW_POINTS = 250_000
"""Points that a phone turns smoothly."""


@dataclass(frozen=True)
class Output:
    """One file of a step."""

    name: str
    label: str  # for a person
    media_type: str
    download: bool  # offered for download, not only shown
    write: Callable[[Scene, Path], None]


def make(scene: Scene, folder: Path, progress: Callable[[float], None]) -> None:
    """Write every file of the scene's step into `folder`, which appears whole or not at all.

    Raises:
        InputError: the scene has no surface (the photo is transparent everywhere).
        StorageError: the disk is full or refuses.
    """
    temporary = atomic.sibling(folder)
    with atomic.refusals(folder):
        try:
            temporary.mkdir(parents=True)
            for number, output in enumerate(OUTPUTS):
                progress(number / len(OUTPUTS))
                output.write(scene, temporary / output.name)
            _put(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _put(temporary: Path, folder: Path) -> None:
    """Rename `temporary` to `folder`, in the place of one from which files were taken away."""
    if folder.exists() and not is_made(folder):
        damaged = atomic.sibling(folder)
        folder.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    try:
        temporary.rename(folder)
    except OSError:
        if not is_made(folder):  # else another worker was faster: the same files
            raise


def is_made(folder: Path) -> bool:
    """Whether all files of the step are there."""
    return all((folder / output.name).is_file() for output in OUTPUTS)


def listing(folder: Path, step: str) -> list[dict[str, Any]]:
    """The files as the store keeps them; a name is ``<step>/<file>``."""
    return [
        {
            "name": f"{step}/{output.name}",
            "label": output.label,
            "bytes": (folder / output.name).stat().st_size,
            "media_type": output.media_type,
            "download": output.download,
        }
        for output in OUTPUTS
    ]


def _exported(name: str) -> Output:
    """A download in one of `export`'s formats."""

    def write(scene: Scene, path: Path) -> None:
        export.save(scene, path)

    found = export.format_of(name)
    return Output(name, found.label, found.media_type, True, write)


def _points_preview(scene: Scene, path: Path) -> None:
    ply.write_points(scene.points, path, units=scene.units, max_points=PREVIEW_POINTS)


def _photo(scene: Scene, path: Path) -> None:
    _write_jpeg(scene.photo.fitted(PAGE_PIXELS).rgb, path, quality=88)


def _depth_colours(scene: Scene, path: Path) -> None:
    """Near is bright, far is dark; the sky is black. Ranks rather than values, so that every part shows its shape."""
    import cv2
    import numpy as np

    inverse = scene.depth.inverse_depth
    low, high = (float(value) for value in np.percentile(inverse, (1, 99)))
    shade = np.clip((inverse - low) / max(high - low, 1e-9), 0, 1)
    colours = cv2.applyColorMap((shade * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    if scene.depth.sky is not None:
        colours[scene.depth.sky] = 0
    longest = max(inverse.shape)
    if longest > PAGE_PIXELS:
        size = (round(inverse.shape[1] * PAGE_PIXELS / longest), round(inverse.shape[0] * PAGE_PIXELS / longest))
        colours = cv2.resize(colours, size, interpolation=cv2.INTER_AREA)
    _write_jpeg(np.ascontiguousarray(colours[..., ::-1]), path, quality=90)


def _thumbnail(scene: Scene, path: Path) -> None:
    import numpy as np

    from diorama.render import render

    camera = scene.camera
    scale = min(1.0, THUMBNAIL_PIXELS / max(camera.width, camera.height))
    size = max(1, round(camera.width * scale)), max(1, round(camera.height * scale))
    middle = float(np.median(scene.points.z))
    # The camera moves right and up and turns back to the middle, so that the picture stays where it was.
    move = THUMBNAIL_MOVE * middle
    turn = float(np.degrees(np.arctan2(move, middle)))
    view = render(scene, translate=(move, -move / 2, 0.0), rotate=(-turn / 2, -turn, 0.0), size=size)
    _write_jpeg(view.rgb, path, quality=85)


def _write_jpeg(rgb: UInt8, path: Path, *, quality: int) -> None:
    import cv2

    done, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done  # JPEG takes every 8-bit picture of up to 65,500 pixels a side; all here are resized to less
    with atomic.writing(path) as file:
        file.write(data.tobytes())


OUTPUTS = (
    Output("photo.jpg", "Photo", "image/jpeg", False, _photo),
    Output("depth.jpg", "Depth map, coloured", "image/jpeg", False, _depth_colours),
    Output("thumbnail.jpg", "Thumbnail", "image/jpeg", False, _thumbnail),
    Output("points_preview.ply", "Point cloud, thinned", "application/octet-stream", False, _points_preview),
    *map(_exported, ("scene.glb", "mesh.ply", "points.ply", "depth.png", "depth.npy", "scene.diorama")),
)
