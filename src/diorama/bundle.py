"""Stage files and the `.diorama` bundle.

A finished stage is a folder: `record.json` (its values, its report and the sha256 of each file, itself included) and
the arrays (see `records`). A `.diorama` file is a zip of these folders and a `manifest.json`:

    manifest.json   photo/record.json photo/rgb.png   depth/...   points/...   mesh/...   [segments/... layers/...]
                    [advice/... plan/... tune/... synthesis/... instead of layers/...]

What is read may be damaged or made to harm: every name, size, hash, type and shape is checked before it is used,
nothing is unpacked to disk, and nothing in a bundle is run (numpy's pickles are refused).
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, Field

from diorama import __version__, atomic, records
from diorama.corrections import MOST_CORRECTIONS, parse_all
from diorama.errors import CorrectionError, SceneFileError, SettingsError
from diorama.settings import Settings
from diorama.stage_files import DamagedError, Pictures, encode
from diorama.types import Final, Layered, Scene, StageReport, Step

FORMAT = 1
"""Raised when a reader of the present version could no longer read what is written."""

MAX_UNPACKED = 2 << 30
"""Bytes. The largest scene that settings allow (8192 px texture, 4096 px geometry, 4 million triangles) has 0.6 GiB."""

MAX_RATIO = 100
"""Unpacked bytes a packed one, beyond the first 64 MiB. Bundles are below 3: pictures are packed already, floats hardly
can be; deflate reaches 1000 on what was made to blow up."""

MAX_JSON = 16 << 20
"""Bytes of a `record.json` or `manifest.json`."""

_AGAIN = "Copy the file once more, or make the scene again with `diorama make`."

Read = Callable[[str, int], bytes]
"""Gives the bytes of a named file; not more than the limit."""

_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")


class _File(BaseModel):
    bytes: int
    sha256: str


class _Record(BaseModel):
    """`record.json`, less the hash of itself."""

    format: int
    stage: str
    values: dict[str, Any]
    report: StageReport
    files: dict[str, _File]


class _Manifest(BaseModel):
    """`manifest.json`. `links`: files that another file's bytes stand for."""

    format: int
    step: Step
    settings: dict[str, Any]
    report: tuple[StageReport, ...]
    versions: dict[str, str]
    links: dict[str, str]
    sha256: dict[str, str]
    corrections: tuple[dict[str, Any], ...] = Field((), max_length=MOST_CORRECTIONS)


# ---- one stage, one folder -------------------------------------------------------------------------------------


def save_stage(folder: Path, stage: str, record: object, report: StageReport) -> None:
    """Write a stage's files into `folder`, which is made.

    Raises:
        StorageError: the disk is full or refuses.
    """
    with atomic.refusals(folder):
        folder.mkdir(exist_ok=True)
        packed = records.pack(stage, record)
        files = {name: encode(name, array) for name, array in packed.arrays.items()}
        for name, data in files.items():
            (folder / name).write_bytes(data)
        (folder / "record.json").write_bytes(_record_json(stage, packed.values, report, files))


def load_stage(folder: Path, stage: str) -> tuple[Any, StageReport]:
    """Read what `save_stage` wrote.

    Raises:
        SceneFileError: a file is missing or damaged, or of a newer version.
    """
    with _damage(folder):
        return _load(stage, lambda name, limit: _read_file(folder / name, limit))


# ---- the whole scene, one file ---------------------------------------------------------------------------------


def write(scene: Scene, path: Path, pictures: Pictures | None = None) -> None:
    """Write the whole scene as a `.diorama` bundle; `pictures`: that are kept already (`Checkpoints.pictures`).

    Raises:
        StorageError: the disk is full or refuses.
    """
    reports = {report.stage: report for report in scene.report}
    links: dict[str, str] = {}
    hashes: dict[str, str] = {}
    photo_png = b""
    with atomic.writing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for stage, part in _parts(scene).items():
            packed = records.pack(stage, part)
            files: dict[str, bytes] = {}
            for name, array in packed.arrays.items():
                if stage == "points" and name == "rgb.png" and np.array_equal(array, scene.photo.rgb):
                    links["points/rgb.png"], files[name] = "photo/rgb.png", photo_png
                    continue
                files[name] = pictures.encode(name, array) if pictures else encode(name, array)
                _add(archive, f"{stage}/{name}", files[name], pack=name.endswith(".npy") and array.dtype.kind != "f")
            photo_png = photo_png or files["rgb.png"]
            report = reports.get(stage) or StageReport(stage, "", "", 0.0)
            data = _record_json(stage, packed.values, report, files)
            hashes[f"{stage}/record.json"] = hashlib.sha256(data).hexdigest()
            _add(archive, f"{stage}/record.json", data, pack=True)
        _add(archive, "manifest.json", _manifest_json(scene, links, hashes), pack=True)


