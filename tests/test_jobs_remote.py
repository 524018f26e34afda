"""The store that machines share: what is there is whole, whoever looks and whenever."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from diorama.errors import InstallationError, SettingsError, StorageError
from diorama.jobs import files
from diorama.jobs.cluster import elsewhere
from diorama.jobs.files import KEPT_RESULTS, DataFolder, JobFolder, new_id
from diorama.jobs.owners import place_id
from diorama.jobs.remote import LISTING, RemoteFiles, open_remote
from diorama.jobs.store import claim_of
from diorama.jobs.work import Outcome, Task
from workplace import Workplace


@pytest.fixture(params=["memory", "file"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"memory://{new_id()}" if request.param == "memory" else (tmp_path / "store").as_uri()


@pytest.fixture
def machines(address: str, tmp_path: Path) -> tuple[JobFolder, JobFolder]:
    """The folder of one job on two machines."""
    job_id = new_id()
    places = [DataFolder(tmp_path / name, address) for name in ("one", "two")]
    for place in places:
        place.create()
    return places[0].job(job_id), places[1].job(job_id)


def fill(folder: Path, **contents: bytes) -> Path:
    folder.mkdir(parents=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder


def same(mine: JobFolder, path: Path, other: JobFolder) -> Path:
    return other.path / path.relative_to(mine.path)


def test_what_one_machine_pushes_another_pulls(machines: tuple[JobFolder, JobFolder]) -> None:
    one, two = machines
    stage = fill(one.stages / "depth-1", a=b"depth", b=b"")
    one.push(stage)
    theirs = same(one, stage, two)
    assert two.pull(theirs)
    assert {path.name: path.read_bytes() for path in theirs.iterdir()} == {"a": b"depth", "b": b""}
    assert two.pull(theirs)  # here already
    assert not two.pull(two.stages / "mesh-1")
    photo = one.upload("cat.png")
    photo.parent.mkdir()
    photo.write_bytes(b"picture")
    one.push(photo)
    assert two.pull_upload("cat.png").read_bytes() == b"picture"
    assert not two.pull_upload("dog.png").exists()


def test_a_single_file_is_fetched_without_its_folder(machines: tuple[JobFolder, JobFolder]) -> None:
    one, two = machines
    made = fill(one.outputs / "original-1", glb=b"scene", photo=b"picture")
    assert one.pulled(made / "glb") == made / "glb"
    one.push(made)
    theirs = same(one, made, two)
    for _ in range(2):
        found = two.pulled(theirs / "glb")
        assert found.read_bytes() == b"scene"
    assert not theirs.exists()  # a folder under its name is whole
    assert not two.pulled(theirs / "no such file").exists()
    assert two.pull(theirs)
    assert two.pulled(theirs / "glb") == theirs / "glb"


def test_half_a_folder_is_no_folder(machines: tuple[JobFolder, JobFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = machines
    stage = fill(one.stages / "mesh-1", a=b"vertices", b=b"faces")
    put, sent = RemoteFiles.put, []

    def dies(remote: RemoteFiles, local: Path, key: str) -> None:
        if sent:
            raise StorageError("Gone.", hint="Try again.")
        sent.append(key)
        put(remote, local, key)

    monkeypatch.setattr(RemoteFiles, "put", dies)
    with pytest.raises(StorageError):
        one.push(stage)
    monkeypatch.undo()
    theirs = same(one, stage, two)
    assert not two.pull(theirs)
    assert not two.pulled(theirs / "a").exists()
    one.push(stage)
    assert two.pull(theirs)
    # An object that was lost: the folder is none any more, and nothing half stays here.
    other = JobFolder(two.path.with_name("third"), two.store)
    remote = open_remote(one.store)
    remote.remove(f"jobs/{one.path.name}/stages/mesh-1/b")
    assert not remote.get_folder(f"jobs/{one.path.name}/stages/mesh-1", other.stages / "mesh-1")
    assert not other.path.exists() or not any(path.is_file() for path in other.path.rglob("*"))


def test_a_deleted_job_is_gone_everywhere(machines: tuple[JobFolder, JobFolder]) -> None:
    one, two = machines
    stage, product = fill(one.stages / "mesh-1", a=b"vertices"), fill(one.product("p"), file=b"film")
    one.push(stage)
    one.push(product)
    two.pulled(two.product("p") / "file")
    two.remove_product("p")
    assert not two.pulled(two.product("p") / "file").exists()
    DataFolder(one.path.parents[1], one.store).remove(one.path.name)
    assert not one.path.exists()
    assert not two.pull(same(one, stage, two))


def test_pruning_looks_at_what_other_machines_have_made(machines: tuple[JobFolder, JobFolder]) -> None:
    one, two = machines
    for number in range(KEPT_RESULTS + 2):
        one.push(fill(one.stages / f"depth-{number}", a=b""))
        time.sleep(0.01)
    two.use(two.stages / "depth-1")
    two.prune({two.stages / "depth-0"})
    assert set(open_remote(two.store).folders(f"jobs/{two.path.name}/stages")) == {
        f"depth-{number}" for number in (0, 1, *range(3, KEPT_RESULTS + 2))
    }


def test_a_file_system_shows_nothing_before_it_is_written(tmp_path: Path) -> None:
    remote = open_remote((tmp_path / "store").as_uri())
    (tmp_path / "photo").write_bytes(b"picture")
    remote.put(tmp_path / "photo", "upload/photo")
    remote.put_folder(fill(tmp_path / "made", a=b"1"), "files/made")
    names = {path.name for path in (tmp_path / "store").rglob("*") if path.is_file()}
    assert names == {"photo", "a", LISTING}


def test_a_plain_folder_is_no_store_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DIORAMA_STORE", raising=False)
    assert files.shared_store() == ""
    monkeypatch.setenv("DIORAMA_STORE", str(tmp_path))
    assert files.shared_store() == str(tmp_path)
    monkeypatch.setenv("DIORAMA_STORE", "s3://bucket/jobs")
    assert files.shared_store() == "s3://bucket/jobs"
    alone = DataFolder(tmp_path / "data").job(new_id())
    made = fill(alone.outputs / "original-1", a=b"1")
    alone.push(made)
    assert not alone.pull(alone.outputs / "original-2")
    assert alone.pulled(made / "b") == made / "b"


def test_what_is_missing_or_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="no address"):
        open_remote("nothing://there")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(InstallationError) as caught:
        DataFolder(tmp_path, "s3://bucket/other").create()
    assert "diorama-3d[cluster]" in caught.value.hint


def test_a_store_that_refuses_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = open_remote((tmp_path / "store").as_uri())

    def refuses(*_args: Any, **_options: Any) -> None:
        raise ConnectionError("no route to host")

    (tmp_path / "photo").write_bytes(b"picture")
    monkeypatch.setattr(remote._fs, "put_file", refuses)
    monkeypatch.setattr(remote._fs, "cat_file", refuses)
    for act in (lambda: remote.put(tmp_path / "photo", "photo"), lambda: remote.listing("folder")):
        with pytest.raises(StorageError, match="no route to host") as caught:
            act()
        assert "DIORAMA_STORE" in caught.value.hint
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_what_a_far_worker_pushed_of_a_job_that_was_deleted_meanwhile_is_removed(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "data")
    place.data = DataFolder(place.data.root, (tmp_path / "store").as_uri())
    job_id = place.add()
    job = place.store.claim("me")
    assert job is not None
    folder = place.data.job(job_id)
    task = Task(
        claim_of(job), place.store.url, folder.path, folder.upload("photo.png"), {}, "original", files=folder.store
    )

    def work(moved: Any) -> Outcome:
        there = JobFolder(moved.folder, moved.files)
        assert there.path != folder.path
        assert there.pull_upload("photo.png").exists()
        there.push(fill(there.stages / "depth-1", a=b"depth"))
        return Outcome()

    assert elsewhere(work, task) == Outcome()
    assert folder.pull(folder.stages / "depth-1")
    place.store.delete(job_id)
    elsewhere(work, task)
    place.store.close()
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_a_data_folder_has_an_id_even_where_no_links_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_args: Any) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr("os.link", refuses)
    assert place_id(tmp_path) == place_id(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
