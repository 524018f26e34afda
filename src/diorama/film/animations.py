"""Animated WebP and GIF through Pillow, without ffmpeg."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from diorama import atomic
from diorama.types import Float32, UInt8

COLOURS = 255
"""Of a GIF's palette; one more is what didn't change."""

SAMPLED = 12
"""Frames of a GIF that its palette is made for, evenly spread."""

BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16 - 15 / 32
"""Thresholds of an ordered dither: it stays where it is from frame to frame, where diffused errors crawl."""

DITHER = 20
"""Levels over which the dither is spread: about the distance of two colours of a palette of 256."""


class WebP:
    """Writes frames as they come: a RIFF file of still pictures, after Google's "WebP Container Specification"."""

    def __init__(self, file: BinaryIO, size: tuple[int, int], quality: int, loop: bool) -> None:
        self._file, self._size, self._quality = file, size, quality
        header = struct.pack("<I", 0x02) + _three(size[0] - 1) + _three(size[1] - 1)  # 0x02: animated
        repeat = struct.pack("<IH", 0xFF000000, 0 if loop else 1)  # black behind it; 0: for ever
        file.write(b"RIFF\0\0\0\0WEBP" + _chunk(b"VP8X", header) + _chunk(b"ANIM", repeat))

    def add(self, rgb: UInt8, milliseconds: int) -> None:
        """A frame, (H, W, 3), and how long it is shown."""
        from PIL import Image

        still = io.BytesIO()
        Image.fromarray(rgb).save(still, "WEBP", quality=self._quality, method=3)
        data = still.getvalue()
        picture = data[12:] if data[12:16] in (b"VP8 ", b"VP8L") else _payload(data)
        where = _three(0) + _three(0) + _three(self._size[0] - 1) + _three(self._size[1] - 1)
        # 0x02: it takes the place of the one before, and is not blended with it.
        self._file.write(_chunk(b"ANMF", where + _three(milliseconds) + b"\x02" + picture))

    def finish(self) -> None:
        """Write the file's length."""
        length = self._file.tell()
        self._file.seek(4)
        self._file.write(struct.pack("<I", length - 8))
        self._file.seek(length)


class Gif:
    """Keeps the frames until the end: all share one palette, which is made for all of them."""

    def __init__(self, file: BinaryIO, loop: bool) -> None:
        self._file, self._loop = file, loop
        self._frames: list[UInt8] = []
        self._times: list[int] = []

    def add(self, rgb: UInt8, milliseconds: int) -> None:
        """A frame, (H, W, 3), and how long it is shown."""
        self._frames.append(rgb)
        self._times.append(milliseconds)

    def finish(self) -> None:
        """Find the palette, and write the file."""
        from PIL import Image

        chosen = np.linspace(0, len(self._frames) - 1, min(SAMPLED, len(self._frames))).round().astype(int)
        sample = np.concatenate([self._frames[k][::2, ::2] for k in chosen])
        palette = Image.fromarray(sample).quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        dither = _dither(self._frames[0].shape[0], self._frames[0].shape[1])
        pictures = []
        for k, frame in enumerate(self._frames):
            noisy = np.clip(frame + dither, 0, 255).astype(np.uint8)
            pictures.append(Image.fromarray(noisy).quantize(palette=palette, dither=Image.Dither.NONE))
            self._frames[k] = frame[:0]  # its memory is the picture's now
        repeat = {"loop": 0} if self._loop else {}
        pictures[0].save(
            self._file, "GIF", save_all=True, append_images=pictures[1:], duration=self._times, disposal=1, **repeat
        )


@contextmanager
def writing(path: Path, size: tuple[int, int], quality: int, loop: bool) -> Iterator[WebP | Gif]:
    """Frames given within the block become the animation at `path` once it has ended without an error.

    Raises:
        StorageError: the disk is full or refuses.
    """
    with atomic.writing(path) as file:
        made: WebP | Gif = WebP(file, size, quality, loop) if path.suffix.lower() == ".webp" else Gif(file, loop)
        yield made
        made.finish()


def _dither(height: int, width: int) -> Float32:
    tiled = np.tile(BAYER, (height // 4 + 1, width // 4 + 1))[:height, :width]
    return np.asarray(tiled[..., None] * DITHER, np.float32)


def _three(value: int) -> bytes:
    return struct.pack("<I", value)[:3]


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _payload(data: bytes) -> bytes:
    """The picture's own chunks of an extended still file."""
    at, found = 12, b""
    while at + 8 <= len(data):
        name, length = data[at : at + 4], struct.unpack("<I", data[at + 4 : at + 8])[0]
        end = at + 8 + length + length % 2
        if name in (b"ALPH", b"VP8 ", b"VP8L"):
            found += data[at:end]
        at = end
    return found
