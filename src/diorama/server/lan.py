"""For phones in the same network: addresses, a certificate of this machine's own, QR codes.

Browsers give the tilt sensor and headsets to `https://` pages alone, so the server needs a certificate. Nobody can
vouch for an address such as 192.168.1.5: the certificate is signed by itself, the browser warns once, and its
fingerprint is what there is to compare.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from diorama import atomic
from diorama.errors import ServerError

VALID_DAYS = 90
RENEW_DAYS = 14
"""A certificate that ends sooner is made anew at the start, and so is one for other addresses."""

_ELSEWHERE = ("192.0.2.1", 9)
"""An address that nobody has (RFC 5737): asked for the way to it, the system names its own; nothing is sent."""


@dataclass(frozen=True)
class Lan:
    """How others in the network reach the server."""

    address: str  # https://192.168.1.5:5000
    token: str

    def link(self, path: str = "/") -> str:
        """The address of a page, with the token that lets its reader in."""
        return f"{self.address}/{quote(path.lstrip('/'), safe='/')}?token={self.token}"


def addresses() -> list[str]:
    """This machine's IPv4 addresses in its networks, the one of the way out first.

    Raises:
        ServerError: it is in no network.
    """
    found: list[str] = []
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_ELSEWHERE)
        found.append(probe.getsockname()[0])
    with contextlib.suppress(OSError):
        found += [str(each[4][0]) for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    usable = [text for text in dict.fromkeys(found) if not ipaddress.ip_address(text).is_loopback]
    if not usable:
        raise ServerError("This machine is in no network.", hint="Connect it to one, or leave --lan out.")
    return usable


def names(hosts: list[str]) -> list[str]:
    """What the server is called: its addresses, its name, and that name as phones look for it."""
    own = socket.gethostname().lower()
    return list(dict.fromkeys([*hosts, own, f"{own.partition('.')[0]}.local", "localhost", "127.0.0.1"]))


def certificate(folder: Path, hosts: list[str]) -> tuple[Path, Path]:
    """Paths of the certificate and its key, which only this user may read; made where there is none that will do.

    Raises:
        ServerError: the extra `lan` isn't installed.
        StorageError: the disk is full or refuses.
    """
    _need("cryptography")
    cert, key = folder / "certificate.pem", folder / "key.pem"
    if not _will_do(cert, key, hosts):
        made, secret = _make(hosts)
        with atomic.refusals(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            key.unlink(missing_ok=True)
            with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secret)
            cert.write_bytes(made)
    return cert, key


def fingerprint(cert: Path) -> str:
    """SHA-256 of the certificate, as browsers show it."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    return x509.load_pem_x509_certificate(cert.read_bytes()).fingerprint(SHA256()).hex(":").upper()


def qr_text(link: str) -> str:
    """The QR code in block characters, for a terminal.

    Raises:
        ServerError: the extra `lan` isn't installed.
    """
    out = io.StringIO()
    _need("segno").make(link, error="l", micro=False).terminal(out, compact=True)
    return out.getvalue().rstrip("\n")


def qr_svg(link: str) -> bytes:
    """The QR code as an SVG file, black on white.

    Raises:
        ServerError: the extra `lan` isn't installed.
    """
    out = io.BytesIO()
    _need("segno").make(link, error="l", micro=False).save(out, kind="svg", scale=6, light="white")
    return out.getvalue()


def _need(package: str) -> Any:
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError:
        raise ServerError(
            f"Serving the network needs the package {package}, which isn't installed.",
            hint="Install it: pip install 'diorama-3d[lan]'",
        ) from None


def _will_do(cert: Path, key: Path, hosts: list[str]) -> bool:
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(cert.read_bytes())
        known = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        key.read_bytes()
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    lasts = found.not_valid_after_utc - datetime.now(UTC) > timedelta(days=RENEW_DAYS)
    return lasts and {_name(host) for host in hosts} <= set(known)


def _make(hosts: list[str]) -> tuple[bytes, bytes]:
    """A certificate (PEM) signed by itself, and its key (PEM, P-256)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Diorama on this network")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return built.public_bytes(serialization.Encoding.PEM), secret


def _name(host: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
