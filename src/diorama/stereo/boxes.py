"""What tells a player that an MP4 film is stereo: boxes in its video track, after Google's "Spherical Video V2 RFC"."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from diorama import atomic

_TOP_BOTTOM, _LEFT_RIGHT = 1, 2
_QUARTER = 1 << 30  # of 2 ** 32: what is missing on either side of 180 degrees

_WAY = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_ENTRIES = (b"avc1", b"hvc1", b"vp09")


def stereo(*, over_under: bool) -> bytes:
    """The box that says how the two views lie in the picture."""
    return _full(b"st3d", bytes([_TOP_BOTTOM if over_under else _LEFT_RIGHT]))


def half_sphere() -> bytes:
    """The boxes that say that each view is half a sphere in equirectangular projection."""
    pose = _full(b"prhd", struct.pack(">iii", 0, 0, 0))
    bounds = _full(b"equi", struct.pack(">IIII", 0, 0, _QUARTER, _QUARTER))  # top, bottom, left, right
    return _box(b"sv3d", _full(b"svhd", b"Diorama\0") + _box(b"proj", pose + bounds))


def mark(path: Path, added: bytes) -> None:
    """Add boxes to the video track of an MP4 file whose index comes first.

    Raises:
        StorageError: the disk is full or refuses.
    """
    temporary = atomic.sibling(path)
    with atomic.refusals(path):
        try:
            with path.open("rb") as old, temporary.open("xb") as new:
                while len(head := old.read(8)) == 8:
                    length, name = struct.unpack(">I4s", head)
                    if name == b"moov":
                        new.write(_marked(head + old.read(length - 8), added))
                        break
                    new.write(head + old.read(length - 8))
                shutil.copyfileobj(old, new, 1 << 20)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _marked(moov: bytes, added: bytes) -> bytes:
    """The index with the boxes at the end of the first sample entry; what follows it in the file lies farther back."""
    data = bytearray(moov)
    at, parents = 0, []
    for name in _WAY:
        start = at if name == b"moov" else _child(data, at, name)
        parents.append(start)
        at = start + (16 if name == b"stsd" else 8)
    entry = at  # the first and only one
    assert bytes(data[entry + 4 : entry + 8]) in _ENTRIES
    end = entry + struct.unpack_from(">I", data, entry)[0]
    table = parents[_WAY.index(b"stbl")] + 8
    offsets = _child(data, table, b"stco")
    count = struct.unpack_from(">I", data, offsets + 12)[0]
    for k in range(count):
        place = offsets + 16 + 4 * k
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + len(added))
    for start in (*parents, entry):
        struct.pack_into(">I", data, start, struct.unpack_from(">I", data, start)[0] + len(added))
    data[end:end] = added
    return bytes(data)


def _child(data: bytearray, at: int, name: bytes) -> int:
    while bytes(data[at + 4 : at + 8]) != name:
        at += struct.unpack_from(">I", data, at)[0]
    return at


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


def _full(name: bytes, content: bytes) -> bytes:
    return _box(name, bytes(4) + content)
