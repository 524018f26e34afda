"""What is to be made of each photo of a batch, and what became of it."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from diorama.products import PRODUCTS
from diorama.settings import Settings

State = Literal["waiting", "done", "failed", "quarantined"]
"""`failed`: it can't be made, and the error says why; the next run tries again. `quarantined`: workers died of it, and
no run with the same settings tries again."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(_Record):
    """An error as it is reported."""

    code: str
    message: str
    hint: str


class File(_Record):
    """A file that was made."""

    path: str  # below the batch's folder, with "/"
    label: str  # for a person
    bytes: int
    notes: tuple[str, ...] = ()


class Row(_Record):
    """One photo of a batch."""

    photo: str  # its path, as it was named
    place: str  # of its files, below the batch's folder, without an ending
    state: State = "waiting"
    sha256: str = ""  # of the photo's file; empty where that can't be read
    files: tuple[File, ...] = ()
    warnings: tuple[str, ...] = ()
    triangles: int | None = None
    seconds: float = 0.0  # a worker's, for this photo
    kept: Literal["", "resumed", "cache", "same photo"] = ""  # why nothing had to be computed
    deaths: int = 0  # workers that died while they worked on it
    error: Problem | None = None
    thumbnail: str = ""  # JPEG of the scene, base64


class Wanted(_Record):
    """What is made of every photo: two batches with equal ones make the same files."""

    settings: dict[str, Any]  # every one that the step reads
    step: Literal["original", "enhanced", "final"]
    products: tuple[tuple[str, dict[str, Any]], ...]  # name and all options

    def key(self, sha256: str) -> str:
        """Of the photo with that hash, as asked for."""
        versions = [PRODUCTS[name].version for name, _ in self.products]
        return hashlib.sha256(f"{sha256} {versions} {self.model_dump_json()}".encode()).hexdigest()[:32]

    def tuning(self) -> Settings:
        """The settings as such."""
        return Settings.parse(self.settings)
