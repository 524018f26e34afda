"""Is this revision faster or slower than another one? Ratios of processor seconds, stage by stage.

    python benchmarks/regression.py                  against the last tag; where there is none, 20 commits ago
    python benchmarks/regression.py REVISION

The other revision is checked out beside this one. A process of each makes the same scenes, in turns, so that whatever
else the machine does hits both; after a first scene, which compiles, each stage's fastest run counts. Below 1 this
revision is faster. It takes about a minute, and is information: it never fails because of a ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
AGO = 20
MEGAPIXELS = 0.4
NOTICEABLE = 0.05
"""Seconds: of stages that are shorter in both no ratio is told."""


def run_child() -> None:
    """Make a scene for every line that comes, and print the processor seconds of its stages."""
    import numpy as np
    from PIL import Image

    from diorama.pipeline import make
    from stages import coffee

    picture = Image.open(coffee()).convert("RGB")
    scale = (MEGAPIXELS * 1e6 / (picture.width * picture.height)) ** 0.5
    pixels = np.asarray(picture.resize((round(picture.width * scale), round(picture.height * scale))))
    for line in sys.stdin:
        used: dict[str, float] = {}
        begun: dict[str, float] = {}

        def progress(
            stage: str, share: float, _message: str, used: dict[str, float] = used, begun: dict[str, float] = begun
        ) -> None:
            if share == 0.0:
                begun.setdefault(stage, time.process_time())
            elif share == 1.0:
                used[stage] = time.process_time() - begun[stage]

        if line.strip() == "compile":
            make(pixels[::8, ::8], fetch=False)
        else:
            make(pixels, fetch=False, progress=progress)
        print(json.dumps(used), flush=True)


class Revision:
    """A process that runs one revision's code."""

    def __init__(self, root: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "src"), str(ROOT / "benchmarks")])}
        words = [sys.executable, str(Path(__file__).resolve()), "--child"]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=root
        )

    def begin(self, what: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()

    def end(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("One of the revisions failed; its error is above.")
        return dict(json.loads(line))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def other_revision(wanted: str | None) -> str | None:
    """The commit to compare with; None where there is none."""
    for name in [wanted] if wanted else [_git("describe", "--tags", "--abbrev=0", "HEAD^"), f"HEAD~{AGO}"]:
        if name and (found := _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")):
            return found
    return None


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def compared(revision: str, runs: int) -> list[tuple[str, float, float]]:
    """Processor seconds of each stage: its name, before, now."""
    with tempfile.TemporaryDirectory() as folder:
        beside = Path(folder) / "before"
        subprocess.run(["git", "worktree", "add", "--detach", "-f", beside, revision], cwd=ROOT, check=True,
                       capture_output=True)  # fmt: skip
        try:
            both = Revision(beside), Revision(ROOT)
            for one in both:
                one.begin("compile")
            for one in both:
                one.end()
            found: tuple[list[dict[str, float]], ...] = ([], [])
            for _ in range(runs):
                for one, kept in zip(both, found, strict=True):
                    one.begin("go")
                    kept.append(one.end())
            for one in both:
                one.close()
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", beside], cwd=ROOT, capture_output=True)
    before, now = ({stage: min(run[stage] for run in runs_) for stage in runs_[0]} for runs_ in found)
    rows = [(stage, before[stage], now[stage]) for stage in now if stage in before]
    return [*rows, ("all", sum(before.values()), sum(now.values()))]


def table(revision: str, rows: list[tuple[str, float, float]]) -> str:
    """Markdown."""
    lines = [f"| stage | {revision[:10]} | this revision | ratio |", "|---|---:|---:|---:|"]
    for stage, before, now in rows:
        ratio = f"{now / before:.2f}" if min(before, now) >= NOTICEABLE else ""
        lines.append(f"| {stage} | {before:.2f} s | {now:.2f} s | {ratio} |")
    return "\n".join(lines)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="This revision's speed against another one's.")
    parser.add_argument("revision", nargs="?", help="a tag, a branch or a commit")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options: Any = parser.parse_args()
    if options.child:
        run_child()
        return 0
    revision = other_revision(options.revision)
    if revision is None:
        print("There is no other revision to compare with (a clone without history, or no such revision).")
        return 0
    print(table(revision, compared(revision, options.runs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
