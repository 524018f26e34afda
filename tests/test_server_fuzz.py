"""Damaged pictures through the intake: the short form of `benchmarks/fuzz.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import fuzz
from diorama.decoder import POSSIBLE

FILES = 135


@pytest.mark.slow
@pytest.mark.skipif(not POSSIBLE, reason="processes can't be forked here")
def test_damaged_pictures_are_scenes_or_errors(tmp_path: Path) -> None:
    found = fuzz.fuzz(range(FILES), tmp_path)
    assert not found.wrong
    assert found.files == FILES
    assert found.answers["a photo"] > FILES // 10
    assert found.answers["of them made a scene"] >= 1


def test_the_same_number_is_the_same_file() -> None:
    pictures = fuzz.seeds()
    assert {"heic", "avif", "jpeg", "png", "webp", "gif", "tiff", "bmp"} <= set(pictures)
    files = [fuzz.mutated(number, pictures) for number in range(60)]
    assert files == [fuzz.mutated(number, pictures) for number in range(60)]
    assert len({data for _, data in files}) > 55
