"""Colours for what the photo hides: the table of inpainters, the choice among them, and `fill`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diorama.errors import UnknownModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def fill(
    rgb: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    known: NDArray[np.bool_],
    *,
    disparity: NDArray[np.float32] | None = None,
    visible: NDArray[np.float32] | None = None,
    model: str = "bundled",
) -> NDArray[np.uint8]:
    """Imagine the colours of `hole`.

    Args:
        rgb: (H, W, 3) uint8 picture, 8x8 or larger.
        hole: (H, W) bool, what to fill; may touch the border and span whole rows.
        known: (H, W) bool, what may be looked at and copied; pixels of `hole` don't count unless `visible` is
            given. The rest of the picture (the foreground in front of the hole, rims of mixed pixels) has no influence
            on the result at all.
        disparity: (H, W) float32 pixels of parallax, larger is nearer: of the surface at every known pixel and of the
            imagined background inside the hole. A hole is filled from surfaces about as far or farther. None: flat.
        visible: (H, W) float32 disparity of the surface that `rgb` shows, where a pixel of `hole` may show one surface
            and hide another: known pixels of `hole` then count as well, for holes behind other, nearer surfaces. None:
            known pixels have the depth given by `disparity`, and those of `hole` show nothing that could be used.
        model: a backend's name (see `models`).

    Returns:
        (H, W, 3) uint8: `rgb` bit for bit outside `hole`. With nothing known the hole becomes mid-grey (128).

    Raises:
        ValueError: shapes or dtypes don't fit.
        UnknownModelError: no backend has that name.
    """
    import numpy as np

    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or min(rgb.shape[:2]) < 8:
        raise ValueError(f"rgb must be (H, W, 3) uint8 of 8x8 or more, not {rgb.shape} {rgb.dtype}")
    for name, mask in (("hole", hole), ("known", known)):
        if mask.shape != rgb.shape[:2] or mask.dtype != np.bool_:
            raise ValueError(f"{name} must be {rgb.shape[:2]} bool, not {mask.shape} {mask.dtype}")
    if disparity is None:
        disparity = np.zeros(hole.shape, np.float32)
    if disparity.shape != hole.shape or not np.isfinite(disparity[hole | known]).all():
        raise ValueError(f"disparity must be {hole.shape} and finite where it is used, not {disparity.shape}")
    if model != "bundled":
        raise UnknownModelError(f"There is no inpainter named '{model}'.", hint="Use bundled.")
    if visible is None:
        visible, known = disparity, known & ~hole
    if visible.shape != hole.shape or not np.isfinite(visible[known]).all():
        raise ValueError(f"visible must be {hole.shape} and finite where known, not {visible.shape}")
    out = rgb.copy()
    if not hole.any():
        return out
    if not known.any():
        out[hole] = 128
        return out
    from diorama.inpaint import bundled

    return bundled.fill(rgb, hole, known, disparity, visible)
