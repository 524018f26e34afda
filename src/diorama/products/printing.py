"""Options of the formats for 3D printers. Lengths are millimetres."""

from __future__ import annotations

from typing import Any

from diorama.products.product import Options, option


def _width() -> Any:
    return option(
        120.0, label="Width", unit="mm", step=5, ge=10, le=1000,
        why="How wide the printed thing is; 120 mm fit on every printer's bed. The height follows from the photo.",
    )  # fmt: skip


class SolidOptions(Options):
    """Of the solid."""

    width: float = _width()
    facets: int = option(
        200_000, label="Triangles", step=10_000, ge=1000, le=4_000_000,
        why="At most so many: 200,000 are finer than a printer's nozzle at 120 mm.",
    )  # fmt: skip


class ReliefOptions(Options):
    """Of the relief."""

    width: float = _width()
    relief: float = option(
        8.0, label="Relief", unit="mm", step=0.5, ge=0.2, le=200,
        why="How far the nearest part stands above the farthest one.",
    )  # fmt: skip
    base: float = option(
        2.0, label="Base", unit="mm", step=0.2, ge=0.4, le=100, why="How thick the plate below the relief is."
    )
    frame: float = option(
        4.0, label="Frame", unit="mm", step=0.5, ge=0, le=100,
        why="How wide the frame around the picture is, as high as the nearest part; 0 leaves it out. It is part of the "
        "width.",
    )  # fmt: skip
    grain: float = option(
        0.3, label="Grain", unit="mm", step=0.05, ge=0.05, le=5,
        why="Distance of the points of the surface: most nozzles are 0.4 mm wide.",
    )  # fmt: skip
