"""From bytes, a PIL image or an array to a `Photo`: upright, sRGB, 8 bits, with its camera and the depth it carries."""

from __future__ import annotations

import hashlib
import importlib.util
import unicodedata
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from diorama import decoding, embedded, exif, projection
from diorama.decoding import MAX_BYTES as MAX_BYTES
from diorama.decoding import MAX_PIXELS as MAX_PIXELS
from diorama.decoding import SUPPORTED as SUPPORTED
from diorama.decoding import Decoded
from diorama.decoding import check_format as check_format
from diorama.decoding import check_size as check_size
from diorama.errors import PhotoError, PhotoTooLargeError
from diorama.lens import focal_from_calibration, focal_from_exif
from diorama.settings import Settings
from diorama.types import Camera, EmbeddedDepth, Photo

MAX_NAME = 120
"""Characters of a photo's name: it goes into pages, reports and file names."""

EXAMPLES: dict[str, str] = {"coffee": "coffee.png", "astronaut": "astronaut.png", "chelsea": "chelsea.png"}
"""Photos to try, by name: files that come inside scikit-image's package (public domain or CC0)."""


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
            decoded = decoding.decode(data, label)
        elif isinstance(source, Image.Image):
            decoded = decoding.from_image(source, label)
        else:
            decoded = decoding.from_array(np.asarray(source), label)
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


def _photo(decoded: Decoded, settings: Settings, label: str, data: bytes | None) -> Photo:
    rgb, alpha = decoded.rgb, decoded.alpha
    if alpha is not None and not alpha.any():
        raise PhotoError(f"Every pixel of {label} is transparent.", hint="Give a photo with something to see in it.")
    if alpha is not None and int(alpha.min()) == 255:
        alpha = None
    if data is None:
        digest = hashlib.sha256(repr(rgb.shape).encode() + rgb.tobytes() + (b"" if alpha is None else alpha.tobytes()))
    else:
        digest = hashlib.sha256(data)
    rgb = exif.upright(rgb, decoded.orientation)
    alpha = None if alpha is None else exif.upright(alpha, decoded.orientation)
    height, width = rgb.shape[:2]
    warnings = list(decoded.warnings)
    locked = settings.focal_px is not None or settings.fov is not None
    projection.check(decoded.exif, decoded.notes, label, fov_given=locked)
    warnings += projection.suspicions(rgb)
    depth = _upright_depth(decoded, width, height, warnings)
    camera = _camera(decoded, settings, width, height, warnings)
    return Photo(rgb, camera, alpha, label, digest.hexdigest(), tuple(warnings), depth)


def _camera(decoded: Decoded, settings: Settings, width: int, height: int, warnings: list[str]) -> Camera:
    """The camera as given, else as the phone calibrated it, else from EXIF, else assumed."""
    if settings.focal_px is not None:
        return Camera.from_focal(settings.focal_px, width, height, "user")
    if settings.fov is not None:
        return Camera.from_fov(settings.fov, width, height, "user")
    if decoded.carried.calibration is not None:
        focal, warning = focal_from_calibration(decoded.carried.calibration, width, height)
        if focal is not None:
            return Camera.from_focal(focal, width, height, "calibration")
        warnings.append(warning)
    focal, warning = focal_from_exif(decoded.exif, width, height, decoded.notes)
    if warning:
        warnings.append(warning)
    if focal is not None:
        return Camera.from_focal(focal, width, height, "exif")
    return Camera.assumed(width, height)


def _upright_depth(decoded: Decoded, width: int, height: int, warnings: list[str]) -> EmbeddedDepth | None:
    """The depth that the file carries, turned as the picture; None (and a warning) where it is another picture's."""
    warnings += decoded.carried.warnings
    depth = decoded.carried.depth
    if depth is None:
        return None
    turned = replace(
        depth,
        inverse_depth=exif.upright(depth.inverse_depth, decoded.orientation),
        valid=None if depth.valid is None else exif.upright(depth.valid.view(np.uint8), decoded.orientation) > 0,
    )
    if embedded.fits(turned, width, height):
        return turned
    warnings.append(
        f"The depth that the photo carries is {turned.size[0]} x {turned.size[1]}, which isn't the photo's shape: "
        "it was ignored."
    )
    return None
