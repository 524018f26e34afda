"""Does the local advice follow the picture? Photos are distorted in known ways at growing strengths.

    python benchmarks/advice.py                            scikit-image's photos
    python benchmarks/advice.py FOLDER [--every 3]         a folder's, or every third of them
    python benchmarks/advice.py FOLDER --only blur,turn

A case is one photo, one distortion and one strength. It is right when the advice has moved on from the strength before
(at the first: from the photo as it is) by at least `LEAST`, the way it should, or is at the end of its range. Tone has
a side (dark or bright) and white balance a hue: their amounts count with the sign of the side, so that a dark photo
made brighter must ask for less. Rotated photos: the advised roll must change by the angle, to a quarter of it. Cropped:
the advised field of view must shrink, and by what was cut away, to a third of it; a table says how many were answered,
how many of these went the right way and how many in proportion. Where straight edges say nothing about one of the two
the advisor leaves it open; such cases are counted apart. Rooms, streets and house corners whose truth is known stand in
for photos with enough of them. Where the file itself tells how much was cut away, in EXIF data that still name the size
as taken or in the crop that Lightroom notes, the photo's own field of view must follow. The last table says what is
suggested for the photos as they are: it should be little.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

import rooms
from diorama import measures
from diorama.advice import TextureAction
from diorama.advisor import local, picture
from diorama.photo import read
from diorama.settings import Settings
from diorama.types import Camera, Photo

UInt8 = npt.NDArray[np.uint8]

LONG_SIDE = 768
"""Pixels."""

LEAST = 0.01
"""Of full strength, by which advice must move to count as having moved."""

SKIMAGE = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left")


def blurred(rgb: UInt8, sigma: float) -> UInt8:
    """A lens out of focus, as a Gaussian of `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.uint8)


def noisy(rgb: UInt8, sigma: float) -> UInt8:
    """White noise of `sigma` 8-bit steps."""
    noise = np.random.default_rng(0).normal(0, sigma, rgb.shape)
    return np.clip(np.round(rgb + noise), 0, 255).astype(np.uint8)


def gamma(rgb: UInt8, exponent: float) -> UInt8:
    """A tone curve: darker over 1, brighter under it."""
    table = np.round(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    return np.asarray(table[rgb], np.uint8)


def tinted(rgb: UInt8, stops: float) -> UInt8:
    """Light of another colour temperature: linear red and blue go `stops` doublings apart (> 0: warmer)."""
    linear = np.where(rgb <= 10.31, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear * 2.0 ** np.array([stops / 2, 0, -stops / 2]), 0, 1)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(srgb * 255).astype(np.uint8)


def turned(rgb: UInt8, degrees: float) -> UInt8:
    """As a camera sees it that was turned clockwise, cut to what has no corner missing."""
    height, width = rgb.shape[:2]
    # The picture turns the other way.
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), degrees, 1)
    whole = cv2.warpAffine(rgb, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    angle = math.radians(abs(degrees))
    ratio = max(width, height) / min(width, height)
    share = 1 / (math.cos(angle) + ratio * math.sin(angle))
    return cropped(np.asarray(whole, np.uint8), share)


def cropped(rgb: UInt8, share: float) -> UInt8:
    """The middle, `share` of width and height."""
    height, width = rgb.shape[:2]
    h, w = round(height * share), round(width * share)
    top, left = (height - h) // 2, (width - w) // 2
    return np.ascontiguousarray(rgb[top : top + h, left : left + w])


@dataclass(frozen=True)
class Case:
    """What was advised, and whether that was right; None: the advisor left it open."""

    text: str
    right: bool | None
    narrower: bool | None = None  # of crops: whether the field of view shrank at all


@dataclass(frozen=True)
class Distortion:
    """One way to spoil a photo, its strengths in order, and the advice that should follow."""

    name: str
    apply: Callable[[UInt8, float], UInt8]
    strengths: tuple[float, ...]
    action: TextureAction
    side: int  # the way that the signed advice should move


DISTORTIONS = (
    Distortion("blur", blurred, (1.5, 2.2, 3.0), "sharpen", 1),
    Distortion("noise", noisy, (6.0, 12.0, 24.0), "denoise", 1),
    Distortion("darker", gamma, (1.8, 2.4, 3.2), "tone", -1),
    Distortion("brighter", gamma, (0.55, 0.42, 0.31), "tone", 1),
    Distortion("warmer", tinted, (0.7, 1.4, 2.1), "white-balance", 1),
    Distortion("cooler", tinted, (-0.7, -1.4, -2.1), "white-balance", -1),
)

TURNS = (-9.0, -6.0, -3.0, 3.0, 6.0, 9.0)
"""Degrees."""

CROPS = (0.85, 0.7, 0.55)
"""Of width and height."""

WORLDS = 12
"""Rooms, streets and corners."""


def photos(folder: Path | None, every: int) -> list[Photo]:
    """The photos, `LONG_SIDE` at most."""
    if folder is None:
        import skimage

        paths = [next(Path(skimage.__file__).parent.glob(f"data/{name}.*")) for name in SKIMAGE]
    else:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})[::every]
    return [replace(read(path, Settings()).fitted(LONG_SIDE), name=path.stem) for path in paths]


def signed(rgb: UInt8, action: TextureAction) -> float:
    """The suggested amount, 0 where it is too weak to be suggested, with the sign of its side."""
    amount = picture.MEASURED[action](rgb, None).amount
    if amount < picture.WEAKEST:
        return 0.0
    if action == "tone":
        return math.copysign(amount, measures.tone(rgb).exponent)
    return math.copysign(amount, measures.cast(rgb)[1]) if action == "white-balance" else amount


def follows(rgb: UInt8, distortion: Distortion) -> list[Case]:
    """The case of every strength."""
    before = signed(rgb, distortion.action)
    cases = []
    for strength in distortion.strengths:
        amount = signed(distortion.apply(rgb, strength), distortion.action)
        moved = (amount - before) * distortion.side
        cases.append(Case(f"{amount:+.2f}", moved >= LEAST or amount * distortion.side >= 1))
        before = amount
    return cases


def rolls(rgb: UInt8) -> list[Case]:
    """Photos turned by `TURNS`."""
    before = said(rgb)[1]
    cases = []
    for degrees in TURNS:
        after = said(turned(rgb, degrees))[1]
        if before is None or after is None:
            cases.append(Case("open", None))
        else:
            cases.append(Case(f"{after:+.1f}°", abs(after - before - degrees) <= max(1.0, abs(degrees) / 4)))
    return cases


def views(rgb: UInt8) -> list[Case]:
    """Photos cropped to `CROPS`."""
    before = said(rgb)[0]
    return [shrunk(before, said(cropped(rgb, share))[0], share) for share in CROPS]


def shrunk(before: float | None, after: float | None, share: float) -> Case:
    """What a crop to this share of the width made of a field of view, in degrees."""
    if before is None or after is None:
        return Case("open", None)
    moved = math.log(math.tan(math.radians(after) / 2) / math.tan(math.radians(before) / 2))
    return Case(f"{after:.0f}°", moved < 0 and abs(moved / math.log(share) - 1) <= 1 / 3, moved < 0)


def by_size(rgb: UInt8) -> list[Case]:
    """The same of files whose EXIF data still name the focal length and the size as taken: of the width alone, to the
    left."""
    width = rgb.shape[1]
    whole = in_file(rgb, rgb.shape)
    parts = [rgb[:, : round(width * share)] for share in CROPS]
    return [shrunk(whole, in_file(part, rgb.shape), part.shape[1] / width) for part in parts]


def by_notes(rgb: UInt8) -> list[Case]:
    """The same of files in which Lightroom notes the crop."""
    height, width = rgb.shape[:2]
    whole = in_file(rgb, rgb.shape)
    cases = []
    for share in CROPS:
        part = rgb[: round(height * share), : round(width * share)]
        corners = f'crs:CropLeft="0" crs:CropTop="0" crs:CropRight="{share}" crs:CropBottom="{share}"'
        noted = f'{corners} crs:HasCrop="True" crs:AlreadyApplied="True"'
        cases.append(shrunk(whole, in_file(part, part.shape, noted), share))
    return cases


def in_file(rgb: UInt8, taken: tuple[int, ...], developed: str = "") -> float:
    """The field of view in degrees that a JPEG of these pixels is given, whose EXIF data name a lens of 28 mm (of 35 mm
    film) and the size `taken`, and whose XMP data how it was developed."""
    exif = Image.Exif()
    exif[0x8769] = {0xA405: 28, 0xA002: taken[1], 0xA003: taken[0]}
    head = f'<rdf:Description rdf:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" {developed}/>'
    rdf = f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{head}</rdf:RDF>'
    packet = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}</x:xmpmeta>'.encode()
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", exif=exif, xmp=packet)
    return read(file.getvalue(), Settings()).camera.fov_x


def said(rgb: UInt8) -> tuple[float | None, float | None]:
    """(field of view, roll) as advised, in degrees; a roll that nobody sees counts as 0, an unknown one as None."""
    photo = Photo(rgb, Camera.assumed(rgb.shape[1], rgb.shape[0]))
    fov, roll = local.from_edges(photo)
    level = None if roll is None and not local.is_level(photo) else 0.0
    return None if fov is None else fov.value, level if roll is None else roll.value


def crops(rows: dict[str, list[list[Case]]]) -> None:
    """Print how crops were answered, of every sort."""
    print("\n| crop | cases | left open | answered | right way | in proportion |\n|---|---|---|---|---|---|")
    for name, found in rows.items():
        every = [case for row in found for case in row]
        told = [case for case in every if case.right is not None]
        narrower, right = sum(case.narrower is True for case in told), sum(case.right is True for case in told)
        print(f"| {name} | {len(every)} | {len(every) - len(told)} | {len(told)} | {narrower} | {right} |")


def table(title: str, rows: dict[str, list[Case]], shown: bool) -> tuple[int, int]:
    """Print what became of one distortion -> right cases, and all that were not left open."""
    cases = [case for row in rows.values() for case in row if case.right is not None]
    right = sum(bool(case.right) for case in cases)
    share = f"{right / len(cases):.0%}" if cases else "-"
    print(f"| {title} | {right} of {len(cases)} | {share} | {sum(map(len, rows.values())) - len(cases)} |", flush=True)
    if shown:
        for name, row in rows.items():
            print(
                f"    {name}: " + " ".join(case.text + ("" if case.right is not False else " (wrong)") for case in row)
            )
    return right, len(cases)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every n-th photo")
    parser.add_argument("--only", default="", help="distortions, separated by commas")
    parser.add_argument("--cases", action="store_true", help="show every case")
    given = parser.parse_args()
    chosen = set(filter(None, given.only.split(",")))
    found = photos(given.folder, given.every)
    print(f"{len(found)} photos of at most {LONG_SIDE} px\n\n| distortion | right | | left open |\n|---|---|---|---|")
    total = [0, 0]
    asked = {"turn": rolls, "crop": views, "turn, drawn": rolls, "crop, drawn": views}
    asked |= {"crop, size in EXIF": by_size, "crop, noted in XMP": by_notes}
    cut: dict[str, list[list[Case]]] = {}
    names = [d.name for d in DISTORTIONS] + list(asked)
    for name in names:
        if chosen and name.split(",")[0] not in chosen:
            continue
        if name.endswith("drawn"):
            kinds = ("room", "street", "corner")
            pictures = [rooms.view(kinds[seed % 3], "lines", seed) for seed in range(WORLDS)]
            sources = {f"{view.name} {seed}": view.rgb for seed, view in enumerate(pictures)}
        else:
            sources = {photo.name: photo.rgb for photo in found}
        distortion = next((d for d in DISTORTIONS if d.name == name), None)
        rows = {
            source: follows(rgb, distortion) if distortion else asked[name](np.asarray(rgb, np.uint8))
            for source, rgb in sources.items()
        }
        if name.startswith("crop"):
            cut[name] = list(rows.values())
        right, count = table(name, rows, given.cases)
        total = [total[0] + right, total[1] + count]
    print(f"| all | {total[0]} of {total[1]} | {total[0] / max(1, total[1]):.0%} | |")
    if cut:
        crops(cut)
    if not chosen:
        print("\n| photo as it is | suggested for its texture |\n|---|---|")
        for photo in found:
            items = picture.texture(photo, 0.0)
            texts = (f"{item.action} {item.amount:.2f}" for item in items if item.action in picture.MEASURED)
            print(f"| {photo.name} | {', '.join(texts) or 'nothing'} |")
    sys.exit(total[0] < 0.9 * total[1])


if __name__ == "__main__":
    main()
