"""A stack of containers for the tests of the Docker tier; they run when the tier is ``compose``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import state_directories
from container_stack import Containers, new_settings

from millpond.base.config import Settings
from millpond.stack.compose import connect

IS_ASKED_FOR = Settings().tier == "compose"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is about containers runs in this tier."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.both_tiers)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave these tests out unless they are asked for."""
    return None if IS_ASKED_FOR else True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which images are not the real ones."""
    if not IS_ASKED_FOR:
        return
    images = connect().images.list(filters={"label": "millpond.stand-in=true"})
    names = sorted(tag for image in images for tag in image.tags if not tag.startswith("millpond-"))
    if names:
        terminalreporter.section("STAND-INS, not the published images")
        for name in names:
            terminalreporter.write_line(name)


@pytest.fixture(scope="session")
def containers() -> Iterator[Containers]:
    directory = state_directories.make()
    found = Containers(new_settings(directory, glue_memory="1536m"))
    found.stack.up()
    yield found
    found.stack.remove()
    shutil.rmtree(directory)
