"""Which loops are compiled, when they are needed first, and what compiling each costs.

    python benchmarks/loops.py              make a scene and look at it; write src/diorama/loops.json
    python benchmarks/loops.py --check      only say what small pictures need that is not in it; 1 where anything is
    python benchmarks/loops.py --cold       with an empty cache: processor seconds of the compiler for each as well

A small grey picture, one of noise and an example photo go through all steps with the files that the web app writes;
what was compiled or loaded since the stage before is what a stage needs. Functions that only loops call are compiled
into those.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SMALL = 96, 64
"""Pixels across and down."""


class Watch:
    """The loops that are there, in the order in which they came, and the seconds of those that were compiled."""

    def __init__(self) -> None:
        from numba.core import event

        self.groups: dict[str, list[tuple[str, str]]] = {}
        self.seconds: dict[tuple[str, str], float] = {}
        self._seen: set[tuple[str, str]] = set()
        self._inner: set[tuple[str, str]] = set()
        self._open: list[tuple[float, tuple[str, str]]] = []
        watch = self

        class Listener(event.Listener):  # type: ignore[misc]
            def on_start(self, one: Any) -> None:
                entry = _name(one.data["dispatcher"]), _types(one.data["args"])
                if watch._open:
                    watch._inner.add(entry)
                watch._open.append((time.process_time(), entry))

            def on_end(self, _event: Any) -> None:
                start, entry = watch._open.pop()
                watch.seconds[entry] = time.process_time() - start

        event.register("numba:compile", Listener())

    def look(self, group: str) -> None:
        """What is new belongs to the group."""
        found = self.groups.setdefault(group, [])
        for entry in _there():
            if entry not in self._seen:
                self._seen.add(entry)
                if entry not in self._inner:
                    found.append(entry)


def _there() -> Iterator[tuple[str, str]]:
    from numba.core.dispatcher import Dispatcher

    for name, module in sorted(sys.modules.items()):
        if name.startswith("diorama"):
            for value in list(vars(module).values()):
                if isinstance(value, Dispatcher) and value.py_func.__module__ == name:
                    for types in value.signatures:
                        yield _name(value), _types(types)


def _name(dispatcher: Any) -> str:
    return f"{dispatcher.py_func.__module__}:{dispatcher.py_func.__name__}"


def _types(types: tuple[Any, ...]) -> str:
    """As `numba.njit` takes them."""
    from numba import types as kinds

    def one(kind: Any) -> str:
        if isinstance(kind, kinds.Array):
            colons = {"C": [":"] * (kind.ndim - 1) + ["::1"], "F": ["::1"] + [":"] * (kind.ndim - 1)}
            short = f"{kind.dtype}[{', '.join(colons.get(kind.layout, [':'] * kind.ndim))}]"
            return short if kind.mutable else f'Array({kind.dtype}, {kind.ndim}, "{kind.layout}", readonly=True)'
        return str(kind)

    return f"({', '.join(map(one, types))}{',' if len(types) == 1 else ''})".replace("bool[", "boolean[")


def watched(*, small: bool) -> Watch:
    """Make scenes as the web app does; `small`: of small pictures alone."""
    import numpy as np

    from diorama import photo, pipeline
    from diorama.jobs import outputs
    from diorama.settings import Settings

    watch = Watch()
    width, height = SMALL
    noise = np.random.default_rng(0).normal(128, 30, (height, width, 3))
    sources: list[tuple[Any, Settings]] = [
        (np.full((height, width, 3), 128, np.uint8), Settings(processing_size=width)),
        (np.clip(noise, 0, 255).astype(np.uint8), Settings(processing_size=width)),
    ]
    if not small:
        sources.append((photo.example(next(iter(photo.EXAMPLES))), Settings()))
    with tempfile.TemporaryDirectory() as folder:
        for number, (source, settings) in enumerate(sources):
            before = None
            for step in pipeline.STEPS:
                scene = pipeline.make(
                    source,
                    settings,
                    until=step,
                    fetch=False,
                    progress=lambda _stage, _share, _message, step=step: watch.look(step),
                )
                watch.look(step)
                place = Path(folder) / f"{step}{number}"
                place.mkdir()
                for output in outputs.OUTPUTS[step]:
                    outputs.write(output, scene, place, before)
                    drawn = output.name.endswith(".jpg") and output.name not in ("photo.jpg", "depth.jpg")
                    watch.look("view" if drawn else step)
                before = scene
    return watch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--cold", action="store_true")
    given = parser.parse_args()
    if given.cold:
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="loops")
    from diorama.compiling import LOOPS

    watch = watched(small=given.check)
    if given.cold:
        for group, entries in watch.groups.items():
            total = sum(watch.seconds.get(entry, 0.0) for entry in entries)
            print(f"{group}: {len(entries)} loops, {total:.1f} s")
            for entry in sorted(entries, key=lambda entry: -watch.seconds.get(entry, 0.0)):
                print(f"  {watch.seconds.get(entry, 0.0):6.2f} {entry[0]}{entry[1]}")
        return 0
    if given.check:
        listed = {tuple(entry) for entries in json.loads(LOOPS.read_text()).values() for entry in entries}
        found = {entry for entries in watch.groups.values() for entry in entries}
        for entry in sorted(found - listed):
            print("not listed:", *entry)
        return int(not found <= listed)
    lines = [
        f"  {json.dumps(group)}: [\n" + ",\n".join(f"    {json.dumps(entry)}" for entry in entries) + "\n  ]"
        for group, entries in watch.groups.items()
    ]
    LOOPS.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(*(f"{group}: {len(entries)} loops" for group, entries in watch.groups.items()), sep=", ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
