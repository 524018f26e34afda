"""The steps from a photo to a scene, stage by stage.

    bytes -> Photo -> DepthMap -> PointCloud -> Cuts, Mesh        step 2, "original"
                      (corrected)
                                  Segments -> Layered             step 3, "enhanced"   (SceneAdvice: names, merges)
                                              Final               step 4, "final"      (ReconstructionAdvice, Tuning)

Each stage is one function from the records before it to its own. With `Checkpoints` every finished stage is kept under
a key made of its own settings and of the stages before it: a run that was cut off goes on after the last finished
stage, and a run with changed settings makes anew only what they change.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from diorama import enhanced, final, identity, memory, networks, original
from diorama.advice import ReconstructionAdvice, SceneAdvice, keys_of, without
from diorama.ahead import Ahead
from diorama.corrections import parse_all
from diorama.errors import SettingsError
from diorama.settings import STAGE_NAMES, Settings, StageName
from diorama.types import (
    Correction,
    Photo,
    PointCloud,
    Progress,
    Rebuilt,
    Scene,
    SegmentEdit,
    StageReport,
    Step,
)

if TYPE_CHECKING:
    from diorama.identity import Source

Edits = Sequence[SegmentEdit] | Mapping[str, Sequence[SegmentEdit]]

T = TypeVar("T")

STEPS: tuple[Step, ...] = ("original", "enhanced", "final")
"""The steps that can be made, in order."""

STAGE_VERSIONS: dict[StageName, int] = dict.fromkeys((*STAGE_NAMES, "corrections"), 1) | {
    "photo": 6, "depth": 10, "mesh": 5, "segments": 5, "advice": 2, "layers": 17, "plan": 4, "tune": 5,
    "rebuild": 6, "texture": 4, "synthesis": 6,
}  # fmt: skip
"""Raised when a stage's code changes its result, so that older checkpoints are not taken for it."""

STAGE_MESSAGES: dict[StageName, str] = {
    "photo": "Reading the photo",
    "depth": "Estimating depth",
    "corrections": "Correcting the depth",
    "points": "Placing the points in space",
    "mesh": "Building the mesh",
    "segments": "Finding the things in the photo",
    "advice": "Asking the advisor about the scene",
    "layers": "Imagining what is hidden",
    "plan": "Asking the advisor about the reconstruction",
    "tune": "Choosing the reconstruction's parameters",
    "rebuild": "Rebuilding with them",
    "texture": "Improving the texture",
    "synthesis": "Fusing everything",
}


class CheckpointStore(Protocol):
    """Where finished stages are kept (`checkpoints.Checkpoints` is one)."""

    def load(self, stage: str, key: str) -> tuple[Any, StageReport] | None: ...

    def save(self, stage: str, key: str, record: object, report: StageReport) -> None: ...

    def forget(self, stage: str, key: str) -> None: ...


class _Run:
    """One run through the stages: keys, checkpoints, progress and the report.

    A finished stage is saved while the next one is made; the end of the run waits for what is still being saved.
    """

    def __init__(self, settings: Settings, progress: Progress | None, checkpoints: CheckpointStore | None) -> None:
        self.settings = settings
        self.progress: Progress = progress or (lambda _stage, _share, _message: None)
        self.checkpoints = checkpoints
        self.key = ""
        self.fresh = False  # the last stage was made, not loaded
        self.report: list[StageReport] = []
        self.stage_name = ""  # of the stage that is being made
        self._saver = ThreadPoolExecutor(1)
        self._beside = ThreadPoolExecutor(1)
        self._saving: list[Future[None]] = []

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *error: object) -> None:
        self._beside.shutdown()
        self._saver.shutdown()
        if error[0] is None:
            self._save()

    def _save(self, *what: Any) -> None:
        """Begin to save a stage; say what went wrong with those before it."""
        for one in [saving for saving in self._saving if saving.done()]:
            self._saving.remove(one)
            one.result()
        if what and self.checkpoints:
            self._saving.append(self._saver.submit(self.checkpoints.save, *what))

    def stage(
        self,
        name: StageName,
        salt: str,
        make: Callable[[], tuple[T, str, str, tuple[str, ...]]],
        given: Mapping[str, Any] | None = None,
        stale: Callable[[T], bool] = lambda _: False,
    ) -> T:
        """Load the stage's checkpoint, or make its record: `make` returns it with backend, reason and warnings.

        Args:
            given: what the report lists beside the stage's settings.
            stale: whether a kept record is to be made again after all.
        """
        self.key = _key(self.key, name, salt, self.settings)
        self.stage_name = name
        self.progress(name, 0.0, STAGE_MESSAGES[name])
        kept = self.checkpoints.load(name, self.key) if self.checkpoints else None
        if self.checkpoints and kept is not None and stale(kept[0]):
            self.checkpoints.forget(name, self.key)
            kept = None
        self.fresh = kept is None
        if kept is not None:
            record, report = cast("tuple[T, StageReport]", kept)
        else:
            memory.ease()
            start = time.perf_counter()
            with networks.observed() as seen:
                record, backend, reason, warnings = make()
            seconds = round(time.perf_counter() - start, 4)
            said = warnings + tuple(warning for warning in seen.warnings if warning not in warnings)
            ran_on = ", ".join(seen.providers)
            listed = {**self.settings.of_stage(name), **(given or {})}
            report = StageReport(name, backend, reason, seconds, listed, said, ran_on)
            self._save(name, self.key, record, report)
        self.report.append(report)
        self.progress(name, 1.0, STAGE_MESSAGES[name])
        return record

    def ahead(self, name: StageName, make: Callable[[Progress], T]) -> Ahead[T]:
        """Work of a stage that may begin while earlier ones are made; it tells its progress when they are."""

        def progress(stage: str, share: float, message: str) -> None:
            if self.stage_name == name:
                self.progress(stage, share, message)

        return Ahead(lambda: make(progress), self._beside)


