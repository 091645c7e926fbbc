"""The items of ``ingest_runs``, as DynamoDB keeps them."""

from __future__ import annotations

from decimal import Decimal

import boto3
import ingest_lib  # noqa: F401
from ingest import runs
from ingest.arguments import JobArguments
from ingest.runs import Effort
from moto import mock_aws

ARGUMENTS = JobArguments(
    job_settings_table="job_settings",
    table_structures_table="table_structures",
    ingest_runs_table="ingest_runs",
    raw_bucket="raw",
    curated_bucket="curated",
    secret_id="onprem-db",
    masking_secret_id="masking-key",
    table_id="erp.orders",
    run_id="r1",
    ingest_date="2026-11-23",
    dpu="0.0625",
    dpu_hour_usd="0.44",
)
KEY = {"table_id": "erp.orders", "run_id": "r1"}


@mock_aws
def test_a_job_that_ends_after_its_run_was_committed_changes_nothing_and_before_says_why() -> None:
    table = boto3.resource("dynamodb", region_name="eu-west-1").create_table(
        TableName="ingest_runs",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in KEY],
        KeySchema=[
            {"AttributeName": "table_id", "KeyType": "HASH"},
            {"AttributeName": "run_id", "KeyType": "RANGE"},
        ],
    )
    effort = Effort(Decimal(1), Decimal(1), Decimal(1))

    def fail() -> None:
        runs.write_failed(table, ARGUMENTS, "shell", runs.now(), effort, RuntimeError("too late"))

    fail()
    assert table.get_item(Key=KEY)["Item"]["error"] == "RuntimeError: too late"
    table.put_item(Item={**KEY, "status": "COMMITTED"})
    fail()
    assert table.get_item(Key=KEY)["Item"] == {**KEY, "status": "COMMITTED"}
