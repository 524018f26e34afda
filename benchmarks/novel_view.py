"""How good is a view from beside the photo? Against the other picture of stereo pairs.

    python benchmarks/novel_view.py                  scikit-image's Motorcycle, with its true disparity
    python benchmarks/novel_view.py STEREO           NAME/left.png, right.png, disparity.png (16 bits, x 256, 0 unknown)
    python benchmarks/novel_view.py --until original  the single-layer scene

Each method is given the left picture and its disparity and makes the right picture, which is compared with the true
one: on all pixels, on the holes (what the left picture hides) and on what both pictures see. Peers: the left picture
warped by its disparity, its holes filled by OpenCV's inpainting (Telea 2004; Navier-Stokes, Bertalmio et al. 2001), and
the same without cuts, a rubber sheet. PSNR in dB; SSIM (Wang et al. 2004); detail: gradient energy in the holes as a
share of the truth's, under 0.6 looks blurred. Scored 8 px inside the frame, without the strip that only the right
camera sees. Unknown disparity is taken from the farther neighbour in the row.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from skimage.metrics import structural_similarity

from diorama.pipeline import make
from diorama.render import render
from diorama.settings import Settings
from diorama.types import Step

Float32 = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]

BORDER = 8
LEAST_DISPARITY = 0.25


def motorcycle() -> Iterator[tuple[str, Picture, Picture, Float32]]:
    """The pair of Middlebury 2014 in scikit-image's wheel: name, left, right, disparity (NaN unknown)."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        sys.exit("scikit-image is not installed: give a folder.")
    folder = Path(spec.origin).parent / "data"
    with np.load(folder / "motorcycle_disp.npz") as arrays:
        disparity = arrays["arr_0"].astype(np.float32)
    known = np.isfinite(disparity) & (disparity > 0)
    left, right = (_read(folder / f"motorcycle_{side}.png") for side in ("left", "right"))
    yield "Motorcycle", left, right, np.where(known, disparity, np.float32(np.nan))


def stereo_pairs(folder: Path) -> Iterator[tuple[str, Picture, Picture, Float32]]:
    """Every pair in a folder."""
    found = sorted(folder.glob("*/left.png"))
    if not found:
        sys.exit(f"{folder} holds no NAME/left.png.")
    for path in found:
        coded = cv2.imread(str(path.with_name("disparity.png")), cv2.IMREAD_UNCHANGED)
        if coded is None:
            sys.exit(f"{path.parent} holds no disparity.png.")
        disparity = np.where(coded > 0, coded.astype(np.float32) / 256, np.float32(np.nan))
        yield path.parent.name, _read(path), _read(path.with_name("right.png")), disparity


def _read(path: Path) -> Picture:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        sys.exit(f"{path} can't be read.")
    return np.ascontiguousarray(picture[..., ::-1])


def dense(disparity: Float32) -> Float32:
    """Unknown pixels from the farther known neighbour in their row, then a 5 x 5 median."""
    known = np.isfinite(disparity)
    columns = np.arange(disparity.shape[1])
    before = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, columns, disparity.shape[1])[:, ::-1], axis=1)[:, ::-1]
    rows = np.arange(len(disparity))[:, None]
    filled = np.where(known, disparity, np.inf)
    left = np.where(before >= 0, filled[rows, np.maximum(before, 0)], np.inf)
    right = np.where(after < disparity.shape[1], filled[rows, np.minimum(after, disparity.shape[1] - 1)], np.inf)
    result = np.where(known, disparity, np.minimum(left, right))
    result[~np.isfinite(result)] = np.median(disparity[known])
    return np.maximum(cv2.medianBlur(result.astype(np.float32), 5), np.float32(LEAST_DISPARITY))


def warp(left: Picture, disparity: Float32, *, cut: bool) -> tuple[Picture, Bool]:
    """The left picture moved by its disparity, row by row, nearest in front; linear between neighbours, but not across
    jumps over 1 px where `cut`. Returns the picture and what is covered."""
    height, width = disparity.shape
    fine = 8  # places a pixel between two neighbours, near enough to linear for jumps up to that many pixels
    result, nearest = np.zeros((height, width, 3), np.float32), np.full((height, width), -1, np.float32)
    colour = left.astype(np.float32)
    rows = np.repeat(np.arange(height), width - 1).reshape(height, width - 1)
    jump = np.abs(np.diff(disparity, axis=1))
    steps = max(fine, int(np.ceil(jump.max() * 2))) if not cut else fine
    for step in range(steps + 1):
        t = np.float32(step / steps)
        between = disparity[:, :-1] * (1 - t) + disparity[:, 1:] * t
        place = np.rint(np.arange(width - 1) + t - between).astype(int)
        use = (place >= 0) & (place < width)
        if cut:
            use &= (jump <= 1) | (step == 0)
        y, x, near = rows[use], place[use], between[use]
        mixed = (colour[:, :-1] * (1 - t) + colour[:, 1:] * t)[use]
        order = np.argsort(near, kind="stable")
        y, x, near, mixed = y[order], x[order], near[order], mixed[order]
        front = near > nearest[y, x]
        nearest[y[front], x[front]], result[y[front], x[front]] = near[front], mixed[front]
    return result.clip(0, 255).astype(np.uint8), nearest >= 0


