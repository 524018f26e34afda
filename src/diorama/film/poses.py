"""Where a film's camera stands and what of the scene it may see from there.

Every ray that a camera sees crosses the photo camera's plane (z = 0) at some point, with some slope. The layered scene
has what is needed for rays that cross it within the allowed travel, with slopes within the photo's frame: these are
the ones that a camera sees which moves sideways and looks the way the photo's did. So any other camera, nearer, turned
or with another lens, is within what is allowed where all its rays are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diorama.cuts import near_inverse_depth
from diorama.render import Vector, rotation
from diorama.types import Camera, Scene

FRAME_SLACK = 1e-6
"""Of the frame's width: what rounding may take."""


@dataclass(frozen=True)
class Pose:
    """One frame's camera: where it stands, where it looks, what it holds still and what is sharp."""

    position: Vector = (0.0, 0.0, 0.0)  # scene units: right, down, forward
    rotation: Vector = (0.0, 0.0, 0.0)  # degrees, as `render`'s
    pivot: float | None = None  # z of what stays in the middle of the picture, by shifting the lens; None: no shift
    held: float | None = None  # z of what keeps its size when the camera comes nearer (dolly zoom); None: nothing
    fov: float | None = None  # horizontal, degrees; None: the film's lens
    focus: float | None = None  # z, scene units, of what is sharp; None: everything is
    sideways: float = 0.0  # scene units along the camera's own x: an eye's place beside the pose's
    screen: float | None = None  # z of what both eyes see at the same place, by shifting their lenses


@dataclass(frozen=True)
class Framing:
    """A film's picture: its size and the photo's lens filling it."""

    camera: Camera  # of the film's size
    frame: tuple[float, float, float, float]  # slopes x/z and y/z of the photo's left, right, upper and lower side
    reach: float  # scene units that the camera may move to each side, up and down

    @classmethod
    def of(cls, scene: Scene, width: int, height: int) -> Framing:
        """The photo fills the picture; what has no place in another aspect is cut off, the same on both sides."""
        photo = scene.camera
        scale = max(width / photo.width, height / photo.height)
        left, top = (width - photo.width * scale) / 2, (height - photo.height * scale) / 2
        lens = photo.fx * scale, photo.fy * scale, photo.cx * scale + left, photo.cy * scale + top
        frame = (
            -photo.cx / photo.fx,
            (photo.width - photo.cx) / photo.fx,
            -photo.cy / photo.fy,
            (photo.height - photo.cy) / photo.fy,
        )
        return cls(Camera(*lens, width, height, photo.source), frame, reach(scene))

    def lens(self, pose: Pose, crop: float = 1.0) -> Camera:
        """The camera's lens at a pose, the picture enlarged by `crop`: shifted so that the pivot stays where it is."""
        base = self.camera
        fx, fy = base.fx * crop, base.fy * crop
        if pose.fov is not None:
            wide = Camera.from_fov(pose.fov, base.width, base.height, "user")
            fx, fy = wide.fx * crop, wide.fx * crop
        x, y, z = pose.position
        if pose.held is not None:
            fx, fy = fx * (pose.held - z) / pose.held, fy * (pose.held - z) / pose.held
        # Slopes of the middle of the picture.
        across, down = (base.width / 2 - base.cx) / base.fx, (base.height / 2 - base.cy) / base.fy
        if pose.pivot is not None:
            across = (across * pose.pivot - x) / (pose.pivot - z)
            down = (down * pose.pivot - y) / (pose.pivot - z)
        if pose.screen is not None:
            across -= pose.sideways / (pose.screen - z)
        return replace(base, fx=fx, fy=fy, cx=base.width / 2 - fx * across, cy=base.height / 2 - fy * down)

    def place(self, pose: Pose) -> Vector:
        """Where the camera stands: the pose's position, or beside it."""
        aside = rotation(pose.rotation)[:, 0] * pose.sideways
        x, y, z = pose.position
        return x + float(aside[0]), y + float(aside[1]), z + float(aside[2])

    def corners(self, pose: Pose, crop: float = 1.0) -> NDArray[np.float64]:
        """(4, 2): slopes of the rays through the picture's corners, in the photo camera's frame; infinite for those
        that look sideways or back."""
        lens = self.lens(pose, crop)
        across, down = np.array([0, lens.width, lens.width, 0]), np.array([0, 0, lens.height, lens.height])
        rays = np.stack([(across - lens.cx) / lens.fx, (down - lens.cy) / lens.fy, np.ones(4)], axis=1)
        turned = rays @ rotation(pose.rotation).T
        ahead = turned[:, 2:] > 1e-9
        return np.where(ahead, turned[:, :2] / np.where(ahead, turned[:, 2:], 1), np.inf)

    def used(self, poses: Sequence[Pose], crop: float = 1.0) -> float:
        """The largest share of the allowed travel that a ray of any of the poses takes up."""
        most = 0.0
        for pose in poses:
            x, y, z = self.place(pose)
            aside = np.abs(np.array([x, y]) - z * self.corners(pose, crop))
            most = max(most, float(np.nan_to_num(aside, nan=np.inf).max()) / self.reach)
        return most

    def outside(self, poses: Sequence[Pose], crop: float = 1.0) -> float:
        """How far beyond the photo's frame any of the poses looks, as a share of its width; not above 0: nowhere."""
        left, right, top, bottom = self.frame
        most = -np.inf
        for pose in poses:
            x, y = self.corners(pose, crop).T
            over = max(left - x.min(), x.max() - right, top - y.min(), y.max() - bottom)
            most = max(most, float(over) / (right - left))
        return most - FRAME_SLACK

    def crop_for(self, poses: Sequence[Pose], most: float) -> float:
        """The smallest enlargement, up to `most`, at which no pose looks beyond the photo's frame; `most` where none
        is enough."""
        if self.outside(poses) <= 0:
            return 1.0
        low, high = 1.0, most
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (low, middle) if self.outside(poses, middle) <= 0 else (middle, high)
        return high


