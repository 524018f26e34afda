"""Inputs that break programs, built in code: each with what Diorama must make of it.

``corpus()`` is what the tests of the photo, the command, the server and the page feed in. An entry either is a real
photo in an awkward coat (``error`` is None: a scene comes out) or must be refused with the error that it names.
"""

from __future__ import annotations

import functools
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, ImageDraw

from diorama.errors import PhotoError, PhotoFormatError, PhotoTooLargeError

LANDSCAPE = Path(__file__).parent / "pictures" / "landscape.heic"
"""`picture()` as made by heif-enc, so that the corpus needs no program."""

WIDTH, HEIGHT = 96, 64
CORNERS = {"top left": (200, 40, 40), "top right": (40, 170, 60), "bottom left": (50, 60, 200)}
"""Colours of three corners of `picture`: where they are says how the picture was turned."""


@dataclass(frozen=True)
class BadInput:
    """A file, and what must become of it."""

    name: str
    filename: str
    data: bytes
    error: type[PhotoError] | None = None  # None: a scene is made
    size: tuple[int, int] = (WIDTH, HEIGHT)  # of the upright photo (width, height), where a scene is made
    alpha: bool = False  # parts of it are transparent
    warning: str = ""  # a word of the warning that has to come with the scene

    @property
    def makes_scene(self) -> bool:
        return self.error is None

    def __str__(self) -> str:
        return self.name


def picture(width: int = WIDTH, height: int = HEIGHT) -> npt.NDArray[np.uint8]:
    """(height, width, 3): a small landscape with three marked corners."""
    image = Image.new("RGB", (width, height), (150, 190, 230))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, height * 6 // 10, width, height), fill=(110, 130, 80))
    draw.ellipse((width // 3, height // 4, width * 2 // 3, height * 8 // 10), fill=(190, 150, 110))
    edge = max(1, min(width, height) // 4)
    draw.rectangle((0, 0, edge, edge), fill=CORNERS["top left"])
    draw.rectangle((width - edge, 0, width, edge), fill=CORNERS["top right"])
    draw.rectangle((0, height - edge, edge, height), fill=CORNERS["bottom left"])
    return np.asarray(image)


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def tiff(array: npt.NDArray[np.generic], **options: object) -> bytes:
    """A TIFF of any depth that tifffile writes."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour_type: int, rows: bytes, *before: bytes) -> bytes:
    """A PNG from compressed rows: any bit depth, any size that the header can claim; `before`: chunks before IDAT."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def png16(array: npt.NDArray[np.uint16]) -> bytes:
    """A 16-bit PNG of (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA."""
    height, width = array.shape[:2]
    colour_type = {2: 0, 3: {3: 2, 4: 6}.get(array.shape[-1], 0)}[array.ndim]
    rows = array.astype(">u2").reshape(height, -1).view(np.uint8)
    filtered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)
    return png(width, height, 16, colour_type, zlib.compress(filtered.tobytes()))


def png_bomb(side: int = 30_000) -> bytes:
    """A valid black RGB PNG of side x side pixels: 2.7 GB decoded, under 3 MB on disk.

    One row is deflated and flushed so that it stands alone; its bytes then serve for every row, and the checksum of
    zeros is known without making them.
    """
    row = bytes(1 + side * 3)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(row) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">I", (len(row) * side % 65521) << 16 | 1)
    return png(side, side, 8, 2, b"\x78\x9c" + packed * side + b"\x03\x00" + checksum)


def png_profile_bomb() -> bytes:
    """A small picture whose colour profile inflates to 256 MB."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    rows = zlib.compress(bytes(HEIGHT * (1 + WIDTH * 3)))
    return png(WIDTH, HEIGHT, 8, 2, rows, chunk(b"iCCP", b"bomb\0\0" + packed))


def zip_bomb() -> bytes:
    """An archive of 64 MB of zeros under a picture's name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("photo.png", bytes(64 << 20))
    return buffer.getvalue()


def _laughs() -> bytes:
    """XML whose entities unfold to 10^9 of them."""
    names = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "ha"}">' for i in range(10))
    return f"<!DOCTYPE a [{names}]><a>&l9;</a>".encode()


def _xyz(values: npt.ArrayLike) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in np.asarray(values, float))


def _gamma_curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def icc_profile(primaries: npt.ArrayLike, gamma: float, name: str) -> bytes:
    """An ICC 2.1 matrix profile: the rows of `primaries` are the D50 XYZ of red, green and blue."""
    red, green, blue = np.asarray(primaries, float)
    curve = _gamma_curve(gamma)
    return _icc(b"RGB ", name, {
        b"rXYZ": _xyz(red), b"gXYZ": _xyz(green), b"bXYZ": _xyz(blue), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    })  # fmt: skip


def grey_profile(gamma: float) -> bytes:
    """An ICC 2.1 profile of grey pictures."""
    return _icc(b"GRAY", "Grey (test)", {b"kTRC": _gamma_curve(gamma)})


