"""Photo -> DepthMap: the table of depth backends, the choice among them, and `estimate`."""

from __future__ import annotations

from dataclasses import dataclass

from diorama.errors import UnknownModelError
from diorama.settings import Settings
from diorama.types import DepthMap, Photo, Progress


@dataclass(frozen=True)
class ModelInfo:
    """A row of `models()`: what a person needs to choose a backend."""

    name: str
    available: bool
    licence: str
    bytes: int
    note: str


def models() -> list[ModelInfo]:
    """Every depth backend that has a name, best first."""
    return [ModelInfo("bundled", True, "MIT", 8_300_000, "Comes with Diorama; soft edges.")]


def estimate(
    photo: Photo, settings: Settings, *, fetch: bool = False, progress: Progress | None = None
) -> tuple[DepthMap, str]:
    """Estimate inverse depth at the photo's processing size; the sentence says why this backend ran."""
    import cv2
    import numpy as np

    from diorama.depth import bundled

    if settings.depth not in ("auto", "bundled"):
        raise UnknownModelError(f"There is no depth backend named '{settings.depth}'.", hint="Use auto or bundled.")
    guide = photo.fitted(settings.processing_size)
    raw = bundled.predict(guide.rgb)
    raw = cv2.resize(raw, (guide.width, guide.height), interpolation=cv2.INTER_CUBIC)
    low, high = np.percentile(raw, (0.5, 99.5))
    inverse = np.clip((raw - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    return DepthMap(inverse, "relative", guide.camera, "bundled"), "The bundled network is the best one here."
