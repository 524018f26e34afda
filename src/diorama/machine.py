"""What the machine has: memory, cores, room on a disk. Numbers of the container where one holds this process."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


def memory() -> tuple[int | None, int | None]:
    """Bytes that there are and that are free to be taken; None where the system doesn't say."""
    if sys.platform == "win32":
        return _windows_memory()
    facts = _meminfo()
    total = facts.get("MemTotal") or _posix_memory()
    free = facts.get("MemAvailable")
    limit, used = _number(CGROUP / "memory.max"), _number(CGROUP / "memory.current")
    if limit is not None and (total is None or limit < total):
        left = limit - used if used is not None else limit
        total, free = limit, left if free is None else min(free, left)
    return total, free


def cores() -> int:
    """Cores that this process may use."""
    try:
        found = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        found = os.cpu_count() or 1
    quota = _text(CGROUP / "cpu.max").split()
    if len(quota) == 2 and all(part.isdecimal() for part in quota) and int(quota[1]):
        found = min(found, max(1, round(int(quota[0]) / int(quota[1]))))
    return found


def free_space(folder: Path) -> int | None:
    """Bytes free on the disk that holds a folder, or would hold it; None where the system doesn't say."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None


def folder_size(folder: Path) -> int:
    """Bytes of all files in a folder; links are not followed."""
    total = 0
    for place, _, names in os.walk(folder, onerror=lambda _error: None):
        for name in names:
            try:
                total += os.lstat(Path(place, name)).st_size
            except OSError:
                continue  # it went away meanwhile
    return total


def _meminfo() -> dict[str, int]:
    facts = {}
    for line in _text(MEMINFO).splitlines():
        name, _, value = line.partition(":")
        number = value.split()[:1]
        if number and number[0].isdecimal():
            facts[name] = int(number[0]) * 1024
    return facts


def _posix_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _windows_memory() -> tuple[int | None, int | None]:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *(
                (name, ctypes.c_ulonglong)
                for name in ("total", "free", "page", "page_free", "space", "space_free", "x")
            ),
        ]

    status = Status()
    status.length = ctypes.sizeof(Status)
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # type: ignore[attr-defined,unused-ignore]
        return None, None
    return int(status.total), int(status.free)


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
