"""The cache of finished files: bounded, checked, shared."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from diorama import cache
from diorama.cache import Cache, parse_size
from diorama.cli import app
from diorama.errors import SettingsError, StorageError


def keep(kept: Cache, key: str, size: int, folder: Path) -> None:
    (folder / "source").write_bytes(key.encode() * size)
    kept.put(key, {"a.bin": folder / "source"}, {"key": key})


def take(kept: Cache, key: str, folder: Path) -> bytes | None:
    (folder / "into").mkdir(exist_ok=True)
    note = kept.get(key, folder / "into")
    if note is None:
        assert not list((folder / "into").iterdir())
        return None
    assert note == {"key": key}
    data = (folder / "into" / "a.bin").read_bytes()
    (folder / "into" / "a.bin").unlink()
    return data


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=40), st.integers(500, 3000))
def test_it_keeps_what_was_used_last_within_its_limit(steps: list[tuple[str, bool]], limit: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, moment = Path(name), 1_000_000
        kept = Cache(folder / "kept")
        kept.set_limit(limit)
        order: list[str] = []
        for key, puts in steps:
            if puts:
                keep(kept, key, 100, folder)
            found = take(kept, key, folder)
            assert found in (None, key.encode() * 100)
            assert (found is None) == (not kept._entry(key).exists())
            if found is not None:
                order = [*(one for one in order if one != key), key]
                moment += 1
                os.utime(kept._entry(key) / cache.RECORD, (moment, moment))
            assert kept.used().bytes <= limit
            there = [one for one in order if kept._entry(one).exists()]
            assert there == order[len(order) - len(there) :]  # the last used ones
            order = there


def test_damage_is_found_and_removed(tmp_path: Path) -> None:
    kept = Cache(tmp_path / "kept")
    for key, damage in (("1a", b"other"), ("2b", None)):
        keep(kept, key, 10, tmp_path)
        file = kept._entry(key) / "a.bin"
        file.write_bytes(damage) if damage else file.unlink()
        assert take(kept, key, tmp_path) is None
        keep(kept, key, 10, tmp_path)
    assert take(kept, "1a", tmp_path) == b"1a" * 10
    (kept._entry("1a") / cache.RECORD).write_text("[]")
    assert take(kept, "1a", tmp_path) is None
    (kept.root / "limit.json").write_text("no JSON")
    assert kept.limit == cache.DEFAULT_LIMIT


def test_what_is_larger_than_all_room_is_not_kept(tmp_path: Path) -> None:
    kept = Cache(tmp_path / "kept")
    kept.set_limit(100)
    keep(kept, "ab", 1000, tmp_path)
    assert kept.used().entries == 0
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        keep(Cache(tmp_path / "file" / "below"), "ab", 1, tmp_path)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("20GB", 20 * 10**9), ("1.5 mb", 1_500_000), (" 7 k ", None), ("-1GB", None), ("", None)],
)
def test_sizes(text: str, size: int | None) -> None:
    if size is None:
        with pytest.raises(SettingsError):
            parse_size(text)
    else:
        assert parse_size(text) == size


def test_the_command(tmp_path: Path) -> None:
    keep(Cache(), "ab", 100, tmp_path)
    run = CliRunner().invoke

    def values(*words: str) -> dict[str, int]:
        done = run(app, ["cache", *words, "--json"])
        assert done.exit_code == 0, done.output
        found: dict[str, int] = json.loads(done.stdout)
        return found

    assert values("show")["entries"] == 1
    assert values("limit", "5 GB")["limit"] == 5 * 10**9
    assert "1 results of batches" in run(app, ["cache", "show"]).stdout
    assert values("clear")["removed"] == 1
    assert values("show")["entries"] == 0
    assert run(app, ["cache", "limit", "lots"]).exit_code == 2
