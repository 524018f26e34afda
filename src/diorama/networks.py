"""Networks kept as ONNX files: one session each per process, on the best hardware there is, and errors as sentences.

``DIORAMA_PROVIDER`` forces what runs them (`PROVIDERS` has the names); without it the first of these that this
onnxruntime has is taken, and the CPU where it fails. `observed` says which it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from diorama import memory
from diorama.errors import ModelError, SettingsError

if TYPE_CHECKING:
    import onnxruntime

MAX_THREADS = 4
"""More make these small networks no faster, and several jobs share a machine."""

MAX_SESSIONS = 8
"""Kept loaded: MobileSAM's halves, an inpainter and a few depth models."""

PROVIDERS = {
    "cuda": ("CUDAExecutionProvider", "CUDA", "onnxruntime-gpu"),
    "directml": ("DmlExecutionProvider", "DirectML", "onnxruntime-directml"),
    "coreml": ("CoreMLExecutionProvider", "CoreML", "onnxruntime"),
    "openvino": ("OpenVINOExecutionProvider", "OpenVINO", "onnxruntime-openvino"),
    "cpu": ("CPUExecutionProvider", "CPU", "onnxruntime"),
}
"""name -> onnxruntime's name, the name for a person, the package that brings it; in the order of preference."""


@dataclass
class Observed:
    """What ran in a block: the providers' names for a person, in order, and what went wrong with others."""

    providers: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def note(self, provider: str, warning: str) -> None:
        """Once each."""
        if provider not in self.providers:
            self.providers.append(provider)
        if warning and warning not in self.warnings:
            self.warnings.append(warning)


@dataclass(frozen=True)
class _Loaded:
    session: onnxruntime.InferenceSession
    provider: str  # of `PROVIDERS`
    warning: str = ""  # why it isn't the one that was tried first


_observers: ContextVar[tuple[Observed, ...]] = ContextVar("observers", default=())
_on_cpu: dict[Path, str] = {}  # networks that failed elsewhere while they ran, and the sentence


@contextmanager
def observed() -> Iterator[Observed]:
    """Collect what runs networks within the block, in this thread."""
    seen = Observed()
    token = _observers.set((*_observers.get(), seen))
    try:
        yield seen
    finally:
        _observers.reset(token)


def note_provider(name: str, warning: str = "") -> None:
    """Tell the observers what runs a network that is no ONNX file (``CPU``, ``CUDA``, ...)."""
    for observer in _observers.get():
        observer.note(name, warning)


def note(seen: Observed) -> None:
    """Tell this thread's observers what was seen in another."""
    for observer in _observers.get():
        for provider, warning in zip_longest(seen.providers, seen.warnings, fillvalue=""):
            observer.note(provider or seen.providers[0], warning)


def available_providers() -> list[str]:
    """The names of `PROVIDERS` that this onnxruntime has, best first."""
    import onnxruntime

    have = onnxruntime.get_available_providers()
    return [name for name, (theirs, _, _) in PROVIDERS.items() if theirs in have]


def chosen_provider() -> str:
    """What networks are tried on first: ``DIORAMA_PROVIDER``, else the best that this onnxruntime has.

    Raises:
        SettingsError: ``DIORAMA_PROVIDER`` names none, or one that this onnxruntime lacks.
    """
    wanted = os.environ.get("DIORAMA_PROVIDER", "").strip().lower()
    have = available_providers()
    if wanted in ("", "auto"):
        return have[0] if have else "cpu"
    if wanted not in PROVIDERS:
        raise SettingsError(
            f"DIORAMA_PROVIDER is '{wanted[:40]}', which names nothing that runs networks.",
            hint=f"Use one of: auto, {', '.join(PROVIDERS)}.",
        )
    if wanted not in have:
        raise SettingsError(
            f"DIORAMA_PROVIDER is '{wanted}', and the installed onnxruntime can't use it.",
            hint=f"Install {PROVIDERS[wanted][2]} in place of onnxruntime, or use one of: auto, {', '.join(have)}.",
        )
    return wanted


