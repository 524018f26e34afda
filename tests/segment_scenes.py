"""Pictures whose segments are known: a ball on a floor before a wall or the sky; and a tiny Segment Anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from diorama.cuts import find_cuts
from diorama.settings import Settings
from diorama.types import Bool, Camera, Cuts, DepthMap, Photo, PointCloud

SKY, FLOOR, BALL, POST = 1, 2, 3, 4


class View:
    """A ball on a floor: photo, depth, points, cuts, and the truth (H, W)."""

    def __init__(
        self, width: int = 240, height: int = 160, *, sky: bool = True, post: bool = False, seed: int = 0
    ) -> None:
        rng = np.random.default_rng(seed)
        camera = Camera.from_fov(55, width, height, "user")
        y, x = np.mgrid[:height, :width] + 0.5
        horizon = height * 0.45
        self.truth = np.where(y < horizon, SKY, FLOOR)
        radius = height * 0.22
        ball = (x - width * 0.45) ** 2 + (y - height * 0.55) ** 2 < radius**2
        self.truth[ball] = BALL
        inverse = 0.1 + 0.9 * np.maximum(0, (y - horizon) / (height - horizon))
        inverse[ball] = 0.75
        colour = np.empty((height, width, 3))
        colour[self.truth == SKY] = (120, 170, 230) if sky else (150, 140, 120)
        colour[self.truth == FLOOR] = (90, 120, 70)
        colour[ball] = (200, 50, 40)
        if post:
            where = (np.abs(x - width * 0.8) < width * 0.03) & (y > height * 0.2) & (y < height * 0.75)
            self.truth[where] = POST
            inverse[where] = 0.6
            colour[where] = (230, 220, 60)
        rgb = np.clip(colour + rng.normal(0, 4, colour.shape), 0, 255).astype(np.uint8)
        self.photo = Photo(rgb, camera, None, "ball")
        is_sky = np.ascontiguousarray(self.truth == SKY) if sky else None
        if is_sky is not None:
            inverse[is_sky] = 0
        self.depth = DepthMap(np.ascontiguousarray(inverse, np.float32), "relative", camera, "made", None, is_sky)
        z = np.where(inverse > 0, 1 / (0.25 + 0.75 * inverse), 4.1).astype(np.float32)
        self.points = PointCloud(z, rgb, np.ones(z.shape, bool), camera)
        self.settings = Settings()
        self.cuts: Cuts = find_cuts(self.points, self.settings)

    @property
    def parts(self) -> tuple[PointCloud, Cuts, Photo, DepthMap, Settings]:
        """`segment`'s arguments."""
        return self.points, self.cuts, self.photo, self.depth, self.settings


def overlap(one: Bool, other: Bool) -> float:
    """Intersection over union."""
    return float((one & other).sum() / max((one | other).sum(), 1))


