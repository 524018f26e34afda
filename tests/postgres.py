"""A PostgreSQL server of this session's own: in a temporary folder, on the loopback, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

UNPRIVILEGED = "nobody"
"""Who runs it where the tests are root's: PostgreSQL refuses to be."""


def find() -> Path | None:
    """The folder of `initdb` and `postgres`: Debian keeps them out of PATH."""
    places = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").is_file() and (place / "postgres").is_file()), None)


class Postgres:
    """A running server; `database()` makes an empty database and returns its address."""

    def __init__(self, programs: Path, root: Path) -> None:
        self.programs, self.root = programs, root
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        who: dict[str, Any] = {"cwd": root}
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            shutil.chown(root, UNPRIVILEGED)
            who |= {"user": UNPRIVILEGED, "extra_groups": []}
        self._who = who
        make = ["initdb", "-D", "data", "-A", "trust", "-U", "diorama", "--no-sync", "-E", "UTF8", "--locale", "C"]
        subprocess.run([programs / make[0], *make[1:]], check=True, capture_output=True, **who)
        self.start()

    def start(self) -> None:
        """Start it on its data, as after a crash."""
        settings = {"fsync": "off", "unix_socket_directories": "", "listen_addresses": "127.0.0.1"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.root / "log").open("ab") as log:
            command = [self.programs / "postgres", "-D", "data", "-p", str(self.port), *options]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **self._who)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.run("SELECT 1")
                return
            except Exception:
                assert self.process.poll() is None, (self.root / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def stop(self) -> None:
        """End it at once, as a crash would: it recovers when it starts again."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def run(self, statement: str) -> None:
        """Run a statement outside a transaction."""
        import pg8000.native

        connection = pg8000.native.Connection("diorama", host="127.0.0.1", port=self.port, database="postgres")
        try:
            connection.run(statement)
        finally:
            connection.close()

    def database(self, template: str = "template1") -> str:
        """The address of a new database, a copy of `template`."""
        name = f"d{uuid4().hex}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return f"postgresql://diorama@127.0.0.1:{self.port}/{name}"


@contextmanager
def running(programs: Path) -> Iterator[Postgres]:
    """A server for the length of the block."""
    root = Path(tempfile.mkdtemp(prefix="diorama-postgres-"))
    server = None
    try:
        server = Postgres(programs, root)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(root, ignore_errors=True)
