"""Every tunable once: default, range, unit, the stage that reads it and why it is as it is.

The command's options, the API's schema (`GET /api/v1/settings`) and the page's sliders are made from `Settings`;
a stage's result is made anew when a setting of that stage, or of one before it, changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator
from pydantic.fields import FieldInfo

from diorama.errors import SettingsError

StageName = Literal[
    "photo", "depth", "corrections", "points", "mesh",
    "segments", "advice", "layers",
    "plan", "tune", "rebuild", "texture", "synthesis",
]  # fmt: skip
DepthKind = Literal["inverse", "metric"]
Segmenter = Literal["auto", "regions", "mobile-sam"]
AdvisorName = Literal["off", "local", "openai"]
OnOff = Literal["auto", "off"]
Mirrored = Literal["auto", "on", "off"]


def _tunable(
    default: Any,
    *,
    stage: StageName,
    label: str,
    why: str,
    unit: str = "",
    step: float | None = None,
    slider: bool = True,
    **limits: Any,
) -> Any:
    extra: dict[str, JsonValue] = {"stage": stage, "label": label, "unit": unit, "step": step, "slider": slider}
    return Field(default, description=why, json_schema_extra=extra, **limits)


class Settings(BaseModel):
    """What may be tuned. Frozen; every value is checked against its range when the record is made.

    Raises:
        pydantic.ValidationError: from the constructor; `Settings.parse` raises `SettingsError` with a sentence instead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # ---- photo -------------------------------------------------------------------------------------------------
    processing_size: int = _tunable(
        1536, stage="photo", label="Geometry detail", unit="px", step=64, ge=64, le=4096,
        why="Long side at which depth and geometry are computed. Doubling it costs four times the time.",
    )  # fmt: skip
    texture_size: int = _tunable(
        4096, stage="photo", label="Texture size", unit="px", step=64, ge=64, le=8192,
        why="Long side of the texture; 4096 px is what every phone's graphics chip can show.",
    )  # fmt: skip
    fov: float | None = _tunable(
        None, stage="photo", label="Field of view", unit="°", step=1, slider=False, ge=5, le=150,
        why="Horizontal field of view of the photo's camera. Empty: from the photo's EXIF data, else assumed.",
    )  # fmt: skip
    focal_px: float | None = _tunable(
        None, stage="photo", label="Focal length", unit="px", slider=False, gt=0,
        why="Focal length in pixels of the photo at its full size; wins over the field of view.",
    )  # fmt: skip

    # ---- depth -------------------------------------------------------------------------------------------------
    depth: str = _tunable(
        "auto", stage="depth", label="Depth model", slider=False, min_length=1, max_length=4096,
        why="A backend's name, 'embedded' (the photo's own) or, on the command line, hub:OWNER/NAME or the path of a "
        "depth file or of an ONNX file with a contract. "
        "'auto': the photo's own where it is in metres, else the best whose weights are here.",
    )  # fmt: skip
    depth_kind: DepthKind = _tunable(
        "inverse", stage="depth", label="Depth file holds", slider=False,
        why="What the values of a depth file mean: inverse depth (larger is nearer) or metric distance along the axis.",
    )  # fmt: skip
    flip_average: Mirrored = _tunable(
        "auto", stage="depth", label="Average with the mirrored photo",
        why="Halves left-right bias and some noise of the network, for twice its time. 'auto': not for the bundled "
        "network, which hardly gains by it.",
    )  # fmt: skip
    depth_tiles: int = _tunable(
        1, stage="depth", label="Fine structure", unit="tiles a side", step=1, ge=1, le=6,
        why="With 2 or more the network looks at parts of the photo as well and sees finer outlines there, not better "
        "distances. Each tile costs the network's time once more; 1 is off.",
    )  # fmt: skip
    edge_sharpness: float = _tunable(
        1.0, stage="depth", label="Edge sharpness", step=0.05, ge=0, le=1,
        why="How far blurred depth edges are snapped to the nearer of their two sides, along the photo's own edges.",
    )  # fmt: skip
    find_sky: bool = _tunable(
        True, stage="depth", label="Find the sky",
        why="Puts the sky at infinity: networks tend to give it a distance in the middle of the scene.",
    )  # fmt: skip

    # ---- points ------------------------------------------------------------------------------------------------
    depth_range: float = _tunable(
        4.0, stage="points", label="Depth strength", unit="× nearest", step=0.25, ge=1.25, le=20,
        why="Relative depth has no scale of its own: the farthest point stands this many times as far as the nearest.",
    )  # fmt: skip
    outlier_sigma: float = _tunable(
        3.0, stage="points", label="Stray point filter", unit="σ", step=0.25, ge=1, le=10,
        why="Points whose mean distance to their neighbours is this many standard deviations too large are masked.",
    )  # fmt: skip
    cut_threshold: float = _tunable(
        3.0, stage="points", label="Cut threshold", unit="% of near disparity", step=0.1, ge=0.2, le=20,
        why="Neighbouring pixels whose inverse depths differ by more, and abruptly, belong to different surfaces: "
        "about 4 px of parallax at the default travel on a 1536 px photo.",
    )  # fmt: skip
    smoothing: float = _tunable(
        0.0, stage="points", label="Smoothing", step=0.05, ge=0, le=1,
        why="How far waves and grain of the depth within a surface are smoothed away; its edges stay.",
    )  # fmt: skip
    min_island: int = _tunable(
        24, stage="points", label="Smallest island", unit="px", step=4, ge=0, le=2000,
        why="Smaller pieces cut off on all sides are moved to the depth of the neighbour that they resemble.",
    )  # fmt: skip

    # ---- mesh --------------------------------------------------------------------------------------------------
    triangles: int = _tunable(
        100_000, stage="mesh", label="Triangle budget", unit="triangles", step=1000, ge=1000, le=4_000_000,
        why="A phone draws 100,000 at full frame rate; silhouettes and borders are kept first.",
    )  # fmt: skip

    # ---- segments ----------------------------------------------------------------------------------------------
    segmenter: Segmenter = _tunable(
        "auto", stage="segments", label="Segments by", slider=False,
        why="What finds the things in the photo. 'auto': MobileSAM where its weights are here, else regions.",
    )  # fmt: skip
    segment_detail: float = _tunable(
        1.0, stage="segments", label="Segment detail", step=0.1, ge=0.5, le=2,
        why="Fewer and larger things, or more and smaller ones.",
    )  # fmt: skip

    # ---- advice ------------------------------------------------------------------------------------------------
    advisor: AdvisorName = _tunable(
        "local", stage="advice", label="Advisor", slider=False,
        why="Who looks at the photo and advises. 'local' measures it on this machine; 'openai' sends a small copy of "
        "the picture to GPT-4 or the server that OPENAI_BASE_URL names; 'off': nobody.",
    )  # fmt: skip
    declined: str = _tunable(
        "", stage="layers", label="Declined advice on the scene", slider=False, max_length=4096,
        why="Keys of suggestions that are not to be followed, separated by commas, such as fov,segments.3.name.",
    )  # fmt: skip

    # ---- layers ------------------------------------------------------------------------------------------------
    camera_travel: float = _tunable(
        8.0, stage="layers", label="Camera travel", unit="% of the view's diagonal", step=0.5, ge=1, le=25,
        why="How far the viewer may move sideways, as a share of the image diagonal at the nearest depth.",
    )  # fmt: skip
    inpaint: str = _tunable(
        "auto", stage="layers", label="Inpainting", slider=False, min_length=1, max_length=64,
        why="What imagines the hidden parts. 'auto': the best whose weights are here. 'openai' sends the picture away.",
    )  # fmt: skip
    border: float = _tunable(
        1.0, stage="layers", label="Border", unit="× travel", step=0.05, ge=0, le=1,
        why="How much of what the travel shows beyond the photo's frame is imagined.",
    )  # fmt: skip
    rim_width: float = _tunable(
        1.0, stage="layers", label="Soft rim", unit="px", step=0.25, ge=0, le=4,
        why="Width of the pixels on a silhouette that mix both sides: repainted behind, faded out in front.",
    )  # fmt: skip

    # ---- tune --------------------------------------------------------------------------------------------------
    declined_plan: str = _tunable(
        "", stage="tune", label="Declined advice on the reconstruction", slider=False, max_length=4096,
        why="The same for the final step alone, such as texture.denoise,fusion.close-back.3,fov.",
    )  # fmt: skip
    optimize: OnOff = _tunable(
        "auto", stage="tune", label="Optimise parameters", slider=False,
        why="Whether field of view, depth strength, cuts and smoothing are searched for; what you or the photo's EXIF "
        "data fixed stays.",
    )  # fmt: skip

    second_look: float = _tunable(
        0.0, stage="tune", label="Second look", step=0.05, ge=0, le=1,
        why="How far surfaces follow a second look of the bundled depth network at the photo, tilted and in grey. "
        "0: as far as the advisor proposes; to leave it out, decline 'second-look'.",
    )  # fmt: skip

    # ---- texture -----------------------------------------------------------------------------------------------
    texture: OnOff = _tunable(
        "auto", stage="texture", label="Improve the texture", slider=False,
        why="'auto': as far as advised; 'off': the photo's own pixels.",
    )  # fmt: skip

    # ---- synthesis ---------------------------------------------------------------------------------------------
    lit: bool = _tunable(
        False, stage="synthesis", label="Lit materials",
        why="Exports materials that react to light, with normals; off, the photo is shown as it is.",
    )  # fmt: skip
    solid: bool = _tunable(
        False, stage="synthesis", label="Solid",
        why="One watertight mesh for printing instead of open surfaces.",
    )  # fmt: skip

    @field_validator("flip_average", mode="before")
    @classmethod
    def _as_before(cls, value: object) -> object:
        """Scenes and files of settings that are older than `auto` say true, which was the default, or false."""
        return ("auto" if value else "off") if isinstance(value, bool) else value

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Settings:
        """Make settings from names and values.

        Raises:
            SettingsError: a name is unknown or a value outside its range; the sentence names both.
        """
        return parsed(cls, values)

    @classmethod
    def from_file(cls, path: Path) -> Settings:
        """Read a JSON file of names and values.

        Raises:
            SettingsError: the file can't be read, is no JSON object, or holds a wrong value.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SettingsError(f"There is no settings file {path}.", hint="Check the path.") from None
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"The settings file {path} can't be read: {error}.",
                hint='Give a JSON file such as {"triangles": 50000}.',
            ) from None
        if not isinstance(values, dict):
            raise SettingsError(
                f"The settings file {path} holds no JSON object.",
                hint='Give a JSON file such as {"triangles": 50000}.',
            )
        return cls.parse(values)

    def changed(self, **values: Any) -> Settings:
        """A copy with these values, checked like the constructor's."""
        return Settings.parse({**self.model_dump(), **values})

    def of_stage(self, stage: StageName) -> dict[str, Any]:
        """The settings that `stage` reads, by name."""
        return {
            name: getattr(self, name)
            for name, field in Settings.model_fields.items()
            if _extra(field)["stage"] == stage
        }