def _parts(scene: Scene) -> dict[str, object]:
    """Each stage's record. A scene with an atlas has the layers' meshes, else the mesh stage's."""
    meshes = scene.meshes if scene.atlas is None else ()
    parts = {"photo": scene.photo, "depth": scene.depth, "points": scene.points, "mesh": (scene.cuts, meshes)}
    if scene.segments is not None:
        parts["segments"] = scene.segments
    if scene.atlas is not None:
        layered = Layered(scene.atlas, scene.meshes, scene.imagined)
        parts |= {"synthesis": Final(layered, scene.outcomes)} if scene.step == "final" else {"layers": layered}
    named = {"advice": scene.advice, "plan": scene.plan, "tune": scene.tuning}
    return parts | {stage: record for stage, record in named.items() if record is not None}


def read(path: Path) -> Scene:
    """Read a `.diorama` bundle.

    Raises:
        SceneFileError: it is missing, damaged, hostile or of a newer version.
    """
    with _damage(path), path.open("rb") as file:
        if file.read(4) == b"glTF":
            raise SceneFileError(
                f"{path} is a GLB: a scene to look at, without the depth map and the points that it was made of.",
                hint="Open the .diorama file of the same scene; `diorama make` writes one where the output ends so.",
            )
        with zipfile.ZipFile(file) as archive:
            return _read_scene(archive)


def _read_scene(archive: zipfile.ZipFile) -> Scene:
    members = _members(archive)

    def read_member(name: str, limit: int) -> bytes:
        if name not in members:
            raise DamagedError(f"{name} is missing")
        if members[name].file_size > limit:
            raise DamagedError(f"{name} is too long")
        with archive.open(members[name]) as member:
            return member.read(limit + 1)

    manifest = _parse(_Manifest, _loaded(read_member("manifest.json", MAX_JSON)))

    def read_stage(stage: str) -> Any:
        def read(name: str, limit: int) -> bytes:
            name = f"{stage}/{name}"
            data = read_member(manifest.links.get(name, name), limit)
            if name.endswith("/record.json"):
                _check(name, data, manifest.sha256.get(name))
            return data

        return _load(stage, read)[0]

    photo, depth, points = (read_stage(stage) for stage in ("photo", "depth", "points"))
    cuts, meshes = read_stage("mesh")
    if not depth.shape == points.mask.shape == (cuts.right.shape[0], cuts.down.shape[1]):
        raise DamagedError("depth, points and cuts differ in size")
    segments = read_stage("segments") if "segments/record.json" in manifest.sha256 else None
    if segments is not None and segments.labels.shape != depth.shape:
        raise DamagedError("depth and segments differ in size")
    final = read_stage("synthesis") if "synthesis/record.json" in manifest.sha256 else None
    layered = read_stage("layers") if "layers/record.json" in manifest.sha256 else final and final.layered
    outcomes = () if final is None else final.outcomes
    advice, plan, tuning = (
        read_stage(stage) if f"{stage}/record.json" in manifest.sha256 else None for stage in ("advice", "plan", "tune")
    )
    atlas, imagined = (None, 0.0) if layered is None else (layered.atlas, layered.imagined)
    meshes = meshes if layered is None else layered.meshes
    # A setting that this version doesn't know changes nothing in what was made.
    known = {name: value for name, value in manifest.settings.items() if name in Settings.model_fields}
    try:
        settings, strokes = Settings.parse(known), parse_all(manifest.corrections)
    except (SettingsError, CorrectionError) as error:
        raise DamagedError(error.message) from error
    made = photo, depth, points, cuts, meshes, settings, manifest.report, segments, atlas, imagined, strokes
    return Scene(manifest.step, *made, advice, plan, tuning, outcomes)


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's files by name, once nothing about them is suspicious."""
    infos = archive.infolist()
    unpacked, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    if unpacked > min(MAX_UNPACKED, MAX_RATIO * packed + (64 << 20)):
        raise DamagedError(f"it would unpack to {unpacked} bytes")
    members = {info.filename: info for info in infos}
    if len(members) != len(infos):
        raise DamagedError("it holds a name twice")
    for name, info in members.items():
        parts = name.split("/")
        if "\\" in name or ":" in name or name.startswith("/") or ".." in parts:
            raise DamagedError(f"it holds a name that leads out of it: {name}")
        if (info.external_attr >> 16) & 0o170000 == 0o120000:
            raise DamagedError(f"it holds a symbolic link: {name}")
    return members