def make(
    source: Source,
    settings: Settings | None = None,
    *,
    until: Step | None = None,
    fetch: bool = True,
    progress: Progress | None = None,
    checkpoints: CheckpointStore | None = None,
    edits: Edits = (),
    corrections: Iterable[Correction | Mapping[str, Any]] = (),
    read: Callable[[Source, Settings], Photo] | None = None,
    placed: Callable[[Scene], None] | None = None,
    made: Callable[[Scene], None] | None = None,
) -> Scene:
    """Turn a photo into a scene.

    Args:
        source: a path, the file's bytes, a PIL image, an array (H, W[, 3|4]; uint8, uint16, float 0..1) or a Photo.
        settings: what to tune; the defaults where None.
        until: the last step to make; the last one there is where None.
        fetch: whether missing weights of a better depth model may be downloaded (never when offline).
        progress: called as stages go on.
        checkpoints: where finished stages are kept and looked for; `save` is called from another thread.
        edits: changes to the segments, carried out in order; or such lists by the key of the segmentation they are for.
        corrections: strokes that correct the depth, in order; as records or as in a corrections file.
        read: what makes a Photo of `source`; `photo.read`, in this process, where None.
        placed: called with the scene as it is before it has the surface of the last step, where that isn't kept: for
            "original" once photo, depth and points are made, for "enhanced" once the segments are known.
        made: called with the scene while its last stage, unless that was kept, is still being saved.

    Raises:
        InputError: the photo, a depth file, a setting or a correction can't be used.
        ModelError: the depth model that was asked for can't run.
        StorageError: a checkpoint can't be written.
    """
    settings = settings or Settings()
    if until is not None and until not in STEPS:
        raise SettingsError(
            f"Step '{until}' can't be made by this version.", hint=f"The steps are: {', '.join(STEPS)}."
        )
    with _Run(settings, progress, checkpoints) as run:
        scene = _make(run, source, read or _read, until or STEPS[-1], fetch, edits, parse_all(corrections), placed)
        if made is not None and run.fresh:
            made(scene)
        return scene


def _make(
    run: _Run,
    source: Source,
    read: Callable[[Source, Settings], Photo],
    until: Step,
    fetch: bool,
    edits: Edits,
    strokes: tuple[Correction, ...],
    placed: Callable[[Scene], None] | None,
) -> Scene:
    settings = run.settings
    # The full-size photo is needed by the depth stage alone, and only when no checkpoint has its result.
    full = _Once(lambda: read(source, settings))
    photo = run.stage("photo", identity.of(source), lambda: original.photo(full(), settings))
    depth = run.stage("depth", _depth_identity(settings), lambda: original.depth(full(), settings, fetch, run.progress))
    if depth.camera.source != photo.camera.source:  # the network knows more about it than the photo
        photo = replace(photo, camera=depth.camera.resized(photo.width, photo.height))
    if strokes:
        listed = {"corrections": [stroke.to_json() for stroke in strokes]}
        depth = run.stage("corrections", json.dumps(listed), lambda: original.corrected(depth, photo, strokes), listed)
    points = run.stage("points", "", lambda: original.points(depth, photo, settings))
    if placed is not None and until == "original" and run.fresh:
        placed(Scene("original", photo, depth, points, original.uncut(points), (), settings, (), corrections=strokes))
    cuts, meshes = run.stage("mesh", "", lambda: original.mesh(points, depth, settings))
    if until == "original":
        report = tuple(run.report)
        return Scene("original", photo, depth, points, cuts, meshes, settings, report, corrections=strokes)
    points, cuts = enhanced.silhouettes(points, cuts, depth, settings)
    told = ""
    hidden = run.ahead(
        "layers",
        lambda progress: enhanced.hidden(points, cuts, photo, depth, settings, fetch, progress, "layers", told),
    )

    def meanwhile(make: Callable[[], T]) -> Callable[[], T]:
        """Where segments or advice are made anew, so are layers; they can be begun unless they need to know more."""

        def made() -> T:
            if not enhanced.takes_words(settings):
                hidden.begin()
            return make()

        return made

    segments = run.stage(
        "segments",
        "",
        meanwhile(lambda: enhanced.segments(points, cuts, photo, depth, settings, fetch, run.progress)),
    )
    advice = run.stage(
        "advice",
        enhanced.advisor_identity(settings),
        meanwhile(lambda: enhanced.advice(photo, depth, points, segments, settings)),
        stale=_asks_again(settings, until == "enhanced"),
    )
    followed = without(advice, keys_of(settings.declined))
    advised, unfit = enhanced.advised(segments, followed, points)
    chosen = tuple(edits.get(run.key, ()) if isinstance(edits, Mapping) else edits)
    segments, said = enhanced.edited(advised, chosen, points)
    told = followed.behind(segments)
    if placed is not None and until == "enhanced" and hidden.is_begun:
        known = photo, depth, points, cuts, (), settings, (), segments
        placed(Scene("enhanced", *known, corrections=strokes, advice=advice))
    layered = run.stage(
        "layers",
        enhanced.layers_identity(chosen, said, settings) + _digest(followed),
        lambda: hidden().layers(segments, unfit + said),
    )
    layered = layered.named(segments)  # kept ones may have been made under other names
    scene = Scene(
        "enhanced",
        photo,
        depth,
        points,
        cuts,
        layered.meshes,
        settings,
        tuple(run.report),
        segments,
        layered.atlas,
        layered.imagined,
        strokes,
        advice,
    )
    return scene if until == "enhanced" else _final(run, scene, followed, fetch)


