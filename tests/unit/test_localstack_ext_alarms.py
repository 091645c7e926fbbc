"""Alarm states, composite rules and metric math, as the CloudWatch User Guide describes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from millpond.localstack_ext.cloudwatch import alarm_rules, metric_math
from millpond.localstack_ext.cloudwatch.alarm_rules import InvalidRuleError
from millpond.localstack_ext.cloudwatch.alarms import Point, Settings, evaluate
from millpond.localstack_ext.cloudwatch.metric_math import MathError
from millpond.localstack_ext.cloudwatch.metric_store import Sample, statistic_by_period

START = datetime(2026, 5, 31, tzinfo=UTC)
KEPT = "kept"


def state(shown: str, missing: str, m: int, n: int) -> str:
    values = {"X": 5.0, "0": 0.0, "-": None}
    points = [Point(START + timedelta(minutes=at), values[mark]) for at, mark in enumerate(shown)]
    return evaluate(points, Settings("GreaterThanThreshold", 3, n, m, missing), KEPT).state


@pytest.mark.parametrize(
    ("shown", "missing", "ignore", "breaching", "not_breaching"),
    [
        ("0-X-X", "OK", "OK", "OK", "OK"),
        ("----0", "OK", "OK", "OK", "OK"),
        ("-----", "INSUFFICIENT_DATA", KEPT, "ALARM", "OK"),
        ("0XX-X", "ALARM", "ALARM", "ALARM", "ALARM"),
        ("--X--", "ALARM", KEPT, "ALARM", "OK"),
    ],
)
def test_three_of_three_treats_missing_data_as_in_the_table_of_the_guide(
    shown: str, missing: str, ignore: str, breaching: str, not_breaching: str
) -> None:
    treatments = ("missing", "ignore", "breaching", "notBreaching")
    assert [state(shown, treatment, 3, 3) for treatment in treatments] == [
        missing,
        ignore,
        breaching,
        not_breaching,
    ]


@pytest.mark.parametrize(
    ("shown", "missing", "breaching", "not_breaching"),
    [
        ("0-X-X", "ALARM", "ALARM", "ALARM"),
        ("00X0X", "ALARM", "ALARM", "ALARM"),
        ("0-X--", "OK", "ALARM", "OK"),
        ("----0", "OK", "ALARM", "OK"),
        ("---X-", "ALARM", "ALARM", "OK"),
    ],
)
def test_two_of_three_treats_missing_data_as_in_the_table_of_the_guide(
    shown: str, missing: str, breaching: str, not_breaching: str
) -> None:
    assert [state(shown, treatment, 2, 3) for treatment in ("missing", "breaching", "notBreaching")] == [
        missing,
        breaching,
        not_breaching,
    ]


def test_reason_names_the_values_and_the_threshold() -> None:
    points = [Point(START, 0.0), Point(START + timedelta(minutes=1), 4.0)]
    verdict = evaluate(points, Settings("GreaterThanThreshold", 3, 1, 1, "missing"), "OK")
    assert verdict.state == "ALARM"
    assert verdict.reason == (
        "Threshold Crossed: 1 out of the last 1 datapoints [4.0 (31/05/26 00:01:00)] was greater than the "
        "threshold (3) (minimum 1 datapoint for OK -> ALARM transition)."
    )


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("ALARM(late)", True),
        ('ALARM("arn:aws:cloudwatch:eu-west-1:0:alarm:late")', True),
        ("OK(late) OR ALARM(failed)", False),
        ("ALARM(late) AND NOT ALARM(failed)", True),
        ("ALARM(failed) OR ALARM(late) AND INSUFFICIENT_DATA(cost)", True),
        ("NOT (ALARM(failed) OR ALARM(late))", False),
        ("TRUE AND NOT FALSE", True),
    ],
)
def test_composite_rule_holds_for_the_states_it_names(rule: str, holds: bool) -> None:
    states = {"late": "ALARM", "failed": "OK", "cost": "INSUFFICIENT_DATA"}
    parsed = alarm_rules.parse(rule)
    assert parsed.holds(lambda name: states[name.rsplit(":", 1)[-1]]) is holds


@pytest.mark.parametrize("rule", ["", "ALARM(late", "late", "ALARM(a) ALARM(b)", "ALARM(a) XOR ALARM(b)"])
def test_composite_rule_that_aws_refuses_is_refused(rule: str) -> None:
    with pytest.raises(InvalidRuleError):
        alarm_rules.parse(rule)


SERIES = {"m1": {0: 10.0, 60: 20.0}, "m2": {0: 5.0, 120: 1.0}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("m1 / m2", {0: 2.0}),
        ("100 * m1 ^ 2", {0: 10_000.0, 60: 40_000.0}),
        ("m1 - -1", {0: 11.0, 60: 21.0}),
        ("m1 > 15", {0: 0.0, 60: 1.0}),
        ("m1 > 5 AND m1 < 15", {0: 1.0, 60: 0.0}),
        ("SUM(METRICS())", {0: 15.0, 60: 20.0, 120: 1.0}),
        ("AVG([m1, m2])", {0: 7.5, 60: 20.0, 120: 1.0}),
        ("MAX(m1)", 20.0),
        ("FILL(m2, 0)", {0: 5.0, 60: 0.0, 120: 1.0}),
        ("FILL(m2, REPEAT)", {0: 5.0, 60: 5.0, 120: 1.0}),
        ("IF(m1 > 15, m1, 0)", {0: 0.0, 60: 20.0}),
        ("IF(FILL(m2, 0) == 0, 1)", {60: 1.0}),
        ("RATE(m1) * PERIOD(m1)", {60: 10.0}),
        ("DIFF(m1)", {60: 10.0}),
        ("RUNNING_SUM(m1)", {0: 10.0, 60: 30.0}),
        ("m1 / (m2 - 5)", {}),
        ("CEIL(m1 / 3)", {0: 4.0, 60: 7.0}),
        ("LOG10(m1 - 10)", {60: 1.0}),
        ("(m1 - 11) ^ 0.5", {60: 3.0}),
    ],
)
def test_expression_has_the_value_that_the_guide_gives_it(expression: str, value: metric_math.Value) -> None:
    assert metric_math.evaluate(expression, dict(SERIES), 60, range(0, 180, 60)) == value


@pytest.mark.parametrize(
    "expression",
    ["m1 +", "SEARCH('x', 'Sum', 60)", "m9 * 2", "m1.real", "__import__('os')", "LOG(0)", "1 / 0"],
)
def test_expression_that_is_not_available_is_refused(expression: str) -> None:
    with pytest.raises(MathError):
        metric_math.evaluate(expression, dict(SERIES), 60, range(0, 180, 60))


def test_statistics_of_a_period_count_values_and_statistic_sets() -> None:
    samples = [Sample(0, 1, 4, 4, 4), Sample(59, 3, 12, 1, 9), Sample(60, 1, 7, 7, 7)]
    values = {
        name: statistic_by_period(samples, name, 0, 60)
        for name in ("Sum", "Average", "Minimum", "Maximum", "SampleCount", "p50")
    }
    assert values == {
        "Sum": {0: 16, 60: 7},
        "Average": {0: 4, 60: 7},
        "Minimum": {0: 1, 60: 7},
        "Maximum": {0: 9, 60: 7},
        "SampleCount": {0: 4, 60: 1},
        "p50": {60: 7},
    }


def test_percentile_is_the_value_below_which_that_share_lies() -> None:
    samples = [Sample(0, 1, value, value, value) for value in range(1, 101)]
    assert [statistic_by_period(samples, name, 0, 60)[0] for name in ("p50", "p99", "p99.9", "p100")] == [
        50,
        99,
        100,
        100,
    ]
