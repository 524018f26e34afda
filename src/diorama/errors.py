"""Every error that a user can meet, as one tree.

    DioramaError
    ├── InputError                 what was given can't be used                exit 2, HTTP 422
    │   ├── PhotoError             the photo is damaged or no picture          exit 2, HTTP 422
    │   │   ├── PhotoFormatError   not a format that Diorama reads             exit 2, HTTP 415
    │   │   └── PhotoTooLargeError over the limit in bytes or pixels           exit 2, HTTP 413
    │   ├── DepthFileError         a depth file can't be used                  exit 2, HTTP 422
    │   ├── CorrectionError        a brush stroke can't be used                exit 2, HTTP 422
    │   ├── SettingsError          a setting is unknown or out of its range    exit 2, HTTP 422
    │   ├── SceneFileError         a .diorama bundle is damaged                exit 2, HTTP 422
    │   └── FormatError            the output's ending is no known format      exit 2, HTTP 422
    ├── ModelError                 a model can't run                           exit 3, HTTP 503
    │   ├── UnknownModelError      no backend or weights of that name          exit 2, HTTP 422
    │   ├── WeightsMissingError    weights are not in the cache                exit 3, HTTP 503
    │   ├── DownloadError          weights could not be fetched                exit 3, HTTP 503
    │   ├── LicenceError           a licence has to be accepted first          exit 3, HTTP 503
    │   └── WeightsCorruptError    bytes differ from the catalogue's hash      exit 3, HTTP 503
    ├── StorageError               the disk is full or refuses                 exit 4, HTTP 507
    │   └── QuotaError             more than a user may keep                   exit 4, HTTP 507
    ├── JobError                   a web job can't do that                     exit 5, HTTP 409
    │   ├── JobNotFoundError       no job of that id                           exit 5, HTTP 404
    │   ├── QueueFullError         too many jobs wait already                  exit 5, HTTP 429
    │   └── WorkerDiedError        the worker process died on this photo       exit 5, HTTP 500
    ├── BatchError                 some photos of a batch can't be made        exit 8, HTTP 500
    ├── ClusterError               workers on other machines can't be had      exit 9, HTTP 503
    ├── ServerError                the server can't start                      exit 6, HTTP 500
    └── InstallationError          something that Diorama needs is broken      exit 7, HTTP 500
        └── EncoderError           ffmpeg, for films, is missing or failed     exit 7, HTTP 503

`message` says what is wrong and `hint` what to do next: both are sentences for a person, and the page, the command
and the API show them alike. Errors of libraries are translated where the library is called.
"""

from __future__ import annotations

from typing import ClassVar


class DioramaError(Exception):
    """The root: catch this to catch everything that Diorama raises on purpose."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"

    def __reduce__(self) -> tuple[object, ...]:
        # The default rebuilds from `args` alone and would lose the hint on its way out of a worker process.
        return _rebuild, (type(self), self.message, self.hint)

    @property
    def code(self) -> str:
        """A stable name for programs: ``PhotoTooLargeError`` -> ``photo-too-large``."""
        name = type(self).__name__.removesuffix("Error") or "diorama"
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")


def _rebuild(kind: type[DioramaError], message: str, hint: str) -> DioramaError:
    return kind(message, hint=hint)


class InputError(DioramaError):
    """What the user gave can't be used."""

    exit_code = 2
    http_status = 422


class PhotoError(InputError):
    """The photo is damaged, empty or no picture."""


class PhotoFormatError(PhotoError):
    """The bytes are in no format that Diorama reads."""

    http_status = 415


class PhotoTooLargeError(PhotoError):
    """The photo is over the limit in bytes or pixels."""

    http_status = 413


class DepthFileError(InputError):
    """A depth file can't be read or doesn't fit its photo."""


class CorrectionError(InputError):
    """A stroke that corrects the depth, or a file of them, can't be used."""


class SettingsError(InputError):
    """A setting is unknown or outside its range."""


class SceneFileError(InputError):
    """A ``.diorama`` bundle is damaged, hostile or of a newer version."""


class FormatError(InputError):
    """The output's file ending names no format that can be written."""


class ModelError(DioramaError):
    """A model can't run."""

    exit_code = 3
    http_status = 503


class UnknownModelError(ModelError):
    """No backend or catalogue entry has that name."""

    exit_code = 2
    http_status = 422


class WeightsMissingError(ModelError):
    """The weights are not in the cache."""


class DownloadError(ModelError):
    """The weights could not be fetched."""


class LicenceError(ModelError):
    """The weights' licence restricts their use, and nobody has accepted it."""


class WeightsCorruptError(ModelError):
    """The bytes differ from the catalogue's size or sha256; nothing was kept."""


class StorageError(DioramaError):
    """The disk is full or refuses."""

    exit_code = 4
    http_status = 507


class QuotaError(StorageError):
    """More than the server keeps for one user."""


class JobError(DioramaError):
    """A job of the web app can't do what was asked in its present state."""

    exit_code = 5
    http_status = 409


class JobNotFoundError(JobError):
    """No job has that id."""

    http_status = 404


class QueueFullError(JobError):
    """Too many jobs wait already."""

    http_status = 429


class WorkerDiedError(JobError):
    """The worker process died while it worked on this photo."""

    http_status = 500


class BatchError(DioramaError):
    """A batch has ended, and some of its photos could not be made."""

    exit_code = 8


class ClusterError(DioramaError):
    """A Dask cluster's scheduler or workers can't be had."""

    exit_code = 9
    http_status = 503


class ServerError(DioramaError):
    """The server can't start."""

    exit_code = 6


class InstallationError(DioramaError):
    """Something that Diorama needs is broken; `diorama doctor` says what."""

    exit_code = 7


class EncoderError(InstallationError):
    """A film can't be encoded: ffmpeg is missing, lacks something or failed."""

    http_status = 503
