"""One file over HTTP into a ``.part``: resumed where it stopped, bounded in time, size and tries."""

from __future__ import annotations

import errno
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from diorama.atomic import refusals
from diorama.errors import DownloadError, WeightsCorruptError
from diorama.types import Progress

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

TRIES = 5
"""Connections made for one file, when each breaks off."""

READ_SECONDS = 20.0
"""Silence after which a connection counts as broken."""

PAUSE_SECONDS = 0.3
"""Before the second try; doubled before each further one."""

CHUNK = 1 << 18
_RETRIED = {408, 425, 429, 500, 502, 503, 504}
WITHOUT = "do without: --depth bundled, --inpaint bundled and --segmenter regions need no weights"
"""What works where nothing can be fetched: the end of a hint."""

_REACH_HINT = f"Check the network, set DIORAMA_MIRROR to a server that has the file, or {WITHOUT}."
_PROXY_HINT = "Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY; http:// and https:// proxies can be used."


class _BrokenOffError(Exception):
    """The connection ended early or the server is busy: worth another try."""


class _UnreachableError(_BrokenOffError):
    """No connection came about."""


@dataclass(frozen=True)
class Wanted:
    """What is to arrive."""

    name: str  # for sentences
    url: str
    bytes: int


def to_part(wanted: Wanted, part: Path, progress: Progress | None, connect_seconds: float) -> None:
    """Bring `part` to the size that is wanted, going on with what is in it.

    A server that can't be reached at first isn't asked again, and one that gives nothing only for `connect_seconds`.

    Raises:
        DownloadError: the server can't be reached, refuses, or broke off `TRIES` times.
        WeightsCorruptError: the server's file has another size; the part is gone.
        StorageError: the part can't be written.
    """
    import httpx

    said = _Reporter(wanted, progress)
    try:
        client = httpx.Client(follow_redirects=True, timeout=httpx.Timeout(READ_SECONDS, connect=connect_seconds))
    except (ValueError, ImportError) as error:
        raise DownloadError(
            f"The proxy that the environment names can't be used: {_reason(error)}.",
            hint=_PROXY_HINT,
        ) from error
    with client:
        begin = time.monotonic()
        reason = ""
        for attempt in range(TRIES):
            pause = PAUSE_SECONDS * 2 ** (attempt - 1) if attempt else 0.0
            if not part.exists() and time.monotonic() + pause - begin > connect_seconds:
                break  # nothing has come: no reason to be patient
            time.sleep(pause)
            try:
                _continue(client, wanted, part, said, connect_seconds)
                return
            except _BrokenOffError as error:
                if isinstance(error, _UnreachableError) and not attempt:
                    raise DownloadError(f"{_host(wanted.url)} can't be reached: {error}.", hint=_REACH_HINT) from error
                reason = str(error)
    raise DownloadError(
        f"Fetching {wanted.name} from {_host(wanted.url)} failed: {reason}.",
        hint=f"What has arrived is kept; try again later: diorama models pull {wanted.name}.",
    )


def read(url: str, limit: int, seconds: float) -> bytes:
    """A small answer, such as a description of files to be fetched.

    Raises:
        DownloadError: the server can't be reached, refuses, or answers with more than `limit` bytes.
    """
    import httpx

    data = bytearray()
    try:
        with (
            httpx.Client(follow_redirects=True, timeout=httpx.Timeout(READ_SECONDS, connect=seconds)) as client,
            _answer(client, url, 0, seconds) as response,
        ):
            if response.status_code != HTTPStatus.OK:
                raise DownloadError(
                    f"{_host(url)} won't answer about {urlsplit(url).path}: {response.status_code}.",
                    hint="Check the name, or try again later.",
                )
            for chunk in _chunks(response):
                data += chunk
                if len(data) > limit:
                    raise DownloadError(f"{_host(url)} answered with too much.", hint=_REACH_HINT)
    except _BrokenOffError as error:
        raise DownloadError(f"{_host(url)} can't be reached: {error}.", hint=_REACH_HINT) from error
    except (ValueError, ImportError) as error:
        raise DownloadError(
            f"The proxy that the environment names can't be used: {_reason(error)}.", hint=_PROXY_HINT
        ) from error
    return bytes(data)


def corrupt(wanted: Wanted, found: str) -> WeightsCorruptError:
    """The error for a file that isn't the catalogue's."""
    return WeightsCorruptError(
        f"What {_host(wanted.url)} gave for {wanted.name} is not the catalogue's file: {found}. Nothing was kept.",
        hint="A proxy or a login page may stand in between; check with a browser, then try again.",
    )


