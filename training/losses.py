"""Losses for inverse depth (B, H, W) that are blind to shift, and to scale where the depth changes.

A wall seen straight on has next to no depth to change: its truth, brought to a spread of 1, would be its grain, or
noise, and an answer that is blind to scale could rise from bottom to top by as much as it likes. So where the truth
is flat (`FLAT`), answer and truth are measured against the spread of a usual picture instead, and what isn't flat in
the answer counts; and of all pictures the answer's spread is held to the truth's (`_spread`), whose near end is 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

CEILING = 6.0
"""Of the truth after `aligned`: one speck right before the camera would else take the whole loss."""

TRIMMED = 0.9
"""Share of the pixels that count where the truth is a network's: the worst tenth is likely to be its error."""

FLAT = (0.015, 0.06)
"""Mean distance from the median, of inverse depths whose near end is 1: below the first a picture is flat, above the
second it isn't. A wall turned by 15 degrees has 0.06 to 0.08, a street or a room 0.15 to 0.25."""

USUAL = 0.2
"""The same of a usual picture."""

UNIT = 100.0
"""What the network calls the near end's inverse depth, but for a shift: version 1 came to about that by itself."""

_FAINT = 0.015  # spreads below are as good as none
_PAIRS = 3000
_APART = 0.1  # of the truth's spread from the 2nd to the 98th percentile, as the benchmark counts order


def aligned(values: Tensor, flat: Tensor | None = None) -> Tensor:
    """Shifted by the median and scaled by the mean distance from it (Ranftl et al., "MiDaS", 2020).

    Args:
        values: (B, H, W).
        flat: (B,), 1 where `USUAL` is to be the scale instead, 0 where the values' own; None: nowhere.
    """
    pixels = values.flatten(1)
    median = pixels.median(1, keepdim=True).values
    scale = (pixels - median).abs().mean(1, keepdim=True) + 1e-6
    if flat is not None:
        scale = flat[:, None] * USUAL + (1 - flat[:, None]) * scale
    return ((pixels - median) / scale).view_as(values)


def spread(values: Tensor) -> Tensor:
    """(B, H, W) -> (B,): mean distance from the median."""
    pixels = values.flatten(1)
    return (pixels - pixels.median(1, keepdim=True).values).abs().mean(1)


def loss(answer: Tensor, truth: Tensor, exact: Tensor) -> Tensor:
    """(B, H, W) twice -> a number.

    Args:
        answer: what the network says, in any shift, `UNIT` times as large as the truth.
        truth: inverse depth, 0 at infinity, the near end about 1.
        exact: (B,), 1 where the truth is a rendered scene's, 0 where it is a teacher's, whose outlines are soft.
    """
    answer, own = answer / UNIT, spread(truth)
    flat = 1 - ((own - FLAT[0]) / (FLAT[1] - FLAT[0])).clamp(0, 1)
    p, t = aligned(answer, flat), aligned(truth, flat).clamp(max=CEILING)
    difference = p - t
    pixels = difference.abs().flatten(1)
    kept = torch.topk(pixels, int(TRIMMED * pixels.shape[1]), dim=1, largest=False).values.mean(1)
    distance = exact * pixels.mean(1) + (1 - exact) * kept
    slopes = _slopes(difference, exact)
    held = _spread(spread(answer), own, exact)
    return (distance + 0.5 * slopes + 0.3 * (1 - flat) * _order(answer, truth) + 0.15 * held).mean()


def _spread(said: Tensor, own: Tensor, exact: Tensor) -> Tensor:
    """By how much the answer's spread differs from the truth's, as a logarithm, (B,). A teacher says less of it: half
    of it and twice as much are as good."""
    apart = ((said + _FAINT) / (own + _FAINT)).log().abs()
    return exact * apart + (1 - exact) * (apart - math.log(2)).clamp(min=0)


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
