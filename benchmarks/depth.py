"""How good are the depth backends? Against the disparity of stereo pairs.

    python benchmarks/depth.py                      scikit-image's Motorcycle, with its true disparity
    python benchmarks/depth.py STEREO               NAME/left.png and NAME/disparity.png (16 bits, x 256, 0 = unknown)
    python benchmarks/depth.py --tiles 3            with fine structure from tiles (raw stays without)
    python benchmarks/depth.py --backends bundled   only these networks; all whose weights are in the cache otherwise
    python benchmarks/depth.py --networks v0.onnx   this file, too, used as the bundled one's (alone)

Inverse depth is known up to scale and shift, so all measures are blind to them:

* wrong order: the share of random pixel pairs, those that differ by more than 10 % of the range, that are in the
  wrong order; guessing gets 50 %;
* Pearson: the correlation of inverse depth and disparity;
* nrmse: root mean square error after the best scale and shift (least squares), as a share of the range;
* edges: F-score of depth discontinuities within 2 px (see `edge_score`).

The range is that from the 2nd to the 98th percentile of the disparity. ms, processor ms: a picture's median time by the
clock, and by the processors, which tells more on a machine that others use. MB: the largest memory of the process,
which did nothing else. Raw is the network's answer, scaled up (the bundled one's at three sizes); refined what
`estimate` gives. "384 px, once" is a single run, 384 px long, of each network that the bundled backend has, or of the
file. "lower is nearer" needs no photo: what is worse than it has understood nothing. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from diorama import depth
from diorama.depth import backends, bundled, refine
from diorama.depth.network import depth_map
from diorama.depth.prediction import Prediction
from diorama.settings import Settings
from diorama.types import Camera, Photo

Float32 = npt.NDArray[np.float32]
Pair = tuple[npt.NDArray[np.uint8], Float32]  # left picture (H, W, 3), disparity (H, W) in pixels, NaN unknown

PAIRS = 40_000


def motorcycle() -> Iterator[Pair]:
    """The pair of Middlebury 2014 in scikit-image's wheel."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        sys.exit("scikit-image is not installed: give --folder.")
    folder = Path(spec.origin).parent / "data"
    with np.load(folder / "motorcycle_disp.npz") as arrays:
        disparity = arrays["arr_0"].astype(np.float32)
    yield (
        _picture(folder / "motorcycle_left.png"),
        np.where(np.isfinite(disparity) & (disparity > 0), disparity, np.nan),
    )


def stereo_pairs(folder: Path) -> Iterator[Pair]:
    """Every NAME/left.png with its disparity."""
    found = sorted(folder.glob("*/left.png"))
    if not found:
        sys.exit(f"{folder} holds no NAME/left.png.")
    for left in found:
        disparity = cv2.imread(str(left.with_name("disparity.png")), cv2.IMREAD_UNCHANGED)
        if disparity is None or disparity.ndim != 2:
            sys.exit(f"{left.parent} holds no grey disparity.png.")
        known = disparity > 0
        yield _picture(left), np.where(known, disparity.astype(np.float32) / 256, np.float32(np.nan))


def _picture(path: Path) -> npt.NDArray[np.uint8]:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        sys.exit(f"{path} can't be read.")
    return np.ascontiguousarray(picture[..., ::-1], np.uint8)


def score(estimate: Float32, disparity: Float32) -> tuple[float, float, float, float]:
    """Wrong order, Pearson, nrmse and edges."""
    known = np.isfinite(disparity)
    p, d = estimate[known].astype(np.float64), disparity[known].astype(np.float64)
    low, high = np.percentile(d, (2, 98))
    random = np.random.default_rng(0)
    a, b = random.integers(0, len(d), (2, PAIRS))
    differ = np.abs(d[a] - d[b]) > 0.1 * (high - low)
    wrong = float(np.mean(np.sign(p[a] - p[b])[differ] != np.sign(d[a] - d[b])[differ]))
    flat = p.std() < 1e-9
    pearson = 0.0 if flat else float(np.corrcoef(p, d)[0, 1])
    design = np.stack([p, np.ones_like(p)], axis=1)
    fitted = design @ np.linalg.lstsq(design, d, rcond=None)[0]
    nrmse = float(np.sqrt(np.mean((fitted - d) ** 2)) / (high - low))
    return wrong, pearson, nrmse, edge_score(estimate, disparity)


