"""GPT-4, or any server that speaks OpenAI's chat completions, asked with the picture: the picture leaves the machine.

Its answer is laid over the local advice field by field. Whatever goes wrong, the local advice stays, with a sentence.
"""

from __future__ import annotations

from diorama.advice import (
    PARAMETERS,
    Advice,
    FusionAdvice,
    ReconstructionAdvice,
    SceneAdvice,
    SegmentAdvice,
    TextureAdvice,
    fusion_key,
    texture_key,
)
from diorama.advisor import asking, kept, local, marks, prices, reading, service
from diorama.advisor.prices import Estimate
from diorama.advisor.questions import Answer, Question, ReconstructionQuestion, SceneQuestion
from diorama.errors import ModelError, StorageError

ALONE = "The local advice is used alone."

TYPICAL_SEGMENTS = 16
TYPICAL_CHARACTERS = 6500
"""Of a question's words and schema, with that many segments."""


def scene(question: SceneQuestion) -> Answer[SceneAdvice]:
    """Answer the scene question."""
    measured = local.scene(question)
    try:
        text, reason, warnings = _answered(question, measured)
        said = reading.scene(reading.extract(text), _known(question))
    except ModelError as error:
        return Answer(measured, _alone(), (_sentence(error),))
    if question.photo.camera.source not in ("assumed", "model") and said.fov:
        said = said.model_copy(
            update={"fov": None, "dropped": (*said.dropped, "fov: the photo's focal length is known.")}
        )
    return Answer(over_scene(measured, said), reason, warnings)


def reconstruction(question: ReconstructionQuestion) -> Answer[ReconstructionAdvice]:
    """Answer the reconstruction question."""
    measured = local.reconstruction(question)
    try:
        text, reason, warnings = _answered(question, measured)
        said = reading.reconstruction(reading.extract(text), _known(question))
    except ModelError as error:
        return Answer(measured, _alone(), (_sentence(error),))
    return Answer(over_reconstruction(measured, said), reason, warnings)


def estimate(question: Question) -> Estimate:
    """What this question costs, before it is sent.

    Raises:
        ModelError: `OPENAI_BASE_URL` is no address.
    """
    who = service.described()
    measured = local.scene(question) if isinstance(question, SceneQuestion) else local.reconstruction(question)
    photo, segments = asking.subject(question)
    characters = len(asking.SYSTEM) + len(asking.text(question, measured))
    return prices.estimate(who.model, who.host, who.is_openai, characters, marks.size(photo), len(segments.items))


def expected(width: int, height: int) -> Estimate:
    """What both questions cost for a photo of this size, before anything is known of it.

    Raises:
        ModelError: `OPENAI_BASE_URL` is no address.
    """
    who = service.described()
    scale = min(1.0, marks.LONG_SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return prices.estimate(who.model, who.host, who.is_openai, TYPICAL_CHARACTERS, size, TYPICAL_SEGMENTS, 2)


def problem() -> str:
    """Why nobody can be asked as things are, as a sentence; empty where somebody can."""
    try:
        service.ready()
    except ModelError as error:
        return f"{error.message} {error.hint}"
    return ""


def notice(width: int, height: int) -> str:
    """What is sent where and what it costs, for a photo of this size; or why nothing can be sent."""
    why_not = problem()
    if why_not:
        return f"{why_not} {ALONE}"
    found = expected(width, height)
    return (
        f"{found.model} at {found.host} is asked twice: a copy of the photo of at most {marks.LONG_SIDE} px with its "
        "segments numbered on it, a list of the segments and what was measured leave this machine; no file name, place "
        f"or other EXIF data does. {found.sentence}"
    )


def identity() -> str:
    """The model and the server that are asked, for a checkpoint's key."""
    try:
        return service.described().identity
    except ModelError:
        return "no server"


def _answered(question: Question, measured: Advice) -> tuple[str, str, tuple[str, ...]]:
    """The answer's text, kept or fresh; why it is this advisor's; warnings.

    Raises:
        ModelError: it can't be had.
    """
    who = service.ready()
    messages, schema = asking.messages(question, measured), asking.schema(question)
    name = kept.name_of(service.request(who, messages, schema), who.identity)
    text = kept.load(name)
    if text is not None:
        return text, f"{who.model} at {who.host} said so to the same question before.", ()
    text = service.ask(who, messages, schema)
    reading.extract(text)
    warnings: tuple[str, ...] = ()
    try:
        kept.save(name, text)
    except StorageError as error:
        warnings = (f"The advisor's answer could not be kept for another time: {error.message}",)
    return text, f"{who.model} at {who.host} looked at the picture.", warnings


def over_scene(measured: SceneAdvice, said: SceneAdvice) -> SceneAdvice:
    """What was said, and what was measured where nothing was said."""
    names = ("caption", "fov", "subject_distance", "roll")
    segments = {item.id: item for item in measured.segments}
    for item in said.segments:
        below = segments.get(item.id, SegmentAdvice(id=item.id))
        fields = {name: getattr(item, name) for name in SegmentAdvice.model_fields if name != "id"}
        segments[item.id] = below.model_copy(update={name: value for name, value in fields.items() if value})
    return said.model_copy(
        update={
            **{name: getattr(said, name) or getattr(measured, name) for name in names},
            "segments": tuple(segments[id] for id in sorted(segments)),
            "merges": said.merges or measured.merges,
        }
    )


def over_reconstruction(measured: ReconstructionAdvice, said: ReconstructionAdvice) -> ReconstructionAdvice:
    """The same; an amount of 0 takes a suggestion back."""
    texture: dict[str, TextureAdvice] = {texture_key(item): item for item in (*measured.texture, *said.texture)}
    fusion: dict[str, FusionAdvice] = {fusion_key(item): item for item in (*measured.fusion, *said.fusion)}
    return said.model_copy(
        update={
            **{name: getattr(said, name) or getattr(measured, name) for name in PARAMETERS},
            "texture": tuple(item for item in texture.values() if item.amount > 0),
            "fusion": tuple(item for item in fusion.values() if item.amount > 0),
        }
    )


def _known(question: Question) -> frozenset[int]:
    return frozenset(item.id for item in asking.subject(question)[1].items)


def _alone() -> str:
    return f"Measured on this machine: {identity()} gave no advice."


def _sentence(error: ModelError) -> str:
    return f"{error.message} {error.hint} {ALONE}"
