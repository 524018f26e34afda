"""Known holes of the installed packages, as pip-audit finds them; informative: the run goes on whatever it says.

    python .ci/audit.py

Says "not run" where the database can't be reached or knows none of the packages (a mirror of PyPI answers without the
list of holes, which pip-audit by itself calls a pass).
"""

from __future__ import annotations

import json
import subprocess
import sys

SECONDS = 240


def verdict(report: dict[str, list[dict[str, object]]]) -> str:
    """What pip-audit's JSON says, in a sentence or several."""
    packages = report.get("dependencies", [])
    audited = [package for package in packages if "vulns" in package]
    left = len(packages) - len(audited)
    if not audited or left > len(packages) // 2:
        return f"pip-audit: NOT RUN: {left} of {len(packages)} packages could not be looked up."
    found = [
        f"  {package['name']} {package['version']}: {hole['id']}, mended in "
        f"{', '.join(hole['fix_versions']) or 'no version'}"
        for package in audited
        for hole in package["vulns"]  # type: ignore[attr-defined]
    ]
    unknown = f" ({left} more could not be looked up)" if left else ""
    if not found:
        return f"pip-audit: no known hole in {len(audited)} packages{unknown}."
    return "\n".join([f"pip-audit: KNOWN HOLES in {len(audited)} packages{unknown}:", *found])


def main() -> None:
    words = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--skip-editable"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
        print(verdict(json.loads(done.stdout)))
    except subprocess.TimeoutExpired:
        print(f"pip-audit: NOT RUN: no answer within {SECONDS} s.")
    except ValueError:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        print(f"pip-audit: NOT RUN: {lines[-1][:300]}")


if __name__ == "__main__":
    main()
