"""Segments to files: COCO JSON for other programs, the photo with its segments drawn on it for the eye."""

from __future__ import annotations

import json
from pathlib import Path

from diorama import atomic
from diorama.errors import FormatError
from diorama.types import Scene, Segments


def write_coco(scene: Scene, path: Path) -> None:
    """Write the segments as a COCO data set of one image, at the photo's size in the scene.

    Raises:
        FormatError: the scene has no segments.
        StorageError: the disk is full or refuses.
    """
    from diorama.segment.coco import coco

    found = coco(_segments(scene), scene.photo)
    # "replace": half a surrogate pair, which Python's names of files can hold and JSON's readers refuse.
    data = json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    with atomic.writing(path) as file:
        file.write(data)


def write_annotated(scene: Scene, path: Path) -> None:
    """Write the photo with every segment tinted, outlined and named, as PNG.

    Raises:
        FormatError: the scene has no segments.
        StorageError: the disk is full or refuses.
    """
    from PIL import Image

    from diorama.segment.coco import annotated_picture

    picture = annotated_picture(scene.photo, _segments(scene))
    with atomic.writing(path) as file:
        Image.fromarray(picture).save(file, "PNG")


def _segments(scene: Scene) -> Segments:
    if scene.segments is None:
        raise FormatError(
            f"The scene has no segments: it ends with the step '{scene.step}'.",
            hint="Make it again as far as the step 'enhanced'.",
        )
    return scene.segments
