"""A scene to film, and a film's file, read again without the code that wrote it."""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from diorama.film.ffmpeg import needed
from diorama.layered import build
from diorama.settings import Settings
from diorama.types import Scene, Segment, Segments
from scenes import tiny_scene


def enhanced_scene() -> Scene:
    """An enhanced scene of a box before a wall, made by the step itself: what is behind the box is there."""
    flat = tiny_scene(96, 64, texture=2)
    labels = np.where(flat.points.z < 2, 2, 1).astype(np.int32)

    def thing(id: int, name: str, kind: str) -> Segment:
        rows, columns = np.nonzero(labels == id)
        box = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
        return Segment(id, name, kind, box, len(rows), 1.0, 4.0)  # type: ignore[arg-type]

    segments = Segments(labels, (thing(1, "Wall", "wall"), thing(2, "Box", "object")))
    plain = lambda rgb, hole, *_: np.where(hole[..., None], np.uint8(90), rgb)  # noqa: E731
    layered, _ = build(flat.points, flat.cuts, flat.photo, segments, Settings(), plain)
    return replace(
        flat, step="enhanced", meshes=layered.meshes, atlas=layered.atlas, segments=segments, settings=Settings()
    )


@dataclass(frozen=True)
class Track:
    """What a player finds out."""

    codec: str
    size: tuple[int, int]
    fps: float
    tags: str  # pixel format, range, primaries, matrix, transfer
    frames: np.ndarray  # (N, H, W, 3)


def read_film(path: Path) -> Track:
    """Decode every frame by ffmpeg."""
    ffmpeg = needed(path.name)
    line = [
        ffmpeg,
        "-hide_banner",
        "-i",
        str(path),
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-fps_mode",
        "passthrough",
        "-",
    ]
    done = subprocess.run(line, capture_output=True, check=True)
    said = re.search(
        r"Stream #0:0.*?Video: (\w+).*?, (yuv\w+\([^)]*\)|\w+).*?, (\d+)x(\d+).*?, ([\d.]+) fps", done.stderr.decode()
    )
    assert said is not None, done.stderr.decode()
    width, height = int(said[3]), int(said[4])
    frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)
    return Track(said[1], (width, height), float(said[5]), said[2], frames)


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """The boxes of an MP4 file (ISO 14496-12), or of one of them: name and content."""
    found, at = [], 0
    while at + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        head = 8
        if length == 1:
            length, head = struct.unpack(">Q", data[at + 8 : at + 16])[0], 16
        end = at + length if length else len(data)
        found.append((name, data[at + head : end]))
        at = end
    return found


def box(data: bytes, *path: bytes) -> bytes:
    """The content of the box at a path of names."""
    for name in path:
        data = dict(boxes(data))[name]
    return data
