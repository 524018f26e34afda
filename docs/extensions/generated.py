"""Reference pages that are made from the code whenever the site is built.

A page says where: ``<!-- generated: settings -->`` is replaced by what `MAKERS` makes of that name, as Markdown.
Nothing of it is kept in the repository, so nothing of it can be out of date.
"""

from __future__ import annotations

import inspect
import json
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

MARK = re.compile(r"^<!-- generated: ([\w-]+)(?: ([\w.]+))? -->$", re.MULTILINE)


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's entry point."""
    app.connect("source-read", _fill)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _fill(_app: Sphinx, _page: str, source: list[str]) -> None:
    source[0] = MARK.sub(lambda mark: MAKERS[mark[1]](*filter(None, [mark[2]])), source[0])


def table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())


def _code(value: object) -> str:
    return f"`{value}`" if value != "" else ""


# ---- settings --------------------------------------------------------------------------------------------------


def settings() -> str:
    """Every setting, by step and stage."""
    from diorama.pipeline import STAGE_MESSAGES
    from diorama.settings import STEP_STAGES, Settings

    properties = Settings.model_json_schema()["properties"]
    parts = []
    for step, stages in STEP_STAGES.items():
        parts.append(f"## Step {step}\n")
        for stage in stages:
            names = list(Settings().of_stage(stage))
            if not names:
                continue
            parts.append(f"### {STAGE_MESSAGES[stage]}\n")
            parts.append(f"Stage `{stage}`.\n")
            rows = [_setting(name, properties[name], Settings.model_fields[name].default) for name in names]
            parts.append(table(("setting", "default", "range", "what it does, and why it is as it is"), rows))
    return "\n".join(parts)


def _setting(name: str, schema: dict[str, Any], default: object) -> tuple[object, ...]:
    option = "--" + name.replace("_", "-")
    if isinstance(default, bool):
        option += f", --no-{name.replace('_', '-')}"
    shown = "on" if default is True else "off" if default is False else "" if default in (None, "") else default
    said = f"**{schema['label']}.** {schema['description']} Option: `{option}`"
    return _code(name), _code(shown), _range(schema), said


def _range(schema: dict[str, Any]) -> str:
    merged = {key: value for part in [*schema.get("anyOf", []), schema] for key, value in part.items()}
    if "enum" in merged:
        return ", ".join(_code(value) for value in merged["enum"])
    low, high = merged.get("minimum"), merged.get("maximum")
    above = merged.get("exclusiveMinimum")
    span = (
        f"{low:,g} to {high:,g}" if low is not None and high is not None else f"above {above:g}" if above == 0 else ""
    )
    unit = str(merged.get("unit", ""))
    return f"{span}{unit if unit == '°' else f' {unit}'}".strip()


# ---- the command -----------------------------------------------------------------------------------------------


def command() -> str:
    """Every command with its arguments and options."""
    import typer

    from diorama.cli import app

    return "\n".join(_commands(typer.main.get_command(app), "diorama"))


def _commands(group: Any, path: str) -> Iterator[str]:
    for name, found in group.commands.items():
        whole = f"{path} {name}"
        if hasattr(found, "commands"):
            yield f"## {whole}\n\n{found.help}\n"
            yield from _commands(found, whole)
        else:
            yield from _one_command(found, whole)


def _one_command(found: Any, whole: str) -> Iterator[str]:
    arguments = [p for p in found.params if p.param_type_name == "argument"]
    options = [p for p in found.params if p.param_type_name == "option" and not p.hidden]
    own = [p for p in options if not str(getattr(p, "rich_help_panel", "")).endswith(" settings")]
    words = [_argument(p) for p in arguments]
    words += [f"{p.opts[0]} {_metavar(p)}" for p in own if p.required]
    yield f"{'###' if whole.count(' ') > 1 else '##'} {whole}\n\n{found.help}\n"
    yield f"```text\n{' '.join([whole, *words])} [OPTIONS]\n```\n"
    rows = [(_code(_argument(p)), getattr(p, "help", "") or "") for p in arguments]
    rows += [(_code(", ".join([*p.opts, *p.secondary_opts]) + _metavar(p, " ")), p.help or "") for p in own]
    yield table(("argument or option", "meaning"), rows)
    if len(own) < len(options):
        stages = dict.fromkeys(str(p.rich_help_panel).split()[0].lower() for p in options if p not in own)
        yield f"And an option for every setting of the stages {', '.join(stages)}: see [settings](settings.md).\n"


def _argument(parameter: Any) -> str:
    return parameter.metavar or parameter.name.upper()


def _metavar(parameter: Any, before: str = "") -> str:
    if parameter.is_flag:
        return ""
    return before + (parameter.metavar or ("N" if isinstance(parameter.default, int) else "NAME"))


# ---- errors ----------------------------------------------------------------------------------------------------


def errors() -> str:
    """The tree, and each error with its codes."""
    from diorama import errors as module

    tree = (module.__doc__ or "").split("\n\n")[1]
    kinds = [k for k in vars(module).values() if isinstance(k, type) and issubclass(k, module.DioramaError)]
    rows = [
        (_code(k.__name__), _code(k("", hint="").code), k.exit_code, k.http_status, (k.__doc__ or "").split("\n")[0])
        for k in kinds
    ]
    named = ("error", "`code`", "exit code", "HTTP", "meaning")
    return f"```text\n{inspect.cleandoc(tree)}\n```\n\n{table(named, rows)}"


