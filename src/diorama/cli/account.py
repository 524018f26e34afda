"""What is said of a scene: its JSON report, its summary, and `--explain`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diorama.cli.talk import Talk
    from diorama.settings import Settings
    from diorama.types import Camera, Scene


def camera_values(camera: Camera) -> dict[str, Any]:
    """The camera for JSON."""
    return {**asdict(camera), "fov_x": camera.fov_x}


def scene_values(scene: Scene, files: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """The scene for JSON."""
    photo = scene.photo
    values = {
        "photo": {"name": photo.name, "width": photo.width, "height": photo.height, "sha256": photo.sha256},
        "step": scene.step,
        "files": files,
        "camera": camera_values(scene.camera),
        "units": scene.units,
        "points": len(scene.points),
        "triangles": _triangles(scene),
        "warnings": list(dict.fromkeys(scene.warnings)),
        "report": [asdict(stage) for stage in scene.report],
        "settings": scene.settings.model_dump(),
        "seconds": round(seconds, 3),
    }
    if scene.segments is not None:
        values["segments"] = [asdict(item) for item in scene.segments.items]
    if scene.advice is not None:
        values["adviser"] = scene.advice.adviser
        values["advice"] = advice_values(scene)
    if scene.atlas is not None:
        values["imagined"] = round(scene.imagined, 6)
    return values


def summary(scene: Scene, seconds: float) -> str:
    """One line."""
    parts = [f"{_triangles(scene):,} triangles", f"depth by {scene.depth.model}", _view_of(scene.camera)]
    if scene.segments is not None:
        count = len(scene.segments.items)
        parts.append(f"{count} segment{'' if count == 1 else 's'}")
    if scene.atlas is not None:
        parts.append(f"{scene.imagined:.0%} imagined")
    return ", ".join([*parts, f"{seconds:.1f} s"])


def explain(talk: Talk, scene: Scene) -> None:
    """Tables: what ran and why, the camera, the segments, what was imagined."""
    rows = [(s.stage, s.backend, s.provider, s.reason, f"{s.seconds:.2f}") for s in scene.report]
    talk.table(("stage", "ran", "on", "why", "seconds"), rows)
    camera = scene.camera
    talk.table(
        ("camera", ""),
        [
            ("focal length", f"{camera.fx:.1f} px of {camera.width} x {camera.height}"),
            ("view", _view_of(camera)),
            (
                "units",
                "relative (the nearest point at about 1)"
                if scene.units == "relative"
                else "metric (metres, or the depth file's)",
            ),
        ],
    )
    if scene.segments is not None:
        _explain_segments(talk, scene)
    _explain_advice(talk, scene)
    if scene.atlas is not None:
        imagined = sum(len(mesh.faces) for mesh in scene.meshes if mesh.imagined)
        rims = sum(len(mesh.faces) for mesh in scene.meshes if mesh.alpha is not None)
        height, width = scene.atlas.shape[:2]
        facts = [
            ("area", f"{scene.imagined:.1%} of the photo's"),
            ("triangles", f"{imagined:,} imagined and {rims:,} of soft rims, of {_triangles(scene):,}"),
            ("camera travel", f"{scene.settings.camera_travel:g} % of the view's diagonal at the nearest depth"),
            ("texture", f"{width} x {height} px, the photo and what was imagined"),
        ]
        talk.table(("what was imagined", ""), facts)


def _explain_segments(talk: Talk, scene: Scene) -> None:
    segments = scene.segments
    assert segments is not None
    names = {item.id: item.name for item in segments.items}
    rows = [
        (
            str(item.id),
            item.name,
            item.kind,
            f"{item.area / segments.labels.size:.1%}",
            f"{item.near:.2f} to {item.far:.2f}",
            ", ".join(names[other] for other in item.in_front_of),
        )
        for item in segments.items
    ]
    talk.table(("segment", "name", "kind", "of the photo", "depth", "in front of"), rows)


def announce_advisor(talk: Talk, settings: Settings) -> None:
    """What leaves this machine for the advisor, where to and at what price: before it does."""
    if settings.advisor == "openai":
        from diorama import advisor

        talk.note(advisor.notice(settings.texture_size, settings.texture_size))


def advice_values(scene: Scene) -> list[dict[str, Any]]:
    """Every suggestion with what became of it, for JSON; None where that shows in a later step."""
    from diorama.advice import keys_of, suggestions

    declined = keys_of(scene.settings.declined) | keys_of(scene.settings.declined_plan)
    outcomes = {outcome.key: outcome for outcome in scene.outcomes}
    values = []
    for line in (line for advice in (scene.advice, scene.plan) if advice for line in suggestions(advice)):
        outcome = outcomes.get(line.key)
        became = outcome.model_dump() if outcome else {"applied": None, "sentence": "", "before": "", "after": ""}
        values.append(line.model_dump() | became | {"declined": line.key in declined})
    return values


def _explain_advice(talk: Talk, scene: Scene) -> None:
    rows = []
    for line in advice_values(scene):
        change = f" ({line['before']} -> {line['after']})" if line["before"] and line["after"] else ""
        state = {True: "applied", False: "not applied", None: ""}[line["applied"]]
        done = "declined" if line["declined"] else ": ".join(filter(None, (state, line["sentence"]))) + change
        value = f"{line['value']:g}" if isinstance(line["value"], float) else str(line["value"])
        rows.append((line["key"], value, line["source"], f"{line['confidence']:.0%}", line["reason"], done))
    if rows:
        talk.table(("advice", "value", "by", "sure", "why", "what became of it"), rows)
    dropped = [text for advice in (scene.advice, scene.plan) if advice for text in advice.dropped]
    if dropped:
        talk.table(("what the advisor said and nobody could use",), [(text,) for text in dropped])


def _triangles(scene: Scene) -> int:
    return sum(len(mesh.faces) for mesh in scene.meshes)


_SOURCES = {
    "calibration": "from the phone's calibration",
    "optimized": "found by optimising",
    "exif": "from EXIF",
    "user": "as given",
    "model": "from the depth model",
    "assumed": "assumed",
}


def _view_of(camera: Camera) -> str:
    return f"field of view {camera.fov_x:.1f}° ({_SOURCES[camera.source]})"


def size(count: int) -> str:
    """Bytes for a person."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
