"""``python -m diorama`` is the command ``diorama``."""

from __future__ import annotations

from diorama.cli import app

if __name__ == "__main__":  # worker processes import this file
    app(prog_name="diorama")
