"""Depth models of the Hugging Face hub: which, under what licence, and their files in the cache.

Only ``config.json``, ``preprocessor_config.json`` and safetensors are fetched: data, no program. A branch is resolved
to the commit that it is at, everything is fetched of that commit, and what arrives has to have the hash that the hub
gives for it. A snapshot is a folder ``hub/OWNER--NAME/COMMIT``, which takes its name once it is whole.

Environment: ``HF_ENDPOINT`` (the hub's address, or a mirror's), ``DIORAMA_ACCEPT_LICENCE`` (licences or models, with
commas between, or 1 for all).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from diorama import download, weights
from diorama.atomic import refusals, writing
from diorama.errors import DownloadError, LicenceError, ModelError, StorageError, UnknownModelError
from diorama.types import Progress

MAX_ANSWER = 8 << 20
"""Bytes of the hub's description of a model."""

MAX_SMALL = 1 << 20
"""Bytes of a ``.json`` file."""

PERMISSIVE = frozenset(
    ["apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "isc", "unlicense", "zlib"]
)
"""Licences, by the hub's names, that allow every use. All others have to be accepted, unknown ones too."""


@dataclass(frozen=True)
class Known:
    """A model that Diorama knows by name."""

    repo: str
    licence: str  # by the hub's name, as its card said when this was written; the card's own word counts as well
    note: str
    commit: str | None = None  # pinned, where several independent sources pin the same one


KNOWN = {
    known.repo: known
    for known in (
        Known("Intel/dpt-large", "apache-2.0", "MiDaS v3 DPT-large: relative depth."),
        Known("Intel/dpt-beit-large-512", "mit", "MiDaS v3.1, the largest: relative depth, slow."),
        Known("Intel/dpt-swinv2-tiny-256", "mit", "MiDaS v3.1, the smallest: relative depth, fast."),
        Known("Intel/dpt-hybrid-midas", "apache-2.0", "MiDaS v3 DPT-hybrid: relative depth."),
        Known(
            "depth-anything/Depth-Anything-V2-Small-hf", "apache-2.0", "Depth Anything V2 small: relative depth.",
            "5426e4f0f36572d16453bbda7a8389317b1bef99",
        ),
        Known("depth-anything/Depth-Anything-V2-Base-hf", "cc-by-nc-4.0", "Depth Anything V2 base: relative depth."),
        Known("depth-anything/Depth-Anything-V2-Large-hf", "cc-by-nc-4.0", "Depth Anything V2 large: relative depth."),
        Known("Intel/zoedepth-nyu-kitti", "mit", "ZoeDepth: metric depth."),
        Known("apple/DepthPro-hf", "apple-amlr", "Depth Pro: metric depth and field of view; large."),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """A model of the hub, and the branch, tag or commit that was asked for."""

    repo: str  # OWNER/NAME
    revision: str | None = None

    @property
    def wanted(self) -> str:
        """The revision; without one the pinned commit, or the default branch."""
        known = KNOWN.get(self.repo)
        return self.revision or (known.commit if known else None) or "main"

    @property
    def folder(self) -> Path:
        """Where its snapshots are in the cache."""
        return weights.cache_folder() / "hub" / self.repo.replace("/", "--")


@dataclass(frozen=True)
class Snapshot:
    """What the cache has of a model."""

    repo: str
    commit: str  # 40 hexadecimal digits
    licence: str
    folder: Path

    @property
    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())

    def is_intact(self) -> bool:
        """Whether every file has the hash that it came with. Reads every byte."""
        try:
            files = json.loads((self.folder / "source.json").read_text(encoding="utf-8"))["files"]
            return all(_File(**file).matches(self.folder / file["name"]) for file in files)
        except (OSError, ValueError, TypeError, KeyError):
            return False


def parse(text: str) -> Reference:
    """``OWNER/NAME`` or ``OWNER/NAME@REVISION``.

    Raises:
        UnknownModelError: it is something else.
    """
    repo, _, revision = text.partition("@")
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repo) or (revision and not _is_revision(revision)):
        raise UnknownModelError(
            f"'{text[:100]}' names no model of the hub.",
            hint="Write OWNER/NAME or OWNER/NAME@REVISION, such as Intel/dpt-large, or the path of a folder.",
        )
    return Reference(repo, revision or None)


def local(reference: Reference) -> Snapshot | None:
    """What the cache has of it, without asking the network."""
    commit = reference.wanted
    if not _is_commit(commit):
        try:
            commit = _ref_file(reference).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
    return _read(reference.folder / commit) if _is_commit(commit) else None


def snapshots() -> list[Snapshot]:
    """Everything of the hub that the cache has."""
    folders = sorted((weights.cache_folder() / "hub").glob("*/*/source.json"))
    found = (_read(path.parent) for path in folders if not path.parent.name.startswith("."))
    return [snapshot for snapshot in found if snapshot is not None]


def remove(reference: Reference) -> int:
    """Delete every snapshot of a model; how many bytes that frees.

    Raises:
        StorageError: the cache folder refuses.
    """
    if not reference.folder.is_dir():
        return 0
    freed = sum(path.stat().st_size for path in reference.folder.rglob("*") if path.is_file())
    with refusals(reference.folder / "source.json"):
        shutil.rmtree(reference.folder)
    return freed


def fetch(
    reference: Reference, progress: Progress | None = None, check: Callable[[Path], None] | None = None
) -> Snapshot:
    """The model's snapshot, downloaded where the cache lacks it.

    Args:
        progress: called with ``"weights"``.
        check: called with the folder once the small files are there, before the weights are fetched; may raise.

    Raises:
        DownloadError: Diorama is offline, or the hub can't be reached or won't give the files.
        LicenceError: the licence restricts the use, and nobody has accepted it.
        ModelError: the model has no safetensors.
        WeightsCorruptError: what arrived hasn't the hash that the hub gives.
        StorageError: the cache folder can't be written or the disk is full.
    """
    found = local(reference)
    if found is not None:
        return found
    if weights.is_offline():
        raise DownloadError(
            f"The model {reference.repo} is not in the cache and Diorama is offline.",
            hint="Leave out --offline and unset DIORAMA_OFFLINE, or give a folder: --depth hub:/path/to/it.",
        )
    described = _describe(reference)
    commit = described["sha"]
    licence = _licence(reference, described)
    _check_accepted(reference, licence)
    wanted = _wanted(reference, described)
    whole = reference.folder / commit
    with weights.locked(whole, progress):
        if _read(whole) is None:
            _download(reference, commit, wanted, progress, check)
            snapshot = Snapshot(reference.repo, commit, licence, whole)
            _finish(snapshot, wanted)
        with writing(_ref_file(reference)) as file:
            file.write(commit.encode())
    return Snapshot(reference.repo, commit, licence, whole)


# ---- what the hub says -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _File:
    name: str
    bytes: int
    digest: str  # sha256 of a large file, git's own hash of a small one

    def matches(self, path: Path) -> bool:
        if len(self.digest) == 64:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.digest
        data = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == self.digest


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _describe(reference: Reference) -> dict[str, Any]:
    url = f"{_endpoint()}/api/models/{reference.repo}/revision/{reference.wanted.replace('/', '%2F')}?blobs=true"
    try:
        described = json.loads(download.read(url, MAX_ANSWER, weights.CONNECT_SECONDS))
    except ValueError as error:
        raise DownloadError(f"The hub's answer about {reference.repo} is no JSON.", hint="Try again later.") from error
    if not isinstance(described, dict) or not _is_commit(str(described.get("sha"))):
        raise DownloadError(f"The hub's answer about {reference.repo} names no commit.", hint="Try again later.")
    return described


def _licence(reference: Reference, described: dict[str, Any]) -> str:
    card = described.get("cardData")
    said = card.get("license") if isinstance(card, dict) else None
    if isinstance(said, list):
        said = ", ".join(map(str, said))
    known = KNOWN.get(reference.repo)
    return str(said or (known.licence if known else "not stated")).lower()


def needs_consent(licence: str) -> bool:
    """Whether somebody has to accept the licence before its weights are fetched."""
    return licence.lower() not in PERMISSIVE


def accept_licences() -> None:
    """Accept every licence, for this process and those that it starts."""
    os.environ["DIORAMA_ACCEPT_LICENCE"] = "1"


def _check_accepted(reference: Reference, licence: str) -> None:
    known = KNOWN.get(reference.repo)
    asked = [one for one in dict.fromkeys([licence, known.licence if known else licence]) if needs_consent(one)]
    accepted = {one.strip().lower() for one in os.environ.get("DIORAMA_ACCEPT_LICENCE", "").split(",")}
    if not asked or accepted & {"1", "all", "yes", "true", reference.repo.lower()} or set(asked) <= accepted:
        return
    raise LicenceError(
        f"The weights of {reference.repo} are under the licence '{', '.join(asked)}', which isn't known to allow every "
        "use: it may forbid commercial use, for example.",
        hint=f"Read it at {_endpoint()}/{reference.repo}. To accept it: --accept-licence, or "
        f"DIORAMA_ACCEPT_LICENCE={reference.repo}.",
    )


def _wanted(reference: Reference, described: dict[str, Any]) -> list[_File]:
    """The files to be fetched, small ones first."""
    listed = described.get("siblings")
    files = [_file(one) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    by_name = {file.name: file for file in files if file is not None}
    names = [name for name in by_name if re.fullmatch(r"model(-\d{5}-of-\d{5})?\.safetensors", name)]
    if "model.safetensors" in names:
        names = ["model.safetensors"]
    elif names:
        names.append("model.safetensors.index.json")
    if not names or "config.json" not in by_name:
        raise ModelError(
            f"The model {reference.repo} has no safetensors (or no config.json): Diorama loads nothing else.",
            hint="Older formats can hold programs. Choose another revision, or convert it into a folder of your own.",
        )
    names += [name for name in ("config.json", "preprocessor_config.json") if name in by_name]
    small = [by_name.get(name) for name in names if name.endswith(".json")]
    if any(file is None or file.bytes > MAX_SMALL for file in small):
        raise DownloadError(f"The hub's description of {reference.repo} can't be right.", hint="Try again later.")
    return sorted((by_name[name] for name in names), key=lambda file: (not file.name.endswith(".json"), file.bytes))


def _file(listed: dict[str, Any]) -> _File | None:
    large = listed.get("lfs")
    digest = large.get("sha256") if isinstance(large, dict) else listed.get("blobId")
    name, size = listed.get("rfilename"), listed.get("size")
    if not isinstance(name, str) or not isinstance(size, int) or size < 0:
        return None
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", digest):
        return None
    return _File(name, size, digest)


# ---- into the cache --------------------------------------------------------------------------------------------


def _download(
    reference: Reference,
    commit: str,
    files: list[_File],
    progress: Progress | None,
    check: Callable[[Path], None] | None,
) -> None:
    """Bring all files into the snapshot's unfinished folder; what was there already isn't fetched again."""
    unfinished = _unfinished(reference.folder / commit)
    with refusals(unfinished):
        unfinished.mkdir(parents=True, exist_ok=True)
        room = sum(file.bytes for file in files)
        if shutil.disk_usage(unfinished).free < room:
            raise StorageError(
                f"The disk that holds {unfinished.parent} has no room for {reference.repo} "
                f"({download.megabytes(room)}).",
                hint="Free some space, or set DIORAMA_CACHE to a folder on another disk.",
            )
    checked = check is None
    for file in files:
        if not checked and file.name.endswith(".safetensors") and check is not None:
            check(unfinished)
            checked = True
        path = unfinished / file.name
        if path.exists():
            continue
        url = f"{_endpoint()}/{reference.repo}/resolve/{commit}/{file.name}"
        wanted = download.Wanted(f"{reference.repo} {file.name}", url, file.bytes)
        part = path.with_name(f".{file.name}.part")
        if file.bytes == 0:
            part.touch()
        download.to_part(wanted, part, progress, weights.CONNECT_SECONDS)
        with refusals(path):
            if not file.matches(part):
                part.unlink()
                raise download.corrupt(wanted, "its hash is another one")
            part.replace(path)


def _finish(snapshot: Snapshot, files: list[_File]) -> None:
    unfinished = _unfinished(snapshot.folder)
    values: dict[str, Any] = {name: value for name, value in asdict(snapshot).items() if name != "folder"}
    values["files"] = [asdict(file) for file in files]
    with refusals(snapshot.folder):
        with writing(unfinished / "source.json") as file:
            file.write(json.dumps(values, indent=2).encode())
        unfinished.replace(snapshot.folder)


def _read(folder: Path) -> Snapshot | None:
    try:
        values = json.loads((folder / "source.json").read_text(encoding="utf-8"))
        snapshot = Snapshot(str(values["repo"]), str(values["commit"]), str(values["licence"]), folder)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return snapshot if snapshot.commit == folder.name else None


def _unfinished(whole: Path) -> Path:
    return whole.with_name(f".{whole.name}.part")


def _ref_file(reference: Reference) -> Path:
    return reference.folder / f"ref-{reference.wanted.replace('/', '%2F')}"


def _is_commit(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{40}", text) is not None


def _is_revision(text: str) -> bool:
    return re.fullmatch(r"[\w-][\w./-]*", text) is not None and ".." not in text
