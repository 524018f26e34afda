"""HEIC and HEIF through libheif (pi-heif): the picture, its notes, and the depth beside it.

libheif turns pictures upright by the file's own properties (`irot`, `imir`). The standard (ISO/IEC 23008-12, annex A)
says that EXIF's orientation is a mere note then, so it is never applied.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from diorama import boxes, embedded, hevc, xmp
from diorama.boxes import Contents
from diorama.embedded import Carried
from diorama.errors import PhotoFormatError

DEPTH_TYPES = frozenset(
    {"urn:mpeg:hevc:2015:auxid:2", "urn:mpeg:avc:2015:auxid:2", "urn:mpeg:mpegB:cicp:systems:auxiliary:depth"}
)
"""What `auxC` calls a picture of depth; iPhones use the first."""

HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
"""Transfer characteristics (ITU-T H.273) of pictures for bright screens."""


@dataclass
class HeifPicture:
    """What a file holds, upright."""

    image: Image.Image
    profile: bytes | None  # ICC
    exif: bytes | None
    notes: xmp.Xmp
    carried: Carried
    warnings: list[str] = field(default_factory=list)


ALPHA_TYPES = frozenset(
    {"urn:mpeg:hevc:2015:auxid:1", "urn:mpeg:avc:2015:auxid:1", "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"}
)

_COMPOSED = ("grid", "iden")
"""Kinds of items that are made of others; iPhones keep their pictures in tiles."""


def size(data: bytes) -> tuple[int, int] | None:
    """(width, height) that the header claims for the main picture, before it is turned; None where it doesn't.

    Raises:
        ValueError: the file's table of contents is damaged.
    """
    contents = boxes.parse(data)
    return contents.items[contents.primary].size


def read(data: bytes, label: str) -> HeifPicture:
    """Decode the main picture and the depth beside it. The size must have been checked.

    Raises:
        PhotoFormatError: pi-heif isn't installed.
        ValueError, OSError, RuntimeError, SyntaxError: the file is damaged, or made in a way that libheif can't read.
    """
    try:
        import pi_heif
    except ImportError as error:
        raise PhotoFormatError(
            f"{label} is a HEIC picture, and pi-heif, which reads those, is not installed.",
            hint="Install it: pip install pi-heif. Or save the photo as JPEG.",
        ) from error
    contents = boxes.parse(data)
    _check_coding(contents, contents.primary)
    for number in _auxiliaries(contents, ALPHA_TYPES):
        _check_coding(contents, number)
    file = pi_heif.open_heif(data, convert_hdr_to_8bit=True)
    main = file[file.primary_index]
    warnings: list[str] = []
    carried = _depth(main, contents)
    transfer = HDR_TRANSFERS.get((main.info.get("nclx_profile") or {}).get("transfer_characteristics", 0))
    if transfer:
        warnings.append(f"The photo is made for bright screens ({transfer}): it is taken for an ordinary one.")
    try:
        notes = xmp.parse([main.info["xmp"]] if main.info.get("xmp") else [])
    except ValueError:
        notes = xmp.Xmp([])
        warnings.append("The photo's XMP data are damaged and were ignored.")
    profile = main.info.get("icc_profile")
    return HeifPicture(main.to_pillow(), profile, main.info.get("exif"), notes, carried, warnings)


def _auxiliaries(contents: Contents, types: frozenset[str]) -> list[int]:
    return [
        number
        for number in contents.referring("auxl", contents.primary)
        if number in contents.items and contents.items[number].auxiliary_type in types
    ]


def _check_coding(contents: Contents, number: int, depth: int = 0) -> None:
    """Whether a picture, and all that it is made of, is HEVC and what the file says of it."""
    if number not in contents.items or depth > 2:
        raise ValueError("a part of the picture is missing")
    item = contents.items[number]
    if item.kind in _COMPOSED:
        for part in dict.fromkeys(contents.referred("dimg", number)):
            _check_coding(contents, part, depth + 1)
    elif item.kind == "hvc1":
        configuration = next((content for kind, content in item.properties if kind == "hvcC"), b"")
        hevc.check(configuration, contents.payload(number))
    else:
        raise ValueError(f"its pictures are coded in a way that is not read ({item.kind.strip()!a})")


def _depth(main: Any, contents: Contents) -> Carried:
    """The auxiliary picture of depth, whose failures are warnings."""
    numbers = _auxiliaries(contents, DEPTH_TYPES)
    if not numbers:
        return Carried()
    if len(numbers) > 1:
        return Carried(warnings=["The photo carries several pictures of depth: none of them is used."])
    notes = xmp.Xmp([])
    warnings: list[str] = []
    try:
        notes = _notes(contents, numbers[0])
    except ValueError:
        warnings.append("The notes on the depth that the photo carries are damaged: its distances are not known.")
    try:
        picture = main.info["depth_images"][0]
        side = contents.items[numbers[0]].size
        if side is None or side[0] * side[1] > embedded.MAX_PIXELS:
            raise ValueError("its size is missing or too large")
        _check_coding(contents, numbers[0])
        values = np.asarray(picture)[: picture.size[1], : picture.size[0]]
    except MemoryError:
        raise
    except Exception as error:  # whatever libheif ran into; the photo itself is well
        reason = str(error).strip().rstrip(".") or type(error).__name__
        warnings.append(f"The depth that the photo carries is damaged and was ignored: {reason}.")
        return Carried(calibration=embedded.intrinsics(notes), warnings=warnings)
    if values.ndim == 3:
        values = values[..., 0]
    carried = embedded.of_auxiliary(
        _turned_as_main(values, contents, numbers[0]), notes, picture.info.get("metadata") or {}
    )
    carried.warnings[:0] = warnings
    return carried


def _notes(contents: Contents, number: int) -> xmp.Xmp:
    """The XMP that describes an item."""
    packets = [
        contents.note(note)
        for note in contents.referring("cdsc", number)
        if note in contents.items and contents.items[note].kind == "mime"
    ]
    return xmp.parse(packets)


def _turned_as_main(values: npt.NDArray[Any], contents: Contents, number: int) -> npt.NDArray[Any]:
    """libheif has turned the depth by its own properties; one that has none is turned as the main picture is."""
    if contents.items[number].turns:
        return values
    for kind, amount in contents.items[contents.primary].turns:
        values = np.rot90(values, amount) if kind == "irot" else np.flip(values, axis=amount)
    return np.ascontiguousarray(values)
