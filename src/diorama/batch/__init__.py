"""Many photos at once: workers, a journal, a report.

    from diorama import batch

    report = batch.run("holiday", "scenes", to=["glb", "mp4"], resume=True)
    for row in report.failed:
        print(row.photo, row.error.message)

photos   which photos, and where the files of each go
records  what is wanted of each, and what became of it
work     what a worker process does with one
keys     what decides how a scene turns out, for the cache
pools    the worker processes
journal  what was finished, so that a run that was killed goes on
run      hands photos to workers and keeps what comes of them
report   what became of all of them, as HTML or CSV
"""

from __future__ import annotations

from diorama.batch.records import File, Problem, Row, Wanted
from diorama.batch.report import Report
from diorama.batch.run import Batch, Progress, Status, run

__all__ = ["Batch", "File", "Problem", "Progress", "Report", "Row", "Status", "Wanted", "run"]
