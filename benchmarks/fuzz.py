"""Damaged picture files through the web app's intake: none may crash the server, take long, or take the memory.

    python benchmarks/fuzz.py                       5,000 files, about 5 minutes
    python benchmarks/fuzz.py --count 500 --first 2500
    python benchmarks/fuzz.py --keep FOLDER         keeps the files that crash a decoder

Pictures of every format that is read (of several kinds each) are damaged by bits, bytes, numbers, cuts, repeats and
pieces of other pictures; file N is the same whenever it is made. Each is uploaded to the server, which looks at its
first bytes; what it takes is decoded as a worker does it, in a process with limits; every 40th that becomes a photo is
made a scene. Exits with 1 where an answer is none of the documented ones, a file takes over 10 s, a decoder takes more
memory than its limit, or the server's own memory grows.
"""

from __future__ import annotations

import argparse
import io
import random
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image

from diorama import decoding, pipeline
from diorama.decoder import MEMORY_BYTES, Decoder
from diorama.errors import PhotoError
from diorama.server import create_app
from diorama.server.context import Context
from diorama.server.users import Users
from diorama.settings import Settings

ROOT = Path(__file__).parents[1]
HEIC = ROOT / "tests" / "pictures" / "landscape.heic"

SECONDS = 10.0
GROWTH_BYTES = 200 << 20
"""Of the server over all files: what the first of them load, and no more."""

DOCUMENTED = {201, 413, 415, 422}
"""Answers to an upload that can be this file's doing, of those in the API's document."""

SCENE_EVERY = 40
TINY = {"processing_size": 64, "triangles": 1000}

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0)

_DAMAGE = ("bits", "bytes", "number", "number", "cut", "remove", "repeat", "insert", "splice", "swap")


def seeds() -> dict[str, bytes]:
    """A small picture of every format that is read, of several kinds."""
    generator = np.random.default_rng(7)
    y, x = np.mgrid[:48, :64]
    smooth = np.stack([x * 4, y * 5, (x + y) * 2], axis=-1).astype(np.uint8)
    picture = Image.fromarray(np.where(generator.random((48, 64, 1)) < 0.1, 255 - smooth, smooth).astype(np.uint8))
    exif = Image.Exif()
    exif.update({274: 6, 271: "Maker", 272: "Model", 305: "x" * 200})
    exif.get_ifd(0x8769).update({37386: 4.2, 41989: 28, 33434: 0.01})
    frames = [picture, picture.rotate(90), picture.rotate(180)]
    many = {"save_all": True, "append_images": frames[1:], "duration": 50}
    clear = picture.copy()
    clear.putalpha(128)
    kinds: dict[str, tuple[Image.Image, str, dict[str, object]]] = {
        "jpeg": (picture, "JPEG", {"quality": 90, "exif": exif}),
        "jpeg-progressive": (picture, "JPEG", {"progressive": True, "quality": 70}),
        "jpeg-grey": (picture.convert("L"), "JPEG", {}),
        "jpeg-cmyk": (picture.convert("CMYK"), "JPEG", {}),
        "jpeg-mpo": (picture, "MPO", {"save_all": True, "append_images": frames[1:]}),
        "png": (picture, "PNG", {"exif": exif}),
        "png-palette": (picture.quantize(16), "PNG", {"transparency": 0}),
        "png-alpha": (clear, "PNG", {}),
        "png-16": (Image.fromarray((y * 1000).astype(np.uint16)), "PNG", {}),
        "png-animated": (picture, "PNG", many),
        "webp": (picture, "WEBP", {"exif": exif}),
        "webp-lossless": (clear, "WEBP", {"lossless": True}),
        "webp-animated": (picture, "WEBP", many),
        "gif": (picture.quantize(32), "GIF", {}),
        "gif-animated": (picture.quantize(32), "GIF", {"save_all": True, "append_images": [frames[1].quantize(8)]}),
        "tiff": (picture, "TIFF", {}),
        "tiff-lzw": (picture, "TIFF", {"compression": "tiff_lzw", "exif": exif}),
        "tiff-deflate": (picture, "TIFF", {"compression": "tiff_adobe_deflate"}),
        "tiff-jpeg": (picture, "TIFF", {"compression": "jpeg"}),
        "tiff-fax": (picture.convert("1"), "TIFF", {"compression": "group4"}),
        "tiff-float": (Image.fromarray((y / 48).astype(np.float32)), "TIFF", {}),
        "bmp": (picture, "BMP", {}),
        "bmp-palette": (picture.quantize(16), "BMP", {}),
        "avif": (picture, "AVIF", {"quality": 80, "exif": exif}),
        "avif-animated": (picture, "AVIF", many),
    }
    found = {}
    for name, (image, kind, options) in kinds.items():
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        found[name] = buffer.getvalue()
    found["heic"] = HEIC.read_bytes()
    jxl = _jxl(np.asarray(picture))
    if jxl:
        found["jxl"] = jxl
    return found


def _jxl(pixels: np.ndarray) -> bytes:
    try:
        import pylibjxl
    except ImportError:
        return b""
    return bytes(pylibjxl.encode(np.ascontiguousarray(pixels)))


def mutated(number: int, pictures: dict[str, bytes]) -> tuple[str, bytes]:
    """File `number`: the name of the picture that it was, and its bytes."""
    generator = random.Random(number)
    names = sorted(pictures)
    name = names[number % len(names)]
    data = bytearray(pictures[name])
    for _ in range(generator.choice((1, 1, 1, 2, 3, 8))):
        data = _damaged(data, generator, pictures[generator.choice(names)])
    return name, bytes(data)


