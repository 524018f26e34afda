"""From the trained network to the ONNX file that the package ships.

Weights are stored as float16, or as 8-bit whole numbers where that is exactly what they are: those of the second
network were published so. A runtime turns them back into float32 when it loads the file.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from training.network import DepthNet

OPSET = 17
_LEAST = 256  # weights: smaller tensors aren't worth a cast


def write(net: DepthNet, path: Path) -> int:
    """Write the network, from any device; the file's bytes.

    It takes `image`, float32 (1, 3, H, W), 0..1, sides multiples of 32, and answers `inverse_depth` (1, H, W).
    """
    return _write(_graph(net), path)


def convert(source: Path, path: Path) -> int:
    """Write another network's ONNX file in fewer bytes; how many."""
    return _write(onnx.load(str(source)), path)


def _write(model: Any, path: Path) -> int:
    model = small(padded(model))
    model.producer_name = "diorama"
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())
    return path.stat().st_size


def _graph(net: DepthNet) -> Any:
    net = _copy(net)
    axes = {"image": {2: "height", 3: "width"}, "inverse_depth": {1: "height", 2: "width"}}
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own: its successor needs another package
        torch.onnx.export(
            net,
            (torch.zeros(1, 3, 64, 96),),
            out,
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["inverse_depth"],
            dynamic_axes=axes,
        )
    return onnx.load_from_string(out.getvalue())


def _copy(net: DepthNet) -> DepthNet:
    fresh = DepthNet()
    fresh.load_state_dict({name: value.cpu().float() for name, value in net.state_dict().items()})
    return fresh.eval()


def padded(model: Any) -> Any:
    """The same model whose convolutions pad by themselves, where a row and a column of zeros is added before them: as
    a step of its own that makes a runtime rearrange the whole picture twice, 12 % of a run at 960 x 640."""
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        before = makers.get(node.input[0]) if node.op_type == "Conv" else None
        if before is not None and before.op_type == "Pad" and _is_uneven(graph, before):
            pads = next(one for one in node.attribute if one.name == "pads")
            if not any(pads.ints):
                pads.ints[:] = [0, 0, 1, 1]
                node.input[0] = before.input[0]
    needed, kept = {one.name for one in graph.output}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    return model


def _is_uneven(graph: Any, pad: Any) -> bool:
    """Whether it adds zeros below and to the right, one each: what PyTorch's exporter makes of `network.Convolution`,
    whose numbers it computes in the graph."""
    makers = {name: node for node in graph.node for name in node.output}
    wanted, nodes = [pad.input[1]], []
    while wanted:
        node = makers.get(wanted.pop())
        if node is not None and node not in nodes:
            nodes.insert(0, node)
            wanted += node.input
    nodes = [node for node in graph.node if node in nodes]
    output = helper.make_tensor_value_info(pad.input[1], TensorProto.INT64, None)
    part = helper.make_graph(nodes, "pads", [], [output], list(graph.initializer))
    numbers = ReferenceEvaluator(helper.make_model(part, opset_imports=[helper.make_opsetid("", OPSET)])).run(None, {})
    return list(numbers[0]) == [0, 0, 0, 0, 0, 0, 1, 1]


def small(model: Any) -> Any:
    """The same model, its larger weights in fewer bytes; a runtime turns them back when it loads the file."""
    nodes, kept = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _LEAST:
            kept.append(tensor)
            continue
        name = tensor.name
        found = exact_steps(values)
        if found is None:
            kept.append(numpy_helper.from_array(values.astype(np.float16), f"{name}_16"))
            nodes.append(helper.make_node("Cast", [f"{name}_16"], [name], to=TensorProto.FLOAT))
        else:
            # Not DequantizeLinear: onnxruntime keeps that for hardware that multiplies whole numbers, and repeats it
            # at every run.
            numbers, step, zero = found
            kept.append(numpy_helper.from_array(numbers, f"{name}_8"))
            kept.append(numpy_helper.from_array(step, f"{name}_step"))
            kept.append(numpy_helper.from_array(zero, f"{name}_zero"))
            nodes.append(helper.make_node("Cast", [f"{name}_8"], [f"{name}_f"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Sub", [f"{name}_f", f"{name}_zero"], [f"{name}_s"]))
            nodes.append(helper.make_node("Mul", [f"{name}_s", f"{name}_step"], [name]))
    nodes += model.graph.node
    inputs, outputs = model.graph.input, model.graph.output
    graph = helper.make_graph(nodes, model.graph.name, inputs, outputs, kept)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=model.ir_version)


def exact_steps(values: np.ndarray[Any, Any]) -> tuple[Any, Any, Any] | None:
    """Whole numbers (uint8), step and zero (float32) with values = step (numbers - zero), where there are."""
    levels = np.unique(values.astype(np.float64))
    size = float(np.abs(levels).max())
    gaps = np.diff(levels)
    gaps = gaps[gaps > 1e-5 * size]
    for divisor in (1, 2, 3) if gaps.size else ():
        step = float(gaps.min()) / divisor
        step = size / round(size / step)  # from the longest span: the gaps' own error is that of float32
        low, high = round(float(levels[0]) / step), round(float(levels[-1]) / step)
        exact = np.abs(levels - step * np.rint(levels / step)).max() < 1e-5 * size
        if exact and min(low, 0) >= -255 and max(high, 0) - min(low, 0) <= 255:
            zero = -min(low, 0)
            return (np.rint(values / step) + zero).astype(np.uint8), np.float32(step), np.float32(zero)
    return None
