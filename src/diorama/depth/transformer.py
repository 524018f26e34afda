"""Depth networks run by PyTorch and transformers: what each kind is shown, and what it means by its answer.

Pictures are prepared as transformers' own image processors do it, from the model's ``preprocessor_config.json``, but
without them: some of those want torchvision.
"""

from __future__ import annotations

import fnmatch
import math
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from diorama import networks
from diorama.depth.contract import MAX_ASPECT, MAX_SIDE, Meaning, understood
from diorama.depth.hub import config
from diorama.depth.prediction import Prediction
from diorama.errors import ModelError
from diorama.types import Float32, UInt8

METRIC_DPT = ("facebook/dpt-dinov2-*-nyu", "facebook/dpt-dinov2-*-kitti")
"""DPTs that were trained to answer with metres. All others answer with relative inverse depth."""

GLPN_SIDE = 640
"""Pixels of the long side that GLPN is shown: it was trained with 640 x 480 (NYU)."""

UNUSED = "neck.fusion_stage.layers.0.residual_layer1."
"""Weights that published DPT checkpoints lack: nothing runs through them."""

_FAILED = "Try another depth model, or the bundled network: --depth bundled."


@dataclass(frozen=True)
class _Shown:
    """A picture as the network takes it."""

    pixels: Float32  # (3, h, w)
    pads: tuple[int, int] = (0, 0)  # rows and columns that were added on each side, in pixels of the photo


def predict(folder: Path, rgb: UInt8, focal: float | None, name: str) -> Prediction:
    """Ask a model about the whole picture.

    Args:
        folder: ``config.json``, ``preprocessor_config.json`` and safetensors.
        rgb: (H, W, 3).
        focal: focal length over the picture's width, where it is known.
        name: of the model, as the hub has it.

    Raises:
        ModelError: it can't be loaded or fails.
        DepthFileError: its settings can't be read.
    """
    settings = config(folder)
    kind = str(settings["model_type"])
    try:
        shown = prepared(kind, config(folder, "preprocessor_config.json"), rgb)
    except (KeyError, TypeError, ValueError, cv2.error) as error:
        raise ModelError(
            f"The preprocessor_config.json of {name} can't be used: {_first_line(error)}.", hint=_FAILED
        ) from error
    answer, fov = _run(folder, shown.pixels, name)
    if kind == "depth_pro":
        return _depth_pro(answer, fov, focal)
    answer = _without_pads(answer, shown.pads, rgb.shape[0], rgb.shape[1])
    return understood(answer, _meaning(kind, settings, name))


def _meaning(kind: str, settings: dict[str, Any], name: str) -> Meaning:
    if kind == "dpt":
        return "metric" if any(fnmatch.fnmatch(name, pattern) for pattern in METRIC_DPT) else "inverse"
    if kind == "depth_anything":
        return "metric" if settings.get("depth_estimation_type") == "metric" else "inverse"
    return "metric"  # GLPN, ZoeDepth


def _depth_pro(answer: Float32, fov: float | None, focal: float | None) -> Prediction:
    """Depth Pro (Bochkovskii et al. 2024): canonical inverse depth; times width over focal length it is 1 / metres."""
    seen = 0.5 / math.tan(math.radians(fov) / 2) if fov is not None and 0 < fov < 180 else None
    used = focal or seen
    if used is None:
        return understood(answer, "inverse")
    found = understood(np.clip(answer / np.float32(used), 1e-4, 1e4), "inverse-metric")
    return Prediction(found.inverse, found.scale, focal=seen)


# ---- the picture -----------------------------------------------------------------------------------------------


def prepared(kind: str, settings: dict[str, Any], rgb: UInt8) -> _Shown:
    """The picture as a model of this kind takes it.

    Args:
        kind: transformers' `model_type`.
        settings: of its ``preprocessor_config.json``.
        rgb: (H, W, 3).
    """
    height, width = rgb.shape[:2]
    scale = float(settings.get("rescale_factor", 1 / 255)) if settings.get("do_rescale", True) else 1.0
    pads = (0, 0)
    if kind == "zoedepth":
        pixels = rgb.astype(np.float32) * np.float32(scale)
        if settings.get("do_pad", True):
            pads = int(math.sqrt(height / 2) * 3), int(math.sqrt(width / 2) * 3)
            pixels = np.pad(pixels, ((pads[0],) * 2, (pads[1],) * 2, (0, 0)), mode="reflect")
        size = _fitted(pixels.shape[1], pixels.shape[0], settings, (512, 384), keep=True, multiple=32)
        return _Shown(_normalised(_interpolated(_planes(pixels), size, corners=True), settings), pads)
    if kind == "depth_pro":
        pixels = _normalised(_planes(rgb.astype(np.float32) * np.float32(scale)), settings)
        return _Shown(_interpolated(pixels, _size(settings, (1536, 1536)), corners=False))
    if kind == "glpn":
        step = int(settings.get("size_divisor", 32))
        fit = min(1.0, GLPN_SIDE / max(height, width))
        across, down = (max(1, int(side * fit) // step) * step for side in (width, height))
        return _Shown(_planes(_resampled(rgb, (across, down), 2).astype(np.float32) * np.float32(scale)))
    size = _fitted(width, height, settings, (384, 384), keep=False, multiple=1)
    pixels = _resampled(rgb, size, int(settings.get("resample", 3))).astype(np.float32) * np.float32(scale)
    return _Shown(_normalised(_planes(pixels), settings))


def _size(settings: dict[str, Any], default: tuple[int, int]) -> tuple[int, int]:
    """Width and height of ``size``, which is written in several ways."""
    size = settings.get("size", default)
    if isinstance(size, dict):
        size = (size["width"], size["height"]) if "width" in size else size["shortest_edge"]
    across, down = (int(side) for side in (size if isinstance(size, (tuple, list)) else (size, size)))
    if not 1 <= min(across, down) <= max(across, down) <= MAX_SIDE:
        raise ValueError(f"a size of {across} x {down}")
    return across, down


def _fitted(
    width: int, height: int, settings: dict[str, Any], default: tuple[int, int], *, keep: bool, multiple: int
) -> tuple[int, int]:
    """DPT's rule: both sides to `size`, or scaled alike by the factor of the two that is nearer to 1."""
    across, down = _size(settings, default)
    step = settings.get("ensure_multiple_of", multiple)
    x, y = across / width, down / height
    if settings.get("keep_aspect_ratio", keep):
        x = y = x if abs(1 - x) < abs(1 - y) else y
        x = y = min(x, MAX_ASPECT * max(across, down) / max(width, height))  # the work stays bounded
    return max(1, int(round(x * width / step) * step)), max(1, int(round(y * height / step) * step))


def _resampled(rgb: UInt8, size: tuple[int, int], how: int) -> UInt8:
    """Pillow's resampling, which averages where a picture becomes smaller."""
    from PIL import Image

    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling(how)), np.uint8)


