"""Are the right parameters found? On rooms and streets whose truth is known, and on photos.

    python benchmarks/optimize.py                    rooms, streets and house corners
    python benchmarks/optimize.py --photos FOLDER    the first 12 photos of a folder, and what was chosen for each
    python benchmarks/optimize.py --noise 0.02       another error of the depth, as a share of its range

Each synthetic picture has a field of view of 30 to 90 degrees, a camera rolled and pitched as people do, and faces with
straight lines, with blots that have none, or plain ones. It is given with inverse depth of an unknown scale and shift,
soft edges and waves of error, and without its field of view: 55 degrees are assumed. Right: the field of view within
10 % and the angles between the large faces within 5 degrees in the mean. Angles are those of the true surfaces under
the scale, shift and field of view chosen ("in the depth": of planes fitted to the erroneous depth itself).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from diorama import optimize
from diorama.advice import ReconstructionAdvice, SceneAdvice, Tuning
from diorama.cuts import clean, find_cuts
from diorama.points import unproject
from diorama.segment import segment
from diorama.settings import Settings
from diorama.types import Camera, DepthMap, Photo, PointCloud, Scene
from rooms import Degraded, View, degraded, view

Float64 = npt.NDArray[np.float64]

LARGE = 0.04
"""Share of the picture from which a face counts."""

ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True)
class Row:
    case: str
    fov: float
    found: float
    before: float  # degrees off, mean over pairs of faces
    after: float
    worst: float
    measured: float  # the same in the erroneous depth
    objective: tuple[float, float]
    seconds: float

    @property
    def lens_right(self) -> bool:
        return abs(self.found / self.fov - 1) <= 0.1

    @property
    def angles_right(self) -> bool:
        return self.after <= 5


def cases(count: int) -> Iterator[View]:
    """`count` of each kind and texture, with two large faces at right angles at least."""
    for kind in ("room", "street", "corner"):
        for texture in ("lines", "blots", "plain"):
            seed = found = 0
            while found < count:
                true = view(kind, texture, seed)
                seed += 1
                if len({face % 6 // 2 for face in large(true)}) >= 2:
                    found += 1
                    yield true


def large(true: View) -> list[int]:
    """Faces that count."""
    return [face for face in true.normals if (_inner(true, face)).mean() > LARGE]


def _inner(true: View, face: int) -> npt.NDArray[np.bool_]:
    return np.asarray(cv2.erode((true.face == face).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)


def scene_of(true: View, given: Degraded) -> Scene:
    """The scene before step 4, less the layers, which the optimiser doesn't look at."""
    height, width = given.inverse.shape
    camera, settings = Camera.assumed(width, height), Settings()
    photo = Photo(true.rgb, camera)
    depth = DepthMap(given.inverse, "relative", camera, "degraded", sky=given.sky)
    points = clean(unproject(depth, photo, settings), settings)
    cuts = find_cuts(points, settings)
    segments, _, _ = segment(points, cuts, photo, depth, settings, fetch=False, progress=lambda *_: None)
    return Scene("enhanced", photo, depth, points, cuts, (), settings, (), segments)


def angles(true: View, points: PointCloud) -> list[float]:
    """Degrees by which the angle between each pair of large faces is off."""
    normals = {}
    for face in large(true):
        position = points.positions[_inner(true, face)].astype(np.float64)
        # A plane is linear in inverse depth: n . X = 1 is n . X / z = 1 / z.
        normal, *_ = np.linalg.lstsq(position / position[:, 2:], 1 / position[:, 2], rcond=None)
        normals[face] = normal / np.linalg.norm(normal)
    off = []
    faces = sorted(normals)
    for k, one in enumerate(faces):
        for other in faces[:k]:
            angle = [abs(float(n[one] @ n[other])) for n in (normals, true.normals)]
            off.append(abs(float(np.subtract(*np.degrees(np.arccos(np.clip(angle, 0, 1)))))))
    return off


def without_errors(scene: Scene, given: Degraded) -> PointCloud:
    """The true surfaces under the scene's scale and shift."""
    far = 1 / scene.settings.depth_range
    inverse = far + given.clean * (1 - far)
    return replace(scene.points, z=np.ascontiguousarray(1 / np.maximum(inverse, 1e-3), np.float32))


