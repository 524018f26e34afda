"""Uploads, counted while they stream in: to a file beside the jobs, never into memory, cut off at the limit.

Either the raw body is the photo, or a multipart form with the field `photo` and, if wanted, `settings`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from diorama import atomic
from diorama.errors import InputError, PhotoError, PhotoFormatError, PhotoTooLargeError, SettingsError

log = logging.getLogger(__name__)

BLOCK = 1 << 20
"""Bytes collected before they are written: the disk is asked from a thread, once for each block."""

FORM_BYTES = 1 << 20
"""What a form may hold besides the photo."""

DRAIN_BYTES = 64 << 20
DRAIN_SECONDS = 5.0
"""How much of a refused upload is still read: a browser that is sending listens to the answer only once it has sent
all, and a connection closed in its face takes the answer with it."""


@dataclass(frozen=True)
class Received:
    """An upload that has come in whole."""

    path: Path
    name: str  # as the sender gave it
    settings: dict[str, Any]


def parse_settings(text: str | bytes | None) -> dict[str, Any]:
    """Names and values from JSON.

    Raises:
        SettingsError: it is no JSON object.
    """
    if not text:
        return {}
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise SettingsError("The settings are no JSON object.", hint='Send something like {"triangles": 50000}.')
    return values


async def receive(request: Request, path: Path, max_bytes: int) -> Received:
    """Write the photo of a request to `path`.

    Raises:
        PhotoTooLargeError: it is over `max_bytes`; reading stopped there.
        PhotoFormatError: the request's type is no picture's.
        InputError: the form is damaged or holds no photo.
        StorageError: the disk is full or refuses.
        starlette.requests.ClientDisconnect: the sender has gone.
    """
    kind, options = parse_options_header(request.headers.get("content-type", "application/octet-stream"))
    stream = request.stream()
    try:
        declared = request.headers.get("content-length", "")
        form = kind == b"multipart/form-data"
        if declared.isdigit() and int(declared) > max_bytes + (FORM_BYTES if form else 0):
            raise too_large(max_bytes)
        with atomic.refusals(path), path.open("xb") as file:
            if form:
                return await _receive_form(stream, options.get(b"boundary", b""), file, path, max_bytes)
            if kind != b"application/octet-stream" and not kind.startswith(b"image/"):
                raise PhotoFormatError(
                    f"A photo can't be sent as {kind.decode('latin-1')[:60] or 'nothing'}.",
                    hint="Send the picture's bytes as image/* or as the field 'photo' of a form.",
                )
            await _receive_raw(stream, file, max_bytes)
            return Received(path, unquote(request.headers.get("x-filename", "")), {})
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def declared_bytes(request: Request) -> int:
    """The length that the sender declares; 0 where it is none, or more than is read at all."""
    from diorama.photo import MAX_BYTES

    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdigit() and len(declared) < 12 else 0
    return size if size <= MAX_BYTES + FORM_BYTES else 0


def too_large(max_bytes: int) -> PhotoTooLargeError:
    """The error of an upload that is over the limit."""
    return PhotoTooLargeError(
        f"The photo is larger than {max_bytes >> 20} MB.", hint="Save it smaller, or as JPEG, and upload that."
    )


async def drain(request: Request) -> None:
    """Read on for a while after a refusal, unless the sender waits to be told to send."""
    if "expect" in request.headers:
        return
    left = DRAIN_BYTES
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):  # the last: it was read to its end already
        async with asyncio.timeout(DRAIN_SECONDS):
            async for chunk in request.stream():
                left -= len(chunk)
                if left < 0:
                    return


class _Sink:
    """Collects blocks for a file and counts them."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._max = max_bytes
        self._blocks = bytearray()
        self.count = 0

    def add(self, data: bytes) -> None:
        self.count += len(data)
        if self.count > self._max:
            raise too_large(self._max)
        self._blocks += data

    async def write(self, *, at_least: int = BLOCK) -> None:
        if len(self._blocks) >= at_least:
            blocks, self._blocks = self._blocks, bytearray()
            await asyncio.to_thread(self._file.write, blocks)


async def _receive_raw(stream: AsyncIterator[bytes], file: BinaryIO, max_bytes: int) -> None:
    sink = _Sink(file, max_bytes)
    async for chunk in stream:
        sink.add(chunk)
        await sink.write()
    await sink.write(at_least=1)


class _Form:
    """Callbacks of the multipart parser: `photo` goes to the sink, `settings` is kept, other fields are dropped."""

    def __init__(self, sink: _Sink) -> None:
        self.sink = sink
        self.name: str | None = None
        self.settings = bytearray()
        self.ended = False
        self._field = b""
        self._header, self._value, self._disposition = b"", b"", b""
        self._rest = 0

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._field = self._disposition = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._field = options.get(b"name", b"")
        if self._field == b"photo":
            if self.name is not None:
                raise InputError("The form holds more than one photo.", hint="Send each photo as a job of its own.")
            self.name = options.get(b"filename", b"").decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field == b"photo":
            self.sink.add(data[start:end])
            return
        self._rest += end - start
        if self._rest > FORM_BYTES:
            raise InputError("The form's other fields are too large.", hint="Send the photo and the settings only.")
        if self._field == b"settings":
            self.settings += data[start:end]

    def _end(self) -> None:
        self.ended = True


async def _receive_form(
    stream: AsyncIterator[bytes], boundary: bytes, file: BinaryIO, path: Path, max_bytes: int
) -> Received:
    form = _Form(_Sink(file, max_bytes))
    total = 0
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for chunk in stream:
            total += len(chunk)
            if total > max_bytes + FORM_BYTES:  # headers and the space between the parts count as well
                raise too_large(max_bytes)
            parser.write(chunk)
            await form.sink.write()
        parser.finalize()
    except FormParserError as error:
        log.info("damaged form: %s", error)
        form.ended = False
    if not form.ended:
        raise InputError("The upload broke off or its form is damaged.", hint="Upload the photo again.")
    if form.name is None:
        raise PhotoError("The form holds no photo.", hint="Send the picture as the field 'photo'.")
    await form.sink.write(at_least=1)
    return Received(path, form.name, parse_settings(bytes(form.settings)))
