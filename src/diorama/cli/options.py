"""Options made from `Settings` and from the formats' own options, and those that every command has.

A setting's name, type, range, unit, default and reason are written in `settings` alone, a format's in its model of
options; the command's help and what it accepts come from there.
"""

from __future__ import annotations

import enum
import functools
import inspect
import types
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from diorama.cli.talk import Talk
from diorama.errors import SettingsError
from diorama.settings import STAGE_NAMES, STEP_STAGES, Settings, StageName

if TYPE_CHECKING:
    from diorama.products import Product

_PANELS: dict[str, str] = {name: f"{name.capitalize()} settings" for name in STAGE_NAMES}
_EVERYWHERE = "Everywhere"
_FORMATS = "Options of formats"

_OF_PRODUCT = "of_product_"
"""Before the parameter's name: a setting may have the same."""

Command = Callable[..., None]

SceneArgument = Annotated[Path, typer.Argument(metavar="SCENE", help="A .diorama file.", show_default=False)]

UntilOption = Annotated[
    str | None,
    typer.Option(
        "--until",
        metavar="STEP",
        show_default=False,
        help="Stop after this step: original, enhanced or final. (Default: final.)",
    ),
]


def step_named(until: str | None) -> Any:
    """The step of ``--until``; None where nothing was said.

    Raises:
        SettingsError: there is none of that name.
    """
    if until in (None, *STEP_STAGES):
        return until
    raise SettingsError(f"There is no step named '{until}'.", hint=f"The steps are: {', '.join(STEP_STAGES)}.")


class LogForm(enum.StrEnum):
    """The forms of `diorama.logs`."""

    QUIET = "quiet"
    TEXT = "text"
    JSON = "json"


def command(
    app: typer.Typer,
    *,
    tunes: tuple[StageName, ...] = (),
    makes: Collection[Product] = (),
    name: str | None = None,
) -> Callable[[Command], Command]:
    """Register a function as a command.

    The command gets ``--json``, ``--quiet``, ``--settings``, ``--offline``, an option for every setting of the stages
    in `tunes` and one for every option of the products in `makes`. The function is called with what it names itself,
    with `talk` (a `Talk`) and, where it names them, with `settings`: the settings file's values, under those of the
    options, and `options`: those of the products that were given, by name.
    """

    def register(function: Command) -> Command:
        own = inspect.signature(function, eval_str=True).parameters
        injected = {"talk", "settings", "options"} & set(own)

        @functools.wraps(function)
        def run(ctx: typer.Context, **given: Any) -> None:
            common = {option: given.pop(option) for option in ("json_", "quiet", "settings_file", "offline")}
            changes = {n: given.pop(n) for n in Settings.model_fields if n in given and n not in own}
            options = _given({n.removeprefix(_OF_PRODUCT): given.pop(n) for n in [*given] if n.startswith(_OF_PRODUCT)})
            talk = ctx.find_root().obj = Talk(json=common["json_"], quiet=common["quiet"])
            if common["offline"]:
                from diorama import weights

                weights.set_offline(True)
            settings = _settings(common["settings_file"], changes)
            injectable = {"talk": talk, "settings": settings, "options": options}
            function(**given, **{n: injectable[n] for n in injected})

        parameters = [p for p in own.values() if p.name not in injected]
        parameters += [*_setting_options(tunes), *_product_options(makes, own), *_common_options(bool(tunes))]
        _sign(run, parameters)
        app.command(name)(run)
        return function

    return register


