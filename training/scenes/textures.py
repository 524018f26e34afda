"""Textures: procedural ones, and pieces of licence-clean photographs, as pyramids that the shader looks into.

Photographs are those of a folder that the caller names (public domain or CC0) and scikit-image's own that are
(astronaut, coffee, chelsea, rocket, and the brick, grass and gravel of CC0Textures).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.scenes.shading import LEVELS, SIDE

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

KINDS = (
    "plain",
    "wood",
    "stone",
    "ground",
    "grass",
    "fabric",
    "print",
    "metal",
    "bark",
    "cloud",
    "photo",
    "writing",
    "facade",
)
"""What a texture looks like; `photo` are whole pictures, `cloud` covers for the sky."""

CLEAN = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "brick.png", "grass.png", "gravel.png")


@dataclass(frozen=True)
class Textures:
    """All textures of a run: texels (T, texels of the pyramid, 3) uint8 sRGB, and which of them are of a kind."""

    texels: U8
    kinds: dict[str, list[int]]
    linear: F32  # (256,) sRGB value -> linear light
    grain: F32  # (512, 512) standard normal, for sensor noise

    @classmethod
    def make(cls, photos: Path | None = None, *, each: int = 10, seed: int = 1) -> Textures:
        """`each` procedural textures of a kind, and four pieces of every photograph."""
        rng = np.random.default_rng(seed)
        pictures: list[tuple[str, U8]] = []
        for kind in KINDS:
            if kind != "photo":
                pictures += [(kind, procedural(rng, kind)) for _ in range(each)]
        for photo in _photographs(photos):
            pictures += _pieces(rng, photo)
        kinds: dict[str, list[int]] = {kind: [] for kind in KINDS}
        for number, (kind, _) in enumerate(pictures):
            kinds[kind].append(number)
        value = np.arange(256) / 255
        linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
        grain = rng.standard_normal((512, 512)).astype(np.float32)
        return cls(np.stack([_pyramid(picture) for _, picture in pictures]), kinds, linear.astype(np.float32), grain)


@lru_cache(maxsize=2)
def default() -> Textures:
    """A small set, from procedures and scikit-image's pictures alone."""
    return Textures.make(each=3)


def _pyramid(picture: U8) -> U8:
    levels = [picture]
    for _ in range(LEVELS - 1):
        side = levels[-1].shape[0] // 2
        levels.append(np.asarray(cv2.resize(levels[-1], (side, side), interpolation=cv2.INTER_AREA), np.uint8))
    return np.concatenate([level.reshape(-1, 3) for level in levels])


def _photographs(folder: Path | None) -> Iterator[U8]:
    import skimage.data

    paths = [Path(skimage.data.__file__).parent / name for name in CLEAN]
    if folder is not None:
        paths += sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    for path in paths:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.exists() else None
        if picture is None:
            continue
        scale = 640 / max(picture.shape[:2])
        if scale < 1:
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        yield np.asarray(picture[..., ::-1], np.uint8)


def _pieces(rng: np.random.Generator, photo: U8) -> list[tuple[str, U8]]:
    """A photograph whole, as a picture on a wall, and pieces of it as surfaces, each of the kind that it looks like."""
    pieces: list[tuple[str, U8]] = [("photo", _square(photo))]
    height, width = photo.shape[:2]
    for share in (0.5, 0.3, 0.3, 0.2):
        side = int(min(height, width) * share)
        top, left = int(rng.integers(height - side)), int(rng.integers(width - side))
        piece = _square(photo[top : top + side, left : left + side])
        pieces.append((_looks(piece), piece))
    return pieces


def _square(picture: U8) -> U8:
    return np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _looks(piece: U8) -> str:
    red, green, blue = (float(channel) for channel in piece.reshape(-1, 3).mean(0))
    quarters = cv2.resize(piece, (4, 4), interpolation=cv2.INTER_AREA).astype(np.float32).mean(2)
    if float(quarters.std()) > 16:
        return "print"
    rough = float(np.abs(np.diff(piece.astype(np.float32).mean(2), axis=0)).mean())
    if green > red * 1.04 and green > blue * 1.15:
        return "grass"
    if rough < 2.5:
        return "plain"
    if rough < 7:
        return "fabric" if max(red, green, blue) - min(red, green, blue) > 40 else "stone"
    return "ground" if max(red, green, blue) - min(red, green, blue) < 45 else "print"


