"""What a command says: results on stdout, everything else on stderr, so that stdout can be piped."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from diorama.errors import DioramaError, StorageError

if TYPE_CHECKING:
    from rich.console import Console

    from diorama.types import Progress


@contextmanager
def _stdout() -> Iterator[None]:
    """Write to stdout, all of it now.

    Raises:
        StorageError: it goes to a file, and that can't be written. Who closes a pipe has seen enough: that is no error.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StorageError(
            f"What stdout goes to can't be written: {error.strerror or error}.",
            hint="Free some space, or send it to another place; files that were asked for are written.",
        ) from error


class Talk:
    """How one command was asked to talk.

    json: results as one JSON object, errors as ``{"error": {"code", "message", "hint"}}``, on stdout.
    quiet: nothing but results asked for as JSON, and errors.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json = json
        self.quiet = quiet

    @cached_property
    def _stderr(self) -> Console:
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=True)

    def result(self, values: dict[str, Any], sentences: Iterable[str] = ()) -> None:
        """Say what came of it: `values` with ``--json``, else the sentences."""
        with _stdout():
            if self.json:
                print(json.dumps(values, indent=2))
            elif not self.quiet:
                for sentence in sentences:
                    print(_printable(sentence))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
        """A table on stdout, for people only."""
        if self.json or self.quiet:
            return
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(*columns, title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
        for row in rows:
            table.add_row(*(Text(_printable(cell)) for cell in row))
        with _stdout():
            Console(highlight=False).print(table)

    def warn(self, sentences: Iterable[str]) -> None:
        """Each warning once, on stderr."""
        for sentence in dict.fromkeys(sentences):
            if not self.quiet:
                self._mark("Warning: ", sentence, "yellow")

    def error(self, error: DioramaError) -> None:
        """The sentence in red and what to do next."""
        self.problem(error.code, error.message, error.hint)

    def problem(self, code: str, message: str, hint: str) -> None:
        """An error under a stable name for programs."""
        if self.json:
            with (
                suppress(OSError, StorageError),
                _stdout(),
            ):  # what fails may be stdout itself
                print(json.dumps({"error": {"code": code, "message": message, "hint": hint}}, indent=2))
        self._mark("Error: ", message, "bold red")
        if hint:
            self._mark("", hint, "")

    def note(self, sentence: str) -> None:
        """A sentence on stderr."""
        if not self.quiet:
            self._mark("", sentence, "")

    def terminal(self) -> Console | None:
        """What a bar is drawn on: stderr, where that is a terminal and something may be said."""
        return None if self.quiet or not self._stderr.is_terminal else self._stderr

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """A bar for each stage on stderr, where that is a terminal."""
        if self.quiet or not self._stderr.is_terminal:
            yield lambda _stage, _done, _message: None
            return
        from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

        sentence = TextColumn("{task.description}", markup=False)
        share = TextColumn("{task.percentage:>3.0f} %")
        bars = Progress(
            SpinnerColumn(finished_text="✓"), sentence, BarColumn(24), share, TimeElapsedColumn(), console=self._stderr
        )
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: float, message: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(message, total=1.0)
            bars.update(tasks[stage], completed=done, description=_printable(message))

        with bars:
            yield show

    def _mark(self, mark: str, sentence: str, style: str) -> None:
        from rich.text import Text

        with suppress(OSError):  # said where it is written to
            sys.stdout.flush()
        self._stderr.print(Text.assemble((mark + _printable(sentence), style)))


def _printable(text: str) -> str:
    """Without control characters, which could steer the terminal, and half surrogates, which can't be printed: names of
    files hold both."""
    shown = "".join("�" if unicodedata.category(c) in ("Cc", "Cs") and c != "\n" else c for c in text)
    encoding = sys.stdout.encoding or "utf-8"
    return shown.encode(encoding, "replace").decode(encoding)
