"""What consumers and operators are told, and what is measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from lambda_modules import lambda_modules
from moto import mock_aws

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def notify() -> Iterator[SimpleNamespace]:
    with lambda_modules("notify", "handler", "messages", "metrics", "results") as modules:
        yield modules


def committed(table_id: str, **more: Any) -> dict[str, Any]:
    return {
        "table_id": table_id,
        "engine": "shell",
        "outcome": "COMMITTED",
        "previous_rows": None,
        **more,
    }


def values(data: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    return {
        (one["MetricName"], one["Dimensions"][0]["Value"] if one["Dimensions"] else ""): one["Value"]
        for one in data
    }


def test_the_summary_has_the_counts_of_each_table_and_why_one_failed(notify: SimpleNamespace) -> None:
    tables = [
        committed("erp.a"),
        {
            "table_id": "erp.b",
            "engine": "spark",
            "outcome": "FAILED",
            "failure": {"Error": "States.Timeout", "Cause": "x" * 5000},
        },
    ]
    items = {
        "erp.a": {
            "rows_total": Decimal(7),
            "snapshot_id": None,
            "estimated_cost_usd": Decimal("0.001"),
            "schema_changes": ["note text is new"],
        },
        "erp.b": {"schema_changes": []},
    }
    summary = notify.messages.summarise("r1", tables, [], items)

    assert (summary["status"], summary["failed"]) == ("FAILED", ["erp.b"])
    assert summary["tables"][0] == {
        "table_id": "erp.a",
        "outcome": "COMMITTED",
        "engine": "shell",
        "rows_total": 7,
        "estimated_cost_usd": 0.001,
        "schema_changes": ["note text is new"],
    }
    assert "schema_changes" not in summary["tables"][1]
    assert summary["tables"][1]["error"] == "x" * 1000
    assert notify.messages.summary_subject(summary) == "Ingest r1: 1 of 2 tables failed"


def test_a_subject_is_what_sns_takes(notify: SimpleNamespace) -> None:
    subject = notify.messages.subject("Größe\n" + "x" * 200)
    assert subject.startswith("Gr??e?xxx")
    assert len(subject) == 100


@pytest.mark.parametrize(
    ("previous", "now", "dropped"),
    [(100, 49, 51), (100, 50, 0), (100, 0, 100), (None, 0, 0), (100, None, 0), (0, 0, 0)],
)
def test_rows_are_dropped_when_more_than_half_of_them_went(
    notify: SimpleNamespace, previous: int | None, now: int | None, dropped: int
) -> None:
    assert notify.metrics.rows_dropped(previous, {"rows_total": now}) == dropped


def test_only_what_went_wrong_has_a_metric_of_its_own(notify: SimpleNamespace) -> None:
    tables = [committed("erp.a", previous_rows=10), committed("erp.b", previous_rows=10)]
    items = {
        "erp.a": {"rows_quarantined": Decimal(3), "rows_total": Decimal(10)},
        "erp.b": {"rows_quarantined": Decimal(0), "rows_total": Decimal(1)},
    }
    assert values(notify.metrics.of_run(tables, items)) == {
        ("RowsQuarantined", ""): 3,
        ("RowsQuarantined", "erp.a"): 3,
        ("RowsDropped", ""): 9,
        ("RowsDropped", "erp.b"): 9,
    }


def test_the_age_is_measured_of_enabled_tables_that_limit_it(notify: SimpleNamespace) -> None:
    settings = [
        {"table_id": "erp.a", "enabled": True, "freshness_minutes": 60},
        {"table_id": "erp.b", "enabled": True, "freshness_minutes": 60},
        {"table_id": "erp.new", "enabled": True, "freshness_minutes": 60},
        {"table_id": "erp.any", "enabled": True, "freshness_minutes": None},
        {"table_id": "erp.off", "enabled": False, "freshness_minutes": 60},
    ]
    currents = {
        name: {"committed_at": (NOW - timedelta(minutes=minutes)).isoformat()}
        for name, minutes in {"erp.a": 30, "erp.b": 90, "erp.any": 5, "erp.off": 5}.items()
    }
    assert values(notify.metrics.of_age(settings, currents, NOW)) == {
        ("MinutesSinceCommit", "erp.a"): 30,
        ("MinutesSinceCommit", "erp.b"): 90,
        ("MinutesSinceCommit", ""): 90,
    }
    assert notify.metrics.of_age(settings[2:], currents, NOW) == []


def test_the_cost_of_a_day_counts_each_run_once(
    notify: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        dynamodb = boto3.resource("dynamodb", region_name="eu-west-1")
        keys = ("table_id", "run_id")
        runs = dynamodb.create_table(
            TableName="runs",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[
                {"AttributeName": key, "KeyType": role}
                for key, role in zip(keys, ("HASH", "RANGE"), strict=True)
            ],
        )
        desk = SimpleNamespace(ingest_runs=runs)
        add = notify.handler._add_cost

        totals = [add(desk, run, usd, NOW) for run, usd in (("r1", 0.5), ("r2", 0.25), ("r1", 0.5))]
        tomorrow = add(desk, "r3", 1.0, NOW + timedelta(days=1))

    assert totals == [Decimal("0.5"), Decimal("0.75"), Decimal("0.75")]
    assert tomorrow == Decimal(1)


def test_a_batch_that_did_not_come_to_its_end_has_failed_but_for_what_is_committed(
    notify: SimpleNamespace,
) -> None:
    planned = [
        {"table_id": f"erp.{name}", "engine": "shell", "previous_rows": None} for name in ("a", "b", "c", "d")
    ]
    lost = {"checked": {"items": [{"table": one} for one in planned[1:3]]}}
    executions = [
        {"Status": "SUCCEEDED", "Output": json.dumps([committed("erp.a", maintenance="done")])},
        {"Status": "FAILED", "Error": "States.Runtime", "Cause": "why", "Input": json.dumps(lost)},
    ]
    found = notify.results.outcomes(planned, executions, {"erp.b": {"status": "COMMITTED"}})
    assert [(one["outcome"], one.get("failure", {}).get("Error")) for one in found] == [
        ("COMMITTED", None),
        ("COMMITTED", None),
        ("FAILED", "States.Runtime"),
        ("FAILED", "NotBegun"),
    ]
    assert found[0]["maintenance"] == "done"


def test_a_summary_of_thousands_of_tables_is_a_message_that_sns_takes(notify: SimpleNamespace) -> None:
    failure = {"Error": "JobRunFailed", "Cause": "x" * 900}
    tables = [committed(f"erp.t{number}") for number in range(3000)]
    tables[2000:] = [{**one, "outcome": "FAILED", "failure": failure} for one in tables[2000:]]
    summary = notify.messages.summarise("r1", tables, [], {})
    message = notify.messages.shortened(summary, "s3://results/plans/r1/summary.json")

    assert len(json.dumps(message)) <= notify.messages.MOST_BYTES < 256 * 1024
    assert (message["status"], message["summary"]) == ("FAILED", "s3://results/plans/r1/summary.json")
    assert message["left_out"] + len(message["tables"]) == 3000
    assert len(message["failed"]) == len(message["tables"]) > 100, "what failed comes first"
    cause = notify.messages.failed_cause(summary)
    assert len(cause) <= notify.messages.LONGEST_CAUSE
    assert cause.endswith(" more")
    small = notify.messages.summarise("r1", tables[:2], [], {})
    assert notify.messages.shortened(small, "") == small
