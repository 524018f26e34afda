"""Small scenes made by hand: a box in front of a wall, with the sky above; and the same with what the box hides."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from diorama.advice import (
    Advised,
    FusionAdvice,
    Outcome,
    ReconstructionAdvice,
    SceneAdvice,
    SegmentAdvice,
    TextureAdvice,
    Tuning,
)
from diorama.settings import STEP_STAGES, Settings
from diorama.types import (
    Camera,
    Cuts,
    DepthMap,
    Mesh,
    Photo,
    PointCloud,
    Scene,
    Segment,
    SegmentKind,
    Segments,
    StageReport,
)


def tiny_scene(
    width: int = 24,
    height: int = 16,
    *,
    texture: int = 1,
    seed: int = 0,
    alpha: bool = False,
    soft: bool = False,
    metric: bool = False,
) -> Scene:
    """A whole scene: two meshes (wall, box), every pixel two triangles, cut all round the box.

    Args:
        width, height: of depth, points and cuts.
        texture: the photo is this many times larger.
        alpha: the photo has an alpha channel: its left column is transparent, and masked in the points.
        soft: the box's mesh has rim opacity.
        metric: the depth is metric.
    """
    rng = np.random.default_rng(seed)
    photo = tiny_photo(width * texture, height * texture, alpha=alpha, seed=seed)
    camera = photo.camera.resized(width, height)
    box = _box(width, height)
    sky = np.zeros_like(box)
    sky[: height // 4] = True
    noise = rng.uniform(0, 0.02, box.shape)
    inverse = np.where(sky, 0, np.where(box, 0.9, 0.3) + noise).astype(np.float32)
    z = (1 / np.maximum(inverse, 0.25)).astype(np.float32)
    mask = np.ones_like(box)
    if alpha:
        mask[:, 0] = False
    depth = DepthMap(inverse, "metric" if metric else "relative", camera, "tiny", None, sky, ("made by hand",))
    rgb = np.ascontiguousarray(photo.rgb[::texture, ::texture])
    points = PointCloud(z, rgb, mask, camera, mask.copy() if alpha else None)
    cuts = Cuts(box[:, 1:] != box[:, :-1], box[1:] != box[:-1])
    meshes = (pixel_mesh(points, mask & ~box, "wall"), pixel_mesh(points, mask & box, "box", soft=soft))
    report = tuple(
        StageReport(stage, "tiny", "made by hand", 0.25, {"size": width, "name": None}, warnings)
        for stage, warnings in (("photo", ()), ("depth", ("made by hand",)), ("points", ()), ("mesh", ()))
    )
    return Scene("original", photo, depth, points, cuts, meshes, Settings(triangles=5000), report)


def layered_scene(width: int = 24, height: int = 16, *, texture: int = 1, seed: int = 0) -> Scene:
    """`tiny_scene` as the enhanced step leaves one: segments, an atlas, what is imagined behind the box, its rim.

    The atlas has the photo on the left and what is imagined, blue, on the right. As in real scenes several meshes may
    have one name.
    """
    scene = tiny_scene(width, height, texture=texture, seed=seed)
    wall, box = scene.meshes
    blue = np.full_like(scene.photo.rgb, (0, 0, 250))
    atlas = np.concatenate([scene.photo.rgb, blue], axis=1)

    def panel(mesh: Mesh, number: int) -> Mesh:
        uv = np.stack([(mesh.uv[:, 0] + number) / 2, mesh.uv[:, 1]], axis=1).astype(np.float32)
        return dataclasses.replace(mesh, uv=uv)

    behind = pixel_mesh(dataclasses.replace(scene.points, z=np.full_like(scene.points.z, 4)), _box(width, height), "")
    half = len(behind.faces) // 2
    rim = dataclasses.replace(panel(box, 0), name="Box, rim", alpha=np.linspace(0, 1, len(box.uv), dtype=np.float32))
    meshes = (
        dataclasses.replace(panel(wall, 0), name="Wall"),
        dataclasses.replace(panel(box, 0), name="Box"),
        *(
            dataclasses.replace(panel(behind, 1), name="Wall, imagined", imagined=True, faces=faces.copy())
            for faces in (behind.faces[:half], behind.faces[half:])
        ),
        rim,
        dataclasses.replace(panel(behind, 1), name="Backdrop", imagined=True),
    )
    labels = np.where(_box(width, height), 2, 1).astype(np.int32)
    segments = Segments(labels, (_segment(labels, 1, "Wall", "wall"), _segment(labels, 2, "Box", "object")))
    report = tuple(StageReport(stage, "tiny", "made by hand", 0.5) for stage in ("segments", "layers"))
    return dataclasses.replace(
        scene,
        step="enhanced",
        meshes=meshes,
        report=scene.report + report,
        segments=segments,
        atlas=atlas,
        imagined=float(_box(width, height).mean()),
    )


def final_scene(width: int = 24, height: int = 16, *, texture: int = 1, lit: bool = False) -> Scene:
    """`layered_scene` as the final step leaves one: advice, its outcomes, parameters, and a back on the box."""
    scene = layered_scene(width, height, texture=texture)
    said: dict[str, Any] = {"reason": "It looks so.", "source": "openai", "confidence": 0.5}
    advice = SceneAdvice(
        adviser="openai",
        caption=Advised[str](value="A box", **said),
        segments=(
            SegmentAdvice(
                id=2,
                name=Advised[str](value="Box", **said),
                material=Advised[str](value="brass", **said),
                roughness=Advised[float](value=0.25, **said),
                metallic=Advised[float](value=1, **said),
            ),
        ),
        dropped=("An answer that was too long.",),
    )
    plan = ReconstructionAdvice(
        adviser="openai",
        depth_range=Advised[float](value=3.5, **said),
        texture=(TextureAdvice(action="denoise", amount=0.5, **said),),
        fusion=(FusionAdvice(action="close-back", segments=(2,), amount=0.5, **said),),
    )
    meshes = tuple(
        dataclasses.replace(mesh, segment=2 if mesh.name.startswith("Box") else 1 if "Wall" in mesh.name else 0)
        for mesh in scene.meshes
    )
    back = dataclasses.replace(meshes[1], name="Box, back", imagined=True)
    report = tuple(StageReport(stage, "tiny", "made by hand", 0.5) for stage in STEP_STAGES["final"])
    return dataclasses.replace(
        scene,
        step="final",
        meshes=(*meshes, back),
        settings=scene.settings.changed(lit=lit),
        report=scene.report + report,
        advice=advice,
        plan=plan,
        tuning=Tuning(fov=50, cut_threshold=3, smoothing=0, camera_travel=8, terms={"prior": (1.5, 0.5)}),
        outcomes=(Outcome(key="texture.denoise", applied=True, sentence="Less noise.", before="6", after="2"),),
    )


def _box(width: int, height: int) -> np.ndarray:
    box = np.zeros((height, width), bool)
    box[height // 3 : height * 3 // 4, width // 3 : width * 2 // 3] = True
    return box


def _segment(labels: np.ndarray, id: int, name: str, kind: SegmentKind) -> Segment:
    rows, columns = np.nonzero(labels == id)
    box = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
    return Segment(id, name, kind, box, len(rows), 1.0 / id, 4.0 / id, (3 - id,), (1,) if id == 2 else ())


def tiny_photo(width: int, height: int, *, alpha: bool = False, seed: int = 0) -> Photo:
    """Smooth colours, redder to the right, greener downwards, with a little noise."""
    rng = np.random.default_rng(seed)
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[..., 0] = np.linspace(20, 220, width)
    rgb[..., 1] = np.linspace(20, 220, height)[:, None]
    rgb[..., 2] = rng.integers(90, 110, (height, width))
    opacity = None
    if alpha:
        opacity = np.full((height, width), 255, np.uint8)
        opacity[:, : max(1, width // 24)] = 0
    camera = Camera(width * 1.1, width * 1.1, width / 2, height / 2, width, height, "exif")
    return Photo(rgb, camera, opacity, "tiny", "0" * 64, ("a warning",))


def pixel_mesh(points: PointCloud, keep: np.ndarray, name: str, *, soft: bool = False) -> Mesh:
    """Each kept pixel a square of its own, facing the camera at the pixel's z."""
    rows, columns = np.nonzero(keep)
    z = points.z[rows, columns]
    camera = points.camera
    corners = np.stack([columns, rows], axis=-1)[:, None] + np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    rays = (corners - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    vertices = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1) * z[:, None, None]
    first = np.arange(len(z))[:, None, None] * 4
    # The front is the side that (b - a) x (c - a) points to: towards -z.
    faces = (first + np.array([[0, 3, 1], [1, 3, 2]])).reshape(-1, 3)
    count = 4 * len(z)
    return Mesh(
        vertices.reshape(-1, 3).astype(np.float32),
        faces.astype(np.int32),
        (corners / (camera.width, camera.height)).reshape(-1, 2).astype(np.float32),
        np.tile(np.array([0, 0, -1], np.float32), (count, 1)),
        name,
        np.linspace(0, 1, count, dtype=np.float32) if soft else None,
    )


def same(one: object, other: object) -> bool:
    """Whether two records are equal to the last bit, arrays and types included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    return one == other
