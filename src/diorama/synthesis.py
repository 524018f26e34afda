"""Fuse layers, segments and advice into the final scene."""

from __future__ import annotations

from diorama.advice import Outcome, ReconstructionAdvice, SceneAdvice, Tuning
from diorama.types import Final, Layered, Rebuilt, Scene


def fuse(
    layered: Layered,
    rebuilt: Rebuilt,
    scene: Scene,
    advice: SceneAdvice,
    plan: ReconstructionAdvice,
    tuning: Tuning,
    outcomes: tuple[Outcome, ...],
) -> tuple[Final, tuple[str, ...]]:
    """The final scene and warnings."""
    return Final(layered, outcomes), ()
