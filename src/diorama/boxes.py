"""The table of contents of a HEIF file (ISO/IEC 23008-12): items, their properties, what refers to what.

libheif decodes the pictures; what it doesn't hand on is read here: the notes of an auxiliary picture, what is turned
how, and the size that a header claims before any decoder sees the file. Nothing is copied but small notes, every length
is checked against its box, and every failure is a ValueError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_ITEMS = 4096
"""A 100-megapixel photo of Apple's has some 400: its tiles of 512 px and what comes with them."""

MAX_NOTE = 1 << 20
"""Bytes of an item that is read as a note; Apple's about a depth map have some 3 kB."""


@dataclass
class Item:
    """One picture or note of the file."""

    kind: str  # "hvc1", "grid", "mime", "Exif" ...
    properties: list[tuple[str, bytes]] = field(default_factory=list)  # in order; the box's content
    extents: list[tuple[int, int, int]] = field(default_factory=list)  # (0: in the file, 1: in idat), offset, length

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) before it is turned."""
        for kind, content in self.properties:
            if kind == "ispe" and len(content) >= 12:
                return struct.unpack(">II", content[4:12])
        return None

    @property
    def auxiliary_type(self) -> str:
        """What an auxiliary picture is: a URN; empty for others."""
        content = next((content for kind, content in self.properties if kind == "auxC"), b"")
        return content[4:].partition(b"\0")[0].decode("ascii", "replace")

    @property
    def turns(self) -> list[tuple[str, int]]:
        """`irot` (quarter turns anticlockwise), `imir` (0: top and bottom exchanged, 1: left and right), in order."""
        return [(kind, content[0] & 3) for kind, content in self.properties if kind in ("irot", "imir") and content]


@dataclass
class Contents:
    """What the file's `meta` box says."""

    primary: int
    items: dict[int, Item]
    references: list[tuple[str, int, int]]  # (kind, from, to)
    data: bytes
    idat: bytes

    def referring(self, kind: str, to: int) -> list[int]:
        """The items that refer to `to`, such as those that are auxiliary ("auxl") to it or describe it ("cdsc")."""
        return [source for found, source, target in self.references if found == kind and target == to]

    def referred(self, kind: str, source: int) -> list[int]:
        """The items that `source` refers to, such as a grid's tiles ("dimg")."""
        return [target for found, one, target in self.references if found == kind and one == source]

    def note(self, number: int) -> bytes:
        """A small item's bytes."""
        return self.payload(number, MAX_NOTE)

    def payload(self, number: int, limit: int | None = None) -> bytes:
        """An item's bytes; what lies beyond the file's end is left out where there is no limit."""
        parts = []
        total = 0
        for method, offset, length in self.items[number].extents:
            source = self.idat if method == 1 else self.data
            total += length
            if limit is not None and (total > limit or offset + length > len(source)):
                raise ValueError("a note is too long")
            if total > len(self.data) + len(self.idat):
                raise ValueError("an item is longer than the file")
            parts.append(source[offset : offset + length])
        return b"".join(parts)


class _Reader:
    """Numbers and texts from a box, one after the other."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> memoryview:
        if count < 0 or self.at + count > len(self.data):
            raise ValueError("a box ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self) -> str:
        rest = bytes(self.data[self.at : self.at + 4096])
        end = rest.find(b"\0")
        self.take(end + 1 if end >= 0 else len(rest))
        return rest[: max(end, 0) if end >= 0 else len(rest)].decode("utf-8", "replace")


def parse(data: bytes) -> Contents:
    """Read the `meta` box of a HEIF file.

    Raises:
        ValueError: it has none, or it is damaged.
    """
    meta = next((content for kind, content in _boxes(memoryview(data)) if kind == "meta"), None)
    if meta is None:
        raise ValueError("the file has no table of contents")
    found = dict(_boxes(meta[4:]))
    for needed in ("pitm", "iinf"):
        if needed not in found:
            raise ValueError(f"the file has no {needed} box")
    version, reader = _full(found["pitm"])
    primary = reader.number(2 if version == 0 else 4)
    items = _items(found["iinf"])
    if primary not in items:
        raise ValueError("the main picture is missing")
    if "iprp" in found:
        _add_properties(items, found["iprp"])
    if "iloc" in found:
        _add_places(items, found["iloc"])
    references = list(_references(found["iref"])) if "iref" in found else []
    return Contents(primary, items, references, data, bytes(found.get("idat", b"")))


def _boxes(data: memoryview) -> Iterator[tuple[str, memoryview]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = len(data) - at
        if size < head or at + size > len(data):
            if kind == b"mdat":  # cut off in the pixels: the decoder says so
                return
            raise ValueError("a box is longer than the file")
        yield kind.decode("latin-1"), data[at + head : at + size]
        at += size


def _full(box: memoryview) -> tuple[int, _Reader]:
    reader = _Reader(box)
    version = reader.number(1)
    reader.take(3)
    return version, reader


def _items(box: memoryview) -> dict[int, Item]:
    version, reader = _full(box)
    if reader.number(2 if version == 0 else 4) > MAX_ITEMS:
        raise ValueError("the file has too many items")
    items: dict[int, Item] = {}
    for kind, content in _boxes(box[reader.at :]):
        version, entry = _full(content)
        if kind != "infe" or version < 2:
            continue
        number = entry.number(2 if version == 2 else 4)
        entry.take(2)
        items[number] = Item(bytes(entry.take(4)).decode("latin-1"))
        if len(items) > MAX_ITEMS:
            raise ValueError("the file has too many items")
    return items


def _add_properties(items: dict[int, Item], box: memoryview) -> None:
    properties: list[tuple[str, memoryview]] = []
    for kind, content in _boxes(box):
        if kind == "ipco":
            properties = list(_boxes(content))
    for kind, content in _boxes(box):
        if kind != "ipma":
            continue
        version, reader = _full(content)
        wide = content[3] & 1
        for _ in range(reader.number(4)):
            number = reader.number(2 if version == 0 else 4)
            for _ in range(reader.number(1)):
                index = reader.number(2) & 0x7FFF if wide else reader.number(1) & 0x7F
                if number in items and 1 <= index <= len(properties):
                    found, value = properties[index - 1]
                    items[number].properties.append((found, bytes(value[:MAX_NOTE])))


def _add_places(items: dict[int, Item], box: memoryview) -> None:
    version, reader = _full(box)
    sizes = reader.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    for _ in range(reader.number(2 if version < 2 else 4)):
        number = reader.number(2 if version < 2 else 4)
        method = reader.number(2) & 15 if version else 0
        reader.take(2)
        base = reader.number(base_size)
        for _ in range(reader.number(2)):
            reader.take(index_size)
            offset, length = reader.number(offset_size), reader.number(length_size)
            if number in items:
                items[number].extents.append((method, base + offset, length))


def _references(box: memoryview) -> Iterator[tuple[str, int, int]]:
    version, reader = _full(box)
    size = 2 if version == 0 else 4
    for kind, content in _boxes(box[reader.at :]):
        entry = _Reader(content)
        source = entry.number(size)
        for _ in range(min(entry.number(2), MAX_ITEMS)):
            yield kind, source, entry.number(size)
