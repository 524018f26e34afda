"""LaMa (Suvorov et al., WACV 2022) as ONNX: Fourier convolutions, good at regular structures; slower than MI-GAN."""

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
    """The graph takes floats of one size: `image` (1, 3, 512, 512) RGB 0..1, `mask` (1, 1, 512, 512) with 1 = fill;
    it answers 0..255. Smaller windows are mirrored at their right and lower sides."""
    height, width = mask.shape
    beyond = ((0, windows.SIDE - height), (0, windows.SIDE - width))
    image = np.pad(picture, (*beyond, (0, 0)), mode="symmetric").astype(np.float32) / np.float32(255)
    holes = np.pad(mask, beyond, mode="symmetric").astype(np.float32)
    answer = network.run(path, np.ascontiguousarray(image.transpose(2, 0, 1)[None]), holes[None, None])
    return answer[:height, :width]
