"""XMP packets (ISO 16684-1): values by namespace and name, from JPEG's segments put together again.

Values are attributes or elements as the writer liked; both are found. A packet that declares entities is refused, since
no honest one does.
"""

from __future__ import annotations

import hashlib
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
NOTE = "http://ns.adobe.com/xmp/note/"
_MAIN = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"

MAX_BYTES = 64 << 20
"""As long as a whole photo may be."""


class Xmp:
    """One or several packets of one picture."""

    def __init__(self, roots: list[ET.Element]) -> None:
        self.roots = roots

    def value(self, namespace: str, name: str) -> str | None:
        """The first value of that name, anywhere."""
        return next((found for root in self.roots if (found := value(root, namespace, name)) is not None), None)

    def elements(self, namespace: str, name: str) -> Iterator[ET.Element]:
        """Every element of that name."""
        for root in self.roots:
            yield from root.iter(f"{{{namespace}}}{name}")

    def __bool__(self) -> bool:
        return bool(self.roots)


def value(element: ET.Element, namespace: str, name: str) -> str | None:
    """The first value of that name within an element."""
    key = f"{{{namespace}}}{name}"
    for part in element.iter():
        if key in part.attrib:
            return part.attrib[key].strip()
        if part.tag == key and part.text and part.text.strip():
            return part.text.strip()
    return None


def sequence(element: ET.Element) -> list[str]:
    """The texts of an ``rdf:Seq`` within an element."""
    return [(part.text or "").strip() for part in element.iter(f"{{{RDF}}}li")]


def parse(packets: Iterable[bytes]) -> Xmp:
    """Read packets.

    Raises:
        ValueError: one is no XML, or declares entities.
    """
    roots = []
    for packet in packets:
        packet = packet.strip(b"\0 \t\r\n")
        plain = packet.replace(b"\0", b"")  # in whatever encoding
        if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
            raise ValueError("the XMP data declare entities")
        try:
            roots.append(ET.fromstring(packet))
        except (ET.ParseError, LookupError) as error:
            raise ValueError(f"the XMP data are no XML: {error}") from error
    return Xmp(roots)


def of_jpeg(segments: Iterable[tuple[str, bytes]]) -> tuple[Xmp, list[str]]:
    """The XMP of a JPEG's application segments (Pillow's ``applist``), long values from its extension included.

    Returns:
        What could be read, and warnings.
    """
    main = b""
    pieces: dict[bytes, dict[int, bytes]] = {}
    lengths: dict[bytes, int] = {}
    for name, content in segments:
        if name != "APP1":
            continue
        if content.startswith(_MAIN) and not main:
            main = content[len(_MAIN) :]
        elif content.startswith(_EXTENSION) and len(content) >= len(_EXTENSION) + 40:
            head = content[len(_EXTENSION) : len(_EXTENSION) + 40]
            which = head[:32].upper()
            lengths[which], offset = struct.unpack(">II", head[32:])
            pieces.setdefault(which, {})[offset] = content[len(_EXTENSION) + 40 :]
    if not main:
        return Xmp([]), []
    try:
        found = parse([main])
    except ValueError:
        return Xmp([]), ["The photo's XMP data are damaged and were ignored."]
    name_of_rest = (found.value(NOTE, "HasExtendedXMP") or "").upper().encode("ascii", "replace")
    if not name_of_rest:
        return found, []
    rest = _joined(pieces.get(name_of_rest, {}), lengths.get(name_of_rest, -1))
    # Its name is the checksum of its content (XMP part 3, 1.1.3.1).
    if rest is None or hashlib.md5(rest, usedforsecurity=False).hexdigest().upper().encode() != name_of_rest:
        return found, ["A part of the photo's XMP data is missing or damaged and was ignored."]
    try:
        return Xmp(found.roots + parse([rest]).roots), []
    except ValueError:
        return found, ["A part of the photo's XMP data is damaged and was ignored."]


def _joined(pieces: dict[int, bytes], length: int) -> bytes | None:
    """The pieces by their offsets; None where one is missing."""
    if not 0 < length <= MAX_BYTES:
        return None
    joined = bytearray()
    for offset in sorted(pieces):
        if offset != len(joined):
            return None
        joined += pieces[offset]
    return bytes(joined) if len(joined) == length else None
