"""Small helpers for tests that need an on-premises database of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ports import free_port

from millpond.base.config import Settings
from millpond.stack.onprem import OnPremDatabase

# Of the rows of erp: enough of every kind, and quickly made.
SCALE = 0.1


def onprem_settings(directory: Path) -> Settings:
    return Settings(state_dir=directory / "state", onprem_port=free_port())


@contextmanager
def running_database(settings: Settings) -> Iterator[OnPremDatabase]:
    database = OnPremDatabase(settings)
    database.start()
    try:
        yield database
    finally:
        database.stop()
