"""Losses that are blind to scale and shift, for inverse depth (B, H, W)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

CEILING = 6.0
"""Of the truth after `aligned`: one speck right before the camera would else take the whole loss."""

TRIMMED = 0.9
"""Share of the pixels that count where the truth is a network's: the worst tenth is likely to be its error."""

_PAIRS = 3000
_APART = 0.1  # of the truth's spread from the 2nd to the 98th percentile, as the benchmark counts order


def aligned(values: Tensor) -> Tensor:
    """Shifted by the median and scaled by the mean distance from it (Ranftl et al., "MiDaS", 2020)."""
    flat = values.flatten(1)
    median = flat.median(1, keepdim=True).values
    spread = (flat - median).abs().mean(1, keepdim=True) + 1e-6
    return ((flat - median) / spread).view_as(values)


def loss(answer: Tensor, truth: Tensor, exact: Tensor) -> Tensor:
    """(B, H, W) twice -> a number.

    Args:
        answer: what the network says, in any scale and shift.
        truth: inverse depth, 0 at infinity.
        exact: (B,), 1 where the truth is a rendered scene's, 0 where it is a teacher's, whose outlines are soft.
    """
    p, t = aligned(answer), aligned(truth).clamp(max=CEILING)
    difference = p - t
    flat = difference.abs().flatten(1)
    kept = torch.topk(flat, int(TRIMMED * flat.shape[1]), dim=1, largest=False).values.mean(1)
    distance = exact * flat.mean(1) + (1 - exact) * kept
    slopes = _slopes(difference, exact)
    return (distance + 0.5 * slopes + 0.3 * _order(answer, truth)).mean()


def _slopes(difference: Tensor, exact: Tensor) -> Tensor:
    """Gradients of the difference at four scales (MiDaS), (B,). The finest, where edges are, only where truth is."""
    total = torch.zeros_like(exact)
    for scale in range(4):
        part = difference[:, :: 2**scale, :: 2**scale]
        size = (part[:, 1:] - part[:, :-1]).abs().mean((1, 2)) + (part[:, :, 1:] - part[:, :, :-1]).abs().mean((1, 2))
        total = total + size * (2 * exact + 0.3 * (1 - exact) if scale == 0 else 1.0)
    return total


def _order(answer: Tensor, truth: Tensor) -> Tensor:
    """Pairs in the wrong order (Chen et al., "Depth in the wild", 2016), (B,): of those clearly apart in depth."""
    p, t = answer.flatten(1), truth.flatten(1)
    some = torch.randint(p.shape[1], (2, _PAIRS))
    spread = torch.quantile(t[:, ::7], torch.tensor([0.02, 0.98]), dim=1)
    apart = (t[:, some[0]] - t[:, some[1]]) / (spread[1] - spread[0] + 1e-6)[:, None]
    scale = (p - p.mean(1, keepdim=True)).abs().mean(1, keepdim=True) + 1e-6
    said = (p[:, some[0]] - p[:, some[1]]) / scale
    counts = (apart.abs() > _APART).float()
    return (functional.softplus(-4 * said * apart.sign()) * counts).sum(1) / counts.sum(1).clamp(min=1)
