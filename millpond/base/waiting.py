"""Waiting on a condition until a deadline.

A deadline is there to end what hangs, not to tell how fast a machine is. On a slow one they are all made
longer by one setting: the environment variable ``MILLPOND_DEADLINE_SCALE``, by which each is multiplied.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from millpond.base.errors import MillpondError

SCALE = "MILLPOND_DEADLINE_SCALE"


class DeadlinePassed(Exception):  # noqa: N818
    """What was waited for did not come in time."""


def scaled(seconds: float) -> float:
    """A deadline as this machine needs it, in seconds.

    Raises
    ------
    MillpondError
        If the setting is not a positive number.
    """
    value = os.environ.get(SCALE, "1")
    try:
        scale = float(value)
    except ValueError:
        scale = 0.0
    if not 0 < scale < float("inf"):
        raise MillpondError(
            f"The setting {SCALE} is {value!r}, which is not a positive number.",
            where=f"{SCALE} in the environment",
            next_step=f"unset {SCALE}, or set it to 3 on a machine three times slower",
        )
    return seconds * scale


def wait_until[T](
    what: str, probe: Callable[[], T | None], seconds: float = 180.0, *, pause: float = 0.05
) -> T:
    """Ask until the answer is true in Python's sense, for example not None and not empty.

    Parameters
    ----------
    what : str
        What is waited for, for the error.
    probe : callable
        Asks once; what it raises ends the waiting.
    seconds : float
        How long to wait at most, before :data:`SCALE`.
    pause : float
        Seconds between two questions.

    Returns
    -------
    The answer.

    Raises
    ------
    DeadlinePassed
        If the last answer was not true and the time is over.
    """
    deadline = time.monotonic() + scaled(seconds)
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise DeadlinePassed(f"no {what} within {scaled(seconds):.0f} seconds")
        time.sleep(pause)
    return answer
