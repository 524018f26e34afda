"""Files that are written beside a step's last stage: those that don't show the surface that it makes; and beside its
saving, the first of those that do."""

from __future__ import annotations

import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from diorama import atomic
from diorama.jobs import outputs

if TYPE_CHECKING:
    from diorama.types import Scene


FIRST = 2
"""Files of the surface that are begun before the others."""


class EarlyFiles:
    """A folder beside the results where files are begun; what isn't taken from it until the block's end is removed.

    The last stage keeps one core busy; compressing and writing what is there already keeps the other one.
    """

    def __init__(self, results: Path) -> None:
        self._folder = atomic.sibling(results / "ahead")
        self._pool = ThreadPoolExecutor(1)
        self._begun: dict[str, Future[None]] = {}

    def __enter__(self) -> EarlyFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def begin(self, scene: Scene, before: Scene | None = None) -> None:
        """Start to write what doesn't need the surface, which `scene` lacks; or shows the step `before`, if given."""
        for output in outputs.OUTPUTS[scene.step]:
            if not output.surface and (before is not None or not output.before):
                self._submit(output, scene, before)

    def go_on(self, scene: Scene) -> None:
        """Start to write the first files that show the surface: the stage that made it is still being saved, which
        takes about as long as these."""
        free = [one for one in outputs.OUTPUTS[scene.step] if one.surface and one.write and not one.before]
        for output in free[:FIRST]:
            self._submit(output, scene, None)

    def _submit(self, output: outputs.Output, scene: Scene, before: Scene | None) -> None:
        with atomic.refusals(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        self._begun[output.name] = self._pool.submit(outputs.write, output, scene, self._folder, before)

    def take(self, name: str, path: Path) -> bool:
        """Put a file of that name at `path`; False where it wasn't begun, or waits behind others.

        Raises:
            InputError, StorageError: it could not be written.
        """
        begun = self._begun.get(name)
        if begun is None or begun.cancel():
            return False
        begun.result()
        with atomic.refusals(path):
            (self._folder / name).rename(path)
        return True
