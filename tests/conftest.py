"""What holds for every test: how long it may take, and that the files which take longest start first."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from millpond.base.waiting import SCALE, scaled

# A deadline only ends what hangs: the machine may be others' too, and some times slower than a quiet one.
os.environ.setdefault(SCALE, "3")
# A stack of a test ends with it; tests of what survives say so.
os.environ.setdefault("MILLPOND_KEEP_STATE", "false")
# Spark runs of tests have few rows: optimized code would be ready when they end.
os.environ.setdefault("MILLPOND_GLUE_JVM_OPTIONS", "-XX:TieredStopAtLevel=1")

DURATIONS = Path(__file__).with_name("durations.json")
# A file that has not been timed yet starts among the first, for it may be long.
UNKNOWN_SECONDS = 60.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-durations", action="store_true", help=f"Keep them in {DURATIONS.name}.")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--record-durations") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Stopwatch())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        marker = item.get_closest_marker("timeout")
        seconds = float(marker.args[0] if marker else config.getini("timeout"))
        item.add_marker(pytest.mark.timeout(scaled(seconds)), append=False)
    if hasattr(config, "workerinput"):
        recorded = json.loads(DURATIONS.read_text())
        files = {file_of(item.nodeid) for item in items}
        units: Counter[str] = Counter()
        for file in files:
            units[unit_of(file)] += recorded.get(file, UNKNOWN_SECONDS)
        items.sort(key=lambda item: (-units[unit_of(item.nodeid)], unit_of(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> UnitScheduling | None:
    return UnitScheduling(config, log) if config.getoption("dist") == "loadscope" else None


class UnitScheduling(LoadScopeScheduling):
    """Gives a worker one unit of tests after the other, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    """Tests of which one worker runs all: those of a file, or of a folder whose files share a stack."""
    file = file_of(nodeid)
    folder = file.rpartition("/")[0]
    return folder if folder.count("/") > 1 else file


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


class Stopwatch:
    """Adds up what the tests of each file take, their fixtures included."""

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[file_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        recorded = json.loads(DURATIONS.read_text())
        recorded |= {name: round(seconds, 1) for name, seconds in self._seconds.items()}
        there = {name: seconds for name, seconds in sorted(recorded.items()) if Path(name).exists()}
        DURATIONS.write_text(json.dumps(there, indent=2) + "\n")
