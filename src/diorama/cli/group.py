"""Where every error of every command ends: as a sentence, a hint and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from diorama.cli import help
from diorama.cli.talk import Talk
from diorama.errors import DioramaError

EXIT_CODES = {
    0: "done",
    1: "a mistake in Diorama",
    2: "the input, an option or a setting can't be used",
    3: "a model can't run or its weights can't be had",
    4: "the disk is full or refuses",
    5: "a job of the web app can't do that",
    6: "the server can't start",
    7: "the installation is broken, says `diorama doctor`",
    8: "a batch has ended, and some of its photos could not be made",
    9: "the cluster's scheduler or workers can't be had",
    130: "stopped with Ctrl-C",
}
"""What the command's exit status means; those of errors are the errors' own (`errors.DioramaError.exit_code`)."""

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Typer's base class of wrong options: it is Click's in some versions, its own in others."""


ORDER = ("make", "view", "export", "depth", "video", "stereo", "share", "batch", "serve", "models", "cache", "doctor")
"""In which the help lists the commands: what a photo goes through, then what many need, then the machine."""


class Group(TyperGroup):
    """The top command: catches what its commands raise, once."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=ORDER.index)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # A wrong option stops a command before it knows that it was to talk JSON.
        ctx.obj = Talk(json="--json" in args, quiet=False)
        if not args or "--help" in args:
            help.load()
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            with warnings.catch_warnings():
                if not sys.warnoptions:  # libraries' notes to programmers, about a photo's odd tags and the like
                    warnings.simplefilter("ignore")
                return super().invoke(ctx)
        except DioramaError as error:
            ctx.obj.error(error)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            ctx.obj.note("Stopped.")
            raise typer.Exit(130) from None
        except UsageError as error:
            if not ctx.obj.json:
                raise  # Typer's own box, with the command's usage
            said = getattr(error, "format_message", error.__str__)()
            ctx.obj.problem("usage", said, "See `diorama --help`.")
            raise typer.Exit(2) from None
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("DIORAMA_DEBUG"):
                raise
            ctx.obj.problem("unexpected", _unexpected(error), _ASK)
            raise typer.Exit(1) from None


_ASK = "This is a mistake in Diorama: set DIORAMA_DEBUG=1, run the command again, and report what it prints."


def _unexpected(error: Exception) -> str:
    """What happened and where, in one sentence."""
    frames = traceback.extract_tb(error.__traceback__)
    package = str(Path(__file__).parents[1])
    # The last line of Diorama's own says more than the library's below it.
    frame = next((f for f in reversed(frames) if f.filename.startswith(package)), frames[-1] if frames else None)
    place = f" ({Path(frame.filename).name}, line {frame.lineno})" if frame else ""
    reason = " ".join(str(error).split()).rstrip(".")
    return f"Unexpected {type(error).__name__}{place}{': ' if reason else ''}{reason}."
