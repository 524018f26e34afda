"""Results that may be begun before they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

from diorama import networks

T = TypeVar("T")


class Ahead(Generic[T]):
    """A result that may be begun in another thread; what runs networks there is observed where it is asked for."""

    def __init__(self, make: Callable[[], T], pool: Executor) -> None:
        self._make = make
        self._pool = pool
        self._begun: Future[tuple[T, networks.Observed]] | None = None

    @property
    def is_begun(self) -> bool:
        return self._begun is not None

    def begin(self) -> None:
        if self._begun is None:
            self._begun = self._pool.submit(self._observed)

    def __call__(self) -> T:
        if self._begun is None:
            return self._make()
        made, seen = self._begun.result()
        networks.note(seen)
        return made

    def _observed(self) -> tuple[T, networks.Observed]:
        with networks.observed() as seen:
            return self._make(), seen
