"""Smoothing: nothing at 0, planes and cuts stay, waves go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diorama.cuts import clean, find_cuts
from diorama.settings import Settings
from diorama.smoothing import smooth
from grids import cloud

HEIGHT, WIDTH = 60, 90
GREY = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
UNCUT = np.zeros((HEIGHT, WIDTH - 1), bool), np.zeros((HEIGHT - 1, WIDTH), bool)


def slope() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return (0.3 + 0.004 * x + 0.002 * y).astype(np.float32)


def test_nothing_at_zero() -> None:
    values = slope()
    assert smooth(values, GREY, *UNCUT, 0) is values


@pytest.mark.parametrize("amount", [0.2, 1])
def test_a_slope_stays(amount: float) -> None:
    assert np.allclose(smooth(slope(), GREY, *UNCUT, amount), slope(), atol=1e-4)


def test_grain_goes_and_the_cut_stays() -> None:
    cut = slope()
    cut[:, 45:] += 0.5
    right = UNCUT[0].copy()
    right[:, 44] = True
    noisy = cut + np.random.default_rng(0).normal(0, 0.004, cut.shape).astype(np.float32)
    found = smooth(noisy, GREY, right, UNCUT[1], 1)
    assert np.abs(found - cut).mean() < 0.5 * np.abs(noisy - cut).mean()
    assert ((found - cut)[:, 44] - (found - cut)[:, 45]).max() < 0.02


def test_a_crease_that_the_photo_shows_bends() -> None:
    x = np.arange(WIDTH)
    roof = np.tile((0.3 + 0.01 * np.abs(x - 45)).astype(np.float32), (HEIGHT, 1))
    photo = GREY.copy()
    photo[:, 45:] = 250
    plain, shown = (np.abs(smooth(roof, rgb, *UNCUT, 1) - roof)[:, 45].mean() for rgb in (GREY, photo))
    assert shown < 0.5 * plain


def test_clean_smooths_within_surfaces() -> None:
    noisy = slope() + np.random.default_rng(0).normal(0, 0.002, (HEIGHT, WIDTH)).astype(np.float32)
    noisy[20:40, 30:50] += 0.6
    points = replace(cloud(noisy), rgb=GREY)
    none, some = (clean(points, Settings(smoothing=amount)) for amount in (0, 0.6))
    cuts = [find_cuts(result, Settings()) for result in (none, some)]
    assert np.mean(cuts[0].right != cuts[1].right) < 0.002
    assert np.abs(np.diff(some.inverse_depth[:15], 2)).mean() < 0.5 * np.abs(np.diff(none.inverse_depth[:15], 2)).mean()
