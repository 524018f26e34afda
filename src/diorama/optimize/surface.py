"""Cuts and smoothing: what the photo's own edges say of them.

Cuts: a cut where the photo has no edge tears a surface, a jump that is not cut where the photo has one stretches
triangles between two things, and small pieces come off as flakes. The objective is the length of all three, in
diagonals of the picture, each link weighed by how far the photo has an edge there or has none.

Smoothing: within surfaces, where the photo is even, normals should be too. The objective is the square of the median
angle between neighbouring normals there over `ROUGH`, how far the smoothed depth strays from the given one where the
photo has an edge that may be a crease, over `STRAY`, and a little for the amount itself.

Both are compared for a few values alone, the advised one among them, since another cut threshold than the scene has
means that its layers are made anew: it must be clearly better. Another smoothing alone moves vertices along their rays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diorama.advice import Advised, ReconstructionAdvice, Tuning
from diorama.cuts import find_cuts, label_surfaces, near_inverse_depth
from diorama.optimize.moving import moved_points
from diorama.smoothing import smooth
from diorama.types import Bool, Cuts, Float32, PointCloud, Scene, UInt8

Float64 = npt.NDArray[np.float64]

CLEARLY = 0.75
"""Share of the objective before at which another value is worth new layers; an advised one needs less ..."""

ADVISED = 0.92
"""... than that."""

LEAST_GAIN = 0.25
"""Diagonals of cuts, or the same of the smoothing's objective, by which it must be better as well."""

FACTORS = (0.6, 1.6)
"""Of the cut threshold, tried beside the advised one."""

AMOUNTS = (0.2, 0.4)
"""Of smoothing. More costs shape: on views of stereo pairs with their measured depth 0.4 is as good as none or better,
0.7 is worse. Only an advisor can ask for more."""

EDGE = 12.0
"""Brightness step a pixel, of 255, at which the photo has as much of an edge as not."""

STRETCH = 3.0
"""Per cent of the near inverse depth: a jump of this stretches triangles as visibly as a cut tears."""

FLAKE = 0.0005
"""Share of the picture; smaller pieces are flakes."""

FLAKE_LENGTH = 20
"""Links that a flake costs."""

PREVIEW = 420
"""Long side at which normals are compared ..."""

CUT_PREVIEW = 640
"""... and cuts."""

ROUGH = 12.0
"""Degrees between normals 1 % of the picture apart: more than this shows as waves in a lit surface."""

SMOOTH_ENOUGH = 15.0
"""Degrees up to which nobody need smooth: networks' depths have 6 to 11 on photos, those of 8 bits or a sensor's grain
20 to 60."""

PRICE = 0.5
"""Of the full amount of smoothing."""

STRAY = 0.006
"""Of the near inverse depth: a pixel of parallax at the default travel."""

TRAVEL = 0.1
"""Share by which an advised camera travel must differ to be worth new layers."""


def chosen(scene: Scene, plan: ReconstructionAdvice, tuning: Tuning, fixed: dict[str, str]) -> tuple[Tuning, str]:
    """The tuning with cuts, smoothing and camera travel chosen, and a sentence (empty: all as it was)."""
    settings = scene.settings
    points = moved_points(scene.points, tuning)
    terms = dict(tuning.terms)
    changes = {}
    said = []
    if "cut_threshold" not in fixed:
        own = settings.cut_threshold
        found = _best(_thresholds(own, plan.cut_threshold), CutObjective(points, scene), plan.cut_threshold)
        changes["cut_threshold"], terms["cuts"] = found.value, (found.before, found.after)
        if found.value != own:
            said.append(f"Cut threshold {own:g} → {found.value:g} %: cuts follow the photo's edges better.")
    if "smoothing" not in fixed:
        own = settings.smoothing
        judge = SmoothingObjective(points, scene)
        values = _amounts(own, plan.smoothing) if judge.rough(own) > SMOOTH_ENOUGH else [own]
        found = _best(values, judge, plan.smoothing)
        changes["smoothing"], terms["smoothing"] = found.value, (found.before, found.after)
        if found.value != own:
            said.append(f"Smoothing {own:g} → {found.value:g}: surfaces were rough where the photo is even.")
    advised = plan.camera_travel
    if "camera_travel" not in fixed and advised is not None:
        own = settings.camera_travel
        if abs(advised.value / own - 1) >= TRAVEL:
            changes["camera_travel"] = advised.value
            said.append(f"Camera travel {own:g} → {advised.value:g} % as advised.")
    sums = [sum(pair[k] for pair in terms.values()) for k in (0, 1)]
    update = {**changes, "terms": terms, "objective_before": sums[0], "objective_after": sums[1]}
    return tuning.model_copy(update=update), " ".join(said)


