"""Super-resolution by a network: any ONNX file that keeps to a contract, named by `DIORAMA_SR_MODEL`.

The contract: one input (1, 3, h, w), RGB 0..1, float32 or float16, of any size or of one fixed square size; one output
(1, 3, s h, s w) in the same range, s a whole number from 2 to 8. Real-ESRGAN, ESRGAN, SwinIR and EDSR exports keep to
it. No such file comes with Diorama or is fetched: no export of one is published by its authors with a hash to check.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diorama import networks
from diorama.errors import DioramaError, ModelError
from diorama.types import Float32, UInt8

VARIABLE = "DIORAMA_SR_MODEL"

TILE = 192
"""Side of the squares that the network sees, where it takes any size."""

RIM = 12
"""Pixels at a tile's sides whose answer isn't used: there the network sees no surroundings."""

SCALES = range(2, 9)


@dataclass(frozen=True)
class Network:
    """A network that was tried on a small picture."""

    path: Path
    scale: int
    tile: int
    half: bool  # takes float16
    input: str

    def enlarge(self, rgb: UInt8) -> UInt8:
        """(H, W, 3) -> (scale H, scale W, 3), tile by tile.

        Raises:
            ModelError: the network fails.
        """
        height, width = rgb.shape[:2]
        step = self.tile - 2 * RIM
        rows, columns = -(-height // step) * step - height, -(-width // step) * step - width
        padded = np.pad(rgb, ((RIM, RIM + rows), (RIM, RIM + columns), (0, 0)), mode="symmetric")
        s = self.scale
        out = np.empty((s * (height + rows), s * (width + columns), 3), np.uint8)
        for y in range(0, height, step):
            for x in range(0, width, step):
                answer = self._answer(padded[y : y + self.tile, x : x + self.tile])
                inner = answer[s * RIM : s * (RIM + step), s * RIM : s * (RIM + step)]
                out[s * y : s * (y + step), s * x : s * (x + step)] = inner
        return np.ascontiguousarray(out[: s * height, : s * width])

    def _answer(self, tile: UInt8) -> UInt8:
        values = np.ascontiguousarray(tile.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        answer = _run(self.path, self.input, values, self.half)
        if answer.shape != (1, 3, self.scale * tile.shape[0], self.scale * tile.shape[1]):
            raise ModelError(f"The network {self.path.name} answered with {answer.shape}.", hint=_HINT)
        return np.asarray(np.clip(np.rint(answer[0].transpose(1, 2, 0) * 255), 0, 255), np.uint8)


_HINT = f"{VARIABLE} must name an ONNX file with input (1, 3, h, w) and output (1, 3, s h, s w), RGB 0..1; or unset it."


def network() -> tuple[Network | None, str]:
    """The network that `DIORAMA_SR_MODEL` names, and a sentence where there is one that can't be used."""
    named = os.environ.get(VARIABLE, "").strip()
    if not named:
        return None, ""
    path = Path(named).expanduser()
    try:
        if not path.is_file():
            raise ModelError(f"The file {path} that {VARIABLE} names doesn't exist.", hint=_HINT)
        return _tried(path), ""
    except DioramaError as error:
        return None, f"{error.message} The texture was enlarged by interpolation instead. {error.hint}"


def _tried(path: Path) -> Network:
    nodes = networks.session(path).get_inputs()
    shape = nodes[0].shape if len(nodes) == 1 else []
    side = next((n for n in shape[2:] if isinstance(n, int)), TILE)
    if len(shape) != 4 or side <= 4 * RIM:
        raise ModelError(f"The network {path.name} takes {[node.shape for node in nodes]}.", hint=_HINT)
    half = nodes[0].type == "tensor(float16)"
    answer = _run(path, nodes[0].name, np.full((1, 3, side, side), 0.5, np.float32), half)
    scale = answer.shape[2] // side if answer.ndim == 4 else 0
    if answer.shape != (1, 3, scale * side, scale * side) or scale not in SCALES:
        raise ModelError(f"The network {path.name} answered with {answer.shape}.", hint=_HINT)
    return Network(path, scale, side, half, nodes[0].name)


def _run(path: Path, name: str, values: Float32, half: bool) -> Float32:
    given = values.astype(np.float16) if half else values
    answer = np.asarray(networks.run(path, {name: given}, hint=_HINT)[0], np.float32)
    if not np.isfinite(answer).all():
        raise ModelError(f"The network {path.name} answered with numbers that are none.", hint=_HINT)
    return answer
