"""What tells a photo or a file from others, so that a checkpoint of another one is never taken for it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diorama.types import Photo

if TYPE_CHECKING:
    from PIL import Image

    Source = str | Path | bytes | Image.Image | np.ndarray[Any, Any] | Photo


def of(source: Source) -> str:
    """A digest of the pixels, of the file's bytes, or the path of a file that can't be read."""
    if isinstance(source, Photo):
        digest = hashlib.sha256(source.rgb.tobytes())
        digest.update(b"" if source.alpha is None else source.alpha.tobytes())
        return f"{digest.hexdigest()} {source.camera}"
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    if isinstance(source, (str, Path)):
        return of_file(Path(source))
    pixels = np.asarray(source)
    return f"{pixels.shape} {pixels.dtype} {hashlib.sha256(pixels.tobytes()).hexdigest()}"


def of_file(path: Path) -> str:
    """A digest of the file's bytes, or its path where it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return str(path)  # the stage that reads the file says what is wrong with it
