"""The records that pass from stage to stage: frozen, shapes and dtypes checked when made.

Conventions, everywhere inside Diorama (`export` alone turns to other ones):

* Camera frame: OpenCV's. x right, y down, z forward (along the optical axis), right-handed.
* Pixel coordinates: the centre of the top left pixel is (0.5, 0.5); the picture spans [0, width] x [0, height].
  A point (x, y, z) is seen at u = fx x / z + cx, v = fy y / z + cy.
* Inverse depth is 1 / z: larger is nearer, 0 is infinitely far. `metric`: 1 / metres (or whatever unit the depth file
  had). `relative`: known only up to scale and shift, here scaled to 0..1.
* Pictures: uint8 sRGB, rows first, (H, W, 3). UV: u right, v down, both 0..1 over the texture (glTF's).
* Arrays are C-contiguous and must not be written to once in a record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from diorama.advice import Outcome, ReconstructionAdvice, SceneAdvice, Tuning
from diorama.arrays import Bool as Bool
from diorama.arrays import Float32 as Float32
from diorama.arrays import Int32 as Int32
from diorama.arrays import UInt8 as UInt8
from diorama.arrays import check
from diorama.camera import ASSUMED_FOV_DEGREES as ASSUMED_FOV_DEGREES
from diorama.camera import Camera as Camera
from diorama.camera import FocalSource as FocalSource
from diorama.corrections import Correction as Correction
from diorama.segments import Segment as Segment
from diorama.segments import SegmentEdit as SegmentEdit
from diorama.segments import SegmentKind as SegmentKind
from diorama.segments import Segments as Segments
from diorama.settings import Settings

DepthScale = Literal["relative", "metric"]
Step = Literal["original", "enhanced", "final"]

Progress = Callable[[str, float, str], None]
"""Called with a stage's name, the share of it that is done (0..1) and a sentence for the person who waits."""


