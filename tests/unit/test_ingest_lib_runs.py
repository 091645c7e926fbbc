"""The items of ``ingest_runs``, as DynamoDB keeps them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import boto3
from ingest import runs
from ingest.arguments import JobArguments
from ingest.runs import Effort, Landed
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
LANDED = Landed(
    load_mode="full",
    rows_read=1,
    rows_written=1,
    rows_quarantined=0,
    rows_inserted=1,
    rows_updated=0,
    rows_deleted=0,
    rows_total=1,
    bytes_landed=1,
    bytes_curated=1,
    watermark_from=None,
    watermark_to=None,
    snapshot_id=1,
    structure_version=1,
    location="s3://curated/erp/orders",
    raw_location="s3://raw/erp/orders/",
    maintenance_due=False,
    quarantine_due=False,
)


def make_table() -> Any:
    return boto3.resource("dynamodb", region_name="eu-west-1").create_table(
        TableName="ingest_runs",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in KEY],
        KeySchema=[
            {"AttributeName": "table_id", "KeyType": "HASH"},
            {"AttributeName": "run_id", "KeyType": "RANGE"},
        ],
    )


def effort(seconds: int) -> Effort:
    return Effort(Decimal(seconds), Decimal(seconds) / 10, Decimal(seconds) / 100)


def sums(table: Any) -> list[Decimal]:
    item = table.get_item(Key=KEY)["Item"]
    return [item[name] for name in ("duration_seconds", "dpu_seconds", "estimated_cost_usd")]


@mock_aws
def test_item_of_a_run_adds_up_what_its_attempts_took_each_of_them_once() -> None:
    table, first, second = make_table(), runs.now(), runs.now() + timedelta(minutes=1)
    # As the state machine left it while it waited for an approval.
    table.put_item(Item={**KEY, "status": "AWAITING_APPROVAL"})
    runs.write_failed(table, ARGUMENTS, "shell", first, effort(5), RuntimeError("lost"))
    assert sums(table) == [Decimal("5"), Decimal("0.5"), Decimal("0.05")]
    for _ in range(2):
        runs.write_landed(table, ARGUMENTS, "spark", second, effort(70), LANDED)
    assert sums(table) == [Decimal("75"), Decimal("7.5"), Decimal("0.75")]
    item = table.get_item(Key=KEY)["Item"]
    assert (item["status"], item["engine"], item["started_at"]) == ("LANDED", "spark", runs.timestamp(second))
    assert "error" not in item


@mock_aws
def test_attempts_that_end_at_once_are_both_in_the_sums() -> None:
    table, started_at = make_table(), runs.now()

    def meet(**_: Any) -> None:
        table.meta.client.meta.events.unregister("before-call.dynamodb.PutItem", meet)
        later = started_at + timedelta(seconds=1)
        runs.write_failed(table, ARGUMENTS, "shell", later, effort(5), RuntimeError("lost"))

    table.meta.client.meta.events.register("before-call.dynamodb.PutItem", meet)
    runs.write_landed(table, ARGUMENTS, "shell", started_at, effort(70), LANDED)
    assert sums(table) == [Decimal("75"), Decimal("7.5"), Decimal("0.75")]


@mock_aws
def test_a_job_that_ends_after_its_run_was_committed_changes_nothing_and_before_says_why() -> None:
    table = make_table()

    def fail() -> None:
        runs.write_failed(table, ARGUMENTS, "shell", runs.now(), effort(1), RuntimeError("too late"))

    fail()
    assert table.get_item(Key=KEY)["Item"]["error"] == "RuntimeError: too late"
    table.put_item(Item={**KEY, "status": "COMMITTED"})
    fail()
    assert table.get_item(Key=KEY)["Item"] == {**KEY, "status": "COMMITTED"}
