"""The photo's camera from its EXIF data or from the calibration that its file carries.

The EXIF standard (CIPA DC-008) gives either the focal length that sees as much on 35 mm film, which is a statement
about the picture's diagonal (CIPA DCG-001), or the true focal length and the sensor's pixels per unit of length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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


def focal_from_exif(exif: Mapping[int, Any], width: int, height: int) -> tuple[float | None, str]:
    """The focal length in pixels of the picture of `width` x `height`, and a warning (empty: nothing to say).

    Args:
        exif: the tags of the Exif IFD by number; values as Pillow gives them.
        width, height: of the picture, upright or not: only its diagonal and its long side count.
    """
    taken = _number(exif.get(_WIDTH)), _number(exif.get(_HEIGHT))
    focal = _focal(exif, taken[0], taken[1], width, height)
    if focal is None:
        return None, ""
    warning = ""
    if taken[0] and taken[1] and _cropped(taken[0], taken[1], width, height):
        then = f"The photo was cropped after it was taken ({taken[0]:.0f} x {taken[1]:.0f} px then)"
        kept = min(max(width, height) / max(taken[0], taken[1]), min(width, height) / min(taken[0], taken[1]))
        if not CROP_LEAST <= kept <= 1 or max(width, height) > max(taken[0], taken[1]):
            return None, f"{then}, so the focal length in its EXIF data no longer holds."
        focal = _focal(exif, taken[0], taken[1], taken[0], taken[1])
        assert focal is not None
        warning = f"{then}; the focal length in its EXIF data is taken at the size of those pixels."
    fov = _long_fov(focal, width, height)
    if not FOV_LIMITS[0] <= fov <= FOV_LIMITS[1]:
        return None, f"The focal length in the photo's EXIF data can't be right (a view of {fov:.2g}°): it is ignored."
    return focal, warning


def _focal(
    exif: Mapping[int, Any], taken_width: float | None, taken_height: float | None, width: float, height: float
) -> float | None:
    """In pixels of a picture of `width` x `height` that shows all that was taken."""
    film_mm = _number(exif.get(_FOCAL_LENGTH_35MM))
    if film_mm:
        return film_mm / FILM_DIAGONAL_MM * math.hypot(width, height)
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
