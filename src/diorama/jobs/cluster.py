"""Workers on other machines: a Dask scheduler's, which are given one photo at a time each.

Dask blames every task that was *assigned* to a worker that dies, not the running one alone, and gives a task up after
`allowed-failures` (3) such deaths. So no more tasks are handed over than there are workers; what waits, waits here.
A task whose worker died is run by another: the scheduler sees to that.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from diorama import __version__
from diorama.errors import ClusterError, DioramaError, InstallationError, JobNotFoundError, WorkerDiedError
from diorama.jobs.processes import unforeseen
from diorama.jobs.remote import open_remote

if TYPE_CHECKING:
    from diorama.jobs.making import ProductTask
    from diorama.jobs.work import Outcome, Task

log = logging.getLogger(__name__)

INSTALL = "pip install 'diorama-3d[cluster]'"

CONNECT_SECONDS = 10.0
"""For the scheduler to answer."""

LOOK_SECONDS = 2.0
"""How old the number of workers may be."""

_ONE = threading.Lock()
"""One photo a process at a time, however many threads its worker has: memory is what a photo needs most."""

T = TypeVar("T")


def address(given: str | None = None) -> str | None:
    """The scheduler's: `given`, else ``DIORAMA_DASK``; None where there is none, or ``off`` is given."""
    found = (given or os.environ.get("DIORAMA_DASK", "")).strip()
    return None if found.lower() in ("", "off") else found


class Cluster:
    """A Dask scheduler and its workers.

    Raises:
        InstallationError: Dask isn't installed.
        ClusterError: the scheduler doesn't answer.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._looked = -LOOK_SECONDS
        self._fit: dict[str, bool] = {}  # by a worker's address: whether it can run Diorama
        self._client: Any = None
        self._executor: Any = None
        self._connect()

    def workers(self) -> int:
        """How many workers there are that can run Diorama, each a process; 0 while the scheduler can't be reached."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_SECONDS:
                self._fit = self._look()
                self._looked = time.monotonic()
            return sum(self._fit.values())

    def submit(self, function: Callable[..., T], *given: Any) -> Future[T]:
        """Run a function of this package on a worker.

        Its future is cancelled where the scheduler goes away; else see `blame`.

        Raises:
            ClusterError: the scheduler has gone.
        """
        how: dict[str, Any] = {"pure": False}  # "pure" tasks of equal arguments would be one
        if not all(self._fit.values()):  # a worker that can't read a task says nothing at all
            how["workers"] = [worker for worker, fit in self._fit.items() if fit]
        try:
            future: Future[T] = self._executor.submit(_alone, function, *given, **how)
        except Exception as error:  # a closed client raises RuntimeErrors and its own
            raise self._gone() from error
        return future

    def blame(self, future: Future[Any]) -> tuple[int, DioramaError]:
        """How many workers a failed future has cost, and what is to be said of it.

        Raises:
            ClusterError: the scheduler has gone, and the future with it.
        """
        if future.cancelled():
            raise self._gone()
        error = future.exception()
        deaths = getattr(error, "allowed_failures", None)
        if deaths is not None:  # distributed.scheduler.KilledWorker
            return deaths + 1, WorkerDiedError(
                f"{deaths + 1} workers of the cluster died while they worked on this photo, most likely for lack of "
                "memory.",
                hint="Make it with a smaller geometry detail and texture size, or choose another photo.",
            )
        return 0, unforeseen(error if isinstance(error, Exception) else RuntimeError(str(error)))

    def ask(self, function: Callable[..., T], *given: Any) -> dict[str, T]:
        """What every worker answers, by its address.

        Raises:
            ClusterError: a worker can't run the function, as where it lacks Diorama or has another version of it.
        """
        try:
            answers = self._client.run(function, *given, on_error="return")
            versions = self._client.run(_version, on_error="return")
        except Exception as error:
            raise self._gone() from error
        gone = {worker for worker, said in [*versions.items(), *answers.items()] if isinstance(said, OSError)}
        versions, answers = ({w: said for w, said in one.items() if w not in gone} for one in (versions, answers))
        for worker, version in versions.items():
            if version != __version__:
                raise self._misfit(worker, version)
        for worker, answer in answers.items():
            if isinstance(answer, BaseException):
                raise self._misfit(worker, answer)
        return dict(answers)

    def close(self) -> None:
        """Let go of the workers; what runs there runs to its end."""
        client, self._client = self._client, None
        if client is not None:
            client.close(timeout=2)

    def _connect(self) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise InstallationError(
                f"Workers on a Dask cluster ({self.address}) need a package that isn't installed: {error.name}.",
                hint=f"Install it: {INSTALL}",
            ) from error
        logging.getLogger("distributed").setLevel(logging.ERROR)
        try:
            client: Any = Client  # untyped
            self._client = client(self.address, timeout=CONNECT_SECONDS, set_as_default=False, name="diorama")
        except (OSError, ValueError, RuntimeError, TypeError) as error:  # TimeoutError is an OSError
            raise ClusterError(
                f"No Dask scheduler answers at {self.address}: {_first_line(error)}.",
                hint="Start one with `dask scheduler`, and give its address, such as tcp://127.0.0.1:8786.",
            ) from error
        self._executor = self._client.get_executor()

    def _look(self) -> dict[str, bool]:
        """The workers of now; who is new is asked for its version."""
        try:
            if self._client is None or self._client.status != "running":
                log.warning("the Dask scheduler %s has gone: trying again", self.address)
                self.close()
                self._connect()
            there = list(self._client.nthreads())
            new = [worker for worker in there if worker not in self._fit]
            versions = self._client.run(_version, workers=new, on_error="return") if new else {}
        except Exception as error:  # as above
            log.warning("the Dask scheduler %s doesn't answer: %s", self.address, _first_line(error))
            return {}
        for worker, version in versions.items():
            if version != __version__:
                log.warning("%s is given no work: %s", worker, self._misfit(worker, version))
        fit = self._fit | {worker: version == __version__ for worker, version in versions.items()}
        return {worker: fit[worker] for worker in there if worker in fit}

    def _gone(self) -> ClusterError:
        return ClusterError(
            f"The Dask scheduler at {self.address} has gone.", hint="Start it again, then go on with what was begun."
        )

    def _misfit(self, worker: str, answer: object) -> ClusterError:
        if isinstance(answer, BaseException):
            said = f"The worker {worker} of the cluster can't run Diorama: {_first_line(answer)}."
        else:
            said = f"The worker {worker} of the cluster has version {answer} of Diorama, and this is {__version__}."
        return ClusterError(said, hint=f"Install the same version on all its machines, with its extra: {INSTALL}")


