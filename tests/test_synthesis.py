"""The final scene: planes, welds, backs, backdrops, and a solid; from scenes whose shape is known."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

import diorama
from conftest import PhotoPath
from diorama import synthesis
from diorama.advice import Advised, FusionAdvice, ReconstructionAdvice, SceneAdvice, SegmentAdvice
from diorama.errors import InputError
from diorama.render import render
from diorama.settings import Settings
from diorama.synthesis.planes import fit
from diorama.synthesis.relax import relaxed
from diorama.synthesis.solid import body, solid
from diorama.types import Camera, Layered, Mesh, PointCloud, Rebuilt, Scene
from scenes import final_scene, layered_scene, tiny_scene


def _advice(action: str, *segments: int, amount: float = 1.0) -> FusionAdvice:
    return FusionAdvice(action=action, segments=segments, amount=amount, reason="It looks so.", source="local")


def _rebuilt(scene: Scene) -> Rebuilt:
    return Rebuilt(scene.points, scene.cuts, Layered(scene.atlas, scene.meshes, scene.imagined))


def _fused(scene: Scene, *fusion: FusionAdvice, advice: SceneAdvice | None = None):
    plan = ReconstructionAdvice(fusion=fusion)
    return synthesis.fuse(_rebuilt(scene), scene, advice or SceneAdvice(), plan, ())[0]


def _with_ids(scene: Scene) -> Scene:
    """The hand-made scene, each mesh with its segment."""
    return replace(scene, meshes=tuple(m for m in final_scene(48, 32).meshes if not m.name.endswith("back")))


@pytest.fixture
def scene() -> Scene:
    return _with_ids(layered_scene(48, 32))


def _free_box() -> Scene:
    """A box of shared corners, well in front of a wall that goes on behind it."""
    scene = _with_ids(layered_scene(48, 32))
    height, width = scene.points.z.shape
    z = np.full((height, width), 3, np.float32)
    box = scene.segments.labels == 2
    z[box] = 1
    points = replace(scene.points, z=z)
    front = _grid_mesh(points, box, "Box", 2)
    wall = _grid_mesh(points, ~box, "Wall", 1)
    behind = replace(_grid_mesh(replace(points, z=np.full_like(z, 3)), box, "Wall, imagined", 1), imagined=True)
    return replace(scene, points=points, meshes=(wall, front, behind))


def _pixels(mesh: Mesh, camera: Camera) -> np.ndarray:
    x, y, z = mesh.vertices.astype(float).T
    return np.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy], axis=1)


def _keys(mesh: Mesh, scene: Scene) -> np.ndarray:
    """A number for each vertex's place in the picture."""
    return np.rint(_pixels(mesh, scene.points.camera) * 64) @ np.array([1, 1 << 16])


@pytest.mark.parametrize("action", ["plane", "backdrop", "close-back"])
def test_the_photo_s_own_view_stays(action: str) -> None:
    """Vertices move along their rays and nowhere else."""
    scene = _free_box()
    final = _fused(scene, _advice(action, 1 if action != "close-back" else 2))
    assert final.outcomes[-1].applied
    for before, after in zip(scene.meshes, final.layered.meshes, strict=False):
        assert np.abs(_pixels(before, scene.points.camera) - _pixels(after, scene.points.camera)).max() < 1e-3
        assert np.array_equal(before.uv, after.uv)
        assert np.array_equal(before.faces, after.faces)
        assert after.vertices[:, 2].min() > 0


def test_a_noisy_wall_becomes_flat(scene: Scene) -> None:
    # The wall's sky is far behind it: it is no part of the plane and stays.
    final = _fused(scene, _advice("plane", 1))
    assert "px off" in final.outcomes[-1].before
    wall = next(mesh for mesh in final.layered.meshes if mesh.name == "Wall")
    before = next(mesh for mesh in scene.meshes if mesh.name == "Wall")
    band = (before.vertices[:, 2] < 3.6) & (before.vertices[:, 2] > 3)
    assert np.ptp(1 / wall.vertices[band, 2]) < 0.2 * np.ptp(1 / before.vertices[band, 2])


