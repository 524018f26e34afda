"""A worker process of this machine: spawned (never forked), kept warm, replaced when it dies.

Imports, compiled loops and the networks' sessions stay from task to task. The photos of web jobs are decoded in a
process of the worker's own (`decoder`), so that a file that kills its decoder fails alone.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import connection
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from diorama import logs, memory
from diorama.decoder import Decoder
from diorama.errors import DioramaError

if TYPE_CHECKING:
    from diorama.settings import Settings
    from diorama.types import Photo

WARM_SIZE = (64, 32)
"""Pixels across and down: longer than high, so that the network needs no more memory for it than for a photo."""

NICENESS = 10
"""A tenth of the server's weight: who asks for a page doesn't wait for who waits for a scene."""

T = TypeVar("T")


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
        warm: whether it loads everything before its first task comes.
        behind: whether its work comes after everybody else's on the machine, the server's answers first of all.
    """

    def __init__(self, *, warm: bool = True, behind: bool = False) -> None:
        self._context = _OneProcess()
        self._executor = ProcessPoolExecutor(1, self._context, initializer=start, initargs=(behind,))
        if warm:
            self._executor.submit(warm_up)

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._context.process.pid if self._context.process else None

    def submit(self, function: Callable[..., T], *given: Any) -> Future[T]:
        """Start a task; its future raises BrokenProcessPool when the process dies of it.

        Raises:
            BrokenProcessPool: the process has died.
        """
        return self._executor.submit(function, *given)

    def kill(self) -> None:
        """End the process at once."""
        if self._context.process is not None and self._context.process.pid is not None:
            self._context.process.kill()
        self._executor.shutdown(wait=False, cancel_futures=True)


def start(behind: bool = False) -> None:
    """Make this process a worker: it ends with its parent, and Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if behind and hasattr(os, "nice"):
        os.nice(NICENESS)
    memory.share()
    logs.configure()
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A killed parent can't stop its workers, and a worker waiting for work would wait for ever.
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def warm_up() -> None:
    """Make a scene of next to nothing: it loads the modules, the depth model and the compiled loops for the first job,
    which would wait for them otherwise."""
    import numpy as np

    from diorama import pipeline, render
    from diorama.settings import Settings

    _decoder().start()
    width, height = WARM_SIZE
    grey = np.full((height, width, 3), 128, np.uint8)
    scene = pipeline.make(grey, Settings(processing_size=width), fetch=False)
    render.render(scene)


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
