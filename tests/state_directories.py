"""State directories of stacks that tests start."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from millpond.base import process
from millpond.base.config import CHECKOUT

_BASE = CHECKOUT / ".millpond"
# Names the test process a state directory belongs to; not "*.pid", so that `down` never takes it for a child.
_OWNER = "test-owner"


def make() -> Path:
    """A state directory that is this process's from the moment that others can see it."""
    unseen = Path(tempfile.mkdtemp(prefix="new-test-state-", dir=_BASE))
    process.record(os.getpid(), unseen / _OWNER)
    return unseen.rename(_BASE / unseen.name.removeprefix("new-"))


def abandoned() -> Iterator[Path]:
    """State directories of test processes that are gone."""
    return (found for found in _BASE.glob("test-state-*") if process.find(found / _OWNER) is None)


def disown(directory: Path) -> None:
    """Leave a directory to whoever cleans up."""
    (directory / _OWNER).unlink(missing_ok=True)
