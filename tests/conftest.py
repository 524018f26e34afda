"""What every test stands on: folders of its own, no network, photos by name, and skips that can't go unseen."""

from __future__ import annotations

import importlib.util
import itertools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import postgres
import tools

PhotoPath = Callable[[str], Path]

_HOME = tempfile.TemporaryDirectory(prefix="diorama-tests-", ignore_cleanup_errors=True)
_numbers = itertools.count()


def _fresh_folders() -> dict[str, str]:
    """Paths that don't exist yet: Diorama makes the folders that it needs."""
    home = Path(_HOME.name) / str(next(_numbers))
    return {"DIORAMA_CACHE": str(home / "cache"), "DIORAMA_DATA": str(home / "data"), "DIORAMA_OFFLINE": "1"}


# Before the first import of diorama, so that module- and session-wide fixtures are cut off as well.
os.environ.update(_fresh_folders())
os.environ["DIORAMA_PROVIDER"] = "cpu"  # the same numbers whatever the machine has

# Where the tests are started in the background Ctrl-C is ignored, and programs that they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure; where a failure has to be repeated by others, everyone tries the same examples.
settings.register_profile(
    "diorama", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=tools.no_skip()
)
settings.load_profile("diorama")


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, an empty data folder and no downloads for each test; a test that wants more says so."""
    for name, value in _fresh_folders().items():
        monkeypatch.setenv(name, value)


def find_photo(name: str) -> Path:
    """The file of one of scikit-image's photos, such as ``coffee``, without importing scikit-image."""
    spec = importlib.util.find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "data"
    found = sorted(path for path in folder.glob(f"{name}.*") if path.suffix in {".png", ".jpg"})
    assert found, f"scikit-image's wheel holds no photo named {name}"
    return found[0]


@pytest.fixture(scope="session")
def photo_path() -> PhotoPath:
    """``photo_path("coffee")``: the path of a photo that came with scikit-image."""
    return find_photo


@pytest.fixture(scope="session")
def need() -> Callable[[str], Path]:
    """``need("chromium")``: the tool's path, or a loud skip (a failure with ``DIORAMA_NO_SKIP=1``)."""
    return tools.need


@pytest.fixture
def short_films(monkeypatch: pytest.MonkeyPatch) -> None:
    """Films of half a second, for tests that write every format; `test_film.py` looks at how long films are."""
    from diorama.film.record import Film

    monkeypatch.setattr(Film, "duration", property(lambda film: min(film.seconds, 0.5)))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Postgres]:
    """A PostgreSQL server for the whole session."""
    with postgres.running(tools.need("postgresql")) as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgresql: postgres.Postgres) -> Callable[[], str]:
    """``migrated()``: the address of a new database with Diorama's tables, quickly."""
    from diorama.jobs.store import Store

    address = postgresql.database()
    store = Store(address)
    store.create_tables()
    store.close()
    return lambda: postgresql.database(address.rpartition("/")[2])


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            tools.need(name)


# ---- several processes (pytest-xdist) --------------------------------------------------------------------------------

MOST_PROCESSES = 4
"""More gain little: the browser's tests take a third of the time, one after the other."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process a core for the whole suite; none besides this one for files that were named, which is quicker."""
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_PROCESSES) if cores > 1 else 0


HOUSE_RULES = ["layers", "ci"]
"""Files whose tests take seconds and fail when something was forgotten: said at once, not at the end."""

LONG = [
    *("docs", "cli", "server_process", "jobs_machines", "jobs_runner", "kills", "export", "jobs_keeping", "pipeline"),
    *(
        "training",
        "advisor_openai",
        "batch",
        "depth",
        "depth_bundled",
        "depth_hub",
        "jobs_cluster",
        "compiling",
        "server",
    ),
    *("server_corrections", "depth_models", "segment", "embedded", "decoder", "server_load", "server_schema"),
]
"""Files that take the longest, longest first: whoever begins one last is waited for. `--durations=0` tells."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The house rules first, then the browser's tests, which are one long turn, then what takes the longest."""

    def turn(item: pytest.Item) -> int:
        name = item.path.stem.removeprefix("test_")
        if name in HOUSE_RULES:
            return -2
        if item.get_closest_marker("browser") is not None:
            return -1
        return LONG.index(name) if name in LONG else len(LONG)

    items.sort(key=turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests share what they make, and the browser's the cores that draw: one process has each of these."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "browser" if "browser" in file else file

    return ByFile(config, log)


HALVES = ("original", "view", "final"), ("enhanced",)
"""Groups of loops that take equally long to compile."""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Have the loops compiled, before the whole suite's processes need the same ones at the same time: each of them,
    and the servers that they start, would compile them all."""
    config = session.config
    if (
        hasattr(config, "workerinput")
        or config.args_source is pytest.Config.ArgsSource.ARGS
        or config.option.collectonly
    ):
        return
    # Not measured, where coverage is: none of it is the tests' doing.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-m", "diorama.compiling"]
    running = [subprocess.Popen([*command, *half], stdin=subprocess.PIPE, env=environment) for half in HALVES]
    for process in running:
        process.wait()  # what goes wrong is said on stderr, and by a test
        assert process.stdin is not None
        process.stdin.close()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What the tests of another process missed."""
    tools.missing.update(getattr(node, "workeroutput", {}).get("missing", {}))


# ---- skips -----------------------------------------------------------------------------------------------------------


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", [])) if reporter else 0


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Where skips are forbidden a session with a skip has failed, whoever skipped."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["missing"] = dict(tools.missing)
    if tools.no_skip() and session.exitstatus == pytest.ExitCode.OK and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = _skipped(config)
    if tools.missing:
        terminalreporter.section("NOT EVERY TEST RAN", sep="!", red=True, bold=True)
        for name, count in sorted(tools.missing.items()):
            browser = " (the browser tests: nothing has clicked through the page)" if name == "chromium" else ""
            terminalreporter.line(f"{name}{browser}: {count} tests missed it. {tools.TOOLS[name].remedy}", red=True)
    if tools.no_skip() and skipped:
        terminalreporter.line(f"DIORAMA_NO_SKIP is set and {skipped} tests were skipped: the session fails.", red=True)
