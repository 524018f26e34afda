"""The inpainter that comes with Diorama: no weights, depth-guided, deterministic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diorama.inpaint import harmonic


def fill(
    rgb: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    known: NDArray[np.bool_],
    disparity: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Fill `hole` from `known`; see `diorama.inpaint.fill` for the contract (arguments are checked there)."""
    out = rgb.copy()
    # What isn't known may influence nothing, so it is removed before anything is computed.
    colour = np.where(known[..., None], rgb, 0).astype(np.float32)
    depth = np.where(known | hole, disparity, 0).astype(np.float32)
    filled = harmonic.solve(harmonic.Level(colour, known, hole, depth))
    out[hole] = np.clip(np.rint(filled[hole]), 0, 255).astype(np.uint8)
    return out
