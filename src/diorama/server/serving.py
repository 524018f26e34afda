"""Running the app: the address, the socket, and an end within seconds."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diorama.errors import ServerError
from diorama.jobs.files import data_folder
from diorama.logs import VARIABLE, configure
from diorama.server import several, web
from diorama.server.lan import Lan, addresses, certificate, fingerprint, names, qr_text
from diorama.server.users import HOW, from_environment, new_token
from diorama.server.web import Site

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 5000
EVERY_ADDRESS = "0.0.0.0"
EVERYWHERE = (EVERY_ADDRESS, "::")


def serve(
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    data: Path | None = None,
    *,
    workers: int = 1,
    slots: int | None = None,
    fetch: bool = True,
    open_browser: bool = False,
    lan: bool = False,
    log: str | None = None,
    say: Callable[[str], None] | None = None,
) -> None:
    """Serve the web app until Ctrl-C or SIGTERM.

    Args:
        host: a loopback address or name; where there are tokens, any address of the machine, or 0.0.0.0 for all of
            them; with `lan`, one of its addresses, or the default for all of them.
        port: 0 takes a free one.
        data: the folder of the jobs; `DIORAMA_DATA` or the platform's folder where None.
        workers: how many processes answer requests.
        slots: how many jobs are worked on at once, by all of them together; half the cores where None; 0: other
            servers, which share the jobs, do the work.
        fetch: whether better weights are fetched in the background (never when offline).
        open_browser: open the page in the user's browser.
        lan: open to the network: HTTPS with a certificate of its own, and nobody is let in without a token. One that
            is made for this start stands in the link that is told, and in its QR code.
        log: what is written to stderr while it runs (`logs.Form`); as `DIORAMA_LOG` says where None.
        say: told the address in a sentence once the server listens; prints where None.

    Raises:
        ServerError: the port is taken, the address is others' to reach and there is no token, a token can't be used,
            or the extra `lan` isn't installed.
        StorageError: the data folder can't be used.
    """
    if log is not None:
        os.environ[VARIABLE] = log  # the workers' as well
    configure()
    users = from_environment()
    folder = (data or data_folder()).expanduser().absolute()
    network = _network(host, folder) if lan else None
    listener = _listen(
        EVERY_ADDRESS if network and host == DEFAULT_HOST else host, port, open_to_others=lan or bool(users)
    )
    try:
        address = _address(host, listener)
        how: dict[str, Any] = {}
        opened = None
        if network is not None:
            address = f"https://{_bracketed(network.hosts[0])}:{listener.getsockname()[1]}"
            opened = Lan(address, os.environ.get("DIORAMA_TOKEN") or new_token())
            how = {"ssl_certfile": network.certificate, "ssl_keyfile": network.key}
        known = network.names if network else _known_as(host)
        site = Site(folder, [_bracketed(name) for name in known], slots, fetch, opened, users, how)

        def ready() -> None:
            said = f"Diorama is at {opened.link() if opened else address} (Ctrl-C ends it)."
            if users and not opened:
                said += " It asks for a token."
            if opened and network:
                said += (
                    " Whoever has this link may use it. On a phone in the same network:\n\n"
                    f"{qr_text(opened.link())}\n\n"
                    f"Its browser warns of the certificate once, whose SHA-256 is {fingerprint(network.certificate)}."
                )
            (say or _print)(said)
            if open_browser:
                webbrowser.open(opened.link() if opened else address)

        if workers > 1:
            several.run(site, workers, listener, ready)
        else:
            web.run(site, listener, ready)
    finally:
        listener.close()


@dataclass(frozen=True)
class _Network:
    """What serving others takes."""

    hosts: list[str]  # addresses, the most likely first
    names: list[str]  # and what else it answers to
    certificate: Path
    key: Path


def _network(host: str, folder: Path) -> _Network:
    """Addresses, names, certificate.

    Raises:
        ServerError: no network, or the extra `lan` isn't installed.
        StorageError: the data folder can't be used.
    """
    hosts = addresses() if host == DEFAULT_HOST else [host]
    known = names(hosts)
    cert, key = certificate(folder / "tls", known)
    qr_text("")  # before anything else is done: is the package there?
    return _Network(hosts, known, cert, key)


def _print(sentence: str) -> None:
    print(sentence, flush=True)


def _listen(host: str, port: int, *, open_to_others: bool = False) -> socket.socket:
    """A listening socket.

    Raises:
        ServerError: the port is taken, or the address isn't this machine's own.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise ServerError(f"'{host}' is no address of this machine.", hint="Use --host 127.0.0.1.") from None
    if not open_to_others and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise ServerError(
            f"At {host} other machines would reach Diorama, and it would ask nobody who they are.",
            hint="Set DIORAMA_TOKEN to a secret, which it asks for then. "
            f"{HOW} Or add --lan: it makes a token and speaks HTTPS. Or use --host 127.0.0.1.",
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


def _known_as(host: str) -> list[str]:
    """By which names a server that listens at `host` is asked for."""
    if host not in EVERYWHERE:
        return [host]
    with suppress(ServerError):  # in no network: then by those of the loopback alone
        return names(addresses())
    return []


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _address(host: str, listener: socket.socket) -> str:
    """What its own machine asks it by."""
    host = {EVERY_ADDRESS: DEFAULT_HOST, "::": "::1"}.get(host, host)
    return f"http://{_bracketed(host)}:{listener.getsockname()[1]}"
