"""Typer's help, loaded without what ours never shows.

It imports Rich's Markdown and tracebacks, whose parsers take a fifth of the time until help is there; our help is
written in neither.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_UNUSED = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}


class _Later:
    """A class whose module is imported once something is asked of it."""

    def __init__(self, module: str, name: str) -> None:
        self._at = module, name

    def _found(self) -> Any:
        module, name = self._at
        return getattr(import_module(module), name)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._found(), attribute)

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._found()(*given, **named)

    def __or__(self, _other: object) -> Any:  # in annotations
        return Any

    __ror__ = __or__


def load() -> None:
    """Import what writes the help; where it was imported already, or there is no Rich, nothing changes."""
    standing_in = [name for name in _UNUSED if name not in sys.modules]
    for name in standing_in:
        module = ModuleType(name)
        setattr(module, _UNUSED[name], _Later(name, _UNUSED[name]))
        sys.modules[name] = module
    try:
        import_module("typer.rich_utils")
    except ImportError:  # Typer does without
        pass
    finally:
        for name in standing_in:
            del sys.modules[name]
