"""Measures what the documentation says of speed, and writes it: docs/performance.md and the README's table of peers.

    python benchmarks/performance.py --peers PYTHON      PYTHON: an environment's that has open3d, pyvista and trimesh
    python benchmarks/performance.py --quick             1 and 4 megapixels only

Takes about eight minutes on two idle cores. Nothing else should run on the machine. What can't be measured is said in
its place, and the rest is measured all the same.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import peers
import regression
import stages
import startup
import waits

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
README = ROOT / "README.md"
MARKS = "<!-- peers: written by benchmarks/performance.py -->\n", "<!-- end of peers -->\n"

STEPS = {
    "original": ("photo", "depth", "points", "mesh"),
    "enhanced": ("segments", "advice", "layers", "files"),
    "final": ("plan", "tune", "rebuild", "texture", "synthesis", "files of step 4"),
}


@dataclass
class Page:
    """What has been found so far."""

    sections: list[str] = field(default_factory=list)
    goals: list[tuple[str, str, float, float]] = field(default_factory=list)  # what, unit, goal, found
    peers: str = ""

    def add(self, title: str, text: str) -> None:
        self.sections.append(f"## {title}\n\n{text.strip()}\n")

    def goal(self, what: str, unit: str, most: float, found: float) -> None:
        """Something that is to be at most this; at least, where the number is negative."""
        self.goals.append((what, unit, most, found))


def machine() -> str:
    """The processor, cores, memory and versions."""
    import cv2
    import numba
    import numpy as np
    import onnxruntime

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 0
    versions = f"NumPy {np.__version__}, OpenCV {cv2.__version__}, ONNX Runtime {onnxruntime.__version__}, "
    versions += f"Numba {numba.__version__}"
    return (
        f"{stages.cpu()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}; {versions}."
    )


def waiting(page: Page, quick: bool) -> None:
    sizes = (1.0, 4.0) if quick else (1.0, 12.0, 48.0)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            found[size] = waits.measure(size, Path(folder), 1 if size > 4 else 3)
    page.add("A user of the page waits", waits.table(found) + "\n\n" + _prose(waits))
    first = found[1.0][0]
    for step, most, seconds in zip(STEPS, (1.5, 2.5, 6.0), first, strict=True):
        page.goal(f"1 megapixel, warm server: {step}", "s", most, seconds)
    if 12.0 in found:
        for step, seconds, base in zip(STEPS, found[12.0][0], (1.5, 2.5, 6.0), strict=True):
            page.goal(f"12 megapixels, warm server: {step}", "s", 2 * base, seconds)
    for size, most in ((12.0, 1.2), (48.0, 2.5)):
        if size in found:
            page.goal(f"a worker's peak memory at {size:.0f} megapixels", "GB", most, found[size][1] * 2**20 / 1e9)


def by_stage(page: Page, quick: bool) -> None:
    sizes = [1.0, 4.0] if quick else [1.0, 4.0, 12.0, 48.0]
    columns = stages.measured(sizes, stages.coffee())
    one = next(iter(columns.values()))
    page.add("Stage by stage", stages.table(columns, sizes) + "\n\n" + _prose(stages))
    lines = []
    for step, names in STEPS.items():
        parts = [(one[name][1], name) for name in names if name in one]
        total = sum(used for used, _ in parts)
        shares = ", ".join(f"{name} {used / total:.0%}" for used, name in sorted(parts, reverse=True))
        lines.append(f"* **{step}** ({total:.1f} processor seconds): {shares}.")
    page.add("Where the time goes, at 1 megapixel", "\n".join(lines) + "\n\n" + floor(one))
    steepest = max(
        (stages.growth(sizes, [column[row][1] for column in columns.values()]), row)
        for row in one
        if row not in ("start", "command")
    )
    page.goal(f"growth with the pixels, the steepest stage ({steepest[1]})", "", 1.05, steepest[0])
    page.goal("cold `diorama make`, 1 megapixel", "s", 13.0, one["command"][0])


def floor(one: stages.Measured) -> str:
    """What no arrangement of the stages could get below."""
    import cv2
    import numpy as np

    from diorama.depth import bundled

    picture = cv2.imread(str(stages.coffee()))
    scale = (1e6 / (picture.shape[0] * picture.shape[1])) ** 0.5
    rgb = np.ascontiguousarray(cv2.resize(picture, None, fx=scale, fy=scale)[..., ::-1])
    jpeg = cv2.imencode(".jpg", rgb)[1]
    work: dict[str, Callable[[], object]] = {
        "the depth networks": lambda: bundled.predict(rgb),
        "reading the JPEG": lambda: cv2.imdecode(jpeg, cv2.IMREAD_COLOR),
        "encoding a JPEG of its size": lambda: cv2.imencode(".jpg", rgb),
        "one pass over its pixels": lambda: rgb.astype(np.float32) * np.float32(0.5),
    }
    told = []
    for name, run in work.items():
        run()
        start = time.process_time()
        run()
        told.append(f"{name} {1000 * (time.process_time() - start):.0f} ms")
    depth = one["depth"][1]
    return (
        f"The floor: {', '.join(told)} of processor time. The networks' arithmetic is what step 2 can't do without "
        f"({1000 * depth:.0f} ms is the whole depth stage); the rest of a step is a few dozen passes over arrays of "
        "the processing size, each as long as memory takes, the search for patches behind edges (step 3), and "
        "denoising (step 4). Both cores are busy only in part: stages follow each other, and a stage's parts do."
    )


def cold(page: Page, _quick: bool) -> None:
    found = startup.measured(3)
    with tempfile.TemporaryDirectory() as folder:
        photo = stages.resampled(stages.coffee(), 1.0, Path(folder), False)
        words = [sys.executable, "-m", "diorama", "make", str(photo), "-o", f"{folder}/a.glb", "--offline"]
        until = [startup.command([*words, "--until", "original", "--quiet"]) for _ in range(3)]
    seconds, used = min(until)
    rows = {**found, "diorama make --until original, 1 megapixel": (seconds, used)}
    text = "| what | seconds (processor) |\n|---|---:|\n"
    text += "\n".join(f"| {name} | {one:.2f} ({other:.2f}) |" for name, (one, other) in rows.items())
    page.add("From nothing", text + "\n\nThe best of three, each a process of its own, with compiled code kept.")
    page.goal("cold `diorama make --until original`, 1 megapixel", "s", 4.0, seconds)
    page.goal("`diorama --help`", "s", 0.3, found["diorama --help"][0])
    page.goal("first page of `python main.py`", "s", 1.5, found["first page of main.py"][0])


def drawing(page: Page, _quick: bool) -> None:
    import render
    from diorama.pipeline import make
    from diorama.settings import Settings

    scene = make(stages.coffee(), Settings(), fetch=False)
    rows = ["| view | frames/s | processor ms a frame | uncovered px |", "|---|---:|---:|---:|"]
    for size in ((960, 540), (1920, 1080)):
        rate, busy, uncovered = render.views(scene, size, min(2, os.cpu_count() or 1))
        rows.append(f"| {size[0]} x {size[1]} | {rate:.1f} | {busy:.0f} | {uncovered} |")
        if size == (960, 540):
            page.goal("views at 960 x 540", "frames/s", -25.0, rate)
    triangles = sum(len(mesh.faces) for mesh in scene.meshes)
    page.add(
        "Views",
        "\n".join(rows) + f"\n\nA final scene at default settings, {triangles:,} triangles, on two threads, no GPU.",
    )


def beside_peers(page: Page, python: str) -> None:
    made, seen = [], []
    for name, left, right, sparse in peers.motorcycle():
        disparity = peers.dense(sparse)
        made += peers.meshes(name, left, disparity, peers.np.isfinite(sparse), python)
        seen += peers.views(name, left, right, disparity)
    both = peers.table(peers.MESH_HEAD, made) + "\n\n" + peers.table(peers.VIEW_HEAD, seen)
    page.add("Beside its peers", both + "\n\n" + _prose(peers))
    if any("Open3D" in row[1] for row in made):
        page.peers = both


def beside_itself(page: Page, _quick: bool) -> None:
    revision = regression.other_revision(None)
    if revision is None:
        raise RuntimeError("there is no earlier revision here")
    page.add("Beside an earlier revision", regression.table(revision, regression.compared(revision, 2)))


def _prose(module: object) -> str:
    """What a benchmark says of its measures: its docstring without the heading and the commands."""
    parts = (module.__doc__ or "").strip().split("\n\n")
    return "\n\n".join(part for part in parts[1:] if not part.startswith("    python"))


def written(page: Page, took: float) -> str:
    """The page."""
    lines = ["| | asked for | measured | |", "|---|---:|---:|---|"]
    for what, unit, most, found in page.goals:
        met = found <= most if most > 0 else found >= -most
        asked = f"at most {most:g} {unit}" if most > 0 else f"at least {-most:g} {unit}"
        digits = 1 if unit == "frames/s" else 2
        lines.append(f"| {what} | {asked.strip()} | {found:.{digits}f} {unit} | {'met' if met else 'missed'} |")
    return (
        "# Performance\n\n"
        f"Written by `python benchmarks/performance.py` in {took / 60:.0f} minutes, on: {machine()}\n\n"
        'Bundled networks, local advisor, default settings. The photo is scikit-image\'s "coffee", resampled.\n\n'
        "## Goals\n\n" + "\n".join(lines) + "\n\n" + "\n".join(page.sections)
    )


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Write docs/performance.md.")
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON", help="one that has the peers")
    parser.add_argument("--quick", action="store_true", help="1 and 4 megapixels only")
    parser.add_argument(
        "--only", nargs="*", help="some of: waits cold render stages peers regression; prints, writes not"
    )
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users' machines keep bytecode, as the page says
    begun, page = time.perf_counter(), Page()
    parts: dict[str, Callable[[], None]] = {
        "waits": lambda: waiting(page, options.quick),
        "cold": lambda: cold(page, options.quick),
        "render": lambda: drawing(page, options.quick),
        "stages": lambda: by_stage(page, options.quick),
        "peers": lambda: beside_peers(page, options.peers),
        "regression": lambda: beside_itself(page, options.quick),
    }
    for name, part in parts.items():
        if options.only and name not in options.only:
            continue
        print(f"{time.perf_counter() - begun:4.0f} s  {name}", file=sys.stderr, flush=True)
        try:
            part()
        except Exception as error:  # the rest can be measured all the same
            traceback.print_exc()
            page.add(name, f"Not measured: {error}")
    text = written(page, time.perf_counter() - begun)
    if options.only:
        print(text)
        return 0
    PAGE.write_text(text, encoding="utf-8")
    readme = README.read_text(encoding="utf-8")
    if page.peers and all(mark in readme for mark in MARKS):
        before, rest = readme.split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        README.write_text(before + MARKS[0] + "\n" + page.peers + "\n\n" + MARKS[1] + after, encoding="utf-8")
    print(f"{PAGE} is written.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