def _interpolated(pixels: Float32, size: tuple[int, int], *, corners: bool) -> Float32:
    """(3, h, w) bilinear to width x height, as PyTorch does it; nothing is averaged."""
    import torch

    grid = torch.nn.functional.interpolate(
        torch.from_numpy(pixels[None]), (size[1], size[0]), mode="bilinear", align_corners=corners
    )
    return np.asarray(grid[0].numpy(), np.float32)


def _planes(pixels: Float32) -> Float32:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)


def _normalised(pixels: Float32, settings: dict[str, Any]) -> Float32:
    if not settings.get("do_normalize", True):
        return pixels
    mean, std = (
        np.array(settings.get(name, [0.5] * 3), np.float32).reshape(3, 1, 1) for name in ("image_mean", "image_std")
    )
    return np.ascontiguousarray((pixels - mean) / std, np.float32)


def _without_pads(answer: Float32, pads: tuple[int, int], height: int, width: int) -> Float32:
    if pads == (0, 0):
        return answer
    whole = cv2.resize(answer, (width + 2 * pads[1], height + 2 * pads[0]), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(whole[pads[0] : pads[0] + height, pads[1] : pads[1] + width], np.float32)


# ---- the network -----------------------------------------------------------------------------------------------


def _run(folder: Path, pixels: Float32, name: str) -> tuple[Float32, float | None]:
    """The answer (h, w), and the field of view in degrees where the network says one."""
    device = _device()
    try:
        answer = _forward(folder, pixels, device, name)
        networks.note_provider(device.upper())
    except ModelError as error:
        if device == "cpu":
            raise
        answer = _forward(folder, pixels, "cpu", name)
        networks.note_provider("CPU", f"{error.message} That was on {device.upper()}; it ran on the CPU instead.")
    return answer


def _forward(folder: Path, pixels: Float32, device: str, name: str) -> tuple[Float32, float | None]:
    import torch

    model = _load(folder, _stamp(folder), device, name)
    try:
        with torch.inference_mode():
            said = model(pixel_values=torch.from_numpy(pixels[None]).to(device))
            answer = np.asarray(said.predicted_depth.float().cpu().numpy(), np.float32)
            fov = getattr(said, "field_of_view", None)
            degrees = None if fov is None else float(fov.float().cpu().flatten()[0])
    except Exception as error:  # PyTorch's and transformers' errors have no common base but this
        raise ModelError(f"The model {name} failed: {_first_line(error)}.", hint=_FAILED) from error
    if answer.ndim != 3 or answer.shape[0] != 1:
        raise ModelError(f"The model {name} answered with the shape {answer.shape}.", hint=_FAILED)
    return answer[0], degrees


@lru_cache(maxsize=1)
def _load(folder: Path, _stamp: tuple[tuple[str, int, int], ...], device: str, name: str) -> Any:
    import torch
    from transformers import AutoModelForDepthEstimation
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(networks.threads())
    try:
        model, info = AutoModelForDepthEstimation.from_pretrained(
            str(folder), use_safetensors=True, trust_remote_code=False, local_files_only=True, output_loading_info=True
        )
        missing = [key for key in info["missing_keys"] if not key.startswith(UNUSED)]
        if missing:
            raise ValueError(f"its weights lack {len(missing)} of the network's, such as {sorted(missing)[0]}")
        return model.float().eval().to(device)
    except Exception as error:  # as above
        raise ModelError(
            f"The model {name} can't be loaded: {_first_line(error)}.",
            hint="Fetch it anew ('diorama models remove' and 'pull'), or try another depth model.",
        ) from error


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    files = [path for path in sorted(folder.iterdir()) if path.suffix in (".json", ".safetensors")]
    return tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)


def _device() -> str:
    """PyTorch's name of what runs it; ``DIORAMA_PROVIDER`` can force it, as for the other networks."""
    import torch

    wanted = os.environ.get("DIORAMA_PROVIDER", "").strip().lower()
    if wanted in ("", "auto", "cuda") and torch.cuda.is_available():
        return "cuda"
    if wanted in ("", "auto", "coreml") and torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")[:200]
