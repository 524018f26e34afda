"""Starts the web app: ``python main.py``, then http://127.0.0.1:5000. Takes the options of ``diorama serve``."""

from __future__ import annotations

import sys


def main() -> None:
    """Serve until Ctrl-C; the exit code is the error's."""
    try:
        from diorama.cli import app
    except ImportError as error:
        sys.exit(
            f"Diorama is not installed for this Python ({sys.executable}): {error}.\n"
            "Install it first: python -m pip install -r requirements.txt"
        )
    app(["serve", *sys.argv[1:]], prog_name="diorama")


if __name__ == "__main__":  # the workers import this file and must not start servers
    main()