def edge_score(estimate: Float32, disparity: Float32, reach: int = 2) -> float:
    """F-score of depth discontinuities: the truth's, and the estimate's at the threshold that suits it best.

    A discontinuity is where the jump across `2 * reach` px is over the threshold and the largest along its row or
    column within `reach` px; found are those with one of the other map's within `reach` px. The threshold is a share
    of the range from the 2nd to the 98th percentile: 6 % in the truth, whatever is best of several in the estimate.
    Disparity is unknown mostly beside edges, where the right picture shows what the left one hides: what is behind.
    """
    true = discontinuities(dense(disparity), 0.06, reach)
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    near_true = cv2.dilate(true.view(np.uint8), window) > 0
    best = 0.0
    for threshold in (0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12):
        seen = discontinuities(estimate, threshold, reach)
        near_seen = cv2.dilate(seen.view(np.uint8), window) > 0
        if seen.any() and true.any():
            precision, recall = float(near_true[seen].mean()), float(near_seen[true].mean())
            best = max(best, 2 * precision * recall / max(precision + recall, 1e-9))
    return best


def dense(disparity: Float32) -> Float32:
    """Unknown places get the farther of their row's known neighbours; then a 5 x 5 median."""
    columns = np.arange(disparity.shape[1])
    filled = disparity.copy()
    for row in filled:
        known = np.flatnonzero(np.isfinite(row))
        if known.size:
            after = np.clip(np.searchsorted(known, columns), 0, known.size - 1)
            before = np.clip(np.searchsorted(known, columns, side="right") - 1, 0, known.size - 1)
            row[:] = np.minimum(row[known[before]], row[known[after]])
    return np.asarray(cv2.medianBlur(np.nan_to_num(filled), 5), np.float32)


def discontinuities(values: Float32, threshold: float, reach: int) -> npt.NDArray[np.bool_]:
    """(H, W): the places of jumps over the threshold, a pixel wide."""
    low, high = np.percentile(values, (2, 98))
    found = np.zeros(values.shape, bool)
    for axis in (0, 1):
        along = np.moveaxis(values, axis, 0)
        jump = np.zeros(along.shape, np.float32)
        jump[reach:-reach] = np.abs(along[2 * reach :] - along[: -2 * reach]) / (high - low + 1e-9)
        peak = cv2.dilate(jump, np.ones((2 * reach + 1, 1), np.uint8))
        found |= np.moveaxis((jump >= peak) & (jump > threshold), 0, axis)
    return found


def _lower_is_nearer(rgb: npt.NDArray[np.uint8]) -> Float32:
    height, width = rgb.shape[:2]
    return np.repeat(np.linspace(0, 1, height, dtype=np.float32)[:, None], width, axis=1)


ONE_SIZE = 384