def fractal(rng: np.random.Generator, fade: float, *, first: int = 1, stretch: tuple[int, int] = (1, 1)) -> F32:
    """Noise of octaves in 0..1, (SIDE, SIDE); `fade` is each octave's amplitude over the one before."""
    total, amplitude = np.zeros((SIDE, SIDE), np.float32), 1.0
    for octave in range(first, 8):
        rows, columns = min(SIDE, 2**octave * stretch[0] + 1), min(SIDE, 2**octave * stretch[1] + 1)
        cells = rng.standard_normal((rows, columns)).astype(np.float32)
        total += amplitude * cv2.resize(cells, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        amplitude *= fade
    low, high = float(total.min()), float(total.max())
    return (total - low) / (high - low + 1e-6)


def _embossed(height: F32, depth: float) -> F32:
    """Light and shade of a relief under light from the upper left."""
    slope = cv2.Sobel(height, cv2.CV_32F, 1, 0) + cv2.Sobel(height, cv2.CV_32F, 0, 1)
    return np.clip(1 - slope * depth, 0.3, 1.7).astype(np.float32)


def _cells(rng: np.random.Generator, count: int) -> tuple[F32, NDArray[np.int32]]:
    """Cells about `count` points: twice the distance to the cell's border, and the cell's number."""
    seeds = np.full((SIDE, SIDE), 255, np.uint8)
    seeds[tuple(rng.integers(0, SIDE, (2, count)))] = 0
    _, cell = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    inside = np.full((SIDE, SIDE), 255, np.uint8)
    inside[:, 1:][cell[:, 1:] != cell[:, :-1]] = 0
    inside[1:][cell[1:] != cell[:-1]] = 0
    edge = cv2.distanceTransform(inside, cv2.DIST_L2, 3)
    return np.asarray(2 * edge, np.float32), np.asarray(cell, np.int32)


def _grid(rng: np.random.Generator, rows: int, columns: int, joint: float) -> tuple[F32, NDArray[np.int64]]:
    """Bricks or tiles: 1 inside and 0 in the joints, and each stone's number."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    row = (y * rows).astype(int)
    shifted = x * columns + (row % 2) * (0.5 if rng.random() < 0.6 else 0.0)
    u, v = shifted % 1, y * rows % 1
    inside = np.minimum(np.minimum(u, 1 - u) * rows / columns, np.minimum(v, 1 - v)) / joint
    return np.clip(inside, 0, 1).astype(np.float32), row * 97 + shifted.astype(int)


def _colours(rng: np.random.Generator, kind: str) -> tuple[F32, F32]:
    """Two colours (sRGB 0..1) between which a texture of the kind lies."""
    hues = {
        "wood": ([0.35, 0.22, 0.12], [0.72, 0.55, 0.36]),
        "stone": ([0.4, 0.38, 0.36], [0.72, 0.68, 0.62]),
        "ground": ([0.3, 0.27, 0.23], [0.62, 0.57, 0.5]),
        "grass": ([0.16, 0.22, 0.08], [0.45, 0.52, 0.22]),
        "bark": ([0.18, 0.14, 0.11], [0.46, 0.4, 0.34]),
        "metal": ([0.4, 0.41, 0.42], [0.7, 0.7, 0.7]),
    }
    if kind in hues:
        a, b = (np.array(c) for c in hues[kind])
        shift = rng.normal(0, 0.06) + rng.normal(0, 0.035, 3)
        a, b = a + shift, b + shift
        if kind in ("stone", "ground", "wood") and rng.random() < 0.3:
            grey = rng.uniform(0, 1)
            a, b = a + (a.mean() - a) * grey, b + (b.mean() - b) * grey
        if kind == "stone" and rng.random() < 0.25:
            a, b = a * [1.1, 0.7, 0.6], b * [1.0, 0.65, 0.52]
    else:
        a, b = rng.uniform(0.05, 0.95, 3), rng.uniform(0.05, 0.95, 3)
        if rng.random() < 0.5:
            a = a.mean() + (a - a.mean()) * 0.25
            b = np.clip(a + rng.uniform(-0.3, 0.3), 0, 1)
    return np.clip(a, 0.02, 0.98).astype(np.float32), np.clip(b, 0.02, 0.98).astype(np.float32)


def procedural(rng: np.random.Generator, kind: str) -> U8:
    """A texture of the kind, (SIDE, SIDE, 3) sRGB."""
    a, b = _colours(rng, kind)
    light = np.ones((SIDE, SIDE), np.float32)
    if kind == "cloud":
        m = fractal(rng, rng.uniform(0.45, 0.6), first=2)
        a, b = np.zeros(3, np.float32), np.ones(3, np.float32)
    elif kind == "plain":
        m = fractal(rng, rng.uniform(0.5, 0.95))
        b = a + (b - a) * rng.uniform(0.02, 0.2)
    elif kind == "wood":
        m = fractal(rng, 0.7, stretch=(1, int(rng.integers(8, 20))))
        planks = int(rng.integers(0, 7))
        if planks:
            inside, number = _grid(rng, 2, planks, 0.02)
            m = np.clip(m * 0.7 + rng.uniform(0, 0.4, 100000)[number * 7 % 99991], 0, 1)
            light = 0.5 + 0.5 * inside
    elif kind == "stone" and rng.random() < 0.7:
        inside, number = _grid(rng, int(rng.integers(3, 13)), int(rng.integers(2, 9)), rng.uniform(0.06, 0.2))
        noise = fractal(rng, 0.8)
        tone = rng.uniform(0.2, 0.9, 100000)[number * 131 % 99991]
        m = np.clip(tone * 0.6 + noise * 0.5, 0, 1) * inside + (1 - inside) * rng.uniform(0, 1)
        light = _embossed(inside + noise * 0.2, 0.25)
    elif kind in ("stone", "ground") and rng.random() < 0.7:
        edge, number = _cells(rng, int(rng.integers(60, 1400) if kind == "ground" else rng.integers(30, 160)))
        height = np.clip(edge / 5, 0, 1) ** 0.5
        m = np.clip(rng.uniform(0, 1, 2000)[number] * 0.8 + fractal(rng, 0.9) * 0.2, 0, 1)
        light = _embossed(height, 0.35) * (0.45 + 0.55 * height)
    elif kind in ("grass", "ground", "bark"):
        stretch = {"grass": (1, 2), "bark": (1, int(rng.integers(3, 8)))}.get(kind, (1, 1))
        m = fractal(rng, rng.uniform(0.85, 1.15), first=2, stretch=stretch)
        light = _embossed(m, rng.uniform(0.2, 0.6))
    elif kind == "fabric":
        y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
        f, style = rng.integers(3, 40), rng.random()
        m = (np.sin(x * f * 6.28) + (np.sin(y * f * 6.28) if style < 0.5 else 0)) * 0.25 + 0.5
        m = (m > 0.5) * 0.7 + 0.15 if style > 0.7 else m
        m = np.clip(m + (fractal(rng, 0.9) - 0.5) * 0.4, 0, 1)
    elif kind == "metal":
        m = fractal(rng, 0.9, stretch=(1, int(rng.integers(1, 12))))
        if rng.random() < 0.5:
            m = np.clip((m - rng.uniform(0.4, 0.6)) * 4 + 0.5, 0, 1)
            b = np.array([0.42, 0.26, 0.16], np.float32) if rng.random() < 0.6 else b
    elif kind == "facade":
        return _windows(rng)
    elif kind == "writing":
        return _writing(rng, a, b)
    else:
        noise = fractal(rng, rng.uniform(0.4, 0.8))
        m = np.clip((noise * rng.integers(2, 7)) % 1, 0, 1) if rng.random() < 0.5 else (noise > 0.5) * 1.0
    m = np.asarray(m, np.float32)[..., None]
    colour = (a * (1 - m) + b * m) * light[..., None] + rng.normal(0, rng.uniform(0, 0.03), (SIDE, SIDE, 1))
    return (np.clip(colour, 0, 1) * 255).astype(np.uint8)


def _windows(rng: np.random.Generator) -> U8:
    """The front of a distant house: rows of windows."""
    wall, frame = _colours(rng, "stone")
    picture = np.tile(wall, (SIDE, SIDE, 1)) * (0.85 + 0.3 * fractal(rng, 0.8)[..., None])
    rows, columns = int(rng.integers(2, 6)), int(rng.integers(2, 7))
    a, b = SIDE // columns, SIDE // rows
    w, h = int(a * rng.uniform(0.35, 0.65)), int(b * rng.uniform(0.4, 0.7))
    for i in range(columns):
        for j in range(rows):
            x, y = i * a + (a - w) // 2, j * b + (b - h) // 2
            picture[y - 2 : y + h + 3, x - 2 : x + w + 2] = frame
            glass = rng.uniform(0.05, 0.35) if rng.random() < 0.85 else rng.uniform(0.5, 0.9)
            picture[y : y + h, x : x + w] = glass * np.array([0.9, 1, 1.1])
            picture[y : y + h, x + w // 2 - 1 : x + w // 2 + 1] = frame
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _writing(rng: np.random.Generator, ink: F32, paper: F32) -> U8:
    """Labels, posters, book spines and screens: blocks, rules and letters."""
    if abs(float(ink.mean() - paper.mean())) < 0.3:
        ink = np.zeros(3, np.float32) if paper.mean() > 0.5 else np.ones(3, np.float32)
    picture = np.tile((paper * 255), (SIDE, SIDE, 1)).astype(np.uint8)
    for _ in range(rng.integers(1, 5)):
        y, x = rng.integers(0, SIDE - 30, 2)
        h, w = rng.integers(15, SIDE // 2, 2)
        cv2.rectangle(
            picture, (int(x), int(y)), (int(x + w), int(y + h)), [int(c) for c in rng.integers(0, 255, 3)], -1
        )
    y = int(rng.integers(10, 40))
    while y < SIDE - 8:
        size = float(rng.choice([0.3, 0.4, 0.4, 0.5, 0.9, 1.6]))
        letters = "".join(chr(c) for c in rng.integers(65, 91, int(rng.integers(4, 26))))
        where = (int(rng.integers(4, 60)), y + int(20 * size))
        colour = [int(c * 255) for c in ink]
        cv2.putText(picture, letters, where, cv2.FONT_HERSHEY_SIMPLEX, size, colour, max(1, int(size * 2)), cv2.LINE_AA)
        y += int(30 * size) + int(rng.integers(2, 14))
    return picture
