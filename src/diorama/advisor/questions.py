"""What is asked of an advisor, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

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


Question = SceneQuestion | ReconstructionQuestion


@dataclass(frozen=True)
class Answer(Generic[A]):
    """Advice, why it is this advisor's, and what went wrong on the way."""

    advice: A
    reason: str
    warnings: tuple[str, ...] = ()
