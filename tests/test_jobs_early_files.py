"""Files of a step that are begun before its last stage is made."""

from __future__ import annotations

from pathlib import Path

import pytest

import bad_inputs
from diorama import Scene, pipeline
from diorama.checkpoints import Checkpoints
from diorama.errors import StorageError
from diorama.jobs import outputs
from diorama.jobs.early_files import FIRST, EarlyFiles
from diorama.settings import Settings
from workplace import QUICK

EARLY = {"photo.jpg", "depth.jpg", "points_preview.ply", "points.ply", "depth.png", "depth.npy"}


@pytest.fixture(scope="module")
def made() -> tuple[Scene, Scene]:
    """A scene as it was before it had a surface, and with it."""
    placed: list[Scene] = []
    photo, settings = bad_inputs.picture(120, 80), Settings.parse(QUICK)
    scene = pipeline.make(photo, settings, until="original", fetch=False, placed=placed.append)
    assert len(placed) == 1
    return placed[0], scene


def test_the_files_are_those_of_the_whole_scene(made: tuple[Scene, Scene], tmp_path: Path) -> None:
    early, scene = made
    plain, begun = tmp_path / "plain", tmp_path / "results" / "begun"
    outputs.make(scene, plain, lambda _share: None)
    taken: set[str] = set()
    with EarlyFiles(begun.parent) as ahead:
        ahead.begin(early)
        for future in ahead._begun.values():
            future.result()

        def take(name: str, path: Path) -> bool:
            found = ahead.take(name, path)
            taken.update({name} if found else ())
            return found

        outputs.make(scene, begun, lambda _share: None, taken=take)
    assert taken == EARLY
    for output in outputs.OUTPUTS["original"]:
        if output.name in EARLY:
            assert (plain / output.name).read_bytes() == (begun / output.name).read_bytes()
    assert outputs.is_made(begun, "original")
    assert list(begun.parent.iterdir()) == [begun]


def test_the_first_files_of_the_surface_are_begun_while_it_is_saved(made: tuple[Scene, Scene], tmp_path: Path) -> None:
    first = [output for output in outputs.OUTPUTS["original"] if output.surface][:FIRST]
    (tmp_path / "again").mkdir()
    photo, settings = bad_inputs.picture(120, 80), made[1].settings
    with EarlyFiles(tmp_path) as ahead:
        pipeline.make(photo, settings, until="original", fetch=False, made=ahead.go_on)
        assert list(ahead._begun) == [output.name for output in first]
        for output in first:
            ahead._begun[output.name].result()
            assert ahead.take(output.name, tmp_path / output.name)
            outputs.write(output, made[1], tmp_path / "again")
            assert (tmp_path / output.name).read_bytes() == (tmp_path / "again" / output.name).read_bytes()


def test_what_nobody_takes_goes(made: tuple[Scene, Scene], tmp_path: Path) -> None:
    with EarlyFiles(tmp_path) as ahead:
        assert not ahead.take("depth.png", tmp_path / "depth.png")  # nothing was begun
        ahead.begin(made[0])
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_is_said_when_the_file_is_taken(
    made: tuple[Scene, Scene], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise StorageError("The disk is full.", hint="Free some space.")

    monkeypatch.setattr(outputs, "write", refuse)
    with EarlyFiles(tmp_path) as ahead:
        ahead.begin(made[0])
        for future in ahead._begun.values():
            future.exception()
        with pytest.raises(StorageError):
            ahead.take("photo.jpg", tmp_path / "photo.jpg")


def test_kept_points_begin_nothing(tmp_path: Path) -> None:
    placed: list[Scene] = []
    kept = Checkpoints(tmp_path)
    for _ in range(2):
        pipeline.make(
            bad_inputs.picture(60, 40),
            Settings.parse(QUICK),
            until="original",
            fetch=False,
            checkpoints=kept,
            placed=placed.append,
        )
    assert len(placed) == 1
    assert placed[0].meshes == ()
    assert not placed[0].cuts.right.any()
