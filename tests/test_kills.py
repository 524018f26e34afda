"""The server killed at random moments, briefly: `benchmarks/kills.py` does it thirty times."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import kills


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_server_killed_at_any_moment_loses_no_job_and_serves_no_half_file(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environment = {} if kind == "sqlite" else {"DIORAMA_DATABASE": request.getfixturevalue("migrated")()}
    record = kills.run(tmp_path / "data", 2, seed=1, environment=environment, at_once=1, latest=4)
    assert record.wrong == []
    assert record.kills == 2
    assert set(record.jobs.values()) == {"finished"}
    assert record.files


@pytest.mark.parametrize(
    ("data", "url", "size"),
    [
        (b"glTF\x02\0\0\0\x20\0\0\0", "scene.glb", 12),
        (b"half", "scene.glb", 8),
        (b"PK\x03\x04 torn", "scene.obj.zip", 9),
        (b"\xff\xd8\xff torn", "photo.jpg", 8),
        (b"[1, 2", "segments.json", 5),
    ],
)
def test_half_a_file_is_noticed(data: bytes, url: str, size: int) -> None:
    assert kills.damage(kills.httpx.Response(200, content=data), url, size)
