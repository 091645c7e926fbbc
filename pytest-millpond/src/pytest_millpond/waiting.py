"""Waiting for what a stack does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
LONGEST_PAUSE = 0.5


def wait_until(look: Callable[[], Found | None], seconds: float) -> Found | None:
    """What ``look`` gives once it gives something; None when it has not by then."""
    deadline = time.monotonic() + seconds
    pause = 0.05
    while True:
        found = look()
        if found is not None or time.monotonic() > deadline:
            return found
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
