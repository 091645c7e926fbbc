"""When alarms are evaluated: on time, and at once when a value of their metric arrives."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

_LOG = logging.getLogger(__name__)


class AlarmClock:
    """Evaluates alarms in one thread; it has the methods that LocalStack's provider calls.

    Parameters
    ----------
    evaluate : callable
        Evaluates the alarm with an ARN; in how many seconds it wants to be evaluated again, None for never.
    """

    def __init__(self, evaluate: Callable[[str], float | None]) -> None:
        self._evaluate = evaluate
        self._due: dict[str, float] = {}
        self._changed = threading.Condition()
        self._is_stopped = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        with self._changed:
            if self._thread is None:
                self._is_stopped = False
                self._thread = threading.Thread(target=self._run, name="alarm-clock", daemon=True)
                self._thread.start()

    def shutdown(self) -> None:
        with self._changed:
            self._is_stopped = True
            self._due.clear()
            self._changed.notify()
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(10)

    def schedule_metric_alarm(self, alarm_arn: str) -> None:
        """Evaluate an alarm now, and from then on as often as it wants."""
        with self._changed:
            self._due[alarm_arn] = time.monotonic()
            self._changed.notify()

    def wake(self, alarm_arn: str) -> None:
        """Evaluate an alarm now if it is evaluated at all."""
        with self._changed:
            if alarm_arn in self._due:
                self._due[alarm_arn] = time.monotonic()
                self._changed.notify()

    def delete_scheduler_for_alarm(self, alarm_arn: str) -> None:
        with self._changed:
            self._due.pop(alarm_arn, None)

    def _run(self) -> None:
        while (alarm_arn := self._next()) is not None:
            seconds: float | None = 60.0
            try:
                seconds = self._evaluate(alarm_arn)
            except Exception:  # noqa: BLE001 - one alarm must not keep the others from being evaluated
                _LOG.exception("alarm %s could not be evaluated", alarm_arn)
            with self._changed:
                if self._due.get(alarm_arn) != float("inf"):
                    continue
                if seconds is None:
                    del self._due[alarm_arn]
                else:
                    self._due[alarm_arn] = time.monotonic() + seconds

    def _next(self) -> str | None:
        """Wait for the next alarm; None when stopped."""
        with self._changed:
            while not self._is_stopped:
                alarm_arn = min(self._due, key=self._due.__getitem__, default=None)
                due = self._due[alarm_arn] if alarm_arn is not None else float("inf")
                if alarm_arn is not None and due <= time.monotonic():
                    # While it is evaluated nobody knows when it is due; who wakes it meanwhile says so.
                    self._due[alarm_arn] = float("inf")
                    return alarm_arn
                self._changed.wait(None if due == float("inf") else due - time.monotonic())
            return None
