"""GLB files as others see them: the Khronos validator's report, and the parts by the specification alone."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import tools

_TYPES = {5120: "i1", 5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


def validate(*paths: Path) -> list[dict[str, Any]]:
    """Each file's report; needs npm's gltf-validator (a loud skip without it)."""
    tools.need("gltf-validator")
    command = [str(tools.need("node")), str(tools.NODE_FOLDER / "validate.mjs"), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    reports: list[dict[str, Any]] = json.loads(done.stdout)
    return reports


def assert_valid(*paths: Path) -> None:
    """No errors, no warnings, and nothing that could be done better but the photo's size (no power of two)."""
    for path, report in zip(paths, validate(*paths), strict=True):
        assert report["mimeType"] == "model/gltf-binary"
        found = [issue for issue in report["issues"]["messages"] if issue["code"] != "IMAGE_NPOT_DIMENSIONS"]
        assert not found, (path.name, found)


class Glb:
    """The JSON and binary chunks of a GLB file."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        self.json: dict[str, Any] = json.loads(data[20 : 20 + size])
        rest, kind = struct.unpack_from("<I4s", data, 20 + size)
        assert kind == b"BIN\0"
        assert size % 4 == rest % 4 == 0
        self.binary = data[28 + size :]
        assert len(self.binary) == rest

    def view(self, index: int) -> bytes:
        view = self.json["bufferViews"][index]
        return self.binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]

    def accessor(self, index: int) -> npt.NDArray[Any]:
        """(count, width) values as they are stored."""
        accessor = self.json["accessors"][index]
        values = np.frombuffer(self.view(accessor["bufferView"]), _TYPES[accessor["componentType"]])
        stride = self.json["bufferViews"][accessor["bufferView"]].get("byteStride")
        width = _WIDTHS[accessor["type"]]
        row = width if stride is None else stride // values.itemsize
        return values.reshape(accessor["count"], row)[:, :width]

    def attribute(self, mesh: int, name: str) -> npt.NDArray[Any]:
        """Values of a mesh's vertices; colours as they are stored, else what normalised integers stand for."""
        index = self.json["meshes"][mesh]["primitives"][0]["attributes"][name]
        values = self.accessor(index)
        if not self.json["accessors"][index].get("normalized") or values.dtype == np.uint8:
            return values
        return (values / np.iinfo(values.dtype).max).astype(np.float32)

    def faces(self, mesh: int) -> npt.NDArray[Any]:
        return self.accessor(self.json["meshes"][mesh]["primitives"][0]["indices"]).reshape(-1, 3).astype(np.int64)

    def texture(self) -> bytes:
        return self.view(self.json["images"][0]["bufferView"])
