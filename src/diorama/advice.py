"""The records of what an advisor says of a photo, and of what became of it.

    Question -> Advice                    `advisor`: before step 3 of the scene, before step 4 of its reconstruction
    Advice -> Suggestion ...              one a line, each with a key by which a person declines it
    Suggestion -> Outcome                 what was done with it, in words, with before and after

Every number is in the range that `settings` or its own field gives, every reason is a sentence for a person. Advice
names no file, no address and no code, so nothing that an advisor says can do more than these records hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from diorama.segments import SegmentKind, Segments

Adviser = Literal["local", "openai"]
Shape = Literal["flat", "boxy", "round", "relief"]
TextureAction = Literal["denoise", "sharpen", "tone", "white-balance", "match-imagined", "super-resolution", "generate"]
FusionAction = Literal["join", "close-back", "plane", "backdrop"]

MAX_TEXT = 400
"""Characters of a name's or reason's longest form; what is longer is cut."""

Text: TypeAlias = Annotated[str, Field(max_length=MAX_TEXT)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]

T = TypeVar("T")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Advised(_Record, Generic[T]):
    """One value that is advised."""

    value: T
    reason: Text
    source: Adviser
    confidence: Share = 1.0


class SegmentAdvice(_Record):
    """What is advised of one segment; None where the advisor leaves it open."""

    id: int = Field(ge=1)
    name: Advised[Text] | None = None
    kind: Advised[SegmentKind] | None = None
    shape: Advised[Shape] | None = None  # how it goes on behind what is seen
    material: Advised[Text] | None = None
    roughness: Advised[Share] | None = None  # glTF's factor, of the material
    metallic: Advised[Share] | None = None  # the same
    behind: Advised[Text] | None = None  # what it probably hides: a prompt for generative inpainting


class MergeAdvice(_Record):
    """Segments that are one thing."""

    ids: tuple[int, ...] = Field(min_length=2)  # ascending; the first keeps its id
    name: Text = ""
    reason: Text
    source: Adviser
    confidence: Share = 1.0


class SceneAdvice(_Record):
    """The answer to the scene question, before step 3."""

    adviser: str = "off"  # the backend that ran
    caption: Advised[Text] | None = None
    fov: Advised[float] | None = None  # horizontal field of view in degrees, within `Settings.fov`'s range
    subject_distance: Advised[float] | None = None  # metres
    roll: Advised[float] | None = None  # degrees by which the camera was turned clockwise
    segments: tuple[SegmentAdvice, ...] = ()  # ids ascending
    merges: tuple[MergeAdvice, ...] = ()
    dropped: tuple[Text, ...] = ()  # what an advisor said and nobody can use, in words

    def of(self, segment: int) -> SegmentAdvice:
        """What is advised of this segment; nothing at all, where nothing is."""
        return next((item for item in self.segments if item.id == segment), SegmentAdvice(id=segment))

    def behind(self, segments: Segments) -> str:
        """What is probably behind the things of a photo, in words for an inpainter that takes them."""
        known = ((item.name, self.of(item.id).behind) for item in segments.items)
        return "; ".join(f"behind {name}: {behind.value}" for name, behind in known if behind)


class TextureAdvice(_Record):
    """One thing to do to the texture."""

    action: TextureAction
    amount: Share  # 0 nothing, 1 as much as the method can do
    segment: int | None = None  # None: everywhere
    prompt: Text = ""  # "generate": what to paint
    reason: Text
    source: Adviser
    confidence: Share = 1.0


class FusionAdvice(_Record):
    """One thing to do when the layers are fused."""

    action: FusionAction
    segments: tuple[int, ...] = Field(min_length=1)  # ascending
    amount: Share = 1.0  # "close-back": depth of the back as a share of the object's width; "plane": how far it is bent
    reason: Text
    source: Adviser
    confidence: Share = 1.0


class ReconstructionAdvice(_Record):
    """The answer to the reconstruction question, before step 4. Numbers are in the ranges of the settings' fields."""

    adviser: str = "off"
    depth_range: Advised[float] | None = None
    cut_threshold: Advised[float] | None = None
    smoothing: Advised[float] | None = None
    camera_travel: Advised[float] | None = None
    second_look: Advised[float] | None = None
    texture: tuple[TextureAdvice, ...] = ()
    fusion: tuple[FusionAdvice, ...] = ()
    dropped: tuple[Text, ...] = ()


Advice = SceneAdvice | ReconstructionAdvice

A = TypeVar("A", SceneAdvice, ReconstructionAdvice)


class Suggestion(_Record):
    """One line of advice, as the page lists it."""

    key: str  # declines it: ``texture.denoise``, ``segments.3.name``, ``merge.3-4``, ``fov``
    topic: Literal["scene", "segments", "parameters", "texture", "fusion"]
    what: str  # the advised field or action: ``name``, ``denoise``
    segments: tuple[int, ...] = ()
    value: JsonValue
    reason: str
    source: Adviser
    confidence: float


