"""The run of a batch: hands photos to workers, one each, and keeps what comes of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from diorama import atomic, export
from diorama.batch import keys, photos, pools, work
from diorama.batch.journal import Journal
from diorama.batch.records import Problem, Row, Wanted
from diorama.batch.report import Report
from diorama.cache import Cache
from diorama.errors import DioramaError, InputError, PhotoError, SettingsError, StorageError, WorkerDiedError
from diorama.jobs import cluster
from diorama.jobs.processes import default_slots, unforeseen
from diorama.settings import STEP_STAGES, Settings
from diorama.types import Step

DEATHS_ALLOWED = 3
"""A worker may die as often of a photo before that is quarantined, as on a Dask cluster (`allowed-failures`): in hours
of work others on the machine take its memory, and what was killed for that is innocent. Each time the photo goes to
the end of the queue, where fewer run beside it."""

POLL_SECONDS = 0.2

RECENT = 20
"""Photos from whose seconds the time left is estimated."""


@dataclass(frozen=True)
class Status:
    """How far a batch is."""

    total: int
    done: int  # made, now or earlier
    failed: int  # quarantined ones too
    running: tuple[str, ...]  # the photos that are worked on
    seconds_left: float | None  # None: nothing is known yet
    last: Row | None  # what has just been finished


Progress = Callable[[Status], None]


def wanted(settings: Settings, step: Step, products: Sequence[str], options: Mapping[str, Any]) -> Wanted:
    """What is to be made of each photo.

    Args:
        products: formats, by name.
        options: the formats' own; each takes those that it knows.

    Raises:
        FormatError: there is no such format, it needs a later step, or an extra that isn't installed.
        SettingsError: an option is out of its range, or none of the formats knows it.
        InputError: a format is named twice.
    """
    made = [export.product(name) for name in products]
    if len({one.name for one in made}) < len(made):
        raise InputError("A format is named twice.", hint="Name each once.")
    for name in options:
        if not any(name in one.options.model_fields for one in made):
            raise SettingsError(
                f"Option '{name}' changes nothing in {', '.join(one.ending for one in made)}.", hint="Leave it out."
            )
    chosen: list[tuple[str, dict[str, Any]]] = []
    for one in made:
        one.check(step)
        own = one.parse({name: value for name, value in options.items() if name in one.options.model_fields})
        chosen.append((one.name, own.model_dump(mode="json")))
    steps = list(STEP_STAGES)
    stages = [stage for name in steps[: steps.index(step) + 1] for stage in STEP_STAGES[name]]
    values = {name: value for stage in stages for name, value in settings.of_stage(stage).items()}
    return Wanted(settings=settings.model_validate(values).model_dump(mode="json"), step=step, products=tuple(chosen))


@dataclass
class _Group:
    """Photos whose files hold the same bytes: made once."""

    path: Path
    sha256: str
    rows: list[int]
    deaths: int = 0
    began: float = field(default=0.0, compare=False)


class Batch:
    """Many photos, made with the same settings into the same formats.

    Args:
        sources: folders, patterns, lists, photos (`photos.find`).
        out: the folder of the files, which is made; as the photos stand in their folders the files stand there.
        settings: what to tune; the defaults where None.
        to: formats, by name.
        options: the formats' own.
        until: the last step to make.
        jobs: photos worked on at once; where None, half the cores, or as many as the cluster has workers.
        dask: the address of a Dask scheduler whose workers make the photos, or ``off``; ``DIORAMA_DASK`` where None.
        resume: whether to go on with what an earlier run has left in `out`; else everything is asked for anew.
        fetch: whether missing weights may be downloaded (never when offline).
        pictures: whether the rows get thumbnails.

    Raises:
        InputError: a source can't be used.
        FormatError, SettingsError: see `wanted`.
    """

    def __init__(
        self,
        sources: Sequence[str | Path],
        out: str | Path,
        *,
        settings: Settings | None = None,
        to: Sequence[str] = ("glb",),
        options: Mapping[str, Any] | None = None,
        until: Step | None = None,
        jobs: int | None = None,
        resume: bool = False,
        dask: str | None = None,
        fetch: bool = True,
        pictures: bool = False,
    ) -> None:
        self.out = Path(out)
        self.wanted = wanted(settings or Settings(), until or "final", to, options or {})
        self._found = photos.find(sources, self.out)
        self._rows = [Row(photo=str(one.path), place=one.place) for one in self._found]
        self._jobs, self._dask = jobs, cluster.address(dask)
        self._fetch, self._pictures, self._resume = fetch, pictures, resume
        self._pool: pools.Pool | None = None
        self._decides: list[Any] | None = None
        self._seconds: deque[float] = deque(maxlen=RECENT)

    def run(self, progress: Progress | None = None) -> Report:
        """Make the photos. A photo that can't be made stands in the report with its error; the others go on.

        Raises:
            InputError: another batch writes into `out`.
            StorageError: the disk is full or refuses; what was finished stays, and `resume` goes on.
            InstallationError, ClusterError: the cluster can't be had; likewise.
            KeyboardInterrupt: Ctrl-C; likewise.
        """
        said = progress or (lambda _status: None)
        journal = Journal(self.out, resume=self._resume)
        try:
            queue = self._queue(journal, said)
            if queue:
                self._decides = self._circumstances()
                self._pool = self._open_pool(len(queue), journal)
                self._work(queue, journal, said)
        finally:
            if self._pool is not None:
                self._pool.close()
                self._pool = None
            journal.close()
        return self.report()

    def report(self) -> Report:
        """What became of each photo so far."""
        return Report(rows=tuple(self._rows), wanted=self.wanted)

    def worker_pids(self) -> list[int]:
        """Process ids of the workers on this machine."""
        return self._pool.pids() if self._pool else []

    # ---- before ----------------------------------------------------------------------------------------------

    def _queue(self, journal: Journal, said: Progress) -> deque[_Group]:
        """The photos that are to be made, once those are settled that are there already or can't be read."""
        groups: dict[str, _Group] = {}
        for number, one in enumerate(self._found):
            try:
                sha256 = photos.digest(one.path)
            except PhotoError as error:
                self._rows[number] = self._rows[number].model_copy(
                    update={"state": "failed", "error": work.problem(error)}
                )
                said(self._status({}, self._rows[number]))
                continue
            row = self._rows[number] = self._rows[number].model_copy(update={"sha256": sha256})
            before = journal.finished(self.wanted.key(sha256), one.place)
            if before is not None:
                self._rows[number] = before.model_copy(update={"photo": row.photo, "kept": "resumed"})
                said(self._status({}, self._rows[number]))
            else:
                group = groups.setdefault(sha256, _Group(one.path, sha256, []))
                group.rows.append(number)
                group.deaths = max(group.deaths, journal.deaths(self.wanted.key(sha256), one.place))
        return deque(groups.values())

    def _circumstances(self) -> list[Any] | None:
        """What decides beside photo and settings; None where no cache is used."""
        if not Cache().limit:
            return None
        try:
            return keys.circumstances(self.wanted)
        except DioramaError:  # such as weights that are fetched for the first photo
            return None

    def _open_pool(self, tasks: int, journal: Journal) -> pools.Pool:
        if self._dask is None:
            return pools.LocalPool(min(self._jobs or default_slots(), tasks))
        return pools.ClusterPool(self._dask, journal.unfinished.absolute(), self._jobs)

    # ---- at work ---------------------------------------------------------------------------------------------

    def _work(self, queue: deque[_Group], journal: Journal, said: Progress) -> None:
        pool = self._pool
        assert pool is not None
        running: dict[Future[work.Outcome], _Group] = {}
        while queue or running:
            while queue and pool.free():
                group = queue.popleft()
                group.began = time.monotonic()
                running[pool.submit(self._task(group, journal))] = group
            said(self._status(running, None))
            for future in wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED).done:
                group = running.pop(future)
                group.deaths += pool.died(future)
                outcome = self._outcome(future, group)
                if outcome is None:
                    for number in group.rows:  # a run that goes on counts on
                        waits = self._rows[number].model_copy(update={"deaths": group.deaths})
                        journal.write(self.wanted.key(group.sha256), waits)
                    queue.append(group)
                    continue
                for row in self._settle(group, outcome, journal):
                    said(self._status(running, row))

    def _task(self, group: _Group, journal: Journal) -> work.Task:
        targets = tuple(work.Target(self._found[number].path.name, self._found[number].place) for number in group.rows)
        return work.Task(
            group.path.absolute(),
            group.sha256,
            targets,
            self.out.absolute(),
            journal.unfinished.absolute(),
            self.wanted,
            self._fetch,
            self._pictures,
            "" if self._decides is None else keys.scene_key(group.sha256, self.wanted, self._decides),
        )

    def _outcome(self, future: Future[work.Outcome], group: _Group) -> work.Outcome | None:
        """What came of a photo; None: its worker has died, and it is tried once more."""
        error = future.exception()
        if error is None:
            return future.result()
        if not group.deaths:  # such as a record that can't be pickled
            return work.Outcome(error=work.problem(unforeseen(error if isinstance(error, Exception) else Exception())))
        return None if group.deaths <= DEATHS_ALLOWED else work.Outcome(error=work.problem(_quarantined(group.deaths)))

    def _settle(self, group: _Group, outcome: work.Outcome, journal: Journal) -> list[Row]:
        """Write down what became of a photo, under each of its names."""
        if outcome.storage:
            self._check_disk(journal, outcome.error)
        rows = []
        for at, number in enumerate(group.rows):
            row = self._rows[number].model_copy(update=_news(group, outcome, at))
            self._rows[number] = row  # first: Ctrl-C may come while the line is written, and counts what is made
            journal.write(self.wanted.key(group.sha256), row)
            rows.append(row)
        if outcome.error is None and not outcome.kept:
            self._seconds.append(outcome.seconds)
        return rows

    def _check_disk(self, journal: Journal, error: Problem | None) -> None:
        """Whether a refusal was this photo's (a name too long, say) or would be every other's as well.

        Raises:
            StorageError: nothing can be written.
        """
        try:
            with atomic.writing(journal.folder / "space") as file:
                file.write(bytes(1 << 20))
            (journal.folder / "space").unlink()
        except StorageError as full:
            assert error is not None
            raise StorageError(error.message, hint=f"{full.hint} Then go on with --resume.") from None

    def _status(self, running: Mapping[Future[work.Outcome], _Group], last: Row | None) -> Status:
        states = [row.state for row in self._rows]
        now = time.monotonic()
        left = None
        if self._seconds:
            usual = mean(self._seconds)
            begun = sum(max(usual - (now - group.began), 0.1 * usual) for group in running.values())
            numbers = sum(len(group.rows) for group in running.values())
            waiting = states.count("waiting") - numbers
            left = (begun + max(waiting, 0) * usual) / max(1, len(running))
        return Status(
            total=len(states),
            done=states.count("done"),
            failed=states.count("failed") + states.count("quarantined"),
            running=tuple(self._rows[group.rows[0]].photo for group in running.values()),
            seconds_left=left,
            last=last,
        )


