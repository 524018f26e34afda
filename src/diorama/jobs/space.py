"""Room on the disk: asked before something is begun, so that nothing is broken off half done."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from diorama.errors import SettingsError, StorageError

MARGIN = 300 << 20
"""Bytes that stay free (`DIORAMA_FREE_SPACE`): a step at the default settings writes about 100 MB, and others write,
too."""

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def bytes_of(text: str, name: str) -> int:
    """A number of bytes such as ``20GB``, ``500 MB`` or ``1000000``.

    Raises:
        SettingsError: it is none; `name` is what it was given for.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", text.strip().lower())
    if match is None:
        raise SettingsError(f"{name} is no number of bytes: '{text[:40]}'.", hint="Use something like 20GB or 500MB.")
    return int(float(match[1]) * _UNITS[match[2]])


def margin() -> int:
    """Bytes that stay free.

    Raises:
        SettingsError: `DIORAMA_FREE_SPACE` is no number of bytes.
    """
    text = os.environ.get("DIORAMA_FREE_SPACE", "")
    return bytes_of(text, "DIORAMA_FREE_SPACE") if text else MARGIN


def free(folder: Path) -> int:
    """Bytes that are free on the disk of a folder, which need not be there yet."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def require(folder: Path, wanted: int = 0) -> None:
    """Refuse to begin what would fill the disk of a folder.

    Args:
        wanted: bytes that are written for certain, beside the margin.

    Raises:
        StorageError: less than that and the margin is free.
    """
    have, need = free(folder), wanted + margin()
    if have < need:
        raise StorageError(
            f"The disk is almost full: {have / 1e6:.0f} MB are free, and {need / 1e6:.0f} MB are needed.",
            hint="Delete jobs that are not needed any more, or free some space on the server; then try again.",
        )
