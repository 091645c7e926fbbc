"""When a schedule of EventBridge Scheduler is due, and which call its target stands for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from millpond.planes.scheduler.targets import Call, Invocation, call_of
from millpond.planes.scheduler.timing import Timing

CREATED = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
ARN = "arn:aws:scheduler:eu-west-1:111122223333:schedule/default/nightly"
INVOCATION = Invocation(ARN, datetime(2026, 3, 1, 12, tzinfo=UTC), "e-1", 2)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("timing", "after", "due"),
    [
        (Timing("rate(5 minutes)", "UTC", CREATED), "2026-03-01T12:00:29", "2026-03-01T12:00:30"),
        (Timing("rate(5 minutes)", "UTC", CREATED), "2026-03-01T12:00:30", "2026-03-01T12:05:30"),
        (Timing("rate(1 hour)", "UTC", CREATED), "2026-03-01T14:10:00", "2026-03-01T15:00:30"),
        (
            Timing("rate(1 day)", "UTC", CREATED, start=at("2026-03-05T08:00:00")),
            "2026-03-01T12:00:30",
            "2026-03-05T08:00:00",
        ),
        (
            Timing("rate(1 day)", "UTC", CREATED, end=at("2026-03-02T12:00:00")),
            "2026-03-01T12:00:30",
            None,
        ),
        (Timing("at(2026-03-02T01:30:00)", "UTC", CREATED), "2026-03-01T12:00:30", "2026-03-02T01:30:00"),
        (
            Timing("at(2026-03-02T01:30:00)", "Europe/Berlin", CREATED),
            "2026-03-01T12:00:30",
            "2026-03-02T00:30:00",
        ),
        (Timing("at(2026-03-01T01:30:00)", "UTC", CREATED), "2026-03-01T12:00:30", None),
        (Timing("cron(0 2 * * ? *)", "UTC", CREATED), "2026-03-01T12:00:30", "2026-03-02T02:00:00"),
        (
            Timing("cron(0 2 * * ? *)", "America/New_York", CREATED),
            "2026-03-01T12:00:30",
            "2026-03-02T07:00:00",
        ),
        (
            Timing("cron(0 4 * * ? *)", "Europe/Berlin", CREATED),
            "2026-03-28T12:00:00",
            "2026-03-29T02:00:00",
        ),
        (
            Timing("cron(0 2 * * ? *)", "UTC", CREATED, start=at("2026-04-01T02:00:00")),
            "2026-03-01T12:00:30",
            "2026-04-01T02:00:00",
        ),
    ],
)
def test_a_schedule_is_due_next(timing: Timing, after: str, due: str | None):
    assert timing.next(at(after)) == (at(due) if due else None)


@pytest.mark.parametrize(
    ("expression", "timezone"),
    [
        ("rate(0 minutes)", "UTC"),
        ("rate(5 weeks)", "UTC"),
        ("cron(0 2 * * * *)", "UTC"),
        ("rate(1 day)", "Mars"),
    ],
)
def test_what_is_no_schedule_is_refused(expression: str, timezone: str):
    with pytest.raises(ValueError, match=r"\w"):
        Timing(expression, timezone, CREATED).next(CREATED)


@pytest.mark.parametrize(
    ("target", "call"),
    [
        (
            {"Arn": "arn:aws:lambda:eu-west-1:111122223333:function:f", "Input": "{}"},
            Call(
                "lambda",
                "invoke",
                {
                    "FunctionName": "arn:aws:lambda:eu-west-1:111122223333:function:f",
                    "InvocationType": "Event",
                    "Payload": "{}",
                },
            ),
        ),
        (
            {
                "Arn": "arn:aws:sqs:eu-west-1:111122223333:q.fifo",
                "Input": "<aws.scheduler.schedule-arn> <aws.scheduler.attempt-number>",
                "SqsParameters": {"MessageGroupId": "g"},
            },
            Call(
                "sqs",
                "send_message",
                {"QueueUrl": "/111122223333/q.fifo", "MessageBody": f"{ARN} 2", "MessageGroupId": "g"},
            ),
        ),
        (
            {"Arn": "arn:aws:scheduler:::aws-sdk:glue:startJobRun", "Input": '{"JobName": "j"}'},
            Call("glue", "start_job_run", {"JobName": "j"}),
        ),
        (
            {
                "Arn": "arn:aws:scheduler:::aws-sdk:sfn:startExecution",
                "Input": '{"StateMachineArn": "m", "Input": "{}"}',
            },
            Call("stepfunctions", "start_execution", {"stateMachineArn": "m", "input": "{}"}),
        ),
        (
            {
                "Arn": "arn:aws:kinesis:eu-west-1:111122223333:stream/s",
                "Input": "x",
                "KinesisParameters": {"PartitionKey": "k"},
            },
            Call(
                "kinesis",
                "put_record",
                {
                    "StreamARN": "arn:aws:kinesis:eu-west-1:111122223333:stream/s",
                    "Data": b"x",
                    "PartitionKey": "k",
                },
            ),
        ),
    ],
)
def test_a_target_stands_for_a_call(target: dict[str, Any], call: Call):
    assert call_of(target, INVOCATION) == call


def test_a_target_without_input_is_given_an_event():
    call = call_of({"Arn": "arn:aws:states:eu-west-1:111122223333:stateMachine:m"}, INVOCATION)
    event = json.loads(call.parameters["input"])
    assert (event["source"], event["resources"], event["time"]) == (
        "aws.scheduler",
        [ARN],
        "2026-03-01T12:00:00Z",
    )


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ({"Arn": "arn:aws:ecs:eu-west-1:111122223333:cluster/c"}, "not available in Millpond"),
        ({"Arn": "arn:aws:events:eu-west-1:111122223333:event-bus/default"}, "DetailType, Source"),
        ({"Arn": "arn:aws:scheduler:::aws-sdk:glue:startJob", "Input": "{}"}, "no operation"),
        (
            {"Arn": "arn:aws:scheduler:::aws-sdk:glue:startJobRun", "Input": '{"Jobb": 1}'},
            "no parameter Jobb",
        ),
        ({"Arn": "arn:aws:scheduler:::aws-sdk:nothing:call", "Input": "{}"}, "no service"),
        ({"Arn": "queue"}, "not a valid ARN"),
    ],
)
def test_a_target_that_cannot_be_invoked_is_refused(target: dict[str, Any], text: str):
    with pytest.raises(ValueError, match=text):
        call_of(target, INVOCATION)
