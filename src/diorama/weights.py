"""Weights of networks that don't come with Diorama: the catalogue, the cache and the download.

A cached file is only ever a whole, verified one: bytes arrive in a hidden ``.part`` beside it, which a later download
goes on with, and take the file's name once their sha256 is the catalogue's. A stamp (size, time of last change) beside
the file spares hashing it at each use; `fetch` and `verify` hash it always.

Environment: ``DIORAMA_CACHE`` (the cache folder), ``DIORAMA_OFFLINE=1`` (never download) and ``DIORAMA_MIRROR`` (the
address of a folder with the catalogue's files by their names, asked instead of the publishers).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from diorama import download
from diorama.atomic import refusals, writing
from diorama.errors import DioramaError, DownloadError, StorageError, UnknownModelError
from diorama.types import Progress

if TYPE_CHECKING:
    from filelock import BaseFileLock

CONNECT_SECONDS = 15.0
"""How long a server may take to begin its answer, name resolution and redirects included."""

REACH_SECONDS = 3.0
"""How long a stage waits for the server of better weights before it takes what is here."""

RETRY_SECONDS = 600.0
"""How long it is remembered that they can't be fetched, so that a batch doesn't wait at every photo."""

LOCK_SECONDS = 3600.0
"""How long to wait for another process that downloads the same file: an hour is 20 kB/s for the largest one."""

State = Literal["ready", "missing", "damaged"]


@dataclass(frozen=True)
class Weights:
    """One file of the catalogue. An entry whose sha256 nobody has verified doesn't belong there."""

    name: str
    file: str  # its name in the cache and on a mirror
    url: str
    bytes: int
    sha256: str
    licence: str
    note: str  # one sentence for a person who chooses


@dataclass(frozen=True)
class CachedWeights:
    """A row of `list_weights` and `verify`."""

    weights: Weights
    state: State
    path: Path  # where the file is, or would be


Catalogue = Mapping[str, Weights]

CATALOGUE: Catalogue = {
    weights.name: weights
    for weights in (
        Weights(
            name="midas-v21-small",
            file="midas-v21-small.onnx",
            url="https://github.com/isl-org/MiDaS/releases/download/v2_1/model-small.onnx",
            bytes=66_764_249,
            sha256="2d8c6cb8f415229daf1eb041024208e2608c9f98e17c81cc7c6ecb449c56fd58",
            licence="MIT",
            note="MiDaS v2.1 small (Ranftl et al. 2020): relative depth, trained on ten sets of real pictures.",
        ),
        Weights(
            name="migan",
            file="migan.onnx",
            url="https://huggingface.co/andraniksargsyan/migan/resolve/main/migan_pipeline_v2.onnx",
            bytes=28_079_181,
            sha256="6f1f3530a1a2324b19752018ce756088b07973cda8d7d890034ace5c8a48c40b",
            licence="MIT",
            note="MI-GAN (Sargsyan et al. 2023): imagines what the photo hides, small and fast.",
        ),
        Weights(
            name="lama",
            file="lama.onnx",
            url="https://huggingface.co/Carve/LaMa-ONNX/resolve/c3c0c9e468934d62e79c329e35d82dd09ff8c444/lama_fp32.onnx",
            bytes=208_044_816,
            sha256="1faef5301d78db7dda502fe59966957ec4b79dd64e16f03ed96913c7a4eb68d6",
            licence="Apache-2.0",
            note="LaMa (Suvorov et al. 2022): imagines what the photo hides, strong at regular structures, slower.",
        ),
        Weights(
            name="mobile-sam-encoder",
            file="mobile_sam_image_encoder.onnx",
            url="https://huggingface.co/Acly/MobileSAM/resolve/0d3b403339b4674a82493d5e97964dd78089ddc8/mobile_sam_image_encoder.onnx",
            bytes=28_157_093,
            sha256="580f5fb648ea1062c0aabc26217aed56921985f03f0cbbd852bba81d760cc749",
            licence="Apache-2.0",
            note="MobileSAM (Zhang et al. 2023): sees the photo once, for segments that are a person's things.",
        ),
        Weights(
            name="mobile-sam-decoder",
            file="sam_mask_decoder_single.onnx",
            url="https://huggingface.co/Acly/MobileSAM/resolve/0d3b403339b4674a82493d5e97964dd78089ddc8/sam_mask_decoder_single.onnx",
            bytes=16_501_323,
            sha256="93915fc7c993ab9d59ab8c9ccd3bce37f7509c81ab4150a74abd4d2abbd8570d",
            licence="Apache-2.0",
            note="MobileSAM's second half: the mask of what is at a point. Both halves are needed.",
        ),
    )
}