def exit_codes() -> str:
    """What the command's exit codes mean."""
    from diorama.cli.group import EXIT_CODES

    return table(("exit code", "meaning"), EXIT_CODES.items())


# ---- files -----------------------------------------------------------------------------------------------------


def file_formats() -> str:
    """Every format that a scene can be written in."""
    from diorama.export import FORMATS

    rows = [
        (_code(ending), made.label, _code(made.media_type), "enhanced" if made.needs_segments else "original")
        for ending, made in FORMATS.items()
    ]
    return table(("ending", "what it holds", "media type", "from step"), rows)


def weights() -> str:
    """Every file of weights that can be fetched."""
    from diorama.weights import CATALOGUE

    rows = [(_code(e.name), f"{e.bytes / 1e6:.1f} MB", e.licence, e.note) for e in CATALOGUE.values()]
    return table(("weights", "size", "licence", "what for"), rows)


# ---- records ---------------------------------------------------------------------------------------------------


def fields(name: str) -> str:
    """The fields of a record of `diorama.types`, or of another module that is named before a dot, with the shapes,
    units and frames that its source says."""
    module, _, record = name.rpartition(".")
    kind = getattr(import_module(f"diorama.{module or 'types'}"), record)
    comments = _comments(inspect.getsource(kind))
    names = getattr(kind, "model_fields", None) or kind.__dataclass_fields__
    rows = [(_code(field), _code(kind.__annotations__[field]), comments.get(field, "")) for field in names]
    return table(("field", "type", "meaning"), rows)


def _comments(source: str) -> dict[str, str]:
    """The comment that stands behind each field."""
    found, line = {}, {}
    for token in tokenize.generate_tokens(StringIO(inspect.cleandoc(source)).readline):
        if token.type == tokenize.NAME:
            line.setdefault(token.start[0], token.string)
        elif token.type == tokenize.COMMENT and token.start[0] in line:
            found.setdefault(line[token.start[0]], token.string.lstrip("# "))
    return found


# ---- the HTTP API ----------------------------------------------------------------------------------------------


def http() -> str:
    """Every route with its parameters, examples and errors, then every schema."""
    import tempfile

    from diorama.server import create_app

    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Path(folder), fetch=False)
        document = app.openapi()
        app.state.context.store.close()
    parts = []
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            by_tag.setdefault(route["tags"][0], []).append(_route(method.upper(), path, route))
    for tag, routes in by_tag.items():
        parts += [f"## {tag.capitalize()}\n", *routes]
    parts.append("## Schemas\n")
    for name, schema in document["components"]["schemas"].items():
        parts.append(f"### {name}\n\n{schema.get('description', '')}\n")
        required = schema.get("required", [])
        rows = [
            (_code(field), _schema_type(part), "" if field in required else "optional", part.get("description", ""))
            for field, part in schema.get("properties", {}).items()
        ]
        if rows:
            parts.append(table(("field", "type", "", "meaning"), rows))
        if name in document["components"]["examples"]:
            parts += _example("For example", {"example": document["components"]["examples"][name]["value"]})
    return "\n".join(parts)


def _route(method: str, path: str, route: dict[str, Any]) -> str:
    parts = [f"### {route['summary']}\n\n`{method} {path}`\n\n{route['description']}\n"]
    if route.get("parameters"):
        rows = [
            (_code(p["name"]), p["in"], _schema_type(p["schema"]), _code(p.get("example", "")), p["description"])
            for p in route["parameters"]
        ]
        parts.append(table(("parameter", "in", "type", "example", "meaning"), rows))
    for media, content in route.get("requestBody", {}).get("content", {}).items():
        parts += _example(f"Request, `{media}`", content)
    for status, answer in route["responses"].items():
        if status.startswith("2"):
            parts.append(f"Answer `{status}`: {answer['description']}\n")
            for media, content in answer.get("content", {}).items():
                parts += _example(f"For example, `{media}`", content)
    refused = [f"`{s}` {a['description']}" for s, a in route["responses"].items() if s[0] in "345"]
    if refused:
        parts.append(f"Else: {'; '.join(refused)}.\n")
    return "\n".join(parts)


def _example(title: str, content: dict[str, Any]) -> list[str]:
    parts = []
    for name in content.get("examples", {}):
        parts.append(f"{title}: see [{name}](#{name.lower()}).\n")
    if "example" in content:
        value = content["example"]
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        language = "text" if isinstance(value, str) else "json"
        parts.append(f"{title}:\n\n```{language}\n{text.rstrip()}\n```\n")
    return parts


def _schema_type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_schema_type(part) for part in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(_code(value) for value in schema["enum"])
    if "const" in schema:
        return _code(schema["const"])
    if schema.get("type") == "array":
        inside = schema.get("items") or {}
        return f"list of {_schema_type(inside)}" if inside else "list"
    return str(schema.get("type", "any"))


# ---- notebooks -------------------------------------------------------------------------------------------------


def notebook(name: str) -> str:
    """A notebook's cells as a page."""
    path = Path(__file__).parents[1] / "notebooks" / f"{name}.ipynb"
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join(parts) + "\n"


MAKERS: dict[str, Callable[..., str]] = {
    "settings": settings,
    "command": command,
    "errors": errors,
    "exit-codes": exit_codes,
    "file-formats": file_formats,
    "weights": weights,
    "fields": fields,
    "http": http,
    "notebook": notebook,
}
