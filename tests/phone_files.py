"""Files as phones make them, put together by hand: the pictures by heif-enc and Pillow, the boxes and packets here.

Nothing of Diorama's own readers is used, so that what they read was written by others.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import tools
from bad_inputs import encoded, png16

APPLE_DEPTH_TYPE = b"urn:mpeg:hevc:2015:auxid:2\0"
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'

Pixels = npt.NDArray[Any]


# ---- HEIC ------------------------------------------------------------------------------------------------------------


def heic(pixels: Pixels, *options: str) -> bytes:
    """A picture as HEIC, encoded by libheif's own program; grey ones lossless unless options are given."""
    return _heic(pixels.tobytes(), pixels.shape, pixels.dtype.str, options or (("-L",) if pixels.ndim == 2 else ()))


@functools.cache
def _heic(content: bytes, shape: tuple[int, ...], dtype: str, options: tuple[str, ...]) -> bytes:
    pixels = np.frombuffer(content, dtype).reshape(shape)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "a.png"), Path(folder, "a.heic")
        source.write_bytes(png16(pixels) if dtype == "<u2" else encoded(Image.fromarray(pixels), "PNG"))
        command = [tools.need("heif-enc"), *options, source, "-o", target]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return target.read_bytes()


def box(kind: bytes, *content: bytes) -> bytes:
    """One box of an ISO file."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    """One with a version."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def find_box(data: bytes, kind: bytes) -> bytes:
    """The first box of its kind, head included: heif-enc's files are simple enough to look for its name."""
    at = data.index(kind) - 4
    return data[at : at + int.from_bytes(data[at : at + 4], "big")]


