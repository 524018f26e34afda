"""One picture to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diorama import atomic
from diorama.types import UInt8


def write_picture(rgb: UInt8, path: Path) -> None:
    """Write (H, W, 3) sRGB as JPEG or PNG, as the ending says.

    Raises:
        StorageError: the disk is full or refuses.
    """
    from PIL import Image

    # Full colour resolution: anaglyphs live by their colours.
    how: dict[str, Any] = {"format": "JPEG", "quality": 92, "subsampling": 0}
    with atomic.writing(path) as file:
        Image.fromarray(rgb).save(file, **({"format": "PNG"} if path.suffix.lower() == ".png" else how))
