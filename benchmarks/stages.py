"""Seconds and peak memory by stage, for photos of several sizes.

    python benchmarks/stages.py                       1, 4 and 12 megapixels
    python benchmarks/stages.py --megapixels 24
    python benchmarks/stages.py --megapixels 12 48 --heic

A real photo (scikit-image's coffee unless ``--photo`` names another) is resampled to each size and written as a JPEG
(with ``--heic`` as HEIC, by libheif's program heif-enc, and with as much noise as a phone's photo has);
each size runs in a process of its own. Before the clock starts a tiny photo goes through the same stages, so that
imports and compilation are counted once, in the row "start", and not in the stages.

Steps 3 and 4 are timed as the web app runs them: from the kept stages of the step before to the last file of the step.
Layers are begun beside segments and advice, so their row is what is left of them; a worker, which keeps the records of
the step before, needs less for "kept stages" and writes a part of "files" beside the layers (`waits.py` times that).
The row "command" is `diorama make PHOTO -o scene.glb`, all four steps by the local advisor in a process of its own,
imports included. In brackets: processor seconds, of all threads; on a machine that others use they say more than the
clock.

Where there are several sizes the last column is the growth exponent of the processor seconds: 1 is in proportion to the
pixels, 0 not at all.

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
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from diorama.types import Scene

MEGAPIXELS = (1.0, 4.0, 12.0)

Measured = dict[str, tuple[float, float, float]]
"""Of each row: seconds, processor seconds, MiB."""


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
        self._start = 0.0, 0.0

    def begin(self) -> None:
        _reset_peak()
        self._start = time.perf_counter(), time.process_time()

    def end(self, row: str) -> None:
        start, used = self._start
        self.rows[row] = time.perf_counter() - start, time.process_time() - used, _peak_mib()

    def total(self, row: str, parts: Iterable[str]) -> None:
        """A row for several that follow each other."""
        seconds, used, highest = zip(*(self.rows[part] for part in parts), strict=True)
        self.rows[row] = sum(seconds), sum(used), max(highest)

    def measure(self, row: str, work: Callable[[], object]) -> None:
        self.begin()
        work()
        self.end(row)

    def follow(self, stages: tuple[str, ...], before: str = "") -> Callable[[str, float, str], None]:
        """A callback for `make`: each of `stages` is a row, and so is what comes before them where it has a name."""
        begun: set[str] = set()
        self.begin()

        def progress(stage: str, share: float, _message: str) -> None:
            if stage not in stages:
                return
            if share == 0.0 and stage not in begun:
                if before and not begun:
                    self.end(before)
                begun.add(stage)
                self.begin()
            elif share == 1.0:
                self.end(stage)

        return progress


def run_one(photo: Path) -> Measured:
    """All stages for one photo, in this process."""
    from diorama import memory

    meter = Meter()
    begun = time.perf_counter(), time.process_time()
    memory.share()  # as workers do
    from diorama.checkpoints import Checkpoints
    from diorama.jobs import outputs
    from diorama.pipeline import make
    from diorama.render import render
    from diorama.settings import STEP_STAGES

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tiny = make(_tiny(), fetch=False)
        tiny.save(folder / "tiny.glb")
        render(tiny)
        start = time.perf_counter() - begun[0], time.process_time() - begun[1], math.nan
        kept = Checkpoints(folder / "stages")

        def write(scene: Scene, name: str, before: Scene) -> None:
            outputs.make(scene, folder / name, lambda _share: None, before, kept.pictures)

        first, then = STEP_STAGES["original"], STEP_STAGES["enhanced"]
        original = make(photo, until="original", fetch=False, progress=meter.follow(first), checkpoints=kept)
        meter.total("photo to mesh", first)
        meter.measure("glb", lambda: original.save(folder / "scene.glb"))
        meter.measure("bundle", lambda: original.save(folder / "scene.diorama"))
        meter.measure("view", lambda: render(original, translate=(0.02, 0, 0)))
        enhanced = make(
            photo, until="enhanced", fetch=False, progress=meter.follow(then, "kept stages"), checkpoints=kept
        )
        meter.measure("files", lambda: write(enhanced, "files", original))
        meter.total("step 3", ("kept stages", *then, "files"))
        last, kept_too, files = STEP_STAGES["final"], "kept stages of step 3", "files of step 4"
        final = make(photo, fetch=False, progress=meter.follow(last, kept_too), checkpoints=kept)
        meter.measure(files, lambda: write(final, "final files", enhanced))
        meter.total("step 4", (kept_too, *last, files))
    return {"start": start, **meter.rows}


def run_command(photo: Path) -> tuple[float, float, float]:
    """All four steps by the command, in a process of its own: seconds, processor seconds, MiB."""
    import resource

    def used() -> float:
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        return spent.ru_utime + spent.ru_stime

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "diorama", "make", str(photo), "-o", f"{folder}/scene.glb", "--offline"]
        start, before = time.perf_counter(), used()
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - start
    unit = 1 << 20 if sys.platform == "darwin" else 1024
    return seconds, used() - before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit


def _tiny() -> np.ndarray[Any, Any]:
    import numpy as np

    rows, columns = np.mgrid[0:96, 0:128]
    return np.stack([rows * 2, columns, (rows + columns) % 256], axis=-1).astype(np.uint8)


def resampled(photo: Path, megapixels: float, folder: Path, heic: bool) -> Path:
    from PIL import Image

    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    scale = math.sqrt(megapixels * 1e6 / (picture.width * picture.height))
    size = round(picture.width * scale), round(picture.height * scale)
    path = folder / f"{size[0]}x{size[1]}.jpg"
    large = picture.resize(size, Image.Resampling.BICUBIC)
    large.save(path, quality=92)
    return _as_heic(large, path.with_suffix(".heic")) if heic else path


def _as_heic(picture: Image.Image, path: Path) -> Path:
    import numpy as np
    from PIL import Image

    encoder = shutil.which("heif-enc")
    if encoder is None:
        sys.exit("heif-enc is not installed: apt-get install libheif-examples.")
    noise = np.random.default_rng(0)
    pixels = np.array(picture)
    for rows in np.array_split(pixels, max(1, picture.height // 256)):
        rows[:] = np.clip(rows + noise.integers(-8, 9, rows.shape, np.int16), 0, 255)
    source = path.with_suffix(".png")
    Image.fromarray(pixels).save(source, compress_level=1)
    subprocess.run([encoder, "-q", "60", "-p", "preset=ultrafast", source, "-o", path], check=True, capture_output=True)
    source.unlink()
    return path


def coffee() -> Path:
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        sys.exit("scikit-image is not installed: name a photo with --photo.")
    return Path(spec.origin).parent / "data" / "coffee.png"


def cpu() -> str:
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
    parser.add_argument("--heic", action="store_true", help="Photos as HEIC instead of JPEG.")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        command = run_command(options.one)  # first: no other child has run whose memory would count
        print(json.dumps({**run_one(options.one), "command": command}))
        return 0
    columns = measured(options.megapixels, options.photo or coffee(), options.heic)
    print(f"{cpu()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(table(columns, options.megapixels))
    return 0


def measured(megapixels: Iterable[float], photo: Path, heic: bool = False) -> dict[str, Measured]:
    """A column for each size, by its heading."""
    columns: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in megapixels:
            path = resampled(photo, size, Path(folder), heic)
            command = [sys.executable, __file__, "--one", str(path)]
            answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            columns[f"{size:g} Mpx ({path.stem}{path.suffix})"] = json.loads(answer.splitlines()[-1])
    return columns


def table(columns: dict[str, Measured], megapixels: list[float]) -> str:
    """Markdown: seconds (processor seconds), MiB; where there are several sizes, how the seconds grow."""
    several = len(columns) > 1
    lines = ["| stage |" + "".join(f" {name} |" for name in columns) + " growth |" * several]
    lines.append("|---|" + "---:|" * (len(columns) + several))
    for row in next(iter(columns.values())):
        cells = [column[row] for column in columns.values()]
        exponent = f" {growth(megapixels, [used for _, used, _ in cells]):.2f} |" if several else ""
        lines.append(f"| {row} |" + "".join(f" {_cell(*cell)} |" for cell in cells) + exponent)
    return "\n".join(lines)


def growth(megapixels: list[float], used: list[float]) -> float:
    """Exponent e of processor seconds = c x megapixels^e, by least squares of the logarithms."""
    import numpy as np

    return float(np.polyfit(np.log(megapixels), np.log(np.maximum(used, 1e-3)), 1)[0])


def _cell(seconds: float, used: float, memory: float) -> str:
    return f"{seconds:.2f} s ({used:.2f})" + ("" if math.isnan(memory) else f", {memory:,.0f} MiB")


if __name__ == "__main__":
    sys.exit(main())
