"""Products over HTTP: what can be made of a step, making it, its file, cancelling, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import waiting
from diorama import export
from diorama.jobs import products as rows
from diorama.jobs.products import Products, Row
from diorama.jobs.runner import Runner
from diorama.jobs.store import Claim
from diorama.products import Options, Product, ProductProgress, option
from diorama.server import create_app
from diorama.server.context import Context
from diorama.types import Scene
from test_server_enhanced import JOBS, original, refused
from workplace import Workplace

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    app = create_app(tmp_path_factory.mktemp("data"), slots=1, fetch=False)
    with TestClient(app, base_url="http://127.0.0.1:5000", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def job(client: TestClient) -> dict[str, Any]:
    """A job that waits at step "original"; tests leave it so."""
    return original(client)


def ask(client: TestClient, job: dict[str, Any], product: str, **options: Any) -> Any:
    body = {"step": "original", "product": product, "options": options}
    return client.post(f"{JOBS}/{job['id']}/products", json=body)


def made(client: TestClient, job: dict[str, Any], product_id: str, seconds: float = waiting.PATIENCE) -> dict[str, Any]:
    return waiting.finished(client, f"{JOBS}/{job['id']}/products/{product_id}", seconds)


def test_what_can_be_made_is_listed_with_its_options(client: TestClient, job: dict[str, Any]) -> None:
    found = client.get(f"{JOBS}/{job['id']}/products").json()
    assert found["step"] == "original"
    by_name = {one["name"]: one for one in found["available"]}
    assert set(by_name) == {name for name, product in export.PRODUCTS.items() if not product.several}
    for one in by_name.values():
        jsonschema.Draft202012Validator.check_schema(one["options"])
        assert one["label"]
        assert one["about"].endswith(".")
        assert one["ready"] == (one["needs"] == "original")
        for field in one["options"].get("properties", {}).values():
            assert {"label", "description", "default", "unit", "slider"} <= set(field)
    assert not by_name["coco.json"]["ready"]


def test_a_product_is_made_once_and_downloaded(client: TestClient, job: dict[str, Any]) -> None:
    answer = ask(client, job, "npy")
    assert answer.status_code == 202
    asked = answer.json()
    assert asked["url"] is None or asked["state"] == "done"
    found = made(client, job, asked["id"])
    assert (found["state"], found["error"], found["fraction"]) == ("done", None, 1.0)
    file = client.get(found["url"])
    assert file.status_code == 200
    assert len(file.content) == found["bytes"]
    assert file.content.startswith(b"\x93NUMPY")
    assert file.headers["content-disposition"].startswith("attachment")
    assert found["name"] == "cup.npy"
    assert file.headers["x-content-type-options"] == "nosniff"
    tag = file.headers["etag"]
    assert client.get(found["url"], headers={"If-None-Match": tag}).status_code == 304
    again = ask(client, job, "npy").json()
    assert (again["id"], again["state"]) == (asked["id"], "done")
    listed = client.get(f"{JOBS}/{job['id']}/products", params={"step": "original"}).json()["made"]
    assert [one["id"] for one in listed] == [asked["id"]]
    assert client.delete(f"{JOBS}/{job['id']}/products/{asked['id']}").status_code == 204
    refused(client.get(found["url"]), 404, "job-not-found")
    assert client.get(f"{JOBS}/{job['id']}/products").json()["made"] == []


def test_what_can_not_be_made_is_refused_with_a_hint(client: TestClient, job: dict[str, Any]) -> None:
    refused(ask(client, job, "dwg"), 422, "format")
    refused(ask(client, job, "coco.json"), 422, "format")
    refused(ask(client, job, "npy", colour="red"), 422, "settings")
    path = f"{JOBS}/{job['id']}/products"
    refused(client.post(path, json={"step": "final", "product": "npy"}), 409, "job")
    refused(client.get(path, params={"step": "final"}), 409, "job")
    refused(client.get(f"{path}/{'0' * 22}"), 404, "job-not-found")
    refused(client.delete(f"{path}/{'0' * 22}"), 404, "job-not-found")
    refused(client.get(f"{JOBS}/{'0' * 22}/products"), 404, "job-not-found")
    refused(client.post(path, json={"step": "original", "product": "npy"}, headers={"Origin": "http://evil"}), 403,
            "cross-origin")  # fmt: skip


def test_a_failure_is_told_and_tried_again(client: TestClient, job: dict[str, Any]) -> None:
    context: Context = client.app.state.context  # type: ignore[attr-defined]
    result = context.store.get(job["id"]).results["original"]  # type: ignore[index]
    scene = context.data.job(job["id"]).outputs / result["folder"] / "scene.diorama"
    hidden = scene.with_name("hidden")
    scene.rename(hidden)
    try:
        found = made(client, job, ask(client, job, "pfm").json()["id"])
    finally:
        hidden.rename(scene)
    assert found["state"] == "failed"
    assert found["error"]["code"] == "job"
    assert found["error"]["hint"].startswith("Run the step again")
    refused(client.get(f"{JOBS}/{job['id']}/products/{found['id']}/file"), 409, "job")
    assert made(client, job, ask(client, job, "pfm").json()["id"])["state"] == "done"


def test_products_go_with_their_job(client: TestClient) -> None:
    job = original(client)
    context: Context = client.app.state.context  # type: ignore[attr-defined]
    found = made(client, job, ask(client, job, "depth.png").json()["id"])
    assert context.data.job(job["id"]).product(found["id"]).is_dir()
    assert client.delete(f"{JOBS}/{job['id']}").status_code == 204
    assert not context.data.job(job["id"]).path.exists()
    assert not context.products.of_job(job["id"])


# ---- the table -------------------------------------------------------------------------------------------------


def row(job_id: str, number: int, **values: Any) -> Row:
    return Row(
        **{
            "job_id": job_id, "id": f"{number:022}", "product": "npy", "step": "original", "folder": "original-0",
            "options": {}, "asked": float(number), "queued_at": float(number), **values,
        }
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    place = Workplace(tmp_path / "data")
    yield place
    place.store.close()


def test_a_dead_servers_work_is_taken_up_and_a_second_death_is_told(place: Workplace) -> None:
    table = Products(place.store)
    table.ask(row("j", 1), limit=9)
    first = table.claim("dead")
    assert first is not None
    claim = rows.claim_of(first)
    assert table.claim("me") is None
    assert table.heartbeat("dead") == {claim}
    assert table.take_back("me", 60, lambda _: False) == 1
    assert not table.report(claim, 0.5, "late"), "the claim is gone"
    for state in ("queued", "failed"):
        again = table.claim("me")
        assert again is not None
        assert table.report(rows.claim_of(again), 0.5, "half")
        assert table.worker_died(rows.claim_of(again))
        assert table.get("j", first.id).state == state
    assert "stopped twice" in str((table.get("j", first.id).error or {})["detail"])


def test_jobs_that_wait_longer_come_first(place: Workplace) -> None:
    table = Products(place.store)
    job_id = place.add()
    table.ask(row("j", 1, queued_at=time.time() + 60), limit=9)
    assert table.claim("me") is None
    place.store.delete(job_id)
    assert table.claim("me") is not None


def test_what_a_job_keeps_is_bounded(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Products(place.store)
    monkeypatch.setattr(rows, "KEPT_PRODUCTS", 3)
    monkeypatch.setattr(rows, "KEPT_BYTES", 100)
    for number in range(5):
        table.ask(row("j", number), limit=9)
        taken = table.claim("me")
        assert taken is not None
        table.finish(rows.claim_of(taken), {"file": "a.npy", "bytes": 40, "notes": []})
    assert sorted(table.surplus("j")) == [f"{number:022}" for number in range(3)]
    assert [kept.id for kept in table.of_job("j")] == [f"{number:022}" for number in (4, 3)]
    assert table.surplus("other") == []


def test_the_queue_is_bounded(place: Workplace) -> None:
    from diorama.errors import QueueFullError

    table = Products(place.store)
    for number in range(2):
        table.ask(row("j", number), limit=2)
    with pytest.raises(QueueFullError, match="2 files wait"):
        table.ask(row("j", 3), limit=2)
    assert table.ask(row("j", 1), limit=2).state == "queued", "the same again takes no place"


def test_the_runner_lets_go_of_a_product_that_was_deleted(place: Workplace) -> None:
    runner = Runner(place.store, place.data, slots=1)
    job_id = place.add()
    runner.products.ask(row(job_id, 1, queued_at=0.0), limit=9)
    task = runner.take()
    assert task is not None
    assert task.claim == Claim(job_id, runner.owner.name, 1, f"{1:022}")
    folder = place.data.job(job_id).product(task.claim.product)
    folder.mkdir(parents=True)
    runner.clear_away(task.claim)
    assert folder.exists()
    runner.products.forget(job_id)
    runner.clear_away(task.claim)
    assert not folder.exists()
    # Of a job that is gone there is nothing to make.
    runner.products.ask(row(job_id, 2, queued_at=0.0), limit=9)
    place.store.delete(job_id)
    assert runner.take() is None
    assert not runner.products.of_job(job_id)


# ---- the table of formats --------------------------------------------------------------------------------------


class Sized(Options):
    width: float = option(80, label="Width", why="How wide it is.", unit="mm", ge=10, le=400)


def test_options_and_extras_are_checked_before_anything_is_made(tmp_path: Path) -> None:
    from diorama.errors import FormatError, SettingsError
    from scenes import tiny_scene

    calls: list[float] = []

    def make(_scene: Scene, _path: Path, options: Sized, _progress: ProductProgress) -> tuple[str, ...]:
        calls.append(options.width)
        return ("It is wide.",)

    one = Product("one", "One", "x/y", make, Sized)
    assert one.write(tiny_scene(), tmp_path / "a.one", one.parse({"width": 90})) == ("It is wide.",)
    assert calls == [90]
    with pytest.raises(SettingsError, match="Option 'width' can't be 5") as caught:
        one.parse({"width": 5})
    assert caught.value.hint == "Give a value from 10 to 400 mm; the default is 80."
    with pytest.raises(SettingsError, match="no option named 'height'"):
        one.parse({"height": 5})
    absent = Product("two", "Two", "x/y", make, extra="usd", module="no_such_module_of_ours")
    with pytest.raises(FormatError, match="isn't installed") as missing:
        absent.write(tiny_scene(), tmp_path / "a.two")
    assert "pip install 'diorama-3d[usd]'" in missing.value.hint
    late = Product("three", "Three", "x/y", make, needs="final")
    with pytest.raises(FormatError, match="ends with the step 'original'"):
        late.write(tiny_scene(), tmp_path / "a.three")
    assert calls == [90]
