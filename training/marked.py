"""Labels that a person drew: a few planes in photos that the teachers get wrong (`marked.toml`)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from training.batches import Float32

TABLE = Path(__file__).with_name("marked.toml")


def regions(name: str) -> list[dict[str, Any]]:
    """What is drawn into the photo of that name, without its ending; nothing in most."""
    with TABLE.open("rb") as file:
        found: list[dict[str, Any]] = tomllib.load(file).get(name, [])
    return found


def painted(label: Float32, drawn: list[dict[str, Any]]) -> Float32:
    """Inverse depth (H, W) with the regions in it."""
    height, width = label.shape
    label = label.copy()
    for one in drawn:
        inside = np.ones(label.shape, np.uint8)
        top, bottom = 0, height - 1
        if "within" in one:
            corners = np.rint(np.array(one["within"]) * [width - 1, height - 1]).astype(np.int32)
            inside = np.asarray(cv2.fillPoly(np.zeros(label.shape, np.uint8), [corners], 1), np.uint8)
            top, bottom = int(corners[:, 1].min()), int(corners[:, 1].max())
        down = np.clip((np.arange(height) - top) / max(1, bottom - top), 0, 1)
        ramp = one["at"][0] + (one["at"][1] - one["at"][0]) * down
        label = np.where(inside > 0, ramp[:, None].astype(np.float32), label)
    return label
