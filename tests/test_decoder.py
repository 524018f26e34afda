"""Photos read in a process of their own: the same photos, and files that crash, hang, swell or write fail alone."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import bad_inputs
from diorama import photo
from diorama.decoder import POSSIBLE, Decoder
from diorama.errors import PhotoError, PhotoTooLargeError
from diorama.settings import Settings

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="processes can't be forked here")

Make = Callable[..., Decoder]


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    made = Decoder()
    yield made
    made.close()


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes decoders with a reader of `odd_readers`."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    made: list[Decoder] = []

    def make(name: str, **limits: float) -> Decoder:
        made.append(Decoder(reader=f"odd_readers:{name}", **limits))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return bad_inputs.write(bad_inputs.named("bmp"), tmp_path)


@pytest.mark.parametrize("bad", bad_inputs.corpus(), ids=lambda bad: bad.name)
def test_it_reads_what_photo_reads(decoder: Decoder, bad: bad_inputs.BadInput, tmp_path: Path) -> None:
    path = bad_inputs.write(bad, tmp_path)
    settings = Settings(fov=70)
    if not bad.makes_scene:
        with pytest.raises(PhotoError) as here:
            photo.read(path, settings)
        with pytest.raises(here.type) as caught:
            decoder.read(path, settings)
        assert (caught.value.message, caught.value.hint) == (here.value.message, here.value.hint)
        return
    wanted = photo.read(path, settings)
    found = decoder.read(path, settings)
    for field in dataclasses.fields(wanted):
        one, other = getattr(wanted, field.name), getattr(found, field.name)
        if isinstance(one, np.ndarray):
            assert np.array_equal(one, other)
            assert one.flags.writeable == other.flags.writeable
        elif field.name != "embedded":
            assert one == other, field.name


@pytest.mark.parametrize(("reader", "said"), [("crash", "SIGSEGV"), ("leave", "exit 3"), ("fail", "exit 1")])
def test_a_crash_is_an_error_of_that_photo(odd: Make, file: Path, reader: str, said: str) -> None:
    decoder = odd(reader)
    for _ in range(2):
        with pytest.raises(PhotoError, match=f"crash.*{said}") as caught:
            decoder.read(file, Settings())
        assert caught.value.hint


def test_after_a_crash_the_next_photo_is_read(odd: Make, file: Path) -> None:
    decoder = odd("by_name")
    bad = file.with_name("crash.bmp")
    bad.write_bytes(file.read_bytes())
    for _ in range(2):
        with pytest.raises(PhotoError):
            decoder.read(bad, Settings())
        assert decoder.read(file, Settings()).name == file.name


@pytest.mark.parametrize(
    ("reader", "limits"),
    [("burn", {"cpu_seconds": 1}), ("hang", {"wall_seconds": 0.5})],
    ids=["seconds of the processor", "seconds of the clock"],
)
def test_time_is_limited(odd: Make, file: Path, reader: str, limits: dict[str, float]) -> None:
    decoder = odd(reader, **limits)
    decoder.start()
    start = time.monotonic()
    with pytest.raises(PhotoError, match="too long"):
        decoder.read(file, Settings())
    assert time.monotonic() - start < 30


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system takes no limit of memory")
def test_memory_is_limited(odd: Make, file: Path) -> None:
    with pytest.raises(PhotoTooLargeError, match="memory"):
        odd("swell", memory=200 << 20).read(file, Settings())


def test_files_are_limited(odd: Make, file: Path) -> None:
    with pytest.raises(PhotoError, match="refused: File too large"):
        odd("write").read(file, Settings())
    with pytest.raises(PhotoError, match="refused: Too many open files"):
        odd("hoard").read(file, Settings())


def test_it_knows_no_secret(odd: Make, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DIORAMA_TOKEN", "DIORAMA_TOKENS", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x" * 30)
    with pytest.raises(PhotoError) as caught:
        odd("environment").read(file, Settings())
    names = caught.value.message.split()
    assert "PATH" in names
    assert not [name for name in names if "TOKEN" in name or "KEY" in name]


def test_a_child_that_was_killed_is_replaced(decoder: Decoder, file: Path) -> None:
    decoder.read(file, Settings())
    assert decoder._parent is not None
    os.kill(decoder._parent.pid, 9)
    decoder._parent.wait()
    assert decoder.read(file, Settings()).name == file.name
