"""The code blocks of README and documentation, and what it takes to run them as a reader would.

Above a block may stand, as an HTML comment that a reader doesn't see:

* ``<!-- file: NAME -->``: what is in it is the file NAME for the blocks below;
* ``<!-- with: a server that plays OpenAI -->``: questions go to `openai_server`;
* ``<!-- not run: REASON -->``: it can't run here. It is checked as far as that goes: syntax, options, files.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

import tools
from diorama.cli import app

ROOT = Path(__file__).parents[1]
DEFAULT_SERVER = "http://127.0.0.1:5000"

LANGUAGES = {"sh", "python", "js", "json", "html", "bat", "text", "{eval-rst}", "{toctree}", "{image}", "{include}"}
"""What a block may be: run or checked, or Sphinx's own directives. `text` is what a program prints."""

_BLOCK = re.compile(
    r"^(?P<marks>(?:[ ]*<!--[^\n]*-->\n)*)(?P<indent>[ ]*)```(?P<language>[^\n]*)\n(?P<text>.*?)^[ ]*```$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"<!-- (not run|file|with): (.+?) -->")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    language: str
    text: str
    marks: dict[str, str]

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """README, CONTRIBUTING and every page of the documentation."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    """The page's blocks in order."""
    source = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(source):
        cut = len(match["indent"])
        text = "".join(line[cut:] for line in match["text"].splitlines(keepends=True))
        line = source.count("\n", 0, match.start("language")) + 1
        words = match["language"].split()
        name = page.relative_to(ROOT).as_posix()
        found.append(Block(name, line, words[0] if words else "", text, dict(_MARK.findall(match["marks"]))))
    return found


def commands(text: str) -> list[str]:
    """The commands of a shell block: lines joined where they go on, comments left out."""
    joined = re.sub(r"\\\n\s*", "", text)
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def split(line: str) -> tuple[dict[str, str], list[str]]:
    """The environment that a command sets before its name, and its words."""
    words, environment = shlex.split(line, comments=True), {}
    while words and re.match(r"[A-Z_]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    return environment, words


# ---- checked only ----------------------------------------------------------------------------------------------


def check(block: Block) -> None:
    """What can be known of a block without running it."""
    if block.language == "json":
        json.loads(block.text)
    elif block.language == "python":
        compile(block.text, block.place, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    elif block.language == "js":
        command = [str(tools.need("node")), "--input-type=module", "--check"]
        subprocess.run(command, input=block.text, text=True, check=True, capture_output=True)
    elif block.language == "sh":
        subprocess.run(["bash", "-n", "-c", block.text], check=True)
        for line in commands(block.text):
            for part in re.split(r"\s(?:&&|\||;)\s", line):
                _check_command(part, block.place)


def _check_command(line: str, place: str) -> None:
    _, words = split(line)
    if not words:
        return
    if Path(words[0]).name == "diorama":
        check_options(words[1:], place)
    elif re.fullmatch(r"(.*/)?python3?", words[0]) and len(words) > 1 and words[1].endswith(".py"):
        assert (ROOT / words[1]).is_file(), f"{place}: there is no {words[1]}"


def check_options(words: list[str], place: str) -> None:
    """Whether the command and its options exist."""
    import typer

    chosen: Any = typer.main.get_command(app)
    rest = list(words)
    while rest and hasattr(chosen, "commands") and not rest[0].startswith("-"):
        name = rest.pop(0)
        assert name in chosen.commands, f"{place}: there is no command `diorama {name}`"
        chosen = chosen.commands[name]
    known = {flag for parameter in chosen.params for flag in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    given = {word.partition("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)}
    assert given <= known, f"{place}: diorama {' '.join(words)}: no such option: {given - known}"


# ---- run -------------------------------------------------------------------------------------------------------


class Reader:
    """Someone who reads one page and does what it says, from its top down, in a folder with a photo."""

    def __init__(self, folder: Path, server: str, openai: str) -> None:
        self.folder = folder
        self.server = server
        self.openai = openai
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.environment: dict[str, str] = {}

    def follow(self, block: Block) -> None:
        """Run the block, or check it where it says that it can't run.

        Raises:
            AssertionError: it did not do what it should.
        """
        if "file" in block.marks:
            (self.folder / block.marks["file"]).write_text(block.text, encoding="utf-8")
        if block.language in ("json", "html", "bat") or "not run" in block.marks:
            check(block)
        elif block.language == "python":
            self._python(block)
        elif block.language == "js":
            self._node(block)
        elif block.language == "sh":
            check(block)
            self._shell(block)

    def _here(self, text: str) -> str:
        return text.replace(DEFAULT_SERVER, self.server)

    def _python(self, block: Block) -> None:
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(io.StringIO()):
            exec(compile(self._here(block.text), block.place, "exec"), self.names)

    def _node(self, block: Block) -> None:
        command = [str(tools.need("node")), "--input-type=module"]
        self._run(command, block.place, input=self._here(block.text))

    def _shell(self, block: Block) -> None:
        tellings = {"OPENAI_BASE_URL": self.openai, "OPENAI_API_KEY": "sk-test"} if "with" in block.marks else {}
        lines = commands(block.text)
        if any(re.search(r"\bcurl\b", line) for line in lines):
            tools.need("curl")
            # `export` etc. hold within the block; a refusal that the page shows is an answer, too.
            self._run(["bash", "-euo", "pipefail", "-c", self._here(block.text)], block.place)
            return
        for line in lines:
            environment, words = split(line)
            if words[0] == "export":
                self.environment |= dict(word.split("=", 1) for word in words[1:])
            elif words[0] == "diorama":
                self._diorama(words[1:], {**self.environment, **environment, **tellings}, block.place)
            elif words[0] == "npm":
                assert words[:2] == ["npm", "install"], f"{block.place}: {line}"  # three.js is in the package already
            else:
                raise AssertionError(f"{block.place}: nothing here can run `{line}`; mark it as not run, with a reason")

    def _diorama(self, words: list[str], environment: dict[str, str], place: str) -> None:
        if words[0] == "serve":
            start_and_stop([*words[1:], "--port", "0"], self.folder, place)
            return
        target = None
        if ">" in words:
            words, target = words[: words.index(">")], words[words.index(">") + 1]
        before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        try:
            with contextlib.chdir(self.folder):
                result = CliRunner().invoke(app, words, prog_name="diorama")
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
        assert result.exit_code == 0, f"{place}: diorama {' '.join(words)}: {result.output}{result.stderr}"
        if target:
            (self.folder / target).write_text(result.stdout, encoding="utf-8")
            json.loads(result.stdout)
        for word, value in zip(words, [*words[1:], ""], strict=True):
            assert word != "-o" or (self.folder / value).exists(), f"{place}: {value} was not written"

    def _run(self, command: list[str], place: str, **more: Any) -> None:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120, **more)
        assert done.returncode == 0, f"{place}: {done.stdout}{done.stderr}"


_STARTED: set[tuple[str, ...]] = set()


def start_and_stop(words: list[str], folder: Path, place: str) -> None:
    """Start `diorama serve` as a reader would, on a free port, and end it once it listens; each line once."""
    if tuple(words) in _STARTED:
        return
    command = [sys.executable, "-m", "diorama", "serve", *words]
    environment = {**os.environ, "DIORAMA_DATA": str(folder / "served"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
    assert "http" in said, f"{place}: the server said: {said}"
    _STARTED.add(tuple(words))


@contextlib.contextmanager
def kept_stages(folder: Path) -> Iterator[None]:
    """What pages make again and again from the same photo is made once: stages with the same settings are kept."""
    from diorama import pipeline
    from diorama.checkpoints import Checkpoints

    make = pipeline.make

    def kept(source: Any, settings: Any = None, **how: Any) -> Any:
        how.setdefault("checkpoints", Checkpoints(folder))
        return make(source, settings, **how)

    pipeline.make = kept
    try:
        yield
    finally:
        pipeline.make = make
