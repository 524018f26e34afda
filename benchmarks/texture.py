"""Does improving the texture bring photos nearer to what they were? Photos are spoilt in known ways, and compared.

    python benchmarks/texture.py                     scikit-image's photos
    python benchmarks/texture.py FOLDER [COUNT]      those of a folder: all, or COUNT of them, evenly

The first table: PSNR against the photo before it was spoilt, in dB, as means over the photos: spoilt, improved as the
local advisor advises, and improved with the one right action at full amount; and the smallest gain. The row "nothing"
has what the local advice does to photos as they are: at least 34 dB is asked for. The second table: enlarging twice.
The third: seconds of each method for a megapixel. Exits with 1 below 34 dB, or where the right action gains nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from advice import SKIMAGE, UInt8, blurred, gamma, noisy, tinted
from diorama.advice import ReconstructionAdvice, TextureAction, TextureAdvice
from diorama.advisor import picture
from diorama.photo import read
from diorama.settings import Settings
from diorama.texture import improve
from diorama.texture.enlarge import enlarge
from diorama.types import Camera, Cuts, DepthMap, Layered, Mesh, Photo, PointCloud, Rebuilt, Scene

LONG_SIDE = 1224
"""Pixels: a megapixel."""

CLEAN = 34.0
"""dB"""

CASES: dict[str, tuple[TextureAction, Callable[[UInt8], UInt8]]] = {
    "noise 5": ("denoise", lambda rgb: noisy(rgb, 5)),
    "noise 12": ("denoise", lambda rgb: noisy(rgb, 12)),
    "noise 25": ("denoise", lambda rgb: noisy(rgb, 25)),
    "blur 1.2 px": ("sharpen", lambda rgb: blurred(rgb, 1.2)),
    "blur 2 px": ("sharpen", lambda rgb: blurred(rgb, 2)),
    "blur 3 px": ("sharpen", lambda rgb: blurred(rgb, 3)),
    "gamma 0.5": ("tone", lambda rgb: gamma(rgb, 0.5)),
    "gamma 2": ("tone", lambda rgb: gamma(rgb, 2)),
    "warm by 1 stop": ("white-balance", lambda rgb: tinted(rgb, 1)),
    "cold by 1 stop": ("white-balance", lambda rgb: tinted(rgb, -1)),
}


def psnr(one: UInt8, other: UInt8) -> float:
    """dB; 99 where both are one."""
    error = float(np.mean((one.astype(np.float32) - other) ** 2))
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


def flat(rgb: UInt8) -> tuple[Scene, Rebuilt]:
    """The photo as a wall that faces the camera: a scene whose atlas is the photo."""
    height, width = rgb.shape[:2]
    camera = Camera.assumed(width, height)
    small = camera.resized(48, 32)
    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0)], np.float32)
    rays = (corners * (width, height) - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    vertices = np.concatenate([rays, np.ones((4, 1))], axis=1).astype(np.float32)
    normals = np.tile(np.array([0, 0, -1], np.float32), (4, 1))
    mesh = Mesh(vertices, np.array([(0, 1, 2), (0, 2, 3)], np.int32), corners, normals, "Wall", segment=1)
    z = np.ones((32, 48), np.float32)
    points = PointCloud(z, np.zeros((32, 48, 3), np.uint8), z > 0, small)
    cuts = Cuts(np.zeros((32, 47), bool), np.zeros((31, 48), bool))
    depth = DepthMap(z, "relative", small, "flat")
    scene = Scene("enhanced", Photo(rgb, camera), depth, points, cuts, (mesh,), Settings(), (), atlas=rgb)
    return scene, Rebuilt(points, cuts, Layered(rgb, (mesh,), 0.0))


def improved(rgb: UInt8, advice: tuple[TextureAdvice, ...]) -> UInt8:
    """The photo with this done to it."""
    scene, rebuilt = flat(rgb)
    plan = ReconstructionAdvice(texture=advice)
    return improve(rebuilt, scene, plan, paint=lambda: None, progress=lambda *_: None)[0].atlas


def local(rgb: UInt8) -> tuple[TextureAdvice, ...]:
    """What the local advisor says of it, less what changes its size."""
    photo = Photo(rgb, Camera.assumed(rgb.shape[1], rgb.shape[0]))
    return tuple(item for item in picture.texture(photo, 0.0) if item.action != "super-resolution")


def fully(action: TextureAction) -> tuple[TextureAdvice, ...]:
    return (TextureAdvice(action=action, amount=1, reason="for comparison", source="openai"),)


def photos(folder: Path | None, count: int) -> list[UInt8]:
    """At a megapixel at most."""
    if folder is None:
        import skimage

        data = Path(skimage.__file__).parent / "data"
        paths = [next(p for p in sorted(data.glob(f"{name}.*")) if p.suffix in {".png", ".jpg"}) for name in SKIMAGE]
    else:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})
        paths = paths[:: max(1, len(paths) // count)][:count]
    return [read(path, Settings()).fitted(LONG_SIDE).rgb for path in paths]


def spoilt(pictures: list[UInt8]) -> bool:
    """Print the first table -> whether all is well."""
    print("| spoilt by | spoilt | as advised | at full amount | smallest gain |\n|---|---|---|---|---|")
    clean = [psnr(rgb, improved(rgb, local(rgb))) for rgb in pictures]
    print(f"| nothing | | {np.mean(clean):.1f} (least {min(clean):.1f}) | | |")
    well = min(clean) >= CLEAN
    for name, (action, spoil) in CASES.items():
        rows = []
        for rgb in pictures:
            bad = spoil(rgb)
            made = (improved(bad, local(bad)), improved(bad, fully(action)))
            rows.append([psnr(rgb, bad), *(psnr(rgb, one) for one in made)])
        before, advised, full = np.mean(rows, axis=0)
        least = min(min(row[1:]) - row[0] for row in rows)
        print(f"| {name} | {before:.1f} | {advised:.1f} | {full:.1f} | {least:+.1f} |")
        well &= bool(full > before)
    return well


def enlarged(pictures: list[UInt8]) -> None:
    """Print the second table."""
    print("\n| enlarged twice by | PSNR |\n|---|---|")
    methods: dict[str, Callable[[UInt8, tuple[int, int]], UInt8]] = {
        "linear": lambda rgb, size: np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR)),
        "cubic": lambda rgb, size: np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC)),
        "Lanczos": lambda rgb, size: np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LANCZOS4)),
        "back-projection": lambda rgb, size: enlarge(rgb, size, (2, 2), (0, 0)),
    }
    for name, method in methods.items():
        found = []
        for rgb in pictures:
            even = rgb[: rgb.shape[0] // 2 * 2, : rgb.shape[1] // 2 * 2]
            size = even.shape[1], even.shape[0]
            small = np.asarray(cv2.resize(even, (size[0] // 2, size[1] // 2), interpolation=cv2.INTER_AREA), np.uint8)
            found.append(psnr(even, method(small, size)))
        print(f"| {name} | {np.mean(found):.2f} |")


def timed(rgb: UInt8) -> None:
    """Print the third table."""
    print("\n| method, for a megapixel | seconds |\n|---|---|")
    rgb = np.ascontiguousarray(cv2.resize(rgb, (LONG_SIDE, 1_000_000 // LONG_SIDE), interpolation=cv2.INTER_CUBIC))
    flaws: dict[TextureAction, UInt8] = {
        "denoise": noisy(rgb, 10),
        "sharpen": blurred(rgb, 2),
        "tone": gamma(rgb, 2),
        "white-balance": tinted(rgb, 1),
    }
    for action, bad in flaws.items():
        improved(bad[:64, :64], fully(action))  # compiles
        start = time.perf_counter()
        improved(bad, fully(action))
        print(f"| {action} | {time.perf_counter() - start:.2f} |")
    start = time.perf_counter()
    improved(rgb, (fully("super-resolution")[0].model_copy(update={"amount": 0.5}),))
    print(f"| super-resolution, twice | {time.perf_counter() - start:.2f} |")


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    pictures = photos(folder, int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
    well = spoilt(pictures)
    enlarged(pictures)
    timed(pictures[0])
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
