"""Who looks at a photo and advises: the table of advisors, the two questions, and `advise`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar, overload

from diorama.advice import ReconstructionAdvice, SceneAdvice
from diorama.types import DepthMap, Photo, PointCloud, Scene, Segments

A = TypeVar("A", SceneAdvice, ReconstructionAdvice)


@dataclass(frozen=True)
class SceneQuestion:
    """Before step 3: what is this, and how does it stand in space?"""

    photo: Photo
    depth: DepthMap
    points: PointCloud
    segments: Segments


@dataclass(frozen=True)
class ReconstructionQuestion:
    """Before step 4: how is it best rebuilt?"""

    scene: Scene  # of step "enhanced"
    advice: SceneAdvice  # less what was declined


@dataclass(frozen=True)
class Answer(Generic[A]):
    """Advice, why it is this advisor's, and what went wrong on the way."""

    advice: A
    reason: str
    warnings: tuple[str, ...] = ()


@overload
def advise(question: SceneQuestion, name: str) -> Answer[SceneAdvice]: ...


@overload
def advise(question: ReconstructionQuestion, name: str) -> Answer[ReconstructionAdvice]: ...


def advise(
    question: SceneQuestion | ReconstructionQuestion, name: str
) -> Answer[SceneAdvice] | Answer[ReconstructionAdvice]:
    """Ask the advisor `name`: ``off``, ``local`` or ``openai``."""
    reason = "Nobody was asked."
    if isinstance(question, SceneQuestion):
        return Answer(SceneAdvice(adviser=name), reason)
    return Answer(ReconstructionAdvice(adviser=name), reason)


def identity(name: str) -> str:
    """What tells this advisor's answers from others', beside its name: the model and the server that are asked."""
    return name