def _continue(client: httpx.Client, wanted: Wanted, part: Path, said: _Reporter, connect_seconds: float) -> None:
    """One connection: ask for what is missing and append it."""
    with refusals(part):
        have = part.stat().st_size if part.exists() else 0
    if have == wanted.bytes:
        return
    with _answer(client, wanted.url, have, connect_seconds) as response:
        start = _start(response, have)
        length = response.headers.get("content-length", "")
        if start is None or (length.isdigit() and start + int(length) != wanted.bytes):
            part.unlink(missing_ok=True)
            if start is None:
                raise _BrokenOffError("the server can't go on where the download stopped")
            raise corrupt(wanted, f"{start + int(length)} bytes instead of {wanted.bytes}")
        arrived = _append(response, part, start, wanted, said)
    if arrived > wanted.bytes:
        part.unlink(missing_ok=True)
        raise corrupt(wanted, f"more than {wanted.bytes} bytes")
    if arrived < wanted.bytes:
        raise _BrokenOffError(f"only {arrived} of {wanted.bytes} bytes arrived")


def _start(response: httpx.Response, have: int) -> int | None:
    """The offset that the answer's bytes begin at; None when they don't fit to what is there."""
    if response.status_code == HTTPStatus.OK:
        return 0  # it ignores Range: all over again
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        return have if response.headers.get("content-range", "").startswith(f"bytes {have}-") else None
    if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return None
    if response.status_code in _RETRIED:
        raise _BrokenOffError(f"the server answered {response.status_code}")
    raise DownloadError(
        f"{_host(str(response.url))} won't give the file: it answered {response.status_code}.", hint=_REACH_HINT
    )


def _append(response: httpx.Response, part: Path, start: int, wanted: Wanted, said: _Reporter) -> int:
    """Write the answer's bytes from `start` on; the size reached, over the entry's by one chunk at most."""
    arrived = start
    try:
        with refusals(part), part.open("r+b" if start else "wb") as file:
            file.seek(start)
            for chunk in _chunks(response):
                file.write(chunk)
                arrived += len(chunk)
                said(arrived)
                if arrived > wanted.bytes:
                    break
    except Exception as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT):
            part.unlink(missing_ok=True)  # the full disk needs the room more than we need the part
        raise
    return arrived


def _chunks(response: httpx.Response) -> Iterator[bytes]:
    import httpx

    try:
        yield from response.iter_raw(CHUNK)
    except httpx.TransportError as error:
        raise _BrokenOffError(_reason(error)) from error


@contextmanager
def _answer(client: httpx.Client, url: str, have: int, seconds: float) -> Iterator[httpx.Response]:
    """The head of the server's answer, `seconds` from now at the latest.

    httpx's timeouts count for each address and each redirect anew and leave out name resolution, which may hang for
    half a minute without a network; a thread that nobody waits for bounds them all.
    """
    import httpx

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        request = client.build_request("GET", url, headers=headers)
        response = _within(seconds, lambda: client.send(request, stream=True), httpx.Response.close)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, TimeoutError) as error:
        reason = f"no answer within {seconds:g} s" if isinstance(error, TimeoutError) else _reason(error)
        raise _UnreachableError(reason) from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects) as error:
        raise DownloadError(f"{url} is no address to fetch from: {_reason(error)}.", hint=_REACH_HINT) from error
    except httpx.TransportError as error:
        raise _BrokenOffError(_reason(error)) from error
    try:
        yield response
    finally:
        response.close()


def _within(seconds: float, work: Callable[[], T], discard: Callable[[T], None]) -> T:
    """`work()`'s result; TimeoutError after `seconds`, and `discard` gets a result that comes later."""
    results: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()
    given_up = threading.Event()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # handed to the caller's thread
            results.put((None, error))
            return
        if given_up.is_set():
            discard(result)
        else:
            results.put((result, None))

    threading.Thread(target=run, name="diorama-connect", daemon=True).start()
    try:
        result, error = results.get(timeout=seconds)
    except queue.Empty:
        given_up.set()
        raise TimeoutError from None
    if error is not None or result is None:
        raise error or TimeoutError
    return result


class _Reporter:
    """Tells the caller's progress how much has arrived, at most ten times a second."""

    def __init__(self, wanted: Wanted, progress: Progress | None) -> None:
        self._wanted = wanted
        self._progress = progress
        self._last = 0.0

    def __call__(self, arrived: int) -> None:
        now = time.monotonic()
        if self._progress is None or (now - self._last < 0.1 and arrived < self._wanted.bytes):
            return
        self._last = now
        total = self._wanted.bytes
        text = f"Fetching {self._wanted.name}: {megabytes(arrived)} of {megabytes(total)}"
        self._progress("weights", min(arrived / total, 1.0), text)


def megabytes(count: int) -> str:
    """``67 MB``; with one decimal below 10."""
    return f"{count / 1e6:.1f} MB" if count < 1e7 else f"{count / 1e6:.0f} MB"


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
