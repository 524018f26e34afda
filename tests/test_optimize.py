"""Parameters: known ones are found again, fixed ones stay, the photo's own view stays, the objective never rises."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama import optimize
from diorama.advice import Advised, ReconstructionAdvice, SceneAdvice, Tuning, suggestions
from diorama.cuts import clean, find_cuts
from diorama.final import rebuild
from diorama.optimize.moving import FARTHEST, moved_inverse
from diorama.optimize.outcomes import reaches
from diorama.points import unproject
from diorama.settings import Settings
from diorama.types import Camera, DepthMap, FocalSource, Layered, Mesh, Photo, PointCloud, Rebuilt, Scene
from rooms import View, degraded, view
from scenes import layered_scene, tiny_scene

NO_ADVICE = SceneAdvice(), ReconstructionAdvice()


def scene_of(
    true: View, source: FocalSource = "assumed", chosen: Settings | None = None, fov: float | None = None
) -> Scene:
    given = degraded(true, 3, noise=0.004)
    height, width = given.inverse.shape
    camera = replace(Camera.from_fov(fov or 55, width, height, "assumed"), source=source)
    photo, chosen = Photo(true.rgb, camera), chosen or Settings()
    depth = DepthMap(given.inverse, "relative", camera, "test", sky=given.sky)
    points = clean(unproject(depth, photo, chosen), chosen)
    return Scene("enhanced", photo, depth, points, find_cuts(points, chosen), (), chosen, ())


@pytest.fixture(scope="module")
def room() -> View:
    return view("room", "lines", 102, 320, 224)


def tuned(scene: Scene, advice: SceneAdvice = NO_ADVICE[0], plan: ReconstructionAdvice = NO_ADVICE[1]) -> Tuning:
    return optimize.optimize(scene, advice, plan, lambda _share: None)[0]


def test_measured_depth_is_cut_where_it_jumps_as_even_as_it_is_and_a_shorter_way_needs_no_new_layers() -> None:
    scene = layered_scene()
    measured = replace(scene, depth=replace(scene.depth, scale="metric", model="file"))
    assert {"cut_threshold", "smoothing"} <= optimize.locks(measured).keys()
    other = optimize.locks(replace(measured, depth=replace(measured.depth, model="other")))
    assert not {"cut_threshold", "smoothing"} & other.keys()

    def layers(*_: object) -> Rebuilt:
        raise AssertionError

    own = optimize.unchanged(scene)
    shorter = own.model_copy(update={"camera_travel": own.camera_travel / 2})
    made = rebuild(scene, shorter, layers)[0]
    assert made.layered.meshes == scene.meshes
    with pytest.raises(AssertionError):
        rebuild(scene, own.model_copy(update={"camera_travel": own.camera_travel * 2}), layers)


def test_a_much_stronger_depth_is_cut_anew() -> None:
    """What bridged jumps too small for a cut would be stretched across jumps that are none too small any more."""
    scene = layered_scene()
    asked: list[tuple[float, float]] = []

    def layers(points: PointCloud, settings: Settings) -> Rebuilt:
        asked.append((float(np.ptp(points.inverse_depth)), settings.cut_threshold))
        return Rebuilt(points, scene.cuts, Layered(scene.atlas, scene.meshes, scene.imagined))

    own = optimize.unchanged(scene)
    for gain in (0.7, 1.1):
        rebuild(scene, own.model_copy(update={"gain": gain}), layers)
    assert not asked
    reason = rebuild(scene, own.model_copy(update={"gain": 1.5}), layers)[2]
    assert asked == [(pytest.approx(1.5 * np.ptp(scene.points.inverse_depth)), scene.settings.cut_threshold)]
    assert "depth strength" in reason


@given(st.floats(1.01, 3), st.floats(0.001, 1))
def test_nothing_is_moved_farther_than_twice_the_farthest(gain: float, inverse: float) -> None:
    tuning = optimize.unchanged(tiny_scene(4, 4)).model_copy(update={"gain": gain, "offset": 1 - gain})  # near is 1
    one, other = moved_inverse(np.array([inverse, inverse * 1.001]), tuning)
    assert 0.5 / FARTHEST < one < other


def test_a_rooms_field_of_view_and_depth_are_found(room: View) -> None:
    scene = scene_of(room)
    found = tuned(scene)
    assert found.fov == pytest.approx(room.fov, rel=0.07)
    assert found.objective_after < found.objective_before - 5
    assert found.objective_after == pytest.approx(sum(after for _, after in found.terms.values()))
    # Inverse depth is the true one but for a scale.
    inverse = optimize.moved_points(scene.points, found).inverse_depth
    ratio = np.log(inverse * room.z)
    assert np.percentile(ratio, 90) - np.percentile(ratio, 10) < 0.12
    assert found.cut_threshold == scene.settings.cut_threshold
    assert "field of view" in found.reason.lower()
    assert tuned(scene) == found


def test_a_known_lens_stays(room: View) -> None:
    scene = scene_of(room, "exif", fov=room.fov)
    found = tuned(scene)
    assert found.fov == scene.points.camera.fov_x
    assert found.locked == ("fov: the photo's EXIF data give it",)
    assert found.objective_after <= found.objective_before
    for source in ("user", "model"):
        assert "fov" in optimize.locks(scene_of(room, source))
    assert "depth_range" in optimize.locks(tiny_scene(metric=True))


def test_what_the_user_set_stays(room: View) -> None:
    chosen = Settings(depth_range=3, cut_threshold=2, smoothing=0.1, camera_travel=5)
    plan = ReconstructionAdvice(
        **{
            name: Advised(value=value, reason="", source="openai")
            for name, value in (("depth_range", 20), ("cut_threshold", 20), ("smoothing", 1), ("camera_travel", 25))
        }
    )
    scene = scene_of(room, "user", chosen)
    found = tuned(scene, plan=plan)
    assert (found.gain, found.offset) == (1, 0)
    assert (found.cut_threshold, found.smoothing, found.camera_travel) == (2, 0.1, 5)
    assert len(found.locked) == 5
    said = optimize.outcomes(scene, SceneAdvice(), plan, found)
    assert [item.key for item in said] == [line.key for line in suggestions(plan)]
    assert not any(item.applied for item in said)
    assert all("you set it" in item.sentence for item in said)


@pytest.mark.parametrize(("fov", "strength"), [(5, 20), (150, 1.25)])
def test_extreme_advice_ends_no_worse_and_is_answered(room: View, fov: float, strength: float) -> None:
    scene = scene_of(room)
    advice = SceneAdvice(
        fov=Advised(value=fov, reason="", source="openai"),
        subject_distance=Advised(value=1000, reason="", source="openai"),
        roll=Advised(value=90, reason="", source="openai"),
    )
    plan = ReconstructionAdvice(
        depth_range=Advised(value=strength, reason="", source="openai"),
        smoothing=Advised(value=1, reason="", source="openai"),
    )
    found = tuned(scene, advice, plan)
    assert found.objective_after <= found.objective_before
    assert 5 <= found.fov <= 150
    assert max(reaches(scene, found)) < 150
    said = optimize.outcomes(scene, advice, plan, found)
    assert {item.key for item in said} == {line.key for line in (*suggestions(advice), *suggestions(plan))}
    assert all(item.sentence for item in said)
    assert np.isfinite(optimize.moved_points(scene.points, found).z).all()


def test_a_flat_depth_and_a_tiny_scene_stay_as_they_are() -> None:
    tiny = tiny_scene()
    assert optimize.moved_points(tiny.points, tuned(tiny)) is tiny.points
    scene = replace(tiny, points=replace(tiny.points, z=np.full_like(tiny.points.z, 2)))
    scene = replace(scene, points=replace(scene.points, camera=replace(scene.points.camera, source="assumed")))
    found = tuned(scene)
    assert (found.gain, found.offset, found.fov) == (1, 0, scene.points.camera.fov_x)
    assert "nearly the same" in found.reason
    few = replace(tiny, points=replace(tiny.points, camera=replace(tiny.points.camera, source="assumed")))
    assert "too small" in tuned(few).reason


def test_whatever_knows_the_lens_locks_it() -> None:
    for source in get_args(FocalSource):
        points = tiny_scene().points
        scene = replace(tiny_scene(), points=replace(points, camera=replace(points.camera, source=source)))
        assert ("fov" in optimize.locks(scene)) == (source not in ("assumed", "optimized")), source


@settings(max_examples=40, deadline=None)
@given(
    fov=st.floats(10, 140),
    gain=st.floats(0.05, 20),
    offset=st.floats(-3, 3),
    seed=st.integers(0, 9),
)
def test_every_point_stays_at_its_pixel_in_front_of_the_camera(
    fov: float, gain: float, offset: float, seed: int
) -> None:
    scene = layered_scene(seed=seed)
    change = Tuning(fov=fov, gain=gain, offset=offset, cut_threshold=3, smoothing=0, camera_travel=8)
    camera = scene.points.camera
    moved = optimize.moved_points(scene.points, change)
    assert (moved.z > 0).all()
    order = np.argsort(scene.points.z, axis=None, kind="stable")
    assert (np.diff(moved.z.ravel()[order]) >= -1e-6 * moved.z.max()).all()
    for mesh in scene.meshes:
        new = optimize.moved_mesh(mesh, camera, change)
        assert (new.vertices[:, 2] > 0).all()
        assert np.abs(_seen(new, moved.camera) - _seen(mesh, camera)).max() < 0.01
        assert np.allclose(np.linalg.norm(new.normals, axis=1), 1, atol=1e-3)


def _seen(mesh: Mesh, camera: Camera) -> np.ndarray:
    x, y, z = mesh.vertices.astype(np.float64).T
    return np.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy])


def test_no_change_is_no_change() -> None:
    scene = layered_scene()
    same_again = optimize.unchanged(scene)
    assert optimize.moved_points(scene.points, same_again) is scene.points
    assert optimize.moved_mesh(scene.meshes[0], scene.points.camera, same_again) is scene.meshes[0]
