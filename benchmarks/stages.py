"""Seconds and peak memory by stage, for photos of several sizes.

    python benchmarks/stages.py                       1, 4 and 12 megapixels
    python benchmarks/stages.py --megapixels 24

A real photo (scikit-image's coffee unless ``--photo`` names another) is resampled to each size and written as a JPEG;
each size runs in a process of its own. Before the clock starts a tiny photo goes through the same stages, so that
imports and compilation are counted once, in the row "start", and not in the stages.

Memory is resident memory at its peak while the stage ran, the interpreter and libraries included; where the system
can't reset that figure (all but Linux) it is the highest one until the stage's end. Geometry is worked on at the
processing size (1536 px unless settings say otherwise): beyond 2 megapixels only reading, texture and files grow.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

MEGAPIXELS = (1.0, 4.0, 12.0)

Measured = dict[str, tuple[float, float]]
"""Of each row: seconds, MiB."""


def _reset_peak() -> None:
    with contextlib.suppress(OSError):  # the peak then is the highest so far
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_mib() -> float:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return next(float(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource  # Windows has none

        unit = 1 << 20 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


class Meter:
    """Notes seconds and peak memory of one row after the other."""

    def __init__(self) -> None:
        self.rows: Measured = {}
        self._start = 0.0

    def begin(self) -> None:
        _reset_peak()
        self._start = time.perf_counter()

    def end(self, row: str) -> None:
        self.rows[row] = time.perf_counter() - self._start, _peak_mib()

    def measure(self, row: str, work: Callable[[], object]) -> None:
        self.begin()
        work()
        self.end(row)

    def progress(self, stage: str, share: float, _message: str) -> None:
        """To be given to `make`: each stage is a row."""
        if share == 0.0 and stage not in self.rows:
            self.begin()
        elif share == 1.0:
            self.end(stage)


def run_one(photo: Path) -> Measured:
    """All stages for one photo, in this process."""
    meter = Meter()
    begun = time.perf_counter()
    from diorama.pipeline import make
    from diorama.render import render
    from diorama.types import Scene

    with tempfile.TemporaryDirectory() as folder:
        small = make(_tiny(), until="original", fetch=False)
        small.save(Path(folder) / "small.glb")
        render(small)
        start = time.perf_counter() - begun
        scenes: list[Scene] = []
        whole = time.perf_counter()
        scenes.append(make(photo, until="original", fetch=False, progress=meter.progress))
        total = time.perf_counter() - whole
        highest = max(memory for _, memory in meter.rows.values())
        meter.measure("glb", lambda: scenes[0].save(Path(folder) / "scene.glb"))
        meter.measure("bundle", lambda: scenes[0].save(Path(folder) / "scene.diorama"))
        meter.measure("view", lambda: render(scenes[0], translate=(0.02, 0, 0)))
    return {"start": (start, math.nan), **meter.rows, "photo to mesh": (total, highest)}


def _tiny() -> np.ndarray[Any, Any]:
    import numpy as np

    rows, columns = np.mgrid[0:96, 0:128]
    return np.stack([rows * 2, columns, (rows + columns) % 256], axis=-1).astype(np.uint8)


def _resampled(photo: Path, megapixels: float, folder: Path) -> Path:
    from PIL import Image

    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    scale = math.sqrt(megapixels * 1e6 / (picture.width * picture.height))
    size = round(picture.width * scale), round(picture.height * scale)
    path = folder / f"{size[0]}x{size[1]}.jpg"
    picture.resize(size, Image.Resampling.BICUBIC).save(path, quality=92)
    return path


def _coffee() -> Path:
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        sys.exit("scikit-image is not installed: name a photo with --photo.")
    return Path(spec.origin).parent / "data" / "coffee.png"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Seconds and peak memory by stage.")
    parser.add_argument("--megapixels", type=float, nargs="+", default=MEGAPIXELS)
    parser.add_argument("--photo", type=Path, default=None)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run_one(options.one)))
        return 0
    columns: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in options.megapixels:
            photo = _resampled(options.photo or _coffee(), megapixels, Path(folder))
            command = [sys.executable, __file__, "--one", str(photo)]
            answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            columns[f"{megapixels:g} Mpx ({photo.stem})"] = json.loads(answer.splitlines()[-1])
    print(f"{_cpu()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| stage |" + "".join(f" {name} |" for name in columns))
    print("|---|" + "---:|" * len(columns))
    for row in next(iter(columns.values())):
        cells = [column[row] for column in columns.values()]
        print(f"| {row} |" + "".join(f" {_cell(*cell)} |" for cell in cells))
    return 0


def _cell(seconds: float, memory: float) -> str:
    return f"{seconds:.2f} s" + ("" if math.isnan(memory) else f", {memory:,.0f} MiB")


if __name__ == "__main__":
    sys.exit(main())
