"""Which tables a scheduled run finds due: EventBridge's schedule expressions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from lambda_modules import lambda_modules

NOW = datetime(2026, 11, 23, 2, 0, 40, tzinfo=UTC)  # A Monday.


@pytest.fixture(scope="module")
def plan() -> Iterator[SimpleNamespace]:
    with lambda_modules("plan", "schedules", "errors") as modules:
        yield modules


def previous(plan: SimpleNamespace, fields: str, now: datetime = NOW) -> str | None:
    fired = plan.schedules.Cron.parse(f"cron({fields})").previous(now)
    return fired and f"{fired:%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("fields", "fired"),
    [
        ("0 2 * * ? *", "2026-11-23 02:00"),
        ("1 2 * * ? *", "2026-11-22 02:01"),
        ("*/15 * * * ? *", "2026-11-23 02:00"),
        ("10,50 0-1 * * ? *", "2026-11-23 01:50"),
        ("30 18 ? * MON-FRI *", "2026-11-20 18:30"),
        ("0 0 ? * 1 *", "2026-11-22 00:00"),
        ("0 0 ? * SUN,7 *", "2026-11-22 00:00"),
        ("0 8 1 * ? *", "2026-11-01 08:00"),
        ("0 8 1 JAN,JUL ? *", "2026-07-01 08:00"),
        ("0 8 L * ? *", "2026-10-31 08:00"),
        ("0 8 29 2 ? *", "2024-02-29 08:00"),
        ("0 8 15W * ? *", "2026-11-16 08:00"),  # The 15th is a Sunday.
        ("0 8 1W 8 ? *", "2026-08-03 08:00"),  # The 1st is a Saturday, the day before it in July.
        ("0 8 31W 1 ? *", "2026-01-30 08:00"),  # The 31st is a Saturday.
        ("0 8 ? * 6L *", "2026-10-30 08:00"),
        ("0 8 ? * L *", "2026-10-31 08:00"),
        ("0 8 ? * 2#3 *", "2026-11-16 08:00"),
        ("0 8 ? * MON#5 *", "2026-08-31 08:00"),
        ("0 8 1 1 ? 2020-2022", "2022-01-01 08:00"),
        ("0 8 1 1 ? 2030", None),
        ("0 2/8 * * ? *", "2026-11-23 02:00"),
    ],
)
def test_cron_expressions_fire_as_on_eventbridge(
    plan: SimpleNamespace, fields: str, fired: str | None
) -> None:
    assert previous(plan, fields) == fired


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 2 * * *)",
        "cron(0 2 * * * *)",
        "cron(0 2 ? * ? *)",
        "cron(60 2 * * ? *)",
        "cron(0 2 * * ? 1969)",
        "cron(0 2 5-1 * ? *)",
        "cron(*/0 2 * * ? *)",
        "cron(0 2 ? * MON#6 *)",
        "rate(1 hours)",
        "rate(2 hour)",
        "rate(0 minutes)",
        "daily",
    ],
)
def test_what_eventbridge_refuses_is_refused(plan: SimpleNamespace, expression: str) -> None:
    with pytest.raises(plan.errors.BadSettingsError, match="is not a schedule"):
        plan.schedules.is_due(expression, None, NOW)


@pytest.mark.parametrize(
    ("expression", "since", "is_due"),
    [
        (None, timedelta(minutes=1), True),
        ("rate(1 day)", timedelta(hours=23, minutes=58), True),
        ("rate(1 day)", timedelta(hours=23), False),
        ("rate(5 minutes)", timedelta(minutes=4, seconds=40), True),
        ("rate(5 minutes)", timedelta(minutes=4), False),
        ("rate(7 days)", timedelta(days=6, hours=23, minutes=50), True),
        ("cron(0 2 * * ? *)", timedelta(hours=23, minutes=59), True),
        ("cron(0 2 * * ? *)", timedelta(seconds=20), False),
        ("cron(0 2 ? * TUE *)", timedelta(days=5), False),
        ("cron(0 2 ? * TUE *)", timedelta(days=7), True),
    ],
)
def test_a_table_is_due_once_its_time_has_come_since_its_last_run_began(
    plan: SimpleNamespace, expression: str | None, since: timedelta, is_due: bool
) -> None:
    assert plan.schedules.is_due(expression, NOW - since, NOW) is is_due


@pytest.mark.parametrize("expression", ["rate(7 days)", "cron(0 2 ? * TUE *)"])
def test_a_table_that_never_was_committed_is_due(plan: SimpleNamespace, expression: str) -> None:
    assert plan.schedules.is_due(expression, None, NOW)
