"""The depth network: a MobileNetV2 encoder, a light U-Net decoder, and a residual at the picture's own resolution."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

# Expansion, channels, blocks and stride of each group: table 2 of Sandler et al., "MobileNetV2", 2018.
_GROUPS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

_TAPS = (0, 2, 5, 12, 16)
"""Blocks whose outputs the decoder sees: 16, 24, 32, 96 and 320 channels at 1/2, 1/4, 1/8, 1/16 and 1/32."""

_SKIPS = (16, 24, 32, 96)
_WIDTHS = (32, 48, 64, 96, 128)  # of the decoder, at 1/2 ... 1/32

_FINE = 8
"""Channels of the residual's layers, which run at full resolution and so cost the most per channel."""


class Convolution(nn.Module):
    """A convolution padded as TensorFlow's "same", whose weights the encoder started from; ReLU6 where asked for."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True):
        super().__init__()
        self.uneven = kernel > 1 and stride == 2
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same, at half the size where the stride is 2."""
        x = self.conv(functional.pad(x, (0, 1, 0, 1)) if self.uneven else x)
        return functional.relu6(x) if self.active else x


class InvertedResidual(nn.Module):
    """MobileNetV2's block."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int):
        super().__init__()
        hidden = inputs * expansion
        layers = [Convolution(inputs, hidden, 1)] if expansion > 1 else []
        layers += [Convolution(hidden, hidden, 3, stride, hidden), Convolution(hidden, outputs, 1, active=False)]
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        y = self.layers(x)
        return x + y if self.residual else y


class Encoder(nn.Module):
    """MobileNetV2 without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, 32, 3, 2)
        blocks, inputs = [], 32
        for expansion, outputs, count, stride in _GROUPS:
            for index in range(count):
                blocks.append(InvertedResidual(inputs, outputs, expansion, stride if index == 0 else 1))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        """The taps' outputs, finest first."""
        x, taps = self.stem(x), []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in _TAPS:
                taps.append(x)
        return taps


class Up(nn.Module):
    """Twice the size, joined with the encoder's features there."""

    def __init__(self, inputs: int, skip: int, outputs: int):
        super().__init__()
        self.skip = nn.Conv2d(skip, inputs, 1)
        self.depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        self.norm = nn.GroupNorm(8, outputs)
        self.conv = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(8, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, C, H, W) and (B, S, 2H, 2W) -> (B, C', 2H, 2W)."""
        x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False) + self.skip(skip)
        x = functional.relu(self.norm(self.pointwise(self.depthwise(x))))
        return functional.relu(x + self.norm2(self.conv(x)))


class Fine(nn.Module):
    """What the answer at half the size lacks: a residual at the picture's size. Begins as nothing."""

    def __init__(self, features: int):
        super().__init__()
        self.expand = nn.Conv2d(features, 4 * _FINE, 1)
        self.look = nn.Conv2d(3, _FINE, 3, padding=1)
        self.join = nn.Conv2d(2 * _FINE, _FINE, 3, padding=1)
        self.out = nn.Conv2d(_FINE, 1, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Tensor, x: Tensor) -> Tensor:
        """(B, C, H / 2, W / 2) and (B, 3, H, W) -> (B, 1, H, W)."""
        inner = functional.pixel_shuffle(self.expand(features), 2)
        joined = functional.relu(torch.cat([inner, self.look(x)], 1))
        return self.out(functional.relu(self.join(joined)))


class DepthNet(nn.Module):
    """RGB (B, 3, H, W), 0..1, sides multiples of 32 -> relative inverse depth (B, H, W), larger is nearer."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.top = nn.Conv2d(320, _WIDTHS[-1], 1)
        self.ups = nn.ModuleList(
            Up(inputs, skip, outputs)
            for (inputs, outputs), skip in zip(pairwise(_WIDTHS[::-1]), _SKIPS[::-1], strict=True)
        )
        width = _WIDTHS[0]
        self.head = nn.Conv2d(width, width, 3, padding=1)
        self.answer = nn.Conv2d(width, 1, 3, padding=1)
        self.whole = nn.Conv2d(_WIDTHS[-1], _WIDTHS[-1], 1)
        self.fine = Fine(width)

    def forward(self, image: Tensor) -> Tensor:
        """The answer, and its mean and spread are anything."""
        x = image * 2 - 1
        *skips, deepest = self.encoder(x)
        y = functional.relu(self.top(deepest))
        y = y + self.whole(y.mean((2, 3), keepdim=True))
        for up, skip in zip(self.ups, skips[::-1], strict=True):
            y = up(y, skip)
        features = functional.relu(self.head(y))
        coarse = functional.interpolate(self.answer(features), scale_factor=2.0, mode="bilinear", align_corners=False)
        return (coarse + self.fine(features, x))[:, 0]


def load(net: DepthNet, path: Path) -> None:
    """Start from a published file (ONNX): version 0, which is all of this network but `fine`, or a later one.

    Raises:
        ValueError: the file isn't that network.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    stored = {one.name.removesuffix("_16"): numpy_helper.to_array(one) for one in graph.initializer}
    arrays = {name: torch.from_numpy(values.astype(np.float32)) for name, values in stored.items()}
    kernels = [name.removesuffix(".weight") for name in arrays if name.endswith(".weight")]
    affine = [name for name in arrays if name.startswith("onnx::")]  # the exporter's names of GroupNorm's
    whole = any(name.startswith("fine.") for name in kernels)
    modules = [module for name, module in net.named_modules() if whole or not name.startswith("fine")]
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    norms = [module for module in modules if isinstance(module, nn.GroupNorm)]
    if len(kernels) != len(convolutions) or len(affine) != 2 * len(norms):
        raise ValueError(f"{path} isn't a version of the depth network.")
    sources = [(arrays[name + ".weight"], arrays[name + ".bias"]) for name in kernels]
    sources += [(arrays[scale], arrays[shift]) for scale, shift in zip(affine[::2], affine[1::2], strict=True)]
    for module, (weight, bias) in zip([*convolutions, *norms], sources, strict=True):
        with torch.no_grad():
            module.weight.copy_(weight.reshape(module.weight.shape))
            module.bias.copy_(bias.reshape(module.bias.shape))
