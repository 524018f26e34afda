"""Running the app: the address, the socket, and an end within seconds."""

from __future__ import annotations

import errno
import ipaddress
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from diorama.errors import ServerError
from diorama.server.app import create_app

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 5000

GOODBYE_SECONDS = 1
"""How long answers that are being sent may still take when the server ends."""


class _Server(uvicorn.Server):
    """Tells the event streams to end, which would otherwise be waited for, and says when it listens."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.context.closing = True
        await super().shutdown(sockets)


def serve(
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    data: Path | None = None,
    *,
    slots: int | None = None,
    fetch: bool = True,
    open_browser: bool = False,
    say: Callable[[str], None] | None = None,
) -> None:
    """Serve the web app until Ctrl-C or SIGTERM.

    Args:
        host: a loopback address or name; there are no passwords yet, so that others can't be let in.
        port: 0 takes a free one.
        data: the folder of the jobs; `DIORAMA_DATA` or the platform's folder where None.
        slots: how many jobs are worked on at once; half the cores where None.
        fetch: whether better weights are fetched in the background (never when offline).
        open_browser: open the page in the user's browser.
        say: told the address in a sentence once the server listens; prints where None.

    Raises:
        ServerError: the port is taken, or the address isn't this machine's own.
        StorageError: the data folder can't be used.
    """
    listener = _listen(host, port)
    try:
        address = _address(host, listener)
        app = create_app(data, hosts=[_bracketed(host)], slots=slots, fetch=fetch)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            timeout_graceful_shutdown=GOODBYE_SECONDS,
        )

        def ready() -> None:
            (say or _print)(f"Diorama is at {address} (Ctrl-C ends it).")
            if open_browser:
                webbrowser.open(address)

        with _ended_by_signals():
            _Server(config, app, ready).run(sockets=[listener])
    finally:
        listener.close()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more, after everything has ended in order: that is no error."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print(sentence: str) -> None:
    print(sentence, flush=True)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ServerError: the port is taken, or the address isn't this machine's own.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise ServerError(f"'{host}' is no address of this machine.", hint="Use --host 127.0.0.1.") from None
    if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise ServerError(
            f"Diorama can't be opened to other machines yet ({host}): it asks nobody for a password.",
            hint="Use --host 127.0.0.1, and an SSH tunnel to reach it from elsewhere.",
        )
    listener = socket.socket(family, kind, protocol)
    try:
        # Windows would let two servers share a port with SO_REUSEADDR; elsewhere it frees one left over.
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise _not_bound(host, port, error) from error
    return listener


def _not_bound(host: str, port: int, error: OSError) -> ServerError:
    if error.errno == errno.EADDRINUSE:
        airplay = " On macOS it is often AirPlay Receiver (System Settings > General > AirDrop & Handoff)."
        return ServerError(
            f"Port {port} is taken by another program.{airplay if port in (5000, 7000) else ''}",
            hint=f"Choose another one, such as --port {port + 1 if port < 65535 else 8000}.",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return ServerError(f"Port {port} may not be used by you.", hint="Choose one above 1023, such as --port 5000.")
    return ServerError(
        f"The server can't listen at {host}:{port}: {error.strerror}.", hint="Choose another --host or --port."
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _address(host: str, listener: socket.socket) -> str:
    return f"http://{_bracketed(host)}:{listener.getsockname()[1]}"