def _icc(space: bytes, name: str, tags: dict[bytes, bytes]) -> bytes:
    text = name.encode("ascii") + b"\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)
    white_point = _xyz((0.9642, 1.0, 0.8249))
    tags = {b"desc": description, b"cprt": b"text\0\0\0\0none\0", b"wtpt": white_point, **tags}
    table, body, offset = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        table += tag + struct.pack(">II", offset + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    white = struct.pack(">iii", 63190, 65536, 54061)  # D50
    header = struct.pack(">I4s4s", offset + len(body), bytes(4), b"\x02\x10\0\0") + b"mntr" + space + b"XYZ "
    header += struct.pack(">6H", 2025, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + white
    return header.ljust(128, b"\0") + table + body


DISPLAY_P3 = icc_profile(
    [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)], 2.2, "P3 (test)"
)
WIDE_GAMUT = icc_profile(  # the primaries and gamma of Adobe RGB (1998)
    [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)], 2.2, "Wide (test)"
)


def xmp_jpeg(jpeg: bytes, packet: bytes) -> bytes:
    """A JPEG with an XMP segment."""
    segment = b"http://ns.adobe.com/xap/1.0/\0" + packet
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


def heic_of_size(width: int, height: int) -> bytes:
    """A HEIC whose header claims another size than its picture has."""
    data = LANDSCAPE.read_bytes()
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def _photos_in_awkward_coats() -> list[BadInput]:
    rgb = picture()
    image = Image.fromarray(rgb)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise to show
    hole = np.full((HEIGHT, WIDTH), 255, np.uint8)
    hole[:, WIDTH // 2 :] = 0
    rgba = Image.fromarray(np.dstack([rgb, hole]))
    grey = image.convert("L")
    palette = image.quantize(16)
    deep = rgb.astype(np.uint16) * 257
    frames = [image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), image.rotate(180)]
    animation = {"save_all": True, "append_images": frames[1:], "duration": 100}
    grey_hole = Image.merge("LA", (grey, Image.fromarray(hole)))
    turning_webp = encoded(frames[0], "WEBP", lossless=True, **animation)
    packed_tiff = tiff(deep, photometric="rgb", compression="zlib", predictor=True)
    clear_palette = encoded(palette, "PNG", transparency=palette.getpixel((0, 0)))
    return [
        BadInput("exif-rotation-6", "turned.jpg", encoded(image, "JPEG", quality=95, exif=exif), size=(HEIGHT, WIDTH)),
        BadInput("png-16-bit", "deep.png", png16(deep)),
        BadInput("png-16-bit-grey", "deep-grey.png", png16(np.asarray(grey).astype(np.uint16) * 257)),
        BadInput("jpeg-cmyk", "print.jpg", encoded(image.convert("CMYK"), "JPEG", quality=95)),
        BadInput("png-rgba", "cut-out.png", encoded(rgba, "PNG"), alpha=True),
        BadInput("gif-animated", "waving.gif", encoded(frames[0], "GIF", **animation), warning="first"),
        BadInput("webp-animated", "waving.webp", turning_webp, warning="first"),
        BadInput("png-animated", "waving.png", encoded(frames[0], "PNG", **animation), warning="first"),
        BadInput("1x1", "dot.png", encoded(Image.new("RGB", (1, 1), (200, 30, 40)), "PNG"), size=(1, 1)),
        BadInput("1x5000", "line.png", encoded(Image.fromarray(picture(1, 5000)), "PNG"), size=(1, 5000)),
        BadInput("palette-transparent", "icon.png", clear_palette, alpha=True),
        BadInput("grey-alpha", "ghost.png", encoded(grey_hole, "PNG"), alpha=True),
        BadInput("grey-jpeg", "grey.jpg", encoded(grey, "JPEG", quality=95)),
        BadInput("1-bit", "fax.tif", encoded(image.convert("1"), "TIFF", compression="group4")),
        BadInput("tiff-16-bit", "deep.tif", tiff(deep, photometric="rgb")),
        BadInput("tiff-16-bit-deflate", "packed.tif", packed_tiff),
        BadInput("tiff-float", "linear.tif", tiff((rgb / 255).astype(np.float32), photometric="rgb")),
        BadInput("tiff-pages", "pages.tif", encoded(frames[0], "TIFF", **animation), warning="first"),
        BadInput("icc-display-p3", "phone.jpg", encoded(image, "JPEG", quality=95, icc_profile=DISPLAY_P3)),
        BadInput("icc-wide-gamut", "camera.png", encoded(image, "PNG", icc_profile=WIDE_GAMUT)),
        BadInput("icc-damaged", "odd.png", encoded(image, "PNG", icc_profile=b"no profile" * 20), warning="profile"),
        BadInput("bmp", "old.bmp", encoded(image, "BMP")),
        BadInput("wrong-ending", "really-a-png.jpg", encoded(image, "PNG")),
        BadInput("no-ending", "photo", encoded(image, "WEBP", lossless=True)),
        BadInput("heic", "phone.heic", LANDSCAPE.read_bytes()),
        BadInput("heic-as-jpg", "shared.jpg", LANDSCAPE.read_bytes()),
        BadInput("avif", "web.avif", encoded(image, "AVIF", quality=90)),
        BadInput("avif-turned", "turned.avif", encoded(image, "AVIF", quality=90, exif=exif), size=(HEIGHT, WIDTH)),
        BadInput("avif-animated", "waving.avif", encoded(frames[0], "AVIF", **animation), warning="first"),
        BadInput("xmp-damaged", "notes.jpg", xmp_jpeg(encoded(image, "JPEG"), b"<x:xmpmeta><"), warning="XMP"),
        BadInput("xmp-bomb", "laughs.jpg", xmp_jpeg(encoded(image, "JPEG"), _laughs()), warning="XMP"),
        BadInput("odd-name", "naïve – 写真 \U0001f600 'q' .png", encoded(image, "PNG")),
    ]  # fmt: skip