STAGE_NAMES: tuple[StageName, ...] = tuple(name for name in get_args(StageName) if name != "corrections")
"""The stages that always run, in order; "corrections", after "depth", runs where a person has corrected the depth."""

STEP_STAGES: dict[str, tuple[StageName, ...]] = {
    "original": ("photo", "depth", "points", "mesh"),
    "enhanced": ("segments", "advice", "layers"),
    "final": ("plan", "tune", "rebuild", "texture", "synthesis"),
}
"""The stages of each step, in order; a step's stages come after those of the steps before it."""


def _extra(field: FieldInfo) -> dict[str, Any]:
    extra = field.json_schema_extra
    assert isinstance(extra, dict)  # every field is made by _tunable
    return dict(extra)


M = TypeVar("M", bound=BaseModel)


def parsed(model: type[M], values: Mapping[str, Any], noun: str = "setting") -> M:
    """A model of these names and values.

    Args:
        noun: what a value is called in the sentences.

    Raises:
        SettingsError: a name is unknown or a value outside its range; the sentence names both.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or f"{noun}s"
        if first["type"] == "extra_forbidden":
            raise SettingsError(f"There is no {noun} named '{name}'.", hint=_names_hint(model, name, noun)) from None
        given = repr(first["input"])[:60]
        raise SettingsError(
            f"{noun.capitalize()} '{name}' can't be {given}: {first['msg'][0].lower()}{first['msg'][1:]}.",
            hint=_range_hint(model, name),
        ) from None


def _names_hint(model: type[BaseModel], name: str, noun: str) -> str:
    if not model.model_fields:
        return f"It takes no {noun}s."
    import difflib

    close = difflib.get_close_matches(name, model.model_fields, n=1)
    meant = f"Did you mean '{close[0]}'? " if close else ""
    return f"{meant}The {noun}s are: {', '.join(model.model_fields)}."


def _range_hint(model: type[BaseModel], name: str) -> str:
    schema = model.model_json_schema()["properties"].get(name.split(".")[0])
    if schema is None:
        return "See `diorama make --help` for the settings and their ranges."
    parts = {part: value for option in [schema, *schema.get("anyOf", [])] for part, value in option.items()}
    low, high = parts.get("minimum", parts.get("exclusiveMinimum")), parts.get("maximum")
    unit = str(parts.get("unit") or "")
    unit = unit if unit in ("", "°") else f" {unit}"
    default = schema.get("default")
    otherwise = "leave it out for none" if default is None else f"the default is {default}"
    if low is not None:
        span = f"above {low:g}" if high is None else f"from {low:g} to {high:g}"
        return f"Give a value {span}{unit}; {otherwise}."
    if "enum" in parts:
        return f"Give one of: {', '.join(map(str, parts['enum']))}."
    return f"{otherwise[0].upper()}{otherwise[1:]}."
