"""Whether each defence of SECURITY.md is one: takes it out of a copy of the code, and has its test fail.

    python benchmarks/defences.py                 all of them, about 5 minutes
    python benchmarks/defences.py Host cookie     those whose text holds one of the words

For each line of the table: the test passes with the code as it is, and fails (or doesn't end) where the defence is
taken out. Exits with 1 where one doesn't.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECONDS = 90
"""A test that doesn't end without the defence has failed, too: a server that should have refused to start."""


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    threat: str
    defence: str
    file: str  # below src/diorama
    test: str  # FILE::NAME below tests


@dataclass(frozen=True)
class Removal:
    """How a defence is taken out: texts of its file, and what stands there without it."""

    changes: tuple[tuple[str, str], ...]
    memory: int | None = None  # bytes of address space that the test may take then


def _out(*changes: tuple[str, str], memory: int | None = None) -> Removal:
    return Removal(changes, memory)


REMOVALS: dict[str, Removal] = {
    "only known names in `Host`": _out(('match["name"].lower() in self.hosts:', "True:")),
    "`Origin` and `Sec-Fetch-Site` must be one's own": _out(
        ('if same and site in (None, "same-origin", "none"):', "if True:")
    ),
    "policies on every answer, no CORS": _out(('    "Cross-Origin-Resource-Policy": "same-origin",\n', "")),
    "sandbox in the content security policy": _out(('; "\n    "sandbox",', '",')),
    "types that browsers run are attachments": _out((' or entry["media_type"] in RUN_BY_BROWSERS else', " else")),
    "`nosniff`": _out(('    "X-Content-Type-Options": "nosniff",\n', "")),
    "without a token it listens to its own machine alone": _out(
        ("if not open_to_others and not ipaddress", "if False and not ipaddress")
    ),
    "nothing is answered without one": _out(("user = self.users.who(_given(scope, headers))", "user = SOLE")),
    "tokens have 20 characters at least": _out(("SHORTEST_TOKEN = 20", "SHORTEST_TOKEN = 1")),
    "digests, all compared in constant time": _out(("if hmac.compare_digest(given, digest):", "if given == digest:")),
    "out of the address into a cookie: `HttpOnly`, `SameSite=Strict`, `Secure`": _out(
        ('httponly=True, samesite="strict"', 'httponly=False, samesite="lax"')
    ),
    "redirects stay on the server": _out(("f\"/{quote(scope['path'].lstrip('/'))}{", "f\"{quote(scope['path'])}{")),
    "hidden wherever it would be written": _out(('    return _SHOWN.sub(rf"\\1{HIDDEN}", text)', "    return text")),
    "one record is one line": _out(("_one_line(record.getMessage())", "record.getMessage()")),
    "every route of a job asks whose it is, and answers as if there were none": _out(
        ("    if context.users:\n        await", "    if False:\n        await")
    ),
    "lists are of one's own": _out(("user if self.users else None", "None")),
    "it is shown to its owner": _out((" or user_of(request) != SOLE", "")),
    "photos are decoded in a process apart": _out(("        read=processes.read_apart,\n", "")),
    "a limit of address space": _out(('        "RLIMIT_AS": used + limits["memory"],\n', "")),
    "a limit of its seconds": _out(('        "RLIMIT_CPU": limits["cpu"],\n', "")),
    "the decoder may write nothing and open little": _out(('        "RLIMIT_FSIZE": 0,', '        "RLIMIT_NONE": 0,')),
    "it isn't given them": _out((" if not name.startswith(_SECRET)}", "}")),
    "the header's size is checked before anything is decoded": _out(
        ("    if width * height > MAX_PIXELS:", "    if False:"), memory=3 << 30
    ),
    "only the named readers are ever asked": _out(
        (
            'raise PhotoFormatError(f"{label} is no photo that can be read{looks}.", hint=f"Save it as {SUPPORTED}.")',
            'return "JPEG"',
        )
    ),
    "it is cut off at the limit while it streams": _out(
        ("if self.count > self._max:", "if False:"),
        ("if total > max_bytes + FORM_BYTES:", "if False:"),
        ("if declared.isdigit() and", "if False and"),
    ),
    "every other body ends at 16 MB": _out(
        ("if limited and count > BODY_BYTES:", "if False:"), ("if refusal is None and limited:", "if False:")
    ),
    "after a minute without a byte it is over": _out(
        ("asyncio.timeout(STALL_SECONDS if unread else None)", "asyncio.timeout(None)")
    ),
    "a turn each, and few who wait for one": _out(("if self._waiting >= MOST_PREVIEWS:", "if False:")),
    "a bounded queue, 429 with `Retry-After`": _out(("    if waiting > limit:", "    if False:")),
    "quotas of jobs and bytes": _out(("self.quotas.check(self.store, self.products, user, jobs=1, size=size)", "pass")),
    "ids and names of one pattern; only listed files are sent": _out(("if not JOB_ID.fullmatch(job_id):", "if False:")),
    "one safe part of a path": _out((r'name = re.sub(r"[^\w.-]+", "_", name).strip("._")', "pass")),
    "models are chosen by name, never by path or address": _out(("if settings.depth not in names:", "if False:")),
    "entities are refused": _out(('if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:', "if False:")),
    "an unforeseen one is named by its kind alone": _out(("({type(error).__name__})", "({error})")),
    "folders of the owner alone": _out(
        ("self.root.mkdir(parents=True, exist_ok=True, mode=0o700)", "self.root.mkdir(parents=True, exist_ok=True)")
    ),
    "size and sha256 of the catalogue": _out(("if _sha256(part) != entry.sha256:", "if False:")),
    "names in it are checked": _out(
        ('if "\\\\" in name or ":" in name or name.startswith("/") or ".." in parts:', "if False:")
    ),
}
"""By the defence's words in the table."""


