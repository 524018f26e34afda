"""Options of splats, maps and pictures."""

from __future__ import annotations

from diorama.products.product import Options, option


class SplatOptions(Options):
    """Of Gaussian splats."""

    detail: int = option(
        1024,
        label="Detail",
        unit="px",
        step=64,
        why="Gaussians along the photo's long side: one a pixel. Each takes 68 bytes, and imagined surfaces have a "
        "quarter as many.",
        ge=64,
        le=4096,
    )


class QuiltOptions(Options):
    """Of a Looking Glass quilt."""

    columns: int = option(8, label="Columns", why="Views side by side in the quilt.", step=1, ge=2, le=16)
    rows: int = option(6, label="Rows", why="Rows of views in the quilt.", step=1, ge=1, le=16)
    aspect: float = option(
        0.75, label="Aspect", why="Width to height of the display: 0.75 of a Portrait, 1.777 of a 16 inch one.",
        step=0.05, ge=0.2, le=4,
    )  # fmt: skip
    tile_width: int = option(
        420, label="View width", unit="px", why="Of a view; 420 x 560 are a Portrait's.", step=20, ge=16, le=2048
    )
    spread: float = option(
        1.0, label="Spread", why="How far the outermost views stand apart, as a share of what the scene allows.",
        step=0.05, ge=0.05, le=1,
    )  # fmt: skip


def quilt_name(stem: str, options: QuiltOptions) -> str:
    """By Looking Glass's convention: the layout is read from the name."""
    return f"{stem}_qs{options.columns}x{options.rows}a{options.aspect:g}.png"