@dataclass(frozen=True)
class _Choice:
    value: float
    before: float
    after: float


def _best(values: list[float], objective: object, advised: Advised[float] | None) -> _Choice:
    """The value with the least objective, where it is clearly better than the first one."""
    assert callable(objective)
    costs = [float(objective(value)) for value in values]
    best = int(np.argmin(costs))
    own = costs[0]
    is_advised = advised is not None and abs(values[best] - advised.value) < 1e-9
    share = ADVISED if is_advised else CLEARLY
    gain = LEAST_GAIN / 3 if is_advised else LEAST_GAIN
    if best == 0 or costs[best] > share * own or own - costs[best] < gain:
        return _Choice(values[0], own, own)
    return _Choice(values[best], own, costs[best])


def _thresholds(own: float, advised: Advised[float] | None) -> list[float]:
    values = [own] + ([round(advised.value, 3)] if advised is not None else [])
    return values + [float(np.clip(round(own * factor, 2), 0.2, 20)) for factor in FACTORS]


def _amounts(own: float, advised: Advised[float] | None) -> list[float]:
    return [own] + ([advised.value] if advised is not None else []) + [a for a in AMOUNTS if a > own]


class CutObjective:
    """The objective of a cut threshold: diagonals of tears, stretches and flakes."""

    def __init__(self, points: PointCloud, scene: Scene) -> None:
        self.points, self.settings = _subsampled(points, CUT_PREVIEW), scene.settings
        inverse = self.points.inverse_depth / np.float32(near_inverse_depth(self.points)) * 100
        self.jumps = [np.abs(np.diff(inverse, axis=axis)) for axis in (1, 0)]
        self.edges = _photo_edges(self.points.rgb)
        self.finest = self._cuts(min(self.settings.cut_threshold, 3.0) * FACTORS[0])

    def _cuts(self, threshold: float) -> Cuts:
        return find_cuts(self.points, self.settings.changed(cut_threshold=max(threshold, 0.2)))

    def __call__(self, threshold: float) -> float:
        cuts = self._cuts(threshold)
        cost = 0.0
        finest = (self.finest.right, self.finest.down)
        for cut, fine, jump, edge in zip((cuts.right, cuts.down), finest, self.jumps, self.edges, strict=True):
            cost += float((1 - edge)[cut].sum())
            stretched = fine & ~cut
            cost += float((edge[stretched] * np.minimum(jump[stretched] / STRETCH, 2)).sum())
        count, labels = label_surfaces(cuts, self.points.opaque)
        size = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        flakes = int(np.count_nonzero(size < FLAKE * labels.size))
        return (cost + FLAKE_LENGTH * flakes) / self.points.camera.diagonal


def _photo_edges(rgb: UInt8) -> tuple[Float32, Float32]:
    """How far the photo has an edge within two pixels of each link across and down: 0..1."""
    import cv2

    grey = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (3, 3), 0).astype(np.float32)
    slope = np.hypot(cv2.Scharr(grey, cv2.CV_32F, 1, 0), cv2.Scharr(grey, cv2.CV_32F, 0, 1)) / 32
    steepest = cv2.dilate(slope, np.ones((5, 5), np.uint8)).astype(np.float32)
    edge = steepest**2 / (steepest**2 + np.float32(EDGE**2))
    return np.maximum(edge[:, 1:], edge[:, :-1]), np.maximum(edge[1:], edge[:-1])


