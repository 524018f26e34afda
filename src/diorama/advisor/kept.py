"""Answers that were paid for, kept in the cache folder under a hash of what was sent and to whom."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from diorama import weights
from diorama.atomic import refusals, writing

MOST = 200
"""Answers; the oldest go first."""

MAX_BYTES = 1 << 21


def name_of(body: dict[str, Any], identity: str) -> str:
    """The answer's name: picture, question, model and server, and no more."""
    return hashlib.sha256(json.dumps([identity, body], sort_keys=True).encode()).hexdigest()


def load(name: str) -> str | None:
    """The text that was answered; None where it is not there, or damaged."""
    path = _folder() / f"{name}.json"
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        text = json.loads(path.read_text(encoding="utf-8"))["text"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return text if isinstance(text, str) else None


def save(name: str, text: str) -> None:
    """Keep an answer, and drop the oldest over `MOST`.

    Raises:
        StorageError: the disk is full or refuses.
    """
    folder = _folder()
    with refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with writing(folder / f"{name}.json") as file:
            file.write(json.dumps({"text": text}).encode())
        files = sorted(folder.glob("*.json"), key=_age)
        for path in files[: max(0, len(files) - MOST)]:
            path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process dropped it
        return 0.0


def _folder() -> Path:
    return weights.cache_folder() / "advice"
