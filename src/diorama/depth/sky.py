"""Find the sky."""

from __future__ import annotations

from diorama.types import Bool, Float32, UInt8


def find(rgb: UInt8, depth: Float32) -> Bool | None:  # noqa: ARG001
    """The sky's mask (H, W); None where there is none."""
    return None
