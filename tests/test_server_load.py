"""Many clients at once: the short form of `benchmarks/load.py`."""

from __future__ import annotations

import sys

import pytest

from benchmarks import load


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_nothing_breaks_under_load() -> None:
    seen, before, after = load.against_own_server(4, 25)
    assert seen.broken == 0
    assert {"state", "file", "upload", "nonsense"} <= set(seen.seconds)
    assert len(seen.seconds["state"]) > 15
    assert set(seen.answers["state"]) == {200}
    assert after[0] - before[0] < load.GROWTH_BYTES
    assert not seen.failed
