"""Vanishing points: known fields of view and rolls are found, and what the edges don't say is left open."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from diorama.advisor import vanishing
from diorama.advisor.roll import find_roll
from diorama.types import Camera
from rooms import view
from scenes import same


def grille(roll: float, width: int = 400, height: int = 300) -> np.ndarray:
    """A wall of windows, straight ahead, seen by a camera turned clockwise by `roll` degrees."""
    y, x = np.mgrid[:height, :width] - np.array([height / 2, width / 2])[:, None, None]
    turn = np.radians(roll)
    across, down = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    dark = (np.mod(across, 60) < 30) & (np.mod(down, 70) < 40)
    return np.repeat(np.where(dark, 60, 190).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize(("kind", "seed"), [("room", 102), ("corner", 102), ("corner", 104)])
def test_the_field_of_view_is_found(kind: str, seed: int) -> None:
    true = view(kind, "lines", seed, 480, 336)
    found = vanishing.find(true.rgb, Camera.from_fov(true.fov * 0.7, 480, 336, "assumed"))
    assert found.fov == pytest.approx(true.fov, rel=0.06)
    assert found.fov_confidence > 0.5
    assert found.roll == pytest.approx(true.roll, abs=1)
    assert np.allclose(np.linalg.norm(found.directions, axis=1), 1)
    # What a camera knows to be the truth is found among the directions.
    normals = np.array(list(true.normals.values()))
    assert (np.abs(found.directions @ normals.T).max(axis=1) > np.cos(np.radians(3))).all()


@pytest.mark.parametrize("roll", [-12, -5, 0, 3, 10])
def test_roll_is_the_cameras_turn_clockwise_and_a_wall_straight_ahead_says_nothing_of_the_lens(roll: float) -> None:
    found = vanishing.find(grille(roll), Camera.assumed(400, 300))
    assert found.roll == pytest.approx(roll, abs=1)
    assert found.roll_confidence > 0.5
    assert found.fov_confidence < 0.2
    assert len(found.support) == len(found.directions)


@pytest.mark.parametrize("degrees", [-10, -6, 4, 8])
def test_a_horizon_alone_says_the_roll_by_its_slope(degrees: float) -> None:
    y, x = np.mgrid[:300, :400] - np.array([110, 200])[:, None, None]
    slope = -np.tan(np.radians(degrees))
    bands = [y - x * slope > k for k in (0, 25, 60, 80)]  # the horizon, and what lies along it
    rgb = np.repeat((60 + 40 * np.sum(bands, axis=0)).astype(np.uint8)[..., None], 3, axis=2)
    edges = vanishing.find_edges(rgb, Camera.assumed(400, 300))
    upright = np.eye(3)[[1, 0, 2]]  # the frame of a level camera
    found, sure = find_roll(edges, upright, np.array([0.0, 1.0, 0.0]))
    assert found == pytest.approx(degrees, abs=0.5)
    assert sure > 0


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (200, 300)])
def test_where_there_is_no_edge_nothing_is_said(shape: tuple[int, int]) -> None:
    rgb = np.full((*shape, 3), 120, np.uint8)
    assert same(vanishing.find(rgb, Camera.assumed(*shape[::-1])), vanishing.NOTHING)


def test_noise_has_no_field_of_view() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (300, 400, 3)).astype(np.uint8)
    assert vanishing.find(rgb, Camera.assumed(400, 300)).fov is None


@pytest.mark.parametrize("count", [6, 12])
@pytest.mark.parametrize("seed", range(8))
def test_a_few_lines_at_random_have_no_field_of_view(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    rgb = np.full((300, 400, 3), 200, np.uint8)
    for _ in range(count):
        start, angle = random.uniform([20, 20], [380, 280]), random.uniform(0, np.pi)
        end = start + random.uniform(30, 90) * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(rgb, start.astype(int).tolist(), end.astype(int).tolist(), (60, 60, 60), 2, cv2.LINE_AA)
    assert vanishing.find(rgb, Camera.assumed(400, 300)).fov_confidence < 0.2


def test_the_same_photo_gives_the_same_answer() -> None:
    rgb = view("room", "lines", 105, 320, 240).rgb
    camera = Camera.assumed(320, 240)
    assert same(vanishing.find(rgb, camera), vanishing.find(rgb, camera))


def test_a_frame_that_is_turned_is_improved() -> None:
    true = view("room", "lines", 102, 480, 336)
    edges = vanishing.find_edges(true.rgb, Camera.assumed(480, 336))
    focal = vanishing.focal_of(np.array([true.fov]))
    by_axis = {face % 6 // 2: normal for face, normal in true.normals.items()}
    frame = np.array([by_axis[axis] for axis in range(3)])
    good = vanishing.losses_of(edges, frame[None], focal)
    turned = frame[None] @ vanishing.rotation(np.array([[0.03, -0.04, 0.02]]))
    _, improved = vanishing.improve(edges, turned, focal)
    assert improved < vanishing.losses_of(edges, turned, focal)
    assert improved <= good + 0.01