def _final(run: _Run, scene: Scene, advice: SceneAdvice, fetch: bool) -> Scene:
    """Step 4: the enhanced scene with everything that is advised done to it."""
    settings = run.settings

    def layers(points: PointCloud, changed: Settings) -> Rebuilt:
        from diorama.cuts import by_hand, clean, find_cuts

        assert scene.segments is not None
        points = clean(points, changed)
        cuts = by_hand(find_cuts(points, changed), scene.depth)
        told = advice.behind(scene.segments)
        made = enhanced.hidden(points, cuts, scene.photo, scene.depth, changed, fetch, run.progress, "rebuild", told)
        return Rebuilt(points, cuts, made.imagined.split(scene.segments))

    plan = run.stage(
        "plan",
        enhanced.advisor_identity(settings) + _digest(advice),
        lambda: final.plan(scene, advice),
        stale=_asks_again(settings, True),
    )
    declined = keys_of(settings.declined_plan)
    # Some of what is said of the scene, such as its field of view, takes effect here.
    followed, advice = without(plan, declined), without(advice, declined)
    tuning = run.stage("tune", "", lambda: final.tune(scene, advice, followed, run.progress))
    rebuilt = run.stage("rebuild", "", lambda: final.rebuild(scene, tuning, layers))
    assert scene.segments is not None
    rebuilt = replace(rebuilt, layered=rebuilt.layered.named(scene.segments))
    names = json.dumps([item.name for item in scene.segments.items])  # they are in what is said of the scene
    textured = run.stage("texture", "", lambda: final.texture(scene, rebuilt, followed, fetch, run.progress))
    made = run.stage("synthesis", names, lambda: final.synthesis(scene, rebuilt, textured, advice, followed, tuning))
    return replace(
        scene,
        step="final",
        photo=replace(scene.photo, camera=scene.photo.camera.with_fov(tuning.fov)),
        depth=replace(scene.depth, camera=rebuilt.points.camera),
        points=rebuilt.points,
        cuts=rebuilt.cuts,
        meshes=made.layered.meshes,
        atlas=made.layered.atlas,
        imagined=made.layered.imagined,
        report=tuple(run.report),
        plan=plan,
        tuning=tuning,
        outcomes=made.outcomes,
    )


def _read(source: Source, settings: Settings) -> Photo:
    if isinstance(source, Photo):
        return source
    from diorama import photo

    return photo.read(source, settings)


def _depth_identity(settings: Settings) -> str:
    """Which depth this is, where the settings alone don't say."""
    from diorama import depth

    return depth.identity(settings)


def _asks_again(settings: Settings, asked: bool) -> Callable[[SceneAdvice | ReconstructionAdvice], bool]:
    """Whether an advisor that could not be asked is asked again: whenever the step that it is asked for is run."""
    return lambda kept: asked and kept.adviser != settings.advisor


def _digest(advice: SceneAdvice) -> str:
    """What tells this advice from another one to the same question."""
    return hashlib.sha256(advice.model_dump_json().encode()).hexdigest()[:16]


def _key(previous: str, stage: StageName, salt: str, settings: Settings) -> str:
    parts = [previous, stage, STAGE_VERSIONS[stage], salt, settings.of_stage(stage)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


class _Once:
    """Calls `make` at the first call and keeps its result."""

    def __init__(self, make: Callable[[], Photo]) -> None:
        self._make = make
        self._photo: Photo | None = None

    def __call__(self) -> Photo:
        if self._photo is None:
            self._photo = self._make()
        return self._photo


assert set(STAGE_MESSAGES) == set(STAGE_VERSIONS) == {*STAGE_NAMES, "corrections"}