@dataclass(frozen=True)
class EmbeddedDepth:
    """Depth that a photo's file carries besides the picture, upright as the photo and stretched over all of it."""

    inverse_depth: Float32  # (h, w) of any size, finite, >= 0; 0 = infinitely far. metric: 1/m; relative: 0..1
    scale: DepthScale
    origin: str  # for a person: "iPhone (disparity)"
    valid: Bool | None = None  # (h, w); False: not measured. None: all measured
    along_rays: bool = False  # it is the distance along each pixel's ray, not along the optical axis

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)"""
        return int(self.inverse_depth.shape[1]), int(self.inverse_depth.shape[0])

    def __post_init__(self) -> None:
        check(self.inverse_depth, "inverse_depth", np.float32, None, None)
        if self.valid is not None:
            check(self.valid, "valid", np.bool_, *self.inverse_depth.shape)
        if not np.isfinite(self.inverse_depth).all() or float(self.inverse_depth.min()) < 0:
            raise ValueError("inverse depth must be finite and not negative")


SLIGHTLY = 1.25
"""Reductions by less are bilinear: an area's mean is one of two pixels as well there, in five times the time, and keeps
less of the photo (0.04 dB at 1.04, 0.3 dB at 1.25, enlarged again)."""


@dataclass(frozen=True)
class Photo:
    """A decoded photo: upright, sRGB, 8 bits."""

    rgb: UInt8  # (H, W, 3)
    camera: Camera  # for a picture of W x H
    alpha: UInt8 | None = None  # (H, W), 255 = opaque; None: opaque everywhere
    name: str = "photo"
    sha256: str = ""  # of the bytes that were read (of the pixels, where there were no bytes)
    warnings: tuple[str, ...] = ()
    embedded: EmbeddedDepth | None = None  # the depth that the file carries

    def __post_init__(self) -> None:
        check(self.rgb, "rgb", np.uint8, None, None, 3)
        if self.alpha is not None:
            check(self.alpha, "alpha", np.uint8, *self.rgb.shape[:2])
        if (self.camera.height, self.camera.width) != self.rgb.shape[:2]:
            raise ValueError(
                f"the camera is for {self.camera.width}x{self.camera.height}, the picture is {self.width}x{self.height}"
            )

    @property
    def width(self) -> int:
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        return int(self.rgb.shape[0])

    def fitted(self, long_side: int) -> Photo:
        """Reduced so that the long side is at most `long_side` pixels; itself when it already is."""
        import cv2

        longest = max(self.width, self.height)
        if longest <= long_side:
            return self
        size = max(1, round(self.width * long_side / longest)), max(1, round(self.height * long_side / longest))
        how = cv2.INTER_AREA if longest > SLIGHTLY * long_side else cv2.INTER_LINEAR
        rgb = cv2.resize(self.rgb, size, interpolation=how)
        alpha = None if self.alpha is None else cv2.resize(self.alpha, size, interpolation=how)
        return replace(
            self,
            rgb=np.ascontiguousarray(rgb, np.uint8),
            alpha=None if alpha is None else np.ascontiguousarray(alpha, np.uint8),
            camera=self.camera.resized(*size),
        )


@dataclass(frozen=True)
class Cuts:
    """Where neighbouring pixels belong to different surfaces: found once, shared by mesh, segments and layers."""

    right: Bool  # (H, W - 1); [y, x]: between (y, x) and (y, x + 1)
    down: Bool  # (H - 1, W); [y, x]: between (y, x) and (y + 1, x)

    def __post_init__(self) -> None:
        check(self.right, "right", np.bool_, None, None)
        check(self.down, "down", np.bool_, self.right.shape[0] - 1, self.right.shape[1] + 1)


@dataclass(frozen=True)
class DepthMap:
    """Inverse depth for every pixel of a picture of the camera's size."""

    inverse_depth: Float32  # (H, W), finite, >= 0; 0 = infinitely far. relative: 0..1; corrected, it may pass 1
    scale: DepthScale
    camera: Camera
    model: str  # the backend's name
    valid: Bool | None = None  # (H, W); False: not measured, the value was filled in. None: all valid
    sky: Bool | None = None  # (H, W); True: at infinity (inverse depth 0). None: not looked for
    warnings: tuple[str, ...] = ()
    cut: Cuts | None = None  # links that a person cut, whatever the depth says. None: none
    joined: Cuts | None = None  # links that a person joined
    normals: UInt8 | None = None  # (H, W, 3), the network's own, towards the viewer, camera frame; 0..255 is -1..1

    def __post_init__(self) -> None:
        check(self.inverse_depth, "inverse_depth", np.float32, self.camera.height, self.camera.width)
        for name in ("valid", "sky"):
            if getattr(self, name) is not None:
                check(getattr(self, name), name, np.bool_, *self.inverse_depth.shape)
        if self.normals is not None:
            check(self.normals, "normals", np.uint8, *self.inverse_depth.shape, 3)
        for links in (self.cut, self.joined):
            if links is not None and (links.right.shape[0], links.down.shape[1]) != self.inverse_depth.shape:
                raise ValueError("cut and joined links must be those of the map's pixels")
        if not np.isfinite(self.inverse_depth).all() or float(self.inverse_depth.min()) < 0:
            raise ValueError("inverse depth must be finite and not negative")

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)"""
        return self.camera.height, self.camera.width

    @property
    def estimated(self) -> bool:
        """Whether its edges may lie beside the photo's: a depth file that was given is taken at its word."""
        return self.model != "file"

    @property
    def measured(self) -> bool:
        """Whether it was given in metres, by the user's file or the phone's: then it is as flat, and jumps where, it
        was measured."""
        return self.model in ("file", "embedded") and self.scale == "metric"