def _refused() -> list[BadInput]:
    image = Image.fromarray(picture(256, 192))
    jpeg = encoded(image, "JPEG", quality=95)
    flood = jpeg.replace(struct.pack(">HH", 192, 256), struct.pack(">HH", 65_000, 65_000), 1)
    clear = Image.new("RGBA", (WIDTH, HEIGHT), (10, 20, 30, 0))
    heic, avif = LANDSCAPE.read_bytes(), encoded(image, "AVIF", quality=90)
    items = heic.index(b"iinf") + 8
    many = heic[:items] + b"\xff\xff" + heic[items + 2 :]
    large_avif = avif.replace(struct.pack(">II", 256, 192), struct.pack(">II", 65_000, 65_000), 1)
    pano = b'<a xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" GPano:ProjectionType="equirectangular"/>'
    film = struct.pack(">I", 24) + b"ftypmp42\0\0\0\0isommp42" + bytes(400)
    return [
        BadInput("png-bomb", "bomb.png", png_bomb(), PhotoTooLargeError),
        BadInput("png-profile-bomb", "profile.png", png_profile_bomb(), PhotoError),
        BadInput("jpeg-flood", "flood.jpg", flood, PhotoTooLargeError),
        BadInput("jpeg-truncated", "cut.jpg", jpeg[: len(jpeg) // 2], PhotoError),
        BadInput("jpeg-header-only", "head.jpg", jpeg[:100], PhotoError),
        BadInput("png-truncated", "cut.png", encoded(image, "PNG")[:400], PhotoError),
        BadInput("text-as-jpg", "letter.jpg", b"Dear Diorama,\nthis is no picture.\n" * 40, PhotoFormatError),
        BadInput("html-as-png", "page.png", b"<!doctype html><title>404</title>", PhotoFormatError),
        BadInput("zip-bomb", "archive.jpg", zip_bomb(), PhotoFormatError),
        BadInput("svg", "drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', PhotoFormatError),
        BadInput("postscript", "script.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", PhotoFormatError),
        BadInput("heic-truncated", "cut.heic", heic[: len(heic) // 2], PhotoError),
        BadInput("heic-header-only", "head.heic", heic[:90], PhotoError),
        BadInput("heic-absurd-size", "huge.heic", heic_of_size(60_000, 60_000), PhotoTooLargeError),
        BadInput("heic-no-size", "none.heic", heic_of_size(0, 0), PhotoError),
        BadInput("heic-many-items", "many.heic", many, PhotoError),
        BadInput("avif-truncated", "cut.avif", avif[: len(avif) // 2], PhotoError),
        BadInput("avif-absurd-size", "huge.avif", large_avif, PhotoTooLargeError),
        BadInput("film", "film.mp4", film, PhotoFormatError),
        BadInput("panorama", "round.jpg", xmp_jpeg(jpeg, pano), PhotoError),
        BadInput("empty", "empty.jpg", b"", PhotoError),
        BadInput("one-byte", "byte.png", b"\x89", PhotoFormatError),
        BadInput("all-transparent", "nothing.png", encoded(clear, "PNG"), PhotoError),
    ]


@functools.cache
def corpus() -> tuple[BadInput, ...]:
    """Every bad input, made once a session."""
    return tuple(_photos_in_awkward_coats() + _refused())


def photos() -> tuple[BadInput, ...]:
    """Those that become a scene."""
    return tuple(bad for bad in corpus() if bad.makes_scene)


def refused() -> tuple[BadInput, ...]:
    """Those that must be refused."""
    return tuple(bad for bad in corpus() if not bad.makes_scene)


def named(name: str) -> BadInput:
    """One of them."""
    return next(bad for bad in corpus() if bad.name == name)


def write(bad: BadInput, folder: Path) -> Path:
    """Put it into a folder under its own file name."""
    path = folder / bad.filename
    path.write_bytes(bad.data)
    return path
