"""Photos and networks for tests of batches: all different, quick to make, with a real session in each worker."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import bad_inputs
import networks
from diorama import Scene, batch, bundle, pipeline
from diorama.settings import Settings
from gltf import Glb

SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)

TERMS = {"input": "picture", "output": "depth", "size": 28, "meaning": "inverse", "licence": "CC0"}


def network(folder: Path) -> Path:
    """A depth network of three operations, with its contract."""
    path = networks.dense(folder / "tiny.onnx", "picture", "depth", shape=(1, 3, 28, 28))
    path.with_suffix(".json").write_text(json.dumps(TERMS))
    return path


def settings(folder: Path) -> Settings:
    """Under which a photo takes hundredths of a second."""
    return Settings.parse(
        {
            "processing_size": 96,
            "texture_size": 96,
            "triangles": 1000,
            "flip_average": "off",
            "find_sky": False,
            "depth": str(network(folder)),
        }
    )


def photos(folder: Path, count: int) -> Path:
    """A folder of photos of which no two are alike."""
    folder.mkdir(parents=True)
    for number in range(count):
        picture = np.roll(bad_inputs.picture(), 3 * number, axis=1)
        picture[:8, :8] = number
        Image.fromarray(picture).save(folder / f"photo-{number:02}.png")
    return folder


def geometry(path: Path) -> list[Any]:
    """Every number of a scene's surface, as bytes."""
    return geometry_of(bundle.read(path))


def geometry_of(scene: Scene) -> list[Any]:
    """As `geometry`."""
    arrays = [scene.depth.inverse_depth, scene.points.z, scene.points.mask, scene.cuts.right, scene.cuts.down]
    for mesh in scene.meshes:
        arrays += [mesh.vertices, mesh.faces, mesh.uv, mesh.normals]
    return [(array.shape, array.dtype.str, array.tobytes()) for array in arrays]


def expect_equal_geometry(folder: Path, out: Path, settings: Settings) -> None:
    """Every scene of a batch is the one that a single process makes, to the last bit."""
    for photo in sorted(folder.iterdir()):
        alone = pipeline.make(photo, settings, until="original", fetch=False)
        alone.save(out.parent / "alone.glb")
        assert geometry(out / f"{photo.stem}.diorama") == geometry_of(alone), photo.name
        assert Glb(out / f"{photo.stem}.glb").binary == Glb(out.parent / "alone.glb").binary, photo.name


class Killer:
    """Kills a worker as soon as it was given a photo, after some were finished."""

    def __init__(self, pids: Callable[[], list[int]], after: tuple[int, ...] = (0, 8, 16)) -> None:
        self._pids = pids
        self._after = list(after)
        self.killed: list[int] = []

    def __call__(self, status: batch.Status) -> None:
        if self._after and status.running and status.last is None and status.done >= self._after[0]:
            for pid in self._pids()[:1]:
                if pid not in self.killed:
                    os.kill(pid, SIGKILL)
                    self.killed.append(pid)
                    self._after.pop(0)
