"""Labels for real photos: what several networks say of many overlapping views of each, in one scale, averaged.

A network errs in another way in every view of a thing (its place in the frame, its size, mirrored or not), and each
network in its own way; the mean is better than any of them. On the six stereo pairs, of pixel pairs 21 to 24 % are in
the wrong order in one network's answer at one size, and 17.5 % in the mean of two networks at five sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from diorama.depth import bundled, refine, sky
from training import marked

Float32 = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Teach = Callable[[Picture, int], Float32]

LONG_SIDE = 640  # of what is kept
_MULTIPLE = 32
_SIDES = (224, 320, 448, 640)
"""Long sides at which the networks see a photo whole; its parts at the middle two."""


class Teacher:
    """An ONNX network: `image` (1, 3, H, W), 0..1, sides multiples of 32, to relative inverse depth."""

    def __init__(self, path: Path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, rgb: Picture, long_side: int) -> Float32:
        """(H, W, 3) -> (H, W), the mean of both ways round, median 0 and mean distance from it 1."""
        height, width = rgb.shape[:2]
        scale = long_side / max(height, width)
        across, down = (max(1, round(side * scale / _MULTIPLE)) * _MULTIPLE for side in (width, height))
        smaller = across <= width
        seen = cv2.resize(rgb, (across, down), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
        answers = []
        for picture in (seen, seen[:, ::-1]):
            tensor = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
            answers.append(
                np.asarray(self._session.run(None, {self._input: tensor})[0], np.float32).reshape(down, across)
            )
        mean = (answers[0] + answers[1][:, ::-1]) / 2
        return _standard(np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)))


class Package:
    """What the package itself makes of a picture: both of its networks at all of their sizes."""

    def __call__(self, rgb: Picture, _long_side: int) -> Float32:
        """(H, W, 3) -> (H, W), median 0 and mean distance from it 1."""
        answer = bundled.predict(rgb)
        return _standard(np.asarray(cv2.resize(answer, rgb.shape[1::-1], interpolation=cv2.INTER_AREA), np.float32))


def write(photos: Path, out: Path, teachers: list[Path], views: int, seed: int = 0) -> int:
    """Label every picture of a folder; how many there are. What is there already isn't made again.

    Args:
        photos: with .jpg and .png files.
        out: gets NAME.npz with `rgb` (H, W, 3) uint8 and `inverse` (H, W) float16, least 0 and near end about 1.
        teachers: ONNX files; none: the package as it is, from which its next network goes on.
        views: parts of each photo that each network sees, besides the whole.
        seed: of their choice.
    """
    out.mkdir(parents=True, exist_ok=True)
    networks: list[Teach] = [Teacher(path) for path in teachers] or [Package()]
    count = 0
    for path in sorted(one for one in photos.iterdir() if one.suffix.lower() in (".jpg", ".png")):
        count += 1
        target = out / f"{path.stem}.npz"
        if target.exists():
            continue
        rgb = read(path, LONG_SIDE)
        inverse = label(rgb, networks, views, np.random.default_rng(seed + count))
        if not teachers:
            whole = refine.normalise(inverse)
            inverse = refine.sharpen(whole, rgb, 1.0, sky.find(rgb, whole))
        inverse = marked.painted(inverse, marked.regions(path.stem))
        part = out / f"{path.stem}.part.npy"
        with part.open("wb") as file:
            np.savez_compressed(file, rgb=rgb, inverse=inverse.astype(np.float16))
        part.replace(target)
        print(f"{count} {path.name}", flush=True)
    return count


def read(path: Path, long_side: int) -> Picture:
    """(H, W, 3), RGB, at most so large.

    Raises:
        ValueError: it can't be read.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path} can't be read.")
    scale = min(1.0, long_side / max(picture.shape[:2]))
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    return np.ascontiguousarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[..., ::-1], np.uint8)


def label(rgb: Picture, teachers: Sequence[Teach], views: int, rng: np.random.Generator) -> Float32:
    """Inverse depth (H, W) of a photo, 0 at its farthest, its 98th percentile 1."""
    wholes = [np.mean([one(rgb, side) for side in _sides(one)], axis=0) for one in teachers]
    reference = _standard(np.mean(wholes, axis=0))
    parts = list(_parts(rgb.shape[0], rgb.shape[1], views, rng))
    means = []
    for teacher, whole in zip(teachers, wholes, strict=True):
        count = len(_sides(teacher))
        total, weight = count * fitted(whole, reference), np.full(reference.shape, count, np.float32)
        for index, (rows, columns) in enumerate(parts):
            answer = fitted(teacher(rgb[rows, columns], _SIDES[1 + index % 2]), reference[rows, columns])
            sure = _window(answer.shape)
            total[rows, columns] += sure * answer
            weight[rows, columns] += sure
        means.append(total / weight)
    mean = np.mean(means, axis=0)
    low, high = np.percentile(mean, (0.5, 98))
    return np.maximum((mean - low) / (high - low + 1e-6), 0).astype(np.float32)


def _sides(teacher: Teach) -> tuple[int, ...]:
    """At which a teacher sees a photo whole: the package looks at several by itself."""
    return _SIDES[-1:] if isinstance(teacher, Package) else _SIDES


def fitted(answer: Float32, reference: Float32) -> Float32:
    """In the scale of the reference, by least squares; an answer that contradicts it becomes its mean."""
    x, y = answer - answer.mean(), reference - reference.mean()
    slope = max(0.0, float((x * y).sum() / ((x * x).sum() + 1e-6)))
    return (slope * x + reference.mean()).astype(np.float32)


def _parts(height: int, width: int, count: int, rng: np.random.Generator) -> Iterator[tuple[slice, slice]]:
    for _ in range(count):
        h, w = (round(side * rng.uniform(0.5, 0.85)) for side in (height, width))
        y, x = rng.integers(height - h + 1), rng.integers(width - w + 1)
        yield slice(y, y + h), slice(x, x + w)


def _window(shape: tuple[int, ...]) -> Float32:
    """1 inside, falling to little at the borders, where a view knows least of what goes on beyond."""
    rows, columns = (np.minimum(1, 0.05 + 6 * np.minimum(t := np.linspace(0, 1, n), 1 - t)) for n in shape)
    return np.outer(rows, columns).astype(np.float32)


def _standard(values: Float32) -> Float32:
    median = np.median(values)
    return ((values - median) / (np.abs(values - median).mean() + 1e-6)).astype(np.float32)