class Outcome(_Record):
    """What became of one suggestion."""

    key: str
    applied: bool
    sentence: str  # what was done, or why it was not
    before: str = ""  # a measured value with its unit, for a person
    after: str = ""


class Tuning(_Record):
    """Reconstruction parameters as chosen by `optimize`.

    Inverse depth and focal length change together: a point seen at (u, v) with inverse depth d in scene units gets
    inverse depth ``gain d + offset`` under a camera of the horizontal field of view `fov`. That is a projective map of
    space, so straight stays straight and flat stays flat, and the photo's own view stays what it is.
    """

    fov: float  # degrees
    gain: float = Field(default=1.0, gt=0)
    offset: float = 0.0  # 1 / scene units
    cut_threshold: float  # as the settings' field
    smoothing: float
    camera_travel: float
    second_look: float = 0.0
    metres_per_unit: float | None = None  # estimated; None: nobody knows
    objective_before: float = 0.0
    objective_after: float = 0.0
    terms: dict[str, tuple[float, float]] = Field(default_factory=dict)  # of the objective: before, after
    locked: tuple[str, ...] = ()  # parameters that the user or the file fixed
    reason: str = ""  # a sentence: what was chosen and why


_SCENE = ("caption", "fov", "subject_distance", "roll")
_SEGMENT = ("name", "kind", "shape", "material", "roughness", "metallic", "behind")
PARAMETERS = ("depth_range", "cut_threshold", "smoothing", "camera_travel", "second_look")
"""Settings that the reconstruction question is about."""

TITLES = {
    "fov": "field of view",
    "depth_range": "depth strength",
    "cut_threshold": "cut threshold",
    "smoothing": "smoothing",
    "camera_travel": "camera travel",
}
"""What sentences call them, and the field of view."""


def keys_of(text: str) -> frozenset[str]:
    """The keys in a setting such as `declined`: separated by commas."""
    return frozenset(key.strip() for key in text.split(",") if key.strip())


def suggestions(advice: Advice) -> tuple[Suggestion, ...]:
    """Every line of an advice."""
    return tuple(_lines(advice))


def without(advice: A, declined: Collection[str]) -> A:
    """The advice less the lines whose keys are `declined`."""
    if isinstance(advice, SceneAdvice):
        segments = tuple(
            item.model_copy(update={n: None for n in _SEGMENT if f"segments.{item.id}.{n}" in declined})
            for item in advice.segments
        )
        merges = tuple(merge for merge in advice.merges if merge_key(merge) not in declined)
        gone: dict[str, Any] = {name: None for name in _SCENE if _key(name) in declined}
        return advice.model_copy(update={**gone, "segments": segments, "merges": merges})
    gone = {name: None for name in PARAMETERS if _key(name) in declined}
    texture = tuple(item for item in advice.texture if texture_key(item) not in declined)
    fusion = tuple(item for item in advice.fusion if fusion_key(item) not in declined)
    return advice.model_copy(update={**gone, "texture": texture, "fusion": fusion})


def merge_key(merge: MergeAdvice) -> str:
    """``merge.3-4``"""
    return f"merge.{_ids(merge.ids)}"


def texture_key(item: TextureAdvice) -> str:
    """``texture.denoise``, or ``texture.generate.3`` of one segment"""
    return f"texture.{item.action}" + ("" if item.segment is None else f".{item.segment}")


def fusion_key(item: FusionAdvice) -> str:
    """``fusion.close-back.3``"""
    return f"fusion.{item.action}.{_ids(item.segments)}"


def _lines(advice: Advice) -> Iterator[Suggestion]:
    if isinstance(advice, SceneAdvice):
        for name in _SCENE:
            yield from _line(_key(name), "scene", name, getattr(advice, name))
        for segment in advice.segments:
            for name in _SEGMENT:
                key = f"segments.{segment.id}.{name}"
                yield from _line(key, "segments", name, getattr(segment, name), (segment.id,))
        for m in advice.merges:
            yield _suggestion(merge_key(m), "segments", "merge", m, m.ids, m.name)
        return
    for name in PARAMETERS:
        yield from _line(_key(name), "parameters", name, getattr(advice, name))
    for t in advice.texture:
        yield _suggestion(texture_key(t), "texture", t.action, t, () if t.segment is None else (t.segment,), t.amount)
    for f in advice.fusion:
        yield _suggestion(fusion_key(f), "fusion", f.action, f, f.segments, f.amount)


def _line(key: str, topic: Any, what: str, item: Any, segments: tuple[int, ...] = ()) -> Iterator[Suggestion]:
    if item is not None:
        yield _suggestion(key, topic, what, item, segments, item.value)


def _suggestion(key: str, topic: Any, what: str, item: Any, segments: tuple[int, ...], value: Any) -> Suggestion:
    return Suggestion(
        key=key,
        topic=topic,
        what=what,
        segments=segments,
        value=value,
        reason=item.reason,
        source=item.source,
        confidence=item.confidence,
    )


def _key(name: str) -> str:
    return name.replace("_", "-")


def _ids(ids: tuple[int, ...]) -> str:
    return "-".join(map(str, ids))
