"""The photo's camera from its EXIF data or from the calibration that its file carries.

The EXIF standard (CIPA DC-008) gives either the focal length that sees as much on 35 mm film, which is a statement
about the picture's diagonal (CIPA DCG-001), or the true focal length and the sensor's pixels per unit of length. The
first is of the whole picture as it was taken. What was cut away since shows in the size that EXIF data still name, or
in the crop that Camera Raw and Lightroom note in the XMP data (Adobe, XMP Specification Part 2, Camera Raw namespace).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diorama.xmp import Xmp

FILM_DIAGONAL_MM = math.hypot(36, 24)
"""Of a 35 mm film frame."""

FOV_LIMITS = (1.0, 150.0)
"""Degrees over the long side that a photo's lens can have: a 2000 mm telescope to a 5 mm wide angle. EXIF data outside
are a mistake of the camera or of an editor."""

CROP_TOLERANCE = 0.03
"""How far the picture's proportions may be from those in its EXIF data (rounding to blocks of 16 px) before it counts
as cropped."""

CROP_LEAST = 0.5
"""Share of the sides as they were from which a cropped picture counts as not scaled as well: who cuts away more than
that mostly makes a small picture for some page, at a size of its own."""

CROP_SENSORS = (3 / 2, 4 / 3)
"""Proportions of the sensors of cameras whose pictures are developed: one of them was the picture's before a crop."""

CAMERA_RAW = "http://ns.adobe.com/camera-raw-settings/1.0/"

_FOCAL_LENGTH, _FOCAL_LENGTH_35MM = 0x920A, 0xA405
_WIDTH, _HEIGHT = 0xA002, 0xA003
_PLANE_RESOLUTION, _PLANE_UNIT = 0xA20E, 0xA210
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}


@dataclass(frozen=True)
class Calibration:
    """The focal length that the phone measured, in pixels of a picture of `width` x `height`, upright or not.

    The principal point isn't used: it lies within a percent of the centre, and glTF's cameras know no other.
    """

    focal: float
    width: float
    height: float


def focal_from_calibration(found: Calibration, width: int, height: int) -> tuple[float | None, str]:
    """The focal length in pixels of the picture of `width` x `height`, and a warning (empty: nothing to say)."""
    if found.focal <= 0 or min(found.width, found.height) <= 0 or _cropped(found.width, found.height, width, height):
        return None, "The camera's calibration in the photo is that of another picture and was ignored."
    focal = found.focal * max(width, height) / max(found.width, found.height)
    if not FOV_LIMITS[0] <= _long_fov(focal, width, height) <= FOV_LIMITS[1]:
        return None, "The camera's calibration in the photo can't be right and was ignored."
    return focal, ""


def focal_from_exif(
    exif: Mapping[int, Any], width: int, height: int, notes: Xmp | None = None
) -> tuple[float | None, str]:
    """The focal length in pixels of the picture of `width` x `height`, and a warning (empty: nothing to say).

    Args:
        exif: the tags of the Exif IFD by number; values as Pillow gives them.
        width, height: of the picture, upright or not: only its diagonal and its long side count.
        notes: the picture's XMP data.
    """
    shown = _kept(notes, width, height) if notes else 1.0
    taken = _number(exif.get(_WIDTH)), _number(exif.get(_HEIGHT))
    focal = _focal(exif, taken[0], taken[1], width, height, shown)
    if focal is None:
        return None, ""
    warning = ""
    if shown < 1 and _number(exif.get(_FOCAL_LENGTH_35MM)):
        warning = f"The photo was cropped when it was developed: it shows {shown:.0%} of the diagonal as taken."
    if taken[0] and taken[1] and _cropped(taken[0], taken[1], width, height):
        then = f"The photo was cropped after it was taken ({taken[0]:.0f} x {taken[1]:.0f} px then)"
        kept = min(max(width, height) / max(taken[0], taken[1]), min(width, height) / min(taken[0], taken[1]))
        if not CROP_LEAST <= kept <= 1 or max(width, height) > max(taken[0], taken[1]):
            return None, f"{then}, so the focal length in its EXIF data no longer holds."
        focal = _focal(exif, taken[0], taken[1], taken[0], taken[1], shown)
        assert focal is not None
        warning = f"{then}; the focal length in its EXIF data is taken at the size of those pixels."
    return _possible(focal, width, height, warning)


def _possible(focal: float, width: int, height: int, warning: str) -> tuple[float | None, str]:
    fov = _long_fov(focal, width, height)
    if not FOV_LIMITS[0] <= fov <= FOV_LIMITS[1]:
        return None, f"The focal length in the photo's EXIF data can't be right (a view of {fov:.2g}°): it is ignored."
    return focal, warning


def _kept(notes: Xmp, width: int, height: int) -> float:
    """Share of the diagonal that was kept when the picture was developed; 1 where nothing says that any was cut away.

    The crop's corners are shares of the whole picture's sides. However it was turned, its diagonal runs between them.
    """
    told = [(notes.value(CAMERA_RAW, name) or "").lower() for name in ("HasCrop", "AlreadyApplied")]
    left, top, right, bottom = (_share(notes.value(CAMERA_RAW, f"Crop{s}")) for s in ("Left", "Top", "Right", "Bottom"))
    if told != ["true", "true"] or left is None or top is None or right is None or bottom is None:
        return 1.0
    across, down = right - left, bottom - top
    if across <= 0 or down <= 0:
        return 1.0
    now = max(width, height) / min(width, height)
    # Corners are noted as the sensor lay, whichever way the picture is up.
    sensor = min(CROP_SENSORS, key=lambda ratio: abs(abs(math.log(ratio * across / down)) - math.log(now)))
    return math.hypot(sensor * across, down) / math.hypot(sensor, 1)


def _share(text: str | None) -> float | None:
    """0..1, or None: XMP data hold what anybody wrote."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number <= 1 else None


def _focal(
    exif: Mapping[int, Any],
    taken_width: float | None,
    taken_height: float | None,
    width: float,
    height: float,
    kept: float,
) -> float | None:
    """In pixels of a picture of `width` x `height` that shows all that was taken, or this share of its diagonal."""
    film_mm = _number(exif.get(_FOCAL_LENGTH_35MM))
    if film_mm:
        return film_mm / FILM_DIAGONAL_MM * math.hypot(width, height) / kept
    focal_mm, per_unit = _number(exif.get(_FOCAL_LENGTH)), _number(exif.get(_PLANE_RESOLUTION))
    unit_mm = _UNIT_MM.get(int(_number(exif.get(_PLANE_UNIT)) or 2))
    if not (focal_mm and per_unit and unit_mm):
        return None
    # The resolution is that of the picture as it was taken; this one may have been scaled since.
    scale = max(width, height) / max(taken_width, taken_height) if taken_width and taken_height else 1.0
    return focal_mm * per_unit / unit_mm * scale


def _long_fov(focal: float, width: int, height: int) -> float:
    """Degrees over the long side."""
    return 2 * math.degrees(math.atan(max(width, height) / 2 / focal))


def _cropped(taken_width: float, taken_height: float, width: int, height: int) -> bool:
    # Sorted: editors turn the pixels and leave these two tags as they were.
    then = max(taken_width, taken_height) / min(taken_width, taken_height)
    now = max(width, height) / min(width, height)
    return abs(then / now - 1) > CROP_TOLERANCE


def _number(value: Any) -> float | None:
    """A positive finite number, or None: EXIF data hold zeros, texts and fractions over zero."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None