def _add(archive: zipfile.ZipFile, name: str, data: bytes, *, pack: bool) -> None:
    """Add a member, dated 1980 so that the same scene gives the same bytes."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED if pack else zipfile.ZIP_STORED
    info.external_attr = 0o644 << 16
    archive.writestr(info, data, compresslevel=1)


def _manifest_json(scene: Scene, links: dict[str, str], hashes: dict[str, str]) -> bytes:
    return _json(
        {
            "format": FORMAT,
            "step": scene.step,
            "settings": scene.settings.model_dump(mode="json"),
            "report": [asdict(report) for report in scene.report],
            "versions": {"diorama": __version__, "numpy": np.__version__, "python": platform.python_version()},
            "links": links,
            "sha256": hashes,
            "corrections": [stroke.to_json() for stroke in scene.corrections],
        }
    )


# ---- JSON, hashes and damage -----------------------------------------------------------------------------------


def _record_json(stage: str, values: dict[str, Any], report: StageReport, files: Mapping[str, bytes]) -> bytes:
    listed = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    record = {"format": FORMAT, "stage": stage, "values": values, "report": asdict(report), "files": listed}
    return _json({**record, "sha256": hashlib.sha256(_json(record)).hexdigest()})


def _load(stage: str, read: Read) -> tuple[Any, StageReport]:
    """Check and read one stage's files."""
    loaded = _loaded(read("record.json", MAX_JSON))
    record = _parse(_Record, loaded)
    _check("record.json", _json({key: value for key, value in loaded.items() if key != "sha256"}), loaded.get("sha256"))
    if record.stage != stage:
        raise DamagedError(f"it holds the stage {record.stage}, not {stage}")

    def read_file(name: str) -> bytes:
        data = read(name, record.files[name].bytes)
        _check(name, data, record.files[name].sha256)
        return data

    names = {name for name in record.files if _NAME.fullmatch(name)}
    return records.unpack(stage, record.values, names, read_file), record.report


_M = TypeVar("_M", _Record, _Manifest)


def _parse(model: type[_M], loaded: dict[str, Any]) -> _M:
    version = loaded.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise SceneFileError(
            f"The scene was made by a newer version of Diorama (format {version}; this one reads {FORMAT}).",
            hint="Update with `pip install --upgrade diorama-3d`.",
        )
    return model.model_validate(loaded)


def _loaded(data: bytes) -> dict[str, Any]:
    loaded = json.loads(data)
    if not isinstance(loaded, dict):
        raise DamagedError("its JSON is no object")
    return loaded


def _json(values: dict[str, Any]) -> bytes:
    # "replace": half a surrogate pair, which Python's names of files can hold and JSON's readers refuse.
    return json.dumps(values, indent=1, ensure_ascii=False, default=_plain).encode("utf-8", "replace")


def _plain(value: object) -> object:
    """What a stage may have put into its report besides JSON's own types."""
    return value.item() if isinstance(value, np.generic) else str(value)


def _check(name: str, data: bytes, sha256: object) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DamagedError(f"{name} differs from its hash")


def _read_file(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit + 1)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Turn what reading `path` may raise into SceneFileError."""
    try:
        yield
    except FileNotFoundError as error:
        raise SceneFileError(f"There is no scene at {path}.", hint="Check the name.") from error
    except OSError as error:
        raise SceneFileError(f"The scene {path} can't be read: {error.strerror}.", hint=_AGAIN) from error
    except zipfile.BadZipFile as error:
        if path.suffix.lower() != ".diorama":
            hint = f"`diorama make PHOTO -o {path.stem}.diorama` makes a scene of a photo; that file can be given here."
            raise SceneFileError(f"{path} is no scene.", hint=hint) from error
        raise SceneFileError(f"{path} is no .diorama bundle, or a damaged one.", hint=_AGAIN) from error
    except (ValueError, TypeError, RecursionError, RuntimeError, EOFError, zlib.error) as error:
        # RuntimeError: an encrypted member or, as NotImplementedError, an unknown compression.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SceneFileError(f"The scene {path} is damaged: {reason}.", hint=_AGAIN) from error