def portrait(
    pixels: Pixels,
    depth: Pixels,
    notes: bytes = b"",
    *,
    turns: Sequence[bytes] = (),
    depth_turns: Sequence[bytes] | None = None,
    depth_type: bytes = APPLE_DEPTH_TYPE,
    damage: int = 0,
    tiled: bool = False,
) -> bytes:
    """A HEIC file with an auxiliary depth picture and XMP about it, as iPhones make them.

    Args:
        pixels, depth: (H, W, 3) and (h, w) uint8, as they are stored; multiples of 64 lest heif-enc crops them.
        notes: the XMP of the depth picture; none where empty.
        turns: `irot` and `imir` boxes of the picture; `depth_turns` those of the depth (None: the same).
        damage: how many of the depth's coded bytes are overwritten.
        tiled: the picture is a grid of 2 x 2 coded ones.
    """
    items = _Items()
    height, width = pixels.shape[:2]
    if tiled:
        grid = struct.pack(">BBBBHH", 0, 0, 1, 1, width, height)
        size = full_box(b"ispe", struct.pack(">II", width, height))
        items.add(b"grid", grid, [size, *turns])
        for y in (0, height // 2):
            for x in (0, width // 2):
                tile = np.ascontiguousarray(pixels[y : y + height // 2, x : x + width // 2])
                items.refer(b"dimg", 1, items.add_coded(heic(tile), hidden=True))
    else:
        items.add_coded(heic(pixels), list(turns))
    more = [full_box(b"auxC", depth_type), *(turns if depth_turns is None else depth_turns)]
    number = items.add_coded(heic(depth), more, hidden=True, damage=damage)
    items.refer(b"auxl", number, 1)
    if notes:
        items.refer(b"cdsc", items.add(b"mime", notes, [], b"application/rdf+xml\0", hidden=True), number)
    return items.file()


class _Items:
    """A HEIF file while it is put together; the first item is its main picture."""

    def __init__(self) -> None:
        self.infos: list[bytes] = []
        self.payloads: list[bytes] = []
        self.properties: list[bytes] = []
        self.associations = b""
        self.references: dict[tuple[bytes, int], list[int]] = {}

    def add(
        self, kind: bytes, payload: bytes, properties: Sequence[bytes], more: bytes = b"", *, hidden: bool = False
    ) -> int:
        number = len(self.payloads) + 1
        self.payloads.append(payload)
        content = struct.pack(">HH", number, 0) + kind + b"\0" + more
        self.infos.append(full_box(b"infe", content, version=2, flags=int(hidden)))
        first = len(self.properties) + 1
        self.properties += properties
        self.associations += struct.pack(">HB", number, len(properties))
        self.associations += bytes(first + i | (0x80 if i == 0 else 0) for i in range(len(properties)))
        return number

    def add_coded(self, file: bytes, more: Sequence[bytes] = (), *, hidden: bool = False, damage: int = 0) -> int:
        """The picture of one of heif-enc's files."""
        payload = find_box(file, b"mdat")[8:]
        own = [find_box(file, kind) for kind in (b"hvcC", b"ispe", b"pixi")]
        return self.add(b"hvc1", b"\xff" * damage + payload[damage:], [*own, *more], hidden=hidden)

    def refer(self, kind: bytes, source: int, target: int) -> None:
        self.references.setdefault((kind, source), []).append(target)

    def file(self) -> bytes:
        references = b"".join(
            box(kind, struct.pack(">HH", source, len(targets)), struct.pack(f">{len(targets)}H", *targets))
            for (kind, source), targets in self.references.items()
        )
        count = len(self.payloads)
        head, start = b"", 0
        for _ in range(2):  # the first time for the length of what goes before the payloads
            places, offset = b"", start
            for number, payload in enumerate(self.payloads, 1):
                places += struct.pack(">HHHII", number, 0, 1, offset, len(payload))
                offset += len(payload)
            meta = full_box(
                b"meta",
                full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
                full_box(b"pitm", struct.pack(">H", 1)),
                full_box(b"iloc", struct.pack(">HH", 0x4400, count), places),
                full_box(b"iinf", struct.pack(">H", count), *self.infos),
                full_box(b"iref", references),
                box(
                    b"iprp",
                    box(b"ipco", *self.properties),
                    full_box(b"ipma", struct.pack(">I", count), self.associations),
                ),
            )
            head = box(b"ftyp", b"heic", bytes(4), b"mif1heic") + meta
            start = len(head) + 8
        return head + box(b"mdat", *self.payloads)


def rotated(quarter_turns: int) -> bytes:
    """The property that turns a picture anticlockwise."""
    return box(b"irot", bytes([quarter_turns]))


def mirrored(axis: int) -> bytes:
    """0: top and bottom are exchanged, 1: left and right."""
    return box(b"imir", bytes([axis]))


def apple_notes(
    low: float | None,
    high: float | None,
    kind: str = "disparity",
    matrix: Sequence[float] = (),
    size: Sequence[int] = (),
) -> bytes:
    """XMP as iPhones write it about a depth picture."""
    said = f"<apdi:AuxiliaryImageType>{kind}</apdi:AuxiliaryImageType><apdi:StoredFormat>L008</apdi:StoredFormat>"
    if low is not None and high is not None:
        said += f"<apdi:FloatMinValue>{low}</apdi:FloatMinValue><apdi:FloatMaxValue>{high}</apdi:FloatMaxValue>"
    said += "<depthData:Accuracy>relative</depthData:Accuracy><depthData:Filtered>true</depthData:Filtered>"
    if matrix:
        entries = "".join(f"<rdf:li>{value}</rdf:li>" for value in matrix)
        said += f"<depthData:IntrinsicMatrix><rdf:Seq>{entries}</rdf:Seq></depthData:IntrinsicMatrix>"
        for side, length in zip(("Width", "Height"), size, strict=True):
            name = f"depthData:IntrinsicMatrixReference{side}"
            said += f"<{name}>{length}</{name}>"
    return packet(
        f'<rdf:Description rdf:about="" xmlns:apdi="http://ns.apple.com/pixeldatainfo/1.0/" '
        f'xmlns:depthData="http://ns.apple.com/depthData/1.0/">{said}</rdf:Description>'
    )


# ---- XMP in JPEG -----------------------------------------------------------------------------------------------------


def packet(description: str) -> bytes:
    """An XMP packet."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF {RDF}>{description}</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with more APP1 segments right at its start."""
    return jpeg[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", len(s) + 2) + s for s in segments) + jpeg[2:]


def gdepth_jpeg(
    jpeg: bytes,
    picture: bytes,
    near: float | str,
    far: float | str,
    form: str = "RangeInverse",
    mime: str = "image/png",
    *,
    extended: bool = True,
    more: str = "",
) -> bytes:
    """A JPEG that carries depth in GDepth's way, its picture in the main packet or, as phones do, in the extension."""
    names = 'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/" xmlns:xmpNote="http://ns.adobe.com/xmp/note/"'
    said = f'GDepth:Format="{form}" GDepth:Near="{near}" GDepth:Far="{far}" GDepth:Mime="{mime}" {more}'
    data = f'GDepth:Data="{base64.b64encode(picture).decode()}"'
    if not extended:
        return with_segments(jpeg, XMP_HEAD + packet(f'<rdf:Description rdf:about="" {names} {said} {data}/>'))
    rest = packet(f'<rdf:Description rdf:about="" {names} {data}/>')
    name = hashlib.md5(rest).hexdigest().upper()
    main = packet(f'<rdf:Description rdf:about="" {names} {said} xmpNote:HasExtendedXMP="{name}"/>')
    step = 4000  # 65,400 in phones; small ones here, so that there are several
    pieces = [
        EXTENSION_HEAD + name.encode() + struct.pack(">II", len(rest), at) + rest[at : at + step]
        for at in range(0, len(rest), step)
    ]
    return with_segments(jpeg, XMP_HEAD + main, *pieces)


def dynamic_depth_jpeg(
    jpeg: bytes, picture: bytes, near: float, far: float, form: str = "RangeInverse", *, model: str = "", more: str = ""
) -> bytes:
    """A JPEG with the depth and another picture behind it, as Dynamic Depth 1.0 says."""
    base = "http://ns.google.com/photos/dd/1.0/"
    parts = ("Device", "Camera", "DepthMap", "Container", "Item", "ImagingModel")
    names = " ".join(f'xmlns:{part}="{base}{part.lower()}/"' for part in parts)
    other = encoded(Image.new("L", (8, 6), 99), "JPEG")

    def item(mime: str, uri: str, length: int) -> str:
        said = f'Item:Mime="{mime}" Item:DataURI="{uri}" Item:Length="{length}"'
        return f'<rdf:li rdf:parseType="Resource"><Container:Item {said}/></rdf:li>'

    items = item("image/jpeg", "primary_image", 0) + item("image/png", "depth/map", len(picture))
    items += item("image/jpeg", "confidence", len(other))
    depth = (
        f'<Camera:DepthMap rdf:parseType="Resource"><DepthMap:Format>{form}</DepthMap:Format><DepthMap:Near>{near}'
        f"</DepthMap:Near><DepthMap:Far>{far}</DepthMap:Far><DepthMap:Units>Meters</DepthMap:Units>"
        f"<DepthMap:DepthURI>depth/map</DepthMap:DepthURI><DepthMap:ItemSemantic>Depth</DepthMap:ItemSemantic>{more}"
        "</Camera:DepthMap>"
    )
    if model:
        depth += f"<Camera:ImagingModel><rdf:Description {model}/></Camera:ImagingModel>"
    said = (
        f'<rdf:Description rdf:about="" {names}><Device:Container rdf:parseType="Resource"><Container:Directory>'
        f"<rdf:Seq>{items}</rdf:Seq></Container:Directory></Device:Container><Device:Cameras><rdf:Seq><rdf:li "
        f'rdf:parseType="Resource"><Device:Camera rdf:parseType="Resource">{depth}</Device:Camera></rdf:li></rdf:Seq>'
        "</Device:Cameras></rdf:Description>"
    )
    return with_segments(jpeg, XMP_HEAD + packet(said)) + picture + other


def iphone_jpeg(jpeg: bytes, depth: bytes, notes: bytes) -> bytes:
    """A JPEG with a depth picture behind it in the Multi-Picture Format, as iPhones make them for others."""
    other = with_segments(depth, XMP_HEAD + notes)
    length = 4 + 8 + 2 + 3 * 12 + 4 + 2 * 16
    whole = len(jpeg) + 4 + length
    from_here = whole - (2 + 4 + 4)  # offsets count from behind the marker, its length and "MPF"
    entries = struct.pack(">IIIHH", 0x030000, whole, 0, 0, 0) + struct.pack(">IIIHH", 0, len(other), from_here, 0, 0)
    table = b"MM\0*" + struct.pack(">IH", 8, 3) + struct.pack(">HHI4s", 0xB000, 7, 4, b"0100")
    table += struct.pack(">HHII", 0xB001, 4, 1, 2) + struct.pack(">HHII", 0xB002, 7, len(entries), 50)
    segment = b"MPF\0" + table + bytes(4) + entries
    assert len(segment) == length
    return jpeg[:2] + b"\xff\xe2" + struct.pack(">H", length + 2) + segment + jpeg[2:] + other


def exiftool(path: Path, *tags: str) -> None:
    """Write tags into a file with exiftool."""
    command = [tools.need("exiftool"), "-q", "-overwrite_original", *tags, path]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
