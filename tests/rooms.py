"""The benchmark's rooms and streets, whose every distance and direction is known."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location("benchmark_rooms", Path(__file__).parents[1] / "benchmarks" / "rooms.py")
assert _SPEC is not None
assert _SPEC.loader is not None
_MODULE = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = _MODULE  # dataclasses look their module up
_SPEC.loader.exec_module(_MODULE)

View = _MODULE.View
view = _MODULE.view
degraded = _MODULE.degraded
