"""Stage files, checkpoints and .diorama bundles: what is saved comes back to the last bit, or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import multiprocessing
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from diorama import atomic, bundle, records, stage_files
from diorama.advice import Advised, Outcome, ReconstructionAdvice, SceneAdvice, Tuning
from diorama.checkpoints import Checkpoints
from diorama.errors import SceneFileError, StorageError
from diorama.settings import Settings
from diorama.types import (
    Camera,
    Cuts,
    DepthMap,
    EmbeddedDepth,
    Final,
    Layered,
    Mesh,
    Photo,
    PointCloud,
    Rebuilt,
    Scene,
    Segment,
    Segments,
    StageReport,
    Textured,
)
from scenes import final_scene, layered_scene, same, tiny_scene

REPORT = StageReport("depth", "tiny", "because", 0.1, {"depth": "auto", "fov": None}, ("careful",), "CPU")

# ---- records ---------------------------------------------------------------------------------------------------

sizes = st.integers(1, 9)
words = st.text(max_size=8)
numbers = st.floats(0.015625, 1e6, width=32)


@st.composite
def cameras(draw: st.DrawFn) -> Camera:
    width, height = draw(sizes), draw(sizes)
    floats = st.floats(1e-3, 1e6)
    source = draw(st.sampled_from(["exif", "model", "user", "assumed"]))
    return Camera(draw(floats), draw(floats), draw(floats), draw(floats), width, height, source)


def pixels(camera: Camera, *channels: int) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.uint8, (camera.height, camera.width, *channels))


def masks(camera: Camera) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.bool_, (camera.height, camera.width))


@st.composite
def carried(draw: st.DrawFn) -> EmbeddedDepth:
    shape = draw(sizes), draw(sizes)
    inverse = draw(hnp.arrays(np.float32, shape, elements=st.just(0.0) | numbers))
    valid = draw(st.none() | hnp.arrays(np.bool_, shape))
    return EmbeddedDepth(
        inverse, draw(st.sampled_from(["relative", "metric"])), draw(words), valid, draw(st.booleans())
    )


@st.composite
def links(draw: st.DrawFn, camera: Camera) -> Cuts:
    grid = draw(masks(camera))
    return Cuts(grid[:, 1:] != grid[:, :-1], grid[1:] != grid[:-1])


@st.composite
def photos(draw: st.DrawFn) -> Photo:
    camera = draw(cameras())
    alpha = draw(st.none() | pixels(camera))
    values = draw(words), draw(words), tuple(draw(st.lists(words))), draw(st.none() | carried())
    return Photo(draw(pixels(camera, 3)), camera, alpha, *values)


@st.composite
def depths(draw: st.DrawFn) -> DepthMap:
    camera = draw(cameras())
    inverse = draw(hnp.arrays(np.float32, (camera.height, camera.width), elements=st.just(0.0) | numbers))
    valid, sky = draw(st.none() | masks(camera)), draw(st.none() | masks(camera))
    by_hand = draw(st.none() | links(camera)), draw(st.none() | links(camera))
    scale, normals = draw(st.sampled_from(["relative", "metric"])), draw(st.none() | pixels(camera, 3))
    said = tuple(draw(st.lists(words)))
    return DepthMap(inverse, scale, camera, draw(words), valid, sky, said, *by_hand, normals)


@st.composite
def clouds(draw: st.DrawFn) -> PointCloud:
    camera = draw(cameras())
    z = draw(hnp.arrays(np.float32, (camera.height, camera.width), elements=numbers))
    return PointCloud(z, draw(pixels(camera, 3)), draw(masks(camera)), camera, draw(st.none() | masks(camera)))


@st.composite
def meshes(draw: st.DrawFn) -> tuple[Cuts, tuple[Mesh, ...]]:
    return draw(links(draw(cameras()))), draw(pieces())


@st.composite
def pieces(draw: st.DrawFn) -> tuple[Mesh, ...]:
    made = []
    for _ in range(draw(st.integers(0, 2))):
        count = draw(st.integers(0, 5))
        vectors = hnp.arrays(np.float32, (count, 3), elements=st.floats(-1e6, 1e6, width=32))
        share = st.floats(0, 1, width=32)
        corners = hnp.arrays(np.int32, st.tuples(st.integers(0, 4) if count else st.just(0), st.just(3)))
        faces = draw(corners) % max(count, 1)
        uv = draw(hnp.arrays(np.float32, (count, 2), elements=share))
        alpha = draw(st.none() | hnp.arrays(np.float32, count, elements=share))
        imagined = draw(st.booleans())
        values = (draw(vectors), faces.astype(np.int32), uv, draw(vectors), draw(words), alpha, imagined)
        made.append(Mesh(*values, draw(st.integers(0, 9))))
    return tuple(made)


@st.composite
def segmentations(draw: st.DrawFn) -> Segments:
    """Any labels, any ids; each segment touches the one before it, and may hide it."""
    height, width = draw(sizes), draw(sizes)
    known = draw(st.lists(st.integers(1, records.MAX_SEGMENT_ID), min_size=1, max_size=4, unique=True))
    labels = draw(hnp.arrays(np.int32, (height, width), elements=st.sampled_from([0, *known])))
    ids = [int(id) for id in np.unique(labels[labels > 0])]
    hides = [draw(st.booleans()) for _ in ids]
    items = []
    for n, id in enumerate(ids):
        rows, columns = np.nonzero(labels == id)
        box = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
        before, after = ids[max(n - 1, 0) : n], ids[n + 1 : n + 2]
        name = draw(words.filter(str.strip))
        kind = draw(st.sampled_from(["subject", "object", "ground", "wall", "sky", "background"]))
        near, far = sorted((draw(numbers), draw(numbers)))
        in_front_of = tuple(before) if hides[n] else ()
        items.append(Segment(id, name, kind, box, len(rows), near, far, (*before, *after), in_front_of))
    return Segments(labels, tuple(items))


@st.composite
def layers(draw: st.DrawFn) -> Layered:
    atlas = draw(hnp.arrays(np.uint8, (draw(sizes), draw(sizes), 3)))
    return Layered(atlas, draw(pieces()), draw(st.floats(0, 100)))


@st.composite
def rebuilts(draw: st.DrawFn) -> Rebuilt:
    return Rebuilt(draw(clouds()), draw(meshes())[0], draw(layers()))


@st.composite
def outcomes(draw: st.DrawFn) -> tuple[Outcome, ...]:
    texts = st.tuples(words, st.booleans(), words, words, words)
    names = ("key", "applied", "sentence", "before", "after")
    return tuple(Outcome(**dict(zip(names, values, strict=True))) for values in draw(st.lists(texts, max_size=3)))


@st.composite
def textured(draw: st.DrawFn) -> Textured:
    atlas = draw(hnp.arrays(np.uint8, (draw(sizes), draw(sizes), 3)))
    return Textured(atlas, draw(outcomes()))


@st.composite
def finals(draw: st.DrawFn) -> Final:
    return Final(draw(layers()), draw(outcomes()))


@st.composite
def advised(draw: st.DrawFn) -> Advised[Any]:
    return Advised[float](value=draw(st.floats(-1e6, 1e6)), reason=draw(words), source="local", confidence=0.5)


@st.composite
def advices(draw: st.DrawFn) -> SceneAdvice:
    return final_scene().advice.model_copy(update={"fov": draw(st.none() | advised())})


@st.composite
def plans(draw: st.DrawFn) -> ReconstructionAdvice:
    return final_scene().plan.model_copy(update={"smoothing": draw(st.none() | advised())})


@st.composite
def tunings(draw: st.DrawFn) -> Tuning:
    some = st.floats(1e-3, 1e6)
    terms = draw(st.dictionaries(words, st.tuples(some, some), max_size=3))
    names = ("fov", "gain", "offset", "cut_threshold", "smoothing", "camera_travel", "second_look")
    values = {name: draw(some) for name in names}
    return Tuning(**values, terms=terms, locked=tuple(draw(st.lists(words))), reason=draw(words))


RECORDS = {
    "photo": photos(),
    "depth": depths(),
    "corrections": depths(),
    "points": clouds(),
    "mesh": meshes(),
    "segments": segmentations(),
    "layers": layers(),
    "advice": advices(),
    "plan": plans(),
    "tune": tunings(),
    "rebuild": rebuilts(),
    "texture": textured(),
    "synthesis": finals(),
}


@pytest.mark.parametrize("stage", RECORDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_record_comes_back_to_the_last_bit(stage: str, data: st.DataObject) -> None:
    record = data.draw(RECORDS[stage])
    packed = records.pack(stage, record)
    files = {name: stage_files.encode(name, array) for name, array in packed.arrays.items()}
    values = json.loads(json.dumps(packed.values))
    assert same(records.unpack(stage, values, set(files), files.__getitem__), record)


KEPT = {
    Camera: "fx fy cx cy width height source",
    Photo: "rgb camera alpha name sha256 warnings embedded",
    EmbeddedDepth: "inverse_depth scale origin valid along_rays",
    DepthMap: "inverse_depth scale camera model valid sky warnings cut joined normals",
    PointCloud: "z rgb mask camera opaque",
    Cuts: "right down",
    Mesh: "vertices faces uv normals name alpha imagined segment",
    Segment: "id name kind box area near far neighbours in_front_of",
    Segments: "labels items",
    Layered: "atlas meshes imagined",
    StageReport: "stage backend reason seconds settings warnings provider",
    Scene: (
        "step photo depth points cuts meshes settings report segments atlas imagined "
        "corrections advice plan tuning outcomes"
    ),
    Rebuilt: "points cuts layered",
    Textured: "atlas outcomes",
    Final: "layered outcomes",
}


@pytest.mark.parametrize("record", KEPT)
def test_no_field_is_forgotten(record: type) -> None:
    """A record with a new field: first pack and unpack it in `records` and draw it above, then name it here."""
    assert [field.name for field in dataclasses.fields(record)] == KEPT[record].split()


def test_a_stage_that_there_is_not() -> None:
    with pytest.raises(TypeError, match="no stage"):
        records.pack("sketch", None)
    with pytest.raises(ValueError, match="no stage"):
        records.unpack("sketch", {}, set(), {}.__getitem__)


# ---- stage folders and checkpoints -----------------------------------------------------------------------------


def test_a_stage_folder_is_plain_files(tmp_path: Path) -> None:
    scene = tiny_scene()
    bundle.save_stage(tmp_path / "depth", "depth", scene.depth, REPORT)
    assert {path.name for path in (tmp_path / "depth").iterdir()} == {"record.json", "inverse_depth.npy", "sky.npy"}
    assert np.array_equal(np.load(tmp_path / "depth" / "inverse_depth.npy"), scene.depth.inverse_depth)
    sky = np.unpackbits(np.load(tmp_path / "depth" / "sky.npy"), axis=1, count=scene.depth.camera.width)
    assert np.array_equal(sky.astype(bool), scene.depth.sky)
    record, report = bundle.load_stage(tmp_path / "depth", "depth")
    assert same(record, scene.depth)
    assert report == REPORT


def test_a_stage_is_not_taken_for_another(tmp_path: Path) -> None:
    bundle.save_stage(tmp_path / "depth", "depth", tiny_scene().depth, REPORT)
    with pytest.raises(SceneFileError, match="stage depth, not points"):
        bundle.load_stage(tmp_path / "depth", "points")


def test_a_report_may_hold_what_json_has_no_type_for(tmp_path: Path) -> None:
    report = replace(REPORT, settings={"n": np.float32(0.5), "path": Path("a"), "t": (1, 2)}, reason="caf\udce9.npy")
    bundle.save_stage(tmp_path / "depth", "depth", tiny_scene().depth, report)
    loaded = bundle.load_stage(tmp_path / "depth", "depth")[1]
    assert loaded.settings == {"n": 0.5, "path": "a", "t": [1, 2]}
    assert loaded.reason == "caf?.npy"


def test_checkpoints_keep_stages_by_key(tmp_path: Path) -> None:
    scene = tiny_scene()
    checkpoints = Checkpoints(tmp_path / "new" / "folder")
    assert checkpoints.load("depth", "abc") is None
    checkpoints.save("depth", "abc", scene.depth, REPORT)
    assert same(checkpoints.load("depth", "abc"), (scene.depth, REPORT))
    assert checkpoints.load("depth", "abd") is None
    assert [path.name for path in checkpoints.root.iterdir()] == ["depth-abc"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "inverse_depth.npy").unlink(),
        lambda folder: (folder / "inverse_depth.npy").write_bytes(b""),
        lambda folder: (folder / "record.json").write_bytes(bytes(100)),
        lambda folder: (folder / "record.json").unlink(),
        lambda folder: (folder / "record.json").write_text(
            (folder / "record.json").read_text().replace('"model": "tiny"', '"model": "tinx"')
        ),
        lambda folder: shutil.rmtree(folder) or folder.mkdir(),
    ],
)
def test_a_damaged_checkpoint_counts_as_absent_and_is_replaced(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    scene = tiny_scene()
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save("depth", "abc", scene.depth, REPORT)
    damage(tmp_path / "depth-abc")
    assert checkpoints.load("depth", "abc") is None
    checkpoints.save("depth", "abc", scene.depth, REPORT)
    assert same(checkpoints.load("depth", "abc"), (scene.depth, REPORT))
    assert [path.name for path in tmp_path.iterdir()] == ["depth-abc"]


def test_who_saves_second_changes_nothing(tmp_path: Path) -> None:
    scene = tiny_scene()
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save("depth", "abc", scene.depth, REPORT)
    before = (tmp_path / "depth-abc").stat().st_ino
    checkpoints.save("depth", "abc", scene.depth, replace(REPORT, seconds=9.0))
    assert (tmp_path / "depth-abc").stat().st_ino == before
    assert same(checkpoints.load("depth", "abc"), (scene.depth, REPORT))


def _save_often(root: str) -> int:
    scene = tiny_scene(64, 48)
    checkpoints = Checkpoints(Path(root))
    seen = 0
    for i in range(40):
        checkpoints.save("points", str(i % 4), scene.points, REPORT)
        kept = checkpoints.load("points", str(i % 4))
        seen += kept is not None and same(kept[0], scene.points)
        if i % 10 == 9:
            shutil.rmtree(Path(root) / "points-1", ignore_errors=True)
    return seen


def test_processes_may_save_the_same_key(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        seen = list(pool.map(_save_often, [str(tmp_path)] * 3))
    # What another process removes in between is absent; nothing is ever half there.
    assert min(seen) >= 30
    assert not list(tmp_path.glob(atomic.SIBLINGS))
    checkpoints = Checkpoints(tmp_path)
    assert all(checkpoints.load("points", key) for key in "023")


def test_a_refused_rename_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path, target: Path) -> Path:
        raise PermissionError(13, "no", str(target))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StorageError):
        Checkpoints(tmp_path).save("depth", "abc", tiny_scene().depth, REPORT)
    assert list(tmp_path.iterdir()) == []


def test_what_killed_saves_left_is_swept_once_it_is_old(tmp_path: Path) -> None:
    old, new = atomic.sibling(tmp_path / "x"), atomic.sibling(tmp_path / "x")
    for folder in (old, new):
        folder.mkdir()
        (folder / "z.npy").write_bytes(b"half")
    os.utime(old, (0, 0))
    Checkpoints(tmp_path).save("depth", "abc", tiny_scene().depth, REPORT)
    assert not old.exists()
    assert new.exists()


# ---- bundles ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scene",
    [
        tiny_scene(),
        tiny_scene(alpha=True, soft=True, metric=True),
        tiny_scene(31, 17, texture=3),
        tiny_scene(1, 1),
        tiny_scene(1, 5000),
        tiny_scene(500, 1, texture=2),
        replace(tiny_scene(), meshes=(), report=(), settings=Settings(fov=50, triangles=4000)),
        layered_scene(),
        layered_scene(31, 17, texture=2),
        replace(layered_scene(), atlas=None, imagined=0.0),
        replace(layered_scene(), segments=None),
        final_scene(31, 17, texture=2),
        replace(final_scene(), plan=None, outcomes=()),
    ],
    ids=["plain", "soft", "larger photo", "1x1", "1x5000", "500x1", "no meshes", "layered", "larger layered",
         "segments alone", "layers alone", "final", "final, less"],
)  # fmt: skip
def test_a_scene_comes_back_to_the_last_bit(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "a scene.diorama"
    scene.save(path)
    assert same(Scene.load(path), scene)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_the_same_scene_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        bundle.write(tiny_scene(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_bundle_is_a_plain_zip(tmp_path: Path) -> None:
    scene = tiny_scene(texture=2)
    scene.save(tmp_path / "x.diorama")
    with zipfile.ZipFile(tmp_path / "x.diorama") as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        inverse = np.load(io.BytesIO(archive.read("depth/inverse_depth.npy")))
        record = json.loads(archive.read("points/record.json"))
        hashes = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}
    assert np.array_equal(inverse, scene.depth.inverse_depth)
    assert manifest["settings"] == scene.settings.model_dump()
    assert [part["stage"] for part in manifest["report"]] == ["photo", "depth", "points", "mesh"]
    assert all(hashes[name] == found for name, found in manifest["sha256"].items())
    assert {f"points/{name}": file["sha256"] for name, file in record["files"].items()}.items() <= hashes.items()


def test_the_points_colours_are_kept_once(tmp_path: Path) -> None:
    tiny_scene().save(tmp_path / "x.diorama")
    with zipfile.ZipFile(tmp_path / "x.diorama") as archive:
        assert "points/rgb.png" not in archive.namelist()


def test_an_enhanced_bundle_has_two_more_stages(tmp_path: Path) -> None:
    scene = layered_scene()
    scene.save(tmp_path / "x.diorama")
    with zipfile.ZipFile(tmp_path / "x.diorama") as archive:
        names = set(archive.namelist())
        items = json.loads(archive.read("segments/record.json"))["values"]["items"]
        labels = np.load(io.BytesIO(archive.read("segments/labels.npy")))
        atlas = cv2.imdecode(np.frombuffer(archive.read("layers/atlas.png"), np.uint8), cv2.IMREAD_COLOR)
    assert {"segments/labels.npy", "layers/atlas.png", "layers/4.alpha.npy"} <= names
    assert not any(name.startswith("mesh/0.") for name in names)  # the surfaces are kept once
    assert [(item["name"], item["kind"]) for item in items] == [("Wall", "wall"), ("Box", "object")]
    assert np.array_equal(labels, scene.segments.labels)
    assert np.array_equal(atlas[..., ::-1], scene.atlas)


@pytest.mark.parametrize("stage", ["segments", "layers"])
def test_the_enhanced_stages_have_checkpoints(stage: str, tmp_path: Path) -> None:
    scene = layered_scene()
    record = scene.segments if stage == "segments" else Layered(scene.atlas, scene.meshes, scene.imagined)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(stage, "abc", record, REPORT)
    assert same(checkpoints.load(stage, "abc"), (record, REPORT))
    array = "labels.npy" if stage == "segments" else "atlas.png"
    (tmp_path / f"{stage}-abc" / array).write_bytes(b"")
    assert checkpoints.load(stage, "abc") is None


def test_meshes_of_before_there_was_the_imagined(tmp_path: Path) -> None:
    scene = bundle.read(_edited(tmp_path, {"mesh/record.json": lambda record: record["values"].pop("imagined")}))
    assert not any(mesh.imagined for mesh in scene.meshes)


def test_a_rezipped_bundle_is_the_same_scene(tmp_path: Path) -> None:
    """As people do: unpacked, looked at, packed again with folders and the file manager's own litter."""
    scene = tiny_scene()
    scene.save(tmp_path / "x.diorama")
    shutil.unpack_archive(tmp_path / "x.diorama", tmp_path / "folder", "zip")
    (tmp_path / "folder" / "Thumbs.db").write_bytes(b"litter")
    shutil.make_archive(str(tmp_path / "again"), "zip", tmp_path / "folder")
    assert same(Scene.load(tmp_path / "again.zip"), scene)