def cache_folder() -> Path:
    """``DIORAMA_CACHE``, or the platform's folder for what can be had again."""
    import platformdirs

    given = os.environ.get("DIORAMA_CACHE")
    return Path(given).expanduser() if given else Path(platformdirs.user_cache_path("diorama", appauthor=False))


def is_offline() -> bool:
    """Whether nothing may be downloaded: ``DIORAMA_OFFLINE`` is set, and not to 0, no or false."""
    return os.environ.get("DIORAMA_OFFLINE", "").strip().lower() not in ("", "0", "no", "false")


def set_offline(offline: bool = True) -> None:
    """Allow or forbid downloads for this process and for those that it starts."""
    if offline:
        os.environ["DIORAMA_OFFLINE"] = "1"
    else:
        os.environ.pop("DIORAMA_OFFLINE", None)


def find(name: str, catalogue: Catalogue | None = None) -> Weights:
    """The catalogue's entry.

    Raises:
        UnknownModelError: there is none of that name.
    """
    catalogue = CATALOGUE if catalogue is None else catalogue
    if name not in catalogue:
        raise UnknownModelError(
            f"The catalogue has no weights named '{name}'.", hint=f"It has: {', '.join(sorted(catalogue))}."
        )
    return catalogue[name]


def path(name: str, catalogue: Catalogue | None = None) -> Path | None:
    """Where the verified file is in the cache; None when it is missing or damaged.

    Raises:
        UnknownModelError: the catalogue has no such weights.
    """
    entry = find(name, catalogue)
    file = _file(entry)
    return file if _state(entry, file, thorough=False) == "ready" else None


def list_weights(catalogue: Catalogue | None = None) -> list[CachedWeights]:
    """Every entry of the catalogue and whether the cache has it."""
    catalogue = CATALOGUE if catalogue is None else catalogue
    return [CachedWeights(e, _state(e, _file(e), thorough=False), _file(e)) for e in catalogue.values()]


def verify(names: Iterable[str] | None = None, catalogue: Catalogue | None = None) -> list[CachedWeights]:
    """Hash every byte of the cached files (of all of them where `names` is None). Changes no file.

    Raises:
        UnknownModelError: the catalogue has no weights of a given name.
    """
    catalogue = CATALOGUE if catalogue is None else catalogue
    entries = [find(name, catalogue) for name in (catalogue if names is None else names)]
    return [CachedWeights(e, _state(e, _file(e), thorough=True), _file(e)) for e in entries]


def fetch(
    name: str,
    progress: Progress | None = None,
    *,
    connect_seconds: float = CONNECT_SECONDS,
    catalogue: Catalogue | None = None,
) -> Path:
    """Download into the cache what is missing or damaged there, and return the verified file's path.

    An interrupted download goes on where it stopped, at once or at a later call. While another process downloads the
    same file this one waits for it, so that there is one download and one file.

    Args:
        progress: called with ``"weights"``, the share that has arrived and a sentence.
        connect_seconds: how long a server may take to begin its answer.

    Raises:
        UnknownModelError: the catalogue has no such weights.
        DownloadError: Diorama is offline, or the server can't be reached or won't give the file.
        WeightsCorruptError: what arrived isn't what the catalogue names; nothing was kept.
        StorageError: the cache folder can't be written or the disk is full.
    """
    entry = find(name, catalogue)
    file = _file(entry)
    if _state(entry, file, thorough=True) == "ready":
        return file
    if is_offline():
        raise DownloadError(
            f"The weights of {name} are not in the cache and Diorama is offline.",
            hint="Leave out --offline and unset DIORAMA_OFFLINE, or use the bundled network: --depth bundled.",
        )
    with _locked(file, progress):
        if _state(entry, file, thorough=True) != "ready":  # nobody was faster
            _download(entry, file, progress, connect_seconds)
    return file


_unreachable: dict[str, tuple[float, str]] = {}  # when fetching failed last (monotonic), and the sentence