class ClusterWorker:
    """What a slot of a server has instead of a process of its own: a place on the cluster."""

    pid = None
    compiles = False  # before a task begins; while it is made, that says so itself

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._future: Future[Any] | None = None

    def submit(self, function: Callable[..., Outcome], task: Task | ProductTask) -> Future[Outcome]:
        """Start a task.

        Raises:
            ClusterError: the scheduler has gone.
        """
        self._future = self._cluster.submit(elsewhere, function, task)
        return self._future

    def kill(self) -> None:
        """Let go of the task. A worker that is at it finds that its claim is lost when it next tells how far it is."""
        if self._future is not None:
            self._future.cancel()


def elsewhere(function: Callable[..., Outcome], task: Task | ProductTask) -> Outcome:
    """Run a server's task on this machine.

    Where machines share a store of files, in a folder for this task alone; else in the server's, which has to be there
    under the same name.
    """
    import shutil
    import tempfile

    if task.files:
        with tempfile.TemporaryDirectory(prefix="diorama-") as root:
            outcome = function(_moved(task, Path(root)))
        if _is_deleted(task):  # what was pushed since
            open_remote(task.files).remove(f"jobs/{task.claim.job_id}")
        return outcome
    if not task.folder.parent.is_dir():
        from diorama.jobs.store import error_record
        from diorama.jobs.work import Outcome

        error = ClusterError(
            f"A worker doesn't see the server's folder {task.folder.parent}.",
            hint="Share that folder among all machines under one name, or set DIORAMA_STORE to a store they reach.",
        )
        return Outcome(error=error_record(error))
    outcome = function(task)
    if outcome.result is None and outcome.error is None and _is_deleted(task):
        shutil.rmtree(task.folder, ignore_errors=True)  # what was written since
    return outcome


def _moved(task: Task | ProductTask, root: Path) -> Task | ProductTask:
    folder = root / task.folder.name
    folder.mkdir()
    upload = getattr(task, "upload", None)
    changes = {"folder": folder} | ({"upload": folder / upload.relative_to(task.folder)} if upload else {})
    return replace(task, **changes)


def _is_deleted(task: Task | ProductTask) -> bool:
    from diorama.jobs.store import Store

    store = Store(task.store)
    try:
        store.get(task.claim.job_id)
    except JobNotFoundError:
        return True
    finally:
        store.close()
    return False


def _alone(function: Callable[..., T], *given: Any) -> T:
    with _ONE:
        return function(*given)


def _version() -> str:
    return __version__


def _first_line(error: BaseException) -> str:
    said = str(error).strip().splitlines()
    return said[0].rstrip(".")[:200] if said else type(error).__name__