def test_ground_and_walls_are_flattened_unless_that_is_declined_or_they_were_measured(scene: Scene) -> None:
    def wall(of: Scene) -> Mesh:
        return next(mesh for mesh in _fused(of).layered.meshes if mesh.name == "Wall")

    declined = replace(scene, settings=scene.settings.changed(declined_plan="fusion.plane.1"))
    assert np.array_equal(wall(declined).vertices, scene.meshes[0].vertices)
    assert not np.array_equal(wall(scene).vertices, scene.meshes[0].vertices)
    given = replace(scene, depth=replace(scene.depth, model="file", scale="metric"))
    assert np.array_equal(wall(given).vertices, scene.meshes[0].vertices)


def test_of_measured_ground_only_what_is_hidden_is_flattened() -> None:
    scene = _free_box()
    wall, front, behind = scene.meshes
    rough = behind.vertices.astype(np.float64)
    edge = np.isin(_keys(behind, scene), _keys(wall, scene))
    rough[~edge] *= np.random.default_rng(0).uniform(1.0, 1.02, (np.count_nonzero(~edge), 1))
    scene = replace(scene, meshes=(wall, front, replace(behind, vertices=rough.astype(np.float32))))
    measured = replace(scene, depth=replace(scene.depth, model="file", scale="metric"))
    plane = _advice("plane", 1)
    final = _fused(measured, plane)
    assert "stays as it was measured" in final.outcomes[-1].sentence
    seen, _, hidden = final.layered.meshes
    assert np.array_equal(seen.vertices, wall.vertices)
    assert np.array_equal(hidden.vertices[edge], rough[edge].astype(np.float32)), "no gap opens to what is seen"
    assert np.abs(hidden.vertices[:, 2] - 3).max() < 1e-3 < np.abs(rough[:, 2] - 3).max()


def test_measured_depth_is_moved_by_who_sees_more_than_the_local_advisor(scene: Scene) -> None:
    measured = replace(scene, depth=replace(scene.depth, model="file", scale="metric"))
    plane = _advice("plane", 1)
    told = plane.model_copy(update={"source": "openai"})
    for of, advice, moves in ((measured, plane, False), (measured, told, True), (scene, plane, True)):
        wall = next(mesh for mesh in _fused(of, advice).layered.meshes if mesh.name == "Wall")
        assert np.array_equal(wall.vertices, scene.meshes[0].vertices) != moves


@settings(max_examples=25)
@given(st.tuples(*[st.floats(-0.05, 0.05)] * 2), st.floats(5, 50), st.integers(0, 99), st.floats(0, 0.3))
def test_a_plane_is_found_among_outliers(slope: tuple[float, float], height: float, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    pixel = rng.uniform(0, 100, (800, 2))
    disparity = pixel @ np.array(slope) + height + rng.normal(0, 0.1, 800)
    outlying = rng.random(800) < share
    disparity[outlying] += rng.uniform(5, 30, outlying.sum())
    plane = fit(pixel, disparity, 1.5)
    assert plane is not None
    assert np.abs(pixel @ (plane[:2] - slope) + plane[2] - height).max() < 0.3


def test_points_on_a_line_are_no_plane() -> None:
    line = np.stack([np.arange(50.0), np.zeros(50)], axis=1)
    assert fit(line, np.ones(50), 1.5) is None


def test_imagined_planes_stay_behind_what_hides_them(scene: Scene) -> None:
    final = _fused(scene, _advice("plane", 1))
    for mesh in final.layered.meshes:
        if mesh.name == "Wall, imagined":
            assert mesh.vertices[:, 2].min() > 1.2  # the box stands at 1.1


def test_what_is_round_is_not_flattened(scene: Scene) -> None:
    height, width = scene.points.z.shape
    y, x = np.mgrid[:height, :width]
    bowl = (1.5 + 4 * ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2)).astype(np.float32)
    round_scene = replace(scene, points=replace(scene.points, z=bowl))
    outcome = _fused(round_scene, _advice("plane", 1)).outcomes[-1]
    assert not outcome.applied
    assert "not flat" in outcome.sentence