@dataclass(frozen=True)
class PointCloud:
    """One point a pixel, as a grid: `mask` says which are kept, the grid itself stays whole for the mesh."""

    z: Float32  # (H, W), > 0 and finite, scene units along the optical axis
    rgb: UInt8  # (H, W, 3)
    mask: Bool  # (H, W), False: stray, unmeasured or transparent: no point of the cloud
    camera: Camera
    opaque: Bool | None = None  # (H, W), False: transparent in the photo, so no part of the mesh. None: all opaque

    def __post_init__(self) -> None:
        shape = (self.camera.height, self.camera.width)
        check(self.z, "z", np.float32, *shape)
        check(self.rgb, "rgb", np.uint8, *shape, 3)
        check(self.mask, "mask", np.bool_, *shape)
        if self.opaque is not None:
            check(self.opaque, "opaque", np.bool_, *shape)
        if not np.isfinite(self.z).all() or float(self.z.min()) <= 0:
            raise ValueError("z must be finite and positive")

    @cached_property
    def positions(self) -> Float32:
        """(H, W, 3), camera frame, scene units."""
        camera = self.camera
        x = (np.arange(camera.width, dtype=np.float32) + 0.5 - camera.cx) / camera.fx
        y = (np.arange(camera.height, dtype=np.float32) + 0.5 - camera.cy) / camera.fy
        return np.stack([self.z * x.astype(np.float32), self.z * y.astype(np.float32)[:, None], self.z], axis=-1)

    @cached_property
    def inverse_depth(self) -> Float32:
        """(H, W), 1 / z"""
        return np.reciprocal(self.z)

    @cached_property
    def near(self) -> float:
        """The inverse depth that counts as near: the 98th percentile, so that a few specks don't set the scale."""
        seen = self.z if self.opaque is None or not self.opaque.any() else self.z[self.opaque]
        return float(1 / np.percentile(seen, 2))

    def __len__(self) -> int:
        return int(np.count_nonzero(self.mask))


@dataclass(frozen=True)
class Mesh:
    """Triangles in the camera frame.

    The front of a triangle (a, b, c) is the side that (b - a) x (c - a) points to: the viewer's. Turning to glTF's axes
    (y up, z backward) is a rotation, so the order of the corners stays.
    """

    vertices: Float32  # (N, 3), camera frame, scene units
    faces: Int32  # (M, 3), indices into vertices
    uv: Float32  # (N, 2), 0..1, v down
    normals: Float32  # (N, 3), unit, towards the viewer (z < 0 for a surface that faces the camera)
    name: str = "photo"
    alpha: Float32 | None = None  # (N,), 0..1, rim opacity; None: opaque
    imagined: bool = False  # not seen in the photo
    segment: int = 0  # id of the segment that it is a part of; 0: of none

    def __post_init__(self) -> None:
        check(self.vertices, "vertices", np.float32, None, 3)
        check(self.faces, "faces", np.int32, None, 3)
        check(self.uv, "uv", np.float32, len(self.vertices), 2)
        check(self.normals, "normals", np.float32, len(self.vertices), 3)
        if self.alpha is not None:
            check(self.alpha, "alpha", np.float32, len(self.vertices))
        if len(self.faces) and not 0 <= int(self.faces.min()) <= int(self.faces.max()) < len(self.vertices):
            raise ValueError("faces name vertices that are not there")

    def piece_name(self, thing: str) -> str:
        """What a piece like this is called where the whole thing is called `thing`."""
        return thing + (", rim" if self.alpha is not None else ", imagined" if self.imagined else "")


@dataclass(frozen=True)
class Layered:
    """Visible and imagined surfaces: what step 3 makes of the point grid."""

    atlas: UInt8  # (H, W, 3), the texture of all meshes
    meshes: tuple[Mesh, ...]
    imagined: float  # area that was imagined, as a share of the photo's

    def __post_init__(self) -> None:
        check(self.atlas, "atlas", np.uint8, None, None, 3)

    def named(self, segments: Segments) -> Layered:
        """The same layers, their meshes named after the segments that they are parts of."""
        items = {item.id: item.name for item in segments.items}
        meshes = (replace(m, name=m.piece_name(items[m.segment])) if m.segment in items else m for m in self.meshes)
        return replace(self, meshes=tuple(meshes))


