"""Does things when they are due: one thread, which sleeps until the next of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

_LOG = logging.getLogger(__name__)

Key = tuple[str, str]


class Clock:
    """What is due when.

    Parameters
    ----------
    name : str
        Whose it is: of its thread, and in the engine's log.
    now : callable, optional
        Tells the time.
    """

    def __init__(self, name: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._name = name
        self._now = now
        self._changed = threading.Condition()
        self._due: dict[Key, tuple[datetime, Callable[[], None]]] = {}
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def set(self, key: Key, moment: datetime | None, action: Callable[[], None]) -> None:
        """Do something at a moment, instead of what was to be done under that key; never if it is None."""
        with self._changed:
            if moment is None or self._is_closed:
                self._due.pop(key, None)
            else:
                self._due[key] = moment, action
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name=f"{self._name} clock", daemon=True)
                    self._thread.start()
            self._changed.notify()

    def forget(self, key: Key) -> None:
        with self._changed:
            self._due.pop(key, None)

    def clear(self) -> None:
        """Do nothing of what was to be done."""
        with self._changed:
            self._due.clear()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._due.clear()
            self._changed.notify()

    def _run(self) -> None:
        while (action := self._wait()) is not None:
            try:
                action()
            except Exception:  # noqa: BLE001
                # The clock goes on for what is due later; what failed is in the engine's log.
                _LOG.exception("what was due by a schedule of %s failed", self._name)

    def _wait(self) -> Callable[[], None] | None:
        """The next thing to do, once it is due; None when the clock is closed."""
        with self._changed:
            while not self._is_closed:
                if not self._due:
                    self._changed.wait()
                    continue
                key, (moment, action) = min(self._due.items(), key=lambda item: item[1][0])
                seconds = (moment - self._now()).total_seconds()
                if seconds <= 0:
                    del self._due[key]
                    return action
                self._changed.wait(seconds)
        return None
