"""``diorama doctor``: what is there, what is missing and what is broken."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from diorama.cli.options import command
from diorama.cli.talk import Talk
from diorama.errors import InstallationError

MARKS = {"ok": "✓", "hint": "·", "broken": "✗"}


def register(app: typer.Typer) -> None:
    """Add the command to the top one."""
    command(app)(doctor)


def doctor(
    talk: Talk,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port that the web app is to have.")] = 5000,
) -> None:
    """Look at the installation and the machine; fails only when something is broken."""
    from diorama.doctor import examine

    report = examine(port)
    rows = [(MARKS[one.state], one.name, one.detail, one.hint) for one in report.findings]
    talk.table(("", "what", "found", "what to do"), rows)
    broken = [one.name for one in report.broken]
    if broken and not talk.json:
        raise InstallationError(f"This is broken: {', '.join(broken)}.", hint="The list says what to do.")
    values = {"findings": [asdict(one) for one in report.findings], "broken": broken}
    talk.result(values, ["Nothing is broken."])
    if broken:
        raise typer.Exit(InstallationError.exit_code)