def _damaged(data: bytearray, generator: random.Random, other: bytes) -> bytearray:
    size = max(1, len(data))
    # Half of it where formats keep sizes and counts.
    at = generator.randrange(min(size, 600) if generator.random() < 0.5 else size)
    kind = generator.choice(_DAMAGE)
    length = generator.choice((1, 2, 4, 16, 64, 300))
    if kind == "bits":
        for _ in range(generator.choice((1, 4, 32))):
            place = generator.randrange(size)
            if place < len(data):
                data[place] ^= 1 << generator.randrange(8)
    elif kind == "bytes":
        data[at : at + length] = generator.randbytes(length)
    elif kind == "number":
        form = generator.choice(("<H", ">H", "<I", ">I"))
        number = generator.choice(_NUMBERS) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)
        packed = struct.pack(form, number)
        data[at : at + len(packed)] = packed
    elif kind == "cut":
        del data[at:]
    elif kind == "remove":
        del data[at : at + length]
    elif kind == "repeat":
        data[at:at] = data[at : at + length] * generator.choice((1, 10, 1000))
    elif kind == "insert":
        data[at:at] = generator.randbytes(length)
    elif kind == "splice":
        data[at:] = other[at:]
    else:
        there = generator.randrange(size)
        data[at : at + length], data[there : there + length] = data[there : there + length], data[at : at + length]
    return data


@dataclass
class Findings:
    """What came of the files."""

    files: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    crashes: list[tuple[int, str, str]] = field(default_factory=list)
    slowest: tuple[float, int, str] = (0.0, 0, "")
    peak_bytes: int = 0
    growth_bytes: int = 0
    wrong: list[str] = field(default_factory=list)


def fuzz(numbers: range, folder: Path, keep: Path | None = None, scene_every: int = SCENE_EVERY) -> Findings:
    """Send files through the intake of a server whose data is in `folder`."""
    app = create_app(folder, fetch=False, users=Users(), max_queued=len(numbers) + 1)
    context: Context = app.state.context
    client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)  # without workers
    decoder, found, pictures = Decoder(), Findings(), seeds()
    decoder.start()
    photos, before = 0, _resident()
    for number, (name, data) in ((each, mutated(each, pictures)) for each in numbers):
        start = time.monotonic()
        outcome, photo = _one(client, context, decoder, name, data, found)
        seconds = time.monotonic() - start
        if seconds > SECONDS:  # was it the file, or the machine that had other things to do?
            start = time.monotonic()
            _one(client, context, decoder, name, data, Findings())
            seconds = time.monotonic() - start
        found.files += 1
        found.answers[outcome] += 1
        found.slowest = max(found.slowest, (seconds, number, name))
        found.peak_bytes = max(found.peak_bytes, decoder.peak_bytes)
        if outcome == "crash":
            found.crashes.append((number, name, found.wrong.pop()))
            if keep is not None:
                (keep / f"{number}-{name}").write_bytes(data)
        if photo is not None:
            photos += 1
            if photos % scene_every == 1:
                pipeline.make(photo, Settings(**TINY), until="original", fetch=False)
                found.answers["of them made a scene"] += 1
        if number == numbers[0] + len(numbers) // 10:
            before = _resident()  # everything is loaded by now
    found.growth_bytes = _resident() - before
    decoder.close()
    context.store.close()
    found.wrong += _limits(found)
    return found


def _one(client: TestClient, context: Context, decoder: Decoder, name: str, data: bytes, found: Findings):
    answer = client.post("/api/v1/jobs", content=data, headers={"Content-Type": "image/*", "X-Filename": name})
    if answer.status_code not in DOCUMENTED:
        found.wrong.append(f"{name}: the server answered {answer.status_code}: {answer.text[:200]}")
    if answer.status_code != 201:
        return f"refused with {answer.status_code}", None
    job = context.store.get(answer.json()["id"])
    try:
        photo = decoder.read(context.data.job(job.id).upload(job.upload), Settings())
    except PhotoError as error:
        if "crash" in error.message:
            found.wrong.append(error.message)  # taken out again: one failed photo, as it should be
            return "crash", None
        return f"failed: {error.code}", None
    finally:
        client.delete(f"/api/v1/jobs/{job.id}")
    return "a photo", photo


def _limits(found: Findings) -> Iterator[str]:
    if found.slowest[0] > SECONDS:
        yield f"file {found.slowest[1]} took {found.slowest[0]:.1f} s"
    if found.peak_bytes > MEMORY_BYTES:
        yield f"a decoder took {found.peak_bytes >> 20} MB"
    if found.growth_bytes > GROWTH_BYTES:
        yield f"the server grew by {found.growth_bytes >> 20} MB"


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096
    except OSError:
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = fuzz(range(given.first, given.first + given.count), Path(folder), given.keep)
    print(f"{found.files} files of {len(seeds())} kinds ({decoding.SUPPORTED}), {time.monotonic() - start:.0f} s\n")
    print("| what came of them | files |\n|---|---|")
    for outcome, count in found.answers.most_common():
        print(f"| {outcome} | {count} |")
    seconds, number, name = found.slowest
    print(f"\nSlowest: {seconds:.2f} s (file {number}, {name}). Most memory of a decoder: {found.peak_bytes >> 20} MB.")
    print(f"The server grew by {found.growth_bytes >> 20} MB.")
    for number, name, message in found.crashes:
        print(f"Crashed a decoder: file {number}, {name}: {message}")
    for sentence in found.wrong:
        print(f"WRONG: {sentence}")
    sys.exit(1 if found.wrong else 0)


if __name__ == "__main__":
    main()
