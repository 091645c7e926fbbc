"""What runs cost: counted from what they did, priced by the list."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from millpond import cost
from millpond.config import CHECKOUT

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
    return {"taskSucceededEventDetails": {"resourceType": kind, "output": json.dumps(output)}}


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
            event(10, "PassStateEntered", 9),
        ]
    )
    assert used == cost.Execution(3, (1.5,), (42,))


def test_a_small_query_is_billed_as_ten_megabytes():
    least = 10 * 1024**2 / 1024**4 * PRICES["athena_tb_scanned"]
    (athena,) = (
        one
        for one in cost.run_services(cost.Execution(0, (), (42,)), 1, 30, PRICES)
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
    assert cost.runs_of_month(expression, date(2026, 4, 30)) == runs


def test_the_total_is_the_sum_of_what_is_shown():
    report = cost.CostReport(
        "2025-06",
        "eu-west-1",
        (cost.TableCost("a.b", "shell", 1, 30, 30, "spark", 2),),
        (cost.ServiceCost("x", 0.5, 15),),
    )
    assert (report.run_usd, report.month_usd) == (1.5, 45)


def test_terraform_and_the_list_name_the_same_price_of_a_dpu():
    variables = (CHECKOUT / "terraform/variables.tf").read_text()
    for name, price in (("dpu_hour_usd", "glue_dpu_hour"), ("flex_dpu_hour_usd", "glue_flex_dpu_hour")):
        block = re.search(rf'variable "{name}" \{{.*?\n\}}', variables, re.DOTALL)
        default = re.search(r"default\s*=\s*([0-9.]+)", block[0])
        assert float(default[1]) == PRICES[price]
