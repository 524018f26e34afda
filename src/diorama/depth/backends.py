"""The table of depth networks that have a name, and what it takes to run one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diorama import weights
from diorama.depth.prediction import Prediction
from diorama.errors import DepthFileError, DioramaError, UnknownModelError, WeightsMissingError
from diorama.types import ModelInfo, Progress, UInt8

Predict = Callable[[UInt8, float | None], Prediction]
"""(H, W, 3) and, where it is known, the focal length over the picture's width -> what the network says."""


@dataclass(frozen=True)
class Backend:
    """A network, and where its weights come from: the catalogue's entry of the same name, or a file."""

    name: str
    predict: Predict
    licence: str
    note: str
    files: Callable[[], tuple[Path, ...]] | None = None  # that need no download; None: the catalogue's, or `prepare`
    prepare: Callable[[bool, Progress | None], str] | None = None  # gets what it needs, by download where the first is
    mirrored: bool = True  # whether it gains enough by the mirrored photo, where the settings leave that open


def _bundled(rgb: UInt8, _focal: float | None) -> Prediction:
    from diorama.depth import bundled

    inverse = bundled.predict(rgb)
    return Prediction(inverse, reach=bundled.reach(inverse))


def _bundled_files() -> tuple[Path, ...]:
    from diorama.depth import bundled

    return bundled.shipped().files()


def _by_contract(name: str, constant: str) -> Predict:
    """A network of the catalogue whose contract is a constant of `contract`."""

    def predict(rgb: UInt8, _focal: float | None) -> Prediction:
        from diorama.depth import contract, onnx

        return onnx.predict(weights_path(name), getattr(contract, constant), rgb)

    return predict


def _moge(rgb: UInt8, focal: float | None) -> Prediction:
    from diorama.depth import moge

    return moge.predict(weights_path("moge-2-small"), rgb, focal)


# It looks at the mirrored photo by itself where that is cheap (`bundled.BOTH_WAYS_SIDE`).
BUNDLED = Backend(
    "bundled",
    _bundled,
    "MIT",
    "Comes with Diorama and is small: simple scenes.",
    _bundled_files,
    mirrored=False,
)

BACKENDS: tuple[Backend, ...] = (
    Backend("moge-2-small", _moge, "MIT", "MoGe-2 small: metres, the camera's field of view, sharp outlines; slower."),
    Backend(
        "depth-anything-v2-small",
        _by_contract("depth-anything-v2-small", "DEPTH_ANYTHING"),
        "Apache-2.0",
        "Depth Anything V2 small: fine outlines, robust.",
    ),
    Backend(
        "midas-dpt-hybrid",
        _by_contract("midas-dpt-hybrid", "DPT_HYBRID"),
        "Apache-2.0",
        "MiDaS v3 DPT-hybrid: large and slow, soft outlines.",
    ),
    Backend(
        "midas-v21-small",
        _by_contract("midas-v21-small", "MIDAS_SMALL"),
        "MIT",
        "MiDaS v2.1 small: better in rooms and streets than the bundled one, and fast.",
    ),
    BUNDLED,
)
"""Best first, by their publishers' figures: the order in which `auto` chooses."""

FETCHED = "midas-v21-small"
"""What `auto` downloads where no better one is here: the smallest download."""


def models() -> list[ModelInfo]:
    """Every depth network that has a name: the table, best first, then the models folder's, then the hub's that are
    here."""
    from diorama.depth import hub

    rows = [ModelInfo(b.name, is_here(b), b.licence, _size(b), b.note) for b in (*BACKENDS, *_local())]
    return rows + hub.models()


EMBEDDED = "embedded"
"""The name of the depth that the photo itself carries: no backend, since not every photo has it."""


def find(name: str) -> Backend:
    """The backend of that name, of a model of the hub, or of an ONNX file's path.

    Raises:
        UnknownModelError: there is none.
        DepthFileError: the ONNX file or its contract can't be used.
    """
    if is_hub(name):
        from diorama.depth import hub

        return hub.backend(name)
    if is_network_file(name):
        return _of_file(Path(name), Path(name).name)
    known = (*BACKENDS, *_local())
    for backend in known:
        if backend.name == name:
            return backend
    raise UnknownModelError(
        f"There is no depth backend named '{name}'.",
        hint=f"There are: auto, {EMBEDDED}, {', '.join(b.name for b in known)}, hub:OWNER/NAME, "
        "depth files such as depth.npy, and networks such as model.onnx with their contract model.json.",
    )


def is_network_file(name: str) -> bool:
    """Whether the setting names an ONNX file."""
    return Path(name).suffix.lower() == ".onnx"


def is_hub(name: str) -> bool:
    """Whether the setting names a model of the hub, or a folder in the hub's format."""
    return name.startswith("hub:")


def prepared(name: str, fetch: bool, progress: Progress | None) -> tuple[Backend, str]:
    """The backend, once what it needs is here, and a sentence about what that is (empty: nothing to say).

    Raises:
        UnknownModelError, DepthFileError: as `find`.
        WeightsMissingError: its weights are not in the cache.
        DownloadError, WeightsCorruptError, LicenceError: they could not be fetched.
        ModelError: a package is missing.
    """
    backend = find(name)
    if backend.prepare is not None:
        return backend, backend.prepare(fetch, progress)
    if backend.files is None:
        if not is_here(backend) and fetch and not weights.is_offline():
            weights.fetch(name, progress)
        weights_path(name)
    return backend, ""


def is_here(backend: Backend) -> bool:
    """Whether it can run without a download."""
    if backend.files is not None:
        return all(path.is_file() for path in backend.files())
    return weights.path(backend.name) is not None


def weights_path(name: str) -> Path:
    """Where the catalogue's weights are.

    Raises:
        WeightsMissingError: they aren't in the cache.
    """
    found = weights.path(name)
    if found is None:
        raise WeightsMissingError(
            f"The weights of {name} are not in the cache, or are damaged there.",
            hint=f"Fetch them with: diorama models pull {name}.",
        )
    return found


def models_folder() -> Path:
    """Where ONNX files with contracts get names of their own: ``DIORAMA_MODELS``, or `models` in the cache folder."""
    given = os.environ.get("DIORAMA_MODELS")
    return Path(given).expanduser() if given else weights.cache_folder() / "models"


def _local() -> list[Backend]:
    """The networks of the models folder. One that can't be used is listed, and says why when it is asked for."""
    taken = {backend.name for backend in BACKENDS} | {"auto"}
    found = []
    for path in sorted(models_folder().glob("*.onnx")):
        if not re.fullmatch(r"[\w.-]+", path.stem) or path.stem in taken:
            continue
        try:
            found.append(_of_file(path, path.stem))
        except DioramaError as error:
            found.append(_unusable(path.stem, error))
    return found


def _of_file(path: Path, name: str) -> Backend:
    from diorama.depth import contract, onnx

    if not path.is_file():
        raise DepthFileError(f"There is no file {path}.", hint="Give the path of an ONNX file, or a backend's name.")
    terms = contract.read(path)
    return Backend(
        name,
        lambda rgb, _focal: onnx.predict(path, terms, rgb),
        terms.licence,
        terms.note or f"Your own network, {path.name}.",
        lambda: (path,),
    )


def _unusable(name: str, error: DioramaError) -> Backend:
    def predict(_rgb: UInt8, _focal: float | None) -> Prediction:
        raise error

    return Backend(name, predict, "not stated", error.message, lambda: (Path(),))


def _size(backend: Backend) -> int:
    if backend.files is None:
        return weights.find(backend.name).bytes
    return sum(path.stat().st_size for path in backend.files()) if is_here(backend) else 0