def lines() -> list[Line]:
    """The table of SECURITY.md."""
    found = []
    for text in (ROOT / "SECURITY.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in text.strip("|").split("|")]
        if len(cells) == 4 and "::" in cells[3]:
            found.append(Line(cells[0], cells[1], cells[2].strip("`"), cells[3].strip("`")))
    return found


def without(line: Line, package: Path) -> None:
    """Take a defence out of a copy of the package.

    Raises:
        LookupError: the code isn't the one that is taken out any more.
    """
    path = package / line.file
    text = path.read_text(encoding="utf-8")
    for old, new in REMOVALS[line.defence].changes:
        if old not in text:
            raise LookupError(f"{line.file} doesn't hold {old!r}: put what stands there now into REMOVALS")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def passes(test: str, source: Path, memory: int | None = None) -> bool:
    """Whether a test passes with the package below `source`."""
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", f"tests/{test}"]
    environment = os.environ | {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_limited(memory),
    )
    try:
        return process.wait(SECONDS) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _limited(memory: int | None) -> Callable[[], None] | None:
    return (lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))) if memory else None


def main() -> None:
    wanted = [line for line in lines() if not sys.argv[1:] or re.search("|".join(sys.argv[1:]), line.defence)]
    wrong = 0
    print("| defence | test | with it | without it |\n|---|---|---|---|")
    for line in wanted:
        with tempfile.TemporaryDirectory() as folder:
            package = Path(folder) / "diorama"
            shutil.copytree(ROOT / "src" / "diorama", package, ignore=shutil.ignore_patterns("__pycache__"))
            whole = passes(line.test, Path(folder))
            without(line, package)
            less = passes(line.test, Path(folder), REMOVALS[line.defence].memory)
        wrong += not whole or less
        said = ["passes" if outcome else "fails" for outcome in (whole, less)]
        print(f"| {line.defence} | {line.test} | {said[0]} | {said[1]} |", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
