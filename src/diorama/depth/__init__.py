"""Photo -> DepthMap: the table of depth backends, the choice among them, and `estimate`.

A network's answer is averaged with the mirrored photo's, scaled to 0..1, brought to the processing size and sharpened
at its edges, and the sky is put at infinity. A depth file is taken at its word: none of that happens to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from diorama import weights
from diorama.errors import ModelError, UnknownModelError, WeightsMissingError
from diorama.settings import Settings
from diorama.types import DepthMap, Float32, Photo, Progress, UInt8


@dataclass(frozen=True)
class ModelInfo:
    """A row of `models()`: what a person needs to choose a backend."""

    name: str
    available: bool
    licence: str
    bytes: int
    note: str


@dataclass(frozen=True)
class Backend:
    """A network: (H, W, 3) uint8 -> (h, w) float32 relative inverse depth of the whole picture, any size."""

    name: str
    predict: Callable[[UInt8], Float32]
    licence: str
    note: str
    needs_weights: bool = True  # the catalogue's entry of the same name


def _bundled(rgb: UInt8) -> Float32:
    from diorama.depth import bundled

    return bundled.predict(rgb)


def _midas_small(rgb: UInt8) -> Float32:
    from diorama.depth import onnx

    return onnx.midas_small(_weights_path("midas-v21-small"), rgb)


BUNDLED = Backend("bundled", _bundled, "MIT", "Comes with Diorama and is small: simple scenes.", needs_weights=False)

BACKENDS: tuple[Backend, ...] = (
    Backend("midas-v21-small", _midas_small, "MIT", "MiDaS v2.1 small: better in rooms and streets."),
    BUNDLED,
)
"""Best first: the order in which `auto` chooses."""


def models() -> list[ModelInfo]:
    """Every depth backend that has a name, best first."""
    return [
        ModelInfo(backend.name, _is_here(backend), backend.licence, _size(backend), backend.note)
        for backend in BACKENDS
    ]


def choice(settings: Settings) -> str:
    """What `estimate` would take as things are: a backend's name, or a depth file's path. Fetches nothing.

    Raises:
        UnknownModelError: no backend has the name in `settings.depth`.
        WeightsMissingError: its weights are not in the cache.
    """
    if settings.depth == "auto":
        return next(backend.name for backend in BACKENDS if _is_here(backend))
    if _is_file(settings.depth):
        return settings.depth
    backend = _find(settings.depth)
    if not _is_here(backend):
        _weights_path(backend.name)
    return backend.name


def estimate(
    photo: Photo, settings: Settings, *, fetch: bool = False, progress: Progress | None = None
) -> tuple[DepthMap, str]:
    """Estimate, or read, the inverse depth of a photo.

    Args:
        photo: at its full size.
        settings: those of the depth stage, and the processing size.
        fetch: whether missing weights may be downloaded (never when offline).
        progress: called with ``"depth"``.

    Returns:
        Inverse depth at the size of ``photo.fitted(settings.processing_size)``, and a sentence: why this backend ran.

    Raises:
        UnknownModelError: no backend has the name in `settings.depth`.
        WeightsMissingError: the weights of the backend that was asked for are not in the cache.
        DownloadError, WeightsCorruptError: they could not be fetched (`auto` takes another backend instead).
        ModelError: the network can't be loaded or fails.
        DepthFileError: a depth file can't be read or doesn't fit the photo.
    """
    guide = photo.fitted(settings.processing_size)
    if _is_file(settings.depth):
        from diorama.depth.file import read

        kind = "distances" if settings.depth_kind == "metric" else "inverse depth"
        given = Path(settings.depth)
        return read(
            given, settings.depth_kind, photo, guide
        ), f"The depth file {given.name} was given; it holds {kind}."
    backend, reason, warnings = _choose(settings.depth, fetch, progress)
    try:
        depth = _from_network(backend, guide, settings, progress)
    except ModelError as error:
        if settings.depth != "auto" or backend is BUNDLED:
            raise
        reason = f"The bundled network was used: {error.message}"
        warnings = (reason,)
        depth = _from_network(BUNDLED, guide, settings, progress)
    return replace(depth, warnings=warnings + depth.warnings), reason


def _choose(name: str, fetch: bool, progress: Progress | None) -> tuple[Backend, str, tuple[str, ...]]:
    """The backend, why it is this one, and what could not be had."""
    if name != "auto":
        backend = _find(name)
        if not _is_here(backend):
            if fetch and not weights.is_offline():
                weights.fetch(name, _as_depth(progress))
            _weights_path(name)
        return backend, f"{name} was asked for.", ()
    best = BACKENDS[0]
    failure = ""
    if not _is_here(best) and fetch and not weights.is_offline():
        failure = weights.fetch_if_reachable(best.name, _as_depth(progress))
    backend = next(backend for backend in BACKENDS if _is_here(backend))
    if backend is best:
        return best, f"{best.name} is the best model and its weights are here.", ()
    if not failure:
        why = "Diorama is offline" if weights.is_offline() else f"'diorama models pull {best.name}' fetches them"
        failure = f"the weights of {best.name} are not in the cache ({why})."
    reason = f"The {backend.name} network was used: {failure}"
    return backend, reason, (reason,)


def _from_network(backend: Backend, guide: Photo, settings: Settings, progress: Progress | None) -> DepthMap:
    import numpy as np

    from diorama.depth import refine, sky

    say = progress or (lambda _stage, _share, _text: None)
    say("depth", 0.1, f"Estimating depth with {backend.name}")
    raw = backend.predict(guide.rgb)
    if settings.flip_average:
        say("depth", 0.4, "Estimating depth of the mirrored photo")
        raw = (raw + backend.predict(np.ascontiguousarray(guide.rgb[:, ::-1]))[:, ::-1]) / np.float32(2)
    if not np.isfinite(raw).any():
        raise ModelError(
            f"The network {backend.name} found no depth in this photo.", hint="Try another depth model or a depth file."
        )
    say("depth", 0.7, "Refining edges")
    inverse = refine.upsample(refine.normalise(raw), guide.width, guide.height)
    found = sky.find(guide.rgb, inverse) if settings.find_sky else None
    inverse = refine.sharpen(inverse, guide.rgb, settings.edge_sharpness, found)
    return DepthMap(inverse, "relative", guide.camera, backend.name, sky=found)


def _is_file(name: str) -> bool:
    """A depth file's path rather than a backend's name: it has an ending or a folder."""
    path = Path(name)
    return bool(path.suffix) or len(path.parts) > 1


def _find(name: str) -> Backend:
    for backend in BACKENDS:
        if backend.name == name:
            return backend
    raise UnknownModelError(
        f"There is no depth backend named '{name}'.",
        hint=f"There are: auto, {', '.join(b.name for b in BACKENDS)}, and depth files such as depth.npy.",
    )


def _is_here(backend: Backend) -> bool:
    return not backend.needs_weights or weights.path(backend.name) is not None


def _size(backend: Backend) -> int:
    from diorama.depth import bundled

    return weights.find(backend.name).bytes if backend.needs_weights else bundled.path().stat().st_size


def _weights_path(name: str) -> Path:
    found = weights.path(name)
    if found is None:
        raise WeightsMissingError(
            f"The weights of {name} are not in the cache, or are damaged there.",
            hint=f"Fetch them with: diorama models pull {name}.",
        )
    return found


def _as_depth(progress: Progress | None) -> Progress | None:
    """A download's progress as the first tenth of the depth stage."""
    if progress is None:
        return None
    return lambda _stage, share, text: progress("depth", 0.1 * share, text)
