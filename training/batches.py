"""Batches for the trainer: rendered scenes, kept a while and seen several times, and photos that teachers labelled."""

from __future__ import annotations

import math
import queue
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]  # (H, W, 3), RGB
Float32 = npt.NDArray[np.float32]


class Example(NamedTuple):
    """A picture and its inverse depth (H, W), float16 to save memory; scaled so that the near end is about 1."""

    rgb: Picture
    inverse: npt.NDArray[np.float16]


@dataclass
class Scenes:
    """The last `capacity` examples of a stream that is read by a thread, so that training never waits for one."""

    capacity: int
    examples: list[Example] = field(default_factory=list)
    seen: int = 0

    def follow(self, samples: Iterable[tuple[Picture, Float32]]) -> None:
        """Read the stream from now on."""
        waiting: queue.Queue[Example] = queue.Queue(64)

        def read() -> None:
            for rgb, inverse in samples:
                waiting.put(example(rgb, inverse))

        Thread(target=read, daemon=True).start()
        self._waiting = waiting

    def gather(self, least: int) -> None:
        """Take what has come; wait only until there are `least`."""
        while len(self.examples) < least or not self._waiting.empty():
            new = self._waiting.get()
            self.seen += 1
            if len(self.examples) < self.capacity:
                self.examples.append(new)
            else:
                self.examples[self.seen % self.capacity] = new


def example(rgb: Picture, inverse: Float32) -> Example:
    """In a scale that float16 holds: the 98th percentile becomes 1, and what is nearer than 2 becomes 2."""
    near = float(np.percentile(inverse, 98)) or 1.0
    return Example(rgb, np.minimum(inverse / np.float32(near), np.float32(2)).astype(np.float16))


def labelled(folder: Path) -> list[Example]:
    """The photos and labels that `training.labels` wrote."""
    found = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as arrays:
            found.append(Example(arrays["rgb"], arrays["inverse"]))
    return found


def batches(
    scenes: Scenes, photos: list[Example], sizes: list[tuple[int, int]], pixels: int, share: float, seed: int
) -> Iterator[tuple[Float32, Float32, Float32]]:
    """(B, 3, h, w) 0..1, inverse depth (B, h, w) and which of them are exact (B,), for ever.

    Args:
        scenes: rendered; their examples must not be empty.
        photos: with teachers' labels; may be empty.
        sizes: (height, width) to choose from, multiples of 32.
        pixels: of all pictures of a batch, about.
        share: of photos in a batch.
        seed: of all choices.
    """
    rng = np.random.default_rng(seed)
    while True:
        height, width = sizes[rng.integers(len(sizes))]
        count = max(2, round(pixels / (height * width)))
        taught = round(share * count + rng.uniform(-0.5, 0.5)) if photos else 0
        chosen = [photos[rng.integers(len(photos))] for _ in range(taught)]
        chosen += [scenes.examples[rng.integers(len(scenes.examples))] for _ in range(count - taught)]
        cut = [crop(one, height, width, rng, 0.35 if i < taught else 0.6) for i, one in enumerate(chosen)]
        rgb = np.stack([augmented(one.rgb, rng, i < taught) for i, one in enumerate(cut)])
        inverse = np.stack([one.inverse.astype(np.float32) for one in cut])
        exact = np.array([i >= taught for i in range(count)], np.float32)
        yield np.ascontiguousarray(rgb.transpose(0, 3, 1, 2)), inverse, exact


def crop(one: Example, height: int, width: int, rng: np.random.Generator, least: float) -> Example:
    """A part of the picture, of the aspect of `height` x `width` but for a little, at that size; mirrored or not.

    Its long side is between `least` and all of what fits.
    """
    down, across = one.inverse.shape
    aspect = width / height * math.exp(rng.normal(0, 0.08))
    most = min(across, down * aspect)
    w = most * (rng.uniform(least, 1) if rng.random() < 0.75 else 1.0)
    w, h = max(2, round(w)), max(2, min(down, round(w / aspect)))
    x, y = rng.integers(across - w + 1), rng.integers(down - h + 1)
    rgb, inverse = one.rgb[y : y + h, x : x + w], one.inverse[y : y + h, x : x + w].astype(np.float32)
    smaller = w >= width
    rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    inverse = cv2.resize(inverse, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    if rng.random() < 0.5:
        rgb, inverse = rgb[:, ::-1], inverse[:, ::-1]
    return Example(np.ascontiguousarray(rgb), np.ascontiguousarray(inverse, np.float16))


def augmented(rgb: Picture, rng: np.random.Generator, photo: bool) -> Float32:
    """(H, W, 3), 0..1: other light, colours, contrast, blur, noise and compression. Less for scenes: they have some."""
    strength = 1.0 if photo else 0.6
    if rng.random() < 0.25 * strength:
        _, coded = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(30, 90))])
        rgb = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    x = rgb.astype(np.float32) / np.float32(255)
    if rng.random() < 0.25:
        grey = x @ rng.dirichlet([3, 6, 2]).astype(np.float32)
        x = np.repeat(grey[..., None], 3, axis=2)
    if rng.random() < 0.5 * strength:
        mean = x.mean()
        x = mean + (x - mean) * np.float32(rng.uniform(0.4, 1.3))
    if rng.random() < 0.5 * strength:
        x = np.clip(x, 0, 1) ** np.float32(math.exp(rng.normal(0, 0.3)))
    x = x * rng.normal(1, 0.07 * strength, 3).astype(np.float32) * np.float32(rng.normal(1, 0.15 * strength))
    if rng.random() < 0.2 * strength:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.3))
    if rng.random() < 0.4 * strength:
        x = x + rng.normal(0, rng.uniform(0, 0.04), (*x.shape[:2], 1)).astype(np.float32)
    return np.clip(x, 0, 1, dtype=np.float32)
