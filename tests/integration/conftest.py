"""The engine that the files of a worker share: a start costs more than most of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engine_fixtures import RunningEngine, started_engine


@pytest.fixture(scope="session")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with started_engine(tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.fixture(scope="module")
def running_engine(shared_engine: RunningEngine) -> Iterator[RunningEngine]:
    """An engine that knows nothing yet; what a file made there is forgotten after it."""
    yield shared_engine
    shared_engine.engine.reset()
