"""The log of executions: in order, together, and whole at the end."""

from __future__ import annotations

import threading
from typing import Any

from waiting import wait_until

from millpond.localstack_ext.stepfunctions.history_logs import MOST_BYTES, Gatherer


class Session:
    """A session that is slow to send."""

    def __init__(self) -> None:
        self.sent: list[list[str]] = []
        self.may_send = threading.Event()

    def _publish_history_log_or_setup(self, log_events: list[Any]) -> None:
        self.may_send.wait()
        self.sent.append([event["message"] for event in log_events])

    @property
    def messages(self) -> list[str]:
        return [message for batch in self.sent for message in batch]


class Failing:
    """A session whose log cannot be reached."""

    asked = 0

    def _publish_history_log_or_setup(self, log_events: list[Any]) -> None:
        self.asked += 1
        raise OSError("no connection")


def said(message: str) -> Any:
    return {"timestamp": 1, "message": message}


def test_events_are_sent_together_after_a_moment() -> None:
    gatherer, session = Gatherer(), Session()
    session.may_send.set()
    for number in range(5):
        gatherer.add(session, said(str(number)), is_last=False)
    wait_until("all of them", lambda: len(session.messages) == 5)
    assert session.messages == list("01234")
    assert len(session.sent) < 5


def test_the_log_is_whole_and_in_order_when_the_last_event_has_been_taken() -> None:
    gatherer, session = Gatherer(), Session()
    threading.Timer(0.1, session.may_send.set).start()
    for number in range(3):
        gatherer.add(session, said(str(number)), is_last=number == 2)
    assert session.messages == list("012")


def test_a_batch_is_not_larger_than_a_request_may_be() -> None:
    gatherer, session = Gatherer(), Session()
    session.may_send.set()
    for _ in range(6):
        gatherer.add(session, said("x" * (MOST_BYTES // 2)), is_last=False)
    gatherer.add(session, said("end"), is_last=True)
    assert len(session.messages) == 7
    assert max(sum(map(len, batch)) for batch in session.sent) < 1_048_576


def test_a_session_that_fails_stops_no_other_and_none_is_kept_that_has_nothing_to_say() -> None:
    gatherer, failing, session = Gatherer(), Failing(), Session()
    session.may_send.set()
    for number in range(2):
        gatherer.add(failing, said("lost"), is_last=False)
        gatherer.add(session, said(str(number)), is_last=False)
        wait_until("it", lambda: len(session.messages) == number + 1)  # noqa: B023 (asked at once)
    assert session.messages == ["0", "1"]
    assert failing.asked == 2
    wait_until("forgotten sessions", lambda: not gatherer._waiting)
