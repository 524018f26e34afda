"""What a depth network says of a picture, before Diorama makes a depth map of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from diorama.types import Bool, DepthScale, Float32


@dataclass(frozen=True)
class Prediction:
    """The whole picture at any size h x w."""

    inverse: Float32  # (h, w), larger is nearer. relative: up to scale and shift; metric: 1 / metres
    scale: DepthScale = "relative"
    far: Bool | None = None  # (h, w), True: infinitely far (the sky), or nothing there. None: the network doesn't say
    focal: float | None = None  # focal length over the picture's width. None: the network doesn't say
    warnings: tuple[str, ...] = ()
    reach: float = 1.0  # relative: share of the whole depth that the picture spans, from the near end on
    normals: Float32 | None = None  # (h, w, 3), unit, towards the viewer, x right, y down, z forward

    def mirrored(self) -> Prediction:
        """The same of the picture seen in a mirror."""
        far = None if self.far is None else np.ascontiguousarray(self.far[:, ::-1])
        normals = None if self.normals is None else self.normals[:, ::-1] * np.array([-1, 1, 1], np.float32)
        return replace(self, inverse=np.ascontiguousarray(self.inverse[:, ::-1]), far=far, normals=normals)


def averaged(a: Prediction, b: Prediction) -> Prediction:
    """The mean of two predictions of one picture by one network; far is what both call so."""
    far = None if a.far is None or b.far is None else a.far & b.far
    inverse = (a.inverse + b.inverse) / np.float32(2)
    if a.far is not None and b.far is not None:  # where one sees nothing the other one's word counts
        inverse = np.where(a.far & ~b.far, b.inverse, np.where(b.far & ~a.far, a.inverse, inverse))
    focal = math.sqrt(a.focal * b.focal) if a.focal and b.focal else a.focal or b.focal
    normals = None if a.normals is None or b.normals is None else unit(a.normals + b.normals)
    warnings = tuple(dict.fromkeys(a.warnings + b.warnings))
    return Prediction(inverse, a.scale, far, focal, warnings, (a.reach + b.reach) / 2, normals)


def unit(normals: Float32) -> Float32:
    """Of length 1; where there is none, straight towards the viewer."""
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    facing = np.array([0, 0, -1], np.float32)
    return np.where(length > 1e-6, normals / np.maximum(length, np.float32(1e-6)), facing).astype(np.float32)