def test_an_older_or_later_set_of_settings_is_no_damage(tmp_path: Path) -> None:
    def edit(manifest: dict[str, Any]) -> None:
        manifest["settings"]["of_the_future"] = 1
        del manifest["settings"]["depth_range"]

    scene = bundle.read(_edited(tmp_path, {"manifest.json": edit}))
    assert scene.settings == tiny_scene().settings


# ---- damaged and hostile bundles -------------------------------------------------------------------------------


def _edited(folder: Path, edits: dict[str, Any], scene: Scene | None = None) -> Path:
    """A bundle with members replaced: bytes, an array, None (left out), or a function that edits its JSON.

    All hashes are made anew: what is tested is the checks behind them.
    """
    source, path = folder / "source.diorama", folder / "edited.diorama"
    bundle.write(scene or tiny_scene(alpha=True, soft=True, texture=2), source)
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, edit in edits.items():
        if edit is None:
            del members[name]
        elif callable(edit):
            loaded = json.loads(members[name])
            edit(loaded)
            members[name] = json.dumps(loaded).encode()
        else:
            members[name] = edit if isinstance(edit, bytes) else stage_files.encode(name, edit)
    own_manifest = "manifest.json" not in edits or callable(edits["manifest.json"])
    manifest = json.loads(members["manifest.json"]) if own_manifest else {"sha256": {}}
    for record_name in [name for name in members if name.endswith("/record.json")]:
        record = json.loads(members[record_name])
        for name, file in record["files"].items():
            member = members.get(record_name.replace("record.json", name), b"")
            file.update(bytes=len(member), sha256=hashlib.sha256(member).hexdigest())
        record.pop("sha256")
        record["sha256"] = hashlib.sha256(bundle._json(record)).hexdigest()
        members[record_name] = bundle._json(record)
        manifest["sha256"][record_name] = hashlib.sha256(members[record_name]).hexdigest()
    if own_manifest:
        members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _pickle() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    return file.getvalue()


