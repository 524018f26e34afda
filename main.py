"""Starts the web app: ``python main.py``, then http://127.0.0.1:5000."""

from __future__ import annotations

import sys


def main() -> int:
    """Serve until Ctrl-C; the exit code is the error's."""
    try:
        from diorama.errors import DioramaError
        from diorama.server import serve
    except ImportError as error:
        print(
            f"Diorama is not installed for this Python ({sys.executable}): {error}.\n"
            "Install it first: python -m pip install -r requirements.txt",
            file=sys.stderr,
        )
        return 1
    try:
        serve(open_browser="--open" in sys.argv[1:])
    except DioramaError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":  # the workers import this file and must not start servers
    sys.exit(main())
