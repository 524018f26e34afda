"""What a user may keep, and for how long; without the environment's word everything, for ever.

DIORAMA_QUOTA_JOBS    jobs a user
DIORAMA_QUOTA_BYTES   bytes a user, such as 20GB: uploads, stages, results, products
DIORAMA_KEEP_DAYS     jobs that nobody has looked at for so many days are removed
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from diorama.errors import QuotaError, SettingsError
from diorama.jobs.products import Products
from diorama.jobs.space import bytes_of
from diorama.jobs.store import Store


@dataclass(frozen=True)
class Quotas:
    """Limits a user; 0 means none."""

    jobs: int = 0
    bytes: int = 0
    days: float = 0.0

    @staticmethod
    def from_environment() -> Quotas:
        """The limits that the environment names.

        Raises:
            SettingsError: one of them is no number.
        """
        size = os.environ.get("DIORAMA_QUOTA_BYTES", "")
        return Quotas(
            int(_number("DIORAMA_QUOTA_JOBS")),
            bytes_of(size, "DIORAMA_QUOTA_BYTES") if size else 0,
            _number("DIORAMA_KEEP_DAYS"),
        )

    def check(self, store: Store, products: Products, user: str, *, jobs: int = 0, size: int = 0) -> None:
        """Refuse what would be more than the user may keep.

        Args:
            jobs: how many would be added.
            size: bytes that would be added, as far as that is known.

        Raises:
            QuotaError: it would be too much.
        """
        if not (self.jobs and jobs) and not self.bytes:
            return
        count, kept = store.usage(user)
        if self.jobs and jobs and count + jobs > self.jobs:
            raise QuotaError(
                f"{count} jobs are kept for you, and {self.jobs} may be.",
                hint="Delete jobs that you don't need any more; then try again.",
            )
        if self.bytes and (kept := kept + products.bytes_of(user)) + size > self.bytes:
            raise QuotaError(
                f"Your jobs take {kept / 1e6:.0f} MB, and {self.bytes / 1e6:.0f} MB may be kept for you.",
                hint="Delete jobs or files that you don't need any more; then try again.",
            )


def _number(name: str) -> float:
    text = os.environ.get(name, "") or "0"
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise SettingsError(f"{name} is no number: '{text[:40]}'.", hint=f"Use something like {name}=30.")
    return value
