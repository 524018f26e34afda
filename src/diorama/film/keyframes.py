"""Camera paths of one's own: keyframes in a JSON file.

    {"keyframes": [
        {"time": 0, "position": [0, 0, 0], "rotation": [0, 0, 0], "fov": 50, "focus": 1.4, "easing": "smooth"},
        {"time": 2.5, "position": [0.1, 0, 0.2]},
        {"time": 5, "position": [0, 0, 0]}
    ], "unit": "scene"}

`time` in seconds, ascending. `position` in scene units, or with `"unit": "travel"` in shares of the allowed travel:
right, down, forward. `rotation` in degrees: up, right, clockwise. `fov` horizontal, in degrees; `focus`: distance in
scene units of what is sharp. What a keyframe leaves out stays what it was. `easing` is that of the way to the next one.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diorama.errors import SettingsError
from diorama.film.easing import EASINGS
from diorama.film.poses import Pose
from diorama.render import Vector

MOST_BYTES = 1 << 20
MOST_KEYFRAMES = 1000

_Number = Annotated[float, Field(ge=-1e6, le=1e6)]


class Keyframe(BaseModel):
    """Where the camera is at one time. None: as before."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    time: float = Field(ge=0, le=3600)
    position: tuple[_Number, _Number, _Number] | None = None
    rotation: tuple[_Number, _Number, _Number] | None = None
    fov: float | None = Field(None, ge=1, le=170)
    focus: float | None = Field(None, gt=0)
    easing: Literal["linear", "sine", "smooth", "smoother", "ease-in", "ease-out"] = "smooth"


class Keyframes(BaseModel):
    """A camera path."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    keyframes: tuple[Keyframe, ...] = Field(min_length=1, max_length=MOST_KEYFRAMES)
    unit: Literal["scene", "travel"] = "scene"

    @property
    def seconds(self) -> float:
        """When the last one is reached."""
        return self.keyframes[-1].time

    def poses(self, times: list[float], reach: float, focus: float | None) -> list[Pose]:
        """The camera at these times.

        Args:
            times: seconds, ascending.
            reach: the allowed travel in scene units.
            focus: what is sharp until a keyframe says otherwise.
        """
        scale = reach if self.unit == "travel" else 1.0
        known = _filled(self.keyframes, scale, focus)
        found, k = [], 0
        for time in times:
            while k + 1 < len(known) and known[k + 1][0].time <= time:
                k += 1
            key, pose = known[k]
            if k + 1 == len(known) or time <= key.time:
                found.append(pose)
                continue
            following, other = known[k + 1]
            share = EASINGS[key.easing]((time - key.time) / (following.time - key.time))
            found.append(_between(pose, other, share))
        return found


def parse(values: Any) -> Keyframes:
    """Check a camera path.

    Raises:
        SettingsError: it is no path, or its times don't ascend; the sentence says where.
    """
    try:
        path = Keyframes.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SettingsError(
            f"The camera path can't be used: {place}: {first['msg'][0].lower()}{first['msg'][1:]}.", hint=_HINT
        ) from None
    times = [key.time for key in path.keyframes]
    if any(later <= earlier for earlier, later in itertools.pairwise(times)):
        raise SettingsError("The keyframes' times don't ascend.", hint=_HINT)
    return path


def read(file: Path) -> Keyframes:
    """Read a camera path.

    Raises:
        SettingsError: the file can't be read or holds none.
    """
    try:
        data = file.read_bytes()
        if len(data) > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES >> 20} MB")
        values = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"The camera path {file} can't be read: {error}.", hint=_HINT) from None
    return parse(values)


_HINT = 'Give {"keyframes": [{"time": 0, "position": [0, 0, 0]}, {"time": 5, "position": [0.1, 0, 0]}]}.'


def _filled(keys: tuple[Keyframe, ...], scale: float, focus: float | None) -> list[tuple[Keyframe, Pose]]:
    """Each keyframe with its whole pose: what it leaves out is the one's before; a first fov or focus that comes later
    holds from the start."""
    position: Vector = (0.0, 0.0, 0.0)
    turned: Vector = (0.0, 0.0, 0.0)
    fov = next((key.fov for key in keys if key.fov is not None), None)
    focus = next((key.focus for key in keys if key.focus is not None), focus)
    found = []
    for key in keys:
        if key.position is not None:
            x, y, z = key.position
            position = x * scale, y * scale, z * scale
        turned = key.rotation or turned
        fov = key.fov if key.fov is not None else fov
        focus = key.focus if key.focus is not None else focus
        found.append((key, Pose(position, turned, fov=fov, focus=focus)))
    return found


def _between(one: Pose, other: Pose, share: float) -> Pose:
    def mixed(a: float, b: float) -> float:
        return a + (b - a) * share

    def vector(a: Vector, b: Vector) -> Vector:
        return mixed(a[0], b[0]), mixed(a[1], b[1]), mixed(a[2], b[2])

    fov = None if one.fov is None or other.fov is None else mixed(one.fov, other.fov)
    # A lens is focused evenly in dioptres.
    focus = None if one.focus is None or other.focus is None else 1 / mixed(1 / one.focus, 1 / other.focus)
    return Pose(vector(one.position, other.position), vector(one.rotation, other.rotation), fov=fov, focus=focus)
