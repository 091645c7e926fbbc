"""The stream of what happens in an engine: order, bounds, waiting, and what its events say."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from millpond.planes.common.stream import Event, StateChange, Stream, of_event, stamp

DEADLINE = 10


class Call:
    kind = "call"

    def __init__(self, operation: str) -> None:
        self.operation = operation

    def describe(self) -> dict[str, Any]:
        return {"operation": self.operation}


def event(source: str = "shop") -> StateChange | Event:
    return of_event({"Source": source, "DetailType": "sold", "Detail": "{}"}, "1", "eu-west-1")


def test_many_calls_push_no_other_record_out_and_what_is_lost_is_told():
    stream = Stream(most_calls=2, most_others=2)
    stream.add(event())
    for number in range(4):
        stream.add(Call(str(number)))
    answer = stream.after(0)
    assert [(record["number"], record["kind"]) for record in answer["records"]] == [
        (1, "event"),
        (4, "call"),
        (5, "call"),
    ]
    assert (answer["next"], answer["is_missing"]) == (5, False)
    assert stream.after(1)["is_missing"]
    assert not stream.after(3)["is_missing"]


def test_an_answer_goes_on_where_the_one_before_ended():
    stream = Stream()
    for number in range(5):
        stream.add(Call(str(number)))
    first = stream.after(0, most=3)
    second = stream.after(first["next"], most=3)
    assert [record["operation"] for record in (*first["records"], *second["records"])] == list("01234")
    assert stream.after(second["next"])["records"] == []
    assert stream.after(-1)["next"] == 5


def test_numbers_of_another_stream_are_those_of_an_engine_before():
    stream = Stream()
    stream.add(Call("first"))
    before = Stream().after(0)["stream"]
    assert len(stream.after(7000, stream=before)["records"]) == 1
    assert stream.after(7000)["next"] == 1


def test_who_waits_is_woken_by_the_next_record_and_by_the_end():
    stream = Stream()
    answers: list[Any] = []

    def listen() -> None:
        answers.append(stream.after(0, wait=DEADLINE)["records"])
        answers.append(stream.after(1, wait=DEADLINE)["records"])

    thread = threading.Thread(target=listen)
    thread.start()
    stream.add(Call("one"))
    stream.close()
    thread.join(DEADLINE)
    assert [len(records) for records in answers] == [1, 0]


@pytest.mark.parametrize(
    ("source", "detail_type", "detail", "expected"),
    [
        (
            "aws.glue",
            "Glue Job State Change",
            {"jobName": "a:b", "jobRunId": "jr_1", "state": "FAILED", "message": "no"},
            ("glue", "job run", "a:b", "jr_1", "FAILED", "no"),
        ),
        (
            "aws.codebuild",
            "CodeBuild Build State Change",
            {
                "project-name": "p",
                "build-id": "arn:aws:codebuild:eu-west-1:1:build/p:7",
                "build-status": "SUCCEEDED",
                "current-phase-context": "[: ]",
            },
            ("codebuild", "build", "p", "p:7", "SUCCEEDED", ""),
        ),
        (
            "aws.states",
            "Step Functions Execution Status Change",
            {
                "stateMachineArn": "arn:aws:states:eu-west-1:1:stateMachine:m",
                "executionArn": "arn:aws:states:eu-west-1:1:execution:m:x",
                "status": "RUNNING",
                "cause": None,
            },
            ("stepfunctions", "execution", "m", "arn:aws:states:eu-west-1:1:execution:m:x", "RUNNING", ""),
        ),
        (
            "aws.cloudwatch",
            "CloudWatch Alarm State Change",
            {"alarmName": "late", "state": {"value": "ALARM", "reason": "Threshold"}},
            ("cloudwatch", "alarm", "late", "", "ALARM", "Threshold"),
        ),
    ],
)
def test_an_event_of_a_service_is_a_change_of_state(source, detail_type, detail, expected):
    entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}
    change = of_event(entry, "1", "eu-west-1").describe()
    assert tuple(change[name] for name in ("service", "of", "name", "id", "state", "message")) == expected


def test_any_other_event_is_kept_as_it_is():
    entry = {"Source": "shop", "DetailType": "sold", "Detail": '{"price": 3}', "EventBusName": "ours"}
    event = of_event({**entry, "Time": datetime(2026, 1, 31, 12, tzinfo=UTC)}, "1", "eu-west-1").describe()
    assert (event["bus"], event["detail"], event["time"]) == (
        "ours",
        {"price": 3},
        "2026-01-31T12:00:00.000Z",
    )
    assert stamp(datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)) == "2026-01-31T12:00:00.123Z"
