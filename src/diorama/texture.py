"""Improve the texture as far as advised."""

from __future__ import annotations

from diorama.advice import ReconstructionAdvice
from diorama.types import Layered, Progress, Scene, Textured


def improve(
    layered: Layered, scene: Scene, plan: ReconstructionAdvice, *, fetch: bool, progress: Progress
) -> tuple[Textured, str, str, tuple[str, ...]]:
    """Do what `plan.texture` says to the atlas -> the record, the backend, the reason, warnings."""
    del scene, plan, fetch, progress
    return Textured(layered.atlas), "none", "Nothing is done yet.", ()
