"""A worker process of this machine: spawned (never forked), kept warm, replaced when it dies.

Imports, compiled loops and the networks' sessions stay from task to task. The photos of web jobs are decoded in a
process of the worker's own (`decoder`), so that a file that kills its decoder fails alone.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import connection
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from diorama import compiling, logs, memory
from diorama.decoder import Decoder
from diorama.errors import DioramaError

if TYPE_CHECKING:
    from diorama.settings import Settings
    from diorama.types import Photo, Step

WARM_SIZE = (64, 32)
"""Pixels across and down: longer than high, so that the network needs no more memory for it than for a photo."""

NICENESS = 10
"""A tenth of the server's weight: who asks for a page doesn't wait for who waits for a scene."""

LATER: tuple[compiling.Group, ...] = ("view", "final", "enhanced")
"""What another process compiles on the first start, in its order: the page shows pictures of the first step, and the
steps after it are compiled from the last loop back, while this process comes from the first one."""

SWITCH_SECONDS = 0.001
"""For how long one of a step's threads may keep the others from running Python: most of what they do is outside of it,
and each of them waits this long to go on where another one is busy. At Python's own 5 ms step 3 takes a third longer on
a machine that others use, at 1 no more of the processor."""

T = TypeVar("T")

_compiles: Event | None = None


def default_slots() -> int:
    """Two cores a photo: the network and the mesher use more than one."""
    return max(1, (os.cpu_count() or 1) // 2)


class _OneProcess(SpawnContext):
    """Spawns like its parent and remembers the process: an executor has no public way to kill its own."""

    process: SpawnProcess | None = None

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        self.process = SpawnProcess(*args, **kwargs)
        return self.process


class Worker:
    """One spawned worker process.

    Args:
        warm: whether it loads everything before it is needed: what the first step takes at once, the rest bit by bit
            while there is no task.
        behind: whether its work comes after everybody else's on the machine, the server's answers first of all.
    """

    def __init__(self, *, warm: bool = True, behind: bool = False) -> None:
        self._context = _OneProcess()
        self._compiles = self._context.Event()
        given = behind, self._compiles
        self._executor = ProcessPoolExecutor(1, self._context, initializer=start, initargs=given)
        self._lock = threading.Lock()
        self._tasks = 0  # that aren't done
        self._warming = False
        self._parts = warm_parts() if warm else []
        self._warm_on()

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._context.process.pid if self._context.process else None

    @property
    def compiles(self) -> bool:
        """Whether tasks wait because loops are compiled, as on the first start on a machine."""
        return self._warming and self._compiles.is_set()

    def submit(self, function: Callable[..., T], *given: Any) -> Future[T]:
        """Start a task; its future raises BrokenProcessPool when the process dies of it.

        Raises:
            BrokenProcessPool: the process has died.
        """
        with self._lock:
            future = self._executor.submit(function, *given)
            self._tasks += 1
        future.add_done_callback(self._done)
        return future

    def _done(self, _future: Future[Any]) -> None:
        with self._lock:
            self._tasks -= 1
        self._warm_on()

    def _warm_on(self) -> None:
        """Load the next bit, unless there is a task or a bit is being loaded."""
        with self._lock:
            if not self._parts or self._tasks or self._warming:
                return
            part, *self._parts = self._parts
            try:
                future = self._executor.submit(*part)
            except RuntimeError:  # the process has died, or was ended
                return
            self._warming = True
        future.add_done_callback(self._warmed)

    def _warmed(self, _future: Future[Any]) -> None:
        self._warming = False
        self._warm_on()

    def kill(self) -> None:
        """End the process at once."""
        if self._context.process is not None and self._context.process.pid is not None:
            self._context.process.kill()
        self._executor.shutdown(wait=False, cancel_futures=True)


def start(behind: bool = False, compiles: Event | None = None) -> None:
    """Make this process a worker: it ends with its parent, and Ctrl-C is the parent's business.

    Args:
        behind: see `Worker`.
        compiles: set once loops have to be compiled while it warms up.
    """
    global _compiles
    _compiles = compiles
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if behind and hasattr(os, "nice"):
        os.nice(NICENESS)
    sys.setswitchinterval(SWITCH_SECONDS)
    memory.share()
    logs.configure()
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A killed parent can't stop its workers, and a worker waiting for work would wait for ever.
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def warm_parts() -> list[tuple[Any, ...]]:
    """What a worker does beforehand, each a function with its arguments: the first step, compiled loops one by one in
    the order in which they are needed, and all steps."""
    listed = [
        (compiling.ensure, *loop) for name, group in compiling.loops().items() if name != "original" for loop in group
    ]
    return [(warm_up, "original"), *listed, (warm_up, "final")]


def warm_up(until: Step) -> None:
    """Make a scene of next to nothing: it loads the modules, the networks and the compiled loops for the first job,
    which would wait for them otherwise."""
    import numpy as np

    from diorama import pipeline, render
    from diorama.settings import Settings

    _decoder().start()
    width, height = WARM_SIZE
    grey = np.full((height, width, 3), 128, np.uint8)
    with compiling.uncollected(), compiling.noticed(_compile_beside):
        if until == "original":  # all of its loops, of which next to nothing doesn't take all
            for loop in compiling.loops()[until]:
                compiling.ensure(*loop)
        scene = pipeline.make(grey, Settings(processing_size=width), until=until, fetch=False)
        if until == "final":
            render.render(scene)


@functools.cache
def _compile_beside() -> compiling.Beside:
    """Once: have another process compile what the first step, which this one compiles, doesn't take."""
    if _compiles is not None:
        _compiles.set()
    return compiling.Beside(LATER)


@functools.cache
def _decoder() -> Decoder:
    return Decoder()


def read_apart(source: Any, settings: Settings) -> Photo:
    """Read a photo in a process with limits, which is one of this worker's and kept for the next photo."""
    return _decoder().read(Path(source), settings)


def unforeseen(error: Exception) -> DioramaError:
    """A sentence for an error that nobody has thought of."""
    if isinstance(error, MemoryError):
        return DioramaError(
            "There is not enough memory for this photo at these settings.",
            hint="Run it again with a smaller geometry detail and texture size.",
        )
    return DioramaError(
        f"Something went wrong inside Diorama ({type(error).__name__}).",
        hint="Run the step again; if it fails again, the server's log says where, which helps in a bug report.",
    )
