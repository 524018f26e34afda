"""A model's answer to advice: every value checked by itself, and what can't be used dropped and named.

Models wrap JSON in prose and fences, leave fields out, make values up. Nothing here trusts them: text is cleaned and
cut, numbers must be finite and in range, segments must exist, and nothing else can come through.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterator
from typing import Any, Literal, TypeVar, get_args

from diorama.advice import (
    MAX_TEXT,
    PARAMETERS,
    Advised,
    FusionAction,
    FusionAdvice,
    MergeAdvice,
    ReconstructionAdvice,
    SceneAdvice,
    SegmentAdvice,
    Shape,
    TextureAction,
    TextureAdvice,
    fusion_key,
    texture_key,
)
from diorama.advisor.local import METRES, MOST_ROLL
from diorama.advisor.parameters import limits
from diorama.errors import ModelError
from diorama.segments import SegmentKind

T = TypeVar("T")

MOST_ITEMS = 300
"""Of a list that are looked at."""

MOST_DROPPED = 40
"""Sentences about what was dropped."""

SHORT = 60
"""Characters of a name or a material."""

UNSURE = 0.6
"""Confidence of an answer that names none."""

NO_REASON = "The model gave no reason."

SOURCE: Literal["openai"] = "openai"


def extract(text: str) -> dict[str, Any]:
    """The JSON object in an answer: all of it, in a code fence, or between sentences.

    Raises:
        ModelError: there is none.
    """
    decoder = json.JSONDecoder()
    start, tries = text.find("{"), 0
    while start >= 0 and tries < 50:
        try:
            found, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and found:
            return found
        start, tries = text.find("{", start + 1), tries + 1
    raise ModelError("The model answered in prose instead of JSON.", hint="Try again, or use another model.")


def scene(data: dict[str, Any], known: frozenset[int]) -> SceneAdvice:
    """The answer to the scene question.

    Args:
        known: the segments' ids.
    """
    read = _Reader(known)
    segments = []
    seen: set[int] = set()
    for raw in read.items(data, "segments"):
        id = read.id(raw.get("id"), "segments")
        if id is None or id in seen:
            if id is not None:
                read.drop(f"segment {id}", "it is there twice")
            continue
        seen.add(id)
        segments.append(_segment(read, raw, id))
    return SceneAdvice(
        adviser=SOURCE,
        caption=read.advised(data, "caption", lambda raw, what: read.text(raw, what, MAX_TEXT)),
        fov=read.number_in(data, "fov", *limits("fov")),
        subject_distance=read.number_in(data, "subject_distance", *METRES),
        roll=read.number_in(data, "roll", -MOST_ROLL, MOST_ROLL),
        segments=tuple(sorted(segments, key=lambda item: item.id)),
        merges=tuple(_merges(read, data)),
        dropped=read.sentences(),
    )


def reconstruction(data: dict[str, Any], known: frozenset[int]) -> ReconstructionAdvice:
    """The answer to the reconstruction question."""
    read = _Reader(known)
    numbers = {name: read.number_in(data, name, *limits(name)) for name in PARAMETERS}
    return ReconstructionAdvice(
        adviser=SOURCE,
        **numbers,
        texture=tuple(_texture(read, data)),
        fusion=tuple(_fusion(read, data)),
        dropped=read.sentences(),
    )


def clean(text: str, most: int) -> str:
    """Without control characters, with single spaces, of `most` characters at most; it stays text, whatever it says."""
    head = unicodedata.normalize("NFC", text[: 4 * most])
    spaced = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in head)
    return " ".join(spaced.split())[:most].strip()


class _Reader:
    """Reads values one by one, and keeps what couldn't be used."""

    def __init__(self, known: frozenset[int]) -> None:
        self.known = known
        self._dropped: list[str] = []
        self._more = 0

    def drop(self, what: str, why: str) -> None:
        if len(self._dropped) < MOST_DROPPED:
            self._dropped.append(clean(f"{what}: {why}.", MAX_TEXT))
        else:
            self._more += 1

    def sentences(self) -> tuple[str, ...]:
        return (*self._dropped, *([f"And {self._more} more."] if self._more else []))

    def items(self, data: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
        """The objects of a list."""
        raw = data.get(name)
        if raw is None:
            return
        if not isinstance(raw, list):
            self.drop(name, f"{_shown(raw)} is no list")
            return
        if len(raw) > MOST_ITEMS:
            self.drop(name, f"there are {len(raw):,} of them, and {MOST_ITEMS} are looked at")
        for item in raw[:MOST_ITEMS]:
            if isinstance(item, dict):
                yield item
            else:
                self.drop(name, f"{_shown(item)} is no object")

    def number_in(self, data: dict[str, Any], name: str, low: float, high: float) -> Advised[float] | None:
        return self.advised(data, name, lambda raw, what: self.number(raw, what, low, high))

    def advised(self, data: dict[str, Any], name: str, read: Any) -> Advised[Any] | None:
        """A value with reason and confidence, or bare."""
        raw = data.get(name)
        why: dict[str, Any] = {}
        if isinstance(raw, dict):
            why, raw = raw, raw.get("value")
        value = None if raw is None else read(raw, name)
        if value is None:
            return None
        kind = Advised[float] if isinstance(value, float) else Advised[str]
        return kind(value=value, **self.why(why))

    def why(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Reason, source and confidence of an object."""
        reason = raw.get("reason")
        words = clean(reason, MAX_TEXT) if isinstance(reason, str) else ""
        sure = _finite(raw.get("confidence"))
        confidence = sure if sure is not None and 0 <= sure <= 1 else UNSURE
        return {"reason": words or NO_REASON, "source": SOURCE, "confidence": confidence}

    def number(self, raw: Any, what: str, low: float, high: float) -> float | None:
        value = _finite(raw)
        if value is None:
            self.drop(what, f"{_shown(raw)} is no number")
        elif not low <= value <= high:
            self.drop(what, f"{value:g} is not between {low:g} and {high:g}")
        else:
            return value
        return None

    def text(self, raw: Any, what: str, most: int) -> str | None:
        if not isinstance(raw, str):
            self.drop(what, f"{_shown(raw)} is no text")
            return None
        cleaned = clean(raw, most)
        if not cleaned and raw:
            self.drop(what, "it has no visible characters")
        return cleaned or None

    def choice(self, raw: Any, what: str, choices: tuple[str, ...]) -> Any:
        if isinstance(raw, str) and raw.strip().lower() in choices:
            return raw.strip().lower()
        self.drop(what, f"{_shown(raw)} is none of {', '.join(choices)}")
        return None

    def id(self, raw: Any, what: str) -> int | None:
        value = _finite(raw)
        if value is None or value != int(value) or int(value) not in self.known:
            self.drop(what, f"there is no segment {_shown(raw)}")
            return None
        return int(value)

    def ids(self, raw: Any, what: str, least: int) -> tuple[int, ...] | None:
        """Segments that exist, each once, ascending; None where one doesn't or there are too few."""
        if not isinstance(raw, list) or len(raw) > MOST_ITEMS:
            self.drop(what, f"{_shown(raw)} is no list of segments")
            return None
        found = [self.id(item, what) for item in raw]
        if None in found:
            return None
        ids = tuple(sorted({id for id in found if id is not None}))
        if len(ids) < least:
            self.drop(what, f"it takes {least} segment{'s' if least > 1 else ''}, and {_shown(raw)} are {len(ids)}")
            return None
        return ids


def _segment(read: _Reader, raw: dict[str, Any], id: int) -> SegmentAdvice:
    why = read.why(raw)
    values: dict[str, Any] = {}
    for name, most in (("name", SHORT), ("material", SHORT), ("behind", MAX_TEXT)):
        if raw.get(name) is not None:
            values[name] = read.text(raw[name], f"segment {id}'s {name}", most)
    for name, choices in (("kind", SegmentKind), ("shape", Shape)):
        if raw.get(name) is not None:
            values[name] = read.choice(raw[name], f"segment {id}'s {name}", get_args(choices))
    for name in ("roughness", "metallic"):
        if raw.get(name) is not None:
            values[name] = read.number(raw[name], f"segment {id}'s {name}", 0, 1)
    found = {name: {"value": value, **why} for name, value in values.items() if value is not None}
    return SegmentAdvice.model_validate({"id": id, **found})


def _merges(read: _Reader, data: dict[str, Any]) -> Iterator[MergeAdvice]:
    taken: set[int] = set()
    for raw in read.items(data, "merges"):
        ids = read.ids(raw.get("ids"), "a merge", 2)
        if ids is None:
            continue
        if taken & set(ids):
            read.drop(f"the merge of {_listed(ids)}", "a segment of it is merged already")
            continue
        taken |= set(ids)
        name = read.text(raw["name"], "a merge's name", SHORT) if raw.get("name") is not None else None
        yield MergeAdvice(ids=ids, name=name or "", **read.why(raw))


def _texture(read: _Reader, data: dict[str, Any]) -> Iterator[TextureAdvice]:
    seen: set[str] = set()
    for raw in read.items(data, "texture"):
        action = read.choice(raw.get("action"), "a texture action", get_args(TextureAction))
        amount = read.number(raw.get("amount"), f"the amount of {action}", 0, 1) if action else None
        if action is None or amount is None:
            continue
        segment = None
        if raw.get("segment") is not None:
            segment = read.id(raw["segment"], action)
            if segment is None:
                continue
        prompt = (
            read.text(raw["prompt"], f"the prompt of {action}", MAX_TEXT) if raw.get("prompt") is not None else None
        )
        if action == "generate" and not prompt:
            read.drop(action, "it doesn't say what to paint")
            continue
        item = TextureAdvice(action=action, amount=amount, segment=segment, prompt=prompt or "", **read.why(raw))
        if texture_key(item) in seen:
            read.drop(texture_key(item), "it is there twice")
            continue
        seen.add(texture_key(item))
        yield item


def _fusion(read: _Reader, data: dict[str, Any]) -> Iterator[FusionAdvice]:
    seen: set[str] = set()
    for raw in read.items(data, "fusion"):
        action = read.choice(raw.get("action"), "a fusion action", get_args(FusionAction))
        if action is None:
            continue
        ids = read.ids(raw.get("segments"), action, 2 if action == "join" else 1)
        amount = read.number(raw.get("amount", 1), f"the amount of {action}", 0, 1)
        if ids is None or amount is None:
            continue
        item = FusionAdvice(action=action, segments=ids, amount=amount, **read.why(raw))
        if fusion_key(item) in seen:
            read.drop(fusion_key(item), "it is there twice")
            continue
        seen.add(fusion_key(item))
        yield item


def _finite(raw: Any) -> float | None:
    """A number as a float; numbers in quotes count."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        return None
    try:
        value = float(raw[:40] if isinstance(raw, str) else raw)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def _shown(raw: Any) -> str:
    """A made up value in a sentence: short, without control characters."""
    return clean(repr(raw)[:200], SHORT)


def _listed(ids: tuple[int, ...]) -> str:
    return " and ".join(map(str, ids))
