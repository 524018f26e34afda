"""Files that appear whole or not at all, and a disk's refusals as sentences."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest

from diorama import atomic
from diorama.errors import StorageError


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.glb"
    with atomic.writing(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert [found.name for found in tmp_path.iterdir()] == ["x.glb"]


def test_an_older_file_stays_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "x.glb"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic.writing(path) as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["x.glb"]


def test_a_long_name_is_as_good(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".glb")
    with atomic.writing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("number", "words", "hint"),
    [
        (errno.ENOSPC, "is full", "Free some space"),
        (errno.EACCES, "may not be written", "another folder"),
        (errno.EROFS, "may not be written", "another folder"),
        (errno.ENAMETOOLONG, "can't be written", "another name"),
        (None, "can't be written: what", "another name"),
    ],
)
def test_refusals_are_sentences(tmp_path: Path, number: int | None, words: str, hint: str) -> None:
    path = tmp_path / "x.glb"
    path.write_bytes(b"old")
    with pytest.raises(StorageError) as caught, atomic.writing(path):
        raise OSError("what") if number is None else OSError(number, "what")
    assert words in caught.value.message
    assert str(tmp_path) in caught.value.message
    assert hint in caught.value.hint
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1
    assert pickle.loads(pickle.dumps(caught.value)).hint == caught.value.hint


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="There is no folder") as caught, atomic.writing(tmp_path / "new" / "x.glb"):
        pass
    assert "Make it first" in caught.value.hint


def test_a_folder_in_the_file_s_place(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is a folder"), atomic.writing(tmp_path):
        pass
