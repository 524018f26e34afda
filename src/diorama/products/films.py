"""What may be chosen for films and stereo pictures."""

from __future__ import annotations

from typing import Any, Literal

from diorama.products.product import Options, option

SizeName = Literal["photo", "720p", "1080p", "1440p", "4k", "square"]

SIZES: dict[str, tuple[int, int]] = {
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "1440p": (2560, 1440),
    "4k": (3840, 2160),
    "square": (1080, 1080),
}
"""Width and height of each name, for a photo that is wider than high."""

_DIVERGENCE = option(
    2.0, label="Divergence", unit="% of the width", step=0.1, ge=0, le=10,
    why="How much nearest and farthest lie apart: the strength of the effect. It is less where eyes would strain.",
)  # fmt: skip
_SIZE = option(
    "photo", label="Size",
    why="'photo' has the photo's shape, up to 1920 px (640 px for WebP and GIF); the others are filled, and what the "
    "photo's shape has no place in is cut off. Upright photos give upright films.",
)  # fmt: skip
_SECONDS = option(5.0, label="Length", unit="s", step=0.5, ge=0.1, le=120, slider=False, why="Of the whole film.")
_FPS = option(30.0, label="Frames a second", step=1, ge=1, le=120, slider=False, why="30 moves smoothly everywhere.")
_QUALITY = option(75, label="Quality", step=1, ge=1, le=100, why="Higher is larger; 75 has no visible loss.")


def _path(default: str) -> Any:
    return option(
        default, label="Camera path",
        why="orbit goes round the subject, swing from side to side, circle looks straight ahead, push-in comes nearer, "
        "dolly-zoom goes back while the lens zooms in.",
    )  # fmt: skip


class FilmOptions(Options):
    """Of a film."""

    path: Literal["orbit", "swing", "circle", "push-in", "dolly-zoom"] = _path("orbit")
    seconds: float = _SECONDS
    fps: float = _FPS
    size: SizeName = _SIZE
    amplitude: float = option(
        0.7, label="Way of the camera", unit="× travel", step=0.05, ge=0, le=5, slider=False,
        why="A share of what the scene allows, which 1 is all of; above 1 gaps may open.",
    )  # fmt: skip
    easing: Literal["auto", "linear", "sine", "smooth", "smoother", "ease-in", "ease-out"] = option(
        "auto", label="Easing", why="How the motion starts and ends; 'auto' suits the path."
    )
    loop: bool = option(
        True, label="Repeats seamlessly", why="The last frame goes over into the first; off, the camera goes one way."
    )
    focus: str | None = option(
        None, label="Focus", max_length=32,
        why="What is sharp: subject, near, far, or a distance in scene units. Empty: everything is.",
    )  # fmt: skip
    focus_end: str | None = option(
        None, label="Focus ends at", max_length=32, why="The focus is pulled to there; written as 'Focus' is."
    )
    blur: float = option(
        1.5, label="Blur", unit="% of the width", step=0.1, ge=0, le=10,
        why="Of what is far behind the subject, where there is a focus.",
    )  # fmt: skip
    quality: int = _QUALITY


class AnimationOptions(FilmOptions):
    """Of an animated picture, which is large: by default shorter and with fewer frames."""

    path: Literal["orbit", "swing", "circle", "push-in", "dolly-zoom"] = _path("swing")
    seconds: float = option(3.0, label="Length", unit="s", step=0.5, ge=0.1, le=120, slider=False, why="Of one round.")
    fps: float = option(20.0, label="Frames a second", step=1, ge=1, le=120, slider=False, why="More is larger.")


class StereoOptions(Options):
    """Of a stereo picture."""

    layout: Literal[
        "sbs", "sbs-half", "cross", "over-under", "over-under-half", "anaglyph", "anaglyph-half", "anaglyph-grey",
        "vr180",
    ] = option(
        "sbs", label="Layout",
        why="Side by side (sbs), for crossed eyes (cross), left over right, red and cyan (anaglyph: Dubois's colours), "
        "or half a sphere for VR glasses (vr180).",
    )  # fmt: skip
    divergence: float = _DIVERGENCE
    convergence: str = option(
        "subject", label="At the screen", min_length=1, max_length=32,
        why="What lies at the screen: subject, near, far, or a distance in scene units. What is nearer is before it.",
    )  # fmt: skip
    size: SizeName = _SIZE


class StereoFilmOptions(StereoOptions):
    """Of a stereo film."""

    path: Literal["orbit", "swing", "circle", "push-in", "dolly-zoom"] = _path("orbit")
    seconds: float = _SECONDS
    fps: float = _FPS
    amplitude: float = option(
        0.5, label="Way of the camera", unit="× travel", step=0.05, ge=0, le=5, slider=False,
        why="A share of what the scene allows, both eyes included.",
    )  # fmt: skip
    quality: int = _QUALITY


class WiggleOptions(Options):
    """Of a wiggle picture: the eyes' views in turn."""

    divergence: float = _DIVERGENCE
    convergence: str = option(
        "subject", label="At the screen", min_length=1, max_length=32,
        why="What stays in place: subject, near, far, or a distance in scene units.",
    )  # fmt: skip
    size: SizeName = _SIZE


def stereo_name(stem: str, options: Any) -> str:
    """By whose end players know how the views lie."""
    ends = {
        "sbs": "LR", "sbs-half": "HSBS", "cross": "RL", "over-under": "TB", "over-under-half": "HTAB",
        "vr180": "180_LR",
    }  # fmt: skip
    return f"{stem}_{ends.get(options.layout, 'anaglyph')}"
