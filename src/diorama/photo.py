"""From bytes, a PIL image or an array to a `Photo`: upright, sRGB, 8 bits, with its camera.

Limits are checked on the header, before anything is decoded. Only the readers named in `_READERS` ever see a file:
Pillow's other plug-ins (PostScript runs a program, others are old C) are never asked.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageChops,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from diorama import colour
from diorama.errors import PhotoError, PhotoFormatError, PhotoTooLargeError
from diorama.lens import focal_from_exif
from diorama.settings import Settings
from diorama.types import Camera, Photo, UInt8

MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 100_000_000
MAX_NAME = 120
"""Characters of a photo's name: it goes into pages, reports and file names."""

EXAMPLES: dict[str, str] = {"coffee": "coffee.png", "astronaut": "astronaut.png", "chelsea": "chelsea.png"}
"""Photos to try, by name: files that come inside scikit-image's package (public domain or CC0)."""

SUPPORTED = "JPEG, PNG, WebP, BMP, TIFF or GIF"
"""For sentences."""

_READERS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,  # not jpeg_factory: a phone's second picture (depth, gain map) is no page
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}
_MAGIC = (
    ("JPEG", b"\xff\xd8\xff"), ("PNG", b"\x89PNG\r\n\x1a\n"), ("GIF", b"GIF8"), ("BMP", b"BM"),
    ("TIFF", b"II*\0"), ("TIFF", b"MM\0*"), ("TIFF", b"II+\0"), ("TIFF", b"MM\0+"),
)  # fmt: skip
_OTHERS = (
    (b"%PDF", "a PDF document"), (b"PK\x03\x04", "a ZIP archive"), (b"<svg", "an SVG drawing"), (b"<", "a web page"),
    (b"%!PS", "a PostScript document"), (b"8BPS", "a Photoshop document"), (b"glTF", "a GLB scene"),
)  # fmt: skip


@dataclass
class _Decoded:
    """A picture as it was decoded: 8 bits, not yet turned upright."""

    rgb: UInt8  # (H, W, 3), sRGB
    alpha: UInt8 | None  # (H, W)
    orientation: int = 1  # EXIF's 1..8
    exif: Mapping[int, Any] = field(default_factory=dict)  # the Exif IFD
    warnings: list[str] = field(default_factory=list)


def read(
    source: str | Path | bytes | Image.Image | npt.NDArray[Any],
    settings: Settings | None = None,
    *,
    name: str | None = None,
) -> Photo:
    """Read a photo at its full size.

    Args:
        source: a path, a file's bytes, a PIL image, or an array (H, W), (H, W, 1 to 4): grey, grey + alpha, RGB, RGBA
            of bool, uint8, uint16 or float 0..1 in sRGB.
        settings: `focal_px` and `fov` lock the camera.
        name: what to call it; else the file's name.

    Raises:
        PhotoFormatError: the bytes are in no format that is read.
        PhotoTooLargeError: over `MAX_BYTES` or `MAX_PIXELS`.
        PhotoError: the photo is missing, empty, damaged, or there is nothing to see in it.
    """
    settings = settings or Settings()
    if isinstance(source, (str, Path)):
        label = clean_name(name or Path(source).name)
        data = _file_bytes(Path(source))
    elif isinstance(source, Image.Image):
        label = clean_name(name or str(getattr(source, "filename", "")))
        data = None
    else:
        label = clean_name(name or "")
        data = bytes(source) if isinstance(source, (bytes, bytearray, memoryview)) else None
    try:
        if data is not None:
            decoded = _decode(data, label)
        elif isinstance(source, Image.Image):
            decoded = _from_image(source, label)
        else:
            decoded = _from_array(np.asarray(source), label)
    except MemoryError as error:
        raise PhotoTooLargeError(
            f"There is not enough memory to decode {label}.", hint="Make the photo smaller, or close other programs."
        ) from error
    return _photo(decoded, settings, label, data)


def example(name: str) -> Path:
    """The file of one of `EXAMPLES`.

    Raises:
        PhotoError: there is no example of that name, or scikit-image's files are not there.
    """
    if name not in EXAMPLES:
        raise PhotoError(f"There is no example named '{name}'.", hint=f"The examples are: {', '.join(EXAMPLES)}.")
    package = importlib.util.find_spec("skimage")  # finds the folder; importing the package takes seconds
    if package is None or package.origin is None:
        raise PhotoError("The example photos are not here.", hint="Install them: pip install scikit-image.")
    return Path(package.origin).parent / "data" / EXAMPLES[name]


def clean_name(name: str) -> str:
    """The last part of a path in any system's form, without control or invisible characters, not too long."""
    base = PureWindowsPath(name).name  # splits at both kinds of slash
    visible = "".join(c for c in base if not unicodedata.category(c).startswith("C")).strip().lstrip(".")
    if len(visible) > MAX_NAME:
        ending = Path(visible).suffix[:10]
        visible = visible[: MAX_NAME - len(ending)] + ending
    return visible or "photo"


