"""What is there, what is missing and what is broken: `diorama doctor`, and `examine` for programs.

Only what keeps Diorama from working is "broken"; what would give more (better weights, an extra, room) is a "hint".
Nothing is downloaded and nothing is changed, but for a file in each folder that shows that it can be written.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from diorama import __version__, machine

State = Literal["ok", "hint", "broken"]

DISTRIBUTION = "diorama-3d"
OLDEST_PYTHON = (3, 11)

WANTED_MEMORY = 4 << 30
"""A photo of 48 megapixels takes 1 GB at the default settings; a browser and the system want the rest."""

WANTED_SPACE = 2 << 30
"""All weights of the catalogue that are fetched by themselves, and a dozen jobs."""

MODULES = {
    "numpy": "numpy",
    "opencv-contrib-python-headless": "cv2",
    "pillow": "PIL.Image",
    "pi-heif": "pi_heif",
    "OpenEXR": "OpenEXR",
    "onnxruntime": "onnxruntime",
    "numba": "numba",
    "fast-simplification": "fast_simplification",
    "isal": "isal.isal_zlib",
    "scikit-image": "skimage",
    "scipy": "scipy.optimize",
    "tifffile": "tifffile",
    "pydantic": "pydantic",
    "platformdirs": "platformdirs",
    "filelock": "filelock",
    "httpx": "httpx",
    "typer": "typer",
    "rich": "rich",
    "openai": "openai",
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "python-multipart": "python_multipart",
    "sqlalchemy": "sqlalchemy",
    "prometheus-client": "prometheus_client",
    "alembic": "alembic",
}
"""What the base install brings, and what is imported of it to see whether it works."""

EXTRAS = {
    "jxl": ("pylibjxl", "photos as JPEG XL"),
    "lan": ("cryptography", "serving phones in the network"),
    "video": ("imageio_ffmpeg", "films as MP4 and WebM where ffmpeg isn't installed"),
    "draco": ("DracoPy", "GLB files packed by Draco"),
    "meshopt": ("meshopt", "GLB files packed by meshoptimizer"),
    "usd": ("pxr", "USDZ files"),
    "cluster": ("s3fs", "several machines: Dask workers, one database, one store of files"),
    "hub": ("transformers", "depth models of the Hugging Face hub"),
    "docs": ("sphinx", "building the documentation's site"),
}
"""Extra -> the module that shows it, and what it is for."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: State
    detail: str  # a sentence or a few words
    hint: str = ""  # what to do, where there is something to do
    values: dict[str, Any] = field(default_factory=dict)  # the same for programs


@dataclass(frozen=True)
class Report:
    """All that was found."""

    findings: tuple[Finding, ...]

    @property
    def broken(self) -> tuple[Finding, ...]:
        """What keeps Diorama from working."""
        return tuple(finding for finding in self.findings if finding.state == "broken")


def examine(port: int = 5000, host: str = "127.0.0.1") -> Report:
    """Look at the installation and the machine.

    Args:
        port, host: where the web app is to listen.

    Returns:
        What was found; it never raises for what is broken, that is a finding.
    """
    findings: list[Finding] = []
    looks: list[Callable[[], Iterator[Finding]]] = [
        _python, _packages, _extras, _network, _photos, _models, _folders, _machine, _page,
        lambda: _port(host, port), _services,
    ]  # fmt: skip
    for look in looks:
        try:
            findings.extend(look())
        except Exception as error:  # whatever is broken here must not hide what else is
            name = getattr(look, "__name__", "port").strip("_<>")
            findings.append(Finding(name, "broken", f"Looking at it failed: {_reason(error)}.", "Reinstall Diorama."))
    return Report(tuple(findings))


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    values = {"version": version, "platform": platform.platform(), "executable": sys.executable}
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        yield Finding("python", "broken", f"Python {version} is too old.", f"Install Python {wanted} or newer.", values)
    else:
        yield Finding("python", "ok", f"{version} on {platform.platform(terse=True)}", values=values)
    yield Finding("diorama", "ok", __version__, values={"version": __version__, "folder": str(Path(__file__).parent)})


