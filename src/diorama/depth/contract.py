"""What a depth network wants and what its answer means: a contract, in code for the known ones, in JSON for any other.

``model.onnx`` with ``model.json`` beside it is a depth model (docs/models.md has the fields and an example).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diorama.depth.prediction import Prediction
from diorama.errors import DepthFileError
from diorama.types import Float32

MAX_SIDE = 4096
"""Pixels: what a contract may ask the picture to be scaled to."""

MAX_ASPECT = 3.0
"""With fit "short" a longer picture is made smaller, so that the work stays bounded."""

MAX_CONTRACT = 1 << 20  # bytes

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Triple = tuple[float, float, float]
Meaning = Literal["inverse", "inverse-metric", "distance", "metric", "log-metric"]


class Contract(BaseModel):
    """How to call a network with one picture, and what it says. The field's docstrings are those of docs/models.md."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    input: str
    output: str
    size: Side | tuple[Side, Side]  # of one side, or width and height
    fit: Literal["stretch", "short", "long"] = "stretch"
    multiple: Side = 1
    layout: Literal["nchw", "nhwc"] = "nchw"
    colour: Literal["rgb", "bgr"] = "rgb"
    peak: Annotated[float, Field(gt=0)] = 1.0  # white, before mean and std
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    meaning: Meaning
    licence: str = "not stated"
    note: str = ""

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that the picture of `width` x `height` is scaled to."""
        if self.fit == "stretch":
            across, down = self.size if isinstance(self.size, tuple) else (self.size, self.size)
            return self._rounded(across), self._rounded(down)
        side = self.size if isinstance(self.size, int) else min(self.size)
        long, short = max(width, height), min(width, height)
        scale = side / long if self.fit == "long" else min(side / short, MAX_ASPECT * side / long)
        return self._rounded(width * scale), self._rounded(height * scale)

    def _rounded(self, side: float) -> int:
        """To a multiple; halves to even, as DPT's image processor rounds."""
        return max(1, round(side / self.multiple)) * self.multiple


def read(model: Path) -> Contract:
    """The contract beside an ONNX file: the same name with the ending ``.json``.

    Raises:
        DepthFileError: there is none, or it can't be used; the sentence names the field.
    """
    path = model.with_suffix(".json")
    try:
        if path.stat().st_size > MAX_CONTRACT:
            raise DepthFileError(f"The contract {path.name} is too long.", hint=_HINT)
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DepthFileError(
            f"{model.name} has no contract: there is no file {path.name} beside it.", hint=_HINT
        ) from None
    except (OSError, ValueError) as error:
        raise DepthFileError(f"The contract {path.name} can't be read: {error}.", hint=_HINT) from None
    return parse(values, path.name)


def parse(values: Any, name: str) -> Contract:
    """A contract from JSON values.

    Raises:
        DepthFileError: a field is missing, unknown or wrong; the sentence names it.
    """
    try:
        contract = Contract.model_validate_json(json.dumps(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        where = f"its field '{field}': " if field else ""
        said = {"missing": "it is missing", "extra_forbidden": "there is none of that name"}.get(first["type"])
        said = said or f"{first['msg'][0].lower()}{first['msg'][1:]}"
        raise DepthFileError(
            f"The contract {name} can't be used: {where}{said}.",
            hint=f"Its fields are: {', '.join(Contract.model_fields)}. {_HINT}",
        ) from None
    if min(contract.std) <= 0:
        raise DepthFileError(f"The contract {name} can't be used: its field 'std': it must be positive.", hint=_HINT)
    if contract.fit != "stretch" and not isinstance(contract.size, int):
        raise DepthFileError(
            f"The contract {name} can't be used: its field 'size': with fit '{contract.fit}' it is one number.",
            hint=_HINT,
        )
    return contract


_HINT = "docs/models.md describes the contract of an ONNX depth model."


def understood(answer: Float32, meaning: Meaning) -> Prediction:
    """A network's answer (h, w) as inverse depth; what is no positive distance becomes NaN."""
    if meaning == "inverse":
        return Prediction(answer)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if meaning == "inverse-metric":
            inverse = np.where(answer >= 0, answer, np.nan)
        elif meaning == "log-metric":
            inverse = np.exp(-answer)
        else:
            inverse = np.where(answer > 0, 1 / answer, np.nan)
    scale: Literal["relative", "metric"] = "relative" if meaning == "distance" else "metric"
    return Prediction(np.ascontiguousarray(np.where(np.isinf(inverse), np.nan, inverse), np.float32), scale)


MIDAS_SMALL = Contract(input="0", output="797", size=256, meaning="inverse")
"""MiDaS v2.1 small (Ranftl et al. 2020). The graph takes RGB 0..1 and normalises inside: subtracting the mean once more
is a common mistake."""

DPT_HYBRID = Contract(
    input="pixel_values", output="predicted_depth", size=384, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
    meaning="inverse",
)  # fmt: skip
"""MiDaS v3 DPT-hybrid (Ranftl et al. 2021), exported from Intel/dpt-hybrid-midas: a square of 384 px."""

DEPTH_ANYTHING = Contract(
    input="pixel_values", output="predicted_depth", size=518, fit="short", multiple=14,
    mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), meaning="inverse",
)  # fmt: skip
"""Depth Anything V2 (Yang et al. 2024): the short side 518 px, both sides multiples of DINOv2's patch of 14 px."""