def _news(group: _Group, outcome: work.Outcome, at: int) -> dict[str, Any]:
    """What changes in the row of the group's photo number `at`."""
    if outcome.error is not None:
        state = "quarantined" if group.deaths > DEATHS_ALLOWED else "failed"
        return {"state": state, "error": outcome.error, "deaths": group.deaths, "seconds": outcome.seconds}
    made = outcome.made[at]
    return {
        "state": "done",
        "files": made.files,
        "seconds": made.seconds,
        "warnings": outcome.warnings,
        "triangles": outcome.triangles,
        "thumbnail": outcome.thumbnail,
        "deaths": group.deaths,
        "kept": "cache" if outcome.kept else "same photo" if at else "",
    }


def _quarantined(deaths: int) -> WorkerDiedError:
    return WorkerDiedError(
        f"{deaths} worker processes died while they worked on this photo, most likely for lack of memory.",
        hint="It is left out when the batch is gone on with. Make it alone, with a smaller geometry detail and texture "
        "size, or run the batch without --resume.",
    )


def run(
    sources: str | Path | Sequence[str | Path], out: str | Path, *, progress: Progress | None = None, **how: Any
) -> Report:
    """Make many photos: `Batch(sources, out, **how).run(progress)`.

    Raises:
        InputError, FormatError, SettingsError, StorageError: see `Batch`.
    """
    given = [sources] if isinstance(sources, (str, Path)) else sources
    return Batch(given, out, **how).run(progress)