@dataclass(frozen=True)
class ModelInfo:
    """What a person needs to choose a backend: a row of the tables of depth models, inpainters and segmenters."""

    name: str
    available: bool  # it can run now
    licence: str
    bytes: int  # size of its weights
    note: str


@dataclass(frozen=True)
class Rebuilt:
    """The enhanced scene at the tuned parameters."""

    points: PointCloud
    cuts: Cuts
    layered: Layered


@dataclass(frozen=True)
class Textured:
    """The improved texture, and what became of each suggestion for it."""

    atlas: UInt8  # (H, W, 3), laid out as `Layered.atlas`, at this or a larger size
    outcomes: tuple[Outcome, ...] = ()

    def __post_init__(self) -> None:
        check(self.atlas, "atlas", np.uint8, None, None, 3)


@dataclass(frozen=True)
class Final:
    """The fused scene: what step 4 makes."""

    layered: Layered
    outcomes: tuple[Outcome, ...] = ()  # of every suggestion, those of the texture and the parameters included


@dataclass(frozen=True)
class StageReport:
    """What one stage did, for `scene.report`, the page and the GLB's extras."""

    stage: str
    backend: str
    reason: str  # why this backend ran
    seconds: float
    settings: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    provider: str = ""  # what its networks ran on (CPU, CUDA, ...); empty: no network ran


@dataclass(frozen=True)
class Scene:
    """What Diorama makes: everything needed to look at it, save it and work on."""

    step: Step
    photo: Photo  # at texture size
    depth: DepthMap  # at processing size
    points: PointCloud
    cuts: Cuts
    meshes: tuple[Mesh, ...]
    settings: Settings
    report: tuple[StageReport, ...]
    segments: Segments | None = None  # from step "enhanced" on
    atlas: UInt8 | None = None  # (H, W, 3), texture of the layered meshes; None: the photo is the texture
    imagined: float = 0.0  # area that was imagined, as a share of the photo's
    corrections: tuple[Correction, ...] = ()  # by hand, of the depth map; it is the corrected one
    advice: SceneAdvice | None = None  # from step "enhanced" on, with what `settings.declined` declines
    plan: ReconstructionAdvice | None = None  # of step "final", as `tuning` and `outcomes`
    tuning: Tuning | None = None
    outcomes: tuple[Outcome, ...] = ()

    @property
    def texture(self) -> UInt8:
        """(H, W, 3), what the meshes' texture coordinates refer to."""
        return self.photo.rgb if self.atlas is None else self.atlas

    @property
    def camera(self) -> Camera:
        """The photo's own camera, at texture size."""
        return self.photo.camera

    @property
    def units(self) -> str:
        """``metric`` (the depth's own unit) or ``relative`` (the nearest point at about 1)."""
        return self.depth.scale

    def save(self, path: str | Path, **options: Any) -> tuple[str, ...]:
        """Write the scene to a file whose ending says the format: ``.glb``, ``.diorama``, ... (`export.FORMATS`).

        Args:
            options: the format's own, such as `max_mb=0.5` of ``.glb``.

        Returns:
            Sentences: what a person should know of the file.

        Raises:
            FormatError: the ending names no format, or one that this scene or installation can't give.
            SettingsError: an option is unknown or its value out of range.
            StorageError: the disk is full or refuses.
        """
        from diorama import export

        return export.save(self, path, **options)

    def _repr_html_(self) -> str:
        """The scene in 3D, as notebooks show it: a page of its own in a closed frame."""
        from diorama.export import share

        return share.notebook(self)

    @classmethod
    def load(cls, path: str | Path) -> Scene:
        """Read a ``.diorama`` file: what `save` wrote, every number and pixel of it.

        Raises:
            SceneFileError: it is missing, damaged, of a newer version or no ``.diorama`` file.
        """
        from diorama import bundle

        return bundle.read(Path(path))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Every stage's warnings, in order."""
        return tuple(warning for stage in self.report for warning in stage.warnings)
