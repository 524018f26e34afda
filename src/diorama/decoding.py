"""From a file's bytes, a PIL image or an array to pixels and notes, not yet turned upright.

Limits are checked on the header, before anything is decoded. Only the readers named in `_READERS`, libheif and libjxl
ever see a file: Pillow's other plug-ins (PostScript runs a program, others are old C) are never asked.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageChops,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from diorama import colour, embedded, exif, heif, jxl, xmp
from diorama.embedded import Carried
from diorama.errors import PhotoError, PhotoFormatError, PhotoTooLargeError
from diorama.types import UInt8

MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 100_000_000
SUPPORTED = "JPEG, PNG, HEIC, AVIF, WebP, BMP, TIFF or GIF"
"""For sentences."""

_READERS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,  # not jpeg_factory: a phone's second picture (depth, gain map) is no page
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
_MAGIC = (
    ("JPEG", b"\xff\xd8\xff"), ("PNG", b"\x89PNG\r\n\x1a\n"), ("GIF", b"GIF8"), ("BMP", b"BM"),
    ("TIFF", b"II*\0"), ("TIFF", b"MM\0*"), ("TIFF", b"II+\0"), ("TIFF", b"MM\0+"), *(("JXL", s) for s in jxl.STARTS),
)  # fmt: skip
_OTHERS = (
    (b"%PDF", "a PDF document"), (b"PK\x03\x04", "a ZIP archive"), (b"<svg", "an SVG drawing"), (b"<", "a web page"),
    (b"%!PS", "a PostScript document"), (b"8BPS", "a Photoshop document"), (b"glTF", "a GLB scene"),
)  # fmt: skip


_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1"}
_FILM_BRANDS = {b"isom", b"iso2", b"mp41", b"mp42", b"qt  ", b"M4V ", b"3gp4", b"3gp5"}


@dataclass
class Decoded:
    """A picture as it was decoded: 8 bits, not yet turned upright."""

    rgb: UInt8  # (H, W, 3), sRGB
    alpha: UInt8 | None  # (H, W)
    orientation: int = 1  # EXIF's 1..8
    exif: Mapping[int, Any] = field(default_factory=dict)  # the Exif IFD
    notes: xmp.Xmp = field(default_factory=lambda: xmp.Xmp([]))
    carried: Carried = field(default_factory=Carried)  # depth and calibration
    warnings: list[str] = field(default_factory=list)


def check_size(width: int, height: int, label: str) -> None:
    """Refuse what a header claims, before anything is decoded.

    Raises:
        PhotoTooLargeError: over `MAX_PIXELS`.
        PhotoError: no pixels at all.
    """
    if width < 1 or height < 1:
        raise PhotoError(f"{label} has no pixels.", hint="Give a photo with something to see in it.")
    if width * height > MAX_PIXELS:
        raise PhotoTooLargeError(
            f"{label} is {width} x {height} pixels; the limit is {MAX_PIXELS // 1_000_000} megapixels.",
            hint="Make it smaller first: 4096 px on the long side is all that a scene can use.",
        )


def check_format(data: bytes, label: str) -> str:
    """The format's name, from a file's bytes (the first 64 are enough): its ending may lie.

    Raises:
        PhotoFormatError: none that is read.
        PhotoTooLargeError: over `MAX_BYTES`.
        PhotoError: no bytes at all.
    """
    if not data:
        raise PhotoError(f"{label} is empty.", hint="Export, copy or download it again.")
    if len(data) > MAX_BYTES:
        raise PhotoTooLargeError(
            f"{label} is larger than {MAX_BYTES >> 20} MB.", hint="Save it as a JPEG, or make it smaller."
        )
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    for known, magic in _MAGIC:
        if data.startswith(magic):
            return known
    if data[4:8] == b"ftyp":
        brands = _brands(data)
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
        kind = "a film" if brands & _FILM_BRANDS else "a file of a camera or a film"
    else:
        start = data[:64].lstrip().lower()
        kind = next((kind for magic, kind in _OTHERS if start.startswith(magic.lower())), "")
    looks = f": it looks like {kind}" if kind else ""
    raise PhotoFormatError(f"{label} is no photo that can be read{looks}.", hint=f"Save it as {SUPPORTED}.")


def _brands(data: bytes) -> set[bytes]:
    """What an ISO file says that it is (the first brands of its list, as far as 64 bytes go)."""
    end = min(int.from_bytes(data[:4], "big"), 64, len(data))
    return {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}


def decode(data: bytes, label: str) -> Decoded:
    kind = check_format(data, label)
    if kind in ("HEIF", "JXL"):
        return _from_heif(data, label) if kind == "HEIF" else _from_jxl(data, label)
    if kind == "AVIF":
        _check_contents(data, label)
    try:
        # The reader itself, not Image.open: that applies Pillow's own limit, which is global and lies below ours.
        image = _READERS[kind](io.BytesIO(data))
    except (MemoryError, PhotoError):
        raise
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(label) from error
    except Exception as error:  # a damaged file makes the readers raise whatever their parsing ran into
        if kind == "TIFF":  # more kinds of numbers than Pillow knows
            return _from_tiff(data, label)
        raise _damaged(label, error) from error
    check_size(*image.size, label)
    if kind == "TIFF" and image.mode in ("I", "F"):
        # Pillow forgets whether these were signed, 16 or 32 bits.
        return _from_tiff(data, label)
    decoded = from_image(image, label)
    if kind == "JPEG":
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        decoded.notes, warnings = xmp.of_jpeg(image.applist)
        decoded.carried = embedded.of_jpeg(image, decoded.notes, data)
        decoded.warnings += warnings
    return decoded


def from_image(image: Image.Image, label: str) -> Decoded:
    """Decode and convert; the image may be lazy, so every error of its file can come up here."""
    check_size(*image.size, label)
    warnings: list[str] = []
    try:
        if image.format in ("GIF", "WEBP", "PNG", "TIFF", "AVIF") and getattr(image, "is_animated", False):
            warnings.append("The file holds several pictures: the first one is used.")
        image.load()
        orientation, tags = exif.of_image(image, warnings)
        icc = image.info.get("icc_profile")
        if image.format == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info:
            # Adobe's programs store inverted inks and mark the file so; Pillow inverts with or without the mark.
            image = ImageChops.invert(image)
        picture, alpha = colour.separate_alpha(image, warnings)
        rgb = colour.to_srgb(picture, icc if isinstance(icc, bytes) else None, warnings)
    except (MemoryError, PhotoError):
        raise
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(label) from error
    except Exception as error:  # see decode
        raise _damaged(label, error) from error
    return Decoded(rgb, alpha, orientation, tags, warnings=warnings)


def _check_contents(data: bytes, label: str) -> None:
    """The size that HEIF's and AVIF's table of contents claims."""
    try:
        size = heif.size(data)
    except ValueError as error:
        raise _damaged(label, error) from error
    if size is not None:
        check_size(*size, label)


def _from_heif(data: bytes, label: str) -> Decoded:
    """HEIC and HEIF, through libheif: upright already, with the depth beside the picture."""
    _check_contents(data, label)
    try:
        found = heif.read(data, label)
        check_size(*found.image.size, label)
        warnings = found.warnings
        tags = exif.of_bytes(found.exif, warnings)[1] if found.exif else {}
        picture, alpha = colour.separate_alpha(found.image, warnings)
        rgb = colour.to_srgb(picture, found.profile, warnings)
    except (MemoryError, PhotoError):
        raise
    except Exception as error:  # see decode
        raise _damaged(label, error) from error
    return Decoded(rgb, alpha, 1, tags, found.notes, found.carried, warnings)


def _from_jxl(data: bytes, label: str) -> Decoded:
    """JPEG XL, through libjxl: upright already."""
    try:
        check_size(*jxl.size(data, label), label)
        pixels, notes = jxl.read(data, label)
        decoded = from_array(pixels, label)
        block = notes.get("exif")
        if block:
            decoded.exif = exif.of_bytes(block, decoded.warnings)[1]
        if notes.get("icc"):
            decoded.rgb = colour.to_srgb(Image.fromarray(decoded.rgb), notes["icc"], decoded.warnings)
    except (MemoryError, PhotoError):
        raise
    except Exception as error:  # see decode
        raise _damaged(label, error) from error
    return decoded


def _from_tiff(data: bytes, label: str) -> Decoded:
    """Floating point, 32-bit and other TIFFs, through tifffile."""
    import tifffile

    warnings: list[str] = []
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            check_size(page.imagewidth, page.imagelength, label)
            if page.nbytes > MAX_PIXELS * 16 or page.imagedepth > 1:
                raise _too_many_pixels(label)
            array = page.asarray()
            if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and array.ndim == 3:
                array = np.moveaxis(array, 0, -1)
            tags = {code: page.tags[code].value for code in (274, 34675) if code in page.tags}
            if len(file.pages) > 1:
                warnings.append("The file holds several pictures: the first one is used.")
            white_is_zero = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        decoded = from_array(array, label)
        if white_is_zero:
            decoded.rgb = 255 - decoded.rgb
        icc = tags.get(34675)
        if icc:
            decoded.rgb = colour.to_srgb(Image.fromarray(decoded.rgb), bytes(icc), warnings)
    except (MemoryError, PhotoError):
        raise
    except Exception as error:  # see decode
        raise _damaged(label, error) from error
    decoded.warnings[:0] = warnings
    decoded.orientation = exif.orientation(tags.get(274))
    return decoded


def from_array(array: npt.NDArray[Any], label: str) -> Decoded:
    if array.ndim not in (2, 3) or (array.ndim == 3 and not 1 <= array.shape[2] <= 4):
        raise PhotoError(
            f"An array of shape {array.shape} is no photo.", hint="Give (H, W), (H, W, 3) or (H, W, 4): rows first."
        )
    check_size(array.shape[1], array.shape[0], label)
    warnings: list[str] = []
    pixels = colour.eight_bits(array[..., None] if array.ndim == 2 else array, warnings)
    channels = pixels.shape[2]
    alpha = np.ascontiguousarray(pixels[..., -1]) if channels in (2, 4) else None
    rgb = np.ascontiguousarray(
        np.broadcast_to(pixels[..., :1], (*pixels.shape[:2], 3)) if channels < 3 else pixels[..., :3]
    )
    if np.may_share_memory(rgb, array):
        rgb = rgb.copy()  # records don't change; the caller's array may
    return Decoded(rgb, alpha, warnings=warnings)


# ---- errors --------------------------------------------------------------------------------------------------------


def _damaged(label: str, error: Exception) -> PhotoError:
    reason = str(error).strip().rstrip(".") or type(error).__name__
    if "truncated" in reason:  # Pillow's words; a person isn't helped by the bytes that were left over
        reason = "the file ends before the picture does"
    return PhotoError(f"{label} is damaged: {reason}.", hint="Export, copy or download it again.")


def _too_many_pixels(label: str) -> PhotoTooLargeError:
    return PhotoTooLargeError(
        f"{label} unpacks to more than {MAX_PIXELS // 1_000_000} megapixels.",
        hint="Make it smaller first: 4096 px on the long side is all that a scene can use.",
    )