def _packages() -> Iterator[Finding]:
    """Each is imported: a wheel may be there and yet lack a library of the system."""
    versions: dict[str, str] = {}
    failed: dict[str, str] = {}
    for name, module in MODULES.items():
        try:
            importlib.import_module(module)
            versions[name] = _version(name)
        except Exception as error:  # a broken extension module raises anything
            failed[name] = _reason(error)
    if sys.version_info >= (3, 15):
        failed.pop("pi-heif", None)  # it has no wheels there; `_photos` says so
    if sys.platform == "darwin" and platform.machine() != "arm64":
        failed.pop("isal", None)  # nor there; PNG files take longer
    shown = ", ".join(f"{name} {versions[name]}" for name in ("numpy", "onnxruntime", "pillow") if name in versions)
    if not failed:
        yield Finding("packages", "ok", f"All {len(versions)} are there: {shown} ...", values=versions)
    for name, reason in failed.items():
        hint = f"Install it again: pip install --force-reinstall {name}."
        yield Finding(name, "broken", f"The package can't be used: {reason}.", hint, {"error": reason})


def _extras() -> Iterator[Finding]:
    for extra, (module, purpose) in EXTRAS.items():
        if importlib.util.find_spec(module) is not None:
            yield Finding(f"extra {extra}", "ok", f"Installed ({module} {_version(module)}): {purpose}.")
        else:
            hint = f"For {purpose}: pip install '{DISTRIBUTION}[{extra}]'."
            yield Finding(f"extra {extra}", "hint", "Not installed.", hint)


def _network() -> Iterator[Finding]:
    """What runs networks, and whether the bundled one does."""
    from diorama import networks
    from diorama.depth import bundled
    from diorama.errors import DioramaError

    have = networks.available_providers()
    values: dict[str, Any] = {"providers": have}
    names = ", ".join(networks.PROVIDERS[name][1] for name in have)
    try:
        values["chosen"] = networks.chosen_provider()
    except DioramaError as error:
        yield Finding("networks", "broken", error.message, error.hint, values)
        return
    yield Finding("networks", "ok", f"onnxruntime runs them on: {names}.", values=values)
    import numpy as np

    start = time.perf_counter()
    try:
        found = bundled.predict(np.full((96, 128, 3), 128, np.uint8))
    except DioramaError as error:
        yield Finding("bundled network", "broken", error.message, error.hint)
        return
    seconds = round(time.perf_counter() - start, 3)
    if not np.isfinite(found).all():
        yield Finding("bundled network", "broken", "Its answer is no depth.", "Reinstall Diorama.")
    else:
        yield Finding(
            "bundled network", "ok", f"Ran in {seconds:.2f} s, loading included.", values={"seconds": seconds}
        )


def _photos() -> Iterator[Finding]:
    from PIL import features

    can = {
        "HEIC": importlib.util.find_spec("pi_heif") is not None,
        "AVIF": bool(features.check("avif")),
        "JPEG XL": importlib.util.find_spec("pylibjxl") is not None,
    }
    lacking = [name for name, there in can.items() if not there and name != "JPEG XL"]
    detail = "Read: JPEG, PNG, WebP, TIFF, " + ", ".join(name for name, there in can.items() if there) + "."
    remedies = {"HEIC": "HEIC needs pi-heif (pip install pi-heif).", "AVIF": "AVIF needs a Pillow built with libavif."}
    hint = " ".join(remedies[name] for name in lacking)
    yield Finding("photo formats", "hint" if lacking else "ok", detail, hint, can)


def _models() -> Iterator[Finding]:
    from diorama import depth, inpaint, weights
    from diorama.segment import models as segmenters

    cached = weights.list_weights()
    for damaged in (one.weights.name for one in cached if one.state == "damaged"):
        yield Finding(f"weights {damaged}", "broken", "Damaged in the cache.", f"diorama models pull {damaged}")
    kinds: dict[str, Sequence[Any]] = {
        "depth models": depth.models(),
        "inpainters": inpaint.models(),
        "segmenters": segmenters.models(),
    }
    for kind, infos in kinds.items():
        here = [info.name for info in infos if info.available]
        missing = [info.name for info in infos if not info.available and info.bytes]
        values = {"here": here, "missing": missing}
        detail = f"Here: {', '.join(here)}."
        if not missing:
            yield Finding(kind, "ok", detail, values=values)
            continue
        hint = f"To fetch one: diorama models pull {missing[0]}."
        yield Finding(kind, "hint", f"{detail} Not here: {', '.join(missing)}.", hint, values)
    offline = weights.is_offline()
    said = "Nothing is downloaded (DIORAMA_OFFLINE or --offline)." if offline else "Weights may be downloaded."
    yield Finding("network use", "ok", said, values={"offline": offline})


