"""Photo -> DepthMap: the choice of a depth backend, and `estimate`.

A network's answer is averaged with the mirrored photo's where it gains by that, brought to the processing size and
sharpened at its edges, and the sky is put at infinity; relative depth is scaled to 0..1, metric depth keeps its metres.
So it is with the depth that a phone has put into the photo's file. A depth file is taken at its word: none of that
happens to it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from diorama import weights
from diorama.depth import backends
from diorama.depth.backends import BACKENDS as BACKENDS
from diorama.depth.backends import BUNDLED as BUNDLED
from diorama.depth.backends import Backend as Backend
from diorama.depth.backends import models as models
from diorama.errors import ModelError
from diorama.identity import of_file
from diorama.settings import Settings
from diorama.types import DepthMap, Photo, Progress

EMBEDDED = backends.EMBEDDED


def choice(settings: Settings) -> str:
    """What `estimate` would take as things are: a backend's name, or a file's path. Fetches nothing.

    A photo that carries better depth (`embedded.is_better`) is not looked at here: `auto` takes that one instead.

    Raises:
        UnknownModelError: no backend has the name in `settings.depth`.
        WeightsMissingError: its weights are not in the cache.
        ModelError: it is a model of the hub, and PyTorch isn't installed.
        DepthFileError: it is an ONNX file or a folder that can't be used.
    """
    if settings.depth == "auto":
        return next(backend.name for backend in BACKENDS if backends.is_here(backend))
    if settings.depth == EMBEDDED or _is_file(settings.depth):
        return settings.depth
    return backends.prepared(settings.depth, False, None)[0].name


def identity(settings: Settings) -> str:
    """What tells this depth from others where the settings alone don't: a file's bytes, what `auto` takes today."""
    if settings.depth == "auto":
        return choice(settings)
    if backends.is_hub(settings.depth):
        from diorama.depth import hub

        return hub.identity(settings.depth)
    if backends.is_network_file(settings.depth):
        path = Path(settings.depth)
        return f"{of_file(path)} {of_file(path.with_suffix('.json'))}"
    return of_file(Path(settings.depth)) if _is_file(settings.depth) else ""


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
        Its camera is the photo's, or the network's where the photo's is assumed and the network has seen one.

    Raises:
        UnknownModelError: no backend has the name in `settings.depth`.
        WeightsMissingError: the weights of the backend that was asked for are not in the cache.
        DownloadError, WeightsCorruptError: they could not be fetched (`auto` takes another backend instead).
        LicenceError: a model of the hub has a licence that somebody has to accept first.
        ModelError: the network can't be loaded or fails.
        DepthFileError: a depth file can't be read or doesn't fit the photo, an ONNX file has no usable contract, or the
            photo carries no depth.
    """
    guide = photo.fitted(settings.processing_size)
    if _is_file(settings.depth):
        from diorama.depth.file import read

        kind = "distances" if settings.depth_kind == "metric" else "inverse depth"
        given = Path(settings.depth)
        return read(
            given, settings.depth_kind, photo, guide
        ), f"The depth file {given.name} was given; it holds {kind}."
    from diorama.depth import embedded, network

    if settings.depth == EMBEDDED:
        found, what = embedded.read(photo, guide, settings)
        return found, f"The depth that the photo carries was asked for: {what}."
    if settings.depth == "auto" and embedded.is_better(photo):
        found, what = embedded.read(photo, guide, settings)
        return found, f"The photo carries depth in metres, which is better than a network's guess: {what}."
    backend, reason, warnings = _choose(settings.depth, fetch, progress)
    try:
        depth = network.depth_map(backend, guide, settings, progress)
    except ModelError as error:
        if settings.depth != "auto" or backend is BUNDLED:
            raise
        reason = f"The bundled network was used: {error.message}"
        warnings = (reason,)
        depth = network.depth_map(BUNDLED, guide, settings, progress)
    return replace(depth, warnings=warnings + depth.warnings), reason


def _choose(name: str, fetch: bool, progress: Progress | None) -> tuple[Backend, str, tuple[str, ...]]:
    """The backend, why it is this one, and what could not be had."""
    if name != "auto":
        backend, about = backends.prepared(name, fetch, _as_depth(progress))
        return backend, f"{backend.name} was asked for. {about}".rstrip(), ()
    backend = next(backend for backend in BACKENDS if backends.is_here(backend))
    failure = ""
    if backend is BUNDLED and fetch and not weights.is_offline():
        failure = weights.fetch_if_reachable(backends.FETCHED, _as_depth(progress))
        backend = next(backend for backend in BACKENDS if backends.is_here(backend))
    if backend is not BUNDLED:
        return backend, f"{backend.name} is the best model whose weights are here.", ()
    if not failure:
        wanted = backends.FETCHED
        why = "Diorama is offline" if weights.is_offline() else f"'diorama models pull {wanted}' fetches them"
        failure = f"the weights of {wanted} are not in the cache ({why})."
    reason = f"The bundled network was used: {failure}"
    return backend, reason, (reason,)


def _is_file(name: str) -> bool:
    """A depth file's path rather than a network: it has an ending or a folder."""
    path = Path(name)
    named = backends.is_hub(name) or backends.is_network_file(name)
    return not named and (bool(path.suffix) or len(path.parts) > 1)


def _as_depth(progress: Progress | None) -> Progress | None:
    """A download's progress as the first tenth of the depth stage."""
    if progress is None:
        return None
    return lambda _stage, share, text: progress("depth", 0.1 * share, text)
