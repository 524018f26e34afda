"""The files of a finished step: what the page shows and what the user downloads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diorama import atomic, bundle, export
from diorama.export import ply, preview

if TYPE_CHECKING:
    from diorama.stage_files import Pictures
    from diorama.types import Mesh, Scene, Step, UInt8

VERSION = 6
"""Raised when the files change though the stages didn't, so that older ones are not taken for them."""

TOGETHER = 2
"""Files written at a time: more would hold more memory at once than they save time."""

PAGE_PIXELS = 2048
"""Long side of the photo and the depth map in the page."""

THUMBNAIL_PIXELS = 480
THUMBNAIL_MOVE = 0.045
"""Sideways move of the thumbnail's camera, as a share of the distance to the middle of the scene: enough to see that
it is one, too little to see behind things."""

PREVIEW_POINTS = 250_000
"""Points that a phone turns smoothly."""

COMPARED_PIXELS = 1024
"""Long side of the pictures that compare a step with the one before it."""

COMPARED_MOVE = (0.6, -0.2)
"""Where their camera stands, as shares of the allowed travel to the right and down."""

CROP_PIXELS = 384
"""Side of the square that shows what was done to the texture."""

CROP_BLOCKS = 48
"""Places along its side between which it is looked for."""

BACKGROUND = (24, 25, 28)
"""Neutral and dark, sRGB: what isn't there is seen as such and doesn't glare."""

HIGHLIGHT = (204, 60, 150)
HIGHLIGHT_SHARE = 0.55
"""Colour over what was imagined: hardly any photo has it, and no kind of colour vision takes it for grey."""


@dataclass(frozen=True)
class Output:
    """One file of a step."""

    name: str
    label: str  # for a person
    media_type: str
    download: bool  # offered for download, not only shown
    write: Callable[[Scene, Path], None] | None = None  # from one scene; None: `both` does it
    before: bool = False  # shows the step before this one
    both: Callable[[Scene, Scene, Path], None] | None = None  # from the step before and this one
    surface: bool = True  # shows that of this step; else what is known before it is made is enough


def make(
    scene: Scene,
    folder: Path,
    progress: Callable[[float], None],
    before: Scene | None = None,
    pictures: Pictures | None = None,
    taken: Callable[[str, Path], bool] = lambda _name, _path: False,
) -> None:
    """Write every file of the scene's step into `folder`, which appears whole or not at all.

    Args:
        before: the scene of the step before; needed for every step but "original".
        pictures: of the scene, that its checkpoints have as files.
        taken: puts a file that is there already at its path; False where it isn't.

    Raises:
        InputError: the scene has no surface (the photo is transparent everywhere).
        StorageError: the disk is full or refuses.
    """
    temporary = atomic.sibling(folder)
    with atomic.refusals(folder):
        try:
            temporary.mkdir(parents=True)

            def write_one(output: Output) -> None:
                if not taken(output.name, temporary / output.name):
                    write(output, scene, temporary, before, pictures)

            _write_all(OUTPUTS[scene.step], write_one, progress)
            _put(temporary, folder, scene.step)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _write_all(outputs: tuple[Output, ...], write: Callable[[Output], None], progress: Callable[[float], None]) -> None:
    """Two at a time: compressing, encoding and drawing leave Python to others."""
    with ThreadPoolExecutor(TOGETHER) as pool:
        made = [pool.submit(write, output) for output in outputs]
        try:
            for number, one in enumerate(made):
                progress(number / len(made))
                one.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def write(
    output: Output,
    scene: Scene,
    folder: Path,
    before: Scene | None = None,
    pictures: Pictures | None = None,
) -> None:
    """Write one file into `folder`."""
    path = folder / output.name
    if output is _BUNDLE:
        bundle.write(scene, path, pictures)
        return
    if output.both is not None:
        assert before is not None
        output.both(before, scene, path)
        return
    shown = before if output.before else scene
    assert shown is not None
    assert output.write is not None
    output.write(shown, path)


