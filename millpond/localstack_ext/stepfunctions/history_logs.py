"""The log of executions: the events of a history go to CloudWatch Logs several at a time.

Source: "Using CloudWatch Logs to log execution history" in the Step Functions developer guide: delivery is
best effort and takes its time. Here the log is whole when the execution has ended.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from localstack.aws.api.logs import InputLogEvent
from localstack.aws.api.stepfunctions import HistoryEventType
from localstack.services.stepfunctions.asl.eval.event.logging import CloudWatchLoggingSession, HistoryLog
from localstack.services.stepfunctions.asl.utils.encoding import to_json_str

from millpond.localstack_ext.engine import patches

_LOG = logging.getLogger(__name__)

GATHERING_SECONDS = 0.5
# PutLogEvents takes 1,048,576 bytes, 26 of them for each event; a message has up to 262,144.
MOST_BYTES = 400_000
_ENDS = {
    HistoryEventType.ExecutionAborted,
    HistoryEventType.ExecutionFailed,
    HistoryEventType.ExecutionSucceeded,
    HistoryEventType.ExecutionTimedOut,
}


@dataclass
class _Waiting:
    """What a session has not sent; who holds the lock sends, so that nothing is overtaken."""

    events: list[InputLogEvent] = field(default_factory=list)
    size: int = 0
    sending: threading.Lock = field(default_factory=threading.Lock)


class Gatherer:
    """Sends what sessions have to say twice a second, and at once what ends an execution."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._waiting: dict[Any, _Waiting] = {}
        self._thread: threading.Thread | None = None

    def add(self, session: Any, event: InputLogEvent, *, is_last: bool) -> None:
        """Take an event of a session, after those that it gave before."""
        with self._lock:
            waiting = self._waiting.setdefault(session, _Waiting())
            waiting.events.append(event)
            waiting.size += len(event["message"].encode()) + 26
            is_full = waiting.size > MOST_BYTES
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="execution logs", daemon=True)
                self._thread.start()
            self._lock.notify()
        if is_last or is_full:
            self._send(session, waiting)

    def _work(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._waiting)
            time.sleep(GATHERING_SECONDS)
            with self._lock:
                all_of_them = list(self._waiting.items())
            for session, waiting in all_of_them:
                try:
                    self._send(session, waiting)
                except Exception:  # noqa: BLE001 - the logs of the other executions go on
                    _LOG.exception("events of a history were not logged")
            with self._lock:
                # A session may get no last event: its level leaves that out, or the engine was reset.
                self._waiting = {
                    execution_arn: waiting
                    for execution_arn, waiting in self._waiting.items()
                    if waiting.events
                }

    def _send(self, session: Any, waiting: _Waiting) -> None:
        with waiting.sending:
            with self._lock:
                events, waiting.events, waiting.size = waiting.events, [], 0
            if events:
                session._publish_history_log_or_setup(log_events=events)


def install_history_logs() -> None:
    """Let LocalStack's sessions give their events to a gatherer."""
    gatherer = Gatherer()

    def publish(_theirs: Any, session: CloudWatchLoggingSession, history_log: HistoryLog) -> None:
        event = InputLogEvent(
            timestamp=int(history_log["event_timestamp"].timestamp() * 1000), message=to_json_str(history_log)
        )
        gatherer.add(session, event, is_last=history_log["type"] in _ENDS)

    patches.wrap(CloudWatchLoggingSession, "publish_history_log", publish)
