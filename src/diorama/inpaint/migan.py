"""MI-GAN (Sargsyan et al., ICCV 2023), the published pipeline as ONNX: small, fast, trained on Places2."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diorama.inpaint import network, windows
from diorama.types import Bool, Float32, UInt8


def fill(path: Path, rgb: UInt8, hole: Bool, known: Bool, behind: Float32, visible: Float32) -> UInt8:
    """Fill `hole` with the network in the file `path`; see `diorama.inpaint.fill` for the contract.

    Raises:
        ModelError: the network can't be loaded, fails, or is another one.
    """
    return windows.fill(rgb, hole, known, behind, visible, lambda picture, mask: _answer(path, picture, mask))


def _answer(path: Path, picture: UInt8, mask: Bool) -> UInt8:
    """The graph takes bytes: `image` (1, 3, H, W) RGB, `mask` (1, 1, H, W) with 255 = known, 0 = fill; any size."""
    image = np.ascontiguousarray(picture.transpose(2, 0, 1)[None])
    return network.run(path, image, np.where(mask, 0, 255).astype(np.uint8)[None, None])
