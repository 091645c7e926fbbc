"""What the engine makes of executions, objects and the catalog for EventBridge and CloudWatch."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from localstack.services.events.models import EventBus, Rule, events_stores

from millpond.localstack_ext.glue import catalog_events
from millpond.localstack_ext.s3 import events as s3_events
from millpond.localstack_ext.stepfunctions import executions

ARN = "arn:aws:glue:eu-west-1:000000000000"
NOW = datetime(2026, 5, 31, tzinfo=UTC)


def details_of(operation: str, request: dict[str, Any], answer: dict[str, Any] | None = None) -> list[Any]:
    return [
        (entry["DetailType"], entry["Resources"], json.loads(entry["Detail"]))
        for entry in catalog_events.entries(operation, request, answer or {}, ARN)
    ]


def test_table_that_comes_is_a_change_of_its_database() -> None:
    assert details_of("CreateTable", {"DatabaseName": "erp", "TableInput": {"Name": "orders"}}) == [
        (
            "Glue Data Catalog Database State Change",
            [f"{ARN}:table/erp/orders"],
            {"databaseName": "erp", "changedTables": ["orders"], "typeOfChange": "CreateTable"},
        )
    ]


def test_table_that_changes_is_a_change_of_the_table() -> None:
    assert details_of("UpdateTable", {"DatabaseName": "erp", "TableInput": {"Name": "orders"}}) == [
        (
            "Glue Data Catalog Table State Change",
            [f"{ARN}:table/erp/orders"],
            {"databaseName": "erp", "tableName": "orders", "typeOfChange": "UpdateTable"},
        )
    ]


def test_batch_tells_of_what_it_has_changed_a_hundred_at_a_time() -> None:
    request = {
        "DatabaseName": "erp",
        "TableName": "orders",
        "PartitionInputList": [{"Values": ["2024", str(day)]} for day in range(151)],
    }
    answer = {"Errors": [{"PartitionValues": ["2024", "0"], "ErrorDetail": {"ErrorCode": "x"}}]}
    first, second = (detail for _, _, detail in details_of("BatchCreatePartition", request, answer))
    assert (len(first["changedPartitions"]), len(second["changedPartitions"])) == (100, 50)
    assert first["changedPartitions"][0] == "[2024, 1]"
    assert second["changedPartitions"][-1] == "[2024, 150]"
    request["PartitionInputList"] = [{"Values": ["2024", "0"]}]
    assert details_of("BatchCreatePartition", request, answer) == []


def event(number: int, kind: str, before: int = 0, **details: Any) -> dict[str, Any]:
    return {"id": number, "type": kind, "previousEventId": before, "timestamp": NOW, **details}


def test_history_counts_integrations_and_functions_by_what_was_called() -> None:
    glue = {"taskScheduledEventDetails": {"resourceType": "glue", "resource": "startJobRun.sync"}}
    function = {
        "lambdaFunctionScheduledEventDetails": {"resource": "arn:aws:lambda:eu-west-1:0:function:plan"}
    }
    history = [
        event(1, "ExecutionStarted"),
        event(2, "TaskScheduled", 1, **glue),
        event(3, "TaskScheduled", 1, **glue),
        event(4, "TaskStarted", 2),
        event(5, "TaskStarted", 3),
        event(6, "TaskSubmitted", 4),
        event(7, "TaskFailed", 6),
        event(8, "TaskSucceeded", 5),
        event(9, "LambdaFunctionScheduled", 8, **function),
        event(10, "LambdaFunctionTimedOut", 9),
        event(11, "ExecutionSucceeded", 10),
    ]
    counted = {
        (datum["MetricName"], datum["Dimensions"][0]["Value"]): datum["Value"]
        for datum in executions.of_history(history)
    }
    resource, plan = "arn:aws:states:::glue:startJobRun.sync", "arn:aws:lambda:eu-west-1:0:function:plan"
    assert counted == {
        ("ServiceIntegrationsScheduled", resource): 2,
        ("ServiceIntegrationsStarted", resource): 2,
        ("ServiceIntegrationsFailed", resource): 1,
        ("ServiceIntegrationsSucceeded", resource): 1,
        ("LambdaFunctionsScheduled", plan): 1,
        ("LambdaFunctionsTimedOut", plan): 1,
    }


@pytest.mark.parametrize(
    ("reason", "shown"),
    [("PutObject", "PutObject"), ("s3:ObjectCreated:CompleteMultipartUpload", "CompleteMultipartUpload")],
)
def test_object_is_told_with_its_own_key_and_the_name_of_the_operation(reason: str, shown: str) -> None:
    detail = {
        "bucket": {"name": "raw"},
        "object": {"key": "drop/May%2031%20%2B1.csv", "sequencer": "0"},
        "reason": reason,
        "requester": "?",
    }
    first = s3_events.corrected(detail, "000000000000", 1_000_000_000)
    assert (first["object"]["key"], first["requester"]) == ("drop/May 31 +1.csv", "000000000000")
    assert first["reason"] == shown
    later = s3_events.corrected(detail, "000000000000", 99_000_000_000_000)
    assert first["object"]["sequencer"] < later["object"]["sequencer"]


@pytest.mark.parametrize(
    ("pattern", "is_awaited"),
    [
        ({"source": ["aws.s3"], "detail": {"bucket": {"name": ["raw"]}}}, True),
        ({"account": ["123456789012"], "region": ["eu-west-1"], "detail-type": [{"prefix": "Object"}]}, True),
        ({"$or": [{"source": ["mine"]}, {"resources": ["arn:aws:s3:::raw"]}]}, True),
        ({"source": ["aws.glue", "aws.states"]}, False),
        ({"source": ["aws.s3"], "detail": {"object": {"key": [{"prefix": "b/"}]}}}, False),
        (None, False),
    ],
)
def test_events_of_objects_are_sent_where_a_rule_waits_for_them(pattern: Any, is_awaited: bool) -> None:
    account = "123456789012"
    bus = EventBus("default", "eu-west-1", account)
    text = None if pattern is None else json.dumps(pattern)
    bus.rules["one"] = Rule("one", "eu-west-1", account, "rate(1 day)" if text is None else None, text)
    entry = {
        "Source": "aws.s3",
        "DetailType": "Object Created",
        "Resources": ["arn:aws:s3:::raw"],
        "Time": NOW,
        "Detail": json.dumps({"bucket": {"name": "raw"}, "object": {"key": "a/1"}}),
    }
    buses = events_stores[account]["eu-west-1"].event_buses
    try:
        assert not s3_events.is_awaited(entry, account, "eu-west-1")
        buses["default"] = bus
        assert s3_events.is_awaited(entry, account, "eu-west-1") is is_awaited
    finally:
        buses.pop("default", None)