def _file_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise PhotoError(f"{path} is a folder.", hint="Name one photo in it.")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)  # never more, whatever the path leads to
    except FileNotFoundError:
        raise PhotoError(f"There is no file {path}.", hint="Check the path.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PhotoError(f"{path} can't be read: {reason}.", hint="Check the path and your rights to it.") from error


def _photo(decoded: _Decoded, settings: Settings, label: str, data: bytes | None) -> Photo:
    rgb, alpha = decoded.rgb, decoded.alpha
    if alpha is not None and not alpha.any():
        raise PhotoError(f"Every pixel of {label} is transparent.", hint="Give a photo with something to see in it.")
    if alpha is not None and int(alpha.min()) == 255:
        alpha = None
    if data is None:
        digest = hashlib.sha256(repr(rgb.shape).encode() + rgb.tobytes() + (b"" if alpha is None else alpha.tobytes()))
    else:
        digest = hashlib.sha256(data)
    rgb, alpha = _upright(rgb, decoded.orientation), None if alpha is None else _upright(alpha, decoded.orientation)
    height, width = rgb.shape[:2]
    focal, warning = focal_from_exif(decoded.exif, width, height)
    if settings.focal_px is not None:
        camera = Camera.from_focal(settings.focal_px, width, height, "user")
    elif settings.fov is not None:
        camera = Camera.from_fov(settings.fov, width, height, "user")
    elif focal is not None:
        camera = Camera.from_focal(focal, width, height, "exif")
    else:
        camera = Camera.assumed(width, height)
    said = warning if camera.source == "assumed" else ""
    warnings = (*decoded.warnings, said) if said else tuple(decoded.warnings)
    return Photo(rgb, camera, alpha, label, digest.hexdigest(), warnings)


# ---- decoding ------------------------------------------------------------------------------------------------------


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
        kind = "an AVIF picture" if data[8:12] in (b"avif", b"avis") else "a HEIC picture or a film"
    else:
        start = data[:64].lstrip().lower()
        kind = next((kind for magic, kind in _OTHERS if start.startswith(magic.lower())), "")
    looks = f": it looks like {kind}" if kind else ""
    raise PhotoFormatError(f"{label} is no photo that can be read{looks}.", hint=f"Save it as {SUPPORTED}.")


def _decode(data: bytes, label: str) -> _Decoded:
    kind = check_format(data, label)
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
    return _from_image(image, label)


def _from_image(image: Image.Image, label: str) -> _Decoded:
    """Decode and convert; the image may be lazy, so every error of its file can come up here."""
    check_size(*image.size, label)
    warnings: list[str] = []
    try:
        if image.format in ("GIF", "WEBP", "PNG", "TIFF") and getattr(image, "is_animated", False):
            warnings.append("The file holds several pictures: the first one is used.")
        image.load()
        orientation, exif = _exif(image, warnings)
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
    except Exception as error:  # see _decode
        raise _damaged(label, error) from error
    return _Decoded(rgb, alpha, orientation, exif, warnings)


def _from_tiff(data: bytes, label: str) -> _Decoded:
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
        decoded = _from_array(array, label)
        if white_is_zero:
            decoded.rgb = 255 - decoded.rgb
        icc = tags.get(34675)
        if icc:
            decoded.rgb = colour.to_srgb(Image.fromarray(decoded.rgb), bytes(icc), warnings)
    except (MemoryError, PhotoError):
        raise
    except Exception as error:  # see _decode
        raise _damaged(label, error) from error
    decoded.warnings[:0] = warnings
    decoded.orientation = _orientation(tags.get(274))
    return decoded


def _from_array(array: npt.NDArray[Any], label: str) -> _Decoded:
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
    return _Decoded(rgb, alpha, warnings=warnings)


# ---- EXIF ----------------------------------------------------------------------------------------------------------


def _exif(image: Image.Image, warnings: list[str]) -> tuple[int, Mapping[int, Any]]:
    """Orientation (1..8) and the Exif IFD. After `load`, which turns TIFFs upright and takes the tag away."""
    try:
        tags = image.getexif()
        return _orientation(tags.get(ExifTags.Base.Orientation)), dict(tags.get_ifd(ExifTags.IFD.Exif))
    except Exception:  # a parser of what anyone may have written; a photo is still a photo without its notes
        warnings.append("The photo's EXIF data are damaged and were ignored.")
        return 1, {}


def _orientation(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(pixels: UInt8, orientation: int) -> UInt8:
    """(H, W[, 3]) turned as EXIF's orientation says."""
    if orientation == 1:
        return pixels
    import cv2

    if orientation in (3, 6, 8):
        code = {3: cv2.ROTATE_180, 6: cv2.ROTATE_90_CLOCKWISE, 8: cv2.ROTATE_90_COUNTERCLOCKWISE}[orientation]
        turned = cv2.rotate(pixels, code)
    elif orientation in (2, 4):
        turned = cv2.flip(pixels, 1 if orientation == 2 else 0)
    else:
        turned = cv2.transpose(pixels if orientation == 5 else cv2.rotate(pixels, cv2.ROTATE_180))
    return np.ascontiguousarray(turned, np.uint8)


# ---- errors --------------------------------------------------------------------------------------------------------


def _damaged(label: str, error: Exception) -> PhotoError:
    reason = str(error).strip().rstrip(".") or type(error).__name__
    return PhotoError(f"{label} is damaged: {reason}.", hint="Export, copy or download it again.")


def _too_many_pixels(label: str) -> PhotoTooLargeError:
    return PhotoTooLargeError(
        f"{label} unpacks to more than {MAX_PIXELS // 1_000_000} megapixels.",
        hint="Make it smaller first: 4096 px on the long side is all that a scene can use.",
    )
