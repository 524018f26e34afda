"""Scenes to files: one module a format, one table of them all, chosen by the file's ending."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diorama.errors import FormatError
from diorama.export.depthmap import write_depth
from diorama.products import FORMATS, PRODUCTS, Product, ProductProgress
from diorama.types import Scene

__all__ = ["FORMATS", "PRODUCTS", "Product", "format_of", "product", "save", "write_depth"]


def save(scene: Scene, path: str | Path, *, progress: ProductProgress | None = None, **options: Any) -> tuple[str, ...]:
    """Write the scene to a file whose ending says the format (`FORMATS`).

    Args:
        progress: called with the share that is done and a sentence.
        options: the format's own (`PRODUCTS[name].options`).

    Returns:
        Sentences: what a person should know of the file.

    Raises:
        FormatError: the ending names no format, one that needs a later step's scene, or an extra that isn't installed.
        SettingsError: an option is unknown or its value out of range.
        InputError: the scene has no surface (the photo is transparent everywhere).
        StorageError: the disk is full or refuses.
    """
    path = Path(path)
    made = format_of(path)
    return made.write(scene, path, made.parse(options), progress)


def product(name: str) -> Product:
    """The product of that name.

    Raises:
        FormatError: there is none.
    """
    made = PRODUCTS.get(name.lower().removeprefix("."))
    if made is None:
        raise FormatError(f"There is no format named '{name[:60]}'.", hint=f"Use one of: {', '.join(PRODUCTS)}.")
    return made


def format_of(path: str | Path) -> Product:
    """The format that a file's name asks for.

    Raises:
        FormatError: the ending names no format.
    """
    name = Path(path).name.lower()
    endings = [ending for ending in FORMATS if name.endswith(ending) or (name == ending[1:] and "." in name)]
    if not endings:
        raise FormatError(
            f"A scene can't be written as '{Path(path).name or path}'.",
            hint=f"Use one of the endings {', '.join(FORMATS)}.",
        )
    return FORMATS[max(endings, key=len)]
