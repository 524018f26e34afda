"""One heap for a process that makes scenes (`diorama.memory`)."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from diorama import memory

PROGRAM = """
import resource
import numpy as np
import pytest

from diorama import memory

memory.share()

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(64 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first, second = faults(), faults()
print(memory.is_shared(), first, second)
"""


RELEASED = """
from pathlib import Path
import numpy as np

from diorama import memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

memory.share()
kept = []
for mebibytes in (300, 600):
    pieces = [np.ones(1 << 20, np.uint8) for _ in range(mebibytes)]
    kept.append(np.ones(100, np.uint8))  # above them, so that the heap can't end before it
    del pieces
    before = resident()
    memory.release()
    print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap of glibc")
def test_much_free_memory_is_given_back_and_a_little_kept() -> None:
    words = subprocess.run([sys.executable, "-c", RELEASED], capture_output=True, text=True, check=True).stdout.split()
    kept, given_back = map(int, words)
    assert kept < 8
    assert given_back > 500


def test_large_arrays_take_the_pages_of_those_before_them() -> None:
    words = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout.split()
    shared, first, second = words[0] == "True", int(words[1]), int(words[2])
    assert shared == (platform.libc_ver()[0] == "glibc")
    if shared:
        assert second < 16 < first  # 16,384 pages of 4 KiB, 32 of 2 MiB


def test_nothing_changes_on_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(memory, "_shared", False)
    memory.share()
    assert not memory.is_shared()


EASED = """
from pathlib import Path
import numpy as np

from diorama import memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

memory.share()
for large in (1 << 40, 64 << 20):
    memory.LARGE = large
    for mebibytes in (64, 300):
        pieces = [np.ones(1 << 20, np.uint8) for _ in range(mebibytes)]
        kept = np.ones(100, np.uint8)  # above them, so that the heap can't end before it
        del pieces
        before = resident()
        memory.ease()
        print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap of glibc")
def test_only_a_large_process_gives_back_within_a_step_and_only_much() -> None:
    words = subprocess.run([sys.executable, "-c", EASED], capture_output=True, text=True, check=True).stdout.split()
    small, large = [int(word) for word in words[:2]], [int(word) for word in words[2:]]
    assert max(small) < 8
    assert large[1] > 250
