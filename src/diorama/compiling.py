"""Compiled loops: kept on disk from start to start, and made beforehand where this machine doesn't have them yet.

Numba compiles a loop when it is first called, beside its module or in the user's cache (``NUMBA_CACHE_DIR``). All of
them take the better part of a minute of a slow core, once. `loops.json` lists them in the order in which they are
needed (`benchmarks/loops.py` writes it), so that whoever waits for a scene need not wait for all: a process beside the
one that works compiles what comes later, from the last one back, until both meet.

    python -m diorama.compiling GROUP ...         what that process runs; it ends when its standard input does
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from diorama.types import Progress, Step

Group = Literal["original", "view", "enhanced", "final"]
"""What is compiled together: for a step, or for pictures of a scene, which the page shows from the first step on."""

LATER: dict[Step, tuple[Group, ...]] = {"original": (), "enhanced": ("enhanced",), "final": ("final", "enhanced")}
"""By the last step that is made: what another process may compile while this one compiles the first step."""

LOOPS = Path(__file__).with_name("loops.json")

NOTICE = "Preparing for the first time on this machine: about half a minute, once."
"""What a person is told who waits for it."""

BESIDE_NICENESS = 5
"""Of the process that compiles what isn't needed yet, over that of the one that needs it."""


@functools.cache
def loops() -> dict[Group, list[tuple[str, str]]]:
    """By group: each loop as ``module:function`` with its types, in the order in which they are needed."""
    return {
        group: [(name, types) for name, types in entries] for group, entries in json.loads(LOOPS.read_text()).items()
    }


def ensure(name: str, types: str) -> None:
    """Load a loop's code for these types, or compile it."""
    from numba.core import sigutils

    module, _, function = name.partition(":")
    arguments, _ = sigutils.normalize_signature(types)  # type: ignore[no-untyped-call]
    # As a call does it: the kept code is looked for under this tuple.
    getattr(importlib.import_module(module), function).compile(tuple(arguments))


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for rubbish: the compiler makes much that lasts, and a tenth of its time goes for the looking."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@contextmanager
def noticed(begun: Callable[[], object]) -> Iterator[None]:
    """Call `begun` whenever a loop has to be compiled within the block, in the thread that compiles it."""
    from numba.core import event

    class Listener(event.Listener):
        def on_start(self, _event: Any) -> None:
            begun()

        def on_end(self, _event: Any) -> None: ...

    listener = Listener()
    event.register("numba:compile", listener)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        event.unregister("numba:compile", listener)  # type: ignore[no-untyped-call]


@contextmanager
def announced(
    progress: Progress, later: Sequence[Group] = (), say: Callable[[str], None] | None = None
) -> Iterator[Progress]:
    """A `progress` that says so from the moment at which loops have to be compiled.

    Args:
        later: what another process compiles from then on until the block ends, in this order.
        say: told `NOTICE`, once; where None it is a part of what `progress` is told.
    """
    lock, owner = threading.Lock(), threading.get_ident()
    last: list[tuple[str, float, str]] = []
    beside: list[Beside] = []
    found = False

    def said(stage: str, share: float, message: str) -> None:
        last[:] = [(stage, share, message)]
        progress(stage, share, f"{message}. {NOTICE}" if found and say is None else message)

    def begun() -> None:
        nonlocal found
        with lock:
            if found:
                return
            found = True
            if later:
                beside.append(Beside(later))
        if say is not None:
            say(NOTICE)
        elif last and threading.get_ident() == owner:
            said(*last[0])

    with noticed(begun):
        try:
            yield said
        finally:
            for one in beside:
                one.end()


class Beside:
    """A process that compiles groups of loops; it ends by itself, with this process, or when told to."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if sys.executable:  # else Python is a part of another program
            with suppress(OSError):  # without it everything takes longer, that is all
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "diorama.compiling", *groups],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def end(self) -> None:
        """End it, whatever it is at."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


def _end_with(file: int) -> None:
    with suppress(OSError):
        while os.read(file, 1):  # not through `sys.stdin`, whose lock the interpreter wants when it ends
            pass
    os._exit(0)


def main(groups: Sequence[Group]) -> None:
    """Compile the groups in this order, each from its end: who needs it comes from its beginning."""
    threading.Thread(target=_end_with, args=(sys.stdin.fileno(),), daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(BESIDE_NICENESS)
    with uncollected():
        for group in groups:
            for name, types in reversed(loops()[group]):
                ensure(name, types)


if __name__ == "__main__":
    main(sys.argv[1:])  # type: ignore[arg-type]