def fetch_if_reachable(name: str, progress: Progress | None = None) -> str:
    """Fetch weights that a stage can do without; what went wrong as the end of a sentence, or nothing.

    A failure is remembered for `RETRY_SECONDS`.
    """
    when, sentence = _unreachable.get(name, (-RETRY_SECONDS, ""))
    if time.monotonic() - when < RETRY_SECONDS:
        return sentence
    try:
        fetch(name, progress, connect_seconds=REACH_SECONDS)
    except DioramaError as error:
        sentence = f"the weights of {name} could not be fetched. {error.message}"
        _unreachable[name] = (time.monotonic(), sentence)
        return sentence
    return ""


def _file(entry: Weights) -> Path:
    return cache_folder() / "weights" / entry.file


def _download(entry: Weights, file: Path, progress: Progress | None, connect_seconds: float) -> None:
    # Named by hash: a part of another version of the file is never gone on with.
    part = file.with_name(f".{file.name}.{entry.sha256[:8]}.part")
    with refusals(part):
        have = part.stat().st_size if part.exists() else 0
        if have > entry.bytes:
            part.unlink()
            have = 0
        if shutil.disk_usage(file.parent).free < entry.bytes - have:
            raise StorageError(
                f"The disk that holds {file.parent} has no room for {entry.name} ({download.megabytes(entry.bytes)}).",
                hint="Free some space, or set DIORAMA_CACHE to a folder on another disk.",
            )
    mirror = os.environ.get("DIORAMA_MIRROR")
    url = f"{mirror.rstrip('/')}/{entry.file}" if mirror else entry.url
    wanted = download.Wanted(entry.name, url, entry.bytes)
    download.to_part(wanted, part, progress, connect_seconds)
    with refusals(part):
        if _sha256(part) != entry.sha256:
            part.unlink()
            raise download.corrupt(wanted, "its sha256 is another one")
        part.replace(file)
    _stamp(entry, file)


@contextmanager
def _locked(file: Path, progress: Progress | None) -> Iterator[None]:
    """Hold the file's lock between processes; it is the system's own, so it ends with a killed process."""
    import filelock

    with refusals(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(file.with_name(f".{file.name}.lock"))
    with refusals(file):
        try:
            held = _acquire(lock, file.stem, progress)
        except NotImplementedError as error:
            raise StorageError(
                f"The disk that holds {file.parent} knows no file locks.", hint="Set DIORAMA_CACHE to a local folder."
            ) from error
    if not held:
        raise DownloadError(
            f"Another process has been fetching {file.stem} for an hour.", hint="Stop that process and try again."
        )
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, name: str, progress: Progress | None) -> bool:
    """False when the lock is still held after `LOCK_SECONDS`."""
    from filelock import Timeout

    try:
        lock.acquire(blocking=False)
    except Timeout:
        if progress:
            progress("weights", 0.0, f"Another process is fetching {name}: waiting for it")
        try:
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            return False
    return True


# ---- what is in the cache --------------------------------------------------------------------------------------


def _state(entry: Weights, file: Path, *, thorough: bool) -> State:
    try:
        status = file.stat()
    except OSError:
        return "missing"
    if status.st_size != entry.bytes:
        return "damaged"
    if not thorough and _read_stamp(file) == _stamp_of(entry, status):
        return "ready"
    try:
        intact = _sha256(file) == entry.sha256
    except OSError:
        return "damaged"
    if intact:
        _stamp(entry, file)
        return "ready"
    return "damaged"


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _stamp_of(entry: Weights, status: os.stat_result) -> dict[str, object]:
    return {"sha256": entry.sha256, "bytes": status.st_size, "changed_ns": status.st_mtime_ns}


def _stamp_path(file: Path) -> Path:
    return file.with_name(f".{file.name}.verified")


def _read_stamp(file: Path) -> object:
    try:
        return json.loads(_stamp_path(file).read_bytes())
    except (OSError, ValueError):
        return None


def _stamp(entry: Weights, file: Path) -> None:
    """Note that the file was verified. A cache that may not be written goes without: each use hashes the file."""
    stamp = _stamp_of(entry, file.stat())
    if _read_stamp(file) == stamp:
        return
    try:
        with writing(_stamp_path(file)) as opened:
            opened.write(json.dumps(stamp).encode())
    except StorageError:
        pass