def _npy_claiming(shape: str) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)


def _png_claiming(width: int, height: int) -> bytes:
    png = bytearray(stage_files.encode("a.png", np.zeros((32, 48, 3), np.uint8)))
    png[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    return bytes(png)


def _set(*keys: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def edit(loaded: Any) -> None:
        for key in keys[:-1]:
            loaded = loaded[key]
        loaded[keys[-1]] = to

    return edit


GRID = 16, 24
F, U = np.float32, np.uint8
HUGE = {"width": 30_000, "height": 30_000}

DAMAGED: dict[str, tuple[dict[str, Any], str]] = {
    "no manifest": ({"manifest.json": None}, "manifest.json is missing"),
    "manifest is no JSON": ({"manifest.json": b"{"}, "damaged"),
    "manifest is no object": ({"manifest.json": b"[]"}, "no object"),
    "manifest is no text": ({"manifest.json": b"\xff\xfe\x00"}, "damaged"),
    "manifest is deep": ({"manifest.json": b"[" * 200_000}, "damaged"),
    "manifest is long": ({"manifest.json": b" " * (bundle.MAX_JSON + 1)}, "too long"),
    "an unknown step": ({"manifest.json": _set("step", to="sketch")}, "damaged"),
    "a setting out of range": ({"manifest.json": _set("settings", "triangles", to=-1)}, "triangles"),
    "links are a list": ({"manifest.json": _set("links", to=["a"])}, "damaged"),
    "a link to nowhere": (
        {"manifest.json": _set("links", "depth/inverse_depth.npy", to="../../etc/passwd")},
        "missing",
    ),
    "no record": ({"depth/record.json": None}, "depth/record.json is missing"),
    "record of another stage": ({"depth/record.json": _set("stage", to="mesh")}, "stage mesh"),
    "an array is missing": ({"points/z.npy": None}, "missing"),
    "an array is not listed": ({"points/record.json": lambda record: record["files"].pop("z.npy")}, "z.npy is missing"),
    "a pickle": ({"points/z.npy": _pickle()}, "no .npy file"),
    "no array": ({"points/z.npy": b"hello"}, "no .npy file"),
    "an empty array": ({"points/z.npy": b""}, "no .npy file"),
    "doubles": ({"points/z.npy": np.ones(GRID)}, "no .npy file of the type <f4"),
    "another shape": ({"points/z.npy": np.ones((16, 25), F)}, "shape"),
    "another rank": ({"points/z.npy": np.ones(GRID[0] * GRID[1], F)}, "shape"),
    "a claimed size": ({"mesh/0.vertices.npy": _npy_claiming("(99999999999, 3)")}, "length"),
    "an absurd size": ({"mesh/0.vertices.npy": _npy_claiming(f"({'9' * 4400}, 3)")}, "damaged"),
    "not a number": ({"points/z.npy": np.full(GRID, np.nan, F)}, "not finite"),
    "an infinite vertex": ({"mesh/0.vertices.npy": np.full((944, 3), np.inf, F)}, "damaged"),
    "depth behind the camera": ({"points/z.npy": -np.ones(GRID, F)}, "positive"),
    "negative inverse depth": ({"depth/inverse_depth.npy": -np.ones(GRID, F)}, "negative"),
    "a face without its vertex": ({"mesh/1.faces.npy": np.full((9, 3), 10**6, np.int32)}, "faces"),
    "fewer normals": ({"mesh/0.normals.npy": np.ones((5, 3), F)}, "shape"),
    "a short mask": ({"points/mask.npy": np.zeros((16, 2), U)}, "shape"),
    "cuts of another size": (
        {
            "mesh/right.npy": np.zeros((3, 1), U),
            "mesh/down.npy": np.zeros((2, 1), U),
            "mesh/record.json": lambda record: record["values"].update(height=3, width=3),
        },
        "differ in size",
    ),
    "cuts of no size": ({"mesh/record.json": _set("values", "height", to=0)}, "damaged"),
    "a picture that is none": ({"photo/rgb.png": b"\xff\xd8\xff\xe0JFIF" + bytes(99)}, "no PNG"),
    "a picture of another size": ({"photo/rgb.png": np.zeros((8, 8, 3), U)}, "8 x 8"),
    "a picture without colour": ({"photo/rgb.png": np.zeros((32, 48), U)}, "damaged"),
    "a picture with colour": ({"photo/alpha.png": np.zeros((32, 48, 3), U)}, "damaged"),
    "a cut picture": ({"photo/rgb.png": stage_files.encode("a.png", np.zeros((32, 48, 3), U))[:50]}, "damaged"),
    "a picture bomb": (
        {
            "photo/rgb.png": _png_claiming(30_000, 30_000),
            "photo/record.json": lambda record: record["values"]["camera"].update(HUGE),
        },
        "30000 x 30000",
    ),
    "a picture wider than any decoder takes": (
        {
            "photo/rgb.png": _png_claiming(3_000_000, 1),
            "photo/record.json": lambda record: record["values"]["camera"].update(width=3_000_000, height=1),
        },
        "rgb.png is damaged",
    ),
    "a camera for another size": ({"photo/record.json": _set("values", "camera", "width", to=7)}, "48 x 32"),
    "a camera that sees nothing": ({"depth/record.json": _set("values", "camera", "fx", to=0)}, "damaged"),
    "a camera that is none": ({"depth/record.json": _set("values", "camera", to="f/8")}, "damaged"),
    "an infinite camera": ({"depth/record.json": _set("values", "camera", "fx", to=float("inf"))}, "damaged"),
    "a scale that is none": ({"depth/record.json": _set("values", "scale", to="feet")}, "damaged"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_behind_right_hashes_is_found(name: str, tmp_path: Path) -> None:
    edits, words = DAMAGED[name]
    path = _edited(tmp_path, edits)
    with pytest.raises(SceneFileError) as caught:
        bundle.read(path)
    assert words in caught.value.message
    assert str(path) in caught.value.message
    assert len(caught.value.message) < 400


def _item(number: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["values"]["items"][number].update(changes)


def _many_items(record: dict[str, Any]) -> None:
    record["values"]["items"] *= records.MAX_SEGMENTS


I = np.int32  # noqa: E741

DAMAGED_LAYERS: dict[str, tuple[dict[str, Any], str]] = {
    "no segments": ({"segments/record.json": None}, "missing"),
    "no layers": ({"layers/record.json": None}, "missing"),
    "no labels": ({"segments/labels.npy": None}, "missing"),
    "no atlas": ({"layers/atlas.png": None}, "missing"),
    "labels of bytes": ({"segments/labels.npy": np.ones(GRID, U)}, "type <i4"),
    "labels of another shape": ({"segments/labels.npy": np.ones((4, 4), I)}, "shape"),
    "segments of another size": (
        {
            "segments/labels.npy": np.array([[1] * 24, [2] * 24], I).repeat(9, axis=0),
            "segments/record.json": lambda record: record["values"].update(
                height=18,
                items=[
                    {**item, "area": 216, "box": [0, 9 * n, 24, 9 * n + 9]}
                    for n, item in enumerate(record["values"]["items"])
                ],
            ),
        },
        "segments differ in size",
    ),
    "a label of no segment": ({"segments/labels.npy": np.full(GRID, 3, I)}, "hold every segment's id"),
    "a negative label": ({"segments/labels.npy": np.full(GRID, -1, I)}, "negative"),
    "a label that takes memory": ({"segments/labels.npy": np.full(GRID, 2**31 - 1, I)}, "too large"),
    "an id that takes memory": ({"segments/record.json": _item(1, id=2**31 - 1, neighbours=[1])}, "too large"),
    "an id of astronomy": ({"segments/record.json": _item(1, id=10**40)}, "too large"),
    "more segments than anyone has": ({"segments/record.json": _many_items}, "damaged"),
    "a nameless segment": ({"segments/record.json": _item(0, name=" ")}, "damaged"),
    "a kind that is none": ({"segments/record.json": _item(0, kind="person")}, "damaged"),
    "a box outside": ({"segments/record.json": _item(0, box=[0, 0, 99, 99])}, "fit the labels"),
    "a box of five": ({"segments/record.json": _item(0, box=[0, 0, 1, 1, 1])}, "damaged"),
    "another area": ({"segments/record.json": _item(0, area=5)}, "fit the labels"),
    "behind the camera": ({"segments/record.json": _item(0, near=-1)}, "damaged"),
    "infinitely far": ({"segments/record.json": _item(0, far=float("inf"))}, "damaged"),
    "a neighbour that isn't": ({"segments/record.json": _item(0, neighbours=[7])}, "neighbours"),
    "a one-sided neighbour": ({"segments/record.json": _item(0, neighbours=[])}, "neighbours"),
    "each in front of the other": ({"segments/record.json": _item(0, in_front_of=[2])}, "in front"),
    "items that are none": ({"segments/record.json": _set("values", "items", to="two")}, "damaged"),
    "an atlas of another size": ({"layers/atlas.png": np.zeros((8, 8, 3), U)}, "8 x 8"),
    "an atlas without colour": ({"layers/atlas.png": np.zeros((32, 96), U)}, "damaged"),
    "an atlas bomb": (
        {"layers/atlas.png": _png_claiming(30_000, 30_000), "layers/record.json": lambda r: r["values"].update(HUGE)},
        "30000 x 30000",
    ),
    "fewer arrays than names": (
        {"layers/record.json": lambda record: record["values"]["names"].append("x")},
        "missing",
    ),
    "a face of the layers without its vertex": ({"layers/1.faces.npy": np.full((9, 3), 10**6, I)}, "faces"),
    "opacity that is no number": ({"layers/4.alpha.npy": np.full(224, np.nan, F)}, "not finite"),
    "an area that is no number": ({"layers/record.json": _set("values", "imagined_area", to="all")}, "damaged"),
    "a negative area": ({"layers/record.json": _set("values", "imagined_area", to=-1)}, "damaged"),
}


@pytest.mark.parametrize("name", DAMAGED_LAYERS)
def test_damage_to_an_enhanced_scene_is_found(name: str, tmp_path: Path) -> None:
    edits, words = DAMAGED_LAYERS[name]
    path = _edited(tmp_path, edits, layered_scene(texture=2))
    with pytest.raises(SceneFileError) as caught:
        bundle.read(path)
    assert words in caught.value.message
    assert len(caught.value.message) < 400


def test_edits_alone_do_an_enhanced_scene_no_damage(tmp_path: Path) -> None:
    scene = layered_scene(texture=2)
    assert same(bundle.read(_edited(tmp_path, {}, scene)), scene)


def test_a_decoder_that_gives_up_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: object) -> None:
        raise cv2.error("no")

    path = _edited(tmp_path, {})
    monkeypatch.setattr(cv2, "imdecode", give_up)
    with pytest.raises(SceneFileError, match=r"rgb\.png is damaged"):
        bundle.read(path)


def test_edits_alone_do_no_damage(tmp_path: Path) -> None:
    bundle.read(_edited(tmp_path, {}))


@pytest.mark.parametrize("name", ["manifest.json", "depth/record.json"])
def test_a_newer_version_is_told_from_damage(name: str, tmp_path: Path) -> None:
    path = _edited(tmp_path, {name: _set("format", to=bundle.FORMAT + 1)})
    with pytest.raises(SceneFileError, match="newer version") as caught:
        bundle.read(path)
    assert "pip install --upgrade" in caught.value.hint


@pytest.mark.parametrize(
    "name",
    ["../evil", "photo/../../evil", "/etc/passwd", "..\\evil", "C:evil", "photo\\rgb.png"],
)
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    path = _edited(tmp_path, {})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(SceneFileError, match="leads out"):
        bundle.read(path)


def test_symbolic_links_are_refused(tmp_path: Path) -> None:
    path = _edited(tmp_path, {})
    link = zipfile.ZipInfo("photo/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(SceneFileError, match="symbolic link"):
        bundle.read(path)


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    path = _edited(tmp_path, {})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("manifest.json", b"{}")
    with pytest.raises(SceneFileError, match="twice"):
        bundle.read(path)


def test_bombs_are_refused_before_they_go_off(tmp_path: Path) -> None:
    path = _edited(tmp_path, {})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(80 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(SceneFileError, match="unpack to"):
        bundle.read(path)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = _edited(tmp_path, {})
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"manifest.json"))
    data[entry + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(SceneFileError, match="encrypted"):
        bundle.read(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "no .diorama"), (b"PK\x03\x04 and then nothing", "no .diorama"), (b"glTF\x02\0\0\0", "is a GLB")],
)
def test_other_files_are_refused(data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "x.diorama").write_bytes(data)
    with pytest.raises(SceneFileError, match=words):
        bundle.read(tmp_path / "x.diorama")


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SceneFileError, match="no scene at"):
        bundle.read(tmp_path / "x.diorama")
    with pytest.raises(SceneFileError, match="can't be read"):
        bundle.read(tmp_path)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Scene, Path]:
    path = tmp_path_factory.mktemp("written") / "x.diorama"
    scene = tiny_scene(6, 4, soft=True)
    scene.save(path)
    return path.read_bytes(), scene, path


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_gives_the_same_scene_or_one_error(data: st.DataObject, written: tuple[bytes, Scene, Path]) -> None:
    """Bytes changed anywhere, ends cut off, pieces moved: never a wrong scene, never another exception."""
    whole, scene, path = written
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(1, len(damaged))) :]
    path.write_bytes(damaged)
    try:
        loaded = bundle.read(path)
    except SceneFileError:
        return
    assert same(loaded, scene)