def _subsampled(points: PointCloud, long_side: int) -> PointCloud:
    """Every so manieth pixel: averages would blur the jumps and hide the grain that are judged."""
    step = max(1, round(max(points.z.shape) / long_side))
    if step == 1:
        return points
    pick = np.s_[step // 2 :: step, step // 2 :: step]
    z = np.ascontiguousarray(points.z[pick])
    rgb, mask = np.ascontiguousarray(points.rgb[pick]), np.ascontiguousarray(points.mask[pick])
    opaque = None if points.opaque is None else np.ascontiguousarray(points.opaque[pick])
    return PointCloud(z, rgb, mask, points.camera.resized(z.shape[1], z.shape[0]), opaque)


class SmoothingObjective:
    """The objective of an amount of smoothing, at preview size."""

    def __init__(self, points: PointCloud, scene: Scene) -> None:
        import cv2

        height, width = points.z.shape
        scale = min(1.0, PREVIEW / max(height, width))
        size = max(3, round(width * scale)), max(3, round(height * scale))
        near = np.float32(near_inverse_depth(points))
        # Nearest: averages would hide the grain that is judged.
        inverse = cv2.resize(points.inverse_depth / near, size, interpolation=cv2.INTER_NEAREST_EXACT)
        self.inverse = np.ascontiguousarray(inverse, np.float32)
        self.rgb = np.ascontiguousarray(cv2.resize(points.rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        small = points.camera.resized(*size)
        y, x = np.mgrid[: size[1], : size[0]] + 0.5
        self.x, self.y = (x - small.cx) / small.fx, (y - small.cy) / small.fy
        self.cuts = [self._small_cut(cut, axis, size) for cut, axis in ((scene.cuts.right, 1), (scene.cuts.down, 0))]
        edge = np.zeros((size[1], size[0]), np.float32)
        across, down = _photo_edges(self.rgb)
        edge[:, 1:], edge[1:] = across, np.maximum(edge[1:], down)
        torn = np.zeros(edge.shape, np.uint8)
        torn[:, 1:] |= self.cuts[0]
        torn[1:] |= self.cuts[1]
        step = max(1, round(0.01 * max(size)))
        inner = cv2.dilate(torn, np.ones((2 * step + 3,) * 2, np.uint8)) == 0
        if scene.depth.sky is not None:
            sky = cv2.resize(scene.depth.sky.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
            inner &= cv2.dilate(sky, np.ones((3, 3), np.uint8)) == 0
        self.step = step
        self.even = inner & (cv2.dilate(edge, np.ones((2 * step + 1,) * 2, np.uint8)) < 0.15)
        self.creased = inner & (edge > 0.5)

    @staticmethod
    def _small_cut(cut: Bool, axis: int, size: tuple[int, int]) -> Bool:
        """Whether there is a cut between two neighbours of the small grid."""
        import cv2

        whole = np.zeros([n + (k == axis) for k, n in enumerate(cut.shape)], np.uint8)
        whole[(slice(None), slice(1, None)) if axis == 1 else slice(1, None)] = cut
        small = cv2.resize(whole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        return np.ascontiguousarray(small[:, 1:] if axis == 1 else small[1:])

    def rough(self, amount: float) -> float:
        """Degrees between neighbouring normals where the photo is even, in the middle; 0: it is even nowhere."""
        if np.count_nonzero(self.even) < 100:
            return 0.0
        angle = roughness(self._smoothed(amount), self.x, self.y, self.step)
        return float(np.median(angle[self.even[: -self.step, : -self.step]]))

    def __call__(self, amount: float) -> float:
        strayed = np.abs(self._smoothed(amount) - self.inverse)[self.creased]
        stray = float(strayed.mean()) / STRAY if strayed.size else 0.0
        return (self.rough(amount) / ROUGH) ** 2 + stray + PRICE * amount

    def _smoothed(self, amount: float) -> Float32:
        return smooth(self.inverse, self.rgb, self.cuts[0], self.cuts[1], amount)


def roughness(inverse: Float32, x: Float64, y: Float64, step: int) -> Float64:
    """Degrees between the normals of places `step` pixels apart, the mean of both directions; (H - step, W - step)."""
    z = 1 / inverse.astype(np.float64)
    position = np.stack([x * z, y * z, z], axis=-1)
    normal = np.cross(np.gradient(position, axis=1), np.gradient(position, axis=0))
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-30)
    here = normal[:-step, :-step]
    across = (here * normal[:-step, step:]).sum(axis=-1)
    down = (here * normal[step:, :-step]).sum(axis=-1)
    return np.asarray(np.degrees(np.arccos(np.clip(np.stack([across, down]), -1, 1))).mean(axis=0), np.float64)