def _sign(run: Command, parameters: list[inspect.Parameter]) -> None:
    """Give the wrapper the signature that Typer reads."""
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [context, *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    del run.__wrapped__  # type: ignore[attr-defined]  # Typer would look through to the function's own


def _settings(file: Path | None, changes: dict[str, Any]) -> Settings:
    """The file's values under the options that were given."""
    base = Settings.from_file(file) if file else Settings()
    given = _given(changes)
    return base.changed(**given) if given else base


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Without what was not given."""
    return {n: v.value if isinstance(v, enum.Enum) else v for n, v in values.items() if v is not None}


# ---- options every command has ---------------------------------------------------------------------------------


def _common_options(tunes: bool) -> Iterator[inspect.Parameter]:
    file_help = (
        "Settings from a JSON file; options win over it." if tunes else "A JSON file of settings: it is checked."
    )
    yield _flag("json_", "--json", "Report as JSON on stdout, errors too.")
    yield _flag("quiet", "--quiet", "Say nothing but errors (and the JSON report).", "-q")
    yield _option("settings_file", Path | None, None, "--settings", help=file_help, metavar="FILE")
    yield _flag("offline", "--offline", "Never ask the network (DIORAMA_OFFLINE=1 does the same).")


def _flag(name: str, option: str, text: str, *short: str) -> inspect.Parameter:
    return _option(name, bool, False, option, *short, help=text)


def _option(
    name: str, kind: Any, default: object, *flags: str, panel: str = _EVERYWHERE, **more: Any
) -> inspect.Parameter:
    info = typer.Option(default, *flags, rich_help_panel=panel, show_default=False, **more)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=info, annotation=kind)


# ---- options from settings -------------------------------------------------------------------------------------


def _setting_options(stages: tuple[StageName, ...]) -> Iterator[inspect.Parameter]:
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        if not isinstance(extra, dict) or extra["stage"] not in stages:
            continue
        kind, metavar = _option_type(name, field)
        flag = "--" + name.replace("_", "-")
        if kind is bool:
            flag = f"{flag}/--no-{flag[2:]}"
        text = f"{extra['label']}. {field.description} ({_range(field, str(extra['unit']))})"
        panel = _PANELS[str(extra["stage"])]
        yield _option(name, kind | None, None, flag, panel=panel, help=text, metavar=metavar)


def _product_options(products: Collection[Product], own: Collection[str]) -> Iterator[inspect.Parameter]:
    """One for each name but those of the command's own: formats that share an option mean the same by it."""
    takers: dict[str, list[Product]] = {}
    for product in products:
        for name in product.options.model_fields:
            if name not in own:
                takers.setdefault(name, []).append(product)
    for name, of in takers.items():
        field = of[0].options.model_fields[name]
        extra = field.json_schema_extra
        assert isinstance(extra, dict)  # every field is made by `products.option`
        kind, metavar = _option_type(name, field)
        flag = "--" + name.replace("_", "-")
        if kind is bool:
            flag = f"{flag}/--no-{flag[2:]}"
        endings = ", ".join(product.ending for product in of)
        text = f"{extra['label']}, of {endings}. {field.description} ({_range(field, str(extra['unit']))})"
        yield _option(_OF_PRODUCT + name, kind | None, None, flag, panel=_FORMATS, help=text, metavar=metavar)


def _option_type(name: str, field: FieldInfo) -> tuple[Any, str | None]:
    """The type that Typer parses, and what stands for the value in the help."""
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, types.UnionType):  # `float | None`: not given
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is Literal:
        choices = get_args(annotation)
        return enum.Enum(name, {choice: choice for choice in choices}, type=str), "|".join(choices)
    return annotation, {int: "N", float: "X", str: "NAME"}.get(annotation)


def _range(field: FieldInfo, unit: str) -> str:
    """``64 to 4096 px; default 1536``"""
    limits = {
        limit: getattr(constraint, limit)
        for constraint in field.metadata
        for limit in ("ge", "gt", "le", "lt")
        if getattr(constraint, limit, None) is not None
    }
    low, high = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
    unit = unit if unit in ("", "°") else f" {unit}"
    span = ""
    if low is not None and high is not None:
        span = f"{low:,} to {high:,}{unit}; "
    elif low is not None:
        span = f"above {low:,}{unit}; "
    return f"{span}default {_shown(field.default)}"


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, (int, float)):
        return f"{default:,g}" if isinstance(default, float) else f"{default:,}"
    return "none" if default is None else str(default)