def _put(temporary: Path, folder: Path, step: Step) -> None:
    """Rename `temporary` to `folder`, in the place of one from which files were taken away."""
    if folder.exists() and not is_made(folder, step):
        damaged = atomic.sibling(folder)
        folder.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    try:
        temporary.rename(folder)
    except OSError:
        if not is_made(folder, step):  # else another worker was faster: the same files
            raise


def is_made(folder: Path, step: Step) -> bool:
    """Whether all files of the step are there."""
    return all((folder / output.name).is_file() for output in OUTPUTS[step])


def listing(folder: Path, step: Step) -> list[dict[str, Any]]:
    """The files as the store keeps them; a name is ``<step>/<file>``."""
    return [
        {
            "name": f"{step}/{output.name}",
            "label": output.label,
            "bytes": (folder / output.name).stat().st_size,
            "media_type": output.media_type,
            "download": output.download,
        }
        for output in OUTPUTS[step]
    ]


def _exported(name: str) -> Output:
    """A download in one of `export`'s formats."""

    def write(scene: Scene, path: Path) -> None:
        export.save(scene, path)

    found = export.format_of(name)
    surface = name not in ("points.ply", "depth.png", "depth.npy")
    return Output(name, found.label, found.media_type, True, write, surface=surface)


def _low(scene: Scene, path: Path) -> None:
    """What the page shows while the whole scene comes: a tenth of its bytes."""
    from diorama.export import glb, slim

    plain = glb.encode(scene, glb.Layout(texture=b"-"))  # the small file gets a texture of its own
    with atomic.writing(path) as file:
        file.write(slim.low(plain, scene.texture))


def _points_preview(scene: Scene, path: Path) -> None:
    ply.write_points(scene.points, path, units=scene.units, max_points=PREVIEW_POINTS)


def _photo(scene: Scene, path: Path) -> None:
    preview.write_photo_view(scene.photo, path, PAGE_PIXELS)


def _depth_colours(scene: Scene, path: Path) -> None:
    preview.write_depth_preview(scene.depth, path, PAGE_PIXELS)


def thumbnail(scene: Scene, pixels: int) -> bytes:
    """The scene seen from a little aside, as a JPEG file with a long side of `pixels`."""
    import numpy as np

    from diorama.render import render

    middle = float(np.median(scene.points.z))
    # The camera moves right and up and turns back to the middle, so that the picture stays where it was.
    move = THUMBNAIL_MOVE * middle
    turn = float(np.degrees(np.arctan2(move, middle)))
    view = render(scene, translate=(move, -move / 2, 0.0), rotate=(-turn / 2, -turn, 0.0), size=_fitted(scene, pixels))
    return preview.jpeg(view.rgb, quality=85)


def _thumbnail(scene: Scene, path: Path) -> None:
    with atomic.writing(path) as file:
        file.write(thumbnail(scene, THUMBNAIL_PIXELS))


def _moved_view(scene: Scene, path: Path) -> None:
    """The scene from a camera that has moved by more than half of the allowed travel, looking the same way."""
    from diorama.cuts import near_inverse_depth
    from diorama.render import render

    camera = scene.points.camera
    travel = scene.settings.camera_travel / 100 * camera.diagonal / camera.fx / near_inverse_depth(scene.points)
    right, down = (share * float(travel) for share in COMPARED_MOVE)
    size = _fitted(scene, COMPARED_PIXELS)
    view = render(scene, translate=(right, down, 0.0), size=size, background=BACKGROUND)
    preview.write_jpeg(view.rgb, path, quality=90)


def _imagined_view(scene: Scene, path: Path) -> None:
    """The same view with all that was imagined in another colour."""
    _moved_view(_highlighted(scene), path)


