"""Waiting on a condition, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until[T](what: str, probe: Callable[[], T | None], seconds: float = 180.0) -> T:
    """Ask until the answer is neither None nor empty."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"no {what} within {seconds} seconds"
        time.sleep(0.05)
    return answer
