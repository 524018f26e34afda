"""A long batch whose workers are killed at random moments: every photo is made, once, and is what one process makes.

    python benchmarks/soak.py PHOTOS OUT [--count 200] [--kills 12] [--dask] [--limit SECONDS]

PHOTOS is a folder of photos, from which crops are cut that all differ. A run that is stopped, or ends with `--limit`,
goes on when the command is given again. It prints a JSON record.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from diorama import batch, bundle, pipeline
from diorama.batch import photos
from diorama.settings import Settings

SETTINGS = Settings(processing_size=256, texture_size=256, triangles=10_000)
CROP = (256, 192)


class StoppedError(Exception):
    """The time is over."""


def crops(source: Path, folder: Path, count: int) -> None:
    """Parts of the photos, each another one."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [path for path in sorted(source.iterdir()) if path.suffix.lower() in photos.ENDINGS]
    rng = np.random.default_rng(1)
    for number, path in zip(range(count), itertools.cycle(files)):
        target = folder / f"{number:04}-{path.stem}.png"
        with Image.open(path) as image:
            scale = rng.uniform(1.2, 3) * max(CROP[0] / image.width, CROP[1] / image.height)
            size = round(image.width * scale), round(image.height * scale)
            left, top = (int(rng.integers(0, size[axis] - CROP[axis] + 1)) for axis in range(2))
            if not target.exists():
                part = image.convert("RGB").resize(size).crop((left, top, left + CROP[0], top + CROP[1]))
                part.save(folder / ".part", "PNG")
                (folder / ".part").rename(target)


def arrays(scene: Any) -> list[bytes]:
    """Every number of a scene's surface."""
    found = [scene.depth.inverse_depth, scene.points.z, scene.points.mask, scene.cuts.right, scene.cuts.down]
    for mesh in scene.meshes:
        found += [mesh.vertices, mesh.faces, mesh.uv, mesh.normals]
    return [array.tobytes() for array in found]


class Workers:
    """Two workers of a Dask scheduler on loopback, started again when they die."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._processes = [self._start(), self._start()]

    def pids(self) -> list[int]:
        self._processes = [one if one.poll() is None else self._start() for one in self._processes]
        return [one.pid for one in self._processes]

    def close(self) -> None:
        for one in self._processes:
            one.kill()
            one.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        words = [self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        command = [sys.executable, "-m", "distributed.cli.dask_worker", "--host", "127.0.0.1", *words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def dask(wanted: bool) -> Iterator[Workers | None]:
    if not wanted:
        yield None
        return
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None, silence_logs=50) as cluster:
        workers = Workers(cluster.scheduler_address)
        try:
            while len(cluster.scheduler.workers) < 2:
                time.sleep(0.1)
            yield workers
        finally:
            workers.close()


class Killer:
    """Kills a worker at random moments, on average `kills` times over the whole run."""

    def __init__(self, pids: Callable[[], list[int]], share: float, until: float) -> None:
        self._pids, self._share, self._until = pids, share, until
        self._random = random.Random(2)
        self.killed = 0

    def __call__(self, status: batch.Status) -> None:
        if time.monotonic() > self._until:
            raise StoppedError
        if status.last is not None and status.running and self._random.random() < self._share:
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(self._random.choice(self._pids()), signal.SIGKILL)
                self.killed += 1
        else:
            self._pids()  # starts those again that have died


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--compared", type=int, default=20, help="photos that one process makes as well")
    parser.add_argument("--dask", action="store_true")
    parser.add_argument("--limit", type=float, default=1e9, help="seconds after which it stops, to be gone on with")
    given = parser.parse_args()
    folder = given.out / "photos"
    crops(given.photos, folder, given.count)
    kept = given.out / "scenes"
    begun = time.monotonic()
    with dask(given.dask) as workers:
        made = batch.Batch(
            [folder],
            kept,
            settings=SETTINGS,
            to=["glb", "diorama"],
            until="original",
            jobs=2,
            resume=True,
            fetch=False,
            dask=workers.address if workers else "off",
        )
        pids = workers.pids if workers else made.worker_pids
        killer = Killer(pids, given.kills / given.count, begun + given.limit)
        with contextlib.suppress(StoppedError):
            made.run(killer)
    report = made.report()
    record = report.values()
    seen = [row.photo for row in report.rows]
    step = max(1, len(report.done) // max(1, given.compared))
    differ = [
        row.photo
        for row in report.done[::step]
        if arrays(bundle.read(kept / f"{row.place}.diorama"))
        != arrays(pipeline.make(Path(row.photo), SETTINGS, until="original", fetch=False))
    ]
    print(
        json.dumps(
            {
                **{name: record[name] for name in ("photos", "done", "failed", "waiting")},
                "resumed": sum(row.kept == "resumed" for row in report.rows),
                "twice": len(seen) - len(set(seen)),
                "same photo": sum(row.kept == "same photo" for row in report.rows),
                "killed now": killer.killed,
                "deaths counted": sum(row.deaths for row in report.rows),
                "most deaths of one photo": max((row.deaths for row in report.rows), default=0),
                "compared": len(report.done[::step]),
                "differ": differ,
                "files missing": sum(not (kept / file.path).is_file() for row in report.done for file in row.files),
                "seconds": round(time.monotonic() - begun, 1),
                "on": "dask" if given.dask else "processes",
            },
            indent=1,
        )
    )
    return bool(differ or report.failed or report.waiting)


if __name__ == "__main__":
    sys.exit(main())
