"""Photos read in a process of their own, with limits of memory, time and files: what kills a decoder fails one photo.

A `Decoder` keeps a child which has imported the readers and touches no file itself. For each photo it forks once: the
fork sets its limits, reads the photo, hands it over through a pipe and ends. The limits hold against files that crash
a codec or eat the machine; they are no wall against code that a broken codec was made to run.

Where processes can't be forked (Windows) photos are read in the worker itself, whose death is survived as well, and a
line in the log says so.
"""

from __future__ import annotations

import importlib
import io
import json
import logging
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from diorama.errors import DioramaError, PhotoError, PhotoTooLargeError
from diorama.settings import Settings
from diorama.types import Photo

log = logging.getLogger(__name__)

MEMORY_BYTES = 4 << 30
"""Of address space beyond what the readers' code takes: 100 megapixels of 8 bits take a fifth of it. Where the machine
has less, three quarters of what it has."""

CPU_SECONDS = 60
WALL_SECONDS = 120
"""A photo at the limits of size takes a tenth of that on a slow core."""

OPEN_FILES = 64

READER = "diorama.photo:read"

POSSIBLE = hasattr(os, "fork") and hasattr(socket, "send_fds") and sys.platform != "win32"

_HEAD = struct.Struct("<QQ")  # bytes of the pickle; number of buffers
_SIZE = struct.Struct("<Q")
_SECRET = ("DIORAMA_TOKEN", "DIORAMA_DATABASE", "OPENAI", "AWS_")


class Decoder:
    """Reads photos in processes with limits. One at a time; to be closed.

    Args:
        memory: bytes of address space that reading a photo may take.
        cpu_seconds: of all its threads together.
        wall_seconds: until it has ended.
        reader: module and name of what reads; called as `photo.read`.
    """

    def __init__(
        self,
        *,
        memory: int = MEMORY_BYTES,
        cpu_seconds: int = CPU_SECONDS,
        wall_seconds: float = WALL_SECONDS,
        reader: str = READER,
    ) -> None:
        self._reader = reader
        self.peak_bytes = 0  # of memory, while the last photo was read
        self._limits = {
            "memory": min(memory, _three_quarters()),
            "cpu": cpu_seconds,
            "files": OPEN_FILES,
            "wall": int(wall_seconds) + 1,
        }
        self._wall = wall_seconds
        self._lock = threading.Lock()
        self._parent: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._heard = b""

    def read(self, path: Path, settings: Settings) -> Photo:
        """As `photo.read`, which does the work.

        Raises:
            PhotoError: as there; or its decoder crashed, took too long, or wanted to write files.
            PhotoTooLargeError: as there, or it took more memory than a photo may.
        """
        if not POSSIBLE:
            from diorama import photo

            log.warning("this system can't read photos in a process apart: a broken one may end the worker")
            return photo.read(path, settings)
        with self._lock:
            reader, writer = os.pipe()
            try:
                child = self._ask(path, settings, writer)
                os.close(writer)
                writer = -1
                message = self._listen(reader, child)
                ended = self._ended()
            finally:
                os.close(reader)
                if writer >= 0:
                    os.close(writer)
        return _result(message, ended, path.name)

    def close(self) -> None:
        """End the child."""
        if self._socket is not None:
            self._socket.close()
        if self._parent is not None:
            self._parent.wait()
        self._socket = self._parent = None
        self._heard = b""

    def _ask(self, path: Path, settings: Settings, writer: int) -> int:
        """Send the request; the id of the fork that reads the photo."""
        request = {"path": str(path.absolute()), "settings": settings.model_dump(mode="json"), "limits": self._limits}
        for attempt in (1, 2):
            self.start()
            assert self._socket is not None
            try:
                socket.send_fds(self._socket, [json.dumps(request).encode() + b"\n"], [writer])
                return int(self._line())
            except (OSError, ValueError):  # the child was killed while it waited
                self.close()
                if attempt == 2:
                    raise
        raise AssertionError

    def start(self) -> None:
        """Start the child where there is none: it loads the readers before the first photo comes."""
        if not POSSIBLE or (self._parent is not None and self._parent.poll() is None):
            return
        self.close()  # what is left of one that has died
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.settimeout(WALL_SECONDS)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_SECRET)}
        self._parent = subprocess.Popen(
            [sys.executable, "-c", "import sys; from diorama import decoder; decoder.serve(sys.argv[1])", self._reader],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            env=environment,
        )
        theirs.close()
        self._socket = ours

    def _line(self) -> str:
        """The next line that the child sends.

        Raises:
            OSError: it has ended, or says nothing.
        """
        assert self._socket is not None
        while b"\n" not in self._heard:
            chunk = self._socket.recv(200)
            if not chunk:
                raise ConnectionResetError("the child has ended")
            self._heard += chunk
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def _listen(self, reader: int, child: int) -> bytearray:
        """What the fork sends until it ends; it is killed when its time is over."""
        deadline, message = time.monotonic() + self._wall, bytearray()
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([reader], [], [], left)[0]:
                # Nobody has waited for it yet, so its id is nobody else's.
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                return bytearray()
            chunk = os.read(reader, 1 << 20)
            if not chunk:
                return message
            message += chunk

    def _ended(self) -> int:
        """The fork's exit code, or minus the signal that ended it."""
        try:
            code, _, peak = self._line().partition(" ")
        except OSError:  # the child was killed, and with it the only one who knows
            return -signal.SIGKILL
        self.peak_bytes = int(peak)
        return int(code)


