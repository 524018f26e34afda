"""Five photos in every format, each read by a program that didn't write it: the short form of benchmarks/formats.py."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

import diorama
from conftest import PhotoPath
from diorama.products import PRODUCTS
from diorama.settings import Settings
from diorama.types import Scene

PHOTOS = ("coffee", "chelsea", "rocket", "astronaut", "motorcycle_left")
SIZE = (96, 72)

SMALL: dict[str, Any] = {"seconds": 0.25, "fps": 8, "size": "photo"}
OPTIONS: dict[str, dict[str, Any]] = {
    "mp4": SMALL, "webm": SMALL, "webp": SMALL, "gif": SMALL, "stereo.mp4": SMALL, "relief.stl": {"grain": 1.0},
    "quilt.png": {"columns": 2, "rows": 1, "tile_width": 48},
}  # fmt: skip

VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((name, OPTIONS.get(name, {})) for name in PRODUCTS),
    ("glb", {"quantize": True}), ("glb", {"draco": True}), ("glb", {"meshopt": True}),
)  # fmt: skip


@pytest.fixture(scope="module")
def readback() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "readback.py"
    spec = importlib.util.spec_from_file_location("benchmark_readback", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # in pycocotools
@pytest.mark.parametrize("photo", PHOTOS)
def test_every_format_is_read_by_another_program(
    photo: str, readback: ModuleType, photo_path: PhotoPath, tmp_path: Path
) -> None:
    with Image.open(photo_path(photo)) as image:
        image.convert("RGB").resize(SIZE).save(tmp_path / f"{photo}.png")
    scene = diorama.make(tmp_path / f"{photo}.png", Settings(depth="bundled", optimize="off", texture="off"))
    assert isinstance(scene, Scene)
    assert set(readback.READERS) == set(PRODUCTS)
    for number, (name, options) in enumerate(VARIANTS):
        path = tmp_path / str(number) / f"x.{name}"
        path.parent.mkdir()
        scene.save(path, **options)
        readback.read(scene, name, options, path)
