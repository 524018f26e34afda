"""Colours for what the photo hides: the table of inpainters, the choice among them, and `fill`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from diorama import weights
from diorama.errors import ModelError, UnknownModelError, WeightsMissingError
from diorama.types import ModelInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from diorama.types import Progress

    Picture = NDArray[np.uint8]  # (H, W, 3)
    Mask = NDArray[np.bool_]  # (H, W)
    Depth = NDArray[np.float32]  # (H, W)


@dataclass(frozen=True)
class Backend:
    """An inpainter: (picture, hole, known, disparity behind, disparity of what is visible, words) -> picture."""

    name: str
    fill: Callable[[Picture, Mask, Mask, Depth, Depth, str], Picture]
    licence: str
    note: str
    needs_weights: bool = False  # the catalogue's entry of the same name
    local: bool = True  # False: the picture leaves the machine, so `auto` never takes it
    words: bool = False  # whether it paints what a prompt says


def _bundled(rgb: Picture, hole: Mask, known: Mask, behind: Depth, visible: Depth, _prompt: str) -> Picture:
    from diorama.inpaint import bundled

    return bundled.fill(rgb, hole, known, behind, visible)


def _migan(rgb: Picture, hole: Mask, known: Mask, behind: Depth, visible: Depth, _prompt: str) -> Picture:
    from diorama.inpaint import migan

    return migan.fill(_weights_path("migan"), rgb, hole, known, behind, visible)


def _lama(rgb: Picture, hole: Mask, known: Mask, behind: Depth, visible: Depth, _prompt: str) -> Picture:
    from diorama.inpaint import lama

    return lama.fill(_weights_path("lama"), rgb, hole, known, behind, visible)


def _openai(rgb: Picture, hole: Mask, known: Mask, behind: Depth, visible: Depth, prompt: str) -> Picture:
    from diorama.inpaint import openai_images

    return openai_images.fill(rgb, hole, known, behind, visible, prompt)


BACKENDS: tuple[Backend, ...] = (
    # MI-GAN before LaMa: close in quality on holes this narrow, in a fraction of the time.
    Backend("migan", _migan, "MIT", "MI-GAN: fast, good at textures.", needs_weights=True),
    Backend("lama", _lama, "Apache-2.0", "LaMa: good at regular structures, slower.", needs_weights=True),
    Backend("bundled", _bundled, "MIT", "Comes with Diorama; guided by depth, needs no weights."),
    Backend(
        "openai", _openai, "service", "OpenAI's images API: the picture leaves this machine.", local=False, words=True
    ),
)
"""Best first: the order in which `auto` chooses."""


def models() -> list[ModelInfo]:
    """Every inpainter that has a name, best first."""
    return [ModelInfo(b.name, _is_here(b), b.licence, _size(b), b.note) for b in BACKENDS]


def choose(name: str = "auto", *, fetch: bool = False, progress: Progress | None = None) -> tuple[str, str]:
    """The inpainter that `fill` would use as things are -> its name, and a sentence: why this one.

    Args:
        name: an inpainter's name (see `models`), or `auto`.
        fetch: whether missing weights may be downloaded (never when offline).
        progress: of a download.

    Raises:
        UnknownModelError: there is no inpainter of that name.
        WeightsMissingError: its weights are not in the cache.
        DownloadError, WeightsCorruptError: they could not be fetched (`auto` takes another inpainter instead).
        ModelError: it is `openai` and no key is set.
    """
    fetch = fetch and not weights.is_offline()
    if name != "auto":
        backend = _find(name)
        if backend.needs_weights and fetch and not _is_here(backend):
            weights.fetch(name, progress)
        if not _is_here(backend):
            _refuse(backend)
        return name, f"{name} was asked for{'' if backend.local else ': the picture leaves this machine'}."
    best = BACKENDS[0]
    failure = weights.fetch_if_reachable(best.name, progress) if fetch and not _is_here(best) else ""
    chosen = next(b for b in BACKENDS if b.local and _is_here(b))
    if chosen.needs_weights:
        return chosen.name, f"{chosen.name} is the best inpainter whose weights are here."
    failure = failure or f"no other one's weights are here ('diorama models pull {best.name}' fetches some)."
    return chosen.name, f"The bundled inpainter was used: {failure}"


def fill(
    rgb: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    known: NDArray[np.bool_],
    *,
    disparity: NDArray[np.float32] | None = None,
    visible: NDArray[np.float32] | None = None,
    model: str = "auto",
    prompt: str = "",
) -> NDArray[np.uint8]:
    """Imagine the colours of `hole`.

    Args:
        rgb: (H, W, 3) uint8 picture, 8x8 or larger.
        hole: (H, W) bool, what to fill; may touch the border and span whole rows.
        known: (H, W) bool, what may be looked at and copied; pixels of `hole` don't count unless `visible` is
            given. The rest of the picture (the foreground in front of the hole, rims of mixed pixels) has no influence
            on the result at all.
        disparity: (H, W) float32 pixels of parallax, larger is nearer: of the surface at every known pixel and of the
            imagined background inside the hole. A hole is filled from surfaces about as far or farther. None: flat.
        visible: (H, W) float32 disparity of the surface that `rgb` shows, where a pixel of `hole` may show one surface
            and hide another: known pixels of `hole` then count as well, for holes behind other, nearer surfaces. None:
            known pixels have the depth given by `disparity`, and those of `hole` show nothing that could be used.
        model: an inpainter's name (see `models`), or `auto`: the best whose weights are here.
        prompt: what is in the hole, for an inpainter that takes words (see `takes_words`).

    Returns:
        (H, W, 3) uint8: `rgb` bit for bit outside `hole`. With nothing known the hole becomes mid-grey (128).

    Raises:
        ValueError: shapes or dtypes don't fit.
        UnknownModelError: there is no inpainter of that name.
        WeightsMissingError: its weights are not in the cache.
        ModelError: a network or a service fails.
        DownloadError: a service can't be reached.
    """
    import numpy as np

    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or min(rgb.shape[:2]) < 8:
        raise ValueError(f"rgb must be (H, W, 3) uint8 of 8x8 or more, not {rgb.shape} {rgb.dtype}")
    for name, mask in (("hole", hole), ("known", known)):
        if mask.shape != rgb.shape[:2] or mask.dtype != np.bool_:
            raise ValueError(f"{name} must be {rgb.shape[:2]} bool, not {mask.shape} {mask.dtype}")
    if disparity is None:
        disparity = np.zeros(hole.shape, np.float32)
    if disparity.shape != hole.shape or not (_is_finite(disparity) or _is_finite(disparity[hole | known])):
        raise ValueError(f"disparity must be {hole.shape} and finite where it is used, not {disparity.shape}")
    backend = _find(choose(model)[0])
    if visible is None:
        visible, known = disparity, known & ~hole
    if visible.shape != hole.shape or not (_is_finite(visible) or _is_finite(visible[known])):
        raise ValueError(f"visible must be {hole.shape} and finite where known, not {visible.shape}")
    if not hole.any():
        return rgb.copy()
    if not known.any():
        out = rgb.copy()
        out[hole] = 128
        return out
    return backend.fill(rgb, hole, known, disparity, visible, prompt)


def takes_words(name: str) -> bool:
    """Whether this inpainter paints what a prompt says.

    Raises:
        UnknownModelError: there is no inpainter of that name.
    """
    return _find(name).words


def _is_finite(values: Depth) -> bool:
    import numpy as np

    return bool(np.isfinite(values).all())


def _find(name: str) -> Backend:
    for backend in BACKENDS:
        if backend.name == name:
            return backend
    raise UnknownModelError(
        f"There is no inpainter named '{name}'.", hint=f"There are: auto, {', '.join(b.name for b in BACKENDS)}."
    )


def _is_here(backend: Backend) -> bool:
    if not backend.local:
        return bool(os.environ.get("OPENAI_API_KEY", "").strip())
    return not backend.needs_weights or weights.path(backend.name) is not None


def _refuse(backend: Backend) -> None:
    if backend.needs_weights:
        _weights_path(backend.name)
    raise ModelError(f"The inpainter {backend.name} needs a key.", hint="Set OPENAI_API_KEY, or use another inpainter.")


def _size(backend: Backend) -> int:
    return weights.find(backend.name).bytes if backend.needs_weights else 0


def _weights_path(name: str) -> Path:
    found = weights.path(name)
    if found is None:
        raise WeightsMissingError(
            f"The weights of {name} are not in the cache, or are damaged there.",
            hint=f"Fetch them with: diorama models pull {name}.",
        )
    return found