def tiny_sam(folder: Path) -> tuple[Path, Path]:
    """Encoder and decoder with the names, shapes and conventions of Acly/MobileSAM's ONNX files.

    The encoder normalises, pads right and bottom to 1024 and averages 16 x 16 pixels. The decoder's mask is what has
    the colour of the point: it works only where the picture was given as RGB 0..255 and the point in encoder pixels.
    Its own estimate of quality is good only where a padding point follows and no mask is given.
    """
    import onnx
    from onnx import TensorProto, helper

    def value(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def constant(name: str, data: object, kind: type = np.float32) -> onnx.TensorProto:
        return onnx.numpy_helper.from_array(np.array(data, kind), name)

    def save(name: str, nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any]) -> Path:
        graph = helper.make_graph(nodes, name, inputs, outputs, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        path = folder / f"{name}.onnx"
        onnx.save(model, str(path))
        return path

    node = helper.make_node
    encoder = save(
        "mobile_sam_image_encoder",
        [
            node("Sub", ["input_image", "mean"], ["centred"]),
            node("Div", ["centred", "std"], ["normal"]),
            node("Transpose", ["normal"], ["planes"], perm=[2, 0, 1]),
            node("Shape", ["planes"], ["shape"]),
            node("Sub", ["whole", "shape"], ["missing"]),
            node("Concat", ["none", "missing"], ["pads"], axis=0),
            node("Pad", ["planes", "pads"], ["square"]),
            node("Unsqueeze", ["square", "first"], ["batch"]),
            node("AveragePool", ["batch"], ["cells"], kernel_shape=[16, 16], strides=[16, 16]),
            node("Pad", ["cells", "channels"], ["image_embeddings"]),
        ],
        [value("input_image", ["image_height", "image_width", 3])],
        [value("image_embeddings", [1, 256, 64, 64])],
        [
            constant("mean", [123.675, 116.28, 103.53]),
            constant("std", [58.395, 57.12, 57.375]),
            constant("whole", [3, 1024, 1024], np.int64),
            constant("none", [0, 0, 0], np.int64),
            constant("first", [0], np.int64),
            constant("channels", [0, 0, 0, 0, 0, 253, 0, 0], np.int64),
        ],
    )
    decoder = save(
        "sam_mask_decoder_single",
        [
            node("Slice", ["point_coords", "zero", "one", "middle"], ["first_point"]),  # (1, 1, 2)
            node("Reshape", ["first_point", "pair"], ["xy"]),
            node("Gather", ["xy", "swap"], ["yx"]),
            node("Div", ["yx", "sixteen"], ["at"]),
            node("Cast", ["at"], ["cell"], to=TensorProto.INT64),
            node("Transpose", ["image_embeddings"], ["last"], perm=[0, 2, 3, 1]),
            node("Squeeze", ["last", "zero"], ["field"]),  # (64, 64, 256)
            node("GatherND", ["field", "cell"], ["colour"]),
            node("Sub", ["field", "colour"], ["unlike"]),
            node("Abs", ["unlike"], ["distance"]),
            node("ReduceSum", ["distance", "deep"], ["sum"], keepdims=0),
            node("Sub", ["near", "sum"], ["margin"]),
            node("Mul", ["margin", "steep"], ["score"]),
            node("Reshape", ["score", "plane"], ["low"]),
            node("Resize", ["low", "", "", "low_size"], ["low_res_masks"], mode="linear"),
            node("Resize", ["low", "", "", "full_size"], ["full"], mode="linear"),
            node("ReduceMax", ["orig_im_size"], ["longest"], keepdims=1),
            node("Div", ["thousand", "longest"], ["scale"]),
            node("Mul", ["orig_im_size", "scale"], ["scaled"]),
            node("Round", ["scaled"], ["rounded"]),
            node("Cast", ["rounded"], ["unpadded"], to=TensorProto.INT64),
            node("Slice", ["full", "origin", "unpadded", "spatial"], ["cropped"]),
            node("Cast", ["orig_im_size"], ["original"], to=TensorProto.INT64),
            node("Concat", ["ones", "original"], ["wanted"], axis=0),
            node("Resize", ["cropped", "", "", "wanted"], ["masks"], mode="linear"),
            node("Slice", ["point_labels", "one", "two", "middle"], ["padding"]),
            node("Mul", ["padding", "minus"], ["good"]),
            node("Sub", ["good", "has_mask_input"], ["iou_predictions"]),
        ],
        [
            value("image_embeddings", [1, 256, 64, 64]),
            value("point_coords", [1, "num_points", 2]),
            value("point_labels", [1, "num_points"]),
            value("mask_input", [1, 1, 256, 256]),
            value("has_mask_input", [1]),
            value("orig_im_size", [2]),
        ],
        [value(name, [1, 1, "h", "w"]) for name in ("masks",)]
        + [value("iou_predictions", [1, 1]), value("low_res_masks", [1, 1, 256, 256])],
        [
            constant("zero", [0], np.int64), constant("one", [1], np.int64), constant("two", [2], np.int64),
            constant("middle", [1], np.int64), constant("pair", [2], np.int64), constant("swap", [1, 0], np.int64),
            constant("sixteen", [16, 16]), constant("deep", [2], np.int64), constant("near", [1.0]),
            constant("steep", [10.0]), constant("plane", [1, 1, 64, 64], np.int64),
            constant("low_size", [1, 1, 256, 256], np.int64), constant("full_size", [1, 1, 1024, 1024], np.int64),
            constant("thousand", [1024.0]), constant("origin", [0, 0], np.int64), constant("spatial", [2, 3], np.int64),
            constant("ones", [1, 1], np.int64), constant("minus", [-0.95]),
        ],
    )  # fmt: skip
    return encoder, decoder
