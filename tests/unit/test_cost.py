"""What runs cost: counted from what they did, priced by the list."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
from ingest.settings_schema import completed

from lake import cost
from millpond.base.config import CHECKOUT
from millpond.base.errors import MillpondError
from millpond.cli import main as cli

BEGIN = datetime(2026, 5, 1, tzinfo=UTC)
PRICES = cost.read_prices(cost.PRICES)


def event(
    number: int, kind: str, previous: int = 0, seconds: float = 0, **details: object
) -> dict[str, object]:
    return {
        "id": number,
        "type": kind,
        "previousEventId": previous,
        "timestamp": BEGIN + timedelta(seconds=seconds),
        **details,
    }


def succeeded(kind: str, output: object = None) -> dict[str, object]:
    details = {"resourceType": kind, "resource": "invoke", "output": json.dumps(output)}
    return {"taskSucceededEventDetails": details}


def test_an_execution_is_counted_by_what_it_entered_called_and_scanned():
    used = cost.Execution.of_history(
        [
            event(1, "ExecutionStarted"),
            event(2, "TaskStateEntered", 1),
            event(3, "TaskScheduled", 2),
            event(4, "TaskStarted", 3),
            event(5, "TaskSucceeded", 4, 1.5, **succeeded("lambda")),
            event(6, "TaskStateEntered", 5),
            event(7, "TaskScheduled", 6, 2),
            event(8, "TaskStarted", 7, 2),
            event(
                9,
                "TaskSucceeded",
                8,
                4,
                **succeeded("athena", {"QueryExecution": {"Statistics": {"DataScannedInBytes": 42}}}),
            ),
            event(10, "PassStateEntered", 9, 4),
        ]
    )
    assert used == cost.Execution(3, (1.5,), (42,), BEGIN, BEGIN + timedelta(seconds=4))


def test_a_function_that_asks_a_person_is_not_billed_for_the_time_until_the_answer():
    details = {"resourceType": "lambda", "resource": "invoke.waitForTaskToken", "output": "{}"}
    used = cost.Execution.of_history(
        [
            event(1, "TaskScheduled"),
            event(2, "TaskStarted", 1),
            event(3, "TaskSubmitted", 2, 0.5, taskSubmittedEventDetails=details),
            event(4, "TaskSucceeded", 3, 7200, taskSucceededEventDetails=details),
        ]
    )
    assert used.function_seconds == (0.5,)


def test_a_small_query_is_billed_as_ten_megabytes():
    least = 10 * 1024**2 / 1024**4 * PRICES["athena_tb_scanned"]
    (athena,) = (
        one
        for one in cost.run_services(cost.Execution(0, (), (42,)), 1, 30, PRICES, 0)
        if one.name.startswith("Athena")
    )
    assert athena.run_usd == pytest.approx(least)
    assert athena.month_usd == pytest.approx(30 * least)


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("rate(1 day)", 30),
        ("rate(12 hours)", 60),
        ("cron(0 2 * * ? *)", 30),
        ("cron(0 2,14 * * ? *)", 60),
        ("cron(0 2 1 * ? *)", 1),
    ],
)
def test_a_schedule_fires_so_often_in_thirty_days(expression, runs):
    assert cost.runs_of_month(expression, end=date(2026, 5, 1)) == runs


@pytest.mark.parametrize(
    ("usual", "own", "runs"),
    [
        ("cron(0 2 * * ? *)", "rate(1 hour)", 30),
        ("cron(0 2 * * ? *)", "cron(0/15 * * * ? *)", 30),
        ("cron(0 2 * * ? *)", "rate(1 day)", 30),
        ("cron(0 2 * * ? *)", "cron(0 1 ? * SUN *)", 4),
        ("cron(0 2 * * ? *)", "rate(7 days)", 4),
        ("rate(8 hours)", "rate(12 hours)", 45),
    ],
)
def test_a_table_with_its_own_schedule_runs_when_the_rule_fires_and_it_is_due(usual, own, runs):
    assert cost.runs_of_month(usual, own, date(2026, 5, 1)) == runs


def test_tables_that_are_disabled_or_no_longer_in_the_settings_are_left_out_and_named():
    runs = {name: {"table_id": name} for name in ("a.on", "a.off", "a.gone")}
    of_tables = {"a.on": {"enabled": True}, "a.off": {"enabled": False}, "a.new": {"enabled": True}}
    assert cost.still_ingested(runs, of_tables) == ({"a.on": runs["a.on"]}, ("a.gone", "a.off"))


def test_when_every_table_that_was_ingested_is_disabled_the_error_names_them():
    with pytest.raises(MillpondError, match=r"is enabled in job_settings: a\.off"):
        cost.still_ingested({"a.off": {}}, {"a.off": {"enabled": False}})


RATES = {
    "DPU_HOUR_USD": "0.44",
    "FLEX_DPU_HOUR_USD": "0.29",
    "SHELL_DPU": "0.0625",
    "SHELL_BYTES_PER_SECOND": "50e6",
    "SPARK_BYTES_PER_SECOND": "30e6",
    "SHELL_TABLE_SECONDS": "2",
    "SPARK_START_SECONDS": "30",
    "TARGET_SECONDS": "600",
    "MAX_WORKERS": "10",
}


def test_the_other_engine_is_the_one_that_was_not_planned_at_the_price_of_its_urgency():
    planned = [
        {"table_id": "a.large", "engine": "spark", "estimated_bytes": 6_000_000_000},
        {"table_id": "a.patient", "engine": "shell", "estimated_bytes": 1000},
        {"table_id": "a.urgent", "engine": "shell", "estimated_bytes": 1000},
        {"table_id": "a.unsaid", "engine": "shell", "estimated_bytes": None},
    ]
    of_tables = {
        "a.large": {"urgent": False},
        "a.patient": {"urgent": False},
        "a.urgent": {"urgent": True},
        "a.unsaid": completed({}),
    }
    others = cost.other_engines(planned, of_tables, RATES)
    minute = 60 / 3600
    assert {name: engine for name, (engine, _) in others.items()} == {
        "a.large": "shell",
        "a.patient": "spark",
        "a.urgent": "spark",
        "a.unsaid": "spark",
    }
    assert {name: usd for name, (_, usd) in others.items()} == pytest.approx(
        {
            "a.large": 2 * minute * 0.0625 * 0.44,
            "a.patient": minute * 2 * 0.29,
            "a.urgent": minute * 2 * 0.44,
            "a.unsaid": minute * 2 * 0.29,
        }
    )


def test_a_table_costs_its_last_run_and_a_month_of_them_with_either_engine():
    run = {"table_id": "a.b", "engine": "shell", "estimated_cost_usd": "0.0005"}
    assert cost.table_cost(run, 30, "spark", 0.01) == cost.TableCost(
        "a.b", "shell", 0.0005, pytest.approx(0.015), 30, "spark", 0.01, pytest.approx(0.3)
    )


def test_a_run_is_priced_by_the_units_that_are_billed():
    used = cost.Execution(400, (1.0, 3.0), (1024**4,))
    once = {one.name: one for one in cost.run_services(used, 10, 30, PRICES, 2 * 1024**3)}
    assert {name: one.run_usd for name, one in once.items()} == pytest.approx(
        {
            "Step Functions: transitions": 0.01,
            "Lambda: plan, register, notify": 2 * 0.2e-6 + 4 * 0.25 * 0.0000166667,
            "Athena: checks of the ingest": 5.0,
            "DynamoDB: settings and runs": (100 * 0.1415 + 60 * 0.705) / 1e6,
            "S3: requests": 0.0004,
            "CloudWatch: logs": 2 * 0.57,
        }
    )
    assert [one.month_usd for one in once.values()] == pytest.approx(
        [30 * one.run_usd for one in once.values()]
    )


def test_what_stands_is_priced_by_the_month_and_a_metric_by_the_hours_in_which_it_is_given():
    standing = {
        "stored_bytes": 100 * 1024**3,
        "secrets": 2,
        "keys": 1,
        "alarms": 12,
        "composite_alarms": 1,
        "metrics_of_every_hour": 1,
        "metrics_of_runs": 5,
        "dashboards": 1,
        "vpn_connections": 1,
        "endpoint_interfaces": 3,
    }
    services = cost.standing_services(standing, 73, PRICES)
    assert {one.run_usd for one in services} == {0.0}
    assert {one.name: one.month_usd for one in services} == pytest.approx(
        {
            "S3: data": 2.3,
            "Secrets Manager": 0.8,
            "KMS": 1.0,
            "CloudWatch: alarms": 1.2 + 0.5,
            "CloudWatch: custom metrics": (1 + 5 * 0.1) * 0.3,
            "CloudWatch: dashboards": 3.0,
            "VPN connections": 36.5,
            "VPC: interface endpoints": 3 * 730 * 0.011,
        }
    )


REPORT = cost.CostReport(
    "2025-06",
    "eu-west-1",
    (
        cost.TableCost("a.b", "shell", 1, 30, 30, "spark", 2, 60),
        cost.TableCost("a.c", "spark", 4, 16, 4, "shell", 3, 12),
    ),
    (cost.ServiceCost("x", 0.5, 15), cost.ServiceCost("y", 0, 7)),
    ("a.off",),
)


def test_the_totals_are_the_sums_of_what_is_shown():
    assert REPORT.totals == {
        "glue_run_usd": 5,
        "glue_month_usd": 46,
        "other_run_usd": 5,
        "other_month_usd": 72,
        "run_usd": 5.5,
        "month_usd": 68,
    }


@pytest.fixture
def shown(monkeypatch, capsys):
    """What the verb prints of the report."""
    monkeypatch.setattr("lake.verbs.cost.require_running", lambda _: None)
    monkeypatch.setattr(cost, "report", lambda *_: REPORT)

    def show(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["millpond", "cost", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert not caught.value.code
        captured = capsys.readouterr()
        return captured.out + captured.err

    return show


def test_the_verb_ends_each_table_with_its_total_and_names_what_it_left_out(shown):
    lines = [line.split() for line in shown().splitlines()]
    assert ["a.b", "shell", "1.00000", "30.0000", "spark", "2.00000", "60.0000"] in lines
    assert ["all", "tables", "5.00000", "46.0000", "5.00000", "72.0000"] in lines
    assert ["with", "Glue,", "everything", "5.50000", "68.0000"] in lines
    assert any("any more: a.off" in " ".join(line) for line in lines)


def test_the_verb_prints_the_report_and_its_totals_as_json(shown):
    answer = json.loads(shown("--json"))
    assert [one["table_id"] for one in answer["tables"]] == ["a.b", "a.c"]
    assert answer["left_out"] == ["a.off"]
    assert {name: answer[name] for name in REPORT.totals} == REPORT.totals


def test_terraform_and_the_list_name_the_same_price_of_a_dpu():
    variables = (CHECKOUT / "terraform/variables.tf").read_text()
    for name, price in (("dpu_hour_usd", "glue_dpu_hour"), ("flex_dpu_hour_usd", "glue_flex_dpu_hour")):
        block = re.search(rf'variable "{name}" \{{.*?\n\}}', variables, re.DOTALL)
        default = re.search(r"default\s*=\s*([0-9.]+)", block[0])
        assert float(default[1]) == PRICES[price]


def test_what_the_executions_of_its_batches_used_is_part_of_a_run():
    began, ended = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    run = cost.Execution(10, (1.0,), (), began, ended)
    whole = run.with_children([cost.Execution(18, (0.5,), (7,)), cost.Execution(29, (), (5, 6))])
    assert whole == cost.Execution(57, (1.0, 0.5), (7, 5, 6), began, ended)
