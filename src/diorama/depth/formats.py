"""Depth files -> arrays of numbers as they stand in the file: .npy, .npz, .png, .pfm, .tif, .exr.

Files come from anywhere: sizes are checked before anything is decoded, nothing is ever unpickled, and every failure
is a DepthFileError.
"""

from __future__ import annotations

import contextlib
import io
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from diorama.errors import DepthFileError
from diorama.settings import DepthKind

MAX_PIXELS = 100_000_000
"""As for photos."""

NPZ_NAMES = ("inverse_depth", "depth", "disparity", "arr_0")
"""Looked for in this order where an .npz holds several arrays."""

Numbers = npt.NDArray[Any]


def load(path: Path, kind: DepthKind = "inverse") -> Numbers:
    """Read a depth file: (H, W) of any real dtype. Pictures of 8 or 16 bits stay integers.

    `kind` says which channel of an OpenEXR file is meant: `Z` holds distances.

    A picture of several channels is taken where they are the same (a grey one saved as colour).

    Raises:
        DepthFileError: it isn't there, is damaged, too large, of a format that isn't read, or holds no such array.
    """
    ending = path.suffix.lower()
    if ending not in READERS:
        raise DepthFileError(
            f"A depth file can't be '{ending or path.name}'.", hint=f"These can be read: {', '.join(READERS)}."
        )
    if not path.is_file():
        raise DepthFileError(f"There is no depth file {path}.", hint="Check its name and folder.")
    try:
        values = _exr(path, kind) if ending == ".exr" else READERS[ending](path)
    except DepthFileError:
        raise
    except MemoryError as error:
        raise _damaged(path, "it needs more memory than there is") from error
    except Exception as error:  # hostile bytes make the readers raise anything; none of it is ours
        raise _damaged(path, str(error).split("\n")[0].strip(". ")[:200] or type(error).__name__) from error
    return _plane(path, values)


def _damaged(path: Path, reason: str) -> DepthFileError:
    return DepthFileError(
        f"The depth file {path.name} can't be read: {reason}.", hint="Check the file, or save it anew."
    )


def _check_size(shape: tuple[int, ...]) -> None:
    if math.prod(shape) > 4 * MAX_PIXELS or (len(shape) > 1 and math.prod(sorted(shape)[-2:]) > MAX_PIXELS):
        raise DepthFileError(
            f"The depth file has {'x'.join(map(str, shape))} values, more than {MAX_PIXELS // 10**6} megapixels.",
            hint="Give it at the size that is processed: 1536 px on the long side by default.",
        )


def _plane(path: Path, values: Numbers) -> Numbers:
    """(H, W) from (H, W), (1, H, W), (H, W, 1) or (H, W, 3|4) with equal colours."""
    if values.dtype.kind not in "fiu":
        raise DepthFileError(
            f"The depth file {path.name} holds {values.dtype} values.", hint="Save real numbers, such as float32."
        )
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 3 and values.shape[2] in (1, 2, 3, 4):
        colours = values[..., : 3 if values.shape[2] >= 3 else 1]
        if not all(np.array_equal(colours[..., 0], colours[..., c], equal_nan=True) for c in range(colours.shape[2])):
            raise DepthFileError(
                f"The depth file {path.name} is a colour picture: colours say nothing about depth.",
                hint="Save the depth itself as one channel, not its coloured preview.",
            )
        values = colours[..., 0]
    if values.ndim != 2 or not values.size:
        raise DepthFileError(
            f"The depth file {path.name} has the shape {values.shape}.", hint="It must hold rows of numbers: (H, W)."
        )
    return values


