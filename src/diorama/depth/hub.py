"""Depth models of the Hugging Face hub as backends: ``hub:OWNER/NAME[@REVISION]``, or ``hub:/a/folder``.

They need the extra ``diorama-3d[hub]`` (PyTorch and transformers), which `transformer` alone imports.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from diorama import weights
from diorama.depth.backends import Backend
from diorama.depth.prediction import Prediction
from diorama.errors import DepthFileError, ModelError, WeightsMissingError
from diorama.types import ModelInfo, Progress, UInt8
from diorama.weights import hub

PREFIX = "hub:"

INSTALL = 'pip install "diorama-3d[hub]"'

TYPES = ("depth_anything", "depth_pro", "dpt", "glpn", "zoedepth")
"""`model_type`s of transformers whose input and answer Diorama understands."""


def backend(name: str) -> Backend:
    """The backend of a setting that begins with `PREFIX`.

    Raises:
        UnknownModelError: it names neither a model of the hub nor a folder.
    """
    place = name.removeprefix(PREFIX)
    folder = _folder(place)
    if folder is not None:
        return Backend(
            f"{PREFIX}{folder.name}",
            lambda rgb, focal: _predict(folder, rgb, focal, folder.name),
            "not stated",
            f"A folder of your own, {folder}.",
            prepare=lambda _fetch, _progress: _check_folder(folder),
        )
    reference = hub.parse(place)
    known = hub.KNOWN.get(reference.repo)

    def predict(rgb: UInt8, focal: float | None) -> Prediction:
        return _predict(_here(reference).folder, rgb, focal, reference.repo)

    def prepare(fetch: bool, progress: Progress | None) -> str:
        _check_extra()
        if fetch and not weights.is_offline():
            hub.fetch(reference, progress, _check_type)
        return _commit_sentence(reference, _here(reference))

    return Backend(
        f"{PREFIX}{reference.repo}",
        predict,
        known.licence if known else "as its page says",
        known.note if known else f"{reference.repo} on the hub.",
        prepare=prepare,
    )


def models() -> list[ModelInfo]:
    """The snapshots in the cache: what can run at once, where the extra is installed."""
    have = has_extra()
    rows = {}
    for snapshot in hub.snapshots():
        name = f"{PREFIX}{snapshot.repo}"
        known = hub.KNOWN.get(snapshot.repo)
        note = known.note if known else f"{snapshot.repo} on the hub."
        here = have and hub.local(hub.Reference(snapshot.repo)) is not None
        rows[name] = ModelInfo(name, here, snapshot.licence, snapshot.bytes, note)
    return list(rows.values())


def identity(name: str) -> str:
    """The commit, or the content of a folder: what tells this model from others of the same name."""
    place = name.removeprefix(PREFIX)
    folder = _folder(place)
    if folder is None:
        snapshot = hub.local(hub.parse(place))
        return snapshot.commit if snapshot else ""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.suffix in (".json", ".safetensors"):
            status = path.stat()
            digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def fetch(name: str, progress: Progress | None = None) -> hub.Snapshot:
    """Fetch a model of the hub without running it; the extra isn't needed for that.

    Raises:
        UnknownModelError: the name is none of the hub's.
        DownloadError, LicenceError, ModelError, WeightsCorruptError, StorageError: as `weights.hub.fetch`.
    """
    return hub.fetch(hub.parse(name.removeprefix(PREFIX)), progress, _check_type)


def has_extra() -> bool:
    """Whether PyTorch, transformers and safetensors are installed."""
    return all(importlib.util.find_spec(package) is not None for package in ("torch", "transformers", "safetensors"))


def _check_extra() -> None:
    if not has_extra():
        raise ModelError(
            "Models of the hub need PyTorch and transformers, which are not installed.",
            hint=f"Install them with: {INSTALL}",
        )


def _here(reference: hub.Reference) -> hub.Snapshot:
    found = hub.local(reference)
    if found is None:
        at = f"@{reference.revision}" if reference.revision else ""
        raise WeightsMissingError(
            f"The model {reference.repo}{at} is not in the cache.",
            hint=f"Fetch it with: diorama models pull {PREFIX}{reference.repo}{at}.",
        )
    return found


def _commit_sentence(reference: hub.Reference, snapshot: hub.Snapshot) -> str:
    said = f"It is of commit {snapshot.commit}, licence {snapshot.licence}."
    if reference.wanted == snapshot.commit:
        return said
    branch = f"'{reference.revision}'" if reference.revision else "the default branch"
    pinned = f"{PREFIX}{reference.repo}@{snapshot.commit}"
    return f"{said} That is where {branch} was when it was fetched; --depth {pinned} pins it."


def _folder(place: str) -> Path | None:
    """A path rather than a model's name: absolute, or beginning with a dot or a tilde."""
    path = Path(place).expanduser()
    if path.is_absolute() or place.startswith((".", "~")) or (os.sep == "\\" and "\\" in place):
        return path
    return None


def _check_folder(folder: Path) -> str:
    _check_extra()
    _check_type(folder)
    if not any(folder.glob("*.safetensors")):
        raise DepthFileError(
            f"The folder {folder} has no safetensors file.",
            hint="Diorama loads nothing else: older formats can hold programs. Save it anew with save_pretrained().",
        )
    return f"It is the model in {folder}."


def config(folder: Path, file: str = "config.json") -> dict[str, Any]:
    """A JSON object of a model's folder; empty where an optional file isn't there.

    Raises:
        DepthFileError: it can't be read.
    """
    path = folder / file
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if file != "config.json":
            return {}
        raise DepthFileError(
            f"{folder} is no model's folder: it has no config.json.",
            hint="Give a folder that transformers' save_pretrained() wrote.",
        ) from error
    except (OSError, ValueError) as error:
        raise DepthFileError(f"{path} can't be read: {error}.", hint="Fetch or save the model anew.") from error
    if not isinstance(values, dict):
        raise DepthFileError(f"{path} holds no JSON object.", hint="Fetch or save the model anew.")
    return values


def _check_type(folder: Path) -> None:
    kind = config(folder).get("model_type")
    if kind not in TYPES:
        raise DepthFileError(
            f"The model is a '{str(kind)[:60]}', which is no depth model that Diorama understands.",
            hint=f"It understands: {', '.join(TYPES)}. Others can be exported to ONNX and given a contract.",
        )


def _predict(folder: Path, rgb: UInt8, focal: float | None, name: str) -> Prediction:
    from diorama.depth import transformer

    return transformer.predict(folder, rgb, focal, name)
