"""A `Product`: a kind of file that a scene can be made into, and what may be chosen for it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from diorama.errors import FormatError
from diorama.settings import STEP_STAGES, parsed

if TYPE_CHECKING:
    from diorama.types import Scene, Step

DISTRIBUTION = "diorama-3d"

Group = Literal["scene", "print", "picture", "film", "share"]
"""Under which heading the page offers a product: 3D files, for printers, maps and pictures, moving ones, to be given
away."""

ProductProgress = Callable[[float, str], None]
"""Called with the share that is done (0..1) and a sentence for the person who waits. It raises to stop the work."""

Make = Callable[["Scene", Path, Any, ProductProgress], tuple[str, ...]]
"""Writes the file, whole or not at all (`atomic.writing`), and says in sentences what a person should know of it."""


class Options(BaseModel):
    """What may be chosen for a product; none here. Frozen, every value checked against its range."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def option(
    default: Any, *, label: str, why: str, unit: str = "", step: float | None = None, slider: bool = True, **limits: Any
) -> Any:
    """A field of `Options`, told like a setting (`settings.Settings`): the page makes the same controls of both.

    Args:
        label: a few words; the field's own name is the command's option.
        why: a sentence or two: what it does, and why the default is what it is.
        unit, step: of the number; `step` is the slider's.
        slider: whether a number with both limits has a slider.
        limits: pydantic's `ge`, `gt`, `le`, `lt`, `min_length`, `max_length`, `pattern`.
    """
    extra: dict[str, JsonValue] = {"label": label, "unit": unit, "step": step, "slider": slider}
    return Field(default, description=why, json_schema_extra=extra, **limits)


@dataclass(frozen=True)
class Product:
    """A kind of file that a scene can be made into."""

    name: str  # the file's ending without its first dot; `--to NAME`
    label: str  # for a person
    media_type: str
    make: str | Make  # "module:function" of the package, imported when something is made
    options: type[Options] = Options
    needs: Step = "original"  # the first step whose scene will do
    group: Group = "scene"
    about: str = ""  # a sentence: what it is good for
    extra: str = ""  # the distribution's extra that it can't do without
    module: str = ""  # a module that the extra brings, by which it is seen whether it is there
    program: str = ""  # "module:function" of the package that finds the program without which it can't be made
    several: bool = False  # it is several files beside each other: none to be downloaded as one
    file_name: Callable[[str, Any], str] | None = None  # from the photo's name and the options, where readers want one
    version: int = 1  # raised when what is made changes, so that kept files are not taken for it

    @property
    def ending(self) -> str:
        """With its dot."""
        return f".{self.name}"

    @property
    def needs_segments(self) -> bool:
        """Whether the step "original" won't do."""
        return self.needs != "original"

    @property
    def installed(self) -> bool:
        """Whether the extra that it needs is there."""
        if self.program:
            module, _, function = self.program.partition(":")
            return getattr(import_module(f"diorama.{module}"), function)() is not None
        return not self.module or importlib.util.find_spec(self.module) is not None

    @property
    def install(self) -> str:
        """The command that installs what it needs; empty where nothing is to be installed."""
        return f"pip install '{DISTRIBUTION}[{self.extra}]'" if self.extra else ""

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the options, in their order."""
        return self.options.model_json_schema()

    @property
    def maker(self) -> Make:
        """The function that makes it."""
        if not isinstance(self.make, str):
            return self.make
        module, _, function = self.make.partition(":")
        made: Make = getattr(import_module(f"diorama.{module}"), function)
        return made

    def named(self, stem: str, options: Options) -> str:
        """The file's name for a scene of that name."""
        return self.file_name(stem, options) if self.file_name else f"{stem}{self.ending}"

    def parse(self, values: Mapping[str, Any]) -> Options:
        """The options with these values.

        Raises:
            SettingsError: a name is unknown or a value outside its range; the sentence names both.
        """
        return parsed(self.options, values, "option")

    def check(self, step: Step) -> None:
        """Say what keeps it from being made from a scene of that step.

        Raises:
            FormatError: it needs a later step's scene, or its extra is not installed.
        """
        steps = list(STEP_STAGES)
        if steps.index(step) < steps.index(self.needs):
            what = "segments" if self.needs == "enhanced" else "fused surfaces"
            raise FormatError(
                f"The scene has no {what}: it ends with the step '{step}'. {self.label} needs them.",
                hint=f"Make it again as far as the step '{self.needs}'.",
            )
        if not self.installed:
            raise FormatError(f"{self.label} needs a package that isn't installed.", hint=f"Install it: {self.install}")

    def write(
        self, scene: Scene, path: Path, options: Options | None = None, progress: ProductProgress | None = None
    ) -> tuple[str, ...]:
        """Make the file.

        Returns:
            Sentences: what a person should know of it.

        Raises:
            FormatError: it needs a later step's scene, or its extra is not installed.
            InputError: the scene has no surface, or nothing can be made with these options.
            StorageError: the disk is full or refuses.
        """
        self.check(scene.step)
        return self.maker(scene, path, options or self.options(), progress or (lambda _share, _message: None))
