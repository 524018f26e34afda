"""Who looks at a photo and advises: the table of advisors, the two questions, and `advise`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import overload

from diorama.advice import ReconstructionAdvice, SceneAdvice
from diorama.advisor.prices import Estimate
from diorama.advisor.questions import Answer, Question, ReconstructionQuestion, SceneQuestion
from diorama.errors import UnknownModelError

__all__ = [
    "Advisor",
    "Answer",
    "Estimate",
    "ReconstructionQuestion",
    "SceneQuestion",
    "advise",
    "estimate",
    "expected",
    "identity",
    "notice",
    "problem",
]


@dataclass(frozen=True)
class Advisor:
    """Somebody to ask."""

    name: str
    scene: Callable[[SceneQuestion], Answer[SceneAdvice]]
    reconstruction: Callable[[ReconstructionQuestion], Answer[ReconstructionAdvice]]
    note: str


def _off_scene(_question: SceneQuestion) -> Answer[SceneAdvice]:
    return Answer(SceneAdvice(), "Nobody was asked.")


def _off_reconstruction(_question: ReconstructionQuestion) -> Answer[ReconstructionAdvice]:
    return Answer(ReconstructionAdvice(), "Nobody was asked.")


def _local_scene(question: SceneQuestion) -> Answer[SceneAdvice]:
    from diorama.advisor import local

    return Answer(local.scene(question), "Measured in the picture and the depth, on this machine.")


def _local_reconstruction(question: ReconstructionQuestion) -> Answer[ReconstructionAdvice]:
    from diorama.advisor import local

    return Answer(local.reconstruction(question), "Measured in the picture and the depth, on this machine.")


def _openai_scene(question: SceneQuestion) -> Answer[SceneAdvice]:
    from diorama.advisor import openai_chat

    return openai_chat.scene(question)


def _openai_reconstruction(question: ReconstructionQuestion) -> Answer[ReconstructionAdvice]:
    from diorama.advisor import openai_chat

    return openai_chat.reconstruction(question)


ADVISORS: tuple[Advisor, ...] = (
    Advisor("off", _off_scene, _off_reconstruction, "Nobody is asked."),
    Advisor("local", _local_scene, _local_reconstruction, "Measures picture and depth on this machine."),
    Advisor("openai", _openai_scene, _openai_reconstruction, "GPT-4 or another server: a small picture leaves it."),
)


@overload
def advise(question: SceneQuestion, name: str) -> Answer[SceneAdvice]: ...


@overload
def advise(question: ReconstructionQuestion, name: str) -> Answer[ReconstructionAdvice]: ...


def advise(question: Question, name: str) -> Answer[SceneAdvice] | Answer[ReconstructionAdvice]:
    """Ask an advisor.

    Args:
        name: ``off``, ``local`` or ``openai``.

    Returns:
        Its advice, every number within its range; what went wrong on the way is a warning, for advice is never so
        important that a scene fails for it.

    Raises:
        UnknownModelError: there is no advisor of that name.
    """
    advisor = _find(name)
    if isinstance(question, SceneQuestion):
        return advisor.scene(question)
    return advisor.reconstruction(question)


def identity(name: str) -> str:
    """What tells this advisor's answers from others', beside its name: the model and the server that are asked.

    Raises:
        UnknownModelError: there is no advisor of that name.
    """
    if _find(name).name != "openai":
        return name
    from diorama.advisor import openai_chat

    return f"openai {openai_chat.identity()}"


def estimate(question: Question) -> Estimate:
    """What it costs to ask `openai` this question: tokens, and dollars where the model's price is known.

    Raises:
        ModelError: `OPENAI_BASE_URL` is no address.
    """
    from diorama.advisor import openai_chat

    return openai_chat.estimate(question)


def expected(width: int, height: int) -> Estimate:
    """What it costs to ask `openai` both questions of a photo of this size, before anything is known of it.

    Raises:
        ModelError: `OPENAI_BASE_URL` is no address.
    """
    from diorama.advisor import openai_chat

    return openai_chat.expected(width, height)


def problem() -> str:
    """Why `openai` can't be asked as things are, as a sentence; empty where it can."""
    from diorama.advisor import openai_chat

    return openai_chat.problem()


def notice(width: int, height: int) -> str:
    """What `openai` is sent, where, and what that costs, for a photo of this size: to be said before it is sent."""
    from diorama.advisor import openai_chat

    return openai_chat.notice(width, height)


def _find(name: str) -> Advisor:
    for advisor in ADVISORS:
        if advisor.name == name:
            return advisor
    raise UnknownModelError(
        f"There is no advisor named '{name}'.", hint=f"There are: {', '.join(a.name for a in ADVISORS)}."
    )