def _one_size(files: tuple[Path, ...]) -> Callable[[npt.NDArray[np.uint8]], Float32]:
    def run(rgb: npt.NDArray[np.uint8]) -> Float32:
        with ThreadPoolExecutor(bundled.TOGETHER) as pool:
            answers = [bundled.standardised(one) for one in pool.map(partial(bundled.answer, rgb, ONE_SIZE), files)]
        size = answers[0].shape[::-1]  # the second network's answer is smaller
        answers = [np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_CUBIC), np.float32) for one in answers]
        shares = (1 - bundled.SECOND_SHARE, bundled.SECOND_SHARE) if len(answers) > 1 else (1.0,)
        answer = np.sum([np.float32(share) * one for share, one in zip(shares, answers, strict=True)], axis=0)
        return np.asarray(cv2.resize(answer, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)

    return run


def network_of(name: str) -> backends.Backend:
    """The backend of that name; an ONNX file that has no contract beside it is used as the bundled one, alone."""
    path = Path(name)
    if not backends.is_network_file(name) or path.with_suffix(".json").exists():
        return backends.find(name)
    files = bundled.Networks(path)

    def predict(rgb: npt.NDArray[np.uint8], _focal: float | None) -> Prediction:
        inverse = bundled.predict(rgb, files)
        return Prediction(inverse, reach=bundled.reach(inverse))

    return backends.Backend(path.stem, predict, "", "", files.files)


def method(backend: str, step: str, tiles: int) -> Callable[[npt.NDArray[np.uint8]], Float32]:
    """What a row of the table measures."""
    if backend == "lower is nearer":
        return _lower_is_nearer
    network = network_of(backend)
    if step == "one size":
        return _one_size(network.files() if network.files else ())
    if step == "raw":
        return lambda rgb: refine.upsample(
            refine.normalise(network.predict(rgb, None).inverse), rgb.shape[1], rgb.shape[0]
        )
    sharpness = 0.0 if step == "flipped" else 1.0
    settings = Settings(depth=backend, edge_sharpness=sharpness, find_sky=step == "refined", depth_tiles=tiles)

    def run(rgb: npt.NDArray[np.uint8]) -> Float32:
        photo = Photo(rgb, Camera.assumed(rgb.shape[1], rgb.shape[0]))
        return depth_map(network, photo, settings, None).inverse_depth

    return run


def measure(backend: str, step: str, tiles: int, folder: Path | None, results: Any) -> None:
    """One row, in a process of its own; puts (scores..., ms, processor ms, MB)."""
    run = method(backend, step, tiles)
    scores, seconds, used = [], [], []
    for rgb, disparity in motorcycle() if folder is None else stereo_pairs(folder):
        if not seconds:
            run(rgb)  # loads the network
        begin, before = time.perf_counter(), time.process_time()
        estimate = run(rgb)
        seconds.append(time.perf_counter() - begin)
        used.append(time.process_time() - before)
        if estimate.shape != disparity.shape:  # over the processing size
            estimate = cv2.resize(estimate, disparity.shape[::-1], interpolation=cv2.INTER_LINEAR).astype(np.float32)
        scores.append(score(estimate, disparity))
    milliseconds = [1000 * statistics.median(one) for one in (seconds, used)]
    results.put((*np.mean(scores, axis=0).tolist(), *milliseconds, _peak_megabytes()))


def _peak_megabytes() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def rows(names: list[str], files: list[str]) -> Iterator[tuple[str, str]]:
    """Backend and step of each row."""
    yield "lower is nearer", ""
    for backend in [*files, *names]:
        if backend in (*files, "bundled"):
            yield backend, "one size"
        for step in ("raw", "flipped", "sharpened", "refined"):
            yield backend, step


STEP_NAMES = {
    "": "",
    "one size": "384 px, once",
    "raw": "raw",
    "flipped": "+ mirrored",
    "sharpened": "+ sharp edges",
    "refined": "+ sky (refined)",
}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", help="stereo pairs: NAME/left.png and NAME/disparity.png")
    parser.add_argument("--folder", dest="folder_option", type=Path, help="the same")
    parser.add_argument(
        "--backends", nargs="+", metavar="NAME", help="networks to measure, those of the hub or in ONNX files too"
    )
    parser.add_argument(
        "--networks", nargs="+", default=[], metavar="FILE", help="ONNX files to be used as the bundled network's is"
    )
    parser.add_argument("--tiles", type=int, default=1, metavar="N", help="the setting depth_tiles, for all but raw")
    arguments = parser.parse_args()
    folder = arguments.folder or arguments.folder_option
    here = [model.name for model in depth.models() if model.available]
    wanted = arguments.backends or here
    named = {name for name in wanted if not (backends.is_hub(name) or backends.is_network_file(name))}
    if missing := sorted(named - set(here)):
        sys.exit(f"Not here: {', '.join(missing)}. Fetch weights with: diorama models pull NAME.")
    print(f"{folder or 'Motorcycle'}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| backend | wrong order | Pearson | nrmse | edges | ms | processor ms | MB |\n|---|" + "---:|" * 7)
    context = multiprocessing.get_context("spawn")
    for backend, step in rows(wanted, arguments.networks):
        results = context.SimpleQueue()
        process = context.Process(target=measure, args=(backend, step, arguments.tiles, folder, results))
        process.start()
        process.join()
        if process.exitcode:
            return 1
        wrong, pearson, nrmse, edges, milliseconds, used, megabytes = results.get()
        name = f"{Path(backend).stem if backend in arguments.networks else backend} {STEP_NAMES[step]}".strip()
        cells = (name, f"{wrong:.1%}", f"{pearson:.3f}", f"{nrmse:.3f}", f"{edges:.3f}")
        print(f"| {' | '.join(cells)} | {milliseconds:.0f} | {used:.0f} | {megabytes:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
