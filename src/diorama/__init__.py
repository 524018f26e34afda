"""Diorama: one photo in, a layered, textured 3D scene out.

    import diorama

    scene = diorama.make("photo.jpg")
    scene.save("photo.glb")

Everything named in `__all__` is loaded when it is first used, so that `import diorama` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "make": "diorama.pipeline",
    "Settings": "diorama.settings",
    "Camera": "diorama.types",
    "Correction": "diorama.types",
    "Cuts": "diorama.types",
    "DepthMap": "diorama.types",
    "Mesh": "diorama.types",
    "Photo": "diorama.types",
    "PointCloud": "diorama.types",
    "Scene": "diorama.types",
    "DioramaError": "diorama.errors",
    "share": "diorama.export.share",
}

__all__ = [
    "Camera",
    "Correction",
    "Cuts",
    "DepthMap",
    "DioramaError",
    "Mesh",
    "Photo",
    "PointCloud",
    "Scene",
    "Settings",
    "__version__",
    "make",
    "share",
]

if TYPE_CHECKING:
    from diorama.errors import DioramaError
    from diorama.export.share import share
    from diorama.pipeline import make
    from diorama.settings import Settings
    from diorama.types import Camera, Correction, Cuts, DepthMap, Mesh, Photo, PointCloud, Scene


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'diorama' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    # What is not loaded yet is there all the same, for those who ask by the Tab key.
    return sorted({*globals(), *__all__})
