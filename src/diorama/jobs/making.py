"""What a worker process does for a product: read the step's scene, make the file, tell how far it is."""

from __future__ import annotations

import logging
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from diorama import atomic
from diorama.errors import DioramaError, JobError, SceneFileError, StorageError
from diorama.jobs import space
from diorama.jobs.files import JobFolder
from diorama.jobs.processes import unforeseen
from diorama.jobs.products import Products
from diorama.jobs.reporting import REPORT_SECONDS, ClaimLostError
from diorama.jobs.store import Claim, Store, error_record
from diorama.jobs.work import Outcome

log = logging.getLogger(__name__)

SCENE = "scene.diorama"
"""The file of a finished step that holds the whole scene."""

READ_SHARE = 0.1
"""Of the work, for reading the scene."""

ABANDONED_SECONDS = 6 * 3600
"""No product takes as long: what is older and unfinished was left by a worker that was killed."""


@dataclass(frozen=True)
class ProductTask:
    """One product of one job, as it is sent to a worker."""

    claim: Claim
    store: URL
    folder: Path  # the job's
    source: str  # the folder of the step's result
    stem: str  # of the file's name
    product: str
    options: dict[str, Any]
    files: str = ""  # the store that machines share, if there is one


def run(task: ProductTask) -> Outcome:
    """Make the product; every error becomes a record with a sentence and a hint."""
    store = Store(task.store)
    try:
        return Outcome(result=_make(task, Products(store)))
    except ClaimLostError:
        return Outcome()
    except DioramaError as error:
        return Outcome(error=error_record(error))
    except Exception as error:
        log.exception("product %s of job %s", task.product, task.claim.job_id)
        return Outcome(error=error_record(unforeseen(error)))
    finally:
        store.close()


def _make(task: ProductTask, products: Products) -> dict[str, Any]:
    from diorama import bundle, export

    made = export.product(task.product)
    options = made.parse(task.options)
    reporter = _Reporter(products, task.claim)
    reporter(0.0, "Reading the scene")
    folder = JobFolder(task.folder, task.files)
    try:
        scene = bundle.read(folder.pulled(folder.outputs / task.source / SCENE))
    except SceneFileError:
        raise JobError(
            "The step's scene is not kept any more.", hint="Run the step again, then ask for this once more."
        ) from None
    space.require(task.folder)
    target = folder.product(task.claim.product)
    temporary = atomic.sibling(target)
    with atomic.refusals(target):
        try:
            _sweep(target.parent)
            temporary.mkdir(parents=True)
            path = temporary / made.named(task.stem, options)
            notes = made.write(
                scene, path, options, lambda share, said: reporter(READ_SHARE + (1 - READ_SHARE) * share, said)
            )
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
            folder.push(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return {"file": path.name, "bytes": (target / path.name).stat().st_size, "notes": list(notes)}


def _sweep(root: Path) -> None:
    for left in root.glob(atomic.SIBLINGS):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


class _Reporter:
    """Writes how far a product is, not too often."""

    def __init__(self, products: Products, claim: Claim) -> None:
        self._products = products
        self._claim = claim
        self._written = 0.0
        self._said = ""

    def __call__(self, share: float, message: str) -> None:
        if message == self._said and time.monotonic() - self._written < REPORT_SECONDS:
            return
        self._written, self._said = time.monotonic(), message
        try:
            held = self._products.report(self._claim, round(min(max(share, 0.0), 1.0), 4), message)
        except StorageError:
            log.warning("progress of a product of job %s could not be written", self._claim.job_id, exc_info=True)
            return
        if not held:
            raise ClaimLostError
