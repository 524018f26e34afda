"""What a decoder may run into, for `decoder.Decoder(reader="odd_readers:NAME")`; called as `photo.read`."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from diorama import photo
from diorama.errors import PhotoError
from diorama.settings import Settings
from diorama.types import Photo


def crash(_path: Path, _settings: Settings) -> Photo:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def leave(_path: Path, _settings: Settings) -> Photo:
    os._exit(3)


def fail(_path: Path, _settings: Settings) -> Photo:
    raise ValueError("nobody has thought of this")


def burn(_path: Path, _settings: Settings) -> Photo:
    while True:
        pass


def hang(_path: Path, _settings: Settings) -> Photo:
    time.sleep(600)
    raise AssertionError


def swell(_path: Path, _settings: Settings) -> Photo:
    kept = []
    for _ in range(8):  # a gigabyte, and no more where nothing stops it
        kept.append(np.ones(1 << 24))
    raise PhotoError("nothing stopped it", hint="")


def write(path: Path, _settings: Settings) -> Photo:
    try:
        path.with_name("written").write_text("x" * 10_000)
    except OSError as error:
        raise PhotoError(f"refused: {error.strerror}", hint="") from error
    raise AssertionError


def hoard(path: Path, _settings: Settings) -> Photo:
    kept = []
    try:
        while True:
            kept.append(path.open("rb"))
    except OSError as error:
        raise PhotoError(f"refused: {error.strerror}", hint="") from error


def environment(_path: Path, _settings: Settings) -> Photo:
    raise PhotoError(" ".join(os.environ), hint="")


def by_name(path: Path, settings: Settings) -> Photo:
    """Crashes at photos that are named so, and reads others."""
    if path.name.startswith("crash"):
        crash(path, settings)
    return photo.read(path, settings)
