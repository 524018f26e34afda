"""Zip files that are the same for the same scene."""

from __future__ import annotations

import zipfile


def member(name: str, how: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    """A member dated 1980, so that the same scene gives the same bytes."""
    info = zipfile.ZipInfo(name)
    info.compress_type = how
    info.external_attr = 0o644 << 16
    return info
