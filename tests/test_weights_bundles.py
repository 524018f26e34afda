"""Weights carried in one file: what was written installs, and nothing else does."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama import weights
from diorama.errors import InputError, StorageError, WeightsCorruptError, WeightsMissingError
from diorama.weights import Weights, bundles, hub
from test_cli import diorama

CONTENT = {"small": b"weights" * 100, "large": bytes(range(256)) * 5000}


def entry(name: str) -> Weights:
    data = CONTENT[name]
    address = f"http://host.invalid/{name}"
    return Weights(name, f"{name}.onnx", address, len(data), hashlib.sha256(data).hexdigest(), "MIT", "A test's.")


CATALOGUE = {name: entry(name) for name in CONTENT}


def folder() -> Path:
    return weights.cache_folder() / "weights"


def fill(*names: str) -> None:
    folder().mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder() / f"{name}.onnx").write_bytes(CONTENT[name])


def kept() -> list[str]:
    """What the cache holds, locks aside."""
    if not folder().is_dir():
        return []
    return sorted(path.name for path in folder().iterdir() if path.suffix != ".lock")


def unreachable(*_arguments: object, **_options: object) -> None:
    raise AssertionError("the network was asked")


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of both, with this machine's own cache empty and its network cut."""
    path = tmp_path / "weights.zip"
    fill("small", "large")
    assert [e.name for e in bundles.write(path, catalogue=CATALOGUE)] == ["small", "large"]
    monkeypatch.setenv("DIORAMA_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(httpx.Client, "send", unreachable)
    return path


def test_a_bundle_of_one_cache_installs_on_an_empty_one(bundle: Path) -> None:
    heard: list[float] = []
    installed = bundles.install(bundle, lambda _stage, share, _text: heard.append(share), CATALOGUE)
    assert [e.name for e in installed] == ["small", "large"]
    assert heard == sorted(heard)
    assert heard[-1] == 1
    for name, data in CONTENT.items():
        path = weights.path(name, CATALOGUE)
        assert path is not None
        assert path.read_bytes() == data
    assert {row.state for row in weights.verify(catalogue=CATALOGUE)} == {"ready"}
    again = bundles.install(bundle, catalogue=CATALOGUE)  # over what is there
    assert len(again) == 2


def test_the_same_weights_give_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    bundles.install(bundle, catalogue=CATALOGUE)
    bundles.write(tmp_path / "again.zip", ["small", "large"], catalogue=CATALOGUE)
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


@settings(max_examples=30)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_an_error_that_keeps_nothing(
    place: float, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("flip")
    path = home / "weights.zip"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DIORAMA_CACHE", str(home / "full"))
        fill("small", "large")
        bundles.write(path, catalogue=CATALOGUE)
        data = bytearray(path.read_bytes())
        # Not in the fields that say nothing about what is unpacked: only the weights' own bytes are sure to matter.
        start = data.index(CONTENT["large"][:64])
        at = start + int(place * len(CONTENT["large"]))
        data[at] ^= 1 << bit
        path.write_bytes(data)
        patched.setenv("DIORAMA_CACHE", str(home / "empty"))
        with pytest.raises(WeightsCorruptError, match="Nothing was kept"):
            bundles.install(path, catalogue=CATALOGUE)
        assert kept() == []
    shutil.rmtree(home)


@settings(max_examples=30)
@given(share=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_any_other_damage_is_an_error_or_harmless(
    share: float, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("damage")
    catalogue = {"small": CATALOGUE["small"]}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DIORAMA_CACHE", str(home / "full"))
        fill("small")
        path = home / "weights.zip"
        bundles.write(path, catalogue=catalogue)
        data = bytearray(path.read_bytes())
        data[int(share * len(data))] = value
        path.write_bytes(data)
        patched.setenv("DIORAMA_CACHE", str(home / "empty"))
        try:
            bundles.install(path, catalogue=catalogue)
        except WeightsCorruptError:
            assert kept() == []
        else:
            assert (folder() / "small.onnx").read_bytes() == CONTENT["small"]
    shutil.rmtree(home)


def rewritten(bundle: Path, *, leave: str = "", **members: tuple[str, bytes, int]) -> Path:
    """The bundle without `leave` and with other members: (name, bytes, how they are packed)."""
    out = bundle.with_name("other.zip")
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            if info.filename != leave:
                new.writestr(info, old.read(info))
        for name, data, packing in members.values():
            new.writestr(zipfile.ZipInfo(name), data, packing)
    return out


STORED, PACKED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


@pytest.mark.parametrize(
    ("leave", "name", "data", "packing", "said"),
    [
        ("", "../evil.onnx", b"x", STORED, "no file of the catalogue"),
        ("", "weights/../../evil.onnx", b"x", STORED, "no file of the catalogue"),
        ("", "/etc/passwd", b"x", STORED, "no file of the catalogue"),
        ("", "weights\\small.onnx", b"x", STORED, "no file of the catalogue"),
        ("", "weights/other.onnx", b"x", STORED, "no file of the catalogue"),
        ("weights/large.onnx", "weights/large.onnx", b"\0" * len(CONTENT["large"]), PACKED, "packed"),
        ("weights/large.onnx", "weights/large.onnx", b"\0" * 50_000_000, PACKED, "packed"),
        ("weights/large.onnx", "weights/large.onnx", b"\0" * len(CONTENT["large"]), STORED, "isn't the catalogue's"),
        ("weights/large.onnx", "weights/large.onnx", b"short", STORED, "has 5 bytes"),
        ("manifest.json", "weights/manifest.json", b"{}", STORED, "no manifest.json"),
        ("manifest.json", "manifest.json", b"[]", STORED, "its format is None"),
        ("manifest.json", "manifest.json", b"{", STORED, "no JSON"),
        ("manifest.json", "manifest.json", b'{"format": 9}', STORED, "its format is 9"),
        ("manifest.json", "manifest.json", b" " * (bundles.MAX_MANIFEST + 1), STORED, "too long"),
    ],
)
def test_hostile_bundles_keep_nothing(
    bundle: Path, leave: str, name: str, data: bytes, packing: int, said: str
) -> None:
    path = rewritten(bundle, leave=leave, extra=(name, data, packing))
    with pytest.raises(WeightsCorruptError, match=said) as caught:
        bundles.install(path, catalogue=CATALOGUE)
    assert "Nothing was kept" in caught.value.message
    assert kept() == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice(bundle: Path) -> None:
    path = rewritten(bundle, extra=("weights/small.onnx", CONTENT["small"], STORED))
    with pytest.raises(WeightsCorruptError, match="twice"):
        bundles.install(path, catalogue=CATALOGUE)


def test_a_bundle_without_weights(bundle: Path) -> None:
    path = rewritten(rewritten(bundle, leave="weights/small.onnx").rename(bundle), leave="weights/large.onnx")
    with pytest.raises(WeightsCorruptError, match="holds no weights"):
        bundles.install(path, catalogue=CATALOGUE)


def test_files_that_are_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(WeightsCorruptError, match="can't be read"):
        bundles.install(tmp_path / "text.zip", catalogue=CATALOGUE)
    with pytest.raises(InputError, match="no file"):
        bundles.install(tmp_path / "nothing.zip", catalogue=CATALOGUE)
    with pytest.raises(InputError, match="is a folder"):
        bundles.install(tmp_path, catalogue=CATALOGUE)


def test_an_installation_that_fails_leaves_what_was_there(bundle: Path) -> None:
    fill("small")
    path = rewritten(
        bundle, leave="weights/large.onnx", extra=("weights/large.onnx", b"\0" * len(CONTENT["large"]), STORED)
    )
    with pytest.raises(WeightsCorruptError):
        bundles.install(path, catalogue=CATALOGUE)
    assert kept() == ["small.onnx"]


def test_a_full_disk(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1000))
    with pytest.raises(StorageError, match="no room for the bundle"):
        bundles.install(bundle, catalogue=CATALOGUE)
    assert kept() == []


def test_what_is_not_there_can_not_be_bundled(tmp_path: Path) -> None:
    path = tmp_path / "weights.zip"
    with pytest.raises(WeightsMissingError, match="No weights are"):
        bundles.write(path, catalogue=CATALOGUE)
    fill("small")
    with pytest.raises(WeightsMissingError, match="large are not") as caught:
        bundles.write(path, ["small", "large"], catalogue=CATALOGUE)
    assert "models pull large" in caught.value.hint
    assert weights.path("small", CATALOGUE) is not None
    stamped = (folder() / "small.onnx").stat()
    (folder() / "small.onnx").write_bytes(b"weighty" * 100)
    import os

    os.utime(folder() / "small.onnx", ns=(stamped.st_atime_ns, stamped.st_mtime_ns))  # the stamp still fits
    with pytest.raises(WeightsCorruptError, match="cache is damaged"):
        bundles.write(path, ["small"], catalogue=CATALOGUE)
    assert not path.exists()


def test_removing_frees_the_room() -> None:
    fill("small")
    (folder() / f".small.onnx.{CATALOGUE['small'].sha256[:8]}.part").write_bytes(b"12345")
    assert weights.list_weights(CATALOGUE)[0].disk_bytes == 705
    assert weights.remove("small", CATALOGUE) == 705
    assert kept() == []
    assert weights.remove("small", CATALOGUE) == 0


def test_removing_from_a_cache_that_is_not_there() -> None:
    assert weights.remove("small", CATALOGUE) == 0
    assert not folder().exists()


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "CATALOGUE", CATALOGUE)
    path = tmp_path / "weights.zip"
    assert diorama("models", "bundle", "-o", path).code == 3
    fill("small", "large")
    written = diorama("models", "bundle", "small", "-o", path, "--json").json
    assert written == {"path": str(path), "bytes": path.stat().st_size, "names": ["small"]}
    assert "small, large" in diorama("models", "bundle", "-o", path).out
    assert diorama("models", "remove", "small", "large", "--json").json["removed"][1]["freed_bytes"] == 1_280_000
    assert "was not here" in diorama("models", "remove", "small").out
    assert diorama("models", "remove", "nobody").code == 2
    installed = diorama("models", "install", path, "--json", "--offline").json["installed"]
    assert [row["name"] for row in installed] == ["small", "large"]
    assert diorama("models", "verify").code == 0
    path.write_bytes(path.read_bytes()[:-100])
    damaged = diorama("models", "install", path, "--json")
    assert damaged.code == 3
    assert damaged.json["error"]["code"] == "weights-corrupt"


def test_the_licences_of_everything() -> None:
    rows = diorama("models", "licences", "--json").json["licences"]
    assert {row["name"] for row in rows} == {
        *weights.CATALOGUE,
        *(f"hub:{name}" for name in hub.KNOWN),
        *("bundled (depth)", "bundled (inpainting)"),
    }
    assert "cc-by-nc-4.0 (to be accepted)" in {row["licence"] for row in rows}
    assert all(row["licence"] and row["source"] and row["note"] for row in rows)
    assert json.dumps(rows).count("MIT") > 3
    assert "Apache-2.0" in diorama("models", "licences").out


def test_the_list_says_what_the_disk_holds() -> None:
    assert diorama("models", "list", "--json").json["disk_bytes"] == 0
    assert "no room" in diorama("models", "list").out
    name = "migan"
    file = folder() / weights.CATALOGUE[name].file
    fill()
    file.write_bytes(b"x" * 2_000_000)
    listed = diorama("models", "list", "--json").json
    assert listed["disk_bytes"] == 2_000_000
    assert "2.0 MB" in diorama("models", "list").out
