"""What the rule of the ingest says after its schedule was turned."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError
from lambda_modules import lambda_modules
from moto import mock_aws

RULE = "millpond-dev-ingest-schedule"
PARAMETER = "/millpond/dev/ingest/schedule"


@pytest.fixture(scope="module")
def reschedule() -> Iterator[SimpleNamespace]:
    with lambda_modules("reschedule", "handler") as modules:
        yield modules


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("SCHEDULE_PARAMETER", PARAMETER)
    monkeypatch.setenv("RULE", RULE)
    with mock_aws():
        yield


def put(value: str) -> None:
    boto3.client("ssm").put_parameter(Name=PARAMETER, Value=value, Type="String", Overwrite=True)


def test_the_rule_gets_the_schedule_of_the_parameter_and_keeps_all_else(reschedule: SimpleNamespace) -> None:
    events = boto3.client("events")
    events.put_rule(
        Name=RULE, ScheduleExpression="rate(1 day)", State="DISABLED", Description="Starts an ingest."
    )
    put("cron(30 4 * * ? *)")

    assert reschedule.handler.handler({}, None) == {"rule": RULE, "schedule": "cron(30 4 * * ? *)"}

    rule = events.describe_rule(Name=RULE)
    assert (rule["ScheduleExpression"], rule["State"], rule["Description"]) == (
        "cron(30 4 * * ? *)",
        "DISABLED",
        "Starts an ingest.",
    )


def test_without_the_rule_the_function_fails_so_that_its_alarm_tells(reschedule: SimpleNamespace) -> None:
    put("rate(1 hour)")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        reschedule.handler.handler({}, None)
