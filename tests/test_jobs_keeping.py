"""What is kept and what goes: quotas, old jobs, copies of files of the store, and a disk that is full."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from diorama.errors import QuotaError, SettingsError, StorageError
from diorama.jobs import housekeeping, space
from diorama.jobs.files import COPIED, DataFolder, new_id
from diorama.jobs.housekeeping import Housekeeper
from diorama.jobs.products import Products
from diorama.jobs.quotas import Quotas
from diorama.jobs.store import Store, claim_of
from diorama.jobs.tables import Product
from diorama.server import create_app
from diorama.server.context import Context
from test_server_process import JOBS, SIGKILL, Server
from workplace import QUICK, RESULT, Workplace, quick_photo

DAY = 86400


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    place = Workplace(tmp_path / "data")
    yield place
    place.store.close()


def keeper(place: Workplace, **quotas: float) -> Housekeeper:
    return Housekeeper(place.store, Products(place.store), place.data, Quotas(**quotas))  # type: ignore[arg-type]


def made(place: Workplace, days_ago: float = 0.0, user: str = "", size: int = 100) -> str:
    """A job that waits to be validated and was touched last so long ago."""
    job_id, upload = new_id(), place.data.incoming()
    upload.write_bytes(quick_photo())
    place.data.adopt(job_id, upload, "cat.png")
    place.store.add(job_id, "cat.png", "cat.png", {}, limit=64, user=user, size=size)
    job = place.store.claim("me")
    assert job is not None
    place.store.finish(claim_of(job), {**RESULT, "bytes": size})
    aged(place.store, job_id, days_ago)
    return job_id


def aged(store: Store, job_id: str, days: float) -> None:
    with store._write() as connection:
        moment = time.time() - days * DAY
        connection.exec_driver_sql("UPDATE jobs SET seen = ?, updated = ? WHERE id = ?", (moment, moment, job_id))


def product(place: Workplace, job_id: str, size: int = 0, state: str = "done") -> None:
    row = Product(
        job_id=job_id,
        id=new_id(),
        product="glb",
        step="original",
        folder="original-1",
        asked=0,
        queued_at=0,
        state=state,
        result={"file": "cat.glb", "bytes": size},
    )
    Products(place.store).ask(row, limit=9)


# ---- quotas ----------------------------------------------------------------------------------------------------


def test_a_user_keeps_no_more_jobs_and_bytes_than_allowed(place: Workplace) -> None:
    products = Products(place.store)
    first = made(place, user="anna", size=3_000_000)
    made(place, user="ben", size=9_000_000)
    product(place, first, 2_000_000)
    assert place.store.usage("anna") == (1, 3_000_000)
    assert place.store.usage("nobody") == (0, 0)
    Quotas().check(place.store, products, "anna", jobs=1, size=10**12)
    Quotas(jobs=2, bytes=6_000_000).check(place.store, products, "anna", jobs=1, size=1_000_000)
    with pytest.raises(QuotaError, match="1 jobs are kept for you, and 1 may be"):
        Quotas(jobs=1).check(place.store, products, "anna", jobs=1)
    with pytest.raises(QuotaError, match="take 5 MB, and 6 MB may be"):
        Quotas(bytes=6_000_000).check(place.store, products, "anna", size=1_000_001)
    with pytest.raises(QuotaError):
        Quotas(bytes=4_000_000).check(place.store, products, "anna")


def test_limits_are_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Quotas.from_environment() == Quotas()
    for name, value in (("JOBS", "20"), ("BYTES", "1.5 GB")):
        monkeypatch.setenv(f"DIORAMA_QUOTA_{name}", value)
    monkeypatch.setenv("DIORAMA_KEEP_DAYS", "0.5")
    assert Quotas.from_environment() == Quotas(20, 1_500_000_000, 0.5)
    for wrong in ("many", "-1", "nan", "inf"):
        monkeypatch.setenv("DIORAMA_KEEP_DAYS", wrong)
        with pytest.raises(SettingsError, match="DIORAMA_KEEP_DAYS"):
            Quotas.from_environment()
    with pytest.raises(SettingsError, match="DIORAMA_STORE_CACHE"):
        space.bytes_of("much", "DIORAMA_STORE_CACHE")


def test_an_upload_over_the_quota_is_refused_before_it_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIORAMA_QUOTA_JOBS", "1")
    client = TestClient(create_app(tmp_path, fetch=False), base_url="http://127.0.0.1:5000")
    headers = {"Content-Type": "image/png"}
    assert client.post(JOBS, content=quick_photo(), headers=headers).status_code == 201
    refused = client.post(JOBS, content=quick_photo(), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (507, "quota")
    assert len(client.get(JOBS).json()["jobs"]) == 1
    assert list((tmp_path / "incoming").iterdir()) == []
    client.close()


# ---- old jobs --------------------------------------------------------------------------------------------------


def test_only_jobs_that_nobody_looks_at_are_removed(place: Workplace) -> None:
    old, fresh, exported = made(place, 8), made(place, 6), made(place, 8)
    product(place, old)
    product(place, exported, state="queued")
    waiting = place.add()
    aged(place.store, waiting, 90)
    assert keeper(place, days=0).remove_old() == []
    assert keeper(place, days=7).remove_old() == [old]
    assert not place.data.job(old).path.exists()
    assert Products(place.store).of_job(old) == []
    assert {job.id for job in place.store.newest(9)} == {fresh, exported, waiting}
    assert all(place.data.job(job_id).path.exists() for job_id in (fresh, exported, waiting))


def test_who_looks_at_a_job_keeps_it(place: Workplace) -> None:
    old = made(place, 8)
    client = TestClient(create_app(place.data.root, fetch=False), base_url="http://127.0.0.1:5000")
    before = time.time() - 7 * DAY
    assert list(place.store.unseen_since(before)) == [old]
    client.get(JOBS)  # a list is no look at each
    assert list(place.store.unseen_since(before)) == [old]
    revision = place.store.revision(old)
    assert client.get(f"{JOBS}/{old}/files/original/scene.glb").status_code == 404
    assert not place.store.remove_unseen(old, before)  # between the look and the removal
    assert keeper(place, days=7).remove_old() == []
    assert place.store.revision(old) == revision
    context: Context = client.app.state.context  # type: ignore[attr-defined]
    aged(place.store, old, 8)
    assert not context.look_is_due(old)  # so soon after the last time it isn't written
    assert keeper(place, days=7).remove_old() == [old]
    client.close()


# ---- copies ----------------------------------------------------------------------------------------------------


def test_copies_used_longest_ago_go_and_originals_never(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Workplace(tmp_path / "data")
    original = made(place, 9)  # from the time before there was a store
    place.data = DataFolder(place.data.root, (tmp_path / "store").as_uri())
    jobs = [made(place) for _ in range(4)]
    for number, job_id in enumerate(jobs):
        moment = time.time() - 3 * housekeeping.COPIED_SECONDS + number
        os.utime(place.data.job(job_id).path / COPIED, (moment, moment))
    (place.data.job(jobs[3]).path / COPIED).touch()
    assert keeper(place).remove_copies() == []
    monkeypatch.setenv("DIORAMA_STORE_CACHE", "1")
    place.store.rerun(jobs[0], "original", {}, validated=[], limit=9)
    assert place.store.claim("me") is not None
    assert keeper(place).remove_copies() == jobs[1:3]  # the first is being made, the last was used just now
    assert place.data.job(original).path.exists()
    assert place.data.job(jobs[1]).pull_upload("cat.png").read_bytes() == quick_photo()
    # A job that another machine has deleted.
    monkeypatch.delenv("DIORAMA_STORE_CACHE")
    place.store.delete(jobs[2])
    place.data.job(jobs[2])._mark()
    moment = time.time() - 2 * housekeeping.COPIED_SECONDS
    os.utime(place.data.job(jobs[2]).path / COPIED, (moment, moment))
    assert keeper(place).remove_copies() == [jobs[2]]
    place.store.close()


# ---- the disk --------------------------------------------------------------------------------------------------


def test_room_is_asked_for_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space.require(tmp_path / "not" / "there")
    with pytest.raises(StorageError, match="almost full") as caught:
        space.require(tmp_path, 1 << 60)
    assert "Delete jobs" in caught.value.hint
    monkeypatch.setenv("DIORAMA_FREE_SPACE", "1000000TB")
    with pytest.raises(StorageError):
        space.require(tmp_path)


class Disk:
    """A disk of 96 MB that can be filled: a tmpfs where one may be mounted, else a limit on what files may grow to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)]
        self.mounted = bool(shutil.which("mount")) and subprocess.run(command, capture_output=True).returncode == 0
        self._ballast = folder / "ballast"

    def fill(self, server: Server, leave: int = 0) -> None:
        if not self.mounted:
            return self._limit(server, 512)
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):  # at last it is full
            while leave == 0 or shutil.disk_usage(self.folder).free > leave:
                file.write(bytes(1 << 16))
        return None

    def empty(self, server: Server) -> None:
        if not self.mounted:
            return self._limit(server, None)
        return self._ballast.unlink()

    def _limit(self, server: Server, size: int | None) -> None:
        import resource

        for pid in (server.process.pid, *server.workers()):
            limit = resource.RLIM_INFINITY if size is None else size
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX: a disk can't be filled there without filling the real one")
@pytest.mark.slow
def test_a_full_disk_is_said_spoils_nothing_and_is_forgotten_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIORAMA_FREE_SPACE", "12MB")
    disk = Disk(tmp_path / "disk")
    server = Server(disk.folder / "data")
    try:
        job_id = server.upload(quick_photo(), QUICK).json()["id"]
        job = server.wait(job_id)
        contents = {file["url"]: server.http.get(file["url"]).content for file in job["files"]}

        if disk.mounted:
            disk.fill(server, leave=10 << 20)
            refused = server.upload(quick_photo(), QUICK)
            assert (refused.status_code, refused.json()["code"]) == (507, "storage")
            assert "almost full" in refused.json()["detail"]
            assert server.http.post(f"{JOBS}/{job_id}/validate", json={"step": "original"}).status_code == 200
            failed = server.wait(job_id)
            assert (failed["state"], failed["error"]["status"]) == ("failed", 507)
            assert "almost full" in failed["error"]["detail"]

        disk.fill(server)
        for _ in range(3):
            refused = server.upload(quick_photo(), QUICK)
            assert (refused.status_code, refused.json()["code"]) == (507, "storage")
            refused = server.http.post(f"{JOBS}/{job_id}/rerun", json={"step": "original", "settings": {}})
            assert refused.status_code == 507, refused.text
        assert {url: server.http.get(url).content for url in contents} == contents

        disk.empty(server)
        other = server.upload(quick_photo(), QUICK)
        assert other.status_code == 201, other.text
        assert server.wait(other.json()["id"])["state"] == "waiting"
        if disk.mounted:
            again = server.http.post(f"{JOBS}/{job_id}/rerun", json={"step": "enhanced", "settings": {}})
        else:
            again = server.http.post(f"{JOBS}/{job_id}/validate", json={"step": "original"})
        assert again.status_code == 200, again.text
        finished = server.wait(job_id)
        assert (finished["state"], finished["step"], finished["error"]) == ("waiting", "enhanced", None)
        assert all(len(server.http.get(file["url"]).content) == file["bytes"] for file in finished["files"])
        assert list((disk.folder / "data").rglob("*.tmp")) == []
    finally:
        server.end(SIGKILL)
        disk.close()
