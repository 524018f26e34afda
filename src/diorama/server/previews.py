"""Small scenes at once: what strokes of the correction brush make of a job's depth, without a worker."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from diorama.corrections import parse_all
from diorama.errors import JobError
from diorama.jobs.files import JobFolder
from diorama.jobs.store import Job
from diorama.settings import Settings

if TYPE_CHECKING:
    from diorama.depth.correct import Memory
    from diorama.types import DepthMap, Photo

PIXELS = 384
"""Long side of the previewed depth: twice the grid on which strokes are solved for."""

TRIANGLES = 30_000

KEPT = 4
"""Jobs whose depth is kept ready: about 10 MB each."""

REMEMBERED = 40
"""Strokes whose solution is kept for the next one, 0.6 MB each."""

_AGAIN = "Run step 'original' again: then it can be corrected."


@dataclass
class _Source:
    """A job's photo and the model's depth, small."""

    photo: Photo
    depth: DepthMap
    memory: Memory = field(default_factory=dict)
    shown: tuple[Any, DepthMap] | None = None  # the last strokes, and what they came to


class Previews:
    """The jobs that are being corrected. One preview is made at a time: each uses all that a core has."""

    def __init__(self) -> None:
        self._sources: OrderedDict[tuple[str, str], _Source] = OrderedDict()
        self._lock = threading.Lock()

    def scene(self, job: Job, folder: JobFolder) -> bytes:
        """The GLB of the job's scene with all its strokes.

        Raises:
            JobError: there is no depth map, or it isn't kept any more.
        """
        from diorama.cuts import by_hand, clean, find_cuts
        from diorama.export import glb
        from diorama.mesh import triangulate
        from diorama.points import unproject
        from diorama.types import Scene

        with self._lock:
            source = self._source(job, folder)
            depth = _corrected(source, job)
            settings = Settings.parse(job.results["original"]["settings"] if job.results else {})
            points = clean(unproject(depth, source.photo, settings), settings)
            cuts = by_hand(find_cuts(points, settings), depth)
            mesh, _ = triangulate(points, cuts, TRIANGLES)
            return glb.encode(Scene("original", source.photo, depth, points, cuts, (mesh,), settings, ()))

    def depth(self, job: Job, folder: JobFolder) -> bytes:
        """The JPEG of the depth map with all strokes, in colours.

        Raises:
            JobError: as `scene`.
        """
        from diorama.export.preview import colour_depth, jpeg

        with self._lock:
            source = self._source(job, folder)
            return jpeg(colour_depth(_corrected(source, job)))

    def _source(self, job: Job, folder: JobFolder) -> _Source:
        result = (job.results or {}).get("original")
        if result is None:
            raise JobError("There is no depth to be corrected.", hint="It is made in step 'original'.")
        key = job.id, str(result["keys"]["depth"])
        if key in self._sources:
            self._sources.move_to_end(key)
            return self._sources[key]
        made = _read(result, folder)
        self._sources[key] = made
        while len(self._sources) > KEPT:
            self._sources.popitem(last=False)
        return made


def _read(result: dict[str, Any], folder: JobFolder) -> _Source:
    """From the checkpoint of the depth stage, and the photo as the page shows it."""
    import cv2
    import numpy as np

    from diorama.checkpoints import Checkpoints
    from diorama.export.depthmap import resized
    from diorama.types import Photo

    folder.pull(folder.stages / f"depth-{result['keys']['depth']}")
    kept = Checkpoints(folder.stages).load("depth", result["keys"]["depth"])
    shown = folder.pulled(folder.outputs / result["folder"] / "photo.jpg")
    picture = cv2.imread(str(shown), cv2.IMREAD_COLOR)
    if kept is None or picture is None:
        raise JobError("The model's depth is not kept any more.", hint=_AGAIN)
    depth = kept[0]
    scale = min(1.0, PIXELS / max(depth.shape))
    size = max(2, round(depth.shape[1] * scale)), max(2, round(depth.shape[0] * scale))
    rgb = np.ascontiguousarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    photo = Photo(rgb, depth.camera.resized(rgb.shape[1], rgb.shape[0])).fitted(2 * PIXELS)
    return _Source(photo, resized(depth, size))


def _corrected(source: _Source, job: Job) -> DepthMap:
    from diorama.depth.correct import correct

    strokes = parse_all(job.corrections or [])
    if source.shown is None or source.shown[0] != strokes:
        source.shown = strokes, correct(source.depth, source.photo.rgb, strokes, source.memory)
        for old in list(source.memory)[:-REMEMBERED]:
            del source.memory[old]
    return source.shown[1]