def session(path: Path, at_once: int = 1) -> onnxruntime.InferenceSession:
    """The model's session; loaded once in a process for each number of networks that run at once.

    Raises:
        ModelError: the file is damaged or needs a newer onnxruntime.
        SettingsError: ``DIORAMA_PROVIDER`` can't be used.
    """
    return _load(path, at_once).session


def run(
    path: Path, inputs: Mapping[str, npt.NDArray[Any]], *outputs: str, hint: str, at_once: int = 1
) -> list[npt.NDArray[Any]]:
    """The network's answers: the named outputs, or all where none is named.

    Args:
        hint: what the user can do when the network fails.
        at_once: how many networks the caller runs at the same time, so that they share the cores.

    Raises:
        ModelError: the network can't be loaded, fails, or has other inputs and outputs than these.
        SettingsError: ``DIORAMA_PROVIDER`` can't be used.
    """
    loaded = _load(path, at_once)
    try:
        answers = loaded.session.run(list(outputs) or None, dict(inputs))
    except Exception as error:  # onnxruntime's errors have no common base but this
        if loaded.provider == "cpu":
            raise ModelError(f"The network {path.name} failed: {_first_line(error)}.", hint=hint) from error
        _on_cpu[path] = _fell_back(path, loaded.provider, error)
        return run(path, inputs, *outputs, hint=hint, at_once=at_once)
    note_provider(PROVIDERS[loaded.provider][1], loaded.warning)
    return [np.asarray(answer) for answer in answers]


def _load(path: Path, at_once: int) -> _Loaded:
    """On what is to run it; on the CPU where it failed there before."""
    if path in _on_cpu:
        return _Loaded(_session(path, "cpu", at_once), "cpu", _on_cpu[path])
    provider = chosen_provider()
    try:
        return _Loaded(_session(path, provider, at_once), provider)
    except ModelError as error:
        if provider == "cpu":
            raise
        on_cpu = _session(path, "cpu", at_once)  # a damaged file fails here as well
        _on_cpu[path] = _fell_back(path, provider, error.__cause__ or error)
        return _Loaded(on_cpu, "cpu", _on_cpu[path])


def _session(path: Path, provider: str, at_once: int) -> onnxruntime.InferenceSession:
    try:
        status = path.stat()
        stamp = status.st_mtime_ns, status.st_size
    except OSError:
        stamp = (0, 0)  # opening it says what is wrong
    return _open(path, provider, stamp, max(1, threads() // at_once))


@lru_cache(maxsize=MAX_SESSIONS)
def _open(path: Path, provider: str, _stamp: tuple[int, int], threads: int) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = not memory.is_shared()  # it would keep for this network what others need
    options.enable_mem_pattern = False  # plans are kept for each input size: 270 MB more after six sizes, no faster
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores to others
    options.log_severity_level = 4  # what goes wrong is raised, and said once
    theirs = PROVIDERS[provider][0]
    names = dict.fromkeys([theirs, "CPUExecutionProvider"])  # for the operators that it lacks
    try:
        made = onnxruntime.InferenceSession(str(path), options, providers=list(names))
        if theirs not in made.get_providers():  # onnxruntime says no more when a driver is missing
            raise RuntimeError(f"onnxruntime could not start {PROVIDERS[provider][1]}")
    except Exception as error:  # as above
        raise ModelError(
            f"The network {path.name} can't be loaded: {_first_line(error)}.",
            hint=f"Check the file with 'diorama models verify', or reinstall Diorama if it came with it: {path}.",
        ) from error
    return made


def _fell_back(path: Path, provider: str, error: BaseException) -> str:
    return (
        f"The network {path.name} failed on {PROVIDERS[provider][1]} and ran on the CPU instead: {_first_line(error)}."
    )


def threads() -> int:
    """How many threads a network gets."""
    return max(1, min(MAX_THREADS, _cores()))


def _cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine's."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")[:200]