def test_a_back_closes_an_object() -> None:
    """The front's visible mesh and its back are one closed body."""
    scene = _free_box()
    front = scene.meshes[1]
    final = _fused(scene, _advice("close-back", 2, amount=0.8))
    outcome = final.outcomes[-1]
    assert outcome.applied, outcome
    back = [mesh for mesh in final.layered.meshes if mesh.name == "Box, back"]
    assert all(mesh.imagined and mesh.segment == 2 for mesh in back)
    body = trimesh.util.concatenate([trimesh.Trimesh(m.vertices, m.faces, process=False) for m in (front, *back)])
    body.merge_vertices()
    assert body.is_watertight
    assert body.is_winding_consistent
    assert body.volume > 0
    deepest = max(mesh.vertices[:, 2].max() for mesh in back)
    assert 1.02 < deepest < 1 + 0.91 * 2


@pytest.mark.parametrize("move", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_within_the_travel_a_back_is_not_seen(move: tuple[int, int]) -> None:
    """What was imagined behind a thing is seen whole; from farther aside the back comes out."""
    scene = _free_box()
    scene = replace(scene, settings=scene.settings.changed(camera_travel=25))
    camera = scene.points.camera
    final = replace(scene, meshes=_fused(scene, _advice("close-back", 2, amount=0.8)).layered.meshes)
    way = scene.settings.camera_travel / 100 * camera.diagonal / camera.fx  # what is near is 1 away

    def views(share: float) -> list[np.ndarray]:
        at = (*(share * way * axis for axis in move), 0)
        return [render(one, translate=at, size=(480, 320)).rgb for one in (scene, final)]

    for share in (0.3, 0.7, 1.0):
        open_, closed = views(share)
        assert np.array_equal(open_, closed)
    open_, closed = views(1.5)
    assert not np.array_equal(open_, closed)


def test_a_back_needs_room(scene: Scene) -> None:
    close = tuple(
        replace(m, vertices=scene.meshes[1].vertices[: len(m.vertices)] * 1.0001) if m.imagined and m.segment else m
        for m in scene.meshes
    )
    outcome = _fused(replace(scene, meshes=close), _advice("close-back", 2)).outcomes[-1]
    assert not outcome.applied
    assert "no room" in outcome.sentence


def test_joined_segments_meet(scene: Scene) -> None:
    z = np.where(scene.segments.labels == 2, 2.0, 2.02).astype(np.float32)
    points = replace(scene.points, z=z)
    meshes = (
        _grid_mesh(points, scene.segments.labels == 1, "Wall", 1),
        _grid_mesh(points, scene.segments.labels == 2, "Box", 2),
    )
    final = _fused(replace(scene, points=points, meshes=meshes), _advice("join", 1, 2))
    assert final.outcomes[-1].applied
    wall, box = final.layered.meshes[:2]
    corners = {tuple(np.round(v, 5)) for v in wall.vertices.tolist()}
    shared = [v for v in box.vertices.tolist() if tuple(np.round(v, 5)) in corners]
    outline = 2 * (48 // 3 + 32 * 3 // 4 - 32 // 3)
    assert len(shared) >= outline - 2


def test_far_apart_segments_are_not_joined(scene: Scene) -> None:
    outcome = _fused(scene, _advice("join", 1, 2)).outcomes[-1]
    assert not outcome.applied


def test_a_backdrop_is_even_and_behind_everything(scene: Scene) -> None:
    final = _fused(scene, _advice("backdrop", 1))
    sky = np.concatenate([m.vertices for m in final.layered.meshes if m.segment == 1])
    rest = np.concatenate([m.vertices for m in final.layered.meshes if m.segment == 2])
    assert np.ptp(sky[:, 2]) < 1e-3 * sky[0, 2]
    assert sky[:, 2].min() > rest[:, 2].max()


@pytest.mark.parametrize("often", [1, 6], ids=["a mast", "a tree"])
def test_what_stands_in_front_of_a_backdrop_is_not_torn_back_to_it(often: int) -> None:
    """A mast's bars in the colour of the sky, that hang on the mast; gaps between leaves, a third of the sky's area."""
    scene = _free_box()
    bars = scene.segments.labels == 2
    bars &= np.arange(bars.shape[0])[:, None] % 4 == 0
    bars |= np.roll(bars, 1, axis=0)
    front = _grid_mesh(scene.points, bars, "Bars", 1)
    final = _fused(replace(scene, meshes=(*scene.meshes, *[front] * often)), _advice("backdrop", 1))
    found = {mesh.name: mesh.vertices for mesh in final.layered.meshes}
    np.testing.assert_array_equal(found["Bars"], front.vertices)
    assert found["Wall"][:, 2].min() > 2.9
    assert np.ptp(found["Wall"][:, 2]) < 1e-3


def test_advice_on_a_segment_that_is_gone_is_said(scene: Scene) -> None:
    outcome = _fused(scene, _advice("close-back", 77)).outcomes[-1]
    assert (outcome.applied, outcome.key) == (False, "fusion.close-back.77")
    assert "no such segment" in outcome.sentence


def test_every_line_on_segments_has_an_outcome(scene: Scene) -> None:
    said = {"reason": "It looks so.", "source": "openai"}
    advice = SceneAdvice(
        segments=(
            SegmentAdvice(id=2, name=Advised[str](value="Box", **said), kind=Advised[str](value="wall", **said)),
            SegmentAdvice(id=9, name=Advised[str](value="Gone", **said)),
        )
    )
    found = {outcome.key: outcome.applied for outcome in _fused(scene, advice=advice).outcomes}
    assert found == {"segments.2.name": True, "segments.2.kind": False, "segments.9.name": False}


# ---- solid -----------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 99), st.integers(1, 5), st.sampled_from([0.3, 0.6, 1.0]))
def test_a_solid_is_always_watertight(width: int, height: int, seed: int, coarse: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    scene = tiny_scene(width, height)
    opaque = rng.random((height, width)) < share
    opaque[0, 0] = True
    points = replace(scene.points, z=rng.uniform(1, 4, (height, width)).astype(np.float32), opaque=opaque)
    layered = Layered(scene.photo.rgb, scene.meshes, 0.0)
    try:
        mesh, _ = solid(layered, points, 4 * width * height // coarse + 64)
    except InputError:
        assert coarse > 1  # all that was there was smaller than the blocks
        return
    body = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert body.is_watertight
    assert body.is_winding_consistent
    assert body.volume > 0


@pytest.mark.parametrize("share", [0.01, 0.4, 1.0])
def test_a_solid_is_not_as_deep_as_the_sky(share: float) -> None:
    scene = tiny_scene(40, 30)
    sky = np.zeros((30, 40), bool)
    sky[: round(30 * share) or 1] = True
    z = np.where(sky, 300, np.random.default_rng(0).uniform(1, 3, sky.shape)).astype(np.float32)
    vertices, _, _ = body(replace(scene.points, z=z), 100_000, sky)
    assert vertices[:, 2].max() < (3.1 if share < 1 else 307)


def test_a_solid_shows_the_photo_and_keeps_the_budget(photo_path: PhotoPath) -> None:
    small = Settings(processing_size=160, texture_size=160, triangles=20_000, solid=True, texture="off", optimize="off")
    scene = diorama.make(photo_path("chelsea"), small, fetch=False)
    (mesh,) = scene.meshes
    assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).is_watertight
    assert len(mesh.faces) <= 20_000
    view = render(scene)
    error = np.mean((view.rgb.astype(float) - scene.photo.rgb)[4:-4, 4:-4] ** 2)
    assert 10 * np.log10(255**2 / error) > 24
    assert any("solid" in warning for warning in scene.warnings)


# ---- the whole step --------------------------------------------------------------------------------------------


def test_the_final_step_is_deterministic_and_survives_the_disk(photo_path: PhotoPath, tmp_path) -> None:
    small = Settings(processing_size=160, texture_size=160)
    scenes = [diorama.make(photo_path("coffee"), small, fetch=False) for _ in range(2)]
    scenes[0].save(tmp_path / "x.diorama")
    digests = []
    for scene in (*scenes, Scene.load(tmp_path / "x.diorama")):
        digest = hashlib.sha256(scene.atlas.tobytes())
        for mesh in scene.meshes:
            digest.update(mesh.vertices.tobytes() + mesh.faces.tobytes() + mesh.normals.tobytes())
        digests.append((digest.hexdigest(), scene.outcomes, scene.tuning, scene.advice, scene.plan))
    assert digests[0] == digests[1] == digests[2]
    assert scenes[0].step == "final"


def _grid_mesh(points: PointCloud, keep: np.ndarray, name: str, segment: int) -> Mesh:
    """The kept pixels as squares that share their corners, at the mean depth of the kept pixels around each."""
    height, width = keep.shape
    camera = points.camera
    total, count = np.zeros((height + 1, width + 1)), np.zeros((height + 1, width + 1))
    for dy in (0, 1):
        for dx in (0, 1):
            total[dy : dy + height, dx : dx + width] += np.where(keep, points.z, 0)
            count[dy : dy + height, dx : dx + width] += keep
    z = (total / np.maximum(count, 1)).ravel()
    rows, columns = np.nonzero(keep)
    a = rows * (width + 1) + columns
    faces = np.concatenate([np.stack([a, a + width + 1, a + 1], 1), np.stack([a + 1, a + width + 1, a + width + 2], 1)])
    used, local = np.unique(faces, return_inverse=True)
    y, x = np.divmod(used, width + 1)
    z = z[used]
    vertices = np.stack([(x - camera.cx) / camera.fx * z, (y - camera.cy) / camera.fy * z, z], axis=1)
    uv = np.stack([x / width, y / height], axis=1)
    normals = np.tile(np.array([0, 0, -1], np.float32), (len(used), 1))
    return Mesh(
        vertices.astype(np.float32),
        local.reshape(-1, 3).astype(np.int32),
        uv.astype(np.float32),
        normals,
        name,
        segment=segment,
    )


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 1), st.integers(0, 9))
def test_smoothing_moves_what_is_seen_along_its_rays(amount: float, seed: int) -> None:
    scene = layered_scene(48, 32, seed=seed)
    layered = _rebuilt(scene).layered
    points, found = relaxed(scene.points, scene.cuts, layered, amount)
    assert not np.array_equal(points.z, scene.points.z)
    assert (points.z > 0).all()
    for before, after in zip(layered.meshes, found.meshes, strict=True):
        assert np.abs(_pixels(before, scene.points.camera) - _pixels(after, scene.points.camera)).max() < 1e-3
        assert np.array_equal(before.faces, after.faces)
    again = relaxed(scene.points, scene.cuts, layered, amount)[1]
    assert all(np.array_equal(a.vertices, b.vertices) for a, b in zip(found.meshes, again.meshes, strict=True))


def test_without_smoothing_no_vertex_moves(scene: Scene) -> None:
    points, found = relaxed(scene.points, scene.cuts, _rebuilt(scene).layered, 0)
    assert np.array_equal(points.z, scene.points.z)
    assert all(np.array_equal(a.vertices, b.vertices) for a, b in zip(scene.meshes, found.meshes, strict=True))