def _highlighted(scene: Scene) -> Scene:
    """The scene with a second, coloured copy of its texture below the first, for the imagined meshes."""
    import cv2
    import numpy as np

    texture = scene.texture
    scale = min(1.0, 2 * COMPARED_PIXELS / max(texture.shape))  # as much as the view can show, and no more memory
    if scale < 1:
        size = max(1, round(texture.shape[1] * scale)), max(1, round(texture.shape[0] * scale))
        texture = np.asarray(cv2.resize(texture, size, interpolation=cv2.INTER_AREA), np.uint8)
    shades = np.arange(256)[:, None] * (1 - HIGHLIGHT_SHARE) + HIGHLIGHT_SHARE * np.array(HIGHLIGHT)
    both = np.concatenate([texture, cv2.LUT(texture, np.round(shades).astype(np.uint8)[None])])

    def placed(mesh: Mesh) -> Mesh:
        half = np.array([1, 0.5], np.float32)
        return replace(mesh, uv=mesh.uv * half + (np.array([0, 0.5], np.float32) if mesh.imagined else 0))

    return replace(scene, atlas=both, meshes=tuple(placed(mesh) for mesh in scene.meshes))


def _texture_before(before: Scene, scene: Scene, path: Path) -> None:
    """The place where the texture was changed most, as it was."""
    preview.write_jpeg(texture_crops(before.texture, scene.texture, _photo_in_texture(scene))[0], path, quality=95)


def _texture_after(before: Scene, scene: Scene, path: Path) -> None:
    preview.write_jpeg(texture_crops(before.texture, scene.texture, _photo_in_texture(scene))[1], path, quality=95)


def _photo_in_texture(scene: Scene) -> tuple[float, float, float, float]:
    """u0, v0, u1, v1 of the part of the texture that is the photo: the rest is seen in pieces, or not at all."""
    import numpy as np

    seen = [mesh.uv for mesh in scene.meshes if len(mesh.uv) and not mesh.imagined and mesh.alpha is None]
    if not seen:
        return 0.0, 0.0, 1.0, 1.0
    uv = np.concatenate(seen)
    (u0, v0), (u1, v1) = uv.min(axis=0), uv.max(axis=0)
    return float(u0), float(v0), float(u1), float(v1)


