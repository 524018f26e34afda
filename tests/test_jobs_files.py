"""The folder of jobs: names that harm nothing, results that are kept, and what is cleared away."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diorama.errors import JobNotFoundError, StorageError
from diorama.jobs.files import JOB_ID, KEPT_RESULTS, DataFolder, data_folder, new_id, safe_name


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    data = DataFolder(tmp_path / "data")
    data.create()
    return data


def test_ids_are_random_and_safe_in_addresses() -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(JOB_ID.fullmatch(job_id) for job_id in ids)


def test_the_data_folder_is_the_given_one_or_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DIORAMA_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("DIORAMA_DATA")
    assert data_folder().name == "diorama"


@pytest.mark.parametrize("job_id", ["", "..", "../../etc", "a" * 21, "a" * 23, "a" * 21 + "/", "a" * 21 + "\n"])
def test_what_is_no_id_never_becomes_a_path(data: DataFolder, job_id: str) -> None:
    with pytest.raises(JobNotFoundError):
        data.job(job_id)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("coffee.png", "coffee.png"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("naïve – 写真.jpg", "naïve_写真.jpg"),
        ("con.png", "_con.png"),
        (".hidden", "hidden"),
        ("", "photo"),
        ("...", "photo"),
        ("写" * 90 + "." + "真" * 90, "写" * 50 + "." + "真" * 8),
        ("a" * 300 + ".jpeg", "a" * 50 + ".jpeg"),
    ],
)
def test_file_names_are_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    assert len(safe.encode()) < 255


@given(st.text(max_size=200))
def test_any_name_becomes_one_part_of_a_path(name: str) -> None:
    safe = safe_name(name)
    assert Path(safe).name == safe
    assert len(safe.encode()) < 255
    assert not safe.startswith(".")
    assert safe.isprintable()


def test_an_upload_becomes_part_of_its_job_and_goes_with_it(data: DataFolder) -> None:
    upload, job_id = data.incoming(), new_id()
    upload.write_bytes(b"picture")
    data.adopt(job_id, upload, "cat.png")
    folder = data.job(job_id)
    assert folder.upload("cat.png").read_bytes() == b"picture"
    assert not upload.exists()
    data.remove(job_id)
    assert not folder.path.exists()
    assert list((data.root / "jobs").iterdir()) == []
    data.remove(job_id)  # nothing left to do


def test_leftovers_of_a_killed_server_are_cleared(data: DataFolder) -> None:
    old, new = data.incoming(), data.incoming()
    for path in (old, new):
        path.write_bytes(b"half a pict")
    long_ago = time.time() - 3 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    grave = data.root / "jobs" / ".removed-1234"
    grave.mkdir()
    data.create()
    assert not old.exists()
    assert new.exists()
    assert not grave.exists()


def test_a_data_folder_that_can_not_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError):
        DataFolder(tmp_path / "file" / "data").create()


def test_the_results_used_longest_ago_go_first(data: DataFolder) -> None:
    folder = data.job(new_id())
    kept = []
    for number in range(KEPT_RESULTS + 3):
        for root, stage in ((folder.stages, "depth"), (folder.stages, "mesh"), (folder.outputs, "original")):
            path = root / f"{stage}-{number:04x}"
            path.mkdir(parents=True)
            os.utime(path, (number, number))
            if number in (0, *range(4, KEPT_RESULTS + 3)):
                kept.append(path)
    (folder.stages / ".diorama-0.tmp").mkdir()
    used = {path for path in kept if path.name.endswith("-0000")}
    folder.prune(used)
    left = {path for root in (folder.stages, folder.outputs) for path in root.iterdir() if path.name[0] != "."}
    newest = {path for path in left if path not in used}
    assert used <= left
    assert len(newest) == 3 * KEPT_RESULTS
    assert all(int(path.name.rpartition("-")[2], 16) >= 3 for path in newest)


def test_pruning_an_empty_folder_is_fine(data: DataFolder) -> None:
    data.job(new_id()).prune(set())
