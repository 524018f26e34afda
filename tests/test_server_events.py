"""Server-sent events: the job at once, at every change, and an end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from diorama.jobs.store import Job, claim_of
from diorama.server import create_app, events
from diorama.server.context import Context
from workplace import RESULT, Workplace

ADDRESS = "http://127.0.0.1:5000"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(events, "QUEUE_SECONDS", 0.05)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    place = Workplace(tmp_path / "data")
    yield place
    place.store.close()


@pytest.fixture
def context(place: Workplace) -> Context:
    """A server's context whose runner is not started: the test is the worker."""
    found: Context = create_app(place.data.root, fetch=False).state.context
    return found


def follow(context: Context, job_id: str, closing: Callable[[], bool] = lambda: False) -> AsyncIterator[str]:
    return events.changes(context.revisions, job_id, lambda: context.view(context.store.get(job_id)), closing)


async def next_job(stream: AsyncIterator[str]) -> dict[str, Any]:
    """The next job in the stream."""
    async with asyncio.timeout(10):
        async for text in stream:
            if text.startswith("id: "):
                number, kind, data, end, _ = text.split("\n")
                assert number.removeprefix("id: ").isdigit()
                assert (kind, end) == ("event: job", "")
                return dict(json.loads(data.removeprefix("data: ")))
    raise AssertionError("the stream has ended")


async def rest(stream: AsyncIterator[str]) -> list[str]:
    async with asyncio.timeout(10):
        return [text async for text in stream]


def claim(place: Workplace) -> Job:
    job = place.store.claim("test")
    assert job is not None
    return job


def test_the_stream_tells_the_whole_way_and_ends(place: Workplace, context: Context) -> None:
    async def watch() -> None:
        first, second = place.add(), place.add()
        stream = follow(context, second)
        assert (await anext(stream)).startswith("retry: ")
        now = await next_job(stream)
        assert (now["state"], now["queue_position"]) == ("queued", 1)
        # It moves up without changing itself.
        place.store.fail(claim_of(claim(place)), {"code": "photo", "status": 422, "detail": "No.", "hint": "Yes."})
        now = await next_job(stream)
        assert (now["state"], now["queue_position"]) == ("queued", 0)
        held = claim_of(claim(place))
        now = await next_job(stream)
        assert (now["state"], now["message"], now["fraction"]) == ("running", "Starting", 0)
        progress = {"stage": "depth", "message": "Estimating depth", "fraction": 0.4, "ends": time.time() + 9}
        place.store.report(held, progress)
        now = await next_job(stream)
        assert (now["stage"], now["message"], now["fraction"]) == ("depth", "Estimating depth", 0.4)
        assert 5 < now["seconds_left"] <= 9
        place.store.report(held, {**progress, "ends": time.time() - 9})
        assert (await next_job(stream))["seconds_left"] is None
        place.store.finish(held, RESULT)
        assert (await next_job(stream))["state"] == "waiting"
        assert await rest(stream) == []
        assert (await next_job(follow(context, first)))["error"]["detail"] == "No."

    asyncio.run(watch())


def test_many_who_follow_are_one_question(place: Workplace, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(events, "QUEUE_SECONDS", 60)
    asked: list[list[str]] = []
    revisions = context.store.revisions

    def counted(job_ids: Collection[str]) -> dict[str, int]:
        asked.append(sorted(job_ids))
        return revisions(job_ids)

    monkeypatch.setattr(context.store, "revisions", counted)

    async def watch() -> None:
        jobs = sorted(place.add() for _ in range(3))
        streams = [follow(context, job, lambda: context.closing) for job in jobs * 10]
        assert [(await next_job(stream))["id"] for stream in streams] == jobs * 10
        asked.clear()
        ended = [asyncio.create_task(rest(stream)) for stream in streams]
        await asyncio.sleep(0.55)
        assert 1 <= len(asked) <= 12  # not 30 every time
        assert all(ids == jobs for ids in asked)
        context.closing = True
        await asyncio.gather(*ended)
        assert not context.revisions._followed

    asyncio.run(watch())


def test_a_deleted_job_ends_the_stream(place: Workplace, context: Context) -> None:
    async def watch() -> None:
        job_id = place.add()
        stream = follow(context, job_id)
        await next_job(stream)
        place.store.delete(job_id)
        assert await rest(stream) == ["event: deleted\ndata: {}\n\n"]

    asyncio.run(watch())


def test_a_server_that_closes_ends_the_stream(place: Workplace, context: Context) -> None:
    async def watch() -> None:
        stream = follow(context, place.add(), lambda: context.closing)
        await next_job(stream)
        context.closing = True
        assert await rest(stream) == []

    asyncio.run(watch())


def test_silence_is_broken_by_comments(place: Workplace, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "COMMENT_SECONDS", 0.02)

    async def watch() -> None:
        stream = follow(context, place.add())
        await next_job(stream)
        async with asyncio.timeout(10):
            assert await anext(stream) == ": still here\n\n"

    asyncio.run(watch())


@pytest.fixture
def client(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A server that works on nothing."""
    monkeypatch.setattr("diorama.jobs.runner.Runner.start", lambda _self: None)
    monkeypatch.setattr("diorama.jobs.runner.Runner.stop", lambda _self: None)
    with TestClient(create_app(place.data.root, fetch=False), base_url=ADDRESS) as client:
        yield client


def test_over_http(place: Workplace, client: TestClient) -> None:
    job_id = place.add()
    place.store.finish(claim_of(claim(place)), RESULT)
    url = f"/api/v1/jobs/{job_id}/events"
    answer = client.get(url)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    retry, event, end = answer.text.split("\n\n")
    assert (retry, end) == ("retry: 2000", "")
    number = event.split("\n")[0].removeprefix("id: ")
    # A browser that comes back after the end is told not to.
    assert client.get(url, headers={"Last-Event-ID": number}).status_code == 204
    assert client.get(url, headers={"Last-Event-ID": "0"}).status_code == 200