def _check_header(file: IO[bytes]) -> None:
    """Refuse objects (pickles) and sizes over the limit by an .npy header, before room is made for them."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise DepthFileError("The depth file holds Python objects, not numbers.", hint="Save a float32 array.")
    _check_size(shape)


def _npy(path: Path) -> Numbers:
    with path.open("rb") as file:
        _check_header(file)
    # Mapped, so that a header that promises more than the file holds is found out before room is made.
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _npz(path: Path) -> Numbers:
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        chosen = next((name for name in NPZ_NAMES if name in names), names[0] if len(names) == 1 else None)
        if chosen is None:
            raise DepthFileError(
                f"{path.name} holds {len(names)} arrays: {', '.join(names[:8]) or 'none'}.",
                hint=f"Name the depth one of: {', '.join(NPZ_NAMES)}.",
            )
        info = archive.getinfo(f"{chosen}.npy")
        if info.file_size > 8 * 4 * MAX_PIXELS + 65536:
            _check_size((info.file_size // 8,))
        with archive.open(info) as file:
            _check_header(file)
    with np.load(path, allow_pickle=False) as arrays:
        return np.asarray(arrays[chosen])


def _png(path: Path) -> Numbers:
    import cv2
    from PIL import Image

    with Image.open(path, formats=["PNG"]) as header:
        _check_size((header.height, header.width))
    values = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise _damaged(path, "it is damaged")
    return np.asarray(values)


def _tif(path: Path) -> Numbers:
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        _check_size(page.shape)
        return np.asarray(page.asarray())


def _pfm(path: Path) -> Numbers:
    """Portable float map: 'Pf', width and height, scale (negative: little-endian), rows from the bottom up."""
    with path.open("rb") as file:
        kind = file.readline(64).strip()
        if kind not in (b"Pf", b"PF"):
            raise _damaged(path, "it doesn't begin like a PFM file")
        width, height = (int(number) for number in file.readline(64).split())
        order = "<" if float(file.readline(64)) < 0 else ">"
        channels = 3 if kind == b"PF" else 1
        if width < 1 or height < 1:
            raise _damaged(path, "it has no pixels")
        _check_size((height, width))
        count = width * height * channels
        if path.stat().st_size - file.tell() < 4 * count:
            raise _damaged(path, "it ends too early")
        values = np.fromfile(file, f"{order}f4", count)
    return values.reshape(height, width, channels)[::-1].astype(np.float32)


_EXR_CHANNELS: dict[DepthKind, tuple[str, ...]] = {"metric": ("Z", "Y", "R"), "inverse": ("Y", "R")}
"""Looked for in this order, by the last part of their names (`ViewLayer.Depth.Z` is a Z)."""


def _exr(path: Path, kind: DepthKind = "inverse") -> Numbers:
    """OpenEXR: Z is a distance in every program; what is grey or a lone channel holds what the caller says."""
    import OpenEXR

    said = io.StringIO()
    with contextlib.redirect_stdout(said):  # the library prints its troubles where results belong
        header = OpenEXR.File(str(path), header_only=True).header()
        low, high = header["dataWindow"]
        _check_size((int(high[1]) - int(low[1]) + 1, int(high[0]) - int(low[0]) + 1))
        channels = OpenEXR.File(str(path), separate_channels=True).channels()
    by_name = {name.rsplit(".", 1)[-1].upper(): channel for name, channel in channels.items()}
    chosen = next((by_name[name] for name in _EXR_CHANNELS[kind] if name in by_name), None)
    if chosen is None and kind == "inverse" and "Z" in by_name:
        raise DepthFileError(
            f"{path.name} holds distances (the channel Z), not inverse depth.", hint="Say so: --depth-kind metric."
        )
    if chosen is None and len(channels) == 1:
        chosen = next(iter(channels.values()))
    if chosen is None:
        names = ", ".join(list(channels)[:8]) or "none"
        raise DepthFileError(f"{path.name} holds no depth: its channels are {names}.", hint="Name the depth Z or Y.")
    if "R" in by_name and chosen is by_name["R"]:
        return np.dstack([by_name[name].pixels for name in "RGB" if name in by_name])
    return np.asarray(chosen.pixels)


READERS: dict[str, Callable[[Path], Numbers]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".png": _png,
    ".pfm": _pfm,
    ".tif": _tif,
    ".tiff": _tif,
    ".exr": _exr,
}
