"""What the photo hides: laws of the layered depth image, the rims and the layered scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama import inpaint, pipeline
from diorama.cuts import find_cuts, near_inverse_depth
from diorama.layered import BACKDROP, _continued, build
from diorama.layers import DIAGONAL, LayeredDepth, bridged, find_layers
from diorama.render import render
from diorama.rims import ESTIMATED, GIVEN, ribbon, touching, unmix, without_unseen
from diorama.settings import Settings
from diorama.types import Bool, Cuts, DepthMap, Float32, Layered, Photo, PointCloud, Scene, Segment, Segments, UInt8
from grids import cloud, plane, seeds, steps

SETTINGS = Settings(cut_threshold=5, inpaint="bundled")


def layers_of(inverse: Float32, opaque: Bool | None = None, travel: float = 30.0) -> LayeredDepth:
    """`travel`: pixels of parallax of what has inverse depth 1."""
    points = cloud(inverse, opaque)
    cuts = find_cuts(points, SETTINGS)
    return find_layers(points.inverse_depth * np.float32(travel), cuts, points.camera, 0.05 * travel, opaque)


def whole(points: PointCloud) -> Segments:
    height, width = points.z.shape
    item = Segment(1, "Everything", "object", (0, 0, width, height), width * height, 0.5, 5)
    return Segments(np.ones(points.z.shape, np.int32), (item,))


def scene_of(inverse: Float32, opaque: Bool | None = None, **changes: object) -> tuple[Scene, Layered]:
    chosen = SETTINGS.changed(**changes)
    points = cloud(inverse, opaque)
    photo = Photo(points.rgb, points.camera)
    cuts = find_cuts(points, chosen)

    def fill(rgb: UInt8, hole: Bool, known: Bool, disparity: Float32, visible: Float32) -> UInt8:
        return inpaint.fill(rgb, hole, known, disparity=disparity, visible=visible, model="bundled")

    layered, _ = build(points, cuts, photo, whole(points), chosen, fill)
    depth = DepthMap(points.inverse_depth, "metric", points.camera, "test")
    made = Scene("enhanced", photo, depth, points, cuts, layered.meshes, chosen, (), whole(points), layered.atlas)
    return made, layered


def box(height: int = 60, width: int = 80) -> Float32:
    inverse = np.full((height, width), 0.25, np.float32)
    inverse[20:40, 30:50] = 1
    return inverse


@settings(max_examples=40)
@given(st.integers(8, 40), st.integers(8, 40), seeds)
def test_nothing_imagined_is_in_front_of_what_hides_it(height: int, width: int, seed: int) -> None:
    depth = layers_of(steps(height, width, seed))
    for front, behind in zip(depth.surfaces, depth.surfaces[1:], strict=False):
        both = behind.there & (behind.seed >= 0)
        assert (behind.disparity[both] < front.disparity[both]).all()
        assert np.isfinite(behind.disparity).all()


def test_how_far_is_imagined_follows_from_both_depths() -> None:
    depth = layers_of(box())
    hidden = depth.surfaces[1].there & (depth.surfaces[1].seed >= 0)
    row = hidden[depth.margin + 30, depth.margin + 30 : depth.margin + 50]
    assert row.all(), "22 px of parallax from either side meet in the middle of 20"
    shallow = layers_of(np.where(box() > 0.5, np.float32(0.5), box()))
    row = (shallow.surfaces[1].seed >= 0)[shallow.margin + 30, shallow.margin + 30 : shallow.margin + 50]
    assert row[0]
    reach = int(np.argmin(row)) if not row.all() else 20
    assert reach >= 7 or row.all(), "7.5 px of parallax at least"
    wide = layers_of(np.pad(box(), ((0, 0), (0, 200)), mode="edge"))
    assert wide.surfaces[1].disparity[depth.margin + 30, depth.margin + 40] == pytest.approx(7.5, abs=0.5)


def test_beyond_the_frame_each_depth_goes_on_for_its_own_parallax() -> None:
    depth = layers_of(np.full((40, 50), 1, np.float32))
    left = depth.needed[depth.margin + 20, : depth.margin]
    assert left.sum() >= 30
    assert not depth.surfaces[1:], "one surface hides nothing"
    inside = depth.inside
    assert inside.sum() == 40 * 50


def test_a_plane_hides_nothing() -> None:
    assert len(layers_of(plane(40, 60, 0.3, 0.2)).surfaces) == 1


def test_a_cut_out_has_nothing_behind_it_and_nothing_around_it() -> None:
    opaque = box() > 0.5
    depth = layers_of(box(), opaque)
    assert len(depth.surfaces) == 1
    assert depth.needed.sum() == opaque.sum()
    made, _ = scene_of(box(), opaque)
    assert not any(mesh.name == BACKDROP for mesh in made.meshes)


def test_behind_a_narrow_surface_the_next_one_goes_on() -> None:
    inverse = np.full((50, 90), 0.2, np.float32)
    inverse[:, 30:] = 0.6
    inverse[:, 36:70] = 1
    depth = layers_of(inverse)
    assert len(depth.surfaces) >= 3
    row = depth.margin + 25
    assert depth.surfaces[1].disparity[row, depth.margin + 38] == pytest.approx(18, abs=1)
    assert depth.surfaces[2].disparity[row, depth.margin + 38] == pytest.approx(6, abs=1)


def test_behind_a_thin_strip_the_background_goes_on_under_what_is_visible_beside_it() -> None:
    """From left to right: a surface, a thin strip before it, and the background, which both of them hide."""
    inverse = np.full((20, 60), 0.2, np.float32)
    inverse[:, :33] = 0.8
    inverse[:, :30] = 0.5
    found = layers_of(inverse)
    background = np.zeros(found.inside.shape, bool)
    for surface in found.surfaces[1:]:
        background |= surface.there & (surface.disparity < 0.25 * 30)
    framed = background[found.margin : -found.margin, found.margin : -found.margin]
    assert framed[:, 33 - 18 : 33].all()


def test_what_is_imagined_in_one_colour_is_not_torn() -> None:
    """Behind the right half two backgrounds go on, one above the other."""
    inverse = np.full((40, 60), 0.2, np.float32)
    inverse[20:] = 0.5
    inverse[:, 30:] = 1
    found = layers_of(inverse)
    hidden = found.surfaces[1]
    rgb = np.full((*hidden.there.shape, 3), 90, np.uint8)
    middle = np.s_[found.margin + 15 : found.margin + 25, found.margin + 36 : found.margin + 44]
    assert hidden.cuts.down[middle].any()
    assert not bridged(found, rgb, 0.35).surfaces[1].cuts.down[middle].any()
    assert bridged(found, rgb, 0.45).surfaces[1].cuts.down[middle].any()  # .2 behind .5 is too far away
    rgb[found.margin + 20 :] = 250
    assert np.array_equal(bridged(found, rgb, 0.35).surfaces[1].cuts.down[middle], hidden.cuts.down[middle])
    assert bridged(found, rgb, 0.35).surfaces[0] is found.surfaces[0]


@settings(max_examples=12)
@given(st.integers(24, 48), st.integers(24, 48), seeds)
def test_no_pixel_is_uncovered_within_the_travel(height: int, width: int, seed: int) -> None:
    made, _ = scene_of(steps(height, width, seed))
    points = made.points
    travel = 0.08 * points.camera.diagonal / points.camera.fx / near_inverse_depth(points)
    for x in (-1, 0, 1):
        for y in (-1, 0, 1):
            view = render(made, translate=(x * travel, y * travel, 0))
            assert (view.alpha >= 250).all()


def test_a_dark_line_along_the_frame_is_neither_kept_nor_continued() -> None:
    depth = layers_of(np.full((40, 60), 0.5, np.float32))
    margin = depth.margin
    photo = np.full((40, 60, 3), 200, np.uint8)
    photo[:, -2:] = 0

    def fill(rgb: UInt8, hole: Bool, known: Bool, disparity: Float32, visible: Float32) -> UInt8:
        return inpaint.fill(rgb, hole, known, disparity=disparity, visible=visible, model="bundled")

    wide = np.pad(photo, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    picture = _continued(wide, None, depth, fill)
    assert np.array_equal(picture[margin:-margin, margin : -margin - 2], photo[:, :-2])
    assert picture[depth.needed].min() >= 199


def test_meshes_are_named_and_textured_from_the_atlas() -> None:
    made, layered = scene_of(box())
    names = {mesh.name for mesh in made.meshes}
    assert {"Everything", "Everything, imagined", BACKDROP} <= names
    assert {mesh.imagined for mesh in made.meshes if mesh.name.endswith("imagined")} == {True}
    for mesh in made.meshes:
        assert mesh.uv.min() >= 0
        assert mesh.uv.max() <= 1
    assert 0 < layered.imagined < 3
    assert made.texture is layered.atlas


def test_the_photo_is_repeated_and_the_atlas_keeps_to_its_size() -> None:
    y, x = np.mgrid[:120, :160]
    made, _ = scene_of(box(120, 160), rim_width=0)
    rgb = np.stack([128 + 100 * np.sin(x / 9), 128 + 90 * np.cos(y / 8), x + y / 2], axis=-1).clip(0, 255)
    points = replace(made.points, rgb=rgb.astype(np.uint8))
    large = Photo(np.kron(points.rgb, np.ones((4, 4, 1), np.uint8)), points.camera.resized(640, 480))
    layered, _ = build(points, made.cuts, large, whole(points), SETTINGS.changed(texture_size=600), lambda rgb, *_: rgb)
    assert max(layered.atlas.shape[:2]) <= 610
    view = render(
        replace(made, photo=large, points=points, meshes=layered.meshes, atlas=layered.atlas), size=(160, 120)
    )
    error = np.abs(view.rgb.astype(int) - points.rgb).mean(axis=2)
    assert np.median(error) < 4


def test_mixed_pixels_get_their_own_side_back() -> None:
    inverse = np.full((20, 40), 0.2, np.float32)
    inverse[:, 20:] = 1
    points = cloud(inverse)
    rgb = np.zeros((20, 40, 3), np.uint8)
    rgb[:, 20:] = 200
    rgb[:, 19], rgb[:, 20] = 80, 120  # a lens mixes the two pixels at the edge
    cuts = find_cuts(points, SETTINGS)
    clean = unmix(rgb, points.inverse_depth, cuts, 1.5)
    assert (clean[:, :20] == 0).all()
    assert (clean[:, 20:] == 200).all()
    assert np.array_equal(unmix(rgb, points.inverse_depth, cuts, 0), rgb)


def test_beside_an_estimated_edge_more_is_unmixed() -> None:
    inverse = np.full((20, 40), 0.2, np.float32)
    inverse[:, 20:] = 1
    points = cloud(inverse)
    rgb = np.zeros((20, 40, 3), np.uint8)
    rgb[:, 18:] = 200
    rgb[:, 17], rgb[:, 18] = 80, 120  # the silhouette is two pixels beside the depth edge
    cuts = find_cuts(points, SETTINGS)
    clean = unmix(rgb, points.inverse_depth, cuts, 1, ESTIMATED)
    assert (clean[:, :20] == 0).all()
    assert (clean[:, 20:] == 200).all()
    assert (unmix(rgb, points.inverse_depth, cuts, 1)[:, 18] == 120).all()


def test_a_front_in_the_background_s_colour_is_repainted_beside_an_estimated_edge_alone() -> None:
    inverse = np.full((20, 40), 0.2, np.float32)
    inverse[:, 20:] = 1
    points = cloud(inverse)
    cuts = find_cuts(points, SETTINGS)
    rgb = np.full((20, 40, 3), 40, np.uint8)
    rgb[:, 21:] = 200
    assert unmix(rgb, points.inverse_depth, cuts, 1, GIVEN)[10, 20, 0] == 40
    assert unmix(rgb, points.inverse_depth, cuts, 1, ESTIMATED)[10, 20, 0] == 200


def test_at_an_estimated_edge_the_outermost_pixel_in_front_is_of_its_interior_s_colour_however_thin_that_is() -> None:
    inverse = np.full((20, 40), 0.2, np.float32)
    inverse[:, 18:21] = inverse[:, 30:] = 1  # a pole three pixels wide, and a wall
    points = cloud(inverse)
    cuts = find_cuts(points, SETTINGS)
    rgb = np.full((20, 40, 3), 40, np.uint8)
    rgb[:, 19], rgb[:, 30:] = 200, 220
    rgb[:, [18, 20, 30]] = (20, 90, 220)  # no mix of what is on both sides
    clean = unmix(rgb, points.inverse_depth, cuts, 1, ESTIMATED)
    assert (clean[:, 18:21] == 200).all()
    assert (clean[:, 30] == 220).all()
    assert np.array_equal(unmix(rgb, points.inverse_depth, cuts, 1, GIVEN)[:, [18, 20, 30]], rgb[:, [18, 20, 30]])


def test_beside_an_estimated_edge_nothing_is_an_example_and_the_background_is_imagined_anew() -> None:
    inverse = box()
    points = cloud(inverse)
    rgb = np.full((*inverse.shape, 3), 90, np.uint8)
    # The box looks two pixels larger than its depth says.
    rgb[18:42, 30:50] = rgb[20:40, 28:52] = (220, 20, 20)
    points = replace(points, rgb=rgb)
    photo = Photo(rgb, points.camera)
    chosen = SETTINGS.changed(rim_width=0)
    hidden = []

    def fill(rgb: UInt8, hole: Bool, known: Bool, disparity: Float32, visible: Float32) -> UInt8:
        made = inpaint.fill(rgb, hole, known, disparity=disparity, visible=visible, model="bundled")
        hidden.append(made[hole])
        return made

    for doubt, reddest in ((ESTIMATED, 0), (GIVEN, 30)):
        hidden.clear()
        build(points, find_cuts(points, chosen), photo, whole(points), chosen, fill, doubt)
        red = hidden[1][:, 0].astype(int) - hidden[1][:, 1]
        assert (red.max() == 0) if reddest == 0 else (red.max() > reddest)


def test_at_an_edge_the_texture_takes_in_nothing_from_across_it() -> None:
    inverse = box()
    rgb = np.full((*inverse.shape, 3), 0, np.uint8)
    rgb[inverse == 1] = 255
    points = replace(cloud(inverse), rgb=rgb)
    photo = Photo(rgb, points.camera)
    chosen = SETTINGS.changed(rim_width=0)
    layered, _ = build(points, find_cuts(points, chosen), photo, whole(points), chosen, lambda rgb, *_: rgb)
    place = np.array(layered.atlas.shape[1::-1], np.float32)
    near = [mesh.uv[np.isclose(mesh.vertices[:, 2], 1, rtol=0.01)] * place - 0.5 for mesh in layered.meshes]
    x, y = np.concatenate(near).T
    assert len(x) > 4
    for v, u in ((np.floor(y + 1e-3), np.floor(x + 1e-3)), (np.ceil(y - 1e-3), np.ceil(x - 1e-3))):
        assert (layered.atlas[v.round().astype(int), u.round().astype(int)] == 255).all()


def test_where_colours_change_beyond_the_cut_as_well_nothing_is_mixed() -> None:
    inverse = np.full((20, 40), 0.2, np.float32)
    inverse[:, 20:] = 1
    points = cloud(inverse)
    rgb = np.repeat(np.broadcast_to(np.arange(40, dtype=np.uint8) * 6, (20, 40))[..., None], 3, axis=2)
    cuts = find_cuts(points, SETTINGS)
    assert np.array_equal(unmix(rgb, points.inverse_depth, cuts, 1), rgb)
    # The same step in one place is a silhouette.
    rgb[:, :20], rgb[:, 20:], rgb[:, 19] = 0, 200, 100
    assert not np.array_equal(unmix(rgb, points.inverse_depth, cuts, 1), rgb)


def test_small_jumps_between_like_colours_are_bridged_and_others_are_not() -> None:
    inverse = np.full((20, 40), 0.9, np.float32)
    inverse[:, 20:] = 1
    cuts = find_cuts(cloud(inverse), SETTINGS)
    alike, apart = np.full((20, 40, 3), 90, np.uint8), np.full((20, 40, 3), 90, np.uint8)
    apart[:, 20:] = 180
    assert cuts.right.any()
    assert not without_unseen(cuts, alike, inverse, 1, None).right.any()
    assert np.array_equal(without_unseen(cuts, apart, inverse, 1, None).right, cuts.right)
    assert np.array_equal(without_unseen(cuts, alike, inverse, 0.5, None).right, cuts.right)
    opaque = np.arange(40) < np.full((20, 1), 20)
    assert np.array_equal(without_unseen(cuts, alike, inverse, 1, opaque).right, cuts.right)


def test_what_lies_between_no_two_colours_stays() -> None:
    inverse = np.full((20, 40), 0.2, np.float32)
    inverse[:, 20:] = 1
    points = cloud(inverse)
    rgb = np.zeros((20, 40, 3), np.uint8)
    rgb[:, 20:] = (200, 0, 0)
    rgb[:, 20] = (0, 255, 0)  # a green rim is neither black nor red
    assert np.array_equal(unmix(rgb, points.inverse_depth, find_cuts(points, SETTINGS), 1), rgb)


def test_a_ribbon_fades_out_beyond_the_edge() -> None:
    near = np.zeros((10, 20), bool)
    near[:, 10] = True
    there, source, opacity = ribbon(near, np.ones_like(near), 2, 0.6)
    assert there[:, 11].all()
    assert not there[:, 10].any()
    assert (source[:, 12] % 20 == 10).all()
    assert (opacity[:, 11] > opacity[:, 12]).all()
    assert not ribbon(np.zeros_like(near), np.ones_like(near), 2, 1)[0].any()


def test_pixels_at_a_cut() -> None:
    cuts = Cuts(np.zeros((3, 2), bool), np.zeros((2, 3), bool))
    assert not touching(cuts).any()
    cuts.right[1, 0] = True
    assert touching(cuts)[1].tolist() == [True, True, False]
    assert DIAGONAL >= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)], ids=str)
def test_a_photo_of_a_single_row_or_column_has_layers(size: tuple[int, int]) -> None:
    pixels = np.full((*size, 3), 120, np.uint8)
    scene = pipeline.make(pixels, Settings(processing_size=64, triangles=1000), until="enhanced", fetch=False)
    assert scene.meshes