def _three_quarters() -> int:
    """Of the machine's memory."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4
    except (AttributeError, OSError, ValueError):  # a system that doesn't tell
        return MEMORY_BYTES


def _result(message: bytearray, ended: int, name: str) -> Photo:
    """The photo, or the error that its file came to."""
    from diorama.photo import clean_name

    label = clean_name(name)
    if ended == 0 and len(message) >= _HEAD.size:
        found = _unpacked(message)
        if isinstance(found, DioramaError):
            raise found
        if isinstance(found, Photo):
            return found
    if ended in (-signal.SIGKILL, -signal.SIGXCPU, -signal.SIGALRM):
        raise PhotoError(
            f"{label} takes too long to decode, or too much memory.",
            hint="Open it in another program and save it as a JPEG or PNG.",
        )
    raise PhotoError(
        f"{label} makes its decoder crash ({_how(ended)}): it is damaged, or made to do harm.",
        hint="Open it in another program and save it as a JPEG or PNG.",
    )


def _how(ended: int) -> str:
    try:
        return signal.Signals(-ended).name if ended < 0 else f"exit {ended}"
    except ValueError:
        return f"signal {-ended}"


# ---- the child -----------------------------------------------------------------------------------------------------


def serve(reader: str) -> None:
    """What the child does: fork for each request that comes through the socket at file 0, until that is closed."""
    module, _, function = reader.partition(":")
    read = getattr(importlib.import_module(module), function)
    _load()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=0) as requests:
        while True:
            message, files = b"", list[int]()
            while not message.endswith(b"\n"):
                part, more, _, _ = socket.recv_fds(requests, 1 << 20, 1)
                if not part:
                    return
                message, files = message + part, files + more
            child = os.fork()
            if child == 0:
                _read_once(read, json.loads(message), files[0], requests)
            os.close(files[0])
            requests.sendall(f"{child}\n".encode())
            _, status, used = os.wait4(child, 0)
            peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            requests.sendall(f"{os.waitstatus_to_exitcode(status)} {peak}\n".encode())


def _load() -> None:
    """Load what every fork would have to load otherwise, by reading a picture of one's own."""
    from PIL import Image

    from diorama import photo

    for module in ("cv2", "tifffile", "pi_heif"):
        with suppress(ImportError):
            importlib.import_module(module)
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "PNG")
    photo.read(data.getvalue())


def _read_once(read: Callable[..., Photo], request: dict[str, Any], writer: int, requests: socket.socket) -> None:
    """Read one photo and end, whatever happens."""
    code = 1
    try:
        requests.close()
        limit(request["limits"])
        try:
            found: Any = read(Path(request["path"]), Settings.parse(request["settings"]))
        except DioramaError as error:
            found = error
        except MemoryError:
            found = PhotoTooLargeError(
                "The photo takes more memory to decode than a photo may.", hint="Make it smaller first."
            )
        _send(found, writer)
        code = 0
    except BaseException:
        log.exception("a photo's decoder")
    finally:
        os._exit(code)


def limit(limits: dict[str, int]) -> None:
    """Set the limits of this process, as far as the system has them; they can't be raised again."""
    import resource

    used = 0
    with suppress(OSError, ValueError, IndexError):
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    wanted = {
        "RLIMIT_AS": used + limits["memory"],
        "RLIMIT_CPU": limits["cpu"],
        "RLIMIT_FSIZE": 0,  # it writes to a pipe; to files, nothing
        "RLIMIT_NOFILE": limits["files"],
        "RLIMIT_CORE": 0,
    }
    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        if kind is not None:
            with suppress(OSError, ValueError):  # macOS takes no limit of address space
                resource.setrlimit(kind, (value, value))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(limits["wall"])  # should nobody be left to kill it


def _send(found: object, writer: int) -> None:
    buffers: list[pickle.PickleBuffer] = []
    packed = pickle.dumps(found, protocol=5, buffer_callback=buffers.append)
    raw = [buffer.raw() for buffer in buffers]
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(_HEAD.pack(len(packed), len(raw)))
        for part in raw:
            pipe.write(_SIZE.pack(part.nbytes))
        pipe.write(packed)
        for part in raw:
            pipe.write(part)


def _unpacked(message: bytearray) -> object:
    view = memoryview(message)
    size, count = _HEAD.unpack_from(view)
    at = _HEAD.size
    sizes = [_SIZE.unpack_from(view, at + number * _SIZE.size)[0] for number in range(count)]
    at += count * _SIZE.size
    packed = view[at : at + size]
    at += size
    buffers = []
    for each in sizes:
        buffers.append(view[at : at + each])
        at += each
    return pickle.loads(packed, buffers=buffers)
