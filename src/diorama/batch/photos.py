"""Which photos a batch is of, and where the files of each go."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from diorama.errors import InputError, PhotoError

ENDINGS = (
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".hif", ".jpe", ".jpeg", ".jpg", ".jxl", ".png", ".tif", ".tiff", ".webp"
)  # fmt: skip
"""What in a folder is taken for a photo. A file that is named itself may be called anything."""

_WILD = frozenset("*?[")


@dataclass(frozen=True)
class Found:
    """A photo of a batch."""

    path: Path
    place: str  # of its files: below the batch's folder, without an ending, with "/" between folders


def find(sources: Sequence[str | Path], out: Path) -> tuple[Found, ...]:
    """The photos, each once, in the order in which they were named; those of a folder by name.

    Args:
        sources: folders (with all that is below them, but for hidden files and `out`), patterns such as
            ``trip/**/*.jpg``, lists (``.txt``, a path a line, relative to the list's folder), and photos.
        out: the batch's folder.

    Raises:
        InputError: a source isn't there or can't be read, or there is no photo in any.
    """
    chosen: dict[Path, tuple[Path, Path]] = {}  # by what it really is: its path, and the path below OUT
    for source in sources:
        for path, below in _of_source(str(source), out.resolve()):
            chosen.setdefault(path.resolve(), (path, below))
    if not chosen:
        raise InputError(
            f"There is no photo in {', '.join(map(str, sources)) or 'nothing'}.",
            hint=f"Name a folder, a pattern, a list or photos. In folders these count: {', '.join(ENDINGS)}.",
        )
    return tuple(_placed(chosen.values()))


def digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        PhotoError: it can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PhotoError(
            f"{path} can't be read: {error.strerror}.", hint="Check the file and its permissions."
        ) from None


def _of_source(source: str, out: Path) -> Iterator[tuple[Path, Path]]:
    """Each photo's path and where it stands below the source."""
    path = Path(source)
    if path.is_dir():
        for file in _in_folder(path, out):
            yield file, file.relative_to(path)
    elif path.suffix.lower() == ".txt" and path.is_file():
        for named in _listed(path):
            if named.is_dir():
                yield from ((file, file.relative_to(named)) for file in _in_folder(named, out))
            else:
                yield named, Path(named.name)
    elif _WILD & set(source) and not path.exists():
        fixed = _fixed_part(path)
        for match in sorted(fixed.glob(str(path.relative_to(fixed)))):
            if match.is_file() and not _hidden(match.relative_to(fixed)) and out not in match.resolve().parents:
                yield match, match.relative_to(fixed)
    elif path.is_file():
        yield path, Path(path.name)
    else:
        raise InputError(f"There is no file or folder {source}.", hint="Check the name.")


def _in_folder(folder: Path, out: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() not in ENDINGS or _hidden(file.relative_to(folder)) or not file.is_file():
            continue
        if out != folder.resolve() and out in file.resolve().parents:  # what an earlier batch has made
            continue
        yield file


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _listed(file: Path) -> Iterator[Path]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"The list {file} can't be read: {error}.", hint="Give a text file, a path a line.") from None
    for number, line in enumerate(lines, 1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        path = file.parent / name
        if not path.exists():
            raise InputError(
                f"Line {number} of {file.name} names {name}, and there is no such file.",
                hint=f"Paths count from the list's folder, {file.parent.resolve()}.",
            )
        yield path


def _fixed_part(pattern: Path) -> Path:
    """The folder before the first part with a wildcard."""
    parts: list[str] = []
    for part in pattern.parts[:-1]:
        if _WILD & set(part):
            break
        parts.append(part)
    return Path(*parts)


def _placed(chosen: Iterable[tuple[Path, Path]]) -> Iterator[Found]:
    """Names of which no two mean one file, on systems that know no capitals either.

    Photos that differ in the ending alone keep it: ``a.jpg`` and ``a.png`` -> ``a-jpg``, ``a-png``.
    """
    pairs = list(chosen)
    shared = Counter(below.with_suffix("").as_posix().casefold() for _, below in pairs)
    taken: set[str] = set()
    for path, below in pairs:
        plain = below.with_suffix("").as_posix()
        place = plain if shared[plain.casefold()] == 1 else f"{plain}-{below.suffix[1:]}"
        number = 1
        while place.casefold() in taken:
            number += 1
            place = f"{plain}-{number}"
        taken.add(place.casefold())
        yield Found(path, place)
