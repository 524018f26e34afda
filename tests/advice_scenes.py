"""Enhanced scenes made by hand, for questions to advisors: a ball, a box's edge, a card or rubble before a wall."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from diorama.advice import SceneAdvice
from diorama.advisor import ReconstructionQuestion, SceneQuestion
from diorama.settings import Settings
from diorama.types import Camera, Cuts, DepthMap, Photo, PointCloud, Scene, Segment, Segments

WIDTH, HEIGHT = 240, 160
WALL, THING, GROUND, SKY = 1, 2, 3, 4

Form = Literal["ball", "box", "card", "rubble"]


def standing(form: Form = "ball", *, tremble: float = 0.0, seed: int = 0, metric: bool = False) -> Scene:
    """A thing of this form before a wall, free all round, over a flat ground and under a sky.

    Args:
        tremble: noise of inverse depth, as a share of the near one.
    """
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    labels = np.full((HEIGHT, WIDTH), WALL, np.int32)
    inverse = np.full((HEIGHT, WIDTH), 0.3)
    labels[v > 120] = GROUND
    inverse[v > 120] = 0.3 + (v[v > 120] - 120) * 0.004
    labels[v < 30] = SKY
    inverse[v < 30] = 0.02
    x, y = (u - 120) / 36, (v - 75) / 36
    inside = (x**2 + y**2 < 1) if form != "box" else (np.abs(x) < 1) & (np.abs(y) < 1)
    shape = {
        "ball": 0.8 + 0.15 * np.sqrt(np.clip(1 - x**2 - y**2, 0, 1)),
        "box": 0.95 - 0.2 * np.abs(x),
        "card": 0.85 + 0.05 * x,
        "rubble": 0.85 + 0.08 * np.sin(9 * x) * np.cos(8 * y),
    }[form]
    labels[inside] = THING
    inverse[inside] = shape[inside]
    inverse += rng.normal(0, tremble, inverse.shape)
    inverse = np.maximum(inverse, 0.01).astype(np.float32)
    rgb = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    for label, colour in (
        (WALL, (150, 140, 130)),
        (THING, (180, 60, 50)),
        (GROUND, (90, 110, 80)),
        (SKY, (150, 180, 220)),
    ):
        rgb[labels == label] = colour
    rgb = np.clip(rgb + rng.integers(-3, 4, rgb.shape), 0, 255).astype(np.uint8)
    camera = Camera.assumed(WIDTH, HEIGHT)
    photo = Photo(rgb, camera)
    sky = labels == SKY
    depth = DepthMap(inverse, "metric" if metric else "relative", camera, "made by hand", None, sky)
    points = PointCloud(np.reciprocal(inverse), rgb, np.ones_like(sky), camera)
    jump = np.abs(np.diff(inverse, axis=1)) > 0.1, np.abs(np.diff(inverse, axis=0)) > 0.1
    segments = Segments(
        labels,
        (
            _segment(labels, WALL, "Wall", "wall", (THING, GROUND, SKY)),
            _segment(labels, THING, "Subject", "subject", (WALL,), (WALL,)),
            _segment(labels, GROUND, "Ground", "ground", (WALL,)),
            _segment(labels, SKY, "Sky", "sky", (WALL,)),
        ),
    )
    return Scene(
        "enhanced", photo, depth, points, Cuts(*jump), (), Settings(), (), segments, np.ascontiguousarray(rgb), 0.2
    )


def _segment(labels, id, name, kind, neighbours, hides=()) -> Segment:  # type: ignore[no-untyped-def]
    rows, columns = np.nonzero(labels == id)
    box = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
    return Segment(id, name, kind, box, len(rows), 1.0, 4.0, tuple(sorted(neighbours)), tuple(hides))


def scene_question(scene: Scene) -> SceneQuestion:
    """What is asked before step 3."""
    assert scene.segments is not None
    return SceneQuestion(scene.photo, scene.depth, scene.points, scene.segments)


def plan_question(scene: Scene, advice: SceneAdvice | None = None) -> ReconstructionQuestion:
    """What is asked before step 4."""
    return ReconstructionQuestion(scene, advice or SceneAdvice(adviser="local"))


def with_photo(scene: Scene, rgb: np.ndarray) -> Scene:
    """The scene with another photo (at texture size)."""
    camera = scene.photo.camera.resized(rgb.shape[1], rgb.shape[0])
    return dataclasses.replace(scene, photo=Photo(np.ascontiguousarray(rgb), camera))
