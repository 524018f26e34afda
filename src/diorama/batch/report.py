"""What became of the photos of a batch: for programs, as a table (CSV), as a page (HTML) that needs nothing else."""

from __future__ import annotations

import csv
import html
import io
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from diorama import atomic
from diorama.batch.records import Row, Wanted
from diorama.errors import BatchError, FormatError

ENDINGS = (".html", ".csv")

COLUMNS = (
    "photo", "state", "kept", "seconds", "triangles", "deaths", "files", "bytes", "warnings", "error", "message",
    "hint", "sha256",
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """The photos in the order in which they were named, each once."""

    rows: tuple[Row, ...]
    wanted: Wanted

    @property
    def done(self) -> tuple[Row, ...]:
        """Those whose files are there."""
        return tuple(row for row in self.rows if row.state == "done")

    @property
    def failed(self) -> tuple[Row, ...]:
        """Those that can't be made, quarantined ones too."""
        return tuple(row for row in self.rows if row.state in ("failed", "quarantined"))

    @property
    def waiting(self) -> tuple[Row, ...]:
        """Those that the run didn't get to."""
        return tuple(row for row in self.rows if row.state == "waiting")

    def check(self) -> None:
        """Raise BatchError where photos have failed, for those who want all or nothing."""
        if self.failed:
            but = ", but for the quarantined ones" if any(row.state == "quarantined" for row in self.failed) else ""
            raise BatchError(
                f"{len(self.failed)} of {len(self.rows)} photos could not be made.",
                hint=f"--report FILE writes each one's error. With --resume only those are tried again{but}.",
            )

    def values(self) -> dict[str, Any]:
        """For JSON: counts, what was asked for, and a record a photo (without its thumbnail)."""
        return {
            "photos": len(self.rows),
            "done": len(self.done),
            "failed": len(self.failed),
            "waiting": len(self.waiting),
            "wanted": self.wanted.model_dump(mode="json"),
            "rows": [row.model_dump(mode="json", exclude={"thumbnail"}) for row in self.rows],
        }

    def write(self, path: str | Path, out: str | Path) -> None:
        """Write the report to a file whose ending says how: .html or .csv.

        Args:
            out: the batch's folder, to which the page's links lead.

        Raises:
            FormatError: the ending is another one.
            StorageError: the disk is full or refuses.
        """
        path = Path(path)
        check_name(path)
        text = self._csv() if path.suffix.lower() == ".csv" else self._html(path, Path(out))
        with atomic.writing(path) as file:
            file.write(text.encode("utf-8", "replace"))

    def _csv(self) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180
        writer.writerow(COLUMNS)
        for row in self.rows:
            error = row.error
            values = (
                row.photo, row.state, row.kept, row.seconds, "" if row.triangles is None else row.triangles, row.deaths,
                "; ".join(file.path for file in row.files), sum(file.bytes for file in row.files),
                "; ".join(row.warnings), *((error.code, error.message, error.hint) if error else ("", "", "")),
                row.sha256,
            )  # fmt: skip
            writer.writerow([_harmless(value) if isinstance(value, str) else value for value in values])
        return text.getvalue()

    def _common(self) -> tuple[str, ...]:
        """Warnings of most photos: said once."""
        counts = Counter(said for row in self.done for said in set(row.warnings))
        return tuple(said for said, count in counts.items() if count > 1 and count > len(self.done) / 2)

    def _html(self, path: Path, out: Path) -> str:
        base = os.path.relpath(out.absolute(), path.absolute().parent).replace(os.sep, "/")
        counts = [f"{len(self.done)} of {len(self.rows)} photos made"]
        counts += [f"{len(self.failed)} failed"] if self.failed else []
        counts += [f"{len(self.waiting)} not begun"] if self.waiting else []
        common = self._common()
        formats = ", ".join(name for name, _ in self.wanted.products)
        return _PAGE.format(
            style=_STYLE,
            counts=html.escape(", ".join(counts)),
            what=html.escape(f"As far as the step “{self.wanted.step}”, to {formats}."),
            common="".join(f"<p>{html.escape(said)}</p>" for said in common),
            rows="\n".join(_line(row, base, common) for row in sorted(self.rows, key=lambda row: not row.error)),
        )


def check_name(path: Path) -> None:
    """Raise FormatError where the name's ending is no report's."""
    if path.suffix.lower() not in ENDINGS:
        raise FormatError(f"A report can't be written as '{path.name}'.", hint=f"Use {' or '.join(ENDINGS)}.")


def _harmless(value: str) -> str:
    """Text that no spreadsheet takes for a formula: names of photos may have been chosen by others."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _line(row: Row, base: str, common: tuple[str, ...]) -> str:
    picture = f'<img src="data:image/jpeg;base64,{row.thumbnail}" alt="" loading="lazy">' if row.thumbnail else ""
    state = {"done": "made", "failed": "failed", "quarantined": "quarantined", "waiting": "not begun"}[row.state]
    kept = f" ({html.escape(row.kept)})" if row.kept else ""
    links = "<br>".join(
        f'<a href="{quote(f"{base}/{file.path}")}">{html.escape(file.path)}</a> '
        f"<small>{html.escape(file.label)}, {file.bytes / 1e6:.1f} MB</small>"
        for file in row.files
    )
    said = [f"<p>{html.escape(warning)}</p>" for warning in row.warnings if warning not in common]
    if row.error:
        said.append(f"<p><strong>{html.escape(row.error.message)}</strong> {html.escape(row.error.hint)}</p>")
    if row.deaths and not row.error:
        said.append(f"<p>Workers that died while they worked on it: {row.deaths}.</p>")
    return (
        f'<tr class="{row.state}"><td>{picture}</td><td>{html.escape(row.photo)}</td><td>{state}{kept}</td>'
        f"<td>{links}{''.join(said)}</td><td>{row.seconds:.1f} s</td></tr>"
    )


_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 }
table { border-collapse: collapse; margin-top: 1.5rem; width: 100% }
th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: .6rem .8rem .6rem 0;
  text-align: left; vertical-align: top; overflow-wrap: anywhere }
th { font-weight: 600 }
td:first-child { width: 7.5rem } td:nth-child(2) { min-width: 12rem } td:nth-child(3) { width: 8rem }
td:last-child { white-space: nowrap; width: 4.5rem }
img { border-radius: 4px; display: block; width: 7rem }
p { margin: .3rem 0 0 } small { opacity: .75 }
tr.failed td:nth-child(3), tr.quarantined td:nth-child(3) { color: light-dark(#a1260d, #ff9b85); font-weight: 600 }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Diorama: report of a batch</title>
<style>{style}</style>
</head>
<body>
<h1>{counts}</h1>
<p>{what} What failed stands first.</p>
{common}
<table>
<thead><tr><th><span>Scene</span></th><th>Photo</th><th>State</th><th>Files</th><th>Time</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""
