"""What decides how a photo's scene turns out, as a key of the cache."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from diorama.batch.records import Wanted
from diorama.settings import STEP_STAGES


def circumstances(wanted: Wanted) -> list[Any]:
    """What decides beside the photo and the settings: this version's stages, and what `auto` finds here.

    Raises:
        ModelError: the depth model or the advisor that is asked for isn't known, or its weights aren't here.
        DepthFileError: a depth file can't be used.
    """
    from diorama import depth, enhanced, inpaint
    from diorama.pipeline import STAGE_VERSIONS
    from diorama.segment import models as segmenters

    settings = wanted.tuning()
    steps = list(STEP_STAGES)
    stages = [stage for name in steps[: steps.index(wanted.step) + 1] for stage in STEP_STAGES[name]]
    found: list[Any] = [[(stage, STAGE_VERSIONS[stage]) for stage in stages], depth.identity(settings)]
    if wanted.step != "original":
        models = [info for infos in (depth.models(), inpaint.models(), segmenters.models()) for info in infos]
        found += [[(info.name, info.available) for info in models], enhanced.advisor_identity(settings)]
        found += [os.environ.get("DIORAMA_SR_MODEL", "")]
    return found


def scene_key(sha256: str, wanted: Wanted, circumstances: list[Any]) -> str:
    """Of the scene of the photo with that hash."""
    parts = [sha256, wanted.step, wanted.settings, circumstances]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
