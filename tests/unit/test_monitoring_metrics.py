"""Alarms and the dashboard look at metrics that somebody emits: a name with a slip never raises anything."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from lambda_modules import lambda_modules

from millpond.base.config import CHECKOUT

MONITORING, DASHBOARD, POLICIES = (
    (CHECKOUT / f"terraform/{name}.tf").read_text() for name in ("monitoring", "dashboard", "lambda_policies")
)

# A metric is its name and the names of its dimensions.
Metric = tuple[str, tuple[str, ...]]


def emitted_by_notify() -> set[Metric]:
    """What the Lambda puts after a run with something of everything, and when it measures."""
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    with lambda_modules("notify", "metrics") as modules:
        metrics = modules.metrics
        settings = [{"table_id": "erp.a", "enabled": True, "freshness_minutes": 60}]
        currents = {"erp.a": {"committed_at": (now - timedelta(hours=1)).isoformat()}}
        data = [
            *metrics.of_run(
                [{"table_id": "erp.a", "previous_rows": 10}],
                {"erp.a": {"rows_quarantined": 1, "rows_total": 1}},
            ),
            *metrics.cost_of_day(1.0),
            *metrics.of_age(settings, currents, now),
        ]
    return {(one["MetricName"], tuple(d["Name"] for d in one["Dimensions"])) for one in data}


def emitted_by_filters() -> set[Metric]:
    block = re.search(r'"aws_cloudwatch_log_metric_filter".*?for_each = {\n(.*?)\n  }', MONITORING, re.DOTALL)
    assert block
    return {(name, ()) for name in re.findall(r"^    (\w+)\s+= ", block[1], re.MULTILINE)}


def looked_at_by_alarms() -> list[Metric]:
    """Of our own namespace: those in the map of alarms, then those with a resource of their own."""
    listed = re.findall(
        r'namespace = local\.namespace, metric = "(\w+)"\s+statistic\s+= "\w+", dimensions = {(.*?)}',
        MONITORING,
    )
    alone = re.findall(
        r'namespace\s+= local\.namespace\n\s+metric_name\s+= "(\w+)"\n\s+dimensions\s+= {(.*?)}', MONITORING
    )
    return [(name, tuple(re.findall(r"(\w+) =", keys))) for name, keys in listed + alone]


def looked_at_by_the_dashboard() -> list[Metric]:
    named = re.findall(r'\[local\.namespace, "(\w+)"((?:, "\w+", \w+)?)\]', DASHBOARD)
    return [(name, tuple(re.findall(r'"(\w+)"', dimensions))) for name, dimensions in named]


@pytest.mark.parametrize(
    ("looked_at", "text"),
    [
        (looked_at_by_alarms(), MONITORING.split('"aws_cloudwatch_log_metric_filter"')[0]),
        (looked_at_by_the_dashboard(), DASHBOARD.replace("[local.namespace, name]", "")),
    ],
    ids=["alarms", "dashboard"],
)
def test_every_metric_of_our_own_that_is_looked_at_is_emitted(looked_at: list[Metric], text: str) -> None:
    assert len(looked_at) == text.count("local.namespace") > 3, "none is overlooked here"
    assert set(looked_at) <= emitted_by_notify() | emitted_by_filters()


def test_the_dashboard_shows_what_the_metric_filters_count() -> None:
    assert (
        "for name in keys(aws_cloudwatch_log_metric_filter.state_machine) : [local.namespace, name]"
        in DASHBOARD
    )
    assert emitted_by_filters() == {("StepsFailed", ()), ("TablesNotIngested", ())}


def test_all_speak_of_the_namespace_that_the_function_may_write_to() -> None:
    with lambda_modules("notify", "metrics") as modules:
        namespace = modules.metrics.NAMESPACE
    assert re.findall(r'^  namespace = "(\w+)"', MONITORING, re.MULTILINE) == [namespace]
    sid, values = re.search(  # type: ignore[union-attr]
        r'sid\s+= "(PutMetrics)".*?values\s+= \["(\w+)"\]', POLICIES, re.DOTALL
    ).groups()
    assert (sid, values) == ("PutMetrics", namespace)
