"""Small ONNX graphs with the names, shapes and conventions of real networks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from diorama import weights

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MIX = (4.0, 2.0, 1.0)  # of normalised red, green and blue: tells the channels' order
SIDE = 256
MOGE_SHIFT, MOGE_TOKENS = 1.25, 2500
MOGE_NORMAL = (0.48, 0.0, 0.64)  # not of length 1, and away from the viewer


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


def dense(
    path: Path,
    name: str,
    answer: str,
    *,
    shape: tuple[int | str, ...] = ("batch", 3, "height", "width"),
    kind: int = TensorProto.FLOAT,
    channels: int = 1,
) -> Path:
    """Write a graph like DPT's and Depth Anything's, normalised outside: `name` (1, 3, h, w) to `answer` (1, h, w).

    Its answer is ``MIX . picture``: with `channels` the axis of the channels, in `kind`'s type.
    """
    mix = np.array(MIX, np.float32 if kind == TensorProto.FLOAT else np.float16)
    constants = {"mix": mix.reshape([3 if axis == channels else 1 for axis in range(4)])}
    constants["channels"] = np.array([channels], np.int64)
    nodes = [
        helper.make_node("Mul", [name, "mix"], ["mixed"]),
        helper.make_node("ReduceSum", ["mixed", "channels"], [answer], keepdims=0),
    ]
    left = [side for axis, side in enumerate(shape) if axis != channels]
    return save(path, nodes, constants, {name: (kind, shape)}, {answer: (kind, left)})


def moge(path: Path, rays: np.ndarray, scale_name: str = "metric_scale", metric: float = 2.5) -> Path:
    """Write a graph like MoGe-2's: ``image`` (1, 3, h, w) and ``num_tokens`` to points, normal, mask and scale.

    The point at a pixel is its ray (`rays`: (h, w, 3), z = 1) times 2 + 3 red, less ``MOGE_SHIFT`` along the axis: an
    affine point map. The mask is the blue channel. With other than `moge.TOKENS` tokens the points are not numbers.
    """
    height, width = rays.shape[:2]
    constants = {
        "rays": rays[None].astype(np.float32),
        "two": np.float32(2),
        "three": np.float32(3),
        "shift": np.array([0, 0, MOGE_SHIFT], np.float32),
        "tokens": np.array(MOGE_TOKENS, np.int64),
        "nan": np.float32(np.nan),
        "metric": np.array([metric], np.float32),
        "red": np.array(0, np.int64),
        "blue": np.array(2, np.int64),
        "last": np.array([3], np.int64),
        "tilted": np.array(MOGE_NORMAL, np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Gather", ["image", "red"], ["red plane"], axis=1),
        node("Mul", ["red plane", "three"], ["thrice"]),
        node("Add", ["thrice", "two"], ["z"]),
        node("Unsqueeze", ["z", "last"], ["distance"]),
        node("Mul", ["rays", "distance"], ["whole"]),
        node("Sub", ["whole", "shift"], ["moved"]),
        node("Equal", ["num_tokens", "tokens"], ["as trained"]),
        node("Where", ["as trained", "moved", "nan"], ["points"]),
        node("Mul", ["points", "nan"], ["nothing"]),
        node("IsNaN", ["nothing"], ["everywhere"]),
        node("Where", ["everywhere", "tilted", "nothing"], ["normal"]),
        node("Gather", ["image", "blue"], ["mask"], axis=1),
        node("Identity", ["metric"], [scale_name]),
    ]
    inputs = {"image": (TensorProto.FLOAT, (1, 3, height, width)), "num_tokens": (TensorProto.INT64, ())}
    outputs = {
        "points": (TensorProto.FLOAT, (1, height, width, 3)),
        "normal": (TensorProto.FLOAT, (1, height, width, 3)),
        "mask": (TensorProto.FLOAT, (1, height, width)),
        scale_name: (TensorProto.FLOAT, (1,)),
    }
    return save(path, nodes, constants, inputs, outputs)


def write(
    path: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], inputs: list[int], outputs: list[int]
) -> Path:
    """Save a graph from ``0`` to ``797``."""
    return save(path, nodes, constants, {"0": (TensorProto.FLOAT, inputs)}, {"797": (TensorProto.FLOAT, outputs)})


Values = Mapping[str, tuple[int, Sequence[int | str]]]


def save(
    path: Path, nodes: list[onnx.NodeProto], constants: Mapping[str, np.ndarray], inputs: Values, outputs: Values
) -> Path:
    """Save a graph; inputs and outputs by name, with type and shape."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, *value) for name, value in inputs.items()],
        [helper.make_tensor_value_info(name, *value) for name, value in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def catalogue_with(
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    url: str = "http://host.invalid/m.onnx",
    name: str = "midas-v21-small",
) -> Path:
    """Make the catalogue's `name` these bytes at this address; the path that it has in the cache."""
    digest = hashlib.sha256(content).hexdigest()
    entry = replace(weights.CATALOGUE[name], url=url, bytes=len(content), sha256=digest)
    monkeypatch.setattr(weights, "CATALOGUE", {**weights.CATALOGUE, entry.name: entry})
    return weights.cache_folder() / "weights" / entry.file


def install(monkeypatch: pytest.MonkeyPatch, content: bytes, name: str = "midas-v21-small") -> Path:
    """The same, with the file in the cache."""
    path = catalogue_with(monkeypatch, content, name=name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
