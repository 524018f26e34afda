"""Small ONNX graphs with the names, shapes and conventions of real networks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from diorama import weights

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MIX = (4.0, 2.0, 1.0)  # of normalised red, green and blue: tells the channels' order
SIDE = 256


def midas(path: Path, shift: int = 0, side: int = SIDE) -> Path:
    """Write a graph like MiDaS v2.1 small's: ``0`` (1, 3, 256, 256), normalised inside, to ``797`` (1, 256, 256).

    Its answer is ``MIX . (rgb - MEAN) / STD``, shifted `shift` pixels to the left (the edge repeated), as the real
    one's Resize does.
    """
    constants = {
        "mean": np.array(MEAN, np.float32).reshape(1, 3, 1, 1),
        "std": np.array(STD, np.float32).reshape(1, 3, 1, 1),
        "mix": np.array(MIX, np.float32).reshape(1, 3, 1, 1),
        "columns": np.minimum(np.arange(side) + shift, side - 1).astype(np.int64),
        "channels": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Sub", ["0", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["normal"]),
        helper.make_node("Mul", ["normal", "mix"], ["mixed"]),
        helper.make_node("ReduceSum", ["mixed", "channels"], ["summed"], keepdims=0),
        helper.make_node("Gather", ["summed", "columns"], ["797"], axis=2),
    ]
    return write(path, nodes, constants, [1, 3, side, side], [1, side, side])


def write(
    path: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], inputs: list[int], outputs: list[int]
) -> Path:
    """Save a graph from ``0`` to ``797``."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("0", TensorProto.FLOAT, inputs)],
        [helper.make_tensor_value_info("797", TensorProto.FLOAT, outputs)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def catalogue_with(monkeypatch: pytest.MonkeyPatch, content: bytes, url: str = "http://host.invalid/m.onnx") -> Path:
    """Make the catalogue's midas-v21-small these bytes at this address; the path that it has in the cache."""
    entry = weights.Weights(
        "midas-v21-small",
        "midas-v21-small.onnx",
        url,
        len(content),
        hashlib.sha256(content).hexdigest(),
        "MIT",
        "Tiny.",
    )
    monkeypatch.setattr(weights, "CATALOGUE", {entry.name: entry})
    return weights.cache_folder() / "weights" / entry.file


def install(monkeypatch: pytest.MonkeyPatch, content: bytes) -> Path:
    """The same, with the file in the cache."""
    path = catalogue_with(monkeypatch, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
