"""An event that a target does not take is tried again, put into the queue, or logged as lost."""

from __future__ import annotations

import logging
import threading
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from localstack.services.events.target import TargetSender

from millpond.localstack_ext.events.provider import Delivery, error_code, is_retried

DEADLINE = 30


def refusal(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Send")


class Sender:
    """A target that answers with errors first."""

    rule_name = "dropped"
    rule_arn = "arn:aws:events:eu-west-1:000000000000:rule/dropped"
    arn = "arn:aws:sqs:eu-west-1:000000000000:gone"

    def __init__(self, errors: list[Exception], **target: Any) -> None:
        self.target = target
        self.errors = errors
        self.taken: list[Any] = []

    def send_event(self, event: Any, trace_header: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(event)


class Recorded(Delivery):
    """Counts what the real one would report, and keeps what it would put into the queue."""

    def __init__(self, sender: Sender) -> None:
        super().__init__(cast(TargetSender, sender), {"id": "1"}, "payload", cast(Any, None))
        self.counted: list[str] = []
        self.dead: list[tuple[str, str | None, int]] = []
        self.has_ended = threading.Event()

    def attempt(self) -> None:
        super().attempt()
        if cast(Any, self.sender).taken:
            self.has_ended.set()

    def _count(self, name: str) -> None:
        self.counted.append(name)

    def _send_to_queue(self, queue: str, error: Exception, exhausted: str | None) -> None:
        self.dead.append((error_code(error), exhausted, self.retries))
        self.has_ended.set()


def test_target_that_is_down_for_a_moment_gets_the_event_later() -> None:
    sender = Sender([refusal("ServiceUnavailable", 503)])
    delivery = Recorded(sender)
    delivery.attempt()
    assert delivery.has_ended.wait(DEADLINE)
    assert sender.taken == ["payload"]
    assert delivery.counted == ["Invocations", "RetryInvocationAttempts"]


def test_target_that_stays_down_is_given_up_after_the_policys_attempts() -> None:
    sender = Sender(
        [refusal("ThrottlingException", 429)] * 5,
        RetryPolicy={"MaximumRetryAttempts": 1},
        DeadLetterConfig={"Arn": "arn:aws:sqs:eu-west-1:000000000000:dlq"},
    )
    delivery = Recorded(sender)
    delivery.attempt()
    assert delivery.has_ended.wait(DEADLINE)
    assert delivery.dead == [("SDK_CLIENT_ERROR", "MaximumRetryAttempts", 1)]
    assert delivery.counted[:3] == ["Invocations", "RetryInvocationAttempts", "FailedInvocations"]


def test_target_that_is_not_there_is_not_tried_again_and_without_a_queue_the_loss_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    delivery = Recorded(Sender([refusal("ResourceNotFoundException", 404)]))
    with caplog.at_level(logging.WARNING):
        delivery.attempt()
    assert delivery.counted == ["Invocations", "FailedInvocations"]
    assert "dropped" in caplog.text
    assert "ResourceNotFoundException" in caplog.text


@pytest.mark.parametrize(
    ("error", "is_again", "code"),
    [
        (refusal("InternalFailure", 500), True, "SDK_CLIENT_ERROR"),
        (refusal("TooManyRequestsException", 429), True, "SDK_CLIENT_ERROR"),
        (refusal("AccessDeniedException", 403), False, "NO_PERMISSIONS"),
        (refusal("StateMachineDoesNotExist", 400), False, "NO_RESOURCE"),
        (refusal("AWS.SimpleQueueService.NonExistentQueue", 400), False, "NO_RESOURCE"),
        (EndpointConnectionError(endpoint_url="http://nowhere"), True, "SDK_CLIENT_ERROR"),
        (NotImplementedError("no such target"), False, "SDK_CLIENT_ERROR"),
    ],
)
def test_error_decides_whether_to_try_again_and_its_code(error: Exception, is_again: bool, code: str) -> None:
    assert (is_retried(error), error_code(error)) == (is_again, code)
