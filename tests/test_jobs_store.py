"""The store: who may change a job when, and that nobody else's change gets lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.errors import JobError, JobNotFoundError, QueueFullError, StorageError, WorkerDiedError
from diorama.jobs.files import new_id
from diorama.jobs.products import Products
from diorama.jobs.store import Claim, Job, Store, claim_of, error_record
from diorama.jobs.tables import Product

NOBODY = "nobody"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "jobs.db" if request.param == "sqlite" else request.getfixturevalue("migrated")())
    store.create_tables()
    yield store
    store.close()


def add(store: Store, name: str = "cat.png", limit: int = 64, **settings: Any) -> Job:
    return store.add(new_id(), name, name, settings, limit=limit)


def claimed(store: Store, owner: str = "me") -> Claim:
    job = store.claim(owner)
    assert job is not None
    return claim_of(job)


def test_a_new_job_waits_and_is_found_again(store: Store) -> None:
    job = add(store, triangles=5000)
    again = store.get(job.id)
    assert (again.state, again.step, again.settings, again.validated) == ("queued", "original", {"triangles": 5000}, [])
    assert [found.id for found in store.newest(10)] == [job.id]


def test_tables_can_be_made_twice(store: Store) -> None:
    job = add(store)
    store.create_tables()
    assert store.get(job.id).id == job.id


def test_jobs_are_claimed_in_the_order_they_came(store: Store) -> None:
    jobs = [add(store, str(number)) for number in range(3)]
    assert [store.queue_position(job) for job in jobs] == [0, 1, 2]
    assert [claimed(store).job_id for _ in jobs] == [job.id for job in jobs]
    assert store.claim("me") is None
    assert store.queue_length() == 0


def test_a_job_is_claimed_by_one_of_many(store: Store) -> None:
    jobs = [add(store) for _ in range(12)]
    taken: list[str] = []

    def take(owner: str) -> None:
        while (job := store.claim(owner)) is not None:
            taken.append(job.id)

    threads = [threading.Thread(target=take, args=(f"owner-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(job.id for job in jobs)


def test_users_take_turns(store: Store) -> None:
    for user, count in (("anna", 4), ("ben", 2), ("", 1)):
        for number in range(count):
            store.add(new_id(), f"{user}{number}", "cat.png", {}, limit=64, user=user)
    order = []
    while (job := store.claim("me")) is not None:
        order.append(job.name)
    assert order == ["anna0", "ben0", "0", "anna1", "ben1", "anna2", "anna3"]
    for user in ("anna", "ben"):  # who was served last waits, though the other came later
        store.add(new_id(), user, "cat.png", {}, limit=64, user=user)
    assert [store.get(claimed(store).job_id).name for _ in range(2)] == ["ben", "anna"]


@settings(max_examples=12)
@given(st.lists(st.sampled_from(["anna", "ben", "cleo"]), max_size=12), st.integers(0, 4))
def test_the_place_in_the_queue_is_the_order_in_which_jobs_are_claimed(users: list[str], taken: int) -> None:
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        store = Store(Path(folder) / "jobs.db")
        store.create_tables()
        jobs = [store.add(new_id(), user, "cat.png", {}, limit=64, user=user) for user in users]
        done = {job.id for _ in range(taken) if (job := store.claim("me")) is not None}
        left = [job for job in jobs if job.id not in done]
        places = {job.id: store.queue_position(job) for job in left}
        claims = [claimed(store).job_id for _ in left]
        store.close()
    assert claims == sorted(places, key=places.__getitem__)
    assert sorted(places.values()) == list(range(len(left)))


def test_products_and_jobs_share_a_users_turn(store: Store) -> None:
    products = Products(store)
    job = store.add(new_id(), "cat.png", "cat.png", {}, limit=64, user="anna")
    store.finish(claimed(store), {"step": "original"})
    now = time.time()
    wanted = {"job_id": job.id, "product": "glb", "step": "original", "folder": "original-0", "queued_at": now}
    for name in ("one", "two"):
        products.ask(Product(id=name, asked=now, **wanted), limit=9)
    other = store.add(new_id(), "dog.png", "dog.png", {}, limit=64, user="ben")
    assert products.claim("me") is None  # anna had her turn
    assert claimed(store).job_id == other.id
    assert store.claim("me") is None
    first = products.claim("me")
    assert first is not None
    assert first.id == "one"
    assert products.heartbeat("me") == {Claim(job.id, "me", 1, "one")}
    assert products.take_back("another", 60, lambda _owner: False) == 1


def test_the_queue_has_an_end(store: Store) -> None:
    add(store, limit=1)
    with pytest.raises(QueueFullError, match="waiting already"):
        add(store, limit=1)
    with pytest.raises(QueueFullError):
        store.refuse_overflow(1)
    store.refuse_overflow(2)
    assert store.queue_length() == 1


def test_only_the_holder_of_the_claim_may_write(store: Store) -> None:
    job = add(store)
    claim = claimed(store)
    other = Claim(job.id, NOBODY, claim.run)
    older = Claim(job.id, "me", claim.run - 1)
    for wrong in (other, older):
        assert not store.report(wrong, {"fraction": 1})
        assert not store.finish(wrong, {"step": "original"})
        assert not store.fail(wrong, {})
        assert not store.give_back(wrong)
        assert not store.worker_died(wrong)
    assert store.report(claim, {"fraction": 0.5})
    assert store.finish(claim, {"step": "original", "files": []})
    assert not store.report(claim, {"fraction": 0.6})
    assert store.get(job.id).state == "waiting"


def test_every_change_is_counted(store: Store) -> None:
    job = add(store)
    seen = [store.revision(job.id)]
    claim = claimed(store)
    seen.append(store.revision(job.id))
    store.report(claim, {})
    seen.append(store.revision(job.id))
    store.heartbeat("me")
    assert store.revision(job.id) == seen[-1]
    assert seen == sorted(set(seen), key=lambda revision: revision or 0)
    assert store.revision(new_id()) is None


def test_a_heartbeat_names_what_is_held(store: Store) -> None:
    add(store)
    claim = claimed(store)
    assert store.heartbeat("me") == {claim}
    store.delete(claim.job_id)
    assert store.heartbeat("me") == set()


def test_a_job_given_back_keeps_its_place(store: Store) -> None:
    first, _ = add(store), add(store)
    store.give_back(claimed(store))
    assert claimed(store).job_id == first.id


def test_jobs_of_dead_or_silent_owners_are_queued_again(store: Store) -> None:
    dead, silent, alive = add(store), add(store), add(store)
    claimed(store, "dead")
    claimed(store, "silent")
    with store._write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET heartbeat = heartbeat - 1000 WHERE owner = 'silent'")
    claimed(store, "alive")
    assert store.take_back("me", 60, lambda owner: owner != "dead") == 2
    assert [store.get(job.id).state for job in (dead, silent, alive)] == ["queued", "queued", "running"]
    assert store.take_back("alive", 60, lambda _owner: False) == 0  # never one's own


def test_a_worker_may_die_once(store: Store) -> None:
    job = add(store)
    assert store.worker_died(claimed(store))
    assert store.get(job.id).state == "queued"
    assert store.worker_died(claimed(store))
    failed = store.get(job.id)
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error["code"] == WorkerDiedError("", hint="").code
    assert failed.error["detail"].endswith(".")
    assert failed.error["hint"].endswith(".")


def test_running_again_gives_a_worker_another_chance(store: Store) -> None:
    job = add(store)
    for _ in range(2):
        store.worker_died(claimed(store))
    store.rerun(job.id, "original", {}, validated=[], limit=9)
    assert store.get(job.id).error is None
    store.worker_died(claimed(store))
    assert store.get(job.id).state == "queued"


def test_validating_the_last_step_ends_the_job(store: Store) -> None:
    job = add(store)
    with pytest.raises(JobError, match="queued"):
        store.validate(job.id, "original", None)
    store.finish(claimed(store), {"step": "original"})
    with pytest.raises(JobError):
        store.validate(job.id, "final", None)
    done = store.validate(job.id, "original", None)
    assert (done.state, done.step, done.validated) == ("done", "original", ["original"])
    with pytest.raises(JobError, match="done"):
        store.validate(job.id, "original", None)


def test_validating_a_step_starts_the_next(store: Store) -> None:
    job = add(store)
    store.finish(claimed(store), {"step": "original"})
    following = store.validate(job.id, "original", "enhanced")
    assert (following.state, following.step, following.validated) == ("queued", "enhanced", ["original"])
    assert following.result == {"step": "original"}
    store.finish(claimed(store), {"step": "enhanced"})
    made = store.get(job.id)
    assert made.result == {"step": "enhanced"}
    assert made.results == {"original": {"step": "original"}, "enhanced": {"step": "enhanced"}}


def test_running_again_keeps_what_was_made_until_the_new_is_there(store: Store) -> None:
    job = add(store)
    with pytest.raises(JobError, match="queued"):
        store.rerun(job.id, "original", {}, validated=[], limit=9)
    claim = claimed(store)
    with pytest.raises(JobError, match="running"):
        store.rerun(job.id, "original", {}, validated=[], limit=9)
    old = {"step": "original", "files": ["old"]}
    store.finish(claim, old)
    again = store.rerun(job.id, "original", {"triangles": 1000}, validated=[], limit=9)
    assert (again.state, again.settings, again.result) == ("queued", {"triangles": 1000}, old)
    store.fail(claimed(store), {"code": "photo"})
    assert store.get(job.id).result == old
    with pytest.raises(QueueFullError):
        store.rerun(job.id, "original", {}, validated=[], limit=0)
    assert store.get(job.id).state == "failed"


def test_a_deleted_job_is_nowhere(store: Store) -> None:
    job = add(store)
    store.delete(job.id)
    actions = (
        lambda: store.get(job.id),
        lambda: store.delete(job.id),
        lambda: store.validate(job.id, "original", None),
        lambda: store.rerun(job.id, "original", {}, validated=[], limit=9),
    )
    for action in actions:
        with pytest.raises(JobNotFoundError):
            action()


def test_usual_times_are_medians_of_what_was_really_made(store: Store) -> None:
    for seconds, reused, size in ((1.0, False, 128), (9.0, True, 128), (3.0, False, 128), (50.0, False, 4096)):
        add(store, processing_size=size)
        claim = claimed(store)
        stage = {"name": "depth", "state": "done", "reused": reused, "seconds": seconds}
        stages = [stage, {**stage, "name": "mesh", "state": "pending"}]
        store.finish(claim, {"step": "original", "stages": stages, "settings": {"processing_size": size}})
    assert store.typical_seconds("original", 128) == {"depth": 2.0}
    assert store.typical_seconds("enhanced", 128) == {}
    assert store.typical_seconds("original", 1536) == {}


def test_an_error_record_says_all_that_the_page_shows() -> None:
    record = error_record(StorageError("The disk is full.", hint="Free some space."))
    assert record == {"code": "storage", "status": 507, "detail": "The disk is full.", "hint": "Free some space."}


def test_a_store_that_can_not_be_used_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "no folder" / "jobs.db")
    with pytest.raises(StorageError, match="can't be used"):
        store.create_tables()
    damaged = tmp_path / "jobs.db"
    damaged.write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError, match="not a database"):
        Store(damaged).create_tables()


def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    job = add(store)
    with store._write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET name = 'half'")
        start = time.perf_counter()
        assert store.get(job.id).name == "cat.png"
        assert time.perf_counter() - start < 1


@pytest.mark.parametrize("name", ["plain", "with ?#%&=@: in it", "写真"])
def test_any_path_and_a_url_lead_to_the_same_store(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    store = Store(folder / "jobs.db")
    store.create_tables()
    job = add(store)
    store.close()
    assert (folder / "jobs.db").is_file()
    again = Store(store.url)
    assert again.get(job.id).id == job.id
    again.close()


def test_edits_are_kept_and_an_outdated_request_is_refused(store: Store) -> None:
    job = add(store)
    store.finish(claimed(store), {"step": "original"})
    seen = store.get(job.id).revision
    again = store.rerun(job.id, "original", {}, validated=[], limit=9, edits={"key": []}, seen=seen)
    assert again.edits == {"key": []}
    store.finish(claimed(store), {"step": "original"})
    with pytest.raises(JobError, match="meantime"):
        store.rerun(job.id, "original", {}, validated=[], limit=9, seen=seen)
    assert store.rerun(job.id, "original", {}, validated=[], limit=9).edits == {"key": []}
