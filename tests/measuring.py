"""Which lines and branches of the package a test run goes through, at little cost; coverage.py reports on it.

    DIORAMA_MEASURE=FOLDER python -m pytest          the tests, and every program that they start, leave marks in FOLDER
    python tests/measuring.py FOLDER                 the report; fails below `fail_under` of pyproject.toml

Before Python 3.14 coverage.py measures branches by a tracer, which the interpreter calls for each line of all Python
code: it doubles the suite's time. Here each module of the package gets a mark in front of each statement and at each
branch when it is imported: one byte, in a file that all processes map, so that nothing is lost with a process that is
killed. `test_measuring.py` holds this against coverage.py's own tracer.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import marshal
import mmap
import os
import sys
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
PACKAGE = "diorama"
VARIABLE = "DIORAMA_MEASURE"
MARKS = "__marks__"

Fact = tuple[str, int]
"""What a mark that is set says of a line: ("line", L) it ran, ("true", L) or ("false", L) its condition was so."""


# ---- while the tests run ---------------------------------------------------------------------------------------------


def start(folder: Path) -> None:
    """Mark what this process and those that it starts import of the package from now on."""
    assert PACKAGE not in sys.modules
    for name in ("marks", "code", "site"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    site = folder / "site"
    _write(
        site / "sitecustomize.py",
        f"import sys\nsys.path.append({str(ROOT / 'tests')!r})\nimport measuring\nsys.path.pop()\n"
        f"measuring.follow()\n".encode(),
    )
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(site), *(path for path in paths if path not in ("", str(site)))])
    follow()


def follow() -> None:
    """Go on measuring in a process that a measured one started."""
    folder = os.environ.get(VARIABLE)
    if folder and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(Path(folder)))


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != PACKAGE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            return None
        if not Path(spec.origin).is_relative_to(SOURCE):
            return None  # an installed copy that a test looks at
        spec.loader = _Loader(fullname, spec.origin, self.folder)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, folder: Path) -> None:
        super().__init__(fullname, path)
        self.folder = folder

    def exec_module(self, module: ModuleType) -> None:
        count, code = self._marked()
        with (self.folder / "marks" / self.name).open("a+b") as file:
            file.truncate(count)
            setattr(module, MARKS, mmap.mmap(file.fileno(), count))
        exec(code, module.__dict__)

    def _marked(self) -> tuple[int, CodeType]:
        state = Path(self.path).stat()
        kept = self.folder / "code" / f"{self.name}.{state.st_mtime_ns}"
        if kept.is_file():
            count, code = marshal.loads(kept.read_bytes())
            return count, code
        tree, facts = marked(Path(self.path).read_bytes())
        code = compile(tree, self.path, "exec", dont_inherit=True)
        _write(kept, marshal.dumps((len(facts), code)))
        return len(facts), code


def _write(path: Path, data: bytes) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.replace(path)


# ---- marks -----------------------------------------------------------------------------------------------------------


def marked(source: bytes) -> tuple[ast.Module, list[list[Fact]]]:
    """The module with its marks, and what each of these says once it is set."""
    import ast

    tree = ast.parse(source)
    facts: list[list[Fact]] = []

    def mark(at: ast.AST, *said: Fact) -> ast.stmt:
        facts.append(list(said))
        target = ast.Subscript(ast.Name(MARKS, ast.Load()), ast.Constant(len(facts) - 1), ast.Store())
        made = ast.Assign([target], ast.Constant(1))
        line, column = getattr(at, "lineno", 1), getattr(at, "col_offset", 0)
        for node in ast.walk(made):
            node.lineno = node.end_lineno = line  # type: ignore[attr-defined]
            node.col_offset = node.end_col_offset = column  # type: ignore[attr-defined]
        return made

    def block(body: list[ast.stmt], *before: Fact, documented: bool = False) -> list[ast.stmt]:
        """The statements, each behind its mark; the first mark says `before`, too."""
        made: list[ast.stmt] = []
        said = list(before)
        for index, statement in enumerate(body):
            said += [("line", line) for line in _lines(statement)]
            first = documented and index == 0 and _is_text(statement)
            if first or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
                made.append(statement)  # nothing may stand before these
                continue
            made.append(mark(statement, *said))
            said.clear()
            inside(statement)
            made.append(statement)
        if said:
            made.append(mark(body[-1], *said))
        return made

    def inside(node: ast.stmt) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not any(_compiles(ast.unparse(decorator)) for decorator in node.decorator_list):
                node.body = block(node.body, documented=True)
        elif isinstance(node, ast.If | ast.For | ast.AsyncFor | ast.While):
            node.body = block(node.body, ("true", node.lineno))
            no = ("false", node.lineno)
            node.orelse = block(node.orelse, no) if node.orelse else [mark(node, no)]
        elif isinstance(node, ast.With | ast.AsyncWith):
            node.body = block(node.body)
        elif isinstance(node, ast.Try | ast.TryStar):
            node.body, node.orelse = block(node.body), block(node.orelse)
            node.finalbody = block(node.finalbody)
            for handler in node.handlers:
                handler.body = block(handler.body, ("line", handler.lineno))
        elif isinstance(node, ast.Match):
            passed: list[Fact] = []
            for case in node.cases:
                line = case.pattern.lineno
                case.body = block(case.body, *passed, ("line", line), ("true", line))
                passed += [("line", line), ("false", line)]
            last = node.cases[-1]
            if last.guard is not None or not (isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None):
                node.cases.append(ast.match_case(_anything(node), None, [mark(node, *passed)]))

    tree.body = block(tree.body, documented=True)
    return tree, facts or [[]]


def _anything(at: ast.AST) -> ast.MatchAs:
    import ast

    return ast.copy_location(ast.MatchAs(), at)


def _lines(statement: ast.stmt) -> Iterator[int]:
    for decorator in getattr(statement, "decorator_list", []):
        yield decorator.lineno
    yield statement.lineno


def _is_text(statement: ast.stmt) -> bool:
    import ast

    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _compiles(decorator: str) -> bool:
    """Whether a decorator hands the function to a compiler, which knows no marks."""
    return decorator.startswith(("numba.", "njit", "overload"))


# ---- the report ------------------------------------------------------------------------------------------------------


def report(folder: Path) -> int:
    """Print coverage.py's report, and keep its data as ``FOLDER/coverage``; 0, or 1 where too little was run."""
    import coverage

    measured = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"), data_file=str(folder / "coverage"))
    data = measured.get_data()
    data.erase()
    for path in sorted((SOURCE / PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        source, marks = path.read_bytes(), folder / "marks" / name
        _, facts = marked(source)
        seen = marks.read_bytes() if marks.is_file() else bytes(len(facts))
        assert len(seen) == len(facts), f"{path} has changed since."
        said = {fact for one, mark in zip(facts, seen, strict=True) if mark for fact in one}
        data.add_arcs({str(path): arcs(said, source, measured.get_exclude_list())})
        data.touch_file(str(path))  # what nothing imports counts, too
    data.write()
    measured.load()
    total, least = measured.report(), float(str(measured.get_option("report:fail_under")))
    if total < least:
        print(f"The tests run through {total:.2f} % of the package: less than {least:g} %.")
    return int(total < least)


def arcs(said: set[Fact], source: bytes, excluded: Sequence[str] = ()) -> set[tuple[int, int]]:
    """The facts as coverage.py's pairs of lines."""
    import ast

    from coverage.parser import PythonParser

    parser = PythonParser(text=source.decode(), exclude="|".join(f"(?:{pattern})" for pattern in excluded) or None)
    parser.parse_source()
    bodies: dict[int, int] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If | ast.For | ast.AsyncFor | ast.While):
            bodies[node.lineno] = next(_lines(node.body[0]))
        elif isinstance(node, ast.match_case):
            bodies[node.pattern.lineno] = next(_lines(node.body[0]))
    ends: dict[int, set[int]] = {}
    for begin, end in parser.arcs():
        ends.setdefault(begin, set()).add(end)
    found: set[tuple[int, int]] = set()
    for kind, line in said:
        first = parser.first_line(line)
        if kind == "line":
            found.add((-1, first))
        else:
            body = parser.first_line(bodies[line])
            found.update((first, end) for end in ends.get(first, ()) if (end == body) == (kind == "true"))
    return found


if __name__ == "__main__":
    sys.exit(report(Path(sys.argv[1])))
