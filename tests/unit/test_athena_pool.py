"""The processes that run queries, as the pool starts them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from millpond.planes.athena.pool import WorkerPool
from millpond.planes.common.context import PlaneContext, Tools


@pytest.fixture
def pool(tmp_path: Path) -> WorkerPool:
    python, none = Path(sys.executable), tmp_path / "none"
    tools = Tools(none, none, none, python, none, none, {})
    return WorkerPool(PlaneContext("http://127.0.0.1:1", "us-east-1", "000000000000", tmp_path, tools))


def test_what_a_killed_engine_left_goes_with_the_first_worker_and_no_worker_goes_with_the_next(
    pool: WorkerPool, tmp_path: Path
) -> None:
    left = tmp_path / "athena" / "0123456789ab" / "objects" / "linked"
    left.parent.mkdir(parents=True)
    left.write_text("an object that is gone")
    try:
        first = pool.take()
        assert not left.exists()
        second = pool.take()
        assert first.directory.exists()
        assert second.directory.exists()
    finally:
        pool.close()
