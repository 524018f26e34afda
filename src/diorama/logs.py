"""What the server and its workers write to their log: lines for a person or JSON for a machine, and never a secret."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

Form = Literal["quiet", "text", "json"]
"""quiet: warnings and errors alone, as text."""

VARIABLE = "DIORAMA_LOG"
"""The form where nobody says another; worker processes learn it from here as well."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered."""

HIDDEN = "[hidden]"

SHORTEST_SECRET = 8
"""Characters: hiding a shorter one would tell it by what is missing from every line."""

_VARIABLES = ("DIORAMA_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY")
_secrets: set[str] = set()
_SHOWN = re.compile(r"(?i)(\btoken=|\bbearer\s+|\bcookie:\s*|\bdiorama=|//[^\s/:@]+:)[^\s&;\"'@]+")
"""Tokens in addresses and headers, passwords in addresses of databases."""

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def form_from_environment() -> Form:
    """What `DIORAMA_LOG` says; quiet where it says nothing that is known."""
    given = os.environ.get(VARIABLE, "")
    return given if given in ("text", "json") else "quiet"  # type: ignore[return-value]


def configure(form: Form | None = None, stream: TextIO | None = None) -> None:
    """Send what Diorama and its libraries log to `stream` (stderr where None), in place of what was set up before.

    Args:
        form: as `DIORAMA_LOG` says where None.
    """
    form = form or form_from_environment()
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    for old in [each for each in root.handlers if getattr(each, "_diorama", False)]:
        root.removeHandler(old)
    handler._diorama = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    logging.getLogger("diorama").setLevel(logging.WARNING if form == "quiet" else logging.INFO)


def hidden(text: str) -> str:
    """The text without tokens, keys and passwords."""
    for secret in _secrets | {os.environ.get(name, "") for name in _VARIABLES}:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    return _SHOWN.sub(rf"\1{HIDDEN}", text)


def hide(secret: str) -> None:
    """From now on that is hidden wherever it would be written."""
    _secrets.add(secret)


class _Text(logging.Formatter):
    """One line a record: time, level, request, message, what else is known."""

    def format(self, record: logging.LogRecord) -> str:
        values = _values(record)
        head = f"{values.pop('time')} {values.pop('level'):7} "
        asked = values.pop("request_id", "")
        trace = values.pop("exception", "")
        line = f"{head}{f'[{asked}] ' if asked else ''}{values.pop('message')}"
        values.pop("logger")
        rest = "".join(f" {name}={value}" for name, value in values.items())
        return hidden(f"{line}{rest}{f'{chr(10)}{trace}' if trace else ''}")


class _Json(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        values = {
            name: value if isinstance(value, int | float) else hidden(str(value))
            for name, value in _values(record).items()
        }
        return json.dumps(values, ensure_ascii=False)


def _values(record: logging.LogRecord) -> dict[str, object]:
    values: dict[str, object] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": _one_line(record.getMessage()),
    }
    if request_id.get():
        values["request_id"] = request_id.get()
    values |= {name: value for name, value in vars(record).items() if name not in _PLAIN and value not in ("", None)}
    if record.exc_info:
        values["exception"] = logging.Formatter().formatException(record.exc_info)
    return values


def _one_line(message: str) -> str:
    """Without line breaks and control characters: names of files could forge lines, or steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in message)