def views(name: str, left: Picture, disparity: Float32, until: Step) -> dict[str, Picture]:
    """The right picture as each method makes it."""
    warped, covered = warp(left, disparity, cut=True)
    hole = (~covered).astype(np.uint8)
    sheet, reached = warp(left, disparity, cut=False)
    made = {
        "Telea": np.asarray(cv2.inpaint(warped, hole, 3, cv2.INPAINT_TELEA)),
        "Navier-Stokes": np.asarray(cv2.inpaint(warped, hole, 3, cv2.INPAINT_NS)),
    }
    made["rubber sheet"] = np.where(reached[..., None], sheet, made["Telea"])
    made["Diorama"] = diorama_view(name, left, disparity, until)
    return made


def diorama_view(name: str, left: Picture, disparity: Float32, until: Step) -> Picture:
    """The scene of the given depth, seen from one baseline to the right."""
    import tempfile

    focal = 1.2 * left.shape[1]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.npy"
        np.save(file, (focal / disparity).astype(np.float32))
        settings = Settings(depth=str(file), depth_kind="metric", focal_px=focal)
        scene = make(left, settings, until=until, fetch=False)
    return render(scene, translate=(1, 0, 0)).rgb


def masks(left: Picture, disparity: Float32) -> tuple[Bool, Bool, Bool]:
    """What is scored: the whole but for its border, what the left picture hides, and what both see."""
    hole = (~warp(left, disparity, cut=True)[1]).astype(np.uint8)
    inner = np.zeros(disparity.shape, bool)
    inner[BORDER:-BORDER, BORDER : -int(disparity.max()) - BORDER] = True
    holes = (cv2.morphologyEx(hole, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0) & inner
    return inner, holes, inner & (cv2.dilate(hole, np.ones((5, 5), np.uint8)) == 0)


def scores(view: Picture, truth: Picture, inner: Bool, hole: Bool, seen: Bool) -> list[float]:
    """PSNR whole, holes, seen; SSIM whole, holes; detail."""
    error = (view.astype(np.float32) - truth.astype(np.float32)) ** 2
    similar = structural_similarity(view, truth, channel_axis=2, full=True)[1].mean(axis=2)
    psnr = [float(10 * np.log10(255**2 / max(error[mask].mean(), 1e-9))) for mask in (inner, hole, seen)]
    ssim = [float(similar[mask].mean()) for mask in (inner, hole)]
    return [*psnr, *ssim, float(_gradient(view)[hole].sum() / max(_gradient(truth)[hole].sum(), 1e-9))]


def _gradient(picture: Picture) -> Float32:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))


def main() -> None:
    """Print a row for each pair and method, and the means."""
    parser = argparse.ArgumentParser(description="Views from beside the photo, against true ones.")
    parser.add_argument("folder", nargs="?", type=Path, help="stereo pairs (default: scikit-image's Motorcycle)")
    parser.add_argument("--until", choices=("original", "enhanced"), default="enhanced")
    chosen = parser.parse_args()
    print("| pair | method | PSNR | in holes | seen | SSIM | in holes | detail |")
    print("|---|---|---|---|---|---|---|---|")
    everything: dict[str, list[list[float]]] = {}
    for name, left, right, sparse in stereo_pairs(chosen.folder) if chosen.folder else motorcycle():
        disparity = dense(sparse)
        inner, holes, seen = masks(left, disparity)
        for method, view in views(name, left, disparity, chosen.until).items():
            row = scores(view, right, inner, holes, seen)
            everything.setdefault(method, []).append(row)
            print(_row(name, method, row), flush=True)
    for method, rows in everything.items():
        print(_row("**mean**", method, [float(value) for value in np.mean(rows, axis=0)]))


def _row(name: str, method: str, row: list[float]) -> str:
    whole, hole, seen, ssim, ssim_hole, detail = row
    return (
        f"| {name} | {method} | {whole:.2f} | {hole:.2f} | {seen:.2f} | {ssim:.3f} | {ssim_hole:.3f} | {detail:.2f} |"
    )


if __name__ == "__main__":
    main()
