"""Make the bundled depth network.

    python -m training.depth data PHOTOS LABELS --teachers A.onnx B.onnx     label photos: what the teachers say of them
    python -m training.depth train RUN --labels LABELS --textures PHOTOS     checkpoints in RUN; goes on from the last
    python -m training.depth evaluate RUN --stereo STEREO                    score against images seen: RUN/curve.csv
    python -m training.depth export RUN/00*.pt depth.onnx                    the mean of checkpoints: what is shipped
    python -m training.depth convert second.onnx smaller.onnx                another network's file, in fewer bytes
    python -m training.depth quantise second.onnx faster.onnx PHOTOS         the same in whole numbers
    python -m training.depth coarsen faster.onnx coarse.onnx                 the second network, its answer smaller
    python -m training.depth sheet SHEET.jpg PHOTOS --networks a.onnx b.onnx depth maps side by side, to look at
    python -m training.depth --smoke                                         all of it, small, in two minutes

Needs `pip install -e .[dev-hub,dev]`. Trains on a GPU where there is one (CUDA), else on `--threads` cores.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

SMOKE_SIZE = (96, 128)


def main(arguments: list[str] | None = None) -> int:
    """Run a command."""
    given = _parser().parse_args(arguments)
    if given.smoke:
        with tempfile.TemporaryDirectory() as folder:
            return smoke(Path(folder), given.smoke)
    if given.command is None:
        _parser().print_help()
        return 2
    _few_threads(given.threads)
    given.run(given)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.depth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", type=int, nargs="?", const=200, default=0, metavar="SCENES", help="try everything")
    parser.add_argument("--threads", type=int, default=1)
    commands = parser.add_subparsers(dest="command")

    data = commands.add_parser("data", help="label photos")
    data.add_argument("photos", type=Path)
    data.add_argument("labels", type=Path)
    data.add_argument("--teachers", type=Path, nargs="*", default=[], help="ONNX files; none: the package itself")
    data.add_argument("--views", type=int, default=12, help="parts of each photo that are labelled by themselves")
    data.set_defaults(run=_data)

    train = commands.add_parser("train", help="train")
    train.add_argument("folder", type=Path, metavar="RUN")
    train.add_argument("--start", type=Path, help="a checkpoint, or a published .onnx; RUN/last.pt where there is one")
    train.add_argument("--labels", type=Path, help="what `data` wrote")
    train.add_argument("--textures", type=Path, help="a folder of photos that scenes take surfaces from")
    train.add_argument("--minutes", type=float, default=60.0)
    train.add_argument("--processes", type=int, default=1, help="that render scenes")
    train.add_argument("--photo-share", type=float, default=0.4, help="of labelled photos in a batch")
    train.add_argument("--batch", type=int, default=16, metavar="IMAGES", help="of 160 x 208 pixels, or as many pixels")
    train.add_argument("--rate", type=float, default=6e-4)
    train.add_argument("--seed", type=int, default=0)
    train.set_defaults(run=_train)

    evaluate = commands.add_parser("evaluate", help="score checkpoints and networks")
    evaluate.add_argument("folder", type=Path, metavar="RUN")
    evaluate.add_argument("--stereo", type=Path, help="NAME/left.png and NAME/disparity.png; else Motorcycle alone")
    evaluate.add_argument("--scenes", type=int, default=40, help="rendered ones that are scored as well")
    evaluate.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth checkpoint, and the last")
    evaluate.set_defaults(run=_evaluate)

    export = commands.add_parser("export", help="write the ONNX file")
    export.add_argument("checkpoints", type=Path, nargs="+", help="of several the mean of their weights")
    export.add_argument("file", type=Path)
    export.set_defaults(run=_export)

    convert = commands.add_parser("convert", help="write another network's file in fewer bytes")
    convert.add_argument("source", type=Path)
    convert.add_argument("file", type=Path)
    convert.set_defaults(run=_convert)

    quantise = commands.add_parser("quantise", help="write a network in whole-number arithmetic")
    quantise.add_argument("source", type=Path)
    quantise.add_argument("file", type=Path)
    quantise.add_argument("photos", type=Path, help="a folder of some that say which ranges the values have")
    quantise.set_defaults(run=_quantise)

    coarsen = commands.add_parser("coarsen", help="let the second network answer at an eighth of the picture's size")
    coarsen.add_argument("source", type=Path, help="what `quantise` wrote")
    coarsen.add_argument("file", type=Path)
    coarsen.set_defaults(run=_coarsen)

    sheet = commands.add_parser("sheet", help="depth maps of photos, side by side")
    sheet.add_argument("file", type=Path)
    sheet.add_argument("photos", type=Path, help="a folder")
    sheet.add_argument("--networks", type=Path, nargs="*", default=[], help="ONNX files; the package's come last")
    sheet.set_defaults(run=_sheet)
    return parser


def _few_threads(count: int) -> None:
    import cv2
    import torch

    torch.set_num_threads(count)
    cv2.setNumThreads(count)


def _data(given: argparse.Namespace) -> None:
    from training import labels

    count = labels.write(given.photos, given.labels, given.teachers, given.views)
    print(f"{count} photos in {given.labels}")


def _rendered(
    textures: Path | None, sizes: list[tuple[int, int]], seed: int, processes: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from training import scenes

    for one in scenes.stream(seed, sizes, processes, textures):
        yield one.rgb, one.inverse_depth


def _train(given: argparse.Namespace) -> None:
    from training import train

    last = given.folder / "last.pt"
    start = given.start or (last if last.exists() else None)
    plan = train.Plan(
        minutes=given.minutes,
        pixels=given.batch * 160 * 208,
        photo_share=given.photo_share,
        rate=given.rate,
        seed=given.seed,
    )
    # A run that goes on must not see the scenes of the run before it.
    seed = given.seed + (int.from_bytes(os.urandom(3), "big") if start == last else 0)
    samples = _rendered(given.textures, train.SCENE_SIZES, seed, given.processes)
    train.run(given.folder, plan, start, samples, given.labels)


def _evaluate(given: argparse.Namespace) -> None:
    from benchmarks import depth as benchmark
    from training import evaluate

    found = sorted(given.folder.glob("[0-9]*.pt"))
    if not found:
        sys.exit(f"{given.folder} holds no checkpoints.")
    chosen = sorted({*found[:: given.every], found[-1]})
    pairs = list(benchmark.motorcycle() if given.stereo is None else benchmark.stereo_pairs(given.stereo))
    evaluate.curve(chosen, pairs, evaluate.held_out(given.scenes), given.folder / "curve.csv")


def _export(given: argparse.Namespace) -> None:
    from training import export, train

    print(f"{export.write(train.averaged(*given.checkpoints), given.file):,} bytes")


def _convert(given: argparse.Namespace) -> None:
    from training import export

    print(f"{export.convert(given.source, given.file):,} bytes")


def _quantise(given: argparse.Namespace) -> None:
    from training import quantise

    print(f"{quantise.write(given.source, given.file, given.photos):,} bytes")


def _coarsen(given: argparse.Namespace) -> None:
    from training import coarse

    print(f"{coarse.write(given.source, given.file):,} bytes")


def _sheet(given: argparse.Namespace) -> None:
    from diorama.depth import bundled
    from training import evaluate

    photos = sorted(one for one in given.photos.iterdir() if one.suffix.lower() in (".jpg", ".png"))
    evaluate.sheet(photos, [*(bundled.Networks(path) for path in given.networks), bundled.shipped()], given.file)


def smoke(folder: Path, count: int, steps: int = 40) -> int:
    """Everything once, small: scenes, labels, training, export, onnxruntime. 0 where the loss fell."""
    import cv2
    import torch

    from diorama.depth import bundled
    from training import evaluate, export, labels, scenes, train

    _few_threads(1)
    height, width = SMOKE_SIZE
    drawn = [scenes.sample(np.random.default_rng(index), height, width) for index in range(count)]
    photos = folder / "photos"
    photos.mkdir()
    for index, one in enumerate(drawn[:2]):
        cv2.imwrite(str(photos / f"{index}.png"), one.rgb[..., ::-1])
    labels.write(photos, folder / "labels", [bundled.shipped().own], 1)
    plan = train.Plan(
        minutes=60, steps=steps, pixels=8 * height * width, sizes=((96, 128), (128, 96)), rate=2e-3, least=count
    )
    samples = ((one.rgb, one.inverse_depth) for one in drawn)
    said = train.run(folder / "run", plan, None, samples, folder / "labels")
    net = train.averaged(folder / "run" / "last.pt")
    file = folder / "depth.onnx"
    size = export.write(net, file)
    picture = drawn[0].rgb
    answer = bundled.answer(picture, width, file)
    with torch.no_grad():
        own = net(torch.from_numpy(picture.transpose(2, 0, 1)[None].copy()).float() / 255)[0].numpy()
    apart = float(np.abs(answer - own).max() / (own.std() + 1e-6))
    scored = evaluate.scores([(picture, drawn[0].inverse_depth)], bundled.Networks(file))
    first, last = float(np.mean(said[: steps // 4])), float(np.mean(said[-steps // 4 :]))
    print(
        f"loss {first:.3f} -> {last:.3f}; {size:,} bytes; onnxruntime and PyTorch differ by {apart:.1%} of the spread"
    )
    print("  ".join(f"{name} {value:.3f}" for name, value in scored.items()))
    return 0 if last < first and apart < 0.05 else 1


if __name__ == "__main__":
    sys.exit(main())