def measured(true: View, noise: float) -> Row:
    """Optimise one case."""
    given = degraded(true, int(1e6 * true.fov), noise=noise)
    scene = scene_of(true, given)
    start = time.perf_counter()
    tuning, _ = optimize.optimize(scene, SceneAdvice(), ReconstructionAdvice(), lambda _share: None)
    seconds = time.perf_counter() - start
    exact = without_errors(scene, given)
    after = angles(true, optimize.moved_points(exact, tuning))
    return Row(
        true.name,
        true.fov,
        tuning.fov,
        float(np.mean(angles(true, exact))),
        float(np.mean(after)),
        max(after),
        float(np.mean(angles(true, optimize.moved_points(scene.points, tuning)))),
        (tuning.objective_before, tuning.objective_after),
        seconds,
    )


def synthetic(count: int, noise: float) -> None:
    """A row a case, then shares."""
    print("| case | fov | found | angles off before | after | worst | in the depth | objective | s | right |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    rows = []
    for true in cases(count):
        row = measured(true, noise)
        rows.append(row)
        right = "yes" if row.lens_right and row.angles_right else "no"
        print(
            f"| {row.case} | {row.fov:.1f}° | {row.found:.1f}° | {row.before:.1f}° | {row.after:.1f}° | "
            f"{row.worst:.1f}° | {row.measured:.1f}° | {row.objective[0]:.1f} → {row.objective[1]:.1f} | "
            f"{row.seconds:.2f} | {right} |",
            flush=True,
        )
    print("\n| cases | fov within 10 % | angles within 5° | both | objective rose | slowest |")
    print("|---|---|---|---|---|---|")
    names = sorted({" ".join(row.case.split()[:2]) for row in rows})
    for name in [*names, "all"]:
        some = [row for row in rows if name == "all" or row.case.startswith(name)]
        both = np.mean([row.lens_right and row.angles_right for row in some])
        lens, flat = np.mean([row.lens_right for row in some]), np.mean([row.angles_right for row in some])
        rose = sum(row.objective[1] > row.objective[0] for row in some)
        slowest = max(row.seconds for row in some)
        print(f"| {name} ({len(some)}) | {lens:.0%} | {flat:.0%} | **{both:.0%}** | {rose} | {slowest:.2f} s |")


def of_photos(folder: Path) -> None:
    """What is chosen for each photo; exits with 1 where an objective rises."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)[:12]
    if not paths:
        sys.exit(f"{folder} holds no photos.")
    print("| photo | objective | fov | depth strength | cuts | smoothing | s | why |")
    print("|---|---|---|---|---|---|---|---|")
    rose = 0
    for path in paths:
        scene = scene_of_photo(path)
        start = time.perf_counter()
        tuning, _ = optimize.optimize(scene, SceneAdvice(), ReconstructionAdvice(), lambda _share: None)
        seconds = time.perf_counter() - start
        rose += tuning.objective_after > tuning.objective_before
        print(_photo_row(path.name, scene, tuning, seconds), flush=True)
    print(f"\nThe objective rose on {rose} of {len(paths)} photos.")
    sys.exit(1 if rose else 0)


def scene_of_photo(path: Path) -> Scene:
    """As `scene_of`, with the depth that is estimated."""
    from diorama import depth, photo

    settings = Settings(processing_size=1024)
    full = photo.read(path, settings)
    found, _ = depth.estimate(full, settings)
    fitted = full.fitted(settings.texture_size)
    points = clean(unproject(found, fitted, settings), settings)
    cuts = find_cuts(points, settings)
    segments, _, _ = segment(points, cuts, fitted, found, settings, fetch=False, progress=lambda *_: None)
    return Scene("enhanced", fitted, found, points, cuts, (), settings, (), segments)


def _photo_row(name: str, scene: Scene, tuning: Tuning, seconds: float) -> str:
    from diorama.optimize.outcomes import reaches

    own, new = reaches(scene, tuning)
    return (
        f"| {name} | {tuning.objective_before:.2f} → {tuning.objective_after:.2f} | "
        f"{scene.points.camera.fov_x:.0f}° → {tuning.fov:.0f}° | {own:.1f} → {new:.1f} | {tuning.cut_threshold:g} | "
        f"{tuning.smoothing:g} | {seconds:.2f} | {tuning.reason} |"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Parameters found, against true ones.")
    parser.add_argument("--photos", type=Path, help="a folder of photos, instead of synthetic pictures")
    parser.add_argument("--count", type=int, default=5, help="pictures of each of the nine sorts")
    parser.add_argument("--noise", type=float, default=0.01, help="standard deviation, share of the depth's range")
    chosen = parser.parse_args()
    if chosen.photos:
        of_photos(chosen.photos)
    synthetic(chosen.count, chosen.noise)


if __name__ == "__main__":
    main()