def reach(scene: Scene) -> float:
    """How far the camera may move to each side, in scene units: the setting `camera_travel`, or what step 4 tuned."""
    travel = scene.settings.camera_travel if scene.tuning is None else scene.tuning.camera_travel
    camera = scene.points.camera
    return travel / 100 * camera.diagonal / camera.fx / near_inverse_depth(scene.points)


def subject_depth(scene: Scene) -> float:
    """z of what the photo is of: the largest thing near its middle, else what is in the middle third."""
    z, mask = scene.points.z, scene.points.mask
    height, width = z.shape
    best, found = 0.0, None
    for item in scene.segments.items if scene.segments is not None else ():
        if item.kind not in ("subject", "object") or item.area < 0.01 * z.size:
            continue
        x0, y0, x1, y1 = item.box
        away = np.hypot((x0 + x1) / 2 / width - 0.5, (y0 + y1) / 2 / height - 0.5)
        score = item.area**0.5 * max(0.0, 1 - 1.5 * float(away)) * (2 if item.kind == "subject" else 1)
        if score > best:
            best, found = score, item.id
    if found is not None and scene.segments is not None:
        chosen = (scene.segments.labels == found) & mask
        if chosen.any():
            return float(np.median(z[chosen]))
    middle = np.s_[height // 3 : max(height - height // 3, 1), width // 3 : max(width - width // 3, 1)]
    inner = z[middle][mask[middle]]
    return float(np.median(inner if inner.size else z))


def depths(scene: Scene) -> tuple[float, float]:
    """z of what is nearest and of what is farthest (2nd and 98th percentile: no stray point decides)."""
    near, far = np.percentile(scene.points.z[scene.points.mask] if scene.points.mask.any() else scene.points.z, (2, 98))
    return float(near), float(far)
