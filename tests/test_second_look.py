"""A second look at the depth: surfaces move towards it along their rays; order, edges, the sky and the view stay."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from diorama import final, optimize
from diorama.advice import Advised, ReconstructionAdvice, SceneAdvice, keys_of, without
from diorama.advisor import parameters
from diorama.corrections import Correction
from diorama.cuts import find_cuts
from diorama.depth.bundled import predict
from diorama.depth.second_look import SIDES, look_again
from diorama.errors import ModelError
from diorama.settings import Settings
from diorama.synthesis.follow import Change, followed, followed_points
from diorama.types import Float32, Layered, Rebuilt, Scene
from grids import cloud, plane
from scenes import layered_scene

HEIGHT, WIDTH = 120, 180


def room(bend: float = 0.0) -> tuple[Float32, np.ndarray]:
    """A turned wall, bent by so much, a flat box in front of it, and where the box is."""
    inverse = plane(HEIGHT, WIDTH, 0.3, 0, 0.4) + bend * np.sin(np.pi * np.arange(WIDTH) / WIDTH)
    box = np.zeros((HEIGHT, WIDTH), bool)
    box[40:100, 60:110] = True
    inverse[box] = 0.8
    return np.asarray(inverse, np.float32), box


def off(found: Float32, truth: Float32) -> float:
    """Mean difference once scale and shift, which nobody sees, are the same."""
    line = np.polynomial.Polynomial.fit(found.ravel(), truth.ravel(), 1)
    return float(np.abs(line(found) - truth).mean())


def scene_of(model: str = "bundled") -> Scene:
    scene = layered_scene(48, 32)
    return replace(scene, depth=replace(scene.depth, model=model, scale="relative"))


def advised(value: float = 0.5) -> ReconstructionAdvice:
    return ReconstructionAdvice(second_look=Advised[float](value=value, reason="", source="openai"))


def test_each_surface_moves_by_its_own_amount_and_ends_where_it_did() -> None:
    before, box = room()
    after, _ = room(0.08)
    seen = cv2.GaussianBlur(after, (0, 0), 1.2) * 7 - 2  # soft, and of another scale and shift
    points = cloud(before)
    cuts = find_cuts(points, Settings())
    found = followed_points(points, cuts, seen, 1, None)
    assert off(found.inverse_depth, after) < 0.65 * off(before, after)
    assert find_cuts(found, Settings()).right[45:95, [59, 109]].all()
    # What goes on behind the box has the wall's depth, and moves rather with the wall than with the box.
    moved = found.inverse_depth - before
    pixel = np.stack([np.full(20, 85.0), np.linspace(50, 90, 20)], axis=1)
    hidden = float((Change(points, cuts, seen).at(np.full(20, before[20, 85]), pixel) - before[20, 85]).mean())
    wall, front = float(moved[20:36, 80:90].mean()), float(moved[box].mean())
    assert abs(hidden - wall) < abs(hidden - front)
    half = followed_points(points, cuts, seen, 0.5, None).inverse_depth
    assert np.abs(half - before - moved / 2).max() < 1e-5


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.floats(0, 1), st.sampled_from([(5, 9), (32, 48), (70, 40)]))
def test_whatever_is_seen_order_sky_and_view_stay(seed: int, share: float, size: tuple[int, int]) -> None:
    scene = layered_scene(48, 32, seed=seed)
    answer = np.random.default_rng(seed).normal(0, 3, size).astype(np.float32)
    layered = Layered(scene.atlas, scene.meshes, scene.imagined)
    sky = scene.depth.sky
    assert sky is not None
    points, found = followed(scene.points, scene.cuts, layered, answer, share, sky)
    assert np.isfinite(points.z).all()
    assert (points.z > 0).all()
    assert np.array_equal(points.z[sky], scene.points.z[sky])
    assert points.z[~sky].max() <= scene.points.z[~sky].max() * 1.0001
    camera = scene.points.camera
    for old, new in zip(layered.meshes, found.meshes, strict=True):
        pixels = [
            mesh.vertices[:, :2] / mesh.vertices[:, 2:] * (camera.fx, camera.fy) + (camera.cx, camera.cy)
            for mesh in (old, new)
        ]
        assert np.abs(pixels[0] - pixels[1]).max() < 1e-3
        assert np.array_equal(old.faces, new.faces)
    box, behind = found.meshes[1], found.meshes[2]
    assert behind.vertices[:, 2].min() > box.vertices[:, 2].min()


def test_nothing_moves_where_nothing_is_seen() -> None:
    scene = layered_scene(48, 32)
    layered = Layered(scene.atlas, scene.meshes, scene.imagined)
    flat = np.full((32, 48), 0.3, np.float32)
    assert followed(scene.points, scene.cuts, layered, flat, 1) == (scene.points, layered)
    assert followed(scene.points, scene.cuts, layered, scene.points.inverse_depth, 0) == (scene.points, layered)
    assert np.array_equal(followed_points(scene.points, scene.cuts, flat, 1, None).z, scene.points.z)


def test_what_was_seen_already_changes_next_to_nothing() -> None:
    before, _ = room(0.1)
    points = cloud(before)
    found = followed_points(points, find_cuts(points, Settings()), before, 1, None).inverse_depth
    assert np.abs(found - before).max() < 0.01


def test_the_network_sees_much_the_same_again() -> None:
    rgb = np.ascontiguousarray(data.astronaut()[::2, ::2])
    found = look_again(rgb)
    assert found.shape == (SIDES[-1], SIDES[-1])
    assert np.isfinite(found).all()
    first = cv2.resize(predict(rgb), found.shape[::-1])
    assert 0.8 < np.corrcoef(found.ravel(), first.ravel())[0, 1] < 0.9999
    mirrored = look_again(np.ascontiguousarray(rgb[:, ::-1]))[:, ::-1]
    assert np.abs(found - mirrored).mean() < 0.02 * np.ptp(found)


def test_it_is_advised_for_the_bundled_depth_of_photos_in_colour() -> None:
    scene = scene_of()
    assert parameters.second_look(scene) is not None
    assert parameters.second_look(scene_of("midas-v21-small")) is None
    stroke = Correction("flat", ((0.2, 0.2), (0.6, 0.6)), 0.1)
    assert parameters.second_look(replace(scene, corrections=(stroke,))) is None
    grey = np.repeat(scene.points.rgb[..., :1], 3, axis=2)
    assert parameters.second_look(replace(scene, points=replace(scene.points, rgb=grey))) is None


def test_it_is_taken_declined_and_locked_as_other_advice() -> None:
    scene, plan = scene_of(), advised()

    def tuned(scene: Scene, plan: ReconstructionAdvice) -> tuple[float, tuple[bool, ...]]:
        found = optimize.optimize(scene, SceneAdvice(), plan, lambda _share: None)[0]
        said = optimize.outcomes(scene, SceneAdvice(), plan, found)
        return found.second_look, tuple(outcome.applied for outcome in said)

    assert tuned(scene, plan) == (0.5, (True,))
    assert tuned(scene, without(plan, keys_of("second-look"))) == (0, ())
    assert tuned(scene_of("midas-v21-small"), plan) == (0, (False,))
    chosen = replace(scene, settings=scene.settings.changed(second_look=0.2))
    assert tuned(chosen, plan) == (0.2, (False,))
    assert optimize.unchanged(replace(chosen, depth=replace(chosen.depth, model="file"))).second_look == 0


def test_the_scene_is_rebuilt_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from diorama.depth import second_look

    scene = scene_of()
    tuning = optimize.unchanged(scene).model_copy(update={"second_look": 0.5})

    def layers(points: object, _settings: Settings) -> Rebuilt:
        return Rebuilt(points, scene.cuts, Layered(scene.atlas, scene.meshes, scene.imagined))  # type: ignore[arg-type]

    made, _, reason, said = final.rebuild(scene, tuning, layers)
    assert not np.array_equal(made.points.z, scene.points.z)
    assert not np.array_equal(made.layered.meshes[0].vertices, scene.meshes[0].vertices)
    assert "second look" in reason
    assert said == ()
    anew = final.rebuild(scene, tuning.model_copy(update={"cut_threshold": 5.0}), layers)[0]
    assert np.allclose(anew.points.z, made.points.z)

    def broken(_rgb: object) -> Float32:
        raise ModelError("It broke.", hint="")

    monkeypatch.setattr(second_look, "look_again", broken)
    made, _, _, said = final.rebuild(scene, tuning, layers)
    assert made.points is scene.points
    assert said == ("There was no second look at the depth: It broke.",)