def _folders() -> Iterator[Finding]:
    from diorama import weights
    from diorama.jobs.files import data_folder

    for name, folder, variable in (
        ("cache", weights.cache_folder(), "DIORAMA_CACHE"),
        ("data", data_folder(), "DIORAMA_DATA"),
    ):
        size, free = machine.folder_size(folder), machine.free_space(folder)
        values = {"path": str(folder), "bytes": size, "free": free}
        trouble = _not_writable(folder)
        if trouble:
            hint = f"Give yourself the right to write there, or set {variable} to another folder."
            yield Finding(name, "broken", f"{folder} can't be written: {trouble}.", hint, values)
            continue
        detail = f"{folder}: {_bytes(size)}, {'unknown room' if free is None else f'{_bytes(free)} free'}."
        short = free is not None and free < WANTED_SPACE
        hint = f"Free some space, or set {variable} to a folder on another disk." if short else ""
        yield Finding(name, "hint" if short else "ok", detail, hint, values)


def _machine() -> Iterator[Finding]:
    total, free = machine.memory()
    values = {"total": total, "free": free}
    if total is None:
        yield Finding("memory", "ok", "The system doesn't say.", values=values)
    else:
        detail = _bytes(total) + ("" if free is None else f", {_bytes(free)} of it free") + "."
        short = (total if free is None else free) < WANTED_MEMORY
        hint = "Large photos may not fit: close programs, or lower the geometry detail and the texture size."
        yield Finding("memory", "hint" if short else "ok", detail, hint if short else "", values)
    cores = machine.cores()
    few = cores < 2
    hint = "A scene takes minutes on one core." if few else ""
    yield Finding("cores", "hint" if few else "ok", str(cores), hint, {"cores": cores})


def _page() -> Iterator[Finding]:
    vendor = Path(__file__).parent / "server" / "static" / "vendor"
    if not any(vendor.glob("**/three.module*.js")):
        hint = "Install Diorama again where npm's registry can be reached: pip install --force-reinstall --no-deps ."
        yield Finding("page", "broken", "three.js is missing: the page can show no 3D.", hint)
    else:
        yield Finding("page", "ok", "Its libraries are there.")
    hint = (
        "The page's 3D view needs a browser with WebGL 2. Where it stays empty, look at chrome://gpu, edge://gpu or "
        "about:support, and switch hardware acceleration on."
    )
    yield Finding("browser", "hint", "Can't be seen from here.", hint)


def _port(host: str, port: int) -> Iterator[Finding]:
    values: dict[str, Any] = {"host": host, "port": port}
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
            if os.name != "nt":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        yield Finding("port", "ok", f"{port} is free.", values={**values, "free": True})
        return
    except OSError as error:
        reason = _reason(error)
    running = _diorama_at(host, port)
    detail = f"Diorama is running at port {port}." if running else f"Port {port} can't be taken: {reason}."
    hint = f"Open http://{host}:{port}." if running else f"Choose another one: diorama serve --port {port + 1}."
    yield Finding("port", "hint", detail, hint, {**values, "free": False, "diorama": running})


def _diorama_at(host: str, port: int) -> bool:
    import httpx

    try:
        answer = httpx.get(
            f"http://{f'[{host}]' if ':' in host else host}:{port}/healthz", timeout=1.0, trust_env=False
        )
        return answer.status_code == 200 and {"status", "version", "workers"} <= set(answer.json())
    except (httpx.HTTPError, ValueError, TypeError):
        return False


def _services() -> Iterator[Finding]:
    """Whether there is a key, never the key itself."""
    there = bool(os.environ.get("OPENAI_API_KEY", "").strip())
    if there:
        yield Finding(
            "OpenAI", "ok", "OPENAI_API_KEY is set; it is used only where you choose it.", values={"key": True}
        )
    else:
        hint = "Only for --advisor openai and --inpaint openai, which send the picture away: set OPENAI_API_KEY."
        yield Finding("OpenAI", "hint", "No key.", hint, {"key": False})


def _not_writable(folder: Path) -> str:
    """Why nothing can be written in the folder, or in the nearest one that there is; empty where it can."""
    place = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    trial = place / f".diorama-doctor-{os.getpid()}"
    try:
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        return _reason(error)
    return ""


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "of an unknown version"


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return re.sub(r"\s+", " ", text).strip().rstrip(".")[:200]


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
