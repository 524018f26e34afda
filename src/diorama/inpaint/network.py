"""One answer of an inpainting network kept as an ONNX file with the inputs `image` and `mask` and one output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diorama import networks
from diorama.errors import ModelError
from diorama.types import UInt8


def run(path: Path, image: NDArray[np.generic], mask: NDArray[np.generic]) -> UInt8:
    """Ask the network -> (h, w, 3) uint8.

    Args:
        path: the ONNX file.
        image: (1, 3, h, w) in the network's own type and range.
        mask: (1, 1, h, w), likewise.

    Raises:
        ModelError: the network can't be loaded, fails, or answers with anything but a picture of the same size.
    """
    answer = networks.run(path, {"image": image, "mask": mask}, hint=_hint(path))[0]
    if answer.shape != image.shape or not np.isfinite(answer).all():
        raise ModelError(
            f"The network {path.name} answered with {answer.shape}, not with a picture of {image.shape}.",
            hint=_hint(path),
        )
    picture: UInt8 = np.clip(np.rint(answer[0]), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return picture


def _hint(path: Path) -> str:
    return f"Use the bundled inpainter, or fetch the weights again with 'diorama models pull {path.stem}'."
