"""What a person paints over a depth map to correct it. Part of the foundation: `types` has the record.

A corrections file is JSON: a list of strokes, or an object that holds it as ``corrections``.

    {"corrections": [
      {"kind": "nearer", "points": [[0.41, 0.52], [0.47, 0.55]], "radius": 0.02, "strength": 0.15},
      {"kind": "same", "points": [[0.8, 0.3]], "here": [0.7, 0.35]},
      {"kind": "cut", "points": [[0.2, 0.1], [0.25, 0.6]], "radius": 0.01}
    ]}
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from diorama.errors import CorrectionError

CorrectionKind = Literal["nearer", "farther", "flat", "same", "cut", "join", "sky"]

KINDS: tuple[CorrectionKind, ...] = get_args(CorrectionKind)

MOST_POINTS = 1000
"""Of one stroke: a hand that draws for ten seconds makes about as many before they are thinned."""

MOST_CORRECTIONS = 200
"""Far more than a person paints; each costs a solve whenever the step is made."""

MAX_FILE_BYTES = 16 << 20

RADIUS = 0.02
"""Of a brush, as a share of the photo's long side: about a finger's width of a phone's screen."""

RADIUS_RANGE = (0.001, 0.25)

STRENGTH = 0.15
"""Of `nearer` and `farther` where none is given; the other kinds go the whole way."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Correction:
    """One stroke of the brush; `depth.correct.correct` carries it out.

    ========  ============================================================  =================================
    kind      what becomes of what was painted on                           `strength`
    ========  ============================================================  =================================
    nearer    it is moved towards the camera                                by this share of the depth range
    farther   it is moved away from the camera                              by this share of the depth range
    flat      it becomes a plane                                            share of the way there
    same      it is moved to the depth of the place `here`                  share of the way there
    cut       two surfaces end there, along the photo's edge                not used
    join      one surface goes on there                                     share of the step that is levelled
    sky       it is the sky, infinitely far                                 not used
    ========  ============================================================  =================================
    """

    kind: CorrectionKind
    points: tuple[Point, ...]  # (x, y), 0..1 over the photo: the path of the brush's middle
    radius: float = RADIUS  # share of the photo's long side
    strength: float | None = None  # 0..1; None: `STRENGTH` for nearer and farther, else 1
    here: Point | None = None  # same: the place whose depth is taken

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {self.kind!r}")
        if not 1 <= len(self.points) <= MOST_POINTS:
            raise ValueError(f"a stroke has 1 to {MOST_POINTS} points, not {len(self.points)}")
        for point in (*self.points, *([] if self.here is None else [self.here])):
            if len(point) != 2 or not all(0 <= share <= 1 for share in point):  # false for NaN, too
                raise ValueError(f"a point is x and y, each 0 to 1 over the photo, not {point}")
        low, high = RADIUS_RANGE
        if not low <= self.radius <= high:
            raise ValueError(f"radius is {low} to {high} of the photo's long side, not {self.radius}")
        if self.strength is not None and not 0 < self.strength <= 1:
            raise ValueError(f"strength is above 0, up to 1, not {self.strength}")
        if (self.kind == "same") != (self.here is not None):
            raise ValueError("'same' names the place whose depth is taken as 'here'; the other kinds have none")
        if self.kind == "cut" and len(set(self.points)) < 2:
            raise ValueError("'cut' follows an edge: it has two different points or more")

    @property
    def amount(self) -> float:
        """`strength`, or what stands for it."""
        if self.strength is not None:
            return self.strength
        return STRENGTH if self.kind in ("nearer", "farther") else 1.0

    def to_json(self) -> dict[str, Any]:
        """What `parse` reads: the fields that are set."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        return values | {"points": [list(point) for point in self.points]} | (
            {} if self.here is None else {"here": list(self.here)}
        )  # fmt: skip


def parse(values: object, *, number: int = 1) -> Correction:
    """A stroke from JSON's types; a `Correction` is returned as it is.

    Args:
        number: which of several it is, from 1, for the sentence.

    Raises:
        CorrectionError: a field is missing, unknown or outside its range; the sentence says which.
    """
    if isinstance(values, Correction):
        return values
    names = [field.name for field in fields(Correction)]
    try:
        if not isinstance(values, Mapping):
            raise ValueError("a stroke is an object")
        if unknown := sorted(set(values) - set(names)):
            raise ValueError(f"there is no field {unknown[0]!r}")
        if missing := sorted({"kind", "points"} - set(values)):
            raise ValueError(f"{missing[0]!r} is missing")
        points = values["points"]
        if not isinstance(points, (list, tuple)):
            raise ValueError("'points' is a list of [x, y]")
        radius, strength, here = values.get("radius"), values.get("strength"), values.get("here")
        return Correction(
            str(values["kind"]),  # type: ignore[arg-type]
            tuple(_point(point) for point in points),
            RADIUS if radius is None else _number(radius),
            None if strength is None else _number(strength),
            None if here is None else _point(here),
        )
    except ValueError as error:
        raise CorrectionError(
            f"Stroke {number} can't be used: {error}.",
            hint="A stroke has 'kind', 'points' and, where they differ from the usual, 'radius', 'strength', 'here'.",
        ) from None


def parse_all(values: Iterable[object]) -> tuple[Correction, ...]:
    """Strokes in their order.

    Raises:
        CorrectionError: one of them can't be used, or there are too many.
    """
    strokes = tuple(parse(value, number=number) for number, value in enumerate(values, 1))
    if len(strokes) > MOST_CORRECTIONS:
        raise CorrectionError(
            f"{len(strokes)} strokes are too many.", hint=f"Give at most {MOST_CORRECTIONS}: use a larger brush."
        )
    return strokes


def read(path: Path) -> tuple[Correction, ...]:
    """Read a corrections file.

    Raises:
        CorrectionError: it can't be read, is no such JSON, or holds a stroke that can't be used.
    """
    hint = 'Give a JSON file such as [{"kind": "nearer", "points": [[0.4, 0.5], [0.5, 0.5]], "strength": 0.2}].'
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ValueError(f"it is over {MAX_FILE_BYTES >> 20} MB")
        values = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise CorrectionError(f"The corrections file {path} can't be read: {error}.", hint=hint) from None
    if isinstance(values, dict):
        values = values.get("corrections")
    if not isinstance(values, list):
        raise CorrectionError(f"The corrections file {path} holds no list of strokes.", hint=hint)
    return parse_all(values)


def _point(value: object) -> Point:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"a point is [x, y], not {str(value)[:40]}")
    return _number(value[0]), _number(value[1])


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{str(value)[:40]!r} is no number")
    return float(value)
