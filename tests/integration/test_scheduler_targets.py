"""Schedules of EventBridge Scheduler invoke their targets when they are due."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine, wait_for

OFF: dict[str, Any] = {"Mode": "OFF"}


def received(running_engine: RunningEngine, url: str) -> list[dict[str, Any]]:
    """What is in a queue, which is empty then."""
    sqs = running_engine.client("sqs")
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    messages = list(answer.get("Messages", []))
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return messages


def test_targets_are_invoked_when_they_are_due_and_what_fails_for_good_is_in_the_queue(
    running_engine: RunningEngine,
):
    sqs, scheduler = running_engine.client("sqs"), running_engine.client("scheduler")
    url, dead = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("due", "dead"))
    queue, dead_queue = (f"arn:aws:sqs:eu-west-1:000000000000:{name}" for name in ("due", "dead"))
    role = running_engine.role("schedule")

    def target(arn: str, **more: Any) -> dict[str, Any]:
        return {"Arn": arn, "RoleArn": role, **more}

    message = {"QueueUrl": url, "MessageBody": "universal"}
    scheduler.create_schedule(
        Name="often",
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow=OFF,
        Target=target("arn:aws:scheduler:::aws-sdk:sqs:sendMessage", Input=json.dumps(message)),
    )
    scheduler.create_schedule(
        Name="lost",
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow=OFF,
        Target=target(
            "arn:aws:states:eu-west-1:000000000000:stateMachine:none",
            Input="{}",
            DeadLetterConfig={"Arn": dead_queue},
        ),
    )
    scheduler.create_schedule(
        Name="off",
        ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow=OFF,
        State="DISABLED",
        Target=target(queue, Input="off"),
    )

    soon = (datetime.now(UTC) + timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%S")
    arn = scheduler.create_schedule(
        Name="once",
        ScheduleExpression=f"at({soon})",
        FlexibleTimeWindow=OFF,
        ActionAfterCompletion="DELETE",
        Target=target(queue, Input='{"schedule": "<aws.scheduler.schedule-arn>"}'),
    )["ScheduleArn"]
    bodies: list[str] = []

    def both_are_there() -> bool:
        bodies.extend(one["Body"] for one in received(running_engine, url))
        return len(bodies) >= 2

    wait_for("messages", both_are_there)
    assert sorted(bodies) == ["universal", json.dumps({"schedule": arn})]
    names = {one["Name"] for one in scheduler.list_schedules()["Schedules"]}
    assert names == {"often", "lost", "off"}, "the one that is complete is gone"
    [lost] = wait_for("dead letter", lambda: received(running_engine, dead))
    attributes = {name: one["StringValue"] for name, one in lost["MessageAttributes"].items()}
    assert attributes["TARGET_ARN"].endswith(":none")
    assert attributes["ERROR_CODE"] == "NO_RESOURCE"
    assert attributes["RETRY_ATTEMPTS"] == "0"


@pytest.mark.parametrize(
    ("expression", "arn", "text"),
    [
        ("rate(1 hour)", "arn:aws:ecs:eu-west-1:000000000000:cluster/c", "not available in Millpond"),
        ("cron(0 2 * * * *)", "arn:aws:sqs:eu-west-1:000000000000:q", "Invalid Schedule Expression"),
    ],
)
def test_a_schedule_that_would_invoke_nothing_is_refused(
    running_engine: RunningEngine, expression: str, arn: str, text: str
):
    with pytest.raises(ClientError, match=text) as caught:
        running_engine.client("scheduler").create_schedule(
            Name="odd",
            ScheduleExpression=expression,
            FlexibleTimeWindow=OFF,
            Target={"Arn": arn, "RoleArn": running_engine.role("schedule")},
        )
    assert caught.value.response["Error"]["Code"] == "ValidationException"