def texture_crops(
    before: UInt8, after: UInt8, box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
) -> tuple[UInt8, UInt8]:
    """The square of both textures in which they differ most, at the larger one's size.

    Args:
        box: u0, v0, u1, v1 of the part that is looked at.
    """
    import cv2
    import numpy as np

    height, width = after.shape[:2]
    if before.shape != after.shape:
        before = np.asarray(cv2.resize(before, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    left, right = int(box[0] * width), max(int(box[2] * width), int(box[0] * width) + 1)
    top, bottom = int(box[1] * height), max(int(box[3] * height), int(box[1] * height) + 1)
    before, after = before[top:bottom, left:right], after[top:bottom, left:right]
    height, width = after.shape[:2]
    side = min(CROP_PIXELS, height, width)
    # In blocks: the square is the same but for some texels, in a tenth of the time.
    step = max(1, side // CROP_BLOCKS)
    size = max(1, width // step), max(1, height // step)
    blocks = cv2.resize(cv2.absdiff(before, after), size, interpolation=cv2.INTER_AREA).astype(np.float32).sum(axis=2)
    wide = min(side // step, *size)
    total = cv2.boxFilter(blocks, -1, (wide, wide), normalize=False, anchor=(0, 0))
    places = total[: size[1] - wide + 1, : size[0] - wide + 1]
    y, x = np.array(divmod(int(places.argmax()), places.shape[1])) * step
    y, x = min(y, height - side), min(x, width - side)
    window = np.s_[y : y + side, x : x + side]
    return np.ascontiguousarray(before[window]), np.ascontiguousarray(after[window])


def _advice(scene: Scene, path: Path) -> None:
    parts = {"advice": scene.advice, "plan": scene.plan, "tuning": scene.tuning}
    values: dict[str, Any] = {name: part.model_dump(mode="json") for name, part in parts.items() if part is not None}
    _write_json({**values, "outcomes": [outcome.model_dump(mode="json") for outcome in scene.outcomes]}, path)


def _coco(scene: Scene, path: Path) -> None:
    from diorama.segment.coco import coco

    assert scene.segments is not None
    _write_json(coco(scene.segments, scene.photo), path)


def _outlines(scene: Scene, path: Path) -> None:
    from diorama.segment.polygons import outlines

    assert scene.segments is not None
    _write_json(outlines(scene.segments), path)


def _annotated(scene: Scene, path: Path) -> None:
    from diorama.segment.coco import annotated_picture

    assert scene.segments is not None
    preview.write_jpeg(annotated_picture(scene.photo, scene.segments), path, quality=92)


def _write_json(value: Any, path: Path) -> None:
    with atomic.writing(path) as file:
        file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _fitted(scene: Scene, longest: int) -> tuple[int, int]:
    """(width, height) of the photo with a long side of at most `longest`."""
    camera = scene.camera
    scale = min(1.0, longest / max(camera.width, camera.height))
    return max(1, round(camera.width * scale)), max(1, round(camera.height * scale))


_BUNDLE = _exported("scene.diorama")
_THUMBNAIL = Output("thumbnail.jpg", "Thumbnail", "image/jpeg", False, _thumbnail)
_LOW = Output("low.glb", "3D scene, small", "model/gltf-binary", False, _low)

OUTPUTS: dict[Step, tuple[Output, ...]] = {
    "original": (
        Output("photo.jpg", "Photo", "image/jpeg", False, _photo, surface=False),
        Output("depth.jpg", "Depth map, coloured", "image/jpeg", False, _depth_colours, surface=False),
        _THUMBNAIL,
        _LOW,
        Output(
            "points_preview.ply",
            "Point cloud, thinned",
            "application/octet-stream",
            False,
            _points_preview,
            surface=False,
        ),
        *map(_exported, ("scene.glb", "mesh.ply", "points.ply", "depth.png", "depth.npy")),
        _BUNDLE,
    ),
    "enhanced": (
        Output("before.jpg", "Original 3D, camera moved", "image/jpeg", False, _moved_view, before=True, surface=False),
        Output("after.jpg", "Enhanced 3D, camera moved", "image/jpeg", False, _moved_view),
        Output("imagined.jpg", "What was imagined", "image/jpeg", False, _imagined_view),
        Output("outlines.json", "Outlines of the segments", "application/json", False, _outlines, surface=False),
        _THUMBNAIL,
        _LOW,
        *map(_exported, ("scene.glb", "mesh.ply")),
        _BUNDLE,
        Output("segments.json", "Segments (COCO)", "application/json", True, _coco, surface=False),
        Output("annotated.jpg", "Photo with its segments", "image/jpeg", True, _annotated, surface=False),
    ),
    "final": (
        Output("before.jpg", "Enhanced 3D, camera moved", "image/jpeg", False, _moved_view, before=True),
        Output("after.jpg", "Final 3D, camera moved", "image/jpeg", False, _moved_view),
        Output("texture_before.jpg", "Texture, before", "image/jpeg", False, both=_texture_before),
        Output("texture_after.jpg", "Texture, after", "image/jpeg", False, both=_texture_after),
        _THUMBNAIL,
        _LOW,
        *map(_exported, ("scene.glb", "mesh.ply", "points.ply", "depth.png", "depth.npy")),
        _BUNDLE,
        Output("segments.json", "Segments (COCO)", "application/json", True, _coco),
        Output("annotated.jpg", "Photo with its segments", "image/jpeg", True, _annotated),
        Output("advice.json", "What was advised and done (JSON)", "application/json", True, _advice),
    ),
}
"""By step; `make` writes them in this order."""
