"""Files that are there whole or not at all, and what a disk says when it refuses, as a sentence."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from diorama.errors import StorageError

SIBLINGS = ".diorama-*.tmp"
"""The names of unfinished files and folders."""


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes `path`'s place once the block has ended without an error.

    Until then it is a hidden sibling, so that nobody sees half a file and an older one stays when writing fails.

    Raises:
        StorageError: the folder isn't there, or the disk is full or refuses.
    """
    temporary = sibling(path)
    with refusals(path):
        try:
            with temporary.open("xb") as file:
                yield file
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def sibling(path: Path) -> Path:
    """A hidden name beside `path` that nobody uses."""
    return path.with_name(SIBLINGS.replace("*", secrets.token_hex(8)))


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Turn the system's refusals while `path` is written into StorageError.

    Raises:
        StorageError: instead of any OSError of the block.
    """
    try:
        yield
    except OSError as error:
        raise _translated(path, error) from error


def _translated(path: Path, error: OSError) -> StorageError:
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return StorageError(
            f"The disk that holds {path.parent} is full.", hint="Free some space or choose another folder."
        )
    if not path.parent.is_dir():
        return StorageError(f"There is no folder {path.parent}.", hint="Make it first, or choose another folder.")
    if path.is_dir():
        return StorageError(f"{path} is a folder.", hint="Give the name of a file in it.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(f"{path} may not be written.", hint="Choose another folder, or allow yourself to write it.")
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StorageError(f"{path} can't be written: {reason}.", hint="Choose another name or folder.")
