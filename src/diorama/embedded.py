"""Depth that a photo's file carries besides the picture, and the camera's calibration that comes with it.

iPhone (portrait photos)
    An auxiliary picture of disparity or depth, in HEIC or behind a JPEG (Multi-Picture Format), whose XMP says between
    which values (1/m or m) its range lies (`apdi:FloatMinValue`, `FloatMaxValue`), and the camera's intrinsic matrix
    (`depthData`).
HEIF (ISO/IEC 23008-2, depth representation information)
    An auxiliary picture of depth between `z_near` and `z_far`.
Android, GDepth (https://developers.google.com/depthmap-metadata)
    A picture in base64 in a JPEG's XMP, between `Near` and `Far`, linear in distance or in its inverse.
Android, Dynamic Depth 1.0 (https://developer.android.com/media/camera/camera2/Dynamic-depth-v1.0.pdf)
    A picture behind the JPEG, found by the container's directory in XMP; the same numbers, and an imaging model.

Whatever is wrong with any of it is a warning: the photo is still a photo.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin

from diorama import xmp
from diorama.lens import Calibration
from diorama.types import EmbeddedDepth, Float32
from diorama.xmp import Xmp

GDEPTH = "http://ns.google.com/photos/1.0/depthmap/"
DEVICE_DEPTH = "http://ns.google.com/photos/dd/1.0/depthmap/"
DEVICE_CAMERA = "http://ns.google.com/photos/dd/1.0/camera/"
IMAGING_MODEL = "http://ns.google.com/photos/dd/1.0/imagingmodel/"
CONTAINERS = (
    ("http://ns.google.com/photos/dd/1.0/container/", "http://ns.google.com/photos/dd/1.0/item/"),
    ("http://ns.google.com/photos/1.0/container/", "http://ns.google.com/photos/1.0/container/item/"),
)
APPLE_PIXELS = "http://ns.apple.com/pixeldatainfo/1.0/"
APPLE_DEPTH = "http://ns.apple.com/depthData/1.0/"

ASPECT_TOLERANCE = 0.03
"""How far its width : height may differ from the photo's before it is taken for another picture's (an edited one's)."""

MAX_PIXELS = 100_000_000
"""As for photos."""

NEAREST = 1e-6
"""Metres: nothing is nearer to a lens; what says so is a mistake."""

_UNIT_METRES = {"m": 1.0, "meters": 1.0, "metres": 1.0, "meter": 1.0, "cm": 0.01, "mm": 0.001, "millimeters": 0.001}
_APPLE_KINDS = ("disparity", "depth")
_MP_ENTRIES, _MP_PICTURES = 0xB002, 16
_STARTS = {b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile, b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile}


@dataclass
class Carried:
    """What was found, not yet turned upright."""

    depth: EmbeddedDepth | None = None
    calibration: Calibration | None = None
    warnings: list[str] = field(default_factory=list)


class _BadDepthError(ValueError):
    """The sentence says why the depth can't be used."""


def of_jpeg(image: JpegImagePlugin.JpegImageFile, found: Xmp, data: bytes) -> Carried:
    """The depth in a JPEG's XMP or behind its picture.

    Args:
        image: the picture, its header read.
        found: its XMP.
        data: the file's bytes.
    """
    carried = Carried(calibration=_imaging_model(found))
    try:
        for picture, notes in _others(image, data):
            carried.depth = _apple(_picture(picture), notes)
            carried.calibration = intrinsics(notes)
            return carried
        if found.value(GDEPTH, "Near") is not None or found.value(GDEPTH, "Data") is not None:
            carried.depth = _gdepth(found)
        elif (described := _device_depth(found)) is not None:
            unit = _picture(_behind(found, data, described))
            carried.depth = _between(
                unit, lambda name: xmp.value(described, DEVICE_DEPTH, name), "Android (Dynamic Depth)"
            )
    except ValueError as error:
        carried.warnings.append(f"The depth that the photo carries can't be used: {error}.")
    return carried


def of_auxiliary(values: npt.NDArray[Any], notes: Xmp, representation: Mapping[str, Any]) -> Carried:
    """The depth of a HEIF file's auxiliary picture.

    Args:
        values: (h, w) unsigned integers as decoded.
        notes: the auxiliary picture's own XMP, empty where it has none.
        representation: the depth representation information of its HEVC stream, empty where it has none.
    """
    carried = Carried(calibration=intrinsics(notes))
    try:
        carried.depth = _apple(_unit(values), notes) or _representation(_unit(values), representation)
    except ValueError as error:
        carried.warnings.append(f"The depth that the photo carries can't be used: {error}.")
    return carried


def fits(depth: EmbeddedDepth, width: int, height: int) -> bool:
    """Whether the depth can be that of an upright picture of this size."""
    rows, columns = depth.inverse_depth.shape
    expected = columns * height / width
    return bool(abs(expected - rows) <= max(ASPECT_TOLERANCE * rows, 1.0, height / width))


# ---- Apple, HEIF ---------------------------------------------------------------------------------------------------


def _apple(unit: Float32, notes: Xmp) -> EmbeddedDepth | None:
    """None where the notes aren't Apple's."""
    kind = notes.value(APPLE_PIXELS, "AuxiliaryImageType")
    if kind not in _APPLE_KINDS:
        return None
    low, high = (_number(notes.value(APPLE_PIXELS, name)) for name in ("FloatMinValue", "FloatMaxValue"))
    origin = f"iPhone ({kind})"
    if low is None or high is None or high <= low or high <= 0:
        return _relative(unit if kind == "disparity" else 1 - unit, origin)
    values = np.float32(low) + unit * np.float32(high - low)
    if kind == "disparity":
        return EmbeddedDepth(np.maximum(values, np.float32(0)), "metric", origin)
    return _from_distances(values, origin)


def _representation(unit: Float32, facts: Mapping[str, Any]) -> EmbeddedDepth:
    """The HEVC standard's depth representation types 0 (uniform in inverse depth) and 2 (uniform in depth); the larger
    value is the nearer one in all of them but type 2."""
    near, far = _number(facts.get("z_near")), _number(facts.get("z_far"))
    kind = facts.get("representation_type")
    origin = "HEIF depth picture"
    if kind not in (0, 2) or near is None or far is None or not NEAREST < near < far:
        return _relative(1 - unit if kind == 2 else unit, origin)
    if kind == 2:
        return _from_distances(np.float32(near) + unit * np.float32(far - near), origin)
    inverse = np.float32(1 / far) + unit * np.float32(1 / near - 1 / far)
    return EmbeddedDepth(inverse, "metric", origin)


def _others(image: JpegImagePlugin.JpegImageFile, data: bytes) -> Iterator[tuple[bytes, Xmp]]:
    """The pictures behind a JPEG that Apple's notes call depth, by its table of pictures (CIPA DC-007)."""
    if "mp" not in image.info:
        return
    try:
        entries = image._getmp()[_MP_ENTRIES]  # type: ignore[index]
    except Exception as error:  # a parser of what anyone may have written
        raise _BadDepthError("the table of the file's pictures is damaged") from error
    for entry in entries[1:_MP_PICTURES]:
        start = int(entry["DataOffset"]) + int(image.info["mpoffset"])
        picture = data[start : start + int(entry["Size"])]
        try:
            segments = JpegImagePlugin.JpegImageFile(io.BytesIO(picture)).applist
        except Exception:  # no JPEG: whatever it is, it isn't this
            continue
        notes, _ = xmp.of_jpeg(segments)
        if notes.value(APPLE_PIXELS, "AuxiliaryImageType") in _APPLE_KINDS:
            yield picture, notes


def intrinsics(notes: Xmp) -> Calibration | None:
    """The camera as the iPhone calibrated it, from the notes on its depth picture."""
    matrix = next(notes.elements(APPLE_DEPTH, "IntrinsicMatrix"), None)
    numbers = [] if matrix is None else [_number(text) for text in xmp.sequence(matrix)]
    width, height = (
        _number(notes.value(APPLE_DEPTH, f"IntrinsicMatrixReference{side}")) for side in ("Width", "Height")
    )
    if len(numbers) != 9 or not numbers[0] or not width or not height:
        return None
    return Calibration(numbers[0], width, height)


# ---- Android -------------------------------------------------------------------------------------------------------


def _gdepth(found: Xmp) -> EmbeddedDepth:
    encoded = found.value(GDEPTH, "Data")
    if not encoded:
        raise _BadDepthError("its picture is missing")
    try:
        data = base64.b64decode("".join(encoded.split()) + "==")
    except (binascii.Error, ValueError) as error:
        raise _BadDepthError("its picture is damaged") from error
    return _between(_picture(data), lambda name: found.value(GDEPTH, name), "Android (GDepth)")


def _device_depth(found: Xmp) -> Element | None:
    """The depth map's element of the first camera that has one."""
    for described in found.elements(DEVICE_CAMERA, "DepthMap"):
        if xmp.value(described, DEVICE_DEPTH, "ItemSemantic") in (None, "Depth"):
            return described
    return None


def _behind(found: Xmp, data: bytes, described: Element) -> bytes:
    """The bytes of the depth map's picture: items stand behind each other at the file's end, in their order."""
    wanted = xmp.value(described, DEVICE_DEPTH, "DepthURI")
    for container, item in CONTAINERS:
        lengths: list[int] = []
        chosen = None
        for directory in found.elements(container, "Directory"):
            for entry in directory.iter(f"{{{xmp.RDF}}}li"):
                if xmp.value(entry, item, "Mime") is None:
                    continue
                if xmp.value(entry, item, "DataURI") == wanted or xmp.value(entry, item, "Semantic") == "Depth":
                    chosen = len(lengths)
                lengths.append(int(_number(xmp.value(entry, item, "Length")) or 0))
        if not chosen:  # the first one is the photo itself
            continue
        start = len(data) - sum(lengths[chosen:])
        picture = data[start : start + lengths[chosen]] if start > 0 and lengths[chosen] > 0 else b""
        if picture.startswith(tuple(_STARTS)):
            return picture
    raise _BadDepthError("its picture isn't where the file says")


def _imaging_model(found: Xmp) -> Calibration | None:
    for model in found.elements(DEVICE_CAMERA, "ImagingModel"):
        focal, width, height = (
            _number(xmp.value(model, IMAGING_MODEL, name)) for name in ("FocalLengthX", "ImageWidth", "ImageHeight")
        )
        if focal and width and height:
            return Calibration(focal, width, height)
    return None


def _between(unit: Float32, said: Callable[[str], str | None], origin: str) -> EmbeddedDepth:
    """Google's two ways from 0..1 to distances: RangeInverse 1/d = 1/near - unit (1/near - 1/far), RangeLinear
    d = near + unit (far - near). So 0 is near."""
    near, far = _number(said("Near")), _number(said("Far"))
    metres = _UNIT_METRES.get((said("Units") or "m").lower())
    along_rays = (said("MeasureType") or "").startswith("OpticRay")
    if metres is None or near is None or far is None or not NEAREST < near * metres < far * metres:
        return _relative(1 - unit, origin)
    near, far = near * metres, far * metres
    if said("Format") == "RangeLinear":
        return _from_distances(np.float32(near) + unit * np.float32(far - near), origin, along_rays)
    inverse = np.float32(1 / near) - unit * np.float32(1 / near - 1 / far)
    return EmbeddedDepth(inverse, "metric", origin, along_rays=along_rays)


# ---- numbers and pixels --------------------------------------------------------------------------------------------


def _picture(data: bytes) -> Float32:
    """(h, w), 0..1, of a grey JPEG or PNG of 8 or 16 bits."""
    reader = next((reader for start, reader in _STARTS.items() if data.startswith(start)), None)
    if reader is None:
        raise _BadDepthError("its picture is neither JPEG nor PNG")
    try:
        image: ImageFile.ImageFile = reader(io.BytesIO(data))
        if image.width * image.height > MAX_PIXELS:
            raise _BadDepthError("its picture is too large")
        image.load()
        grey: Image.Image = image if image.mode in ("L", "I", "I;16") else image.convert("L")
        values = np.asarray(grey)
    except (_BadDepthError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes the readers raise whatever their parsing ran into
        raise _BadDepthError("its picture is damaged") from error
    return _unit(values if grey.mode == "L" else values.astype(np.uint16))


def _unit(values: npt.NDArray[Any]) -> Float32:
    """Unsigned integers as 0..1 of their type's range."""
    return np.ascontiguousarray(values, np.float32) / np.float32(np.iinfo(values.dtype).max)


def _relative(unit: Float32, origin: str) -> EmbeddedDepth:
    """Larger is nearer, and no more is known."""
    return EmbeddedDepth(np.ascontiguousarray(unit, np.float32), "relative", origin)


def _from_distances(values: Float32, origin: str, along_rays: bool = False) -> EmbeddedDepth:
    """Distances in metres; what isn't positive was not measured."""
    measured = values > np.float32(NEAREST)
    inverse = np.zeros_like(values)
    np.divide(np.float32(1), values, out=inverse, where=measured)
    valid = None if measured.all() else measured
    return EmbeddedDepth(inverse, "metric", origin, valid, along_rays)


def _number(value: Any) -> float | None:
    """A finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
